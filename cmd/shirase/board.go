package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/board"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/response"
	"shirase/internal/spread"
	"shirase/internal/watchers"
)

// boards opens what puts a case's board together, over all rooms of an instance.
func (a *app) boards(ctx context.Context, in *instance, cases *response.Cases) (*board.Boards, error) {
	rooms := board.Rooms{Cases: cases, Incidents: in.incidents, Rosters: in.rosters, Now: in.now, Staff: a.op().Enquiry.Staff}
	var err error
	if rooms.Gate, err = a.gates(ctx, in, cases); err != nil {
		return nil, err
	}
	if rooms.Resets, err = a.resetsAnyway(ctx, in); err != nil {
		return nil, err
	}
	if rooms.Campaigns, err = a.campaigns(ctx, in); err != nil {
		return nil, err
	}
	if rooms.Desk, err = a.enquiries(ctx, in); err != nil {
		return nil, err
	}
	if rooms.Spread, err = spread.New(ctx, spread.Rooms{DB: in.db, Rosters: in.rosters, Now: in.now}); err != nil {
		return nil, err
	}
	if a.op().Mail.Server != "" { // without, nobody can watch
		watching, err := a.watchersRoom(ctx, in, watchers.Mailer{}, nil)
		if err != nil {
			return nil, err
		}
		rooms.Watching = func(ctx context.Context) (int64, error) {
			n, err := watching.Counts(ctx)
			return n.Watching, err
		}
	}
	return board.New(ctx, rooms, func(what string, err error) { in.log.Error(what, "error", err) }), nil
}

func (a *app) cmdCaseBoard() *cobra.Command {
	return &cobra.Command{Use: "board CASE", Short: "Say how a case stands, of everything, as its board at the console does", Args: cobra.ExactArgs(1),
		Long: `Puts together how a case stands: phase, clocks, what is blocked, scope, who was told,
enquiries against staff, contradictions, promises, silence, tasks, decisions, and what is
not known. The figures are those of the board at /console/cases/CASE/board. That you
looked at it is recorded, once a day. Of a large roster it takes seconds: each person is
counted once.`,
		Example: "  shirase case board shop-2026-08-20\n  shirase case board shop-2026-08-20 --json",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			boards, err := a.boards(c.Context(), in, cases)
			if err != nil {
				return err
			}
			if _, err := cases.Get(c.Context(), actor.Operator(), args[0]); err != nil { // the board is put together by the server, whose looks are none
				return err
			}
			b, err := boards.Make(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(b, func(w io.Writer) { printBoard(w, b) })
		}}
}

// known writes a figure, or that nobody knows it.
func known(n *int64) string {
	if n == nil {
		return "not known"
	}
	return language.Digits(*n)
}

func shortly(t time.Time) string { return t.In(incident.Japan).Format("2006-01-02 15:04 -07:00") }

func printBoard(w io.Writer, b *board.Board) {
	part := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-15s %s\n", name, oneLine(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(w, "%s: %s, %s\nas of %s\n\n", b.Case, oneLine(b.Organisation), oneLine(b.Title), shortly(b.At))
	for _, s := range b.Steps {
		at := "not yet, or not recorded"
		if s.Reached() {
			at = momentOn(s.At)
		}
		part(map[bool]string{true: "phase"}[s.ID == b.Phase], "%-12s %s", s.ID, at)
	}
	for _, c := range b.Clocks.Next {
		part("clock", "%s, %s: %s", dueOn(c.Due), c.State, c.Name.EN)
	}
	if b.Clocks.None {
		part("clock", "nobody has said yet which law applies")
	} else {
		part("clocks", "%d met, %d wait", len(b.Clocks.Met), b.Clocks.Waiting)
	}
	if c := b.Containment; c == nil {
		part("containment", "there is no gate here")
	} else {
		for _, r := range c.Routes {
			part("route", "%s: %s", r.Name, r.State)
		}
		for _, h := range c.Accounts {
			part("accounts", "%s: %s, of whom %s have done what it asks", h.Hold, language.Digits(h.People), language.Digits(h.Done))
		}
		if !c.Ever {
			part("containment", "this case has declared nothing at the gate")
		}
	}
	part("scope", "base %s, affected %s", known(b.Scope.Base), known(b.Scope.Affected))
	for _, x := range []struct {
		said *board.Figure
		of   string
	}{{b.Scope.Facts, "affected"}, {b.Scope.BaseSaid, "base"}} {
		if x.said != nil {
			part("", "the facts say %s: %s", x.of, strings.Join(nonEmpty("", strings.TrimSpace(x.said.Qualifier+" "+language.Digits(x.said.N)+" "+x.said.Unit)), ""))
		}
	}
	for _, x := range b.Scope.Excluded {
		part("excluded", "%s: %s", x.Rule, language.Digits(x.N))
	}
	printTold(w, b, part)
	if g := b.Silence.Before; g != nil && !b.Silence.First.IsZero() {
		part("silence", "from knowledge to the first word %s", span(g.Long()))
	} else if g != nil {
		part("silence", "known for %s", span(g.Long()))
	}
	if g := b.Silence.Longest; g != nil {
		part("silence", "longest %s, from %s", span(g.Long()), shortly(g.From))
	}
	switch g := b.Silence.Current; {
	case g != nil:
		part("silence", "the last word was %s ago", span(g.Long()))
	case b.Silence.First.IsZero():
		part("silence", "nothing was said in public")
	}
	for _, p := range b.Promises {
		part("promise", "%s, for %s: %s", p.What.EN, dueOn(p.Due), p.Fate)
	}
	for _, c := range b.Contradictions {
		part("contradiction", "%s: %s %s", c.Where.EN, c.What.EN, strings.Join(nonEmpty("(", was(c)), ""))
	}
	for _, t := range b.Tasks {
		part("task", "%d %s %s", t.ID, language.Recorded(t.Title).EN, strings.Join(nonEmpty("(", t.Owner), ""))
	}
	for _, x := range b.Asks {
		part("asked", "%s", x.Text.EN)
	}
	for _, d := range b.Decisions {
		part("decision", "%s: %s, %s", language.Recorded(d.Question).EN, language.Recorded(d.Decision).EN, shortly(d.At))
	}
	for _, u := range b.Unknown {
		part("not known", "%s", u.EN)
	}
}

func was(c board.Contradiction) string {
	if c.Was.EN == "" {
		return ""
	}
	if c.Was.EN == c.Is.EN { // it is the Japanese that says something else now
		return "was " + c.Was.JA + ", is " + c.Is.JA
	}
	return "was " + c.Was.EN + ", is " + c.Is.EN
}

// printTold writes who was told, who has reset, and who asks.
func printTold(w io.Writer, b *board.Board, part func(name, format string, args ...any)) {
	part("roster", "%s", known(b.Told.Roster))
	if p := b.Told.Parts; p == nil {
		part("told", "no campaign over it has begun")
	} else {
		for _, x := range []struct {
			n    int64
			what string
		}{{p.Accepted, "accepted"}, {p.HandedOver, "handed over"}, {p.Read, "read at their login"}, {p.Substituted, "told otherwise instead"}, {p.Unreached, "not reached"}, {p.Uncertain, "uncertain"},
			{p.Underway, "under way"}, {p.Nothing, "nothing yet"}, {p.Unlisted, "not named by the roster"}, {p.Remaining(), "REMAINING"}} {
			fmt.Fprintf(w, "%-15s %14s  %s\n", "", language.Digits(x.n), x.what)
		}
	}
	if r := b.Reset; r == nil {
		part("reset", "none was announced")
	} else {
		part("reset", "%s since %s; accounts %s, reset %s, forced %s, waiting %s", r.State, shortly(r.Since), known(r.Accounts), language.Digits(r.Reset), language.Digits(r.Forced), language.Digits(r.Waiting))
	}
	if e := b.Enquiries; e != nil && e.Used {
		part("enquiries", "%s wait, %s late; %s came in the last hour; %s answered", language.Digits(e.Waiting), language.Digits(e.Late), language.Digits(e.LastHour), language.Digits(e.Answered))
		if !e.Oldest.IsZero() {
			part("", "the oldest waits since %s", shortly(e.Oldest))
		}
		switch {
		case e.Calls == nil:
			part("calls", "none was recorded")
		case e.Staff == nil:
			part("calls", "%g an hour; who answers is not known: shirase config set enquiry.staff N (%d are needed)", *e.Calls, *e.Needed)
		case e.Grows:
			part("calls", "%g an hour are more than %d can answer: the queue grows; %d are needed", *e.Calls, *e.Staff, *e.Needed)
		default:
			part("calls", "%g an hour, %d answer: callers wait %s on average", *e.Calls, *e.Staff, span(*e.Wait))
		}
	} else {
		part("enquiries", "the desk was never opened")
	}
	if s := b.Spread; s != nil {
		part("spread", "%s places known, %s taken down, %s reports to look at", language.Digits(s.Known), language.Digits(s.TakenDown), language.Digits(s.Reported))
	}
	part("watching", "%s people, of the whole instance", known(b.Watching))
}
