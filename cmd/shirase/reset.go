package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/contain/reset"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
)

func (a *app) cmdReset() *cobra.Command {
	c := group("reset", "Have everyone of a roster choose a new password: when they can, and how it goes", "  shirase reset open naver-2013\n  shirase reset status naver-2013 --json")
	c.AddCommand(a.cmdResetMove("announce"), a.cmdResetMove("open"), a.cmdResetMove("close"), a.cmdResetMove("lift"), a.cmdResetStatus(), a.cmdResetForce(), a.cmdResetTurn("pause"), a.cmdResetTurn("resume"), a.cmdResetUncertain())
	return c
}

func (a *app) withResets(c *cobra.Command, do func(ctx context.Context, in *instance, r *reset.Resets) error) error {
	in, err := a.open(c.Context())
	if err != nil {
		return err
	}
	defer in.close()
	r, err := a.resets(c.Context(), in, nil)
	if err != nil {
		return err
	}
	err = do(c.Context(), in, r)
	if errors.Is(err, reset.ErrNotFound) {
		err = hint.Add(err, "shirase case list; what was never announced has no status")
	}
	return err
}

// resetRow is how a reset stands, as it is printed.
type resetRow struct {
	Case     string           `json:"case"`
	State    string           `json:"state"`
	Since    string           `json:"since,omitzero"`
	Promised string           `json:"promised,omitzero"`
	Why      string           `json:"why,omitzero"`
	Accounts int64            `json:"accounts"`
	Unlisted int64            `json:"unlisted,omitzero"`
	Counts   map[string]int64 `json:"counts"`
	Bulk     string           `json:"bulk,omitzero"`
	BulkWhy  string           `json:"bulkWhy,omitzero"`
	Rate     float64          `json:"perSecond,omitzero"`
	Started  string           `json:"started,omitzero"`
	Ended    string           `json:"ended,omitzero"`
}

func rowOfReset(s reset.Standing) resetRow {
	return resetRow{Case: s.Incident, State: s.State, Since: stamp(s.Since), Promised: stamp(s.Promised), Why: s.Why, Accounts: s.Accounts, Unlisted: s.Unlisted, Counts: s.Counts.Names(), Bulk: s.Bulk, BulkWhy: s.BulkWhy,
		Rate: s.PerSecond, Started: stamp(s.Started), Ended: stamp(s.Ended)}
}

// resetWords are what the states are to whoever reads them.
var resetWords = [][2]string{{"waiting", "nothing done yet"}, {"intended", "being forced"}, {"deferred", "tried again later"}, {"forced", "cannot log in before they reset"}, {"resetting", "choosing a password right now"},
	{"reset", "have a new password"}, {"gone", "not there in the system with the accounts"}, {"refused", "refused by it: look at them"}, {"unknown", "uncertain: shirase reset uncertain"},
	{"old-password-pending", "of these, whose old password may still be taken"}}

func printReset(w io.Writer, r resetRow) {
	fmt.Fprintf(w, "Reset of %s: %s", r.Case, r.State)
	if r.State == "" {
		fmt.Fprint(w, "not announced")
	}
	if r.Since != "" {
		fmt.Fprintf(w, " since %s", r.Since)
	}
	if r.Promised != "" {
		fmt.Fprintf(w, ", promised for %s", r.Promised)
	}
	fmt.Fprintln(w)
	if r.Accounts > 0 {
		fmt.Fprintf(w, "  %14s  accounts\n", language.Digits(r.Accounts))
	}
	for _, x := range resetWords {
		if n := r.Counts[x[0]]; n > 0 {
			fmt.Fprintf(w, "  %14s  %s\n", language.Digits(n), x[1])
		}
	}
	if r.Bulk != "" {
		fmt.Fprintf(w, "The bulk reset is %s", r.Bulk)
		if r.BulkWhy != "" {
			fmt.Fprintf(w, ": %s", oneLine(r.BulkWhy))
		}
		fmt.Fprintln(w)
	}
}

func (a *app) printResetOf(ctx context.Context, r *reset.Resets, id, next string) error {
	s, err := r.Status(ctx, actor.Operator(), id)
	if err != nil {
		return err
	}
	row := rowOfReset(s)
	return a.print(row, func(w io.Writer) {
		printReset(w, row)
		if next != "" {
			fmt.Fprintf(w, "\nNext: %s\n", next)
		}
	})
}

func (a *app) cmdResetMove(verb string) *cobra.Command {
	words := map[string][3]string{
		"announce": {reset.Announced, "Say for when resetting is planned to open", "Records for when it is promised, in the case and as a fact. What was promised before, and is\nnot kept by it, is recorded as slipped. Campaigns that promise the reset wait."},
		"open":     {reset.Opened, "Let people reset their passwords, or let them again", "Opens the pages on which people ask for a link and choose a new password, at /reset/CASE of\nshirase serve. Campaigns that promise the reset send from now on."},
		"close":    {reset.Closed, "Stop resetting for a while", "Closes the pages, which then say so, and when they are promised again. Links that were sent\nstay good until they are over. Campaigns that promise the reset wait."},
		"lift":     {reset.Lifted, "End the forced reset for good", "Ends it: nobody is asked to reset any more, and a bulk reset that is under way stops. Once\nthere is staff it is proposed, and somebody else approves it."},
	}[verb]
	var until, why string
	c := &cobra.Command{Use: verb + " CASE", Short: words[1], Args: cobra.ExactArgs(1),
		Long:    words[2] + "\n\nIt is recorded in the case, and an addendum to the published notice is proposed where there\nis somebody to approve it.",
		Example: "  shirase reset " + verb + " naver-2013" + map[string]string{"announce": " --for 2026-12-01T18:00+09:00", "close": " --until 2026-12-01T21:00+09:00"}[verb],
		RunE: func(c *cobra.Command, args []string) error {
			change := reset.Change{State: words[0], Why: why}
			if until != "" {
				m, err := incident.ParseMoment(until, nil)
				if err != nil || !m.Exact() {
					return usagef("%q is no time with its zone, such as 2026-12-01T18:00+09:00", oneLine(until))
				}
				change.Promised = m.Time
			}
			return a.withResets(c, func(ctx context.Context, in *instance, r *reset.Resets) error {
				if verb == "lift" {
					if _, err := r.PlanLift(ctx, actor.Operator(), args[0], reset.Asked{Why: why}); err != nil {
						return err
					}
					if done, err := a.proposes(ctx, in, reset.KindLift, args[0], reset.Asked{Why: why}); done || err != nil {
						return err
					}
				}
				h, err := r.Move(ctx, actor.Operator(), args[0], change)
				if err != nil {
					return err
				}
				next, err := a.sayReset(ctx, in, args[0], h)
				if err != nil {
					return err
				}
				return a.printResetOf(ctx, r, args[0], next)
			})
		}}
	switch verb {
	case "announce":
		c.Flags().StringVar(&until, "for", "", "when it is planned to open, with its zone")
	case "close":
		c.Flags().StringVar(&until, "until", "", "when it is planned to open again, with its zone")
	}
	c.Flags().StringVar(&why, "why", "", "why")
	return c
}

// sayReset proposes that a change is said in public, and says what comes next.
func (a *app) sayReset(ctx context.Context, in *instance, id string, h reset.Hour) (next string, err error) {
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return "", err
	}
	proposals, err := a.proposalRoom(ctx, in, cases)
	if err != nil {
		return "", err
	}
	p, why := proposeAddendum(ctx, proposals, actor.Operator(), id, h, in.now())
	switch {
	case p != nil:
		return "an addendum is proposed, and somebody else approves it: shirase proposal show " + p.ID, nil
	case why != nil:
		a.say("warning: no addendum is proposed: %s", oneLine(why.Error()))
	}
	return "tell the public: shirase notice draft " + id + " --kind addendum", nil
}

func (a *app) cmdResetStatus() *cobra.Command {
	return &cobra.Command{Use: "status [CASE]", Short: "Say whether people can reset, and how many accounts are in which state", Args: cobra.MaximumNArgs(1),
		Long:    "Says since when resetting stands as it does, what is promised, and how many accounts are in\nwhich state. Nobody is named.",
		Example: "  shirase reset status\n  shirase reset status naver-2013 --json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withResets(c, func(ctx context.Context, _ *instance, r *reset.Resets) error {
				if len(args) == 1 {
					return a.printResetOf(ctx, r, args[0], "")
				}
				list, err := r.List(ctx, actor.Operator())
				if err != nil {
					return err
				}
				rows := []resetRow{}
				for _, s := range list {
					rows = append(rows, rowOfReset(s))
				}
				return a.print(map[string]any{"resets": rows}, func(w io.Writer) {
					for _, row := range rows {
						printReset(w, row)
					}
					if len(rows) == 0 {
						fmt.Fprintln(w, "Nothing was announced: shirase reset announce CASE --for TIME")
					}
				})
			})
		}}
}

func (a *app) cmdResetForce() *cobra.Command {
	var asked reset.Asked
	c := &cobra.Command{Use: "force CASE", Short: "Take the old password of every account of the roster away, and end its sessions", Args: cobra.ExactArgs(1),
		Long: `Has the connector take every account's password away and end its sessions, so that nobody
gets in before they have chosen a new one. It cannot be undone: once there is staff it is
proposed, and somebody else approves exactly this roster and this connector. shirase serve
carries it out: it can be paused, goes on where it was, and leaves those alone who have
reset already. A connector that does not answer is waited for.`,
		Example: "  shirase reset force naver-2013 --per-second 200",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withResets(c, func(ctx context.Context, in *instance, r *reset.Resets) error {
				p, err := r.PlanForce(ctx, actor.Operator(), args[0], asked)
				if err != nil {
					return err
				}
				if done, err := a.proposes(ctx, in, reset.KindForce, args[0], asked); done || err != nil {
					return err
				}
				for _, d := range p.Doubts {
					a.say("warning: %s", d.EN)
				}
				if err := r.Force(ctx, actor.Operator(), args[0], asked); err != nil {
					return err
				}
				return a.printResetOf(ctx, r, args[0], "shirase serve carries it out; see how it goes: shirase reset status "+args[0])
			})
		}}
	c.Flags().Float64Var(&asked.PerSecond, "per-second", 0, "accounts a second at most; 0: as quickly as the connector takes them")
	c.Flags().StringVar(&asked.Why, "why", "", "why")
	return c
}

func (a *app) cmdResetTurn(verb string) *cobra.Command {
	var why string
	var rate float64
	c := &cobra.Command{Use: verb + " CASE", Short: map[string]string{"pause": "Have a bulk reset begin nothing more for now", "resume": "Have a bulk reset go on, also at another rate"}[verb], Args: cobra.ExactArgs(1),
		Long:    map[string]string{"pause": "Has a bulk reset begin nothing more until it is resumed. What was about to be done at that\nmoment still may be.", "resume": "Has a bulk reset that was paused go on where it was."}[verb],
		Example: "  shirase reset " + verb + " naver-2013",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withResets(c, func(ctx context.Context, _ *instance, r *reset.Resets) error {
				if verb == "pause" {
					if err := r.Pause(ctx, actor.Operator(), args[0], why); err != nil {
						return err
					}
					return a.printResetOf(ctx, r, args[0], "")
				}
				if c.Flags().Changed("per-second") {
					if err := r.Rate(ctx, actor.Operator(), args[0], rate); err != nil {
						return err
					}
				}
				if err := r.Resume(ctx, actor.Operator(), args[0]); err != nil {
					return err
				}
				return a.printResetOf(ctx, r, args[0], "")
			})
		}}
	if verb == "pause" {
		c.Flags().StringVar(&why, "why", "", "why")
	} else {
		c.Flags().Float64Var(&rate, "per-second", 0, "accounts a second at most from now on; 0: as quickly as the connector takes them")
	}
	return c
}

func (a *app) cmdResetUncertain() *cobra.Command {
	var force, leave bool
	c := &cobra.Command{Use: "uncertain CASE", Short: "Decide on accounts of which nobody knows whether their new password was set", Args: cobra.ExactArgs(1),
		Long: `Says how many accounts there are whose new password was being set when a process or the
system with the accounts ended: it may have been. With --force the bulk reset takes their
passwords away, old or new; with --leave they count as reset.`,
		Example: "  shirase reset uncertain naver-2013\n  shirase reset uncertain naver-2013 --force",
		RunE: func(c *cobra.Command, args []string) error {
			if force && leave {
				return usagef("--force and --leave exclude each other")
			}
			return a.withResets(c, func(ctx context.Context, in *instance, r *reset.Resets) error {
				var n int64
				var err error
				if force || leave {
					n, err = r.Decide(ctx, actor.Operator(), args[0], force)
				} else {
					var s reset.Standing
					s, err = r.Status(ctx, actor.Operator(), args[0])
					n = s.Counts.Of(reset.Unknown)
				}
				if err != nil {
					return err
				}
				return a.print(map[string]any{"case": args[0], "uncertain": n, "decided": force || leave}, func(w io.Writer) {
					fmt.Fprintf(w, "%s accounts\n", language.Digits(n))
				})
			})
		}}
	c.Flags().BoolVar(&force, "force", false, "have the bulk reset take their passwords away")
	c.Flags().BoolVar(&leave, "leave", false, "count them as reset")
	return c
}
