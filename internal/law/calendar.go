package law

import (
	"bufio"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/br"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/us"

	"shirase/law"
)

// A Calendar says which days are off: Saturdays, Sundays, holidays, and days on which an authority is closed. A nil
// Calendar has only weekends.
type Calendar struct {
	name     string
	official map[string]bool // dates of holidays
	from, to int             // the years that official covers; later ones are computed
	computed *cal.BusinessCalendar
	closed   func(time.Time) bool
}

// calendars are the names that a regime may give.
var calendars = map[string][]*cal.Holiday{"jp": jp.Holidays, "us": us.Holidays, "br": br.Holidays}

func newCalendar(name string) (*Calendar, error) {
	holidays, ok := calendars[name]
	if !ok {
		return nil, fmt.Errorf("there is no calendar %q", name)
	}
	c := &Calendar{name: name, computed: cal.NewBusinessCalendar()}
	c.computed.AddHoliday(holidays...)
	if name == "jp" {
		// 行政機関の休日に関する法律 第1条第1項第3号: 29 December to 3 January.
		c.closed = func(t time.Time) bool {
			return t.Month() == time.December && t.Day() >= 29 || t.Month() == time.January && t.Day() <= 3
		}
	}
	f, err := law.Files.Open("holidays/" + name + ".txt")
	if err != nil {
		return c, nil // none is official: all is computed
	}
	defer f.Close()
	return c, c.read(f)
}

// read takes the official dates from a list: a date a line, # begins a remark.
func (c *Calendar) read(f fs.File) error {
	c.official = map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		t, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return fmt.Errorf("calendar %s: %q is no date", c.name, text)
		}
		c.official[text] = true
		if c.from == 0 || t.Year() < c.from {
			c.from = t.Year()
		}
		c.to = max(c.to, t.Year())
	}
	return lines.Err()
}

// off reports whether a day is off, and sets computed where that follows from rules and not from an official list.
func (c *Calendar) off(t time.Time, computed *bool) bool {
	if slices.Contains([]time.Weekday{time.Saturday, time.Sunday}, t.Weekday()) {
		return true
	}
	if c == nil {
		return false
	}
	if c.closed != nil && c.closed(t) {
		return true
	}
	if y := t.Year(); c.official != nil && y >= c.from && y <= c.to {
		return c.official[t.Format(time.DateOnly)]
	}
	*computed = true
	actual, observed, _ := c.computed.IsHoliday(t)
	return actual || observed
}
