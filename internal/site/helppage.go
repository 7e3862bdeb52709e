package site

import (
	"html/template"
	"net/http"
	"slices"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// helpBody is the living help page of an incident: what holds now, from facts, for somebody who is in it.
type helpBody struct {
	Title, Organisation, Href string
	AsOf                      template.HTML
	Newest                    *line // the newest addendum
	Now                       []standing
	Services                  []standing
	Steps                     []adviceStep
	Known                     []figure
	Damage                    []template.HTML
	Open                      []string
	Contact                   template.HTML
	ResetHref                 string // where those affected choose a new password; "": nowhere
	EnquireHref               string // "": no form is open
	Asked                     []askedMost
	Sealed                    bool
	AskHref                   string // where it is answered by mail; "" where it is not
	GenuineHref               string
	WatchHref                 string // where somebody asks to be told more; "" where nobody is
	WhyNot                    string
	Warnings                  []string
	Addenda                   []line
	Zone                      string
	Unsigned                  []string
}

// askedMost is what many ask, answered from the facts as they are.
type askedMost struct {
	Question string
	Answer   template.HTML
}

// desk fills in where people ask, and what most ask.
func (s *Site) desk(r *http.Request, p sitePage, id string, body *helpBody) error {
	if s.Enquiries == nil {
		return nil
	}
	e, err := s.Enquiries(r.Context(), id)
	if err != nil {
		return err
	}
	if e.Href != "" {
		body.EnquireHref = p.Link(e.Href)
	}
	for _, q := range e.Asked {
		html, err := incident.HTML(q.MD.In(p.Lang.Lang))
		if err != nil {
			return err
		}
		body.Asked = append(body.Asked, askedMost{q.Text.In(p.Lang.Lang), html})
	}
	return nil
}

// standing is a promise, a measure or a service as it stands.
type standing struct {
	What, State, Tone string
	When              template.HTML
	Note              string
}

// tones are the colours of what stands as it should, is awaited, and went wrong.
var tones = map[string]string{"kept": "clear", "taken": "clear", "resumed": "clear", "lifted": "", "planned": "open", "slipped": "hit", "stopped": "open", "affected": "open", "unrelated": ""}

func (s *Site) help(w http.ResponseWriter, r *http.Request) error {
	if s.Archive == nil || !incident.ValidID(r.PathValue("id")) {
		return errNotHere
	}
	i, err := s.Archive.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	found, err := s.Archive.Contradictions(r.Context(), i.ID)
	if err != nil {
		return err
	}
	p := s.newPage(r, "incidents", false)
	lang := p.Lang.Lang
	p.Title = lang.Pick(i.Title(language.JA)+"：いまの状況と手順", "Where things stand: "+i.Title(language.EN))
	p.Description = lang.Pick("いまの状況、対象となった方にしていただきたいこと、お問い合わせ先。", "Where things stand, what to do if you are affected, and whom to ask.")
	body := helpBody{Title: i.Title(lang), Organisation: i.Organisation(lang), Href: p.Link("/incidents/" + i.ID),
		AsOf: newestAsOf(lang, i), Now: promises(lang, i), Services: services(lang, i), Steps: adviceSteps(lang, i.Classes()),
		Open: open(lang, found), Sealed: s.checkable(i.ID, s.state(r.Context(), i)), Addenda: addenda(lang, i), Unsigned: unsigned(lang, i)}
	notices, err := s.Archive.Notices(r.Context(), i.ID)
	if err != nil {
		return err
	}
	from, err := s.recorded(r.Context(), lang, i, notices)
	switch {
	case err != nil:
		return err
	case len(i.Classes()) == 0, s.state(r.Context(), i) == incident.StateWithdrawn:
		body.Steps = nil
	case from != nil:
		body.Steps = elsewhere(lang, i.Classes())
	}
	if n := len(body.Addenda); n > 0 {
		slices.Reverse(body.Addenda) // the newest first: who comes back reads what is new
		body.Newest, body.Addenda = &body.Addenda[0], body.Addenda[1:]
	}
	state := s.state(r.Context(), i)
	body.AskHref = s.askHref(p, i.ID, state)
	if from == nil {
		body.WatchHref, body.GenuineHref = s.watchHref(p, i.ID, state), s.genuineHref(p, i.ID, state)
	}
	if body.Warnings = s.warnings(lang, i.ID, state); !body.Sealed {
		body.WhyNot = whyNot(lang, state)
	}
	if f, ok := i.Fact("affected.count"); ok {
		value, unit := incident.Amount(lang, f.Value)
		body.Known = append(body.Known, figure{Label: lang.Pick("対象", "Affected"), Value: value, Unit: unit})
	} else {
		body.Known = append(body.Known, partFigures(lang, i)...)
	}
	if labels := incident.ClassLabelsIn(lang, i.Country(), i.Classes()); len(labels) > 0 {
		body.Known = append(body.Known, figure{Label: lang.Pick("流出した可能性のある情報", "What may have been exposed"), Value: language.Join(lang, labels)})
	}
	at := zoned(lang, i)
	for _, f := range i.Listed("secondary-damage") {
		body.Damage = append(body.Damage, factValue(lang, f, at)+template.HTML(` <span class="small">`+template.HTMLEscapeString(lang.Pick(at(local(i, f.AsOf))+"現在", "as of "+at(local(i, f.AsOf))))+`</span>`))
	}
	if f, ok := i.Fact("contact"); ok {
		body.Contact = template.HTML(contact(lang, f.Value))
	}
	if s.Reset != nil && from == nil {
		href, err := s.Reset(r.Context(), i.ID)
		if err != nil {
			return err
		}
		if href != "" {
			body.ResetHref = p.Link(href)
		}
	}
	if err := s.desk(r, p, i.ID, &body); err != nil {
		return err
	}
	if japanese(i) {
		body.Zone = lang.Pick("時刻は、すべて日本時間です。", "All times are Japan's (JST, UTC+9).")
	}
	p.Body = body
	return s.frame.Show(w, r, http.StatusOK, "help", p)
}

// newestAsOf writes as of when the newest fact is known, no more exactly than it is.
func newestAsOf(lang language.Lang, i incident.Incident) template.HTML {
	var newest incident.Moment
	for _, f := range i.Facts {
		if newest.IsZero() || f.AsOf.Time.After(newest.Time) {
			newest = f.AsOf
		}
	}
	return moment(lang, local(i, newest))
}

// promises are the actions as they stand, the newest first: what was promised, and what became of it.
func promises(lang language.Lang, i incident.Incident) []standing {
	at := zoned(lang, i)
	var out []standing
	for _, f := range i.Listed("action") {
		v := f.Value
		s := standing{What: v.Text.In(lang), State: incident.Word(lang, v.Status), Tone: tones[v.Status], When: moment(lang, v.Time)}
		if v.Time.IsZero() && !v.Promised.IsZero() {
			s.When = moment(lang, v.Promised)
			if v.Status == "slipped" {
				s.When = template.HTML(lang.Pick("", "promised for ")) + s.When + template.HTML(lang.Pick("の予定", ""))
			}
		} else if !v.Promised.IsZero() {
			s.Note = lang.Pick(at(v.Promised)+"の予定", "promised for "+at(v.Promised))
			if v.Qualifier == "about" {
				s.Note = lang.Pick(at(v.Promised)+"頃の予定", "promised for about "+at(v.Promised))
			}
		}
		out = append(out, s)
	}
	slices.Reverse(out)
	return out
}

// services are the named services as they stand.
func services(lang language.Lang, i incident.Incident) []standing {
	var out []standing
	for _, f := range i.Listed("service") {
		out = append(out, standing{What: f.Value.Text.In(lang), State: incident.Word(lang, f.Value.Status), Tone: tones[f.Value.Status], When: moment(lang, f.Value.Time)})
	}
	return out
}
