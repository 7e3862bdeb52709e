package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/reach/bounce"
	"shirase/internal/reach/returned"
)

// told is what a campaign has come to until now.
func told(ctx context.Context, who actor.Actor, r *reach.Reach, c *reach.Campaign) (returned.Told, error) {
	n, err := r.Counts(ctx, who, c.ID)
	if err != nil {
		return returned.Told{}, err
	}
	reasons, err := r.Reasons(ctx, who, c.ID)
	if err != nil {
		return returned.Told{}, err
	}
	instead, err := r.Instead(ctx, who, c.ID)
	if err != nil {
		return returned.Told{}, err
	}
	out := returned.Told{Channel: c.Way().Words(), Instead: map[language.Text]int64{}, From: c.Started, To: c.Ended, States: n.Names(), Reasons: map[bounce.Reason]int64{}, Place: time.Local}
	if out.To.IsZero() {
		out.To = time.Now()
	}
	for reason, n := range reasons {
		out.Reasons[bounce.Reason(reason)] = n
	}
	for kind, n := range instead {
		if kind != "" {
			out.Instead[kind.Words()] += n
		}
	}
	return out, nil
}

func (a *app) cmdCampaignReport() *cobra.Command {
	return &cobra.Command{Use: "report CAMPAIGN", Short: "Give the figures that a regulator asks for: how many were told, and who was not, and why", Args: cobra.ExactArgs(1),
		Long: `Gives how many were told, when and how; how many could not be reached, and why; and how
many are to be told in another way instead (substitute measures), in Japanese and in
English. They are the figures of this moment: a bounce that comes later moves them.`,
		Example: "  shirase campaign report c-abcdefghij\n  shirase campaign report c-abcdefghij --json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, _ *instance, r *reach.Reach) error {
				what, err := r.Get(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				t, err := told(ctx, actor.Operator(), r, what)
				if err != nil {
					return err
				}
				type row struct {
					ID    string        `json:"id"`
					Count int64         `json:"count"`
					Text  language.Text `json:"text"`
				}
				rows := []row{}
				for _, x := range t.Items() {
					rows = append(rows, row{x.ID, x.Count, x.Text})
				}
				at := time.Now()
				return a.print(map[string]any{"id": what.ID, "at": stamp(at), "figures": rows}, func(w io.Writer) {
					fmt.Fprintf(w, "Campaign %s of %s, at %s\n\n", what.ID, what.Incident, stamp(at))
					for _, x := range rows {
						fmt.Fprintf(w, "  %s\n  %s\n\n", x.Text.JA, x.Text.EN)
					}
				})
			})
		}}
}
