package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/response"
)

func (a *app) cmdCase() *cobra.Command {
	c := group("case", "Answer for an incident of your own: clocks, decisions, tasks", "  shirase case declare --title \"Unauthorised access\" --organisation \"Example Shop\" --known 2026-08-20T10:09+09:00 --regime jp-appi")
	c.AddCommand(a.cmdCaseDeclare(), a.cmdCaseList(), a.cmdCaseShow(), a.cmdCaseClocks(), a.cmdCaseDone(), a.cmdCaseRegime(), a.cmdCaseStart(), a.cmdCaseKnow(),
		a.cmdCaseDecide(), a.cmdCaseEvent(), a.cmdCaseReport(), a.cmdCaseTask(), a.cmdCaseVerify(), a.cmdCaseExport(), a.cmdCaseClose())
	return c
}

// cases opens the room of cases. Regimes of one's own, contracts too, are files in the folder law of the data folder.
func (a *app) cases(ctx context.Context) (*instance, *response.Cases, error) {
	in, err := a.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	cases, err := a.caseRoom(ctx, in)
	if err != nil {
		in.close()
		return nil, nil, err
	}
	return in, cases, nil
}

// caseRoom opens the room of cases over an open instance.
func (a *app) caseRoom(ctx context.Context, in *instance) (*response.Cases, error) {
	var own []fs.FS
	if dir := filepath.Join(a.op().Data, "law"); isFolder(dir) {
		own = append(own, os.DirFS(dir))
	}
	book, err := law.Open(own...)
	if err != nil {
		return nil, err
	}
	return response.New(ctx, in.db, in.incidents, book, in.rosters.Sealer)
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// moment reads a time; one without a zone is of the instance's region.
func (in *instance) moment(what, text string) (incident.Moment, error) {
	var zone *time.Location
	if in.Region == "JP" {
		zone = incident.Japan
	}
	m, err := incident.ParseMoment(text, zone)
	if err != nil {
		return m, usageError{hint.Add(fmt.Errorf("--%s: %w", what, err), "with its zone, for example 2026-08-20T10:09+09:00 or 2026-08-20+09:00")}
	}
	return m, nil
}

func (a *app) cmdCaseDeclare() *cobra.Command {
	var d response.Declaration
	var known string
	c := &cobra.Command{
		Use:   "declare --title TEXT --organisation NAME --known TIME",
		Short: "Open a case: start its clocks and its record",
		Long: `Opens a case. What is known so far is recorded as a draft of its incident, of which
nothing is public before it is published; the regimes that are named start their
clocks; the tasks of a playbook are opened. --known is when any department knew
first, which is what the law counts from, and not when the incident happened.

Playbooks: ` + strings.Join(response.Playbooks(), ", ") + `.`,
		Example: `  shirase case declare --title "Unauthorised access" --organisation "Example Shop" --known 2026-08-20T10:09+09:00 --illicit --regime jp-appi
  shirase case declare --title 誤送信 --organisation 例社 --known 2026-08-20 --persons 12 --regime jp-appi --regime jp-pmark`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for flag, v := range map[string]string{"title": d.Title, "organisation": d.Organisation, "known": known} {
				if v == "" {
					return usagef("case declare wants --%s", flag)
				}
			}
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if d.Known, err = in.moment("known", known); err != nil {
				return err
			}
			for i, r := range d.Regimes {
				d.Regimes[i] = strings.Replace(r, "contract:", "contract-", 1)
			}
			k, err := cases.Declare(c.Context(), actor.Operator(), d)
			if err != nil {
				return err
			}
			_, clocks, err := cases.Clocks(c.Context(), k.ID)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"case": k.ID}, func(w io.Writer) {
				fmt.Fprintf(w, "Case %s is open. Nothing of it is public.\n\n", k.ID)
				printClocks(w, clocks)
				fmt.Fprintf(w, "\nNext: shirase case show %s\n", k.ID)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&d.Title, "title", "", "what happened, in a few words")
	f.StringVar(&d.Organisation, "organisation", "", "whose case it is")
	f.StringVar(&known, "known", "", "when any department knew first")
	f.StringVar(&d.ID, "id", "", "the incident's id (default: of the organisation's name and the date)")
	f.StringVar(&d.Part, "part", "own", "own, processor (委託先), client (委託元) or joint")
	f.BoolVar(&d.Illicit, "illicit", false, "a wrongful purpose is possible: an attack, a theft")
	f.Int64Var(&d.Persons, "persons", 0, "how many persons, as far as known")
	f.StringVar(&d.Commander, "commander", "", "who commands the response")
	f.StringArrayVar(&d.Regimes, "regime", nil, "a regime whose clocks start at once: jp-appi, eu-gdpr, contract:NAME ... (repeatable)")
	f.StringVar(&d.Playbook, "playbook", "", "whose tasks are opened")
	return c
}

func (a *app) cmdCaseList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the cases", Long: "Lists the cases, without opening them.", Example: "  shirase case list", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			list, err := cases.List(c.Context())
			if err != nil {
				return err
			}
			type row struct {
				ID      string `json:"id"`
				Entries int64  `json:"entries"`
				Head    string `json:"head"`
			}
			out := []row{}
			for _, l := range list {
				out = append(out, row(l))
			}
			return a.print(map[string]any{"cases": out}, func(w io.Writer) {
				for _, l := range out {
					fmt.Fprintf(w, "%s  %s entries\n", l.ID, language.Digits(l.Entries))
				}
				if len(out) == 0 {
					fmt.Fprintf(w, "There is no case. The first: shirase case declare --help\n")
				}
			})
		}}
}

// changing is a command that records one thing in a case.
func (a *app) changing(c *cobra.Command, args int, do func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error)) *cobra.Command {
	c.Args = cobra.ExactArgs(args)
	c.RunE = func(c *cobra.Command, args []string) error {
		in, cases, err := a.cases(c.Context())
		if err != nil {
			return err
		}
		defer in.close()
		k, err := do(c.Context(), in, cases, args)
		if err != nil {
			return err
		}
		return a.print(map[string]any{"case": k.ID, "entry": k.Entries, "head": k.Head.String()}, func(w io.Writer) {
			fmt.Fprintf(w, "Recorded as entry %d of case %s.\n", k.Entries, k.ID)
		})
	}
	return c
}

func (a *app) cmdCaseDecide() *cobra.Command {
	var d response.Decision
	c := a.changing(&cobra.Command{Use: "decide CASE --question TEXT --decision TEXT", Short: "Record a decision, on what is known now",
		Long:    "Records what was decided, by whom and why, with the options that there were, and the\nfacts it rests on as they stand at this moment. It is never changed: a later decision\nis a new one.",
		Example: "  shirase case decide shop-2026-08-20 --question \"Block every login?\" --option yes --option no --decision yes --why \"the attacker has hashes\" --fact data-class/password:hashed"},
		1, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			return cases.Decide(ctx, actor.Operator(), args[0], d)
		})
	f := c.Flags()
	f.StringVar(&d.Question, "question", "", "what was to be decided")
	f.StringArrayVar(&d.Options, "option", nil, "an option that there was (repeatable)")
	f.StringVar(&d.Decision, "decision", "", "what was decided")
	f.StringVar(&d.Why, "why", "", "why")
	f.StringArrayVar(&d.Facts, "fact", nil, "a fact it rests on: KEY or KEY/ITEM (repeatable)")
	return c
}

func (a *app) cmdCaseEvent() *cobra.Command {
	var e response.Event
	c := a.changing(&cobra.Command{Use: "event CASE --at TIME --text TEXT", Short: "Add to the timeline what happened, at its own time",
		Long:    "Adds to the case's timeline what happened, at the time when it happened, with where\nthat is known from. When it was recorded is kept beside it.",
		Example: "  shirase case event shop-2026-08-20 --at 2026-08-20T10:57+09:00 --text \"cut off the database server\" --source \"operations log\""},
		1, func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			m, err := in.moment("at", e.At)
			if err != nil {
				return nil, err
			}
			e.At = m.String()
			return cases.AddEvent(ctx, actor.Operator(), args[0], e)
		})
	c.Flags().StringVar(&e.At, "at", "", "when it happened")
	c.Flags().StringVar(&e.Text, "text", "", "what happened")
	c.Flags().StringVar(&e.Source, "source", "", "where that is known from")
	return c
}

func (a *app) cmdCaseReport() *cobra.Command {
	var r response.Report
	c := a.changing(&cobra.Command{Use: "report CASE --at TIME --from WHOM --text TEXT", Short: "Record what somebody outside told",
		Long:    "Records what a customer, a researcher, a partner or the police told, and whether that\nwas the moment of knowledge: with --knowledge yes the case's clocks start at it, where\nit is earlier than the time that was declared.",
		Example: "  shirase case report shop-2026-08-20 --at 2026-08-12T09:00+09:00 --from customer --text \"unknown mail to an address used only here\" --knowledge yes"},
		1, func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			m, err := in.moment("at", r.At)
			if err != nil {
				return nil, err
			}
			r.At = m.String()
			return cases.AddReport(ctx, actor.Operator(), args[0], r)
		})
	f := c.Flags()
	f.StringVar(&r.At, "at", "", "when it came")
	f.StringVar(&r.From, "from", "other", "customer, researcher, partner, police or other")
	f.StringVar(&r.Text, "text", "", "what was told")
	f.StringVar(&r.Knowledge, "knowledge", "", "whether it was the moment of knowledge: yes or no")
	return c
}

func (a *app) cmdCaseTask() *cobra.Command {
	var id int64
	var t response.Task
	var cmd *cobra.Command
	cmd = a.changing(&cobra.Command{Use: "task CASE", Short: "Open a task, or say how it stands",
		Long:    "Opens a task, or with --id changes one: what is not given stays as it was.",
		Example: "  shirase case task shop-2026-08-20 --title \"Staff the desk\" --owner Sato --due 2026-08-21T09:00+09:00\n  shirase case task shop-2026-08-20 --id 3 --state done"},
		1, func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			if t.Due != "" {
				m, err := in.moment("due", t.Due)
				if err != nil {
					return nil, err
				}
				t.Due = m.String()
			}
			change := func(o *response.Task) {
				for flag, set := range map[string]func(){"title": func() { o.Title = t.Title }, "owner": func() { o.Owner = t.Owner }, "due": func() { o.Due = t.Due },
					"state": func() { o.State = t.State }, "note": func() { o.Note = t.Note }} {
					if cmd.Flags().Changed(flag) {
						set()
					}
				}
			}
			if id != 0 {
				return cases.ChangeTask(ctx, actor.Operator(), args[0], id, change)
			}
			return cases.AddTask(ctx, actor.Operator(), args[0], change)
		})
	f := cmd.Flags()
	f.Int64Var(&id, "id", 0, "the task to change")
	f.StringVar(&t.Title, "title", "", "what is to be done")
	f.StringVar(&t.Owner, "owner", "", "who does it")
	f.StringVar(&t.Due, "due", "", "until when")
	f.StringVar(&t.State, "state", "open", "open, done or dropped")
	f.StringVar(&t.Note, "note", "", "how it stands")
	return cmd
}

func (a *app) cmdCaseClose() *cobra.Command {
	var why string
	c := a.changing(&cobra.Command{Use: "close CASE --why TEXT", Short: "Close a case: nothing more is recorded in it",
		Long: "Closes a case. Its record stays readable until its key is shredded.", Example: "  shirase case close shop-2026-08-20 --why \"all reports are complete\""},
		1, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			return cases.Close(ctx, actor.Operator(), args[0], why)
		})
	c.Flags().StringVar(&why, "why", "", "why it can be closed")
	return c
}

func (a *app) cmdCaseShow() *cobra.Command {
	return &cobra.Command{Use: "show CASE", Short: "Show a case: clocks, tasks, timeline, record", Args: cobra.ExactArgs(1),
		Long: "Shows a case as its record says, with its clocks as they stand now.", Example: "  shirase case show shop-2026-08-20",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			k, clocks, err := cases.Clocks(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(map[string]any{"case": k.ID, "declared": k.Declared, "closed": k.Closed, "clocks": clockRows(clocks), "tasks": k.Tasks, "record": k.Log()}, func(w io.Writer) {
				printCase(w, k, clocks)
			})
		}}
}

func printCase(w io.Writer, k *response.Case, clocks *response.Clocks) {
	fmt.Fprintf(w, "%s: %s, %s\n", k.ID, k.Declared.Organisation, k.Declared.Title)
	fmt.Fprintf(w, "known %s, declared %s; %s entries\n\n", k.Known, k.At.Format(time.RFC3339), language.Digits(k.Entries))
	printClocks(w, clocks)
	open := 0
	for _, t := range k.Tasks {
		if t.State == "open" {
			if open++; open == 1 {
				fmt.Fprintf(w, "\nTo do\n")
			}
			fmt.Fprintf(w, "  %3d  %s%s\n", t.ID, t.Title, strings.Join(nonEmpty("  (", t.Owner, t.Due), ""))
		}
	}
	if len(k.Decisions) > 0 {
		fmt.Fprintf(w, "\nDecisions\n")
	}
	for _, e := range k.Decisions {
		d := e.Body.Decision
		fmt.Fprintf(w, "  %s  %s: %s (%s)\n", e.At, oneLine(d.Question), oneLine(d.Decision), e.By)
	}
	if len(k.Events)+len(k.Reports) > 0 {
		fmt.Fprintf(w, "\nTimeline\n")
	}
	for _, e := range k.Events {
		fmt.Fprintf(w, "  %s  %s\n", e.Body.Event.At, oneLine(e.Body.Event.Text))
	}
	for _, e := range k.Reports {
		fmt.Fprintf(w, "  %s  told by %s: %s\n", e.Body.Report.At, e.Body.Report.From, oneLine(e.Body.Report.Text))
	}
	for _, e := range k.Reports {
		if e.Body.Report.Knowledge == "" {
			fmt.Fprintf(w, "\nNobody has said whether the report of %s was the moment of knowledge.\n", e.Body.Report.At)
		}
	}
}

// nonEmpty gives what is not empty in brackets.
func nonEmpty(open string, texts ...string) []string {
	var there []string
	for _, t := range texts {
		if t != "" {
			there = append(there, t)
		}
	}
	if len(there) == 0 {
		return nil
	}
	return []string{open, strings.Join(there, ", "), ")"}
}

func (a *app) cmdCaseVerify() *cobra.Command {
	return &cobra.Command{Use: "verify CASE|FILE", Short: "Verify a case's record, or an export of one", Args: cobra.ExactArgs(1),
		Long:    "Verifies that a case's record is what was written: nothing edited, removed or moved. Of\nan export's file it verifies the record that is in it, without a data folder; that\nnothing came after it, only the head shows: compare it with one that was told before.",
		Example: "  shirase case verify shop-2026-08-20\n  shirase case verify shop-2026-08-20.zip",
		RunE: func(c *cobra.Command, args []string) error {
			v, err := a.verifyCase(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(map[string]any{"valid": true, "case": v.Case, "entries": v.Entries, "head": v.Head.String()}, func(w io.Writer) {
				fmt.Fprintf(w, "The record of case %s holds: %s entries, head %s\n", v.Case, language.Digits(v.Entries), v.Head)
			})
		}}
}

func (a *app) verifyCase(ctx context.Context, name string) (response.Verified, error) {
	if f, err := os.Open(name); err == nil {
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return response.Verified{}, err
		}
		if info.Mode().IsRegular() {
			return response.VerifyExport(f, info.Size())
		}
	}
	in, cases, err := a.cases(ctx)
	if err != nil {
		return response.Verified{}, err
	}
	defer in.close()
	return cases.Verify(ctx, name)
}

func (a *app) cmdCaseExport() *cobra.Command {
	return &cobra.Command{Use: "export CASE FILE", Short: "Write a case's whole record to a file that others can verify", Args: cobra.ExactArgs(2),
		Long:    "Writes a case as a zip archive that shirase case verify checks anywhere. It is not\nsealed: give it only to whom you would show the case.",
		Example: "  shirase case export shop-2026-08-20 shop-2026-08-20.zip",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			f, err := os.OpenFile(args[1], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return hint.Add(fmt.Errorf("export: %w", err), "name a file that is not there yet")
			}
			v, err := cases.Export(c.Context(), actor.Operator(), args[0], f)
			if err == nil {
				err = f.Sync()
			}
			if e := f.Close(); err == nil {
				err = e
			}
			if err != nil {
				return errors.Join(err, os.Remove(args[1]))
			}
			return a.print(map[string]any{"case": v.Case, "entries": v.Entries, "head": v.Head.String(), "file": args[1]}, func(w io.Writer) {
				fmt.Fprintf(w, "%s entries of case %s are in %s, not sealed. Head: %s\n", language.Digits(v.Entries), v.Case, args[1], v.Head)
			})
		}}
}
