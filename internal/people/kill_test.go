package people

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func TestMain(m *testing.M) { killtest.Main(m, answerAndDie) }

// answerAndDie is the process that is killed: it answers what is due. What the mail server took is appended to a file, as by a server that is not
// killed with it.
func answerAndDie(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	defer db.Close()
	rooms, err := openRooms(ctx, db, args[1])
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, args[3])
	if err != nil {
		return err
	}
	taken, err := os.OpenFile(args[2], os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer taken.Close()
	rooms.Send = func(_ context.Context, to, _, text, id string) error {
		b, err := json.Marshal([]string{to, id, text})
		if err == nil {
			_, err = taken.Write(append(b, '\n'))
		}
		return err
	}
	p, err := New(ctx, rooms)
	if err != nil {
		return err
	}
	p.now, p.step = func() time.Time { return at }, step
	_, err = p.Answer(ctx)
	return err
}

// TestKill: killed at each of its steps, while the keyed set is made and while answers leave, every question is answered, and each as it is: nobody
// who is in the scope ever hears that they are not, and what comes twice is known for the same mail.
func TestKill(t *testing.T) {
	const asked = 4
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		folder := t.TempDir()
		w := newWorld(t, db, folder)
		var all []string
		for i := range 2*chunk + 10 {
			all = append(all, fmt.Sprintf("a%d@example.com", i))
		}
		w.roster(all...)
		for i := range asked { // the last of those affected, and strangers
			w.ask(all[len(all)-1-i])
			w.ask(fmt.Sprintf("stranger%d@example.com", i))
		}
		server, kills := filepath.Join(folder, "taken"), 0
		for at := 1; ; at = 1 + kills%7 { // in the set's parts, before it is whole, with a question that was claimed, and with one that has left
			if _, killed := killtest.Kill(t, at, url, folder, server, w.clock.Format(time.RFC3339)); !killed {
				break
			}
			if kills++; kills > 100 {
				t.Fatal("it does not end")
			}
			w.clock = w.clock.Add(claimed + time.Second) // as long as a process may hold what it had
		}
		data, err := os.ReadFile(server)
		if err != nil {
			t.Fatal(err)
		}
		ids, doubles := map[string]string{}, 0
		for line := range bytes.Lines(data) {
			var mail [3]string
			if err := json.Unmarshal(line, &mail); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(mail[2], "対象範囲に、含まれています") == strings.HasPrefix(mail[0], "stranger") {
				t.Errorf("%s hears otherwise: %s", mail[0], mail[2])
			}
			if was, twice := ids[mail[0]]; twice {
				if doubles++; was != mail[1] {
					t.Errorf("%s has two mails that are not known for one", mail[0])
				}
			}
			ids[mail[0]] = mail[1]
		}
		if states, addresses := w.left(); kills < 7 || len(ids) != 2*asked || addresses != 0 || len(states) != 2*asked {
			t.Errorf("%d kills, %d answered, %v, %d addresses stay", kills, len(ids), states, addresses)
		}
		t.Logf("%d kills, %d came twice", kills, doubles)
	})
}

// TestTwoServers: one that makes the set anew while another one answers keeps it from no "yes", and of two that answer at once each question is one's.
func TestTwoServers(t *testing.T) {
	eachWorld(t, func(w *world) {
		other, err := New(t.Context(), w.Rooms)
		if err != nil {
			t.Fatal(err)
		}
		other.now = w.now
		w.ask("one@example.com")
		w.ask("two@example.com")
		inside := false
		w.step = func() {
			if inside {
				return
			}
			inside = true
			if _, err := other.Answer(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if _, err := w.Answer(t.Context()); err != nil {
			t.Fatal(err)
		}
		to := map[string]int{}
		for _, l := range w.sent {
			if to[l.to]++; !strings.Contains(l.text, "対象範囲に、含まれています") {
				t.Errorf("%+v", l)
			}
		}
		if !inside || len(to) != 2 || to["one@example.com"] != 1 || to["two@example.com"] != 1 {
			t.Errorf("%v, %v", inside, to)
		}

		// A process that was held up for longer than its claim writes nothing over what another one did meanwhile.
		w.ask("one@example.com")
		w.sent, inside = nil, true
		w.step = func() {
			w.step = func() {}
			w.clock = w.clock.Add(claimed + time.Second)
			if n, err := other.Answer(t.Context()); n != 1 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			w.fail = os.ErrDeadlineExceeded
		}
		if _, err := w.Answer(t.Context()); err == nil {
			t.Error("it was handed over twice")
		}
		w.fail = nil
		w.clock = w.clock.Add(time.Hour)
		if n, err := w.Answer(t.Context()); n != 0 || err != nil {
			t.Errorf("answered again: %d, %v", n, err)
		}
		// Of two that make the sets of two rosters at once, one lets the other's go: nobody is answered from what is left of that.
		both := []string{"two@example.com", "three@example.com"}
		for i := range 2 * chunk {
			both = append(both, fmt.Sprintf("a%d@example.com", i))
		}
		w.roster(both...)
		w.ask("two@example.com")
		w.ask("three@example.com")
		w.sent = nil
		turns := 0
		w.step = func() {
			if turns++; turns != 3 { // two parts of three are written
				return
			}
			w.roster(both...)
			if _, err := other.Answer(t.Context()); err != nil {
				t.Error(err)
			}
			w.ask("two@example.com")
			w.ask("three@example.com")
		}
		for range 4 {
			_, _ = w.Answer(t.Context())
			w.clock = w.clock.Add(time.Hour)
		}
		for _, l := range w.sent {
			if !strings.Contains(l.text, "対象範囲に、含まれています") {
				t.Errorf("of half a set: %+v", l)
			}
		}
		if len(w.sent) != 4 {
			t.Errorf("%d mails", len(w.sent))
		}
	})
}
