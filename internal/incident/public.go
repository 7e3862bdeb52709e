package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/store"
)

// What the public sees of an incident. What others disclosed is public when it is recorded. Of the operator's own
// incidents it is what notices froze, and nothing else: each notice leaves a state, written in the transaction that
// appends it to the ledger (incident_public), and that state is shown once the served checkpoint covers the entry. A fact
// that is recorded, taken back or renamed between two notices is nowhere.

// state is what the public is told of an own incident after one of its notices.
type state struct {
	Signed   []Fact `json:"signed"`
	Unsigned []Fact `json:"unsigned,omitzero"` // shown by an earlier version before facts had to be signed, and in no notice yet
}

// after is the state that a notice leaves: a whole text replaces everything, the others what they are about.
func (s state) after(n Notice) state {
	if n.Whole() {
		return state{Signed: slices.Clone(n.Facts)}
	}
	out := state{slices.Clone(s.Signed), slices.Clone(s.Unsigned)}
	for _, f := range n.Facts {
		out.Unsigned = slices.DeleteFunc(out.Unsigned, sameAs(f))
		i := slices.IndexFunc(out.Signed, sameAs(f))
		switch {
		case i >= 0 && f.Retracted:
			out.Signed = slices.Delete(out.Signed, i, i+1)
		case i >= 0:
			out.Signed[i] = f
		case !f.Retracted:
			out.Signed = append(out.Signed, f)
		}
	}
	return out
}

// baselineOf is the state of facts that were shown while notices had signed only some of them.
func baselineOf(notices []Notice, shown []Fact) state {
	var out state
	signed := Published(notices)
	for _, f := range frozen(current(shown)) {
		if slices.ContainsFunc(signed, func(g Fact) bool { return equalFact(f, g) }) {
			out.Signed = append(out.Signed, f)
		} else {
			out.Unsigned = append(out.Unsigned, f)
		}
	}
	return out
}

// facts returns the state in the order in which facts are shown.
func (s state) facts() []Fact {
	out := slices.Clone(s.Signed)
	for _, f := range s.Unsigned {
		f.Unsigned = true
		out = append(out, f)
	}
	return outward(current(out)) // earlier versions froze the house's own numbers
}

// encode returns the form in which a state is stored.
func (s state) encode() (string, error) {
	b, err := json.Marshal(s, json.Deterministic(true))
	return string(b), err
}

// shown is one state with where it is from.
type shown struct {
	state
	version, ledgerIndex, baseline int64
}

const shownColumns = `version, ledger_index, baseline, facts`

func scanShown(row interface{ Scan(...any) error }) (shown, error) {
	var s shown
	var text string
	if err := row.Scan(&s.version, &s.ledgerIndex, &s.baseline, &text); err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(text), &s.state)
}

// served stands in queries for the number of entries that are public.
const served = `(SELECT served FROM incident_room WHERE one = 1)`

// publicState reads what the public is told of an own incident; false where it was never published.
func publicState(ctx context.Context, q store.Querier, id string) (shown, bool, error) {
	s, err := scanShown(q.QueryRowContext(ctx, `SELECT `+shownColumns+` FROM incident_public
		WHERE incident = $1 AND ledger_index < `+served+` ORDER BY version DESC LIMIT 1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return shown{}, false, nil
	}
	if err != nil {
		return shown{}, false, fmt.Errorf("%s: what is public of it: %w", id, err)
	}
	return s, true, nil
}

// datasetOf names the data set that an incident was recorded from; "" where nothing says that others published it, and so
// the operator answers for it.
func datasetOf(ctx context.Context, q store.Querier, id string) (string, error) {
	var dataset string
	err := q.QueryRowContext(ctx, `SELECT dataset FROM incident_import WHERE incident = $1`, id).Scan(&dataset)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return dataset, err
}

// isOwn reports whether the operator answers for an incident.
func isOwn(ctx context.Context, q store.Querier, id string) (bool, error) {
	dataset, err := datasetOf(ctx, q, id)
	return dataset == "", err
}

// resolve follows an id to the incident that it was merged into, if only as far as the public is told.
func resolve(ctx context.Context, q store.Querier, id string, public bool) (string, error) {
	query := `SELECT target FROM incident_merge WHERE incident = $1`
	if public {
		query += ` AND ledger_index < ` + served
	}
	for range maxMerges {
		switch err := q.QueryRowContext(ctx, query, id).Scan(&id); {
		case errors.Is(err, sql.ErrNoRows):
			return id, nil
		case err != nil:
			return "", err
		}
	}
	return "", fmt.Errorf("%w: %.80q was merged in a circle", ErrMerge, id)
}

// maxMerges bounds how many merges lead from an id to its incident.
const maxMerges = 32

// publicIncident reads an incident as the public sees it; false where it does not. It does not follow merges.
func publicIncident(ctx context.Context, q store.Querier, id string, own bool) (Incident, bool, error) {
	if !own {
		list, err := readIncidents(ctx, q, `WHERE i.id = $1`, id)
		if err != nil || len(list) == 0 {
			return Incident{}, false, err
		}
		return list[0], true, nil
	}
	s, there, err := publicState(ctx, q, id)
	if err != nil || !there {
		return Incident{}, false, err
	}
	i := Incident{ID: id, Facts: s.facts()}
	i.Created, err = firstShown(ctx, q, id)
	return i, true, err
}

// firstShown is when an own incident was first public: with its first notice, or, where it was shown before that, when it
// was recorded.
func firstShown(ctx context.Context, q store.Querier, id string) (time.Time, error) {
	var at int64
	err := q.QueryRowContext(ctx, `SELECT i.created_at FROM incident i WHERE i.id = $1 AND EXISTS (
		SELECT 1 FROM incident_public p WHERE p.incident = i.id AND p.baseline > 0)`, id).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		err = q.QueryRowContext(ctx, `SELECT published_at FROM incident_notice WHERE incident = $1 ORDER BY version LIMIT 1`, id).Scan(&at)
	}
	return store.FromMicros(at), err
}

// lastShown is when something was last made public about an incident.
func lastShown(ctx context.Context, q store.Querier, id string, own bool, created time.Time) (time.Time, error) {
	newest := created
	queries := []string{`SELECT coalesce(max(recorded_at), 0) FROM incident_fact WHERE incident = $1`}
	if own {
		queries = []string{
			`SELECT coalesce(max(f.recorded_at), 0) FROM incident_fact f JOIN incident_public p ON p.incident = f.incident AND f.seq <= p.baseline WHERE f.incident = $1`,
			`SELECT coalesce(max(published_at), 0) FROM incident_notice WHERE incident = $1 AND ledger_index < ` + served}
	}
	for _, query := range queries {
		var at int64
		if err := q.QueryRowContext(ctx, query, id).Scan(&at); err != nil {
			return newest, err
		}
		if t := store.FromMicros(at); t.After(newest) {
			newest = t
		}
	}
	return newest, nil
}

// publicRecord is everything that the public was ever told about an incident, in the order in which it was told: of an own
// incident what each notice said anew, and what a whole text left away.
func publicRecord(ctx context.Context, q store.Querier, id string) ([]Fact, error) {
	own, err := isOwn(ctx, q, id)
	if err != nil {
		return nil, err
	}
	if !own {
		return factsOf(ctx, q, id)
	}
	var upto, from int64
	err = q.QueryRowContext(ctx, `SELECT baseline, version FROM incident_public WHERE incident = $1 AND baseline > 0`, id).Scan(&upto, &from)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	var out []Fact
	if upto > 0 {
		if out, err = factsUpTo(ctx, q, id, upto); err != nil {
			return nil, err
		}
	}
	notices, err := readNotices(ctx, q, `WHERE incident = $1 AND ledger_index < `+served+` ORDER BY version`, id)
	if err != nil {
		return nil, err
	}
	now := current(out)
	for _, n := range notices {
		if n.Version <= from {
			continue
		}
		told := slices.Clone(n.Facts)
		if n.Whole() {
			for _, f := range now {
				if keyForms[f.Key].listed && !slices.ContainsFunc(n.Facts, sameAs(f)) {
					told = append(told, Fact{Key: f.Key, Item: f.Item, Certainty: Confirmed, AsOf: Moment{n.Time.Truncate(time.Minute), Minute}, Retracted: true})
				}
			}
		}
		for _, f := range told {
			if i := slices.IndexFunc(now, sameAs(f)); i >= 0 && equalFact(now[i], f) {
				continue // said again
			}
			f.Recorded, f.Source = n.Time, PublicSource(f.Source)
			out = append(out, f)
		}
		now = state{Signed: now}.after(n).Signed
	}
	return out, nil
}

// factsUpTo returns the facts recorded up to a number.
func factsUpTo(ctx context.Context, q store.Querier, id string, seq int64) ([]Fact, error) {
	list, err := readEveryFact(ctx, q, `WHERE i.id = $1 AND f.seq <= $2`, id, seq)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0].Facts, nil
}

// recordState writes the state that a notice leaves, and lets those merges become public with it whose facts it tells.
func recordState(ctx context.Context, tx *sql.Tx, n Notice, index int64) error {
	n, err := ParseNotice(n.Data) // as everybody else will read it
	if err != nil {
		return err
	}
	before, err := scanShown(tx.QueryRowContext(ctx, `SELECT `+shownColumns+` FROM incident_public WHERE incident = $1 ORDER BY version DESC LIMIT 1`, n.Incident))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	after := before.after(n)
	text, err := after.encode()
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO incident_public (incident, version, ledger_index, baseline, facts) VALUES ($1, $2, $3, 0, $4)`,
		n.Incident, n.Version, index, text); err != nil {
		return err
	}
	all, err := factsOf(ctx, tx, n.Incident)
	if err != nil {
		return err
	}
	waiting := map[string]bool{} // authors of facts that hold and are not told yet
	for _, f := range current(all) {
		if !slices.ContainsFunc(after.Signed, func(g Fact) bool { return equalFact(f, g) }) {
			waiting[f.Author] = true
		}
	}
	pending, err := store.Column[string](ctx, tx, `SELECT incident FROM incident_merge WHERE target = $1 AND ledger_index IS NULL ORDER BY incident`, n.Incident)
	if err != nil {
		return err
	}
	for _, id := range pending {
		if waiting[mergeAuthor(id)] {
			continue
		}
		if _, err := tx.ExecContext(ctx, `UPDATE incident_merge SET ledger_index = $1 WHERE incident = $2`, index, id); err != nil {
			return err
		}
	}
	return nil
}

// Serve makes public what the first size entries of the ledger hold: pages, search, feeds and statistics show it from the
// moment that tx commits. It is called in the transaction that serves the checkpoint of that size, and forgets nothing: a
// smaller size changes nothing.
func (s *Incidents) Serve(ctx context.Context, tx *sql.Tx, size int64) error {
	var before int64
	if err := tx.QueryRowContext(ctx, `SELECT served FROM incident_room WHERE one = 1`).Scan(&before); err != nil {
		return fmt.Errorf("serve notices: %w", err)
	}
	if size <= before {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE incident_room SET served = $1 WHERE one = 1`, size); err != nil {
		return fmt.Errorf("serve notices: %w", err)
	}
	ids, err := store.Column[string](ctx, tx, `SELECT incident FROM incident_public WHERE ledger_index >= $1 AND ledger_index < $2
		UNION SELECT incident FROM incident_merge WHERE ledger_index >= $1 AND ledger_index < $2 ORDER BY 1`, before, size)
	if err != nil {
		return fmt.Errorf("serve notices: %w", err)
	}
	for _, id := range ids {
		if err := s.tell(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

// tell says that the public sees something else of an incident from now on.
func (s *Incidents) tell(ctx context.Context, tx *sql.Tx, id string) error {
	return s.changed(ctx, tx, s.public.In(tx), id)
}

// drafted counts what was recorded and is not public, so that previews know.
func drafted(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE incident_room SET drafts = drafts + 1 WHERE one = 1`)
	return err
}

// added says that an incident has changed where what was just recorded about it is public, and counts a draft where it is
// not.
func (s *Incidents) added(ctx context.Context, tx *sql.Tx, id string) error {
	own, err := isOwn(ctx, tx, id)
	if err != nil {
		return err
	}
	to, err := resolve(ctx, tx, id, true)
	if err != nil {
		return err
	}
	if own || to != id { // what leads to another incident is shown by that one alone
		return drafted(ctx, tx)
	}
	return s.tell(ctx, tx, id)
}

// takeBaselines takes over, once, what an earlier version showed of the operator's own incidents without a notice that
// signs it: nothing of it vanishes, and it is marked until a notice signs it.
func (s *Incidents) takeBaselines(ctx context.Context) error {
	var taken bool
	if err := s.db.QueryRowContext(ctx, `SELECT baselined FROM incident_room WHERE one = 1`).Scan(&taken); err != nil || taken {
		return err
	}
	return s.db.Update(ctx, func(tx *sql.Tx) error {
		var done bool
		// The update makes programs that start together wait for one another.
		if err := tx.QueryRowContext(ctx, `UPDATE incident_room SET drafts = drafts + 1 WHERE one = 1 RETURNING baselined`).Scan(&done); err != nil || done {
			return err
		}
		ids, err := store.Column[string](ctx, tx, `SELECT i.id FROM incident i WHERE NOT EXISTS (SELECT 1 FROM incident_import o WHERE o.incident = i.id)
			AND NOT EXISTS (SELECT 1 FROM incident_public p WHERE p.incident = i.id) ORDER BY i.id`)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := baseline(ctx, tx, id); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE incident_room SET baselined = TRUE WHERE one = 1`)
		return err
	})
}

// baseline makes everything that is recorded of an own incident public without a notice that signs it.
func baseline(ctx context.Context, tx *sql.Tx, id string) error {
	var seq int64
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM incident_fact WHERE incident = $1`, id).Scan(&seq); err != nil || seq == 0 {
		return err
	}
	all, err := factsOf(ctx, tx, id)
	if err != nil {
		return err
	}
	notices, err := readNotices(ctx, tx, `WHERE incident = $1 ORDER BY version`, id)
	if err != nil {
		return err
	}
	version, index := int64(0), int64(-1)
	if n := len(notices); n > 0 {
		version, index = notices[n-1].Version, notices[n-1].LedgerIndex
	}
	text, err := baselineOf(notices, all).encode()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO incident_public (incident, version, ledger_index, baseline, facts) VALUES ($1, $2, $3, $4, $5)`,
		id, version, index, seq, text)
	return err
}
