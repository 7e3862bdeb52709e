package password

import (
	"encoding/binary"
	"math/bits"
)

// Bit strings here run from the lowest bit of a byte to its highest, so that 8
// bytes read as a little-endian number are 64 consecutive bits.

// A bitWriter appends bits to a byte slice.
type bitWriter struct {
	b   []byte
	acc uint64
	n   uint
}

// put appends the low n ≤ 56 bits of v, which has no others set.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.n
	w.n += n
	for w.n >= 8 {
		w.b = append(w.b, byte(w.acc))
		w.acc >>= 8
		w.n -= 8
	}
}

// ones appends n ones and a zero.
func (w *bitWriter) ones(n int) {
	for ; n >= 32; n -= 32 {
		w.put(1<<32-1, 32)
	}
	w.put(1<<n-1, uint(n)+1)
}

// align fills the last byte with zeros and returns everything.
func (w *bitWriter) align() []byte {
	if w.n > 0 {
		w.b = append(w.b, byte(w.acc))
		w.acc, w.n = 0, 0
	}
	return w.b
}

// word returns at least 57 bits from position at on; b has 8 bytes from there.
func word(b []byte, at int) uint64 {
	return binary.LittleEndian.Uint64(b[at>>3:]) >> (at & 7)
}

// field returns n ≤ 63 bits from position at on; b has 16 bytes from there, or 8 where n ≤ 57.
func field(b []byte, at int, n uint) uint64 {
	v := word(b, at)
	if n > 57 {
		v = v&(1<<32-1) | word(b, at+32)<<32
	}
	return v & (1<<n - 1)
}

// selectBit returns the position, counted from at, of the i-th (from 0) bit that
// equals one or, with flip all ones, zero; -1 where it is not before end.
func selectBit(b []byte, at, end, i int, flip uint64) int {
	start := at
	for at < end {
		w := (word(b, at) ^ flip) & (1<<56 - 1)
		if n := bits.OnesCount64(w); n <= i {
			i -= n
			at += 56
			continue
		}
		if at += select64(w, i); at >= end {
			return -1
		}
		return at - start
	}
	return -1
}

// select64 returns the position of the i-th (from 0) one of w, which has more than i.
func select64(w uint64, i int) int {
	const ones = 0x0101010101010101
	s := w - w>>1&0x5555555555555555
	s = s&0x3333333333333333 + s>>2&0x3333333333333333
	s = (s + s>>4) & (0x0F * ones) * ones // byte k: how many ones bytes 0 to k have
	// The top bit of byte k stays where these are more than i.
	more := (s | 0x80*ones) - uint64(i+1)*ones
	k := 8 * (8 - bits.OnesCount64(more&(0x80*ones)))
	if k > 0 {
		i -= int(s >> (k - 8) & 0xFF)
	}
	for w >>= k; i > 0; i-- {
		w &= w - 1
	}
	return k + bits.TrailingZeros64(w)
}
