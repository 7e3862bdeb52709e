package incident

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Incidents is the room: the incidents of one store.
type Incidents struct {
	db      *store.DB
	now     func() time.Time
	public  *View
	changed Changed
}

// Changed is told of every incident of which the public sees something else from now on, in the transaction that makes it
// so: facts are recorded of what others disclosed, it is merged, or a notice is served. v is what the public sees in that
// transaction, which an error undoes.
type Changed func(ctx context.Context, tx *sql.Tx, v *View, id string) error

// New opens the room on db and brings its tables up to date. What is made from incidents and kept beside them is brought up
// to date by changed; nil: nothing is.
func New(ctx context.Context, db *store.DB, changed Changed) (*Incidents, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("incident: %w", err)
	}
	if err := db.Migrate(ctx, "incident", files); err != nil {
		return nil, fmt.Errorf("incident: %w", err)
	}
	if changed == nil {
		changed = func(context.Context, *sql.Tx, *View, string) error { return nil }
	}
	s := &Incidents{db: db, now: time.Now, changed: changed}
	s.public = &View{s: s}
	if err := s.takeBaselines(ctx); err != nil {
		return nil, fmt.Errorf("incident: taking over what was shown: %w", err)
	}
	return s, nil
}

// By has the room read the time by another clock, as in an exercise.
func (s *Incidents) By(now func() time.Time) { s.now = now }

// Incident is what is known of one breach: its current facts.
type Incident struct {
	ID      string
	Created time.Time // when it was recorded; of an own incident as the public sees it, when it was first shown
	Facts   []Fact    // in the order of keys, listed items by time and then as recorded; retracted ones left out
}

// Create records the incident of file with all its facts, or nothing. An as-of that the file does not give is the
// present minute. Errors: ErrExist.
//
// It is the operator's own, and nothing of it is public until a notice is published.
func (s *Incidents) Create(ctx context.Context, who actor.Actor, file *FactsFile) (Incident, error) {
	if err := who.May(actor.Declare, ""); err != nil {
		return Incident{}, fmt.Errorf("create incident: %w", err)
	}
	now := s.now()
	if err := s.db.Update(ctx, func(tx *sql.Tx) error { return s.create(ctx, tx, who, file, now) }); err != nil {
		return Incident{}, fmt.Errorf("create incident: %w", err)
	}
	return s.Get(ctx, file.ID)
}

func (s *Incidents) create(ctx context.Context, tx *sql.Tx, who actor.Actor, file *FactsFile, now time.Time) error {
	var taken int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM incident WHERE id = $1`, file.ID).Scan(&taken); err != nil {
		return err
	}
	if taken > 0 {
		return hint.Add(fmt.Errorf("%w: %s", ErrExist, file.ID), "give the file another id; what is recorded stays")
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO incident (id, created_at) VALUES ($1, $2)`, file.ID, store.Micros(now)); err != nil {
		return err
	}
	return s.addFacts(ctx, tx, who, file, now)
}

// Add records the facts of file with an incident that exists, all or none. Errors: ErrNotFound.
//
// Of an own incident they are a draft until a notice tells them; of another they are public now.
func (s *Incidents) Add(ctx context.Context, who actor.Actor, file *FactsFile) (Incident, error) {
	if err := who.May(actor.Write, file.ID); err != nil {
		if errors.Is(err, actor.ErrHidden) {
			err = ErrNotFound
		}
		return Incident{}, fmt.Errorf("add facts: %w", err)
	}
	now := s.now()
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM incident WHERE id = $1`, file.ID).Scan(&n); err != nil {
			return err
		}
		if n == 0 {
			return notFound(file.ID)
		}
		return s.addFacts(ctx, tx, who, file, now)
	})
	if err != nil {
		return Incident{}, fmt.Errorf("add facts: %w", err)
	}
	return s.Get(ctx, file.ID)
}

// AddIn is Add in a transaction of whoever has something to be recorded with it: what was done, and the facts of it, are one.
func (s *Incidents) AddIn(ctx context.Context, tx *sql.Tx, who actor.Actor, file *FactsFile) error {
	if err := who.May(actor.Write, file.ID); err != nil && who.May(actor.Propose, file.ID) != nil && who.May(actor.Approve, file.ID) != nil {
		if errors.Is(err, actor.ErrHidden) {
			err = ErrNotFound
		}
		return fmt.Errorf("add facts: %w", err)
	}
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM incident WHERE id = $1`, file.ID).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return notFound(file.ID)
	}
	return s.addFacts(ctx, tx, who, file, s.now())
}

// notFound is the error for an incident that is not there.
func notFound(id string) error {
	return hint.Add(fmt.Errorf("%w: %.80q", ErrNotFound, id), "create it first: shirase incident new --facts FILE")
}

// addFacts appends the facts of file in their order and, where they are public, says that the incident has changed. Whatever
// else belongs to it (the data set that it came from) has to be in tx before.
func (s *Incidents) addFacts(ctx context.Context, tx *sql.Tx, who actor.Actor, file *FactsFile, now time.Time) error {
	var last sql.NullInt64
	if err := tx.QueryRowContext(ctx, `SELECT max(seq) FROM incident_fact WHERE incident = $1`, file.ID).Scan(&last); err != nil {
		return err
	}
	for at := 0; at < len(file.Facts); at += factsAtOnce {
		if err := insertFacts(ctx, tx, who, file.ID, last.Int64+int64(at), file.Facts[at:min(at+factsAtOnce, len(file.Facts))], now); err != nil {
			return err
		}
	}
	return s.added(ctx, tx, file.ID)
}

// factsAtOnce is how many facts one statement inserts: enough that an import does not wait for the database once a
// fact, and few enough for SQLite's and PostgreSQL's limits of arguments.
const factsAtOnce = 40

// insertFacts appends facts after the one numbered last.
func insertFacts(ctx context.Context, tx *sql.Tx, who actor.Actor, id string, last int64, facts []Fact, now time.Time) error {
	const columns = 15
	var query strings.Builder
	query.WriteString(`INSERT INTO incident_fact (incident, seq, fact_key, item, certainty, source, as_of, as_of_form,
		recorded_at, author, actor, retracted, happened_at, amount, value) VALUES `)
	args := make([]any, 0, columns*len(facts))
	for i, f := range facts {
		if f.AsOf.IsZero() {
			f.AsOf = Moment{now.UTC().Truncate(time.Minute), Minute}
		}
		value, err := json.Marshal(f.Value, json.Deterministic(true))
		if err != nil {
			return fmt.Errorf("fact %s: %w", f.Key, err)
		}
		var happened, amount sql.NullInt64
		if !f.Value.Time.IsZero() {
			happened = sql.NullInt64{Int64: store.Micros(f.Value.Time.Time), Valid: true}
		}
		if f.Value.Number != nil {
			amount = sql.NullInt64{Int64: *f.Value.Number, Valid: true}
		}
		for column := range columns {
			switch {
			case column > 0:
				query.WriteByte(',')
			case i > 0:
				query.WriteString("),(")
			default:
				query.WriteByte('(')
			}
			fmt.Fprintf(&query, "$%d", i*columns+column+1)
		}
		args = append(args, id, last+int64(i)+1, f.Key, f.Item, string(f.Certainty), f.Source, store.Micros(f.AsOf.Time),
			f.AsOf.String(), store.Micros(now), f.Author, who.String(), f.Retracted, happened, amount, string(value))
	}
	query.WriteByte(')')
	if _, err := tx.ExecContext(ctx, query.String(), args...); err != nil {
		return fmt.Errorf("facts from %s on: %w", facts[0].Key, err)
	}
	return nil
}

// Get returns an incident with all of its current facts, drafts among them; of an id that was merged into another, that
// other. Doors to the public ask a [View]. Errors: ErrNotFound.
func (s *Incidents) Get(ctx context.Context, id string) (Incident, error) {
	inc, err := draftOf(ctx, s.db, id)
	if err != nil {
		return Incident{}, fmt.Errorf("incident: %w", err)
	}
	return inc, nil
}

// draftOf reads an incident with everything that is recorded of it, following merges.
func draftOf(ctx context.Context, q store.Querier, id string) (Incident, error) {
	to, err := resolve(ctx, q, id, false)
	if err != nil {
		return Incident{}, err
	}
	list, err := readIncidents(ctx, q, `WHERE i.id = $1`, to)
	if err != nil {
		return Incident{}, err
	}
	if len(list) == 0 {
		return Incident{}, notFound(id)
	}
	return list[0], nil
}

// Holding returns the incidents that have a fact under one of the given keys, with what holds under these keys alone and the
// data set that each was recorded from, in the order of ids: drafts among them, and none that was merged into another.
func (s *Incidents) Holding(ctx context.Context, keys []string) ([]Shown, error) {
	args, binds := bind(keys)
	list, err := readIncidents(ctx, s.db, `WHERE f.fact_key IN (`+binds+`) AND NOT EXISTS (SELECT 1 FROM incident_merge m WHERE m.incident = i.id)`, args...)
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
	out := make([]Shown, len(list))
	for n, i := range list {
		out[n] = Shown{Incident: i, Dataset: datasets[i.ID]}
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// bind returns words as arguments, with the placeholders that stand for them.
func bind(words []string) (args []any, binds string) {
	var names []string
	for n, w := range words {
		args, names = append(args, w), append(names, fmt.Sprintf("$%d", n+1))
	}
	return args, strings.Join(names, ", ")
}

// readAll loads the incidents that where names, with every fact ever recorded.
func (s *Incidents) readAll(ctx context.Context, where string, args ...any) ([]Incident, error) {
	return readEveryFact(ctx, s.db, where, args...)
}

// readIncidents is read on a store or in a transaction.
func readIncidents(ctx context.Context, q store.Querier, where string, args ...any) ([]Incident, error) {
	list, err := readEveryFact(ctx, q, where, args...)
	for i := range list {
		list[i].Facts = current(list[i].Facts)
	}
	return list, err
}

func readEveryFact(ctx context.Context, q store.Querier, where string, args ...any) ([]Incident, error) {
	rows, err := q.QueryContext(ctx, `SELECT i.id, i.created_at, `+factColumns+`
		FROM incident i JOIN incident_fact f ON f.incident = i.id `+where+` ORDER BY i.id, f.seq`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Incident
	for rows.Next() {
		var id string
		var created int64
		f, err := scanFact(rows, &id, &created)
		if err != nil {
			return nil, fmt.Errorf("%s: fact %s: %w", id, name(f), err)
		}
		if len(list) == 0 || list[len(list)-1].ID != id {
			list = append(list, Incident{ID: id, Created: store.FromMicros(created)})
		}
		last := &list[len(list)-1]
		last.Facts = append(last.Facts, f)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	return list, nil
}

// factColumns are a fact's columns in the order of scanFact.
const factColumns = `f.fact_key, f.item, f.certainty, f.source, f.as_of_form, f.recorded_at, f.author, f.retracted, f.value`

// errUnreadable reports a fact whose row was read and does not hold what was stored.
var errUnreadable = errors.New("cannot be read")

// scanFact reads a row of other columns and then factColumns. Errors: errUnreadable, with as much of the fact as was read.
func scanFact(rows *sql.Rows, before ...any) (Fact, error) {
	var f Fact
	var certainty, asOf, value string
	var recorded int64
	if err := rows.Scan(append(before, &f.Key, &f.Item, &certainty, &f.Source, &asOf, &recorded, &f.Author, &f.Retracted, &value)...); err != nil {
		return f, err
	}
	f.Certainty, f.Recorded = Certainty(certainty), store.FromMicros(recorded)
	var err error
	if f.AsOf, err = ParseMoment(asOf, nil); err == nil {
		err = json.Unmarshal([]byte(value), &f.Value)
	}
	if err != nil {
		return f, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return f, nil
}

// factsOf reads every fact of one incident, as recorded.
func factsOf(ctx context.Context, q store.Querier, id string) ([]Fact, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+factColumns+` FROM incident_fact f WHERE f.incident = $1 ORDER BY f.seq`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Fact
	for rows.Next() {
		f, err := scanFact(rows)
		if err != nil {
			return nil, fmt.Errorf("%s: fact %s: %w", id, name(f), err)
		}
		out = append(out, f)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// current reduces the facts of one incident, in the order in which they were recorded, to what holds now: of each
// key, or item of a listed key, the newest as-of and of two such the later recorded.
func current(all []Fact) []Fact {
	newest := map[[2]string]Fact{}
	var order [][2]string
	for _, f := range all {
		about := [2]string{f.Key, f.Item}
		before, seen := newest[about]
		if !seen {
			order = append(order, about)
		}
		if !seen || !f.AsOf.Time.Before(before.AsOf.Time) {
			newest[about] = f
		}
	}
	var out []Fact
	for _, about := range order {
		if f := newest[about]; !f.Retracted {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b Fact) int {
		if c := slices.Index(keyOrder, a.Key) - slices.Index(keyOrder, b.Key); c != 0 {
			return c
		}
		return when(a).Compare(when(b))
	})
	return out
}

// when is the time a listed fact is sorted by: when it happened or was promised for; what has neither comes last.
func when(f Fact) time.Time {
	switch {
	case !f.Value.Time.IsZero():
		return f.Value.Time.Time
	case !f.Value.Promised.IsZero():
		return f.Value.Promised.Time
	}
	return time.Unix(1<<40, 0)
}

// Fact returns the current fact of a single-valued key.
func (i Incident) Fact(key string) (Fact, bool) {
	for _, f := range i.Facts {
		if f.Key == key {
			return f, true
		}
	}
	return Fact{}, false
}

// Listed returns the current items of a listed key.
func (i Incident) Listed(key string) []Fact {
	var out []Fact
	for _, f := range i.Facts {
		if f.Key == key {
			out = append(out, f)
		}
	}
	return out
}

// Title returns the incident's title; its id where it has none.
func (i Incident) Title(lang language.Lang) string {
	if f, ok := i.Fact("title"); ok {
		return f.Value.Text.In(lang)
	}
	return i.ID
}

// Organisation returns who answers for the incident; empty where that is not recorded.
func (i Incident) Organisation(lang language.Lang) string {
	f, _ := i.Fact("organisation")
	return f.Value.Text.In(lang)
}

// Classes returns the exposed data classes in the vocabulary's order, without those of which it is not known.
func (i Incident) Classes() []string {
	var out []string
	for _, f := range i.Listed("data-class") {
		if f.Certainty != Unknown {
			out = append(out, f.Value.Word)
		}
	}
	return SortClasses(out)
}

// State returns the state of the scope as it is recorded; empty where nothing says it. It is then what there is: final with
// a roster, under investigation without one.
func (i Incident) State() string {
	f, _ := i.Fact("scope.state")
	return f.Value.Word
}

// AsOf returns as of when the scope is known: the as-of of affected.count, of the newest fact about the scope where
// there is no count, of the newest fact at all where there is none about the scope. What happened afterwards (an
// addendum, a lifting) does not make the scope any newer.
func (i Incident) AsOf() time.Time {
	if f, ok := i.Fact("affected.count"); ok {
		return f.AsOf.Time
	}
	newest := time.Time{}
	for _, f := range i.Facts {
		if slices.Contains([]string{"scope.state", "excluded", "data-class"}, f.Key) && f.AsOf.Time.After(newest) {
			newest = f.AsOf.Time
		}
	}
	if newest.IsZero() {
		return i.Updated()
	}
	return newest
}

// Updated returns the newest as-of of all facts.
func (i Incident) Updated() time.Time {
	newest := time.Time{}
	for _, f := range i.Facts {
		if f.AsOf.Time.After(newest) {
			newest = f.AsOf.Time
		}
	}
	return newest
}

// Published returns when the organisation made the incident public; when it was recorded here where that is not
// known.
func (i Incident) Published() time.Time {
	if f, ok := i.Fact("disclosed"); ok {
		return f.Value.Time.Time
	}
	return i.Created
}
