package reach

import (
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
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/killtest"
	"shirase/internal/language"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/roster"
	"shirase/internal/store"
)

const facts = `id: loss-2026
facts:
  - {key: title, value: {ja: 会員情報の漏えい, en: A loss of member data}}
  - {key: organisation, value: {ja: 株式会社例示, en: Example Inc.}}
  - {key: discovered, value: "2026-11-18T10:09+09:00"}
  - {key: affected.count, value: 300, unit: accounts, qualifier: exact}
  - {key: action, id: reset, status: planned, promised: "2026-12-02T18:00+09:00", value: {ja: 再設定, en: New passwords}}
`

const rules = `columns: {account: id, email: mail, locale: lang}
sets:
  - {when: 'nick != ""', classes: [email, nickname]}
  - {classes: [email]}
`

// world is a room with a roster, and a server that takes its mail.
type world struct {
	*Reach
	t     testing.TB
	sink  *smtptest.Sink
	relay string

	mu    sync.Mutex
	taken map[string]int // by address, as the commands had it
	ids   map[string]map[string]bool
	mails []string
	froms []string // whom they come back to

	woken chan struct{} // something may have come true
}

// nothing is a world without a room.
func nothing(t testing.TB) *world {
	return &world{t: t, taken: map[string]int{}, ids: map[string]map[string]bool{}, woken: make(chan struct{}, 1)}
}

func (w *world) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// openRooms opens what a campaign stands on, over a folder.
func openRooms(ctx context.Context, db *store.DB, folder string) (Rooms, *incident.Incidents, error) {
	dir, err := files.Open(filepath.Join(folder, "files"))
	if err != nil {
		return Rooms{}, nil, err
	}
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		return Rooms{}, nil, err
	}
	rosters, err := roster.New(ctx, db, dir, keys)
	if err != nil {
		return Rooms{}, nil, err
	}
	incidents, err := incident.New(ctx, db, nil)
	if err != nil {
		return Rooms{}, nil, err
	}
	return Rooms{DB: db, Rosters: rosters, Files: dir, Incident: incidents.Get, URL: "https://notice.example.jp",
		Number: func(context.Context, string) (string, error) { return "loss-2026-1", nil }, Lease: -1, Poll: 5 * time.Millisecond}, incidents, nil
}

// addresses are those of a roster of n, in its order.
func addresses(n int) []string {
	var out []string
	for i := range n {
		out = append(out, address(i))
	}
	slices.Sort(out)
	return out
}

func address(i int) string {
	switch {
	case i%50 == 7:
		return fmt.Sprintf("a..%d@docomo.example", i)
	case i%50 == 9:
		return fmt.Sprintf("a.%d.@ez.example", i)
	}
	return fmt.Sprintf("user%05d@%s", i, []string{"a.example", "b.example", "c.example"}[i%3])
}

func makeRoster(ctx context.Context, rooms Rooms, incidents *incident.Incidents, folder string, n int) error {
	file, err := incident.ParseFactsFile("facts.yaml", []byte(facts))
	if err != nil {
		return err
	}
	if _, err := incidents.Create(ctx, actor.Operator(), file); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("id,mail,nick,lang\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%s,%s,%s\n", i, address(i), strings.Repeat("n", i%2), []string{"ja", "en", ""}[i%3])
	}
	export := filepath.Join(folder, "export.csv")
	if err := os.WriteFile(export, []byte(b.String()), 0o600); err != nil {
		return err
	}
	rs, err := roster.ParseRules("rules.yaml", []byte(rules), incident.ClassWords())
	if err != nil {
		return err
	}
	_, err = rooms.Rosters.Create(ctx, actor.Operator(), "loss-2026", roster.Options{Export: export, Rules: rs, TempDir: folder})
	return err
}

func newWorld(t testing.TB, db *store.DB, n int, change func(*Rooms)) *world {
	t.Helper()
	w := nothing(t)
	folder := t.TempDir()
	rooms, incidents, err := openRooms(t.Context(), db, folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := makeRoster(t.Context(), rooms, incidents, folder, n); err != nil {
		t.Fatal(err)
	}
	w.listen(&smtptest.Sink{Keep: true})
	rooms.Mailer = &Mailer{Relays: []smtp.Relay{relayAt(w.relay)}, Bounces: "b@bounce.example.jp"}
	if change != nil {
		change(&rooms)
	}
	if w.Reach, err = New(t.Context(), rooms); err != nil {
		t.Fatal(err)
	}
	return w
}

func relayAt(address string) smtp.Relay {
	return smtp.Relay{Address: address, Security: smtp.None, Hello: "notice.example.jp", Patience: 30 * time.Second}
}

// listen has a server take mail and count it.
func (w *world) listen(s *smtptest.Sink) {
	w.t.Helper()
	s.Taken = func(e smtptest.Envelope, data []byte) {
		defer w.wake()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.taken[e.To]++
		if w.ids[e.To] == nil {
			w.ids[e.To] = map[string]bool{}
		}
		w.ids[e.To][messageID(string(data))] = true
		if len(w.mails) < 10 {
			w.mails, w.froms = append(w.mails, string(data)), append(w.froms, e.From)
		}
	}
	at, err := s.Listen("")
	if err != nil {
		w.t.Fatal(err)
	}
	w.sink, w.relay = s, at
	w.t.Cleanup(s.Close)
}

func messageID(data string) string {
	_, rest, _ := strings.Cut(data, "Message-ID: <")
	id, _, _ := strings.Cut(rest, ">")
	return id
}

func (w *world) total() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.taken {
		n += k
	}
	return n
}

func spec() Spec {
	return Spec{Incident: "loss-2026", From: Sender{Name: language.Both("お知らせ事務局", "Notices"), Address: "notice@example.jp"},
		Subject: language.Both("会員情報の漏えいについて", "About a loss of member data"),
		Text: language.Both("# お詫びとお知らせ\n\n{{organisation}}です。{{discovered}}に確認しました。\n\n漏えいした項目は{{you.exposed}}です。\n\n- お知らせ番号 {{notice.number}}\n- {{notice.url}} をご自分で入力してご確認ください。\n",
			"# Notice\n\nThis is {{organisation}}. It was found on {{discovered}}.\n\nOf you: {{you.exposed}}.\n\n- Number {{notice.number}}\n- Type {{notice.url}} yourself.\n")}
}

// draft makes a campaign for all.
func (w *world) draft(change func(*Spec), rates Rates) *Campaign {
	w.t.Helper()
	s := spec()
	if change != nil {
		change(&s)
	}
	c, err := w.Create(w.t.Context(), actor.Operator(), s, rates, time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// started is one that runs, and is sent by nobody yet.
func (w *world) started(change func(*Spec), rates Rates) *Campaign {
	w.t.Helper()
	c := w.draft(change, rates)
	if err := w.Start(w.t.Context(), actor.Operator(), c.ID, ""); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// work sends until the test ends, or until stop.
func (w *world) work() (stop func()) {
	return w.workOf(w.t, w.Reach)
}

func (w *world) workOf(t testing.TB, r *Reach) (stop func()) {
	r.seen = w.wake
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		r.Work(ctx, func(err error) { t.Errorf("work: %v", err) })
	})
	stop = func() { cancel(); all.Wait() }
	t.Cleanup(stop)
	return stop
}

// until waits for what will come true by what is sent, written down or looked at. The tests' time limit ends what does not, and the line of
// its stack says what it was.
func (w *world) until(_ string, ok func() bool) {
	for !ok() {
		<-w.woken
	}
}

func (w *world) now(id string) Counts {
	w.t.Helper()
	n, err := w.Counts(context.WithoutCancel(w.t.Context()), actor.Operator(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) state(id string) Life {
	w.t.Helper()
	c, err := w.Get(w.t.Context(), actor.Operator(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.State
}

func (w *world) done(id string) {
	w.t.Helper()
	w.until("the campaign is done", func() bool { return w.state(id) == Done })
}

func TestMain(m *testing.M) { killtest.Main(m, killable) }
