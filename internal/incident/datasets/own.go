package datasets

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// ownVersion is the version of our JSON and CSV (docs/FORMAT.md, "Incidents").
const ownVersion = 1

// ownIncident is an incident in our JSON.
type ownIncident struct {
	V        int             `json:"v"`
	ID       string          `json:"id"`
	Exercise bool            `json:"exercise,omitzero"` // nothing of it is real
	Origin   *ownOrigin      `json:"origin,omitzero"`   // of an imported one
	Facts    []incident.Fact `json:"facts"`
}

type ownOrigin struct {
	Dataset     string `json:"dataset"`
	ExternalID  string `json:"externalId"`
	Licence     string `json:"licence,omitzero"`
	Attribution string `json:"attribution,omitzero"`
	URL         string `json:"url,omitzero"`
}

// record makes a record of an incident whose origin may be unknown: then it is the data set's, under its own id.
func (o *ownIncident) record(at incident.Place, dataset string) incident.Record {
	rec := incident.Record{Dataset: dataset, ExternalID: o.ID, ID: o.ID, Facts: o.Facts, Place: at}
	if o.Origin != nil {
		rec.Licence, rec.Attribution, rec.URL = o.Origin.Licence, o.Origin.Attribution, o.Origin.URL
		if o.Origin.Dataset != "" {
			rec.Dataset, rec.ExternalID = o.Origin.Dataset, o.Origin.ExternalID
		}
	}
	return rec
}

// notReal refuses what an exercise wrote: it would stand among what really happened.
func notReal(at incident.Place) error {
	return &incident.RowError{Place: at, Field: "exercise", Reason: "is of an exercise: nothing of it is real"}
}

func readOwnJSON(name string, br *bufio.Reader, dataset string) func() (incident.Record, error) {
	e := elements{name: name, r: br, line: 1}
	return func() (incident.Record, error) {
		raw, at, err := e.next()
		if err != nil {
			return incident.Record{}, err
		}
		var row ownIncident
		if err := json.Unmarshal(raw, &row, json.RejectUnknownMembers(true)); err != nil {
			return incident.Record{}, jsonRow(at, err)
		}
		if row.V != ownVersion {
			return incident.Record{}, &incident.RowError{Place: at, Field: "v", Reason: fmt.Sprintf("version %d is not %d", row.V, ownVersion)}
		}
		if row.Exercise {
			return incident.Record{}, notReal(at)
		}
		return row.record(at, dataset), nil
	}
}

// readFacts reads one facts file, which is small by its own limit.
func readFacts(name string, br *bufio.Reader, dataset string) func() (incident.Record, error) {
	done := false
	return func() (incident.Record, error) {
		if done {
			return incident.Record{}, io.EOF
		}
		done = true
		src, err := io.ReadAll(io.LimitReader(br, maxRecord+1))
		if err != nil {
			return incident.Record{}, err
		}
		file, err := incident.ParseFactsFile(name, src)
		if err != nil {
			return incident.Record{}, err
		}
		return incident.Record{Dataset: dataset, ExternalID: file.ID, ID: file.ID, Facts: file.Facts, Place: incident.Place{File: name, Line: 1}}, nil
	}
}

// ownColumns are the columns of our CSV, one row a fact, in the order in which they are written. Of an incident, only
// the first row has the five that say where it comes from.
var ownColumns = []string{"id", "dataset", "external_id", "licence", "attribution", "url", "key", "item", "ja", "en", "word", "original", "time",
	"promised", "number", "unit", "qualifier", "region", "status", "link", "telephone", "hours_ja", "hours_en", "fetched", "sha256", "quote",
	"source_licence", "certainty", "source", "as_of"}

// exerciseColumn is a further column, of what an exercise writes alone: nothing of such a row is real.
const exerciseColumn = "exercise"

// ownCSV joins the rows of one incident, which follow each other.
type ownCSV struct {
	rows    *rows
	dataset string
	ahead   *row // read, and of the next incident
	fail    error
}

func readOwnCSV(name string, br *bufio.Reader, dataset string) (func() (incident.Record, error), error) {
	c := &ownCSV{rows: &rows{name: name, r: br, line: 1}, dataset: dataset}
	if err := c.rows.header("id", "key"); err != nil {
		return nil, err
	}
	for column := range c.rows.columns {
		if !slices.Contains(ownColumns, column) && column != exerciseColumn {
			return nil, broken("known here: "+strings.Join(ownColumns, ", "), "%s:1: there is no column %q", name, cut(column, 60))
		}
	}
	return c.next, nil
}

// next returns the next incident. A row that cannot be taken refuses its whole incident, so that none is half there.
func (c *ownCSV) next() (incident.Record, error) {
	first, err := c.ahead, error(nil)
	c.ahead = nil
	if first == nil {
		if c.fail != nil {
			return incident.Record{}, c.fail
		}
		if first, err = c.rows.next(); err != nil {
			return incident.Record{}, err
		}
	}
	id := unescape(first.get("id"))
	o := ownIncident{V: ownVersion, ID: id}
	if first.get("dataset") != "" {
		o.Origin = &ownOrigin{Dataset: unescape(first.get("dataset")), ExternalID: unescape(first.get("external_id")), Licence: unescape(first.get("licence")),
			Attribution: unescape(first.get("attribution")), URL: unescape(first.get("url"))}
	}
	var refused *incident.RowError
	if id == "" {
		refused = &incident.RowError{Place: first.Place, Field: "id", Reason: "is missing"}
	}
	for r := first; ; {
		if refused == nil {
			f, err := ownFact(r)
			if err == nil && r.get(exerciseColumn) != "" {
				err = notReal(r.Place)
			}
			if err != nil {
				errors.As(err, &refused)
			} else if o.Facts = append(o.Facts, f); len(o.Facts) > maxOwnFacts {
				refused = &incident.RowError{Place: r.Place, Reason: fmt.Sprintf("more than %d facts of one incident", maxOwnFacts)}
				o.Facts = nil
			}
		}
		if r, err = c.rows.next(); err != nil {
			var bad *incident.RowError
			if errors.As(err, &bad) { // whose incident it is cannot be known: the one under way
				if refused == nil {
					refused = bad
				}
				if r, err = c.skip(); err == nil && unescape(r.get("id")) == id {
					continue
				}
			}
			if err != nil {
				c.fail = err
				break
			}
		}
		if unescape(r.get("id")) != id {
			c.ahead = r
			break
		}
	}
	if refused != nil {
		return incident.Record{}, refused
	}
	return o.record(first.Place, c.dataset), nil
}

// skip reads on to the next row that can be read.
func (c *ownCSV) skip() (*row, error) {
	for {
		r, err := c.rows.next()
		var bad *incident.RowError
		if !errors.As(err, &bad) {
			return r, err
		}
	}
}

const maxOwnFacts = 5000

// ownFact reads the fact of one row.
func ownFact(r *row) (incident.Fact, error) {
	get := func(column string) string { return unescape(r.get(column)) }
	f := incident.Fact{Key: get("key"), Item: get("item"), Certainty: incident.Certainty(get("certainty")), Source: get("source")}
	if f.Certainty == "" {
		f.Certainty = incident.Confirmed
	}
	v := incident.Value{Text: language.Text{JA: get("ja"), EN: get("en")}, Word: get("word"), Original: get("original"), Unit: get("unit"),
		Qualifier: get("qualifier"), Region: get("region"), Status: get("status"), URL: get("link"), Telephone: get("telephone"),
		Hours: language.Text{JA: get("hours_ja"), EN: get("hours_en")}, SHA256: get("sha256"), Quote: get("quote"), Licence: get("source_licence")}
	for _, t := range []*language.Text{&v.Text, &v.Hours} {
		if t.JA == "" {
			t.JA = t.EN
		}
		if t.EN == "" {
			t.EN = t.JA
		}
	}
	for _, m := range []struct {
		column string
		to     *incident.Moment
	}{{"time", &v.Time}, {"promised", &v.Promised}, {"fetched", &v.Fetched}, {"as_of", &f.AsOf}} {
		text := get(m.column)
		if text == "" {
			continue
		}
		var zone *time.Location
		if !strings.Contains(text, "T") {
			zone = time.UTC
		}
		at, err := incident.ParseMoment(text, zone)
		if err != nil {
			return f, r.refuse(m.column, "%q is not a time such as 2026-04-01 or 2026-04-01T10:09+09:00", cut(text, 40))
		}
		*m.to = at
	}
	if text := get("number"); text != "" {
		n, err := strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 64)
		if err != nil {
			return f, r.refuse("number", "%q is not a count", cut(text, 40))
		}
		v.Number = &n
		if v.Qualifier == "" {
			v.Qualifier = "exact"
		}
	}
	f.Value = v
	if f.Item == "" && v.Word != "" && (f.Key == "data-class" || f.Key == "secondary-damage") {
		f.Item = v.Word
		if v.Word == "other" && v.Original != "" {
			f.Item = incident.ItemID("other:" + v.Original)
		}
	}
	if err := f.Check(); err != nil {
		var field *incident.FieldError
		errors.As(err, &field)
		return f, r.refuse(strings.TrimSuffix(f.Key+" "+f.Item, " ")+": "+field.Field, "%s", field.Reason)
	}
	return f, nil
}

// Spreadsheets take a cell that begins with one of these for a formula. They are written with an apostrophe before
// them, which spreadsheets hide, and read without it.
const formula = "=+-@'"

func escape(s string) string {
	if s != "" && strings.IndexByte(formula, s[0]) >= 0 {
		return "'" + s
	}
	return s
}

func unescape(s string) string {
	if len(s) > 1 && s[0] == '\'' && strings.IndexByte(formula, s[1]) >= 0 {
		return s[1:]
	}
	return s
}
