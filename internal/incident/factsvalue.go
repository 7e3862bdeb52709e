package incident

import (
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"shirase/internal/language"
)

// commonFields may stand in every fact, listedFields in the facts of a listed key.
var (
	commonFields = []string{"key", "value", "certainty", "source", "asOf"}
	listedFields = []string{"id", "retract"}
)

// formFields are the further members of each form.
var formFields = map[form][]string{
	formTime:     {"qualifier"},
	formNext:     {"qualifier"},
	formCount:    {"unit", "qualifier", "region"},
	formWord:     {"original"},
	formSource:   {"fetched", "sha256", "quote", "licence"},
	formService:  {"status", "at"},
	formAction:   {"status", "at", "promised", "qualifier"},
	formAddendum: {"at"},
	formExcluded: {"count", "unit", "qualifier"},
	formDamage:   {"status"},
}

// fact reads one entry of the list; i is its number from 0.
func (r *factsReader) fact(node ast.Node, i int) (Fact, error) {
	every := slices.Concat(commonFields, listedFields, []string{"unit", "qualifier", "status", "at", "promised", "count", "fetched", "sha256", "quote", "licence", "region", "original"})
	in, err := r.mapping(node, "a fact", every)
	if err != nil {
		return Fact{}, err
	}
	key, at, err := r.required(node, in, "key", "say what the fact is about, for example `key: discovered`")
	if err != nil {
		return Fact{}, err
	}
	kind, ok := keyForms[key]
	if !ok {
		return Fact{}, r.fail(at, suggest(key, keyOrder), "there is no fact %q", clip(key))
	}
	allowed := slices.Concat(commonFields, formFields[kind.form])
	if kind.listed {
		allowed = append(allowed, listedFields...)
	}
	for _, name := range every { // in a fixed order, so that the same file gets the same error
		if n, given := in[name]; given && !slices.Contains(allowed, name) {
			return Fact{}, r.fail(placeOf(n), "known of it: "+strings.Join(allowed, ", "), "`%s` does not belong to %q", name, key)
		}
	}
	f := Fact{Key: key, AsOf: r.asOf, Certainty: Confirmed}
	if err := r.about(&f, in); err != nil {
		return Fact{}, err
	}
	if f.Retracted {
		if _, given := in["value"]; given || f.Item == "" {
			return Fact{}, r.fail(placeOf(node), "write `{key: "+key+", id: ID, retract: true}` without a value", "a retraction names an item by its id and has no value")
		}
		return f, nil
	}
	value, given := in["value"]
	if !given {
		return Fact{}, r.fail(placeOf(node), "add `value`", "%q has no value", key)
	}
	if f.Value, err = r.value(kind, key, value, in); err != nil {
		return Fact{}, err
	}
	if kind.listed && f.Item == "" {
		f.Item = defaultItem(f, i)
	}
	return f, nil
}

// about reads what may stand in every fact.
func (r *factsReader) about(f *Fact, in fields) (err error) {
	if node, ok := in["certainty"]; ok {
		word, err := r.word(node, "certainty", certainties)
		if err != nil {
			return err
		}
		f.Certainty = Certainty(word)
	}
	if node, ok := in["source"]; ok {
		if f.Source, err = r.text(node, "source", maxURL); err != nil {
			return err
		}
	}
	if node, ok := in["asOf"]; ok {
		if f.AsOf, err = r.moment(node, "asOf"); err != nil {
			return err
		}
	}
	if node, ok := in["id"]; ok {
		if f.Item, err = r.text(node, "id", maxWord); err != nil {
			return err
		}
		if !validItem(f.Item) {
			return r.fail(placeOf(node), "use a-z, 0-9, hyphen, dot and colon, at most 64", "%q cannot be an item's id", clip(f.Item))
		}
	}
	if node, ok := in["retract"]; ok {
		b, ok := node.(*ast.BoolNode)
		if !ok {
			return r.fail(placeOf(node), "write `retract: true`", "`retract` is neither true nor false")
		}
		f.Retracted = b.Value
	}
	return nil
}

// value reads the value of a fact and the members that go with it.
func (r *factsReader) value(kind keyForm, key string, node ast.Node, in fields) (v Value, err error) {
	switch kind.form {
	case formTime:
		if v.Time, err = r.moment(node, "value"); err == nil {
			v.Qualifier, err = r.optionalWord(in, "qualifier", qualifiers[:2])
		}
		return v, err
	case formNext:
		if s, e := r.text(node, "value", maxWord); e == nil && s == NoNext {
			v.Word = NoNext
			return v, nil
		}
		if v.Time, err = r.moment(node, "value"); err == nil {
			v.Qualifier, err = r.optionalWord(in, "qualifier", qualifiers[:2])
		}
		return v, err
	case formCount:
		if v.Number, err = r.number(node, "value"); err == nil {
			err = r.unit(&v, kind, node, in)
		}
		if err == nil {
			v.Region, err = r.region(key, node, in)
		}
		return v, err
	case formDomain:
		if v.Word, err = r.text(node, "value", maxWord); err != nil {
			return v, err
		}
		if Domain(v.Word) != v.Word {
			return v, r.fail(placeOf(node), "write the name alone, in lower case and without www., for example example.co.jp", "`value` is not a domain: %q", clip(v.Word))
		}
		return v, nil
	case formWord:
		allowed := kind.words
		if allowed == nil {
			for _, c := range classes {
				allowed = append(allowed, c.Word)
			}
		}
		if v.Word, err = r.word(node, "value", allowed); err != nil {
			return v, err
		}
		if original, ok := in["original"]; ok {
			v.Original, err = r.text(original, "original", maxWord)
		}
		return v, err
	case formCountry:
		if v.Word, err = r.text(node, "value", maxWord); err != nil {
			return v, err
		}
		if !knownCountry(v.Word) {
			return v, r.fail(placeOf(node), "write its two letters of ISO 3166-1, for example JP", "`value` is not a country: %q", clip(v.Word))
		}
		return v, nil
	case formSource:
		return r.source(node, in)
	case formContact:
		return r.contact(node)
	case formDamage:
		if v.Word, err = r.word(node, "value", damageKinds); err != nil {
			return v, err
		}
		v.Status, err = r.requiredWord(node, in, "status", damageStatuses)
		return v, err
	}
	if v.Text, err = r.texts(node, "value"); err != nil {
		return v, err
	}
	switch kind.form {
	case formService:
		v.Status, err = r.requiredWord(node, in, "status", serviceStatuses)
	case formAction:
		v.Status, err = r.requiredWord(node, in, "status", actionStatuses)
	case formExcluded:
		if count, ok := in["count"]; ok {
			if v.Number, err = r.number(count, "count"); err == nil {
				err = r.unit(&v, kind, count, in)
			}
		} else if unit, ok := in["unit"]; ok {
			err = r.fail(placeOf(unit), "add `count`, or leave the unit out", "a unit without a count")
		}
	}
	if err != nil {
		return v, err
	}
	if at, ok := in["at"]; ok {
		if v.Time, err = r.moment(at, "at"); err != nil {
			return v, err
		}
	} else if kind.form == formAddendum {
		return v, r.fail(placeOf(node), "add `at`, when it was published", "%q has no time", key)
	}
	if promised, ok := in["promised"]; ok {
		if v.Promised, err = r.moment(promised, "promised"); err != nil {
			return v, err
		}
	}
	if kind.form == formAction {
		v.Qualifier, err = r.optionalWord(in, "qualifier", qualifiers[:2])
	}
	return v, err
}

// number reads node as a count of things: a whole number, not negative, below 2^53 so that JSON holds it exactly.
func (r *factsReader) number(node ast.Node, name string) (*int64, error) {
	if integer, ok := node.(*ast.IntegerNode); ok {
		if n, err := strconv.ParseInt(strings.ReplaceAll(integer.GetToken().Value, "_", ""), 10, 64); err == nil && n >= 0 && n < 1<<53 {
			return &n, nil
		}
	}
	return nil, r.fail(placeOf(node), "write a whole number without separators, for example 1692496", "`%s` is not a count", name)
}

// unit reads unit and qualifier of a number. A unit is never assumed: records are not persons, and attempts are
// not victims.
func (r *factsReader) unit(v *Value, kind keyForm, node ast.Node, in fields) (err error) {
	if v.Unit, err = r.requiredWord(node, in, "unit", kind.units); err != nil {
		return err
	}
	if v.Qualifier, err = r.optionalWord(in, "qualifier", qualifiers); err == nil && v.Qualifier == "" {
		v.Qualifier = "exact"
	}
	return err
}

// region reads where the people of a partial count live. A part without its region could be taken for the whole, and
// a whole with one for a part.
func (r *factsReader) region(key string, node ast.Node, in fields) (string, error) {
	given, ok := in["region"]
	switch {
	case key != "affected.part" && ok:
		return "", r.fail(placeOf(given), "record it as `affected.part`", "`region` does not belong to %q", key)
	case key != "affected.part":
		return "", nil
	case !ok:
		return "", r.fail(placeOf(node), "add `region`, for example `region: US-WA`", "%q has no region", key)
	}
	s, err := r.text(given, "region", maxWord)
	if err == nil && !regionCode.MatchString(s) {
		err = r.fail(placeOf(given), "write the code of ISO 3166-1 or 3166-2, for example JP or US-WA", "%q is not a region", clip(s))
	}
	return s, err
}

// texts reads one text for both languages, or {ja, en} of which one may be missing.
func (r *factsReader) texts(node ast.Node, name string) (language.Text, error) {
	switch node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		s, err := r.text(node, name, maxText)
		return language.Same(s), err
	}
	in, err := r.mapping(node, "a text", []string{"ja", "en"})
	if err != nil {
		return language.Text{}, err
	}
	var t language.Text
	for _, side := range []struct {
		name string
		to   *string
	}{{"ja", &t.JA}, {"en", &t.EN}} {
		if n, ok := in[side.name]; ok {
			if *side.to, err = r.text(n, name+"."+side.name, maxText); err != nil {
				return language.Text{}, err
			}
		}
	}
	if t.JA == "" {
		t.JA = t.EN
	}
	if t.EN == "" {
		t.EN = t.JA
	}
	if t.JA == "" {
		return language.Text{}, r.fail(placeOf(node), "write `{ja: ..., en: ...}`", "`%s` is empty", name)
	}
	return t, nil
}

// word reads node as one of allowed.
func (r *factsReader) word(node ast.Node, name string, allowed []string) (string, error) {
	s, err := r.text(node, name, maxWord)
	if err != nil {
		return "", err
	}
	if !slices.Contains(allowed, s) {
		return "", r.fail(placeOf(node), suggest(s, allowed), "`%s` cannot be %q", name, clip(s))
	}
	return s, nil
}

func (r *factsReader) optionalWord(in fields, name string, allowed []string) (string, error) {
	if node, ok := in[name]; ok {
		return r.word(node, name, allowed)
	}
	return "", nil
}

func (r *factsReader) requiredWord(near ast.Node, in fields, name string, allowed []string) (string, error) {
	if _, ok := in[name]; !ok {
		return "", r.fail(placeOf(near), "add `"+name+"`: "+strings.Join(allowed, ", "), "`%s` is missing", name)
	}
	return r.word(in[name], name, allowed)
}

// link reads node as an http or https URL.
func (r *factsReader) link(node ast.Node, name string) (string, error) {
	s, err := r.text(node, name, maxURL)
	if err != nil {
		return "", err
	}
	if !webLink(s) {
		return "", r.fail(placeOf(node), "begin it with https:// or http://", "`%s` is not a web address", name)
	}
	return s, nil
}

func webLink(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// source reads a URL, or a citation in both languages.
func (r *factsReader) source(node ast.Node, in fields) (v Value, err error) {
	v.Text, err = r.texts(node, "value")
	if err != nil {
		return v, err
	}
	if webLink(v.Text.JA) && v.Text.JA == v.Text.EN {
		v.URL, v.Text = v.Text.JA, language.Text{}
	}
	if fetched, ok := in["fetched"]; ok {
		if v.Fetched, err = r.moment(fetched, "fetched"); err != nil {
			return v, err
		}
	}
	if sum, ok := in["sha256"]; ok {
		if v.SHA256, err = r.text(sum, "sha256", maxWord); err != nil {
			return v, err
		}
		if raw, err := hex.DecodeString(v.SHA256); err != nil || len(raw) != 32 || strings.ToLower(v.SHA256) != v.SHA256 {
			return v, r.fail(placeOf(sum), "write the 64 lower-case hex digits that `sha256sum FILE` prints", "`sha256` is not a SHA-256")
		}
	}
	if quote, ok := in["quote"]; ok {
		if v.Quote, err = r.text(quote, "quote", maxQuote); err != nil {
			return v, err
		}
	}
	if licence, ok := in["licence"]; ok {
		v.Licence, err = r.text(licence, "licence", maxWord)
	}
	return v, err
}

// contact reads the desk people can turn to.
func (r *factsReader) contact(node ast.Node) (v Value, err error) {
	in, err := r.mapping(node, "a contact", []string{"name", "url", "telephone", "hours"})
	if err != nil {
		return v, err
	}
	if n, ok := in["name"]; ok {
		if v.Text, err = r.texts(n, "name"); err != nil {
			return v, err
		}
	}
	if n, ok := in["url"]; ok {
		if v.URL, err = r.link(n, "url"); err != nil {
			return v, err
		}
	}
	if n, ok := in["telephone"]; ok {
		if v.Telephone, err = r.text(n, "telephone", maxWord); err != nil {
			return v, err
		}
	}
	if n, ok := in["hours"]; ok {
		if v.Hours, err = r.texts(n, "hours"); err != nil {
			return v, err
		}
	}
	if v.URL == "" && v.Telephone == "" {
		return v, r.fail(placeOf(node), "add `url` or `telephone`", "a contact nobody can reach")
	}
	return v, nil
}

// defaultItem names an item that was given no id: by its word, else by its place in the file.
func defaultItem(f Fact, i int) string {
	if f.Value.Word != "" && f.Value.Original != "" && f.Value.Word == otherWord {
		return ItemID(otherWord + ":" + f.Value.Original)
	}
	if f.Value.Word != "" {
		return f.Value.Word
	}
	if f.Value.Region != "" {
		return strings.ToLower(f.Value.Region)
	}
	return f.Key + "-" + strconv.Itoa(i+1)
}

// clash refuses a second fact that says something else about the same thing as of the same time: which of the two
// is meant cannot be known.
func (r *factsReader) clash(seen map[string]bool, f Fact, node ast.Node) error {
	about := f.Key + "\x00" + f.Item + "\x00" + f.AsOf.String()
	if seen[about] {
		return r.fail(placeOf(node), "keep one, or give the later one its own asOf (and, in a list, another id)", "a second fact about %q as of the same time", strings.TrimSuffix(f.Key+" "+f.Item, " "))
	}
	seen[about] = true
	return nil
}
