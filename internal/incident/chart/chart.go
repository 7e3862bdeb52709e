package chart

import (
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"strings"
)

// Chart is a drawing in its two widths with the table behind it.
type Chart struct {
	Name  string // what the drawing is called: its title
	Says  string // what it shows, in a sentence or two: its description
	Table Table

	drawings []*canvas
}

// Empty reports whether there is nothing to draw. The table may still have something to say.
func (c Chart) Empty() bool { return len(c.drawings) == 0 }

// SVG returns the drawings. id has to be unlike those of other charts on the page, and of letters, digits and hyphens.
func (c Chart) SVG(id string) template.HTML {
	var b strings.Builder
	for _, d := range c.drawings {
		own := id + "-" + d.name
		fmt.Fprintf(&b, `<svg class="chart %s %s" viewBox="0 0 %s %s" role="img" aria-labelledby="%s-title %s-desc"><title id="%s-title">%s</title><desc id="%s-desc">%s</desc>`,
			d.kind, d.name, num(d.width), num(d.height), own, own, own, escape(c.Name), own, escape(c.Says))
		b.WriteString(d.String())
		b.WriteString("</svg>")
	}
	return template.HTML(b.String())
}

// Table is the data of a chart, or of none, as rows.
type Table struct {
	Caption string
	Columns []Column
	Rows    [][]Cell
}

// Column is a heading. Number says that its cells are set as figures.
type Column struct {
	Head   string
	Number bool
}

// Cell is what a person reads, with the same for programs where that differs (an RFC 3339 time, a bare number), and a
// path of this site that it leads to.
type Cell struct {
	Text, Machine string
	Href          string
	Time          bool // Machine is a time as HTML's time element takes it
}

// CSV writes the table as RFC 4180 has it, in the forms for programs. A text that a spreadsheet would take for a
// formula gets an apostrophe before it: what is in the cells was written by others
// (https://owasp.org/www-community/attacks/CSV_Injection).
func (t Table) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	row := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		row[i] = c.Head
	}
	if err := out.Write(row); err != nil {
		return err
	}
	for _, cells := range t.Rows {
		for i := range row {
			row[i] = ""
			if i >= len(cells) {
				continue
			}
			row[i] = cells[i].Machine
			if row[i] == "" {
				row[i] = cells[i].Text
			}
			if !t.Columns[i].Number {
				row[i] = harmless(row[i])
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// harmless keeps a spreadsheet from reading s as a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return "'" + s
	}
	return s
}
