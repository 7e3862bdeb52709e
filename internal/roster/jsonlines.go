package roster

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/charset"
)

// sampleLines is how many lines are looked at for the names of columns.
const sampleLines = 1000

// A jsonLines reads JSON Lines: one object a line. A column is a member's name;
// its value is a string's text, a number as it is written, "true" or "false",
// nothing for null or where it is missing, and the JSON text of an array or
// object.
//
// There is no header, so the columns are the names in the first 1,000 lines (or
// the first MiB). Members that appear only later are left out.
type jsonLines struct {
	w      *window
	enc    *charset.Decoder
	index  map[string]int // of the columns
	fields [][]byte
	values []byte // of the fields
	line   [1][]byte
	in     bytes.Reader
	dec    jsontext.Decoder
}

// openJSONLines collects the columns.
func (x *export) openJSONLines() error {
	j := &jsonLines{w: x.w, enc: x.enc, index: map[string]int{}}
	x.rows = j
	sample := x.w.peek(maxRecord)
	if x.enc.Undecided(sample) {
		x.enc.Decide(sample, x.w.pos)
		if err := x.enc.Err(); err != nil {
			return textError(err)
		}
	}
	for range sampleLines {
		line, rest, ended := bytes.Cut(sample, []byte{'\n'})
		if !ended && !x.w.ended() || len(sample) == 0 {
			break
		}
		sample = rest
		j.line[0] = line
		if len(bytes.TrimSpace(line)) == 0 || !x.enc.Decode(line, j.line[:]) {
			continue
		}
		// Also of a line that will be refused: what is wrong with it is not that
		// it lacks columns.
		j.object(j.line[0], func(name string) {
			if _, ok := j.index[name]; !ok && len(x.columns) <= maxColumns {
				j.index[name] = len(x.columns)
				x.columns = append(x.columns, name)
			}
		})
	}
	if len(x.columns) == 0 {
		return exportError("each line must be one JSON object; state another format with --format",
			"line %d: there is no JSON object in the first lines", x.w.line)
	}
	j.fields = make([][]byte, len(x.columns))
	return x.checkColumns(x.w.line)
}

func (j *jsonLines) next(r *row) bool {
	for {
		b := j.w.peek(64 << 10)
		if len(b) == 0 {
			return false
		}
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 && !j.w.ended() {
			b = j.w.peek(maxRecord + 1)
			n = bytes.IndexByte(b, '\n') + 1
		}
		if n == 0 && j.w.ended() {
			n = len(b)
		}
		r.line = j.w.line
		if n == 0 || n > maxRecord {
			r.problem = rowTooLong
			j.w.skipLine()
			return true
		}
		if j.line[0] = bytes.TrimSpace(b[:n]); len(j.line[0]) == 0 {
			j.w.skip(n)
			continue
		}
		if r.problem = fine; !j.enc.Decode(b[:n], j.line[:]) {
			r.problem = undecodable
		} else {
			r.problem = j.object(j.line[0], nil)
		}
		r.fields = j.fields
		j.w.skip(n)
		return true
	}
}

// object sets fields from one object. Where names is given, it is told each
// member's name instead, as far as the line can be read.
func (j *jsonLines) object(line []byte, names func(string)) problem {
	clear(j.fields)
	j.values = j.values[:0]
	j.in.Reset(line)
	j.dec.Reset(&j.in, jsontext.AllowDuplicateNames(names != nil))
	if t, err := j.dec.ReadToken(); err != nil || t.Kind() != '{' {
		return badJSON
	}
	for j.dec.PeekKind() != '}' {
		t, err := j.dec.ReadToken()
		if err != nil {
			return jsonProblem(err)
		}
		name := t.String()
		if names != nil {
			if names(name); j.dec.SkipValue() != nil {
				return badJSON
			}
			continue
		}
		v, err := j.dec.ReadValue()
		if err != nil {
			return jsonProblem(err)
		}
		if i, ok := j.index[name]; ok && !j.set(i, v) {
			return badJSON
		}
	}
	if _, err := j.dec.ReadToken(); err != nil {
		return badJSON
	}
	if _, err := j.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return badJSON
	}
	return fine
}

func jsonProblem(err error) problem {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return twiceJSON
	}
	return badJSON
}

// set sets a field to the text of a value.
func (j *jsonLines) set(i int, v jsontext.Value) bool {
	from := len(j.values)
	switch v.Kind() {
	case '"':
		var err error
		if j.values, err = jsontext.AppendUnquote(j.values, v); err != nil {
			return false
		}
	case 'n':
	default:
		j.values = append(j.values, v...)
	}
	j.fields[i] = j.values[from:]
	return true
}
