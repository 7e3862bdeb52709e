package api

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/incident/datasets"
)

// Route is an address of the API.
type Route struct {
	Path   string
	JA, EN string // what it gives
	id     string // operationId
	query  []parameter
	status []int // of problems, beside 429
	cost   int
	answer reflect.Type
	media  string // of what is no JSON object of ours
	serve  func(a *api, w http.ResponseWriter, r *http.Request) error
}

// parameter of a route's query.
type parameter struct {
	name, what string
	list       bool
	enum       []string
	number     bool
}

// Routes lists the addresses of the API, for the page that shows them to people.
func Routes() []Route { return routes }

// pageSize is how many lines a list has whose request does not say.
const pageSize = 50

func searchParameters() []parameter {
	words := func(name string) []string {
		var out []string
		for _, t := range archive.Vocabulary()[name] {
			out = append(out, t.Word)
		}
		if name == "sector" || name == "class" {
			out = append(out, "unknown")
		}
		return out
	}
	return []parameter{
		{name: "q", what: "Words that all have to be found, at most 12 and 200 characters; \"in quotation marks\" as they stand."},
		{name: "year", what: "Year of the incident's date. May be given several times, as the others below: any of the values may hold.", list: true, number: true},
		{name: "month", what: "Month of the incident's date, as 2013-07; unknown where only the year is known.", list: true},
		{name: "sector", what: "What the organisation does.", list: true, enum: words("sector")},
		{name: "cause", what: "What caused it.", list: true, enum: words("cause")},
		{name: "class", what: "What was exposed; password is each of its forms.", list: true, enum: words("class")},
		{name: "size", what: "How many are affected.", list: true, enum: words("size")},
		{name: "disclose", what: "Days from discovery to disclosure.", list: true, enum: words("disclose")},
		{name: "country", what: "ISO 3166-1, two letters, or unknown.", list: true},
		{name: "certification", what: "A certification of the organisation, as it is recorded.", list: true},
		{name: "dataset", what: "A data set, or own for what the operator itself published.", list: true},
		{name: "organisation", what: "Id of an organisation."},
		{name: "sort", what: "Order; the most relevant first where there is q, else the newest.", enum: archive.Sorts},
		{name: "cursor", what: "Where the page before ended; taken from its next."},
		{name: "limit", what: "Lines a page, 1 to 100.", number: true},
	}
}

var paging = []parameter{{name: "cursor", what: "Where the page before ended; taken from its next."}, {name: "limit", what: "Lines a page, 1 to 100.", number: true}}

// routes are the API: what is served, documented and listed is this.
var routes = makeRoutes()

func makeRoutes() []Route {
	return []Route{
		{Path: "/api/v1", id: "index", JA: "この一覧を、プログラムのために。", EN: "This list, for programs.",
			cost: costRead, answer: reflect.TypeFor[Index](), serve: (*api).index},
		{Path: "/api/v1/incidents", id: "searchIncidents", JA: "公表の記録の一覧と検索。件数の内訳も付きます。", EN: "The archive and its search, with counts by facet.",
			query: searchParameters(), status: []int{400}, cost: costRead, answer: reflect.TypeFor[IncidentList](), serve: (*api).incidents},
		{Path: "/api/v1/incidents/{id}", id: "getIncident", JA: "一つの事案の、いまの事実、これまでの記録、お知らせの一覧。", EN: "One incident: the facts that hold, everything ever recorded, and its notices.",
			status: []int{404}, cost: costRead, answer: reflect.TypeFor[Incident](), serve: (*api).incident},
		{Path: "/api/v1/notices", id: "listNotices", JA: "公表したお知らせの一覧。", EN: "All published notices.",
			query: paging, status: []int{400}, cost: costRead, answer: reflect.TypeFor[NoticeList](), serve: (*api).notices},
		{Path: "/api/v1/notices/{id}", id: "getNotice", JA: "お知らせの一つの版と、原本と証明のアドレス。", EN: "One version of a notice, with the addresses of its original and its proof.",
			status: []int{404}, cost: costRead, answer: reflect.TypeFor[Notice](), serve: (*api).notice},
		{Path: "/api/v1/organisations", id: "listOrganisations", JA: "組織の一覧。", EN: "All organisations.",
			query: paging, status: []int{400}, cost: costRead, answer: reflect.TypeFor[OrganisationList](), serve: (*api).organisations},
		{Path: "/api/v1/organisations/{id}", id: "getOrganisation", JA: "一つの組織の、呼び名と事案。", EN: "One organisation: its names and its incidents.",
			status: []int{404}, cost: costRead, answer: reflect.TypeFor[Organisation](), serve: (*api).organisation},
		{Path: "/api/v1/datasets", id: "listDatasets", JA: "記録の元になったデータと、その利用条件。", EN: "The data sets that incidents were imported from, with their licences.",
			cost: costRead, answer: reflect.TypeFor[DatasetList](), serve: (*api).datasets},
		{Path: "/api/v1/vocabulary", id: "getVocabulary", JA: "検索の条件と事実の項目に使う言葉。", EN: "The words that facets and facts are written in.",
			cost: costRead, answer: reflect.TypeFor[Vocabulary](), serve: (*api).vocabulary},
		{Path: "/api/v1/export.json", id: "exportJSON", JA: "すべての事案と事実を一つのJSONで。", EN: "Every incident with its facts, as one JSON array.",
			cost: costExport, media: "application/json", serve: export(datasets.Shirase, "json")},
		{Path: "/api/v1/export.csv", id: "exportCSV", JA: "すべての事案と事実を、一行に一つの事実のCSVで。", EN: "Every incident with its facts, as CSV with a row a fact.",
			cost: costExport, media: "text/csv", serve: export(datasets.CSV, "csv")},
	}
}

// index says what there is.
func (a *api) index(w http.ResponseWriter, r *http.Request) error {
	base := a.base(r)
	out := Index{OpenAPI: base + "/api/v1/openapi.json", Documentation: base + "/api", Routes: []IndexRoute{}}
	for _, route := range a.listed {
		out.Routes = append(out.Routes, IndexRoute{Path: route.Path, JA: route.JA, EN: route.EN})
	}
	return a.answer(w, r, out, time.Time{})
}

func (a *api) incidents(w http.ResponseWriter, r *http.Request) error {
	q, err := archive.ParseQuery(r.URL.Query())
	if err != nil {
		return err
	}
	res, err := a.Archive.Search(r.Context(), q)
	if err != nil {
		return err
	}
	base := a.base(r)
	out := IncidentList{Total: res.Total, Incidents: a.entries(base, res.Entries), Facets: []Facet{}}
	for _, f := range res.Facets {
		facet := Facet{Name: f.Name, Values: []FacetValue{}}
		for _, v := range f.Values {
			facet.Values = append(facet.Values, FacetValue{v.Word, Text(v.Label), v.Count})
		}
		out.Facets = append(out.Facets, facet)
	}
	if res.Next != "" {
		q.Cursor = res.Next
		out.Next = next(w, base+r.URL.Path, q.Values())
	}
	return a.answer(w, r, out, time.Time{}) // its total changes with what stands on other pages: the ETag tells
}

// next names the next page, in the body and as a Link header (RFC 8288).
func next(w http.ResponseWriter, path string, v url.Values) string {
	target := path + "?" + v.Encode()
	w.Header().Set("Link", "<"+target+`>; rel="next"`)
	return target
}

func (a *api) incident(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if !incident.ValidID(id) {
		return fmt.Errorf("%w", incident.ErrNotFound)
	}
	i, err := a.Archive.Get(r.Context(), id)
	if err != nil {
		return err
	}
	entries, err := a.Archive.Entries(r.Context(), []string{i.ID})
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		return fmt.Errorf("%w", incident.ErrNotFound)
	}
	past, err := a.Archive.Record(r.Context(), i.ID)
	if err != nil {
		return err
	}
	notices, err := a.Archive.Notices(r.Context(), i.ID)
	if err != nil {
		return err
	}
	p, imported, err := a.Archive.Provenance(r.Context(), i.ID)
	if err != nil {
		return err
	}
	base := a.base(r)
	out := Incident{Entry: a.entry(base, entries[0]), Facts: []Fact{}, History: []Fact{}, Notices: []NoticeRef{}}
	for _, f := range i.Facts {
		out.Facts = append(out.Facts, factOf(f, false))
	}
	for _, about := range past {
		for _, f := range about.Facts {
			out.History = append(out.History, factOf(f, true))
		}
	}
	for _, n := range notices {
		out.Notices = append(out.Notices, noticeRef(base, n))
	}
	if imported {
		out.Provenance = &Provenance{p.Dataset, p.ExternalID, p.Licence, p.Attribution, p.URL, p.Updated}
	}
	return a.answer(w, r, out, entries[0].Updated)
}

func (a *api) notice(w http.ResponseWriter, r *http.Request) error {
	n, err := a.Archive.Notice(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return a.answer(w, r, noticeOf(a.base(r), n), n.Time)
}

// page reads cursor and limit of a list.
func page(r *http.Request) (after string, limit int, err error) {
	limit = pageSize
	for name, values := range r.URL.Query() {
		if name != "cursor" && name != "limit" {
			return "", 0, &parameterError{name, "known are cursor and limit"}
		}
		if len(values) != 1 {
			return "", 0, &parameterError{name, "give it once"}
		}
		if name == "cursor" {
			after = values[0]
		} else if limit, err = strconv.Atoi(values[0]); err != nil || limit < 1 || limit > archive.MaxLimit {
			return "", 0, &parameterError{name, "a whole number from 1 to 100"}
		}
	}
	return after, limit, nil
}

func (a *api) notices(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := page(r)
	if err != nil {
		return err
	}
	var from incident.Notice
	if after != "" {
		if from, err = incident.NoticeAfterID(after); err != nil {
			return &parameterError{"cursor", "take it from the page before"}
		}
	}
	list, err := a.Archive.NoticesAfter(r.Context(), from, limit+1)
	if err != nil {
		return err
	}
	base := a.base(r)
	out := NoticeList{Notices: []NoticeRef{}}
	for _, n := range list[:min(limit, len(list))] {
		out.Notices = append(out.Notices, noticeRef(base, n))
	}
	if len(list) > limit {
		out.Next = next(w, base+r.URL.Path, url.Values{"cursor": {list[limit-1].ID}, "limit": {strconv.Itoa(limit)}})
	}
	return a.answer(w, r, out, time.Time{})
}

func (a *api) organisations(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := page(r)
	if err == nil && len(after) > 64 {
		err = &parameterError{"cursor", "take it from the page before"}
	}
	if err != nil {
		return err
	}
	list, err := a.Archive.Organisations(r.Context(), after, limit+1)
	if err != nil {
		return err
	}
	base := a.base(r)
	out := OrganisationList{Organisations: []OrganisationLine{}}
	for _, o := range list[:min(limit, len(list))] {
		out.Organisations = append(out.Organisations, OrganisationLine{OrganisationRef{o.ID, Text(o.Name)}, base + "/organisations/" + o.ID, o.Incidents})
	}
	if len(list) > limit {
		out.Next = next(w, base+r.URL.Path, url.Values{"cursor": {list[limit-1].ID}, "limit": {strconv.Itoa(limit)}})
	}
	return a.answer(w, r, out, time.Time{})
}

func (a *api) organisation(w http.ResponseWriter, r *http.Request) error {
	o, err := a.Archive.Organisation(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	base := a.base(r)
	out := Organisation{OrganisationRef: OrganisationRef{o.ID, Text(o.Name)}, URL: base + "/organisations/" + o.ID, Aliases: []Text{},
		Incidents: a.entries(base, o.Entries[:min(len(o.Entries), archive.MaxLimit)]), Total: len(o.Entries)}
	for _, t := range o.Aliases {
		out.Aliases = append(out.Aliases, Text(t))
	}
	return a.answer(w, r, out, newest(o.Entries))
}

func (a *api) datasets(w http.ResponseWriter, r *http.Request) error {
	list, err := a.Archive.Datasets(r.Context())
	if err != nil {
		return err
	}
	out := DatasetList{Datasets: []Dataset{}}
	for _, d := range list {
		out.Datasets = append(out.Datasets, Dataset{d.Name, d.Incidents, d.Licence, d.Attribution, d.Updated})
	}
	return a.answer(w, r, out, time.Time{})
}

func (a *api) vocabulary(w http.ResponseWriter, r *http.Request) error {
	all := archive.Vocabulary()
	terms := func(name string) []Term {
		out := []Term{}
		for _, t := range all[name] {
			out = append(out, Term{t.Word, Text(t.Label)})
		}
		return out
	}
	return a.answer(w, r, Vocabulary{terms("sector"), terms("cause"), terms("class"), terms("size"), terms("disclose"), terms("key")}, time.Time{})
}
