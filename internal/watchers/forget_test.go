package watchers

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/reach/smtp"
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
		if n := len(w.opened("club", `state = 'waiting'`)) + len(w.opened("bank", `state = 'waiting'`)); n != 2 {
			t.Fatalf("%d wait", n)
		}
		seal := w.sealer("bank")
		if _, err := w.DB.ExecContext(t.Context(), `UPDATE watchers_mail SET state = 'unknown', whom = $1, due = $2 WHERE incident = 'bank' AND tag = $3`, sealWhom(seal, w.number("two@example.com"), "w.x"), store.Micros(w.clock), tagOf(seal, w.number("two@example.com"))); err != nil {
			t.Fatal(err)
		}
		if err := w.Rosters.Shred(t.Context(), actor.Operator(), "bank"); err != nil {
			t.Fatal(err)
		}
		w.mails(0)
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE incident = 'bank' AND (n <> 0 OR length(whom) > 0 OR mail <> '' OR due <> 0)`); n != 0 {
			t.Errorf("%d rows say who was in a case that was shredded, or are joined to another case's", n)
		}
		for who, how := range w.known("bank") {
			t.Errorf("that %s was in a case that was shredded is known by %s", who, how)
		}
		delete(w.about, "club")
		w.clock = w.clock.Add(48 * time.Hour)
		w.mails(0)
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE n <> 0 OR length(whom) > 0`); n != 0 {
			t.Errorf("%d rows say who was in one that is not public any more", n)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE state = 'dropped'`); n != 3 {
			t.Errorf("%d were dropped", n)
		}
	})
}

func (w *world) sealer(incident string) *store.Sealer {
	w.t.Helper()
	seal, err := w.Rosters.Sealer(w.t.Context(), incident, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return seal
}

// opened gives rows of a case of which it is readable whom they are of.
func (w *world) opened(incident, where string) (out []*item) {
	w.t.Helper()
	all, err := w.items(w.t.Context(), where+` AND incident = $1 AND length(whom) > 0`, incident)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, x := range all {
		if err := x.open(w.sealer(incident)); err != nil {
			w.t.Errorf("a row of %s: %v", incident, err)
		}
		out = append(out, x)
	}
	return out
}

func (w *world) number(address string) (n int64) {
	w.t.Helper()
	id, err := parse(address)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.rows(`SELECT n FROM watchers_person WHERE who = $1`, w.who(id))
}

// known gives who is known to be in a case, and by what, to whoever has the database, the room's key and the keys of all other cases.
func (w *world) known(shredded string) map[string]string {
	w.t.Helper()
	type row struct {
		incident, state, mail, told string // told: by which mail, where that can be read
		tag, whom                   []byte
		n, due, tries               int64
		who                         string
	}
	var all []*row
	rows, err := w.DB.QueryContext(w.t.Context(), `SELECT incident, state, mail, tag, whom, n, due, tries FROM watchers_mail WHERE kind = 'in'`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		x := &row{}
		if err := rows.Scan(&x.incident, &x.state, &x.mail, &x.tag, &x.whom, &x.n, &x.due, &x.tries); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, x)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		w.t.Fatal(err)
	}
	people := map[int64]string{}
	for _, a := range []string{"one@example.com", "two@example.com"} {
		people[w.number(a)] = a
	}
	keys := map[string]*store.Sealer{"the room": w.key}
	for _, id := range []string{"club", "bank"} {
		if id != shredded {
			keys[id] = w.sealer(id)
		}
	}
	for _, x := range all {
		x.who = people[x.n]
		for _, seal := range keys {
			if i := (&item{tag: x.tag, whom: x.whom}); i.open(seal) == nil {
				x.who, x.told = people[i.n], i.mail
			}
			for n, who := range people {
				if bytes.Equal(tagOf(seal, n), x.tag) {
					x.who = who
				}
			}
		}
	}
	out := map[string]string{}
	for _, x := range all {
		if x.incident != shredded {
			continue
		}
		if x.who != "" {
			out[x.who] = "its number"
		}
		for _, o := range all {
			tried := func(x *row) bool { return x.tries > 0 || x.state != "waiting" }
			switch {
			case o == x || o.who == "" || o.incident == shredded:
			case x.mail != "" && (x.mail == o.mail || x.mail == o.told):
				out[o.who] = "the mail"
			case len(x.whom) > 0 && bytes.Equal(x.whom, o.whom):
				out[o.who] = "what is sealed"
			case x.due != 0 && x.due == o.due && tried(x) && tried(o):
				out[o.who] = "the instant"
			}
		}
	}
	return out
}

// TestBackupSaysNobody: at no moment does the database, of which a backup may be made just then, say who is in a case to whoever has the room's key and
// those of all other cases: not while it waits, not where it is tried again, not in flight, not where it is unknown, and not once it was told.
func TestBackupSaysNobody(t *testing.T) {
	eachWorld(t, func(w *world) {
		own := w.watch("one@example.com", "", Choice{Lang: language.JA, Digest: true})
		w.watch("two@example.com", "", now)
		w.publish("club", "final", 0, false, "one@example.com", "two@example.com")
		w.publish("bank", "final", 0, false, "one@example.com", "two@example.com")
		seen := map[string]bool{}
		look := func(when string) {
			t.Helper()
			for who, how := range w.known("bank") {
				t.Errorf("%s, that %s is in the case is known by %s", when, who, how)
			}
			for _, state := range []string{"waiting", "intended", "unknown", "handed-over"} {
				if w.rows(`SELECT count(*) FROM watchers_mail WHERE state = $1`, state) > 0 {
					seen[state] = true
				}
			}
		}
		step := 0
		w.step = func() { step++; look(fmt.Sprint("in step ", step)) }
		w.refuse = func(string) string { return "451 4.3.0 later" }
		w.mails(0)
		look("where it is tried again")
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE state = 'waiting' AND tries = 1`); n != 2 {
			t.Fatalf("%d are tried again", n)
		}
		w.refuse = nil
		w.clock = w.clock.Add(time.Hour)
		if l := w.mails(1)["two@example.com"]; strings.Count(l.text, "対象範囲に含まれています") != 2 {
			t.Errorf("what is tried again is not one mail of both: %+v", l)
		}
		look("once it was told")
		if err := w.Change(t.Context(), own, now); err != nil {
			t.Fatal(err)
		}
		look("once somebody does not wait for the day's any more")
		w.Mailer.Relays = nil // whoever is told is in flight, and its process dies
		due, _, err := w.due(t.Context())
		if err != nil || len(due) != 1 {
			t.Fatalf("%+v, %v", due, err)
		}
		due[0].l = &letter{id: "w.gone"}
		if err := w.intend(t.Context(), due); err != nil {
			t.Fatal(err)
		}
		w.clock = w.clock.Add(time.Hour)
		w.mails(0)
		look("where it is unknown")
		for _, state := range []string{"waiting", "intended", "unknown", "handed-over"} {
			if !seen[state] {
				t.Errorf("nothing was ever %s: the test would see nothing", state)
			}
		}
		if n, err := w.Resolve(t.Context(), true); err != nil || n != 2 {
			t.Errorf("%d, %v", n, err)
		}
		look("where it is told again")
		if k := w.known("club"); len(k) > 0 || len(w.opened("bank", `state = 'waiting'`)) != 1 || len(w.opened("club", `state = 'waiting'`)) != 1 {
			t.Errorf("without the other one's key %v is known, and with each case's own not whom it is of", k)
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

// TestNoOrder: in which order and when people were found in a roster, which is sorted by who they are, is not written down.
func TestNoOrder(t *testing.T) {
	eachWorld(t, func(w *world) {
		var all []string
		for i := range 20 {
			all = append(all, fmt.Sprintf("p%02d@example.com", i))
		}
		if err := w.Add(t.Context(), now, all...); err != nil {
			t.Fatal(err)
		}
		w.publish("bank", "final", 0, false, all...)
		w.Now = func() time.Time { w.clock = w.clock.Add(time.Microsecond); return w.clock }
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Match(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := w.rows(`SELECT count(DISTINCT due) FROM watchers_mail`); n != 1 {
			t.Errorf("%d instants tell who comes before whom", n)
		}
		rows, err := w.items(t.Context(), `length(tag) > 0`) // as they lie there: neither an order nor an index is asked for
		if err != nil || len(rows) != 20 || !slices.IsSortedFunc(rows, func(a, b *item) int { return bytes.Compare(a.tag, b.tag) }) {
			t.Errorf("%d rows lie there in another order than that of their tags, %v", len(rows), err)
		}
	})
}

// TestKeyAway: while a case's key is away, what is to be told of it waits, and nothing of another case does.
func TestKeyAway(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.watch("one@example.com", "", now)
		w.publish("bank", "final", 0, false, "one@example.com")
		w.publish("club", "final", 0, false, "one@example.com")
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Match(t.Context()); err != nil {
			t.Fatal(err)
		}
		back := w.away("bank")
		if l := w.mails(1)["one@example.com"]; strings.Count(l.text, "対象範囲に含まれています") != 1 {
			t.Errorf("%+v", l)
		}
		w.mails(0)
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE incident = 'bank' AND state = 'waiting' AND length(whom) > 0`); n != 1 {
			t.Errorf("%d wait for the key", n)
		}
		back()
		w.clock = w.clock.Add(2 * time.Hour)
		w.mails(1)
	})
}

// TestBackupSaysNoDomain: neither the database nor a backup says which of the domains that are watched has addresses in a case, but by the case's key: not
// what their owners are told, not what they looked at, and not when.
func TestBackupSaysNoDomain(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.turn()
		owned := map[string]string{}
		for _, name := range []string{"yamada.example.jp", "corp.example.jp", "other.example.jp"} {
			owned[name] = w.domainLink(name, "postmaster@"+name)
			if err := w.ConfirmDomain(t.Context(), owned[name]); err != nil {
				t.Fatal(err)
			}
		}
		type row struct {
			domain, state     string
			people, tries, at int64
			whom              []byte
		}
		news := func(id string) (out []row) {
			t.Helper()
			rows, err := w.DB.QueryContext(t.Context(), `SELECT domain, state, people, tries, due, whom FROM watchers_domain_news WHERE incident = $1 ORDER BY domain`, id)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var x row
				if err := rows.Scan(&x.domain, &x.state, &x.people, &x.tries, &x.at, &x.whom); err != nil {
					t.Fatal(err)
				}
				out = append(out, x)
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			return out
		}
		alike := func(when, id, state string) {
			t.Helper()
			all := news(id)
			if len(all) != len(owned) {
				t.Fatalf("%s, %d rows of %d domains", when, len(all), len(owned))
			}
			for _, x := range all {
				if x.state != state || x.tries != all[0].tries || x.at != all[0].at || x.people != 0 || len(x.whom) != len(all[0].whom) {
					t.Errorf("%s, %+v and %+v are told from each other", when, x, all[0])
				}
				for link := range owned {
					d, err := w.domain(t.Context(), owned[link])
					if err != nil || x.domain == d.id {
						t.Errorf("%s, a row is of %s, %v", when, link, err)
					}
				}
			}
		}
		w.refuse = func(string) string { return "" }
		relays := w.Mailer.Relays
		w.Mailer.Relays = []smtp.Relay{{Address: "127.0.0.1:1", Security: smtp.None}}
		w.publish("bank", "final", 0, false, "taro@yamada.example.jp")
		if err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Match(t.Context()); err != nil {
			t.Fatal(err)
		}
		alike("before it is told", "bank", "waiting")
		if err := w.tellDomains(t.Context()); err == nil {
			t.Error("nobody hears that the relay is away")
		}
		alike("where the relay is away", "bank", "waiting")
		w.Mailer.Relays, w.clock = relays, w.clock.Add(time.Hour)
		if l := w.mails(1)["postmaster@yamada.example.jp"]; !strings.Contains(l.text, "1件") {
			t.Errorf("%+v", l)
		}
		alike("once it was told", "bank", "sent")
		for name, link := range owned {
			got, err := w.Affected(t.Context(), link)
			if err != nil || (len(got) == 1) != (name == "yamada.example.jp") {
				t.Errorf("%+v, %v", got, err)
			}
		}
		if n := w.rows(`SELECT count(DISTINCT domain) FROM watchers_domain_log WHERE what = 'shown' AND incident = 'bank'`); n != 3 {
			t.Errorf("only of %d domains it is written down that they looked at the case", n)
		}
		if n := w.rows(`SELECT count(DISTINCT length(shown)) FROM watchers_domain_log WHERE what = 'shown'`); n != 1 {
			t.Errorf("%d lengths tell them from each other", n)
		}
		if c, err := w.OfCase(t.Context(), "bank"); err != nil || c.Looked != 1 {
			t.Errorf("with the case's key it is not known who has looked: %+v, %v", c, err)
		}
		// What is told of a domain goes when its watch ends.
		if err := w.RevokeDomain(t.Context(), owned["yamada.example.jp"]); err != nil {
			t.Fatal(err)
		}
		if n := len(news("bank")); n != 2 {
			t.Errorf("%d rows stay", n)
		}
	})
}

// TestBeforeSealed: of whom it is what waits or is unknown, which an earlier version kept in the clear, is sealed once this one has opened it, and so
// is the mail by which it was tried; what has left says of nobody by which mail.
func TestBeforeSealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		earlier := fstest.MapFS{}
		names, err := migrations.ReadDir("migrations")
		for _, e := range names {
			if e.Name() < "00006" && err == nil {
				earlier[e.Name()] = &fstest.MapFile{}
				earlier[e.Name()].Data, err = migrations.ReadFile("migrations/" + e.Name())
			}
		}
		if err == nil {
			err = db.Migrate(t.Context(), "watchers", earlier)
		}
		if err != nil {
			t.Fatal(err)
		}
		folder := t.TempDir()
		rooms, err := openRooms(t.Context(), db, folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"shop", "bank"} {
			if _, err := makeRoster(t.Context(), rooms, folder, id, "one@example.com"); err != nil {
				t.Fatal(err)
			}
			seal, err := rooms.Rosters.Sealer(t.Context(), id, true)
			if err != nil {
				t.Fatal(err)
			}
			for n, state := range []string{"", "waiting", "unknown", "handed-over"} {
				if n == 0 {
					continue
				}
				kept := int64(n)
				if state == "handed-over" {
					kept = 0
				}
				if _, err := db.ExecContext(t.Context(), `INSERT INTO watchers_mail (incident, kind, ref, tag, n, due, state, mail, tries) VALUES ($1, 'in', '', $2, $3, 9000000000000000, $4, $5, 1)`, id, tagOf(seal, int64(n)), kept, state, fmt.Sprint("w.", n)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, id := range []string{"shop", "bank"} {
			if _, err := db.ExecContext(t.Context(), `INSERT INTO watchers_domain_news (domain, incident, ref, people, state, tries, due, n) VALUES ('d1', $1, 'r', 4, 'sent', 1, 1, 1)`, id); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(t.Context(), `INSERT INTO watchers_domain_news (domain, incident, ref, people, state, tries, due, n) VALUES ('d1', $1, 'none', 0, 'sent', 1, 1, 2)`, id); err != nil {
				t.Fatal(err)
			}
		}
		for i, id := range []string{"", "shop", "bank", ""} {
			if _, err := db.ExecContext(t.Context(), `INSERT INTO watchers_domain_log (domain, n, at, what, incident) VALUES ('d1', $1, $1, 'looked', $2)`, i+1, id); err != nil {
				t.Fatal(err)
			}
		}
		if err := rooms.Rosters.Shred(t.Context(), actor.Operator(), "bank"); err != nil {
			t.Fatal(err)
		}
		room, err := New(t.Context(), rooms)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, Watchers: room}
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE n <> 0 OR mail <> '' OR incident = 'bank' AND (length(whom) > 0 OR state NOT IN ('dropped', 'handed-over'))`); n != 0 {
			t.Errorf("%d rows say in the clear whom they are of, or by which mail", n)
		}
		got := map[int64]string{}
		for _, x := range w.opened("shop", `state IN ('waiting', 'unknown')`) {
			got[x.n] = x.mail
		}
		if len(got) != 2 || got[1] != "w.1" || got[2] != "w.2" {
			t.Errorf("%v", got)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_domain_news WHERE people <> 0 OR domain = 'd1' OR incident = 'bank'`); n != 0 {
			t.Errorf("%d rows say in the clear which domain had addresses", n)
		}
		var sealed []byte
		if err := db.QueryRowContext(t.Context(), `SELECT whom FROM watchers_domain_news WHERE incident = 'shop' AND ref = 'r' AND domain = $1`, domainTag(w.sealer("shop"), "d1")).Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		if e, err := openExposure(w.sealer("shop"), sealed); err != nil || e != (exposure{"d1", 4, true}) {
			t.Errorf("%+v, %v", e, err)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_domain_log WHERE what = 'looked' AND incident <> '' OR incident = 'bank'`); n != 0 {
			t.Errorf("%d lines say in the clear in which case there were addresses", n)
		}
		if n, err := w.looked(t.Context(), "shop"); n != 1 || err != nil {
			t.Errorf("with the case's key %d looks are known, %v", n, err)
		}
		looks := func(want ...string) {
			t.Helper()
			lines, err := w.log(t.Context(), "d1")
			var got []string
			for _, l := range lines {
				got = append(got, l.What+" "+l.Of)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%q, %v", got, err)
			}
		}
		looks("looked ", "looked ", "looked shop", "looked ")
		if err := w.Rosters.Shred(t.Context(), actor.Operator(), "shop"); err != nil {
			t.Fatal(err)
		}
		if err := w.forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		looks("looked ", "looked ", "looked ", "looked ") // that it was looked stays
	})
}
