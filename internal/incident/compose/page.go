package compose

import (
	"fmt"
	"strings"
)

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
