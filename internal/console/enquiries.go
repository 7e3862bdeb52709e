package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/enquiry"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/web"
)

// Desk is what the enquiries of cases stand on.
type Desk struct {
	Enquiries *enquiry.Desk
	// Record has facts that follow from enquiries recorded, by who may write them.
	Record func(ctx context.Context, who actor.Actor, id string, facts []incident.Fact) error
}

// enquiryFailed maps the errors of enquiries.
var enquiryFailed = web.Mappings{
	{Err: enquiry.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: enquiry.ErrStale, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: enquiry.ErrState, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: enquiry.ErrUnproven, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: enquiry.ErrInput, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: enquiry.ErrAddress, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: enquiry.ErrExposed, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: enquiry.ErrClosed, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: enquiry.ErrWanted, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: incident.ErrNotice, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
}

// enquiryForm is a form of the desk's pages: to is the page that it belongs to, and is shown again where it is refused.
type enquiryForm struct {
	name string
	page string // queue, desk, one, batch
	do   func(ctx context.Context, v *visit, r *http.Request, id string, f field) (said language.Text, to string, err error)
}

func enquiriesAt(id string) string { return "/console/cases/" + id + "/enquiries" }

// enquiryRoutes are the addresses of a case's enquiries.
func (c *Console) enquiryRoutes() []route {
	at := "/console/cases/{id}/enquiries"
	show := map[string]func(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error{"queue": c.showQueue, "desk": c.showDesk, "one": c.showEnquiry, "batch": c.showBatch, "script": c.showScript}
	get := func(pattern, page string) route {
		return route{pattern: "GET " + at + pattern, answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return show[page](w, r, v, http.StatusOK, nil)
		}}
	}
	routes := []route{get("", "queue"), get("/topics", "desk"), get("/script", "script"), get("/{enquiry}", "one"), get("/batch/{batch}", "batch"),
		{pattern: "POST " + at + "/{enquiry}/preview", answer: c.previewEnquiry}, {pattern: "POST " + at + "/{enquiry}/file", answer: c.enquiryFile}, {pattern: "POST " + at + "/desk/export", answer: c.exportQueue}}
	for _, f := range c.enquiryForms() {
		routes = append(routes, route{pattern: "POST " + at + f.name, answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			id := r.PathValue("id")
			if !v.who.Sees(id) {
				return actor.ErrHidden
			}
			if c.Desk.Enquiries == nil {
				return errNotHere
			}
			said, to, err := f.do(r.Context(), v, r, id, field{r.PostForm})
			if err != nil {
				known, ok := failed.Problem(err)
				if !ok || known.Status != http.StatusConflict && known.Status != http.StatusUnprocessableEntity {
					return err
				}
				return show[f.page](w, r, v, known.Status, err)
			}
			c.live.poke()
			return c.done(w, r, said.In(v.lang), to)
		}})
	}
	return routes
}

var (
	saidRecorded = language.Both("記録しました。", "Recorded.")
	saidProposed = language.Both("提案しました。まだ何も行われていません。", "It is proposed. Nothing is done yet.")
)

// enquiryForms are what can be done with enquiries. What each asks for, the room refuses or takes.
func (c *Console) enquiryForms() []enquiryForm {
	d := c.Desk.Enquiries
	one := func(name string, do func(ctx context.Context, v *visit, id, e string, version int64, f field) error) enquiryForm {
		return enquiryForm{"/{enquiry}/" + name, "one", func(ctx context.Context, v *visit, r *http.Request, id string, f field) (language.Text, string, error) {
			e := r.PathValue("enquiry")
			return saidRecorded, enquiriesAt(id) + "/" + e, do(ctx, v, id, e, f.version(), f)
		}}
	}
	desk := func(name string, do func(ctx context.Context, v *visit, id string, f field) error) enquiryForm {
		return enquiryForm{"/desk/" + name, "desk", func(ctx context.Context, v *visit, _ *http.Request, id string, f field) (language.Text, string, error) {
			return saidRecorded, enquiriesAt(id) + "/topics#" + name, do(ctx, v, id, f)
		}}
	}
	return []enquiryForm{
		{"/desk/record", "queue", func(ctx context.Context, v *visit, _ *http.Request, id string, f field) (language.Text, string, error) {
			e, err := d.Record(ctx, v.who, id, enquiry.Recorded{Channel: f.text("channel"), Topic: f.text("topic"), Lang: language.Lang(f.text("lang")), Text: f.text("text"),
				Person: enquiry.Person{Name: f.text("name"), Telephone: f.text("telephone"), Address: f.text("address"), Step: f.text("step")}})
			return saidRecorded, enquiriesAt(id) + "/" + e, err
		}},
		one("set", func(ctx context.Context, v *visit, id, e string, version int64, f field) error {
			topic, lang, assignee := f.text("topic"), f.text("lang"), c.owner(ctx, v.who, f, "assignee")
			s := enquiry.Set{Topic: &topic, Lang: &lang, Assignee: &assignee}
			var due time.Time
			if err := f.instant("due", &due); err != nil {
				return err
			}
			if !due.IsZero() {
				s.Due = &due
			}
			return d.Change(ctx, v.who, id, e, version, s)
		}),
		one("move", func(ctx context.Context, v *visit, id, e string, version int64, f field) error {
			return d.Move(ctx, v.who, id, e, version, enquiry.State(f.text("state")))
		}),
		one("note", func(ctx context.Context, v *visit, id, e string, version int64, f field) error {
			return d.Note(ctx, v.who, id, e, version, f.text("text"))
		}),
		one("answer", func(ctx context.Context, v *visit, id, e string, version int64, f field) error {
			a, err := c.replyOf(ctx, v, id, e, f)
			switch {
			case err != nil:
				return err
			case f.text("how") == "told":
				return d.Tell(ctx, v.who, id, e, version, a, f.text("despite"))
			}
			return d.Answer(ctx, v.who, id, e, version, a, f.text("despite"))
		}),
		one("merge", func(ctx context.Context, v *visit, id, e string, version int64, f field) error {
			if f.text("do") == "undo" {
				return d.Unmerge(ctx, v.who, id, e, version)
			}
			return d.Merge(ctx, v.who, id, e, version, f.text("into"))
		}),
		one("link", func(ctx context.Context, v *visit, id, e string, version int64, f field) error {
			return d.Link(ctx, v.who, id, e, version, f.text("other"), f.text("do") == "undo")
		}),
		desk("open", func(ctx context.Context, v *visit, id string, f field) error {
			return d.SetOpen(ctx, v.who, id, f.text("open") == "yes")
		}),
		desk("topic", func(ctx context.Context, v *visit, id string, f field) error {
			version, _ := strconv.ParseInt(f.text("version"), 10, 64)
			return d.PutTopic(ctx, v.who, id, enquiry.Topic{ID: f.text("topic"), Text: language.Both(f.text("ja"), f.text("en")), Canned: f.text("canned"), Hidden: f.text("hidden") != "", Position: f.n("position"), Version: version})
		}),
		desk("canned", func(ctx context.Context, v *visit, id string, f field) error {
			return d.PutCanned(ctx, v.who, id, enquiry.Canned{ID: f.text("canned"), Version: f.n("version"), Gone: f.text("gone") != "", Name: language.Both(f.text("name.ja"), f.text("name.en")),
				Subject: language.Both(f.text("subject.ja"), f.text("subject.en")), Text: language.Both(f.text("text.ja"), f.text("text.en"))})
		}),
		desk("uncertain", func(ctx context.Context, v *visit, id string, f field) error {
			_, err := d.Resolve(ctx, v.who, id, f.text("do") == "again")
			return err
		}),
		desk("fact", func(ctx context.Context, v *visit, id string, _ field) error {
			facts, err := d.Proposed(ctx, v.who, id)
			if err == nil && len(facts) == 0 {
				err = enquiry.ErrState
			}
			if err != nil {
				return err
			}
			return c.Desk.Record(ctx, v.who, id, facts)
		}),
		{"/desk/publish", "desk", func(ctx context.Context, v *visit, _ *http.Request, id string, f field) (language.Text, string, error) {
			p, err := c.Proposals.Propose(ctx, v.who, enquiry.KindPublic, id, enquiry.AskedPublic{Canned: f.text("canned"), Version: f.n("version")})
			if err != nil {
				return language.Text{}, "", err
			}
			return saidProposed, "/console/proposals/" + p.ID, nil
		}},
		{"/desk/many", "desk", func(ctx context.Context, v *visit, _ *http.Request, id string, f field) (language.Text, string, error) {
			b, err := d.NewBatch(ctx, v.who, id, enquiry.Choice{Topic: f.text("topic")}, enquiry.Draft{Canned: f.text("canned")})
			return language.Text{}, enquiriesAt(id) + "/batch/" + b, err
		}},
		{"/desk/correct", "desk", func(ctx context.Context, v *visit, _ *http.Request, id string, f field) (language.Text, string, error) {
			b, err := d.NewCorrection(ctx, v.who, id, language.Both(f.text("ja"), f.text("en")))
			return language.Text{}, enquiriesAt(id) + "/batch/" + b, err
		}},
		{"/batch/{batch}/propose", "batch", func(ctx context.Context, v *visit, r *http.Request, id string, f field) (language.Text, string, error) {
			p, err := c.Proposals.Propose(ctx, v.who, enquiry.KindSend, id, enquiry.AskedBatch{Batch: r.PathValue("batch"), Despite: f.text("despite")})
			if err != nil {
				return language.Text{}, "", err
			}
			return saidProposed, "/console/proposals/" + p.ID, nil
		}},
		{"/batch/{batch}/move", "batch", func(ctx context.Context, v *visit, r *http.Request, id string, f field) (language.Text, string, error) {
			return saidRecorded, enquiriesAt(id) + "/batch/" + r.PathValue("batch"), d.MoveBatch(ctx, v.who, id, r.PathValue("batch"), f.version(), f.text("state"))
		}},
	}
}

// replyOf is an answer as it was entered. Their own text is in the language of the enquiry.
func (c *Console) replyOf(ctx context.Context, v *visit, id, e string, f field) (enquiry.Draft, error) {
	a := enquiry.Draft{Canned: f.text("canned")}
	if a.Canned != "" {
		return a, nil
	}
	is, err := c.Desk.Enquiries.Get(ctx, v.who, id, e)
	if err != nil {
		return a, err
	}
	a.Subject, a.Text = language.Text{JA: f.text("subject")}, language.Text{JA: f.text("text")}
	if is.Lang == language.EN {
		a.Subject, a.Text = language.Text{EN: f.text("subject")}, language.Text{EN: f.text("text")}
	}
	return a, nil
}

type enquiryView struct {
	caseView
	Here      bool
	Filter    enquiry.Filter
	List      []*enquiry.Enquiry
	All       int64
	Next      string
	Topics    []enquiry.Topic
	Canned    []*enquiry.Canned
	Stats     *enquiry.Stats
	One       *enquiry.Enquiry
	Preview   *enquiry.Content
	Good      []string
	Never     []string
	Opened    bool
	Overtaken []enquiry.Change
	Call      []string
	Batches   []*enquiry.Batch
	Batch     *enquiry.Batch
	Plan      *enquiry.Plan
	Uncertain []enquiry.Uncertain
	Proposed  []incident.Fact
	Lines     []enquiry.Line
	Waits     *enquiry.Waits
	Needed    int
	Calls     float64
	Hours     []enquiry.Hour
	Floor     int64
}

// Late reports whether one should have been answered.
func (v enquiryView) Late(e *enquiry.Enquiry) bool { return e.Late(v.NowAt) }

// TopicText is what a topic is called.
func (v enquiryView) TopicText(id string) string {
	for _, t := range v.Topics {
		if t.ID == id {
			return t.Text.In(v.Lang.Lang)
		}
	}
	return id
}

// At is the address of one, or of a page of the desk.
func (v enquiryView) At(name string) string { return v.Link(enquiriesAt(v.Case.ID) + "/" + name) }

// Zero reports whether there is no such time.
func (v enquiryView) Zero(t time.Time) bool { return t.IsZero() }

// startEnquiries is what all pages of the desk begin with.
func (c *Console) startEnquiries(r *http.Request, v *visit, refused error) (out enquiryView, err error) {
	ctx, id := r.Context(), r.PathValue("id")
	k, err := c.Cases.Get(ctx, v.who, id)
	if err != nil {
		return out, err
	}
	out = enquiryView{caseView: caseView{view: c.view(r, v, "board", k.Declared.Title), Case: k, Tab: "enquiries", Tabs: tabs, NowAt: c.now()}, Here: c.Desk.Enquiries != nil}
	if out.Names, err = c.Staff.Names(ctx); err != nil {
		return out, err
	}
	if refused != nil {
		out.Refused, out.Form = enquiryWhy(v.lang, refused), r.PostForm
	}
	out.Path = enquiriesAt(id)
	if out.Here {
		out.Floor = c.Desk.Enquiries.Floor
		if out.Topics, err = c.Desk.Enquiries.Topics(ctx, v.who, id); err != nil {
			return out, err
		}
		out.Canned, err = c.Desk.Enquiries.Canneds(ctx, v.who, id)
	}
	return out, err
}

const perPage = 50

func (c *Console) showQueue(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	out, err := c.startEnquiries(r, v, refused)
	if err != nil || !out.Here {
		return errOr(err, func() error { return c.frame.Show(w, r, status, "enquiries", out) })
	}
	ctx, id, q := r.Context(), out.Case.ID, r.URL.Query()
	from, _ := strconv.Atoi(q.Get("from"))
	out.Filter = enquiry.Filter{State: enquiry.State(q.Get("state")), Topic: q.Get("topic"), Assignee: q.Get("assignee"), Lang: q.Get("language"), Late: q.Get("late") != "", From: max(from, 0), Most: perPage}
	if out.Filter.Assignee == "me" {
		out.Filter.Assignee = v.who.ID()
	}
	if out.List, out.All, err = c.Desk.Enquiries.List(ctx, v.who, id, out.Filter); err != nil {
		return err
	}
	if n := out.Filter.From + len(out.List); int64(n) < out.All {
		q.Set("from", strconv.Itoa(n))
		q.Del("lang")
		out.Next = "?" + q.Encode()
	}
	if out.Stats, err = c.Desk.Enquiries.Stats(ctx, v.who, id); err != nil {
		return err
	}
	if out.Good, out.Never, err = c.Desk.Enquiries.Steps(ctx, v.who, id); err != nil {
		return err
	}
	out.Live = "/console/live?case=" + id
	return c.frame.Show(w, r, status, "enquiries", out)
}

func errOr(err error, do func() error) error {
	if err != nil {
		return err
	}
	return do()
}

func (c *Console) showEnquiry(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	return c.oneEnquiry(w, r, v, status, refused, nil)
}

func (c *Console) oneEnquiry(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error, preview *enquiry.Content) error {
	out, err := c.startEnquiries(r, v, refused)
	if err == nil && !out.Here {
		err = errNotHere
	}
	if err == nil {
		out.One, err = c.Desk.Enquiries.Get(r.Context(), v.who, out.Case.ID, r.PathValue("enquiry"))
	}
	if err != nil {
		return err
	}
	if out.Preview = preview; preview != nil {
		out.Form = r.PostForm
	}
	out.Path += "/" + out.One.ID
	return c.frame.Show(w, r, status, "enquiry", out)
}

// previewEnquiry shows an answer word for word before it leaves.
func (c *Console) previewEnquiry(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, e := r.PathValue("id"), r.PathValue("enquiry")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	if c.Desk.Enquiries == nil {
		return errNotHere
	}
	a, err := c.replyOf(r.Context(), v, id, e, field{r.PostForm})
	var p enquiry.Content
	if err == nil {
		p, err = c.Desk.Enquiries.Preview(r.Context(), v.who, id, e, a)
	}
	if known, ok := failed.Problem(err); err != nil && ok && known.Status == http.StatusUnprocessableEntity {
		return c.oneEnquiry(w, r, v, known.Status, err, nil)
	}
	if err != nil {
		return err
	}
	return c.oneEnquiry(w, r, v, http.StatusOK, nil, &p)
}

// enquiryFile gives out what came with a letter: as bytes to be saved, which no browser opens.
func (c *Console) enquiryFile(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	if c.Desk.Enquiries == nil {
		return errNotHere
	}
	_, data, err := c.Desk.Enquiries.ReadFile(r.Context(), v.who, id, r.PostForm.Get("file"))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Disposition", `attachment; filename="`+r.PostForm.Get("file")+`.bin"`) // a stranger's name has no say in what opens it
	_, err = w.Write(data)
	return err
}

func (c *Console) exportQueue(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	if c.Desk.Enquiries == nil {
		return errNotHere
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="enquiries.csv"`)
	return c.Desk.Enquiries.Export(r.Context(), v.who, id, w)
}

func (c *Console) showDesk(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	out, err := c.startEnquiries(r, v, refused)
	if err == nil && !out.Here {
		err = errNotHere
	}
	if err != nil {
		return err
	}
	ctx, id, d := r.Context(), out.Case.ID, c.Desk.Enquiries
	var errs [8]error
	out.Stats, errs[0] = d.Stats(ctx, v.who, id)
	out.Opened, errs[1] = d.Takes(ctx, id)
	out.Overtaken, errs[2] = d.Overtaken(ctx, v.who, id)
	out.Call, errs[3] = d.ToCall(ctx, v.who, id)
	out.Batches, errs[4] = d.Batches(ctx, v.who, id)
	out.Uncertain, errs[5] = d.Uncertain(ctx, v.who, id)
	out.Proposed, errs[6] = d.Proposed(ctx, v.who, id)
	errs[7] = c.staffing(r, v, &out)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	out.Path += "/topics"
	return c.frame.Show(w, r, status, "enquirydesk", out)
}

// staffing works out what callers wait, by what was entered or, where nothing was, by the fullest hour of a week.
func (c *Console) staffing(r *http.Request, v *visit, out *enquiryView) error {
	hours, err := c.Desk.Enquiries.Calls(r.Context(), v.who, out.Case.ID, 7)
	if err != nil {
		return err
	}
	for _, h := range hours {
		if h.Most > 0 {
			out.Hours = append(out.Hours, h)
		}
		out.Calls = max(out.Calls, float64(h.Most))
	}
	q := r.URL.Query()
	number := func(name string, otherwise, most float64) float64 {
		n, err := strconv.ParseFloat(strings.TrimSpace(q.Get(name)), 64)
		if err != nil || n < 0 || n > most {
			return otherwise
		}
		return n
	}
	out.Calls = number("calls", out.Calls, 1e6)
	each := time.Duration(number("minutes", 6, 600) * float64(time.Minute))
	answering := 5.0
	if c.Boards != nil && c.Boards.Staff > 0 {
		answering = float64(c.Boards.Staff)
	}
	waits := enquiry.Expect(out.Calls, max(each, time.Second), int(number("staff", answering, 10_000)), time.Minute)
	out.Waits, out.Needed = &waits, enquiry.Needed(out.Calls, max(each, time.Second), time.Minute, 0.8)
	if len(out.Form) == 0 {
		out.Form = url.Values{"staff": {strconv.Itoa(waits.Staff)}, "minutes": {strconv.FormatFloat(each.Minutes(), 'g', 4, 64)}, "calls": {strconv.FormatFloat(out.Calls, 'g', 6, 64)}}
	}
	return nil
}

// Percent writes a part as a number of a hundred.
func (v enquiryView) Percent(p float64) string { return fmt.Sprintf("%.0f %%", 100*p) }

// Mean is how long callers wait on average.
func (v enquiryView) Mean() string {
	if v.Waits.Mean < 0 {
		return v.Lang.Pick("待ち行列が伸び続けます", "the queue grows without end")
	}
	return v.Waits.Mean.Round(time.Second).String()
}

func (c *Console) showBatch(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	out, err := c.startEnquiries(r, v, refused)
	if err == nil && !out.Here {
		err = errNotHere
	}
	if err == nil {
		out.Batch, err = c.Desk.Enquiries.GetBatch(r.Context(), v.who, out.Case.ID, r.PathValue("batch"))
	}
	if err != nil {
		return err
	}
	if out.Batch.State == "draft" {
		out.Plan, err = c.Desk.Enquiries.Plan(r.Context(), v.who, out.Case.ID, enquiry.AskedBatch{Batch: out.Batch.ID, Despite: "preview"})
		if known, ok := failed.Problem(err); err != nil && (!ok || known.Status != http.StatusConflict && known.Status != http.StatusUnprocessableEntity) {
			return err
		} else if err != nil && out.Refused == "" {
			out.Refused = enquiryWhy(v.lang, err)
		}
	}
	out.Path += "/batch/" + out.Batch.ID
	return c.frame.Show(w, r, status, "enquirybatch", out)
}

func (c *Console) showScript(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	out, err := c.startEnquiries(r, v, refused)
	if err == nil && !out.Here {
		err = errNotHere
	}
	if err == nil {
		out.Lines, err = c.Desk.Enquiries.Script(r.Context(), v.who, out.Case.ID, v.lang)
	}
	if err == nil {
		out.Good, out.Never, err = c.Desk.Enquiries.Steps(r.Context(), v.who, out.Case.ID)
	}
	if err != nil {
		return err
	}
	out.Path += "/script"
	return c.frame.Show(w, r, status, "enquiryscript", out)
}

// enquiryWhy says why something was refused.
func enquiryWhy(lang language.Lang, err error) string {
	for _, w := range []struct {
		err  error
		text language.Text
	}{
		{enquiry.ErrStale, language.Both("ほかの方が先に変えました。いまの内容を見てから、もう一度お試しください。", "Somebody else was faster. Look at what is there now, and try again.")},
		{enquiry.ErrUnproven, language.Both("このメールアドレスの持ち主だと、まだ確かめられていません。確認のリンクが使われるまで、メールではお答えできません。", "Nobody has shown yet that the mailbox is theirs: no answer goes there before the link in it was used.")},
		{enquiry.ErrExposed, language.Both("その確認方法は、この事案で漏えいした項目に頼るため、使えません。", "That rests on what was exposed in this case: it proves nothing.")},
		{enquiry.ErrAddress, language.Both("メールアドレスとして読めません。", "That cannot be read as an address of mail.")},
		{enquiry.ErrClosed, language.Both("公表した自組織の事案だけが、受け付けを始められます。", "Only an incident of your own that is public can take enquiries.")},
		{enquiry.ErrState, language.Both("いまの状態では、できません。", "It cannot be done as things stand.")},
	} {
		if errors.Is(err, w.err) {
			return w.text.In(lang)
		}
	}
	return proposalWhy(lang, err)
}

// enquiryWords are what states and channels are called.
var enquiryWords = map[string]language.Text{
	"unverified": language.Both("未確定", "not confirmed"), "open": language.Both("回答待ち", "waits"), "answered": language.Both("回答済み", "answered"), "closed": language.Both("終了", "closed"), "merged": language.Both("統合済み", "merged"), "spam": language.Both("迷惑", "spam"),
	"web": language.Both("フォーム", "form"), "mail": language.Both("メール", "mail"), "telephone": language.Both("電話", "telephone"), "post": language.Both("郵便", "post"),
	"pending": language.Both("送信待ち", "to be sent"), "intended": language.Both("送信中", "being handed over"), "handed-over": language.Both("送信サーバーに渡した", "handed over"), "deferred": language.Both("あとで再送", "tried again later"),
	"refused": language.Both("受け取られなかった", "refused"), "bounced": language.Both("戻ってきた", "came back"), "unknown": language.Both("届いたか不明", "uncertain"), "left": language.Both("届いたか不明のまま", "left uncertain"), "chosen": language.Both("対象", "chosen"),
	"draft": language.Both("下書き", "draft"), "running": language.Both("送信中", "running"), "paused": language.Both("停止中", "paused"), "done": language.Both("完了", "done"), "dropped": language.Both("取りやめ", "dropped"),
	"answer": language.Both("お答え", "answer"), "correction": language.Both("訂正", "correction"), "asked": language.Both("質問", "asked"), "note": language.Both("メモ（内部）", "note (staff only)"), "spoken": language.Both("口頭などでのお答え", "told"), "verify": language.Both("確認のリンク", "link"),
}

func enquiryFuncs(lang language.Lang) map[string]any {
	return map[string]any{"enq": func(s any) string {
		if t, ok := enquiryWords[fmt.Sprint(s)]; ok {
			return t.In(lang)
		}
		return fmt.Sprint(s)
	}, "list": func(s ...string) []string { return s }, "pair": func(a, b any) struct{ A, B any } { return struct{ A, B any }{a, b} }, "keylabel": func(key string) string { return incident.KeyLabel(lang, key) }}
}
