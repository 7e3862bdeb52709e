package bounce

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// Tokens are keyed names of messages: whoever has one was handed the message, or is the sender's own machine. Every message leaves with
// an address of its own to come back to (VERP), so that a message that comes back says of whom it is by where it comes to, and not by
// what is written in it.
//
// A token is base32 of handle ‖ the first 10 bytes of HMAC-SHA256(key of its kind, handle), in lower case and read in any. A stranger
// has no token of anybody, and hits one by chance in one of 2^80 tries, each of which is a conversation by SMTP. A recipient has their
// own, and no other.
type Tokens struct {
	domain string
	keys   map[TokenKind][]byte
}

// A TokenKind is what a token is of.
type TokenKind string

// The kinds. Their tokens are under different keys: who reads a Message-ID in a quoted header cannot make the address of it.
const (
	Envelope TokenKind = "b" // the address a message comes back to
	Message  TokenKind = "m" // its Message-ID
	Seed     TokenKind = "s" // the address of a mail that is to come back, to try the way
)

// Sizes of a token's parts, in bytes. A local part has at most 64 (RFC 5321, 4.5.3.1.1).
const (
	MaxHandle = 26
	macSize   = 10
)

// ErrHandle reports a handle that makes no token.
var ErrHandle = errors.New("a handle has 1 to 26 bytes")

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewTokens makes the tokens of a key, which is at least 32 random bytes. domain is where messages come back to: nothing else is a
// token of ours.
func NewTokens(key []byte, domain string) (*Tokens, error) {
	if len(key) < 32 {
		return nil, fmt.Errorf("the key of tokens has %d bytes, and needs 32", len(key))
	}
	t := &Tokens{domain: strings.ToLower(domain), keys: map[TokenKind][]byte{}}
	for _, kind := range []TokenKind{Envelope, Message, Seed} {
		k, err := hkdf.Key(sha256.New, key, nil, "shirase/v1 return "+string(kind), 32)
		if err != nil {
			return nil, err
		}
		t.keys[kind] = k
	}
	return t, nil
}

// Domain is where messages come back to.
func (t *Tokens) Domain() string { return t.domain }

func (t *Tokens) mac(kind TokenKind, handle []byte) []byte {
	m := hmac.New(sha256.New, t.keys[kind])
	m.Write(handle)
	return m.Sum(nil)[:macSize]
}

// Address is the address, or the Message-ID without < and >, of a handle: what the campaign knows a message by. It stands in the
// open, and must not have an identifier in it. Errors: ErrHandle.
func (t *Tokens) Address(kind TokenKind, handle []byte) (string, error) {
	if len(handle) == 0 || len(handle) > MaxHandle {
		return "", fmt.Errorf("%w, and not %d", ErrHandle, len(handle))
	}
	return string(kind) + "-" + letters.EncodeToString(append(append([]byte{}, handle...), t.mac(kind, handle)...)) + "@" + t.domain, nil
}

// Open gives the kind and the handle of an address that this key made; false for every other.
func (t *Tokens) Open(address string) (kind TokenKind, handle []byte, ok bool) {
	local, domain, found := strings.Cut(strings.ToLower(strings.Trim(address, "<> ")), "@")
	if !found || domain != t.domain || len(local) > 64 {
		return "", nil, false
	}
	prefix, text, _ := strings.Cut(local, "-")
	kind = TokenKind(prefix)
	if _, known := t.keys[kind]; !known {
		return "", nil, false
	}
	b, err := letters.DecodeString(text)
	if err != nil || len(b) <= macSize || len(b) > MaxHandle+macSize || letters.EncodeToString(b) != text {
		return "", nil, false
	}
	handle = b[:len(b)-macSize]
	return kind, handle, hmac.Equal(b[len(b)-macSize:], t.mac(kind, handle))
}
