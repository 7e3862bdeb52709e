// Command timing looks whether sealing and proving take another time with one
// secret key than with others: the statistical test of Reparaz, Balasch and
// Verbauwhede ("Dude, is my code constant time?", eprint 2016/1123), on every
// path that the processor has. What must not be constant in time is tested
// too, to see that the test sees.
package main

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/gtank/ristretto255"
	"golang.org/x/sys/cpu"

	"shirase/bench/figure"
	"shirase/check"
)

// pathEnv names what SHIRASE_LANES chooses, in a process for each.
const pathEnv = "SHIRASE_BENCH_TIMING"

func main() {
	o := figure.Parse()
	if name := os.Getenv(pathEnv); name != "" {
		test(o, name)
		return
	}
	paths := [][2]string{{"", "best path"}, {"off", "library"}}
	if cpu.X86.HasAVX2 {
		paths = slices.Insert(paths, 1, [2]string{"avx2", "AVX2"})
	}
	for _, p := range paths {
		cmd := exec.Command(os.Args[0], os.Args[1:]...)
		cmd.Env = append(os.Environ(), "SHIRASE_LANES="+p[0], pathEnv+"="+p[1])
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		figure.Check(cmd.Run())
	}
}

func test(o figure.Options, name string) {
	n := 100_000
	if o.Quick {
		n = 8_000
	}
	xs := make([][]byte, 8)
	for i := range xs {
		xs[i] = []byte(fmt.Sprintf("identity %d", i))
	}
	b, err := check.Blind(xs[0])
	figure.Check(err)
	blinded := [][]byte{b.Element[:]}
	say := func(what string, t float64) {
		o.Print(figure.Figure{Name: "largest |t|, " + name + ": " + what, Value: t})
	}
	say("eight outputs", welch(n, func(k *secret) { _, err := k.key.Outputs(xs); figure.Check(err) }))
	say("an evaluation and its proof", welch(n, func(k *secret) { _, _, err := k.key.Evaluate(blinded); figure.Check(err) }))
	e := ristretto255.NewGeneratorElement()
	out := ristretto255.NewIdentityElement()
	say("a multiplication in variable time", welch(n/4, func(k *secret) {
		out.VarTimeMultiScalarMult([]*ristretto255.Scalar{k.scalar}, []*ristretto255.Element{e})
	}))
}

// secret is a key, made anew for every measurement so that none of a class is nearer at hand.
type secret struct {
	key    *check.EvaluatorKey
	scalar *ristretto255.Scalar
}

func newSecret(fixed bool) *secret {
	b := make([]byte, 32)
	b[16] = 1 // 2^128: digits that are nearly all 0
	if !fixed {
		var wide [64]byte
		for i := range wide {
			wide[i] = byte(rand.Uint32())
		}
		s, err := ristretto255.NewScalar().SetUniformBytes(wide[:])
		figure.Check(err)
		b = s.Bytes()
	}
	s, err := ristretto255.NewScalar().SetCanonicalBytes(b)
	figure.Check(err)
	k, err := check.ParseEvaluatorKey("SHIRASE-EVALUATOR-KEY-1-" + base64.RawURLEncoding.EncodeToString(b))
	figure.Check(err)
	return &secret{k, s}
}

// welch measures f n times, with a fixed key or another one each time as a coin
// falls, and gives the largest of Welch's t among all measurements and those
// below some percentiles: interruptions are above, differences may be anywhere.
func welch(n int, f func(*secret)) float64 {
	const batch = 500
	times := make([]float64, 0, n)
	classes := make([]bool, 0, n)
	for len(times) < n {
		var keys [batch]*secret
		var fixed [batch]bool
		for i := range keys {
			fixed[i] = rand.Uint32()&1 == 1
			keys[i] = newSecret(fixed[i])
			f(keys[i]) // makes what the key borrows
		}
		for i, k := range keys {
			start := time.Now()
			f(k)
			times, classes = append(times, float64(time.Since(start))), append(classes, fixed[i])
		}
	}
	sorted := slices.Sorted(slices.Values(times))
	most := 0.0
	for _, share := range []float64{0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1} {
		limit := sorted[int(share*float64(n-1))]
		var sum, squares, count [2]float64
		for i, t := range times {
			if t > limit {
				continue
			}
			c := 0
			if classes[i] {
				c = 1
			}
			sum[c], squares[c], count[c] = sum[c]+t, squares[c]+t*t, count[c]+1
		}
		if count[0] < 100 || count[1] < 100 { // a class is above the limit, whole: the next limits tell
			continue
		}
		var mean, variance [2]float64
		for c := range 2 {
			mean[c] = sum[c] / count[c]
			variance[c] = squares[c]/count[c] - mean[c]*mean[c]
		}
		most = max(most, math.Abs(mean[0]-mean[1])/math.Sqrt(variance[0]/count[0]+variance[1]/count[1]))
	}
	return most
}
