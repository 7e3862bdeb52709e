package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/datasets"
	"shirase/internal/language"
	"shirase/internal/response"
)

// logged gives the ledger's heads over all cases, verified.
func (in *instance) logged(ctx context.Context) ([]response.LoggedHead, error) {
	heads, err := in.publisher.CasesHeads(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]response.LoggedHead, 0, len(heads))
	for _, h := range heads {
		out = append(out, response.LoggedHead{LedgerIndex: h.LedgerIndex, Data: h.Data, Proof: h.Proof})
	}
	return out, nil
}

// dayRow is a head of the ledger that commits to a case's record.
type dayRow struct {
	Day         string `json:"day"`
	Entries     int64  `json:"entries"`
	LedgerIndex int64  `json:"ledgerIndex"`
	Proven      bool   `json:"proven"`
}

func dayRows(days []response.Day) []dayRow {
	out := []dayRow{}
	for _, d := range days {
		out = append(out, dayRow{d.Day, d.Entries, d.LedgerIndex, d.Public})
	}
	return out
}

func printVerified(w io.Writer, v response.Verified) {
	fmt.Fprintf(w, "The record of case %s holds: %s entries, head %s\n", v.Case, language.Digits(v.Entries), v.Head)
	if v.Logged == 0 {
		fmt.Fprintf(w, "No head in the ledger commits to it yet, so that this is the word of whoever holds the data.\n")
		return
	}
	last := v.Days[len(v.Days)-1]
	fmt.Fprintf(w, "The ledger commits to the first %s of them, by %d heads from %s to %s (entry %d).\n", language.Digits(v.Logged), len(v.Days), v.Days[0].Day, last.Day, last.LedgerIndex)
}

func (a *app) cmdCaseVerify() *cobra.Command {
	var vkeys []string
	var policyFile string
	c := &cobra.Command{Use: "verify CASE|FILE", Short: "Verify a case's record, or an export of one, against the ledger", Args: cobra.ExactArgs(1),
		Long: `Verifies that a case's record is what was written, nothing edited, removed or moved, and
that it is the one that the heads in the ledger commit to: one a day over all cases. Of
an export it verifies the same without a data folder, and that evidence in it is what
was taken in. The ledger has to be one that you trust: by --ledger-key, --policy, or
because you have met it before. What was recorded after the newest head, only the
record itself holds together.`,
		Example: "  shirase case verify shop-2026-08-20\n  shirase case verify shop-2026-08-20.zip --ledger-key example.org/ledger+...",
		RunE: func(c *cobra.Command, args []string) error {
			if info, err := os.Stat(args[0]); err == nil && info.Mode().IsRegular() {
				own, err := trusted(c.Context(), vkeys, policyFile)
				if err != nil {
					return err
				}
				return a.verifyExport(args[0], own)
			}
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			logged, err := in.logged(c.Context())
			if err != nil {
				return err
			}
			v, err := cases.Verify(c.Context(), actor.Operator(), args[0], logged)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"valid": true, "case": v.Case, "entries": v.Entries, "head": v.Head.String(), "logged": v.Logged, "days": dayRows(v.Days)}, func(w io.Writer) { printVerified(w, v) })
		}}
	c.Flags().StringArrayVar(&vkeys, "ledger-key", nil, "the ledger's key that you trust (repeatable)")
	c.Flags().StringVar(&policyFile, "policy", "", "file of the ledgers and witnesses that you trust")
	return c
}

func (a *app) verifyExport(name string, own *check.Policy) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	pins, err := openPins()
	if err != nil {
		return err
	}
	x, err := response.VerifyExport(f, info.Size(), func(data []byte, proof string) (bool, error) {
		_, err := pins.Prove(check.KindCases, data, proof, own)
		if own == nil && errors.Is(err, check.ErrNotPinned) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	return a.print(map[string]any{"valid": true, "case": x.Case, "entries": x.Entries, "head": x.Head.String(), "logged": x.Logged, "days": dayRows(x.Days), "unproven": x.Unproven,
		"evidence": x.Evidence, "missing": x.Missing}, func(w io.Writer) {
		if x.Unproven > 0 {
			fmt.Fprintf(w, "The record of case %s holds: %s entries, head %s\n", x.Case, language.Digits(x.Entries), x.Head)
			fmt.Fprintf(w, "It brings %d heads of a ledger that nobody here knows, which prove nothing: name its key with --ledger-key.\n", x.Unproven)
		} else {
			printVerified(w, x.Verified)
		}
		if n := len(x.Evidence); n > 0 {
			fmt.Fprintf(w, "%d files of evidence are what was taken in.\n", n)
		}
		if n := len(x.Missing); n > 0 {
			fmt.Fprintf(w, "%d files of evidence are named, and not in it.\n", n)
		}
		fmt.Fprintf(w, "case.txt and names.json are to read, and verify nothing.\n")
	})
}

func (a *app) cmdCaseExport() *cobra.Command {
	var t response.Takeout
	c := &cobra.Command{Use: "export CASE FILE", Short: "Write a case's whole record to a file that others can verify", Args: cobra.ExactArgs(2),
		Long: `Writes a case as a zip archive that shirase case verify checks anywhere: the record, who
saw what, the ledger's heads that commit to it, who is behind the pseudonyms as far as
that is known, and with --evidence the evidence too. It is not sealed: give it only to
whom you would show the case. That it was made is recorded.`,
		Example: "  shirase case export shop-2026-08-20 shop-2026-08-20.zip\n  shirase case export shop-2026-08-20 all.zip --evidence",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if t.Logged, err = in.logged(c.Context()); err != nil {
				return err
			}
			var v response.Verified
			if err := newFile(args[1], func(w io.Writer) (err error) {
				v, err = cases.Export(c.Context(), actor.Operator(), args[0], t, w)
				return err
			}); err != nil {
				return err
			}
			return a.print(map[string]any{"case": v.Case, "entries": v.Entries, "head": v.Head.String(), "logged": v.Logged, "file": args[1]}, func(w io.Writer) {
				fmt.Fprintf(w, "%s entries of case %s are in %s, not sealed. Head: %s\n", language.Digits(v.Entries), v.Case, args[1], v.Head)
			})
		}}
	c.Flags().BoolVar(&t.Evidence, "evidence", false, "with the evidence itself")
	return c
}

func (a *app) cmdCaseHead() *cobra.Command {
	return &cobra.Command{Use: "head", Short: "Record today's head over all cases in the ledger", Args: cobra.NoArgs,
		Long: `Records in the ledger one hash over the records of all cases, where there is none of
today (UTC) yet. A running server does so by itself every day. It has the same length
always, and is made on days without a case too: do not make it depend on whether there
is one, or it tells.`,
		Example: "  shirase case head",
		RunE: func(c *cobra.Command, _ []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			head, recorded, err := in.publisher.RecordCases(c.Context(), actor.Operator(), cases.SealDay)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"day": head.Day, "head": head.Head, "recorded": recorded}, func(w io.Writer) {
				if !recorded {
					fmt.Fprintf(w, "The head of %s is in the ledger already.\n", head.Day)
					return
				}
				fmt.Fprintf(w, "The head of %s is in the ledger: %s\n", head.Day, head.Head)
			})
		}}
}

func (a *app) cmdCaseVERIS() *cobra.Command {
	return &cobra.Command{Use: "veris CASE", Short: "Write a closed case as VERIS", Args: cobra.ExactArgs(1),
		Long: `Writes the incident of a closed case as VERIS 1.4.1: its facts, and what the response
shows beside them, who discovered it and how long containment took. Nothing of the
record is in it. Facts that no notice has told are: look at it before you give it away.`,
		Example: "  shirase case veris shop-2026-08-20 > shop.json",
		RunE: func(c *cobra.Command, args []string) error {
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			k, err := cases.Get(c.Context(), actor.Operator(), args[0])
			if err != nil {
				return err
			}
			if !k.Closed {
				return hint.Add(fmt.Errorf("case %s is not closed", k.ID), "shirase case close "+k.ID+"; what is known meanwhile: shirase incident export --format veris --drafts "+k.ID)
			}
			inc, err := in.incidents.Get(c.Context(), k.ID)
			if err != nil {
				return err
			}
			r := datasets.Response{Known: k.Knowledge()}
			if by, told := k.DiscoveredBy(); told {
				r.By = by.From
			}
			if f, ok := inc.Fact("contained"); ok && f.Certainty == incident.Confirmed {
				r.Contained = f.Value.Time
			}
			return datasets.WriteResponse(a.out, inc, r, in.Exercise != nil)
		}}
}
