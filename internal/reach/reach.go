// Package reach is the room of telling everyone: campaigns, and what became of each mail of theirs.
//
// A campaign is for the members of a sealed roster, and keeps no address: a recipient is a place in the roster. Of each the state is durable:
// that a mail is about to be handed over is written down before it is, in groups, and what came of it afterwards, in groups. So a process
// that dies at any instruction loses nobody, and whoever was in flight is listed as unknown, for people to decide on. Nothing here says
// "delivered": the last that is ever known is that a server has taken a mail.
package reach

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/roster"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrNotFound says that there is no such campaign or recipient, or none that is theirs to see.
	ErrNotFound = errors.New("there is no such campaign or recipient")
	// ErrInput says that something cannot be taken.
	ErrInput = errors.New("cannot be taken")
	// ErrState says that a campaign cannot do that as it stands.
	ErrState = errors.New("the campaign does not stand so")
	// ErrStale says that somebody has done something with a campaign since it was looked at.
	ErrStale = errors.New("somebody else has done something with the campaign meanwhile")
	// ErrNotReady says that something speaks against sending: a check of the preflight failed, and nobody has overruled it.
	ErrNotReady = errors.New("the mail would not arrive as it should")
	// ErrWanted says that a second person has to approve it.
	ErrWanted = errors.New("sending a campaign needs a second person: it can only be proposed")
	// ErrDamaged says that what is kept of a campaign is not what was written, or that the roster is not the one that was counted.
	ErrDamaged = errors.New("what is kept of the campaign is damaged")
	// ErrRelay says that the relay cannot be reached, or does not take a test.
	ErrRelay = errors.New("the relay did not take it")
	// ErrNoRelay says that no mail server is set.
	ErrNoRelay = errors.New("no relay is set by which campaigns are sent")
)

// A Condition says whether a campaign that waits for something may send now: mails that promise the reset do not leave while it is closed.
type Condition func(ctx context.Context, incident string) (Open, error)

// Open is a condition's answer.
type Open struct {
	Yes       bool
	Why       language.Text // it is not
	PerSecond float64       // what the other side can take; 0: it does not say
}

// A Filter gives what says of a member whether they belong to an audience, such as those who have not reset yet: as it is now. It is asked
// for once, when the audience is counted.
type Filter func(ctx context.Context, incident string) (func(m roster.Member) bool, error)

// Mailer is by whom campaigns go out.
type Mailer struct {
	Relays      []smtp.Relay // the first that works is used
	Bounces     string       // address that mails come back to; each recipient's token is put before its @
	Signers     func(domain string) ([]*message.Signer, error)
	Connections int // at once; 0 is 8
}

// Rooms are what the room stands on.
type Rooms struct {
	DB      *store.DB
	Rosters *roster.Rosters
	// Incident gives an incident as the public sees it.
	Incident func(ctx context.Context, id string) (incident.Incident, error)
	// Number is what a mail calls the notice, by which it is found on the organisation's own site; URL is where that is, as people type it.
	Number func(ctx context.Context, incident string) (string, error)
	URL    string
	Mailer *Mailer // nil: nothing can be sent

	Conditions map[string]Condition
	Filters    map[string]Filter
	// Suppressed gives which addresses are not to be written to in an incident, as it is now; nil: none. It is asked for once a pass.
	Suppressed func(ctx context.Context, incident string) (func(address string) bool, error)
	// Elsewhere gives who was told otherwise than by campaigns, such as at their login; nil: nobody knows of any.
	Elsewhere func(ctx context.Context, incident string) (Elsewhere, error)
	// Preflight gives what speaks against sending from an address; nil: nothing was looked at.
	Preflight func(ctx context.Context, from string) ([]language.Text, error)
	// Read gives what an incident's facts have against a text, by its language; nil: nothing was held against them.
	Read func(ctx context.Context, incident string, lang language.Lang, text string) ([]string, error)
	// Wanted reports whether a second person has to approve; nil: nobody has.
	Wanted func(ctx context.Context) (bool, error)
	Log    *slog.Logger

	// Known gives an incident as the staff knows it, and RecordFacts records facts of it; nil: no facts follow from campaigns.
	Known       func(ctx context.Context, id string) (incident.Incident, error)
	RecordFacts func(ctx context.Context, who actor.Actor, id string, edits ...incident.Edit) error
	// Files keeps sealed files for houses until they are destroyed; nil: none can be made.
	Files *files.Dir
	// Held reports whether a legal hold is on, while which the files of an incident stay; nil: none ever is.
	Held func(ctx context.Context, q store.Querier, incident string) (bool, error)
	// Accounts opens a list of accounts that a case has in evidence, and records that it is read and why; nil: there are none.
	Accounts func(ctx context.Context, who actor.Actor, incident string, evidence int64, why string) (io.ReadCloser, Listed, error)

	Lease time.Duration // for which a process has its part of a campaign; 0 is a minute, less than 0 none
	Poll  time.Duration // how often is looked whether anything has changed; 0 is a second
	Now   func() time.Time
}

// Listed is a list of accounts, as evidence has it.
type Listed struct {
	Name   string
	Size   int64
	SHA256 string // hex
}

// Reach is the room.
type Reach struct {
	Rooms
	holder string // of shards: this process
	step   func() // in tests: where a process may be killed
	seen   func() // in tests: where something may have come true

	summaries *summaries
}

// New opens the room and brings its tables up to date.
func New(ctx context.Context, rooms Rooms) (*Reach, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("reach: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "reach", sub); err != nil {
		return nil, fmt.Errorf("reach: %w", err)
	}
	if rooms.Log == nil {
		rooms.Log = slog.New(slog.DiscardHandler)
	}
	if rooms.Lease == 0 {
		rooms.Lease = time.Minute
	}
	if rooms.Poll == 0 {
		rooms.Poll = time.Second
	}
	if rooms.Now == nil {
		rooms.Now = time.Now
	}
	return &Reach{Rooms: rooms, holder: rand.Text(), step: func() {}, seen: func() {}, summaries: &summaries{}}, nil
}

// Life is how a campaign stands.
type Life string

// The lives of a campaign.
const (
	Making    Life = "making" // its audience is being counted
	Draft     Life = "draft"
	Approved  Life = "approved" // and not begun: its time has not come
	Running   Life = "running"
	Paused    Life = "paused"
	Cancelled Life = "cancelled"
	Done      Life = "done"
)

// Spec is what a campaign is.
type Spec struct {
	Incident string `json:"incident"`
	Part     string `json:"part,omitzero"` // a party's part of the roster; "" is the whole

	Channel Channel         `json:"channel,omitzero"` // "" is mail
	Kinds   []identity.Kind `json:"kinds,omitzero"`   // whose places in the roster it counts, sorted; none: addresses of mail. Create sets it.

	Locales []string `json:"locales,omitzero"` // only members with these; none: all
	Classes []string `json:"classes,omitzero"` // only members of whom one of these was exposed; none: all
	Only    []string `json:"only,omitzero"`    // only members that these filters let through
	Active  string   `json:"active,omitzero"`  // only members one of whose accounts is in use (InUse), or the others (NotInUse); "": all, those first
	// Unreached is an earlier campaign over the same roster: only those whom it did not reach, as their mail was refused or came back, or they
	// were not to be written to, and whom nothing else has told since. "": whoever is on the roster.
	Unreached string    `json:"unreached,omitzero"`
	told      Elsewhere // who was told otherwise meanwhile: they are left out where Unreached is set

	From    Sender        `json:"from"`
	ReplyTo string        `json:"replyTo,omitzero"`
	Subject language.Text `json:"subject"`
	Text    language.Text `json:"text"` // Markdown with references to facts, and {{you.exposed}}, {{you.link}}, {{notice.number}}, {{notice.url}}

	Language language.Lang `json:"language,omitzero"` // of those whose own is not known; "" is ja
	Link     string        `json:"link,omitzero"`     // https URL that a personal token is put behind; "": the mail has none
	Needs    []string      `json:"needs,omitzero"`    // conditions while which it sends
}

// Parts of a roster that says of whom an account is in use.
const (
	InUse    = "yes"
	NotInUse = "no"
)

// Sender is whom a mail comes from.
type Sender struct {
	Name    language.Text `json:"name,omitzero"`
	Address string        `json:"address"`
}

// Rates bound how quickly a campaign is sent. They may be changed while it runs.
type Rates struct {
	PerSecond float64            `json:"perSecond,omitzero"` // 0: as quickly as the relay takes it
	PerDomain map[string]float64 `json:"perDomain,omitzero"` // a second and receiving domain; "*" is each other one
	RampUp    Span               `json:"rampUp,omitzero"`    // in which PerSecond is come to
}

// Span is a time that is written as 90m or 4h.
type Span time.Duration

// MarshalText writes it.
func (s Span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText reads it.
func (s *Span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	*s = Span(d)
	return err
}

// Campaign is one that there is.
type Campaign struct {
	ID      string
	Roster  string
	State   Life
	Why     language.Text // it is paused, as somebody wrote it, or what it waits for
	Start   time.Time
	Created time.Time
	By      string
	Started time.Time
	Ended   time.Time
	Rates   Rates
	Version int64 // goes up with all that is done with it
	InUse   int64 // how many of its audience have an account in use, and are written to first; -1: the roster does not say
	Spec

	num   int64
	texts []byte
}

const columns = `id, num, incident, roster, part, spec, settings, texts, state, why, start_at, created_at, created_by, started_at, ended_at, active,
	(SELECT count(*) FROM reach_event e WHERE e.campaign = reach_campaign.id)`

func (r *Reach) scan(row interface{ Scan(...any) error }) (*Campaign, error) {
	var c Campaign
	var spec, settings, texts, state, why, ignored string
	var part string
	var start, created, started, ended int64
	if err := row.Scan(&c.ID, &c.num, &ignored, &c.Roster, &part, &spec, &settings, &texts, &state, &why, &start, &created, &c.By, &started, &ended, &c.InUse, &c.Version); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(spec), &c.Spec); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := json.Unmarshal([]byte(settings), &c.Rates); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	c.State, c.Why, c.texts = Life(state), language.Recorded(why), []byte(texts)
	c.Start, c.Created, c.Started, c.Ended = moment(start), moment(created), moment(started), moment(ended)
	return &c, nil
}

func moment(m int64) time.Time {
	if m == 0 {
		return time.Time{}
	}
	return store.FromMicros(m)
}

// get reads a campaign, for anybody.
func (r *Reach) get(ctx context.Context, q store.Querier, id string) (*Campaign, error) {
	c, err := r.scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM reach_campaign WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) || err == nil && c.State == Making {
		return nil, fmt.Errorf("campaign %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("campaign %s: %w", id, err)
	}
	return c, nil
}

// Get gives a campaign that they may see. ErrNotFound.
func (r *Reach) Get(ctx context.Context, who actor.Actor, id string) (*Campaign, error) {
	c, err := r.get(ctx, r.DB, id)
	if err == nil && who.May(actor.See, c.Incident) != nil {
		err = fmt.Errorf("campaign %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// mayChange gives a campaign that they may do something with.
func (r *Reach) mayChange(ctx context.Context, who actor.Actor, id, what string) (*Campaign, error) {
	c, err := r.Get(ctx, who, id)
	if err == nil {
		err = who.May(actor.Propose, c.Incident)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return c, nil
}

// List gives the campaigns of an incident that they may see, or of all, the newest first.
func (r *Reach) List(ctx context.Context, who actor.Actor, of string) ([]*Campaign, error) {
	if err := who.Check("list campaigns"); err != nil {
		return nil, err
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT `+columns+` FROM reach_campaign WHERE state <> 'making' AND (incident = $1 OR $1 = '') ORDER BY created_at DESC, id`, of)
	if err != nil {
		return nil, fmt.Errorf("list campaigns: %w", err)
	}
	defer rows.Close()
	var out []*Campaign
	for rows.Next() {
		c, err := r.scan(rows)
		if err != nil {
			return nil, fmt.Errorf("list campaigns: %w", err)
		}
		if who.May(actor.See, c.Incident) == nil {
			out = append(out, c)
		}
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Counts gives how many recipients of a campaign that they may see are in each state.
func (r *Reach) Counts(ctx context.Context, who actor.Actor, id string) (Counts, error) {
	if _, err := r.Get(ctx, who, id); err != nil {
		return Counts{}, err
	}
	return r.counts(ctx, r.DB, id)
}

func (r *Reach) counts(ctx context.Context, q store.Querier, id string) (c Counts, err error) {
	err = q.QueryRowContext(ctx, `SELECT coalesce(sum(pending), 0), coalesce(sum(intended), 0), coalesce(sum(handed), 0), coalesce(sum(accepted), 0), coalesce(sum(deferred), 0),
		coalesce(sum(refused), 0), coalesce(sum(bounced), 0), coalesce(sum(unknown), 0), coalesce(sum(substitute), 0) FROM reach_block WHERE campaign = $1`, id).
		Scan(&c[Pending], &c[Intended], &c[HandedOver], &c[Accepted], &c[Deferred], &c[Refused], &c[Bounced], &c[Unknown], &c[Substitute])
	if err != nil {
		err = fmt.Errorf("count campaign %s: %w", id, store.InWords(err))
	}
	return c, err
}

// event writes down what was done with a campaign.
func (r *Reach) event(ctx context.Context, tx *sql.Tx, who actor.Actor, id, what, why string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO reach_event (id, campaign, at, actor, what, why) VALUES ($1, $2, $3, $4, $5, $6)`,
		strings.ToLower(rand.Text()), id, store.Micros(r.Now()), who.String(), what, why)
	return err
}

// Event is something that was done with a campaign.
type Event struct {
	At            time.Time
	By, What, Why string
}

// Events gives what was done with a campaign, in order.
func (r *Reach) Events(ctx context.Context, who actor.Actor, id string) ([]Event, error) {
	if _, err := r.Get(ctx, who, id); err != nil {
		return nil, err
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT at, actor, what, why FROM reach_event WHERE campaign = $1 ORDER BY at, id`, id)
	if err != nil {
		return nil, fmt.Errorf("campaign %s: %w", id, err)
	}
	defer rows.Close()
	var out []Event
	for rows.Next() {
		var e Event
		var at int64
		if err := rows.Scan(&at, &e.By, &e.What, &e.Why); err != nil {
			return nil, fmt.Errorf("campaign %s: %w", id, err)
		}
		e.At = store.FromMicros(at)
		out = append(out, e)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
