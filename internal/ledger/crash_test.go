package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/internal/files"
	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func TestMain(m *testing.M) { killtest.Main(m, child) }

// child publishes documents for ever, in batches of varying size, and prints a
// line for each checkpoint that Sync said is published.
func child(args []string, step func()) error {
	url, path, skey := args[0], args[1], args[2]
	ctx := context.Background()
	db, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	dir, err := files.Open(path)
	if err != nil {
		return err
	}
	dir.Watch(step)
	var w Witnesses
	if len(args) > 3 { // as a quorum of witnesses wants it
		if w, err = ParseWitnesses(args[3]); err != nil {
			return err
		}
	}
	l, err := New(ctx, db, dir, skey, w)
	if err != nil {
		return err
	}
	for {
		err := l.Update(ctx, func(tx *sql.Tx) error {
			var n int64
			if err := tx.QueryRow(`SELECT size FROM ledger_head`).Scan(&n); err != nil {
				return err
			}
			for i := n; i < n+1+n%40; i++ {
				kind, data := document(i)
				if _, _, err := l.Append(ctx, tx, kind, data); err != nil {
					return err
				}
			}
			step() // and then the commit
			return nil
		})
		if err != nil {
			return err
		}
		step()
		if err := l.Sync(ctx); err != nil {
			return err
		}
		_, tree, err := l.Checkpoint()
		if err != nil {
			return err
		}
		fmt.Printf("%d %v\n", tree.N, tree.Hash)
	}
}

// TestKill kills a publishing process, again and again: at its first steps, and
// at any of the later ones. The log then holds everything that was reported
// published, under the checkpoints reported, and its files are those of a log
// that nobody disturbed.
func TestKill(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		skey, vkey := newTestKey(t)
		path := t.TempDir()
		var reported []string
		for round := range 24 {
			at := 1 + round
			if round >= 8 {
				at = 1 + rand.IntN(300)
			}
			said, killed := killtest.Kill(t, at, url, path, skey)
			if !killed {
				t.Fatal("a process that publishes for ever has ended")
			}
			reported = append(reported, said...)
		}
		if len(reported) == 0 {
			t.Fatal("no process was killed after it had published something")
		}

		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		dir := openDir(t, path)
		l := open(t, db, dir, skey)
		report := verify(t, dir, vkey, db)
		if report.Size != report.Database {
			t.Fatalf("%d entries published of %d", report.Size, report.Database)
		}
		// Every checkpoint that was reported is a prefix of what there is.
		for _, line := range reported {
			size, hash, _ := strings.Cut(line, " ")
			var n int64
			if _, err := fmt.Sscan(size, &n); err != nil || n > report.Size {
				t.Fatalf("published %s entries, now %d: %v", size, report.Size, err)
			}
			got, err := tlog.TreeHash(n, hashReader(t.Context(), db))
			if err != nil || got.String() != hash {
				t.Fatalf("tree of %d: %v, %v; was %s", n, got, err, hash)
			}
		}
		// An undisturbed log of the same documents has the same files, but
		// for partial tiles of checkpoints in between.
		calm := sqlite(t)
		calmDir := openDir(t, t.TempDir())
		c := open(t, calm, calmDir, skey)
		grow(t, c, calm, report.Size, false)
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		names, err := calmDir.List("ledger")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			want, err := calmDir.Get(name, MaxData)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := dir.Get(name, MaxData); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s differs from the undisturbed log's: %v", name, err)
			}
		}
		all, err := dir.List("ledger")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range all {
			if ok, err := calmDir.Exists(name); err != nil || !ok && !strings.Contains(name, ".p/") {
				t.Errorf("%s is not in the undisturbed log: %v", name, err)
			}
		}
		// And it goes on.
		grow(t, l, db, report.Size+5, true)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		verify(t, dir, vkey, db)
		t.Logf("%d entries, %d checkpoints reported", report.Size, len(reported))
	})
}

// TestServers has several servers publish to one log at once: each index is
// given once, and the published checkpoint never goes back.
func TestServers(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		skey, vkey := newTestKey(t)
		path := t.TempDir()
		const servers, each = 4, 12
		var mu sync.Mutex
		taken := map[int64]bool{}
		start := make(chan struct{})
		var wg sync.WaitGroup
		for s := range servers {
			db, err := store.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			dir := openDir(t, path)
			wg.Go(func() {
				<-start
				l, err := New(t.Context(), db, dir, skey, Witnesses{})
				if err != nil {
					t.Error(err)
					return
				}
				for i := range each {
					var index int64
					err := l.Update(t.Context(), func(tx *sql.Tx) (err error) {
						index, _, err = l.Append(t.Context(), tx, "notice", fmt.Appendf(nil, "%d of %d", i, s))
						return err
					})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if taken[index] {
						t.Errorf("index %d was given twice", index)
					}
					taken[index] = true
					mu.Unlock()
					if err := l.Sync(t.Context()); err != nil {
						t.Error(err)
						return
					}
					if _, tree, err := l.Checkpoint(); err != nil || tree.N <= index {
						t.Errorf("Sync returned with %d published, index %d: %v", tree.N, index, err)
					}
				}
			})
		}
		close(start)
		wg.Wait()
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if r := verify(t, openDir(t, path), vkey, db); r.Size != servers*each || len(taken) != servers*each {
			t.Fatalf("%d entries, %d indexes; want %d", r.Size, len(taken), servers*each)
		}
	})
}

// TestForwardOnly: a server that was slow to publish takes nothing back.
func TestForwardOnly(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		skey, vkey := newTestKey(t)
		dir := openDir(t, t.TempDir())
		l := open(t, db, dir, skey)
		grow(t, l, db, 3, false)
		slow, seen, err := l.newest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		grow(t, l, db, 5, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.replace(seen, slow); !errors.Is(err, files.ErrChanged) {
			t.Fatal(err)
		}
		if err := l.tell(t.Context(), slow.N); err != nil {
			t.Fatal(err)
		}
		if served, err := l.Served(t.Context()); err != nil || served != 5 {
			t.Fatalf("%d entries are served, %v", served, err)
		}
		if r := verify(t, dir, vkey, db); r.Size != 5 {
			t.Fatalf("%+v", r)
		}
	})
}

// TestRollback: what is not committed leaves nothing, nor takes an index.
func TestRollback(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		skey, vkey := newTestKey(t)
		dir := openDir(t, t.TempDir())
		l := open(t, db, dir, skey)
		grow(t, l, db, 3, true)
		failed := errors.New("publishing failed")
		err := l.Update(t.Context(), func(tx *sql.Tx) error {
			if _, _, err := l.Append(t.Context(), tx, "notice", []byte("withdrawn")); err != nil {
				return err
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, dir, vkey, db); r.Size != 3 {
			t.Fatalf("%+v", r)
		}
		if names, err := dir.List("ledger/data"); err != nil || len(names) != 3 {
			t.Fatalf("%v, %v", names, err)
		}
	})
}

// TestSyncFails: a disk that fails in the middle leaves the checkpoint of
// before, and the next Sync makes up for it.
func TestSyncFails(t *testing.T) {
	for _, obstacle := range []string{"ledger/data/" + hexOf(sha256.Sum256([]byte(`{"document":4}`))),
		"ledger/tile/entries/000.p/6", "ledger/tile/0/000.p/6"} {
		skey, vkey := newTestKey(t)
		db := sqlite(t)
		root := t.TempDir()
		dir := openDir(t, root)
		l := open(t, db, dir, skey)
		grow(t, l, db, 3, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		// A folder where a file is to go.
		in := filepath.Join(root, filepath.FromSlash(obstacle), "x")
		if err := os.MkdirAll(in, 0o700); err != nil {
			t.Fatal(err)
		}
		grow(t, l, db, 6, false)
		if err := l.Sync(t.Context()); err == nil {
			t.Fatalf("%s: Sync succeeded", obstacle)
		}
		if _, tree, err := l.Checkpoint(); err != nil || tree.N != 3 {
			t.Fatalf("%s: %d entries are published, %v", obstacle, tree.N, err)
		}
		verify(t, dir, vkey, db)
		if err := os.RemoveAll(filepath.Dir(in)); err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, dir, vkey, db); r.Size != 6 {
			t.Fatalf("%s: %+v", obstacle, r)
		}
	}
}

// TestFork: a database that is older than the files, or another, signs nothing.
func TestFork(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		skey, vkey := newTestKey(t)
		dir := openDir(t, t.TempDir())
		l := open(t, db, dir, skey)
		grow(t, l, db, 5, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		backup := dump(t, db)
		grow(t, l, db, 8, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		restore(t, db, backup)
		refused := func(what string, err error) {
			t.Helper()
			var hint interface{ Hint() string }
			if !errors.Is(err, ErrFork) || !errors.As(err, &hint) {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused("Append", l.Update(t.Context(), func(tx *sql.Tx) error {
			_, _, err := l.Append(t.Context(), tx, "notice", []byte("fork"))
			return err
		}))
		refused("Sync", l.Sync(t.Context()))
		_, err := New(t.Context(), db, dir, skey, Witnesses{})
		refused("New", err)
		_, err = New(t.Context(), sqlite(t), dir, skey, Witnesses{})
		refused("New on an empty database", err)

		// Another history of the same length or more.
		other := sqlite(t)
		o := open(t, other, openDir(t, t.TempDir()), skey)
		for i := range 9 {
			err := o.Update(t.Context(), func(tx *sql.Tx) error {
				_, _, err := o.Append(t.Context(), tx, "notice", fmt.Appendf(nil, "other %d", i))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err = New(t.Context(), other, dir, skey, Witnesses{})
		refused("New on another history", err)
		if r, err := Verify(t.Context(), dir, vkey, other, nil); !errors.Is(err, ErrDamaged) {
			t.Errorf("Verify against another history: %v, %+v", err, r)
		}
		verify(t, dir, vkey, nil)
	})
}

// TestKeys: the log has one key, and a checkpoint one signer.
func TestKeys(t *testing.T) {
	skey, vkey := newTestKey(t)
	otherKey, otherVKey := newTestKey(t)
	db := sqlite(t)
	dir := openDir(t, t.TempDir())
	l := open(t, db, dir, skey)
	grow(t, l, db, 2, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", "x", vkey, otherKey, strings.Replace(skey, testOrigin, "example.com/other", 1), skey[:len(skey)-4]} {
		if _, err := New(t.Context(), db, dir, key, Witnesses{}); err == nil {
			t.Errorf("opened with the key %q", key)
		} else if len(key) > 20 && strings.Contains(err.Error(), skey[len(skey)-20:]) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
	if _, err := New(t.Context(), db, dir, "  "+skey+"\n", Witnesses{}); err != nil {
		t.Error(err)
	}
	if _, err := Verify(t.Context(), dir, otherVKey, nil, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("verified under another key: %v", err)
	}
	if _, err := Verify(t.Context(), dir, "x", nil, nil); !errors.Is(err, ErrKey) {
		t.Errorf("verified under no key: %v", err)
	}
	for _, origin := range []string{"", "a b", "a+b", "a\nb"} {
		if _, _, err := NewKey(origin); err == nil {
			t.Errorf("made a key for %q", origin)
		}
	}
	// A checkpoint with one more signature, as witnesses add, still opens;
	// one with another alone does not.
	signed, _, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	witness, err := note.NewSigner(otherKey)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signed, note.VerifierList(l.ring.Load().verifier))
	if err != nil {
		t.Fatal(err)
	}
	both, err := note.Sign(n, witness)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openCheckpoint(both, l.ring.Load().verifier); err != nil {
		t.Errorf("cosigned: %v", err)
	}
	alone, err := note.Sign(&note.Note{Text: n.Text}, witness)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openCheckpoint(alone, l.ring.Load().verifier); !errors.Is(err, ErrDamaged) {
		t.Errorf("signed by another: %v", err)
	}
	// The last digit of the signature has two unused bits.
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := len(signed) - len("x=\n")
	respelt := bytes.Clone(signed)
	respelt[last] = digits[strings.IndexByte(digits, signed[last])|1]
	if _, err := note.Open(respelt, note.VerifierList(l.ring.Load().verifier)); err != nil || bytes.Equal(respelt, signed) {
		t.Fatalf("the signature in another spelling: %v", err)
	}
	if _, err := openCheckpoint(respelt, l.ring.Load().verifier); !errors.Is(err, ErrDamaged) {
		t.Errorf("the signature in another spelling: %v", err)
	}
}

func TestAppendRefuses(t *testing.T) {
	skey, _ := newTestKey(t)
	db := sqlite(t)
	l := open(t, db, openDir(t, t.TempDir()), skey)
	add := func(kind string, data []byte) error {
		return l.Update(t.Context(), func(tx *sql.Tx) error {
			_, _, err := l.Append(t.Context(), tx, kind, data)
			return err
		})
	}
	for _, kind := range []string{"", "Notice", "a\x00b", "1", strings.Repeat("a", 33)} {
		if err := add(kind, nil); err == nil {
			t.Errorf("took the kind %q", kind)
		}
	}
	if err := add("notice", make([]byte, MaxData+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := add("notice", nil); err != nil { // empty is a document too
		t.Fatal(err)
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if data, err := l.Data(sha256.Sum256(nil)); err != nil || len(data) != 0 {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := l.Data(sha256.Sum256([]byte("x"))); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := l.Proof(t.Context(), -1); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// TestReadingWritesNothing: no request publishes what is committed and not public, nor does opening; and what is asked for
// of it is not there.
func TestReadingWritesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		skey, _ := newTestKey(t)
		dir := openDir(t, t.TempDir())
		l := open(t, db, dir, skey)
		grow(t, l, db, 3, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		grow(t, l, db, 5, false)
		before, rows := snapshot(t, dir), dump(t, db)
		dir.Watch(func() { t.Error("something was written") })
		opened, err := New(t.Context(), db, dir, skey, Witnesses{})
		if err != nil {
			t.Fatal(err)
		}
		_, data := document(4)
		for path, status := range map[string]int{
			"/checkpoint": 200, "/ledger/v1/key": 200, "/tile/0/000.p/3": 200, "/tile/entries/000.p/3": 200, "/tile/0/000.p/5": 404, "/tile/entries/000.p/5": 404,
			"/tile/0/000": 404, "/ledger/v1/data/" + hexOf(sha256.Sum256(data)): 404, "/nowhere": 404,
		} {
			for _, method := range []string{"GET", "HEAD"} {
				rec := httptest.NewRecorder()
				if opened.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(rec, httptest.NewRequest(method, path, nil)); rec.Code != status {
					t.Errorf("%s %s: %d", method, path, rec.Code)
				}
			}
		}
		if _, err := opened.Proof(t.Context(), 4); !errors.Is(err, ErrNotFound) {
			t.Errorf("proof of an entry that is not public: %v", err)
		}
		if _, err := opened.Proof(t.Context(), 2); err != nil {
			t.Error(err)
		}
		if served, err := opened.Served(t.Context()); err != nil || served != 3 {
			t.Errorf("%d entries are served, %v", served, err)
		}
		if after := snapshot(t, dir); !maps.Equal(after, before) {
			t.Errorf("files are other than before: %d, and were %d", len(after), len(before))
		}
		if after := dump(t, db); !reflect.DeepEqual(after, rows) {
			t.Error("rows are other than before")
		}
	})
}

// snapshot gives what every file holds.
func snapshot(t *testing.T, dir *files.Dir) map[string]string {
	t.Helper()
	names, err := dir.List(".")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range names {
		data, err := dir.Get(name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(data)
	}
	return out
}
