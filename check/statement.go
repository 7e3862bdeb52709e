package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what a statement may be.
const (
	MaxStatement   = 4 << 20        // bytes
	MaxLife        = 48 * time.Hour // from time to expires, version 1
	LifeWitnessed  = 24 * time.Hour // version 2, where its policy has a quorum
	LifeAlone      = 6 * time.Hour  // version 2, where it has none
	MaxPad         = 16 << 20       // bytes of a bucket response
	MaxLocatorBits = 24
	maxInt         = 1<<53 - 1 // RFC 8785 numbers are IEEE doubles
	maxSets        = 1 << 16
)

// ErrStatement says that a statement is malformed or contradicts itself.
var ErrStatement = errors.New("not a valid statement")

// Hash is a SHA-256 hash. Its text form is 64 lower-case hex digits.
type Hash [sha256.Size]byte

// String returns the hash in lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns the hash in lower-case hex.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 lower-case hex digits.
func (h *Hash) UnmarshalText(text []byte) error {
	var v Hash
	if len(text) != hex.EncodedLen(len(v)) {
		return errors.New("not 64 hex digits")
	}
	if _, err := hex.Decode(v[:], text); err != nil || v.String() != string(text) {
		return errors.New("not 64 lower-case hex digits")
	}
	*h = v
	return nil
}

// Time is an instant of whole seconds. Its text form is RFC 3339 in UTC with Z.
type Time struct{ time.Time }

// At returns t in UTC, cut to whole seconds.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Second)} }

const timeLayout = "2006-01-02T15:04:05Z"

// MarshalText returns RFC 3339, UTC, whole seconds.
func (t Time) MarshalText() ([]byte, error) {
	if t.Nanosecond() != 0 || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return nil, errors.New("a time of whole seconds in the years 1 to 9999 is wanted")
	}
	return []byte(t.UTC().Format(timeLayout)), nil
}

// UnmarshalText reads exactly what MarshalText writes.
func (t *Time) UnmarshalText(text []byte) error {
	v, err := time.Parse(timeLayout, string(text))
	if err != nil || v.Format(timeLayout) != string(text) || v.Year() < 1 {
		return errors.New("not a time like 2026-11-23T00:00:00Z")
	}
	*t = Time{v.UTC()}
	return nil
}

// MarshalJSON and UnmarshalJSON keep time.Time's own, which allow fractions
// and offsets, from being used.
func (t Time) MarshalJSON() ([]byte, error) {
	text, err := t.MarshalText()
	return fmt.Appendf(nil, "%q", text), err
}

// UnmarshalJSON reads exactly what MarshalJSON writes.
func (t *Time) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return errors.New("a time is a string")
	}
	return t.UnmarshalText(b[1 : len(b)-1])
}

// State says what an incident's place in the index is.
type State string

const (
	Investigating State = "investigating" // the scope is not settled: nothing is sealed
	Final         State = "final"         // the scope is settled and sealed
	Reopened      State = "reopened"      // it was final and is examined again; what was sealed is still asked
	ByMail        State = "by-mail"       // sensitive: in no public index, answered by mail only
	Retired       State = "retired"       // its key is gone: no answer is given any more
	Withdrawn     State = "withdrawn"     // the id was a mistake: no answer
)

// Sealed reports whether the incident's revision is in the index.
func (s State) Sealed() bool { return s == Final || s == Reopened }

// KeyState says what a key of a statement of version 2 may still be used for.
type KeyState string

const (
	KeyLive        KeyState = "live"
	KeyCompromised KeyState = "compromised" // somebody else may have it: who has it can test addresses
	KeyEnded       KeyState = "ended"       // it evaluates nothing any more, and never will again
)

// Statement describes the whole published index at one time. It is written as
// RFC 8785 canonical JSON and is authentic by its inclusion in the ledger.
// Members that version 1 does not have are nil or empty there.
type Statement struct {
	V           int        `json:"v"` // 1 or 2
	Seq         int64      `json:"seq"`
	Prev        Hash       `json:"prev"` // SHA-256 of the statement before; zeros for the first
	Time        Time       `json:"time"`
	Expires     Time       `json:"expires"`
	PhoneRegion string     `json:"phoneRegion"`
	Ledger      *Signing   `json:"ledger,omitzero"` // version 2
	Keys        []Key      `json:"keys"`
	Layers      []Layer    `json:"layers"`
	Incidents   []Incident `json:"incidents"`
}

// Signing says who signs the ledger now, who will next, and who witnesses it.
type Signing struct {
	Key    Hash   `json:"key"`    // SHA-256 of the vkey's text that signs now
	Next   Hash   `json:"next"`   // SHA-256 of the text of the vkey that alone may follow
	Policy string `json:"policy"` // C2SP tlog-policy without log lines; "" asks for no witness
}

// VKeyHash is how a statement names a ledger's verifier key.
func VKeyHash(vkey string) Hash { return sha256.Sum256([]byte(vkey)) }

// Key is an evaluator's public key under which layers are sealed.
type Key struct {
	ID          string    `json:"id"`
	LocatorBits int       `json:"locatorBits"`
	Public      PublicKey `json:"public"`
	State       KeyState  `json:"state,omitzero"` // version 2
	Held        []Held    `json:"held,omitzero"`  // of an ended key: what was sealed under it; nil: the statement does not say
}

// Held is a revision that was sealed under a key that has ended: nobody can be
// asked any more who is in it.
type Held struct {
	Incident string           `json:"incident"`
	Revision string           `json:"revision"`
	Root     Hash             `json:"root"`
	Counts   map[string]int64 `json:"counts"`
	Sets     [][]string       `json:"sets"`
}

// N returns how many entries the revision had.
func (h *Held) N() (n int64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Layer is a served layer: the fold of its sources.
type Layer struct {
	ID      Hash     `json:"id"` // the root
	Key     string   `json:"key"`
	N       int64    `json:"n"`    // entries
	Bits    int      `json:"bits"` // 2^bits buckets
	Root    Hash     `json:"root"`
	Pad     int      `json:"pad"` // bytes of every bucket response
	Sources []Source `json:"sources"`
}

// Source is the source layer of one revision of one incident.
type Source struct {
	Incident string `json:"incident"`
	Revision string `json:"revision"`
	N        int64  `json:"n"`
	Root     Hash   `json:"root"`
}

// Incident is what the statement says of one incident.
type Incident struct {
	ID           string            `json:"id"`
	Organisation string            `json:"organisation"`
	Title        map[string]string `json:"title"` // by language
	Revision     string            `json:"revision"`
	State        State             `json:"state"`
	AsOf         Time              `json:"asOf"`
	Counts       map[string]int64  `json:"counts"` // entries by kind of identity
	Sets         [][]string        `json:"sets"`   // exposure sets; an entry names one by number

	// Version 2, where neither is nil.
	Unreadable map[string]int64 `json:"unreadable,omitzero"` // accounts without a readable identity of a kind; under Rows, rows that could not be read
	Superseded []Superseded     `json:"superseded,omitzero"` // earlier revisions that are still served, ascending
}

// Rows is the name in Incident.Unreadable of rows that are of no kind.
const Rows = "rows"

// Superseded is what an entry of an earlier revision opens to.
type Superseded struct {
	Revision string           `json:"revision"`
	Counts   map[string]int64 `json:"counts"`
	Sets     [][]string       `json:"sets"`
}

// Exposed returns counts and exposure sets of a revision of the incident: its own,
// or those of one that it superseded. ok is false where it lists neither.
func (in *Incident) Exposed(revision string) (counts map[string]int64, sets [][]string, ok bool) {
	if in.State.Sealed() && in.Revision == revision {
		return in.Counts, in.Sets, true
	}
	for i := range in.Superseded {
		if in.Superseded[i].Revision == revision {
			return in.Superseded[i].Counts, in.Superseded[i].Sets, true
		}
	}
	return nil, nil, false
}

// Canonical checks the statement and gives its canonical bytes.
func (s *Statement) Canonical() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return canonical(s)
}

// canonical is RFC 8785 canonical JSON of a value of integers, strings and
// containers.
func canonical(v any) ([]byte, error) {
	b, err := json.Marshal(v, json.FormatNilSliceAsNull(false), json.FormatNilMapAsNull(false))
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	val := jsontext.Value(b)
	if err := val.Canonicalize(); err != nil {
		return nil, fmt.Errorf("encode canonically: %w", err)
	}
	return val, nil
}

// parseCanonical reads v and requires that b is its canonical encoding, so
// that there is one encoding of each value and nothing beside it.
func parseCanonical(b []byte, v any) error {
	if err := json.Unmarshal(b, v, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	again, err := canonical(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(b, again) {
		return errors.New("the bytes are not the canonical encoding (RFC 8785)")
	}
	return nil
}

// parseExactly reads v from JSON whose spacing and order are free, and requires that every member is there, and that nothing is
// read as something else than it says (null as empty, 1.0 as 1).
func parseExactly(b []byte, v any) error {
	if err := json.Unmarshal(b, v, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	given := jsontext.Value(bytes.Clone(b))
	if err := given.Canonicalize(); err != nil {
		return err
	}
	if read, err := canonical(v); err != nil || !bytes.Equal(given, read) {
		return errors.New("a member is missing, or is not of its kind")
	}
	return nil
}

// ParseStatement reads canonical bytes and checks everything that can be
// checked of a statement alone. It does not look at the time.
func ParseStatement(b []byte) (*Statement, error) {
	if len(b) > MaxStatement {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrStatement, MaxStatement)
	}
	s := new(Statement)
	if err := parseCanonical(b, s); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrStatement, err)
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return s, nil
}

// StatementHash is what the ledger holds of a statement, and what the next one
// calls prev.
func StatementHash(b []byte) Hash { return sha256.Sum256(b) }

// Key returns the key with that id, or nil.
func (s *Statement) Key(id string) *Key {
	for i := range s.Keys {
		if s.Keys[i].ID == id {
			return &s.Keys[i]
		}
	}
	return nil
}

// Incident returns the incident with that id, or nil.
func (s *Statement) Incident(id string) *Incident {
	i, ok := slices.BinarySearchFunc(s.Incidents, id, func(in Incident, id string) int {
		return bytes.Compare([]byte(in.ID), []byte(id))
	})
	if !ok {
		return nil
	}
	return &s.Incidents[i]
}
