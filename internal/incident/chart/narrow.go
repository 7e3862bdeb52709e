package chart

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Measures of the narrow drawing.
const (
	narrowWidth = 320.0
	clockRight  = 46.0
	railLeft    = 54.0 // rails of the promises, up to three beside each other
	railWidth   = 7.0
	spineX      = 82.0
	textLeft    = 98.0
)

// stop is a point of the narrow drawing, from top to bottom.
type stop struct {
	at      time.Time
	m       incident.Moment
	what    string
	class   string // of its text
	mark    func(c *canvas, y float64)
	promise int // 1 + index of the promise it is a stop of
	y       float64
}

// narrow draws the timeline downwards: every label has its own lines, so none can meet another. Gaps grow with the
// logarithm of the time between.
func (t Timeline) narrow() *canvas {
	c := newCanvas("chart-timeline", "narrow", narrowWidth)
	l := newLabels(t)
	stops := t.stops(l)
	y, day := 18.0, ""
	var last time.Time
	for n := range stops {
		s := &stops[n]
		today := l.day(s.m, day)
		if n > 0 {
			y += gapHeight(s.at.Sub(last))
			if s.at.Sub(last) >= 48*time.Hour && max(s.m.Precision, stops[n-1].m.Precision) <= incident.Day {
				c.text("note", start, textLeft, y-2, short(t.Lang, s.at.Sub(last)))
				c.path("break", fmt.Sprintf("M%s %sl10 -4M%s %sl10 -4", num(spineX-5), num(y-5), num(spineX-5), num(y)))
				y += 24
			}
		}
		if today != day && !strings.HasSuffix(day, "年"+today) && !strings.HasPrefix(day, today+" ") {
			day = today
			c.text("lane", start, 0, y+4.5, day)
			y += 24
		}
		last = s.at
		s.y = y
		if s.m.Exact() {
			c.text("when", end, clockRight, y+4.5, s.m.Time.Format("15:04"))
		}
		lines := fold(s.what, narrowWidth-textLeft-2, 13, 5)
		for k, line := range lines {
			c.text(s.class, start, textLeft, y+4.5+float64(k)*lineHeight, line)
		}
		y += float64(max(len(lines)-1, 0)) * lineHeight
	}
	c.height = y + 18
	top := newCanvas("", "", 0) // what lies below the marks is drawn first
	top.line("axis", spineX, stops[0].y, spineX, stops[len(stops)-1].y)
	if y0, y1, ok := t.windowAt(stops); ok {
		top.rect("band", spineX-7, y0, 14, y1-y0, 3)
	}
	t.rails(top, stops)
	for _, s := range stops {
		s.mark(top, s.y)
	}
	top.b.WriteString(c.b.String())
	c.b = top.b
	return c
}

// stops lists the points in the order of time.
func (t Timeline) stops(l labels) []stop {
	var out []stop
	dot := func(class string) func(*canvas, float64) {
		return func(c *canvas, y float64) { c.circle(class, spineX, y, 5) }
	}
	edge := func(c *canvas, y float64) { c.rect("edge", spineX-7, y-1.5, 14, 3, 1) }
	for _, one := range []struct {
		m    incident.Moment
		what string
	}{{t.Start, t.Lang.Pick("（始まり）", " (start)")}, {t.End, t.Lang.Pick("（終わり）", " (end)")}} {
		if !one.m.IsZero() {
			out = append(out, stop{at: one.m.Time, m: one.m, what: t.WindowName + one.what, class: "label", mark: edge})
		}
	}
	about := func(yes bool, s string) string {
		if yes {
			return s + t.Lang.Pick("（頃）", " (about then)")
		}
		return s
	}
	for _, e := range t.Events {
		class, mark := "label", "dot"
		if e.Key {
			class, mark = "label key", "dot key"
		}
		out = append(out, stop{at: e.At.Time, m: e.At, what: about(e.About, e.What), class: class, mark: dot(mark)})
	}
	for n, p := range t.Promises {
		class := "label"
		if p.Late() {
			class = "label slipped"
		}
		due := stop{at: p.For.Time, m: p.For, class: class, promise: n + 1,
			what: t.Lang.Pick("予告", "Promised") + about(p.About, "") + ": " + p.What,
			mark: func(c *canvas, y float64) { c.line("tick due", spineX-7, y, spineX+7, y) }}
		if p.Done.IsZero() { // no stop of its own says what became of it
			due.what += " → " + t.outcome(p, plainWhen(t.Lang))
		}
		if p.Outcome == Slipped && p.Done.IsZero() {
			due.mark = func(c *canvas, y float64) {
				c.line("tick due", spineX-7, y, spineX+7, y)
				c.cross("slipped", spineX, y, 4)
			}
		}
		out = append(out, due)
		if p.Done.IsZero() {
			continue
		}
		what, mark := t.Lang.Pick("実施: ", "Done: "), "dot key"
		if p.Late() {
			what, mark = t.Lang.Pick("遅れて実施: ", "Done, late: "), "dot slipped"
		}
		out = append(out, stop{at: p.Done.Time, m: p.Done, what: what + p.What, class: class, promise: n + 1, mark: dot(mark)})
	}
	slices.SortStableFunc(out, func(a, b stop) int { return a.at.Compare(b.at) })
	return out
}

// windowAt is where the band of the window begins and ends.
func (t Timeline) windowAt(stops []stop) (y0, y1 float64, ok bool) {
	y0, y1 = math.Inf(1), math.Inf(-1)
	if t.Start.IsZero() || t.End.IsZero() {
		return 0, 0, false
	}
	for _, s := range stops {
		if s.promise == 0 && s.at.Equal(t.Start.Time) {
			y0 = min(y0, s.y)
		}
		if s.promise == 0 && s.at.Equal(t.End.Time) {
			y1 = max(y1, s.y)
		}
	}
	return y0, y1, y1 > y0
}

// rails join the tick of a promise to what became of it, beside the spine.
func (t Timeline) rails(c *canvas, stops []stop) {
	var taken [3]float64 // down to where each rail is in use
	for n, p := range t.Promises {
		y0, y1 := math.Inf(1), math.Inf(-1)
		for _, s := range stops {
			if s.promise == n+1 {
				y0, y1 = min(y0, s.y), max(y1, s.y)
			}
		}
		if y1 <= y0 {
			continue
		}
		rail := 0
		for k := range taken {
			if y0 > taken[k] {
				rail = k
				break
			}
		}
		taken[rail] = y1 + 4
		class := "kept join"
		if p.Late() {
			class = "slipped join"
		}
		x := railLeft + float64(2-rail)*railWidth
		c.path(class, fmt.Sprintf("M%s %sH%sV%sH%s", num(spineX-7), num(y0), num(x), num(y1), num(spineX-5)))
	}
}

// gapHeight is the distance between two points.
func gapHeight(gap time.Duration) float64 { return 27 + 7*math.Log1p(max(gap.Hours(), 0)) }

// day is the heading above the first point of a day, with the year where it is the first heading or years differ.
func (l labels) day(m incident.Moment, before string) string {
	switch {
	case m.Precision > incident.Day:
		return m.In(l.lang)
	case before == "" || l.year:
		return language.Date(l.lang, m.Time)
	}
	return m.Time.Format(l.lang.Pick("1月2日", "2 January"))
}
