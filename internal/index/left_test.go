package index

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"shirase/check"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestLeft: a layer that has left the statement is served for seven days more, by a server that was started since too, and is
// removed then; one that has come back is not.
func TestLeft(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		left := b.publish("alpha", roster("a", 30)).Statement.Layers[0]
		b.publish("alpha", roster("a2", 20))
		now, _, _, err := b.Statement(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		served := func() int {
			t.Helper()
			_, s := b.serve(unlimited) // a new server
			res, _ := get(t, s.URL+"/check/v1/layers/"+left.ID.String()+"/buckets/0")
			for root := range layersOf(now) {
				if r, _ := get(t, s.URL+"/check/v1/layers/"+root.String()+"/buckets/0"); r.StatusCode != http.StatusOK {
					t.Errorf("a layer of the statement: %d", r.StatusCode)
				}
			}
			return res.StatusCode
		}
		sweep := func() {
			t.Helper()
			size, err := b.ledger.Served(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Sweep(t.Context(), size); err != nil {
				t.Fatal(err)
			}
		}
		for _, age := range []time.Duration{0, servedOn - time.Hour} {
			b.pass(age)
			sweep()
			if got := served(); got != http.StatusOK {
				t.Fatalf("a layer that left %s ago: %d", age, got)
			}
		}
		b.pass(2 * time.Hour)
		if got := served(); got != http.StatusNotFound {
			t.Errorf("a layer that left more than seven days ago: %d", got)
		}
		if err := b.Sweep(t.Context(), 1); err != nil { // the statement that dropped it is not served yet
			t.Fatal(err)
		}
		if there, err := b.dir.Exists(layerName(left.Root)); err != nil || !there {
			t.Errorf("what the served statement speaks of was removed: %v", err)
		}
		sweep()
		if there, err := b.dir.Exists(layerName(left.Root)); err != nil || there {
			t.Errorf("it is still there: %v", err)
		}
		sweep()
		served()
		if _, err := b.Verify(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
}

// TestLeftAndBack: what stands in a statement again has not left; and a draft whose layer was swept is made again.
func TestLeftAndBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		both := func() *check.Statement {
			t.Helper()
			st, _, _, err := b.Statement(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return st
		}
		b.publish("alpha", roster("a", 30))
		b.publish("beta", roster("b", 20))
		before := slices.Clone(both().Layers)
		gone := subject("beta")
		gone.State = check.Investigating
		if _, err := b.Publish(t.Context(), gone, nil, nil); err != nil {
			t.Fatal(err)
		}
		b.pass(servedOn + time.Hour)
		sealed, err := b.Seal(t.Context(), b.keys, "beta", roster("b", 20), nil)
		if err != nil {
			t.Fatal(err)
		}
		draft, err := b.Draft(t.Context(), b.keys, subject("beta"), sealed)
		if err != nil {
			t.Fatal(err)
		}
		size, err := b.ledger.Served(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Sweep(t.Context(), size); err != nil { // after the draft has found its layers, and before it is recorded
			t.Fatal(err)
		}
		if _, err := put(t.Context(), b.ledger, b.Index, draft, nil); err == nil {
			t.Fatal("a statement was published whose layer is gone")
		}
		b.publish("beta", roster("b", 20))
		for i, l := range both().Layers {
			if l.Root != before[i].Root {
				t.Errorf("layer %d is another", i)
			}
		}
		b.pass(servedOn + time.Hour)
		if size, err = b.ledger.Served(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Sweep(t.Context(), size); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Verify(t.Context(), nil); err != nil {
			t.Errorf("a layer that came back was removed: %v", err)
		}
	})
}
