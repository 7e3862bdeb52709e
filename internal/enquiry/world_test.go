package enquiry

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const shop = "shop-2026"

// world is a desk, a clock, and a mail server that takes what it is told to.
type world struct {
	*Desk
	t         testing.TB
	rosters   *roster.Rosters
	incidents *incident.Incidents

	mu      sync.Mutex
	sent    []Letter
	outcome func(l Letter) (Outcome, string)
	clock   time.Time
}

func eachWorld(t *testing.T, do func(w *world)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { do(newWorld(t, db, t.TempDir())) })
}

// openRooms opens what the desk stands on, in a folder.
func openRooms(ctx context.Context, db *store.DB, folder string) (Rooms, *roster.Rosters, *incident.Incidents, error) {
	dir, err := files.Open(filepath.Join(folder, "files"))
	if err != nil {
		return Rooms{}, nil, nil, err
	}
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		return Rooms{}, nil, nil, err
	}
	rosters, err := roster.New(ctx, db, dir, keys)
	if err != nil {
		return Rooms{}, nil, nil, err
	}
	incidents, err := incident.New(ctx, db, nil)
	rooms := Rooms{DB: db, Keys: keys, Seal: rosters.Sealer, Gone: func(err error) bool { return errors.Is(err, roster.ErrShredded) }, Incident: incidents.Get,
		Own: func(ctx context.Context, id string) (bool, error) {
			_, err := incidents.Get(ctx, id)
			if errors.Is(err, incident.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		},
		Recognised: func(context.Context, actor.Actor, string) (good, refused []string, err error) {
			return []string{"call back on the contract number"}, []string{"date of birth"}, nil
		},
		URL: "https://notice.example", Address: "support@desk.example"}
	return rooms, rosters, incidents, err
}

func newWorld(t testing.TB, db *store.DB, folder string) *world {
	t.Helper()
	w := &world{t: t, clock: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)}
	rooms, rosters, incidents, err := openRooms(t.Context(), db, folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rooms.Keys.Close() })
	w.rosters, w.incidents = rosters, incidents
	rooms.Now = func() time.Time { return w.clock }
	rooms.Deliver = func(_ context.Context, l Letter) (Outcome, string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.outcome != nil {
			if o, said := w.outcome(l); o != Taken {
				return o, said
			}
		}
		w.sent = append(w.sent, l)
		return Taken, ""
	}
	if w.Desk, err = New(t.Context(), rooms); err != nil {
		t.Fatal(err)
	}
	if _, err := incidents.Get(t.Context(), shop); err != nil {
		w.facts(`
id: shop-2026
asOf: "2026-04-30T10:00+09:00"
facts:
  - {key: title, value: {ja: 会員情報の流出, en: Member data taken}}
  - {key: organisation, value: {ja: 例示商店, en: Example Shop}}
  - {key: country, value: JP}
  - {key: affected.count, value: 1000, unit: persons}
  - {key: data-class, value: email}
`)
		w.ok(w.SetOpen(t.Context(), actor.Operator(), shop, true))
	}
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// facts records facts of the incident, which has one when it is the first time.
func (w *world) facts(yaml string) {
	w.t.Helper()
	f, err := incident.ParseFactsFile("facts.yaml", []byte(yaml))
	if err == nil {
		if _, err = w.incidents.Get(w.t.Context(), f.ID); err != nil {
			_, err = w.incidents.Create(w.t.Context(), actor.Operator(), f)
		} else {
			_, err = w.incidents.Add(w.t.Context(), actor.Operator(), f)
		}
	}
	w.ok(err)
}

// form gives the token of a form that was shown long enough ago.
func (w *world) form() string {
	token := w.Form(shop)
	w.clock = w.clock.Add(soonest)
	return token
}

// asks sends an enquiry by the form, and takes the mails that leave.
func (w *world) asks(topic, text, address string) {
	w.t.Helper()
	w.ok(w.Ask(w.t.Context(), shop, Asked{Form: w.form(), Topic: topic, Text: text, Address: address, Name: "山田", Lang: language.JA}))
}

// mails sends what is due, and gives it.
func (w *world) mails() []Letter {
	w.t.Helper()
	w.mu.Lock()
	w.sent = nil
	w.mu.Unlock()
	if _, err := w.Send(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

var linkIn = regexp.MustCompile(`https://notice\.example/enquiries/confirm\?t=(\S+)`)

// asked is an enquiry whose mailbox was shown to be theirs.
func (w *world) asked(topic, text, address string) *Enquiry {
	w.t.Helper()
	w.asks(topic, text, address)
	for _, l := range w.mails() {
		if m := linkIn.FindStringSubmatch(l.Text); m != nil && strings.EqualFold(l.To, address) {
			_, err := w.Confirm(w.t.Context(), m[1])
			w.ok(err)
			id, _, _ := strings.Cut(m[1], "-")
			return w.read(id)
		}
	}
	w.t.Fatalf("no link went to %s", address)
	return nil
}

func (w *world) read(id string) *Enquiry {
	w.t.Helper()
	e, err := w.Get(w.t.Context(), actor.Operator(), shop, id)
	w.ok(err)
	return e
}

func (w *world) put(id, ja, en string) {
	w.t.Helper()
	c := Canned{ID: id, Name: language.Both(id, id), Subject: language.Both("お答え", "Our answer"), Text: language.Both(ja, en)}
	if was, err := w.GetCanned(w.t.Context(), actor.Operator(), shop, id); err == nil {
		c.Version = was.Version
	}
	w.ok(w.PutCanned(w.t.Context(), actor.Operator(), shop, c))
}

// rows counts the rows of all tables of strangers.
func (w *world) rows(table string) (n int64) {
	w.t.Helper()
	w.ok(w.DB.QueryRowContext(w.t.Context(), `SELECT count(*) FROM `+table).Scan(&n))
	return n
}

// plain fails where something that strangers wrote stands in the database as it is.
func (w *world) plain(secrets ...string) {
	w.t.Helper()
	for table, cols := range map[string][]string{"enquiry": {"assignee", "who", "person", "topic"},
		"enquiry_message": {"actor", "said", "seen", "sealed"}, "enquiry_event": {"actor", "what", "detail"}, "enquiry_file": {"name", "data"}, "enquiry_asked": {"who"}} {
		for _, col := range cols {
			rows, err := w.DB.QueryContext(w.t.Context(), `SELECT `+col+` FROM `+table)
			w.ok(err)
			for rows.Next() {
				var v any
				w.ok(rows.Scan(&v))
				text := fmt.Sprint(v)
				if b, is := v.([]byte); is {
					text = string(b)
				}
				for _, s := range secrets {
					if strings.Contains(text, s) {
						w.t.Errorf("%s.%s has %q in it", table, col, s)
					}
				}
			}
			w.ok(errors.Join(rows.Err(), rows.Close()))
		}
	}
}
