package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Base returns the URL of this instance, without a final slash: the one that is configured, or where that is "" the address that
// the request reached. The host that a request names is its sender's to choose, and what is made of it may be kept for others:
// it counts only where it is a name of this machine's own.
func Base(r *http.Request, configured string) string {
	if configured != "" {
		return strings.TrimSuffix(configured, "/")
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	if local(r.Host) {
		return scheme + r.Host
	}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return scheme + a.String()
	}
	return scheme + "localhost"
}

// local reports whether a host is this machine as it calls itself.
func local(host string) bool {
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 || strconv.Itoa(n) != port {
			return false
		}
		name = h
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" {
		return true // RFC 6761 section 6.3: such names are always this machine's
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"))
	return err == nil && addr.IsLoopback() && addr.Zone() == ""
}

// LocalPath is the path of a request as a link within this site: "//elsewhere.example" would lead out of it.
func LocalPath(r *http.Request) string {
	return "/" + strings.TrimLeft((&url.URL{Path: r.URL.Path}).EscapedPath(), `/\`)
}
