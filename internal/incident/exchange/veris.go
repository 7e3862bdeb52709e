package exchange

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/incident"
)

// verisRow is an incident of the VERIS schema 1.4 (https://verisframework.org): the parts that are facts of ours.
type verisRow struct {
	ID       string `json:"incident_id"`
	SourceID string `json:"source_id"`
	Schema   string `json:"schema_version"`
	Security string `json:"security_incident"`
	Refs     string `json:"reference,omitzero"`
	Summary  string `json:"summary,omitzero"`
	Victim   struct {
		Name     string   `json:"victim_id,omitzero"`
		Industry string   `json:"industry,omitzero"`
		Country  []string `json:"country,omitzero"`
	} `json:"victim"`
	Actor     map[string]jsontext.Value `json:"actor"`
	Action    map[string]verisAction    `json:"action"`
	Attribute struct {
		Confidentiality *struct {
			Disclosure string      `json:"data_disclosure,omitzero"`
			Total      *int64      `json:"data_total,omitzero"`
			Data       []verisData `json:"data,omitzero"`
		} `json:"confidentiality,omitzero"`
	} `json:"attribute"`
	Timeline struct {
		Incident struct {
			Year  int `json:"year"`
			Month int `json:"month,omitzero"`
			Day   int `json:"day,omitzero"`
		} `json:"incident"`
		Discovery *verisSpan `json:"discovery,omitzero"`
	} `json:"timeline"`
	Plus struct {
		Created  string `json:"created,omitzero"`
		Modified string `json:"modified,omitzero"`
	} `json:"plus"`
}

type verisAction struct {
	Variety []string `json:"variety,omitzero"`
}

type verisData struct {
	Variety string `json:"variety"`
	Amount  *int64 `json:"amount,omitzero"`
}

type verisSpan struct {
	Unit  string   `json:"unit"`
	Value *float64 `json:"value,omitzero"`
}

func readVERIS(name string, br *bufio.Reader, dataset string) func() (incident.Record, error) {
	e := elements{name: name, r: br, line: 1}
	return func() (incident.Record, error) {
		raw, at, err := e.next()
		if err != nil {
			return incident.Record{}, err
		}
		var row verisRow
		if err := json.Unmarshal(raw, &row); err != nil {
			return incident.Record{}, jsonRow(at, err)
		}
		return row.record(at, sum(raw), dataset)
	}
}

// record makes facts of an incident. The summary is somebody's prose and is not read.
func (v *verisRow) record(at incident.Place, digest, dataset string) (incident.Record, error) {
	refuse := func(field, reason string, args ...any) (incident.Record, error) {
		return incident.Record{}, &incident.RowError{Place: at, Field: field, Reason: fmt.Sprintf(reason, args...)}
	}
	year := v.Timeline.Incident.Year
	switch {
	case v.ID == "":
		return refuse("incident_id", "is missing")
	case !strings.HasPrefix(v.Schema, "1."):
		return refuse("schema_version", "%q is none this program reads: 1.3 and 1.4 are", cut(v.Schema, 40))
	case v.Security == "False positive" || v.Security == "Near miss":
		return refuse("security_incident", "%q: nothing happened", v.Security)
	case year < 1900 || year > 2999:
		return refuse("timeline.incident.year", "%d is not plausible", year)
	}
	rec := incident.Record{Dataset: dataset, ExternalID: v.ID, ID: rowID("veris", v.ID), ReadNow: true, Place: at}
	source := incident.Value{Text: both("VERIS"), SHA256: digest}
	if strings.EqualFold(v.SourceID, "vcdb") {
		rec.Attribution, rec.Licence, rec.URL = "VERIS Community Database", "CC BY-SA 4.0", "https://github.com/vz-risk/VCDB"
		source.Text, source.Licence, source.URL = both(rec.Attribution), rec.Licence, rec.URL
	} else if v.SourceID != "" {
		source.Text = both("VERIS: " + cut(tidy(v.SourceID), 100))
	}
	for _, stamp := range []string{v.Plus.Modified, v.Plus.Created} {
		if t, err := time.Parse(time.RFC3339, stamp); err == nil && rec.AsOf.IsZero() {
			rec.AsOf = incident.Moment{Time: t.UTC().Truncate(time.Minute), Precision: incident.Minute}
		}
	}
	sure := incident.Confirmed
	if v.Security != "Confirmed" {
		sure = incident.Possible
	}
	add := func(key, item string, certainty incident.Certainty, value incident.Value) {
		rec.Facts = append(rec.Facts, incident.Fact{Key: key, Item: item, Value: value, Certainty: certainty, Source: "veris"})
	}
	name := tidy(v.Victim.Name)
	title := incident.Text{JA: fmt.Sprintf("%d年の事案", year), EN: fmt.Sprintf("an incident of %d", year)}
	if name != "" && name != "Unknown" {
		add("organisation", "", sure, incident.Value{Text: both(name)})
		title = incident.Text{JA: name + "：" + title.JA, EN: name + ": " + title.EN}
	}
	add("title", "", sure, incident.Value{Text: title})
	if sector, original := naicsSector(v.Victim.Industry); sector != "" {
		add("sector", "", sure, incident.Value{Word: sector, Original: original})
	}
	if len(v.Victim.Country) == 1 && v.Victim.Country[0] != "Unknown" {
		add("country", "", sure, incident.Value{Word: v.Victim.Country[0]})
	}
	if cause, original := v.cause(); cause != "" {
		add("cause", "", sure, incident.Value{Word: cause, Original: original})
	}
	if err := v.times(add, sure); err != nil {
		return refuse("timeline.incident", "%v", err)
	}
	if field, why := v.exposed(add, sure); why != "" {
		return refuse(field, "%s", why)
	}
	rec.Facts = append(rec.Facts, incident.Fact{Key: "source", Item: "veris", Certainty: incident.Confirmed, Value: source})
	for i, ref := range strings.FieldsFunc(v.Refs, func(c rune) bool { return c == ';' || c == ' ' || c == '\n' || c == ',' }) {
		if i < 20 && (strings.HasPrefix(ref, "https://") || strings.HasPrefix(ref, "http://")) {
			f := incident.Fact{Key: "source", Item: fmt.Sprintf("reference-%d", i+1), Certainty: incident.Confirmed, Value: incident.Value{URL: ref}}
			if f.Check() == nil {
				rec.Facts = append(rec.Facts, f)
			}
		}
	}
	return rec, nil
}

// times adds when it began and when it was discovered. A year alone stands in the title: a fact's time is at least a
// month.
func (v *verisRow) times(add func(key, item string, c incident.Certainty, value incident.Value), sure incident.Certainty) error {
	at := v.Timeline.Incident
	if at.Month == 0 {
		return nil
	}
	start := incident.Moment{Time: time.Date(at.Year, time.Month(at.Month), max(at.Day, 1), 0, 0, 0, 0, time.UTC), Precision: incident.Month}
	if at.Day > 0 {
		start.Precision = incident.Day
	}
	if int(start.Time.Month()) != at.Month || start.Time.Day() != max(at.Day, 1) {
		return fmt.Errorf("%d-%d-%d is no day", at.Year, at.Month, at.Day)
	}
	add("window.start", "", sure, incident.Value{Time: start})
	days := map[string]float64{"Seconds": 1.0 / 86400, "Minutes": 1.0 / 1440, "Hours": 1.0 / 24, "Days": 1, "Weeks": 7}
	if d := v.Timeline.Discovery; d != nil && d.Value != nil && at.Day > 0 {
		if n, ok := days[d.Unit]; ok && *d.Value >= 0 && *d.Value*n < 36500 {
			found := incident.Moment{Time: start.Time.AddDate(0, 0, int(*d.Value*n)), Precision: incident.Day}
			add("discovered", "", sure, incident.Value{Time: found, Qualifier: "about"})
		}
	}
	return nil
}

// exposed adds what was exposed, and how many records. The amounts of several kinds are never added up: they may be of
// the same people.
func (v *verisRow) exposed(add func(key, item string, c incident.Certainty, value incident.Value), sure incident.Certainty) (field, why string) {
	c := v.Attribute.Confidentiality
	if c == nil || c.Disclosure == "No" {
		return "", ""
	}
	if c.Disclosure != "Yes" {
		sure = incident.Possible
	}
	if len(c.Data) > 200 {
		return "attribute.confidentiality.data", "more than 200"
	}
	total := c.Total
	var names []string
	for i, d := range c.Data {
		if d.Variety != "Unknown" {
			names = append(names, d.Variety)
		}
		if d.Amount != nil && *d.Amount < 0 {
			return fmt.Sprintf("attribute.confidentiality.data[%d].amount", i), "is negative"
		}
	}
	if total == nil && len(c.Data) == 1 {
		total = c.Data[0].Amount
	}
	if total != nil && *total < 0 {
		return "attribute.confidentiality.data_total", "is negative"
	}
	if total != nil && *total > 0 {
		add("affected.count", "", sure, count(*total, "records", "exact"))
	}
	for _, f := range classFacts(verisClasses, names) {
		add("data-class", f.Item, sure, f.Value)
	}
	return "", ""
}

// cause takes the first of verisCauses that an action of the incident is; what else there was is kept by name.
func (v *verisRow) cause() (word, original string) {
	var all []string
	for kind, action := range v.Action {
		for _, variety := range action.Variety {
			all = append(all, kind+": "+tidy(variety))
		}
		if len(action.Variety) == 0 {
			all = append(all, kind+": Unknown")
		}
	}
	slices.Sort(all)
	_, partner := v.Actor["partner"]
	if partner && len(v.Actor) == 1 {
		return "contractor", cut(strings.Join(all, "; "), 200)
	}
	word = "other"
	for _, e := range verisCauses {
		if slices.ContainsFunc(e.names, func(n string) bool {
			kind, any := strings.CutSuffix(n, "*")
			return slices.ContainsFunc(all, func(a string) bool { return a == n || any && strings.HasPrefix(a, kind) })
		}) {
			word = e.word
			break
		}
	}
	switch {
	case len(all) == 0:
		return "", ""
	case len(all) == 1 && all[0] == "unknown: Unknown":
		return "unknown", ""
	case len(all) == 1 && verisCauses.name(word) == all[0]:
		return word, ""
	}
	return word, cut(strings.Join(all, "; "), 200)
}

// verisCauses maps actions, the most telling first.
var verisCauses = mapping{
	{"ransomware", []string{"malware: Ransomware"}},
	{"web-skimming", []string{"malware: Capture app data"}},
	{"credential-stuffing", []string{"hacking: Use of stolen creds", "hacking: Brute force"}},
	{"phishing", []string{"social: Phishing", "social: Pretexting"}},
	{"malware", []string{"malware: Unknown", "malware: *"}},
	{"intrusion", []string{"hacking: Unknown", "hacking: *"}},
	{"insider", []string{"misuse: Privilege abuse", "misuse: *"}},
	{"theft", []string{"physical: Theft", "physical: *"}},
	{"misdelivery", []string{"error: Misdelivery"}},
	{"lost-media", []string{"error: Loss", "error: Disposal error"}},
	{"misconfiguration", []string{"error: Misconfiguration"}},
	{"defect", []string{"error: Programming error"}},
}

// verisClasses maps attribute.confidentiality.data.variety.
var verisClasses = mapping{
	{"personal", []string{"Personal"}},
	{"sensitive", []string{"Sensitive Personal"}},
	{"credential", []string{"Credentials"}},
	{"auth-token", []string{"Session key", "Multi-factor credential", "Digital certificate"}},
	{"payment-card", []string{"Payment"}},
	{"bank-account", []string{"Bank"}},
	{"health", []string{"Medical"}},
	{"crypto-wallet", []string{"Virtual currency"}},
	{"business-secret", []string{"Internal", "Secrets", "Classified"}},
	{"source-code", []string{"Source code"}},
	{"system", []string{"System"}},
	{"other", []string{"Other"}},
}

// verisName returns the variety that a class is written as: what VERIS does not tell apart is personal data, or a
// password.
func verisName(class string) string {
	if name := verisClasses.name(class); name != "" {
		return name
	}
	switch plain, _, _ := strings.Cut(class, ":"); plain {
	case "password", "pin", "security-question":
		return "Credentials"
	case "insurance-number":
		return "Medical"
	case "biometric", "ethnicity", "religion", "political-view", "sexuality":
		return "Sensitive Personal"
	}
	return "Personal"
}

// naics maps our sectors to the North American Industry Classification; the longest prefix wins. The first code is the
// one that is written.
var naics = mapping{
	{"finance", []string{"52"}},
	{"health", []string{"62"}},
	{"education", []string{"61"}},
	{"government", []string{"92"}},
	{"retail", []string{"44", "45"}},
	{"internet", []string{"518", "519", "516"}},
	{"software", []string{"5132", "5112", "5415"}},
	{"telecom", []string{"517"}},
	{"media", []string{"512", "511", "513", "515", "71"}},
	{"travel", []string{"72", "5615"}},
	{"transport", []string{"48", "49"}},
	{"manufacturing", []string{"31", "32", "33"}},
	{"energy", []string{"22"}},
	{"construction", []string{"23", "53"}},
	{"professional", []string{"54"}},
	{"nonprofit", []string{"813"}},
}

func naicsSector(code string) (word, original string) {
	code = tidy(code)
	if code == "" || strings.Trim(code, "0") == "" || strings.EqualFold(code, "Unknown") {
		return "", ""
	}
	word, longest := "other", 0
	for _, e := range naics {
		for _, prefix := range e.names {
			if strings.HasPrefix(code, prefix) && len(prefix) > longest {
				word, longest = e.word, len(prefix)
			}
		}
	}
	if naics.name(word) == code {
		return word, ""
	}
	return word, cut("NAICS "+code, 200)
}
