package check

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// What the ledger records.
const (
	KindStatement = "statement"
	KindNotice    = "notice"
	KindPage      = "page" // the scripts of the page, with each release
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

// LedgerPolicy trusts one ledger by its verifier key (C2SP signed-note vkey),
// whose name is the ledger's origin. Several keys of one origin are
// alternatives: a key and its successors.
func LedgerPolicy(vkeys ...string) (torchwood.Policy, error) {
	var keys []torchwood.Policy
	var origin string
	seen := map[string]bool{}
	for _, vkey := range vkeys {
		vkey = strings.TrimSpace(vkey)
		if seen[vkey] {
			continue
		}
		seen[vkey] = true
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, fmt.Errorf("read a ledger key: %w", err)
		}
		if origin != "" && v.Name() != origin {
			return nil, fmt.Errorf("read ledger keys: %q and %q are two ledgers", origin, v.Name())
		}
		origin = v.Name()
		keys = append(keys, torchwood.SingleVerifierPolicy(v))
	}
	if len(keys) == 0 {
		return nil, errors.New("read ledger keys: there are none")
	}
	return torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(origin), torchwood.ThresholdPolicy(1, keys...)), nil
}

// proofPattern is how a tlog-proof begins: one spelling of the index, which
// torchwood would read more freely.
var proofPattern = regexp.MustCompile(`^c2sp\.org/tlog-proof@v1\n(extra [A-Za-z0-9+/]+={0,2}\n)?index (0|[1-9][0-9]{0,17})\n`)

// VerifyInclusion checks a c2sp.org/tlog-proof@v1 for published bytes: that
// the checkpoint satisfies the verifier's policy and holds the bytes' leaf.
func VerifyInclusion(kind string, data []byte, proof string, policy torchwood.Policy) error {
	if len(proof) > MaxProof {
		return fmt.Errorf("%w: a proof longer than %d bytes", ErrInclusion, MaxProof)
	}
	if !proofPattern.MatchString(proof) {
		return fmt.Errorf("%w: it does not begin as a c2sp.org/tlog-proof@v1", ErrInclusion)
	}
	err := torchwood.VerifyProof(policy, tlog.RecordHash(Leaf(kind, data)), []byte(proof))
	var record *torchwood.VerifyRecordError
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &record):
		return fmt.Errorf("%w (entry %d)", ErrInclusion, record.Index)
	case errors.As(err, &unverified), errors.As(err, &invalid):
		return ErrCheckpoint
	default:
		return fmt.Errorf("%w: %v", ErrInclusion, err)
	}
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
