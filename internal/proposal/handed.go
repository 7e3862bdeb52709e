package proposal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// Changed voids, in the transaction in which a person's roles or access become others, what they proposed and could not propose any
// more; now is who they are then, nobody where they were removed. What is being carried out goes on. It is recorded as the server's:
// whoever administers people may know of none of these cases.
func (p *Proposals) Changed(ctx context.Context, tx *sql.Tx, person string, now actor.Actor) error {
	rows, err := tx.QueryContext(ctx, `SELECT `+columns+` FROM proposal WHERE person = $1 AND state IN ('proposed', 'approved') ORDER BY id`, person)
	if err != nil {
		return fmt.Errorf("void what somebody proposed: %w", err)
	}
	defer rows.Close()
	var theirs []*Proposal
	for rows.Next() {
		x, err := p.scan(rows)
		if err != nil {
			return fmt.Errorf("void what somebody proposed: %w", err)
		}
		theirs = append(theirs, x)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("void what somebody proposed: %w", err)
	}
	why := "whoever proposed it may not propose it any more"
	if !now.Person() {
		why = "whoever proposed it was removed from the staff"
	}
	for _, x := range theirs {
		if x.State == Expired || mayPropose(now, p.Acts[x.Kind], x.Incident) == nil {
			continue
		}
		if err := p.unseal(ctx, x); errors.Is(err, ErrChanged) { // its row was edited: nobody can approve it
			continue
		} else if err != nil {
			return fmt.Errorf("void what somebody proposed: %w", err)
		}
		if err := p.endIn(ctx, tx, actor.Server(), x, Void, why); err != nil {
			return fmt.Errorf("void proposal %s: %w", x.ID, err)
		}
	}
	return nil
}

// Adopt makes what was proposed from the host a member's own proposal: they answer for it, so that it waits no longer than theirs, and
// somebody else approves it. digest is that of the bytes that they were shown; where they are worked out to be others now, nothing is
// adopted. The host's own is withdrawn, and says in whose place the other one stands.
//
// Errors: ErrNotFound, ErrOver, ErrChanged, ErrRule where it is not the host's; those of actor and of planning.
func (p *Proposals) Adopt(ctx context.Context, who actor.Actor, id, digest string) (*Proposal, error) {
	x, err := p.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	act := p.Acts[x.Kind]
	if err := mayPropose(who, act, x.Incident); err != nil {
		return nil, fmt.Errorf("adopt proposal %s: %w", id, err)
	}
	switch {
	case !who.Person():
		return nil, fmt.Errorf("adopt proposal %s: %w", id, actor.ErrRole)
	case !x.Host():
		return nil, fmt.Errorf("adopt proposal %s: %w: a member of the staff proposed it", id, ErrRule)
	case x.Unread != nil:
		return nil, fmt.Errorf("adopt proposal %s: %w", id, x.Unread)
	case x.State != Proposed:
		return nil, fmt.Errorf("adopt proposal %s: %w: it is %s", id, ErrOver, x.State)
	case digest != x.Digest:
		return nil, hint.Add(fmt.Errorf("adopt proposal %s: %w: what was looked at is not what is proposed", id, ErrChanged), "look at it again")
	}
	out, err := p.plan(ctx, who, x.Kind, x.Incident, x.request)
	if err != nil {
		return nil, fmt.Errorf("adopt proposal %s: %w", id, err)
	}
	if out.Digest != x.Digest {
		return nil, errors.Join(fmt.Errorf("adopt proposal %s: %w", id, voided()), p.end(ctx, who, x, Void, "what would be done had changed when somebody was to adopt it", Proposed))
	}
	err = p.DB.Update(ctx, func(tx *sql.Tx) error {
		now, err := p.get(ctx, tx, id)
		if err != nil {
			return err
		}
		if now.State != Proposed {
			return fmt.Errorf("%w: it is %s", ErrOver, now.State)
		}
		if err := p.endIn(ctx, tx, who, now, Withdrawn, "adopted as proposal "+out.ID); err != nil {
			return err
		}
		return p.insert(ctx, tx, who, out)
	})
	if err != nil {
		return nil, fmt.Errorf("adopt proposal %s: %w", id, err)
	}
	return out, nil
}

// MayAdopt reports whether Adopt is for somebody.
func (p *Proposals) MayAdopt(who actor.Actor, x *Proposal) bool {
	return who.Person() && x.Unread == nil && x.Host() && x.State == Proposed && mayPropose(who, p.Acts[x.Kind], x.Incident) == nil
}

// endIn ends an open proposal in a transaction.
func (p *Proposals) endIn(ctx context.Context, tx *sql.Tx, who actor.Actor, x *Proposal, to State, why string) error {
	b, err := p.later(ctx, x)
	if err != nil {
		return err
	}
	kept := why
	if x.Unread != nil && to == Withdrawn { // somebody's words, and no key to seal them under
		kept = ""
	}
	if _, err := tx.ExecContext(ctx, `UPDATE proposal SET state = $2, why = $3, ended_at = $4 WHERE id = $1`, x.ID, string(to), b.text(x.ID, "why", kept), store.Micros(p.now())); err != nil {
		return err
	}
	x.State, x.Why = to, why
	return p.note(ctx, tx, who, x)
}
