package closing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/response"
	"shirase/internal/store"
)

// ErrUnready says that a case is not closed, or that something came up after it was.
var ErrUnready = errors.New("the case is not at its end")

// Ready is how a case stands whose key is to be destroyed.
type Ready struct {
	Stands []string        // what is approved with it, in words of the program: open, or closed and when, what is open, each hold
	Doubts []language.Text // what speaks against it
	// Keep keeps, in the transaction that has the key destroyed, why that is done although the case is not at its end; nothing, where it is.
	Keep func(ctx context.Context, tx *sql.Tx) error
	open []string
}

// Ready says with what the key of a case would be destroyed now. A case that is not closed, or for which something came up since that would
// have kept it open, is refused, but with a reason, which Keep keeps: it outlives the case, and names nobody. An incident
// without a case has nothing to close. Errors: ErrUnready, ErrInput, ErrIdentifies, ErrNotFound.
func (c *Closing) Ready(ctx context.Context, who actor.Actor, id, despite string) (Ready, error) {
	despite = strings.TrimSpace(despite)
	if err := textOK("a reason", despite, false); err != nil {
		return Ready{}, fmt.Errorf("case %s: %w", id, err)
	}
	var r Ready
	if there, err := c.Cases.There(ctx, id); err != nil || !there {
		return r, err
	}
	if err := c.nobody(ctx, id, despite); err != nil {
		return r, err
	}
	k, items, err := c.Checklist(ctx, who, id)
	if err != nil {
		return r, err
	}
	r.stands(k, items)
	if len(r.open) > 0 && despite == "" {
		why := "it is not closed"
		if k.Closed {
			why = fmt.Sprintf("%d things came up after it was closed", len(r.open))
		}
		return r, hint.Add(fmt.Errorf("case %s: %w: %s", id, ErrUnready, why), "shirase case closing "+id+" lists what is open; or say why its key is destroyed all the same, which is recorded: --despite REASON")
	}
	if len(r.open) > 0 {
		r.Stands = append(r.Stands, "despite "+despite)
		r.Doubts = append(r.Doubts, language.Text{JA: "それでも壊す理由：" + despite, EN: "Why all the same: " + despite})
	}
	all, err := holds(ctx, c.DB, id)
	if err != nil {
		return r, err
	}
	for _, h := range all {
		r.Stands = append(r.Stands, h.stands())
		if !h.On() {
			r.Doubts = append(r.Doubts, language.Text{JA: fmt.Sprintf("法的な保存の指示%d（%s）は、%sに解除されました：%s", h.N, h.Why, h.Ended.Format(time.DateOnly), h.WhyEnded),
				EN: fmt.Sprintf("Legal hold %d (%s) was ended on %s: %s", h.N, h.Why, h.Ended.Format(time.DateOnly), h.WhyEnded)})
		}
	}
	r.Keep = func(ctx context.Context, tx *sql.Tx) error { return c.overrule(ctx, tx, who, id, despite, r.open) }
	return r, nil
}

// overrule keeps why a case's key is destroyed with something open.
func (c *Closing) overrule(ctx context.Context, tx *sql.Tx, who actor.Actor, id, despite string, open []string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM closing_shred WHERE incident = $1`, id)
	if err == nil && len(open) > 0 {
		_, err = tx.ExecContext(ctx, `INSERT INTO closing_shred (incident, despite, open, at, actor) VALUES ($1, $2, $3, $4, $5)`,
			id, despite, strings.Join(open, "\n"), store.Micros(c.Now()), who.String())
	}
	if err != nil {
		return fmt.Errorf("case %s: keep why its key is destroyed: %w", id, err)
	}
	return nil
}

// stands says how a case stands.
func (r *Ready) stands(k *response.Case, items []Item) {
	if k.Closed {
		r.Stands = append(r.Stands, "closed "+stampOf(k.ClosedAt))
		items, _ = since(k, items)
	} else {
		r.Stands, r.open = append(r.Stands, "not closed"), append(r.open, "case not closed")
		r.Doubts = append(r.Doubts, language.Both("この事案は、まだ閉じられていません", "The case is not closed"))
	}
	for _, i := range items {
		if i.Refuses || i.Second {
			r.Stands = append(r.Stands, i.key())
		}
		if i.Refuses {
			r.open = append(r.open, i.key())
		}
		r.Doubts = append(r.Doubts, i.Text)
	}
	if k.ClosedFor.Despite != "" {
		r.Doubts = append(r.Doubts, language.Text{JA: "未完了のまま閉じられました：" + k.ClosedFor.Despite, EN: "It was closed with things open: " + k.ClosedFor.Despite})
	}
}

func stampOf(t time.Time) string {
	if t.IsZero() {
		return "on"
	}
	return t.UTC().Format(time.RFC3339)
}

// Overruled is why the key of a case was destroyed although the case was not at its end.
type Overruled struct {
	Despite string
	Open    []string // what was open: kind, and which
	At      time.Time
	By      string
}

// overruled gives that; nil where there was nothing to overrule.
func (c *Closing) overruled(ctx context.Context, id string) (*Overruled, error) {
	var o Overruled
	var open string
	var at int64
	err := c.DB.QueryRowContext(ctx, `SELECT despite, open, at, actor FROM closing_shred WHERE incident = $1`, id).Scan(&o.Despite, &open, &at, &o.By)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	o.Open, o.At = strings.Split(open, "\n"), store.FromMicros(at)
	return &o, nil
}
