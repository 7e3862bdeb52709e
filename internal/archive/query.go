package archive

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"shirase/internal/hint"
	"shirase/internal/incident"
)

// Query is a search of the archive. Within a list any value may hold, between the lists all have to.
type Query struct {
	Text           string // terms that all have to be found; "in quotation marks" as they stand
	Years          []int
	Months         []string // 2013-07, or "unknown" of those whose date is known to the year only
	Sectors        []string
	Causes         []string
	Classes        []string // "password" is each of its forms
	Countries      []string
	Certifications []string
	Datasets       []string // Own for the operator's own incidents
	Sizes          []string // how many are affected, one of Sizes
	Disclose       []string // from discovery to disclosure, one of DiscloseTimes
	Organisation   string   // its id
	Sort           string   // one of Sorts; "" is relevance where there is a text, else newest
	Cursor         string   // where a page before this one ended; only with the same sort
	Limit          int      // entries a page; 0 is DefaultLimit
}

// Own stands in a query for the incidents that are the operator's own and come from no data set.
const Own = "own"

// Limits of a search.
const (
	DefaultLimit = 20
	MaxLimit     = 100
	maxValues    = 40  // of one facet
	maxFacetWord = 200 // characters
)

// The orders of a search.
const (
	Newest    = "newest"
	Oldest    = "oldest"
	Largest   = "largest"
	Updated   = "updated"
	Relevance = "relevance"
)

// Sorts lists the orders a search can have.
var Sorts = []string{Newest, Oldest, Largest, Updated, Relevance}

// Sizes lists the classes of affected.count. Units are not told apart: it is a coarse measure.
var Sizes = []string{"1-999", "1000-9999", "10000-99999", "100000-999999", "1000000-", unknownWord}

// DiscloseTimes lists the classes of the time from discovery to disclosure, in days.
var DiscloseTimes = []string{"0-1", "2-3", "4-7", "8-30", "31-90", "91-365", "366-", unknownWord}

const unknownWord = "unknown"

func sizeOf(v incident.Value) string {
	if v.Number == nil {
		return unknownWord
	}
	for i, limit := range []int64{1_000, 10_000, 100_000, 1_000_000} {
		if *v.Number < limit {
			return Sizes[i]
		}
	}
	return Sizes[4]
}

func discloseOf(s *Span) string {
	if s == nil {
		return unknownWord
	}
	for i, days := range []int64{1, 3, 7, 30, 90, 365} {
		if s.Minutes <= days*24*60 {
			return DiscloseTimes[i]
		}
	}
	return DiscloseTimes[6]
}

// queryError is a search that is not accepted, with what to do.
func queryError(remedy, why string, args ...any) error {
	return hint.Add(fmt.Errorf("%w: %s", ErrQuery, fmt.Sprintf(why, args...)), remedy)
}

var (
	datasetWord = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	countryWord = regexp.MustCompile(`^([A-Z]{2}|[0-9]{3})$`)
	monthWord   = regexp.MustCompile(`^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])$`)
)

// lists are the parameters of a query that may be given several times, with the words they may have.
func (q *Query) lists() []struct {
	name string
	to   *[]string
	ok   func(string) bool
	hint string
} {
	among := func(words []string) func(string) bool {
		return func(w string) bool { return slices.Contains(words, w) }
	}
	return []struct {
		name string
		to   *[]string
		ok   func(string) bool
		hint string
	}{
		{"sector", &q.Sectors, among(append(words("sector"), unknownWord)), "its words are in /api/v1/vocabulary"},
		{"cause", &q.Causes, among(append(words("cause"), unknownWord)), "its words are in /api/v1/vocabulary"},
		{"class", &q.Classes, func(w string) bool { return w == unknownWord || incident.KnownClass(w) }, "its words are in /api/v1/vocabulary"},
		{"country", &q.Countries, func(w string) bool { return w == unknownWord || countryWord.MatchString(w) }, "two letters of ISO 3166-1, for example JP"},
		{"certification", &q.Certifications, func(w string) bool { return utf8.RuneCountInString(w) <= maxFacetWord && unmarked(w) }, "for example ISO 27001"},
		{"dataset", &q.Datasets, datasetWord.MatchString, "for example own, or the name of a data set"},
		{"size", &q.Sizes, among(Sizes), "one of " + strings.Join(Sizes, ", ")},
		{monthFacet, &q.Months, func(w string) bool { return w == unknownWord || monthWord.MatchString(w) }, "a year and a month, for example 2013-07"},
		{"disclose", &q.Disclose, among(DiscloseTimes), "one of " + strings.Join(DiscloseTimes, ", ")},
	}
}

// words are those of a vocabulary.
func words(vocabulary string) []string {
	var out []string
	for _, t := range incident.Terms(vocabulary) {
		out = append(out, t.Word)
	}
	return out
}

// unmarked reports whether a text has no control characters and no marks that change the direction of writing.
func unmarked(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) })
}

// ParseQuery reads a search from the parameters of a URL: q, year, month, sector, cause, class, country, certification,
// dataset, size, disclose, organisation, sort, cursor, limit. Empty ones say nothing, as a form sends them; lang
// belongs to the page. Unknown names and words are refused, because a filter that is quietly dropped gives an answer
// to another question. The error unwraps to ErrQuery and carries a hint.
func ParseQuery(v url.Values) (Query, error) {
	var q Query
	lists := q.lists()
	for name, values := range v {
		i := slices.IndexFunc(lists, func(l struct {
			name string
			to   *[]string
			ok   func(string) bool
			hint string
		}) bool {
			return l.name == name
		})
		switch {
		case i >= 0:
			for _, w := range values {
				if w == "" || slices.Contains(*lists[i].to, w) {
					continue
				}
				if !lists[i].ok(w) {
					return Query{}, queryError(lists[i].hint, "%s: %.60q", name, w)
				}
				*lists[i].to = append(*lists[i].to, w)
			}
			if len(*lists[i].to) > maxValues {
				return Query{}, queryError("ask for fewer at once", "more than %d values of %s", maxValues, name)
			}
		case name == "year":
			if err := q.years(values); err != nil {
				return Query{}, err
			}
		case name == "lang":
		default:
			if err := q.single(name, values); err != nil {
				return Query{}, err
			}
		}
	}
	if q.Cursor != "" {
		if _, err := parseCursor(q.Cursor, q.sort()); err != nil {
			return Query{}, err
		}
	}
	return q, nil
}

func (q *Query) years(values []string) error {
	for _, w := range values {
		if w == "" {
			continue
		}
		y, err := strconv.Atoi(w)
		if err != nil || y < 1900 || y > 2200 || strconv.Itoa(y) != w {
			return queryError("four digits, for example 2013", "year: %.60q", w)
		}
		if !slices.Contains(q.Years, y) {
			q.Years = append(q.Years, y)
		}
	}
	if len(q.Years) > maxValues {
		return queryError("ask for fewer at once", "more than %d years", maxValues)
	}
	return nil
}

// single reads a parameter that is given once.
func (q *Query) single(name string, values []string) error {
	w := ""
	for _, v := range values {
		if v != "" && w != "" {
			return queryError("give it once", "%.40q more than once", name)
		}
		w += v
	}
	switch name {
	case "q":
		switch {
		case !utf8.ValidString(w):
			return queryError("write it as UTF-8", "the text is not UTF-8")
		case utf8.RuneCountInString(w) > maxQueryText:
			return queryError("search for fewer words", "the text is longer than %d characters", maxQueryText)
		}
		q.Text = strings.Join(strings.FieldsFunc(w, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
		}), " ")
		if len(phrases(q.Text)) > maxQueryTerms {
			return queryError("search for fewer words", "more than %d words", maxQueryTerms)
		}
	case "organisation":
		if w != "" && !organisationID.MatchString(w) {
			return queryError("its id stands in the address of its page", "organisation: %.60q", w)
		}
		q.Organisation = w
	case "sort":
		if w != "" && !slices.Contains(Sorts, w) {
			return queryError("one of "+strings.Join(Sorts, ", "), "sort: %.60q", w)
		}
		q.Sort = w
	case "cursor":
		q.Cursor = w
	case "limit":
		if w == "" {
			return nil
		}
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 || n > MaxLimit {
			return queryError(fmt.Sprintf("a number from 1 to %d", MaxLimit), "limit: %.60q", w)
		}
		q.Limit = n
	default:
		return queryError("known are q, year, month, sector, cause, class, country, certification, dataset, size, disclose, organisation, sort, cursor, limit",
			"unknown parameter %.40q", name)
	}
	return nil
}

// Values is the query as URL parameters: the same search always has the same URL.
func (q Query) Values() url.Values {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("q", q.Text)
	for _, l := range q.lists() {
		if len(*l.to) > 0 {
			v[l.name] = slices.Sorted(slices.Values(*l.to))
		}
	}
	for _, y := range slices.Sorted(slices.Values(q.Years)) {
		v.Add("year", strconv.Itoa(y))
	}
	set("organisation", q.Organisation)
	set("sort", q.Sort)
	set("cursor", q.Cursor)
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// sort is the order that Sort means.
func (q Query) sort() string {
	switch {
	case q.Sort != "":
		return q.Sort
	case q.Text != "":
		return Relevance
	}
	return Newest
}

// Filtered reports whether q asks for anything but the whole archive.
func (q Query) Filtered() bool {
	q.Sort, q.Cursor, q.Limit = "", "", 0
	return len(q.Values()) > 0
}

// cursor is where a page ended: what the last entry is sorted by, and its number.
type cursor struct {
	tier int64 // of relevance
	key  int64
	num  int64
}

// String writes a cursor: the order's first letter, then the numbers, as base64url.
func (c cursor) String(sort string) string {
	b := []byte{sort[0]}
	for _, n := range []int64{c.tier, c.key, c.num} {
		b = binary.AppendVarint(b, n)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s, sort string) (cursor, error) {
	fail := queryError("follow the links to the next page, or begin again without cursor", "cursor: %.60q", s)
	if len(s) > 60 {
		return cursor{}, fail
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < 1 || b[0] != sort[0] {
		return cursor{}, fail
	}
	b = b[1:]
	var c cursor
	for _, to := range []*int64{&c.tier, &c.key, &c.num} {
		n, length := binary.Varint(b)
		if length <= 0 {
			return cursor{}, fail
		}
		*to, b = n, b[length:]
	}
	if len(b) > 0 || c.String(sort) != s {
		return cursor{}, fail
	}
	return c, nil
}

func yearOf(t time.Time) string { return strconv.Itoa(t.Year()) }
