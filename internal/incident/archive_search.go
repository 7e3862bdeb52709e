package incident

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"shirase/internal/store"
)

// Result is a page of a search, and what the whole search holds.
type Result struct {
	Entries []Entry
	Total   int
	Next    string // cursor of the next page; "" on the last
	Facets  []Facet
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
	Label  Text
	Count  int
	Chosen bool
}

// Searches count in memory. What they count by is held there in a few bytes an incident: for each facet the number
// of its value, and what the orders sort by. A server reads it once, and before every search what was changed since
// (incident_entry.changed), in the transaction of the search. Of the text only sets of numbers come from the index.

// archive is the part of the entries that is held in memory.
type archive struct {
	mu      sync.RWMutex
	version int64
	rows    []columns // by number, less one
	facets  [len(facetNames)]values
	orgs    map[string]int32
	orders  map[string][]int32 // the numbers by sort, made when needed; both are emptied by a change
	sets    *lru.Cache[string, textSet]
}

// columns are what is held of an incident. A number that is not given out has present false.
type columns struct {
	present               bool
	date, updated, amount int64
	organisation          int32
	codes                 [len(facetNames)]int32
}

// facetNames are the facets in the order in which they are shown.
var facetNames = [...]string{"year", "sector", "cause", "class", "size", "disclose", "country", "certification", "dataset"}

// values numbers what incidents have of one facet: a value, or where they have several, the combination.
type values struct {
	code  map[string]int32
	words [][]string
}

const separator = "\x00"

func (v *values) of(words []string) int32 {
	key := strings.Join(words, separator)
	if code, ok := v.code[key]; ok {
		return code
	}
	if v.code == nil {
		v.code = map[string]int32{}
	}
	code := int32(len(v.words))
	v.code[key] = code
	v.words = append(v.words, words)
	return code
}

// facetWords gives what an entry is counted under.
func facetWords(e Entry, facet string) []string {
	one := func(w string) []string {
		if w == "" {
			w = unknownWord
		}
		return []string{w}
	}
	switch facet {
	case "year":
		return one(yearOf(e.Date))
	case "sector":
		return one(e.Sector)
	case "cause":
		return one(e.Cause)
	case "country":
		return one(e.Country)
	case "size":
		return one(sizeOf(e.Affected))
	case "disclose":
		return one(discloseOf(e.Disclose))
	case "dataset":
		if e.Dataset == "" {
			return one(Own)
		}
		return one(e.Dataset)
	case "certification":
		return e.Certifications
	}
	var out []string // classes: a form of the password is a password
	for _, c := range e.Classes {
		base, _, formed := strings.Cut(c, ":")
		if formed && !slices.Contains(out, base) && KnownClass(base) {
			out = append(out, base)
		}
		out = append(out, c)
	}
	return out
}

// makeArchive makes the archive of a store that has none, or has it in an earlier form.
func (s *Incidents) makeArchive(ctx context.Context) error {
	engine := s.db.Engine()
	var form int64
	if err := s.db.QueryRowContext(ctx, `SELECT form FROM incident_archive WHERE one = 1`).Scan(&form); err != nil || form >= archiveForm {
		return err
	}
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		a := refreshing{tx: tx, text: textIndexes[engine]}
		// The update makes programs that start together wait for one another, here, before anything is made.
		if err := tx.QueryRowContext(ctx, `UPDATE incident_archive SET version = version + 1, engine = $1 WHERE one = 1 RETURNING version, form`,
			engine).Scan(&a.version, &form); err != nil || form >= archiveForm {
			return err
		}
		if err := a.text.create(ctx, tx); err != nil {
			return err
		}
		ids, err := allIDs(ctx, tx)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := a.incident(ctx, id); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE incident_archive SET form = $1 WHERE one = 1`, archiveForm)
		return err
	})
}

func allIDs(ctx context.Context, tx *sql.Tx) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id FROM incident ORDER BY created_at, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, errors.Join(rows.Err(), rows.Close())
}

// catchUp reads what is newer than what is held, and makes the order that is asked for.
func (a *archive) catchUp(ctx context.Context, tx *sql.Tx, sort string) (engine string, version int64, err error) {
	if err := tx.QueryRowContext(ctx, `SELECT version, engine FROM incident_archive WHERE one = 1`).Scan(&version, &engine); err != nil {
		return "", 0, err
	}
	a.mu.RLock()
	fresh := version <= a.version && a.orders[sort] != nil
	a.mu.RUnlock()
	if fresh {
		return engine, version, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if version > a.version {
		if err := a.read(ctx, tx, version); err != nil {
			return "", 0, err
		}
	}
	if a.orders[sort] == nil {
		a.orders[sort] = a.order(sort)
	}
	return engine, version, nil
}

// read takes in the entries that are newer than what is held.
func (a *archive) read(ctx context.Context, tx *sql.Tx, version int64) error {
	rows, err := tx.QueryContext(ctx, `SELECT num, organisation, data FROM incident_entry WHERE changed > $1`, a.version)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		e, there, err := scanEntry(rows)
		if err != nil {
			return err
		}
		a.put(e, there)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	a.version, a.orders = version, map[string][]int32{}
	if a.sets, err = lru.New[string, textSet](keptSets); err != nil {
		return err
	}
	return nil
}

// keptSets is how many sets of numbers of texts are kept: 12 KiB each at 100,000 incidents.
const keptSets = 200

func (a *archive) put(e Entry, there bool) {
	for int64(len(a.rows)) < e.num {
		a.rows = append(a.rows, columns{})
	}
	if !there {
		a.rows[e.num-1] = columns{}
		return
	}
	c := columns{present: true, date: store.Micros(e.Date), updated: store.Micros(e.Updated), amount: -1}
	if e.Affected.Number != nil {
		c.amount = *e.Affected.Number
	}
	if e.OrganisationID != "" {
		id, ok := a.orgs[e.OrganisationID]
		if !ok {
			if a.orgs == nil {
				a.orgs = map[string]int32{}
			}
			id = int32(len(a.orgs) + 1)
			a.orgs[e.OrganisationID] = id
		}
		c.organisation = id
	}
	for i, name := range facetNames {
		c.codes[i] = a.facets[i].of(facetWords(e, name))
	}
	a.rows[e.num-1] = c
}

// order gives the numbers, less one, in the order of sort.
func (a *archive) order(sort string) []int32 {
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
func (a *archive) key(sort string, i int32) int64 {
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

// textSet is what a text finds.
type textSet struct {
	nums bitmap
	n    int
}

// textAt is the text index as a transaction sees it.
type textAt struct {
	textIndex
	version int64
}

// bitmap is a set of numbers, less one.
type bitmap []uint64

func (b bitmap) has(i int32) bool { return int(i>>6) < len(b) && b[i>>6]&(1<<(i&63)) != 0 }

func (b bitmap) set(i int64) {
	if i >= 0 && int(i>>6) < len(b) {
		b[i>>6] |= 1 << (i & 63)
	}
}

// Search finds incidents. It answers for one state of the archive; cursors hold while others are recorded.
// Errors: ErrQuery.
func (s *Incidents) Search(ctx context.Context, q Query) (Result, error) {
	var res Result
	err := s.db.View(ctx, func(tx *sql.Tx) (err error) {
		res, err = s.archive.search(ctx, tx, q)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("search: %w", err)
	}
	return res, nil
}

func (a *archive) search(ctx context.Context, tx *sql.Tx, q Query) (Result, error) {
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
	found, err := a.find(ctx, tx, q, after, limit)
	if err != nil {
		return Result{}, err
	}
	res := Result{Total: found.total, Next: found.next, Facets: found.facets}
	if len(found.nums) == 0 {
		return res, nil
	}
	args := make([]any, len(found.nums))
	for i, num := range found.nums {
		args[i] = num
	}
	if res.Entries, err = readEntries(ctx, tx, `WHERE num IN (`+binds(len(args))+`)`, args...); err != nil {
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

func (a *archive) find(ctx context.Context, tx *sql.Tx, q Query, after *cursor, limit int) (found, error) {
	sort := q.sort()
	engine, version, err := a.catchUp(ctx, tx, sort)
	if err != nil {
		return found{}, err
	}
	tiers, err := a.tiers(ctx, tx, textAt{textIndexes[engine], version}, q)
	if err != nil {
		return found{}, err
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
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

func (a *archive) tierOf(tiers []bitmap, i int32) int64 {
	for tier, set := range tiers {
		if set == nil || set.has(i) {
			return int64(tier)
		}
	}
	return int64(len(tiers))
}

// from gives the part of an order that comes after a cursor, in one tier.
func (a *archive) from(order []int32, sort string, after *cursor, tier int64) []int32 {
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

// tiers gives the sets that have the text of q: for relevance in the title or a name first, then anywhere; else, and
// where too many have it for that, anywhere alone. One nil set is everything.
func (a *archive) tiers(ctx context.Context, tx *sql.Tx, index textAt, q Query) ([]bitmap, error) {
	if q.Text == "" {
		return []bitmap{nil}, nil
	}
	p := phrases(q.Text)
	if len(p) > maxQueryTerms {
		return nil, queryError("search for fewer words", "more than %d words", maxQueryTerms)
	}
	if len(p) == 0 { // signs alone, which no text is indexed by
		return []bitmap{make(bitmap, 1)}, nil
	}
	all, n, err := a.matching(ctx, tx, index, anywhere, p)
	if err != nil || q.sort() != Relevance || n > maxRanked {
		return []bitmap{all}, err
	}
	named, _, err := a.matching(ctx, tx, index, inTitle, p)
	return []bitmap{named, all}, err
}

// maxRanked is the number of incidents beyond which relevance is not asked for: what so many have says nothing of any.
const maxRanked = 10_000

// matching gives the set of those that have all phrases in a field.
func (a *archive) matching(ctx context.Context, tx *sql.Tx, index textAt, in field, p []phrase) (bitmap, int, error) {
	key := fmt.Sprintf("%d %v", in, p) // tokens hold no spaces
	a.mu.RLock()
	sets, size := a.sets, len(a.rows)
	if a.version != index.version {
		sets = nil // others have read on since this transaction began
	}
	a.mu.RUnlock()
	if sets != nil {
		if set, ok := sets.Get(key); ok {
			return set.nums, set.n, nil
		}
	}
	set := textSet{nums: make(bitmap, size/64+1)}
	if err := index.match(ctx, tx, in, p, func(num int64) { set.nums.set(num - 1); set.n++ }); err != nil {
		return nil, 0, err
	}
	if sets != nil {
		sets.Add(key, set) // a change makes a new cache, so that nothing old is found in it
	}
	return set.nums, set.n, nil
}

// chosen tells for each facet of which something was chosen, which of its values hold.
func (a *archive) chosen(q Query) [len(facetNames)][]bool {
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
		out[f] = make([]bool, len(a.facets[f].words))
		for code, words := range a.facets[f].words {
			out[f][code] = slices.ContainsFunc(words, func(w string) bool { return slices.Contains(lists[name], w) })
		}
	}
	return out
}

// count gives the set that q finds, its size, and the facets. What fails one facet only is counted in that one.
func (a *archive) count(q Query, tiers []bitmap, chosen [len(facetNames)][]bool) (bitmap, int, []Facet) {
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
		counts[f] = make([]int, len(a.facets[f].words))
	}
	hits, total := make(bitmap, len(a.rows)/64+1), 0
	for i := range a.rows {
		c := &a.rows[i]
		if !c.present || (text != nil && !text.has(int32(i))) || (organisation != -1 && c.organisation != organisation) {
			continue
		}
		failing, which := 0, 0
		for f := range chosen {
			if chosen[f] != nil && !chosen[f][c.codes[f]] {
				failing, which = failing+1, f
			}
		}
		switch failing {
		case 0:
			hits.set(int64(i))
			total++
			for f := range counts {
				counts[f][c.codes[f]]++
			}
		case 1:
			counts[which][c.codes[which]]++
		}
	}
	return hits, total, a.facetsOf(q, counts)
}
