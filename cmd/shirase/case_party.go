package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/outward"
	"shirase/internal/response"
	"shirase/internal/roster"
)

func (a *app) cmdCaseParty() *cobra.Command {
	c := group("party", "Keep whom a case concerns: clients, processors, insurers, police", "  shirase case party list shop-2026-08-20")
	c.AddCommand(a.cmdPartyPut(), a.cmdPartyTold(), a.cmdPartyList(), a.cmdPartyExport())
	return c
}

func (a *app) cmdPartyPut() *cobra.Command {
	var p response.Party
	c := a.changing(&cobra.Command{Use: "put CASE PARTY", Short: "Record a party, or how it stands now",
		Long: `Records whom the case concerns: a client whose data they were (委託元), a processor
(委託先), a joint controller, an insurer, the police. --contract names a regime file of
what is owed to them; its clocks start with it. --key is the age recipient that their
part of the scope is sealed to when it is handed over.`,
		Example: "  shirase case party put shop-2026-08-20 acme --name \"Acme Ltd\" --kind client --contract contract-acme --key age1...\n  shirase case party put shop-2026-08-20 acme --name \"Acme Ltd\" --kind client --left"},
		2, func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			p.ID = args[1]
			p.Regime = strings.Replace(p.Regime, "contract:", "contract-", 1)
			return cases.PutParty(ctx, actor.Operator(), args[0], 0, p)
		})
	f := c.Flags()
	f.StringVar(&p.Name, "name", "", "what they are called")
	f.StringVar(&p.Kind, "kind", "", "client, processor, joint, insurer, police, regulator or other")
	f.StringVar(&p.Contact, "contact", "", "how they are reached")
	f.StringVar(&p.Regime, "contract", "", "regime of what is owed to them: contract-NAME")
	f.StringVar(&p.Key, "key", "", "age recipient of theirs: age1...")
	f.StringVar(&p.Note, "note", "", "what of it is theirs")
	f.BoolVar(&p.Left, "left", false, "it was found that the case does not concern them")
	return c
}

func (a *app) cmdPartyTold() *cobra.Command {
	var t response.Informed
	c := a.changing(&cobra.Command{Use: "told CASE PARTY", Short: "Record what a party was told, and when",
		Long:    "Records that a party was told something. A client that was told nothing yet is named by\nshirase case party list: it may have to report, and to publish, for itself.",
		Example: "  shirase case party told shop-2026-08-20 acme --what \"what is known so far\" --by mail"},
		2, func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			if t.At == "" {
				t.At = in.now().UTC().Format("2006-01-02T15:04Z")
			}
			at, err := in.moment("at", t.At)
			if err != nil {
				return nil, err
			}
			t.Party, t.At = args[1], at.String()
			return cases.Inform(ctx, actor.Operator(), args[0], t)
		})
	f := c.Flags()
	f.StringVar(&t.At, "at", "", "when (default: now)")
	f.StringVar(&t.What, "what", "", "what they were told")
	f.StringVar(&t.By, "by", "", "by which way: mail, telephone, in person")
	return c
}

func (a *app) cmdPartyList() *cobra.Command {
	return &cobra.Command{Use: "list CASE", Short: "List whom a case concerns, and what each was told", Args: cobra.ExactArgs(1),
		Long: "Lists the parties of a case: what they are to it, what they were told and when, and how\nmuch of the scope is their part.", Example: "  shirase case party list shop-2026-08-20",
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
			parties := k.Parties
			if parties == nil {
				parties = []response.Concerned{}
			}
			return a.print(map[string]any{"case": k.ID, "parties": parties}, func(w io.Writer) {
				if len(parties) == 0 {
					fmt.Fprintf(w, "The case concerns nobody outside, as far as is recorded.\n")
				}
				for _, p := range parties {
					printParty(w, p)
				}
			})
		}}
}

func printParty(w io.Writer, p response.Concerned) {
	fmt.Fprintf(w, "%s: %s, %s", p.ID, oneLine(p.Name), p.Kind)
	switch {
	case p.Left:
		fmt.Fprintf(w, "; it does not concern them")
	case p.Untold():
		fmt.Fprintf(w, "; TOLD NOTHING YET")
	}
	fmt.Fprintln(w)
	for _, t := range p.Told {
		fmt.Fprintf(w, "  told %s: %s%s\n", t.At, oneLine(t.What), strings.Join(nonEmpty("  by ", t.By), ""))
	}
	for _, s := range p.Portions {
		what := "their part of the scope was worked out"
		if s.Exported > 0 {
			what = fmt.Sprintf("handed over: %s entries, sealed to %s", language.Digits(s.Exported), s.Key)
		}
		fmt.Fprintf(w, "  %s  %s; %s accounts, roster %s\n", s.RecordedAt.Format(time.RFC3339), what, language.Digits(s.Affected), s.Roster)
	}
}

func (a *app) cmdPartyExport() *cobra.Command {
	return &cobra.Command{Use: "export CASE PARTY FILE", Short: "Seal a party's part of the scope to that party", Args: cobra.ExactArgs(3),
		Long: `Writes who of the scope is a party's, as JSON Lines in an age file that only the
holder of the party's key can open (docs/FORMAT.md). What part that is was said by
shirase scope --party. That it was handed over is recorded, with its counts.`,
		Example: "  shirase case party export shop-2026-08-20 acme acme.age",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if err := outward.Check(c.Context(), "seal a part of the scope to a party"); err != nil {
				return err
			}
			k, err := cases.Get(c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			p, err := k.Party(args[1])
			if err != nil {
				return err
			}
			if p.Key == "" {
				return hint.Add(fmt.Errorf("party %s has no key that it could be sealed to", p.ID), "they make one with age-keygen; then shirase case party put "+k.ID+" "+p.ID+" --key age1...")
			}
			to, err := age.ParseX25519Recipient(p.Key)
			if err != nil {
				return fmt.Errorf("the key of party %s: %w", p.ID, err)
			}
			r, err := in.rosters.LatestPart(c.Context(), k.ID, p.ID)
			if errors.Is(err, roster.ErrNone) {
				return hint.Add(err, fmt.Sprintf("say which it is: shirase scope --export FILE --rules FILE --incident %s --party %s --commit", k.ID, p.ID))
			}
			if err != nil {
				return err
			}
			var members int64
			if err := newFile(args[2], func(w io.Writer) error {
				members, err = in.rosters.Export(c.Context(), r, to, w)
				return err
			}); err != nil {
				return err
			}
			portion := portionOf(p.ID, r)
			portion.Exported, portion.Key = members, p.Key
			if _, err := cases.Portioned(c.Context(), actor.Operator(), k.ID, portion); err != nil {
				return err
			}
			return a.print(map[string]any{"case": k.ID, "party": p.ID, "members": members, "file": args[2]}, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s entries of %s accounts, sealed to %s\n", args[2], language.Digits(members), language.Digits(r.Counts.Affected), p.Key)
			})
		}}
}

func portionOf(party string, r roster.Roster) response.Portion {
	p := response.Portion{Party: party, Roster: r.ID, Affected: r.Counts.Affected, Identities: map[string]int64{}}
	for kind, n := range r.Counts.Identities {
		p.Identities[string(kind)] = n
	}
	return p
}

// scopePart makes a party's roster, and records its counts in the case.
func (a *app) scopePart(ctx context.Context, in *instance, id, party string, o roster.Options) (roster.Roster, error) {
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return roster.Roster{}, err
	}
	k, err := cases.Get(ctx, actor.Operator(), id)
	if err == nil {
		_, err = k.Party(party)
	}
	if err != nil {
		return roster.Roster{}, hint.Add(err, "record the party first: shirase case party put "+id+" "+party+" --name NAME --kind client")
	}
	o.PhoneRegion = in.Region
	end := a.scopeProgress(&o)
	r, err := in.rosters.CreatePart(ctx, actor.Operator(), id, party, o)
	end()
	if err != nil {
		return r, err
	}
	_, err = cases.Portioned(ctx, actor.Operator(), id, portionOf(party, r))
	return r, err
}

// changeRow is what became of a clock.
type changeRow struct {
	ID   string         `json:"id"`
	Kind law.ChangeKind `json:"kind"`
	Due  string         `json:"due,omitzero"`
	What language.Text  `json:"what"`
}

func changeRows(before, after []law.Clock) []changeRow {
	out := []changeRow{}
	for _, x := range law.Compare(before, after) {
		out = append(out, changeRow{x.ID, x.Kind, x.To.Due.String(), x.Words()})
	}
	return out
}

func printChanges(w io.Writer, rows []changeRow) {
	for _, x := range rows {
		fmt.Fprintf(w, "  clock %s: %s\n", x.ID, x.What.EN)
	}
}
