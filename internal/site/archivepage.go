package site

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"shirase/internal/archive"
	"shirase/internal/language"
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

var facetLabels = map[string][2]string{
	"year": {"年", "Year"}, "month": {"月", "Month"}, "sector": {"業種", "Sector"}, "cause": {"原因", "Cause"}, "class": {"情報の種類", "Data exposed"},
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
		return s.frame.Show(w, r, http.StatusBadRequest, "incidents", p)
	case err != nil:
		return err
	case strings.ContainsAny(q.Text, "@＠"):
		// An address does not belong in a URL, and finds nothing here.
		body.Address, p.NoIndex = true, true
		return s.frame.Show(w, r, http.StatusOK, "incidents", p)
	case s.Archive == nil:
		return s.frame.Show(w, r, http.StatusOK, "incidents", p)
	}
	res, err := s.Archive.Search(r.Context(), q)
	if err != nil {
		return err
	}
	s.fillArchive(&body, p, q, res)
	// What only one facet narrows is worth finding; deeper ones and pages are endless.
	p.NoIndex = p.NoIndex || q.Text != "" || q.Cursor != "" || q.Sort != "" || len(body.Chosen) > 1
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
	p.Canonical = p.Base + "/incidents"
	if own := shelfPath(q); own != "" {
		p.Canonical = p.Base + own
	} else if p.Query != "" {
		p.Canonical += "?" + p.Query
	}
	p.Data = archiveData(p.Base, p, res.Entries)
	return s.frame.Show(w, r, http.StatusOK, "incidents", p)
}

// fillArchive puts a search and its result into what the page shows.
func (s *Site) fillArchive(body *archiveBody, p sitePage, q archive.Query, res archive.Result) {
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
func searchProblem(lang language.Lang, err error) string {
	if strings.Contains(err.Error(), "cursor") {
		return lang.Pick("続きの位置を読み取れませんでした。最初のページから、たどり直してください。", "The place to go on from could not be read. Please begin again from the first page.")
	}
	if strings.Contains(err.Error(), "text") || strings.Contains(err.Error(), "words") {
		return lang.Pick("検索の言葉が長すぎます。言葉を減らして、もう一度お試しください。", "That is too long to search for. Please try again with fewer words.")
	}
	return lang.Pick("アドレスに、知らない条件が含まれています。条件を選び直してください。", "The address holds a condition that is not known here. Please choose again.")
}
