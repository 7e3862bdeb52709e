package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Last returns the newest entry of a kind, or ErrNotFound, as q sees it: the
// database or a transaction on it. It reads what is committed, published or not.
func (l *Log) Last(ctx context.Context, q rowQuerier, kind string) (index int64, data []byte, err error) {
	err = q.QueryRowContext(ctx, `SELECT l.leaf, d.bytes FROM ledger_leaves l JOIN ledger_data d ON d.hash = l.data
		WHERE l.kind = $1 ORDER BY l.leaf DESC LIMIT 1`, kind).Scan(&index, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, fmt.Errorf("ledger: newest %s: %w", kind, ErrNotFound)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("ledger: newest %s: %w", kind, err)
	}
	return index, data, nil
}

// rowQuerier is a handle or a transaction.
type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
