package main

import (
	"context"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/response"
)

func (a *app) cmdCaseAsk() *cobra.Command {
	var q response.Question
	var id, version int64
	var drop bool
	var cmd *cobra.Command
	cmd = a.changing(&cobra.Command{Use: "ask CASE --question TEXT", Short: "Put a question that is to be decided",
		Long:    "Puts a question to decide, with its options, who brings it about and until when. case\ndecide --of answers it. --id changes one that is open.",
		Example: "  shirase case ask shop-2026-08-20 --question \"Block every login?\" --option everybody --option \"those affected\" --owner Sato --due 2026-08-20T14:00+09:00"},
		1, func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			if q.Due != "" {
				m, err := in.moment("due", q.Due)
				if err != nil {
					return nil, err
				}
				q.Due = m.String()
			}
			return cases.Ask(ctx, actor.Operator(), args[0], id, version, func(o *response.Question) {
				for flag, set := range map[string]func(){"question": func() { o.Question = q.Question }, "option": func() { o.Options = q.Options }, "owner": func() { o.Owner = q.Owner },
					"due": func() { o.Due = q.Due }, "drop": func() { o.State = map[bool]string{true: "dropped", false: "open"}[drop] }} {
					if cmd.Flags().Changed(flag) {
						set()
					}
				}
			})
		})
	f := cmd.Flags()
	f.StringVar(&q.Question, "question", "", "what is to be decided")
	f.StringArrayVar(&q.Options, "option", nil, "an option that there is (repeatable)")
	f.StringVar(&q.Owner, "owner", "", "who brings it about")
	f.StringVar(&q.Due, "due", "", "until when")
	f.Int64Var(&id, "id", 0, "the question to change")
	f.BoolVar(&drop, "drop", false, "it need not be decided any more")
	versionFlag(cmd, &version)
	return cmd
}

func (a *app) cmdCaseDecide() *cobra.Command {
	var d response.Decision
	c := a.changing(&cobra.Command{Use: "decide CASE --question TEXT --decision TEXT", Short: "Record a decision, on what is known now",
		Long: `Records what was decided, by whom and why, with the options that there were, and the
facts it rests on as they stand at this moment. It is never changed: a later decision
stands in its place with --replaces. With --of it answers a question that was put. Where
somebody else has decided the same meanwhile, it is refused, and that decision is named.`,
		Example: "  shirase case decide shop-2026-08-20 --question \"Block every login?\" --option yes --option no --decision yes --why \"the attacker has hashes\" --fact data-class/password:hashed\n  shirase case decide shop-2026-08-20 --of 12 --decision everybody"},
		1, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			return cases.Decide(ctx, actor.Operator(), args[0], d)
		})
	f := c.Flags()
	f.StringVar(&d.Question, "question", "", "what was to be decided")
	f.StringArrayVar(&d.Options, "option", nil, "an option that there was (repeatable)")
	f.StringVar(&d.Decision, "decision", "", "what was decided")
	f.StringVar(&d.Why, "why", "", "why")
	f.StringArrayVar(&d.Facts, "fact", nil, "a fact it rests on: KEY or KEY/ITEM (repeatable)")
	f.Int64Var(&d.Of, "of", 0, "the question that it answers")
	f.Int64Var(&d.Replaces, "replaces", 0, "the decision (its entry) in whose place it stands")
	return c
}

func (a *app) cmdCaseTask() *cobra.Command {
	var id, version int64
	var t response.Task
	var cmd *cobra.Command
	cmd = a.changing(&cobra.Command{Use: "task CASE", Short: "Open a task, or say how it stands",
		Long:    "Opens a task, or with --id changes one: what is not given stays as it was. @name in a\nnote is a mention, which is told.",
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
				return cases.ChangeTask(ctx, actor.Operator(), args[0], id, version, change)
			}
			return cases.AddTask(ctx, actor.Operator(), args[0], change)
		})
	f := cmd.Flags()
	f.Int64Var(&id, "id", 0, "the task to change")
	f.StringVar(&t.Title, "title", "", "what is to be done")
	f.StringVar(&t.Owner, "owner", "", "who does it")
	f.StringVar(&t.Due, "due", "", "until when")
	f.StringVar(&t.State, "state", "open", "open, doing, done or dropped")
	f.StringVar(&t.Note, "note", "", "how it stands")
	versionFlag(cmd, &version)
	return cmd
}

func (a *app) cmdCaseHand() *cobra.Command {
	var h response.HandOver
	c := &cobra.Command{Use: "hand CASE [TASK...] --to NAME", Short: "Hand tasks over to somebody else, many at once",
		Long:    "Gives tasks to somebody else, all or none: those that are named, or with --from all that\nare open and theirs.",
		Example: "  shirase case hand shop-2026-08-20 --from Sato --to Suzuki --note \"end of the shift\"\n  shirase case hand shop-2026-08-20 3 5 8 --to Suzuki"}
	a.changing(c, 1, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
		for _, t := range args[1:] {
			n, err := number("a task", t)
			if err != nil {
				return nil, err
			}
			h.Tasks = append(h.Tasks, n)
		}
		return cases.HandOver(ctx, actor.Operator(), args[0], h)
	})
	c.Args = cobra.MinimumNArgs(1)
	c.Flags().StringVar(&h.To, "to", "", "who takes them")
	c.Flags().StringVar(&h.From, "from", "", "whose open tasks they are")
	c.Flags().StringVar(&h.Note, "note", "", "what whoever takes them has to know")
	return c
}

func (a *app) cmdCaseNote() *cobra.Command {
	var n response.Note
	c := a.changing(&cobra.Command{Use: "note CASE TEXT", Short: "Record a remark; @name in it is told", Long: "Records a remark, on something of the case where --on says so. @name is a mention, which\nis told to whom it names.",
		Example: "  shirase case note shop-2026-08-20 \"@suzuki the vendor calls at 15:00\" --on \"task 3\""},
		2, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			n.Text = args[1]
			return cases.AddNote(ctx, actor.Operator(), args[0], n)
		})
	c.Flags().StringVar(&n.On, "on", "", "what it is about: \"task 3\", \"report 9\"")
	return c
}

func (a *app) cmdCasePromise() *cobra.Command {
	var p response.Promise
	var id, version int64
	var kept, withdraw bool
	var cmd *cobra.Command
	cmd = a.changing(&cobra.Command{Use: "promise CASE --until TIME", Short: "Promise when more is told, or say that it was kept",
		Long:    "Records a promise to tell more until a time, which case next then asks for. With --id and\n--kept it was kept, with --withdraw it is taken back, for a reason. What became of it, and\nwhether it was in time, stays to be read.",
		Example: "  shirase case promise shop-2026-08-20 --until 2026-08-20T18:00+09:00\n  shirase case promise shop-2026-08-20 --id 12 --kept"},
		1, func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			for flag, to := range map[string]*string{"until": &p.Due, "at": &p.At} {
				if *to != "" {
					m, err := in.moment(flag, *to)
					if err != nil {
						return nil, err
					}
					*to = m.String()
				}
			}
			if kept && withdraw {
				return nil, usagef("--kept and --withdraw exclude each other")
			}
			return cases.Promise(ctx, actor.Operator(), args[0], id, version, func(o *response.Promise) {
				if id == 0 || cmd.Flags().Changed("text") {
					o.Text = p.Text
				}
				if p.Due != "" {
					o.Due = p.Due
				}
				o.Why = p.Why
				switch {
				case kept:
					o.State, o.At = "kept", p.At
				case withdraw:
					o.State = "withdrawn"
				}
			})
		})
	f := cmd.Flags()
	f.StringVar(&p.Due, "until", "", "until when")
	f.StringVar(&p.Text, "text", "The next update", "what is promised")
	f.Int64Var(&id, "id", 0, "the promise to change")
	f.BoolVar(&kept, "kept", false, "it was kept")
	f.StringVar(&p.At, "at", "", "when it was kept (default: now)")
	f.BoolVar(&withdraw, "withdraw", false, "it is taken back")
	f.StringVar(&p.Why, "why", "", "why")
	versionFlag(cmd, &version)
	return cmd
}

func (a *app) cmdCaseAppoint() *cobra.Command {
	var why string
	c := a.changing(&cobra.Command{Use: "appoint CASE NAME", Short: "Say who commands from now on", Long: "Records who commands the response from now on.", Example: "  shirase case appoint shop-2026-08-20 Suzuki --why \"night shift\""},
		2, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			return cases.Appoint(ctx, actor.Operator(), args[0], 0, response.Commander{Name: args[1], Why: why})
		})
	c.Flags().StringVar(&why, "why", "", "why")
	return c
}
