package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/response"
)

// clockRow is a clock as it is printed.
type clockRow struct {
	ID        string `json:"id"`
	Regime    string `json:"regime"`
	Name      string `json:"name"`
	Trigger   string `json:"trigger"`
	Start     string `json:"start,omitzero"`
	Due       string `json:"due"`              // "" where none follows; a date is due at its end
	Early     string `json:"early,omitzero"`   // where a guideline's span begins
	Status    string `json:"status"`           // running, waiting, overdue, done, suspended, freed, not-applicable
	Why       string `json:"why,omitzero"`     // what decides
	Unknown   bool   `json:"unknown,omitzero"` // it depends on something that is not known
	Guideline bool   `json:"guideline,omitzero"`
	Computed  bool   `json:"computed,omitzero"` // days off in its way are computed, not official
	Verified  bool   `json:"verified"`          // the rule was read in its primary text
	Citation  string `json:"citation"`
}

func clockRows(clocks *response.Clocks) []clockRow {
	out := []clockRow{}
	for _, c := range clocks.Clocks {
		out = append(out, clockRow{ID: c.ID, Regime: c.Regime.ID, Name: c.Rule.Name.EN, Trigger: c.Rule.Start, Start: c.Start.String(), Due: c.Due.String(), Early: c.Early.String(),
			Status: string(c.State), Why: c.Why.EN, Unknown: c.Doubt, Guideline: c.Soft(), Computed: c.Guessed, Verified: c.Verified(), Citation: c.Rule.Citation})
	}
	return out
}

func printClocks(w io.Writer, clocks *response.Clocks) {
	if len(clocks.Clocks) == 0 {
		fmt.Fprintf(w, "No regime has been named, so no clock runs: shirase case regime CASE jp-appi\n")
	}
	for _, c := range clocks.Clocks {
		if c.State == law.NotApplicable {
			continue
		}
		fmt.Fprintf(w, "%-24s %-10s %s\n", c.ID, c.State, dueWords(c))
		fmt.Fprintf(w, "    %s. %s\n", c.Rule.Name.EN, c.Rule.Citation)
		if c.Promise != nil && c.State != law.Running {
			fmt.Fprintf(w, "    %s\n", c.Why.EN)
		}
		if c.Doubt {
			fmt.Fprintf(w, "    It counts as if this were so, which nobody has said yet: %s\n", c.Why.EN)
		}
		if !c.Verified() {
			fmt.Fprintf(w, "    unverified: the rule was not read in its primary text\n")
		}
	}
	for _, c := range clocks.Clocks {
		if c.State == law.NotApplicable {
			fmt.Fprintf(w, "%-24s %s: %s\n", c.ID, c.State, c.Why.EN)
		}
	}
	for _, r := range clocks.Refused {
		fmt.Fprintf(w, "%-24s does not apply, as was decided: %s\n", r.ID, oneLine(r.Why))
	}
	for _, x := range clocks.Addenda {
		fmt.Fprintf(w, "\n%s has slipped. An addendum to start from:\n    %s\n    %s\n", x.Clock, x.Text.JA, x.Text.EN)
	}
	for _, p := range clocks.Proposed {
		fmt.Fprintf(w, "\nThe facts speak for %s (%s): %s\n", p.Regime.ID, p.Regime.Name.EN, p.Why.EN)
	}
}

func dueWords(c law.Clock) string {
	var words string
	switch {
	case c.State == law.Waiting:
		return "waits for: " + c.Trigger().EN
	case c.Due.IsZero() && c.Rule.Within.String() == "asap":
		words = "as soon as possible"
	case c.Due.IsZero():
		words = "its deadline is not known here"
	case !c.Early.IsZero():
		words = fmt.Sprintf("due about %s to %s (a guideline)", c.Early, c.Due)
	default:
		words = "due " + c.Due.String()
	}
	if c.Guessed {
		words += ", by computed holidays"
	}
	return words
}

func (a *app) cmdCaseClocks() *cobra.Command {
	var calendar, lang string
	c := &cobra.Command{Use: "clocks CASE", Short: "Show which legal clocks run, and when they are due", Args: cobra.ExactArgs(1),
		Long: `Shows every clock of the case's regimes: what started it, when it is due, how it
stands, and where the rule stands. A date is due at the end of that day. What depends
on something that nobody has recorded yet is counted as if it were so. What does not
apply says why. Promises made in public, the next notice among them, are counted too:
what became of each follows from facts and notices.

--calendar writes what is due as an iCalendar file, with alarms at half, four fifths and
the end of each clock's time. It names regimes and the case's id, and nothing of what
happened.`,
		Example: "  shirase case clocks shop-2026-08-20\n  shirase case clocks shop-2026-08-20 --json\n  shirase case clocks shop-2026-08-20 --calendar due.ics",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			_, clocks, err := cases.Clocks(c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			if calendar != "" {
				return a.writeCalendar(in, calendar, lang, args[0], clocks)
			}
			type proposal struct {
				Regime string `json:"regime"`
				Why    string `json:"why"`
			}
			proposed := []proposal{}
			for _, p := range clocks.Proposed {
				proposed = append(proposed, proposal{p.Regime.ID, p.Why.EN})
			}
			type addendum struct {
				Clock string `json:"clock"`
				JA    string `json:"ja"`
				EN    string `json:"en"`
			}
			addenda := []addendum{} // to promises that have slipped: texts to start from
			for _, x := range clocks.Addenda {
				addenda = append(addenda, addendum{x.Clock, x.Text.JA, x.Text.EN})
			}
			return a.print(map[string]any{"clocks": clockRows(clocks), "proposed": proposed, "addenda": addenda}, func(w io.Writer) { printClocks(w, clocks) })
		}}
	c.Flags().StringVar(&calendar, "calendar", "", "write an iCalendar file")
	c.Flags().StringVar(&lang, "lang", "ja", "language of the calendar: ja or en")
	return c
}

func (a *app) writeCalendar(in *instance, file, lang, id string, clocks *response.Clocks) error {
	l, ok := language.Parse(lang)
	if !ok {
		return usagef("--lang is ja or en, and not %q", lang)
	}
	var entries []law.Entry
	for _, c := range clocks.Clocks {
		entries = append(entries, law.Entry{Case: id, Clock: c})
	}
	if err := newFile(file, func(w io.Writer) error { return law.WriteCalendar(w, l, entries, a.op().URL, in.exercise(), in.now()) }); err != nil {
		return err
	}
	return a.print(map[string]any{"case": id, "file": file}, func(w io.Writer) { fmt.Fprintf(w, "%s: what is due in case %s\n", file, id) })
}

func (a *app) cmdCaseDone() *cobra.Command {
	m := response.Marked{}
	var suspend, resume bool
	c := a.changing(&cobra.Command{Use: "done CASE CLOCK", Short: "Say that what a clock asks for was done, or why it waits",
		Long:    "Records that what a clock asks for was done, when and by which document. With --suspend\nit waits, for a reason that is recorded, and with --resume it runs again.",
		Example: "  shirase case done shop-2026-08-20 jp-appi-sokuho --by \"report 1\"\n  shirase case done shop-2026-08-20 jp-appi-notify --suspend --by \"the data are being taken down\""},
		2, func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			m.ID, m.State = args[1], "done"
			switch {
			case suspend && resume:
				return nil, usagef("--suspend and --resume exclude each other")
			case suspend:
				m.State = "suspended"
			case resume:
				m.State = "running"
			}
			if m.At != "" {
				at, err := in.moment("at", m.At)
				if err != nil {
					return nil, err
				}
				m.At = at.String()
			}
			return cases.Mark(ctx, actor.Operator(), args[0], 0, m)
		})
	f := c.Flags()
	f.StringVar(&m.At, "at", "", "when (default: now)")
	f.StringVar(&m.Why, "by", "", "by which document, or why it waits")
	f.BoolVar(&suspend, "suspend", false, "it waits")
	f.BoolVar(&resume, "resume", false, "it runs again")
	return c
}

func (a *app) cmdCaseRegime() *cobra.Command {
	var refuse string
	c := a.changing(&cobra.Command{Use: "regime CASE REGIME", Short: "Say that a regime applies, or why it does not",
		Long:    "Starts the clocks of a regime. With --refuse and a reason it is recorded that the regime\nwas considered and does not apply.",
		Example: "  shirase case regime shop-2026-08-20 eu-gdpr\n  shirase case regime shop-2026-08-20 uk-gdpr --refuse \"nobody in the United Kingdom\""},
		2, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			return cases.Apply(ctx, actor.Operator(), args[0], 0, response.Regime{ID: args[1], Refused: refuse != "", Why: refuse})
		})
	c.Flags().StringVar(&refuse, "refuse", "", "why it does not apply")
	return c
}

func (a *app) cmdCaseStart() *cobra.Command {
	return a.changing(&cobra.Command{Use: "start CASE TRIGGER TIME", Short: "Say when something happened that starts clocks",
		Long: "Records when something happened that starts clocks: a classification, a determination,\na payment, being told by a processor.", Example: "  shirase case start shop-2026-08-20 materiality 2026-08-22T17:00-04:00"},
		3, func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			m, err := in.moment("time", args[2])
			if err != nil {
				return nil, err
			}
			return cases.Start(ctx, actor.Operator(), args[0], 0, response.Started{Trigger: args[1], At: m.String()})
		})
}

func (a *app) cmdCaseKnow() *cobra.Command {
	var not bool
	c := a.changing(&cobra.Command{Use: "know CASE WORD", Short: "Say that something is so, or is not so, that clocks depend on",
		Long: "Records that something is so that clocks depend on, or with --not that it is not so:\na wrongful purpose, good encryption, a high risk. What follows from facts needs no word.", Example: "  shirase case know shop-2026-08-20 wrongful\n  shirase case know shop-2026-08-20 high-risk --not"},
		2, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			return cases.Know(ctx, actor.Operator(), args[0], 0, response.Knows{Word: args[1], Is: !not})
		})
	c.Flags().BoolVar(&not, "not", false, "it is not so")
	return c
}

func (a *app) cmdLaw() *cobra.Command {
	c := group("law", "Read and check files of legal clocks", "  shirase law list")
	check := &cobra.Command{Use: "check FILE", Short: "Check a file of legal clocks, with the tests in it", Args: cobra.ExactArgs(1),
		Long:    "Checks a regime's file: every key, every condition and deadline, and the tests that it\nholds of itself. What is wrong is told with its line.",
		Example: "  shirase law check shirase-data/law/contract-acme.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			src, err := readLimited(c.Context(), args[0], maxFacts)
			if err != nil {
				return fmt.Errorf("read the file: %w", err)
			}
			r, findings, err := law.Parse(args[0], src)
			if findings == nil {
				findings = []law.Finding{}
			}
			if e := a.print(map[string]any{"findings": findings}, func(w io.Writer) {
				for _, f := range findings {
					fmt.Fprintf(w, "%s:%d: %s\n", args[0], f.Line, f.What)
					if f.Remedy != "" {
						fmt.Fprintf(w, "    %s\n", f.Remedy)
					}
				}
				if r != nil {
					fmt.Fprintf(w, "%s: %d rules, %d tests: nothing is wrong with it.\n", r.ID, len(r.Rules), r.Tests())
				}
			}); e != nil {
				return e
			}
			if err != nil {
				return errSaid
			}
			return nil
		}}
	list := &cobra.Command{Use: "list", Short: "List the regimes that there are", Args: cobra.NoArgs, Long: "Lists the regimes that are shipped, with what was read of them.", Example: "  shirase law list",
		RunE: func(*cobra.Command, []string) error {
			book, err := law.Open()
			if err != nil {
				return err
			}
			type row struct {
				ID         string        `json:"id"`
				Name       language.Text `json:"name"`
				Rules      int           `json:"rules"`
				Unverified int           `json:"unverified"` // rules that were not read in their primary text
				Reviewed   string        `json:"reviewed"`
			}
			rows := []row{}
			for _, r := range book.Regimes() {
				x := row{ID: r.ID, Name: r.Name, Rules: len(r.Rules), Reviewed: r.Reviewed}
				for _, rule := range r.Rules {
					if rule.Read != law.Primary {
						x.Unverified++
					}
				}
				rows = append(rows, x)
			}
			return a.print(map[string]any{"regimes": rows}, func(w io.Writer) {
				for _, x := range rows {
					fmt.Fprintf(w, "%-16s %-60s %d rules, %d unverified, reviewed %s\n", x.ID, x.Name.EN, x.Rules, x.Unverified, x.Reviewed)
				}
			})
		}}
	c.AddCommand(check, list)
	return c
}
