package site

import (
	"errors"
	"net/http"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/web"
)

// What a question that is answered by mail can be refused for. None of it depends on who is affected.
var (
	// ErrAskAddress says that what was given is no address of mail.
	ErrAskAddress = errors.New("not an address of mail")
	// ErrAskNone says that an incident is not answered by mail.
	ErrAskNone = errors.New("not answered by mail")
)

// AskLater says that more is asked than is answered.
type AskLater struct{ After time.Duration }

func (e *AskLater) Error() string { return "more is asked than is answered" }

// maxAsked bounds the form, in bytes.
const maxAsked = 4 << 10

// askHref is where an incident is asked about that is answered by mail; "" where it is not.
func (s *Site) askHref(p sitePage, id, state string) string {
	if s.Ask == nil || state != incident.StateByMail {
		return ""
	}
	return p.Link("/incidents/" + id + "/ask")
}

// askBody is the page of a question that is answered by mail.
type askBody struct {
	Title, Organisation, Href, Action string
	Sent, Wrong                       bool
}

// askPage is the form.
func (s *Site) askPage(w http.ResponseWriter, r *http.Request) error {
	return s.showAsk(w, r, http.StatusOK, false, false)
}

func (s *Site) showAsk(w http.ResponseWriter, r *http.Request, status int, sent, wrong bool) error {
	if s.Archive == nil || !incident.ValidID(r.PathValue("id")) {
		return errNotHere
	}
	i, err := s.Archive.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	p := s.newPage(r, "incidents", false)
	lang := p.Lang.Lang
	if s.askHref(p, i.ID, s.state(r.Context(), i)) == "" {
		return ErrAskNone
	}
	p.Title = lang.Pick(i.Title(language.JA)+"：メールでのお答え", "Answered by mail: "+i.Title(language.EN))
	p.Description = lang.Pick("対象に含まれるかどうかを、ご本人のメールアドレス宛てにお答えします。", "Whether an address is affected is answered to that address only.")
	p.Body = askBody{i.Title(lang), i.Organisation(lang), p.Link("/incidents/" + i.ID), p.Link("/incidents/" + i.ID + "/ask"), sent, wrong}
	return s.frame.Show(w, r, status, "ask", p)
}

// asked takes the form. What it answers is the same for everybody who gave an address.
func (s *Site) asked(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil { // a page elsewhere could have its visitors fill mailboxes
		s.problem(w, r, web.Problem{Status: http.StatusForbidden, Code: "cross-origin"})
		return
	}
	if s.Ask == nil || !incident.ValidID(r.PathValue("id")) {
		s.problem(w, r, web.Problem{Status: http.StatusNotFound})
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxAsked)
	if err := r.ParseForm(); err != nil {
		s.problem(w, r, web.Problem{Status: http.StatusBadRequest})
		return
	}
	err := s.Ask(r, r.PathValue("id"), web.LanguageOf(r).Lang, r.PostForm.Get("address"))
	var later *AskLater
	switch {
	case err == nil:
		err = s.showAsk(w, r, http.StatusOK, true, false)
	case errors.Is(err, ErrAskAddress):
		err = s.showAsk(w, r, http.StatusBadRequest, false, true)
	case errors.As(err, &later):
		s.problem(w, r, web.Problem{Status: http.StatusTooManyRequests, Code: "busy", RetryAfter: later.After})
		return
	}
	if err != nil {
		s.fail(w, r, err)
	}
}
