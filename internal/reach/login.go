package reach

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shirase/internal/actor"
	"shirase/internal/roster"
)

// Elsewhere gives when a member of a roster was told of its incident otherwise than by a campaign; false: not that anybody knows. It is as of
// the moment when it was asked for. nil: nobody was.
type Elsewhere func(m roster.Member) (at time.Time, ok bool)

// Shown is whom a campaign was for, and who was shown the notice at their login and said to have read it. That is all that is known of them:
// it says nothing of the campaign's own mail.
type Shown struct {
	People      int64
	Unreached   int64 // of them, those whom the campaign did not reach
	First, Last time.Time
	Shredded    bool // nobody can say any more: the case's key is gone
}

// ShownTo counts them. It reads the roster once where there is anybody, which takes seconds where there are millions.
func (r *Reach) ShownTo(ctx context.Context, who actor.Actor, id string) (s Shown, err error) {
	c, err := r.Get(ctx, who, id)
	if err != nil {
		return s, err
	}
	told, err := r.elsewhere(ctx, c.Incident)
	if errors.Is(err, roster.ErrShredded) {
		return Shown{Shredded: true}, nil
	}
	if err != nil || told == nil {
		return s, err
	}
	ro, err := r.Rosters.Named(ctx, c.Incident, c.Roster)
	if err != nil {
		return s, fmt.Errorf("campaign %s: %w", id, err)
	}
	err = r.blocks(ctx, ro, &c.Spec, func(b *reader) error {
		states, err := loadBlock(ctx, r.DB, c.ID, b.n)
		if err != nil {
			return err
		}
		if states.size() != len(b.members) {
			return fmt.Errorf("%w: block %d", ErrDamaged, b.n)
		}
		for i, m := range b.members {
			x := states.get(i)
			if x.state == outside {
				continue
			}
			at, ok := told(m)
			if !ok {
				continue
			}
			if s.People++; x.state.unreached() {
				s.Unreached++
			}
			if s.First.IsZero() || at.Before(s.First) {
				s.First = at
			}
			if at.After(s.Last) {
				s.Last = at
			}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("campaign %s: %w", id, err)
	}
	return s, err
}

// elsewhere gives who was told otherwise; nil where nobody was.
func (r *Reach) elsewhere(ctx context.Context, incident string) (Elsewhere, error) {
	if r.Elsewhere == nil {
		return nil, nil
	}
	return r.Elsewhere(ctx, incident)
}
