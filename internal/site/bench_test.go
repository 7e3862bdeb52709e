package site

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"shirase/internal/serve"
	"shirase/internal/site/sitetest"
)

// nowhere takes an answer and forgets it.
type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (w *nowhere) WriteHeader(int)             {}

// BenchmarkKept is what a page that is kept costs, without the network and net/http.
func BenchmarkKept(b *testing.B) {
	w := newWorld(b, func(o *Options) {
		o.BaseURL = "https://notice.example"
		o.Version = func(context.Context) string { return "1" }
	}, sitetest.Full()...)
	s := serve.New(serve.Options{})
	s.Mount(w.site, "/")
	h := s.Handler()
	r := httptest.NewRequest("GET", "/statement", nil)
	r.Header.Set("Accept-Language", "ja,en-US;q=0.7,en;q=0.3")
	r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(&nowhere{http.Header{}}, r)
	}
}
