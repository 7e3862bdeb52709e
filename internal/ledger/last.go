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

// Of returns the indexes of all entries of a kind that are committed, published or not, in their order.
func (l *Log) Of(ctx context.Context, kind string) ([]int64, error) {
	rows, err := l.db.QueryContext(ctx, `SELECT leaf FROM ledger_leaves WHERE kind = $1 ORDER BY leaf`, kind)
	if err != nil {
		return nil, fmt.Errorf("ledger: entries of %s: %w", kind, err)
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, fmt.Errorf("ledger: entries of %s: %w", kind, err)
		}
		out = append(out, n)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Entry returns what an entry commits to, as the database says; ErrNotFound.
func (l *Log) Entry(ctx context.Context, index int64) (kind string, data []byte, err error) {
	err = l.db.QueryRowContext(ctx, `SELECT l.kind, d.bytes FROM ledger_leaves l JOIN ledger_data d ON d.hash = l.data WHERE l.leaf = $1`, index).Scan(&kind, &data)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return "", nil, fmt.Errorf("ledger: entry %d: %w", index, err)
	}
	return kind, data, nil
}
