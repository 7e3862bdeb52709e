package reach

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// scripted are conditions that answer as a test says at the time.
type scripted struct {
	mu    sync.Mutex
	now   map[string]Open
	asked map[string]int
}

func newScripted(now map[string]Open) *scripted {
	return &scripted{now: now, asked: map[string]int{}}
}

func (s *scripted) set(name string, o Open) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now[name] = o
}

func (s *scripted) times(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

func (s *scripted) all() map[string]Condition {
	out := map[string]Condition{}
	for name := range s.now {
		out[name] = func(_ context.Context, of string) (Open, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.asked[name]++
			return s.now[name], nil
		}
	}
	return out
}

func promising(s *Spec) {
	s.Text = language.Both("# お知らせ\n\n{{action  reset promised short}}から再設定できます。\n", "# Notice\n\nNew passwords from {{action reset promised short}}.\n")
}

// A mail whose text promises the reset is coupled to it, and to the desk, without anybody saying so: it does not leave while the reset is closed,
// goes on by itself, and no quicker than the one of them that takes least.
func TestCoupled(t *testing.T) {
	const all = 400
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		closed := Open{Why: language.Both("閉じています", "it is closed")}
		s := newScripted(map[string]Open{"reset": closed, "desk": {Yes: true}})
		w := newWorld(t, db, all, func(r *Rooms) { r.Conditions = s.all() })
		c := w.started(promising, Rates{})
		if !slices.Equal(c.Needs, []string{"reset", "desk"}) {
			t.Fatal(c.Needs)
		}
		w.work()
		why := func(what string) {
			t.Helper()
			w.until("it waits: "+what, func() bool {
				c, err := w.Get(t.Context(), actor.Operator(), c.ID)
				return err == nil && c.Why.EN == what
			})
		}
		again := func(name string) { // it was asked after all that was said before, and what it had begun has ended
			t.Helper()
			n := s.times(name)
			w.until("it asks "+name+" again", func() bool { return s.times(name) > n+3 })
			w.until("what was begun has ended", func() bool { return w.now(c.ID)[Intended] == 0 })
		}
		why("reset: it is closed")
		again("reset")
		if w.total() != 0 {
			t.Fatalf("%d mails left while the reset was closed", w.total())
		}

		s.set("desk", Open{Yes: true, PerSecond: 0.001}) // a mail in a quarter of an hour, whatever the reset takes
		s.set("reset", Open{Yes: true, PerSecond: 1000})
		w.until("one leaves", func() bool { return w.total() == 1 })
		for range 3 {
			again("desk")
		}
		if w.total() != 1 {
			t.Fatalf("%d mails left, and the desk takes one", w.total())
		}
		s.set("reset", Open{Yes: true, PerSecond: 0.001})
		s.set("desk", Open{Yes: true, PerSecond: 1000})
		again("desk")
		if n := w.total(); n > 2 {
			t.Fatalf("%d mails left, and the reset takes two", n)
		}

		s.set("reset", Open{Yes: true, PerSecond: 200}) // more can be taken again
		w.until("more leave", func() bool { return w.total() > 40 })
		s.set("reset", closed) // in the middle
		why("reset: it is closed")
		again("reset")
		before := w.total()
		again("reset")
		if w.total() != before || before == all {
			t.Fatalf("%d and then %d mails left", before, w.total())
		}
		s.set("desk", Open{Why: language.Both("受付時間外です", "nobody is there")})
		s.set("reset", Open{Yes: true})
		why("desk: nobody is there")
		if w.total() != before {
			t.Fatal("mails left while nobody was at the desk")
		}
		s.set("desk", Open{Yes: true})
		w.done(c.ID)
		if w.total() != all || len(w.taken) != all {
			t.Errorf("%d mails to %d", w.total(), len(w.taken))
		}
	})
}

// Where nobody knows whether the reset is open, a mail that promises it is not sent unless somebody says why.
func TestPromiseOfNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 10, nil)
		c := w.draft(promising, Rates{})
		if err := w.Start(t.Context(), actor.Operator(), c.ID, ""); err == nil || !strings.Contains(err.Error(), "promises the reset") {
			t.Fatal(err)
		}
		if err := w.Start(t.Context(), actor.Operator(), c.ID, "it opens by hand today"); err != nil {
			t.Fatal(err)
		}
		// One that waits for what nobody knows any more waits: what is not known is no yes.
		s := newScripted(map[string]Open{"reset": {Yes: true}})
		w.Conditions = s.all()
		c, err := w.Create(t.Context(), actor.Operator(), func() Spec { x := spec(); promising(&x); return x }(), Rates{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Start(t.Context(), actor.Operator(), c.ID, ""); err != nil {
			t.Fatal(err)
		}
		w.Conditions = nil
		w.work()
		w.until("it waits", func() bool {
			c, err := w.Get(t.Context(), actor.Operator(), c.ID)
			return err == nil && c.Why.EN == "reset: nobody here knows whether that is so"
		})
		if n := w.now(c.ID); n[Pending] != 10 {
			t.Error(n.Names())
		}
	})
}

// Of two who look how a campaign stands, the later is followed: what an earlier one read, of a reset that was closed, lifts no bound that a
// later one has set.
func TestOneLooksAtATime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var s *sender
		asked := 0
		w := newWorld(t, db, 3, func(r *Rooms) {
			r.Conditions = map[string]Condition{"reset": func(context.Context, string) (Open, error) {
				if asked++; s.looking.TryLock() {
					t.Error("another may look at the same time")
					s.looking.Unlock()
				}
				return Open{Yes: true, PerSecond: 1}, nil
			}}
		})
		c := w.started(func(s *Spec) { s.Needs = []string{"reset"} }, Rates{})
		var err error
		if s, err = w.newSender(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
		if running, err := s.look(t.Context()); err != nil || !running || asked != 1 || s.throttle.all == nil {
			t.Fatal(running, asked, err)
		}
	})
}
