package password

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// few moves records into the first 1,024 ranges.
func few(records []record) []record {
	for i := range records {
		h := []byte(records[i].hash)
		h[0] = 0
		h[1] &= 0x3F
		records[i].hash = string(h)
	}
	return sorted(records)
}

// TestSync syncs from our own server: all, nothing, what changed; through refusals and an interruption.
func TestSync(t *testing.T) {
	for _, m := range Modes {
		t.Run(m.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 1))
			up := open(t, t.TempDir(), 0)
			records := few(random(r, m, 4000))
			put(t, up, m, Replace, records)
			var asked, refuse atomic.Int64
			h := Handler(up, nil)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := asked.Add(1)
				if n%3 == 0 { // upstreams compress, whatever they are asked
					r.Header.Set("Accept-Encoding", "gzip")
				}
				switch {
				case n%97 == 0:
					w.Header().Set("Retry-After", "0")
					w.WriteHeader(http.StatusTooManyRequests)
				case n%89 == 0:
					w.Header().Set("Content-Length", "1000")
					w.Write([]byte("0018A45C4D1DEF81")) // and breaks off
				case refuse.Load() > 0 && n > refuse.Load():
					w.WriteHeader(http.StatusForbidden)
				default:
					h.ServeHTTP(w, r)
				}
			}))
			defer server.Close()
			c := open(t, t.TempDir(), 0)
			o := SyncOptions{URL: server.URL + "/", Mode: m, Workers: 4, To: 1024, retryPause: time.Millisecond, batch: 700}
			refuse.Store(600)
			first, err := c.Sync(t.Context(), o)
			if !errors.Is(err, ErrUpstream) || first.Ranges == 0 || first.Ranges == 1024 {
				t.Fatalf("%+v, %v", first, err)
			}
			refuse.Store(0)
			second, err := c.Sync(t.Context(), o)
			if err != nil || second.Ranges != 1024 || second.Same != first.Ranges || first.Added+second.Added != int64(len(records)) {
				t.Fatalf("%+v then %+v, %v", first, second, err)
			}
			if !slices.Equal(contents(t, c.Corpus(m)), records) {
				t.Fatal("what was synced is not what the upstream has")
			}
			none, err := c.Sync(t.Context(), o)
			if err != nil || none.Same != 1024 || none.Bytes > 1000 || none.Written != 0 {
				t.Fatalf("%+v, %v", none, err)
			}
			put(t, up, m, Add, records[100:103])
			some, err := c.Sync(t.Context(), o)
			if err != nil || some.Updated < 3 || some.Updated > 3 || some.Ranges-some.Same > 3 {
				t.Fatalf("%+v, %v", some, err)
			}
			if !slices.Equal(contents(t, c.Corpus(m)), contents(t, up.Corpus(m))) {
				t.Fatal("a change was not taken over")
			}
		})
	}
}

func TestSyncRefused(t *testing.T) {
	c := open(t, t.TempDir(), 0)
	for _, bad := range []string{"", "example.com", "file:///etc", "https://a:b@example.com", "https://example.com/?q"} {
		if _, err := c.Sync(t.Context(), SyncOptions{URL: bad, Mode: SHA1}); err == nil {
			t.Error(bad)
		}
	}
	for name, body := range map[string]string{
		"html": "<html>", "twice": strings.Repeat("0018A45C4D1DEF81644B54AB7F969B88D65:1\n", 2), "long": strings.Repeat("0", 5000), "count": "0018A45C4D1DEF81644B54AB7F969B88D65:-1",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) }))
		_, err := c.Sync(t.Context(), SyncOptions{URL: server.URL, Mode: SHA1, To: 300})
		server.Close()
		if !errors.Is(err, ErrUpstream) || c.Corpus(SHA1).Info().Records != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Cancelled, it does not wait as the upstream wants, and says so.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(503)
		stop()
	}))
	defer server.Close()
	if _, err := c.Sync(ctx, SyncOptions{URL: server.URL, Mode: SHA1}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzRangeText(f *testing.F) {
	f.Add([]byte("0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:2\r\n011053FD0102E94D6AE2F8B83D76FAF94F6:0"))
	f.Add([]byte("\n 0018a45c4d1def81644b54ab7f969b88d65:9223372036854775808 \r\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:2\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := parseRange(b, SHA1, 0x21BD1)
		if err != nil {
			return
		}
		for i, count := range out.counts {
			h := out.hashes[20*i : 20*i+20]
			if count == 0 || top(h)>>rangeShift != 0x21BD1 || i > 0 && bytes.Compare(out.hashes[20*i-20:20*i], h) >= 0 {
				t.Fatalf("%x:%d", h, count)
			}
		}
	})
}
