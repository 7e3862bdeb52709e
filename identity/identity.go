// Package identity gives what a person may be known by — an e-mail address, a
// telephone number, an organisation's own account id — one canonical form, and
// the bytes of it that are hashed.
//
// Two programs that disagree on the canonical form tell a victim "no". So the
// form depends on nothing that differs between languages or their versions:
// [ParseEmail] documents every step, the Unicode data are this package's own
// (unicode.json, made by gen.go, also read by the browser's half), and
// testdata/vectors.json holds the traps for every implementation.
package identity

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// Kind says what an identity is.
type Kind string

// The kinds. Their names are part of the bytes that are hashed.
const (
	KindEmail   Kind = "email"
	KindPhone   Kind = "phone"
	KindAccount Kind = "account"
)

// An Identity is a kind and its canonical value. Two identities are the same
// person's if and only if they are equal (==). Make one with [ParseEmail],
// [ParsePhone] or [NewAccount]; the zero value is no identity.
//
// It is personal data: it must not reach a log, an error or a URL.
type Identity struct {
	Kind Kind

	// Value is for an e-mail the address in ASCII, the domain as A-labels; for
	// a phone the E.164 number with its '+'; for an account the organisation's
	// id, a zero byte, and the account's id.
	Value string
}

// Input returns the bytes that are hashed for an identity:
//
//	"shirase/v1" 0x00 kind 0x00 value
func (id Identity) Input() []byte {
	return id.AppendInput(make([]byte, 0, len(inputPrefix)+len(id.Kind)+1+len(id.Value)))
}

// AppendInput appends what [Identity.Input] returns to b.
func (id Identity) AppendInput(b []byte) []byte {
	b = append(b, inputPrefix...)
	b = append(b, id.Kind...)
	b = append(b, 0)
	return append(b, id.Value...)
}

const inputPrefix = "shirase/v1\x00"

// ErrInvalid is what every error of this package is, by [errors.Is].
var ErrInvalid = errors.New("not an identity")

// An Error says why a text is refused. It never holds the text.
type Error struct {
	Kind   Kind
	Reason Reason
}

func (e *Error) Error() string { return string(e.Kind) + ": " + e.Reason.Text() }

// Is makes every Error an [ErrInvalid].
func (e *Error) Is(target error) bool { return target == ErrInvalid }

// MaxInput is the longest text, in bytes of UTF-8, that any parser of this
// package looks at.
const MaxInput = 1000

const maxAccount = 256 // bytes of an account id

// NewAccount returns the identity of the account id within organisation, whose
// id matches [a-z0-9-]{1,64}.
//
// Only the organisation knows what its ids mean, so id keeps its bytes: neither
// case nor width is folded. It is trimmed as an e-mail address is, and must be 1
// to 256 bytes of UTF-8 without control characters (general category Cc).
func NewAccount(organisation, id string) (Identity, error) {
	refuse := func(r Reason) (Identity, error) { return Identity{}, &Error{KindAccount, r} }
	if !validOrganisation(organisation) {
		return refuse(OrganisationInvalid)
	}
	if len(id) > MaxInput {
		return refuse(TooLong)
	}
	if !utf8.ValidString(id) {
		return refuse(NotUTF8)
	}
	id = trim(id)
	switch {
	case id == "":
		return refuse(Empty)
	case len(id) > maxAccount:
		return refuse(TooLong)
	case strings.ContainsFunc(id, isControl):
		return refuse(ControlCharacter)
	}
	return Identity{KindAccount, organisation + "\x00" + id}, nil
}

func validOrganisation(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLowerAlnum(c) && c != '-' {
			return false
		}
	}
	return 1 <= len(s) && len(s) <= 64
}

func isLowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func isControl(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 }

// trim removes the characters of isTrimmed from both ends of s.
func trim(s string) string { return strings.TrimFunc(s, isTrimmed) }

// isTrimmed is the list of what is removed from the ends of an input: the white
// space of Unicode (property White_Space, 25 code points), and the invisible
// characters that copying from web pages, address books and spreadsheets is
// known to add: zero width space, the bidirectional marks, embeddings and
// isolates, word joiner, byte order mark.
//
// The zero width non-joiner and joiner (U+200C, U+200D) are not in it: within a
// domain they can make a difference.
func isTrimmed(r rune) bool {
	switch {
	case 0x09 <= r && r <= 0x0d, r == ' ', r == 0x85, r == 0xa0, r == 0x1680,
		0x2000 <= r && r <= 0x200a, r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000:
		return true
	case r == 0x200b, r == 0x200e, r == 0x200f, 0x202a <= r && r <= 0x202e,
		r == 0x2060, 0x2066 <= r && r <= 0x2069, r == 0xfeff:
		return true
	}
	return false
}
