package people

import (
	"context"
	"fmt"

	"shirase/internal/store"
)

// Sent counts the answers about an incident that have left, as far as rows of them are there: one at least, where who is in it was worked out to
// answer somebody. Whatever relay carried them has them in its logs.
func Sent(ctx context.Context, db *store.DB, incident string) (int64, error) {
	var n, sets int64
	err := migrate(ctx, db)
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM people_asked WHERE incident = $1 AND state = 'answered'), (SELECT count(*) FROM people_set WHERE incident = $1)`, incident).Scan(&n, &sets)
	}
	if err != nil {
		return 0, fmt.Errorf("people: count the answers that have left: %w", err)
	}
	return max(n, min(sets, 1)), nil
}
