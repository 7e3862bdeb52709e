// Package gate decides whether a request, or a login, may pass: it is asked by reverse proxies, by identity providers and by
// applications (docs/GATE.md), and answers from memory.
//
// What is to be stopped is declared in a case: a route, or the accounts of the case's roster. [Gate] is the record of that, in the
// database; [Node] is what a server knows of it, and follows it. A node that cannot read the database goes on with what it knew last,
// and says how old that is; what it does where it never knew anything is chosen for each route. That is no denial, and is never told as one.
//
// Accounts are found by keyed hashes under the case's key. No list of them is kept anywhere.
package gate

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrInput says that something cannot be taken.
	ErrInput = errors.New("cannot be taken")
	// ErrNotFound says that nothing of that name is in force, or is theirs to see.
	ErrNotFound = errors.New("there is nothing of that name at the gate")
	// ErrWanted says that a second person has to approve it.
	ErrWanted = errors.New("the gate is moved by two people: it can only be proposed")
	// ErrNobody says that the roster has nobody who could be found at a login.
	ErrNobody = errors.New("the roster has nobody who could be found at a login")
	// ErrAway says that nothing is known yet of what is in force.
	ErrAway = errors.New("what is in force at the gate is not known yet")
)

// State is how a route stands.
type State string

// The states of a route, each above those before it where several are in force.
const (
	Open        State = "open"
	Closed      State = "closed"      // nobody signs in by it
	Maintenance State = "maintenance" // nothing is answered but that, and why
)

// Hold is what the accounts of a roster meet.
type Hold string

// The holds, each above those before it where an account is in several.
const (
	Notice  Hold = "notice"  // are told once what happened, and go on
	Reset   Hold = "reset"   // go on once they have a new password
	Blocked Hold = "blocked" // do not go on
)

var holds = []Hold{Blocked, Reset, Notice}

// Spec is what is declared. It stands as it was approved: an edit of the routes' file changes nothing that is in force.
type Spec struct {
	Route string   `json:"route,omitzero"`
	State State    `json:"state,omitzero"`
	Paths []string `json:"paths,omitzero"`

	Accounts Hold   `json:"accounts,omitzero"`
	Roster   string `json:"roster,omitzero"`
	People   int64  `json:"people,omitzero"`
	URL      string `json:"url,omitzero"` // where the password is set anew

	Why   string        `json:"why"`
	Until string        `json:"until,omitzero"` // when it is expected to be over, as a moment
	Says  language.Text `json:"says,omitzero"`  // to whoever is stopped
}

// Block is something that was declared.
type Block struct {
	ID       string
	Incident string
	Round    string
	Since    time.Time
	By       string
	Lifted   time.Time // zero: it is in force
	LiftedBy string
	WhyLift  string
	Spec
}

// Rooms are what the room stands on.
type Rooms struct {
	DB   *store.DB
	Dir  *files.Dir
	Keys *files.Keys
	// Latest and Members give the roster of a case, and whom it has.
	Latest  func(ctx context.Context, incident string) (roster.Roster, error)
	Named   func(ctx context.Context, incident, id string) (roster.Roster, error)
	Members func(ctx context.Context, of roster.Roster) iter.Seq2[roster.Member, error]
	// Known reports whether there is, or was, a case of an id; nil: there is every one.
	Known func(ctx context.Context, incident string) (bool, error)
	// Record is told, in its transaction, what was done at the gate in a case without a proposal; nil: nobody is.
	Record func(ctx context.Context, tx *sql.Tx, who actor.Actor, p *Plan) error
	// Told is told, in its transaction, that somebody was shown a notice at their login and has read it; nil: nobody is.
	Told func(ctx context.Context, tx *sql.Tx, incident string, a Account) error
	// Wanted reports whether a second person has to approve; nil: nobody has.
	Wanted func(ctx context.Context) (bool, error)
	// ResetURL is where passwords are set anew, unless something else is said; "": nobody has said.
	ResetURL string
	Rules    Rules
	Now      func() time.Time
}

// Gate is the room.
type Gate struct {
	Rooms
	poked []func() // nodes of this process, which look at once
}

// New opens the room and brings its tables up to date.
func New(ctx context.Context, rooms Rooms) (*Gate, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "gate", sub); err != nil {
		return nil, fmt.Errorf("gate: %w", err)
	}
	if rooms.Now == nil {
		rooms.Now = time.Now
	}
	return &Gate{Rooms: rooms}, nil
}

// poke has the nodes of this process look now.
func (g *Gate) poke() {
	for _, p := range g.poked {
		p()
	}
}

const columns = `id, incident, spec, round, since, actor, lifted_at, lifted_by, lifted_why`

func scan(row interface{ Scan(...any) error }) (Block, error) {
	var b Block
	var spec string
	var since, lifted int64
	if err := row.Scan(&b.ID, &b.Incident, &spec, &b.Round, &since, &b.By, &lifted, &b.LiftedBy, &b.WhyLift); err != nil {
		return b, err
	}
	b.Since = store.FromMicros(since)
	if lifted != 0 {
		b.Lifted = store.FromMicros(lifted)
	}
	if err := json.Unmarshal([]byte(spec), &b.Spec); err != nil {
		return b, fmt.Errorf("what is in force at the gate: %w", err)
	}
	return b, nil
}

func blocks(ctx context.Context, q store.Querier, where string, args ...any) ([]Block, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM gate_block WHERE `+where+` ORDER BY since, id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Block
	for rows.Next() {
		b, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// InForce gives what is in force, of all cases that they may see; of one, where it is named.
func (g *Gate) InForce(ctx context.Context, who actor.Actor, incident string) ([]Block, error) {
	all, err := blocks(ctx, g.DB, `lifted_at = 0 AND (incident = $1 OR $1 = '')`, incident)
	return seen(who, all), wrap("read the gate", err)
}

// History gives everything that was ever declared in a case that they may see, the oldest first.
func (g *Gate) History(ctx context.Context, who actor.Actor, incident string) ([]Block, error) {
	all, err := blocks(ctx, g.DB, `incident = $1`, incident)
	return seen(who, all), wrap("read the gate", err)
}

func seen(who actor.Actor, all []Block) []Block {
	var out []Block
	for _, b := range all {
		if who.Sees(b.Incident) {
			out = append(out, b)
		}
	}
	return out
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, store.InWords(err))
}

// RouteStatus is how a route stands.
type RouteStatus struct {
	Name  string
	State State
	Since time.Time // zero: it was never closed
	By    string
	Why   string
	Cases []string // that have closed it
}

// Status is how the gate stands.
type Status struct {
	Routes   []RouteStatus
	Accounts map[Hold]int64 // how many are held
}

// Status says how all routes stand, and how many accounts are held. What is of a case that they may not see is counted and shown too,
// without its name and reason: whether one can sign in is no secret of a case.
func (g *Gate) Status(ctx context.Context, who actor.Actor) (Status, error) {
	if err := who.Check("read the gate"); err != nil {
		return Status{}, err
	}
	out := Status{Accounts: map[Hold]int64{Blocked: 0, Reset: 0, Notice: 0}}
	all, err := blocks(ctx, g.DB, `1 = 1`)
	if err != nil {
		return out, wrap("read the gate", err)
	}
	routes := map[string]*RouteStatus{}
	order := []string{}
	route := func(name string) *RouteStatus {
		if routes[name] == nil {
			routes[name] = &RouteStatus{Name: name, State: Open}
			order = append(order, name)
		}
		return routes[name]
	}
	for _, r := range g.Rules.Routes {
		route(r.Name)
	}
	for _, b := range all {
		switch {
		case b.Route != "":
			route(b.Route).add(who, b)
		case b.Lifted.IsZero():
			cleared, err := g.clearedIn(ctx, g.DB, b.Round)
			if err != nil {
				return out, wrap("read the gate", err)
			}
			out.Accounts[b.Accounts] += max(b.People-cleared, 0)
		}
	}
	for _, name := range order {
		out.Routes = append(out.Routes, *routes[name])
	}
	return out, nil
}

// add takes in what was declared of a route, in its order.
func (r *RouteStatus) add(who actor.Actor, b Block) {
	rank := map[State]int{Open: 0, Closed: 1, Maintenance: 2}
	switch {
	case b.Lifted.IsZero():
		if rank[b.State] > rank[r.State] {
			r.State, r.Since, r.By, r.Why = b.State, b.Since, b.By, ""
			if who.Sees(b.Incident) {
				r.Why = b.Why
			}
		}
		if who.Sees(b.Incident) {
			r.Cases = append(r.Cases, b.Incident)
		}
	case r.State == Open && b.Lifted.After(r.Since):
		r.Since, r.By, r.Why = b.Lifted, b.LiftedBy, ""
		if who.Sees(b.Incident) {
			r.Why = b.WhyLift
		}
	}
}

func (g *Gate) clearedIn(ctx context.Context, q store.Querier, round string) (n int64, err error) {
	err = q.QueryRowContext(ctx, `SELECT count(*) FROM gate_cleared WHERE round = $1 AND first`, round).Scan(&n)
	return n, err
}

// Done gives how many accounts have done what a hold asks: they have a new password, or have read the notice.
func (g *Gate) Done(ctx context.Context, b Block) (int64, error) {
	n, err := g.clearedIn(ctx, g.DB, b.Round)
	return min(n, b.People), wrap("read the gate", err)
}

// newID makes the name of something new.
func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()[:10]) }

// bump says that nodes have to look anew.
func bump(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE gate_state SET version = version + 1 WHERE id = 1`)
	return err
}

// mayDeclare says whether somebody may move the gate in a case, and mayPlan whether they may see what that would do: whoever approves it
// has it worked out again.
func mayDeclare(who actor.Actor, incident string) error {
	err := who.May(actor.Propose, incident)
	if errors.Is(err, actor.ErrHidden) {
		return ErrNotFound
	}
	return err
}

func mayPlan(who actor.Actor, incident string) error {
	err := mayDeclare(who, incident)
	if err != nil && who.May(actor.Approve, incident) == nil {
		return nil
	}
	return err
}

// unknown says that a route is not one of the settings'.
func (g *Gate) unknown(name string) error {
	names := []string{}
	for _, r := range g.Rules.Routes {
		names = append(names, r.Name)
	}
	if len(names) == 0 {
		return hint.Add(fmt.Errorf("%w: there is no route %q: no routes are set", ErrInput, name), "write them into a file, and name it: shirase config set gate.file routes.yaml (docs/handbook/contain.md)")
	}
	return hint.Add(fmt.Errorf("%w: there is no route %q", ErrInput, name), "the routes are "+strings.Join(names, ", "))
}
