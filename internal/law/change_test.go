package law

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	ics "github.com/arran4/golang-ical"

	"shirase/internal/incident"
	"shirase/internal/language"
)

func mustMoment(t *testing.T, s string) incident.Moment {
	t.Helper()
	m, err := incident.ParseMoment(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func japan(t *testing.T, change func(*Situation)) []Clock {
	t.Helper()
	b, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Regime("jp-appi")
	if err != nil {
		t.Fatal(err)
	}
	s := Situation{At: map[string]incident.Moment{"knowledge": mustMoment(t, "2026-08-20T10:09+09:00")}, Known: map[string]bool{"wrongful": false, "sensitive": false,
		"financial": false, "encrypted": false}, Persons: Exactly(900), Residents: map[string]Number{}, Done: map[string]incident.Moment{}, Suspended: map[string]bool{}}
	if change != nil {
		change(&s)
	}
	return b.Clocks(r, s, time.Date(2026, 8, 21, 0, 0, 0, 0, time.UTC))
}

// TestComparePromise: of a promise that is not there any more nothing is said of a regime.
func TestComparePromise(t *testing.T) {
	due := mustMoment(t, "2026-08-21T10:09+09:00")
	one := Clock{ID: "promise-3", State: Running, Due: due, Promise: &Promise{ID: "3", Due: due}}
	got := Compare([]Clock{one}, nil)
	if len(got) != 1 || !strings.Contains(got[0].Words().EN, "not recorded as a promise") || !strings.Contains(got[0].Words().JA, "もう記録されていません") {
		t.Errorf("%+v", got)
	}
}

// TestCompare: a fact that changes starts, moves and ends clocks, and what changed is said of each.
func TestCompare(t *testing.T) {
	small := japan(t, nil)
	big := japan(t, func(s *Situation) { s.Persons = Exactly(1001) })
	wrong := japan(t, func(s *Situation) { s.Persons = Exactly(1001); s.Known["wrongful"] = true })
	earlier := japan(t, func(s *Situation) {
		s.Persons = Exactly(1001)
		s.At["knowledge"] = mustMoment(t, "2026-08-18T10:09+09:00")
	})
	done := japan(t, func(s *Situation) {
		s.Persons = Exactly(1001)
		s.Done["jp-appi-sokuho"] = mustMoment(t, "2026-08-21T10:09+09:00")
	})
	for _, x := range []struct {
		name          string
		before, after []Clock
		want          map[string]ChangeKind
	}{
		{"the count passes 1,000", small, big, map[string]ChangeKind{"jp-appi-sokuho": Begun, "jp-appi-kakuho": Begun, "jp-appi-notify": Begun, "jp-appi-substitute": Begun}},
		{"the purpose becomes wrongful", big, wrong, map[string]ChangeKind{"jp-appi-kakuho": Ended, "jp-appi-kakuho-60": Begun}},
		{"a department knew before", big, earlier, map[string]ChangeKind{"jp-appi-sokuho": Moved, "jp-appi-kakuho": Moved}},
		{"the preliminary report was made", big, done, map[string]ChangeKind{"jp-appi-sokuho": Ended}},
		{"the regime is refused", big, nil, map[string]ChangeKind{"jp-appi-sokuho": Ended, "jp-appi-kakuho": Ended, "jp-appi-notify": Ended, "jp-appi-substitute": Ended}},
		{"nothing", big, big, map[string]ChangeKind{}},
	} {
		got := map[string]ChangeKind{}
		for _, c := range Compare(x.before, x.after) {
			got[c.ID] = c.Kind
			if w := c.Words(); w.JA == "" || w.EN == "" {
				t.Errorf("%s: %s says nothing", x.name, c.ID)
			}
		}
		for id, kind := range x.want {
			if got[id] != kind {
				t.Errorf("%s: %s is %q, want %q", x.name, id, got[id], kind)
			}
		}
		if len(x.want) == 0 && len(got) > 0 {
			t.Errorf("%s: %v", x.name, got)
		}
	}
}

// TestReminders: at half, four fifths and the end of a clock's time, and not of one that does not run.
func TestReminders(t *testing.T) {
	clocks := japan(t, func(s *Situation) { s.Persons = Exactly(5000); s.Known["wrongful"] = true })
	i := slices.IndexFunc(clocks, func(c Clock) bool { return c.ID == "jp-appi-kakuho-60" })
	c := clocks[i]
	got := c.Reminders()
	if len(got) != 3 || got[0].Percent != 50 || !got[2].At.Equal(c.End()) {
		t.Fatalf("%+v", got)
	}
	for _, r := range got {
		if p, ok := c.Elapsed(r.At); !ok || p < r.Percent-1 || p > r.Percent {
			t.Errorf("at %d %% of its time %d are over", r.Percent, p)
		}
	}
	c.State = Suspended
	if r := c.Reminders(); r != nil {
		t.Errorf("a suspended clock reminds: %v", r)
	}
	c.State, c.Due = Running, incident.Moment{}
	if r := c.Reminders(); r != nil {
		t.Errorf("a clock without a date reminds: %v", r)
	}
}

// TestPromise: kept in time, late, not kept, over without a word, and about an hour.
func TestPromise(t *testing.T) {
	due := mustMoment(t, "2013-07-19T21:00+09:00")
	at := func(s string) time.Time { return mustMoment(t, s).Time }
	for _, x := range []struct {
		name  string
		p     Promise
		now   time.Time
		fate  Fate
		state State
	}{
		{"open", Promise{ID: "a", Due: due}, at("2013-07-19T20:59+09:00"), Pending, Running},
		{"over", Promise{ID: "a", Due: due}, at("2013-07-19T21:00+09:00"), Unsaid, Overdue},
		{"about, and an hour more", Promise{ID: "a", Due: due, About: true}, at("2013-07-19T21:30+09:00"), Pending, Running},
		{"about, and over", Promise{ID: "a", Due: due, About: true}, at("2013-07-19T22:00+09:00"), Unsaid, Overdue},
		{"kept", Promise{ID: "a", Due: due, Kept: mustMoment(t, "2013-07-19T20:30+09:00")}, at("2013-08-01T00:00+09:00"), Kept, Done},
		{"about, and kept at 21:09", Promise{ID: "a", Due: due, About: true, Kept: mustMoment(t, "2013-07-19T21:09+09:00")}, at("2013-08-01T00:00+09:00"), Kept, Done},
		{"late", Promise{ID: "a", Due: due, Kept: mustMoment(t, "2013-07-20T19:20+09:00")}, at("2013-08-01T00:00+09:00"), Slipped, Done},
		{"by the end of a day", Promise{ID: "a", Due: mustMoment(t, "2013-07-20+09:00"), Kept: mustMoment(t, "2013-07-20T19:20+09:00")}, at("2013-08-01T00:00+09:00"), Kept, Done},
		{"recorded as not kept", Promise{ID: "a", Due: due, Broke: true}, at("2013-08-01T00:00+09:00"), Slipped, Done},
	} {
		c := x.p.Clock(x.now)
		if f := x.p.Fate(x.now); f != x.fate || c.State != x.state || c.ID != "promise-a" || c.Promise == nil {
			t.Errorf("%s: %s, %s, want %s, %s", x.name, f, c.State, x.fate, x.state)
		}
	}
}

// TestCalendar: what is written can be read, has each due time, alarms, and nothing of what happened.
func TestCalendar(t *testing.T) {
	clocks := japan(t, func(s *Situation) { s.Persons = Exactly(5000); s.Known["wrongful"] = true })
	b, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	eu, err := b.Regime("eu-gdpr")
	if err != nil {
		t.Fatal(err)
	}
	clocks = append(clocks, b.Clocks(eu, Situation{At: map[string]incident.Moment{"knowledge": mustMoment(t, "2026-08-20T10:09+09:00")}}, time.Date(2026, 8, 21, 0, 0, 0, 0, time.UTC))...)
	var entries []Entry
	dated := 0
	for _, c := range clocks {
		entries = append(entries, Entry{"shop-2026-08-20", c})
		if c.runs() && !c.Due.IsZero() {
			dated++
		}
	}
	for _, lang := range []language.Lang{language.JA, language.EN} {
		var out bytes.Buffer
		if err := WriteCalendar(&out, lang, entries, "https://desk.example.jp", "", time.Date(2026, 8, 21, 0, 0, 0, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
		cal, err := ics.ParseCalendar(bytes.NewReader(out.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(cal.Events()); n != dated || dated < 3 {
			t.Fatalf("%d events, and %d clocks have a date", n, dated)
		}
		for _, line := range strings.Split(out.String(), "\r\n") {
			if len(line) > 75 {
				t.Errorf("a line of %d bytes (RFC 5545 section 3.1): %q", len(line), line)
			}
		}
		text := strings.ReplaceAll(out.String(), "\r\n ", "")
		for _, want := range []string{"DTSTART;VALUE=DATE:20261019", "DTSTART:20260823T010900Z", "TRIGGER;VALUE=DATE-TIME:", "jp-appi-kakuho-60.shop-2026-08-20@shirase"} {
			if !strings.Contains(text, want) {
				t.Errorf("it has no %s", want)
			}
		}
	}
}
