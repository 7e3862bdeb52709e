package reach

import (
	"database/sql"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// A database that is locked is waited for: nobody is lost, and nobody gets two mails.
func TestLocked(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, other := openTwo(t, url)
		w := newWorld(t, db, 2000, nil)
		c := w.started(nil, Rates{PerSecond: 1000}) // else all may have left before anybody can lock anything
		w.work()
		w.until("some leave", func() bool { return w.total() > 50 })
		err := other.Update(t.Context(), func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(t.Context(), `UPDATE reach_block SET due = due`); err != nil {
				return err
			}
			locked := w.total()
			for range 200 { // it is read all the while
				w.now(c.ID)
			}
			if left := w.total() - locked; left > maxInFlight || locked == 2000 {
				t.Errorf("%d mails left while nothing could be written down, %d before", left, locked)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.done(c.ID)
		if w.total() != 2000 || len(w.taken) != 2000 {
			t.Errorf("%d mails to %d", w.total(), len(w.taken))
		}
	})
}

func openTwo(t *testing.T, url string) (a, b *store.DB) {
	t.Helper()
	for _, p := range []**store.DB{&a, &b} {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		*p = db
	}
	return a, b
}

// A database whose connections break, also while it commits, loses nobody: whoever may have been told is told or listed.
func TestBroken(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, at string) {
		if !strings.HasPrefix(at, "postgres") { // SQLite has no connections that break
			return
		}
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		name := "broken-" + q.Get("search_path")
		q.Set("application_name", name)
		u.RawQuery = q.Encode()
		db, err := store.Open(t.Context(), u.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		admin, _ := openTwo(t, at)
		w := newWorld(t, db, 3000, nil)
		c := w.started(nil, Rates{})
		w.workOf(quiet{t}, w.Reach)
		for i := range 5 {
			w.until("more leave", func() bool { return w.total() > 300*i })
			if _, err := admin.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`, name); err != nil {
				t.Fatal(err)
			}
		}
		w.until("all are told or listed", func() bool {
			n, err := w.counts(t.Context(), db, c.ID)
			return err == nil && n[Pending]+n[Intended]+n[Deferred] == 0
		})
		n := w.now(c.ID)
		if n.Total() != 3000 || len(w.taken)+int(n[Unknown]) < 3000 || w.total() != len(w.taken) {
			t.Errorf("%v, %d mails to %d", n.Names(), w.total(), len(w.taken))
		}
	})
}

// quiet is a test whose work may fail for a while.
type quiet struct{ *testing.T }

func (quiet) Errorf(string, ...any) {}

// A clock that jumps, forward and back, sends nothing twice and leaves nobody waiting for ever.
func TestClock(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var clock atomic.Int64
		w := newWorld(t, db, 3000, func(r *Rooms) {
			r.Lease = time.Minute
			r.Now = func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }
		})
		other, err := New(t.Context(), w.Rooms)
		if err != nil {
			t.Fatal(err)
		}
		c := w.started(nil, Rates{PerSecond: 3000})
		w.work()
		w.workOf(t, other)
		for i, jump := range []time.Duration{time.Hour, -3 * time.Hour, 48 * time.Hour, -72 * time.Hour} {
			w.until("more leave", func() bool { return w.total() > 400*(i+1) })
			clock.Add(int64(jump))
		}
		w.until("all are told or listed", func() bool {
			n := w.now(c.ID)
			return n[Pending]+n[Intended]+n[Deferred] == 0
		})
		n := w.now(c.ID)
		if n.Total() != 3000 || w.total() != len(w.taken) || len(w.taken)+int(n[Unknown]) < 3000 {
			t.Errorf("%v, %d mails to %d", n.Names(), w.total(), len(w.taken))
		}
		if n[Unknown] > 0 {
			if _, err := w.Resolve(t.Context(), actor.Operator(), c.ID, Resend, nil); err != nil {
				t.Fatal(err)
			}
		}
		w.done(c.ID)
		if len(w.taken) != 3000 {
			t.Error(len(w.taken))
		}
	})
}

// The relay's log decides on who was in flight.
func TestResolveByLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 10, nil)
		c := w.started(nil, Rates{})
		seal, err := w.Rosters.Sealer(t.Context(), "loss-2026", false)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.claim(t.Context(), c, 0, seal, false); err != nil {
			t.Fatal(err)
		}
		wr := &writer{r: w.Reach, c: c, seal: seal}
		if err := wr.write(t.Context(), []*order{{intents: []int64{0, 1, 2, 3, 4}}}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.claim(t.Context(), c, 0, seal, false); err != nil {
			t.Fatal(err)
		}
		id := func(n int64) string { return "m." + token(seal, inMessageID, c.num, n) + "@example.jp" }
		log := "Nov 30 02:00:00 mx postfix/cleanup[12]: 4F2A31C01: message-id=<" + id(0) + ">\n" +
			"Nov 30 02:00:00 mx postfix/cleanup[12]: 4F2A31C02: message-id=<" + id(1) + ">\nnonsense\n" +
			"Nov 30 02:00:00 mx postfix/cleanup[12]: 4F2A31C03: message-id=<" + id(2) + ">\n" +
			"Nov 30 02:00:01 mx postfix/smtp[13]: 4F2A31C02: to=<x@a.example>, relay=a.example[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (250 ok)\n" +
			"Nov 30 02:00:01 mx postfix/smtp[13]: 4F2A31C03: to=<x@a.example>, relay=a.example[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host said: 550)\n" +
			"Nov 30 02:00:01 mx postfix/cleanup[12]: 4F2A31C04: message-id=<somebody@else.example>\n"
		got, err := w.Resolve(t.Context(), actor.Operator(), c.ID, ByLog, strings.NewReader(log))
		if err != nil || got != (Resolved{HandedOver: 1, Accepted: 1, Refused: 1, Held: 2}) {
			t.Fatalf("%+v, %v", got, err)
		}
		if n := w.now(c.ID); n[HandedOver] != 1 || n[Accepted] != 1 || n[Bounced] != 1 || n[Unknown] != 2 || n[Pending] != 5 {
			t.Fatal(n.Names())
		}
		got, err = w.Resolve(t.Context(), actor.Operator(), c.ID, Absent, strings.NewReader(log))
		if err != nil || got != (Resolved{Resent: 2}) {
			t.Fatalf("%+v, %v", got, err)
		}
		if _, err := w.Resolve(t.Context(), actor.Operator(), c.ID, ByLog, strings.NewReader(strings.Repeat("x", maxLogLine+1))); err == nil {
			t.Error("a line without an end is read")
		}
		if _, err := w.Resolve(t.Context(), actor.Operator(), c.ID, "guess", nil); err == nil {
			t.Error("guessed")
		}
	})
}
