package publish

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/proposal"
)

// Disown says of an incident that another organisation answers for it, which makes public everything that is recorded of it. One that
// has a case or a roster stays the operator's own: what is public of it is published. Once there is staff it can only be proposed.
//
// Errors: proposal.ErrWanted, incident.ErrNotFound, incident.ErrOrigin; those of [actor.Actor.May].
func (p *Publisher) Disown(ctx context.Context, who actor.Actor, id string) error {
	if err := p.alone(ctx, who, "disown an incident"); err != nil {
		return err
	}
	return p.Incidents.Disown(ctx, who, id, func(ctx context.Context, tx *sql.Tx) error { return p.nothingKept(ctx, tx, id) })
}

// nothingKept refuses an incident of which more is kept than facts.
func (p *Publisher) nothingKept(ctx context.Context, tx *sql.Tx, id string) error {
	holds, err := p.Rosters.Holds(ctx, tx, id)
	if err == nil && holds {
		err = hint.Add(fmt.Errorf("%w: it has a case or a roster, and is yours", incident.ErrOrigin), "record what the other organisation published as an incident of its own: shirase incident import --format notice")
	}
	return err
}

// errPlanned undoes what was only tried.
var errPlanned = errors.New("only planned")

// planDisown tries it, undoes it, and says what everybody would see.
func (p *Publisher) planDisown(ctx context.Context, who actor.Actor, id string, _ []byte) (plan proposal.Plan, err error) {
	err = p.Incidents.Disown(ctx, who, id, func(ctx context.Context, tx *sql.Tx) (err error) {
		if plan, err = p.disowned(ctx, tx, id); err != nil {
			return err
		}
		return errPlanned
	})
	if !errors.Is(err, errPlanned) {
		return proposal.Plan{}, err
	}
	return plan, nil
}

func (p *Publisher) disowned(ctx context.Context, tx *sql.Tx, id string) (proposal.Plan, error) {
	if err := p.nothingKept(ctx, tx, id); err != nil {
		return proposal.Plan{}, err
	}
	facts, err := incident.Recorded(ctx, tx, id)
	if err != nil {
		return proposal.Plan{}, err
	}
	b, err := document(map[string]any{"kind": KindDisown, "incident": id, "facts": facts})
	return proposal.Plan{Bytes: b, Effect: proposal.Effect{People: -1, Says: language.Text{
		JA: fmt.Sprintf("ほかの組織の事案とし、記録した事実%d件のすべてを、だれでも読めるようにします", len(facts)),
		EN: fmt.Sprintf("says that it is another organisation's, and shows everybody all %d facts that are recorded of it", len(facts))}}}, err
}

func (p *Publisher) doDisown(ctx context.Context, who actor.Actor, id string, _ []byte, digest string, settle func(tx *sql.Tx) error) (any, error) {
	err := p.Incidents.Disown(ctx, who, id, func(ctx context.Context, tx *sql.Tx) error {
		plan, err := p.disowned(ctx, tx, id)
		if err != nil {
			return err
		}
		if plan.Digest() != digest {
			return proposal.ErrChanged
		}
		return settle(tx)
	})
	return map[string]any{"incident": id, "own": false}, err
}
