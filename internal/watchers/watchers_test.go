package watchers

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
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
	"shirase/internal/killtest"
	"shirase/internal/language"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func TestMain(m *testing.M) { killtest.Main(m, tellForEver) }

// letterbox is a mail as it was handed over.
type letterbox struct {
	to, subject, text, off, id string
	size                       int
}

type world struct {
	*Watchers
	t      *testing.T
	mu     sync.Mutex
	sent   []letterbox
	refuse func(to string) string
	clock  time.Time
	public []Standing
	about  map[string]About
	shown  map[string]string // how a domain shows its proof
	asked  int               // how often one was asked
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
	return Rooms{DB: db, Keys: keys, Rosters: rosters, URL: "https://notice.example", Name: language.Both("例示社", "Example Inc.")}, err
}

// makeRoster makes an incident's next one of these addresses, and gives its id.
func makeRoster(ctx context.Context, rooms Rooms, folder, id string, addresses ...string) (string, error) {
	var export strings.Builder
	export.WriteString("id,mail\n")
	for i, a := range addresses {
		fmt.Fprintf(&export, "%d,%s\n", i, a)
	}
	name := filepath.Join(folder, "export.csv")
	if err := os.WriteFile(name, []byte(export.String()), 0o600); err != nil {
		return "", err
	}
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nindex: [email]\nsets:\n  - {classes: [email, name]}\n"), incident.ClassWords())
	if err != nil {
		return "", err
	}
	r, err := rooms.Rosters.Create(ctx, actor.Operator(), id, roster.Options{Export: name, Rules: rules, TempDir: folder})
	return r.ID, err
}

func newWorld(t *testing.T, db *store.DB) *world {
	w := &world{t: t, clock: time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC), about: map[string]About{}, shown: map[string]string{}}
	rooms, err := openRooms(t.Context(), db, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sink := &smtptest.Sink{Keep: true, Taken: func(e smtptest.Envelope, data []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sent = append(w.sent, opened(t, e.To, data))
	}, Answer: func(cmd string, e smtptest.Envelope) string {
		if w.refuse != nil && strings.HasPrefix(cmd, "RCPT") {
			return w.refuse(e.To)
		}
		return ""
	}}
	at, err := sink.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sink.Close)
	rooms.Mailer = Mailer{Relays: []smtp.Relay{{Address: at, Security: smtp.None}}, From: message.Address{Addr: "notice@example.jp"}}
	rooms.Public = func(context.Context) ([]Standing, error) { return w.public, nil }
	rooms.About = func(_ context.Context, id string) (About, bool, error) { a, ok := w.about[id]; return a, ok, nil }
	rooms.Shows = func(_ context.Context, p Proof) (string, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked++
		return w.shown[p.Domain+" "+p.Record()], nil
	}
	rooms.Now = func() time.Time { return w.clock }
	if w.Watchers, err = New(t.Context(), rooms); err != nil {
		t.Fatal(err)
	}
	w.turn() // what is there before anybody watches is no news
	return w
}

// opened reads a mail as it was handed over.
func opened(t *testing.T, to string, data []byte) letterbox {
	m, err := mail.ReadMessage(strings.NewReader(string(data)))
	if err != nil {
		t.Errorf("%v in %q", err, data)
		return letterbox{}
	}
	subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	_, params, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	p, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		t.Errorf("%v in %q", err, data)
		return letterbox{}
	}
	var body io.Reader = quotedprintable.NewReader(p)
	if p.Header.Get("Content-Transfer-Encoding") == "base64" {
		body = base64.NewDecoder(base64.StdEncoding, p)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Error(err)
	}
	off := m.Header.Get("List-Unsubscribe")
	if (off != "") != (m.Header.Get("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click") {
		t.Errorf("one of the headers without the other: %q", off)
	}
	return letterbox{to, subject, strings.ReplaceAll(string(text), "\r\n", "\n"), strings.Trim(off, "<>"), m.Header.Get("Message-ID"), len(data)}
}

func eachWorld(t *testing.T, do func(w *world)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { do(newWorld(t, db)) })
}

func (w *world) turn() {
	w.t.Helper()
	if err := errors.Join(w.KeepDomains(w.t.Context()), w.Turn(w.t.Context())); err != nil {
		w.t.Fatal(err)
	}
}

// mails gives what leaves by one turn, by address; n is how many.
func (w *world) mails(n int) map[string]letterbox {
	w.t.Helper()
	w.sent = nil
	w.turn()
	out := map[string]letterbox{}
	for _, l := range w.sent {
		out[l.to] = l
	}
	if len(w.sent) != n {
		w.t.Fatalf("%d mails, want %d: %+v", len(w.sent), n, w.sent)
	}
	return out
}

var link = regexp.MustCompile(`/watch/(own/|off/|domain/|)([a-z2-7]{20,})`)

// linked gives the token of a kind of link in a text.
func linked(t *testing.T, text, kind string) string {
	t.Helper()
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if m[1] == kind {
			return m[2]
		}
	}
	t.Fatalf("no link %q in %q", kind, text)
	return ""
}

// watch has an address watch, and gives its owner's link.
func (w *world) watch(address, follow string, c Choice) string {
	w.t.Helper()
	if err := w.Ask(w.t.Context(), c.Lang, address, follow); err != nil {
		w.t.Fatal(err)
	}
	own, err := w.Confirm(w.t.Context(), linked(w.t, w.mails(1)[strings.ToLower(address)].text, ""), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return own
}

// publish has an incident become public with a roster of addresses.
func (w *world) publish(id, state string, told int64, byMail bool, addresses ...string) {
	w.t.Helper()
	s := Standing{Incident: id, State: state, Told: told}
	if len(addresses) > 0 {
		name, err := makeRoster(w.t.Context(), w.Rooms, w.t.TempDir(), id, addresses...)
		if err != nil {
			w.t.Fatal(err)
		}
		s.Roster, s.Scope = name, name
	}
	w.public = append(slices.DeleteFunc(w.public, func(o Standing) bool { return o.Incident == id }), s)
	w.about[id] = About{Title: language.Both("名簿の流出", "A list leaked"), Organisation: language.Both("例示社", "Example Inc."), AsOf: w.clock, ByMail: byMail}
}

var now = Choice{Lang: language.JA}

// TestWatch: who watches and is in what is published is told once, with links by which they change and end it; nobody else hears anything,
// and nobody is told of what was there before they came.
func TestWatch(t *testing.T) {
	eachWorld(t, func(w *world) {
		own := w.watch("one@example.com", "", now)
		w.watch("TWO@example.com", "", Choice{Lang: language.EN})
		w.watch("six@example.com", "", now)
		w.publish("shop", "final", 0, false, "one@example.com", "two@example.com", "three@example.com")
		got := w.mails(2)
		one, two := got["one@example.com"], got["two@example.com"]
		if !strings.Contains(one.text, "対象範囲に含まれています") || !strings.Contains(one.text, "https://notice.example/incidents/shop/help") || strings.Contains(one.subject, "名簿") {
			t.Errorf("%+v", one)
		}
		if !strings.Contains(two.text, "is in the scope as of") {
			t.Errorf("%+v", two)
		}
		for _, l := range got {
			if strings.Contains(l.text, "含まれていません") || strings.Contains(l.text, "not in the scope") || !strings.HasPrefix(l.off, "https://notice.example/watch/off/") {
				t.Errorf("%+v", l)
			}
		}
		w.mails(0)

		// A scope that grows tells whom it did not include before.
		w.publish("shop", "final", 0, false, "one@example.com", "six@example.com")
		if got := w.mails(1); got["six@example.com"].text == "" {
			t.Errorf("%+v", got)
		}
		// An addendum tells who is in it.
		w.publish("shop", "final", 2, false, "one@example.com", "six@example.com")
		if got := w.mails(2); !strings.Contains(got["one@example.com"].text, "続報または訂正") {
			t.Errorf("%+v", got)
		}
		// The link in the header ends it, and so does the owner's; it is the same afterwards.
		for range 2 {
			if err := w.End(t.Context(), linked(t, one.off, "off/")); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := w.Own(t.Context(), own); !errors.Is(err, ErrLink) {
			t.Errorf("somebody who has left: %v", err)
		}
		w.publish("other", "final", 0, false, "one@example.com", "two@example.com")
		if got := w.mails(1); got["two@example.com"].text == "" {
			t.Errorf("%+v", got)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE n <> 0 OR length(whom) > 0 OR mail <> ''`); n != 0 {
			t.Errorf("%d rows still say who was told", n)
		}
	})
}

func (w *world) rows(q string, args ...any) (n int64) {
	w.t.Helper()
	if err := w.DB.QueryRowContext(w.t.Context(), q, args...).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestSettled: who follows an incident, or is in it, is told when it is settled, and by the same words.
func TestSettled(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.publish("shop", "investigating", 0, false)
		w.turn()
		w.watch("follower@example.com", "shop", now)
		w.watch("other@example.com", "", now)
		w.publish("shop", "investigating", 3, false) // an addendum
		if got := w.mails(1); !strings.Contains(got["follower@example.com"].text, "続報または訂正") {
			t.Errorf("%+v", got)
		}
		w.publish("shop", "final", 3, false, "someone@example.com")
		if got := w.mails(1)["follower@example.com"]; !strings.Contains(got.text, "対象範囲が確定しました") || strings.Contains(got.text, "含まれています") {
			t.Errorf("%+v", got)
		}
	})
}

// TestSensitive: of an incident that is answered by mail only, a mail says nothing but where to ask.
func TestSensitive(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.watch("one@example.com", "", now)
		w.watch("two@example.com", "", now)
		w.publish("clinic", "by-mail", 0, true, "one@example.com")
		w.publish("shop", "final", 0, false, "two@example.com")
		got := w.mails(2)
		l := got["one@example.com"]
		if strings.Contains(l.text, "含まれて") || strings.Contains(l.text, "流出") || strings.Contains(l.text, "（例示社）") || !strings.Contains(l.text, "https://notice.example/incidents/clinic/ask") {
			t.Errorf("%+v", l)
		}
		if l.subject != got["two@example.com"].subject {
			t.Errorf("the subjects tell them apart: %q", l.subject)
		}
		was := l.size
		w.publish("clinic", "by-mail", 2, true, "one@example.com")
		if l := w.mails(1)["one@example.com"]; l.size != was {
			t.Errorf("what is told can be read from the size: %d and %d", l.size, was)
		}
	})
}

// TestDigest: whoever wants the day's news has one mail at nine, of all of it.
func TestDigest(t *testing.T) {
	eachWorld(t, func(w *world) {
		own := w.watch("one@example.com", "", Choice{Digest: true, Lang: language.JA})
		w.publish("shop", "final", 0, false, "one@example.com")
		w.publish("school", "final", 0, false, "one@example.com")
		w.mails(0)
		w.clock = time.Date(2026, 5, 2, 0, 0, 1, 0, time.UTC)
		if l := w.mails(1)["one@example.com"]; strings.Count(l.text, "対象範囲に含まれています") != 2 {
			t.Errorf("%+v", l)
		}
		w.publish("bank", "final", 0, false, "one@example.com")
		w.mails(0)
		if err := w.Change(t.Context(), own, now); err != nil {
			t.Fatal(err)
		}
		w.mails(1) // what waited does not any more
	})
}

// TestSame: an address that is there already is mailed the same as one that is not, and what is kept is sealed.
func TestSame(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.watch("one@example.com", "", now)
		for _, a := range []string{"one@example.com", "six@example.com"} {
			if err := w.Ask(t.Context(), language.JA, a, ""); err != nil {
				t.Fatal(err)
			}
		}
		got := w.mails(2)
		blank := func(l letterbox) string { return link.ReplaceAllString(l.text, "LINK") }
		one, six := got["one@example.com"], got["six@example.com"]
		if blank(one) != blank(six) || one.subject != six.subject || one.size != six.size || one.off != "" {
			t.Errorf("%+v\n%+v", one, six)
		}
		// The link of the one that is there changes it, and makes no second one.
		if _, err := w.Confirm(t.Context(), linked(t, one.text, ""), Choice{Digest: true, Lang: language.JA}); err != nil {
			t.Fatal(err)
		}
		c, err := w.Counts(t.Context())
		if err != nil || c.Watching != 1 || c.Daily != 1 || c.Asked != 1 {
			t.Errorf("%+v, %v", c, err)
		}
		for _, q := range []string{`SELECT address FROM watchers_person`, `SELECT address FROM watchers_asked`} {
			rows, err := w.DB.QueryContext(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var b []byte
				if err := rows.Scan(&b); err != nil || strings.Contains(string(b), "example.com") {
					t.Errorf("%v: an address is not sealed", err)
				}
			}
			rows.Close()
		}
	})
}

// TestConfirm: nobody is signed up by asking, by looking at a link, by a link that was made up or is too old, and nobody who has left comes
// back by an old one.
func TestConfirm(t *testing.T) {
	eachWorld(t, func(w *world) {
		ask := func() string {
			t.Helper()
			if err := w.Ask(t.Context(), language.EN, "one@example.com", ""); err != nil {
				t.Fatal(err)
			}
			return linked(t, w.mails(1)["one@example.com"].text, "")
		}
		tok := ask()
		if _, err := w.Asked(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		if n := w.rows(`SELECT count(*) FROM watchers_person`); n != 0 {
			t.Fatal("a look signs up")
		}
		w.publish("shop", "final", 0, false, "one@example.com")
		w.mails(0)
		for _, bad := range []string{"", "x", tok[1:], "a" + tok[1:], tok + "aa", strings.Repeat("a", 300), w.link(toEnd, []byte(newID()))} {
			if _, err := w.Confirm(t.Context(), bad, now); !errors.Is(err, ErrLink) {
				t.Errorf("%q: %v", bad, err)
			}
			if _, err := w.Asked(t.Context(), bad); !errors.Is(err, ErrLink) {
				t.Errorf("%q: %v", bad, err)
			}
			if _, _, err := w.Own(t.Context(), bad); !errors.Is(err, ErrLink) {
				t.Errorf("%q: %v", bad, err)
			}
			if err := w.Change(t.Context(), bad, now); !errors.Is(err, ErrLink) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		own, err := w.Confirm(t.Context(), tok, now)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := w.Confirm(t.Context(), tok, now); err != nil || again != own {
			t.Errorf("pressed twice: %v", err)
		}
		if err := w.End(t.Context(), own); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Confirm(t.Context(), tok, now); !errors.Is(err, ErrLink) {
			t.Errorf("back by an old link: %v", err)
		}
		old := ask()
		w.clock = w.clock.Add(lasts + time.Minute)
		if _, err := w.Confirm(t.Context(), old, now); !errors.Is(err, ErrLink) {
			t.Errorf("too old: %v", err)
		}
		w.turn()
		if n := w.rows(`SELECT count(*) FROM watchers_asked`) + w.rows(`SELECT count(*) FROM watchers_person`); n != 0 {
			t.Errorf("%d rows stay", n)
		}
	})
}

// TestBombs: one address is mailed so often a day and not more, whoever asks, and the asker is told the same; all together are bounded.
func TestBombs(t *testing.T) {
	eachWorld(t, func(w *world) {
		for range perAddress + 4 {
			for _, a := range []string{"one@example.com", "ONE@example.com"} {
				if err := w.Ask(t.Context(), language.JA, a, ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.mails(perAddress)
		for _, bad := range []string{"", "x", "a@example.com\r\nBcc: b@example.com", "a@example.com, b@example.com", "<a@example.com", strings.Repeat("a", 400) + "@example.com"} {
			if err := w.Ask(t.Context(), language.JA, bad, ""); !errors.Is(err, ErrAddress) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		for i := range inAll {
			if _, err := w.DB.ExecContext(t.Context(), `INSERT INTO watchers_asked (id, who, address, lang, follow, at, state, n, tries, next_at) VALUES ($1, $2, $2, 'ja', '', $3, 'sent', 0, 0, $3)`,
				fmt.Sprint("fill", i), []byte{1}, store.Micros(w.clock)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Ask(t.Context(), language.JA, "seven@example.com", ""); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond all: %v", err)
		}
		if err := w.AskDomain(t.Context(), language.JA, "example.com", "seven@example.com"); !errors.Is(err, ErrBusy) {
			t.Errorf("a domain beyond all: %v", err)
		}
	})
}

// TestRelay: what is refused for now is told later under the same Message-ID, what is refused is not told again, and a case that was shredded
// tells nobody.
func TestRelay(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.watch("one@example.com", "", now)
		w.watch("gone@example.com", "", now)
		w.publish("shop", "final", 0, false, "one@example.com", "gone@example.com")
		w.refuse = func(to string) string {
			if to == "gone@example.com" {
				return "550 5.1.1 nobody"
			}
			return "451 4.3.0 later"
		}
		w.mails(0)
		waits := w.opened("shop", `state = 'waiting'`)
		if len(waits) != 1 || waits[0].mail == "" {
			t.Fatalf("%+v", waits)
		}
		first := waits[0].mail
		w.refuse = nil
		w.clock = w.clock.Add(time.Hour)
		if l := w.mails(1)["one@example.com"]; !strings.HasPrefix(l.id, "<"+first+"@") {
			t.Errorf("%q, and was %q", l.id, first)
		}
		w.publish("bank", "final", 0, false, "one@example.com")
		if err := w.Rosters.Shred(t.Context(), actor.Operator(), "bank"); err != nil {
			t.Fatal(err)
		}
		w.mails(0)
		if n := w.rows(`SELECT count(*) FROM watchers_news WHERE state = 'gone'`); n != 1 {
			t.Errorf("%d gone", n)
		}
		// What is not public any more when it is due is told to nobody.
		w.publish("club", "final", 0, false, "one@example.com")
		delete(w.about, "club")
		w.mails(0)
		if n := w.rows(`SELECT count(*) FROM watchers_mail WHERE incident = 'club' AND state = 'dropped'`); n != 1 {
			t.Errorf("%d dropped", n)
		}
	})
}
