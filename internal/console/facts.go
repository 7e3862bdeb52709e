package console

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/incident/lint"
	"shirase/internal/language"
	"shirase/internal/response"
)

func (c *Console) factRoutes() []route {
	return []route{
		{pattern: "POST /console/cases/{id}/facts/preview", answer: c.previewFact},
		{pattern: "POST /console/cases/{id}/facts/save", answer: c.saveFact},
	}
}

// Outgoing is a text that is told from a case: a mail of a campaign, an answer that is given again and again.
type Outgoing struct {
	Name language.Text
	Kind lint.Kind
	Text language.Text
}

type factsView struct {
	caseView
	Key      string // of the form for a new one; "" shows none
	Keys     []incident.Term
	Recorded []incident.Fact

	// Before a change is recorded: what it is, and what it touches.
	Fact    *incident.Fact
	Was     *incident.Fact
	Version string
	Entered []pair
	Touched response.Touched
	Denied  []lint.Overturned
	Texts   []touchedText
	Stating []string // what was told with what the fact said until now
	Both    bool     // somebody else was faster
}

// touchedText is a text that would speak against the facts.
type touchedText struct {
	Name  string
	Found []lint.Finding
}

// None reports whether a change touches nothing.
func (v factsView) None() bool {
	return len(v.Touched.Documents)+len(v.Touched.Clocks)+len(v.Denied)+len(v.Texts)+len(v.Stating) == 0
}

// FactVersion is what a form says was read.
func (v factsView) FactVersion(f incident.Fact) string {
	return incident.Incident{Facts: v.Recorded}.Version(f.Key, f.Item)
}

// head is what every page of a case has.
func (c *Console) head(r *http.Request, v *visit, tab string) (caseView, error) {
	k, clocks, err := c.Cases.Clocks(r.Context(), v.who, r.PathValue("id"))
	if err != nil {
		return caseView{}, err
	}
	out := caseView{view: c.view(r, v, "board", k.Declared.Title), Case: k, Clocks: clocks, Tab: tab, Tabs: tabs, NowAt: c.now()}
	out.Path = pathOf(tab, k.ID)
	out.Names, err = c.Staff.Names(r.Context())
	return out, err
}

func (c *Console) factsPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return c.showFacts(w, r, v, http.StatusOK, nil)
}

func (c *Console) showFacts(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	out, err := c.factsView(r, v)
	if err != nil {
		return err
	}
	if key := r.URL.Query().Get("key"); incident.Fields(key) != nil {
		out.Key = key
	}
	out.refuse(r, refused)
	if refused != nil {
		out.Key = field{r.PostForm}.text("key")
	}
	return c.frame.Show(w, r, status, "facts", out)
}

func (c *Console) factsView(r *http.Request, v *visit) (factsView, error) {
	head, err := c.head(r, v, "facts")
	if err != nil {
		return factsView{}, err
	}
	inc, err := c.Cases.Incidents.Get(r.Context(), head.Case.ID)
	return factsView{caseView: head, Keys: incident.Terms("key"), Recorded: inc.Facts}, err
}

// entered reads a fact from a form, by the rules of a facts file.
// What does not say as of when is of now, told as everybody here reads times.
func entered(id string, f field, now time.Time) (incident.Fact, error) {
	key := f.text("key")
	fact := map[string]any{"key": key}
	set := func(name string, value any) {
		if value != "" && value != nil {
			fact[name] = value
		}
	}
	set("id", f.text("item"))
	set("source", f.text("source"))
	set("asOf", cmp.Or(f.time("asOf"), now.In(zone).Format("2006-01-02T15:04Z07:00")))
	if f.text("retract") != "" {
		fact["retract"] = true
	} else {
		set("certainty", f.text("certainty"))
		contact := map[string]any{}
		for _, x := range incident.Fields(key) {
			value := enteredValue(f, x)
			if value == nil {
				continue
			}
			if key == "contact" {
				contact[x.Name] = value
			} else {
				fact[x.Name] = value
			}
		}
		if key == "contact" {
			fact["value"] = contact
		}
	}
	src, err := json.Marshal(map[string]any{"id": id, "zone": "+09:00", "facts": []any{fact}})
	if err != nil {
		return incident.Fact{}, err
	}
	file, err := incident.ParseFactsFile("form", src)
	if err != nil {
		return incident.Fact{}, err
	}
	return file.Facts[0], nil
}

// enteredValue is what a field of a form holds; nil where it is empty.
func enteredValue(f field, x incident.Field) any {
	name := "f." + x.Name
	switch x.Kind {
	case "text":
		ja, en := f.text(name), f.text(name+".en")
		if ja+en == "" {
			return nil
		}
		t := map[string]string{}
		if ja != "" {
			t["ja"] = ja
		}
		if en != "" {
			t["en"] = en
		}
		return t
	case "number":
		n := strings.NewReplacer(",", "", "，", "", " ", "").Replace(f.text(name))
		if n == "" {
			return nil
		}
		if i, err := strconv.ParseInt(n, 10, 64); err == nil {
			return i
		}
		return n
	case "time":
		if s := f.time(name); s != "" {
			return s
		}
		return nil
	}
	if s := f.text(name); s != "" {
		if x.Name == "value" && x.Kind == "plain" && s != incident.NoNext && s[0] >= '0' && s[0] <= '9' {
			return f.time(name)
		}
		return s
	}
	return nil
}

// previewFact shows what a change touches, and records nothing.
func (c *Console) previewFact(w http.ResponseWriter, r *http.Request, v *visit) error {
	return c.preview(w, r, v, http.StatusOK, false)
}

func (c *Console) preview(w http.ResponseWriter, r *http.Request, v *visit, status int, both bool) error {
	ctx, id, f := r.Context(), r.PathValue("id"), field{r.PostForm}
	if err := v.who.May(actor.Write, id); err != nil {
		return err
	}
	out, err := c.factsView(r, v)
	if err != nil {
		return err
	}
	fact, err := entered(id, f, c.now())
	if errors.Is(err, incident.ErrFacts) {
		return c.showFacts(w, r, v, http.StatusUnprocessableEntity, err)
	}
	if err != nil {
		return err
	}
	if f.text("item") == "" && incident.Several(fact.Key) && f.text("retract") == "" { // a further one, and not another's
		if fact.Item, err = c.freeItem(ctx, id, fact.Key, fact.Item); err != nil {
			return err
		}
		r.PostForm.Set("item", fact.Item)
	}
	out.Fact, out.Both, out.Version = &fact, both, f.text("was")
	if i := slices.IndexFunc(out.Recorded, func(g incident.Fact) bool { return g.Key == fact.Key && g.Item == fact.Item }); i >= 0 {
		out.Was = &out.Recorded[i]
	}
	if now := (incident.Incident{Facts: out.Recorded}).Version(fact.Key, fact.Item); now != out.Version {
		out.Both, out.Version, status = true, now, http.StatusConflict
	}
	for name, values := range r.PostForm {
		if name != "was" && name != "passkey" {
			out.Entered = append(out.Entered, pair{Name: name, Value: values[0]})
		}
	}
	slices.SortFunc(out.Entered, func(a, b pair) int { return strings.Compare(a.Name, b.Name) })
	changed, err := c.Cases.Incidents.With(ctx, id, fact)
	if err != nil {
		return err
	}
	if out.Was != nil && (out.Was.Value.Text != fact.Value.Text || fact.Retracted) {
		if out.Stating, err = c.overtaken(ctx, v, id, *out.Was); err != nil {
			return err
		}
	}
	if out.Touched, err = c.Cases.Touches(ctx, v.who, changed, v.lang); err != nil {
		return err
	}
	if err := c.touchedTexts(ctx, v, &out, changed, fact); err != nil {
		return err
	}
	return c.frame.Show(w, r, status, "facts", out)
}

// freeItem gives a further item of a key its number where items of it are numbered: the first that none ever had.
func (c *Console) freeItem(ctx context.Context, id, key, item string) (string, error) {
	past, err := c.Cases.Incidents.History(ctx, id)
	if err != nil {
		return "", err
	}
	for n := 1; item == key+"-"+strconv.Itoa(n) && slices.ContainsFunc(past, func(p incident.Past) bool { return p.Key == key && p.Item == item }); n++ {
		item = key + "-" + strconv.Itoa(n+1)
	}
	return item, nil
}

// touchedTexts finds what is published, or is told again and again, and would speak against the facts then, and does not now.
func (c *Console) touchedTexts(ctx context.Context, v *visit, out *factsView, changed incident.Incident, fact incident.Fact) error {
	notices, err := c.Cases.Incidents.Notices(ctx, changed.ID)
	if err != nil {
		return err
	}
	out.Denied = lint.Overturning(notices, []incident.Fact{fact})
	var texts []Outgoing
	for _, n := range notices {
		texts = append(texts, Outgoing{language.Both(fmt.Sprintf("公表した第%d版", n.Version), fmt.Sprintf("Version %d, as published", n.Version)), lint.Notice, n.Text})
	}
	if c.Texts != nil {
		more, err := c.Texts(ctx, v.who, changed.ID)
		if err != nil {
			return err
		}
		texts = append(texts, more...)
	}
	before, after, err := c.knownFor(ctx, changed)
	if err != nil {
		return err
	}
	for _, t := range texts {
		before.Kind, after.Kind = t.Kind, t.Kind
		text := []byte(t.Text.In(v.lang))
		was, err := lint.Text(text, before)
		if err != nil {
			return err
		}
		is, err := lint.Text(text, after)
		if err != nil {
			return err
		}
		is = slices.DeleteFunc(is, func(f lint.Finding) bool {
			return slices.ContainsFunc(was, func(o lint.Finding) bool { return o.Rule == f.Rule && o.From == f.From })
		})
		if len(is) > 0 {
			out.Texts = append(out.Texts, touchedText{t.Name.In(v.lang), is})
		}
	}
	return nil
}

// knownFor is what texts are held against, as facts stand, and as they would.
func (c *Console) knownFor(ctx context.Context, changed incident.Incident) (before, after lint.Known, err error) {
	if before.Incident, err = c.Cases.Incidents.Get(ctx, changed.ID); err != nil {
		return before, after, err
	}
	past, err := c.Cases.Incidents.History(ctx, changed.ID)
	for _, p := range past {
		before.Recorded = append(before.Recorded, p.Facts...)
	}
	before.Site = hostOf(c.BaseURL)
	after = before
	after.Incident = changed
	return before, after, err
}

// saveFact records what was shown. Where somebody else was faster, both are shown, and nothing is recorded.
func (c *Console) saveFact(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, f := r.PathValue("id"), field{r.PostForm}
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	fact, err := entered(id, f, c.now())
	if err == nil {
		_, err = c.Cases.Incidents.Change(r.Context(), v.who, id, incident.Edit{Fact: fact, Was: f.text("was")})
	}
	switch {
	case errors.Is(err, incident.ErrChanged):
		return c.preview(w, r, v, http.StatusConflict, true)
	case errors.Is(err, incident.ErrFacts):
		if err := v.who.May(actor.Write, id); err != nil {
			return err
		}
		return c.showFacts(w, r, v, http.StatusUnprocessableEntity, err)
	case err != nil:
		return err
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("事実を記録しました。公表はされていません。", "The fact is recorded. Nothing of it is public yet."), pathOf("facts", id))
}
