package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/roster"
)

// Remaining is something that an end did not reach.
type Remaining struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Backups is said with every end: of what somebody copied by other means this program knows nothing, and what it copied itself
// it cannot reach.
var Backups = Remaining{"copies that were made of the keys or of the data, backups included", "this program does not know of all of them, and cannot reach them: destroy them where they are"}

// Rotation is what a rotation of the evaluator's key came to.
type Rotation struct {
	Key       string      // that new revisions are sealed under
	Ended     []string    // keys whose files were destroyed here
	Sealed    []string    // incidents that were sealed anew
	Remaining []Remaining // why a key could not end
}

// Rotate seals every incident anew under a new evaluator key, as its next revision, and ends the keys before, in this order:
// while it seals, the old layers are asked too; only when nothing is answered under a key any more is it destroyed, and only
// then is that published. An incident whose roster was shredded cannot be sealed anew, and keeps its key. Interrupted, it goes
// on when it is called again. locatorBits of 0 are those of the key before. Errors: index.ErrNone, index.ErrKeys.
func (p *Publisher) Rotate(ctx context.Context, who actor.Actor, locatorBits int, tell index.Progress) (*Rotation, error) {
	if err := p.alone(ctx, who, "rotate the evaluator's key"); err != nil {
		return nil, err
	}
	return p.rotate(ctx, who, locatorBits, tell)
}

func (p *Publisher) rotate(ctx context.Context, who actor.Actor, locatorBits int, tell index.Progress) (*Rotation, error) {
	key, err := p.Index.Successor(ctx, p.Keys, locatorBits)
	if err != nil {
		return nil, err
	}
	r := &Rotation{Key: key.ID}
	for {
		id, err := p.reseal(ctx, who, key, r, tell)
		if err != nil {
			return nil, fmt.Errorf("rotate to %s: %w", key.ID, err)
		}
		if id == "" {
			break
		}
		r.Sealed = append(r.Sealed, id)
	}
	if err := p.endOthers(ctx, who, key.ID, r); err != nil {
		return nil, fmt.Errorf("rotate to %s: %w", key.ID, err)
	}
	r.Remaining = append(r.Remaining, Backups)
	return r, nil
}

// reseal seals the first incident that is answered under another key, and gives its id; "" where there is none left that can
// be sealed.
func (p *Publisher) reseal(ctx context.Context, who actor.Actor, key check.Key, r *Rotation, tell index.Progress) (string, error) {
	st, _, _, err := p.Index.Statement(ctx)
	if err != nil {
		return "", err
	}
	for _, in := range st.Incidents {
		if !in.State.Sealed() || sealedUnder(st, in) == key.ID || slices.ContainsFunc(r.Remaining, func(m Remaining) bool { return m.What == in.ID }) {
			continue
		}
		scope, _, err := p.Scope(ctx, st, in.ID)
		if err != nil {
			return "", err
		}
		if scope.ID == "" || !scope.Shredded.IsZero() {
			r.Remaining = append(r.Remaining, Remaining{in.ID, "its roster was shredded, so that it cannot be sealed anew: it stays under key " + sealedUnder(st, in) + " until it is retired"})
			continue
		}
		s, err := p.Index.SealUnder(ctx, p.Keys, key, in.ID, indexed(ctx, p.Rosters, scope), tell)
		if err != nil {
			return "", err
		}
		return in.ID, p.resealed(ctx, who, in, scope, s)
	}
	return "", nil
}

func sealedUnder(st *check.Statement, in check.Incident) string {
	for _, l := range st.Layers {
		for _, s := range l.Sources {
			if s.Incident == in.ID && s.Revision == in.Revision {
				return l.Key
			}
		}
	}
	return ""
}

// resealed publishes an incident as it stands, with its new revision.
func (p *Publisher) resealed(ctx context.Context, who actor.Actor, in check.Incident, scope roster.Roster, s *index.Sealed) error {
	for {
		frame, err := p.frame(ctx)
		if err != nil {
			return err
		}
		subject := index.Subject{ID: in.ID, Organisation: in.Organisation, Title: in.Title, State: in.State, AsOf: in.AsOf.Time, Sets: scope.Sets, Unreadable: unreadable(scope)}
		draft, err := p.Index.Draft(ctx, p.Keys, frame, subject, s)
		if err != nil {
			return err
		}
		if _, err = p.put(ctx, who, draft); !errors.Is(err, index.ErrStale) {
			return err
		}
	}
}

// endOthers ends every key but one under which nothing is answered any more.
func (p *Publisher) endOthers(ctx context.Context, who actor.Actor, but string, r *Rotation) error {
	if err := p.Index.FinishEnding(ctx, p.Keys); err != nil {
		return err
	}
	keys, err := p.Index.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.ID == but || !k.Ended.IsZero() {
			continue
		}
		err := p.Index.DecideEnd(ctx, p.Keys, index.Ending{Keys: []string{k.ID}}, who.String())
		if errors.Is(err, index.ErrInUse) {
			continue // said above, by the incident
		}
		if err != nil {
			return err
		}
		if err := p.Index.FinishEnding(ctx, p.Keys); err != nil {
			return err
		}
		r.Ended = append(r.Ended, k.ID)
	}
	_, err = p.Reissue(ctx, who, false)
	return err
}

// Compromised publishes that somebody else may have an evaluator key. Errors: index.ErrNoSuchKey, index.ErrEnded.
func (p *Publisher) Compromised(ctx context.Context, who actor.Actor, id string) (*Publication, error) {
	if err := p.alone(ctx, who, "call a key compromised"); err != nil {
		return nil, err
	}
	return p.compromised(ctx, who, id)
}

func (p *Publisher) compromised(ctx context.Context, who actor.Actor, id string) (*Publication, error) {
	if err := p.Index.Compromise(ctx, id, who.String()); err != nil {
		return nil, err
	}
	pub, err := p.Reissue(ctx, who, false)
	if errors.Is(err, index.ErrNone) { // nothing is sealed under it, and nobody is to be told
		return nil, nil
	}
	return pub, err
}

// Certificate says what an end destroyed on this machine, and when. It is no proof: that something is gone cannot be shown.
type Certificate struct {
	Incident    string      `json:"incident"`
	Destroyed   []Destroyed `json:"destroyed"`
	Removed     []Destroyed `json:"removed,omitzero"` // from this machine; a backup of ours holds a sealed copy, so that nobody calls it destroyed
	Time        time.Time   `json:"time"`
	Statement   string      `json:"statement,omitzero"` // hex hash of the one that says it
	Seq         int64       `json:"seq,omitzero"`
	LedgerIndex int64       `json:"ledgerIndex,omitzero"`
}

// Destroyed is a key whose file was destroyed.
type Destroyed struct {
	What   string    `json:"what"`
	Public string    `json:"public,omitzero"` // the public half, by which it is known
	File   string    `json:"file"`            // the name that its file had
	Time   time.Time `json:"time"`
}

// Retire has an incident answered no more, for ever, in an order that a dead process cannot leave half done: the decision is
// recorded with the keys that only this incident is answered under; those are destroyed; only then it is published. Keys that
// others are answered under too stay, and are among what remains. Errors: ErrImported; index.ErrNone, index.ErrNoKey.
func (p *Publisher) Retire(ctx context.Context, who actor.Actor, id string) (*Certificate, []Remaining, error) {
	if err := p.alone(ctx, who, "retire an incident"); err != nil {
		return nil, nil, err
	}
	cert, remaining, err := p.retire(ctx, who, id)
	if err != nil {
		return nil, nil, fmt.Errorf("retire %s: %w", id, err)
	}
	return cert, remaining, nil
}

func (p *Publisher) retire(ctx context.Context, who actor.Actor, id string) (*Certificate, []Remaining, error) {
	if _, err := p.stated(ctx, id); err != nil {
		return nil, nil, err
	}
	keys, err := p.Index.KeysOf(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if err := p.Index.DecideEnd(ctx, p.Keys, index.Ending{Incident: id, Keys: keys}, who.String()); err != nil {
		return nil, nil, err
	}
	if err := p.Index.FinishEnding(ctx, p.Keys); err != nil {
		return nil, nil, err
	}
	pub, err := p.become(ctx, who, id, incident.StateRetired)
	if err != nil {
		return nil, nil, err
	}
	return p.certify(ctx, id, pub)
}

// certify gives what was destroyed for an incident, now or when it was retired before.
func (p *Publisher) certify(ctx context.Context, id string, pub *Publication) (*Certificate, []Remaining, error) {
	cert := &Certificate{Incident: id, Destroyed: []Destroyed{}, Time: p.now().UTC().Truncate(time.Second), Statement: pub.Hash.String(), Seq: pub.Statement.Seq, LedgerIndex: pub.LedgerIndex}
	keys, err := p.Index.Keys(ctx)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := p.Index.SealedUnder(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	remaining := []Remaining{}
	for _, k := range keys {
		if !slices.Contains(sealed, k.ID) {
			continue
		}
		if k.Ended.IsZero() {
			why := "other incidents are answered under it: whoever has a copy of this incident's layer can still test addresses by asking. End it with shirase key rotate"
			remaining = append(remaining, Remaining{"evaluator key " + k.ID, why})
			continue
		}
		public, err := k.Public.MarshalText()
		if err != nil {
			return nil, nil, err
		}
		cert.Destroyed = append(cert.Destroyed, Destroyed{"evaluator key " + k.ID, string(public), index.KeyFile(k.ID), k.Ended.Truncate(time.Second)})
	}
	switch r, err := p.Rosters.Latest(ctx, id); {
	case errors.Is(err, roster.ErrNone):
	case err != nil:
		return nil, nil, err
	case r.Shredded.IsZero():
		remaining = append(remaining, Remaining{"the sealed roster of " + id, "it is kept under the case's own key: shirase scope shred " + id})
	default:
		cert.Destroyed = append(cert.Destroyed, Destroyed{"the key of the rosters and the case of " + id, "", roster.KeyFile(id), r.Shredded.Truncate(time.Second)})
	}
	return cert, append(remaining, Backups), nil
}

// Answered reports whether anything of an incident is sealed in the newest statement.
func (p *Publisher) Answered(ctx context.Context, id string) (bool, error) {
	st, _, _, err := p.Index.Statement(ctx)
	if errors.Is(err, index.ErrNone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	in := st.Incident(id)
	return in != nil && in.State.Sealed(), nil
}

// Reopen publishes that an incident's scope is examined again: its last revision stays sealed, and is asked. Errors:
// index.ErrState.
func (p *Publisher) Reopen(ctx context.Context, who actor.Actor, id string) (*Publication, error) {
	return p.turn(ctx, who, id, incident.StateReopened, "reopen")
}

// Withdraw publishes that an incident's id was a mistake: nothing of it is answered any more. Errors: index.ErrState.
func (p *Publisher) Withdraw(ctx context.Context, who actor.Actor, id string) (*Publication, error) {
	return p.turn(ctx, who, id, incident.StateWithdrawn, "withdraw")
}

func (p *Publisher) turn(ctx context.Context, who actor.Actor, id, state, what string) (*Publication, error) {
	if err := p.alone(ctx, who, what+" an incident"); err != nil {
		return nil, err
	}
	return p.turned(ctx, who, id, state, what)
}

// mayTurn gives the incident, or says why it cannot get a state.
func (p *Publisher) mayTurn(ctx context.Context, id, state, what string) (*check.Incident, error) {
	in, err := p.stated(ctx, id)
	if err == nil {
		err = index.MayFollow(in.State, check.State(state))
	}
	if err == nil && state == incident.StateReopened && !in.State.Sealed() {
		err = fmt.Errorf("%w: it is %s, and only what was final is reopened", index.ErrState, in.State)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", what, id, err)
	}
	return in, nil
}

func (p *Publisher) turned(ctx context.Context, who actor.Actor, id, state, what string) (*Publication, error) {
	if _, err := p.mayTurn(ctx, id, state, what); err != nil {
		return nil, err
	}
	pub, err := p.become(ctx, who, id, state)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", what, id, err)
	}
	return pub, nil
}

// stated gives an incident of one's own as the newest statement says it.
func (p *Publisher) stated(ctx context.Context, id string) (*check.Incident, error) {
	if err := p.own(ctx, id); err != nil {
		return nil, err
	}
	st, _, _, err := p.Index.Statement(ctx)
	if err != nil {
		return nil, err
	}
	in := st.Incident(id)
	if in == nil {
		return nil, hint.Add(errors.New("it is not published"), "what nobody has seen needs no end: shirase incident list")
	}
	return in, nil
}

// become records a state of an incident's scope, where it is not recorded yet, and publishes it: the statement, and an addendum
// that says it and nothing else that was recorded meanwhile.
func (p *Publisher) become(ctx context.Context, who actor.Actor, id, state string) (*Publication, error) {
	inc, err := p.Incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if f, said := inc.Fact("scope.state"); !said || f.Value.Word != state {
		asOf := incident.Moment{Time: p.now().In(cmp.Or(inc.Zone(), time.UTC)).Truncate(time.Minute), Precision: incident.Minute}
		if said && f.AsOf.Time.After(asOf.Time) { // the newest as-of is what holds
			asOf = f.AsOf
		}
		fact := incident.Fact{Key: "scope.state", Value: incident.Value{Word: state}, Certainty: incident.Confirmed, AsOf: asOf}
		// The program records what follows from the act: whoever approved it writes no facts, and stands in the proposal.
		by := who
		if who.Person() && who.May(actor.Write, id) != nil {
			by = actor.Server()
		}
		if _, err := p.Incidents.Add(ctx, by, &incident.FactsFile{ID: id, Facts: []incident.Fact{fact}}); err != nil {
			return nil, err
		}
	}
	for try := 1; ; try++ {
		prop, err := p.proposeState(ctx, id, state)
		if err != nil {
			return nil, err
		}
		pub, err := p.publish(ctx, who, prop, nil)
		if err == nil || !errors.Is(err, ErrStale) || try == publishTries {
			return pub, err
		}
	}
}

// stateTexts are what a notice says of a state.
var stateTexts = map[string]language.Text{
	incident.StateRetired: {JA: "この事案の確認の受け付けを終えました。", EN: "Checks of this incident are no longer answered."},
	incident.StateReopened: {JA: "対象の範囲を、あらためて調査しています。これまでに対象とお伝えした方は、引き続き対象です。ほかの方も対象となる可能性があります。",
		EN: "Who is affected is being established anew. Those who were told that they are affected still are, and others may be too."},
	incident.StateWithdrawn: {JA: "この事案は、誤って登録し、公表したものでした。確認の対象から外し、これまでのお知らせを取り下げます。",
		EN: "This incident was recorded and published by mistake. Checks answer for it no longer, and what earlier notices said under this name is withdrawn."},
}

// proposeState works out the publication of a state that is recorded: all else stays as it is published.
func (p *Publisher) proposeState(ctx context.Context, id, state string) (*Proposal, error) {
	in, err := p.stated(ctx, id)
	if err != nil {
		return nil, err
	}
	prop := &Proposal{Incident: id, State: state}
	frame, err := p.frame(ctx)
	if err != nil {
		return nil, err
	}
	subject := index.Subject{ID: id, Organisation: in.Organisation, Title: in.Title, State: check.State(state), AsOf: in.AsOf.Time}
	if prop.Statement, err = p.Index.Draft(ctx, p.Keys, frame, subject, nil); err != nil {
		return nil, err
	}
	notices, err := p.Incidents.Notices(ctx, id)
	if err != nil || len(notices) == 0 {
		return prop, err
	}
	prop.last = &notices[len(notices)-1]
	changes, err := p.Incidents.Unpublished(ctx, id, time.Time{})
	if err != nil {
		return nil, err
	}
	standing := incident.Standings(notices)
	stands := slices.ContainsFunc(notices, func(n incident.Notice) bool { return n.Whole() && standing[n.Version].Withdrawn == 0 })
	if !stands || !slices.ContainsFunc(changes, func(f incident.Fact) bool { return f.Key == "scope.state" }) {
		return prop, nil
	}
	n, err := compose.Notice(ctx, p.Incidents, id, compose.Draft{Kind: incident.KindAddendum, Only: []string{"scope.state"}, Text: stateTexts[state], Figures: p.figures(state, 0)})
	prop.Notice = &n
	return prop, err
}
