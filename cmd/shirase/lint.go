package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"shirase/internal/hint"
	"shirase/internal/incident/extract"
	"shirase/internal/incident/lint"
)

func (a *app) cmdLint() *cobra.Command {
	var id string
	var hosts []string
	c := &cobra.Command{
		Use:   "lint FILE --incident ID",
		Short: "Hold a text against the facts before it is told",
		Long: `Holds a notice, a mail, an answer or a post against an incident's facts, and against
what readers of other notices were misled by: a number, time or class that the facts
say otherwise or have overtaken; "only" while the scope is being investigated; a
negative without its as-of, or that a fact has overturned; a promise without a time;
an address that is not the incident's; no word on the next update. What it finds is
told with its line and a remedy, and the exit status is 1.`,
		Example: "  shirase lint mail.txt --incident shop-2026-08-20\n  shirase lint post.txt --incident shop-2026-08-20 --host status.example.jp",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if id == "" {
				return usagef("lint wants --incident ID")
			}
			text, err := readLimited(c.Context(), args[0], extract.MaxNotice)
			if err != nil {
				return fmt.Errorf("read the text: %w", err)
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			k := lint.Known{Hosts: hosts}
			if k.Incident, err = in.incidents.Get(c.Context(), id); err != nil {
				return err
			}
			past, err := in.incidents.History(c.Context(), id)
			if err != nil {
				return err
			}
			for _, p := range past {
				k.Recorded = append(k.Recorded, p.Facts...)
			}
			if u, err := url.Parse(a.op().URL); err == nil && u.Host != "" {
				k.Hosts = append(k.Hosts, u.Hostname())
			}
			found, err := lint.Text(text, k)
			if errors.Is(err, extract.ErrNotText) {
				err = hint.Add(err, "save it as plain text in UTF-8")
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if found == nil {
				found = []lint.Finding{}
			}
			if err := a.print(map[string]any{"findings": found}, func(w io.Writer) {
				for _, f := range found {
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
	c.Flags().StringVar(&id, "incident", "", "whose facts it is held against")
	c.Flags().StringArrayVar(&hosts, "host", nil, "a further host that its links may go to (repeatable)")
	return c
}
