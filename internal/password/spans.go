package password

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A span is the ranges From ≤ r < To.
type span struct {
	From uint32 `json:"from"`
	To   uint32 `json:"to"`
}

// spans are ranges as spans in ascending order that neither overlap nor touch.
type spans []span

func (s spans) valid() bool {
	next := uint32(0)
	for i, x := range s {
		if x.From < next || i > 0 && x.From == next || x.To <= x.From || x.To > ranges {
			return false
		}
		next = x.To
	}
	return true
}

// has reports whether a range is among them.
func (s spans) has(r uint32) bool {
	i, _ := slices.BinarySearchFunc(s, r, func(x span, r uint32) int {
		if x.To <= r {
			return -1
		}
		return 1
	})
	return i < len(s) && s[i].From <= r
}

// size is how many ranges they are.
func (s spans) size() (n int64) {
	for _, x := range s {
		n += int64(x.To - x.From)
	}
	return n
}

// spansOf makes spans of ranges in any order.
func spansOf(rs []uint32) spans {
	all := make([]span, len(rs))
	for i, r := range rs {
		all[i] = span{r, r + 1}
	}
	return spans(nil).with(all)
}

// with are those of s and more, which may be in any order.
func (s spans) with(more []span) (out spans) {
	all := slices.Concat(s, more)
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.From, b.From) })
	for _, x := range all {
		if n := len(out); n > 0 && out[n-1].To >= x.From {
			out[n-1].To = max(out[n-1].To, x.To)
		} else {
			out = append(out, x)
		}
	}
	return out
}

// without are those of s that are not in gone.
func (s spans) without(gone spans) (out spans) {
	for _, x := range s {
		i, _ := slices.BinarySearchFunc(gone, x.From, func(g span, from uint32) int { return cmp.Compare(g.To, from+1) })
		for ; i < len(gone) && gone[i].From < x.To; i++ {
			if g := gone[i]; g.From > x.From {
				out = append(out, span{x.From, g.From})
			}
			x.From = max(x.From, gone[i].To)
		}
		if x.From < x.To {
			out = append(out, x)
		}
	}
	return out
}

// names writes them as people read them: 0ABCD, 0B000-0B0FF.
func (s spans) names() []string {
	out := make([]string, 0, len(s))
	for _, x := range s {
		name := fmt.Sprintf("%05X", x.From)
		if x.To > x.From+1 {
			name += fmt.Sprintf("-%05X", x.To-1)
		}
		out = append(out, name)
	}
	return out
}

// some writes the first of them, for an error of one line.
func (s spans) some() string {
	const most = 10
	names := s.names()
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
