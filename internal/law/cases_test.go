package law

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/incident"
)

// A fixture is a case as the law sees it.
type fixture struct {
	name    string
	known   string
	s       Situation
	regimes []string
	want    map[string]string // by clock: its due date or time, or its state
}

var fixtures = []fixture{
	{
		name: "the model case, had it happened under the rules of 2026", known: "2026-07-18T10:09+09:00",
		s: Situation{Persons: Number{0, 1692496, true}, Residents: map[string]Number{"jp": {0, 1692496, true}},
			Known: map[string]bool{"wrongful": true, "credentials": true, "encrypted": false, "certified": true}},
		regimes: []string{"jp-appi", "jp-pmark"},
		want: map[string]string{"jp-appi-sokuho": "2026-07-23", "jp-appi-kakuho": "not-applicable", "jp-appi-kakuho-60": "2026-09-15", "jp-appi-notify": "asap",
			"jp-appi-substitute": "asap", "jp-appi-processor": "not-applicable"},
	},
	{
		name: "a processor", known: "2026-08-20T10:09+09:00",
		s: Situation{Part: "processor", Persons: Exactly(12000), Known: map[string]bool{"wrongful": true, "encrypted": false},
			Done: map[string]incident.Moment{"jp-appi-processor": {Time: time.Date(2026, 8, 21, 3, 0, 0, 0, time.UTC), Precision: incident.Minute}}},
		regimes: []string{"jp-appi"},
		want: map[string]string{"jp-appi-processor": "done", "jp-appi-processor-sokuho": "freed", "jp-appi-processor-kakuho": "not-applicable", "jp-appi-processor-kakuho-60": "freed",
			"jp-appi-sokuho": "not-applicable", "jp-appi-kakuho-60": "not-applicable"},
	},
	{
		name: "five countries", known: "2026-08-20T10:09+09:00",
		s: Situation{Persons: Exactly(52000), Residents: map[string]Number{"jp": Exactly(40000), "de": Exactly(6000), "gb": Exactly(3000), "us-ca": Exactly(2000), "kr": Exactly(1000)},
			Known: map[string]bool{"wrongful": true, "encrypted": false, "risk": true, "high-risk": false}},
		regimes: []string{"jp-appi", "eu-gdpr", "uk-gdpr", "us-ca", "kr-pipa"},
		want: map[string]string{"jp-appi-kakuho-60": "2026-10-19", "eu-gdpr-33": "2026-08-23T03:09", "eu-gdpr-34": "not-applicable", "uk-gdpr-33": "2026-08-23T02:09",
			"us-ca-person": "2026-09-18"},
	},
	{
		name: "lost media, 900 persons, nothing sensitive", known: "2026-08-20+09:00",
		s: Situation{Persons: Exactly(900), Known: map[string]bool{"wrongful": false, "sensitive": false, "financial": false, "encrypted": false}}, regimes: []string{"jp-appi"},
		want: map[string]string{"jp-appi-sokuho": "not-applicable", "jp-appi-kakuho": "not-applicable", "jp-appi-kakuho-60": "not-applicable", "jp-appi-notify": "not-applicable"},
	},
	{
		name: "lost media, and nobody knows how many", known: "2026-08-20+09:00",
		s: Situation{Known: map[string]bool{"wrongful": false, "sensitive": false, "financial": false, "encrypted": false}}, regimes: []string{"jp-appi"},
		want: map[string]string{"jp-appi-sokuho": "2026-08-25", "jp-appi-kakuho": "2026-09-18", "jp-appi-kakuho-60": "not-applicable"},
	},
	{
		name: "a well encrypted disk", known: "2026-08-20+09:00",
		s:       Situation{Persons: Exactly(5000), Known: map[string]bool{"wrongful": true, "encrypted": true}},
		regimes: []string{"jp-appi"},
		want:    map[string]string{"jp-appi-sokuho": "not-applicable", "jp-appi-kakuho-60": "not-applicable", "jp-appi-notify": "not-applicable"},
	},
	{
		name: "a breach of 2023, under the rules of 2023", known: "2023-12-01+09:00",
		s:       Situation{Persons: Exactly(5000), Known: map[string]bool{"wrongful": false, "sensitive": false, "financial": false, "encrypted": false}},
		regimes: []string{"jp-appi", "us-ny", "us-ca"},
		want:    map[string]string{"jp-appi-kakuho": "2024-01-04", "us-ca-person": "no clock"},
	},
}

// TestCases prints regime by fixture case, each row with where its rule stands, and holds what matters of it.
func TestCases(t *testing.T) {
	b, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fixtures {
		f.s.At = map[string]incident.Moment{"knowledge": mustMoment(t, f.known)}
		now := f.s.At["knowledge"].Time.Add(36 * time.Hour)
		stands := map[string]string{}
		var table strings.Builder
		for _, id := range f.regimes {
			r, err := b.Regime(id)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range b.Clocks(r, f.s, now) {
				if c.Rule.Citation == "" {
					t.Errorf("%s cites nothing", c.ID)
				}
				stands[c.ID] = c.shown(r.Zone)
				fmt.Fprintf(&table, "  %-30s %-18s %s\n", c.ID, stands[c.ID], c.Rule.Citation)
			}
		}
		t.Logf("%s (known %s)\n%s", f.name, f.known, table.String())
		ids := make([]string, 0, len(f.want))
		for id := range f.want {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for _, id := range ids {
			is := stands[id]
			if is == "" {
				is = "no clock"
			}
			if is != f.want[id] {
				t.Errorf("%s: %s is %s, want %s", f.name, id, is, f.want[id])
			}
		}
	}
}
