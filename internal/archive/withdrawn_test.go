package archive

import (
	"testing"

	"shirase/internal/incident"
)

// TestWithdrawn: what was published by mistake is named, and nothing of it is counted.
func TestWithdrawn(t *testing.T) {
	file, err := incident.ParseFactsFile("facts.yaml", []byte(`id: shop
asOf: "2026-11-29T16:00+09:00"
facts:
  - {key: title, value: The shop}
  - {key: organisation, value: Example Shop}
  - {key: cause, value: intrusion}
  - {key: data-class, value: email}
  - {key: affected.count, value: 6, unit: accounts}
  - {key: window.start, value: "2026-11-20T10:00+09:00"}
  - {key: discovered, value: "2026-11-21T10:00+09:00"}
  - {key: scope.state, value: withdrawn}
`))
	if err != nil {
		t.Fatal(err)
	}
	shown := incident.Shown{Incident: incident.Incident{ID: "shop", Facts: file.Facts}}
	e := entryOf(shown)
	if !e.Withdrawn || e.Title.EN != "The shop" || len(e.organisationNames) == 0 || e.Affected.Number != nil || e.Cause != "" || len(e.Classes) > 0 || e.Detect != nil {
		t.Errorf("%+v", e)
	}
	for i, f := range file.Facts {
		if f.Key == "scope.state" {
			file.Facts[i].Value.Word = incident.StateFinal
		}
	}
	if e := entryOf(shown); e.Withdrawn || e.Affected.Number == nil || e.Detect == nil || e.Cause == "" {
		t.Errorf("of one that stands: %+v", e)
	}
}
