package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"shirase/check"
	"shirase/internal/files"
)

// A layer is written before anything names it, and under its root, so that whoever writes it again writes the same bytes.
// The transaction that names it takes its turn and looks whether it is still there; a sweep takes its turn and removes what
// nothing names. So what is named is there, and no bytes travel while others wait.

// errSwept says that a layer was removed between its writing and its naming.
var errSwept = errors.New("the layer was swept away meanwhile")

// turn makes others wait until the transaction ends who name layers or remove them. It comes before what the transaction
// reads of them.
func turn(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `UPDATE index_turn SET turn = turn + 1 WHERE id = 1`); err != nil {
		return fmt.Errorf("take a turn: %w", err)
	}
	return nil
}

// kept requires that a layer is there. It reads nothing of it.
func (x *Index) kept(root check.Hash) error {
	there, err := x.dir.Exists(layerName(root))
	if err == nil && !there {
		err = fmt.Errorf("layer %s: %w", root, errSwept)
	}
	return err
}

// Sweep removes the layers that nothing names: no revision, not the newest statement, and none that is still served because
// it was in one. They are of drafts that were given up, of processes that died, and of statements of version 1 that were
// replaced. Whoever is drafting has to draft again ([ErrStale]): it is for who has just published a statement, which has the
// same effect.
func (x *Index) Sweep(ctx context.Context) error {
	if err := x.sweep(ctx); err != nil {
		return fmt.Errorf("sweep layers: %w", err)
	}
	return nil
}

func (x *Index) sweep(ctx context.Context) error {
	names, err := x.dir.List(strings.TrimSuffix(layerFolder, "/"))
	if err != nil || len(names) == 0 {
		return err
	}
	return x.db.Update(ctx, func(tx *sql.Tx) error {
		if err := turn(ctx, tx); err != nil {
			return err
		}
		named, err := named(ctx, tx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if named[strings.TrimPrefix(name, layerFolder)] {
				continue
			}
			if err := x.dir.Remove(name); err != nil && !errors.Is(err, files.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// named gives the roots of the layers that are named.
func named(ctx context.Context, tx *sql.Tx) (map[string]bool, error) {
	out := map[string]bool{}
	st, err := newestIn(ctx, tx)
	if err != nil && !errors.Is(err, ErrNone) {
		return nil, err
	}
	if err == nil {
		for root := range layersOf(st) {
			out[root.String()] = true
		}
	}
	rows, err := tx.QueryContext(ctx, `SELECT root FROM index_revision WHERE root IS NOT NULL UNION SELECT root FROM index_left`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var root string
		if err := rows.Scan(&root); err != nil {
			return nil, err
		}
		out[root] = true
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
