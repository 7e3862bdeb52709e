package main

import (
	"testing"

	"shirase/internal/incident"
)

// TestWithoutEffect: a fact that is known as of earlier than the one that holds is recorded, and whoever records it is told.
func TestWithoutEffect(t *testing.T) {
	parse := func(text string) []incident.Fact {
		t.Helper()
		file, err := incident.ParseFactsFile("facts.yaml", []byte("id: shop\n"+text))
		if err != nil {
			t.Fatal(err)
		}
		return file.Facts
	}
	holds := incident.Incident{ID: "shop", Facts: parse("asOf: \"2026-11-29T22:28Z\"\nfacts: [{key: scope.state, value: reopened}, {key: service, id: mail, value: Mail, status: stopped}]")}
	given := parse("asOf: \"2026-11-29T16:00+09:00\"\nfacts: [{key: scope.state, value: final}, {key: title, value: A title}, {key: service, id: shop, value: The shop, status: stopped}]")
	idle := withoutEffect(holds, given)
	if len(idle) != 1 || idle[0].Key != "scope.state" || idle[0].Holds != "2026-11-29T22:28Z" {
		t.Errorf("%+v", idle)
	}
	now := parse("facts: [{key: scope.state, value: final}]")
	if idle := withoutEffect(holds, now); len(idle) != 0 {
		t.Errorf("what is as of now: %+v", idle)
	}
	later := parse("asOf: \"2026-11-30T16:00+09:00\"\nfacts: [{key: scope.state, value: final}]")
	if idle := withoutEffect(holds, later); len(idle) != 0 {
		t.Errorf("%+v", idle)
	}
}
