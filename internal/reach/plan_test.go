package reach

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach/smtptest"
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
		problems := []language.Text{language.Both("SPFに送信サーバーがありません", "SPF does not name the relay")}
		w := newWorld(t, db, 30, func(r *Rooms) {
			r.Wanted = func(context.Context) (bool, error) { return true, nil }
			r.Preflight = func(context.Context, string) ([]language.Text, error) { return problems, nil }
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
		if err != nil || p.People != 30 || len(p.Doubts) != 2 || p.Doubts[0] != problems[0] || !strings.Contains(string(p.Bytes), "SPF does not name the relay") || p.Doubts[1].EN != "sent all the same, because: the record is being made" {
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

// A campaign for those whom another did not reach is for them alone; two who change one campaign at once do not overwrite each other.
func TestUnreached(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 300, nil)
		w.sink.Close()
		w.listen(&smtptest.Sink{Keep: true, Answer: func(cmd string, e smtptest.Envelope) string {
			if strings.HasPrefix(cmd, "RCPT") && (e.To == address(1) || e.To == address(290)) {
				return "550 5.1.1 nobody"
			}
			return ""
		}})
		w.Mailer.Relays[0].Address = w.relay
		c := w.started(nil, Rates{})
		w.work()
		w.done(c.ID)
		_, tok, _ := strings.Cut(strings.TrimSuffix(w.froms[0], "@bounce.example.jp"), "+")
		if x, err := w.Bounced(t.Context(), actor.Server(), tok, Outcome{State: Bounced, Reason: "mailboxfull"}); err != nil || x.State != Bounced {
			t.Fatal(x, err)
		}
		d := w.draft(func(s *Spec) { s.Unreached = c.ID }, Rates{})
		if n := w.now(d.ID); n.Total() != 3 || n[Pending] != 3 {
			t.Error(n.Names())
		}
		s := spec()
		s.Unreached = "c-none"
		if _, err := w.Create(t.Context(), actor.Operator(), s, Rates{}, time.Time{}); !errors.Is(err, ErrInput) {
			t.Error(err)
		}
		seen, err := w.Get(t.Context(), actor.Operator(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Change(t.Context(), actor.Operator(), d.ID, Change{Version: seen.Version, Rates: &Rates{PerSecond: 5}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Change(t.Context(), actor.Operator(), d.ID, Change{Version: seen.Version, Rates: &Rates{PerSecond: 9}}); !errors.Is(err, ErrStale) {
			t.Error(err)
		}
		if now, err := w.Get(t.Context(), actor.Operator(), d.ID); err != nil || now.Rates.PerSecond != 5 || now.Version != seen.Version+1 {
			t.Error(now, err)
		}
		if err := w.SetRates(t.Context(), actor.Operator(), c.ID, Rates{}); !errors.Is(err, ErrState) {
			t.Error(err)
		}
		before, err := w.Versions(t.Context())
		if err != nil || len(before) != 1 {
			t.Fatal(before, err)
		}
		if err := w.Cancel(t.Context(), actor.Operator(), d.ID, "x"); err != nil {
			t.Fatal(err)
		}
		if after, err := w.Versions(t.Context()); err != nil || after["loss-2026"] == before["loss-2026"] {
			t.Error(after, err)
		}
	})
}

// What refers to a fact that is not known any more is not approved; and a fact puts no line into the head of a mail.
func TestFactsAtApproval(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, nil)
		known := w.Incident
		said := func(change func(*incident.Fact)) {
			w.Incident = func(ctx context.Context, id string) (incident.Incident, error) {
				in, err := known(ctx, id)
				in.Facts = slices.Clone(in.Facts)
				in.Facts = slices.DeleteFunc(in.Facts, func(f incident.Fact) bool { return f.Key == "organisation" && change == nil })
				for i := range in.Facts {
					if in.Facts[i].Key == "organisation" {
						change(&in.Facts[i])
					}
				}
				return in, err
			}
		}
		c := w.draft(func(s *Spec) { s.Subject = language.Both("{{organisation}}から", "From {{organisation}}") }, Rates{})
		said(nil)
		if _, err := w.Plan(t.Context(), actor.Operator(), "loss-2026", Asked{Campaign: c.ID, Despite: "x"}); !errors.Is(err, incident.ErrNotice) {
			t.Errorf("a text that refers to what is not known: %v", err)
		}
		if err := w.Start(t.Context(), actor.Operator(), c.ID, "x"); !errors.Is(err, incident.ErrNotice) || w.state(c.ID) != Draft {
			t.Errorf("it is begun: %v", err)
		}
		said(func(f *incident.Fact) {
			f.Value.Text = language.Same("x\r\nBcc: x@y.example\r\n\r\nx")
		})
		if err := w.Start(t.Context(), actor.Operator(), c.ID, ""); err != nil {
			t.Fatal(err)
		}
		w.work()
		w.done(c.ID)
		if len(w.mails) == 0 {
			t.Fatal("no mail")
		}
		for _, m := range w.mails {
			head, _, _ := strings.Cut(m, "\r\n\r\n")
			if strings.Contains(strings.ToLower(head), "\nbcc:") || !strings.Contains(head, "\r\nTo: ") {
				t.Errorf("a fact writes into the mail:\n%s", m)
			}
		}
	})
}

// Of what is not public yet there is no mail, and it says what is missing.
func TestNotPublic(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 3, nil)
		w.Incident = func(context.Context, string) (incident.Incident, error) {
			return incident.Incident{}, incident.ErrNotFound
		}
		if _, err := w.Create(t.Context(), actor.Operator(), spec(), Rates{}, time.Time{}); !errors.Is(err, ErrInput) || errors.Is(err, incident.ErrNotFound) || !strings.Contains(hint.Of(err), "publish") {
			t.Error(err, hint.Of(err))
		}
	})
}
