package datasets

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"shirase/internal/incident"
)

// rows reads CSV (RFC 4180) a row at a time. A row ends at the first line feed outside quotation marks. One that is
// longer than the limit, or has not ended where the file does, is refused at its first line, and reading goes on with
// the next: a quotation mark that is never closed costs one line.
type rows struct {
	name    string
	r       *bufio.Reader
	ahead   []byte // read already, and to be read again before what r has
	line    int64  // of the next row
	buf     []byte
	columns map[string]int
}

// part returns the next bytes up to a line feed, as bufio's ReadSlice does.
func (s *rows) part() ([]byte, error) {
	if len(s.ahead) == 0 {
		return s.r.ReadSlice('\n')
	}
	n := bytes.IndexByte(s.ahead, '\n') + 1
	if n > 0 {
		line := s.ahead[:n]
		s.ahead = s.ahead[n:]
		return line, nil
	}
	rest := s.ahead
	s.ahead = nil
	return rest, bufio.ErrBufferFull
}

// row is one row, by the names of the header.
type row struct {
	incident.Place
	raw     []byte
	fields  []string
	columns map[string]int
}

// get returns a field without white space around it; "" where the file has no such column.
func (r *row) get(column string) string {
	if i, ok := r.columns[column]; ok {
		return strings.TrimSpace(r.fields[i])
	}
	return ""
}

func (r *row) refuse(field, reason string, args ...any) error {
	return &incident.RowError{Place: r.Place, Field: field, Reason: cut(fmt.Sprintf(reason, args...), 300)}
}

// header reads the first row and insists on columns.
func (s *rows) header(needed ...string) error {
	_, fields, err := s.split()
	if err != nil {
		return broken("the first row names the columns", "%s: the header cannot be read: %v", s.name, err)
	}
	s.columns = map[string]int{}
	for i, f := range fields {
		f = strings.TrimSpace(f)
		if _, twice := s.columns[f]; twice {
			return broken("remove one of them", "%s:1: two columns %q", s.name, cut(f, 60))
		}
		s.columns[f] = i
	}
	for _, n := range needed {
		if _, ok := s.columns[n]; !ok {
			return broken("see docs/FORMAT.md for the columns, or say the form with --format", "%s:1: no column %q", s.name, n)
		}
	}
	return nil
}

// next returns the next row. The error is io.EOF, an *incident.RowError, or what ended the stream.
func (s *rows) next() (*row, error) {
	for {
		at, fields, err := s.split()
		if err != nil {
			return nil, err
		}
		if len(fields) == 0 {
			continue // an empty line
		}
		if len(fields) != len(s.columns) {
			return nil, &incident.RowError{Place: at, Reason: fmt.Sprintf("%d fields, where the header has %d", len(fields), len(s.columns))}
		}
		return &row{Place: at, raw: s.buf, fields: fields, columns: s.columns}, nil
	}
}

// split reads the bytes of one row, and its fields. An empty line has none.
func (s *rows) split() (incident.Place, []string, error) {
	at := incident.Place{File: s.name, Line: s.line}
	refuse := func(reason string) (incident.Place, []string, error) {
		return at, nil, &incident.RowError{Place: at, Reason: reason}
	}
	s.buf = s.buf[:0]
	quotes := 0
	for {
		part, err := s.part()
		s.buf = append(s.buf, part...)
		quotes += bytes.Count(part, []byte{'"'})
		switch {
		case len(s.buf) > maxRecord:
			if err := s.giveUp(err); err != nil {
				return at, nil, err
			}
			return refuse(fmt.Sprintf("longer than %d bytes, or a quotation mark is not closed", maxRecord))
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(s.buf) == 0:
			return at, nil, io.EOF
		case errors.Is(err, io.EOF) && quotes%2 == 1:
			if err := s.giveUp(nil); err != nil {
				return at, nil, err
			}
			return refuse("a quotation mark is not closed before the end")
		case err != nil && !errors.Is(err, io.EOF):
			return at, nil, err
		}
		if quotes%2 == 0 {
			break
		}
	}
	s.line += int64(max(1, bytes.Count(s.buf, []byte{'\n'})))
	if len(bytes.TrimSpace(s.buf)) == 0 {
		return at, nil, nil
	}
	r := csv.NewReader(bytes.NewReader(s.buf))
	r.FieldsPerRecord = -1
	fields, err := r.Read()
	var syntax *csv.ParseError
	if errors.As(err, &syntax) {
		return refuse("not CSV: " + syntax.Err.Error())
	}
	if err != nil {
		return refuse("not CSV: " + err.Error())
	}
	return at, fields, nil
}

// giveUp goes to the line after the first one of the row that has been read; err is how its last part ended.
func (s *rows) giveUp(err error) error {
	s.line++
	if i := bytes.IndexByte(s.buf, '\n'); i >= 0 {
		s.ahead = append(bytes.Clone(s.buf[i+1:]), s.ahead...)
		return nil
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = s.part()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
