package bounce

import (
	"bytes"
	"errors"
	"net/mail"
	"strings"
	"testing"
)

func tokens(t *testing.T, fill byte, domain string) *Tokens {
	t.Helper()
	out, err := NewTokens(bytes.Repeat([]byte{fill}, 32), domain)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTokens(t *testing.T) {
	ours := tokens(t, 1, "Bounce.example.jp")
	for n := 1; n <= MaxHandle; n++ {
		handle := bytes.Repeat([]byte{byte(n), 0xff}, MaxHandle)[:n]
		for _, kind := range []TokenKind{Envelope, Message, Seed} {
			address, err := ours.Address(kind, handle)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := mail.ParseAddress(address); err != nil || strings.IndexByte(address, '@') > 64 {
				t.Errorf("%s is no address: %v", address, err)
			}
			for _, as := range []string{address, strings.ToUpper(address), "<" + address + ">"} {
				if k, h, ok := ours.Open(as); !ok || k != kind || !bytes.Equal(h, handle) {
					t.Errorf("%s does not open", as)
				}
			}
			if _, _, ok := tokens(t, 2, "bounce.example.jp").Open(address); ok {
				t.Errorf("%s opens with another key", address)
			}
			if _, _, ok := tokens(t, 1, "other.example.jp").Open(address); ok {
				t.Errorf("%s opens at another domain", address)
			}
			for i := 2; i < strings.IndexByte(address, '@'); i++ { // each letter counts, the last one's spare bits too
				other := []byte(address)
				if other[i]++; other[i] > 'z' || other[i] == '8' {
					other[i] = 'a'
				}
				if _, _, ok := ours.Open(string(other)); ok {
					t.Fatalf("%s opens, and %s is the token", other, address)
				}
			}
			for _, k := range []string{"b", "m", "s"} {
				if _, _, ok := ours.Open(k + address[1:]); ok != (k == string(kind)) {
					t.Errorf("the token of one kind is one of another: %s", k+address[1:])
				}
			}
		}
	}
	for _, h := range [][]byte{nil, make([]byte, MaxHandle+1)} {
		if _, err := ours.Address(Envelope, h); !errors.Is(err, ErrHandle) {
			t.Errorf("%d bytes: %v", len(h), err)
		}
	}
	for _, a := range []string{"", "@", "b-@bounce.example.jp", "b-aaaa@bounce.example.jp", "x-" + strings.Repeat("a", 40) + "@bounce.example.jp", "postmaster@bounce.example.jp"} {
		if _, _, ok := ours.Open(a); ok {
			t.Errorf("%q opens", a)
		}
	}
	if _, err := NewTokens(make([]byte, 31), "x"); err == nil {
		t.Error("a short key does")
	}
}
