package extract

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"shirase/internal/incident"
)

// relation says from what an incomplete date is completed.
type relation int

const (
	absolute   relation = iota // it has its year
	noYear                     // 7月18日
	noMonth                    // 18日
	sameYear                   // 同年7月18日
	yearOffset                 // 昨年11月30日: from the year of publication
	monthShift                 // 先月16日: from the month of publication
	dayShift                   // 翌日: from the date named before
	today                      // 本日: from the day of publication
	onlyTime                   // 10時57分: on the date named before
	shortYear                  // 25年12月19日: of the century of a year that stands before it in full
	onlyYear                   // 2023年: no time, but the year of those that follow
)

// when is a time that the text names.
type when struct {
	from, to   int // in the normalised text
	line       int
	rel        relation
	y, m, d    int // d 0: a month; m 0: not said
	shift      int
	hh, mm     int // -1: not said
	about      bool
	vague      bool // 深夜, 早朝, "in the evening": a part of the day
	foreign    bool // said in a zone whose offset the text does not give: its time of day is dropped
	zone       *time.Location
	weekday    time.Weekday
	hasWeekday bool

	end    bool // it ends a range that the one before it begins
	start  bool // it begins a range
	added  bool // it dates an addition to the text
	moment incident.Moment
	doubt  string // what does not fit
}

// qualifier gives the fact's qualifier.
func (w *when) qualifier() string {
	if w.about {
		return "about"
	}
	return ""
}

// The forms of a Japanese date, tried in this order at each place.
var dateJA = ruleJA("dateJA")

var (
	weekdayJA  = ruleJA("weekdayJA")
	clockJA    = ruleJA("clockJA")
	zoneTail   = ruleJA("zoneTail")
	aboutDate  = ruleJA("aboutDate")
	lawDate    = ruleJA("lawDate")
	beforeJoin = ruleBoth("beforeJoin")
)

// eraStart is the year before the first of an era.
var eraStart = map[string]int{"令和": 2018, "R": 2018, "平成": 1988, "H": 1988, "昭和": 1925}

var weekdayOf = map[string]time.Weekday{"日": time.Sunday, "月": time.Monday, "火": time.Tuesday, "水": time.Wednesday, "木": time.Thursday, "金": time.Friday, "土": time.Saturday}

// scanTimesJA finds every time that the text names, in its order, unresolved.
func scanTimesJA(s string, lines []line) []*when {
	var out []*when
	names := dateJA.SubexpNames()
	year := 0 // the last that was written in full
	for n, l := range lines {
		for at := l.from; at < l.to; {
			rest := s[at:l.to]
			if len(rest) > maxSentence {
				rest = firstBytes(rest, maxSentence)
			}
			m := dateJA.FindStringSubmatchIndex(rest)
			if m == nil {
				at += len(rest)
				continue
			}
			group := map[string]string{}
			for g := 1; g < len(names); g++ {
				if m[2*g] >= 0 {
					group[names[g]] = rest[m[2*g]:m[2*g+1]]
				}
			}
			w := &when{from: at + m[0], to: at + m[1], line: n, hh: -1}
			if !readDateJA(s, l, w, group) {
				at += max(m[1], 1)
				continue
			}
			switch w.rel {
			case absolute, onlyYear:
				year = w.y
			case shortYear:
				if w.rel = absolute; year == 0 || w.y-year > 10 || year-w.y > 10 {
					at = w.to
					continue
				}
			}
			out = append(out, w)
			at = w.to
		}
	}
	return out
}

// readDateJA fills w from the parts of a match, and reads the weekday and the time of day behind it.
func readDateJA(s string, l line, w *when, g map[string]string) bool {
	before, after := s[l.from:w.from], s[w.to:l.to]
	if last := lastBytes(before, 4); last != "" {
		c, _ := utf8.DecodeLastRuneInString(last)
		if first := s[w.from]; first >= '0' && first <= '9' && (c >= '0' && c <= '9' || strings.ContainsRune(".,/-:第", c)) {
			answer := strings.HasSuffix(before, "A.") || strings.HasSuffix(before, "Q.")
			if !answer && !(strings.ContainsRune(".-:/", c) && rangeBefore(before)) {
				return false
			}
		}
	}
	switch {
	case g["era"] != "":
		w.y = eraStart[g["era"]] + eraYear(g["ey"])
		w.m, w.d = number(g["em"]), number(g["ed"])
		if w.rel = absolute; w.m == 0 {
			w.rel = onlyYear
		}
	case g["ry"] != "":
		w.y, w.m, w.d = number(g["ry"]), number(g["rm"]), number(g["rd"])
		if w.rel = absolute; w.m == 0 {
			w.rel = onlyYear
		}
	case g["sy"] != "":
		w.y, w.m, w.d = number(g["sy"]), number(g["sm"]), number(g["sd"])
		if digitFollows(after) || strings.HasPrefix(after, ".") && len(after) > 1 && after[1] >= '0' && after[1] <= '9' {
			return false
		}
	case g["yy"] != "": // 25年12月19日, in a text that has written a year in full
		w.y, w.m, w.d = 2000+number(g["yy"]), number(g["ym"]), number(g["yd"])
		w.rel = shortYear
	case g["abbr"] != "":
		if c, _ := utf8.DecodeLastRuneInString(before); c < 0x80 && (c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			return false
		}
		w.y, w.m, w.d = eraStart[g["abbr"]]+number(g["ay"]), number(g["am"]), number(g["ad"])
	case g["rel"] != "":
		w.m, w.d = number(g["lm"]), number(g["ld"])
		w.rel = yearOffset
		switch g["rel"] {
		case "昨年", "前年":
			w.shift = -1
		case "一昨年":
			w.shift = -2
		case "同年", "当年":
			w.rel = sameYear
		case "翌年":
			w.rel, w.shift = sameYear, 1
		}
		if g["rel"] == "前年" {
			w.rel = sameYear
		}
	case g["relm"] != "":
		w.d = number(g["lmd"])
		switch g["relm"] {
		case "先月", "前月":
			w.rel, w.shift = monthShift, -1
		case "翌月":
			w.rel, w.shift = monthShift, 1
		case "今月", "本月":
			w.rel = monthShift
		default:
			w.rel = noMonth
		}
	case g["nm"] != "":
		w.rel, w.m, w.d = noYear, number(g["nm"]), number(g["nd"])
	case g["xm"] != "":
		w.rel, w.m, w.d = noYear, number(g["xm"]), number(g["xd"])
		leads := strings.TrimSpace(before) == "" && strings.HasPrefix(after, " ") // 8/19 医師が: an entry of an account
		if !slashDate.MatchString(after) && !leads && !strings.HasSuffix(strings.TrimRight(before, " "), "(") {
			return false
		}
	case g["om"] != "":
		w.rel, w.m = noYear, number(g["om"])
		if !monthOnly.MatchString(after) || strings.HasSuffix(before, "第") {
			return false
		}
	case g["word"] != "":
		return !wordPart.MatchString(after) && readWordJA(s, l, w, g["word"], after)
	case g["bd"] != "":
		w.rel, w.d = noMonth, number(g["bd"])
		if strings.HasPrefix(s[w.from:], "翌") {
			w.shift = 1
		}
		if !bareDay.MatchString(after) || strings.HasSuffix(before, "月") || spanBefore.MatchString(before) || spanAfter.MatchString(after) {
			return false
		}
	case g["clock"] != "":
		w.rel = onlyTime
		w.to = w.from
		if strings.HasPrefix(after, "間") || !readClockJA(s, l, w) || w.hh < 0 {
			return false
		}
		return true
	}
	if lawDate.MatchString(s[w.to:l.to]) || w.rel != onlyYear && w.m == 0 && w.rel != noMonth && w.rel != monthShift {
		return false
	}
	if w.m > 12 || w.d > 31 || w.rel != onlyYear && w.rel != noMonth && w.rel != monthShift && w.m < 1 {
		return false
	}
	if w.rel == onlyYear {
		return true
	}
	readWeekdayJA(s, l, w)
	if w.d > 0 {
		readClockJA(s, l, w)
	}
	if loc := aboutDate.FindStringIndex(s[w.to:l.to]); loc != nil {
		w.about = true
		w.to += loc[1]
	}
	return true
}

var (
	slashDate = ruleJA("slashDate")
	monthOnly = ruleJA("monthOnly")
	bareDay   = ruleJA("bareDay")
	// spanBefore and spanAfter stand around days that are no date, and say how long something took.
	spanBefore = ruleJA("spanBefore")
	spanAfter  = ruleJA("spanAfter")
)

// wordPart makes 前日 and its like a part of another word: 前日準備.
var wordPart = ruleJA("wordPart")

// readWordJA reads 同日, 翌日 and their like.
func readWordJA(s string, l line, w *when, word, after string) bool {
	switch word {
	case "同日":
		w.rel = dayShift
	case "翌日":
		w.rel, w.shift = dayShift, 1
	case "翌々日":
		w.rel, w.shift = dayShift, 2
	case "前日":
		w.rel, w.shift = dayShift, -1
	case "前々日":
		w.rel, w.shift = dayShift, -2
	case "翌朝", "翌未明":
		w.rel, w.shift, w.vague = dayShift, 1, true
	case "本日":
		w.rel = today
	case "昨日":
		w.rel, w.shift = today, -1
	case "一昨日":
		w.rel, w.shift = today, -2
	case "明日":
		w.rel, w.shift = today, 1
	}
	readWeekdayJA(s, l, w)
	readClockJA(s, l, w)
	return true
}

func readWeekdayJA(s string, l line, w *when) {
	if m := weekdayJA.FindStringSubmatch(s[w.to:l.to]); m != nil {
		w.weekday, w.hasWeekday = weekdayOf[m[1]+m[2]], true
		w.to += len(m[0])
	}
}

// readClockJA reads the time of day behind w.
func readClockJA(s string, l line, w *when) bool {
	rest := firstBytes(s[w.to:l.to], 120)
	m := clockJA.FindStringSubmatch(rest)
	if m == nil || m[4] == "" && m[7] == "" && m[2] == "" {
		return false
	}
	part := strings.ToLower(strings.ReplaceAll(m[2], ".", ""))
	hour, minute := number(m[4])+number(m[7]), number(m[5])+number(m[8])
	if m[6] != "" {
		minute = 30
	}
	tail := rest[len(m[0]):]
	if m[4] != "" && m[5] == "" && m[6] == "" && strings.HasPrefix(tail, "間") { // 24時間
		return false
	}
	if m[4] == "" && m[7] == "" {
		if part == "am" || part == "pm" {
			return false
		}
		if part == "正午" {
			w.hh, w.mm = 12, -1
		} else {
			w.vague = true
		}
		w.to += len(m[0])
		return true
	}
	switch part {
	case "午後", "pm", "夕方", "夕刻", "夜", "夜間":
		if hour < 12 {
			hour += 12
		}
	case "午前", "am":
		if hour == 12 {
			hour = 0
		}
	case "深夜", "夜中":
		if hour >= 9 && hour < 12 {
			hour += 12
		}
	}
	if hour > 24 || minute > 59 || hour == 24 && minute > 0 {
		return false
	}
	w.hh, w.mm = hour, minute
	if m[4] != "" && m[5] == "" && m[6] == "" {
		w.mm = -1
	}
	w.about = w.about || m[3] != "" || m[9] != ""
	w.to += len(m[0])
	zone := m[1]
	if z := zoneTail.FindStringSubmatch(s[w.to:l.to]); z != nil {
		zone = z[1]
		w.to += len(z[0])
	}
	w.inZone(zone)
	return true
}

// inZone takes the name of a zone. Only those that mean one offset everywhere are believed.
func (w *when) inZone(name string) {
	switch name {
	case "", "日本時間", "JST":
		if name != "" {
			w.zone = incident.Japan
		}
	case "UTC", "GMT":
		w.zone = time.UTC
	default:
		w.foreign = true
	}
}

func rangeBefore(before string) bool {
	b := strings.TrimRight(before, " ")
	return len(b) > 1 && (strings.HasSuffix(b, "-") || strings.HasSuffix(b, ":"))
}

func digitFollows(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func eraYear(s string) int {
	if s == "元" {
		return 1
	}
	return number(s)
}

// resolver completes the times of a text in their order.
type resolver struct {
	base  incident.Moment // the day of publication, zero where the text does not say it
	known time.Time       // the last day that the text was changed on: nothing it tells of as past is later
	zone  *time.Location
	lines []line
	last  *when           // the date named before
	added incident.Moment // the day on which the part that holds the time was added, zero where it was not
	// oneDay says that the text names one day only, so that a time alone is of that day.
	oneDay bool
	year   int // a year that stands alone, "2023年" as a heading
	sole   int // the one year that the dates of the text have, where they have one
}

// resolve gives w its moment; without one it stays zero, because nothing in the text says when it was. A promise or a
// deadline lies ahead (future); anything else is past when it is told.
func (r *resolver) resolve(w *when, future bool) {
	y, m, d := w.y, w.m, w.d
	switch w.rel {
	case onlyYear:
		r.year = w.y
		return
	case absolute:
	case noYear:
		if y = r.yearOf(w, future); y == 0 {
			return
		}
	case noMonth:
		if r.last == nil || r.last.moment.IsZero() || !r.near(w) {
			return
		}
		t := r.last.moment.Time
		y, m = t.Year(), int(t.Month())
		if d < t.Day() && (w.shift > 0 || w.end || r.last.start) {
			next := time.Date(y, time.Month(m)+1, 1, 0, 0, 0, 0, time.UTC)
			y, m = next.Year(), int(next.Month())
		}
	case sameYear:
		if r.last == nil || r.last.moment.IsZero() {
			return
		}
		y = r.last.moment.Time.Year() + w.shift
	case yearOffset:
		if r.base.IsZero() {
			return
		}
		y = r.base.Time.Year() + w.shift
	case monthShift:
		if r.base.IsZero() {
			return
		}
		t := time.Date(r.base.Time.Year(), r.base.Time.Month()+time.Month(w.shift), 1, 0, 0, 0, 0, time.UTC)
		y, m = t.Year(), int(t.Month())
	case today:
		t := r.base.Time
		if !r.added.IsZero() {
			t = r.added.Time
		}
		if t.IsZero() {
			return
		}
		t = t.AddDate(0, 0, w.shift)
		y, m, d = t.Year(), int(t.Month()), t.Day()
	case dayShift, onlyTime:
		if r.last == nil || r.last.moment.IsZero() || r.last.moment.Precision == incident.Month || !r.near(w) {
			return
		}
		t := r.last.moment.Time.AddDate(0, 0, w.shift)
		y, m, d = t.Year(), int(t.Month()), t.Day()
	}
	w.set(y, m, d, r.zone)
	if !w.moment.IsZero() {
		r.last = w
	}
}

// near reports whether the date before w is close enough to be what 同日 or a time alone refers to.
func (r *resolver) near(w *when) bool {
	if w.line == r.last.line {
		return true
	}
	a, b := r.lines[w.line], r.lines[r.last.line]
	switch w.rel {
	case onlyTime:
		return r.oneDay || w.line-r.last.line <= 12 && a.section == secStory && b.section == secStory
	default:
		return w.line-r.last.line <= 8
	}
}

// yearOf finds the year of a date without one: that of the date before it in the same part of the text, turned at the end
// of a year; else the latest that makes the date lie before publication.
func (r *resolver) yearOf(w *when, future bool) int {
	day := max(w.d, 1)
	base := r.base.Time
	if r.known.After(base) {
		base = r.known
	}
	if r.last != nil && !r.last.moment.IsZero() && r.last.rel != today && (w.line == r.last.line || r.sameStory(w)) {
		prev := r.last.moment.Time
		y := prev.Year()
		if gap := prev.Sub(date(y, w.m, day)); gap > 180*24*time.Hour && (r.base.IsZero() || !date(y+1, w.m, day).After(base.AddDate(0, 2, 0))) {
			y++
		}
		if !r.base.IsZero() && !future && date(y, w.m, day).After(base.AddDate(0, 0, 1)) && r.last.rel != absolute {
			y--
		}
		return y
	}
	if r.year != 0 {
		return r.year
	}
	if r.base.IsZero() {
		if r.last != nil && !r.last.moment.IsZero() {
			return r.last.moment.Time.Year()
		}
		return r.soleYear(w)
	}
	y := base.Year()
	switch at := date(y, w.m, day); {
	case future && base.Sub(at) > 180*24*time.Hour:
		return y + 1
	case !future && at.After(base.AddDate(0, 0, 1)):
		return y - 1
	case at.Sub(base) > 180*24*time.Hour:
		return y - 1
	}
	return y
}

// soleYear is the one year that the text names, for a date that stands before it. A weekday must agree; where there is none, nothing
// in the text says that the date is of that year.
func (r *resolver) soleYear(w *when) int {
	if r.sole == 0 || w.d == 0 || w.hasWeekday && date(r.sole, w.m, w.d).Weekday() != w.weekday {
		return 0
	}
	if !w.hasWeekday {
		w.doubt = fmt.Sprintf("the text does not say its year: %d is the only one that it names", r.sole)
	}
	return r.sole
}

func (r *resolver) sameStory(w *when) bool {
	a, b := r.lines[w.line], r.lines[r.last.line]
	return a.section == b.section && r.last.line > 0 && !(r.last.rel == absolute && b.section == secNone && w.line-r.last.line > 6)
}

func date(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }

// set completes w, and says what does not fit.
func (w *when) set(y, m, d int, zone *time.Location) {
	if y < 1970 || y > 2099 || m < 1 || m > 12 {
		return
	}
	if w.zone != nil {
		zone = w.zone
	}
	if d == 0 {
		w.moment = incident.Moment{Time: time.Date(y, time.Month(m), 1, 0, 0, 0, 0, zone), Precision: incident.Month}
		return
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, zone)
	if t.Day() != d { // 2月30日
		return
	}
	if w.hasWeekday && t.Weekday() != w.weekday {
		w.doubt = fmt.Sprintf("%s was a %s, but the text says %s", t.Format("2006-01-02"), t.Weekday(), w.weekday)
	}
	w.moment = incident.Moment{Time: t, Precision: incident.Day}
	switch {
	case w.foreign || w.hh < 0:
	default: // 20時に is 20:00; 20時頃 is about that
		w.moment = incident.Moment{Time: t.Add(time.Duration(w.hh)*time.Hour + time.Duration(max(w.mm, 0))*time.Minute), Precision: incident.Minute}
	}
}

// sinceUntil joins two times of which the second is followed by まで: 7月19日以降、8月3日まで.
var sinceUntil = ruleJA("sinceUntil")

// pairRanges marks times that a から, ～, － or their like joins.
func pairRanges(s string, all []*when) {
	for i := 1; i < len(all); i++ {
		a, b := all[i-1], all[i]
		if a.line != b.line || b.from-a.to > 90 || a.end {
			continue
		}
		between := bracketed.ReplaceAllString(s[a.to:b.from], "") // 11時頃(最初の入力)から16時頃まで
		if len(between) > 24 {
			continue
		}
		if beforeJoin.MatchString(between) || joinEN.MatchString(between) || sinceUntil.MatchString(between) && strings.HasPrefix(s[b.to:], "まで") {
			a.start, b.end = true, true
			// 午後4時20分頃から5時05分頃まで: the half of the day is said once.
			if b.rel == onlyTime && a.hh >= 12 && b.hh < 12 && b.hh+12 >= a.hh {
				b.hh += 12
			}
		}
	}
}
