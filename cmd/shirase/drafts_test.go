package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/store/storetest"
)

// The files of TestDraftsAreNowhere. "draft", 下書き, ransomware and FR stand in what is not published only.
var draftFiles = map[string]string{
	"city.yaml": `
id: city-2026
zone: "+09:00"
asOf: "2026-11-21T09:00"
facts:
  - {key: organisation, value: {ja: 例示商店, en: Example Shop}}
  - {key: alias, id: joins, value: {ja: 甲社, en: Alpha}}
  - {key: title, value: {ja: 下書きの事案, en: A draft of a case}}
  - {key: cause, value: ransomware}
  - {key: country, value: FR}
  - {key: sector, value: health}
  - {key: data-class, value: health}
  - {key: discovered, value: "2026-11-20"}
  - {key: disclosed, value: "2026-11-21"}
  - {key: addendum, id: "1", at: "2026-11-21T10:00", value: {ja: 下書きの追記, en: A draft addendum}}
`,
	"later.yaml": `
id: shop-2026
zone: "+09:00"
asOf: "2026-11-22T09:00"
facts:
  - {key: title, value: {ja: 下書きの題名, en: A draft title}}
  - {key: alias, id: late, value: {ja: 下書き商店, en: Draft Shop}}
  - {key: country, value: FR}
  - {key: addendum, id: "1", at: "2026-11-22T10:00", value: {ja: 下書きの追記, en: A draft addendum}}
  - {key: action, id: reset, status: planned, promised: "2026-11-23T18:00", value: {ja: 下書きの予定, en: A draft promise}}
  - {key: disclosed, value: "2026-11-25"}
`,
	"back.yaml": `
id: shop-2026
zone: "+09:00"
asOf: "2026-11-23T09:00"
facts:
  - {key: data-class, id: nickname, retract: true}
  - {key: action, id: reset, retract: true}
`,
	"rows.csv": `id,dataset,external_id,key,item,ja,en,word,time,as_of
alpha-2020,press,a,title,,甲社への不正アクセス,Access to Alpha,,,2020-04-01
alpha-2020,press,a,organisation,,甲社,Alpha,,,2020-04-01
alpha-2020,press,a,disclosed,,,,,2020-03-30,2020-04-01
alpha-2020,press,a,data-class,,,,phone,,2020-04-01
beta-2020,press,b,title,,乙社の件,The Beta incident,,,2020-04-01
beta-2020,press,b,organisation,,乙社,Beta,,,2020-04-01
beta-2020,press,b,country,,,,JP,,2020-04-01
gamma-2020,press,c,title,,丙社の件,The Gamma incident,,,2020-04-01
gamma-2020,press,c,sector,,,,retail,,2020-04-01
`,
	"update.csv": `id,dataset,external_id,key,item,ja,en,word,time,as_of
gamma-2020,press,c,title,,丙社の件,The Gamma incident,,,2020-04-01
gamma-2020,press,c,sector,,,,health,,2020-05-01
gamma-2020,press,c,excluded,draft,下書きの除外,Draft exclusion,,,2020-05-01
`,
}

// TestDraftsAreNowhere records, takes back, names, scopes, merges and imports while a server runs: every public address
// gives the same bytes and headers until the incident is published. Then it is everywhere.
func TestDraftsAreNowhere(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, storeURL string) {
		dir := t.TempDir()
		f := folder{t: t, data: filepath.Join(dir, "data")}
		if strings.HasPrefix(storeURL, "postgres") {
			f.store = storeURL
		}
		file := func(name string) string { return filepath.Join(dir, name) }
		for name, text := range draftFiles {
			write(t, file(name), text)
		}
		examples := filepath.Join("..", "..", "examples")
		rules, accounts := filepath.Join(examples, "rules.yaml"), filepath.Join(examples, "accounts.csv")
		all, err := os.ReadFile(accounts)
		if err != nil {
			t.Fatal(err)
		}
		write(t, file("few.csv"), strings.Join(strings.SplitAfter(string(all), "\n")[:4], ""))
		f.do("init", "--url", "https://notice.example.org")
		f.do("incident", "import", file("rows.csv"))
		f.do("incident", "new", "--facts", filepath.Join(examples, "facts.yaml"))
		f.do("incident", "merge", "gamma-2020", "shop-2026")
		f.do("scope", "--export", accounts, "--rules", rules, "--incident", "shop-2026", "--commit")
		f.do("publish", "shop-2026")
		server := f.serve(nil)
		ids := []string{"shop-2026", "city-2026", "alpha-2020", "beta-2020", "gamma-2020"}
		before := crawl(t, server.URL, ids...)
		if len(before) < 100 {
			t.Fatalf("only %d addresses were crawled", len(before))
		}
		for _, step := range [][]string{
			{"incident", "new", "--facts", file("city.yaml")},
			{"incident", "add", "--facts", file("later.yaml")},
			{"incident", "add", "--facts", file("back.yaml")},
			{"scope", "--export", file("few.csv"), "--rules", rules, "--incident", "shop-2026", "--commit"},
			{"scope", "--export", file("few.csv"), "--rules", rules, "--incident", "city-2026", "--commit"},
			{"incident", "merge", "beta-2020", "city-2026"},
			{"incident", "merge", "alpha-2020", "shop-2026"},
			{"incident", "import", file("update.csv")},
			{"incident", "show", "city-2026"},
			{"notice", "draft", "shop-2026"},
		} {
			f.do(step...)
			mustBeSame(t, strings.Join(step[:2], " "), before, crawl(t, server.URL, ids...))
			if t.Failed() {
				return
			}
		}
		if out := f.do("incident", "export"); strings.Contains(strings.ToLower(out), "draft") || strings.Contains(out, "city-2026") {
			t.Error("an export holds drafts without --drafts")
		}
		if out := f.do("incident", "export", "--drafts"); !strings.Contains(out, "Draft Shop") || !strings.Contains(out, "city-2026") {
			t.Error("an export with --drafts lacks them")
		}
		if out, ok := f.try("incident", "export", "city-2026"); ok || !strings.Contains(out, "--drafts") {
			t.Errorf("a draft is exported: %s", out)
		}
		f.do("ledger", "verify")

		if out, ok := f.try("publish", "shop-2026"); ok || !strings.Contains(out, "affected.count says 6") || !strings.Contains(out, "nickname") {
			t.Errorf("facts that disagree with the scope are published: %s", out)
		}
		mustBeSame(t, "a refused publication", before, crawl(t, server.URL, ids...))
		f.do("publish", "shop-2026", "--despite", "a reason that nobody outside reads")
		after := crawl(t, server.URL, ids...)
		for path, want := range map[string]string{"/": "A draft title", "/incidents/shop-2026?lang=en": "A draft title", "/incidents?q=draft": "1件",
			"/feeds/atom.xml": "下書きの題名", "/api/v1/incidents/shop-2026": "Draft Shop", "/api/v1/export.json": "Draft Shop", "/incidents/alpha-2020": "下書きの題名",
			"/incidents/shop-2026/help": "下書きの追記", "/check/v1/statement": "", "/notices/shop-2026-v2": "下書きの題名", "/api/v1/incidents?q=draft": `"total":1`,
			"/incidents?country=FR": "下書きの題名", "/learn": ""} {
			is := after[path]
			if is.status != http.StatusOK || is == before[path] || !strings.Contains(is.body, want) && !(path == "/" && strings.Contains(is.body, "下書きの題名")) {
				t.Errorf("after publishing, %s: %d, changed %v, without %q", path, is.status, is != before[path], want)
			}
		}
		for path, is := range after {
			if strings.Contains(is.body, "下書きの事案") || strings.Contains(is.body, "下書きの予定") || strings.Contains(is.body, "a reason that nobody outside reads") || strings.Contains(is.body, "by command line") {
				t.Errorf("%s shows what was never published", path)
			}
			if strings.Contains(path, "city-2026") && is.status != http.StatusNotFound && !strings.HasPrefix(path, "/learn/compare") {
				t.Errorf("%s: %d", path, is.status)
			}
		}
		if !strings.Contains(f.do("incident", "show", "shop-2026"), "a reason that nobody outside reads") {
			t.Error("the reason is not kept")
		}
		f.do("incident", "show", "alpha-2020", "--json")

		f.do("publish", "city-2026", "--despite", "made up")
		if is := crawl(t, server.URL, ids...); is["/incidents/city-2026"].status != http.StatusOK || is["/incidents/beta-2020"] == before["/incidents/beta-2020"] {
			t.Errorf("city-2026 is not there: %d", is["/incidents/city-2026"].status)
		}
		f.do("ledger", "verify")
	})
}

// TestRetractionStaysReadable: a page never vanishes because a notice is withdrawn.
func TestRetractionStaysReadable(t *testing.T) {
	dir := t.TempDir()
	f := folder{t: t, data: filepath.Join(dir, "data")}
	write(t, filepath.Join(dir, "facts.yaml"), "id: a\nfacts: [{key: title, value: An error}, {key: scope.state, value: investigating}]\n")
	write(t, filepath.Join(dir, "why.md"), "This was a mistake.\n")
	f.do("init")
	f.do("incident", "new", "--facts", filepath.Join(dir, "facts.yaml"))
	f.do("publish", "a")
	f.do("notice", "publish", "a", "--kind", "retraction", "--about", "1", "--text-ja", filepath.Join(dir, "why.md"), "--text-en", filepath.Join(dir, "why.md"))
	is := crawl(t, f.serve(nil).URL, "a")
	for _, path := range []string{"/incidents/a", "/incidents/a/help", "/notices/a-v1", "/notices/a-v2", "/api/v1/incidents/a"} {
		if is[path].status != http.StatusOK {
			t.Errorf("%s: %d", path, is[path].status)
		}
	}
}

// TestPreview: drafts are shown under the preview's own address and to whoever has the token, and to nobody else.
func TestPreview(t *testing.T) {
	dir := t.TempDir()
	f := folder{t: t, data: filepath.Join(dir, "data")}
	write(t, filepath.Join(dir, "city.yaml"), draftFiles["city.yaml"])
	f.do("init")
	f.do("incident", "new", "--facts", filepath.Join(dir, "city.yaml"))
	p := &preview{}
	server := f.serve(p)
	// The server's own guard was made for its address: ask what it prints.
	if out, ok := f.try("serve", "--preview", "--listen", "0.0.0.0:0"); ok || !strings.Contains(out, "can be reached from elsewhere") {
		t.Errorf("a preview for everybody: %s", out)
	}
	guard := previewOf(t, f)
	ask := func(host string, change func(*http.Request)) *http.Response {
		t.Helper()
		r, err := http.NewRequest("GET", guard.url+"/incidents/city-2026?lang=en", nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		if change != nil {
			change(r)
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: may be stored: %q", host, res.Header.Get("Cache-Control"))
		}
		return res
	}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	body := func(res *http.Response) string {
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	// DNS rebinding: another name that leads here, with the right token or without.
	for _, host := range []string{"rebound.example", "rebound.example:8311", strings.Replace(guard.host, "127.0.0.1", "127.0.0.1.rebound.example", 1), "127.0.0.1"} {
		if res := ask(host, bearer(guard.token)); res.StatusCode != http.StatusMisdirectedRequest || strings.Contains(body(res), "draft of a case") {
			t.Errorf("%s: %d", host, res.StatusCode)
		}
	}
	for name, change := range map[string]func(*http.Request){"no token": nil, "another token": bearer("x"), "an empty one": bearer(""),
		"a cookie": func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "shirase-preview-" + guard.port(), Value: "x"}) }} {
		if res := ask("", change); res.StatusCode != http.StatusUnauthorized || strings.Contains(body(res), "draft of a case") {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	if got := body(ask("", bearer(guard.token))); !strings.Contains(got, "A draft of a case") || !strings.Contains(got, "preview of drafts") {
		t.Error("the draft is not shown to who has the token")
	}
	// By the form, in a browser; another site's form is refused.
	jar := func(origin, token string) *http.Response {
		r, err := http.NewRequest("POST", guard.url+"/preview", strings.NewReader(url.Values{"token": {token}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", origin)
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	if res := jar("http://rebound.example", guard.token); res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
		t.Errorf("another site's form: %d", res.StatusCode)
	}
	if res := jar(guard.url, "x"); res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) > 0 {
		t.Errorf("a wrong token: %d", res.StatusCode)
	}
	res := jar(guard.url, guard.token)
	if res.StatusCode != http.StatusSeeOther || len(res.Cookies()) != 1 || !res.Cookies()[0].HttpOnly || res.Cookies()[0].SameSite != http.SameSiteStrictMode || strings.Contains(res.Cookies()[0].Value, guard.token) {
		t.Fatalf("the right token: %d, %v", res.StatusCode, res.Cookies())
	}
	withCookie := func(path string) string {
		return body(ask("", func(r *http.Request) {
			r.URL.Path, r.URL.RawQuery = path, "lang=en"
			r.AddCookie(res.Cookies()[0])
		}))
	}
	for path, want := range map[string]string{"/": "A draft of a case", "/incidents": "A draft of a case", "/notices/city-2026-v1": "neither published nor signed",
		"/organisations/example-shop": "A draft of a case", "/api/v1/incidents": "city-2026", "/learn": "n"} {
		if !strings.Contains(withCookie(path), want) {
			t.Errorf("%s does not show %q", path, want)
		}
	}
	// What is recorded meanwhile is seen at once, and nothing was appended to the ledger by any of it.
	write(t, filepath.Join(dir, "more.yaml"), "id: city-2026\nfacts: [{key: title, value: Another draft}]\n")
	f.do("incident", "add", "--facts", filepath.Join(dir, "more.yaml"))
	if got := withCookie("/incidents"); !strings.Contains(got, "Another draft") || strings.Contains(got, "A draft of a case") {
		t.Error("a draft that changed is not seen")
	}
	if out := f.do("ledger", "verify", "--json"); !strings.Contains(out, `"size":0`) {
		t.Errorf("the ledger grew: %s", out)
	}
	_ = server
}

// guarded is a preview that a command serves.
type guarded struct{ url, host, token string }

func (g guarded) port() string { return g.host[strings.LastIndex(g.host, ":")+1:] }

// previewOf runs `shirase serve --preview` until the test ends.
func previewOf(t *testing.T, f folder) guarded {
	t.Helper()
	out, in := io.Pipe()
	done := make(chan int, 1)
	ctx := t.Context()
	go func() {
		done <- run(ctx, f.args("serve", "--preview", "--listen", "127.0.0.1:0", "--json"), in, io.Discard)
	}()
	var said struct{ URL, Token string }
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(said.URL)
	if err != nil {
		t.Fatal(err)
	}
	return guarded{said.URL, u.Host, said.Token}
}

// TestEarlierFolder opens a folder that an earlier version made, in which facts were shown that no notice signs: what was
// shown is shown, it is marked and listed, nothing is signed by itself, and what is recorded from now on is a draft.
func TestEarlierFolder(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("tar", "xzf", filepath.Join("testdata", "folders", "1.tar.gz"), "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Rename(filepath.Join(dir, "keys"), filepath.Join(dir, "data-keys")); err != nil {
		t.Fatal(err)
	}
	var was struct {
		Paths map[string]int
		Facts map[string][]map[string]any
	}
	b, err := os.ReadFile(filepath.Join(dir, "crawl.json"))
	if err == nil {
		err = json.Unmarshal(b, &was)
	}
	if err != nil {
		t.Fatal(err)
	}
	f := folder{t: t, data: filepath.Join(dir, "data")}
	f.do("ledger", "verify")
	size := strings.Count(f.do("ledger", "verify", "--json"), `"size":6`)
	server := f.serve(nil)
	seen := 0
	for path, status := range was.Paths {
		if status != http.StatusOK {
			continue
		}
		seen++
		res, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, was %d", path, res.StatusCode, status)
		}
	}
	if seen < 50 || size != 1 {
		t.Errorf("%d addresses were there; the ledger's size was right: %d", seen, size)
	}
	for id, want := range was.Facts {
		is := factsShown(t, server, id)
		if !slices.Equal(is, canonical(t, want)) {
			t.Errorf("%s shows other facts:\n%v\nwere\n%v", id, is, canonical(t, want))
		}
	}
	for id, want := range map[string][]string{"shop-2026": {"The reset function is late", "Old Shop"}, "city-2026": {"An incident of a city"}, "press-2020": {"Another company's disclosure"}} {
		out := f.do("incident", "show", id)
		if !strings.Contains(out, "Shown before facts had to be signed") {
			t.Errorf("%s: what was shown unsigned is not listed: %s", id, out)
		}
		for _, w := range want {
			if _, list, _ := strings.Cut(out, "Shown before facts had to be signed"); !strings.Contains(list, w) {
				t.Errorf("%s: %q is not listed as shown and not signed", id, w)
			}
		}
	}
	page := fetched(t, server, "/incidents/shop-2026?lang=en")
	for _, want := range []string{"The reset function is late. (shown before signing)", "not kept (shown before signing)", "no notice has told them yet"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not mark what no notice signed: %q", want)
		}
	}
	if !strings.Contains(fetched(t, server, "/api/v1/incidents/shop-2026"), `"unsigned":true`) {
		t.Error("the API does not mark what no notice signed")
	}
	// From now on what is recorded is a draft, and a notice signs what was shown.
	write(t, filepath.Join(dir, "more.yaml"), "id: shop-2026\nfacts: [{key: title, value: A draft title}, {key: affected.count, value: 6, unit: accounts}]\n")
	f.do("incident", "add", "--facts", filepath.Join(dir, "more.yaml"))
	if strings.Contains(fetched(t, server, "/incidents/shop-2026?lang=en"), "A draft title") {
		t.Error("a draft is shown")
	}
	f.do("publish", "shop-2026", "--despite", "made up", "--today", time.Now().UTC().Format(time.DateOnly)) // the folder is as old as it is
	page = fetched(t, server, "/incidents/shop-2026?lang=en")
	if !strings.Contains(page, "A draft title") || strings.Contains(page, "shown before signing") {
		t.Error("publishing does not sign what was shown")
	}
	// What was recorded by hand of another organisation is said to be that.
	f.do("incident", "disown", "press-2020")
	write(t, filepath.Join(dir, "press.yaml"), "id: press-2020\nfacts: [{key: title, value: What the press wrote later}]\n")
	f.do("incident", "add", "--facts", filepath.Join(dir, "press.yaml"))
	if !strings.Contains(fetched(t, server, "/incidents/press-2020?lang=en"), "What the press wrote later") {
		t.Error("what is recorded of another organisation is not public")
	}
	if out, ok := f.try("publish", "press-2020"); ok || !strings.Contains(out, "imported") {
		t.Errorf("another organisation's incident is published as one's own: %s", out)
	}
	f.do("incident", "own", "press-2020")
	if !strings.Contains(fetched(t, server, "/incidents/press-2020?lang=en"), "What the press wrote later") {
		t.Error("an incident that was made one's own vanished")
	}
	if out, ok := f.try("incident", "disown", "shop-2026"); ok || !strings.Contains(out, "whose incident it is stays as it is") {
		t.Errorf("a published incident is disowned: %s", out)
	}
	f.do("ledger", "verify")
}

func fetched(t *testing.T, server *httptest.Server, path string) string {
	t.Helper()
	res, err := http.Get(server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", path, res.StatusCode, err)
	}
	return string(b)
}

func factsShown(t *testing.T, server *httptest.Server, id string) []string {
	t.Helper()
	var is struct{ Facts []map[string]any }
	if err := json.Unmarshal([]byte(fetched(t, server, "/api/v1/incidents/"+id)), &is); err != nil {
		t.Fatal(err)
	}
	return canonical(t, is.Facts)
}

func canonical(t *testing.T, facts []map[string]any) []string {
	t.Helper()
	var out []string
	for _, f := range facts {
		delete(f, "recorded")
		delete(f, "unsigned")
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	slices.Sort(out)
	return out
}
