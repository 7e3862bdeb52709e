package password

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// An odd upstream is one of ours that answers some ranges otherwise.
type odd struct {
	*testing.T
	c       *Corpora
	records []record
	server  *httptest.Server

	mu    sync.Mutex
	how   func(r uint32, w http.ResponseWriter) bool // true: it has answered
	asked []uint32
}

func newOdd(t *testing.T, seed uint64) *odd {
	u := &odd{T: t, c: open(t, t.TempDir(), 0)}
	u.records = few(random(rand.New(rand.NewPCG(seed, 1)), SHA1, 5000))
	put(t, u.c, SHA1, Replace, u.records)
	h := Handler(u.c, nil)
	u.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, _ := parsePrefix(strings.TrimPrefix(r.URL.Path, "/range/"))
		u.mu.Lock()
		u.asked = append(u.asked, v)
		how := u.how
		u.mu.Unlock()
		if how == nil || !how(v, w) {
			h.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(u.server.Close)
	return u
}

// answers sets how some ranges are answered, and forgets which were asked for.
func (u *odd) answers(how func(r uint32, w http.ResponseWriter) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.how, u.asked = how, nil
}

func (u *odd) ranges() spans {
	u.mu.Lock()
	defer u.mu.Unlock()
	return spansOf(u.asked)
}

func (u *odd) sync(c *Corpora) (Sync, error) {
	return c.Sync(u.Context(), SyncOptions{URL: u.server.URL, Mode: SHA1, Workers: 4, To: 1024, retryPause: time.Microsecond, batch: 700})
}

// without are records that are in none of some ranges.
func without(records []record, rs ...uint32) (out []record) {
	for _, x := range records {
		if !slices.Contains(rs, uint32(top([]byte(x.hash))>>rangeShift)) {
			out = append(out, x)
		}
	}
	return out
}

func status(code int) func(uint32, http.ResponseWriter) bool {
	return func(_ uint32, w http.ResponseWriter) bool { w.WriteHeader(code); return true }
}

// TestSkip syncs from upstreams that never give one range, or two: everything else is there, what
// is missing is named and no "no", and the next sync asks for nothing else.
func TestSkip(t *testing.T) {
	for name, how := range map[string]func(uint32, http.ResponseWriter) bool{
		"502": status(502), "403": status(403), "404": status(404), "500": status(500), "204": status(204),
		"told when": func(_ uint32, w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(503)
			return true
		},
		"a page": func(_ uint32, w http.ResponseWriter) bool { w.Write([]byte("<html>")); return true },
		"breaks off": func(_ uint32, w http.ResponseWriter) bool {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte("0018A45C4D1DEF81"))
			return true
		},
		"another Shirase's gap": func(_ uint32, w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(503)
			w.Write([]byte(`{"type":"/problems/incomplete-corpus"}`))
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newOdd(t, 1)
			bad := []uint32{0x0A7, 0x200}
			u.answers(func(r uint32, w http.ResponseWriter) bool { return slices.Contains(bad, r) && how(r, w) })
			c := open(t, t.TempDir(), 0)
			out, err := u.sync(c)
			if !errors.Is(err, ErrSkipped) || !errors.Is(err, ErrUpstream) && name != "breaks off" || !slices.Equal(out.Skipped, []string{"000A7", "00200"}) || out.Ranges != 1022 {
				t.Fatalf("%+v, %v", out, err)
			}
			if !strings.Contains(err.Error(), "000A7, 00200") {
				t.Error("it does not name them:", err)
			}
			if !slices.Equal(contents(t, c.Corpus(SHA1)), without(u.records, bad...)) {
				t.Fatal("what the upstream gave is not what is there")
			}
			h := Handler(c, nil)
			ask := func(r uint32) int {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", fmt.Sprintf("/range/%05X", r), nil))
				return w.Code
			}
			if ask(0x0A6) != 200 || ask(0x0A7) != 503 || ask(0x200) != 503 || ask(1023) != 200 || ask(1024) != 503 {
				t.Error("answers:", ask(0x0A6), ask(0x0A7), ask(0x200), ask(1023), ask(1024))
			}
			hash := make([]byte, 20)
			hash[1], hash[2] = 0x0A, 0x7F
			if n, err := c.Corpus(SHA1).Count(hash); n != 0 || !errors.Is(err, ErrIncomplete) {
				t.Error("a hash in a range that was never fetched:", n, err)
			}
			if _, err := c.Corpus(SHA1).Verify(t.Context(), nil); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "000A7") {
				t.Error("verify:", err)
			}
			if err := c.BuildFilter(t.Context(), SHA1); !errors.Is(err, ErrIncomplete) {
				t.Error("a filter of a part says no:", err)
			}

			u.answers(nil)
			out, err = u.sync(c)
			if err != nil || out.Ranges != 2 || !slices.Equal(u.ranges(), spans{{0xA7, 0xA8}, {0x200, 0x201}}) {
				t.Fatalf("%+v, %v, asked for %v", out, err, u.ranges().names())
			}
			if !slices.Equal(contents(t, c.Corpus(SHA1)), u.records) || ask(0xA7) != 200 {
				t.Fatal("what was skipped is not taken up")
			}
			u.answers(nil)
			if out, err = u.sync(c); err != nil || out.Same != 1024 {
				t.Fatalf("the next one does not ask for everything: %+v, %v", out, err)
			}
		})
	}
}

// TestSkipLater skips a range that was fetched before: what it had stays the answer.
func TestSkipLater(t *testing.T) {
	u := newOdd(t, 2)
	c := open(t, t.TempDir(), 0)
	if _, err := u.sync(c); err != nil {
		t.Fatal(err)
	}
	more := []record{{"\x00\x0A\x70" + strings.Repeat("x", 17), 5}, {"\x00\x0A\x80" + strings.Repeat("x", 17), 5}}
	put(t, u.c, SHA1, Add, more)
	u.answers(func(r uint32, w http.ResponseWriter) bool { return r == 0xA7 && status(502)(r, w) })
	for range 2 { // the second time it is all that is asked for
		out, err := u.sync(c)
		if !errors.Is(err, ErrSkipped) || !slices.Equal(out.Skipped, []string{"000A7"}) {
			t.Fatalf("%+v, %v", out, err)
		}
		if n, err := c.Corpus(SHA1).Count([]byte(more[0].hash)); n != 0 || err != nil {
			t.Error("the older version of the range does not answer:", n, err)
		}
		if n, err := c.Corpus(SHA1).Count([]byte(more[1].hash)); n != 5 || err != nil {
			t.Error("what else changed is not there:", n, err)
		}
	}
	// A day later everything is asked for again, whatever was skipped.
	w, err := c.write(t.Context(), SHA1, Replace)
	if err != nil {
		t.Fatal(err)
	}
	w.upstream(w.next.Upstreams[0].Origin).Passed = time.Now().Add(-25 * time.Hour).UTC()
	if _, err := w.commit(); err != nil {
		t.Fatal(err)
	}
	w.close()
	u.answers(nil)
	if out, err := u.sync(c); err != nil || out.Ranges != 1024 || !slices.Equal(contents(t, c.Corpus(SHA1)), contents(t, u.c.Corpus(SHA1))) {
		t.Fatalf("%+v, %v", out, err)
	}
}

// TestSyncOver syncs into a corpus that had something before: an older edition goes on answering; a
// list of one's own says nothing of what the upstream has not given.
func TestSyncOver(t *testing.T) {
	for name, c := range map[string]struct {
		before func(records []record) []record
		whole  bool
	}{
		"an older edition": {func(all []record) []record { return all[:len(all)*9/10] }, true},
		"a list of one's own": {func(all []record) []record {
			return sorted(append(random(rand.New(rand.NewPCG(4, 4)), SHA1, 3000), all[:len(all)/5]...))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			u := newOdd(t, 3)
			to := open(t, t.TempDir(), 0)
			shuffled := slices.Clone(u.records)
			rand.New(rand.NewPCG(1, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			mine := c.before(shuffled)
			bring(t, to, Replace, sorted(slices.Clone(mine)))
			u.answers(func(r uint32, w http.ResponseWriter) bool { return r == 0xA7 && status(502)(r, w) })
			if _, err := u.sync(to); !errors.Is(err, ErrSkipped) {
				t.Fatal(err)
			}
			for _, r := range []uint32{0xA7, 0x5000} { // of which one was refused, and one never asked for
				hash := []byte{byte(r >> 12), byte(r >> 4), byte(r << 4), 20: 0}[:20]
				if _, err := to.Corpus(SHA1).Count(hash); errors.Is(err, ErrIncomplete) == c.whole || err != nil && c.whole {
					t.Errorf("range %05X: %v", r, err)
				}
			}
			found := func() {
				for _, x := range mine { // what is found is found
					if n, err := to.Corpus(SHA1).Count([]byte(x.hash)); n == 0 || err != nil {
						t.Fatalf("%x: %d, %v", x.hash, n, err)
					}
				}
			}
			found()
			if err := to.GiveUp(t.Context(), SHA1, u.server.URL); err != nil || to.Corpus(SHA1).Ready() != nil {
				t.Fatal(err, to.Corpus(SHA1).Ready())
			}
			found()
		})
	}
}

// TestSyncStopped stops the first sync in its midst: what it did not get is missing, and the next one goes on.
func TestSyncStopped(t *testing.T) {
	u := newOdd(t, 5)
	ctx, stop := context.WithCancel(t.Context())
	u.answers(func(r uint32, w http.ResponseWriter) bool {
		if r == 0x300 {
			stop()
		}
		return false
	})
	c := open(t, t.TempDir(), 0)
	out, err := c.Sync(ctx, SyncOptions{URL: u.server.URL, Mode: SHA1, Workers: 4, To: 1024, retryPause: time.Microsecond, batch: 700})
	if !errors.Is(err, context.Canceled) || out.Ranges == 0 || out.Ranges >= 1024 {
		t.Fatalf("%+v, %v", out, err)
	}
	if err := c.GiveUp(t.Context(), SHA1, u.server.URL); !errors.Is(err, ErrIncomplete) {
		t.Fatal("with nothing before it, a part of an upstream says no:", err)
	}
	if err := c.GiveUp(t.Context(), SHA1, "https://passwords.example.org"); err == nil {
		t.Fatal("an upstream that was never synced from")
	}
	if got := int64(ranges) - c.Corpus(SHA1).Info().Missing; got != out.Ranges {
		t.Fatalf("%d ranges are said to be there, and %d were fetched", got, out.Ranges)
	}
	u.answers(nil)
	second, err := u.sync(c)
	if err != nil || second.Same != out.Ranges || !slices.Equal(contents(t, c.Corpus(SHA1)), u.records) {
		t.Fatalf("%+v, %v", second, err)
	}
}

// TestSyncAway syncs from an upstream of which a whole part fails, and from one that goes away in the midst.
func TestSyncAway(t *testing.T) {
	u := newOdd(t, 6)
	c := open(t, t.TempDir(), 0)
	u.answers(func(r uint32, w http.ResponseWriter) bool { return r/256 == 1 && status(502)(r, w) })
	out, err := u.sync(c)
	if !errors.Is(err, ErrSkipped) || out.Ranges != 768 || !slices.Equal(out.Skipped, []string{"00100-001FF"}) {
		t.Fatalf("%+v, %v", out, err)
	}
	c = open(t, t.TempDir(), 0)
	u.answers(func(r uint32, w http.ResponseWriter) bool { return r > 300 && status(502)(r, w) })
	out, err = u.sync(c)
	if errors.Is(err, ErrSkipped) || !errors.Is(err, ErrUpstream) || out.Ranges != 301 || len(u.ranges()) != 1 || u.ranges()[0].To == 1024 {
		t.Fatalf("%+v, %v, asked for %v", out, err, u.ranges().names())
	}
	u.answers(nil)
	if out, err = u.sync(c); err != nil || out.Ranges != 1024 || out.Same != 301 {
		t.Fatalf("%+v, %v", out, err)
	}
	// One that never answers as a range API is refused at once.
	u.answers(status(404))
	if out, err = u.sync(open(t, t.TempDir(), 0)); !errors.Is(err, ErrUpstream) || len(u.asked) > syncAway+4 {
		t.Fatalf("%+v, %v after %d requests", out, err, len(u.asked))
	}
}

// TestTagsOfAnother brings an older corpus back beside the entity tags of a newer one: what the tags know and the
// corpus has not is fetched again.
func TestTagsOfAnother(t *testing.T) {
	u := newOdd(t, 7)
	c := open(t, t.TempDir(), 0)
	if _, err := u.sync(c); err != nil {
		t.Fatal(err)
	}
	older := t.TempDir()
	if err := os.CopyFS(older, os.DirFS(filepath.Join(c.root, "sha1"))); err != nil {
		t.Fatal(err)
	}
	more := []record{{"\x00\x0A\x70" + strings.Repeat("x", 17), 5}, {"\x00\x3A\x70" + strings.Repeat("x", 17), 6}}
	put(t, u.c, SHA1, Add, more)
	if _, err := u.sync(c); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"current", "*.seg"} { // but not the tags
		names, _ := filepath.Glob(filepath.Join(older, pattern))
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err == nil {
				err = os.WriteFile(filepath.Join(c.root, "sha1", filepath.Base(name)), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	c = open(t, c.root, 0)
	if n, err := c.Corpus(SHA1).Count([]byte(more[0].hash)); n != 0 || err != nil {
		t.Fatal("the older corpus is not back:", n, err)
	}
	if _, err := u.sync(c); err != nil {
		t.Fatal(err)
	}
	for _, x := range more {
		if n, err := c.Corpus(SHA1).Count([]byte(x.hash)); n != x.count || err != nil {
			t.Error("what the tags knew is missing:", n, err)
		}
	}
}

// TestSyncAndRemove takes an import back over which an upstream was synced: what the upstream has stays.
func TestSyncAndRemove(t *testing.T) {
	u := newOdd(t, 8)
	c := open(t, t.TempDir(), 0)
	mine := sorted(append(random(rand.New(rand.NewPCG(4, 4)), SHA1, 300), u.records[100:200]...))
	id := bring(t, c, Add, mine)
	if _, err := u.sync(c); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Remove(t.Context(), SHA1, id); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(contents(t, c.Corpus(SHA1)), u.records) {
		t.Fatal("the corpus is not what the upstream has")
	}
}

// TestSpans compares spans with sets of ranges.
func TestSpans(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	pick := func() (out []uint32) {
		for range r.IntN(40) {
			out = append(out, r.Uint32N(64))
		}
		return out
	}
	for range 3000 {
		a, b := pick(), pick()
		s, gone := spansOf(a), spansOf(b)
		left := s.without(gone)
		if !s.valid() || !left.valid() {
			t.Fatal(s, gone, left)
		}
		n := int64(0)
		for v := range uint32(64) {
			if s.has(v) != slices.Contains(a, v) || left.has(v) != (slices.Contains(a, v) && !slices.Contains(b, v)) {
				t.Fatal(v, s, gone, left)
			}
			if left.has(v) {
				n++
			}
		}
		if left.size() != n || len(left.names()) != len(left) || !slices.Equal(left.with(gone).without(gone), left) || left.with(s.without(left)).size() != s.size() {
			t.Fatal(left)
		}
	}
	var x bytes.Buffer
	fmt.Fprint(&x, spansOf([]uint32{5, 6, 7, 0xABCDE}).names())
	if x.String() != "[00005-00007 ABCDE]" {
		t.Error(x.String())
	}
}
