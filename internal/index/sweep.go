package index

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/store"
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

// Sweep removes the layers that neither a revision nor a statement names: of drafts that were given up, and of processes
// that died. Whoever is drafting has to draft again ([ErrStale]): it is for who has just published a statement, which has the
// same effect.
func (x *Index) Sweep(ctx context.Context) error {
	if err := x.sweep(ctx); err != nil {
		return fmt.Errorf("sweep layers: %w", err)
	}
	return nil
}

func (x *Index) sweep(ctx context.Context) error {
	names, err := x.dir.List(strings.TrimSuffix(layerFolder, "/"))
	if err != nil {
		return err
	}
	orphans := map[string]bool{} // by root
	for _, name := range names {
		orphans[strings.TrimPrefix(name, layerFolder)] = true
	}
	seen, err := unnamed(ctx, x.db, orphans, 0) // all but what comes meanwhile, while nobody waits
	if err != nil || len(orphans) == 0 {
		return err
	}
	return x.db.Update(ctx, func(tx *sql.Tx) error {
		if err := turn(ctx, tx); err != nil {
			return err
		}
		still := maps.Clone(orphans) // a transaction may be run again
		if _, err := unnamed(ctx, tx, still, seen); err != nil {
			return err
		}
		for _, root := range slices.Sorted(maps.Keys(still)) {
			if err := x.dir.Remove(layerFolder + root); err != nil && !errors.Is(err, files.ErrNotExist) {
				return err
			}
		}
		return nil
	})
}

// unnamed takes out of roots what a revision, or a statement after number seen, names. It gives the last number.
func unnamed(ctx context.Context, q store.Querier, roots map[string]bool, seen int64) (int64, error) {
	bound, err := q.QueryContext(ctx, `SELECT root FROM index_revision WHERE root IS NOT NULL`)
	if err != nil {
		return seen, err
	}
	defer bound.Close()
	for bound.Next() {
		var root string
		if err := bound.Scan(&root); err != nil {
			return seen, err
		}
		delete(roots, root)
	}
	if err := errors.Join(bound.Err(), bound.Close()); err != nil || len(roots) == 0 {
		return seen, err
	}
	statements, err := q.QueryContext(ctx, `SELECT seq, bytes FROM index_statement WHERE seq > $1 ORDER BY seq`, seen)
	if err != nil {
		return seen, err
	}
	defer statements.Close()
	for statements.Next() {
		var raw []byte
		if err := statements.Scan(&seen, &raw); err != nil {
			return seen, err
		}
		maps.DeleteFunc(roots, func(root string, _ bool) bool { return bytes.Contains(raw, []byte(root)) })
	}
	return seen, errors.Join(statements.Err(), statements.Close())
}
