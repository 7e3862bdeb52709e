package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// What the ledger records.
const (
	KindStatement = "statement"
	KindNotice    = "notice"
	KindPage      = "page"     // the scripts of the page, with each release
	KindCases     = "cases"    // a day's head over the private records of all cases
	KindServices  = "services" // the head of a list of the services that incidents affected

	KindCertificate = "certificate" // that a case's key was destroyed, and what is left
)

// MaxProof bounds a tlog-proof text, in bytes.
const MaxProof = 64 << 10

var (
	// ErrCheckpoint says that a ledger's checkpoint is not signed as the
	// verifier's own policy wants.
	ErrCheckpoint = errors.New("the ledger's checkpoint is not signed by a key you trust")
	// ErrLeaf says that bytes are no entry of a ledger of this program.
	ErrLeaf = errors.New("it is not an entry of this ledger's form")
	// ErrInclusion says that something is not in the ledger at the place its proof says.
	ErrInclusion = errors.New("it is not in the ledger where its proof says")
	// ErrUnwitnessed says that a checkpoint is signed by the ledger, and not by
	// as many of its witnesses as the policy wants.
	ErrUnwitnessed = errors.New("the ledger's checkpoint is not cosigned by the witnesses that are wanted")
)

const leafPrefix = "shirase/v1 "

var kindPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Leaf returns the ledger entry of published bytes:
//
//	"shirase/v1 " ‖ kind ‖ 0x00 ‖ SHA-256(data)
//
// The kind is of the form [a-z][a-z0-9-]{0,31}. The bytes are in the ledger by their hash, by which they are served, because
// entries are bounded by 65,535 bytes (c2sp.org/tlog-tiles).
func Leaf(kind string, data []byte) []byte { return LeafOf(kind, sha256.Sum256(data)) }

// LeafOf is [Leaf] where only the hash of the bytes is at hand.
func LeafOf(kind string, hash [sha256.Size]byte) []byte {
	b := make([]byte, 0, len(leafPrefix)+len(kind)+1+len(hash))
	b = append(b, leafPrefix...)
	b = append(b, kind...)
	b = append(b, 0)
	return append(b, hash[:]...)
}

// ParseLeaf is the inverse of [LeafOf]. What is not of its form is ErrLeaf.
func ParseLeaf(entry []byte) (kind string, hash [sha256.Size]byte, err error) {
	rest, ok := bytes.CutPrefix(entry, []byte(leafPrefix))
	k, h, ok2 := bytes.Cut(rest, []byte{0})
	if !ok || !ok2 || len(h) != len(hash) || !kindPattern.Match(k) {
		return "", hash, fmt.Errorf("%w: %d bytes", ErrLeaf, len(entry))
	}
	return string(k), [sha256.Size]byte(h), nil
}

// proofPattern is how a c2sp.org/tlog-proof@v1 begins, in its one spelling:
// extra data that mean nothing here, the index, the hashes.
var proofPattern = regexp.MustCompile(`^c2sp\.org/tlog-proof@v1\n(?:extra ([A-Za-z0-9+/]*={0,2})\n)?index (0|[1-9][0-9]{0,17})\n((?:[A-Za-z0-9+/]{43}=\n)*)\n`)

// VerifyInclusion checks a c2sp.org/tlog-proof@v1 for published bytes: that
// the checkpoint satisfies the verifier's policy and holds the bytes' leaf.
func VerifyInclusion(kind string, data []byte, proof string, policy *Policy) error {
	_, err := Prove(kind, data, proof, policy)
	return err
}

// Prove is VerifyInclusion, and gives the checkpoint.
func Prove(kind string, data []byte, proof string, policy *Policy) (*Checkpoint, error) {
	return proveLeaf(Leaf(kind, data), proof, policy)
}

func proveLeaf(leaf []byte, proof string, policy *Policy) (*Checkpoint, error) {
	bad := func(what string) (*Checkpoint, error) { return nil, fmt.Errorf("%w: %s", ErrInclusion, what) }
	if len(proof) > MaxProof {
		return bad(fmt.Sprintf("a proof longer than %d bytes", MaxProof))
	}
	m := proofPattern.FindStringSubmatch(proof)
	if m == nil {
		return bad("it does not begin as a c2sp.org/tlog-proof@v1")
	}
	if _, err := base64.StdEncoding.Strict().DecodeString(m[1]); err != nil {
		return bad("its extra data are not base64")
	}
	index, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil {
		return bad("its index is out of range")
	}
	var path tlog.RecordProof
	for line := range strings.Lines(m[3]) {
		h, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return bad("a hash is not base64")
		}
		path = append(path, tlog.Hash(h))
	}
	c, err := policy.Open(proof[len(m[0]):])
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckRecord(path, c.Size, tlog.Hash(c.Root), index, tlog.RecordHash(leaf)); err != nil {
		return bad(fmt.Sprintf("entry %d", index))
	}
	return c, nil
}

// ProofOrigin returns the origin that a proof's checkpoint claims: the name by
// which a pinned key is looked up. It verifies nothing.
func ProofOrigin(proof string) (string, error) {
	if len(proof) > MaxProof {
		return "", fmt.Errorf("%w: a proof longer than %d bytes", ErrInclusion, MaxProof)
	}
	_, checkpoint, ok := strings.Cut(proof, "\n\n")
	origin, _, ok2 := strings.Cut(checkpoint, "\n")
	if !ok || !ok2 || origin == "" || len(origin) > 200 {
		return "", fmt.Errorf("%w: the proof holds no checkpoint", ErrInclusion)
	}
	return origin, nil
}
