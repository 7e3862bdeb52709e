package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const testOrigin = "example.com/ledger"

// newTestKey returns a key pair.
func newTestKey(t testing.TB) (skey, vkey string) {
	t.Helper()
	skey, vkey, err := NewKey(testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	return skey, vkey
}

func openDir(t testing.TB, path string) *files.Dir {
	t.Helper()
	dir, err := files.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// open opens a ledger and makes public what is not yet, as a server does that starts.
func open(t testing.TB, db *store.DB, dir *files.Dir, skey string) *Ledger {
	t.Helper()
	l, err := New(t.Context(), db, dir, skey, Witnesses{})
	if err == nil {
		err = l.Sync(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// document is the i'th document of test logs. There are few different ones:
// each costs two forced writes.
func document(i int64) (kind string, data []byte) {
	kind = "notice"
	if i%3 == 2 {
		kind = "statement"
	}
	return kind, fmt.Appendf(nil, `{"document":%d}`, i%23)
}

// grow appends documents, one a transaction or all in one, until the log has
// size entries.
func grow(t testing.TB, l *Ledger, db *store.DB, size int64, each bool) {
	t.Helper()
	one := func(tx *sql.Tx) (int64, error) {
		var n int64
		if err := tx.QueryRow(`SELECT size FROM ledger_head`).Scan(&n); err != nil || n >= size {
			return n, err
		}
		kind, data := document(n)
		index, hash, err := l.Append(t.Context(), tx, kind, data)
		if err != nil {
			return 0, err
		}
		if index != n || tlog.RecordHash(check.LeafOf(kind, hash)) != tlog.RecordHash(check.Leaf(kind, data)) {
			return 0, fmt.Errorf("entry %d came in at %d", n, index)
		}
		return n + 1, nil
	}
	for n := int64(-1); n < size; {
		err := l.Update(t.Context(), func(tx *sql.Tx) (err error) {
			for n, err = one(tx); err == nil && n < size && !each; {
				n, err = one(tx)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func testPolicy(t testing.TB, vkey string) torchwood.Policy {
	t.Helper()
	p, err := torchwood.ParsePolicy([]byte("log " + vkey + "\nquorum none\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func verify(t testing.TB, dir *files.Dir, vkey string, db *store.DB) Report {
	t.Helper()
	r, err := Verify(context.Background(), dir, vkey, db, nil)
	if err != nil {
		t.Fatalf("%v\n%v", err, r.Problems)
	}
	return r
}

func TestProofs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		skey, vkey := newTestKey(t)
		dir := openDir(t, t.TempDir())
		l := open(t, db, dir, skey)
		if l.VKey() != vkey || l.Origin() != testOrigin {
			t.Fatalf("VKey %q, Origin %q", l.VKey(), l.Origin())
		}
		policy := testPolicy(t, vkey)
		verify(t, dir, vkey, db)
		for _, size := range []int64{1, 2, 3, 255, 256, 257, 600} {
			grow(t, l, db, size, size < 4)
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, tree, err := l.Checkpoint()
			if err != nil || tree.N != size {
				t.Fatalf("checkpoint of %d, %v; want %d", tree.N, err, size)
			}
			if r := verify(t, dir, vkey, db); r.Size != size || r.Database != size {
				t.Fatalf("verified %+v", r)
			}
			for _, i := range []int64{0, size / 2, size - 1} {
				kind, data := document(i)
				proof, err := l.Proof(t.Context(), i)
				if err != nil {
					t.Fatal(err)
				}
				if err := torchwood.VerifyProof(policy, tlog.RecordHash(check.Leaf(kind, data)), proof); err != nil {
					t.Fatalf("entry %d of %d: %v\n%s", i, size, err, proof)
				}
				if err := torchwood.VerifyProof(policy, tlog.RecordHash(check.Leaf(kind, append(data, ' '))), proof); err == nil {
					t.Fatal("the proof verifies another document")
				}
			}
			if _, err := l.Proof(t.Context(), size); !errors.Is(err, ErrNotFound) {
				t.Fatalf("proof beyond the end: %v", err)
			}
		}
	})
}
