package watchers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestForgotten: nobody can read from the database who was in a case that was shredded, or in one that is not public any more: not of what was to
// be told, nor of what is unknown.
func TestForgotten(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.watch("one@example.com", "", Choice{Lang: language.JA, Digest: true})
		w.watch("two@example.com", "", now)
		w.publish("club", "final", 0, false, "one@example.com", "two@example.com")
		w.publish("bank", "final", 0, false, "one@example.com", "two@example.com")
		w.mails(1) // of both, to one of them; the other waits for the day's
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE n <> 0 AND state = 'waiting'`); n != 2 {
			t.Fatalf("%d wait", n)
		}
		if _, err := w.DB.ExecContext(t.Context(), `UPDATE watchers_mail SET state = 'unknown', n = 3 WHERE incident = 'bank' AND n = 0`); err != nil {
			t.Fatal(err)
		}
		if err := w.Rosters.Shred(t.Context(), actor.Operator(), "bank"); err != nil {
			t.Fatal(err)
		}
		w.mails(0)
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE incident = 'bank' AND n <> 0`); n != 0 {
			t.Errorf("%d rows say who was in a case that was shredded", n)
		}
		delete(w.about, "club")
		w.clock = w.clock.Add(48 * time.Hour)
		w.mails(0)
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE n <> 0`); n != 0 {
			t.Errorf("%d rows say who was in one that is not public any more", n)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE state = 'dropped'`); n != 3 {
			t.Errorf("%d were dropped", n)
		}
	})
}

// TestFollowedWithoutRoster: whoever follows an incident is told of it also where its roster is not there any more.
func TestFollowedWithoutRoster(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.publish("shop", "final", 0, false, "a@example.com")
		w.turn()
		w.watch("one@example.com", "shop", now)
		s := w.public[0]
		s.Told, s.Roster = 2, "no-such-roster"
		w.public = []Standing{s}
		if l := w.mails(1)["one@example.com"]; !strings.Contains(l.text, "続報または訂正") {
			t.Errorf("%+v", l)
		}
	})
}

// TestDomainForgotten: when a watch ends, the address that it was of goes; of one that nobody has proven nothing stays.
func TestDomainForgotten(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.publish("shop", "final", 0, false, "a@corp.example.jp")
		w.turn()
		proven, other := w.domainLink("corp.example.jp", "postmaster@corp.example.jp"), w.domainLink("corp.example.jp", "victim@example.com")
		for range 3 {
			if err := w.ConfirmDomain(t.Context(), proven); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.rows(`SELECT count(*) FROM watchers_domain_log WHERE what = 'proven-mailbox'`); n != 1 {
			t.Errorf("pressed three times, the log has %d lines", n)
		}
		w.affected(proven, "shop", "a@corp.example.jp")
		if err := w.RevokeDomain(t.Context(), proven); err != nil {
			t.Fatal(err)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_domain WHERE length(contact) > 0`); n != 1 {
			t.Errorf("%d contacts stay where one is watched", n)
		}
		w.clock = w.clock.Add(lasts + time.Hour) // nobody has confirmed the other one
		w.turn()
		w.turn()
		if _, err := w.Domain(t.Context(), other); !errors.Is(err, ErrLink) {
			t.Errorf("%v", err)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_domain WHERE length(contact) > 0 OR how = ''`); n != 0 {
			t.Errorf("%d stay", n)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_domain_log WHERE what = 'looked'`); n != 1 {
			t.Errorf("that it was looked at is written down %d times", n)
		}
	})
}

// TestDomainsOpen: whoever enters domains and mailboxes of others, which confirm nothing, keeps nobody else out.
func TestDomainsOpen(t *testing.T) {
	eachWorld(t, func(w *world) {
		for i := range maxDomains {
			if _, err := w.DB.ExecContext(t.Context(), `INSERT INTO watchers_domain (id, domain, token, contact, lang, state, how, at, until_at, next_at, mail, tries) VALUES ($1, 'x.example', '', $2, 'ja', 'asked', '', 0, $3, $3, 'sent', 0)`,
				fmt.Sprint("fill", i), []byte{1}, w.clock.Add(time.Hour).UnixMicro()); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.AskDomain(t.Context(), language.JA, "example.com", "one@example.com"); err != nil {
			t.Errorf("with %d that nobody has confirmed: %v", maxDomains, err)
		}
	})
}

// TestDamagedAddress: an address that cannot be read any more keeps nobody else from being told, from confirming, or from their domain.
func TestDamagedAddress(t *testing.T) {
	eachWorld(t, func(w *world) {
		damage := func(table, column string) {
			t.Helper()
			if _, err := w.DB.ExecContext(t.Context(), `UPDATE `+table+` SET `+column+` = $1 WHERE `+column+` = (SELECT `+column+` FROM `+table+` WHERE length(`+column+`) > 0 ORDER BY `+column+` LIMIT 1)`, []byte("damaged")); err != nil {
				t.Fatal(err)
			}
		}
		for _, a := range []string{"one@example.com", "two@example.com"} {
			if err := w.Add(t.Context(), Choice{Lang: language.EN}, a); err != nil {
				t.Fatal(err)
			}
		}
		damage("watchers_person", "address")
		w.publish("shop", "final", 0, false, "one@example.com", "two@example.com")
		w.mails(1)
		for _, a := range []string{"three@example.com", "four@example.com"} {
			if err := w.Ask(t.Context(), language.EN, a, ""); err != nil {
				t.Fatal(err)
			}
		}
		damage("watchers_asked", "address")
		w.mails(1)
		for _, a := range []string{"a.example.jp", "b.example.jp"} {
			if err := w.AskDomain(t.Context(), language.JA, a, "owner@"+a); err != nil {
				t.Fatal(err)
			}
		}
		damage("watchers_domain", "contact")
		w.mails(1)
		w.mails(0)
	})
}

// TestBeforeDropped: what an earlier version kept of whom it was what was not told is gone once this one has opened it, and nothing else.
func TestBeforeDropped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		earlier := fstest.MapFS{}
		for _, name := range []string{"00001_watchers.sql", "00002_domains.sql"} {
			data, err := migrations.ReadFile("migrations/" + name)
			if err != nil {
				t.Fatal(err)
			}
			earlier[name] = &fstest.MapFile{Data: data}
		}
		err := db.Migrate(t.Context(), "watchers", earlier)
		for i, state := range []string{"dropped", "waiting"} {
			if err == nil {
				_, err = db.ExecContext(t.Context(), `INSERT INTO watchers_mail (incident, kind, ref, tag, n, due, state, mail, tries) VALUES ('shop', 'in', '', $1, 7, 9000000000000000, $2, '', 0)`, []byte{byte(i)}, state)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, db)
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE n = 0 AND state = 'dropped'`); n != 1 {
			t.Errorf("%d say nobody", n)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE n = 7 AND state = 'waiting'`); n != 1 {
			t.Errorf("%d wait", n)
		}
	})
}
