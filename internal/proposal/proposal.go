// Package proposal is the room of what cannot be undone and needs a second person: publishing, mail, blocking, lifting, shredding,
// changing keys. A [Proposal] is of exact bytes: what would be done, worked out when it was proposed. It is worked out again when it is
// approved, and where it is not the same, to the byte, the proposal is void. So whoever approves has seen what is done, and nothing can
// be exchanged in between.
//
// The room knows nothing of what is proposed: each kind is an [Act], which a use case or the command brings.
package proposal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrNotFound says that there is no such proposal, or none that is theirs to see.
	ErrNotFound = errors.New("there is no such proposal")
	// ErrWanted says that something cannot be done at once: it has to be proposed, and approved by a second person.
	ErrWanted = errors.New("this needs a second person: it can only be proposed")
	// ErrSame says that whoever proposed something cannot approve it.
	ErrSame = errors.New("whoever proposes something cannot approve it")
	// ErrEarly says that one person alone may approve only after a delay: of what they proposed themselves, and of what the host did.
	ErrEarly = errors.New("it cannot be approved yet")
	// ErrChanged says that what would be done is not what was proposed any more.
	ErrChanged = errors.New("what would be done has changed since it was proposed")
	// ErrOver says that a proposal was approved, withdrawn or made void before, or has expired.
	ErrOver = errors.New("the proposal is not open any more")
	// ErrKind says that nobody knows how to do what is proposed.
	ErrKind = errors.New("there is no such kind of proposal")
	// ErrRule says that a rule of approval cannot be so.
	ErrRule = errors.New("approval cannot go so")
)

// An Act is a kind of proposal.
type Act struct {
	// Keys says that it is of the instance's keys and of no case: administrators propose it, and who approves has access to all cases.
	Keys bool
	// Also is what whoever proposes it has to be allowed in the case, beside to propose.
	Also actor.Permission
	// Plan works out what a request would do now. request is JSON; the same request in the same situation gives the same bytes.
	Plan func(ctx context.Context, who actor.Actor, incident string, request []byte) (Plan, error)
	// Do does it, and nothing else than what digest names: ErrChanged otherwise, where nothing of it was done; then it is void. It calls settle in the transaction in which it becomes
	// true; where there is no single one, settle is nil, Plan was compared before the first Do, and Do goes on where it was interrupted.
	Do func(ctx context.Context, who actor.Actor, incident string, request []byte, digest string, settle func(tx *sql.Tx) error) (result any, err error)
	// Single says that there is one transaction in which it becomes true.
	Single bool
	// Outlives says that it can be proposed when the case's key is gone: what is proposed then is kept in the clear, and names nobody.
	Outlives bool
}

// Plan is what would be done.
type Plan struct {
	Bytes  []byte // canonical JSON
	Effect Effect
}

// Digest names exactly what would be done.
func (p Plan) Digest() string {
	sum := sha256.Sum256(p.Bytes)
	return hex.EncodeToString(sum[:])
}

// Effect is what people are shown of a plan.
type Effect struct {
	Says   language.Text   `json:"says"`
	People int64           `json:"people"` // how many people it happens to; -1: nobody knows
	Unit   string          `json:"unit,omitzero"`
	Doubts []language.Text `json:"doubts,omitzero"` // what speaks against it
}

// State is how a proposal stands.
type State string

// The states.
const (
	Proposed  State = "proposed"
	Approved  State = "approved" // and not carried out yet
	Started   State = "started"  // it is being carried out, and goes on after an interruption
	Done      State = "done"
	Void      State = "void" // what would be done has changed
	Withdrawn State = "withdrawn"
	Expired   State = "expired"
)

// A Proposal is something that somebody wants to be done.
type Proposal struct {
	ID       string
	Kind     string
	Incident string
	Bytes    []byte
	Digest   string
	Effect   Effect

	Proposer string // as actor.Actor.String
	Person   string // their pseudonym
	At       time.Time
	Expires  time.Time
	Alone    time.Time // from when the same person may approve, and of the host's anybody; zero: never

	State    State
	Approver string
	Since    time.Time // since when the approver is one
	Approved time.Time
	Ended    time.Time
	Why      string // it is void, withdrawn, or could not be carried out yet
	Result   []byte // JSON, of what was done

	Unread error // why it cannot be read what it is of: ErrGone, or the case's key is away

	request []byte
	effect  string // as its row has it
	kept    int    // how its row is
}

// Act is the name of what a passkey confirms for an approval.
func (p *Proposal) Act() string { return "approve " + p.Digest }

// Host reports whether it was proposed from the host: by whom nobody knows, so that it may be whoever approves.
func (p *Proposal) Host() bool { return p.Person == actor.Operator().ID() }

// Rooms are what the room stands on.
type Rooms struct {
	DB   *store.DB
	Acts map[string]Act
	// Sealer gives what a case's proposals are sealed under: nil where the case has no key, ErrGone where that was destroyed. nil: none is sealed.
	Sealer func(ctx context.Context, incident string) (*store.Sealer, error)
	// Staffed says whether there is, or was, anybody who can be a second person.
	Staffed func(ctx context.Context) (bool, error)
	// Approvers counts those who may approve now, and those who may later.
	Approvers func(ctx context.Context) (int, error)
	// HostWait is how long what was proposed from the host waits before anybody may approve it.
	HostWait time.Duration
	// Gone says whether a person was removed from the staff; nil: nobody was.
	Gone func(ctx context.Context, person string) (bool, error)
	// Said is told, in its transaction, how approval is to go from now on; nil: nobody is.
	Said func(ctx context.Context, tx *sql.Tx, who actor.Actor, r Rule) error
	// Note is told, in its transaction, how a proposal stands; nil: nobody is.
	Note func(ctx context.Context, tx *sql.Tx, who actor.Actor, p *Proposal) error
}

// Proposals is the room.
type Proposals struct {
	Rooms
	now func() time.Time
}

// New opens the room and brings its tables up to date.
func New(ctx context.Context, rooms Rooms) (*Proposals, error) {
	if err := migrate(ctx, rooms.DB); err != nil {
		return nil, err
	}
	p := &Proposals{Rooms: rooms, now: time.Now}
	if err := p.seal(ctx, func(kind string) bool { return p.Acts[kind].Outlives }); err != nil {
		return nil, fmt.Errorf("proposal: %w", err)
	}
	return p, nil
}

func migrate(ctx context.Context, db *store.DB) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = db.Migrate(ctx, "proposal", sub)
	}
	if err != nil {
		return fmt.Errorf("proposal: %w", err)
	}
	return nil
}

// lasts is how long a proposal may be approved.
const lasts = 7 * 24 * time.Hour

// mayPropose and maySee say what kinds of incidents and of keys ask for.
func mayPropose(who actor.Actor, act Act, incident string) error {
	if act.Keys {
		return who.May(actor.Keys, "")
	}
	err := who.May(actor.Propose, incident)
	if err == nil {
		err = who.May(act.Also, incident)
	}
	return hidden(err)
}

func mayApprove(who actor.Actor, act Act, incident string) error {
	if act.Keys {
		incident = actor.Every
	}
	return hidden(who.May(actor.Approve, incident))
}

func maySee(who actor.Actor, act Act, incident string) error {
	if !act.Keys {
		return hidden(who.May(actor.See, incident))
	}
	for _, p := range []actor.Permission{actor.Keys, actor.Audit} {
		if who.May(p, "") == nil {
			return nil
		}
	}
	return mayApprove(who, act, incident)
}

// hidden gives for what is not theirs what is given for what is not there.
func hidden(err error) error {
	if errors.Is(err, actor.ErrHidden) {
		return ErrNotFound
	}
	return err
}

// Wanted reports whether what cannot be undone has to be proposed: there is, or was, staff.
func (p *Proposals) Wanted(ctx context.Context) (bool, error) { return p.Staffed(ctx) }

// Propose keeps a proposal: what a request would do, exactly. Nothing of it is done. Errors: ErrKind, ErrNotFound; those of planning.
func (p *Proposals) Propose(ctx context.Context, who actor.Actor, kind, incident string, request any) (*Proposal, error) {
	act, ok := p.Acts[kind]
	if !ok {
		return nil, fmt.Errorf("propose: %w: %q", ErrKind, kind)
	}
	if err := mayPropose(who, act, incident); err != nil {
		return nil, fmt.Errorf("propose to %s: %w", kind, err)
	}
	req, err := json.Marshal(request, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("propose to %s: %w", kind, err)
	}
	out, err := p.plan(ctx, who, kind, incident, req)
	if err == nil {
		err = p.DB.Update(ctx, func(tx *sql.Tx) error { return p.insert(ctx, tx, who, out) })
	}
	if err != nil {
		return nil, fmt.Errorf("propose to %s: %w", kind, err)
	}
	return out, nil
}

// plan works out a proposal, which nobody has kept yet.
func (p *Proposals) plan(ctx context.Context, who actor.Actor, kind, incident string, request []byte) (*Proposal, error) {
	plan, err := p.Acts[kind].Plan(ctx, who, incident, request)
	if err != nil {
		return nil, err
	}
	now := p.now().UTC().Truncate(time.Second)
	rule, err := p.alone(ctx, p.DB)
	if err != nil {
		return nil, err
	}
	out := &Proposal{ID: "v-" + strings.ToLower(rand.Text()[:10]), Kind: kind, Incident: incident, Bytes: plan.Bytes, Digest: plan.Digest(), Effect: plan.Effect,
		Proposer: who.String(), Person: who.ID(), At: now, Expires: now.Add(lasts), State: Proposed, request: request}
	switch {
	case who.Host():
		out.Alone = now.Add(max(p.HostWait, rule.Delay))
	case rule.Alone && who.Person():
		out.Alone = now.Add(rule.Delay)
	}
	return out, nil
}

func (p *Proposals) insert(ctx context.Context, tx *sql.Tx, who actor.Actor, x *Proposal) error {
	effect, err := json.Marshal(x.Effect, json.Deterministic(true))
	if err != nil {
		return err
	}
	b, err := p.box(ctx, x.Incident)
	if errors.Is(err, ErrGone) && p.Acts[x.Kind].Outlives {
		err = nil
	}
	if err != nil {
		return err
	}
	x.kept = b.mode()
	if _, err := tx.ExecContext(ctx, `INSERT INTO proposal (id, kind, incident, request, bytes, digest, effect, proposer, person, proposed_at, expires_at, alone_from, state,
		approver, since, approved_at, ended_at, claimed_at, why, result, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, '', 0, 0, 0, 0, '', $14, $15)`,
		x.ID, x.Kind, x.Incident, b.bytes(x.ID, "request", x.request), b.bytes(x.ID, "bytes", x.Bytes), x.Digest, b.text(x.ID, "effect", string(effect)), x.Proposer, x.Person, store.Micros(x.At), store.Micros(x.Expires), micros(x.Alone), string(Proposed), []byte{}, x.kept); err != nil {
		return err
	}
	return p.note(ctx, tx, who, x)
}

// HostFrom is from when anybody may approve what was proposed from the host.
func (p *Proposals) HostFrom(x *Proposal) time.Time {
	if x.Alone.IsZero() { // it is older than that this is kept
		return x.At.Add(p.HostWait)
	}
	return x.Alone
}

func (p *Proposals) note(ctx context.Context, tx *sql.Tx, who actor.Actor, of *Proposal) error {
	if p.Note == nil {
		return nil
	}
	return p.Note(ctx, tx, who, of)
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return store.Micros(t)
}

func fromMicros(m int64) time.Time {
	if m == 0 {
		return time.Time{}
	}
	return store.FromMicros(m)
}

const columns = `id, kind, incident, request, bytes, digest, effect, proposer, person, proposed_at, expires_at, alone_from, state, approver, since, approved_at, ended_at, why, result, sealed`

// scan reads a row, which unseal then opens.
func (p *Proposals) scan(row interface{ Scan(...any) error }) (*Proposal, error) {
	var x Proposal
	var state string
	var at, expires, alone, since, approved, ended int64
	err := row.Scan(&x.ID, &x.Kind, &x.Incident, &x.request, &x.Bytes, &x.Digest, &x.effect, &x.Proposer, &x.Person, &at, &expires, &alone, &state, &x.Approver, &since, &approved, &ended, &x.Why, &x.Result, &x.kept)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	x.At, x.Expires, x.Alone, x.Since, x.Approved, x.Ended, x.State = fromMicros(at), fromMicros(expires), fromMicros(alone), fromMicros(since), fromMicros(approved), fromMicros(ended), State(state)
	if x.State == Proposed && !p.now().Before(x.Expires) {
		x.State = Expired
	}
	return &x, nil
}

// read takes what is said of a proposal, in the clear. It is compared with what was proposed: a row that was edited is no proposal.
func (x *Proposal) read(effect string) error {
	if err := json.Unmarshal([]byte(effect), &x.Effect); err != nil {
		return fmt.Errorf("proposal %s: %w", x.ID, err)
	}
	if (Plan{Bytes: x.Bytes}).Digest() != x.Digest {
		return fmt.Errorf("proposal %s: %w: its row was edited", x.ID, ErrChanged)
	}
	return nil
}

// Get gives a proposal that they may see. Errors: ErrNotFound.
func (p *Proposals) Get(ctx context.Context, who actor.Actor, id string) (*Proposal, error) {
	x, err := p.get(ctx, p.DB, id)
	if err == nil {
		err = maySee(who, p.Acts[x.Kind], x.Incident)
	}
	if err != nil {
		return nil, fmt.Errorf("read proposal %s: %w", id, err)
	}
	return x, nil
}

func (p *Proposals) get(ctx context.Context, q store.Querier, id string) (*Proposal, error) {
	x, err := p.scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM proposal WHERE id = $1`, id))
	if err == nil {
		err = p.unseal(ctx, x)
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

// List gives the proposals that they may see, the newest first: those that are open, or all.
func (p *Proposals) List(ctx context.Context, who actor.Actor, all bool) ([]*Proposal, error) {
	if err := who.Check("list proposals"); err != nil {
		return nil, err
	}
	rows, err := p.DB.QueryContext(ctx, `SELECT `+columns+` FROM proposal ORDER BY proposed_at DESC, id`)
	if err != nil {
		return nil, fmt.Errorf("list proposals: %w", err)
	}
	defer rows.Close()
	var out []*Proposal
	for rows.Next() {
		x, err := p.scan(rows)
		if err != nil {
			return nil, fmt.Errorf("list proposals: %w", err)
		}
		if maySee(who, p.Acts[x.Kind], x.Incident) != nil || !all && x.State != Proposed && x.State != Approved && x.State != Started {
			continue
		}
		out = append(out, x)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("list proposals: %w", err)
	}
	for _, x := range out { // now that no row is waited for: a key is looked up for each
		if err := p.unseal(ctx, x); err != nil {
			return nil, fmt.Errorf("list proposals: %w", err)
		}
	}
	return out, nil
}

// Withdraw ends a proposal that is open: by whoever could propose or approve it. Errors: ErrNotFound, ErrOver.
func (p *Proposals) Withdraw(ctx context.Context, who actor.Actor, id, why string) (*Proposal, error) {
	x, err := p.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	act := p.Acts[x.Kind]
	if err := mayPropose(who, act, x.Incident); err != nil && mayApprove(who, act, x.Incident) != nil {
		return nil, fmt.Errorf("withdraw proposal %s: %w", id, err)
	}
	if len(why) > 4000 {
		return nil, fmt.Errorf("withdraw proposal %s: a reason has at most 4,000 bytes", id)
	}
	if err := p.end(ctx, who, x, Withdrawn, why, Proposed, Approved); err != nil {
		return nil, fmt.Errorf("withdraw proposal %s: %w", id, err)
	}
	return p.Get(ctx, who, id)
}

// end moves a proposal on, if it is still in one of some states.
func (p *Proposals) end(ctx context.Context, who actor.Actor, x *Proposal, to State, why string, from ...State) error {
	return p.DB.Update(ctx, func(tx *sql.Tx) error {
		now, err := p.get(ctx, tx, x.ID)
		if err != nil {
			return err
		}
		for _, f := range from {
			if now.State == f {
				return p.endIn(ctx, tx, who, now, to, why)
			}
		}
		return fmt.Errorf("%w: it is %s", ErrOver, now.State)
	})
}

// Rule is how approval goes.
type Rule struct {
	Alone   bool          // one person may approve what they proposed themselves, after Delay
	Delay   time.Duration //
	At      time.Time     // when it was said; zero: never, and a second person is wanted
	By      string
	Applies time.Time // to what is proposed from then on
}

// Rule gives the rule that applies now.
func (p *Proposals) Rule(ctx context.Context) (Rule, error) {
	return p.rule(ctx, p.DB)
}

func (p *Proposals) rule(ctx context.Context, q store.Querier) (Rule, error) {
	all, err := p.rules(ctx, q)
	var rule Rule
	for _, r := range all {
		if !r.Applies.After(p.now()) {
			rule = r
		}
	}
	return rule, err
}

// Rules gives every rule that was ever said, the oldest first, those to come too.
func (p *Proposals) Rules(ctx context.Context) ([]Rule, error) {
	return p.rules(ctx, p.DB)
}

// Pending gives the rules that were said and do not apply yet.
func (p *Proposals) Pending(ctx context.Context) (out []Rule, err error) {
	all, err := p.Rules(ctx)
	for _, r := range all {
		if r.Applies.After(p.now()) {
			out = append(out, r)
		}
	}
	return out, err
}

func (p *Proposals) rules(ctx context.Context, q store.Querier) ([]Rule, error) {
	rows, err := q.QueryContext(ctx, `SELECT at, by, alone, delay, applies FROM proposal_rule ORDER BY seq`)
	if err != nil {
		return nil, fmt.Errorf("read how approval goes: %w", err)
	}
	defer rows.Close()
	var out []Rule
	for rows.Next() {
		var r Rule
		var at, delay, applies int64
		if err := rows.Scan(&at, &r.By, &r.Alone, &delay, &applies); err != nil {
			return nil, fmt.Errorf("read how approval goes: %w", err)
		}
		r.At, r.Delay, r.Applies = store.FromMicros(at), time.Duration(delay)*time.Microsecond, store.FromMicros(applies)
		out = append(out, r)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Bounds of the delay of one person alone, and how long a weaker rule waits before it applies.
const (
	minDelay = time.Hour
	maxDelay = 30 * 24 * time.Hour
	ruleWait = 24 * time.Hour
)

// SetRule says how approval goes: with alone, one person may approve what they proposed themselves after a delay of an hour to 30 days.
// That applies to what is proposed a day later, or after the delay before where that is longer, so that whoever has come in by force is
// seen first; a second person is wanted again at once. Where two people can approve, there is no reason for it. Errors: ErrRule.
func (p *Proposals) SetRule(ctx context.Context, who actor.Actor, alone bool, delay time.Duration) (Rule, error) {
	if err := who.May(actor.People, ""); err != nil {
		return Rule{}, fmt.Errorf("say how approval goes: %w", err)
	}
	if who.Person() {
		if err := who.Confirmed(RuleAct(alone, delay)); err != nil {
			return Rule{}, fmt.Errorf("say how approval goes: %w", err)
		}
	}
	now := p.now().UTC().Truncate(time.Second)
	rule := Rule{Alone: alone, Delay: delay, At: now, By: who.String(), Applies: now}
	if alone {
		n, err := p.Approvers(ctx)
		if err != nil {
			return Rule{}, err
		}
		switch {
		case n > 1:
			return Rule{}, hint.Add(fmt.Errorf("say how approval goes: %w: there are %d approvers, and one can approve what another proposes", ErrRule, n), "a delay in the place of a second person is for organisations of one")
		case delay < minDelay || delay > maxDelay:
			return Rule{}, fmt.Errorf("say how approval goes: %w: a delay is from %s to %s", ErrRule, minDelay, maxDelay)
		}
		before, err := p.Rule(ctx)
		if err != nil {
			return Rule{}, err
		}
		rule.Applies = now.Add(max(ruleWait, before.Delay))
	} else {
		rule.Delay = 0
	}
	err := p.DB.Update(ctx, func(tx *sql.Tx) error {
		var n int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM proposal_rule`).Scan(&n); err != nil {
			return err
		}
		if !alone { // nothing weaker that was said and does not apply yet comes after it
			if _, err := tx.ExecContext(ctx, `UPDATE proposal_rule SET applies = $1 WHERE applies > $1`, store.Micros(now)); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO proposal_rule (seq, at, by, alone, delay, applies) VALUES ($1, $2, $3, $4, $5, $6)`, n+1, store.Micros(now), rule.By, alone, rule.Delay.Microseconds(), store.Micros(rule.Applies)); err != nil {
			return err
		}
		if p.Said == nil {
			return nil
		}
		return p.Said(ctx, tx, who, rule)
	})
	if err != nil {
		return Rule{}, fmt.Errorf("say how approval goes: %w", err)
	}
	return rule, nil
}

// RuleAct is the name of what a passkey confirms for a rule.
func RuleAct(alone bool, delay time.Duration) string {
	if !alone {
		return "approval by a second person"
	}
	return "approval alone after " + delay.String()
}
