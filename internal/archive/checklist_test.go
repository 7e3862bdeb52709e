package archive

import (
	"slices"
	"testing"

	"shirase/internal/incident"
	"shirase/internal/language"
)

func TestChecklist(t *testing.T) {
	file := parse(t, string(incident.ModelCase()))
	marks := Checklist(incident.Incident{ID: file.ID, Facts: file.Facts})
	for n, h := range Headings() {
		want := Told
		if h.Word == "regulator" || h.Word == "persons" {
			want = NotRecorded
		}
		if marks[n] != want {
			t.Errorf("%s: %d", h.Word, marks[n])
		}
		if h.Label.In(language.JA) == "" || h.Label.In(language.EN) == "" {
			t.Errorf("%s has no label", h.Word)
		}
		for _, key := range h.keys {
			if !slices.Contains(incident.Keys(), key) {
				t.Errorf("%s: no key %s", h.Word, key)
			}
		}
	}
	unknown := Checklist(incident.Incident{Facts: []incident.Fact{{Key: "cause", Value: incident.Value{Word: "unknown"}, Certainty: incident.Confirmed},
		{Key: "discovered", Certainty: incident.Unknown}}})
	if unknown[6] != SaidUnknown || unknown[2] != SaidUnknown {
		t.Errorf("%v", unknown)
	}
}
