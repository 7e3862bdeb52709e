package password

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// The text of a range is random digits and little else, so that what a
// compressor would find out is known beforehand: a digit is worth 4 bits. A range
// is therefore written as one deflate block (RFC 1951, 3.2.7) of literals, with a
// code that is fixed here: 4 bits for the digits but two, which have 5, and 6 for
// all else. What repeats besides is the end of a line with a digit or two of the
// next; matches would make the body some hundredths smaller, and take twice the time.

// A deflateCode is a code with the bytes that declare it.
type deflateCode struct {
	head []byte // gzip header and the block's header
	acc  uint64 // the block header's bits that fill no byte
	n    uint
	lit  [257]uint32 // code ‖ length << 16, by symbol
	// pairs are the codes of two characters, the first in the lower byte, shifted by 6,
	// and their length, so that an entry is also the distance of a shift. Few entries
	// are ever read, and those lie in lines that the first cache holds.
	pairs [1 << 16]uint32
}

// maxCode is the longest code of the text's characters, in bits: two fill 12.
const maxCode = 6

var rangeCode = sync.OnceValue(func() *deflateCode {
	lengths := make([]uint8, 257)
	for d := range upper {
		lengths[upper[d]] = 4
	}
	lengths['E'], lengths['F'] = 5, 5
	lengths[':'], lengths['\r'], lengths['\n'], lengths[256] = maxCode, maxCode, maxCode, maxCode
	c := &deflateCode{}
	copy(c.lit[:], canonical(lengths))
	for two := range c.pairs {
		first, second := c.lit[two&255], c.lit[two>>8]
		c.pairs[two] = (first&0xFFFF|second&0xFFFF<<(first>>16))<<6 | (first>>16 + second>>16)
	}
	// RFC 1952, 2.3: no name, no time, unknown system. Then BFINAL, BTYPE 10, the
	// literals alone, and one distance code of zero bits: that there is none.
	w := bitWriter{b: []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}}
	w.put(1|2<<1, 3)
	w.put(0, 5)
	w.put(0, 5)
	writeLengths(&w, append(lengths, 0))
	c.head, c.acc, c.n = w.b, w.acc, w.n
	return c
})

// canonical gives the codes of symbol lengths (RFC 1951, 3.2.2), with their bits in the order in which they are written.
func canonical(lengths []uint8) []uint32 {
	var count, next [17]uint32
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	for n := 1; n < len(next); n++ {
		next[n] = (next[n-1] + count[n-1]) << 1
	}
	out := make([]uint32, len(lengths))
	for s, n := range lengths {
		if n > 0 {
			out[s] = uint32(bits.Reverse16(uint16(next[n]))>>(16-n)) | uint32(n)<<16
			next[n]++
		}
	}
	return out
}

// writeLengths writes the code lengths as RFC 1951, 3.2.7 wants them: run
// lengths, in a code of their own.
func writeLengths(w *bitWriter, all []uint8) {
	type symbol struct{ s, extra, bits int }
	var list []symbol
	var used [19]int
	for i := 0; i < len(all); {
		run := 1
		for i+run < len(all) && all[i+run] == all[i] {
			run++
		}
		switch {
		case all[i] == 0 && run > 10:
			run = min(run, 138)
			list = append(list, symbol{18, run - 11, 7})
		case all[i] == 0 && run > 2:
			list = append(list, symbol{17, run - 3, 3})
		case i > 0 && all[i] == all[i-1] && run > 2:
			run = min(run, 6)
			list = append(list, symbol{16, run - 3, 2})
		default:
			run = 1
			list = append(list, symbol{int(all[i]), 0, 0})
		}
		used[list[len(list)-1].s]++
		i += run
	}
	lengths := huffman(used[:])
	order := []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	n := len(order)
	for lengths[order[n-1]] == 0 {
		n--
	}
	w.put(uint64(n-4), 4)
	for _, s := range order[:n] {
		w.put(uint64(lengths[s]), 3)
	}
	code := canonical(lengths)
	for _, s := range list {
		w.put(uint64(code[s.s]&0xFFFF), uint(code[s.s]>>16))
		w.put(uint64(s.extra), uint(s.bits))
	}
}

// huffman gives the lengths of an optimal code. For the few symbols here none is longer than the 7 bits allowed.
func huffman(used []int) []uint8 {
	type node struct {
		weight  int
		symbols []int
	}
	var nodes []node
	for s, n := range used {
		if n > 0 {
			nodes = append(nodes, node{n, []int{s}})
		}
	}
	lengths := make([]uint8, len(used))
	for len(nodes) > 1 {
		slices.SortStableFunc(nodes, func(a, b node) int { return a.weight - b.weight })
		joined := node{nodes[0].weight + nodes[1].weight, slices.Concat(nodes[0].symbols, nodes[1].symbols)}
		for _, s := range joined.symbols {
			lengths[s]++
		}
		nodes = append(nodes[2:], joined)
	}
	return lengths
}

// appendGzip appends the gzip form (RFC 1952) of a range's text, whose CRC-32 (IEEE) is sum.
func appendGzip(dst, text []byte, sum uint32) []byte {
	switch {
	case len(text) == 0:
		return append(dst, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0) // an empty block
	case bytes.IndexByte(text, '\n') < 0:
		dst = appendFixed(dst, text)
	default:
		dst = rangeCode().append(dst, text)
	}
	dst = binary.LittleEndian.AppendUint32(dst, sum)
	return binary.LittleEndian.AppendUint32(dst, uint32(len(text)))
}

// append appends header and block.
func (c *deflateCode) append(dst, text []byte) []byte {
	dst = append(dst, c.head...)
	p := len(dst)
	dst = slices.Grow(dst, len(text)*maxCode/8+16) // 8 bytes are written at once
	length, acc, n := deflatePairs(dst[p:cap(dst)], text, &c.pairs, c.acc, c.n)
	text = text[len(text)/8*8:]
	w := bitWriter{b: dst[:p+length], acc: acc, n: n}
	for _, char := range text {
		w.put(uint64(c.lit[char]&0xFFFF), uint(c.lit[char]>>16))
	}
	w.put(uint64(c.lit[256]&0xFFFF), uint(c.lit[256]>>16))
	return w.align()
}

// deflatePairsGo writes the codes of a text's characters, 8 at a time, behind bits
// < 8 bits acc that wait. It returns how many bytes these are and what waits then.
// dst has room for all of them and 8 bytes more.
func deflatePairsGo(dst, text []byte, pairs *[1 << 16]uint32, acc uint64, bits uint) (length int, left uint64, leftBits uint) {
	p := 0
	for ; len(text) >= 8; text = text[8:] { // 8 characters are at most 48 bits
		w := binary.LittleEndian.Uint64(text)
		v0, v1, v2, v3 := uint64(pairs[uint16(w)]), uint64(pairs[uint16(w>>16)]), uint64(pairs[uint16(w>>32)]), uint64(pairs[uint16(w>>48)])
		first := v0>>6 | v1>>6<<(v0&63)
		second := v2>>6 | v3>>6<<(v2&63)
		v0 += v1
		acc |= (first | second<<(v0&63)) << (bits & 63)
		bits += uint(v0+v2+v3) & 63
		binary.LittleEndian.PutUint64(dst[p:], acc)
		p += int(bits >> 3)
		acc >>= bits &^ 7 & 63
		bits &= 7
	}
	return p, acc, bits
}

// appendFixed writes a text of one line, for which a code would be longer than
// what it saves, in the code that RFC 1951, 3.2.6 fixes: a literal below 144 is
// 8 bits, 0x30 more than itself, and the block's end 7 zeros.
func appendFixed(dst, text []byte) []byte {
	w := bitWriter{b: append(dst, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)}
	w.put(1|1<<1, 3)
	for _, c := range text {
		w.put(uint64(bits.Reverse8(c+0x30)), 8)
	}
	w.put(0, 7)
	return w.align()
}
