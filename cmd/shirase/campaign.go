package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/closing"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/reach"
	"shirase/internal/reach/message"
	"shirase/internal/reach/preflight"
	"shirase/internal/reach/returned"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/told"
	"shirase/internal/roster"
)

// campaigns gives the room of campaigns over an instance: one, whoever asks.
func (a *app) campaigns(ctx context.Context, in *instance) (*reach.Reach, error) {
	in.opening.Lock()
	defer in.opening.Unlock()
	if in.campaigns != nil {
		return in.campaigns, nil
	}
	r, err := a.openCampaigns(ctx, in)
	if err == nil {
		in.campaigns = r
	}
	return r, err
}

func (a *app) openCampaigns(ctx context.Context, in *instance) (*reach.Reach, error) {
	rooms := reach.Rooms{DB: in.db, Rosters: in.rosters, URL: a.op().URL, Wanted: in.staff.Staffed, Log: in.log,
		Incident: in.incidents.Public().Get, Number: func(ctx context.Context, id string) (string, error) {
			notices, err := in.incidents.Public().Notices(ctx, id)
			if err != nil || len(notices) == 0 {
				return "", err
			}
			return incident.NoticeID(id, notices[len(notices)-1].Version), nil
		},
		Read: func(ctx context.Context, id string, lang language.Lang, text string) ([]string, error) {
			return in.against(ctx, id, a.op().URL, lang, text)
		}}
	var err error
	if rooms.Held, err = closing.Keeps(ctx, in.db); err != nil {
		return nil, err
	}
	// What came back stands apart: it is asked here, and what it asks of campaigns it is given where mail is taken in.
	back, err := returned.New(ctx, returned.Rooms{DB: in.db, Address: a.op().Returns.Address, Seal: in.rosters.Sealer})
	if err != nil {
		return nil, err
	}
	rooms.Suppressed = func(ctx context.Context, incident string) (func(string) bool, error) {
		return back.Suppressed(ctx, actor.Server(), incident)
	}
	room, err := in.told(ctx)
	if err != nil {
		return nil, err
	}
	rooms.Elsewhere = func(ctx context.Context, incident string) (reach.Elsewhere, error) {
		at, err := room.Of(ctx, actor.Server(), incident, told.Login)
		if err != nil || at.Empty() {
			return nil, err
		}
		return at.When, nil
	}
	rooms.Preflight = func(ctx context.Context, from string) ([]language.Text, error) {
		found, err := a.preflight(ctx, back, in.keys, from)
		out := []language.Text{}
		for _, f := range preflight.Against(found) {
			out = append(out, f.What)
		}
		return out, err
	}
	resets, err := a.resetsAnyway(ctx, in)
	if err != nil {
		return nil, err
	}
	rooms.Conditions = map[string]reach.Condition{"reset": whileOpen(resets), "desk": a.whileAnswered(in)}
	a.letterRooms(in, &rooms)
	rooms.Filters = map[string]reach.Filter{"not-reset": func(ctx context.Context, incident string) (func(m roster.Member) bool, error) {
		return resets.Unreset(ctx, incident)
	}}
	o := a.op().Campaign
	if len(o.Relays) > 0 {
		m := &reach.Mailer{Bounces: a.op().Returns.Address, Connections: o.Connections}
		relay := smtp.Relay{Security: smtp.Security(o.Security), User: o.User}
		if o.PasswordFile != "" {
			b, err := readLimited(ctx, o.PasswordFile, 4<<10)
			if err != nil {
				return nil, fmt.Errorf("read campaign.passwordFile: %w", err)
			}
			relay.Password = strings.TrimRight(string(b), "\r\n")
		}
		if relay.Hello, _ = os.Hostname(); relay.Hello == "" {
			relay.Hello = "localhost"
		}
		for _, r := range o.Relays {
			relay.Address = r
			m.Relays = append(m.Relays, relay)
		}
		if !o.RelaySigns {
			m.Signers = func(domain string) ([]*message.Signer, error) { return signers(in.keys, a.selectors(), domain) }
		}
		rooms.Mailer = m
	}
	return reach.New(ctx, rooms)
}

// sendCampaigns sends what is to be sent until the context ends.
func (a *app) sendCampaigns(ctx context.Context, in *instance, failed func(error)) {
	r, err := a.campaigns(ctx, in)
	if err != nil {
		failed(err)
		return
	}
	r.Work(ctx, failed)
}

// mailAct is how a campaign is proposed and begun.
func (a *app) mailAct(r *reach.Reach) proposal.Act {
	plan := func(ctx context.Context, who actor.Actor, id string, request []byte) (*reach.Plan, proposal.Plan, error) {
		var asked reach.Asked
		if err := json.Unmarshal(request, &asked, json.RejectUnknownMembers(true)); err != nil {
			return nil, proposal.Plan{}, err
		}
		p, err := r.Plan(ctx, who, id, asked)
		if err != nil {
			return nil, proposal.Plan{}, err
		}
		return p, proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: p.People, Unit: "accounts", Doubts: p.Doubts}}, nil
	}
	return plannedAct(plan, func(ctx context.Context, who actor.Actor, id string, p *reach.Plan, settle func(tx *sql.Tx) error) error {
		return r.Approve(ctx, who, p, settle)
	})
}

func (a *app) cmdCampaign() *cobra.Command {
	c := group("campaign", "Tell everyone of a roster by mail, and know what became of each mail", "  shirase campaign new campaign.yaml\n  shirase campaign status c-abcdefghij")
	c.AddCommand(a.cmdCampaignNew(), a.cmdCampaignPreview(), a.cmdCampaignTest(), a.cmdCampaignStart(), a.cmdCampaignTurn("pause", "Have a campaign send nothing more for now"), a.cmdCampaignTurn("resume", "Have a campaign go on"),
		a.cmdCampaignTurn("cancel", "End a campaign for good"), a.cmdCampaignRates(), a.cmdCampaignStatus(), a.cmdCampaignReport(), a.cmdCampaignUncertain(), a.cmdCampaignKeys(),
		a.cmdCampaignExport(), a.cmdCampaignMake(), a.cmdCampaignFiles(), a.cmdCampaignHandover(), a.cmdCampaignWithdraw(), a.cmdCampaignDestroyed(), a.cmdCampaignResults(), a.cmdCampaignSubstitute(), a.cmdCampaignOutcome())
	return c
}

func (a *app) withCampaigns(c *cobra.Command, do func(ctx context.Context, in *instance, r *reach.Reach) error) error {
	in, err := a.open(c.Context())
	if err != nil {
		return err
	}
	defer in.close()
	r, err := a.campaigns(c.Context(), in)
	if err != nil {
		return err
	}
	return do(c.Context(), in, r)
}

// campaignRow is a campaign as it is printed.
type campaignRow struct {
	ID        string           `json:"id"`
	Incident  string           `json:"incident"`
	State     string           `json:"state"`
	Why       string           `json:"why,omitzero"`
	Counts    map[string]int64 `json:"counts"`
	Uncertain int64            `json:"uncertain"`
	InUse     *int64           `json:"inUse,omitzero"` // whose account is in use; none: the roster does not say
	Start     string           `json:"start,omitzero"`
	Started   string           `json:"started,omitzero"`
	Ended     string           `json:"ended,omitzero"`
	Rates     reach.Rates      `json:"rates"`
}

func rowOf(ctx context.Context, r *reach.Reach, id string) (campaignRow, reach.Counts, error) {
	c, err := r.Get(ctx, actor.Operator(), id)
	if err != nil {
		return campaignRow{}, reach.Counts{}, hint.Add(err, "shirase campaign status")
	}
	n, err := r.Counts(ctx, actor.Operator(), id)
	var inUse *int64
	if c.InUse >= 0 {
		inUse = &c.InUse
	}
	return campaignRow{InUse: inUse, ID: c.ID, Incident: c.Incident, State: string(c.State), Why: c.Why.EN,
		Counts: n.Names(), Uncertain: n[reach.Unknown], Start: stamp(c.Start), Started: stamp(c.Started), Ended: stamp(c.Ended), Rates: c.Rates}, n, err
}

// stateWords are what the states are to whoever reads them.
var stateWords = [][2]string{{"pending", "to be sent"}, {"intended", "about to be handed over"}, {"handed-over", "taken by the relay"}, {"accepted", "accepted by the recipient's server"}, {"deferred", "deferred, and tried again"},
	{"refused", "refused"}, {"bounced", "came back"}, {"unknown", "uncertain: in flight when something broke"}, {"substitute", "not written to: to be told in another way"}}

func (a *app) printCampaign(ctx context.Context, r *reach.Reach, id, next string) error {
	row, n, err := rowOf(ctx, r, id)
	if err != nil {
		return err
	}
	return a.print(row, func(w io.Writer) {
		fmt.Fprintf(w, "Campaign %s of %s is %s%s\n", row.ID, row.Incident, row.State, strings.Join(nonEmpty(": ", oneLine(row.Why)), ""))
		fmt.Fprintf(w, "  %14s  in all\n", language.Digits(n.Total()))
		if row.InUse != nil {
			fmt.Fprintf(w, "  %14s  of these with an account in use\n", language.Digits(*row.InUse))
		}
		for _, s := range stateWords {
			if v := row.Counts[s[0]]; v > 0 {
				fmt.Fprintf(w, "  %14s  %s\n", language.Digits(v), s[1])
			}
		}
		if row.Uncertain > 0 {
			fmt.Fprintf(w, "\nDecide on the uncertain ones: shirase campaign uncertain %s\n", row.ID)
		}
		if next != "" {
			fmt.Fprintf(w, "\nNext: %s\n", next)
		}
	})
}

func (a *app) cmdCampaignNew() *cobra.Command {
	var channel, unreached string
	c := &cobra.Command{Use: "new [FILE]", Short: "Make a draft of a campaign from a file, and count whom it is for", Args: cobra.MaximumNArgs(1),
		Long: `Makes a draft: the texts, whom it is from and for, and how quickly it goes. The file is
YAML (docs/handbook/campaign.md has one whole). Texts are Markdown in which facts of the
incident stand as references, as in notices, and beside them {{you.exposed}},
{{notice.number}}, {{notice.url}} and, where link is set, {{you.link}}. What refers to
nothing is refused with its place. Nothing is sent.

Without a file, --channel and --unreached make one of letters or short messages without a text
of yours, for whom another campaign did not reach.`,
		Example: "  shirase campaign new campaign.yaml\n  shirase campaign new --channel post --unreached c-abcdefghij",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, in *instance, r *reach.Reach) error {
				if len(args) == 0 {
					earlier, err := r.Get(ctx, actor.Operator(), unreached)
					if err != nil {
						return hint.Add(err, "name a file, or --channel post --unreached CAMPAIGN")
					}
					spec := reach.Spec{Incident: earlier.Incident, Part: earlier.Part, Channel: reach.Channel(channel), Unreached: earlier.ID}
					made, err := r.Create(ctx, actor.Operator(), spec, reach.Rates{}, time.Time{})
					if err != nil {
						return err
					}
					return a.printCampaign(ctx, r, made.ID, "shirase campaign export "+made.ID)
				}
				src, err := readLimited(ctx, args[0], 1<<20)
				if err != nil {
					return err
				}
				spec, rates, start, err := reach.ParseFile(args[0], src)
				if err != nil {
					return err
				}
				made, err := r.Create(ctx, actor.Operator(), spec, rates, start)
				if err != nil {
					return err
				}
				return a.printCampaign(ctx, r, made.ID, "shirase campaign preview "+made.ID)
			})
		}}
	c.Flags().StringVar(&channel, "channel", "post", "without a file: post or sms")
	c.Flags().StringVar(&unreached, "unreached", "", "without a file: the campaign whose unreached it is for")
	return c
}

func (a *app) cmdCampaignPreview() *cobra.Command {
	var page string
	c := &cobra.Command{Use: "preview CAMPAIGN", Short: "Show what a campaign would send, to how many, and how long it would take", Args: cobra.ExactArgs(1),
		Long: `Shows every text as its recipients would get it, from the facts as they are now; what
speaks against sending; and how long it is expected to take: by the rate that is set, or
by what this machine can sign. --html writes the page that mail programs show.`,
		Example: "  shirase campaign preview c-abcdefghij\n  shirase campaign preview c-abcdefghij --html preview.html",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, in *instance, r *reach.Reach) error {
				p, err := r.Preview(ctx, actor.Operator(), args[0])
				if err != nil {
					return hint.Add(err, "shirase campaign status")
				}
				if page != "" {
					return writeNew(page, []byte(p.Contents[0].HTML))
				}
				type text struct {
					Lang    string   `json:"lang"`
					Exposed []string `json:"exposed"`
					Subject string   `json:"subject"`
					Text    string   `json:"text"`
				}
				texts, english := []text{}, []string{}
				for _, x := range p.Problems {
					english = append(english, x.EN)
				}
				for _, x := range p.Contents {
					texts = append(texts, text{string(x.Lang), x.Exposed, x.Subject, x.Text})
				}
				row, n, err := rowOf(ctx, r, args[0])
				if err != nil {
					return err
				}
				return a.print(map[string]any{"id": row.ID, "state": row.State, "counts": row.Counts, "uncertain": row.Uncertain, "inUse": row.InUse, "texts": texts, "problems": english, "checked": p.Checked, "signed": p.Signed,
					"seconds": int64(p.Duration / time.Second), "boundBy": p.By}, func(w io.Writer) {
					for _, x := range texts {
						fmt.Fprintf(w, "== %s, of whom was exposed: %s\nSubject: %s\n\n%s\n", x.Lang, strings.Join(x.Exposed, ", "), oneLine(x.Subject), x.Text)
					}
					fmt.Fprintf(w, "To %s addresses. %s\n", language.Digits(n.Total()), expectedWords(p))
					if row.InUse != nil {
						fmt.Fprintf(w, "Of these %s have an account in use%s.\n", language.Digits(*row.InUse), map[bool]string{true: ", and are written to first"}[p.Campaign.Active == ""])
					}
					for _, x := range p.Problems {
						fmt.Fprintf(w, "Against it: %s\n", oneLine(x.In(terminalLanguage(os.Getenv))))
					}
					fmt.Fprintf(w, "\nNext: shirase campaign test %s --to YOU@EXAMPLE.JP, then shirase campaign start %s\n", row.ID, row.ID)
				})
			})
		}}
	c.Flags().StringVar(&page, "html", "", "write the page of the first text to this file")
	return c
}

func expectedWords(p *reach.Preview) string {
	switch p.By {
	case "rate":
		return "At the rate that is set it takes " + p.Duration.String() + "."
	case "signing":
		return "What this machine can sign lets it take " + p.Duration.String() + " at least."
	case "relay":
		return "It takes as long as the relay takes it."
	}
	return ""
}

func (a *app) cmdCampaignTest() *cobra.Command {
	var to []string
	c := &cobra.Command{Use: "test CAMPAIGN --to ADDRESS", Short: "Send a campaign's mail to addresses of your own, at once", Args: cobra.ExactArgs(1),
		Long:    "Sends what recipients would get, in each language, to the addresses that are named: to\nlook at it in real mail programs, and to see whether it arrives. Nobody else gets it.",
		Example: "  shirase campaign test c-abcdefghij --to me@example.jp --to seed@gmail.example",
		RunE: func(c *cobra.Command, args []string) error {
			if len(to) == 0 {
				return usagef("campaign test wants --to ADDRESS")
			}
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				if err := r.Test(ctx, actor.Operator(), args[0], to); err != nil {
					return err
				}
				return a.print(map[string]any{"id": args[0], "sent": len(to)}, func(w io.Writer) { fmt.Fprintf(w, "The relay has taken mails to %d addresses.\n", len(to)) })
			})
		}}
	c.Flags().StringArrayVar(&to, "to", nil, "address (repeatable)")
	return c
}

func (a *app) cmdCampaignStart() *cobra.Command {
	var despite string
	c := &cobra.Command{Use: "start CAMPAIGN", Short: "Begin a campaign, or propose to", Args: cobra.ExactArgs(1),
		Long: `Begins a campaign, at once or at its time: shirase serve sends it. Once there is staff
it only proposes to, and a second person approves exactly these texts to so many. What
the preflight has against it holds it up, unless --despite says why it is sent all the
same.`,
		Example: "  shirase campaign start c-abcdefghij",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, in *instance, r *reach.Reach) error {
				what, err := r.Get(ctx, actor.Operator(), args[0])
				if err != nil {
					return hint.Add(err, "shirase campaign status")
				}
				if done, err := a.proposes(ctx, in, reach.KindMail, what.Incident, reach.Asked{Campaign: what.ID, Despite: despite}); done || err != nil {
					return err
				}
				if err := r.Start(ctx, actor.Operator(), what.ID, despite); err != nil {
					return err
				}
				return a.printCampaign(ctx, r, what.ID, "shirase serve sends it; see how it goes: shirase campaign status "+what.ID)
			})
		}}
	c.Flags().StringVar(&despite, "despite", "", "why it is sent although the preflight speaks against it")
	return c
}

func (a *app) cmdCampaignTurn(verb, short string) *cobra.Command {
	var why string
	c := &cobra.Command{Use: verb + " CAMPAIGN", Short: short, Args: cobra.ExactArgs(1), Example: "  shirase campaign " + verb + " c-abcdefghij",
		Long: map[string]string{"pause": "Has a campaign send nothing more until it is resumed. What was about to be handed over\nat that moment still may be; nobody gets two mails or none by it.", "resume": "Has a campaign that was paused go on where it was.",
			"cancel": "Ends a campaign for good. Who has been told stays told; who has not is not told by it."}[verb],
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				var err error
				switch verb {
				case "pause":
					err = r.Pause(ctx, actor.Operator(), args[0], why)
				case "resume":
					err = r.Resume(ctx, actor.Operator(), args[0])
				case "cancel":
					err = r.Cancel(ctx, actor.Operator(), args[0], why)
				}
				if err != nil {
					return err
				}
				return a.printCampaign(ctx, r, args[0], "")
			})
		}}
	if verb != "resume" {
		c.Flags().StringVar(&why, "why", "", "why")
	}
	return c
}

func (a *app) cmdCampaignRates() *cobra.Command {
	var all float64
	var domains map[string]string
	var up time.Duration
	c := &cobra.Command{Use: "rates CAMPAIGN", Short: "Change how quickly a campaign is sent, also while it runs", Args: cobra.ExactArgs(1),
		Long:    "Changes how quickly a campaign is sent. Whoever sends it follows within seconds; nothing is\nsent twice by it, and nobody left out.",
		Example: "  shirase campaign rates c-abcdefghij --per-second 200 --domain gmail.com=20 --domain '*=50' --ramp-up 2h",
		RunE: func(c *cobra.Command, args []string) error {
			rates := reach.Rates{PerSecond: all, RampUp: reach.Span(up)}
			for d, text := range domains {
				var v float64
				if _, err := fmt.Sscanf(text, "%g", &v); err != nil {
					return usagef("--domain %s=... wants a number a second", oneLine(d))
				}
				if rates.PerDomain == nil {
					rates.PerDomain = map[string]float64{}
				}
				rates.PerDomain[strings.ToLower(d)] = v
			}
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				if err := r.SetRates(ctx, actor.Operator(), args[0], rates); err != nil {
					return err
				}
				return a.printCampaign(ctx, r, args[0], "")
			})
		}}
	f := c.Flags()
	f.Float64Var(&all, "per-second", 0, "mails a second in all; 0: as quickly as the relay takes them")
	f.StringToStringVar(&domains, "domain", nil, "DOMAIN=N: mails a second to a receiving domain (repeatable); *=N is each other one")
	f.DurationVar(&up, "ramp-up", 0, "time in which --per-second is come to")
	return c
}

func (a *app) cmdCampaignStatus() *cobra.Command {
	return &cobra.Command{Use: "status [CAMPAIGN]", Short: "Say how campaigns stand, and how many recipients are in which state", Args: cobra.MaximumNArgs(1),
		Long: `Says how many recipients are in which state. The last word is that the relay, or the
recipient's own server, has taken a mail: receivers sort mail away without a word, and
nothing here says that it was read, or seen.`,
		Example: "  shirase campaign status\n  shirase campaign status c-abcdefghij --json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				if len(args) == 1 {
					return a.printCampaign(ctx, r, args[0], "")
				}
				list, err := r.List(ctx, actor.Operator(), "")
				if err != nil {
					return err
				}
				rows := []campaignRow{}
				for _, x := range list {
					row, _, err := rowOf(ctx, r, x.ID)
					if err != nil {
						return err
					}
					rows = append(rows, row)
				}
				return a.print(map[string]any{"campaigns": rows}, func(w io.Writer) {
					for _, x := range rows {
						fmt.Fprintf(w, "%s  %-9s %s: %s handed over, %s to be sent, %s uncertain\n", x.ID, x.State, x.Incident, language.Digits(x.Counts["handed-over"]+x.Counts["accepted"]),
							language.Digits(x.Counts["pending"]+x.Counts["deferred"]), language.Digits(x.Uncertain))
					}
					if len(rows) == 0 {
						fmt.Fprintf(w, "There is none: shirase campaign new FILE\n")
					}
				})
			})
		}}
}

func (a *app) cmdCampaignUncertain() *cobra.Command {
	var resend, whole bool
	var log string
	c := &cobra.Command{Use: "uncertain CAMPAIGN", Short: "List whose mail was in flight when something broke, or decide on them", Args: cobra.ExactArgs(1),
		Long: `Lists the mails that were in flight when a process, a connection or a machine ended: the
relay may have them. They are held until somebody decides. --log reads the relay's log
(as Postfix writes it) and believes what it says of them; with --whole whoever it does
not name is sent to. --resend sends to all of them again, under the same Message-ID:
some get it twice.`,
		Example: "  shirase campaign uncertain c-abcdefghij\n  shirase campaign uncertain c-abcdefghij --log /var/log/mail.log --whole",
		RunE: func(c *cobra.Command, args []string) error {
			way := reach.ByLog
			switch {
			case resend && log != "":
				return usagef("--resend and --log exclude each other")
			case whole && log == "":
				return usagef("--whole is of a --log")
			case resend:
				way = reach.Resend
			case whole:
				way = reach.Absent
			}
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				if !resend && log == "" {
					return a.listUncertain(ctx, r, args[0])
				}
				var in io.Reader
				if log != "" {
					f, err := os.Open(log)
					if err != nil {
						return err
					}
					defer f.Close()
					in = f
				}
				done, err := r.Resolve(ctx, actor.Operator(), args[0], way, in)
				if err != nil {
					return err
				}
				return a.print(map[string]any{"id": args[0], "handedOver": done.HandedOver, "accepted": done.Accepted, "refused": done.Refused, "resent": done.Resent, "held": done.Held}, func(w io.Writer) {
					fmt.Fprintf(w, "By the log %s are handed over, %s accepted and %s refused; %s are sent to again, and %s are held.\n", language.Digits(done.HandedOver), language.Digits(done.Accepted),
						language.Digits(done.Refused), language.Digits(done.Resent), language.Digits(done.Held))
				})
			})
		}}
	f := c.Flags()
	f.BoolVar(&resend, "resend", false, "send to all of them again")
	f.StringVar(&log, "log", "", "the relay's log")
	f.BoolVar(&whole, "whole", false, "the log is whole: whoever it does not name is sent to")
	return c
}

func (a *app) listUncertain(ctx context.Context, r *reach.Reach, id string) error {
	type row struct {
		Place     int64  `json:"place"`
		MessageID string `json:"messageID"`
		Since     string `json:"since"`
	}
	rows := []row{}
	err := r.Each(ctx, actor.Operator(), id, []reach.State{reach.Unknown}, func(x reach.Recipient, mid string) error {
		rows = append(rows, row{x.Ordinal, mid, stamp(x.Since)})
		return nil
	})
	if err != nil {
		return err
	}
	return a.print(map[string]any{"id": id, "uncertain": rows}, func(w io.Writer) {
		for _, x := range rows {
			fmt.Fprintf(w, "%d  <%s>  %s\n", x.Place, x.MessageID, x.Since)
		}
		if len(rows) == 0 {
			fmt.Fprintln(w, "Nobody's mail is uncertain.")
		}
	})
}
