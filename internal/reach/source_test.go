package reach

import (
	"testing"

	"shirase/internal/incident"
)

// TestFactSource: by which campaigns people were told is for the house; the public is told that it is from campaigns.
func TestFactSource(t *testing.T) {
	f := ProposedFact{Key: "persons-notified", On: "2026-08-22"}.fact(&Summary{Campaigns: []string{"c-abcdefghij", "c-2bcdefghij"}})
	if got := incident.PublicSource(f["source"].(string)); got != "campaigns" {
		t.Errorf("the public is told %q", got)
	}
}
