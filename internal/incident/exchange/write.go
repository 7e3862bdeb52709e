package exchange

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/incident"
)

// Writer writes incidents one by one, in constant memory.
type Writer struct {
	w     *bufio.Writer
	csv   *csv.Writer
	veris bool
	begun bool
}

// NewWriter begins to write incidents to w as JSON (our own), CSV or VERIS JSON. What is written as JSON or CSV and read
// again has the same facts; VERIS has fewer kinds of facts, and what it has no place for is left out. Errors: ErrFormat.
func NewWriter(w io.Writer, format Format) (*Writer, error) {
	out := &Writer{w: bufio.NewWriterSize(w, 64<<10)}
	switch format {
	case CSV:
		out.csv = csv.NewWriter(out.w)
		if err := out.csv.Write(ownColumns); err != nil {
			return nil, err
		}
	case VERIS, Shirase:
		out.veris = format == VERIS
	default:
		return nil, &hinted{fmt.Errorf("%w to write: %q", ErrFormat, format), "known here: json, csv, veris"}
	}
	return out, nil
}

// ContentType says what a writer of format writes.
func ContentType(format Format) string {
	if format == CSV {
		return "text/csv; charset=utf-8"
	}
	return "application/json"
}

// Write writes one incident; origin is nil for the operator's own.
func (w *Writer) Write(inc incident.Incident, origin *incident.Provenance) error {
	if w.csv != nil {
		return w.writeCSV(inc, origin)
	}
	var v any = ownOf(inc, origin)
	if w.veris {
		v = verisOf(inc)
	}
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.EscapeForHTML(true))
	if err != nil {
		return fmt.Errorf("write %s: %w", inc.ID, err)
	}
	before := ",\n"
	if !w.begun {
		before = "[\n"
	}
	w.begun = true
	if _, err := w.w.WriteString(before); err != nil {
		return err
	}
	_, err = w.w.Write(b)
	return err
}

// Close ends what is written; it does not close the stream below.
func (w *Writer) Close() error {
	if w.csv != nil {
		w.csv.Flush()
		if err := w.csv.Error(); err != nil {
			return err
		}
		return w.w.Flush()
	}
	end := "\n]\n"
	if !w.begun {
		end = "[]\n"
	}
	if _, err := w.w.WriteString(end); err != nil {
		return err
	}
	return w.w.Flush()
}

func ownOf(inc incident.Incident, origin *incident.Provenance) ownIncident {
	o := ownIncident{V: ownVersion, ID: inc.ID, Facts: inc.Facts}
	if origin != nil {
		o.Origin = &ownOrigin{origin.Dataset, origin.ExternalID, origin.Licence, origin.Attribution, origin.URL}
	}
	return o
}

func (w *Writer) writeCSV(inc incident.Incident, origin *incident.Provenance) error {
	o := ownOf(inc, origin)
	for i, f := range o.Facts {
		v := f.Value
		number := ""
		if v.Number != nil {
			number = strconv.FormatInt(*v.Number, 10)
		}
		from := ownOrigin{}
		if i == 0 && o.Origin != nil {
			from = *o.Origin
		}
		cells := []string{o.ID, from.Dataset, from.ExternalID, from.Licence, from.Attribution, from.URL, f.Key, f.Item, v.Text.JA, v.Text.EN, v.Word,
			v.Original, v.Time.String(), v.Promised.String(), number, v.Unit, v.Qualifier, v.Region, v.Status, v.URL, v.Telephone, v.Hours.JA, v.Hours.EN,
			v.Fetched.String(), v.SHA256, v.Quote, v.Licence, string(f.Certainty), f.Source, f.AsOf.String()}
		for j := range cells {
			cells[j] = escape(cells[j])
		}
		if err := w.csv.Write(cells); err != nil {
			return fmt.Errorf("write %s: %w", inc.ID, err)
		}
	}
	return nil
}

// verisOf writes what VERIS 1.4 has a place for.
func verisOf(inc incident.Incident) *verisRow {
	v := &verisRow{ID: inc.ID, SourceID: "shirase", Schema: "1.4.0", Security: "Suspected", Summary: inc.Title("en")}
	get := func(key string) incident.Value { f, _ := inc.Fact(key); return f.Value }
	v.Victim.Name = get("organisation").Text.EN
	v.Victim.Industry = naics.name(get("sector").Word)
	if code, ok := strings.CutPrefix(get("sector").Original, "NAICS "); ok {
		v.Victim.Industry = code
	}
	v.Victim.Country = []string{"Unknown"}
	if country := get("country").Word; country != "" {
		v.Victim.Country = []string{country}
	}
	v.verisAction(get("cause").Word)
	v.verisTimes(inc)
	v.verisData(inc)
	var refs []string
	for _, f := range inc.Listed("source") {
		if f.Value.URL != "" {
			refs = append(refs, f.Value.URL)
		}
	}
	v.Refs = strings.Join(refs, "; ")
	v.Plus.Modified = inc.Updated().UTC().Format("2006-01-02T15:04:05Z")
	return v
}

func (v *verisRow) verisAction(cause string) {
	kind, variety, ok := strings.Cut(verisCauses.name(cause), ": ")
	if !ok {
		kind, variety = "unknown", ""
	}
	if cause == "misdirected-mail" {
		kind, variety = "error", "Misdelivery"
	}
	action := verisAction{}
	if variety != "" {
		action.Variety = []string{variety}
	}
	v.Action = map[string]verisAction{kind: action}
	actor := "unknown"
	switch {
	case cause == "contractor":
		actor = "partner"
	case kind == "error" || kind == "misuse":
		actor = "internal"
	case kind != "unknown":
		actor = "external"
	}
	v.Actor = map[string]jsontext.Value{actor: jsontext.Value(`{}`)}
}

func (v *verisRow) verisTimes(inc incident.Incident) {
	for _, key := range []string{"window.start", "discovered", "disclosed", "regulator-notified"} {
		f, ok := inc.Fact(key)
		if !ok {
			continue
		}
		t := f.Value.Time
		v.Timeline.Incident.Year, v.Timeline.Incident.Month = t.Time.Year(), int(t.Time.Month())
		if t.Precision != incident.Month {
			v.Timeline.Incident.Day = t.Time.Day()
		}
		if found, ok := inc.Fact("discovered"); ok && key == "window.start" && t.Precision != incident.Month && found.Value.Time.Precision != incident.Month {
			if days := found.Value.Time.Time.Sub(t.Time).Hours() / 24; days >= 0 {
				whole := float64(int(days))
				v.Timeline.Discovery = &verisSpan{Unit: "Days", Value: &whole}
			}
		}
		return
	}
	v.Timeline.Incident.Year = inc.Published().Year()
}

func (v *verisRow) verisData(inc incident.Incident) {
	classes := inc.Listed("data-class")
	affected, counted := inc.Fact("affected.count")
	if len(classes) == 0 && !counted {
		return
	}
	v.Attribute.Confidentiality = &struct {
		Disclosure string      `json:"data_disclosure,omitzero"`
		Total      *int64      `json:"data_total,omitzero"`
		Data       []verisData `json:"data,omitzero"`
	}{Disclosure: "Yes"}
	c := v.Attribute.Confidentiality
	for _, f := range classes {
		if f.Certainty != incident.Confirmed {
			c.Disclosure = "Potentially"
		}
		d := verisData{Variety: verisName(f.Value.Word)}
		if !slices.Contains(c.Data, d) {
			c.Data = append(c.Data, d)
		}
	}
	if c.Disclosure == "Yes" {
		v.Security = "Confirmed"
	}
	if counted && affected.Value.Unit == "records" { // a record is not a person
		c.Total = affected.Value.Number
	}
}
