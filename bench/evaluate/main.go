// Command evaluate measures a verified evaluation of one element over HTTP,
// against a bare handler plus the multiplications that it and its proof need,
// and the processor time that it takes beyond a bare handler's.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gtank/ristretto255"

	"shirase/bench/figure"
	"shirase/bench/publication"
	"shirase/check"
)

func main() {
	o := figure.Parse()
	rounds, n := 41, 500
	if o.Quick {
		rounds, n = 21, 200
	}
	ctx := context.Background()
	p := publication.New(ctx)
	defer p.Close()
	p.Publish(ctx, 10)
	ours := serve(p.Handler())
	b, err := check.Blind([]byte("x"))
	figure.Check(err)
	req, err := json.Marshal(map[string]any{"key": "k1", "blinded": []check.Bytes{b.Element[:]}})
	figure.Check(err)
	reply := post(ours, req)
	bare := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.Write(reply)
	}))
	var seed [64]byte
	rand.Read(seed[:])
	k, err := ristretto255.NewScalar().SetUniformBytes(seed[:])
	figure.Check(err)
	rand.Read(seed[:])
	e, err := ristretto255.NewIdentityElement().SetUniformBytes(seed[:])
	figure.Check(err)
	t := figure.InTurns(rounds,
		func() {
			for range n {
				post(ours, req)
			}
		},
		func() { // the same exchange, and the five multiplications
			for range n {
				post(bare, req)
				for range 4 {
					e.ScalarMult(k, e)
				}
				ristretto255.NewIdentityElement().ScalarBaseMult(k)
			}
		},
		func() {
			for range n {
				post(bare, req)
			}
		})
	o.Print(figure.Figure{Name: "verified evaluate over HTTP / bare handler + 4 var + 1 base", Value: figure.Median(t[0], n) / 1000, Unit: "us",
		Reference: figure.Median(t[1], n) / 1000, Ratio: figure.Ratio(t[0], t[1]), Goal: "<= 1.25"})
	o.Print(figure.Figure{Name: "bare handler alone", Value: figure.Median(t[2], n) / 1000, Unit: "us"})
	key := check.GenerateEvaluatorKey()
	alone := figure.InTurns(50*rounds,
		func() { _, _, err := key.Evaluate([][]byte{b.Element[:]}); figure.Check(err) },
		func() {
			for range 4 {
				e.ScalarMult(k, e)
			}
			ristretto255.NewIdentityElement().ScalarBaseMult(k)
		})
	o.Print(figure.Figure{Name: "evaluation and proof, best round / 4 var + 1 base", Value: figure.Least(alone[0], 1) / 1000, Unit: "us", Reference: figure.Least(alone[1], 1) / 1000})
	for _, c := range []struct {
		name    string
		clients int
		goal    string
	}{{"one client", 1, "<= 120"}, {"eight clients at once", 8, "<= 60"}} {
		var beyond []time.Duration
		for range rounds {
			whole, alone := spent(c.clients, n, ours, req), spent(c.clients, n, bare, req)
			beyond = append(beyond, whole-alone)
		}
		o.Print(figure.Figure{Name: "processor time beyond a bare handler, " + c.name, Value: figure.Median(beyond, n) / 1000, Unit: "us", Goal: c.goal})
	}
}

// spent is the processor time of this process, server and clients, for n requests.
func spent(clients, n int, url string, req []byte) time.Duration {
	before := figure.Processor()
	var wait sync.WaitGroup
	var next atomic.Int64
	for range clients {
		wait.Go(func() {
			for next.Add(1) <= int64(n) {
				post(url, req)
			}
		})
	}
	wait.Wait()
	return figure.Processor() - before
}

func serve(h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	figure.Check(err)
	go http.Serve(l, h)
	return "http://" + l.Addr().String() + "/check/v1/evaluate"
}

var client = &http.Client{Timeout: time.Minute}

func post(url string, body []byte) []byte {
	res, err := client.Post(url, "application/json", bytes.NewReader(body))
	figure.Check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	figure.Check(err)
	if res.StatusCode != 200 {
		panic(res.Status)
	}
	return b
}
