package reach

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// A mail that promises the reset does not leave while it is closed; it goes on by itself.
func TestCondition(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var open, fails atomic.Bool
		var asked atomic.Int64
		w := newWorld(t, db, 300, func(r *Rooms) {
			r.Conditions = map[string]Condition{"reset": func(context.Context, string) (Open, error) {
				asked.Add(1)
				if fails.Load() {
					return Open{}, errors.New("nobody answers")
				}
				return Open{Yes: open.Load(), Why: language.Both("閉じています", "it is closed")}, nil
			}}
		})
		c := w.started(func(s *Spec) { s.Needs = []string{"reset"} }, Rates{PerSecond: 300})
		w.work()
		w.until("it waits", func() bool {
			c, err := w.Get(t.Context(), actor.Operator(), c.ID)
			return err == nil && c.Why == language.Both("閉じています", "reset: it is closed")
		})
		n := asked.Load()
		w.until("it asks again and again", func() bool { return asked.Load() > n+5 })
		if w.total() != 0 {
			t.Fatal("mails left while the reset was closed")
		}
		open.Store(true)
		w.until("some leave", func() bool { return w.total() >= 50 })
		fails.Store(true) // what is not known is no yes
		n = asked.Load()
		w.until("it has noticed", func() bool { return asked.Load() > n+2 })
		w.until("what was begun has ended", func() bool { return w.now(c.ID)[Intended] == 0 })
		before := w.total()
		n = asked.Load()
		w.until("it asks again", func() bool { return asked.Load() > n+5 })
		if w.total() != before || before == 300 {
			t.Fatalf("%d mails left meanwhile", w.total()-before)
		}
		fails.Store(false)
		w.done(c.ID)
		if w.total() != 300 {
			t.Error(w.total())
		}
	})
}

// Paused, changed, resumed and cancelled while it runs: nothing is sent twice, nobody is left out, and the sender goes on.
func TestTurns(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 600, nil)
		c := w.started(nil, Rates{PerSecond: 200})
		w.work()
		w.until("some leave", func() bool { return w.total() > 20 })
		if err := w.Pause(t.Context(), actor.Operator(), c.ID, "a mistake?"); err != nil {
			t.Fatal(err)
		}
		w.until("what was begun has ended", func() bool { return w.now(c.ID)[Intended] == 0 })
		n := w.now(c.ID)
		if n[HandedOver] == 600 || n.Total() != 600 {
			t.Fatal(n.Names())
		}
		if err := w.SetRates(t.Context(), actor.Operator(), c.ID, Rates{PerSecond: 0.001}); err != nil {
			t.Fatal(err)
		}
		if err := w.Resume(t.Context(), actor.Operator(), c.ID); err != nil {
			t.Fatal(err)
		}
		if err := w.SetRates(t.Context(), actor.Operator(), c.ID, Rates{PerDomain: map[string]float64{"*": 5000, "a.example": 400}}); err != nil {
			t.Fatal(err)
		}
		w.done(c.ID)
		if w.total() != 600 || len(w.taken) != 600 {
			t.Errorf("%d mails to %d", w.total(), len(w.taken))
		}
		if err := w.Resume(t.Context(), actor.Operator(), c.ID); !errors.Is(err, ErrState) {
			t.Error(err)
		}
		d := w.started(nil, Rates{PerSecond: 100})
		w.until("some leave", func() bool { return w.total() > 620 })
		if err := w.Cancel(t.Context(), actor.Operator(), d.ID, "wrong text"); err != nil {
			t.Fatal(err)
		}
		w.until("what was begun has ended", func() bool { return w.now(d.ID)[Intended] == 0 })
		if n := w.now(d.ID); n[Pending] == 0 || w.state(d.ID) != Cancelled {
			t.Error(n.Names())
		}
	})
}

// One relay dies, the other takes over; both are away, and nobody is blamed for it.
func TestFailover(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 1000, nil)
		first := w.sink
		var n atomic.Int64
		second := &smtptest.Sink{Keep: true}
		w.listen(second)
		w.Mailer.Relays = append(w.Mailer.Relays, relayAt(w.relay))
		first.Answer = func(cmd string, _ smtptest.Envelope) string {
			if cmd == "." && n.Add(1) > 200 {
				return "hang up"
			}
			return ""
		}
		c := w.started(nil, Rates{})
		w.work()
		w.until("200 are with the first", func() bool { return n.Load() > 200 })
		go first.Close()
		w.until("all are told or unknown", func() bool {
			n := w.now(c.ID)
			return n[HandedOver]+n[Unknown] == 1000
		})
		got := w.now(c.ID)
		if got[Unknown] == 0 || got[Unknown] > 3*connections || w.total() != int(got[HandedOver]) {
			t.Errorf("%v, %d mails", got.Names(), w.total())
		}
		// The relay's log says of those whether it had them; it never had.
		if _, err := w.Resolve(t.Context(), actor.Operator(), c.ID, Resend, nil); err != nil {
			t.Fatal(err)
		}
		w.done(c.ID)
		if w.total() != 1000 || len(w.taken) != 1000 {
			t.Errorf("%d mails to %d", w.total(), len(w.taken))
		}
	})
}

// Two senders on one campaign share it: nobody gets two mails.
func TestTwoSenders(t *testing.T) {
	const all = 4000
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, all, func(r *Rooms) { r.Lease = time.Minute })
		other, err := New(t.Context(), w.Rooms)
		if err != nil {
			t.Fatal(err)
		}
		c := w.started(nil, Rates{})
		w.work()
		w.workOf(t, other)
		w.done(c.ID)
		if w.total() != all || len(w.taken) != all {
			t.Errorf("%d mails to %d", w.total(), len(w.taken))
		}
	})
}

// A process whose lease has passed to another sends nothing more.
func TestLost(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 300, nil)
		c := w.started(nil, Rates{})
		seal, err := w.Rosters.Sealer(t.Context(), "loss-2026", false)
		if err != nil {
			t.Fatal(err)
		}
		if due, _, err := w.claim(t.Context(), c, 0, seal, false); err != nil || len(due) != 2 {
			t.Fatal(due, err)
		}
		wr := &writer{r: w.Reach, c: c, seal: seal}
		o := &order{intents: []int64{0, 1, 2}}
		if err := wr.write(t.Context(), []*order{o}); err != nil || !slices.Equal(o.granted, []bool{true, true, true}) {
			t.Fatal(o.granted, err)
		}
		other := *w.Reach
		other.holder = "other"
		if _, _, err := other.claim(t.Context(), c, 0, seal, false); err != nil { // the lease has no length here
			t.Fatal(err)
		}
		if n := w.now(c.ID); n[Unknown] != 3 || n[Intended] != 0 {
			t.Fatal(n.Names())
		}
		o = &order{intents: []int64{3}, results: []result{{0, func(r record) record {
			return r.after(smtp.Outcome{Stage: smtp.AtEnd, Reply: smtp.Reply{Code: 250}}, w.Now())
		}, "250"}}}
		if err := wr.write(t.Context(), []*order{o}); err != nil || o.granted[0] {
			t.Fatal(o.granted, err)
		}
		if n := w.now(c.ID); n[Unknown] != 2 || n[HandedOver] != 1 || n[Pending] != 297 { // what it knows it still says
			t.Fatal(n.Names())
		}
	})
}
