package web

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
)

// door is a handler that counts how often it was asked to make something.
type door struct {
	made    atomic.Int64
	version atomic.Value // string
	broken  atomic.Bool
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := d.made.Add(1)
	switch {
	case d.broken.Load():
		Problem{Status: 503, RetryAfter: 5 * time.Second}.Write(w, r)
	case r.URL.Path == "/none":
		Problem{Status: 404}.Write(w, r)
	case r.URL.Path == "/elsewhere":
		http.Redirect(w, r, "/", http.StatusSeeOther)
	default:
		w.Header().Set("Content-Language", "ja")
		NewContent("text/html; charset=utf-8", "", "Accept-Language", []byte(fmt.Sprintf("%s %d ", r.URL.Path, n)+strings.Repeat("words ", 1000))).Serve(w, r, 200)
	}
}

func newDoor() (*door, *Kept) {
	d := &door{}
	d.version.Store("1")
	return d, NewKept(func(context.Context) string { return d.version.Load().(string) }, 1<<20)
}

func (d *door) get(k *Kept, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	k.Serve(w, r, path, d, func() bool { return true })
	return w
}

// TestKept: a page is made once, is the same for all whatever coding they take, and is made anew when what it says changes.
func TestKept(t *testing.T) {
	d, k := newDoor()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if w := d.get(k, "GET", "/a"); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "/a 1 ") {
				t.Errorf("%d %.10s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	plain := d.get(k, "GET", "/a")
	h := plain.Header()
	if h.Get("Cache-Control") != "no-cache" || h.Get("Vary") != "Accept-Encoding, Accept-Language" || h.Get("Content-Language") != "ja" ||
		!strings.Contains(h.Get("CDN-Cache-Control"), "stale-while-revalidate") {
		t.Errorf("%v", h)
	}
	tags := map[string]bool{h.Get("ETag"): true}
	for coding, read := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
	} {
		w := d.get(k, "GET", "/a", "Accept-Encoding", coding)
		in, err := read(w.Body)
		if err != nil || w.Header().Get("Content-Encoding") != coding {
			t.Fatalf("%s: %v %v", coding, err, w.Header())
		}
		if body, err := io.ReadAll(in); err != nil || string(body) != plain.Body.String() {
			t.Errorf("%s: %d bytes, %v", coding, len(body), err)
		}
		tags[w.Header().Get("ETag")] = true
		if w := d.get(k, "GET", "/a", "Accept-Encoding", coding, "If-None-Match", h.Get("ETag")); w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("who has it gets %d", w.Code)
		}
	}
	if len(tags) != 3 {
		t.Errorf("three codings have the tags %v", tags)
	}
	if w := d.get(k, "HEAD", "/a"); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != fmt.Sprint(plain.Body.Len()) {
		t.Errorf("HEAD: %d, %v", w.Code, w.Header())
	}
	if n := d.made.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
	d.version.Store("2")
	if w := d.get(k, "GET", "/a"); !strings.HasPrefix(w.Body.String(), "/a 2 ") || w.Header().Get("ETag") == h.Get("ETag") {
		t.Errorf("after a change: %.10s", w.Body)
	}
	d.version.Store("") // nobody knows
	d.get(k, "GET", "/a")
	if d.get(k, "GET", "/a"); d.made.Load() != 4 {
		t.Errorf("made %d times", d.made.Load())
	}
}

// TestKeptNot: what is no page that is there is answered as it was made, and not kept; and where the budget is spent, what is
// kept is given all the same.
func TestKeptNot(t *testing.T) {
	d, k := newDoor()
	for range 2 {
		if w := d.get(k, "GET", "/none"); w.Code != 404 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("CDN-Cache-Control") != "" || !strings.Contains(w.Body.String(), "Not Found") {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		if w := d.get(k, "GET", "/elsewhere"); w.Code != 303 || w.Header().Get("Location") != "/" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
	if d.made.Load() != 4 {
		t.Errorf("made %d times", d.made.Load())
	}
	d.get(k, "GET", "/a")
	for path, want := range map[string]int{"/a": 200, "/b": 429} {
		w := httptest.NewRecorder()
		k.Serve(w, httptest.NewRequest("GET", path, nil), path, d, func() bool { w.WriteHeader(429); return false })
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// TestKeptOld: a page is made anew after a while, and where it cannot be, the one before goes on being given.
func TestKeptOld(t *testing.T) {
	d, k := newDoor()
	now := time.Now()
	k.now = func() time.Time { return now }
	d.get(k, "GET", "/a")
	now = now.Add(keptFor)
	if w := d.get(k, "GET", "/a"); !strings.HasPrefix(w.Body.String(), "/a 2 ") {
		t.Errorf("after a while: %.10s", w.Body)
	}
	now = now.Add(keptFor)
	d.broken.Store(true)
	if w := d.get(k, "GET", "/a"); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "/a 2 ") {
		t.Errorf("where it cannot be made: %d %.10s", w.Code, w.Body)
	}
	if w := d.get(k, "GET", "/b"); w.Code != 503 || w.Header().Get("Retry-After") != "5" {
		t.Errorf("where there is none: %d", w.Code)
	}
	d.version.Store("2")
	if w := d.get(k, "GET", "/a"); w.Code != 503 {
		t.Errorf("what has changed is given as it was: %d", w.Code)
	}
}

// TestKeptBounded: no more is kept than there is room for, and what was asked for last stays.
func TestKeptBounded(t *testing.T) {
	d, k := newDoor()
	for i := range 200 {
		d.get(k, "GET", fmt.Sprintf("/%d", i))
		d.get(k, "GET", "/0")
	}
	if k.bytes > k.most || k.bytes < k.most/2 || d.made.Load() != 200 {
		t.Errorf("%d bytes are kept, made %d times", k.bytes, d.made.Load())
	}
	for i := range 2 * remembered {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", fmt.Sprintf("en;q=0.%d", i))
		if got, want := k.Language(r), LanguageOf(r); got != want {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	if k.tongue != remembered {
		t.Errorf("%d headers are remembered", k.tongue)
	}
}
