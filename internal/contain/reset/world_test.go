package reset

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/connect"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/killtest"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

const facts = `id: loss-2026
facts:
  - {key: title, value: {ja: 会員情報の漏えい, en: A loss of member data}}
  - {key: organisation, value: {ja: 株式会社例示, en: Example Inc.}}
  - {key: discovered, value: "2026-11-18T10:09+09:00"}
  - {key: data-class, id: a, value: email}
  - {key: data-class, id: b, value: birth-date}
`

const rules = `columns: {account: id, email: mail, locale: lang}
sets:
  - {classes: [email, "password:hashed", birth-date]}
`

// place is an account as the system of these tests has it.
type kept struct {
	password string
	must     bool // a new password before anything else
	sessions int
	forced   int
	resets   int
	late     bool // it was forced after it was reset
}

// system is an organisation's own, with accounts.
type system struct {
	mu       sync.Mutex
	accounts map[string]*kept
	fail     func(account string, n int) error // of the nth call
	outcome  connect.Outcome
	again    connect.Outcome
	calls    int
	during   func(account string) // a call
	tell     bool                 // whether a password is the same
}

func (s *system) Describe() []byte { return []byte("a system of tests") }

func (s *system) begin(account string) (*kept, error) {
	if s.during != nil {
		s.during(account)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fail != nil {
		if err := s.fail(account, s.calls); err != nil {
			return nil, err
		}
	}
	k := s.accounts[account]
	if k == nil {
		return nil, connect.ErrNoAccount
	}
	return k, nil
}

func (s *system) Force(_ context.Context, o connect.Order) (connect.Outcome, error) {
	k, err := s.begin(o.Account)
	if err != nil {
		return connect.Outcome{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k.late = k.late || k.resets > 0
	k.password, k.must, k.sessions = "", true, 0
	k.forced++
	return s.outcome, nil
}

func (s *system) Reset(_ context.Context, o connect.Order, password string) (connect.Outcome, error) {
	k, err := s.begin(o.Account)
	if err != nil {
		return connect.Outcome{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k.password, k.must, k.sessions = password, false, 0
	k.resets++
	return s.outcome, nil
}

func (s *system) Same(_ context.Context, account, password string) (same, known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.accounts[account]
	return s.tell && k != nil && k.password == password, s.tell, nil
}

func (s *system) Again(context.Context, connect.Order) (connect.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.again, nil
}

// world is a room with a roster and a system.
type world struct {
	*Resets
	t      testing.TB
	system *system

	mu    sync.Mutex
	mails []Mail
	now   time.Time
	woken chan struct{} // something may have come true
}

func openRosters(ctx context.Context, db *store.DB, folder string) (*roster.Rosters, *incident.Incidents, error) {
	dir, err := files.Open(filepath.Join(folder, "files"))
	if err != nil {
		return nil, nil, err
	}
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		return nil, nil, err
	}
	rosters, err := roster.New(ctx, db, dir, keys)
	if err != nil {
		return nil, nil, err
	}
	incidents, err := incident.New(ctx, db, nil)
	return rosters, incidents, err
}

func accountOf(i int) string { return fmt.Sprintf("m%05d", i) }
func addressOf(i int) string { return fmt.Sprintf("user%05d@mail%d.example", i, i%7) }

func makeRoster(ctx context.Context, rosters *roster.Rosters, folder string, from, n int) error {
	var b bytes.Buffer
	b.WriteString("id,mail,lang\n")
	for i := from; i < n; i++ {
		address := addressOf(i)
		if i%10 == 3 {
			address = addressOf(i - 1) // two accounts of one person
		}
		fmt.Fprintf(&b, "%s,%s,%s\n", accountOf(i), address, []string{"ja", "en"}[i%2])
	}
	export := filepath.Join(folder, fmt.Sprintf("export%d-%d.csv", from, n))
	if err := os.WriteFile(export, b.Bytes(), 0o600); err != nil {
		return err
	}
	rs, err := roster.ParseRules("rules.yaml", []byte(rules), incident.ClassWords())
	if err != nil {
		return err
	}
	_, err = rosters.Create(ctx, actor.Operator(), "loss-2026", roster.Options{Export: export, Rules: rs, TempDir: folder})
	return err
}

func makeIncident(ctx context.Context, incidents *incident.Incidents) error {
	file, err := incident.ParseFactsFile("facts.yaml", []byte(facts))
	if err == nil {
		_, err = incidents.Create(ctx, actor.Operator(), file)
	}
	return err
}

func newWorld(t testing.TB, db *store.DB, n int, change func(*Rooms)) *world {
	t.Helper()
	folder := t.TempDir()
	rosters, incidents, err := openRosters(t.Context(), db, folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := makeIncident(t.Context(), incidents); err != nil {
		t.Fatal(err)
	}
	if err := makeRoster(t.Context(), rosters, folder, 0, n); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, system: newSystem(n), now: time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)}
	rooms := Rooms{DB: db, Rosters: rosters, Connector: w.system, URL: "https://notice.example.jp", Service: language.Both("例示サービス", "Example"), Contact: "mailto:desk@example.jp",
		Returns: []string{"https://app.example.jp/login"}, Screen: screen, Lease: -1, Poll: 2 * time.Millisecond,
		Send: func(_ context.Context, m Mail) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.mails = append(w.mails, m)
			return nil
		}, Exposed: func(context.Context, string) ([]string, error) { return []string{"email", "birth-date"}, nil }}
	if change != nil {
		change(&rooms)
	}
	if w.Resets, err = New(t.Context(), rooms); err != nil {
		t.Fatal(err)
	}
	w.woken = make(chan struct{}, 1)
	w.seen = func() {
		select {
		case w.woken <- struct{}{}:
		default:
		}
	}
	w.waits = func(n int) int64 {
		if n > 20 {
			return -1
		}
		return 0
	}
	return w
}

func newSystem(n int) *system {
	s := &system{accounts: map[string]*kept{}, outcome: connect.Outcome{Refused: connect.Yes, Ended: connect.Yes}, again: connect.Outcome{Refused: connect.Yes, Ended: connect.Yes}, tell: true}
	for i := range n {
		s.accounts[accountOf(i)] = &kept{password: "stolen", sessions: 2}
	}
	return s
}

// screen is one that knows of lengths and words.
func screen(_ context.Context, password string, least int, about ...string) ([]language.Text, error) {
	var out []language.Text
	if len([]rune(password)) < least {
		out = append(out, language.Both("短すぎます", "too short"))
	}
	for _, w := range about {
		if w != "" && strings.Contains(strings.ToLower(password), strings.ToLower(w)) {
			out = append(out, language.Both("含まれています", "a word of its context"))
			break
		}
	}
	return out, nil
}

const good = "correct horse battery staple"

func (w *world) open() {
	w.t.Helper()
	if _, err := w.Move(w.t.Context(), actor.Operator(), "loss-2026", Change{State: Opened}); err != nil {
		w.t.Fatal(err)
	}
}

// mailed gives the mails to an address, after all that are due were sent.
func (w *world) mailed(to string) []Mail {
	w.t.Helper()
	for {
		n, err := w.post(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.mails), func(m Mail) bool { return m.To != to })
}

// links gives those that stand in a mail.
func links(m Mail) []string {
	var out []string
	for _, line := range strings.Split(m.Text, "\n") {
		if _, token, ok := strings.Cut(line, "/new?t="); ok {
			out = append(out, token)
		}
	}
	return out
}

// link asks for a link and gives it.
func (w *world) link(i int) string {
	w.t.Helper()
	if err := w.Ask(w.t.Context(), "loss-2026", addressOf(i), "", language.JA); err != nil {
		w.t.Fatal(err)
	}
	mails := w.mailed(addressOf(i))
	if len(mails) == 0 || len(links(mails[len(mails)-1])) == 0 {
		w.t.Fatalf("no link came: %v", mails)
	}
	return links(mails[len(mails)-1])[0]
}

func (w *world) status() Standing {
	w.t.Helper()
	s, err := w.Status(context.WithoutCancel(w.t.Context()), actor.Operator(), "loss-2026")
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// work carries out what is to be done until the test ends, or until stop.
func (w *world) work() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var all sync.WaitGroup
	all.Go(func() { w.Work(ctx, func(err error) { w.t.Errorf("work: %v", err) }) })
	stop = func() { cancel(); all.Wait() }
	w.t.Cleanup(stop)
	return stop
}

// until waits for what will come true by itself: it looks whenever something may have. The test's own time limit ends what does not.
func (w *world) until(_ string, ok func() bool) {
	w.t.Helper()
	for !ok() {
		<-w.woken
	}
}

func TestMain(m *testing.M) { killtest.Main(m, forceForEver) }
