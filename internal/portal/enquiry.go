package portal

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"shirase/internal/enquiry"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/store"
	"shirase/internal/web"
)

//go:embed templates/enquiry*.html
var enquiryFiles embed.FS

// EnquiryOptions are those of the pages on which people ask.
type EnquiryOptions struct {
	Desk     *enquiry.Desk
	Incident func(ctx context.Context, id string) (incident.Incident, error) // as the public sees it
	// Allow takes n units of a network's budget for pages, Ask one for an enquiry: that is what fills mailboxes.
	Allow, Ask func(r *http.Request, n int) (retryAfter time.Duration, ok bool)
	Operator   page.Operator
	BaseURL    string
	Log        *slog.Logger
}

// Enquiry is the pages of the desk that people write to.
type Enquiry struct {
	EnquiryOptions
	frame   *page.Frame
	handler http.Handler
}

// maxEnquiry bounds the form, in bytes: ten thousand characters as a form writes them.
const maxEnquiry = 128 << 10

// busyFor is when somebody may ask again where more is asked than can be taken.
const busyFor = 10 * time.Minute

var enquiryFailed = web.Mappings{
	{Err: incident.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: enquiry.ErrClosed, Problem: web.Problem{Status: http.StatusNotFound}},
	{Is: store.Away, Problem: web.DatabaseAway},
}

// NewEnquiry makes the handler of everything below /enquiries.
func NewEnquiry(o EnquiryOptions) (*Enquiry, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	frame, err := page.New(page.Options{Files: enquiryFiles, Pages: []string{"enquiry", "enquirysent", "enquiryconfirm", "enquirydone"}, Assets: "/enquiries/assets/", Private: true, Operator: o.Operator, BaseURL: o.BaseURL, Log: o.Log,
		Funcs: func(language.Lang) template.FuncMap { return nil }})
	if err != nil {
		return nil, err
	}
	p := &Enquiry{EnquiryOptions: o, frame: frame}
	mux := http.NewServeMux()
	on := func(pattern string, h func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if o.Allow != nil {
				if wait, ok := o.Allow(r, 1); !ok {
					p.wrong(w, r, web.Problem{Status: http.StatusTooManyRequests, RetryAfter: wait})
					return
				}
			}
			w.Header().Set("Cache-Control", "no-store")
			if err := h(w, r); err != nil {
				p.fail(w, r, err)
			}
		})
	}
	on("GET /enquiries/confirm", p.confirmPage)
	on("POST /enquiries/confirm", p.confirm)
	on("GET /enquiries/{id}", p.askPage)
	on("POST /enquiries/{id}", p.ask)
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.wrong(w, r, web.Problem{Status: http.StatusForbidden}) }))
	p.handler = cross.Handler(page.Handler(mux, p.wrong))
	return p, nil
}

func (p *Enquiry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.HasPrefix(r.URL.Path, "/enquiries/assets/") && p.frame.ServeAsset(w, r) {
		return
	}
	w.Header().Set("X-Robots-Tag", "noindex")
	p.handler.ServeHTTP(w, r)
}

// enquiryBody is what the pages show.
type enquiryBody struct {
	Incident, Title, Organisation string
	Help                          string
	Mail                          string // by which people write; "": they do not
	Topics                        []enquiryTopic
	Form                          string
	Text, Name, Address           string
	Wrong                         string // which field: text, address, form
	Token                         string
	Over                          bool
	Waits                         []enquiryWait // of one mailbox, where there is more than what the link is of
	Busy                          bool          // more is asked than can be taken
	Telephone                     string
}

// enquiryWait is an enquiry that waits: nothing of it that anybody wrote.
type enquiryWait struct {
	enquiry.Pending
	Title, Topic, Time string
}

type enquiryTopic struct {
	ID, Text string
	Chosen   bool
}

var (
	titleEnquiry = language.Both("お問い合わせ", "Ask us")
	titleSent    = language.Both("メールをご確認ください", "Please look at your mail")
	titleConfirm = language.Both("お問い合わせの確定", "Confirm your enquiry")
	titleTaken   = language.Both("お問い合わせを受け付けました", "We have your enquiry")
)

func (p *Enquiry) page(r *http.Request, title language.Text, b enquiryBody) page.Page {
	pg := p.frame.Page(r)
	pg.Title, pg.NoIndex, pg.Body = title.In(pg.Lang.Lang), true, b
	return pg
}

// about fills in what the public knows of an incident that takes enquiries. Errors: enquiry.ErrClosed, incident.ErrNotFound.
func (p *Enquiry) about(r *http.Request, id string, b enquiryBody) (enquiryBody, error) {
	if !incident.ValidID(id) {
		return b, enquiry.ErrClosed
	}
	switch open, err := p.Desk.Takes(r.Context(), id); {
	case err != nil:
		return b, err
	case !open:
		return b, enquiry.ErrClosed
	}
	i, err := p.Incident(r.Context(), id)
	if err != nil {
		return b, err
	}
	lang := web.LanguageOf(r)
	b.Incident, b.Title, b.Organisation, b.Help, b.Mail = id, i.Title(lang.Lang), i.Organisation(lang.Lang), lang.Link("/incidents/"+id+"/help"), p.Desk.AddressOf(id)
	if f, ok := i.Fact("contact"); ok {
		b.Telephone = f.Value.Telephone
	}
	return b, nil
}

func (p *Enquiry) askPage(w http.ResponseWriter, r *http.Request) error {
	return p.show(w, r, http.StatusOK, enquiryBody{}, "")
}

func (p *Enquiry) show(w http.ResponseWriter, r *http.Request, status int, b enquiryBody, topic string) error {
	id := r.PathValue("id")
	b, err := p.about(r, id, b)
	if err != nil {
		return err
	}
	topics, err := p.Desk.OnForm(r.Context(), id)
	if err != nil {
		return err
	}
	for _, t := range topics {
		b.Topics = append(b.Topics, enquiryTopic{t.ID, t.Text.In(web.LanguageOf(r).Lang), t.ID == topic})
	}
	b.Form = p.Desk.Form(id)
	pg := p.page(r, titleEnquiry, b)
	pg.Path = "/enquiries/" + id
	return p.frame.Show(w, r, status, "enquiry", pg)
}

// ask takes the form. What it answers is the same for every mailbox.
func (p *Enquiry) ask(w http.ResponseWriter, r *http.Request) error {
	if err := formOf(w, r, maxEnquiry); err != nil {
		return err
	}
	f := r.PostForm
	id, lang := r.PathValue("id"), web.LanguageOf(r).Lang
	b := enquiryBody{Text: enquiry.Visible(f.Get("text"), true), Name: enquiry.Visible(f.Get("name"), false), Address: enquiry.Visible(f.Get("address"), false)} // as they would be kept
	if p.Ask != nil {
		price, err := p.Desk.Price(r.Context())
		if err != nil {
			return err
		}
		if wait, ok := p.Ask(r, price); !ok {
			p.wrong(w, r, web.Problem{Status: http.StatusTooManyRequests, RetryAfter: wait})
			return nil
		}
	}
	err := p.Desk.Ask(r.Context(), id, enquiry.Asked{Form: f.Get("form"), Trap: f.Get("website"), Topic: f.Get("topic"), Text: b.Text, Name: b.Name, Address: b.Address, Lang: lang})
	switch {
	case errors.Is(err, enquiry.ErrForm):
		b.Wrong = "form"
	case errors.Is(err, enquiry.ErrAddress):
		b.Wrong = "address"
	case errors.Is(err, enquiry.ErrInput):
		b.Wrong = "text"
	case errors.Is(err, enquiry.ErrBusy): // what was written stays, and the other ways are shown
		b.Busy = true
		w.Header().Set("Retry-After", strconv.Itoa(int(busyFor/time.Second)))
		return p.show(w, r, http.StatusServiceUnavailable, b, f.Get("topic"))
	case err != nil:
		return err
	default:
		if b, err = p.about(r, id, enquiryBody{}); err != nil {
			return err
		}
		pg := p.page(r, titleSent, b)
		pg.Path = "/enquiries/" + id
		return p.frame.Show(w, r, http.StatusOK, "enquirysent", pg)
	}
	return p.show(w, r, http.StatusUnprocessableEntity, b, f.Get("topic"))
}

// confirmPage shows what a link is for. However often it is opened, and by whatever program, nothing changes by it.
func (p *Enquiry) confirmPage(w http.ResponseWriter, r *http.Request) error {
	return p.confirmOf(w, r, r.URL.Query().Get("t"), http.StatusOK)
}

func (p *Enquiry) confirmOf(w http.ResponseWriter, r *http.Request, token string, status int) error {
	waits, err := p.Desk.Pending(r.Context(), token)
	if errors.Is(err, enquiry.ErrToken) {
		return p.over(w, r)
	}
	if err != nil {
		return err
	}
	b, of := enquiryBody{Token: token}, waits[0].Incident
	if status != http.StatusOK {
		b.Wrong = "none"
	}
	if len(waits) > 1 || !waits[0].Own {
		lang := web.LanguageOf(r).Lang
		for _, x := range waits {
			b.Waits = append(b.Waits, enquiryWait{Pending: x, Title: p.title(r, x.Incident), Topic: x.Topic.In(lang), Time: x.At.In(incident.Japan).Format(lang.Pick("1月2日 15:04", "2 Jan 15:04"))})
		}
	}
	if b, err = p.about(r, of, b); errors.Is(err, enquiry.ErrClosed) || errors.Is(err, incident.ErrNotFound) {
		err = nil // it was closed since: who has asked is answered all the same
	}
	if err != nil {
		return err
	}
	pg := p.page(r, titleConfirm, b)
	pg.Path, pg.Query = "/enquiries/confirm", url.Values{"t": {token}}.Encode()
	return p.frame.Show(w, r, status, "enquiryconfirm", pg)
}

// title is what the public knows an incident by; its id where it is not public any more.
func (p *Enquiry) title(r *http.Request, id string) string {
	if i, err := p.Incident(r.Context(), id); err == nil {
		return i.Title(web.LanguageOf(r).Lang)
	}
	return id
}

func (p *Enquiry) over(w http.ResponseWriter, r *http.Request) error {
	pg := p.page(r, titleConfirm, enquiryBody{Over: true})
	pg.Failed, pg.Path = true, "/enquiries/confirm"
	return p.frame.Show(w, r, http.StatusGone, "enquiryconfirm", pg)
}

func (p *Enquiry) confirm(w http.ResponseWriter, r *http.Request) error {
	if err := formOf(w, r, maxForm); err != nil {
		return err
	}
	token, chosen := r.PostForm.Get("t"), r.PostForm["also"]
	if r.PostForm.Get("several") != "" && len(chosen) == 0 { // it was asked which, and none was said
		return p.confirmOf(w, r, token, http.StatusUnprocessableEntity)
	}
	of, err := p.Desk.Confirm(r.Context(), token, chosen...)
	if errors.Is(err, enquiry.ErrToken) {
		return p.over(w, r)
	}
	if err != nil {
		return err
	}
	b, err := p.about(r, of, enquiryBody{})
	if err != nil && !errors.Is(err, enquiry.ErrClosed) && !errors.Is(err, incident.ErrNotFound) {
		return err
	}
	pg := p.page(r, titleTaken, b)
	pg.Failed, pg.Path = true, "/enquiries/"+of // this page cannot be read again in another language
	return p.frame.Show(w, r, http.StatusOK, "enquirydone", pg)
}

func (p *Enquiry) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errForm) {
		p.wrong(w, r, web.Problem{Status: http.StatusBadRequest})
		return
	}
	problem, ok := enquiryFailed.Problem(err)
	if !ok {
		p.Log.Error("a page of enquiries failed", "route", r.Pattern, "error", err)
	}
	p.wrong(w, r, problem)
}

func (p *Enquiry) wrong(w http.ResponseWriter, r *http.Request, problem web.Problem) {
	pg := p.frame.Page(r)
	said := page.WrongOf(pg.Lang.Lang, problem)
	pg.Title, pg.Failed, pg.NoIndex, pg.Body = said.Heading, true, true, said
	p.frame.ShowWrong(w, r, problem, pg)
}
