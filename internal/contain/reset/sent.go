package reset

import (
	"context"
	"fmt"
)

// Sent counts how often the form of an incident was opened: links and receipts have left then, of which rows stay only until they are used or
// sent. Whatever relay carried them has them in its logs.
func (r *Resets) Sent(ctx context.Context, incident string) (n int64, err error) {
	if err = r.DB.QueryRowContext(ctx, `SELECT count(*) FROM reset_hour WHERE incident = $1 AND state IN ($2, $3)`, incident, Opened, Reopened).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the mails of the reset: %w", err)
	}
	return n, nil
}
