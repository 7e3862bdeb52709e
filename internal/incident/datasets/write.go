package datasets

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
)

// Writer writes incidents one by one, in constant memory.
type Writer struct {
	w     *bufio.Writer
	csv   *csv.Writer
	veris bool
	begun bool
	// exercise: nothing of it is real, and each incident says so.
	exercise bool
}

// NewWriter begins to write incidents to w as JSON (our own), CSV or VERIS JSON. What is written and read again has the
// same facts. What an exercise writes says so with each incident, and is not read again. Errors: ErrFormat.
func NewWriter(w io.Writer, format Format, exercise bool) (*Writer, error) {
	out := &Writer{w: bufio.NewWriterSize(w, 64<<10), exercise: exercise}
	switch format {
	case CSV:
		out.csv = csv.NewWriter(out.w)
		columns := ownColumns
		if exercise {
			columns = append(slices.Clone(ownColumns), exerciseColumn)
		}
		if err := out.csv.Write(columns); err != nil {
			return nil, err
		}
	case VERIS, Shirase:
		out.veris = format == VERIS
	default:
		return nil, hint.Add(fmt.Errorf("%w to write: %q", ErrFormat, format), "known here: json, csv, veris")
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

// Write writes one incident; origin is nil for the operator's own. ErrUndated, and nothing is written, where VERIS wants
// a year and none is known.
func (w *Writer) Write(inc incident.Incident, origin *incident.Provenance) error {
	if w.csv != nil {
		return w.writeCSV(inc, origin)
	}
	own := ownOf(inc, origin)
	own.Exercise = w.exercise
	var v any = own
	if w.veris {
		row, err := verisOf(inc, origin)
		if err != nil {
			return fmt.Errorf("write %s: %w", inc.ID, err)
		}
		row.Plus.Exercise = w.exercise
		if w.exercise {
			row.Summary = language.Exercise(language.EN) + row.Summary
		}
		v = row
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
		if w.exercise {
			cells = append(cells, "yes")
		}
		for j := range cells {
			cells[j] = escape(cells[j])
		}
		if err := w.csv.Write(cells); err != nil {
			return fmt.Errorf("write %s: %w", inc.ID, err)
		}
	}
	return nil
}
