package chart

import (
	"fmt"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// The lanes of the broad timeline, from the top.
const (
	laneWindow = iota
	laneResponse
	laneTold
	lanePromised
	lanes
)

func (t Timeline) laneName(lane int) string {
	switch lane {
	case laneWindow:
		return t.Lang.Pick("期間", "Window")
	case laneResponse:
		return t.Lang.Pick("発見・対応", "Response")
	case laneTold:
		return t.Lang.Pick("公表・追記", "Told")
	}
	return t.Lang.Pick("予告", "Promised")
}

// item is a mark with its label, to be placed in a lane.
type item struct {
	from, to float64 // of the mark
	class    string  // of the label
	lines    []string
	draw     func(y float64)

	row   int // within the lane
	x     float64
	side  string // the label's anchor
	below bool
}

// Measures of the broad drawing.
const (
	broadWidth = 800.0
	plotLeft   = 96.0
	plotRight  = broadWidth - 8
	labelGap   = 10.0  // between a mark and its label, and between one label and the next mark
	labelWidth = 232.0 // at most
	rowHeight  = 25.0
	lanePad    = 9.0
	axisTop    = 34.0
)

// place gives every item of a lane a row in which neither its mark nor its label touches another's, and returns the
// height of each row. Marks are in the order of time, so a busy hour becomes a stair.
func place(items []*item) []float64 {
	type taken struct{ x0, x1 float64 }
	var rows [][]taken
	var heights []float64
	fits := func(row int, x0, x1 float64) bool {
		if x0 < plotLeft || x1 > plotRight {
			return false
		}
		if row < len(rows) {
			for _, t := range rows[row] {
				if x0 < t.x1+labelGap && t.x0-labelGap < x1 {
					return false
				}
			}
		}
		return true
	}
	for _, it := range items {
		w := 0.0
		for _, l := range it.lines {
			w = max(w, width(l, sizeOf(it.class)))
		}
		for row := 0; ; row++ {
			right, left := it.to+labelGap+w, it.from-labelGap-w
			under := min(max(it.from, plotLeft), max(plotRight-w, plotLeft))
			x0, x1 := 0.0, 0.0
			switch {
			case fits(row, it.from, right):
				it.side, it.x, x0, x1 = start, it.to+labelGap, it.from, right
			case fits(row, left, it.to):
				it.side, it.x, x0, x1 = end, it.from-labelGap, left, it.to
			case (right > plotRight && left < plotLeft || row > 400) && fits(row, min(it.from, under), min(max(it.to, under+w), plotRight)):
				it.side, it.x, it.below, x0, x1 = start, under, true, min(it.from, under), max(it.to, under+w)
			case row < len(rows):
				continue
			default: // a mark that is as wide as the plot has a row for itself
				it.side, it.x, it.below, x0, x1 = start, plotLeft, true, plotLeft, plotRight
			}
			it.row = row
			if row == len(rows) {
				rows, heights = append(rows, nil), append(heights, rowHeight)
			}
			rows[row] = append(rows[row], taken{x0, x1})
			need := rowHeight + float64(len(it.lines)-1)*lineHeight
			if it.below {
				need += lineHeight
			}
			heights[row] = max(heights[row], need)
			break
		}
	}
	return heights
}

// broad draws the lanes from left to right.
func (t Timeline) broad() *canvas {
	c := newCanvas("chart-timeline", "broad", broadWidth)
	l := newLabels(t)
	gutter := 0.0
	for _, g := range gaps(cut(t.spans())) {
		gutter = max(gutter, width(short(t.Lang, g), sizeOf("note"))+14)
	}
	s := newScale(t.spans(), plotLeft, plotRight, gutter)
	items := t.items(c, s, l)

	y := axisTop + 6
	var tops [lanes + 1]float64
	heights := make([][]float64, lanes)
	for lane := range lanes {
		tops[lane] = y
		if len(items[lane]) == 0 {
			continue
		}
		heights[lane] = place(items[lane])
		y += 2 * lanePad
		for _, h := range heights[lane] {
			y += h
		}
	}
	tops[lanes] = y
	c.height = y + 4
	t.axis(c, s, l, y)
	for lane := range lanes {
		if len(items[lane]) == 0 {
			continue
		}
		c.line("rule", 0, tops[lane], broadWidth, tops[lane])
		c.text("lane", start, 0, tops[lane]+lanePad+rowHeight/2+4, t.laneName(lane))
		for _, it := range items[lane] {
			top := tops[lane] + lanePad
			for row := range it.row {
				top += heights[lane][row]
			}
			mid := top + rowHeight/2
			it.draw(mid)
			base := mid + 4.5
			if it.below {
				base += lineHeight + 2
			}
			for n, line := range it.lines {
				c.text(it.class, it.side, it.x, base+float64(n)*lineHeight, line)
			}
		}
	}
	c.line("rule", 0, y, broadWidth, y)
	return c
}

// items makes the marks of each lane.
func (t Timeline) items(c *canvas, s scale, l labels) [lanes][]*item {
	var out [lanes][]*item
	out[laneWindow] = t.window(c, s, l)
	for _, e := range t.Events {
		lane, class, mark := laneResponse, "label", "dot"
		if e.Lane == Told {
			lane = laneTold
		}
		if e.Key {
			class, mark = "label key", "dot key"
		}
		x0, x1 := s.x(e.At.Time), s.x(until(e.At))
		it := &item{from: x0 - 5, to: x0 + 5, class: class, lines: fold(l.when(e.At, e.About)+"  "+e.What, labelWidth, 13, 3)}
		it.draw = func(y float64) { c.circle(mark, x0, y, 4.5) }
		if x1-x0 > 10 { // a day without a time: somewhere within the bar
			it.from, it.to = x0, x1
			it.draw = func(y float64) { c.rect("day "+mark, x0, y-3.5, x1-x0, 7, 3.5) }
		}
		out[lane] = append(out[lane], it)
	}
	for _, p := range t.Promises {
		out[lanePromised] = append(out[lanePromised], t.promise(c, s, l, p))
	}
	return out
}

// window is the band, or a tick where only one end of it is known.
func (t Timeline) window(c *canvas, s scale, l labels) []*item {
	switch {
	case t.Start.IsZero() && t.End.IsZero():
		return nil
	case t.Start.IsZero() || t.End.IsZero() || until(t.End).Before(t.Start.Time):
		var out []*item
		for _, one := range []struct {
			m    incident.Moment
			what string
		}{{t.Start, t.Lang.Pick("（始まり）", " (start)")}, {t.End, t.Lang.Pick("（終わり）", " (end)")}} {
			if one.m.IsZero() {
				continue
			}
			x := s.x(one.m.Time)
			out = append(out, &item{from: x - 5, to: x + 5, class: "label", lines: fold(l.when(one.m, false)+"  "+t.WindowName+one.what, labelWidth, 13, 2),
				draw: func(y float64) { c.rect("band", x-2, y-8, 4, 16, 1) }})
		}
		return out
	}
	x0, x1 := s.x(t.Start.Time), s.x(until(t.End))
	x1 = max(x1, x0+4)
	text := l.when(t.Start, false) + " – " + l.when(t.End, false)
	if t.Start.Precision == incident.Minute && t.End.Precision == incident.Minute {
		text += t.Lang.Pick("（", " (") + language.Duration(t.Lang, t.End.Time.Sub(t.Start.Time)) + t.Lang.Pick("）", ")")
	}
	return []*item{{from: x0, to: x1, class: "label key", lines: append(fold(t.WindowName, labelWidth+60, 13, 1), fold(text, labelWidth+110, 13, 2)...),
		draw: func(y float64) { c.rect("band", x0, y-8, x1-x0, 16, 2) }}}
}

// promise is the tick of the time that was announced, joined to what became of it.
func (t Timeline) promise(c *canvas, s scale, l labels, p Promise) *item {
	tick0, tick1 := s.x(p.For.Time), s.x(p.due())
	reach := s.x(p.reach())
	if !p.Done.IsZero() {
		reach = s.x(p.Done.Time)
	}
	it := &item{from: min(tick0, reach) - 4, to: max(tick1, reach) + 5, class: "label"}
	if p.Late() {
		it.class = "label slipped"
	}
	first := fmt.Sprintf(t.Lang.Pick("予告: %s", "Promised: %s"), l.when(p.For, p.About))
	if p.For.Precision >= incident.Day {
		first = fmt.Sprintf(t.Lang.Pick("予告: %s中", "Promised: within %s"), l.when(p.For, p.About))
	}
	first += t.Lang.Pick(" → ", " → ") + t.outcome(p, func(m incident.Moment) string { return l.when(m, false) })
	it.lines = append(fold(first, labelWidth+60, 13, 2), fold(p.What, labelWidth+60, 13, 2)...)
	it.draw = func(y float64) {
		class := "kept"
		if p.Late() {
			class = "slipped"
		}
		if tick1-tick0 > 10 {
			c.rect("due", tick0, y-3.5, tick1-tick0, 7, 3.5)
		} else {
			c.line("tick due", tick0, y-8, tick0, y+8)
		}
		if p.Outcome == Open && p.Done.IsZero() {
			return
		}
		from := tick0
		if tick1-tick0 > 10 {
			from = min(tick1, reach)
		}
		if reach != from {
			c.line(class+" join", from, y, reach, y)
		}
		switch {
		case !p.Done.IsZero() && p.Late():
			c.circle("dot slipped", reach, y, 4.5)
		case !p.Done.IsZero():
			c.circle("dot key", reach, y, 4.5)
		case p.Late():
			c.cross("slipped", max(reach, tick0+9), y, 4)
		default:
			c.circle("dot key", tick0, y, 4.5)
		}
	}
	if p.Late() && p.Done.IsZero() {
		it.to = max(it.to, tick0+14)
	}
	return it
}

// axis draws the ticks of time at the top, their lines through all lanes, and the breaks.
func (t Timeline) axis(c *canvas, s scale, l labels, bottom float64) {
	free := plotLeft - 40.0
	if !l.year { // no label says it
		c.text("lane", start, 0, axisTop-10, language.Year(t.Lang, s.segments[0].from.In(l.zone)))
	}
	for _, tick := range s.ticks(l) {
		w := width(tick.text, sizeOf("tick"))
		c.line("grid", tick.x, axisTop, tick.x, bottom)
		if tick.x-w/2 < free || tick.x+w/2 > broadWidth {
			continue
		}
		c.text("tick", middle, tick.x, axisTop-10, tick.text)
		free = tick.x + w/2 + 8
	}
	cuts := gaps(cut(t.spans()))
	for n, g := range s.segments {
		c.line("axis", g.x0-segPad+2, axisTop, g.x1+segPad-2, axisTop)
		if n == 0 {
			continue
		}
		before := s.segments[n-1]
		a, b := before.x1+segPad, g.x0-segPad
		for _, x := range []float64{a, b} {
			c.path("break", fmt.Sprintf("M%s %sl6 -12", num(x-3), num(axisTop+6)))
			c.line("break through", x, axisTop+8, x, bottom)
		}
		c.text("note", middle, (a+b)/2, axisTop+4, short(t.Lang, cuts[n-1]))
	}
}

// gaps are the lengths of what was cut out.
func gaps(stretches []span) []time.Duration {
	var out []time.Duration
	for n := 1; n < len(stretches); n++ {
		out = append(out, stretches[n].from.Sub(stretches[n-1].to))
	}
	return out
}

// short writes a length of time in its largest unit, for the break of an axis.
func short(lang language.Lang, d time.Duration) string {
	days := int64(d / (24 * time.Hour))
	switch {
	case days >= 730:
		return fmt.Sprintf(lang.Pick("約%d年", "%d years"), (days+182)/365)
	case days >= 92:
		return fmt.Sprintf(lang.Pick("約%dか月", "%d months"), (days*2+30)/61)
	case days >= 2:
		return fmt.Sprintf(lang.Pick("%d日", "%d days"), days)
	}
	return language.Duration(lang, d)
}
