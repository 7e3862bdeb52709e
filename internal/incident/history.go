package incident

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/language"
)

// Past is what was ever recorded about one thing: a single-valued key, or one item of a listed key.
type Past struct {
	Key, Item string
	Facts     []Fact // by as-of, then as recorded; a retraction among them is one of the facts
}

// History returns everything that was recorded of an incident, by key in the order in which they are shown and by
// item: what was said first, and what became of it. Errors: ErrNotFound.
func (s *Incidents) History(ctx context.Context, id string) ([]Past, error) {
	all, err := s.recorded(ctx, id)
	if err != nil {
		return nil, err
	}
	return pasts(all), nil
}

// pasts sorts what was recorded by what it is about.
func pasts(all []Fact) []Past {
	var out []Past
	at := map[[2]string]int{}
	for _, f := range all {
		about := [2]string{f.Key, f.Item}
		i, seen := at[about]
		if !seen {
			i = len(out)
			at[about] = i
			out = append(out, Past{Key: f.Key, Item: f.Item})
		}
		out[i].Facts = append(out[i].Facts, f)
	}
	for _, p := range out {
		slices.SortStableFunc(p.Facts, func(a, b Fact) int { return a.AsOf.Time.Compare(b.AsOf.Time) })
	}
	slices.SortStableFunc(out, func(a, b Past) int {
		return slices.Index(keyOrder, a.Key) - slices.Index(keyOrder, b.Key)
	})
	return out
}

// Changed reports whether anything but the first word was ever recorded.
func (p Past) Changed() bool {
	for _, f := range p.Facts[min(1, len(p.Facts)):] {
		if !sameFact(f, p.Facts[0]) {
			return true
		}
	}
	return false
}

// sameFact reports whether two facts say the same, whenever they were said.
func sameFact(a, b Fact) bool {
	a.AsOf, b.AsOf = Moment{}, Moment{}
	return equalFact(a, b)
}

// equalFact reports whether two facts are the same as a notice would freeze them.
func equalFact(a, b Fact) bool {
	a.Source, b.Source = PublicSource(a.Source), PublicSource(b.Source)
	x, err1 := json.Marshal(a, json.Deterministic(true))
	y, err2 := json.Marshal(b, json.Deterministic(true))
	return err1 == nil && err2 == nil && string(x) == string(y)
}

// recorded returns every fact of an incident in the order in which they were recorded. Errors: ErrNotFound.
func (s *Incidents) recorded(ctx context.Context, id string) ([]Fact, error) {
	list, err := s.readAll(ctx, `WHERE i.id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("incident: %w", err)
	}
	if len(list) == 0 {
		return nil, notFound(id)
	}
	return list[0].Facts, nil
}

// GetAsOf returns an incident as it was known at a time: with the facts whose as-of is not later. The zero time is
// now. Errors: ErrNotFound.
func (s *Incidents) GetAsOf(ctx context.Context, id string, asOf time.Time) (Incident, error) {
	inc, _, err := s.getAsOf(ctx, id, asOf)
	return inc, err
}

// getAsOf returns beside the incident everything that was recorded by then.
func (s *Incidents) getAsOf(ctx context.Context, id string, asOf time.Time) (Incident, []Fact, error) {
	list, err := s.readAll(ctx, `WHERE i.id = $1`, id)
	if err != nil {
		return Incident{}, nil, fmt.Errorf("incident: %w", err)
	}
	if len(list) == 0 {
		return Incident{}, nil, notFound(id)
	}
	inc := list[0]
	known := slices.DeleteFunc(inc.Facts, func(f Fact) bool { return !asOf.IsZero() && f.AsOf.Time.After(asOf) })
	inc.Facts = current(known)
	return inc, known, nil
}

// In writes what a fact says in one line of plain text: 約169万アカウント, 18 July 2013, 10:09 JST.
func (f Fact) In(lang language.Lang) string { return f.line(lang, false) }

// InPlace is In where the reader knows the zone of all times.
func (f Fact) InPlace(lang language.Lang) string { return f.line(lang, true) }

func (f Fact) line(lang language.Lang, bare bool) string {
	v := f.Value
	if f.Retracted {
		return lang.Pick("取り消し", "taken back")
	}
	when := func(m Moment) string {
		if bare || !m.Exact() {
			return m.In(lang)
		}
		zone := language.Zone(lang, m.Time)
		return m.In(lang) + lang.Pick("（"+zone+"）", " "+zone)
	}
	switch kind := keyForms[f.Key]; kind.form {
	case formTime:
		return About(lang, v, when(v.Time))
	case formNext:
		if v.Word == NoNext {
			return lang.Pick("予定なし", "none is planned")
		}
		return About(lang, v, when(v.Time))
	case formCount:
		return Count(lang, v)
	case formCountry, formDomain, formWord:
		return WordOf(lang, f.Key, v.Word)
	case formDamage:
		return Word(lang, v.Word) + lang.Pick("：", ": ") + DamageStatus(lang, v)
	case formService:
		text := v.Text.In(lang) + lang.Pick("：", ": ") + Word(lang, v.Status)
		if !v.Time.IsZero() {
			text += lang.Pick("、", ", ") + when(v.Time)
		}
		return text
	case formAction:
		text := v.Text.In(lang)
		switch note := ActionNote(lang, v, when); {
		case note != "":
			text += lang.Pick("（"+note+"）", " ("+note+")")
		case v.Status != "taken" && (v.Promised.IsZero() || !v.Time.IsZero()):
			text += lang.Pick("（"+Word(lang, v.Status)+"）", " ("+Word(lang, v.Status)+")")
		}
		switch {
		case !v.Time.IsZero():
			return when(v.Time) + lang.Pick("：", ": ") + text
		case !v.Promised.IsZero():
			return About(lang, v, when(v.Promised)) + lang.Pick("（予定）：", " (planned): ") + text
		}
		return text
	case formAddendum:
		return when(v.Time) + lang.Pick("：", ": ") + v.Text.In(lang)
	case formExcluded:
		text := v.Text.In(lang)
		if v.Number != nil {
			text += lang.Pick("（"+Count(lang, v)+"）", " ("+Count(lang, v)+")")
		}
		return text
	case formSource, formContact:
		return strings.Join(slices.DeleteFunc([]string{v.Text.In(lang), v.URL, v.Telephone, v.Hours.In(lang)},
			func(s string) bool { return s == "" }), lang.Pick("、", ", "))
	}
	return v.Text.In(lang)
}
