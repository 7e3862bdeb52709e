// Package people answers persons about incidents that are answered by mail only: whoever asks is told nothing on the page, and
// whoever reads the mailbox of the address is told whether it is in the scope.
//
// A question is taken without looking anything up: what the page says, and how long it takes to say it, cannot depend on who is
// affected. Answers are worked out later, are mailed to whoever was asked about, and are of one length.
package people

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"shirase/identity"
	"shirase/internal/files"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrAddress says that what was given is no address of mail.
	ErrAddress = errors.New("not an address of mail")
	// ErrNone says that an incident is not answered by mail.
	ErrNone = errors.New("it is not answered by mail")
	// ErrRefused says that the mail server will never take a mail.
	ErrRefused = errors.New("the mail server refuses it for good")
	// ErrBusy says that more is asked than is answered at present.
	ErrBusy = errors.New("more is asked than can be answered at present")
)

// OldKey is the name of the file of a key that limits of addresses were counted by, of all incidents: it could confirm, for as long as there
// is a backup, who had asked about which. They are counted by the cases' own keys now.
const OldKey = "people.key"

// Bounds, so that nobody's mailbox is filled by others.
const (
	perAddress = 3     // answers to one address a day, of all incidents
	inAll      = 2_000 // questions an hour
	tries      = 5
	claimed    = 2 * time.Minute // for how long a process that sends keeps others from it
	kept       = 48 * time.Hour
	inARow     = 20 // that fail before it is left for a while
)

// About is what an answer says of an incident.
type About struct {
	Title, Organisation language.Text
	AsOf                time.Time
	Page                string // where it says what to do
}

// Rooms are what the room stands on.
type Rooms struct {
	DB      *store.DB
	Keys    *files.Keys
	Rosters *roster.Rosters
	// ByMail gives what is said of an incident; false where it is not answered by mail.
	ByMail func(ctx context.Context, incident string) (About, bool, error)
	// Send hands one mail over. The same id makes the same Message-ID. Errors: ErrRefused; with any other one it may be tried again.
	Send func(ctx context.Context, to, subject, text, id string) error
}

// People is the room.
type People struct {
	Rooms
	now  func() time.Time
	step func() // in tests: where a process may be killed
}

func migrate(ctx context.Context, db *store.DB) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = db.Migrate(ctx, "people", sub)
	}
	return err
}

// New opens the room, and destroys the key that it had in earlier versions.
func New(ctx context.Context, rooms Rooms) (*People, error) {
	err := migrate(ctx, rooms.DB)
	p := &People{Rooms: rooms, now: time.Now, step: func() {}}
	if err == nil {
		if err = rooms.Keys.Destroy(OldKey); errors.Is(err, files.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("people: %w", err)
	}
	return p, nil
}

// asker is the keyed hash of an address in one incident.
func asker(sealer *store.Sealer, who identity.Identity) []byte {
	return sealer.Lookup("people.who", who.Input())
}

// askers gives the keyed hash of an address in each incident that was asked about within a day, by which its questions are counted: that of each
// case is under its own key, so that nothing says who has asked once it is shredded. It is as much work whatever the address is.
func (p *People) askers(ctx context.Context, incident string, own []byte, who identity.Identity) (map[string][]byte, error) {
	ids, err := store.Column[string](ctx, p.DB, `SELECT DISTINCT incident FROM people_asked WHERE at > $1`, store.Micros(p.now().Add(-24*time.Hour)))
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{incident: own}
	for _, id := range ids {
		if out[id] != nil {
			continue
		}
		sealer, err := p.Rosters.Sealer(ctx, id, false)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil { // else the case is shredded, or its key away: what was asked there counts no more
			out[id] = asker(sealer, who)
		}
	}
	return out, nil
}

// Ask takes a question. It does the same whatever the address is, and whether or not it is beyond the limit of an address: then
// nothing is mailed, and nobody is told. Errors: ErrAddress, ErrNone, ErrBusy.
func (p *People) Ask(ctx context.Context, incident string, lang language.Lang, address string) error {
	who, err := identity.ParseEmail(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	switch _, ok, err := p.ByMail(ctx, incident); {
	case err != nil:
		return fmt.Errorf("ask: %w", err)
	case !ok:
		return ErrNone
	}
	sealer, err := p.Rosters.Sealer(ctx, incident, false)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	id := hex.EncodeToString([]byte(rand.Text())[:16])
	tag, sealed := asker(sealer, who), sealer.Seal("people.asked "+id, []byte(who.Value))
	tags, err := p.askers(ctx, incident, tag, who)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	now := p.now()
	err = p.DB.Update(ctx, func(tx *sql.Tx) error {
		var all, own, here int64
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM people_asked WHERE at > $1`, store.Micros(now.Add(-time.Hour))).Scan(&all); err != nil {
			return err
		}
		if all >= inAll {
			return ErrBusy
		}
		for of, tag := range tags {
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM people_asked WHERE who = $1 AND incident = $2 AND at > $3 AND state <> 'passed-over'`, tag, of, store.Micros(now.Add(-24*time.Hour))).Scan(&here); err != nil {
				return err
			}
			own += here
		}
		state := "waiting"
		if own >= perAddress {
			state = "passed-over"
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO people_asked (id, incident, who, address, lang, at, state, tries, next_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $6)`,
			id, incident, tag, sealed, string(lang), store.Micros(now), state)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	return nil
}

// asked is a question that is due.
type asked struct {
	id, incident, lang string
	address            []byte
	tries, until       int64 // until when it is this process's
}

// Answer mails what is due, and lets go what is not needed any more. It gives how many answers have left. A process that ends after it
// was handed over and before that was written down mails it again, under the same Message-ID. What is new and what is tried again have their turns:
// mailboxes that take nothing for now keep nobody else waiting. What is refused for good is counted in the error, and a turn in which nothing else
// comes of it ends: it may be that the server refuses whatever comes from here.
func (p *People) Answer(ctx context.Context) (answered int, err error) {
	if _, err := p.DB.ExecContext(ctx, `DELETE FROM people_asked WHERE at < $1`, store.Micros(p.now().Add(-kept))); err != nil {
		return 0, fmt.Errorf("answer by mail: %w", err)
	}
	var last error
	refused := 0
	for row, again := 0, false; ctx.Err() == nil && row < inARow && (refused < inARow || answered > 0); again = !again {
		if err := p.prepare(ctx, again); err != nil {
			return answered, fmt.Errorf("answer by mail: %w", err)
		}
		q, err := p.take(ctx, again)
		if err != nil {
			return answered, err
		}
		if q == nil {
			break
		}
		p.step()
		failed := p.answer(ctx, *q)
		p.step()
		switch {
		case failed == nil:
			answered, row = answered+1, 0
		case errors.Is(failed, ErrRefused):
			refused++
		case !over(failed):
			last, row = fmt.Errorf("answer by mail: %w", failed), row+1
		}
		if err := p.settle(context.WithoutCancel(ctx), *q, failed); err != nil {
			return answered, err
		}
	}
	if refused > 0 {
		last = errors.Join(last, fmt.Errorf("answer by mail: of %d answers, %d: %w", answered+refused, refused, ErrRefused))
	}
	return answered, cmp.Or(ctx.Err(), last)
}

// over reports whether a question is not answered, however often that is tried.
func over(failed error) bool {
	return errors.Is(failed, roster.ErrShredded) || errors.Is(failed, ErrNone) || errors.Is(failed, ErrRefused)
}

// prepare makes the set of the incident that is asked about first. It may take longer than a claim lasts: who claims has it then.
func (p *People) prepare(ctx context.Context, again bool) error {
	var incident, id string
	err := p.first(ctx, p.DB, again).Scan(&id, &incident)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	sealer, err := p.Rosters.Sealer(ctx, incident, false)
	if err == nil {
		_, _ = p.set(ctx, incident, sealer)
	}
	// What else is in the way whoever answers hears too: what becomes of the question is written down there.
	return ctx.Err()
}

// first finds the question that is due first, and its incident: one that is tried again, or a new one, where there is any.
func (p *People) first(ctx context.Context, q store.Querier, again bool) *sql.Row {
	kind := map[bool]string{true: "tries > 0", false: "tries = 0"}
	of := func(kind string) string {
		return `(SELECT id FROM people_asked WHERE state = 'waiting' AND next_at <= $1 AND ` + kind + ` ORDER BY next_at, id LIMIT 1)`
	}
	return q.QueryRowContext(ctx, `SELECT id, incident FROM people_asked WHERE id = coalesce(`+of(kind[again])+`, `+of(kind[!again])+`)`, store.Micros(p.now()))
}

// take claims the question that is due first; nil where none is.
func (p *People) take(ctx context.Context, again bool) (q *asked, err error) {
	now := p.now()
	err = p.DB.Update(ctx, func(tx *sql.Tx) error {
		q = &asked{}
		err := p.first(ctx, tx, again).Scan(&q.id, &q.incident)
		if err == nil {
			err = tx.QueryRowContext(ctx, `SELECT address, lang, tries FROM people_asked WHERE id = $1`, q.id).Scan(&q.address, &q.lang, &q.tries)
		}
		if errors.Is(err, sql.ErrNoRows) {
			q = nil
			return nil
		}
		if err == nil {
			q.until = store.Micros(now.Add(claimed))
			_, err = tx.ExecContext(ctx, `UPDATE people_asked SET next_at = $2 WHERE id = $1`, q.id, q.until)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("answer by mail: %w", err)
	}
	return q, nil
}

// settle writes down what became of a question, unless it is another process's by now. An address stays only where it is tried again.
func (p *People) settle(ctx context.Context, q asked, failed error) error {
	state, address, next := "answered", []byte{}, p.now()
	switch {
	case failed == nil:
	case q.tries+1 >= tries, over(failed):
		state = "given-up"
	default:
		state, address, next = "waiting", q.address, next.Add(time.Minute<<(2*q.tries))
	}
	_, err := p.DB.ExecContext(ctx, `UPDATE people_asked SET state = $2, address = $3, tries = tries + 1, next_at = $4 WHERE id = $1 AND state = 'waiting' AND next_at = $5`, q.id, state, address, store.Micros(next), q.until)
	if err != nil {
		return fmt.Errorf("answer by mail: %w", err)
	}
	return nil
}

func (p *People) answer(ctx context.Context, q asked) error {
	about, ok, err := p.ByMail(ctx, q.incident)
	if err != nil {
		return err
	}
	if !ok {
		return ErrNone
	}
	sealer, err := p.Rosters.Sealer(ctx, q.incident, false)
	if err != nil {
		return err
	}
	to, err := sealer.Open("people.asked "+q.id, q.address)
	if err != nil {
		return err
	}
	in, err := p.affected(ctx, q.incident, sealer, string(to))
	if err != nil {
		return err
	}
	subject, text := compose(language.Lang(q.lang), about, in)
	return p.Send(ctx, string(to), subject, text, q.id)
}

// affected looks an address up in the incident's keyed set, which is made where the roster has another one.
func (p *People) affected(ctx context.Context, incident string, sealer *store.Sealer, address string) (bool, error) {
	who, err := identity.ParseEmail(address)
	if err != nil {
		return false, err
	}
	of, err := p.set(ctx, incident, sealer)
	if err != nil {
		return false, err
	}
	// That it is whole is read with who is in it: who is not in half a set may be affected.
	var whole, n int64
	err = p.DB.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM people_set WHERE incident = $1 AND roster = $2 AND complete = 1), (SELECT count(*) FROM people_member WHERE incident = $1 AND roster = $2 AND tag = $3)`,
		incident, of, member(sealer, who)).Scan(&whole, &n)
	if err == nil && whole == 0 {
		err = errSet
	}
	return n > 0, err
}

var errSet = errors.New("who is in it is being worked out anew")

func member(sealer *store.Sealer, who identity.Identity) []byte {
	return sealer.Lookup("people.member", who.Input())
}

// chunk is how many members are written at once, so that others write in between.
const chunk = 500

// set gives of which roster the keyed set of an incident is, and makes that of the newest one, unless it is there. What a process that ended had
// made of it stays, and two that make it at once make the same.
func (p *People) set(ctx context.Context, incident string, sealer *store.Sealer) (string, error) {
	r, err := p.Rosters.Latest(ctx, incident)
	if err != nil {
		return "", err
	}
	var n int64
	if err := p.DB.QueryRowContext(ctx, `SELECT count(*) FROM people_set WHERE incident = $1 AND roster = $2 AND complete = 1`, incident, r.ID).Scan(&n); err != nil || n > 0 {
		return r.ID, err
	}
	var token string
	if err := p.DB.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO people_set (incident, roster, token, complete) VALUES ($1, $2, $3, 0) ON CONFLICT (incident, roster) DO NOTHING`, incident, r.ID, rand.Text()); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT token FROM people_set WHERE incident = $1 AND roster = $2`, incident, r.ID).Scan(&token)
	}); err != nil {
		return "", err
	}
	var tags [][]byte
	write := func() error {
		p.step()
		err := p.DB.Update(ctx, func(tx *sql.Tx) error {
			for _, tag := range tags {
				if _, err := tx.ExecContext(ctx, `INSERT INTO people_member (incident, roster, tag) VALUES ($1, $2, $3) ON CONFLICT (incident, roster, tag) DO NOTHING`, incident, r.ID, tag); err != nil {
					return err
				}
			}
			return nil
		})
		tags = tags[:0]
		return err
	}
	for m, err := range p.Rosters.Members(ctx, r) {
		if err != nil {
			return "", err
		}
		if m.Identity.Kind != identity.KindEmail {
			continue
		}
		if tags = append(tags, member(sealer, m.Identity)); len(tags) == chunk {
			if err := write(); err != nil {
				return "", err
			}
		}
	}
	if err := write(); err != nil {
		return "", err
	}
	p.step()
	return r.ID, p.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE people_set SET complete = 1 WHERE incident = $1 AND roster = $2 AND token = $3`, incident, r.ID, token)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 { // who has made another roster's has let this one go
			return errors.Join(err, errSet)
		}
		for _, q := range []string{`DELETE FROM people_member WHERE incident = $1 AND roster <> $2`, `DELETE FROM people_set WHERE incident = $1 AND roster <> $2`} {
			if _, err := tx.ExecContext(ctx, q, incident, r.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// Keep answers as long as the context lasts.
func (p *People) Keep(ctx context.Context, failed func(error)) {
	t := time.NewTicker(20 * time.Second) // no sooner: when a mail leaves tells nothing of what was looked up
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if _, err := p.Answer(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
}

// Waiting counts the questions of an incident that have no answer yet, and are still tried. It needs no key, nor that anybody answers here.
func Waiting(ctx context.Context, db *store.DB, incident string) (n int64, err error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = db.Migrate(ctx, "people", sub)
	}
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT count(*) FROM people_asked WHERE state = 'waiting' AND incident = $1`, incident).Scan(&n)
	}
	if err != nil {
		return 0, fmt.Errorf("people: count what waits for an answer: %w", err)
	}
	return n, nil
}

// Forget lets go who asked about incidents whose case was shredded, and who was in them: nobody reads it any more. It needs no key, nor that
// anybody answers here.
func Forget(ctx context.Context, db *store.DB, rosters *roster.Rosters) error {
	err := migrate(ctx, db)
	if err == nil {
		err = forget(ctx, db, rosters)
	}
	if err != nil {
		return fmt.Errorf("people: forget who asked of shredded cases: %w", err)
	}
	return nil
}

func forget(ctx context.Context, db *store.DB, rosters *roster.Rosters) error {
	all, err := store.Column[string](ctx, db, `SELECT incident FROM people_asked UNION SELECT incident FROM people_set UNION SELECT incident FROM people_member`)
	if err != nil {
		return err
	}
	for _, id := range all {
		if _, err := rosters.Sealer(ctx, id, false); !errors.Is(err, roster.ErrShredded) {
			continue
		}
		if err := db.Update(ctx, func(tx *sql.Tx) error {
			for _, q := range []string{`DELETE FROM people_asked WHERE incident = $1`, `DELETE FROM people_member WHERE incident = $1`, `DELETE FROM people_set WHERE incident = $1`} {
				if _, err := tx.ExecContext(ctx, q, id); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
