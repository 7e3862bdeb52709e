package site

import (
	"fmt"
	"html/template"
	"net/http"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/web"
)

// pages are the pages of this site, each with a template of its name.
var pages = []string{"home", "incidents", "organisations", "organisation", "shelf", "incident", "help", "reply", "notice", "problem", "learn", "compare", "like",
	"statement", "verify", "services", "passwords", "ask", "watch", "watched", "domain", "genuine", "spread", "how", "feeds", "api", "preview"}

// shared are the templates that every page is parsed with.
var shared = []string{"templates/frame.html", "templates/parts.html", "templates/answers.html"}

var navigation = []page.Entry{
	{Name: "home", Path: "/", Text: language.Both("確認する", "Check")},
	{Name: "incidents", Path: "/incidents", Text: language.Both("公表の記録", "Incidents")},
	{Name: "learn", Path: "/learn", Text: language.Both("学ぶ", "Learn")},
	{Name: "services", Path: "/services", Text: language.Both("サービスから", "My services")},
	{Name: "verify", Path: "/verify", Text: language.Both("答えの検証", "Verify")},
	{Name: "how", Path: "/how", Text: language.Both("仕組み", "How it works")},
}

// funcs is what templates of lang can say, beside what all pages can.
func funcs(lang language.Lang) template.FuncMap {
	return template.FuncMap{
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
		"list":     func(items ...any) []any { return items },
		"when":     func(t time.Time) template.HTML { return page.Time(lang, t) },
	}
}

func bits(lang language.Lang, n int) string {
	if lang == language.JA {
		return fmt.Sprintf("%dビット", n)
	}
	if n == 1 {
		return "1 bit"
	}
	return fmt.Sprintf("%d bits", n)
}

// sitePage is what every template of this site is given.
type sitePage struct {
	page.Page
	Worker        *web.Asset // of the check's program, where the page has that
	LedgerKey     string
	PhoneRegion   string
	Demo          *Demo
	NoKey         bool           // checks cannot be answered at present, for want of the key
	Unwitnessed   time.Time      // since when no quorum of witnesses has cosigned what would be answered from; zero: all is well
	Expired       time.Time      // since when clients refuse the statement; zero: they do not
	Watching      bool           // addresses are told of later incidents
	Preview       bool           // what is not published is shown too
	Organisations []organisation // for the script
}

// Stopped reports whether checks cannot be answered at present.
func (p sitePage) Stopped() bool { return p.NoKey || !p.Unwitnessed.IsZero() || !p.Expired.IsZero() }

// newPage starts the page of a request. script says whether it needs the check's program.
func (s *Site) newPage(r *http.Request, nav string, script bool) sitePage {
	p := sitePage{Page: s.frame.Page(r), LedgerKey: s.LedgerKey, Demo: s.Demo, Watching: s.Watch != nil, Preview: s.Archive != nil && s.Archive.Drafts(), NoKey: s.NoKey != nil && s.NoKey(r.Context())}
	p.Nav = nav
	if st := s.Statement(); st != nil && s.now().After(st.Expires.Time) {
		p.Expired = st.Expires.Time
	}
	if s.Unwitnessed != nil {
		if since, stopped := s.Unwitnessed(r.Context()); stopped {
			p.Unwitnessed = since
		}
	}
	code, hasCode := s.frame.Asset("check.js")
	worker, hasWorker := s.frame.Asset("check-worker.js")
	if script && hasCode && hasWorker {
		p.Script, p.Worker = &code, &worker
		if st := s.Statement(); st != nil {
			p.PhoneRegion = st.PhoneRegion
		}
	}
	return p
}

// organisation is the name of one as the statement has it, and in the page's language.
type organisation struct{ Word, Label string }
