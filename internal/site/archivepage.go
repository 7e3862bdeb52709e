package site

import (
	"cmp"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/web"
)

// archiveBody is a page of the archive: a search, what it found, and how to go on.
type archiveBody struct {
	Query   string
	Problem string // why the search was not made
	Address bool   // what was searched for looks like somebody's address
	Sorts   []choice
	Kept    []choice // chosen values that the form has to send along
	Chosen  []choice // the same, to be taken back one by one
	Facets  []facetView
	Total   int
	All     bool // nothing was searched for
	Rows    []row
	Next    string
	First   string // from a later page
	Clear   string
	Sources []source
	Feeds   string
}

// choice is something to choose: Href is the page with it.
type choice struct {
	Name, Word, Label, Href string
	Chosen                  bool
	Count                   int
}

type facetView struct {
	Label  string
	Values []choice
	Chosen int
}

// opened is how many values of a facet a page shows before it folds the others away.
const opened = 6

// Open are the values that are shown at once: the first, and what is chosen.
func (f facetView) Open() []choice {
	var out []choice
	for k, v := range f.Values {
		if k < opened || v.Chosen {
			out = append(out, v)
		}
	}
	return out
}

// Folded are the others.
func (f facetView) Folded() []choice {
	var out []choice
	for _, v := range f.Values[min(opened, len(f.Values)):] {
		if !v.Chosen {
			out = append(out, v)
		}
	}
	return out
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
func datasetName(lang web.Lang, word string) string {
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

var facetLabels = map[string][2]string{
	"year": {"年", "Year"}, "sector": {"業種", "Sector"}, "cause": {"原因", "Cause"}, "class": {"情報の種類", "Data exposed"},
	"size": {"対象の数", "Number affected"}, "disclose": {"発見から公表まで", "Discovery to disclosure"}, "country": {"国・地域", "Country"},
	"certification": {"認証", "Certification"}, "dataset": {"記録の出どころ", "Where it is from"},
}

var sortLabels = map[string][2]string{
	archive.Newest: {"新しい順", "Newest first"}, archive.Oldest: {"古い順", "Oldest first"},
	archive.Largest: {"対象の多い順", "Largest first"}, archive.Updated: {"更新順", "Last updated first"}, archive.Relevance: {"関連の強い順", "Most relevant first"},
}

// shownValues is how many values of a facet a page lists; whoever wants more narrows the search first.
const shownValues = 40

// incidents is the archive and its search. The search is a GET form, so that it has an address that can be sent, and
// works without JavaScript.
func (s *Site) incidents(w http.ResponseWriter, r *http.Request) error {
	p := s.newPage(r, "incidents", false)
	p.Title = p.Lang.Pick("公表の記録", "Incidents")
	p.Description = p.Lang.Pick("公表された漏えいの記録。事実、経緯、追記を、出典とともに読めます。",
		"Breaches that were made public: facts, what happened when, and addenda, with their sources.")
	body := archiveBody{All: true, Clear: p.Link("/incidents"), Feeds: p.Link("/feeds")}
	p.Body = &body
	values := r.URL.Query()
	q, err := archive.ParseQuery(values)
	switch {
	case errors.Is(err, archive.ErrQuery):
		body.Problem = searchProblem(p.Lang.Lang, err)
		p.NoIndex = true
		return s.show(w, r, http.StatusBadRequest, "incidents", p)
	case err != nil:
		return err
	case strings.ContainsAny(q.Text, "@＠"):
		// An address does not belong into a URL, and finds nothing here.
		body.Address, p.NoIndex = true, true
		return s.show(w, r, http.StatusOK, "incidents", p)
	case s.Archive == nil:
		return s.show(w, r, http.StatusOK, "incidents", p)
	}
	res, err := s.Archive.Search(r.Context(), q)
	if err != nil {
		return err
	}
	s.fillArchive(&body, p, q, res)
	// What only one facet narrows is worth finding; deeper ones and pages are endless.
	p.NoIndex = q.Text != "" || q.Cursor != "" || q.Sort != "" || len(body.Chosen) > 1
	if query := q.Values(); len(query) > 0 {
		p.Query = query.Encode()
	}
	if len(body.Chosen) == 1 {
		p.Title += p.Lang.Pick("："+body.Chosen[0].Label, ": "+body.Chosen[0].Label)
	}
	if q.Text != "" {
		p.Title = p.Lang.Pick("「"+q.Text+"」の検索結果", "Search: "+q.Text)
	}
	p.Feeds = feedsOf(p.Lang.Lang, q)
	p.Canonical = s.base(r) + "/incidents"
	if p.Query != "" {
		p.Canonical += "?" + p.Query
	}
	p.Data = archiveData(s.base(r), p, res.Entries)
	return s.show(w, r, http.StatusOK, "incidents", p)
}

// fillArchive puts a search and its result into what the page shows.
func (s *Site) fillArchive(body *archiveBody, p page, q archive.Query, res archive.Result) {
	lang := p.Lang.Lang
	body.Query, body.Total, body.All = q.Text, res.Total, !q.Filtered()
	body.Rows = s.entryRows(p, res.Entries)
	body.Sources = sourcesOf(res.Entries)
	at := func(change func(url.Values)) string {
		v := q.Values()
		v.Del("cursor")
		change(v)
		if len(v) == 0 {
			return p.Link("/incidents")
		}
		return p.Link("/incidents?" + v.Encode())
	}
	if res.Next != "" {
		body.Next = at(func(v url.Values) { v.Set("cursor", res.Next) })
	}
	if q.Cursor != "" {
		body.First = at(func(url.Values) {})
	}
	usual := archive.Newest // the order where none is asked for, which an address need not say
	if q.Text != "" {
		usual = archive.Relevance
	}
	for _, sort := range archive.Sorts {
		if sort == archive.Relevance && q.Text == "" {
			continue
		}
		label := sortLabels[sort]
		c := choice{Word: sort, Label: lang.Pick(label[0], label[1]), Chosen: cmp.Or(q.Sort, usual) == sort}
		if sort == usual {
			c.Word = ""
		}
		body.Sorts = append(body.Sorts, c)
	}
	for _, f := range res.Facets {
		label := facetLabels[f.Name]
		view := facetView{Label: lang.Pick(label[0], label[1])}
		for _, v := range f.Values {
			c := choice{Name: f.Name, Word: v.Word, Label: v.Label.In(lang), Chosen: v.Chosen, Count: v.Count,
				Href: at(func(values url.Values) { toggle(values, f.Name, v.Word, v.Chosen) })}
			if f.Name == "dataset" {
				c.Label = datasetName(lang, v.Word)
			}
			if v.Chosen {
				view.Chosen++
				body.Kept = append(body.Kept, c)
				body.Chosen = append(body.Chosen, choice{Label: view.Label + lang.Pick("：", ": ") + c.Label, Href: c.Href})
			}
			if len(view.Values) < shownValues || v.Chosen {
				view.Values = append(view.Values, c)
			}
		}
		if len(view.Values) > 1 || view.Chosen > 0 {
			body.Facets = append(body.Facets, view)
		}
	}
	if q.Organisation != "" {
		name := q.Organisation
		if len(res.Entries) > 0 {
			name = res.Entries[0].Organisation.In(lang)
		}
		gone := at(func(v url.Values) { v.Del("organisation") })
		body.Kept = append(body.Kept, choice{Name: "organisation", Word: q.Organisation})
		body.Chosen = append(body.Chosen, choice{Label: name, Href: gone})
	}
}

// toggle takes a value into a facet, or out of it.
func toggle(v url.Values, name, word string, chosen bool) {
	if !chosen {
		v.Add(name, word)
		return
	}
	var rest []string
	for _, w := range v[name] {
		if w != word {
			rest = append(rest, w)
		}
	}
	v.Del(name)
	for _, w := range rest {
		v.Add(name, w)
	}
}

// searchProblem says why a search was not made, without repeating what was asked.
func searchProblem(lang web.Lang, err error) string {
	if strings.Contains(err.Error(), "cursor") {
		return lang.Pick("続きの位置を読み取れませんでした。最初のページから、たどり直してください。", "The place to go on from could not be read. Please begin again from the first page.")
	}
	if strings.Contains(err.Error(), "text") || strings.Contains(err.Error(), "words") {
		return lang.Pick("検索の言葉が長すぎます。言葉を減らして、もう一度お試しください。", "That is too long to search for. Please try again with fewer words.")
	}
	return lang.Pick("アドレスに、知らない条件が含まれています。条件を選び直してください。", "The address holds a condition that is not known here. Please choose again.")
}

// entryRows are the archive's entries as a list shows them.
func (s *Site) entryRows(p page, list []archive.Entry) []row {
	lang, st := p.Lang.Lang, s.Statement()
	var out []row
	for _, e := range list {
		r := row{Date: entryDate(lang, e), Href: p.Link("/incidents/" + e.ID), Title: e.Title.In(lang), Organisation: e.Organisation.In(lang),
			Classes: joinLabels(lang, e.Country, e.Classes), Addenda: e.Addenda, Open: investigating(st, e.ID), Sealed: sealed(st, e.ID) && !p.Stopped()}
		if e.OrganisationID != "" {
			r.OrganisationHref = p.Link("/organisations/" + e.OrganisationID)
		}
		if e.Dataset != "" {
			r.Dataset = datasetName(lang, e.Dataset)
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
func entryDate(lang web.Lang, e archive.Entry) template.HTML {
	if !e.Disclosed.IsZero() {
		return moment(lang, e.Disclosed)
	}
	if e.DateKey == "recorded" {
		return web.DateElement(lang, e.Date.In(incident.Japan))
	}
	return moment(lang, e.Day())
}

func dateLabel(lang web.Lang, key string) string {
	switch key {
	case "recorded":
		return lang.Pick("ここに記録した日", "recorded here")
	case "window.start":
		return lang.Pick("発生した日", "it happened")
	}
	return incident.KeyLabel(lang, key)
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

// archiveData is a list of incidents in schema.org's words.
func archiveData(base string, p page, list []archive.Entry) map[string]any {
	items := []any{}
	for i, e := range list {
		items = append(items, map[string]any{"@type": "ListItem", "position": i + 1, "url": base + "/incidents/" + e.ID, "name": e.Title.In(p.Lang.Lang)})
	}
	return map[string]any{"@context": "https://schema.org", "@type": "CollectionPage", "name": p.Title, "url": p.Canonical,
		"inLanguage": string(p.Lang.Lang), "mainEntity": map[string]any{"@type": "ItemList", "numberOfItems": len(items), "itemListElement": items}}
}

// feedLink is a feed that belongs to a page.
type feedLink struct{ Title, Type, Href string }

// feedsOf are the feeds of a search, for programs that look for them in the page.
func feedsOf(lang web.Lang, q archive.Query) []feedLink {
	q.Cursor, q.Sort, q.Limit = "", "", 0
	query := q.Values()
	if lang == web.EN {
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
	return []feedLink{{title + " (Atom)", "application/atom+xml", "/feeds/atom.xml" + suffix}, {title + " (JSON Feed)", "application/feed+json", "/feeds/feed.json" + suffix}}
}
