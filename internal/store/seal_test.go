package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

func sealer(t testing.TB, b byte) *Sealer {
	t.Helper()
	s, err := NewSealer(bytes.Repeat([]byte{b}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealer(t *testing.T) {
	s, other := sealer(t, 1), sealer(t, 2)
	for _, plaintext := range [][]byte{nil, {}, []byte("x"), []byte("user1@example.com"), bytes.Repeat([]byte{9}, 5000)} {
		sealed := s.Seal("people.address/1", plaintext)
		if bytes.Contains(sealed, plaintext) && len(plaintext) > 1 {
			t.Error("not sealed")
		}
		if bytes.Equal(sealed, s.Seal("people.address/1", plaintext)) {
			t.Error("sealed twice alike")
		}
		if got, err := s.Open("people.address/1", sealed); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%q, %v", got, err)
		}
		for _, context := range []string{"", "people.address/2", "people.address/", "people.address/1 "} {
			if _, err := s.Open(context, sealed); !errors.Is(err, ErrSeal) {
				t.Errorf("opened for %q: %v", context, err)
			}
		}
		if _, err := other.Open("people.address/1", sealed); !errors.Is(err, ErrSeal) {
			t.Errorf("opened with another key: %v", err)
		}
		for i := range min(len(sealed), 100) {
			sealed[i] ^= 1
			if _, err := s.Open("people.address/1", sealed); !errors.Is(err, ErrSeal) {
				t.Errorf("opened with byte %d changed: %v", i, err)
			}
			sealed[i] ^= 1
		}
		for n := range min(len(sealed), 50) {
			if _, err := s.Open("people.address/1", sealed[:n]); !errors.Is(err, ErrSeal) {
				t.Errorf("opened when cut to %d bytes: %v", n, err)
			}
		}
	}
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := NewSealer(make([]byte, n)); err == nil {
			t.Errorf("took a key of %d bytes", n)
		}
	}
}

func TestLookup(t *testing.T) {
	s := sealer(t, 1)
	a := s.Lookup("people.address", []byte("user1@example.com"))
	if len(a) != 32 || !bytes.Equal(a, s.Lookup("people.address", []byte("user1@example.com"))) {
		t.Errorf("%x", a)
	}
	for _, b := range [][]byte{
		s.Lookup("people.address", []byte("user2@example.com")),
		s.Lookup("people.addressu", []byte("ser1@example.com")),
		s.Lookup("", []byte("people.addressuser1@example.com")),
		sealer(t, 2).Lookup("people.address", []byte("user1@example.com")),
	} {
		if bytes.Equal(a, b) {
			t.Error("two lookups meet")
		}
	}
}

// TestSealerStays: values sealed by earlier versions open.
func TestSealerStays(t *testing.T) {
	sealed, _ := hex.DecodeString(sealedBefore)
	s := sealer(t, 1)
	if got, err := s.Open("people.address/1", sealed); err != nil || string(got) != "user1@example.com" {
		t.Errorf("%q, %v; sealing now gives %x", got, err, s.Seal("people.address/1", []byte("user1@example.com")))
	}
	if got := hex.EncodeToString(s.Lookup("people.address", []byte("user1@example.com"))); got != lookupBefore {
		t.Errorf("%s, want %s", got, lookupBefore)
	}
}

const (
	sealedBefore = "ae4be005c5eb71a784e2e01df02691d6a52329746471538213f9a5d78764afbb2e54638103e5c51bdca2ea1eca78621eab7a4b6bee041cf2cc"
	lookupBefore = "3dfd0a5a6997bcfb9d4b11384cd62517e96c6c3ad75dcb76da1d2c3733448126"
)

func FuzzOpen(f *testing.F) {
	s := sealer(f, 1)
	f.Add("c", s.Seal("c", []byte("x")))
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, context string, sealed []byte) {
		plaintext, err := s.Open(context, sealed)
		if err == nil && (context != "c" || string(plaintext) != "x") {
			t.Fatalf("forged %q", plaintext)
		}
	})
}
