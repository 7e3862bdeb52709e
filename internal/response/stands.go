package response

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"shirase/internal/store"
)

// Stands says how a case stands, without its key: another text as soon as anything is recorded in it, a fact is, or a notice is published. q
// may be a transaction.
func (c *Cases) Stands(ctx context.Context, q store.Querier, id string) (string, error) {
	var seq int64
	var hash string
	err := q.QueryRowContext(ctx, `SELECT seq, hash FROM response_entry WHERE case_id = $1 ORDER BY seq DESC LIMIT 1`, id).Scan(&seq, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("case %s: how it stands: %w", id, err)
	}
	facts, err := c.Incidents.MovedIn(ctx, q, id)
	return fmt.Sprintf("entries %d %s\nfacts %s", seq, hash, facts), err
}
