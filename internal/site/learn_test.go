package site

import (
	"strings"
	"testing"

	"shirase/internal/archive"
)

// realWorld is a site with the data sets that are there, and the model case among them.
func realWorld(t *testing.T) *world {
	t.Helper()
	w := fullWorld(t)
	w.Real(t)
	return w
}

// TestLearnReal draws some 2,600 real incidents: the figures say how many they rest on, and whose they are.
func TestLearnReal(t *testing.T) {
	w := realWorld(t)
	st, err := w.site.peers.Statistics(t.Context(), archive.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(st.Intervals[archive.NotifyingRegulator].Spans); n < 1000 {
		t.Errorf("only %d notices to a regulator", n)
	}
	body := w.get("GET", "/learn?lang=en").Body.String()
	for _, want := range []string{"CC BY 4.0", "haveibeenpwned.com", "Washington"} {
		if !strings.Contains(body, want) {
			t.Errorf("/learn does not name %s", want)
		}
	}
}
