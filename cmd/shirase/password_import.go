package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/charset"
	"shirase/internal/language"
	"shirase/internal/password"
)

func (a *app) cmdPasswordImport() *cobra.Command {
	var hash, format, counts, rejects, temp, encoding string
	var share float64
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Import breached passwords: hashes with counts, or plain lists",
		Long: `Imports a file into the corpus: HASH:COUNT ordered by hash, as Pwned Passwords
are published; hashes in any order; or a list of passwords, one a line, in UTF-8,
UTF-16, Shift_JIS or EUC-JP. Plain, gzip or zstd. The corpus changes at the end and
as a whole; servers go on meanwhile.

What looks like something else is refused: hashes of another kind, a table, an
archive. A list of passwords wants --format plain unless nothing else is possible.

Hashes replace the counts that the corpus has; the counts of passwords in a plain
list are added to them. --counts says otherwise. What went in by mistake is taken
back by shirase password remove.`,
		Example: `  shirase password import pwned-passwords-sha1-ordered-by-hash.txt.gz
  shirase password import --hash ntlm ntlm-ordered.txt
  shirase password import --format plain leaked-list.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o := password.ImportOptions{MaxRejects: share, TempDir: temp}
			var err error
			if o.Mode, err = parseHash(hash); err != nil {
				return err
			}
			if o.Format, err = password.ParseFormat(format); err != nil {
				return usageError{err}
			}
			if o.Encoding, err = charset.Parse(encoding); err != nil {
				return usageError{err}
			}
			switch counts {
			case "auto":
				o.Fold = password.ByFormat
			case "add":
				o.Fold = password.Add
			case "replace":
			default:
				return usagef("--counts %q is none of auto, add, replace", counts)
			}
			if !(share >= 0 && share <= 1) {
				return usagef("--max-rejects %v is not a share from 0 to 1", share)
			}
			return a.importPasswords(c.Context(), args[0], rejects, o)
		},
	}
	f := c.Flags()
	hashFlag(c, &hash)
	f.StringVar(&format, "format", "auto", "ordered, hashes or plain")
	f.StringVar(&counts, "counts", "auto", "add to the counts in the corpus, or replace them")
	f.StringVar(&encoding, "encoding", "auto", "of a list of passwords: utf-8, utf-16le, utf-16be, shift_jis or euc-jp")
	f.StringVar(&rejects, "rejects", "", "list lines that cannot be read in this file: number and reason, never the line")
	f.Float64Var(&share, "max-rejects", 0.01, "share of lines that may be unreadable; more stop the import")
	f.StringVar(&temp, "temp", "", "folder for sorting, sealed (default: the system's)")
	return c
}

func (a *app) importPasswords(ctx context.Context, name, rejects string, o password.ImportOptions) error {
	p, err := a.corpora()
	if err != nil {
		return err
	}
	defer p.Close()
	if rejects != "" {
		f, err := os.OpenFile(rejects, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("list rejects: %w", err)
		}
		defer f.Close()
		w := bufio.NewWriter(f)
		defer w.Flush()
		o.Rejected = func(line int64, reason string) { fmt.Fprintf(w, "%d\t%s\n", line, reason) }
	}
	tell, end := a.progress("imported")
	o.Progress = tell
	out, err := p.ImportFile(ctx, name, o)
	end()
	if err != nil && ctx.Err() != nil && rejects != "" { // half a list
		err = errors.Join(err, os.Remove(rejects))
	}
	if err != nil {
		return err
	}
	return a.print(out, func(w io.Writer) {
		rows := [][2]string{{"format", string(out.Format)}, {"lines", language.Digits(out.Lines)}, {"rejected", language.Digits(out.Rejected)}, {"new", language.Digits(out.Added)},
			{"new counts", language.Digits(out.Updated)}, {"unchanged", language.Digits(out.Unchanged)}, {"in the corpus", language.Digits(out.Records)}}
		if out.Encoding != "" {
			rows = slices.Insert(rows, 1, [2]string{"encoding", string(out.Encoding)})
		}
		table(w, rows)
		if out.ID > 0 {
			fmt.Fprintf(w, "\nTo take it back: shirase password remove %d%s\n", out.ID, hashOption(o.Mode))
		}
	})
}

// hashOption is the flag that names a corpus, "" for the usual one.
func hashOption(m password.Mode) string {
	if m == password.SHA1 {
		return ""
	}
	return " --hash " + m.String()
}

func (a *app) cmdPasswordImports() *cobra.Command {
	var hash string
	c := &cobra.Command{
		Use:     "imports",
		Short:   "List the imports that can be taken back",
		Long:    "Lists the imports that can be taken back, the oldest first, with the number that\nshirase password remove wants.",
		Example: "  shirase password imports\n  shirase password imports --hash ntlm",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := parseHash(hash)
			if err != nil {
				return err
			}
			p, err := a.corpora()
			if err != nil {
				return err
			}
			defer p.Close()
			if err := p.Corpus(m).Ready(); err != nil && !errors.Is(err, password.ErrNone) && !errors.Is(err, password.ErrIncomplete) {
				return err
			}
			list := p.Corpus(m).Imports()
			return a.print(map[string]any{"imports": list}, func(w io.Writer) {
				for _, i := range list {
					fmt.Fprintf(w, "%d  %s  %s  %s  %s\n", i.ID, i.At.Format(time.RFC3339), i.Format, language.Digits(i.Records), oneLine(i.Name))
				}
				if len(list) == 0 {
					fmt.Fprintf(w, "There is no import into the %s corpus that can be taken back.\n", m)
				}
			})
		},
	}
	hashFlag(c, &hash)
	return c
}

func (a *app) cmdPasswordRemove() *cobra.Command {
	var hash string
	c := &cobra.Command{
		Use:   "remove NUMBER",
		Short: "Take an import back that went in by mistake",
		Long: `Takes an import back: afterwards the corpus is what it would be if that import had
never been, and everything else had. shirase password imports lists those that can
be taken back. The corpus changes as a whole, and servers go on meanwhile.`,
		Example: `  shirase password imports
  shirase password remove 12`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			m, err := parseHash(hash)
			if err != nil {
				return err
			}
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return usagef("%q is not the number of an import: shirase password imports lists them", args[0])
			}
			p, err := a.corpora()
			if err != nil {
				return err
			}
			defer p.Close()
			out, err := p.Remove(c.Context(), m, id)
			if err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) {
				table(w, [][2]string{{"removed", language.Digits(out.Removed)}, {"other counts", language.Digits(out.Updated)}, {"in the corpus", language.Digits(out.Records)}})
			})
		},
	}
	hashFlag(c, &hash)
	return c
}

func (a *app) cmdPasswordVerify() *cobra.Command {
	var hash string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Recompute every byte of the corpora",
		Long: `Reads every file of the corpora and recomputes every checksum, every order and
every count of records. A flipped bit anywhere is found and its file named, and so
is a file that is missing, or that no manifest names. Without --hash, a corpus that
was never filled is passed over, if there is another.`,
		Example: `  shirase password verify
  shirase password verify --hash ntlm --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			modes := password.Modes[:]
			if hash != "" {
				m, err := parseHash(hash)
				if err != nil {
					return err
				}
				modes = []password.Mode{m}
			}
			p, err := a.corpora()
			if err != nil {
				return err
			}
			defer p.Close()
			return a.verifyPasswords(c.Context(), p, modes)
		},
	}
	c.Flags().StringVar(&hash, "hash", "", "which corpus: sha1 or ntlm (default: those that there are)")
	return c
}

// verifyPasswords verifies corpora, and tells everything that is wrong.
func (a *app) verifyPasswords(ctx context.Context, p *password.Corpora, modes []password.Mode) error {
	var out struct {
		Corpora []password.Verified `json:"corpora"`
	}
	var wrong, none []error
	for _, m := range modes {
		tell, end := a.progress("verified " + m.String())
		found, err := p.Corpus(m).Verify(ctx, tell)
		end()
		if ctx.Err() != nil {
			return err
		}
		out.Corpora = append(out.Corpora, found)
		if errors.Is(err, password.ErrNone) {
			none = append(none, err)
		} else if err != nil {
			wrong = append(wrong, err)
		}
	}
	if len(none) == len(modes) {
		wrong = none
	}
	if err := a.print(out, func(w io.Writer) {
		for _, i := range out.Corpora {
			switch {
			case i.State == "whole":
				fmt.Fprintf(w, "%s: %s records in %s files, %s bytes: all as written.\n", i.Mode, language.Digits(i.Records), language.Digits(int64(i.Segments)), language.Digits(i.Bytes))
			case i.State == "none":
				fmt.Fprintf(w, "%s: there is no corpus.\n", i.Mode)
			}
			for _, name := range i.Unnamed {
				fmt.Fprintf(w, "%s: not named by the manifest: what a change left that did not end; the next one removes it.\n", name)
			}
		}
	}); err != nil {
		return err
	}
	return a.tellAll(wrong)
}

// tellAll tells errors that join others, each in a line, with the hint of the first.
func (a *app) tellAll(errs []error) error {
	var all []error
	for _, err := range errs {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			all = append(all, joined.Unwrap()...)
		} else {
			all = append(all, err)
		}
	}
	if len(all) == 0 {
		return nil
	}
	for _, err := range all {
		a.say("shirase: %s", oneLine(err.Error()))
	}
	if h := hintFor(all[0]); h != "" {
		a.say("hint: %s", h)
	}
	return errSaid
}
