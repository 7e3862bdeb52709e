package password

import (
	"context"
	"errors"
	"fmt"

	"shirase/internal/files"
)

// A set is open segments that together cover every range, in order; without any it is empty.
type set struct {
	segments []*segment
	starts   [ranges >> startShift]uint32 // the segment of the first of 1,024 ranges
	ends     []uint32                     // of the segments: the range after the last
}

// startShift leaves of a range its 10 leading bits: a billion records make some
// 700 segments, so that the first guess is nearly always right.
const startShift = rangeBits - 10

// of returns the segment that holds a range; nil in an empty set.
func (s *set) of(r uint32) *segment {
	if len(s.segments) == 0 {
		return nil
	}
	i := s.starts[r>>startShift]
	for s.ends[i] <= r {
		i++
	}
	return s.segments[i]
}

// index makes what of reads.
func (s *set) index() {
	for i, seg := range s.segments {
		s.ends = append(s.ends, seg.to)
		for r := (seg.from + 1<<startShift - 1) >> startShift; r <= (seg.to-1)>>startShift; r++ {
			s.starts[r] = uint32(i)
		}
	}
}

// lookup returns the count of a hash, 0 where it is not there.
func (s *set) lookup(hash []byte) (uint64, error) {
	seg := s.of(uint32(top(hash) >> rangeShift))
	if seg == nil {
		return 0, nil
	}
	return seg.lookup(hash)
}

// each calls visit with every record, in order; hash is valid during the call.
func (s *set) each(ctx context.Context, visit func(hash []byte, count uint64) error) error {
	for _, seg := range s.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := cursor{s: seg}
		for {
			ok, err := c.more()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if err := visit(c.hash(), c.count()); err != nil {
				return err
			}
			c.at++
		}
	}
	return nil
}

// openSet opens segment files. have are some that are open already.
func (c *Corpus) openSet(infos []segmentInfo, have map[string]*segment) (*set, error) {
	out := new(set)
	for _, info := range infos {
		seg := have[info.SHA256]
		if seg == nil {
			var err error
			if seg, err = c.openSegment(info); err != nil {
				return nil, err
			}
		}
		if seg.mode != c.mode || seg.from != info.From || seg.to != info.To || seg.records != info.Records {
			return nil, c.broken(info, damaged("it is not the one that the manifest names"))
		}
		out.segments = append(out.segments, seg)
	}
	out.index()
	return out, nil
}

// openSegment opens a segment's file.
func (c *Corpus) openSegment(info segmentInfo) (*segment, error) {
	f, err := c.dir.Open(info.name(c.mode))
	if errors.Is(err, files.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, c.broken(info, err)
	}
	var mapped []byte
	if !c.unmapped {
		mapped, _ = f.Map() // where it cannot be mapped it is read
	}
	seg, err := openSegment(f, f.Size(), mapped)
	if err != nil {
		f.Close()
		files.Unmap(mapped)
		return nil, c.broken(info, err)
	}
	return seg, nil
}
