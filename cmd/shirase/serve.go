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
	"shirase/internal/api"
	"shirase/internal/index"
	"shirase/internal/roster"
	"shirase/internal/site"
	"shirase/internal/web"
)

const (
	defaultListen = "127.0.0.1:8311"
	maxHeader     = 16 << 10 // bytes
	drain         = 10 * time.Second
)

func (a *app) cmdServe() *cobra.Command {
	var listen string
	var proxies []string
	var logRequests bool
	var contacts []string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the pages, the check and the ledger",
		Long: `Serves everything public on one address. Put a proxy with TLS in front of it and
name the proxy with --trusted-proxy, so that limits count its visitors and not
the proxy. Statements are reissued daily while it runs. Addresses of visitors are never logged.`,
		Example: `  shirase serve
  shirase serve --listen 127.0.0.1:9000 --trusted-proxy 127.0.0.1`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			trusted, err := web.ParseProxies(proxies)
			if err != nil {
				return usageError{err}
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			l, err := listenOn(listen)
			if err != nil {
				return err
			}
			return a.serve(c.Context(), in, l, serving{proxies: trusted, log: logRequests, contacts: contacts}, func(url string) error {
				return a.print(map[string]string{"url": url}, func(w io.Writer) {
					fmt.Fprintf(w, "Serving %s\n", url)
					if _, _, _, err := in.index.Statement(c.Context()); errors.Is(err, index.ErrNone) {
						fmt.Fprintln(w, "Nothing is published yet. Next: shirase incident new --facts FILE")
					}
				})
			})
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", defaultListen, "address to serve on")
	f.StringArrayVar(&proxies, "trusted-proxy", nil, "address or network of a proxy whose X-Forwarded-For is believed")
	f.StringArrayVar(&contacts, "security-contact", nil, "whom to tell of a weakness, in /.well-known/security.txt: an address of mail, or an https or tel URL")
	f.BoolVar(&logRequests, "log-requests", false, "log a line a request: route, status, size, time; no addresses")
	return c
}

func listenOn(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, &hinted{fmt.Errorf("listen on %s: %w", addr, err), "choose another address: --listen 127.0.0.1:0 takes a free port"}
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

	contacts []string // for security.txt
}

// handler puts the public doors together.
func (a *app) handler(ctx context.Context, in *instance, s serving) (http.Handler, error) {
	limiter, err := web.NewLimiter(web.DefaultLimits, nil)
	if err != nil {
		return nil, err
	}
	published := index.NewHandler(in.index, func(r *http.Request, n int) (time.Duration, bool) {
		return limiter.Allow(s.proxies.Address(r), n)
	})
	if err := published.Ready(ctx); err != nil {
		return nil, err
	}
	options := site.Options{
		Incidents: in.incidents,
		Statement: func() *check.Statement { return published.Statement(ctx) },
		Accounts: func(ctx context.Context, id string) (int64, bool) {
			r, err := in.rosters.Latest(ctx, id)
			if err != nil && !errors.Is(err, roster.ErrNone) {
				slog.Error("read the figures of a scope", "incident", id, "error", err)
			}
			return r.Counts.Affected, err == nil
		},
		Unreached: func(ctx context.Context, id string) (int64, int64) {
			r, err := in.rosters.Latest(ctx, id)
			if err != nil && !errors.Is(err, roster.ErrNone) {
				slog.Error("read the figures of a scope", "incident", id, "error", err)
			}
			return r.Counts.Invalid, r.Counts.WithoutEmail
		},
		Proof:     in.ledger.Proof,
		Contact:   in.Contact,
		LedgerKey: in.ledger.VKey(),
		BaseURL:   in.URL,
		Log:       slog.Default(),
	}
	at, hash, err := recordRelease(ctx, in.ledger, in.db.Update)
	if err != nil {
		return nil, err
	}
	options.Release = func() (int64, string, bool) { return at, hash, true }
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
	mux.Handle("/check/v1/", published.Mux())
	for _, path := range []string{"/checkpoint", "/tile/", "/ledger/v1/"} {
		mux.Handle(path, in.ledger.Handler())
	}
	if err := a.mountArchive(ctx, in, s, mux, pages, published); err != nil {
		return nil, err
	}
	if err := a.mountPasswords(ctx, mux); err != nil {
		return nil, err
	}
	mux.Handle("/", pages)
	level := slog.LevelWarn
	if s.log {
		level = slog.LevelInfo
	}
	return web.Wrap(mux, web.Options{Log: slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))}), nil
}

// mountArchive serves the API and the feeds, and puts a limit before the search. It is a limit of its own: whoever reads
// the archive along leaves the check to the others behind the same address.
func (a *app) mountArchive(ctx context.Context, in *instance, s serving, mux *http.ServeMux, pages http.Handler, published *index.Handler) error {
	limiter, err := web.NewLimiter(web.DefaultLimits, nil)
	if err != nil {
		return err
	}
	allow := func(r *http.Request, n int) (time.Duration, bool) { return limiter.Allow(s.proxies.Address(r), n) }
	archive, err := api.New(api.Options{
		Incidents: in.incidents,
		Checkable: func(id string) bool {
			st := published.Statement(ctx)
			if st == nil {
				return false
			}
			i := st.Incident(id)
			return i != nil && i.State == check.Final
		},
		Allow:    allow,
		BaseURL:  in.URL,
		Contacts: s.contacts,
		Log:      slog.Default(),
	})
	if err != nil {
		return usageError{err}
	}
	for _, path := range []string{"/api/", "/feeds/", "/sitemap.xml", "/sitemap/", "/.well-known/security.txt"} {
		mux.Handle(path, archive)
	}
	for _, path := range []string{"/api", "/feeds"} { // pages; the mux would lead from them into the folders
		mux.Handle(path, pages)
	}
	mux.HandleFunc("GET /incidents", func(w http.ResponseWriter, r *http.Request) {
		if wait, ok := allow(r, 1); !ok {
			site.TooMany(pages, w, r, wait)
			return
		}
		pages.ServeHTTP(w, r)
	})
	return nil
}

// serve serves until the context ends; ready is called once it does.
func (a *app) serve(ctx context.Context, in *instance, l net.Listener, s serving, ready func(url string) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if _, err := in.index.Reissue(ctx, false); err != nil && !errors.Is(err, index.ErrNone) {
		return err
	}
	h, err := a.handler(ctx, in, s)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 10 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)} // its lines hold addresses
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	go func() {
		if err := in.incidents.Warm(ctx); err != nil && ctx.Err() == nil {
			slog.Error("warm the search", "error", err) // the first search tries again, and answers for it
		}
	}()
	go in.index.KeepFresh(ctx, func(err error) { slog.Error("reissue the statement", "error", err) })
	if err := ready("http://" + l.Addr().String()); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		return fmt.Errorf("stop serving: %w", err)
	}
	return nil
}
