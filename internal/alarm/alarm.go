// Package alarm tells people of what will go wrong while nobody looks: once when it begins, once a day while it lasts, and
// once when it is over. What is wrong is for others to find; this sends it, and tries again where that fails.
package alarm

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Alarm is one thing that is about to go wrong, or has. It names no person and holds no secret.
type Alarm struct {
	ID     string `json:"id"`     // stays the same while it lasts
	What   string `json:"what"`   // one sentence
	Remedy string `json:"remedy"` // what to do about it
}

// News is what is told: what has begun or still lasts, or what is over.
type News struct {
	Alarm
	Over  bool
	Since time.Time
	From  string // where people reach the instance, or what stands for it
}

// Sender is a way to tell: a webhook or mail.
type Sender interface {
	// Send tells one piece of news. A nil error means that the other side has taken it.
	Send(ctx context.Context, n News) error
	// Name says which way it is, for the log; it holds no secret and nobody's address.
	Name() string
}

// Keeper tells what begins, lasts and ends.
type Keeper struct {
	From    string // as in News
	Senders []Sender
	// Look finds what is wrong now.
	Look   func(ctx context.Context) []Alarm
	Failed func(error) // hears of news that could not be told; it is tried again

	now   func() time.Time
	known map[string]*known
}

// known is an alarm that was raised.
type known struct {
	news News
	told []time.Time // by sender: when it was told last; zero: it was not
}

// Times between looks, and after which an alarm that lasts is told again.
const (
	Every  = time.Minute
	Repeat = 24 * time.Hour
)

// Keep looks once a minute until ctx ends.
func (k *Keeper) Keep(ctx context.Context) {
	t := time.NewTicker(Every)
	defer t.Stop()
	for {
		k.Once(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Once looks, and tells what there is to tell.
func (k *Keeper) Once(ctx context.Context) {
	if k.now == nil {
		k.now, k.known = time.Now, map[string]*known{}
	}
	found := k.Look(ctx)
	if ctx.Err() != nil {
		return
	}
	now := k.now()
	for _, a := range found {
		old := k.known[a.ID]
		switch {
		case old == nil:
			k.known[a.ID] = &known{News{Alarm: a, Since: now, From: k.From}, make([]time.Time, len(k.Senders))}
		case old.news.Over: // before that was told to all
			old.news = News{Alarm: a, Since: now, From: k.From}
			clear(old.told)
		default:
			old.news.Alarm = a
		}
	}
	for id, old := range k.known {
		there := slices.ContainsFunc(found, func(a Alarm) bool { return a.ID == id })
		if !there && !old.news.Over {
			old.news.Over = true
			for i, t := range old.told {
				if t.IsZero() {
					old.told[i] = now // who never heard of it need not hear that it is over
				} else {
					old.told[i] = time.Time{}
				}
			}
		}
		if k.tell(ctx, old, now) && old.news.Over {
			delete(k.known, id)
		}
	}
}

// tell tells one alarm to all who have not heard, and reports whether all have.
func (k *Keeper) tell(ctx context.Context, a *known, now time.Time) bool {
	all := true
	for i, s := range k.Senders {
		if t := a.told[i]; !t.IsZero() && (a.news.Over || now.Sub(t) < Repeat) {
			continue
		}
		if err := s.Send(ctx, a.news); err != nil {
			all = false
			if ctx.Err() == nil {
				k.Failed(fmt.Errorf("tell the alarm %s by %s: %w", a.news.ID, s.Name(), err))
			}
			continue
		}
		a.told[i] = now
	}
	return all
}
