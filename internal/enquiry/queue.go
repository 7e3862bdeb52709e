package enquiry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/reach/bounce"
	"shirase/internal/store"
)

// An Enquiry is what one person asks, with what they were answered.
type Enquiry struct {
	ID       string
	Incident string
	State    State
	Channel  string
	Lang     language.Lang
	Topic    string
	Assignee string    // pseudonym of one of the staff; "": nobody's yet
	Due      time.Time // by when they are to be answered; zero: there is no deadline
	Created  time.Time
	Ended    time.Time
	Verified time.Time // when the mailbox was shown to be theirs; zero: it was not
	Version  int64
	Merged   string // into which

	// Of one that is read:
	Person   Person
	Messages []Message
	Events   []Event
	Links    []string
	Parts    []string // that were merged into it

	before string
	wiped  bool
	who    []byte
	sealed []byte
}

// Late reports whether somebody should have been answered by now.
func (e *Enquiry) Late(now time.Time) bool {
	return e.State == Open && !e.Due.IsZero() && e.Due.Before(now)
}

// Mailable reports whether an answer may go out by mail.
func (e *Enquiry) Mailable() bool { return !e.Verified.IsZero() && e.Person.Address != "" }

// Wiped reports whether who and what is gone, by its age.
func (e *Enquiry) Wiped() bool { return e.wiped }

// A Message is something that was written in an enquiry.
type Message struct {
	ID, Enquiry   string
	At            time.Time
	Kind          string // asked, answer, spoken, note; verify is the mail with the link
	By            string // of the staff
	State, Why    string // of mail
	Subject, Text string
	Left          int // files that were not kept
	Batch, Canned string
	Corrected     string
	Files         []File
	Overtaken     []Change // facts that it said, and that stand otherwise now
}

// A File is what came with a letter.
type File struct {
	ID, Name string
	Size     int64
}

// An Event is something that was done.
type Event struct {
	At               time.Time
	By, What, Detail string
}

const columns = `id, incident, state, before, channel, lang, topic, assignee, due, created, ended, verified, version, merged, wiped, who, person`

func scan(row interface{ Scan(...any) error }) (*Enquiry, error) {
	var e Enquiry
	var state, lang string
	var due, created, ended, verified, wiped int64
	err := row.Scan(&e.ID, &e.Incident, &state, &e.before, &e.Channel, &lang, &e.Topic, &e.Assignee, &due, &created, &ended, &verified, &e.Version, &e.Merged, &wiped, &e.who, &e.sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	e.State, e.Lang, e.wiped = State(state), language.Lang(lang), wiped != 0
	e.Due, e.Created, e.Ended, e.Verified = moment(due), moment(created), moment(ended), moment(verified)
	return &e, err
}

func moment(m int64) time.Time {
	if m == 0 {
		return time.Time{}
	}
	return store.FromMicros(m)
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return store.Micros(t)
}

func (d *Desk) get(ctx context.Context, q store.Querier, id string) (*Enquiry, error) {
	return scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM enquiry WHERE id = $1`, id))
}

// A Filter says which enquiries are listed. What is empty says nothing.
type Filter struct {
	State    State
	Topic    string
	Assignee string // "-": nobody's
	Lang     string
	Address  string // of whom; "": whoever
	Late     bool   // only those that should have been answered
	From     int    // how many are passed over
	Most     int    // how many are given; 0: 100
}

// List gives the enquiries of a case, and how many there are: who waits first, and of each state those that are due first. Those whose mailbox was
// not shown to be theirs are not among them, unless they are asked for. Nobody's name or text is in it.
func (d *Desk) List(ctx context.Context, who actor.Actor, of string, f Filter) ([]*Enquiry, int64, error) {
	out, n, err := d.list(ctx, who, of, f)
	if err != nil {
		return nil, 0, fmt.Errorf("list enquiries: %w", err)
	}
	return out, n, nil
}

func (d *Desk) list(ctx context.Context, who actor.Actor, of string, f Filter) (out []*Enquiry, all int64, err error) {
	if err := may(who, actor.See, of); err != nil {
		return nil, 0, err
	}
	where, args, err := d.filter(ctx, who, of, f)
	if err != nil {
		return nil, 0, err
	}
	if f.Most <= 0 || f.Most > 1000 {
		f.Most = 100
	}
	states := []State{Open, Answered, Closed}
	switch {
	case f.State != "":
		states = []State{f.State}
	case f.Late:
		states = states[:1]
	}
	// A stretch after the other, each as an index has it: those that are passed over are counted, and nothing of them is read.
	pass := max(f.From, 0)
	for _, state := range states {
		for _, due := range []string{`due > 0`, `due = 0`} {
			where, args := where+fmt.Sprintf(` AND state = $%d AND `, len(args)+1)+due, append(slices.Clone(args), string(state))
			var n int64
			if err := d.DB.QueryRowContext(ctx, `SELECT count(*) FROM enquiry`+where, args...).Scan(&n); err != nil {
				return nil, 0, err
			}
			all += n
			if most := f.Most - len(out); most > 0 && int64(pass) < n {
				some, err := d.found(ctx, where+fmt.Sprintf(` ORDER BY due, created, id LIMIT $%d OFFSET $%d`, len(args)+1, len(args)+2), append(args, most, pass)...)
				if err != nil {
					return nil, 0, err
				}
				out = append(out, some...)
			}
			pass = int(max(int64(pass)-n, 0))
		}
	}
	return out, all, nil
}

// filter is what a filter asks for, but for the state.
func (d *Desk) filter(ctx context.Context, who actor.Actor, of string, f Filter) (where string, args []any, err error) {
	where, args = ` WHERE incident = $1`, []any{of}
	add := func(sql string, arg any) {
		args = append(args, arg)
		where += fmt.Sprintf(sql, len(args))
	}
	if f.Topic != "" {
		add(` AND topic = $%d`, f.Topic)
	}
	if f.Lang != "" {
		add(` AND lang = $%d`, f.Lang)
	}
	if f.Assignee == "-" {
		where += ` AND assignee = ''`
	} else if f.Assignee != "" {
		add(` AND assignee = $%d`, f.Assignee)
	}
	if f.Late {
		add(` AND state = 'open' AND due > 0 AND due < $%d`, store.Micros(d.Now()))
	}
	if f.Address == "" {
		return where, args, nil
	}
	if err := mayRead(who, of); err != nil {
		return "", nil, err
	}
	address, err := mailbox(f.Address)
	if err != nil {
		return "", nil, err
	}
	seal, err := d.Seal(ctx, of, false)
	if err == nil {
		add(` AND who = $%d`, whoTag(seal, address))
	}
	return where, args, err
}

func (d *Desk) found(ctx context.Context, where string, args ...any) (out []*Enquiry, err error) {
	rows, err := d.DB.QueryContext(ctx, `SELECT `+columns+` FROM enquiry`+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Of gives the case that an enquiry is of, to whoever may see that. ErrNotFound.
func (d *Desk) Of(ctx context.Context, who actor.Actor, id string) (string, error) {
	e, err := d.get(ctx, d.DB, id)
	if err == nil && !who.Sees(e.Incident) {
		err = ErrNotFound
	}
	if err != nil {
		return "", err
	}
	return e.Incident, nil
}

// Get reads an enquiry: who asks, all that was written, those parts too that were merged into it, and who did what. That somebody read it is
// written down, once a day. Errors: ErrNotFound.
func (d *Desk) Get(ctx context.Context, who actor.Actor, of, id string) (*Enquiry, error) {
	if err := mayRead(who, of); err != nil {
		return nil, fmt.Errorf("read an enquiry: %w", err)
	}
	e, err := d.open(ctx, of, id)
	if err != nil {
		return nil, fmt.Errorf("read an enquiry: %w", err)
	}
	day := d.Now().UTC().Truncate(24 * time.Hour)
	seen := slices.ContainsFunc(e.Events, func(v Event) bool { return v.By == who.String() && v.What == "read it" && !v.At.Before(day) })
	if !seen && who.Person() {
		if err := d.DB.Update(ctx, func(tx *sql.Tx) error { return d.event(ctx, tx, who, of, id, "read it", "") }); err != nil {
			return nil, fmt.Errorf("read an enquiry: %w", err)
		}
	}
	return e, nil
}

func (d *Desk) open(ctx context.Context, of, id string) (*Enquiry, error) {
	e, err := d.get(ctx, d.DB, id)
	if err == nil && e.Incident != of {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	seal, err := d.Seal(ctx, of, false)
	if err != nil {
		return nil, err
	}
	if !e.wiped {
		if err := openJSON(seal, personIn(id), e.sealed, &e.Person); err != nil {
			return nil, err
		}
	}
	if e.Parts, err = store.Column[string](ctx, d.DB, `SELECT id FROM enquiry WHERE merged = $1 ORDER BY id`, id); err != nil {
		return nil, err
	}
	if e.Links, err = store.Column[string](ctx, d.DB, `SELECT b FROM enquiry_link WHERE a = $1 UNION SELECT a FROM enquiry_link WHERE b = $1`, id); err != nil {
		return nil, err
	}
	slices.Sort(e.Links)
	for _, one := range append([]string{id}, e.Parts...) {
		if err := d.messages(ctx, seal, one, e); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(e.Messages, func(a, b Message) int { return a.At.Compare(b.At) })
	if e.Events, err = d.events(ctx, of, id); err != nil {
		return nil, err
	}
	return e, d.markOvertaken(ctx, e)
}

func (d *Desk) messages(ctx context.Context, seal *store.Sealer, id string, into *Enquiry) error {
	files := map[string][]File{}
	rows, err := d.DB.QueryContext(ctx, `SELECT id, message, size, name FROM enquiry_file WHERE enquiry = $1 ORDER BY id`, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var f File
		var message string
		var name []byte
		if err := rows.Scan(&f.ID, &message, &f.Size, &name); err != nil {
			return err
		}
		b, err := seal.Open(nameIn(f.ID), name)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		f.Name = string(b)
		files[message] = append(files[message], f)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	rows, err = d.DB.QueryContext(ctx, `SELECT id, at, kind, actor, state, said, batch, canned, corrected, sealed FROM enquiry_message WHERE enquiry = $1 ORDER BY seq`, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		m := Message{Enquiry: id}
		var at int64
		var sealed []byte
		if err := rows.Scan(&m.ID, &at, &m.Kind, &m.By, &m.State, &m.Why, &m.Batch, &m.Canned, &m.Corrected, &sealed); err != nil {
			return err
		}
		m.At, m.Files = store.FromMicros(at), files[m.ID]
		if len(sealed) > 0 {
			var w written
			if err := openJSON(seal, messageIn(m.ID), sealed, &w); err != nil {
				return err
			}
			m.Subject, m.Text, m.Left = w.Subject, w.Text, w.Left
		}
		into.Messages = append(into.Messages, m)
	}
	return errors.Join(rows.Err(), rows.Close())
}

func (d *Desk) events(ctx context.Context, of, id string) (out []Event, err error) {
	rows, err := d.DB.QueryContext(ctx, `SELECT at, actor, what, detail FROM enquiry_event WHERE incident = $1 AND enquiry = $2 ORDER BY seq`, of, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v Event
		var at int64
		if err := rows.Scan(&at, &v.By, &v.What, &v.Detail); err != nil {
			return nil, err
		}
		v.At = store.FromMicros(at)
		out = append(out, v)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// ReadFile gives a file that came with a letter, byte for byte: a stranger's, for no program to open by itself. That it was taken is written down.
func (d *Desk) ReadFile(ctx context.Context, who actor.Actor, of, file string) (name string, data []byte, err error) {
	if err := mayRead(who, of); err != nil {
		return "", nil, fmt.Errorf("read a file: %w", err)
	}
	var id string
	var sealedName, sealed []byte
	err = d.DB.QueryRowContext(ctx, `SELECT enquiry, name, data FROM enquiry_file WHERE id = $1 AND incident = $2`, file, of).Scan(&id, &sealedName, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return "", nil, fmt.Errorf("read a file: %w", err)
	}
	seal, err := d.Seal(ctx, of, false)
	if err != nil {
		return "", nil, fmt.Errorf("read a file: %w", err)
	}
	n, err := seal.Open(nameIn(file), sealedName)
	if err == nil {
		data, err = seal.Open(fileIn(file), sealed)
	}
	if err != nil {
		return "", nil, fmt.Errorf("read a file: %w: %w", ErrDamaged, err)
	}
	if err := d.DB.Update(ctx, func(tx *sql.Tx) error { return d.event(ctx, tx, who, of, id, "took a file", file) }); err != nil {
		return "", nil, fmt.Errorf("read a file: %w", err)
	}
	return string(n), data, nil
}

// change does something with an enquiry as it was read. version is what was read.
func (d *Desk) change(ctx context.Context, who actor.Actor, of, id string, version int64, what string, do func(tx *sql.Tx, e *Enquiry) (detail string, err error)) error {
	if err := may(who, actor.Answer, of); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err := d.DB.Update(ctx, func(tx *sql.Tx) error {
		e, err := d.get(ctx, tx, id)
		if err != nil {
			return err
		}
		switch {
		case e.Incident != of:
			return ErrNotFound
		case e.Version != version:
			return ErrStale
		case e.State == Unverified || e.wiped:
			return ErrState
		}
		detail, err := do(tx, e)
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE enquiry SET state = $3, before = $4, lang = $5, topic = $6, assignee = $7, due = $8, ended = $9, merged = $10, version = version + 1 WHERE id = $1 AND version = $2`,
			id, version, string(e.State), e.before, string(e.Lang), e.Topic, e.Assignee, micros(e.Due), micros(e.Ended), e.Merged)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrStale)
		}
		return d.event(ctx, tx, who, of, id, what, detail)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Set is what may be set of an enquiry; nil leaves it.
type Set struct {
	Topic, Assignee, Lang *string
	Due                   *time.Time
}

// Change sets topic, assignee, language or deadline. Errors: ErrNotFound, ErrStale, ErrInput, ErrState.
func (d *Desk) Change(ctx context.Context, who actor.Actor, of, id string, version int64, s Set) error {
	if s.Topic != nil {
		if err := d.topicThere(ctx, of, *s.Topic); err != nil {
			return fmt.Errorf("change an enquiry: %w", err)
		}
	}
	return d.change(ctx, who, of, id, version, "changed it", func(_ *sql.Tx, e *Enquiry) (string, error) {
		var said []string
		set := func(name string, to *string, from *string) {
			if to != nil && *to != *from {
				*from = *to
				said = append(said, name+" "+clip(*to))
			}
		}
		lang := string(e.Lang)
		set("topic", s.Topic, &e.Topic)
		set("assignee", s.Assignee, &e.Assignee)
		set("language", s.Lang, &lang)
		if lang != string(language.JA) && lang != string(language.EN) {
			return "", fmt.Errorf("%w: answers are written in ja or en", ErrInput)
		}
		if utf8.RuneCountInString(e.Assignee) > maxShort {
			return "", fmt.Errorf("%w: that is no name", ErrInput)
		}
		e.Lang = language.Lang(lang)
		if s.Due != nil && !s.Due.Equal(e.Due) {
			e.Due = *s.Due
			said = append(said, "due "+e.Due.UTC().Format(time.RFC3339))
		}
		return strings.Join(said, ", "), nil
	})
}

// moves are the states that somebody may bring an enquiry into, and from which.
var moves = map[State][]State{Closed: {Open, Answered}, Open: {Answered, Closed, Spam}, Spam: {Open, Answered, Closed}}

// Move closes an enquiry, opens it again, or says that it is none (spam). Each is undone by another one.
func (d *Desk) Move(ctx context.Context, who actor.Actor, of, id string, version int64, to State) error {
	return d.change(ctx, who, of, id, version, "moved it", func(_ *sql.Tx, e *Enquiry) (string, error) {
		if !slices.Contains(moves[to], e.State) {
			return "", ErrState
		}
		from := e.State
		e.State, e.Ended = to, d.Now()
		if to == Open {
			e.Ended = time.Time{}
		}
		return string(from) + " to " + string(to), nil
	})
}

// Note writes something down among the staff.
func (d *Desk) Note(ctx context.Context, who actor.Actor, of, id string, version int64, text string) error {
	text = bounce.Visible(text, true)
	if text == "" || utf8.RuneCountInString(text) > maxText {
		return fmt.Errorf("write a note: %w: a note has 1 to %d characters", ErrInput, maxText)
	}
	seal, err := d.sealer(ctx, who, of)
	if err != nil {
		return fmt.Errorf("write a note: %w", err)
	}
	return d.change(ctx, who, of, id, version, "wrote a note", func(tx *sql.Tx, e *Enquiry) (string, error) {
		_, err := d.addMessage(ctx, tx, seal, adding{enquiry: id, incident: of, kind: "note", by: who.String(), written: written{Text: text}})
		return "", err
	})
}

// sealer is that of a case, for who may answer in it.
func (d *Desk) sealer(ctx context.Context, who actor.Actor, of string) (*store.Sealer, error) {
	if err := may(who, actor.Answer, of); err != nil {
		return nil, err
	}
	return d.Seal(ctx, of, false)
}

// Merge has an enquiry be read as a part of another one of the same person: what is written in it is answered there. Of two people, or where it
// is not known whether they are one, it is refused: an answer to one would leave the other without, or tell them. Unmerge undoes it.
func (d *Desk) Merge(ctx context.Context, who actor.Actor, of, id string, version int64, into string) error {
	return d.change(ctx, who, of, id, version, "merged it", func(tx *sql.Tx, e *Enquiry) (string, error) {
		other, err := d.get(ctx, tx, into)
		switch {
		case err != nil:
			return "", err
		case other.Incident != of:
			return "", ErrNotFound
		case into == id || e.State == Merged || other.State == Merged || other.State == Unverified || other.wiped:
			return "", ErrState
		case len(e.who) == 0 || string(e.who) != string(other.who) || e.Verified.IsZero() || other.Verified.IsZero():
			return "", fmt.Errorf("%w: it is not known that they are one person's; link them instead", ErrInput)
		}
		var parts int64
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM enquiry WHERE merged = $1`, id).Scan(&parts); err != nil {
			return "", err
		}
		if parts > 0 {
			return "", fmt.Errorf("%w: others were merged into it: merge this one's other way round", ErrState)
		}
		e.before, e.State, e.Merged = string(e.State), Merged, into
		if e.before == string(Open) && other.State != Open {
			if _, err := tx.ExecContext(ctx, `UPDATE enquiry SET state = 'open', ended = 0, due = $2, version = version + 1 WHERE id = $1`, into, micros(e.Due)); err != nil {
				return "", err
			}
		}
		return into, d.event(ctx, tx, who, of, into, "had one merged into it", id)
	})
}

// Unmerge undoes a merge: the enquiry stands as it did.
func (d *Desk) Unmerge(ctx context.Context, who actor.Actor, of, id string, version int64) error {
	return d.change(ctx, who, of, id, version, "undid a merge", func(tx *sql.Tx, e *Enquiry) (string, error) {
		if e.State != Merged {
			return "", ErrState
		}
		into := e.Merged
		e.State, e.before, e.Merged = State(e.before), "", ""
		return into, d.event(ctx, tx, who, of, into, "had a merge undone", id)
	})
}

// Link says that two enquiries have to do with each other, of whomever they are; off takes it back.
func (d *Desk) Link(ctx context.Context, who actor.Actor, of, id string, version int64, other string, off bool) error {
	what := "linked it"
	if off {
		what = "took a link away"
	}
	return d.change(ctx, who, of, id, version, what, func(tx *sql.Tx, _ *Enquiry) (string, error) {
		o, err := d.get(ctx, tx, other)
		if err != nil || o.Incident != of || other == id {
			return "", errors.Join(err, ErrNotFound)
		}
		a, b := min(id, other), max(id, other)
		if off {
			_, err = tx.ExecContext(ctx, `DELETE FROM enquiry_link WHERE a = $1 AND b = $2`, a, b)
		} else {
			_, err = tx.ExecContext(ctx, `INSERT INTO enquiry_link (a, b) VALUES ($1, $2) ON CONFLICT (a, b) DO NOTHING`, a, b)
		}
		return other, err
	})
}

// Recorded is what one of the staff records for somebody who has no mail or computer, or calls.
type Recorded struct {
	Channel string // telephone or post
	Topic   string
	Lang    language.Lang
	Text    string
	Person  Person // whose Step says how they were recognised; "": they were not
}

// Record takes an enquiry that somebody made by telephone or post. A way to recognise them that rests on what was exposed is refused. Where they
// give an address of mail, a link goes to it: nothing else does before it is used. Errors: ErrNotFound, ErrInput, ErrAddress, ErrExposed.
func (d *Desk) Record(ctx context.Context, who actor.Actor, of string, r Recorded) (string, error) {
	seal, err := d.recordable(ctx, who, of, &r)
	if err != nil {
		return "", fmt.Errorf("record an enquiry: %w", err)
	}
	id, now := newID("e"), d.Now()
	err = d.DB.Update(ctx, func(tx *sql.Tx) error {
		t := taking{of: of, channel: r.Channel, lang: r.Lang, topic: r.Topic, person: r.Person}
		if err := d.insert(ctx, tx, seal, id, t, Open, store.Micros(now.Add(d.Within)), now); err != nil {
			return err
		}
		if _, err := d.addMessage(ctx, tx, seal, adding{enquiry: id, incident: of, kind: "asked", written: written{Text: r.Text}}); err != nil {
			return err
		}
		if r.Person.Address != "" {
			if err := d.sendLink(ctx, tx, seal, id, of); err != nil {
				return err
			}
		}
		return d.event(ctx, tx, who, of, id, "recorded it", r.Channel)
	})
	if err != nil {
		return "", fmt.Errorf("record an enquiry: %w", err)
	}
	d.poke()
	return id, nil
}

func (d *Desk) recordable(ctx context.Context, who actor.Actor, of string, r *Recorded) (*store.Sealer, error) {
	if err := may(who, actor.Answer, of); err != nil {
		return nil, err
	}
	r.Text, r.Person.Name, r.Person.Telephone = bounce.Visible(r.Text, true), bounce.Visible(r.Person.Name, false), bounce.Visible(r.Person.Telephone, false)
	switch {
	case r.Channel != Telephone && r.Channel != Post:
		return nil, fmt.Errorf("%w: it came by %s or %s", ErrInput, Telephone, Post)
	case r.Lang != language.JA && r.Lang != language.EN:
		return nil, fmt.Errorf("%w: answers are written in ja or en", ErrInput)
	case r.Text == "" || utf8.RuneCountInString(r.Text) > maxText:
		return nil, fmt.Errorf("%w: an enquiry has 1 to %d characters", ErrInput, maxText)
	case utf8.RuneCountInString(r.Person.Name) > maxShort || utf8.RuneCountInString(r.Person.Telephone) > maxShort:
		return nil, fmt.Errorf("%w: a name has at most %d characters", ErrInput, maxShort)
	}
	if err := d.topicThere(ctx, of, r.Topic); err != nil {
		return nil, err
	}
	if r.Person.Address != "" {
		var err error
		if r.Person.Address, err = mailbox(r.Person.Address); err != nil {
			return nil, err
		}
	}
	if r.Person.Step != "" {
		good, refused, err := d.Steps(ctx, who, of)
		switch {
		case err != nil:
			return nil, err
		case slices.Contains(refused, r.Person.Step):
			return nil, ErrExposed
		case !slices.Contains(good, r.Person.Step):
			ways := "none is set: reset.steps says which there are"
			if len(good) > 0 {
				ways = "the ways are " + strings.Join(good, ", ")
			}
			return nil, hint.Add(fmt.Errorf("%w: there is no such way to recognise people", ErrInput), ways)
		}
	}
	return d.Seal(ctx, of, true)
}

// Steps gives how staff may recognise people in a case, and which ways are refused, as they rest on what was exposed.
func (d *Desk) Steps(ctx context.Context, who actor.Actor, of string) (good, refused []string, err error) {
	if d.Recognised == nil {
		return nil, nil, nil
	}
	return d.Recognised(ctx, who, of)
}
