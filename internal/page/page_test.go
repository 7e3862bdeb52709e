package page

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"shirase/internal/language"
	"shirase/internal/web"
)

// door is the smallest door that has everything: two pages, one of which fails, and a banner of its own.
type door struct {
	*Frame
	http.Handler
}

// doorPage is what its templates are given: a Page, and something that only this door has.
type doorPage struct {
	Page
	Banner string
}

func newDoor(t *testing.T, o Operator, change ...func(fstest.MapFS)) door {
	t.Helper()
	files := fstest.MapFS{
		"templates/first.html": {Data: []byte(`{{define "content"}}<h1>{{t "最初" "First"}}</h1><p>{{num 1692496}} {{digits 1692496}} {{twice .Body}}{{if ja}} 和文{{end}}</p>{{end}}`)},
		"templates/own.html":   {Data: []byte(`{{define "banners"}}<aside>{{.Banner}}</aside>{{end}}{{define "ways"}}<a href="{{.Link "/"}}">{{t "戻る" "Back"}}</a>{{end}}`)},
		"assets/door.js":       {Data: []byte("'use strict';\n")},
	}
	for _, c := range change {
		c(files)
	}
	f, err := New(Options{Files: files, Pages: []string{"first"}, Shared: []string{"templates/own.html"}, Operator: o, BaseURL: "https://notice.example/",
		Funcs: func(language.Lang) template.FuncMap {
			return template.FuncMap{"twice": func(s string) string { return s + s }}
		},
		Navigation: []Entry{{"first", "/", language.Both("最初", "First")}, {"second", "/second", language.Both("次", "Second")}}})
	if err != nil {
		t.Fatal(err)
	}
	d := door{Frame: f}
	wrong := func(w http.ResponseWriter, r *http.Request, p web.Problem) {
		of := doorPage{f.Page(r), "door"}
		body := WrongOf(of.Lang.Lang, p)
		of.Failed, of.Title, of.Body = true, body.Heading, body
		f.ShowWrong(w, r, p, of)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		p := doorPage{f.Page(r), "door"}
		script, _ := f.Asset("door.js")
		p.Nav, p.Title, p.Body, p.Query, p.Script = "first", "<title>", "<b>", "q=a&b=c", &script
		if err := f.Show(w, r, http.StatusOK, "first", p); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /busy", func(w http.ResponseWriter, r *http.Request) {
		wrong(w, r, web.Problem{Status: http.StatusTooManyRequests, RetryAfter: 90 * time.Second})
	})
	mux.HandleFunc("GET /broken", func(w http.ResponseWriter, r *http.Request) {
		wrong(w, r, web.Problem{Status: http.StatusInternalServerError})
	})
	mux.HandleFunc("GET /assets/{name}", func(w http.ResponseWriter, r *http.Request) {
		if !f.ServeAsset(w, r) {
			wrong(w, r, web.Problem{Status: http.StatusNotFound})
		}
	})
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { f.ServeAsset(w, r) })
	d.Handler = Handler(mux, wrong)
	return d
}

func (d door) get(method, target string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	d.ServeHTTP(rec, httptest.NewRequest(method, target, nil))
	return rec
}

var example = Operator{Name: language.Both("例示株式会社", "Example Inc."), Contact: "mailto:desk@example.org",
	Imprint: "https://example.org/about", Privacy: "https://example.org/privacy"}

// TestFrame holds what every page of every door has: the operator's name in title, header and footer, the navigation with
// this page's entry marked, the other language, the style and the program by hash, and what the door adds.
func TestFrame(t *testing.T) {
	d := newDoor(t, example)
	for lang, want := range map[string][]string{
		"ja": {`<html lang="ja">`, "&lt;title&gt;｜例示株式会社</title>", `<b>例示株式会社</b>`, `<a class="switch" href="/?b=c&amp;lang=en&amp;q=a" hreflang="en"`, "169万2,496 1,692,496", " 和文",
			`<a href="/?lang=ja" aria-current="page">最初</a>`, `<a href="/second?lang=ja">次</a>`, "<aside>door</aside>", "&lt;b&gt;&lt;b&gt;", `href="mailto:desk@example.org">desk@example.org</a>`},
		"en": {`<html lang="en">`, "&lt;title&gt; · Example Inc.</title>", `<b>Example Inc.</b>`, `hreflang="ja" lang="ja">日本語</a>`, "1,692,496 1,692,496",
			`<a href="/?lang=en" aria-current="page">First</a>`, "https://example.org/about", "https://example.org/privacy"},
	} {
		rec := d.get("GET", "/?lang="+lang)
		body := rec.Body.String()
		if rec.Code != http.StatusOK || rec.Header().Get("Content-Language") != lang || !strings.Contains(rec.Header().Get("Vary"), "Accept-Language") {
			t.Errorf("%s: %d, %v", lang, rec.Code, rec.Header())
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s: the page does not have %s", lang, w)
			}
		}
		if lang == "en" && strings.Contains(body, "和文") {
			t.Error("what is for Japanese only is on the English page")
		}
		addresses := regexp.MustCompile(`(?:src|href)="(/assets/[^"]*)" integrity="sha384-`).FindAllStringSubmatch(body, -1)
		if len(addresses) != 2 {
			t.Errorf("%s: style and program with their hashes: %q", lang, addresses)
		}
		for _, a := range addresses {
			if rec := d.get("GET", a[1]); rec.Code != http.StatusOK || rec.Body.Len() == 0 {
				t.Errorf("%s: %d, %d bytes", a[1], rec.Code, rec.Body.Len())
			}
		}
	}
	if rec := d.get("GET", "/favicon.ico"); rec.Header().Get("Content-Type") != "image/svg+xml" {
		t.Errorf("the icon is %s", rec.Header().Get("Content-Type"))
	}
	if body := newDoor(t, Operator{}).get("GET", "/").Body.String(); !strings.Contains(body, `class="brand host" href="/">notice.example</a>`) {
		t.Error("an operator without a name is not called by the host")
	}
}

// TestWrong holds that what went wrong is said on a page of the door in the reader's language, and to caches and clients.
func TestWrong(t *testing.T) {
	d := newDoor(t, example)
	for _, c := range []struct {
		method, path string
		status       int
		ja, en       string
		header       [2]string
	}{
		{"GET", "/nothing", 404, "ページが見つかりません。", "There is no such page.", [2]string{"Allow", ""}},
		{"GET", "/assets/none.js", 404, "ページが見つかりません。", "There is no such page.", [2]string{"Allow", ""}},
		{"POST", "/", 405, "この操作は、ここではできません。", "That cannot be done here.", [2]string{"Allow", "GET, HEAD"}},
		{"GET", "/busy", 429, "90秒ほど待ってから", "Please wait for 90 s", [2]string{"Retry-After", "90"}},
		{"GET", "/broken", 500, "「エラー500」", "“error 500”", [2]string{"Retry-After", ""}},
	} {
		for lang, want := range map[string]string{"ja": c.ja, "en": c.en} {
			rec := d.get(c.method, c.path+"?lang="+lang)
			body := rec.Body.String()
			if rec.Code != c.status || rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get(c.header[0]) != c.header[1] {
				t.Errorf("%s %s: %d, %v", c.method, c.path, rec.Code, rec.Header())
			}
			if !strings.Contains(body, want) || !strings.Contains(body, "<aside>door</aside>") || !strings.Contains(body, `<a href="/?lang=`+lang+`">`) {
				t.Errorf("%s %s in %s does not say %q on a page of the door:\n%s", c.method, c.path, lang, want, body)
			}
			if strings.Contains(body, `rel="alternate"`) {
				t.Errorf("%s %s is offered to search engines in the other language", c.method, c.path)
			}
		}
	}
}

// TestNew holds that a door that lacks a page, or has a file of the frame's, does not start.
func TestNew(t *testing.T) {
	files := func() fstest.MapFS {
		return fstest.MapFS{"templates/first.html": {Data: []byte(`{{define "content"}}{{end}}`)}, "assets/door.js": {Data: []byte("1")}}
	}
	if _, err := New(Options{Files: files(), Pages: []string{"first"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Files: files(), Pages: []string{"second"}}); err == nil || !strings.Contains(err.Error(), "second") {
		t.Errorf("a page without a template: %v", err)
	}
	twice := files()
	twice["assets/style.css"] = &fstest.MapFile{Data: []byte("p {}")}
	if _, err := New(Options{Files: twice, Pages: []string{"first"}}); err == nil || !strings.Contains(err.Error(), "style.css") {
		t.Errorf("two styles: %v", err)
	}
	bare := files()
	delete(bare, "assets/door.js")
	if _, err := New(Options{Files: bare, Pages: []string{"first"}}); err != nil {
		t.Errorf("a door without assets of its own: %v", err)
	}
}
