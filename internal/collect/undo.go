package collect

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	json2 "github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/store"
)

// Undo takes back what was last done with an item. What an acceptance recorded is taken back too: what held before holds again, and
// an incident that it made is withdrawn. What was public stays in the history, with who took it back.
func (c *Collection) Undo(ctx context.Context, who actor.Actor, id string) error {
	if err := who.May(actor.Record, ""); err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	acts, err := c.readActs(ctx, `WHERE item = $1 AND done = $2 AND undone_at = 0 ORDER BY at DESC, id LIMIT 1`, id, true)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	if len(acts) == 0 {
		return hint.Add(fmt.Errorf("undo: %w: nothing was decided about it", ErrInput), "shirase inbox list --all shows what was decided")
	}
	act := acts[0]
	if act.What == "accept" {
		if err := c.takeBack(ctx, who, &act); err != nil {
			return fmt.Errorf("undo: %w", err)
		}
	}
	return c.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE collect_act SET undone_at = $2, undone_by = $3 WHERE id = $1 AND undone_at = 0`, act.ID, store.Micros(c.Now()), who.String())
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrStale)
		}
		b := act.before
		i, err := itemOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if act.What == "accept" {
			if _, err := tx.ExecContext(ctx, `DELETE FROM collect_label WHERE act = $1`, act.ID); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM collect_watch WHERE url = $1`, i.URL); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE collect_item SET state = $2, incident = $3, near = $4, relation = $5, decided_at = 0, decided_by = '', version = version + 1 WHERE id = $1`, id, b.State, b.Incident, b.Near, b.Relation)
		return err
	})
}

// takeBack takes back what an acceptance recorded and what still holds of it. Done twice it finds nothing to take back.
func (c *Collection) takeBack(ctx context.Context, who actor.Actor, act *Act) error {
	var rec recording
	if err := json2.Unmarshal([]byte(act.payload), &rec); err != nil {
		return err
	}
	held, err := c.Incidents.Get(ctx, rec.Incident)
	if errors.Is(err, incident.ErrNotFound) || len(rec.Facts) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	now := incident.Moment{Time: c.Now().UTC().Truncate(time.Minute), Precision: incident.Minute}
	var back []incident.Fact
	for _, f := range rec.Facts {
		i := slices.IndexFunc(held.Facts, func(h incident.Fact) bool {
			return h.Key == f.Key && h.Item == f.Item && h.AsOf.String() == f.AsOf.String()
		})
		if i < 0 || !sameValue(held.Facts[i].Value, f.Value) {
			continue // something else holds by now
		}
		at := now
		if at.Time.Before(f.AsOf.Time) {
			at = f.AsOf
		}
		if j := slices.IndexFunc(rec.Prior, func(p incident.Fact) bool { return p.Key == f.Key && p.Item == f.Item }); j >= 0 {
			again := rec.Prior[j]
			again.AsOf, again.Author = at, ""
			back = append(back, again)
			continue
		}
		back = append(back, incident.Fact{Key: f.Key, Item: f.Item, Certainty: incident.Confirmed, AsOf: at, Retracted: true})
	}
	if rec.Create {
		var others int
		if err := c.DB.QueryRowContext(ctx, `SELECT count(*) FROM collect_item WHERE incident = $1 AND state = 'accepted' AND id <> $2`, rec.Incident, act.Item).Scan(&others); err != nil {
			return err
		}
		if state, has := held.Fact("scope.state"); others == 0 && (!has || state.Value.Word != incident.StateWithdrawn) {
			back = append(back, incident.Fact{Key: "scope.state", Certainty: incident.Confirmed, AsOf: now, Value: incident.Value{Word: incident.StateWithdrawn}})
		}
	}
	if len(back) == 0 {
		return nil
	}
	return c.add(ctx, who, rec.Incident, back)
}

func sameValue(a, b incident.Value) bool {
	one, errOne := json2.Marshal(a, json2.Deterministic(true))
	two, errTwo := json2.Marshal(b, json2.Deterministic(true))
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}
