package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/publish"
)

// maxFacts bounds a facts file, in bytes.
const maxFacts = 1 << 20

func (a *app) cmdIncident() *cobra.Command {
	c := group("incident", "Record what happened", "  shirase incident new --facts facts.yaml")
	c.AddCommand(a.cmdFacts("new", "Record an incident from a facts file",
		"Records an incident and its facts, all of them or none. Every notice, page and\nform renders from these facts. examples/facts.yaml is a short one to start from.",
		(*incident.Incidents).Create))
	c.AddCommand(a.cmdFacts("add", "Add facts to an incident",
		"Adds the facts of a file to an incident that is recorded already: what was learnt\nsince, a scope that is settled (scope.state: final), an item that is retracted. What\nwas recorded stays. Publish afterwards: the incident gets its next notice.",
		(*incident.Incidents).Add))
	c.AddCommand(a.cmdIncidentShow())
	c.AddCommand(a.cmdOrigin("own", "Take over an incident that was recorded from others as your own",
		"Makes an incident that was recorded from what others published your own. What is\nshown of it stays, marked as not signed; what is recorded from now on is a draft until\nit is published. Its data set does not change it any more.",
		"%s is your own now. What was shown stays, marked as not signed, until a notice signs it.\n", "",
		func(ctx context.Context, in *instance, id string) error {
			return in.incidents.Own(ctx, actor.Operator(), id)
		}))
	c.AddCommand(a.cmdOrigin("disown", "Say that another organisation answers for an incident",
		"Says of an incident that it was recorded from what another organisation published.\nEverything that is recorded of it becomes public at once, and it cannot be published\nas a notice of yours. What was published as yours stays yours, and so does what has a\ncase or a roster. Once there is staff, it is proposed.",
		"%s is recorded from what others published, and public now.\n", publish.KindDisown,
		func(ctx context.Context, in *instance, id string) error {
			return in.publisher.Disown(ctx, actor.Operator(), id)
		}))
	c.AddCommand(a.cmdFetch(), a.cmdImport(), a.cmdExport(), a.cmdDuplicates(), a.cmdMerge(), a.cmdRetire(), a.cmdReopen(), a.cmdWithdraw())
	return c
}

// cmdOrigin makes a command that changes whose an incident is. kind is that of its proposal; "" where one person may do it.
func (a *app) cmdOrigin(use, short, long, done, kind string, change func(ctx context.Context, in *instance, id string) error) *cobra.Command {
	return &cobra.Command{Use: use + " ID", Short: short, Long: long, Example: "  shirase incident " + use + " other-2020", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if kind != "" {
				if done, err := a.proposes(c.Context(), in, kind, args[0], struct{}{}); done || err != nil {
					return err
				}
			}
			if err := change(c.Context(), in, args[0]); err != nil {
				return err
			}
			return a.print(map[string]any{"id": args[0], "own": use == "own"}, func(w io.Writer) { fmt.Fprintf(w, done, args[0]) })
		}}
}

// idleFact is a fact that was recorded and does not hold, because another is known as of later.
type idleFact struct {
	Key   string `json:"key"`
	Item  string `json:"id,omitzero"`
	AsOf  string `json:"asOf"`
	Holds string `json:"holds"` // as of when the one is known that holds
}

// withoutEffect names the given facts that an earlier as-of leaves without effect.
func withoutEffect(inc incident.Incident, given []incident.Fact) []idleFact {
	out := []idleFact{}
	for _, g := range given {
		if g.AsOf.IsZero() {
			continue // it is as of now
		}
		for _, f := range inc.Facts {
			if f.Key == g.Key && f.Item == g.Item && f.AsOf.Time.After(g.AsOf.Time) {
				out = append(out, idleFact{g.Key, g.Item, g.AsOf.String(), f.AsOf.String()})
			}
		}
	}
	return out
}

// cmdFacts makes a command that records a facts file.
func (a *app) cmdFacts(use, short, long string, record func(*incident.Incidents, context.Context, actor.Actor, *incident.FactsFile) (incident.Incident, error)) *cobra.Command {
	var facts string
	c := &cobra.Command{Use: use + " --facts FILE", Short: short, Args: cobra.NoArgs, Long: long,
		Example: "  shirase incident " + use + " --facts facts.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if facts == "" {
				return usagef("incident %s wants --facts FILE", use)
			}
			src, err := readLimited(c.Context(), facts, maxFacts)
			if err != nil {
				return fmt.Errorf("read the facts: %w", err)
			}
			file, err := incident.ParseFactsFile(facts, src)
			if err != nil {
				return err
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			cases, err := a.casesOf(c.Context(), in)
			if err != nil {
				return err
			}
			before, err := cases.Standing(c.Context(), actor.Operator(), file.ID)
			if err != nil {
				return err
			}
			inc, err := record(in.incidents, c.Context(), actor.Operator(), file)
			if err != nil {
				return err
			}
			after, err := cases.Standing(c.Context(), actor.Operator(), inc.ID)
			if err != nil {
				return err
			}
			changes := changeRows(before, after)
			idle := withoutEffect(inc, file.Facts)
			return a.print(map[string]any{"id": inc.ID, "facts": len(inc.Facts), "state": inc.State(), "withoutEffect": idle, "clocks": changes}, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s\n", inc.ID, inc.Title(language.EN))
				fmt.Fprintf(w, "%s facts hold now.\n", language.Digits(int64(len(inc.Facts))))
				for _, f := range idle {
					fmt.Fprintf(w, "Without effect: %s, as of %s. What is known as of %s holds: give it a later asOf.\n", f.Key, f.AsOf, f.Holds)
				}
				printChanges(w, changes)
				if _, imported, _ := in.incidents.Provenance(c.Context(), inc.ID); imported {
					fmt.Fprintf(w, "It is recorded from what others published, and public.\n")
					return
				}
				fmt.Fprintf(w, "Nothing of this is public before it is published. To look at it: shirase serve --preview\n\nNext: %s\n", in.nextFor(c.Context(), inc))
			})
		}}
	c.Flags().StringVar(&facts, "facts", "", "facts file (YAML)")
	c.MarkFlagFilename("facts", "yaml", "yml")
	return c
}
