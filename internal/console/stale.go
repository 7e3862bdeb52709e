package console

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"shirase/internal/actor"
	"shirase/internal/law"
	"shirase/internal/response"
	"shirase/internal/staff"
)

// bothOf is what was entered beside how it stands, where err says that somebody else was faster; nil where it does not.
func bothOf(r *http.Request, v caseView, err error) *stale {
	out := &stale{Action: r.URL.RequestURI()}
	var other *response.StaleError
	var access *staff.StaleError
	switch {
	case errors.As(err, &other):
		out.What, out.By, out.At, out.Version = other.What, other.By, other.At, other.Version
		out.Now = bodyPairs(v, other.Now)
	case errors.As(err, &access):
		out.What, out.By, out.At, out.Version = "access", access.By, access.At, access.Version
		out.Now = []pair{{Name: "account", Value: access.Account}, {Name: "access", Value: access.Access.String()}}
	default:
		return nil
	}
	out.By = personText(v.Lang.Lang, v.Names, out.By)
	for _, p := range out.Now { // in the same order
		if r.PostForm.Has(p.Name) {
			out.Mine = append(out.Mine, pair{Name: p.Name, Value: r.PostForm.Get(p.Name)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.PostForm)) {
		if name != "version" && name != "passkey" && !slices.ContainsFunc(out.Mine, func(p pair) bool { return p.Name == name }) {
			out.Mine = append(out.Mine, pair{Name: name, Value: r.PostForm.Get(name)})
		}
	}
	for _, side := range [][]pair{out.Now, out.Mine} {
		for i := range side {
			side[i].Shown = shownAs(v, side[i])
		}
	}
	return out
}

// bodyPairs are what an entry says, as far as two people may change it.
func bodyPairs(v caseView, b response.Body) []pair {
	person := func(id string) string {
		if id == "" {
			return ""
		}
		return personText(v.Lang.Lang, v.Names, id)
	}
	of := func(values ...string) (out []pair) {
		for i := 0; i < len(values); i += 2 {
			out = append(out, pair{Name: values[i], Value: values[i+1]})
		}
		return out
	}
	switch {
	case b.Task != nil:
		return of("title", b.Task.Title, "owner", person(b.Task.Owner), "due", b.Task.Due, "state", b.Task.State, "note", b.Task.Note)
	case b.Event != nil:
		return of("at", b.Event.At, "text", b.Event.Text, "source", b.Event.Source, "why", b.Event.Why)
	case b.Decision != nil:
		return of("question", b.Decision.Question, "decision", b.Decision.Decision, "why", b.Decision.Why)
	case b.Question != nil:
		return of("question", b.Question.Question, "owner", person(b.Question.Owner), "due", b.Question.Due, "state", b.Question.State)
	case b.Promise != nil:
		return of("text", b.Promise.Text, "due", b.Promise.Due, "state", b.Promise.State, "why", b.Promise.Why)
	case b.Triage != nil:
		return of("knowledge", b.Triage.Knowledge, "why", b.Triage.Why)
	case b.Commander != nil:
		return of("name", person(b.Commander.Name), "why", b.Commander.Why)
	case b.Regime != nil:
		refused := ""
		if b.Regime.Refused {
			refused = "yes"
		}
		return of("id", b.Regime.ID, "refused", refused, "why", b.Regime.Why)
	case b.Started != nil:
		return of("trigger", b.Started.Trigger, "at", b.Started.At)
	case b.Knows != nil:
		is := "no"
		if b.Knows.Is {
			is = "yes"
		}
		return of("word", b.Knows.Word, "is", is)
	case b.Clock != nil:
		return of("id", b.Clock.ID, "state", b.Clock.State, "at", b.Clock.At, "why", b.Clock.Why)
	}
	return nil
}

// shownAs is a field's value as people read it, where it is not read as it is entered; "" where it is.
func shownAs(v caseView, p pair) string {
	lang := v.Lang.Lang
	switch p.Name {
	case "account":
		return personText(lang, v.Names, p.Value)
	case "access":
		access, _ := actor.ParseAccess(p.Value)
		return accessWords[max(access, actor.None)].In(lang)
	case "refused":
		if p.Value != "" {
			return lang.Pick("適用しない", "it does not apply")
		}
		return lang.Pick("適用する", "it applies")
	case "id":
		for _, k := range v.Clocks.Clocks {
			if k.ID == p.Value {
				return k.Rule.Name.In(lang)
			}
			if k.Regime.ID == p.Value {
				return k.Regime.Name.In(lang)
			}
		}
		for _, g := range v.Clocks.Proposed {
			if g.Regime.ID == p.Value {
				return g.Regime.Name.In(lang)
			}
		}
	case "trigger":
		return law.TriggerText(p.Value).In(lang)
	case "word":
		return law.WordText(p.Value).In(lang)
	case "is":
		return isWords[p.Value == "yes"].In(lang)
	case "state":
		if w, ok := clockStates[law.State(p.Value)]; ok && p.Value != "done" { // which a task calls otherwise
			return w.In(lang)
		}
	}
	return ""
}
