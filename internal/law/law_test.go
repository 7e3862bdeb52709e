package law

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/jp"

	"shirase/internal/incident"
	files "shirase/law"
)

// TestShipped reads every regime that is shipped, which runs the tests in each file, and prints regime by situation, so that
// a person can read what was tested.
func TestShipped(t *testing.T) {
	b, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range b.Regimes() {
		for _, row := range r.tests {
			n += len(row.due)
			t.Logf("%s, line %d\n%s", r.ID, row.line, b.Table(r, row.situation, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
	}
	if len(b.Regimes()) < 35 || n < 150 {
		t.Errorf("%d regimes, %d due times", len(b.Regimes()), n)
	}
	t.Logf("%d due times", n)
}

// TestHolidays holds the official list against a library that computes, in the years in which that is right, and against
// the days that laws moved in the years of an enthronement and of the games, in which it is not.
func TestHolidays(t *testing.T) {
	c, err := newCalendar("jp")
	if err != nil {
		t.Fatal(err)
	}
	computed := cal.NewBusinessCalendar()
	computed.AddHoliday(jp.Holidays...)
	days := 0
	for at := time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() <= c.to; at = at.AddDate(0, 0, 1) {
		if y := at.Year(); y >= 2019 && y <= 2021 {
			continue
		}
		actual, observed, _ := computed.IsHoliday(at)
		if listed := c.official[at.Format(time.DateOnly)]; listed != (actual || observed) {
			t.Errorf("%s: listed %v, computed %v", at.Format(time.DateOnly), listed, actual || observed)
		}
		days++
	}
	if days < 4000 {
		t.Errorf("only %d days were compared", days)
	}
	for date, is := range map[string]bool{
		"2019-05-01": true, "2019-04-30": true, "2019-05-02": true, "2019-10-22": true, "2019-12-23": false,
		"2020-08-10": true, "2020-08-11": false, "2020-07-23": true, "2020-07-24": true, "2020-10-12": false,
		"2021-08-08": true, "2021-08-09": true, "2021-08-11": false, "2021-07-22": true, "2021-07-23": true, "2021-10-11": false,
		"2026-09-22": true,
	} {
		if c.official[date] != is {
			t.Errorf("%s: %v", date, !is)
		}
	}
	var guessed bool
	if c.off(time.Date(2030, 1, 4, 0, 0, 0, 0, time.UTC), &guessed); !guessed {
		t.Error("a year that is not listed is taken for official")
	}
}

// TestDeadlines: units, the first day, months' ends, daylight saving, days off.
func TestDeadlines(t *testing.T) {
	jpCal, err := newCalendar("jp")
	if err != nil {
		t.Fatal(err)
	}
	usCal, err := newCalendar("us")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		start, deadline, zone string
		cal                   *Calendar
		want                  string
	}{
		{"2028-01-31+09:00", "1mo", "Asia/Tokyo", jpCal, "2028-02-29+09:00"},
		{"2027-01-31+09:00", "1mo", "Asia/Tokyo", jpCal, "2027-02-28+09:00"},
		{"2026-12-31+09:00", "30d", "Asia/Tokyo", jpCal, "2027-01-30+09:00"},
		{"2026-12-31+09:00", "1d day1", "Asia/Tokyo", jpCal, "2026-12-31+09:00"},
		{"2026-12-31+09:00", "1d day1 roll", "Asia/Tokyo", jpCal, "2027-01-04+09:00"},
		{"2028-02-29+09:00", "12mo", "Asia/Tokyo", jpCal, "2029-02-28+09:00"},
		{"2026-03-27T16:00+01:00", "72h", "Europe/Brussels", nil, "2026-03-30T17:00+02:00"},
		{"2026-10-24T16:00+02:00", "24h", "Europe/Brussels", nil, "2026-10-25T15:00+01:00"},
		{"2026-11-25T23:30-05:00", "4bd", "America/New_York", usCal, "2026-12-02-05:00"}, // Thanksgiving between
		{"2026-07-02-04:00", "4bd", "America/New_York", usCal, "2026-07-09-04:00"},       // Independence Day, kept on the Friday
		{"2026-11-27+09:00", "2bd", "", nil, "2026-12-01Z"},
		{"2026-08-20T23:59+09:00", "30d day1", "Asia/Tokyo", jpCal, "2026-09-18+09:00"},
		{"2026-08-20T16:00Z", "30d day1", "Asia/Tokyo", jpCal, "2026-09-19+09:00"},
		{"2026-08-20+09:00", "asap", "Asia/Tokyo", jpCal, ""},
		{"2026-08-20+09:00", "unknown", "Asia/Tokyo", jpCal, ""},
	} {
		d, err := parseDeadline(x.deadline)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := time.LoadLocation(x.zone)
		if err != nil {
			t.Fatal(err)
		}
		start, err := incident.ParseMoment(x.start, nil)
		if err != nil {
			t.Fatal(err)
		}
		if due, _, err := d.due(start, zone, x.cal); err != nil || due.String() != x.want {
			t.Errorf("%s from %s: %s, want %s (%v)", x.deadline, x.start, due, x.want, err)
		}
	}
	month, _ := incident.ParseMoment("2026-08+09:00", nil)
	d, _ := parseDeadline("30d")
	if _, _, err := d.due(month, time.UTC, nil); !errors.Is(err, ErrPlain) {
		t.Errorf("from a month: %v", err)
	}
	for _, text := range []string{"", "30", "d", "0d", "30d day2", "72h roll", "3-5d", "about 5-3d", "1mo day1", "4bd roll", "99999d", "30d roll day1"} {
		if _, err := parseDeadline(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

// TestVersions: a breach is under the rules of its time.
func TestVersions(t *testing.T) {
	src := `v: 1
regime: two
reviewed: 2026-01-01
name: {ja: あ, en: A}
place: JP
zone: Asia/Tokyo
rules:
  - {id: r, name: {ja: あ, en: A}, says: {ja: あ, en: A}, citation: old, until: 2024-04-01, status: in-force, read: memory, sure: low, start: knowledge, within: 10d}
  - {id: r, name: {ja: あ, en: A}, says: {ja: あ, en: A}, citation: new, from: 2024-04-01, status: in-force, read: memory, sure: low, start: knowledge, within: 5d}
  - {id: bill, name: {ja: あ, en: A}, says: {ja: あ, en: A}, citation: bill, status: bill, read: memory, sure: low, start: knowledge, within: 5d}
tests:
  - {known: 2024-03-31, due: {r: 2024-04-10, bill: no clock}}
  - {known: 2024-04-01, due: {r: 2024-04-06, bill: no clock}}
`
	r, findings, err := Parse("two.yaml", []byte(src))
	if err != nil {
		t.Fatalf("%v, %v", err, findings)
	}
	m, _ := incident.ParseMoment("2024-03-31+09:00", nil)
	now := time.Date(2024, 4, 11, 0, 0, 0, 0, incident.Japan)
	late := clocks(r, Situation{At: map[string]incident.Moment{"knowledge": m}}, now, nil)
	if len(late) != 1 || late[0].State != Overdue || late[0].Left(now) != 0 {
		t.Errorf("%+v", late)
	}
	if on := clocks(r, Situation{At: map[string]incident.Moment{"knowledge": m}}, now.Add(-time.Second), nil); on[0].State != Running {
		t.Errorf("a second before its end it is %s", on[0].State)
	}
}

// TestFindings: what is wrong with a file is told with its line and a remedy.
func TestFindings(t *testing.T) {
	good, err := fs.ReadFile(files.Files, "jp-pmark.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, findings, err := Parse("p", good); err != nil || len(findings) > 0 {
		t.Fatal(findings, err)
	}
	untested, _, _ := bytes.Cut(good, []byte("tests:"))
	if _, findings, err := Parse("p", untested); !errors.Is(err, ErrFile) || !strings.Contains(findings[0].What, "no test") {
		t.Errorf("without tests: %v", findings)
	}
	for name, c := range map[string]struct{ old, new, what string }{
		"a key":          {"citation:", "quotation:", "unknown field"},
		"a version":      {"v: 1", "v: 2", "v is 2"},
		"a zone":         {"Asia/Tokyo", "Asia/Edo", "zone"},
		"a calendar":     {"holidays: jp", "holidays: mars", "calendar"},
		"a status":       {"status: in-force", "status: lively", "status"},
		"a read mark":    {"read: primary", "read: rumour", "read"},
		"a deadline":     {"within: about 3-5d", "within: soon", "deadline"},
		"a word":         {"when: wrongful", "when: wicked", "none of the words"},
		"a comparison":   {"persons > 1000", "persons = 1000", "compared"},
		"a trigger":      {"start: knowledge", "start: dawn", "start"},
		"a date":         {"from: 2022-04-01", "from: 2022-13-01", "no date"},
		"two at once":    {"id: kakuho-60", "id: kakuho", "hold at once"},
		"no English":     {"en: PrivacyMark (Japan)", "en: ''", "in English"},
		"a wrong test":   {"kakuho: 2026-09-18", "kakuho: 2026-09-19", "the test wants"},
		"a test's clock": {"kakuho: 2026-09-18", "nothing: 2026-09-18", "no clock"},
	} {
		src := strings.Replace(string(good), c.old, c.new, 1)
		if src == string(good) {
			t.Fatalf("%s: nothing was changed", name)
		}
		r, findings, err := Parse("p.yaml", []byte(src))
		if r != nil || !errors.Is(err, ErrFile) || len(findings) == 0 || findings[0].Line < 1 || findings[0].Remedy == "" {
			t.Errorf("%s: %v, %v", name, findings, err)
			continue
		}
		if !strings.Contains(findings[0].What, c.what) {
			t.Errorf("%s: it says %q, not %q", name, findings[0].What, c.what)
		}
	}
}

// TestNotKnown: what is not known is never a no, and what is counted as if it were so says so.
func TestNotKnown(t *testing.T) {
	b, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Regime("jp-appi")
	if err != nil {
		t.Fatal(err)
	}
	m, _ := incident.ParseMoment("2026-08-20+09:00", nil)
	for _, c := range b.Clocks(r, Situation{At: map[string]incident.Moment{"knowledge": m}}, m.Time) {
		if c.State == NotApplicable && len(c.Rule.parts) > 0 && c.Rule.parts[0] == "own" {
			t.Errorf("%s does not apply, and nothing is known", c.ID)
		}
		if c.State == Running && (!c.Doubt || c.Why.JA == "" || c.Why.EN == "") {
			t.Errorf("%s does not say what would have to be known", c.ID)
		}
	}
	if w := b.Clocks(r, Situation{}, m.Time); len(w) == 0 || w[0].State != Waiting {
		t.Errorf("without a start: %+v", w)
	}
}

// FuzzParse: a file is read within its limits, or refused with a line.
func FuzzParse(f *testing.F) {
	names, err := fs.Glob(files.Files, "*.yaml")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, n := range names {
		src, err := fs.ReadFile(files.Files, n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("v: 1\nrules: [{when: {any: [{all: [x]}]}}]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if bytes.Count(src, []byte("[")) > 200 {
			return
		}
		r, findings, err := Parse("f", src)
		if (r == nil) != (err != nil) || (err != nil) != (len(findings) > 0) {
			t.Errorf("%v, %v, %v", r, findings, err)
		}
	})
}
