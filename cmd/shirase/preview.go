package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"slices"

	"shirase/internal/hint"
	"shirase/internal/site"
)

// preview guards a server that shows drafts. It serves this machine only.
type preview struct {
	token string
	hosts []string
}

// newPreview makes the guard of a preview on l, which has to be an address of this machine alone.
func newPreview(l net.Listener) (*preview, error) {
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsLoopback() {
		return nil, hint.Add(fmt.Errorf("a preview shows what is not public, and %s can be reached from elsewhere", l.Addr()),
			"serve it to this machine only: --listen 127.0.0.1:0; from another machine, use a tunnel")
	}
	port := fmt.Sprint(addr.Port)
	hosts := []string{addr.String(), net.JoinHostPort("localhost", port), net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
	slices.Sort(hosts)
	return &preview{token: rand.Text(), hosts: slices.Compact(hosts)}, nil
}

func (p *preview) guard(pages *site.Site, h http.Handler) http.Handler {
	return pages.Preview(h, p.hosts, p.token)
}
