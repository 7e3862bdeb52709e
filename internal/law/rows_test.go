package law

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"

	"shirase/internal/incident"
)

// TestRows holds deadlines against a table that was worked out apart from this program: holidays, years' ends, leap days, zones and
// daylight saving. It prints how many rows there are, those in the regimes' own files too.
func TestRows(t *testing.T) {
	f, err := os.Open("testdata/rows.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cals := map[string]*Calendar{"-": nil}
	for _, name := range []string{"jp", "us"} {
		if cals[name], err = newCalendar(name); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		x := strings.Split(lines.Text(), "\t")
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		if len(x) != 6 {
			t.Fatalf("not a row: %q", lines.Text())
		}
		zone, err := time.LoadLocation(x[0])
		if err != nil {
			t.Fatal(err)
		}
		cal, known := cals[x[1]]
		d, err := parseDeadline(x[2])
		if err != nil || !known {
			t.Fatal(x, err)
		}
		start, err := incident.ParseMoment(x[3], zone)
		if err != nil {
			t.Fatal(err)
		}
		due, _, err := d.due(start, zone, cal)
		is := due.Time.In(zone).Format("2006-01-02T15:04")
		if due.Precision == incident.Day {
			is = due.Time.In(zone).Format(time.DateOnly)
		}
		if err != nil || is != x[4] {
			t.Errorf("%s from %s in %s: %s, want %s (%s): %v", x[2], x[3], x[0], is, x[4], x[5], err)
		}
		n++
	}
	if n < 120 {
		t.Errorf("only %d rows", n)
	}
	b, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	files, dues := 0, 0
	for _, r := range b.Regimes() {
		files += len(r.tests)
		for _, row := range r.tests {
			dues += len(row.due)
		}
	}
	t.Logf("%d rows in the table, and %d in %d regimes' files, of %d due times", n, files, len(b.Regimes()), dues)
}

// TestKakuho are the rows by which the count of the final report was checked by hand when the law was read.
func TestKakuho(t *testing.T) {
	b, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Regime("jp-appi")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		known, rule, want string
		wrongful          bool
	}{
		{"2026-08-20", "kakuho", "2026-09-18", false}, // counted from the next day it would be 09-24
		{"2026-08-21", "kakuho", "2026-09-24", false}, // Saturday, Sunday and three holidays
		{"2026-11-29", "kakuho", "2026-12-28", false}, // counted from the next day it would be 2027-01-04
		{"2026-12-01", "kakuho", "2027-01-04", false},
		{"2026-12-04", "kakuho-60", "2027-02-01", true},
		{"2028-01-31", "kakuho", "2028-02-29", false},
		{"2026-04-04", "kakuho", "2026-05-07", false},
	} {
		s := Situation{At: map[string]incident.Moment{"knowledge": mustMoment(t, x.known+"+09:00")}, Persons: Exactly(5000), Known: map[string]bool{"wrongful": x.wrongful, "sensitive": true, "encrypted": false}}
		found := false
		for _, c := range b.Clocks(r, s, s.At["knowledge"].Time) {
			if c.Rule.ID == x.rule {
				found = true
				if got := c.shown(r.Zone); got != x.want {
					t.Errorf("known %s: %s is due %s, want %s", x.known, x.rule, got, x.want)
				}
			}
		}
		if !found {
			t.Errorf("known %s: no %s", x.known, x.rule)
		}
	}
}

// TestFrom: no rule holds on the day before it began, and each holds on the day on which it did.
func TestFrom(t *testing.T) {
	b, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range b.Regimes() {
		for i := range r.Rules {
			rule := &r.Rules[i]
			if rule.From == "" || rule.Status == Bill || rule.Status == Proposal {
				continue
			}
			first, err := time.ParseInLocation(time.DateOnly, rule.From, r.Zone)
			if err != nil {
				t.Fatal(err)
			}
			at := func(day time.Time) bool {
				m := incident.Moment{Time: fixedOffset(day), Precision: incident.Day}
				return rule.holds(m, true, r.Zone, first.AddDate(1, 0, 0))
			}
			if n++; at(first.AddDate(0, 0, -1)) || !at(first) {
				t.Errorf("%s-%s from %s: the day before %v, that day %v", r.ID, rule.ID, rule.From, at(first.AddDate(0, 0, -1)), at(first))
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d rules have a beginning", n)
	}
	t.Logf("%d rules, each on two days", n)
}
