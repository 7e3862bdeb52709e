package chart

import (
	"fmt"
	"math"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
)

// Strips show how long something took in many incidents, one strip an interval, on one scale of time (its logarithm),
// with the incidents that are looked at marked among them.
type Strips struct {
	Lang  language.Lang
	Name  string
	Rows  []Strip
	About string // what the incidents are: "212 incidents of this archive"
}

// Strip is one interval.
type Strip struct {
	Label string // names both milestones
	archive.Distribution
	Marks []Marked
}

// Marked is an incident among the others.
type Marked struct {
	Name string // "this incident", or a letter
	Span archive.Span
	Rank string // "9th of 212", where that may be said
}

// OfIntervals makes the strips of the intervals of which something is known.
func OfIntervals(lang language.Lang, name string, all []archive.Distribution) Strips {
	s := Strips{Lang: lang, Name: name}
	for n, d := range all {
		if len(d.Spans) > 0 {
			s.Rows = append(s.Rows, Strip{Label: archive.Interval(n).Label(lang), Distribution: d})
		}
	}
	return s
}

// vague is the share of all that a rank may leave open and still say something.
const vague = .1

// Rank says where a placing stands: 9th of 212; from 9th to 31st of 212 where days do not tell; nothing where there
// are too few, or where so many took as long that it could stand nearly anywhere.
func Rank(lang language.Lang, p archive.Placing) string {
	switch {
	case !p.Claimed(), float64(p.RankTo-p.Rank) > vague*float64(p.N):
		return ""
	case p.RankTo > p.Rank:
		return fmt.Sprintf(lang.Pick("短いほうから%s～%s番目（%s件中）", "between %s and %s shortest of %s"), place1(lang, p.Rank), place1(lang, p.RankTo), language.Digits(int64(p.N)))
	case p.Rank == 1 && lang == language.EN:
		return fmt.Sprintf("the shortest of %s", language.Digits(int64(p.N)))
	}
	return fmt.Sprintf(lang.Pick("短いほうから%s番目（%s件中）", "%s shortest of %s"), place1(lang, p.Rank), language.Digits(int64(p.N)))
}

// Incidents writes how many incidents a figure rests on.
func Incidents(lang language.Lang, n int) string {
	if lang == language.EN && n == 1 {
		return "1 incident"
	}
	return language.Number(lang, int64(n)) + lang.Pick("件", " incidents")
}

// place1 writes an ordinal: 9 in Japanese, 9th in English.
func place1(lang language.Lang, n int) string {
	if lang == language.JA {
		return language.Digits(int64(n))
	}
	suffix := "th"
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		suffix = "st"
	case n%10 == 2:
		suffix = "nd"
	case n%10 == 3:
		suffix = "rd"
	}
	return language.Digits(int64(n)) + suffix
}

// minutes is where a span stands on the scale. "The same day" is somewhere within a day, and stands at half of one.
func minutes(s archive.Span) float64 {
	if s.Precision >= incident.Day && s.Minutes == 0 {
		return 12 * 60
	}
	return math.Max(float64(s.Minutes), 1)
}

// timeTicks are the round times of the scale.
var timeTicks = []struct {
	minutes float64
	ja, en  string
}{
	{1, "1分", "1 min"}, {10, "10分", "10 min"}, {60, "1時間", "1 hour"}, {360, "6時間", "6 hours"}, {1440, "1日", "1 day"}, {3 * 1440, "3日", "3 days"}, {7 * 1440, "7日", "7 days"},
	{30 * 1440, "30日", "30 days"}, {90 * 1440, "90日", "90 days"}, {365 * 1440, "1年", "1 year"}, {3650 * 1440, "10年", "10 years"}, {36500 * 1440, "100年", "100 years"},
}

// Chart draws the strips.
func (s Strips) Chart() Chart {
	c := Chart{Name: s.Name, Says: s.says(), Table: s.table()}
	if len(s.Rows) > 0 {
		c.drawings = []*canvas{s.draw("broad", broadWidth), s.draw("narrow", narrowWidth)}
	}
	return c
}

func (s Strips) says() string {
	out := ""
	for _, r := range s.Rows {
		out += r.Label + s.Lang.Pick("は、", ": ") + s.figures(r) + s.Lang.Pick("。", ". ")
		for _, m := range r.Marks {
			if m.Span.Precision == 0 {
				continue
			}
			out += m.Name + " " + archive.SpanText(s.Lang, m.Span) + " " + m.Rank + s.Lang.Pick("。", ". ")
		}
	}
	return out + s.Lang.Pick("時間は対数の目盛り。同じ内容の表が、下にあります。", "Time is on a logarithmic scale. The table below says the same.")
}

// figures are what is said of a strip: its median and quartiles, or that there are too few.
func (s Strips) figures(r Strip) string {
	n := Incidents(s.Lang, len(r.Spans))
	if len(r.Spans) < archive.Fewest {
		return fmt.Sprintf(s.Lang.Pick("%s（中央値を示すには少なすぎます）", "%s, too few for a median"), n)
	}
	t := func(x archive.Span) string { return archive.SpanText(s.Lang, x) }
	return fmt.Sprintf(s.Lang.Pick("中央値 %s、半数が %s～%s（%sによる）", "median %s, half between %s and %s, of %s"), t(r.Median), t(r.Q1), t(r.Q3), n)
}

func (s Strips) table() Table {
	l := s.Lang
	t := Table{Caption: s.Name, Columns: []Column{{Head: l.Pick("区間", "Interval")}, {Head: l.Pick("件数", "Incidents"), Number: true}, {Head: l.Pick("うち日単位の記録", "known to the day only"), Number: true},
		{Head: l.Pick("10%点", "10th percentile"), Number: true}, {Head: l.Pick("25%点", "25th percentile"), Number: true}, {Head: l.Pick("中央値", "Median"), Number: true},
		{Head: l.Pick("75%点", "75th percentile"), Number: true}, {Head: l.Pick("90%点", "90th percentile"), Number: true}}}
	marks := 0
	for _, r := range s.Rows {
		marks = max(marks, len(r.Marks))
	}
	for k := range marks {
		t.Columns = append(t.Columns, Column{Head: s.markName(k)}, Column{Head: l.Pick("順位", "Rank")})
	}
	for _, r := range s.Rows {
		row := []Cell{{Text: r.Label}, {Text: language.Digits(int64(len(r.Spans))), Machine: fmt.Sprint(len(r.Spans))}, {Text: language.Digits(int64(r.ToTheDay)), Machine: fmt.Sprint(r.ToTheDay)}}
		for _, q := range []archive.Span{r.P10, r.Q1, r.Median, r.Q3, r.P90} {
			row = append(row, SpanCell(l, q))
		}
		for _, m := range r.Marks {
			row = append(row, SpanCell(l, m.Span), Cell{Text: m.Rank})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (s Strips) markName(k int) string {
	for _, r := range s.Rows {
		if k < len(r.Marks) {
			return r.Marks[k].Name
		}
	}
	return ""
}

// SpanCell writes a span for a table, and for programs as ISO 8601 has durations: PT48M, P3D.
func SpanCell(l language.Lang, s archive.Span) Cell {
	switch {
	case s.Precision == 0:
		return Cell{}
	case s.Precision >= incident.Day:
		return Cell{Text: archive.SpanText(l, s), Machine: fmt.Sprintf("P%dD", s.Minutes/1440)}
	}
	return Cell{Text: archive.SpanText(l, s), Machine: fmt.Sprintf("PT%dM", s.Minutes)}
}

// Measures of a strip.
const (
	bold       = 1.12 // how much wider a label in bold is
	binWidth   = 7.0
	humpHeight = 46.0
	dotsUpTo   = 60 // incidents are drawn one by one up to this many
)

func (s Strips) draw(name string, w float64) *canvas {
	c := newCanvas("chart-strips", name, w)
	low, high := math.Inf(1), 0.0
	for _, r := range s.Rows {
		for _, x := range r.Spans {
			low, high = min(low, minutes(x)), max(high, minutes(x))
		}
		for _, m := range r.Marks {
			if m.Span.Precision == 0 {
				continue
			}
			low, high = min(low, minutes(m.Span)), max(high, minutes(m.Span))
		}
	}
	low, high = low*.8, high*1.25
	left, right := 8.0, w-8
	x := func(m float64) float64 { return left + (right-left)*math.Log(m/low)/math.Log(high/low) }
	type point struct {
		x    float64
		text string
	}
	var ticks []point
	free := -1.0
	for _, t := range timeTicks {
		if at := x(t.minutes); t.minutes >= low && t.minutes <= high {
			half := width(s.Lang.Pick(t.ja, t.en), sizeOf("tick")) / 2
			if at-half >= free && at+half <= w && at-half >= 0 {
				ticks = append(ticks, point{at, s.Lang.Pick(t.ja, t.en)})
				free = at + half + 8
			}
		}
	}
	y := 16.0
	for _, r := range s.Rows {
		c.text("head", start, 0, y, fold(r.Label, w, 13.5, 1)[0])
		note := s.figures(r)
		if w > 600 && width(r.Label, 13.5)+width(note, 11.5)+20 < w {
			c.text("note", end, w, y, note)
		} else {
			for _, line := range fold(note, w, 11.5, 2) {
				y += 16
				c.text("note", start, 0, y, line)
			}
		}
		y += 10
		y = s.marks(c, r, x, y, w)
		base := y + humpHeight
		for _, t := range ticks {
			c.line("grid", t.x, y, t.x, base)
		}
		hump(c, r.Distribution, x, left, right, base)
		c.line("axis", 0, base, w, base)
		if len(r.Spans) >= archive.Fewest {
			q1, q3 := x(minutes(r.Q1)), x(minutes(r.Q3))
			c.rect("quartiles", q1, base-3, max(q3-q1, 2), 6, 3)
			c.rect("median", x(minutes(r.Median))-1.5, base-8, 3, 16, 1)
		}
		for _, m := range r.Marks {
			if m.Span.Precision == 0 {
				continue
			}
			c.diamond("mark", x(minutes(m.Span)), base, 7)
		}
		for _, t := range ticks {
			c.text("tick", middle, t.x, base+20, t.text)
		}
		y = base + 54
	}
	c.height = y - 24
	return c
}

// marks writes the labels of the marked incidents above the strip, each in the first line in which it has room, and
// returns where the strip begins.
func (s Strips) marks(c *canvas, r Strip, x func(float64) float64, y, w float64) float64 {
	type used struct{ x0, x1 float64 }
	var lines [][]used
	for _, m := range r.Marks {
		if m.Span.Precision == 0 { // it has no such interval
			continue
		}
		text := m.Name + "  " + archive.SpanText(s.Lang, m.Span)
		if m.Rank != "" {
			text += s.Lang.Pick("、", ", ") + m.Rank
		}
		parts := fold(text, min(w, 420)/bold, 13, 2)
		tw := 0.0
		for _, p := range parts {
			tw = max(tw, width(p, 13)*bold)
		}
		tw = min(tw, w)
		at := x(minutes(m.Span))
		x0 := min(max(at-tw/2, 0), w-tw)
		row := 0
	search:
		for ; ; row++ {
			for k := range parts {
				if row+k >= len(lines) {
					continue
				}
				for _, u := range lines[row+k] {
					if x0 < u.x1+10 && u.x0 < x0+tw+10 {
						continue search
					}
				}
			}
			break
		}
		for k, p := range parts {
			for row+k >= len(lines) {
				lines = append(lines, nil)
			}
			lines[row+k] = append(lines[row+k], used{x0, x0 + tw})
			c.text("mark-label", start, x0, y+14+float64(row+k)*lineHeight, p)
		}
	}
	if len(lines) > 0 {
		y += float64(len(lines))*lineHeight + 8
	}
	return y
}

// hump draws the incidents of a strip: each as a dot where they are few, else as a silhouette of how many there are.
func hump(c *canvas, d archive.Distribution, x func(float64) float64, left, right, base float64) {
	bins := make([]int, int((right-left)/binWidth)+2)
	most := 0
	for _, s := range d.Spans {
		k := min(max(int((x(minutes(s))-left)/binWidth), 0), len(bins)-1)
		bins[k]++
		most = max(most, bins[k])
	}
	if most == 0 {
		return
	}
	if len(d.Spans) <= dotsUpTo && most <= 7 {
		for k, n := range bins {
			for j := range n {
				c.circle("peer", left+(float64(k)+.5)*binWidth, base-9-float64(j)*6, 2.6)
			}
		}
		return
	}
	for k, n := range bins {
		if n > 0 {
			h := math.Max(humpHeight*float64(n)/float64(most), 1.5)
			c.rect("hump", left+float64(k)*binWidth, base-h, binWidth-1, h, 0)
		}
	}
}
