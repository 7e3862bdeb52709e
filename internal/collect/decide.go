package collect

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	json2 "github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/extract"
	"shirase/internal/language"
	"shirase/internal/store"
)

// The outcomes of a proposal.
const (
	Taken     = "accepted"
	Corrected = "corrected"
	Skipped   = "skipped"
)

// Choice is what a person made of one proposed fact.
type Choice struct {
	Outcome string        // Taken, Corrected, Skipped
	Entry   extract.Entry // as it is taken
}

// Acceptance is a decision to record.
type Acceptance struct {
	Item     string
	Version  int64    // that was looked at
	Incident string   // that it is added to, or the id of a new one; "" is the one that was proposed
	Relation string   // "" is the one that was proposed
	Choices  []Choice // one for each entry that was proposed, in their order
	Text     string   // of a reply: as it is published; "" is as it came
}

// Act is what was done with an item.
type Act struct {
	ID, Item, What string
	At             time.Time
	By             string
	Done           bool
	Undone         time.Time
	UndoneBy       string
	before         snapshot
	payload        string
}

// snapshot is what an act changes of an item.
type snapshot struct {
	State, Incident, Near, Relation string
}

// recording is what an acceptance records.
type recording struct {
	Incident string          `json:"incident"`
	Create   bool            `json:"create"`
	Facts    []incident.Fact `json:"facts"`
	Prior    []incident.Fact `json:"prior,omitzero"` // what held before, of the same keys
	URL      string          `json:"url,omitzero"`
	Mark     string          `json:"mark,omitzero"` // the item of a fact by which it is known to be recorded; "" where nothing is
}

// Accept records what was accepted of an item. What others disclosed is public at once, as recorded from its source; of an own
// incident it is a draft. It is done whole: killed in between, whoever starts next finishes it. Errors: ErrStale, ErrNotFound,
// ErrInput, those of incident.
func (c *Collection) Accept(ctx context.Context, who actor.Actor, a Acceptance) (*Item, error) {
	if err := who.May(actor.Record, ""); err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	l, err := c.Show(ctx, who, a.Item)
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	if l.Version != a.Version || l.State != Waiting {
		return nil, fmt.Errorf("accept: %w", ErrStale)
	}
	if len(a.Choices) > len(l.Entries) {
		return nil, fmt.Errorf("accept: %w: more facts than were proposed", ErrInput)
	}
	rec, err := c.recordingOf(ctx, who, l, a)
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	act, err := c.intend(ctx, who, l.Item, a, rec)
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	if err := c.record(ctx, who, rec); err != nil {
		if _, ok := errors.AsType[*incident.RowError](err); ok || errors.Is(err, incident.ErrExist) || errors.Is(err, incident.ErrNotFound) || errors.Is(err, actor.ErrRole) || errors.Is(err, actor.ErrAccess) {
			err = errors.Join(err, c.giveUp(context.WithoutCancel(ctx), act)) // nothing of it was recorded
		}
		return nil, fmt.Errorf("accept: %w", err)
	}
	if err := c.finish(context.WithoutCancel(ctx), act.ID, rec, l, a.Choices); err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	return itemOf(ctx, c.DB, a.Item)
}

// recordingOf works out what is recorded.
func (c *Collection) recordingOf(ctx context.Context, who actor.Actor, l *Look, a Acceptance) (*recording, error) {
	if l.Kind == Flag || l.Kind == Gone || l.Kind == Correction {
		return &recording{Incident: l.Incident}, nil // that it was seen to is all that there is to say
	}
	rec := &recording{Incident: a.Incident}
	if rec.Incident == "" {
		rec.Incident = l.Incident
	}
	proposed := rec.Incident == ""
	if proposed {
		rec.Incident = l.Suggested
	}
	if !incident.ValidID(rec.Incident) {
		return nil, hint.Add(fmt.Errorf("%w: %.80q cannot be an incident's id", ErrInput, rec.Incident), "1 to 64 of a-z, 0-9 and hyphen")
	}
	held, err := c.Incidents.Get(ctx, rec.Incident)
	switch {
	case errors.Is(err, incident.ErrNotFound):
		rec.Create = true
		if l.Kind == Reply || l.Kind == Change {
			return nil, err
		}
	case err != nil:
		return nil, err
	case proposed: // another incident has that id already
		return nil, hint.Add(fmt.Errorf("%w: %s", incident.ErrExist, rec.Incident), "say another id, or that it belongs to that one")
	default:
		rec.Incident = held.ID
		if err := who.May(actor.Write, held.ID); err != nil {
			if _, others, perr := c.Incidents.Provenance(ctx, held.ID); perr != nil || !others {
				return nil, errors.Join(err, perr)
			}
		}
	}
	if err := c.factsOf(ctx, rec, l, a); err != nil {
		return nil, err
	}
	if rec.Create && len(rec.Facts) < 2 {
		return nil, hint.Add(fmt.Errorf("%w: no fact was accepted", ErrInput), "accept at least one fact, or ignore the item")
	}
	for i := range rec.Facts {
		f := &rec.Facts[i]
		if err := f.Check(); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrInput, f.Key, err)
		}
		if j := slices.IndexFunc(held.Facts, func(h incident.Fact) bool { return h.Key == f.Key && h.Item == f.Item }); j >= 0 {
			rec.Prior = append(rec.Prior, held.Facts[j])
		}
	}
	return rec, nil
}

// factsOf makes the facts that an acceptance records: what was accepted, the source that it was read in, and what the item itself
// says of its incident.
func (c *Collection) factsOf(ctx context.Context, rec *recording, l *Look, a Acceptance) error {
	now := incident.Moment{Time: c.Now().UTC().Truncate(time.Minute), Precision: incident.Minute}
	var entries []extract.Entry
	for i, ch := range a.Choices {
		switch ch.Outcome {
		case Taken:
			entries = append(entries, l.Entries[i])
		case Corrected:
			e := ch.Entry
			e.Key, e.Span = l.Entries[i].Key, l.Entries[i].Span
			entries = append(entries, e)
		case Skipped:
		default:
			return fmt.Errorf("%w: %.40q is no outcome", ErrInput, ch.Outcome)
		}
	}
	entries = slices.DeleteFunc(entries, func(e extract.Entry) bool { return e.Key == "source" && e.ID == "notice" }) // ours says more
	if len(entries) > 0 {
		file, err := incident.ParseFactsFile("the accepted facts", extract.FactsFile(rec.Incident, l.Proposed.Zone, entries))
		if err != nil {
			return err
		}
		rec.Facts = file.Facts
	}
	if l.Doc != nil {
		src := sourceFact(l.ID, l.Doc, now)
		rec.Mark, rec.URL = src.Item, src.Value.URL
		for i := range rec.Facts {
			if rec.Facts[i].Key != "source" {
				rec.Facts[i].Source = src.Item
			}
			if rec.Facts[i].AsOf.IsZero() {
				rec.Facts[i].AsOf = now
			}
		}
		rec.Facts = append(rec.Facts, src)
		joined, err := items(ctx, c.DB, `WHERE near = $1 AND state = 'merged' ORDER BY created_at`, l.ID)
		if err != nil {
			return err
		}
		for _, o := range joined {
			d, err := documentOf(ctx, c.DB, o.Document)
			if err != nil {
				return err
			}
			rec.Facts = append(rec.Facts, sourceFact(o.ID, d, now))
		}
	}
	relation := a.Relation
	if relation == "" {
		relation = l.Relation
	}
	switch {
	case l.Kind == Change:
		rec.Facts = append(rec.Facts, changeFact(l, relation, now))
	case l.Kind == Reply:
		text := strings.TrimSpace(a.Text)
		if text == "" && l.Claim != nil {
			text = l.Claim.Text
		}
		rec.Facts = append(rec.Facts, incident.Fact{Key: "reply", Item: l.ID, Certainty: incident.Confirmed, AsOf: now, Value: incident.Value{Text: language.Text{JA: text, EN: text}, Time: now}})
		rec.Mark = l.ID
	}
	return nil
}

// sourceFact is where something was read: its address, digest and time, and a few words of it.
func sourceFact(item string, d *Document, now incident.Moment) incident.Fact {
	v := incident.Value{SHA256: d.SHA256, Fetched: incident.Moment{Time: d.Fetched.Truncate(time.Minute), Precision: incident.Minute}, Quote: quote(d)}
	title := d.Title
	if title == "" {
		title = firstLine(d.Text)
	}
	if title == "" {
		title = d.URL
	}
	if strings.HasPrefix(d.URL, "file:") {
		v.Text = language.Text{JA: clip(title, 600), EN: clip(title, 600)}
	} else {
		v.URL = d.URL
	}
	return incident.Fact{Key: "source", Item: item, Certainty: incident.Confirmed, AsOf: now, Value: v}
}

// quote is the title of a document, which is what is needed to find it again; a quotation is a reference and no copy.
func quote(d *Document) string {
	q := []rune(strings.Join(strings.Fields(firstLine(d.Text)), " "))
	return string(q[:min(len(q), 120)])
}

// record writes what was decided, once: whoever does it again finds it done.
func (c *Collection) record(ctx context.Context, who actor.Actor, rec *recording) error {
	if len(rec.Facts) == 0 {
		return nil
	}
	if rec.Create {
		one := incident.Record{Dataset: incident.RecordedDataset, ExternalID: rec.Incident, ID: rec.Incident, Facts: slices.Clone(rec.Facts), URL: rec.URL}
		given := false
		_, err := c.Incidents.Import(ctx, who, func() (incident.Record, error) {
			if given {
				return incident.Record{}, io.EOF
			}
			given = true
			return one, nil
		}, incident.ImportOptions{Reject: func(row *incident.RowError) error { return row }})
		return err
	}
	known, err := incident.Recorded(ctx, c.DB, rec.Incident)
	if err != nil {
		return err
	}
	for _, f := range known {
		if rec.Mark != "" && f.Item == rec.Mark && !f.Retracted && slices.ContainsFunc(rec.Facts, func(g incident.Fact) bool {
			return g.Key == f.Key && g.Item == f.Item && g.AsOf.String() == f.AsOf.String()
		}) {
			return nil
		}
	}
	return c.add(ctx, who, rec.Incident, rec.Facts)
}

// add adds to an incident. What others disclosed is public, and nobody's case: whoever may record that, may add to it. An own incident
// is a case, which only those write who have access to it.
func (c *Collection) add(ctx context.Context, who actor.Actor, id string, facts []incident.Fact) error {
	_, others, err := c.Incidents.Provenance(ctx, id)
	if err != nil {
		return err
	}
	if others {
		who = who.With(id, actor.Contributes)
	}
	_, err = c.Incidents.Add(ctx, who, &incident.FactsFile{ID: id, Facts: facts})
	return err
}

// intend writes what is about to be recorded.
func (c *Collection) intend(ctx context.Context, who actor.Actor, i *Item, a Acceptance, rec *recording) (*Act, error) {
	payload, err := json2.Marshal(rec)
	if err != nil {
		return nil, err
	}
	act := &Act{ID: newID("a"), Item: i.ID, What: "accept", At: c.Now(), By: who.String(), before: snapshot{i.State, i.Incident, i.Near, i.Relation}, payload: string(payload)}
	relation := i.Relation
	if a.Relation != "" {
		relation = a.Relation
	}
	err = c.change(ctx, i.ID, a.Version, act, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE collect_item SET state = 'accepting', incident = $2, relation = $3, version = version + 1 WHERE id = $1`, i.ID, rec.Incident, relation)
		return err
	})
	return act, err
}

// change does something with an item that is as it was looked at, and writes the act. version 0 asks for none.
func (c *Collection) change(ctx context.Context, id string, version int64, act *Act, do func(tx *sql.Tx) error) error {
	before, err := json.Marshal(act.before)
	if err != nil {
		return err
	}
	return c.DB.Update(ctx, func(tx *sql.Tx) error {
		now, err := itemOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if now.Version != version || now.State == accepting {
			return ErrStale
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO collect_act (id, item, what, at, by, before, payload, done, undone_at, undone_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '')`,
			act.ID, id, act.What, store.Micros(act.At), act.By, string(before), act.payload, act.Done); err != nil {
			return err
		}
		return do(tx)
	})
}

// giveUp takes back an intention of which nothing was recorded.
func (c *Collection) giveUp(ctx context.Context, act *Act) error {
	return c.DB.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM collect_act WHERE id = $1 AND done = $2`, act.ID, false); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE collect_item SET state = $2, incident = $3, relation = $4, version = version + 1 WHERE id = $1 AND state = 'accepting'`,
			act.Item, act.before.State, act.before.Incident, act.before.Relation)
		return err
	})
}

// finish writes that something is recorded, what the reader made of each proposal, and that its page is watched.
func (c *Collection) finish(ctx context.Context, id string, rec *recording, l *Look, choices []Choice) error {
	return c.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE collect_act SET done = $2 WHERE id = $1 AND done = $3`, id, true, false)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // somebody else has finished it
		}
		now := store.Micros(c.Now())
		var by string
		if err := tx.QueryRowContext(ctx, `SELECT by FROM collect_act WHERE id = $1`, id).Scan(&by); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE collect_item SET state = 'accepted', decided_at = $2, decided_by = $3, version = version + 1 WHERE id = $1`, l.ID, now, by); err != nil {
			return err
		}
		// What says the same, or is joined to it, belongs to the same incident from now on.
		if _, err := tx.ExecContext(ctx, `UPDATE collect_item SET incident = $2 WHERE near = $1 AND incident = '' AND state IN ('new', 'merged')`, l.ID, rec.Incident); err != nil {
			return err
		}
		for n, ch := range choices {
			if err := label(ctx, tx, id, n, l, l.Entries[n], ch); err != nil {
				return err
			}
		}
		if l.Doc == nil || strings.HasPrefix(l.Doc.URL, "file:") {
			return nil
		}
		return c.watch(ctx, tx, rec.Incident, l.Doc, l.Kind)
	})
}

func label(ctx context.Context, tx *sql.Tx, act string, n int, l *Look, proposed extract.Entry, ch Choice) error {
	was, err := json.Marshal(proposed)
	if err != nil {
		return err
	}
	given := []byte{}
	switch ch.Outcome {
	case Taken:
		given = was
	case Corrected:
		if given, err = json.Marshal(ch.Entry); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO collect_label (act, seq, document, lang, fact_key, item, rule, sure, outcome, proposed, given) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		act, n, l.Document, string(l.Proposed.Lang), proposed.Key, proposed.ID, proposed.Rule, proposed.Sure, ch.Outcome, string(was), string(given))
	return err
}

// Finish finishes acceptances that were begun by a process that ended.
func (c *Collection) Finish(ctx context.Context) error {
	acts, err := c.readActs(ctx, `WHERE done = $1 AND what = 'accept' AND at < $2 ORDER BY at LIMIT 100`, false, store.Micros(c.Now().Add(-time.Minute)))
	if err != nil {
		return fmt.Errorf("finish acceptances: %w", err)
	}
	for _, act := range acts {
		var rec recording
		if err := json2.Unmarshal([]byte(act.payload), &rec); err != nil {
			return fmt.Errorf("finish acceptances: %w", err)
		}
		err := c.record(ctx, actor.Server(), &rec)
		if _, refused := errors.AsType[*incident.RowError](err); refused {
			if err := c.giveUp(ctx, &act); err != nil {
				return fmt.Errorf("finish acceptances: %w", err)
			}
			continue
		}
		if err == nil {
			var l *Look
			if l, err = c.Show(ctx, actor.Server(), act.Item); err == nil {
				err = c.finish(ctx, act.ID, &rec, l, nil)
			}
		}
		if err != nil {
			return fmt.Errorf("finish acceptances: %w", err)
		}
	}
	return nil
}

// Ignore leaves an item.
func (c *Collection) Ignore(ctx context.Context, who actor.Actor, id string, version int64, why string) error {
	return c.simple(ctx, who, id, version, "ignore", func(tx *sql.Tx, i *Item) error {
		_, err := tx.ExecContext(ctx, `UPDATE collect_item SET state = 'ignored', note = $2, decided_at = $3, decided_by = $4, version = version + 1 WHERE id = $1`, id, clip(why, 1000), store.Micros(c.Now()), who.String())
		return err
	})
}

// Merge says that an item is about an incident, or says the same as another item, whose further source it becomes.
func (c *Collection) Merge(ctx context.Context, who actor.Actor, id string, version int64, into string) error {
	return c.simple(ctx, who, id, version, "merge", func(tx *sql.Tx, i *Item) error {
		other, err := itemOf(ctx, tx, into)
		if err == nil {
			if other.ID == id || other.Near == id && other.State == Joined {
				return fmt.Errorf("%w: nothing is merged into itself", ErrInput)
			}
			if other.State == Accepted && other.Incident != "" {
				into, err = other.Incident, ErrNotFound
			}
		}
		if err == nil {
			_, err := tx.ExecContext(ctx, `UPDATE collect_item SET state = 'merged', near = $2, incident = $3, relation = 'source', decided_at = $4, decided_by = $5, version = version + 1 WHERE id = $1`,
				id, other.ID, other.Incident, store.Micros(c.Now()), who.String())
			return err
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		inc, err := c.Incidents.Get(ctx, into)
		if err != nil {
			return err
		}
		var sources []string
		for _, f := range inc.Listed("source") {
			sources = append(sources, f.Value.URL)
		}
		_, err = tx.ExecContext(ctx, `UPDATE collect_item SET incident = $2, relation = $3, version = version + 1 WHERE id = $1`, id, inc.ID, relationOf("", i.URL, sources))
		return err
	})
}

// Split says that an item is about something of its own.
func (c *Collection) Split(ctx context.Context, who actor.Actor, id string, version int64) error {
	return c.simple(ctx, who, id, version, "split", func(tx *sql.Tx, i *Item) error {
		if i.Kind == Change || i.Kind == Gone || i.Kind == Correction || i.Kind == Reply {
			return fmt.Errorf("%w: it is about one incident", ErrInput)
		}
		_, err := tx.ExecContext(ctx, `UPDATE collect_item SET state = 'new', incident = '', near = '', relation = 'new', decided_at = 0, decided_by = '', version = version + 1 WHERE id = $1`, id)
		return err
	})
}

func (c *Collection) simple(ctx context.Context, who actor.Actor, id string, version int64, what string, do func(tx *sql.Tx, i *Item) error) error {
	if err := who.May(actor.Record, ""); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	i, err := itemOf(ctx, c.DB, id)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if i.State == Accepted || i.State == Ignored || i.State == Joined && what != "split" {
		return hint.Add(fmt.Errorf("%s: %w", what, ErrStale), "undo first what was decided")
	}
	act := &Act{ID: newID("a"), Item: id, What: what, At: c.Now(), By: who.String(), before: snapshot{i.State, i.Incident, i.Near, i.Relation}, Done: true}
	if err := c.change(ctx, id, version, act, func(tx *sql.Tx) error { return do(tx, i) }); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (c *Collection) acts(ctx context.Context, item string) ([]Act, error) {
	return c.readActs(ctx, `WHERE item = $1 ORDER BY at, id LIMIT 200`, item)
}

func (c *Collection) readActs(ctx context.Context, where string, args ...any) ([]Act, error) {
	rows, err := c.DB.QueryContext(ctx, `SELECT id, item, what, at, by, before, payload, done, undone_at, undone_by FROM collect_act `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Act
	for rows.Next() {
		var a Act
		var at, undone int64
		var before string
		if err := rows.Scan(&a.ID, &a.Item, &a.What, &at, &a.By, &before, &a.payload, &a.Done, &undone, &a.UndoneBy); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(before), &a.before); err != nil {
			return nil, err
		}
		a.At = store.FromMicros(at)
		if undone != 0 {
			a.Undone = store.FromMicros(undone)
		}
		out = append(out, a)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
