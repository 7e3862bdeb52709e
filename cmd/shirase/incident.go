package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"shirase/internal/incident"
	"shirase/internal/web"
)

// maxFacts bounds a facts file, in bytes.
const maxFacts = 1 << 20

func (a *app) cmdIncident() *cobra.Command {
	c := group("incident", "Record what happened", "  shirase incident new --facts facts.yaml")
	var facts string
	n := &cobra.Command{Use: "new --facts FILE", Short: "Record an incident from a facts file", Args: cobra.NoArgs,
		Long: `Records an incident and its facts, all of them or none. Every notice, page and
form renders from these facts. examples/facts.yaml is a short one to start from.`,
		Example: "  shirase incident new --facts facts.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			if facts == "" {
				return usagef("incident new wants --facts FILE")
			}
			src, err := readLimited(facts, maxFacts)
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
			inc, err := in.incidents.Create(c.Context(), file)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"id": inc.ID, "facts": len(inc.Facts), "state": inc.State()}, func(w io.Writer) {
				fmt.Fprintf(w, "%s: %s\n", inc.ID, inc.Title(web.EN))
				fmt.Fprintf(w, "%s facts recorded.\n", web.Digits(int64(len(inc.Facts))))
				if inc.State() == incident.StateFinal {
					fmt.Fprintf(w, "\nNext: shirase scope --export ACCOUNTS --rules RULES --incident %s --commit\n", inc.ID)
				} else {
					fmt.Fprintf(w, "\nNext: shirase publish %s\n", inc.ID)
				}
			})
		}}
	n.Flags().StringVar(&facts, "facts", "", "facts file (YAML)")
	n.MarkFlagFilename("facts", "yaml", "yml")
	c.AddCommand(n)
	return c
}
