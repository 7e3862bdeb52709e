package incident

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"shirase/internal/language"
)

// Limits of a notice's text as it is written.
const (
	maxNoticeText = 60_000 // characters in one language
	maxReferences = 500    // facts referred to in one language
	maxReference  = 200    // bytes between the braces of one
)

// A reference is a place in a notice's Markdown where a fact stands (docs/FORMAT.md, section 3):
//
//	{{key}} {{key part}} {{key part style}}                  of a single-valued key
//	{{key}} {{key item}} {{key item part}} {{key item part style}}   of a listed key; without item, all of them
//
// A part is one side of the value (promised, status, number ...), a style a way to write a time (short, date, day,
// clock). `{\{` writes two braces that refer to nothing: CommonMark shows an escaped brace as it is.
type reference struct {
	key, item, part, style string
	at                     place
	from, to               int // bytes of the text
}

// timeStyles are the ways to write a time: without its year, only the day, the day without its year, only the clock.
var timeStyles = []string{"short", "date", "day", "clock"}

// formParts are the parts that each form of value has beside the value itself. asOf and certainty belong to every fact.
var formParts = map[form][]string{
	formCount:    {"number", "digits"},
	formExcluded: {"count"},
	formService:  {"at", "status"},
	formAction:   {"at", "promised", "status", "line"},
	formAddendum: {"at"},
	formDamage:   {"status"},
	formContact:  {"url", "telephone", "hours"},
	formSource:   {"fetched", "quote"},
}

// timeParts are the parts that are times and so have a style.
var timeParts = []string{"at", "promised", "fetched", "asOf"}

// textError is a mistake in a notice's text.
func textError(name string, at place, remedy, problem string, args ...any) error {
	return &markError{fileError{file: name, at: at, problem: fmt.Sprintf(problem, args...), remedy: remedy}}
}

// markError is a fileError of a notice's text rather than of a facts file.
type markError struct{ fileError }

func (e *markError) Unwrap() error { return ErrNotice }

// references finds the references of text and refuses what cannot be one. name is the text's in errors.
func references(name, text string) ([]reference, error) {
	if err := readable(name, text); err != nil {
		return nil, err
	}
	var out []reference
	for from := 0; ; {
		open := strings.Index(text[from:], "{{")
		if open < 0 {
			return out, nil
		}
		open += from
		at := placeIn(text, open)
		inner := text[open+2:]
		end := strings.Index(inner, "}}")
		if end < 0 || end > maxReference || strings.ContainsAny(inner[:end], "\n{") {
			return nil, textError(name, at, `close it on the same line, for example {{affected.count}}; write {\{ for two braces that mean nothing`, "a reference that begins with {{ and does not end")
		}
		ref, err := parseReference(name, at, inner[:end])
		if err != nil {
			return nil, err
		}
		ref.from, ref.to = open, open+2+end+2
		if out = append(out, ref); len(out) > maxReferences {
			return nil, textError(name, at, "write some of them out", "more than %d references", maxReferences)
		}
		from = ref.to
	}
}

// readable holds a notice's text to what a person can see: bounded, UTF-8, no control or direction characters.
func readable(name, text string) error {
	switch {
	case !utf8.ValidString(text):
		return textError(name, place{}, "save it as UTF-8", "the text is not UTF-8")
	case strings.TrimSpace(text) == "":
		return textError(name, place{}, "write it, or leave the file away to have it drafted", "the text is empty")
	case utf8.RuneCountInString(text) > maxNoticeText:
		return textError(name, place{}, "shorten it", "the text is longer than %d characters", maxNoticeText)
	}
	for i, c := range text {
		if c != '\n' && c != '\t' && (unicode.IsControl(c) || invisible(c)) {
			return textError(name, placeIn(text, i), "remove it", "the invisible character %U", c)
		}
	}
	return nil
}

// placeIn returns the line and column, in characters, of a byte of text.
func placeIn(text string, offset int) place {
	before := text[:offset]
	line := strings.LastIndexByte(before, '\n') + 1
	return place{strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[line:]) + 1}
}

// parseReference reads what stands between the braces.
func parseReference(name string, at place, inner string) (reference, error) {
	words := strings.Fields(inner)
	if len(words) == 0 {
		return reference{}, textError(name, at, "name a fact, for example {{affected.count}}", "a reference to nothing")
	}
	ref := reference{key: words[0], at: at}
	kind, ok := keyForms[ref.key]
	if !ok {
		return reference{}, textError(name, at, suggest(ref.key, keyOrder), "there is no fact %q", clip(ref.key))
	}
	words = words[1:]
	if kind.listed && len(words) > 0 {
		ref.item, words = words[0], words[1:]
		if !validItem(ref.item) {
			return reference{}, textError(name, at, "use the id that the item was recorded with", "%q cannot be an item's id", clip(ref.item))
		}
	}
	parts := slices.Concat(formParts[kind.form], []string{"asOf", "certainty"})
	if len(words) > 0 && slices.Contains(parts, words[0]) {
		ref.part, words = words[0], words[1:]
	}
	if len(words) > 0 && slices.Contains(timeStyles, words[0]) && (slices.Contains(timeParts, ref.part) || ref.part == "" && (kind.form == formTime || kind.form == formNext)) {
		ref.style, words = words[0], words[1:]
	}
	if len(words) > 0 {
		known := parts
		if ref.part != "" || kind.form == formTime || kind.form == formNext {
			known = slices.Concat(known, timeStyles)
		}
		return reference{}, textError(name, at, suggest(words[0], known), "%q has no %q", ref.key, clip(words[0]))
	}
	return ref, nil
}

// Render replaces the references in a notice's Markdown by the facts of i, as lang writes them. What a fact says is
// escaped: it never becomes markup. The error names line and column, unwraps to ErrNotice and carries a hint.
func (i Incident) Render(lang language.Lang, name, text string) (string, error) {
	refs, err := references(name, text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	at := 0
	for _, ref := range refs {
		said, err := i.say(lang, name, ref)
		if err != nil {
			return "", err
		}
		b.WriteString(text[at:ref.from])
		b.WriteString(said)
		at = ref.to
		if b.Len() > MaxNotice {
			return "", textError(name, ref.at, "refer to fewer facts", "the notice would be longer than %d bytes", MaxNotice)
		}
	}
	b.WriteString(text[at:])
	return b.String(), nil
}

// Referred lists the facts of i that text refers to.
func (i Incident) Referred(name, text string) ([]Fact, error) {
	refs, err := references(name, text)
	if err != nil {
		return nil, err
	}
	var out []Fact
	for _, ref := range refs {
		found, err := i.lookup(name, ref)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// ReferredLists gives the listed keys that text refers to as a whole: an item that is added changes what it says.
func ReferredLists(name, text string) ([]string, error) {
	refs, err := references(name, text)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ref := range refs {
		if keyForms[ref.key].listed && ref.item == "" && !slices.Contains(out, ref.key) {
			out = append(out, ref.key)
		}
	}
	return out, nil
}

// Item returns an item of a listed key. The error begins with name, and its hint names the nearest item that there is.
func (i Incident) Item(name, key, item string) (Fact, error) {
	found, err := i.lookup(name, reference{key: key, item: item})
	if err != nil {
		return Fact{}, err
	}
	return found[0], nil
}

// lookup finds the facts that a reference means: of a listed key without an item, all; else one.
func (i Incident) lookup(name string, ref reference) ([]Fact, error) {
	list := i.Listed(ref.key)
	if ref.item != "" {
		var items []string
		for _, f := range list {
			if f.Item == ref.item {
				return []Fact{f}, nil
			}
			items = append(items, f.Item)
		}
		remedy := "no " + ref.key + " is recorded; record one first: shirase incident add --facts FILE"
		if len(items) > 0 {
			remedy = suggest(ref.item, items)
		}
		return nil, textError(name, ref.at, remedy, "%q has no item %q", ref.key, clip(ref.item))
	}
	if len(list) == 0 {
		return nil, textError(name, ref.at, "record it first: shirase incident add --facts FILE", "%q is not recorded", ref.key)
	}
	if !keyForms[ref.key].listed {
		list = list[:1]
	}
	return list, nil
}

// say writes what a reference stands for.
func (i Incident) say(lang language.Lang, name string, ref reference) (string, error) {
	found, err := i.lookup(name, ref)
	if err != nil {
		return "", err
	}
	var out []string
	for _, f := range found {
		said, err := i.sayOne(lang, name, ref, f)
		if err != nil {
			return "", err
		}
		if said != "" || !mayLack(ref.part) {
			out = append(out, said)
		}
	}
	if len(out) == 0 && len(found) > 0 {
		return "", textError(name, ref.at, "leave it away, or record it: shirase incident add --facts FILE", "%q has no %s", ref.key, ref.part)
	}
	return language.Join(lang, out), nil
}

// mayLack reports whether a fact that is recorded may be without a part: a text that refers to it would have a gap where it is.
func mayLack(part string) bool {
	return part == "quote" || part == "url" || part == "telephone" || part == "hours"
}

// sayOne writes one fact, or the part of it that ref names.
func (i Incident) sayOne(lang language.Lang, name string, ref reference, f Fact) (string, error) {
	v := f.Value
	form := keyForms[ref.key].form
	switch ref.part {
	case "asOf":
		return i.sayTime(lang, name, ref, Value{Time: f.AsOf}, f.AsOf)
	case "certainty":
		return Plain(Word(lang, string(f.Certainty))), nil
	case "at":
		return i.sayTime(lang, name, ref, Value{}, v.Time)
	case "promised":
		return i.sayTime(lang, name, ref, v, v.Promised)
	case "fetched":
		return i.sayTime(lang, name, ref, Value{}, v.Fetched)
	case "status":
		if form == formDamage {
			return Plain(DamageStatus(lang, v)), nil
		}
		return Plain(Word(lang, v.Status)), nil
	case "line":
		return i.ActionLine(lang, f, i.Moments(lang)), nil
	case "number":
		amount, _ := Amount(lang, v)
		return Plain(amount), nil
	case "digits", "count":
		if v.Number == nil {
			return Plain(lang.Pick("不明", "not known")), nil
		}
		if ref.part == "count" {
			return Plain(Count(lang, v)), nil
		}
		return language.Digits(*v.Number), nil
	case "quote":
		return Plain(v.Quote), nil
	case "url":
		return Link(v.URL), nil
	case "telephone":
		return Plain(v.Telephone), nil
	case "hours":
		return Plain(v.Hours.In(lang)), nil
	}
	switch form {
	case formNext:
		if v.Word == NoNext {
			return Plain(f.In(lang)), nil
		}
		return i.sayTime(lang, name, ref, v, v.Time)
	case formTime:
		return i.sayTime(lang, name, ref, v, v.Time)
	case formCount:
		return Plain(Count(lang, v)), nil
	case formCountry, formWord:
		return Plain(WordOf(lang, ref.key, v.Word)), nil
	case formDamage:
		return Plain(Word(lang, v.Word)), nil
	case formSource:
		if v.URL != "" {
			return Link(v.URL), nil
		}
	}
	return Plain(v.Text.In(lang)), nil
}

// sayTime writes m in the reference's style, no more exactly than it is known, with its zone unless all of the
// incident's times are Japan's. of says whether it is only roughly known.
func (i Incident) sayTime(lang language.Lang, name string, ref reference, of Value, m Moment) (string, error) {
	if m.IsZero() {
		return "", textError(name, ref.at, "refer to another part, or record the time", "%q has no such time", strings.TrimSpace(ref.key+" "+ref.item+" "+ref.part))
	}
	var text string
	switch ref.style {
	case "":
		text = m.In(lang)
	case "short":
		text = m.inYear(lang)
	case "date", "day":
		if m.Precision > Day {
			known := map[Precision]string{Month: "month", Year: "year"}[m.Precision]
			return "", textError(name, ref.at, "leave the style away", "%q is known to the %s only", ref.key, known)
		}
		day := Moment{m.Time, Day}
		if text = day.In(lang); ref.style == "day" {
			text = day.inYear(lang)
		}
		return Plain(About(lang, of, text)), nil
	case "clock":
		if !m.Exact() {
			return "", textError(name, ref.at, "leave the style away", "no time of day is known of %q", ref.key)
		}
		text = language.Clock(lang, m.Time)
	}
	text = About(lang, of, text)
	if m.Exact() && !i.InJapan() {
		zone := language.Zone(lang, m.Time)
		text += lang.Pick("（"+zone+"）", " "+zone)
	}
	return Plain(text), nil
}

// CheckText holds a notice's Markdown to its form, without the facts: name is the file's in errors.
func CheckText(name, text string) error {
	_, err := references(name, strings.ReplaceAll(text, "\r\n", "\n"))
	return err
}
