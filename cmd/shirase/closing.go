package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/backup"
	"shirase/internal/closing"
	"shirase/internal/contain/reset"
	"shirase/internal/enquiry"
	"shirase/internal/notify"
	"shirase/internal/people"
	"shirase/internal/proposal"
	"shirase/internal/publish"
	"shirase/internal/response"
	"shirase/internal/spread"
	"shirase/internal/watchers"
)

// closing opens how cases end over an instance, and has the publisher end them so. proposals may be nil: then none is open.
func (a *app) closing(ctx context.Context, in *instance, cases *response.Cases, proposals *proposal.Proposals) (*closing.Closing, error) {
	campaigns, err := a.campaigns(ctx, in)
	if err != nil {
		return nil, err
	}
	desk, err := a.enquiries(ctx, in)
	if err != nil {
		return nil, err
	}
	gates, err := a.gates(ctx, in, cases)
	if err != nil {
		return nil, err
	}
	resets, err := a.resetsAnyway(ctx, in)
	if err != nil {
		return nil, err
	}
	places, err := spread.New(ctx, spread.Rooms{DB: in.db, Rosters: in.rosters, Now: in.now})
	if err != nil {
		return nil, err
	}
	told, err := a.notifier(ctx, in)
	if err != nil {
		return nil, err
	}
	c, err := closing.New(ctx, closing.Rooms{DB: in.db, Cases: cases, Desk: desk, Reach: campaigns, Gate: gates, Resets: resets,
		Spread: places, Proposals: proposals, Rosters: in.rosters, Staffed: in.staff.Staffed, Now: in.now, Ending: in.rosters.Ending,
		Waiting: func(ctx context.Context, id string) (int64, error) { return people.Waiting(ctx, in.db, id) },
		Certificate: func(ctx context.Context, id string) (*closing.Certified, error) {
			c, err := in.publisher.CertificateOf(ctx, id)
			if errors.Is(err, publish.ErrNoCertificate) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			against, err := in.contradicted(ctx, id, c.Certificate)
			return &closing.Certified{Certificate: c.Certificate, Data: c.Data, LedgerIndex: c.LedgerIndex, Against: int64(len(against))}, err
		},
		Tell: func(ctx context.Context, tx *sql.Tx, m closing.Message) error {
			return told.Tell(ctx, tx, notify.Message{Kind: "prevention", Case: m.Case, About: m.About, To: m.To, Key: m.Key})
		}})
	if err != nil {
		return nil, err
	}
	in.publisher.Ends = publish.Ends{Allowed: c.Allowed, OnHold: c.OnHold, Stands: c.Stands,
		Ready: func(ctx context.Context, who actor.Actor, id, despite string) (publish.Ready, error) {
			r, err := c.Ready(ctx, who, id, despite)
			return publish.Ready{Stands: r.Stands, Doubts: r.Doubts, Keep: r.Keep}, err
		},
		Retained: func(ctx context.Context, who actor.Actor, id string) (r publish.Retained, err error) {
			r.SHA256, r.Keep, err = c.ForShred(ctx, who, id)
			return r, err
		},
		Others: c.Others,
		Held: func(ctx context.Context, id string) (publish.Held, error) {
			gone, left, err := c.Left(ctx, id)
			if err != nil {
				return publish.Held{}, err
			}
			names, err := in.rosters.Names(ctx, id)
			if len(names) > 0 {
				gone = append(gone, check.Accounted{What: "rosters", N: int64(len(names))})
			}
			if err != nil {
				return publish.Held{}, err
			}
			mails, err := in.mailed(ctx, resets, id) // counted before rows of it are let go
			if mails > 0 {
				left = append(left, check.Accounted{What: "relay-logs", N: mails})
			}
			return publish.Held{Gone: gone, Left: left}, err
		},
		Copies: in.destroyCopies,
		Tidy: func(ctx context.Context) error {
			if err := desk.Tidy(ctx); err != nil {
				return err
			}
			if err := campaigns.TidyFiles(ctx); err != nil { // sealed to houses, whose keys nobody here destroys
				return err
			}
			if err := cases.Sweep(ctx, in.shredded); err != nil {
				return err
			}
			if err := people.Forget(ctx, in.db, in.rosters); err != nil {
				return err
			}
			for _, name := range []string{enquiry.OldKey, people.OldKey} { // which could confirm, from backups of before, who had asked
				if _, _, err := in.destroyCopies(ctx, name); err != nil {
					return err
				}
			}
			if err := proposal.Seal(ctx, in.db, in.proposalSealer, func(kind string) bool { return kind == publish.KindShred }); err != nil {
				return err
			}
			return watchers.Forget(ctx, in.db, in.rosters)
		}}
	return c, nil
}

// mailed counts what of an incident has left by mail, beside campaigns and answers of the desk: the reset, answers to who asked whether they are
// in it, and news to who watches.
func (in *instance) mailed(ctx context.Context, resets *reset.Resets, id string) (n int64, err error) {
	for _, sent := range []func() (int64, error){
		func() (int64, error) { return resets.Sent(ctx, id) },
		func() (int64, error) { return people.Sent(ctx, in.db, id) },
		func() (int64, error) { return watchers.Sent(ctx, in.db, id) },
	} {
		k, err := sent()
		if err != nil {
			return 0, err
		}
		n += k
	}
	return n, nil
}

// destroyCopies destroys the sealed copies of a key in folders of backups, and lists those that it did not reach.
func (in *instance) destroyCopies(ctx context.Context, name string) (int64, []publish.Remaining, error) {
	register, err := backup.Open(ctx, in.db)
	if err != nil {
		return 0, nil, err
	}
	gone, left, err := register.Destroy(ctx, name)
	var out []publish.Remaining
	for _, c := range left {
		why := filepath.Join(c.Place, filepath.FromSlash(c.File)) + ", sealed to " + c.Recipient + ", was not reached (" + c.Why.Error() + "): run this again when it is there, or delete it"
		out = append(out, publish.Remaining{What: "a sealed copy of " + name, Why: why})
	}
	return gone, out, err
}

// readyToShred wires what the end of a case needs of every room.
func (a *app) readyToShred(ctx context.Context, in *instance) error {
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return err
	}
	_, err = a.closing(ctx, in, cases, nil)
	return err
}

// withClosing opens what the commands of the closing need.
func (a *app) withClosing(c *cobra.Command, do func(ctx context.Context, in *instance, x *closing.Closing) error) error {
	in, cases, err := a.cases(c.Context())
	if err != nil {
		return err
	}
	defer in.close()
	proposals, err := a.proposalRoom(c.Context(), in, cases)
	if err != nil {
		return err
	}
	x, err := a.closing(c.Context(), in, cases, proposals)
	if err != nil {
		return err
	}
	return do(c.Context(), in, x)
}

type openRow struct {
	Kind    string `json:"kind"`
	About   string `json:"about,omitzero"`
	Refuses bool   `json:"refuses"`
	Second  bool   `json:"second,omitzero"` // a second person agrees, once there is staff
	JA      string `json:"ja"`
	EN      string `json:"en"`
	Place   string `json:"place"` // at the console
	Command string `json:"command"`
	N       int64  `json:"n,omitzero"`
}

func openRows(id string, items []closing.Item) []openRow {
	out := []openRow{}
	for _, i := range items {
		out = append(out, openRow{i.Kind, i.About, i.Refuses, i.Second, i.Text.JA, i.Text.EN, i.Where(id), i.Command, i.N})
	}
	return out
}

type taskRow struct {
	Case    string `json:"case"`
	N       int64  `json:"id"`
	Version int64  `json:"version"`
	Title   string `json:"title"`
	Owner   string `json:"owner,omitzero"`
	Due     string `json:"due,omitzero"`
	State   string `json:"state"`
	Late    bool   `json:"late"`
	Note    string `json:"note,omitzero"`
}

func taskRows(all []closing.Task, now time.Time) []taskRow {
	out := []taskRow{}
	for _, t := range all {
		out = append(out, taskRow{t.Case, t.N, t.Version, t.Title, t.Owner, t.Due, t.State, t.Late(now), t.Note})
	}
	return out
}

func printTasks(w io.Writer, all []taskRow) {
	for _, t := range all {
		late := ""
		if t.Late {
			late = ", LATE"
		}
		fmt.Fprintf(w, "  %s %d  %-7s %s%s%s\n", t.Case, t.N, t.State, oneLine(t.Title), strings.Join(nonEmpty("  (", t.Owner, t.Due), ""), late)
	}
}

func (a *app) cmdCaseClosing() *cobra.Command {
	return &cobra.Command{Use: "closing CASE", Short: "Say what is still open before a case is closed", Args: cobra.ExactArgs(1),
		Long: `Lists what is open in every room: what keeps the case from being closed first (an item
of a final report that is not known, a promise, a party that was told nothing), then laws
that were refused although they had been applied or the facts speak for them, campaigns,
the gate, the reset, enquiries, reports of where data circulates, proposals, clocks. Each
has its place at the console and the command that ends it. Of a closed case it lists what
came up since. A case that was
shredded has its certificate, and what is kept of it.`,
		Example: "  shirase case closing shop-2026-08-20\n  shirase case closing shop-2026-08-20 --json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClosing(c, func(ctx context.Context, in *instance, x *closing.Closing) error {
				v, err := x.View(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				rows := openRows(args[0], v.Open)
				out := map[string]any{"case": args[0], "closed": v.Closed, "shredded": v.Shredded, "refused": len(closing.Refusing(v.Open)) > 0, "open": rows, "prevention": taskRows(v.Tasks, in.now()), "lessons": len(v.Lessons), "held": v.Held()}
				if v.Retained != nil {
					out["retained"] = v.Retained.SHA256
				}
				if v.Overruled != nil {
					out["despite"], out["openAtEnd"] = v.Overruled.Despite, v.Overruled.Open
				}
				if v.Certificate != nil {
					out["certificate"] = jsontext.Value(v.Certificate.Data)
				}
				return a.print(out, func(w io.Writer) { printClosing(w, args[0], v, rows, in.now()) })
			})
		}}
}

func printClosing(w io.Writer, id string, v *closing.View, rows []openRow, now time.Time) {
	switch {
	case v.Certificate != nil:
		fmt.Fprintf(w, "Case %s is shredded. %s\n", id, certified(v.Certificate.Certificate).EN)
	case v.Shredded:
		fmt.Fprintf(w, "Case %s is shredded.\n", id)
	case v.Closed && len(closing.Refusing(v.Open)) > 0:
		fmt.Fprintf(w, "Case %s is closed, and something came up since: its key is not destroyed without a reason.\n", id)
	case v.Closed:
		fmt.Fprintf(w, "Case %s is closed. Next: shirase case retained %s, then shirase scope shred %s\n", id, id, id)
	case len(closing.Refusing(v.Open)) > 0:
		fmt.Fprintf(w, "Case %s cannot be closed yet.\n", id)
	default:
		fmt.Fprintf(w, "Nothing keeps case %s from being closed.\n", id)
	}
	for _, r := range rows {
		mark := "open "
		switch {
		case r.Refuses && v.Closed:
			mark = "SINCE"
		case r.Refuses:
			mark = "KEEPS"
		case r.Second:
			mark = "AGREE"
		}
		fmt.Fprintf(w, "  %s  %s\n         %s\n", mark, oneLine(r.EN), r.Command)
	}
	if o := v.Overruled; o != nil {
		fmt.Fprintf(w, "  It was not at its end (%s), and its key was destroyed all the same: %s\n", strings.Join(o.Open, ", "), oneLine(o.Despite))
	}
	for _, h := range v.Holds {
		if h.On() {
			fmt.Fprintf(w, "  HELD   legal hold %d since %s: %s\n", h.N, h.At.Format(time.DateOnly), oneLine(h.Why))
		}
	}
	if len(v.Tasks) > 0 {
		fmt.Fprintf(w, "To prevent a repetition\n")
		printTasks(w, taskRows(v.Tasks, now))
	}
	for _, l := range v.Lessons {
		fmt.Fprintf(w, "  learnt: %s\n", oneLine(l.Text))
	}
}

func (a *app) cmdCaseClose() *cobra.Command {
	var asked closing.Asked
	c := &cobra.Command{Use: "close CASE --why TEXT", Short: "Close a case: nothing more is recorded in it", Args: cobra.ExactArgs(1),
		Long: `Closes a case. Its record stays readable until its key is shredded; who reads it, and who
takes it out, is still recorded. While an item of a final report is not known, a promise
is open, or a party was told nothing, it is refused, and says what: case closing lists
it. --despite says why it is closed all the same, which is recorded with what was open,
and, once there is staff, approved by a second person; so is a case of which a law was
refused that had been applied, or that the facts speak for.`,
		Example: "  shirase case close shop-2026-08-20 --why \"all reports are complete\"\n" +
			"  shirase case close shop-2026-08-20 --why \"the company is wound up\" --despite \"nobody is left who could find the cause\"",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClosing(c, func(ctx context.Context, in *instance, x *closing.Closing) error {
				k, err := x.Close(ctx, actor.Operator(), args[0], asked)
				if errors.Is(err, proposal.ErrWanted) {
					return a.propose(ctx, in, closing.KindClose, args[0], asked)
				}
				if err != nil {
					return err
				}
				return a.print(map[string]any{"case": k.ID, "entry": k.Entries, "head": k.Head.String(), "closed": true, "despite": k.ClosedFor.Despite, "open": append([]string{}, k.ClosedFor.Open...)}, func(w io.Writer) {
					fmt.Fprintf(w, "Recorded as entry %d of case %s: it is closed.\n", k.Entries, k.ID)
				})
			})
		}}
	c.Flags().StringVar(&asked.Why, "why", "", "why it can be closed")
	c.Flags().StringVar(&asked.Despite, "despite", "", "why it is closed although something keeps it open")
	return c
}

func (a *app) cmdCasePrevention() *cobra.Command {
	var t closing.Task
	var n, version int64
	var all bool
	c := &cobra.Command{Use: "prevention [CASE]", Short: "List, add and change what is to be done so that it does not happen again", Args: cobra.MaximumNArgs(1),
		Long: `Tasks that outlive a case (今後の対応), with an owner and a day: they are listed, their
owners reminded, and they are done, after the case is closed and after its key is gone.
So no text in them may look like somebody's address or number. Without flags it lists
those of the case, or of all cases, that are not over.`,
		Example: "  shirase case prevention shop-2026-08-20 --title \"Store passwords by a slow function\" --owner Sato --due 2026-12-01\n  shirase case prevention shop-2026-08-20 --id 1 --state done\n  shirase case prevention --all",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClosing(c, func(ctx context.Context, in *instance, x *closing.Closing) error {
				f := c.Flags()
				changes := f.Changed("title") || n != 0
				if !changes {
					list, err := x.Tasks(ctx, actor.Operator(), strings.Join(args, ""))
					if err != nil {
						return err
					}
					rows := []taskRow{}
					for _, r := range taskRows(list, in.now()) {
						if all || len(args) == 1 || r.State == "open" || r.State == "doing" {
							rows = append(rows, r)
						}
					}
					return a.print(map[string]any{"prevention": rows}, func(w io.Writer) {
						printTasks(w, rows)
						if len(rows) == 0 {
							fmt.Fprintln(w, "Nothing is to be done.")
						}
					})
				}
				if len(args) == 0 {
					return usagef("which case?")
				}
				done, err := x.PutTask(ctx, actor.Operator(), args[0], n, version, func(o *closing.Task) {
					for flag, to := range map[string][2]*string{"title": {&o.Title, &t.Title}, "owner": {&o.Owner, &t.Owner}, "due": {&o.Due, &t.Due}, "state": {&o.State, &t.State}, "note": {&o.Note, &t.Note}} {
						if f.Changed(flag) {
							*to[0] = *to[1]
						}
					}
				})
				if err != nil {
					return err
				}
				rows := taskRows([]closing.Task{done}, in.now())
				return a.print(map[string]any{"task": rows[0]}, func(w io.Writer) { printTasks(w, rows) })
			})
		}}
	f := c.Flags()
	f.Int64Var(&n, "id", 0, "the task to change")
	f.StringVar(&t.Title, "title", "", "what is to be done")
	f.StringVar(&t.Owner, "owner", "", "who does it")
	f.StringVar(&t.Due, "due", "", "by which day, like 2026-12-01")
	f.StringVar(&t.State, "state", "open", strings.Join(closing.States, ", "))
	f.StringVar(&t.Note, "note", "", "a note")
	f.BoolVar(&all, "all", false, "of all cases, those too that are over")
	f.Int64Var(&version, "version", 0, "refuse where it is not of this version any more")
	return c
}

func (a *app) cmdCaseLesson() *cobra.Command {
	var text string
	c := &cobra.Command{Use: "lesson CASE", Short: "Record what was learnt, or list it", Args: cobra.ExactArgs(1),
		Long:    "Records a lesson, which outlives the case and its key, and so names nobody. Without --text it lists them.",
		Example: "  shirase case lesson shop-2026-08-20 --text \"The first log was read 40 minutes late: nobody had access\"",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClosing(c, func(ctx context.Context, _ *instance, x *closing.Closing) error {
				if text != "" {
					if _, err := x.Learn(ctx, actor.Operator(), args[0], text); err != nil {
						return err
					}
				}
				all, err := x.Lessons(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				type row struct {
					ID   int64  `json:"id"`
					Text string `json:"text"`
					At   string `json:"at"`
				}
				rows := []row{}
				for _, l := range all {
					rows = append(rows, row{l.N, l.Text, stamp(l.At)})
				}
				return a.print(map[string]any{"case": args[0], "lessons": rows}, func(w io.Writer) {
					for _, r := range rows {
						fmt.Fprintf(w, "  %3d  %s\n", r.ID, oneLine(r.Text))
					}
				})
			})
		}}
	c.Flags().StringVar(&text, "text", "", "what was learnt")
	return c
}

func (a *app) cmdCaseHold() *cobra.Command {
	var why string
	var release int64
	c := &cobra.Command{Use: "hold CASE", Short: "Put a case under a legal hold, end one, or list them", Args: cobra.ExactArgs(1),
		Long: "While a legal hold is on, nothing of the case is shredded, and what would be let go of it\n" +
			"(answered enquiries, exports of accounts, files for houses) stays: for a court, an authority or\n" +
			"a claim. --why puts one on; --release ends it. Without flags it lists them.",
		Example: "  shirase case hold shop-2026-08-20 --why \"claim before the district court\"\n  shirase case hold shop-2026-08-20 --release 1 --why \"settled\"",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClosing(c, func(ctx context.Context, in *instance, x *closing.Closing) error {
				var err error
				switch {
				case release != 0:
					err = x.Release(ctx, actor.Operator(), args[0], release, why)
				case why != "":
					_, err = x.Hold(ctx, actor.Operator(), args[0], why)
				}
				if err != nil {
					return err
				}
				all, err := x.Holds(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				type row struct {
					ID    int64  `json:"id"`
					Why   string `json:"why"`
					Since string `json:"since"`
					Ended string `json:"ended,omitzero"`
					On    bool   `json:"on"`
				}
				rows := []row{}
				for _, h := range all {
					rows = append(rows, row{h.N, h.Why, stamp(h.At), stamp(h.Ended), h.On()})
				}
				return a.print(map[string]any{"case": args[0], "holds": rows}, func(w io.Writer) {
					for _, r := range rows {
						state := "on since " + r.Since
						if !r.On {
							state = "ended " + r.Ended
						}
						fmt.Fprintf(w, "  %3d  %s: %s\n", r.ID, state, oneLine(r.Why))
					}
					if len(rows) == 0 {
						fmt.Fprintln(w, "No legal hold was ever put on it.")
					}
				})
			})
		}}
	c.Flags().StringVar(&why, "why", "", "why it is put on, or ended")
	c.Flags().Int64Var(&release, "release", 0, "end the hold of this number")
	return c
}
