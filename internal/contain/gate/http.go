package gate

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/language"
	"shirase/internal/web"
)

// Prefix is where a gate answers. What is below it is taken as it was sent: it must not be cleaned, or led elsewhere, on the way here.
const Prefix = "/gate/v1/"

// Headers of the contract (docs/GATE.md).
const (
	headerToken     = "X-Shirase-Token"
	headerAccount   = "X-Shirase-Account"
	headerEmail     = "X-Shirase-Email"
	headerKind      = "X-Shirase-Gate"
	headerAge       = "X-Shirase-Gate-Age"
	headerUndecided = "X-Shirase-Gate-Undecided"
)

// Seconds that clients are told to wait where nobody has said until when.
const (
	waitMaintenance = 300
	waitUndecided   = 5
)

// Handle answers below [Prefix], and passes on what is elsewhere. It stands before a mux, which would clean paths.
func (n *Node) Handle(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, Prefix) {
			next.ServeHTTP(w, r)
			return
		}
		n.ServeHTTP(w, r)
	})
}

// ServeHTTP answers below [Prefix].
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, _ := strings.CutPrefix(r.RequestURI, Prefix)
	name := rest
	if i := strings.IndexAny(rest, "/?#;"); i >= 0 {
		name = rest[:i]
	}
	r.Pattern = Prefix + name
	switch name {
	case "check":
		n.check(w, r, rest[len(name):], false)
	case "page":
		n.check(w, r, rest[len(name):], true)
	case "seen":
		n.seen(w, r)
	case "decide":
		n.decide(w, r, false)
	case "hook":
		n.decide(w, r, true)
	default:
		r.Pattern = Prefix
		web.Problem{Status: http.StatusNotFound, Detail: "There is no such endpoint of the gate."}.Write(w, r)
	}
}

// who gives the token that a request brings; nil where it brings none that there is.
func (n *Node) who(r *http.Request) *Token {
	var secret string
	switch values := r.Header[headerToken]; {
	case len(values) == 1:
		secret = values[0]
	case len(values) == 0:
		if auth := r.Header["Authorization"]; len(auth) == 1 {
			secret = bearer(auth[0])
		}
	}
	m := n.memory.Load()
	if m == nil || len(secret) < 20 || len(secret) > 200 {
		return nil
	}
	return m.tokens[hashToken(secret)] // 256 random bits behind a hash: how long a comparison takes tells nothing
}

// refuse answers whoever brings no token, or not the right one.
func (n *Node) refuse(w http.ResponseWriter, r *http.Request) {
	n.refused.Add(1)
	if n.memory.Load() == nil {
		web.Problem{Status: http.StatusServiceUnavailable, Code: "gate-away", Detail: "The gate does not know yet what is in force, nor whom it answers.", RetryAfter: waitUndecided * time.Second}.Write(w, r)
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="shirase gate"`)
	web.Problem{Status: http.StatusUnauthorized, Code: "gate-token", Detail: "The gate answers whoever brings a token of it: shirase gate token."}.Write(w, r)
}

// single gives the one value of a header; ok is false where there are several.
func single(h http.Header, name string) (string, bool) {
	switch v := h[name]; len(v) {
	case 0:
		return "", true
	case 1:
		return v[0], true
	}
	return "", false
}

// asked reads what a proxy asks about, from where its form says and from nowhere else.
func asked(r *http.Request, t *Token, below string) (target, Account, bool) {
	var uri, method string
	ok, also := true, true
	switch t.Form {
	case Nginx:
		uri, ok = single(r.Header, "X-Original-Uri")
		method, also = single(r.Header, "X-Original-Method")
	case Caddy, Traefik:
		uri, ok = single(r.Header, "X-Forwarded-Uri")
		method, also = single(r.Header, "X-Forwarded-Method")
	case Envoy:
		if uri, method = below, r.Method; uri == "" || uri[0] != '/' {
			uri = "/" + uri
		}
	default:
		return target{}, Account{}, false
	}
	out, valid := parseTarget(uri)
	if !ok || !also || !valid || len(method) > 40 {
		return target{}, Account{}, false
	}
	out.method, out.from = method, lastHop(r.Header["X-Forwarded-For"])
	var a Account
	if t.Identities {
		if a.Account, ok = single(r.Header, headerAccount); ok {
			a.Email, ok = single(r.Header, headerEmail)
		}
		if !ok || len(a.Account) > 1000 || len(a.Email) > 1000 {
			return target{}, Account{}, false
		}
	}
	return out, a, true
}

// lastHop is the address that the proxy itself saw: it is the last of the list.
func lastHop(values []string) netip.Addr {
	if len(values) == 0 {
		return netip.Addr{}
	}
	last := values[len(values)-1]
	if i := strings.LastIndexByte(last, ','); i >= 0 {
		last = last[i+1:]
	}
	last = strings.TrimSpace(last)
	a, err := netip.ParseAddr(last)
	if err != nil {
		ap, err := netip.ParseAddrPort(last)
		if err != nil {
			return netip.Addr{}
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone("")
}

// check answers a proxy. outward gives what a visitor is to get, for proxies that pass that on: 503, 303 and 403.
func (n *Node) check(w http.ResponseWriter, r *http.Request, below string, outward bool) {
	if n.memory.Load() == nil {
		n.unknown(w, r, below, outward)
		return
	}
	t := n.who(r)
	if t == nil || t.Form == Decide {
		n.refuse(w, r)
		return
	}
	what, a, ok := asked(r, t, below)
	if !ok {
		web.Problem{Status: http.StatusForbidden, Code: "gate-request", Detail: "What the request was for, or who asks, was not said as this token's form wants it, or twice."}.Write(w, r)
		return
	}
	d := n.request(&what, a)
	h := w.Header()
	if d.Kind == Allowed {
		clear(h) // what is for browsers: a proxy hears nothing but yes
	}
	if age, ok := n.Age(); ok {
		h[headerAge] = []string{strconv.FormatInt(int64(age/time.Second), 10)}
	}
	h["Cache-Control"] = noStore
	if d.Undecided != "" {
		h.Set(headerUndecided, string(d.Undecided))
	}
	if d.Kind == Allowed {
		if outward && t.Form == Nginx { // it was denied when nginx asked, and is not any more: it is to be asked for again
			h.Set("Location", local(what.path))
			w.WriteHeader(http.StatusSeeOther)
			return
		}
		w.WriteHeader(http.StatusOK)
		return
	}
	n.deny(w, r, d, what, outward)
}

var noStore = []string{"no-store"}

// unknown answers while it is not even known whose tokens there are: by what is chosen for the strictest route that the request may be of,
// wherever its path stands. That is no secret, and nobody's.
func (n *Node) unknown(w http.ResponseWriter, r *http.Request, below string, outward bool) {
	d, what := unknownOpen, target{path: "/"}
	for _, uri := range append(append([]string{below}, r.Header["X-Original-Uri"]...), r.Header["X-Forwarded-Uri"]...) {
		if t, ok := parseTarget(uri); ok && n.Rules.undecided(t) == UndecidedClosed {
			d, what = unknownClose, t
		}
	}
	n.count(d)
	w.Header()["Cache-Control"] = noStore
	w.Header().Set(headerUndecided, string(d.Undecided))
	if d.Kind == Allowed {
		w.WriteHeader(http.StatusOK)
		return
	}
	n.deny(w, r, d, what, outward)
}

// deny answers a request that does not pass.
func (n *Node) deny(w http.ResponseWriter, r *http.Request, d Decision, t target, outward bool) {
	lang := web.LanguageOf(r).Lang
	h := w.Header()
	h[headerKind] = []string{string(d.Kind)}
	status := http.StatusForbidden
	if s := n.retryAfter(d); s > 0 {
		h.Set("Retry-After", strconv.FormatInt(s, 10))
	}
	if d.Kind == KindReset && d.URL != "" {
		h.Set("Location", d.URL)
	}
	if outward {
		switch {
		case d.Kind == KindMaintenance:
			status = http.StatusServiceUnavailable
		case d.Kind == KindReset && d.URL != "":
			status = http.StatusSeeOther
		}
	}
	body := d.page[0]
	if lang == language.EN {
		body = d.page[1]
	}
	if len(body) == 0 {
		s := Shown{Kind: d.Kind, Undecided: d.Undecided != "", Says: d.Says, Until: d.Until, URL: d.URL}
		if d.held != nil {
			s.Link, s.To, s.Seen = d.held.link, local(t.path), SeenAt
		}
		body = n.Page(lang, s)
	}
	if n.Policy != "" {
		h.Set("Content-Security-Policy", n.Policy)
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", string(lang))
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// retryAfter is how long a client should wait, in seconds; 0 where it is of no use to try again.
func (n *Node) retryAfter(d Decision) int64 {
	switch {
	case d.Undecided != "":
		return waitUndecided
	case !d.Until.IsZero():
		return max(int64(d.Until.Sub(n.Now())/time.Second), 1)
	case d.Kind == KindMaintenance:
		return waitMaintenance
	}
	return 0
}

// SeenAt is where, at the application's own address, proxies lead what says that a notice was read.
const SeenAt = "/.well-known/shirase-gate/seen"

// local keeps a path of the application, and of anything else leads to its first page.
func local(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") || len(path) > 2000 {
		return "/"
	}
	u, err := url.Parse(path)
	if err != nil || u.Host != "" || u.Scheme != "" {
		return "/"
	}
	return path
}

// maxAsked bounds what a program asks with.
const maxAsked = 4 << 10

// question is what a program asks.
type question struct {
	Account string `json:"account"`
	Email   string `json:"email"`
	Route   string `json:"route"`
}

// answer is what it hears.
type answer struct {
	Decision   Kind           `json:"decision"`
	Undecided  Undecided      `json:"undecided,omitzero"` // nothing could be decided, and this is done by it
	Incident   string         `json:"incident,omitzero"`
	Location   string         `json:"location,omitzero"`
	RetryAfter int64          `json:"retryAfter,omitzero"`
	Says       *language.Text `json:"says,omitzero"`
	Link       string         `json:"link,omitzero"`
	AsOf       string         `json:"asOf,omitzero"`
	Age        int64          `json:"age"`
}

// decide answers an application. hook answers an identity provider, which takes 2xx for yes and all else for no.
func (n *Node) decide(w http.ResponseWriter, r *http.Request, hook bool) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		web.Problem{Status: http.StatusMethodNotAllowed}.Write(w, r)
		return
	}
	t := n.who(r)
	if t == nil || t.Form != Decide {
		n.refuse(w, r)
		return
	}
	q, p := readQuestion(w, r)
	if p.Status != 0 {
		p.Write(w, r)
		return
	}
	d := n.login(q.Route, Account{q.Account, q.Email})
	out := answer{Decision: d.Kind, Undecided: d.Undecided, Incident: d.Incident, Location: d.URL, RetryAfter: n.retryAfter(d)}
	if d.Says != (language.Text{}) {
		out.Says = &d.Says
	}
	if d.held != nil {
		out.Link = d.held.link
	}
	if age, ok := n.Age(); ok {
		out.Age, out.AsOf = int64(age/time.Second), n.AsOf().Format(time.RFC3339)
	}
	status := http.StatusOK
	if hook && d.Kind != Allowed {
		status = http.StatusForbidden
	}
	reply(w, r, status, out)
}

func reply(w http.ResponseWriter, r *http.Request, status int, out any) {
	b, err := json.Marshal(out, json.Deterministic(true))
	if err != nil {
		web.Problem{Status: http.StatusInternalServerError}.Write(w, r)
		return
	}
	h := w.Header()
	h["Cache-Control"] = noStore
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	w.Write(append(b, '\n'))
}

// readQuestion reads what is asked; a problem with a status says why not.
func readQuestion(w http.ResponseWriter, r *http.Request) (q question, p web.Problem) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAsked))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return q, web.Problem{Status: http.StatusRequestEntityTooLarge, Detail: "A question has at most 4 KiB."}
		}
		return q, web.Problem{Status: http.StatusBadRequest, Detail: "The request could not be read."}
	}
	if err := json.Unmarshal(b, &q, json.RejectUnknownMembers(true)); err != nil {
		return q, web.Problem{Status: http.StatusBadRequest, Code: "gate-question", Detail: "The body is no JSON object with account, email and route alone."}
	}
	switch {
	case len(q.Account) > 1000 || len(q.Email) > 1000:
		return q, web.Problem{Status: http.StatusBadRequest, Code: "gate-question", Detail: "An account or an address has at most 1,000 bytes."}
	case q.Account == "" && q.Email == "" && q.Route == "":
		return q, web.Problem{Status: http.StatusBadRequest, Code: "gate-question", Detail: "One of account, email and route is wanted."}
	}
	return q, web.Problem{}
}

// seen takes that somebody has read the notice: from an application, or from the page by a proxy that verifies who asks.
func (n *Node) seen(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		web.Problem{Status: http.StatusMethodNotAllowed}.Write(w, r)
		return
	}
	t := n.who(r)
	switch {
	case t == nil || t.Form != Decide && !t.Identities:
		n.refuse(w, r)
	case t.Form == Decide:
		q, p := readQuestion(w, r)
		if p.Status != 0 {
			p.Write(w, r)
			return
		}
		n.read(r.Context(), Account{q.Account, q.Email})
		reply(w, r, http.StatusOK, map[string]bool{"seen": true})
	default:
		n.seenOnPage(w, r)
	}
}

// elsewhere reports that a form came from another site: as browsers say since 2023, and before that by the origin's name. Ports are not
// compared, which proxies leave out of Host.
func elsewhere(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site != "same-origin"
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	host := &url.URL{Host: r.Host}
	return err != nil || u.Hostname() == "" || !strings.EqualFold(u.Hostname(), host.Hostname())
}

// seenOnPage is what the button of the notice's page sends, from the application's own address.
func (n *Node) seenOnPage(w http.ResponseWriter, r *http.Request) {
	if elsewhere(r) {
		web.Problem{Status: http.StatusForbidden, Code: "cross-origin", Detail: "It came from another site."}.Write(w, r)
		return
	}
	account, ok := single(r.Header, headerAccount)
	email, also := single(r.Header, headerEmail)
	if !ok || !also || account == "" && email == "" || len(account) > 1000 || len(email) > 1000 {
		web.Problem{Status: http.StatusForbidden, Code: "gate-request", Detail: "Nobody is known to have read it."}.Write(w, r)
		return
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAsked))
	if err != nil {
		web.Problem{Status: http.StatusBadRequest}.Write(w, r)
		return
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		form = url.Values{}
	}
	n.read(r.Context(), Account{account, email})
	w.Header().Set("Location", local(form.Get("to")))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

// read lets somebody pass the notices that they have read: on this server at once, and in the record now, or when the database is back.
func (n *Node) read(ctx context.Context, a Account) {
	m := n.memory.Load()
	if m == nil {
		return
	}
	for _, h := range m.holds {
		if h.Accounts != Notice || h.err != nil {
			continue
		}
		i, ok := h.find(a)
		if !ok || h.isDone(i) {
			continue
		}
		for _, name := range a.hashes(h.sealer) {
			h.clear(name[:])
		}
		if err := n.note(ctx, h.Incident, a); err != nil {
			n.Log.Error("note who has read a notice", "error", err)
			n.lateMu.Lock()
			n.late = append(n.late, seenOne{h.Incident, a})
			n.lateMu.Unlock()
		}
	}
}

func (n *Node) note(ctx context.Context, incident string, a Account) error {
	g := n.gate.Load()
	if g == nil {
		return ErrAway
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookFor)
	defer cancel()
	return g.Seen(ctx, incident, a)
}
