package datasets

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// one is every form of value in a facts file, and what is hard to keep in a cell.
const one = `
id: alpha-2026
zone: "+09:00"
asOf: "2026-04-01T10:00"
facts:
  - {key: organisation, value: {ja: アルファ, en: "=Alpha, \"the\" first"}}
  - {key: alias, id: a, value: "'quoted'"}
  - {key: sector, value: other, original: "Business: Biotech"}
  - {key: country, value: JP}
  - {key: title, value: "a\nb"}
  - {key: discovered, value: "2026-03-30T10:09", qualifier: about, source: notice}
  - {key: window.start, value: "2026-03", certainty: possible}
  - {key: affected.count, value: 12, unit: persons, qualifier: at-most}
  - {key: affected.part, value: 3, unit: persons, region: US-WA}
  - {key: excluded, id: x, value: "@x", count: 5, unit: accounts}
  - {key: data-class, value: "password:hashed"}
  - {key: data-class, value: other, original: Spoons}
  - {key: cause, value: unknown, certainty: unknown}
  - {key: secondary-damage, value: login, status: none-confirmed}
  - {key: service, id: s, value: pick, status: stopped, at: "2026-03-30T11:00"}
  - {key: action, id: p, value: reset, status: kept, promised: "2026-04-01", at: "2026-04-01T12:00"}
  - {key: addendum, id: "1", value: more, at: "2026-04-02T12:00"}
  - {key: contact, value: {name: desk, url: "https://example.com/", telephone: "+81 3", hours: {ja: 平日, en: weekdays}}}
  - {key: source, id: notice, value: "https://example.com/n", fetched: "2026-04-03", quote: "- a", licence: CC0,
     sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
`

// room opens the room with the model case, a file with every form of value, and rows of a data set.
func room(t *testing.T, db *store.DB) *incident.Incidents {
	t.Helper()
	s, err := incident.New(t.Context(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func importAll(t *testing.T, s *incident.Incidents, name, src string) incident.ImportCounts {
	t.Helper()
	r, err := Open(name, strings.NewReader(src), "", "")
	if err != nil {
		t.Fatal(err)
	}
	counts, err := s.Import(t.Context(), actor.Operator(), r.Next, incident.ImportOptions{Reject: func(row *incident.RowError) error {
		t.Log(row)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return counts
}

func exported(t *testing.T, s *incident.Incidents, format Format) string {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, format, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Preview(nil).Each(t.Context(), nil, w.Write); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// factsIn returns every current fact, as text, by incident.
func factsIn(t *testing.T, s *incident.Incidents) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	if err := s.Preview(nil).Each(t.Context(), nil, func(inc incident.Incident, origin *incident.Provenance) error {
		for _, f := range inc.Facts {
			b, err := json.Marshal(f, json.Deterministic(true))
			if err != nil {
				return err
			}
			out[inc.ID] = append(out[inc.ID], string(b))
		}
		slices.Sort(out[inc.ID])
		if inc.ID == "hibp-alpha" && (origin == nil || origin.Licence != hibpLicence || origin.URL == "") {
			t.Errorf("origin %+v", origin)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRoundTrip holds that what is exported and imported elsewhere has the same facts.
func TestRoundTrip(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		for _, src := range []string{one, string(incident.ModelCase())} {
			file, err := incident.ParseFactsFile("facts.yaml", []byte(src))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Create(t.Context(), actor.Operator(), file); err != nil {
				t.Fatal(err)
			}
		}
		importAll(t, s, "b.json", hibpSample)
		want := factsIn(t, s)
		if len(want) != 4 {
			t.Fatalf("%d incidents", len(want))
		}
		for _, format := range []Format{Shirase, CSV, VERIS} {
			text := exported(t, s, format)
			other, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/other.db")
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			there := room(t, other)
			if counts := importAll(t, there, string(format), text); counts != (incident.ImportCounts{Read: 4, Imported: 4}) {
				t.Fatalf("%s: %+v", format, counts)
			}
			if got := factsIn(t, there); !reflect.DeepEqual(got, want) {
				for id := range want {
					for i, f := range want[id] {
						if i >= len(got[id]) || got[id][i] != f {
							t.Errorf("%s: %s: %s is not there", format, id, f)
						}
					}
				}
			}
			if counts := importAll(t, there, string(format), text); counts.Unchanged != 4 {
				t.Errorf("%s again: %+v", format, counts)
			}
			if counts := importAll(t, there, "b.json", hibpSample); counts.Unchanged != 2 {
				t.Errorf("the data set itself after its export: %+v", counts)
			}
			// What is the operator's own stays theirs.
			if counts := importAll(t, s, string(format), text); counts.Rejected != 2 || counts.Unchanged != 2 {
				t.Errorf("%s into itself: %+v", format, counts)
			}
		}
	})
}

func TestOwnCSVRows(t *testing.T) {
	src := "id,key,item,ja,en,word,time,number,unit,original\n" +
		"a,title,,件名,,,,,,\n" +
		"a,data-class,,,,other,,,,Spoons\n" +
		"a,affected.count,,,,,,\"1,234\",persons,\n" +
		"b,title,,t,,,,,,\n" +
		"b,discovered,,,,,yesterday,,,\n" +
		"b,cause,,,,intrusion,,,,\n" +
		"c,title,,t,,,,,,\n" +
		"c,short\n" +
		"d,title,,t,,,,,,\n"
	list, refused, err := readAll(t, "o.csv", strings.NewReader(src), "")
	if err != nil || len(list) != 2 || list[0].ID != "a" || list[1].ID != "d" || len(list[0].Facts) != 3 {
		t.Fatalf("%+v, %v, %v", list, refused, err)
	}
	if len(refused) != 2 || !strings.HasPrefix(refused[0].Error(), `o.csv:6: time: "yesterday"`) || !strings.HasPrefix(refused[1].Error(), "o.csv:9: 2 fields") {
		t.Errorf("%v", refused)
	}
	if f := fact(list[0], "data-class", "other:spoons"); f.Value.Original != "Spoons" {
		t.Errorf("%+v", list[0].Facts)
	}
	for _, header := range []string{"id,key,id\n", "id,key,colour\n", "id,title\n"} {
		if _, err := Open("o.csv", strings.NewReader(header), "", ""); err == nil {
			t.Errorf("%q was taken", header)
		}
	}
}

// TestMappings holds that a word written as a data set's comes back as the same word.
func TestMappings(t *testing.T) {
	for name, m := range map[string]mapping{"hibp": hibpClasses, "veris": verisClasses, "veris causes": verisCauses, "naics": naics,
		"washington causes": washingtonCauses, "washington sectors": washingtonSectors} {
		seen := map[string]bool{}
		for _, e := range m {
			if got := m.word(m.name(e.word)); got != e.word {
				t.Errorf("%s: %s is written %q and read %q", name, e.word, m.name(e.word), got)
			}
			for _, n := range e.names {
				if seen[strings.ToLower(n)] {
					t.Errorf("%s: %q twice", name, n)
				}
				seen[strings.ToLower(n)] = true
			}
			if strings.Contains(name, "hibp") && !incident.KnownClass(e.word) || name == "veris" && !incident.KnownClass(e.word) {
				t.Errorf("%s: there is no class %q", name, e.word)
			}
		}
	}
	for _, c := range incident.Classes() {
		if verisName(c.Word) == "" {
			t.Errorf("%s has no variety of VERIS", c.Word)
		}
	}
}
