package reach

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/killtest"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// sendForEver is the process that is killed: it sends the campaign until it is done.
func sendForEver(args []string, step func()) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	defer db.Close()
	rooms, _, err := openRooms(ctx, db, args[1])
	if err != nil {
		return err
	}
	rooms.Mailer = &Mailer{Relays: []smtp.Relay{relayAt(args[2])}, Bounces: "b@bounce.example.jp"}
	r, err := New(ctx, rooms)
	if err != nil {
		return err
	}
	r.step = step
	go func() {
		for ctx.Err() == nil {
			n, err := r.counts(ctx, db, args[3])
			if err == nil && n[Pending]+n[Intended]+n[Deferred] == 0 {
				cancel()
			}
			sleep(ctx, 5*time.Millisecond)
		}
	}()
	var failed error
	r.Work(ctx, func(err error) { failed = err })
	return failed
}

// Killed again and again: nobody is lost, and whoever may have been told twice is listed.
func TestKill(t *testing.T) {
	const n = 4000
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		folder := t.TempDir()
		rooms, incidents, err := openRooms(t.Context(), db, folder)
		if err != nil {
			t.Fatal(err)
		}
		if err := makeRoster(t.Context(), rooms, incidents, folder, n); err != nil {
			t.Fatal(err)
		}
		w := nothing(t)
		w.listen(&smtptest.Sink{Keep: true})
		rooms.Mailer = &Mailer{Relays: []smtp.Relay{relayAt(w.relay)}}
		if w.Reach, err = New(t.Context(), rooms); err != nil {
			t.Fatal(err)
		}
		c := w.started(nil, Rates{})
		kills, listed := 0, map[int64]bool{}
		for round := 0; ; round++ {
			at := 1 + rand.IntN(120)
			if round == 0 { // two intend at once: with the third step the intent of one is on disk, and nothing of what came of it
				at = intenders + 1
			}
			_, killed := killtest.Kill(t, at, url, folder, w.relay, c.ID)
			if !killed {
				break
			}
			if kills++; round == 0 && w.now(c.ID)[Intended] == 0 {
				t.Fatal("it was not killed in the middle of a mail")
			}
			if round > 200 {
				t.Fatal("it does not end")
			}
		}
		if kills == 0 {
			t.Fatal("it was never killed")
		}
		got := w.now(c.ID)
		if got.Total() != n || got[Pending]+got[Intended]+got[Deferred]+got[Refused] != 0 {
			t.Fatalf("%v", got.Names())
		}
		if most := int64(kills * maxInFlight); got[Unknown] > most {
			t.Errorf("%d are unknown after %d kills, and %d could be in flight", got[Unknown], kills, most)
		}
		if err := w.Each(t.Context(), actor.Operator(), c.ID, []State{Unknown}, func(x Recipient, _ string) error { listed[x.Ordinal] = true; return nil }); err != nil {
			t.Fatal(err)
		}
		missing := 0
		for i, a := range addresses(n) {
			path, err := smtp.Path(a)
			if err != nil {
				t.Fatal(err)
			}
			switch k := w.taken[path]; {
			case k > 1:
				t.Fatalf("%d has %d mails", i, k)
			case k == 0 && !listed[int64(i)]:
				t.Fatalf("%d was lost", i)
			case k == 0:
				missing++
			}
		}
		t.Logf("%d kills, %d unknown, of whom %d had no mail", kills, got[Unknown], missing)
		if _, err := w.Resolve(t.Context(), actor.Operator(), c.ID, Resend, nil); err != nil {
			t.Fatal(err)
		}
		w.work()
		w.done(c.ID)
		doubles := 0
		for i, a := range addresses(n) {
			path, _ := smtp.Path(a)
			switch k := w.taken[path]; {
			case k == 0:
				t.Fatalf("%d was lost", i)
			case k > 1 && !listed[int64(i)]:
				t.Fatalf("%d has %d mails, and was not listed", i, k)
			case k > 1:
				doubles++
			}
			if len(w.ids[path]) != 1 {
				t.Fatalf("%d: a mail that was sent again has another Message-ID: %v", i, w.ids[path])
			}
		}
		if doubles != int(got[Unknown])-missing {
			t.Errorf("%d doubles", doubles)
		}
	})
}
