package collect

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"

	"shirase/internal/collect/read"
)

// ErrFeed reports what is none of the forms that list pages.
var ErrFeed = errors.New("it lists no pages")

const (
	maxListed = 5000 // pages of one list
	maxXML    = 64   // deep
)

// A found page is one that a list names.
type found struct{ url, title string }

// Listed reads a list of pages: RSS 1.0 and 2.0, Atom (RFC 4287), JSON Feed 1.1, a sitemap or an index of sitemaps, whose own lists
// are the second result.
func listed(data []byte, base string) (pages []found, lists []string, err error) {
	trimmed := bytes.TrimLeft(data, "\xef\xbb\xbf \t\r\n")
	if bytes.HasPrefix(trimmed, []byte("{")) {
		pages, err = jsonFeed(trimmed)
	} else {
		pages, lists, err = xmlList(trimmed)
	}
	if err != nil {
		return nil, nil, err
	}
	at, err := url.Parse(base)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFeed, err)
	}
	return absolute(at, pages), lists, nil
}

// absolute keeps the pages that are addresses of the web, each once.
func absolute(base *url.URL, pages []found) []found {
	seen := map[string]bool{}
	var out []found
	for _, p := range pages {
		u, err := base.Parse(strings.TrimSpace(p.url))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || len(p.url) > 2000 {
			continue
		}
		u.Fragment = ""
		if s := u.String(); !seen[s] && len(out) < maxListed {
			seen[s] = true
			out = append(out, found{s, clip(strings.Join(strings.Fields(read.Plain(p.title)), " "), 600)})
		}
	}
	return out
}

// jsonFeed reads a JSON Feed (https://www.jsonfeed.org/version/1.1/).
func jsonFeed(data []byte) ([]found, error) {
	var feed struct {
		Version string `json:"version"`
		Items   []struct {
			ID       string `json:"id"`
			URL      string `json:"url"`
			External string `json:"external_url"`
			Title    string `json:"title"`
			Text     string `json:"content_text"`
		} `json:"items"`
	}
	if err := json.Unmarshal(data, &feed); err != nil || !strings.Contains(feed.Version, "jsonfeed.org") {
		return nil, fmt.Errorf("%w: it is JSON, and no JSON Feed", ErrFeed)
	}
	var out []found
	for _, i := range feed.Items {
		out = append(out, found{cmp.Or(i.URL, i.External, i.ID), cmp.Or(i.Title, firstLine(i.Text))})
	}
	return out, nil
}

// xmlList walks through the elements: what is wanted of four forms is a link and a title of each entry. No entity but XML's own is known,
// and none is fetched.
func xmlList(data []byte) (pages []found, lists []string, err error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict = false
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) { return charset.NewReaderLabel(label, in) }
	var path []string
	var now found
	var text strings.Builder
	known, index := false, false
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if !known {
				return nil, nil, fmt.Errorf("%w: %w", ErrFeed, err)
			}
			break // a broken end: what stands before it counts
		}
		switch e := t.(type) {
		case xml.StartElement:
			name := strings.ToLower(e.Name.Local)
			if path = append(path, name); len(path) > maxXML {
				return nil, nil, fmt.Errorf("%w: nested too deep", ErrFeed)
			}
			text.Reset()
			switch name {
			case "rss", "rdf", "feed", "urlset":
				known = true
			case "sitemapindex":
				known, index = true, true
			case "item", "entry", "url", "sitemap":
				now = found{}
				for _, a := range e.Attr {
					if a.Name.Local == "about" {
						now.url = a.Value
					}
				}
			case "link": // of Atom
				rel, href := "alternate", ""
				for _, a := range e.Attr {
					switch a.Name.Local {
					case "rel":
						rel = a.Value
					case "href":
						href = a.Value
					}
				}
				if rel == "alternate" && href != "" && now.url == "" {
					now.url = href
				}
			}
		case xml.CharData:
			if text.Len() < 4000 {
				text.Write(e)
			}
		case xml.EndElement:
			name := strings.ToLower(e.Name.Local)
			parent := ""
			if len(path) > 1 {
				parent = path[len(path)-2]
			}
			inside := parent == "item" || parent == "entry" || parent == "url" || parent == "sitemap"
			s := strings.TrimSpace(text.String())
			switch {
			case inside && (name == "link" || name == "loc") && s != "":
				now.url = s
			case inside && name == "title":
				now.title = s
			case name == "item" || name == "entry" || name == "url":
				if now.url != "" && len(pages) < maxListed {
					pages = append(pages, now)
				}
			case name == "sitemap" && index:
				if now.url != "" && len(lists) < 200 {
					lists = append(lists, now.url)
				}
			}
			text.Reset()
			if len(path) > 0 {
				path = path[:len(path)-1]
			}
		}
	}
	if !known {
		return nil, nil, fmt.Errorf("%w: neither RSS, Atom nor a sitemap", ErrFeed)
	}
	return pages, lists, nil
}

// selected gives the links of a page that a selector of CSS finds: those of the elements themselves, or in them.
func selected(data []byte, base, selector string) ([]found, error) {
	sel, err := cascadia.ParseGroup(selector)
	if err != nil {
		return nil, fmt.Errorf("%w: the selector %.80q", ErrInput, selector)
	}
	at, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFeed, err)
	}
	if len(data) > read.MaxPage {
		return nil, read.ErrTooLarge
	}
	root, err := html.Parse(strings.NewReader(read.Decode(data)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFeed, err)
	}
	var out []found
	for _, n := range cascadia.QueryAll(root, sel) {
		beside := strings.Join(strings.Fields(read.Element(n)), " ")
		for a := range links(n) {
			out = append(out, found{a, beside})
		}
	}
	return absolute(at, out), nil
}

func links(n *html.Node) func(func(string) bool) {
	return func(yield func(string) bool) {
		var walk func(n *html.Node) bool
		walk = func(n *html.Node) bool {
			if n.Type == html.ElementNode && n.Data == "a" {
				for _, a := range n.Attr {
					if a.Key == "href" && !yield(a.Val) {
						return false
					}
				}
			}
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				if !walk(c) {
					return false
				}
			}
			return true
		}
		walk(n)
	}
}
