package ledger

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
)

// MaxData is the largest published document in bytes.
const MaxData = 4 << 20

const leafPrefix = "shirase/v1 "

var kindPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

var errLeaf = errors.New("not a leaf of this ledger")

// Leaf returns the log entry for data of a kind ("statement", "notice"):
//
//	"shirase/v1 " ‖ kind ‖ 0x00 ‖ SHA-256(data)
//
// The kind is of the form [a-z][a-z0-9-]{0,31}; data is in the log by its hash
// because entries are bounded by 65,535 bytes (c2sp.org/tlog-tiles).
func Leaf(kind string, data []byte) []byte {
	return leaf(kind, sha256.Sum256(data))
}

func leaf(kind string, hash [sha256.Size]byte) []byte {
	b := make([]byte, 0, len(leafPrefix)+len(kind)+1+len(hash))
	b = append(b, leafPrefix...)
	b = append(b, kind...)
	b = append(b, 0)
	return append(b, hash[:]...)
}

// ParseLeaf is the inverse of [Leaf]: it returns the kind and the data's
// SHA-256.
func ParseLeaf(entry []byte) (kind string, hash [sha256.Size]byte, err error) {
	rest, ok := bytes.CutPrefix(entry, []byte(leafPrefix))
	k, h, ok2 := bytes.Cut(rest, []byte{0})
	if !ok || !ok2 || len(h) != len(hash) || !kindPattern.Match(k) {
		return "", hash, fmt.Errorf("ledger: entry of %d bytes: %w", len(entry), errLeaf)
	}
	return string(k), [sha256.Size]byte(h), nil
}
