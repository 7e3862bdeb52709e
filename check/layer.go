package check

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
)

// MaxEntries bounds a layer.
const MaxEntries = 1 << 40

// A layer file, docs/FORMAT.md: header, entries, offsets, tree.
//
//	header   "shirase-layer/1\n" ‖ n uint64 ‖ bits uint8 ‖ 7 zeros
//	entries  n × 13 bytes, ascending
//	offsets  2^bits + 1 × uint64: entries before bucket i
//	tree     hashes of 32 bytes, the 2^bits leaves first, each level above it, the root last
//
// Numbers are big-endian. Everything follows from the entries, so everything
// can be recomputed, and a file has exactly one length.
const (
	layerMagic  = "shirase-layer/1\n"
	layerHeader = 32
	maxBucket   = 1 << 20 // entries of one bucket that are read into memory

	// minBucket is how many entries a bucket has at least where there are
	// several: the mean is 1,024 or more, and a bucket half as large does not
	// happen (16 standard deviations). A server that claims more entries than it
	// has, to learn more bits of whoever asks, has to forge the rest.
	minBucket = 512
)

var (
	// ErrLayer says that a layer is not what its root or its format says.
	ErrLayer = errors.New("damaged layer")
	// ErrBucket says that a bucket is malformed or does not belong to the layer's root.
	ErrBucket = errors.New("a bucket does not verify")
)

// BucketBits returns ℓ: a layer of n entries has 2^ℓ buckets of about 1,024 to
// 2,047 entries, as long as the locator has bits enough.
func BucketBits(n int64, locatorBits int) int {
	return min(locatorBits, max(0, bits.Len64(uint64(n))-11))
}

// bucketSize is the length of a bucket response before padding, in bytes.
func bucketSize(count, bits int) int { return 4 + count*EntrySize + bits*sha256.Size }

// padOf returns the pad of a layer whose largest bucket holds that many entries.
func padOf(largest, bits int) int {
	return (bucketSize(largest, bits) + padStep - 1) / padStep * padStep
}

// padStep is what a layer's pad is a multiple of, in bytes.
const padStep = 1024

// bucketOf returns the number of the bucket that an entry or locator belongs to.
func bucketOf(e []byte, bits int) int64 {
	l := uint32(e[0])<<16 | uint32(e[1])<<8 | uint32(e[2])
	return int64(l >> (24 - bits))
}

// BucketName returns a bucket's number as it stands in its URL: lower-case hex of
// one width for the whole layer, so that every request has one length.
func BucketName(bucket int64, bits int) string {
	return fmt.Sprintf("%0*x", max(1, (bits+3)/4), bucket)
}

// ParseBucketName reads what BucketName writes, and nothing else.
func ParseBucketName(s string, bits int) (int64, error) {
	if len(s) != max(1, (bits+3)/4) {
		return 0, fmt.Errorf("a bucket of this layer is %d hex digits", max(1, (bits+3)/4))
	}
	var b int64
	for _, c := range []byte(s) {
		d := bytes.IndexByte([]byte("0123456789abcdef"), c)
		if d < 0 {
			return 0, errors.New("a bucket is lower-case hex digits")
		}
		b = b<<4 | int64(d)
	}
	if b>>bits != 0 {
		return 0, fmt.Errorf("this layer has %d buckets", 1<<bits)
	}
	return b, nil
}

// leafHash and nodeHash are the hashes of RFC 6962 section 2.1.
func leafHash(entries []byte) Hash {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(entries)
	return Hash(h.Sum(nil))
}

func nodeHash(left, right []byte) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = 1
	copy(b[1:], left)
	copy(b[1+sha256.Size:], right)
	return sha256.Sum256(b[:])
}

// Bucket is a verified bucket: its entries, sorted, 13 bytes each.
type Bucket struct {
	Number  int64
	Entries []byte
	Path    []byte // ℓ × 32 bytes, from the leaf's sibling up
}

// Bytes returns the bucket as it travels, without padding.
func (b *Bucket) Bytes() []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(b.Entries)/EntrySize))
	return append(append(out, b.Entries...), b.Path...)
}

// ParseBucket reads a bucket response and verifies everything a bucket can be
// verified by: length, count, order, prefix and path to the root. pad is the
// exact length wanted; 0 takes any length whose rest is zeros.
func ParseBucket(body []byte, number int64, root Hash, bits, pad int) (*Bucket, error) {
	bad := func(format string, a ...any) (*Bucket, error) {
		return nil, fmt.Errorf("%w: bucket %s: %w", ErrBucket, BucketName(number, bits), fmt.Errorf(format, a...))
	}
	if pad > 0 && len(body) != pad {
		return bad("length: %d bytes where the statement says %d", len(body), pad)
	}
	if len(body) < bucketSize(0, bits) || len(body) > MaxPad {
		return bad("length: %d bytes", len(body))
	}
	count := int64(binary.BigEndian.Uint32(body))
	if count > maxBucket || bucketSize(int(count), bits) > len(body) {
		return bad("count: %d entries do not fit in %d bytes", count, len(body))
	}
	if bits > 0 && count < minBucket {
		return bad("count: %d entries, where %d buckets have at least %d each", count, 1<<bits, minBucket)
	}
	end := 4 + int(count)*EntrySize
	own := bytes.Clone(body[4:bucketSize(int(count), bits)]) // the padding may be much longer
	b := &Bucket{Number: number, Entries: own[: end-4 : end-4], Path: own[end-4:]}
	for _, c := range body[bucketSize(int(count), bits):] {
		if c != 0 {
			return bad("padding: it is not zeros")
		}
	}
	for i := 0; i < len(b.Entries); i += EntrySize {
		if i > 0 && bytes.Compare(b.Entries[i-EntrySize:i], b.Entries[i:i+EntrySize]) >= 0 {
			return bad("order: entry %d is not above the one before", i/EntrySize)
		}
		if bucketOf(b.Entries[i:], bits) != number {
			return bad("prefix: entry %d belongs to another bucket", i/EntrySize)
		}
	}
	h := leafHash(b.Entries)
	for level := range bits {
		sibling := b.Path[level*sha256.Size : (level+1)*sha256.Size]
		if number>>level&1 == 0 {
			h = nodeHash(h[:], sibling)
		} else {
			h = nodeHash(sibling, h[:])
		}
	}
	if h != root {
		return bad("path: it does not lead to the root")
	}
	return b, nil
}

// LayerInfo is what a written layer turned out to be.
type LayerInfo struct {
	N           int64
	Bits        int
	LocatorBits int
	Root        Hash
	Pad         int
}

// WriteLayer writes a layer file of n ascending entries, each valid until the
// next. Where source is set, a second entry with the same locator and tag is an
// error: a source layer holds one entry a person. Bits beyond locatorBits must
// be clear.
func WriteLayer(w io.Writer, n int64, locatorBits int, source bool, entries iter.Seq2[[]byte, error]) (LayerInfo, error) {
	if n < 1 || n > MaxEntries || locatorBits < 1 || locatorBits > MaxLocatorBits {
		return LayerInfo{}, fmt.Errorf("write a layer of %d entries: %w", n, ErrLayer)
	}
	info := LayerInfo{N: n, Bits: BucketBits(n, locatorBits), LocatorBits: locatorBits}
	bw := bufio.NewWriterSize(w, 1<<18)
	bw.WriteString(layerMagic)
	binary.Write(bw, binary.BigEndian, n)
	bw.Write([]byte{byte(info.Bits), 0, 0, 0, 0, 0, 0, 0})
	s := newLayerScan(n, locatorBits, source)
	for e, err := range entries {
		if err != nil {
			return LayerInfo{}, fmt.Errorf("write a layer: %w", err)
		}
		if err := s.add(e); err != nil {
			return LayerInfo{}, fmt.Errorf("write a layer: %w", err)
		}
		bw.Write(e)
	}
	if err := s.finish(); err != nil {
		return LayerInfo{}, fmt.Errorf("write a layer: %w", err)
	}
	for _, o := range s.offsets {
		bw.Write(binary.BigEndian.AppendUint64(nil, uint64(o)))
	}
	for level := s.leaves; ; level = above(level) {
		for i := range level {
			bw.Write(level[i][:])
		}
		if len(level) == 1 {
			info.Root = level[0]
			break
		}
	}
	if err := bw.Flush(); err != nil {
		return LayerInfo{}, fmt.Errorf("write a layer: %w", err)
	}
	info.Pad = padOf(s.largest, info.Bits)
	return info, nil
}

// above returns the level of the tree above one.
func above(level []Hash) []Hash {
	up := make([]Hash, len(level)/2)
	for i := range up {
		up[i] = nodeHash(level[2*i][:], level[2*i+1][:])
	}
	return up
}

// layerScan takes a layer's entries in order and works out offsets and leaves.
type layerScan struct {
	n           int64
	bits        int
	locatorBits int
	source      bool
	seen        int64
	prev        Entry
	bucket      []byte // the current bucket's entries
	offsets     []int64
	leaves      []Hash
	largest     int
	thin        bool // a bucket has fewer than minBucket entries
}

func newLayerScan(n int64, locatorBits int, source bool) *layerScan {
	return &layerScan{n: n, bits: BucketBits(n, locatorBits), locatorBits: locatorBits, source: source, offsets: []int64{0}}
}

func (s *layerScan) add(e []byte) error {
	if len(e) != EntrySize || s.seen == s.n {
		return fmt.Errorf("%w: more than %d entries", ErrLayer, s.n)
	}
	if s.seen > 0 {
		if bytes.Compare(s.prev[:], e) >= 0 {
			return fmt.Errorf("%w: entry %d is not above the one before", ErrLayer, s.seen)
		}
		if s.source && bytes.Equal(s.prev[:tagEnd], e[:tagEnd]) {
			return fmt.Errorf("%w: entry %d has the locator and tag of the one before", ErrLayer, s.seen)
		}
	}
	l := uint32(e[0])<<16 | uint32(e[1])<<8 | uint32(e[2])
	if l&(1<<(24-s.locatorBits)-1) != 0 {
		return fmt.Errorf("%w: entry %d has a locator of more than %d bits", ErrLayer, s.seen, s.locatorBits)
	}
	for bucketOf(e, s.bits) >= int64(len(s.offsets)) {
		s.close()
	}
	if len(s.bucket) >= maxBucket*EntrySize {
		return fmt.Errorf("%w: a bucket holds more than %d entries", ErrLayer, maxBucket)
	}
	s.bucket = append(s.bucket, e...)
	s.prev = Entry(e)
	s.seen++
	return nil
}

// close ends the current bucket.
func (s *layerScan) close() {
	if s.bits > 0 && len(s.bucket) < minBucket*EntrySize {
		s.thin = true
	}
	s.leaves = append(s.leaves, leafHash(s.bucket))
	s.largest = max(s.largest, len(s.bucket)/EntrySize)
	s.offsets = append(s.offsets, s.seen)
	s.bucket = s.bucket[:0]
}

func (s *layerScan) finish() error {
	if s.seen != s.n {
		return fmt.Errorf("%w: %d entries where %d belong", ErrLayer, s.seen, s.n)
	}
	for len(s.leaves) < 1<<s.bits {
		s.close()
	}
	if s.thin {
		return fmt.Errorf("%w: a bucket holds fewer than %d entries, and no client would take it", ErrLayer, minBucket)
	}
	return nil
}

// LayerFile reads a layer file at random. It is safe for concurrent use.
type LayerFile struct {
	r    io.ReaderAt
	info LayerInfo
	tail []byte // offsets and tree, held in memory where there are up to 2^16 buckets
}

// maxTailBits bounds what is held in memory: 4.5 MiB a layer.
const maxTailBits = 16

// readTail reads offsets or tree at a place in the file.
func (l *LayerFile) readTail(p []byte, at int64) error {
	if l.tail != nil {
		copy(p, l.tail[at-l.offsetsAt():])
		return nil
	}
	_, err := l.r.ReadAt(p, at)
	return err
}

// OpenLayer reads the header of a layer file whose root and key's locatorBits
// are known, and checks its length, its offsets and its root. It does not read
// the entries: Verify does.
func OpenLayer(r io.ReaderAt, size int64, root Hash, locatorBits int) (*LayerFile, error) {
	if locatorBits < 1 || locatorBits > MaxLocatorBits {
		return nil, fmt.Errorf("%w: %d locator bits", ErrLayer, locatorBits)
	}
	var h [layerHeader]byte
	if _, err := r.ReadAt(h[:], 0); err != nil {
		return nil, fmt.Errorf("%w: header: %v", ErrLayer, err)
	}
	l := &LayerFile{r: r}
	l.info.N = int64(binary.BigEndian.Uint64(h[16:]))
	l.info.Bits, l.info.LocatorBits = int(h[24]), locatorBits
	switch {
	case string(h[:16]) != layerMagic:
		return nil, fmt.Errorf("%w: it does not begin as a layer file", ErrLayer)
	case l.info.N < 1 || l.info.N > MaxEntries, l.info.Bits != BucketBits(l.info.N, locatorBits), [7]byte(h[25:]) != [7]byte{}:
		return nil, fmt.Errorf("%w: its header contradicts itself", ErrLayer)
	case size != l.size():
		return nil, fmt.Errorf("%w: %d bytes long where %d entries take %d", ErrLayer, size, l.info.N, l.size())
	}
	if _, err := r.ReadAt(l.info.Root[:], size-sha256.Size); err != nil {
		return nil, fmt.Errorf("%w: root: %v", ErrLayer, err)
	}
	if l.info.Root != root {
		return nil, fmt.Errorf("%w: its root is %s, not %s", ErrLayer, l.info.Root, root)
	}
	if l.info.Bits <= maxTailBits {
		tail := make([]byte, size-l.offsetsAt())
		if _, err := r.ReadAt(tail, l.offsetsAt()); err != nil {
			return nil, fmt.Errorf("%w: offsets and tree: %v", ErrLayer, err)
		}
		l.tail = tail
	}
	largest, err := l.largest()
	if err != nil {
		return nil, err
	}
	l.info.Pad = padOf(largest, l.info.Bits)
	return l, nil
}

// largest reads the offsets and gives the most entries that a bucket holds.
func (l *LayerFile) largest() (int, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(l.r, l.offsetsAt(), l.treeAt()-l.offsetsAt()), 1<<16)
	var prev, largest int64
	for i := range int64(1)<<l.info.Bits + 1 {
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, fmt.Errorf("%w: offsets: %v", ErrLayer, err)
		}
		o := int64(binary.BigEndian.Uint64(b[:]))
		if o < prev || o > l.info.N || (i == 0 && o != 0) || (i == 1<<l.info.Bits && o != l.info.N) || o-prev > maxBucket {
			return 0, fmt.Errorf("%w: offset %d", ErrLayer, i)
		}
		largest, prev = max(largest, o-prev), o
	}
	return int(largest), nil
}

// Info returns the layer's figures. Pad is what its largest bucket needs.
func (l *LayerFile) Info() LayerInfo { return l.info }

// LayerSize gives the length in bytes of a layer file of n entries.
func LayerSize(n int64, locatorBits int) int64 {
	return (&LayerFile{info: LayerInfo{N: n, Bits: BucketBits(n, locatorBits)}}).size()
}

// BucketOf gives the number of the bucket that an entry belongs to, of a layer
// of 2^bits buckets.
func BucketOf(entry []byte, bits int) int64 { return bucketOf(entry, bits) }

func (l *LayerFile) offsetsAt() int64 { return layerHeader + l.info.N*EntrySize }
func (l *LayerFile) treeAt() int64    { return l.offsetsAt() + 8*(1<<l.info.Bits+1) }
func (l *LayerFile) size() int64 {
	return l.treeAt() + (2<<l.info.Bits-1)*sha256.Size
}

// AppendBucket appends a bucket's response, padded with zeros to pad bytes, to
// dst. It reads; it does not verify.
func (l *LayerFile) AppendBucket(dst []byte, bucket int64, pad int) ([]byte, error) {
	if bucket < 0 || bucket>>l.info.Bits != 0 {
		return dst, fmt.Errorf("bucket %d: %w", bucket, ErrBucket)
	}
	var o [16]byte
	if err := l.readTail(o[:], l.offsetsAt()+8*bucket); err != nil {
		return dst, fmt.Errorf("%w: offsets: %v", ErrLayer, err)
	}
	from, to := int64(binary.BigEndian.Uint64(o[:])), int64(binary.BigEndian.Uint64(o[8:]))
	if from > to || to > l.info.N || to-from > maxBucket || bucketSize(int(to-from), l.info.Bits) > pad || pad > MaxPad {
		return dst, fmt.Errorf("%w: offset of bucket %d", ErrLayer, bucket)
	}
	start := len(dst)
	dst = append(dst, make([]byte, pad)...)
	out := dst[start:]
	binary.BigEndian.PutUint32(out, uint32(to-from))
	end := 4 + int(to-from)*EntrySize
	if _, err := l.r.ReadAt(out[4:end], layerHeader+from*EntrySize); err != nil && to > from {
		return dst[:start], fmt.Errorf("%w: entries: %v", ErrLayer, err)
	}
	at, width := l.treeAt(), int64(1)<<l.info.Bits
	for level := range l.info.Bits {
		sibling := bucket>>level ^ 1
		p := out[end+level*sha256.Size:]
		if err := l.readTail(p[:sha256.Size], at+sibling*sha256.Size); err != nil {
			return dst[:start], fmt.Errorf("%w: tree: %v", ErrLayer, err)
		}
		at += width * sha256.Size
		width /= 2
	}
	return dst, nil
}

// Entries returns the entries in order, each valid until the next. Where ctx ends
// before, its error is the last.
func (l *LayerFile) Entries(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r := bufio.NewReaderSize(io.NewSectionReader(l.r, layerHeader, l.info.N*EntrySize), 1<<18)
		var e Entry
		for i := range l.info.N {
			if i&0x3FFF == 0 && ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if _, err := io.ReadFull(r, e[:]); err != nil {
				yield(nil, fmt.Errorf("%w: entries: %v", ErrLayer, err))
				return
			}
			if !yield(e[:], nil) {
				return
			}
		}
	}
}

// Verify recomputes every byte of the file from its entries, and so finds any
// change anywhere in it. progress, where it is not nil, is told of entries done.
func (l *LayerFile) Verify(ctx context.Context, source bool, progress func(done int64)) error {
	s := newLayerScan(l.info.N, l.info.LocatorBits, source)
	for e, err := range l.Entries(ctx) {
		if err != nil {
			return err
		}
		if err := s.add(e); err != nil {
			return err
		}
		if progress != nil && s.seen&0xffff == 0 {
			progress(s.seen)
		}
	}
	if err := s.finish(); err != nil {
		return err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(l.r, l.offsetsAt(), l.size()-l.offsetsAt()), 1<<16)
	for i, want := range s.offsets {
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil || int64(binary.BigEndian.Uint64(b[:])) != want {
			return fmt.Errorf("%w: offset of bucket %s", ErrLayer, hex.EncodeToString(binary.BigEndian.AppendUint32(nil, uint32(i))))
		}
	}
	for level, height := s.leaves, 0; ; level, height = above(level), height+1 {
		for i := range level {
			var h Hash
			if _, err := io.ReadFull(r, h[:]); err != nil || h != level[i] {
				if height == 0 {
					return fmt.Errorf("%w: bucket %s is not what its hash says", ErrLayer, BucketName(int64(i), l.info.Bits))
				}
				return fmt.Errorf("%w: tree node %d at height %d", ErrLayer, i, height)
			}
		}
		if len(level) == 1 {
			break
		}
	}
	return nil
}

// Fold writes the sorted union of source layers as one layer. It needs no key:
// anyone can fold the published source layers again and compare the root.
func Fold(ctx context.Context, w io.Writer, sources []*LayerFile) (LayerInfo, error) {
	if len(sources) == 0 {
		return LayerInfo{}, fmt.Errorf("fold no layers: %w", ErrLayer)
	}
	var n int64
	seqs := make([]iter.Seq2[[]byte, error], len(sources))
	for i, s := range sources {
		if s.info.LocatorBits != sources[0].info.LocatorBits {
			return LayerInfo{}, fmt.Errorf("fold layers of %d and %d locator bits: %w",
				sources[0].info.LocatorBits, s.info.LocatorBits, ErrLayer)
		}
		n += s.info.N
		seqs[i] = s.Entries(ctx)
	}
	return WriteLayer(w, n, sources[0].info.LocatorBits, len(sources) == 1, MergeEntries(seqs))
}
