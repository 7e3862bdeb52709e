package password

import "encoding/binary"

// The lines of a range's text.

const (
	upper = "0123456789ABCDEF"

	// tailBytes are the bytes of each tail that are written, whether it has as
	// many or fewer: what is too much is written over by the line's end or the next line.
	tailBytes = 17
	// longestLine is one of SHA-1 with a count of 20 digits, and lineSlack what is
	// written behind a line at most.
	longestLine = 1 + 2*tailBytes + 1 + 20 + 2
	lineSlack   = 16
)

// pairs are the two digits of a byte, the first in the lower byte.
var pairs = func() (t [256]uint16) {
	for b := range t {
		t[b] = uint16(upper[b>>4]) | uint16(upper[b&15])<<8
	}
	return t
}()

// ends are what follows a suffix with a count: colon, count, CR, LF, the first in
// the lowest byte; in the highest byte is how long that is.
var ends = func() (t [1000]uint64) {
	for n := range t {
		text := []byte{':'}
		if n >= 100 {
			text = append(text, byte('0'+n/100))
		}
		if n >= 10 {
			text = append(text, byte('0'+n/10%10))
		}
		text = append(text, byte('0'+n%10), '\r', '\n')
		for i, c := range text {
			t[n] |= uint64(c) << (8 * i)
		}
		t[n] |= uint64(len(text)) << 56
	}
	return t
}()

// textLinesGo writes the lines of records up to one with a count of 1,000 or more:
// a digit, a tail, of which there is one every stride bytes, and its end. It
// returns how many these are, and their length. dst has room for all records,
// each of the longest, and lineSlack.
func textLinesGo(dst, digits, tails []byte, counts []uint64, stride, tail int) (done, length int) {
	digits = digits[:len(counts)]
	for i, count := range counts {
		if count >= uint64(len(ends)) {
			return i, length
		}
		line := dst[length:]
		hexLine(line, digits[i], tails[i*stride:])
		end := ends[count]
		binary.LittleEndian.PutUint64(line[1+2*tail:], end)
		length += 1 + 2*tail + int(end>>56)
	}
	return len(counts), length
}

// hexLine writes a digit and a tail.
func hexLine(out []byte, digit byte, t []byte) {
	out, t = out[:1+2*tailBytes], t[:tailBytes]
	a, b := binary.LittleEndian.Uint64(t), binary.LittleEndian.Uint64(t[8:])
	out[0] = upper[digit&15]
	hex8(out[1:], uint32(a))
	hex8(out[9:], uint32(a>>32))
	hex8(out[17:], uint32(b))
	hex8(out[25:], uint32(b>>32))
	binary.LittleEndian.PutUint16(out[33:], pairs[t[16]])
}

// hex8 writes 4 bytes, the lowest of v first, as 8 digits; each step works on all of them.
func hex8(dst []byte, v uint32) {
	const ones = 0x0101010101010101
	x := uint64(v)
	x = (x | x<<16) & 0x0000FFFF0000FFFF
	x = (x | x<<8) & 0x00FF00FF00FF00FF
	x = (x>>4 | x<<8) & (0x0F * ones) // the high digit comes first
	x += 0x30*ones + 7*((x+6*ones)>>4&ones)
	binary.LittleEndian.PutUint64(dst, x)
}
