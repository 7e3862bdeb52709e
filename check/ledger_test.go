package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// TestLeaf holds the form that docs/PROTOCOL.md gives: whoever reads the log by other means has to find the same bytes.
func TestLeaf(t *testing.T) {
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // SHA-256 of "abc" (FIPS 180-4)
	for _, kind := range []string{KindStatement, KindNotice, KindPage, KindCases} {
		want, err := hex.DecodeString(hex.EncodeToString([]byte("shirase/v1 "+kind)) + "00" + abc)
		if err != nil {
			t.Fatal(err)
		}
		entry := Leaf(kind, []byte("abc"))
		if !bytes.Equal(entry, want) {
			t.Errorf("%s: %q, want %q", kind, entry, want)
		}
		if k, hash, err := ParseLeaf(entry); err != nil || k != kind || hash != sha256.Sum256([]byte("abc")) {
			t.Errorf("%s is read as %q %x, %v", kind, k, hash, err)
		}
	}
	hash := strings.Repeat("h", sha256.Size)
	for _, entry := range []string{"", "shirase/v1 statement", "shirase/v1 statement\x00" + hash[1:], "shirase/v1 statement\x00" + hash + "h", "shirase/v1 \x00" + hash,
		"shirase/v1 Statement\x00" + hash, "shirase/v1 a b\x00" + hash, "shirase/v2 statement\x00" + hash, " shirase/v1 statement\x00" + hash,
		"shirase/v1 " + strings.Repeat("a", 33) + "\x00" + hash} {
		if _, _, err := ParseLeaf([]byte(entry)); !errors.Is(err, ErrLeaf) {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

func FuzzParseLeaf(f *testing.F) {
	f.Add(Leaf(KindStatement, []byte("x")))
	f.Add([]byte("shirase/v1 notice\x00short"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, entry []byte) {
		kind, hash, err := ParseLeaf(entry)
		if err == nil && !bytes.Equal(LeafOf(kind, hash), entry) {
			t.Fatalf("%q parses as %q %x", entry, kind, hash)
		}
	})
}
