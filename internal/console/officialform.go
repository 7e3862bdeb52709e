package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/response"
	"shirase/internal/response/document"
	"shirase/internal/web"
)

// fillForm writes a document into an official form that is sent with the request, by a mapping of its cells, and gives it back. Neither is
// kept: the form is the authority's, and the mapping whoever has written it keeps beside it.
func (c *Console) fillForm(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, kind := r.PathValue("id"), r.PathValue("kind")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	if err := v.who.May(actor.Write, id); err != nil {
		return err
	}
	body := web.Upload(w, r, document.MaxTemplate+document.MaxMapping+64<<10)
	r.PostForm = url.Values{}
	template, err := formParts(r)
	var filled bytes.Buffer
	if err == nil {
		err = c.fillIn(r, v, template, &filled)
	}
	switch {
	case errors.Is(err, document.ErrKind):
		return errNotHere
	case errors.Is(err, document.ErrDocument), isInput(err), errors.Is(err, response.ErrTooLarge):
		io.Copy(io.Discard, io.LimitReader(body, drained)) // whatever it gives, the answer is the refusal
		return c.showDocument(w, r, v, http.StatusUnprocessableEntity, err)
	case err != nil:
		return err
	}
	w.Header().Set("Content-Type", fileTypes["xlsx"])
	w.Header().Set("Content-Disposition", `attachment; filename="`+id+"-"+kind+`.xlsx"`)
	_, err = w.Write(filled.Bytes())
	return err
}

func (c *Console) fillIn(r *http.Request, v *visit, template []byte, filled *bytes.Buffer) error {
	m, err := document.ParseMapping([]byte(r.PostForm.Get("mapping")))
	if err != nil {
		return err
	}
	_, d, err := c.Cases.Document(r.Context(), v.who, r.PathValue("id"), r.PathValue("kind"), v.lang)
	if err != nil {
		return err
	}
	select { // an unpacked workbook takes memory: one at a time
	case c.filling <- struct{}{}:
		defer func() { <-c.filling }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	return d.WriteXLSX(filled, template, m)
}

// formParts reads the fields of a form into r.PostForm, and gives its file.
func formParts(r *http.Request) (file []byte, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, fmt.Errorf("%w: a file is wanted", response.ErrEntry)
	}
	for range maxParts {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, brokenOff(err)
		}
		most := int64(document.MaxMapping)
		if part.FormName() == "file" {
			most = document.MaxTemplate
		}
		data, err := io.ReadAll(io.LimitReader(part, most+1))
		if err != nil {
			return nil, brokenOff(err)
		}
		if int64(len(data)) > most {
			return nil, fmt.Errorf("%w: more than %d bytes", response.ErrTooLarge, most)
		}
		if part.FormName() == "file" {
			file = data
		} else {
			r.PostForm.Set(part.FormName(), string(data))
		}
	}
	if len(file) == 0 {
		return nil, hint.Add(fmt.Errorf("%w: a file is wanted", response.ErrEntry), "choose the form as it was downloaded: a browser sends it once")
	}
	return file, nil
}

// Mapping is what the field for a mapping holds: what was entered, or an example with every item.
func (v documentsView) Mapping() string {
	if v.Form.Has("mapping") {
		return v.Form.Get("mapping")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "kind: %s\nsheet: \"\"\ncells:\n", v.Kind.ID)
	for i, key := range v.Kind.Keys() {
		fmt.Fprintf(&b, "  %s: C%d\n", key, i+5)
	}
	return b.String()
}

// Official reports whether a kind is written into an authority's own file.
func (v documentsView) Official() bool { return v.Kind.ID == "ransomware-form" }
