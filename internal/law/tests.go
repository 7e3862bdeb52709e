package law

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
)

// row reads one of a file's own tests.
func (p *parser) row(path string, x row, r *Regime) test {
	t := test{line: p.line(path), due: x.Due}
	s := Situation{At: map[string]incident.Moment{}, Part: x.Part, Residents: map[string]Number{}, Sector: x.Sector, Known: map[string]bool{}, Done: map[string]incident.Moment{}}
	moment := func(what, text string) incident.Moment {
		m, err := incident.ParseMoment(text, r.Zone)
		if err != nil {
			p.find(t.line, "a date or time like 2026-08-20 or 2026-08-20T10:09+09:00", "%s: %v", what, err)
		}
		return m
	}
	if x.Known != "" {
		s.At["knowledge"] = moment("known", x.Known)
	}
	for trigger, text := range x.At {
		if _, ok := triggers[trigger]; !ok {
			p.find(t.line, strings.Join(slices.Sorted(keysOf(triggers)), ", "), "at: %q is no trigger", trigger)
		}
		s.At[trigger] = moment(trigger, text)
	}
	for id, text := range x.Done {
		s.Done[r.ID+"-"+id] = moment(id, text)
	}
	if x.Persons != nil {
		s.Persons = Exactly(*x.Persons)
	}
	for place, n := range x.Residents {
		s.Residents[place] = Exactly(n)
	}
	for value, list := range map[bool][]string{true: x.Is, false: x.Not} {
		for _, w := range list {
			if _, ok := words[w]; !ok {
				p.find(t.line, strings.Join(slices.Sorted(keysOf(words)), ", "), "%q is none of the words that may be known", w)
			}
			s.Known[w] = value
		}
	}
	if len(x.Due) == 0 {
		p.find(t.line, "due: {kakuho: 2026-09-18}", "a test says nothing of when something is due")
	}
	t.situation = s
	return t
}

// run holds the regime against its own tests.
func (p *parser) run(r *Regime) {
	var cal *Calendar
	if r.holidays != "" {
		var err error
		if cal, err = newCalendar(r.holidays); err != nil {
			p.find(0, "", "%v", err)
			return
		}
	}
	for _, t := range r.tests {
		// Before anything can be late: a test is about when, not about today.
		now := time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, m := range t.situation.At {
			if m.Time.After(now) {
				now = m.Time
			}
		}
		stands := map[string]string{}
		for _, c := range clocks(r, t.situation, now, cal) {
			stands[c.Rule.ID] = c.shown(r.Zone)
		}
		for _, id := range slices.Sorted(maps.Keys(t.due)) {
			want, is := t.due[id], stands[id]
			if is == "" {
				is = "no clock"
			}
			if want != is {
				p.find(t.line, "mend the rule, or the test", "%s: %s, and the test wants %s", id, is, want)
			}
		}
	}
}

// shown is a clock in a test's words: its due date or time, asap, unknown, or its state where it does not run.
func (c Clock) shown(zone *time.Location) string {
	switch {
	case c.State != Running && c.State != Overdue:
		return string(c.State)
	case c.Due.IsZero():
		return c.Rule.Within.String()
	case c.Due.Precision == incident.Day:
		return c.Due.Time.In(zone).Format(time.DateOnly)
	default:
		return c.Due.Time.In(zone).Format("2006-01-02T15:04")
	}
}

// Table gives one line a clock for a situation: what ./test prints, so that a person can read it.
func (b *Book) Table(r *Regime, s Situation, now time.Time) string {
	var out strings.Builder
	for _, c := range b.Clocks(r, s, now) {
		fmt.Fprintf(&out, "%-24s %-16s %-16s %s\n", c.ID, c.State, c.shown(r.Zone), c.Rule.Citation)
	}
	return out.String()
}

// Tests is how many tests the regime's file holds of itself.
func (r *Regime) Tests() int { return len(r.tests) }
