package reach

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// Create makes a draft of a campaign: it reads the roster and counts whom it is for. Nothing is sent. A process that dies leaves no half of one.
// Errors: ErrInput, those of rosters, those of the texts with their place.
func (r *Reach) Create(ctx context.Context, who actor.Actor, spec Spec, rates Rates, start time.Time) (*Campaign, error) {
	if err := who.May(actor.Propose, spec.Incident); err != nil {
		return nil, fmt.Errorf("make a campaign: %w", err)
	}
	c, err := r.create(ctx, who, spec, rates, start)
	if err != nil {
		return nil, fmt.Errorf("make a campaign: %w", err)
	}
	return c, nil
}

func (r *Reach) create(ctx context.Context, who actor.Actor, spec Spec, rates Rates, start time.Time) (*Campaign, error) {
	if err := spec.check(r); err != nil {
		return nil, err
	}
	if err := rates.check(); err != nil {
		return nil, err
	}
	if spec.promises() { // it leaves while the reset is open, and no quicker than that and the desk can take
		for _, n := range []string{"reset", "desk"} {
			if !slices.Contains(spec.Needs, n) && r.Conditions[n] != nil {
				spec.Needs = append(spec.Needs, n)
			}
		}
	}
	ro, err := r.Rosters.LatestPart(ctx, spec.Incident, spec.Part)
	if err != nil {
		return nil, err
	}
	if spec.Active != "" && !ro.Activity { // what is not there is no "no"
		return nil, hint.Add(fmt.Errorf("%w: the roster does not say whose account is in use", ErrInput), "say it in the rules, and make the roster anew: active: 'last_login >= \"2026\"'")
	}
	if _, err := r.render(ctx, &spec, ro); err != nil {
		return nil, err
	}
	if spec.Unreached != "" {
		if spec.told, err = r.elsewhere(ctx, spec.Incident); err != nil {
			return nil, err
		}
	}
	chosen, err := r.choose(ctx, &spec, ro)
	if err != nil {
		return nil, err
	}
	seal, err := r.Rosters.Sealer(ctx, spec.Incident, true)
	if err != nil {
		return nil, err
	}
	said, err := json.Marshal(spec, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(rates, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	id := "c-" + strings.ToLower(rand.Text()[:10])
	from := int64(0)
	if !start.IsZero() {
		from = store.Micros(start)
	}
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		var num int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(num), 0) + 1 FROM reach_campaign`).Scan(&num); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO reach_campaign (id, num, incident, roster, part, spec, settings, texts, state, why, start_at, created_at, created_by, started_at, ended_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, '', 'making', '', $8, $9, $10, 0, 0)`, id, num, spec.Incident, ro.ID, spec.Part, string(said), string(settings), from, store.Micros(r.Now()), who.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	active, err := r.count(ctx, id, chosen, ro, seal)
	if err != nil {
		return nil, errors.Join(err, r.remove(context.WithoutCancel(ctx), id))
	}
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE reach_campaign SET state = 'draft', active = $2 WHERE id = $1`, id, active); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE reach_shard SET first = 1 WHERE campaign = $1 AND EXISTS
			(SELECT 1 FROM reach_block b WHERE b.campaign = reach_shard.campaign AND b.n >= reach_shard.n * 64 AND b.n < (reach_shard.n + 1) * 64 AND b.active > 0)`, id); err != nil {
			return err
		}
		return r.event(ctx, tx, who, id, "created", "")
	})
	if err != nil {
		return nil, err
	}
	return r.get(ctx, r.DB, id)
}

// remove takes away what was begun of a campaign, and what processes that died a day ago or longer have left of theirs.
func (r *Reach) remove(ctx context.Context, id string) error {
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"reach_block", "reach_shard"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE campaign IN (SELECT id FROM reach_campaign WHERE state = 'making' AND (id = $1 OR created_at < $2))`, id, store.Micros(r.Now().AddDate(0, 0, -1))); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM reach_campaign WHERE state = 'making' AND (id = $1 OR created_at < $2)`, id, store.Micros(r.Now().AddDate(0, 0, -1)))
		return err
	})
}

// reader gives the members of a roster whose places a campaign counts, in blocks, in their order. It holds one block at a time.
type reader struct {
	members []roster.Member
	n       int64 // of the block
}

// blocks yields them. What comes before an error must not be believed to be whole.
func (r *Reach) blocks(ctx context.Context, ro roster.Roster, c *Spec, yield func(b *reader) error) error {
	kinds := c.kinds()
	b := &reader{members: make([]roster.Member, 0, blockSize)}
	for m, err := range r.Rosters.Members(ctx, ro) {
		if err != nil {
			return err
		}
		if !slices.Contains(kinds, m.Identity.Kind) {
			continue
		}
		if b.members = append(b.members, m); len(b.members) == blockSize {
			if err := yield(b); err != nil {
				return err
			}
			b.members, b.n = b.members[:0], b.n+1
		}
	}
	if len(b.members) > 0 {
		return yield(b)
	}
	return nil
}

// hash binds a block's states to its addresses.
func (b *reader) hash(seal *store.Sealer, buf *[]byte) []byte {
	*buf = (*buf)[:0]
	for _, m := range b.members {
		*buf = append(append(*buf, m.Identity.Value...), '\n')
	}
	return seal.Lookup("reach block", *buf)
}

// count writes the blocks of a campaign that is being made. It gives how many of its audience have an account in use; -1: the roster does not say.
func (r *Reach) count(ctx context.Context, id string, ch *choice, ro roster.Roster, seal *store.Sealer) (active int64, err error) {
	var waiting []*block
	var hashes [][]byte
	var buf []byte
	audience := int64(0)
	if !ro.Activity {
		active = -1
	}
	var only []func(roster.Member) bool
	for _, name := range ch.spec.Only {
		f, err := r.Filters[name](ctx, ch.spec.Incident)
		if err != nil {
			return 0, hint.Add(fmt.Errorf("%w: nobody can say who is %q: %w", ErrInput, name, err), hint.Of(err))
		}
		only = append(only, f)
	}
	flush := func() error {
		if len(waiting) == 0 {
			return nil
		}
		err := r.DB.Update(ctx, func(tx *sql.Tx) error { return insertBlocks(ctx, tx, id, waiting, hashes) })
		waiting, hashes = nil, nil
		return err
	}
	b, out := &reader{}, newBlock(0)
	end := func() error {
		if len(b.members) == 0 {
			return nil
		}
		waiting, hashes = append(waiting, out), append(hashes, b.hash(seal, &buf))
		b.members, b.n = b.members[:0], b.n+1
		if out = newBlock(b.n); len(waiting) < 4*shardBlocks {
			return nil
		}
		return flush()
	}
	kinds := ch.spec.kinds()
	for m, err := range r.Rosters.Members(ctx, ro) {
		if err != nil {
			return 0, err
		}
		in, err := ch.takes(ctx, r.DB, m) // also of whom it does not count: places in the earlier campaign are told off by it
		if err != nil {
			return 0, err
		}
		if !slices.Contains(kinds, m.Identity.Kind) {
			continue
		}
		in = in && ch.spec.has(ro, m) && !slices.ContainsFunc(only, func(f func(roster.Member) bool) bool { return !f(m) })
		rec := record{state: outside}
		if in {
			rec.state, rec.active = Pending, m.Active
			audience++
			if m.Active {
				active++
			}
		}
		out.add(rec)
		if b.members = append(b.members, m); len(b.members) == blockSize {
			if err := end(); err != nil {
				return 0, err
			}
		}
	}
	err = end()
	if err == nil {
		err = flush()
	}
	if err == nil && audience == 0 {
		err = hint.Add(fmt.Errorf("%w: it is for nobody", ErrInput), "see what its locales, classes, active and only leave of the roster")
	}
	return active, err
}

func insertBlocks(ctx context.Context, tx *sql.Tx, id string, blocks []*block, hashes [][]byte) error {
	for i, b := range blocks {
		if b.n%shardBlocks == 0 {
			if _, err := tx.ExecContext(ctx, `INSERT INTO reach_shard (campaign, n, holder, until) VALUES ($1, $2, '', 0)`, id, b.n/shardBlocks); err != nil {
				return err
			}
		}
		c, due, first := b.sums()
		if _, err := tx.ExecContext(ctx, `INSERT INTO reach_block (campaign, n, states, addresses, due, pending, intended, handed, accepted, deferred, refused, bounced, unknown, substitute, active)
			VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, 0, 0, 0, 0, 0, $7)`, id, b.n, b.states, hashes[i], due, c[Pending], first); err != nil {
			return err
		}
	}
	return nil
}

// unreached says that somebody was not told, and will not be by the same campaign.
func (s State) unreached() bool { return s == Refused || s == Bounced || s == Substitute }

// followed gives the campaign that another follows.
func (r *Reach) followed(ctx context.Context, spec *Spec, ro roster.Roster) (*Campaign, error) {
	c, err := r.get(ctx, r.DB, spec.Unreached)
	if errors.Is(err, ErrNotFound) || err == nil && c.Incident != spec.Incident {
		return nil, fmt.Errorf("%w: the incident has no campaign %q whom another could follow", ErrInput, spec.Unreached)
	}
	if err != nil {
		return nil, err
	}
	if c.Roster != ro.ID {
		return nil, hint.Add(fmt.Errorf("%w: campaign %s went to another roster than the incident has now", ErrInput, c.ID), "make the campaign for all of the roster: who was told, nobody can say of another one")
	}
	return c, nil
}

// has says whether a member is of the audience, by what the roster says of them.
func (spec *Spec) has(ro roster.Roster, m roster.Member) bool {
	if len(spec.Locales) > 0 && !slices.ContainsFunc(spec.Locales, func(l string) bool {
		return strings.EqualFold(m.Locale, l) || len(m.Locale) > len(l) && strings.EqualFold(m.Locale[:len(l)+1], l+"-")
	}) {
		return false
	}
	if len(spec.Classes) > 0 && !slices.ContainsFunc(spec.Classes, func(c string) bool { return slices.Contains(ro.Sets[m.Set], c) }) {
		return false
	}
	if spec.Active != "" && m.Active != (spec.Active == InUse) {
		return false
	}
	if spec.told != nil {
		if _, told := spec.told(m); told {
			return false
		}
	}
	return true
}

// check refuses rates that are none.
func (x Rates) check() error {
	for _, v := range append([]float64{x.PerSecond}, valuesOf(x.PerDomain)...) {
		if v < 0 || v > 1e6 || v != v || v > 0 && v < 0.001 {
			return fmt.Errorf("%w: a rate is 0.001 to 1,000,000 a second, or 0 for none", ErrInput)
		}
	}
	if len(x.PerDomain) > 1000 || x.RampUp < 0 || time.Duration(x.RampUp) > 7*24*time.Hour {
		return fmt.Errorf("%w: rates are of 1,000 domains at most, and come up within a week", ErrInput)
	}
	return nil
}

func valuesOf(m map[string]float64) (out []float64) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// move changes how a campaign stands, if it stands in one of some ways.
func (r *Reach) move(ctx context.Context, who actor.Actor, id string, to Life, why string, from ...Life) error {
	err := r.DB.Update(ctx, func(tx *sql.Tx) error { return r.moveIn(ctx, tx, who, id, to, why, from...) })
	r.seen()
	return err
}

func (r *Reach) moveIn(ctx context.Context, tx *sql.Tx, who actor.Actor, id string, to Life, why string, from ...Life) error {
	c, err := r.get(ctx, tx, id)
	if err != nil {
		return err
	}
	if !slices.Contains(from, c.State) {
		return fmt.Errorf("%w: %s is %s", ErrState, id, c.State)
	}
	now, ended := store.Micros(r.Now()), int64(0)
	if to == Cancelled || to == Done {
		ended = now
	}
	started := int64(0)
	if to == Running {
		started = now
	}
	if _, err := tx.ExecContext(ctx, `UPDATE reach_campaign SET state = $2, why = $3, started_at = CASE WHEN started_at = 0 THEN CAST($4 AS BIGINT) ELSE started_at END, ended_at = $5 WHERE id = $1`,
		id, string(to), why, started, ended); err != nil {
		return err
	}
	return r.event(ctx, tx, who, id, string(to), why)
}
