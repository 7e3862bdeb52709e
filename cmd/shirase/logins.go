package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/logins"
	"shirase/internal/response"
)

// loginFlags are the flags of `shirase watch-logins`.
type loginFlags struct {
	id, since, zone, format, temp, record, why string
	columns, where, success, failure           []string
	many, failures                             int
}

func (a *app) cmdWatchLogins() *cobra.Command {
	var fl loginFlags
	c := &cobra.Command{Use: "watch-logins FILE|DIR|-...", Short: "Look in login logs for misuse of a case's accounts", Args: cobra.MinimumNArgs(1),
		Long: `Reads login logs and looks, among the accounts of the case's roster and since its
window began, for logins from a network and by a program that the account had not used
before, for sources that touch many accounts within an hour, and for failures in a row
before a login. Give it logs from before the window too: without them nothing can be
new. What is found, with its accounts and addresses, becomes evidence of the case,
sealed; the same found in the same logs again is that evidence still. What is printed
names nobody.

What it finds is for a person to look at, and nothing is confirmed by it. With --record
that person says what came of it, and the fact secondary-damage is recorded as of the
last login that was read. Of logs that were not read whole, or in which something could
not be looked for, "none-confirmed" wants the reason with --why.

JSON Lines, CSV with a header, or the combined log format; plain, gzip or zstd. A folder
is read with all files in it.`,
		Example: "  shirase watch-logins --case naver-2013 /var/log/app/logins\n  zcat logins.csv.gz | shirase watch-logins --case naver-2013 - --column account=member_no --zone +09:00\n  shirase watch-logins --case naver-2013 logins --record none-confirmed --why 'all twelve asked: it was them'",
		RunE:    func(c *cobra.Command, args []string) error { return a.watchLogins(c.Context(), fl, args) }}
	f := c.Flags()
	f.StringVar(&fl.id, "case", "", "the case whose roster is looked for")
	f.StringVar(&fl.since, "since", "", "when the window began (default: the fact window.start)")
	f.StringVar(&fl.zone, "zone", "", "zone of times that state none, such as +09:00")
	f.StringVar(&fl.format, "format", "auto", "jsonl, csv or combined")
	f.StringArrayVar(&fl.columns, "column", nil, "which field is the time, account, address, agent or outcome: account=member_no; =- for none")
	f.StringArrayVar(&fl.where, "where", nil, "only lines whose field is this: event=login; of the combined format method= and path=")
	f.StringSliceVar(&fl.success, "success", nil, "words of the outcome that are a login, beside the usual ones")
	f.StringSliceVar(&fl.failure, "failure", nil, "words of the outcome that are a failure, beside the usual ones")
	f.IntVar(&fl.many, "many", 20, "how many accounts one source touches within an hour")
	f.IntVar(&fl.failures, "failures", 5, "how many failures in a row, at most ten minutes apart")
	f.StringVar(&fl.temp, "temp", "", "folder for sorting, sealed (default: the system's)")
	f.StringVar(&fl.record, "record", "", "record the fact secondary-damage: none-confirmed, reported or confirmed")
	f.StringVar(&fl.why, "why", "", "how a person came to what is recorded")
	return c
}

// loginOptions reads what is said on the command line.
func (fl *loginFlags) options() (logins.Options, error) {
	o := logins.Options{Many: fl.many, Failures: fl.failures, Success: fl.success, Failure: fl.failure, TempDir: fl.temp, Where: map[string]string{}}
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	switch {
	case fl.id == "":
		return o, usagef("watch-logins wants --case ID")
	case fl.record != "" && !slices.Contains([]string{"none-confirmed", "reported", "confirmed"}, fl.record):
		return o, usagef("--record is none-confirmed, reported or confirmed, not %q", fl.record)
	case fl.why != "" && fl.record == "":
		return o, usagef("--why goes with --record")
	case fl.format != "auto" && !slices.Contains([]logins.Format{logins.JSONLines, logins.CSV, logins.Combined}, logins.Format(fl.format)):
		return o, usagef("--format is jsonl, csv or combined, not %q", fl.format)
	}
	if fl.format != "auto" {
		o.Format = logins.Format(fl.format)
	}
	if fl.zone != "" {
		t, err := time.Parse("-07:00", fl.zone)
		if err != nil {
			return o, usagef("--zone wants hours and minutes, such as +09:00, not %q", fl.zone)
		}
		o.Zone = t.Location()
	}
	for _, s := range fl.columns {
		field, column, ok := strings.Cut(s, "=")
		at := map[string]*string{"time": &o.Columns.Time, "account": &o.Columns.Account, "address": &o.Columns.Address, "agent": &o.Columns.Agent, "outcome": &o.Columns.Outcome}[field]
		if !ok || at == nil || column == "" {
			return o, usagef("--column wants one of %s and its field, such as account=member_no, not %q", strings.Join(logins.FieldNames[:], ", "), s)
		}
		*at = column
	}
	for _, s := range fl.where {
		field, value, ok := strings.Cut(s, "=")
		if !ok || field == "" {
			return o, usagef("--where wants a field and its value, such as event=login, not %q", s)
		}
		o.Where[field] = value
	}
	return o, nil
}

func (a *app) watchLogins(ctx context.Context, fl loginFlags, args []string) error {
	o, err := fl.options()
	if err != nil {
		return err
	}
	in, cases, err := a.cases(ctx)
	if err != nil {
		return err
	}
	defer in.close()
	k, err := cases.Get(ctx, actor.Operator(), fl.id)
	if err != nil {
		return err
	}
	if k.Closed {
		return fmt.Errorf("case %s: %w", k.ID, response.ErrClosed)
	}
	if o.Since, err = in.windowOf(ctx, fl.id, fl.since); err != nil {
		return err
	}
	members, err := in.rosters.Latest(ctx, fl.id)
	if err != nil {
		return err
	}
	o.Members = in.rosters.Members(ctx, members)
	var size int64
	if o.Logs, size, err = openLogs(args); err != nil {
		return err
	}
	var done atomic.Int64
	tell, end := a.progress("reading logs")
	o.Tell = func(n int64) { tell(done.Add(n), size) }
	r, evidence, there, err := a.keepLogins(ctx, cases, fl.id, o)
	end()
	if err != nil {
		return err
	}
	if fl.record != "" {
		if err := in.recordLogins(ctx, cases, fl, r, o.Since.Location(), evidence); err != nil {
			return err
		}
	}
	return a.printLogins(fl, r, evidence, there)
}

// windowOf gives when the window began: as it is said, or as the facts have it, which know it to the minute, the day or the month. It begins with that.
func (in *instance) windowOf(ctx context.Context, id, said string) (time.Time, error) {
	if said != "" {
		m, err := in.moment("since", said)
		return m.Time, err
	}
	inc, err := in.incidents.Get(ctx, id)
	if err != nil {
		return time.Time{}, err
	}
	f, ok := inc.Fact("window.start")
	if !ok {
		return time.Time{}, usageError{hint.Add(fmt.Errorf("watch-logins %s: no fact says when the window began", id), "record window.start, or say --since")}
	}
	return f.Value.Time.Time, nil
}

// openLogs finds what is named: files, those in folders, and standard input. size is 0 where it is not known.
func openLogs(args []string) (out []logins.Log, size int64, err error) {
	known := true
	add := func(name, path string) {
		out = append(out, logins.Log{Name: name, Open: func(ctx context.Context) (io.ReadCloser, error) { return files.OpenInput(ctx, path) }})
	}
	for _, arg := range args {
		if arg == "-" {
			add("standard input", "/dev/stdin")
			known = false
			continue
		}
		info, err := os.Stat(arg)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %w", logins.ErrLogs, err)
		}
		if !info.IsDir() {
			add(filepath.Base(arg), arg)
			size += info.Size()
			continue
		}
		before := len(out)
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() { // what a link leads to may be anywhere
				return err
			}
			if len(out) >= 100_000 {
				return errors.New("there are more than 100,000 files in it")
			}
			if info, err := d.Info(); err == nil {
				size += info.Size()
			}
			name, err := filepath.Rel(arg, path)
			add(name, path)
			return err
		})
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %s: %w", logins.ErrLogs, filepath.Base(arg), err)
		}
		if len(out) == before {
			return nil, 0, fmt.Errorf("%w: there is no file in %s", logins.ErrLogs, filepath.Base(arg))
		}
	}
	if !known {
		size = 0
	}
	return out, size, nil
}

// keepLogins looks, and takes what is found into the case as it is found: it lies nowhere else. What the case has of an earlier look at the same logs,
// to the byte, it keeps once.
func (a *app) keepLogins(ctx context.Context, cases *response.Cases, id string, o logins.Options) (r logins.Report, evidence int64, there bool, err error) {
	read, write := io.Pipe()
	o.Detail = write
	watched := make(chan error, 1)
	go func() {
		var err error
		r, err = logins.Watch(ctx, o)
		watched <- err
		write.CloseWithError(err) // nil is the end
	}()
	note := language.Both("対象のアカウントのログイン。人が見て判断するもの", "logins of affected accounts for a person to look at").Record()
	evidence, there, err = cases.KeepEvidence(ctx, actor.Operator(), id, response.Evidence{Name: "logins.jsonl", Source: "shirase watch-logins", Note: note}, read)
	read.CloseWithError(errors.New("nobody takes it"))
	if wrong := <-watched; wrong != nil && (err == nil || errors.Is(err, wrong)) {
		return r, 0, false, wrong
	}
	return r, evidence, there, err
}

// whole says why a report is not enough for "none confirmed"; "" where it is.
func whole(r logins.Report) string {
	switch {
	case r.Matched == 0:
		return "none of the logins is of an account of the roster: are they named otherwise there?"
	case r.Suspicious > 0:
		return fmt.Sprintf("%s logins are suspicious", language.Digits(r.Suspicious))
	case r.Unreadable > 0:
		return fmt.Sprintf("%s lines could not be read", language.Digits(r.Unreadable))
	case len(r.Blind) > 0:
		return fmt.Sprintf("%s could not be looked for (%s)", r.Blind[0].Kind, r.Blind[0].Why)
	case r.Unnamed > 0:
		return fmt.Sprintf("the roster has %s people or accounts by no name that logs could have", language.Digits(r.Unnamed))
	case r.Unstated > 0:
		return fmt.Sprintf("of %s logins the log has no address or no program", language.Digits(r.Unstated))
	case r.NoHistory > 0:
		return fmt.Sprintf("of %s accounts nothing is known from before", language.Digits(r.NoHistory))
	}
	return ""
}

// loginSource is where the house finds what a fact was seen in. The public is told that it was login logs (incident.PublicSource).
func loginSource(evidence int64) string { return fmt.Sprintf("login logs, evidence %d", evidence) }

// recordLogins records what a person says of what was found, as of the last login that was read: in the zone in which the window is told, so that
// a notice can tell it in one sentence with what else did not happen.
func (in *instance) recordLogins(ctx context.Context, cases *response.Cases, fl loginFlags, r logins.Report, zone *time.Location, evidence int64) error {
	why := whole(r)
	if fl.record == "none-confirmed" && why != "" && strings.TrimSpace(fl.why) == "" {
		return hint.Add(fmt.Errorf("watch-logins %s: nothing is recorded: %s", fl.id, why), fmt.Sprintf("look at evidence %d, and say with --why how it comes that no misuse is confirmed", evidence))
	}
	asOf := incident.Moment{Time: r.To.Truncate(time.Minute).In(zone), Precision: incident.Minute}
	src, err := json.Marshal(map[string]any{"id": fl.id, "facts": []map[string]any{{"key": "secondary-damage", "value": "login", "status": fl.record, "asOf": asOf.String(), "source": loginSource(evidence)}}},
		json.Deterministic(true)) // JSON is YAML
	if err != nil {
		return err
	}
	parsed, err := incident.ParseFactsFile("facts", src)
	if err != nil {
		return err
	}
	if _, err := in.incidents.Add(ctx, actor.Operator(), parsed); err != nil {
		return err
	}
	if fl.why == "" {
		return nil
	}
	_, err = cases.AddNote(ctx, actor.Operator(), fl.id, response.Note{On: fmt.Sprintf("evidence %d", evidence), Text: "secondary-damage, login: " + fl.record + ": " + fl.why})
	return err
}

// loginsFound are what the kinds are called.
var loginsFound = map[string]string{
	logins.NewForAccount: "from a network and by a program that are new for the account",
	logins.OneSource:     "from a source that touched many accounts within an hour",
	logins.AfterFailures: "after failures in a row",
}

func (a *app) printLogins(fl loginFlags, r logins.Report, evidence int64, there bool) error {
	type out struct {
		logins.Report `json:",inline"`
		Case          string `json:"case"`
		Evidence      int64  `json:"evidence"`
		Again         bool   `json:"again,omitzero"` // an earlier run found the same in the same logs, and is what evidence names
		Recorded      string `json:"recorded,omitzero"`
	}
	return a.print(out{r, fl.id, evidence, there, fl.record}, func(w io.Writer) {
		fmt.Fprintf(w, "Read from %s to %s: %s", stamp(r.From), stamp(r.To), several(r.Read, "login or attempt", "logins and attempts"))
		if r.Other > 0 {
			fmt.Fprintf(w, "; %s of something else", several(r.Other, "line", "lines"))
		}
		fmt.Fprintf(w, "\nOf the roster: %s; since the window began %s, with %s\n", language.Digits(r.Matched), several(r.Accounts, "account", "accounts"), several(r.Logins, "login", "logins"))
		for _, p := range r.Problems {
			fmt.Fprintf(w, "  Cannot be read (%s): %s; the first is line %d of %s\n", p.Reason, several(p.Lines, "line", "lines"), p.Line, oneLine(p.Log))
		}
		for _, b := range r.Blind {
			fmt.Fprintf(w, "  Not looked for: logins %s (%s)\n", loginsFound[b.Kind], b.Why)
		}
		if r.Unnamed > 0 {
			fmt.Fprintf(w, "  Not looked for: %s of the roster, which has them by no name that logs could have\n", several(r.Unnamed, "person or account", "people or accounts"))
		}
		if r.Unstated > 0 {
			fmt.Fprintf(w, "  No address or no program: %s, which cannot be known as new\n", several(r.Unstated, "login", "logins"))
		}
		if r.NoHistory > 0 {
			fmt.Fprintf(w, "  No login from before the window: %s, for which nothing can be new\n", several(r.NoHistory, "account", "accounts"))
		}
		for _, f := range r.Findings {
			fmt.Fprintf(w, "%s of %s %s", several(f.Logins, "login", "logins"), several(f.Accounts, "account", "accounts"), loginsFound[f.Kind])
			if f.Sources > 0 {
				fmt.Fprintf(w, " (%s, %s)", several(f.Sources, "source", "sources"), several(f.Attempts, "attempt", "attempts"))
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "Suspicious: %s of %s. None of it is confirmed by this; who they are is in evidence %d.\n", several(r.Suspicious, "login", "logins"), several(r.Of, "account", "accounts"), evidence)
		if there {
			fmt.Fprintf(w, "The same was found in the same logs before: nothing was added to the case's evidence.\n")
		}
		if fl.record != "" {
			fmt.Fprintf(w, "Recorded as of %s: secondary-damage, login: %s\n", stamp(r.To), fl.record)
		} else {
			fmt.Fprintf(w, "\nLook at it: shirase case evidence export %s %d FILE\nThen record what came of it, with --record\n", fl.id, evidence)
		}
	})
}

// several is a number with what it counts.
func several(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return language.Digits(n) + " " + more
}
