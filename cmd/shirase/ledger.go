package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/publish"
	"shirase/internal/roster"
)

func (a *app) cmdIndex() *cobra.Command {
	c := group("index", "Verify, count or fold the published index", "  shirase index verify")
	sub := func(use, short, long, what string, do func(*index.Index, context.Context, index.Progress) (*index.Report, error)) {
		c.AddCommand(&cobra.Command{Use: use, Short: short, Long: long, Args: cobra.NoArgs,
			Example: "  shirase index " + use + "\n  shirase index " + use + " --json",
			RunE: func(c *cobra.Command, _ []string) error {
				in, err := a.open(c.Context())
				if err != nil {
					return err
				}
				defer in.close()
				tell, end := a.progress(what)
				report, err := do(in.index, c.Context(), tell)
				end()
				if err != nil {
					return err
				}
				return a.print(report, func(w io.Writer) { printIndex(w, what, report) })
			}})
	}
	sub("verify", "Recompute every byte of the published layers", "Recomputes every byte of every layer of the newest statement, and every fold from\nits sources. A flipped bit anywhere is found and named.",
		"verified", func(x *index.Index, ctx context.Context, p index.Progress) (*index.Report, error) {
			return x.Verify(ctx, p)
		})
	sub("count", "Count the entries of each incident, one by one", "Counts the entries of each incident's own layer, one by one and from no header:\nwhat the statement claims can be counted by anyone.",
		"counted", func(x *index.Index, ctx context.Context, _ index.Progress) (*index.Report, error) {
			return x.Count(ctx)
		})
	sub("fold", "Fold the source layers again", "Folds the incidents' own layers again and compares with what was published; a\nserved layer that was lost is written anew.",
		"folded", func(x *index.Index, ctx context.Context, _ index.Progress) (*index.Report, error) { return x.Fold(ctx) })
	return c
}

func printIndex(w io.Writer, what string, r *index.Report) {
	fmt.Fprintf(w, "Statement %s: %s entries %s.\n", language.Digits(r.Seq), language.Digits(r.N), what)
	for _, l := range r.Layers {
		fmt.Fprintf(w, "layer %s: %s entries in %s buckets\n", l.ID, language.Digits(l.N), language.Digits(1<<l.Bits))
		for _, s := range l.Sources {
			fmt.Fprintf(w, "  %s revision %s: %s entries, %s\n", s.Incident, s.Revision, language.Digits(s.N), s.Root)
		}
	}
}

func (a *app) cmdLedger() *cobra.Command {
	c := group("ledger", "Verify the transparency log, and see to its witnesses", "  shirase ledger verify")
	c.AddCommand(a.cmdLedgerWitnesses(), a.cmdLedgerRepair())
	c.AddCommand(&cobra.Command{Use: "verify", Short: "Check everything that was ever published against the ledger", Args: cobra.NoArgs,
		Long: `Reads every file of the ledger and every row of the database behind it, and
recomputes all of it: an edit of any published byte is found and named. It also
walks the chain of statements from the first to the newest, compares every notice
and every fact that a notice froze with the database, replays the notices to what
the public is shown of each incident, and verifies every layer, and every roster:
its bytes, and under a key that is here its figures.`,
		Example: "  shirase ledger verify\n  shirase ledger verify --json",
		RunE: func(c *cobra.Command, _ []string) error {
			in, vkey, err := a.openToVerify(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			report, err := publish.Verify(c.Context(), in.db, in.dir, in.index, vkey)
			if err == nil {
				err = roster.Verify(c.Context(), in.db, in.dir, in.keys)
			}
			if err != nil && c.Context().Err() != nil { // nothing is known of what was not read
				return err
			}
			if err != nil && !a.json {
				for _, p := range report.Problems {
					a.say("%s", oneLine(p.String()))
				}
				return err
			}
			return errors.Join(err, a.print(struct {
				Valid bool   `json:"valid"`
				Key   string `json:"key"`
				publish.Verified
			}{err == nil, vkey, report}, func(w io.Writer) {
				fmt.Fprintf(w, "Verified: %s entries, %s of them statements, root %s.\n", language.Digits(report.Size), language.Digits(report.Statements), report.Root)
				fmt.Fprintf(w, "Ledger key: %s\n", vkey)
			}))
		}})
	return c
}

func (a *app) cmdLedgerRepair() *cobra.Command {
	return &cobra.Command{Use: "repair", Short: "Write anew what is damaged or lost and follows from what is not", Args: cobra.NoArgs,
		Long: `Compares every file of the ledger with the database, and writes anew those that are
missing or have other bytes, the checkpoint too; and folds served layers anew from the
incidents' own. What it cannot make is named, with the command that brings it back.

It writes nothing where the database itself is damaged, or older than what was
published: a second history under one key is a fork that anyone can prove. No key is
needed, unless witnesses have to be asked for a checkpoint that was lost.`,
		Example: "  shirase ledger repair\n  shirase ledger repair --json",
		RunE: func(c *cobra.Command, _ []string) error {
			in, skey, err := a.openToRepair(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			witnesses, err := a.readWitnesses()
			if err != nil {
				return err
			}
			mended, err := publish.Repair(c.Context(), in.db, in.dir, in.index, skey, witnesses)
			if err != nil && c.Context().Err() != nil {
				return err
			}
			left := []finding{}
			for _, err := range eachOf(err) {
				left = append(left, finding{ID: "repair", Level: levelError, What: err.Error(), Remedy: hintFor(err)})
			}
			err = a.print(struct {
				Whole bool `json:"whole"`
				publish.Mended
				Left []finding `json:"left"`
			}{len(left) == 0, mended, left}, func(w io.Writer) { printMended(w, mended, left) })
			if err == nil && len(left) > 0 {
				err = errSaid
			}
			return err
		}}
}

func printMended(w io.Writer, m publish.Mended, left []finding) {
	for _, name := range append(m.Ledger.Written, m.Index.Written...) {
		fmt.Fprintf(w, "written anew: files/%s\n", name)
	}
	for _, name := range m.Ledger.Strange {
		fmt.Fprintf(w, "not the ledger's, and left alone: files/%s\n", name)
	}
	for _, f := range left {
		fmt.Fprintf(w, "not mended: %s\n  remedy: %s\n", oneLine(f.What), oneLine(f.Remedy))
	}
	if len(left) == 0 {
		fmt.Fprintf(w, "Whole: %s files of the ledger, %s layers. Next: shirase ledger verify\n", language.Digits(m.Ledger.Files), language.Digits(m.Index.Layers))
	}
}
