package datasets

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"shirase/internal/hint"
	"shirase/internal/incident"
)

// Format is a form in which incidents come.
type Format string

const (
	HIBP         Format = "hibp"
	WashingtonAG Format = "washington-ag"
	VERIS        Format = "veris"
	CSV          Format = "csv"
	Shirase      Format = "shirase" // our JSON, and facts files
)

// Formats lists those that can be read, in the order in which they are named to people.
var Formats = []Format{HIBP, WashingtonAG, VERIS, CSV, Shirase}

// ErrFormat reports data in none of the known forms, or not in the one named.
var ErrFormat = errors.New("not a known form of incidents")

// Reader reads one stream.
type Reader struct {
	read func() (incident.Record, error)
}

// Next returns the next record. The error is io.EOF at the end; an *incident.RowError for a row that cannot be taken,
// after which reading goes on; anything else ends the stream.
func (r *Reader) Next() (incident.Record, error) { return r.read() }

// Open begins to read what r holds; name stands for it in errors. An empty format is found out from the first bytes. An
// empty dataset is the one that the format implies. Errors: ErrFormat, ErrSource.
func Open(name string, r io.Reader, format Format, dataset string) (*Reader, error) {
	br, err := expand(name, r)
	if err != nil {
		return nil, err
	}
	br = bufio.NewReaderSize(br, 64<<10)
	if mark, _ := br.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		br.Discard(3)
	}
	head, err := br.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	err = nil
	if format == "" {
		if format = detect(head); format == "" {
			return nil, hint.Add(fmt.Errorf("%s: %w", name, ErrFormat), "say which with --format: "+join(Formats)+", or notice for the text of an announcement")
		}
	}
	if dataset == "" {
		dataset = string(format)
	}
	out := &Reader{}
	switch format {
	case HIBP:
		out.read = readHIBP(name, br)
	case WashingtonAG:
		out.read, err = readWashington(name, br)
	case VERIS:
		out.read = readVERIS(name, br, dataset)
	case CSV:
		out.read, err = readOwnCSV(name, br, dataset)
	case Shirase:
		if text := bytes.TrimLeft(head, " \t\r\n"); len(text) > 0 && (text[0] == '[' || text[0] == '{' && !bytes.Contains(text, []byte("facts: "))) {
			out.read = readOwnJSON(name, br, dataset)
		} else {
			out.read = readFacts(name, br, dataset)
		}
	default:
		return nil, hint.Add(fmt.Errorf("%w: %q", ErrFormat, format), "known here: "+join(Formats))
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func join(formats []Format) string {
	var words []string
	for _, f := range formats {
		words = append(words, string(f))
	}
	return strings.Join(words, ", ")
}

// detect tells a form by what its first bytes hold.
func detect(head []byte) Format {
	text := bytes.TrimLeft(head, " \t\r\n")
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return !bytes.Contains(text, []byte(name)) })
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	switch {
	case len(text) == 0:
		return ""
	case text[0] == '[' || text[0] == '{':
		switch {
		case has(`"BreachDate"`) || has(`"PwnCount"`):
			return HIBP
		case has(`"schema_version"`) || has(`"incident_id"`) || has(`"actor"`, `"action"`):
			return VERIS // our own, too, which has facts in it
		case has(`"facts"`) || has("facts:", "id:"):
			return Shirase
		}
	case isWashington(string(line)):
		return WashingtonAG
	case has("facts:") && has("id:"):
		return Shirase
	case bytes.HasPrefix(line, []byte("id,")) || bytes.HasPrefix(line, []byte(`"id","`)):
		return CSV
	}
	return ""
}

// tidy makes one line of a name: white space of any kind becomes a single space, and none is left at its ends. Nothing
// else is repaired: what must not stand in a fact is refused when the fact is checked.
func tidy(s string) string { return strings.Join(strings.FieldsFunc(s, unicode.IsSpace), " ") }

// cut shortens s to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// sum is the SHA-256 of the bytes of one row as they stood in the file.
func sum(raw []byte) string {
	digest := sha256.Sum256(raw)
	return hex.EncodeToString(digest[:])
}

// rowID makes an incident's id of a data set's prefix and what it calls the row.
func rowID(prefix, external string) string {
	id := incident.ItemID(prefix + "-" + external)
	id = strings.NewReplacer(":", "-", ".", "-").Replace(id)
	return strings.Trim(id, "-")
}

func count(n int64, unit, qualifier string) incident.Value {
	return incident.Value{Number: &n, Unit: unit, Qualifier: qualifier}
}
