package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// RecordedDataset is the data set of what was recorded by hand from what others published.
const RecordedDataset = "recorded"

// ErrOrigin reports an incident that cannot be made the operator's own, or another's.
var ErrOrigin = errors.New("whose incident it is stays as it is")

// Own makes an incident that was recorded from what others published the operator's own: what is shown of it stays, marked
// as not signed, and what is recorded from now on is a draft. Errors: ErrNotFound, ErrOrigin; those of [actor.Actor.May].
func (s *Incidents) Own(ctx context.Context, who actor.Actor, id string) error {
	if err := mayRecord(who, id); err != nil {
		return fmt.Errorf("take over incident %s: %w", id, err)
	}
	return s.setOrigin(ctx, id, func(tx *sql.Tx, own bool) error {
		if own {
			return fmt.Errorf("%w: it is your own already", ErrOrigin)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM incident_import WHERE incident = $1`, id); err != nil {
			return err
		}
		return baseline(ctx, tx, id)
	})
}

// Disown says of an incident that another organisation answers for it: everything that is recorded of it is public from
// now on, as recorded from its sources. What was ever published as a notice of the operator's own cannot be disowned.
//
// It publishes, and of a case it would publish what nobody may see. So it is no act of its own: publish.Publisher.Disown is, which
// knows whether there is a case or a roster, and whether a second person is wanted. agree is asked in the transaction, when all else
// that could stand in the way was looked at; its error undoes everything. Whoever writes the incident may, and whoever approves that.
// Errors: ErrNotFound, ErrOrigin; those of [actor.Actor.May] and of agree.
func (s *Incidents) Disown(ctx context.Context, who actor.Actor, id string, agree func(ctx context.Context, tx *sql.Tx) error) error {
	if err := who.May(actor.Approve, id); err != nil || !who.Person() {
		if err := mayRecord(who, id); err != nil {
			return fmt.Errorf("disown incident %s: %w", id, err)
		}
	}
	now := store.Micros(s.now())
	return s.setOrigin(ctx, id, func(tx *sql.Tx, own bool) error {
		if !own {
			return fmt.Errorf("%w: it is recorded from what others published already", ErrOrigin)
		}
		next, err := s.NextVersion(ctx, tx, id)
		if err != nil {
			return err
		}
		if next > 1 {
			return hint.Add(fmt.Errorf("%w: a notice of it was published, which is signed as yours", ErrOrigin), "publish a retraction: shirase notice publish "+id+" --kind retraction")
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM incident_public WHERE incident = $1`, id); err != nil {
			return err
		}
		if _, err = tx.ExecContext(ctx, `INSERT INTO incident_import (incident, dataset, external_id, digest, as_of, licence, attribution, url, imported_at, updated_at)
			VALUES ($1, $2, $1, '', 0, '', '', '', $3, $3)`, id, RecordedDataset, now); err != nil {
			return err
		}
		return agree(ctx, tx)
	})
}

// mayRecord asks whether somebody may record what others disclosed, and write each of some incidents. Of one that they may not know of
// they hear what is said of one that is not there.
func mayRecord(who actor.Actor, ids ...string) error {
	if err := who.May(actor.Record, ""); err != nil {
		return err
	}
	for _, id := range ids {
		err := who.May(actor.Write, id)
		if errors.Is(err, actor.ErrHidden) {
			return notFound(id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Recorded gives every fact that was ever recorded of an incident, drafts and what was taken back among them, as they were recorded.
// q may be a transaction.
func Recorded(ctx context.Context, q store.Querier, id string) ([]Fact, error) {
	return factsOf(ctx, q, id)
}

// setOrigin changes whose an incident is.
func (s *Incidents) setOrigin(ctx context.Context, id string, change func(tx *sql.Tx, own bool) error) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var there, merges int
		if err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM incident WHERE id = $1),
			(SELECT count(*) FROM incident_merge WHERE incident = $1 OR target = $1)`, id).Scan(&there, &merges); err != nil {
			return err
		}
		switch {
		case there == 0:
			return notFound(id)
		case merges > 0:
			return hint.Add(fmt.Errorf("%w: it was merged with another", ErrOrigin), "record an incident of its own: shirase incident new --facts FILE")
		}
		own, err := isOwn(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := change(tx, own); err != nil {
			return err
		}
		if err := drafted(ctx, tx); err != nil {
			return err
		}
		return s.tell(ctx, tx, id)
	})
	if err != nil {
		return fmt.Errorf("incident %s: %w", id, err)
	}
	return nil
}
