package check

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"
)

// MaxEvidence bounds an evidence file, in bytes.
const MaxEvidence = 64 << 20

const evidenceType = "shirase evidence"

// ErrEvidence says that a file of evidence does not show what it says.
var ErrEvidence = errors.New("the file does not show what it says")

// Evidence is what a monitor found that should not be, with what the ledger's
// own signatures show of it (docs/FORMAT.md). Whoever has the file and the
// ledger's key verifies it without asking anyone.
type Evidence struct {
	V           int          `json:"v"`    // 1
	Type        string       `json:"type"` // "shirase evidence"
	Rule        string       `json:"rule"` // which rule was broken
	What        string       `json:"what"` // in English: the finder's words
	Found       Time         `json:"found"`
	Server      string       `json:"server"`      // that was asked
	Checkpoints []string     `json:"checkpoints"` // signed notes
	Consistency []Bytes      `json:"consistency"` // RFC 6962 section 2.1.2, from the first checkpoint's size to the second's
	Entries     []Entered    `json:"entries"`     // entries of the ledger
	Buckets     []SeenBucket `json:"buckets"`     // of layers that the entries' statements name

	// Keys are the ledger's as GET /ledger/v1/keys lists them, where it has changed them: whoever trusts one of them trusts
	// those that it led to.
	Keys jsontext.Value `json:"keys,omitzero"`

	// What a verifier saw by the ledger's signatures, in English, in no file; "" where the rule is the finder's word.
	Shows string `json:"-"`
}

// Entered is an entry of the ledger, with the proof that it is one.
type Entered struct {
	Kind   string `json:"kind"`
	SHA256 Hash   `json:"sha256"`
	Bytes  Bytes  `json:"bytes,omitzero"` // none where the server did not give them
	Proof  string `json:"proof"`          // c2sp.org/tlog-proof@v1
}

// SeenBucket is a bucket as a layer has it.
type SeenBucket struct {
	Layer  Hash  `json:"layer"`
	Number int64 `json:"number"`
	Bits   int   `json:"bits"`
	Bytes  Bytes `json:"bytes"` // without padding
}

// Encode gives the bytes of an evidence file.
func (e *Evidence) Encode() ([]byte, error) {
	e.V, e.Type = 1, evidenceType
	b, err := json.Marshal(e, json.FormatNilSliceAsNull(false), jsontext.WithIndent(" "))
	if err != nil {
		return nil, fmt.Errorf("encode evidence: %w", err)
	}
	return append(b, '\n'), nil
}

// IsEvidence reports whether a file says that it is evidence, and not an answer.
func IsEvidence(file []byte) bool {
	var e struct {
		Type    string         `json:"type"`
		Unknown jsontext.Value `json:",unknown"`
	}
	return len(file) <= MaxEvidence && json.Unmarshal(file, &e) == nil && e.Type == evidenceType
}

// EvidenceOrigin gives the origin of the ledger that an evidence file claims to
// be about: the name by which a pinned key is looked up. It verifies nothing.
func EvidenceOrigin(file []byte) (string, error) {
	var e Evidence
	if err := json.Unmarshal(file, &e); err != nil {
		return "", fmt.Errorf("%w: %v", ErrEvidence, err)
	}
	if len(e.Entries) > 0 {
		return ProofOrigin(e.Entries[0].Proof)
	}
	for _, c := range e.Checkpoints {
		if origin, _, ok := strings.Cut(c, "\n"); ok && origin != "" {
			return origin, nil
		}
	}
	return "", fmt.Errorf("%w: it holds nothing that a ledger has signed", ErrEvidence)
}

// VerifyEvidence verifies an evidence file under a ledger's keys, or keys that
// theirs led to: every checkpoint, every entry, every bucket. shown says that by them the rule is
// broken: no more is needed than the ledger's own signatures. Where it is false,
// they are genuine, and what they are to show is the finder's word. ErrEvidence
// where they are not genuine, or show the contrary; what a signature fails of is
// its own error.
func VerifyEvidence(file []byte, policy *Policy) (e *Evidence, shown bool, err error) {
	e = new(Evidence)
	if len(file) > MaxEvidence {
		return nil, false, fmt.Errorf("%w: longer than %d bytes", ErrEvidence, MaxEvidence)
	}
	if err := json.Unmarshal(file, e, json.RejectUnknownMembers(true)); err != nil {
		return nil, false, fmt.Errorf("%w: %v", ErrEvidence, err)
	}
	if e.V != 1 || e.Type != evidenceType {
		return nil, false, fmt.Errorf("%w: it is not evidence of version 1", ErrEvidence)
	}
	c := &evidenceCheck{e: e, keys: &Policy{logs: slices.Clone(policy.logs)}} // a second history is one whoever has cosigned it
	if err := c.follow(); err != nil {
		return nil, false, err
	}
	if err := c.genuine(); err != nil {
		return nil, false, err
	}
	e.Shows, err = c.shows()
	return e, e.Shows != "", err
}

type evidenceCheck struct {
	e           *Evidence
	keys        *Policy
	checkpoints []*Checkpoint
	statements  []*Statement // nil of an entry that is none, or has no bytes
	invalid     string       // why an entry's bytes are no valid statement; "" where each is one
	origin      string       // of all that it brings
	buckets     []*Bucket
}

// follow takes in the keys that those trusted led to.
func (c *evidenceCheck) follow() error {
	if c.e.Keys == nil {
		return nil
	}
	var list []listedKey
	if err := json.Unmarshal(c.e.Keys, &list, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("%w: its list of keys: %v", ErrEvidence, err)
	}
	for i, k := range list {
		j := slices.IndexFunc(c.keys.logs, func(l ledgerKey) bool { return l.vkey == k.VKey })
		if j < 0 {
			continue
		}
		t := &trust{origin: c.keys.logs[j].v.Name(), keys: c.keys}
		if _, err := t.follow(list, i); err != nil {
			return fmt.Errorf("%w: %w", ErrEvidence, err)
		}
		return nil
	}
	return nil // of another ledger, or from before the trusted keys: what they do not verify is refused
}

// of requires that all is of one ledger: what two say cannot contradict itself.
func (c *evidenceCheck) of(cp *Checkpoint) error {
	if c.origin != "" && cp.Origin != c.origin {
		return fmt.Errorf("%w: it is of two ledgers, %q and %q", ErrEvidence, c.origin, cp.Origin)
	}
	c.origin = cp.Origin
	return nil
}

// genuine verifies everything that the file brings.
func (c *evidenceCheck) genuine() error {
	if len(c.e.Checkpoints) == 0 && len(c.e.Entries) == 0 {
		return fmt.Errorf("%w: it holds nothing that a ledger has signed", ErrEvidence)
	}
	for _, signed := range c.e.Checkpoints {
		cp, err := c.keys.Open(signed)
		if err != nil {
			return fmt.Errorf("a checkpoint: %w", err)
		}
		if err := c.of(cp); err != nil {
			return err
		}
		c.checkpoints = append(c.checkpoints, cp)
	}
	for i, entry := range c.e.Entries {
		if entry.Bytes != nil && StatementHash(entry.Bytes) != entry.SHA256 {
			return fmt.Errorf("%w: the bytes of entry %d are others than it names", ErrEvidence, i)
		}
		cp, err := c.entered(entry)
		if err == nil {
			err = c.of(cp)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		var st *Statement
		if entry.Kind == KindStatement && entry.Bytes != nil {
			if st, err = ParseStatement(entry.Bytes); err != nil && !laterVersion(entry.Bytes) {
				c.invalid = err.Error()
			}
		}
		c.statements = append(c.statements, st)
	}
	for _, b := range c.e.Buckets {
		if b.Bits < 0 || b.Bits > MaxLocatorBits || b.Number < 0 || b.Number>>b.Bits != 0 {
			return fmt.Errorf("%w: a bucket's number", ErrEvidence)
		}
		parsed, err := ParseBucket(b.Bytes, b.Number, b.Layer, b.Bits, 0)
		if err != nil {
			return err
		}
		c.buckets = append(c.buckets, parsed)
	}
	return nil
}

// entered verifies that an entry is in the ledger where its proof says.
func (c *evidenceCheck) entered(entry Entered) (*Checkpoint, error) {
	if entry.Bytes != nil {
		return Prove(entry.Kind, entry.Bytes, entry.Proof, c.keys)
	}
	return proveLeaf(LeafOf(entry.Kind, entry.SHA256), entry.Proof, c.keys)
}

// laterVersion reports whether bytes may be a statement of a version that this
// program does not know: it cannot say that they are none.
func laterVersion(b []byte) bool {
	var v struct {
		V    int            `json:"v"`
		Rest jsontext.Value `json:",unknown"`
	}
	return json.Unmarshal(b, &v) == nil && v.V > 2
}

// shows says by what the rule is seen to be broken; "" where that is the finder's
// word.
func (c *evidenceCheck) shows() (string, error) {
	switch c.e.Rule {
	case "fork", "rollback":
		return c.fork()
	case "statement":
		if c.invalid == "" {
			return "", fmt.Errorf("%w: it holds no statement that is not valid", ErrEvidence)
		}
		return "an entry of the ledger is no valid statement: " + c.invalid, nil
	case "bytes":
		return "", nil // that a server does not give them is seen by asking it
	case "twins":
		return c.twins()
	case "chain", "policy-weaker", "version", "time", "region", "keys", "ledger", "incident", "state", "revision", "asof", "bound", "source":
		return c.chain()
	}
	return "", nil
}

// fork shows two checkpoints that cannot belong to one history, or two
// statements that cannot.
func (c *evidenceCheck) fork() (string, error) {
	if len(c.checkpoints) == 2 {
		a, b := c.checkpoints[0], c.checkpoints[1]
		if a.Size > b.Size {
			a, b = b, a
		}
		if a.Size == b.Size && a.Root != b.Root {
			return fmt.Sprintf("the ledger has signed two histories of %d entries", a.Size), nil
		}
		if len(c.e.Consistency) > 0 {
			was, is, err := prefixRoots(c.e.Consistency, a.Size, b.Size)
			if err != nil || is != b.Root {
				return "", fmt.Errorf("%w: the hashes are not of the larger tree", ErrEvidence)
			}
			if was == a.Root {
				return "", fmt.Errorf("%w: the one checkpoint continues the other", ErrEvidence)
			}
			return fmt.Sprintf("the ledger has signed a history of %d entries, and one of %d that begins otherwise", a.Size, b.Size), nil
		}
	}
	if len(c.statements) == 2 && c.statements[0] != nil && c.statements[1] != nil {
		a, b := c.statements[0], c.statements[1]
		hash := c.e.Entries[0].SHA256
		switch {
		case a.Seq == b.Seq && hash != c.e.Entries[1].SHA256:
			return fmt.Sprintf("there are two statements of the number %d", a.Seq), nil
		case b.Seq == a.Seq+1 && b.Prev != hash:
			return fmt.Sprintf("statement %d does not name the statement %d that it follows", b.Seq, a.Seq), nil
		case c.goesBack():
			return fmt.Sprintf("statement %d comes after statement %d", b.Seq, a.Seq), nil
		}
	}
	return "", nil // a smaller tree was shown: by whom and when is the finder's word
}

// goesBack reports that the later of two entries of one tree has the lower number.
func (c *evidenceCheck) goesBack() bool {
	var at [2]int64
	var under [2]string
	for i, entry := range c.e.Entries {
		m := proofPattern.FindStringSubmatch(entry.Proof)
		if m == nil { // it was verified
			return false
		}
		at[i], _ = strconv.ParseInt(m[2], 10, 64)
		under[i] = entry.Proof[len(m[0]):]
	}
	return under[0] == under[1] && at[0] < at[1] && c.statements[0].Seq > c.statements[1].Seq
}

// chain shows two statements of which the later contradicts the earlier.
func (c *evidenceCheck) chain() (string, error) {
	if len(c.statements) != 2 || c.statements[0] == nil || c.statements[1] == nil {
		return "", nil
	}
	a, b := c.statements[0], c.statements[1]
	bound := Bind(a, c.e.Entries[0].SHA256)
	if a.Ledger != nil && b.Ledger != nil && b.Seq > a.Seq+1 && a.Ledger.Key != b.Ledger.Key {
		// In between the ledger may have had more keys than one, each named by the one before.
		bound.Ledger = &Signing{b.Ledger.Key, b.Ledger.Next, a.Ledger.Policy}
	}
	_, err := bound.Next(b, c.e.Entries[1].SHA256)
	if err == nil {
		return "", fmt.Errorf("%w: the later statement follows from the earlier", ErrEvidence)
	}
	if rule := Rule(err); rule != c.e.Rule {
		return "", fmt.Errorf("%w: what is broken is %s, and it says %s", ErrEvidence, rule, c.e.Rule)
	}
	return err.Error(), nil
}

// twins shows one locator and tag in two source layers.
func (c *evidenceCheck) twins() (string, error) {
	if len(c.buckets) != 2 || c.e.Buckets[0].Layer == c.e.Buckets[1].Layer {
		return "", nil
	}
	named := map[Hash]Source{}
	for _, st := range c.statements {
		if st == nil {
			continue
		}
		for i := range st.Layers {
			for _, s := range st.Layers[i].Sources {
				named[s.Root] = s
			}
		}
	}
	one, ok1 := named[c.e.Buckets[0].Layer]
	two, ok2 := named[c.e.Buckets[1].Layer]
	if !ok1 || !ok2 {
		return "", fmt.Errorf("%w: no statement in it names the layers", ErrEvidence)
	}
	in := map[[tagEnd]byte]bool{}
	a, b := c.buckets[0].Entries, c.buckets[1].Entries
	for i := 0; i < len(a); i += EntrySize {
		in[[tagEnd]byte(a[i:])] = true
	}
	for i := 0; i < len(b); i += EntrySize {
		if in[[tagEnd]byte(b[i:])] {
			return fmt.Sprintf("an entry of revision %s of %s stands in revision %s of %s", one.Revision, one.Incident, two.Revision, two.Incident), nil
		}
	}
	return "", fmt.Errorf("%w: the buckets have no locator and tag in common", ErrEvidence)
}

// Rule names what an error says was broken: a chain's rule, or the error's code.
func Rule(err error) string {
	var chain *ChainError
	if errors.As(err, &chain) {
		return chain.Rule
	}
	return Code(err)
}

// Twin gives the locator and tag of an entry: what stands in one source layer
// of a ledger, and in no other.
func Twin(entry []byte) []byte { return entry[:tagEnd] }

// Consistency gives the hashes of RFC 6962 section 2.1.2 from one size of a
// ledger to a larger one, from which the roots of both can be computed: where
// that section leaves out the smaller tree's root, it comes first.
func Consistency(hashes tlog.HashReader, from, size int64) ([]Bytes, error) {
	proof, err := tlog.ProveTree(size, from, hashes)
	if err != nil {
		return nil, err
	}
	var out []Bytes
	if from&(from-1) == 0 && from < size {
		root, err := tlog.TreeHash(from, hashes)
		if err != nil {
			return nil, err
		}
		out = append(out, root[:])
	}
	for _, h := range proof {
		out = append(out, h[:])
	}
	return out, nil
}

// prefixRoots computes from [Consistency] the roots of the trees of both sizes.
// Where the larger is the one expected, there is only one smaller.
func prefixRoots(proof []Bytes, m, n int64) (was, is Hash, err error) {
	if m < 1 || m >= n {
		return was, is, errors.New("sizes")
	}
	next := func() (Hash, error) {
		if len(proof) == 0 || len(proof[0]) != sha256.Size {
			return Hash{}, errors.New("too few hashes, or no hash")
		}
		h := Hash(proof[0])
		proof = proof[1:]
		return h, nil
	}
	// SUBPROOF(m, D[n], b) of RFC 6962 section 2.1.2.
	var walk func(m, n int64) (was, is Hash, err error)
	walk = func(m, n int64) (was, is Hash, err error) {
		if m == n {
			h, err := next()
			return h, h, err
		}
		k := int64(1) << (bits.Len64(uint64(n-1)) - 1)
		if m <= k {
			if was, is, err = walk(m, k); err != nil {
				return was, is, err
			}
			right, err := next()
			return was, nodeHash(is[:], right[:]), err
		}
		if was, is, err = walk(m-k, n-k); err != nil {
			return was, is, err
		}
		left, err := next()
		return nodeHash(left[:], was[:]), nodeHash(left[:], is[:]), err
	}
	if was, is, err = walk(m, n); err != nil {
		return was, is, err
	}
	if len(proof) > 0 {
		return was, is, errors.New("too many hashes")
	}
	return was, is, nil
}
