package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"shirase/internal/charset"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/password"
)

// checked is what `password check` found out about one password.
type checked struct {
	Entry   string            `json:"entry,omitzero"` // of a file: line number and title
	Reasons []password.Reason `json:"reasons"`
	Unknown string            `json:"unknown,omitzero"` // of a file: why nothing can be said of the entry
}

func (a *app) cmdPasswordCheck() *cobra.Command {
	var hash, file, server, lang, column, encoding string
	var about []string
	c := &cobra.Command{
		Use:   "check",
		Short: "Check passwords, here, without sending any",
		Long: `Asks for a password (it is not shown) and says whether it should be used. With
--file it reads an export of a password manager or browser (CSV) and names the
entries that should be changed, by line and title, never by password. A row that
cannot be read is named, and the others are checked.

It answers from the corpus of the data folder. With --server it asks a server,
which is sent 5 digits of hashes and learns neither password nor answer.`,
		Example: `  shirase password check
  shirase password check --about "Hanako Yamada" --about hanako@example.com
  shirase password check --file passwords.csv --server https://passwords.example.org`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, ok := language.Parse(lang)
			if !ok {
				return usagef("--lang is ja or en")
			}
			m, err := parseHash(hash)
			if err != nil {
				return err
			}
			enc, err := charset.Parse(encoding)
			if err != nil {
				return usageError{err}
			}
			judge, done, err := a.judge(m, server)
			if err != nil {
				return err
			}
			defer done()
			if file == "" {
				return a.checkTyped(c.Context(), c.InOrStdin(), l, func(p string) ([]password.Reason, error) { return judge(c.Context(), p, about) })
			}
			f, err := files.OpenInput(c.Context(), file)
			if err != nil {
				return fmt.Errorf("read the export: %w", err)
			}
			defer f.Close()
			export, err := password.ReadExport(f, column, enc)
			if err != nil {
				return fmt.Errorf("read %s: %w", file, err)
			}
			return a.checkExport(c.Context(), l, export, about, judge)
		},
	}
	f := c.Flags()
	hashFlag(c, &hash)
	f.StringVar(&file, "file", "", "CSV export of KeePass, a browser or another password manager")
	f.StringVar(&server, "server", "", "ask this server instead of the data folder")
	f.StringArrayVar(&about, "about", nil, "words that others know: name, address, service")
	f.StringVar(&column, "column", "", "with --file: the column of the passwords, by name or number, where it is not found by itself")
	f.StringVar(&encoding, "encoding", "auto", "with --file: utf-8, utf-16le, utf-16be, shift_jis or euc-jp")
	f.StringVar(&lang, "lang", "en", "language of the reasons: ja or en")
	c.MarkFlagFilename("file", "csv")
	return c
}

type judge func(ctx context.Context, p string, about []string) ([]password.Reason, error)

// judge screens by a server or by the corpus here.
func (a *app) judge(m password.Mode, server string) (judge, func(), error) {
	if server != "" {
		r, err := password.NewRemote(server, m)
		if err != nil {
			return nil, nil, usageError{err}
		}
		return func(ctx context.Context, p string, about []string) ([]password.Reason, error) {
			if err := r.Prepare(ctx, p); err != nil {
				return nil, err
			}
			return password.Screen{Count: r.Count, Mode: m}.Check(p, about...)
		}, func() {}, nil
	}
	p, err := a.corpora()
	if err != nil {
		return nil, nil, err
	}
	if err := p.Corpus(m).Ready(); err != nil && !errors.Is(err, password.ErrIncomplete) {
		p.Close()
		if errors.Is(err, password.ErrNone) {
			err = hint.Add(err, "import one: shirase password import FILE; or ask a server: --server URL")
		}
		return nil, nil, err
	}
	return func(_ context.Context, text string, about []string) ([]password.Reason, error) {
		return password.Screen{Count: p.Corpus(m).Count, Mode: m}.Check(text, about...)
	}, func() { p.Close() }, nil
}

// checkTyped checks one password from the terminal, without echo, or the first line of standard input.
func (a *app) checkTyped(ctx context.Context, in io.Reader, l language.Lang, judge func(string) ([]password.Reason, error)) error {
	var p string
	var err error
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p, err = a.askSecret(ctx, f, "Password: ")
	} else {
		if p, err = firstLine(ctx, in); err == io.EOF {
			err = nil
		}
		p = strings.TrimPrefix(p, "\ufeff") // some shells put it before what they pass on
	}
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
	}
	if !utf8.ValidString(p) || strings.ContainsRune(p, 0) {
		return hint.Add(errors.New("read the password: it is not UTF-8"), "it would never be found so; convert it: iconv -t UTF-8")
	}
	reasons, err := judge(p)
	if err != nil {
		return err
	}
	if err := a.print(checked{Reasons: reasons}, func(w io.Writer) {
		for _, r := range reasons {
			fmt.Fprintln(w, r.Text(l))
		}
		if len(reasons) == 0 {
			fmt.Fprintln(w, l.Pick("問題は見つかりませんでした。", "Nothing speaks against it."))
		}
	}); err != nil {
		return err
	}
	if len(reasons) > 0 {
		return errSaid
	}
	return nil
}

// checkExport tells of each entry that should be changed, or of which nothing can be said.
func (a *app) checkExport(ctx context.Context, l language.Lang, export *password.Export, about []string, judge judge) error {
	n, bad, unknown := 0, 0, 0
	for e := range export.Entries() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("check the export: %w", err)
		}
		out := checked{Entry: fmt.Sprintf("%d: %s", e.Line, e.Title), Unknown: e.Problem, Reasons: []password.Reason{}}
		if e.Problem == "" {
			n++
			var err error
			out.Reasons, err = judgeEntry(ctx, e, about, judge)
			if errors.Is(err, password.ErrIncomplete) {
				out.Unknown = err.Error()
			} else if err != nil {
				return err
			}
		}
		switch {
		case out.Unknown != "":
			unknown++
		case len(out.Reasons) > 0:
			bad++
		default:
			continue
		}
		if err := a.print(out, func(w io.Writer) {
			fmt.Fprintf(w, "%s\n", oneLine(out.Entry))
			for _, r := range out.Reasons {
				fmt.Fprintf(w, "  %s\n", r.Text(l))
			}
			if out.Unknown != "" {
				fmt.Fprintf(w, "  %s %s\n", l.Pick("確認できませんでした：", "It was not checked:"), oneLine(out.Unknown))
			}
		}); err != nil {
			return err
		}
	}
	a.say("%s of %s passwords should be changed.", language.Digits(int64(bad)), language.Digits(int64(n)))
	if unknown > 0 {
		a.say("%s entries were not checked: nothing is said of them.", language.Digits(int64(unknown)))
	}
	if bad > 0 || unknown > 0 {
		return errSaid
	}
	return nil
}

// judgeEntry judges every reading of an entry's password, and returns the reasons of the first that has some.
func judgeEntry(ctx context.Context, e password.Entry, about []string, judge judge) ([]password.Reason, error) {
	words := about[:len(about):len(about)]
	for _, w := range []string{e.Title, e.User} {
		if w != "" {
			words = append(words, w)
		}
	}
	for _, p := range e.Passwords {
		reasons, err := judge(ctx, p, words)
		if err != nil || len(reasons) > 0 {
			return reasons, err
		}
	}
	return nil, nil
}
