package incident

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"shirase/internal/hint"
	"shirase/internal/yaml"
)

// Limits of a facts file.
const (
	maxFactsFile = 1 << 20 // bytes
	maxFacts     = 5_000
	maxText      = 20_000 // characters of one text
	maxWord      = 200    // characters of an id, a citation or a telephone number
	maxURL       = 2_000
	maxQuote     = 300 // characters of a source's quotation: a reference, not a copy
)

// FactsFile is a facts file that was read and found good.
type FactsFile struct {
	ID    string // of the incident
	Facts []Fact // Recorded and Author are not set yet; an absent as-of is zero
}

var incidentID = regexp.MustCompile(`^[a-z0-9-]+$`)

// ValidID reports whether id can be an incident's: 1 to 64 of a-z, 0-9 and hyphen.
func ValidID(id string) bool { return len(id) <= 64 && incidentID.MatchString(id) }

// regionCode is the form of ISO 3166-1 alpha-2 and ISO 3166-2 codes.
var regionCode = regexp.MustCompile(`^[A-Z]{2}(-[A-Z0-9]{1,3})?$`)

// otherWord is the word for what a vocabulary has no word for; the fact keeps what it is called.
const otherWord = "other"

// ItemID makes an item's id of any text: what it cannot hold becomes a hyphen. Texts that come out alike, and long
// ones, are told apart by a digest.
func ItemID(text string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(text) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == ':', c == '.':
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	id := strings.Trim(b.String(), "-:.")
	if strings.EqualFold(id, strings.ReplaceAll(text, " ", "-")) && len(id) <= 64 {
		return id
	}
	sum := sha256.Sum256([]byte(text))
	return strings.TrimLeft(id[:min(len(id), 50)]+"-"+hex.EncodeToString(sum[:4]), "-")
}

var itemID = regexp.MustCompile(`^[a-z0-9][a-z0-9:.-]*$`)

func validItem(id string) bool { return len(id) <= 64 && itemID.MatchString(id) }

// ParseFactsFile reads a facts file: YAML with the incident's `id`, optionally `asOf` and `zone` for facts that do
// not say their own, and `facts`. Anything it does not know is refused with its place, and nothing is guessed: an
// unknown name might be a misspelt fact that would otherwise be missing from a notice. The error unwraps to ErrFacts
// and carries a hint.
func ParseFactsFile(name string, src []byte) (*FactsFile, error) {
	r := &factsReader{file: name}
	file, err := r.read(src)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// factsReader walks the YAML tree of a facts file.
type factsReader struct {
	file string
	zone *time.Location // for times without one; nil: days and months are Japan's, times of day must say
	asOf Moment
}

// Japan is its zone, and that of a day that does not say its own: most of the notices this program is for are Japan's.
var Japan = time.FixedZone("", 9*60*60)

// fields are the members of a YAML mapping by name.
type fields map[string]ast.Node

func (r *factsReader) fail(at place, remedy, problem string, args ...any) error {
	return &fileError{file: r.file, at: at, problem: fmt.Sprintf(problem, args...), remedy: remedy}
}

func placeOf(n ast.Node) place {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return place{}
	}
	p := n.GetToken().Position
	return place{p.Line, p.Column}
}

func (r *factsReader) read(src []byte) (*FactsFile, error) {
	root, err := r.parse(src)
	if err != nil {
		return nil, err
	}
	top, err := r.mapping(root, "the file", []string{"id", "zone", "asOf", "facts"})
	if err != nil {
		return nil, err
	}
	if err := r.defaults(top); err != nil {
		return nil, err
	}
	id, at, err := r.required(root, top, "id", "begin the file with the incident's id, for example `id: example-2026`")
	if err != nil {
		return nil, err
	}
	if !ValidID(id) {
		return nil, r.fail(at, "use 1 to 64 of a-z, 0-9 and hyphen, for example `id: example-2026`", "%q cannot be an incident's id", id)
	}
	list, ok := top["facts"].(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		return nil, r.fail(placeOf(root), "add at least one, for example `facts: [{key: discovered, value: \"2026-04-01\"}]`", "the file has no list of facts")
	}
	if len(list.Values) > maxFacts {
		return nil, r.fail(placeOf(list), "split it: facts can be added later", "more than %d facts", maxFacts)
	}
	file := &FactsFile{ID: id}
	seen := map[string]bool{}
	for i, node := range list.Values {
		fact, err := r.fact(node, i)
		if err != nil {
			return nil, err
		}
		if err := r.clash(seen, fact, node); err != nil {
			return nil, err
		}
		file.Facts = append(file.Facts, fact)
	}
	return file, nil
}

// parse turns src into one YAML tree of bounded depth.
func (r *factsReader) parse(src []byte) (ast.Node, error) {
	if len(src) > maxFactsFile {
		return nil, r.fail(place{}, "split it: facts can be added later", "the file is larger than %d bytes", maxFactsFile)
	}
	root, err := yaml.Parse(src, maxFactsFile)
	var bad *yaml.Error
	switch {
	case errors.As(err, &bad):
		return nil, r.fail(place{bad.Line, bad.Column}, cmp.Or(bad.Remedy, "a facts file needs three levels"), "%s", bad.Problem)
	case err != nil:
		return nil, err
	case root == nil:
		return nil, r.fail(place{}, "begin it with the incident's id, for example `id: example-2026`", "the file holds nothing")
	}
	return root, nil
}

// mapping reads node as a mapping whose names are all among known. what names it in errors.
func (r *factsReader) mapping(node ast.Node, what string, known []string) (fields, error) {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return nil, r.fail(placeOf(node), "write it as `name: value` pairs: "+strings.Join(known, ", "), "%s is not a mapping", what)
	}
	out := fields{}
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		if !ok {
			return nil, r.fail(placeOf(v.Key), "known here: "+strings.Join(known, ", "), "a name in %s is not plain text", what)
		}
		if !slices.Contains(known, key.Value) {
			return nil, r.fail(placeOf(key), suggest(key.Value, known), "%s has no %q", what, clip(key.Value))
		}
		if _, twice := out[key.Value]; twice {
			return nil, r.fail(placeOf(key), "remove one of them", "%q twice in %s", key.Value, what)
		}
		out[key.Value] = v.Value
	}
	return out, nil
}

// defaults reads the file's zone and asOf.
func (r *factsReader) defaults(top fields) error {
	if node, ok := top["zone"]; ok {
		text, err := r.text(node, "zone", maxWord)
		if err != nil {
			return err
		}
		t, err := time.Parse("Z07:00", text)
		if err != nil {
			return r.fail(placeOf(node), "write an offset, for example `zone: \"+09:00\"`", "%q is not a zone", clip(text))
		}
		r.zone = fixed(t).Location()
	}
	if node, ok := top["asOf"]; ok {
		var err error
		if r.asOf, err = r.moment(node, "asOf"); err != nil {
			return err
		}
	}
	return nil
}

// required returns the plain text of a member that has to be there.
func (r *factsReader) required(parent ast.Node, in fields, name, remedy string) (string, place, error) {
	node, ok := in[name]
	if !ok {
		return "", place{}, r.fail(placeOf(parent), remedy, "`%s` is missing", name)
	}
	text, err := r.text(node, name, maxWord)
	return text, placeOf(node), err
}

// text reads node as plain text of at most limit characters, free of control characters.
func (r *factsReader) text(node ast.Node, name string, limit int) (string, error) {
	var s string
	switch n := node.(type) {
	case *ast.StringNode:
		s = n.Value
	case *ast.LiteralNode:
		s = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode:
		s = n.GetToken().Value // 2013 or 2013.1 as an id or a title
	default:
		return "", r.fail(placeOf(node), "write a text, in quotes if need be", "`%s` is not a text", name)
	}
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", r.fail(placeOf(node), "write it, or leave the member out", "`%s` is empty", name)
	case utf8.RuneCountInString(s) > limit:
		return "", r.fail(placeOf(node), "shorten it", "`%s` is longer than %d characters", name, limit)
	}
	for _, c := range s {
		if c != '\n' && (unicode.IsControl(c) || c == utf8.RuneError || invisible(c)) {
			return "", r.fail(placeOf(node), "remove it", "`%s` holds the invisible character %U", name, c)
		}
	}
	return s, nil
}

// invisible reports the marks that can make a text read differently from its bytes: bidirectional controls, which
// turn around what stands beside them, and zero-width characters other than the joiners that scripts need.
func invisible(c rune) bool {
	switch {
	case c >= 0x202A && c <= 0x202E, c >= 0x2066 && c <= 0x2069, c == 0x200E, c == 0x200F, c == 0x061C:
		return true
	case c == 0xFEFF, c == 0x200B, c == 0x2060, c == 0x2028, c == 0x2029:
		return true
	}
	return false
}

// moment reads node as a time.
func (r *factsReader) moment(node ast.Node, name string) (Moment, error) {
	text, err := r.text(node, name, maxWord)
	if err != nil {
		return Moment{}, err
	}
	zone := r.zone
	if zone == nil && !strings.Contains(text, "T") {
		zone = Japan
	}
	m, err := ParseMoment(text, zone)
	if err != nil {
		return Moment{}, r.fail(placeOf(node), `write "2013-07-18T10:09+09:00", "2013-07-18", "2013-07" or "2013"; a time of day needs its zone, there or as the file's zone`, "`%s`: %q is not a time", name, clip(text))
	}
	if y := m.Time.Year(); y < 1900 || y > 2999 {
		return Moment{}, r.fail(placeOf(node), "check the year", "`%s`: the year %d is not plausible", name, y)
	}
	return m, nil
}

// clip shortens s for an error message.
func clip(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return s
}

// suggest names the nearest of known, and all of them.
func suggest(word string, known []string) string {
	all := "known here: " + strings.Join(known, ", ")
	for _, k := range known {
		if hint.Distance(word, k) <= 2 {
			return fmt.Sprintf("did you mean `%s`? %s", k, all)
		}
	}
	return all
}
