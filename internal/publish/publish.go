// Package publish is the one way by which something becomes public: scope → seal → statement → notice → ledger, as one use
// case. Command line, console and server call the same, and nothing else appends to the ledger (layout_test.go holds that).
//
// It goes in two steps. [Publisher.Propose] seals, renders and compares, and gives a [Proposal]: exactly which bytes would
// be published, and what speaks against it. [Publisher.Publish] appends those bytes, and no others. Both take the actor
// who does it, who is kept beside what was published and is in nothing that is signed.
//
// What is appended is public once the checkpoint above it is served: pages, feeds, search and statement show it from that
// transaction on, and nowhere before.
package publish

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/ledger"
	"shirase/internal/proposal"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// Errors of this package.
var (
	// ErrImported says that an incident was recorded from what others published.
	ErrImported = errors.New("it was imported, and is not this instance's to publish")
	// ErrNoRoster says that a scope is called final and there is no roster of it.
	ErrNoRoster = errors.New("it has no roster yet")
	// ErrDifferent says that facts, roster and rules do not say the same.
	ErrDifferent = errors.New("facts, roster and rules do not say the same")
	// ErrOverturned says that a fact overturns what a published notice denies, and that what would be published does not tell it.
	ErrOverturned = errors.New("a fact overturns what was published, and this does not tell it")
	// ErrStale says that something was published, or a scope made, since the proposal; nothing was published.
	ErrStale = errors.New("what is published has changed since the proposal")
	// ErrKey says that a key is not the one that signs the ledger.
	ErrKey = ledger.ErrKey
	// ErrUnwitnessed says that something is recorded, and not public until a quorum of witnesses has cosigned it.
	ErrUnwitnessed = ledger.ErrUnwitnessed
	// ErrDamaged says that something published has changed, or is missing.
	ErrDamaged = ledger.ErrDamaged
	// ErrFork says that what was published is not a part of what the database holds.
	ErrFork = ledger.ErrFork
	// ErrClock says that this machine's clock is not the witnesses'.
	ErrClock = ledger.ErrClock
)

//go:embed migrations/*.sql
var migrations embed.FS

// Rooms are what a publication is made from.
type Rooms struct {
	DB        *store.DB
	Dir       *files.Dir
	Keys      *files.Keys // of the evaluator and the ledger
	Incidents *incident.Incidents
	Index     *index.Index
	Rosters   *roster.Rosters
	Staffed   func(ctx context.Context) (bool, error)            // whether what cannot be undone wants a second person; nil: never
	Kept      func(ctx context.Context, id string) (Kept, error) // what a case holds that its key seals; nil: there are no cases
	// Outside gives what of a case others have, and shredding does not reach: files that houses have not confirmed to be destroyed; nil: nothing.
	Outside func(ctx context.Context, id string) ([]language.Text, error)
	Ends    Ends         // what the end of a case needs of other rooms
	Errors  *slog.Logger // hears of witnesses that fail, and of what could not be tidied up; nil: nobody does
}

// Kept is what a case holds, so that whoever approves that it is shredded has approved all that is lost: what was recorded, without who
// read it and what was proposed, and its evidence.
type Kept struct {
	Entries  int64    // recorded
	SHA256   string   // hex, over their hashes
	Evidence []string // hex SHA-256 of each piece
}

// Instance is what a publication says of this instance.
type Instance struct {
	URL           string // where people reach it; empty: not known
	PhoneRegion   string // by which phone numbers without + are read
	Demonstration bool   // the accounts are generated, and the notices have to say so

	WithoutKey bool // the ledger's signing key is not here: nothing is published but the change to the next one

	Today     time.Time // a day that a person has named by another clock than this machine's; zero: nobody has
	Witnesses Witnesses // who cosigns the ledger's checkpoints before they are served; zero: nobody
}

// Publisher is the room.
type Publisher struct {
	Rooms
	instance Instance
	ledger   *ledger.Ledger
	now      func() time.Time
}

// New opens the room, and the ledger with its signing key (the text form of c2sp.org/signed-note). It publishes nothing: see
// [Publisher.Sync]. Errors: ErrKey.
func New(ctx context.Context, rooms Rooms, signingKey string, instance Instance) (*Publisher, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "publish", sub); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	if rooms.Errors == nil {
		rooms.Errors = slog.New(slog.DiscardHandler)
	}
	p := &Publisher{Rooms: rooms, instance: instance, now: time.Now}
	logged, err := p.loggedPolicy(ctx)
	if err != nil {
		return nil, err
	}
	witnesses := instance.Witnesses
	if logged != witnesses.Policy() {
		if witnesses, err = witnesses.After(logged); err != nil {
			return nil, fmt.Errorf("publish: the policy of the newest statement: %w", err)
		}
	}
	witnesses.Errors = rooms.Errors
	if instance.WithoutKey {
		p.ledger, err = ledger.NewWithout(ctx, rooms.DB, rooms.Dir, witnesses, rooms.Incidents.Serve)
	} else {
		p.ledger, err = ledger.New(ctx, rooms.DB, rooms.Dir, signingKey, witnesses, rooms.Incidents.Serve)
	}
	if err != nil {
		return nil, err
	}
	p.ledger.Reload(func(vkey string) (string, error) {
		for _, file := range []string{LedgerKey, switchKey} { // where another process has put it, or is about to
			if is, err := isKey(rooms.Keys, file, vkey); err == nil && is {
				skey, err := rooms.Keys.Load(file)
				return string(skey), err
			}
		}
		return "", files.ErrNotExist
	})
	if err := rooms.Index.FinishEnding(ctx, rooms.Keys); err != nil {
		return nil, err
	}
	return p, nil
}

// alone refuses what somebody does alone and cannot be undone, once there is staff: it is proposed then, and a second person approves.
func (p *Publisher) alone(ctx context.Context, who actor.Actor, what string) error {
	if err := who.Check(what); err != nil || p.Staffed == nil {
		return err
	}
	staffed, err := p.Staffed(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if staffed {
		return fmt.Errorf("%s: %w", what, proposal.ErrWanted)
	}
	return nil
}

// loggedPolicy is the policy of witnesses that the newest statement names; "" where it names none.
func (p *Publisher) loggedPolicy(ctx context.Context) (string, error) {
	st, _, _, err := p.Index.Statement(ctx)
	if errors.Is(err, index.ErrNone) || err == nil && st.Ledger == nil {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("publish: %w", err)
	}
	return st.Ledger.Policy, nil
}

// CheckPolicy reports whether a policy of witnesses may follow the one that the newest statement names: what it names it
// wants for ever, or more. Errors: check.ErrPolicyWeaker.
func (p *Publisher) CheckPolicy(ctx context.Context, next string) error {
	logged, err := p.loggedPolicy(ctx)
	if err != nil || logged == "" {
		return err
	}
	was, err := check.ParsePolicy([]byte(logged))
	if err != nil {
		return err
	}
	is := 0
	if strings.TrimSpace(next) != "" {
		policy, err := check.ParsePolicy([]byte(next))
		if err != nil {
			return err
		}
		is = policy.Strength()
	}
	if is < was.Strength() {
		return hint.Add(fmt.Errorf("%w: the least number that is enough would be %d, and it is %d", check.ErrPolicyWeaker, is, was.Strength()),
			"everybody who has pinned this ledger refuses that: name as many witnesses, or more")
	}
	return nil
}

// Sync makes public what is committed and is not yet, as an interrupted process leaves it. Who publishes does it anyway, and
// so does a server when it starts and while it runs; what only reads an instance does not.
func (p *Publisher) Sync(ctx context.Context) error { return p.ledger.Sync(ctx) }

// VKey returns the public key that the ledger's checkpoints verify under, in the text form of c2sp.org/signed-note.
func (p *Publisher) VKey() string { return p.ledger.VKey() }

// Origin returns the name in the ledger's checkpoints.
func (p *Publisher) Origin() string { return p.ledger.Origin() }

// Handler serves the ledger: checkpoint, tiles, entries and the documents that they commit to.
func (p *Publisher) Handler(log *slog.Logger) http.Handler { return p.ledger.Handler(log) }

// Log is what serving the index needs of the ledger.
func (p *Publisher) Log() index.Log {
	return index.Log{Served: p.ledger.Served, Proof: p.ledger.Proof, Witnessed: p.ledger.Witnessed, Checkpoint: func() ([]byte, error) {
		signed, _, err := p.ledger.Checkpoint()
		return signed, err
	}}
}

// Standing is how far what the ledger serves is cosigned.
func (p *Publisher) Standing(ctx context.Context) (Standing, error) { return p.ledger.Standing(ctx) }

// Refusing is those of an instance's witnesses that did not cosign when they were asked last.
func Refusing(ctx context.Context, db *store.DB, w Witnesses) ([]ledger.Witness, error) {
	return ledger.Refusing(ctx, db, w)
}

// Standing is how far what a ledger serves is cosigned.
type Standing = ledger.Standing

// Witnesses are those who cosign a ledger's checkpoints, and the quorum of them.
type Witnesses = ledger.Witnesses

// ParseWitnesses reads a policy of witnesses (c2sp.org/tlog-policy without log lines).
func ParseWitnesses(policy string) (Witnesses, error) { return ledger.ParseWitnesses(policy) }

// NewLedgerKey makes a signing key for a ledger with the given origin, and its public key.
func NewLedgerKey(origin string) (skey, vkey string, err error) { return ledger.NewKey(origin) }

// LedgerVKey returns the public key that belongs to a signing key.
func LedgerVKey(skey string) (string, error) { return ledger.PublicKey(skey) }

// RecordedKey returns the public key that signs the ledger in a database; "" where there is none.
func RecordedKey(ctx context.Context, db *store.DB) (vkey string, err error) {
	return ledger.Current(ctx, db)
}

// own refuses to sign what others published as if it were a notice of theirs.
func (p *Publisher) own(ctx context.Context, id string) error {
	from, imported, err := p.Incidents.Provenance(ctx, id)
	if err != nil || !imported {
		return err
	}
	return hint.Add(fmt.Errorf("publish %s: %w (%s)", id, ErrImported, from.Dataset),
		"an organisation that answers for it itself records an incident of its own: shirase incident new --facts FILE")
}

// Record is how something came to be published.
type Record struct {
	LedgerIndex int64        `json:"ledgerIndex"`
	Kind        string       `json:"kind"` // of the entry: statement, notice or page
	Actor       string       `json:"actor"`
	Proposal    string       `json:"proposal"` // hex SHA-256
	Despite     string       `json:"despite,omitzero"`
	Differences []Difference `json:"differences,omitzero"`
	Time        time.Time    `json:"time"`
}

// Records returns how the entries about an incident came to be published, in their order. Those of before this was kept
// have none.
func (p *Publisher) Records(ctx context.Context, id string) ([]Record, error) {
	rows, err := p.DB.QueryContext(ctx, `SELECT ledger_index, kind, actor, proposal, despite, differences, recorded_at
		FROM publish_record WHERE incident = $1 ORDER BY ledger_index`, id)
	if err != nil {
		return nil, fmt.Errorf("how %s was published: %w", id, err)
	}
	defer rows.Close()
	var out []Record
	for rows.Next() {
		var r Record
		var differences string
		var at int64
		if err := rows.Scan(&r.LedgerIndex, &r.Kind, &r.Actor, &r.Proposal, &r.Despite, &differences, &at); err != nil {
			return nil, fmt.Errorf("how %s was published: %w", id, err)
		}
		if err := json.Unmarshal([]byte(differences), &r.Differences); err != nil {
			return nil, fmt.Errorf("how %s was published: entry %d: %w", id, r.LedgerIndex, err)
		}
		r.Time = store.FromMicros(at)
		out = append(out, r)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// append adds an entry to the ledger, with who did it and why.
func (p *Publisher) append(ctx context.Context, tx *sql.Tx, who actor.Actor, kind string, data []byte, about *Proposal) (int64, error) {
	at, _, err := p.ledger.Append(ctx, tx, kind, data)
	if err != nil {
		return 0, err
	}
	return at, p.keepRecord(ctx, tx, who, at, kind, about)
}

// keepRecord keeps beside an entry who did it and why.
func (p *Publisher) keepRecord(ctx context.Context, tx *sql.Tx, who actor.Actor, at int64, kind string, about *Proposal) error {
	r := Record{Actor: who.String()}
	id := ""
	if about != nil {
		id, r.Proposal, r.Despite, r.Differences = about.Incident, about.ID(), about.Despite, about.Differences
	}
	differences, err := json.Marshal(r.Differences, json.FormatNilSliceAsNull(false))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO publish_record (ledger_index, kind, incident, actor, proposal, despite, differences, recorded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, at, kind, id, r.Actor, r.Proposal, r.Despite, string(differences), store.Micros(p.now()))
	return err
}

// frame is what every statement says beside keys and incidents.
func (p *Publisher) frame(ctx context.Context) (index.Frame, error) {
	if err := p.ledger.TakeUp(ctx); err != nil { // a statement names the key that signs it
		return index.Frame{}, err
	}
	next, made, err := p.MakeSuccessor(ctx)
	if err != nil {
		return index.Frame{}, err
	}
	if made { // a folder from before there were such keys: whoever makes one now is told by the command
		p.Errors.Info("the key that is to follow the ledger's is made: take it away from this machine, and keep it", "file", NextKey)
	}
	return index.Frame{
		Ledger:      check.Signing{Key: check.VKeyHash(p.VKey()), Next: next, Policy: p.instance.Witnesses.Policy()},
		PhoneRegion: p.instance.PhoneRegion,
		Today:       p.instance.Today,
		Unreadable: func(ctx context.Context, id, revision string) (map[string]int64, error) {
			name, err := p.Index.Roster(ctx, id, revision)
			if err != nil || name == "" {
				return map[string]int64{}, err
			}
			r, err := p.Rosters.Named(ctx, id, name)
			if errors.Is(err, roster.ErrNone) {
				return map[string]int64{}, nil
			}
			return unreadable(r), err
		},
	}, nil
}

// unreadable counts, for a statement, whom a check by a kind that is indexed does not find because nobody could read them.
func unreadable(r roster.Roster) map[string]int64 {
	out := map[string]int64{}
	for _, kind := range r.Index {
		if n := r.Counts.Unfound(kind); n > 0 {
			out[string(kind)] = n
		}
	}
	if r.Counts.Invalid > 0 {
		out[check.Rows] = r.Counts.Invalid
	}
	return out
}

// Scope returns the roster that an incident's published revision was sealed from: what a statement says, and not what was
// scoped since. false where the statement has nothing sealed of it.
func (p *Publisher) Scope(ctx context.Context, st *check.Statement, id string) (roster.Roster, bool, error) {
	if st == nil {
		return roster.Roster{}, false, nil
	}
	in := st.Incident(id)
	if in == nil || !in.State.Sealed() {
		return roster.Roster{}, false, nil
	}
	name, err := p.Index.Roster(ctx, id, in.Revision)
	if err != nil || name == "" {
		return roster.Roster{}, false, err
	}
	r, err := p.Rosters.Named(ctx, id, name)
	if errors.Is(err, roster.ErrNone) {
		return roster.Roster{}, false, nil
	}
	return r, err == nil, err
}

// State is the state of an incident's scope as it would be published: as it is recorded or, where nothing says it, final
// with a roster and under investigation without one.
func (p *Publisher) State(ctx context.Context, inc incident.Incident) (string, error) {
	if s := inc.State(); s != "" {
		return s, nil
	}
	switch _, err := p.Rosters.Latest(ctx, inc.ID); {
	case errors.Is(err, roster.ErrNone):
		return incident.StateInvestigating, nil
	case err != nil:
		return "", err
	}
	return incident.StateFinal, nil
}
