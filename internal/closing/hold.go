package closing

import (
	"context"
	"errors"

	"shirase/internal/store"
)

// Held gives what says, also in a transaction, that a legal hold is on: for rooms that let go what is over, and know nothing of how cases end. What it
// gives says ErrHeld.
func Held(ctx context.Context, db *store.DB) (func(ctx context.Context, q store.Querier, id string) error, error) {
	if err := migrate(ctx, db); err != nil {
		return nil, err
	}
	return (&Closing{Rooms{DB: db}}).OnHold, nil
}

// Keeps is Held for rooms that leave alone what is held, and refuse nothing.
func Keeps(ctx context.Context, db *store.DB) (func(ctx context.Context, q store.Querier, id string) (bool, error), error) {
	held, err := Held(ctx, db)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, q store.Querier, id string) (bool, error) {
		err := held(ctx, q, id)
		if errors.Is(err, ErrHeld) {
			return true, nil
		}
		return false, err
	}, nil
}
