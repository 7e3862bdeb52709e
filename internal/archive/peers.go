package archive

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Peers is the archive as comparisons see it: of every incident the few figures that are compared, held in memory (a
// hundred bytes or two each) and brought up to date with what has changed since (incident_entry.changed).
type Peers struct {
	view *View

	mu   sync.Mutex // of an update
	now  *peers
	told toldCache
}

// peers is one state of the archive; it is never changed.
type peers struct {
	version int64
	drafts  int64 // of a preview
	list    []peer
	at      map[string]int // of an incident's id in list

	once  sync.Once
	whole Statistics // of all, computed when first asked for
}

// peer is what is held of an incident. Words that many share are one string.
type peer struct {
	num                            int64
	id                             string
	year                           int
	dated                          bool // the year is when it became known or happened, not when it was recorded here
	cause, sector, country, source string
	classes                        []string
	amount                         int64 // -1: not known
	unit, qualifier                string
	spans                          [intervals]Span // Precision 0: not known
}

// NewPeers prepares comparisons within the archive as v sees it.
func NewPeers(v *View) *Peers {
	return &Peers{view: v, now: &peers{at: map[string]int{}}}
}

// current returns the archive as it is now.
func (p *Peers) current(ctx context.Context) (*peers, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.view.db.View(ctx, func(tx *sql.Tx) error {
		version, drafts, err := p.view.state(ctx, tx)
		if err != nil || version == p.now.version && drafts == p.now.drafts {
			return err
		}
		from := p.now
		if p.view.Drafts() { // what was laid over it is not taken along
			from = &peers{at: map[string]int{}}
		}
		next, err := from.with(ctx, tx, version)
		if err == nil && p.view.Drafts() {
			next.drafts = drafts
			err = p.view.layPeers(ctx, tx, next)
		}
		if err == nil {
			p.now = next
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("comparison: %w", err)
	}
	return p.now, nil
}

// with is the state with what has changed since.
func (p *peers) with(ctx context.Context, tx *sql.Tx, version int64) (*peers, error) {
	rows, err := tx.QueryContext(ctx, `SELECT num, organisation, data FROM incident_entry WHERE changed > $1 ORDER BY num`, p.version)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	next := &peers{version: version, list: slices.Clone(p.list), at: make(map[string]int, len(p.at))}
	for id, n := range p.at {
		next.at[id] = n
	}
	words, gone := interning{text: map[string]string{}, sets: map[string][]string{}}, map[int64]bool{}
	for rows.Next() {
		e, there, err := scanEntry(rows)
		if err != nil {
			return nil, err
		}
		if !there { // merged into another
			gone[e.num] = true
			continue
		}
		next.put(words.peer(e))
	}
	if len(gone) > 0 {
		next.list = slices.DeleteFunc(next.list, func(one peer) bool { return gone[one.num] })
		clear(next.at)
		for n := range next.list {
			next.at[next.list[n].id] = n
		}
	}
	return next, errors.Join(rows.Err(), rows.Close())
}

// put takes in an incident, in place of what was held of it.
func (p *peers) put(one peer) {
	if n, ok := p.at[one.id]; ok {
		p.list[n] = one
		return
	}
	p.at[one.id] = len(p.list)
	p.list = append(p.list, one)
}

// interning makes words and sets of classes that many incidents share one.
type interning struct {
	text map[string]string
	sets map[string][]string
}

func (i interning) word(s string) string {
	if kept, ok := i.text[s]; ok {
		return kept
	}
	i.text[s] = s
	return s
}

// peer takes from an entry what is compared.
func (i interning) peer(e Entry) peer {
	one := peer{num: e.num, id: e.ID, year: e.Date.Year(), dated: e.DateKey != "recorded", cause: i.word(e.Cause), sector: i.word(e.Sector), country: i.word(e.Country),
		source: i.word(e.Dataset), amount: -1, unit: i.word(e.Affected.Unit), qualifier: i.word(e.Affected.Qualifier)}
	key := strings.Join(e.Classes, separator)
	if i.sets[key] == nil {
		i.sets[key] = e.Classes
	}
	one.classes = i.sets[key]
	if e.Affected.Number != nil {
		one.amount = *e.Affected.Number
	}
	for v, s := range e.Spans() {
		if s != nil {
			one.spans[v] = *s
		}
	}
	return one
}

// all are the statistics of the whole archive.
func (p *peers) all() Statistics {
	p.once.Do(func() { p.whole = p.statistics(Filter{}) })
	return p.whole
}

// Placings returns where the incident's intervals stand among the archive's, those that are known.
func (p *Peers) Placings(ctx context.Context, id string) ([]Placing, error) {
	now, err := p.current(ctx)
	if err != nil {
		return nil, err
	}
	n, ok := now.at[id]
	if !ok {
		return nil, nil
	}
	var out []Placing
	for _, v := range Intervals {
		if own := now.list[n].spans[v]; own.Precision != 0 {
			out = append(out, placing(v, own, now.all().Intervals[v]))
		}
	}
	return out, nil
}

// Filter narrows statistics: within a list any value, between the lists all. Empty lists say nothing.
type Filter struct {
	Sectors, Causes, Countries, Datasets []string // Own for the operator's own
}

// Empty reports whether the filter keeps everything.
func (f Filter) Empty() bool {
	return len(f.Sectors)+len(f.Causes)+len(f.Countries)+len(f.Datasets) == 0
}

func (f Filter) keeps(p *peer) bool {
	has := func(list []string, word string) bool {
		return len(list) == 0 || slices.Contains(list, cmp.Or(word, unknownWord))
	}
	return has(f.Sectors, p.sector) && has(f.Causes, p.cause) && has(f.Countries, p.country) && (len(f.Datasets) == 0 || slices.Contains(f.Datasets, cmp.Or(p.source, Own)))
}

// Statistics are those of the incidents that a filter keeps.
type Statistics struct {
	N         int
	Years     []YearFigures // ascending, without those of which there is nothing
	Undated   int           // incidents of which no date is known but that of recording
	Intervals [intervals]Distribution
	Causes    []Group
	Sectors   []Group
	Datasets  []DatasetShare
	Words     [3][]string // the sectors, causes and countries that the whole archive has
}

// YearFigures counts the incidents that became known in a year, or where that is not recorded, happened.
type YearFigures struct {
	Year    int
	N       int
	Unknown int             // of these, without a number of affected
	Bounded int             // with one that is only an upper bound or counts some twice
	Sizes   map[string]Size // by unit: persons, accounts, records, which are never mixed
}

// Size is how large incidents were, counted in one unit, exactly or about.
type Size struct {
	N               int
	Q1, Median, Q3  int64 // zero below Fewest
	Smallest, Large int64
	amounts         []int64
}

// Group is a cause or a sector with the medians of its incidents.
type Group struct {
	Word      string // "unknown" where it is not recorded
	N         int
	Intervals [intervals]Distribution
}

// DatasetShare is a data set whose incidents entered the figures.
type DatasetShare struct {
	Dataset string // "" for the operator's own
	N       int
	Sample  string // an incident of it
}

// Statistics computes them, in one pass.
func (p *Peers) Statistics(ctx context.Context, f Filter) (Statistics, error) {
	now, err := p.current(ctx)
	if err != nil {
		return Statistics{}, err
	}
	if f.Empty() {
		return now.all(), nil
	}
	return now.statistics(f), nil
}

func (p *peers) statistics(f Filter) Statistics {
	var st Statistics
	years := map[int]*YearFigures{}
	var spans [intervals][]Span
	causes, sectors := map[string]*grouping{}, map[string]*grouping{}
	datasets := map[string]*DatasetShare{}
	var words [3]map[string]bool
	for k := range words {
		words[k] = map[string]bool{}
	}
	for n := range p.list {
		one := &p.list[n]
		for k, w := range []string{one.sector, one.cause, one.country} {
			words[k][cmp.Or(w, unknownWord)] = true
		}
		if !f.keeps(one) {
			continue
		}
		st.N++
		for v, s := range one.spans {
			if s.Precision != 0 {
				spans[v] = append(spans[v], s)
			}
		}
		into(causes, one.cause, one)
		into(sectors, one.sector, one)
		if datasets[one.source] == nil {
			datasets[one.source] = &DatasetShare{Dataset: one.source, Sample: one.id}
		}
		datasets[one.source].N++
		if !one.dated {
			st.Undated++
			continue
		}
		if years[one.year] == nil {
			years[one.year] = &YearFigures{Year: one.year, Sizes: map[string]Size{}}
		}
		years[one.year].add(one)
	}
	for v := range spans {
		st.Intervals[v] = distribution(spans[v])
	}
	for _, y := range years {
		y.finish()
		st.Years = append(st.Years, *y)
	}
	slices.SortFunc(st.Years, func(a, b YearFigures) int { return a.Year - b.Year })
	st.Causes, st.Sectors = groups(causes), groups(sectors)
	for _, d := range datasets {
		st.Datasets = append(st.Datasets, *d)
	}
	slices.SortFunc(st.Datasets, func(a, b DatasetShare) int { return strings.Compare(a.Dataset, b.Dataset) })
	for k := range words {
		for w := range words[k] {
			st.Words[k] = append(st.Words[k], w)
		}
		slices.Sort(st.Words[k])
	}
	return st
}

func (y *YearFigures) add(p *peer) {
	y.N++
	switch {
	case p.amount < 0:
		y.Unknown++
	case p.qualifier == "at-most" || p.qualifier == "cumulative":
		y.Bounded++
	default:
		s := y.Sizes[p.unit]
		s.amounts = append(s.amounts, p.amount)
		y.Sizes[p.unit] = s
	}
}

func (y *YearFigures) finish() {
	for unit, s := range y.Sizes {
		slices.Sort(s.amounts)
		s.N, s.Smallest, s.Large = len(s.amounts), s.amounts[0], s.amounts[len(s.amounts)-1]
		if s.N >= Fewest {
			s.Q1, s.Median, s.Q3 = quantile(s.amounts, 25), quantile(s.amounts, 50), quantile(s.amounts, 75)
		}
		y.Sizes[unit] = s
	}
}

// Amounts are the sizes, sorted.
func (s Size) Amounts() []int64 { return s.amounts }

// grouping is a group under way.
type grouping struct {
	n     int
	spans [intervals][]Span
}

func into(m map[string]*grouping, word string, p *peer) {
	word = cmp.Or(word, unknownWord)
	if m[word] == nil {
		m[word] = &grouping{}
	}
	m[word].n++
	for v, s := range p.spans {
		if s.Precision != 0 {
			m[word].spans[v] = append(m[word].spans[v], s)
		}
	}
}

// groups sorts by how many there are; what is not recorded comes last.
func groups(m map[string]*grouping) []Group {
	var out []Group
	for word, g := range m {
		one := Group{Word: word, N: g.n}
		for v := range g.spans {
			one.Intervals[v] = distribution(g.spans[v])
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b Group) int {
		if (a.Word == unknownWord) != (b.Word == unknownWord) {
			return cmp.Compare(boolInt(a.Word == unknownWord), boolInt(b.Word == unknownWord))
		}
		if c := cmp.Compare(b.N, a.N); c != 0 {
			return c
		}
		return strings.Compare(a.Word, b.Word)
	})
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
