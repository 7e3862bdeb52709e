package exchange

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

// rows reads CSV (RFC 4180) a row at a time. A row ends at the first line feed outside quotation marks, or where it is
// too long: then it is refused at its place, and reading goes on behind the line on which the limit was met, so that a
// quotation mark that is never closed costs at most one limit's worth of rows.
type rows struct {
	name    string
	r       *bufio.Reader
	line    int64 // of the next row
	buf     []byte
	columns map[string]int
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
		part, err := s.r.ReadSlice('\n')
		s.buf = append(s.buf, part...)
		quotes += bytes.Count(part, []byte{'"'})
		if len(s.buf) > maxRecord {
			if err := s.skipLine(err); err != nil {
				return at, nil, err
			}
			return refuse(fmt.Sprintf("longer than %d bytes, or a quotation mark is not closed", maxRecord))
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(s.buf) == 0:
			return at, nil, io.EOF
		case errors.Is(err, io.EOF) && quotes%2 == 1:
			return refuse("a quotation mark is not closed before the end")
		case err != nil && !errors.Is(err, io.EOF):
			return at, nil, err
		}
		if s.line++; quotes%2 == 0 {
			break
		}
	}
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

// skipLine goes on to the end of the line that ended with err so far.
func (s *rows) skipLine(err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = s.r.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.line++
	return nil
}
