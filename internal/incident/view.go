package incident

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/store"
)

// A View is the archive as a door shows it: what is public, or, for a private preview, everything as if it were published
// now. Doors are given a View and nothing else of this room, so that a draft cannot be rendered by accident.
type View struct {
	s       *Incidents
	archive *archive
	drafts  bool
	next    Upcoming
}

// Upcoming composes the notice that would be published next of an own incident, for a preview; false where there is
// nothing new to tell.
type Upcoming func(ctx context.Context, id string) (Notice, bool, error)

// Public is what everybody sees.
func (s *Incidents) Public() *View { return s.public }

// Preview is what everybody would see if everything that is recorded were published now, the notices that next composes
// included. It is for people who may see drafts, and nothing of it is kept.
func (s *Incidents) Preview(next Upcoming) *View {
	return &View{s: s, archive: &archive{drafts: -1}, drafts: true, next: next}
}

// Drafts reports whether the view shows what is not published.
func (v *View) Drafts() bool { return v.drafts }

// Get returns an incident with its current facts; of an id that was merged into another, that other. Errors: ErrNotFound,
// also for what was never published.
func (v *View) Get(ctx context.Context, id string) (Incident, error) {
	var inc Incident
	err := v.s.db.View(ctx, func(tx *sql.Tx) error {
		if v.drafts {
			var err error
			inc, err = draftOf(ctx, tx, id)
			return err
		}
		to, err := resolve(ctx, tx, id, true)
		if err != nil {
			return err
		}
		var public bool
		if inc, public, err = publicIncident(ctx, tx, to); err == nil && !public {
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
	err = v.s.db.View(ctx, func(tx *sql.Tx) error {
		if v.drafts {
			out, err = factsOf(ctx, tx, id)
		} else {
			out, err = publicRecord(ctx, tx, id)
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
	return v.s.Provenance(ctx, id)
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
	list, err := readNotices(ctx, v.s.db, `WHERE incident = $1 AND ledger_index < `+served+` ORDER BY version`, incident)
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

// Each gives incidents one by one, with where they were imported from (nil: the operator's own), in the order of their
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
	there := `AND NOT EXISTS (SELECT 1 FROM incident_merge m WHERE m.incident = n.id)`
	if !v.drafts {
		there = `AND NOT EXISTS (SELECT 1 FROM incident_merge m WHERE m.incident = n.id AND m.ledger_index < ` + served + `)
			AND (EXISTS (SELECT 1 FROM incident_import o WHERE o.incident = n.id)
				OR EXISTS (SELECT 1 FROM incident_public p WHERE p.incident = n.id AND p.ledger_index < ` + served + `))`
	}
	for after := ""; ; {
		page, err := readIDs(ctx, v.s.db, `SELECT n.id FROM incident n WHERE n.id > $1 `+there+` ORDER BY n.id LIMIT $2`, after, eachPage)
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

// laid is what a preview shows of an incident in the place of, or beside, its entry in the archive.
type laid struct {
	entry Entry
	text  entryText
	gone  bool // merged into another
}

// overlay gives the entries of everything that is not published: the operator's own incidents as they are recorded, and
// merges that wait for a notice. There are few of them, and nothing of them is in a table that the public's searches read.
func (v *View) overlay(ctx context.Context, tx *sql.Tx) ([]laid, error) {
	ids, err := readIDs(ctx, tx, `SELECT i.id FROM incident i WHERE NOT EXISTS (SELECT 1 FROM incident_import o WHERE o.incident = i.id)
		UNION SELECT m.incident FROM incident_merge m WHERE m.ledger_index IS NULL ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	var last int64
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(num), 0) FROM incident_entry`).Scan(&last); err != nil {
		return nil, err
	}
	var out []laid
	for _, id := range ids {
		var num int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce((SELECT num FROM incident_entry WHERE incident = $1), 0)`, id).Scan(&num); err != nil {
			return nil, err
		}
		if num == 0 {
			last++
			num = last
		}
		to, err := resolve(ctx, tx, id, false)
		if err != nil {
			return nil, err
		}
		if to != id {
			out = append(out, laid{entry: Entry{ID: id, num: num}, gone: true})
			continue
		}
		list, err := readIncidents(ctx, tx, `WHERE i.id = $1`, id)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			continue
		}
		l := laid{entry: entryOf(list[0], Origin{})}
		l.entry.num = num
		if l.entry.Updated, err = lastRecorded(ctx, tx, id, l.entry.Updated); err != nil {
			return nil, err
		}
		if l.entry.OrganisationID, err = knownOrganisation(ctx, tx, l.entry); err != nil {
			return nil, err
		}
		d, err := refreshing{tx: tx}.document(ctx, list[0], l.entry.OrganisationID)
		if err != nil {
			return nil, err
		}
		l.text = d.text()
		out = append(out, l)
	}
	return out, nil
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

// knownOrganisation is the id that an organisation has, or would be given.
func knownOrganisation(ctx context.Context, q store.Querier, e Entry) (string, error) {
	if e.Organisation == (Text{}) {
		return "", nil
	}
	for _, name := range e.organisationNames {
		ids, err := readIDs(ctx, q, `SELECT organisation FROM incident_name WHERE folded = $1`, foldName(name))
		if err != nil {
			return "", err
		}
		if len(ids) > 0 {
			return ids[0], nil
		}
	}
	return slug(e.Organisation), nil
}

// entries reads entries of the archive that the query names, and in a preview lays those over them that are not published;
// match tells which of these the query means.
func (v *View) entries(ctx context.Context, q store.Querier, match func(Entry) bool, where string, args ...any) ([]Entry, error) {
	list, err := readEntries(ctx, q, where, args...)
	if err != nil || !v.drafts {
		return list, err
	}
	over, err := v.laidOver(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(e Entry) bool {
		return slices.ContainsFunc(over, func(l laid) bool { return l.entry.ID == e.ID })
	})
	for _, l := range over {
		if !l.gone && match(l.entry) {
			list = append(list, l.entry)
		}
	}
	slices.SortStableFunc(list, func(a, b Entry) int { return int(a.num - b.num) })
	return list, nil
}

func (v *View) laidOver(ctx context.Context) (out []laid, err error) {
	err = v.s.db.View(ctx, func(tx *sql.Tx) error {
		out, err = v.overlay(ctx, tx)
		return err
	})
	return out, err
}

// organisationLines counts the incidents of each organisation of a preview again: its few own ones are in no table.
func (v *View) organisationLines(ctx context.Context, after string, limit int) ([]OrganisationLine, error) {
	byID := map[string]*OrganisationLine{}
	err := v.EachEntry(ctx, func(e Entry) error {
		if e.OrganisationID <= after {
			return nil
		}
		if byID[e.OrganisationID] == nil {
			byID[e.OrganisationID] = &OrganisationLine{ID: e.OrganisationID}
		}
		byID[e.OrganisationID].Name = e.Organisation
		byID[e.OrganisationID].Incidents++
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []OrganisationLine
	for _, o := range byID {
		out = append(out, *o)
	}
	slices.SortFunc(out, func(a, b OrganisationLine) int { return strings.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))], nil
}
