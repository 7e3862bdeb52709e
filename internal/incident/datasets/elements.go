package datasets

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"shirase/internal/incident"
)

// elements splits JSON (RFC 8259) into the elements of the array it is, or into the values that follow each other (JSON
// Lines, or files put together). It only follows strings and brackets, so that an element that is too long, too deep or
// no JSON is refused by itself, and is never held in memory beyond its limit.
type elements struct {
	name   string
	r      *bufio.Reader
	line   int64
	index  int64
	buf    []byte
	state  elementsState
	fail   error
	before bool // a value has been read that a comma has to follow, in an array
}

type elementsState int

const (
	elementsStart elementsState = iota
	elementsArray
	elementsStream
	elementsEnd
)

// next returns the bytes of the next element, valid until the call after, and its place. The error is io.EOF, an
// *incident.RowError for an element that cannot be taken, or what ended the stream.
func (e *elements) next() ([]byte, incident.Place, error) {
	if e.fail != nil {
		return nil, incident.Place{}, e.fail
	}
	raw, at, err := e.element()
	var row *incident.RowError
	if err != nil && !errors.As(err, &row) {
		e.fail = err
	}
	return raw, at, err
}

func (e *elements) place() incident.Place {
	p := incident.Place{File: e.name, Line: e.line}
	if e.state == elementsArray {
		p.Path = fmt.Sprintf("$[%d]", e.index)
	}
	return p
}

func (e *elements) element() ([]byte, incident.Place, error) {
	for {
		c, err := e.nonBlank()
		if errors.Is(err, io.EOF) && (e.state == elementsStream || e.state == elementsEnd) {
			return nil, e.place(), io.EOF
		}
		if errors.Is(err, io.EOF) {
			return nil, e.place(), broken("see whether the file is whole", "%s ends in the middle", e.place())
		}
		if err != nil {
			return nil, e.place(), err
		}
		switch {
		case e.state == elementsStart && c == '[':
			e.state = elementsArray
			continue
		case e.state == elementsStart:
			e.state = elementsStream
		case e.state == elementsEnd:
			return nil, e.place(), broken("put one array into a file", "%s: something follows the array", e.place())
		case e.state == elementsArray && c == ']':
			e.state = elementsEnd
			continue
		case e.state == elementsArray && e.before && c == ',':
			e.before = false
			continue
		case e.state == elementsArray && e.before:
			return nil, e.place(), broken("see whether the file is whole", "%s: neither a comma nor the array's end", e.place())
		}
		if e.state == elementsArray && c == ',' {
			return nil, e.place(), broken("mend the JSON there", "%s: a comma without an element", e.place())
		}
		at := e.place()
		e.before = true
		raw, err := e.value(c, at)
		e.index++
		return raw, at, err
	}
}

// nonBlank returns the next byte that is not white space.
func (e *elements) nonBlank() (byte, error) {
	for n := 0; ; n++ {
		c, err := e.r.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			e.line++
		case ' ', '\t', '\r':
		default:
			return c, nil
		}
		if n > maxBlank {
			return 0, broken("see what the file holds", "%s: more than %d bytes of white space", e.place(), maxBlank)
		}
	}
}

// value reads on from the first byte of an element to its last.
func (e *elements) value(c byte, at incident.Place) ([]byte, error) {
	e.buf = e.buf[:0]
	var depth, deepest int
	var size int64
	inString, escaped := false, false
	for {
		if size++; size <= maxRecord {
			e.buf = append(e.buf, c)
		}
		switch {
		case c == '\n':
			if e.line++; inString {
				return nil, broken("mend the JSON there: a text ends on the line it begins on", "%s: a text is not closed", at)
			}
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
		if !inString && depth <= 0 && e.over(c) {
			break
		}
		var err error
		if c, err = e.r.ReadByte(); errors.Is(err, io.EOF) {
			return nil, broken("see whether the file is whole", "%s: the file ends within it", at)
		} else if err != nil {
			return nil, err
		}
	}
	switch {
	case size > maxRecord:
		return nil, &incident.RowError{Place: at, Reason: fmt.Sprintf("longer than %d bytes", maxRecord)}
	case deepest > maxDepth:
		return nil, &incident.RowError{Place: at, Reason: fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	return e.buf, nil
}

// over reports whether an element at depth 0 ends with c: brackets and quotation marks end it, other values (which no
// data set has as elements) end before what cannot belong to them.
func (e *elements) over(c byte) bool {
	if c == '}' || c == ']' || c == '"' {
		return true
	}
	following, err := e.r.Peek(1)
	if err != nil {
		return true
	}
	switch following[0] {
	case ',', ']', '}', '{', '[', '"', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}
