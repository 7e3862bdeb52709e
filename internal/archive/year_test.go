package archive

import (
	"testing"

	"shirase/internal/incident"
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

// TestYear: an incident of which years are known is found in them, and no length of time is made up.
func TestYear(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		if _, err := s.Create(t.Context(), by, parse(t, byYear)); err != nil {
			t.Fatal(err)
		}
		release(t, s, "by-year")
		if res := search(t, s, "year=2015"); len(res.Entries) != 1 {
			t.Errorf("found in its year: %+v", res.Entries)
		}
		list, err := s.Public().Entries(t.Context(), []string{"by-year"})
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		e := list[0]
		if e.DateKey != "discovered" || e.DatePrecision != incident.Year || e.Day().In(language.JA) != "2015年" || e.Day().In(language.EN) != "2015" {
			t.Errorf("%+v, %s", e, e.Day())
		}
		for v, span := range e.Spans() {
			if span != nil {
				t.Errorf("%s: a length of time is made up: %+v", Interval(v).Word(), span)
			}
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
