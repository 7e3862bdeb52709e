package console

import (
	"net/http"

	"shirase/internal/response"
	"shirase/internal/staff"
)

func (c *Console) caseRoutes() []route { return nil }

type boardView struct {
	view
	Cases []response.Listed
	Host  []staff.Entry
	Names map[string]string
}

func (c *Console) board(w http.ResponseWriter, r *http.Request, v *visit) error {
	out := boardView{view: c.view(r, v, "board", v.lang.Pick("事案", "Cases"))}
	list, err := c.Cases.List(r.Context(), v.who)
	if err != nil {
		return err
	}
	for _, l := range list {
		if v.who.Sees(l.ID) {
			out.Cases = append(out.Cases, l)
		}
	}
	if out.Host, err = c.Staff.FromHost(r.Context(), v.who); err != nil {
		return err
	}
	if out.Names, err = c.Staff.Names(r.Context()); err != nil {
		return err
	}
	out.Live = "/console/live"
	return c.frame.Show(w, r, http.StatusOK, "board", out)
}
