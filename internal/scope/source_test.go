package scope

import (
	"testing"

	"shirase/internal/incident"
)

// TestFactSource: by which run something was counted is for the house; the public is told that it was counted.
func TestFactSource(t *testing.T) {
	f := Proposal{Key: "affected.count", Unit: "accounts"}.fact(Accepted{}, 31)
	if got := incident.PublicSource(f["source"].(string)); got != "scope" {
		t.Errorf("the public is told %q", got)
	}
}
