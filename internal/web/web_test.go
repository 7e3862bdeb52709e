package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/andybalholm/brotli"

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

func TestProblem(t *testing.T) {
	missing := errors.New("missing")
	m := Mappings{{Err: missing, Problem: Problem{Status: 404, Code: "missing", Detail: "There is none."}}}
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
	w = get("GET", "Accept-Encoding", "gzip, deflate, br, zstd")
	if body, err := io.ReadAll(brotli.NewReader(w.Body)); err != nil || !bytes.Equal(body, css) || w.Header().Get("Content-Encoding") != "br" || w.Header().Get("ETag") == plain {
		t.Errorf("compressed: %d bytes, %v, %v", len(body), w.Header(), err)
	}
	w = get("GET", "Accept-Encoding", "br;q=0.5, gzip")
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

// TestBase: the host that a request names is believed where it is this machine's own name, and nowhere else.
func TestBase(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1:8311": "http://127.0.0.1:8311", "localhost:8311": "http://localhost:8311", "[::1]:8311": "http://[::1]:8311", "localhost": "http://localhost",
		"attacker.example": "http://192.0.2.1:8311", "attacker.example:8311": "http://192.0.2.1:8311", "127.0.0.1.attacker.example": "http://192.0.2.1:8311",
		"127.0.0.1:8311/x": "http://192.0.2.1:8311", "localhost:`id`": "http://192.0.2.1:8311", "": "http://192.0.2.1:8311",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8311}))
		if got := Base(r, ""); got != want {
			t.Errorf("Host %q: %s, want %s", host, got, want)
		}
		if got := Base(r, "https://notice.example.org/"); got != "https://notice.example.org" {
			t.Errorf("Host %q: %s, and another is configured", host, got)
		}
	}
}
