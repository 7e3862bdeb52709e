// Command seal measures what sealing one identity costs: in lanes against the
// library, against the group operations it cannot do without, against circl,
// and on two processors.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha512"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloudflare/circl/oprf"
	"github.com/gtank/ristretto255"
	"golang.org/x/sys/cpu"

	"shirase/bench/figure"
	"shirase/bench/publication"
	"shirase/check"
	"shirase/identity"
)

func main() {
	if os.Getenv(workerEnv) != "" {
		work()
		return
	}
	o := figure.Parse()
	rounds, n, members := 201, 256, 200_000
	if o.Quick {
		rounds, n, members = 61, 128, 60_000
	}
	paths(o, rounds, n)
	one(o, rounds, n)
	twoCores(o, members)
}

// paths compares how the processor can compute, each in a process of its own,
// one round of each in turn, on one processor.
func paths(o figure.Options, rounds, n int) {
	best, lesser, library := worker("", n), worker("avx2", n), worker("off", n)
	var t [3][]time.Duration
	for range rounds {
		for i, w := range []*process{best, lesser, library} {
			t[i] = append(t[i], w.round())
		}
	}
	name := map[bool]string{true: "AVX-512 IFMA", false: "AVX2"}[cpu.X86.HasAVX512IFMA]
	if !cpu.X86.HasAVX2 {
		name = "the library"
	}
	rate := func(i int) float64 { return 1e9 / figure.Median(t[i], n) }
	goal := ""
	if cpu.X86.HasAVX512IFMA {
		goal = ">= 100000"
	}
	o.Print(figure.Figure{Name: "identities a second a core, " + name, Value: rate(0), Unit: "1/s", Goal: goal})
	o.Print(figure.Figure{Name: "identities a second, " + name + " / library", Value: rate(0), Unit: "1/s", Reference: rate(2), Ratio: figure.Ratio(t[2], t[0])})
	least := func(i int) float64 { return 1e9 / figure.Least(t[i], n) }
	o.Print(figure.Figure{Name: "the same, the best round of each", Value: least(0), Unit: "1/s", Reference: least(2)})
	if cpu.X86.HasAVX2 {
		o.Print(figure.Figure{Name: "identities a second, AVX2 / library", Value: rate(1), Unit: "1/s", Reference: rate(2), Ratio: figure.Ratio(t[2], t[1]), Goal: ">= 2.2"})
		o.Print(figure.Figure{Name: "the same, the best round of each", Value: least(1), Unit: "1/s", Reference: least(2), Goal: ">= 2.2"})
	}
}

// workerEnv makes the program a worker, which seals as many identities as it
// says for every line that comes, and tells how many nanoseconds that took.
const workerEnv = "SHIRASE_BENCH_SEAL"

func work() {
	runtime.GOMAXPROCS(1)
	n, err := strconv.Atoi(os.Getenv(workerEnv))
	figure.Check(err)
	key, inputs := check.GenerateEvaluatorKey(), inputs(n)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		start := time.Now()
		seal(key, inputs)
		fmt.Println(time.Since(start).Nanoseconds())
	}
}

type process struct {
	in  io.Writer
	out *bufio.Scanner
}

func worker(lanes string, n int) *process {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SHIRASE_LANES="+lanes, workerEnv+"="+strconv.Itoa(n))
	in, err := cmd.StdinPipe() // which ends with this process, and the worker with it
	figure.Check(err)
	out, err := cmd.StdoutPipe()
	figure.Check(err)
	figure.Check(cmd.Start())
	p := &process{in: in, out: bufio.NewScanner(out)}
	p.round()
	return p
}

func (p *process) round() time.Duration {
	fmt.Fprintln(p.in)
	if !p.out.Scan() {
		figure.Check(fmt.Errorf("a worker ended: %w", io.ErrUnexpectedEOF))
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(p.out.Text()), 10, 64)
	figure.Check(err)
	return time.Duration(ns)
}

func inputs(n int) [][]byte {
	xs := make([][]byte, n)
	for i := range xs {
		xs[i] = identity.Identity{Kind: identity.KindEmail, Value: fmt.Sprintf("someone%d@example.com", i)}.Input()
	}
	return xs
}

// seal is what sealing does: outputs, and their entries.
func seal(key *check.EvaluatorKey, inputs [][]byte) (sink byte) {
	ys, err := key.Outputs(inputs)
	figure.Check(err)
	for i := range ys {
		e := check.SealEntry(&ys[i], 16, "naver-2013", "1", 0)
		sink ^= e[0]
	}
	return sink
}

// one compares with the libraries on one processor, in turns.
func one(o figure.Options, rounds, n int) {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	key := check.GenerateEvaluatorKey()
	inputs := inputs(n)
	var seed [64]byte
	rand.Read(seed[:])
	k, err := ristretto255.NewScalar().SetUniformBytes(seed[:])
	figure.Check(err)
	theirs, err := oprf.GenerateKey(oprf.SuiteRistretto255, rand.Reader)
	figure.Check(err)
	server := oprf.NewServer(oprf.SuiteRistretto255, theirs)
	var sink byte
	t := figure.InTurns(rounds,
		func() { sink ^= seal(key, inputs) },
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
	o.Print(figure.Figure{Name: "seal one identity / the library's bare group operations", Value: ours / 1000, Unit: "us",
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

// twoCores seals whole rosters, files and all, with one processor and with two,
// in turns with multiplications that share nothing: what the second processor
// gives these, at that hour, is all that it can give.
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
	var one, two, bareOne, bareTwo []time.Duration
	for range 5 {
		one, bareOne = append(one, seal(1)), append(bareOne, bare(1))
		two, bareTwo = append(two, seal(2)), append(bareTwo, bare(2))
	}
	rate := func(d []time.Duration) float64 { return float64(members) / (figure.Median(d, 1) / 1e9) }
	goal := ">= 1.8"
	if runtime.NumCPU() < 2 {
		goal = ""
	}
	o.Print(figure.Figure{Name: "identities a second on two processors / one", Value: rate(two), Unit: "1/s",
		Reference: rate(one), Ratio: figure.Ratio(one, two), Goal: goal})
	o.Print(figure.Figure{Name: "the same of bare multiplications", Value: figure.Ratio(bareOne, bareTwo)})
	best := func(one, two []time.Duration) float64 { return figure.Least(one, 1) / figure.Least(two, 1) }
	o.Print(figure.Figure{Name: "two processors / one, the best round of each", Value: best(one, two), Goal: goal})
	o.Print(figure.Figure{Name: "the same of bare multiplications", Value: best(bareOne, bareTwo)})
}

// bare multiplies 8,000 times, as many in parallel as there are processors.
func bare(processors int) time.Duration {
	before := runtime.GOMAXPROCS(processors)
	defer runtime.GOMAXPROCS(before)
	var seed [64]byte
	rand.Read(seed[:])
	k, err := ristretto255.NewScalar().SetUniformBytes(seed[:])
	figure.Check(err)
	start := time.Now()
	var wait sync.WaitGroup
	for range processors {
		wait.Go(func() {
			e := ristretto255.NewGeneratorElement()
			for range 8_000 / processors {
				e.ScalarMult(k, e)
			}
		})
	}
	wait.Wait()
	return time.Since(start)
}
