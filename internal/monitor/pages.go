package monitor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"shirase/check"
)

// What a page can make a browser run is decided by all of its markup. So a page
// is read as browsers read it, as a tree, with scripting and without; and what
// stands in it has to be one of the things that pages of this program have. What
// is not known is told, whatever it would do.

// pages are those that are looked at, in both languages; of the incidents only a
// number.
var pages = []string{"", "verify", "how", "incidents", "organisations", "learn", "statement", "api", "feeds"}

const (
	maxScript        = 8 << 20 // of a page or a script, in bytes
	maxIncidentPages = 20
	maxOdd           = 5 // strange things that are told of one page
)

// scripts compares what pages run with the newest record of the scripts.
func (m *Monitor) scripts(ctx context.Context, st *check.Statement) error {
	var recorded []string
	if m.state.Page != nil {
		data, err := m.get.get(ctx, m.get.at("ledger/v1/data/"+m.state.Page.Hash.String()), "application/json", maxData)
		if err != nil && !refused(err) {
			return err
		}
		if r, perr := parseRelease(data); err == nil && perr == nil && check.StatementHash(data) == m.state.Page.Hash {
			recorded = slices.Collect(maps.Values(r.Scripts))
		}
	}
	all := slices.Clone(pages)
	if st != nil {
		for _, in := range st.Incidents[max(0, len(st.Incidents)-maxIncidentPages):] {
			all = append(all, "incidents/"+in.ID, "incidents/"+in.ID+"/help")
			if n := m.state.Notices[in.ID]; n != nil {
				all = append(all, fmt.Sprintf("notices/%s-v%d", in.ID, n.Version))
			}
		}
	}
	for _, from := range []*fetcher{m.get, m.second} {
		if from == nil {
			continue
		}
		fetched := map[string][32]byte{} // scripts, by their addresses
		for _, page := range all {
			for _, lang := range []string{"", "en"} {
				at := from.at(page)
				if lang != "" {
					at.RawQuery = "lang=" + lang
				}
				if err := m.page(ctx, from, at, recorded, fetched); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// page fetches a page and every script that it loads.
func (m *Monitor) page(ctx context.Context, from *fetcher, at *url.URL, recorded []string, fetched map[string][32]byte) error {
	body, head, err := from.getHead(ctx, at, "text/html", maxScript)
	if gone(err) {
		return nil // a host of the index alone
	}
	if refused(err) || errors.Is(err, check.ErrServer) {
		m.wrong("page-script", "the page %s is not given: %v", at, err)
		return nil
	}
	if err != nil {
		return err
	}
	if odd := oddPolicy(head); odd != "" {
		m.wrong("page-script", "the page %s %s", at, odd)
	}
	read := readPage(body)
	for _, odd := range read.odd {
		m.wrong("page-script", "the page %s has %s, by which it can run what no record names", at, odd)
	}
	for _, src := range read.scripts {
		u, err := at.Parse(src)
		if err != nil || u.Host != from.base.Host || u.Scheme != from.base.Scheme {
			m.wrong("page-script", "the page %s loads a script from elsewhere: %.200q", at, src)
			continue
		}
		sum, known := fetched[u.String()]
		if !known {
			script, err := from.get(ctx, u, "text/javascript", maxScript)
			if refused(err) || errors.Is(err, check.ErrServer) {
				m.wrong("page-script", "the page %s loads the script %s, which is not given: %v", at, u.Path, err)
				continue
			}
			if err != nil {
				return err
			}
			sum = sha256.Sum256(script)
			fetched[u.String()] = sum
		}
		if !slices.Contains(recorded, hex.EncodeToString(sum[:])) {
			m.wrong("page-script", "the page %s loads the script %s, which the ledger's newest record does not name (SHA-256 %x)", at, u.Path, sum)
		}
	}
	return nil
}

// strict is what a page's Content-Security-Policy has to say, so that nothing
// runs but scripts of the same address (https://www.w3.org/TR/CSP3/).
var strict = map[string]string{"default-src": "'none'", "script-src": "'self'", "worker-src": "'self'", "base-uri": "'none'"}

// oddPolicy says what is wrong with a page's policy; "" for nothing.
func oddPolicy(head http.Header) string {
	all := head.Values("Content-Security-Policy")
	if len(all) == 0 {
		return "has no Content-Security-Policy"
	}
	said := map[string]string{}
	for _, directive := range strings.Split(all[0], ";") { // further headers could only forbid more
		f := strings.Fields(directive)
		if len(f) == 0 {
			continue
		}
		name := strings.ToLower(f[0])
		if _, twice := said[name]; !twice { // the first counts
			said[name] = strings.Join(f[1:], " ")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(strict)) {
		if said[name] != strict[name] {
			return fmt.Sprintf("has a Content-Security-Policy without %s %s", name, strict[name])
		}
	}
	for _, name := range []string{"script-src-elem", "script-src-attr", "frame-src", "child-src", "object-src"} {
		if value, ok := said[name]; ok && value != "'none'" && value != "'self'" {
			return fmt.Sprintf("has a Content-Security-Policy with %s %.100q", name, value)
		}
	}
	return ""
}

// pageRead is what a page loads, and what in it no page of this program has.
type pageRead struct {
	scripts []string
	odd     []string
}

func (p *pageRead) strange(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); len(p.odd) < maxOdd && !slices.Contains(p.odd, s) {
		p.odd = append(p.odd, s)
	}
}

func (p *pageRead) loads(src string) {
	if !slices.Contains(p.scripts, src) {
		p.scripts = append(p.scripts, src)
	}
}

// readPage reads a page as browsers do, with scripting and without: what
// stands in <noscript> is text to the one, and markup to the other.
func readPage(body []byte) *pageRead {
	p := new(pageRead)
	for _, scripting := range []bool{true, false} {
		root, err := html.ParseWithOptions(bytes.NewReader(body), html.ParseOptionEnableScripting(scripting))
		if err != nil {
			p.strange("markup that cannot be read")
			return p
		}
		for n := range root.Descendants() {
			if n.Type == html.ElementNode {
				p.element(n)
			}
		}
	}
	return p
}

// Elements that only show something, and those of forms that lead to this server.
var plain = words(`a abbr article aside b bdi blockquote body br button caption code col colgroup dd del details div dl dt em fieldset figcaption
	figure footer form h1 h2 h3 h4 h5 h6 head header hr html i img input ins kbd label legend li main mark nav noscript ol optgroup option p pre
	progress rp rt ruby s samp section select small span strong style sub summary sup table tbody td template textarea tfoot th thead time title
	tr u ul var wbr link meta script`)

// Attributes that run nothing and load nothing. data-* and aria-* are such too.
var attributes = words(`accept autocapitalize autocomplete autocorrect autofocus charset checked class cols colspan content datetime defer dir
	disabled enterkeyhint for headers height hidden hreflang id inputmode integrity lang max maxlength media method min minlength multiple name
	novalidate open pattern placeholder property readonly rel required reversed role rows rowspan scope selected size spellcheck start
	step tabindex title translate type value width crossorigin alt`)

// Charts. Nothing in them leads anywhere, and what text stands in them is held to the rest.
var (
	drawn   = words(`svg g path rect circle ellipse line polyline polygon text tspan title desc defs clipPath`)
	drawing = words(`class clip-path cx cy d dominant-baseline dx dy fill fill-opacity focusable height id lang opacity points preserveAspectRatio r role rx
	ry shape-rendering stroke stroke-dasharray stroke-linecap stroke-linejoin stroke-opacity stroke-width tabindex text-anchor transform version
	viewBox width x x1 x2 xmlns y y1 y2`)
)

// links lead somewhere.
var links = words("href src action cite")

// rels are what a <link> may be.
var rels = words("alternate canonical icon stylesheet next prev license help search self apple-touch-icon")

func words(s string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(s) {
		out[w] = true
	}
	return out
}

func (p *pageRead) element(n *html.Node) {
	elements, known := plain, attributes
	switch n.Namespace {
	case "":
	case "svg":
		elements, known = drawn, drawing
	default:
		p.strange("an element of another language (%s)", n.Namespace)
		return
	}
	if !elements[n.Data] {
		p.strange("the element <%.40s>", n.Data)
		return
	}
	attrs := map[string]string{}
	for _, a := range n.Attr {
		if _, twice := attrs[a.Key]; twice { // browsers take the first; whoever writes it twice means somebody else
			p.strange("an attribute that is there twice in <%s>", n.Data)
			continue
		}
		attrs[a.Key] = a.Val
		switch {
		case a.Namespace != "" || !known[a.Key] && !(links[a.Key] && n.Namespace == "") && !strings.HasPrefix(a.Key, "data-") && !strings.HasPrefix(a.Key, "aria-"):
			p.strange("the attribute %.40s in <%s>", a.Key, n.Data)
		case links[a.Key] && !leads(a.Val):
			p.strange("an address of another kind in <%s>", n.Data)
		}
	}
	worker, has := attrs["data-worker"]
	switch {
	case has && (n.Data != "html" || n.Namespace != ""):
		p.strange("data-worker in <%s>", n.Data)
	case has:
		p.loads(worker)
	}
	switch n.Data {
	case "script":
		p.script(n, attrs)
	case "style":
		p.strange("a style within it")
	case "meta":
		if _, ok := attrs["http-equiv"]; ok {
			p.strange("a <meta http-equiv>")
		}
	case "link":
		for _, rel := range strings.Fields(strings.ToLower(attrs["rel"])) {
			if !rels[rel] {
				p.strange("a <link rel=%.40q>", rel)
			}
		}
	case "form":
		if u, err := url.Parse(attrs["action"]); err != nil || u.Host != "" || u.Scheme != "" {
			p.strange("a form that leads elsewhere")
		}
	}
}

// script takes in a script that is loaded; data that is not run may stand in a page.
func (p *pageRead) script(n *html.Node, attrs map[string]string) {
	src, has := attrs["src"]
	switch kind := attrs["type"]; {
	case has && src != "" && (kind == "" || kind == "module" || kind == "text/javascript"):
		p.loads(src)
	case !has && kind == "application/ld+json":
	default:
		p.strange("a script within it")
	}
}

// leads reports whether an address is one that a link can have: of a page, a mailbox or a telephone. Browsers drop control
// characters and spaces, so none may stand in it.
func leads(address string) bool {
	for _, c := range address {
		if c <= 0x20 || c == 0x7f {
			return false
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "", "http", "https", "mailto", "tel", "data":
		return u.Scheme != "data" || strings.HasPrefix(address, "data:image/")
	}
	return false
}
