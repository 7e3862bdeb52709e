package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func hexOf(h [32]byte) string { return hex.EncodeToString(h[:]) }

// sqlite returns a new empty database for tests that are not about engines.
func sqlite(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// places are where the problems of a report are.
func places(r Report) []string {
	var out []string
	for _, p := range r.Problems {
		out = append(out, p.Where)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestFlippedByte flips every byte of every file of a small log, and some of
// each file of a log of three levels; each flip is found, and named by its
// file and nothing else.
func TestFlippedByte(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int64
		step  int
	}{
		{"small", []int64{2, 5}, 1},
		{"levels", []int64{250, 260, 515}, 2503},
	} {
		t.Run(c.name, func(t *testing.T) {
			skey, vkey := newTestKey(t)
			db := sqlite(t)
			root := t.TempDir()
			dir := openDir(t, root)
			l := open(t, db, dir, skey)
			for _, size := range c.sizes {
				grow(t, l, db, size, false)
				if err := l.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			verify(t, dir, vkey, db)
			names, err := dir.List("ledger")
			if err != nil {
				t.Fatal(err)
			}
			dataSeen := 0
			for _, name := range names {
				if strings.HasPrefix(name, dataFolder) {
					if dataSeen++; dataSeen > 5 {
						continue
					}
				}
				path := filepath.Join(root, filepath.FromSlash(name))
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				for at := 0; at < len(data); at += c.step {
					for _, mask := range []byte{0x01, 0x80} {
						data[at] ^= mask
						if err := os.WriteFile(path, data, 0o600); err != nil {
							t.Fatal(err)
						}
						r, err := Verify(t.Context(), dir, vkey, nil, nil)
						if !errors.Is(err, ErrDamaged) {
							t.Fatalf("%s, byte %d flipped: %v", name, at, err)
						}
						if got := places(r); !slices.Contains(got, name) || len(got) > 2 {
							t.Fatalf("%s, byte %d flipped: named %v", name, at, got)
						}
						data[at] ^= mask
					}
				}
				// Cut short, made longer, gone.
				for _, b := range [][]byte{data[:len(data)-1], append(slices.Clone(data), 'x'), nil} {
					if b == nil {
						err = os.Remove(path)
					} else {
						err = os.WriteFile(path, b, 0o600)
					}
					if err != nil {
						t.Fatal(err)
					}
					// A partial tile of an earlier checkpoint may be missing.
					r, err := Verify(t.Context(), dir, vkey, nil, nil)
					tile, perr := parseTile(strings.TrimPrefix(name, folder))
					last := c.sizes[len(c.sizes)-1] >> (torchwood.TileHeight * max(tile.L, 0)) % torchwood.TileWidth
					superseded := b == nil && perr == nil && tile.W < torchwood.TileWidth && int64(tile.W) != last
					if !errors.Is(err, ErrDamaged) && !superseded {
						t.Fatalf("%s of %d bytes: %v", name, len(b), err)
					}
					if got := places(r); !superseded && !slices.Contains(got, name) {
						t.Fatalf("%s of %d bytes: named %v", name, len(b), got)
					}
				}
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			verify(t, dir, vkey, db)
		})
	}
}

// TestNamedEntry has the report name the entry that was changed, and the side
// that was.
func TestNamedEntry(t *testing.T) {
	skey, vkey := newTestKey(t)
	db := sqlite(t)
	root := t.TempDir()
	dir := openDir(t, root)
	l := open(t, db, dir, skey)
	grow(t, l, db, 600, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	bundle, _ := dir.Get("ledger/tile/entries/001", maxTile)
	tile, _ := dir.Get("ledger/tile/0/001", maxTile)
	upper, _ := dir.Get("ledger/tile/1/000.p/2", maxTile)
	for _, c := range []struct {
		name  string
		put   map[string][]byte
		where string
		index int64
	}{
		{"entry", map[string][]byte{"ledger/tile/entries/001": flip(bundle, len(bundle)-1)}, "ledger/tile/entries/001", 511},
		{"tile", map[string][]byte{"ledger/tile/0/001": flip(tile, 5*32)}, "ledger/tile/0/001", 261},
		{"upper tile", map[string][]byte{"ledger/tile/1/000.p/2": flip(upper, 32)}, "ledger/tile/1/000.p/2", 256},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, data := range c.put {
				old, err := dir.Get(name, maxTile)
				if err != nil {
					t.Fatal(err)
				}
				if err := dir.Put(name, data); err != nil {
					t.Fatal(err)
				}
				defer dir.Put(name, old)
			}
			r, err := Verify(t.Context(), dir, vkey, db, nil)
			if !errors.Is(err, ErrDamaged) || len(r.Problems) != 1 ||
				r.Problems[0].Where != c.where || r.Problems[0].Index != c.index {
				t.Fatalf("%v\n%v", err, r.Problems)
			}
		})
	}

	// An entry and its tile changed together: the signed root tells.
	other := check.Leaf("notice", []byte("another"))
	changed := append(slices.Clone(bundle[:len(bundle)-len(other)]), other...)
	lastHash := tlog.RecordHash(other)
	if err := dir.Put("ledger/tile/entries/001", changed); err != nil {
		t.Fatal(err)
	}
	if err := dir.Put("ledger/tile/0/001", append(slices.Clone(tile[:255*32]), lastHash[:]...)); err != nil {
		t.Fatal(err)
	}
	r, err := Verify(t.Context(), dir, vkey, nil, nil)
	if got := places(r); !errors.Is(err, ErrDamaged) || !slices.Contains(got, checkpointFile) ||
		!slices.Contains(got, "ledger/tile/1/000.p/2") {
		t.Fatalf("%v\n%v", err, r.Problems)
	}
}

func flip(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 1
	return b
}

// TestStrays: what does not belong is named; what an interrupted Sync left is
// not a problem.
func TestStrays(t *testing.T) {
	skey, vkey := newTestKey(t)
	db := sqlite(t)
	dir := openDir(t, t.TempDir())
	l := open(t, db, dir, skey)
	grow(t, l, db, 10, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	grow(t, l, db, 300, false)
	if err := l.writeData(t.Context(), 10, 300); err != nil {
		t.Fatal(err)
	}
	if err := l.writeEntries(t.Context(), 10, 300); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*store.DB{nil, db} {
		if r := verify(t, dir, vkey, d); r.Unpublished == 0 || r.Size != 10 {
			t.Fatalf("%+v", r)
		}
	}
	for _, name := range []string{"ledger/other", "ledger/data/xyz", "ledger/tile/0/0", "ledger/tile/8/0/000"} {
		if err := dir.Put(name, []byte("x")); err != nil {
			t.Fatal(err)
		}
		r, err := Verify(t.Context(), dir, vkey, nil, nil)
		if !errors.Is(err, ErrDamaged) || !slices.Equal(places(r), []string{name}) {
			t.Fatalf("%s: %v, %v", name, err, places(r))
		}
		if err := dir.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEditedRow edits, deletes and adds rows; each is found by table.
func TestEditedRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		skey, vkey := newTestKey(t)
		dir := openDir(t, t.TempDir())
		l := open(t, db, dir, skey)
		grow(t, l, db, 300, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		grow(t, l, db, 310, false) // committed, not published
		if r := verify(t, dir, vkey, db); r.Size != 300 || r.Database != 310 {
			t.Fatalf("%+v", r)
		}
		for _, c := range []struct{ edit, where string }{
			{`UPDATE ledger_leaves SET kind = 'statement' WHERE leaf = 3`, "ledger_leaves"},
			{`UPDATE ledger_leaves SET kind = 'statement' WHERE leaf = 303`, "ledger_hashes"},
			{`UPDATE ledger_leaves SET data = (SELECT data FROM ledger_leaves WHERE leaf = 4) WHERE leaf = 3`, "ledger_leaves"},
			{`DELETE FROM ledger_leaves WHERE leaf = 299`, "ledger_leaves"},
			{`DELETE FROM ledger_leaves WHERE leaf = 305`, "ledger_leaves"},
			{`INSERT INTO ledger_leaves (leaf, kind, data) SELECT 400, kind, data FROM ledger_leaves WHERE leaf = 1`, "ledger_leaves"},
			{`UPDATE ledger_hashes SET hash = (SELECT hash FROM ledger_hashes WHERE position = 0) WHERE position = 6`, "ledger_hashes"},
			{`DELETE FROM ledger_hashes WHERE position = 610`, "ledger_hashes"},
			{`INSERT INTO ledger_hashes (position, hash) SELECT -1, hash FROM ledger_hashes WHERE position = 0`, "ledger_hashes"},
			{`UPDATE ledger_data SET bytes = (SELECT data FROM ledger_leaves WHERE leaf = 1)
				WHERE hash = (SELECT data FROM ledger_leaves WHERE leaf = 0)`, "ledger_data "},
			{`DELETE FROM ledger_data WHERE hash = (SELECT data FROM ledger_leaves WHERE leaf = 307)`, "ledger_data "},
			{`UPDATE ledger_head SET size = 309`, "ledger_head"},
			{`UPDATE ledger_head SET vkey = 'x'`, "ledger_head"},
			{`UPDATE ledger_head SET checkpoint = (SELECT data FROM ledger_leaves WHERE leaf = 1)`, "ledger_head"},
		} {
			before := dump(t, db)
			if _, err := db.ExecContext(t.Context(), c.edit); err != nil {
				t.Fatalf("%s: %v", c.edit, err)
			}
			r, err := Verify(t.Context(), dir, vkey, db, nil)
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s: %v", c.edit, err)
			}
			if !slices.ContainsFunc(places(r), func(p string) bool { return strings.HasPrefix(p, c.where) }) {
				t.Errorf("%s: named %v", c.edit, places(r))
			}
			restore(t, db, before)
		}
		verify(t, dir, vkey, db)
	})
}

// dump and restore keep the log's rows across an edit.
func dump(t *testing.T, db *store.DB) map[string][][]any {
	t.Helper()
	out := map[string][][]any{}
	for _, table := range []string{"ledger_head", "ledger_leaves", "ledger_data", "ledger_hashes", "ledger_witness", "ledger_key"} {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			values := make([]any, len(columns))
			refs := make([]any, len(columns))
			for i := range values {
				refs[i] = &values[i]
			}
			if err := rows.Scan(refs...); err != nil {
				t.Fatal(err)
			}
			out[table] = append(out[table], values)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return out
}

func restore(t *testing.T, db *store.DB, tables map[string][][]any) {
	t.Helper()
	err := db.Update(t.Context(), func(tx *sql.Tx) error {
		for table, rows := range tables {
			if _, err := tx.Exec("DELETE FROM " + table); err != nil {
				return err
			}
			for _, row := range rows {
				marks := make([]string, len(row))
				for i := range row {
					marks[i] = fmt.Sprintf("$%d", i+1)
				}
				if _, err := tx.Exec("INSERT INTO "+table+" VALUES ("+strings.Join(marks, ",")+")", row...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestVerifyEnds: where its context ends, Verify reads nothing more, and says
// nothing of what it has not read.
func TestVerifyEnds(t *testing.T) {
	skey, vkey := newTestKey(t)
	db := sqlite(t)
	dir := openDir(t, t.TempDir())
	l := open(t, db, dir, skey)
	grow(t, l, db, 600, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := 0
	r, err := Verify(ctx, dir, vkey, db, func(int64, string, []byte) error {
		if seen++; seen == 300 {
			stop()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrDamaged) || seen != 300 || len(r.Problems) > 0 {
		t.Errorf("after %d entries: %v, %v", seen, err, r.Problems)
	}
}
