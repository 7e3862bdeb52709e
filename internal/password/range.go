package password

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
	"strconv"
)

// suffixes are the records of one range: what is left of their hashes behind
// the range's 5 digits, and their counts.
type suffixes struct {
	digits []byte // a record's first digit, 0 to 15
	tails  []byte // the bytes behind it, every stride bytes
	tail   int    // bytes of a tail: 17 of SHA-1, 13 of NTLM
	stride int
	counts []uint64

	block []byte // what was read, where it is not mapped
	part  block  // the block at hand
}

func (x *suffixes) reset(m Mode) {
	x.digits, x.tails, x.counts = x.digits[:0], x.tails[:0], x.counts[:0]
	x.tail = m.Size() - 3
	x.stride = x.tail
}

// add appends one record, of which rest is the hash from its third byte on.
func (x *suffixes) add(rest []byte, count uint64) {
	x.digits = append(x.digits, rest[0]&15)
	x.tails = append(x.tails, rest[1:]...)
	x.counts = append(x.counts, count)
}

// sames are rows of one digit.
var sames = func() (t [16][56]byte) {
	for d := range t {
		for i := range t[d] {
			t[d][i] = byte(d)
		}
	}
	return t
}()

// take takes a range's records out of a block, the segment's i-th.
func (x *suffixes) take(s *segment, b *block, r uint32, i int) (from, to int, ok bool) {
	if s.quotient == 24 {
		return x.take24(s, b, r, s.first()+uint64(i))
	}
	return x.takeLess(s, b, r)
}

// take24 does it where buckets are what 6 digits name: the sixth is the record's first digit here.
func (x *suffixes) take24(s *segment, b *block, r uint32, block uint64) (from, to int, ok bool) {
	start, width := 0, min(16, s.buckets())
	if s.buckets() > 16 {
		start = int(r<<4) & (s.buckets() - 1)
	}
	digit := byte(0)
	if s.buckets() < 16 {
		digit = byte(block*uint64(s.buckets())) & 15
	}
	i, j, ok := b.bucket(start, width)
	if !ok {
		return 0, 0, false
	}
	// A one is a record of the bucket, a zero the bucket's end.
	n := len(x.digits)
	for p := b.buckets + i + start; width > 0; {
		run := bits.TrailingZeros64(^word(b.b, p))
		run = min(run, 56)
		x.digits = append(x.digits, sames[digit&15][:run]...)
		p += run
		if run < 56 {
			p++
			digit++
			width--
		}
	}
	x.counts, ok = b.counts(x.counts, i, j)
	return i, j, ok && len(x.digits)-n == j-i
}

// takeLess does it where a bucket is wider than a range: the records are those
// of the bucket whose raw bytes begin with the rest of the range's digits.
func (x *suffixes) takeLess(s *segment, b *block, r uint32) (from, to int, ok bool) {
	i, j, ok := b.bucket(int(uint64(r)<<rangeShift>>(64-s.quotient)&uint64(s.buckets()-1)), 1)
	if !ok {
		return 0, 0, false
	}
	rest := uint(rangeBits) - s.quotient // 12 or 4 bits
	want := int(r & (1<<rest - 1))
	key := func(k int) int { return int(binary.BigEndian.Uint16(b.raw[k*b.rawBytes:]) >> (16 - rest)) }
	n := j
	j = i + sort.Search(n-i, func(k int) bool { return key(i+k) > want })
	i += sort.Search(j-i, func(k int) bool { return key(i+k) >= want })
	for k := i; k < j; k++ {
		x.digits = append(x.digits, b.raw[(k+1)*b.rawBytes-x.tail-1]&15)
	}
	x.counts, ok = b.counts(x.counts, i, j)
	return i, j, ok
}

// text appends the range as clients read it: SUFFIX:COUNT, lines separated by CR LF.
func (x *suffixes) text(dst []byte) []byte {
	n := len(x.counts)
	if n == 0 {
		return dst
	}
	if need := (n-1)*x.stride + tailBytes; len(x.tails) < need {
		x.tails = slices.Grow(x.tails, tailBytes)[:need]
	}
	dst = slices.Grow(dst, n*longestLine+lineSlack)
	at := len(dst)
	out := dst[:cap(dst)]
	for i := 0; i < n; i++ {
		// All lines up to one whose count has more digits than the table of ends.
		done, end := textLines(out[at:], x.digits[i:n], x.tails[i*x.stride:], x.counts[i:n], x.stride, x.tail)
		i, at = i+done, at+end
		if i < n {
			line := out[at:]
			hexLine(line, x.digits[i], x.tails[i*x.stride:])
			line[1+2*x.tail] = ':'
			line = strconv.AppendUint(line[:2+2*x.tail], x.counts[i], 10)
			line = append(line, '\r', '\n') // there is room: it stays where it is
			at += len(line)
		}
	}
	return dst[:at-2]
}

// tag returns 64 bits that follow from a range's text, the same on every machine:
// they are its entity tag. It is no protection against who makes up collisions;
// whoever fills a corpus need not.
//
// Four products of 64 by 64 bits run side by side, each folded to 64 bits and fed
// with the next 16 bytes, as in wyhash, whose constants these are.
func tag(text []byte) uint64 {
	const k0, k1, k2, k3, k4, k5 = 0xa0761d6478bd642f, 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3, 0x589965cc75374cc3, 0x1d8e4e27c47d124f, 0xeb44accab455d165
	n := uint64(len(text))
	var a, b, c, d uint64 = k0, k1, k2, k3
	for len(text) > 0 {
		if len(text) < 64 {
			text = append(make([]byte, 0, 64), text...)[:64] // zeros follow
		}
		p := text[:64]
		a = product(word64(p)^k4, word64(p[8:])^a)
		b = product(word64(p[16:])^k5, word64(p[24:])^b)
		c = product(word64(p[32:])^k0, word64(p[40:])^c)
		d = product(word64(p[48:])^k1, word64(p[56:])^d)
		text = text[64:]
	}
	return product(product(a^n, b^k4)^k2, product(c^n, d^k5)^k1)
}

func word64(p []byte) uint64 { return binary.LittleEndian.Uint64(p) }

func product(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
