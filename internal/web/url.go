package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Base returns the URL of this instance, without a final slash: the one that is configured, or where that is "" the one that
// the request was made to.
func Base(r *http.Request, configured string) string {
	if configured != "" {
		return strings.TrimSuffix(configured, "/")
	}
	host := r.Host
	if len(host) > 255 || !plainHost.MatchString(host) { // a command with it would do something else
		host = "localhost"
	}
	if r.TLS != nil {
		return "https://" + host
	}
	return "http://" + host
}

var plainHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

// LocalPath is the path of a request as a link within this site: "//elsewhere.example" would lead out of it.
func LocalPath(r *http.Request) string {
	return "/" + strings.TrimLeft((&url.URL{Path: r.URL.Path}).EscapedPath(), `/\`)
}
