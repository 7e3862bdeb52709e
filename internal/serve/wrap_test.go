package serve

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"shirase/internal/web"
)

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
	h := Wrap(mux, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Requests: true})
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
	mapped := web.Mappings{}
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
