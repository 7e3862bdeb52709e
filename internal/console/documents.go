package console

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"shirase/internal/actor"
	"shirase/internal/incident/lint"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/response"
	"shirase/internal/response/document"
)

func (c *Console) documentRoutes() []route {
	return []route{
		{pattern: "GET /console/cases/{id}/documents/{kind}", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			if d := c.draftOf(r); d != nil {
				return c.showDraft(w, r, v, d, http.StatusOK, "")
			}
			return c.showDocument(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "POST /console/cases/{id}/documents/{kind}", answer: c.lookDraft},
		{pattern: "POST /console/cases/{id}/documents/{kind}/form", answer: c.fillForm},
		{pattern: "POST /console/cases/{id}/documents/{kind}/propose", answer: c.proposeDraft},
		{pattern: "GET /console/cases/{id}/documents/{kind}/file", answer: c.documentFile},
		{pattern: "POST /console/cases/{id}/documents/{kind}/state", answer: c.stateItem},
		{pattern: "POST /console/cases/{id}/documents/{kind}/send", answer: c.sendDocument},
		{pattern: "GET /console/cases/{id}/sent/{sent}", answer: c.sentPage},
	}
}

// hostOf is the host of an address.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// written is a document on the list.
type written struct {
	document.Kind
	Unknown, Missing int
	Last             *response.SentAt
	Due              []law.Clock // that it belongs to
}

type documentsView struct {
	caseView
	Drafts  []drafted
	Written []written
	Sent    []response.SentAt // the newest first
	Kind    document.Kind     // of one
	Doc     *document.Document
	Items   []itemView
	Digest  string
	As      *response.SentAt // it was sent
	Changes []document.Change
	Found   []lint.Finding
	Closing []law.Clock      // clocks that sending it closes
	Stands  *response.SentAt // the same that was handed in before
}

// itemView is an item with what is stated of it.
type itemView struct {
	document.Item
	N       int
	Stated  response.StatedAt
	Private bool
}

// KindName is what a kind is called.
func (v documentsView) KindName(id string) string {
	k, err := document.Get(id)
	if err != nil {
		return id
	}
	return k.Name.In(v.Lang.Lang)
}

func (c *Console) documentsPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	head, err := c.head(r, v, "documents")
	if err != nil {
		return err
	}
	out := documentsView{caseView: head}
	k, docs, err := c.Cases.Drafts(r.Context(), v.who, head.Case.ID, v.lang)
	if err != nil {
		return err
	}
	for i, kind := range document.Kinds() {
		one := written{Kind: kind, Due: counted(head.Clocks, kind.Clocks)}
		one.Unknown, one.Missing = docs[i].Gaps()
		for n := range k.Documents {
			if k.Documents[n].Kind == kind.ID {
				one.Last = &k.Documents[n]
			}
		}
		out.Written = append(out.Written, one)
	}
	if out.Drafts, err = c.drafted(r, k.ID); err != nil {
		return err
	}
	out.Sent = slices.Clone(k.Documents)
	slices.Reverse(out.Sent)
	return c.frame.Show(w, r, http.StatusOK, "documents", out)
}

// counted are those clocks of a case that run.
func counted(clocks *response.Clocks, ids []string) []law.Clock {
	var out []law.Clock
	for _, c := range clocks.Clocks {
		if slices.Contains(ids, c.ID) && (c.State == law.Running || c.State == law.Overdue) {
			out = append(out, c)
		}
	}
	return out
}

// asked is the language that a document is wanted in: that of the page, or another.
func asked(r *http.Request, v *visit) language.Lang {
	if l, ok := language.Parse(r.FormValue("in")); ok {
		return l
	}
	return v.lang
}

func (c *Console) showDocument(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx, id := r.Context(), r.PathValue("id")
	_, d, err := c.Cases.Document(ctx, v.who, id, r.PathValue("kind"), asked(r, v))
	if errors.Is(err, document.ErrKind) {
		return errNotHere
	}
	if err != nil {
		return err
	}
	head, err := c.head(r, v, "documents")
	if err != nil {
		return err
	}
	out := documentsView{caseView: head, Doc: d, Digest: d.Digest(), Changes: d.Changes}
	if out.Kind, err = document.Get(d.Kind); err != nil {
		return err
	}
	closes := out.Kind.Clocks
	if also, err := document.Get(d.Also); err == nil {
		closes = slices.Concat(closes, also.Clocks)
	}
	out.Closing = counted(head.Clocks, closes)
	for n, i := range d.Items {
		one := itemView{Item: i, N: n + 1, Private: out.Kind.Private()}
		if at := slices.IndexFunc(head.Case.Statings, func(s response.StatedAt) bool { return s.Item == i.Key }); at >= 0 {
			one.Stated = head.Case.Statings[at]
		}
		out.Items = append(out.Items, one)
	}
	if out.Kind.Both { // what persons read is held against the facts; an authority is told what is not known
		var text bytes.Buffer
		if err := d.WriteText(&text); err != nil {
			return err
		}
		inc, err := c.Cases.Incidents.Get(ctx, id)
		if err != nil {
			return err
		}
		_, known, err := c.knownFor(ctx, inc)
		if err != nil {
			return err
		}
		if known.Kind = lint.Mail; d.Kind == "help" {
			known.Kind = lint.Page
		}
		if out.Found, err = lint.Text(text.Bytes(), known); err != nil {
			return err
		}
	}
	out.Title = out.Kind.Name.In(v.lang)
	out.Path = "/console/cases/" + id + "/documents/" + d.Kind
	out.refuse(r, refused)
	if twice := new(response.SentError); errors.As(refused, &twice) {
		out.Stands = &twice.Sent
	}
	return c.frame.Show(w, r, status, "document", out)
}

var fileTypes = map[string]string{"json": "application/json", "html": "text/html; charset=utf-8", "txt": "text/plain; charset=utf-8",
	"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}

// documentFile gives a document as a file: JSON, a page for print, a workbook or text.
func (c *Console) documentFile(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, kind := r.PathValue("id"), r.PathValue("kind")
	_, d, err := c.Cases.Document(r.Context(), v.who, id, kind, asked(r, v))
	if errors.Is(err, document.ErrKind) {
		return errNotHere
	}
	if err != nil {
		return err
	}
	var out bytes.Buffer
	form := r.FormValue("form")
	switch form {
	case "json":
		var data []byte
		if data, err = d.Bytes(); err == nil {
			out.Write(data)
		}
	case "html":
		err = d.WriteHTML(&out)
	case "xlsx":
		err = d.WriteXLSX(&out, nil, nil)
	case "txt":
		err = d.WriteText(&out)
	default:
		return errNotHere
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", fileTypes[form])
	w.Header().Set("Content-Disposition", `attachment; filename="`+id+"-"+kind+"."+form+`"`)
	_, err = w.Write(out.Bytes())
	return err
}

func (c *Console) stateItem(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, f := r.PathValue("id"), field{r.PostForm}
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	_, err := c.Cases.State(r.Context(), v.who, id, f.n("version"), response.Stated{Item: f.text("item"), Text: f.text("text"), Unknown: f.text("unknown") != ""})
	switch {
	case errors.Is(err, response.ErrStale):
		return c.showDocument(w, r, v, http.StatusConflict, err)
	case isInput(err):
		return c.showDocument(w, r, v, http.StatusUnprocessableEntity, err)
	case err != nil:
		return err
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("記録しました。この項目のあるすべての文書に入ります。", "Recorded. It stands in every document that has this item."), "/console/cases/"+id+"/documents/"+url.PathEscape(r.PathValue("kind")))
}

// sendDocument records that a document was sent as it was looked at.
func (c *Console) sendDocument(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, f := r.PathValue("id"), field{r.PostForm}
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	s := response.Sending{Kind: r.PathValue("kind"), Lang: asked(r, v), To: f.text("to"), At: f.time("at"), By: f.text("by"), SHA256: f.text("digest")}
	if s.SHA256 == "" { // a form that does not say what was looked at has looked at nothing
		s.SHA256 = "-"
	}
	k, _, err := c.Cases.Send(r.Context(), v.who, id, s)
	switch {
	case errors.Is(err, document.ErrKind):
		return errNotHere
	case errors.Is(err, response.ErrStale):
		return c.showDocument(w, r, v, http.StatusConflict, err)
	case isInput(err):
		return c.showDocument(w, r, v, http.StatusUnprocessableEntity, err)
	case err != nil:
		return err
	}
	c.live.poke()
	last := k.Documents[len(k.Documents)-1]
	return c.done(w, r, v.lang.Pick("提出したものとして記録しました。当てはまる期限は済みになりました。", "Recorded as handed in. The clocks that it belongs to are done."), "/console/cases/"+id+"/sent/"+strconv.FormatInt(last.ID, 10))
}

func (c *Console) sentPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	n, err := strconv.ParseInt(r.PathValue("sent"), 10, 64)
	if err != nil {
		n = -1
	}
	_, sent, d, before, err := c.Cases.SentDocument(r.Context(), v.who, r.PathValue("id"), n)
	if err != nil {
		return err
	}
	head, err := c.head(r, v, "documents")
	if err != nil {
		return err
	}
	out := documentsView{caseView: head, Doc: d, As: &sent}
	if out.Kind, err = document.Get(d.Kind); err != nil {
		return err
	}
	if before != nil {
		out.Changes = document.Compare(before, d)
	}
	for n, i := range d.Items {
		out.Items = append(out.Items, itemView{Item: i, N: n + 1})
	}
	out.Title = out.Kind.Name.In(v.lang)
	out.Path = "/console/cases/" + head.Case.ID + "/sent/" + r.PathValue("sent")
	return c.frame.Show(w, r, http.StatusOK, "document", out)
}
