package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/response"
	"shirase/internal/web"
)

// evidenceRoutes are where files go in and out. What else can be done with evidence is a form (evidenceForms).
func (c *Console) evidenceRoutes() []route {
	return []route{
		{pattern: "POST /console/cases/{id}/evidence", answer: c.takeEvidence},
		{pattern: "POST /console/cases/{id}/evidence/take", answer: c.sendEvidence},
	}
}

func (c *Console) evidenceForms() []form {
	return []form{
		{"evidence/verify", "timeline", language.Both("取り込んだときと同じです。そのことを記録しました。", "It is what was taken in, and that is recorded."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.VerifyEvidence(ctx, who, id, f.n("id"))
			return err
		}},
		{"evidence/hand", "timeline", language.Both("記録しました。", "Recorded."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.HandEvidence(ctx, who, id, response.Custody{Evidence: f.n("id"), What: f.text("what"), To: f.text("to"), Why: f.text("why")})
			return err
		}},
	}
}

// EvidenceMiB is how large a file may be.
func (v caseView) EvidenceMiB() int64 { return v.evidence >> 20 }

// Bounds of what a form says beside its file.
const (
	maxParts = 20
	maxPart  = 64 << 10 // bytes
	drained  = 8 << 20  // bytes that are read of a form that is refused, so that its browser reads the answer
)

// takeEvidence takes a file in while it arrives: what is said of it comes first, and the file is the last part. Who may not is told
// so before anything is read; what breaks off leaves nothing.
func (c *Console) takeEvidence(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	if err := v.who.May(actor.Contribute, id); err != nil {
		return err
	}
	body := web.Upload(w, r, c.Cases.Limits.Evidence+maxParts*(maxPart+4<<10))
	err := c.arriving(r, v, id)
	switch {
	case err == nil:
		c.live.poke()
		return c.done(w, r, v.lang.Pick("証拠を取り込み、封じました。", "The evidence is taken in, and sealed."), pathOf("timeline", id)+"#evidence")
	case isInput(err), errors.Is(err, response.ErrTooLarge):
		io.Copy(io.Discard, io.LimitReader(body, drained)) // whatever it gives, the answer is the refusal
		status := http.StatusUnprocessableEntity
		if errors.Is(err, response.ErrTooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		return c.showCase(w, r, v, "timeline", status, err)
	}
	return err
}

func (c *Console) arriving(r *http.Request, v *visit, id string) error {
	said, file, err := fileOf(r)
	if err != nil {
		return err
	}
	e := response.Evidence{Name: file.FileName(), Source: said.text("source"), Collected: said.time("collected"), By: said.text("by"), Note: said.text("note")}
	_, err = c.Cases.AddEvidence(r.Context(), v.who, id, e, file)
	return err
}

// fileOf reads a form up to its file, which is its last part and is read as it comes.
func fileOf(r *http.Request) (field, *arrival, error) {
	said := field{url.Values{}}
	parts, err := r.MultipartReader()
	if err != nil {
		return said, nil, fmt.Errorf("%w: a file is wanted", response.ErrEntry)
	}
	for range maxParts {
		part, err := parts.NextPart()
		if err == io.EOF || err == nil && part.FormName() == "file" && part.FileName() == "" {
			return said, nil, hint.Add(fmt.Errorf("%w: a file is wanted", response.ErrEntry), "choose the file again: a browser sends it once")
		}
		if err != nil {
			return said, nil, brokenOff(err)
		}
		if part.FormName() == "file" {
			return said, &arrival{part}, nil
		}
		text, err := io.ReadAll(io.LimitReader(part, maxPart))
		if err != nil {
			return said, nil, brokenOff(err)
		}
		said.Set(part.FormName(), string(text))
	}
	return said, nil, fmt.Errorf("%w: it is no form of this page", response.ErrEntry)
}

// arrival reads a file of a form.
type arrival struct{ *multipart.Part }

func (a *arrival) Read(p []byte) (int, error) {
	n, err := a.Part.Read(p)
	if err != nil && err != io.EOF {
		err = brokenOff(err)
	}
	return n, err
}

// brokenOff says that a form did not arrive whole.
func brokenOff(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fmt.Errorf("%w: it has more than %d bytes", response.ErrTooLarge, tooLarge.Limit)
	}
	return fmt.Errorf("%w: it did not arrive whole: %w", response.ErrEntry, err)
}

// sendEvidence gives a piece to whoever takes it out, which is recorded first.
func (c *Console) sendEvidence(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, f := r.PathValue("id"), field{r.PostForm}
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	k, err := c.Cases.Get(r.Context(), v.who, id)
	if err != nil {
		return err
	}
	name := "evidence"
	for _, p := range k.Evidence {
		if p.ID == f.n("id") {
			name = p.Name
		}
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	begun := &begins{ResponseWriter: w}
	_, err = c.Cases.ReadEvidence(r.Context(), v.who, id, f.n("id"), "exported", f.text("to"), f.text("why"), begun)
	if err != nil && begun.yes { // it is not what was taken in, and must not look like it
		c.Log.Error("take evidence out", "case", id, "error", err)
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		h.Del("Content-Disposition")
	}
	return err
}
