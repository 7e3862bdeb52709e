package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/proposal"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/staff"
)

// caseRoutes are the addresses of cases. Each page of a case has forms, whose addresses are below it.
func (c *Console) caseRoutes() []route {
	routes := []route{
		{pattern: "GET /console/cases/new", answer: c.declarePage},
		{pattern: "POST /console/cases/new", answer: c.declare},
	}
	own := map[string]func(w http.ResponseWriter, r *http.Request, v *visit) error{"facts": c.factsPage, "documents": c.documentsPage}
	for _, tab := range tabs {
		if tab.Name == "scope" || tab.Name == "contain" || tab.Name == "reset" || tab.Name == "reach" || tab.Name == "enquiries" || tab.Name == "closing" || tab.Name == "board" { // among their own routes
			continue
		}
		if answer := own[tab.Name]; answer != nil {
			routes = append(routes, route{pattern: "GET " + tab.path("{id}"), answer: answer})
			continue
		}
		routes = append(routes, route{pattern: "GET " + tab.path("{id}"), answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showCase(w, r, v, tab.Name, http.StatusOK, nil)
		}})
	}
	for _, f := range append(c.forms(), c.evidenceForms()...) {
		routes = append(routes, route{pattern: "POST /console/cases/{id}/" + f.name, answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.submit(w, r, v, f)
		}})
	}
	routes = append(routes, c.evidenceRoutes()...)
	routes = append(append(routes, c.documentRoutes()...), c.factRoutes()...)
	return append(routes, route{pattern: "POST /console/cases/{id}/export", answer: c.export})
}

// tab is a page of a case.
type tab struct {
	Name string
	Text language.Text
}

func (t tab) path(id string) string {
	if t.Name == "now" {
		return "/console/cases/" + id
	}
	return "/console/cases/" + id + "/" + t.Name
}

var tabs = []tab{
	{"now", language.Both("いま", "Now")},
	{"board", language.Both("ボード", "Board")},
	{"clocks", language.Both("期限", "Clocks")},
	{"timeline", language.Both("経過と証拠", "Timeline and evidence")},
	{"scope", language.Both("対象範囲", "Scope")},
	{"contain", language.Both("封じ込め", "Contain")},
	{"reset", language.Both("再設定", "Reset")},
	{"reach", language.Both("知らせる", "Reach")},
	{"enquiries", language.Both("問い合わせ", "Enquiries")},
	{"facts", language.Both("事実", "Facts")},
	{"documents", language.Both("文書", "Documents")},
	{"decisions", language.Both("判断", "Decisions")},
	{"record", language.Both("記録と見られる人", "Record and access")},
	{"closing", language.Both("終了", "Closing")},
}

// listed is a case on the board.
type listed struct {
	*response.Case
	Late, Soon []response.Next
}

type boardView struct {
	view
	Cases  []listed
	Unread []string // that cannot be read: their key is lost
	Ended  []string // whose key was destroyed
	Host   []staff.Entry
	Names  map[string]string

	Pending []proposal.Rule // of approval, weaker, and not applying yet
}

func (c *Console) board(w http.ResponseWriter, r *http.Request, v *visit) error {
	out := boardView{view: c.view(r, v, "board", v.lang.Pick("事案", "Cases"))}
	list, err := c.Cases.List(r.Context(), v.who)
	if err != nil {
		return err
	}
	for _, l := range list {
		k, clocks, err := c.Cases.Clocks(r.Context(), v.who, l.ID)
		if errors.Is(err, roster.ErrShredded) {
			out.Ended = append(out.Ended, l.ID)
			continue
		}
		if err != nil {
			c.Log.Error("read a case", "case", l.ID, "error", err)
			out.Unread = append(out.Unread, l.ID)
			continue
		}
		one := listed{Case: k}
		for _, n := range k.Next(c.now(), clocks) {
			if n.Late {
				one.Late = append(one.Late, n)
			} else if len(one.Soon) < 3 {
				one.Soon = append(one.Soon, n)
			}
		}
		out.Cases = append(out.Cases, one)
	}
	slices.SortStableFunc(out.Cases, func(a, b listed) int { // open ones first, the newest first
		if a.Closed != b.Closed {
			if a.Closed {
				return 1
			}
			return -1
		}
		return b.At.Compare(a.At)
	})
	if out.Host, err = c.Staff.Shown(r.Context(), v.who); err != nil {
		return err
	}
	if out.Pending, err = c.Proposals.Pending(r.Context()); err != nil {
		return err
	}
	if out.Names, err = c.Staff.Names(r.Context()); err != nil {
		return err
	}
	out.Live = "/console/live"
	return c.frame.Show(w, r, http.StatusOK, "board", out)
}

type declareView struct {
	view
	Playbooks []*response.Playbook
	Near      []choice // regimes of Japan, and contracts
	Regimes   []choice // those of other places
}

// OwnName is the operator's, where it is known: most cases are one's own.
func (v declareView) OwnName() string {
	if v.Operator.Host {
		return ""
	}
	return v.Operator.Name
}

// Chosen reports whether a regime is ticked: what was entered, or where nothing was, the law of Japan.
func (v declareView) Chosen(id string) bool {
	return slices.Contains(v.Form["regime"], id) || len(v.Form) == 0 && id == "jp-appi"
}

// choice is something to choose from.
type choice struct{ ID, Text string }

func (c *Console) declarePage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return c.showDeclare(w, r, v, http.StatusOK, nil)
}

func (c *Console) showDeclare(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	if err := v.who.May(actor.Declare, ""); err != nil {
		return err
	}
	out := declareView{view: c.view(r, v, "board", v.lang.Pick("事案を宣言する", "Declare a case"))}
	out.refuse(r, refused)
	var err error
	if out.Playbooks, err = c.Cases.ListPlaybooks(); err != nil {
		return err
	}
	for _, g := range c.Cases.Book.Regimes() {
		if g.Place == "JP" || g.Place == "" { // a contract has no place
			out.Near = append(out.Near, choice{g.ID, g.Name.In(v.lang)})
		} else {
			out.Regimes = append(out.Regimes, choice{g.ID, g.Name.In(v.lang)})
		}
	}
	return c.frame.Show(w, r, status, "declare", out)
}

// refuse shows a form again, with why it was refused and what was entered.
func (v *view) refuse(r *http.Request, err error) {
	if err != nil {
		v.Refused, v.Form = why(v.Lang.Lang, err), r.PostForm
	}
}

func (c *Console) declare(w http.ResponseWriter, r *http.Request, v *visit) error {
	f := field{r.PostForm}
	d := response.Declaration{Title: f.text("title"), Organisation: f.text("organisation"), Says: f.text("says"), Part: f.text("part"), Illicit: f.text("illicit") != "",
		Commander: f.text("commander"), Regimes: r.PostForm["regime"], Playbook: f.text("playbook")}
	err := f.all(
		f.moment("known", &d.Known), f.moment("happened", &d.Happened), f.number("persons", &d.Persons),
		f.instant("update", &d.Update))
	if err == nil {
		if d.Commander == "" {
			d.Commander = v.account.ID
		}
		var k *response.Case
		if k, err = c.Cases.Declare(r.Context(), v.who, d); err == nil {
			c.live.poke()
			return c.done(w, r, v.lang.Pick("事案を宣言しました。まだ何も公表していません。", "The case is declared. Nothing of it is public."), "/console/cases/"+k.ID)
		}
	}
	if isInput(err) {
		return c.showDeclare(w, r, v, http.StatusUnprocessableEntity, err)
	}
	return err
}

// field reads a form.
type field struct{ url.Values }

func (f field) text(name string) string {
	return strings.ReplaceAll(strings.TrimSpace(f.Get(name)), "\r\n", "\n")
}

func (f field) lines(name string) []string {
	var out []string
	for _, l := range strings.Split(f.text(name), "\n") {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

func (f field) all(errs ...error) error { return errors.Join(errs...) }

// time gives a time as it is recorded: of Japan, where no zone is entered. What cannot be read is left for the room to refuse.
func (f field) time(name string) string {
	s := strings.Replace(f.text(name), " ", "T", 1)
	if m, err := incident.ParseMoment(s, zone); err == nil {
		return m.String()
	}
	return f.text(name)
}

func (f field) moment(name string, into *incident.Moment) error {
	s := f.time(name)
	if s == "" {
		return nil
	}
	m, err := incident.ParseMoment(s, zone)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", response.ErrEntry, name, err)
	}
	*into = m
	return nil
}

func (f field) instant(name string, into *time.Time) error {
	var m incident.Moment
	if err := f.moment(name, &m); err != nil || m.IsZero() {
		return err
	}
	*into = m.Time
	if !m.Exact() {
		*into = m.End()
	}
	return nil
}

// number reads one as people write it: 1,692,496.
func (f field) number(name string, into *int64) error {
	s := strings.NewReplacer(",", "", "，", "", " ", "").Replace(f.text(name))
	if s == "" {
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: %s is a number", response.ErrEntry, name)
	}
	*into = n
	return nil
}

// form is something that can be done in a case.
type form struct {
	name string // below the case's address
	tab  string // that it is on, and that is shown again
	said language.Text
	do   func(ctx context.Context, who actor.Actor, id string, f field) error
}

// submit does what a form says. Where it cannot be taken, its page is shown again with what was entered; where somebody else was
// faster, with both.
func (c *Console) submit(w http.ResponseWriter, r *http.Request, v *visit, f form) error {
	id := r.PathValue("id")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	err := f.do(r.Context(), v.who, id, field{r.PostForm})
	switch {
	case err == nil:
		c.live.poke()
		i := slices.IndexFunc(tabs, func(t tab) bool { return t.Name == f.tab })
		return c.done(w, r, f.said.In(v.lang), tabs[i].path(id))
	case errors.Is(err, response.ErrStale), errors.Is(err, staff.ErrStale):
		return c.showCase(w, r, v, f.tab, http.StatusConflict, err)
	case isInput(err), errors.Is(err, response.ErrChain): // evidence that is not what was taken in
		return c.showCase(w, r, v, f.tab, http.StatusUnprocessableEntity, err)
	}
	return err
}

// stale is what two people did at once.
type stale struct {
	What, By string
	At       time.Time
	Now      []pair // how it stands
	Version  int64
	Action   string // where the form goes again
	Mine     []pair // what was entered
}

// pair is a field: Value as it is entered, and Shown as people read it, where that is not the same.
type pair struct{ Name, Value, Shown string }

type caseView struct {
	view
	Case   *response.Case
	Clocks *response.Clocks
	Next   []response.Next
	Tab    string
	Tabs   []tab
	People []staff.Account
	Names  map[string]string
	Grants []staff.Grant
	Facts  []incident.Fact
	Stale  *stale
	NowAt  time.Time

	AccessVersion int64 // of who sees the case
	book          *law.Book
	evidence      int64 // bytes of a file at most
	who           actor.Actor
}

// MayWithdraw reports whether they may take an event off the timeline.
func (v caseView) MayWithdraw(h response.Happening) bool { return v.Case.MayWithdraw(v.who, h) == nil }

// Version is that of what has no number of its own, for its form to name: response.Case.Stated.
func (v caseView) Version(what ...string) int64 {
	return v.Case.Stated(strings.Join(what, " ")).Version
}

// Path is the address of a tab.
func (v caseView) TabPath(t tab) string { return v.Link(t.path(v.Case.ID)) }

// To is the address of a form.
func (v caseView) To(name string) string { return v.Link("/console/cases/" + v.Case.ID + "/" + name) }

// NotApplying counts the clocks that do not apply.
func (v caseView) NotApplying() (n int) {
	for _, k := range v.Clocks.Clocks {
		if k.State == law.NotApplicable {
			n++
		}
	}
	return n
}

// Can reports whether something is offered in this case.
func (v caseView) Can(p string) bool { return !v.Case.Closed && v.May(p, v.Case.ID) }

func (c *Console) showCase(w http.ResponseWriter, r *http.Request, v *visit, tab string, status int, refused error) error {
	ctx, id := r.Context(), r.PathValue("id")
	k, clocks, err := c.Cases.Clocks(ctx, v.who, id)
	if err != nil {
		return err
	}
	out := caseView{view: c.view(r, v, "board", k.Declared.Title), Case: k, Clocks: clocks, Next: k.Next(c.now(), clocks), Tab: tab, Tabs: tabs, NowAt: c.now(), who: v.who, evidence: c.Cases.Limits.Evidence, book: c.Cases.Book}
	if out.People, err = c.Staff.People(ctx, v.who); err != nil {
		return err
	}
	if out.Names, err = c.Staff.Names(ctx); err != nil {
		return err
	}
	if tab == "record" {
		if out.Grants, err = c.Staff.Grants(ctx, v.who, id); err != nil {
			return err
		}
		if out.AccessVersion, err = c.Staff.AccessVersion(ctx, v.who, id); err != nil {
			return err
		}
	}
	if tab == "decisions" {
		inc, err := c.Cases.Incidents.Get(ctx, id)
		if err != nil {
			return err
		}
		out.Facts = inc.Facts
	}
	if out.Stale = bothOf(r, out, refused); out.Stale == nil && refused != nil {
		out.refuse(r, refused)
	}
	out.Live = "/console/live?case=" + url.QueryEscape(id)
	out.Path = pathOf(tab, id) // a form that was refused is at the address of its page
	return c.frame.Show(w, r, status, "case", out)
}

func pathOf(name, id string) string {
	for _, t := range tabs {
		if t.Name == name {
			return t.path(id)
		}
	}
	return "/console/cases/" + id
}

// export writes the whole case. That it was taken out is in the case's record first.
func (c *Console) export(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="`+id+`.zip"`)
	begun := &begins{ResponseWriter: w}
	_, err := c.Cases.Export(r.Context(), v.who, id, response.Takeout{}, begun)
	if err != nil && begun.yes { // what was begun is no archive, and must not look like one
		c.Log.Error("export a case", "case", id, "error", err)
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		w.Header().Del("Content-Disposition")
	}
	return err
}

// begins says whether an answer has begun.
type begins struct {
	http.ResponseWriter
	yes bool
}

func (b *begins) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}
