package reach

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// errAway says that no relay takes mail at the moment.
var errAway = errors.New("no relay takes mail")

// errStop ends a pass: it is not to go on, or it has lasted long enough.
var errStop = errors.New("stop")

const (
	intentSize  = 128 // mails whose intent is written down together
	batchSize   = 32  // mails that one connection takes in a row, and of which is written down together what came of them
	connections = 8
	intenders   = 2
	queued      = connections / 2 // batches
	// maxInFlight is how many mails may be listed as unknown when the process dies.
	maxInFlight = intenders*intentSize + (queued+connections)*batchSize
	// passLasts ends a pass, so that the next one comes to what was deferred in the meantime.
	passLasts = 10 * time.Minute
)

// sender sends one campaign from this process.
type sender struct {
	r    *Reach
	c    *Campaign
	f    *frozen
	o    *outgoing
	ro   roster.Roster
	seal *store.Sealer
	w    *writer
	to   *relays

	stop    atomic.Bool    // nothing more is to be begun: it is paused, waits, or the process ends
	changed atomic.Int64   // how often the rates of domains have
	flying  sync.WaitGroup // mails that were given out, until what came of them is on disk

	// looking is held while one looks how the campaign stands: of two who did so at once, the one that read first could be the one that is
	// followed last.
	looking sync.Mutex

	mu        sync.Mutex // of what follows
	throttle  *throttle
	receivers *receivers
	bodies    map[bodyKey]*message.Body
}

type bodyKey struct {
	lang language.Lang
	set  uint16
}

// job is a mail to be sent.
type job struct {
	ordinal int64
	address string
	domain  string
	lang    language.Lang
	set     uint16
	at      time.Time   // before which it is not sent
	broke   *connection // that broke at it already
	stale   int         // connections that were of no use any more when it was its turn
}

// Work sends every campaign that is to run, until ctx ends. failed hears of what goes wrong; it goes on all the same.
func (r *Reach) Work(ctx context.Context, failed func(error)) {
	var all sync.WaitGroup
	defer all.Wait()
	var mu sync.Mutex
	busy := map[string]bool{}
	var tidied time.Time
	for {
		if time.Since(tidied) > time.Minute {
			tidied = time.Now()
			if err := r.TidyFiles(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
		if err := r.makeExports(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		due, err := r.due(ctx)
		if err != nil && ctx.Err() == nil {
			failed(err)
		}
		for _, c := range due {
			mu.Lock()
			begun := busy[c.ID]
			busy[c.ID] = true
			mu.Unlock()
			if begun {
				continue
			}
			all.Go(func() {
				if err := r.send(ctx, c.ID); err != nil && ctx.Err() == nil {
					failed(fmt.Errorf("send campaign %s: %w", c.ID, err))
					sleep(ctx, 10*r.Poll)
				}
				mu.Lock()
				delete(busy, c.ID)
				mu.Unlock()
			})
		}
		r.seen()
		if !sleep(ctx, r.Poll) {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// due gives the campaigns that run, and has those run whose time has come.
func (r *Reach) due(ctx context.Context) ([]*Campaign, error) {
	all, err := r.List(ctx, actor.Server(), "")
	if err != nil {
		return nil, err
	}
	var out []*Campaign
	for _, c := range all {
		if c.Way() != Mail {
			continue
		}
		if c.State == Approved && !c.Start.After(r.Now()) {
			if err := r.move(ctx, actor.Server(), c.ID, Running, "", Approved); err != nil && !errors.Is(err, ErrState) {
				return out, err
			}
			c.State = Running
		}
		if c.State == Running {
			out = append(out, c)
		}
	}
	return out, nil
}

// Send sends a campaign that runs until it does not any more: it is done, paused or cancelled, or ctx ends.
func (r *Reach) send(ctx context.Context, id string) error {
	s, err := r.newSender(ctx, id)
	if err != nil {
		return err
	}
	defer s.to.close()
	defer s.letGo(context.WithoutCancel(ctx))
	watching, end := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer func() { end(); watch.Wait() }()
	if running, err := s.look(ctx); err != nil || !running {
		return err
	}
	watch.Go(func() {
		for sleep(watching, r.Poll) {
			if _, err := s.look(watching); err != nil && watching.Err() == nil {
				r.Log.Error("look how a campaign stands", "campaign", id, "error", err)
			}
		}
	})
	for ctx.Err() == nil {
		running, err := s.look(ctx)
		if err != nil || !running {
			return err
		}
		if !s.stop.Load() {
			if err := s.pass(ctx); err != nil {
				return err
			}
			if done, err := s.finished(ctx); err != nil || done {
				return err
			}
		}
		sleep(ctx, r.Poll)
	}
	return nil
}

func (r *Reach) newSender(ctx context.Context, id string) (*sender, error) {
	c, err := r.get(ctx, r.DB, id)
	if err != nil {
		return nil, err
	}
	s := &sender{r: r, c: c, throttle: newThrottle(), bodies: map[bodyKey]*message.Body{}}
	if s.f, err = c.frozen(); err != nil {
		return nil, err
	}
	if s.o, err = r.outgoing(c, s.f); err != nil {
		return nil, err
	}
	if s.ro, err = r.Rosters.Named(ctx, c.Incident, c.Roster); err != nil {
		return nil, err
	}
	if s.seal, err = r.Rosters.Sealer(ctx, c.Incident, false); err != nil {
		return nil, err
	}
	if s.receivers, err = r.newReceivers(ctx, c, s.seal); err != nil {
		return nil, err
	}
	s.to = newRelays(r.Mailer.Relays)
	return s, nil
}

// look finds out how the campaign stands now, and has what sends it follow. running is false where it is over for this sender.
func (s *sender) look(ctx context.Context) (running bool, err error) {
	s.looking.Lock()
	defer s.looking.Unlock()
	now := s.r.Now()
	c, err := s.r.get(ctx, s.r.DB, s.c.ID)
	if err != nil {
		s.stop.Store(true) // what is not known is no yes
		return false, err
	}
	if c.State != Running {
		s.stop.Store(true)
		return false, nil
	}
	var why language.Text // nothing
	bound := 0.0
	for _, n := range c.Needs {
		open, err := s.r.condition(ctx, n, c.Incident)
		if err != nil {
			why = language.Both(fmt.Sprintf("送る条件（%s）を確かめられません：%v", n, err), n+": "+err.Error())
			break
		}
		if !open.Yes {
			why = language.Both(open.Why.JA, n+": "+open.Why.EN)
			break
		}
		if open.PerSecond > 0 && (bound == 0 || open.PerSecond < bound) {
			bound = open.PerSecond
		}
	}
	s.stop.Store(why != language.Text{})
	if (why == language.Text{}) && s.to.wait() > 0 {
		why = s.to.why()
	}
	among, err := s.renew(ctx)
	if err != nil {
		return true, err
	}
	s.mu.Lock()
	if s.throttle.set(c.Rates, among, c.Started, now, bound) {
		s.changed.Add(1)
	}
	err = s.receivers.load(ctx)
	s.mu.Unlock()
	if err != nil {
		return true, err
	}
	if why == c.Why {
		return true, nil
	}
	_, err = s.r.DB.ExecContext(ctx, `UPDATE reach_campaign SET why = $2 WHERE id = $1 AND state = 'running'`, c.ID, why.Record())
	return true, err
}

// condition asks one, which must not hold up the sender for long.
func (r *Reach) condition(ctx context.Context, name, of string) (Open, error) {
	ask, ok := r.Conditions[name]
	if !ok {
		return Open{}, errors.New("nobody here knows whether that is so")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return ask(ctx, of)
}

// renew keeps what this process holds of the campaign, and counts the processes that hold something.
func (s *sender) renew(ctx context.Context) (among int, err error) {
	now := s.r.Now()
	if _, err := s.r.DB.ExecContext(ctx, `UPDATE reach_shard SET until = $3 WHERE campaign = $1 AND holder = $2 AND until < $4`,
		s.c.ID, s.r.holder, store.Micros(now.Add(s.r.Lease)), store.Micros(now.Add(s.r.Lease/2))); err != nil {
		return 0, err
	}
	err = s.r.DB.QueryRowContext(ctx, `SELECT count(DISTINCT holder) FROM reach_shard WHERE campaign = $1 AND holder <> '' AND holder <> $2 AND until > $3`, s.c.ID, s.r.holder, store.Micros(now)).Scan(&among)
	return among + 1, store.InWords(err)
}

// letGo gives back all shards.
func (s *sender) letGo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := s.r.DB.ExecContext(ctx, `UPDATE reach_shard SET holder = '', until = 0 WHERE campaign = $1 AND holder = $2`, s.c.ID, s.r.holder); err != nil {
		s.r.Log.Error("let go of a campaign", "campaign", s.c.ID, "error", err)
	}
}

// finished reports that nobody is left to send to, and says so of the campaign where nobody is unknown either.
func (s *sender) finished(ctx context.Context) (bool, error) {
	n, err := s.r.counts(ctx, s.r.DB, s.c.ID)
	if err != nil || n[Pending]+n[Intended]+n[Deferred]+n[Unknown] > 0 {
		return false, err
	}
	err = s.r.move(ctx, actor.Server(), s.c.ID, Done, "", Running)
	if errors.Is(err, ErrState) {
		err = nil
	}
	return true, err
}

// shards gives those in which somebody is due and that nobody holds, or whose holder has died.
func (s *sender) shards(ctx context.Context) (map[int64]bool, error) {
	now := s.r.Now()
	rows, err := s.r.DB.QueryContext(ctx, `SELECT s.n FROM reach_shard s WHERE s.campaign = $1 AND (s.holder = '' OR s.until < $2) AND EXISTS
		(SELECT 1 FROM reach_block b WHERE b.campaign = s.campaign AND b.n >= s.n * 64 AND b.n < (s.n + 1) * 64 AND b.due >= 0 AND (b.due <= $3 OR b.due > $4))`,
		s.c.ID, store.Micros(now), now.Unix(), now.Add(longest).Unix())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]bool{}
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out[n] = true
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// pass goes through the roster once and sends to whom it may.
func (s *sender) pass(ctx context.Context) error {
	wanted, err := s.shards(ctx)
	if err != nil || len(wanted) == 0 {
		return err
	}
	var inUse int64
	if err := s.r.DB.QueryRowContext(ctx, `SELECT count(*) FROM reach_block WHERE campaign = $1 AND active > 0`, s.c.ID).Scan(&inUse); err != nil {
		return store.InWords(err)
	}
	var suppressed func(string) bool
	if s.r.Suppressed != nil {
		if suppressed, err = s.r.Suppressed(ctx, s.c.Incident); err != nil {
			return err
		}
	}
	// What was handed over is written down even when the process is to end, for a while.
	writing, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(10*time.Second, end) })()
	s.w = &writer{r: s.r, c: s.c, seal: s.seal, orders: make(chan *order, 64)}
	var writer, stages, workers sync.WaitGroup
	writer.Go(func() { s.w.run(writing) })
	batches, granted := make(chan []*job), make(chan []*job, queued)
	for range intenders {
		stages.Go(func() {
			for b := range batches {
				given := s.intend(ctx, b)
				s.flying.Add(len(given) - len(b))
				for part := range slices.Chunk(given, batchSize) {
					granted <- part
				}
			}
		})
	}
	n := s.r.Mailer.Connections
	if n == 0 {
		n = connections
	}
	for range n {
		workers.Go(func() {
			for b := range granted {
				s.deliver(ctx, b)
				s.flying.Add(-len(b))
			}
		})
	}
	p := &producer{s: s, wanted: wanted, out: batches, begun: time.Now(), changed: s.changed.Load(), suppressed: suppressed}
	if inUse > 0 {
		p.round, p.held, p.slow = first, map[int64]bool{}, map[string]bool{}
	}
	err = p.run(ctx)
	close(batches)
	stages.Wait()
	close(granted)
	workers.Wait()
	close(s.w.orders)
	writer.Wait()
	s.letGo(context.WithoutCancel(ctx))
	if errors.Is(err, errStop) || ctx.Err() != nil {
		return nil
	}
	return err
}

// intend writes down that mails are about to be handed over, and gives those for which that is so.
func (s *sender) intend(ctx context.Context, b []*job) []*job {
	for {
		if s.stop.Load() || ctx.Err() != nil {
			return nil
		}
		wait := s.to.wait()
		if wait == 0 {
			break
		}
		sleep(ctx, min(wait, 100*time.Millisecond))
	}
	o := &order{done: make(chan error, 1)}
	for _, j := range b {
		o.intents = append(o.intents, j.ordinal)
	}
	s.r.step()
	s.w.orders <- o
	if err := <-o.done; err != nil {
		return nil // it is not on disk: nothing is sent
	}
	s.r.step()
	out := b[:0]
	for i, j := range b {
		if o.granted[i] {
			out = append(out, j)
		}
	}
	return out
}

// deliver hands a batch over, whose intent is on disk, and has written down what came of it.
func (s *sender) deliver(ctx context.Context, b []*job) {
	results := make([]result, 0, len(b))
	now := s.r.Now()
	var mails []smtp.Mail
	var todo []*job
	arena := make([]byte, 0, len(b)*1600)
	for _, j := range b {
		m, err := s.mail(&arena, j, now)
		if err != nil {
			results = append(results, result{j.ordinal, ended(Refused, "contenterror", now), err.Error()})
			continue
		}
		mails, todo = append(mails, m), append(todo, j)
	}
	for len(todo) > 0 && !s.stop.Load() && ctx.Err() == nil {
		c, err := s.to.connect(ctx)
		if err != nil {
			break
		}
		n, rs := s.handOver(ctx, c, mails, todo)
		results = append(results, rs...)
		mails, todo = mails[n:], todo[n:]
	}
	for _, j := range todo { // they were not begun, and are sent to later
		results = append(results, result{j.ordinal, returned(now), ""})
	}
	o := &order{results: results, done: make(chan error, 1)}
	s.r.step()
	s.w.orders <- o
	if err := <-o.done; err != nil {
		s.r.Log.Error("what came of mails could not be written down: they will be listed as unknown", "campaign", s.c.ID, "mails", len(results), "error", err)
	}
	s.r.step()
}

// handOver hands mails over by a connection, and gives of how many something came.
func (s *sender) handOver(ctx context.Context, c *connection, mails []smtp.Mail, jobs []*job) (n int, results []result) {
	trouble := false // of the relay, and no mail's
	kept := c.sent > 0
	stop := func() bool { return s.stop.Load() || ctx.Err() != nil || trouble }
	n, at, err := c.Deliver(mails, stop, func(i int, o smtp.Outcome) {
		j, now := jobs[i], s.r.Now()
		c.sent++
		if o.Stage == smtp.AtSender && !o.Unknown { // it refuses whoever sends: nobody can be written to by it
			trouble = true
			results = append(results, result{j.ordinal, returned(now), o.Reply.String()})
			s.to.failed(c.relay, &smtp.ReplyError{At: o.Stage.String(), Reply: o.Reply})
			return
		}
		relay, said := uint8(c.relay+1), ""
		if !o.Unknown {
			s.to.answered(c.relay)
			said = o.Reply.String()
		}
		results = append(results, result{j.ordinal, func(r record) record {
			r = r.after(o, now)
			r.relay = relay
			return r
		}, said})
		s.mu.Lock()
		err := s.receivers.heard(ctx, j.domain, o.Reply.Policy() && !o.Reply.Greeting(), o.Reply.String())
		s.mu.Unlock()
		if err != nil {
			s.r.Log.Error("keep that a receiver is paused", "campaign", s.c.ID, "error", err)
		}
	})
	if err == nil {
		if n > 0 && !trouble {
			s.to.worked(c.relay)
		}
		if trouble {
			c.Close()
		} else {
			s.to.back(c)
		}
		return n, results
	}
	c.Close()
	if at < 0 { // the relay has ended it while nothing went on, or after a message: then that one is unknown
		if n > 0 {
			s.to.broke(c.relay, c.since, err)
		}
		return n, results
	}
	j, now := jobs[at], s.r.Now()
	switch {
	case kept && n == 0 && j.stale < connections: // it was kept for the next batch, and the relay has ended it meanwhile
		j.stale++
		return n, results
	case j.broke == nil:
		j.broke = c
		return n, results
	case j.broke.relay != c.relay:
		s.to.broke(c.relay, c.since, err)
	default:
		s.to.broke(c.relay, j.broke.since, err)
	}
	results = append(results, result{j.ordinal, func(r record) record { return r.deferred("networkerror", now) }, err.Error()}) // it holds up nobody else
	return n + 1, results
}

// returned has somebody be sent to as if nothing had been intended.
func returned(now time.Time) func(record) record {
	return func(r record) record {
		if r.state != Intended {
			return r
		}
		if r.state, r.at = Pending, uint32(now.Unix()); r.tries > 0 {
			r.state, r.due = Deferred, uint32(now.Unix())
		}
		return r
	}
}

// ended is for somebody who cannot be written to, or is not to be.
func ended(as State, reason string, now time.Time) func(record) record {
	return func(r record) record {
		r.state, r.reason, r.at, r.due = as, reasonOf(reason), uint32(now.Unix()), 0
		return r
	}
}

// mail writes somebody's mail. Its head is put into the arena.
func (s *sender) mail(arena *[]byte, j *job, now time.Time) (smtp.Mail, error) {
	to, err := smtp.Path(j.address)
	if err != nil {
		return smtp.Mail{}, err
	}
	body, err := s.body(j)
	if err != nil {
		return smtp.Mail{}, err
	}
	begin := len(*arena)
	if *arena, err = s.o.composers[j.lang].Mail(*arena, j.address, "m."+token(s.seal, inMessageID, s.c.num, j.ordinal), now, body); err != nil {
		*arena = (*arena)[:begin]
		return smtp.Mail{}, err
	}
	return smtp.Mail{From: s.o.returnPath(token(s.seal, inReturn, s.c.num, j.ordinal)), To: to, Data: message.Data(slices.Clip((*arena)[begin:]), body)}, nil
}

// body gives the body of somebody's mail: one that many share, unless it has a link of their own.
func (s *sender) body(j *job) (*message.Body, error) {
	key := bodyKey{j.lang, j.set}
	if s.c.Link == "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		if b := s.bodies[key]; b != nil {
			return b, nil
		}
	}
	said, err := s.f.in(j.lang, j.set)
	if err != nil {
		return nil, err
	}
	if s.c.Link != "" {
		said = said.linked(s.c.Link + linkToken(s.seal, s.c.num, j.ordinal))
		return message.NewBody(string(j.lang), said.Text, said.HTML), nil
	}
	b := message.NewBody(string(j.lang), said.Text, said.HTML)
	s.bodies[key] = b
	return b, nil
}
