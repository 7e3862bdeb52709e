package incident

import (
	"bytes"
	"fmt"
	"html/template"
	"net/url"
	"strings"

	"github.com/yuin/goldmark"
)

// HTML renders a notice's Markdown. What it returns is safe to put into a page: raw HTML in the source is dropped and
// links keep only harmless schemes. Both are goldmark's defaults, and held by a test.
func HTML(source string) (template.HTML, error) {
	var out bytes.Buffer
	if err := goldmark.Convert([]byte(source), &out); err != nil {
		return "", fmt.Errorf("render notice: %w", err)
	}
	return template.HTML(out.String()), nil
}

// page is Markdown being written from facts. What facts say is escaped: a title is never markup.
type page struct{ b strings.Builder }

// heading starts a section; level is 1 or 2.
func (p *page) heading(level int, text string) {
	fmt.Fprintf(&p.b, "%s %s\n\n", strings.Repeat("#", level), text)
}

func (p *page) paragraph(text string) { p.b.WriteString(text + "\n\n") }

func (p *page) quote(text string) { p.b.WriteString("> " + text + "\n\n") }

// list writes items, numbered where they are steps.
func (p *page) list(numbered bool, items []string) {
	if len(items) == 0 {
		return
	}
	for i, item := range items {
		if numbered {
			fmt.Fprintf(&p.b, "%d. %s\n", i+1, item)
		} else {
			fmt.Fprintf(&p.b, "- %s\n", item)
		}
	}
	p.b.WriteString("\n")
}

func (p *page) String() string { return strings.TrimRight(p.b.String(), "\n") + "\n" }

// plain escapes text so that Markdown shows it as it is, on one line (CommonMark 0.31, 2.4).
func plain(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	var b strings.Builder
	for i, c := range text {
		if strings.ContainsRune("\\`*_[]<>&#~|", c) || i == 0 && strings.ContainsRune("-+=:", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	text = b.String()
	// "1. " at the start of a line begins a list.
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	if digits > 0 && digits < len(text) && strings.ContainsRune(".)", rune(text[digits])) {
		text = text[:digits] + "\\" + text[digits:]
	}
	return text
}

// link writes a web address that leads where it says.
func link(address string) string {
	u, err := url.Parse(address)
	if err != nil || !webLink(address) {
		return plain(address)
	}
	return "<" + strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20").Replace(u.String()) + ">"
}
