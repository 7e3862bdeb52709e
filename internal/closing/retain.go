package closing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/reach"
	"shirase/internal/response"
	"shirase/internal/store"
)

// A Hold is a legal hold: somebody has to keep what there is, for a court, an authority or a claim. Nothing is shredded meanwhile, and what rooms
// would let go of a case stays ([Held]); docs/handbook/closing.md names what does not.
type Hold struct {
	N        int64
	Why      string
	At       time.Time
	By       string
	Ended    time.Time // zero: it is on
	EndedBy  string
	WhyEnded string
}

// On reports that the hold is in force.
func (h Hold) On() bool { return h.Ended.IsZero() }

// Hold puts a legal hold on a case, until the moment from which on its key is being destroyed: then it would say that something is kept which
// is not. Several may be on at once. Errors: ErrInput, ErrIdentifies, ErrNotFound, ErrEnding.
func (c *Closing) Hold(ctx context.Context, who actor.Actor, id, why string) (Hold, error) {
	if err := c.mine(ctx, who, actor.Command, id); err != nil {
		return Hold{}, err
	}
	h := Hold{Why: strings.TrimSpace(why), At: c.Now().UTC().Truncate(time.Second), By: who.String()}
	if err := textOK("a reason", h.Why, true); err != nil {
		return Hold{}, fmt.Errorf("case %s: %w", id, err)
	}
	if err := c.nobody(ctx, id, h.Why); err != nil {
		return Hold{}, err
	}
	err := c.DB.Update(ctx, func(tx *sql.Tx) error {
		if c.Ending != nil {
			if ending, err := c.Ending(ctx, tx, id); err != nil {
				return err
			} else if ending {
				return ErrEnding
			}
		}
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(n), 0) + 1 FROM closing_hold WHERE incident = $1`, id).Scan(&h.N); err != nil {
			return err
		}
		if h.N > maxTasks {
			return fmt.Errorf("%w: a case has at most %d holds", ErrInput, maxTasks)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO closing_hold (incident, n, why, at, actor, ended_at, ended_by, ended_why) VALUES ($1, $2, $3, $4, $5, 0, '', '')`, id, h.N, h.Why, store.Micros(h.At), h.By)
		return err
	})
	if err != nil {
		return Hold{}, fmt.Errorf("case %s: %w", id, err)
	}
	return h, nil
}

// Release ends a hold. Errors: ErrInput, ErrIdentifies, ErrNotFound where no such hold is on.
func (c *Closing) Release(ctx context.Context, who actor.Actor, id string, n int64, why string) error {
	if err := c.mine(ctx, who, actor.Command, id); err != nil {
		return err
	}
	why = strings.TrimSpace(why)
	if err := textOK("a reason", why, true); err != nil {
		return fmt.Errorf("case %s: %w", id, err)
	}
	if err := c.nobody(ctx, id, why); err != nil {
		return err
	}
	res, err := c.DB.ExecContext(ctx, `UPDATE closing_hold SET ended_at = $3, ended_by = $4, ended_why = $5 WHERE incident = $1 AND n = $2 AND ended_at = 0`, id, n, store.Micros(c.Now()), who.String(), why)
	if err == nil {
		var done int64
		if done, err = res.RowsAffected(); err == nil && done == 0 {
			err = fmt.Errorf("%w: no hold %d is on", ErrNotFound, n)
		}
	}
	if err != nil {
		return fmt.Errorf("case %s: %w", id, err)
	}
	return nil
}

// Holds gives all holds of a case, the oldest first.
func (c *Closing) Holds(ctx context.Context, who actor.Actor, id string) ([]Hold, error) {
	if err := c.mine(ctx, who, actor.See, id); err != nil {
		return nil, err
	}
	return holds(ctx, c.DB, id)
}

func holds(ctx context.Context, q store.Querier, id string) ([]Hold, error) {
	rows, err := q.QueryContext(ctx, `SELECT n, why, at, actor, ended_at, ended_by, ended_why FROM closing_hold WHERE incident = $1 ORDER BY n`, id)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	defer rows.Close()
	var out []Hold
	for rows.Next() {
		var h Hold
		var at, ended int64
		if err := rows.Scan(&h.N, &h.Why, &at, &h.By, &ended, &h.EndedBy, &h.WhyEnded); err != nil {
			return nil, err
		}
		if h.At = store.FromMicros(at); ended != 0 {
			h.Ended = store.FromMicros(ended)
		}
		out = append(out, h)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Allowed says why a case may not be shredded. Errors: ErrHeld. It is for the program.
func (c *Closing) Allowed(ctx context.Context, id string) error { return c.OnHold(ctx, c.DB, id) }

// OnHold says, also in a transaction, that a legal hold is on. Errors: ErrHeld. It is for the program.
func (c *Closing) OnHold(ctx context.Context, q store.Querier, id string) error {
	all, err := holds(ctx, q, id)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.On() {
			return hint.Add(fmt.Errorf("case %s: %w (since %s: %s)", id, ErrHeld, h.At.Format(time.DateOnly), h.Why), fmt.Sprintf("where it has ended: shirase case hold %s --release %d --why ...", id, h.N))
		}
	}
	return nil
}

// Retained is what is kept of a case.
type Retained struct {
	response.Retained
	SHA256 string
	Data   []byte
	At     time.Time // zero: it is not kept yet
}

// Retain gives what is kept of a case when its key is destroyed, as the case stands. Errors: ErrNotFound.
func (c *Closing) Retain(ctx context.Context, who actor.Actor, id string) (*Retained, error) {
	r, err := c.Cases.Retained(ctx, who, id, c.persons(ctx))
	if err != nil {
		return nil, err
	}
	out := &Retained{Retained: *r}
	if out.Data, err = r.Bytes(); err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	out.SHA256 = response.RetainedDigest(out.Data)
	return out, nil
}

// Keep keeps that, and nothing else of the case, in the transaction that has its key destroyed: before, it would lie in the clear beside a case
// that goes on.
func (c *Closing) Keep(ctx context.Context, tx *sql.Tx, who actor.Actor, id string, r *Retained) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM closing_retained WHERE incident = $1`, id)
	if err == nil {
		_, err = tx.ExecContext(ctx, `INSERT INTO closing_retained (incident, sha256, data, at, actor) VALUES ($1, $2, $3, $4, $5)`, id, r.SHA256, r.Data, store.Micros(c.Now()), who.String())
	}
	if err != nil {
		return fmt.Errorf("case %s: keep what is kept: %w", id, err)
	}
	return nil
}

// sweep takes away what earlier versions kept when a case was to be shredded and was not: it lies in the clear beside one that goes on.
func (c *Closing) sweep(ctx context.Context) error {
	if c.Ending == nil {
		return nil
	}
	for _, table := range []string{"closing_retained", "closing_shred"} {
		ids, err := store.Column[string](ctx, c.DB, `SELECT DISTINCT incident FROM `+table)
		for _, id := range ids {
			ending, e := c.Ending(ctx, c.DB, id)
			if err = errors.Join(err, e); err != nil || ending {
				continue
			}
			err = c.DB.Update(ctx, func(tx *sql.Tx) error {
				if ending, err := c.Ending(ctx, tx, id); err != nil || ending {
					return err
				}
				_, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE incident = $1`, id)
				return err
			})
		}
		if err != nil {
			return fmt.Errorf("what was kept of cases that go on: %w", err)
		}
	}
	return nil
}

// ForShred is Retain for the room that destroys the key, with what keeps it: "" for an incident without a case.
func (c *Closing) ForShred(ctx context.Context, who actor.Actor, id string) (sha256 string, keep func(ctx context.Context, tx *sql.Tx) error, err error) {
	r, err := c.Retain(ctx, who, id)
	if errors.Is(err, response.ErrNotFound) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	return r.SHA256, func(ctx context.Context, tx *sql.Tx) error { return c.Keep(ctx, tx, who, id, r) }, nil
}

// Stands says how a case stands, without its key: its record, facts and notices, and each hold that is on or was. q may be a transaction. It is
// for the program.
func (c *Closing) Stands(ctx context.Context, q store.Querier, id string) (string, error) {
	out, err := c.Cases.Stands(ctx, q, id)
	if err != nil {
		return "", err
	}
	all, err := holds(ctx, q, id)
	for _, h := range all {
		out += "\n" + h.stands()
	}
	return out, err
}

func (h Hold) stands() string { return fmt.Sprintf("hold %d %s", h.N, stampOf(h.Ended)) }

// Kept gives what is kept of a case, as it was kept last. Errors: ErrNotFound.
func (c *Closing) Kept(ctx context.Context, who actor.Actor, id string) (*Retained, error) {
	if err := c.mine(ctx, who, actor.See, id); err != nil {
		return nil, err
	}
	out := &Retained{}
	var at int64
	err := c.DB.QueryRowContext(ctx, `SELECT sha256, data, at FROM closing_retained WHERE incident = $1 ORDER BY at DESC, sha256 LIMIT 1`, id).Scan(&out.SHA256, &out.Data, &at)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("%w: nothing is kept of it yet", ErrNotFound)
	}
	if err == nil {
		var r *response.Retained
		if r, err = response.ParseRetained(out.Data); err == nil {
			if out.Retained = *r; response.RetainedDigest(out.Data) != out.SHA256 {
				err = errors.New("it is not what was kept")
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	out.At = store.FromMicros(at)
	return out, nil
}

// Left counts what the case's key seals beside rosters, and what of it has left the machine, while that can be read.
func (c *Closing) Left(ctx context.Context, id string) (gone, left []check.Accounted, err error) {
	add := func(to *[]check.Accounted, what string, n int64) {
		if n > 0 {
			*to = append(*to, check.Accounted{What: what, N: n})
		}
	}
	kept, err := c.Cases.Kept(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if kept.Entries > 0 {
		add(&gone, "record", 1)
		out, err := c.Cases.Left(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		add(&left, "record-exports", out.Records)
		add(&left, "evidence-outside", out.Evidence)
		add(&left, "party-lists", out.Lists)
	}
	add(&gone, "evidence", int64(len(kept.Evidence)))
	if c.Desk != nil {
		s, err := c.Desk.Stats(ctx, actor.Server(), id)
		if err != nil {
			return nil, nil, err
		}
		add(&gone, "enquiries", s.All)
	}
	return gone, left, nil
}

// Others counts what others hold of a case now, for which its key is not needed: files at houses, and the logs of the relays that its mail
// went by.
func (c *Closing) Others(ctx context.Context, id string) ([]check.Accounted, error) {
	if c.Reach == nil {
		return nil, nil
	}
	n := map[string]int64{}
	files, err := c.Reach.Exports(ctx, actor.Server(), id)
	if err != nil {
		return nil, err
	}
	for _, x := range files {
		switch x.State {
		case reach.ExportHanded:
			n["house-files"]++
		case reach.ExportDestroyed:
			n["house-files-confirmed"]++
		}
	}
	all, err := c.Reach.List(ctx, actor.Server(), id)
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		if !x.Started.IsZero() {
			n["relay-logs"]++
		}
	}
	if c.Desk != nil {
		sent, err := c.Desk.Sent(ctx, id)
		if err != nil {
			return nil, err
		}
		n["relay-logs"] += sent
	}
	var out []check.Accounted
	for what, of := range n {
		if of > 0 {
			out = append(out, check.Accounted{What: what, N: of})
		}
	}
	slices.SortFunc(out, func(a, b check.Accounted) int { return strings.Compare(a.What, b.What) })
	return out, nil
}
