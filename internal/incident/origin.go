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
// as not signed, and what is recorded from now on is a draft. Errors: ErrNotFound, ErrOrigin.
func (s *Incidents) Own(ctx context.Context, who actor.Actor, id string) error {
	return s.setOrigin(ctx, who, id, func(tx *sql.Tx, own bool) error {
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
// Errors: ErrNotFound, ErrOrigin.
func (s *Incidents) Disown(ctx context.Context, who actor.Actor, id string) error {
	now := store.Micros(s.now())
	return s.setOrigin(ctx, who, id, func(tx *sql.Tx, own bool) error {
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
		_, err = tx.ExecContext(ctx, `INSERT INTO incident_import (incident, dataset, external_id, digest, as_of, licence, attribution, url, imported_at, updated_at)
			VALUES ($1, $2, $1, '', 0, '', '', '', $3, $3)`, id, RecordedDataset, now)
		return err
	})
}

// setOrigin changes whose an incident is.
func (s *Incidents) setOrigin(ctx context.Context, who actor.Actor, id string, change func(tx *sql.Tx, own bool) error) error {
	if err := who.May(actor.Record, ""); err != nil {
		return fmt.Errorf("change whose an incident is: %w", err)
	}
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
