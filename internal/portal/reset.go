package portal

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/reset"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/store"
	"shirase/internal/web"
)

//go:embed assets/reset.js templates/reset*.html
var resetFiles embed.FS

// ResetOptions are those of the pages on which people choose a new password.
type ResetOptions struct {
	Resets   *reset.Resets
	Incident func(ctx context.Context, id string) (incident.Incident, error) // as the public sees it
	Allow    func(r *http.Request, n int) (retryAfter time.Duration, ok bool)
	Operator page.Operator
	BaseURL  string
	Log      *slog.Logger
}

// Reset is the pages of the forced reset.
type Reset struct {
	ResetOptions
	frame   *page.Frame
	handler http.Handler
}

// What is taken for a page of ours: opening one is cheap, asking for a link and setting a password are not.
const (
	costOfAsking = 5
	costOfUsing  = 5
	maxForm      = 16 << 10
)

var resetFailed = web.Mappings{
	{Err: reset.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: reset.ErrLater, Problem: web.Problem{Status: http.StatusServiceUnavailable, RetryAfter: 30 * time.Second}},
	{Is: store.Away, Problem: web.DatabaseAway},
}

// NewReset makes the handler of everything below /reset.
func NewReset(o ResetOptions) (*Reset, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	frame, err := page.New(page.Options{Files: resetFiles, Pages: []string{"reset", "resetnew", "resetdone", "resetlist"}, Assets: "/reset/assets/", Private: true, Operator: o.Operator, BaseURL: o.BaseURL, Log: o.Log,
		Funcs: func(lang language.Lang) template.FuncMap {
			return template.FuncMap{"when": func(t time.Time) string {
				return t.In(japan).Format(lang.Pick("2006年1月2日15時04分", "2 January 2006, 15:04 MST"))
			}}
		}})
	if err != nil {
		return nil, err
	}
	p := &Reset{ResetOptions: o, frame: frame}
	mux := http.NewServeMux()
	on := func(pattern string, cost int, h func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if o.Allow != nil {
				if wait, ok := o.Allow(r, cost); !ok {
					p.wrong(w, r, web.Problem{Status: http.StatusTooManyRequests, RetryAfter: wait})
					return
				}
			}
			if err := h(w, r); err != nil {
				p.fail(w, r, err)
			}
		})
	}
	on("GET /reset/{$}", 1, p.all)
	on("GET /reset", 1, p.all)
	on("GET /reset/{id}", 1, p.askPage)
	on("POST /reset/{id}", costOfAsking, p.ask)
	on("GET /reset/{id}/new", 1, p.newPage)
	on("POST /reset/{id}/new", costOfUsing, p.use)
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.wrong(w, r, web.Problem{Status: http.StatusForbidden}) }))
	p.handler = cross.Handler(page.Handler(mux, p.wrong))
	return p, nil
}

// japan is the zone of times on these pages: those of the notices that speak of them.
var japan = time.FixedZone("JST", 9*60*60)

func (p *Reset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.HasPrefix(r.URL.Path, "/reset/assets/") && p.frame.ServeAsset(w, r) {
		return
	}
	w.Header().Set("X-Robots-Tag", "noindex")
	p.handler.ServeHTTP(w, r)
}

// resetBody is what the pages show.
type resetBody struct {
	Incident string
	Title    string // of the incident, where the public knows of it
	Service  string
	State    reset.Standing
	Asked    bool
	Mistaken bool // what was entered is no address
	Over     bool // the link cannot be used
	Return   string

	Token   string
	Least   int
	Show    bool
	Reasons []string
	Later   bool

	Words []string
	List  []resetBody
}

func (p *Reset) page(r *http.Request, title language.Text, b resetBody) page.Page {
	pg := p.frame.Page(r)
	pg.Title, pg.NoIndex, pg.Body = title.In(pg.Lang.Lang), true, b
	return pg
}

// titled fills in what the public knows of the incident.
func (p *Reset) titled(r *http.Request, b resetBody) resetBody {
	lang := web.LanguageOf(r).Lang
	b.Service = p.Resets.Service.In(lang)
	if p.Incident != nil {
		if inc, err := p.Incident(r.Context(), b.Incident); err == nil {
			if f, ok := inc.Fact("title"); ok {
				b.Title = f.Value.Text.In(lang)
			}
		}
	}
	return b
}

var (
	titleAsk  = language.Both("パスワードの再設定", "Reset your password")
	titleNew  = language.Both("新しいパスワード", "A new password")
	titleDone = language.Both("再設定しました", "Your password is reset")
)

// all leads to the one reset there is, or lists them.
func (p *Reset) all(w http.ResponseWriter, r *http.Request) error {
	list, err := p.Resets.List(r.Context(), actor.Server())
	if err != nil {
		return err
	}
	to := r.URL.Query().Get("return")
	var open []resetBody
	for _, s := range list {
		if s.State != reset.Lifted {
			open = append(open, p.titled(r, resetBody{Incident: s.Incident, State: s}))
		}
	}
	if len(open) == 1 {
		q := url.Values{}
		if p.Resets.MayReturn(to) {
			q.Set("return", to)
		}
		at := "/reset/" + open[0].Incident
		if len(q) > 0 {
			at += "?" + q.Encode()
		}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, web.LanguageOf(r).Link(at), http.StatusSeeOther)
		return nil
	}
	return p.frame.Show(w, r, http.StatusOK, "resetlist", p.page(r, titleAsk, resetBody{List: open}))
}

func (p *Reset) askPage(w http.ResponseWriter, r *http.Request) error {
	return p.showAsk(w, r, http.StatusOK, resetBody{Return: r.URL.Query().Get("return")})
}

func (p *Reset) showAsk(w http.ResponseWriter, r *http.Request, status int, b resetBody) error {
	b.Incident = r.PathValue("id")
	var err error
	if b.State, err = p.Resets.At(r.Context(), b.Incident); err != nil {
		return err
	}
	if !p.Resets.MayReturn(b.Return) {
		b.Return = ""
	}
	pg := p.page(r, titleAsk, p.titled(r, b))
	pg.Path = "/reset/" + b.Incident
	if b.Return != "" && r.Method == http.MethodGet {
		pg.Query = url.Values{"return": {b.Return}}.Encode()
	}
	return p.frame.Show(w, r, status, "reset", pg)
}

// ask has a link sent. What it answers is the same for every address.
func (p *Reset) ask(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	b := resetBody{Return: r.PostForm.Get("return"), Asked: true}
	err := p.Resets.Ask(r.Context(), r.PathValue("id"), r.PostForm.Get("address"), b.Return, web.LanguageOf(r).Lang)
	switch {
	case errors.Is(err, reset.ErrInput):
		b.Asked, b.Mistaken = false, true
		return p.showAsk(w, r, http.StatusUnprocessableEntity, b)
	case errors.Is(err, reset.ErrNotOpen):
		b.Asked = false
	case err != nil:
		return err
	}
	return p.showAsk(w, r, http.StatusOK, b)
}

func form(w http.ResponseWriter, r *http.Request) error { return formOf(w, r, maxForm) }

// formOf reads a form of at most so many bytes.
func formOf(w http.ResponseWriter, r *http.Request, most int64) error {
	r.Body = http.MaxBytesReader(w, r.Body, most)
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return err
		}
		return errForm
	}
	return nil
}

// errForm says that what came is no form of ours.
var errForm = errors.New("not a form")

// newPage shows the form. However often it is opened, and by whatever program, nothing changes by it.
func (p *Reset) newPage(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return p.showNew(w, r, q.Get("t"), q.Get("show") != "", http.StatusOK, resetBody{})
}

func (p *Reset) showNew(w http.ResponseWriter, r *http.Request, token string, show bool, status int, b resetBody) error {
	l, err := p.Resets.Look(r.Context(), r.PathValue("id"), token)
	if err != nil {
		return p.instead(w, r, err)
	}
	b.Incident, b.Token, b.Show, b.Least = l.Incident, token, show, l.Least
	pg := p.page(r, titleNew, p.titled(r, b))
	pg.Query = url.Values{"t": {token}}.Encode() // which its own address has, too
	script, _ := p.frame.Asset("reset.js")
	pg.Script = &script
	return p.frame.Show(w, r, status, "resetnew", pg)
}

// instead answers where a link leads nowhere: whatever the reason, and whoever asks, with the same.
func (p *Reset) instead(w http.ResponseWriter, r *http.Request, err error) error {
	switch {
	case errors.Is(err, reset.ErrToken):
		return p.showAsk(w, r, http.StatusGone, resetBody{Over: true})
	case errors.Is(err, reset.ErrNotOpen):
		return p.showAsk(w, r, http.StatusOK, resetBody{})
	}
	return err
}

func (p *Reset) use(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	token, lang := r.PostForm.Get("t"), web.LanguageOf(r).Lang
	receipt, err := p.Resets.Use(r.Context(), r.PathValue("id"), token, r.PostForm.Get("password"))
	var refused *reset.Refusal
	switch {
	case errors.As(err, &refused):
		var b resetBody
		for _, t := range refused.Reasons {
			b.Reasons = append(b.Reasons, t.In(lang))
		}
		return p.showNew(w, r, token, r.PostForm.Get("show") != "", http.StatusUnprocessableEntity, b)
	case errors.Is(err, reset.ErrLater):
		p.Log.Error("a reset could not be done", "error", err)
		w.Header().Set("Retry-After", "30")
		return p.showNew(w, r, token, r.PostForm.Get("show") != "", http.StatusServiceUnavailable, resetBody{Later: true})
	case err != nil:
		return p.instead(w, r, err)
	}
	pg := p.page(r, titleDone, p.titled(r, resetBody{Incident: r.PathValue("id"), Words: receipt.Words(lang), Return: receipt.Return}))
	pg.Failed, pg.Path = true, "/reset/"+r.PathValue("id") // this page cannot be read again in another language
	return p.frame.Show(w, r, http.StatusOK, "resetdone", pg)
}

func (p *Reset) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errForm) {
		p.wrong(w, r, web.Problem{Status: http.StatusBadRequest})
		return
	}
	problem, ok := resetFailed.Problem(err)
	if !ok {
		p.Log.Error("a page of the reset failed", "error", err)
	}
	p.wrong(w, r, problem)
}

func (p *Reset) wrong(w http.ResponseWriter, r *http.Request, problem web.Problem) {
	pg := p.frame.Page(r)
	said := page.WrongOf(pg.Lang.Lang, problem)
	pg.Title, pg.Failed, pg.NoIndex, pg.Body = said.Heading, true, true, said
	p.frame.ShowWrong(w, r, problem, pg)
}
