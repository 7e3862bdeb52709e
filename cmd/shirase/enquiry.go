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
	return &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1),
		Long:    short + ". The form is at /enquiries/CASE, where serve runs\nwith mail.server set; mail comes to enquiry.address with a + and the case before its @.",
		Example: "  shirase enquiry " + strings.Replace(use, "CASE", "naver-2013", 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				if err := d.SetOpen(ctx, actor.Operator(), args[0], open); err != nil {
					if errors.Is(err, enquiry.ErrClosed) {
						err = hint.Add(err, "publish its first notice: shirase publish "+args[0])
					}
					return err
				}
				lacks := a.deskLacks()
				if !open {
					lacks = nil
				}
				return a.print(map[string]any{"case": args[0], "open": open, "lacks": append([]string{}, lacks...)}, func(w io.Writer) {
					if slices.Contains(lacks, "mail.server") {
						fmt.Fprintf(w, "Enquiries about %s are taken by telephone and post only, as the staff records them: mail.server is not set, so there is no form and no mail.\n", args[0])
						fmt.Fprintf(w, "\nNext: shirase config set mail.server HOST:PORT\n")
						return
					}
					fmt.Fprintf(w, said, args[0])
					if len(lacks) > 0 {
						fmt.Fprintf(w, "By the form only: enquiry.address is not set, so nobody can write by mail.\n")
					}
				})
			})
		}}
}

// deskLacks names the settings without which people cannot ask by the form, or by mail.
func (a *app) deskLacks() (out []string) {
	if a.op().Mail.Server == "" {
		out = append(out, "mail.server")
	}
	if a.op().Enquiry.Address == "" {
		out = append(out, "enquiry.address")
	}
	return out
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
	c := &cobra.Command{Use: "list CASE", Short: "List what people ask, those first that are due first", Args: cobra.ExactArgs(1),
		Long: "Lists the enquiries of a case without names and texts: those that wait first, by their\n" +
			"deadline. --state unverified lists those whose mailbox nobody has shown to be theirs.",
		Example: "  shirase enquiry list naver-2013 --late\n  shirase enquiry list naver-2013 --topic misuse --json",
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
	return &cobra.Command{Use: "show CASE ENQUIRY", Short: "Show who asks, what was written, and what was done", Args: cobra.ExactArgs(2),
		Long:    "Shows an enquiry. What it prints is personal data. An answer whose facts stand otherwise\nnow is marked.",
		Example: "  shirase enquiry show naver-2013 eabcdefghijklmn",
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
		Long: "Records an enquiry that somebody made by telephone or post. --step says how they were\n" +
			"recognised: one of reset.steps, and none that rests on what was exposed in this case.\n" +
			"Where --address is given, a link goes to it, and nothing else before it is used.",
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
	c := &cobra.Command{Use: "assign CASE ENQUIRY", Short: "Set an enquiry's topic, hands, language or deadline", Args: cobra.ExactArgs(2),
		Long:    "Sets what is named. --version is the one that was read: where somebody has changed it\nsince, nothing is done.",
		Example: "  shirase enquiry assign naver-2013 eabcdefghijklmn --to 佐藤 --topic misuse --due 2026-08-20T18:00+09:00",
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
	return &cobra.Command{Use: "move CASE ENQUIRY STATE", Short: "Close an enquiry, open it again, or say that it is none", Args: cobra.ExactArgs(3),
		Long:    "STATE is closed, open or spam. Each is undone by another one.",
		Example: "  shirase enquiry move naver-2013 eabcdefghijklmn closed",
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
				if errors.Is(err, enquiry.ErrUnproven) {
					err = hint.Add(err, "no mail goes there before the link that was sent is used; what they were told by telephone or post is recorded with --told")
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
	c := &cobra.Command{Use: "merge CASE ENQUIRY INTO", Short: "Read an enquiry as a part of another one of the same person", Args: cobra.RangeArgs(2, 3),
		Long:    "Has an enquiry be read and answered as a part of another one of the same person. Of two\npeople it is refused. --undo, without INTO, undoes it.",
		Example: "  shirase enquiry merge naver-2013 eabcdefghijklmn ebcdefghijklmno\n  shirase enquiry merge naver-2013 eabcdefghijklmn --undo",
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
	list := &cobra.Command{Use: "list CASE", Short: "List the answers that are given again", Args: cobra.ExactArgs(1),
		Long:    "Lists the answers of a case that are given again.",
		Example: "  shirase enquiry canned list naver-2013",
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
		Long: "Writes an answer that is given again. The file is YAML: id, name, subject and text, each\n" +
			"of the latter in ja and en, and perhaps the topic that it answers. {{affected.count}} and\n" +
			"the like stand for facts; a fact that is not known is refused.",
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
	public := &cobra.Command{Use: "publish CASE ID", Short: "Have the help page show an answer, where it is asked most", Args: cobra.ExactArgs(2),
		Long: "Has the help page show an answer, where at least ten people have asked its topic. Where\n" +
			"there is staff it is proposed, and somebody else approves it.",
		Example: "  shirase enquiry canned publish naver-2013 how-many",
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
	return &cobra.Command{Use: "topics CASE", Short: "Show how many ask about what, and which answers are overtaken", Args: cobra.ExactArgs(1),
		Long: "Shows the topics of a case with how many people asked about each, how many wait and how\n" +
			"many are late; and the facts that answers have said and that have changed since.",
		Example: "  shirase enquiry topics naver-2013 --json",
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

func (a *app) cmdEnquiryIngest() *cobra.Command {
	var to string
	c := &cobra.Command{Use: "ingest FILE|DIR|-", Short: "Take in letters that people wrote", Args: cobra.ExactArgs(1),
		Long: "Takes in letters: one, an mbox, a folder or a maildir, which is left as it is. Each is taken\n" +
			"once, however often it is read. Where a letter does not say for which address it came\n" +
			"(Delivered-To, X-Original-To), --to says so.",
		Example: "  shirase enquiry ingest ~/Maildir",
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
	return &cobra.Command{Use: "export CASE", Short: "Write the queue as CSV, without names and texts", Args: cobra.ExactArgs(1),
		Long:    "Writes the queue of a case as CSV, without names and texts.",
		Example: "  shirase enquiry export naver-2013 > queue.csv",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDesk(c, args[0], func(ctx context.Context, _ *instance, d *enquiry.Desk) error {
				return d.Export(ctx, actor.Operator(), args[0], a.out)
			})
		}}
}
