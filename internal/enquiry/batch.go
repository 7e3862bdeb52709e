package enquiry

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach/bounce"
	"shirase/internal/store"
)

// Kinds of proposals.
const (
	KindSend   = "answers"       // one answer to many, or a correction to those who were told otherwise
	KindPublic = "answer-public" // an answer on the help page
)

// maxBatch bounds how many one batch answers.
const maxBatch = 50_000

// A Batch is one answer to many, or one correction.
type Batch struct {
	ID, Incident string
	Kind         string // answer, correction
	State        string // draft, running, paused, done, dropped
	Created      time.Time
	By           string
	Version      int64
	Spec         BatchSpec
	Counts       map[string]int64 // mails by their state
}

// BatchSpec is what a batch says.
type BatchSpec struct {
	Draft Draft         `json:"draft,omitzero"`
	Note  language.Text `json:"note,omitzero"` // of a correction: what is added
	Topic string        `json:"topic,omitzero"`
}

// Choice says whom a batch answers: all who wait of a topic, or those that are named.
type Choice struct {
	Topic string
	IDs   []string
}

// NewBatch makes a batch of those who wait for an answer and whose mailbox was shown to be theirs. Nothing is sent. Errors: ErrInput, incident.ErrNotice.
func (d *Desk) NewBatch(ctx context.Context, who actor.Actor, of string, whom Choice, a Draft) (string, error) {
	if err := may(who, actor.Answer, of); err != nil {
		return "", fmt.Errorf("answer many: %w", err)
	}
	a, err := d.draft(ctx, of, a)
	if err == nil {
		_, err = d.both(ctx, of, a)
	}
	if err != nil {
		return "", fmt.Errorf("answer many: %w", err)
	}
	if whom.Topic != "" {
		if err := d.topicThere(ctx, of, whom.Topic); err != nil {
			return "", fmt.Errorf("answer many: %w", err)
		}
	}
	ids, err := store.Column[string](ctx, d.DB, `SELECT id FROM enquiry WHERE incident = $1 AND state = 'open' AND verified > 0 AND length(who) > 0 AND (topic = $2 OR $2 = '') ORDER BY id`, of, whom.Topic)
	if err != nil {
		return "", fmt.Errorf("answer many: %w", err)
	}
	switch {
	case len(whom.IDs) > 0:
		named := map[string]bool{}
		for _, id := range whom.IDs {
			named[id] = true
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return !named[id] })
	case whom.Topic == "":
		return "", fmt.Errorf("answer many: %w: a topic is named, or whom it is for", ErrInput)
	}
	return d.keepBatch(ctx, who, of, "answer", BatchSpec{Draft: a, Topic: whom.Topic}, ids)
}

// NewCorrection makes a batch of all who were told by mail what stands otherwise now. Who was told by telephone or post is not in it, and listed by ToCall.
func (d *Desk) NewCorrection(ctx context.Context, who actor.Actor, of string, note language.Text) (string, error) {
	if err := may(who, actor.Answer, of); err != nil {
		return "", fmt.Errorf("correct answers: %w", err)
	}
	note = language.Text{JA: bounce.Visible(note.JA, true), EN: bounce.Visible(note.EN, true)}
	if len([]rune(note.JA)) > maxText || len([]rune(note.EN)) > maxText {
		return "", fmt.Errorf("correct answers: %w: it is longer than %d characters", ErrInput, maxText)
	}
	ids, err := d.misled(ctx, of, true)
	if err != nil {
		return "", fmt.Errorf("correct answers: %w", err)
	}
	return d.keepBatch(ctx, who, of, "correction", BatchSpec{Note: note}, ids)
}

// mailable says of an enquiry e that its answers can be written to whoever asked.
const mailable = `e.verified > 0 AND e.wiped = 0 AND length(e.who) > 0 AND e.state NOT IN ('spam', 'unverified')`

// misled gives the enquiries in which something was said that stands otherwise now: those that can be written to, or those that have to be
// called. Of all others nothing is read.
func (d *Desk) misled(ctx context.Context, of string, byMail bool) (out []string, err error) {
	in, err := d.Incident(ctx, of)
	if err != nil {
		return nil, err
	}
	changed, err := d.changed(ctx, of, in)
	if err != nil {
		return nil, err
	}
	kind := mailable
	if !byMail {
		kind = `NOT (` + mailable + `)`
	}
	seen := map[string]bool{}
	for _, c := range changed {
		// Of whom one answer said it, all that they were told: a later one may have said it as it is now.
		said, err := d.saidBy(ctx, `m.enquiry IN (SELECT e.id FROM enquiry_said o JOIN enquiry_message om ON om.id = o.message JOIN enquiry e ON e.id = om.enquiry
			WHERE o.incident = $1 AND o.stands = 1 AND o.fact = $2 AND o.item = $3 AND o.version = $4 AND `+kind+`)`, of, c.Fact, c.Item, c.version)
		if err != nil {
			return nil, err
		}
		for id, list := range said {
			if seen[id] {
				continue
			}
			seen[id] = true
			if c, _ := correction(in, language.JA, list, ""); c.Text != "" {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// ToCall gives the enquiries of people who were told something by telephone or post that stands otherwise now, and have no mailbox to write to.
func (d *Desk) ToCall(ctx context.Context, who actor.Actor, of string) ([]string, error) {
	if err := may(who, actor.See, of); err != nil {
		return nil, fmt.Errorf("whom to call: %w", err)
	}
	call, err := d.misled(ctx, of, false)
	if errors.Is(err, incident.ErrNotFound) {
		return nil, nil
	}
	return call, err
}

func (d *Desk) keepBatch(ctx context.Context, who actor.Actor, of, kind string, spec BatchSpec, ids []string) (string, error) {
	if len(ids) == 0 {
		return "", fmt.Errorf("answer many: %w: %w", ErrInput, ErrNobody)
	}
	if len(ids) > maxBatch {
		return "", fmt.Errorf("answer many: %w: it is for %d, and at most %d are answered at once", ErrInput, len(ids), maxBatch)
	}
	text, err := json.Marshal(spec, json.Deterministic(true))
	if err != nil {
		return "", fmt.Errorf("answer many: %w", err)
	}
	id := newID("b")
	err = d.DB.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO enquiry_batch (id, incident, kind, state, created, actor, version, spec) VALUES ($1, $2, $3, 'draft', $4, $5, 1, $6)`,
			id, of, kind, store.Micros(d.Now()), who.String(), string(text)); err != nil {
			return err
		}
		for _, e := range ids {
			if _, err := tx.ExecContext(ctx, `INSERT INTO enquiry_recipient (batch, enquiry) VALUES ($1, $2)`, id, e); err != nil {
				return err
			}
		}
		return d.event(ctx, tx, who, of, "", "made one answer to many", id)
	})
	if err != nil {
		return "", fmt.Errorf("answer many: %w", err)
	}
	return id, nil
}

const batchColumns = `id, incident, kind, state, created, actor, version, spec`

func scanBatch(row interface{ Scan(...any) error }) (*Batch, error) {
	var b Batch
	var created int64
	var spec string
	err := row.Scan(&b.ID, &b.Incident, &b.Kind, &b.State, &created, &b.By, &b.Version, &spec)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err == nil {
		if err = json.Unmarshal([]byte(spec), &b.Spec); err != nil {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	b.Created = store.FromMicros(created)
	return &b, err
}

// GetBatch gives a batch of a case. ErrNotFound.
func (d *Desk) GetBatch(ctx context.Context, who actor.Actor, of, id string) (*Batch, error) {
	if err := may(who, actor.See, of); err != nil {
		return nil, fmt.Errorf("answers to many: %w", err)
	}
	b, err := scanBatch(d.DB.QueryRowContext(ctx, `SELECT `+batchColumns+` FROM enquiry_batch WHERE id = $1 AND incident = $2`, id, of))
	if err == nil {
		err = d.count(ctx, b)
	}
	if err != nil {
		return nil, fmt.Errorf("answers to many: %w", err)
	}
	return b, nil
}

func (d *Desk) count(ctx context.Context, b *Batch) error {
	b.Counts = map[string]int64{}
	query, arg := `SELECT state, count(*) FROM enquiry_message WHERE batch = $1 GROUP BY state`, b.ID
	if b.State == "draft" || b.State == "dropped" {
		query = `SELECT 'chosen', count(*) FROM enquiry_recipient WHERE batch = $1`
	}
	rows, err := d.DB.QueryContext(ctx, query, arg)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var state string
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return err
		}
		b.Counts[state] = n
	}
	return errors.Join(rows.Err(), rows.Close())
}

// Batches lists those of a case, the newest first.
func (d *Desk) Batches(ctx context.Context, who actor.Actor, of string) ([]*Batch, error) {
	if err := may(who, actor.See, of); err != nil {
		return nil, fmt.Errorf("answers to many: %w", err)
	}
	ids, err := store.Column[string](ctx, d.DB, `SELECT id FROM enquiry_batch WHERE incident = $1 ORDER BY created DESC, id`, of)
	if err != nil {
		return nil, fmt.Errorf("answers to many: %w", err)
	}
	var out []*Batch
	for _, id := range ids {
		b, err := d.GetBatch(ctx, who, of, id)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// A Variant is a text that some of a batch get.
type Variant struct {
	Lang      language.Lang `json:"lang"`
	Subject   string        `json:"subject"`
	Text      string        `json:"text"`
	Enquiries []string      `json:"enquiries"`

	content  Content
	messages map[string][]string // by enquiry: what it corrects
}

// A Plan is what a batch would do, to the byte.
type Plan struct {
	Batch    *Batch
	Variants []Variant
	Passed   []string // of those that were chosen: who is not written to any more, as they were answered meanwhile or are gone
	Bytes    []byte
	Says     language.Text
	People   int64
	Against  []string
}

// AskedBatch is what a proposal to answer many asks for.
type AskedBatch struct {
	Batch   string `json:"batch"`
	Despite string `json:"despite,omitzero"` // why it is sent although the facts have something against a text
}

// Plan works out what a batch sends to whom, from the facts as they are now: the same as long as they and the enquiries are the same. Errors:
// ErrState where it is no draft any more; ErrInput where the facts have something against a text and nobody says why it is sent all the same.
func (d *Desk) Plan(ctx context.Context, who actor.Actor, of string, a AskedBatch) (*Plan, error) {
	if err := may(who, actor.See, of); err != nil {
		return nil, fmt.Errorf("answer many: %w", err)
	}
	p, err := d.plan(ctx, who, of, a)
	if err != nil {
		return nil, fmt.Errorf("answer many: %w", err)
	}
	if len(p.Against) > 0 && strings.TrimSpace(a.Despite) == "" {
		return nil, fmt.Errorf("answer many: %w: %s; say why it is sent all the same", ErrInput, strings.Join(p.Against, "; "))
	}
	return p, nil
}

func (d *Desk) plan(ctx context.Context, who actor.Actor, of string, a AskedBatch) (*Plan, error) {
	b, err := d.GetBatch(ctx, who, of, a.Batch)
	if err != nil {
		return nil, err
	}
	if b.State != "draft" {
		return nil, fmt.Errorf("%w: the batch is %s", ErrState, b.State)
	}
	p := &Plan{Batch: b}
	rows, err := d.DB.QueryContext(ctx, `SELECT e.id, e.lang, e.state, e.verified, e.wiped, length(e.who) FROM enquiry_recipient r JOIN enquiry e ON e.id = r.enquiry WHERE r.batch = $1 ORDER BY e.id`, b.ID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	lang := map[string]language.Lang{}
	var ids []string
	for rows.Next() {
		var id, l, state string
		var verified, wiped, who int64
		if err := rows.Scan(&id, &l, &state, &verified, &wiped, &who); err != nil {
			return nil, err
		}
		if verified == 0 || wiped != 0 || who == 0 || State(state) == Spam || State(state) == Unverified || b.Kind == "answer" && State(state) != Open {
			p.Passed = append(p.Passed, id)
			continue
		}
		ids, lang[id] = append(ids, id), language.Lang(l)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	if b.Kind == "answer" {
		err = d.planAnswer(ctx, p, ids, lang)
	} else {
		err = d.planCorrection(ctx, p, ids, lang)
	}
	if err != nil {
		return nil, err
	}
	if p.People == 0 {
		return nil, fmt.Errorf("%w: nobody of it waits any more", ErrState)
	}
	p.Says = language.Both(fmt.Sprintf("お問い合わせ%d件に、同じ答えをメールで送ります", p.People), fmt.Sprintf("sends one answer to %d enquiries by mail", p.People))
	if b.Kind == "correction" {
		p.Says = language.Both(fmt.Sprintf("お問い合わせ%d件に、先のお答えの訂正をメールで送ります", p.People), fmt.Sprintf("sends a correction of what they were answered to %d enquiries by mail", p.People))
	}
	doc := map[string]any{"v": 1, "kind": KindSend, "incident": of, "batch": b.ID, "of": b.Kind, "answers": p.Variants, "despite": strings.TrimSpace(a.Despite)}
	p.Bytes, err = json.Marshal(doc, json.Deterministic(true))
	return p, err
}

func (d *Desk) planAnswer(ctx context.Context, p *Plan, ids []string, lang map[string]language.Lang) error {
	contents, err := d.both(ctx, p.Batch.Incident, p.Batch.Spec.Draft)
	if err != nil {
		return err
	}
	for _, c := range contents {
		c = d.framed(ctx, p.Batch.Incident, c, d.Address != "")
		v := Variant{Lang: c.Lang, Subject: c.Subject, Text: c.Text, content: c}
		for _, id := range ids {
			if lang[id] == c.Lang {
				v.Enquiries = append(v.Enquiries, id)
			}
		}
		p.add(v)
	}
	return nil
}

func (p *Plan) add(v Variant) {
	if len(v.Enquiries) == 0 {
		return
	}
	p.Variants, p.People = append(p.Variants, v), p.People+int64(len(v.Enquiries))
	for _, a := range v.content.Against {
		if !slices.Contains(p.Against, a) {
			p.Against = append(p.Against, a)
		}
	}
}

func (d *Desk) planCorrection(ctx context.Context, p *Plan, ids []string, lang map[string]language.Lang) error {
	of := p.Batch.Incident
	in, err := d.Incident(ctx, of)
	if err != nil {
		return err
	}
	said, err := d.saidBy(ctx, `m.enquiry IN (SELECT enquiry FROM enquiry_recipient WHERE batch = $1)`, p.Batch.ID)
	if err != nil {
		return err
	}
	groups := map[string]*Variant{}
	var order []string
	for _, id := range ids {
		c, messages := correction(in, lang[id], said[id], p.Batch.Spec.Note.In(lang[id]))
		if c.Text == "" { // they were told, or it is again as they were told
			p.Passed = append(p.Passed, id)
			continue
		}
		sum := sha256.Sum256([]byte(string(c.Lang) + c.Text + fmt.Sprint(c.Said)))
		key := hex.EncodeToString(sum[:])
		if groups[key] == nil {
			if d.Read != nil {
				if c.Against, err = d.Read(ctx, of, c.Lang, c.Subject+"\n\n"+p.Batch.Spec.Note.In(c.Lang)); err != nil {
					return err
				}
			}
			c = d.framed(ctx, of, c, d.Address != "")
			groups[key] = &Variant{Lang: c.Lang, Subject: c.Subject, Text: c.Text, content: c, messages: map[string][]string{}}
			order = append(order, key)
		}
		groups[key].Enquiries = append(groups[key].Enquiries, id)
		groups[key].messages[id] = messages
	}
	for _, key := range order {
		p.add(*groups[key])
	}
	return nil
}

// Start does what a plan says: it queues a mail to each, or nothing. settle is called in its transaction. ErrWanted, where a second person has to
// approve it and none has; ErrState, where somebody was answered meanwhile.
func (d *Desk) Start(ctx context.Context, who actor.Actor, p *Plan, settle func(tx *sql.Tx) error) error {
	of := p.Batch.Incident
	if settle == nil {
		if err := may(who, actor.Propose, of); err != nil {
			return fmt.Errorf("answer many: %w", err)
		}
		if d.Wanted != nil {
			if wanted, err := d.Wanted(ctx); err != nil || wanted {
				return fmt.Errorf("answer many: %w", cmpErr(err, ErrWanted))
			}
		}
	}
	seal, err := d.Seal(ctx, of, false)
	if err != nil {
		return fmt.Errorf("answer many: %w", err)
	}
	err = d.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE enquiry_batch SET state = 'running', version = version + 1 WHERE id = $1 AND state = 'draft'`, p.Batch.ID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrState)
		}
		for _, v := range p.Variants {
			for _, id := range v.Enquiries {
				if err := d.startOne(ctx, tx, seal, who, p.Batch, v, id); err != nil {
					return err
				}
			}
		}
		if err := errors.Join(d.event(ctx, tx, who, of, "", "began one answer to many", p.Batch.ID), d.note(ctx, tx, who, of, p.Says.Record())); err != nil {
			return err
		}
		if settle != nil {
			return settle(tx)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("answer many: %w", err)
	}
	d.poke()
	return nil
}

func cmpErr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// startOne queues the mail to one. Whoever was answered since the plan was made has it not.
func (d *Desk) startOne(ctx context.Context, tx *sql.Tx, seal *store.Sealer, who actor.Actor, b *Batch, v Variant, id string) error {
	e, err := d.get(ctx, tx, id)
	if err != nil {
		return err
	}
	if e.Verified.IsZero() || e.wiped || b.Kind == "answer" && e.State != Open {
		return fmt.Errorf("%w: %s was answered meanwhile", ErrState, id)
	}
	message, err := d.addAnswer(ctx, tx, seal, e, adding{kind: "answer", by: who.String(), state: "pending", batch: b.ID, canned: b.Spec.Draft.Canned}, v.content)
	if err != nil {
		return err
	}
	for _, old := range v.messages[id] {
		if _, err := tx.ExecContext(ctx, `UPDATE enquiry_message SET corrected = $2 WHERE id = $1 AND corrected = ''`, old, message); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE enquiry_said SET stands = 0 WHERE message = $1`, old); err != nil {
			return err
		}
	}
	if b.Kind == "answer" {
		if _, err := tx.ExecContext(ctx, `UPDATE enquiry SET state = 'answered', ended = $2, version = version + 1 WHERE id = $1`, id, store.Micros(d.Now())); err != nil {
			return err
		}
	}
	return d.event(ctx, tx, who, b.Incident, id, map[string]string{"answer": "answered it with others", "correction": "corrected an answer"}[b.Kind], b.ID)
}

// MoveBatch pauses one that runs, has it go on, or drops a draft: to is paused, running or dropped.
func (d *Desk) MoveBatch(ctx context.Context, who actor.Actor, of, id string, version int64, to string) error {
	if err := may(who, actor.Answer, of); err != nil {
		return fmt.Errorf("answers to many: %w", err)
	}
	from := map[string]string{"paused": "running", "running": "paused", "dropped": "draft"}[to]
	err := d.DB.Update(ctx, func(tx *sql.Tx) error {
		var state string
		var is int64
		err := tx.QueryRowContext(ctx, `SELECT state, version FROM enquiry_batch WHERE id = $1 AND incident = $2`, id, of).Scan(&state, &is)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		case is != version:
			return ErrStale
		case from == "" || state != from:
			return ErrState
		}
		if _, err := tx.ExecContext(ctx, `UPDATE enquiry_batch SET state = $2, version = version + 1 WHERE id = $1`, id, to); err != nil {
			return err
		}
		if to == "running" { // the last of it may have left while it was paused
			if err := d.finished(ctx, tx, id); err != nil {
				return err
			}
		}
		return d.event(ctx, tx, who, of, "", "had one answer to many be "+to, id)
	})
	if err != nil {
		return fmt.Errorf("answers to many: %w", err)
	}
	d.poke()
	return nil
}

// AskedPublic is what a proposal to show an answer on the help page asks for.
type AskedPublic struct {
	Canned  string `json:"canned"`
	Version int64  `json:"version"`
}

// PublicPlan is what it would do.
type PublicPlan struct {
	Incident string
	Asked    AskedPublic
	Bytes    []byte
	Says     language.Text
	Against  []string
}

// PlanPublic works out what an answer on the help page says. Errors: ErrNotFound, ErrStale, incident.ErrNotice.
func (d *Desk) PlanPublic(ctx context.Context, who actor.Actor, of string, a AskedPublic) (*PublicPlan, error) {
	c, err := d.GetCanned(ctx, who, of, a.Canned)
	if err != nil {
		return nil, err
	}
	if c.Gone {
		return nil, fmt.Errorf("an answer: %w", ErrNotFound)
	}
	if c.Version != a.Version {
		return nil, fmt.Errorf("an answer: %w", ErrStale)
	}
	both, err := d.both(ctx, of, Draft{Subject: c.Subject, Text: c.Text})
	if err != nil {
		return nil, fmt.Errorf("an answer: %w", err)
	}
	p := &PublicPlan{Incident: of, Asked: a, Says: language.Both("答え「"+c.Name.JA+"」を、よくある質問として公開ページに載せます", "shows the answer “"+c.Name.EN+"” on the help page, where it is asked most"), Against: append(both[0].Against, both[1].Against...)}
	p.Bytes, err = json.Marshal(map[string]any{"v": 1, "kind": KindPublic, "incident": of, "canned": c.ID, "version": c.Version, "text": c.Text, "now": language.Text{JA: both[0].Text, EN: both[1].Text}}, json.Deterministic(true))
	return p, err
}

// Publish has the help page show an answer, where it is asked most. ErrWanted, where a second person has to approve it and none has.
func (d *Desk) Publish(ctx context.Context, who actor.Actor, p *PublicPlan, settle func(tx *sql.Tx) error) error {
	if settle == nil {
		if err := may(who, actor.Propose, p.Incident); err != nil {
			return fmt.Errorf("an answer: %w", err)
		}
		if d.Wanted != nil {
			if wanted, err := d.Wanted(ctx); err != nil || wanted {
				return fmt.Errorf("an answer: %w", cmpErr(err, ErrWanted))
			}
		}
	}
	err := d.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE enquiry_canned SET public = version WHERE incident = $1 AND id = $2 AND version = $3 AND gone = 0`, p.Incident, p.Asked.Canned, p.Asked.Version)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrStale)
		}
		if err := errors.Join(d.event(ctx, tx, who, p.Incident, "", "had an answer shown on the help page", p.Asked.Canned), d.note(ctx, tx, who, p.Incident, p.Says.Record())); err != nil || settle == nil {
			return err
		}
		return settle(tx)
	})
	if err != nil {
		return fmt.Errorf("an answer: %w", err)
	}
	return nil
}
