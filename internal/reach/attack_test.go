package reach

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// A campaign that is paused before its time, and goes on, still waits for the time that was approved.
func TestResumedBeforeItsTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		start := time.Now().Add(24 * time.Hour)
		w := newWorld(t, db, 10, nil)
		c, err := w.Create(t.Context(), actor.Operator(), spec(), Rates{}, start)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Start(t.Context(), actor.Operator(), c.ID, ""); err != nil || w.state(c.ID) != Approved {
			t.Fatal(w.state(c.ID), err)
		}
		for range 2 {
			if err := w.Pause(t.Context(), actor.Operator(), c.ID, "x"); err != nil {
				t.Fatal(err)
			}
			if err := w.Resume(t.Context(), actor.Operator(), c.ID); err != nil || w.state(c.ID) != Approved {
				t.Fatalf("a day before its time it is %s, %v", w.state(c.ID), err)
			}
		}
		if due, err := w.due(t.Context()); err != nil || len(due) != 0 {
			t.Fatal(due, err)
		}
		w.Now = func() time.Time { return start.Add(time.Second) }
		if due, err := w.due(t.Context()); err != nil || len(due) != 1 || w.state(c.ID) != Running {
			t.Fatal(due, err)
		}
		if err := w.Cancel(t.Context(), actor.Operator(), c.ID, "x"); err != nil {
			t.Fatal(err)
		}
		for _, to := range []Life{Running, Paused, Approved, Draft, Cancelled, Done} {
			if err := w.Change(t.Context(), actor.Operator(), c.ID, Change{Version: Whichever, To: to}); err == nil {
				t.Errorf("what is cancelled is made %s", to)
			}
		}
		if _, err := w.Plan(t.Context(), actor.Operator(), "loss-2026", Asked{Campaign: c.ID, Despite: "x"}); !errors.Is(err, ErrState) {
			t.Errorf("what is cancelled is approved: %v", err)
		}
		if _, err := w.Resolve(t.Context(), actor.Operator(), c.ID, Resend, nil); !errors.Is(err, ErrState) {
			t.Errorf("what is cancelled is sent again: %v", err)
		}
	})
}

// A test is no way to write to those who are affected before a second person has approved it; and that one was sent stays on record.
func TestTestsAreNotForTheRoster(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 30, func(r *Rooms) { r.Preflight = nil })
		c := w.draft(nil, Rates{})
		for _, victim := range []string{address(3), strings.ToUpper(address(3)), " " + address(3)} {
			err := w.Test(t.Context(), actor.Operator(), c.ID, []string{"me@example.jp", victim})
			if !errors.Is(err, ErrInput) || strings.Contains(err.Error()+hint.Of(err), "user0") {
				t.Errorf("%q: %v", victim, err)
			}
		}
		if w.total() != 0 {
			t.Fatalf("%d mails left", w.total())
		}
		if err := w.Test(t.Context(), actor.Operator(), c.ID, []string{"me@example.jp"}); err != nil || w.total() != 2 {
			t.Fatal(w.total(), err)
		}
		events, err := w.Events(t.Context(), actor.Operator(), c.ID)
		if err != nil || len(events) != 2 || events[1].What != "tested" || events[1].Why != "1" {
			t.Error(events, err)
		}
	})
}

// Names, addresses and facts that hold ends of lines, and what others write into an export, put nothing into the head of a mail, nor a second
// recipient into what the relay is told.
func TestHeadersHold(t *testing.T) {
	evil := "x\r\nBcc: v@victim.example\r\n\r\n<b>"
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, nil)
		for name, change := range map[string]func(*Spec){
			"from.address": func(s *Spec) { s.From.Address = "notice@example.jp\r\nBcc: v@victim.example" },
			"replyTo":      func(s *Spec) { s.ReplyTo = "notice@example.jp\r\nBcc: v@victim.example" },
			"two froms":    func(s *Spec) { s.From.Address = "notice@example.jp, v@victim.example" },
			"link":         func(s *Spec) { s.Link = "https://x.example/\r\nBcc: v@victim.example" },
		} {
			s := spec()
			change(&s)
			if _, err := w.Create(t.Context(), actor.Operator(), s, Rates{}, time.Time{}); err == nil {
				t.Errorf("%s is taken", name)
			}
		}
		s := spec()
		s.From.Name, s.Subject = language.Both(evil, evil), language.Both(evil, evil)
		c, err := w.Create(t.Context(), actor.Operator(), s, Rates{}, time.Time{})
		if err == nil {
			err = w.Start(t.Context(), actor.Operator(), c.ID, "")
		}
		if err != nil { // to refuse it is as good
			if !errors.Is(err, ErrInput) && !errors.Is(err, incident.ErrNotice) {
				t.Error(err)
			}
			return
		}
		w.work()
		w.done(c.ID)
		if len(w.mails) == 0 || len(w.taken) != 3 {
			t.Fatal(len(w.mails), w.taken)
		}
		for _, m := range w.mails {
			head, _, _ := strings.Cut(m, "\r\n\r\n")
			if low := strings.ToLower(head); strings.Contains(low, "\nbcc") || !strings.Contains(low, "\nfrom:") && !strings.HasPrefix(low, "from:") {
				t.Errorf("%s", m)
			}
		}
	})
}

// Whoever wrote the campaign, and may not approve, starts nothing where a second person is wanted: by no way there is.
func TestNobodyAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 10, nil)
		c := w.draft(nil, Rates{})
		for _, who := range []actor.Actor{{}} {
			for name, err := range map[string]error{
				"start": w.Start(t.Context(), who, c.ID, "x"), "resume": w.Resume(t.Context(), who, c.ID), "cancel": w.Cancel(t.Context(), who, c.ID, "x"),
				"rates": w.SetRates(t.Context(), who, c.ID, Rates{}), "test": w.Test(t.Context(), who, c.ID, []string{"a@b.example"}),
			} {
				if err == nil {
					t.Errorf("nobody may %s, and does", name)
				}
			}
		}
		for _, to := range []Life{Running, Approved, Done} { // a draft begins by an approval alone
			if err := w.Change(t.Context(), actor.Operator(), c.ID, Change{Version: Whichever, To: to}); err == nil {
				t.Errorf("a draft is made %s", to)
			}
		}
		// A roster that is made anew after a campaign was drafted changes nobody whom it is for.
		before := w.now(c.ID).Total()
		w.inUse(20)
		if _, err := w.Rosters.Latest(t.Context(), "loss-2026"); err != nil {
			t.Fatal(err)
		}
		p, err := w.Plan(t.Context(), actor.Operator(), "loss-2026", Asked{Campaign: c.ID})
		if err != nil || p.People != before || !strings.Contains(string(p.Bytes), fmt.Sprintf(`"recipients":%d`, before)) {
			t.Errorf("%v, %v", p, err)
		}
	})
}
