package password

import (
	"encoding/binary"
	"math/bits"
	"sort"
	"strconv"
)

// suffixes are the records of one range: what is left of their hashes behind
// the range's 5 digits, and their counts.
type suffixes struct {
	digits []byte // a record's first digit, 0 to 15
	tails  []byte // the bytes behind it
	tail   int    // bytes of a tail: 17 of SHA-1, 13 of NTLM
	counts []uint64
	block  []byte // scratch
}

func (x *suffixes) reset(m Mode) {
	x.digits, x.tails, x.counts, x.tail = x.digits[:0], x.tails[:0], x.counts[:0], m.Size()-3
}

// add appends one record, of which rest is the hash from its third byte on.
func (x *suffixes) add(rest []byte, count uint64) {
	x.digits = append(x.digits, rest[0]&15)
	x.tails = append(x.tails, rest[1:]...)
	x.counts = append(x.counts, count)
}

// load reads the records of range r, which is one of the segment's.
func (s *segment) load(x *suffixes, r uint32) error {
	x.reset(s.mode)
	from := uint64(r) << rangeShift
	first := int(from>>s.shift - s.first())
	last := int((from+1<<rangeShift-1)>>s.shift - s.first())
	all, err := s.read(x.block, first, last+1)
	if err != nil {
		return err
	}
	x.block = all
	for i := first; i <= last; i++ {
		if s.dir[i] == s.dir[i+1] {
			continue
		}
		b, err := s.parse(all[s.dir[i]-s.dir[first] : s.dir[i+1]-s.dir[first]])
		if err != nil {
			return err
		}
		ok := false
		if s.quotient == 24 {
			ok = x.block24(s, &b, r, s.first()+uint64(i))
		} else {
			ok = x.blockLess(s, &b, r)
		}
		if !ok {
			return damaged("block %d in segment %05X", i, s.from)
		}
	}
	return nil
}

// block24 takes a range's records out of a block whose buckets are as long as
// what 6 digits name: the sixth is the record's first digit here.
func (x *suffixes) block24(s *segment, b *block, r uint32, block uint64) bool {
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
		return false
	}
	// A one is a record of the bucket, a zero the bucket's end.
	n := len(x.digits)
	for p := b.buckets + i + start; width > 0; {
		run := bits.TrailingZeros64(^word(b.b, p))
		run = min(run, 56)
		for range run {
			x.digits = append(x.digits, digit)
		}
		p += run
		if run < 56 {
			p++
			digit++
			width--
		}
	}
	x.tails = append(x.tails, b.raw[i*b.rawBytes:j*b.rawBytes]...)
	x.counts, ok = b.counts(x.counts, i, j)
	return ok && len(x.digits)-n == j-i
}

// blockLess does it where a bucket is wider than a range: the records are those
// of the bucket whose raw bytes begin with the rest of the range's digits.
func (x *suffixes) blockLess(s *segment, b *block, r uint32) bool {
	i, j, ok := b.bucket(int(uint64(r)<<rangeShift>>(64-s.quotient)&uint64(s.buckets()-1)), 1)
	if !ok {
		return false
	}
	rest := uint(rangeBits) - s.quotient // 12 or 4 bits
	want := int(r & (1<<rest - 1))
	key := func(k int) int { return int(binary.BigEndian.Uint16(b.raw[k*b.rawBytes:]) >> (16 - rest)) }
	n := j
	j = i + sort.Search(n-i, func(k int) bool { return key(i+k) > want })
	i += sort.Search(j-i, func(k int) bool { return key(i+k) >= want })
	skip := b.rawBytes - x.tail - 1
	for k := i; k < j; k++ {
		rec := b.raw[k*b.rawBytes+skip : (k+1)*b.rawBytes]
		x.digits = append(x.digits, rec[0]&15)
		x.tails = append(x.tails, rec[1:]...)
	}
	x.counts, ok = b.counts(x.counts, i, j)
	return ok
}

const upper = "0123456789ABCDEF"

// hex8 writes 4 bytes as 8 upper-case digits; each step works on all of them.
func hex8(dst []byte, v uint32) {
	const ones = 0x0101010101010101
	x := uint64(v)
	x = (x | x<<16) & 0x0000FFFF0000FFFF
	x = (x | x<<8) & 0x00FF00FF00FF00FF
	x = (x | x<<4) & (0x0F * ones)
	x += 0x30*ones + 7*((x+6*ones)>>4&ones)
	binary.BigEndian.PutUint64(dst, x)
}

// digitsOf is how many decimal digits a count has.
func digitsOf(n uint64) int {
	d := 1
	for n >= 10 {
		n /= 10
		d++
	}
	return d
}

// text appends the range as clients read it: SUFFIX:COUNT, lines separated by CR LF.
func (x *suffixes) text(dst []byte) []byte {
	n := len(x.counts)
	if n == 0 {
		return dst
	}
	line := 2*x.tail + 1
	if need := len(dst) + n*(line+3+20); cap(dst) < need {
		dst = append(make([]byte, 0, need), dst...)
	}
	p := len(dst)
	dst = dst[:cap(dst)]
	for i, count := range x.counts {
		t := x.tails[i*x.tail : (i+1)*x.tail]
		out := dst[p : p+line+23]
		out[0] = upper[x.digits[i]&15]
		hex8(out[1:], binary.BigEndian.Uint32(t))
		hex8(out[9:], binary.BigEndian.Uint32(t[4:]))
		hex8(out[17:], binary.BigEndian.Uint32(t[8:]))
		if len(t) == 17 {
			hex8(out[25:], binary.BigEndian.Uint32(t[12:]))
		}
		last := t[len(t)-1]
		out[line-2], out[line-1], out[line] = upper[last>>4], upper[last&15], ':'
		p += line + 1
		if count < 10 {
			dst[p] = byte('0' + count)
			p++
		} else {
			p += len(strconv.AppendUint(dst[p:p], count, 10))
		}
		dst[p], dst[p+1] = '\r', '\n'
		p += 2
	}
	return dst[:p-2]
}
