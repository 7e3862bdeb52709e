package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/publish"
)

// contradiction is a place where facts disagree, as JSON.
type contradiction struct {
	Code  string      `json:"code"`
	JA    string      `json:"ja"`
	EN    string      `json:"en"`
	Facts []shownFact `json:"facts"`
}

// shownFact is a fact as JSON, with its value in words.
type shownFact struct {
	Key       string `json:"key"`
	ID        string `json:"id,omitzero"`
	JA        string `json:"ja"`
	EN        string `json:"en"`
	Certainty string `json:"certainty"`
	Source    string `json:"source,omitzero"`
	AsOf      string `json:"asOf"`
	Retracted bool   `json:"retracted,omitzero"`
}

func inWords(facts []incident.Fact) []shownFact {
	out := []shownFact{}
	for _, f := range facts {
		out = append(out, shownFact{f.Key, f.Item, f.In(language.JA), f.In(language.EN), string(f.Certainty), f.Source, f.AsOf.String(), f.Retracted})
	}
	return out
}

// disagreements gives the contradictions of an incident, and the questions it leaves open.
func disagreements(ctx context.Context, in *instance, id string) (against, open []contradiction, err error) {
	found, err := in.incidents.Contradictions(ctx, id)
	against, open = []contradiction{}, []contradiction{}
	for _, f := range found {
		c := contradiction{f.Code, f.Text.JA, f.Text.EN, inWords(f.Facts)}
		if f.Open {
			open = append(open, c)
		} else {
			against = append(against, c)
		}
	}
	return against, open, err
}

func (a *app) cmdIncidentShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show the facts of an incident, what is not published yet, and what contradicts itself",
		Long: `Shows every fact that holds, how each came to be, what no notice has said yet,
where the facts contradict each other, and what they leave open. Each fact has its
source and the time as of which it is known.`,
		Example: "  shirase incident show naver-2013\n  shirase incident show naver-2013 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			return a.showIncident(c.Context(), in, args[0])
		}}
}

func (a *app) showIncident(ctx context.Context, in *instance, id string) error {
	inc, err := in.incidents.Get(ctx, id)
	if err != nil {
		return err
	}
	against, open, err := disagreements(ctx, in, inc.ID)
	if err != nil {
		return err
	}
	unpublished, err := in.incidents.Unpublished(ctx, inc.ID, time.Time{})
	if err != nil {
		return err
	}
	history, err := in.incidents.History(ctx, inc.ID)
	if err != nil {
		return err
	}
	_, imported, err := in.incidents.Provenance(ctx, inc.ID)
	if err != nil {
		return err
	}
	state, unsigned := inc.State(), []incident.Fact{}
	var records []publish.Record
	if !imported {
		if state, err = in.publisher.State(ctx, inc); err != nil {
			return err
		}
		if records, err = in.publisher.Records(ctx, inc.ID); err != nil {
			return err
		}
	} else {
		unpublished = nil
	}
	shown, err := in.incidents.Public().Get(ctx, inc.ID)
	if err != nil && !errors.Is(err, incident.ErrNotFound) {
		return err
	}
	public := err == nil && shown.ID == inc.ID
	for _, f := range shown.Facts {
		if f.Unsigned {
			unsigned = append(unsigned, f)
		}
	}
	type past struct {
		Key   string      `json:"key"`
		ID    string      `json:"id,omitzero"`
		Facts []shownFact `json:"facts"`
	}
	changed := []past{}
	for _, p := range history {
		if p.Changed() {
			changed = append(changed, past{p.Key, p.Item, inWords(p.Facts)})
		}
	}
	v := struct {
		ID             string           `json:"id"`
		JA             string           `json:"ja"`
		EN             string           `json:"en"`
		Own            bool             `json:"own"`    // else recorded from what others published
		Public         bool             `json:"public"` // whether anything of it is shown to everybody
		State          string           `json:"state,omitzero"`
		Facts          []shownFact      `json:"facts"`
		History        []past           `json:"history"`
		Unpublished    []shownFact      `json:"unpublished"`
		Unsigned       []shownFact      `json:"unsigned"` // shown by an earlier version before facts had to be signed
		Records        []publish.Record `json:"records"`  // how it was published, by whom, and despite what
		Contradictions []contradiction  `json:"contradictions"`
		Open           []contradiction  `json:"open"`
	}{inc.ID, inc.Title(language.JA), inc.Title(language.EN), !imported, public, state, inWords(inc.Facts), changed, inWords(unpublished), inWords(unsigned), records, against, open}
	return a.print(v, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s\n", inc.ID, oneLine(v.EN))
		switch {
		case imported:
			fmt.Fprintf(w, "Recorded from what others published; public as it is recorded.\n\n")
		case public && len(shown.Facts) == len(unsigned):
			fmt.Fprintf(w, "Your own; the public sees what was shown before facts had to be signed. Scope: %s.\n\n", state)
		case public:
			fmt.Fprintf(w, "Your own; the public sees what its notices told. Scope: %s.\n\n", state)
		default:
			fmt.Fprintf(w, "Your own; nothing of it is public. Scope: %s.\n\n", state)
		}
		for _, f := range v.Facts {
			fmt.Fprintln(w, factLine(f))
		}
		if len(changed) > 0 {
			fmt.Fprintf(w, "\nHow they came to be:\n")
			for _, p := range changed {
				for _, f := range p.Facts {
					fmt.Fprintln(w, "  "+factLine(f))
				}
			}
		}
		if len(unpublished) > 0 {
			fmt.Fprintf(w, "\nIn no notice yet:\n")
			for _, f := range v.Unpublished {
				fmt.Fprintln(w, "  "+factLine(f))
			}
		}
		if len(unsigned) > 0 {
			fmt.Fprintf(w, "\nShown before facts had to be signed, and in no notice yet (publish to sign them):\n")
			for _, f := range v.Unsigned {
				fmt.Fprintln(w, "  "+factLine(f))
			}
		}
		for _, r := range records {
			if r.Despite != "" {
				fmt.Fprintf(w, "\nLedger entry %d was published despite a difference: %s\n", r.LedgerIndex, oneLine(r.Despite))
				for _, d := range r.Differences {
					fmt.Fprintf(w, "  %s\n", oneLine(d.What))
				}
			}
		}
		printContradictions(w, "\nThe facts contradict each other:", against)
		printContradictions(w, "\nThe facts leave open:", open)
	})
}

func factLine(f shownFact) string {
	name := f.Key
	if f.ID != "" {
		name += " " + f.ID
	}
	source := ""
	if f.Source != "" {
		source = ", " + f.Source
	}
	return oneLine(fmt.Sprintf("%-28s %s   (%s, as of %s%s)", name, f.EN, f.Certainty, f.AsOf, source))
}

func printContradictions(w io.Writer, heading string, list []contradiction) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, heading)
	for _, c := range list {
		fmt.Fprintf(w, "- %s [%s]\n", oneLine(c.EN), c.Code)
		for _, f := range c.Facts {
			fmt.Fprintln(w, "    "+factLine(f))
		}
	}
}

// warn tells, on stderr, what contradicts itself in an incident that is being
// published, and gives it. It does not refuse: at hour 0 a notice with a doubt
// in it is better than none, and the doubt is now known.
func (a *app) warn(ctx context.Context, in *instance, id string) ([]contradiction, error) {
	against, _, err := disagreements(ctx, in, id)
	if err != nil {
		return nil, err
	}
	if len(against) > 0 {
		printContradictions(a.err, fmt.Sprintf("warning: the facts of %s contradict each other, and are published as they are:", id), against)
		a.say("hint: mend them with shirase incident add --facts FILE, and publish a correction")
	}
	return against, nil
}
