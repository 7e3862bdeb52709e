package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/enquiry"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach/returned"
)

func (a *app) cmdEnquiry() *cobra.Command {
	c := group("enquiry", "Answer people who ask about an incident", "  shirase enquiry open naver-2013\n  shirase enquiry list naver-2013")
	c.AddCommand(a.cmdEnquiryOpen(true), a.cmdEnquiryOpen(false), a.cmdEnquiryList(), a.cmdEnquiryShow(), a.cmdEnquiryRecord(), a.cmdEnquiryAssign(), a.cmdEnquiryMove(), a.cmdEnquiryAnswer(),
		a.cmdEnquiryMerge(), a.cmdEnquiryCanned(), a.cmdEnquiryTopics(), a.cmdEnquiryMany(), a.cmdEnquiryCorrect(), a.cmdEnquirySend(), a.cmdEnquiryUncertain(), a.cmdEnquiryScript(), a.cmdEnquiryStaffing(),
		a.cmdEnquiryIngest(), a.cmdEnquiryExport())
	return c
}

// withDesk opens what the commands of enquiries need; of a case that is not there they say so.
func (a *app) withDesk(c *cobra.Command, of string, do func(ctx context.Context, in *instance, d *enquiry.Desk) error) error {
	in, err := a.open(c.Context())
	if err != nil {
		return err
	}
	defer in.close()
	if of != "" {
		if _, err := in.incidents.Get(c.Context(), of); err != nil {
			return err
		}
	}
	d, err := a.enquiries(c.Context(), in)
	if err != nil {
		return err
	}
	return do(c.Context(), in, d)
}

func (a *app) cmdEnquiryOpen(open bool) *cobra.Command {
	use, short, said := "open CASE", "Let people ask about an incident, by the form and by mail", "People can ask about %s now.\n"
	if !open {
		use, short, said = "close CASE", "Take no more enquiries about an incident", "No more enquiries are taken about %s. What was asked before stays.\n"
	}
	return &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1), Long: short + ". The form is at /enquiries/CASE, where serve runs\nwith mail.server set; mail comes to enquiry.address with a + and the case before its @.", Example: "  shirase enquiry " + strings.Replace(use, "CASE", "naver-2013", 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				if err := d.SetOpen(ctx, actor.Operator(), args[0], open); err != nil {
					if errors.Is(err, enquiry.ErrClosed) {
						err = hint.Add(err, "publish its first notice: shirase publish "+args[0])
					}
					return err
				}
				return a.print(map[string]any{"case": args[0], "open": open}, func(w io.Writer) { fmt.Fprintf(w, said, args[0]) })
			})
		}}
}

// enquiryRow is an enquiry as it is printed, without who asks.
type enquiryRow struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Channel  string `json:"channel"`
	Lang     string `json:"language"`
	Topic    string `json:"topic"`
	Assignee string `json:"assignee,omitzero"`
	Created  string `json:"created"`
	Due      string `json:"due,omitzero"`
	Late     bool   `json:"late,omitzero"`
	Version  int64  `json:"version"`
}

func enquiryRowOf(e *enquiry.Enquiry) enquiryRow {
	return enquiryRow{e.ID, string(e.State), e.Channel, string(e.Lang), e.Topic, e.Assignee, stamp(e.Created), stamp(e.Due), e.Late(time.Now()), e.Version}
}

func (a *app) cmdEnquiryList() *cobra.Command {
	var f enquiry.Filter
	var state string
	c := &cobra.Command{Use: "list CASE", Short: "List what people ask, those first that are due first", Args: cobra.ExactArgs(1), Long: "Lists the enquiries of a case without names and texts: those that wait first, by their\ndeadline. --state unverified lists those whose mailbox nobody has shown to be theirs.", Example: "  shirase enquiry list naver-2013 --late\n  shirase enquiry list naver-2013 --topic misuse --json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				f.State, f.Most = enquiry.State(state), 1000
				list, n, err := d.List(ctx, actor.Operator(), args[0], f)
				if err != nil {
					return err
				}
				rows := []enquiryRow{}
				for _, e := range list {
					rows = append(rows, enquiryRowOf(e))
				}
				return a.print(map[string]any{"enquiries": rows, "all": n}, func(w io.Writer) {
					for _, r := range rows {
						late := ""
						if r.Late {
							late = "  LATE"
						}
						fmt.Fprintf(w, "%s  %-9s %-9s %s  %-14s due %s%s\n", r.ID, r.State, r.Channel, r.Lang, r.Topic, r.Due, late)
					}
					fmt.Fprintf(w, "%s in all.\n", language.Digits(n))
				})
			})
		}}
	c.Flags().StringVar(&state, "state", "", "only these: unverified, open, answered, closed, merged or spam")
	c.Flags().StringVar(&f.Topic, "topic", "", "only of this topic")
	c.Flags().StringVar(&f.Assignee, "assignee", "", "only of these hands; - is nobody's")
	c.Flags().BoolVar(&f.Late, "late", false, "only those that should have been answered")
	return c
}

func (a *app) cmdEnquiryShow() *cobra.Command {
	return &cobra.Command{Use: "show CASE ENQUIRY", Short: "Show who asks, what was written, and what was done", Args: cobra.ExactArgs(2), Long: "Shows an enquiry. What it prints is personal data. An answer whose facts stand otherwise\nnow is marked.", Example: "  shirase enquiry show naver-2013 eabcdefghijklmn",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				e, err := d.Get(ctx, actor.Operator(), args[0], args[1])
				if err != nil {
					return err
				}
				return a.print(map[string]any{"enquiry": enquiryRowOf(e), "person": e.Person, "messages": e.Messages, "events": e.Events, "links": e.Links, "parts": e.Parts}, func(w io.Writer) {
					fmt.Fprintf(w, "%s  %s  %s  %s  version %d\nfrom %s %s %s\n", e.ID, e.State, e.Topic, e.Lang, e.Version, oneLine(e.Person.Name), oneLine(e.Person.Address), oneLine(e.Person.Telephone))
					for _, m := range e.Messages {
						fmt.Fprintf(w, "\n%s  %s %s %s\n", stamp(m.At), m.Kind, m.State, oneLine(m.Subject))
						for line := range strings.Lines(m.Text) {
							fmt.Fprintf(w, "  %s\n", oneLine(strings.TrimRight(line, "\n")))
						}
						for _, o := range m.Overtaken {
							fmt.Fprintf(w, "  OVERTAKEN: %s was said as %q and is %q\n", o.Fact, oneLine(o.Was), oneLine(o.Is.In(e.Lang)))
						}
						for _, f := range m.Files {
							fmt.Fprintf(w, "  file %s, %d bytes: %s\n", f.ID, f.Size, oneLine(f.Name))
						}
					}
				})
			})
		}}
}

func (a *app) cmdEnquiryRecord() *cobra.Command {
	r := enquiry.Recorded{}
	lang := "ja"
	c := &cobra.Command{Use: "record CASE", Short: "Record an enquiry that came by telephone or post", Args: cobra.ExactArgs(1),
		Long:    "Records an enquiry that somebody made by telephone or post. --step says how they were\nrecognised: one of reset.steps, and none that rests on what was exposed in this case.\nWhere --address is given, a link goes to it, and nothing else before it is used.",
		Example: "  shirase enquiry record naver-2013 --channel telephone --topic affected < said.txt",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				if r.Lang = language.Lang(lang); r.Text == "" {
					text, err := readLimited(ctx, "/dev/stdin", 64<<10)
					if err != nil {
						return err
					}
					r.Text = string(text)
				}
				id, err := d.Record(ctx, actor.Operator(), args[0], r)
				if err != nil {
					return err
				}
				return a.print(map[string]string{"id": id}, func(w io.Writer) { fmt.Fprintf(w, "Recorded as %s.\n", id) })
			})
		}}
	f := c.Flags()
	f.StringVar(&r.Text, "text", "", "what they asked; none: it is read from standard input")
	f.StringVar(&r.Channel, "channel", enquiry.Telephone, "telephone or post")
	f.StringVar(&r.Topic, "topic", enquiry.Other, "topic")
	f.StringVar(&lang, "lang", "ja", "language of the answer: ja or en")
	f.StringVar(&r.Person.Name, "name", "", "who asks")
	f.StringVar(&r.Person.Telephone, "telephone", "", "by which to call back")
	f.StringVar(&r.Person.Address, "address", "", "of mail, that they gave")
	f.StringVar(&r.Person.Step, "step", "", "how they were recognised")
	return c
}

// versionOf is the version that an enquiry has now, where the command does not say which was read.
func versionOf(ctx context.Context, d *enquiry.Desk, of, id string, said int64) (int64, error) {
	if said > 0 {
		return said, nil
	}
	e, err := d.Get(ctx, actor.Operator(), of, id)
	if err != nil {
		return 0, err
	}
	return e.Version, nil
}

func (a *app) cmdEnquiryAssign() *cobra.Command {
	var topic, assignee, lang, due string
	var version int64
	c := &cobra.Command{Use: "assign CASE ENQUIRY", Short: "Set an enquiry's topic, hands, language or deadline", Args: cobra.ExactArgs(2), Long: "Sets what is named. --version is the one that was read: where somebody has changed it\nsince, nothing is done.", Example: "  shirase enquiry assign naver-2013 eabcdefghijklmn --to 佐藤 --topic misuse --due 2026-08-20T18:00+09:00",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, in *instance, d *enquiry.Desk) error {
				var s enquiry.Set
				for name, at := range map[string]**string{"topic": &s.Topic, "to": &s.Assignee, "lang": &s.Lang} {
					if c.Flags().Changed(name) {
						*at = map[string]*string{"topic": &topic, "to": &assignee, "lang": &lang}[name]
					}
				}
				if s.Assignee != nil {
					if id, ok, err := in.personOf(ctx, assignee); err == nil && ok {
						s.Assignee = &id
					}
				}
				if due != "" {
					m, err := incident.ParseMoment(due, nil)
					if err != nil {
						return err
					}
					s.Due = &m.Time
				}
				v, err := versionOf(ctx, d, args[0], args[1], version)
				if err == nil {
					err = d.Change(ctx, actor.Operator(), args[0], args[1], v, s)
				}
				return a.printEnquiry(ctx, d, args[0], args[1], err)
			})
		}}
	f := c.Flags()
	f.StringVar(&topic, "topic", "", "topic")
	f.StringVar(&assignee, "to", "", "who answers it")
	f.StringVar(&lang, "lang", "", "language of the answer: ja or en")
	f.StringVar(&due, "due", "", "deadline, with its zone")
	f.Int64Var(&version, "version", 0, "that was read; 0: as it is now")
	return c
}

func (a *app) printEnquiry(ctx context.Context, d *enquiry.Desk, of, id string, err error) error {
	if err != nil {
		return err
	}
	e, err := d.Get(ctx, actor.Operator(), of, id)
	if err != nil {
		return err
	}
	return a.print(enquiryRowOf(e), func(w io.Writer) { fmt.Fprintf(w, "%s is %s: %s, version %d.\n", e.ID, e.State, e.Topic, e.Version) })
}

func (a *app) cmdEnquiryMove() *cobra.Command {
	return &cobra.Command{Use: "move CASE ENQUIRY STATE", Short: "Close an enquiry, open it again, or say that it is none", Args: cobra.ExactArgs(3), Long: "STATE is closed, open or spam. Each is undone by another one.", Example: "  shirase enquiry move naver-2013 eabcdefghijklmn closed",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				v, err := versionOf(ctx, d, args[0], args[1], 0)
				if err == nil {
					err = d.Move(ctx, actor.Operator(), args[0], args[1], v, enquiry.State(args[2]))
				}
				return a.printEnquiry(ctx, d, args[0], args[1], err)
			})
		}}
}

func (a *app) cmdEnquiryAnswer() *cobra.Command {
	var canned, despite string
	var told, dry bool
	c := &cobra.Command{Use: "answer CASE ENQUIRY", Short: "Answer somebody by mail, or record what they were told", Args: cobra.ExactArgs(2),
		Long:    "Answers one enquiry with an answer that is given again, rendered from the facts as they\nare now; --preview only shows it. With --told nothing is sent: it records what somebody\nwas told by telephone or post.",
		Example: "  shirase enquiry answer naver-2013 eabcdefghijklmn --canned how-many --preview",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				if canned == "" {
					return usagef("--canned names an answer: shirase enquiry canned list %s", args[0])
				}
				draft := enquiry.Draft{Canned: canned}
				v, err := versionOf(ctx, d, args[0], args[1], 0)
				if err != nil {
					return err
				}
				if dry {
					p, err := d.Preview(ctx, actor.Operator(), args[0], args[1], draft)
					if err != nil {
						return err
					}
					return a.print(p, func(w io.Writer) { fmt.Fprintf(w, "%s\n\n%s", oneLine(p.Subject), p.Text) })
				}
				if told {
					err = d.Tell(ctx, actor.Operator(), args[0], args[1], v, draft, despite)
				} else {
					err = d.Answer(ctx, actor.Operator(), args[0], args[1], v, draft, despite)
				}
				return a.printEnquiry(ctx, d, args[0], args[1], err)
			})
		}}
	f := c.Flags()
	f.StringVar(&canned, "canned", "", "answer that is given again")
	f.StringVar(&despite, "despite", "", "why it is sent although the facts have something against it")
	f.BoolVar(&told, "told", false, "record that they were told, and send nothing")
	f.BoolVar(&dry, "preview", false, "only show it")
	return c
}

func (a *app) cmdEnquiryMerge() *cobra.Command {
	var undo bool
	c := &cobra.Command{Use: "merge CASE ENQUIRY INTO", Short: "Read an enquiry as a part of another one of the same person", Args: cobra.RangeArgs(2, 3), Long: "Has an enquiry be read and answered as a part of another one of the same person. Of two\npeople it is refused. --undo, without INTO, undoes it.", Example: "  shirase enquiry merge naver-2013 eabcdefghijklmn ebcdefghijklmno\n  shirase enquiry merge naver-2013 eabcdefghijklmn --undo",
		RunE: func(c *cobra.Command, args []string) error {
			if undo != (len(args) == 2) {
				return usagef("merge wants INTO, or --undo without it")
			}
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				v, err := versionOf(ctx, d, args[0], args[1], 0)
				if err == nil && undo {
					err = d.Unmerge(ctx, actor.Operator(), args[0], args[1], v)
				} else if err == nil {
					err = d.Merge(ctx, actor.Operator(), args[0], args[1], v, args[2])
				}
				return a.printEnquiry(ctx, d, args[0], args[1], err)
			})
		}}
	c.Flags().BoolVar(&undo, "undo", false, "undo it")
	return c
}

func (a *app) cmdEnquiryCanned() *cobra.Command {
	c := group("canned", "Write answers that are given again, from facts", "  shirase enquiry canned list naver-2013")
	list := &cobra.Command{Use: "list CASE", Short: "List the answers that are given again", Args: cobra.ExactArgs(1), Long: "Lists the answers of a case that are given again.", Example: "  shirase enquiry canned list naver-2013",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				all, err := d.Canneds(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				return a.print(map[string]any{"answers": all}, func(w io.Writer) {
					for _, x := range all {
						where := ""
						if x.Public == x.Version {
							where = ", on the help page where it is asked most"
						}
						fmt.Fprintf(w, "%s, version %d%s: %s\n", x.ID, x.Version, where, oneLine(x.Name.EN))
					}
				})
			})
		}}
	put := &cobra.Command{Use: "put CASE FILE", Short: "Write or change an answer, from a file", Args: cobra.ExactArgs(2),
		Long:    "Writes an answer that is given again. The file is YAML: id, name, subject and text, each\nof the latter in ja and en, and perhaps the topic that it answers. {{affected.count}} and\nthe like stand for facts; a fact that is not known is refused.",
		Example: "  shirase enquiry canned put naver-2013 how-many.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				src, err := readLimited(ctx, args[1], 256<<10)
				if err != nil {
					return err
				}
				out, topic, err := enquiry.ParseCanned(args[1], src)
				if err != nil {
					return err
				}
				if is, err := d.GetCanned(ctx, actor.Operator(), args[0], out.ID); err == nil {
					out.Version = is.Version
				}
				if err := d.PutCanned(ctx, actor.Operator(), args[0], out); err != nil {
					return err
				}
				if topic != "" {
					if err := answers(ctx, d, args[0], topic, out.ID); err != nil {
						return err
					}
				}
				return a.print(map[string]any{"id": out.ID, "version": out.Version + 1}, func(w io.Writer) { fmt.Fprintf(w, "%s is version %d.\n", out.ID, out.Version+1) })
			})
		}}
	public := &cobra.Command{Use: "publish CASE ID", Short: "Have the help page show an answer, where it is asked most", Args: cobra.ExactArgs(2), Long: "Has the help page show an answer, where at least ten people have asked its topic. Where\nthere is staff it is proposed, and somebody else approves it.", Example: "  shirase enquiry canned publish naver-2013 how-many",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, in *instance, d *enquiry.Desk) error {
				x, err := d.GetCanned(ctx, actor.Operator(), args[0], args[1])
				if err != nil {
					return err
				}
				asked := enquiry.AskedPublic{Canned: x.ID, Version: x.Version}
				if done, err := a.proposes(ctx, in, enquiry.KindPublic, args[0], asked); done || err != nil {
					return err
				}
				p, err := d.PlanPublic(ctx, actor.Operator(), args[0], asked)
				if err == nil {
					err = d.Publish(ctx, actor.Operator(), p, nil)
				}
				if err != nil {
					return err
				}
				return a.print(map[string]any{"id": x.ID, "public": x.Version}, func(w io.Writer) { fmt.Fprintf(w, "%s is shown where it is asked most.\n", x.ID) })
			})
		}}
	c.AddCommand(list, put, public)
	return c
}

// answers has a topic be answered by an answer.
func answers(ctx context.Context, d *enquiry.Desk, of, topic, canned string) error {
	list, err := d.Topics(ctx, actor.Operator(), of)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(t enquiry.Topic) bool { return t.ID == topic })
	if i < 0 {
		return fmt.Errorf("%w: there is no topic %.40q", enquiry.ErrInput, topic)
	}
	list[i].Canned = canned
	return d.PutTopic(ctx, actor.Operator(), of, list[i])
}

func (a *app) cmdEnquiryTopics() *cobra.Command {
	return &cobra.Command{Use: "topics CASE", Short: "Show how many ask about what, and which answers are overtaken", Args: cobra.ExactArgs(1), Long: "Shows the topics of a case with how many people asked about each, how many wait and how\nmany are late; and the facts that answers have said and that have changed since.", Example: "  shirase enquiry topics naver-2013 --json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				s, err := d.Stats(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				old, err := d.Overtaken(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				facts, err := d.Proposed(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				return a.print(map[string]any{"figures": s, "overtaken": old, "proposed": facts}, func(w io.Writer) {
					fmt.Fprintf(w, "%s enquiries, %s open, %s late\n", language.Digits(s.All), language.Digits(s.Open), language.Digits(s.Late))
					for _, t := range s.Topics {
						fmt.Fprintf(w, "  %-14s %8s asked  %6s open  %6s late  %s\n", t.ID, language.Digits(t.Asked), language.Digits(t.Open), language.Digits(t.Late), t.Canned)
					}
					for _, o := range old {
						fmt.Fprintf(w, "overtaken: %s was said as %q in %s answers, and is %q\n", o.Fact, oneLine(o.Was), language.Digits(o.Answers), oneLine(o.Is.EN))
					}
					for _, f := range facts {
						fmt.Fprintf(w, "a fact follows: {key: %s, id: %s, value: %s, status: %s}\n", f.Key, f.Item, f.Value.Word, f.Value.Status)
					}
				})
			})
		}}
}

func (a *app) cmdEnquiryMany() *cobra.Command {
	var whom enquiry.Choice
	var canned string
	c := &cobra.Command{Use: "many CASE", Short: "Make one answer for all who wait of a topic", Args: cobra.ExactArgs(1), Long: "Makes one answer for all who wait of a topic, or for those that are named. Nothing is\nsent: look at it with shirase enquiry send --preview.", Example: "  shirase enquiry many naver-2013 --topic affected --canned how-many",
		RunE: func(c *cobra.Command, args []string) error {
			if canned == "" {
				return usagef("--canned names the answer")
			}
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				id, err := d.NewBatch(ctx, actor.Operator(), args[0], whom, enquiry.Draft{Canned: canned})
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
	c := &cobra.Command{Use: "correct CASE", Short: "Make a correction for all who were told what has changed", Args: cobra.ExactArgs(1), Long: "Makes a correction for all whose answers said a fact that stands otherwise now: each is\ntold what they were told, and what is so now. Who was told by telephone or post is\nlisted, to be called.", Example: "  shirase enquiry correct naver-2013 --ja お詫びいたします。 --en 'We apologise.'",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				call, err := d.ToCall(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				id, err := d.NewCorrection(ctx, actor.Operator(), args[0], note)
				if err != nil {
					return err
				}
				return a.print(map[string]any{"id": id, "call": call}, func(w io.Writer) {
					fmt.Fprintf(w, "%s is made. Look at it: shirase enquiry send %s %s --preview\n", id, args[0], id)
					for _, e := range call {
						fmt.Fprintf(w, "to be called: %s\n", e)
					}
				})
			})
		}}
	c.Flags().StringVar(&note.JA, "ja", "", "what is added, in Japanese")
	c.Flags().StringVar(&note.EN, "en", "", "what is added, in English")
	return c
}

func (a *app) cmdEnquirySend() *cobra.Command {
	var asked enquiry.AskedBatch
	var dry bool
	c := &cobra.Command{Use: "send CASE BATCH", Short: "Send one answer to many, or propose it", Args: cobra.ExactArgs(2), Long: "Sends what enquiry many or enquiry correct has made, to each from the facts as they are.\nWhere there is staff it is proposed, and somebody else approves it. --preview only shows it.", Example: "  shirase enquiry send naver-2013 babcdefghijklmn --preview",
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
	c := &cobra.Command{Use: "uncertain CASE", Short: "Decide on answers of which nobody knows whether they arrived", Args: cobra.ExactArgs(1), Long: "Lists the answers that were in flight when a process or a connection ended. --resend\nsends them again, under the same Message-ID; --leave leaves them.", Example: "  shirase enquiry uncertain naver-2013\n  shirase enquiry uncertain naver-2013 --resend",
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
	c := &cobra.Command{Use: "script CASE", Short: "Print what is said on the telephone, with the facts as they are", Args: cobra.ExactArgs(1), Long: "Prints the answer to each topic, with the facts as they are now, and how people may be\nrecognised in this case.", Example: "  shirase enquiry script naver-2013 --lang en",
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
					for _, s := range good {
						fmt.Fprintf(w, "%s%s\n", l.Pick("本人確認に使える: ", "recognise by: "), oneLine(s))
					}
					for _, s := range refused {
						fmt.Fprintf(w, "%s%s\n", l.Pick("使えない（漏えいした項目）: ", "never by (it was exposed): "), oneLine(s))
					}
					for _, x := range lines {
						fmt.Fprintf(w, "\n# %s\n%s%s\n", x.Topic.Text.In(l), x.Content.Text, oneLine(x.Wrong))
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
						fmt.Fprintf(w, "%g calls an hour of %s are more than %d can answer: the queue grows.\n", perHour, each, staff)
					} else {
						fmt.Fprintf(w, "%g calls an hour, %d staff: %.0f %% wait, %s on average; %.0f %% are answered within %s.\n", perHour, staff, 100*x.Wait, x.Mean.Round(time.Second), 100*x.Soon, within)
					}
					fmt.Fprintf(w, "%d are needed for %.0f %% within %s.\n", n, 100*soon, within)
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

func (a *app) cmdEnquiryIngest() *cobra.Command {
	var to string
	c := &cobra.Command{Use: "ingest FILE|DIR|-", Short: "Take in letters that people wrote", Args: cobra.ExactArgs(1), Long: "Takes in letters: one, an mbox, a folder or a maildir, which is left as it is. Each is taken\nonce, however often it is read. Where a letter does not say for which address it came\n(Delivered-To, X-Original-To), --to says so.", Example: "  shirase enquiry ingest ~/Maildir",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, "", func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				source, err := returned.From(ctx, args[0], enquiry.MaxLetter)
				if err != nil {
					return err
				}
				sum := map[string]int{"read": 0, "taken": 0, "elsewhere": 0, "unreadable": 0}
				for m, err := range source(ctx) {
					if err != nil {
						return err
					}
					sum["read"]++
					if m == nil {
						sum["unreadable"]++
						continue
					}
					ok, err := d.Ingest(ctx, m, to)
					if err != nil {
						return err
					}
					if ok {
						sum["taken"]++
					} else {
						sum["elsewhere"]++
					}
				}
				return a.print(sum, func(w io.Writer) {
					fmt.Fprintf(w, "%d read: %d for the desk, %d for nobody here, %d too large.\n", sum["read"], sum["taken"], sum["elsewhere"], sum["unreadable"])
				})
			})
		}}
	c.Flags().StringVar(&to, "to", "", "address that they came for")
	return c
}

func (a *app) cmdEnquiryExport() *cobra.Command {
	return &cobra.Command{Use: "export CASE", Short: "Write the queue as CSV, without names and texts", Args: cobra.ExactArgs(1), Long: "Writes the queue of a case as CSV, without names and texts.", Example: "  shirase enquiry export naver-2013 > queue.csv",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				return d.Export(ctx, actor.Operator(), args[0], a.out)
			})
		}}
}
