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
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/store"
	"shirase/internal/web"
)

// The assets are check.js and check-worker.js as web/ builds them; what they look like is of the frame (page).
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
	Doubts func(ctx context.Context, incident string) []language.Text
	// Proof returns the tlog-proof of a ledger entry against the newest checkpoint.
	Proof func(ctx context.Context, index int64) ([]byte, error)

	// Release returns where the ledger records the scripts that are served: the entry's index, and the SHA-256 (hex)
	// by which its bytes are served. nil, or false, where it does not.
	Release func() (index int64, hash string, ok bool)

	// Ask takes a question about an incident that is answered by mail only. Errors: ErrAskAddress, ErrAskNone, AskLater. nil: none are
	// answered here.
	Ask func(r *http.Request, incident string, lang language.Lang, address string) error

	// Watch takes addresses that want to be told of later incidents; nil: none are taken here.
	Watch *Watch

	// Spread takes where somebody has seen the data of an incident: kind and place. Errors: ErrSpreadData, ErrSaid, ErrSaidFull. nil: nothing is taken.
	Spread func(r *http.Request, incident, kind, place string) error
	// Genuine gives what of an incident this instance has sent and heard; nil: only what facts say is shown.
	Genuine func(ctx context.Context, incident string) (Genuine, error)

	// Enquiries gives where people ask about an incident, and what most ask; nil: there is no form here.
	Enquiries func(ctx context.Context, incident string) (Enquiries, error)

	// Reset gives where those affected choose a new password; "" where they do not, or not any more. nil: nobody does here.
	Reset func(ctx context.Context, incident string) (string, error)

	// API lists the addresses of the API.
	API      []Route
	Operator page.Operator // who runs this site, as its pages say it

	// Say takes a correction of a record, or the reply of an organisation; nil: there is no form, and pages name an address.
	// Errors: ErrSaid, ErrSaidFull.
	Say func(ctx context.Context, said Said) (Proof, error)

	// Watched returns what is known of the sources of an incident that are looked at again; nil: none are.
	Watched func(ctx context.Context, incident string) ([]Watched, error)

	// Version tells what is public now, in any form: while it stays the same, pages are kept as they are sent. "" where it is
	// not known; nil: pages are made anew for each who asks, as in a preview.
	Version func(ctx context.Context) string
	// Allow takes n units for a page that has to be made, or says when they would be there; nil: no limit.
	Allow func(r *http.Request, n int) (retryAfter time.Duration, ok bool)

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

// Watched is how a source stood when it was last looked at.
type Watched struct {
	URL         string
	State       string    // SourceAlive, SourceChanged or SourceGone
	Since, Seen time.Time // of the state; when the page was last there
	SHA256      string    // of the bytes that are preserved, hex
	Preserved   time.Time // when those were read
}

// The states of a source that is looked at again.
const (
	SourceAlive   = "alive"
	SourceChanged = "changed"
	SourceGone    = "gone"
)

// Scope is what a roster's figures tell of an incident's scope.
type Scope struct {
	Accounts     int64 // affected
	Invalid      int64 // rows of the export that could not be read
	WithoutEmail int64 // affected accounts without an address, which a check by address does not find

	Organisation string // the id under which account numbers are indexed; "" where they are not
}

// Enquiries is what a help page has of the desk.
type Enquiries struct {
	Href  string // of the form; "": nothing is asked
	Asked []Question
}

// Question is what many ask, with its answer as Markdown.
type Question struct {
	Text language.Text
	MD   language.Text
}

// Demo is what a demonstration tells its visitors.
type Demo struct {
	Affected, NotAffected string // addresses to try
}

// Site is the door.
type Site struct {
	Options
	mux     *http.ServeMux
	handler http.Handler
	frame   *page.Frame
	peers   *archive.Peers
	kept    *web.Kept // nil: none are
	now     func() time.Time
}

// keptBytes bounds the pages that are kept, with their compressed forms.
const keptBytes = 64 << 20

// failed maps the sentinel errors that pages meet.
var failed = web.Mappings{
	{Err: incident.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: incident.ErrNoNotice, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: archive.ErrQuery, Problem: web.Problem{Status: http.StatusBadRequest}},
	{Err: ErrAskNone, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: errNotHere, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: ErrWatchLink, Problem: web.Problem{Status: http.StatusNotFound, Code: "link"}},
	{Is: store.Away, Problem: web.DatabaseAway},
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
	frame, err := page.New(page.Options{Files: files, Pages: pages, Shared: shared, Funcs: funcs, Navigation: navigation,
		Operator: o.Operator, BaseURL: o.BaseURL, Log: o.Log})
	if err != nil {
		return nil, err
	}
	s := &Site{Options: o, frame: frame, now: time.Now}
	if o.Archive != nil {
		s.peers = archive.NewPeers(o.Archive)
	}
	if o.Version != nil {
		s.kept = web.NewKept(o.Version, keptBytes)
	}
	s.mux = s.routes()
	s.handler = page.Handler(s.mux, s.problem)
	return s, nil
}

// routes are the addresses of the pages.
func (s *Site) routes() *http.ServeMux {
	mux := http.NewServeMux()
	get := func(path string, h func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				s.fail(w, r, err)
			}
		})
	}
	get("/{$}", s.home)
	get("/answer", s.answer)
	get("/incidents", s.incidents)
	get("/incidents/{id}", s.incident)
	get("/archive", s.shelves)
	get("/archive/calendar.csv", s.calendarCSV)
	get("/archive/{period}", s.period)
	get("/archive/cause/{word}", s.cause)
	get("/archive/sector/{word}", s.sector)
	get("/organisations", s.organisations)
	get("/organisations/{id}", s.organisation)
	get("/incidents/{id}/timeline.csv", s.timelineCSV)
	get("/learn", s.learn)
	get("/learn/compare", s.compare)
	get("/learn/like", s.like)
	get("/learn/{table}", s.learnCSV)
	get("/incidents/{id}/help", s.help)
	get("/incidents/{id}/ask", s.askPage)
	mux.HandleFunc("POST /incidents/{id}/ask", s.asked)
	s.watchRoutes(mux, get)
	get("/incidents/{id}/genuine", s.genuine)
	get("/incidents/{id}/spread", s.spreadPage)
	mux.HandleFunc("POST /incidents/{id}/spread", func(w http.ResponseWriter, r *http.Request) {
		if err := s.spread(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
	get("/incidents/{id}/reply", s.reply)
	cross := http.NewCrossOriginProtection()
	mux.Handle("POST /incidents/{id}/reply", cross.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.say(w, r); err != nil {
			s.fail(w, r, err)
		}
	})))
	get("/notices/{id}", s.notice)
	get("/notices/{id}/proof", s.noticeProof)
	get("/statement", s.statement)
	get("/verify", s.verify)
	get("/services", s.services)
	get("/passwords", s.passwords)
	get("/feeds", s.feeds)
	get("/api", s.api)
	get("/how", s.how)
	get("/problems/{code}", s.problemPage)
	for _, path := range []string{"/assets/{name}", "/favicon.svg", "/favicon.ico"} {
		get(path, func(w http.ResponseWriter, r *http.Request) error {
			if !s.frame.ServeAsset(w, r) {
				return errNotHere
			}
			return nil
		})
	}
	get("/robots.txt", func(w http.ResponseWriter, r *http.Request) error {
		web.NewContent("text/plain; charset=utf-8", "public, max-age=86400", "",
			[]byte("User-agent: *\nDisallow: /check/\nDisallow: /tile/\nSitemap: "+web.Base(r, s.BaseURL)+"/sitemap.xml\n")).Serve(w, r, http.StatusOK)
		return nil
	})
	return mux
}

// ServeHTTP answers with the page of the path, and with an error page of our own where there is none.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || files(r.URL.Path) {
		s.handler.ServeHTTP(w, r)
		return
	}
	key, same := s.key(r)
	if !same {
		if s.allow(w, r) {
			s.handler.ServeHTTP(w, r)
		}
		return
	}
	s.kept.Serve(w, r, key, s.handler, func() bool { return s.allow(w, r) })
}

// files reports whether a path is one of the files that are in the program, which cost nothing to serve.
func files(path string) bool {
	return strings.HasPrefix(path, "/assets/") || path == "/favicon.svg" || path == "/favicon.ico" || path == "/robots.txt"
}

// key tells apart the pages that are kept. same is false for what is made for each who asks: searches, comparisons, and
// everything in a preview.
func (s *Site) key(r *http.Request) (key string, same bool) {
	if s.kept == nil || strings.HasPrefix(r.URL.Path, "/watch/") { // what has a link of its own is nobody else's
		return "", false
	}
	if strings.HasSuffix(r.URL.Path, "/genuine") { // a campaign that begins changes nothing that is public elsewhere, and here who has written
		return "", false
	}
	if query := r.URL.RawQuery; query != "" && query != "lang=ja" && query != "lang=en" && asks(r.URL.Path) {
		return "", false
	}
	lang := s.kept.Language(r)
	key = string(lang.Lang) + r.URL.Path
	if lang.Explicit {
		key = "=" + key
	}
	if s.BaseURL == "" { // pages say the address that the request was made to
		key += "\x00" + web.Base(r, "")
	}
	return key, true
}

// asks reports whether a page reads its query. Others are the same whatever stands there: links that are passed on have
// things of their own in it.
func asks(path string) bool {
	for _, prefix := range []string{"/incidents/", "/archive", "/api", "/feeds", "/how", "/verify", "/statement", "/services", "/passwords"} {
		if path == "/" || strings.HasPrefix(path, prefix) {
			return false
		}
	}
	return true
}

// allow takes a unit of a visitor's budget for a page that has to be made, or answers that it is spent.
func (s *Site) allow(w http.ResponseWriter, r *http.Request) bool {
	if s.Allow == nil {
		return true
	}
	wait, ok := s.Allow(r, 1)
	if !ok {
		if _, pattern := s.mux.Handler(r); pattern != "" {
			r.Pattern = pattern // for whoever counts
		}
		s.problem(w, r, web.Problem{Status: http.StatusTooManyRequests, Code: "busy", RetryAfter: wait})
	}
	return ok
}

// fail answers with the page for err, and logs it where it is not the visitor's.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, known := failed.Problem(err)
	if !known || p.Status == http.StatusServiceUnavailable { // the log says once that a database is away
		s.Log.Error("page failed", "route", r.Pattern, "error", err)
	}
	s.problem(w, r, p)
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
