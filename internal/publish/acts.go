package publish

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/roster"
)

// Kinds of proposals.
const (
	KindPublish     = "publish" // statement and notice, as the facts give them; or a notice of a kind
	KindRetire      = "retire"
	KindReopen      = "reopen"
	KindWithdraw    = "withdraw"
	KindShred       = "shred"
	KindDisown      = "disown" // which makes public all that is recorded
	KindRotate      = "rotate-key"
	KindCompromised = "compromised-key"
)

// Asked is what a proposal to publish asks for. Time is fixed when it is proposed, so that the same bytes come out again.
type Asked struct {
	AsOf    time.Time   `json:"asOf,omitzero"`
	Despite string      `json:"despite,omitzero"`
	Time    time.Time   `json:"time"`
	Notice  *AskedDraft `json:"notice,omitzero"`
}

// AskedDraft is a notice of a kind.
type AskedDraft struct {
	Kind  string   `json:"kind"`
	About int64    `json:"about,omitzero"`
	Item  string   `json:"item,omitzero"`
	Only  []string `json:"only,omitzero"`
	All   bool     `json:"all"` // Only says nothing
	JA    string   `json:"ja,omitzero"`
	EN    string   `json:"en,omitzero"`
}

// AskedOf gives what a request asks for, at a time.
func AskedOf(r Request, now time.Time) Asked {
	a := Asked{AsOf: r.AsOf, Despite: r.Despite, Time: now.UTC().Truncate(time.Second)}
	if d := r.Notice; d != nil {
		a.Notice = &AskedDraft{Kind: d.Kind, About: d.About, Item: d.Item, Only: d.Only, All: d.Only == nil, JA: d.Text.JA, EN: d.Text.EN}
	}
	return a
}

func (a Asked) request(id string) Request {
	r := Request{Incident: id, AsOf: a.AsOf, Despite: a.Despite, Time: a.Time}
	if d := a.Notice; d != nil {
		r.Notice = &compose.Draft{Kind: d.Kind, About: d.About, Item: d.Item, Only: d.Only, Text: language.Text{JA: d.JA, EN: d.EN}}
		if r.Notice.Only == nil && !d.All {
			r.Notice.Only = []string{}
		}
	}
	return r
}

// AskedKey names a key, or says how wide the next one's locators are.
type AskedKey struct {
	Key         string `json:"key,omitzero"`
	LocatorBits int    `json:"locatorBits,omitzero"`
}

// Acts are the proposals that this room can carry out.
func (p *Publisher) Acts() map[string]proposal.Act {
	turn := func(kind, state string) proposal.Act {
		return proposal.Act{
			Plan: func(ctx context.Context, _ actor.Actor, id string, _ []byte) (proposal.Plan, error) {
				return p.planTurn(ctx, id, kind, state)
			},
			Do: func(ctx context.Context, who actor.Actor, id string, _ []byte, _ string, _ func(*sql.Tx) error) (any, error) {
				in, err := p.stated(ctx, id)
				if err != nil {
					return nil, err
				}
				if string(in.State) != state { // else it was done, and interrupted before that was recorded
					if _, err := p.turned(ctx, who, id, state, kind); err != nil {
						return nil, err
					}
				}
				return map[string]any{"incident": id, "state": state}, nil
			},
		}
	}
	return map[string]proposal.Act{
		KindPublish:  {Single: true, Plan: p.planPublish, Do: p.doPublish},
		KindReopen:   turn(KindReopen, incident.StateReopened),
		KindWithdraw: turn(KindWithdraw, incident.StateWithdrawn),
		KindRetire: {Plan: func(ctx context.Context, _ actor.Actor, id string, _ []byte) (proposal.Plan, error) {
			return p.planRetire(ctx, id)
		},
			Do: func(ctx context.Context, who actor.Actor, id string, _ []byte, _ string, _ func(*sql.Tx) error) (any, error) {
				cert, remaining, err := p.retire(ctx, who, id)
				return map[string]any{"certificate": cert, "remaining": remaining}, err
			}},
		KindShred: {Single: true, Outlives: true, Also: actor.Remove, Plan: p.planShred,
			Do: func(ctx context.Context, who actor.Actor, id string, request []byte, digest string, settle func(*sql.Tx) error) (any, error) {
				var a AskedEnd
				if err := json.Unmarshal(request, &a); err != nil {
					return nil, err
				}
				c, err := p.shred(ctx, who, anEnd{id, a.Despite, digest, settle})
				if err != nil {
					return nil, err
				}
				return map[string]any{"incident": id, "certificate": jsontext.Value(c.Data), "ledgerIndex": c.LedgerIndex, "left": c.Left}, nil
			}},
		KindDisown: {Single: true, Plan: p.planDisown, Do: p.doDisown},
		KindRotate: {Keys: true, Plan: p.planRotate,
			Do: func(ctx context.Context, who actor.Actor, _ string, request []byte, _ string, _ func(*sql.Tx) error) (any, error) {
				var a AskedKey
				if err := json.Unmarshal(request, &a); err != nil {
					return nil, err
				}
				return p.rotate(ctx, who, a.LocatorBits, nil)
			}},
		KindCompromised: {Keys: true, Plan: p.planCompromised,
			Do: func(ctx context.Context, who actor.Actor, _ string, request []byte, _ string, _ func(*sql.Tx) error) (any, error) {
				var a AskedKey
				if err := json.Unmarshal(request, &a); err != nil {
					return nil, err
				}
				_, err := p.compromised(ctx, who, a.Key)
				return map[string]any{"key": a.Key}, err
			}},
	}
}

// Shred destroys the key of an incident's rosters and of its case, here and in the backups that are known and reached, and certifies it.
// Once there is staff it can only be proposed.
func (p *Publisher) Shred(ctx context.Context, who actor.Actor, id string) (*Certified, error) {
	return p.ShredDespite(ctx, who, id, "")
}

// ShredDespite is Shred of a case that is not at its end ([Ends.Ready]), with the reason.
func (p *Publisher) ShredDespite(ctx context.Context, who actor.Actor, id, despite string) (*Certified, error) {
	if err := p.alone(ctx, who, "shred a case"); err != nil {
		return nil, err
	}
	c, err := p.shred(ctx, who, anEnd{id: id, despite: despite})
	if err != nil {
		return nil, fmt.Errorf("shred %s: %w", id, err)
	}
	return c, nil
}

// document is what a plan's bytes are made of, in the form of RFC 8785.
func document(v map[string]any) ([]byte, error) {
	v["v"] = 1
	b, err := json.Marshal(v, json.Deterministic(true), json.FormatNilSliceAsNull(false))
	if err != nil {
		return nil, err
	}
	val := jsontext.Value(b)
	err = val.Canonicalize()
	return val, err
}

func (p *Publisher) propose(ctx context.Context, who actor.Actor, id string, request []byte) (*Proposal, proposal.Plan, error) {
	var a Asked
	if err := json.Unmarshal(request, &a, json.RejectUnknownMembers(true)); err != nil {
		return nil, proposal.Plan{}, fmt.Errorf("publish %s: %w", id, err)
	}
	prop, err := p.Propose(ctx, who, a.request(id))
	if err != nil {
		return nil, proposal.Plan{}, err
	}
	if len(prop.Differences) > 0 && prop.Despite == "" {
		return nil, proposal.Plan{}, differs(prop)
	}
	plan, err := planOf(prop)
	return prop, plan, err
}

// planOf writes down exactly what a proposal would publish.
func planOf(prop *Proposal) (proposal.Plan, error) {
	doc := map[string]any{"kind": KindPublish, "incident": prop.Incident, "proposal": prop.ID(), "despite": prop.Despite, "differences": prop.Differences}
	e := proposal.Effect{People: -1}
	say := func(ja, en string) {
		if e.Says.JA != "" {
			e.Says.JA += "。"
			e.Says.EN += "; "
		}
		e.Says.JA += ja
		e.Says.EN += en
	}
	if n := prop.Notice; n != nil {
		doc["notice"] = jsontext.Value(n.Data)
		say(fmt.Sprintf("お知らせの第%d版を、だれでも読めるように公表します", n.Version), fmt.Sprintf("publishes version %d of the notice (%s) to everybody", n.Version, n.Kind))
	}
	if s := prop.Statement; s != nil && s.Changed {
		part := s.Statement.Incident(prop.Incident)
		doc["statement"] = part
		ja := map[check.State]string{check.Investigating: "調査中", check.Final: "確定", check.Reopened: "再調査中", check.Retired: "受け付け終了", check.Withdrawn: "取り下げ"}[part.State]
		if ja == "" {
			ja = string(part.State)
		}
		say("対象の範囲を「"+ja+"」と公表します", "states the scope as "+string(part.State))
	}
	if s := prop.Sealed; s != nil {
		doc["root"], doc["entries"] = s.Layer.Root, s.Layer.N
		e.People, e.Unit = prop.Roster.Counts.Affected, "accounts"
		say(fmt.Sprintf("%sアカウントを、本人が確認できるようになります", language.Digits(e.People)), fmt.Sprintf("%s accounts can be checked by whose they are", language.Digits(e.People)))
	}
	if !prop.Changed() {
		say("何も変わりません", "nothing changes")
	}
	for _, d := range prop.Differences {
		e.Doubts = append(e.Doubts, d.text())
	}
	if len(prop.Differences) > 0 && prop.Despite != "" {
		e.Doubts = append(e.Doubts, language.Text{JA: "それでも公表する理由：" + prop.Despite, EN: "Why it is published all the same: " + prop.Despite})
	}
	e.Doubts = append(e.Doubts, slices.Concat(prop.Uncompared, prop.Missing)...)
	b, err := document(doc)
	return proposal.Plan{Bytes: b, Effect: e}, err
}

func (p *Publisher) planPublish(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
	_, plan, err := p.propose(ctx, who, id, request)
	return plan, err
}

// doPublish publishes what was approved, and nothing else: another publication in between makes it work out the statement anew, of which
// only number and time may differ.
func (p *Publisher) doPublish(ctx context.Context, who actor.Actor, id string, request []byte, digest string, settle func(tx *sql.Tx) error) (any, error) {
	for try := 1; ; try++ {
		prop, plan, err := p.propose(ctx, who, id, request)
		if err != nil {
			return nil, err
		}
		if plan.Digest() != digest {
			return nil, proposal.ErrChanged
		}
		pub, err := p.publish(ctx, who, prop, settle)
		if errors.Is(err, ErrStale) && try < publishTries {
			continue
		}
		if err != nil {
			return nil, err
		}
		out := map[string]any{"incident": id, "public": pub.Waiting == nil, "changed": pub.Changed, "ledgerIndex": pub.LedgerIndex}
		if pub.Notice != nil {
			out["notice"] = pub.Notice.ID
		}
		if pub.Statement != nil {
			out["seq"] = pub.Statement.Seq
		}
		return out, nil
	}
}

// affected counts the accounts of the scope that is published; -1 where none is.
func (p *Publisher) affected(ctx context.Context, id string) (int64, error) {
	st, _, _, err := p.Index.Statement(ctx)
	if errors.Is(err, index.ErrNone) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	scope, sealed, err := p.Scope(ctx, st, id)
	if err != nil || !sealed {
		return -1, err
	}
	return scope.Counts.Affected, nil
}

func (p *Publisher) planTurn(ctx context.Context, id, kind, state string) (proposal.Plan, error) {
	in, err := p.mayTurn(ctx, id, state, kind)
	if err != nil {
		return proposal.Plan{}, err
	}
	people, err := p.affected(ctx, id)
	if err != nil {
		return proposal.Plan{}, err
	}
	says := map[string]language.Text{
		KindReopen:   {JA: "対象の範囲を調査中に戻すと公表します", EN: "publishes that the scope is examined again"},
		KindWithdraw: {JA: "事案を取り下げ、確認に答えなくします。元に戻せません", EN: "withdraws the incident: checks answer for it no longer, for ever"},
	}[kind]
	b, err := document(map[string]any{"kind": kind, "incident": id, "state": state, "now": in})
	return proposal.Plan{Bytes: b, Effect: proposal.Effect{Says: says, People: people, Unit: "accounts"}}, err
}

func (p *Publisher) planRetire(ctx context.Context, id string) (proposal.Plan, error) {
	in, err := p.stated(ctx, id)
	if err != nil {
		return proposal.Plan{}, err
	}
	if err := index.MayFollow(in.State, check.State(incident.StateRetired)); err != nil {
		return proposal.Plan{}, err
	}
	keys, err := p.Index.KeysOf(ctx, id)
	if err != nil {
		return proposal.Plan{}, err
	}
	people, err := p.affected(ctx, id)
	if err != nil {
		return proposal.Plan{}, err
	}
	b, err := document(map[string]any{"kind": KindRetire, "incident": id, "keys": keys, "now": in})
	return proposal.Plan{Bytes: b, Effect: proposal.Effect{People: people, Unit: "accounts", Says: language.Text{JA: fmt.Sprintf("この事案の確認に答えなくなり、評価の鍵%d本を壊します。元に戻せません", len(keys)),
		EN: fmt.Sprintf("answers checks of this incident no more, and destroys %d evaluator keys, for ever", len(keys))}}}, err
}

func (p *Publisher) planShred(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
	var a AskedEnd
	if err := json.Unmarshal(request, &a, json.RejectUnknownMembers(true)); err != nil {
		return proposal.Plan{}, fmt.Errorf("shred %s: %w", id, err)
	}
	plan, err := p.again(ctx, id, a.Despite)
	if errors.Is(err, ErrNoCertificate) {
		var l leaving
		l, err = p.leaving(ctx, who, id, a.Despite)
		plan = l.plan
	}
	if err != nil {
		return plan, fmt.Errorf("shred %s: %w", id, err)
	}
	return plan, nil
}

// again says what is done once the case is gone: copies of its key may not be, or have come back. Errors: ErrNoCertificate, ErrNothing.
func (p *Publisher) again(ctx context.Context, id, despite string) (proposal.Plan, error) {
	c, err := p.certificate(ctx, p.DB, id)
	if err != nil {
		return proposal.Plan{}, err
	}
	if despite != "" {
		return proposal.Plan{}, hint.Add(ErrNothing, "leave --despite out: copies of the key are looked for all the same")
	}
	b, err := document(map[string]any{"kind": KindShred, "incident": id, "certificate": c.N})
	return proposal.Plan{Bytes: b, Effect: proposal.Effect{People: -1, Says: language.Text{JA: "この事案の鍵の写しを、バックアップの届くところでもう一度探し、壊します", EN: "looks for copies of the case's key anew in the backups that are reached, and destroys them"}}}, err
}

// leaving is what a case is that is to end, as it was looked at.
type leaving struct {
	plan     proposal.Plan
	ready    Ready
	retained Retained
}

func (p *Publisher) leaving(ctx context.Context, who actor.Actor, id, despite string) (l leaving, err error) {
	r, err := p.Rosters.Latest(ctx, id)
	people := int64(-1)
	switch {
	case errors.Is(err, roster.ErrNone): // only the case's record is sealed under the key
	case err != nil:
		return l, err
	case !r.Shredded.IsZero():
		return l, roster.ErrShredded
	default:
		people = r.Counts.Affected
	}
	if _, err := p.Rosters.Sealer(ctx, id, false); err != nil {
		return l, err
	}
	names, err := p.Rosters.Names(ctx, id)
	if err != nil {
		return l, err
	}
	var k Kept
	if p.Kept != nil {
		if k, err = p.Kept(ctx, id); err != nil {
			return l, err
		}
	}
	var outside []language.Text
	if p.Outside != nil {
		if outside, err = p.Outside(ctx, id); err != nil {
			return l, err
		}
	}
	if p.Ends.Allowed != nil {
		if err := p.Ends.Allowed(ctx, id); err != nil {
			return l, err
		}
	}
	if p.Ends.Ready != nil {
		if l.ready, err = p.Ends.Ready(ctx, who, id, despite); err != nil {
			return l, err
		}
	}
	if p.Ends.Retained != nil {
		if l.retained, err = p.Ends.Retained(ctx, who, id); err != nil {
			return l, err
		}
	}
	doc := map[string]any{"kind": KindShred, "incident": id, "roster": r.ID, "affected": people, "rosters": names, "entries": k.Entries, "record": k.SHA256, "evidence": k.Evidence}
	if len(outside) > 0 {
		doc["outside"] = outside
	}
	retained := l.retained.SHA256
	if retained != "" {
		doc["retained"] = retained
	}
	if len(l.ready.Stands) > 0 {
		doc["stands"] = l.ready.Stands
	}
	b, err := document(doc)
	l.plan = proposal.Plan{Bytes: b, Effect: proposal.Effect{People: people, Unit: "accounts", Doubts: append(l.ready.Doubts, outside...), Says: language.Text{
		JA: fmt.Sprintf("対象者名簿（%d件）と、対応の記録（%d件）と証拠（%d点）を封じた鍵を、この機械と、届くバックアップから壊します。鍵の写しがほかに残っていなければ、"+
			"だれにも読めなくなり、対象者に知らせることもできなくなります", len(names), k.Entries, len(k.Evidence)) + keptJA(retained),
		EN: fmt.Sprintf("destroys on this machine, and in backups that are reached, the key of %d rosters, of the case's record (%d entries) and of %d pieces of evidence: "+
			"where no other copy of it is left nobody can read them, or tell those affected, any more", len(names), k.Entries, len(k.Evidence)) + keptEN(retained)}}}
	return l, err
}

func (p *Publisher) planRotate(ctx context.Context, _ actor.Actor, _ string, request []byte) (proposal.Plan, error) {
	var a AskedKey
	if err := json.Unmarshal(request, &a, json.RejectUnknownMembers(true)); err != nil {
		return proposal.Plan{}, err
	}
	st, _, _, err := p.Index.Statement(ctx)
	if err != nil {
		return proposal.Plan{}, err
	}
	sealed, people := []string{}, int64(0)
	for _, in := range st.Incidents {
		if in.State.Sealed() {
			sealed = append(sealed, in.ID+" "+in.Revision)
			n, err := p.affected(ctx, in.ID)
			if err != nil {
				return proposal.Plan{}, err
			}
			people += max(n, 0)
		}
	}
	var keys []string
	for _, k := range st.Keys {
		keys = append(keys, k.ID)
	}
	b, err := document(map[string]any{"kind": KindRotate, "keys": keys, "sealed": sealed, "locatorBits": a.LocatorBits})
	return proposal.Plan{Bytes: b, Effect: proposal.Effect{People: people, Unit: "accounts", Says: language.Text{JA: fmt.Sprintf("%d件の事案を新しい鍵で封じ直し、前の鍵を壊します", len(sealed)),
		EN: fmt.Sprintf("seals %d incidents anew under a new key, and destroys the keys before", len(sealed))}}}, err
}

func (p *Publisher) planCompromised(ctx context.Context, _ actor.Actor, _ string, request []byte) (proposal.Plan, error) {
	var a AskedKey
	if err := json.Unmarshal(request, &a, json.RejectUnknownMembers(true)); err != nil {
		return proposal.Plan{}, err
	}
	keys, err := p.Index.Keys(ctx)
	if err != nil {
		return proposal.Plan{}, err
	}
	i := slices.IndexFunc(keys, func(k index.KeyStatus) bool { return k.ID == a.Key })
	if i < 0 {
		return proposal.Plan{}, fmt.Errorf("key %s: %w", a.Key, index.ErrNoSuchKey)
	}
	b, err := document(map[string]any{"kind": KindCompromised, "key": a.Key, "state": string(keys[i].State())})
	return proposal.Plan{Bytes: b, Effect: proposal.Effect{People: -1, Says: language.Text{JA: "鍵" + a.Key + "が他人の手に渡ったおそれがあると公表します", EN: "publishes that somebody else may have key " + a.Key}}}, err
}

// keptJA and keptEN say what is kept of a case that is shredded, which whoever approves has to have looked at.
func keptJA(sum string) string {
	if sum == "" {
		return ""
	}
	return "。法令のために残す記録は、「終了」のページにあります。プログラムが見つけた人は除いてありますが、目で確かめてください（SHA-256 " + sum[:16] + "…）"
}

func keptEN(sum string) string {
	if sum == "" {
		return ""
	}
	return ". What laws want kept is on the page Closing, with nobody in it whom this program finds: look at it (SHA-256 " + sum[:16] + "...)"
}
