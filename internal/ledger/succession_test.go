package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"shirase/check"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// state appends a statement that says who signs the log.
func (s signing) state(seq int64, prev []byte) []byte {
	st := check.Statement{V: 2, Seq: seq, Time: check.At(time.Unix(1_800_000_000+seq, 0)), PhoneRegion: "JP", Keys: []check.Key{}, Layers: []check.Layer{}, Incidents: []check.Incident{},
		Ledger: &check.Signing{Key: check.VKeyHash(s.vkey), Next: check.VKeyHash(s.next)}}
	st.Expires = check.At(st.Time.Add(time.Hour))
	if prev != nil {
		st.Prev = check.StatementHash(prev)
	}
	raw, err := st.Canonical()
	if err != nil {
		panic(err)
	}
	return raw
}

type signing struct{ vkey, next string }

// add appends one document and serves it.
func add(t *testing.T, l *Ledger, kind string, data []byte) (index int64) {
	t.Helper()
	err := l.Update(t.Context(), func(tx *sql.Tx) (err error) {
		index, _, err = l.Append(t.Context(), tx, kind, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return index
}

// TestSuccession changes a log's key twice: only to the one that was named, and so that whoever knows the first can tell that
// the third is its successor. Servers that run all along take each key up.
func TestSuccession(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		skeys, vkeys := make([]string, 4), make([]string, 4)
		for i := range skeys {
			skeys[i], vkeys[i] = newTestKey(t)
		}
		dir := openDir(t, t.TempDir())
		l := open(t, db, dir, skeys[0])
		other := open(t, db, dir, skeys[0]) // a server that is told of nothing
		other.Reload(func(vkey string) (string, error) {
			for i, v := range vkeys {
				if v == vkey {
					return skeys[i], nil
				}
			}
			return "", errors.New("not here")
		})
		reader := open(t, db, dir, skeys[0]) // and one that has no other key
		if next, err := l.Next(ctx); err != nil || next != (check.Hash{}) {
			t.Fatalf("%s, %v", next, err)
		}
		if next, err := l.SetNext(ctx, vkeys[1]); err != nil || next != check.VKeyHash(vkeys[1]) {
			t.Fatal(err)
		}
		if next, err := l.SetNext(ctx, vkeys[3]); err != nil || next != check.VKeyHash(vkeys[1]) {
			t.Fatalf("the key that follows was named twice: %v", err)
		}
		if _, foreign, err := NewKey("other.example"); err != nil {
			t.Fatal(err)
		} else if _, err := l.SetNext(ctx, foreign); !errors.Is(err, ErrNext) {
			t.Errorf("a key of another log: %v", err)
		}
		raw := signing{vkeys[0], vkeys[1]}.state(1, nil)
		at := add(t, l, "statement", raw)
		for n := range 2 {
			for name, c := range map[string]struct {
				skey string
				next check.Hash
				want error
			}{
				"another key":    {skeys[3], check.VKeyHash(vkeys[2]), ErrNext},
				"the same key":   {skeys[n], check.VKeyHash(vkeys[2]), ErrNext},
				"no key":         {"x", check.VKeyHash(vkeys[2]), ErrKey},
				"follows itself": {skeys[n+1], check.VKeyHash(vkeys[n+1]), ErrNext},
				"without a next": {skeys[n+1], check.Hash{}, ErrNext},
			} {
				if _, err := l.Succeed(ctx, c.skey, c.next, raw, at); !errors.Is(err, c.want) {
					t.Errorf("%s: %v", name, err)
				}
			}
			s, err := l.Succeed(ctx, skeys[n+1], check.VKeyHash(vkeys[n+2]), raw, at)
			if err != nil {
				t.Fatal(err)
			}
			// Something comes between: the last statement under the old key would not be the last.
			add(t, other, "notice", []byte("{}"))
			next := signing{vkeys[n+1], vkeys[n+2]}.state(int64(n)+2, raw)
			change := func(ctx context.Context) error {
				return l.Update(ctx, func(tx *sql.Tx) (err error) {
					at, _, err = l.Switch(ctx, tx, s, "statement", next)
					return err
				})
			}
			if err := change(ctx); !errors.Is(err, ErrWaits) {
				t.Fatalf("overtaken: %v", err)
			}
			at = int64(2 * n) // of raw
			if s, err = l.Succeed(ctx, skeys[n+1], check.VKeyHash(vkeys[n+2]), raw, at); err != nil {
				t.Fatal(err)
			}
			if err := change(ctx); err != nil {
				t.Fatal(err)
			}
			verify(t, dir, vkeys[n+1], db) // between the transaction and the files
			l.Turn(s)
			if err := l.Sync(ctx); err != nil {
				t.Fatal(err)
			}
			raw = next
			verify(t, dir, vkeys[n+1], db)
		}
		if l.VKey() != vkeys[2] {
			t.Fatalf("%s signs", l.VKey())
		}
		add(t, other, "notice", []byte("{}")) // by the server that ran all along
		if _, c, err := reader.Checkpoint(); err != nil || c.N != 6 {
			t.Errorf("a server without the new key cannot read: %d, %v", c.N, err)
		}
		err := reader.Update(ctx, func(tx *sql.Tx) error {
			_, _, err := reader.Append(ctx, tx, "notice", nil)
			return err
		})
		if !errors.Is(err, ErrKey) {
			t.Errorf("a server without the new key appends: %v", err)
		}
		if _, err := New(ctx, db, dir, skeys[0], Witnesses{}); !errors.Is(err, ErrKey) {
			t.Errorf("a server that starts with the old key: %v", err)
		}
		if _, err := NewWithout(ctx, db, dir, Witnesses{}); err != nil {
			t.Errorf("opened to be read: %v", err)
		}
		// What is told to those who know the first key only.
		w := httptest.NewRecorder()
		l.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/ledger/v1/keys", nil))
		var body struct {
			Keys []struct {
				VKey      string `json:"vkey"`
				Statement []byte `json:"-"`
				Raw       string `json:"statement"`
				Proof     string `json:"proof"`
			} `json:"keys"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body.Keys) != 3 {
			t.Fatalf("%s, %v", w.Body, err)
		}
		for i, k := range body.Keys {
			if k.VKey != vkeys[i] || (k.Raw == "") != (i == 2) || (k.Proof == "") != (i == 2) {
				t.Fatalf("key %d: %+v", i+1, k)
			}
			if i == 2 {
				continue
			}
			var statement check.Bytes
			if err := statement.UnmarshalText([]byte(k.Raw)); err != nil {
				t.Fatal(err)
			}
			policy, err := check.LedgerPolicy(k.VKey) // that key alone
			if err != nil {
				t.Fatal(err)
			}
			if err := check.VerifyInclusion(check.KindStatement, statement, k.Proof, policy); err != nil {
				t.Errorf("key %d: %v", i+1, err)
			}
			st, err := check.ParseStatement(statement)
			if err != nil || st.Ledger.Next != check.VKeyHash(body.Keys[i+1].VKey) {
				t.Errorf("key %d: %v", i+1, err)
			}
		}
	})
}

// TestSuccessionDamage edits what is kept of keys that have ended: it is found.
func TestSuccessionDamage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		dir := openDir(t, t.TempDir())
		skey, vkey := newTestKey(t)
		skey2, vkey2 := newTestKey(t)
		_, vkey3 := newTestKey(t)
		l := open(t, db, dir, skey)
		if _, err := l.SetNext(ctx, vkey2); err != nil {
			t.Fatal(err)
		}
		raw := signing{vkey, vkey2}.state(1, nil)
		at := add(t, l, "statement", raw)
		s, err := l.Succeed(ctx, skey2, check.VKeyHash(vkey3), raw, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Update(ctx, func(tx *sql.Tx) error {
			_, _, err := l.Switch(ctx, tx, s, "statement", signing{vkey2, vkey3}.state(2, raw))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		l.Turn(s)
		if err := l.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		verify(t, dir, vkey2, db)
		for _, edit := range []string{
			`UPDATE ledger_key SET vkey = '` + vkey3 + `' WHERE n = 1`,
			`UPDATE ledger_key SET next = '` + check.VKeyHash(vkey3).String() + `' WHERE n = 1`,
			`UPDATE ledger_key SET next = 'x' WHERE n = 1`,
			`UPDATE ledger_key SET statement = proof WHERE n = 1`,
			`UPDATE ledger_key SET proof = statement WHERE n = 1`,
			`UPDATE ledger_key SET proof = NULL WHERE n = 1`,
			`UPDATE ledger_key SET n = 3 WHERE n = 1`,
			`UPDATE ledger_key SET vkey = '` + vkey3 + `' WHERE n = 2`,
			`UPDATE ledger_key SET statement = (SELECT statement FROM ledger_key WHERE n = 1) WHERE n = 2`,
			`DELETE FROM ledger_key WHERE n = 1`,
			`DELETE FROM ledger_key WHERE n = 2`,
		} {
			tables := dump(t, db)
			if _, err := db.ExecContext(ctx, edit); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(ctx, dir, vkey2, db, nil); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", edit, err)
			}
			restore(t, db, tables)
		}
		verify(t, dir, vkey2, db)
	})
}
