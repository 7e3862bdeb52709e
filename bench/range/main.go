// Command range measures the range API at about 1,000 suffixes against bare
// handlers: one that writes the same bytes, one that compresses each response.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"time"

	"shirase/bench/figure"
	"shirase/bench/pwned"
	"shirase/internal/password"
)

const (
	first  = 0x21B00
	ranges = 64
)

func main() {
	o := figure.Parse()
	rounds, n := 31, 640
	if o.Quick {
		rounds, n = 15, 320
	}
	again(o, rounds, n)
	cold(o, rounds, n)
}

// again asks for few ranges, whose answers are kept.
func again(o figure.Options, rounds, n int) {
	c, _, done := pwned.Make(&pwned.Stream{N: 1000 * ranges, From: float64(first) / (1 << 20), Width: float64(ranges) / (1 << 20)})
	defer done()
	s := newServers(c, ranges)
	t := figure.InTurns(rounds, s.loop(s.ours, "", n), s.loop(s.bare, "", n), s.loop(s.ours, "gzip", n), s.loop(s.slow, "gzip", n/10))
	rate := func(i, n int) float64 { return 1e9 / figure.Median(t[i], n) }
	o.Print(figure.Figure{Name: "/range identity, 1,000 suffixes / bare handler", Value: rate(0, n), Unit: "1/s", Reference: rate(1, n), Ratio: figure.Ratio(t[1], t[0]), Goal: ">= 0.9"})
	o.Print(figure.Figure{Name: "/range gzip / identity", Value: rate(2, n), Unit: "1/s", Reference: rate(0, n), Ratio: figure.Ratio(t[0], t[2]), Goal: ">= 0.8"})
	o.Print(figure.Figure{Name: "/range gzip / a handler running compress/gzip", Value: rate(2, n), Unit: "1/s", Reference: rate(3, n/10), Ratio: 10 * figure.Ratio(t[3], t[2]), Goal: ">= 10"})
	size(o, s.ours, s.texts)
}

// servers are ours and two that know nothing but texts: one that writes them as
// they are, and one that compresses them. All write the same head.
type servers struct {
	ours, bare, slow string
	many             int // ranges
	texts            map[string][]byte
	buf              []byte
}

func newServers(c *password.Corpora, many int) *servers {
	s := &servers{ours: serve(password.Handler(c, nil)), many: many, texts: map[string][]byte{}}
	res, err := client.Head(s.ours + fmt.Sprintf("/range/%05X", first))
	figure.Check(err)
	res.Body.Close()
	for i := range many {
		p := fmt.Sprintf("/range/%05X", first+i)
		s.texts[p] = fetch(s.ours+p, "", nil)
	}
	header := func(w http.ResponseWriter, n int) {
		for _, k := range []string{"Content-Type", "Cache-Control", "Vary", "Last-Modified", "Etag", "Access-Control-Allow-Origin"} {
			w.Header()[k] = res.Header[k]
		}
		w.Header().Set("Content-Length", strconv.Itoa(n))
	}
	s.bare = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := s.texts[r.URL.Path]
		header(w, len(b))
		w.Write(b)
	}))
	s.slow = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(s.texts[r.URL.Path])
		z.Close()
		w.Header().Set("Content-Encoding", "gzip")
		header(w, b.Len())
		w.Write(b.Bytes())
	}))
	s.buf = make([]byte, 0, 1<<20)
	return s
}

// loop makes n requests a call, going on where the last call ended.
func (s *servers) loop(url, accept string, n int) func() {
	i := 0
	return func() {
		for range n {
			fetch(url+fmt.Sprintf("/range/%05X", first+i%s.many), accept, s.buf)
			i++
		}
	}
}

// cold asks for so many ranges in turn that no answer is kept. The bare handlers
// write the texts of these very ranges, which they hold in memory.
func cold(o figure.Options, rounds, n int) {
	many := 8192
	if o.Quick {
		many = 1024
	}
	c, _, done := pwned.Make(&pwned.Stream{N: int64(1000 * many), From: float64(first) / (1 << 20), Width: float64(many) / (1 << 20)})
	defer done()
	s := newServers(c, many)
	t := figure.InTurns(rounds, s.loop(s.ours, "", n), s.loop(s.bare, "", n), s.loop(s.ours, "gzip", n), s.loop(s.slow, "gzip", n/10))
	rate := func(i, n int) float64 { return 1e9 / figure.Median(t[i], n) }
	o.Print(figure.Figure{Name: "/range identity, each range once / bare handler", Value: rate(0, n), Unit: "1/s", Reference: rate(1, n), Ratio: figure.Ratio(t[1], t[0]), Goal: ">= 0.9"})
	o.Print(figure.Figure{Name: "/range gzip, each range once / identity", Value: rate(2, n), Unit: "1/s", Reference: rate(0, n), Ratio: figure.Ratio(t[0], t[2]), Goal: ">= 0.8"})
	o.Print(figure.Figure{Name: "/range gzip, each once / a handler with compress/gzip", Value: rate(2, n), Unit: "1/s", Reference: rate(3, n/10), Ratio: 10 * figure.Ratio(t[3], t[2]), Goal: ">= 10"})
}

// size compares with the program gzip.
func size(o figure.Options, url string, texts map[string][]byte) {
	var mine, theirs int
	for p, text := range texts {
		mine += len(fetch(url+p, "gzip", nil))
		cmd := exec.Command("gzip", "-9")
		cmd.Stdin = bytes.NewReader(text)
		out, err := cmd.Output()
		figure.Check(err)
		theirs += len(out)
	}
	o.Print(figure.Figure{Name: "gzip bytes a range / gzip -9", Value: float64(mine) / ranges, Unit: "bytes", Reference: float64(theirs) / ranges, Goal: "<= 1.03"})
}

func serve(h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	figure.Check(err)
	go http.Serve(l, h)
	return "http://" + l.Addr().String()
}

var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableCompression: true}}

func fetch(url, accept string, buf []byte) []byte {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	figure.Check(err)
	if accept != "" {
		req.Header.Set("Accept-Encoding", accept)
	}
	res, err := client.Do(req)
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
