package password

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/bits"
	"slices"
	"time"
)

// A filter file, docs/PASSWORDS.md: for clients without a network. It holds a
// binary fuse filter (Graf and Lemire, Binary Fuse Filters, 2022) with 3 hash
// functions and 8-bit fingerprints for each shard of the corpus.
//
//	header  "shirase-filter/1" ‖ mode uint8 ‖ 3 zeros ‖ shards uint32 ‖ generation uint64 ‖ updated uint64 (Unix seconds) ‖
//	        records uint64 ‖ CRC-32C of it uint32
//	shards  each: from uint32 ‖ to uint32 ‖ seed uint64 ‖ segment uint32 ‖ segments uint32 ‖ records uint32 ‖ at uint64 ‖ CRC-32C of its
//	        fingerprints uint32 ‖ CRC-32C of the 40 bytes before uint32
//	        then the fingerprints, at from the start of the file
//
// Numbers are big-endian. A hash is looked up in the shard of its range. A
// filter says no rightly and yes wrongly once in 256 times.
const (
	filterMagic  = "shirase-filter/1"
	filterHeader = 52
	shardHeader  = 44
	maxShards    = 1 << 20
)

func filterName(m Mode) string { return m.String() + "/filter" }

// A Filter is an open filter file.
type Filter struct {
	Mode       Mode
	Generation int64
	Updated    time.Time
	Records    int64
	shards     []shard
	f          io.ReaderAt
}

type shard struct {
	from, to uint32
	fuse
	records int
	at      int64
	sum     uint32
}

// fuse is the shape of a binary fuse filter.
type fuse struct {
	seed     uint64
	segment  uint32 // its length, a power of two
	segments uint32 // of start positions; two more are behind them
}

func (f fuse) slots() int { return int(f.segment) * int(f.segments+2) }

// mix is the finalizer of MurmurHash3.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// place gives the three positions and the fingerprint of a key, which is 64 bits of a hash.
func (f fuse) place(key uint64) (p [3]uint32, print byte) {
	h := mix(key + f.seed)
	hi, _ := bits.Mul64(h, uint64(f.segments)*uint64(f.segment))
	p[0] = uint32(hi)
	p[1] = (p[0] + f.segment) ^ uint32(h>>18)&(f.segment-1)
	p[2] = (p[0] + 2*f.segment) ^ uint32(h)&(f.segment-1)
	return p, byte(h ^ h>>32)
}

// key is what of a hash a filter knows: the 64 bits behind its range.
func key(hash []byte) uint64 { return binary.BigEndian.Uint64(hash[3:]) }

// newFuse builds the filter of distinct keys.
func newFuse(keys []uint64) (fuse, []byte, error) {
	n := len(keys)
	f := fuse{segment: 4, segments: 1}
	if n > 1 {
		f.segment = uint32(1) << min(18, int(math.Floor(math.Log(float64(n))/math.Log(3.33)+2.25)))
		size := math.Max(1.125, 0.875+0.25*math.Log(1e6)/math.Log(float64(n))) * float64(n)
		f.segments = uint32(max(1, int(math.Ceil(size/float64(f.segment)))-2))
	}
	counts, xors := make([]uint8, f.slots()), make([]uint64, f.slots())
	queue, order := make([]uint32, 0, f.slots()), make([]uint64, 0, n)
	where := make([]uint8, 0, n)
	for f.seed = 1; f.seed < 200; f.seed++ {
		clear(counts)
		clear(xors)
		queue, order, where = queue[:0], order[:0], where[:0]
		full := false
		for _, k := range keys {
			p, _ := f.place(k)
			for i, at := range p {
				if counts[at] >= 252 {
					full = true
				}
				counts[at] += 4
				counts[at] ^= uint8(i) // the exclusive or of which of the three it is
				xors[at] ^= k
			}
		}
		if full {
			continue
		}
		for at, c := range counts {
			if c>>2 == 1 {
				queue = append(queue, uint32(at))
			}
		}
		for len(queue) > 0 { // peel keys that are alone in a place
			at := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			if counts[at]>>2 != 1 {
				continue
			}
			k := xors[at]
			order, where = append(order, k), append(where, counts[at]&3)
			p, _ := f.place(k)
			for i, at := range p {
				counts[at] -= 4
				counts[at] ^= uint8(i)
				xors[at] ^= k
				if counts[at]>>2 == 1 {
					queue = append(queue, at)
				}
			}
		}
		if len(order) == n {
			prints := make([]byte, f.slots())
			for i := n - 1; i >= 0; i-- {
				p, print := f.place(order[i])
				at := p[where[i]]
				prints[at] = 0
				prints[at] = print ^ prints[p[0]] ^ prints[p[1]] ^ prints[p[2]]
			}
			return f, prints, nil
		}
	}
	return f, nil, errors.New("build filter: the keys are not distinct")
}

// WriteFilter writes the filter of the corpus as it is, about 9 bits a record. The
// corpus must be whole: a filter's no is certain.
func (c *Corpus) WriteFilter(ctx context.Context, w io.Writer) error {
	s := c.current.Load()
	if err := s.whole(); err != nil {
		return err
	}
	head := append([]byte(filterMagic), byte(c.mode), 0, 0, 0)
	head = binary.BigEndian.AppendUint32(head, uint32(len(s.segments)))
	head = binary.BigEndian.AppendUint64(head, uint64(s.Generation))
	head = binary.BigEndian.AppendUint64(head, uint64(max(0, s.Updated.Unix())))
	head = binary.BigEndian.AppendUint64(head, uint64(s.Records))
	head = binary.BigEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	if _, err := w.Write(head); err != nil {
		return err
	}
	at := int64(filterHeader)
	var keys []uint64
	for _, seg := range s.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		keys = keys[:0]
		cur := cursor{s: seg}
		for {
			ok, err := cur.more()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			keys = append(keys, key(cur.hash()))
			cur.at++
		}
		slices.Sort(keys)
		keys = slices.Compact(keys) // crafted hashes only
		f, prints, err := newFuse(keys)
		if err != nil {
			return err
		}
		at += shardHeader
		b := binary.BigEndian.AppendUint32(nil, seg.from)
		b = binary.BigEndian.AppendUint32(b, seg.to)
		b = binary.BigEndian.AppendUint64(b, f.seed)
		b = binary.BigEndian.AppendUint32(b, f.segment)
		b = binary.BigEndian.AppendUint32(b, f.segments)
		b = binary.BigEndian.AppendUint32(b, uint32(len(keys)))
		b = binary.BigEndian.AppendUint64(b, uint64(at))
		b = binary.BigEndian.AppendUint32(b, crc32.Checksum(prints, castagnoli))
		b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
		if _, err := w.Write(b); err != nil {
			return err
		}
		if _, err := w.Write(prints); err != nil {
			return err
		}
		at += int64(len(prints))
	}
	return nil
}

// OpenFilter opens a filter file of a given size.
func OpenFilter(r io.ReaderAt, size int64) (*Filter, error) {
	head := make([]byte, filterHeader)
	if _, err := r.ReadAt(head, 0); err != nil {
		return nil, damaged("filter: %v", err)
	}
	if string(head[:len(filterMagic)]) != filterMagic || crc32.Checksum(head[:filterHeader-4], castagnoli) != binary.BigEndian.Uint32(head[filterHeader-4:]) {
		return nil, damaged("filter header")
	}
	f := &Filter{Mode: Mode(head[16]), Generation: int64(binary.BigEndian.Uint64(head[24:])),
		Updated: time.Unix(int64(binary.BigEndian.Uint64(head[32:])), 0).UTC(), Records: int64(binary.BigEndian.Uint64(head[40:])), f: r}
	n := binary.BigEndian.Uint32(head[20:])
	if f.Mode != SHA1 && f.Mode != NTLM || n > maxShards {
		return nil, damaged("filter header")
	}
	if n == 0 {
		return nil, fmt.Errorf("filter: %w: it was built of an empty one", ErrNone)
	}
	at, next := int64(filterHeader), uint32(0)
	b := make([]byte, shardHeader)
	for range n {
		if _, err := r.ReadAt(b, at); err != nil {
			return nil, damaged("filter: %v", err)
		}
		at += shardHeader
		u := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
		s := shard{from: u(0), to: u(4), fuse: fuse{seed: binary.BigEndian.Uint64(b[8:]), segment: u(16), segments: u(20)},
			records: int(u(24)), at: int64(binary.BigEndian.Uint64(b[28:])), sum: u(36)}
		if crc32.Checksum(b[:40], castagnoli) != u(40) || s.from != next || s.to <= s.from || s.to > ranges || s.at != at ||
			s.segment == 0 || s.segment&(s.segment-1) != 0 || s.segment > 1<<18 || s.segments == 0 || s.segments > 1<<16 {
			return nil, damaged("filter shard")
		}
		at += int64(s.slots())
		next = s.to
		f.shards = append(f.shards, s)
	}
	if at != size || next != ranges {
		return nil, damaged("filter: its length is not what its shards say")
	}
	return f, nil
}

// Has says whether the hash may be in the corpus: no is certain, yes is wrong once in 256 times.
func (f *Filter) Has(hash []byte) (bool, error) {
	if len(hash) != f.Mode.Size() {
		return false, ErrHash
	}
	r := uint32(top(hash) >> rangeShift)
	i, _ := slices.BinarySearchFunc(f.shards, r, func(s shard, r uint32) int {
		if s.to <= r {
			return -1
		}
		return 1
	})
	if f.shards[i].records == 0 {
		return false, nil
	}
	s := f.shards[i]
	p, print := s.place(key(hash))
	var b [1]byte
	for _, at := range p {
		if _, err := f.f.ReadAt(b[:], s.at+int64(at)); err != nil {
			return false, fmt.Errorf("read filter: %w", err)
		}
		print ^= b[0]
	}
	return print == 0, nil
}

// Verify reads all fingerprints and compares their checksums.
func (f *Filter) Verify() error {
	for _, s := range f.shards {
		h := crc32.New(castagnoli)
		if _, err := io.Copy(h, io.NewSectionReader(f.f, s.at, int64(s.slots()))); err != nil {
			return fmt.Errorf("read filter: %w", err)
		}
		if h.Sum32() != s.sum {
			return damaged("filter shard %05X", s.from)
		}
	}
	return nil
}

// BuildFilter writes the filter of a corpus beside it, where the server finds it.
func (c *Corpora) BuildFilter(ctx context.Context, m Mode) error {
	w, err := c.dir.Create(filterName(m))
	if err != nil {
		return err
	}
	defer w.Close()
	if err := c.Corpus(m).WriteFilter(ctx, w); err != nil {
		return fmt.Errorf("build the filter of the %s corpus: %w", m, err)
	}
	return w.Commit()
}
