package site

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
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

// BenchmarkKeptServed is the same with them, from eight connections of this process: for a profile of where the time goes.
func BenchmarkKeptServed(b *testing.B) {
	w := newWorld(b, func(o *Options) {
		o.BaseURL = "https://notice.example"
		o.Version = func(context.Context) string { return "1" }
	}, sitetest.Full()...)
	s := serve.New(serve.Options{})
	s.Mount(w.site, "/")
	l, err := serve.Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, end := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx, l, func(string) error { return nil }) }()
	request := []byte("GET /statement HTTP/1.1\r\nHost: notice.example\r\nAccept-Language: ja\r\nAccept-Encoding: br\r\n\r\n")
	b.SetParallelism(8)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(more *testing.PB) {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		in := bufio.NewReaderSize(conn, 64<<10)
		for more.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			length := 0
			for {
				line, err := in.ReadSlice('\n')
				if err != nil {
					b.Error(err)
					return
				}
				if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
					length, _ = strconv.Atoi(string(bytes.TrimSpace(v)))
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := in.Discard(length); err != nil || length == 0 {
				b.Errorf("%d bytes: %v", length, err)
				return
			}
		}
	})
	b.StopTimer()
	end()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}
