package ledger

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"shirase/internal/hint"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// damages are what may have become of a file.
var damages = map[string]func(path string) error{
	"missing":   os.Remove,
	"truncated": func(path string) error { return rewrite(path, func(b []byte) []byte { return b[:len(b)/2] }) },
	"a bit": func(path string) error {
		return rewrite(path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	},
	"other bytes": func(path string) error {
		return rewrite(path, func([]byte) []byte { return []byte("<html>not found</html>\n") })
	},
	"longer": func(path string) error {
		return rewrite(path, func(b []byte) []byte { return append(b, make([]byte, 200<<10)...) })
	},
}

func rewrite(path string, change func([]byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, change(slices.Clone(b)), 0o600)
}

// TestRepair damages every file of a log, each in every way, and all of them at once: the same bytes come back, without
// the signing key, on both engines.
func TestRepair(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		skey, vkey := newTestKey(t)
		root := t.TempDir()
		dir := openDir(t, root)
		l := open(t, db, dir, skey)
		for _, size := range []int64{5, 250, 260} {
			grow(t, l, db, size, false)
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		before := snapshot(t, dir)
		mend := func(what string, damaged []string) {
			t.Helper()
			m, err := Repair(t.Context(), db, dir, "", Witnesses{})
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if m.Size != 260 || m.Checkpoint != slices.Contains(damaged, checkpointFile) || len(m.Strange) > 0 {
				t.Errorf("%s: %+v", what, m)
			}
			for _, name := range m.Written {
				if !slices.Contains(damaged, name) {
					t.Errorf("%s: %s was written, and nothing was wrong with it", what, name)
				}
			}
			after := snapshot(t, dir)
			for _, name := range damaged { // a partial tile of an earlier size may stay away
				if _, is := after[name]; !is && filepath.Base(filepath.Dir(name)) != "000.p" {
					t.Errorf("%s: %s is still missing", what, name)
				}
			}
			for name, text := range after {
				if before[name] != text {
					t.Errorf("%s: %s has other bytes than before", what, name)
				}
			}
			verify(t, dir, vkey, db)
		}
		mend("nothing", nil)
		all := slices.Sorted(maps.Keys(before))
		tried, documents := 0, 0
		for _, name := range all {
			if filepath.Dir(name) == "ledger/data" {
				if documents++; documents > 3 {
					continue
				}
			}
			for how, damage := range damages {
				if err := damage(filepath.Join(root, filepath.FromSlash(name))); err != nil {
					t.Fatal(err)
				}
				mend(how+": "+name, []string{name})
				tried++
			}
		}
		if tried < 5*6 {
			t.Fatalf("only %d damages were tried of %v", tried, all)
		}
		for how, damage := range damages {
			for _, name := range slices.Sorted(maps.Keys(snapshot(t, dir))) {
				if err := damage(filepath.Join(root, filepath.FromSlash(name))); err != nil {
					t.Fatal(err)
				}
			}
			mend(how+": everything", all)
		}
		grow(t, l, db, 270, false) // and it goes on
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		verify(t, dir, vkey, db)
	})
}

// TestRepairRefuses: what the database lacks is not made up, and a history that was published is replaced by no other.
func TestRepairRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		skey, _ := newTestKey(t)
		root := t.TempDir()
		dir := openDir(t, root)
		l := open(t, db, dir, skey)
		grow(t, l, db, 5, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		old := dump(t, db)
		grow(t, l, db, 8, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		newer := dump(t, db)
		refused := func(what string, want error) {
			t.Helper()
			before := snapshot(t, dir)
			m, err := Repair(t.Context(), db, dir, skey, Witnesses{})
			if !errors.Is(err, want) || hint.Of(err) == "" || len(m.Written) > 0 {
				t.Errorf("%s: %v (hint %q), wrote %v", what, err, hint.Of(err), m.Written)
			}
			if !maps.Equal(before, snapshot(t, dir)) {
				t.Errorf("%s: files have changed", what)
			}
		}
		point := filepath.Join(root, "ledger", "checkpoint")
		kept, err := os.ReadFile(point)
		if err != nil {
			t.Fatal(err)
		}
		restore(t, db, old)
		refused("an older database", ErrFork)
		for how, damage := range damages {
			if err := damage(point); err != nil {
				t.Fatal(err)
			}
			refused("an older database, and the checkpoint is "+how, ErrFork)
			if how == "missing" { // nor does opening it sign a second history
				again, err := New(t.Context(), db, dir, skey, Witnesses{})
				if err == nil {
					err = again.Sync(t.Context())
				}
				if !errors.Is(err, ErrFork) {
					t.Errorf("an older database without a checkpoint is served: %v", err)
				}
			}
			if err := os.WriteFile(point, kept, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		restore(t, db, newer)
		if err := os.Remove(point); err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{
			`UPDATE ledger_leaves SET kind = 'notice2' WHERE leaf = 3`,
			`DELETE FROM ledger_leaves WHERE leaf = 7`,
			`DELETE FROM ledger_data WHERE hash = (SELECT data FROM ledger_leaves WHERE leaf = 2)`,
			`UPDATE ledger_hashes SET hash = (SELECT hash FROM ledger_hashes WHERE position = 0) WHERE position = 1`,
			`UPDATE ledger_head SET size = 7`,
		} {
			if _, err := db.ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
			refused(sql, ErrDamaged)
			restore(t, db, newer)
		}
		if m, err := Repair(t.Context(), db, dir, "", Witnesses{}); err != nil || !m.Checkpoint {
			t.Fatalf("%+v, %v", m, err)
		}
	})
}

// TestRepairWitnessed: a lost checkpoint comes back with the cosignatures that the database keeps, and where those are of
// fewer than a quorum, once the witnesses have been asked; never without.
func TestRepairWitnessed(t *testing.T) {
	peers, w := twoOfThree(t)
	skey, vkey := newTestKey(t)
	db := sqlite(t)
	root := t.TempDir()
	dir := openDir(t, root)
	l, err := New(t.Context(), db, dir, skey, w)
	if err != nil {
		t.Fatal(err)
	}
	grow(t, l, db, 5, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	point := filepath.Join(root, "ledger", "checkpoint")
	var asked [3]int
	for i, p := range peers {
		_, asked[i] = p.at()
		p.breaks(answering(503, ""))
	}
	if err := os.Remove(point); err != nil {
		t.Fatal(err)
	}
	if m, err := Repair(t.Context(), db, dir, "", w); err != nil || !m.Checkpoint {
		t.Fatalf("%+v, %v", m, err)
	}
	if size, by := served(t, l); size != 5 || len(by) < 2 {
		t.Fatalf("%d entries by %v", size, by)
	}
	verify(t, dir, vkey, db)

	grow(t, l, db, 8, false) // waits for witnesses
	if err := l.Sync(t.Context()); !errors.Is(err, ErrUnwitnessed) {
		t.Fatal(err)
	}
	for _, key := range []string{"", skey} {
		if err := damages["truncated"](point); err != nil {
			t.Fatal(err)
		}
		m, err := Repair(t.Context(), db, dir, key, w)
		if !errors.Is(err, ErrUnwitnessed) || hint.Of(err) == "" || m.Checkpoint {
			t.Fatalf("%+v, %v", m, err)
		}
		if err := os.WriteFile(point, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(point); err != nil {
		t.Fatal(err)
	}
	if err := l.Resume(t.Context()); !errors.Is(err, ErrDamaged) || hint.Of(err) == "" { // not as a ledger without entries
		t.Fatal(err)
	}
	for _, p := range peers {
		p.breaks(nil)
	}
	if m, err := Repair(t.Context(), db, dir, skey, w); err != nil || !m.Checkpoint || m.Size != 8 {
		t.Fatalf("%+v, %v", m, err)
	}
	if size, by := served(t, l); size != 8 || len(by) < 2 {
		t.Fatal(fmt.Sprint(size, by))
	}
	verify(t, dir, vkey, db)
}
