package archive

import (
	"testing"
	"time"

	"shirase/internal/incident"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestDuplicates: incidents of different data sets are proposed where organisation and dates are alike, drafts among them,
// until they are merged.
func TestDuplicates(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		ctx := t.Context()
		if _, err := s.Create(ctx, by, parse(t, `
id: alpha-2020
facts:
  - {key: organisation, value: アルファ株式会社}
  - {key: alias, id: en, value: Alpha}
  - {key: discovered, value: "2020-01-11"}
`)); err != nil {
			t.Fatal(err)
		}
		for id, about := range map[string][2]string{"b": {"Alpha, Inc.", "2020-01-01"}, "c": {"Alpha Inc", "2020-06-01"}, "d": {"Beta", "2020-01-01"}} {
			recordAll(t, s, parse(t, "id: press-"+id+"\nfacts: [{key: organisation, value: \""+about[0]+"\"}, {key: discovered, value: \""+about[1]+"\"}]"))
		}
		list, err := s.archive.Duplicates(ctx, 30)
		if err != nil || len(list) != 1 || list[0].A.ID != "alpha-2020" || list[0].B.ID != "press-b" || list[0].A.Dataset != "" || list[0].B.Dataset != "press" || list[0].Days != 10 {
			t.Fatalf("%+v, %v", list, err)
		}
		if _, err := s.Merge(ctx, by, "press-b", "alpha-2020"); err != nil {
			t.Fatal(err)
		}
		if list, err := s.archive.Duplicates(ctx, 30); err != nil || len(list) != 0 {
			t.Errorf("still proposed: %v, %v", list, err)
		}
	})
}

func TestNormalName(t *testing.T) {
	for _, same := range [][]string{
		{"Alpha, Inc.", "ALPHA INC", "Alpha Corporation", "The Alpha Company", "Alpha (a service)", "Ａｌｐｈａ"},
		{"株式会社アルファ", "アルファ㈱", "アルファ"},
	} {
		for _, name := range same[1:] {
			if NormalName(name) != NormalName(same[0]) {
				t.Errorf("%q is %q, %q is %q", name, NormalName(name), same[0], NormalName(same[0]))
			}
		}
	}
	for _, name := range []string{"Group", "The Company", "(a)"} {
		if NormalName(name) == "" {
			t.Errorf("nothing is left of %q", name)
		}
	}
	if NormalName("Alpha Bank") == NormalName("Alpha") {
		t.Error("two organisations are one")
	}
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
		a, errA := incident.ParseMoment(c.a, incident.Japan)
		b, errB := incident.ParseMoment(c.b, incident.Japan)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if got := int(apart(a, b).Round(24*time.Hour) / (24 * time.Hour)); got != c.days {
			t.Errorf("%s and %s: %d days, want %d", c.a, c.b, got, c.days)
		}
	}
}
