package chart

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
)

// drawnYears is how many years a drawing has room for; the table has all.
const drawnYears = 24

// Years counts the incidents of each year, those without a number of affected apart.
func Years(lang language.Lang, name string, years []archive.YearFigures) Chart {
	l := lang
	c := Chart{Name: name}
	t := Table{Caption: name, Columns: []Column{{Head: l.Pick("年", "Year")}, {Head: l.Pick("件数", "Incidents"), Number: true}, {Head: l.Pick("うち対象の数の記録があるもの", "with a number of affected"), Number: true},
		{Head: l.Pick("うち上限・延べだけのもの", "with an upper bound or a cumulative number only"), Number: true}, {Head: l.Pick("うち記録がないもの", "without a number"), Number: true}}}
	total, unknown := 0, 0
	for _, y := range years {
		t.Rows = append(t.Rows, []Cell{{Text: fmt.Sprint(y.Year)}, count(y.N), count(y.N - y.Unknown - y.Bounded), count(y.Bounded), count(y.Unknown)})
		total, unknown = total+y.N, unknown+y.Unknown
	}
	c.Table = t
	c.Says = fmt.Sprintf(l.Pick("年ごとの件数。全部で%s件、うち対象の数の記録がないものが%s件。同じ内容の表が、下にあります。", "Incidents a year: %s in all, of which %s have no number of affected. The table below says the same."),
		language.Digits(int64(total)), language.Digits(int64(unknown)))
	if len(years) == 0 {
		return c
	}
	shown := fill(years)
	c.drawings = []*canvas{columns(l, shown), bars(l, shown)}
	return c
}

func count(n int) Cell { return Cell{Text: language.Digits(int64(n)), Machine: fmt.Sprint(n)} }

// fill is the last years, with those between of which there is nothing.
func fill(years []archive.YearFigures) []archive.YearFigures {
	last := years[len(years)-1].Year
	first := max(years[0].Year, last-drawnYears+1)
	var out []archive.YearFigures
	for y := first; y <= last; y++ {
		k := slices.IndexFunc(years, func(x archive.YearFigures) bool { return x.Year == y })
		if k < 0 {
			out = append(out, archive.YearFigures{Year: y})
			continue
		}
		out = append(out, years[k])
	}
	return out
}

// legend explains the parts of a column.
func legend(c *canvas, l language.Lang, y float64, perLine bool) float64 {
	x := 0.0
	for _, k := range []struct{ class, ja, en string }{
		{"part known", "対象の数の記録あり", "number of affected known"}, {"part bounded", "上限・延べのみ", "upper bound or cumulative"}, {"part unknown", "記録なし", "number not known"}} {
		text := l.Pick(k.ja, k.en)
		c.rect(k.class, x+.5, y-9, 11, 10, 1)
		c.text("note", start, x+17, y, text)
		if perLine {
			y += 17
		} else {
			x += 17 + width(text, 11.5) + 22
		}
	}
	if !perLine {
		y += 17
	}
	return y
}

func columns(l language.Lang, years []archive.YearFigures) *canvas {
	c := newCanvas("chart-years", "broad", broadWidth)
	y := legend(c, l, 14, false)
	top, base := y+22, y+22+190.0
	most := 1
	for _, x := range years {
		most = max(most, x.N)
	}
	step := min(broadWidth/float64(len(years)), 64)
	scale := (base - top) / float64(most)
	for n, x := range years {
		left := float64(n)*step + step*.14
		w := step * .72
		stack(func(class string, from, to float64) { c.rect(class, left, base-to*scale, w, (to-from)*scale, 0) }, x)
		if s := language.Digits(int64(x.N)); x.N > 0 && width(s, 11.5) < step {
			c.text("note", middle, left+w/2, base-float64(x.N)*scale-6, s)
		}
		if s := fmt.Sprint(x.Year); width(s, 11.5)+6 < step || n%2 == (len(years)-1)%2 {
			c.text("tick", middle, max(left+w/2, width(s, 11.5)/2), base+17, s)
		}
	}
	c.line("axis", 0, base, broadWidth, base)
	c.height = base + 26
	return c
}

// stack returns the parts of a year from the axis: known, bounded, unknown.
func stack(part func(class string, from, to float64), y archive.YearFigures) {
	known := float64(y.N - y.Unknown - y.Bounded)
	part("part known", 0, known)
	part("part bounded", known, known+float64(y.Bounded))
	part("part unknown", known+float64(y.Bounded), float64(y.N))
}

func bars(l language.Lang, years []archive.YearFigures) *canvas {
	c := newCanvas("chart-years", "narrow", narrowWidth)
	y := legend(c, l, 14, true) + 6
	most := 1
	for _, x := range years {
		most = max(most, x.N)
	}
	left, room := 44.0, narrowWidth-44-8-width(language.Digits(int64(most)), 11.5)
	for _, x := range slices.Backward(years) {
		c.text("tick", start, 0, y+11, fmt.Sprint(x.Year))
		stack(func(class string, from, to float64) {
			c.rect(class, left+from/float64(most)*room, y+1, (to-from)/float64(most)*room, 13, 0)
		}, x)
		c.text("note", start, left+float64(x.N)/float64(most)*room+6, y+11, language.Digits(int64(x.N)))
		y += 20
	}
	c.height = y + 4
	return c
}

// Units lists the units of sizes that occur, the most frequent first. Each has a drawing of its own: accounts are not
// people, and records are neither.
func Units(years []archive.YearFigures) []string {
	n := map[string]int{}
	for _, y := range years {
		for unit, s := range y.Sizes {
			n[unit] += s.N
		}
	}
	units := slices.Collect(maps.Keys(n))
	slices.SortFunc(units, func(a, b string) int { return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b)) })
	return units
}

// Sizes shows how large the incidents of each year were, counted in unit, on a logarithmic scale: half of them within
// the bar, the median across it, and where there are fewer than five, each as a dot.
func Sizes(lang language.Lang, name, unit string, years []archive.YearFigures) Chart {
	l := lang
	in := func(ja, en string) Column { // a column of numbers names what they count
		return Column{Head: l.Pick(ja+"（"+incident.Word(l, unit)+"）", en+" ("+incident.Word(l, unit)+")"), Number: true}
	}
	t := Table{Caption: name, Columns: []Column{{Head: l.Pick("年", "Year")}, {Head: l.Pick("件数", "Incidents"), Number: true}, in("最小", "Smallest"), in("25%点", "25th percentile"),
		in("中央値", "Median"), in("75%点", "75th percentile"), in("最大", "Largest"),
		{Head: l.Pick("数の記録なし", "without a number"), Number: true}}}
	n, unknown := 0, 0
	var with []archive.YearFigures
	for _, y := range years {
		s := y.Sizes[unit]
		unknown += y.Unknown
		if s.N == 0 {
			continue
		}
		n += s.N
		with = append(with, y)
		row := []Cell{{Text: fmt.Sprint(y.Year)}, count(s.N), number(l, s.Smallest), {}, {}, {}, number(l, s.Large), count(y.Unknown)}
		if s.N >= archive.Fewest {
			row[3], row[4], row[5] = number(l, s.Q1), number(l, s.Median), number(l, s.Q3)
		}
		t.Rows = append(t.Rows, row)
	}
	c := Chart{Name: name, Table: t, Says: fmt.Sprintf(l.Pick("年ごとの規模（単位は%s、対数の目盛り）。%sによる。数の記録がない%s件は含まない。同じ内容の表が、下にあります。",
		"Sizes a year, in %s, on a logarithmic scale, of %s; %s without a number are not in it. The table below says the same."), incident.Word(l, unit), Incidents(l, n), language.Digits(int64(unknown)))}
	if n < archive.Fewest { // two dots are not a picture
		return c
	}
	c.drawings = []*canvas{sizesDrawing(l, unit, fill(with), true), sizesDrawing(l, unit, fill(with), false)}
	return c
}

func number(l language.Lang, n int64) Cell {
	return Cell{Text: language.Number(l, n), Machine: fmt.Sprint(n)}
}

// sizesDrawing draws years from left to right, or where narrow, downwards from the newest.
func sizesDrawing(l language.Lang, unit string, years []archive.YearFigures, broad bool) *canvas {
	low, high := int64(math.MaxInt64), int64(1)
	for _, y := range years {
		if s := y.Sizes[unit]; s.N > 0 {
			low, high = min(low, max(s.Smallest, 1)), max(high, s.Large)
		}
	}
	from, to := math.Floor(math.Log10(float64(low))), math.Ceil(math.Log10(float64(high)))
	if to <= from {
		to = from + 1
	}
	c := newCanvas("chart-sizes", "narrow", narrowWidth)
	step, left, right, top, base := 24.0, 44.0, narrowWidth-42, 46.0, 46+24*float64(len(years))
	if broad {
		c = newCanvas("chart-sizes", "broad", broadWidth)
		left, right, top, base = 84, broadWidth, 26, 226
		step = min((right-left)/float64(len(years)), 64)
	}
	value := func(v float64) float64 { // along the axis of sizes
		share := (math.Log10(max(v, 1)) - from) / (to - from)
		if broad {
			return base - share*(base-top)
		}
		return left + share*(right-left)
	}
	free := math.Inf(-1)
	for p := from; p <= to; p++ {
		at, text := value(math.Pow(10, p)), round(l, int64(math.Pow(10, p)))
		if broad {
			c.line("grid", left, at, right, at)
			if int(to-p)%max(int((to-from)/6), 1) == 0 {
				c.text("tick", end, left-8, at+4, text)
			}
			continue
		}
		c.line("grid", at, top-6, at, base)
		if w := width(text, 11.5) / 2; at-w > free && at+w < narrowWidth {
			c.text("tick", middle, at, top-12, text)
			free = at + w + 6
		}
	}
	for n, y := range years {
		s := y.Sizes[unit]
		mid := left + (float64(n)+.5)*step
		if !broad {
			mid = top + (float64(len(years)-1-n)+.5)*step
		}
		box := func(class string, a, b, thick, r float64) {
			if broad {
				c.rect(class, mid-thick/2, min(value(a), value(b)), thick, math.Abs(value(a)-value(b)), r)
				return
			}
			c.rect(class, min(value(a), value(b)), mid-thick/2, math.Abs(value(a)-value(b)), thick, r)
		}
		dot := func(class string, v, r float64) {
			if broad {
				c.circle(class, mid, value(v), r)
				return
			}
			c.circle(class, value(v), mid, r)
		}
		thick := min(step*.5, 18)
		switch {
		case s.N >= archive.Fewest:
			box("spread", float64(s.Smallest), float64(s.Large), 1.5, 0)
			box("box", float64(s.Q1), float64(s.Q3)*1.0001, thick, 2)
			m := value(float64(s.Median))
			if broad {
				c.rect("median", mid-thick/2-2, m-1.5, thick+4, 3, 1)
			} else {
				c.rect("median", m-1.5, mid-thick/2-2, 3, thick+4, 1)
			}
		case s.N > 0:
			for _, v := range s.Amounts() {
				dot("peer", float64(v), 3)
			}
		}
		year, ns := fmt.Sprint(y.Year), language.Digits(int64(s.N))
		if broad {
			if width(year, 11.5)+6 < step || n%2 == (len(years)-1)%2 {
				c.text("tick", middle, min(mid, broadWidth-width(year, 11.5)/2), base+18, year)
			}
			if width(ns, 11.5)+2 < step {
				c.text("note", middle, min(mid, broadWidth-width(ns, 11.5)/2), base+36, ns)
			}
			continue
		}
		c.text("tick", start, 0, mid+4, year)
		c.text("note", end, narrowWidth, mid+4, ns)
	}
	if broad {
		c.text("note", start, 0, 10, incident.Word(l, unit))
		c.line("axis", left, base, right, base)
		c.text("note", end, left-8, base+36, l.Pick("件数", "incidents"))
		c.height = base + 44
		return c
	}
	c.text("note", start, 0, 12, incident.Word(l, unit))
	c.text("note", end, narrowWidth, 12, l.Pick("件数", "incidents"))
	c.height = base + 6
	return c
}

// round writes a power of ten as the language does.
func round(l language.Lang, n int64) string {
	if l == language.JA {
		return language.Number(l, n)
	}
	switch {
	case n >= 1_000_000_000:
		return language.Digits(n/1_000_000_000) + " bn"
	case n >= 1_000_000:
		return language.Digits(n/1_000_000) + " M"
	}
	return language.Digits(n)
}

// Shares draws of how many of a whole something holds, as bars with their numbers.
func Shares(lang language.Lang, name string, labels []string, n []int, of int) Chart {
	l := lang
	c := Chart{Name: name, Table: Table{Caption: name, Columns: []Column{{Head: l.Pick("項目", "Heading")}, {Head: l.Pick("記録がある件数", "Incidents with a record"), Number: true}, {Head: l.Pick("割合（%）", "Share (%)"), Number: true}}}}
	for k, label := range labels {
		c.Table.Rows = append(c.Table.Rows, []Cell{{Text: label}, count(n[k]), {Text: percent(n[k], of)}})
	}
	c.Says = fmt.Sprintf(l.Pick("%s件のうち、項目ごとに記録がある件数の割合。同じ内容の表が、下にあります。", "Of %s incidents, the share with a record under each heading. The table below says the same."), language.Digits(int64(of)))
	if of == 0 || len(labels) == 0 {
		return c
	}
	broad := newCanvas("chart-shares", "broad", broadWidth)
	narrow := newCanvas("chart-shares", "narrow", narrowWidth)
	left := 0.0
	for _, label := range labels {
		left = max(left, width(label, 13)+16)
	}
	left = min(left, 300)
	y, ny := 6.0, 0.0
	for k, label := range labels {
		share := float64(n[k]) / float64(of)
		text := fmt.Sprintf(l.Pick("%s%%（%s）", "%s%% (%s)"), percent(n[k], of), language.Digits(int64(n[k])))
		room := broadWidth - left - width(text, 11.5) - 10
		broad.text("label key", start, 0, y+13, fold(label, left, 13, 1)[0])
		broad.rect("track", left, y+2, room, 14, 2)
		broad.rect("part known", left, y+2, room*share, 14, 2)
		broad.text("note", end, broadWidth, y+13, text)
		y += 26
		narrow.text("label key", start, 0, ny+16, fold(label, narrowWidth-width(text, 11.5)-12, 13, 1)[0])
		narrow.text("note", end, narrowWidth, ny+16, text)
		narrow.rect("track", 0, ny+22, narrowWidth, 8, 2)
		narrow.rect("part known", 0, ny+22, narrowWidth*share, 8, 2)
		ny += 40
	}
	broad.height, narrow.height = y+2, ny
	c.drawings = []*canvas{broad, narrow}
	return c
}

func percent(n, of int) string {
	if of == 0 {
		return "0"
	}
	p := float64(n) * 100 / float64(of)
	if p > 0 && p < 1 {
		return fmt.Sprintf("%.1f", p)
	}
	return fmt.Sprintf("%.0f", p)
}
