package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"shirase/check"
)

// TestRemainsSaid: whatever a certificate says remains is said in words, or listed one by one, and no word is said of what none has.
func TestRemainsSaid(t *testing.T) {
	listed := []string{"key-copies", "house-files"}
	for _, what := range check.CertificateRemains {
		text, said := remains[what]
		if said == slices.Contains(listed, what) {
			t.Errorf("%s is said: %t", what, said)
		}
		if said && strings.ContainsAny(text.what+text.why, "%") {
			t.Errorf("%s: %q", what, text)
		}
		if counted := strings.Contains(text.what, "COUNT"); said && counted == (what == "sealed-index") {
			t.Errorf("%s is counted: %t", what, counted)
		}
	}
	for what := range maps.Keys(remains) {
		if !slices.Contains(check.CertificateRemains, what) {
			t.Errorf("%s is in no certificate", what)
		}
	}
}
