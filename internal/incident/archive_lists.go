package incident

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shirase/internal/store"
)

// OrganisationLine is an organisation in a list of them.
type OrganisationLine struct {
	ID        string
	Name      Text
	Incidents int
}

// Organisations lists the organisations whose ids come after one, in the order of ids.
func (v *View) Organisations(ctx context.Context, after string, limit int) ([]OrganisationLine, error) {
	fail := func(err error) ([]OrganisationLine, error) { return nil, fmt.Errorf("organisations: %w", err) }
	if v.drafts {
		list, err := v.organisationLines(ctx, after, limit)
		if err != nil {
			return fail(err)
		}
		return list, nil
	}
	rows, err := v.s.db.QueryContext(ctx, `SELECT organisation, count(*), max(num) FROM incident_entry WHERE organisation > $1
		GROUP BY organisation ORDER BY organisation LIMIT $2`, after, limit)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []OrganisationLine
	var nums []any
	for rows.Next() {
		var o OrganisationLine
		var num int64
		if err := rows.Scan(&o.ID, &o.Incidents, &num); err != nil {
			return fail(err)
		}
		list, nums = append(list, o), append(nums, num)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(nums) == 0 {
		return list, err
	}
	entries, err := readEntries(ctx, v.s.db, `WHERE num IN (`+binds(len(nums))+`)`, nums...)
	if err != nil {
		return fail(err)
	}
	for i := range list {
		if at := slices.IndexFunc(entries, func(e Entry) bool { return e.OrganisationID == list[i].ID }); at >= 0 {
			list[i].Name = entries[at].Organisation
		}
	}
	return list, nil
}

// Dataset is what the archive has from one data set.
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
	rows, err := v.s.db.QueryContext(ctx, `SELECT o.dataset, count(*), max(o.licence), max(o.attribution), max(CASE WHEN EXISTS (
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
	return readNotices(ctx, v.s.db, `WHERE (incident, version) > ($1, $2) AND ledger_index < `+served+` ORDER BY incident, version LIMIT $3`, after.Incident, after.Version, limit)
}

// NoticeAfterID is the place in the order of NoticesAfter that a notice's id names. Errors: ErrNoNotice.
func NoticeAfterID(id string) (Notice, error) {
	incident, version, err := parseNoticeID(id)
	return Notice{Incident: incident, Version: version}, err
}

// Term is a word of a vocabulary with what people call it.
type Term struct {
	Word  string
	Label Text
}

// Vocabulary returns the words of the facets that have a fixed vocabulary, and of the keys of facts.
func Vocabulary() map[string][]Term {
	terms := func(list []label) []Term {
		var out []Term
		for _, l := range list {
			out = append(out, Term{l.word, l.label})
		}
		return out
	}
	out := map[string][]Term{"sector": terms(sectors), "cause": terms(causes), "key": terms(keyLabels)}
	for _, c := range Classes() {
		out["class"] = append(out["class"], Term{c.Word, c.Label})
	}
	for name, words := range map[string][]string{"size": Sizes, "disclose": DiscloseTimes} {
		for _, w := range words {
			out[name] = append(out[name], Term{w, FacetLabel(name, w)})
		}
	}
	return out
}

// ArchiveVersion returns a number that is another one after every change of the archive.
func (v *View) ArchiveVersion(ctx context.Context) (int64, error) {
	var version int64
	if err := v.s.db.QueryRowContext(ctx, `SELECT version FROM incident_archive WHERE one = 1`).Scan(&version); err != nil {
		return 0, fmt.Errorf("archive: %w", err)
	}
	return version, nil
}
