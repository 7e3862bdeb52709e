package enquiry

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"database/sql"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/reach/bounce"
	"shirase/internal/store"
)

// Bounds of what strangers send.
const (
	soonest    = 3 * time.Second // nobody fills a form in sooner
	formLasts  = 12 * time.Hour
	perAddress = 3      // links to one address a day, of all incidents
	perKept    = 10     // enquiries by one channel that wait beside them, for whoever uses one of the links
	inAll      = 2_000  // enquiries an hour by one channel
	atMost     = 20_000 // by one channel that wait to be verified
	linkLasts  = 48 * time.Hour
	maxText    = 10_000 // characters of an enquiry
	maxShort   = 300    // of a name, a subject, a reason
	perThread  = 30     // letters a day that are added to one enquiry
	maxFiles   = 40 << 20
	maxFilesIn = 2 << 30 // bytes of all files of one incident
	maxUnsure  = 1 << 29 // of them, those of enquiries whose mailbox was not shown to be theirs: a flood of letters leaves room for who writes in a thread
)

// Asked is what somebody sends by the form.
type Asked struct {
	Form    string // token of the form
	Trap    string // of a field that nobody sees: whoever fills it in is a program
	Topic   string
	Text    string
	Name    string
	Address string
	Lang    language.Lang
}

// Visible gives what of a stranger's text is kept: without characters that are not seen, or that turn what is seen round. lines says that it may have several.
func Visible(text string, lines bool) string { return bounce.Visible(text, lines) }

// Form gives the token of a form that is shown now: it says when, and for which incident.
func (d *Desk) Form(of string) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(d.Now().UnixMilli()))
	nonce := make([]byte, 12)
	rand.Read(nonce)
	b = append(b, nonce...)
	return base64.RawURLEncoding.EncodeToString(append(b, d.forms.Lookup("enquiry.form "+of, b)[:16]...))
}

// form reads a form's token: its nonce, and whether it may be taken now.
func (d *Desk) form(of, token string) (nonce string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != 8+12+16 || subtle.ConstantTimeCompare(d.forms.Lookup("enquiry.form "+of, b[:20])[:16], b[20:]) != 1 {
		return "", ErrForm
	}
	age := d.Now().Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(b))))
	if age < soonest || age > formLasts {
		return "", ErrForm
	}
	return base64.RawURLEncoding.EncodeToString(b[8:20]), nil
}

// Ask takes an enquiry by the form, and has a link sent to its mailbox: until that is used, nobody reads it. It says the same whether the
// mailbox is known, was verified before, or gets too much already. The same form twice is one enquiry.
//
// Errors: ErrClosed, ErrForm, ErrInput, ErrAddress, ErrBusy.
func (d *Desk) Ask(ctx context.Context, of string, a Asked) error {
	switch open, err := d.Takes(ctx, of); {
	case err != nil:
		return err
	case !open:
		return ErrClosed
	}
	nonce, err := d.form(of, a.Form)
	if err != nil {
		return err
	}
	if a.Trap != "" { // whoever filled it in hears that all is well
		return nil
	}
	p := Person{Name: bounce.Visible(a.Name, false)}
	text := bounce.Visible(a.Text, true)
	switch {
	case text == "":
		return fmt.Errorf("%w: nothing is asked", ErrInput)
	case utf8.RuneCountInString(text) > maxText || utf8.RuneCountInString(p.Name) > maxShort:
		return fmt.Errorf("%w: an enquiry has at most %d characters", ErrInput, maxText)
	}
	if p.Address, err = mailbox(a.Address); err != nil {
		return err
	}
	if err := d.topicThere(ctx, of, a.Topic); err != nil {
		return err
	}
	return d.take(ctx, taking{of: of, nonce: nonce, channel: Web, lang: a.Lang, topic: a.Topic, person: p, written: written{Text: text}})
}

func mailbox(address string) (string, error) {
	who, err := identity.ParseEmail(address)
	if err != nil {
		return "", ErrAddress // the error would repeat what was entered
	}
	return who.Value, nil
}

// taking is an enquiry of a stranger that is to be kept until its mailbox is shown to be theirs.
type taking struct {
	of, nonce, channel, topic string
	lang                      language.Lang
	person                    Person
	written                   written
	files                     []bounce.File
	seen                      []byte
}

func (d *Desk) take(ctx context.Context, t taking) error {
	seal, err := d.Seal(ctx, t.of, true)
	if err != nil {
		return fmt.Errorf("take an enquiry: %w", err)
	}
	now := d.Now()
	limits, err := d.askers(ctx, t.of, seal, t.person.Address)
	if err != nil {
		return fmt.Errorf("take an enquiry: %w", err)
	}
	err = d.DB.Update(ctx, func(tx *sql.Tx) error {
		if t.nonce != "" {
			var used int64
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_form WHERE nonce = $1`, t.nonce).Scan(&used); err != nil || used > 0 {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO enquiry_form (nonce, at) VALUES ($1, $2)`, t.nonce, store.Micros(now)); err != nil {
				return err
			}
		}
		if len(t.seen) > 0 {
			var known int64
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_message WHERE incident = $1 AND kind = 'asked' AND seen = $2`, t.of, t.seen).Scan(&known); err != nil || known > 0 {
				return err
			}
		}
		is, err := d.within(ctx, tx, t.of, t.channel, limits, now)
		if err != nil || is == passedOver { // beyond what one mailbox gets: nobody is told
			return err
		}
		id := newID("e")
		if err := d.insert(ctx, tx, seal, id, t, Unverified, 0, now); err != nil {
			return err
		}
		if _, err := d.addMessage(ctx, tx, seal, adding{enquiry: id, incident: t.of, kind: "asked", by: t.person.Address, written: t.written, seen: t.seen}); err != nil {
			return err
		}
		if err := d.addFiles(ctx, tx, seal, id, t.of, t.files); err != nil {
			return err
		}
		if is == withoutLink { // it waits for whoever uses one of the links that the mailbox has
			return nil
		}
		return d.sendLink(ctx, tx, seal, id, t.of)
	})
	if err != nil {
		return fmt.Errorf("take an enquiry: %w", err)
	}
	d.poke()
	return nil
}

// takenAs says what becomes of what a stranger sends.
type takenAs int

const (
	passedOver  takenAs = iota // its mailbox gets too much
	withoutLink                // it is kept, and its mailbox is mailed nothing more today
	withLink
)

// besides marks, in the budgets, what was kept without a link.
func besides(channel string) string { return channel + "+" }

// within holds a mailbox, and all that comes by one channel, to the limits of a stranger: whoever floods the one leaves the others open. Whoever has a
// mailbox mailed as much as it gets keeps its owner from nothing: what they send is kept beside it. Errors: ErrBusy.
func (d *Desk) within(ctx context.Context, tx *sql.Tx, of, channel string, limits map[string][]byte, now time.Time) (takenAs, error) {
	all, err := d.lastHour(ctx, tx, channel, now)
	if err != nil {
		return passedOver, err
	}
	var links, kept, waiting int64
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM enquiry WHERE state = 'unverified' AND channel = $1`, channel).Scan(&waiting); err != nil {
		return passedOver, err
	}
	if all >= inAll || waiting >= atMost {
		return passedOver, ErrBusy
	}
	for incident, limit := range limits {
		var mailed, beside int64
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE channel IN ($3, $4)), count(*) FILTER (WHERE channel = $5) FROM enquiry_asked WHERE who = $1 AND at > $2 AND incident = $6`,
			limit, store.Micros(now.Add(-24*time.Hour)), Web, Mail, besides(channel), incident).Scan(&mailed, &beside); err != nil {
			return passedOver, err
		}
		links, kept = links+mailed, kept+beside
	}
	is, as := withLink, channel
	if links >= perAddress {
		is, as = withoutLink, besides(channel)
		if kept >= perKept {
			return passedOver, nil
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO enquiry_asked (id, who, at, channel, incident) VALUES ($1, $2, $3, $4, $5)`, newID("a"), limits[of], store.Micros(now), as, of)
	return is, err
}

// lastHour counts what came by a channel.
func (d *Desk) lastHour(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, channel string, now time.Time) (n int64, err error) {
	err = q.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_asked WHERE at > $1 AND channel IN ($2, $3)`, store.Micros(now.Add(-time.Hour)), channel, besides(channel)).Scan(&n)
	return n, err
}

// Price is what an enquiry by the form costs of a network's budget: more the more was asked in the last hour, so that networks that ask much are held
// first, and whoever asks once is still taken.
func (d *Desk) Price(ctx context.Context) (int, error) {
	n, err := d.lastHour(ctx, d.DB, Web, d.Now())
	switch {
	case err != nil:
		return 1, fmt.Errorf("what is asked: %w", err)
	case n >= inAll*3/4:
		return 4, nil
	case n >= inAll/2:
		return 2, nil
	}
	return 1, nil
}

// askers gives the keyed hash of an address in each incident that was asked about within a day, by which what it asks is counted: that of each case
// is under its own key, so that nothing says who has asked once it is shredded. It is as much work whatever the address is.
func (d *Desk) askers(ctx context.Context, of string, seal *store.Sealer, address string) (map[string][]byte, error) {
	ids, err := store.Column[string](ctx, d.DB, `SELECT DISTINCT incident FROM enquiry_asked WHERE at > $1`, store.Micros(d.Now().Add(-24*time.Hour)))
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{of: whoTag(seal, address)}
	for _, id := range ids {
		if out[id] != nil {
			continue
		}
		other, err := d.Seal(ctx, id, false)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil { // else the case is shredded, or its key away: what was asked there counts no more
			out[id] = whoTag(other, address)
		}
	}
	return out, nil
}

func (d *Desk) insert(ctx context.Context, tx *sql.Tx, seal *store.Sealer, id string, t taking, state State, due int64, now time.Time) error {
	person, err := sealJSON(seal, personIn(id), t.person)
	if err != nil {
		return err
	}
	tag := []byte{}
	if t.person.Address != "" {
		tag = whoTag(seal, t.person.Address)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO enquiry (id, incident, state, before, channel, lang, topic, assignee, due, created, ended, verified, version, merged, wiped, who, person)
		VALUES ($1, $2, $3, '', $4, $5, $6, '', $7, $8, 0, 0, 1, '', 0, $9, $10)`, id, t.of, string(state), t.channel, string(t.lang), t.topic, due, store.Micros(now), tag, person)
	return err
}

// adding is a message that is to be kept.
type adding struct {
	enquiry, incident, kind, by, state, batch, canned string
	written                                           written
	seen                                              []byte
}

func (d *Desk) addMessage(ctx context.Context, tx *sql.Tx, seal *store.Sealer, a adding) (string, error) {
	id := newID("m")
	sealed, err := sealJSON(seal, messageIn(id), a.written)
	if err != nil {
		return "", err
	}
	if a.kind == "asked" {
		a.by = "" // an address stands in what is sealed alone
	}
	if a.seen == nil {
		a.seen = []byte{}
	}
	now := store.Micros(d.Now())
	_, err = tx.ExecContext(ctx, `INSERT INTO enquiry_message (id, enquiry, incident, seq, at, kind, actor, state, said, tries, due, batch, canned, corrected, seen, sealed)
		VALUES ($1, $2, $3, (SELECT coalesce(max(seq), 0) + 1 FROM enquiry_message WHERE enquiry = $2), $4, $5, $6, $7, '', 0, $4, $8, $9, '', $10, $11)`,
		id, a.enquiry, a.incident, now, a.kind, a.by, a.state, a.batch, a.canned, a.seen, sealed)
	return id, err
}

// addFiles keeps what came with a letter, sealed, as far as there is room for it.
func (d *Desk) addFiles(ctx context.Context, tx *sql.Tx, seal *store.Sealer, id, of string, list []bounce.File) error {
	if len(list) == 0 {
		return nil
	}
	var own, all, unsure int64
	var state string
	if err := tx.QueryRowContext(ctx, `SELECT state FROM enquiry WHERE id = $1`, id).Scan(&state); err != nil {
		return err
	}
	if State(state) == Unverified {
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(sum(f.size), 0) FROM enquiry_file f JOIN enquiry e ON e.id = f.enquiry WHERE f.incident = $1 AND e.state = 'unverified'`, of).Scan(&unsure); err != nil {
			return err
		}
	}
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(sum(size), 0) FROM enquiry_file WHERE enquiry = $1`, id).Scan(&own); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(sum(size), 0) FROM enquiry_file WHERE incident = $1`, of).Scan(&all); err != nil {
		return err
	}
	var message string
	if err := tx.QueryRowContext(ctx, `SELECT id FROM enquiry_message WHERE enquiry = $1 ORDER BY seq DESC LIMIT 1`, id).Scan(&message); err != nil {
		return err
	}
	for _, f := range list {
		size := int64(len(f.Data))
		if own+size > maxFiles || all+size > maxFilesIn || State(state) == Unverified && unsure+size > maxUnsure {
			if err := d.event(ctx, tx, actor.Server(), of, id, "left a file out", "no room for it"); err != nil {
				return err
			}
			continue
		}
		own, all, unsure = own+size, all+size, unsure+size
		file := newID("f")
		if _, err := tx.ExecContext(ctx, `INSERT INTO enquiry_file (id, message, enquiry, incident, size, name, data) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			file, message, id, of, size, seal.Seal(nameIn(file), []byte(f.Name)), seal.Seal(fileIn(file), f.Data)); err != nil {
			return err
		}
	}
	return nil
}

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// mac makes a token's second half, under the case's key: it goes with the case.
func mac(seal *store.Sealer, what, id string) string {
	return letters.EncodeToString(seal.Lookup("enquiry."+what, []byte(id))[:15])
}

// sendLink queues the mail with which a mailbox shows that it is theirs. It repeats nothing that was written, so that nobody sends texts of their own to others by it.
func (d *Desk) sendLink(ctx context.Context, tx *sql.Tx, seal *store.Sealer, id, of string) error {
	_, err := d.addMessage(ctx, tx, seal, adding{enquiry: id, incident: of, kind: "verify", by: actor.Server().String(), state: "pending"})
	return err
}

// confirmToken is what the link ends with.
func confirmToken(seal *store.Sealer, id string) string { return id + "-" + mac(seal, "confirm", id) }

// opened finds of which enquiry a token is. Errors: ErrToken.
func (d *Desk) opened(ctx context.Context, token, what string) (id, of string, seal *store.Sealer, err error) {
	id, given, ok := strings.Cut(strings.ToLower(token), "-")
	if !ok || len(token) > 80 {
		return "", "", nil, ErrToken
	}
	err = d.DB.QueryRowContext(ctx, `SELECT incident FROM enquiry WHERE id = $1`, id).Scan(&of)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", nil, ErrToken
	}
	if err != nil {
		return "", "", nil, err
	}
	if seal, err = d.Seal(ctx, of, false); err != nil {
		if d.Gone != nil && d.Gone(err) {
			err = ErrToken
		}
		return "", "", nil, err
	}
	if subtle.ConstantTimeCompare([]byte(mac(seal, what, id)), []byte(given)) != 1 {
		return "", "", nil, ErrToken
	}
	return id, of, seal, nil
}

// Pending is an enquiry that waits for its mailbox to be shown to be theirs.
type Pending struct {
	ID, Incident, Channel string
	Topic                 language.Text
	At                    time.Time
	Own                   bool // it is the one whose link was used
}

// manyDesks bounds at how many open desks it is looked for what else waits of a mailbox.
const manyDesks = 50

// Pending gives what waits of the mailbox that a link came to, whoever entered it, the link's own first: the one of whoever reads the mailbox may be among
// it. It gives none of what was written. Errors: ErrToken, where nothing waits.
func (d *Desk) Pending(ctx context.Context, token string) ([]Pending, error) {
	id, of, seal, err := d.opened(ctx, token, "confirm")
	if err != nil {
		return nil, fmt.Errorf("a link: %w", err)
	}
	list, err := d.pending(ctx, id, of, seal)
	if err == nil && len(list) == 0 {
		err = ErrToken
	}
	if err != nil {
		return nil, fmt.Errorf("a link: %w", err)
	}
	return list, nil
}

func (d *Desk) pending(ctx context.Context, id, of string, seal *store.Sealer) ([]Pending, error) {
	e, err := d.get(ctx, d.DB, id)
	if err != nil {
		return nil, err
	}
	if e.wiped || !e.Created.After(d.Now().Add(-linkLasts)) {
		return nil, nil
	}
	if err := openJSON(seal, personIn(id), e.sealed, &e.Person); err != nil {
		return nil, err
	}
	desks, err := store.Column[string](ctx, d.DB, fmt.Sprintf(`SELECT incident FROM enquiry_desk WHERE open = 1 AND incident <> $1 ORDER BY at DESC LIMIT %d`, manyDesks), of)
	if err != nil {
		return nil, err
	}
	var out []Pending
	for _, at := range append([]string{of}, desks...) {
		under, err := d.Seal(ctx, at, false)
		if err != nil { // nobody has asked there, or its key is gone
			continue
		}
		more, err := d.pendingAt(ctx, at, whoTag(under, e.Person.Address), id)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// whatWaits reads what one person has asked, and not all that waits or came since: of what is worked out no index is read.
const whatWaits = `SELECT id, channel, topic, created FROM enquiry WHERE incident = $1 AND who = $2 AND state || '' = 'unverified' AND verified = 0 AND wiped = 0 AND created + 0 > $3
	ORDER BY CASE WHEN id = $4 THEN 0 ELSE 1 END, created, id`

func (d *Desk) pendingAt(ctx context.Context, of string, who []byte, own string) ([]Pending, error) {
	topics, err := d.topics(ctx, of)
	if err != nil {
		return nil, err
	}
	rows, err := d.DB.QueryContext(ctx, whatWaits, of, who, store.Micros(d.Now().Add(-linkLasts)), own)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Pending
	for rows.Next() {
		p := Pending{Incident: of}
		var topic string
		var at int64
		if err := rows.Scan(&p.ID, &p.Channel, &topic, &at); err != nil {
			return nil, err
		}
		p.Topic, p.At, p.Own = language.Same(topic), store.FromMicros(at), p.ID == own
		for _, t := range topics {
			if t.ID == topic {
				p.Topic = t.Text
			}
		}
		out = append(out, p)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Confirm uses a link up: its enquiry comes into the queue, and its deadline begins. Where chosen names enquiries, those of the same mailbox do that are
// among them, and no other. Errors: ErrToken, where none does.
func (d *Desk) Confirm(ctx context.Context, token string, chosen ...string) (of string, err error) {
	id, of, seal, err := d.opened(ctx, token, "confirm")
	if err != nil {
		return "", fmt.Errorf("a link: %w", err)
	}
	which := []Pending{{ID: id, Incident: of}}
	if len(chosen) > 0 {
		if which, err = d.pending(ctx, id, of, seal); err != nil {
			return "", fmt.Errorf("a link: %w", err)
		}
		which = slices.DeleteFunc(which, func(p Pending) bool { return !slices.Contains(chosen, p.ID) })
	}
	now, done := d.Now(), 0
	err = d.DB.Update(ctx, func(tx *sql.Tx) error {
		done = 0
		for _, p := range which {
			res, err := tx.ExecContext(ctx, `UPDATE enquiry SET verified = $2, version = version + 1, due = CASE WHEN state = 'unverified' THEN CAST($3 AS BIGINT) ELSE due END,
				state = CASE WHEN state = 'unverified' THEN 'open' ELSE state END WHERE id = $1 AND verified = 0 AND wiped = 0 AND created > $4`,
				p.ID, store.Micros(now), store.Micros(now.Add(d.Within)), store.Micros(now.Add(-linkLasts)))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			done++
			if err := d.event(ctx, tx, actor.Server(), p.Incident, p.ID, "the mailbox was shown to be theirs", ""); err != nil {
				return err
			}
		}
		if done == 0 {
			return ErrToken
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("a link: %w", err)
	}
	return of, nil
}
