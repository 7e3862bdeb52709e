package index

import (
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// allThere requires that every layer is there, whole, that a revision or the statement names, or that is still served.
func (b *bed) allThere() {
	b.t.Helper()
	named := map[check.Hash]bool{}
	rows, err := b.db.QueryContext(b.t.Context(), `SELECT root FROM index_revision WHERE root IS NOT NULL`)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var root check.Hash
		if err := errors.Join(rows.Scan(&text), root.UnmarshalText([]byte(text))); err != nil {
			b.t.Fatal(err)
		}
		named[root] = true
	}
	if st, _, _, err := b.Statement(b.t.Context()); err == nil {
		for root := range layersOf(st) {
			named[root] = true
		}
	} else if !errors.Is(err, ErrNone) {
		b.t.Fatal(err)
	}
	left, err := b.db.QueryContext(b.t.Context(), `SELECT root FROM index_left`)
	if err != nil {
		b.t.Fatal(err)
	}
	defer left.Close()
	for left.Next() {
		var text string
		var root check.Hash
		if err := errors.Join(left.Scan(&text), root.UnmarshalText([]byte(text))); err != nil {
			b.t.Fatal(err)
		}
		named[root] = true
	}
	if err := errors.Join(rows.Err(), left.Err()); err != nil {
		b.t.Fatal(err)
	}
	for root := range named {
		l, err := b.OpenLayer(root, DefaultLocatorBits)
		if err != nil {
			b.t.Fatalf("a layer is named, and is not there: %v", err)
		}
		if err := l.Verify(b.t.Context(), false, nil); err != nil {
			b.t.Error(err)
		}
		l.Close()
	}
}

// TestSweep: what the statement or a revision names stays, and what is still served because it was in a statement; what
// nothing names goes, and a draft that was made with it is not published without it.
func TestSweep(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.many = 1
		b.publish("alpha", roster("a", 10))
		first := b.publish("beta", roster("b", 10)).Statement.Layers[0].Root
		b.publish("beta", roster("b2", 10)) // the fold before is still served
		before := b.layerFiles()
		if err := b.Sweep(t.Context()); err != nil || !slices.Equal(b.layerFiles(), before) {
			t.Fatalf("%v: %q, and were %q", err, b.layerFiles(), before)
		}
		sealed, err := b.Seal(t.Context(), b.keys, "gamma", roster("c", 10), nil)
		if err != nil {
			t.Fatal(err)
		}
		draft, err := b.Draft(t.Context(), b.keys, frame(b.ledger), subject("gamma"), sealed)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(b.layerFiles()); n != len(before)+2 {
			t.Fatalf("%d layers, want the new source and the new fold more than %d", n, len(before))
		}
		if err := b.Sweep(t.Context()); err != nil || len(b.layerFiles()) != len(before)+1 {
			t.Fatalf("%v: %d layers, want the fold swept away", err, len(b.layerFiles()))
		}
		if _, err := put(t.Context(), b.ledger, b.Index, draft, nil); !errors.Is(err, ErrStale) {
			t.Fatalf("published without its layer: %v", err)
		}
		if _, err := b.Publish(t.Context(), subject("gamma"), sealed, nil); err != nil {
			t.Fatal(err)
		}
		if err := b.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.allThere()
		if l, err := b.OpenLayer(first, DefaultLocatorBits); err != nil {
			t.Errorf("the fold of a former statement: %v", err)
		} else {
			l.Close()
		}
		// A statement is published again also where a layer of it is lost.
		if err := b.dir.Remove(layerName(sealed.Layer.Root)); err != nil {
			t.Fatal(err)
		}
		again, err := b.Reissue(t.Context(), frame(b.ledger), true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := put(t.Context(), b.ledger, b.Index, again, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestSweepWaits: a sweep that comes while a transaction names layers waits for its end, and sees what it named. (SQLite has
// one writer at a time.)
func TestSweepWaits(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		if !strings.HasPrefix(url, "postgres") {
			return
		}
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		sealed, err := b.Seal(t.Context(), b.keys, "beta", roster("b", 10), nil)
		if err != nil {
			t.Fatal(err)
		}
		swept := make(chan error, 1)
		waits := func(*sql.Tx) error { // the layers were looked for, and nothing is committed
			go func() { swept <- b.Sweep(t.Context()) }()
			for waiting := 0; waiting == 0; {
				select {
				case err := <-swept:
					t.Error("the sweep did not wait")
					swept <- err
					return nil
				default:
				}
				if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE index_turn %'`).Scan(&waiting); err != nil {
					return err
				}
			}
			return nil
		}
		d, err := b.Draft(t.Context(), b.keys, frame(b.ledger), subject("beta"), sealed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := put(t.Context(), b.ledger, b.Index, d, waits); err != nil {
			t.Fatal(err)
		}
		if err := <-swept; err != nil {
			t.Fatal(err)
		}
		b.allThere()
	})
}

// TestSweptWhileSealing: a layer that is swept away in the instant between its writing and its naming is written again.
func TestSweptWhileSealing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		dir, err := files.Open(filepath.Join(b.root, "files")) // as another process has it
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		other, err := New(t.Context(), db, dir)
		if err != nil {
			t.Fatal(err)
		}
		swept := 0
		b.dir.Watch(func() {
			if names, err := dir.List("layers"); err != nil || len(names) == 0 || swept > 0 {
				return
			}
			if err := other.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
			if names, err := dir.List("layers"); err != nil || len(names) > 0 {
				t.Errorf("%q, %v", names, err)
			}
			swept++
		})
		b.publish("alpha", roster("a", 10))
		if swept != 1 {
			t.Fatalf("swept %d times", swept)
		}
		b.allThere()
		if names, err := b.dir.List("build"); err != nil || len(names) > 0 {
			t.Errorf("chunks are left: %q, %v", names, err)
		}
	})
}
