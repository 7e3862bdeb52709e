package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/index"
	"shirase/internal/web"
)

func (a *app) cmdServeEvaluator() *cobra.Command {
	var listen string
	var proxies []string
	c := &cobra.Command{
		Use:   "evaluator",
		Short: "Answer evaluations alone, with keys and without data",
		Long: `Answers POST /check/v1/evaluate with the evaluator's keys in the folder of keys, and
nothing else: it needs no data folder and no database. A proxy leads that path here,
and all others to shirase serve --evaluator-elsewhere.`,
		Example: "  shirase serve evaluator --keys evaluator-keys --listen 127.0.0.1:8312 --trusted-proxy 127.0.0.1",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			trusted, err := web.ParseProxies(proxies)
			if err != nil {
				return usageError{err}
			}
			if _, err := os.Stat(a.keysDir()); err != nil { // which opening it would make
				return hint.Add(fmt.Errorf("open the folder of keys: %w", err), "say where the keys are: --keys DIR")
			}
			keys, err := files.OpenKeys(a.keysDir())
			if err != nil {
				return err
			}
			defer keys.Close()
			allow, err := serving{proxies: trusted}.limit()
			if err != nil {
				return err
			}
			evaluator := index.NewEvaluator(keys, allow, nil)
			if err := evaluator.Ready(c.Context()); err != nil {
				return err
			}
			l, err := listenOn(listen)
			if err != nil {
				return err
			}
			return serveUntil(c.Context(), newServer(a.wrap(evaluator.Mux(), false)), l, func(url string) error {
				return a.print(map[string]string{"url": url}, func(w io.Writer) { fmt.Fprintf(w, "Serving %s/check/v1/evaluate\n", url) })
			})
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8312", "address to serve on")
	c.Flags().StringArrayVar(&proxies, "trusted-proxy", nil, "address or network of a proxy whose X-Forwarded-For is believed")
	return c
}
