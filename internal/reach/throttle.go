package reach

import (
	"container/heap"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"shirase/internal/store"
)

// throttle says when a mail may leave: by the rate of all, and by that of its receiving domain.
type throttle struct {
	rates   Rates
	among   int           // processes that share them
	all     *rate.Limiter // nil: no bound
	domains *lru.Cache[string, *rate.Limiter]
}

// domainsKept bounds how many receiving domains are told apart at a time: one that falls out begins anew.
const domainsKept = 1 << 16

func newThrottle() *throttle {
	c, _ := lru.New[string, *rate.Limiter](domainsKept) // fails for a size below 1 only
	return &throttle{domains: c}
}

// set gives it new rates. among is how many processes share them; since is when the campaign began, for rates that come up; bound is what
// the other side can take, 0 where it does not say. changed says that mails wait for their domain otherwise than before.
func (t *throttle) set(rates Rates, among int, since, now time.Time, bound float64) (changed bool) {
	among = max(among, 1)
	if changed = !maps.Equal(rates.PerDomain, t.rates.PerDomain) || among != t.among && len(rates.PerDomain) > 0; changed {
		t.domains.Purge()
	}
	t.rates, t.among = rates, among
	most := rates.PerSecond
	if bound > 0 && (most == 0 || bound < most) {
		most = bound
	}
	if most == 0 {
		t.all = nil
		return changed
	}
	if gone := now.Sub(since); rates.RampUp > 0 && gone < time.Duration(rates.RampUp) {
		most *= max(0.05, float64(gone)/float64(rates.RampUp))
	}
	most /= float64(among)
	if t.all == nil {
		t.all = rate.NewLimiter(rate.Limit(most), burst(most))
		return changed
	}
	t.all.SetLimit(rate.Limit(most))
	t.all.SetBurst(burst(most))
	return changed
}

// next takes the place of one mail, or gives how long there may be none.
func (t *throttle) next() (wait time.Duration) {
	if t.all == nil || t.all.Allow() {
		return 0
	}
	return max(time.Duration(float64(time.Second)/float64(t.all.Limit())), time.Millisecond)
}

// burst is what may leave at once: of a tenth of a second.
func burst(perSecond float64) int { return max(1, int(perSecond/10)) }

// domain gives how long a mail to a domain has to wait, and takes its place; back gives the place back.
func (t *throttle) domain(name string) (wait time.Duration, back func()) {
	limit, own := t.rates.PerDomain[name]
	if !own {
		limit = t.rates.PerDomain["*"]
	}
	if limit == 0 {
		return 0, func() {}
	}
	l, ok := t.domains.Get(name)
	if !ok {
		limit /= float64(t.among)
		l = rate.NewLimiter(rate.Limit(limit), burst(limit))
		t.domains.Add(name, l)
	}
	r := l.Reserve()
	return r.Delay(), r.Cancel
}

// parked are mails that wait for their domain, the first to leave first.
type parked []*job

func (p parked) Len() int           { return len(p) }
func (p parked) Less(i, j int) bool { return p[i].at.Before(p[j].at) }
func (p parked) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *parked) Push(x any)        { *p = append(*p, x.(*job)) }
func (p *parked) Pop() any {
	old := *p
	x := old[len(old)-1]
	*p = old[:len(old)-1]
	return x
}

// maxParked bounds them. Whoever finds no place stays pending, and is come to in the next pass.
const maxParked = 4096

func (p *parked) add(j *job) { heap.Push(p, j) }

// due takes the next one whose time has come; nil where there is none.
func (p *parked) due(now time.Time) *job {
	if len(*p) == 0 || (*p)[0].at.After(now) {
		return nil
	}
	return heap.Pop(p).(*job)
}

// receivers are the receiving domains that refuse us rather than persons: when that rises, nothing is sent to them for a while.
type receivers struct {
	r      *Reach
	c      *Campaign
	seal   *store.Sealer
	paused map[string]time.Time
	recent *lru.Cache[string, *tally]
}

// tally is of the last answers of a receiver.
type tally struct{ all, policy int }

const (
	tallySize  = 50 // answers, of which the older count half
	manyPolicy = 5  // and a fifth of all, pause it
	firstPause = 15 * time.Minute
	lastPause  = 8 * time.Hour
)

func (r *Reach) newReceivers(ctx context.Context, c *Campaign, seal *store.Sealer) (*receivers, error) {
	recent, _ := lru.New[string, *tally](domainsKept)
	out := &receivers{r: r, c: c, seal: seal, paused: map[string]time.Time{}, recent: recent}
	return out, out.load(ctx)
}

// load reads which are paused: another process may have found out.
func (x *receivers) load(ctx context.Context) error {
	list, err := x.r.receivers(ctx, x.c, x.seal)
	if err != nil {
		return err
	}
	clear(x.paused)
	for _, p := range list {
		x.paused[p.Domain] = p.Until
	}
	return nil
}

// Receiver is a receiving domain that was paused.
type Receiver struct {
	Domain string
	Until  time.Time // past: it is sent to again
	Pauses int
	Said   string
}

func (r *Reach) receivers(ctx context.Context, c *Campaign, seal *store.Sealer) ([]Receiver, error) {
	rows, err := r.DB.QueryContext(ctx, `SELECT lookup, name, until, pauses, said FROM reach_receiver WHERE campaign = $1 ORDER BY until DESC`, c.ID)
	if err != nil {
		return nil, fmt.Errorf("campaign %s: %w", c.ID, err)
	}
	defer rows.Close()
	var out []Receiver
	for rows.Next() {
		var lookup, name, said []byte
		var until int64
		var p Receiver
		if err := rows.Scan(&lookup, &name, &until, &p.Pauses, &said); err != nil {
			return nil, fmt.Errorf("campaign %s: %w", c.ID, err)
		}
		domain, err := seal.Open("reach_receiver.name "+c.ID, name)
		if err != nil {
			return nil, err
		}
		text, err := seal.Open("reach_receiver.said "+c.ID, said)
		if err != nil {
			return nil, err
		}
		p.Domain, p.Said, p.Until = string(domain), string(text), store.FromMicros(until)
		out = append(out, p)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// closed says until when nothing goes to a domain.
func (x *receivers) closed(domain string, now time.Time) (until time.Time, yes bool) {
	until, ok := x.paused[domain]
	return until, ok && until.After(now) && until.Before(now.Add(lastPause+time.Minute)) // a clock may have jumped back
}

// heard counts an answer of a domain, and pauses it where its refusals of us rise.
func (x *receivers) heard(ctx context.Context, domain string, policy bool, said string) error {
	t, ok := x.recent.Get(domain)
	if !ok {
		t = &tally{}
		x.recent.Add(domain, t)
	}
	if t.all++; policy {
		t.policy++
	}
	if t.all >= tallySize {
		t.all, t.policy = t.all/2, t.policy/2
	}
	if !policy || t.policy < manyPolicy || 5*t.policy < t.all {
		return nil
	}
	*t = tally{}
	until, err := x.pause(ctx, domain, said)
	if err == nil {
		x.paused[domain] = until
		x.r.Log.Warn("a receiver refuses what we send, and is not sent to for a while", "campaign", x.c.ID, "until", until)
	}
	return err
}

// pause keeps that a domain is not sent to for a while, longer each time.
func (x *receivers) pause(ctx context.Context, domain, said string) (until time.Time, err error) {
	lookup := x.seal.Lookup("reach_receiver.name "+x.c.ID, []byte(domain))
	now := x.r.Now()
	err = x.r.DB.Update(ctx, func(tx *sql.Tx) error {
		var pauses int64
		var before int64
		err := tx.QueryRowContext(ctx, `SELECT pauses, until FROM reach_receiver WHERE campaign = $1 AND lookup = $2`, x.c.ID, lookup).Scan(&pauses, &before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if before > store.Micros(now) { // another process has paused it
			until = store.FromMicros(before)
			return nil
		}
		until = now.Add(min(firstPause<<min(pauses, 10), lastPause))
		_, err = tx.ExecContext(ctx, `INSERT INTO reach_receiver (campaign, lookup, name, until, pauses, said) VALUES ($1, $2, $3, $4, 1, $5)
			ON CONFLICT (campaign, lookup) DO UPDATE SET until = excluded.until, pauses = reach_receiver.pauses + 1, said = excluded.said`,
			x.c.ID, lookup, x.seal.Seal("reach_receiver.name "+x.c.ID, []byte(domain)), store.Micros(until), x.seal.Seal("reach_receiver.said "+x.c.ID, []byte(said)))
		return err
	})
	return until, err
}
