package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
)

// What leaves a device is the beginning of an output: the fewer bits, the more
// identities begin alike. PROTOCOL.md, section "What leaves".
const (
	CapBits    = 16        // bits that all keys together may show
	RaisedBits = 20        // where the verifier says so
	MaxGroup   = 32 << 20  // bytes of a group's response, and of those of all layers together
	maxKept    = 42 << 20  // bytes of all groups without padding: a file that holds them is no longer than MaxAnswer
	wholeKey   = 512 << 10 // bytes of a key's layers that are fetched whole
)

// ErrTooCoarse says that so few bits may be shown that the groups of buckets
// would be longer than is bearable: a statement that claims entries without end.
var ErrTooCoarse = errors.New("the index is claimed to be so large that no group of it is small enough")

// Depths returns for each layer how many bits of an output are shown to its
// server: the number of leading bits that all buckets of the group asked for
// share. limit is CapBits or RaisedBits.
func (s *Statement) Depths(limit int) (map[Hash]int, error) {
	var largest int64
	size := map[string]int64{} // of all layers of a key, in bytes
	for i := range s.Layers {
		l := &s.Layers[i]
		largest = max(largest, l.N)
		size[l.Key] += groupSize(l.Bits, 0, l.Pad)
	}
	large := 0
	for _, n := range size {
		if n > wholeKey {
			large++
		}
	}
	each := 0
	if large > 0 {
		each = min(limit, max(0, bits.Len64(uint64(largest))-11)) / large
	}
	depths := map[Hash]int{}
	var all int64
	for i := range s.Layers {
		l := &s.Layers[i]
		p := 0
		if size[l.Key] > wholeKey {
			p = min(l.Bits, each)
		}
		if all += groupSize(l.Bits, p, l.Pad); all > MaxGroup {
			return nil, fmt.Errorf("%w: %d of %d bits of layer %s", ErrTooCoarse, p, l.Bits, l.ID)
		}
		depths[l.ID] = p
	}
	return depths, nil
}

// groupSize is the length of a group's response, in bytes.
func groupSize(bits, depth, pad int) int64 { return int64(pad) << (bits - depth) }

// Group is a verified group of neighbouring buckets: all whose numbers begin
// with the same bits.
type Group struct {
	Number  int64 // the bits that they share
	Depth   int   // how many
	Bits    int   // the layer has 2^Bits buckets
	Buckets []*Bucket
}

// bucket returns the bucket that an output belongs to, which is in the group.
func (g *Group) bucket(y *Output) *Bucket {
	return g.Buckets[y.Bucket(g.Bits)&(1<<(g.Bits-g.Depth)-1)]
}

// Bytes returns the buckets as they travel, without padding, one after the other.
func (g *Group) Bytes() []byte {
	var out []byte
	for _, b := range g.Buckets {
		out = append(out, b.Bytes()...)
	}
	return out
}

// size is how many bytes the group has as it travels, without padding.
func (g *Group) size() (n int64) {
	for _, b := range g.Buckets {
		n += int64(bucketSize(len(b.Entries)/EntrySize, g.Bits))
	}
	return n
}

// entries returns those of the group's entries that begin with the given bits.
func (g *Group) entries(number int64, depth int) []byte {
	var out []byte
	for _, b := range g.Buckets {
		for i := 0; i < len(b.Entries); i += EntrySize {
			if bucketOf(b.Entries[i:], depth) == number {
				out = append(out, b.Entries[i:i+EntrySize]...)
			}
		}
	}
	return out
}

// ParseGroup reads the response to a group and verifies each of its buckets.
// pad is the exact length of each; 0 takes any, the same for all.
func ParseGroup(body []byte, number int64, depth int, root Hash, bits, pad int) (*Group, error) {
	n := 1 << (bits - depth)
	each := pad
	if pad == 0 {
		each = len(body) / n
	}
	if len(body) != n*each {
		return nil, fmt.Errorf("%w: length: %d bytes are not %d buckets", ErrBucket, len(body), n)
	}
	g := &Group{Number: number, Depth: depth, Bits: bits}
	for i := range n {
		b, err := ParseBucket(body[i*each:(i+1)*each], number<<(bits-depth)+int64(i), root, bits, pad)
		if err != nil {
			return nil, err
		}
		g.Buckets = append(g.Buckets, b)
	}
	return g, nil
}

// parseSaved reads a group as an answer file keeps it, without padding. pad,
// where it is not 0, is the most that each bucket may take.
func parseSaved(body []byte, number int64, depth int, root Hash, bits, pad int) (*Group, error) {
	g := &Group{Number: number, Depth: depth, Bits: bits}
	for i := range int64(1) << (bits - depth) {
		size := 0
		if len(body) >= 4 {
			if count := binary.BigEndian.Uint32(body); count <= maxBucket {
				size = bucketSize(int(count), bits)
			}
		}
		if size == 0 || size > len(body) || pad > 0 && size > pad {
			return nil, fmt.Errorf("%w: its length is not what its counts say", ErrBucket)
		}
		b, err := ParseBucket(body[:size], number<<(bits-depth)+i, root, bits, 0)
		if err != nil {
			return nil, err
		}
		g.Buckets = append(g.Buckets, b)
		body = body[size:]
	}
	if len(body) > 0 {
		return nil, fmt.Errorf("%w: its length is not what its counts say", ErrBucket)
	}
	return g, nil
}

var depthPattern = regexp.MustCompile(`^(0|[1-9][0-9]?)$`)

// ParseGroupName reads the two last parts of a group's path, p and number.
func ParseGroupName(depth, number string, bits int) (p int, n int64, err error) {
	if !depthPattern.MatchString(depth) {
		return 0, 0, errors.New("the bits of a group are a decimal number")
	}
	if p, err = strconv.Atoi(depth); err != nil || p > bits {
		return 0, 0, fmt.Errorf("this layer has %d bits", bits)
	}
	n, err = ParseBucketName(number, p)
	return p, n, err
}

// AppendGroup appends a group's response to dst, each bucket padded to pad
// bytes. It reads; it does not verify.
func (l *LayerFile) AppendGroup(dst []byte, depth int, number int64, pad int) ([]byte, error) {
	if depth < 0 || depth > l.info.Bits || number < 0 || number>>depth != 0 || groupSize(l.info.Bits, depth, pad) > MaxGroup {
		return dst, fmt.Errorf("group %d of %d bits: %w", number, depth, ErrBucket)
	}
	start := len(dst)
	for i := range int64(1) << (l.info.Bits - depth) {
		var err error
		if dst, err = l.AppendBucket(dst, number<<(l.info.Bits-depth)+i, pad); err != nil {
			return dst[:start], err
		}
	}
	return dst, nil
}
