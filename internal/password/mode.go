package password

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	//lint:ignore SA1019 NTLM is MD4; it is the question's form here, never a protection
	"golang.org/x/crypto/md4"
)

// A Mode is the hash by which a corpus knows passwords.
type Mode uint8

// The modes of the range API.
const (
	SHA1 Mode = 1 // of the password's UTF-8 bytes
	NTLM Mode = 2 // MD4 of its UTF-16, little-endian: what Active Directory stores
)

// Modes lists them.
var Modes = [...]Mode{SHA1, NTLM}

// ErrMode reports a name that is no mode's.
var ErrMode = errors.New("neither sha1 nor ntlm")

// ErrEncoding reports a password that is not UTF-8 and therefore has no NTLM hash.
var ErrEncoding = errors.New("not UTF-8")

// ParseMode reads "sha1" or "ntlm".
func ParseMode(s string) (Mode, error) {
	for _, m := range Modes {
		if s == m.String() {
			return m, nil
		}
	}
	return 0, fmt.Errorf("hash %q: %w", s, ErrMode)
}

func (m Mode) String() string {
	if m == NTLM {
		return "ntlm"
	}
	return "sha1"
}

// Size is the length of a hash in bytes.
func (m Mode) Size() int {
	if m == NTLM {
		return md4.Size
	}
	return sha1.Size
}

// Hash returns the hash of a password. It is not normalised: clients of range APIs hash what was typed.
func (m Mode) Hash(password string) ([]byte, error) {
	if m == SHA1 {
		h := sha1.Sum([]byte(password))
		return h[:], nil
	}
	if !utf8.ValidString(password) {
		return nil, fmt.Errorf("NTLM hash: %w", ErrEncoding)
	}
	var text []byte
	for _, u := range utf16.Encode([]rune(password)) {
		text = binary.LittleEndian.AppendUint16(text, u)
	}
	h := md4.New()
	h.Write(text)
	return h.Sum(nil), nil
}

// A range is what 5 hex digits name: the leading 20 bits of a hash.
const (
	rangeBits  = 20
	ranges     = 1 << rangeBits
	rangeShift = 64 - rangeBits
)

// top is the leading 64 bits of a hash.
func top(hash []byte) uint64 { return binary.BigEndian.Uint64(hash) }
