package check

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

// Limits of a policy.
const (
	MaxPolicy    = 4 << 10 // bytes of a statement's policy
	MaxWitnesses = 16      // of a statement's policy
	maxPolicy    = 1 << 20 // bytes of a verifier's own
	maxNamed     = 64      // logs, witnesses and groups of it, each
)

// Policy says whose signatures make a checkpoint good: one of the log's keys,
// and a quorum of witnesses (C2SP tlog-policy). A policy without log keys says
// nothing of the log: it is joined with what is pinned. It is a torchwood.Policy.
type Policy struct {
	logs      []ledgerKey
	witnesses []Witness
	quorum    *member // nil: none
	keysOnly  bool    // nothing is said of witnesses: others decide
}

// Witness is a witness that a policy names.
type Witness struct {
	Name string // within the policy
	VKey string // C2SP signed-note vkey of type cosignature/v1
	URL  string // where checkpoints are submitted; may be empty

	verifier note.Verifier
}

// ledgerKey is a log's verifier key.
type ledgerKey struct {
	vkey string
	v    note.Verifier
}

// member is a witness or a group of members, of which a number has to sign.
type member struct {
	witness note.Verifier // nil in a group
	of      []*member
	least   int  // members of the group
	taken   bool // it is a member of a group already
}

// vkeyPattern is the one spelling of a vkey that policies take.
var vkeyPattern = regexp.MustCompile(`^[!-*,-~]+\+[0-9a-f]{8}\+([A-Za-z0-9+/]+={0,2})$`)

// ParsePolicy reads a policy: lines of log, witness, group and quorum. Beyond
// C2SP tlog-policy it wants ASCII outside of comments, at most 64 of each, and
// exactly the fields that are specified, so that every implementation reads
// the same.
func ParsePolicy(text []byte) (*Policy, error) {
	if len(text) > maxPolicy {
		return nil, fmt.Errorf("read a policy: longer than %d bytes", maxPolicy)
	}
	p, quorum, named := new(Policy), "", map[string]*member{"none": nil}
	for i, line := range strings.Split(string(text), "\n") {
		fields, err := policyFields(line)
		if err == nil && len(fields) > 0 {
			err = p.line(fields, named, &quorum)
		}
		if err != nil {
			return nil, fmt.Errorf("read a policy: line %d: %w", i+1, err)
		}
	}
	if quorum == "" {
		return nil, errors.New("read a policy: there is no quorum line")
	}
	p.quorum = named[quorum]
	return p, nil
}

// policyFields splits a line; a comment has no fields.
func policyFields(line string) ([]string, error) {
	comment := strings.HasPrefix(strings.TrimLeft(line, " \t"), "#")
	for _, c := range []byte(line) {
		if c != '\t' && c < 0x20 || c == 0x7f || !comment && (c >= 0x80 || c == '#') {
			return nil, errors.New("a character that policies do not have")
		}
	}
	if comment {
		return nil, nil
	}
	return strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' }), nil
}

// line takes in one line. named has the witnesses and groups before it.
func (p *Policy) line(f []string, named map[string]*member, quorum *string) error {
	want := map[string][2]int{"log": {2, 3}, "witness": {3, 4}, "group": {4, 3 + 2*maxNamed}, "quorum": {2, 2}}
	fields, known := want[f[0]]
	switch {
	case !known:
		return fmt.Errorf("%q is not log, witness, group or quorum", f[0])
	case len(f) < fields[0] || len(f) > fields[1]:
		return fmt.Errorf("%q has too few fields or too many", f[0])
	}
	_, defined := named[f[1]]
	switch f[0] {
	case "log":
		return p.addLog(f[1])
	case "quorum":
		if *quorum != "" {
			return errors.New("a second quorum")
		}
		if !defined {
			return fmt.Errorf("%q is not defined above", f[1])
		}
		*quorum = f[1]
		return nil
	}
	if defined {
		return fmt.Errorf("the name %q is taken", f[1])
	}
	var m *member
	var err error
	if f[0] == "group" {
		if len(named) > 2*maxNamed {
			return fmt.Errorf("more than %d witnesses and groups", 2*maxNamed)
		}
		m, err = group(f[2], f[3:], named)
	} else {
		w := Witness{Name: f[1], VKey: f[2]}
		if len(f) == 4 {
			w.URL = f[3]
		}
		m, err = p.addWitness(w)
	}
	named[f[1]] = m
	return err
}

func (p *Policy) addLog(vkey string) error {
	key, err := vkeyBytes(vkey)
	if err != nil {
		return err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("a log's key: %w", err)
	}
	for _, l := range p.logs {
		if have, _ := vkeyBytes(l.vkey); bytes.Equal(have, key) {
			return errors.New("this log's key is there already")
		}
	}
	if len(p.logs) == maxNamed {
		return fmt.Errorf("more than %d logs", maxNamed)
	}
	p.logs = append(p.logs, ledgerKey{vkey, v})
	return nil
}

func (p *Policy) addWitness(w Witness) (*member, error) {
	key, err := vkeyBytes(w.VKey)
	if err != nil {
		return nil, err
	}
	if w.verifier, err = torchwood.NewCosignatureVerifier(w.VKey); err != nil {
		return nil, fmt.Errorf("a witness's key: %w", err)
	}
	for _, have := range p.witnesses {
		if b, _ := vkeyBytes(have.VKey); bytes.Equal(b, key) {
			return nil, errors.New("this witness's key is there already")
		}
	}
	if len(p.witnesses) == maxNamed {
		return nil, fmt.Errorf("more than %d witnesses", maxNamed)
	}
	p.witnesses = append(p.witnesses, w)
	return &member{witness: w.verifier}, nil
}

// vkeyBytes returns type and key of a vkey.
func vkeyBytes(vkey string) ([]byte, error) {
	m := vkeyPattern.FindStringSubmatch(vkey)
	if m == nil {
		return nil, errors.New("a key is name+hash+base64")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(m[1])
	if err != nil {
		return nil, errors.New("a key is name+hash+base64")
	}
	return b, nil
}

var thresholdPattern = regexp.MustCompile(`^[1-9][0-9]{0,3}$`)

func group(threshold string, names []string, named map[string]*member) (*member, error) {
	g := &member{least: 1}
	for _, n := range names {
		m := named[n]
		switch {
		case m == nil:
			return nil, fmt.Errorf("%q is not defined above", n)
		case m.taken:
			return nil, fmt.Errorf("%q is in a group already", n)
		}
		m.taken = true
		g.of = append(g.of, m)
	}
	switch {
	case threshold == "all":
		g.least = len(g.of)
	case threshold == "any":
	case thresholdPattern.MatchString(threshold):
		g.least, _ = strconv.Atoi(threshold)
	default:
		g.least = 0
	}
	if g.least < 1 || g.least > len(g.of) {
		return nil, fmt.Errorf("%q is not all, any or a number of members", threshold)
	}
	return g, nil
}

// strength is the least number of witnesses whose signatures are enough. Since
// nothing is in two groups, the cheapest members may be added up.
func (m *member) strength() int {
	if m == nil {
		return 0
	}
	if m.witness != nil {
		return 1
	}
	var each []int
	for _, o := range m.of {
		each = append(each, o.strength())
	}
	slices.Sort(each)
	sum := 0
	for _, n := range each[:m.least] {
		sum += n
	}
	return sum
}

func (m *member) satisfied(signed func(note.Verifier) bool) bool {
	if m.witness != nil {
		return signed(m.witness)
	}
	n := 0
	for _, o := range m.of {
		if o.satisfied(signed) {
			n++
		}
	}
	return n >= m.least
}

// LedgerPolicy trusts one ledger by its verifier key (C2SP signed-note vkey),
// whose name is the ledger's origin, and says nothing of witnesses: a statement's
// own policy decides. Several keys of one origin are alternatives: a key and its
// successors.
func LedgerPolicy(vkeys ...string) (*Policy, error) {
	p := &Policy{keysOnly: true}
	for _, vkey := range vkeys {
		vkey = strings.TrimSpace(vkey)
		if slices.ContainsFunc(p.logs, func(l ledgerKey) bool { return l.vkey == vkey }) {
			continue
		}
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, fmt.Errorf("read a ledger key: %w", err)
		}
		if len(p.logs) > 0 && v.Name() != p.logs[0].v.Name() {
			return nil, fmt.Errorf("read ledger keys: %q and %q are two ledgers", p.logs[0].v.Name(), v.Name())
		}
		p.logs = append(p.logs, ledgerKey{vkey, v})
	}
	if len(p.logs) == 0 {
		return nil, errors.New("read ledger keys: there are none")
	}
	return p, nil
}

// under returns the policy's quorum with the log keys of another.
func (p *Policy) under(keys *Policy) *Policy {
	return &Policy{logs: keys.logs, witnesses: p.witnesses, quorum: p.quorum}
}

// Strength is the least number of witnesses whose signatures satisfy the
// quorum; 0 where it asks for none.
func (p *Policy) Strength() int { return p.quorum.strength() }

// Witnesses returns every witness that the policy names, in its order.
func (p *Policy) Witnesses() []Witness { return slices.Clone(p.witnesses) }

// parseStatementPolicy reads the policy of a statement: "" is quorum none. It
// names no log and few witnesses.
func parseStatementPolicy(text string) (*Policy, error) {
	if text == "" {
		return new(Policy), nil
	}
	if len(text) > MaxPolicy {
		return nil, fmt.Errorf("a policy longer than %d bytes", MaxPolicy)
	}
	p, err := ParsePolicy([]byte(text))
	switch {
	case err != nil:
		return nil, err
	case len(p.logs) > 0:
		return nil, errors.New("a statement's policy names no log")
	case len(p.witnesses) > MaxWitnesses:
		return nil, fmt.Errorf("more than %d witnesses", MaxWitnesses)
	}
	return p, nil
}

// otherWitnesses reports whether a policy that asks for witnesses gives way to one
// that names others, or takes another number of them.
func otherWitnesses(was, is string) bool {
	p, err := parseStatementPolicy(was)
	return err == nil && p.quorum != nil && witnessLines(was) != witnessLines(is)
}

// witnessLines returns what a policy says of whose signatures are enough, without
// comments and addresses.
func witnessLines(text string) string {
	var out strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if f[0] == "witness" {
			f = f[:min(len(f), 3)]
		}
		fmt.Fprintln(&out, strings.Join(f, " "))
	}
	return out.String()
}

// quorumless returns the policy's log keys alone, and no witnesses wanted.
func (p *Policy) quorumless() *Policy { return &Policy{logs: p.logs} }

// Verifier returns the verifier of a key that the policy names, for note.Open.
func (p *Policy) Verifier(name string, hash uint32) (note.Verifier, error) {
	for _, l := range p.logs {
		if l.v.Name() == name && l.v.KeyHash() == hash {
			return l.v, nil
		}
	}
	for _, w := range p.witnesses {
		if w.verifier.Name() == name && w.verifier.KeyHash() == hash {
			return w.verifier, nil
		}
	}
	return nil, &note.UnknownVerifierError{Name: name, KeyHash: hash}
}

// Check reports whether verified signatures are enough for a checkpoint of an
// origin: ErrCheckpoint where no key of the log is among them, ErrUnwitnessed
// where they are not the quorum.
func (p *Policy) Check(origin string, sigs []note.Signature) error {
	signed := signedBy(sigs)
	if !slices.ContainsFunc(p.logs, func(l ledgerKey) bool { return l.v.Name() == origin && signed(l.v) }) {
		return ErrCheckpoint
	}
	if p.quorum != nil && !p.quorum.satisfied(signed) {
		return ErrUnwitnessed
	}
	return nil
}

func signedBy(sigs []note.Signature) func(note.Verifier) bool {
	return func(v note.Verifier) bool {
		return slices.ContainsFunc(sigs, func(s note.Signature) bool { return s.Name == v.Name() && s.Hash == v.KeyHash() })
	}
}

// Checkpoint is a ledger's checkpoint that a policy has verified.
type Checkpoint struct {
	Origin    string
	Size      int64
	Root      Hash
	Key       string   // the log's vkey that signed
	Witnesses []string // the names of the keys of the policy's witnesses that cosigned
	Note      string   // the signed note
}

// signatureError is an ErrCheckpoint: somebody whom the policy names, log or
// witness, has not signed what stands above a signature of that name.
type signatureError struct{ name string }

func (e *signatureError) Error() string {
	return fmt.Sprintf("the ledger's checkpoint has a signature of %q that is wrong", e.name)
}
func (e *signatureError) Unwrap() error { return ErrCheckpoint }

// Open verifies a signed checkpoint (C2SP tlog-checkpoint).
func (p *Policy) Open(signed string) (*Checkpoint, error) {
	n, err := note.Open([]byte(signed), p)
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &invalid):
		return nil, &signatureError{invalid.Name}
	case errors.As(err, &unverified):
		return nil, ErrCheckpoint
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its checkpoint: %w", ErrInclusion, err)
	}
	c, err := torchwood.ParseCheckpoint(n.Text)
	if err == nil && c.String() != n.Text {
		err = errors.New("it is not written as checkpoints are")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: its checkpoint: %w", ErrInclusion, err)
	}
	if err := p.Check(c.Origin, n.Sigs); err != nil {
		return nil, err
	}
	out := &Checkpoint{Origin: c.Origin, Size: c.N, Root: Hash(c.Hash), Witnesses: []string{}, Note: signed}
	signedOne := signedBy(n.Sigs)
	for _, l := range p.logs {
		if l.v.Name() == c.Origin && signedOne(l.v) {
			out.Key = l.vkey
		}
	}
	for _, w := range p.witnesses {
		if signedOne(w.verifier) {
			out.Witnesses = append(out.Witnesses, w.verifier.Name())
		}
	}
	return out, nil
}
