package site

import (
	"cmp"
	"context"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"shirase/check"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/page"
)

// What several pages show: the types that templates/parts.html is given, and how they are filled.

// row is an incident in a list.
type row struct {
	Date         template.HTML
	Href, Title  string
	Organisation string
	Classes      string // labels, joined
	Count        string
	Addenda      int
	Withdrawn    bool // it was published by mistake
	Open         bool // its scope is under investigation
	Sealed       bool // it can be checked here

	OrganisationHref string
	DateLabel        string // what Date is where it is not the disclosure
	Dataset          string // whose record it is, where it is not the operator's own
}

// sealed reports whether an incident is in the published index.
func sealed(st *check.Statement, id string) bool {
	if st == nil {
		return false
	}
	in := st.Incident(id)
	return in != nil && in.State.Sealed()
}

// investigating reports whether the statement says that an incident's scope is under investigation.
func investigating(st *check.Statement, id string) bool {
	if st == nil {
		return false
	}
	in := st.Incident(id)
	return in != nil && in.State == check.Investigating
}

// entryRows are the archive's entries as a list shows them.
func (s *Site) entryRows(p sitePage, list []archive.Entry) []row {
	lang, st := p.Lang.Lang, s.Statement()
	var out []row
	for _, e := range list {
		r := row{Date: entryDate(lang, e), Href: p.Link("/incidents/" + e.ID), Title: e.Title.In(lang), Organisation: e.Organisation.In(lang),
			Classes: joinLabels(lang, e.Country, e.Classes), Addenda: e.Addenda, Withdrawn: e.Withdrawn, Open: investigating(st, e.ID), Sealed: sealed(st, e.ID) && !p.Stopped()}
		if e.OrganisationID != "" {
			r.OrganisationHref = p.Link("/organisations/" + e.OrganisationID)
		}
		if e.Dataset != "" {
			r.Dataset = rowSource(lang, e.Dataset)
		}
		if e.DateKey != "disclosed" {
			r.DateLabel = dateLabel(lang, e.DateKey)
		}
		r.Count = incident.Counts(lang, e.Affected, e.Parts)
		out = append(out, r)
	}
	return out
}

// entryDate is the date that an entry is sorted by, no more exactly than it is known.
func entryDate(lang language.Lang, e archive.Entry) template.HTML {
	if !e.Disclosed.IsZero() {
		return moment(lang, e.Disclosed)
	}
	if e.DateKey == "recorded" {
		return page.Date(lang, e.Date.In(incident.Japan))
	}
	return moment(lang, e.Day())
}

func dateLabel(lang language.Lang, key string) string {
	switch key {
	case "recorded":
		return lang.Pick("ここに記録した日", "recorded here")
	case "window.start":
		return lang.Pick("発生した日", "it happened")
	}
	return incident.KeyLabel(lang, key)
}

// joinLabels lists data classes in one line of small print, where English says no "and".
func joinLabels(lang language.Lang, country string, classes []string) string {
	labels := incident.ClassLabelsIn(lang, country, classes)
	if lang == language.JA {
		return language.Join(lang, labels)
	}
	return strings.Join(labels, ", ")
}

// covered is an incident that a check speaks of.
type covered struct {
	Href, Title, Organisation string
	AsOf                      template.HTML
}

// noticeLink is a notice in a list.
type noticeLink struct {
	Href, Name, Kind string
	Mark             string // what later notices say of it, where that is worth a word
	When             template.HTML
	About            template.HTML // of an addendum: the time that it gives itself
	Text             string        // and what it says
	Later            template.HTML // when it was published here, where that was long after
	Current          bool
	Number           string // its number, where it is what people compare; "": the name does
}

// figure is a number that tells something at a glance.
type figure struct{ Label, Value, Unit, Note string }

// line is something that happened.
type line struct {
	When template.HTML
	What string
	Note string
}

// choice is something to choose: Href is the page with it.
type choice struct {
	Name, Word, Label, Href string
	Chosen                  bool
	Count                   int
}

// source is a data set that rows on a page are from, as its licence asks it to be named.
type source struct {
	Name, Href, Licence, LicenceHref string
}

// datasets are those that are imported, with what has to be said where their rows are shown.
var datasets = map[string]source{
	"hibp":          {"Have I Been Pwned", "https://haveibeenpwned.com/", "CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"},
	"washington-ag": {"Washington State Office of the Attorney General", "https://www.atg.wa.gov/data-breach-notifications", "", ""},
	"veris":         {"VERIS Community Database", "https://github.com/vz-risk/VCDB", "CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0/"},
}

// datasetName is what people call where a record is from: "" and archive.Own are the operator's own, and a data set of a
// name that the operator gave has that name.
func datasetName(lang language.Lang, word string) string {
	switch word {
	case "", archive.Own:
		return archive.FacetLabel("dataset", archive.Own).In(lang)
	case incident.CasesDataset:
		return lang.Pick("このプログラムに付属する過去の事案", "cases that come with this program")
	case incident.RecordedDataset, "press": // as an earlier version called it
		return lang.Pick("公表資料から運営者が記録", "recorded by the operator from what was published")
	}
	if src, ok := datasets[word]; ok {
		return src.Name
	}
	return word
}

// rowSource is datasetName beside each row of a list: of the cases that come with the program, which may be nearly all of it, only what a
// reader has to know, that it is not the operator who says so.
func rowSource(lang language.Lang, word string) string {
	if word == incident.CasesDataset {
		return lang.Pick("公表資料", "what was published")
	}
	return datasetName(lang, word)
}

// sourcesOf are the data sets that entries are from.
func sourcesOf(list []archive.Entry) []source {
	var out []source
	seen := map[string]bool{}
	for _, e := range list {
		if src, ok := datasets[e.Dataset]; ok && !seen[e.Dataset] {
			seen[e.Dataset] = true
			out = append(out, src)
		}
	}
	return out
}

// feedsOf are the feeds of a search, for programs that look for them in the page.
func feedsOf(lang language.Lang, q archive.Query) []page.Feed {
	q.Cursor, q.Sort, q.Limit = "", "", 0
	query := q.Values()
	if lang == language.EN {
		query.Set("lang", "en")
	}
	suffix := ""
	if len(query) > 0 {
		suffix = "?" + query.Encode()
	}
	title := lang.Pick("公表の記録", "Incidents")
	if q.Filtered() {
		title = lang.Pick("この検索の結果", "This search")
	}
	return []page.Feed{{Title: title + " (Atom)", Type: "application/atom+xml", Href: "/feeds/atom.xml" + suffix},
		{Title: title + " (JSON Feed)", Type: "application/feed+json", Href: "/feeds/feed.json" + suffix}}
}

// formOption is an option of a form.
type formOption struct {
	Word, Label string
	Chosen      bool
}

// selection is a field of a form: one of its choices, or several.
type selection struct {
	Name, Label, Any string
	Choices          []formOption
}

func selectionOf(l language.Lang, name string, words, chosen []string) selection {
	s := selection{Name: name, Label: incident.KeyLabel(l, name), Any: l.Pick("指定しない", "any")}
	for _, w := range words {
		s.Choices = append(s.Choices, formOption{w, archive.FacetLabel(name, w).In(l), slices.Contains(chosen, w)})
	}
	slices.SortStableFunc(s.Choices, func(a, b formOption) int { return cmp.Compare(a.Label, b.Label) })
	return s
}

// attribution names a data set whose rows entered a figure.
type attribution struct {
	Name, Text, Licence, Href string
	N                         int
}

// attributions name the data sets of figures, with what their rows say of whom to name.
func (s *Site) attributions(ctx context.Context, l language.Lang, shares []archive.DatasetShare) ([]attribution, error) {
	var out []attribution
	for _, d := range shares {
		a := attribution{Name: datasetName(l, d.Dataset), N: d.N}
		if d.Dataset != "" {
			from, ok, err := s.Archive.Provenance(ctx, d.Sample)
			if err != nil {
				return nil, err
			}
			if ok {
				a.Text, a.Licence = from.Attribution, from.Licence
				if strings.HasPrefix(from.URL, "https://") {
					if u, err := url.Parse(from.URL); err == nil {
						a.Href = "https://" + u.Host + "/"
					}
				}
			}
		}
		out = append(out, a)
	}
	return out, nil
}

// shortened is a word of an address as a page repeats it.
func shortened(s string) string {
	const most = 64 // characters
	if r := []rune(strings.ToValidUTF8(s, "�")); len(r) > most {
		return string(r[:most]) + "…"
	}
	return strings.ToValidUTF8(s, "�")
}
