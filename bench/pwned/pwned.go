// Package pwned makes up corpora of breached passwords for benchmarks: random
// hashes in order, as a stream, with counts of a heavy tail.
package pwned

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"

	"shirase/bench/figure"
	"shirase/internal/password"
)

// A Stream reads as lines HASH:COUNT of SHA-1 hashes, about N of them, evenly
// spread from the hash prefix From on over Width (fractions of all hashes).
type Stream struct {
	N           int64
	From, Width float64
	Counts      map[uint64]int64 // what counts there were, where it is not nil

	r    *rand.Rand
	next float64
	last uint64
	buf  []byte
	rest []byte
	done bool
}

// Read implements io.Reader.
func (s *Stream) Read(p []byte) (int, error) {
	if s.r == nil {
		s.r = rand.New(rand.NewPCG(1, 2))
		s.next = s.From
		if s.Width == 0 {
			s.Width = 1
		}
	}
	for len(s.rest) == 0 && !s.done {
		s.fill()
	}
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

const digits = "0123456789ABCDEF"

// fill makes some more lines.
func (s *Stream) fill() {
	s.buf = s.buf[:0]
	for range 1000 {
		s.next += s.r.ExpFloat64() * s.Width / float64(s.N)
		if s.next >= s.From+s.Width {
			s.done = true
			break
		}
		var h [20]byte
		head := max(uint64(s.next*math.MaxUint64), s.last+1)
		s.last = head
		binary.BigEndian.PutUint64(h[:], head)
		binary.BigEndian.PutUint64(h[8:], s.r.Uint64())
		binary.BigEndian.PutUint32(h[16:], s.r.Uint32())
		for _, b := range h {
			s.buf = append(s.buf, digits[b>>4], digits[b&15])
		}
		c := Count(s.r)
		if s.Counts != nil {
			s.Counts[c]++
		}
		s.buf = strconv.AppendUint(append(s.buf, ':'), c, 10)
		s.buf = append(s.buf, '\r', '\n')
	}
	s.rest = s.buf
}

// Count draws how often a password was seen: half of them up to twice, one in a hundred more than 200 times.
func Count(r *rand.Rand) uint64 { return 1 + uint64(2*(1/(1-r.Float64())-1)) }

// Entropy returns the bits that a count carries.
func Entropy(counts map[uint64]int64) float64 {
	var n, sum float64
	for _, c := range counts {
		n += float64(c)
		sum += float64(c) * math.Log2(float64(c))
	}
	return math.Log2(n) - sum/n
}

// Bound returns the fewest bits a record of n of SHA-1 hashes: log2 C(2^160, n) / n, by Stirling.
func Bound(n float64) float64 { return 160 - math.Log2(n) + math.Log2E }

// Make imports a stream into a new folder; close removes it.
func Make(s *Stream) (c *password.Corpora, dir string, close func()) {
	dir, err := os.MkdirTemp("", "shirase-bench-")
	figure.Check(err)
	c, err = password.Open(dir)
	figure.Check(err)
	_, err = c.Import(context.Background(), s, 0, password.ImportOptions{Mode: password.SHA1, Format: password.FormatOrdered})
	figure.Check(err)
	return c, dir, func() {
		c.Close()
		os.RemoveAll(dir)
	}
}
