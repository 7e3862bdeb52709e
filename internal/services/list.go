package services

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/archive"
	"shirase/internal/incident"
)

// The form of a list and of a change (docs/FORMAT.md, the list of services). Bounds are a reader's too.
const (
	first    = `{"v":1}` // the first line of a list of this version
	maxList  = 8 << 20   // bytes
	maxItems = 100_000
	maxTexts = 64 // names, or domains, of one item
	maxText  = 300
)

// ErrList says that bytes are no list of services, or no change of one.
var ErrList = errors.New("not a list of services")

// Item is one incident of a list: by what somebody knows that they use what it affected.
type Item struct {
	ID           string
	Names        []string // the organisation's in Japanese and, "" where it is the same, in English; then other names, and services
	Domains      []string // what is below one belongs to it
	Unrelated    []string // services of which it is said that they were not affected
	Organisation string   // its id in the archive; "" where there is none
	Since        string   // a moment as facts have it; with "~" in front where it is only roughly known; "" where it is not
	Disclosed    string   // likewise
	Over         int64    // seconds since 1970: a password chosen from then on was not among what was taken; 0: nothing tells
	Classes      string   // of data, with spaces between them
}

// itemOf makes the item of an entry; false where nothing tells who uses it, or nothing is to be said of it.
func itemOf(e archive.Entry) (Item, bool) {
	it := Item{ID: e.ID, Domains: slices.Sorted(slices.Values(e.Use.Domains)), Unrelated: e.Use.Unrelated, Organisation: e.OrganisationID, Classes: strings.Join(e.Classes, " ")}
	if t := e.Organisation; t.JA != "" {
		it.Names = []string{t.JA, ""}
		if t.EN != t.JA {
			it.Names[1] = t.EN
		}
	} else if len(e.Use.Names) > 0 {
		it.Names = []string{e.Title.JA, ""}
		if e.Title.EN != e.Title.JA {
			it.Names[1] = e.Title.EN
		}
	}
	for _, name := range e.Use.Names {
		if !slices.Contains(it.Names, name) {
			it.Names = append(it.Names, name)
		}
	}
	it.Names, it.Domains, it.Unrelated = fitting(it.Names), fitting(it.Domains), fitting(it.Unrelated)
	if len(it.Names) == 2 && it.Names[1] == "" {
		it.Names = it.Names[:1]
	}
	if m := e.Use.Since; !m.IsZero() {
		it.Since = m.String()
		if e.Use.About {
			it.Since = "~" + it.Since
		}
	}
	if !e.Disclosed.IsZero() {
		it.Disclosed = e.Disclosed.String()
	}
	if !e.Use.Over.IsZero() {
		it.Over = max(0, e.Use.Over.Unix())
	}
	return it, !e.Withdrawn && len(it.Names)+len(it.Domains) > 0
}

// fitting leaves out what readers do not take.
func fitting(texts []string) []string {
	texts = slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return len(s) > maxText })
	return texts[:min(len(texts), maxTexts)]
}

// line is an item as it stands in a list: a JSON array, in the bytes that RFC 8785 gives it.
func (it Item) line() ([]byte, error) {
	b, err := json.Marshal([]any{it.ID, it.Names, it.Domains, it.Unrelated, it.Organisation, it.Since, it.Disclosed, it.Over, it.Classes})
	if err != nil {
		return nil, err
	}
	v := jsontext.Value(b)
	return v, v.Canonicalize()
}

// Encode writes a list: its first line, and a line an item in the order of their ids.
func Encode(items []Item) ([]byte, error) {
	items = slices.SortedFunc(slices.Values(items), func(a, b Item) int { return cmp.Compare(a.ID, b.ID) })
	var b bytes.Buffer
	b.WriteString(first + "\n")
	for i, it := range items {
		if i > 0 && items[i-1].ID == it.ID {
			return nil, fmt.Errorf("%w: %s is there twice", ErrList, it.ID)
		}
		line, err := it.line()
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrList, it.ID, err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	if b.Len() > maxList || len(items) > maxItems {
		return nil, fmt.Errorf("%w: %d incidents in %d bytes, more than readers take", ErrList, len(items), b.Len())
	}
	return b.Bytes(), nil
}

// Parse reads a list, strictly: what it gives, encoded, is the same bytes.
func Parse(data []byte) ([]Item, error) {
	lines, err := linesOf(data)
	if err != nil {
		return nil, err
	}
	if lines[0] != first {
		return nil, fmt.Errorf("%w: its first line is not that of version 1", ErrList)
	}
	items := make([]Item, 0, len(lines)-1)
	for i, line := range lines[1:] {
		it, err := parseItem(line)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrList, i+2, err)
		}
		if i > 0 && items[i-1].ID >= it.ID {
			return nil, fmt.Errorf("%w: line %d: not in the order of ids", ErrList, i+2)
		}
		items = append(items, it)
	}
	return items, nil
}

func linesOf(data []byte) ([]string, error) {
	if len(data) > maxList || !utf8.Valid(data) || !bytes.HasSuffix(data, []byte("\n")) {
		return nil, fmt.Errorf("%w: too long, not UTF-8, or cut off", ErrList)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) > maxItems+1 {
		return nil, fmt.Errorf("%w: more than %d incidents", ErrList, maxItems)
	}
	return lines, nil
}

var idPattern = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

func parseItem(line string) (it Item, err error) {
	var raw []jsontext.Value
	if err := json.Unmarshal([]byte(line), &raw); err != nil {
		return it, err
	}
	to := []any{&it.ID, &it.Names, &it.Domains, &it.Unrelated, &it.Organisation, &it.Since, &it.Disclosed, &it.Over, &it.Classes}
	if len(raw) != len(to) {
		return it, fmt.Errorf("%d members, not %d", len(raw), len(to))
	}
	for i, v := range raw {
		if err := json.Unmarshal(v, to[i]); err != nil {
			return it, err
		}
	}
	switch {
	case !idPattern.MatchString(it.ID):
		return it, errors.New("its id is none")
	case len(it.Names) > maxTexts || len(it.Domains) > maxTexts || len(it.Unrelated) > maxTexts || len(it.Names)+len(it.Domains) == 0:
		return it, errors.New("too many names or domains, or none")
	case slices.ContainsFunc(slices.Concat(it.Names, it.Unrelated), func(s string) bool { return len(s) > maxText }):
		return it, errors.New("a name is too long")
	case slices.ContainsFunc(it.Domains, func(s string) bool { return incident.Domain(s) != s || s == "" }):
		return it, errors.New("a domain is none")
	case !moment(it.Since) || !moment(it.Disclosed) || it.Over < 0:
		return it, errors.New("a time is none")
	}
	same, err := it.line()
	if err == nil && string(same) != line {
		err = errors.New("not in its canonical bytes")
	}
	return it, err
}

// moment reports whether s is one in the form that facts are kept in, or nothing.
func moment(s string) bool {
	if s = strings.TrimPrefix(s, "~"); s == "" {
		return true
	}
	var m incident.Moment
	return m.UnmarshalText([]byte(s)) == nil
}

// Hash names a list: the SHA-256 of its bytes, in hex.
func Hash(list []byte) string {
	sum := sha256.Sum256(list)
	return hex.EncodeToString(sum[:])
}

// Change is what makes one list into another: a first line that names both, ids of what is not there any more, and lines that are
// new or say something else. Whoever applies it hashes what comes out, so it needs no signature.
func Change(from, to []byte) ([]byte, error) {
	before, err := linesOf(from)
	if err != nil {
		return nil, err
	}
	after, err := linesOf(to)
	if err != nil {
		return nil, err
	}
	was := map[string]string{}
	for _, line := range before[1:] {
		was[lineID(line)] = line
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"from":"%s","to":"%s","v":1}`+"\n", Hash(from), Hash(to))
	var changed []string
	for _, line := range after[1:] {
		id := lineID(line)
		if was[id] != line {
			changed = append(changed, line)
		}
		delete(was, id)
	}
	for _, line := range before[1:] {
		if id := lineID(line); was[id] != "" {
			fmt.Fprintf(&b, "%q\n", id)
		}
	}
	for _, line := range changed {
		b.WriteString(line + "\n")
	}
	return b.Bytes(), nil
}

// lineID is the id in a line of a list of this program's: it has no character that JSON would escape.
func lineID(line string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(line, `["`), `"`)
	return id
}

// Apply makes the list that a change leads to. Errors: ErrList.
func Apply(from, change []byte) ([]byte, error) {
	lines, err := linesOf(from)
	if err != nil {
		return nil, err
	}
	steps, err := linesOf(change)
	if err != nil {
		return nil, err
	}
	var names struct {
		From string `json:"from"`
		To   string `json:"to"`
		V    int    `json:"v"`
	}
	if err := json.Unmarshal([]byte(steps[0]), &names, json.RejectUnknownMembers(true)); err != nil || names.V != 1 || names.From != Hash(from) {
		return nil, fmt.Errorf("%w: the change is not one of this list", ErrList)
	}
	is := map[string]string{}
	for _, line := range lines[1:] {
		is[lineID(line)] = line
	}
	for _, step := range steps[1:] {
		if id, ok := strings.CutPrefix(step, `"`); ok {
			delete(is, strings.TrimSuffix(id, `"`))
			continue
		}
		is[lineID(step)] = step
	}
	var b bytes.Buffer
	b.WriteString(first + "\n")
	for _, line := range slices.SortedFunc(maps.Values(is), func(a, b string) int { return cmp.Compare(lineID(a), lineID(b)) }) {
		b.WriteString(line + "\n")
	}
	if Hash(b.Bytes()) != names.To {
		return nil, fmt.Errorf("%w: what the change makes is not what it names", ErrList)
	}
	return b.Bytes(), nil
}

// Head is what the ledger commits to of a list (kind services).
type Head struct {
	Bytes     int64  `json:"bytes"`
	Incidents int64  `json:"incidents"`
	List      string `json:"list"` // its hash
	Time      string `json:"time"` // when it was made, RFC 3339 in UTC
	V         int    `json:"v"`    // 1
}

func headOf(list []byte, incidents int, now time.Time) ([]byte, error) {
	b, err := json.Marshal(Head{int64(len(list)), int64(incidents), Hash(list), now.UTC().Truncate(time.Second).Format(time.RFC3339), 1})
	if err != nil {
		return nil, err
	}
	v := jsontext.Value(b)
	return v, v.Canonicalize()
}
