package proposal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// Approve approves a proposal, and carries it out. digest is that of the bytes that the approver was shown; their passkey has to have
// confirmed them in this request ([Proposal.Act]). What would be done is worked out again: where it is not those bytes, the proposal is
// void. An approval that is recorded stands: what could not be done is done by Resume, and the error says why.
//
// Errors: ErrNotFound, ErrOver, ErrSame, ErrEarly, ErrChanged; actor.ErrRole, actor.ErrAccess, actor.ErrHeld, actor.ErrUnconfirmed; those
// of doing it.
func (p *Proposals) Approve(ctx context.Context, who actor.Actor, id, digest string) (*Proposal, error) {
	x, err := p.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	if err := p.approvable(who, x, digest); err != nil {
		return nil, fmt.Errorf("approve proposal %s: %w", id, err)
	}
	act := p.Acts[x.Kind]
	plan, err := act.Plan(ctx, who, x.Incident, x.request)
	if err == nil && plan.Digest() != x.Digest {
		err = ErrChanged
	}
	if errors.Is(err, ErrChanged) {
		return nil, errors.Join(fmt.Errorf("approve proposal %s: %w", id, voided()), p.end(ctx, who, x, Void, "what would be done had changed when it was approved", Proposed))
	}
	if err != nil {
		return nil, fmt.Errorf("approve proposal %s: %w", id, err)
	}
	if err := p.approve(ctx, who, x); err != nil {
		return nil, fmt.Errorf("approve proposal %s: %w", id, err)
	}
	if err := p.carryOut(context.WithoutCancel(ctx), who, id); err != nil {
		return nil, fmt.Errorf("proposal %s is approved: %w", id, err)
	}
	return p.Get(ctx, who, id)
}

func voided() error {
	return hint.Add(fmt.Errorf("%w: it is void", ErrChanged), "propose it anew, and look at what has changed")
}

// approvable says why somebody cannot approve a proposal now.
func (p *Proposals) approvable(who actor.Actor, x *Proposal, digest string) error {
	if err := mayApprove(who, p.Acts[x.Kind], x.Incident); err != nil {
		return err
	}
	switch {
	case !who.Person():
		return actor.ErrRole
	case x.State != Proposed:
		return fmt.Errorf("%w: it is %s", ErrOver, x.State)
	case digest != x.Digest:
		return hint.Add(fmt.Errorf("%w: what was looked at is not what is proposed", ErrChanged), "look at it again")
	case who.ID() == x.Person && x.Alone.IsZero():
		return hint.Add(ErrSame, "somebody else who may approve has to")
	case who.ID() == x.Person && p.now().Before(x.Alone):
		return fmt.Errorf("%w: until %s", ErrEarly, x.Alone.UTC().Format(time.RFC3339))
	}
	return who.Confirmed(x.Act())
}

// approve records the approval.
func (p *Proposals) approve(ctx context.Context, who actor.Actor, x *Proposal) error {
	return p.DB.Update(ctx, func(tx *sql.Tx) error {
		now, err := p.get(ctx, tx, x.ID)
		if err != nil {
			return err
		}
		if err := p.approvable(who, now, x.Digest); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE proposal SET state = $2, approver = $3, since = $4, approved_at = $5 WHERE id = $1`,
			x.ID, string(Approved), who.String(), micros(who.ApproverSince()), store.Micros(p.now())); err != nil {
			return err
		}
		now.State, now.Approver = Approved, who.String()
		return p.note(ctx, tx, who, now)
	})
}

// claims is for how long a process that carries something out keeps others from it.
const claims = 10 * time.Minute

// carryOut does what is approved.
func (p *Proposals) carryOut(ctx context.Context, who actor.Actor, id string) error {
	x, err := p.claim(ctx, id)
	if err != nil || x == nil {
		return err
	}
	act := p.Acts[x.Kind]
	var result any
	settle := func(tx *sql.Tx) error { return p.settle(ctx, tx, who, x.ID) }
	switch {
	case act.Do == nil:
		err = fmt.Errorf("%w: %q", ErrKind, x.Kind)
	case act.Single:
		result, err = act.Do(ctx, who, x.Incident, x.request, x.Digest, settle)
	default:
		if x.State == Approved {
			var plan Plan
			if plan, err = act.Plan(ctx, who, x.Incident, x.request); err == nil && plan.Digest() != x.Digest {
				err = ErrChanged
			}
			if err == nil {
				err = p.move(ctx, x.ID, Approved, Started)
			}
		}
		if err == nil {
			if result, err = act.Do(ctx, who, x.Incident, x.request, x.Digest, nil); err == nil {
				err = p.DB.Update(ctx, settle)
			}
		}
	}
	if errors.Is(err, ErrChanged) && x.State == Approved {
		return errors.Join(voided(), p.end(ctx, who, x, Void, "what would be done had changed when it was to be carried out", Approved))
	}
	if err != nil {
		_, e := p.DB.ExecContext(ctx, `UPDATE proposal SET claimed_at = 0, why = $2 WHERE id = $1 AND state IN ('approved', 'started')`, id, err.Error())
		return errors.Join(fmt.Errorf("it is not carried out yet: %w", err), e)
	}
	return p.keepResult(ctx, id, result)
}

func (p *Proposals) keepResult(ctx context.Context, id string, result any) error {
	if result == nil {
		return nil
	}
	b, err := json.Marshal(result, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = p.DB.ExecContext(ctx, `UPDATE proposal SET result = $2 WHERE id = $1 AND state = 'done'`, id, b)
	return err
}

// claim takes an approved proposal for this process; nil where another has it, or nothing is to be done.
func (p *Proposals) claim(ctx context.Context, id string) (x *Proposal, err error) {
	now := p.now()
	err = p.DB.Update(ctx, func(tx *sql.Tx) error {
		x = nil
		res, err := tx.ExecContext(ctx, `UPDATE proposal SET claimed_at = $2 WHERE id = $1 AND state IN ('approved', 'started') AND claimed_at < $3`, id, store.Micros(now.Add(claims)), store.Micros(now))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		x, err = p.get(ctx, tx, id)
		return err
	})
	return x, err
}

func (p *Proposals) move(ctx context.Context, id string, from, to State) error {
	res, err := p.DB.ExecContext(ctx, `UPDATE proposal SET state = $3 WHERE id = $1 AND state = $2`, id, string(from), string(to))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("%w: it was withdrawn", ErrOver))
	}
	return nil
}

// settle records that a proposal is carried out, in the transaction in which that becomes true. It is so once: an approval that is
// replayed changes nothing.
func (p *Proposals) settle(ctx context.Context, tx *sql.Tx, who actor.Actor, id string) error {
	res, err := tx.ExecContext(ctx, `UPDATE proposal SET state = 'done', why = '', ended_at = $2 WHERE id = $1 AND state IN ('approved', 'started')`, id, store.Micros(p.now()))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("%w: it was carried out, or withdrawn", ErrOver))
	}
	x, err := p.get(ctx, tx, id)
	if err != nil {
		return err
	}
	return p.note(ctx, tx, who, x)
}

// Resume carries out what is approved and was interrupted, or could not be done: a server calls it when it starts, and while it runs.
func (p *Proposals) Resume(ctx context.Context, who actor.Actor) error {
	if err := who.Check("carry out what is approved"); err != nil {
		return err
	}
	rows, err := p.DB.QueryContext(ctx, `SELECT id FROM proposal WHERE state IN ('approved', 'started') ORDER BY approved_at, id`)
	if err != nil {
		return fmt.Errorf("carry out what is approved: %w", err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return fmt.Errorf("carry out what is approved: %w", err)
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("carry out what is approved: %w", err)
	}
	var failed error
	for _, id := range ids {
		if err := p.carryOut(ctx, who, id); err != nil {
			failed = errors.Join(failed, fmt.Errorf("carry out proposal %s: %w", id, err))
		}
	}
	return failed
}
