package index

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestKeyFollows: the key that is sealed under is the newest live one; where there is none, one is made; there are never three.
func TestKeyFollows(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		b := newBed(t, db)
		if k, err := b.NewKey(ctx, b.keys, 20); err != nil || k.ID != "k1" || k.LocatorBits != DefaultLocatorBits {
			t.Errorf("%+v, %v", k, err)
		}
		if _, err := b.Successor(ctx, b.keys, 0); !errors.Is(err, ErrNone) {
			t.Errorf("before anything is published: %v", err)
		}
		b.publish("alpha", roster("a", 10))
		next, err := b.Successor(ctx, b.keys, 14)
		if err != nil || next.ID != "k2" || next.LocatorBits != 14 {
			t.Fatalf("%+v, %v", next, err)
		}
		if again, err := b.Successor(ctx, b.keys, 0); err != nil || !reflect.DeepEqual(again, next) {
			t.Errorf("%+v, %v", again, err)
		}
		// What was sealed stays what it is; what is new is under the new key.
		if s, err := b.Seal(ctx, b.keys, "alpha", roster("a", 10), nil); err != nil || s.Key.ID != "k1" || s.Revision != "1" {
			t.Errorf("%+v, %v", s, err)
		}
		b.publish("beta", roster("b", 10))
		if keys := b.newest().Keys; len(keys) != 2 || b.newest().Key("k2").State != check.KeyLive {
			t.Errorf("%+v", keys)
		}
		if err := errors.Join(b.Compromise(ctx, "k1", "x"), b.Compromise(ctx, "k2", "x")); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Seal(ctx, b.keys, "gamma", roster("c", 10), nil); !errors.Is(err, ErrKeys) || hint.Of(err) == "" {
			t.Errorf("a third key: %v", err)
		}
		known, err := b.Keys(ctx)
		if err != nil || len(known) != 2 || known[0].State() != check.KeyCompromised || known[0].Since().IsZero() {
			t.Errorf("%+v, %v", known, err)
		}
	})
}

// TestDecideEnd: nothing is decided of a key under which something is answered, that is not here, or that there is not.
func TestDecideEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		b.publish("beta", roster("b", 10))
		decided := func() bool {
			t.Helper()
			known, err := b.Keys(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return !known[0].EndDecided.IsZero()
		}
		if err := b.DecideEnd(ctx, b.keys, Ending{Keys: []string{"k1"}}, "x"); !errors.Is(err, ErrInUse) || decided() {
			t.Errorf("a key in use: %v", err)
		}
		if err := b.DecideEnd(ctx, b.keys, Ending{Incident: "alpha", Keys: []string{"k1"}}, "x"); !errors.Is(err, ErrInUse) || decided() {
			t.Errorf("another's key: %v", err)
		}
		if err := b.DecideEnd(ctx, b.keys, Ending{Keys: []string{"k9"}}, "x"); !errors.Is(err, ErrNoSuchKey) {
			t.Errorf("no key: %v", err)
		}
		if ids, err := b.retired(ctx); err != nil || len(ids) != 0 {
			t.Errorf("what was refused was decided: %q, %v", ids, err)
		}
		if err := b.DecideEnd(ctx, b.keys, Ending{Incident: "alpha"}, "x"); err != nil {
			t.Fatal(err)
		}
		d, err := b.Reissue(ctx, frame(b.ledger), false)
		if err != nil || d == nil || d.Statement.Incident("alpha").State != check.Retired || len(d.Statement.Layers) != 1 {
			t.Fatalf("what was decided is not said: %+v, %v", d, err)
		}
		if _, err := put(ctx, b.ledger, b.Index, d, nil); err != nil {
			t.Fatal(err)
		}
		// While a key is being destroyed nothing is said of it, and everything else is published.
		if err := b.DecideEnd(ctx, b.keys, Ending{Incident: "beta", Keys: []string{"k1"}}, "x"); err != nil {
			t.Fatal(err)
		}
		b.publish("gamma", roster("c", 10))
		if st := b.newest(); st.Incident("beta").State != check.Final || st.Key("k1").State != check.KeyLive || st.Key("k2") == nil {
			t.Errorf("%+v", st)
		}
		if err := b.FinishEnding(ctx, b.keys); err != nil {
			t.Fatal(err)
		}
		if d, err = b.Reissue(ctx, frame(b.ledger), false); err != nil || d == nil || d.Statement.Key("k1").State != check.KeyEnded || d.Statement.Incident("beta").State != check.Retired {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

// TestHeldLate: a folder in which a key ended before statements said what it held is told of with the next statement.
func TestHeldLate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		b.publish("beta", roster("b", 10))
		b.publish("alpha", roster("a2", 9))
		key, err := b.Successor(ctx, b.keys, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"alpha", "beta"} {
			s, err := b.SealUnder(ctx, b.keys, key, id, roster(id[:1]+"3", 8), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Publish(ctx, subject(id), s, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(b.DecideEnd(ctx, b.keys, Ending{Keys: []string{"k1"}}, "x"), b.FinishEnding(ctx, b.keys)); err != nil {
			t.Fatal(err)
		}
		d, err := b.Reissue(ctx, frame(b.ledger), false)
		if err != nil || d == nil {
			t.Fatal(err)
		}
		want := d.Statement.Key("k1").Held
		if len(want) != 3 || want[1].Incident != "alpha" || want[1].Revision != "2" || want[1].N() != 9 {
			t.Fatalf("%+v", want)
		}
		d.Statement.Key("k1").Held = nil // as it was published before
		if d, err = newDraft(d.Statement); err != nil {
			t.Fatal(err)
		}
		if _, err := put(ctx, b.ledger, b.Index, d, nil); err != nil {
			t.Fatal(err)
		}
		if d, err = b.Reissue(ctx, frame(b.ledger), false); err != nil || d == nil || !reflect.DeepEqual(d.Statement.Key("k1").Held, want) {
			t.Fatalf("%+v, %v", d, err)
		}
		if _, err := put(ctx, b.ledger, b.Index, d, nil); err != nil {
			t.Fatal(err)
		}
		if d, err = b.Reissue(ctx, frame(b.ledger), false); err != nil || d != nil {
			t.Errorf("it is said again and again: %+v, %v", d, err)
		}
		c, _ := b.serve(unlimited)
		if v := ask(t, c, member("z", 0)); v.Result != check.NotInScope || v.Complete() || len(v.Ended) != 3 {
			t.Errorf("%+v", v)
		}
	})
}

// TestSealedUnderAnEndedKey: a publisher that sealed while the key was being ended is told so, and publishes nothing.
func TestSealedUnderAnEndedKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		secret, err := b.keys.Load(KeyFile("k1"))
		if err != nil {
			t.Fatal(err)
		}
		slow, err := b.Seal(ctx, b.keys, "beta", roster("b", 10), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(b.DecideEnd(ctx, b.keys, Ending{Incident: "alpha", Keys: []string{"k1"}}, "x"), b.FinishEnding(ctx, b.keys)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Draft(ctx, b.keys, frame(b.ledger), subject("beta"), slow); !errors.Is(err, ErrStale) {
			t.Errorf("%v", err)
		}
		b.publish("beta", roster("b", 10))
		if st := b.newest(); st.Layers[0].Key != "k2" || st.Incident("beta").Revision != "2" || st.Incident("alpha").State != check.Retired {
			t.Errorf("%+v", st)
		}
		c, _ := b.serve(unlimited)
		if v := ask(t, c, member("b", 0)); v.Result != check.Affected {
			t.Errorf("%+v", v)
		}
		if _, err := b.Verify(ctx, nil); err != nil {
			t.Error(err)
		}
		// A key that has ended is missed by nobody, and told of where a copy brought it back.
		if err := b.VerifyKeys(ctx, b.keys); err != nil {
			t.Error(err)
		}
		if err := b.keys.Create(KeyFile("k1"), secret); err != nil {
			t.Fatal(err)
		}
		if err := b.VerifyKeys(ctx, b.keys); !errors.Is(err, ErrEnded) {
			t.Errorf("a key that came back: %v", err)
		}
	})
}

// TestServersLetGo: a server that holds an ended key in memory answers nothing under it once that is published.
func TestServersLetGo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		h := b.host()
		e := NewEvaluator(b.keys, unlimited, h.Keys, nil)
		if err := e.Ready(ctx); err != nil || len(e.held) != 1 {
			t.Fatal(err)
		}
		if err := errors.Join(b.DecideEnd(ctx, b.keys, Ending{Incident: "alpha", Keys: []string{"k1"}}, "x"), b.FinishEnding(ctx, b.keys)); err != nil {
			t.Fatal(err)
		}
		d, err := b.Reissue(ctx, frame(b.ledger), false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := put(ctx, b.ledger, b.Index, d, nil); err != nil {
			t.Fatal(err)
		}
		b.pass(freshFor)
		if _, err := e.key(ctx, "k1"); !errors.Is(err, errUnknownKey) || len(e.held) != 0 {
			t.Errorf("%v, %d keys are held", err, len(e.held))
		}
	})
}

// ending is the child that TestEndingKilled kills: it destroys a key that is to be destroyed.
func ending(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := files.OpenKeys(filepath.Join(args[1], "keys"))
	if err != nil {
		return err
	}
	keys.Watch(step)
	x, err := New(ctx, db, nil)
	if err != nil {
		return err
	}
	step()
	if err := x.DecideEnd(ctx, keys, Ending{Incident: "alpha", Keys: []string{args[2]}}, "x"); err != nil {
		return err
	}
	step()
	return x.FinishEnding(ctx, keys)
}

// TestEndingKilled kills, at every step, a process that destroys a key: what is recorded as destroyed is, and what is gone was
// to be destroyed.
func TestEndingKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		db, err := store.Open(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		secret, err := b.keys.Load(KeyFile("k1"))
		if err != nil {
			t.Fatal(err)
		}
		for at := 1; ; at++ {
			killed := false
			for range 4 { // a kill comes at an instant between two steps that nobody chooses
				if _, err := db.ExecContext(ctx, `UPDATE index_key SET end_at = NULL, ended_at = NULL`); err != nil {
					t.Fatal(err)
				}
				if err := b.keys.Create(KeyFile("k1"), secret); err != nil && !errors.Is(err, files.ErrExist) {
					t.Fatal(err)
				}
				if _, killed = killtest.Kill(t, at, url, b.root, "k1"); !killed {
					break
				}
				known, err := b.Keys(ctx)
				if err != nil {
					t.Fatal(err)
				}
				names, err := b.keys.List()
				if err != nil {
					t.Fatal(err)
				}
				there := slices.Contains(names, KeyFile("k1"))
				if there && !known[0].Ended.IsZero() || !there && known[0].EndDecided.IsZero() {
					t.Errorf("killed at step %d: the file is there: %v, %+v", at, there, known[0])
				}
				// Whoever starts next ends it, and its bytes are nowhere in the folder.
				again, err := files.OpenKeys(filepath.Join(b.root, "keys"))
				if err != nil {
					t.Fatal(err)
				}
				if err := b.FinishEnding(ctx, again); err != nil {
					t.Fatal(err)
				}
				again.Close()
			}
			if !killed {
				if at < 6 {
					t.Errorf("it was done after %d steps", at)
				}
				return
			}
		}
	})
}
