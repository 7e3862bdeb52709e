package check

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"shirase/identity"
)

// Each is an ErrAnswer that says that somebody changed what a file says.
var (
	errVerdict = errors.New("its verdict is not what its evidence shows")
	errClaimed = errors.New("it claims to have been asked when its statement was not valid")
)

// What may be wrong with something saved that does not verify.
const (
	FaultAltered     = "altered"     // somebody changed what it says: the address, the verdict, or what the evaluator answered
	FaultForeign     = "foreign"     // it is of a ledger that is not trusted, or not witnessed as it has to be
	FaultContradicts = "contradicts" // it cannot be true together with what is remembered of its ledger
	FaultDamaged     = "damaged"     // it is not whole, or not a file of this kind
)

// Fault says what is wrong with a file that was refused.
func Fault(err error) string {
	if errors.Is(err, errVerdict) || errors.Is(err, errClaimed) {
		return FaultAltered
	}
	switch Code(err) {
	case "proof", "element", "scalar", "identity":
		return FaultAltered
	case "checkpoint", "unwitnessed", "not-pinned":
		return FaultForeign
	case "fork", "rollback", "chain", "policy-weaker", "consistency":
		return FaultContradicts
	}
	return FaultDamaged
}

// VerifyAnswer recomputes an answer file from the identity and the blinds and
// gives what it proves. It trusts the policy and nothing in the file: a file
// that brings its own ledger is not evidence. Where the policy says nothing of
// witnesses, the statement's own says who had to cosign it.
func VerifyAnswer(file []byte, policy *Policy) (*Answer, error) {
	a, err := ParseAnswer(file)
	if err != nil {
		return nil, err
	}
	p, err := a.prove(policy)
	if err != nil {
		return nil, err
	}
	return a, a.recompute(p)
}

// proven is what an answer's statement was verified by.
type proven struct {
	id         identity.Identity
	st         *Statement
	checkpoint *Checkpoint
}

// prove verifies whom the answer is about and what its statement says.
func (a *Answer) prove(policy *Policy) (*proven, error) {
	p := new(proven)
	var err error
	if p.id, err = canonicalIdentity(a.Identity); err != nil {
		return nil, err
	}
	if p.checkpoint, err = Prove(KindStatement, a.Statement, a.Proof, policy); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	if p.st, err = ParseStatement(a.Statement); err != nil {
		return nil, err
	}
	if a.V == 1 && p.st.V != 1 {
		return nil, fmt.Errorf("%w: an answer of version 1 knows no statement of version %d", ErrStatement, p.st.V)
	}
	if err := (&shown{st: p.st, checkpoint: p.checkpoint}).signed(); err != nil {
		return nil, err
	}
	witnesses := p.checkpoint.Witnesses
	if policy.keysOnly && p.st.Ledger != nil {
		own, err := parseStatementPolicy(p.st.Ledger.Policy)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStatement, err)
		}
		if witnesses, err = own.satisfied(policy, p.checkpoint); err != nil {
			return nil, err
		}
	}
	a.Checkpoint, a.Vouched = p.checkpoint, vouch(p.st, p.checkpoint, nil, witnesses)
	if a.Claimed.Before(p.st.Time.Add(-clockSkew)) || !a.Claimed.Before(p.st.Expires.Time) {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, errClaimed)
	}
	return p, nil
}

// recompute draws the verdict again and requires that it is the file's.
func (a *Answer) recompute(p *proven) error {
	outputs, err := a.outputs(p)
	if err != nil {
		return err
	}
	g := got{outputs: outputs, compared: map[Hash]bool{}}
	if a.V == 1 {
		g.groups, err = a.buckets(p.st, outputs)
	} else {
		g.groups, err = a.groups(p.st, outputs)
	}
	if err != nil {
		return err
	}
	for _, s := range a.Sources {
		g.compared[s.Layer] = true
	}
	v, err := conclude(p.st, p.id, g)
	if err != nil {
		return err
	}
	if a.V == 1 {
		v = v.version1()
	}
	// A file may be from before there were words for what could not be asked: it is told all the same.
	if !reflect.DeepEqual(*v, a.Verdict) && !reflect.DeepEqual(*v.before(), a.Verdict) {
		return fmt.Errorf("%w: %w (%s)", ErrAnswer, errVerdict, v.Result)
	}
	a.Verdict = *v
	return nil
}

// outputs finalizes each evaluation.
func (a *Answer) outputs(p *proven) (map[string]*Output, error) {
	outputs := map[string]*Output{}
	for _, e := range a.Evaluations {
		key := p.st.Key(e.Key)
		if key == nil || outputs[e.Key] != nil {
			return nil, fmt.Errorf("%w: evaluations: key %q is unknown or twice there", ErrAnswer, e.Key)
		}
		blinded, err := BlindWith(p.id.Input(), e.Blind)
		if err != nil {
			return nil, err
		}
		out, err := Finalize(key.Public, []*Blinded{blinded}, [][]byte{e.Evaluated}, e.Proof)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", e.Key, err)
		}
		outputs[e.Key] = &out[0]
	}
	return outputs, nil
}

// buckets verifies those of version 1: of each layer the one that the identity
// belongs to.
func (a *Answer) buckets(st *Statement, outputs map[string]*Output) (map[Hash]*Group, error) {
	groups := map[Hash]*Group{}
	for _, b := range a.Buckets {
		l := st.layer(b.Layer)
		if l == nil || groups[b.Layer] != nil || outputs[l.Key] == nil {
			return nil, fmt.Errorf("%w: buckets: layer %s is unknown, twice there or without an evaluation", ErrAnswer, b.Layer)
		}
		g, err := parseSaved(b.Bytes, outputs[l.Key].Bucket(l.Bits), l.Bits, l.Root, l.Bits, l.Pad)
		if err != nil {
			return nil, err
		}
		groups[b.Layer] = g
	}
	return groups, nil
}

// groups verifies those of version 2, and the sources that were compared.
func (a *Answer) groups(st *Statement, outputs map[string]*Output) (map[Hash]*Group, error) {
	depths, err := st.Depths(a.Cap)
	if err != nil {
		return nil, err
	}
	groups := map[Hash]*Group{}
	for _, b := range a.Groups {
		l := st.layer(b.Layer)
		if l == nil || groups[b.Layer] != nil || outputs[l.Key] == nil || b.P != depths[l.ID] {
			return nil, fmt.Errorf("%w: groups: layer %s is unknown, twice there, without an evaluation or of another size", ErrAnswer, b.Layer)
		}
		if groups[b.Layer], err = parseSaved(b.Bytes, outputs[l.Key].Bucket(b.P), b.P, l.Root, l.Bits, l.Pad); err != nil {
			return nil, err
		}
	}
	return groups, a.sources(st, outputs, groups)
}

// sources verifies the sources that were compared, and compares them again.
func (a *Answer) sources(st *Statement, outputs map[string]*Output, groups map[Hash]*Group) error {
	given := map[Hash]*AnswerGroup{}
	for i := range a.Sources {
		if given[a.Sources[i].Layer] != nil {
			return fmt.Errorf("%w: sources: %s is twice there", ErrAnswer, a.Sources[i].Layer)
		}
		given[a.Sources[i].Layer] = &a.Sources[i]
	}
	for i := range st.Layers {
		l := &st.Layers[i]
		g := groups[l.ID]
		if g == nil || len(l.Sources) == 1 {
			continue
		}
		compared := map[Hash]*Group{}
		for _, src := range l.Sources {
			b := given[src.Root]
			if b == nil {
				continue
			}
			delete(given, src.Root)
			bits, p := sourceGroup(src, st.Key(l.Key).LocatorBits, g.Depth)
			if b.P != p {
				return fmt.Errorf("%w: sources: %s is of another size", ErrAnswer, src.Root)
			}
			var err error
			if compared[src.Root], err = parseSaved(b.Bytes, outputs[l.Key].Bucket(p), p, src.Root, bits, 0); err != nil {
				return err
			}
		}
		if least := sampleOf(l, leastSampled); len(compared) < least {
			return fmt.Errorf("%w: sources: %d of layer %s were compared, and %d belong to an answer", ErrAnswer, len(compared), l.ID, least)
		}
		if err := g.holds(l, compared); err != nil {
			return err
		}
	}
	for root := range given {
		return fmt.Errorf("%w: sources: %s is of no fold that was asked", ErrAnswer, root)
	}
	return nil
}

// VerifyAnswer verifies an answer file by what is remembered of its ledger, or
// by the verifier's own policy where it speaks of the ledger's keys or of
// witnesses, and compares its statement and checkpoint with what is remembered.
func (p *Pins) VerifyAnswer(file []byte, own *Policy) (*Answer, error) {
	a, l, policy, err := p.answer(file, own)
	if err != nil {
		return nil, err
	}
	proven, err := a.prove(policy)
	if err != nil {
		return nil, err
	}
	if err := l.agrees(proven.st, proven.checkpoint, StatementHash(a.Statement)); err != nil {
		return nil, err
	}
	if !own.stated() && l != nil && (l.Bindings == nil || l.Bindings.Seq < proven.st.Seq) { // newer than what is remembered
		if err := l.cosigned(policy, proven.checkpoint); err != nil {
			return nil, err
		}
	}
	a.Vouched = vouch(proven.st, proven.checkpoint, l, a.Vouched.Witnesses)
	return a, a.recompute(proven)
}

// ErrNow says that what a server shows now was refused, and that nothing was
// found out of a file that it was asked about.
var ErrNow = errors.New("what the server shows now is refused, so that the file could not be held against it")

// VerifyAnswer verifies an answer file as Pins do, and has the server show that
// the answer's ledger is the beginning of the one that it shows now, whose
// witnesses then vouch for it. A key that led to the one that signs now is
// trusted for that.
func (c *Client) VerifyAnswer(ctx context.Context, file []byte) (*Answer, error) {
	base, err := c.base()
	if err != nil {
		return nil, err
	}
	if _, err := ParseAnswer(file); err != nil {
		return nil, err
	}
	now, err := c.statement(ctx, base)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNow, err)
	}
	a, l, policy, err := c.Pins.answer(file, c.Policy)
	if err != nil {
		return nil, err
	}
	proven, err := a.prove(policy.quorumless())
	if errors.Is(err, ErrCheckpoint) { // signed by a key that led to the one that signs now, or followed the stated one
		t := &trust{origin: now.checkpoint.Origin}
		if list, lerr := c.keyList(ctx, base); lerr == nil && len(list) > 0 && list[len(list)-1].VKey == now.checkpoint.Key {
			if _, lerr := t.follow(list, 0); lerr == nil {
				proven, err = a.prove(t.keys.quorumless())
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if proven.checkpoint.Origin != now.checkpoint.Origin {
		return nil, fmt.Errorf("%w: the file is of %q and the server of %q", ErrCheckpoint, proven.checkpoint.Origin, now.checkpoint.Origin)
	}
	if err := Extends(ctx, proven.checkpoint, now.checkpoint, c.Tiles(base)); err != nil {
		return nil, err
	}
	if err := l.agrees(proven.st, proven.checkpoint, StatementHash(a.Statement)); err != nil {
		return nil, err
	}
	a.Vouched = vouch(proven.st, proven.checkpoint, l, now.vouched.Witnesses)
	return a, a.recompute(proven)
}

// answer reads an answer file and finds what is known of its ledger.
func (p *Pins) answer(file []byte, own *Policy) (*Answer, *pin, *Policy, error) {
	a, err := ParseAnswer(file)
	if err != nil {
		return nil, nil, nil, err
	}
	origin, err := ProofOrigin(a.Proof)
	if err != nil {
		return nil, nil, nil, err
	}
	policy, err := p.trusted(origin, own)
	return a, p.data.Ledgers[origin], policy, err
}

// Prove verifies a tlog-proof of published bytes by what is remembered of its
// ledger, or by the verifier's own policy, and compares with what is remembered.
func (p *Pins) Prove(kind string, data []byte, proof string, own *Policy) (*Checkpoint, error) {
	origin, err := ProofOrigin(proof)
	if err != nil {
		return nil, err
	}
	policy, err := p.trusted(origin, own)
	if err != nil {
		return nil, err
	}
	c, err := Prove(kind, data, proof, policy)
	if err != nil {
		return nil, err
	}
	l := p.data.Ledgers[origin]
	if !own.stated() && l != nil {
		if err := l.cosigned(policy, c); err != nil {
			return nil, err
		}
	}
	var st *Statement
	if kind == KindStatement {
		if st, err = ParseStatement(data); err != nil {
			return nil, err
		}
	}
	return c, l.agrees(st, c, StatementHash(data))
}

// cosigned holds a checkpoint to the witnesses that are remembered.
func (l *pin) cosigned(keys *Policy, c *Checkpoint) error {
	pinned, err := parseStatementPolicy(l.Policy)
	if err != nil {
		return err
	}
	_, err = pinned.satisfied(keys, c)
	return err
}

// trusted returns the policy for something saved: the keys that are stated or
// remembered, and the quorum that is stated or the statement's own.
func (p *Pins) trusted(origin string, own *Policy) (*Policy, error) {
	if own.named() {
		return own, nil
	}
	keys, err := p.keys(origin)
	if err != nil || own == nil {
		return keys, err
	}
	return own.under(keys), nil
}

// agrees compares a saved checkpoint, and a statement where there is one, with
// what is remembered: the same tree where it has the same size, the same
// statement where it has the same number, and no rule of the chain broken
// before or after.
func (l *pin) agrees(st *Statement, c *Checkpoint, hash Hash) error {
	if l == nil {
		return nil
	}
	if seen := l.checkpoint(); seen != nil && seen.Size == c.Size && seen.Root != c.Root {
		return fmt.Errorf("%w: two ledgers of %d entries", ErrFork, c.Size)
	}
	b := l.Bindings
	if b == nil || st == nil {
		return nil
	}
	if st.Seq < b.Seq {
		return b.Before(st)
	}
	_, err := b.Next(st, hash)
	return err
}
