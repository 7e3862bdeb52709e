package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"

	"shirase/internal/incident"
)

// Changed makes the archive's entry of an incident anew, in the transaction that has just made something of it public; v is
// what is public in that transaction. Package incident is given it when it is opened.
func Changed(ctx context.Context, tx *sql.Tx, v *incident.View, id string) error {
	var version, form int64
	if err := tx.QueryRowContext(ctx, `UPDATE incident_archive SET version = version + 1 WHERE one = 1 RETURNING version, form`).
		Scan(&version, &form); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if form == 0 {
		return nil // the archive has never been made; New makes it whole
	}
	a := refreshing{tx, v, version}
	err := a.incident(ctx, id)
	if err == nil && version%settleEvery == 0 {
		err = a.settle(ctx)
	}
	if err != nil {
		return fmt.Errorf("archive: %s: %w", id, err)
	}
	return nil
}

// refreshing is one version of the archive under way.
type refreshing struct {
	tx      *sql.Tx
	view    *incident.View // what is public in tx
	version int64
}

func (a refreshing) incident(ctx context.Context, id string) error {
	i, shown, err := a.view.Shown(ctx, id)
	if err != nil {
		return err
	}
	if !shown {
		return a.leave(ctx, id)
	}
	e := entryOf(i)
	grown, err := a.organisation(ctx, &e)
	if err != nil {
		return err
	}
	data, err := json.Marshal(e, json.OmitZeroStructFields(true))
	if err != nil {
		return err
	}
	err = a.tx.QueryRowContext(ctx, `SELECT num FROM incident_entry WHERE incident = $1`, id).Scan(&e.num)
	if errors.Is(err, sql.ErrNoRows) {
		err = a.tx.QueryRowContext(ctx, `SELECT coalesce(max(num), 0) + 1 FROM incident_entry`).Scan(&e.num)
	}
	if err != nil {
		return err
	}
	if _, err := a.tx.ExecContext(ctx, `INSERT INTO incident_entry (num, incident, organisation, changed, data) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (num) DO UPDATE SET organisation = excluded.organisation, changed = excluded.changed, data = excluded.data`,
		e.num, id, e.OrganisationID, a.version, string(data)); err != nil {
		return err
	}
	if err := a.index(ctx, e.num, i, e.OrganisationID); err != nil {
		return err
	}
	if !grown {
		return nil
	}
	return a.neighbours(ctx, e)
}

// neighbours indexes the other incidents of an organisation again, once it has a new name by which they are to be
// found too.
func (a refreshing) neighbours(ctx context.Context, e Entry) error {
	rows, err := a.tx.QueryContext(ctx, `SELECT num, incident FROM incident_entry WHERE organisation = $1 AND num <> $2`, e.OrganisationID, e.num)
	if err != nil {
		return err
	}
	defer rows.Close()
	ids := map[int64]string{}
	for rows.Next() {
		var num int64
		var id string
		if err := rows.Scan(&num, &id); err != nil {
			return err
		}
		ids[num] = id
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for num, id := range ids {
		i, shown, err := a.view.Shown(ctx, id)
		if err != nil {
			return err
		}
		if !shown {
			continue
		}
		if err := a.index(ctx, num, i, e.OrganisationID); err != nil {
			return err
		}
	}
	return nil
}

// leave takes an incident out of the archive that turned out to be another one. Its number stays taken.
func (a refreshing) leave(ctx context.Context, id string) error {
	var num int64
	switch err := a.tx.QueryRowContext(ctx, `UPDATE incident_entry SET organisation = '', data = '', changed = $1 WHERE incident = $2 RETURNING num`,
		a.version, id).Scan(&num); {
	case errors.Is(err, sql.ErrNoRows): // it was never in it
		return nil
	case err != nil:
		return err
	}
	return a.putText(ctx, num, entryText{})
}

// form numbers the form in which entries and the text index are made from facts. A store whose archive was made in an
// earlier form has it made again when it is opened.
const form = 8

// whole makes the archive of a store that has none, or has it in an earlier form.
func (a *Archive) whole(ctx context.Context) error {
	var was int64
	if err := a.db.QueryRowContext(ctx, `SELECT form FROM incident_archive WHERE one = 1`).Scan(&was); err != nil || was >= form {
		return err
	}
	return a.db.Update(ctx, func(tx *sql.Tx) error {
		r := refreshing{tx: tx, view: a.incidents.Public().In(tx)}
		// The update makes programs that start together wait for one another, here, before anything is made.
		if err := tx.QueryRowContext(ctx, `UPDATE incident_archive SET version = version + 1 WHERE one = 1 RETURNING version, form`).
			Scan(&r.version, &was); err != nil || was >= form {
			return err
		}
		for _, table := range []string{"incident_block", "incident_new"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table); err != nil {
				return err
			}
		}
		ids, err := r.view.IDs(ctx)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(ids, blockSize) {
			for _, id := range some {
				if err := r.incident(ctx, id); err != nil {
					return fmt.Errorf("%s: %w", id, err)
				}
			}
			if err := r.settle(ctx); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE incident_archive SET form = $1 WHERE one = 1`, form)
		return err
	})
}
