package roster

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestBroughtBack: a key or a roster of a shredded case that somebody brings back from a copy opens nothing, and is destroyed by whoever opens
// the room next, who says so.
func TestBroughtBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHome(t, db)
		ctx := t.Context()
		for _, id := range []string{"a", "b", "c"} {
			if _, err := h.Create(ctx, actor.Operator(), id, modelOptions(t, modelExport)); err != nil {
				t.Fatal(err)
			}
		}
		key, err := h.keys.Load(KeyFile("a"))
		if err != nil {
			t.Fatal(err)
		}
		list := h.rosterFiles(t)
		var file string
		for _, name := range list {
			if OfFile(name) == "b" {
				file = name
			}
		}
		data, err := h.dir.Get(file, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"a", "b"} {
			if err := h.Shred(ctx, actor.Operator(), id); err != nil {
				t.Fatal(err)
			}
		}
		if all, err := Ended(ctx, db); err != nil || len(all) != 2 || !all["a"] || !all["b"] {
			t.Errorf("%v, %v", all, err)
		}
		if err := errors.Join(h.keys.Create(KeyFile("a"), key), h.dir.Put(file, data)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Sealer(ctx, "a", false); !errors.Is(err, ErrShredded) {
			t.Error(err)
		}
		r, err := New(ctx, db, h.dir, h.keys)
		if err != nil || !slices.Equal(r.Again, []string{"a", "b"}) {
			t.Fatalf("%v, %v", r.Again, err)
		}
		if _, err := h.keys.Load(KeyFile("a")); !errors.Is(err, files.ErrNotExist) {
			t.Errorf("the key stays: %v", err)
		}
		if there, err := h.dir.Exists(file); err != nil || there {
			t.Errorf("the roster stays: %v", err)
		}
		if _, err := h.keys.Load(KeyFile("c")); err != nil {
			t.Error(err)
		}
		if r, err = New(ctx, db, h.dir, h.keys); err != nil || len(r.Again) > 0 {
			t.Errorf("%v, %v", r.Again, err)
		}
	})
}

func TestOfFile(t *testing.T) {
	for name, want := range map[string]string{"case-loss-2026.key": "loss-2026", "rosters/loss-2026/abc.age": "loss-2026", "case-.key": "", "case-x": "", "ledger.key": "", "evaluator-k1.key": "", "rosters/x": "",
		filepath.Join("layers", "x") + string(os.PathSeparator): ""} {
		if got := OfFile(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
