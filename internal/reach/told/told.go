// Package told is the room of who was told of an incident otherwise than by a campaign: until now, whoever was shown the notice at their
// login and said that they have read it. A campaign to those whom an earlier one did not reach leaves them out, and its figures name them.
//
// What is known of somebody is a keyed hash under the case's key, a channel and a moment. Nobody can be listed from it: one can only ask of
// somebody whom one can name.
package told

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/roster"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrInput says that nobody is named, or that there is no such channel.
	ErrInput = errors.New("nobody can be noted as told by that")
	// ErrDamaged says that what is kept is not what was written.
	ErrDamaged = errors.New("what is kept of who was told is damaged")
)

// Channel is how people were told.
type Channel string

// Login is the notice at a login, which whoever is met there has said to have read. What was shown to them is known, and no more.
const Login Channel = "login"

// Rooms are what the room stands on.
type Rooms struct {
	DB *store.DB
	// Seal gives the sealer of a case's key. Errors: those of rosters, such as where the case was shredded.
	Seal func(incident string) (*store.Sealer, error)
	Now  func() time.Time
}

// Told is the room.
type Told struct{ Rooms }

// New opens the room and brings its tables up to date.
func New(ctx context.Context, rooms Rooms) (*Told, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("told: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "told", sub); err != nil {
		return nil, fmt.Errorf("told: %w", err)
	}
	if rooms.Now == nil {
		rooms.Now = time.Now
	}
	return &Told{rooms}, nil
}

// Person is somebody, as who met them knows them; what is not known is "". Account is the organisation's own id, Email an address in any form.
type Person struct {
	Account string
	Email   string
}

const hashSize = 16

type hash [hashSize]byte

func hashOf(s *store.Sealer, kind, value string) hash {
	return hash(s.Lookup("told", []byte(kind+"\x00"+value))[:hashSize])
}

// names gives what somebody is known by. The first is the one by which they were met.
func (p Person) names(s *store.Sealer) []hash {
	var out []hash
	if p.Account != "" && len(p.Account) <= identity.MaxInput {
		out = append(out, hashOf(s, "account", p.Account))
	}
	if id, err := identity.ParseEmail(p.Email); p.Email != "" && err == nil {
		out = append(out, hashOf(s, "email", id.Value))
	}
	return out
}

// Note writes down in tx that somebody was told now. Of somebody who was told by the channel before, the first time stands, and so it is where
// it is noted twice at once. Errors: ErrInput; those of the case's key.
func (t *Told) Note(ctx context.Context, tx *sql.Tx, incident string, by Channel, p Person) error {
	if by != Login {
		return fmt.Errorf("note who was told: %w: %q is no channel", ErrInput, by)
	}
	seal, err := t.Seal(incident)
	if err != nil {
		return fmt.Errorf("note who was told: %w", err)
	}
	names := p.names(seal)
	if len(names) == 0 {
		return fmt.Errorf("note who was told: %w", ErrInput)
	}
	for i, n := range names {
		// A name that was somebody's further one before, and is now the one by which they were met, is both.
		if _, err := tx.ExecContext(ctx, `INSERT INTO told (incident, person, channel, own, at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (incident, channel, person) DO UPDATE SET own = told.own OR excluded.own`, incident, n[:], string(by), i == 0, store.Micros(t.Now())); err != nil {
			return fmt.Errorf("note who was told: %w", store.InWords(err))
		}
	}
	return nil
}

// Record is whom a channel has told in an incident, as it was when it was read.
type Record struct {
	seal *store.Sealer
	at   map[hash]noted
}

type noted struct {
	at  int64
	own bool
}

// Of reads it. It holds some 60 bytes for each name. Errors: those of actor and of the case's key; roster.ErrShredded, as then
// nobody can say any more who they were.
func (t *Told) Of(ctx context.Context, who actor.Actor, incident string, by Channel) (*Record, error) {
	const what = "read who was told"
	if err := who.May(actor.See, incident); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	rows, err := t.DB.QueryContext(ctx, `SELECT person, own, at FROM told WHERE incident = $1 AND channel = $2`, incident, string(by))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, store.InWords(err))
	}
	defer rows.Close()
	out := &Record{at: map[hash]noted{}}
	for rows.Next() {
		var person []byte
		var n noted
		if err := rows.Scan(&person, &n.own, &n.at); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if len(person) != hashSize {
			return nil, fmt.Errorf("%s: %w", what, ErrDamaged)
		}
		out.at[hash(person)] = n
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if len(out.at) > 0 {
		out.seal, err = t.Seal(incident)
		if errors.Is(err, files.ErrNotExist) {
			err = fmt.Errorf("%w: %w", roster.ErrShredded, err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	return out, nil
}

// Empty reports that nobody was told.
func (r *Record) Empty() bool { return len(r.at) == 0 }

// When gives when a member of the roster was told: by their address where that is how they were met; else when the last of their accounts was,
// where all were. Of two who share an address, one may have been told. What is not known for certain is not so: they are told once more.
func (r *Record) When(m roster.Member) (at time.Time, ok bool) {
	if r.Empty() {
		return time.Time{}, false
	}
	if m.Identity.Kind == identity.KindEmail {
		if n, ok := r.at[hashOf(r.seal, "email", m.Identity.Value)]; ok && (n.own || len(m.Accounts) == 0) {
			return store.FromMicros(n.at), true
		}
	}
	if len(m.Accounts) == 0 || m.MoreAccounts > 0 {
		return time.Time{}, false
	}
	last := int64(0)
	for _, a := range m.Accounts {
		n, ok := r.at[hashOf(r.seal, "account", a)]
		if !ok {
			return time.Time{}, false
		}
		last = max(last, n.at)
	}
	return store.FromMicros(last), true
}
