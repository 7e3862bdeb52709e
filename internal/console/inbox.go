package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/collect"
	"shirase/internal/collect/fetch"
	"shirase/internal/collect/read"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/extract"
	"shirase/internal/language"
	"shirase/internal/web"
)

// inboxFailed maps what the inbox refuses.
var inboxFailed = web.Mappings{
	{Err: collect.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: collect.ErrStale, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: collect.ErrInput, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: incident.ErrFacts, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: incident.ErrExist, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
}

func (c *Console) inboxRoutes() []route {
	if c.Collection == nil {
		return nil
	}
	return []route{
		{pattern: "GET /console/inbox", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showInbox(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "POST /console/inbox/fetch", answer: c.inboxFetch},
		{pattern: "POST /console/inbox/file", answer: c.inboxFile},
		{pattern: "GET /console/inbox/{item}", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showItem(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "POST /console/inbox/{item}/accept", answer: c.inboxAccept},
		{pattern: "POST /console/inbox/{item}/ignore", answer: c.inboxDo(language.Both("見送りました。", "Left."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			return c.Collection.Ignore(ctx, who, id, f.version(), f.text("why"))
		})},
		{pattern: "POST /console/inbox/{item}/merge", answer: c.inboxDo(language.Both("まとめました。", "Joined."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			return c.Collection.Merge(ctx, who, id, f.version(), f.text("into"))
		})},
		{pattern: "POST /console/inbox/{item}/split", answer: c.inboxDo(language.Both("分けました。", "On its own now."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			return c.Collection.Split(ctx, who, id, f.version())
		})},
		{pattern: "POST /console/inbox/{item}/undo", answer: c.inboxDo(language.Both("取り消しました。", "Taken back."), func(ctx context.Context, who actor.Actor, id string, _ field) error {
			return c.Collection.Undo(ctx, who, id)
		})},
		{pattern: "POST /console/inbox/{item}/prove", answer: c.inboxDo(language.Both("確かめました。", "Looked."), func(ctx context.Context, who actor.Actor, id string, _ field) error {
			_, err := c.Collection.ProveNow(ctx, who, id)
			return err
		})},
	}
}

type inboxView struct {
	view
	Open, Over []*collect.Item
	Names      map[string]string
}

// Counted is how many wait.
func (v inboxView) Counted() int { return len(v.Open) }

func (c *Console) showInbox(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	out := inboxView{view: c.view(r, v, "inbox", v.lang.Pick("受信箱", "Inbox"))}
	all, err := c.Collection.List(r.Context(), v.who, true)
	if err != nil {
		return err
	}
	for _, i := range all {
		if i.Open() {
			out.Open = append(out.Open, i)
		} else if len(out.Over) < 50 {
			out.Over = append(out.Over, i)
		}
	}
	if refused != nil {
		out.Refused, out.Form = said(refused), r.PostForm
	}
	out.Path = "/console/inbox"
	if out.Names, err = c.Staff.Names(r.Context()); err != nil {
		return err
	}
	return c.frame.Show(w, r, status, "inbox", out)
}

// said is what was refused, and what to do about it.
func said(err error) string {
	return strings.TrimSpace(err.Error() + " " + hint.Of(err))
}

// ofReading reports whether an error is of what was asked for, and not ours.
func ofReading(err error) bool {
	for _, e := range []error{fetch.ErrURL, fetch.ErrAddress, fetch.ErrTooLarge, fetch.ErrSlow, fetch.ErrRedirects, fetch.ErrRobots, fetch.ErrBusy, read.ErrForm, read.ErrTooLarge, read.ErrLocked, read.ErrBroken, collect.ErrInput} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// inboxFetch reads an address that was pasted.
func (c *Console) inboxFetch(w http.ResponseWriter, r *http.Request, v *visit) error {
	d, err := c.Collection.Fetch(r.Context(), v.who, field{r.PostForm}.text("url"))
	return c.laid(w, r, v, d, err)
}

// inboxFile reads a file that was dropped.
func (c *Console) inboxFile(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := v.who.May(actor.Record, ""); err != nil {
		return err
	}
	web.Upload(w, r, read.MaxPDF+1<<20)
	name, data, err := oneFile(r)
	if err != nil {
		return c.showInbox(w, r, v, http.StatusUnprocessableEntity, err)
	}
	d, err := c.Collection.FetchFile(r.Context(), v.who, name, data)
	return c.laid(w, r, v, d, err)
}

func oneFile(r *http.Request) (string, []byte, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return "", nil, fmt.Errorf("%w: a file is wanted", collect.ErrInput)
	}
	for range maxParts {
		part, err := parts.NextPart()
		if err != nil {
			break
		}
		if part.FormName() != "file" || part.FileName() == "" {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(part, read.MaxPDF+1))
		if err != nil {
			return "", nil, fmt.Errorf("%w: the file did not arrive whole", collect.ErrInput)
		}
		return part.FileName(), data, nil
	}
	return "", nil, fmt.Errorf("%w: a file is wanted", collect.ErrInput)
}

func (c *Console) laid(w http.ResponseWriter, r *http.Request, v *visit, d *collect.Document, err error) error {
	if err == nil {
		var i *collect.Item
		if i, err = c.Collection.Lay(r.Context(), v.who, d, ""); err == nil {
			return c.done(w, r, v.lang.Pick("読み取りました。まだ何も記録していません。", "Read. Nothing is recorded yet."), "/console/inbox/"+i.ID)
		}
	}
	if ofReading(err) {
		return c.showInbox(w, r, v, http.StatusUnprocessableEntity, err)
	}
	return err
}

type inboxItemView struct {
	view
	*collect.Look
	Title   string // of the page and of the item
	Names   map[string]string
	Marked  template.HTML // the text, with what each proposal was read from
	Rows    []proposedRow
	Next    string // the item that is decided after this one
	Decided bool
	Changes []collect.Line
}

// Relations are what a change can be.
func (v inboxItemView) Relations() []string {
	return []string{collect.Addendum, collect.Correction, collect.Silent}
}

// Records reports whether accepting it records something.
func (v inboxItemView) Records() bool {
	return v.Kind != collect.Correction && v.Kind != collect.Gone && v.Kind != collect.Flag
}

// CanUndo reports whether something that was decided still stands.
func (v inboxItemView) CanUndo() bool {
	return slices.ContainsFunc(v.Acts, func(a collect.Act) bool { return a.Done && a.Undone.IsZero() })
}

// proposedRow is a proposed fact as a form.
type proposedRow struct {
	N             int
	Key, ID       string
	Confidence    int // of a hundred
	Sure          bool
	Doubt, Rule   string
	Fields        []pair
	Outcome, Said string
}

// correctable are the members of an entry that a reader can correct, in the order in which they are shown.
var correctable = []string{"value", "unit", "qualifier", "status", "at", "promised", "certainty", "asOf"}

// member gives a pointer to a text of an entry; nil where it has none of that name.
func member(e *extract.Entry, name string) *string {
	switch name {
	case "unit":
		return &e.Unit
	case "qualifier":
		return &e.Qualifier
	case "status":
		return &e.Status
	case "at":
		return &e.At
	case "promised":
		return &e.Promised
	case "certainty":
		return &e.Certainty
	case "asOf":
		return &e.AsOf
	}
	return nil
}

func fieldsOf(e extract.Entry) []pair {
	var out []pair
	if m, ok := e.Value.(map[string]string); ok {
		for _, name := range []string{"name", "url", "telephone", "hours"} {
			out = append(out, pair{Name: "value." + name, Value: m[name]})
		}
	} else {
		out = append(out, pair{Name: "value", Value: fmt.Sprint(e.Value)})
	}
	for _, name := range correctable[1:] {
		if p := member(&e, name); *p != "" {
			out = append(out, pair{Name: name, Value: *p})
		}
	}
	return out
}

func (c *Console) showItem(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx := r.Context()
	l, err := c.Collection.Show(ctx, v.who, r.PathValue("item"))
	if err != nil {
		return err
	}
	out := inboxItemView{view: c.view(r, v, "inbox", l.Title), Look: l, Decided: !l.Open(), Title: cmp.Or(l.Title, l.ID)}
	for n, e := range l.Entries {
		row := proposedRow{N: n, Key: e.Key, ID: e.ID, Confidence: int(e.Confidence * 100), Sure: e.Sure, Doubt: e.Doubt, Rule: e.Rule, Fields: fieldsOf(e), Outcome: collect.Taken}
		if !e.Sure && e.Doubt != "" {
			row.Outcome = collect.Skipped
		}
		if refused != nil && r.PostForm.Has(fmt.Sprintf("do.%d", n)) {
			row.Outcome = r.PostForm.Get(fmt.Sprintf("do.%d", n))
			for i, p := range row.Fields {
				row.Fields[i].Value = r.PostForm.Get(fmt.Sprintf("f.%d.%s", n, p.Name))
			}
		}
		if l.Doc != nil {
			row.Said = l.Doc.Text[e.Span[0]:e.Span[1]]
		}
		out.Rows = append(out.Rows, row)
	}
	if l.Doc != nil {
		out.Marked = marked(l.Doc.Text, l.Entries)
	}
	for i, line := range l.Lines {
		near := line.Op != ' '
		for j := max(0, i-2); j < min(len(l.Lines), i+3) && !near; j++ {
			near = l.Lines[j].Op != ' '
		}
		if near {
			out.Changes = append(out.Changes, line)
		}
	}
	open, err := c.Collection.List(ctx, v.who, false)
	if err != nil {
		return err
	}
	for i, o := range open {
		if o.ID == l.ID && i+1 < len(open) {
			out.Next = open[i+1].ID
		}
	}
	if refused != nil {
		out.Refused, out.Form = said(refused), r.PostForm
	}
	out.Path = "/console/inbox/" + l.ID
	if out.Names, err = c.Staff.Names(ctx); err != nil {
		return err
	}
	return c.frame.Show(w, r, status, "inboxitem", out)
}

// marked gives a text in which what was read is marked. The text is somebody else's: it is escaped, always.
func marked(text string, entries []extract.Entry) template.HTML {
	type span struct{ n, from, to int }
	var spans []span
	for n, e := range entries {
		if e.Span[0] < e.Span[1] && e.Span[1] <= len(text) {
			spans = append(spans, span{n, e.Span[0], e.Span[1]})
		}
	}
	slices.SortStableFunc(spans, func(a, b span) int { return cmp.Or(a.from-b.from, b.to-a.to) })
	var b strings.Builder
	at := 0
	for _, s := range spans {
		if s.from < at {
			continue // inside of another
		}
		b.WriteString(template.HTMLEscapeString(text[at:s.from]))
		b.WriteString(`<mark id="said-` + strconv.Itoa(s.n) + `">` + template.HTMLEscapeString(text[s.from:s.to]) + "</mark>")
		at = s.to
	}
	b.WriteString(template.HTMLEscapeString(text[at:]))
	return template.HTML(b.String()) // of escaped parts only
}

// inboxAccept records what was chosen of each proposed fact.
func (c *Console) inboxAccept(w http.ResponseWriter, r *http.Request, v *visit) error {
	f := field{r.PostForm}
	l, err := c.Collection.Show(r.Context(), v.who, r.PathValue("item"))
	if err != nil {
		return err
	}
	a := collect.Acceptance{Item: l.ID, Version: f.version(), Incident: f.text("incident"), Relation: f.text("relation"), Text: f.text("text")}
	for n, e := range l.Entries {
		choice := collect.Choice{Outcome: f.text(fmt.Sprintf("do.%d", n)), Entry: e}
		if choice.Outcome == "" {
			choice.Outcome = collect.Skipped
		}
		if changed := correctedBy(&choice.Entry, n, f); changed && choice.Outcome != collect.Skipped {
			choice.Outcome = collect.Corrected
		} else if choice.Outcome == collect.Corrected {
			choice.Outcome = collect.Taken // nothing was changed
		}
		a.Choices = append(a.Choices, choice)
	}
	i, err := c.Collection.Accept(r.Context(), v.who, a)
	switch {
	case errors.Is(err, collect.ErrInput), errors.Is(err, incident.ErrFacts), errors.Is(err, incident.ErrExist):
		return c.showItem(w, r, v, http.StatusUnprocessableEntity, err)
	case err != nil:
		return err
	}
	c.live.poke()
	to := "/console/inbox"
	if next := f.text("next"); next != "" && f.text("then") != "" {
		to += "/" + next
	}
	return c.done(w, r, v.lang.Pick("記録しました：", "Recorded: ")+cmp.Or(i.Incident, i.ID), to)
}

// correctedBy puts what was entered into an entry, and reports whether that is something else.
func correctedBy(e *extract.Entry, n int, f field) bool {
	changed := false
	for _, p := range fieldsOf(*e) {
		name := fmt.Sprintf("f.%d.%s", n, p.Name)
		if !f.Has(name) || f.text(name) == p.Value {
			continue
		}
		changed = true
		given := f.text(name)
		if part, ok := strings.CutPrefix(p.Name, "value."); ok {
			old := e.Value.(map[string]string)
			m := map[string]string{}
			for k, v := range old {
				m[k] = v
			}
			m[part] = given
			e.Value = m
			continue
		}
		if p.Name != "value" {
			*member(e, p.Name) = given
			continue
		}
		e.Value = given
		if number, err := strconv.ParseInt(strings.NewReplacer(",", "", "，", "").Replace(given), 10, 64); err == nil && strings.HasSuffix(e.Key, ".count") {
			e.Value = number
		}
	}
	if changed {
		e.Rule, e.Doubt, e.Confidence, e.Right, e.Of, e.Sure = "", "", 0, 0, 0, false // it is a person's now
	}
	return changed
}

// inboxDo makes an answer that does one thing with an item.
func (c *Console) inboxDo(done language.Text, do func(ctx context.Context, who actor.Actor, id string, f field) error) func(http.ResponseWriter, *http.Request, *visit) error {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		id := r.PathValue("item")
		err := do(r.Context(), v.who, id, field{r.PostForm})
		if errors.Is(err, collect.ErrInput) || errors.Is(err, incident.ErrNotFound) {
			return c.showItem(w, r, v, http.StatusUnprocessableEntity, err)
		}
		if err != nil {
			return err
		}
		c.live.poke()
		return c.done(w, r, done.In(v.lang), "/console/inbox/"+id)
	}
}

// Words of the inbox.
var inboxWords = map[string]language.Text{
	collect.Disclosure: language.Both("公表", "disclosure"), collect.Digest: language.Both("まとめ記事", "digest"), collect.Warning: language.Both("注意喚起", "warning"), collect.Other: language.Both("その他", "other"),
	collect.Scanned: language.Both("画像だけのPDF", "scanned"), collect.Change: language.Both("ページの変更", "changed page"), collect.Gone: language.Both("ページの消失", "page gone"), collect.Correction: language.Both("訂正", "correction"),
	collect.Reply: language.Both("組織からの回答", "reply"), collect.Flag: language.Both("台帳との食い違い", "ledger not kept to"),
	collect.Fresh: language.Both("新しい事案", "new"), collect.Addendum: language.Both("追記", "addendum"), collect.OtherSource: language.Both("別の出典", "another source"), collect.Silent: language.Both("断りのない変更", "changed without saying so"),
	collect.Accepted: language.Both("記録済み", "recorded"), collect.Ignored: language.Both("見送り", "left"), collect.Joined: language.Both("まとめ済み", "joined"), "accepting": language.Both("記録中", "being recorded"),
	"accept": language.Both("記録した", "recorded"), "ignore": language.Both("見送った", "left"), "merge": language.Both("まとめた", "joined"), "split": language.Both("分けた", "split"),
}

func inboxFuncs(lang language.Lang) template.FuncMap {
	return template.FuncMap{
		"inboxword": func(w string) string {
			if t, ok := inboxWords[w]; ok {
				return t.In(lang)
			}
			return w
		},
		"entryfield": func(name string) string {
			if t, ok := map[string]language.Text{"certainty": language.Both("確かさ", "Certainty"), "asOf": language.Both("いつの時点か", "As of"), "value": language.Both("値", "Value")}[strings.TrimPrefix(name, "value.")]; ok {
				return t.In(lang)
			}
			if t := factFieldNames[strings.TrimPrefix(name, "value.")].In(lang); t != "" {
				return t
			}
			return name
		},
		"op": func(b byte) string { return string(b) },
	}
}
