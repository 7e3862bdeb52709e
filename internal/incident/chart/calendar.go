package chart

import (
	"fmt"
	"math"
	"time"

	"shirase/internal/language"
)

// Month is how many incidents a month has, and where they are listed: a path of this site.
type Month struct {
	Year  int
	Month time.Month // 0 where the date is known to the year only
	N     int
	Href  string
}

// shades are the tones of a calendar: the class of a cell is shade-1 to shade-5.
const shades = 5

// Calendar shows how many incidents each month has, a year a line, the newest first. months are in any order, each once.
func Calendar(lang language.Lang, name string, months []Month) Chart {
	l := lang
	c := Chart{Name: name, Table: Table{Caption: name, Columns: []Column{{Head: l.Pick("月", "Month")}, {Head: l.Pick("件数", "Incidents"), Number: true}}}}
	type at struct {
		year  int
		month time.Month
	}
	n, first, last, total, most := map[at]int{}, 0, 0, 0, 1
	for _, m := range months {
		cell := Cell{Text: monthName(l, m), Machine: fmt.Sprintf("%04d-%02d", m.Year, m.Month), Href: m.Href}
		if m.Month == 0 {
			cell.Machine = fmt.Sprintf("%04d", m.Year)
		}
		c.Table.Rows = append(c.Table.Rows, []Cell{cell, count(m.N)})
		n[at{m.Year, m.Month}] += m.N
		total += m.N
		if m.Month > 0 {
			most = max(most, n[at{m.Year, m.Month}])
		}
		if first == 0 || m.Year < first {
			first = m.Year
		}
		last = max(last, m.Year)
	}
	c.Says = fmt.Sprintf(l.Pick("月ごとの件数を、一年を一行にして並べたもの。全部で%s件。同じ内容の表が、下にあります。", "Incidents in each month, a year a line: %s in all. The table below says the same."), language.Digits(int64(total)))
	if total == 0 {
		return c
	}
	first = max(first, last-drawnYears+1)
	draw := func(class string, wide, left, cell, high float64) *canvas {
		d := newCanvas("chart-calendar", class, wide)
		for m := time.January; m <= time.December; m++ {
			d.text("tick", middle, left+(float64(m)-.5)*cell, 14, l.Pick(fmt.Sprint(int(m)), m.String()[:min(3, int(cell/11))]))
		}
		y := 22.0
		for year := last; year >= first; year-- {
			d.text("tick", start, 0, y+high/2+4, fmt.Sprint(year))
			for m := time.January; m <= time.December; m++ {
				k, x := n[at{year, m}], left+float64(m-1)*cell
				d.rect(fmt.Sprintf("shade-%d", shade(k, most)), x+1, y+1, cell-2, high-2, 2)
				if s := language.Digits(int64(k)); k > 0 && width(s, 11.5) < cell-2 {
					d.text("note", middle, x+cell/2, y+high/2+4, s)
				}
			}
			y += high
		}
		d.height = y + 4
		return d
	}
	c.drawings = []*canvas{draw("broad", broadWidth, 56, (broadWidth-56)/12, 26), draw("narrow", narrowWidth, 38, (narrowWidth-38)/12, 22)}
	return c
}

// shade is the tone of a month with n incidents, where the fullest has most: by the order of magnitude, as months differ by that.
func shade(n, most int) int {
	if n == 0 {
		return 0
	}
	return 1 + int(math.Round((shades-1)*math.Log(float64(n))/math.Log(float64(max(most, 2)))))
}

func monthName(l language.Lang, m Month) string {
	if m.Month == 0 {
		return fmt.Sprintf(l.Pick("%d年（月の記録なし）", "%d (month not recorded)"), m.Year)
	}
	return l.Pick(fmt.Sprintf("%d年%d月", m.Year, m.Month), fmt.Sprintf("%s %d", m.Month, m.Year))
}
