package reach

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// Everybody gets one mail, in their language, with what was exposed of them.
func TestSend(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 700, nil)
		c := w.started(nil, Rates{})
		w.work()
		w.done(c.ID)
		if n := w.now(c.ID); n[HandedOver] != 700 || n.Total() != 700 {
			t.Fatalf("%v", n.Names())
		}
		if len(w.taken) != 700 || w.total() != 700 {
			t.Fatalf("%d addresses, %d mails", len(w.taken), w.total())
		}
		for _, a := range addresses(700) {
			path, err := smtp.Path(a)
			if err != nil || w.taken[path] != 1 {
				t.Errorf("%s got %d", a, w.taken[path])
			}
		}
		x, err := w.Mailed(t.Context(), "<"+messageID(w.mails[0])+">")
		if err != nil || x.State != HandedOver || x.Campaign != c.ID {
			t.Errorf("%+v, %v", x, err)
		}
		entries, err := w.Journal(t.Context(), actor.Operator(), c.ID, x.Ordinal)
		if err != nil || len(entries) != 1 || entries[0].Said != "250 2.0.0 queued" || entries[0].State != HandedOver {
			t.Errorf("%+v, %v", entries, err)
		}
		if events, err := w.Events(t.Context(), actor.Operator(), c.ID); err != nil || len(events) != 3 {
			t.Errorf("%+v, %v", events, err)
		}
	})
}

func TestPreview(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 30, nil)
		c := w.draft(func(s *Spec) { s.Link = "https://notice.example.jp/r/"; s.Text.JA += "\n{{you.link}}\n" }, Rates{PerSecond: 10, RampUp: Span(4 * time.Second)})
		p, err := w.Preview(t.Context(), actor.Operator(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Contents) != 4 || p.Duration != 5*time.Second || p.By != "rate" || p.Counts[Pending] != 30 {
			t.Errorf("%d texts, %v by %s", len(p.Contents), p.Duration, p.By)
		}
		ja := p.Contents[slices.IndexFunc(p.Contents, func(x PreviewText) bool { return x.Lang == language.JA && len(x.Exposed) == 2 })]
		for _, want := range []string{"■ お詫びとお知らせ\n\n株式会社例示です。2026年11月18日", "loss-2026-1", "https://notice.example.jp をご自分で", "https://notice.example.jp/r/…", "ニックネーム"} {
			if !strings.Contains(ja.Text, want) {
				t.Errorf("no %q in\n%s", want, ja.Text)
			}
		}
		if !strings.Contains(ja.HTML, `<html lang="ja">`) || !strings.Contains(ja.HTML, "<h1>お詫びとお知らせ</h1>") || strings.Contains(ja.HTML, "<img") || strings.Contains(ja.HTML, "http-equiv") {
			t.Error(ja.HTML)
		}
	})
}

// What cannot be a campaign is refused with its place.
func TestRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 30, nil)
		for name, c := range map[string]struct {
			change func(*Spec)
			want   string
		}{
			"an unknown fact":     {func(s *Spec) { s.Text.JA = "x\n{{affected.sum}}" }, "text.ja:2:1"},
			"a fact that is not":  {func(s *Spec) { s.Text.EN = "{{cause}}" }, "text.en:1:1"},
			"no link":             {func(s *Spec) { s.Text.JA = "{{you.link}}" }, "text.ja"},
			"nothing of them":     {func(s *Spec) { s.Subject.JA = "{{you.exposed}}" }, "subject.ja"},
			"a line in a subject": {func(s *Spec) { s.Subject.EN = "a\nBcc: x@y.example" }, ""},
			"a sender":            {func(s *Spec) { s.From.Address = "a@b.example\r\nX: y" }, "from.address"},
			"a condition":         {func(s *Spec) { s.Needs = []string{"luck"} }, "luck"},
			"nobody":              {func(s *Spec) { s.Locales = []string{"fr"} }, "nobody"},
			"a class":             {func(s *Spec) { s.Classes = []string{"soul"} }, "soul"},
			"a script":            {func(s *Spec) { s.Link = "javascript:alert(1)" }, "link"},
		} {
			s := spec()
			c.change(&s)
			got, err := w.Create(t.Context(), actor.Operator(), s, Rates{}, time.Time{})
			if name == "a line in a subject" && err == nil { // it stands on one line then
				f, err := got.frozenNow(t.Context(), w.Reach)
				if err == nil {
					_, err = w.outgoing(got, f)
				}
				if err == nil {
					t.Error("a subject of two lines is sent")
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.Create(t.Context(), actor.Actor{}, spec(), Rates{}, time.Time{}); !errors.Is(err, actor.ErrNobody) {
			t.Error(err)
		}
		stranger := actor.Staff(actor.Member{ID: "p1", Roles: []actor.Role{actor.Commander}}, "console")
		if _, err := w.Create(t.Context(), stranger, spec(), Rates{}, time.Time{}); err == nil {
			t.Error("a stranger to the case makes a campaign")
		}
		c := w.draft(nil, Rates{})
		if _, err := w.Get(t.Context(), stranger, c.ID); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		for name, do := range map[string]error{
			"start": w.Start(t.Context(), stranger, c.ID, ""), "pause": w.Pause(t.Context(), stranger, c.ID, ""), "cancel": w.Cancel(t.Context(), stranger, c.ID, ""),
			"rates": w.SetRates(t.Context(), stranger, c.ID, Rates{}), "test": w.Test(t.Context(), stranger, c.ID, []string{"a@b.example"}),
		} {
			if !errors.Is(do, ErrNotFound) {
				t.Errorf("%s by a stranger: %v", name, do)
			}
		}
		reader := actor.Staff(actor.Member{ID: "p2", Roles: []actor.Role{actor.Auditor}}, "console")
		if err := w.Start(t.Context(), reader, c.ID, ""); !errors.Is(err, actor.ErrRole) {
			t.Error(err)
		}
	})
}

func (c *Campaign) frozenNow(ctx context.Context, r *Reach) (*frozen, error) {
	f, _, err := r.texts(ctx, c)
	return f, err
}

func TestAudience(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 300, func(r *Rooms) {
			r.Filters = map[string]Filter{"not-reset": func(_ context.Context, _ string, m roster.Member) (bool, error) {
				return !strings.HasSuffix(m.Accounts[0], "1"), nil
			}}
			r.Suppressed = func(_ context.Context, of string) (func(string) bool, error) {
				return func(a string) bool { return of == "loss-2026" && a == address(2) }, nil
			}
		})
		c := w.started(func(s *Spec) {
			s.Locales = []string{"ja", "en"}
			s.Classes = []string{"nickname"}
			s.Only = []string{"not-reset"}
		}, Rates{})
		want := 0
		for i := range 300 {
			if i%2 == 1 && i%3 != 2 && i%10 != 1 {
				want++
			}
		}
		w.work()
		w.done(c.ID)
		if n := w.now(c.ID); n.Total() != int64(want) || w.total() != want {
			t.Errorf("%v, %d mails, want %d", n.Names(), w.total(), want)
		}
		c = w.started(nil, Rates{})
		w.done(c.ID)
		if n := w.now(c.ID); n[Substitute] != 1 || n[HandedOver] != 299 || w.taken[address(2)] != 0 {
			t.Errorf("%v", n.Names())
		}
	})
}

// What one receiver or recipient is refused holds up nobody else, and is told apart.
func TestOutcomes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var clock atomic.Int64
		w := newWorld(t, db, 400, func(r *Rooms) {
			r.Now = func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
		})
		var grey atomic.Bool
		grey.Store(true)
		w.sink.Close()
		broken := address(11)
		w.listen(&smtptest.Sink{Keep: true, Answer: func(cmd string, e smtptest.Envelope) string {
			switch {
			case strings.HasPrefix(cmd, "RCPT") && e.To == address(1):
				return "450 4.2.0 come back later"
			case strings.HasPrefix(cmd, "RCPT") && e.To == address(2) && grey.Load():
				return "454 4.7.0 greylisted"
			case strings.HasPrefix(cmd, "RCPT") && e.To == address(3):
				return "550 5.1.1 nobody <" + e.To + ">"
			case strings.HasPrefix(cmd, "RCPT") && e.To == address(4):
				return "550 5.7.1 policy"
			case strings.HasPrefix(cmd, "RCPT") && e.To == broken:
				return "hang up"
			case cmd == "." && e.To == address(5):
				return "hang up"
			case cmd == "." && e.To == address(6):
				return "552 5.2.2 full"
			}
			return ""
		}})
		w.Mailer.Relays[0].Address = w.relay
		c := w.started(nil, Rates{})
		w.work()
		w.until("all are told but for those", func() bool { n := w.now(c.ID); return n[Pending]+n[Intended] == 0 })
		n := w.now(c.ID)
		if n[HandedOver] != 393 || n[Deferred] != 4 || n[Refused] != 2 || n[Unknown] != 1 {
			t.Fatalf("%v", n.Names())
		}
		grey.Store(false)
		for i := range len(waits) + 1 { // past the whole schedule
			clock.Add(int64(13 * time.Hour))
			w.until("the next try", func() bool {
				left := 0
				if err := w.Each(t.Context(), actor.Operator(), c.ID, []State{Deferred}, func(x Recipient, _ string) error {
					if x.Due.Before(w.Now()) {
						left++
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				n := w.now(c.ID)
				return left+int(n[Intended]+n[Pending]) == 0
			})
			_ = i
		}
		n = w.now(c.ID)
		if n[HandedOver] != 394 || n[Deferred] != 0 || n[Refused] != 5 || n[Unknown] != 1 || w.state(c.ID) != Running {
			t.Fatalf("%v %s", n.Names(), w.state(c.ID))
		}
		reasons := map[string]int{}
		if err := w.Each(t.Context(), actor.Operator(), c.ID, []State{Refused, Unknown}, func(x Recipient, id string) error {
			reasons[x.Reason]++
			got, err := w.Mailed(t.Context(), id)
			got.Token = ""
			if err != nil || got != x {
				t.Errorf("%+v is %+v, %v", x, got, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(reasons) != "map[expired:1 interrupted:1 mailboxfull:1 networkerror:1 policyviolation:1 userunknown:1]" {
			t.Error(reasons)
		}
	})
}

// A receiver whose refusals of us rise is not sent to for a while, and the others are.
func TestReceiverPaused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var clock atomic.Int64
		const all = 10 * maxInFlight // many more than are under way before the first refusal is heard of
		w := newWorld(t, db, all, func(r *Rooms) {
			r.Now = func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
		})
		var refuse atomic.Bool
		refuse.Store(true)
		var asked atomic.Int64
		w.sink.Answer = nil
		w.sink.Close()
		w.listen(&smtptest.Sink{Keep: true, Answer: func(cmd string, e smtptest.Envelope) string {
			if strings.HasPrefix(cmd, "RCPT") && strings.HasSuffix(e.To, "@b.example") && refuse.Load() {
				asked.Add(1)
				return "550 5.7.1 too much from you"
			}
			return ""
		}})
		w.Mailer.Relays[0].Address = w.relay
		c := w.started(nil, Rates{})
		w.work()
		w.until("the others are told", func() bool {
			n := w.now(c.ID)
			return n[Intended] == 0 && n[HandedOver] == int64(all-count("@b.example", all))
		})
		if n := asked.Load(); n < manyPolicy || n == int64(count("@b.example", all)) {
			t.Errorf("it was asked %d times", n)
		}
		got, err := w.Receivers(t.Context(), actor.Operator(), c.ID)
		if err != nil || len(got) != 1 || got[0].Domain != "b.example" || got[0].Said != "550 5.7.1 too much from you" {
			t.Errorf("%+v, %v", got, err)
		}
		refuse.Store(false)
		clock.Add(int64(9 * time.Hour))
		w.done(c.ID)
		if n := w.now(c.ID); n[HandedOver] != all || w.total() != all {
			t.Errorf("%v", n.Names())
		}
	})
}

func count(domain string, n int) (k int) {
	for i := range n {
		if strings.HasSuffix(address(i), domain) {
			k++
		}
	}
	return k
}

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
			return err == nil && c.Why == "reset: it is closed"
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
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 20_000, func(r *Rooms) { r.Lease = time.Minute })
		other, err := New(t.Context(), w.Rooms)
		if err != nil {
			t.Fatal(err)
		}
		c := w.started(nil, Rates{})
		w.work()
		workOf(t, other)
		w.done(c.ID)
		if w.total() != 20_000 || len(w.taken) != 20_000 {
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
		if due, _, err := w.claim(t.Context(), c, 0, seal); err != nil || len(due) != 2 {
			t.Fatal(due, err)
		}
		wr := &writer{r: w.Reach, c: c, seal: seal}
		o := &order{intents: []int64{0, 1, 2}}
		if err := wr.write(t.Context(), []*order{o}); err != nil || !slices.Equal(o.granted, []bool{true, true, true}) {
			t.Fatal(o.granted, err)
		}
		other := *w.Reach
		other.holder = "other"
		if _, _, err := other.claim(t.Context(), c, 0, seal); err != nil { // the lease has no length here
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

func TestBounced(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 30, nil)
		c := w.started(nil, Rates{})
		w.work()
		w.done(c.ID)
		of := func(i int) string {
			local, _, _ := strings.Cut(strings.Trim(w.froms[i], "<>"), "@")
			return local[strings.LastIndexByte(local, '+')+1:]
		}
		tok := of(0)
		for _, form := range []string{tok, "b+" + tok + "@bounce.example.jp", strings.ToUpper(tok)} {
			x, err := w.Bounced(t.Context(), actor.Operator(), form, Outcome{State: Bounced, Reason: "userunknown", Said: "550 nobody"})
			if err != nil || x.State != Bounced || x.Reason != "userunknown" {
				t.Errorf("%s: %+v, %v", form, x, err)
			}
		}
		if x, err := w.Bounced(t.Context(), actor.Operator(), tok, Outcome{State: Accepted}); err != nil || x.State != Bounced {
			t.Errorf("%+v, %v", x, err)
		}
		entries, err := w.Journal(t.Context(), actor.Operator(), c.ID, 0)
		if err != nil || len(entries) == 0 {
			t.Error(entries, err)
		}
		other := of(1)
		found, err := w.Addresses(t.Context(), actor.Operator(), []string{tok, other, "nobody's"})
		if err != nil || len(found) != 2 || !strings.Contains(w.mails[0], "To: "+must(smtp.Path(found[tok]))(t)+"\r\n") || !strings.Contains(w.mails[1], "To: "+must(smtp.Path(found[other]))(t)+"\r\n") {
			t.Errorf("%v, %v", found, err)
		}
		if _, err := w.Addresses(t.Context(), actor.Actor{}, []string{tok}); !errors.Is(err, actor.ErrNobody) {
			t.Error(err)
		}
		// Whoever is quoted a Message-ID cannot make up the address that the mail comes back to, nor the other way round.
		id := messageID(w.mails[1])
		quoted := strings.TrimPrefix(strings.SplitN(id, "@", 2)[0], "m.")
		if x, err := w.Mailed(t.Context(), id); err != nil || x.Token != other {
			t.Errorf("%+v, %v", x, err)
		}
		for _, forged := range []string{id, quoted, "b+" + quoted + "@bounce.example.jp"} {
			if _, err := w.Recipient(t.Context(), forged); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", forged, err)
			}
			if _, err := w.Bounced(t.Context(), actor.Operator(), forged, Outcome{State: Bounced}); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", forged, err)
			}
			if found, err := w.Addresses(t.Context(), actor.Operator(), []string{forged}); err != nil || len(found) != 0 {
				t.Errorf("%s: %v, %v", forged, found, err)
			}
		}
		if _, err := w.Mailed(t.Context(), "m."+other+"@example.jp"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		wrong := []byte(tok)
		wrong[len(wrong)-2] ^= 1
		for _, bad := range []string{"", "x", string(wrong), strings.Repeat("a", 26), "<a@b.example>", strings.Repeat("x", 5000)} {
			if _, err := w.Bounced(t.Context(), actor.Operator(), bad, Outcome{State: Bounced}); !errors.Is(err, ErrNotFound) {
				t.Errorf("%.20q: %v", bad, err)
			}
		}
		if _, err := w.Bounced(t.Context(), actor.Operator(), tok, Outcome{State: Pending}); !errors.Is(err, ErrInput) {
			t.Error(err)
		}
		if _, err := w.Bounced(t.Context(), actor.Actor{}, tok, Outcome{State: Bounced}); !errors.Is(err, actor.ErrNobody) {
			t.Error(err)
		}
	})
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
