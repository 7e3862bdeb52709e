package chart

import (
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// labels writes the times of one drawing: no more of the date than tells them apart.
type labels struct {
	lang        language.Lang
	year, month bool // they differ, and have to be said
	zone        *time.Location
	zones       bool // times of day are given in more than one zone
}

func newLabels(t Timeline) labels {
	l := labels{lang: t.Lang}
	var first incident.Moment
	see := func(m incident.Moment) {
		if m.IsZero() {
			return
		}
		if first.IsZero() {
			first, l.zone = m, m.Time.Location()
		}
		if m.Time.Year() != first.Time.Year() {
			l.year = true
		}
		if m.Time.Month() != first.Time.Month() || l.year {
			l.month = true
		}
		if m.Exact() {
			_, a := m.Time.Zone()
			_, b := first.Time.Zone()
			if first.Exact() && a != b {
				l.zones = true
			} else if !first.Exact() {
				first, l.zone = m, m.Time.Location()
			}
		}
	}
	for _, m := range []incident.Moment{t.Start, t.End} {
		see(m)
	}
	for _, e := range t.Events {
		see(e.At)
	}
	for _, p := range t.Promises {
		see(p.For)
		see(p.Done)
	}
	if l.zone == nil {
		l.zone = time.UTC
	}
	return l
}

// when writes m: 18日 10:09, 18 Jul 10:09, 19日, 2013年7月, 2013年.
func (l labels) when(m incident.Moment, about bool) string {
	layout := l.lang.Pick("2日", "2 Jan")
	switch {
	case m.Precision == incident.Year:
		layout = l.lang.Pick("2006年", "2006")
	case m.Precision == incident.Month:
		layout = l.lang.Pick("2006年1月", "Jan 2006")
	case l.year:
		layout = l.lang.Pick("2006年1月2日", "2 Jan 2006")
	case l.month:
		layout = l.lang.Pick("1月2日", "2 Jan")
	}
	s := m.Time.Format(layout)
	if m.Exact() {
		clock := m.Time.Format("15:04")
		if m.Precision == incident.Hour {
			clock = m.Time.Format(l.lang.Pick("15時台", "15h"))
		}
		s += " " + clock
		if l.zones {
			s += " " + language.Zone(l.lang, m.Time)
		}
	}
	if about {
		return l.lang.Pick(s+"頃", "about "+s)
	}
	return s
}

type tick struct {
	x    float64
	text string
}

// steps are the distances ticks may have.
var steps = []struct {
	hours  float64 // about
	next   func(t time.Time) time.Time
	floor  func(t time.Time) time.Time
	ja, en string
}{
	{1. / 6, plus(10 * time.Minute), truncate(10 * time.Minute), "15:04", "15:04"},
	{.5, plus(30 * time.Minute), truncate(30 * time.Minute), "15:04", "15:04"},
	{1, plus(time.Hour), truncate(time.Hour), "15:04", "15:04"},
	{3, plus(3 * time.Hour), truncate(3 * time.Hour), "15:04", "15:04"},
	{6, plus(6 * time.Hour), truncate(6 * time.Hour), "15:04", "15:04"},
	{12, plus(12 * time.Hour), truncate(12 * time.Hour), "15:04", "15:04"},
	{24, days(1), midnight, "1月2日", "2 Jan"},
	{48, days(2), midnight, "1月2日", "2 Jan"},
	{168, days(7), midnight, "1月2日", "2 Jan"},
	{730, months(1), monthly(1), "2006年1月", "Jan 2006"},
	{2190, months(3), monthly(3), "2006年1月", "Jan 2006"},
	{4380, months(6), monthly(6), "2006年1月", "Jan 2006"},
	{8760, months(12), monthly(12), "2006年", "2006"},
	{43800, months(60), monthly(12), "2006年", "2006"},
	{175200, months(240), monthly(12), "2006年", "2006"},
	{876000, months(1200), monthly(12), "2006年", "2006"},
}

func plus(d time.Duration) func(time.Time) time.Time {
	return func(t time.Time) time.Time { return t.Add(d) }
}
func days(n int) func(time.Time) time.Time {
	return func(t time.Time) time.Time { return t.AddDate(0, 0, n) }
}
func months(n int) func(time.Time) time.Time {
	return func(t time.Time) time.Time { return t.AddDate(0, n, 0) }
}
func midnight(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, t.Location())
}
func truncate(d time.Duration) func(time.Time) time.Time {
	return func(t time.Time) time.Time { // in the zone's own hours
		day := midnight(t)
		return day.Add(t.Sub(day).Truncate(d))
	}
}
func monthly(n int) func(time.Time) time.Time {
	return func(t time.Time) time.Time {
		y, m, _ := t.Date()
		return time.Date(y, m-time.Month((int(m)-1)%n), 1, 0, 0, 0, 0, t.Location())
	}
}

// Ticks are at least this far apart, and never more than maxTicks of them.
const (
	tickWidth = 62.0
	maxTicks  = 60
)

// ticks are the round times of the scale.
func (s scale) ticks(l labels) []tick {
	per := s.perHour()
	if per <= 0 {
		return nil
	}
	step := steps[len(steps)-1]
	for _, candidate := range steps {
		if candidate.hours*per >= tickWidth {
			step = candidate
			break
		}
	}
	var out []tick
	for _, g := range s.segments {
		if g.to.Equal(g.from) {
			continue
		}
		from, to := g.from.In(l.zone), g.to.In(l.zone)
		for at := step.floor(from); !at.After(to) && len(out) < maxTicks; at = step.next(at) {
			if at.Before(from) {
				continue
			}
			text := at.Format(l.lang.Pick(step.ja, step.en))
			if step.hours < 24 && at.Hour() == 0 && at.Minute() == 0 {
				text = at.Format(l.lang.Pick("1月2日", "2 Jan"))
			}
			out = append(out, tick{s.x(at), text})
		}
	}
	return out
}
