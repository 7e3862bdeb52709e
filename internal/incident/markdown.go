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

// Plain escapes text so that Markdown shows it as it is, on one line (CommonMark 0.31, 2.4).
func Plain(text string) string {
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

// Link writes a web address that leads where it says.
func Link(address string) string {
	u, err := url.Parse(address)
	if err != nil || !webLink(address) {
		return Plain(address)
	}
	return "<" + strings.NewReplacer("<", "%3C", ">", "%3E", " ", "%20").Replace(u.String()) + ">"
}
