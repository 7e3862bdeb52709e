// Command bucket measures GET of a bucket against a bare handler that writes
// as many bytes, and what a layer file weighs.
package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"shirase/bench/figure"
	"shirase/bench/publication"
	"shirase/check"
)

func main() {
	o := figure.Parse()
	rounds, n, entries := 41, 2000, 1_692_496
	if o.Quick {
		rounds, n, entries = 21, 500, 300_000
	}
	get(o, rounds, n)
	size(o, entries)
}

func get(o figure.Options, rounds, n int) {
	ctx := context.Background()
	p := publication.New(ctx)
	defer p.Close()
	l := p.Publish(ctx, 7000).Layers[0]
	path := "/check/v1/layers/" + l.ID.String() + "/buckets/" + check.BucketName(1, l.Bits)
	ours := serve(p.Handler()) + path
	body := fetch(ours, nil)
	bare := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})) + path
	buf := make([]byte, 0, 2*len(body))
	loop := func(url string) func() {
		return func() {
			for range n {
				fetch(url, buf)
			}
		}
	}
	t := figure.InTurns(rounds, loop(ours), loop(bare))
	o.Print(figure.Figure{Name: "bucket GETs a second / bare handler, " + strconv.Itoa(len(body)) + " bytes", Value: 1e9 / figure.Median(t[0], n), Unit: "1/s",
		Reference: 1e9 / figure.Median(t[1], n), Ratio: figure.Ratio(t[1], t[0]), Goal: ">= 0.8"})
}

// size writes a layer of random entries and weighs it.
func size(o figure.Options, n int) {
	r := rand.New(rand.NewPCG(1, 2))
	var w counter
	_, err := check.WriteLayer(&w, int64(n), 16, true, func(yield func([]byte, error) bool) {
		var e check.Entry
		for i := range n { // ascending by construction: the locator grows with i
			at := uint32(uint64(i) << 16 / uint64(n))
			e[0], e[1], e[2] = byte(at>>8), byte(at), 0
			e[3], e[4], e[5], e[6] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
			for j := 7; j < len(e); j++ {
				e[j] = byte(r.Uint32())
			}
			if !yield(e[:], nil) {
				return
			}
		}
	})
	figure.Check(err)
	o.Print(figure.Figure{Name: "layer file, bytes / 13 bytes an entry", Value: float64(w), Unit: "bytes", Reference: float64(13 * n), Goal: "<= 1.01"})
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func serve(h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	figure.Check(err)
	go http.Serve(l, h)
	return "http://" + l.Addr().String()
}

var client = &http.Client{Timeout: time.Minute}

func fetch(url string, buf []byte) []byte {
	res, err := client.Get(url)
	figure.Check(err)
	defer res.Body.Close()
	b := bytes.NewBuffer(buf[:0])
	_, err = io.Copy(b, res.Body)
	figure.Check(err)
	if res.StatusCode != 200 {
		panic(res.Status)
	}
	return b.Bytes()
}
