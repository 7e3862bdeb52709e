package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/collect"
	"shirase/internal/hint"
	"shirase/internal/incident/datasets"
	"shirase/internal/language"
	"shirase/internal/site"
)

func (a *app) cmdSource() *cobra.Command {
	c := group("source", "Say what is looked at for disclosures of others", "  shirase source add sources.yaml\n  shirase source list")
	c.AddCommand(a.cmdSourceAdd(), a.cmdSourceList(), a.cmdSourceEnd(), a.cmdSourceRun())
	return c
}

// sourceRow is a source as it is printed.
type sourceRow struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	URL      string `json:"url"`
	On       bool   `json:"on"`
	Every    string `json:"every"`
	Next     string `json:"next"`
	Read     string `json:"read,omitzero"`
	Failures int    `json:"failures"`
	Said     string `json:"said,omitzero"`
}

func sourceLine(s collect.Source) sourceRow {
	r := sourceRow{ID: s.ID, Kind: s.Kind, URL: s.URL, On: s.On, Every: s.Settings.Every.String(), Next: s.Next.Format(time.RFC3339), Failures: s.Failures, Said: s.Said}
	if !s.Read.IsZero() {
		r.Read = s.Read.Format(time.RFC3339)
	}
	return r
}

func (a *app) cmdSourceAdd() *cobra.Command {
	return &cobra.Command{Use: "add FILE", Short: "Have the sources of a file looked at",
		Long: `Reads a list of sources: feeds (RSS, Atom, JSON Feed), sitemaps, pages that list others
by a selector, the list of breaches of Have I Been Pwned, and other instances of this
program, whose notices are verified by their ledger's key. The running server looks at
them, politely, and lays what it finds into the inbox. examples/sources.yaml is one to
start from. A source that is there by its address is changed.`,
		Args: cobra.ExactArgs(1), Example: "  shirase source add sources.yaml",
		RunE: func(c *cobra.Command, args []string) error {
			src, err := readLimited(c.Context(), args[0], maxFacts)
			if err != nil {
				return fmt.Errorf("read the sources: %w", err)
			}
			list, err := collect.ParseSources(args[0], src)
			if err != nil {
				return err
			}
			return a.withCollection(c.Context(), func(_ *instance, room *collect.Collection) error {
				added, err := room.AddSources(c.Context(), actor.Operator(), list)
				if err != nil {
					return err
				}
				rows := []sourceRow{}
				for _, s := range added {
					rows = append(rows, sourceLine(s))
				}
				return a.print(map[string]any{"sources": rows}, func(w io.Writer) {
					fmt.Fprintf(w, "%s sources are looked at from now on, while shirase serve runs.\n", language.Digits(int64(len(rows))))
				})
			})
		}}
}

func (a *app) cmdSourceList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the sources, and what went wrong with them", Args: cobra.NoArgs, Example: "  shirase source list",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withCollection(c.Context(), func(_ *instance, room *collect.Collection) error {
				list, err := room.ListSources(c.Context(), actor.Operator())
				if err != nil {
					return err
				}
				left, err := room.Left(c.Context(), actor.Operator())
				if err != nil {
					return err
				}
				rows := []sourceRow{}
				for _, s := range list {
					rows = append(rows, sourceLine(s))
				}
				return a.print(map[string]any{"sources": rows, "givenUp": left}, func(w io.Writer) {
					for _, s := range rows {
						state := "next " + s.Next
						if !s.On {
							state = "off"
						}
						fmt.Fprintf(w, "%s  %s  %s\n    every %s, %s\n", s.ID, s.Kind, s.URL, s.Every, state)
						if s.Said != "" {
							fmt.Fprintf(w, "    failed %d times: %s\n", s.Failures, oneLine(s.Said))
						}
					}
					for at, said := range left {
						fmt.Fprintf(w, "not read: %s (%s)\n", at, oneLine(said))
					}
				})
			})
		}}
}

func (a *app) cmdSourceEnd() *cobra.Command {
	return &cobra.Command{Use: "end ID", Short: "Look at a source no more", Args: cobra.ExactArgs(1), Example: "  shirase source end s-abcdefghijkl",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withCollection(c.Context(), func(_ *instance, room *collect.Collection) error {
				if err := room.EndSource(c.Context(), actor.Operator(), args[0]); err != nil {
					return err
				}
				return a.print(map[string]any{"id": args[0], "on": false}, func(w io.Writer) { fmt.Fprintf(w, "%s is looked at no more.\n", args[0]) })
			})
		}}
}

func (a *app) cmdSourceRun() *cobra.Command {
	return &cobra.Command{Use: "run", Short: "Look once at everything that is due",
		Long: "Reads the sources, the pages that they named and the pages that are watched, as far as\nthey are due, and ends. It is what shirase serve does all the time.",
		Args: cobra.NoArgs, Example: "  shirase source run",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withCollection(c.Context(), func(_ *instance, room *collect.Collection) error {
				failures := []string{}
				room.Round(c.Context(), func(err error) {
					a.say("%s", oneLine(err.Error()))
					failures = append(failures, oneLine(err.Error()))
				})
				if err := c.Context().Err(); err != nil {
					return err
				}
				n, err := room.Count(c.Context())
				if err != nil {
					return err
				}
				return a.print(map[string]any{"waiting": n, "failures": failures}, func(w io.Writer) {
					fmt.Fprintf(w, "%s items wait in the inbox.\n\nNext: shirase inbox list\n", language.Digits(int64(n)))
				})
			})
		}}
}

// takeDataset takes in a data set that is a source, as shirase incident import does.
func takeDataset(in *instance) func(ctx context.Context, format string, data []byte) error {
	return func(ctx context.Context, format string, data []byte) error {
		return datasets.Take(ctx, actor.Server(), in.incidents, format, data)
	}
}

// meetCollection gives the public pages what they need of the room of collecting: where what visitors send of a record goes, and how
// the sources of an incident stand.
func (a *app) meetCollection(ctx context.Context, in *instance) (say func(ctx context.Context, said site.Said) (site.Proof, error), watched func(ctx context.Context, incident string) ([]site.Watched, error), err error) {
	room, err := a.collection(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	watched = func(ctx context.Context, incident string) ([]site.Watched, error) {
		list, err := room.Sources(ctx, incident)
		if err != nil {
			return nil, err
		}
		var out []site.Watched
		for _, w := range list {
			out = append(out, site.Watched{URL: w.URL, State: w.State, Since: w.Since, Seen: w.Seen, SHA256: w.SHA256, Preserved: w.Fetched})
		}
		return out, nil
	}
	return func(ctx context.Context, said site.Said) (site.Proof, error) {
		c := collect.Claim{Kind: collect.Correction, Incident: said.Incident, Text: said.Text, Domain: said.Domain, Contact: said.Contact}
		if said.Reply {
			c.Kind = collect.Reply
		}
		done, err := room.Say(ctx, c)
		switch {
		case errors.Is(err, collect.ErrInput):
			return site.Proof{}, hint.Add(site.ErrSaid, hint.Of(err))
		case errors.Is(err, collect.ErrFull):
			return site.Proof{}, site.ErrSaidFull
		case err != nil || done.Domain == "":
			return site.Proof{}, err
		}
		return site.Proof{Name: done.Name(), Record: done.Record(), File: done.File(), Until: done.Until.Format(time.DateOnly)}, nil
	}, watched, nil
}
