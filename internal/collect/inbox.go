package collect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/incident/extract"
	"shirase/internal/store"
)

// The states of an item.
const (
	Waiting   = "new"
	accepting = "accepting" // what is recorded is decided, and not known to be recorded
	Accepted  = "accepted"
	Ignored   = "ignored"
	Joined    = "merged"
)

// Item is something that waits for a person, or did.
type Item struct {
	ID, Kind, Relation, State string
	Document, Before          string
	URL, Title, Organisation  string
	Told                      string // the day of the notice
	Rank                      int
	Incident                  string // that it is about; "" is a new one
	Near                      string // the item that it says the same as
	Source, Note              string
	Version                   int64
	Created, Decided          time.Time
	CreatedBy, DecidedBy      string

	name   string
	sketch []byte
}

// Open reports whether somebody has to decide about it.
func (i *Item) Open() bool { return i.State == Waiting || i.State == accepting }

const itemColumns = `id, kind, relation, state, document, before, url, title, organisation, name, told, rank, incident, near, sketch, source, note, version, created_at, created_by, decided_at, decided_by`

func scanItem(rows interface{ Scan(...any) error }) (*Item, error) {
	var i Item
	var created, decided int64
	err := rows.Scan(&i.ID, &i.Kind, &i.Relation, &i.State, &i.Document, &i.Before, &i.URL, &i.Title, &i.Organisation, &i.name, &i.Told, &i.Rank, &i.Incident, &i.Near, &i.sketch,
		&i.Source, &i.Note, &i.Version, &created, &i.CreatedBy, &decided, &i.DecidedBy)
	i.Created = store.FromMicros(created)
	if decided != 0 {
		i.Decided = store.FromMicros(decided)
	}
	return &i, err
}

func insertItem(ctx context.Context, tx *sql.Tx, i *Item) error {
	if i.sketch == nil {
		i.sketch = []byte{}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO collect_item (`+itemColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 1, $18, $19, 0, '')`,
		i.ID, i.Kind, i.Relation, i.State, i.Document, i.Before, i.URL, clip(i.Title, 600), clip(i.Organisation, 300), clip(i.name, 300), i.Told, i.Rank, i.Incident, i.Near, i.sketch,
		i.Source, clip(i.Note, 4000), store.Micros(i.Created), i.CreatedBy)
	return err
}

// Lay puts a document into the inbox: what it is, of whom, and whether that is known. A document that says what an item says already,
// from the same address, is that item.
func (c *Collection) Lay(ctx context.Context, who actor.Actor, d *Document, source string) (*Item, error) {
	if err := who.May(actor.Record, ""); err != nil {
		return nil, fmt.Errorf("lay into the inbox: %w", err)
	}
	i, err := c.lay(ctx, who, d, source)
	if err != nil {
		return nil, fmt.Errorf("lay into the inbox: %w", err)
	}
	return i, nil
}

func (c *Collection) lay(ctx context.Context, who actor.Actor, d *Document, source string) (*Item, error) {
	res, err := d.Read(ctx)
	if err != nil {
		return nil, err
	}
	j := judge(d, res)
	item := &Item{ID: newID("i"), Kind: j.kind, Relation: Fresh, State: Waiting, Document: d.ID, URL: d.URL, Title: j.title, Organisation: j.organisation, name: j.name, Told: j.told,
		sketch: sketch(d.Text), Source: source, Version: 1, Created: c.Now(), CreatedBy: who.String()}
	known, err := c.holding(ctx)
	if err != nil {
		return nil, err
	}
	var laid *Item
	err = c.DB.Update(ctx, func(tx *sql.Tx) error {
		item.Incident, item.Near, item.Relation = "", "", Fresh // it may be run again
		same, err := items(ctx, tx, `WHERE url = $1 AND state <> 'merged' ORDER BY created_at DESC LIMIT 20`, d.URL)
		if err != nil {
			return err
		}
		for _, o := range same {
			old, err := documentOf(ctx, tx, o.Document)
			if err == nil && old.Said == d.Said && (d.Text != "" || old.SHA256 == d.SHA256) {
				laid = o
				return nil
			}
		}
		if item.Kind == Disclosure || item.Kind == Scanned {
			if err := c.join(ctx, tx, item, d, j, known); err != nil {
				return err
			}
		}
		item.Rank = rank(item.Kind, item.Relation, j.sure)
		laid = item
		return insertItem(ctx, tx, item)
	})
	return laid, err
}

// holding are the incidents that there are, by what an item is compared with.
func (c *Collection) holding(ctx context.Context) ([]incident.Shown, error) {
	return c.Incidents.Holding(ctx, []string{"organisation", "alias", "source", "window.start", "window.end", "discovered", "disclosed"})
}

// join finds what an item belongs to: an incident whose source it is, or whose organisation and time are the same; or another item
// that says nearly the same, or the same of the same.
func (c *Collection) join(ctx context.Context, tx *sql.Tx, item *Item, d *Document, j judgement, known []incident.Shown) error {
	best := nearDays + 1
	for _, in := range known {
		var sources []string
		var dates []time.Time
		for _, f := range in.Facts {
			switch {
			case f.Key == "source":
				sources = append(sources, f.Value.URL)
			case !f.Value.Time.IsZero():
				dates = append(dates, f.Value.Time.Time)
			}
		}
		if slices.Contains(sources, d.URL) || slices.Contains(sources, d.Final) {
			item.Incident, item.Relation = in.ID, Addendum
			return nil
		}
		if j.name == "" || !slices.Contains(shownOrganisation(in.Facts), j.name) {
			continue
		}
		if days := closest(j.dates, dates); days >= 0 && days < best {
			best = days
			item.Incident, item.Relation = in.ID, relationOf(d.Text, d.URL, sources)
		}
	}
	others, err := items(ctx, tx, `WHERE kind IN ('disclosure', 'scanned') AND state <> 'ignored' AND (created_at > $1 OR name = $2 AND name <> '') ORDER BY created_at LIMIT 5000`,
		store.Micros(c.Now().AddDate(0, -6, 0)), j.name)
	if err != nil {
		return err
	}
	for _, o := range others {
		// Notices that are made by one pattern are alike in words, and not of the same incident: where both say whose they are, that
		// decides, and where one does not, they have to be one text.
		like := alike(o.sketch, item.sketch)
		sameText := like >= sameFrom || o.name == j.name && j.name != "" && like >= alikeFrom
		if o.name != "" && j.name != "" && o.name != j.name {
			sameText = false
		}
		sameThing := false
		if apart, both := daysApart(o.Told, j.told); both && apart > nearDays {
			sameText = false // an organisation says such things in the same words each time
		} else if both && j.name != "" && o.name == j.name {
			sameThing = true
		}
		if !sameText && !sameThing {
			continue
		}
		if item.Incident == "" && o.Incident != "" && o.State == Accepted {
			item.Incident = o.Incident
		}
		item.Near = o.ID
		if o.Near != "" {
			item.Near = o.Near // the first of them
		}
		item.Relation = OtherSource
		if hostOf(o.URL) == hostOf(d.URL) || !sameText && added.MatchString(clip(d.Text, 4000)) {
			item.Relation = Addendum
		}
		return nil
	}
	return nil
}

// daysApart is how far apart two days are; false where one is not said.
func daysApart(a, b string) (int, bool) {
	x, errX := time.Parse(time.DateOnly, a)
	y, errY := time.Parse(time.DateOnly, b)
	return int(x.Sub(y).Abs().Hours() / 24), errX == nil && errY == nil
}

// items reads items. where is ours, never a person's.
func items(ctx context.Context, q store.Querier, where string, args ...any) ([]*Item, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+itemColumns+` FROM collect_item `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []*Item
	for rows.Next() {
		i, err := scanItem(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// List gives the inbox, the first to be decided first; with all, what was decided too, the newest first behind it.
func (c *Collection) List(ctx context.Context, who actor.Actor, all bool) ([]*Item, error) {
	if err := who.May(actor.Record, ""); err != nil {
		return nil, fmt.Errorf("read the inbox: %w", err)
	}
	out, err := items(ctx, c.DB, `WHERE state IN ('new', 'accepting') ORDER BY rank DESC, created_at, id LIMIT 2000`)
	if err == nil && all {
		var over []*Item
		over, err = items(ctx, c.DB, `WHERE state NOT IN ('new', 'accepting') ORDER BY decided_at DESC, id LIMIT 500`)
		out = append(out, over...)
	}
	if err != nil {
		return nil, fmt.Errorf("read the inbox: %w", err)
	}
	return out, nil
}

// Count is how many wait.
func (c *Collection) Count(ctx context.Context) (n int, err error) {
	err = c.DB.QueryRowContext(ctx, `SELECT count(*) FROM collect_item WHERE state IN ('new', 'accepting')`).Scan(&n)
	return n, err
}

// Look is an item with all that a person decides by.
type Look struct {
	*Item
	Doc, Was  *Document // nil where there is none
	Proposed  *extract.Result
	Entries   []extract.Entry
	Lines     []Line // of a change
	Like      []*Item
	Acts      []Act
	Claim     *Claim
	Suggested string // the id that a new incident would have
}

// Show gives an item.
func (c *Collection) Show(ctx context.Context, who actor.Actor, id string) (*Look, error) {
	if err := who.May(actor.Record, ""); err != nil {
		return nil, fmt.Errorf("read the inbox: %w", err)
	}
	i, err := itemOf(ctx, c.DB, id)
	if err != nil {
		return nil, err
	}
	l := &Look{Item: i}
	if i.Document != "" {
		if l.Doc, err = documentOf(ctx, c.DB, i.Document); err != nil {
			return nil, err
		}
		if l.Proposed, err = l.Doc.Read(ctx); err != nil {
			return nil, err
		}
		l.Entries, l.Suggested = l.Proposed.Entries(), l.Proposed.ID
	}
	if i.Before != "" {
		if l.Was, err = documentOf(ctx, c.DB, i.Before); err != nil {
			return nil, err
		}
		l.Lines = Diff(l.Was.Text, l.Doc.Text)
	}
	first := i.ID
	if i.Near != "" {
		first = i.Near
	}
	if l.Like, err = items(ctx, c.DB, `WHERE (near = $1 OR id = $1) AND id <> $2 ORDER BY created_at LIMIT 50`, first, i.ID); err != nil {
		return nil, err
	}
	if l.Acts, err = c.acts(ctx, i.ID); err != nil {
		return nil, err
	}
	l.Claim, err = c.claim(ctx, i.ID)
	return l, err
}

func itemOf(ctx context.Context, q store.Querier, id string) (*Item, error) {
	i, err := scanItem(q.QueryRowContext(ctx, `SELECT `+itemColumns+` FROM collect_item WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: %.40q", ErrNotFound, id)
	}
	return i, err
}
