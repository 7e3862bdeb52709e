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

// TestYear: a time that is known by its year is written, sorted, counted and compared as a year, and never as the
// first of January.
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
		for lang, want := range map[web.Lang][]string{
			web.JA: {"2013年から2015年頃まで", "- 2015年"},
			web.EN: {"From 2013 to about 2015: ", "- 2015: "},
		} {
			n, err := s.PrepareNotice(t.Context(), inc, Figures{Time: time.Date(2016, 5, 10, 0, 0, 0, 0, time.UTC)})
			if err != nil {
				t.Fatal(err)
			}
			text := n.Text.In(lang)
			for _, w := range append(want, lang.Pick("2016年3月2日", "2 March 2016")) {
				if !strings.Contains(text, w) {
					t.Errorf("%s: no %q in\n%s", lang, w, text)
				}
			}
			if strings.Contains(text, "1月1日") || strings.Contains(text, "January") {
				t.Errorf("%s: a day is made up\n%s", lang, text)
			}
		}
		release(t, s, inc.ID)
		if res := search(t, s, "year=2015"); len(res.Entries) != 1 {
			t.Errorf("found in its year: %+v", res.Entries)
		}
		list, err := s.Public().Entries(t.Context(), []string{"by-year"})
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		e := list[0]
		if e.DateKey != "discovered" || e.DatePrecision != Year || e.Day().In(web.JA) != "2015年" || e.Day().In(web.EN) != "2015" {
			t.Errorf("%+v, %s", e, e.Day())
		}
		for v, span := range e.Spans() {
			if span != nil {
				t.Errorf("%s: a length of time is made up: %+v", Interval(v).Word(), span)
			}
		}
		doubts, err := s.Contradictions(t.Context(), "by-year")
		if err != nil || len(doubts) != 0 {
			t.Errorf("what may have been in that year contradicts it: %+v, %v", doubts, err)
		}
	})
}

// TestYearSorted: lists, newest first, have a year after what is known within it, and before the year before.
func TestYearSorted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		for id, date := range map[string]string{"a": "2015-03-02", "b": "2015", "c": "2014-12-31", "d": "2015-02"} {
			if _, err := s.Create(t.Context(), by, parse(t, "id: "+id+"\nzone: \"+09:00\"\nasOf: \"2016-05-10\"\nfacts:\n  - {key: title, value: "+id+"}\n  - {key: discovered, value: \""+date+"\"}\n")); err != nil {
				t.Fatal(err)
			}
			release(t, s, id)
		}
		if got := ids(search(t, s, "sort=newest")); got != "a d b c" {
			t.Errorf("%s", got)
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
		a, errA := ParseMoment(c.a, japan)
		b, errB := ParseMoment(c.b, japan)
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
