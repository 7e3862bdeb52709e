// Package page is what the pages of every door are made of: the frame that they stand in (head, the operator's name,
// navigation, the other language, footer), the style and the icon, what templates can say, and the page for what went
// wrong. A door brings its own templates, navigation and programs, and one door's pages look like another's.
//
// It knows nothing of incidents, nor of who may see a page.
package page

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"shirase/internal/language"
	"shirase/internal/web"
)

//go:embed assets templates
var embedded embed.FS

// Options of a frame.
type Options struct {
	// Files holds what is the door's own: templates, of which each of Pages is templates/NAME.html and defines "content",
	// and assets, the static files beside the style and the icon. A template that is defined in one of Shared, which every
	// page is parsed with, takes the place of the frame's empty one: "attributes" of the html element, "head" at the end of it,
	// "banners" above the header, "tools" at its end, "footer", and "ways" on from the page for what went wrong.
	Files  fs.FS
	Pages  []string
	Shared []string
	// Funcs is what the door's templates can say beside what all can: {{t "日本語" "English"}} keeps both texts side by side
	// where they are written, passages with markup stand in {{if ja}}...{{else}}...{{end}}, and lang, num and digits are
	// the language and the numbers in it. nil where that is enough.
	Funcs func(lang language.Lang) template.FuncMap

	Navigation []Entry
	Home       string // where the operator's name leads; "" is /
	Assets     string // below which the static files are; "" is /assets/
	Private    bool   // its pages are somebody's own: nothing keeps them, and they are not compressed (BREACH)
	Operator   Operator
	BaseURL    string       // of this instance, without a final slash; empty: what the request was made to
	Log        *slog.Logger // nil: nothing is logged
}

// Entry is one of the navigation. A page says by its Nav which one it belongs to.
type Entry struct {
	Name, Path string
	Text       language.Text
}

// Operator is who runs the site and answers for what it says, as every page says it.
type Operator struct {
	Name             language.Text // empty: the host's name stands for it
	Contact          string        // where questions, corrections and replies go: an http, https or mailto URL, or empty
	Imprint, Privacy string        // pages of the operator's own site, http or https, or empty
}

// Frame is what all pages of a door stand in. It is safe for concurrent use.
type Frame struct {
	Options
	sets   map[string]map[language.Lang]*template.Template // of every page, one a language
	assets *web.Assets
}

// wrong is the page for what went wrong, which every door has.
const wrong = "wrong"

// New parses the templates of a door and reads its static files.
func New(o Options) (*Frame, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Home, o.Assets = cmp.Or(o.Home, "/"), cmp.Or(o.Assets, "/assets/")
	ours, err := fs.Sub(embedded, "assets")
	if err != nil {
		return nil, err
	}
	theirs, err := fs.Sub(o.Files, "assets")
	if err != nil {
		return nil, err
	}
	f := &Frame{Options: o, sets: map[string]map[language.Lang]*template.Template{}}
	folders := []fs.FS{ours}
	if _, err := fs.Stat(o.Files, "assets"); err == nil { // a door may have nothing of its own
		folders = append(folders, theirs)
	}
	if f.assets, err = web.NewAssets(o.Assets, folders...); err != nil {
		return nil, err
	}
	for _, name := range append([]string{wrong}, o.Pages...) {
		f.sets[name] = map[language.Lang]*template.Template{}
		for _, lang := range []language.Lang{language.JA, language.EN} {
			if f.sets[name][lang], err = f.parse(name, lang); err != nil {
				return nil, fmt.Errorf("page %s: %w", name, err)
			}
		}
	}
	return f, nil
}

// parse returns the template of a page in a language.
func (f *Frame) parse(name string, lang language.Lang) (*template.Template, error) {
	set := template.New("base").Funcs(template.FuncMap{
		"t":        lang.Pick,
		"ja":       func() bool { return lang == language.JA },
		"lang":     func() language.Lang { return lang },
		"num":      func(n int) string { return language.Number(lang, int64(n)) },
		"digits":   language.Digits,
		"homepage": func() string { return f.Home },
	})
	if f.Funcs != nil {
		set.Funcs(f.Funcs(lang))
	}
	if _, err := set.ParseFS(embedded, "templates/base.html"); err != nil {
		return nil, err
	}
	own := f.Shared
	if name == wrong {
		if _, err := set.ParseFS(embedded, "templates/wrong.html"); err != nil {
			return nil, err
		}
	} else {
		own = append(own[:len(own):len(own)], "templates/"+name+".html")
	}
	if len(own) == 0 {
		return set, nil
	}
	return set.ParseFS(f.Files, own...)
}

// Page is what every template is given, by itself or embedded in what a door adds to it.
type Page struct {
	Lang               web.Language
	Path               string // of this page, for the language switch
	Query              string // of this page, where its address has one
	Title, Description string
	Navigation         []Entry
	Nav                string // the entry of the navigation this page belongs to
	Failed             bool   // it says what went wrong, and is no page of its own
	NoIndex            bool   // not for search engines
	Base               string // URL of this instance
	Canonical          string // the address of this page where it has several
	Operator           operator
	Issuer             string // of a text that is not the operator's
	Style              web.Asset
	Script             *web.Asset     // the page's program; nil where it needs none
	Feeds              []Feed         // what follows this page
	Data               map[string]any // schema.org, as JSON-LD
	Body               any
}

// Feed is a feed that belongs to a page, for programs that look for one in it.
type Feed struct{ Title, Type, Href string }

// Form names what a feed is written in.
func (f Feed) Form() string {
	if f.Type == "application/feed+json" {
		return "JSON Feed"
	}
	return "Atom"
}

// operator is an Operator in the language of a page.
type operator struct {
	Name             string
	Host             bool // the name is the host's: nobody has said who it is
	Contact          string
	ContactText      string
	Imprint, Privacy string
}

// Page starts the page of a request.
func (f *Frame) Page(r *http.Request) Page {
	lang := web.LanguageOf(r)
	p := Page{Lang: lang, Navigation: f.Navigation, Path: web.LocalPath(r), Base: web.Base(r, f.BaseURL)}
	p.Operator = operator{Name: f.Operator.Name.In(lang.Lang), Contact: f.Operator.Contact, ContactText: strings.TrimPrefix(f.Operator.Contact, "mailto:"),
		Imprint: f.Operator.Imprint, Privacy: f.Operator.Privacy}
	if p.Operator.Name == "" {
		p.Operator.Name, p.Operator.Host = strings.TrimPrefix(strings.TrimPrefix(p.Base, "https://"), "http://"), true
	}
	p.Style, _ = f.assets.Asset("style.css")
	return p
}

// Link returns a path of this site, keeping a language that was chosen.
func (p Page) Link(path string) string { return p.Lang.Link(path) }

// Other returns this page in the other language.
func (p Page) Other() string {
	if p.Query == "" {
		return p.Lang.Switch(p.Path)
	}
	return p.Lang.Switch(p.Path + "?" + p.Query)
}

// Suffix is the query that keeps the language, for addresses that a program completes.
func (p Page) Suffix() string {
	if !p.Lang.Explicit {
		return ""
	}
	return "?lang=" + string(p.Lang.Lang)
}

// Show answers with the page named name, in the language of the request. data is a Page, or a struct that embeds one.
func (f *Frame) Show(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	return f.show(w, r, status, name, data, f.Private)
}

// ShowPrivate is Show for a page that nothing may keep: it is for whoever has its link.
func (f *Frame) ShowPrivate(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	return f.show(w, r, status, name, data, true)
}

func (f *Frame) show(w http.ResponseWriter, r *http.Request, status int, name string, data any, private bool) error {
	lang := web.LanguageOf(r).Lang
	var out bytes.Buffer
	if err := f.sets[name][lang].ExecuteTemplate(&out, "base", data); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Language", string(lang))
	if private {
		servePrivate(w, r, status, out.Bytes())
		return nil
	}
	cache := ""
	if status != http.StatusOK {
		cache = "no-store"
	}
	web.NewContent("text/html; charset=utf-8", cache, "Accept-Language", out.Bytes()).Serve(w, r, status)
	return nil
}

// Part renders a template that a page defines, without the frame: what a page that follows changes fetches anew.
func (f *Frame) Part(lang language.Lang, name, part string, data any) (template.HTML, error) {
	var out bytes.Buffer
	if err := f.sets[name][lang].ExecuteTemplate(&out, part, data); err != nil {
		return "", fmt.Errorf("render %s of %s: %w", part, name, err)
	}
	return template.HTML(out.String()), nil // it was escaped as it was written
}

// servePrivate answers with a page that nothing may keep.
func servePrivate(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// Asset returns the static file of a name, and whether there is one.
func (f *Frame) Asset(name string) (web.Asset, bool) { return f.assets.Asset(name) }

// ServeAsset answers a request for a static file by its address, below /assets/, and for the icon by the names that
// browsers ask for. It reports whether it is one.
func (f *Frame) ServeAsset(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case "/favicon.svg", "/favicon.ico":
		return f.assets.ServeNamed(w, r, "favicon.svg")
	}
	return f.assets.Serve(w, r)
}
