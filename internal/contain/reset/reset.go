// Package reset is the room of the forced reset: when people can choose a new password, the links by which they do, the bulk order that
// takes the old ones away, and how each account stands.
//
// An account is a place in the roster, and no row. Nobody is asked for what was stolen: a reset is for whoever has the mailbox of an account,
// or was recognised by two of the staff. Nothing that strangers can reach tells whether an account is there.
package reset

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/connect"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrNotFound says that there is no such case or account, or none that is theirs to see.
	ErrNotFound = errors.New("there is no such case or account")
	// ErrToken says that a link cannot be used: it was made up, was used, is being used, is over, or is of an account that does not reset by
	// it any more. Which of them is not told.
	ErrToken = errors.New("the link cannot be used")
	// ErrNotOpen says that nobody can reset at the moment.
	ErrNotOpen = errors.New("resetting is not open")
	// ErrLater says that something on the way does not answer: nothing was used up, and the same can be tried again.
	ErrLater = errors.New("it cannot be done at the moment")
	// ErrInput says that something cannot be taken.
	ErrInput = errors.New("cannot be taken")
	// ErrState says that it cannot be done as things stand.
	ErrState = errors.New("it does not stand so")
	// ErrWanted says that a second person has to approve it.
	ErrWanted = errors.New("this needs a second person: it can only be proposed")
	// ErrSame says that one person cannot be both.
	ErrSame = errors.New("somebody else has to confirm it")
	// ErrExposed says that a person would be recognised by what was stolen.
	ErrExposed = errors.New("that was exposed in this incident: whoever has it proves nothing by it")
	// ErrNoConnector says that no system with accounts is set.
	ErrNoConnector = errors.New("no connector is set by which passwords are changed")
	// ErrDamaged says that what is kept is not what was written.
	ErrDamaged = errors.New("what is kept of the reset is damaged")
)

// Refusal says why a password is refused, in the reader's words. It never repeats it.
type Refusal struct{ Reasons []language.Text }

func (r *Refusal) Error() string { return "the password is refused" }

// Mail is one that is to be sent.
type Mail struct{ To, Subject, Text, ID string }

// Rooms are what the room stands on. Functions may be nil where it is said.
type Rooms struct {
	DB        *store.DB
	Rosters   *roster.Rosters
	Connector connect.Connector // nil: nothing can be changed
	// Screen gives why a password is refused; about are words of its context. An error refuses it, too.
	Screen func(ctx context.Context, password string, least int, about ...string) ([]language.Text, error)
	Least  int // characters of a password
	// Send sends a mail; nil: links cannot be sent.
	Send func(ctx context.Context, m Mail) error
	// Exposed gives the classes of data that an incident's facts say were exposed.
	Exposed func(ctx context.Context, incident string) ([]string, error)
	// Said is called, in the transaction in which they become true, with each change of the hours: it records them in the case and as facts.
	Said func(ctx context.Context, tx *sql.Tx, who actor.Actor, incident string, h Hour) error
	// Noted is called in the transaction of what staff does for somebody, and of the bulk order.
	Noted func(ctx context.Context, tx *sql.Tx, who actor.Actor, incident, text string) error
	// Done is called in the transaction in which somebody has reset: the gate lets the account pass. then is called once it is on disk.
	// addresses are all by which they may be known at a login: of somebody who has lost their mailbox, the old ones too.
	Done func(ctx context.Context, tx *sql.Tx, incident, account string, addresses []string) (then func(), err error)
	// Wanted reports whether a second person has to approve; nil: nobody has.
	Wanted func(ctx context.Context) (bool, error)

	URL     string        // of this instance, for links
	Service language.Text // whose passwords they are, as mails say it
	Contact string        // whom people ask; ""
	Returns []string      // addresses to which people may be led back, with all below them
	Steps   []Step        // by which people who have lost their mailbox are recognised
	Life    time.Duration // of a link; 0 is an hour
	Wait    time.Duration // between the second person's confirmation and the link to a new address; 0 is a day
	PerHour int           // links that an address is sent in Life; 0 is 5

	Connections int // that the bulk order uses at once; 0 is 16
	Log         *slog.Logger
	Lease       time.Duration // for which a process has the bulk order; 0 is a minute, less than 0 none
	Poll        time.Duration // 0 is a second
	Now         func() time.Time
	// Clock is what the hours go by: what is promised, and when it was opened, as the case tells it. Links, leases and the bulk order go by
	// Now. nil: Now.
	Clock func() time.Time
}

// Resets is the room.
type Resets struct {
	Rooms
	holder string
	step   func()                // in tests: where a process may be killed
	seen   func()                // in tests: where something may have come true
	waits  func(tries int) int64 // seconds
}

// New opens the room and brings its tables up to date.
func New(ctx context.Context, rooms Rooms) (*Resets, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("reset: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "reset", sub); err != nil {
		return nil, fmt.Errorf("reset: %w", err)
	}
	def := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	def(&rooms.Life, time.Hour)
	def(&rooms.Wait, 24*time.Hour)
	def(&rooms.Lease, time.Minute)
	def(&rooms.Poll, time.Second)
	if rooms.PerHour == 0 {
		rooms.PerHour = 5
	}
	if rooms.Connections == 0 {
		rooms.Connections = 16
	}
	if rooms.Least == 0 {
		rooms.Least = 15 // SP 800-63B-4, 3.1.1.2: where the password is the only factor
	}
	if rooms.Log == nil {
		rooms.Log = slog.New(slog.DiscardHandler)
	}
	if rooms.Now == nil {
		rooms.Now = time.Now
	}
	if rooms.Clock == nil {
		rooms.Clock = rooms.Now
	}
	return &Resets{Rooms: rooms, holder: rand.Text(), step: func() {}, seen: func() {}, waits: waits}, nil
}

// run is what is done with the accounts of one roster.
type run struct {
	id, incident, roster string
	num, accounts        int64
	unlisted             int64
	bits                 int
	bulk, why            string
	perSecond            float64
	connector            string
	started, ended       time.Time
}

const runColumns = `id, incident, num, roster, accounts, unlisted, bits, bulk, why, per_second, connector, started_at, ended_at`

func scanRun(row interface{ Scan(...any) error }) (*run, error) {
	var x run
	var started, ended int64
	err := row.Scan(&x.id, &x.incident, &x.num, &x.roster, &x.accounts, &x.unlisted, &x.bits, &x.bulk, &x.why, &x.perSecond, &x.connector, &started, &ended)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	x.started, x.ended = moment(started), moment(ended)
	return &x, store.InWords(err)
}

// current gives an incident's run. ErrNotFound where there is none.
func (r *Resets) current(ctx context.Context, q store.Querier, incident string) (*run, error) {
	return scanRun(q.QueryRowContext(ctx, `SELECT `+runColumns+` FROM reset_run WHERE incident = $1 AND ready ORDER BY num DESC LIMIT 1`, incident))
}

func moment(m int64) time.Time {
	if m == 0 {
		return time.Time{}
	}
	return store.FromMicros(m)
}

// sealer gives what is of a case sealed and looked up by.
func (r *Resets) sealer(ctx context.Context, incident string) (*store.Sealer, error) {
	return r.Rosters.Sealer(ctx, incident, false)
}

// may asks whether somebody may do something with a case, which is not there for those who may not see it.
func may(who actor.Actor, p actor.Permission, incident string) error {
	err := who.May(p, incident)
	if errors.Is(err, actor.ErrHidden) {
		return ErrNotFound
	}
	return err
}

// note records something in the case, in the transaction in which it becomes true.
func (r *Resets) note(ctx context.Context, tx *sql.Tx, who actor.Actor, incident, text string) error {
	if r.Noted == nil {
		return nil
	}
	return r.Noted(ctx, tx, who, incident, text)
}

// alone refuses what needs a second person, where there is one.
func (r *Resets) alone(ctx context.Context) error {
	if r.Wanted == nil {
		return nil
	}
	wanted, err := r.Wanted(ctx)
	if err == nil && wanted {
		err = ErrWanted
	}
	return err
}

// MayReturn reports whether people may be led to an address: it is one of those that are set, or below one.
func (r *Resets) MayReturn(to string) bool {
	u, err := url.Parse(to)
	if err != nil || len(to) > 1000 || u.Scheme == "" || u.Host == "" || u.User != nil || u.Opaque != "" || hasControl(to) {
		return false
	}
	return slices.ContainsFunc(r.Returns, func(allowed string) bool {
		a, err := url.Parse(allowed)
		if err != nil || a.Scheme != u.Scheme || a.Host != u.Host {
			return false
		}
		at, below := u.EscapedPath(), a.EscapedPath()
		if u.JoinPath().EscapedPath() != at && at != "" || hasEncoded(at) {
			return false // dots, doubled or encoded slashes: another reader takes it for another path
		}
		if below == "" || below == "/" {
			return true
		}
		return at == below || len(at) > len(below) && at[:len(below)] == below && (below[len(below)-1] == '/' || at[len(below)] == '/')
	})
}

func hasControl(s string) bool {
	return slices.ContainsFunc([]byte(s), func(c byte) bool { return c <= ' ' || c == 0x7f || c == '\\' })
}

// hasEncoded reports a slash, a backslash or a dot that is written as %2f, %5c or %2e.
func hasEncoded(path string) bool {
	for i := 0; i+2 < len(path); i++ {
		if path[i] == '%' {
			switch path[i+1 : i+3] {
			case "2f", "2F", "5c", "5C", "2e", "2E":
				return true
			}
		}
	}
	return false
}

func placeBytes(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
