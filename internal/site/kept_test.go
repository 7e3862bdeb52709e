package site

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/site/sitetest"
)

// TestKept: pages are made once for all who ask for the same, whatever their links carry along; searches are made for each, and
// whoever has spent a budget still gets what is kept.
func TestKept(t *testing.T) {
	made, spent, version := 0, false, "1"
	w := newWorld(t, func(o *Options) {
		o.BaseURL = "https://notice.example"
		o.Version = func(context.Context) string { return version }
		o.Allow = func(_ *http.Request, n int) (time.Duration, bool) {
			if !spent {
				made += n
			}
			return 90 * time.Second, !spent
		}
	}, sitetest.Full()...)
	before := map[string]string{}
	same := slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return strings.Contains(path, "?") || path == "/nowhere" })
	for _, path := range same {
		made = 0
		first := w.get("GET", path)
		for _, again := range []string{path, path + "?lang=xx&fbclid=1", path} {
			if rec := w.get("GET", again, "Accept-Encoding", "identity"); asks(path) && again != path {
				continue
			} else if rec.Body.String() != first.Body.String() || rec.Code != 200 {
				t.Errorf("%s: %d, %d bytes, first %d", again, rec.Code, rec.Body.Len(), first.Body.Len())
			}
		}
		want := 1
		if asks(path) {
			want = 2
		}
		if made != want {
			t.Errorf("%s was made %d times", path, made)
		}
		before[path] = first.Body.String()
		if rec := w.get("GET", path, "Accept-Language", "en"); rec.Body.String() == first.Body.String() {
			t.Errorf("%s: the Japanese page for who reads English", path)
		}
		if rec := w.get("GET", path+"?lang=ja"); rec.Body.String() == first.Body.String() {
			t.Errorf("%s: links do not keep the language that was chosen", path)
		}
	}
	made = 0
	for range 3 {
		w.get("GET", "/incidents?q=NAVER")
	}
	if made != 3 {
		t.Errorf("a search costs %d for 3", made)
	}
	spent = true
	for _, path := range same {
		if rec := w.get("GET", path); rec.Code != 200 || rec.Body.String() != before[path] {
			t.Errorf("%s where the budget is spent: %d", path, rec.Code)
		}
	}
	for _, path := range []string{"/incidents?q=NAVER", "/incidents/nothing", "/learn/compare?q=x"} {
		if rec := w.get("GET", path); rec.Code != 429 || rec.Header().Get("Retry-After") != "90" || !strings.Contains(rec.Body.String(), "90秒") {
			t.Errorf("%s where the budget is spent: %d, Retry-After %s", path, rec.Code, rec.Header().Get("Retry-After"))
		}
	}
	spent, made, version = false, 0, "2"
	if w.get("GET", "/"); made != 1 {
		t.Error("a page is kept though what is public has changed")
	}
}

// TestKeptByHost: where nobody has said what the address is, one visitor's Host reaches no other.
func TestKeptByHost(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.BaseURL = ""
		o.Version = func(context.Context) string { return "1" }
	}, sitetest.Full()...)
	for _, host := range []string{"localhost:1111", "localhost:2222", "localhost:1111"} {
		r := httptest.NewRequest("GET", "http://"+host+"/how", nil)
		rec := httptest.NewRecorder()
		w.site.ServeHTTP(rec, r)
		if body := rec.Body.String(); strings.Contains(body, "localhost:1111") != (host == "localhost:1111") || strings.Contains(body, "localhost:2222") != (host == "localhost:2222") {
			t.Errorf("the page for %s speaks of another host", host)
		}
	}
}
