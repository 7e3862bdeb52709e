package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// ErrMerge reports two incidents that cannot be made one.
var ErrMerge = errors.New("incidents not merged")

// Merged is what a merge did.
type Merged struct {
	ID    string `json:"id"`
	Into  string `json:"into"`
	Added int    `json:"added"` // facts
	Kept  []Fact `json:"-"`     // facts of ID of which Into says something else, and goes on saying it
}

// Merge makes id, an imported incident, another name of into: the facts that into lacks are added to it with their
// sources, the names by which id was known become aliases, and whoever asks for id gets into. Where both say something
// about a single-valued key, into's stays. All facts of id stay recorded. Errors: ErrNotFound, ErrMerge; those
// of [actor.Actor.May], of both.
//
// Where into is the operator's own, all of this is a draft until its next notice tells it.
func (s *Incidents) Merge(ctx context.Context, who actor.Actor, id, into string) (Merged, error) {
	var done Merged
	if err := mayRecord(who, id, into); err != nil {
		return done, fmt.Errorf("merge incidents: %w", err)
	}
	now := s.now()
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var err error
		if into, err = mergeable(ctx, tx, id, into); err != nil {
			return err
		}
		if err := mayRecord(who, into); err != nil { // where the other was merged before, it has gone to this one
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
