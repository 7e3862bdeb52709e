package index

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/check"
	"shirase/internal/hint"
)

// Errors of drafting.
var (
	// ErrState says that an incident cannot go from its published state to another.
	ErrState = errors.New("an incident does not go back")
	// ErrClock says that this machine's clock cannot be right.
	ErrClock = errors.New("this machine's clock is far from the last statement")
)

// manySources is how many sources of a key are served as layers of their own.
// More are folded: each layer costs every check a request.
const manySources = 8

// farAhead is how long after the last statement a clock is not believed any more
// without a person's word: one statement dated next year would be in the way of
// all others until then.
const farAhead = 31 * 24 * time.Hour

// plan is the next statement while it is made.
type plan struct {
	x      *Index
	before *check.Statement // nil: there is none
	raw    []byte           // its bytes
	at     int64            // its entry of the ledger

	st      *check.Statement
	sources map[string][]check.Source // by key
}

// plan begins the next statement: what the newest one says, with what was decided
// since of keys and retirements.
func (x *Index) plan(ctx context.Context, f Frame) (*plan, error) {
	p := &plan{x: x, sources: map[string][]check.Source{}}
	var err error
	if p.before, p.raw, p.at, err = x.Statement(ctx); err != nil && !errors.Is(err, ErrNone) {
		return nil, err
	}
	now := check.At(x.now())
	p.st = &check.Statement{V: 2, Seq: 1, Time: now, Expires: check.At(now.Add(life(f.Ledger.Policy))), PhoneRegion: f.PhoneRegion, Ledger: &f.Ledger}
	if p.before == nil {
		return p, nil
	}
	if err := credible(now.Time, p.before, f.Today); err != nil {
		return nil, err
	}
	if p.st.PhoneRegion != p.before.PhoneRegion {
		return nil, hint.Add(fmt.Errorf("phone numbers are read as of %s, and every statement so far says %s", p.st.PhoneRegion, p.before.PhoneRegion),
			`put "phoneRegion": "`+p.before.PhoneRegion+`" back into the data folder's shirase.json`)
	}
	p.st.Seq, p.st.Prev = p.before.Seq+1, check.StatementHash(p.raw)
	p.st.Keys = slices.Clone(p.before.Keys)
	p.st.Incidents = slices.Clone(p.before.Incidents)
	for _, l := range p.before.Layers {
		p.sources[l.Key] = append(p.sources[l.Key], l.Sources...)
	}
	if p.before.V == 1 {
		if err := p.upgrade(ctx, f); err != nil {
			return nil, err
		}
	}
	if err := p.decided(ctx); err != nil {
		return nil, err
	}
	return p, p.held(ctx)
}

// life is how long a statement is valid.
func life(policy string) time.Duration {
	if p, err := check.ParsePolicy([]byte(policy)); err == nil && p.Strength() > 0 {
		return check.LifeWitnessed
	}
	return check.LifeAlone
}

// credible compares the clock with the last statement's.
func credible(now time.Time, before *check.Statement, today time.Time) error {
	if now.Before(before.Time.Time) {
		return fmt.Errorf("this machine's clock is behind the last statement, %s", before.Time)
	}
	if now.Sub(before.Time.Time) <= farAhead || !today.IsZero() && now.Sub(today).Abs() <= 48*time.Hour {
		return nil
	}
	return hint.Add(fmt.Errorf("%w: it says %s, and that one is of %s", ErrClock, now.UTC().Format(time.DateOnly), before.Time.UTC().Format(time.DateOnly)),
		"look at another clock: where this one is right, say so with --today "+now.UTC().Format(time.DateOnly)+"; a statement from the future cannot be taken back")
}

// upgrade gives the keys and incidents of a statement of version 1 what version 2 says of them.
func (p *plan) upgrade(ctx context.Context, f Frame) error {
	for i := range p.st.Keys {
		p.st.Keys[i].State = check.KeyLive
	}
	for i := range p.st.Incidents {
		in := &p.st.Incidents[i]
		in.Unreadable, in.Superseded = map[string]int64{}, []check.Superseded{}
		if !in.State.Sealed() || f.Unreadable == nil {
			continue
		}
		var err error
		if in.Unreadable, err = f.Unreadable(ctx, in.ID, in.Revision); err != nil {
			return fmt.Errorf("count what could not be read of %s: %w", in.ID, err)
		}
	}
	return nil
}

// decided takes in what was decided of keys and retirements, and done: while a
// key is being destroyed, nothing is said of it yet.
func (p *plan) decided(ctx context.Context) error {
	keys, err := p.x.Keys(ctx)
	if err != nil {
		return err
	}
	ending := false
	for _, k := range keys {
		ending = ending || k.ending()
	}
	if !ending {
		retired, err := p.x.retired(ctx)
		if err != nil {
			return err
		}
		for _, id := range retired {
			p.retire(id)
		}
	}
	for _, k := range keys {
		at := slices.IndexFunc(p.st.Keys, func(known check.Key) bool { return known.ID == k.ID })
		if at < 0 {
			continue
		}
		switch {
		case k.State() == check.KeyEnded && p.st.Keys[at].State != check.KeyEnded:
			if err := p.endKey(at); err != nil {
				return err
			}
		case k.State() == check.KeyCompromised && p.st.Keys[at].State == check.KeyLive:
			p.st.Keys[at].State = check.KeyCompromised
		}
	}
	return nil
}

// retire has an incident answered no more. One that was withdrawn is not answered already, and stays what it was called.
func (p *plan) retire(id string) {
	at := slices.IndexFunc(p.st.Incidents, func(in check.Incident) bool { return in.ID == id })
	if at >= 0 && p.st.Incidents[at].State != check.Retired && p.st.Incidents[at].State != check.Withdrawn {
		in := &p.st.Incidents[at]
		*in = check.Incident{ID: in.ID, Organisation: in.Organisation, Title: in.Title, State: check.Retired, AsOf: in.AsOf}
		p.unseal(in)
	}
}

// unseal takes an incident out of every layer.
func (p *plan) unseal(in *check.Incident) {
	in.Revision, in.Counts, in.Sets = "0", map[string]int64{}, [][]string{}
	in.Unreadable, in.Superseded = map[string]int64{}, []check.Superseded{}
	for key := range p.sources {
		p.sources[key] = slices.DeleteFunc(p.sources[key], func(s check.Source) bool { return s.Incident == in.ID })
	}
}

// endKey takes a key's sources out: superseded ones, since no current one is left under it.
func (p *plan) endKey(at int) error {
	key := &p.st.Keys[at]
	for _, s := range p.sources[key.ID] {
		in := p.incident(s.Incident)
		if in == nil || in.Revision == s.Revision {
			return fmt.Errorf("key %s is destroyed, and %s revision %s is sealed under it: %w", key.ID, s.Incident, s.Revision, ErrKey)
		}
		in.Superseded = slices.DeleteFunc(slices.Clone(in.Superseded), func(r check.Superseded) bool { return r.Revision == s.Revision })
	}
	key.State = check.KeyEnded
	delete(p.sources, key.ID)
	return nil
}

// held has every key that has ended list what was sealed under it, from the
// statements so far: nobody can be asked any more who is in that, and every
// answer says so. A key that ended before statements said it is listed late.
func (p *plan) held(ctx context.Context) error {
	held := map[string]map[revision]check.Held{}
	for _, k := range p.st.Keys {
		if k.State == check.KeyEnded && k.Held == nil {
			held[k.ID] = map[revision]check.Held{}
		}
	}
	if len(held) == 0 {
		return nil
	}
	err := p.x.eachStatement(ctx, func(st *check.Statement) {
		for _, l := range st.Layers {
			under := held[l.Key]
			if under == nil {
				continue
			}
			for _, s := range l.Sources {
				if in := p.incident(s.Incident); in != nil && in.State.Sealed() {
					counts, sets, _ := st.Incident(s.Incident).Exposed(s.Revision)
					under[revision{s.Incident, number(s.Revision)}] = check.Held{Incident: s.Incident, Revision: s.Revision, Root: s.Root, Counts: counts, Sets: sets}
				}
			}
		}
	})
	if err != nil {
		return err
	}
	for i := range p.st.Keys {
		if under, ended := held[p.st.Keys[i].ID]; ended {
			all := slices.SortedFunc(maps.Keys(under), func(a, b revision) int {
				return cmp.Or(strings.Compare(a.incident, b.incident), cmp.Compare(a.number, b.number))
			})
			p.st.Keys[i].Held = []check.Held{}
			for _, r := range all {
				p.st.Keys[i].Held = append(p.st.Keys[i].Held, under[r])
			}
		}
	}
	return nil
}

// revision names one of an incident.
type revision struct {
	incident string
	number   int64
}

// eachStatement reads every statement so far, the first one first.
func (x *Index) eachStatement(ctx context.Context, f func(*check.Statement)) error {
	rows, err := x.db.QueryContext(ctx, `SELECT bytes FROM index_statement ORDER BY seq`)
	if err != nil {
		return fmt.Errorf("read the statements: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			return fmt.Errorf("read the statements: %w", err)
		}
		st, err := check.ParseStatement(raw)
		if err != nil {
			return fmt.Errorf("read the statements: %w", err)
		}
		f(st)
	}
	return errors.Join(rows.Err(), rows.Close())
}

func (p *plan) incident(id string) *check.Incident {
	at := slices.IndexFunc(p.st.Incidents, func(in check.Incident) bool { return in.ID == id })
	if at < 0 {
		return nil
	}
	return &p.st.Incidents[at]
}

// put puts an incident in its place.
func (p *plan) put(subject Subject, sealed *Sealed) error {
	was := p.incident(subject.ID)
	if was != nil {
		if err := MayFollow(was.State, subject.State); err != nil {
			return err
		}
		if err := notOlder(was, sealed); err != nil {
			return err
		}
	}
	in := check.Incident{ID: subject.ID, Organisation: subject.Organisation, Title: maps.Clone(subject.Title), State: subject.State, AsOf: check.At(subject.AsOf),
		Superseded: []check.Superseded{}, Unreadable: map[string]int64{}}
	if was != nil && was.AsOf.After(in.AsOf.Time) {
		in.AsOf = was.AsOf // a fact was taken back: what was known then is known
	}
	switch {
	case subject.State == check.Final && sealed == nil:
		return errors.New("a final incident is published with its sealed roster")
	case subject.State == check.Reopened && was != nil && was.State.Sealed():
		in.Revision, in.Counts, in.Sets, in.Unreadable, in.Superseded = was.Revision, was.Counts, was.Sets, was.Unreadable, was.Superseded
	case subject.State == check.Reopened:
		return fmt.Errorf("%w: %s was never final, and cannot be reopened", ErrState, subject.ID)
	case subject.State == check.Final:
		if err := p.seal(was, &in, subject, sealed); err != nil {
			return err
		}
	default:
		p.unseal(&in)
	}
	p.st.Incidents = slices.DeleteFunc(p.st.Incidents, func(o check.Incident) bool { return o.ID == in.ID })
	p.st.Incidents = append(p.st.Incidents, in)
	return nil
}

// seal gives an incident its sealed revision. The one before stays where it is, is listed as superseded, and is still asked.
func (p *plan) seal(was, in *check.Incident, subject Subject, sealed *Sealed) error {
	at := slices.IndexFunc(p.st.Keys, func(k check.Key) bool { return k.ID == sealed.Key.ID })
	if at < 0 {
		key := sealed.Key
		key.State = check.KeyLive
		p.st.Keys = append(p.st.Keys, key)
	} else if p.st.Keys[at].State == check.KeyEnded {
		return hint.Add(fmt.Errorf("it was sealed under key %s, which has ended meanwhile: %w", sealed.Key.ID, ErrStale), "run the same again")
	}
	in.Revision, in.Counts, in.Sets, in.Unreadable = sealed.Revision, maps.Clone(sealed.Counts), [][]string{}, map[string]int64{}
	for _, set := range subject.Sets {
		in.Sets = append(in.Sets, slices.Sorted(slices.Values(set)))
	}
	for kind, n := range subject.Unreadable {
		if n > 0 {
			in.Unreadable[kind] = n
		}
	}
	if was != nil && was.State.Sealed() {
		in.Superseded = was.Superseded
		if was.Revision == in.Revision {
			if p.before.V > 1 {
				in.Unreadable = was.Unreadable // a figure that stands beside answers is the revision's
			}
			return nil
		}
		in.Superseded = append(slices.Clone(was.Superseded), check.Superseded{Revision: was.Revision, Counts: was.Counts, Sets: was.Sets})
	}
	p.sources[sealed.Key.ID] = append(p.sources[sealed.Key.ID],
		check.Source{Incident: in.ID, Revision: in.Revision, N: sealed.Layer.N, Root: sealed.Layer.Root})
	return nil
}

// MayFollow refuses a state that may not follow a published one, with what to do instead. Errors: ErrState.
func MayFollow(was, is check.State) error {
	ok, remedy := true, ""
	switch was {
	case check.Final, check.Reopened:
		ok, remedy = is != check.Investigating && is != check.ByMail, "a scope that is examined again is reopened: shirase incident reopen ID"
	case check.ByMail:
		ok, remedy = is == check.ByMail || is == check.Retired || is == check.Withdrawn, "what is sensitive never goes into the public index"
	case check.Retired, check.Withdrawn:
		ok, remedy = is == was, "an incident that is answered again gets an id of its own"
	}
	if ok {
		return nil
	}
	return hint.Add(fmt.Errorf("%w: it is published as %s, and would be %s", ErrState, was, is), remedy)
}

// notOlder refuses to put an earlier revision in the place of a later one: a
// publisher that sealed for long may have been overtaken.
func notOlder(before *check.Incident, sealed *Sealed) error {
	if sealed == nil || !before.State.Sealed() {
		return nil
	}
	if was, is := number(before.Revision), number(sealed.Revision); is < was {
		return hint.Add(fmt.Errorf("%w: revision %d is published, and this is revision %d", ErrOlder, was, is), "run publish again: it takes the newest scope")
	}
	return nil
}

// number gives the number of a valid statement's revision.
func number(revision string) int64 {
	n, _ := strconv.ParseInt(revision, 10, 64)
	return n
}

// finish gives the statement, in its order and with its layers, and holds it
// against the one before: no honest server publishes what a client would refuse.
func (p *plan) finish(ctx context.Context) (*check.Statement, error) {
	slices.SortFunc(p.st.Keys, func(a, b check.Key) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(p.st.Incidents, func(a, b check.Incident) int { return strings.Compare(a.ID, b.ID) })
	for _, k := range p.st.Keys {
		if err := p.layers(ctx, k); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(p.st.Layers, func(a, b check.Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	if err := p.st.Validate(); err != nil {
		return nil, err
	}
	if p.before == nil {
		return p.st, nil
	}
	// The hash of the next statement is not looked at.
	if _, err := check.Bind(p.before, p.st.Prev).Next(p.st, check.Hash{}); err != nil {
		return nil, fmt.Errorf("it would not follow the last statement: %w", err)
	}
	return p.st, nil
}

// layers gives the layers of a key: each source by itself, or one fold of many.
// What was so before is not looked at again.
func (p *plan) layers(ctx context.Context, key check.Key) error {
	sources := p.sources[key.ID]
	slices.SortFunc(sources, func(a, b check.Source) int {
		if c := strings.Compare(a.Incident, b.Incident); c != 0 {
			return c
		}
		return int(number(a.Revision) - number(b.Revision))
	})
	groups := [][]check.Source{sources}
	if len(sources) <= p.x.many {
		groups = groups[:0]
		for i := range sources {
			groups = append(groups, sources[i:i+1])
		}
	}
	for _, g := range groups {
		l, ok := p.known(key.ID, g)
		if !ok {
			info, err := p.x.fold(ctx, g, key.LocatorBits)
			if err != nil {
				return err
			}
			l = check.Layer{ID: info.Root, Key: key.ID, N: info.N, Bits: info.Bits, Root: info.Root, Pad: info.Pad, Sources: g}
		}
		p.st.Layers = append(p.st.Layers, l)
	}
	return nil
}

// known finds the layer of the statement before that has exactly these sources.
func (p *plan) known(key string, sources []check.Source) (check.Layer, bool) {
	if p.before == nil {
		return check.Layer{}, false
	}
	at := slices.IndexFunc(p.before.Layers, func(l check.Layer) bool { return l.Key == key && slices.Equal(l.Sources, sources) })
	if at < 0 {
		return check.Layer{}, false
	}
	return p.before.Layers[at], true
}

// fold writes the fold of source layers. A fold of one is that layer.
func (x *Index) fold(ctx context.Context, sources []check.Source, locatorBits int) (check.LayerInfo, error) {
	var files []*check.LayerFile
	for _, s := range sources {
		l, err := x.OpenLayer(s.Root, locatorBits)
		if err != nil {
			return check.LayerInfo{}, fmt.Errorf("fold %s: %w", s.Incident, err)
		}
		defer l.Close()
		files = append(files, l.LayerFile)
	}
	if len(files) == 1 {
		return files[0].Info(), nil
	}
	info, err := x.writeLayer(func(w io.Writer) (check.LayerInfo, error) { return check.Fold(ctx, w, files) })
	if err != nil {
		return check.LayerInfo{}, fmt.Errorf("fold %d layers: %w", len(files), err)
	}
	return info, nil
}
