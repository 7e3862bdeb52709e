package document

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	goyaml "github.com/goccy/go-yaml"
	"github.com/xuri/excelize/v2"

	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/yaml"
)

// Language is that of the document.
func (d *Document) Language() language.Lang {
	if l, ok := language.Parse(d.Lang); ok {
		return l
	}
	return language.JA
}

// when is the moment that a document speaks as of, in the zone of its times.
func (d *Document) when() time.Time {
	if t, err := time.Parse("-07:00", d.Zone); err == nil {
		return d.At.In(t.Location())
	}
	return d.At.In(incident.Japan)
}

// WriteText writes a document as plain text: item after item, with its gap.
func (d *Document) WriteText(w io.Writer) error {
	lang := d.Language()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s %s\n", d.Title, d.Case, language.DateTime(lang, d.when()))
	for n, i := range d.Items {
		fmt.Fprintf(&b, "\n%d. %s", n+1, i.Name.In(lang))
		if i.Rule != "" {
			fmt.Fprintf(&b, lang.Pick("（%s）", " (%s)"), i.Rule)
		}
		b.WriteString("\n")
		if i.Text != "" {
			b.WriteString(i.Text + "\n")
		}
		if i.State == Missing {
			fmt.Fprintf(&b, lang.Pick("【未記入】%s\n", "[nothing said] %s\n"), i.Gap.In(lang))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var sheet = template.Must(template.New("").Parse(`<!doctype html>
<html lang="{{.Lang}}"><meta charset="utf-8"><title>{{.Title}}</title>
<style>body{font:11pt/1.6 sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}th,td{border:1px solid #888;padding:.5rem;text-align:left;vertical-align:top}th{width:30%;font-weight:600}td{white-space:pre-wrap;overflow-wrap:anywhere}.gap{font-weight:700}.n{color:#555;font-size:85%}tr{break-inside:avoid}@page{size:A4;margin:18mm}.mark{position:sticky;top:0;background:#fff;border:3px double #000;padding:.3rem;font-weight:700;text-align:center}@media print{.mark{position:fixed;top:-12mm;left:0;right:0}}</style>
{{with .Mark}}<p class="mark">{{.}}</p>{{end}}<h1>{{.Title}}</h1><p class="n">{{.Case}} · {{.When}}</p>
<table>{{range .Items}}<tr><th scope="row">{{.N}}. {{.Name}}{{with .Rule}}<br><span class="n">{{.}}</span>{{end}}</th><td>{{.Text}}{{with .Gap}}<span class="gap">{{.}}</span>{{end}}</td></tr>
{{end}}</table>{{with .Note}}<p class="n">{{.}}</p>{{end}}</html>
`))

// WriteHTML writes a document as a page of its own, for print.
func (d *Document) WriteHTML(w io.Writer) error {
	lang := d.Language()
	type row struct {
		N                     int
		Name, Rule, Text, Gap string
	}
	rows := []row{}
	for n, i := range d.Items {
		r := row{n + 1, i.Name.In(lang), i.Rule, i.Text, ""}
		if i.State == Missing {
			r.Gap = lang.Pick("【未記入】", "[nothing said]")
		}
		rows = append(rows, r)
	}
	return sheet.Execute(w, map[string]any{"Lang": d.Lang, "Title": d.Title, "Mark": d.mark(), "Case": d.Case, "When": language.DateTime(lang, d.when()), "Items": rows, "Note": d.Note.In(lang)})
}

// A Mapping says into which cells of a template the items of a document go. An operator fills it once with the cells of the real
// form: Key, a dot and "text", "state" or "length"; Key alone is its text.
type Mapping struct {
	Kind  string            `yaml:"kind"`
	Sheet string            `yaml:"sheet"` // of all cells that name none; "" is the first
	Cells map[string]string `yaml:"cells"` // by item: "C5", or "Sheet 2!C5"
}

// Bounds of a mapping and of an official form, in bytes. A form is mostly empty cells: packed, it is small, and what it unpacks to is held in
// memory, several times over.
const (
	MaxMapping  = 64 << 10
	MaxTemplate = 8 << 20
	unpacked    = 24 << 20
)

var cellName = regexp.MustCompile(`^[A-Z]{1,3}[1-9][0-9]{0,6}$`)

// ParseMapping reads a mapping. Errors: ErrDocument.
func ParseMapping(src []byte) (*Mapping, error) {
	tree, err := yaml.Parse(src, MaxMapping)
	if err != nil {
		return nil, fmt.Errorf("%w: a mapping: %w", ErrDocument, err)
	}
	var m Mapping
	if tree != nil {
		if err := goyaml.NodeToValue(tree, &m, goyaml.Strict()); err != nil {
			return nil, hint.Add(fmt.Errorf("%w: a mapping: %v", ErrDocument, err), "it has kind, sheet and cells: {item: C5}; docs/handbook/documents.md shows one")
		}
	}
	k, err := Get(m.Kind)
	if err != nil {
		return nil, fmt.Errorf("%w: a mapping: %w", ErrDocument, err)
	}
	if len(m.Cells) == 0 {
		return nil, hint.Add(fmt.Errorf("%w: a mapping without cells", ErrDocument), "its items are "+strings.Join(k.Keys(), ", "))
	}
	for key, cell := range m.Cells {
		item, part, _ := strings.Cut(key, ".")
		if !slices.Contains(k.Keys(), item) || !slices.Contains([]string{"", "text", "state", "length"}, part) {
			return nil, hint.Add(fmt.Errorf("%w: a mapping: %s has no item %.60q", ErrDocument, k.ID, key), "its items are "+strings.Join(k.Keys(), ", "))
		}
		if _, name := m.place(cell); !cellName.MatchString(name) {
			return nil, hint.Add(fmt.Errorf("%w: a mapping: %.60q is no cell", ErrDocument, cell), `write C5, or "Sheet 2!C5"`)
		}
	}
	return &m, nil
}

func (m *Mapping) place(cell string) (sheet, name string) {
	if i := strings.LastIndex(cell, "!"); i >= 0 {
		return cell[:i], cell[i+1:]
	}
	return m.Sheet, cell
}

// WriteXLSX writes a document into a copy of a template, by a mapping; without them, as a workbook of its own with an item a row.
// Texts are written as texts: none of them becomes a formula. Errors: ErrDocument.
func (d *Document) WriteXLSX(w io.Writer, template []byte, m *Mapping) error {
	if m == nil {
		return d.plainXLSX(w)
	}
	if m.Kind != d.Kind {
		return fmt.Errorf("%w: the mapping is for %s, and this is %s", ErrDocument, m.Kind, d.Kind)
	}
	if len(template) > MaxTemplate {
		return fmt.Errorf("%w: the template has more than %d bytes", ErrDocument, MaxTemplate)
	}
	f, err := excelize.OpenReader(bytes.NewReader(template), excelize.Options{UnzipSizeLimit: unpacked, UnzipXMLSizeLimit: unpacked})
	if err != nil {
		return hint.Add(fmt.Errorf("%w: the template: %v", ErrDocument, err), "save it as .xlsx")
	}
	defer f.Close()
	for _, i := range d.Items {
		for key, cell := range m.Cells {
			item, part, _ := strings.Cut(key, ".")
			if item != i.Key {
				continue
			}
			text := map[string]string{"": d.mark() + i.Text, "text": d.mark() + i.Text, "state": i.says(d.Language()), "length": fmt.Sprint(i.Length)}[part]
			sheet, name := m.place(cell)
			if sheet == "" {
				sheet = f.GetSheetName(0)
			}
			if n, err := f.GetSheetIndex(sheet); err != nil || n < 0 {
				return hint.Add(fmt.Errorf("%w: the template has no sheet %.60q", ErrDocument, sheet), "its sheets are "+strings.Join(f.GetSheetList(), ", "))
			}
			if err := f.SetCellStr(sheet, name, text); err != nil {
				return fmt.Errorf("%w: cell %s: %v", ErrDocument, cell, err)
			}
		}
	}
	if err := d.markSheets(f); err != nil {
		return err
	}
	return f.Write(w)
}

// markSheets has every sheet of an exercise's workbook say so where it is printed.
func (d *Document) markSheets(f *excelize.File) error {
	if !d.Exercise {
		return nil
	}
	for _, name := range f.GetSheetList() {
		if err := f.SetHeaderFooter(name, &excelize.HeaderFooterOptions{OddHeader: "&C" + strings.TrimSpace(d.mark()), OddFooter: "&C" + strings.TrimSpace(d.mark())}); err != nil {
			return fmt.Errorf("%w: the template's sheet %.60q: %v", ErrDocument, name, err)
		}
	}
	return nil
}

// says is an item's state in words.
func (i Item) says(lang language.Lang) string {
	switch i.State {
	case Unknown:
		return lang.Pick("未確認", "not known")
	case Missing:
		return lang.Pick("未記入", "nothing said")
	}
	return lang.Pick("記載あり", "said")
}

func (d *Document) plainXLSX(w io.Writer) error {
	f := excelize.NewFile()
	defer f.Close()
	lang, name := d.Language(), f.GetSheetName(0)
	head := []string{lang.Pick("番号", "No."), lang.Pick("項目", "Item"), lang.Pick("根拠", "Rule"), lang.Pick("内容", "Text"), lang.Pick("状態", "State"), lang.Pick("文字数", "Length")}
	rows := [][]string{head}
	if d.Exercise {
		rows = [][]string{{d.mark()}, head}
	}
	for n, i := range d.Items {
		rows = append(rows, []string{fmt.Sprint(n + 1), i.Name.In(lang), i.Rule, i.Text, i.says(lang), fmt.Sprint(i.Length)})
	}
	for y, row := range rows {
		for x, text := range row {
			cell, err := excelize.CoordinatesToCellName(x+1, y+1)
			if err == nil {
				err = f.SetCellStr(name, cell, text)
			}
			if err != nil {
				return err
			}
		}
	}
	if err := f.SetColWidth(name, "B", "D", 40); err != nil {
		return err
	}
	if err := d.markSheets(f); err != nil {
		return err
	}
	return f.Write(w)
}
