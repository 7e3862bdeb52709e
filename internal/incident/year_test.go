package incident

import (
	"strings"
	"testing"

	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
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

// TestYearReferences: a notice's text can say the year, and no day of it.
func TestYearReferences(t *testing.T) {
	inc := Incident{ID: "by-year", Facts: current(parse(t, byYear).Facts)}
	for style, want := range map[string]string{"": "2013年", " short": "2013年"} {
		ja, err := inc.Render(language.JA, "n.md", "{{window.start"+style+"}}")
		if err != nil || ja != want {
			t.Errorf("%q: %q, %v", style, ja, err)
		}
	}
	for _, style := range []string{"date", "day", "clock"} {
		if text, err := inc.Render(language.JA, "n.md", "{{window.start "+style+"}}"); err == nil || style != "clock" && !strings.Contains(err.Error(), "known to the year only") {
			t.Errorf("%s: %q, %v", style, text, err)
		}
	}
}
