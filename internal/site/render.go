package site

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/web"
)

// pages are the templates: of every page, one set a language.
type pages struct {
	sets map[string]map[web.Lang]*template.Template
}

// shared are the files that every page is parsed with.
var shared = []string{"templates/base.html", "templates/parts.html", "templates/answers.html"}

// newPages parses the templates of every page.
func newPages(files fs.FS) (*pages, error) {
	p := &pages{sets: map[string]map[web.Lang]*template.Template{}}
	for _, name := range []string{"home", "incidents", "organisations", "organisation", "incident", "help", "notice", "problem", "learn", "compare", "like", "statement", "verify", "how", "feeds", "api", "error", "preview"} {
		p.sets[name] = map[web.Lang]*template.Template{}
		for _, lang := range []web.Lang{web.JA, web.EN} {
			set, err := template.New("base").Funcs(funcs(lang)).ParseFS(files, append(shared, "templates/"+name+".html")...)
			if err != nil {
				return nil, fmt.Errorf("page %s: %w", name, err)
			}
			p.sets[name][lang] = set
		}
	}
	return p, nil
}

// funcs is what templates of lang can say. {{t "日本語" "English"}} keeps both texts side by side where they are
// written; passages with markup stand in {{if ja}}...{{else}}...{{end}}.
func funcs(lang web.Lang) template.FuncMap {
	return template.FuncMap{
		"t":        lang.Pick,
		"ja":       func() bool { return lang == web.JA },
		"lang":     func() web.Lang { return lang },
		"num":      func(n int) string { return web.Number(lang, int64(n)) },
		"digits":   func(n int64) string { return web.Digits(n) },
		"bits":     func(n int) string { return bits(lang, n) },
		"classes":  incident.Classes,
		"label":    func(class string) string { return incident.ClassLabel(lang, class) },
		"steps":    func() []adviceStep { return adviceSteps(lang, nil) },
		"reasons":  func() []word { return reasons },
		"whys":     func() []word { return whys },
		"failures": func() []failure { return failures },
		"first":    func(n int, list []covered) []covered { return list[:min(n, len(list))] },
		"others":   func(n int, list []covered) []covered { return list[min(n, len(list)):] },
		"openly":   func() int { return listedOpenly },
		"proven":   func() any { return provenWords },
		"when":     func(t time.Time) template.HTML { return web.TimeElement(lang, t) },
	}
}

func bits(lang web.Lang, n int) string {
	if lang == web.JA {
		return fmt.Sprintf("%dビット", n)
	}
	if n == 1 {
		return "1 bit"
	}
	return fmt.Sprintf("%d bits", n)
}

// page is what every template is given.
type page struct {
	Lang               web.Language
	Path               string // of this page, for the language switch
	Title, Description string
	Nav                string // the entry of the navigation this page belongs to
	Failed             bool   // an error page
	Base               string // URL of this instance, for commands
	Operator           operator
	Issuer             string // of a notice, where it is not the operator
	Style              web.Asset
	Script, Worker     *web.Asset // nil where the page needs none, or none is built in
	LedgerKey          string
	PhoneRegion        string
	Demo               *Demo
	NoKey              bool           // checks cannot be answered at present, for want of the key
	Unwitnessed        time.Time      // since when no quorum of witnesses has cosigned what would be answered from; zero: all is well
	Preview            bool           // what is not published is shown too
	Query              string         // of this page, where its address has one
	NoIndex            bool           // not for search engines
	Feeds              []feedLink     // what follows this page
	Canonical          string         // the address of this page where it has several
	Data               map[string]any // schema.org, as JSON-LD
	Organisations      []organisation // for the script
	Body               any
}

// Stopped reports whether checks cannot be answered at present.
func (p page) Stopped() bool { return p.NoKey || !p.Unwitnessed.IsZero() }

// Link gives a path of this site, keeping a language that was chosen.
func (p page) Link(path string) string { return p.Lang.Link(path) }

// Other gives this page in the other language.
func (p page) Other() string {
	if p.Query == "" {
		return p.Lang.Switch(p.Path)
	}
	return p.Lang.Switch(p.Path + "?" + p.Query)
}

// Suffix is the query that keeps the language, for addresses that the script completes.
func (p page) Suffix() string {
	if !p.Lang.Explicit {
		return ""
	}
	return "?lang=" + string(p.Lang.Lang)
}

// newPage starts the page of a request. script says whether it needs the check's program.
func (s *Site) newPage(r *http.Request, nav string, script bool) page {
	p := page{Lang: web.LanguageOf(r), Path: localPath(r), Nav: nav, Base: s.base(r), Operator: s.operator(r, web.LanguageOf(r).Lang), LedgerKey: s.LedgerKey, Demo: s.Demo, NoKey: s.NoKey != nil && s.NoKey(r.Context()), Preview: s.Archive != nil && s.Archive.Drafts()}
	if s.Unwitnessed != nil {
		if since, stopped := s.Unwitnessed(r.Context()); stopped {
			p.Unwitnessed = since
		}
	}
	p.Style, _ = s.assets.Asset("style.css")
	code, hasCode := s.assets.Asset("check.js")
	worker, hasWorker := s.assets.Asset("check-worker.js")
	if script && hasCode && hasWorker {
		p.Script, p.Worker = &code, &worker
		if st := s.Statement(); st != nil {
			p.PhoneRegion = st.PhoneRegion
		}
	}
	return p
}

// operator is who runs the site, as a page says it.
type operator struct {
	Name             string
	Host             bool // the name is the host's: nobody has said who it is
	Contact          string
	ContactText      string
	Imprint, Privacy string
}

func (s *Site) operator(r *http.Request, lang web.Lang) operator {
	o := operator{Name: s.Operator.In(lang), Contact: s.Contact, ContactText: strings.TrimPrefix(s.Contact, "mailto:"), Imprint: s.Imprint, Privacy: s.Privacy}
	if o.Name == "" {
		o.Name, o.Host = strings.TrimPrefix(strings.TrimPrefix(s.base(r), "https://"), "http://"), true
	}
	return o
}

// localPath is the path of a request as a link within this site: "//elsewhere.example" would lead out of it.
func localPath(r *http.Request) string {
	return "/" + strings.TrimLeft((&url.URL{Path: r.URL.Path}).EscapedPath(), `/\`)
}

// base returns the URL of this instance.
func (s *Site) base(r *http.Request) string {
	if s.BaseURL != "" {
		return strings.TrimSuffix(s.BaseURL, "/")
	}
	host := r.Host
	if len(host) > 255 || !plainHost.MatchString(host) { // a command with it would do something else
		host = "localhost"
	}
	if r.TLS != nil {
		return "https://" + host
	}
	return "http://" + host
}

var plainHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

// show renders the page named name.
func (s *Site) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) error {
	var out bytes.Buffer
	if err := s.pages.sets[name][p.Lang.Lang].ExecuteTemplate(&out, "base", p); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Language", string(p.Lang.Lang))
	cache := ""
	if status != http.StatusOK {
		cache = "no-store"
	}
	web.NewContent("text/html; charset=utf-8", cache, "Accept-Language", out.Bytes()).Serve(w, r, status)
	return nil
}
