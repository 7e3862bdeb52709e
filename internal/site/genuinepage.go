package site

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/lint"
	"shirase/internal/language"
	"shirase/internal/web"
)

// ErrSpreadData says that what was reported may hold the data itself, which is never taken.
var ErrSpreadData = errors.New("it seems to hold the data itself")

// Genuine is what this instance has sent of an incident, and heard of it.
type Genuine struct {
	Senders             []string        // addresses that mails come from
	Desk                string          // by which people write about the incident; "": none, or its desk never opened
	Snippets            []language.Text // to post, which staff has written and a second person approved
	Places, PlacesEnded int64           // where the data is known to circulate, and of those that were taken down
}

// genuineBody is the page by which somebody tells what is ours from what is not.
type genuineBody struct {
	Title, Organisation, Href, Site string
	Domains, Senders                []string
	Desk                            string
	Contact                         template.HTML
	Notices                         []noticeLink
	Places, Ended                   int
	SpreadHref                      string
	Snippets                        []snippet
}

// snippet is a text that may be posted as it is.
type snippet struct{ Lang, Text string }

// genuineHref leads to the page; "" where nothing of an incident is ours.
func (s *Site) genuineHref(p sitePage, id, state string) string {
	if state == "" {
		return ""
	}
	return p.Link("/incidents/" + id + "/genuine")
}

// stands gives an incident that is published here. errNotHere for what was recorded from elsewhere: what is genuine others say.
func (s *Site) stands(r *http.Request) (incident.Incident, error) {
	id := r.PathValue("id")
	st := s.Statement()
	if s.Archive == nil || !incident.ValidID(id) || st == nil || st.Incident(id) == nil {
		return incident.Incident{}, errNotHere
	}
	return s.Archive.Get(r.Context(), id)
}

func (s *Site) genuine(w http.ResponseWriter, r *http.Request) error {
	i, err := s.stands(r)
	if err != nil {
		return err
	}
	notices, err := s.Archive.Notices(r.Context(), i.ID)
	if err != nil {
		return err
	}
	p := s.newPage(r, "incidents", false)
	lang := p.Lang.Lang
	p.Title = lang.Pick("本物の連絡の見分け方："+i.Title(language.JA), "Which messages are genuine: "+i.Title(language.EN))
	p.Description = lang.Pick("この件について、当社が使うアドレス、お知らせの番号、差出人。", "The addresses, notice numbers and senders that we use for this incident.")
	body := genuineBody{Title: i.Title(lang), Organisation: i.Organisation(lang), Href: p.Link("/incidents/" + i.ID), Site: web.Base(r, s.BaseURL), Notices: s.noticeLinks(p, i, notices, "")}
	for n, notice := range notices {
		if n < len(body.Notices) {
			body.Notices[n].Number = notice.ID
		}
	}
	for _, f := range i.Listed("domain") {
		body.Domains = append(body.Domains, f.Value.Text.In(lang))
	}
	if f, ok := i.Fact("contact"); ok {
		body.Contact = template.HTML(contact(lang, f.Value))
	}
	var approved []language.Text
	if s.Genuine != nil {
		g, err := s.Genuine(r.Context(), i.ID)
		if err != nil {
			return err
		}
		g.Senders = slices.DeleteFunc(slices.Clone(g.Senders), func(from string) bool { return from == "" }) // letters have none
		slices.Sort(g.Senders)
		approved, body.Desk = g.Snippets, g.Desk
		body.Senders, body.Places, body.Ended = slices.Compact(g.Senders), int(g.Places), int(g.PlacesEnded)
	}
	if s.Spread != nil {
		body.SpreadHref = p.Link("/incidents/" + i.ID + "/spread")
	}
	if body.Snippets, err = snippets(i, body.Site, approved); err != nil {
		return err
	}
	p.Body = body
	return s.frame.Show(w, r, http.StatusOK, "genuine", p)
}

// snippets are short texts made of published facts, and those that were approved. One that the facts have something against, by now, is left out.
func snippets(i incident.Incident, site string, approved []language.Text) ([]snippet, error) {
	link := site + "/incidents/" + i.ID
	all := append([]language.Text{language.Both(
		fmt.Sprintf("%s「%s」について、わかっていることと、対象となった方にしていただきたいことは、こちらのページでお知らせしています。\n%s\n本件をよそおう連絡にご注意ください。パスワードやカード番号をお尋ねすることはありません。", i.Organisation(language.JA), i.Title(language.JA), link),
		fmt.Sprintf("%s: what is known about \"%s\", and what to do if you are affected, is on this page.\n%s\nBeware of messages that only look as if they were ours. We never ask for a password or a card number.", i.Organisation(language.EN), i.Title(language.EN), link))}, approved...)
	var out []snippet
	for _, both := range all {
		for _, lang := range []language.Lang{language.JA, language.EN} {
			text := both.In(lang)
			ok, err := Posted(i, site, text)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, snippet{string(lang), text})
			}
		}
	}
	return out, nil
}

// Posted reports whether an approved text stands on the page of what is genuine: what is published of the incident, at the site's address, has
// nothing against it.
func Posted(i incident.Incident, address, text string) (bool, error) {
	u, err := url.Parse(address)
	if err != nil {
		return false, err
	}
	found, err := lint.Text([]byte(text), lint.Known{Incident: i, Site: u.Hostname(), Kind: lint.Mail})
	return !slices.ContainsFunc(found, func(f lint.Finding) bool { return !f.Warning }), err
}

// spreadKinds are the kinds of places, in the order of the form.
var spreadKinds = []struct {
	Word string
	language.Text
}{{"social", language.Both("SNS", "a social network")}, {"forum", language.Both("掲示板", "a forum")}, {"file-sharing", language.Both("ファイル共有", "file sharing")},
	{"messenger", language.Both("メッセージアプリ", "a messenger")}, {"dark-web", language.Both("ダークウェブ", "the dark web")}, {"other", language.Both("そのほか", "something else")}}

type spreadBody struct {
	Title, Href, Action, Refused string
	Sent                         bool
	Kinds                        []choice
}

func (s *Site) spreadPage(w http.ResponseWriter, r *http.Request) error {
	return s.showSpread(w, r, http.StatusOK, spreadBody{})
}

func (s *Site) showSpread(w http.ResponseWriter, r *http.Request, status int, body spreadBody) error {
	if s.Spread == nil {
		return errNotHere
	}
	i, err := s.stands(r)
	if err != nil {
		return err
	}
	p := s.newPage(r, "incidents", false)
	lang := p.Lang.Lang
	p.Title, p.NoIndex = lang.Pick("拡散の情報を寄せる：", "Report where it circulates: ")+i.Title(lang), true
	body.Title, body.Href, body.Action = i.Title(lang), p.Link("/incidents/"+i.ID+"/genuine"), p.Link("/incidents/"+i.ID+"/spread")
	for _, k := range spreadKinds {
		body.Kinds = append(body.Kinds, choice{Word: k.Word, Name: k.Text.In(lang)})
	}
	p.Body = body
	return s.frame.Show(w, r, status, "spread", p)
}

// spread takes a report. What was typed is not shown again: it may be what is never to be.
func (s *Site) spread(w http.ResponseWriter, r *http.Request) error {
	if s.Spread == nil {
		return errNotHere
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		s.problem(w, r, web.Problem{Status: http.StatusForbidden, Code: "cross-origin"})
		return nil
	}
	i, err := s.stands(r)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxAsked)
	if err := r.ParseForm(); err != nil {
		s.problem(w, r, web.Problem{Status: http.StatusBadRequest})
		return nil
	}
	lang := web.LanguageOf(r).Lang
	err = s.Spread(r, i.ID, r.PostForm.Get("kind"), r.PostForm.Get("place"))
	var later *AskLater
	switch {
	case errors.As(err, &later):
		s.problem(w, r, web.Problem{Status: http.StatusTooManyRequests, Code: "busy", RetryAfter: later.After})
		return nil
	case errors.Is(err, ErrSpreadData):
		return s.showSpread(w, r, http.StatusUnprocessableEntity, spreadBody{Refused: lang.Pick("流出した情報そのもの（メールアドレス、電話番号、カード番号など）が含まれているようです。情報そのものは、受け取りません。どこで見たかだけを書いてください。",
			"It seems to hold the data itself (an address, a telephone or card number). That is never taken. Please write only where you saw it.")})
	case errors.Is(err, ErrSaid):
		why := lang.Pick("場所は、改行のない500文字までで書いてください。", "Please write the place on one line of up to 500 characters.")
		if h := hint.Of(err); h != "" && lang == "en" {
			why += " " + h
		}
		return s.showSpread(w, r, http.StatusUnprocessableEntity, spreadBody{Refused: why})
	case errors.Is(err, ErrSaidFull):
		return s.showSpread(w, r, http.StatusServiceUnavailable, spreadBody{Refused: lang.Pick("まだ読まれていないものが多く、いまは受け付けられません。", "Too much waits to be read. Please send it again later.")})
	case err != nil:
		return err
	}
	return s.showSpread(w, r, http.StatusOK, spreadBody{Sent: true})
}
