// Package hint lets an error bring along what to do about it: one line for the person who meets it, beside the message
// that says what went wrong. Packages with error types of their own give them a method Hint() string instead.
package hint

import "errors"

// hinted is an error with what to do about it.
type hinted struct {
	error
	text string
}

func (e *hinted) Unwrap() error { return e.error }
func (e *hinted) Hint() string  { return e.text }

// Add returns err with text, which says what to do about it. Its message and what it unwraps to stay; an empty text adds
// nothing, and where there is no error there is none with it.
func Add(err error, text string) error {
	if err == nil || text == "" {
		return err
	}
	return &hinted{err, text}
}

// Of returns what to do about err, as the outermost error in its tree that has a hint says; "" where none has.
func Of(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
