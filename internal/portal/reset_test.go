package portal

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/connect"
	"shirase/internal/contain/reset"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// resets is the pages over a room with one account, and a database of accounts.
type resets struct {
	t      *testing.T
	server *httptest.Server
	room   *reset.Resets
	mu     sync.Mutex
	mails  []reset.Mail
	sent   chan struct{} // a mail has left since it was last read
	away   bool
	allow  func(n int) bool
}

// someone is a system that takes every order.
type someone struct{ r *resets }

func (s someone) do() (connect.Outcome, error) {
	if s.r.away {
		return connect.Outcome{}, connect.ErrAway
	}
	return connect.Outcome{Refused: connect.Yes, Ended: connect.Yes}, nil
}
func (s someone) Force(context.Context, connect.Order) (connect.Outcome, error) { return s.do() }
func (s someone) Reset(context.Context, connect.Order, string) (connect.Outcome, error) {
	return s.do()
}
func (s someone) Again(context.Context, connect.Order) (connect.Outcome, error) { return s.do() }
func (s someone) Same(context.Context, string, string) (bool, bool, error)      { return false, false, nil }
func (s someone) Describe() []byte                                              { return []byte("someone") }

func newResets(t *testing.T) *resets {
	t.Helper()
	r := &resets{t: t, sent: make(chan struct{}, 1), allow: func(int) bool { return true }}
	ctx, folder := t.Context(), t.TempDir()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(folder, "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := files.Open(filepath.Join(folder, "files"))
	must(err)
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	must(err)
	rosters, err := roster.New(ctx, db, dir, keys)
	must(err)
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nsets: [{classes: [email]}]\n"), incident.ClassWords())
	must(err)
	export := filepath.Join(folder, "export.csv")
	must(os.WriteFile(export, []byte("id,mail\nm1,someone@mail.example\n"), 0o600))
	_, err = rosters.Create(ctx, actor.Operator(), "loss-2026", roster.Options{Export: export, Rules: rules, TempDir: folder})
	must(err)
	r.room, err = reset.New(ctx, reset.Rooms{DB: db, Rosters: rosters, Connector: someone{r}, URL: "https://notice.example.jp", Service: language.Both("例示サービス", "Example"), Returns: []string{"https://app.example.jp/login"},
		Screen: func(_ context.Context, password string, least int, _ ...string) ([]language.Text, error) {
			if len(password) < least {
				return []language.Text{language.Both("短すぎます。", "It is too short.")}, nil
			}
			return nil, nil
		},
		Send: func(_ context.Context, m reset.Mail) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.mails = append(r.mails, m)
			select {
			case r.sent <- struct{}{}:
			default:
			}
			return nil
		}, Poll: time.Millisecond})
	must(err)
	pages, err := NewReset(ResetOptions{Resets: r.room, Allow: func(_ *http.Request, n int) (time.Duration, bool) { return time.Minute, r.allow(n) }})
	must(err)
	r.server = httptest.NewServer(pages)
	t.Cleanup(r.server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { r.room.Work(ctx, func(error) {}) })
	t.Cleanup(func() { cancel(); all.Wait() })
	return r
}

func (r *resets) move(c reset.Change) {
	r.t.Helper()
	if _, err := r.room.Move(r.t.Context(), actor.Operator(), "loss-2026", c); err != nil {
		r.t.Fatal(err)
	}
}

// ask makes a request, and gives status and body.
func (r *resets) ask(method, path string, form url.Values) (int, string) {
	r.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.Header.Get("Cache-Control") != "no-store" && !strings.Contains(path, "/assets/") {
		r.t.Errorf("%s %s may be kept", method, strings.Split(path, "?")[0])
	}
	return resp.StatusCode, string(b)
}

var linkIn = regexp.MustCompile(`/reset/loss-2026/new\?t=([A-Za-z0-9_-]{43})`)

func (r *resets) link() string {
	r.t.Helper()
	if status, said := r.ask("POST", "/reset/loss-2026", url.Values{"address": {"someone@mail.example"}, "return": {"https://app.example.jp/login?from=1"}}); status != 200 || !strings.Contains(said, "受け付けました") {
		r.t.Fatal(status, said)
	}
	for {
		r.mu.Lock()
		for i := len(r.mails) - 1; i >= 0; i-- {
			if m := linkIn.FindStringSubmatch(r.mails[i].Text); m != nil {
				r.mails = r.mails[:0]
				r.mu.Unlock()
				return m[1]
			}
		}
		r.mu.Unlock()
		select {
		case <-r.sent:
		case <-r.t.Context().Done():
			r.t.Fatal("no mail")
		}
	}
}

const good = "correct horse battery staple"

// A mail's scanner opens the link as it likes; then the person comes.
func TestPersonAfterScanners(t *testing.T) {
	r := newResets(t)
	if status, _ := r.ask("GET", "/reset/loss-2026", nil); status != 404 {
		t.Errorf("before anything was announced: %d", status)
	}
	r.move(reset.Change{State: reset.Announced, Promised: time.Now().Add(time.Hour)})
	if _, said := r.ask("GET", "/reset/loss-2026", nil); !strings.Contains(said, "始める予定") || strings.Contains(said, "<form") {
		t.Error(said)
	}
	r.move(reset.Change{State: reset.Opened})
	if status, _ := r.ask("GET", "/reset?return="+url.QueryEscape("https://app.example.jp/login"), nil); status != 303 {
		t.Errorf("/reset: %d", status)
	}
	token := r.link()
	at := "/reset/loss-2026/new?t=" + token
	for _, method := range []string{"HEAD", "GET", "GET", "HEAD"} {
		status, said := r.ask(method, at, nil)
		if status != 200 || method == "GET" && !strings.Contains(said, `autocomplete="new-password"`) {
			t.Fatal(method, status, said)
		}
	}
	for _, bad := range []string{"OPTIONS", "PUT", "DELETE"} {
		if status, _ := r.ask(bad, at, nil); status != 405 {
			t.Errorf("%s: %d", bad, status)
		}
	}
	if status, said := r.ask("POST", "/reset/loss-2026/new", url.Values{"t": {token}, "password": {"short"}}); status != 422 || !strings.Contains(said, "短すぎます") || strings.Contains(said, `value="short"`) {
		t.Error(status, said)
	}
	r.away = true
	if status, said := r.ask("POST", "/reset/loss-2026/new", url.Values{"t": {token}, "password": {good}}); status != 503 || !strings.Contains(said, "このリンクは使われていません") {
		t.Error(status, said)
	}
	r.away = false
	status, said := r.ask("POST", "/reset/loss-2026/new", url.Values{"t": {token}, "password": {good}})
	if status != 200 || !strings.Contains(said, "再設定しました") || !strings.Contains(said, `href="https://app.example.jp/login?from=1"`) || strings.Contains(said, good) || strings.Contains(said, token) {
		t.Error(status, said)
	}
	// Used, forged, cut short, of another shape: one answer, to the byte.
	status, over := r.ask("POST", "/reset/loss-2026/new", url.Values{"t": {token}, "password": {good}})
	if status != 410 || !strings.Contains(over, "このリンクは使えません") {
		t.Error(status, over)
	}
	for _, forged := range []string{strings.Repeat("A", 43), "x", "", token[:40], token + "A", "%00"} {
		if s, body := r.ask("POST", "/reset/loss-2026/new", url.Values{"t": {forged}, "password": {good}}); s != status || body != over {
			t.Errorf("%q is answered otherwise", forged)
		}
		if s, body := r.ask("GET", "/reset/loss-2026/new?t="+url.QueryEscape(forged), nil); s != status || body != over {
			t.Errorf("GET of %q is answered otherwise", forged)
		}
	}
}

// The answer says nothing of whether there is such an account.
func TestSameAnswer(t *testing.T) {
	r := newResets(t)
	r.move(reset.Change{State: reset.Opened})
	_, there := r.ask("POST", "/reset/loss-2026", url.Values{"address": {"someone@mail.example"}})
	status, not := r.ask("POST", "/reset/loss-2026", url.Values{"address": {"nobody@mail.example"}})
	if status != 200 || there != not {
		t.Errorf("%d: the two answers differ", status)
	}
	if status, said := r.ask("POST", "/reset/loss-2026", url.Values{"address": {"<script>"}}); status != 422 || strings.Contains(said, "<script>") {
		t.Error(status, said)
	}
	if status, _ := r.ask("POST", "/reset/other", url.Values{"address": {"someone@mail.example"}}); status != 404 {
		t.Error(status)
	}
	if status, said := r.ask("GET", "/reset/loss-2026?return="+url.QueryEscape("https://evil.example/"), nil); status != 200 || strings.Contains(said, "evil.example") {
		t.Error("it leads to another's address")
	}
	if status, _ := r.ask("POST", "/reset/loss-2026", url.Values{"address": {strings.Repeat("a", 20<<10)}}); status != 413 {
		t.Errorf("a form that is too large: %d", status)
	}
	r.allow = func(int) bool { return false }
	if status, _ := r.ask("POST", "/reset/loss-2026", url.Values{"address": {"someone@mail.example"}}); status != 429 {
		t.Errorf("beyond the limit: %d", status)
	}
}

// Other sites' pages do not send our forms.
func TestOtherSites(t *testing.T) {
	r := newResets(t)
	r.move(reset.Change{State: reset.Opened})
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.server.URL+"/reset/loss-2026/new", strings.NewReader("t=x&password=y"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Error(resp.StatusCode)
	}
}

func FuzzForm(f *testing.F) {
	for _, s := range []string{"t=x&password=y", "address=a%40b.example", "%zz", "t=%00&password=%ff", "return=https%3A%2F%2Fevil.example"} {
		f.Add([]byte(s))
	}
	pages, err := NewReset(ResetOptions{Resets: &reset.Resets{}})
	if err != nil {
		f.Fatal(err)
	}
	_ = pages
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/reset/x", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := form(httptest.NewRecorder(), r); err == nil && r.PostForm == nil {
			t.Fatal("a form that is none")
		}
	})
}
