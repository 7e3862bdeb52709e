package datasets

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/incident"
)

// ErrUndated reports an incident of which no date is known, not even a year.
var ErrUndated = errors.New("no date is known of it, and VERIS wants a year")

// verisOut is what is written of an incident: what VERIS 1.4.1 has a place for, each word one of its own, and "Unknown"
// where it wants a word that no fact says. All facts are in plus, which VERIS leaves to whoever writes.
type verisOut struct {
	ID       string                 `json:"incident_id"`
	SourceID string                 `json:"source_id"`
	Schema   string                 `json:"schema_version"`
	Security string                 `json:"security_incident"`
	Refs     string                 `json:"reference,omitzero"`
	Summary  string                 `json:"summary"`
	Victim   verisVictim            `json:"victim"`
	Actor    map[string]verisActor  `json:"actor"`
	Action   map[string]verisAction `json:"action"`
	Asset    struct {
		Assets []verisData `json:"assets"`
		Cloud  []string    `json:"cloud"`
	} `json:"asset"`
	Attribute *struct {
		Confidentiality verisDisclosure `json:"confidentiality"`
	} `json:"attribute,omitzero"`
	Discovery struct {
		External *verisVariety `json:"external,omitzero"`
		Partner  *verisVariety `json:"partner,omitzero"`
		Unknown  bool          `json:"unknown,omitzero"`
	} `json:"discovery_method"`
	Timeline struct {
		Incident    verisDate  `json:"incident"`
		Discovery   *verisSpan `json:"discovery,omitzero"`
		Containment *verisSpan `json:"containment,omitzero"`
	} `json:"timeline"`
	Plus verisPlus `json:"plus"`
}

// verisVariety is how it was discovered, in VERIS's words.
type verisVariety struct {
	Variety []string `json:"variety"`
}

type verisVictim struct {
	Name       string   `json:"victim_id,omitzero"`
	Industry   string   `json:"industry"`
	Country    []string `json:"country"`
	Employees  string   `json:"employee_count"`
	Government []string `json:"government"`
}

// verisActor and verisAction have what their kind must have.
type verisActor struct {
	Variety []string `json:"variety,omitzero"`
	Motive  []string `json:"motive,omitzero"`
	Country []string `json:"country,omitzero"`
}

type verisAction struct {
	Variety []string `json:"variety,omitzero"`
	Vector  []string `json:"vector,omitzero"`
	Target  []string `json:"target,omitzero"`
	Notes   string   `json:"notes,omitzero"` // what the source calls it, where VERIS has no word
}

type verisPlus struct {
	Exercise bool               `json:"exercise,omitzero"` // nothing of it is real
	Modified string             `json:"modified"`
	Timeline *verisNotification `json:"timeline,omitzero"`
	Own      *verisOwn          `json:"shirase,omitzero"`
}

type verisNotification struct {
	Notification verisDate `json:"notification"`
}

// verisOwn is the whole incident, as our JSON has it. It stands for the row as long as nobody changed that: the digest
// is of the row without it.
type verisOwn struct {
	Digest   string      `json:"sha256"`
	Incident ownIncident `json:"incident"`
}

// own returns the incident that the row holds whole, if it is still what was written.
func (v *verisRow) own(raw []byte) (ownIncident, bool) {
	var o verisOwn
	if len(v.Plus.Own) == 0 || json.Unmarshal(v.Plus.Own, &o, json.RejectUnknownMembers(true)) != nil || o.Incident.V != ownVersion {
		return ownIncident{}, false
	}
	digest, err := verisDigest(raw)
	return o.Incident, err == nil && digest == o.Digest
}

// verisDigest is the SHA-256 of a row without plus.shirase, in the form of RFC 8785.
func verisDigest(raw []byte) (string, error) {
	row, plus := map[string]jsontext.Value{}, map[string]jsontext.Value{}
	if err := json.Unmarshal(raw, &row); err != nil {
		return "", err
	}
	if err := json.Unmarshal(row["plus"], &plus); err != nil {
		return "", err
	}
	delete(plus, "shirase")
	rest, err := json.Marshal(plus)
	if err != nil {
		return "", err
	}
	row["plus"] = rest
	b, err := json.Marshal(row)
	if err != nil {
		return "", err
	}
	canonical := jsontext.Value(b)
	err = canonical.Canonicalize()
	return sum(canonical), err
}

// verisOf writes an incident as VERIS.
func verisOf(inc incident.Incident, origin *incident.Provenance) (*verisOut, error) {
	return verisWith(inc, origin, nil)
}

// verisWith is verisOf with what somebody knows beside the facts, where also is not nil.
func verisWith(inc incident.Incident, origin *incident.Provenance, also func(v *verisOut)) (*verisOut, error) {
	v := &verisOut{ID: inc.ID, SourceID: "shirase", Schema: "1.4.1", Security: "Suspected", Summary: inc.Title("en")}
	if origin != nil && rowID("veris", origin.ExternalID) == inc.ID { // as its own data set calls it
		v.ID, v.SourceID = origin.ExternalID, verisSource(inc)
	}
	if f, ok := inc.Fact("title"); ok && f.Certainty == incident.Confirmed {
		v.Security = "Confirmed"
	}
	v.victim(inc)
	v.actions(inc)
	v.Asset.Assets, v.Asset.Cloud = []verisData{{Variety: "Unknown"}}, []string{"Unknown"}
	v.Discovery.Unknown = true
	if err := v.times(inc); err != nil {
		return nil, err
	}
	v.data(inc)
	var refs []string
	for _, f := range inc.Listed("source") {
		if f.Value.URL != "" && !(f.Item == "veris" && v.SourceID != "shirase") {
			refs = append(refs, f.Value.URL)
		}
	}
	v.Refs = strings.Join(refs, "; ")
	v.Plus.Modified = inc.Updated().UTC().Format(time.RFC3339)
	if also != nil {
		also(v)
	}
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	digest, err := verisDigest(b)
	v.Plus.Own = &verisOwn{Digest: digest, Incident: ownOf(inc, origin)}
	return v, err
}

// verisSource is what a VERIS data set calls itself, by the source that its import recorded.
func verisSource(inc incident.Incident) string {
	for _, f := range inc.Listed("source") {
		if f.Item != "veris" {
			continue
		}
		if f.Value.Text.EN == vcdbName {
			return "vcdb"
		}
		if name, ok := strings.CutPrefix(f.Value.Text.EN, "VERIS: "); ok {
			return name
		}
	}
	return "unknown"
}

func (v *verisOut) victim(inc incident.Incident) {
	get := func(key string) incident.Value { f, _ := inc.Fact(key); return f.Value }
	v.Victim = verisVictim{Name: get("organisation").Text.EN, Industry: naics.name(get("sector").Word), Country: []string{"Unknown"},
		Employees: "Unknown", Government: []string{"Unknown"}}
	if code, ok := strings.CutPrefix(get("sector").Original, "NAICS "); ok && naicsCode.MatchString(code) {
		v.Victim.Industry = code
	}
	if v.Victim.Industry == "" {
		v.Victim.Industry = "000000"
	}
	switch country := get("country").Word; {
	case slices.Contains(formerCountries, country):
		v.Victim.Country = []string{"Other"}
	case country != "":
		v.Victim.Country = []string{country}
	}
}

// actions writes what was done and by whom: as the source said it, where that was in VERIS's words, else what our word
// for the cause means.
func (v *verisOut) actions(inc incident.Incident) {
	cause, _ := inc.Fact("cause")
	varieties, actors := verisSaid(cause.Value.Original)
	if len(varieties) == 0 {
		kind, variety, ok := strings.Cut(verisCauses.name(cause.Value.Word), ": ")
		switch {
		case cause.Value.Word == "misdirected-mail":
			kind, variety = "error", "Misdelivery"
		case !ok:
			kind, variety = "unknown", "Unknown"
		}
		varieties = map[string][]string{kind: {variety}}
	}
	kinds := []string{}
	v.Action = map[string]verisAction{}
	for kind, words := range varieties {
		kinds = append(kinds, kind)
		a := verisAction{Variety: words, Vector: []string{"Unknown"}}
		switch kind {
		case "social":
			a.Target = []string{"Unknown"}
		case "environmental":
			a.Vector = nil
		case "unknown":
			a = verisAction{Notes: cause.Value.Original}
		}
		v.Action[kind] = a
	}
	switch {
	case len(actors) > 0:
	case cause.Value.Word == "contractor":
		actors = []string{"partner"}
	default:
		actors = []string{usualActor(kinds)}
	}
	motive := []string{"Unknown"}
	if len(kinds) == 1 && kinds[0] == "error" { // which has none
		motive = []string{"NA"}
	}
	v.Actor = map[string]verisActor{}
	for _, actor := range actors {
		switch actor {
		case "internal", "external":
			v.Actor[actor] = verisActor{Variety: []string{"Unknown"}, Motive: motive}
		case "partner":
			v.Actor[actor] = verisActor{Country: []string{"Unknown"}, Motive: motive}
		default:
			v.Actor["unknown"] = verisActor{}
		}
	}
}

// verisSaid reads what verisRow.cause keeps: the varieties by kind, each in VERIS's words, and the actors. Nothing where
// it is not in that form.
func verisSaid(original string) (varieties map[string][]string, actors []string) {
	varieties = map[string][]string{}
	for item := range strings.SplitSeq(original, "; ") {
		if strings.HasSuffix(item, "…") { // cut off
			continue
		}
		kind, variety, ok := strings.Cut(item, ": ")
		known := verisVarieties[kind]
		switch {
		case kind+": " == actorWord:
			actors = append(actors, variety)
			continue
		case !ok || known == nil:
			return nil, nil
		case !slices.Contains(known, variety):
			variety = "Other" // of another version
		}
		if !slices.Contains(varieties[kind], variety) {
			varieties[kind] = append(varieties[kind], variety)
		}
	}
	return varieties, actors
}

// times writes when it began. Where that is not known, only the year of the first that is: the incident was not later.
func (v *verisOut) times(inc incident.Incident) error {
	known := func(key string) (incident.Moment, bool) {
		f, ok := inc.Fact(key)
		year := f.Value.Time.Time.Year()
		return f.Value.Time, ok && f.Certainty != incident.Planned && f.Certainty != incident.Unknown && verisFirst <= year && year <= verisLast
	}
	start, began := known("window.start")
	if began {
		v.Timeline.Incident = verisDateOf(start)
	} else {
		for _, key := range []string{"window.end", "discovered", "contained", "login-blocked", "regulator-notified", "persons-notified", "disclosed"} {
			if m, ok := known(key); ok && (v.Timeline.Incident.Year == 0 || m.Time.Year() < v.Timeline.Incident.Year) {
				v.Timeline.Incident.Year = m.Time.Year()
			}
		}
	}
	if v.Timeline.Incident.Year == 0 {
		return ErrUndated
	}
	if found, ok := known("discovered"); ok && began {
		v.Timeline.Discovery = verisSpanOf(start, found)
	}
	if told, ok := known("disclosed"); ok {
		v.Plus.Timeline = &verisNotification{verisDateOf(told)}
	}
	return nil
}

func verisDateOf(m incident.Moment) verisDate {
	d := verisDate{Year: m.Time.Year()}
	if m.Precision <= incident.Month {
		d.Month = int(m.Time.Month())
	}
	if m.Precision <= incident.Day {
		d.Day = m.Time.Day()
	}
	return d
}

// verisSpanOf is the time between two, in the unit to which both are known; nil where they stand in the wrong order.
func verisSpanOf(from, to incident.Moment) *verisSpan {
	a, b := from.Time, to.Time
	s, value := &verisSpan{}, 0
	switch max(from.Precision, to.Precision) {
	case incident.Year:
		s.Unit, value = "Years", b.Year()-a.Year()
	case incident.Month:
		s.Unit, value = "Months", (b.Year()-a.Year())*12+int(b.Month())-int(a.Month())
	default:
		day := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
		s.Unit, value = "Days", int(day(b).Sub(day(a))/(24*time.Hour))
	}
	if value < 0 {
		return nil
	}
	n := float64(value)
	s.Value = &n
	return s
}

// data writes what was disclosed, or may have been: of the one, nothing of the other.
func (v *verisOut) data(inc incident.Incident) {
	classes := inc.Listed("data-class")
	affected, counted := inc.Fact("affected.count")
	if len(classes) == 0 && !counted {
		return
	}
	c := verisDisclosure{Disclosure: "Potentially"}
	certain := func(f incident.Fact) bool { return f.Certainty == incident.Confirmed }
	if slices.ContainsFunc(classes, certain) || len(classes) == 0 && certain(affected) {
		c.Disclosure = "Yes"
	}
	for _, f := range classes {
		if certain(f) != (c.Disclosure == "Yes") {
			continue
		}
		for _, name := range verisNames(f.Value) {
			if d := (verisData{Variety: name}); !slices.Contains(c.Data, d) {
				c.Data = append(c.Data, d)
			}
		}
	}
	if counted && affected.Value.Unit == "records" && certain(affected) == (c.Disclosure == "Yes") { // a record is not a person
		c.Total = affected.Value.Number
	}
	v.Attribute = &struct {
		Confidentiality verisDisclosure `json:"confidentiality"`
	}{c}
}

// verisNames are the varieties of a class: those that the source named, where they are VERIS's.
func verisNames(v incident.Value) []string {
	var names []string
	for name := range strings.SplitSeq(v.Original, "; ") {
		if verisClasses.word(name) == v.Word || name == "Copyrighted" && v.Word == "other" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{verisName(v.Word)}
	}
	return names
}
