package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Last returns the newest entry of a kind, or ErrNotFound. It reads what is
// committed, published or not.
func (l *Ledger) Last(ctx context.Context, kind string) (index int64, data []byte, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT l.leaf, d.bytes FROM ledger_leaves l JOIN ledger_data d ON d.hash = l.data
		WHERE l.kind = $1 ORDER BY l.leaf DESC LIMIT 1`, kind).Scan(&index, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, fmt.Errorf("ledger: newest %s: %w", kind, ErrNotFound)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("ledger: newest %s: %w", kind, err)
	}
	return index, data, nil
}
