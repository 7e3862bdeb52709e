package datasets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// verisSchema is VERIS's own schema, which is not shipped with this program.
func verisSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := jsonschema.UnmarshalJSON(dataFile(t, "verisc-merged.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("https://verisframework.org/verisc-merged.json", raw); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("https://verisframework.org/verisc-merged.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// verisCase makes an incident of VERIS of what is not usual about it: JSON members, put over those of an incident.
func verisCase(t *testing.T, id, change string) map[string]any {
	t.Helper()
	base := `{"incident_id": "` + id + `", "source_id": "vcdb", "schema_version": "1.4.0", "security_incident": "Confirmed", "summary": "",
		"victim": {"victim_id": "Alpha", "industry": "622110", "country": ["JP"], "employee_count": "Unknown", "government": ["NA"]},
		"actor": {"external": {"variety": ["Unknown"], "motive": ["Unknown"]}},
		"action": {"hacking": {"variety": ["SQLi"], "vector": ["Web application"]}},
		"asset": {"assets": [{"variety": "S - Database"}], "cloud": ["Unknown"]},
		"attribute": {"confidentiality": {"data_disclosure": "Yes", "data": [{"variety": "Personal"}]}},
		"discovery_method": {"unknown": true}, "timeline": {"incident": {"year": 2014, "month": 5, "day": 9}},
		"plus": {"created": "2015-02-13T16:50:35Z"}}`
	row := map[string]any{}
	for _, text := range []string{base, change} {
		over := map[string]any{}
		if err := json.Unmarshal([]byte(text), &over); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		maps.Copy(row, over)
	}
	return row
}

// verisCases are incidents of which each tells something that is easily said otherwise.
var verisCases = map[string]string{
	"PLAIN":          `{}`,
	"BY-YEAR":        `{"timeline": {"incident": {"year": 2013}}}`,
	"BY-MONTH":       `{"timeline": {"incident": {"year": 2013, "month": 11}, "discovery": {"unit": "Months", "value": 3}}}`,
	"TOLD":           `{"timeline": {"incident": {"year": 2020}}, "plus": {"timeline": {"notification": {"year": 2020, "month": 11, "day": 8}}}}`,
	"TOLD-BY-YEAR":   `{"plus": {"timeline": {"notification": {"year": 2020}}}}`,
	"WEEKS":          `{"timeline": {"incident": {"year": 2013, "month": 2, "day": 27}, "discovery": {"unit": "Weeks", "value": 3.0}}}`,
	"YEARS":          `{"timeline": {"incident": {"year": 2013, "month": 9, "day": 1}, "discovery": {"unit": "Years", "value": 1.5}}}`,
	"SUSPECTED":      `{"security_incident": "Suspected", "attribute": {"confidentiality": {"data_disclosure": "Potentially", "data": [{"variety": "Medical"}]}}}`,
	"NOTHING-TAKEN":  `{"attribute": {"availability": {"variety": ["Loss"]}}}`,
	"CUSTOMER":       `{"actor": {"external": {"variety": ["Customer"], "motive": ["Financial"]}}, "action": {"misuse": {"variety": ["Privilege abuse"], "vector": ["Other"]}}}`,
	"WITHIN":         `{"actor": {"internal": {"variety": ["System admin"], "motive": ["Grudge"]}}, "action": {"hacking": {"variety": ["Use of stolen creds"], "vector": ["VPN"]}}}`,
	"WITHIN-THEFT":   `{"actor": {"internal": {"variety": ["Unknown"], "motive": ["Unknown"]}}, "action": {"physical": {"variety": ["Theft"], "vector": ["Unknown"]}, "misuse": {"variety": ["Possession abuse"], "vector": ["Unknown"]}}}`,
	"TOGETHER":       `{"actor": {"internal": {"variety": ["Unknown"], "motive": ["Unknown"]}, "external": {"variety": ["Unknown"], "motive": ["Unknown"]}}, "action": {"misuse": {"variety": ["Privilege abuse"], "vector": ["Unknown"]}}}`,
	"PARTNER":        `{"actor": {"partner": {"country": ["Unknown"], "motive": ["NA"]}}, "action": {"error": {"variety": ["Misconfiguration"], "vector": ["Carelessness"]}}}`,
	"MISTAKE":        `{"actor": {"internal": {"variety": ["Unknown"], "motive": ["NA"]}}, "action": {"error": {"variety": ["Publishing error", "Misconfiguration"], "vector": ["Unknown"]}}}`,
	"NOBODY-KNOWS":   `{"actor": {"unknown": {}}, "action": {"unknown": {}}}`,
	"OUTSIDE-SAYS":   `{"action": {"unknown": {"notes": "not said"}}}`,
	"PHISHED":        `{"action": {"social": {"variety": ["Phishing"], "vector": ["Email"], "target": ["Unknown"]}, "hacking": {"variety": ["Use of stolen creds"], "vector": ["Web application"]}}}`,
	"PRETEXT":        `{"action": {"social": {"variety": ["Pretexting"], "vector": ["Phone"], "target": ["Unknown"]}, "hacking": {"variety": ["Use of stolen creds"], "vector": ["Web application"]}, "malware": {"variety": ["Export data"], "vector": ["Unknown"]}}}`,
	"KEYLOGGER":      `{"action": {"malware": {"variety": ["Spyware/Keylogger"], "vector": ["Unknown"]}, "hacking": {"variety": ["Use of stolen creds"], "vector": ["Web application"]}}}`,
	"STUFFED":        `{"action": {"hacking": {"variety": ["Use of stolen creds"], "vector": ["Web application"]}}}`,
	"FLOOD":          `{"actor": {"external": {"variety": ["Force majeure"], "motive": ["NA"]}}, "action": {"environmental": {"variety": ["Flood"]}}}`,
	"MANY-DATA":      `{"attribute": {"confidentiality": {"data_disclosure": "Yes", "data_total": 4000, "data": [{"variety": "API key"}, {"variety": "Digital certificate"}, {"variety": "Copyrighted"}, {"variety": "Secrets"}, {"variety": "Payment", "amount": 9}]}}}`,
	"REFERENCES":     `{"reference": "https://example.com/a,b;c?x=1,2; http://example.com/d,https://example.com/e;https://example.com/f?u=http://example.org/g,\nsee http://example.com/h (20131213);http://example.com/i;, https://example.com/a,b;c?x=1,2"}`,
	"KOSOVO":         `{"victim": {"industry": "00", "country": ["XK"], "employee_count": "Unknown", "government": ["NA"]}}`,
	"OTHER-COUNTRY":  `{"victim": {"victim_id": "Beta", "industry": "92", "country": ["Other"], "employee_count": "Unknown", "government": ["NA"]}}`,
	"TWO-COUNTRIES":  `{"victim": {"victim_id": "Beta", "industry": "813", "country": ["JP", "US"], "employee_count": "Unknown", "government": ["NA"]}}`,
	"OTHER-SOURCE":   `{"source_id": "press"}`,
	"OTHER-INDUSTRY": `{"victim": {"victim_id": "Beta", "industry": "42", "country": ["US"], "employee_count": "Unknown", "government": ["NA"]}}`,
	// Of an earlier version, whose words are not all words of today's.
	"EARLIER": `{"schema_version": "1_3_2", "action": {"hacking": {"variety": ["Footprinting", "Brute force"], "vector": ["Unknown"]}}}`,
}

// TestVERISRoundTrip imports incidents of VERIS, exports them, and imports what was exported: into the same archive, into
// an empty one, and as another program would have it, without what is ours in it. Nothing may have changed.
func TestVERISRoundTrip(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		rows := []map[string]any{}
		for _, id := range slices.Sorted(maps.Keys(verisCases)) {
			rows = append(rows, verisCase(t, id, verisCases[id]))
		}
		src, err := json.Marshal(rows)
		if err != nil {
			t.Fatal(err)
		}
		s := room(t, db)
		all := int64(len(rows))
		if counts := importAll(t, s, "v.json", string(src)); counts != (incident.ImportCounts{Read: all, Imported: all}) {
			t.Fatalf("%+v", counts)
		}
		text := exported(t, s, VERIS)
		if counts := importAll(t, s, "out.json", text); counts.Unchanged != all {
			t.Errorf("into the same archive: %+v", counts)
		}
		want := factsIn(t, s)
		if got := factsIn(t, elsewhere(t, "out.json", text)); !reflect.DeepEqual(got, want) {
			t.Errorf("into an empty one:\n%s", differences(got, want))
		}
		var out []map[string]any
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatal(err)
		}
		for _, row := range out {
			delete(row["plus"].(map[string]any), "shirase")
		}
		plain, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		got := factsIn(t, elsewhere(t, "plain.json", string(plain)))
		for _, of := range []map[string][]string{got, want} {
			for id, facts := range of { // it is another row, read at another time
				of[id] = slices.DeleteFunc(facts, func(f string) bool { return strings.Contains(f, `"id":"veris"`) })
				for i, f := range facts[:len(of[id])] {
					f = fetchedAt.ReplaceAllString(f, "")
					// This is all that is left of the word of an earlier version.
					of[id][i] = strings.Replace(f, "hacking: Footprinting", "hacking: Other", 1)
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("without what is ours:\n%s", differences(got, want))
		}
	})
}

var fetchedAt = regexp.MustCompile(`,"fetched":"[^"]*"`)

// elsewhere imports into an empty archive.
func elsewhere(t *testing.T, name, text string) *incident.Incidents {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/other.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := room(t, db)
	if counts := importAll(t, s, name, text); counts.Rejected != 0 {
		t.Fatalf("%s: %+v", name, counts)
	}
	return s
}

func differences(got, want map[string][]string) string {
	var b strings.Builder
	for id := range want {
		for _, f := range want[id] {
			if !slices.Contains(got[id], f) {
				fmt.Fprintf(&b, "%s: missing %s\n", id, f)
			}
		}
		for _, f := range got[id] {
			if !slices.Contains(want[id], f) {
				fmt.Fprintf(&b, "%s: new     %s\n", id, f)
			}
		}
	}
	return b.String()
}

// TestVERISExported compares what is exported with what was imported, member by member: nothing that both have a place
// for says something else.
func TestVERISExported(t *testing.T) {
	for id, change := range verisCases {
		row := verisCase(t, id, change)
		src, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		var out []map[string]any
		if err := json.Unmarshal([]byte(exported(t, elsewhere(t, "v.json", string(src)), VERIS)), &out); err != nil || len(out) != 1 {
			t.Fatalf("%s: %d, %v", id, len(out), err)
		}
		at := func(row any, path string) any {
			for _, step := range strings.Split(path, ".") {
				if row = row.(map[string]any)[step]; row == nil {
					return nil
				}
			}
			return row
		}
		for _, path := range []string{"incident_id", "source_id", "security_incident", "timeline.incident", "plus.timeline", "victim.victim_id",
			"attribute.confidentiality.data_disclosure", "attribute.confidentiality.data_total"} {
			if got, want := at(out[0], path), at(row, path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s is %v, was %v", id, path, got, want)
			}
		}
		keys := func(v any) []string { m, _ := v.(map[string]any); return slices.Sorted(maps.Keys(m)) }
		if got, want := keys(out[0]["actor"]), keys(row["actor"]); !slices.Equal(got, want) {
			t.Errorf("%s: actors %q, were %q", id, got, want)
		}
		if got, want := keys(out[0]["action"]), keys(row["action"]); !slices.Equal(got, want) {
			t.Errorf("%s: actions %q, were %q", id, got, want)
		}
		for kind := range row["action"].(map[string]any) {
			got, want := fmt.Sprint(at(out[0], "action."+kind+".variety")), fmt.Sprint(at(row, "action."+kind+".variety"))
			if want = strings.Replace(want, "[Footprinting Brute force]", "[Brute force Other]", 1); sorted(got) != sorted(want) {
				t.Errorf("%s: %s %s, was %s", id, kind, got, want)
			}
		}
	}
}

func sorted(s string) string {
	r := strings.Split(s, "")
	slices.Sort(r)
	return strings.Join(r, "")
}

// TestVERISValid holds exports to VERIS's own schema: of VERIS, of other data sets, and of incidents with every form of
// fact and with hardly any.
func TestVERISValid(t *testing.T) {
	schema := verisSchema(t)
	if schema.Validate(map[string]any{"incident_id": "x"}) == nil {
		t.Fatal("the schema lets anything pass")
	}
	db, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/all.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := room(t, db)
	sources := []string{one, string(incident.ModelCase()), "id: bare\nfacts: [{key: disclosed, value: 2026}]\n",
		"id: former\nfacts: [{key: title, value: x}, {key: country, value: AN}, {key: closed, value: \"2020-01-01\"}, {key: discovered, value: \"2019-12-31\"}]\n"}
	for i, word := range []string{"intrusion", "credential-stuffing", "web-skimming", "ransomware", "malware", "phishing", "misdirected-mail", "misdelivery",
		"lost-media", "theft", "misconfiguration", "defect", "insider", "contractor", "other", "unknown"} {
		sources = append(sources, fmt.Sprintf("id: cause-%d\nfacts: [{key: cause, value: %s, original: \"Cyberattack: Other\"}, {key: discovered, value: 2020}]\n", i, word))
	}
	for _, src := range sources {
		file, err := incident.ParseFactsFile("facts.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Create(t.Context(), actor.Operator(), file); err != nil {
			t.Fatal(err)
		}
	}
	rows := []any{}
	for id, change := range verisCases {
		rows = append(rows, verisCase(t, id, change))
	}
	src, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	importAll(t, s, "v.json", string(src))
	for _, name := range []string{"hibp-breaches.json", "washington-ag-2026-08-13.csv"} {
		r, err := Open(name, dataFile(t, name), "", "")
		if err == nil {
			_, err = s.Import(t.Context(), actor.Operator(), r.Next, incident.ImportOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	values, err := jsonschema.UnmarshalJSON(strings.NewReader(exported(t, s, VERIS)))
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for _, v := range values.([]any) {
		if err := schema.Validate(v); err != nil {
			if bad++; bad < 5 {
				t.Errorf("%v: %v", v.(map[string]any)["incident_id"], err)
			}
		}
	}
	if n := len(values.([]any)); n < 2600 || bad > 0 {
		t.Errorf("%d of %d are not valid", bad, n)
	}
}

// TestVERISWords holds the tables to the schema's own words.
func TestVERISWords(t *testing.T) {
	var schema struct {
		Properties struct {
			Action struct {
				Properties map[string]struct {
					Properties struct {
						Variety struct{ Items struct{ Enum []string } }
					}
				}
			}
			Victim struct {
				Properties struct {
					Country struct{ Items struct{ Enum []string } }
				}
			}
			Attribute struct {
				Properties struct {
					Confidentiality struct {
						Properties struct {
							Data struct {
								Items struct {
									Properties struct{ Variety struct{ Enum []string } }
								}
							}
						}
					}
				}
			}
		}
	}
	if err := json.NewDecoder(dataFile(t, "verisc-merged.json")).Decode(&schema); err != nil {
		t.Fatal(err)
	}
	for kind, a := range schema.Properties.Action.Properties {
		if want := a.Properties.Variety.Items.Enum; kind != "unknown" && !slices.Equal(verisVarieties[kind], want) {
			t.Errorf("%s: %q, want %q", kind, verisVarieties[kind], want)
		}
	}
	for _, e := range verisCauses {
		kind, variety, _ := strings.Cut(e.names[0], ": ")
		if !slices.Contains(verisVarieties[kind], variety) {
			t.Errorf("%s is written %q", e.word, e.names[0])
		}
	}
	data := schema.Properties.Attribute.Properties.Confidentiality.Properties.Data.Items.Properties.Variety.Enum
	for _, c := range incident.Classes() {
		if !slices.Contains(data, verisName(c.Word)) {
			t.Errorf("%s is written %q", c.Word, verisName(c.Word))
		}
	}
	for _, c := range formerCountries {
		if slices.Contains(schema.Properties.Victim.Properties.Country.Items.Enum, c) {
			t.Errorf("%s is a country of VERIS", c)
		}
	}
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			code := string([]rune{a, b})
			f := incident.Fact{Key: "country", Certainty: incident.Confirmed, Value: incident.Value{Word: code}}
			if f.Check() == nil && !slices.Contains(formerCountries, code) && !slices.Contains(schema.Properties.Victim.Properties.Country.Items.Enum, code) {
				t.Errorf("%s can be a fact, and is no country of VERIS", code)
			}
		}
	}
}

// TestVERISEdited: what was changed by hand in an export is what is read, not what it was.
func TestVERISEdited(t *testing.T) {
	src, err := json.Marshal(verisCase(t, "PLAIN", `{}`))
	if err != nil {
		t.Fatal(err)
	}
	text := exported(t, elsewhere(t, "v.json", string(src)), VERIS)
	for _, c := range []struct{ from, to, key, want string }{
		{`"victim_id":"Alpha"`, `"victim_id":"Omega"`, "organisation", "Omega"},
		{`"data_disclosure":"Yes"`, `"data_disclosure":"No"`, "data-class", ""},
	} {
		if strings.Count(text, c.from) != 1 {
			t.Fatalf("%s stands %d times in %s", c.from, strings.Count(text, c.from), text)
		}
		list, refused, err := readAll(t, "v.json", strings.NewReader(strings.Replace(text, c.from, c.to, 1)), "")
		if err != nil || len(list) != 1 || len(refused) != 0 {
			t.Fatalf("%v, %v, %v", list, refused, err)
		}
		if got := fact(list[0], c.key, "").Value.Text.EN; got != c.want || c.want == "" && fact(list[0], c.key, "personal").Key != "" {
			t.Errorf("%s: %q, want %q", c.key, got, c.want)
		}
	}
	// Written anew by another program, it is the same.
	var any []any
	if err := json.Unmarshal([]byte(text), &any); err != nil {
		t.Fatal(err)
	}
	again, err := json.MarshalIndent(any, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := readAll(t, "v.json", bytes.NewReader(again), "")
	if err != nil || len(list) != 1 || fact(list[0], "source", "veris").Value.SHA256 == "" || list[0].Dataset != "veris" || list[0].ExternalID != "PLAIN" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestVERISUndated: an incident without a year is not given one.
func TestVERISUndated(t *testing.T) {
	w, err := NewWriter(&bytes.Buffer{}, VERIS, false)
	if err != nil {
		t.Fatal(err)
	}
	file, err := incident.ParseFactsFile("facts.yaml", []byte("id: a\nfacts: [{key: title, value: x}, {key: closed, value: \"2030-01-01\", certainty: planned}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(incident.Incident{ID: "a", Facts: file.Facts}, nil); !errors.Is(err, ErrUndated) {
		t.Errorf("%v", err)
	}
}
