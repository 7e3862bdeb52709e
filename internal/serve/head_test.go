package serve

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// TestHead: an answer over our own connection has the header that net/http would send, field by field, whatever its handler does; what
// could be read as another field is not taken for one, and the next answer of the connection has its own.
func TestHead(t *testing.T) {
	s := New(Options{})
	body := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	for path, h := range map[string]http.HandlerFunc{
		"/page": func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range map[string]string{"Content-Length": "3000", "Content-Type": "text/html", "ETag": `"a"`, "Vary": "Accept-Encoding", "Cache-Control": "no-cache",
				"Content-Language": "ja", "CDN-Cache-Control": "max-age=5", "X-Own": "1"} {
				w.Header().Set(name, value)
			}
			w.Header().Add("Link", "<a>; rel=next")
			w.WriteHeader(http.StatusOK)
			w.Write(body(3000))
		},
		"/own": func(w http.ResponseWriter, _ *http.Request) { // one of those that every answer has
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
			w.Header().Del("Permissions-Policy")
			w.Header()["Link"] = []string{"<a>", "<b>"}
			w.Write(body(10))
		},
		"/split": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Etag", "a\r\nX-Evil: 1")
			w.Write(body(10))
		},
		"/none": func(http.ResponseWriter, *http.Request) {},
		"/same": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Etag", `"a"`)
			w.WriteHeader(http.StatusNotModified)
		},
		"/hints": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "<a>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Vary", "A")
			w.WriteHeader(http.StatusTeapot)
		},
		"/chunks": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Vary", "A")
			w.Write(body(20_000))
			w.Write(body(20_000))
		},
		"/panic": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Vary", "A"); panic("x") },
	} {
		s.Mount(h, path)
	}
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asItIs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain := &http.Server{Handler: s.Handler()} // without a connection of ours
	go plain.Serve(asItIs)
	defer plain.Close()
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Run(ctx, l, func(string) error { return nil }) }()
	defer func() {
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	conn, in := dial(t, "http://"+l.Addr().String())
	other, otherIn := dial(t, "http://"+asItIs.Addr().String())
	for range 2 {
		for _, ask := range []string{"GET /page", "GET /own", "HEAD /page", "GET /split", "GET /none", "GET /same", "GET /hints", "GET /chunks", "GET /nowhere", "GET /panic", "GET /page"} {
			method, _, _ := strings.Cut(ask, " ")
			answer := func(to io.Writer, from *bufio.Reader) (http.Header, string) {
				io.WriteString(to, ask+" HTTP/1.1\r\nHost: x\r\n\r\n")
				res, err := http.ReadResponse(from, &http.Request{Method: method})
				if err == nil && res.StatusCode == http.StatusEarlyHints {
					res, err = http.ReadResponse(from, &http.Request{Method: method})
				}
				if err != nil {
					t.Fatalf("%s: %v", ask, err)
				}
				n, err := io.Copy(io.Discard, res.Body)
				if err != nil {
					t.Fatalf("%s: %v", ask, err)
				}
				res.Header.Del("Date")
				return res.Header, fmt.Sprint(res.StatusCode, " ", n, " ", res.TransferEncoding)
			}
			ours, is := answer(conn, in)
			theirs, want := answer(other, otherIn)
			if !reflect.DeepEqual(ours, theirs) || is != want || ours.Get("X-Evil") != "" || ours.Get("Content-Security-Policy") == "" {
				t.Errorf("%s: %s with %v, and without it %s with %v", ask, is, ours, want, theirs)
			}
		}
	}
	if h := (http.Header{"Etag": {`"a"`}, "Content-Length": {"1"}}); !bytes.Equal(setAside(nil, h), []byte("Etag: \"a\"\r\n")) || len(h) != 1 {
		t.Errorf("what is written here stays for net/http too: %v", h)
	}
}

// BenchmarkHead is what a small page takes over a connection of ours, over one of net/http's with the same header, and from a bare
// handler that writes as many bytes; the client's part, which is the same, is in it. By processor time: -benchtime 20000x, and time.
func BenchmarkHead(b *testing.B) {
	page := bytes.Repeat([]byte("x"), 2300)
	s := New(Options{})
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		for name, value := range map[string]string{"Content-Length": "2300", "Content-Type": "text/html; charset=utf-8", "Etag": `"abcdefghijklmnopqrst-br"`, "Vary": "Accept-Encoding, Accept-Language",
			"Cache-Control": "no-cache", "Content-Language": "ja", "Cdn-Cache-Control": "max-age=5, stale-while-revalidate=30, stale-if-error=3600", "Content-Encoding": "br"} {
			h[name] = []string{value}
		}
		w.Write(page)
	}), "/")
	for _, c := range []struct {
		name string
		run  func(net.Listener)
	}{
		{"ours", func(l net.Listener) { s.Run(b.Context(), l, func(string) error { return nil }) }},
		{"same header", func(l net.Listener) { http.Serve(l, s.Handler()) }},
		{"bare", func(l net.Listener) {
			http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"], w.Header()["Content-Length"] = []string{"text/html; charset=utf-8"}, []string{"2300"}
				w.Write(page)
			}))
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			l, err := Listen("127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go c.run(l)
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			in := bufio.NewReaderSize(conn, 64<<10)
			b.ReportAllocs()
			for b.Loop() {
				io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				for line := []byte("x"); len(line) > 2; {
					if line, err = in.ReadSlice('\n'); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := in.Discard(len(page)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
