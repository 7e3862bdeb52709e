package check

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// ErrCertificate says that something is no certificate of what was destroyed, or not one of that incident.
var ErrCertificate = errors.New("it is no certificate of this form")

// A Certificate is the ledger's record of the end of a case: that the key under which its private data were sealed was destroyed, and
// what of it is left (docs/FORMAT.md, certificates). It is what its operator says, and signed as everything in the ledger is: that
// something is gone cannot be shown. It names no person, and no place.
type Certificate struct {
	// Incident is its id where it is public; "" where nothing of it is, and Subject stands for it.
	Incident string `json:"incident"`
	// Subject is [CertificateSubject] of the id, where the incident is not public: whoever is told salt and id can compare.
	Subject string `json:"subject"`
	Time    Time   `json:"time"`
	N       int64  `json:"n"` // the how many-th of the case, from 1: a later one says what was reached since
	// Outcome is OutcomeDestroyed only where no copy of the key is left of those that were ever recorded.
	Outcome  string      `json:"outcome"`
	Gone     []Accounted `json:"gone"`              // what nobody can read any more, here and in backups; of a key that is only removed, the files of it that are gone
	Remains  []Accounted `json:"remains"`           // copies of the key that were not reached, and what others still hold
	Unknown  []string    `json:"unknown"`           // what this program cannot know of
	Retained string      `json:"retained"`          // hex SHA-256 of the record that is kept, with nobody in it whom the program found; "" where there is none
	V        int         `json:"v"`                 // CertificateVersion; 1 in those of before
	Exercise bool        `json:"exercise,omitzero"` // nothing of it is real: an exercise's ledger has it
}

// Accounted is something of which there are, or were, some.
type Accounted struct {
	What string `json:"what"`
	N    int64  `json:"n"`
}

// CertificateVersion is that of the form that is written. Version 1 had no Exercise and no "accounts", and counted what a key had sealed among
// what is gone also where copies of it remain.
const CertificateVersion = 2

// Lost returns what nobody can read any more: Gone, without what version 1 called so although copies of the key remain.
func (c Certificate) Lost() []Accounted {
	if c.Outcome == OutcomeDestroyed {
		return c.Gone
	}
	return slices.DeleteFunc(slices.Clone(c.Gone), sealedByKey)
}

func sealedByKey(a Accounted) bool { return a.What != "case-key" && a.What != "key-copies" }

// What becomes of a case's key.
const (
	OutcomeDestroyed = "destroyed" // here, and each copy that was recorded
	OutcomeRemoved   = "removed"   // here; copies remain
)

// What a certificate accounts for. Each has one place: what is gone, what remains, or what is unknown.
var (
	CertificateGone    = []string{"case-key", "key-copies", "rosters", "record", "evidence", "enquiries", "backups"}
	CertificateRemains = []string{"key-copies", "house-files", "house-files-confirmed", "record-exports", "evidence-outside", "party-lists", "relay-logs", "sealed-index"}
	CertificateUnknown = []string{"copies-by-hand", "account-export", "accounts", "whoever-read", NotCounted}
)

// NotCounted is unknown of a case whose key was gone when it was to be certified: nobody counted what it sealed, and what had left the machine.
const NotCounted = "not-counted"

// MaxCertificate bounds a certificate's bytes.
const MaxCertificate = 8 << 10

// Bytes returns the canonical form (RFC 8785).
func (c Certificate) Bytes() ([]byte, error) {
	b, err := canonical(c)
	if err != nil {
		return nil, err
	}
	_, err = ParseCertificate(b)
	return b, err
}

// ParseCertificate reads a certificate's bytes. Errors: ErrCertificate.
func ParseCertificate(b []byte) (Certificate, error) {
	var c Certificate
	if len(b) > MaxCertificate {
		return c, fmt.Errorf("%w: longer than %d bytes", ErrCertificate, MaxCertificate)
	}
	if err := parseCanonical(b, &c); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if err := c.validate(); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return c, nil
}

func (c Certificate) validate() error {
	switch {
	case c.V != 1 && c.V != CertificateVersion:
		return fmt.Errorf("it is of version %d, and 1 and %d are known", c.V, CertificateVersion)
	case c.V == 1 && (c.Exercise || slices.Contains(c.Unknown, "accounts")):
		return errors.New("version 1 knows nothing of that")
	case (c.Incident == "") == (c.Subject == ""):
		return errors.New("it names its incident, or stands for one that is not public, and not both")
	case c.Incident != "" && !incidentPattern.MatchString(c.Incident):
		return errors.New("that is no incident's id")
	case c.Subject != "" && !isSum(c.Subject), c.Retained != "" && !isSum(c.Retained):
		return errors.New("that is no hash in hex")
	case c.N < 1 || c.N > 1<<31 || c.Time.IsZero():
		return errors.New("it has no number, or no time")
	case c.Outcome != OutcomeDestroyed && c.Outcome != OutcomeRemoved:
		return fmt.Errorf("%q is no outcome", c.Outcome)
	}
	for _, list := range []struct {
		has   []Accounted
		words []string
	}{{c.Gone, CertificateGone}, {c.Remains, CertificateRemains}} {
		last := -1
		for _, a := range list.has {
			i := slices.Index(list.words, a.What)
			if i <= last || a.N < 1 || a.N > 1<<53-1 {
				return fmt.Errorf("%q is not accounted for so", a.What)
			}
			last = i
		}
	}
	last := -1
	for _, word := range c.Unknown {
		i := slices.Index(CertificateUnknown, word)
		if i <= last {
			return fmt.Errorf("%q is not unknown so", word)
		}
		last = i
	}
	left := slices.ContainsFunc(c.Remains, func(a Accounted) bool { return a.What == "key-copies" })
	if left == (c.Outcome == OutcomeDestroyed) {
		return errors.New("what is called destroyed has no copy left, and what is removed has one")
	}
	if c.V > 1 && left && slices.ContainsFunc(c.Gone, sealedByKey) {
		return errors.New("whoever has a copy of the key reads what it sealed: that is not gone")
	}
	return nil
}

func isSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && hex.EncodeToString(b) == s
}

// CertificateSubject stands in a certificate for an incident that is not public: the hex SHA-256 over its id with 16 random bytes of
// salt, which its operator keeps.
func CertificateSubject(salt []byte, incident string) string {
	h := sha256.New()
	h.Write([]byte("shirase/v1 certificate subject\x00"))
	h.Write(salt)
	h.Write([]byte{0})
	h.Write([]byte(incident))
	return hex.EncodeToString(h.Sum(nil))
}
