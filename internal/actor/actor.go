// Package actor says who does something. Everything that changes what is recorded or published takes an Actor, so that no
// door can leave it out, and keeps it beside what was changed. It is never part of what is signed or shown.
package actor

import (
	"errors"
	"fmt"
)

// ErrNobody reports a change that nobody answers for.
var ErrNobody = errors.New("nobody is named who does this")

// An Actor is a person or a program, and the door that it came in by. The zero Actor is nobody, and may change nothing.
type Actor struct {
	name, door string
}

// Operator is whoever runs the command line: who can read the data folder and its keys is the operator.
func Operator() Actor { return Actor{"operator", "command line"} }

// Server is the running server, which reissues statements and records the scripts that it serves.
func Server() Actor { return Actor{"shirase", "server"} }

// String is the form that is kept: "operator by command line".
func (a Actor) String() string {
	if a == (Actor{}) {
		return ""
	}
	return a.name + " by " + a.door
}

// Check refuses the zero Actor. what names the change.
func (a Actor) Check(what string) error {
	if a == (Actor{}) {
		return fmt.Errorf("%s: %w", what, ErrNobody)
	}
	return nil
}
