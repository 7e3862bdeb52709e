package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/enquiry"
	"shirase/internal/hint"
	"shirase/internal/language"
)

func (a *app) cmdEnquiryMany() *cobra.Command {
	var whom enquiry.Choice
	var canned string
	c := &cobra.Command{Use: "many CASE", Short: "Make one answer for all who wait of a topic", Args: cobra.ExactArgs(1),
		Long:    "Makes one answer for all who wait of a topic, or for those that are named. Nothing is\nsent: look at it with shirase enquiry send --preview.",
		Example: "  shirase enquiry many naver-2013 --topic affected --canned how-many",
		RunE: func(c *cobra.Command, args []string) error {
			if canned == "" {
				return usagef("--canned names the answer")
			}
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				id, err := d.NewBatch(ctx, actor.Operator(), args[0], whom, enquiry.Draft{Canned: canned})
				if errors.Is(err, enquiry.ErrNobody) {
					err = hint.Add(err, "nobody waits for it whose mailbox was shown to be theirs; who asked by telephone or post is answered one by one: shirase enquiry answer "+args[0]+" ENQUIRY --told")
				}
				if err != nil {
					return err
				}
				return a.print(map[string]string{"id": id}, func(w io.Writer) {
					fmt.Fprintf(w, "%s is made. Look at it: shirase enquiry send %s %s --preview\n", id, args[0], id)
				})
			})
		}}
	f := c.Flags()
	f.StringVar(&whom.Topic, "topic", "", "of which topic")
	f.StringSliceVar(&whom.IDs, "only", nil, "only these enquiries")
	f.StringVar(&canned, "canned", "", "answer that is given again")
	return c
}

func (a *app) cmdEnquiryCorrect() *cobra.Command {
	var note language.Text
	c := &cobra.Command{Use: "correct CASE", Short: "Make a correction for all who were told what has changed", Args: cobra.ExactArgs(1),
		Long: "Makes a correction for all whose answers said a fact that stands otherwise now: each is\n" +
			"told what they were told, and what is so now. Who was told by telephone or post is\n" +
			"listed, to be called.",
		Example: "  shirase enquiry correct naver-2013 --ja お詫びいたします。 --en 'We apologise.'",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				ids, err := d.ToCall(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				call, err := callRows(ctx, d, args[0], ids)
				if err != nil {
					return err
				}
				id, err := d.NewCorrection(ctx, actor.Operator(), args[0], note)
				switch {
				case errors.Is(err, enquiry.ErrNobody) && len(call) == 0:
					return hint.Add(err, "no answer says a published fact otherwise than it stands; what was changed since is public with the next notice: shirase publish "+args[0])
				case err != nil && !errors.Is(err, enquiry.ErrNobody):
					return err
				}
				return a.print(map[string]any{"id": id, "call": ids, "toCall": call}, func(w io.Writer) {
					if id == "" {
						fmt.Fprintln(w, "No mail is made: nobody who can be written to was told otherwise.")
					} else {
						fmt.Fprintf(w, "%s is made. Look at it: shirase enquiry send %s %s --preview\n", id, args[0], id)
					}
					for _, r := range call {
						fmt.Fprintf(w, "\nto be called: %s  %s  %s  %s\n", r.ID, cmp.Or(oneLine(r.Name), "(no name)"), cmp.Or(oneLine(r.Telephone), "(no number)"), r.Lang)
						for _, s := range r.Said {
							fmt.Fprintf(w, "  %s: told %q, is %q\n", s.Fact, oneLine(s.Was), oneLine(cmp.Or(s.Is, "(withdrawn)")))
						}
					}
					if len(call) > 0 {
						fmt.Fprintf(w, "\nOnce they were told: shirase enquiry answer %s ENQUIRY --canned ANSWER --told\n", args[0])
					}
				})
			})
		}}
	c.Flags().StringVar(&note.JA, "ja", "", "what is added, in Japanese")
	c.Flags().StringVar(&note.EN, "en", "", "what is added, in English")
	return c
}

// callRow is somebody who has to be called, with what they were told.
type callRow struct {
	ID        string     `json:"id"`
	Name      string     `json:"name,omitzero"`
	Telephone string     `json:"telephone,omitzero"`
	Lang      string     `json:"language"`
	Said      []toldFact `json:"said"`
}

// toldFact is a fact as somebody was told it, and as it is now, in their language.
type toldFact struct {
	Fact string `json:"fact"`
	Was  string `json:"was"`
	Is   string `json:"is"`
}

func callRows(ctx context.Context, d *enquiry.Desk, of string, ids []string) ([]callRow, error) {
	out := []callRow{}
	for _, id := range ids {
		e, err := d.Get(ctx, actor.Operator(), of, id)
		if err != nil {
			return nil, err
		}
		r := callRow{ID: id, Name: e.Person.Name, Telephone: e.Person.Telephone, Lang: string(e.Lang), Said: []toldFact{}}
		for _, m := range e.Messages {
			for _, o := range m.Overtaken {
				if s := (toldFact{o.Fact, o.Was, o.Is.In(e.Lang)}); s.Was != s.Is && !slices.Contains(r.Said, s) {
					r.Said = append(r.Said, s)
				}
			}
		}
		out = append(out, r)
	}
	return out, nil
}

func (a *app) cmdEnquirySend() *cobra.Command {
	var asked enquiry.AskedBatch
	var dry bool
	c := &cobra.Command{Use: "send CASE BATCH", Short: "Send one answer to many, or propose it", Args: cobra.ExactArgs(2),
		Long: "Sends what enquiry many or enquiry correct has made, to each from the facts as they are.\n" +
			"Where there is staff it is proposed, and somebody else approves it. --preview only shows it.",
		Example: "  shirase enquiry send naver-2013 babcdefghijklmn --preview",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, in *instance, d *enquiry.Desk) error {
				asked.Batch = args[1]
				p, err := d.Plan(ctx, actor.Operator(), args[0], asked)
				if err != nil {
					return err
				}
				if dry {
					return a.print(map[string]any{"people": p.People, "answers": p.Variants, "passed": p.Passed}, func(w io.Writer) {
						for _, v := range p.Variants {
							fmt.Fprintf(w, "To %s, in %s:\n\n%s\n\n%s\n", language.Digits(int64(len(v.Enquiries))), v.Lang, oneLine(v.Subject), v.Text)
						}
					})
				}
				if done, err := a.proposes(ctx, in, enquiry.KindSend, args[0], asked); done || err != nil {
					return err
				}
				if err := d.Start(ctx, actor.Operator(), p, nil); err != nil {
					return err
				}
				return a.print(map[string]any{"id": args[1], "people": p.People}, func(w io.Writer) {
					fmt.Fprintf(w, "%s answers leave as long as serve runs.\n", language.Digits(p.People))
				})
			})
		}}
	c.Flags().StringVar(&asked.Despite, "despite", "", "why it is sent although the facts have something against it")
	c.Flags().BoolVar(&dry, "preview", false, "only show it")
	return c
}

func (a *app) cmdEnquiryUncertain() *cobra.Command {
	var again, leave bool
	c := &cobra.Command{Use: "uncertain CASE", Short: "Decide on answers of which nobody knows whether they arrived", Args: cobra.ExactArgs(1),
		Long: "Lists the answers that were in flight when a process or a connection ended. --resend\n" +
			"sends them again, under the same Message-ID; --leave leaves them.",
		Example: "  shirase enquiry uncertain naver-2013\n  shirase enquiry uncertain naver-2013 --resend",
		RunE: func(c *cobra.Command, args []string) error {
			if again && leave {
				return usagef("--resend and --leave exclude each other")
			}
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				list, err := d.Uncertain(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				n := 0
				if again || leave {
					if n, err = d.Resolve(ctx, actor.Operator(), args[0], again); err != nil {
						return err
					}
				}
				return a.print(map[string]any{"uncertain": list, "decided": n}, func(w io.Writer) {
					for _, u := range list {
						fmt.Fprintf(w, "%s  %s  %s\n", u.Enquiry, stamp(u.At), oneLine(u.Why))
					}
					fmt.Fprintf(w, "%d uncertain, %d decided.\n", len(list), n)
				})
			})
		}}
	c.Flags().BoolVar(&again, "resend", false, "send them again")
	c.Flags().BoolVar(&leave, "leave", false, "leave them as they are")
	return c
}

func (a *app) cmdEnquiryScript() *cobra.Command {
	lang := "ja"
	c := &cobra.Command{Use: "script CASE", Short: "Print what is said on the telephone, with the facts as they are", Args: cobra.ExactArgs(1),
		Long:    "Prints the answer to each topic, with the facts as they are now, and how people may be\nrecognised in this case.",
		Example: "  shirase enquiry script naver-2013 --lang en",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				l := language.Lang(lang)
				lines, err := d.Script(ctx, actor.Operator(), args[0], l)
				if err != nil {
					return err
				}
				good, refused, err := d.Steps(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				return a.print(map[string]any{"lines": lines, "recognise": good, "never": refused}, func(w io.Writer) {
					if len(good)+len(refused) == 0 {
						fmt.Fprintln(w, l.Pick("本人確認の方法が設定されていません（reset.steps）。確認できない人に、本人についてのことは話さないでください。", "No way to recognise people is set (reset.steps): tell nobody anything about a person."))
					}
					for _, s := range good {
						fmt.Fprintf(w, "%s%s\n", l.Pick("本人確認に使える: ", "recognise by: "), oneLine(s))
					}
					for _, s := range refused {
						fmt.Fprintf(w, "%s%s\n", l.Pick("使えない（漏えいした項目）: ", "never by (it was exposed): "), oneLine(s))
					}
					for _, x := range lines {
						text := x.Content.Text + oneLine(x.Wrong)
						if text == "" {
							text = l.Pick("（答えはまだ書かれていません。shirase enquiry canned put）", "(No answer is written yet: shirase enquiry canned put.)")
						}
						fmt.Fprintf(w, "\n# %s\n%s\n", x.Topic.Text.In(l), text)
					}
				})
			})
		}}
	c.Flags().StringVar(&lang, "lang", "ja", "ja or en")
	return c
}

func (a *app) cmdEnquiryStaffing() *cobra.Command {
	var perHour, soon float64
	var each, within time.Duration
	var staff int
	c := &cobra.Command{Use: "staffing CASE", Short: "Say what callers wait, by calls an hour and staff (Erlang C)", Args: cobra.ExactArgs(1),
		Long:    "Works out what callers wait, by Erlang's model: calls come at random, nobody hangs up,\nand all answer from one queue. --calls is calls an hour; without it, the fullest hour of\nwhat was recorded in the last seven days.",
		Example: "  shirase enquiry staffing naver-2013 --calls 120 --each 6m --staff 15",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				hours, err := d.Calls(ctx, actor.Operator(), args[0], 7)
				if err != nil {
					return err
				}
				if n := a.op().Enquiry.Staff; n > 0 && !c.Flags().Changed("staff") {
					staff = n
				}
				if perHour == 0 {
					for _, h := range hours {
						perHour = max(perHour, float64(h.Most))
					}
				}
				x, n := enquiry.Expect(perHour, each, staff, within), enquiry.Needed(perHour, each, within, soon)
				return a.print(map[string]any{"callsPerHour": perHour, "staff": staff, "waits": x, "needed": n, "hours": hours}, func(w io.Writer) {
					if x.Mean < 0 {
						fmt.Fprintf(w, "%g calls an hour of %s each are more than %d can answer: the queue grows.\n", perHour, span(each), staff)
					} else {
						fmt.Fprintf(w, "%g calls an hour, %d staff: %.0f %% wait, %s on average; %.0f %% are answered within %s.\n", perHour, staff, 100*x.Wait, span(x.Mean), 100*x.Soon, span(within))
					}
					fmt.Fprintf(w, "%d are needed for %.0f %% within %s.\n", n, 100*soon, span(within))
				})
			})
		}}
	f := c.Flags()
	f.Float64Var(&perHour, "calls", 0, "calls an hour; 0: the fullest hour that was recorded")
	f.DurationVar(&each, "each", 6*time.Minute, "how long one takes, with what is written down after it")
	f.IntVar(&staff, "staff", 5, "who answer at once (default: enquiry.staff, where it is set)")
	f.DurationVar(&within, "within", time.Minute, "in which calls are to be answered")
	f.Float64Var(&soon, "part", 0.8, "part of calls that are to be answered in that time")
	return c
}
