package archive

import (
	"fmt"
	"strings"
	"testing"

	"shirase/internal/incident"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestCasesFillTheArchive holds what the cases that are shipped are for: that on the first day every picture of /learn has something to
// say, and that there is a case of every cause and of every sector, from twenty years, most of them Japan's.
func TestCasesFillTheArchive(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		next, err := incident.Cases()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Import(t.Context(), by, next, incident.ImportOptions{Reject: func(row *incident.RowError) error { return row }}); err != nil {
			t.Fatal(err)
		}
		st, err := NewPeers(s.Public()).Statistics(t.Context(), Filter{})
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, v := range Intervals {
			n := len(st.Intervals[v].Spans)
			said = append(said, fmt.Sprintf("%s %d", v.Word(), n))
			if n < 30 {
				t.Errorf("%s: of %d cases only", v.Word(), n)
			}
		}
		t.Logf("%d cases: %s", st.N, strings.Join(said, ", "))
		has := map[string]int{}
		for _, inc := range everyCase(t) {
			for _, f := range inc {
				switch f.Key {
				case "cause", "sector", "country":
					has[f.Key+" "+f.Value.Word]++
				case "disclosed":
					has[f.Value.Time.Time.Format("2006")]++
				}
			}
		}
		for _, key := range []string{"cause", "sector"} {
			for _, term := range incident.Terms(key) {
				if has[key+" "+term.Word] == 0 {
					t.Errorf("no case with the %s %s", key, term.Word)
				}
			}
		}
		if has["country JP"] < 80 || has["2005"] == 0 || has["2026"] == 0 {
			t.Errorf("%d of Japan, %d of 2005, %d of 2026", has["country JP"], has["2005"], has["2026"])
		}
	})
}

// everyCase are the facts of the cases that are shipped.
func everyCase(t *testing.T) (out [][]incident.Fact) {
	t.Helper()
	next, err := incident.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec, err := next()
		if err != nil {
			return out
		}
		out = append(out, rec.Facts)
	}
}
