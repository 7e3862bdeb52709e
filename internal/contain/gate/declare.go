package gate

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// Kinds of proposals.
const (
	KindBlock = "block" // at the gate
	KindLift  = "lift"
)

// Asked is what somebody wants to be done at the gate.
type Asked struct {
	Route    string `json:"route,omitzero"`
	State    State  `json:"state,omitzero"`    // of a route that is to be closed
	Accounts Hold   `json:"accounts,omitzero"` // of the case's roster
	All      bool   `json:"all,omitzero"`      // of what is to be lifted: everything of the case

	Why   string        `json:"why"`
	Until string        `json:"until,omitzero"`
	URL   string        `json:"url,omitzero"`
	Says  language.Text `json:"says,omitzero"`
}

// Plan is what would be done at the gate, exactly.
type Plan struct {
	Incident string
	Bytes    []byte
	Says     language.Text
	People   int64 // whom it happens to; -1: nobody knows
	Doubts   []language.Text

	Kind     string
	Why      string
	block    Block
	replaces []Block // which end with it
	roster   roster.Roster
}

// Digest names exactly what would be done.
func (p *Plan) Digest() string {
	sum := sha256.Sum256(p.Bytes)
	return hex.EncodeToString(sum[:])
}

// planned is the form of a plan in which it is approved.
type planned struct {
	V        int      `json:"v"`
	Kind     string   `json:"kind"`
	Incident string   `json:"incident"`
	Spec     *Spec    `json:"spec,omitzero"`
	Ends     []ending `json:"ends,omitzero"` // what is in force, and ends by it
	Why      string   `json:"why"`
}

type ending struct {
	Block string `json:"block"`
	Spec  Spec   `json:"spec"`
}

// Plan works out what a request would do now. kind is [KindBlock] or [KindLift]. Errors: ErrInput, ErrNotFound, ErrNobody.
func (g *Gate) Plan(ctx context.Context, who actor.Actor, kind, incident string, asked Asked) (*Plan, error) {
	if err := mayPlan(who, incident); err != nil {
		return nil, fmt.Errorf("plan at the gate: %w", err)
	}
	if err := asked.check(kind); err != nil {
		return nil, fmt.Errorf("plan at the gate: %w", err)
	}
	if g.Known != nil {
		if known, err := g.Known(ctx, incident); err != nil || !known {
			return nil, errors.Join(err, hint.Add(fmt.Errorf("plan at the gate: %w: there is no case %s", ErrNotFound, incident), "shirase case list"))
		}
	}
	force, err := blocks(ctx, g.DB, `lifted_at = 0 AND incident = $1`, incident)
	if err != nil {
		return nil, wrap("plan at the gate", err)
	}
	var p *Plan
	if kind == KindLift {
		p, err = g.planLift(force, asked)
	} else {
		p, err = g.planBlock(ctx, incident, force, asked)
	}
	if err != nil {
		return nil, fmt.Errorf("plan at the gate: %w", err)
	}
	p.Incident, p.Kind, p.Why = incident, kind, asked.Why
	doc := planned{V: 1, Kind: kind, Incident: incident, Why: asked.Why}
	if kind == KindBlock {
		doc.Spec = &p.block.Spec
	}
	for _, b := range p.replaces {
		doc.Ends = append(doc.Ends, ending{b.ID, b.Spec})
	}
	p.Says = language.Both(p.Says.JA+"理由："+asked.Why, p.Says.EN+" Why: "+asked.Why)
	p.Bytes, err = json.Marshal(doc, json.Deterministic(true))
	return p, err
}

// Limits of what is said at the gate.
const (
	maxWhy  = 2000
	maxSays = 2000
)

func (a Asked) check(kind string) error {
	if strings.TrimSpace(a.Why) == "" || len(a.Why) > maxWhy {
		return hint.Add(fmt.Errorf("%w: a reason of 1 to %d bytes is wanted: it stands in the record of the case", ErrInput, maxWhy), "--why TEXT")
	}
	if len(a.Says.JA) > maxSays || len(a.Says.EN) > maxSays {
		return fmt.Errorf("%w: a text has at most %d bytes", ErrInput, maxSays)
	}
	if (a.Says.JA == "") != (a.Says.EN == "") {
		return fmt.Errorf("%w: what visitors are told is wanted in both languages, or in neither", ErrInput)
	}
	if a.Until != "" {
		if _, err := time.Parse(time.RFC3339, a.Until); err != nil {
			return hint.Add(fmt.Errorf("%w: until is no time with its zone", ErrInput), "such as 2026-12-01T10:00:00+09:00")
		}
	}
	if a.URL != "" {
		if u, err := url.Parse(a.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.ContainsAny(a.URL, "\r\n \"<>") || len(a.URL) > 1000 {
			return fmt.Errorf("%w: where passwords are set anew is no address such as https://example.jp/reset", ErrInput)
		}
	}
	if a.Accounts != "" && !slices.Contains(holds, a.Accounts) {
		return fmt.Errorf("%w: accounts are blocked, reset or notice", ErrInput)
	}
	named := 0
	for _, is := range []bool{a.Route != "", a.Accounts != "", a.All} {
		if is {
			named++
		}
	}
	switch {
	case named != 1 || kind == KindBlock && a.All:
		return fmt.Errorf("%w: either a route or accounts", ErrInput)
	case kind == KindBlock && a.Route != "" && a.State != Maintenance && a.State != Closed:
		return fmt.Errorf("%w: a route is put into maintenance or closed", ErrInput)
	case kind == KindLift && (a.State != "" || a.URL != "" || a.Until != "" || a.Says != (language.Text{})):
		return fmt.Errorf("%w: what is lifted is lifted, and nothing else is said", ErrInput)
	}
	return nil
}

func (g *Gate) planLift(force []Block, asked Asked) (*Plan, error) {
	p := &Plan{People: -1}
	for _, b := range force {
		if asked.All || asked.Route != "" && b.Route == asked.Route || asked.Accounts != "" && b.Accounts == asked.Accounts {
			p.replaces = append(p.replaces, b)
		}
	}
	if len(p.replaces) == 0 {
		return nil, hint.Add(fmt.Errorf("%w: nothing of that is in force in this case", ErrNotFound), "what is in force: shirase gate status")
	}
	var ja, en []string
	for _, b := range p.replaces {
		t := b.Spec.words()
		ja, en = append(ja, t.JA), append(en, t.EN)
		if b.Accounts != "" {
			p.People = max(p.People, b.People)
		}
	}
	p.Says = language.Both(strings.Join(ja, "、")+"を解除する。", "Lift: "+strings.Join(en, "; ")+".")
	return p, nil
}

// words say what is in force.
func (s Spec) words() language.Text {
	switch {
	case s.State == Maintenance:
		return language.Both("経路「"+s.Route+"」のメンテナンス", "maintenance of the route "+s.Route)
	case s.State == Closed:
		return language.Both("経路「"+s.Route+"」の停止", "the route "+s.Route+" is closed")
	case s.Accounts == Blocked:
		return language.Both("対象アカウントのログイン停止", "logins of the affected accounts are blocked")
	case s.Accounts == Reset:
		return language.Both("対象アカウントのパスワード再設定の強制", "a new password is required of the affected accounts")
	}
	return language.Both("対象アカウントへのログイン時のお知らせ", "the affected accounts are told at their login")
}

func (g *Gate) planBlock(ctx context.Context, incident string, force []Block, asked Asked) (*Plan, error) {
	p := &Plan{People: -1, block: Block{Incident: incident, Spec: Spec{Route: asked.Route, State: asked.State, Accounts: asked.Accounts, Why: asked.Why, Until: asked.Until, URL: asked.URL, Says: asked.Says}}}
	for _, b := range force {
		if asked.Route != "" && b.Route == asked.Route || asked.Accounts != "" && b.Accounts == asked.Accounts {
			p.replaces = append(p.replaces, b)
		}
	}
	spec := &p.block.Spec
	if asked.Route != "" {
		r, ok := g.Rules.route(asked.Route)
		if !ok {
			return nil, g.unknown(asked.Route)
		}
		spec.Paths = slices.Clone(r.Paths)
		p.Says = language.Both(spec.words().JA+"（"+strings.Join(spec.Paths, "、")+"）を始める。すべての利用者に影響する。", "Begin "+spec.words().EN+" ("+strings.Join(spec.Paths, ", ")+"), for everybody.")
		return p, nil
	}
	latest, err := g.Latest(ctx, incident)
	if err != nil {
		return nil, err
	}
	p.roster, spec.Roster, spec.People = latest, latest.ID, latest.Counts.Affected
	if spec.People == 0 || !latest.Shredded.IsZero() {
		return nil, ErrNobody
	}
	if spec.Accounts == Reset {
		if spec.URL == "" {
			spec.URL = g.ResetURL
		}
		if spec.URL == "" {
			return nil, hint.Add(fmt.Errorf("%w: where passwords are set anew is not known", ErrInput), "--url https://..., or: shirase config set url https://...")
		}
	} else if spec.URL != "" {
		return nil, fmt.Errorf("%w: an address belongs to a reset", ErrInput)
	}
	p.People = spec.People
	p.Says = language.Both(spec.words().JA+"を始める。", "Begin: "+spec.words().EN+".")
	if len(p.replaces) > 0 && p.replaces[0].Roster != spec.Roster {
		p.Says = language.Both(spec.words().JA+"を、いまの名簿に改める。済んだアカウントはそのまま。", "Go on by the roster as it is now: "+spec.words().EN+". Accounts that have done it stay so.")
	}
	return p, nil
}

// Apply does what was planned, and records it. settle is called in its transaction. Errors: ErrInput, ErrNotFound, ErrNobody; those of the roster.
func (g *Gate) Apply(ctx context.Context, who actor.Actor, p *Plan, settle func(tx *sql.Tx) error) error {
	if p.Kind == KindBlock && p.block.Accounts != "" {
		if err := g.build(ctx, p.roster); err != nil { // before anything is in force that nobody could look up
			return fmt.Errorf("block the accounts of %s: %w", p.Incident, err)
		}
	}
	err := g.DB.Update(ctx, func(tx *sql.Tx) error {
		now, err := g.fresh(ctx, tx, p)
		if err != nil {
			return err
		}
		if err := g.write(ctx, tx, who, p, now); err != nil {
			return err
		}
		if settle != nil {
			return settle(tx)
		}
		if g.Record == nil {
			return nil
		}
		return g.Record(ctx, tx, who, p)
	})
	if err != nil {
		return wrap("move the gate", err)
	}
	g.poke()
	return nil
}

// errOvertaken says that something else is in force than what was planned upon.
var errOvertaken = fmt.Errorf("%w: what is in force has changed meanwhile", ErrInput)

// fresh requires that what a plan ends is still in force, and gives the time from which it counts.
func (g *Gate) fresh(ctx context.Context, tx *sql.Tx, p *Plan) (time.Time, error) {
	force, err := blocks(ctx, tx, `lifted_at = 0 AND incident = $1`, p.Incident)
	if err != nil {
		return time.Time{}, err
	}
	var same []string
	for _, b := range force {
		if p.Kind == KindBlock && (b.Route != p.block.Route || b.Accounts != p.block.Accounts) {
			continue
		}
		same = append(same, b.ID)
	}
	for _, b := range p.replaces {
		if !slices.Contains(same, b.ID) {
			return time.Time{}, errOvertaken
		}
	}
	if p.Kind == KindBlock && len(same) != len(p.replaces) {
		return time.Time{}, errOvertaken
	}
	return g.Now().UTC().Truncate(time.Microsecond), nil
}

func (g *Gate) write(ctx context.Context, tx *sql.Tx, who actor.Actor, p *Plan, now time.Time) error {
	round := ""
	for _, b := range p.replaces {
		why := p.Why
		if p.Kind == KindBlock {
			round = b.Round
		}
		if _, err := tx.ExecContext(ctx, `UPDATE gate_block SET lifted_at = $2, lifted_by = $3, lifted_why = $4 WHERE id = $1`, b.ID, store.Micros(now), who.String(), why); err != nil {
			return err
		}
	}
	if p.Kind == KindBlock {
		if round == "" && p.block.Accounts != "" {
			round = newID("r-")
		}
		spec, err := json.Marshal(p.block.Spec, json.Deterministic(true))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO gate_block (id, incident, route, accounts, spec, round, since, actor, lifted_at, lifted_by, lifted_why) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '', '')`,
			newID("g-"), p.Incident, p.block.Route, string(p.block.Accounts), string(spec), round, store.Micros(now), who.String()); err != nil {
			return err
		}
	}
	return bump(ctx, tx)
}

// Do plans and does something at once, where nobody has to approve it. Errors also: ErrWanted.
func (g *Gate) Do(ctx context.Context, who actor.Actor, kind, incident string, asked Asked) error {
	if err := mayDeclare(who, incident); err != nil {
		return fmt.Errorf("move the gate: %w", err)
	}
	if g.Wanted != nil {
		wanted, err := g.Wanted(ctx)
		if err != nil {
			return err
		}
		if wanted {
			return ErrWanted
		}
	}
	p, err := g.Plan(ctx, who, kind, incident, asked)
	if err != nil {
		return err
	}
	return g.Apply(ctx, who, p, nil)
}

// ParseAsked reads a request as it is kept with a proposal.
func ParseAsked(request []byte) (a Asked, err error) {
	if err = json.Unmarshal(request, &a, json.RejectUnknownMembers(true)); err != nil {
		err = fmt.Errorf("%w: %w", ErrInput, err)
	}
	return a, err
}
