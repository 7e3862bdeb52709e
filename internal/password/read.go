package password

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"shirase/internal/files"
)

// A segment is an open segment file. Nobody closes it: the runtime does, once the last reader has let go of it.
//
// It is read through a mapping, for a system call takes longer than a lookup and
// the mapping's pages, the directory's too, are the page cache's. A block's
// checksum is compared when the block is first looked at. Where the system does
// not map, the directory is in memory, and each reader reads the blocks it needs.
type segment struct {
	layout
	f       io.ReaderAt
	records int64
	size    int64  // of the blocks
	dir     []byte // as in the file, without its checksum

	data     []byte          // the blocks, mapped; nil where they are read
	checked  []atomic.Uint32 // of the mapping: a bit a block
	perBlock uint64          // bytes of a block on average, in 65536ths
	rawShare uint64          // of the blocks' bytes, those that are raw, in 65536ths
}

// openSegment reads header and directory of a file of the given size. mapped is
// the whole file, or nil; the segment unmaps it when it is no longer used.
func openSegment(f io.ReaderAt, size int64, mapped []byte) (*segment, error) {
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
		records: int64(binary.BigEndian.Uint64(head[32:])), size: int64(binary.BigEndian.Uint64(head[40:]))}
	if !s.valid() || head[19] != 0 || int64(at(20)) != int64(s.blocks()) || s.records < 0 || s.size < 0 || s.size > 1<<32-1 ||
		size != segmentHeader+s.size+4*int64(s.blocks()+2) {
		return nil, damaged("header")
	}
	var err error
	if s.dir, err = s.directory(); err != nil {
		return nil, err
	}
	if int64(len(mapped)) == size {
		s.data = mapped[segmentHeader:][:s.size:s.size]
		s.dir = mapped[segmentHeader+s.size:][:len(s.dir):len(s.dir)]
		s.checked = make([]atomic.Uint32, (s.blocks()+31)/32)
		s.rawShare = uint64(min(s.records, s.size)) * uint64(s.raw()) << 16 / uint64(max(s.size, 1))
		s.perBlock = uint64(s.size) << 16 / uint64(s.blocks()) // so that the last one's begins within them
		runtime.AddCleanup(s, files.Unmap, mapped)
	}
	return s, nil
}

// directory reads the directory of the file and makes sure that it is one.
func (s *segment) directory() ([]byte, error) {
	dir := make([]byte, 4*(s.blocks()+2))
	if _, err := s.f.ReadAt(dir, segmentHeader+s.size); err != nil {
		return nil, damaged("directory: %v", err)
	}
	last := len(dir) - 4
	if crc32.Checksum(dir[:last], castagnoli) != binary.BigEndian.Uint32(dir[last:]) {
		return nil, damaged("directory checksum")
	}
	dir = dir[:last]
	before := uint32(0)
	for i := 0; i < len(dir); i += 4 {
		at := binary.BigEndian.Uint32(dir[i:])
		if at < before || i == 0 && at != 0 {
			return nil, damaged("directory")
		}
		before = at
	}
	if int64(before) != s.size {
		return nil, damaged("directory")
	}
	return dir, nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// span says where the bytes of blocks i to j, without j, begin and end. What is
// mapped may not be any more what it was when it was opened.
func (s *segment) span(dir []byte, i, j int) (from, to int, err error) {
	a, b := binary.BigEndian.Uint32(dir[4*i:]), binary.BigEndian.Uint32(dir[4*j:])
	if a > b || int64(b) > s.size {
		return 0, 0, damaged("directory of segment %05X", s.from)
	}
	return int(a), int(b), nil
}

// read reads the blocks' bytes from one position to another, into buf or a larger one.
func (s *segment) read(buf []byte, from, to int) ([]byte, error) {
	n := to - from
	if cap(buf) < n {
		buf = make([]byte, n, n+n/4+64)
	}
	buf = buf[:n]
	if n == 0 {
		return buf, nil
	}
	if _, err := s.f.ReadAt(buf, segmentHeader+int64(from)); err != nil {
		return nil, fmt.Errorf("read segment %05X: %w", s.from, err)
	}
	return buf, nil
}

// verify compares the checksum of block i, whose bytes b are: of a mapped one only once.
func (s *segment) verify(b []byte, i int) error {
	if s.data != nil && s.checked[i/32].Load()>>(i%32)&1 == 1 {
		return nil
	}
	err := checksum(b, s.from)
	if err == nil && s.data != nil {
		s.checked[i/32].Or(1 << (i % 32))
	}
	return err
}

// checksum compares the checksum of a block of the segment that begins at a range.
func checksum(b []byte, from uint32) error {
	if len(b) < 8 || crc32.Checksum(b[:len(b)-4], castagnoli) != binary.BigEndian.Uint32(b[len(b)-4:]) {
		return damaged("block checksum in segment %05X", from)
	}
	return nil
}

// faulted makes an error of a fault: where a mapped file is cut short under the
// program, or its disk fails, reading it faults. It is deferred, behind
// debug.SetPanicOnFault, by whoever reads a mapping; that keeps the mapping, too.
func (s *segment) faulted(err *error) {
	if p := recover(); p != nil {
		if _, fault := p.(interface{ Addr() uintptr }); !fault {
			panic(p)
		}
		*err = damaged("segment %05X cannot be read", s.from)
	}
	runtime.KeepAlive(s)
}

// load reads the records of range r, which is one of the segment's.
func (s *segment) load(x *suffixes, r uint32) error {
	x.reset(s.mode)
	return s.visit(x, r, func(b *block, i int) bool {
		from, to, ok := x.take(s, b, r, i)
		for skip := b.rawBytes - x.tail; ok && from < to; from++ {
			if skip == 0 { // all at once
				x.tails = append(x.tails, b.raw[from*b.rawBytes:to*b.rawBytes]...)
				break
			}
			x.tails = append(x.tails, b.raw[from*b.rawBytes+skip:(from+1)*b.rawBytes]...)
		}
		return ok
	})
}

// text appends the text of range r, which is one of the segment's. It is written
// block by block from the mapped bytes: what lies between is small enough to stay
// in the processor's first cache.
func (s *segment) text(x *suffixes, dst []byte, r uint32) (out []byte, err error) {
	start := len(dst)
	tails := x.tails
	err = s.visit(x, r, func(b *block, i int) bool {
		x.reset(s.mode)
		from, to, ok := x.take(s, b, r, i)
		if !ok || from == to {
			return ok
		}
		x.stride = b.rawBytes
		x.tails = b.b[len(b.b)-4-len(b.raw)+from*b.rawBytes+b.rawBytes-x.tail:] // and what is behind them
		if len(dst) > start {
			dst = append(dst, '\r', '\n')
		}
		dst = x.text(dst)
		return true
	})
	x.tails = tails[:0] // it must not point into the mapping any more
	return dst, err
}

// visit reads the blocks in which range r may have records, one after the other; take returns false where one is damaged.
func (s *segment) visit(x *suffixes, r uint32, take func(b *block, i int) bool) (err error) {
	if s.data != nil {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer s.faulted(&err)
	}
	defer func() { x.part = block{} }() // it must not keep the mapping
	start := uint64(r) << rangeShift
	first := int(start>>s.shift - s.first())
	last := int((start+1<<rangeShift-1)>>s.shift - s.first())
	from, to, err := s.span(s.dir, first, last+1)
	if err != nil {
		return err
	}
	all := s.data
	base := 0
	if all == nil {
		if all, err = s.read(x.block, from, to); err != nil {
			return err
		}
		x.block, base = all, from
	}
	for i := first; i <= last; i++ {
		if from, to, err = s.span(s.dir, i, i+1); err != nil {
			return err
		}
		if from == to {
			continue
		}
		raw := all[from-base : to-base]
		if err := s.verify(raw, i); err != nil {
			return err
		}
		ok := false
		if x.part, ok = s.parts(raw); !ok || !take(&x.part, i) {
			return damaged("block %d in segment %05X", i, s.from)
		}
	}
	return nil
}

// lookup returns the count of a hash in the segment, 0 where it is not there.
func (s *segment) lookup(hash []byte) (count uint64, err error) {
	h := top(hash)
	i := int(h>>s.shift - s.first())
	if s.data == nil {
		return s.lookupRead(h, i, hash)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer s.faulted(&err)
	if s.size == 0 {
		return 0, nil
	}
	touched := s.approach(i)
	from, to, err := s.span(s.dir, i, i+1)
	if err != nil || from == to {
		return 0, err
	}
	b := s.data[from:to]
	touched += s.touch(b, h)
	if err := s.verify(b, i); err != nil {
		return 0, err
	}
	count, ok := s.find(b, h, hash)
	if !ok || touched < 0 {
		return 0, damaged("block %d in segment %05X", i, s.from)
	}
	return count, nil
}

var readBuffers = sync.Pool{New: func() any { return new([]byte) }}

// lookupRead is lookup where files are not mapped.
func (s *segment) lookupRead(h uint64, i int, hash []byte) (uint64, error) {
	from, to, err := s.span(s.dir, i, i+1)
	if err != nil || from == to {
		return 0, err
	}
	buf := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buf)
	b, err := s.read(*buf, from, to)
	if err != nil {
		return 0, err
	}
	*buf = b
	if err := s.verify(b, i); err != nil {
		return 0, err
	}
	count, ok := s.find(b, h, hash)
	if !ok {
		return 0, damaged("block %d in segment %05X", i, s.from)
	}
	return count, nil
}

// approach loads from where block i about is, while the directory, which knows, is
// still on its way: what it costs to find the page is paid then, and only what it
// costs to load the block remains.
//
//go:noinline
func (s *segment) approach(i int) int {
	return int(s.data[uint64(i)*s.perBlock>>16])
}

// touch loads from the cache lines that a lookup in block b will want: those
// of its bit strings, and those around where the raw record lies if the block's
// hashes are spread evenly. Each is a miss of a corpus that is larger than the
// processor's caches; begun here, before anything waits for the first, they are
// one. What it returns is never negative; the compiler must not know, or it loads nothing.
//
//go:noinline
func (s *segment) touch(b []byte, h uint64) int {
	const line = 64
	end := len(b) - 1
	before := h << (64 - s.shift) >> 32 // of the block's hashes, in 2^32ths
	raw := uint64(len(b)) * s.rawShare >> 16
	at := max(0, end-4-int(raw-raw*before>>32))
	return int(b[0]) + int(b[min(line, end)]) + int(b[max(at-line, 0)]) + int(b[min(at, end)]) + int(b[min(at+line, end)])
}

// find looks a hash up in the block of bytes b; ok is whether it is a block.
func (s *segment) find(b []byte, h uint64, hash []byte) (count uint64, ok bool) {
	x, ok := s.parts(b)
	if !ok {
		return 0, false
	}
	lo, hi, ok := x.bucket(int(h>>(64-s.quotient)&uint64(s.buckets()-1)), 1)
	if !ok {
		return 0, false
	}
	want := hash[s.quotient/8:]
	key := binary.BigEndian.Uint64(want)
	if hi-lo > linear {
		lo = x.narrow(lo, hi, key)
	}
	for ; lo < hi; lo++ {
		r := x.raw[lo*x.rawBytes : (lo+1)*x.rawBytes]
		have := binary.BigEndian.Uint64(r)
		if have < key {
			continue
		}
		if have > key || string(r) > string(want) {
			return 0, true
		}
		if string(r) == string(want) {
			return x.count(lo)
		}
	}
	return 0, true
}
