package api

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/web"
)

// feedItems is how many items a feed has.
const feedItems = 50

// item is an entry of a feed: a version of a notice, or an incident that has none.
type item struct {
	id, title          string
	url                string
	published, updated time.Time
	summary            string // plain text
	html               string // of a notice, its text
	tags               []string
	author, rights     string
}

// feed is what both forms of a feed are made from.
type feed struct {
	lang        language.Lang
	title       string
	self, pages string
	author      string // who runs this instance
	items       []item
	updated     time.Time
}

// feed reads the feed that a request asks for: a search, or everything, in the language that it names.
func (a *api) feed(r *http.Request) (feed, error) {
	values := r.URL.Query()
	q, err := archive.ParseQuery(values)
	if err != nil {
		return feed{}, err
	}
	if q.Sort != "" || q.Cursor != "" || q.Limit != 0 {
		return feed{}, errFeed
	}
	lang := language.JA
	if l, ok := language.Parse(values.Get("lang")); ok {
		lang = l
	}
	search := q.Values()
	q.Sort, q.Limit = archive.Updated, feedItems
	res, err := a.Archive.Search(r.Context(), q)
	if err != nil {
		return feed{}, err
	}
	base := a.base(r)
	f := feed{lang: lang, title: lang.Pick("公表の記録", "Disclosures"), self: base + r.URL.Path, pages: base + "/incidents"}
	if q.Organisation != "" && len(res.Entries) > 0 {
		f.title = lang.Pick(res.Entries[0].Organisation.JA+"の公表", "Disclosures of "+res.Entries[0].Organisation.EN)
	} else if name, word, one := shelved(search); one {
		f.title = lang.Pick("公表の記録：", "Disclosures: ") + archive.FacetLabel(name, word).In(lang)
	} else if q.Filtered() {
		f.title = lang.Pick("公表の記録の検索", "Search of disclosures")
		if q.Text != "" {
			f.title += lang.Pick("：", ": ") + q.Text
		}
	}
	f.author = a.Operator.In(lang)
	if f.author == "" {
		f.author = strings.TrimPrefix(strings.TrimPrefix(base, "https://"), "http://")
	}
	f.title += lang.Pick("｜", " · ") + f.author
	mark := ""
	if a.Exercise { // readers show a title, a summary or an author alone
		mark = language.Exercise(lang)
		f.title, f.author = mark+f.title, mark+f.author
	}
	search.Set("lang", string(lang))
	f.self, f.pages = f.self+"?"+search.Encode(), f.pages+"?"+search.Encode()
	for _, e := range res.Entries {
		items, err := a.items(r.Context(), base, lang, e)
		if err != nil {
			return feed{}, err
		}
		for i := range items {
			x := &items[i]
			x.title, x.summary = mark+x.title, mark+x.summary
			if x.author != "" {
				x.author = mark + x.author
			}
		}
		f.items = append(f.items, items...)
	}
	slices.SortStableFunc(f.items, func(x, y item) int { return y.updated.Compare(x.updated) })
	f.items = f.items[:min(len(f.items), feedItems)]
	f.updated = time.Unix(0, 0).UTC()
	for _, i := range f.items {
		if i.updated.After(f.updated) {
			f.updated = i.updated
		}
	}
	return f, nil
}

// shelved is the one year, month, cause or sector that a search asks for.
func shelved(search url.Values) (name, word string, one bool) {
	for name, words := range search {
		if len(search) == 1 && len(words) == 1 && slices.Contains([]string{"year", "month", "cause", "sector"}, name) {
			return name, words[0], true
		}
	}
	return "", "", false
}

// items are the feed's items of an incident. The ids are addresses that stay.
func (a *api) items(ctx context.Context, base string, lang language.Lang, e archive.Entry) ([]item, error) {
	common := item{title: e.Heading(lang), author: e.Organisation.In(lang), tags: incident.ClassLabelsIn(lang, e.Country, e.Classes)}
	if e.Dataset != "" {
		p, ok, err := a.Archive.Provenance(ctx, e.ID)
		if err != nil {
			return nil, err
		}
		if ok {
			common.rights = strings.TrimSpace(p.Attribution + " " + p.Licence)
		}
	}
	notices, err := a.Archive.Notices(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	if len(notices) == 0 {
		i := common
		i.id = base + "/incidents/" + e.ID
		i.url, i.updated, i.published = i.id, e.Updated.UTC().Truncate(time.Second), e.Date
		i.summary = summary(lang, e)
		if i.rights != "" {
			i.summary += lang.Pick(" 出典: ", " From: ") + i.rights + lang.Pick("。", ".")
		}
		return []item{i}, nil
	}
	var out []item
	for _, n := range notices {
		i := common
		i.id = base + "/notices/" + n.ID
		i.url, i.updated, i.published, i.summary = i.id, n.Time.UTC(), n.Time.UTC(), summary(lang, e)
		if n.Version > 1 {
			i.title += fmt.Sprintf(lang.Pick("（お知らせ 第%d版）", " (notice, version %d)"), n.Version)
		}
		// Markdown without raw HTML, as the page of the notice shows it.
		if h, err := incident.HTML(n.Text.In(lang)); err == nil {
			i.html = string(h)
		}
		out = append(out, i)
	}
	return out, nil
}

// summary says in a line or two what an incident is.
func summary(lang language.Lang, e archive.Entry) string {
	var parts []string
	if name := e.Organisation.In(lang); name != "" {
		parts = append(parts, name)
	}
	if !e.Disclosed.IsZero() {
		parts = append(parts, lang.Pick(e.Disclosed.In(language.JA)+"公表", "made public "+e.Disclosed.In(language.EN)))
	}
	if n := incident.Counts(lang, e.Affected, e.Parts); n != "" {
		parts = append(parts, lang.Pick("対象は"+n, n+" affected"))
	}
	if len(e.Classes) > 0 {
		parts = append(parts, lang.Pick("流出した可能性のある情報: ", "possibly exposed: ")+strings.Join(incident.ClassLabelsIn(lang, e.Country, e.Classes), lang.Pick("、", ", ")))
	}
	return strings.Join(parts, lang.Pick("。", ". ")) + lang.Pick("。", ".")
}

// The members of an Atom feed that are used here (RFC 4287).
type (
	atomFeed struct {
		XMLName   xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
		Lang      string      `xml:"xml:lang,attr"`
		ID        string      `xml:"id"`
		Title     string      `xml:"title"`
		Updated   string      `xml:"updated"`
		Links     []atomLink  `xml:"link"`
		Author    atomAuthor  `xml:"author"`
		Generator string      `xml:"generator"`
		Entries   []atomEntry `xml:"entry"`
	}
	atomLink struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr,omitempty"`
		Href string `xml:"href,attr"`
	}
	atomAuthor struct {
		Name string `xml:"name"`
	}
	atomEntry struct {
		ID         string         `xml:"id"`
		Title      string         `xml:"title"`
		Updated    string         `xml:"updated"`
		Published  string         `xml:"published"`
		Author     *atomAuthor    `xml:"author"`
		Links      []atomLink     `xml:"link"`
		Categories []atomCategory `xml:"category"`
		Rights     string         `xml:"rights,omitempty"`
		Summary    string         `xml:"summary"`
		Content    *atomContent   `xml:"content"`
	}
	atomCategory struct {
		Term string `xml:"term,attr"`
	}
	atomContent struct {
		Type string `xml:"type,attr"`
		Body string `xml:",chardata"`
	}
)

func (a *api) atom(w http.ResponseWriter, r *http.Request) error {
	f, err := a.feed(r)
	if err != nil {
		return err
	}
	out := atomFeed{Lang: string(f.lang), ID: f.self, Title: f.title, Updated: f.updated.Format(time.RFC3339), Author: atomAuthor{f.author},
		Generator: "Shirase", Links: []atomLink{{"self", "application/atom+xml", f.self}, {"alternate", "text/html", f.pages}}}
	for _, i := range f.items {
		e := atomEntry{ID: i.id, Title: i.title, Updated: i.updated.Format(time.RFC3339), Published: i.published.Format(time.RFC3339),
			Links: []atomLink{{"alternate", "text/html", i.url}}, Rights: i.rights, Summary: i.summary}
		if i.author != "" {
			e.Author = &atomAuthor{i.author}
		}
		for _, t := range i.tags {
			e.Categories = append(e.Categories, atomCategory{t})
		}
		if i.html != "" {
			e.Content = &atomContent{"html", i.html}
		}
		out.Entries = append(out.Entries, e)
	}
	data, err := xml.Marshal(out)
	if err != nil {
		return err
	}
	serve(w, r, web.NewContent("application/atom+xml", "public, max-age=300", "", append([]byte(xml.Header), data...)), f.updated)
	return nil
}

// The members of a JSON Feed (https://www.jsonfeed.org/version/1.1/).
type (
	jsonFeed struct {
		Version  string       `json:"version"`
		Title    string       `json:"title"`
		HomePage string       `json:"home_page_url"`
		FeedURL  string       `json:"feed_url"`
		Language string       `json:"language"`
		Authors  []jsonAuthor `json:"authors"`
		Items    []jsonItem   `json:"items"`
	}
	jsonAuthor struct {
		Name string `json:"name"`
	}
	jsonItem struct {
		ID        string       `json:"id"`
		URL       string       `json:"url"`
		Title     string       `json:"title"`
		Text      string       `json:"content_text,omitzero"`
		HTML      string       `json:"content_html,omitzero"`
		Summary   string       `json:"summary,omitzero"`
		Published string       `json:"date_published"`
		Modified  string       `json:"date_modified"`
		Authors   []jsonAuthor `json:"authors,omitzero"`
		Tags      []string     `json:"tags,omitzero"`
		Language  string       `json:"language"`
	}
)

func (a *api) jsonFeed(w http.ResponseWriter, r *http.Request) error {
	f, err := a.feed(r)
	if err != nil {
		return err
	}
	out := jsonFeed{Version: "https://jsonfeed.org/version/1.1", Title: f.title, HomePage: f.pages, FeedURL: f.self, Language: string(f.lang),
		Authors: []jsonAuthor{{f.author}}, Items: []jsonItem{}}
	for _, i := range f.items {
		e := jsonItem{ID: i.id, URL: i.url, Title: i.title, HTML: i.html, Published: i.published.Format(time.RFC3339),
			Modified: i.updated.Format(time.RFC3339), Tags: i.tags, Language: string(f.lang)}
		if e.HTML == "" {
			e.Text = i.summary
		} else {
			e.Summary = i.summary
		}
		if i.author != "" {
			e.Authors = []jsonAuthor{{i.author}}
		}
		out.Items = append(out.Items, e)
	}
	data, err := json.Marshal(out)
	if err != nil {
		return err
	}
	serve(w, r, web.NewContent("application/feed+json", "public, max-age=300", "", data), f.updated)
	return nil
}

// contactURL makes a contact a URI, as RFC 9116 asks: an address of mail becomes mailto:.
func contactURL(contact string) (string, error) {
	if strings.Contains(contact, "@") && !strings.Contains(contact, ":") {
		contact = "mailto:" + contact
	}
	u, err := url.Parse(contact)
	if err != nil || !slices.Contains([]string{"https", "mailto", "tel"}, u.Scheme) || strings.ContainsAny(contact, "\r\n \t") {
		return "", fmt.Errorf("%q is no contact: give an https, mailto or tel address", contact)
	}
	return contact, nil
}

// securityTxt says whom to tell of a weakness (RFC 9116). It expires within the month, and is made anew each day.
func (a *api) securityTxt(w http.ResponseWriter, r *http.Request) error {
	if len(a.Contacts) == 0 {
		return errNotHere
	}
	var b strings.Builder
	for _, c := range a.Contacts {
		fmt.Fprintf(&b, "Contact: %s\n", c)
	}
	fmt.Fprintf(&b, "Expires: %s\n", a.now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 31).Format(time.RFC3339))
	fmt.Fprintf(&b, "Preferred-Languages: ja, en\nCanonical: %s/.well-known/security.txt\n", a.base(r))
	serve(w, r, web.NewContent("text/plain; charset=utf-8", "public, max-age=86400", "", []byte(b.String())), time.Time{})
	return nil
}
