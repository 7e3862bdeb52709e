package watchers

import (
	"context"
	"fmt"

	"shirase/internal/store"
)

// Sent counts what of an incident was told, or may have been, by mails that have left: whatever relay carried them has them in its logs.
func Sent(ctx context.Context, db *store.DB, incident string) (n int64, err error) {
	if err = migrate(ctx, db); err == nil {
		err = db.QueryRowContext(ctx, `SELECT count(*) FROM watchers_mail WHERE incident = $1 AND state IN ('intended', 'handed-over', 'refused', 'unknown')`, incident).Scan(&n)
	}
	if err != nil {
		return 0, fmt.Errorf("watchers: count the mails that have left: %w", err)
	}
	return n, nil
}
