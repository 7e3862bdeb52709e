package watchers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"shirase/internal/killtest"
	"shirase/internal/language"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func killRooms(ctx context.Context, url, folder, relay, roster string) (*Watchers, *store.DB, error) {
	db, err := store.Open(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	rooms, err := openRooms(ctx, db, folder)
	if err != nil {
		return nil, db, err
	}
	rooms.Mailer = Mailer{Relays: []smtp.Relay{{Address: relay, Security: smtp.None}}, From: message.Address{Addr: "notice@example.jp"}}
	rooms.About = func(context.Context, string) (About, bool, error) { return About{}, true, nil }
	rooms.Public = func(context.Context) ([]Standing, error) {
		if roster == "" {
			return nil, nil
		}
		return []Standing{{Incident: "shop", State: "final", Scope: roster, Roster: roster}}, nil
	}
	rooms.Shows = func(context.Context, Proof) (string, error) { return "", nil }
	w, err := New(ctx, rooms)
	return w, db, err
}

// tellForEver is the process that is killed: it looks, matches and tells once.
func tellForEver(args []string, step func()) error {
	ctx := context.Background()
	w, db, err := killRooms(ctx, args[0], args[1], args[2], args[3])
	if err != nil {
		return err
	}
	defer db.Close()
	w.step = step
	if args[3] == "" {
		return w.keepAndTell(ctx)
	}
	return w.Turn(ctx)
}

// TestKillDomains: killed again and again, every owner of a domain has their link, and what came twice is known for the same mail.
func TestKillDomains(t *testing.T) {
	const many = 30
	storetest.EachURL(t, func(t *testing.T, url string) {
		folder := t.TempDir()
		var mu sync.Mutex
		taken := map[string][]string{}
		sink := &smtptest.Sink{Keep: true, Taken: func(e smtptest.Envelope, data []byte) {
			mu.Lock()
			defer mu.Unlock()
			taken[e.To] = append(taken[e.To], opened(t, e.To, data).id)
		}}
		relay, err := sink.Listen("")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sink.Close)
		w, db, err := killRooms(t.Context(), url, folder, relay, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		for i := range many {
			if err := w.AskDomain(t.Context(), language.EN, fmt.Sprintf("d%d.example.jp", i), fmt.Sprintf("owner%d@example.com", i)); err != nil {
				t.Fatal(err)
			}
		}
		kills := 0
		for _, at := range []int{1, 2, 1, 1 << 20} { // with what it has claimed, with what it has handed over, and never
			if _, killed := killtest.Kill(t, at, url, folder, relay, ""); killed {
				kills++
			}
			if err := w.keepAndTell(t.Context()); err != nil { // its lease is not over: nobody else has them
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), `UPDATE watchers_domain SET mail_at = 0 WHERE mail = 'waiting'`); err != nil { // now it is
				t.Fatal(err)
			}
		}
		if kills != 3 || len(taken) != many {
			t.Fatalf("%d kills, %d have their link", kills, len(taken))
		}
		for to, ids := range taken {
			// Of the one that had handed them over, and of the last one where that had not come to write it down.
			if len(ids) > 2 || len(ids) == 2 && ids[0] != ids[1] {
				t.Errorf("%s has %v", to, ids)
			}
		}
		var waiting int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM watchers_domain WHERE mail = 'waiting'`).Scan(&waiting); err != nil || waiting != 0 {
			t.Errorf("%d wait, %v", waiting, err)
		}
	})
}

// TestTwoServers: of two servers that look after domains at the same instant, one has each: owners have one mail, the domain is asked once, and
// its log says once what became of it.
func TestTwoServers(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.turn()
		other, err := New(t.Context(), w.Rooms)
		if err != nil {
			t.Fatal(err)
		}
		both := func(mails int) {
			t.Helper()
			inside := 0
			w.sent = nil
			w.step = func() {
				inside++
				if err := other.keepAndTell(t.Context()); err != nil {
					t.Error(err)
				}
			}
			asked := w.Shows
			w.Shows = func(ctx context.Context, p Proof) (string, error) { w.step(); return asked(ctx, p) }
			if err := w.keepAndTell(t.Context()); err != nil {
				t.Error(err)
			}
			if w.Shows = asked; inside == 0 {
				t.Error("the other one did not come between")
			}
			if len(w.sent) != mails {
				t.Errorf("%d mails, want %d: %+v", len(w.sent), mails, w.sent)
			}
		}
		lines := func() (out []string) {
			d, err := w.DomainList(t.Context())
			if err != nil || len(d) != 1 {
				t.Fatalf("%+v, %v", d, err)
			}
			at, err := w.Domain(t.Context(), w.link(toDomain, []byte(d[0].id)))
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range at.Log {
				out = append(out, l.What)
			}
			return out
		}
		if err := w.AskDomain(t.Context(), language.JA, "corp.example.jp", "taro@elsewhere.example"); err != nil {
			t.Fatal(err)
		}
		both(1)
		d, _ := w.DomainList(t.Context())
		if err := w.ConfirmDomain(t.Context(), w.link(toDomain, []byte(d[0].id))); err != nil {
			t.Fatal(err)
		}
		w.shown["corp.example.jp "+d[0].Record()] = "dns"
		both(0)
		if w.asked != 1 {
			t.Errorf("the domain was asked %d times", w.asked)
		}
		w.publish("shop", "final", 0, false, "a@corp.example.jp")
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Match(t.Context()); err != nil {
			t.Fatal(err)
		}
		both(1) // of what the incident includes
		w.shown = map[string]string{}
		w.clock = w.clock.Add(provenFor + time.Hour)
		both(1)
		if got := lines(); !slices.Equal(got, []string{"lapsed", "proven-dns", "confirmed", "asked"}) {
			t.Errorf("%q", got)
		}
	})
}

// TestKill: killed again and again, nobody who is in the roster is lost, and whoever may have two mails is listed.
func TestKill(t *testing.T) {
	const many = 450
	storetest.EachURL(t, func(t *testing.T, url string) {
		folder := t.TempDir()
		var mu sync.Mutex
		taken, ids := map[string]int{}, map[string]map[string]bool{}
		sink := &smtptest.Sink{Keep: true, Taken: func(e smtptest.Envelope, data []byte) {
			mu.Lock()
			defer mu.Unlock()
			taken[e.To]++
			if ids[e.To] == nil {
				ids[e.To] = map[string]bool{}
			}
			ids[e.To][opened(t, e.To, data).id] = true
		}}
		relay, err := sink.Listen("")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sink.Close)
		w, db, err := killRooms(t.Context(), url, folder, relay, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if err := w.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		address := func(i int) string { return fmt.Sprintf("person%04d@example.com", i) }
		var all []string
		for i := range 2 * many {
			all = append(all, address(i))
			if i < many { // half of them watch
				if err := w.Add(t.Context(), Choice{Lang: language.EN}, address(i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		name, err := makeRoster(t.Context(), w.Rooms, folder, "shop", all...)
		if err != nil {
			t.Fatal(err)
		}
		kills := 0
		for round := 0; ; round++ {
			at := 1 + rand.IntN(6)
			if round == 0 { // written down what is about to be handed over, and nothing of what came of it
				at = 3
			}
			_, killed := killtest.Kill(t, at, url, folder, relay, name)
			if !killed {
				break
			}
			if kills++; kills == 1 {
				c, err := w.Counts(t.Context())
				if err != nil || c.Mails["intended"] != batchSize {
					t.Fatalf("it was not killed in the middle of a batch: %v, %v", c.Mails, err)
				}
			}
			if _, err := db.ExecContext(t.Context(), `UPDATE watchers_mail SET due = $1 WHERE state = 'intended'`, store.Micros(time.Now().Add(-time.Minute))); err != nil { // its lease is over
				t.Fatal(err)
			}
			if round > 200 {
				t.Fatal("it does not end")
			}
		}
		c, err := w.Counts(t.Context())
		if err != nil || c.Mails["unknown"]+c.Mails["handed-over"] != many || c.Mails["unknown"] > int64(kills*batchSize) {
			t.Fatalf("%v after %d kills, %v", c.Mails, kills, err)
		}
		missing := 0
		for i := range 2 * many {
			switch k := taken[address(i)]; {
			case k > 1, i >= many && k > 0:
				t.Fatalf("%d has %d mails", i, k)
			case i < many && k == 0:
				missing++
			}
		}
		if int64(missing) > c.Mails["unknown"] {
			t.Fatalf("%d have no mail, and %d are listed", missing, c.Mails["unknown"])
		}
		t.Logf("%d kills: %v, %d had no mail", kills, c.Mails, missing)
		if n, err := w.Resolve(t.Context(), true); err != nil || n != c.Mails["unknown"] {
			t.Fatalf("%d, %v", n, err)
		}
		if _, err := w.Tell(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range many {
			if taken[address(i)] == 0 || len(ids[address(i)]) != 1 {
				t.Fatalf("%d has %d mails under %d ids", i, taken[address(i)], len(ids[address(i)]))
			}
		}
	})
}
