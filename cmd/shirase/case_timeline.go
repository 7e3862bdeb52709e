package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/response"
)

// number reads the number of an entry, a task or a report.
func number(what, text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "#"), 10, 64)
	if err != nil || n < 1 {
		return 0, usagef("%s is a number, as shirase case show gives it, and not %q", what, text)
	}
	return n, nil
}

// zone is that of times without one.
func (in *instance) zone() *time.Location {
	if in.Region == "JP" {
		return incident.Japan
	}
	return time.UTC
}

func (a *app) cmdCaseEvent() *cobra.Command {
	var e response.Event
	var id, version int64
	var cmd *cobra.Command
	cmd = a.changing(&cobra.Command{Use: "event CASE --at TIME --text TEXT", Short: "Add to the timeline what happened, at its own time",
		Long: `Adds to the case's timeline what happened, at the time when it happened and no more
exactly than that is known, with where that is known from. When it was recorded is kept
beside it. --from makes it of a candidate or a report, whose time and text it takes
where you say none. --id changes an event, and --withdraw takes it out of the timeline:
what it said stays in the record.`,
		Example: `  shirase case event shop-2026-08-20 --at 2026-08-20T10:57+09:00 --text "cut off the database server" --source "operations log"
  shirase case event shop-2026-08-20 --from 12.3
  shirase case event shop-2026-08-20 --from "report 9"
  shirase case event shop-2026-08-20 --id 14 --at 2026-08-20T10:58+09:00 --why "the clock of the server was a minute late"`},
		1, func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			if e.At != "" {
				if _, err := time.Parse(time.RFC3339, e.At); err != nil {
					m, err := in.moment("at", e.At)
					if err != nil {
						return nil, err
					}
					e.At = m.String()
				}
			}
			if id == 0 {
				return cases.AddEvent(ctx, actor.Operator(), args[0], e)
			}
			return cases.ChangeEvent(ctx, actor.Operator(), args[0], id, version, func(o *response.Event) {
				for flag, set := range map[string]func(){"at": func() { o.At = e.At }, "text": func() { o.Text = e.Text }, "source": func() { o.Source = e.Source }, "withdraw": func() { o.Withdrawn = e.Withdrawn }} {
					if cmd.Flags().Changed(flag) {
						set()
					}
				}
				o.Why = e.Why
			})
		})
	f := cmd.Flags()
	f.StringVar(&e.At, "at", "", "when it happened")
	f.StringVar(&e.Text, "text", "", "what happened")
	f.StringVar(&e.Source, "source", "", "where that is known from")
	f.StringVar(&e.From, "from", "", "the candidate (12.3) or report (\"report 9\") that it is made of")
	f.Int64Var(&id, "id", 0, "the event to change")
	f.StringVar(&e.Why, "why", "", "why it is changed")
	f.BoolVar(&e.Withdrawn, "withdraw", false, "it is no part of the timeline")
	versionFlag(cmd, &version)
	return cmd
}

// versionFlag is how whoever changes something says what they have read of it.
func versionFlag(c *cobra.Command, version *int64) {
	c.Flags().Int64Var(version, "version", 0, "refuse the change where it is not of this version any more (show --json gives it)")
}

func (a *app) cmdCaseReport() *cobra.Command {
	var r response.Report
	c := a.changing(&cobra.Command{Use: "report CASE --at TIME --from WHOM --text TEXT", Short: "Record what somebody outside told",
		Long: `Records what a customer, a researcher, a partner or the police told. The case then asks
whether it was the moment of knowledge, until case triage says so: the law counts from
when anybody in the organisation could know, and a call of a customer may have been
that. With --knowledge yes it is said at once, and the clocks start at it where it is
earlier than the time that was declared.`,
		Example: "  shirase case report shop-2026-08-20 --at 2026-08-12T09:00+09:00 --from customer --channel telephone --text \"unknown mail to an address used only here\""},
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
	f.StringVar(&r.Who, "who", "", "who told, as far as that is needed to ask again")
	f.StringVar(&r.Channel, "channel", "", "by which way it came: telephone, mail, form")
	f.StringVar(&r.Text, "text", "", "what was told")
	f.StringVar(&r.Knowledge, "knowledge", "", "whether it was the moment of knowledge: yes or no")
	return c
}

func (a *app) cmdCaseTriage() *cobra.Command {
	var t response.Triage
	var version int64
	c := a.changing(&cobra.Command{Use: "triage CASE REPORT yes|no", Short: "Say whether a report from outside was the moment of knowledge",
		Long:    "Says whether a report was the moment of knowledge (知った時点). Where it was, and came\nearlier than what was declared, every clock that counts from knowledge moves to it. That\nit was not wants a reason.",
		Example: "  shirase case triage shop-2026-08-20 9 yes\n  shirase case triage shop-2026-08-20 9 no --why \"another service's mail\""},
		3, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			n, err := number("a report", args[1])
			if err != nil {
				return nil, err
			}
			t.Report, t.Knowledge = n, args[2]
			return cases.TriageReport(ctx, actor.Operator(), args[0], version, t)
		})
	c.Flags().StringVar(&t.Why, "why", "", "why")
	versionFlag(c, &version)
	return c
}

func (a *app) cmdCasePaste() *cobra.Command {
	var source string
	c := a.changing(&cobra.Command{Use: "paste CASE FILE|- --source TEXT", Short: "Read lines of a log or a chat as candidates for the timeline",
		Long: `Reads lines of a log or of a chat: what has a time becomes a candidate at that time, and
what has none, or one that cannot be read for sure, a candidate without. Times without
a zone are of this instance's region; a year that is not there is the newest one. Then:
case candidates lists them, case event --from takes one into the timeline, case pass
says that some are no part of it.`,
		Example: "  shirase case paste shop-2026-08-20 auth.log --source \"auth.log of db1\"\n  pbpaste | shirase case paste shop-2026-08-20 - --source \"chat of the operations team\""},
		2, func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			b, err := readLimited(ctx, args[1], 1<<20)
			if err != nil {
				return nil, fmt.Errorf("read what is pasted: %w", err)
			}
			return cases.Paste(ctx, actor.Operator(), args[0], source, string(b), in.zone())
		})
	c.Flags().StringVar(&source, "source", "", "what log, or which chat, it is of")
	return c
}

func (a *app) cmdCaseCandidates() *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "candidates CASE", Short: "List what may belong to the timeline, and nobody has taken yet", Args: cobra.ExactArgs(1),
		Long:    "Lists the candidates for the timeline: lines of logs and chats, and reports from outside\nthat no event was made of.",
		Example: "  shirase case candidates shop-2026-08-20",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			k, err := cases.Get(c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			type row struct {
				ID     string `json:"id"`
				At     string `json:"at"`
				Who    string `json:"who,omitzero"`
				Text   string `json:"text"`
				Source string `json:"source"`
				Became int64  `json:"became,omitzero"` // the event; -1: passed over
			}
			rows := []row{}
			for _, r := range k.Reports {
				from := "report " + strconv.FormatInt(r.ID, 10)
				var became int64
				for _, e := range k.Events {
					if e.From == from {
						became = e.ID
					}
				}
				if became == 0 || all {
					rows = append(rows, row{from, r.At, r.From, r.Text, "told from outside", became})
				}
			}
			for _, p := range k.Pastes {
				for i, item := range p.Items {
					if p.Became[i] == 0 || all {
						rows = append(rows, row{fmt.Sprintf("%d.%d", p.ID, i+1), item.At, item.Who, item.Text, p.Source, p.Became[i]})
					}
				}
			}
			return a.print(map[string]any{"case": k.ID, "candidates": rows}, func(w io.Writer) {
				for _, r := range rows {
					who := ""
					if r.Who != "" {
						who = r.Who + ": "
					}
					at := r.At
					if at == "" {
						at = "no time read"
					}
					fmt.Fprintf(w, "%-10s %-28s %s%s\n", r.ID, at, oneLine(who), oneLine(r.Text))
				}
				if len(rows) == 0 {
					fmt.Fprintf(w, "There are none: shirase case paste CASE FILE --source TEXT\n")
				}
			})
		}}
	c.Flags().BoolVar(&all, "all", false, "those too that were taken or passed over")
	return c
}

func (a *app) cmdCasePass() *cobra.Command {
	var why string
	c := &cobra.Command{Use: "pass CASE CANDIDATE...", Short: "Say that candidates are no part of the timeline",
		Long: "Says of candidates that they are no part of the timeline. They stay in the record.", Example: "  shirase case pass shop-2026-08-20 12.1 12.2 --why noise"}
	a.changing(c, 2, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
		return cases.Pass(ctx, actor.Operator(), args[0], response.Passed{Candidates: args[1:], Why: why})
	})
	c.Args = cobra.MinimumNArgs(2)
	c.Flags().StringVar(&why, "why", "", "why")
	return c
}
