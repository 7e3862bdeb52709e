// Package serve is how a process answers requests: a server with its time-outs and limits, what is mounted on it, the
// work that goes on beside it, and its end. Every server that others reach is one of these.
//
// It knows no room: what answers and what works is handed to it.
package serve

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"shirase/internal/hint"
)

// What no request may exceed, in bytes.
const (
	maxHeader = 16 << 10
	maxBody   = 1 << 20
)

// Options are how a server is operated. The zero value serves plain HTTP, believes no proxy and logs nothing.
type Options struct {
	Log      *slog.Logger // hears of panics and of work that fails; nil: nobody does
	Requests bool         // log a line a request, too
	Proxies  Proxies
	Timeouts Timeouts
	TLS      *tls.Config // nil: plain HTTP
	MaxBody  int64       // bytes of a request body; 0: 1 MiB
	Exercise bool        // nothing of it is real, and every answer says so, for programs
	// Connections is how many there may be at once; 0: as many as the limit of open files leaves room for.
	Connections int
	Answered    func(Answer)      // hears of every request; nil: nobody does
	Failed      func(work string) // hears of work that has failed, by its name; nil: nobody does
}

// Timeouts bound how long a client may take, and an end. What is zero is as in DefaultTimeouts.
type Timeouts struct {
	Header time.Duration // to send a request's header
	Read   time.Duration // to send a request
	Write  time.Duration // to be sent an answer, from the end of the request's header
	Stall  time.Duration // to take a little of an answer
	Idle   time.Duration // between two requests of a connection
	Drain  time.Duration // for the requests that are under way when the server ends
}

// DefaultTimeouts let a whole layer be fetched over a slow line.
var DefaultTimeouts = Timeouts{Header: 10 * time.Second, Read: 30 * time.Second, Write: 10 * time.Minute, Stall: 30 * time.Second, Idle: 2 * time.Minute, Drain: 10 * time.Second}

// Server is a server that is being put together, until it runs.
type Server struct {
	options Options
	mux     *http.ServeMux
	guard   func(http.Handler) http.Handler
	work    []work
	url     string // where people reach it; "": not known

	connections atomic.Pointer[connections] // while it runs
}

// work is what goes on while a server runs.
type work struct {
	name string
	run  func(ctx context.Context, failed func(error))
}

// New makes a server without anything on it.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{options: o, mux: http.NewServeMux(), guard: func(h http.Handler) http.Handler { return h }}
}

// Mount has h answer the requests of patterns, which are those of http.ServeMux.
func (s *Server) Mount(h http.Handler, patterns ...string) {
	for _, p := range patterns {
		s.mux.Handle(p, h)
	}
}

// Guard puts guard before everything that is mounted.
func (s *Server) Guard(guard func(http.Handler) http.Handler) { s.guard = guard }

// Work has run work while the server runs. It ends when its context does, and the server waits for it. What it says has
// failed is logged under its name, unless it failed because of the end.
func (s *Server) Work(name string, run func(ctx context.Context, failed func(error))) {
	s.work = append(s.work, work{name, run})
}

// Limit makes a budget of its own within limits: n units are taken for the address that a request comes from, or none;
// then retry is when they would be there.
func (s *Server) Limit(limits Limits) (allow func(r *http.Request, n int) (retry time.Duration, ok bool), err error) {
	limiter, err := NewLimiter(limits, nil)
	if err != nil {
		return nil, err
	}
	return func(r *http.Request, n int) (time.Duration, bool) {
		return limiter.Allow(s.options.Proxies.Address(r), n)
	}, nil
}

// Handler answers as the server does when it runs.
func (s *Server) Handler() http.Handler {
	return s.options.Proxies.Watch(Wrap(s.overTLS(s.guard(s.mux)), s.options), func() {
		s.options.Log.Warn("a request was forwarded by a peer that no --trusted-proxy names: if that is a proxy of yours, all its visitors share one limit, and a few can keep the others out")
	})
}

// Connections gives how many connections there are, and how many there may be; 0 and 0 before the server runs.
func (s *Server) Connections() (open, most int) {
	if c := s.connections.Load(); c != nil {
		return c.count(), c.most
	}
	return 0, 0
}

// CertificateEnds gives when the certificate that is served ends; the zero time where none is.
func (s *Server) CertificateEnds() time.Time {
	if s.options.TLS == nil || s.options.TLS.GetCertificate == nil {
		return time.Time{}
	}
	c, err := s.options.TLS.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil || c == nil || c.Leaf == nil {
		return time.Time{}
	}
	return c.Leaf.NotAfter
}

// Listen listens on a TCP address, such as 127.0.0.1:8311.
func Listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("listen on %s: %w", addr, err), "choose another address: --listen 127.0.0.1:0 takes a free port")
	}
	return l, nil
}

// Run serves on l, and works, until ctx ends; ready is called once it does, and its error ends it too. Requests that are
// under way then are answered to their end, or broken off when that takes longer than the time-out. When Run returns, l is
// closed, no handler runs and no work goes on: what they read may be closed.
func (s *Server) Run(ctx context.Context, l net.Listener, ready func(url string) error) error {
	defer l.Close()
	working, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	for _, w := range s.work {
		workers.Go(func() {
			w.run(working, func(err error) {
				if working.Err() != nil {
					return
				}
				s.options.Log.Error(w.name, "error", err)
				if s.options.Failed != nil {
					s.options.Failed(w.name)
				}
			})
		})
	}
	return s.serve(ctx, l, ready)
}

// serve is Run without the work.
func (s *Server) serve(ctx context.Context, l net.Listener, ready func(url string) error) error {
	requests, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	var running sync.RWMutex // read-locked by each request
	inner := s.Handler()
	server := s.http(requests, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !running.TryRLock() {
			panic(http.ErrAbortHandler) // it came when all was over
		}
		defer running.RUnlock()
		inner.ServeHTTP(w, r)
	}))
	served := make(chan error, 1)
	scheme, address := "http", l.Addr()
	kept := newConnections(l, cmp.Or(s.options.Connections, roomForConnections(openFiles())), s.timeouts().Stall)
	server.ConnState = kept.state
	s.connections.Store(kept)
	l = kept
	if s.options.TLS == nil {
		go func() { served <- server.Serve(l) }()
	} else {
		scheme = "https"
		go func() { served <- server.ServeTLS(l, "", "") }()
	}
	err := ready(scheme + "://" + address.String())
	if err == nil {
		select {
		case err = <-served:
			served <- err
			err = fmt.Errorf("serve: %w", err)
		case <-ctx.Done():
			patience, done := context.WithTimeout(requests, s.timeouts().Drain)
			if err = server.Shutdown(patience); errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
			done()
		}
	}
	breakOff()
	server.Close()
	<-served
	running.Lock()
	return err
}

// roomForConnections is how many connections there may be beside the files that a server needs: layers, corpora, database.
func roomForConnections(files int) int { return max(min(files-files/4, maxConnections), 16) }

// maxConnections are as many as a machine of two processors has the memory for, where the limit of files says nothing.
const maxConnections = 16_384

// http makes the server of the standard library, whose requests end with a context.
func (s *Server) http(ctx context.Context, h http.Handler) *http.Server {
	t := s.timeouts()
	return &http.Server{Handler: h, TLSConfig: s.options.TLS, BaseContext: func(net.Listener) context.Context { return ctx }, ConnContext: withConnection,
		ReadHeaderTimeout: t.Header, ReadTimeout: t.Read, WriteTimeout: t.Write, IdleTimeout: t.Idle, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)} // its lines hold addresses
}

func (s *Server) timeouts() Timeouts {
	t, d := s.options.Timeouts, DefaultTimeouts
	return Timeouts{cmp.Or(t.Header, d.Header), cmp.Or(t.Read, d.Read), cmp.Or(t.Write, d.Write), cmp.Or(t.Stall, d.Stall), cmp.Or(t.Idle, d.Idle), cmp.Or(t.Drain, d.Drain)}
}
