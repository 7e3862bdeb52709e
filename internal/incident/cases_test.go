package incident

import (
	"slices"
	"strings"
	"testing"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// uncounted are the cases whose texts do not say how many are affected; everything else that lists need, they have.
var uncounted = []string{"faith-rose-2006", "gurunavi-2025", "readyfor-2023", "royal-canin-2023"}

// TestCases holds that every case can be recorded, names its sources, and has what lists and comparisons need.
func TestCases(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		for run := range 2 {
			next, err := Cases()
			if err != nil {
				t.Fatal(err)
			}
			counts, err := s.Import(t.Context(), by, next, ImportOptions{Reject: func(row *RowError) error { t.Error(row); return nil }})
			if err != nil || counts.Read < 160 || run == 0 && counts.Imported != counts.Read || run == 1 && counts.Unchanged != counts.Read {
				t.Fatalf("run %d: %+v, %v", run, counts, err)
			}
		}
		if past, err := s.History(t.Context(), "nenkin-2015"); err != nil || !slices.ContainsFunc(past, func(p Past) bool { return p.Key == "affected.count" && len(p.Facts) == 2 }) {
			t.Errorf("what was known before is lost: %v", err)
		}
		list := everything(t, s)
		for _, inc := range list {
			for _, key := range []string{"organisation", "title", "sector", "country", "cause"} {
				if _, ok := inc.Fact(key); !ok {
					t.Errorf("%s has no %s", inc.ID, key)
				}
			}
			if _, whole := inc.Fact("affected.count"); whole == slices.Contains(uncounted, inc.ID) && len(inc.Listed("affected.part")) == 0 {
				t.Errorf("%s: how many are affected is recorded: %v", inc.ID, whole)
			}
			var sources []string
			for _, f := range inc.Listed("source") {
				sources = append(sources, f.Item)
			}
			if len(inc.Classes()) == 0 || len(sources) == 0 {
				t.Errorf("%s: classes %v, sources %v", inc.ID, inc.Classes(), sources)
			}
			for _, f := range inc.Facts {
				if f.Source != "" && !slices.Contains(sources, f.Source) {
					t.Errorf("%s: %s is from %q, which is not named", inc.ID, f.Key, f.Source)
				}
				if f.Source == "" && strings.Contains("disclosed discovered window.start window.end affected.count data-class cause", f.Key) {
					t.Errorf("%s: %s has no source", inc.ID, f.Key)
				}
			}
			found, err := s.Contradictions(t.Context(), inc.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range found {
				t.Errorf("%s: %v", inc.ID, c)
			}
		}
	})
}
