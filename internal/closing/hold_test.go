package closing

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestHoldOrEnd: a hold is put on until the key is being destroyed, and keeps it; then it is refused, and not recorded as if it kept something.
// Where both come at once, one of them sees the other.
func TestHoldOrEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		w := newWorld(t, db)
		w.Ending = w.rosters.Ending
		held := func(id string) func(*sql.Tx) error {
			return func(tx *sql.Tx) error { return w.OnHold(ctx, tx, id) }
		}
		w.declare("shop")
		h, err := w.Hold(ctx, by, "shop", "a claim")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.rosters.ShredIf(ctx, by, "shop", held("shop")); !errors.Is(err, ErrHeld) {
			t.Fatal(err)
		}
		if _, err := w.rosters.Sealer(ctx, "shop", false); err != nil {
			t.Fatalf("the key of what is held: %v", err)
		}
		if err := w.Release(ctx, by, "shop", h.N, "settled"); err != nil {
			t.Fatal(err)
		}
		if err := w.rosters.ShredIf(ctx, by, "shop", held("shop")); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Hold(ctx, by, "shop", "too late"); !errors.Is(err, ErrEnding) {
			t.Errorf("what is destroyed is held: %v", err)
		}
		if all, err := w.Holds(ctx, by, "shop"); err != nil || len(all) != 1 {
			t.Errorf("%+v, %v", all, err)
		}

		w.declare("club")
		asked, put := make(chan struct{}), make(chan error, 1)
		go func() {
			<-asked
			_, err := w.Hold(context.WithoutCancel(ctx), by, "club", "a claim")
			put <- err
		}()
		tries := 0
		ended := w.rosters.ShredIf(ctx, by, "club", func(tx *sql.Tx) error {
			err := w.OnHold(ctx, tx, "club")
			if tries++; tries == 1 {
				close(asked) // it comes when no hold was found
			}
			return err
		})
		if holding := <-put; (ended == nil) == (holding == nil) || ended != nil && !errors.Is(ended, ErrHeld) || holding != nil && !errors.Is(holding, ErrEnding) {
			t.Errorf("it ends: %v; it is held: %v", ended, holding)
		}
	})
}
