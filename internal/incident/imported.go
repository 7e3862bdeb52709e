package incident

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// Record is one incident as a data set tells it.
type Record struct {
	Dataset     string // "hibp", "washington-ag" ...
	ExternalID  string // what the data set calls the row
	ID          string // the incident's id here, the same every time
	Facts       []Fact // Author and Recorded are set by Import
	AsOf        Moment // as of when the data set speaks; zero: it does not say
	Licence     string // under which the data may be shown
	Attribution string // whom to name, and
	URL         string // where to link to, wherever it is shown
	ReadNow     bool   // its sources are what is being read: they get the time of the import
	Place       Place
}

// Place is where in a file something stands.
type Place struct {
	File string `json:"file"`
	Line int64  `json:"line,omitzero"` // from 1
	Path string `json:"path,omitzero"` // of JSON: $[12]
}

func (p Place) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
	}
	if p.Path != "" {
		s += " " + p.Path
	}
	return s
}

// RowError is why one row was not imported. Those after it are.
type RowError struct {
	Place
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

func (e *RowError) Error() string {
	if e.Field == "" {
		return e.Place.String() + ": " + e.Reason
	}
	return e.Place.String() + ": " + e.Field + ": " + e.Reason
}

// ImportCounts says what became of the rows: Read is the sum of the others.
type ImportCounts struct {
	Read      int64 `json:"read"`
	Imported  int64 `json:"imported"`
	Updated   int64 `json:"updated"`
	Unchanged int64 `json:"unchanged"`
	Rejected  int64 `json:"rejected"`
}

func (c *ImportCounts) add(d ImportCounts) {
	c.Read += d.Read
	c.Imported += d.Imported
	c.Updated += d.Updated
	c.Unchanged += d.Unchanged
	c.Rejected += d.Rejected
}

// ImportOptions are what an import may have beside its rows.
type ImportOptions struct {
	Reject   func(*RowError) error // is told of every row that is not imported
	Progress func(rows int64)
}

// importBatch is how many rows one transaction takes: few enough that other writers need not wait long, many enough
// that the disk is not waited for once a row.
const (
	importBatch = 200
	batchText   = 4 << 20 // bytes of text in a batch, about; a single row may have more
)

var (
	datasetName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
	externalID  = regexp.MustCompile(`^[ -~]+$`) // and at most 200 long
)

// Import records the rows that next gives, until io.EOF. A *RowError of next is a row that could not be read. Rows go
// in by whole transactions: killed at any instant, an import leaves whole incidents only, and run again it goes on. A
// row that was imported before and has not changed is left alone; of one that has changed only the changed facts are
// added, and what it no longer says is taken back.
//
// Ids of rows seen are kept, 16 bytes or so each: a row that comes twice in one run is refused, because each of the two
// would undo the other at every run.
func (s *Incidents) Import(ctx context.Context, who actor.Actor, next func() (Record, error), o ImportOptions) (ImportCounts, error) {
	var total ImportCounts
	if err := who.May(actor.Record, ""); err != nil {
		return total, fmt.Errorf("import: %w", err)
	}
	r := importer{Incidents: s, who: who, seen: map[uint64]struct{}{}}
	for done := false; !done; {
		batch, rejected, err := r.batch(next)
		done = errors.Is(err, io.EOF)
		if err != nil && !done {
			return total, fmt.Errorf("import: %w", err)
		}
		counts, refused, err := r.store(ctx, batch)
		if err != nil {
			return total, fmt.Errorf("import: %w", err)
		}
		rejected = append(rejected, refused...)
		counts.Rejected = int64(len(rejected))
		counts.Read = counts.Imported + counts.Updated + counts.Unchanged + counts.Rejected
		total.add(counts)
		for _, row := range rejected {
			if o.Reject == nil {
				break
			}
			if err := o.Reject(row); err != nil {
				return total, fmt.Errorf("import: %w", err)
			}
		}
		if o.Progress != nil {
			o.Progress(total.Read)
		}
	}
	return total, nil
}

// importer is one run.
type importer struct {
	*Incidents
	who  actor.Actor
	seen map[uint64]struct{}
}

// prepared is a record that was found good, with its digest.
type prepared struct {
	Record
	digest string
}

// batch reads up to importBatch rows. What was read before an error is returned with it.
func (r *importer) batch(next func() (Record, error)) (batch []prepared, rejected []*RowError, err error) {
	for size := 0; len(batch)+len(rejected) < importBatch && size < batchText; {
		rec, err := next()
		var row *RowError
		switch {
		case errors.As(err, &row):
			rejected = append(rejected, row)
			continue
		case err != nil:
			return batch, rejected, err
		}
		digest, row := r.prepare(&rec)
		if row != nil {
			rejected = append(rejected, row)
			continue
		}
		batch = append(batch, prepared{rec, digest})
		for _, f := range rec.Facts {
			size += len(f.Value.Text.JA) + len(f.Value.Text.EN) + len(f.Value.Quote) + len(f.Source) + 200
		}
	}
	return batch, rejected, nil
}

// prepare checks a record and completes its facts.
func (r *importer) prepare(rec *Record) (string, *RowError) {
	refuse := func(field, reason string) (string, *RowError) {
		return "", &RowError{rec.Place, field, reason}
	}
	switch {
	case !datasetName.MatchString(rec.Dataset):
		return refuse("dataset", fmt.Sprintf("%q cannot be a data set's name", clip(rec.Dataset)))
	case len(rec.ExternalID) > 200 || !externalID.MatchString(rec.ExternalID):
		return refuse("id", fmt.Sprintf("%q cannot be a row's id: 1 to 200 printable ASCII characters", clip(rec.ExternalID)))
	case !ValidID(rec.ID):
		return refuse("id", fmt.Sprintf("%q cannot be an incident's id", clip(rec.ID)))
	case len(rec.Facts) == 0:
		return refuse("", "no fact")
	case len(rec.Facts) > maxFacts:
		return refuse("", fmt.Sprintf("more than %d facts", maxFacts))
	case rec.URL != "" && !webLink(rec.URL):
		return refuse("url", "not a web address")
	}
	for _, text := range []struct{ name, text string }{{"licence", rec.Licence}, {"attribution", rec.Attribution}} {
		if why := textProblem(text.text, maxWord); why != "" {
			return refuse(text.name, why)
		}
	}
	said := map[[3]string]bool{}
	for i := range rec.Facts {
		f := &rec.Facts[i]
		if f.AsOf.IsZero() {
			f.AsOf = rec.AsOf
		}
		f.Author = importAuthor(rec.Dataset)
		if err := f.Check(); err != nil {
			var field *FieldError
			errors.As(err, &field)
			return refuse(strings.TrimSuffix(f.Key+" "+f.Item, " ")+": "+field.Field, field.Reason)
		}
		about := [3]string{f.Key, f.Item, f.AsOf.String()}
		if said[about] {
			return refuse(strings.TrimSuffix(f.Key+" "+f.Item, " "), "is said twice as of the same time")
		}
		said[about] = true
		if keyForms[f.Key].form == formTime && f.Certainty != Planned && f.Value.Time.Time.After(r.now().Add(24*time.Hour)) {
			return refuse(f.Key, f.Value.Time.String()+" has not been yet")
		}
		if f.AsOf.Time.After(rec.AsOf.Time) {
			rec.AsOf = f.AsOf
		}
	}
	sum := sha256.Sum256([]byte(rec.Dataset + "\x00" + rec.ExternalID))
	key := uint64(0)
	for _, b := range sum[:8] {
		key = key<<8 | uint64(b)
	}
	if _, twice := r.seen[key]; twice {
		return refuse("id", fmt.Sprintf("%q comes a second time in this run", clip(rec.ExternalID)))
	}
	r.seen[key] = struct{}{}
	digest, err := rec.digest()
	if err != nil {
		return refuse("", err.Error())
	}
	return digest, nil
}

// importAuthor is who an importer's facts are by: what others added to the same incident is never taken back by it.
func importAuthor(dataset string) string { return "import:" + dataset }

// digest is of what the record says, without when it was fetched and the bytes it was read from: the same facts in
// another order or layout are no change.
func (rec *Record) digest() (string, error) {
	facts := slices.SortedFunc(slices.Values(rec.Facts), func(a, b Fact) int {
		return strings.Compare(a.Key+"\x00"+a.Item+"\x00"+a.AsOf.String(), b.Key+"\x00"+b.Item+"\x00"+b.AsOf.String())
	})
	for i := range facts {
		facts[i].Value.Fetched, facts[i].Value.SHA256 = Moment{}, ""
	}
	b, err := json.Marshal([]any{rec.ID, rec.Licence, rec.Attribution, rec.URL, facts}, json.Deterministic(true))
	if err != nil {
		return "", fmt.Errorf("cannot be stored: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// store takes one batch in one transaction.
func (r *importer) store(ctx context.Context, batch []prepared) (counts ImportCounts, rejected []*RowError, err error) {
	if len(batch) == 0 {
		return counts, nil, nil
	}
	batch, unchanged, err := r.changed(ctx, batch)
	if err != nil || len(batch) == 0 {
		return ImportCounts{Unchanged: unchanged}, nil, err
	}
	now := r.now()
	err = r.db.Update(ctx, func(tx *sql.Tx) error {
		counts, rejected = ImportCounts{Unchanged: unchanged}, nil // it may be run again
		for i := range batch {
			row, err := r.storeOne(ctx, tx, &batch[i], now, &counts)
			if err != nil {
				return fmt.Errorf("%s: %w", batch[i].Place, err)
			}
			if row != nil {
				rejected = append(rejected, row)
			}
		}
		return nil
	})
	return counts, rejected, err
}

// changed leaves out, without the writing connection, what is recorded just so.
func (r *importer) changed(ctx context.Context, batch []prepared) (rest []prepared, unchanged int64, err error) {
	stmt, err := r.db.Read().PrepareContext(ctx, `SELECT count(*) FROM incident_import WHERE dataset = $1 AND external_id = $2 AND digest = $3`)
	if err != nil {
		return nil, 0, err
	}
	defer stmt.Close()
	for _, p := range batch {
		var same int64
		if err := stmt.QueryRowContext(ctx, p.Dataset, p.ExternalID, p.digest).Scan(&same); err != nil {
			return nil, 0, err
		}
		if same == 0 {
			rest = append(rest, p)
		}
		unchanged += same
	}
	return rest, unchanged, nil
}

// storeOne records, changes or refuses one row.
func (r *importer) storeOne(ctx context.Context, tx *sql.Tx, p *prepared, now time.Time, counts *ImportCounts) (*RowError, error) {
	var id, digest string
	var asOf int64
	err := tx.QueryRowContext(ctx, `SELECT incident, digest, as_of FROM incident_import WHERE dataset = $1 AND external_id = $2`,
		p.Dataset, p.ExternalID).Scan(&id, &digest, &asOf)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return r.create(ctx, tx, p, now, counts)
	case err != nil:
		return nil, err
	case digest == p.digest:
		counts.Unchanged++
		return nil, nil
	case !p.AsOf.IsZero() && store.Micros(p.AsOf.Time) < asOf:
		return &RowError{p.Place, "as of", "older than what is recorded, which is as of " + store.FromMicros(asOf).Format(time.DateOnly)}, nil
	}
	return nil, r.update(ctx, tx, p, id, now, counts)
}

// create records a row that was not there.
func (r *importer) create(ctx context.Context, tx *sql.Tx, p *prepared, now time.Time, counts *ImportCounts) (*RowError, error) {
	var taken int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM incident WHERE id = $1`, p.ID).Scan(&taken); err != nil {
		return nil, err
	}
	if taken > 0 {
		return &RowError{p.Place, "id", fmt.Sprintf("another incident has the id %s already, and stays as it is", p.ID)}, nil
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO incident (id, created_at) VALUES ($1, $2)`, p.ID, store.Micros(now)); err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO incident_import (incident, dataset, external_id, digest, as_of, licence, attribution,
		url, imported_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`, p.ID, p.Dataset, p.ExternalID, p.digest,
		asOfMicros(p.AsOf), p.Licence, p.Attribution, p.URL, store.Micros(now)); err != nil {
		return nil, err
	}
	counts.Imported++
	return nil, r.addFacts(ctx, tx, r.who, &FactsFile{ID: p.ID, Facts: p.fetched(p.Facts, now)}, now)
}

func asOfMicros(m Moment) int64 {
	if m.IsZero() {
		return 0
	}
	return store.Micros(m.Time)
}

// fetched gives sources that do not say when they were read the time of the import, where that is when.
func (rec *Record) fetched(facts []Fact, now time.Time) []Fact {
	if !rec.ReadNow {
		return facts
	}
	out := slices.Clone(facts)
	for i := range out {
		if v := &out[i].Value; keyForms[out[i].Key].form == formSource && !out[i].Retracted && v.Fetched.IsZero() {
			v.Fetched = Moment{now.UTC().Truncate(time.Minute), Minute}
		}
	}
	return out
}

// update adds what a row says anew and takes back what it no longer says.
func (r *importer) update(ctx context.Context, tx *sql.Tx, p *prepared, id string, now time.Time, counts *ImportCounts) error {
	all, err := factsOf(ctx, tx, id)
	if err != nil {
		return err
	}
	before := lastBy(all, importAuthor(p.Dataset))
	versions := map[[2]string]int{}
	for _, f := range p.Facts {
		versions[[2]string{f.Key, f.Item}]++
	}
	// Of what a row tells as of several times, each is compared with what it told as of that time.
	single, several := p.Facts[:0:0], p.Facts[:0:0]
	for _, f := range p.Facts {
		about := [2]string{f.Key, f.Item}
		if versions[about] == 1 {
			single = append(single, f)
			continue
		}
		delete(before, about)
		if !slices.ContainsFunc(all, func(o Fact) bool {
			return o.Author == f.Author && o.Key == f.Key && o.Item == f.Item && o.AsOf.String() == f.AsOf.String() && saysSame(o, f)
		}) {
			several = append(several, f)
		}
	}
	// What the incident holds from elsewhere, as after a merge, is not recorded again as this row's.
	for _, f := range current(all) {
		about := [2]string{f.Key, f.Item}
		if _, known := before[about]; !known {
			single = slices.DeleteFunc(single, func(n Fact) bool { return [2]string{n.Key, n.Item} == about && saysSame(n, f) })
		}
	}
	changes := append(changesSince(before, single, p.AsOf), several...)
	if len(changes) == 0 {
		// Said as of another time, as in what was exported from here: the same, if the rest is.
		result, err := tx.ExecContext(ctx, `UPDATE incident_import SET digest = $1 WHERE incident = $2 AND licence = $3 AND attribution = $4 AND url = $5`,
			p.digest, id, p.Licence, p.Attribution, p.URL)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n > 0 {
			counts.Unchanged += n
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `UPDATE incident_import SET digest = $1, as_of = $2, licence = $3, attribution = $4, url = $5,
		updated_at = $6 WHERE incident = $7`, p.digest, asOfMicros(p.AsOf), p.Licence, p.Attribution, p.URL, store.Micros(now), id); err != nil {
		return err
	}
	counts.Updated++
	if len(changes) == 0 {
		return nil
	}
	if err := r.addFacts(ctx, tx, r.who, &FactsFile{ID: id, Facts: p.fetched(changes, now)}, now); err != nil {
		return err
	}
	return r.mergeAgain(ctx, tx, r.who, id, now)
}

// changesSince returns the facts of now that before does not have, and takes back those of before that now lacks.
func changesSince(before map[[2]string]Fact, now []Fact, asOf Moment) []Fact {
	var changes []Fact
	for _, f := range now {
		about := [2]string{f.Key, f.Item}
		old, known := before[about]
		delete(before, about)
		if !known || !saysSame(old, f) {
			changes = append(changes, f)
		}
	}
	for _, f := range before {
		if f.Retracted {
			continue
		}
		back := Fact{Key: f.Key, Item: f.Item, Certainty: Confirmed, AsOf: asOf, Author: f.Author, Retracted: true}
		if back.AsOf.Time.Before(f.AsOf.Time) {
			back.AsOf = f.AsOf
		}
		changes = append(changes, back)
	}
	slices.SortStableFunc(changes, func(a, b Fact) int {
		if c := slices.Index(keyOrder, a.Key) - slices.Index(keyOrder, b.Key); c != 0 {
			return c
		}
		return strings.Compare(a.Item, b.Item)
	})
	return changes
}

// lastBy returns what author last recorded, by key and item.
func lastBy(all []Fact, author string) map[[2]string]Fact {
	last := map[[2]string]Fact{}
	for _, f := range all {
		if f.Author == author {
			last[[2]string{f.Key, f.Item}] = f
		}
	}
	return last
}

// saysSame reports whether two facts say the same.
func saysSame(a, b Fact) bool {
	for _, f := range []*Fact{&a, &b} {
		f.Recorded, f.AsOf, f.Value.Fetched, f.Value.SHA256 = time.Time{}, Moment{}, Moment{}, ""
	}
	one, errOne := json.Marshal(a, json.Deterministic(true))
	two, errTwo := json.Marshal(b, json.Deterministic(true))
	return errOne == nil && errTwo == nil && string(one) == string(two)
}

// Provenance is where an incident comes from that is not the operator's own.
type Provenance struct {
	Dataset     string
	ExternalID  string
	Licence     string
	Attribution string
	URL         string
	Imported    time.Time
	Updated     time.Time
}

// Provenance returns where an incident was imported from; false where it is the operator's own, or is not there.
func (s *Incidents) Provenance(ctx context.Context, id string) (Provenance, bool, error) {
	return provenance(ctx, s.db, id)
}

func provenance(ctx context.Context, q store.Querier, id string) (Provenance, bool, error) {
	var p Provenance
	var imported, updated int64
	err := q.QueryRowContext(ctx, `SELECT dataset, external_id, licence, attribution, url, imported_at, updated_at
		FROM incident_import WHERE incident = $1`, id).Scan(&p.Dataset, &p.ExternalID, &p.Licence, &p.Attribution, &p.URL, &imported, &updated)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Provenance{}, false, nil
	case err != nil:
		return Provenance{}, false, fmt.Errorf("origin of %s: %w", id, err)
	}
	p.Imported, p.Updated = store.FromMicros(imported), store.FromMicros(updated)
	return p, true, nil
}
