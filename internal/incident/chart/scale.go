package chart

import (
	"slices"
	"time"
)

// scale places times from left to right. Where one gap would squash all the rest (a lifting two weeks after a busy
// night), it is cut out and drawn as a break of fixed width; the other gaps all have one measure.
type scale struct {
	segments []segment
}

type segment struct {
	from, to time.Time
	x0, x1   float64
}

// Rules of the break: a gap is cut where it is more than cutShare of the time that is left, while that leaves
// something to compare; never more often than maxBreaks.
const (
	cutShare  = .5
	maxBreaks = 3
	segPad    = 14.0 // room before and after the times of a segment
)

// newScale makes a scale from x0 to x1 that shows all of spans, with breaks of the given width.
func newScale(spans []span, x0, x1, breakWidth float64) scale {
	pieces := cut(spans)
	room := x1 - x0 - float64(len(pieces)-1)*breakWidth - float64(len(pieces))*2*segPad
	total := time.Duration(0)
	for _, p := range pieces {
		total += p.to.Sub(p.from)
	}
	var s scale
	x := x0
	for _, p := range pieces {
		w := 0.0
		if total > 0 {
			w = room * float64(p.to.Sub(p.from)) / float64(total)
		}
		s.segments = append(s.segments, segment{p.from, p.to, x + segPad, x + segPad + w})
		x += w + 2*segPad + breakWidth
	}
	return s
}

// cut joins spans into stretches without a long gap.
func cut(spans []span) []span {
	sorted := slices.Clone(spans)
	slices.SortStableFunc(sorted, func(a, b span) int { return a.from.Compare(b.from) })
	var joined []span // spans that touch are one
	for _, s := range sorted {
		if s.to.Before(s.from) {
			s.to = s.from
		}
		if n := len(joined); n > 0 && !s.from.After(joined[n-1].to) {
			joined[n-1].to = later(joined[n-1].to, s.to)
			continue
		}
		joined = append(joined, s)
	}
	if len(joined) < 3 {
		return []span{{joined[0].from, joined[len(joined)-1].to}}
	}
	broken := make([]bool, len(joined)) // [n]: between n-1 and n
	left := joined[len(joined)-1].to.Sub(joined[0].from)
	for range maxBreaks {
		longest, length := 0, time.Duration(0)
		for n := 1; n < len(joined); n++ {
			if gap := joined[n].from.Sub(joined[n-1].to); !broken[n] && gap > length {
				longest, length = n, gap
			}
		}
		unbroken := 0
		for n := 1; n < len(joined); n++ {
			if !broken[n] && n != longest {
				unbroken++
			}
		}
		if longest == 0 || unbroken == 0 || float64(length) < cutShare*float64(left) || left-length < time.Minute {
			break
		}
		broken[longest] = true
		left -= length
	}
	out := []span{joined[0]}
	for n := 1; n < len(joined); n++ {
		if broken[n] {
			out = append(out, joined[n])
			continue
		}
		out[len(out)-1].to = joined[n].to
	}
	return out
}

// x is where t stands. What lies in a break stands in the middle of it.
func (s scale) x(t time.Time) float64 {
	first := s.segments[0]
	if t.Before(first.from) {
		return first.x0
	}
	for n, g := range s.segments {
		if !t.After(g.to) {
			if t.Before(g.from) {
				return (s.segments[n-1].x1 + g.x0) / 2
			}
			if g.to.Equal(g.from) {
				return (g.x0 + g.x1) / 2
			}
			return g.x0 + (g.x1-g.x0)*float64(t.Sub(g.from))/float64(g.to.Sub(g.from))
		}
	}
	return s.segments[len(s.segments)-1].x1
}

// perHour is the width of an hour, 0 where no time passes.
func (s scale) perHour() float64 {
	for _, g := range s.segments {
		if d := g.to.Sub(g.from); d > 0 {
			return (g.x1 - g.x0) / d.Hours()
		}
	}
	return 0
}
