package page

import (
	"fmt"
	"html/template"
	"time"

	"shirase/internal/language"
)

// Time writes t for a page: in the language's way and t's own zone, with the instant for programs.
func Time(l language.Lang, t time.Time) template.HTML {
	return Timed(t.Format(time.RFC3339), language.DateTime(l, t))
}

// Date writes the day of t for a page.
func Date(l language.Lang, t time.Time) template.HTML {
	return Timed(t.Format(time.DateOnly), language.Date(l, t))
}

// Timed writes a time element with the given machine-readable form and text.
func Timed(machine, text string) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s</time>`, template.HTMLEscapeString(machine), template.HTMLEscapeString(text)))
}
