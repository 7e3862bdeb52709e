package serve

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Proxies are the networks whose X-Forwarded-For and X-Forwarded-Proto are believed. None by default: the headers are anybody's
// to write.
type Proxies []netip.Prefix

// ParseProxies reads addresses and networks, for example 127.0.0.1 and 10.0.0.0/8.
func ParseProxies(list []string) (Proxies, error) {
	var out Proxies
	for _, s := range list {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			addr, addrErr := netip.ParseAddr(s)
			if addrErr != nil {
				return nil, fmt.Errorf("trusted proxy %q is neither an address nor a network", s)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

func (p Proxies) trusted(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}

// Watch has tell called once, at the first request of h that was forwarded by a peer that is no trusted proxy: limits then
// count all visitors of that proxy as one. Anybody can write such a header, so it is a hint and no proof.
func (p Proxies) Watch(h http.Handler, tell func()) http.Handler {
	var once sync.Once
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.overlooked(r) {
			once.Do(tell)
		}
		h.ServeHTTP(w, r)
	})
}

func (p Proxies) overlooked(r *http.Request) bool {
	if r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == "" {
		return false
	}
	_, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && !p.forwarded(r)
}

// forwarded reports whether a request comes from a trusted proxy.
func (p Proxies) forwarded(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && p.trusted(peer.Addr().Unmap().WithZone(""))
}

// Address returns where a request comes from: the peer, or behind trusted proxies the nearest address that is not one
// of them. It is read from the right of X-Forwarded-For, because what stands further left is what the client claimed.
// The zero address where the peer has none. It is for limits only and belongs into no log.
func (p Proxies) Address(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap().WithZone("")
	if !p.trusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			return addr
		}
		addr = next
		if !p.trusted(addr) {
			return addr
		}
	}
	return addr
}

// parseHop reads an address as proxies write it into X-Forwarded-For: with or without a port, and IPv6 in brackets or not.
func parseHop(s string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		var withPort netip.AddrPort
		if withPort, err = netip.ParseAddrPort(s); err == nil {
			addr = withPort.Addr()
		}
	}
	return addr.Unmap().WithZone(""), err == nil
}
