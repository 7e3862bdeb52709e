package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/store"
)

// archiveForm numbers the form in which entries and the text index are made from facts. A store whose archive was
// made in an earlier form has it made again when it is opened.
const archiveForm = 4

// Origin says which data set a recorded incident came from. The zero Origin is the operator's own incident.
type Origin struct{ Dataset, ExternalID string }

// Entry is one line of the archive: what lists, feeds and statistics need of an incident without reading all its
// facts.
type Entry struct {
	ID                  string
	Title, Organisation Text   // the id and nothing where they are not recorded
	OrganisationID      string // [a-z0-9-]; empty where there is no organisation
	Disclosed           Moment // zero where not known

	Date          time.Time // what the archive is sorted by, in the zone it was said in
	DateKey       string    // which fact Date is: one of dateKeys, or "recorded"
	DatePrecision Precision // how exactly it is known: of a month or a year, Date is the first day

	Affected          Value // affected.count; Number is nil where not known
	Cause, Sector     string
	Country           string
	Classes           []string
	Certifications    []string
	Dataset           string // "" for the operator's own; "hibp", "washington-ag", ...
	Addenda           int
	Updated           time.Time // when something was last recorded about it
	Detect            *Span     // window.start to discovered
	Contain           *Span     // discovered to contained
	Disclose          *Span     // discovered to disclosed
	NotifyRegulator   *Span     // discovered to regulator-notified, which is not the public
	organisationNames []string  // its own names and aliases, for joining organisations
	num               int64
}

// Span is the time between two milestones, in whole minutes where both are known to the minute or hour, else in whole
// days of the calendar.
type Span struct {
	Minutes   int64
	Precision Precision
}

// dateKeys are the facts that can date an incident, the best first.
var dateKeys = []string{"disclosed", "regulator-notified", "persons-notified", "discovered", "window.start"}

// entryOf makes the entry of an incident from its current facts.
func entryOf(i Incident, origin Origin) Entry {
	e := Entry{ID: i.ID, Title: Text{i.ID, i.ID}, Date: i.Created.UTC(), DateKey: "recorded", DatePrecision: Minute, Classes: i.Classes(),
		Dataset: origin.Dataset, Addenda: len(i.Listed("addendum")), Updated: i.Created.UTC()}
	if f, ok := i.Fact("title"); ok && f.Value.Text != (Text{}) {
		e.Title = f.Value.Text
	}
	if f, ok := i.Fact("organisation"); ok {
		e.Organisation = f.Value.Text
	}
	e.Disclosed, _ = i.moment("disclosed")
	for _, key := range dateKeys {
		if m, ok := i.moment(key); ok {
			e.Date, e.DateKey, e.DatePrecision = m.Time, key, m.Precision
			break
		}
	}
	if f, ok := i.Fact("affected.count"); ok {
		e.Affected = f.Value
	}
	for key, to := range map[string]*string{"cause": &e.Cause, "sector": &e.Sector, "country": &e.Country} {
		f, _ := i.Fact(key)
		*to = f.Value.Word
	}
	for _, f := range i.Listed("certification") {
		if name := strings.TrimSpace(f.Value.Text.EN); name != "" && !slices.Contains(e.Certifications, name) {
			e.Certifications = append(e.Certifications, name)
		}
	}
	for _, t := range append([]Text{e.Organisation}, texts(i.Listed("alias"))...) {
		for _, name := range []string{t.JA, t.EN} {
			if name != "" && !slices.Contains(e.organisationNames, name) {
				e.organisationNames = append(e.organisationNames, name)
			}
		}
	}
	e.Detect, e.Contain = i.between("window.start", "discovered"), i.between("discovered", "contained")
	e.Disclose, e.NotifyRegulator = i.between("discovered", "disclosed"), i.between("discovered", "regulator-notified")
	return e
}

// Day is what the archive is sorted by, to the day or as roughly as it is known.
func (e Entry) Day() Moment { return Moment{e.Date, max(e.DatePrecision, Day)} }

func texts(facts []Fact) []Text {
	var out []Text
	for _, f := range facts {
		out = append(out, f.Value.Text)
	}
	return out
}

// moment returns the time of a single-valued key that has happened: what is only planned, or is known to be unknown,
// is none.
func (i Incident) moment(key string) (Moment, bool) {
	f, ok := i.Fact(key)
	if !ok || f.Certainty == Planned || f.Certainty == Unknown || f.Value.Time.IsZero() {
		return Moment{}, false
	}
	return f.Value.Time, true
}

// between returns the time between two milestones; nil where one is not known to the day, or they stand in the wrong
// order, which is a contradiction and no length of time.
func (i Incident) between(from, to string) *Span {
	a, haveA := i.moment(from)
	b, haveB := i.moment(to)
	if !haveA || !haveB || a.Precision > Day || b.Precision > Day {
		return nil
	}
	if a.Precision == Day || b.Precision == Day {
		if days := civil(b.Time) - civil(a.Time); days >= 0 {
			return &Span{days * 24 * 60, Day}
		}
		return nil
	}
	if d := b.Time.Sub(a.Time); d >= 0 {
		return &Span{int64(d / time.Minute), max(a.Precision, b.Precision)}
	}
	return nil
}

// civil numbers the day of t in t's own zone.
func civil(t time.Time) int64 {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / (24 * 60 * 60)
}

// refresh makes the archive's entry of an incident anew, in the transaction that has just recorded something about
// it.
func refresh(ctx context.Context, tx *sql.Tx, id string) error {
	var version, form int64
	if err := tx.QueryRowContext(ctx, `UPDATE incident_archive SET version = version + 1 WHERE one = 1 RETURNING version, form`).
		Scan(&version, &form); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	if form == 0 {
		return nil // the archive has never been made; New makes it whole
	}
	a := refreshing{tx, version}
	err := a.incident(ctx, id)
	if err == nil && version%settleEvery == 0 {
		err = a.settle(ctx)
	}
	if err != nil {
		return fmt.Errorf("archive: %s: %w", id, err)
	}
	return nil
}

// refreshing is one version of the archive under way.
type refreshing struct {
	tx      *sql.Tx
	version int64
}

func (a refreshing) incident(ctx context.Context, id string) error {
	if merged, err := a.leave(ctx, id); err != nil || merged {
		return err
	}
	i, public, err := publicIncident(ctx, a.tx, id)
	if err != nil || !public {
		return err
	}
	origin, err := originOf(ctx, a.tx, id)
	if err != nil {
		return err
	}
	e := entryOf(i, origin)
	if e.Updated, err = lastShown(ctx, a.tx, id, e.Updated); err != nil {
		return err
	}
	grown, err := a.organisation(ctx, &e)
	if err != nil {
		return err
	}
	data, err := json.Marshal(e, json.OmitZeroStructFields(true))
	if err != nil {
		return err
	}
	err = a.tx.QueryRowContext(ctx, `SELECT num FROM incident_entry WHERE incident = $1`, id).Scan(&e.num)
	if errors.Is(err, sql.ErrNoRows) {
		err = a.tx.QueryRowContext(ctx, `SELECT coalesce(max(num), 0) + 1 FROM incident_entry`).Scan(&e.num)
	}
	if err != nil {
		return err
	}
	if _, err := a.tx.ExecContext(ctx, `INSERT INTO incident_entry (num, incident, organisation, changed, data) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (num) DO UPDATE SET organisation = excluded.organisation, changed = excluded.changed, data = excluded.data`,
		e.num, id, e.OrganisationID, a.version, string(data)); err != nil {
		return err
	}
	if err := a.index(ctx, e.num, i, e.OrganisationID); err != nil {
		return err
	}
	if !grown {
		return nil
	}
	return a.neighbours(ctx, e)
}

// neighbours indexes the other incidents of an organisation again, once it has a new name by which they are to be
// found too.
func (a refreshing) neighbours(ctx context.Context, e Entry) error {
	rows, err := a.tx.QueryContext(ctx, `SELECT num, incident FROM incident_entry WHERE organisation = $1 AND num <> $2`, e.OrganisationID, e.num)
	if err != nil {
		return err
	}
	defer rows.Close()
	ids := map[int64]string{}
	for rows.Next() {
		var num int64
		var id string
		if err := rows.Scan(&num, &id); err != nil {
			return err
		}
		ids[num] = id
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for num, id := range ids {
		i, public, err := publicIncident(ctx, a.tx, id)
		if err != nil {
			return err
		}
		if !public {
			continue
		}
		if err := a.index(ctx, num, i, e.OrganisationID); err != nil {
			return err
		}
	}
	return nil
}

// originOf returns the data set an incident was imported from.
func originOf(ctx context.Context, q store.Querier, id string) (Origin, error) {
	var o Origin
	err := q.QueryRowContext(ctx, `SELECT dataset, external_id FROM incident_import WHERE incident = $1`, id).Scan(&o.Dataset, &o.ExternalID)
	if errors.Is(err, sql.ErrNoRows) {
		return Origin{}, nil
	}
	return o, err
}

// leave takes an incident out of the archive that turned out to be another one. Its number stays taken.
func (a refreshing) leave(ctx context.Context, id string) (merged bool, err error) {
	var n int
	if err := a.tx.QueryRowContext(ctx, `SELECT count(*) FROM incident_merge WHERE incident = $1 AND ledger_index < `+served, id).Scan(&n); err != nil || n == 0 {
		return false, err
	}
	var num int64
	switch err := a.tx.QueryRowContext(ctx, `UPDATE incident_entry SET organisation = '', data = '', changed = $1 WHERE incident = $2 RETURNING num`,
		a.version, id).Scan(&num); {
	case errors.Is(err, sql.ErrNoRows):
		return true, nil
	case err != nil:
		return true, err
	}
	return true, a.putText(ctx, num, entryText{})
}

// Entries returns the archive's entries of the given incidents, in their order; what is not there is left out.
func (v *View) Entries(ctx context.Context, ids []string) ([]Entry, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) > maxEntries {
		return nil, fmt.Errorf("archive: %d entries asked for at once, more than %d", len(ids), maxEntries)
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	list, err := v.entries(ctx, v.s.db, func(e Entry) bool { return slices.Contains(ids, e.ID) }, `WHERE data <> '' AND incident IN (`+binds(len(ids))+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	slices.SortFunc(list, func(a, b Entry) int { return slices.Index(ids, a.ID) - slices.Index(ids, b.ID) })
	return list, nil
}

// maxEntries is how many entries are asked for by id at once.
const maxEntries = 1000

// EachEntry calls do for every entry of the archive, in the order in which the incidents were first recorded, until
// do fails.
func (v *View) EachEntry(ctx context.Context, do func(Entry) error) error {
	const chunk = 500
	var over []laid
	if v.drafts {
		var err error
		if over, err = v.laidOver(ctx); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
	}
	for last := int64(0); ; {
		list, err := readEntries(ctx, v.s.db, `WHERE data <> '' AND num > $1 ORDER BY num LIMIT $2`, last, chunk)
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		for _, e := range list {
			last = e.num
			if slices.ContainsFunc(over, func(l laid) bool { return l.entry.ID == e.ID }) {
				continue
			}
			if err := do(e); err != nil {
				return err
			}
		}
		if len(list) < chunk {
			break
		}
	}
	for _, l := range over {
		if l.gone {
			continue
		}
		if err := do(l.entry); err != nil {
			return err
		}
	}
	return nil
}

// binds writes n placeholders, $1 to $n.
func binds(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d", i+1)
	}
	return b.String()
}

func readEntries(ctx context.Context, q store.Querier, where string, args ...any) ([]Entry, error) {
	rows, err := q.QueryContext(ctx, `SELECT num, organisation, data FROM incident_entry `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Entry
	for rows.Next() {
		e, _, err := scanEntry(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, errors.Join(rows.Err(), rows.Close())
}

// scanEntry reads num, organisation and data; false is a number of which nothing is left but itself.
func scanEntry(rows *sql.Rows) (Entry, bool, error) {
	var e Entry
	var num int64
	var organisation, data string
	if err := rows.Scan(&num, &organisation, &data); err != nil {
		return e, false, err
	}
	if data != "" {
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return e, false, fmt.Errorf("entry %d: %w", num, err)
		}
	}
	e.num, e.OrganisationID = num, organisation
	return e, data != "", nil
}
