package reach

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"time"

	"shirase/internal/reach/smtp"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// producer goes through the roster and gives out what is to be sent.
type producer struct {
	s      *sender
	wanted map[int64]bool
	out    chan<- []*job
	begun  time.Time
	// changed is what it was of the sender when the pass began: what is parked waits by those rates.
	changed int64
	// suppressed says who is not written to; nil: nobody is.
	suppressed func(address string) bool

	shard  int64
	due    map[int64]*block
	hashes map[int64][]byte
	buf    []byte
	batch  []*job
	parked parked

	round round
	held  map[int64]bool  // shards that were claimed in the first round
	slow  map[string]bool // domains that had no room in it for all whose account is in use: the others there wait for the next pass
}

// round is whom a reading of the roster is for.
type round int

const (
	everybody round = iota // nobody is to be written to first
	first                  // whose account is in use, and was not written to
	rest
)

func (d round) has(r record) bool { return d == everybody || r.first() == (d == first) }

func (p *producer) run(ctx context.Context) error {
	read := func() error {
		p.shard = -1
		return p.s.r.blocks(ctx, p.s.ro, &p.s.c.Spec, func(b *reader) error { return p.block(ctx, b) })
	}
	err := read()
	if p.round == first && err == nil {
		if err = p.firstAreThrough(ctx); err == nil {
			p.round = rest
			err = read()
		}
	}
	for err == nil && len(p.parked) > 0 { // the roster is through: only those that wait for their domain are left
		if j := p.parked.due(time.Now()); j != nil {
			err = p.emit(ctx, j)
			continue
		}
		p.flush(ctx)
		if err = p.may(ctx); err == nil {
			sleep(ctx, min(time.Until(p.parked[0].at), 100*time.Millisecond))
		}
	}
	if err == nil || errors.Is(err, errStop) {
		p.flush(ctx)
	}
	return err
}

// firstAreThrough waits until those whose accounts are in use were written to, by every process: all of them but who waits for a domain.
func (p *producer) firstAreThrough(ctx context.Context) error {
	r, id := p.s.r, p.s.c.ID
	p.flush(ctx)
	p.s.flying.Wait()
	waiting := map[int64]bool{}
	for _, j := range p.parked {
		waiting[j.ordinal/shardSize] = true
	}
	err := r.DB.Update(ctx, func(tx *sql.Tx) error {
		for n, held := range p.held {
			if !held {
				continue
			}
			free := `, holder = '', until = 0` // others may have a part of those who come now
			if waiting[n] {
				free = ""
			}
			if _, err := tx.ExecContext(ctx, `UPDATE reach_shard SET first = 0`+free+` WHERE campaign = $1 AND n = $2 AND holder = $3`, id, n, r.holder); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return store.InWords(err)
	}
	maps.DeleteFunc(p.held, func(n int64, _ bool) bool { return !waiting[n] })
	for {
		var others, free int64 // shards whose holder has died are no one's: the next pass comes to them
		err := r.DB.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(CASE WHEN s.holder = '' OR s.until < $2 THEN 1 ELSE 0 END), 0) FROM reach_shard s WHERE s.campaign = $1 AND s.first = 1 AND EXISTS
			(SELECT 1 FROM reach_block b WHERE b.campaign = s.campaign AND b.n >= s.n * 64 AND b.n < (s.n + 1) * 64 AND b.active > 0)`, id, store.Micros(r.Now())).Scan(&others, &free)
		switch {
		case err != nil:
			return store.InWords(err)
		case others == 0:
			return nil
		case free > 0:
			return errStop
		}
		if err := p.emitDue(ctx); err != nil {
			return err
		}
		p.flush(ctx)
		if err := p.may(ctx); err != nil {
			return err
		}
		sleep(ctx, min(r.Poll, 100*time.Millisecond))
	}
}

// emitDue gives out those whose domain has a place for them now.
func (p *producer) emitDue(ctx context.Context) error {
	for j := p.parked.due(time.Now()); j != nil; j = p.parked.due(time.Now()) {
		if err := p.emit(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// may says whether to go on.
func (p *producer) may(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case p.s.stop.Load() || p.s.changed.Load() != p.changed || time.Since(p.begun) > passLasts:
		return errStop
	}
	return nil
}

func (p *producer) block(ctx context.Context, b *reader) error {
	if n := b.n / shardBlocks; n != p.shard {
		p.shard, p.due, p.hashes = n, nil, nil
		if p.wanted[n] {
			if err := p.may(ctx); err != nil {
				return err
			}
			var err error
			if p.due, p.hashes, err = p.s.r.claim(ctx, p.s.c, n, p.s.seal, p.held[n]); err != nil {
				return err
			}
			if p.round == first {
				p.held[n] = len(p.due) > 0
			}
		}
	}
	states := p.due[b.n]
	if states == nil {
		return nil
	}
	if states.size() != len(b.members) || !bytes.Equal(b.hash(p.s.seal, &p.buf), p.hashes[b.n]) {
		return fmt.Errorf("%w: block %d of the roster is not the one that was counted", ErrDamaged, b.n)
	}
	now := p.s.r.Now()
	for i, m := range b.members {
		if x := states.get(i); !x.isDue(now) || !p.round.has(x) {
			continue
		}
		if err := p.one(ctx, b.n*blockSize+int64(i), m); err != nil {
			return err
		}
	}
	return nil
}

// one comes to somebody who is due.
func (p *producer) one(ctx context.Context, ordinal int64, m roster.Member) error {
	if err := p.may(ctx); err != nil {
		return err
	}
	if err := p.emitDue(ctx); err != nil {
		return err
	}
	s := p.s
	j := &job{ordinal: ordinal, address: m.Identity.Value, domain: domainOf(m.Identity.Value), lang: s.c.languageFor(m.Locale), set: m.Set}
	if _, err := smtp.Path(j.address); err != nil {
		return p.settle(ctx, j, Refused, "address")
	}
	if p.suppressed != nil && p.suppressed(j.address) {
		return p.settle(ctx, j, Substitute, "suppressed")
	}
	now := time.Now()
	s.mu.Lock()
	_, closed := s.receivers.closed(j.domain, s.r.Now())
	closed = closed || p.round == rest && p.slow[j.domain]
	wait, back := time.Duration(0), func() {}
	if !closed {
		wait, back = s.throttle.domain(j.domain)
	}
	s.mu.Unlock()
	switch {
	case closed:
		return nil
	case wait == 0:
		return p.emit(ctx, j)
	case len(p.parked) >= maxParked:
		back()
		if p.round == first && len(p.slow) < maxParked {
			p.slow[j.domain] = true
		}
		return nil
	}
	j.at = now.Add(wait)
	p.parked.add(j)
	return nil
}

// settle writes down that somebody is not written to at all.
func (p *producer) settle(ctx context.Context, j *job, as State, reason string) error {
	o := &order{results: []result{{j.ordinal, ended(as, reason, p.s.r.Now()), ""}}, done: make(chan error, 1)}
	p.s.w.orders <- o
	return <-o.done
}

// emit gives a mail out when the rate of all lets it.
func (p *producer) emit(ctx context.Context, j *job) error {
	for {
		p.s.mu.Lock()
		wait := p.s.throttle.next()
		p.s.mu.Unlock()
		if wait == 0 {
			break
		}
		if wait > 50*time.Millisecond {
			p.flush(ctx)
		}
		if err := p.may(ctx); err != nil {
			return err
		}
		sleep(ctx, min(wait, 100*time.Millisecond)) // the rate may change
	}
	if p.batch = append(p.batch, j); len(p.batch) >= intentSize {
		p.flush(ctx)
	}
	return nil
}

func (p *producer) flush(context.Context) {
	if len(p.batch) > 0 {
		p.s.flying.Add(len(p.batch))
		p.out <- p.batch
		p.batch = nil
	}
}
