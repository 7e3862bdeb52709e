package password

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A block is one block's parts. Positions are in bits from the start of b.
type block struct {
	b        []byte // all of it; at least 16 bytes follow the last bit, because raw bytes and checksum do
	n        int
	buckets  int // where the first bit string begins
	widths   int // the second
	low      int // the third
	raw      []byte
	rawBytes int
}

// parts finds the parts of a block whose checksum is right; ok is whether it has them.
func (s *segment) parts(b []byte) (out block, ok bool) {
	n, a := binary.Uvarint(b)
	k, c := binary.Uvarint(b[max(a, 0):])
	if a <= 0 || c <= 0 || n == 0 || n > uint64(len(b)) || k > 63*n {
		return block{}, false
	}
	out = block{b: b, n: int(n), buckets: 8 * (a + c), rawBytes: s.raw()}
	out.widths = out.buckets + out.n + s.layout.buckets()
	out.low = out.widths + out.n + int(k)
	raw := (out.low + int(k) + 7) / 8
	if raw+out.n*out.rawBytes+4 != len(b) {
		return block{}, false
	}
	out.raw = b[raw : len(b)-4]
	return out, true
}

// bucket returns which records, i to j without j, are those of a bucket and of
// the width - 1 that follow it.
func (b *block) bucket(bucket, width int) (i, j int, ok bool) {
	at := b.buckets
	if bucket > 0 {
		p := selectBit(b.b, at, b.widths, bucket-1, ^uint64(0))
		if p < 0 {
			return 0, 0, false
		}
		i = p + 1 - bucket
		at += p + 1
	}
	p := selectBit(b.b, at, b.widths, width-1, ^uint64(0))
	j = i + p - (width - 1)
	return i, j, p >= 0 && i >= 0 && i <= j && j <= b.n
}

// linear is up to how many records are compared one after the other: that is one
// miss at most, and no guess of the processor is wrong but the last.
const linear = 8

// narrow moves lo, of the records lo to hi of one bucket, to at most linear
// records before the first whose 8 leading bytes are at least key. It looks first
// where that one lies if records are spread evenly, then further and further from there.
func (b *block) narrow(lo, hi int, key uint64) int {
	at := lo + int(uint64(hi-lo)*(key>>32)>>32)
	for step := linear; ; step *= 2 {
		if binary.BigEndian.Uint64(b.raw[at*b.rawBytes:]) < key {
			lo = at + 1
		} else {
			hi = at
		}
		if hi-lo <= linear {
			return lo
		}
		if mid := int(uint(lo+hi) / 2); lo > at {
			at = min(lo+step, mid)
		} else {
			at = max(hi-1-step, mid)
		}
	}
}

// limit is where the third bit string ends at the latest, the bits that fill its last byte included.
func (b *block) limit() int { return 8 * (len(b.b) - len(b.raw) - 4) }

// count returns the count of record i.
func (b *block) count(i int) (uint64, bool) {
	start := 0
	if i > 0 {
		if start = selectBit(b.b, b.widths, b.low, i-1, 0) + 1; start == 0 {
			return 0, false
		}
	}
	w := selectBit(b.b, b.widths+start, b.low, 0, 0)
	if w < 0 || w > 63 {
		return 0, false
	}
	at := b.low + start - i
	if at+w > b.limit() {
		return 0, false
	}
	return 1<<w | field(b.b, at, uint(w)), true
}

// counts appends the counts of records i to j, without j.
func (b *block) counts(dst []uint64, i, j int) ([]uint64, bool) {
	at := 0
	if i > 0 {
		if at = selectBit(b.b, b.widths, b.low, i-1, 0) + 1; at == 0 {
			return dst, false
		}
	}
	low := b.low + at - i
	at += b.widths
	limit := b.limit()
	n := len(dst)
	dst = slices.Grow(dst, j-i)[:n+j-i]
	out := dst[n:]
	for i, n := 0, j-i; i < n; {
		if at > b.low || low > limit {
			return dst, false
		}
		// As many as end within the 56 bits that are sure to be there of both
		// strings. Where one is depends on the ones before it through a single
		// subtraction, so that the processor works on several at once.
		widths, rest := word(b.b, at)&(1<<56-1), word(b.b, low)
		begin, end, used := i, uint(0), uint(0)
		for ; widths != 0 && i < n; i++ {
			one := uint(bits.TrailingZeros64(widths))
			w := one - end
			if used+w > 56 { // of the low bits there are too few left
				break
			}
			out[i] = 1<<(w&63) | rest>>(used&63)&(1<<(w&63)-1)
			used += w
			end = one + 1
			widths &= widths - 1
		}
		at += int(end)
		low += int(used)
		if i > begin {
			continue
		}
		w := selectBit(b.b, at, b.low, 0, 0) // a count above 2^55, or no terminator
		if w < 0 || w > 63 || low+w > limit {
			return dst, false
		}
		out[i] = 1<<w | field(b.b, low, uint(w))
		at += w + 1
		low += w
		i++
	}
	return dst, at <= b.low && low <= limit
}
