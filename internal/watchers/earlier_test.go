package watchers

import (
	"errors"
	"strings"
	"testing"
	"time"

	"shirase/internal/roster"
)

// away takes a case's key away, and gives what puts it back.
func (w *world) away(id string) (back func()) {
	w.t.Helper()
	key, err := w.Keys.Load(roster.KeyFile(id))
	if err == nil {
		err = w.Keys.Destroy(roster.KeyFile(id))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return func() {
		w.t.Helper()
		if err := w.Keys.Create(roster.KeyFile(id), key); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) exec(q string, args ...any) {
	w.t.Helper()
	if _, err := w.DB.ExecContext(w.t.Context(), q, args...); err != nil {
		w.t.Fatal(err)
	}
}

// TestKeyAwayUnmatched: news of a case whose key is away before it was matched waits, and whoever is to be told of another case is told.
func TestKeyAwayUnmatched(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.watch("one@example.com", "", now)
		for _, id := range []string{"bank", "club"} { // the bank's is the older news
			w.clock = w.clock.Add(time.Minute)
			w.publish(id, "final", 0, false, "one@example.com")
			if err := w.Look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		back := w.away("bank")
		w.sent = nil
		if err := w.Turn(t.Context()); !errors.Is(err, roster.ErrNoKey) {
			t.Errorf("nobody hears that a key is away: %v", err)
		}
		if len(w.sent) != 1 || strings.Count(w.sent[0].text, "対象範囲に含まれています") != 1 {
			t.Errorf("of the case whose key is there %d were told: %+v", len(w.sent), w.sent)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_news WHERE state = 'matching' AND incident = 'bank'`); n != 1 {
			t.Errorf("%d of the other wait", n)
		}
		back()
		w.mails(1)
	})
}
