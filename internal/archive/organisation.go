package archive

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"shirase/internal/language"
	"shirase/internal/store"
)

// Organisation is who answers for one or more incidents.
type Organisation struct {
	ID      string
	Name    language.Text
	Aliases []language.Text
	Entries []Entry // the newest first
}

var organisationID = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// legalForms are left out where names are compared: "LINE株式会社" and "LINE" are one.
var legalForms = regexp.MustCompile(`株式会社|\(株\)|有限会社|合同会社|(?i:[ ,.]+(inc|incorporated|corp|corporation|co|company|ltd|limited|llc|plc|gmbh|k\.k|kk)\.?)+$`)

// bareName is a name without its legal form.
func bareName(name string) string {
	bare := strings.TrimSpace(legalForms.ReplaceAllString(strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(name, "（株）", ""), "㈱", "")), ""))
	if bare == "" {
		return name
	}
	return bare
}

// foldName is a name as names are compared.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return r
		}
		return -1
	}, fold(bareName(name)))
}

// slug makes an organisation's id of its name: of a Latin one a word for addresses, of another one a short hash,
// because a reading cannot be known from the characters.
func slug(name language.Text) string {
	for _, s := range []string{name.EN, name.JA} {
		var b strings.Builder
		latin := true
		for _, r := range fold(bareName(s)) {
			switch {
			case kindOf(r) == inWord && r <= unicode.MaxASCII:
				b.WriteRune(r)
			case kindOf(r) != between:
				latin = false
			case r != '\'' && b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
				b.WriteByte('-')
			}
		}
		if out := b.String(); latin && len(out) > 1 {
			return strings.Trim(out[:min(len(out), 48)], "-")
		}
	}
	sum := sha256.Sum256([]byte(foldName(name.JA)))
	return "o-" + hex.EncodeToString(sum[:5])
}

// organisation finds or makes the organisation of e by its names, and joins those that a name turns out to have in
// common. grown reports that the organisation has a name it did not have, so that its other incidents are found by it
// too.
func (a refreshing) organisation(ctx context.Context, e *Entry) (grown bool, err error) {
	if e.Organisation == (language.Text{}) {
		return false, nil
	}
	var found []string
	var fresh []string
	for _, name := range e.organisationNames {
		if foldName(name) == "" {
			continue
		}
		id, err := organisationNamed(ctx, a.tx, name)
		switch {
		case err != nil:
			return false, err
		case id == "":
			fresh = append(fresh, name)
		case !slices.Contains(found, id):
			found = append(found, id)
		}
	}
	if len(found) == 0 && len(fresh) == 0 {
		return false, nil // a name of signs alone
	}
	if len(found) == 0 {
		if e.OrganisationID, err = a.newOrganisation(ctx, e.Organisation); err != nil {
			return false, err
		}
	} else if e.OrganisationID, err = a.join(ctx, found); err != nil {
		return false, err
	}
	for _, name := range fresh {
		if _, err := a.tx.ExecContext(ctx, `INSERT INTO incident_name (folded, organisation, num, name)
			SELECT CAST($1 AS text), CAST($2 AS text), coalesce(max(num), 0) + 1, CAST($3 AS text) FROM incident_name WHERE organisation = $2 ON CONFLICT (folded) DO NOTHING`,
			foldName(name), e.OrganisationID, name); err != nil {
			return false, err
		}
	}
	return len(found) > 0 && (len(fresh) > 0 || len(found) > 1), nil
}

// organisationNamed returns the organisation that has a name; "" where none has.
func organisationNamed(ctx context.Context, q store.Querier, name string) (string, error) {
	var id string
	err := q.QueryRowContext(ctx, `SELECT organisation FROM incident_name WHERE folded = $1`, foldName(name)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// newOrganisation gives out an id.
func (a refreshing) newOrganisation(ctx context.Context, name language.Text) (string, error) {
	var last int64
	if err := a.tx.QueryRowContext(ctx, `SELECT coalesce(max(num), 0) FROM incident_organisation`).Scan(&last); err != nil {
		return "", err
	}
	base := slug(name)
	for i := 1; ; i++ {
		id := base
		if i > 1 {
			id = fmt.Sprintf("%s-%d", base, i)
		}
		res, err := a.tx.ExecContext(ctx, `INSERT INTO incident_organisation (id, num, joined) VALUES ($1, $2, '') ON CONFLICT (id) DO NOTHING`, id, last+1)
		if err != nil {
			return "", err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return id, err
		}
	}
}

// join makes one organisation of several: the one that was known first.
func (a refreshing) join(ctx context.Context, ids []string) (string, error) {
	if len(ids) == 1 {
		return ids[0], nil
	}
	first, firstNum := "", int64(0)
	for _, id := range ids {
		var num int64
		if err := a.tx.QueryRowContext(ctx, `SELECT num FROM incident_organisation WHERE id = $1`, id).Scan(&num); err != nil {
			return "", err
		}
		if first == "" || num < firstNum {
			first, firstNum = id, num
		}
	}
	for _, id := range ids {
		if id == first {
			continue
		}
		for _, statement := range []string{`UPDATE incident_name SET organisation = $1 WHERE organisation = $2`,
			`UPDATE incident_organisation SET joined = $1 WHERE id = $2 OR joined = $2`} {
			if _, err := a.tx.ExecContext(ctx, statement, first, id); err != nil {
				return "", err
			}
		}
		if _, err := a.tx.ExecContext(ctx, `UPDATE incident_entry SET organisation = $1, changed = $3 WHERE organisation = $2`, first, id, a.version); err != nil {
			return "", err
		}
	}
	return first, nil
}

// namesOf returns every name of an organisation, in the order in which they were recorded.
func namesOf(ctx context.Context, q store.Querier, id string) ([]string, error) {
	return store.Column[string](ctx, q, `SELECT name FROM incident_name WHERE organisation = $1 ORDER BY num, folded`, id)
}

// Organisation returns an organisation with its incidents. Its ID is another than id where two turned out to be one.
// Errors: ErrNoOrganisation.
func (v *View) Organisation(ctx context.Context, id string) (Organisation, error) {
	none := fmt.Errorf("%w: %.80q", ErrNoOrganisation, id)
	if !organisationID.MatchString(id) {
		return Organisation{}, none
	}
	var joined string
	switch err := v.db.QueryRowContext(ctx, `SELECT joined FROM incident_organisation WHERE id = $1`, id).Scan(&joined); {
	case errors.Is(err, sql.ErrNoRows) && !v.Drafts(): // a preview may show one that has no id yet
		return Organisation{}, none
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return Organisation{}, fmt.Errorf("organisation: %w", err)
	case joined != "":
		id = joined
	}
	o := Organisation{ID: id}
	var err error
	if o.Entries, err = v.entries(ctx, v.db, func(e Entry) bool { return e.OrganisationID == id }, `WHERE organisation = $1 ORDER BY num`, id); err != nil {
		return Organisation{}, fmt.Errorf("organisation: %w", err)
	}
	if len(o.Entries) == 0 {
		return Organisation{}, none // a name was corrected, and nothing is left of the old one
	}
	slices.SortStableFunc(o.Entries, func(a, b Entry) int { return b.Date.Compare(a.Date) })
	o.Name = calledBy(o.Entries)
	names, err := namesOf(ctx, v.db, id)
	if err != nil {
		return Organisation{}, fmt.Errorf("organisation: %w", err)
	}
	o.Aliases = aliasesOf(o, names)
	return o, nil
}

// Named returns the id of the organisation that has a name, with or without its legal form; "" where none that is shown has.
func (v *View) Named(ctx context.Context, name string) (string, error) {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxQueryText || foldName(name) == "" {
		return "", nil
	}
	id, err := organisationNamed(ctx, v.db, name)
	if err != nil {
		return "", fmt.Errorf("organisation: %w", err)
	}
	return id, nil
}

// calledBy is the name an organisation is called by: the newest that the operator's own incidents give, else the one that
// most records give, and of several the first that was given. A data set may call a breach and its organisation alike
// ("LinkedInScrape2023"): that a record is the newest says nothing of its name.
func calledBy(entries []Entry) language.Text {
	list := slices.Clone(entries)
	slices.SortStableFunc(list, func(a, b Entry) int { return a.Date.Compare(b.Date) })
	for _, e := range slices.Backward(list) {
		if e.Dataset == "" && e.Organisation != (language.Text{}) {
			return e.Organisation
		}
	}
	times := map[string]int{}
	for _, e := range list {
		times[foldName(e.Organisation.JA)]++
	}
	var name language.Text
	for _, e := range list {
		if name == (language.Text{}) || times[foldName(e.Organisation.JA)] > times[foldName(name.JA)] {
			name = e.Organisation
		}
	}
	return name
}

// aliasesOf returns the names of an organisation beside the one it is called by: first other names in both languages,
// then what is known in one only.
func aliasesOf(o Organisation, names []string) []language.Text {
	said := map[string]bool{foldName(o.Name.JA): true, foldName(o.Name.EN): true}
	var out []language.Text
	for _, e := range o.Entries {
		if t := e.Organisation; t.JA != t.EN && !said[foldName(t.JA)] && !said[foldName(t.EN)] {
			said[foldName(t.JA)], said[foldName(t.EN)] = true, true
			out = append(out, t)
		}
	}
	for _, name := range names {
		if !said[foldName(name)] {
			said[foldName(name)] = true
			out = append(out, language.Same(name))
		}
	}
	return out
}

// OrganisationLine is an organisation in a list of them.
type OrganisationLine struct {
	ID        string
	Name      language.Text
	Incidents int
}

// Organisations lists the organisations whose ids come after one, in the order of ids.
func (v *View) Organisations(ctx context.Context, after string, limit int) ([]OrganisationLine, error) {
	fail := func(err error) ([]OrganisationLine, error) { return nil, fmt.Errorf("organisations: %w", err) }
	if v.Drafts() {
		list, err := v.organisationLines(ctx, after, limit)
		if err != nil {
			return fail(err)
		}
		return list, nil
	}
	rows, err := v.db.QueryContext(ctx, `SELECT organisation, count(*) FROM incident_entry WHERE organisation > $1
		GROUP BY organisation ORDER BY organisation LIMIT $2`, after, limit)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []OrganisationLine
	var ids []any
	for rows.Next() {
		var o OrganisationLine
		if err := rows.Scan(&o.ID, &o.Incidents); err != nil {
			return fail(err)
		}
		list, ids = append(list, o), append(ids, o.ID)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(ids) == 0 {
		return list, err
	}
	entries, err := readEntries(ctx, v.db, `WHERE organisation IN (`+binds(len(ids))+`) ORDER BY num`, ids...)
	if err != nil {
		return fail(err)
	}
	of := map[string][]Entry{}
	for _, e := range entries {
		of[e.OrganisationID] = append(of[e.OrganisationID], e)
	}
	for i := range list {
		list[i].Name = calledBy(of[list[i].ID])
	}
	return list, nil
}
