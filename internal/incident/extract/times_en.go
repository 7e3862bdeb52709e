package extract

import (
	"regexp"
	"strings"
	"time"
)

const monthEN = `(?:January|February|March|April|May|June|July|August|September|October|November|December|Jan\.?|Feb\.?|Mar\.?|Apr\.?|Jun\.?|Jul\.?|Aug\.?|Sept?\.?|Oct\.?|Nov\.?|Dec\.?)`

// The forms of an English date, tried in this order at each place. 07/19/2013 is read only where one of its parts can be
// no month: elsewhere nobody can tell the day from the month.
var dateEN = regexp.MustCompile(
	`(?i:\b(?P<m1>` + monthEN + `)\s(?P<d1>\d{1,2})(?:st|nd|rd|th)?(?:,?\s(?:of\s)?(?P<y1>(?:19|20)\d{2}))?\b` +
		`|\b(?P<d2>\d{1,2})(?:st|nd|rd|th)?\s(?:of\s)?(?P<m2>` + monthEN + `),?(?:\s(?P<y2>(?:19|20)\d{2}))?\b` +
		`|\b(?P<m3>` + monthEN + `),?\s(?:of\s)?(?P<y3>(?:19|20)\d{2})\b` +
		`|\b(?P<y4>(?:19|20)\d{2})-(?P<m4>\d{2})-(?P<d4>\d{2})\b` +
		`|\b(?P<a5>\d{1,2})/(?P<b5>\d{1,2})/(?P<y5>(?:19|20)\d{2})\b` +
		`|\b(?P<word>today|yesterday|the same day|that same day|the following day|the next day)\b)`)

var (
	rangeDayEN  = regexp.MustCompile(`(?i:^(?:\s?[-–]\s?|\s(?:to|through|and)\s)(\d{1,2})(?:st|nd|rd|th)?,?\s((?:19|20)\d{2})\b)`)
	joinEN      = regexp.MustCompile(`(?i:^,?\s?(?:and|to|through|until|till|[-–—]|and ending(?: on)?|up to)\s?(?:on\s|or about\s|approximately\s|about\s|as late as\s)*$)`)
	clockAfter  = regexp.MustCompile(`(?i:^,?\s(?:at\s|around\s|at approximately\s|at about\s)?(\d{1,2})(?::(\d{2}))?\s?(a\.?m\.?|p\.?m\.?)?(?:\s\(?(JST|UTC|GMT|BST|CET|CEST|E[SD]?T|C[SD]T|M[SD]T|P[SD]?T|Eastern|Pacific|Central)\)?)?)`)
	clockBefore = regexp.MustCompile(`(?i:\b(\d{1,2})(?::(\d{2}))?\s?(a\.?m\.?|p\.?m\.?)?(?:\s\(?(JST|UTC|GMT|BST|CET|CEST|E[SD]?T|C[SD]T|M[SD]T|P[SD]?T)\)?)?,?\son\s$)`)
	aboutEN     = regexp.MustCompile(`(?i:\b(?:on or (?:about|around)|around|approximately|about|circa|early|mid|late)[\s-]$)`)
	lawEN       = regexp.MustCompile(`(?i:\b(?:act|section|rule|regulation|law|directive|statute|effective|revised|version|copyright|©)\s(?:of\s)?$)`)
)

var monthsEN = map[string]int{"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}

func monthOf(s string) int { return monthsEN[strings.ToLower(firstBytes(s, 3))] }

// scanTimesEN finds every time that the text names. The zone becomes one that the text names for its times, where it
// names one whose offset is the same all year.
func scanTimesEN(s string, lines []line, zone **time.Location) []*when {
	var out []*when
	names := dateEN.SubexpNames()
	for n, l := range lines {
		for at := l.from; at < l.to; {
			rest := firstBytes(s[at:l.to], maxSentence)
			m := dateEN.FindStringSubmatchIndex(rest)
			if m == nil {
				at += len(rest)
				continue
			}
			g := map[string]string{}
			for i := 1; i < len(names); i++ {
				if m[2*i] >= 0 && names[i] != "" {
					g[names[i]] = rest[m[2*i]:m[2*i+1]]
				}
			}
			w := &when{from: at + m[0], to: at + m[1], line: n, hh: -1, rel: absolute}
			at = w.to
			if !readDateEN(s, l, w, g) {
				continue
			}
			out = append(out, w)
			if second := w.secondDay(s, l); second != nil {
				out = append(out, second)
			}
			at = max(at, out[len(out)-1].to)
		}
	}
	return out
}

func readDateEN(s string, l line, w *when, g map[string]string) bool {
	before := lastBytes(s[l.from:w.from], 40)
	switch {
	case g["m1"] != "":
		w.m, w.d, w.y = monthOf(g["m1"]), number(g["d1"]), number(g["y1"])
		// "May 5 people": a month is written with a capital, and a bare number behind may or march is none of its days.
		if c := s[w.from]; c >= 'a' && c <= 'z' {
			return false
		}
	case g["m2"] != "":
		w.m, w.d, w.y = monthOf(g["m2"]), number(g["d2"]), number(g["y2"])
	case g["m3"] != "":
		w.m, w.y = monthOf(g["m3"]), number(g["y3"])
	case g["y4"] != "":
		w.y, w.m, w.d = number(g["y4"]), number(g["m4"]), number(g["d4"])
	case g["y5"] != "":
		a, b := number(g["a5"]), number(g["b5"])
		w.y = number(g["y5"])
		switch {
		case a > 12 && b <= 12, a == b:
			w.d, w.m = a, b
		case b > 12 && a <= 12:
			w.m, w.d = a, b
		default:
			return false
		}
	case g["word"] != "":
		w.rel = dayShift
		switch word := strings.ToLower(g["word"]); {
		case word == "today":
			w.rel = today
		case word == "yesterday":
			w.rel, w.shift = today, -1
		case strings.Contains(word, "following"), strings.Contains(word, "next"):
			w.shift = 1
		}
		return true
	}
	if w.m < 1 || w.m > 12 || w.d > 31 || lawEN.MatchString(before) {
		return false
	}
	if w.y == 0 {
		if w.rel = noYear; rangeDayEN.MatchString(s[w.to:l.to]) {
			w.y, w.rel = number(rangeDayEN.FindStringSubmatch(s[w.to:l.to])[2]), absolute
		}
	}
	w.about = aboutEN.MatchString(before)
	w.clockEN(s, l)
	return true
}

// secondDay reads the end of "July 17-19, 2013".
func (w *when) secondDay(s string, l line) *when {
	m := rangeDayEN.FindStringSubmatchIndex(s[w.to:l.to])
	if m == nil || w.d == 0 || w.rel == dayShift || w.rel == today {
		return nil
	}
	rest := s[w.to:l.to]
	return &when{from: w.to + m[2], to: w.to + m[5], line: w.line, hh: -1, rel: absolute, y: number(rest[m[4]:m[5]]), m: w.m, d: number(rest[m[2]:m[3]])}
}

// clockEN reads the time of day beside a date. Without a zone that means one offset, a time of day is nowhere: only the
// day is taken.
func (w *when) clockEN(s string, l line) {
	m := clockAfter.FindStringSubmatch(firstBytes(s[w.to:l.to], 60))
	after := m != nil
	if m == nil {
		m = clockBefore.FindStringSubmatch(lastBytes(s[l.from:w.from], 40))
	}
	if m == nil || m[3] == "" && m[2] == "" {
		return
	}
	hour, minute := number(m[1]), number(m[2])
	switch half := strings.ToLower(m[3]); {
	case strings.HasPrefix(half, "p") && hour < 12:
		hour += 12
	case strings.HasPrefix(half, "a") && hour == 12:
		hour = 0
	}
	if hour > 23 || minute > 59 {
		return
	}
	switch strings.ToUpper(m[4]) {
	case "JST":
		w.zone = tokyo
	case "UTC", "GMT":
		w.zone = time.UTC
	default:
		return
	}
	w.hh, w.mm = hour, minute
	if after {
		w.to += len(m[0])
	} else {
		w.from -= len(m[0])
	}
}
