package site

import (
	"context"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/page"
)

// How pages write facts, and what was said of them before.

// pastRow is what was said of one thing, oldest first.
type pastRow struct {
	Label string
	Said  []said
}

// said is one thing that was said.
type said struct {
	What, Note   string
	AsOf, Source template.HTML
}

// pastRows lists what was recorded differently before, item by item. Addenda are left out: they do not change.
func pastRows(lang language.Lang, i incident.Incident, history []incident.Past) []pastRow {
	var out []pastRow
	for _, p := range history {
		if !p.Changed() || p.Key == "addendum" {
			continue
		}
		row := pastRow{Label: incident.KeyLabel(lang, p.Key)}
		for _, f := range p.Facts {
			s := said{What: inWords(lang, i, f), AsOf: asOf(lang, i, f), Source: sourceOf(lang, i, f)}
			if f.Certainty != incident.Confirmed && !f.Retracted {
				s.Note = incident.Word(lang, string(f.Certainty))
			}
			row.Said = append(row.Said, s)
		}
		out = append(out, row)
	}
	return out
}

// inWords writes a fact in a line, without its zone where the page says once that all times are Japan's.
func inWords(lang language.Lang, i incident.Incident, f incident.Fact) string {
	if japanese(i) {
		return f.InPlace(lang)
	}
	return f.In(lang)
}

// open lists the questions that the facts leave open. What contradicts itself is the operator's to mend, and not
// shown here.
func open(lang language.Lang, found []incident.Contradiction) []string {
	var out []string
	for _, c := range found {
		if c.Open {
			out = append(out, c.Text.In(lang))
		}
	}
	return out
}

// sourceRow is a source as it was kept: links rot, and what was read stays provable.
type sourceRow struct {
	Name, URL, SHA256, Quote, Licence string
	Fetched                           template.HTML
	State, Tone                       string        // how it stood when it was last looked at
	When                              template.HTML // of the state
	Kept                              string        // SHA-256 of what is preserved, where that is another than the record's
	KeptOn                            template.HTML
}

// sourceRows lists the sources that an incident names, each with how it stands now. Of what is watched only those are told that
// the public facts name.
func (s *Site) sourceRows(ctx context.Context, lang language.Lang, i incident.Incident) ([]sourceRow, error) {
	var watched []Watched
	if s.Watched != nil && len(i.Listed("source")) > 0 {
		var err error
		if watched, err = s.Watched(ctx, i.ID); err != nil {
			return nil, err
		}
	}
	var out []sourceRow
	for _, f := range i.Listed("source") {
		row := sourceRow{Name: f.Value.Text.In(lang), URL: f.Value.URL, SHA256: f.Value.SHA256, Quote: f.Value.Quote, Licence: f.Value.Licence}
		if !f.Value.Fetched.IsZero() {
			row.Fetched = moment(lang, f.Value.Fetched)
		}
		if row.Name == "" {
			row.Name = row.URL
		}
		row.stand(lang, watched, s.Watched != nil)
		out = append(out, row)
	}
	return out, nil
}

// stand says how a source stands. One that nobody looks at again says that: it may be gone.
func (r *sourceRow) stand(lang language.Lang, watched []Watched, watching bool) {
	if r.URL == "" || !watching {
		return
	}
	at := slices.IndexFunc(watched, func(w Watched) bool { return w.URL == r.URL })
	if at < 0 {
		r.State = lang.Pick("記録のあとに、このサーバーで見に行ったことはありません", "not looked at again since it was recorded")
		return
	}
	w := watched[at]
	day := func(t time.Time) template.HTML { return page.Date(lang, t.In(incident.Japan)) }
	r.State, r.Tone, r.When = lang.Pick("掲載中", "still there"), "clear", template.HTML(lang.Pick("最後に確認した日 ", "last seen "))+day(w.Seen)
	switch w.State {
	case SourceChanged:
		r.State, r.Tone, r.When = lang.Pick("内容が変わりました", "changed"), "open", day(w.Since)
	case SourceGone:
		r.State, r.Tone, r.When = lang.Pick("見られなくなりました", "gone"), "open", day(w.Since)
	}
	r.Kept, r.KeptOn = w.SHA256, day(w.Preserved)
	if r.Kept == r.SHA256 {
		r.Kept = ""
	}
}

// replies are what the organisation says to the record of it.
func replies(lang language.Lang, i incident.Incident) []line {
	var out []line
	for _, f := range i.Listed("reply") {
		out = append(out, line{moment(lang, f.Value.Time), f.Value.Text.In(lang), ""})
	}
	return out
}

// record is what a page says of an incident that was recorded from what others published: that, and under whose name.
type record struct {
	Dataset, Attribution, URL, Licence string
	Imported                           template.HTML
}

// recorded returns how an incident was recorded, where it is not this operator's own: imported from a data set, by hand, or
// by an earlier version, with nothing published here and the source named. nil where it is its own.
func (s *Site) recorded(ctx context.Context, lang language.Lang, i incident.Incident, notices []incident.Notice) (*record, error) {
	p, imported, err := s.Archive.Provenance(ctx, i.ID)
	if err != nil {
		return nil, err
	}
	if imported {
		r := &record{Dataset: p.Dataset, Attribution: p.Attribution, Licence: p.Licence, Imported: page.Date(lang, p.Imported.In(incident.Japan))}
		if u, err := url.Parse(p.URL); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			r.URL = p.URL
		}
		if r.Attribution == "" && p.Dataset != incident.RecordedDataset { // else by hand, from the sources that it names
			r.Attribution = datasetName(lang, p.Dataset)
		}
		return r, nil
	}
	if st := s.Statement(); s.Archive.Drafts() || st != nil && st.Incident(i.ID) != nil || len(notices) > 0 || len(i.Listed("source")) == 0 {
		return nil, nil
	}
	return &record{}, nil
}

// correction is where an organisation, or anybody, can send what is wrong in a record.
func (s *Site) correction(lang language.Lang, i incident.Incident) template.HTML {
	if s.Operator.Contact == "" {
		return ""
	}
	href, text := s.Operator.Contact, strings.TrimPrefix(s.Operator.Contact, "mailto:")
	if strings.HasPrefix(href, "mailto:") {
		href += "?subject=" + url.PathEscape(lang.Pick("記録の訂正・回答：", "Correction or reply: ")+i.ID)
	}
	return template.HTML(`<a href="` + template.HTMLEscapeString(href) + `">` + template.HTMLEscapeString(text) + `</a>`)
}

// moment writes a time of the facts for a page.
func moment(lang language.Lang, m incident.Moment) template.HTML {
	if m.IsZero() {
		return ""
	}
	machine := m.String() // as far as HTML's time element can say it
	switch {
	case m.Precision == incident.Hour:
		machine = m.Time.Format("2006-01-02T15:04Z07:00")
	case !m.Exact():
		machine = machineDate(m)
	}
	return page.Timed(machine, m.In(lang))
}

// machineDate writes the date of m for programs, without its zone: 2013-07-18, 2013-07, 2013.
func machineDate(m incident.Moment) string {
	switch m.Precision {
	case incident.Month:
		return m.Time.Format("2006-01")
	case incident.Year:
		return m.Time.Format("2006")
	}
	return m.Time.Format(time.DateOnly)
}

// japanese reports whether every time of day that the facts give is Japan's.
func japanese(i incident.Incident) bool {
	some := false
	for _, f := range i.Facts {
		for _, m := range []incident.Moment{f.Value.Time, f.Value.Promised} {
			if m.Exact() {
				some = true
				if _, offset := m.Time.Zone(); offset != 9*60*60 {
					return false
				}
			}
		}
	}
	return some
}

// local gives a time in Japan's zone where the page says that all times are Japan's: as of when something is known may have been
// recorded in another.
func local(i incident.Incident, m incident.Moment) incident.Moment {
	if m.Exact() && japanese(i) {
		m.Time = m.Time.In(incident.Japan)
	}
	return m
}

// zoned writes a time with its zone, unless all of the incident's are Japan's and the page says so once.
func zoned(lang language.Lang, i incident.Incident) func(incident.Moment) string {
	bare := japanese(i)
	return func(m incident.Moment) string {
		if bare || !m.Exact() {
			return m.In(lang)
		}
		zone := language.Zone(lang, m.Time)
		return m.In(lang) + lang.Pick("（"+zone+"）", " "+zone)
	}
}

// factValue writes the value of a fact.
func factValue(lang language.Lang, f incident.Fact, at func(incident.Moment) string) template.HTML {
	v, esc := f.Value, template.HTMLEscapeString
	var out string
	switch f.Key {
	case "disclosed", "window.start", "window.end", "discovered", "contained", "login-blocked", "regulator-notified", "persons-notified", "closed":
		out = string(moment(lang, v.Time))
		if v.Qualifier == "about" {
			out = lang.Pick(out+"頃", "about "+out)
		}
	case "next-update":
		if v.Word == incident.NoNext {
			return template.HTML(esc(f.In(lang)))
		}
		out = string(moment(lang, v.Time))
		if v.Qualifier == "about" {
			out = lang.Pick(out+"頃", "about "+out)
		}
	case "affected.count", "affected.part", "base.count", "attempts.count":
		out = esc(incident.Count(lang, v))
	case "data-class", "country", "cause", "scope.state", "sector":
		out = esc(incident.WordOf(lang, f.Key, v.Word))
	case "secondary-damage":
		out = esc(incident.Word(lang, v.Word)) + lang.Pick("は、", ": ") + esc(incident.DamageStatus(lang, v))
		switch {
		case v.Word == "enquiry" && v.Status != "none-confirmed":
			out = esc(incident.Word(lang, v.Word)) + lang.Pick("が", ": ") + esc(incident.DamageStatus(lang, v))
		case v.Status != "none-confirmed":
			out = esc(incident.Word(lang, v.Word)) + lang.Pick("（", " (") + esc(incident.Word(lang, v.Status)) + lang.Pick("）", ")")
		}
	case "service":
		status := incident.Word(lang, v.Status)
		if !v.Time.IsZero() && v.Status != "affected" {
			status += lang.Pick("、", ", ") + at(v.Time)
		}
		out = esc(v.Text.In(lang)) + lang.Pick("（", " (") + esc(status) + lang.Pick("）", ")")
	case "excluded":
		out = esc(v.Text.In(lang))
		if v.Number != nil {
			out += lang.Pick("（", " (") + esc(incident.Count(lang, v)) + lang.Pick("）", ")")
		}
	case "contact":
		out = contact(lang, v)
	default:
		out = esc(v.Text.In(lang))
	}
	return template.HTML(out)
}

// contact writes how the desk is reached.
func contact(lang language.Lang, v incident.Value) string {
	esc := template.HTMLEscapeString
	out := esc(v.Text.In(lang))
	add := func(s string) {
		if out != "" {
			out += "<br>"
		}
		out += s
	}
	if v.URL != "" {
		add(fmt.Sprintf(`<a href="%s">%s</a>`, esc(v.URL), esc(v.URL)))
	}
	if v.Telephone != "" {
		add(lang.Pick("電話 ", "Telephone ") + esc(v.Telephone))
	}
	if hours := v.Hours.In(lang); hours != "" {
		add(esc(hours))
	}
	return out
}

func asOf(lang language.Lang, i incident.Incident, f incident.Fact) template.HTML {
	return moment(lang, local(i, f.AsOf))
}

// sourceOf writes where a fact is from: a link to the source it names, or what it cites.
func sourceOf(lang language.Lang, i incident.Incident, f incident.Fact) template.HTML {
	if f.Source == "" {
		return ""
	}
	for _, source := range i.Listed("source") {
		if source.Item != f.Source {
			continue
		}
		if source.Value.URL != "" {
			return template.HTML(fmt.Sprintf(`<a href="%s">%s</a>`, template.HTMLEscapeString(source.Value.URL), lang.Pick("公表資料", "published source")))
		}
		return template.HTML(template.HTMLEscapeString(source.Value.Text.In(lang)))
	}
	return template.HTML(template.HTMLEscapeString(incident.SourceName(lang, f.Source)))
}

// beforeSigning marks a fact that was shown before any notice signed it.
func beforeSigning(lang language.Lang, f incident.Fact) string {
	if !f.Unsigned {
		return ""
	}
	return lang.Pick("（署名の前に掲載）", " (shown before signing)")
}

// unsigned lists the facts of an incident that were shown before any notice signed them.
func unsigned(lang language.Lang, i incident.Incident) []string {
	var out []string
	for _, f := range i.Facts {
		if f.Unsigned {
			out = append(out, incident.KeyLabel(lang, f.Key)+lang.Pick("：", ": ")+inWords(lang, i, f))
		}
	}
	return out
}

func addenda(lang language.Lang, i incident.Incident) []line {
	var out []line
	for _, f := range i.Listed("addendum") {
		out = append(out, line{moment(lang, f.Value.Time), f.Value.Text.In(lang) + beforeSigning(lang, f), ""})
	}
	return out
}

// partFigures are the numbers of regions, of an incident whose whole number is not known.
func partFigures(lang language.Lang, i incident.Incident) []figure {
	var out []figure
	for _, f := range i.Listed("affected.part") {
		value, unit := incident.Amount(lang, f.Value)
		region := incident.RegionLabel(lang, f.Value.Region)
		out = append(out, figure{Label: lang.Pick("対象（"+region+"）", "Affected in "+region), Value: value, Unit: unit, Note: lang.Pick("全体の数は、記録がありません", "how many in all is not on record")})
	}
	return out
}
