// Command seal measures what sealing one identity costs: against the group
// operations it cannot do without, against circl, and on two processors.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"runtime"
	"time"

	"github.com/cloudflare/circl/oprf"
	"github.com/gtank/ristretto255"

	"shirase/bench/figure"
	"shirase/bench/publication"
	"shirase/check"
	"shirase/identity"
)

func main() {
	o := figure.Parse()
	rounds, n, members := 41, 1000, 40_000
	if o.Quick {
		rounds, n, members = 15, 400, 12_000
	}
	one(o, rounds, n)
	twoCores(o, members)
}

// one compares on one processor, in turns.
func one(o figure.Options, rounds, n int) {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	key := check.GenerateEvaluatorKey()
	inputs := make([][]byte, n)
	for i := range inputs {
		inputs[i] = identity.Identity{Kind: identity.KindEmail, Value: fmt.Sprintf("someone%d@example.com", i)}.Input()
	}
	var seed [64]byte
	rand.Read(seed[:])
	k, err := ristretto255.NewScalar().SetUniformBytes(seed[:])
	figure.Check(err)
	theirs, err := oprf.GenerateKey(oprf.SuiteRistretto255, rand.Reader)
	figure.Check(err)
	server := oprf.NewServer(oprf.SuiteRistretto255, theirs)
	var sink byte
	t := figure.InTurns(rounds,
		func() { // ours: output, entry
			for _, x := range inputs {
				y, err := key.Output(x)
				figure.Check(err)
				e := check.SealEntry(&y, 16, "naver-2013", "1", 0)
				sink ^= e[0]
			}
		},
		func() { // hash to group, one variable-base multiplication, encode
			for _, x := range inputs {
				u := expand(x)
				p, err := ristretto255.NewIdentityElement().SetUniformBytes(u[:])
				figure.Check(err)
				sink ^= p.ScalarMult(k, p).Bytes()[0]
			}
		},
		func() { // circl
			for _, x := range inputs {
				y, err := server.FullEvaluate(x)
				figure.Check(err)
				sink ^= y[0]
			}
		})
	_ = sink
	ours := figure.Median(t[0], n)
	o.Print(figure.Figure{Name: "seal one identity / bare group operations", Value: ours / 1000, Unit: "us",
		Reference: figure.Median(t[1], n) / 1000, Ratio: figure.Ratio(t[0], t[1]), Goal: "<= 1.25"})
	o.Print(figure.Figure{Name: "identities a second / circl's FullEvaluate", Value: 1e9 / ours, Unit: "1/s",
		Reference: 1e9 / figure.Median(t[2], n), Ratio: figure.Ratio(t[2], t[0]), Goal: ">= 1.15"})
}

// expand is expand_message_xmd (RFC 9380 section 5.3.1) for one block, as the
// reference has to pay for it too.
func expand(msg []byte) [64]byte {
	const dst = "HashToGroup-OPRFV1-\x01-ristretto255-SHA512"
	t := make([]byte, sha512.BlockSize, 512)
	t = append(append(append(t, msg...), 0, 64, 0), dst...)
	b0 := sha512.Sum512(append(t, byte(len(dst))))
	t = append(append(append(t[:0], b0[:]...), 1), dst...)
	return sha512.Sum512(append(t, byte(len(dst))))
}

// twoCores seals whole rosters, files and all, with one processor and with two.
func twoCores(o figure.Options, members int) {
	ctx := context.Background()
	p := publication.New(ctx)
	defer p.Close()
	run := 0
	seal := func(processors int) time.Duration {
		before := runtime.GOMAXPROCS(processors)
		defer runtime.GOMAXPROCS(before)
		run++
		start := time.Now()
		_, err := p.Index.Seal(ctx, p.Keys, fmt.Sprintf("run-%d", run), publication.Roster("member", members), nil)
		figure.Check(err)
		return time.Since(start)
	}
	seal(2)
	var one, two []time.Duration
	for range 5 {
		one, two = append(one, seal(1)), append(two, seal(2))
	}
	rate := func(d []time.Duration) float64 { return float64(members) / (figure.Median(d, 1) / 1e9) }
	goal := ">= 1.8"
	if runtime.NumCPU() < 2 {
		goal = ""
	}
	o.Print(figure.Figure{Name: "identities a second on two processors / one", Value: rate(two), Unit: "1/s",
		Reference: rate(one), Ratio: figure.Ratio(one, two), Goal: goal})
}
