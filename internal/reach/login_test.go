package reach

import (
	"context"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/reach/smtptest"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// Who was told at their login counts in the figures of a campaign, and a campaign to those whom it did not reach leaves them out.
func TestElsewhere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		told := map[string]time.Time{}
		var asked error
		w := newWorld(t, db, 40, func(r *Rooms) {
			r.Elsewhere = func(context.Context, string) (Elsewhere, error) {
				if len(told) == 0 || asked != nil {
					return nil, asked
				}
				return func(m roster.Member) (time.Time, bool) { at, ok := told[m.Identity.Value]; return at, ok }, nil
			}
		})
		w.sink.Close()
		w.listen(&smtptest.Sink{Keep: true, Answer: func(cmd string, e smtptest.Envelope) string {
			if strings.HasPrefix(cmd, "RCPT") && (e.To == address(1) || e.To == address(2)) {
				return "550 5.1.1 nobody"
			}
			return ""
		}})
		w.Mailer.Relays[0].Address = w.relay
		c := w.started(nil, Rates{})
		w.work()
		w.done(c.ID)
		if n := w.now(c.ID); n[Refused] != 2 {
			t.Fatal(n.Names())
		}
		shown := func() Shown {
			t.Helper()
			s, err := w.ShownTo(t.Context(), actor.Operator(), c.ID)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		if s := shown(); s != (Shown{}) {
			t.Errorf("%+v", s)
		}
		first := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
		told[address(1)], told[address(3)], told["nobody@else.example"] = first.Add(time.Hour), first, first.Add(-time.Hour)
		if s := shown(); s.People != 2 || s.Unreached != 1 || !s.First.Equal(first) || !s.Last.Equal(first.Add(time.Hour)) {
			t.Errorf("%+v", s)
		}
		if n := w.now(c.ID); n[Refused] != 2 {
			t.Errorf("what became of their mail is not what it was: %v", n.Names())
		}
		spec := c.Spec
		spec.Unreached = c.ID
		next, err := w.Create(t.Context(), actor.Operator(), spec, Rates{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if n := w.now(next.ID); n[Pending] != 1 || n.Total() != 1 {
			t.Errorf("those who were told at their login are written to once more: %v", n.Names())
		}
		// To everybody is to everybody.
		if all, err := w.Create(t.Context(), actor.Operator(), c.Spec, Rates{}, time.Time{}); err != nil || w.now(all.ID)[Pending] != 40 {
			t.Error(err)
		}
		asked = roster.ErrShredded
		if s := shown(); !s.Shredded || s.People != 0 {
			t.Errorf("%+v", s)
		}
		stranger := actor.Staff(actor.Member{ID: "s", Roles: []actor.Role{actor.Commander}, Access: map[string]actor.Access{"other": actor.Full}}, "console")
		if _, err := w.ShownTo(t.Context(), stranger, c.ID); err == nil {
			t.Error("somebody of another case sees who was told")
		}
	})
}
