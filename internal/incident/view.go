package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"shirase/internal/language"
	"shirase/internal/store"
)

// A View is the incidents as a door shows them: what is public, or, for a private preview, everything as if it were
// published now. Doors are given a View and nothing else of this room, so that a draft cannot be rendered by accident.
type View struct {
	s      *Incidents
	tx     *sql.Tx // that it is read in; nil: a transaction for each question
	drafts bool
	next   Upcoming
}

// Upcoming composes the notice that would be published next of an own incident, for a preview; false where there is
// nothing new to tell.
type Upcoming func(ctx context.Context, id string) (Notice, bool, error)

// Public is what everybody sees.
func (s *Incidents) Public() *View { return s.public }

// Preview is what everybody would see if everything that is recorded were published now, the notices that next composes
// included. It is for people who may see drafts, and nothing of it is kept.
func (s *Incidents) Preview(next Upcoming) *View {
	return &View{s: s, drafts: true, next: next}
}

// In is the view as one transaction sees it. What Upcoming composes is not read in it.
func (v *View) In(tx *sql.Tx) *View {
	in := *v
	in.tx = tx
	return &in
}

// from is what single queries are asked of.
func (v *View) from() store.Querier {
	if v.tx != nil {
		return v.tx
	}
	return v.s.db
}

// read runs queries that have to agree.
func (v *View) read(ctx context.Context, do func(q store.Querier) error) error {
	if v.tx != nil {
		return do(v.tx)
	}
	return v.s.db.View(ctx, func(tx *sql.Tx) error { return do(tx) })
}

// Drafts reports whether the view shows what is not published.
func (v *View) Drafts() bool { return v.drafts }

// Get returns an incident with its current facts; of an id that was merged into another, that other. Errors: ErrNotFound,
// also for what was never published.
func (v *View) Get(ctx context.Context, id string) (Incident, error) {
	var inc Incident
	err := v.read(ctx, func(q store.Querier) error {
		if v.drafts {
			var err error
			inc, err = draftOf(ctx, q, id)
			return err
		}
		to, err := resolve(ctx, q, id, true)
		if err != nil {
			return err
		}
		own, err := isOwn(ctx, q, to)
		if err != nil {
			return err
		}
		var public bool
		if inc, public, err = publicIncident(ctx, q, to, own); err == nil && !public {
			err = notFound(id)
		}
		return err
	})
	if err != nil {
		return Incident{}, fmt.Errorf("incident: %w", err)
	}
	return inc, nil
}

// Record returns everything that was told of an incident, by key in the order in which they are shown and by item: what
// was said first, and what became of it. Of an own incident that is what notices told.
func (v *View) Record(ctx context.Context, id string) ([]Past, error) {
	told, err := v.told(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("incident: %w", err)
	}
	return pasts(told), nil
}

func (v *View) told(ctx context.Context, id string) (out []Fact, err error) {
	err = v.read(ctx, func(q store.Querier) error {
		if v.drafts {
			out, err = factsOf(ctx, q, id)
		} else {
			out, err = publicRecord(ctx, q, id)
		}
		return err
	})
	return out, err
}

// Contradictions returns what is contradictory in an incident as it is told, and then what is open. Errors: ErrNotFound.
func (v *View) Contradictions(ctx context.Context, id string) ([]Contradiction, error) {
	inc, err := v.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	told, err := v.told(ctx, inc.ID)
	if err != nil {
		return nil, fmt.Errorf("incident: %w", err)
	}
	return contradictions(inc, told, v.s.now()), nil
}

// Provenance returns where an incident was imported from; false where it is the operator's own, or is not there.
func (v *View) Provenance(ctx context.Context, id string) (Provenance, bool, error) {
	return provenance(ctx, v.from(), id)
}

// Notice returns a notice. Errors: ErrNoNotice.
func (v *View) Notice(ctx context.Context, id string) (Notice, error) {
	incident, version, err := parseNoticeID(id)
	if err != nil {
		return Notice{}, err
	}
	list, err := v.Notices(ctx, incident)
	if err != nil {
		return Notice{}, err
	}
	if version > int64(len(list)) {
		return Notice{}, fmt.Errorf("%w: %s", ErrNoNotice, id)
	}
	return list[version-1], nil
}

// Notices returns the notices of an incident, the first version first. A preview ends with the one that would be next,
// whose LedgerIndex is -1.
func (v *View) Notices(ctx context.Context, incident string) ([]Notice, error) {
	list, err := readNotices(ctx, v.from(), `WHERE incident = $1 AND ledger_index < `+served+` ORDER BY version`, incident)
	if err != nil || !v.drafts || v.next == nil {
		return list, err
	}
	if n, ok, err := v.next(ctx, incident); err != nil {
		return nil, err
	} else if ok && n.Version == int64(len(list))+1 {
		list = append(list, n)
	}
	return list, nil
}

// eachPage is how many incidents Each holds at once.
const eachPage = 200

// Each returns incidents one by one, with where they were imported from (nil: the operator's own), in the order of their
// ids, in constant memory: all of them, or those named. Errors: ErrNotFound for an id that is not there, and those of do.
func (v *View) Each(ctx context.Context, ids []string, do func(Incident, *Provenance) error) error {
	one := func(id string) error {
		inc, err := v.Get(ctx, id)
		if err != nil {
			return err
		}
		origin, imported, err := v.Provenance(ctx, inc.ID)
		switch {
		case err != nil:
			return err
		case imported:
			return do(inc, &origin)
		}
		return do(inc, nil)
	}
	if len(ids) > 0 {
		for _, id := range ids {
			if err := one(id); err != nil {
				return err
			}
		}
		return nil
	}
	for after := ""; ; {
		page, err := store.Column[string](ctx, v.from(), `SELECT n.id FROM incident n WHERE n.id > $1 AND `+v.there()+` ORDER BY n.id LIMIT $2`, after, eachPage)
		if err != nil {
			return fmt.Errorf("incidents: %w", err)
		}
		for _, id := range page {
			if err := one(id); err != nil {
				return err
			}
		}
		if len(page) < eachPage {
			return nil
		}
		after = page[len(page)-1] // the engine's last, whose order need not be Go's
	}
}

// there is true, in queries, of the incidents n that the view shows.
func (v *View) there() string {
	if v.drafts {
		return `NOT EXISTS (SELECT 1 FROM incident_merge m WHERE m.incident = n.id)`
	}
	return `NOT EXISTS (SELECT 1 FROM incident_merge m WHERE m.incident = n.id AND m.ledger_index < ` + served + `)
		AND (EXISTS (SELECT 1 FROM incident_import o WHERE o.incident = n.id)
			OR EXISTS (SELECT 1 FROM incident_public p WHERE p.incident = n.id AND p.ledger_index < ` + served + `))`
}

// IDs returns the ids of all incidents, in the order in which they were recorded.
func (v *View) IDs(ctx context.Context) ([]string, error) {
	ids, err := store.Column[string](ctx, v.from(), `SELECT n.id FROM incident n WHERE `+v.there()+` ORDER BY n.created_at, n.id`)
	if err != nil {
		return nil, fmt.Errorf("incidents: %w", err)
	}
	return ids, nil
}

// Shown is an incident with what lists and searches have of it beside its facts.
type Shown struct {
	Incident
	Dataset string          // that it was recorded from; "" for the operator's own
	Updated time.Time       // when something was last told of it
	Told    []language.Text // of its newest notices, at most maxTold, the newest first
}

// maxTold is how many notices' texts are read of an incident: what a limit cuts off is what was said long ago.
const maxTold = 20

// Shown returns an incident for lists and searches; false where it is not shown under this id: it was never published, or
// merged into another.
func (v *View) Shown(ctx context.Context, id string) (s Shown, there bool, err error) {
	err = v.read(ctx, func(q store.Querier) error {
		s, there, err = v.shown(ctx, q, id)
		return err
	})
	if err != nil {
		return Shown{}, false, fmt.Errorf("incident %s: %w", id, err)
	}
	return s, there, nil
}

func (v *View) shown(ctx context.Context, q store.Querier, id string) (s Shown, there bool, err error) {
	to, err := resolve(ctx, q, id, !v.drafts)
	if err != nil || to != id {
		return s, false, err
	}
	if s.Dataset, err = datasetOf(ctx, q, id); err != nil {
		return s, false, err
	}
	if s.Incident, there, err = publicIncident(ctx, q, id, s.Dataset == "" && !v.drafts); err != nil || !there {
		return s, false, err
	}
	if v.drafts {
		s.Updated, err = lastRecorded(ctx, q, id, s.Created)
	} else {
		s.Updated, err = lastShown(ctx, q, id, s.Dataset == "", s.Created)
	}
	if err == nil {
		s.Told, err = textsOf(ctx, q, id)
	}
	return s, err == nil, err
}

// textsOf reads the texts of an incident's newest notices that are public. One that was changed behind our back is ledger
// verify's to report: its text is left out.
func textsOf(ctx context.Context, q store.Querier, id string) ([]language.Text, error) {
	rows, err := q.QueryContext(ctx, `SELECT data FROM incident_notice WHERE incident = $1 AND ledger_index < `+served+` ORDER BY version DESC LIMIT $2`, id, maxTold)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []language.Text
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return nil, err
		}
		if n, err := ParseNotice(data); err == nil {
			out = append(out, n.Text)
		}
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Having counts, for each group of keys, the incidents that have a fact under one of them: those of others in the index of
// facts, and own ones by what is shown of them.
func (v *View) Having(ctx context.Context, groups [][]string) ([]int, error) {
	merged := ` AND m.ledger_index < ` + served
	if v.drafts {
		merged = ""
	}
	out := make([]int, len(groups))
	for g, keys := range groups {
		args, binds := bind(keys)
		if err := v.from().QueryRowContext(ctx, `SELECT count(DISTINCT f.incident) FROM incident_fact f JOIN incident_import o ON o.incident = f.incident
			WHERE f.fact_key IN (`+binds+`) AND NOT f.retracted AND NOT EXISTS (
				SELECT 1 FROM incident_fact r WHERE r.incident = f.incident AND r.fact_key = f.fact_key AND r.item = f.item AND r.retracted
				AND (r.as_of > f.as_of OR r.as_of = f.as_of AND r.seq > f.seq))
			AND NOT EXISTS (SELECT 1 FROM incident_merge m WHERE m.incident = f.incident`+merged+`)`, args...).Scan(&out[g]); err != nil {
			return nil, err
		}
	}
	ids, err := store.Column[string](ctx, v.from(), `SELECT i.id FROM incident i WHERE NOT EXISTS (SELECT 1 FROM incident_import o WHERE o.incident = i.id) ORDER BY i.id`)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		i, err := v.Get(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue // never published
		}
		if err != nil {
			return nil, err
		}
		for g, keys := range groups {
			if slices.ContainsFunc(i.Facts, func(f Fact) bool { return slices.Contains(keys, f.Key) }) {
				out[g]++
			}
		}
	}
	return out, nil
}

// Pending returns the ids of what a preview may show otherwise than the public is shown it: the operator's own incidents,
// and those that wait for a notice to be merged. There are few of them. None where the view is the public's.
func (v *View) Pending(ctx context.Context) ([]string, error) {
	if !v.drafts {
		return nil, nil
	}
	ids, err := store.Column[string](ctx, v.from(), `SELECT i.id FROM incident i WHERE NOT EXISTS (SELECT 1 FROM incident_import o WHERE o.incident = i.id)
		UNION SELECT m.incident FROM incident_merge m WHERE m.ledger_index IS NULL ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("incidents: %w", err)
	}
	return ids, nil
}

// Drafted returns a number that is another one whenever what a preview shows beside the public's may have changed; 0 where
// the view is the public's.
func (v *View) Drafted(ctx context.Context) (n int64, err error) {
	if !v.drafts {
		return 0, nil
	}
	if err := v.from().QueryRowContext(ctx, `SELECT drafts FROM incident_room WHERE one = 1`).Scan(&n); err != nil {
		return 0, fmt.Errorf("drafts: %w", err)
	}
	return n, nil
}

// Dataset is what there is from one data set.
type Dataset struct {
	Name        string
	Incidents   int
	Licence     string
	Attribution string
	Updated     time.Time
}

// Datasets lists the data sets that incidents were imported from.
func (v *View) Datasets(ctx context.Context) ([]Dataset, error) {
	// What leads to another incident is shown by that one: a later import of it changes nothing here.
	rows, err := v.from().QueryContext(ctx, `SELECT o.dataset, count(*), max(o.licence), max(o.attribution), max(CASE WHEN EXISTS (
			SELECT 1 FROM incident_merge m WHERE m.incident = o.incident AND m.ledger_index < `+served+`) THEN o.imported_at ELSE o.updated_at END)
		FROM incident_import o GROUP BY o.dataset ORDER BY o.dataset`)
	if err != nil {
		return nil, fmt.Errorf("data sets: %w", err)
	}
	defer rows.Close()
	var list []Dataset
	for rows.Next() {
		var d Dataset
		var updated int64
		if err := rows.Scan(&d.Name, &d.Incidents, &d.Licence, &d.Attribution, &updated); err != nil {
			return nil, fmt.Errorf("data sets: %w", err)
		}
		d.Updated = store.FromMicros(updated)
		list = append(list, d)
	}
	return list, errors.Join(rows.Err(), rows.Close())
}

// NoticesAfter lists published notices in the order of incidents' ids and versions, those after one. The zero after is
// the beginning.
func (v *View) NoticesAfter(ctx context.Context, after Notice, limit int) ([]Notice, error) {
	return readNotices(ctx, v.from(), `WHERE (incident, version) > ($1, $2) AND ledger_index < `+served+` ORDER BY incident, version LIMIT $3`, after.Incident, after.Version, limit)
}

// NoticeAfterID is the place in the order of NoticesAfter that a notice's id names. Errors: ErrNoNotice.
func NoticeAfterID(id string) (Notice, error) {
	incident, version, err := parseNoticeID(id)
	return Notice{Incident: incident, Version: version}, err
}

// lastRecorded is when something was last recorded about an incident.
func lastRecorded(ctx context.Context, q store.Querier, id string, created time.Time) (time.Time, error) {
	var at int64
	err := q.QueryRowContext(ctx, `SELECT coalesce(max(recorded_at), 0) FROM incident_fact WHERE incident = $1`, id).Scan(&at)
	if t := time.UnixMicro(at).UTC(); t.After(created) {
		created = t
	}
	return created, err
}
