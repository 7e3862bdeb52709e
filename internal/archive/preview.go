package archive

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"shirase/internal/language"
	"shirase/internal/store"
)

// A preview lays what is not published over the archive that everybody sees, in memory, and writes nothing.

// laid is what a preview shows of an incident in place of, or beside, its entry in the archive.
type laid struct {
	entry Entry
	text  entryText
	gone  bool // merged into another
}

// overlay returns the entries of everything that is not published: the operator's own incidents as they are recorded, and
// merges that wait for a notice. There are few of them, and nothing of them is in a table that the public's searches read.
func (v *View) overlay(ctx context.Context, tx *sql.Tx) ([]laid, error) {
	view := v.In(tx)
	ids, err := view.Pending(ctx)
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
		i, shown, err := view.Shown(ctx, id)
		if err != nil {
			return nil, err
		}
		if !shown {
			out = append(out, laid{entry: Entry{ID: id, num: num}, gone: true})
			continue
		}
		l := laid{entry: entryOf(i)}
		l.entry.num = num
		if l.entry.OrganisationID, err = knownOrganisation(ctx, tx, l.entry); err != nil {
			return nil, err
		}
		d, err := documentOf(ctx, tx, i, l.entry.OrganisationID)
		if err != nil {
			return nil, err
		}
		l.text = d.text()
		out = append(out, l)
	}
	return out, nil
}

// knownOrganisation is the id that an organisation has, or would be given.
func knownOrganisation(ctx context.Context, q store.Querier, e Entry) (string, error) {
	if e.Organisation == (language.Text{}) {
		return "", nil
	}
	for _, name := range e.organisationNames {
		if id, err := organisationNamed(ctx, q, name); err != nil || id != "" {
			return id, err
		}
	}
	return slug(e.Organisation), nil
}

// entries reads entries of the archive that the query names, and in a preview lays those over them that are not published;
// match tells which of these the query means.
func (v *View) entries(ctx context.Context, q store.Querier, match func(Entry) bool, where string, args ...any) ([]Entry, error) {
	list, err := readEntries(ctx, q, where, args...)
	if err != nil || !v.Drafts() {
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
	err = v.db.View(ctx, func(tx *sql.Tx) error {
		out, err = v.overlay(ctx, tx)
		return err
	})
	return out, err
}

// organisationLines counts the incidents of each organisation of a preview again: its few own ones are in no table.
func (v *View) organisationLines(ctx context.Context, after string, limit int) ([]OrganisationLine, error) {
	of := map[string][]Entry{}
	err := v.EachEntry(ctx, func(e Entry) error {
		if e.OrganisationID <= after {
			return nil
		}
		of[e.OrganisationID] = append(of[e.OrganisationID], e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []OrganisationLine
	for id, entries := range of {
		out = append(out, OrganisationLine{id, calledBy(entries), len(entries)})
	}
	slices.SortFunc(out, func(a, b OrganisationLine) int { return strings.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))], nil
}

// lay reads a preview's archive anew, and lays over it what is not published.
func (v *View) lay(ctx context.Context, tx *sql.Tx, version, drafts int64, sort string) error {
	a := v.held
	if version > a.version || drafts != a.drafts {
		a.version, a.rows, a.facets, a.orgs, a.text = 0, nil, [len(facetNames)]values{}, nil, fullText{}
		if err := a.read(ctx, tx, version); err != nil {
			return err
		}
		if err := a.text.read(ctx, tx, version); err != nil {
			return fmt.Errorf("text index: %w", err)
		}
		over, err := v.overlay(ctx, tx)
		if err != nil {
			return err
		}
		for _, l := range over {
			var row []byte
			if !l.gone {
				row = rowOf(l.entry)
			}
			if err := a.put(l.entry.num, row); err != nil {
				return err
			}
			a.text.fresh[l.entry.num] = l.text
		}
		a.drafts = drafts
	}
	if a.orders[sort] == nil {
		a.orders[sort] = a.order(sort)
	}
	return nil
}

// layPeers puts what is not published into a preview's comparisons.
func (v *View) layPeers(ctx context.Context, tx *sql.Tx, p *peers) error {
	over, err := v.overlay(ctx, tx)
	if err != nil {
		return err
	}
	words := interning{text: map[string]string{}, sets: map[string][]string{}}
	for _, l := range over {
		if !l.gone {
			p.put(words.peer(l.entry))
		} else if n, ok := p.at[l.entry.ID]; ok {
			p.list = slices.Delete(p.list, n, n+1)
			clear(p.at)
			for n := range p.list {
				p.at[p.list[n].id] = n
			}
		}
	}
	return nil
}
