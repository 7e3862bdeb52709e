package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/store"
)

// Entry is one line of the archive: what lists, feeds and statistics need of an incident without reading all its
// facts.
type Entry struct {
	ID                  string
	Title, Organisation language.Text   // the id and nothing where they are not recorded
	OrganisationID      string          // [a-z0-9-]; empty where there is no organisation
	Disclosed           incident.Moment // zero where not known

	Date          time.Time          // what the archive is sorted by, in the zone it was said in
	DateKey       string             // which fact Date is: one of dateKeys, or "recorded"
	DatePrecision incident.Precision // how exactly it is known: of a month or a year, Date is the first day

	Affected          incident.Value   // affected.count; Number is nil where not known
	Parts             []incident.Value // affected.part: what is known of regions, which is not the whole
	Cause, Sector     string
	Country           string
	Classes           []string
	Certifications    []string
	Dataset           string // "" for the operator's own; "hibp", "washington-ag", ...
	Addenda           int
	Withdrawn         bool      // it was published by mistake: it is named, and nothing of it is counted or compared
	Updated           time.Time // when something was last recorded about it
	Detect            *Span     // window.start to discovered
	Contain           *Span     // discovered to contained
	Disclose          *Span     // discovered to disclosed
	NotifyRegulator   *Span     // discovered to regulator-notified, which is not the public
	Use               Use       // by what somebody knows that they use what was affected
	organisationNames []string  // its own names and aliases, for joining organisations
	num               int64
}

// Span is the time between two milestones, in whole minutes where both are known to the minute or hour, else in whole
// days of the calendar.
type Span struct {
	Minutes   int64
	Precision incident.Precision
}

// dateKeys are the facts that can date an incident, the best first.
var dateKeys = []string{"disclosed", "regulator-notified", "persons-notified", "discovered", "window.start"}

// entryOf makes the entry of an incident from its current facts.
func entryOf(i incident.Shown) Entry {
	e := Entry{ID: i.ID, Title: language.Same(i.ID), Date: i.Created.UTC(), DateKey: "recorded", DatePrecision: incident.Minute, Classes: i.Classes(),
		Dataset: i.Dataset, Addenda: len(i.Listed("addendum")), Updated: i.Updated.UTC()}
	if f, ok := i.Fact("title"); ok && f.Value.Text != (language.Text{}) {
		e.Title = f.Value.Text
	}
	if f, ok := i.Fact("organisation"); ok {
		e.Organisation = f.Value.Text
	}
	e.Disclosed, _ = moment(i.Incident, "disclosed")
	for _, key := range dateKeys {
		if m, ok := moment(i.Incident, key); ok {
			e.Date, e.DateKey, e.DatePrecision = m.Time, key, m.Precision
			break
		}
	}
	if f, ok := i.Fact("affected.count"); ok {
		e.Affected = f.Value
	}
	for _, f := range i.Listed("affected.part") {
		e.Parts = append(e.Parts, f.Value)
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
	for _, t := range append([]language.Text{e.Organisation}, texts(i.Listed("alias"))...) {
		for _, name := range []string{t.JA, t.EN} {
			if name != "" && !slices.Contains(e.organisationNames, name) {
				e.organisationNames = append(e.organisationNames, name)
			}
		}
	}
	e.Use = useOf(i.Incident)
	e.Detect, e.Contain = spanOf(i.Incident, "window.start", "discovered"), spanOf(i.Incident, "discovered", "contained")
	e.Disclose, e.NotifyRegulator = spanOf(i.Incident, "discovered", "disclosed"), spanOf(i.Incident, "discovered", "regulator-notified")
	if f, ok := i.Fact("scope.state"); ok && f.Value.Word == incident.StateWithdrawn {
		e.Withdrawn = true
		e.Affected, e.Parts, e.Cause, e.Classes = incident.Value{}, nil, "", nil
		e.Detect, e.Contain, e.Disclose, e.NotifyRegulator = nil, nil, nil, nil
	}
	return e
}

// Day is what the archive is sorted by, to the day or as roughly as it is known.
func (e Entry) Day() incident.Moment {
	return incident.Moment{Time: e.Date, Precision: max(e.DatePrecision, incident.Day)}
}

// Heading is the title as an archive lists it: in Japanese behind the organisation's name, 【組織】 title; else the title, with the name
// beside it.
func (e Entry) Heading(lang language.Lang) string {
	if name := e.Organisation.In(lang); lang == language.JA && name != "" {
		return "【" + name + "】" + e.Title.In(lang)
	}
	return e.Title.In(lang)
}

func texts(facts []incident.Fact) []language.Text {
	var out []language.Text
	for _, f := range facts {
		out = append(out, f.Value.Text)
	}
	return out
}

// moment returns the time of a single-valued key that has happened: what is only planned, or is known to be unknown,
// is none.
func moment(i incident.Incident, key string) (incident.Moment, bool) {
	f, ok := i.Fact(key)
	if !ok || f.Certainty == incident.Planned || f.Certainty == incident.Unknown || f.Value.Time.IsZero() {
		return incident.Moment{}, false
	}
	return f.Value.Time, true
}

// spanOf returns the time between two milestones; nil where one is not known to the day, or they stand in the wrong
// order, which is a contradiction and no length of time.
func spanOf(i incident.Incident, from, to string) *Span {
	a, haveA := moment(i, from)
	b, haveB := moment(i, to)
	if !haveA || !haveB || a.Precision > incident.Day || b.Precision > incident.Day {
		return nil
	}
	if a.Precision == incident.Day || b.Precision == incident.Day {
		if days := civil(b.Time) - civil(a.Time); days >= 0 {
			return &Span{days * 24 * 60, incident.Day}
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
	list, err := v.entries(ctx, v.db, func(e Entry) bool { return slices.Contains(ids, e.ID) }, `WHERE data <> '' AND incident IN (`+binds(len(ids))+`)`, args...)
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
	if v.Drafts() {
		var err error
		if over, err = v.laidOver(ctx); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
	}
	for last := int64(0); ; {
		list, err := readEntries(ctx, v.db, `WHERE data <> '' AND num > $1 ORDER BY num LIMIT $2`, last, chunk)
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
