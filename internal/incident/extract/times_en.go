package extract

import (
	"strings"
	"time"

	"shirase/internal/incident"
)

// The forms of an English date, tried in this order at each place.
var dateEN = ruleEN("dateEN")

var (
	rangeDayEN  = ruleEN("rangeDayEN")
	joinEN      = ruleBoth("joinEN")
	andEN       = ruleEN("andEN")
	betweenEN   = ruleEN("betweenEN")
	clockAfter  = ruleEN("clockAfter")
	clockBefore = ruleEN("clockBefore")
	aboutEN     = ruleEN("aboutEN")
	lawEN       = ruleEN("lawEN")
	weekdayEN   = ruleEN("weekdayEN")
	usText      = ruleEN("usText")
	allUTC      = ruleEN("allUTC")
)

var monthsEN = map[string]int{"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}

var weekdaysEN = map[string]time.Weekday{"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday}

func monthOf(s string) int { return monthsEN[strings.ToLower(firstBytes(s, 3))] }

// scanTimesEN finds every time that the text names. The zone stays UTC: a time of day is taken only with a zone of its own.
func scanTimesEN(s string, lines []line, zone **time.Location) []*when {
	var out []*when
	names := dateEN.SubexpNames()
	f := formsOf(s)
	for n, l := range lines {
		for at := l.from; at < l.to && len(out) < maxTimesEN; {
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
			if g["m0"] != "" {
				out = append(out, f.dayPair(w, g, rest[m[0]:m[1]])...)
				continue
			}
			if !f.read(s, l, w, g) {
				continue
			}
			out = append(out, w)
			if second := w.secondDay(s, l); second != nil {
				out = append(out, second)
				w.start, second.end = true, true
			}
			at = max(at, out[len(out)-1].to)
		}
	}
	joinTimesEN(s, out)
	inheritYears(s, out)
	return out
}

// maxTimesEN bounds what one English text can name: each is weighed by the words around it.
const maxTimesEN = 300

// forms is what a text as a whole says of how its dates and times are written.
type forms struct {
	monthFirst bool // 7/4/2019 is the fourth of July
	utc        bool // its times of day are UTC
}

var (
	slashesEN  = ruleEN("slashesEN")
	monthDay   = ruleEN("monthDay")
	dayMonthEN = ruleEN("dayMonthEN")
)

// formsOf reads a date of figures as month first only where the text leaves no doubt: by another one whose second part can
// be no month, or by being American in its other dates and its institutions. Nothing else can tell the day from the month.
func formsOf(s string) forms {
	us, other := false, false
	for _, m := range slashesEN.FindAllStringSubmatch(s, 50) {
		us, other = us || number(m[2]) > 12, other || number(m[1]) > 12
	}
	if !us && !other && monthDay.MatchString(s) && !dayMonthEN.MatchString(s) {
		us = usText.MatchString(s)
	}
	return forms{monthFirst: us && !other, utc: allUTC.MatchString(s)}
}

// dayPair reads "from the 22nd to the 24th of October 2013".
func (f forms) dayPair(w *when, g map[string]string, text string) []*when {
	m, d1, d2, y := monthOf(g["m0"]), number(g["f0"]), number(g["d0"]), number(g["y0"])
	if d1 > 31 || d2 > 31 || d1 < 1 || d2 <= d1 {
		return nil
	}
	cut := w.from + len(g["f0"])
	a := &when{from: w.from, to: cut, line: w.line, hh: -1, y: y, m: m, d: d1, start: true}
	b := &when{from: w.from + strings.Index(text[len(g["f0"]):], g["d0"]) + len(g["f0"]), to: w.to, line: w.line, hh: -1, y: y, m: m, d: d2, end: true}
	if y == 0 {
		a.rel, b.rel = noYear, noYear
	}
	return []*when{a, b}
}

func (f forms) read(s string, l line, w *when, g map[string]string) bool {
	before := lastBytes(s[l.from:w.from], 40)
	switch {
	case g["m1"] != "":
		w.m, w.d, w.y = monthOf(g["m1"]), number(g["d1"]), number(g["y1"])
		// "May 5 people": a month is written with a capital, and a bare number behind may or march is none of its days.
		// With its year a date is one in whatever case.
		if c := s[w.from]; c >= 'a' && c <= 'z' && w.y == 0 {
			return false
		}
	case g["m2"] != "":
		w.m, w.d, w.y = monthOf(g["m2"]), number(g["d2"]), number(g["y2"])
		if at := strings.Index(s[w.from:w.to], g["m2"]); g["y2"] == "" && s[w.from+at] >= 'a' { // 5 may be affected
			return false
		}
	case g["m3"] != "":
		w.m, w.y = monthOf(g["m3"]), number(g["y3"])
	case g["y4"] != "":
		w.y, w.m, w.d = number(g["y4"]), number(g["m4"]), number(g["d4"])
		if s[w.to-1] == 'T' {
			w.to--
		}
	case g["y5"] != "":
		a, b := number(g["a5"]), number(g["b5"])
		if w.y = number(g["y5"]); w.y < 100 {
			w.y += 2000
		}
		switch {
		case a > 12 && b <= 12, a == b:
			w.d, w.m = a, b
		case b > 12 && a <= 12, f.monthFirst:
			w.m, w.d = a, b
		default:
			return false
		}
	case g["y6"] != "":
		w.y, w.m, w.d = number(g["y6"]), number(g["m6"]), number(g["d6"])
	case g["m7"] != "": // between March and July 2018
		m := monthsAfter.FindStringSubmatch(s[w.to:l.to])
		if m == nil || !betweenEN.MatchString(before) && !strings.HasPrefix(s[w.to:], "-") || s[w.from] >= 'a' {
			return false
		}
		if w.m, w.y = monthOf(g["m7"]), number(m[monthsAfter.SubexpIndex("year")]); w.m > monthOf(m[monthsAfter.SubexpIndex("month")]) {
			w.y--
		}
	case g["word"] != "":
		w.readWordEN(strings.ToLower(g["word"]))
		return true
	}
	if w.m < 1 || w.m > 12 || w.d > 31 || lawEN.MatchString(before) {
		return false
	}
	if w.y == 0 {
		if w.rel = noYear; rangeDayEN.MatchString(s[w.to:l.to]) {
			if y := rangeDayEN.FindStringSubmatch(s[w.to:l.to])[2]; y != "" {
				w.y, w.rel = number(y), absolute
			}
		}
	}
	w.about = aboutEN.MatchString(before)
	if d := weekdayEN.FindStringSubmatch(before); d != nil {
		w.weekday, w.hasWeekday = weekdaysEN[strings.ToLower(firstBytes(d[1], 3))], true
	}
	f.clock(s, l, w)
	return true
}

// monthsAfter follows a month without a year that begins a period.
var monthsAfter = ruleEN("monthsEN")

func (w *when) readWordEN(word string) {
	w.rel = dayShift
	switch {
	case word == "today":
		w.rel = today
	case word == "yesterday", word == "last night":
		w.rel, w.shift = today, -1
	case strings.Contains(word, "following"), strings.Contains(word, "next"), strings.Contains(word, "after") && !strings.Contains(word, "noon"):
		w.shift = 1
	}
}

// secondDay reads the end of "July 17-19, 2013".
func (w *when) secondDay(s string, l line) *when {
	m := rangeDayEN.FindStringSubmatchIndex(s[w.to:l.to])
	if m == nil || w.d == 0 || w.rel == dayShift || w.rel == today || w.hh >= 0 {
		return nil
	}
	rest := s[w.to:l.to]
	d, y := number(rest[m[2]:m[3]]), 0
	if m[4] >= 0 {
		y = number(rest[m[4]:m[5]])
	}
	if d <= w.d || d > 31 || y == 0 && strings.Contains(rest[m[0]:m[2]], "and") && !betweenEN.MatchString(lastBytes(s[l.from:w.from], 60)) {
		return nil
	}
	// "March 5 to 12 patients": without a year a bare figure may count something.
	if y == 0 && (w.rel != noYear || !dayEndEN.MatchString(rest[m[1]:])) {
		return nil
	}
	return &when{from: w.to + m[2], to: w.to + m[1], line: w.line, hh: -1, rel: w.rel, y: y, m: w.m, d: d}
}

var dayEndEN = ruleEN("dayEndEN")

// zonesEN are the names that mean one offset. Those of a season are believed of a date that lies in it only: "EST" in July
// is as likely the local time as it is that offset.
var zonesEN = map[string]struct {
	hours          int
	season, region string
}{
	"UTC": {0, "", ""}, "GMT": {0, "", ""}, "Z": {0, "", ""}, "JST": {9, "", ""}, "SGT": {8, "", ""}, "HKT": {8, "", ""},
	"EST": {-5, "winter", "us"}, "EDT": {-4, "summer", "us"}, "CST": {-6, "winter", "us"}, "CDT": {-5, "summer", "us"},
	"MST": {-7, "winter", "us"}, "MDT": {-6, "summer", "us"}, "PST": {-8, "winter", "us"}, "PDT": {-7, "summer", "us"},
	"BST": {1, "summer", "eu"}, "CET": {1, "winter", "eu"}, "CEST": {2, "summer", "eu"},
}

// summerTime reports whether a day lies in the summer time of a region, and whether that is certain: on the days of the
// change, and in America before 2007, it is not.
func summerTime(region string, y, m, d int) (in, certain bool) {
	sunday := func(month time.Month, n int) time.Time { // the nth of a month, or its last
		t := time.Date(y, month, 1, 0, 0, 0, 0, time.UTC)
		if n == 0 {
			t = t.AddDate(0, 1, -1)
			return t.AddDate(0, 0, -int(t.Weekday()))
		}
		return t.AddDate(0, 0, (7-int(t.Weekday()))%7+7*(n-1))
	}
	from, to := sunday(time.March, 2), sunday(time.November, 1)
	if region == "eu" {
		from, to = sunday(time.March, 0), sunday(time.October, 0)
	}
	day := date(y, m, d)
	return day.After(from) && day.Before(to), !day.Equal(from) && !day.Equal(to) && y >= 2007
}

// zoneOf gives the zone that a name means on w's date, nil where it means no single one.
func (w *when) zoneOf(name string) *time.Location {
	z, ok := zonesEN[strings.ToUpper(name)]
	if !ok {
		return nil
	}
	if z.season != "" {
		summer, certain := summerTime(z.region, w.y, w.m, w.d)
		if !certain || summer != (z.season == "summer") {
			return nil
		}
	}
	switch z.hours {
	case 0:
		return time.UTC
	case 9:
		return incident.Japan
	}
	return time.FixedZone("", z.hours*3600)
}

// clock reads the time of day beside a date. Without a zone that means one offset, a time of day is nowhere: only the
// day is taken.
func (f forms) clock(s string, l line, w *when) {
	if w.d == 0 {
		return
	}
	m := clockAfter.FindStringSubmatch(firstBytes(s[w.to:l.to], 60))
	after := m != nil && (m[2] != "" || m[3] != "")
	if !after {
		m = clockBefore.FindStringSubmatch(lastBytes(s[l.from:w.from], 50))
	}
	if m == nil || m[3] == "" && m[2] == "" {
		return
	}
	hour, minute := number(m[1]), number(m[2])
	zone := m[4]
	switch half := strings.ToLower(m[3]); {
	case half == "z":
		zone = "UTC"
	case strings.HasPrefix(half, "p") && hour < 12:
		hour += 12
	case strings.HasPrefix(half, "a") && hour == 12:
		hour = 0
	}
	if zone == "" && f.utc {
		zone = "UTC"
	}
	if hour > 23 || minute > 59 {
		return
	}
	if w.rel == absolute {
		if w.zone = w.zoneOf(zone); w.zone != nil {
			w.hh, w.mm = hour, minute
		}
	}
	if after { // the words are read either way, so that what follows them is not taken for something else
		w.to += len(m[0])
	} else if w.zone != nil {
		w.from -= len(m[0])
	}
}

// joinTimesEN pairs the two ends of periods. "and" joins only what "between" or "from" has opened, and two days in a row:
// "in June and in September" are two times.
func joinTimesEN(s string, all []*when) {
	for i := 1; i < len(all); i++ {
		a, b := all[i-1], all[i]
		if a.line != b.line || b.from-a.to > 60 || b.from < a.to || a.start || a.end {
			continue
		}
		between := s[a.to:b.from]
		switch {
		case joinEN.MatchString(between):
			a.start, b.end = true, true
		case andEN.MatchString(between):
			opened := betweenEN.MatchString(lastBytes(s[max(0, a.from-70):a.from], 70))
			next := between[0] == ' ' && a.m == b.m && a.d > 0 && b.d == a.d+1 && (a.y == b.y || a.y == 0 || b.y == 0)
			if opened || next {
				a.start, b.end = true, true
			}
			if a.rel == noYear && b.rel == absolute && a.m <= b.m {
				a.y, a.rel = b.y, absolute
			}
		}
	}
}

// inheritYears gives a date without a year the one that the text gives it elsewhere: at the other end of its period, for
// the same day, or by its weekday. The rest is completed from what stands before it, as in Japanese.
func inheritYears(s string, all []*when) {
	all = all[:min(len(all), maxTimes)]
	var years []int
	same := map[[2]int]int{}
	for i, w := range all {
		if w.start && i+1 < len(all) && all[i+1].rel == absolute && w.rel == noYear {
			if w.y, w.rel = all[i+1].y, absolute; w.m > all[i+1].m {
				w.y--
			}
		}
		if w.rel == absolute && w.y > 0 {
			years = append(years, w.y)
			if y, ok := same[[2]int{w.m, w.d}]; ok && y != w.y {
				same[[2]int{w.m, w.d}] = 0
			} else {
				same[[2]int{w.m, w.d}] = w.y
			}
		}
	}
	if len(years) == 0 {
		return
	}
	only := years[0]
	for _, y := range years {
		if y != only {
			only = 0
		}
	}
	first := true
	for _, w := range all {
		if w.rel == absolute {
			first = false
		}
		if w.rel != noYear || !first {
			continue
		}
		if y := same[[2]int{w.m, w.d}]; y != 0 {
			w.y, w.rel = y, absolute
		} else if only != 0 && w.hasWeekday && w.d > 0 && date(only, w.m, w.d).Weekday() == w.weekday {
			w.y, w.rel = only, absolute
		}
	}
}
