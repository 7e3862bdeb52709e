package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/backup"
	"shirase/internal/closing"
	"shirase/internal/language"
	"shirase/internal/publish"
	"shirase/internal/roster"
)

func (a *app) cmdCaseRetained() *cobra.Command {
	var out string
	c := &cobra.Command{Use: "retained CASE", Short: "Show what is kept of a case when its key is destroyed, and by which law for how long", Args: cobra.ExactArgs(1),
		Long: `Shows the record that stays of a case, because laws want a register of breaches kept:
facts, effects, measures, deadlines, what was handed in and published, and why it was
decided so. What looks like an address or a number was left out, and whom the case has by
its newest roster (accounts, addresses, telephones), its parties' contacts and who asked;
that is counted. Look at it before the case is shredded: other names are not found by a
program. It is kept by scope shred, before the key goes.`,
		Example: "  shirase case retained shop-2026-08-20\n  shirase case retained shop-2026-08-20 --out retained.json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClosing(c, func(ctx context.Context, _ *instance, x *closing.Closing) error {
				r, kept, err := x.Retaining(ctx, actor.Operator(), args[0])
				if err != nil {
					return err
				}
				if out != "" {
					if err := newFile(out, func(w io.Writer) error { _, err := w.Write(r.Data); return err }); err != nil {
						return err
					}
				}
				return a.print(map[string]any{"case": args[0], "kept": kept, "sha256": r.SHA256, "at": stamp(r.At), "retained": jsontext.Value(r.Data), "file": out}, func(w io.Writer) { printRetained(w, r, kept) })
			})
		}}
	c.Flags().StringVar(&out, "out", "", "write it to a file, as JSON")
	return c
}

func printRetained(w io.Writer, r *closing.Retained, kept bool) {
	if kept {
		fmt.Fprintf(w, "Kept of case %s since %s, SHA-256 %s\n", r.Case, stamp(r.At), r.SHA256)
	} else {
		fmt.Fprintf(w, "Would be kept of case %s if it were shredded now, SHA-256 %s\n", r.Case, r.SHA256)
	}
	fmt.Fprintf(w, "  %s, %s: %d facts, %d deadlines, %d documents handed in, %d notices, %d decisions\n", oneLine(r.Organisation), oneLine(r.Title), len(r.Facts), len(r.Clocks), len(r.Sent), len(r.Notices), len(r.Decisions))
	for _, k := range r.Keep {
		until := "until " + k.Until
		switch {
		case k.Span == "open":
			until = "the law names no end"
		case k.Until == "":
			until = "for " + k.Span + ", which has not begun"
		}
		unverified := ""
		if !k.Verified {
			unverified = ", unverified"
		}
		fmt.Fprintf(w, "  %s: %s (%s%s)\n", k.Name.EN, until, k.Citation, unverified)
	}
	if len(r.Keep) == 0 {
		fmt.Fprintf(w, "  No regime of the case names a time for which a record of it is kept.\n")
	}
	if r.LeftOut > 0 {
		fmt.Fprintf(w, "  In %s texts something that looks like somebody's address or number was left out.\n", language.Digits(r.LeftOut))
	}
}

// certified says what a certificate says, without what remains.
func certified(c check.Certificate) language.Text {
	if c.Outcome == check.OutcomeDestroyed {
		return language.Both("鍵は破棄されました。記録されている写しは、ひとつも残っていません。", "Its key is destroyed: no copy is left of those that were recorded.")
	}
	n := int64(0)
	for _, r := range c.Remains {
		if r.What == "key-copies" {
			n = r.N
		}
	}
	return language.Both(fmt.Sprintf("鍵はこの機械から取り除かれました。写しが%d件残っています。写しを開ける人は、封じたものを読めます。", n),
		fmt.Sprintf("Its key is removed here; copies remain: %d. Whoever can open one reads what it sealed.", n))
}

// contradicted lists what is known now that speaks against a certificate: copies of a key that is called destroyed, and a key that was brought back.
func (in *instance) contradicted(ctx context.Context, id string, c check.Certificate) ([]publish.Remaining, error) {
	out := []publish.Remaining{}
	again := "shirase scope shred " + id + " destroys it where it is reached, and certifies what is so"
	if slices.Contains(in.rosters.Again, id) {
		out = append(out, publish.Remaining{What: "the key or a roster was there again", Why: "and was destroyed just now; copies may have been made meanwhile: " + again})
	}
	if c.Outcome != check.OutcomeDestroyed {
		return out, nil
	}
	register, err := backup.Open(ctx, in.db)
	if err != nil {
		return nil, err
	}
	copies, err := register.Copies(ctx, roster.KeyFile(id))
	for _, x := range copies {
		out = append(out, publish.Remaining{What: "a sealed copy of the key", Why: filepath.Join(x.Place, filepath.FromSlash(x.File)) + " is not known to be destroyed: " + again})
	}
	return out, err
}

func (a *app) cmdCaseCertificate() *cobra.Command {
	var out string
	c := &cobra.Command{Use: "certificate CASE", Short: "Show the certificate of a case that was shredded, and write it with its proof", Args: cobra.ExactArgs(1),
		Long: `Shows the certificate that the ledger has of the end of a case: what was destroyed, what
is kept, and what remains elsewhere. --out writes it, and beside it FILE.proof: whoever
trusts the ledger's key verifies both with shirase verify, without asking anyone. What
is known since that speaks against it is said beside it.`,
		Example: "  shirase case certificate shop-2026-08-20 --out end.json\n  shirase verify end.json --proof end.json.proof",
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			cert, err := in.publisher.CertificateOf(c.Context(), args[0])
			if err != nil {
				return err
			}
			against, err := in.contradicted(c.Context(), args[0], cert.Certificate)
			if err != nil {
				return err
			}
			v := map[string]any{"case": args[0], "certificate": jsontext.Value(cert.Data), "ledgerIndex": cert.LedgerIndex, "sha256": check.StatementHash(cert.Data), "against": against}
			if cert.Salt != nil {
				v["salt"] = fmt.Sprintf("%x", cert.Salt)
			}
			if out != "" {
				proof, err := in.publisher.Proof(c.Context(), cert.LedgerIndex)
				if err != nil {
					return err
				}
				for name, data := range map[string][]byte{out: cert.Data, out + ".proof": proof} {
					if err := newFile(name, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
						return err
					}
				}
				v["file"], v["proof"] = out, out+".proof"
			}
			return a.print(v, func(w io.Writer) {
				fmt.Fprintf(w, "Certificate %d of %s, %s, entry %s of the ledger. %s\n", cert.N, args[0], stamp(cert.Time.Time), language.Digits(cert.LedgerIndex), certified(cert.Certificate).EN)
				gone := "gone   "
				if cert.Outcome != check.OutcomeDestroyed { // a copy of the key opens what it sealed
					gone = "removed"
				}
				for _, r := range cert.Lost() {
					fmt.Fprintf(w, "  %s  %-22s %s\n", gone, r.What, language.Digits(r.N))
				}
				for _, r := range cert.Remains {
					fmt.Fprintf(w, "  remains  %-22s %s\n", r.What, language.Digits(r.N))
				}
				for _, r := range cert.Unknown {
					fmt.Fprintf(w, "  unknown  %s\n", r)
				}
				for _, r := range against {
					fmt.Fprintf(w, "This does not hold any more: %s, %s\n", r.What, r.Why)
				}
				if cert.Salt != nil {
					fmt.Fprintf(w, "The incident is not public: whoever is to compare needs its id and the salt %x.\n", cert.Salt)
				}
			})
		}}
	c.Flags().StringVar(&out, "out", "", "write it to a file, and its proof to FILE.proof")
	return c
}
