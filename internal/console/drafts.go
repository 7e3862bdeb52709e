package console

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/publish"
)

// draft is a text that is published from a case, and is drafted here: among the documents, by its name.
type draft struct {
	Name   string
	Text   language.Text
	Kind   string // of the notice that it is looked at as; the room says which whole text is the next
	Edited bool   // somebody writes it; the facts alone give a whole text
}

var drafts = []draft{
	{"notice", language.Both("お知らせ", "Notice"), incident.KindFirst, false},
	{"addendum", language.Both("お知らせへの追記", "Addendum to the notice"), incident.KindAddendum, true},
	{"correction", language.Both("お知らせの訂正", "Correction of the notice"), incident.KindCorrection, true},
}

// draftOf is the draft of an address; nil where there is none of that name, or this instance has no drafts.
func (c *Console) draftOf(r *http.Request) *draft {
	i := slices.IndexFunc(drafts, func(d draft) bool { return d.Name == r.PathValue("kind") })
	if i < 0 || c.Draft == nil {
		return nil
	}
	return &drafts[i]
}

type draftView struct {
	caseView
	Draft   draft
	D       *publish.Drafted
	Digest  string
	Read    []readText
	Stopped string
}

// readText is a draft as it would be read.
type readText struct {
	Lang string
	Name language.Text
	HTML template.HTML
}

// Chip says which notice it would be.
func (v draftView) Chip() language.Text {
	return map[string]language.Text{incident.KindFirst: language.Both("第1版", "first version"), incident.KindRevision: language.Both("全文の更新", "whole text anew"),
		incident.KindAddendum: language.Both("追記", "addendum"), incident.KindCorrection: language.Both("訂正", "correction")}[v.D.Kind]
}

// Source is what the field of a language holds: what was entered, or the draft.
func (v draftView) Source(lang string) string {
	if v.Form.Has(lang) {
		return v.Form.Get(lang)
	}
	l, _ := language.Parse(lang)
	return v.D.Source.In(l)
}

// written is what somebody has written of a draft; the zero text is the draft itself.
func (d draft) written(f field) language.Text {
	if !d.Edited {
		return language.Text{}
	}
	return language.Text{JA: f.text("ja"), EN: f.text("en")}
}

// showDraft shows a draft: how it would be read, what it does not say, and what speaks against it.
func (c *Console) showDraft(w http.ResponseWriter, r *http.Request, v *visit, d *draft, status int, refused string) error {
	head, err := c.head(r, v, "documents")
	if err != nil {
		return err
	}
	out := draftView{caseView: head, Draft: *d}
	out.D, err = c.Draft(r.Context(), v.who, head.Case.ID, compose.Draft{Kind: d.Kind, Text: d.written(field{r.PostForm})})
	if errors.Is(err, incident.ErrNotice) || errors.Is(err, publish.ErrImported) { // there is nothing that it would belong to
		out.D, err = &publish.Drafted{Kind: d.Kind, Stopped: err}, nil
	}
	if err != nil {
		return err
	}
	if out.D.Stopped != nil {
		out.Stopped = proposalWhy(v.lang, out.D.Stopped)
	}
	text := out.D.Notice.Text
	for _, one := range []struct {
		lang, text string
		name       language.Text
	}{{"ja", text.JA, language.Both("日本語", "Japanese")}, {"en", text.EN, language.Both("英語", "English")}} {
		html, err := incident.HTML(one.text)
		if err != nil {
			return err
		}
		if one.text != "" { // below the headings of the page
			html = template.HTML(strings.NewReplacer("<h1>", "<h3>", "</h1>", "</h3>", "<h2>", "<h4>", "</h2>", "</h4>").Replace(string(html)))
			out.Read = append(out.Read, readText{one.lang, one.name, html})
		}
	}
	out.Digest = out.D.Digest()
	out.Title = d.Text.In(v.lang)
	out.Path = "/console/cases/" + head.Case.ID + "/documents/" + d.Name
	out.Form, out.Refused = r.PostForm, refused
	if out.Form == nil {
		out.Form = url.Values{}
	}
	return c.frame.Show(w, r, status, "draft", out)
}

// lookDraft shows a text as somebody has written it. Nothing is kept or proposed.
func (c *Console) lookDraft(w http.ResponseWriter, r *http.Request, v *visit) error {
	d, id := c.draftOf(r), r.PathValue("id")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	if err := v.who.May(actor.Propose, id); err != nil {
		return err
	}
	if d == nil || !d.Edited {
		return errNotHere
	}
	return c.showDraft(w, r, v, d, http.StatusOK, "")
}

// proposeDraft proposes to publish what was looked at: where text or facts are others by now, it is shown again instead.
func (c *Console) proposeDraft(w http.ResponseWriter, r *http.Request, v *visit) error {
	d, id, f := c.draftOf(r), r.PathValue("id"), field{r.PostForm}
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	if err := v.who.May(actor.Propose, id); err != nil {
		return err
	}
	if d == nil {
		return errNotHere
	}
	text := d.written(f)
	is, err := c.Draft(r.Context(), v.who, id, compose.Draft{Kind: d.Kind, Text: text})
	if err == nil && is.Digest() != f.text("digest") {
		return c.showDraft(w, r, v, d, http.StatusConflict, v.lang.Pick("見たあとに、文章か事実が変わりました。まだ提案していません。下の文章を見て、もう一度提案してください。",
			"The text or the facts are others than you have looked at. Nothing is proposed: look at the text below, and propose it again."))
	}
	var p *proposal.Proposal
	if err == nil {
		request := publish.Request{Incident: id, Despite: f.text("despite")}
		if d.Edited {
			request.Notice = &compose.Draft{Kind: d.Kind, Text: is.Source}
		}
		p, err = c.Proposals.Propose(r.Context(), v.who, publish.KindPublish, id, publish.AskedOf(request, c.now()))
	}
	if err != nil {
		if known, ok := failed.Problem(err); ok && !slices.Contains(shownAgain, known.Status) {
			return err
		}
		c.Log.Info("a proposal was refused", "kind", d.Name, "error", err)
		return c.showDraft(w, r, v, d, http.StatusUnprocessableEntity, proposalWhy(v.lang, err))
	}
	c.live.poke()
	return c.done(w, r, proposedSaid.In(v.lang), "/console/proposals/"+p.ID)
}

// drafted is a draft on the list of documents.
type drafted struct {
	draft
	Last   *incident.Notice // that is published
	Untold int              // facts that are in no notice yet
}

// drafted lists the drafts of a case.
func (c *Console) drafted(r *http.Request, id string) ([]drafted, error) {
	if c.Draft == nil {
		return nil, nil
	}
	notices, err := c.Cases.Incidents.Notices(r.Context(), id)
	if err != nil {
		return nil, err
	}
	untold, err := c.Cases.Incidents.Unpublished(r.Context(), id, c.now())
	if err != nil {
		return nil, err
	}
	var out []drafted
	for _, d := range drafts {
		one := drafted{draft: d, Untold: len(untold)}
		for i := range notices {
			if notices[i].Kind == d.Kind || !d.Edited && notices[i].Whole() {
				one.Last = &notices[i]
			}
		}
		if !d.Edited || len(notices) > 0 { // nothing is added to what nobody has read
			out = append(out, one)
		}
	}
	return out, nil
}
