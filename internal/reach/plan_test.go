package reach

import (
	"context"
	"errors"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// What the facts have against a text holds a campaign up as the preflight does, through every door, and is in what is approved.
func TestTextsAreRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 30, func(r *Rooms) {
			r.Read = func(_ context.Context, id string, _ language.Lang, text string) ([]string, error) {
				if id != "loss-2026" || strings.TrimSpace(text) == "" {
					t.Errorf("%s: %q", id, text)
				}
				return []string{"a number that no fact has"}, nil
			}
		})
		c := w.draft(nil, Rates{})
		if err := w.Start(t.Context(), actor.Operator(), c.ID, ""); !errors.Is(err, ErrNotReady) {
			t.Fatal(err)
		}
		if _, err := w.Plan(t.Context(), actor.Operator(), "loss-2026", Asked{Campaign: c.ID}); !errors.Is(err, ErrNotReady) {
			t.Fatal(err)
		}
		p, err := w.Plan(t.Context(), actor.Operator(), "loss-2026", Asked{Campaign: c.ID, Despite: "the fact is being recorded"})
		if err != nil || len(p.Doubts) != 2 || !strings.Contains(string(p.Bytes), "no fact has") || !strings.Contains(string(p.Bytes), "being recorded") {
			t.Fatal(p, err)
		}
	})
}

// What campaigns say is known to whoever changes a fact, and to nobody who may not see the incident.
func TestTexts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, nil)
		c := w.draft(nil, Rates{})
		all, err := w.Texts(t.Context(), actor.Operator(), "loss-2026")
		if err != nil || len(all) != 1 || all[0].Campaign != c.ID || all[0].Subject.JA == "" || !strings.Contains(all[0].Text.JA, "株式会社例示") {
			t.Fatal(all, err)
		}
		if err := w.Cancel(t.Context(), actor.Operator(), c.ID, "not needed"); err != nil {
			t.Fatal(err)
		}
		if all, err := w.Texts(t.Context(), actor.Operator(), "loss-2026"); err != nil || len(all) != 0 {
			t.Error("a cancelled one:", all, err)
		}
		if _, err := w.Texts(t.Context(), actor.Actor{}, "loss-2026"); !errors.Is(err, actor.ErrNobody) {
			t.Error(err)
		}
	})
}

// Where a second person is wanted, nobody starts alone; what is approved is what is sent, word for word.
func TestPlan(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		problems := []string{"SPF does not name the relay"}
		w := newWorld(t, db, 30, func(r *Rooms) {
			r.Wanted = func(context.Context) (bool, error) { return true, nil }
			r.Preflight = func(context.Context, string) ([]string, error) { return problems, nil }
		})
		c := w.draft(nil, Rates{})
		if err := w.Start(t.Context(), actor.Operator(), c.ID, ""); !errors.Is(err, ErrWanted) {
			t.Fatal(err)
		}
		if _, err := w.Plan(t.Context(), actor.Operator(), "loss-2026", Asked{Campaign: c.ID}); !errors.Is(err, ErrNotReady) {
			t.Fatal(err)
		}
		a := Asked{Campaign: c.ID, Despite: "the record is being made"}
		p, err := w.Plan(t.Context(), actor.Operator(), "loss-2026", a)
		if err != nil || p.People != 30 || len(p.Doubts) != 2 || p.Doubts[1].EN != "sent all the same, because: the record is being made" {
			t.Fatal(p, err)
		}
		again, err := w.Plan(t.Context(), actor.Operator(), "loss-2026", a)
		if err != nil || string(again.Bytes) != string(p.Bytes) {
			t.Error("the same gives other bytes")
		}
		if _, err := w.Plan(t.Context(), actor.Operator(), "other-2026", a); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if err := w.Approve(t.Context(), actor.Operator(), p, nil); err != nil {
			t.Fatal(err)
		}
		// A fact that changes now changes no mail.
		w.Incident = func(context.Context, string) (incident.Incident, error) {
			return incident.Incident{}, errors.New("asked")
		}
		w.work()
		w.done(c.ID)
		if !strings.Contains(string(p.Bytes), "株式会社例示です") || w.total() != 30 {
			t.Error(string(p.Bytes))
		}
	})
}
