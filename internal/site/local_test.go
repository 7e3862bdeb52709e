package site

import (
	"strings"
	"testing"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// TestLocal: where a page says that all times are Japan's, so is the time as of which something is known, whatever zone it was
// recorded in.
func TestLocal(t *testing.T) {
	moment := func(s string) incident.Moment {
		m, err := incident.ParseMoment(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	i := incident.Incident{ID: "shop", Facts: []incident.Fact{
		{Key: "discovered", Value: incident.Value{Time: moment("2026-11-29T10:09+09:00")}, AsOf: moment("2026-11-29T16:00+09:00")},
		{Key: "scope.state", Value: incident.Value{Word: "reopened"}, AsOf: moment("2026-11-29T22:28Z")},
	}}
	if said := string(asOf(language.EN, i, i.Facts[1])); !strings.Contains(said, "30 November 2026, 07:28") {
		t.Errorf("as of %s", said)
	}
	i.Facts[0].Value.Time = moment("2026-11-29T10:09Z") // then each time says its zone
	if said := string(asOf(language.EN, i, i.Facts[1])); !strings.Contains(said, "22:28") {
		t.Errorf("as of %s", said)
	}
}

// TestSpeaks: a notice is listed by when it was published, but where it tells of a time of its own, or of days before.
func TestSpeaks(t *testing.T) {
	published := time.Date(2026, 11, 29, 22, 33, 0, 0, time.UTC)
	n := func(asOf string) incident.Notice {
		m, err := incident.ParseMoment(asOf, nil)
		if err != nil {
			t.Fatal(err)
		}
		return incident.Notice{Kind: incident.KindAddendum, Time: published, Facts: []incident.Fact{{Key: "scope.state", Value: incident.Value{Word: "final"}, AsOf: m}}}
	}
	for asOf, own := range map[string]bool{"2026-11-29T22:28Z": false, "2026-11-30T07:45+09:00": false, "2026-12-30T07:45+09:00": false, "2013-08-02T15:00+09:00": true} {
		if _, ok := speaks(n(asOf)); ok != own {
			t.Errorf("as of %s it speaks of a time of its own: %v", asOf, ok)
		}
	}
}
