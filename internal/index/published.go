package index

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
)

// VerifyPublished compares what statements said of keys, revisions and layers with the database and the layers'
// files: a chain that was read from the ledger, and all that it names. Layers of former statements are verified where
// they are still kept; those of the newest have to be there. It gives the first thing that is not as it was published.
func (x *Index) VerifyPublished(ctx context.Context, c *Chain) error {
	if err := x.verifyKeys(ctx, c); err != nil {
		return fmt.Errorf("verify the index's keys: %w", err)
	}
	if err := x.verifyDecided(ctx); err != nil {
		return fmt.Errorf("verify the index's ends: %w", err)
	}
	if err := x.verifyRevisions(ctx, c); err != nil {
		return fmt.Errorf("verify the index's revisions: %w", err)
	}
	roots := make([]check.Hash, 0, len(c.layers))
	for root := range c.layers {
		roots = append(roots, root)
	}
	slices.SortFunc(roots, func(a, b check.Hash) int { return strings.Compare(a.String(), b.String()) })
	for _, root := range roots {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.verifyOne(ctx, c, root); err != nil {
			return fmt.Errorf("verify the index: layer %s: %w", root, err)
		}
	}
	return nil
}

// verifyKeys compares the public keys with those that statements named.
func (x *Index) verifyKeys(ctx context.Context, c *Chain) error {
	rows, err := x.db.QueryContext(ctx, `SELECT id, public, locator_bits FROM index_key`)
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := map[string]bool{}
	for rows.Next() {
		var id, public string
		var bits int
		if err := rows.Scan(&id, &public, &bits); err != nil {
			return err
		}
		k, named := c.keys[id]
		if !named {
			continue // made, and nothing published under it yet
		}
		want, err := k.Public.MarshalText()
		if err != nil {
			return err
		}
		if public != string(want) || bits != k.LocatorBits {
			return fmt.Errorf("index_key %s: %w: it is not the key that statements name", id, ErrKey)
		}
		seen[id] = true
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for id := range c.keys {
		if !seen[id] {
			return fmt.Errorf("index_key %s: %w: missing", id, ErrKey)
		}
	}
	return nil
}

// ErrDecided says that the database has something for the next statement that the newest does not say.
var ErrDecided = errors.New("it is decided, and no statement says so yet")

// verifyDecided compares what was decided of keys and incidents with the newest statement: whoever edits it decides what the
// next one says. In between a decision is on its way for a moment.
func (x *Index) verifyDecided(ctx context.Context) error {
	st, _, _, err := x.Statement(ctx)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	remedy := "where nobody has decided it, the row was edited; where somebody has, the next publication or server ends it"
	keys, err := x.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		named := st.Key(k.ID)
		switch {
		case named == nil && !k.EndDecided.IsZero(), named != nil && named.State != "" && (named.State != k.State() || k.ending()),
			named != nil && named.State == "" && k.State() != check.KeyLive:
			return hint.Add(fmt.Errorf("index_key %s: %w", k.ID, ErrDecided), remedy)
		}
	}
	retired, err := x.retired(ctx)
	if err != nil {
		return err
	}
	for _, id := range retired {
		if in := st.Incident(id); in == nil || in.State != check.Retired && in.State != check.Withdrawn {
			return hint.Add(fmt.Errorf("index_retired %s: %w", id, ErrDecided), remedy)
		}
	}
	return nil
}

// verifyRevisions compares each incident's revisions with the layers that statements bound them to.
func (x *Index) verifyRevisions(ctx context.Context, c *Chain) error {
	rows, err := x.db.QueryContext(ctx, `SELECT incident, revision, key_id, coalesce(n, -1), coalesce(root, '') FROM index_revision`)
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := map[string]bool{}
	for rows.Next() {
		var incident, key, root string
		var revision, n int64
		if err := rows.Scan(&incident, &revision, &key, &n, &root); err != nil {
			return err
		}
		name := fmt.Sprintf("%s revision %d", incident, revision)
		want, published := c.roots[name]
		if !published {
			continue
		}
		if l := c.layers[want]; root != want.String() || n != l.n || key != l.key {
			return fmt.Errorf("index_revision %s: %w: its row is not what was published", name, ErrBound)
		}
		seen[name] = true
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for name := range c.roots {
		if !seen[name] {
			return fmt.Errorf("index_revision %s: %w: missing", name, ErrBound)
		}
	}
	return nil
}

// verifyOne recomputes every byte of a layer.
func (x *Index) verifyOne(ctx context.Context, c *Chain, root check.Hash) error {
	l := c.layers[root]
	key, ok := c.keys[l.key]
	if !ok {
		return fmt.Errorf("%w: key %s", ErrKey, l.key)
	}
	f, err := x.OpenLayer(root, key.LocatorBits)
	if errors.Is(err, files.ErrNotExist) && l.seq < c.Seq {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Info().N != l.n {
		return fmt.Errorf("%w: %d entries, and the statement says %d", check.ErrLayer, f.Info().N, l.n)
	}
	if err := f.Verify(ctx, l.source, nil); err != nil {
		return hint.Add(err, mendLayer)
	}
	return nil
}
