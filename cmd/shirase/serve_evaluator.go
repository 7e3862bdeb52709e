package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"shirase/internal/config"
	"shirase/internal/index"
	"shirase/internal/serve"
)

// evaluatorListen is where an evaluator listens that nobody told where: beside the server of everything else.
const evaluatorListen = "127.0.0.1:8312"

func (a *app) cmdServeEvaluator() *cobra.Command {
	c := &cobra.Command{
		Use:   "evaluator",
		Short: "Answer evaluations alone, with keys and without data",
		Long: `Answers POST /check/v1/evaluate with the evaluator's keys in the folder of keys, and
nothing else: it needs no data folder and no database. A proxy leads that path here,
and all others to shirase serve --evaluator-elsewhere. It listens on ` + evaluatorListen + `
where nothing else is said.`,
		Example: "  shirase serve evaluator --keys evaluator-keys --listen 127.0.0.1:8312 --trusted-proxy 127.0.0.1",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := a.settings(); err != nil {
				return err
			}
			keys, err := a.openKeys(false)
			if err != nil {
				return err
			}
			defer keys.Close()
			log := a.log()
			o, err := a.options(log)
			if err != nil {
				return err
			}
			server := serve.New(o)
			allow, err := server.Limit(a.op().Limits.Check)
			if err != nil {
				return err
			}
			evaluator := index.NewEvaluator(keys, allow, nil, log)
			if err := evaluator.Ready(c.Context()); err != nil {
				return err
			}
			if a.read.From("listen").Kind == config.FromDefault {
				a.op().Listen = evaluatorListen
			}
			l, err := a.listen(true)
			if err != nil {
				return err
			}
			server.Mount(evaluator.Mux(), "/")
			return server.Run(c.Context(), l, func(url string) error {
				return a.print(map[string]string{"url": url}, func(w io.Writer) { fmt.Fprintf(w, "Serving %s/check/v1/evaluate\n", url) })
			})
		},
	}
	a.serverFlags(c)
	a.settingFlags(c.Flags(), "trustedProxies")
	return c
}
