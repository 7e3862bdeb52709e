package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/password"
	"shirase/internal/web"
)

// passwordDir is the folder of the corpora in a data folder.
func (a *app) passwordDir() string { return filepath.Join(a.data, "password") }

// corpora opens the corpora of the data folder.
func (a *app) corpora() (*password.Corpora, error) {
	if _, err := a.readSettings(); err != nil {
		return nil, err
	}
	return password.Open(a.passwordDir())
}

func (a *app) cmdPassword() *cobra.Command {
	c := group("password", "Breached passwords: import, sync, serve, check", `  shirase password import pwned-passwords-ordered.txt
  shirase password check`)
	c.AddCommand(a.cmdPasswordImport(), a.cmdPasswordSync(), a.cmdPasswordVerify(), a.cmdPasswordCheck(), a.cmdPasswordServe(),
		a.cmdPasswordFilter(), a.cmdPasswordTop())
	return c
}

// hashFlag adds the flag that says which corpus is meant.
func hashFlag(c *cobra.Command, hash *string) {
	c.Flags().StringVar(hash, "hash", "sha1", "which corpus: sha1 or ntlm")
}

func parseHash(s string) (password.Mode, error) {
	m, err := password.ParseMode(s)
	if err != nil {
		return 0, usageError{err}
	}
	return m, nil
}

func (a *app) cmdPasswordImport() *cobra.Command {
	var hash, format, counts, rejects, temp string
	var share float64
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Import breached passwords: hashes with counts, or plain lists",
		Long: `Imports a file into the corpus: HASH:COUNT ordered by hash, as Pwned Passwords
are published; hashes in any order; or a list of passwords, one a line. Plain,
gzip or zstd. The corpus changes at the end and as a whole; servers go on meanwhile.

Hashes replace the counts that the corpus has; the counts of passwords in a plain
list are added to them. --counts says otherwise.`,
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
		table(w, [][2]string{{"lines", web.Digits(out.Lines)}, {"rejected", web.Digits(out.Rejected)}, {"new", web.Digits(out.Added)},
			{"new counts", web.Digits(out.Updated)}, {"unchanged", web.Digits(out.Unchanged)}, {"in the corpus", web.Digits(out.Records)}})
	})
}

func (a *app) cmdPasswordSync() *cobra.Command {
	var hash, from string
	var workers int
	var rate float64
	c := &cobra.Command{
		Use:   "sync --from URL",
		Short: "Take over what another range API has",
		Long: `Fetches all 1,048,576 ranges of a range API, another Shirase among them, and folds
them in. What was fetched is remembered: a second run transfers what changed, and
one that was stopped goes on near where it was.`,
		Example: `  shirase password sync --from https://passwords.example.org
  shirase password sync --from https://passwords.example.org --hash ntlm --workers 16 --rate 100`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if from == "" {
				return usagef("sync wants --from URL")
			}
			if workers < 1 || workers > 1000 || rate < 0 {
				return usagef("--workers is 1 to 1000, and --rate not negative")
			}
			m, err := parseHash(hash)
			if err != nil {
				return err
			}
			p, err := a.corpora()
			if err != nil {
				return err
			}
			defer p.Close()
			tell, end := a.progress("ranges")
			out, err := p.Sync(c.Context(), password.SyncOptions{URL: from, Mode: m, Workers: workers, PerSecond: rate, Progress: tell})
			end()
			if err != nil {
				return err
			}
			return a.print(out, func(w io.Writer) {
				table(w, [][2]string{{"ranges", web.Digits(out.Ranges)}, {"unchanged ranges", web.Digits(out.Same)}, {"bytes received", web.Digits(out.Bytes)},
					{"new", web.Digits(out.Added)}, {"new counts", web.Digits(out.Updated)}, {"in the corpus", web.Digits(out.Records)}})
			})
		},
	}
	f := c.Flags()
	hashFlag(c, &hash)
	f.StringVar(&from, "from", "", "address of the range API, without /range/")
	f.IntVar(&workers, "workers", 32, "requests at a time")
	f.Float64Var(&rate, "rate", 0, "requests a second at most; 0: as many as are answered")
	return c
}

func (a *app) cmdPasswordVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Recompute every byte of the corpora",
		Long:  "Reads every file of the corpora and recomputes every checksum, every order and\nevery count of records. A flipped bit anywhere is found and its file named.",
		Example: `  shirase password verify
  shirase password verify --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.corpora()
			if err != nil {
				return err
			}
			defer p.Close()
			var out struct {
				Corpora []password.Info `json:"corpora"`
			}
			for _, m := range password.Modes {
				tell, end := a.progress("verified " + m.String())
				info, err := p.Corpus(m).Verify(c.Context(), tell)
				end()
				if err != nil {
					return err
				}
				out.Corpora = append(out.Corpora, info)
			}
			return a.print(out, func(w io.Writer) {
				for _, i := range out.Corpora {
					fmt.Fprintf(w, "%s: %s records in %s files, %s bytes: all as written.\n", i.Mode, web.Digits(i.Records), web.Digits(int64(i.Segments)), web.Digits(i.Bytes))
				}
			})
		},
	}
}

func (a *app) cmdPasswordFilter() *cobra.Command {
	var hash string
	c := &cobra.Command{
		Use:   "filter",
		Short: "Build the filter that clients without a network download",
		Long: `Builds a binary fuse filter of the corpus: about 9 bits a password. It says no rightly
and yes wrongly once in 256 times. The server offers it at /password/v1/filter.`,
		Example: "  shirase password filter\n  shirase password filter --hash ntlm",
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
			if err := p.BuildFilter(c.Context(), m); err != nil {
				return err
			}
			info := p.Corpus(m).Info()
			return a.print(map[string]any{"mode": info.Mode, "records": info.Records, "generation": info.Generation}, func(w io.Writer) {
				fmt.Fprintf(w, "Filter of %s %s hashes built.\n", web.Digits(info.Records), info.Mode)
			})
		},
	}
	hashFlag(c, &hash)
	return c
}

func (a *app) cmdPasswordTop() *cobra.Command {
	var hash string
	var n int
	c := &cobra.Command{
		Use:     "top",
		Short:   "List the hashes seen most",
		Long:    "Lists the hashes that were seen most, the most seen first. It reads the whole corpus.",
		Example: "  shirase password top\n  shirase password top --number 1000 --hash ntlm",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := parseHash(hash)
			if err != nil {
				return err
			}
			if n < 1 || n > 1_000_000 {
				return usagef("--number is 1 to 1,000,000")
			}
			p, err := a.corpora()
			if err != nil {
				return err
			}
			defer p.Close()
			list, err := p.Corpus(m).Top(c.Context(), n)
			if err != nil {
				return err
			}
			type line struct {
				Hash  string `json:"hash"`
				Count uint64 `json:"count"`
			}
			out := make([]line, 0, len(list))
			for _, s := range list {
				out = append(out, line{fmt.Sprintf("%X", s.Hash), s.Count})
			}
			return a.print(map[string]any{"top": out}, func(w io.Writer) {
				for _, l := range out {
					fmt.Fprintf(w, "%s:%d\n", l.Hash, l.Count)
				}
			})
		},
	}
	hashFlag(c, &hash)
	c.Flags().IntVar(&n, "number", 20, "how many")
	return c
}

func (a *app) cmdPasswordServe() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the range API alone",
		Long: `Serves the range API and the screening, and nothing else: for a network with no way
out, whose clients of Pwned Passwords are pointed at this address. shirase serve
serves them too.`,
		Example: "  shirase password serve --listen 127.0.0.1:9001",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := a.readSettings(); err != nil {
				return err
			}
			l, err := listenOn(listen)
			if err != nil {
				return err
			}
			return a.servePasswords(c.Context(), l)
		},
	}
	c.Flags().StringVar(&listen, "listen", defaultListen, "address to serve on")
	return c
}

// mountPasswords serves the corpora below mux.
func mountPasswords(mux *http.ServeMux, p *password.Corpora) {
	h := password.Handler(p, slog.Default())
	mux.Handle("/range/", h)
	mux.Handle("/password/v1/", h)
}

// keepPasswordsFresh has the newest corpora served until ctx ends.
func keepPasswordsFresh(ctx context.Context, p *password.Corpora) {
	p.KeepFresh(ctx, func(err error) { slog.Error("open the newest corpus", "error", err) })
}

// passwordHandler serves the corpora and nothing else.
func (a *app) passwordHandler(p *password.Corpora) http.Handler {
	mux := http.NewServeMux()
	mountPasswords(mux, p)
	return a.wrap(mux, false)
}

// servePasswords serves the corpora alone, until ctx ends.
func (a *app) servePasswords(ctx context.Context, l net.Listener) error {
	p, err := password.Open(a.passwordDir())
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	workers.Go(func() { keepPasswordsFresh(ctx, p) })
	return serveUntil(ctx, newServer(a.passwordHandler(p)), l, func(url string) error {
		return a.print(map[string]string{"url": url}, func(w io.Writer) { fmt.Fprintf(w, "Serving %s/range/\n", url) })
	})
}

// checked is what `password check` found out about one password.
type checked struct {
	Entry   string            `json:"entry,omitzero"` // of a file: line number and title
	Reasons []password.Reason `json:"reasons"`
}

func (a *app) cmdPasswordCheck() *cobra.Command {
	var hash, file, server, lang string
	var about []string
	c := &cobra.Command{
		Use:   "check",
		Short: "Check passwords, here, without sending any",
		Long: `Asks for a password (it is not shown) and says whether it should be used. With
--file it reads an export of a password manager or browser (CSV) and names the
entries that should be changed, by line and title, never by password.

It answers from the corpus of the data folder. With --server it asks a server,
which is sent 5 digits of hashes and learns neither password nor answer.`,
		Example: `  shirase password check
  shirase password check --about "Hanako Yamada" --about hanako@example.com
  shirase password check --file passwords.csv --server https://passwords.example.org`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			l, ok := web.ParseLang(lang)
			if !ok {
				return usagef("--lang is ja or en")
			}
			m, err := parseHash(hash)
			if err != nil {
				return err
			}
			judge, done, err := a.judge(m, server)
			if err != nil {
				return err
			}
			defer done()
			if file == "" {
				return a.checkTyped(c.Context(), c.InOrStdin(), l, func(p string) ([]password.Reason, error) { return judge(c.Context(), p, about) })
			}
			return a.checkFile(c.Context(), l, file, about, judge)
		},
	}
	f := c.Flags()
	hashFlag(c, &hash)
	f.StringVar(&file, "file", "", "CSV export of KeePass, a browser or another password manager")
	f.StringVar(&server, "server", "", "ask this server instead of the data folder")
	f.StringArrayVar(&about, "about", nil, "words that others know: name, address, service")
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
	if p.Corpus(m).Info().Records == 0 {
		p.Close()
		return nil, nil, hint.Add(fmt.Errorf("the %s corpus is empty", m), "import one: shirase password import FILE; or ask a server: --server URL")
	}
	return func(_ context.Context, text string, about []string) ([]password.Reason, error) {
		return password.Screen{Count: p.Corpus(m).Count, Mode: m}.Check(text, about...)
	}, func() { p.Close() }, nil
}

// checkTyped checks one password from the terminal, without echo, or the first line of standard input.
func (a *app) checkTyped(ctx context.Context, in io.Reader, l web.Lang, judge func(string) ([]password.Reason, error)) error {
	var p string
	var err error
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p, err = a.askSecret(ctx, f, "Password: ")
	} else {
		if p, err = firstLine(ctx, in); err == io.EOF {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
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

var errNoColumn = errors.New("no column of passwords")

// columnsOf finds the columns of an export by what KeePass, KeePassXC, browsers and others call them.
func columnsOf(header []string) (pass, title, user int) {
	pass, title, user = -1, -1, -1
	for i, name := range header {
		switch strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))) {
		case "password", "login_password", "パスワード":
			pass = i
		case "title", "name", "account", "url", "web site", "login_uri", "タイトル":
			if title < 0 {
				title = i
			}
		case "username", "user name", "login name", "login_username", "ユーザー名":
			user = i
		}
	}
	return pass, title, user
}

// checkFile streams an export, a line of output for each entry that should be changed.
func (a *app) checkFile(ctx context.Context, l web.Lang, name string, about []string, judge judge) error {
	f, err := files.OpenInput(ctx, name)
	if err != nil {
		return fmt.Errorf("read the export: %w", err)
	}
	defer f.Close()
	in := csv.NewReader(bufio.NewReader(f))
	in.FieldsPerRecord, in.ReuseRecord = -1, true
	header, err := in.Read()
	if err != nil {
		return fmt.Errorf("read the export: its header: %w", err)
	}
	pass, title, user := columnsOf(header)
	if pass < 0 {
		return hint.Add(fmt.Errorf("read %s: %w", name, errNoColumn), "its first line names the columns; one must be password")
	}
	n, bad := 0, 0
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("check the export: %w", err)
		}
		row, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read the export after %d entries: %w", n, errors.Unwrap(err))
		}
		if pass >= len(row) || row[pass] == "" {
			continue
		}
		n++
		words := about
		entry := ""
		if title >= 0 && title < len(row) {
			entry = row[title]
			words = append(words[:len(words):len(words)], entry)
		}
		if user >= 0 && user < len(row) {
			words = append(words[:len(words):len(words)], row[user])
		}
		reasons, err := judge(ctx, row[pass], words)
		if err != nil {
			return err
		}
		if len(reasons) == 0 {
			continue
		}
		bad++
		line, _ := in.FieldPos(pass)
		out := checked{Entry: fmt.Sprintf("%d: %s", line, entry), Reasons: reasons}
		if err := a.print(out, func(w io.Writer) {
			fmt.Fprintf(w, "%s\n", oneLine(out.Entry))
			for _, r := range reasons {
				fmt.Fprintf(w, "  %s\n", r.Text(l))
			}
		}); err != nil {
			return err
		}
	}
	a.say("%s of %s passwords should be changed.", web.Digits(int64(bad)), web.Digits(int64(n)))
	if bad > 0 {
		return errSaid
	}
	return nil
}
