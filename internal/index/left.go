package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/store"
)

// servedOn is how long a layer is served after it has left the statement.
const servedOn = 7 * 24 * time.Hour

// leftLayer is a layer that no longer stands in the newest statement.
type leftLayer struct {
	root        check.Hash
	locatorBits int
	n           int64
}

// departure is when a layer left.
type departure struct {
	leftLayer
	seq int64
	at  time.Time
}

// depart takes in which layers a statement leaves out, and which it has again.
func (c *Chain) depart(st *check.Statement) {
	now := layersOf(st)
	for root, l := range c.standing {
		if _, stays := now[root]; !stays && st.V > 1 { // earlier versions did not go on serving them
			c.left[root] = departure{l, st.Seq, st.Time.Time}
		}
	}
	for root := range now {
		delete(c.left, root)
	}
	c.standing = now
}

// verifyLeft compares what is kept of layers that have left with the statements.
func (x *Index) verifyLeft(ctx context.Context, c *Chain) error {
	rows, err := x.db.QueryContext(ctx, `SELECT root, locator_bits, n, seq, left_at FROM index_left ORDER BY root`)
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := map[check.Hash]bool{}
	for rows.Next() {
		var root string
		var d departure
		var at int64
		if err := rows.Scan(&root, &d.locatorBits, &d.n, &d.seq, &at); err != nil {
			return err
		}
		if err := d.root.UnmarshalText([]byte(root)); err != nil {
			return fmt.Errorf("index_left: %w: no root", ErrChain)
		}
		if want, left := c.left[d.root]; !left || want.leftLayer != d.leftLayer || want.seq != d.seq || at != store.Micros(want.at) {
			return fmt.Errorf("index_left %s: %w: no statement has left it out so", d.root, ErrChain)
		}
		seen[d.root] = true
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for root, d := range c.left {
		if !seen[root] && d.at.After(x.now().Add(-servedOn)) {
			return fmt.Errorf("index_left %s: %w: it is missing, and still to be served", root, ErrChain)
		}
	}
	return nil
}

// layersOf gives every layer that a statement speaks of, served or source.
func layersOf(st *check.Statement) map[check.Hash]leftLayer {
	all := map[check.Hash]leftLayer{}
	for _, l := range st.Layers {
		bits := st.Key(l.Key).LocatorBits
		all[l.Root] = leftLayer{l.Root, bits, l.N}
		for _, s := range l.Sources {
			all[s.Root] = leftLayer{s.Root, bits, s.N}
		}
	}
	return all
}

// replace records, in the transaction that records statement st, which layers leave with the one before it, and that its own
// have not left.
func (x *Index) replace(ctx context.Context, tx *sql.Tx, st *check.Statement) error {
	stays, was := layersOf(st), map[check.Hash]leftLayer{}
	before, err := newestIn(ctx, tx)
	if err != nil && !errors.Is(err, ErrNone) {
		return err
	}
	if err == nil {
		was = layersOf(before)
	}
	for root := range stays {
		if _, known := was[root]; known {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM index_left WHERE root = $1`, root.String()); err != nil {
			return err
		}
		if err := x.kept(root); errors.Is(err, errSwept) {
			return fmt.Errorf("%w: %w", ErrStale, err)
		} else if err != nil {
			return err
		}
	}
	for root, l := range was {
		if _, stays := stays[root]; stays {
			continue
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO index_left (root, locator_bits, n, seq, left_at) VALUES ($1, $2, $3, $4, $5)`,
			root.String(), l.locatorBits, l.n, st.Seq, store.Micros(st.Time.Time)); err != nil {
			return err
		}
	}
	return nil
}

// openLeft opens the layers that are still served although they have left.
func (x *Index) openLeft(ctx context.Context, s *snapshot) error {
	rows, err := x.db.QueryContext(ctx, `SELECT root, locator_bits, n FROM index_left WHERE left_at > $1`, store.Micros(x.now().Add(-servedOn)))
	if err != nil {
		return fmt.Errorf("look for layers that have left: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var root string
		var l leftLayer
		if err := rows.Scan(&root, &l.locatorBits, &l.n); err != nil {
			return fmt.Errorf("look for layers that have left: %w", err)
		}
		if err := l.root.UnmarshalText([]byte(root)); err != nil {
			return fmt.Errorf("look for layers that have left: %w", err)
		}
		x.openInto(s, l.root, l.locatorBits, l.n)
	}
	return errors.Join(rows.Err(), rows.Close())
}

// Expire removes the layers that have left for longer than they are served. size is how many entries of the ledger are served:
// what a statement beyond it has dropped is still asked for.
func (x *Index) Expire(ctx context.Context, size int64) error {
	due := store.Micros(x.now().Add(-servedOn))
	roots, err := x.dueLayers(ctx, due, size)
	if err != nil {
		return fmt.Errorf("remove layers that have left: %w", err)
	}
	for _, root := range roots {
		// Who publishes the layer again waits for the turn, and then finds that it is gone.
		err := x.db.Update(ctx, func(tx *sql.Tx) error {
			if err := turn(ctx, tx); err != nil {
				return err
			}
			result, err := tx.ExecContext(ctx, `DELETE FROM index_left WHERE root = $1 AND left_at <= $2`, root.String(), due)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil || n == 0 {
				return err
			}
			if err := x.dir.Remove(layerName(root)); err != nil && !errors.Is(err, files.ErrNotExist) {
				return err
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("remove layer %s, which has left: %w", root, err)
		}
	}
	return nil
}

func (x *Index) dueLayers(ctx context.Context, due, size int64) (roots []check.Hash, err error) {
	rows, err := x.db.QueryContext(ctx, `SELECT l.root FROM index_left l JOIN index_statement s ON s.seq = l.seq
		WHERE l.left_at <= $1 AND s.ledger_index < $2`, due, size)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var root check.Hash
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if err := root.UnmarshalText([]byte(text)); err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
	return roots, errors.Join(rows.Err(), rows.Close())
}
