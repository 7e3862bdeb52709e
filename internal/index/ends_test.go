package index

import (
	"context"
	"errors"
	"slices"
	"testing"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestEnds: sealing ends with its context, keeps the chunks that are on disk, and
// goes on with them; what goes through layers ends in their middle.
func TestEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.minChunk, b.many = 500, 1
		const n = 6000
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		r := roster("alpha", n)
		r.Members = func(yield func(Member, error) bool) { // as a roster does it, which looks at its context too
			i := 0
			for m, err := range members("alpha", n) {
				if i++; ctx.Err() != nil {
					yield(Member{}, ctx.Err())
					return
				}
				if i == n/2 {
					stop()
				}
				if !yield(m, err) {
					return
				}
			}
		}
		if _, err := b.Seal(ctx, b.keys, "alpha", r, nil); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		chunks, err := b.dir.List("build")
		if err != nil || len(chunks) == 0 || len(chunks) > n/500/2 {
			t.Fatalf("chunks: %q, %v", chunks, err)
		}
		// An end is no damage: it does not throw away what is there.
		ctx, stop = context.WithCancel(t.Context())
		r.Members = func(yield func(Member, error) bool) {
			stop()
			yield(Member{}, ctx.Err())
		}
		_, err = b.Seal(ctx, b.keys, "alpha", r, nil)
		if again, e := b.dir.List("build"); !errors.Is(err, context.Canceled) || e != nil || !slices.Equal(again, chunks) {
			t.Fatalf("%v; chunks: %q, %v", err, again, e)
		}
		if layers, err := b.dir.List("layers"); err != nil || len(layers) > 0 {
			t.Errorf("layers of half a roster: %q, %v", layers, err)
		}
		if s, err := b.Seal(t.Context(), b.keys, "alpha", roster("alpha", n), nil); err != nil || s.Revision != "1" || s.Layer.N != n {
			t.Fatalf("%+v, %v", s, err)
		}
		b.publish("alpha", roster("alpha", n))
		b.publish("beta", roster("beta", 40_000))
		for name, run := range map[string]func(ctx context.Context, p Progress) error{
			"verify": func(ctx context.Context, p Progress) error { _, err := b.Verify(ctx, p); return err },
			"count":  func(ctx context.Context, _ Progress) error { _, err := b.Count(ctx); return err },
			"fold":   func(ctx context.Context, _ Progress) error { _, err := b.Fold(ctx); return err },
		} {
			all := &looked{Context: t.Context()}
			if err := run(all, nil); err != nil || all.looks < 5 { // at every 16,384 entries, of each layer
				t.Errorf("%s looked at its context %d times: %v", name, all.looks, err)
			}
			ctx, stop := context.WithCancel(t.Context())
			half := &looked{Context: ctx, at: all.looks / 2, stop: stop}
			if err := run(half, nil); !errors.Is(err, context.Canceled) || half.looks > half.at+2 {
				t.Errorf("%s, ended at look %d, went on for %d: %v", name, half.at, half.looks-half.at, err)
			}
		}
	})
}

// looked is a context that counts how often its error is asked for, and ends at one of these times.
type looked struct {
	context.Context
	looks, at int
	stop      func()
}

func (l *looked) Err() error {
	if l.looks++; l.looks == l.at {
		l.stop()
	}
	return l.Context.Err()
}
