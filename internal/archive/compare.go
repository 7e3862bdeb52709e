package archive

import (
	"context"
	"slices"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Comparison sets like against like: the time between two named milestones of one incident against the time between
// the same two of others, and never the notifying of a regulator against publication. What is known to the
// day is a range; where a range does not settle who was quicker, the rank is a range too.

// Interval names the time between two milestones.
type Interval int

// The intervals that are compared.
const (
	Detecting Interval = iota
	Containing
	Disclosing
	NotifyingRegulator
	intervals
)

// Intervals lists them in the order in which they are shown.
var Intervals = []Interval{Detecting, Containing, Disclosing, NotifyingRegulator}

// intervalWords says of each what it is called, for programs and for people, and from what to what it runs.
var intervalWords = [intervals]struct {
	word     string
	from, to string
	label    language.Text
}{
	{"detect", "window.start", "discovered", language.Both("最初の痕跡から発見まで", "From first trace to discovery")},
	{"contain", "discovered", "contained", language.Both("発見から遮断まで", "From discovery to containment")},
	{"disclose", "discovered", "disclosed", language.Both("発見から公表まで", "From discovery to disclosure")},
	{"notify-regulator", "discovered", "regulator-notified", language.Both("発見から監督機関への報告まで", "From discovery to the regulator's notice")},
}

// Word is the interval's name for programs.
func (v Interval) Word() string { return intervalWords[v].word }

// Label is what people call it; it names both milestones.
func (v Interval) Label(lang language.Lang) string { return intervalWords[v].label.In(lang) }

// Spans returns the entry's intervals, nil where one is not known.
func (e Entry) Spans() [intervals]*Span {
	return [intervals]*Span{e.Detect, e.Contain, e.Disclose, e.NotifyRegulator}
}

// SpanText writes a span no more exactly than it is known: in days of the calendar, or in hours and minutes.
func SpanText(lang language.Lang, s Span) string {
	if s.Precision >= incident.Day {
		switch n := s.Minutes / (24 * 60); n {
		case 0:
			return lang.Pick("同じ日", "the same day")
		case 1:
			return lang.Pick("1日", "1 day")
		default:
			return language.Digits(n) + lang.Pick("日", " days")
		}
	}
	return language.Duration(lang, time.Duration(s.Minutes)*time.Minute)
}

// bounds are the fewest and most minutes that s can have been. Two days of the calendar that are n apart hold moments
// that are more than n-1 and less than n+1 days apart.
func (s Span) bounds() (low, high int64) {
	slack := int64(0)
	switch s.Precision {
	case incident.Hour:
		slack = 60
	case incident.Day, incident.Month:
		slack = 24 * 60
	}
	return max(s.Minutes-slack, 0), s.Minutes + slack
}

// shorter reports whether a was certainly shorter than b. Spans known alike are compared as they are given: days with
// days, minutes with minutes.
func (s Span) shorter(b Span) bool {
	if s.Precision == b.Precision {
		return s.Minutes < b.Minutes
	}
	_, high := s.bounds()
	low, _ := b.bounds()
	return high <= low && s.Minutes < b.Minutes
}

// Fewest is how many incidents a quartile or a rank needs: of fewer, the figures are listed and nothing is claimed.
const Fewest = 5

// Placing is where one incident's interval stands among those of others.
type Placing struct {
	Interval Interval
	Span     Span
	N        int // how many incidents have this interval, this one included
	Rank     int // 1 is the shortest
	RankTo   int // above Rank where days do not tell who was shorter
	Distribution
}

// Claimed reports whether there are enough to speak of a rank and of quartiles.
func (s Placing) Claimed() bool { return s.N >= Fewest }

// Distribution is an interval over many incidents.
type Distribution struct {
	Spans          []Span // sorted
	Q1, Median, Q3 Span   // zero below Fewest
	P10, P90       Span
	ToTheDay       int // how many are known to the day only
}

// distribution sorts spans and takes quartiles: each is the span of an incident (the nearest rank), so that it has a
// precision of its own and none that is made up.
func distribution(spans []Span) Distribution {
	keys := make([]int64, len(spans)) // plain numbers sort several times as fast
	for n, s := range spans {
		keys[n] = s.Minutes<<3 | int64(s.Precision)
	}
	slices.Sort(keys)
	for n, k := range keys {
		spans[n] = Span{k >> 3, incident.Precision(k & 7)}
	}
	d := Distribution{Spans: spans}
	for _, s := range spans {
		if s.Precision >= incident.Day {
			d.ToTheDay++
		}
	}
	if len(spans) < Fewest {
		return d
	}
	d.P10, d.Q1, d.Median, d.Q3, d.P90 = quantile(spans, 10), quantile(spans, 25), quantile(spans, 50), quantile(spans, 75), quantile(spans, 90)
	return d
}

// quantile is the smallest of sorted that at least percent of a hundred do not exceed.
func quantile[T any](sorted []T, percent int) T {
	return sorted[max((len(sorted)*percent+99)/100, 1)-1]
}

// placing ranks own among all, which hold it too.
func placing(v Interval, own Span, d Distribution) Placing {
	s := Placing{Interval: v, Span: own, N: len(d.Spans), Distribution: d}
	before, unsettled := 0, 0
	for _, other := range d.Spans {
		switch {
		case other.shorter(own):
			before++
		case !own.shorter(other) && other.Precision != own.Precision:
			unsettled++
		}
	}
	s.Rank, s.RankTo = before+1, before+1+unsettled
	return s
}

// Distributions gives each interval over all incidents that are compared, but one: what somebody's own is held against.
func (v *View) Distributions(ctx context.Context, but string) ([intervals]Distribution, error) {
	var spans [intervals][]Span
	err := v.EachEntry(ctx, func(e Entry) error {
		if e.Withdrawn || e.ID == but {
			return nil
		}
		for i, s := range e.Spans() {
			if s != nil {
				spans[i] = append(spans[i], *s)
			}
		}
		return nil
	})
	var out [intervals]Distribution
	for i := range spans {
		out[i] = distribution(spans[i])
	}
	return out, err
}
