package incident

import (
	"testing"

	"shirase/internal/language"
)

// A word means what its key makes of it: "other" is a sector, a cause and a data class.
func TestWordOf(t *testing.T) {
	seen := map[string]string{}
	for _, key := range []string{"sector", "cause", "data-class"} {
		label := WordOf(language.EN, key, "other")
		if label == "other" && key != "sector" || seen[label] != "" {
			t.Errorf("%s: other is %q, as of %q", key, label, seen[label])
		}
		seen[label] = key
	}
	if got := WordOf(language.JA, "country", "JP"); got != "日本" {
		t.Error(got)
	}
	if got := SectorLabel(language.JA, "other"); got != "その他" {
		t.Error(got)
	}
}
