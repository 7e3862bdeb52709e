package reach

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// Change is what somebody does with a campaign.
type Change struct {
	Version int64      // of the campaign as they saw it, or Whichever
	Rates   *Rates     // new ones; nil: they stay
	Start   *time.Time // of a draft; nil: it stays, zero: at once
	To      Life       // Paused, Running or Cancelled; "": it stands as it stands
	Why     string
}

// Whichever is the version of a campaign for who does not go by how it stood.
const Whichever = math.MinInt64

// turns are how a campaign may come to stand so.
var turns = map[Life][]Life{Paused: {Running, Approved}, Running: {Paused}, Cancelled: {Draft, Approved, Running, Paused}}

// Turns reports whether a campaign that stands in one way can be made to stand in another.
func Turns(from, to Life) bool { return slices.Contains(turns[to], from) }

// Change changes how a campaign goes, also while it runs: whoever sends follows within seconds. Errors: ErrStale where somebody has done
// something with it since, and nothing is changed; ErrState, ErrInput.
func (r *Reach) Change(ctx context.Context, who actor.Actor, id string, x Change) error {
	if _, err := r.mayChange(ctx, who, id, "change a campaign"); err != nil {
		return err
	}
	if err := x.check(); err != nil {
		return fmt.Errorf("change a campaign: %w", err)
	}
	err := r.DB.Update(ctx, func(tx *sql.Tx) error {
		c, err := r.get(ctx, tx, id)
		if err != nil {
			return err
		}
		if x.Version != Whichever && x.Version != c.Version {
			return ErrStale
		}
		return r.changeIn(ctx, tx, who, c, x)
	})
	if err != nil {
		return fmt.Errorf("change a campaign: %w", err)
	}
	r.seen()
	return nil
}

func (x Change) check() error {
	if len(x.Why) > 1000 {
		return fmt.Errorf("%w: a reason has at most 1,000 bytes", ErrInput)
	}
	if x.To != "" && turns[x.To] == nil {
		return fmt.Errorf("%w: a campaign is not made %q", ErrInput, x.To)
	}
	if x.Rates != nil {
		return x.Rates.check()
	}
	return nil
}

func (r *Reach) changeIn(ctx context.Context, tx *sql.Tx, who actor.Actor, c *Campaign, x Change) error {
	if x.Rates != nil {
		if c.State == Done || c.State == Cancelled {
			return fmt.Errorf("%w: %s is %s", ErrState, c.ID, c.State)
		}
		settings, err := json.Marshal(*x.Rates, json.Deterministic(true))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE reach_campaign SET settings = $2 WHERE id = $1`, c.ID, string(settings)); err != nil {
			return err
		}
		if err := r.event(ctx, tx, who, c.ID, "rates", string(settings)); err != nil {
			return err
		}
	}
	if x.Start != nil {
		if c.State != Draft { // what was approved has its time in it
			return fmt.Errorf("%w: %s is %s", ErrState, c.ID, c.State)
		}
		at := int64(0)
		if !x.Start.IsZero() {
			at = store.Micros(*x.Start)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE reach_campaign SET start_at = $2 WHERE id = $1`, c.ID, at); err != nil {
			return err
		}
		if err := r.event(ctx, tx, who, c.ID, "scheduled", ""); err != nil {
			return err
		}
	}
	if x.To == "" {
		return nil
	}
	to := x.To
	if to == Running && c.Started.IsZero() && c.Start.After(r.Now()) { // it was paused before its time, which was approved
		to = Approved
	}
	return r.moveIn(ctx, tx, who, c.ID, to, x.Why, turns[x.To]...)
}

// SetRates changes how quickly a campaign is sent.
func (r *Reach) SetRates(ctx context.Context, who actor.Actor, id string, rates Rates) error {
	return r.Change(ctx, who, id, Change{Version: Whichever, Rates: &rates})
}

// Pause has a campaign send nothing more, from when it returns: what was about to be handed over by then still may be.
func (r *Reach) Pause(ctx context.Context, who actor.Actor, id, why string) error {
	return r.Change(ctx, who, id, Change{Version: Whichever, To: Paused, Why: why})
}

// Resume has it go on.
func (r *Reach) Resume(ctx context.Context, who actor.Actor, id string) error {
	return r.Change(ctx, who, id, Change{Version: Whichever, To: Running})
}

// Cancel ends it for good: whoever was not told by then is not told by it.
func (r *Reach) Cancel(ctx context.Context, who actor.Actor, id, why string) error {
	return r.Change(ctx, who, id, Change{Version: Whichever, To: Cancelled, Why: why})
}

// Versions gives, by incident, what changes whenever its campaigns do: in steps of half a percent, so that a page that follows one that runs
// is not drawn anew for each mail.
func (r *Reach) Versions(ctx context.Context) (map[string]string, error) {
	return r.standings(ctx, "", func(n, total int64) int64 { return n * 200 / max(total, 1) })
}

// Stands gives what changes with each recipient of an incident's campaigns whose state does: what was counted over them is as of it.
func (r *Reach) Stands(ctx context.Context, of string) (string, error) {
	all, err := r.standings(ctx, of, func(n, _ int64) int64 { return n })
	return all[of], err
}

func (r *Reach) standings(ctx context.Context, of string, step func(n, total int64) int64) (map[string]string, error) {
	rows, err := r.DB.QueryContext(ctx, `SELECT c.incident, c.id, c.state, c.why, (SELECT count(*) FROM reach_event e WHERE e.campaign = c.id),
		coalesce(sum(b.pending), 0), coalesce(sum(b.handed), 0), coalesce(sum(b.accepted), 0), coalesce(sum(b.refused), 0), coalesce(sum(b.bounced), 0), coalesce(sum(b.unknown), 0),
		coalesce(sum(b.intended + b.deferred), 0), coalesce(sum(b.substitute), 0)
		FROM reach_campaign c LEFT JOIN reach_block b ON b.campaign = c.id WHERE c.state <> 'making' AND ($1 = '' OR c.incident = $1) GROUP BY c.incident, c.id, c.state, c.why ORDER BY c.incident, c.id`, of)
	if err != nil {
		return nil, fmt.Errorf("how campaigns stand: %w", store.InWords(err))
	}
	defer rows.Close()
	out := map[string]string{}
	for rows.Next() {
		var incident, id, state, why string
		var events int64
		var n [8]int64
		if err := rows.Scan(&incident, &id, &state, &why, &events, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7]); err != nil {
			return nil, fmt.Errorf("how campaigns stand: %w", err)
		}
		var total int64
		for _, v := range n {
			total += v
		}
		var b strings.Builder
		b.WriteString(out[incident] + id + state + why + strconv.FormatInt(events, 10))
		for _, v := range n {
			b.WriteString(" " + strconv.FormatInt(step(v, total), 10))
		}
		out[incident] = b.String()
	}
	return out, rows.Err()
}

// Parts gives by what an incident's roster can be parted: what was exposed of somebody on it, and whether it says of whom an account is in
// use. roster.ErrNone where there is none.
func (r *Reach) Parts(ctx context.Context, who actor.Actor, of string) (classes []string, activity bool, err error) {
	if err := who.May(actor.See, of); err != nil {
		return nil, false, err
	}
	ro, err := r.Rosters.Latest(ctx, of)
	if err != nil {
		return nil, false, err
	}
	all := map[string]bool{}
	for _, set := range ro.Sets {
		for _, c := range set {
			all[c] = true
		}
	}
	return slices.Sorted(maps.Keys(all)), ro.Activity, nil
}
