package password

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"shirase/internal/killtest"
)

// An event is what went into a corpus, for a test that replays it.
type event struct {
	id      int64 // of an import; 0: from elsewhere
	fold    Fold
	records []record
}

// replay is what a corpus must hold after events.
func replay(events []event) []record {
	model := map[string]uint64{}
	for _, e := range events {
		for _, r := range e.records {
			model[r.hash] = e.fold.over(model[r.hash], r.count)
		}
	}
	out := []record{}
	for h, n := range model {
		out = append(out, record{h, n})
	}
	slices.SortFunc(out, func(a, b record) int { return cmp.Compare(a.hash, b.hash) })
	return out
}

// bring imports records as a file of them.
func bring(t *testing.T, c *Corpora, fold Fold, records []record) int64 {
	t.Helper()
	out, err := c.Import(t.Context(), bytes.NewReader(text(records)), 0, ImportOptions{Mode: SHA1, Format: FormatOrdered, Fold: fold})
	if err != nil {
		t.Fatal(err)
	}
	return out.ID
}

// some are new records and some of those that are there, with small counts.
func some(r *rand.Rand, n int, there []record) []record {
	out := random(r, SHA1, max(3, n))
	for range min(len(there), n) {
		out = append(out, record{there[r.IntN(len(there))].hash, 1 + r.Uint64N(4)})
	}
	for i := range out {
		out[i].count = min(out[i].count, 1<<40) // no sum is cut off
	}
	return sorted(out)
}

// TestRemove imports, syncs and takes back in every order: a corpus is always what it would
// be if what was taken back had never been.
func TestRemove(t *testing.T) {
	for _, undo := range []int64{0, 20_000, 4000} { // all is kept; some is forgotten; most is too large to be kept by its records
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(undo, seed), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, uint64(undo)))
				c := open(t, t.TempDir(), 300)
				c.tune.undo = undo
				var events []event
				removed, large := 0, 0
				for range 24 {
					there := replay(events)
					switch op := r.IntN(8); {
					case op < 4:
						e := event{fold: Fold(r.IntN(2)), records: some(r, 1+r.IntN(150), there)}
						e.id = bring(t, c, e.fold, e.records)
						events = append(events, e)
					case op < 5:
						e := event{fold: Replace, records: some(r, 1+r.IntN(150), there)}
						put(t, c, SHA1, Replace, e.records)
						events = append(events, e)
					default:
						list := c.Corpus(SHA1).Imports()
						if len(list) == 0 {
							continue
						}
						one := list[r.IntN(len(list))]
						if c.Corpus(SHA1).current.Load().Imports[slices.Index(list, one)].Old != nil {
							large++
						}
						change, err := c.Remove(t.Context(), SHA1, one.ID)
						if err != nil {
							t.Fatal(err)
						}
						i := slices.IndexFunc(events, func(e event) bool { return e.id == one.ID })
						events = slices.Delete(events, i, i+1)
						removed++
						if change.Records != int64(len(replay(events))) || change.Removed != int64(len(there))-change.Records {
							t.Fatalf("%+v, where there were %d and are %d", change, len(there), len(replay(events)))
						}
					}
					if got, want := contents(t, c.Corpus(SHA1)), replay(events); !slices.Equal(got, want) {
						t.Fatalf("%d events: %d records, want %d", len(events), len(got), len(want))
					}
					if len(events) > 0 {
						if v, err := open(t, c.root, 0).Corpus(SHA1).Verify(t.Context(), nil); err != nil && !errors.Is(err, ErrNone) || len(v.Unnamed) > 0 {
							t.Fatal(v, err)
						}
					}
				}
				if removed == 0 || undo == 4000 && large == 0 {
					t.Fatalf("the test took back %d imports, %d of them large", removed, large)
				}
			})
		}
	}
}

// TestRemoveAll empties a corpus again: then it says nothing of any password.
func TestRemoveAll(t *testing.T) {
	c := open(t, t.TempDir(), 0)
	records := random(rand.New(rand.NewPCG(1, 3)), SHA1, 500)
	id := bring(t, c, Replace, records)
	again := bring(t, c, Replace, records) // changes nothing, but would have brought them
	for _, id := range []int64{id, again} {
		if n, err := c.Corpus(SHA1).Count([]byte(records[0].hash)); err != nil || n != records[0].count {
			t.Fatal(n, err)
		}
		if _, err := c.Remove(t.Context(), SHA1, id); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Corpus(SHA1).Count([]byte(records[0].hash)); !errors.Is(err, ErrNone) {
		t.Fatal("an empty corpus says no:", err)
	}
	if _, err := c.Remove(t.Context(), SHA1, id); !errors.Is(err, ErrImport) {
		t.Fatal(err)
	}
	if segs, _ := filepath.Glob(filepath.Join(c.root, "sha1", "*.seg")); len(segs) != 0 {
		t.Fatalf("%d files are left", len(segs))
	}
}

// TestRemoveStopped stops taking back at both of its ends: before the manifest is replaced, and
// before what nobody names any more is removed. That is all that a kill can leave.
func TestRemoveStopped(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	c := open(t, t.TempDir(), 300)
	first, second := random(r, SHA1, 2000), random(r, SHA1, 900)
	second = sorted(append(second, first[:300]...))
	bring(t, c, Replace, first)
	id := bring(t, c, Add, second)
	with := contents(t, c.Corpus(SHA1))

	w, err := c.write(t.Context(), SHA1, Replace)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range second {
		if _, err := w.set([]byte(x.hash), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.finish(); err != nil {
		t.Fatal(err)
	}
	w.close() // and never committed: its segments are there, and no manifest names them
	c = open(t, c.root, 300)
	v, err := c.Corpus(SHA1).Verify(t.Context(), nil)
	if err != nil || len(v.Unnamed) == 0 || !slices.Equal(contents(t, c.Corpus(SHA1)), with) {
		t.Fatal("taking back that did not end is seen: ", v, err)
	}
	old, err := filepath.Glob(filepath.Join(c.root, "sha1", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string][]byte{}
	for _, name := range old {
		if kept[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Remove(t.Context(), SHA1, id); err != nil {
		t.Fatal(err)
	}
	for name, b := range kept { // as if they had not been swept
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c = open(t, c.root, 300)
	if v, err := c.Corpus(SHA1).Verify(t.Context(), nil); err != nil || len(v.Unnamed) == 0 {
		t.Fatal(v, err)
	}
	if !slices.Equal(contents(t, c.Corpus(SHA1)), first) {
		t.Fatal("what was taken back is still there")
	}
	bring(t, c, Replace, second[:3])
	if v, err := c.Corpus(SHA1).Verify(t.Context(), nil); err != nil || len(v.Unnamed) != 0 {
		t.Fatal("the next change does not sweep: ", v, err)
	}
}

// TestRemoveKilled kills taking back at each of its steps: the import is there or it is gone, and what was kept of the others
// fits what is there.
func TestRemoveKilled(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	lists := [][]record{random(r, SHA1, 1500), nil, nil}
	for i := range lists[1:] {
		lists[i+1] = some(r, 400, lists[0])
	}
	with := replay([]event{{fold: Replace, records: lists[0]}, {fold: Add, records: lists[1]}, {fold: Add, records: lists[2]}})
	without := replay([]event{{fold: Replace, records: lists[0]}, {fold: Add, records: lists[2]}})
	kept, gone := 0, 0
	for at, killed := 1, true; killed; at++ {
		c := open(t, t.TempDir(), 2000)
		var ids []int64
		for i, l := range lists {
			ids = append(ids, bring(t, c, Fold(min(i, 1)), l))
		}
		_, killed = killtest.Kill(t, at, c.root, fmt.Sprint(ids[1]))
		c.Close()
		c = open(t, c.root, 2000)
		if _, err := c.Corpus(SHA1).Verify(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		switch have := contents(t, c.Corpus(SHA1)); {
		case slices.Equal(have, with) && killed:
			kept++
			if _, err := c.Remove(t.Context(), SHA1, ids[1]); err != nil {
				t.Fatal(err)
			}
		case slices.Equal(have, without):
			gone++
		default:
			t.Fatalf("killed at step %d (%v), the corpus is neither with nor without the import", at, killed)
		}
		if _, err := c.Remove(t.Context(), SHA1, ids[2]); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(contents(t, c.Corpus(SHA1)), lists[0]) {
			t.Fatalf("after a kill at step %d, the other import is not taken back rightly", at)
		}
	}
	t.Logf("killed %d times with the import still there, %d times without", kept, gone)
	if kept < 5 || gone < 2 {
		t.Fatal("the test did not try both")
	}
}

// TestRemoveWithoutRecords damages what is kept of an import: it cannot be taken back then, nor can those before it,
// and nothing else stops.
func TestRemoveWithoutRecords(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 5))
	c := open(t, t.TempDir(), 300)
	var ids []int64
	for range 3 {
		ids = append(ids, bring(t, c, Add, some(r, 200, nil)))
	}
	name := filepath.Join(c.root, c.Corpus(SHA1).current.Load().Imports[1].Took[0].name(SHA1))
	if err := os.Truncate(name, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Corpus(SHA1).Verify(t.Context(), nil); !errors.Is(err, ErrDamaged) {
		t.Fatal("verify does not read what is kept of imports: ", err)
	}
	if _, err := c.Remove(t.Context(), SHA1, ids[0]); !errors.Is(err, ErrImport) {
		t.Fatal(err)
	}
	if _, err := c.Remove(t.Context(), SHA1, ids[2]); err != nil {
		t.Fatal(err)
	}
	if list := c.Corpus(SHA1).Imports(); len(list) != 0 {
		t.Fatal(list)
	}
	if _, err := c.Corpus(SHA1).Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}
