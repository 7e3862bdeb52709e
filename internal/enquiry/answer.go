package enquiry

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach/bounce"
	"shirase/internal/store"
)

// Canned is an answer that is given again: Markdown with references to facts, so that it says what is known when it leaves.
type Canned struct {
	ID      string
	Version int64
	Public  int64 // the version that the help page may show, as a second person approved; 0: none
	Gone    bool
	By      string

	Name    language.Text `json:"name"` // for the staff
	Subject language.Text `json:"subject"`
	Text    language.Text `json:"text"`
}

type cannedSpec struct {
	Name    language.Text `json:"name"`
	Subject language.Text `json:"subject"`
	Text    language.Text `json:"text"`
}

const cannedColumns = `id, version, public, gone, actor, spec`

func scanCanned(row interface{ Scan(...any) error }) (*Canned, error) {
	var c Canned
	var gone int64
	var spec string
	err := row.Scan(&c.ID, &c.Version, &c.Public, &gone, &c.By, &spec)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	var s cannedSpec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	c.Gone, c.Name, c.Subject, c.Text = gone != 0, s.Name, s.Subject, s.Text
	return &c, nil
}

func (d *Desk) canned(ctx context.Context, q store.Querier, of, id string) (*Canned, error) {
	return scanCanned(q.QueryRowContext(ctx, `SELECT `+cannedColumns+` FROM enquiry_canned WHERE incident = $1 AND id = $2`, of, id))
}

// GetCanned gives an answer that is given again. ErrNotFound.
func (d *Desk) GetCanned(ctx context.Context, who actor.Actor, of, id string) (*Canned, error) {
	if err := may(who, actor.See, of); err != nil {
		return nil, fmt.Errorf("an answer: %w", err)
	}
	c, err := d.canned(ctx, d.DB, of, id)
	if err != nil {
		return nil, fmt.Errorf("an answer: %w", err)
	}
	return c, nil
}

// Canneds lists the answers of a case that are given again.
func (d *Desk) Canneds(ctx context.Context, who actor.Actor, of string) ([]*Canned, error) {
	if err := may(who, actor.See, of); err != nil {
		return nil, fmt.Errorf("answers: %w", err)
	}
	rows, err := d.DB.QueryContext(ctx, `SELECT `+cannedColumns+` FROM enquiry_canned WHERE incident = $1 AND gone = 0 ORDER BY id`, of)
	if err != nil {
		return nil, fmt.Errorf("answers: %w", err)
	}
	defer rows.Close()
	var out []*Canned
	for rows.Next() {
		c, err := scanCanned(rows)
		if err != nil {
			return nil, fmt.Errorf("answers: %w", err)
		}
		out = append(out, c)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// PutCanned writes an answer that is given again, or with its version changes one. What it refers to has to be known: a reference to a fact that is
// not there is refused, by its place. Changed, it is not on the help page until a second person has approved it again.
//
// Errors: ErrInput, ErrStale, incident.ErrNotice.
func (d *Desk) PutCanned(ctx context.Context, who actor.Actor, of string, c Canned) error {
	if who.May(actor.Write, of) != nil {
		if err := may(who, actor.Answer, of); err != nil {
			return fmt.Errorf("write an answer: %w", err)
		}
	}
	if !topicID.MatchString(c.ID) {
		return fmt.Errorf("write an answer: %w: its name is of a-z, 0-9 and -", ErrInput)
	}
	if !c.Gone {
		if _, err := d.both(ctx, of, Draft{Subject: c.Subject, Text: c.Text}); err != nil {
			return fmt.Errorf("write an answer: %w", err)
		}
	}
	spec, err := json.Marshal(cannedSpec{c.Name, c.Subject, c.Text}, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("write an answer: %w", err)
	}
	gone := int64(0)
	if c.Gone {
		gone = 1
	}
	err = d.DB.Update(ctx, func(tx *sql.Tx) error {
		now, err := d.canned(ctx, tx, of, c.ID)
		switch {
		case errors.Is(err, ErrNotFound) && c.Version == 0 && !c.Gone:
		case err != nil:
			return err
		case now.Version != c.Version:
			return ErrStale
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO enquiry_canned (incident, id, version, public, gone, at, actor, spec) VALUES ($1, $2, $3, 0, $4, $5, $6, $7)
			ON CONFLICT (incident, id) DO UPDATE SET version = excluded.version, public = 0, gone = excluded.gone, at = excluded.at, actor = excluded.actor, spec = excluded.spec`,
			of, c.ID, c.Version+1, gone, store.Micros(d.Now()), who.String(), string(spec)); err != nil {
			return err
		}
		if c.Gone {
			if _, err := tx.ExecContext(ctx, `UPDATE enquiry_topic SET canned = '', version = version + 1 WHERE incident = $1 AND canned = $2`, of, c.ID); err != nil {
				return err
			}
		}
		return d.event(ctx, tx, who, of, "", "wrote an answer", c.ID)
	})
	if err != nil {
		return fmt.Errorf("write an answer: %w", err)
	}
	return nil
}

// Draft is an answer as somebody writes it: one that is given again, or their own text, with references to facts.
type Draft struct {
	Canned  string // "": Text is their own
	Subject language.Text
	Text    language.Text
}

// Content is an answer as somebody gets it.
type Content struct {
	Lang          language.Lang
	Subject, Text string
	Said          []Said   // facts, and how they stand
	Against       []string // what the facts have against the text
}

// Said is a fact that an answer says.
type Said struct {
	Fact    string `json:"fact"`
	Item    string `json:"item,omitzero"` // *: all of a list
	Version string `json:"version"`
	Value   string `json:"value"`
}

// whole names all of a list.
const whole = "*"

func versionOf(in incident.Incident, fact, item string) string {
	if item != whole {
		return in.Version(fact, item)
	}
	sum := sha256.New()
	for _, f := range in.Listed(fact) {
		fmt.Fprintln(sum, f.Item, in.Version(fact, f.Item))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

func valueOf(in incident.Incident, lang language.Lang, fact, item string) string {
	var out []string
	for _, f := range in.Facts {
		if f.Key == fact && (item == whole || f.Item == item) {
			out = append(out, f.In(lang))
		}
	}
	return language.Join(lang, out)
}

// draft fills in what is given again.
func (d *Desk) draft(ctx context.Context, of string, a Draft) (Draft, error) {
	if a.Canned == "" {
		return a, nil
	}
	c, err := d.canned(ctx, d.DB, of, a.Canned)
	if err == nil && c.Gone {
		err = ErrNotFound
	}
	if err != nil {
		return a, err
	}
	if a.Subject == (language.Text{}) {
		a.Subject = c.Subject
	}
	if a.Text == (language.Text{}) {
		a.Text = c.Text
	}
	return a, nil
}

// both renders a draft in both languages, which every answer that many get has.
func (d *Desk) both(ctx context.Context, of string, a Draft) (out [2]Content, err error) {
	for i, lang := range []language.Lang{language.JA, language.EN} {
		if out[i], err = d.render(ctx, of, lang, a); err != nil {
			return out, err
		}
	}
	return out, nil
}

// render writes an answer from the facts as the public has them. Errors: ErrInput; incident.ErrNotice, which names the place.
func (d *Desk) render(ctx context.Context, of string, lang language.Lang, a Draft) (Content, error) {
	in, err := d.Incident(ctx, of)
	if errors.Is(err, incident.ErrNotFound) {
		return Content{}, hint.Add(fmt.Errorf("%w: nothing of %s is public yet, and an answer says what the public is told", ErrInput, of), "publish its first notice: shirase publish "+of)
	}
	if err != nil {
		return Content{}, err
	}
	out := Content{Lang: lang}
	subject, text := strings.TrimSpace(a.Subject.In(lang)), strings.ReplaceAll(strings.TrimSpace(a.Text.In(lang)), "\r\n", "\n")
	if subject == "" || text == "" {
		return Content{}, fmt.Errorf("%w: it has no subject or no text in %s", ErrInput, lang)
	}
	if utf8.RuneCountInString(text) > maxText || utf8.RuneCountInString(subject) > maxShort {
		return Content{}, fmt.Errorf("%w: an answer has at most %d characters", ErrInput, maxText)
	}
	for _, part := range []struct{ name, text string }{{"subject." + string(lang), subject}, {"text." + string(lang), text}} {
		md, err := in.Render(lang, part.name, part.text)
		if err != nil {
			return Content{}, err
		}
		if part.name == "subject."+string(lang) {
			out.Subject = bounce.Visible(incident.Text(md, lang), false)
		} else {
			out.Text = strings.TrimSpace(incident.Text(md, lang))
		}
		refs, err := in.Referred(part.name, part.text)
		if err != nil {
			return Content{}, err
		}
		lists, err := incident.ReferredLists(part.name, part.text)
		if err != nil {
			return Content{}, err
		}
		for _, f := range refs {
			out.says(in, lang, f.Key, f.Item)
		}
		for _, key := range lists {
			out.says(in, lang, key, whole)
		}
	}
	slices.SortFunc(out.Said, func(a, b Said) int { return cmp.Or(strings.Compare(a.Fact, b.Fact), strings.Compare(a.Item, b.Item)) })
	if d.Read != nil {
		if out.Against, err = d.Read(ctx, of, lang, out.Subject+"\n\n"+out.Text); err != nil {
			return Content{}, err
		}
	}
	return out, nil
}

func (c *Content) says(in incident.Incident, lang language.Lang, fact, item string) {
	if !slices.ContainsFunc(c.Said, func(s Said) bool { return s.Fact == fact && s.Item == item }) {
		c.Said = append(c.Said, Said{fact, item, versionOf(in, fact, item), valueOf(in, lang, fact, item)})
	}
}

// framed adds what every answer says: of what it is, and how to go on.
func (d *Desk) framed(ctx context.Context, of string, c Content, thread bool) Content {
	about := d.about(ctx, of)
	foot := c.Lang.Pick(about.Organisation.JA+"\n「"+about.Title.JA+"」のお問い合わせ窓口\n", about.Organisation.EN+"\nDesk for \""+about.Title.EN+"\"\n")
	foot += c.Lang.Pick("最新の状況: ", "Where things stand: ") + about.Page + "\n"
	if thread {
		foot += c.Lang.Pick("続けてお尋ねになるときは、このメールにそのまま返信してください。\n", "To go on, simply answer this mail.\n")
	}
	foot += c.Lang.Pick("このメールが、パスワードやカード番号をお尋ねすることはありません。\n", "We never ask for a password or a card number by mail.\n")
	c.Text += "\n\n-- \n" + foot
	return c
}

// Preview shows the answer to an enquiry with the facts as they are, word for word.
func (d *Desk) Preview(ctx context.Context, who actor.Actor, of, id string, a Draft) (Content, error) {
	if err := may(who, actor.Answer, of); err != nil {
		return Content{}, fmt.Errorf("preview an answer: %w", err)
	}
	c, err := d.content(ctx, of, id, a)
	if err != nil {
		return Content{}, fmt.Errorf("preview an answer: %w", err)
	}
	return d.framed(ctx, of, c, d.Address != ""), nil
}

// content is an answer in the language of an enquiry, without what every mail says.
func (d *Desk) content(ctx context.Context, of, id string, a Draft) (Content, error) {
	e, err := d.get(ctx, d.DB, id)
	if err == nil && e.Incident != of {
		err = ErrNotFound
	}
	if err == nil {
		a, err = d.draft(ctx, of, a)
	}
	if err != nil {
		return Content{}, err
	}
	return d.render(ctx, of, e.Lang, a)
}

// Answer answers one enquiry by mail, to the mailbox that was shown to be theirs. despite says why it is sent although the facts have something
// against its text. Errors: ErrNotFound, ErrStale, ErrState, ErrUnproven, ErrInput, incident.ErrNotice.
func (d *Desk) Answer(ctx context.Context, who actor.Actor, of, id string, version int64, a Draft, despite string) error {
	return d.answer(ctx, who, of, id, version, a, despite, false)
}

// Tell records what somebody was told by telephone or post, with the facts that it said.
func (d *Desk) Tell(ctx context.Context, who actor.Actor, of, id string, version int64, a Draft, despite string) error {
	return d.answer(ctx, who, of, id, version, a, despite, true)
}

func (d *Desk) answer(ctx context.Context, who actor.Actor, of, id string, version int64, a Draft, despite string, spoken bool) error {
	seal, err := d.sealer(ctx, who, of)
	if err != nil {
		return fmt.Errorf("answer an enquiry: %w", err)
	}
	c, err := d.content(ctx, of, id, a)
	if err != nil {
		return fmt.Errorf("answer an enquiry: %w", err)
	}
	if !spoken {
		c = d.framed(ctx, of, c, d.Address != "")
	}
	if len(c.Against) > 0 && strings.TrimSpace(despite) == "" {
		return fmt.Errorf("answer an enquiry: %w: %s; say why it is sent all the same", ErrInput, strings.Join(c.Against, "; "))
	}
	what := "answered it"
	if spoken {
		what = "told them"
	}
	err = d.change(ctx, who, of, id, version, what, func(tx *sql.Tx, e *Enquiry) (string, error) {
		kind, state := "answer", "pending"
		switch {
		case e.State == Merged || e.State == Spam:
			return "", ErrState
		case spoken:
			kind, state = "spoken", ""
		case e.Verified.IsZero() || len(e.who) == 0:
			return "", ErrUnproven
		}
		e.State, e.Ended = Answered, d.Now()
		_, err := d.addAnswer(ctx, tx, seal, e, adding{kind: kind, by: who.String(), state: state, canned: a.Canned}, c)
		return strings.TrimSpace(a.Canned + " " + clip(bounce.Visible(despite, false))), err
	})
	d.poke()
	return err
}

// addAnswer keeps an answer, with the facts that it says.
func (d *Desk) addAnswer(ctx context.Context, tx *sql.Tx, seal *store.Sealer, e *Enquiry, a adding, c Content) (string, error) {
	a.enquiry, a.incident, a.written = e.ID, e.Incident, written{Subject: c.Subject, Text: c.Text}
	if a.kind == "answer" {
		var err error
		if a.written.ID, err = d.lastID(ctx, tx, seal, e.ID); err != nil {
			return "", err
		}
	}
	id, err := d.addMessage(ctx, tx, seal, a)
	if err != nil {
		return "", err
	}
	for _, s := range c.Said {
		if _, err := tx.ExecContext(ctx, `INSERT INTO enquiry_said (message, incident, fact, item, version, value) VALUES ($1, $2, $3, $4, $5, $6)`, id, e.Incident, s.Fact, s.Item, s.Version, s.Value); err != nil {
			return "", err
		}
	}
	return id, nil
}

// lastID is the Message-ID of the newest letter of an enquiry, by which an answer stands below it; "" where none came.
func (d *Desk) lastID(ctx context.Context, tx *sql.Tx, seal *store.Sealer, id string) (string, error) {
	var message string
	var sealed []byte
	err := tx.QueryRowContext(ctx, `SELECT id, sealed FROM enquiry_message WHERE enquiry = $1 AND kind = 'asked' ORDER BY seq DESC LIMIT 1`, id).Scan(&message, &sealed)
	if errors.Is(err, sql.ErrNoRows) || err == nil && len(sealed) == 0 {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var w written
	return w.ID, openJSON(seal, messageIn(message), sealed, &w)
}
