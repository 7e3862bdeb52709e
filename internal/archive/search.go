package archive

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"shirase/internal/language"
)

// Result is a page of a search, and what the whole search holds.
type Result struct {
	Entries []Entry
	Total   int
	Next    string // cursor of the next page; "" on the last
	Facets  []Facet
	Months  []FacetValue // what the search finds in each month, the newest first; the word is 2013-07 or "unknown"
}

// Facet counts the incidents of a search by one of their properties: for each value, those that would be found if it
// alone were chosen of this facet, everything else staying as it is.
type Facet struct {
	Name   string // the parameter of a query
	Values []FacetValue
}

// FacetValue is a value with its count. Label is what people call it.
type FacetValue struct {
	Word   string
	Label  language.Text
	Count  int
	Chosen bool
}

// Searches count in memory. What they count by is held there in a few bytes an incident: for each facet the number
// of its value, and what the orders sort by. The text index is held likewise; a text gives sets of numbers. A server
// reads both once, and before every search what was changed since, in the transaction of the search.

// held is the part of the entries that is held in memory.
type held struct {
	mu      sync.RWMutex
	version int64
	drafts  int64     // what Drafted of the view said when it was read; of a preview -1 before that
	rows    []columns // by number, less one
	facets  [len(facetNames)]values
	orgs    map[string]int32
	orders  map[string][]int32 // the numbers by sort, made when needed, emptied by a change
	text    fullText
}

// Warm reads what searches hold in memory, so that nobody waits for it. Searches without a text wait for less of it.
func (v *View) Warm(ctx context.Context) error {
	err := v.db.View(ctx, func(tx *sql.Tx) error {
		return errors.Join(v.catchUp(ctx, tx, Newest, false), v.catchUp(ctx, tx, Relevance, true))
	})
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	return nil
}

// catchUp reads what is newer than what is held, of the text only where it is asked for, and makes the order.
func (v *View) catchUp(ctx context.Context, tx *sql.Tx, sort string, text bool) error {
	a := v.held
	version, drafts, err := v.state(ctx, tx)
	if err != nil {
		return err
	}
	a.mu.RLock()
	fresh := version <= a.version && a.orders[sort] != nil && (!text || version <= a.text.version) && drafts == a.drafts
	a.mu.RUnlock()
	if fresh {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if v.Drafts() {
		if version == a.version && drafts == a.drafts && a.orders[sort] != nil {
			return nil
		}
		return v.lay(ctx, tx, version, drafts, sort)
	}
	if version > a.version {
		if err := a.read(ctx, tx, version); err != nil {
			return err
		}
	}
	if text && version > a.text.version {
		if err := a.text.read(ctx, tx, version); err != nil {
			return fmt.Errorf("text index: %w", err)
		}
	}
	if a.orders[sort] == nil {
		a.orders[sort] = a.order(sort)
	}
	return nil
}

// state returns two numbers that tell together whether anything has changed that the view shows.
func (v *View) state(ctx context.Context, tx *sql.Tx) (version, drafts int64, err error) {
	if err = tx.QueryRowContext(ctx, `SELECT version FROM incident_archive WHERE one = 1`).Scan(&version); err == nil {
		drafts, err = v.In(tx).Drafted(ctx)
	}
	return version, drafts, err
}

// order returns the numbers, less one, in the order of sort.
func (a *held) order(sort string) []int32 {
	o := make([]int32, 0, len(a.rows))
	for i, c := range a.rows {
		if c.present {
			o = append(o, int32(i))
		}
	}
	slices.SortFunc(o, func(x, y int32) int {
		if c := cmp.Compare(a.key(sort, x), a.key(sort, y)); c != 0 {
			return c
		}
		return cmp.Compare(x, y)
	})
	return o
}

// key is what an order sorts by, the smallest first.
func (a *held) key(sort string, i int32) int64 {
	c := &a.rows[i]
	switch sort {
	case Oldest:
		return c.date
	case Largest:
		return -c.amount
	case Updated:
		return -c.updated
	}
	return -c.date
}

// bitmap is a set of numbers, less one.
type bitmap []uint64

func (b bitmap) has(i int32) bool { return int(i>>6) < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

func newBitmap(size int) bitmap { return make(bitmap, size/64+1) }

func (b bitmap) set(i int) {
	if i>>6 < len(b) {
		b[i>>6] |= 1 << (i & 63)
	}
}

func (b bitmap) clear(i int) {
	if i>>6 < len(b) {
		b[i>>6] &^= 1 << (i & 63)
	}
}

// word returns the numbers from 64 w on, as the bits of a word.
func (b bitmap) word(w int) uint64 {
	if w >= len(b) {
		return 0
	}
	return b[w]
}

// and returns what is in both.
func (b bitmap) and(c bitmap) bitmap {
	out := make(bitmap, min(len(b), len(c)))
	for i := range out {
		out[i] = b[i] & c[i]
	}
	return out
}

func (b bitmap) count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// Search finds incidents. It answers for one state of the archive; cursors hold while others are recorded.
// Errors: ErrQuery.
func (v *View) Search(ctx context.Context, q Query) (Result, error) {
	var res Result
	err := v.db.View(ctx, func(tx *sql.Tx) (err error) {
		res, err = v.search(ctx, tx, q)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("search: %w", err)
	}
	return res, nil
}

func (v *View) search(ctx context.Context, tx *sql.Tx, q Query) (Result, error) {
	limit := q.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	if limit < 1 || limit > MaxLimit {
		return Result{}, queryError(fmt.Sprintf("a number from 1 to %d", MaxLimit), "limit: %d", limit)
	}
	var after *cursor
	if q.Cursor != "" {
		c, err := parseCursor(q.Cursor, q.sort())
		if err != nil {
			return Result{}, err
		}
		after = &c
	}
	found, err := v.find(ctx, tx, q, after, limit)
	if err != nil {
		return Result{}, err
	}
	res := Result{Total: found.total, Next: found.next, Facets: found.facets}
	last := len(res.Facets) - 1 // the months
	res.Months = res.Facets[last].Values
	if len(q.Months) == 0 {
		res.Facets = res.Facets[:last]
	}
	if len(found.nums) == 0 {
		return res, nil
	}
	args := make([]any, len(found.nums))
	for i, num := range found.nums {
		args[i] = num
	}
	if res.Entries, err = v.entries(ctx, tx, func(e Entry) bool { return slices.Contains(found.nums, e.num) },
		`WHERE data <> '' AND num IN (`+binds(len(args))+`)`, args...); err != nil {
		return Result{}, err
	}
	slices.SortFunc(res.Entries, func(x, y Entry) int {
		return slices.Index(found.nums, x.num) - slices.Index(found.nums, y.num)
	})
	return res, nil
}

// found is a page of numbers, and what is known of the whole search.
type found struct {
	nums   []int64
	total  int
	next   string
	facets []Facet
}

func (v *View) find(ctx context.Context, tx *sql.Tx, q Query, after *cursor, limit int) (found, error) {
	a, sort := v.held, q.sort()
	if err := v.catchUp(ctx, tx, sort, q.Text != ""); err != nil {
		return found{}, err
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	tiers, err := a.tiers(q)
	if err != nil {
		return found{}, err
	}
	chosen := a.chosen(q)
	hits, total, facets := a.count(q, tiers, chosen)
	out := found{total: total, facets: facets}
	order := a.orders[sort]
	if order == nil { // a change came between; it is made again with the next search
		order = a.order(sort)
	}
	if sort != Relevance {
		tiers = tiers[:1]
	}
	seen := bitmap(nil) // of better tiers
	for tier, set := range tiers {
		// The tiers go from the best; each holds those before it.
		for _, i := range a.from(order, sort, after, int64(tier)) {
			if !hits.has(i) || (set != nil && !set.has(i)) || seen.has(i) {
				continue
			}
			if len(out.nums) == limit {
				last := int32(out.nums[limit-1] - 1)
				out.next = cursor{a.tierOf(tiers, last), a.key(sort, last), out.nums[limit-1]}.String(sort)
				return out, nil
			}
			out.nums = append(out.nums, int64(i)+1)
		}
		seen = set
	}
	return out, nil
}

func (a *held) tierOf(tiers []bitmap, i int32) int64 {
	for tier, set := range tiers {
		if set == nil || set.has(i) {
			return int64(tier)
		}
	}
	return int64(len(tiers))
}

// from returns the part of an order that comes after a cursor, in one tier.
func (a *held) from(order []int32, sort string, after *cursor, tier int64) []int32 {
	switch {
	case after == nil || after.tier < tier:
		return order
	case after.tier > tier:
		return nil
	}
	start, _ := slices.BinarySearchFunc(order, *after, func(i int32, c cursor) int {
		if d := cmp.Compare(a.key(sort, i), c.key); d != 0 {
			return d
		}
		if int64(i)+1 <= c.num {
			return -1
		}
		return 1
	})
	return order[start:]
}

// tiers returns the sets that have the text of q: for relevance in the title or a name first, then anywhere; else, and
// where too many have it for that, anywhere alone. One nil set is everything.
func (a *held) tiers(q Query) ([]bitmap, error) {
	if q.Text == "" {
		return []bitmap{nil}, nil
	}
	p := phrases(q.Text)
	if len(p) > maxQueryTerms {
		return nil, queryError("search for fewer words", "more than %d words", maxQueryTerms)
	}
	if len(p) == 0 { // signs alone, which no text is indexed by
		return []bitmap{newBitmap(0)}, nil
	}
	both := a.text.having(p[0], len(a.rows))
	for _, further := range p[1:] {
		set := a.text.having(further, len(a.rows))
		both = textSet{both.title.and(set.title), both.anywhere.and(set.anywhere)}
	}
	if q.sort() != Relevance || both.anywhere.count() > maxRanked {
		return []bitmap{both.anywhere}, nil
	}
	return []bitmap{both.title, both.anywhere}, nil
}

// maxRanked is the number of incidents beyond which relevance is not asked for: what so many have says nothing of any.
const maxRanked = 10_000

// chosen tells for each facet of which something was chosen, which of its values hold.
func (a *held) chosen(q Query) [len(facetNames)][]bool {
	var out [len(facetNames)][]bool
	lists := map[string][]string{}
	for _, y := range q.Years {
		lists["year"] = append(lists["year"], fmt.Sprint(y))
	}
	for _, l := range q.lists() {
		lists[l.name] = *l.to
	}
	for f, name := range facetNames {
		if len(lists[name]) == 0 {
			continue
		}
		v := &a.facets[f]
		out[f] = make([]bool, len(v.having))
		for code, having := range v.having {
			out[f][code] = slices.ContainsFunc(having, func(i int32) bool { return slices.Contains(lists[name], v.words[i]) })
		}
	}
	return out
}

// count returns the set that q finds, its size, and the facets. What fails one facet only is counted in that one.
func (a *held) count(q Query, tiers []bitmap, chosen [len(facetNames)][]bool) (bitmap, int, []Facet) {
	text := tiers[len(tiers)-1]
	organisation := int32(-1)
	if q.Organisation != "" {
		organisation = a.orgs[q.Organisation] // 0 is no organisation, which an id never means
		if organisation == 0 {
			organisation = -2
		}
	}
	var counts [len(facetNames)][]int
	for f := range counts {
		counts[f] = make([]int, len(a.facets[f].having))
	}
	var asked []int // the facets of which something was chosen
	for f := range chosen {
		if chosen[f] != nil {
			asked = append(asked, f)
		}
	}
	hits, total := newBitmap(len(a.rows)), 0
	for w := range hits {
		candidates := ^uint64(0)
		if text != nil {
			candidates = text.word(w)
		}
		for ; candidates != 0; candidates &= candidates - 1 {
			i := w<<6 + bits.TrailingZeros64(candidates)
			if i >= len(a.rows) {
				break
			}
			c := &a.rows[i]
			if !c.present || (organisation != -1 && c.organisation != organisation) {
				continue
			}
			failing, which := 0, 0
			for _, f := range asked {
				if !chosen[f][c.codes[f]] {
					failing, which = failing+1, f
				}
			}
			switch failing {
			case 0:
				hits.set(i)
				total++
				for f, code := range c.codes {
					counts[f][code]++
				}
			case 1:
				counts[which][c.codes[which]]++
			}
		}
	}
	return hits, total, a.facetsOf(q, counts)
}
