package watchers

import (
	"context"
	"fmt"
	"math/rand/v2"
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
	return w.Turn(ctx)
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
