package site

import (
	"errors"
	"net/http"

	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/web"
)

// Said is what somebody says of a record: a correction, or the reply of an organisation, which names its domain.
type Said struct {
	Incident, Text, Domain, Contact string
	Reply                           bool
}

// Proof is how whoever spoke for a domain shows that it is theirs: by a text in DNS, or by a file of its web server.
type Proof struct {
	Name, Record, File string // "" where no domain was named
	Until              string // the last day on which it is looked for
}

// What sending something can be refused for.
var (
	// ErrSaid says that something cannot be taken; why, it says.
	ErrSaid = errors.New("it cannot be taken")
	// ErrSaidFull says that so much waits that nothing is taken for now.
	ErrSaidFull = errors.New("too much waits to be read")
)

// saidCosts is what sending something takes of a visitor's budget: a person has to read it.
const saidCosts = 60

type replyBody struct {
	Title, Organisation, Href, Action string
	Form                              Said
	Refused                           string
	Sent                              bool
	Proof                             Proof
}

// reply is the form behind "correct or reply".
func (s *Site) reply(w http.ResponseWriter, r *http.Request) error {
	return s.showReply(w, r, http.StatusOK, replyBody{})
}

func (s *Site) showReply(w http.ResponseWriter, r *http.Request, status int, body replyBody) error {
	if s.Archive == nil || s.Say == nil || !incident.ValidID(r.PathValue("id")) {
		return errNotHere
	}
	i, err := s.Archive.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	p := s.newPage(r, "incidents", false)
	lang := p.Lang.Lang
	p.Title, p.NoIndex = lang.Pick("訂正・回答を送る：", "Correct or reply: ")+i.Title(lang), true
	body.Title, body.Organisation, body.Href, body.Action = i.Title(lang), i.Organisation(lang), p.Link("/incidents/"+i.ID), p.Link("/incidents/"+i.ID+"/reply")
	p.Body = body
	w.Header().Set("Cache-Control", "no-store")
	return s.frame.Show(w, r, status, "reply", p)
}

// say takes what somebody sent. It answers with the page itself: what proves a domain is shown once, to who sent it.
func (s *Site) say(w http.ResponseWriter, r *http.Request) error {
	if s.Say == nil {
		return errNotHere
	}
	if s.Allow != nil {
		if wait, ok := s.Allow(r, saidCosts); !ok {
			s.problem(w, r, web.Problem{Status: http.StatusTooManyRequests, Code: "busy", RetryAfter: wait})
			return nil
		}
	}
	if s.Archive == nil || !incident.ValidID(r.PathValue("id")) {
		return errNotHere
	}
	i, err := s.Archive.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		s.problem(w, r, web.Problem{Status: http.StatusRequestEntityTooLarge})
		return nil
	}
	f := r.PostForm
	said := Said{Incident: i.ID, Text: f.Get("text"), Domain: f.Get("domain"), Contact: f.Get("contact"), Reply: f.Get("kind") == "reply"}
	lang := web.LanguageOf(r).Lang
	proof, err := s.Say(r.Context(), said)
	switch {
	case errors.Is(err, ErrSaidFull):
		return s.showReply(w, r, http.StatusServiceUnavailable, replyBody{Form: said, Refused: lang.Pick("まだ読まれていないものが多く、いまは受け付けられません。しばらくしてから、もう一度お送りください。", "Too much waits to be read. Please send it again later.")})
	case errors.Is(err, ErrSaid):
		why := lang.Pick("受け付けられませんでした。本文は1〜5,000文字です。組織としての回答には、その組織のドメイン（例：example.co.jp）が必要です。", "It cannot be taken. The text has 1 to 5,000 characters, and the reply of an organisation names its domain, such as example.co.jp.")
		if h := hint.Of(err); h != "" && lang == "en" {
			why += " " + h
		}
		return s.showReply(w, r, http.StatusUnprocessableEntity, replyBody{Form: said, Refused: why})
	case err != nil:
		return err
	}
	return s.showReply(w, r, http.StatusOK, replyBody{Sent: true, Proof: proof})
}

// replyForm is the address of an incident's form; "" where nothing is taken.
func (s *Site) replyForm(p sitePage, i incident.Incident) string {
	if s.Say == nil {
		return ""
	}
	return p.Link("/incidents/" + i.ID + "/reply")
}
