package publish

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/ledger"
)

// CasesOf seals the records of all cases on a day, in the transaction that records it, and gives what the day's head commits to
// (check.CasesTree). keep is told which entry of the ledger it became.
type CasesOf func(ctx context.Context, tx *sql.Tx, day string) (head check.Hash, keep func(ledgerIndex int64) error, err error)

// RecordCases records the head over all cases in the ledger, where the newest one is not of today (UTC). recorded is false where
// there was nothing to do. Whether there is a case at all makes no difference to when it is called, nor to what is seen of it.
func (p *Publisher) RecordCases(ctx context.Context, who actor.Actor, of CasesOf) (head check.CasesHead, recorded bool, err error) {
	if err := who.Check("record the head of all cases"); err != nil {
		return head, false, err
	}
	last, err := p.lastCases(ctx, p.DB)
	if err != nil || !p.isNewDay(last) {
		return last, false, err
	}
	if err := p.ledger.Clock(ctx); err != nil { // a head of a day that has not come would stop all that follow
		return head, false, fmt.Errorf("record the head of all cases: %w", err)
	}
	err = p.ledger.Update(ctx, func(tx *sql.Tx) error {
		recorded = false
		if last, err := p.lastCases(ctx, tx); err != nil || !p.isNewDay(last) { // another server was first
			head = last
			return err
		}
		day := p.now().UTC().Format(time.DateOnly)
		root, keep, err := of(ctx, tx, day)
		if err != nil {
			return err
		}
		head = check.CasesHead{Day: day, Head: root, V: 1}
		data, err := head.Bytes()
		if err != nil {
			return err
		}
		at, err := p.append(ctx, tx, who, check.KindCases, data, nil)
		if err != nil {
			return err
		}
		recorded = true
		return keep(at)
	})
	if err != nil {
		return head, false, fmt.Errorf("record the head of all cases: %w", err)
	}
	return head, recorded, p.ledger.Resume(ctx)
}

func (p *Publisher) isNewDay(last check.CasesHead) bool {
	return p.now().UTC().Format(time.DateOnly) > last.Day
}

// lastCases gives the newest head; one without a day where there is none.
func (p *Publisher) lastCases(ctx context.Context, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}) (check.CasesHead, error) {
	_, data, err := p.ledger.Last(ctx, q, check.KindCases)
	if errors.Is(err, ledger.ErrNotFound) {
		return check.CasesHead{}, nil
	}
	if err != nil {
		return check.CasesHead{}, err
	}
	return check.ParseCasesHead(data)
}

// LoggedHead is a head over all cases as the ledger has it.
type LoggedHead struct {
	LedgerIndex int64
	Data        []byte
	Head        check.CasesHead
	Proof       []byte // a tlog-proof that verified under the ledger's key; nil where it is recorded and not public yet
}

// CasesHeads returns every head over all cases that the ledger has, the oldest first. What is public is read from the files that
// everybody is served, and verified to be in the ledger: a database that was edited says nothing here.
func (p *Publisher) CasesHeads(ctx context.Context) ([]LoggedHead, error) {
	policy, err := check.LedgerPolicy(p.VKey())
	if err != nil {
		return nil, fmt.Errorf("the heads of all cases: %w", err)
	}
	indexes, err := p.ledger.Of(ctx, check.KindCases)
	if err != nil {
		return nil, fmt.Errorf("the heads of all cases: %w", err)
	}
	served, err := p.ledger.Served(ctx)
	if err != nil {
		return nil, fmt.Errorf("the heads of all cases: %w", err)
	}
	out := make([]LoggedHead, 0, len(indexes))
	for _, at := range indexes {
		h := LoggedHead{LedgerIndex: at}
		var kind string
		if kind, h.Data, err = p.ledger.Entry(ctx, at); err == nil && kind != check.KindCases {
			err = fmt.Errorf("%w: it is a %s", ledger.ErrDamaged, kind)
		}
		if err == nil {
			h.Head, err = check.ParseCasesHead(h.Data)
		}
		if err == nil && at < served {
			if h.Proof, err = p.ledger.Proof(ctx, at); err == nil {
				err = check.VerifyInclusion(check.KindCases, h.Data, string(h.Proof), policy)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("the heads of all cases: entry %d: %w", at, err)
		}
		out = append(out, h)
	}
	return out, nil
}
