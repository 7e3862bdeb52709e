package watchers

import (
	"errors"
	"strings"
	"testing"
	"time"

	"shirase/internal/roster"
	"shirase/internal/store"
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

// TestKeyAwayInClear: what an earlier version wrote, of a case whose key is away when it is upgraded, is told once the key is back: it is not dropped where
// the key comes back just before it is due.
func TestKeyAwayInClear(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.watch("one@example.com", "", now)
		w.publish("bank", "final", 0, false, "one@example.com")
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Match(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.exec(`UPDATE watchers_mail SET n = $1, whom = $2`, w.number("one@example.com"), []byte{})
		back := w.away("bank")
		w.mails(0)
		back()
		if due, _, err := w.due(t.Context()); err != nil || len(due) != 0 {
			t.Errorf("%d are due before it is sealed, %v", len(due), err)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE state = 'waiting'`); n != 1 {
			t.Fatalf("%d wait", n)
		}
		w.mails(1)
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE n <> 0 OR state <> 'handed-over'`); n != 0 {
			t.Errorf("%d are still to be told", n)
		}
	})
}

// TestDomainInClear: what an earlier version told a domain's owner of a case is not told again where the case is matched before that is sealed, nor where
// both were written down; what is sealed keeps its order.
func TestDomainInClear(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.turn()
		const owner = "postmaster@corp.example.jp"
		tok := w.domainLink("corp.example.jp", owner)
		if err := w.ConfirmDomain(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		d, err := w.domain(t.Context(), tok)
		if err != nil {
			t.Fatal(err)
		}
		w.publish("shop", "final", 0, false, "a@corp.example.jp")
		w.mails(1)
		ref := w.public[0].Scope
		tag := domainTag(w.sealer("shop"), d.id)
		one := func(when string) {
			t.Helper()
			if n := w.rows(`SELECT count(*) FROM watchers_domain_news WHERE length(whom) > 0 AND domain = $1 AND state = 'sent'`, tag); n != 1 || w.rows(`SELECT count(*) FROM watchers_domain_news`) != 1 {
				t.Errorf("%s, %d rows are sealed, or there are others", when, n)
			}
		}
		w.exec(`UPDATE watchers_domain_news SET domain = $1, people = 1, whom = $2`, d.id, []byte{})
		w.exec(`UPDATE watchers_news SET state = 'matching'`)
		w.mails(0)
		one("matched anew")
		sealed := (exposure{d.id, 1, true}).seal(w.sealer("shop"))
		add := `INSERT INTO watchers_domain_news (domain, incident, ref, people, whom, state, tries, due, n) VALUES ($1, 'shop', $2, $3, $4, $5, $6, 0, $7)`
		w.exec(add, d.id, ref, 1, []byte{}, "waiting", 0, 1)
		w.mails(0)
		one("where what is sealed has left")
		w.exec(`DELETE FROM watchers_domain_news`)
		w.exec(add, d.id, ref, 1, []byte{}, "sent", 1, 1)
		w.exec(add, tag, ref, 0, sealed, "waiting", 0, 1)
		w.exec(`UPDATE watchers_news SET state = 'matching'`)
		w.mails(0)
		one("where what is in the clear has left")
		w.exec(`UPDATE watchers_domain_news SET domain = $1, people = 1, whom = $2`, d.id, []byte{})
		w.publish("shop", "final", 0, false, "a@corp.example.jp", "a@example.com")
		w.mails(0) // another scope, and as many as they know of
		w.exec(`DELETE FROM watchers_domain_news`)
		w.exec(add, d.id, "r1", 4, []byte{}, "sent", 1, 1)
		w.exec(add, d.id, "r2", 0, []byte{}, "sent", 1, 2)
		w.exec(add, tag, "r3", 0, sealed, "sent", 1, 1)
		w.mails(0)
		for i, ref := range []string{"r1", "r2", "r3"} {
			if n := w.rows(`SELECT coalesce(max(n), 0) FROM watchers_domain_news WHERE domain = $1 AND ref = $2 AND length(whom) > 0`, tag, ref); n != int64(i+1) {
				t.Errorf("%s is the %d. in its order", ref, n)
			}
		}
		// With the key away it waits; when the watch ends it goes.
		w.exec(add, d.id, "r4", 4, []byte{}, "waiting", 0, 4)
		w.exec(add, d.id, "r5", 0, []byte{}, "waiting", 0, 5)
		w.away("shop")
		w.mails(0)
		if n := w.rows(`SELECT count(*) FROM watchers_domain_news WHERE state = 'waiting'`); n != 2 {
			t.Errorf("%d wait for the key", n)
		}
		if err := w.RevokeDomain(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_domain_news WHERE domain = $1`, d.id); n != 0 {
			t.Errorf("%d rows in the clear stay", n)
		}
	})
}

// TestTurnReadsNoTable: what is asked at each turn goes through no table that grows by each look of an owner and by each domain in each scope.
func TestTurnReadsNoTable(t *testing.T) {
	eachWorld(t, func(w *world) {
		for i, id := range []string{"a", "b", "b", "c"} {
			w.exec(`INSERT INTO watchers_domain_log (domain, n, at, what, incident, shown) VALUES ('d', $1, 1, 'shown', $2, $3)`, i+1, id, []byte{1})
			w.exec(`INSERT INTO watchers_domain_news (domain, incident, ref, people, whom, state, tries, due, n) VALUES ($1, $2, 'r', 0, $3, 'sent', 0, 1, 1)`, strings.Repeat("d", i+1), id+"x", []byte{1})
		}
		got, err := store.Column[string](t.Context(), w.DB, named)
		if err != nil || len(got) != 6 {
			t.Errorf("%q, %v", got, err)
		}
		if strings.HasSuffix(w.t.Name(), "postgres") { // goes through a table that is small, whatever it is asked
			return
		}
		for _, q := range []string{named, inClear} {
			rows, err := w.DB.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+q)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			steps := 0
			for rows.Next() {
				var id, parent, unused int64
				var step string
				if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
					t.Fatal(err)
				}
				steps++
				for _, of := range []string{"watchers_domain_log", "watchers_domain_news", "watchers_mail", "n ", "l "} {
					if strings.HasPrefix(step+" ", "SCAN "+of) && !strings.Contains(step, "_clear") {
						t.Error(step)
					}
				}
			}
			if err := rows.Err(); err != nil || steps == 0 {
				t.Errorf("%d steps, %v", steps, err)
			}
		}
	})
}
