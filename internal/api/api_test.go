package api

import (
	"bytes"
	"database/sql"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/incident/datasets"
	"shirase/internal/language"
	server "shirase/internal/serve"
	"shirase/internal/store"
)

// world is an API with something behind it.
func world(t testing.TB, change func(*Options)) http.Handler {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s, err := incident.New(t.Context(), db, archive.Changed)
	if err != nil {
		t.Fatal(err)
	}
	a, err := archive.New(t.Context(), db, s)
	if err != nil {
		t.Fatal(err)
	}
	for n, src := range []string{string(incident.ModelCase()), `
id: hostile
facts:
  - {key: organisation, value: "A & B <script>\"'"}
  - {key: title, value: "]]> <b>x</b> & \uFFFE"}
  - {key: discovered, value: "2020-01-01"}
`} {
		file, err := incident.ParseFactsFile("facts.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		i, err := s.Create(t.Context(), actor.Operator(), file)
		if err != nil {
			t.Fatal(err)
		}
		notice, err := compose.Whole(t.Context(), s, i, compose.Figures{Time: time.Date(2013, 7, 19, 0, 0, 0, 0, time.UTC), Accounts: 10})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Update(t.Context(), func(tx *sql.Tx) error {
			return errors.Join(s.RecordNotice(t.Context(), tx, notice, int64(7+n)), s.Serve(t.Context(), tx, int64(8+n)))
		}); err != nil {
			t.Fatal(err)
		}
	}
	at, err := incident.ParseMoment("2024-02-03", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	rows := []incident.Record{{Dataset: "hibp", ExternalID: "Zeta", ID: "hibp-zeta", Licence: "CC BY 4.0", Attribution: "Have I Been Pwned", URL: "https://haveibeenpwned.com/Breach/Zeta",
		AsOf: at, Place: incident.Place{File: "x.json", Line: 1}, Facts: []incident.Fact{
			{Key: "organisation", Value: incident.Value{Text: language.Text{JA: "Zeta", EN: "Zeta"}}, Certainty: incident.Confirmed, Source: "hibp"},
			{Key: "discovered", Value: incident.Value{Time: at}, Certainty: incident.Confirmed, Source: "hibp"},
			{Key: "source", Item: "hibp", Value: incident.Value{URL: "https://haveibeenpwned.com/Breach/Zeta"}, Certainty: incident.Confirmed}}}}
	if _, err := s.Import(t.Context(), actor.Operator(), func() (incident.Record, error) {
		if len(rows) == 0 {
			return incident.Record{}, io.EOF
		}
		row := rows[0]
		rows = rows[1:]
		return row, nil
	}, incident.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	st := &check.Statement{Incidents: []check.Incident{{ID: "hostile", State: check.Investigating}, {ID: "naver-2013", State: check.Final}}}
	o := Options{Archive: a.Public(), Statement: func() *check.Statement { return st }, BaseURL: "https://notice.example/", Contacts: []string{"security@notice.example"}}
	if change != nil {
		change(&o)
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return server.Wrap(h, server.Options{})
}

func get(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// samples are requests of every route.
var samples = map[string][]string{
	"/api/v1": {"/api/v1"},
	"/api/v1/incidents": {"/api/v1/incidents", "/api/v1/incidents?q=%E3%83%8D%E3%82%A4%E3%83%90%E3%83%BC", "/api/v1/incidents?limit=1&sort=oldest",
		"/api/v1/incidents?class=email&class=name&year=2013", "/api/v1/incidents?q=nothing+at+all"},
	"/api/v1/incidents/{id}":     {"/api/v1/incidents/naver-2013", "/api/v1/incidents/hibp-zeta", "/api/v1/incidents/hostile"},
	"/api/v1/notices":            {"/api/v1/notices", "/api/v1/notices?limit=1"},
	"/api/v1/notices/{id}":       {"/api/v1/notices/naver-2013-v1"},
	"/api/v1/organisations":      {"/api/v1/organisations", "/api/v1/organisations?limit=1"},
	"/api/v1/organisations/{id}": {"/api/v1/organisations/line"},
	"/api/v1/datasets":           {"/api/v1/datasets"},
	"/api/v1/vocabulary":         {"/api/v1/vocabulary"},
}

// TestOpenAPI holds what is answered against the document that describes it.
func TestOpenAPI(t *testing.T) {
	h := world(t, nil)
	rec := get(h, "GET", "/api/v1/openapi.json")
	raw, err := jsonschema.UnmarshalJSON(bytes.NewReader(rec.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("https://notice.example/openapi.json", raw); err != nil {
		t.Fatal(err)
	}
	document := raw.(map[string]any)
	if document["openapi"] != "3.1.0" {
		t.Errorf("version %v", document["openapi"])
	}
	paths := document["paths"].(map[string]any)
	if len(paths) != len(routes) {
		t.Errorf("%d paths, %d routes", len(paths), len(routes))
	}
	pointer := strings.NewReplacer("~", "~0", "/", "~1")
	seen := map[string]bool{}
	for _, r := range routes {
		if r.answer == nil { // files, which other tests read
			continue
		}
		if seen[r.id] {
			t.Errorf("operation %s twice", r.id)
		}
		seen[r.id] = true
		schema, err := compiler.Compile("https://notice.example/openapi.json#/paths/" + url.PathEscape(pointer.Replace(r.Path)) + "/get/responses/200/content/application~1json/schema")
		if err != nil {
			t.Fatalf("%s: %v", r.Path, err)
		}
		if len(samples[r.Path]) == 0 {
			t.Errorf("%s has no sample", r.Path)
		}
		for _, target := range samples[r.Path] {
			rec := get(h, "GET", target)
			if rec.Code != 200 || rec.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s: %d %s", target, rec.Code, rec.Body)
				continue
			}
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(rec.Body.Bytes()))
			if err != nil {
				t.Fatalf("%s: %v", target, err)
			}
			if err := schema.Validate(value); err != nil {
				t.Errorf("%s: %v", target, err)
			}
			value.(map[string]any)["surprise"] = true
			if schema.Validate(value) == nil {
				t.Errorf("%s: the schema lets anything pass", target)
			}
		}
		for _, p := range r.query { // every parameter is one that the route takes
			value := "x"
			switch {
			case p.enum != nil:
				value = p.enum[0]
			case p.number:
				value = "2013"
			case p.name == "country":
				value = "JP"
			case p.name == "month":
				value = "2013-07"
			}
			if p.name == "limit" {
				value = "7"
			}
			if p.name == "cursor" {
				continue
			}
			if rec := get(h, "GET", r.Path+"?"+url.Values{p.name: {value}}.Encode()); rec.Code != 200 {
				t.Errorf("%s does not take %s=%s: %s", r.Path, p.name, value, rec.Body)
			}
		}
	}
	// Nothing the routes take is missing from the document.
	for _, c := range []struct{ path, parameters string }{{"/api/v1/incidents", "q year month sector cause class country certification dataset size disclose organisation sort cursor limit"}} {
		for _, name := range strings.Fields(c.parameters) {
			if !strings.Contains(fmt.Sprint(paths[c.path]), "name:"+name+" ") {
				t.Errorf("%s: %s is not documented", c.path, name)
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	h := world(t, nil)
	var list IncidentList
	rec := get(h, "GET", "/api/v1/incidents?limit=1")
	if err := json.Unmarshal(rec.Body.Bytes(), &list); err != nil || list.Total != 3 || len(list.Incidents) != 1 || list.Next == "" || len(list.Facets) == 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	if link := rec.Header().Get("Link"); link != "<"+list.Next+`>; rel="next"` || !strings.HasPrefix(list.Next, "https://notice.example/api/v1/incidents?cursor=") {
		t.Errorf("Link: %s", link)
	}
	seen := map[string]bool{list.Incidents[0].ID: true}
	for list.Next != "" {
		rec := get(h, "GET", strings.TrimPrefix(list.Next, "https://notice.example"))
		list = IncidentList{}
		if err := json.Unmarshal(rec.Body.Bytes(), &list); err != nil {
			t.Fatalf("%s", rec.Body)
		}
		for _, e := range list.Incidents {
			seen[e.ID] = true
		}
	}
	if len(seen) != 3 {
		t.Errorf("%v", seen)
	}
	var i Incident
	rec = get(h, "GET", "/api/v1/incidents/naver-2013")
	if err := json.Unmarshal(rec.Body.Bytes(), &i); err != nil || i.Affected.Number != 1692496 || !i.Checkable || len(i.Notices) != 1 || len(i.Facts) < 40 ||
		len(i.History) < len(i.Facts) || i.Contain.Minutes != 48 || i.Contain.Precision != "minute" || i.DatePrecision != "day" || i.Dataset != "own" || i.Provenance != nil {
		t.Errorf("%+v, %v", i.Entry, err)
	}
	if modified := rec.Header().Get("Last-Modified"); modified == "" {
		t.Error("no Last-Modified")
	} else if again := get(h, "GET", "/api/v1/incidents/naver-2013", "If-Modified-Since", modified); again.Code != 304 || again.Body.Len() > 0 {
		t.Errorf("by date: %d", again.Code)
	}
	for _, target := range []string{"/api/v1/incidents/naver-2013", "/api/v1/incidents", "/api/v1/openapi.json", "/feeds/atom.xml", "/feeds/feed.json", "/sitemap.xml", "/sitemap/1.xml"} {
		rec := get(h, "GET", target)
		if again := get(h, "GET", target, "If-None-Match", rec.Header().Get("ETag")); rec.Code != 200 || again.Code != 304 || again.Body.Len() > 0 {
			t.Errorf("%s: %d, then %d", target, rec.Code, again.Code)
		}
		if rec.Header().Get("Access-Control-Allow-Origin") != "*" || rec.Header().Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Errorf("%s cannot be read from another site: %v", target, rec.Header())
		}
		if head := get(h, "HEAD", target); head.Code != 200 || head.Body.Len() > 0 {
			t.Errorf("HEAD %s: %d", target, head.Code)
		}
	}
	if err := json.Unmarshal(get(h, "GET", "/api/v1/incidents/hibp-zeta").Body.Bytes(), &i); err != nil || i.Provenance == nil || i.Provenance.Licence != "CC BY 4.0" {
		t.Errorf("%+v, %v", i.Provenance, err)
	}
}

// TestRefuses: what is wrong with a request is said in problem details, and is never our failure.
func TestRefuses(t *testing.T) {
	h := world(t, nil)
	for target, status := range map[string]int{
		"/api/v1/incidents?x=1": 400, "/api/v1/incidents?q=" + strings.Repeat("a", 300): 400, "/api/v1/incidents?cursor=AAAA": 400, "/api/v1/incidents?limit=0": 400,
		"/api/v1/incidents?q=%22%20NEAR(%20*%20:%27;--": 200, "/api/v1/incidents?q=%ff%fe": 400, "/api/v1/incidents?q=a%27%20%26%20!b%20%7C%20%5C": 200,
		"/api/v1/incidents/none": 404, "/api/v1/incidents/%2e%2e": 404, "/api/v1/incidents/" + strings.Repeat("a", 100): 404,
		"/api/v1/notices/none": 404, "/api/v1/notices/naver-2013-v9": 404, "/api/v1/notices?cursor=x": 400, "/api/v1/notices?limit=1000": 400, "/api/v1/notices?q=x": 400,
		"/api/v1/organisations/none": 404, "/api/v1/organisations?limit=x": 400, "/api/v1/nothing": 404, "/api/": 404, "/feeds/rss.xml": 404,
		"/feeds/atom.xml?sort=oldest": 400, "/feeds/feed.json?x=y": 400, "/sitemap/0.xml": 404, "/sitemap/99.xml": 404, "/sitemap/x": 404,
	} {
		rec := get(h, "GET", target)
		if rec.Code != status {
			t.Errorf("%s: %d %s", target, rec.Code, rec.Body)
		}
		if status >= 400 {
			var p Problem
			if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || p.Status != status || rec.Header().Get("Content-Type") != "application/problem+json" || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %s, %v", target, rec.Body, err)
			}
			if strings.Contains(rec.Body.String(), "aaaa") {
				t.Errorf("%s repeats the request", target)
			}
		}
	}
	// What is wrong is named: the parameter, and what it has to be.
	for target, wants := range map[string][]string{
		"/api/v1/incidents?sector=helth&q=a": {"parameter sector", "/api/v1/vocabulary"}, "/api/v1/incidents?size=7": {"parameter size", "1000-9999"}, "/api/v1/incidents?sort=best": {"parameter sort", "newest"},
		"/api/v1/incidents?cursor=AAAA&sort=oldest": {"parameter cursor"}, "/api/v1/incidents?order=oldest": {"parameter order", "known are"}, "/api/v1/incidents?limit=5000": {"parameter limit", "1 to 100"},
		"/api/v1/organisations?limit=x": {"parameter limit", "1 to 100"}, "/api/v1/notices?q=x": {"parameter q", "cursor and limit"}, "/api/v1/incidents?%3Cscript%3E=1": {"A parameter is not accepted"},
		"/api/v1/incidents/none": {"no incident", "none"}, "/api/v1/organisations/none": {"no organisation", "none"}, "/api/v1/notices/none": {"no notice", "none"},
	} {
		for _, want := range wants {
			if body := get(h, "GET", target).Body.String(); !strings.Contains(body, want) {
				t.Errorf("%s does not say %q: %s", target, want, body)
			}
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if rec := get(h, method, "/api/v1/incidents"); rec.Code != 405 || rec.Header().Get("Allow") == "" {
			t.Errorf("%s: %d", method, rec.Code)
		}
	}
	if rec := get(h, "OPTIONS", "/api/v1/incidents", "Origin", "https://x.example", "Access-Control-Request-Method", "GET"); rec.Code != 204 || !strings.Contains(rec.Header().Get("Access-Control-Allow-Headers"), "If-None-Match") {
		t.Errorf("preflight: %d %v", rec.Code, rec.Header())
	}
	busy := world(t, func(o *Options) {
		o.Allow = func(*http.Request, int) (time.Duration, bool) { return 90 * time.Second, false }
	})
	if rec := get(busy, "GET", "/api/v1/incidents"); rec.Code != 429 || rec.Header().Get("Retry-After") != "90" {
		t.Errorf("busy: %d %v", rec.Code, rec.Header())
	}
}

func TestAtom(t *testing.T) {
	h := world(t, nil)
	for _, lang := range []string{"ja", "en"} {
		rec := get(h, "GET", "/feeds/atom.xml?lang="+lang)
		var f struct {
			XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
			ID      string   `xml:"id"`
			Title   string   `xml:"title"`
			Updated string   `xml:"updated"`
			Author  struct {
				Name string `xml:"name"`
			} `xml:"author"`
			Links []struct {
				Rel  string `xml:"rel,attr"`
				Href string `xml:"href,attr"`
			} `xml:"link"`
			Entries []struct {
				ID      string `xml:"id"`
				Title   string `xml:"title"`
				Updated string `xml:"updated"`
				Summary string `xml:"summary"`
				Rights  string `xml:"rights"`
				Content struct {
					Type string `xml:"type,attr"`
					Body string `xml:",chardata"`
				} `xml:"content"`
			} `xml:"entry"`
		}
		if err := xml.Unmarshal(rec.Body.Bytes(), &f); err != nil {
			t.Fatalf("%v\n%s", err, rec.Body)
		}
		if f.ID == "" || f.Title == "" || f.Author.Name == "" || len(f.Links) != 2 || f.Links[0].Rel != "self" || len(f.Entries) != 3 {
			t.Errorf("%+v", f)
		}
		ids := map[string]bool{}
		for _, e := range f.Entries {
			if _, err := time.Parse(time.RFC3339, e.Updated); err != nil || ids[e.ID] || !strings.HasPrefix(e.ID, "https://notice.example/") || e.Title == "" || e.Summary == "" {
				t.Errorf("%+v, %v", e, err)
			}
			ids[e.ID] = true
			if strings.HasSuffix(e.ID, "-v1") && (e.Content.Type != "html" || !strings.Contains(e.Content.Body, "<h1")) {
				t.Errorf("%+v", e.Content)
			}
			if strings.HasSuffix(e.ID, "hibp-zeta") && (e.Rights != "Have I Been Pwned CC BY 4.0" || !strings.Contains(e.Summary, "CC BY 4.0")) {
				t.Errorf("an imported entry does not name its source: %+v", e)
			}
		}
		if !ids["https://notice.example/notices/naver-2013-v1"] {
			t.Errorf("%v", ids)
		}
	}
	if rec := get(h, "GET", "/feeds/atom.xml?organisation=line"); strings.Count(rec.Body.String(), "<entry>") != 1 || !strings.Contains(rec.Body.String(), "LINE株式会社の公表") {
		t.Errorf("%s", rec.Body)
	}
	if rec := get(h, "GET", "/feeds/atom.xml?month=2013-07"); strings.Count(rec.Body.String(), "<entry>") != 1 || !strings.Contains(rec.Body.String(), "<title>公表の記録：2013年7月｜") ||
		!strings.Contains(rec.Body.String(), "<title>【LINE株式会社】") {
		t.Errorf("the feed of a month: %s", rec.Body)
	}
	if rec := get(h, "GET", "/feeds/atom.xml?q=xyzzy"); rec.Code != 200 || strings.Contains(rec.Body.String(), "<entry>") || !strings.Contains(rec.Body.String(), "<updated>1970-01-01T00:00:00Z</updated>") {
		t.Errorf("an empty feed: %s", rec.Body)
	}
}

func TestJSONFeed(t *testing.T) {
	h := world(t, nil)
	rec := get(h, "GET", "/feeds/feed.json?lang=en")
	var f jsonFeed
	if err := json.Unmarshal(rec.Body.Bytes(), &f, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	if f.Version != "https://jsonfeed.org/version/1.1" || f.FeedURL != "https://notice.example/feeds/feed.json?lang=en" || len(f.Items) != 3 || rec.Header().Get("Content-Type") != "application/feed+json" {
		t.Errorf("%+v", f)
	}
	for _, i := range f.Items {
		if i.ID == "" || i.URL != i.ID || (i.Text == "") == (i.HTML == "") {
			t.Errorf("%+v", i)
		}
		if strings.Contains(i.HTML, "<script") {
			t.Errorf("script in %s", i.ID)
		}
	}
}

func TestSitemap(t *testing.T) {
	h := world(t, nil)
	index := get(h, "GET", "/sitemap.xml").Body.String()
	parts := regexp.MustCompile(`<loc>https://notice\.example(/sitemap/\d+\.xml)</loc>`).FindAllStringSubmatch(index, -1)
	if len(parts) != 1 {
		t.Fatalf("%s", index)
	}
	body := get(h, "GET", parts[0][1]).Body
	for _, want := range []string{"/incidents/naver-2013<", "/notices/naver-2013-v1<", "/organisations/line<", "example/<", "/archive<", "/archive/2013<", "/archive/2013-07<", "/archive/cause/intrusion<", "/organisations<", "<lastmod>"} {
		if !strings.Contains(body.String(), want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if err := xml.Unmarshal(body.Bytes(), new(struct{})); err != nil {
		t.Error(err)
	}
	b := sitemapBuilder{base: "https://x.example"}
	for range sitemapPart + 1 {
		b.add("/a&b", time.Time{})
	}
	if b.end(); len(b.parts) != 2 {
		t.Errorf("%d parts", len(b.parts))
	}
}

func TestSecurityTxt(t *testing.T) {
	body := get(world(t, nil), "GET", "/.well-known/security.txt").Body.String()
	for _, want := range []string{"Contact: mailto:security@notice.example\n", "Canonical: https://notice.example/.well-known/security.txt\n", "Preferred-Languages: ja, en\n"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	expires := regexp.MustCompile(`(?m)^Expires: (.*)$`).FindStringSubmatch(body)
	if expires == nil {
		t.Fatal(body)
	}
	if at, err := time.Parse(time.RFC3339, expires[1]); err != nil || time.Until(at) < 29*24*time.Hour || time.Until(at) > 365*24*time.Hour {
		t.Errorf("%v, %v", at, err)
	}
	if rec := get(world(t, func(o *Options) { o.Contacts = nil }), "GET", "/.well-known/security.txt"); rec.Code != 404 {
		t.Errorf("without a contact: %d", rec.Code)
	}
	for _, bad := range []string{"javascript:alert(1)", "http://x.example", "https://x\nContact: y", ""} {
		if _, err := New(Options{Contacts: []string{bad}}); err == nil {
			t.Errorf("%q is taken as a contact", bad)
		}
	}
}

// TestValue: a member that facts get is not forgotten here.
func TestValue(t *testing.T) {
	ours := reflect.TypeFor[Value]()
	for _, theirs := range reflect.VisibleFields(reflect.TypeFor[incident.Value]()) {
		f, ok := ours.FieldByName(theirs.Name)
		if !ok || f.Tag.Get("json") != theirs.Tag.Get("json") {
			t.Errorf("the value of a fact has %s, the API has not", theirs.Name)
		}
	}
}

func TestExport(t *testing.T) {
	h := world(t, nil)
	rec := get(h, "GET", "/api/v1/export.json")
	var list []struct {
		ID    string           `json:"id"`
		Facts []map[string]any `json:"facts"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &list); err != nil || len(list) != 3 || len(list[0].Facts) == 0 {
		t.Errorf("%d incidents, %v", len(list), err)
	}
	if again := get(h, "GET", "/api/v1/export.json", "If-None-Match", rec.Header().Get("ETag")); again.Code != 304 {
		t.Errorf("again: %d", again.Code)
	}
	if rec := get(h, "GET", "/api/v1/export.csv"); rec.Header().Get("Content-Type") != "text/csv; charset=utf-8" || strings.Count(rec.Body.String(), "naver-2013,") < 40 {
		t.Errorf("%v", rec.Header())
	}
}

// TestExportIsWrittenOnce: all who ask read one file, which is there until the last of them has left, also when there is a newer
// one; and where nothing can be written, the archive is sent as it is read.
func TestExportIsWrittenOnce(t *testing.T) {
	var e exports
	writes := 0
	of := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { writes++; _, err := io.WriteString(w, s); return err }
	}
	read := func(w *written) string {
		b, err := io.ReadAll(io.NewSectionReader(w.file, 0, w.size))
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	first, err := e.get("1", datasets.CSV, of("one"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := e.get("1", datasets.CSV, of("not asked for"))
	if err != nil || again != first || writes != 1 {
		t.Fatalf("written %d times, %v", writes, err)
	}
	second, err := e.get("2", datasets.CSV, of("two"))
	if err != nil || read(second) != "two" {
		t.Fatalf("%q, %v", read(second), err)
	}
	first.leave()
	if read(again) != "one" {
		t.Errorf("while it is read, the old one is %q", read(again))
	}
	again.leave()
	if _, err := first.file.Stat(); err == nil {
		t.Error("the old one is still open after its last reader has left")
	}
	if first.enter() {
		t.Error("a file that is closed is given to a reader")
	}
	if _, err := e.get("3", datasets.CSV, func(io.Writer) error { return io.ErrUnexpectedEOF }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an export that failed: %v", err)
	}
	if read(second) != "two" {
		t.Error("an export that failed took the one before with it")
	}

	h := world(t, nil)
	whole := get(h, "GET", "/api/v1/export.json").Body.String()
	if part := get(h, "GET", "/api/v1/export.json", "Range", "bytes=1-9"); part.Code != 206 || part.Body.String() != whole[1:10] {
		t.Errorf("a part: %d %q", part.Code, part.Body)
	}
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "not there"))
	if rec := get(world(t, nil), "GET", "/api/v1/export.json"); rec.Code != 200 || rec.Body.Len() != len(whole) {
		t.Errorf("without a place to write: %d, %d bytes of %d", rec.Code, rec.Body.Len(), len(whole))
	}
}
