package password

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
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
	head   []byte // gzip header and the block's header
	acc    uint64 // the block header's bits that fill no byte
	n      uint
	lit    [266]uint32             // code ‖ length << 16, by symbol
	digits [16]uint32              // of a digit
	bytes  [256]uint32             // of a byte's two digits
	ends   [len(ends)]uint32       // of a colon and a count; length << 24
	match  [3][maxMatch - 2]uint32 // of a length from 3 on, at the distance of a line whose count has 1 to 3 digits; length << 24
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
		c[i] = [2]*deflateCode{newDeflateCode(dense, Modes[i], first), newDeflateCode(few, Modes[i], first)}
	}
	return c
})

// newDeflateCode makes the code of symbol lengths, with the distance codes first and first + 1.
func newDeflateCode(l codeLengths, m Mode, first int) *deflateCode {
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
	for d := range c.digits {
		c.digits[d] = c.lit[upper[d]]
	}
	for b := range c.bytes {
		hi, lo := c.digits[b>>4], c.digits[b&15]
		c.bytes[b] = hi&0xFFFF | lo&0xFFFF<<(hi>>16) | (hi>>16+lo>>16)<<16
	}
	for digits := range c.match {
		distance := distanceCode(m, 2*(m.Size()-3)+1+1+digits+1+2)
		for i := range c.match[digits] {
			length := c.lit[257+i]
			c.match[digits][i] = length&0xFFFF | distance&0xFFFF<<(length>>16) | (length>>16+distance>>16)<<24
		}
	}
	for n := range c.ends {
		code, bits := c.lit[':']&0xFFFF, c.lit[':']>>16
		for _, digit := range strconv.Itoa(n) {
			code, bits = code|c.lit[digit]&0xFFFF<<bits, bits+c.lit[digit]>>16
		}
		c.ends[n] = code | bits<<24
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

// An emitter writes codes into a slice that has room enough: 8 bytes behind the
// last. It is passed by value, so that it stays in the processor's registers.
type emitter struct {
	p   int // of the next byte
	acc uint64
	n   uint // bits of acc
}

// put takes a code of up to 16 bits; flush follows before there are more than 64.
func (e emitter) put(code uint32) emitter {
	e.acc |= uint64(code&0xFFFF) << (e.n & 63)
	e.n += uint(code >> 16)
	return e
}

// flush leaves at most 7 bits.
func (e emitter) flush(b []byte) emitter {
	binary.LittleEndian.PutUint64(b[e.p:], e.acc)
	e.p += int(e.n >> 3)
	e.acc >>= e.n &^ 7 & 63
	e.n &= 7
	return e
}

// frontBytes are those of a tail that front writes: no match covers more, the rest is a multiple of 4.
const frontBytes = 5

// front writes the first 11 digits of a line, of which the last match has covered
// skip, and leaves at most 7 bits; how many is random, so that a branch would go
// the wrong way half the time. All are put together, then the first ones are dropped.
func (e emitter) front(b []byte, c *deflateCode, digit byte, t []byte, skip int) emitter {
	t = t[:frontBytes]
	c1, c2, c3, c4, c5 := c.bytes[t[0]], c.bytes[t[1]], c.bytes[t[2]], c.bytes[t[3]], c.bytes[t[4]]
	first := c.digits[digit&15]
	n1 := uint(first >> 16)
	n2 := n1 + uint(c1>>16)
	n3 := n2 + uint(c2>>16)
	n4 := n3 + uint(c3>>16)
	n5 := n4 + uint(c4>>16)
	code := uint64(first&0xFFFF) | uint64(c1&0xFFFF)<<(n1&63) | uint64(c2&0xFFFF)<<(n2&63) |
		uint64(c3&0xFFFF)<<(n3&63) | uint64(c4&0xFFFF)<<(n4&63) | uint64(c5&0xFFFF)<<(n5&63)
	// Where the digits 0, 1, 3, 5 and 7 begin.
	begins := uint64(n1)<<8 | uint64(n2)<<16 | uint64(n3)<<24 | uint64(n4)<<32
	drop := uint(begins >> ((skip + 1) / 2 * 8 & 63) & 0xFF)
	odd := uint(c.digits[t[max(skip/2-1, 0)]>>4] >> 16) // of a byte whose first digit only was covered
	drop += odd & (uint(skip&1) - 1) & -uint((skip+15)/16)
	e.acc |= code >> (drop & 63) << (e.n & 63)
	e.n += n5 + uint(c5>>16) - drop
	return e.flush(b)
}

// bytes writes the digits of bytes, 4 at a time, and leaves at most 7 bits.
// Before it at most 23 bits wait: with 8 to 10 a byte they never become more than 64.
func (e emitter) bytes(b []byte, c *deflateCode, t []byte) emitter {
	for len(t) >= 4 {
		c0, c1, c2, c3 := c.bytes[t[0]], c.bytes[t[1]], c.bytes[t[2]], c.bytes[t[3]]
		n0, n1, n2 := c0>>16, c1>>16, c2>>16
		pair := uint64(c0&0xFFFF) | uint64(c1&0xFFFF)<<(n0&63)
		next := uint64(c2&0xFFFF) | uint64(c3&0xFFFF)<<(n2&63)
		n01 := n0 + n1
		e.acc |= (pair | next<<(n01&63)) << (e.n & 63)
		e.n += uint(n01 + n2 + c3>>16)
		e = e.flush(b)
		t = t[4:]
	}
	for _, v := range t {
		e = e.put(c.bytes[v])
	}
	return e.flush(b)
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
	out := dst[:cap(dst)]
	e := x.deflate(emitter{len(dst), c.acc, c.n}, out, c, m)
	e = e.put(c.lit[256])
	e.n = (e.n + 7) &^ 7
	e = e.flush(out)
	dst = binary.LittleEndian.AppendUint32(out[:e.p], sum)
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

// deflate writes all lines.
func (x *suffixes) deflate(e emitter, b []byte, c *deflateCode, m Mode) emitter {
	tail, tails := x.tail, x.tails // one behind the other: they are copies
	digitList, counts := x.digits, x.counts
	skip := 0 // digits of this line that the last match covered
	longest := 64
	if m == NTLM {
		longest = 48
	}
	for i, count := range counts {
		t := tails[i*tail : (i+1)*tail]
		e = e.front(b, c, digitList[i], t, skip).bytes(b, c, t[frontBytes:])
		skip = 0
		if i == len(counts)-1 || i == 0 {
			e = e.end(b, c, count, i < len(counts)-1)
			continue
		}
		shared := 0 // digits of this suffix and the next, up to 8
		if digitList[i] == digitList[i+1] {
			shared = 1 + bits.LeadingZeros32((binary.BigEndian.Uint32(t4(tails, i*tail))^binary.BigEndian.Uint32(t4(tails, (i+1)*tail)))|15)/4
		}
		length, before := 2, counts[i-1]
		if count < uint64(len(ends)) && shared > 0 { // nearly all lines: without a branch that could go either way
			digits := ends[count]>>56 - 3
			same := uint64(0)
			if before == count {
				same = 1
			}
			end := uint64(c.ends[count]) & (same - 1)
			length = 2 + int(same*(1+digits))
			skip = min(shared, maxMatch-length)
			match := c.match[digits-1][length+skip-3]
			e.acc |= (end&0xFFFFFF | uint64(match&0xFFFFFF)<<(end>>24)) << (e.n & 63)
			e.n += uint(end>>24) + uint(match>>24)
			e = e.flush(b)
			continue
		}
		digits := digitsOf(count)
		if before == count {
			length += 1 + digits
		} else if shared == 0 && before%10 == count%10 {
			length++
		}
		distance := 2*tail + 1 + 1 + digits + 2
		shared = min(shared, maxMatch-length)
		if shared < 0 || length+shared < 3 || distance > longest {
			e = e.end(b, c, count, true)
			continue
		}
		if length == 2 {
			e = e.end(b, c, count, false)
		} else if before != count {
			e = e.put(c.lit[':']).decimal(b, c, count/10, digits-1)
		}
		e = e.put(c.lit[257+length+shared-3]).put(distanceCode(m, distance)).flush(b)
		skip = shared
	}
	return e
}

// t4 are the 4 bytes from a position on; a tail has more.
func t4(b []byte, at int) []byte { return b[at : at+4 : at+4] }

// distanceCode is the distance of one line: a code of one bit, then the rest (RFC 1951, 3.2.5).
func distanceCode(m Mode, d int) uint32 {
	switch {
	case m == NTLM && d < 33: // code 9: 25 to 32
		return uint32(d-25)<<1 | 4<<16
	case m == NTLM: // code 10: 33 to 48
		return uint32(d-33)<<1 | 1 | 5<<16
	case d < 49: // code 10
		return uint32(d-33)<<1 | 5<<16
	default: // code 11: 49 to 64
		return uint32(d-49)<<1 | 1 | 5<<16
	}
}

// end writes the end of a line digit by digit, with or without CR LF.
func (e emitter) end(b []byte, c *deflateCode, count uint64, line bool) emitter {
	e = e.put(c.lit[':'])
	if count < 10 {
		e = e.put(c.digits[count])
	} else {
		e = e.decimal(b, c, count, digitsOf(count))
	}
	if line {
		e = e.flush(b).put(c.lit['\r']).put(c.lit['\n'])
	}
	return e.flush(b)
}

// decimal writes the digits of n.
func (e emitter) decimal(b []byte, c *deflateCode, n uint64, digits int) emitter {
	if digits == 0 {
		return e
	}
	unit := uint64(1)
	for range digits - 1 {
		unit *= 10
	}
	for ; unit > 0; unit /= 10 {
		e = e.flush(b).put(c.digits[n/unit%10])
	}
	return e.flush(b)
}
