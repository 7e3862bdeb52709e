// Package logins reads an organisation's login logs for what was done with the accounts of a roster since the window began: logins by networks and
// programs that are new for an account, sources that touch many accounts, and failures in a row before a login.
//
// What it finds are things for a person to look at. Nothing here says that an account was misused, and nothing says that none was: the report
// tells what the logs reach, what of them could not be read, and what could not be looked for.
//
// Logs are read as a stream and once. What is sorted on disk is sealed (extsort), memory does not grow with the logs or the roster, and no account,
// address or line of a log is in an error or a report: they are in the evidence, which is written to a sealed place.
package logins

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"shirase/internal/hint"
	"shirase/internal/roster"
)

// ErrLogs is what every error about the logs themselves is.
var ErrLogs = errors.New("cannot read the login logs")

// What is looked for.
const (
	NewForAccount = "new-for-account" // a login from a network, and by a program, that the account had not used before the window
	OneSource     = "one-source"      // one source tried many accounts within an hour, for which it was new
	AfterFailures = "after-failures"  // a login after failures in a row, unless by a network and a program that the account knows
)

// Kinds lists what is looked for.
var Kinds = []string{NewForAccount, OneSource, AfterFailures}

// A Log is one file, or what stands for one.
type Log struct {
	Name string
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Options say what is read and how.
type Options struct {
	Logs    []Log
	Format  Format  // "" is found out, of each log
	Columns Columns // fields that are named; the others are found by their usual names
	Where   map[string]string
	// Zone is that of times which state none; nil: such a time cannot be read.
	Zone *time.Location
	// Success and Failure are the words of an outcome, beside the usual ones.
	Success, Failure []string

	Since   time.Time // when the window began
	Members iter.Seq2[roster.Member, error]

	Many     int // accounts that one source touches within an hour; 0: 20
	Failures int // in a row, each within ten minutes of the one before; 0: 5

	TempDir string
	Memory  int64     // bytes for sorting; 0: 64 MiB
	Detail  io.Writer // the findings themselves, as JSON Lines (docs/FORMAT.md, findings of logins): personal data, for a sealed place; nil: none
	Tell    func(bytes int64)
}

// A Report is what was read and found, without one identifier.
type Report struct {
	Read       int64     `json:"read"`       // logins and attempts that were read
	Other      int64     `json:"other"`      // lines that are of something else, as Where says
	Unreadable int64     `json:"unreadable"` // lines that could not be read
	Problems   []Problem `json:"problems,omitzero"`

	From time.Time `json:"from,omitzero"` // of the first and the last that were read
	To   time.Time `json:"to,omitzero"`

	Matched    int64 `json:"matched"`           // of what was read, by accounts of the roster
	Accounts   int64 `json:"accounts"`          // accounts of the roster that the logs know since the window began
	Logins     int64 `json:"logins"`            // their logins since then
	Unnamed    int64 `json:"unnamed,omitzero"`  // people and accounts of the roster that it has by no name a log could have: nothing of them was looked for
	NoHistory  int64 `json:"noHistory"`         // accounts that logged in since then, and of which the logs have no login before: nothing is new for these, and nothing known
	Unstated   int64 `json:"unstated,omitzero"` // of Logins, those of which the log has no address or no program, though others have: they cannot be known as new
	Suspicious int64 `json:"suspicious"`        // logins that a finding is about, each counted once
	Of         int64 `json:"of"`                // accounts that they are of

	Findings []Finding `json:"findings"`
	Blind    []Blind   `json:"blind,omitzero"` // what could not be looked for
}

// A Finding is how often one kind was found.
type Finding struct {
	Kind     string    `json:"kind"`
	Accounts int64     `json:"accounts"`          // one that several sources touch is counted for each
	Logins   int64     `json:"logins"`            // successful ones
	Sources  int64     `json:"sources,omitzero"`  // of OneSource
	Attempts int64     `json:"attempts,omitzero"` // of OneSource, successful or not
	From     time.Time `json:"from,omitzero"`     // of the first and the last
	To       time.Time `json:"to,omitzero"`
}

// Blind is a kind that could not be looked for, and why: no-address, no-agent (the logs do not say), no-outcome-failed (they hold no failure at all),
// no-history (they do not begin before the window).
type Blind struct {
	Kind string `json:"kind"`
	Why  string `json:"why"`
}

// A Problem counts lines that could not be read, and says where the first of them is.
type Problem struct {
	Reason Reason `json:"reason"`
	Lines  int64  `json:"lines"`
	Log    string `json:"log"`
	Line   int64  `json:"line"`
}

const (
	burstGap   = 10 * time.Minute // between two failures in a row, and the login after them
	sourceSpan = time.Hour
	knownMost  = 4096 // networks, or programs, of one account: who has more is nobody's alone, and nothing is new for it
)

func (o *Options) fill() error {
	if o.Many == 0 {
		o.Many = 20
	}
	if o.Failures == 0 {
		o.Failures = 5
	}
	if o.Memory == 0 {
		o.Memory = 64 << 20
	}
	switch {
	case o.Many < 2 || o.Many > 100_000:
		return hint.Add(fmt.Errorf("%w: many accounts are from 2 to 100,000, not %d", ErrLogs, o.Many), "20 is what is meant where nothing is said")
	case o.Failures < 2 || o.Failures > 1000:
		return hint.Add(fmt.Errorf("%w: failures in a row are from 2 to 1,000, not %d", ErrLogs, o.Failures), "5 is what is meant where nothing is said")
	case o.Since.IsZero():
		return hint.Add(fmt.Errorf("%w: nobody has said when the window began", ErrLogs), "record window.start, or say --since")
	case len(o.Logs) == 0:
		return fmt.Errorf("%w: there is none", ErrLogs)
	}
	return nil
}

// Watch reads the logs and says what it found. An account of the log is one of the roster if it is the same account id or the same e-mail address.
// Errors: ErrLogs, those of reading the logs and the roster. A log in which nothing can be read is an error: it is no log without findings.
func Watch(ctx context.Context, o Options) (Report, error) {
	if err := o.fill(); err != nil {
		return Report{}, err
	}
	w, err := newWork(ctx, &o)
	if err != nil {
		return Report{}, err
	}
	defer w.close()
	for _, step := range []func(context.Context) error{w.members, w.logs, w.accounts, w.sources, w.tell} {
		if err := step(ctx); err != nil {
			return Report{}, err
		}
	}
	return w.report, nil
}
