package incident

import (
	"testing"

	"shirase/internal/web"
)

func TestChecklist(t *testing.T) {
	file, err := ParseFactsFile("naver-2013.yaml", ModelCase())
	if err != nil {
		t.Fatal(err)
	}
	marks := Incident{ID: file.ID, Facts: file.Facts}.Checklist()
	for n, h := range Headings() {
		want := Told
		if h.Word == "regulator" || h.Word == "persons" {
			want = NotRecorded
		}
		if marks[n] != want {
			t.Errorf("%s: %d", h.Word, marks[n])
		}
		if h.Label.In(web.JA) == "" || h.Label.In(web.EN) == "" {
			t.Errorf("%s has no label", h.Word)
		}
		for _, key := range h.keys {
			if _, ok := keyForms[key]; !ok {
				t.Errorf("%s: no key %s", h.Word, key)
			}
		}
	}
	unknown := Incident{Facts: []Fact{{Key: "cause", Value: Value{Word: "unknown"}, Certainty: Confirmed}, {Key: "discovered", Certainty: Unknown}}}.Checklist()
	if unknown[6] != SaidUnknown || unknown[2] != SaidUnknown {
		t.Errorf("%v", unknown)
	}
}
