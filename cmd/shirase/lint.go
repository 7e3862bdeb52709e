package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"shirase/internal/hint"
	"shirase/internal/incident/extract"
	"shirase/internal/incident/lint"
	"shirase/internal/language"
)

func (a *app) cmdLint() *cobra.Command {
	var id, kind, lang string
	var hosts []string
	c := &cobra.Command{
		Use:   "lint FILE --incident ID",
		Short: "Hold a text against the facts before it is told",
		Long: `Holds a notice, a mail, an answer or a post against an incident's facts, and against
what readers of other notices were misled by: a number, time or class that the facts
say otherwise or have overtaken; "only" while the scope is being investigated; a
negative without its as-of, or that a fact has overturned; a promise without a time;
an address that is not the incident's; no word on the next update. What it finds is
told with its line and a remedy, and the exit status is 1. FILE is "-" for what is
read from standard input. A notice and a help page have to say when the next update
comes; a mail, an answer, a post or a report need not (--kind).`,
		Example: "  shirase lint mail.txt --incident shop-2026-08-20\n  shirase lint post.txt --incident shop-2026-08-20 --kind post --host status.example.jp\n  shirase lint - --incident shop-2026-08-20 --lang ja",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if id == "" {
				return usagef("lint wants --incident ID")
			}
			l, ok := language.Parse(lang)
			if !ok {
				return usagef("--lang is ja or en, and not %q", lang)
			}
			if !slices.Contains(lint.Kinds(), lint.Kind(kind)) {
				return usagef("--kind is one of %v, and not %q", lint.Kinds(), kind)
			}
			text, err := readText(c, args[0])
			if err != nil {
				return fmt.Errorf("read the text: %w", err)
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			k, err := in.knownFor(c.Context(), id, a.op().URL)
			if err != nil {
				return err
			}
			k.Kind, k.Hosts = lint.Kind(kind), hosts
			found, err := lint.Text(text, k)
			if errors.Is(err, extract.ErrNotText) {
				err = hint.Add(err, "save it as plain text in UTF-8")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			rows := []findingRow{}
			for _, f := range found {
				rows = append(rows, findingRow{f.Rule, f.Line, f.From, f.To, f.What.In(l), f.Remedy.In(l), f.Warning})
			}
			if err := a.print(map[string]any{"findings": rows}, func(w io.Writer) {
				for _, f := range rows {
					fmt.Fprintf(w, "%s:%d: %s (%s)\n    %s\n", args[0], f.Line, f.What, f.Rule, f.Remedy)
				}
				if len(found) == 0 {
					fmt.Fprintf(w, "Nothing in it speaks against the facts of %s.\n", id)
				}
			}); err != nil {
				return err
			}
			if len(found) > 0 {
				return errSaid
			}
			return nil
		},
	}
	c.Flags().StringVar(&kind, "kind", "notice", "what the text is for: notice, page, mail, answer, post or report")
	c.Flags().StringVar(&lang, "lang", "en", "language of what is found: ja or en")
	c.Flags().StringVar(&id, "incident", "", "whose facts it is held against")
	c.Flags().StringArrayVar(&hosts, "host", nil, "a further host that its links may go to (repeatable)")
	return c
}

// findingRow is what lint prints of a finding.
type findingRow struct {
	Rule    string `json:"rule"`
	Line    int    `json:"line"`
	From    int    `json:"from"`
	To      int    `json:"to"`
	What    string `json:"what"`
	Remedy  string `json:"remedy"`
	Warning bool   `json:"warning,omitzero"`
}

// knownFor is what texts of an incident are held against. url is the instance's.
func (in *instance) knownFor(ctx context.Context, id, address string) (lint.Known, error) {
	var k lint.Known
	var err error
	if k.Incident, err = in.incidents.Get(ctx, id); err != nil {
		return k, err
	}
	past, err := in.incidents.History(ctx, id)
	if err != nil {
		return k, err
	}
	for _, p := range past {
		k.Recorded = append(k.Recorded, p.Facts...)
	}
	if u, err := url.Parse(address); err == nil {
		k.Site = u.Hostname()
	}
	return k, nil
}

// against gives what the facts have against a mail. It is sent over it only for a reason.
func (in *instance) against(ctx context.Context, id, address string, lang language.Lang, text string) ([]string, error) {
	k, err := in.knownFor(ctx, id, address)
	if err != nil {
		return nil, err
	}
	k.Kind = lint.Mail
	found, err := lint.Text([]byte(text), k)
	var out []string
	for _, f := range found {
		if !f.Warning {
			out = append(out, fmt.Sprintf("the text in %s: %s (%s)", lang.Pick("Japanese", "English"), f.What.In(language.EN), f.Remedy.In(language.EN)))
		}
	}
	return out, err
}

// readText reads a text from a file, or from standard input.
func readText(c *cobra.Command, name string) ([]byte, error) {
	if name != "-" {
		return readLimited(c.Context(), name, extract.MaxNotice)
	}
	b, err := io.ReadAll(io.LimitReader(c.InOrStdin(), extract.MaxNotice+1))
	if err == nil && len(b) > extract.MaxNotice {
		err = fmt.Errorf("%w: more than %d bytes", errTooLong, extract.MaxNotice)
	}
	return b, err
}
