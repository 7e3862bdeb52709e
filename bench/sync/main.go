// Command sync measures a sync from a server of our own against what bounds it:
// what that server gives a client that throws everything away, and how fast the
// same records are folded in where they are at hand.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"shirase/bench/figure"
	"shirase/bench/pwned"
	"shirase/internal/password"
)

const workers = 32 // as sync has

func main() {
	o := figure.Parse()
	rounds, many := 7, 4096
	if o.Quick {
		rounds, many = 3, 1024
	}
	// 1,000 records a range, as a billion have, from range 00000 on.
	stream := func() *pwned.Stream { return &pwned.Stream{N: int64(1000 * many), Width: float64(many) / (1 << 20)} }
	up, _, done := pwned.Make(stream())
	defer done()
	text, err := io.ReadAll(stream())
	figure.Check(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	figure.Check(err)
	go http.Serve(l, password.Handler(up, nil))
	url := "http://" + l.Addr().String()

	synced := emptied()
	sync := func() {
		out, err := synced.c.Sync(context.Background(), password.SyncOptions{URL: url, Mode: password.SHA1, To: uint32(many)})
		figure.Check(err)
		if out.Ranges != int64(many) {
			panic(out)
		}
	}
	folded := emptied()
	fold := func() {
		_, err := folded.c.Import(context.Background(), bytes.NewReader(text), int64(len(text)), password.ImportOptions{Mode: password.SHA1, Format: password.FormatOrdered})
		figure.Check(err)
	}
	var times [4][]time.Duration
	for round := range rounds + 1 {
		for i, f := range []func(){sync, sync, func() { discard(url, many) }, fold} {
			if i == 0 {
				synced.again()
			}
			if i == 3 {
				folded.again()
			}
			start := time.Now()
			f()
			if round > 0 { // the first warms up
				times[i] = append(times[i], time.Since(start))
			}
		}
	}
	synced.remove()
	folded.remove()
	rate := func(i int) float64 { return 1e9 / figure.Median(times[i], many) }
	o.Print(figure.Figure{Name: "ranges synced a second / fetched and thrown away", Value: rate(0), Unit: "1/s", Reference: rate(2), Ratio: figure.Ratio(times[2], times[0])})
	o.Print(figure.Figure{Name: "ranges synced a second / imported from memory", Value: rate(0), Unit: "1/s", Reference: rate(3), Ratio: figure.Ratio(times[3], times[0])})
	slower := 2
	if rate(3) < rate(2) {
		slower = 3
	}
	o.Print(figure.Figure{Name: "ranges synced a second / the slower of both", Value: rate(0), Unit: "1/s", Reference: rate(slower), Ratio: figure.Ratio(times[slower], times[0]), Goal: ">= 0.8"})
	// On few processors both sides share them: together they take as long as one after the other, divided by the processors.
	o.Print(figure.Figure{Name: "ranges synced a second / one after the other", Value: rate(0), Unit: "1/s", Reference: 1 / (1/rate(2) + 1/rate(3))})
	o.Print(figure.Figure{Name: "ranges synced a second, none changed", Value: rate(1), Unit: "1/s"})
}

// corpora in a folder that begins anew.
type corpora struct {
	c   *password.Corpora
	dir string
}

func emptied() *corpora { return new(corpora) }

func (x *corpora) again() {
	x.remove()
	var err error
	x.dir, err = os.MkdirTemp("", "shirase-bench-")
	figure.Check(err)
	x.c, err = password.Open(x.dir)
	figure.Check(err)
}

func (x *corpora) remove() {
	if x.c != nil {
		x.c.Close()
		os.RemoveAll(x.dir)
	}
}

// discard fetches all ranges as sync does, and throws them away.
func discard(url string, many int) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost, t.DisableCompression = workers, true
	defer t.CloseIdleConnections()
	client := &http.Client{Transport: t}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				r := next.Add(1) - 1
				if r >= int64(many) {
					return
				}
				req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("%s/range/%05X", url, r), nil)
				figure.Check(err)
				req.Header.Set("Accept-Encoding", "identity") // what sync asks of an upstream on the same machine
				res, err := client.Do(req)
				figure.Check(err)
				_, err = io.Copy(io.Discard, res.Body)
				figure.Check(err)
				res.Body.Close()
			}
		})
	}
	wg.Wait()
}
