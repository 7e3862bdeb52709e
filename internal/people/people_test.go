package people

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

const clinic, school = "clinic-2026", "school-2026"

// letter is a mail as it was handed over.
type letter struct{ to, subject, text, id string }

type world struct {
	*People
	t     *testing.T
	sent  []letter
	fail  error
	clock time.Time
}

func eachWorld(t *testing.T, do func(w *world)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, t.TempDir())
		w.roster("one@example.com", "two@example.com")
		do(w)
	})
}

// openRooms opens what the room stands on, in a folder.
func openRooms(ctx context.Context, db *store.DB, folder string) (Rooms, error) {
	dir, err := files.Open(filepath.Join(folder, "files"))
	if err != nil {
		return Rooms{}, err
	}
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		return Rooms{}, err
	}
	rosters, err := roster.New(ctx, db, dir, keys)
	return Rooms{DB: db, Keys: keys, Rosters: rosters, ByMail: func(_ context.Context, id string) (About, bool, error) {
		return About{Title: language.Both("診療情報の持ち出し", "Records taken from a clinic"), Organisation: language.Both("例示クリニック", "Example Clinic"),
			AsOf: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), Page: "https://notice.example/incidents/" + id + "/help"}, id == clinic || id == school, nil
	}}, err
}

func newWorld(t *testing.T, db *store.DB, folder string) *world {
	t.Helper()
	w := &world{t: t, clock: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)}
	rooms, err := openRooms(t.Context(), db, folder)
	if err != nil {
		t.Fatal(err)
	}
	rooms.Send = func(_ context.Context, to, subject, text, id string) error {
		if w.fail != nil {
			return w.fail
		}
		if strings.HasPrefix(to, "refused") {
			return ErrRefused
		}
		if strings.HasPrefix(to, "later") {
			return errors.New("greylisted")
		}
		w.sent = append(w.sent, letter{to, subject, text, id})
		return nil
	}
	if w.People, err = New(t.Context(), rooms); err != nil {
		t.Fatal(err)
	}
	w.now = func() time.Time { return w.clock }
	return w
}

// roster makes the incident's next one of these addresses.
func (w *world) roster(addresses ...string) {
	w.t.Helper()
	export := "id,mail\n"
	for i, a := range addresses {
		export += fmt.Sprintf("%d,%s\n", i, a)
	}
	name := filepath.Join(w.t.TempDir(), "export.csv")
	if err := os.WriteFile(name, []byte(export), 0o600); err != nil {
		w.t.Fatal(err)
	}
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nsets:\n  - {classes: [email, health]}\n"), incident.ClassWords())
	if err == nil {
		_, err = w.Rosters.Create(w.t.Context(), actor.Operator(), clinic, roster.Options{Export: name, Rules: rules, TempDir: w.t.TempDir()})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) ask(address string) {
	w.t.Helper()
	if err := w.Ask(w.t.Context(), clinic, language.JA, address); err != nil {
		w.t.Fatalf("%s: %v", address, err)
	}
}

func (w *world) answers(n int) []letter {
	w.t.Helper()
	w.sent = nil
	if got, err := w.Answer(w.t.Context()); err != nil || got != n || len(w.sent) != n {
		w.t.Fatalf("%d answers, %d mails, want %d: %v", got, len(w.sent), n, err)
	}
	return w.sent
}

// left is every byte of the room's tables, for what must not be in them.
func (w *world) left() (states []string, addresses int) {
	w.t.Helper()
	rows, err := w.DB.QueryContext(w.t.Context(), `SELECT state, address FROM people_asked ORDER BY at, id`)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var state string
		var address []byte
		if err := rows.Scan(&state, &address); err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(string(address), "example.com") {
			w.t.Error("an address is not sealed")
		}
		if len(address) > 0 {
			addresses++
		}
		states = append(states, state)
	}
	return states, addresses
}

// TestAnswer: who is in the roster hears so, who is not hears that, in mails of one length, and nothing of an address stays.
func TestAnswer(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.ask("one@example.com")
		w.ask("six@example.com")
		w.ask("  TWO@EXAMPLE.com ")
		sent := w.answers(3)
		in := map[string]bool{}
		for _, l := range sent {
			in[l.to] = strings.Contains(l.text, "対象範囲に、含まれています")
			if in[l.to] == strings.Contains(l.text, "対象範囲に、含まれていません") || len(l.text) != len(sent[0].text) || l.subject != sent[0].subject || len(l.id) != len(sent[0].id) {
				w.t.Errorf("%+v", l)
			}
		}
		if len(in) != 3 || !in["one@example.com"] || !in["two@example.com"] || in["six@example.com"] {
			w.t.Errorf("%v", in)
		}
		if states, addresses := w.left(); addresses != 0 || !slices.Equal(slices.Compact(states), []string{"answered"}) {
			w.t.Errorf("%v, %d addresses stay", states, addresses)
		}
		w.answers(0)

		// A roster that is made anew is what is answered from.
		w.roster("six@example.com")
		w.ask("six@example.com")
		w.ask("one@example.com")
		for _, l := range w.answers(2) {
			if strings.Contains(l.text, "対象範囲に、含まれています") != (l.to == "six@example.com") {
				w.t.Errorf("after another roster: %+v", l)
			}
		}
		w.clock = w.clock.Add(kept + time.Minute)
		w.answers(0)
		if states, _ := w.left(); len(states) > 0 {
			w.t.Errorf("after two days: %v", states)
		}
	})
}

func TestRefused(t *testing.T) {
	eachWorld(t, func(w *world) {
		for _, c := range []struct {
			id, address string
			want        error
		}{{clinic, "", ErrAddress}, {clinic, "x", ErrAddress}, {clinic, "a@example.com\nBcc: b@example.com", ErrAddress}, {"other", "one@example.com", ErrNone}} {
			if err := w.Ask(t.Context(), c.id, language.EN, c.address); !errors.Is(err, c.want) {
				w.t.Errorf("%q of %s: %v", c.address, c.id, err)
			}
		}
		if states, _ := w.left(); len(states) > 0 {
			w.t.Errorf("kept: %v", states)
		}
	})
}

// TestBombs: one address is not mailed more than so often, whoever asks, and the asker is told the same; all together are bounded.
func TestBombs(t *testing.T) {
	eachWorld(t, func(w *world) {
		for range perAddress + 4 {
			w.ask("one@example.com")
			w.ask("six@example.com")
		}
		w.answers(2 * perAddress)
		w.ask("One@example.com") // the same mailbox for us
		w.answers(0)
		// Of another incident, too: it is one mailbox.
		if _, err := w.Rosters.Sealer(w.t.Context(), school, true); err != nil {
			w.t.Fatal(err)
		}
		for _, address := range []string{"one@example.com", "seven@example.com"} {
			if err := w.Ask(w.t.Context(), school, language.JA, address); err != nil {
				w.t.Fatal(err)
			}
		}
		var waiting, over int64
		if err := w.DB.QueryRowContext(w.t.Context(), `SELECT count(CASE WHEN state = 'waiting' THEN 1 END), count(CASE WHEN state = 'passed-over' THEN 1 END) FROM people_asked WHERE incident = $1`, school).Scan(&waiting, &over); err != nil || waiting != 1 || over != 1 {
			w.t.Errorf("of another incident: %d are answered and %d are not, %v", waiting, over, err)
		}
		if _, err := w.DB.ExecContext(w.t.Context(), `DELETE FROM people_asked WHERE incident = $1`, school); err != nil {
			w.t.Fatal(err)
		}
		w.clock = w.clock.Add(25 * time.Hour)
		w.ask("one@example.com")
		w.answers(1)
		now := store.Micros(w.clock)
		for i := range inAll {
			if _, err := w.DB.ExecContext(w.t.Context(), `INSERT INTO people_asked (id, incident, who, address, lang, at, state, tries, next_at) VALUES ($1, 'x', $2, $2, 'ja', $3, 'answered', 0, $3)`,
				fmt.Sprint("fill", i), []byte{1}, now); err != nil {
				w.t.Fatal(err)
			}
		}
		if err := w.Ask(w.t.Context(), clinic, language.JA, "seven@example.com"); !errors.Is(err, ErrBusy) {
			w.t.Errorf("beyond all: %v", err)
		}
	})
}

// TestRelayAway: what could not be handed over is tried again, under the same id, and given up in the end; then the address goes.
func TestRelayAway(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.ask("one@example.com")
		w.fail = errors.New("away")
		waiting := func(want int64) {
			w.t.Helper()
			if n, err := Waiting(w.t.Context(), w.DB, clinic); err != nil || n != want {
				w.t.Errorf("%d wait, want %d: %v", n, want, err)
			}
			if n, err := Waiting(w.t.Context(), w.DB, school); err != nil || n != 0 {
				w.t.Errorf("%d wait of another incident: %v", n, err)
			}
		}
		waiting(1)
		for i := range tries {
			if n, err := w.Answer(w.t.Context()); n != 0 || err == nil {
				w.t.Fatalf("try %d: %d, %v", i, n, err)
			}
			if _, addresses := w.left(); addresses != 1 && i < tries-1 {
				w.t.Fatalf("try %d: the address is gone", i)
			}
			w.clock = w.clock.Add(6 * time.Hour)
		}
		waiting(0)
		if states, addresses := w.left(); addresses != 0 || !slices.Equal(states, []string{"given-up"}) {
			w.t.Errorf("%v, %d", states, addresses)
		}
		w.fail = nil
		w.answers(0)
	})
}

// TestHalfASet: a set that was being made when the process ended is not answered from, and is made anew.
func TestHalfASet(t *testing.T) {
	eachWorld(t, func(w *world) {
		r, err := w.Rosters.Latest(w.t.Context(), clinic)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.DB.ExecContext(w.t.Context(), `INSERT INTO people_set (incident, roster, token, complete) VALUES ($1, $2, 'x', 0)`, clinic, r.ID); err != nil {
			w.t.Fatal(err)
		}
		w.ask("one@example.com")
		if l := w.answers(1)[0]; !strings.Contains(l.text, "含まれています") {
			w.t.Errorf("%+v", l)
		}
	})
}

// TestShredded: where the case's key is gone there is no answer, and none is made up.
func TestShredded(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.ask("one@example.com")
		if err := w.Rosters.Shred(w.t.Context(), actor.Operator(), clinic); err != nil {
			w.t.Fatal(err)
		}
		w.answers(0)
		if states, addresses := w.left(); addresses != 0 || !slices.Equal(states, []string{"given-up"}) {
			w.t.Errorf("%v, %d", states, addresses)
		}
		if err := w.Ask(w.t.Context(), clinic, language.JA, "one@example.com"); err == nil {
			w.t.Error("asked without a key")
		}
	})
}

// TestCompose: of any incident, in both languages, both answers are of one length, and differ.
func TestCompose(t *testing.T) {
	for _, about := range []About{{}, {Title: language.Both("件", "A title"), Organisation: language.Both(strings.Repeat("長", 200), "Org"), AsOf: time.Unix(0, 0), Page: "https://x.example/"}} {
		for _, lang := range []language.Lang{language.JA, language.EN} {
			s1, yes := compose(lang, about, true)
			s2, no := compose(lang, about, false)
			if len(yes) != len(no) || s1 != s2 || yes == no {
				t.Errorf("%s: %d and %d bytes", lang, len(yes), len(no))
			}
		}
	}
}

// TestRefusedForGood: a mailbox that takes no mail is given up at once, that is reported, and a turn in which nothing else comes of it ends: a server
// that refuses whatever comes from here is not taken for thousands of mailboxes that do.
func TestRefusedForGood(t *testing.T) {
	eachWorld(t, func(w *world) {
		for i := range inARow + 10 {
			w.ask(fmt.Sprintf("refused%d@example.com", i))
		}
		w.clock = w.clock.Add(time.Second)
		w.ask("one@example.com")
		given := func() int {
			states, addresses := w.left()
			n := strings.Count(fmt.Sprint(states), "given-up")
			if strings.Count(fmt.Sprint(states), "waiting") != addresses {
				w.t.Errorf("%v, %d addresses", states, addresses)
			}
			return n
		}
		if n, err := w.Answer(w.t.Context()); n != 0 || !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), fmt.Sprint("of ", inARow)) || given() != inARow {
			w.t.Fatalf("%d answered, %d given up: %v", n, given(), err)
		}
		if n, err := w.Answer(w.t.Context()); n != 1 || !errors.Is(err, ErrRefused) || given() != inARow+10 {
			w.t.Fatalf("%d answered, %d given up: %v", n, given(), err)
		}
		w.answers(0)
	})
}

// TestTakesNothing: however many mailboxes that take nothing for now are due again, and longer, whoever asks is answered in the same turn.
func TestTakesNothing(t *testing.T) {
	eachWorld(t, func(w *world) {
		for i := range 3 * inARow {
			w.ask(fmt.Sprintf("later%d@example.com", i))
		}
		for range 3 { // as many as there are turns of those that are new
			if n, err := w.Answer(w.t.Context()); n != 0 || err == nil {
				w.t.Fatalf("%d answered: %v", n, err)
			}
		}
		w.clock = w.clock.Add(time.Hour)
		w.ask("one@example.com")
		if n, err := w.Answer(w.t.Context()); n != 1 || err == nil || len(w.sent) != 1 {
			w.t.Fatalf("%d answered: %v", n, err)
		}
		if states, addresses := w.left(); addresses != 3*inARow || strings.Count(fmt.Sprint(states), "waiting") != 3*inARow {
			w.t.Errorf("%v, %d addresses", states, addresses)
		}
	})
}

// TestForgetLeftOver: members whose question and set are gone go with the case too.
func TestForgetLeftOver(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.ask("one@example.com")
		w.answers(1)
		for _, q := range []string{`DELETE FROM people_asked`, `DELETE FROM people_set`} {
			if _, err := w.DB.ExecContext(w.t.Context(), q); err != nil {
				w.t.Fatal(err)
			}
		}
		members := func() (n int) {
			if err := w.DB.QueryRowContext(w.t.Context(), `SELECT count(*) FROM people_member`).Scan(&n); err != nil {
				w.t.Fatal(err)
			}
			return n
		}
		if members() != 2 {
			w.t.Fatalf("%d members", members())
		}
		if err := w.Rosters.Shred(w.t.Context(), actor.Operator(), clinic); err != nil {
			w.t.Fatal(err)
		}
		if err := Forget(w.t.Context(), w.DB, w.Rosters); err != nil || members() != 0 {
			w.t.Errorf("%d members stay: %v", members(), err)
		}
	})
}
