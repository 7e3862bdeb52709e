package serve

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"shirase/internal/web"
)

// Secure reports whether a request came over TLS: here, or at a trusted proxy that says so in X-Forwarded-Proto. What nearer
// proxies say counts, as in X-Forwarded-For, and anybody else's word does not.
func (p Proxies) Secure(r *http.Request) bool { return r.TLS != nil || p.scheme(r) == "https" }

// scheme is what a trusted proxy says of how a request reached it; "" where none does.
func (p Proxies) scheme(r *http.Request) string {
	said := r.Header.Values("X-Forwarded-Proto")
	if len(said) == 0 || !p.forwarded(r) {
		return ""
	}
	last := said[len(said)-1]
	return strings.ToLower(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]))
}

// At says where people reach what is served: what a trusted proxy says came over plain HTTP is led there, where that is over TLS.
func (s *Server) At(url string) { s.url = url }

// Certify serves TLS with a certificate that is kept while the server runs.
func (s *Server) Certify(i *Issued) {
	s.options.TLS = i.TLS()
	s.Work("keep the certificate", i.Keep)
}

// Lead has a server of its own on l lead plain HTTP to where people reach this one; before it, first answers what has to be
// answered over plain HTTP. nil: nothing.
func (s *Server) Lead(l net.Listener, first func(http.Handler) http.Handler) {
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { lead(w, r, s.url) })
	if first != nil {
		h = first(h)
	}
	plain := New(Options{Log: s.options.Log, Requests: s.options.Requests, Proxies: s.options.Proxies, Timeouts: s.options.Timeouts, MaxBody: 1,
		Connections: max(roomForConnections(openFiles())/8, 16)}) // they are beside those of the other
	plain.Mount(h, "/")
	s.Work("lead plain HTTP to "+s.url, func(ctx context.Context, failed func(error)) {
		if err := plain.Run(ctx, l, func(string) error { return nil }); err != nil {
			failed(err)
		}
	})
}

// lead sends a visitor to the same page below url. What was posted has been sent in the clear: it is not asked for again.
func lead(w http.ResponseWriter, r *http.Request, url string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		web.Problem{Status: http.StatusForbidden, Code: "plain-http", Detail: "This server is reached over https: only. What was sent was not read."}.Write(w, r)
		return
	}
	path := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", strings.TrimRight(url, "/")+"/"+strings.TrimLeft(path, "/"))
	w.WriteHeader(http.StatusPermanentRedirect)
}

// overTLS leads what came to a trusted proxy over plain HTTP to where it is reached over TLS.
func (s *Server) overTLS(h http.Handler) http.Handler {
	if !strings.HasPrefix(s.url, "https://") {
		return h
	}
	var once sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.options.Proxies.scheme(r) != "http" {
			h.ServeHTTP(w, r)
			return
		}
		once.Do(func() {
			s.options.Log.Info("a trusted proxy says that a request came over plain HTTP, and it is led to https; where that is a loop, a proxy further out ends TLS: the nearer one has to pass on its X-Forwarded-Proto")
		})
		lead(w, r, s.url)
	})
}

// Local reports whether what listens at an address can be reached from this machine only.
func Local(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	}
	return false
}

// Notify tells systemd something of this service (sd_notify(3)), where it is one that systemd waits for.
func Notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", name)
	if err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell systemd: %w", err)
	}
	return nil
}
