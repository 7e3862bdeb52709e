package check

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrCases says that a record of a case is not what a day's head commits to, or that there is no such head.
var ErrCases = errors.New("the case's record is not what the ledger's head commits to")

// CasesHead is the ledger's record, once a day, of what the private records of all cases of an instance end with
// (docs/FORMAT.md, cases). It has the same length always, and is made on days without a case too, so that it tells nothing but
// that it was made.
type CasesHead struct {
	Day  string `json:"day"`  // of UTC, 2026-11-29
	Head Hash   `json:"head"` // the root over the cases
	V    int    `json:"v"`    // 1
}

// CasesHeadSize is the length of every head's bytes.
const CasesHeadSize = len(`{"day":"2026-11-29","head":"","v":1}`) + 2*sha256.Size

// Bytes returns the canonical form (RFC 8785).
func (h CasesHead) Bytes() ([]byte, error) {
	b, err := canonical(h)
	if err != nil {
		return nil, err
	}
	_, err = ParseCasesHead(b)
	return b, err
}

// ParseCasesHead reads a head's bytes. Errors: ErrCases.
func ParseCasesHead(b []byte) (CasesHead, error) {
	var h CasesHead
	if len(b) != CasesHeadSize {
		return h, fmt.Errorf("%w: %d bytes, and a head of all cases has %d", ErrCases, len(b), CasesHeadSize)
	}
	if err := parseCanonical(b, &h); err != nil {
		return h, fmt.Errorf("%w: %w", ErrCases, err)
	}
	if t, err := time.Parse(time.DateOnly, h.Day); err != nil || t.Format(time.DateOnly) != h.Day {
		return h, fmt.Errorf("%w: %q is no day", ErrCases, h.Day)
	}
	if h.V != 1 {
		return h, fmt.Errorf("%w: it is of version %d, and 1 is known", ErrCases, h.V)
	}
	return h, nil
}

// CaseHead is what one case's record ends with: how many entries it has, and the hash of the last.
type CaseHead struct {
	Case    string `json:"case"`
	Entries int64  `json:"entries"`
	Head    Hash   `json:"head"`
}

// CaseProof shows that a day's head commits to a case's record, and tells nothing of other cases.
type CaseProof struct {
	CaseHead
	Blind Hash   `json:"blind"`
	Slot  int    `json:"slot"` // which leaf of the tree
	Path  []Hash `json:"path"` // from the leaf's sibling up
}

// Depths of the tree over the cases: 64 leaves at the least, so that a proof does not say how few cases there are.
const (
	minCaseDepth = 6
	maxCaseDepth = 20
)

// leaf is the hash of a case's leaf (RFC 6962 section 2.1, over the bytes that are written here).
func (p CaseProof) leaf() (Hash, error) {
	b, err := canonical(p.CaseHead)
	if err != nil {
		return Hash{}, err
	}
	return caseLeaf(p.Blind, b), nil
}

func caseLeaf(blind Hash, b []byte) Hash {
	data := append([]byte("shirase/v1 case head\x00"), blind[:]...)
	return leafHash(append(data, b...))
}

// Verify requires that the head commits to what the proof is of. Errors: ErrCases.
func (p CaseProof) Verify(h CasesHead) error {
	if len(p.Path) < minCaseDepth || len(p.Path) > maxCaseDepth || p.Slot < 0 || p.Slot >= 1<<len(p.Path) {
		return fmt.Errorf("%w: a path of %d hashes, leaf %d", ErrCases, len(p.Path), p.Slot)
	}
	if p.Entries < 1 {
		return fmt.Errorf("%w: a record of %d entries", ErrCases, p.Entries)
	}
	hash, err := p.leaf()
	if err != nil {
		return err
	}
	slot := p.Slot
	for _, sibling := range p.Path {
		if slot&1 == 0 {
			hash = nodeHash(hash[:], sibling[:])
		} else {
			hash = nodeHash(sibling[:], hash[:])
		}
		slot >>= 1
	}
	if hash != h.Head {
		return fmt.Errorf("%w: the head of %s is of other records", ErrCases, h.Day)
	}
	return nil
}

// CasesTree is the tree over all cases of a day.
type CasesTree struct {
	levels [][]Hash // the leaves first, the root last
	seed   []byte
	slots  map[string]int
	heads  map[string]CaseHead
}

// NewCasesTree builds the tree over cases from a day's secret seed of 32 bytes. Where a case stands in it, and what stands where
// there is none, follow from the seed, so that the same seed and cases make the same tree. Errors: ErrCases.
func NewCasesTree(seed []byte, cases []CaseHead) (*CasesTree, error) {
	if len(seed) != sha256.Size {
		return nil, fmt.Errorf("%w: a seed of %d bytes", ErrCases, len(seed))
	}
	depth := minCaseDepth
	for 1<<depth < 2*len(cases) { // at least half are dummies
		depth++
	}
	if depth > maxCaseDepth {
		return nil, fmt.Errorf("%w: %d cases, and a day's head has room for %d", ErrCases, len(cases), 1<<(maxCaseDepth-1))
	}
	t := &CasesTree{seed: slices.Clone(seed), slots: map[string]int{}, heads: map[string]CaseHead{}}
	type place struct {
		rank, leaf Hash
		id         string
	}
	places := make([]place, 0, 1<<depth)
	for _, c := range cases {
		if _, twice := t.heads[c.Case]; twice || c.Case == "" {
			return nil, fmt.Errorf("%w: case %q stands in it twice, or has no id", ErrCases, c.Case)
		}
		t.heads[c.Case] = c
		leaf, err := CaseProof{CaseHead: c, Blind: t.derive("blind", []byte(c.Case))}.leaf()
		if err != nil {
			return nil, err
		}
		places = append(places, place{t.derive("slot of a case", []byte(c.Case)), leaf, c.Case})
	}
	for n := uint32(0); len(places) < 1<<depth; n++ {
		number := binary.BigEndian.AppendUint32(nil, n)
		places = append(places, place{t.derive("slot of none", number), t.derive("leaf of none", number), ""})
	}
	slices.SortFunc(places, func(a, b place) int { return slices.Compare(a.rank[:], b.rank[:]) })
	leaves := make([]Hash, len(places))
	for i, p := range places {
		leaves[i] = p.leaf
		if p.id != "" {
			t.slots[p.id] = i
		}
	}
	for t.levels = [][]Hash{leaves}; len(leaves) > 1; t.levels = append(t.levels, leaves) {
		up := make([]Hash, len(leaves)/2)
		for i := range up {
			up[i] = nodeHash(leaves[2*i][:], leaves[2*i+1][:])
		}
		leaves = up
	}
	return t, nil
}

// derive gives 32 bytes that follow from the seed: HMAC-SHA256(seed, "shirase/v1 cases " ‖ what ‖ 0x00 ‖ of).
func (t *CasesTree) derive(what string, of []byte) Hash {
	m := hmac.New(sha256.New, t.seed)
	m.Write([]byte("shirase/v1 cases " + what + "\x00"))
	m.Write(of)
	return Hash(m.Sum(nil))
}

// Root returns what the day's head commits to.
func (t *CasesTree) Root() Hash { return t.levels[len(t.levels)-1][0] }

// Prove returns the proof of one case; ErrCases where it is not in the tree.
func (t *CasesTree) Prove(id string) (CaseProof, error) {
	slot, there := t.slots[id]
	if !there {
		return CaseProof{}, fmt.Errorf("%w: case %s is not in it", ErrCases, id)
	}
	p := CaseProof{CaseHead: t.heads[id], Blind: t.derive("blind", []byte(id)), Slot: slot}
	for i := 0; i < len(t.levels)-1; i++ {
		p.Path = append(p.Path, t.levels[i][slot^1])
		slot >>= 1
	}
	return p, nil
}
