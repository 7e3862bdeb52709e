package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/datasets"
)

// exportFormats are the words of --format.
var exportFormats = map[string]datasets.Format{"json": datasets.Shirase, "csv": datasets.CSV, "veris": datasets.VERIS}

func (a *app) cmdExport() *cobra.Command {
	var format, out string
	var drafts bool
	c := &cobra.Command{
		Use:   "export [ID...]",
		Short: "Write incidents and their facts as JSON, CSV or VERIS",
		Long: `Writes every incident, or those named, to stdout or a file, with every fact that holds
now and its source and licence; incident import reads them again. VERIS has
fewer kinds of facts: all of them are in its member "plus". An incident without any
date is left out of it, and named. Your own incidents are written as the public
sees them: as their notices froze them. --drafts writes everything that is recorded.`,
		Example: `  shirase incident export > incidents.json
  shirase incident export --format csv --out naver.csv naver-2013`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, ids []string) error {
			f, ok := exportFormats[format]
			if !ok {
				return usagef("--format %q is none of json, csv, veris", format)
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			view := in.incidents.Public()
			if drafts {
				view = in.incidents.Preview(nil)
			}
			for _, id := range ids { // before anything is written
				_, err := view.Get(c.Context(), id)
				if _, draft := in.incidents.Get(c.Context(), id); err != nil && draft == nil {
					return hint.Add(fmt.Errorf("export: %s is not published", id), "publish it, or export it with what is not public: --drafts")
				}
				if err != nil {
					return err
				}
			}
			if out == "" {
				return a.export(c.Context(), in, view, a.out, f, ids)
			}
			w, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, os.ErrExist) {
				return hint.Add(fmt.Errorf("export: %s exists already", out), "name another file with --out, or remove it")
			}
			if err != nil {
				return fmt.Errorf("export: %w", err)
			}
			err = errors.Join(a.export(c.Context(), in, view, w, f, ids), w.Sync(), w.Close())
			if err != nil { // half an export looks like a whole one
				err = errors.Join(err, os.Remove(out))
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&format, "format", "json", "json, csv or veris")
	f.BoolVar(&drafts, "drafts", false, "write what is recorded and not published too")
	f.StringVarP(&out, "out", "o", "", "write to this file instead of stdout")
	return c
}

// export streams incidents to w, and names those that have no place in the format.
func (a *app) export(ctx context.Context, in *instance, view *incident.View, w io.Writer, format datasets.Format, ids []string) error {
	out, err := datasets.NewWriter(w, format, in.Exercise != nil)
	if err != nil {
		return err
	}
	var undated []string
	err = view.Each(ctx, ids, func(inc incident.Incident, origin *incident.Provenance) error {
		err := out.Write(inc, origin)
		if errors.Is(err, datasets.ErrUndated) {
			undated = append(undated, inc.ID)
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if len(undated) > 0 {
		a.say("left out, because VERIS wants a year and none is known: %s", strings.Join(undated, ", "))
	}
	return out.Close()
}
