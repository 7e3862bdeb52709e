package index

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"shirase/check"
)

// ErrChain says that statements do not follow one another.
var ErrChain = errors.New("the chain of statements is broken")

// Chain follows the statements of a ledger from the first on. Its zero value
// stands before the first.
type Chain struct {
	Seq  int64
	Hash check.Hash

	roots map[string]check.Hash // of each incident's revisions
	last  map[string]int64      // each incident's newest revision
}

// Next takes the next statement's bytes: it has to be valid, to carry the next
// number, to name the one before by its hash, and to bind each revision to the
// layer it always had.
func (c *Chain) Next(raw []byte) error {
	st, err := check.ParseStatement(raw)
	if err != nil {
		return fmt.Errorf("statement %d: %w", c.Seq+1, err)
	}
	if st.Seq != c.Seq+1 || st.Prev != c.Hash {
		return fmt.Errorf("%w: number %d after number %d", ErrChain, st.Seq, c.Seq)
	}
	if c.roots == nil {
		c.roots, c.last = map[string]check.Hash{}, map[string]int64{}
	}
	for _, l := range st.Layers {
		for _, src := range l.Sources {
			name := src.Incident + " revision " + src.Revision
			if before, ok := c.roots[name]; ok && before != src.Root {
				return fmt.Errorf("%w: statement %d: %s is another layer than before: two keystreams were one", ErrChain, st.Seq, name)
			}
			c.roots[name] = src.Root
			revision, err := strconv.ParseInt(src.Revision, 10, 64)
			if err != nil || revision < c.last[src.Incident] {
				return fmt.Errorf("%w: statement %d goes back to %s", ErrChain, st.Seq, name)
			}
			c.last[src.Incident] = revision
		}
	}
	c.Seq, c.Hash = st.Seq, check.StatementHash(raw)
	return nil
}

// VerifyChain compares the statements in the database with a chain that was
// read from the ledger: the same number of them, the same bytes, none changed.
func (x *Index) VerifyChain(ctx context.Context, ledger *Chain) error {
	rows, err := x.db.QueryContext(ctx, `SELECT seq, hash, bytes FROM index_statement ORDER BY seq`)
	if err != nil {
		return fmt.Errorf("read the statements: %w", err)
	}
	defer rows.Close()
	var own Chain
	for rows.Next() {
		var seq int64
		var hash string
		var raw []byte
		if err := rows.Scan(&seq, &hash, &raw); err != nil {
			return fmt.Errorf("read the statements: %w", err)
		}
		if err := own.Next(raw); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		if own.Seq != seq || own.Hash.String() != hash {
			return fmt.Errorf("database: %w: row %d is not the statement it names", ErrChain, seq)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the statements: %w", err)
	}
	if own.Seq != ledger.Seq || own.Hash != ledger.Hash {
		return fmt.Errorf("%w: the database ends with statement %d, the ledger with %d", ErrChain, own.Seq, ledger.Seq)
	}
	return nil
}
