package index

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"shirase/check"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// expire removes layers as a server does.
func (b *bed) expire() {
	b.t.Helper()
	size, err := b.ledger.Served(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.Expire(b.t.Context(), size); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) has(root check.Hash) bool {
	b.t.Helper()
	there, err := b.dir.Exists(layerName(root))
	if err != nil {
		b.t.Fatal(err)
	}
	return there
}

// newest gives the newest statement.
func (b *bed) newest() *check.Statement {
	b.t.Helper()
	st, _, _, err := b.Statement(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return st
}

// TestLeft: a layer that has left the statement is served for seven days more, by a server that was started since too, and is
// removed then.
func TestLeft(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.many = 1 // folds: each leaves with the next
		b.publish("alpha", roster("a", 30))
		left := b.publish("beta", roster("b", 20)).Statement.Layers[0]
		now := b.publish("gamma", roster("c", 10)).Statement
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
		for _, age := range []time.Duration{0, servedOn - time.Hour} {
			b.pass(age)
			b.expire()
			if got := served(); got != http.StatusOK {
				t.Fatalf("a layer that left %s ago: %d", age, got)
			}
		}
		b.pass(2 * time.Hour)
		if got := served(); got != http.StatusNotFound {
			t.Errorf("a layer that left more than seven days ago: %d", got)
		}
		if err := b.Expire(t.Context(), 2); err != nil { // the statement that dropped it is not served yet
			t.Fatal(err)
		}
		if !b.has(left.Root) {
			t.Error("what the served statement speaks of was removed")
		}
		b.expire()
		if b.has(left.Root) {
			t.Error("it is still there")
		}
		b.expire()
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
		b.many = 1
		b.publish("alpha", roster("a", 30))
		fold := b.publish("beta", roster("b", 20)).Statement.Layers[0]
		b.publish("gamma", roster("c", 10))
		b.pass(servedOn + time.Hour)
		gone := subject("gamma")
		gone.State = check.Withdrawn
		draft, err := b.Draft(t.Context(), b.keys, frame(b.ledger), gone, nil)
		if err != nil {
			t.Fatal(err)
		}
		if draft.Statement.Layers[0].Root != fold.Root {
			t.Fatal("the fold of alpha and beta is another")
		}
		b.expire() // after the draft has found its layer, and before it is recorded
		if _, err := put(t.Context(), b.ledger, b.Index, draft, nil); !errors.Is(err, ErrStale) {
			t.Fatalf("a statement was published whose layer is gone: %v", err)
		}
		if _, err := b.Publish(t.Context(), gone, nil, nil); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(b.newest().Layers, []check.Layer{fold}, func(a, b check.Layer) bool { return a.Root == b.Root }) {
			t.Errorf("%+v", b.newest().Layers)
		}
		b.pass(servedOn + time.Hour)
		b.expire()
		if _, err := b.Verify(t.Context(), nil); err != nil {
			t.Errorf("a layer that came back was removed: %v", err)
		}
		// A layer that is lost is not in the way of the next statement: it is named by every answer, and mended otherwise.
		if err := b.dir.Remove(layerName(fold.Root)); err != nil {
			t.Fatal(err)
		}
		d, err := b.Reissue(t.Context(), frame(b.ledger), true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := put(t.Context(), b.ledger, b.Index, d, nil); err != nil {
			t.Errorf("a lost layer: %v", err)
		}
	})
}
