package index

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"time"

	"shirase/check"
	"shirase/internal/files"
)

// Frame is what every statement says beside its keys and incidents.
type Frame struct {
	Ledger      check.Signing // whose log it goes into
	PhoneRegion string        // by which this instance reads phone numbers

	// Unreadable counts what could not be read of a revision that was published before statements said so.
	Unreadable func(ctx context.Context, incident, revision string) (map[string]int64, error)
	// Today is a day that a person has named, by another clock than this machine's; zero: nobody has.
	Today time.Time
}

// Subject is what the statement says of an incident beside its seal.
type Subject struct {
	ID           string
	Organisation string
	Title        map[string]string // by language
	State        check.State
	AsOf         time.Time
	Sets         [][]string       // exposure sets, by number
	Unreadable   map[string]int64 // accounts without a readable identity, by kind, and check.Rows
}

// Draft is a statement that was made and checked, and is not published.
type Draft struct {
	Statement *check.Statement
	Raw       []byte // its canonical bytes
	Changed   bool   // false: the newest statement says the same, and this is it

	ledgerIndex int64 // of the newest statement, where nothing changes
}

// LedgerIndex is the entry of a statement that says the same already; -1 of a new one.
func (d *Draft) LedgerIndex() int64 {
	if d.Changed {
		return -1
	}
	return d.ledgerIndex
}

// Draft makes the next statement with an incident in it: sealed, where its state
// is final, or only named. What layers are new are folded, and the draft is
// asked by the real client, with an evaluator of keys; nothing is published.
func (x *Index) Draft(ctx context.Context, keys *files.Keys, f Frame, subject Subject, sealed *Sealed) (*Draft, error) {
	d, err := x.prepare(ctx, keys, f, subject, sealed)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", subject.ID, err)
	}
	return d, nil
}

func (x *Index) prepare(ctx context.Context, keys *files.Keys, f Frame, subject Subject, sealed *Sealed) (*Draft, error) {
	p, err := x.plan(ctx, f)
	if err != nil {
		return nil, err
	}
	if err := p.put(subject, sealed); err != nil {
		return nil, err
	}
	st, err := p.finish(ctx)
	if err != nil {
		return nil, err
	}
	if p.before != nil && same(p.before, st) && p.before.Expires.After(x.now()) {
		return &Draft{Statement: p.before, Raw: p.raw, ledgerIndex: p.at}, nil
	}
	if sealed != nil {
		if err := x.selfCheck(ctx, keys, st, sealed); err != nil {
			return nil, err
		}
	}
	return newDraft(st)
}

func newDraft(st *check.Statement) (*Draft, error) {
	raw, err := st.Canonical()
	if err != nil {
		return nil, err
	}
	return &Draft{Statement: st, Raw: raw, Changed: true}, nil
}

// same reports whether two statements say the same but for number and times.
func same(a, b *check.Statement) bool {
	c := *b
	c.Seq, c.Prev, c.Time, c.Expires = a.Seq, a.Prev, a.Time, a.Expires
	ab, err1 := a.Canonical()
	cb, err2 := c.Canonical()
	return err1 == nil && err2 == nil && bytes.Equal(ab, cb)
}

// Record stores a draft as the newest statement, in the transaction that appends
// it to the ledger at ledgerIndex. ErrStale where another was published
// meanwhile, or a layer of the draft was swept away: it has to be made again.
func (x *Index) Record(ctx context.Context, tx *sql.Tx, d *Draft, ledgerIndex int64) error {
	if err := turn(ctx, tx); err != nil {
		return err
	}
	if err := x.next(ctx, tx, d); err != nil {
		return err
	}
	if err := x.replace(ctx, tx, d.Statement); err != nil {
		return fmt.Errorf("record the statement: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO index_statement (seq, hash, ledger_index, bytes) VALUES ($1, $2, $3, $4)`,
		d.Statement.Seq, check.StatementHash(d.Raw).String(), ledgerIndex, d.Raw); err != nil {
		return fmt.Errorf("record the statement: %w", err)
	}
	return nil
}

// next reports whether a draft still follows the newest statement.
func (x *Index) next(ctx context.Context, tx *sql.Tx, d *Draft) error {
	var last sql.NullInt64
	if err := tx.QueryRowContext(ctx, `SELECT max(seq) FROM index_statement`).Scan(&last); err != nil {
		return fmt.Errorf("read the last number: %w", err)
	}
	if last.Int64 != d.Statement.Seq-1 {
		return ErrStale
	}
	return nil
}

// Reissue makes the newest statement again under the next number, where half of
// its life is over, where there is something new to say of keys, retirements or
// the ledger, or where it is forced: statements expire, so that nobody can go on
// showing an old one. nil where there is nothing to do; ErrNone where nothing
// was published.
func (x *Index) Reissue(ctx context.Context, f Frame, force bool) (*Draft, error) {
	d, err := x.reissue(ctx, f, force)
	if err != nil {
		return nil, fmt.Errorf("reissue: %w", err)
	}
	return d, nil
}

func (x *Index) reissue(ctx context.Context, f Frame, force bool) (*Draft, error) {
	p, err := x.plan(ctx, f)
	if err != nil {
		return nil, err
	}
	if p.before == nil {
		return nil, ErrNone
	}
	st, err := p.finish(ctx)
	if err != nil {
		return nil, err
	}
	if !force && same(p.before, st) && st.Time.Sub(p.before.Time.Time) < p.before.Expires.Sub(p.before.Time.Time)/2 {
		return nil, nil
	}
	return newDraft(st)
}
