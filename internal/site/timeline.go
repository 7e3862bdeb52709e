package site

import (
	"bytes"
	"html/template"
	"net/http"

	"shirase/internal/incident"
	"shirase/internal/incident/chart"
	"shirase/internal/web"
)

// chartView is a chart on a page: its drawings, the table behind them, and where that is as CSV.
type chartView struct {
	ID    string
	SVG   template.HTML
	Table chart.Table
	CSV   string
	Notes []string // what a reader has to know to read it rightly, and whose data it is
	Plain bool     // the table is the figure: it is shown open, and nothing is drawn
}

// chartOf puts a chart on a page. The path is that of its CSV.
func chartOf(p page, c chart.Chart, id, path string, notes ...string) chartView {
	v := chartView{ID: id, Table: c.Table, CSV: p.Link(path), Notes: notes, Plain: c.Empty()}
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

// timelineView is the picture of what happened; nil where there are not two times to draw.
func timelineView(p page, i incident.Incident) *chartView {
	c := chart.OfIncident(p.Lang.Lang, i).Chart()
	if c.Empty() {
		return nil
	}
	v := chartOf(p, c, "timeline-picture", "/incidents/"+i.ID+"/timeline.csv")
	return &v
}

// timelineCSV is the table behind the picture.
func (s *Site) timelineCSV(w http.ResponseWriter, r *http.Request) error {
	if s.Archive == nil || !incident.ValidID(r.PathValue("id")) {
		return errNotHere
	}
	i, err := s.Archive.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return csvOf(w, r, chart.OfIncident(web.LanguageOf(r).Lang, i).Chart().Table)
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
