// Package document writes what an authority or a person is owed from what a case knows: facts, notices, and what was stated for
// authorities alone. Each document has its items in the order of the text that asks for them, each with its gap where nobody knows
// it. It stores nothing and sends nothing; the same knowledge gives the same document.
package document

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Errors of this package.
var (
	// ErrKind says that there is no document of that kind.
	ErrKind = errors.New("there is no such document")
	// ErrDocument says that something is no document, or no mapping for one.
	ErrDocument = errors.New("not a document")
)

// What stands before all else in whatever form of a document that was written in an exercise: whoever takes a part of it along takes it along.
const (
	markJA = "【訓練 EXERCISE：提出しないでください】"
	markEN = "[EXERCISE 訓練, not to be sent] "
)

// mark is what an exercise's document says of itself in each part of it; "" where it is none.
func (d *Document) mark() string {
	if !d.Exercise {
		return ""
	}
	return d.Language().Pick(markJA, markEN)
}

// State says how an item stands.
type State string

const (
	Known   State = "known"
	Unknown State = "unknown" // asked, and not known as of the document's time: 未確認
	Missing State = "missing" // nobody has said anything of it
)

// An Item is one thing that a document has to say.
type Item struct {
	Key    string        `json:"key"`
	Name   language.Text `json:"name"` // as the text that asks for it calls it
	Rule   string        `json:"rule,omitzero"`
	Text   string        `json:"text"`
	State  State         `json:"state"`
	Gap    language.Text `json:"gap,omitzero"` // what is not known, and what to do about it
	Length int           `json:"length"`       // of Text, in characters
	Facts  []string      `json:"facts,omitzero"`
}

// A Document is one as it stands, or was sent.
type Document struct {
	V        int           `json:"v"` // 1
	Kind     string        `json:"kind"`
	Title    string        `json:"title"`
	Case     string        `json:"case"`
	Lang     string        `json:"lang"`
	Exercise bool          `json:"exercise,omitzero"` // nothing of it is real, and every form of it says so first
	At       time.Time     `json:"at"`                // that it speaks as of
	Zone     string        `json:"zone,omitzero"`     // of all its times, as an offset; "" is Japan's
	Complete bool          `json:"complete"`
	Also     string        `json:"also,omitzero"` // the kind that it serves as too: a complete 速報 is a 確報
	Items    []Item        `json:"items"`
	Note     language.Text `json:"note,omitzero"` // what whoever hands it in has to know
	Changes  []Change      `json:"changes,omitzero"`
}

// A Change is what differs between two documents, of one item.
type Change struct {
	Key  string        `json:"key"`
	Name language.Text `json:"name"`
	Was  string        `json:"was"`
	Is   string        `json:"is"`
}

// Stated is what was said of an item beside the facts: for an authority alone, since facts are made public.
type Stated struct {
	Text    string
	Unknown bool // it was asked, and is not known
}

// Input is what is known.
type Input struct {
	Incident  incident.Incident
	Notices   []incident.Notice
	Title     string // of the case
	Operator  string // the organisation that declared it
	Knowledge incident.Moment
	Stated    map[string]Stated // by the key of an item
	URL       string            // of this instance; "" where it is not known
	Exercise  bool              // nothing of it is real, and the document says so in its title
	At        time.Time
	Asked     *Asked // what came to the desk; nil: there is none

	Prevention []string // what is to be done after the case, in words, with its day; nobody is named
	Lessons    []string // what was learnt
}

// Asked is how many enquiries came until a moment: the beginning of a day, so that a document that was looked at is still the same when it is
// handed in.
type Asked struct {
	N     int64
	Until time.Time
}

// Kind is a kind of document.
type Kind struct {
	ID     string
	Name   language.Text
	To     language.Text
	Lang   language.Lang // that it is handed in in
	Both   bool          // it is written in both languages
	Clocks []string      // whose work it is
	Also   string        // the kind that it serves as where it is complete
	Note   language.Text
	items  []item
}

// Private reports whether what was stated for authorities stands in it.
func (k Kind) Private() bool { return !k.Both }

// Keys are the items that a kind has.
func (k Kind) Keys() []string {
	var out []string
	for _, i := range k.items {
		out = append(out, i.key)
	}
	return out
}

// item is what a kind asks for: told gives what the facts say of it, and the keys of these.
type item struct {
	key  string
	name language.Text
	rule string
	told func(w *writer) section
}

// section is what facts say of an item.
type section struct {
	lines   []string
	facts   []string
	unknown string // what of it is not known, in the document's language
}

// Get gives a kind. Errors: ErrKind.
func Get(id string) (Kind, error) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.ID == id })
	if i < 0 {
		return Kind{}, fmt.Errorf("%w: %q", ErrKind, id)
	}
	return kinds[i], nil
}

// Kinds lists the kinds, in the order in which they are offered.
func Kinds() []Kind { return slices.Clone(kinds) }

const japan = "+09:00"

// zone is that of a document's times: Japan's of what is read there, and else that in which the case says when it was known, or its facts tell
// their hours.
func (in Input) zone(lang language.Lang) *time.Location {
	switch zone := in.Incident.Zone(); {
	case lang == language.JA:
		return incident.Japan
	case in.Knowledge.Exact():
		return in.Knowledge.Time.Location()
	case zone != nil:
		return zone
	}
	return incident.Japan
}

// Write writes a document of a kind.
func Write(k Kind, lang language.Lang, in Input) *Document {
	if !k.Both {
		lang = k.Lang
	}
	w := &writer{Input: in, lang: lang, zone: in.zone(lang)}
	w.Incident = in.Incident.InZone(w.zone)
	d := &Document{V: 1, Kind: k.ID, Title: k.Name.In(lang), Case: in.Incident.ID, Lang: string(lang), At: in.At.UTC().Truncate(time.Second), Complete: true, Note: k.Note}
	if zone := in.At.In(w.zone).Format("-07:00"); zone != japan {
		d.Zone = zone
	}
	if in.Exercise {
		d.Exercise, d.Title = true, lang.Pick(markJA, markEN)+d.Title
	}
	for _, spec := range k.items {
		d.Items = append(d.Items, w.item(k, spec))
		if d.Items[len(d.Items)-1].State != Known {
			d.Complete = false
		}
	}
	if d.Complete {
		d.Also = k.Also
	}
	return d
}

func (w *writer) item(k Kind, spec item) Item {
	s := spec.told(w)
	stated, said := w.Stated[spec.key]
	said = said && k.Private()
	if said && stated.Text != "" {
		s.lines = append(s.lines, stated.Text)
	}
	if w.Asked != nil && k.Private() && len(s.lines) > 0 && (spec.key == "damage" || spec.key == "consequences") { // a number alone says nothing of damage
		s.lines = append(s.lines, w.asked())
	}
	out := Item{Key: spec.key, Name: spec.name, Rule: spec.rule, Facts: s.facts, State: Known}
	asOf := w.zoned(incident.Moment{Time: w.At, Precision: incident.Minute})
	switch {
	case said && stated.Unknown, s.unknown != "" && !(said && !stated.Unknown && stated.Text != ""):
		out.State = Unknown
		what := s.unknown
		if what == "" || said && stated.Unknown {
			what = w.lang.Pick("確認中です", "this is being found out")
		}
		s.lines = append(s.lines, w.lang.Pick("未確認（"+asOf+"時点）："+what+"。", "Not known as of "+asOf+": "+what+"."))
		out.Gap = language.Both("未確認のまま出せます。分かったら追完してください。", "It can be handed in as not known, and is completed later.")
	case len(s.lines) == 0:
		out.State = Missing
		out.Gap = language.Both("まだ何も書かれていません。事実を記録するか、この項目に書くか、未確認としてください。", "Nothing is said of it yet: record the fact, write it here, or say that it is not known.")
	}
	out.Text = strings.Join(s.lines, "\n")
	out.Length = utf8.RuneCountInString(out.Text)
	return out
}

// Compare says what of a document was different in an earlier one.
func Compare(was, is *Document) []Change {
	var out []Change
	for _, i := range is.Items {
		before := ""
		if n := slices.IndexFunc(was.Items, func(o Item) bool { return o.Key == i.Key }); n >= 0 {
			before = was.Items[n].Text
		}
		if timeless(before) != timeless(i.Text) {
			out = append(out, Change{i.Key, i.Name, before, i.Text})
		}
	}
	return out
}

// timeless leaves out as of when something is not known, and how many have asked: that alone is no difference.
func timeless(text string) string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return strings.HasPrefix(l, askedJA) || strings.HasPrefix(l, askedEN) })
	for i, l := range lines {
		if strings.HasPrefix(l, "未確認（") || strings.HasPrefix(l, "Not known as of ") || strings.HasPrefix(l, "まだ公表していません（") || strings.HasPrefix(l, "Nothing was made public as of ") {
			if _, after, ok := strings.Cut(l, "）"); ok {
				lines[i] = after
			} else if _, after, ok := strings.Cut(l, ": "); ok {
				lines[i] = after
			} else {
				lines[i] = ""
			}
		}
	}
	return strings.Join(lines, "\n")
}

// Gaps counts the items that are not known, and those of which nothing is said.
func (d *Document) Gaps() (unknown, missing int) {
	for _, i := range d.Items {
		switch i.State {
		case Unknown:
			unknown++
		case Missing:
			missing++
		}
	}
	return unknown, missing
}

// maxDocument bounds a document that is read, in bytes.
const maxDocument = 1 << 20

// Bytes are those that are kept of a document that was sent.
func (d *Document) Bytes() ([]byte, error) {
	return json.Marshal(d, json.Deterministic(true))
}

// Digest is the hex SHA-256 of what a document says, without as of when: whoever sends it has looked at that.
func (d *Document) Digest() string {
	h := sha256.New()
	for _, i := range d.Items {
		fmt.Fprintf(h, "%s\x00%s\x00%s\x00", i.Key, i.State, timeless(i.Text))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Parse reads Bytes. Errors: ErrDocument.
func Parse(data []byte) (*Document, error) {
	var d Document
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrDocument, maxDocument)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDocument, err)
	}
	if d.V != 1 || d.Kind == "" {
		return nil, fmt.Errorf("%w: version %d", ErrDocument, d.V)
	}
	return &d, nil
}
