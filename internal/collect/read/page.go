package read

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	readability "codeberg.org/readeck/go-readability/v2"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/transform"

	ours "shirase/internal/charset"
)

// Bounds of a page.
const (
	maxElements = 100_000
	maxDepth    = 400
	maxLinks    = 2000
	sniffed     = 4096 // in which a page says its encoding
)

// Decode reads the bytes of a page as UTF-8.
func Decode(data []byte) string { return decode(data, "") }

// decode reads bytes as UTF-8: by a mark, by what is stated, and by what they look like where that is not so. A page that says
// shift_jis and is UTF-8 is as common as the other way round.
func decode(data []byte, label string) string {
	for mark, enc := range map[string]string{"\xef\xbb\xbf": "utf-8", "\xff\xfe": "utf-16le", "\xfe\xff": "utf-16be"} {
		if bytes.HasPrefix(data, []byte(mark)) {
			if enc == "utf-8" {
				return string(bytes.ToValidUTF8(data[len(mark):], []byte("�")))
			}
			label = enc
		}
	}
	if bytes.Contains(data, []byte("\x1b$B")) || bytes.Contains(data, []byte("\x1b$@")) {
		label = "iso-2022-jp"
	}
	if utf8.Valid(data) && !strings.HasPrefix(strings.ToLower(label), "utf-16") && !strings.EqualFold(label, "iso-2022-jp") {
		return string(data)
	}
	if label == "" {
		label = stated(data)
	}
	if enc, name := charset.Lookup(label); enc != nil && name != "utf-8" && name != "windows-1252" {
		if out, _, err := transform.Bytes(enc.NewDecoder(), data); err == nil && bytes.Count(out, []byte("�"))*200 <= len(out) {
			return string(out)
		}
	}
	for _, enc := range []transform.Transformer{japanese.ShiftJIS.NewDecoder(), japanese.EUCJP.NewDecoder()} {
		if out, _, err := transform.Bytes(enc, data); err == nil && !bytes.ContainsRune(out, utf8.RuneError) && utf8.Valid(out) {
			return string(out)
		}
	}
	return ours.Mail(data, label)
}

// stated is the encoding that a page says it is in.
func stated(data []byte) string {
	_, name, certain := charset.DetermineEncoding(data[:min(len(data), sniffed)], "")
	if !certain && name == "windows-1252" {
		return ""
	}
	return name
}

// page reads the main text of a page: what is left without menus, or all of it where that is next to nothing.
func page(data []byte, label, at string) (*Document, error) {
	src := decode(data, label)
	if err := shallow(src); err != nil {
		return nil, err
	}
	root, err := html.Parse(strings.NewReader(src))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	base, err := url.Parse(at)
	if err != nil || base.Host == "" {
		base = nil
	}
	doc := &Document{}
	whole := layout(root)
	doc.Title = titleOf(root)
	doc.Links, doc.Feeds = linksOf(root, base)
	parser := readability.NewParser()
	parser.MaxElemsToParse = maxElements
	parser.CharThresholds = 200
	main := ""
	if article, err := parser.ParseAndMutate(root, base); err == nil && article.Node != nil {
		if t := article.Title(); doc.Title == "" {
			doc.Title = t
		}
		main = layout(article.Node)
	}
	// A short notice in a page with a long menu comes out as the menu, and one that is a table as nothing.
	if n := utf8.RuneCountInString(strings.TrimSpace(main)); n < 120 || n*20 < utf8.RuneCountInString(whole) && n < 400 {
		main = whole
	}
	if h := heading(whole, doc.Title); h != "" && !strings.Contains(main[:min(len(main), 2000)], h) {
		main = h + "\n\n" + main
	}
	doc.Text = main
	return doc, nil
}

// shallow refuses pages whose elements are nested or many beyond what any page has, before a tree is made of them.
func shallow(src string) error {
	z := html.NewTokenizer(strings.NewReader(src))
	z.SetMaxBuf(MaxPage)
	depth, n := 0, 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return nil
		case html.StartTagToken:
			name, _ := z.TagName()
			if n++; n > maxElements {
				return fmt.Errorf("%w: a page of more than %d elements", ErrTooLarge, maxElements)
			}
			switch atom.Lookup(name) {
			case atom.Br, atom.Img, atom.Hr, atom.Input, atom.Meta, atom.Link, atom.P, atom.Li, atom.Td, atom.Tr, atom.Th, atom.Dt, atom.Dd, atom.Option, atom.Wbr, atom.Col, atom.Area, atom.Base, atom.Embed, atom.Source, atom.Track, atom.Param:
				continue // end by themselves
			}
			if depth++; depth > maxDepth {
				return fmt.Errorf("%w: elements nested more than %d deep", ErrTooLarge, maxDepth)
			}
		case html.EndTagToken:
			depth = max(0, depth-1)
		}
	}
}

// heading is the line of a page that its title begins with or is part of: the name that the notice has on the page itself, which what
// is left of a page often lacks.
func heading(whole, title string) string {
	title = strings.TrimSpace(title)
	if title == "" {
		return ""
	}
	for line := range strings.SplitSeq(whole, "\n") {
		line = strings.TrimSpace(line)
		if n := utf8.RuneCountInString(line); n >= 8 && strings.Contains(title, line) {
			return line
		}
	}
	for _, sep := range []string{"｜", "|", " - ", "－", " – "} {
		if head, _, ok := strings.Cut(title, sep); ok {
			return strings.TrimSpace(head)
		}
	}
	return title
}

func titleOf(root *html.Node) string {
	for n := range root.Descendants() {
		if n.DataAtom == atom.Title && n.Namespace == "" && n.FirstChild != nil {
			return n.FirstChild.Data
		}
	}
	return ""
}

// linksOf are where a page leads to, and the feeds that it names.
func linksOf(root *html.Node, base *url.URL) (links []Link, feeds []string) {
	seen := map[string]bool{}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.DataAtom != atom.A && n.DataAtom != atom.Link {
			continue
		}
		var href, rel, kind string
		for _, a := range n.Attr {
			switch a.Key {
			case "href":
				href = a.Val
			case "rel":
				rel = a.Val
			case "type":
				kind = a.Val
			}
		}
		u, err := url.Parse(strings.TrimSpace(href))
		if err != nil || href == "" || len(href) > 2000 {
			continue
		}
		if base != nil {
			u = base.ResolveReference(u)
		}
		if u.Scheme != "http" && u.Scheme != "https" {
			continue
		}
		u.Fragment = ""
		s := u.String()
		if n.DataAtom == atom.Link {
			if strings.Contains(rel, "alternate") && (strings.Contains(kind, "rss") || strings.Contains(kind, "atom") || strings.Contains(kind, "feed+json")) && len(feeds) < 20 {
				feeds = append(feeds, s)
			}
			continue
		}
		if !seen[s] && len(links) < maxLinks {
			seen[s] = true
			links = append(links, Link{URL: s, Text: oneLine(layout(n))})
		}
	}
	return links, feeds
}

// Element gives the text of an element and what is in it, as it is laid out.
func Element(n *html.Node) string { return tidy(Plain(layout(n))) }

// layout gives the text of a tree in lines, as a page shows it: a block begins a line, a paragraph leaves one free, and the cells of a
// row stand behind each other.
func layout(root *html.Node) string {
	var b strings.Builder
	line := func() {
		if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
			b.WriteByte('\n')
		}
	}
	var walk func(n *html.Node, pre bool)
	walk = func(n *html.Node, pre bool) {
		switch n.Type {
		case html.TextNode:
			text := n.Data
			if !pre {
				text = spaces(text)
				if endsBlank(&b) {
					text = strings.TrimLeft(text, " ")
				}
			}
			b.WriteString(text)
			return
		case html.ElementNode:
			switch name(n) {
			case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Iframe, atom.Svg, atom.Select, atom.Button, atom.Head, atom.Object, atom.Textarea:
				return
			case atom.Br:
				b.WriteByte('\n')
				return
			case atom.Rt, atom.Rp: // how a word is said
				return
			}
			if hidden(n) {
				return
			}
		case html.DocumentNode:
		default:
			return
		}
		block, apart, cell := kindOf(n)
		if block {
			line()
		}
		if apart {
			b.WriteByte('\n')
		}
		if cell && !endsBlank(&b) {
			b.WriteString("　")
		}
		if name(n) == atom.Li && !endsBlank(&b) {
			line()
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, pre || name(n) == atom.Pre)
		}
		if block {
			line()
		}
		if apart {
			b.WriteByte('\n')
		}
	}
	walk(root, false)
	return b.String()
}

// name is what an element is. One that was put into a tree while its text was looked for has no atom.
func name(n *html.Node) atom.Atom { return atom.Lookup([]byte(n.Data)) }

func kindOf(n *html.Node) (block, apart, cell bool) {
	switch name(n) {
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table, atom.Ul, atom.Ol, atom.Dl, atom.Blockquote, atom.Section, atom.Article, atom.Pre:
		return true, true, false
	case atom.Div, atom.Li, atom.Tr, atom.Dt, atom.Dd, atom.Header, atom.Footer, atom.Main, atom.Nav, atom.Aside, atom.Figure, atom.Figcaption, atom.Address, atom.Form, atom.Fieldset, atom.Hr, atom.Caption, atom.Tbody, atom.Thead, atom.Body, atom.Title, atom.Center, atom.Details, atom.Summary:
		return true, false, false
	case atom.Td, atom.Th:
		return false, false, true
	}
	return false, false, false
}

// hidden reports whether a page itself says that an element is not shown.
func hidden(n *html.Node) bool {
	for _, a := range n.Attr {
		if a.Key == "hidden" || a.Key == "style" && strings.Contains(strings.ReplaceAll(strings.ToLower(a.Val), " ", ""), "display:none") {
			return true
		}
	}
	return false
}

func endsBlank(b *strings.Builder) bool {
	s := b.String()
	return s == "" || s[len(s)-1] == '\n' || s[len(s)-1] == ' '
}

// spaces makes one of several. A line break between two Japanese letters is none: whoever wrote the source broke the line.
func spaces(s string) string {
	var b strings.Builder
	runes := []rune(s)
	for i := 0; i < len(runes); i++ {
		if c := runes[i]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			b.WriteRune(c)
			continue
		}
		from, broken := i, false
		for i < len(runes) && (runes[i] == ' ' || runes[i] == '\n' || runes[i] == '\t' || runes[i] == '\r') {
			broken = broken || runes[i] == '\n'
			i++
		}
		i--
		if broken && from > 0 && i+1 < len(runes) && wide(runes[from-1]) && wide(runes[i+1]) {
			continue
		}
		b.WriteByte(' ')
	}
	return b.String()
}

func wide(c rune) bool { return c >= 0x3000 && c <= 0x9FFF || c >= 0xFF00 && c <= 0xFFEF }
