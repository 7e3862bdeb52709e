package site

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/web"
)

// What leaving an address can be refused for; none of it depends on who it is, or whether they are there already. ErrAskAddress and AskLater too.
var (
	// ErrWatchLink says that a link is none of ours, or not any more.
	ErrWatchLink = errors.New("the link is not valid, or not any more")
	// ErrWatchDomain says that what was given is no domain that somebody may own.
	ErrWatchDomain = errors.New("not a domain that can be watched")
	// ErrNotProven says that a domain does not show its proof.
	ErrNotProven = errors.New("the domain does not show the proof")
)

// Watch takes addresses that want to be told, by functions: pages know nobody who is told.
type Watch struct {
	Ask     func(r *http.Request, lang language.Lang, address, follow string) error
	Asked   func(ctx context.Context, link string) (follow string, err error)
	Confirm func(ctx context.Context, link string, c WatchChoice) (own string, err error)
	Own     func(ctx context.Context, link string) (c WatchChoice, follows []string, err error)
	Change  func(ctx context.Context, link string, c WatchChoice) error
	End     func(ctx context.Context, link string) error // by a link of either kind
	Valid   func(link string) bool                       // whether it ends a watch
	Domains *WatchDomains                                // nil: domains are not watched here
}

// WatchChoice is how somebody wants to be told.
type WatchChoice struct {
	Digest bool
	Lang   language.Lang
}

// WatchDomains takes domains whose affected addresses their owners want to see.
type WatchDomains struct {
	Ask      func(r *http.Request, lang language.Lang, domain, contact string) error
	Get      func(ctx context.Context, link string) (WatchedDomain, error)
	Confirm  func(ctx context.Context, link string) error
	Prove    func(r *http.Request, link string) error
	Affected func(r *http.Request, link string) ([]WatchExposed, error)
	Revoke   func(ctx context.Context, link string) error
}

// WatchedDomain is a domain as its owner sees it.
type WatchedDomain struct {
	Domain, Name, Record, File string
	State                      string // asked, waiting, proven, lapsed
	ByRole                     bool   // whoever reads the mailbox has shown it by that
	Until                      time.Time
	Log                        []WatchLine
}

// WatchLine is one of a domain's log.
type WatchLine struct {
	At       time.Time
	What, Of string
}

// WatchExposed is what a domain's owner is shown of an incident.
type WatchExposed struct {
	Incident  string
	Addresses []string
	More      int
}

func (s *Site) watchRoutes(mux *http.ServeMux, get func(string, func(http.ResponseWriter, *http.Request) error)) {
	post := func(path string, h func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			if err := s.posted(w, r, h); err != nil {
				s.fail(w, r, err)
			}
		})
	}
	get("/watch", s.watchPage)
	post("/watch", s.watch)
	get("/watch/{link}", s.watchConfirmPage)
	post("/watch/{link}", s.watchConfirm)
	get("/watch/own/{link}", s.watchOwnPage)
	post("/watch/own/{link}", s.watchOwn)
	get("/watch/off/{link}", s.watchOffPage)
	post("/watch/off/{link}", s.watchOff)
	get("/watch/domain", s.domainPage)
	post("/watch/domain", s.domain)
	get("/watch/domain/{link}", s.domainOwnPage)
	post("/watch/domain/{link}", s.domainOwn)
}

// posted takes a small form of one of these pages. What ends a watch may come from anywhere: a mailbox's own server posts it (RFC 8058).
func (s *Site) posted(w http.ResponseWriter, r *http.Request, h func(w http.ResponseWriter, r *http.Request) error) error {
	if s.Watch == nil {
		return errNotHere
	}
	if !strings.HasPrefix(r.URL.Path, "/watch/off/") {
		if err := http.NewCrossOriginProtection().Check(r); err != nil { // a page elsewhere could have its visitors fill mailboxes
			s.problem(w, r, web.Problem{Status: http.StatusForbidden, Code: "cross-origin"})
			return nil
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxAsked)
	err := r.ParseForm()
	if err == nil && strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		err = r.ParseMultipartForm(maxAsked)
	}
	if err != nil {
		s.problem(w, r, web.Problem{Status: http.StatusBadRequest})
		return nil
	}
	err = h(w, r)
	var later *AskLater
	if errors.As(err, &later) {
		s.problem(w, r, web.Problem{Status: http.StatusTooManyRequests, Code: "busy", RetryAfter: later.After})
		return nil
	}
	return err
}

// watchHref is where somebody asks to be told of an incident; "" where nobody is.
func (s *Site) watchHref(p sitePage, id, state string) string {
	if s.Watch == nil || state == "" || state == incident.StateWithdrawn || state == incident.StateRetired {
		return ""
	}
	href := p.Link("/watch")
	if strings.Contains(href, "?") {
		return href + "&incident=" + url.QueryEscape(id)
	}
	return href + "?incident=" + url.QueryEscape(id)
}

// watchBody is the page on which an address is left.
type watchBody struct {
	Action, Follow, FollowTitle, Domains string
	Sent, Wrong                          bool
}

func (s *Site) watchPage(w http.ResponseWriter, r *http.Request) error {
	if s.Watch == nil {
		return errNotHere
	}
	return s.showWatch(w, r, http.StatusOK, watchBody{Follow: r.URL.Query().Get("incident")})
}

// showWatch shows the form. An incident that nobody is told of is left out: the address is taken all the same.
func (s *Site) showWatch(w http.ResponseWriter, r *http.Request, status int, body watchBody) error {
	p := s.newPage(r, "", false)
	lang := p.Lang.Lang
	title, err := s.followed(r, lang, body.Follow)
	if err != nil {
		return err
	}
	if body.FollowTitle = title; title == "" {
		body.Follow = ""
	}
	p.Title = lang.Pick("今後の公表を、メールで受け取る", "Be told by mail of later incidents")
	p.Description = lang.Pick("今後公表する事案の対象にあなたのアドレスが含まれるときに、メールでお知らせします。", "A mail tells you when an incident that we publish later includes your address.")
	body.Action = p.Link("/watch")
	if s.Watch.Domains != nil {
		body.Domains = p.Link("/watch/domain")
	}
	p.Body = body
	return s.frame.Show(w, r, status, "watch", p)
}

// followed is the title of an incident that can be followed; "" for others.
func (s *Site) followed(r *http.Request, lang language.Lang, id string) (string, error) {
	if s.Archive == nil || !incident.ValidID(id) {
		return "", nil
	}
	st := s.Statement()
	if st == nil || st.Incident(id) == nil {
		return "", nil
	}
	i, err := s.Archive.Get(r.Context(), id)
	if errors.Is(err, incident.ErrNotFound) {
		return "", nil
	}
	return i.Title(lang), err
}

// watch takes an address. What it answers is the same for everybody who gave one.
func (s *Site) watch(w http.ResponseWriter, r *http.Request) error {
	lang := web.LanguageOf(r).Lang
	follow := r.PostFormValue("incident")
	title, err := s.followed(r, lang, follow)
	if err != nil {
		return err
	}
	if title == "" {
		follow = ""
	}
	switch err := s.Watch.Ask(r, lang, r.PostFormValue("address"), follow); {
	case errors.Is(err, ErrAskAddress):
		return s.showWatch(w, r, http.StatusBadRequest, watchBody{Follow: follow, Wrong: true})
	case err != nil:
		return err
	}
	return s.showWatch(w, r, http.StatusOK, watchBody{Follow: follow, Sent: true})
}

// watchedBody is the page of whoever has a link: to confirm, to change, to end, and that it has ended.
type watchedBody struct {
	Step         string // confirm, own, off, ended
	Action, Off  string
	Follow       string // title
	Choice       WatchChoice
	Follows      []string
	Saved, Again bool
	Home         string
}

func (s *Site) showWatched(w http.ResponseWriter, r *http.Request, body watchedBody) error {
	p := s.newPage(r, "", false)
	p.Title, p.NoIndex = map[string]string{
		"confirm": p.Lang.Lang.Pick("登録の確認", "Confirm that you want to be told"), "own": p.Lang.Lang.Pick("お知らせの受け取り方", "How you are told"),
		"off": p.Lang.Lang.Pick("お知らせをやめる", "Stop being told"), "ended": p.Lang.Lang.Pick("登録を消しました", "You are not told any more"),
	}[body.Step], true
	body.Action = p.Link(r.URL.Path)
	body.Home = p.Link("/watch")
	p.Body = body
	return s.frame.ShowPrivate(w, r, http.StatusOK, "watched", p)
}

// chosenOf reads how somebody wants to be told.
func chosenOf(r *http.Request) WatchChoice {
	c := WatchChoice{Digest: r.PostFormValue("how") == "digest", Lang: language.JA}
	if r.PostFormValue("lang") == "en" {
		c.Lang = language.EN
	}
	return c
}

// watchConfirmPage shows the form by which an address is confirmed. Opening it confirms nothing: programs open links too.
func (s *Site) watchConfirmPage(w http.ResponseWriter, r *http.Request) error {
	if s.Watch == nil {
		return errNotHere
	}
	follow, err := s.Watch.Asked(r.Context(), r.PathValue("link"))
	if err != nil {
		return err
	}
	lang := web.LanguageOf(r).Lang
	title, err := s.followed(r, lang, follow)
	if err != nil {
		return err
	}
	return s.showWatched(w, r, watchedBody{Step: "confirm", Follow: title, Choice: WatchChoice{Lang: lang}})
}

func (s *Site) watchConfirm(w http.ResponseWriter, r *http.Request) error {
	own, err := s.Watch.Confirm(r.Context(), r.PathValue("link"), chosenOf(r))
	if err != nil {
		return err
	}
	return s.seeOther(w, r, "/watch/own/"+own, "saved")
}

// seeOther leads to a page of ours that shows what was done.
func (s *Site) seeOther(w http.ResponseWriter, r *http.Request, path, done string) error {
	q := url.Values{done: {"1"}}
	if l := web.LanguageOf(r); l.Explicit {
		q.Set("lang", string(l.Lang))
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, path+"?"+q.Encode(), http.StatusSeeOther)
	return nil
}

func (s *Site) watchOwnPage(w http.ResponseWriter, r *http.Request) error {
	if s.Watch == nil {
		return errNotHere
	}
	c, follows, err := s.Watch.Own(r.Context(), r.PathValue("link"))
	if err != nil {
		return err
	}
	body := watchedBody{Step: "own", Choice: c, Saved: r.URL.Query().Get("saved") != ""}
	for _, id := range follows {
		title, err := s.followed(r, web.LanguageOf(r).Lang, id)
		if err != nil {
			return err
		}
		if title != "" {
			body.Follows = append(body.Follows, title)
		}
	}
	return s.showWatched(w, r, body)
}

func (s *Site) watchOwn(w http.ResponseWriter, r *http.Request) error {
	link := r.PathValue("link")
	if r.PostFormValue("do") == "end" {
		if _, _, err := s.Watch.Own(r.Context(), link); err != nil {
			return err
		}
		if err := s.Watch.End(r.Context(), link); err != nil {
			return err
		}
		return s.showWatched(w, r, watchedBody{Step: "ended"})
	}
	if err := s.Watch.Change(r.Context(), link, chosenOf(r)); err != nil {
		return err
	}
	return s.seeOther(w, r, "/watch/own/"+link, "saved")
}

func (s *Site) watchOffPage(w http.ResponseWriter, r *http.Request) error {
	if s.Watch == nil {
		return errNotHere
	}
	if !s.Watch.Valid(r.PathValue("link")) {
		return ErrWatchLink
	}
	return s.showWatched(w, r, watchedBody{Step: "off"})
}

// watchOff ends a watch, for a person and for the program of a mailbox (RFC 8058, section 3.1): either posts here once.
func (s *Site) watchOff(w http.ResponseWriter, r *http.Request) error {
	if !s.Watch.Valid(r.PathValue("link")) {
		return ErrWatchLink
	}
	if err := s.Watch.End(r.Context(), r.PathValue("link")); err != nil {
		return err
	}
	return s.showWatched(w, r, watchedBody{Step: "ended"})
}

// domainBody is the page on which a domain is left, and that of its owner.
type domainBody struct {
	Step          string // ask, sent, own
	Action, Wrong string
	Domain        WatchedDomain
	State, Tone   string
	Until         template.HTML
	Log           []line
	Looked        bool
	Unproven      bool
	Exposed       []exposedRow
}

type exposedRow struct {
	Title, Href string
	Addresses   []string
	More        int
}

func (s *Site) showDomain(w http.ResponseWriter, r *http.Request, status int, body domainBody) error {
	p := s.newPage(r, "", false)
	p.Title = p.Lang.Lang.Pick("ドメインの見守り", "Watch a domain")
	p.Description = p.Lang.Lang.Pick("公表した事案の対象に含まれるアドレスのうち、ご自身が管理するドメインのものを示します。", "Which addresses of a domain that is yours are in published incidents.")
	p.NoIndex = p.NoIndex || body.Step == "own"
	body.Action = p.Link(r.URL.Path)
	p.Body = body
	if body.Step == "own" {
		return s.frame.ShowPrivate(w, r, status, "domain", p)
	}
	return s.frame.Show(w, r, status, "domain", p)
}

func (s *Site) domainPage(w http.ResponseWriter, r *http.Request) error {
	if s.Watch == nil || s.Watch.Domains == nil {
		return errNotHere
	}
	return s.showDomain(w, r, http.StatusOK, domainBody{Step: "ask"})
}

func (s *Site) domain(w http.ResponseWriter, r *http.Request) error {
	if s.Watch.Domains == nil {
		return errNotHere
	}
	switch err := s.Watch.Domains.Ask(r, web.LanguageOf(r).Lang, r.PostFormValue("domain"), r.PostFormValue("address")); {
	case errors.Is(err, ErrAskAddress):
		return s.showDomain(w, r, http.StatusBadRequest, domainBody{Step: "ask", Wrong: "address"})
	case errors.Is(err, ErrWatchDomain):
		return s.showDomain(w, r, http.StatusBadRequest, domainBody{Step: "ask", Wrong: "domain"})
	case err != nil:
		return err
	}
	return s.showDomain(w, r, http.StatusOK, domainBody{Step: "sent"})
}

func (s *Site) domainOwnPage(w http.ResponseWriter, r *http.Request) error {
	if s.Watch == nil || s.Watch.Domains == nil {
		return errNotHere
	}
	return s.showOwnDomain(w, r, domainBody{})
}

// domainStates are the words and colours of a domain's state.
var domainStates = map[string][3]string{"asked": {"メールの確認待ち", "the mailbox has to confirm", "open"}, "waiting": {"証明待ち", "waits for the proof", "open"},
	"proven": {"証明済み", "proven", "clear"}, "lapsed": {"期限切れ", "the proof is over", "hit"}}

// domainLines are the words of its log.
var domainLines = map[string][2]string{"asked": {"申し込み", "asked for"}, "confirmed": {"メールを確認", "confirmed by mail"}, "proven-dns": {"DNSで証明", "proven by DNS"},
	"proven-file": {"ファイルで証明", "proven by the file"}, "proven-mailbox": {"管理用アドレスで証明", "proven by the role's mailbox"}, "lapsed": {"期限切れ", "the proof was over"},
	"revoked": {"取り消し", "revoked"}, "looked": {"対象アドレスを閲覧", "affected addresses looked at"}}

func (s *Site) showOwnDomain(w http.ResponseWriter, r *http.Request, body domainBody) error {
	d, err := s.Watch.Domains.Get(r.Context(), r.PathValue("link"))
	if err != nil {
		return err
	}
	lang := web.LanguageOf(r).Lang
	body.Step, body.Domain = "own", d
	state := domainStates[d.State]
	body.State, body.Tone = lang.Pick(state[0], state[1]), state[2]
	at := func(t time.Time) string { return language.DateTime(lang, t.In(japanTime)) }
	body.Until = template.HTML(template.HTMLEscapeString(at(d.Until)))
	for _, l := range d.Log {
		words := domainLines[l.What]
		what := lang.Pick(words[0], words[1])
		if l.Of != "" {
			what += lang.Pick("：", ": ") + l.Of
		}
		body.Log = append(body.Log, line{When: template.HTML(template.HTMLEscapeString(at(l.At))), What: what})
	}
	return s.showDomain(w, r, http.StatusOK, body)
}

// japanTime is the zone that these pages write times in.
var japanTime = time.FixedZone("JST", 9*60*60)

func (s *Site) domainOwn(w http.ResponseWriter, r *http.Request) error {
	if s.Watch.Domains == nil {
		return errNotHere
	}
	link, do := r.PathValue("link"), s.Watch.Domains
	var err error
	body := domainBody{}
	switch r.PostFormValue("do") {
	case "confirm":
		err = do.Confirm(r.Context(), link)
	case "prove":
		err = do.Prove(r, link)
	case "revoke":
		if err := do.Revoke(r.Context(), link); err != nil {
			return err
		}
		return s.showWatched(w, r, watchedBody{Step: "ended"})
	case "look":
		var found []WatchExposed
		found, err = do.Affected(r, link)
		body.Looked = err == nil
		for _, x := range found {
			p := s.newPage(r, "", false)
			title, failed := s.followed(r, p.Lang.Lang, x.Incident)
			if failed != nil {
				return failed
			}
			if title == "" {
				title = x.Incident
			}
			body.Exposed = append(body.Exposed, exposedRow{title, p.Link("/incidents/" + x.Incident), x.Addresses, x.More})
		}
	default:
		s.problem(w, r, web.Problem{Status: http.StatusBadRequest})
		return nil
	}
	if errors.Is(err, ErrNotProven) {
		body.Unproven, err = true, nil
	}
	if err != nil {
		return err
	}
	return s.showOwnDomain(w, r, body)
}
