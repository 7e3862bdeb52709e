package datasets

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"shirase/internal/incident"
	"shirase/internal/store"
)

func TestVERIS(t *testing.T) {
	src, err := os.Open("testdata/veris.json")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	list, refused, err := readAll(t, "v.json", src, "")
	if err != nil || len(list) != 2 || len(refused) != 3 {
		t.Fatalf("%d records, %v, %v", len(list), refused, err)
	}
	for i, want := range []string{"v.json:15 $[2]: security_incident", "v.json:16 $[3]: timeline.incident", "v.json:17 $[4]: schema_version"} {
		if !strings.HasPrefix(refused[i].Error(), want) {
			t.Errorf("%q, want %q", refused[i], want)
		}
	}
	alpha, beta := list[0], list[1]
	for key, want := range map[string]string{"organisation": "Alpha Clinic", "sector": "health NAICS 622110", "country": "JP", "cause": "ransomware hacking: Exploit vuln; malware: Ransomware",
		"window.start": "2024-05-19Z", "discovered": "2024-05-21Z about"} {
		v := fact(alpha, key, "").Value
		got := strings.Join(strings.Fields(v.Text.EN+" "+v.Word+" "+v.Original+" "+v.Time.String()+" "+v.Qualifier), " ")
		if got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if v := fact(alpha, "affected.count", "").Value; *v.Number != 4000 || v.Unit != "records" {
		t.Errorf("%+v", v)
	}
	if fact(alpha, "data-class", "other:spoons").Value.Original != "Spoons" || fact(alpha, "data-class", "health").Key == "" || fact(alpha, "source", "reference-2").Key == "" {
		t.Errorf("%+v", alpha.Facts)
	}
	if fact(beta, "data-class", "").Key != "" || fact(beta, "affected.count", "").Key != "" {
		t.Error("what was not disclosed is said to have been")
	}
	if f := fact(beta, "cause", ""); f.Value.Word != "misdelivery" || f.Certainty != incident.Possible || fact(beta, "country", "").Key != "" {
		t.Errorf("%+v", f)
	}
	if !strings.Contains(fact(beta, "title", "").Value.Text.EN, "2023") || fact(beta, "window.start", "").Value.Time.String() != "2023Z" {
		t.Errorf("%+v", beta.Facts)
	}
}

// readOneVERIS reads one incident of VERIS.
func readOneVERIS(t *testing.T, id, change string) (incident.Record, []*incident.RowError) {
	t.Helper()
	src, err := json.Marshal(verisCase(t, id, change))
	if err != nil {
		t.Fatal(err)
	}
	list, refused, err := readAll(t, "v.json", strings.NewReader(string(src)), "")
	if err != nil || len(list)+len(refused) != 1 {
		t.Fatalf("%s: %d, %v, %v", id, len(list), refused, err)
	}
	if len(list) == 0 {
		return incident.Record{}, refused
	}
	return list[0], nil
}

// TestVERISTimes: what is known by the year or the month is not said to the day.
func TestVERISTimes(t *testing.T) {
	for id, want := range map[string]string{
		"PLAIN": "2014-05-09Z - -", "BY-YEAR": "2013Z - -", "BY-MONTH": "2013-11Z 2014-02Z -", "TOLD": "2020Z - 2020-11-08Z", "TOLD-BY-YEAR": "2014-05-09Z - 2020Z",
		"WEEKS": "2013-02-27Z 2013-03-20Z -", "YEARS": "2013-09-01Z 2015Z -",
	} {
		rec, refused := readOneVERIS(t, id, verisCases[id])
		got := []string{}
		for _, key := range []string{"window.start", "discovered", "disclosed"} {
			at := fact(rec, key, "").Value.Time.String()
			if at == "" {
				at = "-"
			}
			got = append(got, at)
		}
		if strings.Join(got, " ") != want || refused != nil {
			t.Errorf("%s: %q, %v; want %q", id, got, refused, want)
		}
	}
	for _, c := range []struct{ start, span, want string }{
		{`{"year": 2013, "month": 1, "day": 31}`, `{"unit": "Hours", "value": 30}`, "2013-02-01Z"},
		{`{"year": 2013, "month": 1, "day": 31}`, `{"unit": "Months", "value": 2}`, "2013-03Z"},
		{`{"year": 2013, "month": 1, "day": 31}`, `{"unit": "Years", "value": 2}`, "2015Z"},
		{`{"year": 2013, "month": 5}`, `{"unit": "Days", "value": 20}`, ""},
		{`{"year": 2013, "month": 5}`, `{"unit": "Months", "value": 1.5}`, ""},
		{`{"year": 2013, "month": 5}`, `{"unit": "Years", "value": 1}`, "2014Z"},
		{`{"year": 2013}`, `{"unit": "Years", "value": 1}`, "2014Z"},
		{`{"year": 2013}`, `{"unit": "Years", "value": 1.5}`, ""},
		{`{"year": 2013}`, `{"unit": "Months", "value": 3}`, ""},
		{`{"year": 2013, "month": 5, "day": 9}`, `{"unit": "Weeks"}`, ""},
		{`{"year": 2013, "month": 5, "day": 9}`, `{"unit": "Never"}`, ""},
		{`{"year": 2013, "month": 5, "day": 9}`, `{"unit": "Days", "value": -1}`, ""},
		{`{"year": 2013, "month": 5, "day": 9}`, `{"unit": "Years", "value": 1e9}`, ""},
	} {
		rec, _ := readOneVERIS(t, "S", `{"timeline": {"incident": `+c.start+`, "discovery": `+c.span+`}}`)
		if got := fact(rec, "discovered", "").Value.Time.String(); got != c.want {
			t.Errorf("%s after %s: %q, want %q", c.span, c.start, got, c.want)
		}
	}
	for _, c := range []struct{ change, want string }{
		{`{"timeline": {"incident": {"year": 2103}}}`, "timeline.incident: the year 2103 is not plausible"},
		{`{"timeline": {"incident": {"year": 1893, "month": 1}}}`, "timeline.incident: the year 1893 is not plausible"},
		{`{"timeline": {"incident": {"year": 2013, "month": 2, "day": 29}}}`, "timeline.incident: 2013-2-29 is no day"},
		{`{"timeline": {"incident": {"month": 2}}}`, "timeline.incident: the year 0 is not plausible"},
		{`{"timeline": {"incident": {}}}`, "timeline.incident.year: is missing"},
		{`{"plus": {"timeline": {"notification": {"year": 2103, "month": 1}}}}`, "plus.timeline.notification: the year 2103"},
		{`{"plus": {"timeline": {"notification": {"month": 13, "year": 2013}}}}`, "plus.timeline.notification: 2013-13-0 is no day"},
	} {
		if _, refused := readOneVERIS(t, "R", c.change); len(refused) != 1 || !strings.Contains(refused[0].Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.change, refused, c.want)
		}
	}
}

// TestFuture: nothing that a data set tells has happened tomorrow.
func TestFuture(t *testing.T) {
	next := time.Now().AddDate(1, 0, 0)
	for name, src := range map[string]string{
		"veris": fmt.Sprintf(`{"incident_id": "1", "schema_version": "1.4", "actor": {}, "action": {}, "timeline": {"incident": {"year": %d}}}`, next.Year()),
		"told": fmt.Sprintf(`{"incident_id": "1", "schema_version": "1.4", "actor": {}, "action": {}, "timeline": {"incident": {"year": 2013}}, "plus": {"timeline": {"notification": {"year": %d, "month": %d, "day": 1}}}}`,
			next.Year(), next.Month()),
		"hibp":       fmt.Sprintf(`[{"Name":"A","Title":"A","BreachDate":"%s","PwnCount":3,"DataClasses":[]}]`, next.Format(time.DateOnly)),
		"washington": "Id,Name,DateAware,DateSubmitted,WashingtoniansAffected\n1,Alpha," + next.Format("01/02/2006") + ",,1\n",
		"own":        "id,key,ja,time\na,discovered,,2103-01-01\n",
	} {
		db, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/a.db")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if counts := importAll(t, room(t, db), name, src); counts != (incident.ImportCounts{Read: 1, Rejected: 1}) {
			t.Errorf("%s: %+v", name, counts)
		}
	}
}

// TestVERISCauses: who did it and how they came in tell more than what else was done.
func TestVERISCauses(t *testing.T) {
	for id, want := range map[string]string{
		"PLAIN":    "intrusion|hacking: SQLi",
		"CUSTOMER": "other|actor: external; misuse: Privilege abuse",
		"WITHIN":   "insider|actor: internal; hacking: Use of stolen creds", "WITHIN-THEFT": "insider|actor: internal; misuse: Possession abuse; physical: Theft",
		"TOGETHER": "insider|actor: external; actor: internal; misuse: Privilege abuse",
		"PARTNER":  "contractor|error: Misconfiguration", "MISTAKE": "misconfiguration|error: Misconfiguration; error: Publishing error",
		"NOBODY-KNOWS": "unknown|", "OUTSIDE-SAYS": "unknown|actor: external; unknown: Unknown",
		"PHISHED": "phishing|hacking: Use of stolen creds; social: Phishing", "PRETEXT": "phishing|hacking: Use of stolen creds; malware: Export data; social: Pretexting",
		"KEYLOGGER": "malware|hacking: Use of stolen creds; malware: Spyware/Keylogger", "STUFFED": "credential-stuffing|",
		"FLOOD": "other|actor: external; environmental: Flood",
	} {
		rec, refused := readOneVERIS(t, id, verisCases[id])
		v := fact(rec, "cause", "").Value
		if got := v.Word + "|" + v.Original; got != want || refused != nil {
			t.Errorf("%s: %q, %v; want %q", id, got, refused, want)
		}
	}
}

// TestInShort: of what is too long for a fact, no kind is lost whole.
func TestInShort(t *testing.T) {
	long := []string{"hacking: Brute force", "hacking: Use of stolen creds"}
	for i := range 20 {
		long = append(long, fmt.Sprintf("malware: Variety %02d", i))
	}
	long = append(long, "social: Phishing")
	got := inShort(long)
	if len(got) > 210 || !strings.HasPrefix(got, "hacking: Brute force; hacking: Use of stolen creds; malware: Variety 00") || !strings.HasSuffix(got, "; social: Phishing; …") {
		t.Errorf("%q", got)
	}
	if varieties, _ := verisSaid(got); len(varieties) != 3 {
		t.Errorf("%q is read as %v", got, varieties)
	}
	if got := inShort([]string{"social: " + strings.Repeat("長", 300)}); utf8.RuneCountInString(got) != 200 {
		t.Errorf("%q", got)
	}
}

// TestReferences: a comma or a semicolon within an address is a part of it.
func TestReferences(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "none": "", "https://example.com/a": "https://example.com/a",
		"https://example.com/a,b;c?x=1,2":                                 "https://example.com/a,b;c?x=1,2",
		"http://a.example/x; http://b.example/y":                          "http://a.example/x http://b.example/y",
		"http://a.example/x;http://b.example/y,https://c.example/z;":      "http://a.example/x http://b.example/y https://c.example/z",
		"http://a.example/q?u=http://b.example/y;,http://c.example/":      "http://a.example/q?u=http://b.example/y http://c.example/",
		"http://a.example/x (20131213);http://b.example/y (2014);":        "http://a.example/x http://b.example/y",
		"see http://a.example/x,\thttp://a.example/x\nhttp://b.example/,": "http://a.example/x http://b.example/",
		"ftp://a.example/x; mailto:x@example.com":                         "",
	} {
		if got := strings.Join(references(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	rec, _ := readOneVERIS(t, "R", verisCases["REFERENCES"])
	n := 0
	for _, f := range rec.Facts {
		if strings.HasPrefix(f.Item, "reference-") {
			n++
		}
	}
	if n != 6 || fact(rec, "source", "reference-1").Value.URL != "https://example.com/a,b;c?x=1,2" {
		t.Errorf("%d references: %+v", n, rec.Facts)
	}
}
