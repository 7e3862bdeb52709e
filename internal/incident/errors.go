package incident

import (
	"errors"
	"fmt"
)

// What can go wrong in this room.
var (
	ErrFacts    = errors.New("facts file not accepted")
	ErrTime     = errors.New("not a time")
	ErrExist    = errors.New("incident exists already")
	ErrNotFound = errors.New("no such incident")
	ErrNotice   = errors.New("notice not accepted")
	ErrNoNotice = errors.New("no such notice")
)

// place is a line and column of a facts file, both from 1; the zero place is the file as a whole.
type place struct{ line, column int }

// fileError is a mistake in a facts file: its message begins with file:line:column, as editors read it.
type fileError struct {
	file    string
	at      place
	problem string
	remedy  string
}

func (e *fileError) Error() string {
	if e.at.line == 0 {
		return fmt.Sprintf("%s: %s", e.file, e.problem)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.file, e.at.line, e.at.column, e.problem)
}
func (e *fileError) Unwrap() error { return ErrFacts }
func (e *fileError) Hint() string  { return e.remedy }
