package watchers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
)

// domain has a domain asked for, and gives its owner's link.
func (w *world) domainLink(domain, contact string) string {
	w.t.Helper()
	if err := w.AskDomain(w.t.Context(), language.JA, domain, contact); err != nil {
		w.t.Fatal(err)
	}
	l := w.mails(1)[contact]
	if l.off != "" || !strings.Contains(l.text, strings.ToLower(domain)) {
		w.t.Errorf("%+v", l)
	}
	return linked(w.t, l.text, "domain/")
}

func (w *world) affected(tok string, want ...string) {
	w.t.Helper()
	found, err := w.Affected(w.t.Context(), tok)
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, x := range found {
		got = append(append(got, x.Incident), x.Addresses...)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("%q, want %q", got, want)
	}
}

// TestDomain: a domain's addresses are shown to whoever has confirmed the mailbox and shown that the domain is theirs, as long as both a
// proof and a roster last, and never those of what is sensitive; every look is written down.
func TestDomain(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.publish("shop", "final", 0, false, "b@corp.example.jp", "a@corp.example.jp", "a@mail.corp.example.jp", "a@xcorp.example.jp", "one@example.com")
		w.publish("clinic", "by-mail", 0, true, "a@corp.example.jp")
		w.turn()
		tok := w.domainLink("CORP.example.jp", "taro@elsewhere.example")
		refused := func(when string) {
			t.Helper()
			if _, err := w.Affected(t.Context(), tok); !errors.Is(err, ErrNotProven) && !errors.Is(err, ErrLink) {
				t.Errorf("%s it is shown: %v", when, err)
			}
		}
		refused("before the mailbox has confirmed")
		d, err := w.Domain(t.Context(), tok)
		if err != nil || d.State != "asked" || d.Name() != "_shirase-watch.corp.example.jp" || !strings.HasPrefix(d.Record(), "shirase-watch=") || d.File() != "https://corp.example.jp/.well-known/shirase-watch.txt" {
			t.Fatalf("%+v, %v", d, err)
		}
		w.shown["corp.example.jp "+d.Record()] = "dns"
		if err := w.ProveDomain(t.Context(), tok); !errors.Is(err, ErrNotProven) || w.asked != 0 {
			t.Errorf("before the mailbox has confirmed, the domain was asked: %v", err)
		}
		delete(w.shown, "corp.example.jp "+d.Record())
		if err := w.ConfirmDomain(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		refused("without a proof")
		if err := w.ProveDomain(t.Context(), tok); !errors.Is(err, ErrNotProven) {
			t.Errorf("without a proof: %v", err)
		}
		w.shown["corp.example.jp "+d.Record()] = "dns"
		if err := w.ProveDomain(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		w.affected(tok, "shop", "a@corp.example.jp", "b@corp.example.jp")

		// It is looked at again before it ends, and goes on.
		w.clock = w.clock.Add(provenFor - time.Hour)
		w.turn()
		w.clock = w.clock.Add(2 * time.Hour)
		w.affected(tok, "shop", "a@corp.example.jp", "b@corp.example.jp")
		// What is not shown any more ends.
		w.shown = map[string]string{}
		w.clock = w.clock.Add(provenFor)
		refused("when the proof is over")
		if l := w.mails(1)["taro@elsewhere.example"]; !strings.Contains(l.text, "あらためて") {
			t.Errorf("%+v", l)
		}
		refused("when it has lapsed")
		w.shown["corp.example.jp "+d.Record()] = "file"
		if err := w.ProveDomain(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		w.affected(tok, "shop", "a@corp.example.jp", "b@corp.example.jp")
		log := func(want ...string) {
			t.Helper()
			d, err := w.Domain(t.Context(), tok)
			if err != nil {
				t.Fatal(err)
			}
			var log []string
			for _, l := range d.Log {
				log = append(log, strings.TrimSpace(l.What+" "+l.Of))
			}
			slices.Reverse(log)
			if !slices.Equal(log, want) {
				t.Errorf("%q, want %q", log, want)
			}
		}
		log("asked", "confirmed", "proven-dns", "looked shop", "proven-dns", "looked shop", "lapsed", "proven-file", "looked shop")
		if c, err := w.OfCase(t.Context(), "shop"); err != nil || c.Looked != 3 {
			t.Errorf("%+v, %v", c, err)
		}
		if err := w.Rosters.Shred(t.Context(), actor.Operator(), "shop"); err != nil {
			t.Fatal(err)
		}
		w.affected(tok)
		// That the domain had addresses in the case goes with its key; that its owner has looked stays.
		log("asked", "confirmed", "proven-dns", "looked", "proven-dns", "looked", "lapsed", "proven-file", "looked", "looked")
		if _, err := w.DB.ExecContext(t.Context(), `UPDATE watchers_domain_log SET incident = 'shop' WHERE what = 'looked' AND n < 5`); err != nil { // as an earlier version wrote it
			t.Fatal(err)
		}
		if err := Forget(t.Context(), w.DB, w.Rosters); err != nil {
			t.Fatal(err)
		}
		log("asked", "confirmed", "proven-dns", "looked", "proven-dns", "looked", "lapsed", "proven-file", "looked", "looked")
		if n := w.rows(`SELECT count(*) FROM watchers_domain_log WHERE incident <> ''`); n != 0 {
			t.Errorf("%d lines say that a domain had addresses in a case that was shredded", n)
		}
		if err := w.RevokeDomain(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		refused("when it was revoked")
		for _, bad := range []string{"", tok[1:], strings.Repeat("a", 80), w.link(toConfirm, []byte(d.id))} {
			if _, err := w.Affected(t.Context(), bad); !errors.Is(err, ErrLink) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
}

// TestRoleMailbox: whoever reads a mailbox that only a domain's runner reads has shown it by that; of another domain, or another
// mailbox, that is no proof.
func TestRoleMailbox(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.publish("shop", "final", 0, false, "a@corp.example.jp")
		w.turn()
		tok := w.domainLink("corp.example.jp", "postmaster@corp.example.jp")
		if err := w.ConfirmDomain(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		w.affected(tok, "shop", "a@corp.example.jp")
		for _, contact := range []string{"postmaster@mail.corp.example.jp", "a@corp.example.jp", "postmasters@corp.example.jp"} {
			tok := w.domainLink("corp.example.jp", contact)
			if err := w.ConfirmDomain(t.Context(), tok); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Affected(t.Context(), tok); !errors.Is(err, ErrNotProven) {
				t.Errorf("%s: %v", contact, err)
			}
		}
		// It is asked again before it ends, and then it ends.
		w.clock = w.clock.Add(provenFor - time.Hour)
		if l := w.mails(1)["postmaster@corp.example.jp"]; l.text == "" {
			t.Errorf("%+v", w.sent)
		}
		w.clock = w.clock.Add(2 * time.Hour)
		w.turn()
		if _, err := w.Affected(t.Context(), tok); !errors.Is(err, ErrNotProven) {
			t.Errorf("a proof that is over: %v", err)
		}
		if err := w.EndDomain(t.Context(), "corp.example.jp"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Domain(t.Context(), tok); !errors.Is(err, ErrLink) {
			t.Errorf("the operator has ended it: %v", err)
		}
	})
}

// TestDomainRefused: what is no domain of anybody's is refused, and where domains are not watched nothing of it is there.
func TestDomainRefused(t *testing.T) {
	eachWorld(t, func(w *world) {
		for _, bad := range []string{"", "jp", "co.jp", "127.0.0.1", "localhost", "a b.example.jp", "example.jp/x", "example.jp:25", "http://example.jp", strings.Repeat("a.", 150) + "jp", "-x.example.jp", "@example.jp"} {
			if err := w.AskDomain(t.Context(), language.JA, bad, "a@example.com"); !errors.Is(err, ErrDomain) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		w.Shows = nil
		if err := w.AskDomain(t.Context(), language.JA, "example.jp", "a@example.com"); !errors.Is(err, ErrDomain) {
			t.Errorf("not watched here: %v", err)
		}
	})
}

// TestDomainNews: a domain's owner is told how many of its addresses a new incident includes, once, and never which; nobody is told of what is sensitive,
// of another domain, without a proof that lasts, or where the roster is gone.
func TestDomainNews(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.turn()
		const owner = "postmaster@corp.example.jp"
		tok := w.domainLink("corp.example.jp", owner)
		w.publish("early", "final", 0, false, "a@corp.example.jp")
		w.mails(0) // nothing is proven yet
		if err := w.ConfirmDomain(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		w.mails(0)
		w.publish("clinic", "by-mail", 0, true, "a@corp.example.jp")
		w.publish("elsewhere", "final", 0, false, "a@mail.corp.example.jp", "a@example.com")
		w.mails(0)
		w.publish("shop", "final", 0, false, "b@corp.example.jp", "a@corp.example.jp", "a@mail.corp.example.jp")
		l := w.mails(1)[owner]
		if !strings.Contains(l.text, "2件") || !strings.Contains(l.text, "/watch/domain/"+tok) || strings.Contains(strings.ReplaceAll(l.text, tok, ""), "@") {
			t.Errorf("%+v", l)
		}
		w.mails(0)
		w.affected(tok, "early", "a@corp.example.jp", "shop", "a@corp.example.jp", "b@corp.example.jp")
		w.clock = w.clock.Add(provenFor + time.Hour) // the proof is over
		w.publish("late", "final", 0, false, "a@corp.example.jp")
		for _, l := range w.mails(1) { // that it has to be shown again
			if strings.Contains(l.text, "件含まれて") {
				t.Errorf("told without a proof: %q", l.text)
			}
		}
		if err := w.ConfirmDomain(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		w.publish("gone", "final", 0, false, "a@corp.example.jp")
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Match(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Rosters.Shred(t.Context(), actor.Operator(), "gone"); err != nil {
			t.Fatal(err)
		}
		w.mails(0)
	})
}

// TestNoAnswer: a domain whose name servers never answer keeps no other one waiting, and its own place no longer than any.
func TestNoAnswer(t *testing.T) {
	eachWorld(t, func(w *world) {
		shows, silent := w.Shows, false
		w.Shows = func(ctx context.Context, p Proof) (string, error) {
			if silent && p.Domain == "silent.example.jp" {
				return "", errors.New("no answer")
			}
			return shows(ctx, p)
		}
		for _, name := range []string{"silent.example.jp", "corp.example.jp"} {
			if err := w.ConfirmDomain(t.Context(), w.domainLink(name, "taro@"+name[:4]+".elsewhere.example")); err != nil {
				t.Fatal(err)
			}
		}
		states := func() map[string]string {
			t.Helper()
			out := map[string]string{}
			all, err := w.DomainList(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range all {
				out[d.Domain] = d.State
				w.shown["corp.example.jp "+d.Record()] = "dns"
			}
			return out
		}
		states()
		silent, w.clock = true, w.clock.Add(13*time.Hour)
		if err := w.keepAndTell(t.Context()); err == nil {
			t.Error("nobody hears that it could not be looked for")
		}
		if got := states(); got["silent.example.jp"] != "waiting" || got["corp.example.jp"] != "proven" {
			t.Errorf("%v", got)
		}
		w.clock = w.clock.Add(proveWithin + time.Hour)
		if err := w.keepAndTell(t.Context()); err != nil {
			t.Error(err)
		}
		if got := states(); got["silent.example.jp"] != "" || got["corp.example.jp"] != "proven" {
			t.Errorf("after its time: %v", got)
		}
	})
}

// keepAndTell looks after domains, and tells their owners.
func (w *Watchers) keepAndTell(ctx context.Context) error {
	return errors.Join(w.KeepDomains(ctx), w.tellOwners(ctx))
}

// TestTarpits: domains whose servers never answer are looked for few at a time, ever less often, and never while somebody is told something.
func TestTarpits(t *testing.T) {
	eachWorld(t, func(w *world) {
		const many = 20
		for i := range many + 1 {
			if err := w.AskDomain(w.t.Context(), language.JA, fmt.Sprintf("d%02d.example.jp", i), fmt.Sprintf("taro%d@elsewhere.example", i)); err != nil {
				w.t.Fatal(err)
			}
		}
		w.turn()
		all, err := w.DomainList(w.t.Context())
		if err != nil || len(all) != many+1 {
			w.t.Fatal(len(all), err)
		}
		for _, d := range all {
			if err := w.ConfirmDomain(w.t.Context(), w.link(toDomain, []byte(d.id))); err != nil {
				w.t.Fatal(err)
			}
		}
		var mu sync.Mutex
		now, most, looks, good := 0, 0, 0, false
		full := make(chan struct{})
		w.Shows = func(ctx context.Context, p Proof) (string, error) {
			if p.Domain == "d20.example.jp" {
				mu.Lock()
				defer mu.Unlock()
				good = true
				return "dns", nil
			}
			mu.Lock()
			now, looks = now+1, looks+1
			most = max(most, now)
			if now == looksAtOnce-1 && full != nil {
				close(full)
				full = nil
			}
			wait := full
			mu.Unlock()
			if _, ends := ctx.Deadline(); !ends {
				w.t.Error("a look has no end")
			}
			if wait != nil && looks < looksAtOnce {
				<-wait
			}
			mu.Lock()
			now--
			mu.Unlock()
			return "", errors.New("no answer")
		}
		w.clock = w.clock.Add(time.Minute)
		if err := w.Turn(w.t.Context()); err != nil || looks != 0 {
			w.t.Errorf("whoever is told waits for %d looks: %v", looks, err)
		}
		if err := w.KeepDomains(w.t.Context()); err == nil || looks != many || !good || most > looksAtOnce || most < looksAtOnce-1 {
			w.t.Errorf("%d looks, %d at a time, the one that answers %t: %v", looks, most, good, err)
		}
		pauses := []time.Duration{}
		for last := w.clock; len(pauses) < 5; {
			w.clock = w.clock.Add(time.Minute)
			before := looks
			_ = w.KeepDomains(w.t.Context())
			if looks > before {
				pauses, last = append(pauses, w.clock.Sub(last)), w.clock
			}
			if w.clock.Sub(last) > 13*time.Hour {
				w.t.Fatalf("it is not looked again: %v", pauses)
			}
		}
		if want := []time.Duration{2 * time.Minute, 8 * time.Minute, 32 * time.Minute, 128 * time.Minute, 512 * time.Minute}; !slices.Equal(pauses, want) {
			w.t.Errorf("%v, want %v", pauses, want)
		}
	})
}

// news has an incident be published with so many addresses of a domain, and gives what its owner is mailed.
func (w *world) news(id string, n int) (out []letterbox) {
	w.t.Helper()
	w.clock = w.clock.Add(time.Hour)
	addresses := []string{fmt.Sprintf("x.%d@example.com", w.clock.Unix())}
	for i := range n {
		addresses = append(addresses, fmt.Sprintf("p%d.%d@corp.example.jp", i, w.clock.Unix()))
	}
	w.publish(id, "final", 0, false, addresses...)
	w.sent = nil
	w.turn()
	return w.sent
}

// TestNewest: a number that was told before is news where another one was told since.
func TestNewest(t *testing.T) {
	eachWorld(t, func(w *world) {
		tok := w.domainLink("corp.example.jp", "postmaster@corp.example.jp")
		if err := w.ConfirmDomain(w.t.Context(), tok); err != nil {
			w.t.Fatal(err)
		}
		for i, n := range []int{2, 3, 2, 2, 1} {
			got := w.news("shop", n)
			if i == 3 {
				if len(got) != 0 {
					w.t.Errorf("the same number again: %+v", got)
				}
				continue
			}
			if len(got) != 1 || !strings.Contains(got[0].text, fmt.Sprintf("%d件", n)) {
				w.t.Errorf("%d: %+v", n, got)
			}
		}
		if howMany(1, "x.jp") != "1 address of the domain x.jp is affected" || howMany(2, "x.jp") != "2 addresses of the domain x.jp are affected" {
			t.Error(howMany(1, "x.jp"), howMany(2, "x.jp"))
		}
		// What has not left when another number is known leaves no more.
		w.refuse = func(string) string { return "451 later" }
		w.news("shop", 4)
		w.refuse = nil
		if got := w.news("shop", 5); len(got) != 1 || !strings.Contains(got[0].text, "5件") {
			w.t.Errorf("%+v", got)
		}
		// It goes with the case.
		if err := w.Rosters.Shred(w.t.Context(), actor.Operator(), "shop"); err != nil {
			w.t.Fatal(err)
		}
		if err := Forget(w.t.Context(), w.DB, w.Rosters); err != nil {
			w.t.Fatal(err)
		}
		var left int
		if err := w.DB.QueryRowContext(w.t.Context(), `SELECT count(*) FROM watchers_domain_news`).Scan(&left); err != nil || left != 0 {
			w.t.Errorf("%d stay of a shredded case: %v", left, err)
		}
	})
}

// TestNoneAnyMore: whoever was told of some addresses is told when a correction leaves none, once; whoever was told of none is not, and hears of
// the next ones.
func TestNoneAnyMore(t *testing.T) {
	eachWorld(t, func(w *world) {
		tok := w.domainLink("corp.example.jp", "postmaster@corp.example.jp")
		if err := w.ConfirmDomain(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		told := func(id string, n int, want string) {
			t.Helper()
			got := w.news(id, n)
			if want == "" && len(got) != 0 || want != "" && (len(got) != 1 || !strings.Contains(got[0].text, want)) {
				t.Errorf("%s with %d: %+v, want %q", id, n, got, want)
			}
		}
		const none = "ドメイン corp.example.jp のアドレスは含まれていません"
		told("shop", 0, "")
		told("shop", 2, "2件")
		l := w.news("shop", 0)
		if len(l) != 1 || !strings.Contains(l[0].text, none) || !strings.Contains(l[0].text, language.DateTime(language.JA, w.clock.In(japan))+"現在") || !strings.Contains(l[0].text, "/watch/domain/"+tok) ||
			strings.Contains(l[0].text, "0件") || strings.Contains(strings.ReplaceAll(l[0].text, tok, ""), "@") {
			t.Errorf("%+v", l)
		}
		w.affected(tok)
		told("shop", 0, "")
		told("shop", 2, "2件")
		// What was counted and has not begun to leave is nothing that has to be taken back.
		w.clock = w.clock.Add(time.Hour)
		w.publish("other", "final", 0, false, "a@corp.example.jp", "b@corp.example.jp")
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Match(t.Context()); err != nil {
			t.Fatal(err)
		}
		told("other", 0, "")
		told("other", 2, "2件")
		// What may have left is.
		w.refuse = func(string) string { return "451 later" }
		w.news("third", 4)
		w.refuse = nil
		told("third", 0, none)
	})
}

// TestNewsOfOne: an incident of which nothing can be said now keeps no news of another waiting, and waits itself; and whoever was held up
// writes nothing over what another server did.
func TestNewsOfOne(t *testing.T) {
	eachWorld(t, func(w *world) {
		tok := w.domainLink("corp.example.jp", "postmaster@corp.example.jp")
		if err := w.ConfirmDomain(w.t.Context(), tok); err != nil {
			w.t.Fatal(err)
		}
		w.publish("bad", "final", 0, false, "a@corp.example.jp")
		w.publish("shop", "final", 0, false, "a@corp.example.jp", "b@corp.example.jp")
		if err := w.Look(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.Match(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		about := w.About
		w.About = func(ctx context.Context, id string) (About, bool, error) {
			if id == "bad" {
				return About{}, false, errors.New("cannot be read")
			}
			return about(ctx, id)
		}
		w.sent = nil
		for range tries + 2 {
			if err := w.tellDomains(w.t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be read") {
				w.t.Errorf("nobody hears of it: %v", err)
			}
			w.clock = w.clock.Add(24 * time.Hour)
		}
		if len(w.sent) != 1 || !strings.Contains(w.sent[0].text, "2件") {
			w.t.Errorf("%+v", w.sent)
		}
		w.About = about
		held := true
		w.step = func() {
			if !held {
				return
			}
			held = false // another server has it meanwhile, as its claim is over
			w.clock = w.clock.Add(claimed + time.Minute)
			if err := w.tellDomains(w.t.Context()); err != nil {
				w.t.Error(err)
			}
			w.refuse = func(string) string { return "451 later" }
		}
		_ = w.tellDomains(w.t.Context())
		w.step, w.refuse = func() {}, nil
		var state string
		if err := w.DB.QueryRowContext(w.t.Context(), `SELECT state FROM watchers_domain_news WHERE incident = 'bad'`).Scan(&state); err != nil || state != "sent" || held {
			w.t.Errorf("%q, and the other one has mailed it: %v", state, err)
		}
	})
}
