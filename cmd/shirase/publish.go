package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/publish"
)

// published is what `shirase publish` prints.
type published struct {
	Incident    string     `json:"incident"`
	State       string     `json:"state"`
	Revision    string     `json:"revision,omitzero"`
	Entries     int64      `json:"entries"`
	Accounts    int64      `json:"accounts"`
	Invalid     int64      `json:"invalid"`      // rows of the export that could not be read
	NoEmail     int64      `json:"withoutEmail"` // affected accounts without an address
	Layer       string     `json:"layer,omitzero"`
	Statement   check.Hash `json:"statement"`
	Seq         int64      `json:"seq"`
	LedgerIndex int64      `json:"ledgerIndex"`
	Notice      string     `json:"notice"`
	NoticeIndex int64      `json:"noticeLedgerIndex"`
	Changed     bool       `json:"changed"`
	Public      bool       `json:"public"` // false: it waits for witnesses
	Proposal    string     `json:"proposal"`
	Despite     string     `json:"despite,omitzero"`

	Differences    []publish.Difference `json:"differences"`
	Uncompared     []string             `json:"uncompared"` // what the facts say and nothing can be compared with
	Missing        []string             `json:"missing"`    // what the notice lacks because this instance does not know it
	Contradictions []contradiction      `json:"contradictions"`
}

func (a *app) cmdPublish() *cobra.Command {
	var despite string
	c := &cobra.Command{
		Use:   "publish ID",
		Short: "Seal, prove and publish an incident",
		Long: `Seals the incident's roster into the index, folds the layers, asks the draft with
the real client, and then publishes statement, notice and ledger entries at once.
Killed, it goes on where it was when it is started again. An incident whose scope
is under investigation is published as that, without a roster.

Facts, roster and rules are compared first: a number or a kind of data that the
notice tells and a check does not, or rows that could not be read, stop it.
So does what "lint" finds in the text, in either language. --despite says why it is
right all the same; the reason is kept and not shown. A fact that overturns what was
published is told first, whatever the reason.`,
		Example: "  shirase publish naver-2013\n  shirase publish naver-2013 --despite \"the notice counts accounts closed since, which the export lacks\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			against, err := a.warn(c.Context(), in, args[0])
			if err != nil {
				return err
			}
			r := publish.Request{Incident: args[0], Despite: despite}
			if err := a.notMerged(c.Context(), in, r.Incident); err != nil {
				return err
			}
			if done, err := a.proposes(c.Context(), in, publish.KindPublish, r.Incident, publish.AskedOf(r, in.now())); done || err != nil {
				return err
			}
			p, err := a.publish(c.Context(), in, r)
			if err != nil {
				return err
			}
			p.Contradictions = against
			a.tellDoubts(p.Differences, p.Uncompared, p.Missing)
			if p.State == incident.StateRetired {
				a.say("warning: a fact ends the answers, and destroys no key: shirase incident retire %s", p.Incident)
			}
			return a.print(p, func(w io.Writer) {
				if !p.Changed {
					fmt.Fprintf(w, "%s is published as it is: statement %s.\n", p.Incident, language.Digits(p.Seq))
					return
				}
				state := p.State
				if state == incident.StateInvestigating {
					state += " (nobody can be checked yet)"
				}
				rows := [][2]string{{"incident", p.Incident}, {"state", state}}
				if p.Revision != "" {
					rows = append(rows, [2]string{"accounts in scope", language.Digits(p.Accounts)},
						[2]string{"entries in the index", language.Digits(p.Entries) + ", revision " + p.Revision})
				}
				if p.Invalid > 0 {
					rows = append(rows, [2]string{"not found by a check", language.Digits(p.Invalid) + " rows could not be read"})
				}
				if p.NoEmail > 0 {
					rows = append(rows, [2]string{"not found by address", language.Digits(p.NoEmail) + " affected accounts have none"})
				}
				rows = append(rows, [2]string{"statement", language.Digits(p.Seq) + ", ledger entry " + strconv.FormatInt(p.LedgerIndex, 10)})
				rows = append(rows, [2]string{"notice", p.Notice + ", ledger entry " + strconv.FormatInt(p.NoticeIndex, 10)})
				table(w, rows)
				fmt.Fprintf(w, "\nNext: shirase serve\n")
			})
		},
	}
	a.todayFlag(c)
	c.Flags().StringVar(&despite, "despite", "", "publish although facts, roster and rules differ, and why")
	return c
}

// publish seals an incident's roster where its scope is final, and publishes it with its notice.
func (a *app) publish(ctx context.Context, in *instance, r publish.Request) (*published, error) {
	if err := a.notMerged(ctx, in, r.Incident); err != nil {
		return nil, err
	}
	release, err := in.hold(r.Incident, "publishing "+r.Incident)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", r.Incident, err)
	}
	defer release()
	tell, end := a.progress("sealing")
	r.Progress = tell
	prop, pub, err := in.publisher.Run(ctx, actor.Operator(), r)
	end()
	if err != nil {
		return nil, err
	}
	a.tellWaiting(pub.Waiting)
	p := &published{Incident: prop.Incident, State: prop.State, Statement: pub.Hash, Seq: pub.Statement.Seq, LedgerIndex: pub.LedgerIndex,
		Notice: pub.Notice.ID, NoticeIndex: pub.Notice.LedgerIndex, Changed: pub.Changed, Public: pub.Waiting == nil, Proposal: prop.ID(),
		Despite: prop.Despite, Differences: prop.Differences, Uncompared: publish.English(prop.Uncompared), Missing: publish.English(prop.Missing)}
	if prop.Sealed != nil {
		counts := prop.Roster.Counts
		p.Revision, p.Entries, p.Accounts, p.Layer = prop.Sealed.Revision, prop.Sealed.Layer.N, counts.Affected, prop.Sealed.Layer.Root.String()
		p.Invalid, p.NoEmail = counts.Invalid, counts.WithoutEmail
	}
	return p, nil
}

// notMerged refuses an id that leads to another incident.
func (a *app) notMerged(ctx context.Context, in *instance, id string) error {
	inc, err := in.incidents.Get(ctx, id)
	if err == nil && inc.ID != id {
		err = hint.Add(fmt.Errorf("publish %s: it was merged into %s", id, inc.ID), "publish that one: shirase publish "+inc.ID)
	}
	return err
}

// tellDoubts tells, on stderr, what was published although something speaks against it.
func (a *app) tellDoubts(differences []publish.Difference, uncompared, missing []string) {
	for _, d := range differences {
		a.say("warning: published despite a difference: %s", oneLine(d.What))
	}
	for _, m := range append(slices.Clone(uncompared), missing...) {
		a.say("warning: %s", oneLine(m))
	}
	if slices.ContainsFunc(missing, func(m string) bool { return strings.Contains(m, "its address") }) {
		a.say("hint: give this instance its address: shirase config set url https://...")
	}
}
