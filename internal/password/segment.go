package password

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
)

// A segment file, docs/PASSWORDS.md: header, blocks, directory.
//
//	header     "shirase-pwned/1\n" ‖ mode uint8 ‖ quotient uint8 ‖ shift uint8 ‖ 0 ‖ blocks uint32 ‖
//	           from uint32 ‖ to uint32 ‖ records uint64 ‖ data uint64 ‖ CRC-32C of all of it uint32
//	blocks     data bytes
//	directory  blocks + 1 × uint32: where each block begins in data, and where the last ends ‖ CRC-32C uint32
//
// Numbers are big-endian. A segment holds the records of the ranges from ≤ r <
// to. Block i holds those whose leading 64 bits, shifted right by shift, are i
// more than those of the segment's first possible hash; where there are none it
// is empty. Otherwise it is
//
//	n uvarint ‖ k uvarint ‖ bits ‖ n × raw bytes ‖ CRC-32C of all of it uint32
//
// and its bits, padded with zeros to a byte, are three strings:
//
//	for each bucket, which is a value of the hash's leading quotient bits: a one a record, then a zero
//	for each record, with w = bitlen(count) − 1: w zeros, then a one
//	for each record: the low w bits of its count, lowest first
//
// The second has n + k bits and the third k. A record's raw bytes are its hash
// without the quotient bits. So a record costs about 1 bit for a quotient of up
// to 24 bits, and one lookup reads one block.
const (
	segmentMagic  = "shirase-pwned/1\n"
	segmentHeader = 52

	blockRecords = 160     // at most, on average
	maxRange     = 1 << 22 // records of one range; hashes of passwords come to nowhere near it
	minShift     = 40
	maxCount     = 1 << 63
)

// Errors of reading a corpus.
var (
	// ErrDamaged says that a file is not what was written.
	ErrDamaged = errors.New("damaged corpus file")
	// ErrNewer says that a file was written by a newer version of this program.
	ErrNewer = errors.New("corpus of a newer version")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// layout is how a segment is cut into blocks and buckets.
type layout struct {
	mode     Mode
	from, to uint32 // ranges
	shift    uint
	quotient uint
}

func (l layout) raw() int      { return l.mode.Size() - int(l.quotient/8) }
func (l layout) first() uint64 { return uint64(l.from) << rangeShift >> l.shift }
func (l layout) blocks() int {
	return int((uint64(l.to)<<rangeShift-1)>>l.shift - l.first() + 1)
}

// buckets of a block.
func (l layout) buckets() int { return 1 << (l.shift - (64 - l.quotient)) }

func (l layout) valid() bool {
	return (l.mode == SHA1 || l.mode == NTLM) && l.from < l.to && l.to <= ranges &&
		(l.quotient == 8 || l.quotient == 16 || l.quotient == 24) &&
		l.shift >= minShift && l.shift <= 64 && l.shift >= 64-l.quotient
}

// fit chooses the layout for records: blocks of at most blockRecords on average,
// and the quotient that makes the file smallest. Hashes of passwords are spread
// evenly; where these are not, the blocks are made smaller for as long as the
// directory stays small beside the records.
func fit(mode Mode, from, to uint32, hashes []byte) layout {
	n := len(hashes) / mode.Size()
	l := layout{mode: mode, from: from, to: to, shift: 64}
	for l.shift > minShift && n/l.blocks() > blockRecords {
		l.shift--
	}
	mean, full := l.crowd(hashes)
	for try := l; mean > 2*blockRecords && try.shift > minShift && try.blocks() <= 8*n; {
		try.shift--
		if m, f := try.crowd(hashes); m < mean {
			l, mean, full = try, m, f
		}
	}
	best := 0
	for q := uint(8); q <= 24; q += 8 {
		if l.shift < 64-q {
			continue
		}
		try := l
		try.quotient = q
		if cost := full*try.buckets() - n*int(q); l.quotient == 0 || cost < best {
			best, l.quotient = cost, q
		}
	}
	return l
}

// crowd returns in how large a block the average record is, and how many blocks are not empty.
func (l layout) crowd(hashes []byte) (mean, full int) {
	var last, run, squares uint64
	for i := 0; i < len(hashes); i += l.mode.Size() {
		if b := top(hashes[i:]) >> l.shift; b != last || run == 0 {
			squares += run * run
			last, run = b, 0
			full++
		}
		run++
	}
	squares += run * run
	return int(squares / uint64(max(1, len(hashes)/l.mode.Size()))), full
}

// writeSegment writes the records, which are hashes one after the other in
// ascending order with a count of 1 to 2^63 each.
func writeSegment(w io.Writer, l layout, hashes []byte, counts []uint64) error {
	size := l.mode.Size()
	dir := make([]byte, 0, 4*(l.blocks()+2))
	data := make([]byte, 0, len(counts)*(l.raw()+1)+len(counts)/2+64) // about what it takes
	at := 0
	for i := range l.blocks() {
		dir = binary.BigEndian.AppendUint32(dir, uint32(len(data)))
		n := at
		for n < len(counts) && top(hashes[n*size:])>>l.shift == l.first()+uint64(i) {
			n++
		}
		if n > at {
			data = l.appendBlock(data, hashes[at*size:n*size], counts[at:n])
		}
		at = n
	}
	if at != len(counts) || uint64(len(data)) > 1<<32-1 {
		return fmt.Errorf("write segment %05X to %05X: %d of %d records in %d bytes", l.from, l.to, at, len(counts), len(data))
	}
	dir = binary.BigEndian.AppendUint32(dir, uint32(len(data)))
	dir = binary.BigEndian.AppendUint32(dir, crc32.Checksum(dir, castagnoli))
	head := append([]byte(segmentMagic), byte(l.mode), byte(l.quotient), byte(l.shift), 0)
	head = binary.BigEndian.AppendUint32(head, uint32(l.blocks()))
	head = binary.BigEndian.AppendUint32(head, l.from)
	head = binary.BigEndian.AppendUint32(head, l.to)
	head = binary.BigEndian.AppendUint64(head, uint64(len(counts)))
	head = binary.BigEndian.AppendUint64(head, uint64(len(data)))
	head = binary.BigEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	for _, part := range [][]byte{head, data, dir} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// appendBlock appends a block of at least one record.
func (l layout) appendBlock(dst, hashes []byte, counts []uint64) []byte {
	start, size, n := len(dst), l.mode.Size(), len(counts)
	k := 0
	for _, c := range counts {
		k += bits.Len64(c) - 1
	}
	dst = binary.AppendUvarint(dst, uint64(n))
	dst = binary.AppendUvarint(dst, uint64(k))
	w := bitWriter{b: dst}
	at, mask := 0, uint64(l.buckets()-1)
	for b := range uint64(l.buckets()) {
		run := at
		for at < n && top(hashes[at*size:])>>(64-l.quotient)&mask == b {
			at++
		}
		w.ones(at - run)
	}
	for _, c := range counts {
		z := uint(bits.Len64(c) - 1)
		if z > 31 {
			w.put(0, 32)
			z -= 32
		}
		w.put(1<<z, z+1)
	}
	for _, c := range counts {
		z := uint(bits.Len64(c) - 1)
		c &^= 1 << z
		if z > 32 {
			w.put(c&(1<<32-1), 32)
			c >>= 32
			z -= 32
		}
		w.put(c, z)
	}
	dst = w.align()
	for i := range n {
		dst = append(dst, hashes[i*size+int(l.quotient/8):(i+1)*size]...)
	}
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}
