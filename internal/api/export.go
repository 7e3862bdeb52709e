package api

import (
	"fmt"
	"net/http"

	"shirase/internal/incident/datasets"
)

// export streams the whole archive in a form that `shirase incident import` and others read. Its ETag is the archive's
// version: who has it, and asks again, is told without the archive being read.
func export(format datasets.Format, ending string) func(a *api, w http.ResponseWriter, r *http.Request) error {
	return func(a *api, w http.ResponseWriter, r *http.Request) error {
		version, err := a.Archive.Version(r.Context())
		if err != nil {
			return err
		}
		tag := fmt.Sprintf(`"%s-%d"`, ending, version)
		h := w.Header()
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache")
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		h.Set("Content-Type", datasets.ContentType(format))
		h.Set("Content-Disposition", `attachment; filename="shirase-incidents.`+ending+`"`)
		if r.Method == http.MethodHead {
			return nil
		}
		out, err := datasets.NewWriter(w, format)
		if err == nil {
			err = a.Archive.Each(r.Context(), nil, out.Write)
		}
		if err == nil {
			err = out.Close()
		}
		if err != nil {
			// What was sent cannot be taken back: the connection is cut, so that nobody takes a part for the whole.
			if r.Context().Err() == nil {
				a.Log.Error("export failed", "error", err)
			}
			panic(http.ErrAbortHandler)
		}
		return nil
	}
}
