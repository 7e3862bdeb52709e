// Package site is the public door: the pages a person, a responder or a journalist reads, in Japanese and English,
// rendered here and readable without JavaScript. Only the check itself runs in the browser, because only there can an
// address be sealed; the texts of its answers are in the page as templates, and the script (web/) fills them.
//
// The answer lives in the home page: it has no URL, and leaves nothing in the browser's history.
package site

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"shirase/check"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/web"
)

// The assets are this package's style.css and favicon.svg, and check.js and check-worker.js as web/ builds them.
//
//go:embed assets templates
var embedded embed.FS

// Options of a site. Functions may be nil where there is nothing yet.
type Options struct {
	Archive *archive.View

	// Statement returns the published statement; nil where nothing is published.
	Statement func() *check.Statement
	// NoKey reports whether checks cannot be answered, because the evaluator's key is missing or cannot be read; nil: they
	// can, or another process answers them.
	NoKey func(ctx context.Context) bool
	// Unwitnessed reports that checks are not answered because no quorum of witnesses has cosigned the ledger for too long,
	// and since when; nil: they are.
	Unwitnessed func(ctx context.Context) (since time.Time, stopped bool)
	// Witnesses returns who cosigns the ledger; nil: nobody.
	Witnesses func(ctx context.Context) Witnesses
	// Scope returns the figures of the roster that an incident's published revision was sealed from; false where there is
	// none.
	Scope func(ctx context.Context, incident string) (Scope, bool)
	// State returns the state of an incident's scope where that is not the published statement's: in a preview.
	State func(ctx context.Context, i incident.Incident) string
	// Doubts says what would stop an incident from being published, in a preview.
	Doubts func(ctx context.Context, incident string) []string
	// Proof returns the tlog-proof of a ledger entry against the newest checkpoint.
	Proof func(ctx context.Context, index int64) ([]byte, error)

	// Release returns where the ledger records the scripts that are served: the entry's index, and the SHA-256 (hex)
	// by which its bytes are served. nil, or false, where it does not.
	Release func() (index int64, hash string, ok bool)

	// API lists the addresses of the API.
	API []Route
	// Operator is who runs this site, as its pages name it; empty: the host's name stands for it.
	Operator incident.Text
	// Contact is where questions, corrections and replies to what is recorded here go: an http, https or mailto URL, or empty.
	Contact string
	// Imprint and Privacy are pages of the operator's own site, http or https, or empty.
	Imprint, Privacy string

	LedgerKey string // verifier key of the ledger (C2SP signed-note vkey)
	BaseURL   string // of this instance, without a final slash; empty: what the request was made to
	Demo      *Demo  // nil unless this is a demonstration
	Log       *slog.Logger
}

// Witnesses are those who cosign the ledger.
type Witnesses struct {
	Quorum bool // nothing is public before enough of them have
	Each   []Witness
}

// Witness is one of them.
type Witness struct {
	Name     string    // of its key
	VKey     string    // C2SP signed-note vkey
	Cosigned time.Time // when it last cosigned what is served; zero: it has not
}

// Scope is what a roster's figures tell of an incident's scope.
type Scope struct {
	Accounts     int64 // affected
	Invalid      int64 // rows of the export that could not be read
	WithoutEmail int64 // affected accounts without an address, which a check by address does not find

	Organisation string // the id under which account numbers are indexed; "" where they are not
}

// Demo is what a demonstration tells its visitors.
type Demo struct {
	Affected, NotAffected string // addresses to try
}

// Site is the door.
type Site struct {
	Options
	pages  *pages
	assets *web.Assets
	mux    *http.ServeMux
	peers  *archive.Peers
	now    func() time.Time
}

// failed maps the sentinel errors that pages meet.
var failed = web.Mappings{
	{Err: incident.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: incident.ErrNoNotice, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: archive.ErrQuery, Problem: web.Problem{Status: http.StatusBadRequest}},
	{Err: errNotHere, Problem: web.Problem{Status: http.StatusNotFound}},
}

var errNotHere = errors.New("no such page")

// New makes the handler of the public pages. It answers every path that it is given: what it does not know gets its
// own error page, or problem details below /check/, /ledger/, /tile/ and /api/.
func New(o Options) (*Site, error) {
	return newSite(o, embedded)
}

func newSite(o Options, files fs.FS) (*Site, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Statement == nil {
		o.Statement = func() *check.Statement { return nil }
	}
	static, err := fs.Sub(files, "assets")
	if err != nil {
		return nil, err
	}
	assets, err := web.NewAssets(static, "/assets/")
	if err != nil {
		return nil, err
	}
	pages, err := newPages(files)
	if err != nil {
		return nil, err
	}
	s := &Site{Options: o, pages: pages, assets: assets, mux: http.NewServeMux(), now: time.Now}
	if o.Archive != nil {
		s.peers = archive.NewPeers(o.Archive)
	}
	s.routes()
	return s, nil
}

func (s *Site) routes() {
	page := func(pattern string, h func(w http.ResponseWriter, r *http.Request) error) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				s.fail(w, r, err)
			}
		})
	}
	page("GET /{$}", s.home)
	page("GET /answer", s.answer)
	page("GET /incidents", s.incidents)
	page("GET /incidents/{id}", s.incident)
	page("GET /organisations", s.organisations)
	page("GET /organisations/{id}", s.organisation)
	page("GET /incidents/{id}/timeline.csv", s.timelineCSV)
	page("GET /learn", s.learn)
	page("GET /learn/compare", s.compare)
	page("GET /learn/like", s.like)
	page("GET /learn/{table}", s.learnCSV)
	page("GET /incidents/{id}/help", s.help)
	page("GET /notices/{id}", s.notice)
	page("GET /notices/{id}/proof", s.noticeProof)
	page("GET /statement", s.statement)
	page("GET /verify", s.verify)
	page("GET /feeds", s.feeds)
	page("GET /api", s.api)
	page("GET /how", s.how)
	page("GET /problems/{code}", s.problemPage)
	page("GET /assets/{name}", func(w http.ResponseWriter, r *http.Request) error {
		if !s.assets.Serve(w, r) {
			return errNotHere
		}
		return nil
	})
	for _, path := range []string{"/favicon.svg", "/favicon.ico"} {
		page("GET "+path, func(w http.ResponseWriter, r *http.Request) error {
			if !s.assets.ServeNamed(w, r, "favicon.svg") {
				return errNotHere
			}
			return nil
		})
	}
	page("GET /robots.txt", func(w http.ResponseWriter, r *http.Request) error {
		web.NewContent("text/plain; charset=utf-8", "public, max-age=86400", "",
			[]byte("User-agent: *\nDisallow: /check/\nDisallow: /tile/\nSitemap: "+s.base(r)+"/sitemap.xml\n")).Serve(w, r, http.StatusOK)
		return nil
	})
}

// ServeHTTP answers with the page of the path, and with an error page of our own where there is none.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	probe := &statusOnly{header: http.Header{}}
	s.mux.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", probe.header.Get("Allow"))
		s.problem(w, r, web.Problem{Status: http.StatusMethodNotAllowed})
		return
	}
	s.problem(w, r, web.Problem{Status: http.StatusNotFound})
}

// statusOnly takes in what the mux would answer.
type statusOnly struct {
	header http.Header
	status int
}

func (p *statusOnly) Header() http.Header         { return p.header }
func (p *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (p *statusOnly) WriteHeader(status int)      { p.status = status }

// fail answers with the page for err, and logs it where it is not the visitor's.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, known := failed.Problem(err)
	if !known {
		s.Log.Error("page failed", "route", r.Pattern, "error", err)
	}
	s.problem(w, r, p)
}

// TooMany answers a request that is over a limit with the page for it. It is exported for the limiter that cmd puts
// in front of the search.
func (s *Site) TooMany(w http.ResponseWriter, r *http.Request, retryAfter time.Duration) {
	s.problem(w, r, web.Problem{Status: http.StatusTooManyRequests, Code: "busy", RetryAfter: retryAfter})
}

// problem answers with p: problem details to programs, a page to people.
func (s *Site) problem(w http.ResponseWriter, r *http.Request, p web.Problem) {
	for _, prefix := range []string{"/check/", "/ledger/", "/tile/", "/api/"} {
		if strings.HasPrefix(r.URL.Path, prefix) {
			p.Write(w, r)
			return
		}
	}
	s.errorPage(w, r, p)
}
