package password

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// The text of a range is random digits and little else, so that what a
// compressor would find out is known beforehand: a digit is worth 4 bits, and
// what repeats is the end of a line with the first digits of the next one. A
// range is therefore written as one deflate block (RFC 1951, 3.2.7) with a code
// that is fixed here: 4 bits for all digits but one or two, and at each line's
// end a match with the line before, at the distance of one line.
//
// In the text ...COUNT CR LF SUFFIX..., a match covers CR LF, as many digits of
// the suffix as it shares with the one before it, and COUNT with its colon where
// that is the count of the line before.

// maxMatch is the longest match used: up to 10 a length has a symbol of its own (RFC 1951, 3.2.5).
const maxMatch = 10

// A deflateCode is a code with the bytes that declare it.
type deflateCode struct {
	head  []byte // gzip header and the block's header
	acc   uint64 // the block header's bits that fill no byte
	n     uint
	lit   [266]uint32 // code ‖ length << 16, by symbol
	bytes [256]uint32 // of a byte's two digits
}

// lengths of the code's symbols: the digits 0 to F, then the others.
type codeLengths struct {
	digits             [16]uint8
	colon, cr, lf, end uint8
	match              [maxMatch - 2]uint8 // of lengths 3 to 10
}

// Ranges with few records share few digits with their neighbours.
const sparse = 64

var codes = sync.OnceValue(func() (c [2][2]*deflateCode) {
	dense := codeLengths{digits: [16]uint8{4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5}, colon: 6,
		match: [...]uint8{8, 8, 8, 10, 10, 12, 13, 13}, cr: 11, lf: 11, end: 11}
	few := codeLengths{digits: [16]uint8{4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5}, colon: 5,
		match: [...]uint8{10, 7, 8, 10, 11, 12, 13, 13}, cr: 7, lf: 7, end: 10}
	// Lines of SHA-1 are 39 to 57 bytes long, of NTLM 31 to 49: two distance
	// codes each (33 to 48 and 49 to 64; 25 to 32 and 33 to 48).
	for i, first := range []int{10, 9} {
		c[i] = [2]*deflateCode{newDeflateCode(dense, first), newDeflateCode(few, first)}
	}
	return c
})

// newDeflateCode makes the code of symbol lengths, with the distance codes first and first + 1.
func newDeflateCode(l codeLengths, first int) *deflateCode {
	all := make([]uint8, 265+first+2)
	for i, n := range l.digits {
		all[upper[i]] = n
	}
	all[':'], all['\r'], all['\n'], all[256] = l.colon, l.cr, l.lf, l.end
	copy(all[257:], l.match[:])
	all[265+first], all[265+first+1] = 1, 1
	c := &deflateCode{}
	for s, code := range canonical(all[:265]) {
		c.lit[s] = code
	}
	for b := range c.bytes {
		hi, lo := c.lit[upper[b>>4]], c.lit[upper[b&15]]
		c.bytes[b] = hi&0xFFFF | lo&0xFFFF<<(hi>>16) | (hi>>16+lo>>16)<<16
	}
	// RFC 1952, 2.3: no name, no time, unknown system. Then BFINAL, BTYPE 10.
	w := bitWriter{b: []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}}
	w.put(1|2<<1, 3)
	w.put(265-257, 5)
	w.put(uint64(first+2-1), 5)
	writeLengths(&w, all)
	c.head, c.acc, c.n = w.b, w.acc, w.n
	return c
}

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

// emitter writes codes into a slice that has room enough: 8 bytes behind the last.
type emitter struct {
	b   []byte
	p   int
	acc uint64
	n   uint
}

// put takes a code of up to 16 bits; flush follows before there are more than 64.
func (e *emitter) put(code uint32) {
	e.acc |= uint64(code&0xFFFF) << (e.n & 63)
	e.n += uint(code >> 16)
}

// flush leaves at most 7 bits.
func (e *emitter) flush() {
	binary.LittleEndian.PutUint64(e.b[e.p:], e.acc)
	e.p += int(e.n >> 3)
	e.acc >>= e.n &^ 7 & 63
	e.n &= 7
}

// bytes writes the digits of bytes, 4 at a time, and returns those left over.
// Before it at most 23 bits wait: with 8 to 10 a byte they never become more than 64.
func (e *emitter) bytes(c *deflateCode, t []byte) []byte {
	b, p, acc, n := e.b, e.p, e.acc, e.n
	for len(t) >= 4 {
		c0, c1, c2, c3 := c.bytes[t[0]], c.bytes[t[1]], c.bytes[t[2]], c.bytes[t[3]]
		n0, n1, n2 := c0>>16, c1>>16, c2>>16
		pair := uint64(c0&0xFFFF) | uint64(c1&0xFFFF)<<(n0&63)
		next := uint64(c2&0xFFFF) | uint64(c3&0xFFFF)<<(n2&63)
		n01 := n0 + n1
		acc |= (pair | next<<(n01&63)) << (n & 63)
		n += uint(n01 + n2 + c3>>16)
		binary.LittleEndian.PutUint64(b[p:], acc)
		p += int(n >> 3)
		acc >>= n &^ 7 & 63
		n &= 7
		t = t[4:]
	}
	e.p, e.acc, e.n = p, acc, n
	return t
}

// gzip appends the text's gzip form (RFC 1952), made from the records
// themselves; sum is the CRC-32 (IEEE) and size the length of the text.
func (x *suffixes) gzip(dst []byte, m Mode, sum uint32, size int) []byte {
	if len(x.counts) == 0 {
		return append(dst, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0) // an empty block
	}
	if len(x.counts) == 1 {
		return x.single(dst, sum, size)
	}
	c := codes()[m-SHA1][0]
	if len(x.counts) < sparse {
		c = codes()[m-SHA1][1]
	}
	dst = append(dst, c.head...)
	// A line takes at most 2 × tail + 1 digits of 5 bits, and 22 others of up to 14.
	if need := len(dst) + len(x.counts)*(2*x.tail+40) + 32; cap(dst) < need {
		dst = append(make([]byte, 0, need), dst...)
	}
	e := emitter{b: dst[:cap(dst)], p: len(dst), acc: c.acc, n: c.n}
	x.lines(&e, c, m)
	e.put(c.lit[256])
	e.n = (e.n + 7) &^ 7
	e.flush()
	dst = binary.LittleEndian.AppendUint32(e.b[:e.p], sum)
	return binary.LittleEndian.AppendUint32(dst, uint32(size))
}

// single writes a range of one record, for which a code would be longer than
// what it saves, in the code that RFC 1951, 3.2.6 fixes: a literal below 144 is
// 8 bits, 0x30 more than itself, and the block's end 7 zeros.
func (x *suffixes) single(dst []byte, sum uint32, size int) []byte {
	w := bitWriter{b: append(dst, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)}
	w.put(1|1<<1, 3)
	for _, c := range x.text(nil) {
		w.put(uint64(bits.Reverse8(c+0x30)), 8)
	}
	w.put(0, 7)
	dst = binary.LittleEndian.AppendUint32(w.align(), sum)
	return binary.LittleEndian.AppendUint32(dst, uint32(size))
}

// lines writes all lines.
func (x *suffixes) lines(e *emitter, c *deflateCode, m Mode) {
	skip := 0 // digits of this line that the last match covered
	for i, count := range x.counts {
		t := x.tails[i*x.tail : (i+1)*x.tail]
		if skip == 0 {
			e.put(c.lit[upper[x.digits[i]&15]])
		} else {
			t = t[(skip-1)/2:]
			if skip%2 == 0 {
				e.put(c.lit[upper[t[0]&15]])
				t = t[1:]
			}
		}
		t = e.bytes(c, t)
		for _, b := range t {
			e.put(c.bytes[b])
		}
		e.flush()
		skip = 0
		if i == len(x.counts)-1 || i == 0 {
			x.tailOf(e, c, count, i < len(x.counts)-1)
			continue
		}
		shared := x.shared(i)
		digits := 1
		if count >= 10 {
			digits = digitsOf(count)
		}
		length, before := 2, x.counts[i-1]
		if before == count {
			length += 1 + digits
		} else if shared == 0 && before%10 == count%10 {
			length++
		}
		distance := 2*x.tail + 1 + 1 + digits + 2
		shared = min(shared, maxMatch-length)
		if shared < 0 || length+shared < 3 || distance > 64 || m == NTLM && distance > 48 {
			x.tailOf(e, c, count, true)
			continue
		}
		if length == 2 {
			x.tailOf(e, c, count, false)
		} else if before != count {
			e.put(c.lit[':'])
			x.decimal(e, c, count/10, digits-1)
		}
		e.put(c.lit[257+length+shared-3])
		x.distance(e, m, distance)
		e.flush()
		skip = shared
	}
}

// shared is how many digits the suffix of line i shares with the one after it; up to 8 are counted.
func (x *suffixes) shared(i int) int {
	if x.digits[i] != x.digits[i+1] {
		return 0
	}
	a, b := x.tails[i*x.tail:], x.tails[(i+1)*x.tail:]
	return 1 + bits.LeadingZeros32((binary.BigEndian.Uint32(a)^binary.BigEndian.Uint32(b))|15)/4
}

// distance writes the distance of one line: a code of one bit, then the rest (RFC 1951, 3.2.5).
func (x *suffixes) distance(e *emitter, m Mode, d int) {
	switch {
	case m == NTLM && d < 33: // code 9: 25 to 32
		e.put(uint32(d-25)<<1 | 4<<16)
	case m == NTLM: // code 10: 33 to 48
		e.put(uint32(d-33)<<1 | 1 | 5<<16)
	case d < 49: // code 10
		e.put(uint32(d-33)<<1 | 5<<16)
	default: // code 11: 49 to 64
		e.put(uint32(d-49)<<1 | 1 | 5<<16)
	}
}

// tailOf writes the end of a line digit by digit, with or without CR LF.
func (x *suffixes) tailOf(e *emitter, c *deflateCode, count uint64, end bool) {
	e.put(c.lit[':'])
	if count < 10 {
		e.put(c.lit['0'+count])
	} else {
		x.decimal(e, c, count, digitsOf(count))
	}
	if end {
		e.flush()
		e.put(c.lit['\r'])
		e.put(c.lit['\n'])
	}
	e.flush()
}

// decimal writes the digits of n.
func (x *suffixes) decimal(e *emitter, c *deflateCode, n uint64, digits int) {
	if digits == 0 {
		return
	}
	unit := uint64(1)
	for range digits - 1 {
		unit *= 10
	}
	for ; unit > 0; unit /= 10 {
		e.flush()
		e.put(c.lit['0'+n/unit%10])
	}
	e.flush()
}
