package portal

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/enquiry"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// asking is the pages over a desk of one incident.
type asking struct {
	t      *testing.T
	server *httptest.Server
	desk   *enquiry.Desk
	clock  time.Time
	mu     sync.Mutex
	sent   []enquiry.Letter
	allow  bool
	price  int // of the last enquiry
	db     *store.DB
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	a := &asking{t: t, clock: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), allow: true}
	ctx, folder := t.Context(), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(folder, "test.db"))
	must(err)
	t.Cleanup(func() { db.Close() })
	a.db = db
	dir, err := files.Open(filepath.Join(folder, "files"))
	must(err)
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	must(err)
	rosters, err := roster.New(ctx, db, dir, keys)
	must(err)
	incidents, err := incident.New(ctx, db, nil)
	must(err)
	f, err := incident.ParseFactsFile("f.yaml", []byte("id: loss-2026\nfacts:\n  - {key: title, value: {ja: 会員情報の流出, en: Member data taken}}\n  - {key: organisation, value: {ja: 例示商店, en: Example Shop}}\n  - {key: contact, value: {name: {ja: 相談窓口, en: Help desk}, telephone: 0120-000-000}}\n"))
	must(err)
	_, err = incidents.Create(ctx, actor.Operator(), f)
	must(err)
	a.desk, err = enquiry.New(ctx, enquiry.Rooms{DB: db, Keys: keys, Seal: rosters.Sealer, Incident: incidents.Get, Own: func(_ context.Context, id string) (bool, error) { return id == "loss-2026", nil },
		Deliver: func(_ context.Context, l enquiry.Letter) (enquiry.Outcome, string) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.sent = append(a.sent, l)
			return enquiry.Taken, ""
		}, URL: "https://notice.example.jp", Address: "support@desk.example", Now: func() time.Time { return a.clock }})
	must(err)
	must(a.desk.SetOpen(ctx, actor.Operator(), "loss-2026", true))
	pages, err := NewEnquiry(EnquiryOptions{Desk: a.desk, Incident: incidents.Get, Ask: func(_ *http.Request, n int) (time.Duration, bool) { a.price = n; return time.Minute, a.allow }})
	must(err)
	a.server = httptest.NewServer(pages)
	t.Cleanup(a.server.Close)
	return a
}

func (a *asking) do(method, path string, form url.Values, header ...string) (int, string, http.Header) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		a.t.Fatal(err)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := a.server.Client().Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

var formIn = regexp.MustCompile(`name="form" value="([^"]+)"`)

func (a *asking) form() string {
	a.t.Helper()
	_, body, _ := a.do("GET", "/enquiries/loss-2026?lang=en", nil)
	m := formIn.FindStringSubmatch(body)
	if m == nil {
		a.t.Fatalf("no form: %s", body)
	}
	a.clock = a.clock.Add(5 * time.Second)
	return m[1]
}

// TestEnquiryPages: a person asks without a script, uses the link, and is told the same whatever the mailbox; nobody else's page asks for them.
func TestEnquiryPages(t *testing.T) {
	a := newAsking(t)
	for path, want := range map[string]int{"/enquiries/loss-2026": 200, "/enquiries/none": 404, "/enquiries/..": 404, "/enquiries/confirm": 410, "/enquiries/confirm?t=x": 410, "/enquiries/": 404} {
		status, body, h := a.do("GET", path, nil)
		if status != want || h.Get("X-Robots-Tag") != "noindex" {
			t.Errorf("%s: %d", path, status)
		}
		if status == 200 && (h.Get("Cache-Control") != "no-store" || strings.Contains(body, "<script src")) {
			t.Errorf("%s: %v", path, h)
		}
	}
	ask := func(address string, more ...string) (int, string) {
		f := url.Values{"form": {a.form()}, "topic": {"data"}, "text": {"What was <b>exposed</b>?"}, "address": {address}}
		for i := 0; i+1 < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		status, body, _ := a.do("POST", "/enquiries/loss-2026?lang=en", f)
		return status, body
	}
	status, first := ask("one@example.com")
	if status != 200 || !strings.Contains(first, "has not reached us yet") || strings.Contains(first, "one@example.com") {
		t.Fatalf("%d %s", status, first)
	}
	for range 5 { // beyond what a mailbox gets, and a program: the page says the same to the byte
		if status, body := ask("one@example.com"); status != 200 || body != first {
			t.Errorf("%d, and another page", status)
		}
	}
	if status, body := ask("two@example.com", "website", "http://spam.example"); status != 200 || body != first {
		t.Errorf("a program: %d", status)
	}
	for _, c := range [][2]string{{"address", "x"}, {"text", ""}, {"topic", "none"}, {"form", "x"}} {
		status, body := ask("three@example.com", c[0], c[1])
		if status != 422 || !strings.Contains(body, `role="alert"`) || c[0] != "text" && !strings.Contains(body, "What was &lt;b&gt;exposed") {
			t.Errorf("%v: %d %s", c, status, body)
		}
	}
	if status, _ := ask("three@example.com", "text", strings.Repeat("x", maxEnquiry)); status != 400 && status != 413 {
		t.Errorf("too large: %d", status)
	}
	if status, _, _ := a.do("POST", "/enquiries/loss-2026", url.Values{"form": {a.form()}}, "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("from another site: %d", status)
	}
	a.allow = false
	if status, _ := ask("four@example.com"); status != 429 {
		t.Errorf("beyond what a network gets: %d", status)
	}
	if _, err := a.desk.Send(t.Context()); err != nil || len(a.sent) != 3 {
		t.Fatalf("%d mails, %v", len(a.sent), err)
	}
	link := regexp.MustCompile(`https://notice\.example\.jp(/enquiries/confirm\?t=(\S+))`).FindStringSubmatch(a.sent[0].Text)
	for range 2 {
		if status, body, _ := a.do("GET", link[1], nil); status != 200 || !strings.Contains(body, `method="post"`) {
			t.Errorf("%d", status)
		}
	}
	if _, n, err := a.desk.List(t.Context(), actor.Operator(), "loss-2026", enquiry.Filter{}); err != nil || n != 0 {
		t.Errorf("opening it used it up: %d, %v", n, err)
	}
	if status, body, _ := a.do("POST", "/enquiries/confirm?lang=en", url.Values{"t": {link[2]}}); status != 200 || !strings.Contains(body, "We have your enquiry") {
		t.Errorf("%d %s", status, body)
	}
	if status, _, _ := a.do("POST", "/enquiries/confirm", url.Values{"t": {link[2]}}); status != 410 {
		t.Errorf("twice: %d", status)
	}
	if _, n, err := a.desk.List(t.Context(), actor.Operator(), "loss-2026", enquiry.Filter{}); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestEnquiryBesides: whoever's mailbox was used up by others chooses, behind one of the links, what is theirs; nothing that was written is shown there.
func TestEnquiryBesides(t *testing.T) {
	a := newAsking(t)
	for range 4 {
		if status, body, _ := a.do("POST", "/enquiries/loss-2026?lang=en", url.Values{"form": {a.form()}, "topic": {"data"}, "text": {"words of <b>anybody</b>"}, "name": {"Mallory"}, "address": {"one@example.com"}}); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	if _, err := a.desk.Send(t.Context()); err != nil || len(a.sent) != 3 {
		t.Fatalf("%d mails, %v", len(a.sent), err)
	}
	link := regexp.MustCompile(`https://notice\.example\.jp(/enquiries/confirm\?t=(\S+))`).FindStringSubmatch(a.sent[0].Text)
	status, body, _ := a.do("GET", link[1]+"&lang=en", nil)
	ids := regexp.MustCompile(`name="also" value="([^"]+)"`).FindAllStringSubmatch(body, -1)
	if status != 200 || len(ids) != 4 || strings.Contains(body, "words of") || strings.Contains(body, "Mallory") || strings.Contains(body, "checked") || !strings.Contains(body, "What was exposed") && !strings.Contains(body, "Member data taken") {
		t.Fatalf("%d, %d to choose from: %s", status, len(ids), body)
	}
	if status, body, _ := a.do("POST", "/enquiries/confirm?lang=en", url.Values{"t": {link[2]}, "several": {"yes"}}); status != 422 || !strings.Contains(body, `name="also"`) || !strings.Contains(body, "None is chosen yet") {
		t.Errorf("none was chosen: %d", status)
	}
	if _, n, err := a.desk.List(t.Context(), actor.Operator(), "loss-2026", enquiry.Filter{}); err != nil || n != 0 {
		t.Errorf("%d are read, %v", n, err)
	}
	if status, body, _ := a.do("POST", "/enquiries/confirm?lang=en", url.Values{"t": {link[2]}, "several": {"yes"}, "also": {ids[3][1]}}); status != 200 || !strings.Contains(body, "We have your enquiry") {
		t.Errorf("%d %s", status, body)
	}
	if _, n, err := a.desk.List(t.Context(), actor.Operator(), "loss-2026", enquiry.Filter{}); err != nil || n != 1 {
		t.Errorf("%d are read, %v", n, err)
	}
}

// TestEnquiryBusy: where more is asked than can be taken, what was written stays on the page, and it says by what else people are heard.
func TestEnquiryBusy(t *testing.T) {
	a := newAsking(t)
	form := a.form()
	if _, err := a.db.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO enquiry_asked (id, who, at, channel) SELECT 'fill' || i, x'01', $1, 'web' FROM n`, store.Micros(a.clock)); err != nil {
		t.Fatal(err)
	}
	status, body, h := a.do("POST", "/enquiries/loss-2026?lang=en", url.Values{"form": {form}, "topic": {"data"}, "text": {"my <i>long</i> words"}, "address": {"one@example.com"}})
	if status != http.StatusServiceUnavailable || h.Get("Retry-After") != "600" || !strings.Contains(body, "my &lt;i&gt;long&lt;/i&gt; words") || !strings.Contains(body, "mailto:support&#43;loss-2026@desk.example") && !strings.Contains(body, "mailto:support+loss-2026@desk.example") ||
		!strings.Contains(body, "0120-000-000") {
		t.Errorf("%d %v %s", status, h, body)
	}
	if a.price != 4 {
		t.Errorf("it costs a network %d", a.price)
	}
}
