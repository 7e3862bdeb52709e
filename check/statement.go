package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what a statement may be.
const (
	MaxStatement   = 4 << 20        // bytes
	MaxLife        = 48 * time.Hour // from time to expires
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
	ByMail        State = "by-mail"       // sensitive: in no public index, answered by mail only
	Retired       State = "retired"       // its key is gone: no answer is given any more
)

// Statement describes the whole published index at one time. It is written as
// RFC 8785 canonical JSON and is authentic by its inclusion in the ledger.
type Statement struct {
	V           int        `json:"v"` // 1
	Seq         int64      `json:"seq"`
	Prev        Hash       `json:"prev"` // SHA-256 of the statement before; zeros for the first
	Time        Time       `json:"time"`
	Expires     Time       `json:"expires"`
	PhoneRegion string     `json:"phoneRegion"`
	Keys        []Key      `json:"keys"`
	Layers      []Layer    `json:"layers"`
	Incidents   []Incident `json:"incidents"`
}

// Key is an evaluator's public key under which layers are sealed.
type Key struct {
	ID          string    `json:"id"`
	LocatorBits int       `json:"locatorBits"`
	Public      PublicKey `json:"public"`
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

// Validate checks the statement against itself: order, limits, and that every
// final incident is in exactly one layer whose sources add up.
func (s *Statement) Validate() error {
	err := s.validate()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStatement, err)
	}
	return nil
}

var (
	regionPattern = regexp.MustCompile(`^[A-Z]{2}$`)
	langPattern   = regexp.MustCompile(`^[a-z]{2}$`)
	classPattern  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}(:[a-z][a-z0-9-]{0,19})?$`)
)

func (s *Statement) validate() error {
	switch {
	case s.V != 1:
		return fmt.Errorf("v is %d, and this program reads 1", s.V)
	case s.Seq < 1 || s.Seq > maxInt:
		return errors.New("seq is out of range")
	case (s.Seq == 1) != (s.Prev == Hash{}):
		return errors.New("prev is zero in the first statement and only there")
	case !s.Expires.After(s.Time.Time) || s.Expires.Sub(s.Time.Time) > MaxLife:
		return errors.New("expires is not within 48 hours after time")
	case !regionPattern.MatchString(s.PhoneRegion):
		return errors.New("phoneRegion is not two capital letters")
	case len(s.Keys) > 2:
		return errors.New("more than two keys")
	}
	if err := s.validateKeys(); err != nil {
		return err
	}
	if err := s.validateIncidents(); err != nil {
		return err
	}
	return s.validateLayers()
}

func (s *Statement) validateKeys() error {
	for i, k := range s.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		switch {
		case !ValidIncident(k.ID):
			return fmt.Errorf("%s: id is not [a-z0-9-]{1,64}", at)
		case i > 0 && s.Keys[i-1].ID >= k.ID:
			return fmt.Errorf("%s: keys are not in the order of their ids", at)
		case k.LocatorBits < 1 || k.LocatorBits > MaxLocatorBits:
			return fmt.Errorf("%s: locatorBits is not 1 to 24", at)
		}
		if _, err := decodeElement(k.Public[:]); err != nil {
			return fmt.Errorf("%s: public: %w", at, err)
		}
	}
	return nil
}

func (s *Statement) validateIncidents() error {
	for i := range s.Incidents {
		in := &s.Incidents[i]
		if i > 0 && s.Incidents[i-1].ID >= in.ID {
			return fmt.Errorf("incidents[%d]: incidents are not in the order of their ids", i)
		}
		if err := in.validate(); err != nil {
			return fmt.Errorf("incidents[%d]: %w", i, err)
		}
	}
	return nil
}

func (in *Incident) validate() error {
	switch {
	case !ValidIncident(in.ID):
		return errors.New("id is not [a-z0-9-]{1,64}")
	case !revisionPattern.MatchString(in.Revision):
		return errors.New("revision is not a decimal without leading zeros")
	case !textOK(in.Organisation):
		return errors.New("organisation is empty or too long")
	case len(in.Title) < 1 || len(in.Title) > 16:
		return errors.New("title is wanted in 1 to 16 languages")
	case len(in.Sets) > maxSets:
		return errors.New("more than 65536 sets")
	}
	for lang, t := range in.Title {
		if !langPattern.MatchString(lang) || !textOK(t) {
			return errors.New("title is not a text by two-letter language")
		}
	}
	for kind, n := range in.Counts {
		if (kind != "email" && kind != "phone" && kind != "account") || n < 1 || n > maxInt {
			return errors.New("counts has an unknown kind or a number below one")
		}
	}
	for _, set := range in.Sets {
		if len(set) < 1 || len(set) > 64 || !slices.IsSorted(set) || len(slices.Compact(slices.Clone(set))) != len(set) {
			return errors.New("a set is not 1 to 64 classes in order")
		}
		for _, c := range set {
			if !classPattern.MatchString(c) {
				return fmt.Errorf("%q is not a data class", c)
			}
		}
	}
	switch in.State {
	case Final:
		if in.Revision == "0" || len(in.Sets) == 0 || len(in.Counts) == 0 {
			return errors.New("a final incident has a revision from 1, counts and sets")
		}
	case Investigating, ByMail, Retired:
	default:
		return fmt.Errorf("state %q is unknown", in.State)
	}
	return nil
}

func (s *Statement) validateLayers() error {
	placed := map[string]bool{}
	for i := range s.Layers {
		l := &s.Layers[i]
		if i > 0 && bytes.Compare(s.Layers[i-1].ID[:], l.ID[:]) >= 0 {
			return fmt.Errorf("layers[%d]: layers are not in the order of their ids", i)
		}
		if err := s.validateLayer(l, placed); err != nil {
			return fmt.Errorf("layers[%d]: %w", i, err)
		}
	}
	for i, in := range s.Incidents {
		if in.State == Final && !placed[in.ID] {
			return fmt.Errorf("incidents[%d]: %s is final and in no layer", i, in.ID)
		}
	}
	return nil
}

func (s *Statement) validateLayer(l *Layer, placed map[string]bool) error {
	k := s.Key(l.Key)
	switch {
	case k == nil:
		return errors.New("its key is not among the keys")
	case l.N < 1 || l.N > MaxEntries:
		return errors.New("n is out of range")
	case l.Bits != BucketBits(l.N, k.LocatorBits):
		return fmt.Errorf("bits is %d and follows from n as %d", l.Bits, BucketBits(l.N, k.LocatorBits))
	case l.ID != l.Root:
		return errors.New("id is not the root")
	case l.Pad < bucketSize(0, l.Bits) || l.Pad > MaxPad:
		return errors.New("pad is out of range")
	case len(l.Sources) == 0:
		return errors.New("it has no sources")
	case len(l.Sources) == 1 && l.Sources[0].Root != l.Root:
		return errors.New("its one source has another root")
	}
	var sum int64
	for j, src := range l.Sources {
		in := s.Incident(src.Incident)
		switch {
		case j > 0 && l.Sources[j-1].Incident >= src.Incident:
			return errors.New("sources are not in the order of their incidents")
		case in == nil || in.State != Final || in.Revision != src.Revision:
			return fmt.Errorf("source %q is not the current revision of a final incident", src.Incident)
		case placed[src.Incident]:
			return fmt.Errorf("incident %s is in two layers", src.Incident)
		case src.N < 1 || src.N > l.N:
			return fmt.Errorf("source %s: n is out of range", src.Incident)
		}
		var counted int64
		for _, n := range in.Counts {
			if counted += n; counted > maxInt {
				return fmt.Errorf("incident %s: counts overflow", src.Incident)
			}
		}
		if counted != src.N {
			return fmt.Errorf("incident %s counts %d entries and its source holds %d", src.Incident, counted, src.N)
		}
		placed[src.Incident] = true
		sum += src.N
	}
	if sum != l.N {
		return fmt.Errorf("n is %d and its sources add up to %d", l.N, sum)
	}
	return nil
}

// textOK bounds a text that people read.
func textOK(s string) bool {
	return s != "" && len(s) <= 1000 && utf8.ValidString(s)
}
