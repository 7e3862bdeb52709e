package incident

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
)

// ErrChanged says that a fact has changed since it was read. Nothing was recorded.
var ErrChanged = errors.New("the fact has changed since it was read")

// Version names how a key, or an item of a listed key, stands, so that whoever changes it can say what they have read; "" where
// nothing holds.
func (i Incident) Version(key, item string) string {
	n := slices.IndexFunc(i.Facts, func(f Fact) bool { return f.Key == key && f.Item == item })
	if n < 0 {
		return ""
	}
	b, err := json.Marshal(i.Facts[n], json.Deterministic(true))
	if err != nil {
		return "-"
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// An Edit is a fact that takes the place of what was read.
type Edit struct {
	Fact Fact
	Was  string // Version of its key and item then
}

// Change records facts where what each of them replaces stands as it was read: all of them, or none. Errors: ErrNotFound, ErrChanged.
func (s *Incidents) Change(ctx context.Context, who actor.Actor, id string, edits ...Edit) (Incident, error) {
	if err := who.May(actor.Write, id); err != nil {
		if errors.Is(err, actor.ErrHidden) {
			err = ErrNotFound
		}
		return Incident{}, fmt.Errorf("change a fact: %w", err)
	}
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		inc, err := draftOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if inc.ID != id { // it was merged into another
			return notFound(id)
		}
		file := &FactsFile{ID: id}
		for _, e := range edits {
			if inc.Version(e.Fact.Key, e.Fact.Item) != e.Was {
				return ErrChanged
			}
			file.Facts = append(file.Facts, e.Fact)
		}
		return s.addFacts(ctx, tx, who, file, s.now())
	})
	if err != nil {
		return Incident{}, fmt.Errorf("change a fact: %w", err)
	}
	return s.Get(ctx, id)
}

// With gives the incident as it would stand with more facts, and records nothing. What has no as-of is of the present minute.
func (s *Incidents) With(ctx context.Context, id string, more ...Fact) (Incident, error) {
	all, err := s.recorded(ctx, id)
	if err != nil {
		return Incident{}, err
	}
	inc := Incident{ID: id}
	for _, f := range more {
		if f.AsOf.IsZero() {
			f.AsOf = Moment{s.now().UTC().Truncate(time.Minute), Minute}
		}
		all = append(all, f)
	}
	inc.Facts = current(all)
	return inc, nil
}

// A Field is a member of a fact of some key, as a form asks for it and a facts file has it.
type Field struct {
	Name   string
	Kind   string   // text (in both languages), plain, time, number, word
	Words  []string // of a word: what it may be
	Wanted bool
}

// Fields lists the members of a fact of a key beside certainty, source and as-of; nil where there is no such key.
func Fields(key string) []Field {
	kind, ok := keyForms[key]
	if !ok {
		return nil
	}
	text := Field{Name: "value", Kind: "text", Wanted: true}
	roughly := Field{Name: "qualifier", Kind: "word", Words: qualifiers[:2]}
	at, status := Field{Name: "at", Kind: "time"}, func(words []string) Field { return Field{Name: "status", Kind: "word", Words: words, Wanted: true} }
	switch kind.form {
	case formTime:
		return []Field{{Name: "value", Kind: "time", Wanted: true}, roughly}
	case formNext:
		return []Field{{Name: "value", Kind: "plain", Wanted: true}, roughly}
	case formCount:
		out := []Field{{Name: "value", Kind: "number", Wanted: true}, {Name: "unit", Kind: "word", Words: kind.units, Wanted: true}, {Name: "qualifier", Kind: "word", Words: qualifiers}}
		if key == "affected.part" {
			out = append(out, Field{Name: "region", Kind: "plain", Wanted: true})
		}
		return out
	case formWord:
		words := kind.words
		if words == nil {
			words = ClassWords()
		}
		return []Field{{Name: "value", Kind: "word", Words: words, Wanted: true}}
	case formCountry:
		return []Field{{Name: "value", Kind: "plain", Wanted: true}}
	case formService:
		return []Field{text, status(serviceStatuses), at}
	case formAction:
		return []Field{text, status(actionStatuses), at, {Name: "promised", Kind: "time"}, roughly}
	case formAddendum:
		at.Wanted = true
		return []Field{text, at}
	case formExcluded:
		return []Field{text, {Name: "count", Kind: "number"}, {Name: "unit", Kind: "word", Words: kind.units}, {Name: "qualifier", Kind: "word", Words: qualifiers}}
	case formDamage:
		return []Field{{Name: "value", Kind: "word", Words: damageKinds, Wanted: true}, status(damageStatuses)}
	case formContact:
		return []Field{{Name: "name", Kind: "text"}, {Name: "url", Kind: "plain"}, {Name: "telephone", Kind: "plain"}, {Name: "hours", Kind: "text"}}
	}
	return []Field{text}
}

// Certainties lists how sure a fact may be.
func Certainties() []string { return slices.Clone(certainties) }

// Shown gives what a field of a fact holds, as it is entered; of a text, in both languages.
func (f Fact) Shown(name string) (text, en string) {
	v := f.Value
	switch name {
	case "value":
		switch {
		case v.Number != nil:
			return strconv.FormatInt(*v.Number, 10), ""
		case v.Word != "":
			return v.Word, ""
		case keyForms[f.Key].form == formTime || keyForms[f.Key].form == formNext:
			return v.Time.String(), ""
		case v.URL != "":
			return v.URL, v.URL
		}
		return v.Text.JA, v.Text.EN
	case "count":
		if v.Number != nil {
			return strconv.FormatInt(*v.Number, 10), ""
		}
	case "name":
		return v.Text.JA, v.Text.EN
	case "hours":
		return v.Hours.JA, v.Hours.EN
	case "at":
		return v.Time.String(), ""
	case "promised":
		return v.Promised.String(), ""
	}
	return map[string]string{"unit": v.Unit, "qualifier": v.Qualifier, "status": v.Status, "region": v.Region, "url": v.URL, "telephone": v.Telephone}[name], ""
}
