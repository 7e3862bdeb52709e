package extract

import (
	"fmt"
	"strings"
	"time"

	"shirase/internal/incident"
)

// Entry is a proposal in the words of a facts file, with its span.
type Entry struct {
	Key       string `json:"key"`
	ID        string `json:"id,omitempty"`
	Value     any    `json:"value"`
	Count     *int64 `json:"count,omitempty"`
	Unit      string `json:"unit,omitempty"`
	Qualifier string `json:"qualifier,omitempty"`
	Status    string `json:"status,omitempty"`
	At        string `json:"at,omitempty"`
	Promised  string `json:"promised,omitempty"`
	Certainty string `json:"certainty"`
	AsOf      string `json:"asOf,omitempty"`
	Span      [2]int `json:"span"`
	Doubt     string `json:"doubt,omitempty"`
	Source    string `json:"source,omitempty"`
	Fetched   string `json:"fetched,omitempty"`
	SHA256    string `json:"sha256,omitempty"`

	// How far the proposal can be believed; not what a person has corrected.
	Rule       string  `json:"rule,omitempty"`
	Confidence float64 `json:"confidence"`
	Right      int     `json:"right"`
	Of         int     `json:"of"`
	Sure       bool    `json:"sure"`
}

// said writes a time as a facts file does: the zone of a day is the file's.
func said(m incident.Moment) string {
	switch m.Precision {
	case incident.Day:
		return m.Time.Format("2006-01-02")
	case incident.Month:
		return m.Time.Format("2006-01")
	}
	return m.String()
}

// Entry writes p as a facts file says it.
func (p Proposal) Entry() Entry {
	f, v := p.Fact, p.Fact.Value
	e := Entry{Key: f.Key, ID: f.Item, Unit: v.Unit, Qualifier: v.Qualifier, Status: v.Status, Certainty: string(f.Certainty),
		AsOf: said(f.AsOf), Promised: said(v.Promised), Span: [2]int{p.From, p.To}, Doubt: p.Doubt,
		Rule: p.Rule, Confidence: p.Confidence, Right: p.Right, Of: p.Of, Sure: p.Sure}
	e.Source, e.Fetched, e.SHA256 = f.Source, said(v.Fetched), v.SHA256
	text := v.Text.JA
	switch {
	case f.Key == "contact":
		contact := map[string]string{}
		for name, s := range map[string]string{"name": text, "url": v.URL, "telephone": v.Telephone, "hours": v.Hours.JA} {
			if s != "" {
				contact[name] = s
			}
		}
		e.Value = contact
	case v.URL != "":
		e.Value = v.URL
	case v.Word != "":
		e.Value = v.Word
	case text != "":
		e.Value, e.At, e.Count = text, said(v.Time), v.Number
	case v.Number != nil:
		e.Value = *v.Number
	default:
		e.Value = said(v.Time)
	}
	return e
}

// FactsFile writes entries as a facts file that incident.ParseFactsFile reads. Texts are in quotes: nothing that a notice
// says can be taken for YAML.
func FactsFile(id string, zone *time.Location, entries []Entry) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "id: %s\nzone: %s\nfacts:\n", id, quoted(time.Date(2000, 1, 1, 0, 0, 0, 0, zone).Format("-07:00")))
	for _, e := range entries {
		b.WriteString("  - ")
		e.write(&b)
		b.WriteString("\n")
	}
	return []byte(b.String())
}

// write puts e on one line.
func (e Entry) write(b *strings.Builder) {
	fmt.Fprintf(b, "{key: %s", e.Key)
	member := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, ", %s: %s", name, quoted(value))
		}
	}
	member("id", e.ID)
	switch value := e.Value.(type) {
	case int64:
		fmt.Fprintf(b, ", value: %d", value)
	case string:
		member("value", value)
	case map[string]string:
		var parts []string
		for _, name := range []string{"name", "url", "telephone", "hours"} {
			if s := value[name]; s != "" {
				parts = append(parts, name+": "+quoted(s))
			}
		}
		fmt.Fprintf(b, ", value: {%s}", strings.Join(parts, ", "))
	}
	if e.Count != nil {
		fmt.Fprintf(b, ", count: %d", *e.Count)
	}
	member("unit", e.Unit)
	member("qualifier", e.Qualifier)
	member("status", e.Status)
	member("at", e.At)
	member("promised", e.Promised)
	if e.Certainty != string(incident.Confirmed) {
		member("certainty", e.Certainty)
	}
	member("source", e.Source)
	member("fetched", e.Fetched)
	member("sha256", e.SHA256)
	member("asOf", e.AsOf)
	b.WriteString("}")
}

// quoted writes s as a double-quoted YAML text (YAML 1.2, 7.3.1). Brackets are escaped because the reader of facts files
// bounds how deep they nest without reading quotes.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c < 0x20 || c == '[' || c == '{':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// proposedID makes an id for the incident from what is Latin in the name of the organisation or a service, and the day.
func (res *Result) proposedID(base incident.Moment) string {
	when := base
	name := ""
	for _, p := range res.Proposals {
		switch p.Fact.Key {
		case "disclosed":
			when = p.Fact.Value.Time
		case "organisation", "service":
			if latin := strings.Trim(notItem.ReplaceAllString(strings.ToLower(p.Fact.Value.Text.EN), "-"), "-"); name == "" && len(latin) > 1 {
				name = firstBytes(latin, 40)
				name = strings.Trim(name, "-")
			}
		}
	}
	if name == "" {
		name = "notice"
	}
	if when.IsZero() {
		return name
	}
	return name + "-" + when.Time.Format("2006-01-02")
}

// Language is that of the text, for people.
func (res *Result) Language() string { return res.Lang.Pick("Japanese", "English") }
