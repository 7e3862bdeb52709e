package check

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
)

// EntrySize is the length of an entry: locator 3, tag 6, sealed 4 bytes.
const EntrySize = 13

// Entry stands for one identity in one revision of one incident. To whoever
// lacks the identity's VOPRF output it is 13 random bytes.
type Entry [EntrySize]byte

// ErrEntry says that an entry carries the right tag and a wrong seal: it was
// corrupted or forged, and nothing may be concluded from it.
var ErrEntry = errors.New("an entry with this tag does not open")

const (
	entryLabel = "shirase/v1 entry\x00"
	tagEnd     = 9 // an entry's first nine bytes, locator and tag, identify it
)

var (
	incidentPattern = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	revisionPattern = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})$`)
)

// ValidIncident reports whether id may name an incident: [a-z0-9-]{1,64}.
func ValidIncident(id string) bool { return incidentPattern.MatchString(id) }

// SealEntry makes the entry of output y in an incident's revision. locatorBits
// is 1 to 24; set is the number of the exposure set in the statement.
func SealEntry(y *Output, locatorBits int, incident, revision string, set uint16) Entry {
	h := entryHash(y, incident, revision)
	var e Entry
	l := y.locator(locatorBits)
	e[0], e[1], e[2] = byte(l>>16), byte(l>>8), byte(l)
	copy(e[3:tagEnd], h[:6])
	e[9] = h[6] ^ byte(set>>8)
	e[10] = h[7] ^ byte(set)
	e[11], e[12] = h[8], h[9] // XOR two zero bytes
	return e
}

// find looks for y's entry of an incident's revision among sorted entries and
// opens it. ok is false where there is none. Two of them are as wrong as one
// that does not open: the order of ciphertext must not decide what somebody lost.
func (y *Output) find(bucket []byte, locatorBits int, incident, revision string) (set uint16, ok bool, err error) {
	want := SealEntry(y, locatorBits, incident, revision, 0)
	at := searchEntries(bucket, want[:tagEnd]) * EntrySize
	has := func(at int) bool { return at < len(bucket) && string(bucket[at:at+tagEnd]) == string(want[:tagEnd]) }
	if !has(at) {
		return 0, false, nil
	}
	e := bucket[at : at+EntrySize]
	if e[11] != want[11] || e[12] != want[12] || has(at+EntrySize) {
		return 0, false, fmt.Errorf("incident %s: %w", incident, ErrEntry)
	}
	return uint16(e[9]^want[9])<<8 | uint16(e[10]^want[10]), true, nil
}

// searchEntries returns the index of the first of the sorted entries that is not
// below prefix.
func searchEntries(bucket, prefix []byte) int {
	lo, hi := 0, len(bucket)/EntrySize
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if string(bucket[mid*EntrySize:mid*EntrySize+len(prefix)]) < string(prefix) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// locator returns y[0:3] as a number of 24 bits with all but its first b cleared.
func (y *Output) locator(b int) uint32 {
	l := uint32(y[0])<<16 | uint32(y[1])<<8 | uint32(y[2])
	return l &^ (1<<(24-b) - 1)
}

func entryHash(y *Output, incident, revision string) (h [sha256.Size]byte) {
	m := hmac.New(sha256.New, y[32:])
	m.Write([]byte(entryLabel))
	m.Write([]byte(incident))
	m.Write([]byte{0})
	m.Write([]byte(revision))
	m.Sum(h[:0])
	return h
}
