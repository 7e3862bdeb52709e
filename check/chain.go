package check

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

var (
	// ErrChain says that a statement contradicts one that was seen before: see
	// ChainError.
	ErrChain = errors.New("the statement contradicts an earlier one")
	// ErrPolicyWeaker says that a ledger asks for fewer witnesses than before.
	ErrPolicyWeaker = errors.New("the ledger asks for fewer witnesses than it did")
	// ErrRollback says that a server shows an older statement or ledger than it showed before.
	ErrRollback = errors.New("the server shows an older statement than it showed before")
	// ErrFork says that there are two histories.
	ErrFork = errors.New("the server shows another history than before")
)

// ChainError is an ErrChain: the rule that was broken (docs/PROTOCOL.md,
// section "The chain") and by what.
type ChainError struct {
	Rule string // version, time, region, keys, ledger, incident, state, revision, asof, bound or source
	What string
}

func (e *ChainError) Error() string { return fmt.Sprintf("%v: %s: %s", ErrChain, e.Rule, e.What) }

// Is makes every ChainError an ErrChain.
func (e *ChainError) Is(target error) bool { return target == ErrChain }

func broken(rule, format string, a ...any) error {
	return &ChainError{rule, fmt.Sprintf(format, a...)}
}

// Bindings are what a statement binds later ones to, with what earlier ones
// bound: all that the rules of the chain need of it. They are kept as JSON.
type Bindings struct {
	V           int                       `json:"v"` // of the statement; 0: only its number and hash are known
	Seq         int64                     `json:"seq"`
	Hash        Hash                      `json:"statement"`
	Time        Time                      `json:"time"`
	PhoneRegion string                    `json:"phoneRegion"`
	Ledger      *Signing                  `json:"ledger,omitzero"`
	Keys        map[string]*boundKey      `json:"keys"`
	Incidents   map[string]*boundIncident `json:"incidents"`
}

type boundKey struct {
	Public      PublicKey `json:"public"`
	LocatorBits int       `json:"locatorBits"`
	State       KeyState  `json:"state"`
	Gone        bool      `json:"gone,omitzero"` // a statement of version 1 has left it out
	Held        bool      `json:"held,omitzero"` // it has ended, and what was sealed under it is listed
}

type boundIncident struct {
	State     State                     `json:"state"`
	AsOf      Time                      `json:"asOf"`
	Revision  int64                     `json:"revision"` // the highest that was sealed
	Revisions map[string]*boundRevision `json:"revisions"`
}

type boundRevision struct {
	Root    Hash   `json:"root"`
	N       int64  `json:"n"`
	Key     string `json:"key"`
	Content Hash   `json:"content"`       // SHA-256 of its counts and sets
	Gone    bool   `json:"gone,omitzero"` // it is not listed any more

	// What could not be read, of a revision that was an incident's current one in a statement of version 2; nil of others.
	Unreadable map[string]int64 `json:"unreadable,omitzero"`
}

// content is what a revision's counts and sets are bound by.
func content(counts map[string]int64, sets [][]string) Hash {
	b, err := canonical(struct {
		Counts map[string]int64 `json:"counts"`
		Sets   [][]string       `json:"sets"`
	}{counts, sets})
	if err != nil { // integers and texts that a valid statement holds
		panic(err)
	}
	return StatementHash(b)
}

// revisions returns each source of the statement, and each revision that an ended
// key held, as it is bound, by incident and revision.
func (s *Statement) revisions() map[placed]*boundRevision {
	out := map[placed]*boundRevision{}
	for i := range s.Layers {
		for _, src := range s.Layers[i].Sources {
			in := s.Incident(src.Incident)
			counts, sets, _ := in.Exposed(src.Revision)
			r := &boundRevision{Root: src.Root, N: src.N, Key: s.Layers[i].Key, Content: content(counts, sets)}
			if in.Revision == src.Revision {
				r.Unreadable = in.Unreadable
			}
			out[placed{src.Incident, src.Revision}] = r
		}
	}
	for i := range s.Keys {
		for j := range s.Keys[i].Held {
			h := &s.Keys[i].Held[j]
			out[placed{h.Incident, h.Revision}] = &boundRevision{Root: h.Root, N: h.N(), Key: s.Keys[i].ID, Content: content(h.Counts, h.Sets)}
		}
	}
	return out
}

// Bind returns what a valid statement with that hash binds later ones to.
func Bind(st *Statement, hash Hash) *Bindings {
	return (&Bindings{}).with(st, hash, st.revisions())
}

// Next holds a later statement, over any gap, to what is bound, and gives what
// is bound from then on. The same statement again binds the same.
func (b *Bindings) Next(st *Statement, hash Hash) (*Bindings, error) {
	switch {
	case st.Seq < b.Seq:
		return nil, fmt.Errorf("%w: number %d, and %d was seen", ErrRollback, st.Seq, b.Seq)
	case st.Seq == b.Seq && hash != b.Hash:
		return nil, fmt.Errorf("%w: number %d", ErrFork, st.Seq)
	case st.Seq == b.Seq+1 && st.Prev != b.Hash:
		return nil, fmt.Errorf("%w: number %d does not follow the one seen", ErrFork, st.Seq)
	case st.Seq == b.Seq && b.V > 0:
		return b, nil
	}
	listed := st.revisions()
	if b.V > 0 {
		if err := b.follow(st, listed); err != nil {
			return nil, fmt.Errorf("statement %d after %d: %w", st.Seq, b.Seq, err)
		}
	}
	return b.with(st, hash, listed), nil
}

// follow checks every rule but those of the numbers, in the order of PROTOCOL.md.
func (b *Bindings) follow(st *Statement, listed map[placed]*boundRevision) error {
	switch {
	case st.V < b.V:
		return broken("version", "%d after %d", st.V, b.V)
	case st.Time.Before(b.Time.Time):
		return broken("time", "%s after %s", st.Time.Format(timeLayout), b.Time.Format(timeLayout))
	case st.PhoneRegion != b.PhoneRegion:
		return broken("region", "%s after %s", st.PhoneRegion, b.PhoneRegion)
	}
	if err := b.followKeys(st); err != nil {
		return err
	}
	if err := b.followLedger(st); err != nil {
		return err
	}
	if err := b.followIncidents(st); err != nil {
		return err
	}
	if err := b.bound(listed); err != nil {
		return err
	}
	return b.everyOwed(func(at placed, r *boundRevision) error {
		if listed[at] == nil && b.owes(st, at, r) {
			return broken("source", "revision %s of %s is not listed any more", at.revision, at.incident)
		}
		return nil
	})
}

// everyOwed calls f with each bound revision, in order.
func (b *Bindings) everyOwed(f func(placed, *boundRevision) error) error {
	for _, id := range slices.Sorted(maps.Keys(b.Incidents)) {
		in := b.Incidents[id]
		for _, revision := range slices.Sorted(maps.Keys(in.Revisions)) {
			if err := f(placed{id, revision}, in.Revisions[revision]); err != nil {
				return err
			}
		}
	}
	return nil
}

// owes reports whether a statement has to list a revision that is bound.
func (b *Bindings) owes(st *Statement, at placed, r *boundRevision) bool {
	if r.Gone {
		return false
	}
	in := st.Incident(at.incident)
	if in == nil {
		return true
	}
	if in.State == Retired || in.State == Withdrawn {
		return false
	}
	if k := st.Key(r.Key); k != nil && k.State == KeyEnded && k.Held == nil {
		return false // that it does not say what the key held is said beside each answer
	}
	// Version 1 had no way to go on listing what a later revision replaced. Over a gap nobody can tell which statement of
	// version 1 was the last, and so what the first of version 2 owes.
	if st.V > 1 && (b.V > 1 || st.Seq == b.Seq+1) {
		return true
	}
	return number(in.Revision) <= number(at.revision)
}

// keyMoves are the states that a key may go to from another.
var keyMoves = map[KeyState][]KeyState{
	KeyLive:        {KeyLive, KeyCompromised, KeyEnded},
	KeyCompromised: {KeyCompromised, KeyEnded},
	KeyEnded:       {KeyEnded},
}

func (b *Bindings) followKeys(st *Statement) error {
	for _, id := range slices.Sorted(maps.Keys(b.Keys)) {
		k, now := b.Keys[id], st.Key(id)
		if now == nil {
			if b.needsKey(st, id, k) {
				return broken("keys", "key %s is gone", id)
			}
			continue
		}
		if err := k.same(id, now); err != nil {
			return err
		}
		if !slices.Contains(keyMoves[k.State], stateOf(now)) {
			return broken("keys", "key %s is %s and was %s", id, stateOf(now), k.State)
		}
		if k.Held && now.Held == nil {
			return broken("keys", "what was sealed under key %s is not listed any more", id)
		}
	}
	return b.keyBytes(st)
}

// keyBytes checks that no key's bytes were known under another id.
func (b *Bindings) keyBytes(st *Statement) error {
	names := map[PublicKey]string{}
	for id, k := range b.Keys {
		names[k.Public] = id
	}
	for _, k := range st.Keys {
		if id, known := names[k.Public]; known && id != k.ID && b.Keys[k.ID] == nil {
			return broken("keys", "key %s has the bytes of key %s", k.ID, id)
		}
	}
	return nil
}

func (k *boundKey) same(id string, now *Key) error {
	if k.Public != now.Public || k.LocatorBits != now.LocatorBits {
		return broken("keys", "key %s is not what it was", id)
	}
	return nil
}

// stateOf returns a key's state; version 1 knows none but live.
func stateOf(k *Key) KeyState {
	if k.State == "" {
		return KeyLive
	}
	return k.State
}

// needsKey reports whether a statement has to name a key: of version 2 each one
// that was named, of version 1 each one that it owes a revision under.
func (b *Bindings) needsKey(st *Statement, id string, k *boundKey) bool {
	if b.V > 1 {
		return !k.Gone
	}
	return b.everyOwed(func(at placed, r *boundRevision) error {
		if r.Key == id && b.owes(st, at, r) {
			return ErrChain
		}
		return nil
	}) != nil
}

func (b *Bindings) followLedger(st *Statement) error {
	if b.Ledger == nil {
		return nil
	}
	switch {
	case st.Ledger.Key == b.Ledger.Key && st.Ledger.Next != b.Ledger.Next:
		return broken("ledger", "another key is to follow the same one")
	case st.Ledger.Key != b.Ledger.Key && st.Ledger.Key != b.Ledger.Next:
		return broken("ledger", "the key that signs is not the one that was to follow")
	}
	was, err1 := parseStatementPolicy(b.Ledger.Policy)
	is, err2 := parseStatementPolicy(st.Ledger.Policy)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("%w: %w", ErrStatement, err)
	}
	if is.Strength() < was.Strength() {
		return fmt.Errorf("%w: %d after %d", ErrPolicyWeaker, is.Strength(), was.Strength())
	}
	return nil
}

// mayBecome reports whether an incident in one state may be found in another,
// over any number of steps.
func (s State) mayBecome(to State) bool {
	switch s {
	case Investigating:
		return true
	case Final, Reopened:
		return to != Investigating && to != ByMail
	case ByMail:
		return to == ByMail || to == Retired || to == Withdrawn
	}
	return s == to // retired, withdrawn
}

func (b *Bindings) followIncidents(st *Statement) error {
	ids := slices.Sorted(maps.Keys(b.Incidents))
	for _, id := range ids {
		if st.Incident(id) == nil {
			return broken("incident", "%s is gone", id)
		}
	}
	for _, id := range ids {
		if in := st.Incident(id); !b.Incidents[id].State.mayBecome(in.State) {
			return broken("state", "%s is %s and was %s", id, in.State, b.Incidents[id].State)
		}
	}
	for _, id := range ids {
		if in := st.Incident(id); in.State.Sealed() && number(in.Revision) < b.Incidents[id].Revision {
			return broken("revision", "%s goes back to revision %s", id, in.Revision)
		}
	}
	for _, id := range ids {
		if in := st.Incident(id); in.AsOf.Before(b.Incidents[id].AsOf.Time) {
			return broken("asof", "%s goes back to %s", id, in.AsOf.Format(timeLayout))
		}
	}
	return nil
}

// bound checks that a revision is the layer that it always was, and a layer the
// revision.
func (b *Bindings) bound(listed map[placed]*boundRevision) error {
	roots := map[Hash]placed{}
	_ = b.everyOwed(func(at placed, r *boundRevision) error { roots[r.Root] = at; return nil })
	in := func(x, y placed) int {
		if sourcesInOrder(Source{Incident: x.incident, Revision: x.revision}, Source{Incident: y.incident, Revision: y.revision}) {
			return -1
		}
		return 1
	}
	for _, at := range slices.SortedFunc(maps.Keys(listed), in) {
		r := listed[at]
		if was := b.revision(at); was != nil && (was.Root != r.Root || was.N != r.N || was.Key != r.Key || was.Content != r.Content) {
			return broken("bound", "revision %s of %s is not what it was", at.revision, at.incident)
		}
		if was := b.revision(at); was != nil && was.Unreadable != nil && r.Unreadable != nil && !maps.Equal(was.Unreadable, r.Unreadable) {
			return broken("bound", "what could not be read of revision %s of %s is not what it was", at.revision, at.incident)
		}
		if was, known := roots[r.Root]; known && was != at {
			return broken("bound", "revision %s of %s is the layer of revision %s of %s", at.revision, at.incident, was.revision, was.incident)
		}
		roots[r.Root] = at
	}
	return nil
}

func (b *Bindings) revision(at placed) *boundRevision {
	if in := b.Incidents[at.incident]; in != nil {
		return in.Revisions[at.revision]
	}
	return nil
}

// with returns what is bound after a statement: what it says, and beside it what
// earlier ones said and it does not.
func (b *Bindings) with(st *Statement, hash Hash, listed map[placed]*boundRevision) *Bindings {
	n := &Bindings{V: st.V, Seq: st.Seq, Hash: hash, Time: st.Time, PhoneRegion: st.PhoneRegion, Ledger: st.Ledger,
		Keys: map[string]*boundKey{}, Incidents: map[string]*boundIncident{}}
	for id, k := range b.Keys {
		gone := *k
		gone.Gone = true
		n.Keys[id] = &gone
	}
	for i := range st.Keys {
		k := &st.Keys[i]
		n.Keys[k.ID] = &boundKey{Public: k.Public, LocatorBits: k.LocatorBits, State: stateOf(k), Held: k.Held != nil}
	}
	for i := range st.Incidents {
		in := &st.Incidents[i]
		bi := &boundIncident{State: in.State, AsOf: in.AsOf, Revisions: map[string]*boundRevision{}}
		if in.State.Sealed() {
			bi.Revision = number(in.Revision)
		}
		if was := b.Incidents[in.ID]; was != nil {
			bi.Revision = max(bi.Revision, was.Revision)
			for revision, r := range was.Revisions {
				gone := *r
				gone.Gone = true
				bi.Revisions[revision] = &gone
			}
		}
		n.Incidents[in.ID] = bi
	}
	for at, r := range listed {
		if was := b.revision(at); was != nil && r.Unreadable == nil {
			r.Unreadable = was.Unreadable
		}
		n.Incidents[at.incident].Revisions[at.revision] = r
	}
	return n
}

// Before holds an earlier statement to what is bound: it must have led to it.
func (b *Bindings) Before(st *Statement) error {
	if b.V == 0 {
		return nil
	}
	var err error
	switch {
	case st.V > b.V:
		err = broken("version", "%d before %d", st.V, b.V)
	case st.Time.After(b.Time.Time):
		err = broken("time", "%s before %s", st.Time.Format(timeLayout), b.Time.Format(timeLayout))
	case st.PhoneRegion != b.PhoneRegion:
		err = broken("region", "%s before %s", st.PhoneRegion, b.PhoneRegion)
	default:
		err = b.led(st)
	}
	if err != nil {
		return fmt.Errorf("statement %d before %d: %w", st.Seq, b.Seq, err)
	}
	return nil
}

func (b *Bindings) led(st *Statement) error {
	for i := range st.Keys {
		k := &st.Keys[i]
		if was := b.Keys[k.ID]; was != nil {
			if err := was.same(k.ID, k); err != nil {
				return err
			}
			if k.Held != nil && !was.Held {
				return broken("keys", "what was sealed under key %s is not listed any more", k.ID)
			}
		}
	}
	if err := b.keyBytes(st); err != nil {
		return err
	}
	for i := range st.Incidents {
		in := &st.Incidents[i]
		switch is := b.Incidents[in.ID]; {
		case is == nil:
			return broken("incident", "%s is gone", in.ID)
		case !in.State.mayBecome(is.State):
			return broken("state", "%s is %s and was %s", in.ID, is.State, in.State)
		case in.AsOf.After(is.AsOf.Time):
			return broken("asof", "%s goes back", in.ID)
		}
	}
	return b.bound(st.revisions())
}

// Change is what a statement changes of an earlier one and no rule forbids, and
// is worth being told: a monitor names it.
type Change struct {
	Rule string // witnesses, renamed or key-ended
	What string
}

// Changed returns what a later statement changes of the one before.
func Changed(before, st *Statement) (out []Change) {
	tell := func(rule, format string, a ...any) { out = append(out, Change{rule, fmt.Sprintf(format, a...)}) }
	if before.Ledger != nil && st.Ledger != nil && otherWitnesses(before.Ledger.Policy, st.Ledger.Policy) {
		tell("witnesses", "the ledger asks for other witnesses than before")
	}
	for i := range before.Incidents {
		was := &before.Incidents[i]
		if is := st.Incident(was.ID); is != nil && (is.Organisation != was.Organisation || !maps.Equal(is.Title, was.Title)) {
			tell("renamed", "%s has another title or organisation than before", was.ID)
		}
	}
	for i := range before.Layers {
		l := &before.Layers[i]
		k := st.Key(l.Key)
		if k == nil || k.State != KeyEnded {
			continue
		}
		for _, src := range l.Sources {
			if in := st.Incident(src.Incident); in != nil && in.State.Sealed() {
				tell("key-ended", "revision %s of %s was sealed under key %s, which has ended: nobody can be asked any more who is in it", src.Revision, src.Incident, k.ID)
			}
		}
	}
	return out
}

// KindDropped is a kind of identity that an earlier revision of an incident
// indexed and its current one does not: no error, and worth being told.
type KindDropped struct {
	Incident string
	Revision string // the earlier one
	Kind     string
}

// KindsDropped returns every kind that a superseded revision has and the current
// one has not.
func (s *Statement) KindsDropped() (out []KindDropped) {
	for i := range s.Incidents {
		in := &s.Incidents[i]
		for _, before := range in.Superseded {
			for _, kind := range slices.Sorted(maps.Keys(before.Counts)) {
				if in.Counts[kind] == 0 {
					out = append(out, KindDropped{in.ID, before.Revision, kind})
				}
			}
		}
	}
	return out
}
