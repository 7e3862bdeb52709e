package response

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"shirase/internal/hint"
)

// Limits of what is pasted at once.
const (
	maxPaste    = 512 << 10 // bytes
	maxLines    = 2000
	maxLineText = 2000 // characters of a candidate
)

// A form is one in which logs and chats begin a line with a time. Its groups are named: year, month, day, half (am, pm), hour, minute,
// second, fraction, zone, epoch; what is not in it is taken from the day line above, or not known.
type form struct {
	*regexp.Regexp
	whole bool // the time stands within the line, which stays whole
}

const (
	dateForm  = `(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})`
	jaForm    = `(?:(?P<year>\d{4})年)?(?P<month>\d{1,2})月(?P<day>\d{1,2})日(?:\s?[(（][月火水木金土日][)）])?`
	clockForm = `(?P<half>午前|午後)?(?P<hour>\d{1,2})(?::|時)(?P<minute>\d{2})分?(?:(?::|)(?P<second>\d{2})秒?(?:[.,](?P<fraction>\d{1,9}))?)?(?:\s?(?P<half2>AM|PM|am|pm)\b)?`
	zoneForm  = `(?:\s?(?P<zone>Z\b|[+-]\d{2}:?\d{2}\b|[A-Z]{3,4}\b))?`
)

// patterns are compiled when they are first needed: a command that reads no lines does not wait for them.
var patterns = sync.OnceValue(func() (p struct {
	forms         []form
	dayLine       []*regexp.Regexp
	speaker, said *regexp.Regexp
}) {
	p.forms = []form{
		{regexp.MustCompile(`^\[?` + dateForm + `(?:T|\s+)` + clockForm + zoneForm + `\]?[\s,:]*`), false},
		{regexp.MustCompile(`^\[?` + jaForm + `\s*` + clockForm + zoneForm + `\]?[\s,:、]*`), false},
		{regexp.MustCompile(`^(?:<\d{1,3}>)?(?P<monthname>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s+(?P<day>\d{1,2})\s(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})(?:\s|$)`), false},
		{regexp.MustCompile(`\[(?P<day>\d{1,2})/(?P<monthname>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/(?P<year>\d{4}):(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2}) (?P<zone>[+-]\d{4})\]`), true},
		{regexp.MustCompile(`^\[?(?P<epoch>1\d{9})(?:\.?(?P<fraction>\d{3,6}))?\]?(?:\s|$)`), false},
		{regexp.MustCompile(`^\[?` + clockForm + `\]?(?:\s+|$)`), false},
	}
	p.dayLine = []*regexp.Regexp{
		regexp.MustCompile(`^[-=—*\s]*` + dateForm + `(?:\s?[(（][月火水木金土日][)）])?(?:,?\s?(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*)?[-=—*\s]*$`),
		regexp.MustCompile(`^[-=—*\s]*` + jaForm + `(?:\s?[月火水木金土日]曜日)?[-=—*\s]*$`),
	}
	// What stands above what somebody said: "田中 花子  10:09", "sato [10:09 AM]".
	p.speaker = regexp.MustCompile(`^(?P<who>\S(?:.{0,38}\S)?)\s+\[?` + clockForm + `\]?$`)
	p.said = regexp.MustCompile(`^([^\t:：]{1,40})(?:\t|[:：]\s)(.+)$`)
	return p
})

var (
	months = map[string]int{"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10, "Nov": 11, "Dec": 12}
	zones  = map[string]int{"Z": 0, "UTC": 0, "GMT": 0, "JST": 9 * 60, "KST": 9 * 60} // others mean several zones
)

// reading is how far the lines above go.
type reading struct {
	zone  *time.Location
	now   time.Time
	day   map[string]string // year, month and day of the day line above
	who   string            // of the speaker's line above
	at    string
	items []Candidate
}

// ReadLines reads lines of a log or a chat: each line, or what a speaker's line stands above, is a candidate. Times without a zone are
// of zone; one without a year is the newest that is not in the future. Whatever has a time that cannot be read for sure gets none. What
// begins with a space goes on with the line before. Errors: ErrEntry, where it is too much, or nothing.
func ReadLines(text string, zone *time.Location, now time.Time) ([]Candidate, error) {
	if len(text) > maxPaste || strings.Count(text, "\n") >= maxLines {
		return nil, hint.Add(fmt.Errorf("%w: at most %d lines and %d KiB are read at once", ErrEntry, maxLines, maxPaste>>10), "paste the lines that matter, and take in the whole file as evidence")
	}
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%w: it is not UTF-8 text", ErrEntry)
	}
	r := &reading{zone: zone, now: now}
	for line := range strings.Lines(text) {
		r.line(strings.TrimRight(clean(line), " "))
	}
	if len(r.items) == 0 {
		return nil, fmt.Errorf("%w: there is no line in it", ErrEntry)
	}
	return r.items, nil
}

// clean makes a line one that can be shown: tabs stay, other control characters and those that change its direction are marked.
func clean(line string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\ufeff' || r == '\u200e' || r == '\u200f':
			return -1
		case r == '\t':
			return r
		case unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == utf8.RuneError:
			return '\ufffd'
		}
		return r
	}, line)
}

func (r *reading) line(line string) {
	trimmed := strings.TrimSpace(line)
	if trimmed == "" {
		r.who, r.at = "", ""
		return
	}
	if (line[0] == ' ' || line[0] == '\t') && len(r.items) > 0 && r.who == "" {
		last := &r.items[len(r.items)-1]
		last.Text = short(last.Text + "\n" + trimmed)
		return
	}
	for _, f := range patterns().dayLine {
		if g := groups(f, trimmed); g != nil {
			r.day, r.who, r.at = g, "", ""
			return
		}
	}
	for _, f := range patterns().forms {
		g := groups(f.Regexp, trimmed)
		if g == nil {
			continue
		}
		r.who, r.at = "", ""
		c := Candidate{At: r.time(g), Text: trimmed}
		if rest := strings.TrimSpace(strings.TrimPrefix(trimmed, g["all"])); !f.whole && rest != "" && c.At != "" {
			c.Text = rest
			if m := patterns().said.FindStringSubmatch(rest); m != nil && g["second"] == "" { // chats tell minutes, logs seconds
				c.Who, c.Text = strings.TrimSpace(m[1]), strings.TrimSpace(m[2])
			}
		}
		c.Text = short(c.Text)
		r.items = append(r.items, c)
		return
	}
	if g := groups(patterns().speaker, trimmed); g != nil {
		r.who, r.at = g["who"], r.time(g)
		return
	}
	r.items = append(r.items, Candidate{At: r.at, Who: r.who, Text: short(trimmed)})
}

func short(s string) string {
	if utf8.RuneCountInString(s) <= maxLineText {
		return s
	}
	return string([]rune(s)[:maxLineText-1]) + "…"
}

// groups gives what a form finds by name; "all" is all of it. nil where it does not fit.
func groups(re *regexp.Regexp, s string) map[string]string {
	m := re.FindStringSubmatch(s)
	if m == nil {
		return nil
	}
	out := map[string]string{"all": m[0]}
	for i, name := range re.SubexpNames() {
		if name != "" && m[i] != "" {
			out[name] = m[i]
		}
	}
	return out
}

// time gives the time of a line in the form of Event.At; "" where it is not sure.
func (r *reading) time(g map[string]string) string {
	micros := 0
	if f := g["fraction"]; f != "" {
		micros, _ = strconv.Atoi((f + "000000")[:6])
	}
	if g["epoch"] != "" {
		seconds, err := strconv.ParseInt(g["epoch"], 10, 64)
		if err != nil {
			return ""
		}
		return time.Unix(seconds, int64(micros)*1000).UTC().Format(time.RFC3339Nano)
	}
	zone := r.zone
	if z := g["zone"]; z != "" {
		offset, known := zones[z]
		if !known {
			t, err := time.Parse("Z0700", strings.Replace(z, ":", "", 1))
			if err != nil { // an abbreviation that means several zones, or none
				return ""
			}
			_, seconds := t.Zone()
			offset = seconds / 60
		}
		zone = time.FixedZone("", offset*60)
	}
	day := g
	if g["day"] == "" {
		if day = r.day; day == nil {
			return ""
		}
	}
	number := func(from map[string]string, name string) int { n, _ := strconv.Atoi(from[name]); return n }
	month := number(day, "month")
	if name := day["monthname"]; name != "" {
		month = months[name]
	}
	hour := number(g, "hour")
	if half := strings.ToLower(g["half"] + g["half2"]); half != "" {
		if hour > 12 {
			return ""
		}
		if hour %= 12; half == "pm" || half == "午後" {
			hour += 12
		}
	}
	year := number(day, "year")
	make := func() time.Time {
		return time.Date(year, time.Month(month), number(day, "day"), hour, number(g, "minute"), number(g, "second"), micros*1000, zone)
	}
	if year == 0 {
		if year = r.now.In(zone).Year(); make().After(r.now.Add(24 * time.Hour)) {
			year--
		}
	}
	t := make()
	if int(t.Month()) != month || t.Day() != number(day, "day") || t.Hour() != hour || t.Minute() != number(g, "minute") || t.Second() != number(g, "second") || year < 1970 {
		return "" // 25:00, 31 June
	}
	if _, offset := t.Zone(); offset != 0 {
		t = t.In(time.FixedZone("", offset))
	} else {
		t = t.UTC()
	}
	if g["second"] == "" {
		return t.Format("2006-01-02T15:04Z07:00")
	}
	return t.Format("2006-01-02T15:04:05.999999Z07:00")
}
