package store

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// KeySize is the length of a sealing key in bytes.
const KeySize = 32

// ErrSeal reports sealed bytes that do not open: another key, another
// context, or changed bytes. Which of them cannot be told.
var ErrSeal = errors.New("sealed bytes do not open")

// A Sealer seals column values under one key, so that destroying the key
// destroys them, wherever copies of the database are. Two keys are derived
// from it (HKDF-SHA256, RFC 5869): one seals (XChaCha20-Poly1305 with random
// 24-byte nonces, so one key may seal any number of values), one makes lookup
// values (HMAC-SHA256, RFC 2104).
//
// The context says where a value belongs, such as "case_people.address" with
// the row's id: a value moved elsewhere does not open.
type Sealer struct {
	aead   cipher.AEAD
	lookup []byte
}

// NewSealer returns the sealer of key, which is KeySize random bytes.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("store: sealing key of %d bytes, want %d", len(key), KeySize)
	}
	derive := func(info string) []byte {
		k, err := hkdf.Key(sha256.New, key, nil, "shirase/v1 column "+info, 32)
		if err != nil {
			panic(err) // only for lengths beyond 255 hashes
		}
		return k
	}
	aead, err := chacha20poly1305.NewX(derive("seal"))
	if err != nil {
		return nil, err
	}
	return &Sealer{aead, derive("lookup")}, nil
}

// Seal returns plaintext sealed for context: nonce (24 bytes) ‖ ciphertext ‖
// tag (16). The same plaintext gives other bytes each time.
func (s *Sealer) Seal(context string, plaintext []byte) []byte {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(plaintext)+s.aead.Overhead())
	rand.Read(nonce)
	return s.aead.Seal(nonce, nonce, plaintext, []byte(context))
}

// Open returns what was sealed for context, or ErrSeal.
func (s *Sealer) Open(context string, sealed []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, fmt.Errorf("store: opening a value of %s: %w", context, ErrSeal)
	}
	plaintext, err := s.aead.Open(nil, sealed[:n], sealed[n:], []byte(context))
	if err != nil {
		return nil, fmt.Errorf("store: opening a value of %s: %w", context, ErrSeal)
	}
	return plaintext, nil
}

// Lookup returns 32 bytes by which a sealed value can be found again: equal
// for equal context and value, and without the key indistinguishable from
// random bytes.
func (s *Sealer) Lookup(context string, value []byte) []byte {
	m := hmac.New(sha256.New, s.lookup)
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(context))) // so that no two splits meet
	m.Write(n[:])
	m.Write([]byte(context))
	m.Write(value)
	return m.Sum(nil)
}
