package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"shirase/internal/password"
	"shirase/internal/serve"
)

// answer is what a path gave: its status, its headers but the date, and its body.
type answer struct {
	status int
	header string
	body   string
}

// seeds are where a crawl begins: every public address that takes no id, and searches that would find a draft.
var seeds = []string{"/", "/incidents", "/incidents?sort=updated", "/incidents?q=draft", "/incidents?q=%E4%B8%8B%E6%9B%B8%E3%81%8D", "/incidents?country=FR",
	"/incidents?cause=ransomware", "/incidents?dataset=own", "/learn", "/learn?dataset=own", "/learn/compare", "/learn/like?cause=ransomware&country=FR", "/learn/years",
	"/verify", "/how", "/statement", "/feeds", "/api", "/robots.txt", "/feeds/atom.xml", "/feeds/feed.json", "/feeds/atom.xml?q=draft", "/sitemap.xml", "/sitemap/1.xml",
	"/api/v1/incidents", "/api/v1/incidents?sort=updated", "/api/v1/incidents?q=draft", "/api/v1/notices", "/api/v1/organisations", "/api/v1/datasets", "/api/v1/vocabulary",
	"/api/v1/export.json", "/api/v1/export.csv", "/api/v1/openapi.json", "/check/v1/statement", "/checkpoint", "/ledger/v1/key"}

// ofIncident are the addresses of one incident.
var ofIncident = []string{"/incidents/%s", "/incidents/%s?lang=en", "/incidents/%s/help", "/incidents/%s/timeline.csv", "/api/v1/incidents/%s", "/notices/%s-v1", "/notices/%s-v2",
	"/notices/%s-v3", "/api/v1/notices/%s-v1", "/learn/compare?id=%s&id=shop-2026"}

var links = regexp.MustCompile(`(?:href|src)="(/[^"#]*)|(?:<loc>|"url":"|<id>|href=")https?://[^/"<]+(/[^"<#]*)`)

// crawl fetches every seed, every address of the incidents named, and whatever they lead to.
func crawl(t *testing.T, base string, incidents ...string) map[string]answer {
	t.Helper()
	todo := slices.Clone(seeds)
	for _, id := range incidents {
		for _, path := range ofIncident {
			todo = append(todo, strings.ReplaceAll(path, "%s", id))
		}
	}
	seen := map[string]answer{}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if _, ok := seen[path]; ok {
			continue
		}
		if len(seen) > 3000 {
			t.Fatal("the crawl does not end")
		}
		res, err := client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusNotFound && !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: a 404 that may be stored: %q", path, res.Header.Get("Cache-Control"))
		}
		res.Header.Del("Date")
		seen[path] = answer{res.StatusCode, headerText(res.Header), string(body)}
		for _, m := range links.FindAllStringSubmatch(string(body), -1) {
			next := strings.ReplaceAll(m[1]+m[2], "&amp;", "&")
			if u, err := url.Parse(next); err == nil && !strings.HasPrefix(next, "/assets/") && !strings.HasPrefix(u.Path, "//") &&
				len(u.Query()) <= 1 && !(u.Path == "/learn/compare" && path != "/learn") { // searches and comparisons combine without end
				todo = append(todo, next)
			}
		}
	}
	return seen
}

func headerText(h http.Header) string {
	var lines []string
	for name, values := range h {
		lines = append(lines, name+": "+strings.Join(values, ", "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// mustBeSame compares two crawls byte by byte.
func mustBeSame(t *testing.T, what string, before, after map[string]answer) {
	t.Helper()
	for path, was := range before {
		is, ok := after[path]
		switch {
		case !ok:
			t.Errorf("%s: %s is led to no more", what, path)
		case is != was:
			t.Errorf("%s: %s changed: %s", what, path, difference(was, is))
		}
	}
	for path := range after {
		if _, ok := before[path]; !ok {
			t.Errorf("%s: %s is led to now", what, path)
		}
	}
}

func difference(a, b answer) string {
	switch {
	case a.status != b.status:
		return fmt.Sprintf("%d, was %d", b.status, a.status)
	case a.header != b.header:
		return fmt.Sprintf("headers %q, were %q", b.header, a.header)
	}
	i := 0
	for i < min(len(a.body), len(b.body)) && a.body[i] == b.body[i] {
		i++
	}
	return fmt.Sprintf("at byte %d …%q, was …%q", i, b.body[i:min(len(b.body), i+120)], a.body[i:min(len(a.body), i+120)])
}

// folder is an instance whose commands are run in this process, and a server of it.
type folder struct {
	t     *testing.T
	data  string
	store string
}

func (f folder) args(args ...string) []string {
	f.t.Setenv("SHIRASE_STORE", f.store) // it has a password, which is no argument
	return append(args, "--data", f.data)
}

// do runs a command that has to succeed.
func (f folder) do(args ...string) string {
	f.t.Helper()
	out, ok := f.try(args...)
	if !ok {
		f.t.Fatalf("shirase %s: %s", strings.Join(args, " "), out)
	}
	return out
}

func (f folder) try(args ...string) (string, bool) {
	f.t.Helper()
	var out, errw strings.Builder
	code := run(f.t.Context(), f.args(args...), &out, &errw)
	return out.String() + errw.String(), code == exitDone
}

// serve serves the folder as `shirase serve` does, on loopback; p is nil unless it is a preview.
func (f folder) serve(p *preview) *httptest.Server {
	f.t.Helper()
	a := appAt(f.data, io.Discard, io.Discard)
	a.op().Store = f.store
	many := serve.Rate{PerSecond: 1e6, Burst: 1_000_000} // one visitor reads all of it, again and again
	a.op().Limits.Archive = serve.Limits{IPv4: many, IPv6: many, Home: many, Site: many, All6: many, All: many, Known: 16}
	in, err := a.open(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	if p != nil {
		if p, err = newPreview(server.Listener); err != nil {
			f.t.Fatal(err)
		}
	}
	corpora := must(password.Open(a.passwordDir()))(f.t)
	h, _, err := a.server(f.t.Context(), in, corpora, p)
	if err != nil {
		f.t.Fatal(err)
	}
	server.Config.Handler = h.Handler()
	server.Start()
	f.t.Cleanup(func() {
		server.Close()
		corpora.Close()
		in.close()
	})
	return server
}
