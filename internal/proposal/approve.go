package proposal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
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
	if err := p.approvable(ctx, p.DB, who, x, digest); err != nil {
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

// MayApprove says why somebody cannot approve a proposal now, apart from their passkey.
func (p *Proposals) MayApprove(ctx context.Context, who actor.Actor, x *Proposal) error {
	return p.mayApproveNow(ctx, p.DB, who, x)
}

func (p *Proposals) mayApproveNow(ctx context.Context, q store.Querier, who actor.Actor, x *Proposal) error {
	if err := mayApprove(who, p.Acts[x.Kind], x.Incident); err != nil {
		return err
	}
	switch {
	case !who.Person():
		return actor.ErrRole
	case x.Unread != nil:
		return x.Unread
	case x.State != Proposed:
		return fmt.Errorf("%w: it is %s", ErrOver, x.State)
	case x.Host(): // whoever has the host may be whoever approves
		if from := p.HostFrom(x); p.now().Before(from) {
			return hint.Add(fmt.Errorf("%w: it was proposed from the host, until %s", ErrEarly, from.UTC().Format(time.RFC3339)), "what a member of the staff proposes in the console waits for nothing")
		}
	case who.ID() == x.Person:
		return p.mayAlone(ctx, q, x)
	default:
		if gone, err := p.gone(ctx, x.Person); err != nil || gone {
			return errors.Join(err, fmt.Errorf("%w: whoever proposed it is of the staff no longer", ErrOver))
		}
	}
	return nil
}

// mayAlone says whether whoever proposed something may approve it: where that was the rule when they did, still is, and still has its
// reason, that nobody else could.
func (p *Proposals) mayAlone(ctx context.Context, q store.Querier, x *Proposal) error {
	rule, err := p.alone(ctx, q)
	switch {
	case err != nil:
		return err
	case x.Alone.IsZero() || !rule.Alone:
		return hint.Add(ErrSame, "somebody else who may approve has to")
	case p.now().Before(x.Alone):
		return fmt.Errorf("%w: until %s", ErrEarly, x.Alone.UTC().Format(time.RFC3339))
	}
	return nil
}

// alone gives the rule that applies now, which is that of a second person where there are two who can approve.
func (p *Proposals) alone(ctx context.Context, q store.Querier) (Rule, error) {
	rule, err := p.rule(ctx, q)
	if err != nil || !rule.Alone {
		return Rule{}, err
	}
	n, err := p.Approvers(ctx)
	if err != nil || n > 1 {
		return Rule{}, err
	}
	return rule, nil
}

// gone reports whether a person was removed from the staff. The server proposes what follows from something that two people did: it was never
// of the staff.
func (p *Proposals) gone(ctx context.Context, person string) (bool, error) {
	if p.Gone == nil || person == actor.Server().ID() {
		return false, nil
	}
	return p.Gone(ctx, person)
}

// approvable says why somebody cannot approve a proposal now.
func (p *Proposals) approvable(ctx context.Context, q store.Querier, who actor.Actor, x *Proposal, digest string) error {
	if err := p.mayApproveNow(ctx, q, who, x); err != nil {
		return err
	}
	if digest != x.Digest {
		return hint.Add(fmt.Errorf("%w: what was looked at is not what is proposed", ErrChanged), "look at it again")
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
		if err := p.approvable(ctx, tx, who, now, x.Digest); err != nil {
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
	if x.State == Approved && errors.Is(x.Unread, ErrGone) {
		return p.overtake(ctx, who, x, "the key of its case was destroyed before it was carried out")
	}
	if x.State == Approved {
		if why, err := p.overtaken(ctx, x); err != nil || why != "" {
			return errors.Join(err, p.overtake(ctx, who, x, why))
		}
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
	if errors.Is(err, ErrChanged) { // nothing of it was done
		return errors.Join(voided(), p.end(ctx, who, x, Void, "what would be done had changed when it was to be carried out", Approved, Started))
	}
	if err != nil {
		b, e := p.later(ctx, x)
		if e == nil {
			_, e = p.DB.ExecContext(ctx, `UPDATE proposal SET claimed_at = 0, why = $2 WHERE id = $1 AND state IN ('approved', 'started')`, id, b.text(id, "why", err.Error()))
		}
		if now, was := p.get(ctx, p.DB, x.ID); was == nil && now.State == Done {
			return errors.Join(fmt.Errorf("it is carried out, and something that follows is not done yet: %w", err), e)
		}
		return errors.Join(fmt.Errorf("it is not carried out yet: %w", err), e)
	}
	return p.keepResult(ctx, x, result)
}

// overtaken says why an approval of which nothing was done yet is good no longer: it is as old as a proposal may get, or one of the two
// was removed meanwhile. "" where it is good.
func (p *Proposals) overtaken(ctx context.Context, x *Proposal) (string, error) {
	if !p.now().Before(x.Approved.Add(lasts)) {
		return "it could not be carried out for a week after it was approved", nil
	}
	approver, _, _ := strings.Cut(x.Approver, " by ")
	for who, person := range map[string]string{"proposed": x.Person, "approved": approver} {
		if who == "proposed" && x.Host() {
			continue
		}
		if gone, err := p.gone(ctx, person); err != nil {
			return "", err
		} else if gone {
			return "whoever " + who + " it was removed from the staff before it was carried out", nil
		}
	}
	return "", nil
}

func (p *Proposals) overtake(ctx context.Context, who actor.Actor, x *Proposal, why string) error {
	if why == "" {
		return nil
	}
	if err := p.end(ctx, who, x, Void, why, Approved); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", ErrOver, why)
}

func (p *Proposals) keepResult(ctx context.Context, x *Proposal, result any) error {
	if result == nil {
		return nil
	}
	b, err := json.Marshal(result, json.Deterministic(true))
	if err != nil {
		return err
	}
	in, err := p.later(ctx, x)
	if err != nil {
		return err
	}
	_, err = p.DB.ExecContext(ctx, `UPDATE proposal SET result = $2 WHERE id = $1 AND state = 'done'`, x.ID, in.bytes(x.ID, "result", b))
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
	ids, err := store.Column[string](ctx, p.DB, `SELECT id FROM proposal WHERE state IN ('approved', 'started') ORDER BY approved_at, id`)
	if err != nil {
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
