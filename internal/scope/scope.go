// Package scope is how people work out, together, who is affected: an export of accounts is taken in as evidence is, rules are
// written and tried on it, what two scopes differ by is counted, and a roster is made, whose figures are proposed as facts. It is the
// use case over rosters, cases and facts; what rules mean is internal/roster's alone.
//
// A run goes on in the server when whoever began it has left. It holds the incident, as the command line does, so that there is one at
// a time; it is cancelled by anybody who could begin it. A dry run writes nothing but what it found out; a commit makes the roster in
// one transaction. A server that is killed leaves neither half done, and the next one says of the run that it was interrupted, or that
// its roster was made.
package scope

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrNotFound says that there is no such run, or that the case is not theirs to know.
	ErrNotFound = response.ErrNotFound
	// ErrStale says that somebody else has saved rules since they were read. Nothing was saved.
	ErrStale = errors.New("the rules have changed since they were read")
	// ErrNotDone says that something is asked of a run that has not come to its end.
	ErrNotDone = errors.New("that run has not come to its end")
	// ErrCancelled ends a run that somebody has cancelled.
	ErrCancelled = errors.New("it was cancelled")
	// ErrFolder reports an export that is not in the folder that the settings name.
	ErrFolder = errors.New("there is no such export in the folder")
)

// Rooms are what a scope is made from.
type Rooms struct {
	DB        *store.DB
	Rosters   *roster.Rosters
	Cases     *response.Cases
	Incidents *incident.Incidents

	// Hold takes an incident for long work, with what is done; files.ErrHeld says who is at it.
	Hold func(incident, what string) (release func(), err error)
	// Space gives the bytes that are left on the disk of Temp; negative where nobody knows.
	Space func() (int64, error)
	Temp  string // folder for sorting, sealed

	Folder      string // on this machine, exports in which may be taken in by name; "": none
	PhoneRegion string // by which numbers without + are read
	Rows        int64  // the most of an export; 0: as many as there are
	Spare       int64  // bytes that stay free on the disk
	Moved       func() // is told whenever a run has moved; nil: nobody is
}

// Scopes is the room.
type Scopes struct {
	Rooms
	now func() time.Time

	mu      sync.Mutex
	over    bool
	running map[string]context.CancelCauseFunc // by the run's key: those of this process
	all     sync.WaitGroup
}

// New opens the room and brings its tables up to date.
func New(ctx context.Context, rooms Rooms) (*Scopes, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("scope: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "scope", sub); err != nil {
		return nil, fmt.Errorf("scope: %w", err)
	}
	if rooms.Moved == nil {
		rooms.Moved = func() {}
	}
	return &Scopes{Rooms: rooms, now: time.Now, running: map[string]context.CancelCauseFunc{}}, nil
}

// may asks whether somebody may do something; of a case that is not theirs they hear what is said of one that is not there.
func may(who actor.Actor, p actor.Permission, id string) error {
	err := who.May(p, id)
	if errors.Is(err, actor.ErrHidden) {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("scope of %s: %w", id, err)
	}
	return nil
}

// Rules are a version of the rules of an incident's scope, as they were written.
type Rules struct {
	Seq   int64 // 0: none were saved yet
	Saved time.Time
	By    string
	Text  string
}

// maxText bounds the text of rules, in bytes.
const maxText = 64 << 10

// Template is what the first rules begin with.
const Template = `# Names of columns as the export has them. 列の名前は、エクスポートの見出しのとおりに。
columns: {account: member_id, email: mail}
index: [email]
exclude:
  - {name: foreign, when: 'country != "JP"'}
sets:
  - {when: 'nickname != ""', classes: [email, "password:hashed", nickname]}
  - {classes: [email, "password:hashed"]}
`

func rulesIn(id string, seq int64) string { return fmt.Sprintf("scope_rules.text %s %d", id, seq) }

// Rules gives the newest version of an incident's rules, or version seq of them where it is not 0.
func (s *Scopes) Rules(ctx context.Context, who actor.Actor, id string, seq int64) (Rules, error) {
	if err := may(who, actor.See, id); err != nil {
		return Rules{}, err
	}
	var r Rules
	var at int64
	var sealed []byte
	err := s.DB.QueryRowContext(ctx, `SELECT seq, saved_at, actor, text FROM scope_rules WHERE incident = $1 AND (seq = $2 OR $2 = 0) ORDER BY seq DESC LIMIT 1`, id, seq).Scan(&r.Seq, &at, &r.By, &sealed)
	if errors.Is(err, sql.ErrNoRows) && seq == 0 {
		return Rules{Text: Template}, nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err == nil {
		var sealer *store.Sealer
		if sealer, err = s.Rosters.Sealer(ctx, id, false); err == nil {
			sealed, err = sealer.Open(rulesIn(id, r.Seq), sealed)
		}
	}
	if err != nil {
		return Rules{}, fmt.Errorf("scope of %s: its rules: %w", id, err)
	}
	r.Text, r.Saved = string(sealed), store.FromMicros(at).UTC()
	return r, nil
}

// SaveRules keeps a new version of an incident's rules, if they can be used; the version that is there where they are the same.
// read is the version that was read, 0 where there was none. Errors: roster.ErrRules, with line and remedy; ErrStale.
func (s *Scopes) SaveRules(ctx context.Context, who actor.Actor, id, text string, read int64) (Rules, error) {
	if err := may(who, actor.Write, id); err != nil {
		return Rules{}, err
	}
	text = strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n \t") + "\n"
	if _, err := parse(text); err != nil {
		return Rules{}, err
	}
	now, err := s.Rules(ctx, who, id, 0)
	if err != nil || now.Seq > 0 && now.Text == text {
		return now, err
	}
	sealer, err := s.Rosters.Sealer(ctx, id, false)
	if err != nil {
		return Rules{}, fmt.Errorf("scope of %s: %w", id, err)
	}
	made := Rules{Text: text, By: who.String(), Saved: s.now().UTC()}
	err = s.DB.Update(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) + 1 FROM scope_rules WHERE incident = $1`, id).Scan(&made.Seq); err != nil {
			return err
		}
		if made.Seq != read+1 {
			return ErrStale
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO scope_rules (incident, seq, saved_at, actor, text) VALUES ($1, $2, $3, $4, $5)`, id, made.Seq, store.Micros(made.Saved), made.By, sealer.Seal(rulesIn(id, made.Seq), []byte(text)))
		return err
	})
	if err != nil {
		return Rules{}, fmt.Errorf("scope of %s: %w", id, err)
	}
	return made, nil
}

// rulesFile is what the rules are called in messages: rules.yaml:3: ...
const rulesFile = "rules.yaml"

func parse(text string) (*roster.Rules, error) {
	if len(text) > maxText {
		return nil, hint.Add(fmt.Errorf("%w: they have more than %d bytes", roster.ErrRules, maxText), "join rules that differ little")
	}
	return roster.ParseRules(rulesFile, []byte(text), incident.ClassWords())
}

// State is how a run stands.
type State string

// The states of a run.
const (
	Running     State = "running"
	Done        State = "done"
	Failed      State = "failed"
	Cancelled   State = "cancelled"
	Interrupted State = "interrupted" // the server ended in the middle of it
)

// A Run is one pass of an export through rules.
type Run struct {
	Incident string
	Seq      int64
	Commit   bool // it made a roster; else it was a dry run
	State    State
	By       string
	Export   int64 // the entry of the export in the case's record
	Rules    int64 // their version
	Began    time.Time
	Ended    time.Time // zero: it runs
	Stopping bool
	Progress roster.Progress
	Outcome  // what it found out
}

// Outcome is what a run found out. It holds no identifier.
type Outcome struct {
	Counts     roster.Counts     `json:"counts"`
	Accounts   bool              `json:"accounts"` // the export has a column of accounts: else every row is one
	Study      roster.Study      `json:"study"`
	Difference roster.Difference `json:"difference,omitzero"` // to the roster that was current before; nil: there was none
	Sets       [][]string        `json:"sets,omitzero"`
	Roster     string            `json:"roster,omitzero"` // that was made
	Error      string            `json:"error,omitzero"`
	Remedy     string            `json:"remedy,omitzero"`
}

// Records counts the rows of those affected.
func (o Outcome) Records() int64 { return o.Counts.Affected + o.Counts.Duplicates }

// Persons gives the least and the most persons that the affected accounts can be: an account belongs to one person at most, and who
// has an address of their own is one. Nobody can count persons in an export.
func (o Outcome) Persons() (low, high int64) {
	for _, n := range o.Counts.Identities {
		low = max(low, n)
	}
	return min(low, o.Counts.Affected), o.Counts.Affected
}

func outcomeIn(id string, seq int64) string { return fmt.Sprintf("scope_run.outcome %s %d", id, seq) }

const runColumns = `seq, kind, state, actor, export, rules, began_at, ended_at, stop, stage, done, total, outcome`

func scanRun(scan func(...any) error, id string, sealer *store.Sealer) (Run, error) {
	r := Run{Incident: id}
	var kind string
	var began, stop int64
	var ended sql.NullInt64
	var sealed []byte
	if err := scan(&r.Seq, &kind, &r.State, &r.By, &r.Export, &r.Rules, &began, &ended, &stop, &r.Progress.Stage, &r.Progress.Done, &r.Progress.Total, &sealed); err != nil {
		return r, err
	}
	r.Commit, r.Stopping, r.Began = kind == "commit", stop != 0, store.FromMicros(began).UTC()
	if ended.Valid {
		r.Ended = store.FromMicros(ended.Int64).UTC()
	}
	if len(sealed) > 0 {
		text, err := sealer.Open(outcomeIn(id, r.Seq), sealed)
		if err == nil {
			err = json.Unmarshal(text, &r.Outcome)
		}
		if err != nil {
			return r, fmt.Errorf("run %d: %w", r.Seq, err)
		}
	}
	return r, nil
}

// Runs gives the runs of an incident, the newest first, at most n. Samples are for who writes the scope: others see them without.
func (s *Scopes) Runs(ctx context.Context, who actor.Actor, id string, n int) ([]Run, error) {
	if err := may(who, actor.See, id); err != nil {
		return nil, err
	}
	return s.runs(ctx, who, id, `SELECT `+runColumns+` FROM scope_run WHERE incident = $1 ORDER BY seq DESC LIMIT $2`, id, n)
}

// Run gives one of them.
func (s *Scopes) Run(ctx context.Context, who actor.Actor, id string, seq int64) (Run, error) {
	if err := may(who, actor.See, id); err != nil {
		return Run{}, err
	}
	list, err := s.runs(ctx, who, id, `SELECT `+runColumns+` FROM scope_run WHERE incident = $1 AND seq = $2`, id, seq)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("scope of %s: run %d: %w", id, seq, ErrNotFound)
	}
	if err != nil {
		return Run{}, err
	}
	return list[0], nil
}

func (s *Scopes) runs(ctx context.Context, who actor.Actor, id, query string, args ...any) ([]Run, error) {
	sealer, err := s.Rosters.Sealer(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("scope of %s: %w", id, err)
	}
	rows, err := s.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("scope of %s: %w", id, err)
	}
	defer rows.Close()
	var out []Run
	for rows.Next() {
		r, err := scanRun(rows.Scan, id, sealer)
		if err != nil {
			return nil, fmt.Errorf("scope of %s: %w", id, err)
		}
		if who.May(actor.Write, id) != nil {
			for i := range r.Study.Samples {
				r.Study.Samples[i].Picked = nil
			}
		}
		out = append(out, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("scope of %s: %w", id, err)
	}
	return out, nil
}

// Versions gives, by incident, a number that grows whenever a run of it moves.
func (s *Scopes) Versions(ctx context.Context) (map[string]int64, error) {
	rows, err := s.DB.QueryContext(ctx, `SELECT incident, CAST(sum(moved) AS BIGINT) FROM scope_run GROUP BY incident`)
	if err != nil {
		return nil, fmt.Errorf("scope: %w", err)
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var id string
		var n int64
		if err := rows.Scan(&id, &n); err != nil {
			return nil, fmt.Errorf("scope: %w", err)
		}
		out[id] = n
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
