package site

import (
	"context"
	"html/template"
	"net/url"
	"strings"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/web"
)

// pastRow is what was said of one thing, oldest first.
type pastRow struct {
	Label string
	Said  []said
}

// said is one thing that was said.
type said struct {
	What, Note, Source string
	AsOf               template.HTML
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
			s := said{What: inWords(lang, i, f), AsOf: moment(lang, f.AsOf), Source: f.Source}
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
}

func sourceRows(lang language.Lang, i incident.Incident) []sourceRow {
	var out []sourceRow
	for _, f := range i.Listed("source") {
		row := sourceRow{Name: f.Value.Text.In(lang), URL: f.Value.URL, SHA256: f.Value.SHA256, Quote: f.Value.Quote, Licence: f.Value.Licence}
		if !f.Value.Fetched.IsZero() {
			row.Fetched = moment(lang, f.Value.Fetched)
		}
		if row.Name == "" {
			row.Name = row.URL
		}
		out = append(out, row)
	}
	return out
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
		r := &record{Dataset: p.Dataset, Attribution: p.Attribution, Licence: p.Licence, Imported: web.DateElement(lang, p.Imported.In(incident.Japan))}
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
	if s.Contact == "" {
		return ""
	}
	href, text := s.Contact, strings.TrimPrefix(s.Contact, "mailto:")
	if strings.HasPrefix(href, "mailto:") {
		href += "?subject=" + url.PathEscape(lang.Pick("記録の訂正・回答：", "Correction or reply: ")+i.ID)
	}
	return template.HTML(`<a href="` + template.HTMLEscapeString(href) + `">` + template.HTMLEscapeString(text) + `</a>`)
}

// elsewhere is the advice for somebody in an incident of an organisation whose notice this page is not.
func elsewhere(lang language.Lang, exposed []string) []adviceStep {
	out := adviceSteps(lang, exposed)
	for n, step := range incident.Advise(exposed) {
		if step.ID == "mail" {
			out[n].Body = lang.Pick("本物らしい文面で、パスワードやカード番号を入力させようとするメールが届くことがあります。迷ったら、メールのリンクは開かず、その組織の公式のページで確かめてください。",
				"Convincing messages may ask for a password or card number. When in doubt, do not follow a link in a mail: look at the organisation's own pages.")
		}
	}
	return out
}
