// Package enquiry is the desk (お問い合わせ窓口): what people ask after a disclosure, by a form, by mail and by telephone, and what they are
// answered.
//
// Who asks and what they write is sealed under the case's key. Nothing leads to a mailbox that was not shown to be theirs: by a link that only a
// form uses up. Answers are rendered from facts as the public has them, and keep which facts they said, and how these stood: when one changes,
// whoever was told otherwise is found, and a correction to them is one proposal away. Mail has the states of a campaign: that it is about to be
// handed over is on disk before it is, so that a process that dies loses nobody, and whoever was in flight is listed as unknown.
package enquiry

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrNotFound says that there is no such enquiry, topic, answer or file, or none that is theirs to see.
	ErrNotFound = errors.New("there is no such enquiry")
	// ErrInput says that something cannot be taken.
	ErrInput = errors.New("cannot be taken")
	// ErrNobody says that one answer to many would be for nobody.
	ErrNobody = errors.New("it is for nobody")
	// ErrAddress says that what was given is no address of mail.
	ErrAddress = errors.New("not an address of mail")
	// ErrClosed says that an incident takes no enquiries.
	ErrClosed = errors.New("no enquiries are taken about it")
	// ErrBusy says that more is asked than can be taken at present.
	ErrBusy = errors.New("more is asked than can be taken at present")
	// ErrForm says that a form was sent sooner than anybody fills one in, or is too old.
	ErrForm = errors.New("the form has to be sent anew")
	// ErrToken says that a link leads nowhere: it was used, is over, or was cut short.
	ErrToken = errors.New("the link cannot be used")
	// ErrStale says that somebody has changed something since it was read.
	ErrStale = errors.New("it has changed since it was read")
	// ErrState says that something cannot be done as things stand.
	ErrState = errors.New("it does not stand so")
	// ErrUnproven says that nobody has shown that the mailbox is theirs.
	ErrUnproven = errors.New("nobody has shown that the mailbox is theirs")
	// ErrExposed says that a way to recognise somebody rests on what was exposed.
	ErrExposed = errors.New("this way to recognise people rests on what was exposed in this incident")
	// ErrWanted says that a second person has to approve it.
	ErrWanted = errors.New("this needs a second person: it can only be proposed")
	// ErrDamaged says that what is kept is not what was written.
	ErrDamaged = errors.New("what is kept of an enquiry is damaged")
)

// KeyFile is the name of the file of the key of forms. OldKey was that of forms and of the limits of addresses, over all incidents: it could
// confirm, for as long as there is a backup, who had asked. They are counted by the cases' own keys now.
const (
	KeyFile = "enquiry-form.key"
	OldKey  = "enquiry.key"
)

// State is how an enquiry stands.
type State string

// The states of an enquiry.
const (
	Unverified State = "unverified" // its mailbox was not shown to be theirs: it is not in the queue, and goes after two days
	Open       State = "open"
	Answered   State = "answered"
	Closed     State = "closed"
	Merged     State = "merged" // into another one of the same person
	Spam       State = "spam"
)

// The channels.
const (
	Web       = "web"
	Mail      = "mail"
	Telephone = "telephone"
	Post      = "post"
)

// About is what is said of an incident.
type About struct {
	Title, Organisation language.Text
	Page                string // where it says what to do
}

// Letter is a mail that leaves.
type Letter struct {
	To, Subject, Text string
	ID                string // makes its Message-ID
	ReplyTo, Back     string // "": the instance's own
	InReplyTo         string
	Person            bool // a person answers
}

// An Outcome is what came of handing a mail over.
type Outcome int

// The outcomes.
const (
	Taken   Outcome = iota // the server answers for it
	Later                  // it has it not, and may be tried again
	Refused                // it will never take it
	Unsure                 // it may have it
)

// Rooms are what the room stands on.
type Rooms struct {
	DB   *store.DB
	Keys *files.Keys
	// Seal gives what is sealed under a case's key, and makes that where make is true and there was none.
	Seal func(ctx context.Context, incident string, make bool) (*store.Sealer, error)
	// Gone reports whether an error of Seal says that the case was shredded.
	Gone func(err error) bool
	// Held reports, also in a transaction, whether a legal hold is on, while which nothing that somebody asked is let go; nil: none ever is.
	Held func(ctx context.Context, q store.Querier, incident string) (bool, error)
	// Incident gives an incident as the public sees it. Errors: incident.ErrNotFound.
	Incident func(ctx context.Context, id string) (incident.Incident, error)
	// Own reports whether an incident is the organisation's own, and public.
	Own func(ctx context.Context, id string) (bool, error)
	// Read gives what an incident's facts have against a text; nil: nothing was held against them.
	Read func(ctx context.Context, incident string, lang language.Lang, text string) ([]string, error)
	// Recognised gives how staff may recognise people in an incident, and which ways are refused there; nil: there is none.
	Recognised func(ctx context.Context, who actor.Actor, incident string) (good, refused []string, err error)
	// Wanted reports whether a second person has to approve; nil: nobody has.
	Wanted func(ctx context.Context) (bool, error)
	// Noted is told, in its transaction, what belongs into the case's record; nil: nobody is.
	Noted func(ctx context.Context, tx *sql.Tx, who actor.Actor, incident, text string) error
	// Deliver hands one mail over, and says what came of it; nil: none is sent. said is without the address.
	Deliver func(ctx context.Context, l Letter) (o Outcome, said string)

	URL     string // of this instance
	Address string // by which people write, without a +; "": mail is not taken

	Within time.Duration // in which somebody is to be answered; 0: three days
	Keep   time.Duration // for which what is closed is kept; 0: a year
	Floor  int64         // of persons, beneath which a topic is not told of; 0: ten
	Log    *slog.Logger
	Now    func() time.Time

	Exercise bool // nothing of it is real, and what is handed on says so
}

// Desk is the room.
type Desk struct {
	Rooms
	forms  *store.Sealer
	step   func() // in tests: where a process may be killed
	wake   chan struct{}
	public struct { // what help pages say, as it was last looked at
		sync.Mutex
		version string
		until   time.Time
	}
}

// New opens the room, brings its tables up to date, and makes its key where there is none.
func New(ctx context.Context, rooms Rooms) (*Desk, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = rooms.DB.Migrate(ctx, "enquiry", sub)
	}
	d := &Desk{Rooms: rooms, step: func() {}, wake: make(chan struct{}, 1)}
	if err == nil {
		d.forms, err = openKey(rooms.Keys)
	}
	if err != nil {
		return nil, fmt.Errorf("enquiry: %w", err)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Within == 0 {
		d.Within = 72 * time.Hour
	}
	if d.Keep == 0 {
		d.Keep = 365 * 24 * time.Hour
	}
	if d.Floor == 0 {
		d.Floor = 10
	}
	return d, nil
}

func openKey(keys *files.Keys) (*store.Sealer, error) {
	if err := keys.Destroy(OldKey); err != nil && !errors.Is(err, files.ErrNotExist) {
		return nil, err
	}
	key, err := keys.Random(KeyFile, store.KeySize)
	if err != nil {
		return nil, err
	}
	return store.NewSealer(key)
}

// newID makes an id of something; kind is its first letter.
func newID(kind string) string { return kind + strings.ToLower(rand.Text()[:14]) }

// may asks whether somebody may do something in a case. Of one that is not theirs they hear what is said of one that is not there.
func may(who actor.Actor, p actor.Permission, id string) error {
	err := who.May(p, id)
	if errors.Is(err, actor.ErrHidden) {
		return ErrNotFound
	}
	return err
}

// mayRead asks whether somebody may read what people have written: whose role is to answer them, also where their access to the case is to read
// it, and who audits.
func mayRead(who actor.Actor, id string) error {
	if err := may(who, actor.See, id); err != nil {
		return err
	}
	if who.Has(actor.Auditor) {
		return nil
	}
	if err := may(who, actor.Answer, id); !errors.Is(err, actor.ErrAccess) {
		return err
	}
	return nil
}

// event writes down who did what. detail names nobody.
func (d *Desk) event(ctx context.Context, tx *sql.Tx, who actor.Actor, of, id, what, detail string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO enquiry_event (id, incident, enquiry, seq, at, actor, what, detail) VALUES ($1, $2, $3, (SELECT coalesce(max(seq), 0) + 1 FROM enquiry_event WHERE enquiry = $3 AND incident = $2), $4, $5, $6, $7)`,
		newID("v"), of, id, store.Micros(d.Now()), who.String(), what, detail)
	return err
}

// Takes reports whether an incident takes enquiries.
func (d *Desk) Takes(ctx context.Context, of string) (bool, error) {
	var n int64
	if err := d.DB.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_desk WHERE incident = $1 AND open = 1`, of).Scan(&n); err != nil {
		return false, fmt.Errorf("enquiries of %s: %w", of, err)
	}
	if n == 0 {
		return false, nil
	}
	own, err := d.Own(ctx, of)
	if err != nil {
		return false, fmt.Errorf("enquiries of %s: %w", of, err)
	}
	return own, nil
}

// SetOpen opens or closes the desk of an incident to the public. What was asked before stays. Errors: ErrNotFound, ErrClosed, where nothing of it is public yet.
func (d *Desk) SetOpen(ctx context.Context, who actor.Actor, of string, open bool) error {
	if err := may(who, actor.Command, of); err != nil {
		return fmt.Errorf("open the desk: %w", err)
	}
	if open {
		switch own, err := d.Own(ctx, of); {
		case err != nil:
			return fmt.Errorf("open the desk: %w", err)
		case !own:
			return fmt.Errorf("open the desk: %w: it is not public, or not one of one's own", ErrClosed)
		}
	}
	what := "closed the desk"
	var is int64
	if open {
		what, is = "opened the desk", 1
	}
	err := d.DB.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO enquiry_desk (incident, open, at, actor) VALUES ($1, $2, $3, $4)
			ON CONFLICT (incident) DO UPDATE SET open = excluded.open, at = excluded.at, actor = excluded.actor`, of, is, store.Micros(d.Now()), who.String()); err != nil {
			return err
		}
		return errors.Join(d.event(ctx, tx, who, of, "", what, ""), d.note(ctx, tx, who, of, language.Both("お問い合わせの受け付け："+map[bool]string{true: "開始", false: "停止"}[open], what).Record()))
	})
	if err != nil {
		return fmt.Errorf("open the desk: %w", err)
	}
	return nil
}

func (d *Desk) note(ctx context.Context, tx *sql.Tx, who actor.Actor, of, text string) error {
	if d.Noted == nil {
		return nil
	}
	return d.Noted(ctx, tx, who, of, text)
}

// Person is who asks. All of it is sealed.
type Person struct {
	Name      string `json:"name,omitzero"`
	Address   string `json:"address,omitzero"` // of mail
	Telephone string `json:"telephone,omitzero"`
	Step      string `json:"step,omitzero"` // by which staff has recognised them
}

// written is what is sealed of a message.
type written struct {
	Subject string `json:"subject,omitzero"`
	Text    string `json:"text"`
	ID      string `json:"id,omitzero"` // Message-ID of what came by mail
	Left    int    `json:"left,omitzero"`
}

func sealJSON(s *store.Sealer, in string, v any) ([]byte, error) {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	return s.Seal(in, b), nil
}

func openJSON(s *store.Sealer, in string, sealed []byte, v any) error {
	b, err := s.Open(in, sealed)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

func personIn(id string) string  { return "enquiry.person " + id }
func messageIn(id string) string { return "enquiry_message.sealed " + id }
func fileIn(id string) string    { return "enquiry_file.data " + id }
func nameIn(id string) string    { return "enquiry_file.name " + id }

// whoTag finds somebody again within a case.
func whoTag(s *store.Sealer, address string) []byte { return s.Lookup("enquiry.who", []byte(address)) }
