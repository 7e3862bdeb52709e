// Package api is the door for programs: the archive as JSON under /api/v1, described by an OpenAPI document that is
// made from the code, feeds (Atom, JSON Feed), the map of the site for search engines, and security.txt. Everything in
// it is public and read-only; answers have an ETag, and nobody needs a key.
package api

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/check"
	"shirase/internal/archive"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/store"
	"shirase/internal/web"
)

// Options of the door.
type Options struct {
	Archive *archive.View
	// Statement returns the published statement; nil where nothing is published.
	Statement func() *check.Statement
	// Allow takes n units for a request, or says when they would be there; nil: no limit.
	Allow func(r *http.Request, n int) (retryAfter time.Duration, ok bool)
	// BaseURL of this instance, without a final slash; empty: what the request was made to.
	BaseURL string
	// Operator is who runs this instance: the author of its feeds. Empty: the host's name.
	Operator language.Text
	// Exercise: nothing of it is real, and every answer says so in its own text.
	Exercise bool
	// Contacts for security.txt: URLs (RFC 9116, 2.5.3). Without one there is no such file.
	Contacts []string
	Log      *slog.Logger
}

// state is the state of an incident's scope as the published statement gives it; "" where it does not name the incident.
func (o Options) state(id string) string {
	st := o.Statement()
	if st == nil || st.Incident(id) == nil {
		return ""
	}
	return string(st.Incident(id).State)
}

// Costs of a request in the limiter's units: a search is one, what reads the whole archive is more.
const (
	costRead   = 1
	costExport = 50
)

type api struct {
	Options
	mux     *http.ServeMux
	now     func() time.Time
	openapi web.Content
	listed  []Route
	sitemap sitemap
	exports exports
}

var failed = web.Mappings{
	{Err: incident.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound, Detail: "There is no such incident."}},
	{Err: incident.ErrNoNotice, Problem: web.Problem{Status: http.StatusNotFound, Detail: "There is no such notice."}},
	{Err: archive.ErrNoOrganisation, Problem: web.Problem{Status: http.StatusNotFound, Detail: "There is no such organisation."}},
	{Err: errFeed, Problem: web.Problem{Status: http.StatusBadRequest, Code: "query", Detail: "A feed has its own order and length: leave sort, cursor and limit out."}},
	{Err: errNotHere, Problem: web.Problem{Status: http.StatusNotFound}},
	{Is: store.Away, Problem: web.DatabaseAway},
}

var (
	errNotHere = errors.New("nothing there")
	errFeed    = errors.New("feed with an order")
)

// New makes the handler. It answers every path below /api/v1/ and /feeds/, /sitemap.xml and its parts, and
// /.well-known/security.txt.
func New(o Options) (http.Handler, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Statement == nil {
		o.Statement = func() *check.Statement { return nil }
	}
	if o.Allow == nil {
		o.Allow = func(*http.Request, int) (time.Duration, bool) { return 0, true }
	}
	o.Contacts = slices.Clone(o.Contacts)
	for i, c := range o.Contacts {
		var err error
		if o.Contacts[i], err = contactURL(c); err != nil {
			return nil, fmt.Errorf("api: %w", err)
		}
	}
	a := &api{Options: o, mux: http.NewServeMux(), now: time.Now, listed: routes}
	document, err := json.Marshal(openAPI(), json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	a.openapi = web.NewContent("application/json", "public, max-age=300", "", document)
	for _, r := range routes {
		a.handle("GET "+r.Path, r.cost, r.serve)
	}
	a.handle("GET /api/v1/{$}", costRead, (*api).index)
	a.handle("GET /api/v1/openapi.json", costRead, func(a *api, w http.ResponseWriter, r *http.Request) error {
		a.openapi.Serve(w, r, http.StatusOK)
		return nil
	})
	a.handle("GET /feeds/atom.xml", costRead, (*api).atom)
	a.handle("GET /feeds/feed.json", costRead, (*api).jsonFeed)
	a.handle("GET /sitemap.xml", costRead, (*api).sitemapIndex)
	a.handle("GET /sitemap/{part}", costRead, (*api).sitemapPart)
	a.handle("GET /.well-known/security.txt", costRead, (*api).securityTxt)
	return a, nil
}

func (a *api) handle(pattern string, cost int, serve func(a *api, w http.ResponseWriter, r *http.Request) error) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if wait, ok := a.Allow(r, cost); !ok {
			web.Problem{Status: http.StatusTooManyRequests, Code: "busy", Detail: "Wait as long as Retry-After says.", RetryAfter: wait}.Write(w, r)
			return
		}
		if err := serve(a, w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, known := failed.Problem(err)
	var parameter *parameterError
	switch {
	case known && p.Status == http.StatusNotFound && incident.ValidID(r.PathValue("id")):
		p.Detail = strings.TrimSuffix(strings.Replace(p.Detail, "such ", "", 1), ".") + " " + strconv.Quote(r.PathValue("id")) + "."
	case errors.As(err, &parameter):
		p, known = web.Problem{Status: http.StatusBadRequest, Code: "query", Detail: parameter.Error()}, true
	case errors.Is(err, archive.ErrQuery):
		p, known = web.Problem{Status: http.StatusBadRequest, Code: "query", Detail: named(faulty(r.URL.Query())) + " is not accepted."}, true
		if remedy := hint.Of(err); remedy != "" { // hints are fixed texts, and repeat nothing of the request
			p.Detail = strings.TrimSuffix(p.Detail, ".") + ": " + remedy + "."
		}
	case !known || p.Status == http.StatusServiceUnavailable: // the log says once that a database is away
		a.Log.Error("api failed", "route", r.Pattern, "error", err)
	}
	p.Write(w, r)
}

// parameterError is a parameter of a list that is not accepted, and what it has to be.
type parameterError struct{ name, want string }

func (e *parameterError) Error() string { return named(e.name) + " is not accepted: " + e.want + "." }

// parameterName matches names that are repeated in an answer.
var parameterName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// named names a parameter for people, unless it may be anything.
func named(name string) string {
	if len(name) > 40 || !parameterName.MatchString(name) {
		return "A parameter"
	}
	return "The parameter " + name
}

// faulty finds the parameter for which a search is refused: the one that is refused alone. "" where it is not one alone.
func faulty(v url.Values) string {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		one := url.Values{name: v[name]}
		if name == "cursor" { // a cursor is one of an order
			one["sort"], one["q"] = v["sort"], v["q"]
		}
		if _, err := archive.ParseQuery(one); err != nil {
			return name
		}
	}
	return ""
}

// ServeHTTP lets programs on pages of other sites read along: there are no cookies here, and nothing that is not
// public.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "ETag, Last-Modified, Link, Retry-After")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "If-None-Match, If-Modified-Since")
		h.Set("Access-Control-Max-Age", "86400")
		h.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if _, pattern := a.mux.Handler(r); pattern == "" {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD, OPTIONS")
			web.Problem{Status: http.StatusMethodNotAllowed}.Write(w, r)
			return
		}
		web.Problem{Status: http.StatusNotFound, Detail: "The addresses there are stand in /api/v1/openapi.json."}.Write(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// answer sends v as JSON, a struct; of an exercise it says so first. modified is when it last changed; zero where that is not known.
func (a *api) answer(w http.ResponseWriter, r *http.Request, v any, modified time.Time) error {
	data, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	if a.Exercise {
		data = append([]byte(`{"exercise":true,`), data[1:]...)
	}
	serve(w, r, web.NewContent("application/json", "", "", data), modified)
	return nil
}

// serve answers a conditional request: by ETag, else by date (RFC 9110, 13.2.2).
func serve(w http.ResponseWriter, r *http.Request, c web.Content, modified time.Time) {
	if !modified.IsZero() {
		modified = modified.UTC().Truncate(time.Second)
		w.Header().Set("Last-Modified", modified.Format(http.TimeFormat))
		if r.Header.Get("If-None-Match") == "" {
			if since, err := http.ParseTime(r.Header.Get("If-Modified-Since")); err == nil && !modified.After(since) {
				w.Header().Set("Cache-Control", "no-cache")
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
	}
	c.Serve(w, r, http.StatusOK)
}

// base returns the URL of this instance.
func (a *api) base(r *http.Request) string { return web.Base(r, a.BaseURL) }

// newest is the latest of several times.
func newest(list []archive.Entry) time.Time {
	var out time.Time
	for _, e := range list {
		if e.Updated.After(out) {
			out = e.Updated
		}
	}
	return out
}
