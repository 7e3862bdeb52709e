package index

import (
	"context"
	"errors"
	"fmt"

	"shirase/check"
)

// ErrChain says that statements do not follow one another.
var ErrChain = errors.New("the chain of statements is broken")

// Chain follows the statements of a ledger from the first on. Its zero value
// stands before the first.
type Chain struct {
	Seq  int64
	Hash check.Hash

	bound  *check.Bindings       // what the statements so far bind the next one to
	roots  map[string]check.Hash // of each incident's revisions
	last   map[string]int64      // each incident's newest revision
	at     map[int64]int64       // the ledger's entry of each statement, where the chain was read from one
	keys   map[string]check.Key  // every key that a statement has named
	layers map[check.Hash]layer  // every layer, served or source

	standing map[check.Hash]leftLayer // the layers of the newest
	left     map[check.Hash]departure // those that have left since version 2
	sealed   []Revision               // every revision, in the order in which they appeared
}

// Revision is a revision of an incident as statements bound it.
type Revision struct {
	Incident, Revision string
	Counts             map[string]int64 // entries by kind
}

// Revisions gives every revision that was published.
func (c *Chain) Revisions() []Revision { return c.sealed }

// layer is what statements say of one.
type layer struct {
	key    string
	n      int64
	source bool // of one incident, and no fold of several
	seq    int64
}

// NextAt is Next of the statement at an index of the ledger.
func (c *Chain) NextAt(index int64, raw []byte) error {
	if err := c.Next(raw); err != nil {
		return err
	}
	if c.at == nil {
		c.at = map[int64]int64{}
	}
	c.at[c.Seq] = index
	return nil
}

// Next takes the next statement's bytes: it has to be valid, to carry the next
// number, to name the one before by its hash, and to keep every rule of the chain
// (docs/PROTOCOL.md). Of version 1 only those are asked that its publishers kept:
// no revision is another layer than before, or comes back.
func (c *Chain) Next(raw []byte) error {
	st, err := check.ParseStatement(raw)
	if err != nil {
		return fmt.Errorf("statement %d: %w", c.Seq+1, err)
	}
	if st.Seq != c.Seq+1 || st.Prev != c.Hash {
		return fmt.Errorf("%w: number %d after number %d", ErrChain, st.Seq, c.Seq)
	}
	hash := check.StatementHash(raw)
	switch {
	case st.V == 1 && c.bound != nil && c.bound.V > 1:
		return fmt.Errorf("%w: statement %d is of version 1 again", ErrChain, st.Seq)
	case st.V == 1 || c.bound == nil:
		c.bound = check.Bind(st, hash)
	default:
		if c.bound, err = c.bound.Next(st, hash); err != nil {
			return fmt.Errorf("%w: %w", ErrChain, err)
		}
	}
	if c.roots == nil {
		c.roots, c.last = map[string]check.Hash{}, map[string]int64{}
		c.keys, c.layers = map[string]check.Key{}, map[check.Hash]layer{}
		c.left = map[check.Hash]departure{}
	}
	c.depart(st)
	for _, k := range st.Keys {
		c.keys[k.ID] = k
	}
	for _, l := range st.Layers {
		c.layers[l.Root] = layer{l.Key, l.N, len(l.Sources) == 1, st.Seq}
		for _, src := range l.Sources {
			c.layers[src.Root] = layer{l.Key, src.N, true, st.Seq}
			if err := c.source(st, src); err != nil {
				return err
			}
		}
	}
	c.Seq, c.Hash = st.Seq, hash
	return nil
}

// source binds a revision to its layer.
func (c *Chain) source(st *check.Statement, src check.Source) error {
	name := src.Incident + " revision " + src.Revision
	before, known := c.roots[name]
	if known && before != src.Root {
		return fmt.Errorf("%w: statement %d: %s is another layer than before: two keystreams were one", ErrChain, st.Seq, name)
	}
	if !known {
		counts, _, _ := st.Incident(src.Incident).Exposed(src.Revision)
		c.sealed = append(c.sealed, Revision{src.Incident, src.Revision, counts})
	}
	c.roots[name] = src.Root
	if st.Incident(src.Incident).Revision != src.Revision {
		return nil // superseded
	}
	if number(src.Revision) < c.last[src.Incident] {
		return fmt.Errorf("%w: statement %d goes back to %s", ErrChain, st.Seq, name)
	}
	c.last[src.Incident] = number(src.Revision)
	return nil
}

// VerifyChain compares the statements in the database with a chain that was
// read from the ledger: the same number of them, the same bytes, none changed.
// A statement that is committed and on its way is nobody's edit: one whose entry
// is beyond published, the number of entries that the ledger's files have, and
// below committed, that of its database.
func (x *Index) VerifyChain(ctx context.Context, ledger *Chain, published, committed int64) error {
	rows, err := x.db.QueryContext(ctx, `SELECT seq, hash, ledger_index, bytes FROM index_statement ORDER BY seq`)
	if err != nil {
		return fmt.Errorf("read the statements: %w", err)
	}
	defer rows.Close()
	var own, last Chain // last: as far as it is published
	for rows.Next() {
		var seq, at int64
		var hash string
		var raw []byte
		if err := rows.Scan(&seq, &hash, &at, &raw); err != nil {
			return fmt.Errorf("read the statements: %w", err)
		}
		if err := own.Next(raw); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		if own.Seq != seq || own.Hash.String() != hash {
			return fmt.Errorf("database: %w: row %d is not the statement it names", ErrChain, seq)
		}
		if index, known := ledger.at[seq]; known && index != at {
			return fmt.Errorf("database: %w: statement %d is entry %d of the ledger, and its row says %d", ErrChain, seq, index, at)
		}
		if seq <= ledger.Seq || at < published || at >= committed {
			last.Seq, last.Hash = own.Seq, own.Hash
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("read the statements: %w", err)
	}
	if last.Seq != ledger.Seq || last.Hash != ledger.Hash {
		return fmt.Errorf("%w: the database ends with statement %d, the ledger with %d", ErrChain, last.Seq, ledger.Seq)
	}
	if err := x.verifyLeft(ctx, &own); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}
