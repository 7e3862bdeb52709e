package site

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"shirase/internal/archive"
	"shirase/internal/incident/chart"
	"shirase/internal/language"
	"shirase/internal/page"
)

// shelfBody is a page of what belongs together in the archive: a year, a month, a cause, a sector; or the way to them all.
type shelfBody struct {
	Heading        string
	Whole          bool // the way to them all
	Total          int
	Calendar       *chartView
	Years, Months  []choice
	Causes         []choice
	Sectors        []choice
	Earlier, Later *choice
	Rows           []row
	More           string // the others, as a search
	Sources        []source
	Feeds          []page.Feed
}

// shelvedRows is how many incidents such a page lists; the others are a search away.
const shelvedRows = archive.MaxLimit

// shelves is the way into the archive: the newest, and each year, month, cause and sector.
func (s *Site) shelves(w http.ResponseWriter, r *http.Request) error {
	return s.shelf(w, r, archive.Query{}, "/archive")
}

func (s *Site) period(w http.ResponseWriter, r *http.Request) error {
	name := "year"
	if strings.Contains(r.PathValue("period"), "-") {
		name = "month"
	}
	return s.shelfOf(w, r, name, r.PathValue("period"), "/archive/")
}

func (s *Site) cause(w http.ResponseWriter, r *http.Request) error {
	return s.shelfOf(w, r, "cause", r.PathValue("word"), "/archive/cause/")
}

func (s *Site) sector(w http.ResponseWriter, r *http.Request) error {
	return s.shelfOf(w, r, "sector", r.PathValue("word"), "/archive/sector/")
}

func (s *Site) shelfOf(w http.ResponseWriter, r *http.Request, facet, word, path string) error {
	q, err := archive.ParseQuery(url.Values{facet: {word}})
	if err != nil || !q.Filtered() || word == "unknown" && facet == "month" {
		return errNotHere
	}
	return s.shelf(w, r, q, path+word)
}

// shelfPath is the page of a search that asks for one year, month, cause, sector or organisation and nothing else; "" where it is another.
func shelfPath(q archive.Query) string {
	q.Sort, q.Cursor, q.Limit = "", "", 0
	v := q.Values()
	if len(v) != 1 {
		return ""
	}
	for name, path := range map[string]string{"year": "/archive/", "month": "/archive/", "cause": "/archive/cause/", "sector": "/archive/sector/", "organisation": "/organisations/"} {
		if words := v[name]; len(words) == 1 && (name != "month" || words[0] != "unknown") {
			return path + words[0]
		}
	}
	return ""
}

func (s *Site) shelf(w http.ResponseWriter, r *http.Request, q archive.Query, path string) error {
	if s.Archive == nil {
		return errNotHere
	}
	q.Limit = shelvedRows
	if !q.Filtered() {
		q.Limit = archive.DefaultLimit
	}
	res, err := s.Archive.Search(r.Context(), q)
	if err != nil {
		return err
	}
	q.Limit = 0
	p := s.newPage(r, "incidents", false)
	lang := p.Lang.Lang
	body := shelfBody{Heading: shelfHeading(lang, q), Whole: !q.Filtered(), Total: res.Total, Rows: s.entryRows(p, res.Entries), Sources: sourcesOf(res.Entries)}
	if res.Next != "" {
		body.More = p.Link("/incidents")
		if !body.Whole {
			body.More = p.Link("/incidents?" + q.Values().Encode())
		}
	}
	body.sort(p, q, res)
	if c := calendarOf(lang, q, res); len(q.Months) == 0 && !c.Empty() {
		csv := ""
		if body.Whole {
			csv = "/archive/calendar.csv"
		}
		v := chartOf(p, c, "calendar", csv)
		body.Calendar = &v
	}
	p.Title, p.NoIndex = body.Heading, p.NoIndex || res.Total == 0
	p.Description = fmt.Sprintf(lang.Pick("%s。記録している%s件を、出典とともに読めます。", "%s: %s on record, each with its sources."), body.Heading, language.Number(lang, int64(res.Total)))
	p.Canonical = p.Base + path
	p.Feeds = feedsOf(lang, q)
	for i := range p.Feeds {
		p.Feeds[i].Title = body.Heading + map[bool]string{true: " (Atom)", false: " (JSON Feed)"}[i == 0]
	}
	body.Feeds = p.Feeds
	p.Data = archiveData(p.Base, p, res.Entries)
	p.Body = body
	return s.frame.Show(w, r, http.StatusOK, "shelf", p)
}

// sort lays the ways on from a page: from the whole archive to each year, cause and sector; from a part of it to what is narrower
// still, and to what stands beside it.
func (b *shelfBody) sort(p sitePage, q archive.Query, res archive.Result) {
	lang := p.Lang.Lang
	narrower := func(name, word string) string {
		v := q.Values()
		v.Set(name, word)
		return p.Link("/incidents?" + v.Encode())
	}
	for _, f := range res.Facets {
		var to *[]choice
		switch f.Name {
		case "year":
			to = &b.Years
		case "cause":
			to = &b.Causes
		case "sector":
			to = &b.Sectors
		}
		if to == nil || f.Name != "year" && len(q.Values()[f.Name]) > 0 {
			continue
		}
		for _, v := range f.Values {
			c := choice{Name: f.Name, Word: v.Word, Label: v.Label.In(lang), Count: v.Count, Chosen: v.Chosen, Href: p.Link("/archive/" + f.Name + "/" + v.Word)}
			switch {
			case f.Name == "year" && (b.Whole || len(q.Years) > 0):
				c.Href = p.Link("/archive/" + v.Word)
			case !b.Whole:
				c.Href = narrower(f.Name, v.Word)
			}
			if v.Count > 0 {
				*to = append(*to, c)
			}
		}
	}
	if len(q.Years) > 0 {
		b.Earlier, b.Later = beside(b.Years, strconv.Itoa(q.Years[0]))
		b.Years = nil
	}
	for _, v := range res.Months {
		if v.Word != "unknown" && v.Count > 0 {
			b.Months = append(b.Months, choice{Word: v.Word, Label: v.Label.In(lang), Count: v.Count, Href: p.Link("/archive/" + v.Word)})
		}
	}
	if len(q.Months) > 0 {
		b.Earlier, b.Later = beside(b.Months, q.Months[0])
		b.Years = nil
	}
	if len(q.Years) == 0 { // the months of one year are a list; of all, the calendar
		b.Months = nil
	}
}

// beside finds what comes before and after a word in a list that has the newest first; the word need not be in it.
func beside(list []choice, word string) (earlier, later *choice) {
	for i := range list {
		switch {
		case list[i].Word > word:
			later = &list[i]
		case list[i].Word < word:
			return &list[i], later
		}
	}
	return nil, later
}

func shelfHeading(lang language.Lang, q archive.Query) string {
	label := func(name string) string { return archive.FacetLabel(name, q.Values().Get(name)).In(lang) }
	switch {
	case len(q.Years) > 0:
		return lang.Pick(label("year")+"の公表の記録", "Incidents of "+label("year"))
	case len(q.Months) > 0:
		return lang.Pick(label("month")+"の公表の記録", "Incidents of "+label("month"))
	case len(q.Causes) > 0:
		return lang.Pick("原因が「"+label("cause")+"」の公表の記録", "Incidents by cause: "+label("cause"))
	case len(q.Sectors) > 0:
		return lang.Pick("業種が「"+label("sector")+"」の公表の記録", "Incidents by sector: "+label("sector"))
	}
	return lang.Pick("公表の記録の目次", "The archive at a glance")
}

// calendarOf is the calendar of what a search finds.
func calendarOf(lang language.Lang, q archive.Query, res archive.Result) chart.Chart {
	var months []chart.Month
	rough := map[int]int{} // by year: what is in no month
	for _, f := range res.Facets {
		for _, v := range f.Values {
			if year, err := strconv.Atoi(v.Word); f.Name == "year" && err == nil && (len(q.Years) == 0 || v.Chosen) {
				rough[year] = v.Count
			}
		}
	}
	for _, v := range res.Months {
		t, err := time.Parse("2006-01", v.Word)
		if err != nil || v.Count == 0 {
			continue
		}
		rough[t.Year()] -= v.Count
		href := "/archive/" + v.Word
		if len(q.Causes) > 0 || len(q.Sectors) > 0 {
			narrower := q.Values()
			narrower.Set("month", v.Word)
			href = "/incidents?" + narrower.Encode()
		}
		months = append(months, chart.Month{Year: t.Year(), Month: t.Month(), N: v.Count, Href: href})
	}
	for _, f := range res.Facets {
		for _, v := range f.Values {
			if year, err := strconv.Atoi(v.Word); f.Name == "year" && err == nil && rough[year] > 0 {
				narrower := q.Values()
				narrower.Set("year", v.Word)
				narrower.Set("month", "unknown")
				months = append(months, chart.Month{Year: year, N: rough[year], Href: "/incidents?" + narrower.Encode()})
			}
		}
	}
	return chart.Calendar(lang, lang.Pick("月ごとの件数", "Incidents a month"), months)
}

// calendarCSV is the calendar's table as a file.
func (s *Site) calendarCSV(w http.ResponseWriter, r *http.Request) error {
	if s.Archive == nil {
		return errNotHere
	}
	res, err := s.Archive.Search(r.Context(), archive.Query{Limit: 1})
	if err != nil {
		return err
	}
	return csvOf(w, r, calendarOf(s.newPage(r, "incidents", false).Lang.Lang, archive.Query{}, res).Table)
}
