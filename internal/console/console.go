// Package console is the staff's door: pages under /console for whoever answers a breach, dense, by keyboard, in Japanese
// and English. It signs people in, and otherwise asks the rooms, which say who may do what: nothing is permitted here.
package console

import (
	"context"
	"embed"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"shirase/internal/actor"
	"shirase/internal/board"
	"shirase/internal/closing"
	"shirase/internal/collect"
	"shirase/internal/contain/gate"
	"shirase/internal/contain/reset"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/proposal"
	"shirase/internal/publish"
	"shirase/internal/response"
	"shirase/internal/scope"
	"shirase/internal/staff"
	"shirase/internal/web"
)

// The assets are console.js as web/ builds it, and what is denser here than on public pages.
//
//go:embed assets templates
var embedded embed.FS

// Options of the console.
type Options struct {
	Staff *staff.Staff
	Cases *response.Cases
	// Closing is how cases end.
	Closing *closing.Closing
	// Proposals are what cannot be undone, and waits for a second person.
	Proposals *proposal.Proposals
	Scopes    *scope.Scopes   // who is affected
	Gate      *gate.Gate      // nil: there is none
	OIDC      *staff.Provider // nil: nobody signs in by an identity provider
	Resets    *reset.Resets   // the forced reset; nil: it cannot be done here
	// Addendum proposes to say a change of the reset's hours in public, and gives the proposal's id; "" where there is none; nil: nothing is proposed.
	Addendum func(ctx context.Context, who actor.Actor, id string, h reset.Hour) (proposed string, err error)
	// Collection is what others disclose; nil: there is no inbox.
	Collection *collect.Collection

	// Draft composes a notice as it would be published now, to be looked at before it is proposed. nil: there are no drafts here.
	Draft func(ctx context.Context, who actor.Actor, id string, d compose.Draft) (*publish.Drafted, error)
	// Texts are what is told from a case beside notices: mails of its campaigns, answers that are given again. nil: there are none.
	Texts func(ctx context.Context, who actor.Actor, id string) ([]Outgoing, error)

	Reaching Reaching      // telling everybody
	Boards   *board.Boards // how cases stand, of everything; nil: there are none
	Desk     Desk          // answering who asks
	Spread   Spread        // where data circulates, and who watches

	// Settings are what is set, for those who administer keys: name, value, and where it comes from.
	Settings func(ctx context.Context) []Setting
	// Keys are the keys of the instance and their states.
	Keys func(ctx context.Context) ([]Key, error)
	// Allow takes n units for the address of a request at a door, or says when they would be there; nil: always. What is taken
	// at one door is none of another's: an office signs in by passkey while codes are tried from its address.
	Allow func(d Door, r *http.Request, n int) (retry time.Duration, ok bool)

	Rehearsal *Rehearsal       // nil: nothing is rehearsed here, it is real
	Now       func() time.Time // by which cases go; nil: time.Now

	Operator page.Operator
	BaseURL  string // of this instance; empty: only this machine's own name, localhost, is served
	Log      *slog.Logger
}

// A Door is a way to sign in, which strangers may try.
type Door string

// The doors.
const (
	ByPasskey  Door = "passkey"
	ByCode     Door = "code"
	ByProvider Door = "provider"
	ByLink     Door = "link"
	ByFeed     Door = "feed" // the address of a calendar
)

// Doors lists them.
func Doors() []Door { return []Door{ByPasskey, ByCode, ByProvider, ByLink, ByFeed} }

// Setting is one of the instance's.
type Setting struct{ Name, Value, From, Help string }

// Key is one of the instance's.
type Key struct {
	ID, Kind, State string
	Since           time.Time
}

// Console is the door.
type Console struct {
	Options
	frame    *page.Frame
	sessions *scs.SessionManager
	handler  http.Handler
	live     *live
	boards   shownBoards
	filling  chan struct{} // held while an official form is filled in
	now      func() time.Time
}

// failed maps the sentinel errors that the console meets. A case that is not theirs is one that is not there.
var failed = slices.Concat(web.Mappings{
	{Err: errOnWall, Problem: web.Problem{Status: http.StatusForbidden, Code: "on-wall"}},
	{Err: actor.ErrUnconfirmed, Problem: web.Problem{Status: http.StatusForbidden, Code: "unconfirmed"}}, // why the passkey did not, it says too
	{Err: staff.ErrSignIn, Problem: web.Problem{Status: http.StatusUnauthorized}},                        // so of an account that is not there
	{Err: actor.ErrHidden, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: response.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: incident.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: proposal.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: proposal.ErrKind, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: proposal.ErrChanged, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: proposal.ErrOver, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: proposal.ErrSame, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: proposal.ErrEarly, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: proposal.ErrWanted, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: staff.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: errNotHere, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: actor.ErrRole, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: actor.ErrAccess, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: actor.ErrHeld, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: staff.ErrSelf, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: staff.ErrLast, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: staff.ErrStale, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: response.ErrStale, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: response.ErrClosed, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: response.ErrTooLarge, Problem: web.Problem{Status: http.StatusRequestEntityTooLarge}},
	{Err: incident.ErrChanged, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: response.ErrEntry, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: staff.ErrInput, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: staff.ErrLink, Problem: web.Problem{Status: http.StatusGone}},
	{Err: actor.ErrNobody, Problem: web.Problem{Status: http.StatusUnauthorized}},
}, scopeFailed, reachFailed, resetFailed, inboxFailed, enquiryFailed, spreadFailed, closingFailed, exerciseFailed)

var errNotHere = errors.New("no such page")

var navigation = []page.Entry{
	{Name: "board", Path: "/console/", Text: language.Both("事案", "Cases")},
	{Name: "clocks", Path: "/console/clocks", Text: language.Both("期限", "Clocks")},
	{Name: "proposals", Path: "/console/proposals", Text: language.Both("提案と承認", "Proposals")},
	{Name: "inbox", Path: "/console/inbox", Text: language.Both("受信箱", "Inbox")},
	{Name: "exercise", Path: "/console/exercise", Text: language.Both("訓練", "Exercise")},
	{Name: "people", Path: "/console/people", Text: language.Both("メンバー", "People")},
	{Name: "log", Path: "/console/log", Text: language.Both("記録", "Log")},
	{Name: "settings", Path: "/console/settings", Text: language.Both("鍵と設定", "Keys and settings")},
	{Name: "account", Path: "/console/account", Text: language.Both("自分の設定", "Your account")},
}

// New makes the handler of everything below /console.
func New(o Options) (*Console, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Allow == nil {
		o.Allow = func(Door, *http.Request, int) (time.Duration, bool) { return 0, true }
	}
	shared := []string{"templates/frame.html", "templates/parts.html", "templates/evidence.html", "templates/clocks.html", "templates/casehead.html"}
	frame, err := page.New(page.Options{Files: embedded, Pages: pages, Shared: shared, Funcs: funcs, Navigation: navigation,
		Home: "/console/", Assets: "/console/assets/", Private: true, Operator: o.Operator, BaseURL: o.BaseURL, Log: o.Log})
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Console{Options: o, frame: frame, now: o.Now, filling: make(chan struct{}, 1)}
	c.boards.drawn, c.boards.seen = map[string]drawnBoard{}, map[string]string{}
	c.live = newLive(c.versions, o.Log)
	o.Scopes.Moved = c.live.poke
	if o.Boards != nil {
		o.Boards.Moved = c.live.poke
	}
	c.sessions = scs.New()
	c.sessions.Store, c.sessions.Codec = o.Staff.Sessions(), staff.Codec{}
	c.sessions.Lifetime = staff.SessionLasts
	c.sessions.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) { c.fail(w, r, nil, err) }
	k := &c.sessions.Cookie
	// Lax: whoever comes back from an identity provider comes from elsewhere. What changes anything is a POST, which
	// http.CrossOriginProtection holds. The path keeps the cookie out of what a browser asks when it checks an address.
	k.Name, k.Path, k.HttpOnly, k.SameSite, k.Secure, k.Persist = "shirase-console", "/console", true, http.SameSiteLaxMode, false, true
	if strings.HasPrefix(o.BaseURL, "https://") {
		k.Name, k.Secure = "__Secure-shirase-console", true
	}
	c.handler = c.guard(page.Handler(c.routes(), func(w http.ResponseWriter, r *http.Request, p web.Problem) { c.problem(w, r, nil, p, nil) }))
	return c, nil
}

// Work follows the cases, to tell the pages that show them, until ctx ends; then it lets them all go.
func (c *Console) Work(ctx context.Context, failed func(error)) {
	tidy, boards := time.NewTicker(time.Hour), time.NewTicker(board.KeptFor)
	defer tidy.Stop()
	defer boards.Stop()
	go func() {
		for {
			if err := c.Staff.Tidy(ctx); err != nil {
				failed(err)
			}
			for waits := true; waits; {
				select {
				case <-tidy.C:
					waits = false
				case <-boards.C:
					c.sweepBoards(c.now())
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	c.live.run(ctx, failed)
}

func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// guard refuses what comes from other sites, and names that passkeys are not good for.
func (c *Console) guard(h http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.problem(w, r, nil, web.Problem{Status: http.StatusForbidden, Code: "cross-origin"}, nil)
	}))
	h = cross.Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Robots-Tag", "noindex")
		if c.frame.ServeAsset(w, r) {
			return
		}
		if _, ok := c.site(r); !ok {
			if to, ok := here(r); ok && r.Method == http.MethodGet && c.BaseURL == "" {
				http.Redirect(w, r, to, http.StatusTemporaryRedirect)
				return
			}
			c.problem(w, r, nil, web.Problem{Status: http.StatusMisdirectedRequest, Code: "address"}, nil)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// site is where passkeys are good: the address that is set, or this machine under its own name. Any other name may be
// anybody's who leads browsers here.
func (c *Console) site(r *http.Request) (staff.Site, bool) {
	base := c.BaseURL
	if base == "" {
		name := r.Host
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		if name != "localhost" && !strings.HasSuffix(name, ".localhost") {
			return staff.Site{}, false
		}
		base = web.Base(r, "")
	}
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" {
		return staff.Site{}, false
	}
	return staff.Site{ID: u.Hostname(), Origin: u.Scheme + "://" + u.Host, Name: "Shirase"}, true
}

// here is a request's address under this machine's own name, where it was made to its number: passkeys are bound to names.
func here(r *http.Request) (string, bool) {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip == nil || !ip.IsLoopback() {
		return "", false
	}
	name := "localhost"
	if port != "" {
		name += ":" + port
	}
	return (&url.URL{Scheme: "http", Host: name, Path: r.URL.Path, RawQuery: r.URL.RawQuery}).String(), true
}

// route is an address of the console. Those that are open need nobody.
type route struct {
	pattern string
	open    bool
	passive bool // a page asks by itself, and nobody has to be there
	onWall  bool // a sign-in that keeps a screen on a wall may ask it too
	door    Door // by which whoever is not known tries something out
	answer  func(w http.ResponseWriter, r *http.Request, v *visit) error
}

func (c *Console) table() []route {
	routes := []route{
		{pattern: "GET /console/sign-in", open: true, answer: c.signInPage},
		{pattern: "POST /console/sign-in/begin", open: true, door: ByPasskey, answer: c.signInBegin},
		{pattern: "POST /console/sign-in/finish", open: true, door: ByPasskey, answer: c.signInFinish},
		{pattern: "POST /console/sign-in/code", open: true, door: ByCode, answer: c.signInCode},
		{pattern: "GET /console/oidc", open: true, door: ByProvider, answer: c.oidcStart},
		{pattern: "GET /console/oidc/back", open: true, door: ByProvider, answer: c.oidcBack},
		{pattern: "GET /console/join", open: true, answer: c.joinPage},
		{pattern: "POST /console/join/look", open: true, door: ByLink, answer: c.joinLook},
		{pattern: "POST /console/join/begin", open: true, door: ByLink, answer: c.joinBegin},
		{pattern: "POST /console/join/finish", open: true, door: ByLink, answer: c.joinFinish},
		{pattern: "POST /console/join/oidc", open: true, door: ByLink, answer: c.joinOIDC},
		{pattern: "POST /console/sign-out", onWall: true, answer: c.signOut},
		{pattern: "POST /console/confirm", answer: c.confirm},
		{pattern: "GET /console/account", answer: c.accountPage},
		{pattern: "POST /console/account/passkey/begin", answer: c.passkeyBegin},
		{pattern: "POST /console/account/passkey", answer: c.passkeyAdd},
		{pattern: "POST /console/account/passkey/drop", answer: c.passkeyDrop},
		{pattern: "POST /console/account/codes", answer: c.newCodes},
		{pattern: "POST /console/account/sessions/end", answer: c.endSession},
		{pattern: "POST /console/account/feed", answer: c.newFeed},
		{pattern: "POST /console/account/feed/end", answer: c.endFeed},
		{pattern: "GET /console/calendar/{file}", open: true, passive: true, door: ByFeed, answer: c.calendar},
		{pattern: "GET /console/clocks", answer: c.allClocks},
		{pattern: "GET /console/people", answer: c.peoplePage},
		{pattern: "POST /console/people/invite", answer: c.invite},
		{pattern: "POST /console/people/take-back", answer: c.takeBack},
		{pattern: "GET /console/people/{id}", answer: c.personPage},
		{pattern: "POST /console/people/{id}/roles", answer: c.setRoles},
		{pattern: "POST /console/people/{id}/remove", answer: c.removePerson},
		{pattern: "POST /console/people/{id}/sessions/end", answer: c.endSessions},
		{pattern: "GET /console/log", answer: c.logPage},
		{pattern: "GET /console/settings", answer: c.settingsPage},
		{pattern: "GET /console/live", passive: true, onWall: true, answer: c.follow},
		{pattern: "GET /console/{$}", answer: c.board},
	}
	routes = append(routes, c.proposalRoutes()...)
	routes = append(routes, c.scopeRoutes()...)
	routes = append(routes, c.reachRoutes()...)
	routes = append(routes, c.containRoutes()...)
	routes = append(routes, c.resetRoutes()...)
	routes = append(routes, c.inboxRoutes()...)
	routes = append(routes, c.enquiryRoutes()...)
	routes = append(routes, c.spreadRoutes()...)
	routes = append(routes, c.boardRoutes()...)
	routes = append(routes, c.closingRoutes()...)
	routes = append(routes, c.exerciseRoutes()...)
	return append(routes, c.caseRoutes()...)
}

// opened reports whether somebody goes to an address, as far as their browser says (Fetch Metadata, Sec-Fetch-Dest): a picture
// or a frame of another site's page is not somebody who signs in.
func opened(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return dest == "" || dest == "document"
}

func (c *Console) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, t := range c.table() {
		handle := c.sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if t.door == ByProvider && (c.OIDC == nil || !opened(r)) {
				c.fail(w, r, nil, errNotHere) // before it is counted
				return
			}
			if t.door != "" {
				if wait, ok := c.Allow(t.door, r, 1); !ok {
					c.problem(w, r, nil, web.Problem{Status: http.StatusTooManyRequests, RetryAfter: wait}, nil)
					return
				}
			}
			v, err := c.visit(r, t.open)
			if err == nil && (!t.open || t.door == ByProvider) { // a provider may let back in whoever asks, without asking them
				err = c.hangs(r, t)
			}
			if err == nil {
				err = t.answer(w, r, v)
			}
			if err != nil {
				c.fail(w, r, v, err)
			}
		}))
		mux.HandleFunc(t.pattern, func(w http.ResponseWriter, r *http.Request) {
			if t.passive || r.Method == http.MethodGet && r.Header.Get("Shirase-Follows") != "" {
				r = r.WithContext(staff.Unattended(r.Context()))
			}
			handle.ServeHTTP(w, r)
		})
	}
	mux.Handle("GET /console", http.RedirectHandler("/console/", http.StatusSeeOther))
	return mux
}
