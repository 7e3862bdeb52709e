package password

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
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

// A segment is an open segment file. Nobody closes it: the runtime does, once the last reader has let go of it.
type segment struct {
	layout
	f       io.ReaderAt
	records int64
	dir     []uint32 // as in the file

	// Point lookups read a mapping of the file, which the first of them makes: a
	// system call for each would take longer than all the rest. A block's
	// checksum is compared when the block is first looked at.
	path    string // "": not to be mapped
	mapOnce sync.Once
	mapped  []byte          // the blocks, or nil
	checked []atomic.Uint32 // a bit a block
}

// openSegment reads header and directory of a file of the given size.
func openSegment(f io.ReaderAt, size int64) (*segment, error) {
	var head [segmentHeader]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return nil, damaged("header: %v", err)
	}
	if string(head[:len(segmentMagic)]) != segmentMagic {
		if string(head[:14]) == segmentMagic[:14] {
			return nil, ErrNewer
		}
		return nil, damaged("it does not begin as one")
	}
	body, sum := head[:segmentHeader-4], head[segmentHeader-4:]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(sum) {
		return nil, damaged("header checksum")
	}
	at := func(n int) uint32 { return binary.BigEndian.Uint32(head[n:]) }
	s := &segment{f: f, layout: layout{mode: Mode(head[16]), quotient: uint(head[17]), shift: uint(head[18]), from: at(24), to: at(28)},
		records: int64(binary.BigEndian.Uint64(head[32:]))}
	data := int64(binary.BigEndian.Uint64(head[40:]))
	if !s.valid() || head[19] != 0 || int64(at(20)) != int64(s.blocks()) || s.records < 0 || data < 0 || data > 1<<32-1 ||
		size != segmentHeader+data+4*int64(s.blocks()+2) {
		return nil, damaged("header")
	}
	dir := make([]byte, 4*(s.blocks()+2))
	if _, err := f.ReadAt(dir, segmentHeader+data); err != nil {
		return nil, damaged("directory: %v", err)
	}
	last := len(dir) - 4
	if crc32.Checksum(dir[:last], castagnoli) != binary.BigEndian.Uint32(dir[last:]) {
		return nil, damaged("directory checksum")
	}
	s.dir = make([]uint32, s.blocks()+1)
	s.checked = make([]atomic.Uint32, (s.blocks()+31)/32)
	for i := range s.dir {
		s.dir[i] = binary.BigEndian.Uint32(dir[4*i:])
		if i > 0 && s.dir[i] < s.dir[i-1] {
			return nil, damaged("directory")
		}
	}
	if s.dir[0] != 0 || int64(s.dir[len(s.dir)-1]) != data {
		return nil, damaged("directory")
	}
	return s, nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// read reads the bytes of blocks i to j, without j, into buf or a larger one.
func (s *segment) read(buf []byte, i, j int) ([]byte, error) {
	n := int(s.dir[j] - s.dir[i])
	if cap(buf) < n {
		buf = make([]byte, n, n+n/4+64)
	}
	buf = buf[:n]
	if n == 0 {
		return buf, nil
	}
	if _, err := s.f.ReadAt(buf, segmentHeader+int64(s.dir[i])); err != nil {
		return nil, fmt.Errorf("read block %d of segment %05X: %w", i, s.from, err)
	}
	return buf, nil
}

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

// parse checks a block's bytes, which are not empty, and finds its parts.
func (s *segment) parse(b []byte) (block, error) {
	if len(b) < 8 || crc32.Checksum(b[:len(b)-4], castagnoli) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		return block{}, damaged("block checksum in segment %05X", s.from)
	}
	return s.parts(b)
}

// parts finds the parts of a block whose checksum is right.
func (s *segment) parts(b []byte) (block, error) {
	n, a := binary.Uvarint(b)
	k, c := binary.Uvarint(b[max(a, 0):])
	if a <= 0 || c <= 0 || n == 0 || n > uint64(len(b)) || k > 63*n {
		return block{}, damaged("block in segment %05X", s.from)
	}
	out := block{b: b, n: int(n), buckets: 8 * (a + c), rawBytes: s.raw()}
	out.widths = out.buckets + out.n + s.layout.buckets()
	out.low = out.widths + out.n + int(k)
	raw := (out.low + int(k) + 7) / 8
	if raw+out.n*out.rawBytes+4 != len(b) {
		return block{}, damaged("block in segment %05X", s.from)
	}
	out.raw = b[raw : len(b)-4]
	return out, nil
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
	if at+w > 8*(len(b.b)-len(b.raw)-4) {
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
	limit := 8 * (len(b.b) - len(b.raw) - 4)
	for ; i < j; i++ {
		v := word(b.b, at)
		w := bits.TrailingZeros64(v)
		if w > 48 { // a count above 2^48, or no terminator
			if w = selectBit(b.b, at, b.low, 0, 0); w < 0 || w > 63 {
				return dst, false
			}
		}
		if at += w + 1; at > b.low || low+w > limit {
			return dst, false
		}
		dst = append(dst, 1<<w|field(b.b, low, uint(w)))
		low += w
	}
	return dst, true
}

// mapping maps the file, once.
func (s *segment) mapping() []byte {
	s.mapOnce.Do(func() {
		if s.path == "" {
			return
		}
		data := int64(s.dir[len(s.dir)-1])
		all, err := mapFile(s.path, segmentHeader+data+4*int64(len(s.dir)+1))
		if err != nil {
			return // the file has lost its name, or this system does not map: it is read instead
		}
		s.mapped = all[segmentHeader : segmentHeader+data]
		runtime.AddCleanup(s, unmapFile, all)
	})
	return s.mapped
}

// block gives block i: of the mapping, or read into buf.
func (s *segment) block(buf *[]byte, i int) (block, error) {
	if m := s.mapping(); m != nil {
		b := m[s.dir[i]:s.dir[i+1]]
		word, bit := &s.checked[i/32], uint32(1)<<(i%32)
		if word.Load()&bit != 0 {
			return s.parts(b)
		}
		out, err := s.parse(b)
		if err == nil {
			word.Or(bit)
		}
		return out, err
	}
	raw, err := s.read(*buf, i, i+1)
	if err != nil {
		return block{}, err
	}
	*buf = raw
	return s.parse(raw)
}

// lookup returns the count of a hash in the segment, 0 where it is not there.
func (s *segment) lookup(buf *[]byte, hash []byte) (count uint64, err error) {
	h := top(hash)
	i := int(h>>s.shift - s.first())
	if s.dir[i] == s.dir[i+1] {
		return 0, nil
	}
	// Where a mapped file is cut short, or its disk fails, reading it faults.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			if _, fault := p.(interface{ Addr() uintptr }); !fault {
				panic(p)
			}
			count, err = 0, damaged("segment %05X cannot be read", s.from)
		}
		runtime.KeepAlive(s)
	}()
	b, err := s.block(buf, i)
	if err != nil {
		return 0, err
	}
	lo, hi, ok := b.bucket(int(h>>(64-s.quotient)&uint64(s.buckets()-1)), 1)
	if !ok {
		return 0, damaged("block in segment %05X", s.from)
	}
	want := hash[s.quotient/8:]
	key := binary.BigEndian.Uint64(want)
	for lo < hi {
		mid := (lo + hi) / 2
		r := b.raw[mid*b.rawBytes : (mid+1)*b.rawBytes]
		switch have := binary.BigEndian.Uint64(r); {
		case have < key || have == key && string(r) < string(want):
			lo = mid + 1
		case have == key && string(r) == string(want):
			n, ok := b.count(mid)
			if !ok {
				return 0, damaged("block in segment %05X", s.from)
			}
			return n, nil
		default:
			hi = mid
		}
	}
	return 0, nil
}

// A cursor reads a segment's records in order.
type cursor struct {
	s      *segment
	next   int // block
	buf    []byte
	hashes []byte
	counts []uint64
	at     int
}

// more makes sure that there is a current record, and says whether there is.
func (c *cursor) more() (bool, error) {
	for c.at == len(c.counts) {
		if c.next == len(c.s.dir)-1 {
			return false, nil
		}
		if err := c.load(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// hash and count are the current record's.
func (c *cursor) hash() []byte  { n := c.s.mode.Size(); return c.hashes[c.at*n : (c.at+1)*n] }
func (c *cursor) count() uint64 { return c.counts[c.at] }

// load decodes the next block.
func (c *cursor) load() error {
	i := c.next
	c.next++
	c.hashes, c.counts, c.at = c.hashes[:0], c.counts[:0], 0
	if c.s.dir[i] == c.s.dir[i+1] {
		return nil
	}
	var err error
	if c.buf, err = c.s.read(c.buf, i, i+1); err != nil {
		return err
	}
	b, err := c.s.parse(c.buf)
	if err != nil {
		return err
	}
	bad := damaged("block %d in segment %05X", i, c.s.from)
	bucket := (c.s.first() + uint64(i)) << c.s.shift >> (64 - c.s.quotient)
	end := bucket + uint64(c.s.buckets())
	for p := b.buckets; p < b.widths; p++ {
		if b.b[p>>3]>>(p&7)&1 == 0 {
			bucket++
			continue
		}
		j := len(c.hashes) / c.s.mode.Size()
		if j >= b.n || bucket >= end {
			return bad
		}
		var lead [8]byte
		binary.BigEndian.PutUint64(lead[:], bucket<<(64-c.s.quotient))
		c.hashes = append(c.hashes, lead[:c.s.quotient/8]...)
		c.hashes = append(c.hashes, b.raw[j*b.rawBytes:(j+1)*b.rawBytes]...)
	}
	var ok bool
	if c.counts, ok = b.counts(c.counts, 0, b.n); !ok || bucket != end || len(c.hashes) != b.n*c.s.mode.Size() {
		return bad
	}
	return nil
}

// check reads everything and makes sure that it is in order, within the segment, and as many records as claimed.
func (s *segment) check() error {
	c := cursor{s: s}
	last := make([]byte, 0, s.mode.Size())
	var n int64
	for {
		ok, err := c.more()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		h := c.hash()
		if r := uint32(top(h) >> rangeShift); r < s.from || r >= s.to || len(last) > 0 && string(h) <= string(last) {
			return damaged("record %d of segment %05X is out of order", n, s.from)
		}
		last = append(last[:0], h...)
		c.at++
		n++
	}
	if n != s.records {
		return damaged("segment %05X has %d records and claims %d", s.from, n, s.records)
	}
	return nil
}
