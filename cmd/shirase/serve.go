package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/api"
	"shirase/internal/archive"
	"shirase/internal/config"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/metrics"
	"shirase/internal/password"
	"shirase/internal/roster"
	"shirase/internal/serve"
	"shirase/internal/site"
	"shirase/internal/store"
)

func (a *app) cmdServe() *cobra.Command {
	var drafts bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the pages, the check and the ledger",
		Long: `Serves everything public on one address. Statements are reissued while it runs.
Addresses of visitors are never logged.

With --domain it gets a certificate for that name by ACME, renews it, serves HTTPS
on port 443 and leads port 80 there. By default the authority is Let's Encrypt, whose
terms you accept by that (https://letsencrypt.org/repository). Or put a proxy with
TLS in front, say with --url where people reach it, and name the proxy with
--trusted-proxy, so that limits count its visitors and not the proxy. To others than
this machine nothing is served before its address is known. shirase setup asks for
all of it.

Where the evaluator's key is missing or cannot be read, everything but the answers
of checks is served, and the pages say so. Evaluator and data may also be kept
apart: --evaluator-elsewhere, and shirase serve evaluator.

--preview shows, to this machine only and with a token, everything as if it were
published now: drafts, and the notice that would be next. It publishes and reissues nothing.`,
		Example: `  shirase serve
  shirase serve --preview
  shirase serve --domain notice.example.org
  shirase serve --url https://notice.example.org --listen 127.0.0.1:9000 --trusted-proxy 127.0.0.1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if drafts {
				return a.servePreview(c.Context(), in)
			}
			l, err := a.listen(true)
			if err != nil {
				return err
			}
			return a.serve(c.Context(), in, l, nil, func(url string) error {
				remark := ""
				if _, _, _, err := in.index.Statement(c.Context()); errors.Is(err, index.ErrNone) {
					next, err := in.next(c.Context())
					if err != nil {
						return err
					}
					remark = "Nothing is published yet. Next: " + next + "\n"
				}
				first, err := a.firstLink(c.Context(), in, url)
				if err != nil {
					return err
				}
				out := map[string]string{"url": url}
				if first != "" {
					out["first"] = first
					remark += "Nobody works here yet. The first administrator comes in here, once, within a day:\n  " + first + "\n"
				}
				return a.print(out, func(w io.Writer) { fmt.Fprintf(w, "Serving %s\n%s", url, remark) })
			})
		},
	}
	f := c.Flags()
	a.serverFlags(c)
	a.settingFlags(f, "url", "domain", "redirect", "acme.contact", "acme.directory", "acme.rootsFile", "trustedProxies", "securityContacts", "passwords.maxAge")
	a.settingFlag(f, "evaluatorElsewhere", "", "")
	c.AddCommand(a.cmdServeEvaluator(), a.cmdServeGate())
	f.BoolVar(&drafts, "preview", false, "show drafts, to this machine only and with a token; publish nothing")
	a.todayFlag(c)
	return c
}

// servePreview shows drafts on an address of this machine: a free one where no flag says which and the usual one is taken.
// It is for this machine, so that nothing else counts of how the instance is operated in public.
func (a *app) servePreview(ctx context.Context, in *instance) error {
	stated := a.read.From("listen").Kind == config.FromFlag
	if !stated {
		a.op().Listen = config.Default().Operation.Listen
	}
	a.op().TLS, a.op().Domain = config.TLS{}, ""
	l, err := a.listen(stated)
	if err != nil {
		return err
	}
	p, err := newPreview(l)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	return a.serve(ctx, in, l, p, func(url string) error {
		return a.print(map[string]string{"url": url, "token": p.token}, func(w io.Writer) {
			fmt.Fprintf(w, "Preview of drafts: %s\nToken: %s\n\nIt is asked for once a browser session. Nobody else can see this, and nothing is published by it.\n", url, p.token)
		})
	})
}

// listen listens where the settings say. Where nobody stated it and it is taken, a free port of this machine does as well.
func (a *app) listen(stated bool) (net.Listener, error) {
	l, err := listen(a.op().Listen)
	if err != nil && !stated {
		return serve.Listen("127.0.0.1:0")
	}
	return l, err
}

// options are those of every server.
func (a *app) options(log *slog.Logger) (serve.Options, error) {
	op := a.op()
	o := serve.Options{Log: log, Requests: op.Log.Requests, Proxies: op.Proxies, Timeouts: op.Timeouts, Connections: op.Limits.Connections, Exercise: a.read.Instance.Exercise != nil}
	var err error
	if op.TLS.CertificateFile != "" {
		o.TLS, err = serve.Certificate(op.TLS.CertificateFile, op.TLS.KeyFile, log)
	}
	return o, err
}

// view is what a server shows of the archive.
func (p *preview) view(in *instance) *archive.View {
	if p != nil {
		return in.archive.Preview(in.publisher.Upcoming)
	}
	return in.archive.Public()
}

// scope gives the roster whose figures a server shows: the published one, or in a preview the one that would be.
func (p *preview) scope(ctx context.Context, in *instance, st *check.Statement, id string) (roster.Roster, bool, error) {
	if p == nil {
		return in.publisher.Scope(ctx, st, id)
	}
	r, err := in.rosters.Latest(ctx, id)
	if errors.Is(err, roster.ErrNone) {
		return roster.Roster{}, false, nil
	}
	return r, err == nil, err
}

// release finds the ledger's record of the scripts that are served, and makes it where there is none; a preview only looks.
func (p *preview) release(ctx context.Context, in *instance) (func() (int64, string, bool), error) {
	if p != nil {
		at, hash, ok, err := in.publisher.LastPage(ctx)
		return func() (int64, string, bool) { return at, hash, ok }, err
	}
	scripts, err := site.Scripts()
	if err != nil {
		return nil, err
	}
	at, hash, err := in.publisher.RecordPage(ctx, actor.Server(), scripts)
	if errors.Is(err, store.ErrNoSpace) {
		in.log.Error("record the scripts of the pages", "error", err, "hint", hint.Of(err))
		return func() (int64, string, bool) { return 0, "", false }, nil
	}
	return func() (int64, string, bool) {
		standing, err := in.publisher.Standing(ctx)
		return at, hash, err == nil && at < standing.Served // it may wait for witnesses
	}, err
}

// server puts the public doors together, and the work that goes on behind them; p is nil unless it is a preview.
func (a *app) server(ctx context.Context, in *instance, corpora *password.Corpora, p *preview) (*serve.Server, *watch, error) {
	log := in.log
	o, err := a.options(log)
	if err != nil {
		return nil, nil, err
	}
	figures := a.figures(&o)
	server := serve.New(o)
	allow, err := a.limit(server, figures, "evaluations", a.op().Limits.Check)
	if err != nil {
		return nil, nil, err
	}
	published := index.NewHost(in.index, in.publisher.Log(), log)
	if err := published.Ready(ctx); err != nil {
		return nil, nil, err
	}
	view := p.view(in)
	options := site.Options{
		Archive:   view,
		Statement: func() *check.Statement { return published.Statement(ctx) },
		Scope: func(ctx context.Context, id string) (site.Scope, bool) {
			r, there, err := p.scope(ctx, in, published.Statement(ctx), id)
			if err != nil {
				log.Error("read the figures of a scope", "incident", id, "error", err)
			}
			return site.Scope{Accounts: r.Counts.Affected, Invalid: r.Counts.Invalid, WithoutEmail: r.Counts.WithoutEmail, Organisation: r.Organisation}, there
		},
		Unwitnessed: func(ctx context.Context) (time.Time, bool) {
			since, stopped, err := published.Unwitnessed(ctx)
			if err != nil {
				log.Error("read how far the ledger is cosigned", "error", err)
			}
			return since, stopped
		},
		Witnesses: in.cosigners,
		Proof:     in.publisher.Proof,
		Operator:  runBy(in.Instance),
		LedgerKey: in.publisher.VKey(),
		BaseURL:   a.op().URL,
		Log:       log,
	}
	if options.Release, err = p.release(ctx, in); err != nil {
		return nil, nil, err
	}
	if p == nil {
		if options.Say, options.Watched, err = a.meetCollection(ctx, in); err != nil {
			return nil, nil, err
		}
	}
	if p != nil {
		options.State = func(ctx context.Context, i incident.Incident) string {
			if _, imported, err := in.incidents.Provenance(ctx, i.ID); err != nil || imported {
				return ""
			}
			state, err := in.publisher.State(ctx, i)
			if err != nil {
				log.Error("read the state of a scope", "incident", i.ID, "error", err)
			}
			return state
		}
		options.Doubts = func(ctx context.Context, id string) []string {
			doubts, err := in.publisher.Doubts(ctx, id)
			if err != nil {
				log.Error("compare an incident with its roster", "incident", id, "error", err)
			}
			return doubts
		}
	}
	var evaluator *index.Evaluator
	if !a.op().EvaluatorElsewhere {
		evaluator = index.NewEvaluator(in.keys, allow, published.Keys, log)
		options.NoKey = func(ctx context.Context) bool { return evaluator.Ready(ctx) != nil }
		if err := evaluator.Ready(ctx); err != nil {
			log.Error("checks cannot be answered, and everything else is served", "error", err, "hint", hint.Of(err))
		}
	}
	if in.Demo != nil {
		options.Demo = &site.Demo{Affected: in.Demo.Affected, NotAffected: in.Demo.NotAffected}
	}
	for _, r := range api.Routes() {
		options.API = append(options.API, site.Route{Path: r.Path, JA: r.JA, EN: r.EN})
	}
	if options.Allow, err = a.limit(server, figures, "pages and searches", a.op().Limits.Archive); err != nil {
		return nil, nil, err
	}
	if p == nil {
		now := &publicNow{archive: view, published: published, evaluator: evaluator}
		if a.op().Mail.Server != "" {
			desk, err := a.enquiries(ctx, in)
			if err != nil {
				return nil, nil, err
			}
			now.others = append(now.others, desk.Public)
		}
		resets, err := a.leadToReset(ctx, in, &options)
		if err != nil {
			return nil, nil, err
		}
		now.others = append(now.others, resets.Public)
		options.Version = now.version
	}
	if p == nil {
		if err := a.answerByMail(ctx, in, published, server, &options); err != nil {
			return nil, nil, err
		}
		if err := a.tellWatchers(ctx, in, published, server, &options); err != nil {
			return nil, nil, err
		}
		if err := a.takeSpread(ctx, in, server, &options); err != nil {
			return nil, nil, err
		}
		if err := a.askedMost(ctx, in, &options); err != nil {
			return nil, nil, err
		}
	}
	pages, err := site.New(options)
	if err != nil {
		return nil, nil, err
	}
	server.Mount(published.Mux(evaluator), "/check/v1/")
	server.Mount(in.publisher.Handler(log), "/checkpoint", "/tile/", "/ledger/v1/")
	if err := a.mountArchive(in, options, server, pages); err != nil {
		return nil, nil, err
	}
	lists, err := mountServices(ctx, in, options, server)
	if err != nil {
		return nil, nil, err
	}
	mountPasswords(server, corpora, a.op().Passwords.MaxAge, log)
	if p == nil {
		if err := a.mountConsole(ctx, in, server); err != nil {
			return nil, nil, err
		}
		if err := a.mountReset(ctx, in, server, corpora); err != nil {
			return nil, nil, err
		}
		if err := a.mountEnquiries(ctx, in, server); err != nil {
			return nil, nil, err
		}
	}
	w := &watch{in: in, data: a.op().Data, server: server, health: &health{in: in, published: published, evaluator: evaluator, now: time.Now},
		published: published, corpora: corpora, metrics: figures, space: space, now: time.Now}
	w.away, _ = log.Handler().(away)
	server.Work("give memory back", func(ctx context.Context, _ func(error)) { serve.GiveBack(ctx) })
	if p == nil {
		if w.gate, err = a.mountGate(ctx, in, server); err != nil {
			return nil, nil, err
		}
	}
	w.health.mount(server)
	server.Mount(pages, "/")
	if p != nil {
		server.Guard(func(h http.Handler) http.Handler { return p.guard(pages, h) })
	} else {
		server.Work("reissue the statement", func(ctx context.Context, failed func(error)) { in.publisher.KeepFresh(ctx, actor.Server(), failed) })
		if err := a.listenForReturned(ctx, in, server); err != nil {
			return nil, nil, err
		}
		server.Work("send the campaigns", func(ctx context.Context, failed func(error)) { a.sendCampaigns(ctx, in, failed) })
		server.Work("keep the list of services", lists.Keep)
		server.Work("keep the cases", func(ctx context.Context, failed func(error)) { a.keepCases(ctx, in, failed) })
	}
	server.Work("warm the search", func(ctx context.Context, failed func(error)) {
		if err := in.archive.Public().Warm(ctx); err != nil {
			failed(err) // the first search tries again, and answers for it
		}
	})
	return server, w, nil
}

// figures are those of a server whose settings say where they are told; nil: nothing is counted.
func (a *app) figures(o *serve.Options) *metrics.Metrics {
	if a.op().Metrics.Listen == "" && a.op().Metrics.OTLP == "" {
		return nil
	}
	m := metrics.New()
	o.Answered = func(r serve.Answer) { m.Answered(r.Route, r.Status, r.Took) }
	o.Failed = func(work string) { m.Count("shirase_work_failures_total", 1, "work", work) }
	return m
}

// limit is a budget of a server, counted where anything is.
func (a *app) limit(server *serve.Server, m *metrics.Metrics, of string, l serve.Limits) (func(*http.Request, int) (time.Duration, bool), error) {
	allow, err := server.Limit(l)
	if err != nil || m == nil {
		return allow, err
	}
	return counted(m, of, allow), nil
}

// mountArchive serves the API and the feeds. They and the pages have a limit of their own: whoever reads the archive along
// leaves the check to the others behind the same address.
func (a *app) mountArchive(in *instance, o site.Options, server *serve.Server, pages *site.Site) error {
	doors, err := api.New(api.Options{Archive: o.Archive, Statement: o.Statement, Allow: o.Allow, BaseURL: o.BaseURL, Operator: o.Operator.Name,
		Contacts: a.op().Contacts, Exercise: in.Exercise != nil, Log: in.log})
	if err != nil {
		return err
	}
	server.Mount(doors, "/api/", "/feeds/", "/sitemap.xml", "/sitemap/", "/.well-known/security.txt")
	server.Mount(pages, "/api", "/feeds") // which would be redirected into the folders
	return nil
}

// serve serves until the context ends; ready is called once it does. When it
// returns, nothing reads or writes the instance any more.
func (a *app) serve(ctx context.Context, in *instance, l net.Listener, p *preview, ready func(url string) error) error {
	defer l.Close()
	if p == nil {
		if err := a.reachable(l); err != nil {
			return err
		}
		switch _, err := in.publisher.Reissue(ctx, actor.Server(), false); {
		case errors.Is(err, index.ErrClock), errors.Is(err, store.ErrNoSpace), store.Away(err): // everything but fresh answers is served
			in.log.Error("reissue the statement", "error", err, "hint", hint.Of(err))
		case err != nil && !errors.Is(err, index.ErrNone):
			return err
		}
	}
	corpora, err := password.Open(a.passwordDir())
	if err != nil {
		return err
	}
	defer corpora.Close()
	server, w, err := a.server(ctx, in, corpora, p)
	if err != nil {
		return err
	}
	if p == nil {
		if err := w.begin(a); err != nil {
			return err
		}
		withdraw, err := a.putOnNet(server, in.log)
		if err != nil {
			return err
		}
		defer withdraw()
		defer w.end(ctx)
	}
	return server.Run(ctx, l, a.announced(ready))
}
