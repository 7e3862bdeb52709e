package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/api"
	"shirase/internal/archive"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/page"
	"shirase/internal/password"
	"shirase/internal/roster"
	"shirase/internal/site"
	"shirase/internal/web"
)

const defaultListen = "127.0.0.1:8311"

func (a *app) cmdServe() *cobra.Command {
	var listen string
	var proxies []string
	var logRequests, drafts, elsewhere bool
	var contacts []string
	var age time.Duration
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the pages, the check and the ledger",
		Long: `Serves everything public on one address. Put a proxy with TLS in front of it and
name the proxy with --trusted-proxy, so that limits count its visitors and not
the proxy. Statements are reissued while it runs. Addresses of visitors are never logged.

Where the evaluator's key is missing or cannot be read, everything but the answers
of checks is served, and the pages say so. Evaluator and data may also be kept
apart: --evaluator-elsewhere, and shirase serve evaluator.

--preview shows, to this machine only and with a token, everything as if it were
published now: drafts, and the notice that would be next. It publishes and reissues nothing.`,
		Example: `  shirase serve
  shirase serve --preview
  shirase serve --listen 127.0.0.1:9000 --trusted-proxy 127.0.0.1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			trusted, err := web.ParseProxies(proxies)
			if err != nil {
				return usageError{err}
			}
			if err := checkAge("password-max-age", age); err != nil {
				return err
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			s := serving{proxies: trusted, log: logRequests, elsewhere: elsewhere, contacts: contacts, passwordAge: age}
			if drafts {
				return a.servePreview(c.Context(), in, listen, c.Flags().Changed("listen"), s)
			}
			l, err := listenOn(listen)
			if err != nil {
				return err
			}
			return a.serve(c.Context(), in, l, s, func(url string) error {
				remark := ""
				if _, _, _, err := in.index.Statement(c.Context()); errors.Is(err, index.ErrNone) {
					next, err := in.next(c.Context())
					if err != nil {
						return err
					}
					remark = "Nothing is published yet. Next: " + next + "\n"
				}
				return a.print(map[string]string{"url": url}, func(w io.Writer) { fmt.Fprintf(w, "Serving %s\n%s", url, remark) })
			})
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", defaultListen, "address to serve on")
	f.StringArrayVar(&proxies, "trusted-proxy", nil, "address or network of a proxy whose X-Forwarded-For is believed")
	f.StringArrayVar(&contacts, "security-contact", nil, "whom to tell of a weakness, in /.well-known/security.txt: an address of mail, or an https or tel URL")
	f.BoolVar(&drafts, "preview", false, "show drafts, to this machine only and with a token; publish nothing")
	f.BoolVar(&elsewhere, "evaluator-elsewhere", false, "answer no evaluations: a proxy leads /check/v1/evaluate to a shirase serve evaluator")
	ageFlag(c, "password-max-age", &age)
	a.todayFlag(c)
	f.BoolVar(&logRequests, "log-requests", false, "log a line a request: route, status, size, time; no addresses")
	c.AddCommand(a.cmdServeEvaluator())
	return c
}

// servePreview shows drafts on an address of this machine: a free one where none was asked for and the usual one is taken.
func (a *app) servePreview(ctx context.Context, in *instance, listen string, stated bool, s serving) error {
	if !stated {
		listen = ""
	}
	l, err := demoListen(listen)
	if err != nil {
		return err
	}
	if s.preview, err = newPreview(l); err != nil {
		return errors.Join(err, l.Close())
	}
	return a.serve(ctx, in, l, s, func(url string) error {
		return a.print(map[string]string{"url": url, "token": s.preview.token}, func(w io.Writer) {
			fmt.Fprintf(w, "Preview of drafts: %s\nToken: %s\n\nIt is asked for once a browser session. Nobody else can see this, and nothing is published by it.\n", url, s.preview.token)
		})
	})
}

func listenOn(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("listen on %s: %w", addr, err), "choose another address: --listen 127.0.0.1:0 takes a free port")
	}
	return l, nil
}

// demoListen takes a free port where the usual one is taken and none was asked for.
func demoListen(addr string) (net.Listener, error) {
	if addr != "" {
		return listenOn(addr)
	}
	if l, err := net.Listen("tcp", defaultListen); err == nil {
		return l, nil
	}
	return listenOn("127.0.0.1:0")
}

// serving are the settings of a server.
type serving struct {
	proxies web.Proxies
	log     bool

	elsewhere bool // evaluations are another process's

	contacts []string // for security.txt

	passwordAge time.Duration // for which ranges of passwords may be cached; 0: as usual
	preview     *preview      // nil: what is public, to everybody
}

// view is what a server shows of the archive.
func (s serving) view(in *instance) *archive.View {
	if s.preview != nil {
		return in.archive.Preview(in.publisher.Upcoming)
	}
	return in.archive.Public()
}

// scope gives the roster whose figures a server shows: the published one, or in a preview the one that would be.
func (s serving) scope(ctx context.Context, in *instance, st *check.Statement, id string) (roster.Roster, bool, error) {
	if s.preview == nil {
		return in.publisher.Scope(ctx, st, id)
	}
	r, err := in.rosters.Latest(ctx, id)
	if errors.Is(err, roster.ErrNone) {
		return roster.Roster{}, false, nil
	}
	return r, err == nil, err
}

// release finds the ledger's record of the scripts that are served, and makes it where there is none; a preview only looks.
func (s serving) release(ctx context.Context, in *instance) (func() (int64, string, bool), error) {
	if s.preview != nil {
		at, hash, ok, err := in.publisher.LastPage(ctx)
		return func() (int64, string, bool) { return at, hash, ok }, err
	}
	scripts, err := site.Scripts()
	if err != nil {
		return nil, err
	}
	at, hash, err := in.publisher.RecordPage(ctx, actor.Server(), scripts)
	return func() (int64, string, bool) {
		standing, err := in.publisher.Standing(ctx)
		return at, hash, err == nil && at < standing.Served // it may wait for witnesses
	}, err
}

// limit makes a limiter of its own, by the address that a request comes from.
func (s serving) limit() (func(r *http.Request, n int) (time.Duration, bool), error) {
	limiter, err := web.NewLimiter(web.DefaultLimits, nil)
	if err != nil {
		return nil, err
	}
	return func(r *http.Request, n int) (time.Duration, bool) { return limiter.Allow(s.proxies.Address(r), n) }, nil
}

// handler puts the public doors together.
func (a *app) handler(ctx context.Context, in *instance, p *password.Corpora, s serving) (http.Handler, error) {
	allow, err := s.limit()
	if err != nil {
		return nil, err
	}
	published := index.NewHost(in.index, in.publisher.Log())
	if err := published.Ready(ctx); err != nil {
		return nil, err
	}
	view := s.view(in)
	options := site.Options{
		Archive:   view,
		Statement: func() *check.Statement { return published.Statement(ctx) },
		Scope: func(ctx context.Context, id string) (site.Scope, bool) {
			r, there, err := s.scope(ctx, in, published.Statement(ctx), id)
			if err != nil {
				slog.Error("read the figures of a scope", "incident", id, "error", err)
			}
			return site.Scope{Accounts: r.Counts.Affected, Invalid: r.Counts.Invalid, WithoutEmail: r.Counts.WithoutEmail, Organisation: r.Organisation}, there
		},
		Unwitnessed: func(ctx context.Context) (time.Time, bool) {
			since, stopped, err := published.Unwitnessed(ctx)
			if err != nil {
				slog.Error("read how far the ledger is cosigned", "error", err)
			}
			return since, stopped
		},
		Witnesses: in.cosigners,
		Proof:     in.publisher.Proof,
		Operator:  page.Operator{Name: in.operator(), Contact: in.Contact, Imprint: in.Imprint, Privacy: in.Privacy},
		LedgerKey: in.publisher.VKey(),
		BaseURL:   in.URL,
		Log:       slog.Default(),
	}
	if options.Release, err = s.release(ctx, in); err != nil {
		return nil, err
	}
	if s.preview != nil {
		options.State = func(ctx context.Context, i incident.Incident) string {
			if _, imported, err := in.incidents.Provenance(ctx, i.ID); err != nil || imported {
				return ""
			}
			state, err := in.publisher.State(ctx, i)
			if err != nil {
				slog.Error("read the state of a scope", "incident", i.ID, "error", err)
			}
			return state
		}
		options.Doubts = func(ctx context.Context, id string) []string {
			doubts, err := in.publisher.Doubts(ctx, id)
			if err != nil {
				slog.Error("compare an incident with its roster", "incident", id, "error", err)
			}
			return doubts
		}
	}
	var evaluator *index.Evaluator
	if !s.elsewhere {
		evaluator = index.NewEvaluator(in.keys, allow, published.Keys)
		options.NoKey = func(ctx context.Context) bool { return evaluator.Ready(ctx) != nil }
		if err := evaluator.Ready(ctx); err != nil {
			slog.Error("checks cannot be answered, and everything else is served", "error", err, "hint", hint.Of(err))
		}
	}
	if in.Demo != nil {
		options.Demo = &site.Demo{Affected: in.Demo.Affected, NotAffected: in.Demo.NotAffected}
	}
	for _, r := range api.Routes() {
		options.API = append(options.API, site.Route{Path: r.Path, JA: r.JA, EN: r.EN})
	}
	pages, err := site.New(options)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/check/v1/", published.Mux(evaluator))
	for _, path := range []string{"/checkpoint", "/tile/", "/ledger/v1/"} {
		mux.Handle(path, in.publisher.Handler())
	}
	if err := a.mountArchive(ctx, in, view, s, mux, pages, published); err != nil {
		return nil, err
	}
	mountPasswords(mux, p, s.passwordAge)
	mux.Handle("/", pages)
	var h http.Handler = mux
	if s.preview != nil {
		h = s.preview.guard(pages, mux)
	}
	h = s.proxies.Watch(h, func() {
		slog.Warn("a request was forwarded by a peer that no --trusted-proxy names: if that is a proxy of yours, all its visitors share one limit, and a few can keep the others from the check")
	})
	return a.wrap(h, s.log), nil
}

// wrap is web.Wrap with a log of panics and, where that is wanted, of requests.
func (a *app) wrap(h http.Handler, requests bool) http.Handler {
	level := slog.LevelWarn
	if requests {
		level = slog.LevelInfo
	}
	return web.Wrap(h, web.Options{Log: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))})
}

// mountArchive serves the API and the feeds, and puts a limit before the search. It is a limit of its own: whoever reads
// the archive along leaves the check to the others behind the same address.
func (a *app) mountArchive(ctx context.Context, in *instance, view *archive.View, s serving, mux *http.ServeMux, pages *site.Site, published *index.Host) error {
	allow, err := s.limit()
	if err != nil {
		return err
	}
	doors, err := api.New(api.Options{
		Archive:   view,
		Statement: func() *check.Statement { return published.Statement(ctx) },
		Allow:     allow,
		BaseURL:   in.URL,
		Operator:  in.operator(),
		Contacts:  s.contacts,
		Log:       slog.Default(),
	})
	if err != nil {
		return usageError{err}
	}
	for _, path := range []string{"/api/", "/feeds/", "/sitemap.xml", "/sitemap/", "/.well-known/security.txt"} {
		mux.Handle(path, doors)
	}
	for _, path := range []string{"/api", "/feeds"} { // pages; the mux would lead from them into the folders
		mux.Handle(path, pages)
	}
	for _, path := range []string{"/incidents", "/learn/compare"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if wait, ok := allow(r, 1); !ok {
				pages.TooMany(w, r, wait)
				return
			}
			pages.ServeHTTP(w, r)
		})
	}
	return nil
}

// serve serves until the context ends; ready is called once it does. When it
// returns, nothing reads or writes the instance any more.
func (a *app) serve(ctx context.Context, in *instance, l net.Listener, s serving, ready func(url string) error) error {
	if s.preview == nil {
		switch _, err := in.publisher.Reissue(ctx, actor.Server(), false); {
		case errors.Is(err, index.ErrClock): // everything but fresh answers is served
			slog.Error("reissue the statement", "error", err, "hint", hint.Of(err))
		case err != nil && !errors.Is(err, index.ErrNone):
			return err
		}
	}
	p, err := password.Open(a.passwordDir())
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	h, err := a.handler(ctx, in, p, s)
	if err != nil {
		return err
	}
	workers.Go(func() {
		if err := in.archive.Public().Warm(ctx); err != nil && ctx.Err() == nil {
			slog.Error("warm the search", "error", err) // the first search tries again, and answers for it
		}
	})
	if s.preview == nil {
		workers.Go(func() {
			in.publisher.KeepFresh(ctx, actor.Server(), func(err error) { slog.Error("reissue the statement", "error", err) })
		})
	}
	workers.Go(func() { keepPasswordsFresh(ctx, p) })
	return serveUntil(ctx, newServer(h), l, ready)
}
