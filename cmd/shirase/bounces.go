package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/reach/bounce"
	"shirase/internal/reach/preflight"
	"shirase/internal/reach/returned"
	"shirase/internal/serve"
)

// returns opens the room of returned mail over that of campaigns, which knows whose a token is and moves them.
func (a *app) returns(ctx context.Context, in *instance) (*returned.Returned, error) {
	campaigns, err := a.campaigns(ctx, in)
	if err != nil {
		return nil, err
	}
	sent := func(find func(context.Context, string) (reach.Recipient, error)) func(context.Context, string) (returned.Sent, bool, error) {
		return func(ctx context.Context, s string) (returned.Sent, bool, error) {
			x, err := find(ctx, s)
			if errors.Is(err, reach.ErrNotFound) {
				return returned.Sent{}, false, nil
			}
			return returned.Sent{Token: x.Token, Case: x.Incident}, err == nil, err
		}
	}
	letters, err := a.letters(ctx, in)
	if err != nil {
		return nil, err
	}
	return returned.New(ctx, returned.Rooms{DB: in.db, Address: a.op().Returns.Address, Seal: in.rosters.Sealer, Letters: letters,
		Verify: func(ctx context.Context, m []byte) preflight.Signed {
			return preflight.Verify(ctx, a.op().DNS.Server, m)
		},
		Open: sent(campaigns.Recipient), Mailed: sent(campaigns.Mailed),
		Addresses: func(ctx context.Context, tokens []string) (map[string]string, error) {
			return campaigns.Addresses(ctx, actor.Server(), tokens)
		},
		Moved: func(ctx context.Context, token, proposed string, v returned.Verdict) (string, error) {
			o := reach.Outcome{Reason: string(v.Reason), Said: v.Status}
			switch o.State, _ = reach.ParseState(proposed); o.State {
			case reach.Accepted, reach.Deferred, reach.Refused, reach.Bounced:
				x, err := campaigns.Bounced(ctx, actor.Server(), token, o)
				return x.State.String(), err
			}
			x, err := campaigns.Recipient(ctx, token)
			return x.State.String(), err
		}})
}

// listenForReturned has a server take in what comes back, where the settings say on which address.
func (a *app) listenForReturned(ctx context.Context, in *instance, server *serve.Server) error {
	s := a.op().Returns
	if s.Listen == "" {
		return nil
	}
	r, err := a.returns(ctx, in)
	if err != nil {
		return err
	}
	if s.Address == "" && a.op().Enquiry.Address == "" {
		return fmt.Errorf("returns.listen: %w: shirase config set returns.address back@bounce.example.org", returned.ErrNoAddress)
	}
	l, err := listen(s.Listen)
	if err != nil {
		return fmt.Errorf("returns.listen: %w", err)
	}
	context.AfterFunc(ctx, func() { l.Close() }) // also where the server never runs
	server.Work("take in returned mail", func(ctx context.Context, failed func(error)) {
		if err := r.Serve(ctx, l, s.LMTP, failed); err != nil {
			failed(err)
		}
	})
	return nil
}

// preflight looks at what receivers look at, of mail from an address: at what a campaign really goes by and is signed with, where campaigns
// are set up, and else at what other mail goes by.
func (a *app) preflight(ctx context.Context, r *returned.Returned, keys *files.Keys, from string) ([]preflight.Finding, error) {
	op := a.op()
	o := preflight.Options{From: from, Security: op.Mail.Security, Sending: op.Mail.Sending, Resolver: op.DNS.Server, Seed: r.Seed}
	if op.Mail.Server != "" {
		o.Relays = []string{op.Mail.Server}
	}
	selectors, here := op.Mail.DKIM, false
	if len(op.Campaign.Relays) > 0 {
		o.Relays, o.Security = op.Campaign.Relays, op.Campaign.Security
		if here = !op.Campaign.RelaySigns; here {
			selectors = a.selectors()
		}
	}
	_, o.Envelope, _ = strings.Cut(op.Returns.Address, "@")
	_, domain, _ := strings.Cut(from, "@")
	for _, selector := range selectors {
		k := preflight.Key{Domain: strings.ToLower(domain), Selector: selector}
		key, err := dkimKey(keys, selector)
		switch {
		case errors.Is(err, files.ErrNotExist) && here: // nothing is signed with it
			continue
		case errors.Is(err, files.ErrNotExist): // the relay has it
		case err != nil:
			return nil, err
		default:
			k.Public = key.Public()
		}
		o.Keys = append(o.Keys, k)
	}
	return preflight.Run(ctx, o), nil
}

// examineMail is the campaign's preflight, where mail to many people is set up.
func (d *doctor) examineMail(ctx context.Context) {
	op := d.a.op()
	if op.Returns.Address == "" && len(op.Campaign.Relays) == 0 {
		return
	}
	r, err := returned.New(ctx, returned.Rooms{DB: d.in.db, Address: op.Returns.Address})
	if err != nil {
		d.fail("mail", err, "see that the database is whole and can be written, and run doctor again")
		return
	}
	if d.in.keys == nil { // told already
		return
	}
	found, err := d.a.preflight(ctx, r, d.in.keys, op.Mail.From)
	if err != nil {
		d.fail("mail-dkim", err, "put the key back from where the keys are kept")
		return
	}
	for _, f := range found {
		if f.Level != preflight.Well {
			d.findings = append(d.findings, finding{ID: "mail-" + strings.TrimPrefix(f.ID, "mail-"), Level: f.Level, What: f.What.EN, Remedy: f.Remedy.EN, ja: f})
		}
	}
}

func (a *app) cmdBounces() *cobra.Command {
	c := group("bounces", "Take in mail that came back, and keep who is not written to again", "  shirase bounces ingest /var/mail/back")
	c.AddCommand(a.cmdIngest(), a.cmdSuppressed(), a.cmdSuppress(), a.cmdUntil(), a.cmdLift(), a.cmdSeed(), a.cmdPreflight())
	return c
}

func (a *app) withReturned(c *cobra.Command, do func(ctx context.Context, in *instance, r *returned.Returned) error) error {
	in, err := a.open(c.Context())
	if err != nil {
		return err
	}
	defer in.close()
	r, err := a.returns(c.Context(), in)
	if err != nil {
		return err
	}
	return do(c.Context(), in, r)
}

func (a *app) cmdIngest() *cobra.Command {
	return &cobra.Command{Use: "ingest FILE|DIR|-", Short: "Take in mail that came back", Args: cobra.ExactArgs(1),
		Long: `Takes in mail that came back: one message, an mbox, a folder of messages or a maildir,
which is left as it is. Every message counts once, however often it is read, and a run
that was killed goes on where it was.

Of whom a message is says the token in the address it came back to, and then its
Message-ID. An address that it only names proves nothing, and moves nothing. "known" were
taken in before, and "unreadable" are larger than 1 MiB.`,
		Example: "  shirase bounces ingest /var/mail/back\n  shirase bounces ingest ~/Maildir\n  shirase bounces ingest - < message.eml",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withReturned(c, func(ctx context.Context, _ *instance, r *returned.Returned) error {
				source, err := returned.From(ctx, args[0], bounce.MaxSize)
				if err != nil {
					return err
				}
				sum, err := r.Ingest(ctx, actor.Operator(), source)
				if err != nil {
					return err
				}
				return a.print(sum, func(w io.Writer) {
					n := func(n int) string { return language.Digits(int64(n)) }
					fmt.Fprintf(w, "%s read: %s of messages of ours, %s of nobody that is known, %s taken in before, %s too large.\n", n(sum.Read), n(sum.Matched), n(sum.Unmatched), n(sum.Known), n(sum.Unreadable))
					for _, state := range slices.Sorted(maps.Keys(sum.States)) {
						fmt.Fprintf(w, "  %-10s %s\n", state, n(sum.States[state]))
					}
					if sum.Doubtful > 0 {
						fmt.Fprintf(w, "%s name somebody who was written to, and prove nothing: nothing was moved by them.\n", n(sum.Doubtful))
					}
				})
			})
		}}
}

func (a *app) cmdSuppressed() *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "list CASE", Short: "List who is not written to again, why, and until when", Args: cobra.ExactArgs(1),
		Long:    "Lists the addresses of a case that are not written to again, the newest first, with the\nreason and the end of each. What is listed is personal data.",
		Example: "  shirase bounces list naver-2013",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withReturned(c, func(ctx context.Context, _ *instance, r *returned.Returned) error {
				list, err := r.List(ctx, actor.Operator(), args[0], 100_000)
				if err != nil {
					return err
				}
				type row struct {
					ID      string `json:"id"`
					Address string `json:"address"`
					Reason  string `json:"reason"`
					Note    string `json:"note,omitzero"`
					At      string `json:"at"`
					By      string `json:"by"`
					Until   string `json:"until"`
					Lifted  string `json:"lifted,omitzero"`
				}
				rows := []row{}
				for _, s := range list {
					if all || s.Holds(time.Now()) {
						rows = append(rows, row{s.ID, s.Address, string(s.Reason), s.Note, stamp(s.At), s.By, stamp(s.Until), stamp(s.Lifted)})
					}
				}
				return a.print(map[string]any{"suppressed": rows}, func(w io.Writer) {
					for _, r := range rows {
						fmt.Fprintf(w, "%s  %-16s until %s  %s%s\n", r.ID, r.Reason, r.Until, oneLine(r.Address), strings.Join(nonEmpty("  (", oneLine(r.Note), oneLine(r.Lifted)), ""))
					}
					if len(rows) == 0 {
						fmt.Fprintln(w, "Nobody is suppressed.")
					}
				})
			})
		}}
	c.Flags().BoolVar(&all, "all", false, "also those whose time is over, or that were lifted")
	return c
}

func (a *app) cmdSuppress() *cobra.Command {
	var note string
	span := 30 * 24 * time.Hour
	c := &cobra.Command{Use: "suppress CASE ADDRESS|-", Short: "Have an address not written to again in a case", Args: cobra.ExactArgs(2),
		Long:    "Has an address not written to again in a case, for as long as --for says. The address is\nkept sealed under the case's key; - reads it from standard input, so that it does not\nstand in the list of processes.",
		Example: "  shirase bounces suppress naver-2013 hanako@example.jp --for 720h --note 'asked by telephone'",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withReturned(c, func(ctx context.Context, _ *instance, r *returned.Returned) error {
				address := args[1]
				if address == "-" {
					b, err := readLimited(ctx, "/dev/stdin", 4<<10)
					if err != nil {
						return err
					}
					address = strings.TrimSpace(string(b))
				}
				until := time.Now().Add(span)
				if err := r.Suppress(ctx, actor.Operator(), args[0], address, note, until); err != nil {
					return err
				}
				return a.print(map[string]any{"suppressed": true, "until": stamp(until)}, func(w io.Writer) { fmt.Fprintf(w, "Not written to again until %s.\n", stamp(until)) })
			})
		}}
	c.Flags().DurationVar(&span, "for", span, "for how long")
	c.Flags().StringVar(&note, "note", "", "why; it is kept sealed")
	return c
}

func (a *app) cmdUntil() *cobra.Command {
	span := 30 * 24 * time.Hour
	c := &cobra.Command{Use: "until CASE ID", Short: "Give a suppression another end", Args: cobra.ExactArgs(2), Long: "Gives a suppression another end, from now.", Example: "  shirase bounces until naver-2013 s-abcdefghijklmnop --for 2160h",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withReturned(c, func(ctx context.Context, _ *instance, r *returned.Returned) error {
				until := time.Now().Add(span)
				if err := r.SetUntil(ctx, actor.Operator(), args[0], args[1], until); err != nil {
					return err
				}
				return a.print(map[string]any{"id": args[1], "until": stamp(until)}, func(w io.Writer) { fmt.Fprintf(w, "%s holds until %s.\n", args[1], stamp(until)) })
			})
		}}
	c.Flags().DurationVar(&span, "for", span, "for how long from now")
	return c
}

func (a *app) cmdLift() *cobra.Command {
	return &cobra.Command{Use: "lift CASE ID", Short: "Have an address written to again", Args: cobra.ExactArgs(2), Long: "Ends a suppression: the address is written to again. What it was, and who ended it, stays.", Example: "  shirase bounces lift naver-2013 s-abcdefghijklmnop",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withReturned(c, func(ctx context.Context, _ *instance, r *returned.Returned) error {
				if err := r.Lift(ctx, actor.Operator(), args[0], args[1]); err != nil {
					return err
				}
				return a.print(map[string]any{"id": args[1], "lifted": true}, func(w io.Writer) { fmt.Fprintf(w, "%s is lifted.\n", args[1]) })
			})
		}}
}

func (a *app) cmdSeed() *cobra.Command {
	return &cobra.Command{Use: "seed", Short: "Give the address of a mail that is to come back", Args: cobra.NoArgs,
		Long:    "Gives an address with a token that nobody has had. A mail that is sent there by the relay\nand is taken in again shows that what comes back arrives: the preflight asks for one of\nthe last week.",
		Example: "  shirase bounces seed",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withReturned(c, func(ctx context.Context, _ *instance, r *returned.Returned) error {
				address, err := r.NewSeed(ctx, actor.Operator())
				if err != nil {
					return err
				}
				return a.print(map[string]string{"address": address}, func(w io.Writer) {
					fmt.Fprintf(w, "%s\n\nSend a mail there by the relay. When it has come back: shirase bounces preflight\n", address)
				})
			})
		}}
}

// preflightRow is a finding as it is printed for programs: in English, and in Japanese beside it.
type preflightRow struct {
	ID       string `json:"id"`
	Level    string `json:"level"`
	Code     string `json:"code"`
	What     string `json:"what"`
	Remedy   string `json:"remedy,omitzero"`
	WhatJA   string `json:"whatJA"`
	RemedyJA string `json:"remedyJA,omitzero"`
}

func (a *app) cmdPreflight() *cobra.Command {
	return &cobra.Command{Use: "preflight", Short: "Look at what receivers look at before they take mail", Args: cobra.NoArgs,
		Long: `Looks at SPF, DKIM, DMARC and the names of the addresses that mail is sent from, at the
relay's TLS, and at whether what comes back can come back and did. shirase doctor looks
at the same. It exits with 1 where something would keep mail from arriving: a campaign is
not approved then, or by whoever says why it is sent all the same. What is found is said in
Japanese where the locale (LC_ALL, LC_MESSAGES, LANG) is.`,
		Example: "  shirase bounces preflight --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withReturned(c, func(ctx context.Context, in *instance, r *returned.Returned) error {
				found, err := a.preflight(ctx, r, in.keys, a.op().Mail.From)
				if err != nil {
					return err
				}
				ready := preflight.Ready(found)
				lang := terminalLanguage(os.Getenv)
				rows := []preflightRow{}
				for _, f := range found {
					rows = append(rows, preflightRow{f.ID, f.Level, f.Code, f.What.EN, f.Remedy.EN, f.What.JA, f.Remedy.JA})
				}
				err = a.print(map[string]any{"ready": ready, "findings": rows}, func(w io.Writer) {
					for _, f := range found {
						fmt.Fprintf(w, "%-7s %s: %s\n", f.Level, f.ID, oneLine(f.What.In(lang)))
						if remedy := f.Remedy.In(lang); remedy != "" {
							fmt.Fprintf(w, "        %s: %s\n", lang.Pick("直し方", "remedy"), oneLine(remedy))
						}
					}
				})
				if err == nil && !ready {
					err = errSaid
				}
				return err
			})
		}}
}
