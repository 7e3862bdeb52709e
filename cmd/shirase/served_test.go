package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"testing"

	"shirase/check"
	"shirase/internal/index"
	"shirase/internal/password"
	"shirase/internal/serve"
)

// BenchmarkServed is what the whole server does for a request that thousands make, from sixteen connections of this process: for a
// profile (-cpuprofile) of what is ours, and what is the standard library's and the system's.
func BenchmarkServed(b *testing.B) {
	a := appAt(filepath.Join(wellInstance(b), "data"), io.Discard, io.Discard)
	a.op().URL = "https://notice.example"
	in, err := a.open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer in.close()
	corpora, err := password.Open(a.passwordDir())
	if err != nil {
		b.Fatal(err)
	}
	defer corpora.Close()
	for _, l := range []*serve.Limits{&a.op().Limits.Archive, &a.op().Limits.Check} { // all comes from one address
		l.IPv4.PerSecond, l.IPv4.Burst, l.All.PerSecond, l.All.Burst = 1e6, 1e6, 1e6, 1e6
	}
	st, _, _, err := in.index.Statement(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	server, _, err := a.server(b.Context(), in, corpora, nil)
	if err != nil {
		b.Fatal(err)
	}
	l, err := serve.Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, end := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, l, func(string) error { return nil }) }()
	layer := st.Layers[0]
	for name, path := range map[string]string{
		"page":      "/incidents/shop-2026",
		"statement": "/check/v1/statement",
		"bucket":    "/check/v1/layers/" + layer.ID.String() + "/buckets/" + check.BucketName(0, layer.Bits),
		"range":     "/range/5BAA6",
	} {
		b.Run(name, func(b *testing.B) {
			request := []byte("GET " + path + " HTTP/1.1\r\nHost: notice.example\r\nAccept-Language: ja\r\nAccept-Encoding: br\r\n\r\n")
			b.SetParallelism(8)
			b.ReportAllocs()
			b.RunParallel(func(more *testing.PB) {
				conn, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close()
				in := bufio.NewReaderSize(conn, 64<<10)
				for more.Next() {
					if err := exchange(conn, in, request); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
	end()
	if err := <-ended; err != nil {
		b.Error(err)
	}
}

// BenchmarkPublicNow is what it costs to look what is public, which is done every 20 ms while pages are asked for.
func BenchmarkPublicNow(b *testing.B) {
	a := appAt(filepath.Join(wellInstance(b), "data"), io.Discard, io.Discard)
	in, err := a.open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer in.close()
	published := index.NewHost(in.index, in.publisher.Log(), in.log)
	p := &publicNow{archive: in.archive.Public(), published: published, evaluator: index.NewEvaluator(in.keys, nil, published.Keys, in.log)}
	b.ReportAllocs()
	for b.Loop() {
		p.last.Store(nil)
		if p.version(b.Context()) == "" {
			b.Fatal("nothing is public")
		}
	}
}

// exchange sends a request, and reads its answer with as little work as can be. Another answer than 200 is an error.
func exchange(conn net.Conn, in *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	length, first := 0, true
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("%s", line)
		}
		first = false
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := in.Discard(length)
	return err
}
