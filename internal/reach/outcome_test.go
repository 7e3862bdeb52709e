package reach

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

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
		for range len(waits) + 1 { // past the whole schedule
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

// TestSummed: a page that many look at reads the roster once, until somebody does something; whoever does not see the case hears that there is none.
func TestSummed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		reads := 0
		h := newHousehold(t, db, 40, func(rooms *Rooms) {
			rooms.Elsewhere = func(context.Context, string) (Elsewhere, error) { reads++; return nil, nil }
		})
		h.mailed(3)
		by := actor.Operator()
		reads = 0
		first := must(h.Summed(t.Context(), by, "loss-2026"))(t)
		h.summaries.at("loss-2026").until = time.Now().Add(time.Hour) // however quick it was
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if s, err := h.Summed(t.Context(), by, "loss-2026"); err != nil || s != first {
					t.Errorf("%p, %v", s, err)
				}
			})
		}
		all.Wait()
		if reads != 1 || first.Total == 0 {
			t.Errorf("the roster was read %d times, %+v", reads, first)
		}
		must(h.Substitute(t.Context(), by, Measure{Incident: "loss-2026", Kind: Page, On: h.Now().UTC().Format(time.DateOnly), Reference: "https://example.jp/notice"}))(t)
		if s := must(h.Summed(t.Context(), by, "loss-2026"))(t); s == first || len(s.Measures) != 1 || s.Substituted == 0 {
			t.Errorf("what was done since is not in it: %+v", s)
		}
		h.summaries.at("loss-2026").until = time.Time{}
		at := reads
		must(h.Summed(t.Context(), by, "loss-2026"))(t)
		if reads == at {
			t.Error("it is never worked out again")
		}
		if _, err := h.Summed(t.Context(), actor.Staff(actor.Member{ID: "p1", Roles: []actor.Role{actor.Commander}}, "console"), "loss-2026"); !errors.Is(err, ErrNotFound) {
			t.Errorf("somebody else's case: %v", err)
		}
	})
}
