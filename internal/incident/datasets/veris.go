package datasets

import (
	"bufio"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// verisRow is an incident of the VERIS schema 1.4 (https://verisframework.org): the parts that are facts of ours.
type verisRow struct {
	ID       string `json:"incident_id"`
	SourceID string `json:"source_id"`
	Schema   string `json:"schema_version"`
	Security string `json:"security_incident"`
	Refs     string `json:"reference"`
	Victim   struct {
		Name     string   `json:"victim_id"`
		Industry string   `json:"industry"`
		Country  []string `json:"country"`
	} `json:"victim"`
	Actor  map[string]jsontext.Value `json:"actor"`
	Action map[string]struct {
		Variety []string `json:"variety"`
	} `json:"action"`
	Attribute struct {
		Confidentiality *verisDisclosure `json:"confidentiality"`
	} `json:"attribute"`
	Timeline struct {
		Incident  verisDate  `json:"incident"`
		Discovery *verisSpan `json:"discovery"`
	} `json:"timeline"`
	Plus struct { // what VCDB adds, and we
		Created  string `json:"created"`
		Modified string `json:"modified"`
		Timeline struct {
			Notification verisDate `json:"notification"`
		} `json:"timeline"`
		Exercise bool           `json:"exercise"`
		Own      jsontext.Value `json:"shirase"`
	} `json:"plus"`
}

type verisDisclosure struct {
	Disclosure string      `json:"data_disclosure"`
	Total      *int64      `json:"data_total,omitzero"`
	Data       []verisData `json:"data,omitzero"`
}

type verisData struct {
	Variety string `json:"variety"`
	Amount  *int64 `json:"amount,omitzero"`
}

// verisDate is a day, a month or a year: what is not known is 0.
type verisDate struct {
	Year  int `json:"year"`
	Month int `json:"month,omitzero"`
	Day   int `json:"day,omitzero"`
}

// moment is d as exactly as it is known; zero where it is not.
func (d verisDate) moment() (incident.Moment, error) {
	if d == (verisDate{}) {
		return incident.Moment{}, nil
	}
	m := incident.Moment{Time: time.Date(d.Year, time.Month(max(d.Month, 1)), max(d.Day, 1), 0, 0, 0, 0, time.UTC), Precision: incident.Day}
	switch {
	case d.Year < verisFirst || d.Year > verisLast:
		return m, fmt.Errorf("the year %d is not plausible", d.Year)
	case int(m.Time.Month()) != max(d.Month, 1) || m.Time.Day() != max(d.Day, 1):
		return m, fmt.Errorf("%d-%d-%d is no day", d.Year, d.Month, d.Day)
	case d.Month == 0:
		m.Precision = incident.Year // whatever day of it: VERIS does not know that form
	case d.Day == 0:
		m.Precision = incident.Month
	}
	return m, nil
}

// The years that VERIS has incidents of.
const verisFirst, verisLast = 1950, 2050

// verisSpan is a length of time; there may be a unit without a value: some hours.
type verisSpan struct {
	Unit  string   `json:"unit"`
	Value *float64 `json:"value,omitzero"`
}

// after is the time that is s after start, no more exactly than the two say together; false where they do not say.
func (s *verisSpan) after(start incident.Moment) (incident.Moment, bool) {
	if s == nil || s.Value == nil || !(*s.Value >= 0 && *s.Value <= 1e9) {
		return incident.Moment{}, false
	}
	m := start
	if days, ok := map[string]float64{"Seconds": 1.0 / 86400, "Minutes": 1.0 / 1440, "Hours": 1.0 / 24, "Days": 1, "Weeks": 7}[s.Unit]; ok {
		n := *s.Value * days
		m.Time = m.Time.AddDate(0, 0, int(min(n, 1e6)))
		return m, start.Precision == incident.Day && n < 36500
	}
	months, precision := *s.Value, incident.Month
	switch s.Unit {
	case "Years":
		months, precision = *s.Value*12, incident.Year
	case "Months":
	default: // Never, NA, Unknown
		return incident.Moment{}, false
	}
	whole, part := math.Modf(min(months, 1e4))
	m = incident.Moment{Time: m.Time.AddDate(0, int(whole), int(part*30)), Precision: precision}
	if start.Precision == incident.Year && math.Mod(months, 12) != 0 || start.Precision == incident.Month && part != 0 {
		return m, false
	}
	y, month, _ := m.Time.Date()
	if precision == incident.Year {
		month = 1
	}
	m.Time = time.Date(y, month, 1, 0, 0, 0, 0, time.UTC)
	return m, months < 1200
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
		if row.Plus.Exercise {
			return incident.Record{}, notReal(at)
		}
		if own, ok := row.own(raw); ok {
			from := dataset
			if from == string(VERIS) { // not said by anybody
				from = string(Shirase)
			}
			return own.record(at, from), nil
		}
		return row.record(at, sum(raw), dataset)
	}
}

// record makes facts of an incident. The summary is somebody's prose and is not read.
func (v *verisRow) record(at incident.Place, digest, dataset string) (incident.Record, error) {
	refuse := func(field, reason string, args ...any) (incident.Record, error) {
		return incident.Record{}, &incident.RowError{Place: at, Field: field, Reason: fmt.Sprintf(reason, args...)}
	}
	switch {
	case v.ID == "":
		return refuse("incident_id", "is missing")
	case !strings.HasPrefix(v.Schema, "1.") && !strings.HasPrefix(v.Schema, "1_"):
		return refuse("schema_version", "%q is none this program reads: 1.3 and 1.4 are", cut(v.Schema, 40))
	case v.Security == "False positive" || v.Security == "Near miss":
		return refuse("security_incident", "%q: nothing happened", v.Security)
	}
	start, err := v.Timeline.Incident.moment()
	switch {
	case err != nil:
		return refuse("timeline.incident", "%v", err)
	case start.IsZero():
		return refuse("timeline.incident.year", "is missing")
	}
	told, err := v.Plus.Timeline.Notification.moment()
	if err != nil {
		return refuse("plus.timeline.notification", "%v", err)
	}
	rec := v.provenance(at, dataset)
	sure := incident.Confirmed
	if v.Security != "Confirmed" {
		sure = incident.Possible
	}
	add := func(key, item string, certainty incident.Certainty, value incident.Value) {
		rec.Facts = append(rec.Facts, incident.Fact{Key: key, Item: item, Value: value, Certainty: certainty, Source: "veris"})
	}
	name, year := tidy(v.Victim.Name), start.Time.Year()
	title := language.Text{JA: fmt.Sprintf("%d年の事案", year), EN: fmt.Sprintf("an incident of %d", year)}
	if name != "" && name != "Unknown" {
		add("organisation", "", sure, incident.Value{Text: language.Same(name)})
		title = language.Text{JA: name + "：" + title.JA, EN: name + ": " + title.EN}
	}
	add("title", "", sure, incident.Value{Text: title})
	if sector, original := naicsSector(v.Victim.Industry); sector != "" {
		add("sector", "", sure, incident.Value{Word: sector, Original: original})
	}
	if c := v.Victim.Country; len(c) == 1 && c[0] != "Unknown" && c[0] != "Other" {
		add("country", "", sure, incident.Value{Word: c[0]})
	}
	if cause, original := v.cause(); cause != "" {
		add("cause", "", sure, incident.Value{Word: cause, Original: original})
	}
	add("window.start", "", sure, incident.Value{Time: start})
	if found, ok := v.Timeline.Discovery.after(start); ok {
		add("discovered", "", sure, incident.Value{Time: found, Qualifier: "about"})
	}
	if !told.IsZero() {
		add("disclosed", "", sure, incident.Value{Time: told})
	}
	if field, why := v.exposed(add, sure); why != "" {
		return refuse(field, "%s", why)
	}
	rec.Facts = append(rec.Facts, v.sources(rec, digest)...)
	return rec, nil
}

// provenance begins the record: what it is called and whose it is.
func (v *verisRow) provenance(at incident.Place, dataset string) incident.Record {
	rec := incident.Record{Dataset: dataset, ExternalID: v.ID, ID: rowID("veris", v.ID), ReadNow: true, Place: at}
	if strings.EqualFold(v.SourceID, "vcdb") {
		rec.Attribution, rec.Licence, rec.URL = vcdbName, "CC BY-SA 4.0", "https://github.com/vz-risk/VCDB"
	}
	for _, stamp := range []string{v.Plus.Modified, v.Plus.Created} {
		if t, err := time.Parse(time.RFC3339, stamp); err == nil && rec.AsOf.IsZero() {
			rec.AsOf = incident.Moment{Time: t.UTC().Truncate(time.Minute), Precision: incident.Minute}
		}
	}
	return rec
}

// vcdbName is whom to name for what is of VCDB (https://github.com/vz-risk/VCDB).
const vcdbName = "VERIS Community Database"

// maxReferences is how many references of one incident are taken.
const maxReferences = 20

// sources are the data set itself and what it refers to.
func (v *verisRow) sources(rec incident.Record, digest string) []incident.Fact {
	source := incident.Value{Text: language.Same("VERIS"), SHA256: digest, Licence: rec.Licence, URL: rec.URL}
	switch {
	case rec.Attribution != "":
		source.Text = language.Same(rec.Attribution)
	case v.SourceID != "":
		source.Text = language.Same("VERIS: " + cut(tidy(v.SourceID), 100))
	}
	out := []incident.Fact{{Key: "source", Item: "veris", Certainty: incident.Confirmed, Value: source}}
	for i, ref := range references(v.Refs) {
		if i == maxReferences {
			break
		}
		f := incident.Fact{Key: "source", Item: fmt.Sprintf("reference-%d", i+1), Certainty: incident.Confirmed, Value: incident.Value{URL: ref}}
		if f.Check() == nil {
			out = append(out, f)
		}
	}
	return out
}

// references finds the web addresses in a text of several. They are parted by white space, and by commas and semicolons
// that are followed by white space, the next address or the end: within an address, both belong to it.
func references(text string) []string {
	var out []string
	begins := func(s string) bool { return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") }
	for _, word := range strings.Fields(text) {
		from := 0
		for i := 0; i <= len(word); i++ {
			if i < len(word) && !(strings.IndexByte(",;", word[i]) >= 0 && begins(strings.TrimLeft(word[i:], ",;"))) {
				continue
			}
			if one := strings.Trim(word[from:i], ",;"); begins(one) && !slices.Contains(out, one) {
				out = append(out, one)
			}
			from = i
		}
	}
	return out
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

// cause takes the first of verisCauses that an action of the incident is; what else there was, and who did it where the
// actions alone would not tell, is kept by name: "actor: internal; hacking: SQLi".
func (v *verisRow) cause() (word, original string) {
	var actions []string
	for kind, action := range v.Action {
		for _, variety := range action.Variety {
			actions = append(actions, kind+": "+tidy(variety))
		}
		if len(action.Variety) == 0 {
			actions = append(actions, kind+": Unknown")
		}
	}
	if len(actions) == 0 {
		return "", ""
	}
	slices.Sort(actions)
	actors := slices.Sorted(maps.Keys(v.Actor))
	word = verisCause(actions, actors)
	all := actions
	if word != "contractor" && len(actors) > 0 && !slices.Equal(actors, []string{usualActor(slices.Collect(maps.Keys(v.Action)))}) {
		for i, a := range actors {
			actors[i] = actorWord + tidy(a)
		}
		all = append(actors, actions...)
	}
	if len(all) == 1 && (all[0] == verisCauses.name(word) || all[0] == "unknown: Unknown") {
		return word, ""
	}
	return word, inShort(all)
}

// inShort joins what was done, in as many characters as a fact has for it. Of what is too long, the kind with the most
// items loses its last, so that none is lost whole, and "…" says so.
func inShort(items []string) string {
	const most = 200
	kindOf := func(item string) string { kind, _, _ := strings.Cut(item, ": "); return kind }
	items, end := slices.Clone(items), ""
	for {
		text := strings.Join(items, "; ") + end
		if utf8.RuneCountInString(text) <= most {
			return text
		}
		of, last := map[string][]int{}, []int{}
		for i, item := range items {
			kind := kindOf(item)
			if of[kind] = append(of[kind], i); len(of[kind]) > max(len(last), 1) {
				last = of[kind]
			}
		}
		if len(last) == 0 {
			return cut(text, most)
		}
		at := last[len(last)-1]
		items, end = slices.Delete(items, at, at+1), "; …"
	}
}

// actorWord begins what says who did it, among what was done.
const actorWord = "actor: "

// verisCause finds our word for what was done, by whom.
func verisCause(actions, actors []string) string {
	only := func(actor string) bool { return len(actors) == 1 && actors[0] == actor }
	deliberate := slices.ContainsFunc(actions, func(a string) bool {
		kind, _, _ := strings.Cut(a, ": ")
		return kind != "error" && kind != "environmental" && kind != "unknown"
	})
	switch {
	case only("partner"):
		return "contractor"
	case only("internal") && deliberate: // whatever it took: nobody came from outside
		return "insider"
	case !slices.ContainsFunc(actions, func(a string) bool { return a != "unknown: Unknown" }):
		return "unknown"
	}
	for _, e := range verisCauses {
		if e.word == "insider" && only("external") { // a customer's misuse is no insider's
			continue
		}
		if slices.ContainsFunc(e.names, func(n string) bool {
			kind, any := strings.CutSuffix(n, "*")
			return slices.ContainsFunc(actions, func(a string) bool { return a == n || any && strings.HasPrefix(a, kind) })
		}) {
			return e.word
		}
	}
	return "other"
}

// usualActor is who does what is of these kinds, if anybody is to be expected: people within make errors and misuse what
// they may use, the rest is done from outside. "" where the kinds do not agree.
func usualActor(kinds []string) string {
	who := "unknown"
	for _, kind := range kinds {
		actor := "external"
		switch kind {
		case "error", "misuse":
			actor = "internal"
		case "unknown", "environmental":
			continue
		}
		if who != "unknown" && who != actor {
			return ""
		}
		who = actor
	}
	return who
}
