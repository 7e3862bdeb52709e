package check

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrAudit says that a served layer is not the fold of its source layers.
var ErrAudit = errors.New("the served layer is not the fold of its sources")

// How many sources of a fold are drawn in each check, and how many at least
// belong to a saved answer: there was a time when three were drawn.
const (
	sampled      = 8
	leastSampled = 3
)

// sampleOf returns how many of a layer's sources are compared, of so many as are
// drawn: a layer with one is that source.
func sampleOf(l *Layer, drawn int) int {
	if len(l.Sources) == 1 {
		return 0
	}
	return min(drawn, len(l.Sources))
}

// sourceGroup says what is asked of a source layer to compare it with a group of
// a fold: the layer's bits, and the leading bits of the output that are shown,
// which are no more than the fold's server saw.
func sourceGroup(src Source, locatorBits, depth int) (bits, p int) {
	bits = BucketBits(src.N, locatorBits)
	return bits, min(bits, depth)
}

// holds checks that a group of a fold has the entries of its sources that were
// asked: all of them, and nothing else where every source was.
func (g *Group) holds(l *Layer, sources map[Hash]*Group) error {
	var all []byte
	for _, s := range sources {
		all = append(all, s.entries(g.Number, g.Depth)...)
	}
	if len(sources) == len(l.Sources) {
		sortEntries(all)
		if !bytes.Equal(all, g.entries(g.Number, g.Depth)) {
			return fmt.Errorf("%w: layer %s", ErrAudit, l.ID)
		}
		return nil
	}
	for i := 0; i < len(all); i += EntrySize {
		e := all[i : i+EntrySize]
		in := g.Buckets[bucketOf(e, g.Bits)&(1<<(g.Bits-g.Depth)-1)].Entries
		at := searchEntries(in, e) * EntrySize
		if at >= len(in) || !bytes.Equal(in[at:at+EntrySize], e) {
			return fmt.Errorf("%w: layer %s lacks an entry of a source", ErrAudit, l.ID)
		}
	}
	return nil
}
