package web

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"shirase/internal/language"
)

func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		target, accept string
		want           Language
	}{
		{"/", "", Language{language.JA, false}},
		{"/", "ja", Language{language.JA, false}},
		{"/", "en-GB,en;q=0.9,ja;q=0.1", Language{language.EN, false}},
		{"/", "ja-JP;q=0.5, en;q=0.4", Language{language.JA, false}},
		{"/", "fr, de;q=0.5", Language{language.EN, false}},
		{"/", "fr, ja;q=0.1", Language{language.JA, false}},
		{"/?lang=en", "ja", Language{language.EN, true}},
		{"/?lang=ja", "en", Language{language.JA, true}},
		{"/?lang=EN", "ja", Language{language.JA, false}},
		{"/?lang=xx", "en", Language{language.EN, false}},
		{"/", strings.Repeat("en,", 1000), Language{language.JA, false}},
		{"/", ";;;", Language{language.JA, false}},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		r.Header.Set("Accept-Language", c.accept)
		if got := LanguageOf(r); got != c.want {
			t.Errorf("%s with %q: %v, want %v", c.target, c.accept, got, c.want)
		}
	}
	chosen := Language{language.EN, true}
	if got := chosen.Link("/how#x"); got != "/how?lang=en#x" {
		t.Errorf("link %s", got)
	}
	if got := chosen.Switch("/incidents/a?lang=en"); got != "/incidents/a?lang=ja" {
		t.Errorf("switch %s", got)
	}
	if got := (Language{language.JA, false}).Link("/how"); got != "/how" {
		t.Errorf("link %s", got)
	}
}

func TestHeaders(t *testing.T) {
	h := Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "x") }), Options{})
	for _, scheme := range []string{"http", "https"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", scheme+"://notice.example/", nil))
		got := w.Header()
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "worker-src 'self'",
			"form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(got.Get("Content-Security-Policy"), part) {
				t.Errorf("CSP lacks %s: %s", part, got.Get("Content-Security-Policy"))
			}
		}
		if strings.Contains(got.Get("Content-Security-Policy"), "unsafe") || strings.Contains(got.Get("Content-Security-Policy"), "*") {
			t.Errorf("CSP is not strict: %s", got.Get("Content-Security-Policy"))
		}
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin", "X-Content-Type-Options": "nosniff"} {
			if got.Get(name) != want {
				t.Errorf("%s: %q", name, got.Get(name))
			}
		}
		if (got.Get("Strict-Transport-Security") != "") != (scheme == "https") {
			t.Errorf("%s: HSTS %q", scheme, got.Get("Strict-Transport-Security"))
		}
		if len(got.Values("Set-Cookie")) != 0 {
			t.Error("a cookie")
		}
	}
}

// TestLogHoldsNoSecret sends a secret in every place a request has and looks for it in the log.
func TestLogHoldsNoSecret(t *testing.T) {
	var log bytes.Buffer
	mux := http.NewServeMux()
	mux.HandleFunc("GET /a/{x}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "fine") })
	mux.HandleFunc("GET /panic/{x}", func(w http.ResponseWriter, r *http.Request) { panic(errors.New(r.PathValue("x"))) })
	h := Wrap(mux, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, target := range []string{"/a/secret1?q=secret2", "/secret3", "/panic/secret4"} {
		r := httptest.NewRequest("GET", target, strings.NewReader("secret5"))
		r.Header.Set("User-Agent", "secret6")
		r.Header.Set("Referer", "https://secret7.example")
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		r.RemoteAddr = "203.0.113.9:4711"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if strings.HasPrefix(target, "/panic") && (w.Code != 500 || strings.Contains(w.Body.String(), "secret")) {
			t.Errorf("after a panic: %d %s", w.Code, w.Body)
		}
	}
	for _, secret := range []string{"secret", "203.0.113.9", "198.51.100.7", "4711"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s is in the log:\n%s", secret, &log)
		}
	}
	for _, want := range []string{`route="GET /a/{x}" status=200 bytes=4`, `route=none status=404`, `route="GET /panic/{x}" status=500`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, &log)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	mapped := Mappings{}
	h := Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			p, ok := mapped.Problem(err)
			if !ok {
				t.Errorf("%v is not mapped", err)
			}
			p.Write(w, r)
		}
	}), Options{MaxBody: 10})
	for body, want := range map[string]int{"0123456789": 200, "0123456789a": 413} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(body)))
		if w.Code != want {
			t.Errorf("%d bytes: %d, want %d", len(body), w.Code, want)
		}
	}
}

func TestProblem(t *testing.T) {
	missing := errors.New("missing")
	m := Mappings{{missing, Problem{Status: 404, Code: "missing", Detail: "There is none."}}}
	p, ok := m.Problem(fmt.Errorf("while looking for user1@example.com: %w", missing))
	w := httptest.NewRecorder()
	p.Write(w, httptest.NewRequest("GET", "/", nil))
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || !ok || w.Code != 404 {
		t.Fatal(err, w.Code)
	}
	if w.Header().Get("Content-Type") != "application/problem+json" || got["type"] != "/problems/missing" || got["title"] != "Not Found" ||
		got["status"] != 404.0 || got["detail"] != "There is none." {
		t.Errorf("%s %v", w.Header().Get("Content-Type"), got)
	}
	p, ok = m.Problem(errors.New("user1@example.com"))
	w = httptest.NewRecorder()
	p.Write(w, httptest.NewRequest("GET", "/", nil))
	if ok || w.Code != 500 || strings.Contains(w.Body.String(), "user1") {
		t.Errorf("an unknown error: %d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	Problem{Status: 429, RetryAfter: 1200 * time.Millisecond}.Write(w, httptest.NewRequest("HEAD", "/", nil))
	if w.Header().Get("Retry-After") != "2" || w.Body.Len() != 0 {
		t.Errorf("Retry-After %s, %d bytes", w.Header().Get("Retry-After"), w.Body.Len())
	}
}

// clock is a clock that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func TestLimiter(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	wide := Rate{1000, 1000}
	l, err := NewLimiter(Limits{IPv4: Rate{1, 10}, IPv6: Rate{1, 10}, Home: Rate{1, 20}, Site: Rate{1, 30}, All6: wide, All: wide, Known: 100}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	allow := func(addr string, n int) bool {
		t.Helper()
		wait, ok := l.Allow(netip.MustParseAddr(addr), n)
		if ok != (wait == 0) {
			t.Errorf("%s: %v with a wait of %v", addr, ok, wait)
		}
		return ok
	}
	if !allow("192.0.2.1", 10) || allow("192.0.2.200", 1) || !allow("192.0.3.1", 10) {
		t.Error("IPv4 does not count by /24")
	}
	if wait, _ := l.Allow(netip.MustParseAddr("192.0.2.1"), 4); wait != 4*time.Second {
		t.Errorf("4 units at one a second: wait %v", wait)
	}
	c.t = c.t.Add(4 * time.Second)
	if !allow("192.0.2.1", 4) || allow("192.0.2.1", 1) {
		t.Error("what was refused was taken, or what was gained was not")
	}
	if !allow("::ffff:192.0.4.1", 10) || allow("192.0.4.9", 1) {
		t.Error("an IPv4 address in IPv6 form is another network")
	}
	// /64: 10, /56: 20, /48: 30.
	if !allow("2001:db8:0:1::1", 10) || allow("2001:db8:0:1:ffff::1", 1) {
		t.Error("IPv6 does not count by /64")
	}
	if !allow("2001:db8:0:2::1", 10) || allow("2001:db8:0:3::1", 1) {
		t.Error("IPv6 does not count by /56")
	}
	if !allow("2001:db8:0:100::1", 10) || allow("2001:db8:0:200::1", 1) {
		t.Error("IPv6 does not count by /48")
	}
	if !allow("2001:db8:1::1", 10) {
		t.Error("another site pays for the first")
	}
	// What is refused by one bucket is taken from none.
	if !allow("fe80::1%eth0", 10) {
		t.Error("an address with a zone")
	}
	if _, ok := l.Allow(netip.Addr{}, 10); !ok {
		t.Error("no address at all")
	}
	if _, ok := l.Allow(netip.Addr{}, 1); ok {
		t.Error("no address is not limited")
	}
	// More than the bucket holds waits for a full one, and then passes.
	if wait, ok := l.Allow(netip.MustParseAddr("192.0.9.1"), 50); !ok || wait != 0 {
		t.Errorf("a large request of a rested network: %v", wait)
	}
	if wait, ok := l.Allow(netip.MustParseAddr("192.0.9.1"), 50); ok || wait != 10*time.Second {
		t.Errorf("a second one: %v, want 10s", wait)
	}
}

func TestLimiterInAll(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	wide := Rate{1000, 1000}
	l, err := NewLimiter(Limits{IPv4: wide, IPv6: wide, Home: wide, Site: wide, All6: wide, All: Rate{1, 5}, Known: 4}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, ok := l.Allow(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 1); !ok {
			t.Fatalf("request %d is refused", i)
		}
	}
	if _, ok := l.Allow(netip.AddrFrom4([4]byte{10, 0, 9, 1}), 1); ok {
		t.Error("there is no limit in all")
	}
	if n := l.v4.known.Len(); n > 4 {
		t.Errorf("%d networks are remembered", n)
	}
	if _, err := NewLimiter(Limits{}, nil); err == nil {
		t.Error("limits of zero are accepted")
	}
}

// TestLimiterForgets: a network that has spent what it had does not get it back by being forgotten, however many others
// come; one whose bucket is full again is.
func TestLimiterForgets(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	wide := Rate{1000, 100_000}
	l, err := NewLimiter(Limits{IPv4: Rate{1, 10}, IPv6: Rate{1, 10}, Home: wide, Site: wide, All6: wide, All: wide, Known: 50}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	allow := func(addr netip.Addr, n int) bool {
		_, ok := l.Allow(addr, n)
		return ok
	}
	v4 := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}) }
	v6 := func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 8), byte(i)}) }
	for name, of := range map[string]func(int) netip.Addr{"IPv4": v4, "IPv6": v6} {
		if !allow(of(0), 10) {
			t.Fatal("the first request is refused")
		}
		let := 0
		for i := 1; i < 200; i++ { // one unit each: enough to be remembered, and to fill what there is
			if allow(of(i), 1) {
				let++
			}
		}
		if allow(of(0), 1) {
			t.Errorf("%s: a network that was pushed out has everything again", name)
		}
		// Those without room share one bucket of 10.
		if let < 20 || let > 60 {
			t.Errorf("%s: %d of 199 newcomers were let in", name, let)
		}
	}
	c.t = c.t.Add(time.Minute) // all are full again
	for i := 2000; i < 2020; i++ {
		if !allow(v4(i), 10) {
			t.Fatalf("newcomer %d is refused although others can be forgotten", i)
		}
	}
	if n := l.v4.known.Len(); n > 50 {
		t.Errorf("%d networks are remembered", n)
	}
	if _, err := NewLimiter(Limits{IPv4: wide, IPv6: wide, Home: wide, Site: wide, All6: wide, All: wide, Known: 2}, nil); err == nil {
		t.Error("a limiter takes fewer networks than an address is in")
	}
}

// TestLimiterFamilies: all of IPv6 together leaves IPv4 its part.
func TestLimiterFamilies(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	wide := Rate{1000, 1000}
	l, err := NewLimiter(Limits{IPv4: wide, IPv6: wide, Home: wide, Site: wide, All6: Rate{1, 50}, All: Rate{1, 100}, Known: 1000}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for i := range 500 {
		if _, ok := l.Allow(netip.AddrFrom16([16]byte{0x20, 1, byte(i >> 8), byte(i)}), 1); ok {
			got++
		}
	}
	if got != 50 {
		t.Errorf("IPv6 got %d of 100 units, want 50", got)
	}
	if _, ok := l.Allow(netip.MustParseAddr("192.0.2.1"), 50); !ok {
		t.Error("IPv6 has emptied what IPv4 needs")
	}
	if DefaultLimits.All6.PerSecond > DefaultLimits.All.PerSecond/2 || DefaultLimits.All6.Burst > DefaultLimits.All.Burst/2 {
		t.Error("by default IPv6 may have more than half of everything")
	}
}

func TestProxies(t *testing.T) {
	p, err := ParseProxies([]string{"127.0.0.1", "10.0.0.0/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9:1", "", "203.0.113.9"},
		{"203.0.113.9:1", "198.51.100.7", "203.0.113.9"}, // not a trusted peer: its claim is nothing
		{"127.0.0.1:1", "198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:1", "192.0.2.66, 198.51.100.7", "198.51.100.7"}, // the left is what the client wrote
		{"127.0.0.1:1", "192.0.2.66, 198.51.100.7, 10.1.2.3", "198.51.100.7"},
		{"127.0.0.1:1", "", "127.0.0.1"},
		{"127.0.0.1:1", "garbage", "127.0.0.1"},
		{"127.0.0.1:1", "garbage, 10.1.2.3", "10.1.2.3"},
		{"[::1]:1", "2001:db8::7", "2001:db8::7"},
		{"[::ffff:127.0.0.1]:1", "::ffff:198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:1", "198.51.100.7:50123", "198.51.100.7"}, // as some load balancers write it
		{"127.0.0.1:1", "[2001:db8::7]:50123, 10.1.2.3:80", "2001:db8::7"},
		{"127.0.0.1:1", "[2001:db8::7]", "2001:db8::7"},
		{"127.0.0.1:1", "198.51.100.7:99999999", "127.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := p.Address(r); got.String() != c.want {
			t.Errorf("%s behind %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
	if _, err := ParseProxies([]string{"proxy.example"}); err == nil {
		t.Error("a name is accepted as an address")
	}
}

// TestProxyForgotten: what a proxy forwards that nobody named is noticed, once.
func TestProxyForgotten(t *testing.T) {
	p, err := ParseProxies([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		peer, header string
		want         int
	}{
		{"127.0.0.1:1", "X-Forwarded-For", 0}, {"203.0.113.9:1", "X-Forwarded-For", 1}, {"203.0.113.9:1", "Forwarded", 1},
		{"203.0.113.9:1", "X-Other", 0}, {"@", "X-Forwarded-For", 0},
	} {
		told, served := 0, 0
		h := p.Watch(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }), func() { told++ })
		for range 2 {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.peer
			r.Header.Set(c.header, "198.51.100.7")
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		if told != c.want || served != 2 {
			t.Errorf("%s with %s: told %d times, %d requests served", c.peer, c.header, told, served)
		}
	}
}

func TestAssets(t *testing.T) {
	css := []byte(strings.Repeat("body { color: black }\n", 100))
	a, err := NewAssets("/assets/", fstest.MapFS{"style.css": {Data: css}, ".hidden": {Data: nil}}, fstest.MapFS{"a.js": {Data: []byte("1")}, ".hidden": {Data: nil}})
	if err != nil {
		t.Fatal(err)
	}
	style, ok := a.Asset("style.css")
	if !ok || !strings.HasPrefix(style.URL, "/assets/style.") || !strings.HasSuffix(style.URL, ".css") || !strings.HasPrefix(style.Integrity, "sha384-") {
		t.Fatalf("%+v", style)
	}
	get := func(method string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, style.URL, nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		if !a.Serve(w, r) {
			t.Fatal("not served")
		}
		return w
	}
	w := get("GET")
	if !bytes.Equal(w.Body.Bytes(), css) || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" ||
		w.Header().Get("Content-Type") != "text/css; charset=utf-8" || w.Header().Get("Vary") != "Accept-Encoding" {
		t.Errorf("%v", w.Header())
	}
	plain := w.Header().Get("ETag")
	w = get("GET", "Accept-Encoding", "br, gzip")
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(z); !bytes.Equal(body, css) || w.Header().Get("ETag") == plain {
		t.Errorf("compressed: %d bytes, %v", len(body), w.Header())
	}
	if w = get("GET", "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("gzip for who refuses it")
	}
	if w = get("GET", "If-None-Match", `"x", `+plain); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("known already: %d, %d bytes", w.Code, w.Body.Len())
	}
	if w = get("HEAD"); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != fmt.Sprint(len(css)) {
		t.Errorf("HEAD: %d, %d bytes, length %s", w.Code, w.Body.Len(), w.Header().Get("Content-Length"))
	}
	if a.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/assets/style.css", nil)) {
		t.Error("served without the hash")
	}
	if _, err := NewAssets("/assets/", fstest.MapFS{"a.exe": {}}); err == nil {
		t.Error("an unknown media type is accepted")
	}
	if _, err := NewAssets("/assets/", fstest.MapFS{"a.js": {}}, fstest.MapFS{"a.js": {}}); err == nil {
		t.Error("two files of one name are accepted")
	}
}
