package main

import (
	"testing"

	"shirase/internal/incident"
	"shirase/internal/logins"
)

// TestWhole: "none confirmed" wants a reason wherever something was not looked at.
func TestWhole(t *testing.T) {
	if why := whole(logins.Report{Matched: 3}); why != "" {
		t.Errorf("of a whole report: %s", why)
	}
	for _, r := range []logins.Report{{}, {Matched: 3, Suspicious: 1}, {Matched: 3, Unreadable: 1}, {Matched: 3, Unnamed: 1}, {Matched: 3, Unstated: 1}, {Matched: 3, NoHistory: 1},
		{Matched: 3, Blind: []logins.Blind{{Kind: logins.OneSource, Why: "no-address"}}}} {
		if whole(r) == "" {
			t.Errorf("%+v is taken for whole", r)
		}
	}
}

// TestLoginSource: the number of the evidence is for the house; the public is told that logs were searched.
func TestLoginSource(t *testing.T) {
	if got := incident.PublicSource(loginSource(12)); got != "login logs" {
		t.Errorf("the public is told %q", got)
	}
}
