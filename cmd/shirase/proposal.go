package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/closing"
	"shirase/internal/contain/gate"
	"shirase/internal/contain/reset"
	"shirase/internal/enquiry"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/notify"
	"shirase/internal/proposal"
	"shirase/internal/publish"
	"shirase/internal/reach"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/spread"
	"shirase/internal/staff"
	"shirase/internal/store"
)

// proposalRoom opens the room of proposals over an instance. What becomes of one that is of a case stands in the case's record too.
func (a *app) proposalRoom(ctx context.Context, in *instance, cases *response.Cases) (*proposal.Proposals, error) {
	told, err := a.notifier(ctx, in)
	if err != nil {
		return nil, err
	}
	in.publisher.Kept = func(ctx context.Context, id string) (publish.Kept, error) {
		k, err := cases.Kept(ctx, id)
		return publish.Kept(k), err
	}
	campaigns, err := a.campaigns(ctx, in)
	if err != nil {
		return nil, err
	}
	in.publisher.Outside = func(ctx context.Context, id string) ([]language.Text, error) {
		all, err := campaigns.Exports(ctx, actor.Server(), id)
		var out []language.Text
		for _, x := range all {
			if x.State == reach.ExportHanded {
				out = append(out, language.Both(fmt.Sprintf("壊しても届かない写し：%sが持つファイル %s（%s人分、廃棄の期限 %s）", x.House, x.ID, language.Digits(x.Manifest.Rows), x.DestroyBy),
					fmt.Sprintf("a copy that this does not reach: file %s of %s people, which %s has (to be destroyed by %s)", x.ID, language.Digits(x.Manifest.Rows), x.House, x.DestroyBy)))
			}
		}
		return out, err
	}
	acts := in.publisher.Acts()
	acts[reach.KindMail], acts[reach.KindExport] = a.mailAct(campaigns), exportAct(campaigns)
	gates, err := a.gates(ctx, in, cases)
	if err != nil {
		return nil, err
	}
	acts[gate.KindBlock], acts[gate.KindLift] = gateAct(gates, gate.KindBlock), gateAct(gates, gate.KindLift)
	resets, err := a.resetsAnyway(ctx, in)
	if err != nil {
		return nil, err
	}
	desk, err := a.enquiries(ctx, in)
	if err != nil {
		return nil, err
	}
	acts[enquiry.KindSend], acts[enquiry.KindPublic] = answersAct(desk), publicAct(desk)
	circulates, err := a.spreadRoom(ctx, in)
	if err != nil {
		return nil, err
	}
	acts[spread.KindSnippet] = snippetAct(circulates)
	var room *proposal.Proposals
	lifted := func(ctx context.Context, id string, h reset.Hour) {
		// By the server: whoever approves may not propose, and whoever proposed is not here.
		if _, err := proposeAddendum(ctx, room, actor.Server(), id, h, in.now()); err != nil {
			in.log.Info("no addendum is proposed", "case", id, "error", err)
		}
	}
	ends, err := a.closing(ctx, in, cases, nil)
	if err != nil {
		return nil, err
	}
	acts[closing.KindClose] = ends.Act()
	acts[reset.KindForce], acts[reset.KindLift] = resetAct(resets, reset.KindForce, lifted), resetAct(resets, reset.KindLift, lifted)
	room, err = proposal.New(ctx, proposal.Rooms{DB: in.db, Acts: acts, Sealer: in.proposalSealer, Staffed: in.staff.Staffed, Approvers: in.approvers,
		HostWait: max(a.op().Staff.Hold, minHostWait), Gone: in.gone,
		Said: func(ctx context.Context, tx *sql.Tx, who actor.Actor, r proposal.Rule) error {
			people, err := in.staff.People(ctx, actor.Server())
			if err != nil {
				return err
			}
			m := notify.Message{Kind: "rule", About: "how approval goes"}
			for _, p := range people {
				m.To = append(m.To, p.ID)
			}
			if err := told.Tell(ctx, tx, m); err != nil {
				return err
			}
			return in.staff.RuleSaid(ctx, tx, who, proposal.RuleAct(r.Alone, r.Delay)+", from "+stamp(r.Applies))
		},
		Note: func(ctx context.Context, tx *sql.Tx, who actor.Actor, p *proposal.Proposal) error {
			m := notify.Message{Kind: "approval", Case: p.Incident, About: "proposal " + p.ID}
			switch p.State {
			case proposal.Done, proposal.Void, proposal.Withdrawn:
				m.Kind, m.To = "approved", []string{p.Person}
			}
			if p.State != proposal.Approved {
				if err := told.Tell(ctx, tx, m); err != nil {
					return err
				}
			}
			if p.Incident == "" { // it is of keys
				return nil
			}
			if p.State == proposal.Proposed && p.Host() {
				p.Why = hostSays // which stands in the record for who reads it later
			}
			err := cases.NoteProposal(ctx, tx, who, p.Incident, response.Proposal{ID: p.ID, Kind: p.Kind, State: string(p.State), SHA256: p.Digest, Effect: p.Effect.Says.Record(), Why: p.Why})
			if errors.Is(err, response.ErrNotFound) || errors.Is(err, roster.ErrShredded) { // an incident without a case, or whose case is gone with this very proposal
				return nil
			}
			return err
		}})
	if err != nil {
		return nil, err
	}
	in.staff.Changed = room.Changed // what somebody proposed who may not any more is void with that
	return room, nil
}

// proposalSealer gives what a case's proposals are sealed under.
func (in *instance) proposalSealer(ctx context.Context, id string) (*store.Sealer, error) {
	s, err := in.rosters.Sealer(ctx, id, false)
	switch {
	case errors.Is(err, roster.ErrShredded):
		return nil, proposal.ErrGone
	case errors.Is(err, files.ErrNotExist) && !errors.Is(err, roster.ErrNoKey): // nothing is sealed of it: what is proposed is of what is public
		return nil, nil
	}
	return s, err
}

// voiding opens the room of proposals too, for what is done with people: what they proposed may end with it.
func (a *app) voiding(ctx context.Context, in *instance) error {
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return err
	}
	_, err = a.proposalRoom(ctx, in, cases)
	return err
}

// minHostWait is how long at least what the host proposes waits for its approval; and hostSays why.
const (
	minHostWait = time.Hour
	hostSays    = "proposed from the host: it may be the same person who approves"
)

// gone reports whether a member of the staff was removed.
func (in *instance) gone(ctx context.Context, person string) (bool, error) {
	people, err := in.staff.People(ctx, actor.Server())
	return err == nil && !slices.ContainsFunc(people, func(a staff.Account) bool { return a.ID == person }), err
}

// approvers counts who may approve, now or once they have waited.
func (in *instance) approvers(ctx context.Context) (int, error) {
	people, err := in.staff.People(ctx, actor.Server())
	n := 0
	for _, p := range people {
		if p.Has(actor.Approver) {
			n++
		}
	}
	return n, err
}

// proposes proposes something that cannot be undone, once there is staff, and says so; false where there is none, and whoever runs the
// command does it themselves.
func (a *app) proposes(ctx context.Context, in *instance, kind, id string, request any) (bool, error) {
	staffed, err := in.staff.Staffed(ctx)
	if err != nil || !staffed {
		return false, err
	}
	return true, a.propose(ctx, in, kind, id, request)
}

func (a *app) propose(ctx context.Context, in *instance, kind, id string, request any) error {
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return err
	}
	proposals, err := a.proposalRoom(ctx, in, cases)
	if err != nil {
		return err
	}
	p, err := proposals.Propose(ctx, actor.Operator(), kind, id, request)
	if err != nil {
		return err
	}
	row, err := in.proposalRow(ctx, p)
	if err != nil {
		return err
	}
	return a.print(map[string]any{"proposed": row}, func(w io.Writer) {
		fmt.Fprintf(w, "Nothing is done yet: it is proposal %s, and somebody else has to approve it at /console.\n\n", p.ID)
		printProposal(w, row)
	})
}

// proposalRow is a proposal as it is printed.
type proposalRow struct {
	ID       string          `json:"id"`
	Kind     string          `json:"kind"`
	Case     string          `json:"case,omitzero"`
	By       string          `json:"by"`
	Name     string          `json:"name,omitzero"`
	At       string          `json:"at"`
	Expires  string          `json:"expires"`
	State    string          `json:"state"`
	SHA256   string          `json:"sha256"`
	Bytes    int             `json:"bytes"`
	Effect   proposal.Effect `json:"effect"`
	Alone    string          `json:"aloneFrom,omitzero"`
	Host     bool            `json:"fromHost,omitzero"`
	Approver string          `json:"approver,omitzero"`
	Since    string          `json:"approverSince,omitzero"`
	Approved string          `json:"approved,omitzero"`
	Why      string          `json:"why,omitzero"`
	Result   jsontext.Value  `json:"result,omitzero"`
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (in *instance) proposalRow(ctx context.Context, p *proposal.Proposal) (proposalRow, error) {
	names, err := in.staff.Names(ctx)
	return proposalRow{ID: p.ID, Kind: p.Kind, Case: p.Incident, By: p.Proposer, Name: names[p.Person], At: stamp(p.At), Expires: stamp(p.Expires), State: string(p.State), SHA256: p.Digest, Bytes: len(p.Bytes),
		Effect: p.Effect, Alone: stamp(p.Alone), Host: p.Host(), Approver: p.Approver, Since: stamp(p.Since), Approved: stamp(p.Approved), Why: p.Why, Result: p.Result}, err
}

func printProposal(w io.Writer, r proposalRow) {
	rows := [][2]string{{"proposal", r.ID + ", " + r.State}, {"what", strings.TrimSpace(r.Kind + " " + r.Case)}, {"effect", oneLine(r.Effect.Says.EN)}}
	if r.Effect.People >= 0 {
		rows = append(rows, [2]string{"happens to", language.Digits(r.Effect.People) + " " + r.Effect.Unit})
	}
	by := r.By
	if r.Name != "" {
		by = oneLine(r.Name) + " (" + r.By + ")"
	}
	rows = append(rows, [2]string{"proposed", r.At + " by " + by}, [2]string{"until", r.Expires}, [2]string{"SHA-256", r.SHA256})
	switch {
	case r.Host:
		rows = append(rows, [2]string{"approval", "from " + r.Alone + "; " + hostSays})
	case r.Alone != "":
		rows = append(rows, [2]string{"approval", "one person alone, from " + r.Alone})
	}
	if r.Approver != "" {
		rows = append(rows, [2]string{"approved", r.Approved + " by " + r.Approver + ", who is an approver since " + r.Since})
	}
	if r.Why != "" {
		rows = append(rows, [2]string{"why", oneLine(r.Why)})
	}
	table(w, rows)
	for _, d := range r.Effect.Doubts {
		fmt.Fprintf(w, "against it: %s\n", oneLine(d.EN))
	}
}

func (a *app) cmdProposal() *cobra.Command {
	c := group("proposal", "Show and withdraw what waits for a second person", "  shirase proposal list")
	c.AddCommand(a.cmdProposalList(), a.cmdProposalShow(), a.cmdProposalWithdraw(), a.cmdProposalRule())
	return c
}

// withProposals opens what the commands of proposals need.
func (a *app) withProposals(c *cobra.Command, do func(ctx context.Context, in *instance, p *proposal.Proposals) error) error {
	in, cases, err := a.cases(c.Context())
	if err != nil {
		return err
	}
	defer in.close()
	p, err := a.proposalRoom(c.Context(), in, cases)
	if err != nil {
		return err
	}
	return do(c.Context(), in, p)
}

func (a *app) cmdProposalList() *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "list", Short: "List what waits for a second person", Args: cobra.NoArgs,
		Long:    "Lists the proposals that are open: what cannot be undone, and somebody else has to\napprove. Nobody approves on the command line: approving takes a person's passkey.",
		Example: "  shirase proposal list\n  shirase proposal list --all --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withProposals(c, func(ctx context.Context, in *instance, p *proposal.Proposals) error {
				list, err := p.List(ctx, actor.Operator(), all)
				if err != nil {
					return err
				}
				rows := []proposalRow{}
				for _, x := range list {
					row, err := in.proposalRow(ctx, x)
					if err != nil {
						return err
					}
					rows = append(rows, row)
				}
				return a.print(map[string]any{"proposals": rows}, func(w io.Writer) {
					for _, r := range rows {
						fmt.Fprintf(w, "%s  %-9s %s %s: %s\n", r.ID, r.State, r.Kind, r.Case, oneLine(r.Effect.Says.EN))
					}
					if len(rows) == 0 {
						fmt.Fprintf(w, "Nothing waits for a second person.\n")
					}
				})
			})
		}}
	c.Flags().BoolVar(&all, "all", false, "those too that are over")
	return c
}

func (a *app) cmdProposalShow() *cobra.Command {
	var text, raw bool
	c := &cobra.Command{Use: "show PROPOSAL", Short: "Show exactly what is proposed, and what happens to how many people", Args: cobra.ExactArgs(1),
		Long:    "Shows a proposal: what would be done, to how many people, by whom it was proposed and\napproved, and since when they may approve. --text prints the text of a notice, --bytes\nexactly what is proposed, whose SHA-256 an approval is of.",
		Example: "  shirase proposal show v-abcdefghij\n  shirase proposal show v-abcdefghij --bytes | sha256sum",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withProposals(c, func(ctx context.Context, in *instance, p *proposal.Proposals) error {
				x, err := p.Get(ctx, actor.Operator(), args[0])
				if err != nil {
					return hint.Add(err, "shirase proposal list --all")
				}
				if raw {
					_, err := a.out.Write(x.Bytes)
					return err
				}
				row, err := in.proposalRow(ctx, x)
				if err != nil {
					return err
				}
				ja, en := noticeText(x.Bytes)
				return a.print(map[string]any{"proposal": row, "what": jsontext.Value(x.Bytes), "text": map[string]string{"ja": ja, "en": en}}, func(w io.Writer) {
					printProposal(w, row)
					if text && ja != "" {
						fmt.Fprintf(w, "\n%s\n\n%s\n", ja, en)
					}
				})
			})
		}}
	c.Flags().BoolVar(&text, "text", false, "with the text of a notice")
	c.Flags().BoolVar(&raw, "bytes", false, "print exactly what is proposed, and nothing else")
	return c
}

// noticeText gives the text of a notice that is proposed; "" where there is none.
func noticeText(b []byte) (ja, en string) {
	var doc struct {
		Notice jsontext.Value `json:"notice"`
	}
	if err := json.Unmarshal(b, &doc); err != nil || doc.Notice == nil {
		return "", ""
	}
	n, err := incident.ParseNotice(doc.Notice)
	if err != nil {
		return "", ""
	}
	return n.Text.JA, n.Text.EN
}

func (a *app) cmdProposalWithdraw() *cobra.Command {
	var why string
	c := &cobra.Command{Use: "withdraw PROPOSAL", Short: "Withdraw a proposal", Args: cobra.ExactArgs(1), Long: "Withdraws a proposal that is open. It stays in the list.", Example: "  shirase proposal withdraw v-abcdefghij --why \"the count was wrong\"",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withProposals(c, func(ctx context.Context, in *instance, p *proposal.Proposals) error {
				x, err := p.Withdraw(ctx, actor.Operator(), args[0], why)
				if err != nil {
					return err
				}
				row, err := in.proposalRow(ctx, x)
				if err != nil {
					return err
				}
				return a.print(map[string]any{"proposal": row}, func(w io.Writer) { fmt.Fprintf(w, "Proposal %s is withdrawn.\n", x.ID) })
			})
		}}
	c.Flags().StringVar(&why, "why", "", "why")
	return c
}

func (a *app) cmdProposalRule() *cobra.Command {
	var alone time.Duration
	var second bool
	c := &cobra.Command{Use: "rule", Short: "Show or say how approval goes: by a second person, or by one alone after a delay", Args: cobra.NoArgs,
		Long: `Shows how approval goes. An organisation of one person may say with --alone that they
approve what they proposed themselves, with their passkey, after a delay of an hour to
thirty days. That applies to what is proposed a day later, is recorded, and stands on
every such proposal. --second wants a second person again, at once.`,
		Example: "  shirase proposal rule\n  shirase proposal rule --alone 24h\n  shirase proposal rule --second",
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("alone") && second {
				return usagef("--alone and --second exclude each other")
			}
			return a.withProposals(c, func(ctx context.Context, in *instance, p *proposal.Proposals) error {
				if c.Flags().Changed("alone") || second {
					if _, err := p.SetRule(ctx, actor.Operator(), !second, alone); err != nil {
						return err
					}
				}
				now, err := p.Rule(ctx)
				if err != nil {
					return err
				}
				rules, err := p.Rules(ctx)
				if err != nil {
					return err
				}
				type row struct {
					At      string `json:"at"`
					By      string `json:"by"`
					Alone   bool   `json:"alone"`
					Delay   string `json:"delay,omitzero"`
					Applies string `json:"applies"`
				}
				rows := []row{}
				for _, r := range rules {
					x := row{At: stamp(r.At), By: r.By, Alone: r.Alone, Applies: stamp(r.Applies)}
					if r.Alone {
						x.Delay = r.Delay.String()
					}
					rows = append(rows, x)
				}
				return a.print(map[string]any{"alone": now.Alone, "delay": now.Delay.String(), "rules": rows}, func(w io.Writer) {
					if now.Alone {
						fmt.Fprintf(w, "One person alone may approve what they proposed, after %s.\n", now.Delay)
					} else {
						fmt.Fprintf(w, "A second person approves.\n")
					}
					for _, r := range rows {
						what := "a second person"
						if r.Alone {
							what = "one person alone after " + r.Delay
						}
						fmt.Fprintf(w, "  %s by %s: %s, from %s on\n", r.At, r.By, what, r.Applies)
					}
				})
			})
		}}
	c.Flags().DurationVar(&alone, "alone", 0, "one person alone, after this delay: from 1h to 720h")
	c.Flags().BoolVar(&second, "second", false, "a second person")
	return c
}

// plannedAct is an act of a room that works out what it would do: once when it is proposed and once more when it is approved,
// and does it only where the same comes out.
func plannedAct[P any](plan func(ctx context.Context, who actor.Actor, id string, request []byte) (P, proposal.Plan, error),
	do func(ctx context.Context, who actor.Actor, id string, p P, settle func(tx *sql.Tx) error) error) proposal.Act {
	return proposal.Act{Single: true,
		Plan: func(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
			_, p, err := plan(ctx, who, id, request)
			return p, err
		},
		Do: func(ctx context.Context, who actor.Actor, id string, request []byte, digest string, settle func(tx *sql.Tx) error) (any, error) {
			planned, p, err := plan(ctx, who, id, request)
			if err != nil {
				return nil, err
			}
			if p.Digest() != digest {
				return nil, proposal.ErrChanged
			}
			return map[string]any{"incident": id}, do(ctx, who, id, planned, settle)
		}}
}
