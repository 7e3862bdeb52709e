package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/collect"
	"shirase/internal/files"
	"shirase/internal/incident/extract"
	"shirase/internal/language"
)

func (a *app) cmdInbox() *cobra.Command {
	c := group("inbox", "Decide about disclosures of others that were found", "  shirase inbox list\n  shirase inbox accept i-abcdefghijkl")
	c.AddCommand(a.cmdInboxList(), a.cmdInboxShow(), a.cmdInboxAccept(), a.cmdInboxMerge(), a.cmdInboxLabels())
	c.AddCommand(a.cmdInboxDo("ignore ITEM", "Leave an item", "An item that is ignored is not shown again, unless its page says something else.", "ignored",
		func(ctx context.Context, room *collect.Collection, i *collect.Look, why string) error {
			return room.Ignore(ctx, actor.Operator(), i.ID, i.Version, why)
		}))
	c.AddCommand(a.cmdInboxDo("split ITEM", "Say that an item is about something of its own", "Takes it away from the incident or the item that it was joined to.", "on its own",
		func(ctx context.Context, room *collect.Collection, i *collect.Look, _ string) error {
			return room.Split(ctx, actor.Operator(), i.ID, i.Version)
		}))
	c.AddCommand(a.cmdInboxDo("undo ITEM", "Take back what was last decided about an item",
		"What was recorded by accepting it is taken back too: what held before holds again, and\nan incident that it made is withdrawn. What was public stays in the history.", "waiting again, or as it was before",
		func(ctx context.Context, room *collect.Collection, i *collect.Look, _ string) error {
			return room.Undo(ctx, actor.Operator(), i.ID)
		}))
	return c
}

// withCollection does something with the room.
func (a *app) withCollection(ctx context.Context, do func(in *instance, room *collect.Collection) error) error {
	in, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer in.close()
	room, err := a.collection(ctx, in)
	if err != nil {
		return err
	}
	return do(in, room)
}

// inboxItem is an item as it is printed.
type inboxItem struct {
	ID           string `json:"id"`
	Kind         string `json:"kind"`
	Relation     string `json:"relation"`
	State        string `json:"state"`
	Rank         int    `json:"rank"`
	Title        string `json:"title"`
	Organisation string `json:"organisation,omitzero"`
	Told         string `json:"told,omitzero"`
	URL          string `json:"url,omitzero"`
	Incident     string `json:"incident,omitzero"`
	Near         string `json:"near,omitzero"`
	Source       string `json:"source,omitzero"`
	At           string `json:"at"`
	By           string `json:"by,omitzero"` // who decided
}

func itemRow(i *collect.Item) inboxItem {
	return inboxItem{i.ID, i.Kind, i.Relation, i.State, i.Rank, i.Title, i.Organisation, i.Told, i.URL, i.Incident, i.Near, i.Source, i.Created.Format(time.RFC3339), i.DecidedBy}
}

func (a *app) cmdInboxList() *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "list", Short: "List what waits, the first to be decided first", Args: cobra.NoArgs, Example: "  shirase inbox list",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withCollection(c.Context(), func(_ *instance, room *collect.Collection) error {
				list, err := room.List(c.Context(), actor.Operator(), all)
				if err != nil {
					return err
				}
				rows := []inboxItem{}
				for _, i := range list {
					rows = append(rows, itemRow(i))
				}
				return a.print(map[string]any{"items": rows}, func(w io.Writer) {
					for _, i := range rows {
						what := i.Kind + ", " + i.Relation
						if i.State != collect.Waiting {
							what += ", " + i.State + " by " + i.By
						}
						fmt.Fprintf(w, "%s  %s\n    %s %s  %s\n", i.ID, what, i.Told, oneLine(i.Organisation), oneLine(i.Title))
						if i.Incident != "" {
							fmt.Fprintf(w, "    of %s\n", i.Incident)
						}
						if i.Near != "" {
							fmt.Fprintf(w, "    says the same as %s\n", i.Near)
						}
					}
					fmt.Fprintf(w, "%s items.\n", language.Digits(int64(len(rows))))
				})
			})
		}}
	c.Flags().BoolVar(&all, "all", false, "those that are decided too")
	return c
}

func (a *app) cmdInboxShow() *cobra.Command {
	return &cobra.Command{Use: "show ITEM", Short: "Show an item: its text, what it proposes, what changed", Args: cobra.ExactArgs(1), Example: "  shirase inbox show i-abcdefghijkl",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCollection(c.Context(), func(_ *instance, room *collect.Collection) error {
				l, err := room.Show(c.Context(), actor.Operator(), args[0])
				if err != nil {
					return err
				}
				out := map[string]any{"item": itemRow(l.Item), "id": l.Suggested}
				if l.Doc != nil {
					out["source"], out["text"], out["facts"] = sourceOf(l.Doc), l.Doc.Text, emptied(l.Entries)
				}
				if l.Claim != nil {
					out["claim"] = map[string]any{"text": l.Claim.Text, "domain": l.Claim.Domain, "verified": !l.Claim.Verified.IsZero(), "how": l.Claim.How, "ofSource": l.Claim.OfSource}
				}
				changes := []string{}
				for _, line := range l.Lines {
					if line.Op != ' ' {
						changes = append(changes, string(line.Op)+" "+line.Text)
					}
				}
				if l.Was != nil {
					out["changes"] = changes
				}
				return a.print(out, func(w io.Writer) {
					fmt.Fprintf(w, "%s, %s: %s\n%s\n", l.Kind, l.Relation, oneLine(l.Title), l.URL)
					for _, line := range changes {
						fmt.Fprintln(w, oneLine(line))
					}
					if l.Claim != nil {
						fmt.Fprintf(w, "\n%s\nDomain: %s, shown: %v\n", l.Claim.Text, l.Claim.Domain, !l.Claim.Verified.IsZero())
					}
					if l.Doc != nil && l.Was == nil {
						printFetched(w, l.Doc, l.Entries, l.ID, true)
					}
				})
			})
		}}
}

func emptied(entries []extract.Entry) []extract.Entry {
	if entries == nil {
		return []extract.Entry{}
	}
	return entries
}

func (a *app) cmdInboxAccept() *cobra.Command {
	var yes bool
	var id, relation string
	c := &cobra.Command{Use: "accept ITEM", Short: "Record an item's facts, one by one accepted, corrected or skipped",
		Long: `Asks about each fact that the item's text states, with its words, and records what you
accept, with its source. What others disclosed is public at once; of an incident of your
own it is a draft. What you correct and skip is kept as a label of how well texts are
read (shirase inbox labels).`,
		Args: cobra.ExactArgs(1), Example: "  shirase inbox accept i-abcdefghijkl\n  shirase inbox accept i-abcdefghijkl --yes --incident example-2026",
		RunE: func(c *cobra.Command, args []string) error {
			ctx := c.Context()
			return a.withCollection(ctx, func(_ *instance, room *collect.Collection) error {
				l, err := room.Show(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				acc := collect.Acceptance{Item: l.ID, Version: l.Version, Incident: id, Relation: relation}
				if yes {
					for range l.Entries {
						acc.Choices = append(acc.Choices, collect.Choice{Outcome: collect.Taken})
					}
				} else if len(l.Entries) > 0 {
					name := id
					if name == "" {
						name = l.Suggested
					}
					r := review{a: a, in: bufio.NewScanner(files.Interruptible(ctx, c.InOrStdin())), text: []byte(l.Doc.Text), id: name, zone: l.Proposed.Zone}
					if acc.Choices, err = r.choices(l.Entries); err != nil {
						return err
					}
				}
				i, err := room.Accept(ctx, actor.Operator(), acc)
				if err != nil {
					return err
				}
				return a.print(map[string]any{"item": i.ID, "incident": i.Incident, "state": i.State}, func(w io.Writer) {
					fmt.Fprintf(w, "Recorded with %s. To take it back: shirase inbox undo %s\n", i.Incident, i.ID)
				})
			})
		}}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "accept every proposed fact")
	c.Flags().StringVar(&id, "incident", "", "the incident that it is added to, or the id of a new one (default: as proposed)")
	c.Flags().StringVar(&relation, "relation", "", "of a change: addendum, correction or silent (default: as proposed)")
	return c
}

// choices asks about each fact, and tells what became of it.
func (r *review) choices(entries []extract.Entry) ([]collect.Choice, error) {
	out := make([]collect.Choice, len(entries))
	all := false
	for i, e := range entries {
		if all {
			out[i].Outcome = collect.Taken
			continue
		}
		r.show(i, len(entries), e)
		for out[i].Outcome == "" {
			answer, err := r.ask("Enter accepts, c corrects, s skips, a accepts all that follow, q quits: ")
			if err != nil {
				return nil, err
			}
			switch answer {
			case "", "y":
				out[i].Outcome = collect.Taken
			case "a":
				out[i].Outcome, all = collect.Taken, true
			case "s", "n":
				out[i].Outcome = collect.Skipped
			case "q":
				return nil, errReviewEnded
			case "c":
				changed, err := r.correct(e)
				if err != nil {
					return nil, err
				}
				out[i] = collect.Choice{Outcome: collect.Corrected, Entry: changed}
			}
		}
	}
	return out, nil
}

func (a *app) cmdInboxMerge() *cobra.Command {
	return &cobra.Command{Use: "merge ITEM INTO", Short: "Say that an item is about an incident, or says the same as another item",
		Long: "INTO is an incident, which the item is then added to when it is accepted; or another\nitem, whose further source this one becomes.", Args: cobra.ExactArgs(2),
		Example: "  shirase inbox merge i-abcdefghijkl example-2026",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCollection(c.Context(), func(_ *instance, room *collect.Collection) error {
				l, err := room.Show(c.Context(), actor.Operator(), args[0])
				if err != nil {
					return err
				}
				if err := room.Merge(c.Context(), actor.Operator(), l.ID, l.Version, args[1]); err != nil {
					return err
				}
				return a.print(map[string]any{"item": l.ID, "into": args[1]}, func(w io.Writer) { fmt.Fprintf(w, "%s belongs to %s.\n", l.ID, args[1]) })
			})
		}}
}

// cmdInboxDo makes a command that does one thing with an item.
func (a *app) cmdInboxDo(use, short, long, done string, do func(ctx context.Context, room *collect.Collection, i *collect.Look, why string) error) *cobra.Command {
	var why string
	name := use[:len(use)-len(" ITEM")]
	c := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.ExactArgs(1), Example: "  shirase inbox " + name + " i-abcdefghijkl",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCollection(c.Context(), func(_ *instance, room *collect.Collection) error {
				l, err := room.Show(c.Context(), actor.Operator(), args[0])
				if err != nil {
					return err
				}
				if err := do(c.Context(), room, l, why); err != nil {
					return err
				}
				return a.print(map[string]any{"item": l.ID, "done": name}, func(w io.Writer) { fmt.Fprintf(w, "%s is %s.\n", l.ID, done) })
			})
		}}
	if name == "ignore" {
		c.Flags().StringVar(&why, "why", "", "why, for whoever looks later")
	}
	return c
}

func (a *app) cmdInboxLabels() *cobra.Command {
	var texts, measure bool
	c := &cobra.Command{Use: "labels", Short: "Export what readers made of proposed facts",
		Long: `Prints a line of JSON for each fact that was proposed and decided: accepted, corrected
or skipped, with the digest of the document. --texts adds the text of each document,
which is its publisher's: it is for measuring on this machine. --measure counts by field
and language instead.`, Args: cobra.NoArgs, Example: "  shirase inbox labels > labels.jsonl\n  shirase inbox labels --measure",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withCollection(c.Context(), func(_ *instance, room *collect.Collection) error {
				if measure {
					rows, err := room.Measured(c.Context(), actor.Operator())
					if err != nil {
						return err
					}
					return a.print(map[string]any{"fields": rows}, func(w io.Writer) {
						for _, m := range rows {
							n := m.Accepted + m.Corrected + m.Skipped
							fmt.Fprintf(w, "%-20s %s  %s proposed, %s right, %s corrected, %s skipped\n", m.Key, m.Lang, language.Digits(int64(n)), language.Digits(int64(m.Accepted)), language.Digits(int64(m.Corrected)), language.Digits(int64(m.Skipped)))
						}
					})
				}
				return room.Labels(c.Context(), actor.Operator(), texts, func(l collect.Label) error {
					line := map[string]any{"document": l.Document, "url": l.URL, "language": l.Lang, "key": l.Key, "rule": l.Rule, "sure": l.Sure, "outcome": l.Outcome, "proposed": jsontext.Value(l.Proposed)}
					if l.Given != nil {
						line["given"] = jsontext.Value(l.Given)
					}
					if l.Text != "" {
						line["text"] = l.Text
					}
					b, err := json.Marshal(line, json.Deterministic(true))
					if err != nil {
						return err
					}
					_, err = a.out.Write(append(b, '\n'))
					return err
				})
			})
		}}
	c.Flags().BoolVar(&texts, "texts", false, "with the texts that were read")
	c.Flags().BoolVar(&measure, "measure", false, "count by field and language")
	return c
}
