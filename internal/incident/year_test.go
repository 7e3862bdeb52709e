package incident

import (
	"strings"
	"testing"
	"time"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
	"shirase/internal/web"
)

// byYear is an incident of which years are known, and one day.
const byYear = `
id: by-year
zone: "+09:00"
asOf: "2016-05-10"
facts:
  - {key: organisation, value: Alpha}
  - {key: title, value: By the year}
  - {key: window.start, value: 2013}
  - {key: window.end, value: "2015", qualifier: about}
  - {key: discovered, value: "2015"}
  - {key: contained, value: "2016-03-02"}
`

// TestYear: a time that is known by its year is read and stored as a year, and contradicts nothing that may have been in it.
func TestYear(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		inc, err := s.Create(t.Context(), by, parse(t, byYear))
		if err != nil {
			t.Fatal(err)
		}
		if f, _ := inc.Fact("window.start"); f.Value.Time.String() != "2013+09:00" {
			t.Errorf("window.start %s", f.Value.Time)
		}
		doubts, err := s.Contradictions(t.Context(), "by-year")
		if err != nil || len(doubts) != 0 {
			t.Errorf("what may have been in that year contradicts it: %+v, %v", doubts, err)
		}
	})
}

// TestApart: what is known to the month or the year is as far away as its nearest day.
func TestApart(t *testing.T) {
	for _, c := range []struct {
		a, b string
		days int
	}{
		{"2013", "2013-11-08", 0}, {"2013-11-08", "2013", 0}, {"2013", "2014-01-01", 1}, {"2012-12-30", "2013", 2}, {"2013", "2014", 1},
		{"2013", "2015-01-01", 366}, {"2013-02", "2013-02-28", 0}, {"2013-02", "2013-03-02", 2}, {"2013", "2013-06", 0},
		{"2013-07-18", "2013-07-20", 2}, {"2013-07-18T10:00", "2013-07-18", 0}, {"2013-07-18T23:00", "2013-07-20T01:00", 1},
	} {
		a, errA := ParseMoment(c.a, Japan)
		b, errB := ParseMoment(c.b, Japan)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if got := int(apart(a, b).Round(24*time.Hour) / (24 * time.Hour)); got != c.days {
			t.Errorf("%s and %s: %d days, want %d", c.a, c.b, got, c.days)
		}
	}
}

// TestYearReferences: a notice's text can say the year, and no day of it.
func TestYearReferences(t *testing.T) {
	inc := Incident{ID: "by-year", Facts: current(parse(t, byYear).Facts)}
	for style, want := range map[string]string{"": "2013年", " short": "2013年"} {
		ja, err := inc.Render(web.JA, "n.md", "{{window.start"+style+"}}")
		if err != nil || ja != want {
			t.Errorf("%q: %q, %v", style, ja, err)
		}
	}
	for _, style := range []string{"date", "day", "clock"} {
		if text, err := inc.Render(web.JA, "n.md", "{{window.start "+style+"}}"); err == nil || style != "clock" && !strings.Contains(err.Error(), "known to the year only") {
			t.Errorf("%s: %q, %v", style, text, err)
		}
	}
}
