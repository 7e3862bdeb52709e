package incident

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"shirase/internal/language"
)

// FieldError is a value that a fact cannot have, and which part of the fact it is.
type FieldError struct {
	Field  string // "key", "value.number" ...
	Reason string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }
func (e *FieldError) Unwrap() error { return ErrFacts }

func badField(field, reason string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(reason, args...)}
}

// textProblem says what is wrong with a text of at most limit characters, or "". A fact's texts reach pages, mail and
// terminals: nothing invisible may be in them.
func textProblem(s string, limit int) string {
	if len(s) > utf8.UTFMax*limit || utf8.RuneCountInString(s) > limit {
		return fmt.Sprintf("longer than %d characters", limit)
	}
	if !utf8.ValidString(s) {
		return "not UTF-8"
	}
	for _, c := range s {
		if c != '\n' && (unicode.IsControl(c) || c == utf8.RuneError || invisible(c)) {
			return fmt.Sprintf("holds the invisible character %U", c)
		}
	}
	return ""
}

// Check reports what keeps f from being recorded: facts that come from a file of facts were read with the same rules,
// those that a program made are checked by it. The error is a *FieldError.
func (f Fact) Check() error {
	kind, ok := keyForms[f.Key]
	switch {
	case !ok:
		return badField("key", "there is no fact %q", clip(f.Key))
	case kind.listed && !validItem(f.Item):
		return badField("id", "%q cannot be an item's id", clip(f.Item))
	case !kind.listed && f.Item != "":
		return badField("id", "%q is no list", f.Key)
	case !slices.Contains(certainties, string(f.Certainty)):
		return badField("certainty", "cannot be %q", clip(string(f.Certainty)))
	}
	if why := textProblem(f.Source, maxURL); why != "" {
		return badField("source", "%s", why)
	}
	if why := textProblem(f.Author, maxWord); why != "" {
		return badField("author", "%s", why)
	}
	if !f.AsOf.IsZero() && !plausible(f.AsOf) {
		return badField("asOf", "the year %d is not plausible", f.AsOf.Time.Year())
	}
	if f.Retracted {
		if f.Value != (Value{}) {
			return badField("value", "what is retracted has none")
		}
		return nil
	}
	return f.Value.check(f.Key, kind)
}

func plausible(m Moment) bool { return m.Time.Year() >= 1900 && m.Time.Year() <= 2999 }

// check tells what is wrong with the value of a key.
func (v Value) check(key string, kind keyForm) error {
	if err := v.checkTexts(); err != nil {
		return err
	}
	for _, m := range []struct {
		name string
		at   Moment
	}{{"time", v.Time}, {"promised", v.Promised}, {"fetched", v.Fetched}} {
		if !m.at.IsZero() && !plausible(m.at) {
			return badField("value."+m.name, "the year %d is not plausible", m.at.Time.Year())
		}
	}
	if v.Number != nil && (*v.Number < 0 || *v.Number >= 1<<53) {
		return badField("value.number", "%d is not a count", *v.Number)
	}
	if name := v.stranger(kind.form); name != "" {
		return badField("value."+name, "does not belong to %q", key)
	}
	switch kind.form {
	case formText, formAddendum:
		if v.Text.JA == "" {
			return badField("value.text", "is empty")
		}
		if kind.form == formAddendum && v.Time.IsZero() {
			return badField("value.time", "is missing")
		}
		return nil
	case formTime:
		if v.Time.IsZero() {
			return badField("value.time", "is missing")
		}
		return among("value.qualifier", v.Qualifier, append([]string{""}, qualifiers[:2]...))
	case formNext:
		if (v.Word == "") == v.Time.IsZero() || v.Word != "" && (v.Word != NoNext || v.Qualifier != "") {
			return badField("value.time", "is neither a time nor the word %s", NoNext)
		}
		return among("value.qualifier", v.Qualifier, append([]string{""}, qualifiers[:2]...))
	case formCount:
		if v.Number == nil {
			return badField("value.number", "is missing")
		}
		if (key == "affected.part") != (v.Region != "") || v.Region != "" && !regionCode.MatchString(v.Region) {
			return badField("value.region", "a part of those affected, and nothing else, has a region")
		}
		return v.checkUnit(kind)
	case formCountry:
		if !knownCountry(v.Word) {
			return badField("value.word", "%q is not a country of ISO 3166-1", clip(v.Word))
		}
		return nil
	case formDomain:
		if Domain(v.Word) != v.Word || v.Word == "" {
			return badField("value.word", "%q is not a domain", clip(v.Word))
		}
		return nil
	case formWord:
		if kind.words == nil {
			if !KnownClass(v.Word) {
				return badField("value.word", "there is no data class %q", clip(v.Word))
			}
			return nil
		}
		return among("value.word", v.Word, kind.words)
	}
	return v.checkParts(kind)
}

// checkParts is check for the forms that have several parts.
func (v Value) checkParts(kind keyForm) error {
	switch kind.form {
	case formDamage:
		if err := among("value.word", v.Word, damageKinds); err != nil {
			return err
		}
		return among("value.status", v.Status, damageStatuses)
	case formService:
		if v.Text.JA == "" {
			return badField("value.text", "is empty")
		}
		return among("value.status", v.Status, serviceStatuses)
	case formAction:
		if v.Text.JA == "" {
			return badField("value.text", "is empty")
		}
		if err := among("value.qualifier", v.Qualifier, append([]string{""}, qualifiers[:2]...)); err != nil {
			return err
		}
		return among("value.status", v.Status, actionStatuses)
	case formExcluded:
		if v.Text.JA == "" {
			return badField("value.text", "is empty")
		}
		if v.Number == nil {
			if v.Unit != "" || v.Qualifier != "" {
				return badField("value.unit", "a unit without a count")
			}
			return nil
		}
		return v.checkUnit(kind)
	case formSource:
		if v.URL == "" && v.Text.JA == "" {
			return badField("value.url", "neither an address nor a citation")
		}
		if raw, err := hex.DecodeString(v.SHA256); v.SHA256 != "" && (err != nil || len(raw) != 32 || strings.ToLower(v.SHA256) != v.SHA256) {
			return badField("value.sha256", "is not a SHA-256")
		}
	case formContact:
		if v.URL == "" && v.Telephone == "" {
			return badField("value.url", "a contact nobody can reach")
		}
	}
	return nil
}

func (v Value) checkUnit(kind keyForm) error {
	if err := among("value.unit", v.Unit, kind.units); err != nil {
		return err
	}
	return among("value.qualifier", v.Qualifier, qualifiers)
}

func among(field, word string, allowed []string) error {
	if slices.Contains(allowed, word) {
		return nil
	}
	return badField(field, "cannot be %q", clip(word))
}

// checkTexts looks at every text of v.
func (v Value) checkTexts() error {
	for _, t := range []struct {
		name, text string
		limit      int
	}{
		{"text.ja", v.Text.JA, maxText}, {"text.en", v.Text.EN, maxText}, {"word", v.Word, maxWord}, {"unit", v.Unit, maxWord},
		{"qualifier", v.Qualifier, maxWord}, {"status", v.Status, maxWord}, {"url", v.URL, maxURL}, {"telephone", v.Telephone, maxWord},
		{"hours.ja", v.Hours.JA, maxText}, {"hours.en", v.Hours.EN, maxText}, {"quote", v.Quote, maxQuote}, {"licence", v.Licence, maxWord},
		{"original", v.Original, maxWord},
	} {
		if why := textProblem(t.text, t.limit); why != "" {
			return badField("value."+t.name, "%s", why)
		}
	}
	if (v.Text.JA == "") != (v.Text.EN == "") {
		return badField("value.text", "stands in one language only")
	}
	if v.URL != "" && !webLink(v.URL) {
		return badField("value.url", "%q is not a web address", clip(v.URL))
	}
	return nil
}

// stranger names a member of v that values of a form do not have, or "".
func (v Value) stranger(of form) string {
	own := map[string]bool{}
	for _, name := range map[form][]string{
		formText: {"text"}, formTime: {"time", "qualifier"}, formNext: {"word", "time", "qualifier"}, formCount: {"number", "unit", "qualifier", "region"}, formWord: {"word", "original"},
		formCountry: {"word"}, formDomain: {"word"}, formSource: {"text", "url", "fetched", "sha256", "quote", "licence"}, formService: {"text", "status", "time"},
		formAction: {"text", "status", "time", "promised", "qualifier"}, formAddendum: {"text", "time"},
		formExcluded: {"text", "number", "unit", "qualifier", "time"}, formDamage: {"word", "status"},
		formContact: {"text", "url", "telephone", "hours"},
	}[of] {
		own[name] = true
	}
	for _, m := range []struct {
		name string
		set  bool
	}{
		{"text", v.Text != language.Text{}}, {"word", v.Word != ""}, {"time", !v.Time.IsZero()}, {"promised", !v.Promised.IsZero()},
		{"number", v.Number != nil}, {"unit", v.Unit != ""}, {"qualifier", v.Qualifier != ""}, {"status", v.Status != ""},
		{"url", v.URL != ""}, {"telephone", v.Telephone != ""}, {"hours", v.Hours != language.Text{}}, {"fetched", !v.Fetched.IsZero()},
		{"sha256", v.SHA256 != ""}, {"quote", v.Quote != ""}, {"licence", v.Licence != ""}, {"original", v.Original != ""}, {"region", v.Region != ""},
	} {
		if m.set && !own[m.name] {
			return m.name
		}
	}
	return ""
}
