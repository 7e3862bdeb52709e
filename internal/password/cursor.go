package password

import (
	"encoding/binary"
)

// A cursor reads a segment's records in order. It reads the file and maps
// nothing: what it checks is what the disk has.
type cursor struct {
	s      *segment
	dir    []byte // read by the first load
	next   int    // block
	buf    []byte
	hashes []byte
	counts []uint64
	at     int
}

// more makes sure that there is a current record, and says whether there is.
func (c *cursor) more() (bool, error) {
	for c.at == len(c.counts) {
		if c.next == c.s.blocks() {
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
	var err error
	if c.dir == nil {
		if c.dir, err = c.s.directory(); err != nil {
			return err
		}
	}
	from, to, err := c.s.span(c.dir, i, i+1)
	if err != nil || from == to {
		return err
	}
	if c.buf, err = c.s.read(c.buf, from, to); err != nil {
		return err
	}
	if err := checksum(c.buf, c.s.from); err != nil {
		return err
	}
	bad := func() error { return damaged("block %d in segment %05X", i, c.s.from) }
	b, ok := c.s.parts(c.buf)
	if !ok {
		return bad()
	}
	bucket := (c.s.first() + uint64(i)) << c.s.shift >> (64 - c.s.quotient)
	end := bucket + uint64(c.s.buckets())
	for p := b.buckets; p < b.widths; p++ {
		if b.b[p>>3]>>(p&7)&1 == 0 {
			bucket++
			continue
		}
		j := len(c.hashes) / c.s.mode.Size()
		if j >= b.n || bucket >= end {
			return bad()
		}
		var lead [8]byte
		binary.BigEndian.PutUint64(lead[:], bucket<<(64-c.s.quotient))
		c.hashes = append(c.hashes, lead[:c.s.quotient/8]...)
		c.hashes = append(c.hashes, b.raw[j*b.rawBytes:(j+1)*b.rawBytes]...)
	}
	if c.counts, ok = b.counts(c.counts, 0, b.n); !ok || bucket != end || len(c.hashes) != b.n*c.s.mode.Size() {
		return bad()
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
