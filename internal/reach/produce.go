package reach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"shirase/internal/reach/smtp"
	"shirase/internal/roster"
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
}

func (p *producer) run(ctx context.Context) error {
	p.shard = -1
	err := p.s.r.blocks(ctx, p.s.ro, &p.s.c.Spec, func(b *reader) error { return p.block(ctx, b) })
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
			if p.due, p.hashes, err = p.s.r.claim(ctx, p.s.c, n, p.s.seal); err != nil {
				return err
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
		if !states.get(i).isDue(now) {
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
	for j := p.parked.due(time.Now()); j != nil; j = p.parked.due(time.Now()) {
		if err := p.emit(ctx, j); err != nil {
			return err
		}
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
		p.out <- p.batch
		p.batch = nil
	}
}
