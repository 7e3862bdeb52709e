package site

import (
	"net/http"

	"shirase/internal/incident"
	"shirase/internal/incident/chart"
	"shirase/internal/web"
)

// timelineView is the picture of what happened; nil where there are not two times to draw.
func timelineView(p sitePage, i incident.Incident) *chartView {
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
