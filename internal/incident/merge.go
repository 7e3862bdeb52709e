package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// ErrMerge reports two incidents that cannot be made one.
var ErrMerge = errors.New("incidents not merged")

// Candidate is one of two incidents that may be the same.
type Candidate struct {
	ID           string `json:"id"`
	Dataset      string `json:"dataset"` // "": the operator's own
	Organisation Text   `json:"organisation"`
	Key          string `json:"key"` // the milestone whose date is near the other's
	Date         Moment `json:"date"`
}

// Duplicate is a proposal: two incidents of one organisation, near each other in time, from different data sets.
type Duplicate struct {
	A    Candidate `json:"a"`
	B    Candidate `json:"b"`
	Days int       `json:"days"` // between the two dates, the fewest there can be
}

// milestones are the times by which incidents are compared with those of other data sets.
var milestones = []string{"window.start", "window.end", "discovered", "disclosed", "regulator-notified", "persons-notified"}

// known is what Duplicates compares of an incident.
type known struct {
	id, dataset string
	name        Text
	names       []string
	dates       []Fact
}

// Duplicates proposes incidents for merging: those of different data sets whose organisations have the same name,
// written alike or not, and of which two dates are at most days apart. It changes nothing.
func (s *Incidents) Duplicates(ctx context.Context, days int) ([]Duplicate, error) {
	list, err := s.known(ctx)
	if err != nil {
		return nil, fmt.Errorf("duplicates: %w", err)
	}
	byName := map[string][]int{}
	for i, k := range list {
		for _, name := range k.names {
			byName[name] = append(byName[name], i)
		}
	}
	seen := map[[2]int]bool{}
	var out []Duplicate
	for i, k := range list {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("duplicates: %w", err)
		}
		for _, name := range k.names {
			for _, j := range byName[name] {
				if j <= i || seen[[2]int{i, j}] || list[j].dataset == k.dataset {
					continue
				}
				seen[[2]int{i, j}] = true
				if d, ok := near(k, list[j], days); ok {
					out = append(out, d)
				}
			}
		}
	}
	return out, nil
}

// near compares the dates of two incidents: the same milestone first, then any two.
func near(a, b known, days int) (Duplicate, bool) {
	best, found := Duplicate{Days: days + 1}, false
	for _, x := range a.dates {
		for _, y := range b.dates {
			n := int(apart(x.Value.Time, y.Value.Time).Round(24*time.Hour) / (24 * time.Hour))
			if n < best.Days {
				found = true
				best = Duplicate{Candidate{a.id, a.dataset, a.name, x.Key, x.Value.Time}, Candidate{b.id, b.dataset, b.name, y.Key, y.Value.Time}, n}
			}
		}
	}
	return best, found
}

// apart is how long there was between two times, at least: what is known to the month or the year may have been on its
// last day.
func apart(a, b Moment) time.Duration {
	if b.Time.Before(a.Time) {
		a, b = b, a
	}
	from := a.Time
	if a.Precision > Day {
		from = end(a, false).AddDate(0, 0, -1)
	}
	return max(b.Time.Sub(from), 0)
}

// known reads names and dates of every incident that is not merged, in the order of ids.
func (s *Incidents) known(ctx context.Context) ([]known, error) {
	list, err := s.read(ctx, `WHERE f.fact_key IN ('organisation', 'alias', 'window.start', 'window.end', 'discovered', 'disclosed',
		'regulator-notified', 'persons-notified') AND NOT EXISTS (SELECT 1 FROM incident_merge m WHERE m.incident = i.id)`)
	if err != nil {
		return nil, err
	}
	datasets := map[string]string{}
	rows, err := s.db.QueryContext(ctx, `SELECT incident, dataset FROM incident_import`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, dataset string
		if err := rows.Scan(&id, &dataset); err != nil {
			return nil, err
		}
		datasets[id] = dataset
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	out := make([]known, 0, len(list))
	for _, inc := range list {
		k := known{id: inc.ID, dataset: datasets[inc.ID]}
		for _, f := range inc.Facts {
			switch {
			case f.Key == "organisation" || f.Key == "alias":
				if f.Key == "organisation" {
					k.name = f.Value.Text
				}
				for _, name := range []string{f.Value.Text.JA, f.Value.Text.EN} {
					if n := NormalName(name); n != "" && !slices.Contains(k.names, n) {
						k.names = append(k.names, n)
					}
				}
			case slices.Contains(milestones, f.Key):
				k.dates = append(k.dates, f)
			}
		}
		out = append(out, k)
	}
	return out, nil
}

// corporate are words that say what kind of company it is, and not which.
var corporate = []string{"inc", "incorporated", "llc", "llp", "lp", "ltd", "limited", "corp", "corporation", "co", "company", "plc", "gmbh",
	"ag", "sa", "nv", "bv", "pte", "pty", "kk", "the", "group", "holdings"}

// corporateJA are the Japanese ones, which stand without a space.
var corporateJA = strings.NewReplacer("株式会社", "", "有限会社", "", "合同会社", "", "一般社団法人", "", "一般財団法人", "", "公益財団法人", "",
	"独立行政法人", "", "国立大学法人", "", "学校法人", "", "(株)", "", "(有)", "")

// NormalName reduces an organisation's name to what two spellings of it have in common: NFKC and lower case, without
// what is in brackets, without the kind of company, without spaces and punctuation. A name of nothing else keeps its
// words. It serves proposals only: two organisations may well come out the same.
func NormalName(name string) string {
	name = corporateJA.Replace(strings.ToLower(norm.NFKC.String(name)))
	if open := strings.IndexAny(name, "(["); open > 0 {
		name = name[:open]
	}
	name = strings.NewReplacer("'", "", "’", "", ".com", " com", "d/b/a", " ", ".", "").Replace(name)
	words := strings.FieldsFunc(name, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	rest := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(corporate, w) })
	if len(rest) == 0 {
		rest = words
	}
	return strings.Join(rest, "")
}

// Merged is what a merge did.
type Merged struct {
	ID    string `json:"id"`
	Into  string `json:"into"`
	Added int    `json:"added"` // facts
	Kept  []Fact `json:"-"`     // facts of ID of which Into says something else, and goes on saying it
}

// Merge makes id, an imported incident, another name of into: the facts that into lacks are added to it with their
// sources, the names by which id was known become aliases, and whoever asks for id gets into. Where both say something
// about a single-valued key, into's stays. All facts of id stay recorded. Errors: ErrNotFound, ErrMerge.
//
// Where into is the operator's own, all of this is a draft until its next notice tells it.
func (s *Incidents) Merge(ctx context.Context, who actor.Actor, id, into string) (Merged, error) {
	var done Merged
	if err := who.Check("merge incidents"); err != nil {
		return done, err
	}
	now := s.now()
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var err error
		if into, err = mergeable(ctx, tx, id, into); err != nil {
			return err
		}
		own, err := isOwn(ctx, tx, into)
		if err != nil {
			return err
		}
		public := sql.NullInt64{Int64: -1, Valid: !own} // an own incident tells it with its next notice
		if _, err := tx.ExecContext(ctx, `INSERT INTO incident_merge (incident, target, merged_at, ledger_index, actor) VALUES ($1, $2, $3, $4, $5)`,
			id, into, store.Micros(now), public, who.String()); err != nil {
			return err
		}
		if !own {
			if err := s.tell(ctx, tx, id); err != nil { // whoever asks for it gets the other
				return err
			}
		}
		done, err = s.mergeFacts(ctx, tx, who, id, into, now)
		return err
	})
	if err != nil {
		return Merged{}, fmt.Errorf("merge %s: %w", id, err)
	}
	return done, nil
}

// mergeable finds what keeps id from being merged into another, and where into itself has gone.
func mergeable(ctx context.Context, tx *sql.Tx, id, into string) (string, error) {
	for _, which := range []string{id, into} {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM incident WHERE id = $1`, which).Scan(&n); err != nil {
			return "", err
		}
		if n == 0 {
			return "", notFound(which)
		}
	}
	into, err := resolve(ctx, tx, into, false)
	if err != nil {
		return "", err
	}
	var merged, imported int
	if err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM incident_merge WHERE incident = $1),
		(SELECT count(*) FROM incident_import WHERE incident = $1)`, id).Scan(&merged, &imported); err != nil {
		return "", err
	}
	switch {
	case id == into:
		return "", hint.Add(fmt.Errorf("%w: %s is that incident already", ErrMerge, id), "name two different incidents")
	case merged > 0:
		return "", hint.Add(fmt.Errorf("%w: %s was merged before", ErrMerge, id), "nothing is left to do")
	case imported == 0:
		return "", hint.Add(fmt.Errorf("%w: %s is your own incident", ErrMerge, id), "merge the imported one into it: shirase incident merge IMPORTED "+id)
	}
	return into, nil
}

// mergeAgain carries changes of an incident that was merged to where it went.
func (s *Incidents) mergeAgain(ctx context.Context, tx *sql.Tx, who actor.Actor, id string, now time.Time) error {
	for range maxMerges {
		var into string
		err := tx.QueryRowContext(ctx, `SELECT target FROM incident_merge WHERE incident = $1`, id).Scan(&into)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			_, err = s.mergeFacts(ctx, tx, who, id, into, now)
		}
		if err != nil {
			return err
		}
		id = into
	}
	return nil
}

// mergeAuthor is whose facts are that came from a merged incident.
func mergeAuthor(id string) string { return "merge:" + id }

// mergeFacts adds to into what id says and into does not.
func (s *Incidents) mergeFacts(ctx context.Context, tx *sql.Tx, who actor.Actor, id, into string, now time.Time) (Merged, error) {
	done := Merged{ID: id, Into: into}
	author := mergeAuthor(id)
	from, err := factsOf(ctx, tx, id)
	if err != nil {
		return done, err
	}
	there, err := factsOf(ctx, tx, into)
	if err != nil {
		return done, err
	}
	before := map[[2]string]Fact{}
	var own []Fact // what into says without id
	for _, f := range there {
		if f.Author == author {
			before[[2]string{f.Key, f.Item}] = f
		} else {
			own = append(own, f)
		}
	}
	m := merger{id: id, author: author, own: current(own), items: map[string]string{}}
	for _, f := range current(from) {
		if f.Key == "source" { // first, because the others name them
			m.add(f)
		}
	}
	newest := Moment{}
	for _, f := range current(from) {
		if f.Key != "source" {
			m.add(f)
		}
		if f.AsOf.Time.After(newest.Time) {
			newest = f.AsOf
		}
	}
	changes := changesSince(before, m.wanted, newest)
	done.Added, done.Kept = len(changes), m.kept
	if len(changes) == 0 {
		return done, nil
	}
	return done, s.addFacts(ctx, tx, who, &FactsFile{ID: into, Facts: changes}, now)
}

// merger decides what becomes of each fact.
type merger struct {
	id, author string
	own        []Fact
	items      map[string]string // of sources: old id to new
	wanted     []Fact
	kept       []Fact
}

func (m *merger) add(f Fact) {
	f.Author = m.author
	if renamed, ok := m.items[f.Source]; ok {
		f.Source = renamed
	}
	if !keyForms[f.Key].listed {
		m.single(f)
		return
	}
	item := f.Item
	for _, o := range m.own {
		if o.Key != f.Key {
			continue
		}
		if f.Value.Word != "" && o.Value.Word == f.Value.Word && o.Value.Status == f.Value.Status && o.Value.Original == f.Value.Original ||
			o.Item == f.Item && sameValue(o, f) {
			if f.Key == "source" {
				m.items[f.Item] = o.Item
			}
			return
		}
		if o.Item == f.Item {
			item = ItemID(m.id + ":" + f.Item)
		}
	}
	if f.Key == "source" {
		m.items[f.Item] = item
	}
	f.Item = item
	m.wanted = append(m.wanted, f)
}

// single takes a fact of a single-valued key only where there is none; a name becomes an alias.
func (m *merger) single(f Fact) {
	for _, o := range m.own {
		if o.Key != f.Key {
			continue
		}
		if sameValue(o, f) {
			return
		}
		if f.Key == "organisation" {
			f.Key, f.Item = "alias", ItemID(m.id+":organisation")
			m.wanted = append(m.wanted, f)
			return
		}
		m.kept = append(m.kept, f)
		return
	}
	m.wanted = append(m.wanted, f)
}

func sameValue(a, b Fact) bool {
	return saysSame(Fact{Key: a.Key, Value: a.Value}, Fact{Key: a.Key, Value: b.Value})
}
