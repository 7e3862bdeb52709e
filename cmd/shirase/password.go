package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/language"
	"shirase/internal/password"
	"shirase/internal/serve"
)

// passwordDir is the folder of the corpora in a data folder.
func (a *app) passwordDir() string { return filepath.Join(a.op().Data, "password") }

// corpora opens the corpora of the data folder.
func (a *app) corpora() (*password.Corpora, error) {
	if _, err := a.readInstance(); err != nil {
		return nil, err
	}
	return password.Open(a.passwordDir())
}

func (a *app) cmdPassword() *cobra.Command {
	c := group("password", "Breached passwords: import, sync, serve, check", `  shirase password import pwned-passwords-ordered.txt
  shirase password check`)
	c.AddCommand(a.cmdPasswordImport(), a.cmdPasswordImports(), a.cmdPasswordRemove(), a.cmdPasswordSync(), a.cmdPasswordVerify(),
		a.cmdPasswordCheck(), a.cmdPasswordServe(), a.cmdPasswordFilter(), a.cmdPasswordTop())
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

func (a *app) cmdPasswordSync() *cobra.Command {
	var hash, from string
	var workers int
	var rate float64
	var giveUp bool
	c := &cobra.Command{
		Use:   "sync --from URL",
		Short: "Take over what another range API has",
		Long: `Fetches all 1,048,576 ranges of a range API, another Shirase among them, and folds
them in. What was fetched is remembered: a second run transfers what changed, and
one that was stopped goes on near where it was.

A range that the upstream does not give is passed over after several tries and named
at the end; the next run takes up only those. A range that was never fetched is not
answered about: see shirase password verify. --give-up ends with an upstream: what
came from it stays, and what was in the corpus before answers again for the rest.`,
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
			if giveUp {
				if err := p.GiveUp(c.Context(), m, from); err != nil {
					return err
				}
				return a.print(p.Corpus(m).Info(), func(w io.Writer) { fmt.Fprintf(w, "The %s corpus is not taken over from there any more.\n", m) })
			}
			tell, end := a.progress("ranges")
			out, err := p.Sync(c.Context(), password.SyncOptions{URL: from, Mode: m, Workers: workers, PerSecond: rate, Progress: tell})
			end()
			if err != nil && !errors.Is(err, password.ErrSkipped) {
				return err
			}
			return errors.Join(a.print(out, func(w io.Writer) {
				table(w, [][2]string{{"ranges", language.Digits(out.Ranges)}, {"unchanged ranges", language.Digits(out.Same)}, {"bytes received", language.Digits(out.Bytes)},
					{"new", language.Digits(out.Added)}, {"new counts", language.Digits(out.Updated)}, {"in the corpus", language.Digits(out.Records)}})
				for _, r := range out.Skipped {
					fmt.Fprintf(w, "not fetched: %s\n", r)
				}
			}), err)
		},
	}
	f := c.Flags()
	hashFlag(c, &hash)
	f.StringVar(&from, "from", "", "address of the range API, without /range/")
	f.IntVar(&workers, "workers", 32, "requests at a time")
	f.BoolVar(&giveUp, "give-up", false, "fetch nothing, and end with this upstream")
	f.Float64Var(&rate, "rate", 0, "requests a second at most; 0: as many as are answered")
	return c
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
				fmt.Fprintf(w, "Filter of %s %s hashes built.\n", language.Digits(info.Records), info.Mode)
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
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the range API alone",
		Long: `Serves the range API and the screening, and nothing else: for a network with no way
out, whose clients of Pwned Passwords are pointed at this address. shirase serve
serves them too.`,
		Example: "  shirase password serve --listen 127.0.0.1:9001",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := a.readInstance(); err != nil {
				return err
			}
			l, err := a.listen(true)
			if err != nil {
				return err
			}
			return a.servePasswords(c.Context(), l)
		},
	}
	a.serverFlags(c)
	a.settingFlag(c.Flags(), "passwords.maxAge", "max-age", "")
	return c
}

// mountPasswords serves the newest corpora, whose ranges may be cached for an age. A corpus that is not there, or
// cannot be read, is no reason to serve nothing: it answers why it does not.
func mountPasswords(server *serve.Server, p *password.Corpora, age time.Duration, log *slog.Logger) {
	server.Mount(password.Handler(p, &password.Options{Log: log, MaxAge: age}), "/range/", "/password/v1/")
	server.Work("open the newest corpus", p.KeepFresh)
}

// passwordServer serves the corpora and nothing else.
func (a *app) passwordServer(p *password.Corpora) (*serve.Server, error) {
	log := a.log()
	o, err := a.options(log)
	if err != nil {
		return nil, err
	}
	server := serve.New(o)
	mountPasswords(server, p, a.op().Passwords.MaxAge, log)
	return server, nil
}

// servePasswords serves the corpora alone, until ctx ends.
func (a *app) servePasswords(ctx context.Context, l net.Listener) error {
	defer l.Close()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // it makes so little garbage that the memory is better left to the page cache
	}
	p, err := password.Open(a.passwordDir())
	if err != nil {
		return err
	}
	defer p.Close()
	server, err := a.passwordServer(p)
	if err != nil {
		return err
	}
	return server.Run(ctx, l, func(url string) error {
		return a.print(map[string]string{"url": url}, func(w io.Writer) { fmt.Fprintf(w, "Serving %s/range/\n", url) })
	})
}
