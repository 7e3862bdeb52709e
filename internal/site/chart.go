package site

import (
	"bytes"
	"html/template"
	"net/http"

	"shirase/internal/incident/chart"
	"shirase/internal/language"
	"shirase/internal/web"
)

// chartView is a chart on a page: its drawings, the table behind them, and where that is as CSV.
type chartView struct {
	ID    string
	SVG   template.HTML
	Table chart.Table
	CSV   string   // "": there is none
	Notes []string // what a reader has to know to read it rightly, and whose data it is
	Plain bool     // the table is the figure: it is shown open, and nothing is drawn
}

// chartOf puts a chart on a page. The path is that of its CSV, where it has one.
func chartOf(p sitePage, c chart.Chart, id, path string, notes ...string) chartView {
	v := chartView{ID: id, Table: c.Table, Notes: notes, Plain: c.Empty()}
	if path != "" {
		v.CSV = p.Link(path)
	}
	for _, row := range v.Table.Rows {
		for k := range row {
			if row[k].Href != "" {
				row[k].Href = p.Link(row[k].Href)
			}
		}
	}
	if !c.Empty() {
		v.SVG = c.SVG(id)
	}
	return v
}

// tableCell is a cell with what its column says of it.
type tableCell struct {
	chart.Cell
	Number, First bool
	Head          string
}

// Cells are the rows of the table, ready for the template.
func (v chartView) Cells() [][]tableCell {
	out := make([][]tableCell, len(v.Table.Rows))
	for n, row := range v.Table.Rows {
		for k, cell := range row {
			out[n] = append(out[n], tableCell{cell, v.Table.Columns[k].Number, k == 0, v.Table.Columns[k].Head})
		}
	}
	return out
}

// csvOf answers with a table as a file.
func csvOf(w http.ResponseWriter, r *http.Request, table chart.Table) error {
	var out bytes.Buffer
	if err := table.CSV(&out); err != nil {
		return err
	}
	w.Header().Set("Content-Language", string(web.LanguageOf(r).Lang))
	web.NewContent("text/csv; charset=utf-8; header=present", "", "Accept-Language", out.Bytes()).Serve(w, r, http.StatusOK)
	return nil
}

// learnTable is a picture of /learn by the name of its CSV.
type learnTable struct {
	name    string
	section string
	chart   chart.Chart
	notes   []string
}

func tableNamed(w http.ResponseWriter, r *http.Request, tables []learnTable, name string) error {
	for _, t := range tables {
		if t.name == name {
			return csvOf(w, r, t.chart.Table)
		}
	}
	return errNotHere
}

func timesNote(l language.Lang) string {
	return l.Pick("山は件数、太い帯は中央の半数、縦線は中央値です。日だけが分かっているものは暦の日数で数え、「同じ日」は半日の位置に置いています。", "The height is how many; the bar is the middle half, the stroke the median. What is known to the day only is counted in calendar days; “the same day” stands at half a day.")
}
