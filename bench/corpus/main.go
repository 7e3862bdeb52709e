// Command corpus measures importing sorted hashes, on one processor and on two, and what a
// corpus weighs against what it must.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"

	"shirase/bench/figure"
	"shirase/bench/pwned"
	"shirase/internal/password"
)

func main() {
	o := figure.Parse()
	n, sizes := int64(5_000_000), []int64{1_000_000, 20_000_000, 100_000_000}
	if o.Quick {
		n, sizes = 2_000_000, sizes[:1]
	}
	speed(o, n, 1)
	speed(o, n, 2)
	for _, size := range sizes {
		weigh(o, size)
	}
}

// speed imports a text that is in memory, so that nothing but the import is
// measured, in turns with a plain scan of its lines.
func speed(o figure.Options, n int64, processors int) {
	text, err := io.ReadAll(&pwned.Stream{N: n})
	figure.Check(err)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
	var lines int64
	imported := func() {
		dir, err := os.MkdirTemp("", "shirase-bench-")
		figure.Check(err)
		c, err := password.Open(dir)
		figure.Check(err)
		out, err := c.Import(context.Background(), bytes.NewReader(text), int64(len(text)), password.ImportOptions{Mode: password.SHA1, Format: password.FormatOrdered})
		figure.Check(err)
		lines = out.Lines
		c.Close()
		os.RemoveAll(dir)
	}
	scan := func() {
		n := int64(0)
		for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); n++ {
		}
		if n != lines {
			panic(n)
		}
	}
	t := figure.InTurns(7, imported, scan)
	name := fmt.Sprintf("records imported a second, to disk, processors: %d", processors)
	o.Print(figure.Figure{Name: name, Value: 1e9 / figure.Median(t[0], int(lines)), Unit: "1/s", Goal: ">= 5000000"})
	o.Print(figure.Figure{Name: "the same / lines that bufio.Scanner reads", Value: 1e9 / figure.Median(t[0], int(lines)), Unit: "1/s",
		Reference: 1e9 / figure.Median(t[1], int(lines)), Ratio: figure.Ratio(t[1], t[0])})
}

func weigh(o figure.Options, n int64) {
	s := &pwned.Stream{N: n, Counts: map[uint64]int64{}}
	c, _, done := pwned.Make(s)
	defer done()
	info := c.Corpus(password.SHA1).Info()
	bits := float64(8*info.Bytes) / float64(info.Records)
	o.Print(figure.Figure{Name: fmt.Sprintf("bits a record of %d M / log2 C(2^160, N) and counts", n/1_000_000), Value: bits, Unit: "bits",
		Reference: pwned.Bound(float64(info.Records)) + pwned.Entropy(s.Counts), Goal: "<= 1.08"})
}
