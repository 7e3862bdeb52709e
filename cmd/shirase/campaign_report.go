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
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/reach/bounce"
	"shirase/internal/reach/returned"
	"shirase/internal/response"
)

// toldBy is what a campaign has come to until now.
func toldBy(ctx context.Context, who actor.Actor, r *reach.Reach, c *reach.Campaign) (returned.Told, error) {
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
	out := returned.Told{Channel: c.Way().Words(), Instead: map[language.Text]int64{}, From: c.Started, To: c.Ended, States: n.Names(), Reasons: map[bounce.Reason]int64{}}
	if out.To.IsZero() {
		out.To = time.Now()
	}
	shown, err := r.ShownTo(ctx, who, c.ID)
	if err != nil {
		return returned.Told{}, err
	}
	out.Shown = returned.Shown(shown)
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
	var facts string
	c := &cobra.Command{Use: "report CAMPAIGN", Short: "Give the figures that a regulator asks for: how many were told, and who was not, and why", Args: cobra.ExactArgs(1),
		Long: `Gives how many were told, when and how; how many could not be reached, and why; and how
many are to be told in another way instead (substitute measures), in Japanese and in
English. They are the figures of this moment: a bounce that comes later moves them. Where
they were recorded as a fact and have moved since, whatever was told with the earlier
ones is named. --facts writes them as a file for incident add.`,
		Example: "  shirase campaign report c-abcdefghij\n  shirase campaign report c-abcdefghij --json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCampaigns(c, func(ctx context.Context, in *instance, r *reach.Reach) error {
				what, err := r.Get(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				t, err := toldBy(ctx, actor.Operator(), r, what)
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
				if facts != "" {
					return a.writeTold(what, t, facts)
				}
				moved, err := a.movedSince(ctx, in, r, what, t)
				if err != nil {
					return err
				}
				at := time.Now()
				return a.print(map[string]any{"id": what.ID, "at": stamp(at), "figures": rows, "recorded": moved.Recorded, "moved": moved.Moved, "overtaken": moved.Overtaken}, func(w io.Writer) {
					fmt.Fprintf(w, "Campaign %s of %s, at %s\n\n", what.ID, what.Incident, stamp(at))
					for _, x := range rows {
						fmt.Fprintf(w, "  %s\n  %s\n\n", x.Text.JA, x.Text.EN)
					}
					moved.print(w, what.ID)
				})
			})
		}}
	c.Flags().StringVar(&facts, "facts", "", "write the figures as a facts file to this path, and say nothing else")
	return c
}

// movement is how a campaign's figures stand in the facts of its case.
type movement struct {
	Recorded  bool            // they were recorded as a fact
	Moved     bool            // and are not what was recorded any more
	Overtaken []language.Text // what was told with the figures that are recorded
}

func (a *app) movedSince(ctx context.Context, in *instance, r *reach.Reach, c *reach.Campaign, t returned.Told) (movement, error) {
	out := movement{Overtaken: []language.Text{}}
	inc, err := in.incidents.Get(ctx, c.Incident)
	if err != nil {
		return out, err
	}
	is := t.Fact(c.ID)
	i := slices.IndexFunc(inc.Facts, func(f incident.Fact) bool { return f.Key == is.Key && f.Item == is.Item })
	if i < 0 {
		return out, nil
	}
	was := inc.Facts[i].Value.Text
	if out.Recorded, out.Moved = true, was != is.Value.Text; !out.Moved {
		return out, nil
	}
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return out, err
	}
	found, err := cases.Overtaken(ctx, actor.Operator(), c.Incident, was)
	if err != nil && !errors.Is(err, response.ErrNotFound) { // an incident may have no case
		return out, err
	}
	out.Overtaken = append(out.Overtaken, found...)
	mails, err := r.Texts(ctx, actor.Operator(), c.Incident)
	for _, m := range mails {
		if strings.Contains(m.Text.JA, was.JA) || strings.Contains(m.Text.EN, was.EN) {
			out.Overtaken = append(out.Overtaken, language.Both("メール（配信 "+m.Campaign+"）", "Mail of campaign "+m.Campaign))
		}
	}
	return out, err
}

func (m movement) print(w io.Writer, id string) {
	if m.Moved {
		fmt.Fprintf(w, "They have moved since they were recorded as a fact.\n")
		for _, x := range m.Overtaken {
			fmt.Fprintf(w, "  overtaken: %s / %s\n", oneLine(x.JA), oneLine(x.EN))
		}
	}
	if m.Moved || !m.Recorded {
		fmt.Fprintf(w, "Record them: shirase campaign report %s --facts told.yaml, then shirase incident add --facts told.yaml\n", id)
	}
}

// writeTold writes a campaign's figures as a file of facts.
func (a *app) writeTold(c *reach.Campaign, t returned.Told, path string) error {
	f := t.Fact(c.ID)
	text := fmt.Sprintf("id: %s\nfacts:\n  - key: action\n    id: %s\n    status: %s\n", c.Incident, f.Item, f.Value.Status)
	if at := f.Value.Time; !at.IsZero() {
		text += fmt.Sprintf("    at: %q\n", at.String())
	}
	text += fmt.Sprintf("    asOf: %q\n    value:\n      ja: %q\n      en: %q\n", time.Now().In(incident.Japan).Format("2006-01-02T15:04Z07:00"), f.Value.Text.JA, f.Value.Text.EN)
	return writeNew(path, []byte(text))
}
