package roster

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
)

// A Study is what a run shows beside its figures, so that whoever writes the rules sees what they do. A run fills it in as far as it
// came, also where too many rows could not be read. It holds no identifier: see [Cell].
type Study struct {
	Reasons []Reason  `json:"reasons,omitzero"` // why something could not be read, the most frequent first
	Samples []Sampled `json:"samples,omitzero"` // of each rule, in the rules' order, those that exclude first

	columns []studied
	picked  [][]picked
	reasons map[[2]string]*Reason
	domains map[string]int64
}

// A Reason is why values or rows could not be read, with how many there are of it.
type Reason struct {
	Field string `json:"field,omitzero"` // the column, or the rule
	Code  string `json:"code"`
	Text  string `json:"text"`

	Invalid int64   `json:"invalid,omitzero"` // of rows of which nothing can be used
	Kept    int64   `json:"kept,omitzero"`    // of rows that are in the scope by another identity
	Lines   []int64 `json:"lines,omitzero"`   // the first of them, a few
}

// Sampled is a rule and some of the rows that it took, picked at random.
type Sampled struct {
	Rule    string   `json:"rule"`             // its name; "" of a set
	Classes []string `json:"classes,omitzero"` // of a set
	Rows    int64    `json:"rows"`
	Picked  []Masked `json:"picked,omitzero"`
}

// Masked is a row of the export: where it stands, and what its values look like.
type Masked struct {
	Line  int64  `json:"line"`
	Cells []Cell `json:"cells"`
}

// A Cell is a value that nobody can read back. What is left of it depends on what it is:
//
//   - an e-mail address: which sorts of characters its local part has ("a9…"), and its domain where at least [common] rows have it,
//     else "…";
//   - a telephone number and an account's id: which sorts of characters they have;
//   - anything else: the value itself where it is a category, else which sorts of characters it has. A value is a category where the
//     column has at most [categories] different ones, at least [common] rows have this one, and it does not look like data of a person.
//
// Neither length nor order of the characters is told: one and the same mask stands for very many values.
type Cell struct {
	Column string `json:"column"`
	Text   string `json:"text"`            // "" is an empty value
	Reason string `json:"reason,omitzero"` // why it is no identity: a code
}

const (
	sampleRows  = 5
	common      = 20 // rows
	categories  = 50 // different values of a column
	maxCategory = 40 // bytes
	maxDomains  = 20_000
	maxReasons  = 1000
	maxLines    = 5
)

// studied is a column that samples show.
type studied struct {
	index int
	name  string
	email bool
	ident bool             // a column of identities: never shown as it is
	seen  map[string]int64 // nil: it has too many values for a category
	last  string
	count *int64
}

// picked is a row that may be shown; it stays in memory, and is masked at the end of the run.
type picked struct {
	line   int64
	values []string
	flaws  []flaw
}

// begin makes the study ready for an export.
func (y *Study) begin(s *scoper) {
	*y = Study{reasons: map[[2]string]*Reason{}, domains: map[string]int64{}}
	add := func(index int, email, ident bool) {
		if index >= 0 && !slices.ContainsFunc(y.columns, func(c studied) bool { return c.index == index }) {
			c := studied{index: index, name: shownColumn(s.x.columns[index]), email: email, ident: ident}
			if !ident {
				c.seen = map[string]int64{}
			}
			y.columns = append(y.columns, c)
		}
	}
	add(s.account, false, true)
	add(s.email, true, true)
	add(s.phone, false, true)
	add(s.locale, false, false)
	for _, u := range s.conditions.used {
		add(u.index, false, false)
	}
	for _, e := range s.o.Rules.excludes {
		y.Samples = append(y.Samples, Sampled{Rule: e.name})
	}
	for _, r := range s.o.Rules.sets {
		y.Samples = append(y.Samples, Sampled{Classes: setsOf([]uint64{r.mask}, s.o.Rules.classes)[0]})
	}
	y.picked = make([][]picked, len(y.Samples))
}

// shownColumn is a column's name, unless it looks like the first person of an export without names of columns.
func shownColumn(name string) string {
	if looksLikeData(name) {
		return "…"
	}
	return name
}

// count counts what may be a category, of a row that is not broken.
func (y *Study) count(r *row) {
	for i := range y.columns {
		c := &y.columns[i]
		value := r.fields[c.index]
		switch {
		case c.email:
			if d := domainOf(value); len(d) > 0 && (len(y.domains) < maxDomains || y.domains[string(d)] > 0) {
				y.domains[string(d)]++
			}
		case c.seen != nil:
			if c.count != nil && string(value) == c.last { // neighbours are often equal
				*c.count++
				continue
			}
			if len(c.seen) >= categories {
				if _, known := c.seen[string(value)]; !known {
					c.seen, c.count = nil, nil
					continue
				}
			}
			c.seen[string(value)]++
		}
	}
}

// domainOf is what stands behind the last @, in the form in which it is counted; none where it is no plain name.
func domainOf(value []byte) []byte {
	i := bytes.LastIndexByte(value, '@')
	d := bytes.ToLower(bytes.TrimSpace(value[i+1:]))
	if i < 0 || len(d) > maxCategory || len(bytes.Trim(d, "abcdefghijklmnopqrstuvwxyz0123456789-.")) > 0 {
		return nil
	}
	return d
}

// take notes that a rule took a row, and keeps some of those by chance (reservoir sampling).
func (y *Study) take(rule int, r *row, flaws []flaw) {
	s := &y.Samples[rule]
	s.Rows++
	at := len(y.picked[rule])
	if at == sampleRows {
		if at = int(rand.Int64N(s.Rows)); at >= sampleRows {
			return
		}
	} else {
		y.picked[rule] = append(y.picked[rule], picked{})
	}
	p := picked{line: r.line, flaws: slices.Clone(flaws)}
	for _, c := range y.columns {
		p.values = append(p.values, string(r.fields[c.index]))
	}
	y.picked[rule][at] = p
}

// flawed counts what could not be read of a row.
func (y *Study) flawed(line int64, kept bool, flaws []flaw) {
	for _, f := range flaws {
		key := [2]string{f.field, f.problem.code}
		r := y.reasons[key]
		if r == nil {
			if len(y.reasons) >= maxReasons {
				continue
			}
			r = &Reason{Field: shownColumn(f.field), Code: f.problem.code, Text: f.problem.text}
			y.reasons[key] = r
		}
		if kept {
			r.Kept++
		} else {
			r.Invalid++
		}
		if len(r.Lines) < maxLines {
			r.Lines = append(r.Lines, line)
		}
	}
}

// end masks what was picked. Nothing else of it stays.
func (y *Study) end() {
	for _, r := range y.reasons {
		y.Reasons = append(y.Reasons, *r)
	}
	slices.SortFunc(y.Reasons, func(a, b Reason) int {
		if n := b.Invalid + b.Kept - a.Invalid - a.Kept; n != 0 {
			return int(min(1, max(-1, n)))
		}
		return strings.Compare(a.Field+"\x00"+a.Code, b.Field+"\x00"+b.Code)
	})
	for i, rows := range y.picked {
		slices.SortFunc(rows, func(a, b picked) int { return int(min(1, max(-1, a.line-b.line))) })
		for _, p := range rows {
			m := Masked{Line: p.line}
			for j, c := range y.columns {
				cell := Cell{Column: c.name, Text: y.mask(c, p.values[j])}
				for _, f := range p.flaws {
					if c.ident && shownColumn(f.field) == c.name {
						cell.Reason = f.problem.code
					}
				}
				m.Cells = append(m.Cells, cell)
			}
			y.Samples[i].Picked = append(y.Samples[i].Picked, m)
		}
	}
	y.columns, y.picked, y.reasons, y.domains = nil, nil, nil, nil
}

// mask says what is left of a value.
func (y *Study) mask(c studied, value string) string {
	if value == "" {
		return ""
	}
	if c.email {
		if i := strings.LastIndexByte(value, '@'); i >= 0 {
			domain := "…"
			if d := domainOf([]byte(value)); y.domains[string(d)] >= common {
				domain = string(d)
			}
			return sorts(value[:i]) + "@" + domain
		}
		return sorts(value)
	}
	if !c.ident && c.seen[value] >= common && len(value) <= maxCategory && !looksLikeData(value) && !strings.ContainsFunc(value, unicode.IsControl) {
		return value
	}
	return sorts(value)
}

// sorts names the sorts of characters that a text has, each once: "a" letters, "9" digits, "あ" the scripts of Japanese, "·" all others.
func sorts(text string) string {
	var has [4]bool
	for _, r := range text {
		switch {
		case r <= unicode.MaxASCII && unicode.IsLetter(r), unicode.In(r, unicode.Latin):
			has[0] = true
		case unicode.IsDigit(r):
			has[1] = true
		case unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han):
			has[2] = true
		default:
			has[3] = true
		}
	}
	out := ""
	for i, s := range []string{"a", "9", "あ", "·"} {
		if has[i] {
			out += s
		}
	}
	return fmt.Sprint(out, "…")
}
