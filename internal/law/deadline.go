package law

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"shirase/internal/incident"
)

// A Deadline is how long a rule leaves from what starts it. As text:
//
//	72h                hours, which never roll
//	30d                calendar days; the start's date is day 0
//	30d day1           the start's date is day 1
//	30d day1 roll      and an end on a day off moves to the next day that is none
//	about 3-5d         a guideline, not a limit: due is its later end
//	4bd                business days of the calendar; the start's date is day 0
//	1mo                calendar months; the last day of a shorter month
//	asap               as soon as possible: no date follows
//
// The zero Deadline is unknown: the rule has one, and nobody has found it.
type Deadline struct {
	text    string
	unit    string // h, d, bd, mo; "" for asap and unknown
	n, low  int    // low: where a guideline begins; 0 for one number
	soft    bool
	day1    bool
	roll    bool
	forthIn bool // asap
}

var deadlineForm = regexp.MustCompile(`^(about )?([1-9][0-9]{0,3})(?:-([1-9][0-9]{0,3}))?(h|d|bd|mo)( day1)?( roll)?$`)

// parseDeadline reads a deadline's text.
func parseDeadline(text string) (Deadline, error) {
	switch text {
	case "asap":
		return Deadline{text: text, forthIn: true}, nil
	case "unknown":
		return Deadline{}, nil
	}
	m := deadlineForm.FindStringSubmatch(text)
	if m == nil {
		return Deadline{}, fmt.Errorf("%q is no deadline: 72h, 30d, 30d day1 roll, about 3-5d, 4bd, 1mo, asap or unknown", text)
	}
	d := Deadline{text: text, unit: m[4], soft: m[1] != "", day1: m[5] != "", roll: m[6] != ""}
	first, _ := strconv.Atoi(m[2])
	d.n = first
	if m[3] != "" {
		d.n, _ = strconv.Atoi(m[3])
		if d.low = first; d.low >= d.n || !d.soft {
			return Deadline{}, fmt.Errorf("%q: a span is a guideline, and goes up: about 3-5d", text)
		}
	}
	switch {
	case d.unit == "h" && (d.day1 || d.roll):
		return Deadline{}, fmt.Errorf("%q: hours are not counted by days, and do not roll", text)
	case d.unit == "mo" && d.day1, d.unit == "bd" && d.roll:
		return Deadline{}, fmt.Errorf("%q: this unit has no such count", text)
	}
	return d, nil
}

// String gives the text that parseDeadline reads.
func (d Deadline) String() string {
	if d.text == "" {
		return "unknown"
	}
	return d.text
}

// ErrPlain reports a start that is not known to the day.
var ErrPlain = errors.New("the time that starts it is not known to the day")

// due gives when a deadline from start ends: to the minute where it is counted in hours and the start is, else the day at
// whose end it ends. computed reports that a calendar was asked for a year that is computed, not official.
//
// What is known less exactly than it is counted starts at its beginning: nobody is late by believing it.
func (d Deadline) due(start incident.Moment, zone *time.Location, cal *Calendar) (due incident.Moment, computed bool, err error) {
	if d.unit == "" {
		return incident.Moment{}, false, nil
	}
	if start.Precision > incident.Day {
		return incident.Moment{}, false, ErrPlain
	}
	t := start.Time.In(zone)
	if start.Precision == incident.Day { // a date is the date that was said, wherever it was said
		y, m, day := start.Time.Date()
		t = time.Date(y, m, day, 0, 0, 0, 0, zone)
	}
	if d.unit == "h" {
		return incident.Moment{Time: fixedOffset(t.Add(time.Duration(d.n) * time.Hour)), Precision: incident.Minute}, false, nil
	}
	y, m, day := t.Date()
	at := time.Date(y, m, day, 0, 0, 0, 0, zone)
	switch d.unit {
	case "d":
		n := d.n
		if d.day1 {
			n--
		}
		at = at.AddDate(0, 0, n)
	case "mo":
		at = time.Date(y, m+time.Month(d.n), 1, 0, 0, 0, 0, zone)
		last := time.Date(at.Year(), at.Month()+1, 0, 0, 0, 0, 0, zone).Day()
		at = at.AddDate(0, 0, min(day, last)-1)
	case "bd":
		n := d.n
		if d.day1 && !cal.off(at, &computed) {
			n--
		}
		for n > 0 {
			if at = at.AddDate(0, 0, 1); !cal.off(at, &computed) {
				n--
			}
		}
	}
	for d.roll && cal.off(at, &computed) {
		at = at.AddDate(0, 0, 1)
	}
	return incident.Moment{Time: fixedOffset(at), Precision: incident.Day}, computed, nil
}

// fixedOffset gives t a zone that is its offset only, as moments have.
func fixedOffset(t time.Time) time.Time {
	_, offset := t.Zone()
	if offset == 0 {
		return t.UTC()
	}
	return t.In(time.FixedZone("", offset))
}
