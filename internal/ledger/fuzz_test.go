package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// FuzzHandlerPath: no path reaches anything but the log's files.
func FuzzHandlerPath(f *testing.F) {
	skey, _ := newTestKey(f)
	db := sqlite(f)
	dir := openDir(f, f.TempDir())
	l := open(f, db, dir, skey)
	grow(f, l, db, 3, false)
	if err := l.Sync(f.Context()); err != nil {
		f.Fatal(err)
	}
	if err := dir.Put("secret", []byte("secret")); err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"/checkpoint", "/tile/0/000.p/3", "/tile/entries/000.p/3", "/tile/0/../../secret", "/ledger/v1/data/../../../secret"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		body, _, _, err := l.resource(t.Context(), path)
		if err != nil && !errors.Is(err, ErrNotFound) || bytes.Equal(body, []byte("secret")) {
			t.Fatalf("%q: %q, %v", path, body, err)
		}
	})
}

// FuzzCheckpoint: only what the key has signed opens.
func FuzzCheckpoint(f *testing.F) {
	// One key for all the fuzzer's processes.
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	vkey, err := note.NewEd25519VerifierKey(testOrigin, private.Public().(ed25519.PublicKey))
	if err != nil {
		f.Fatal(err)
	}
	seed := base64.StdEncoding.EncodeToString(append([]byte{1}, private.Seed()...))
	signer, err := note.NewSigner("PRIVATE+KEY+" + testOrigin + "+" + strings.Split(vkey, "+")[1] + "+" + seed)
	if err != nil {
		f.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		f.Fatal(err)
	}
	tree := tlog.Tree{N: 7, Hash: tlog.RecordHash([]byte("x"))}
	c, err := (&ring{signer: signer, verifier: verifier}).sign(tree)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.signed)
	f.Add([]byte("example.com/ledger\n7\n"))
	f.Fuzz(func(t *testing.T, signed []byte) {
		got, err := openCheckpoint(signed, verifier)
		if err == nil && got.Tree != tree {
			t.Fatalf("opened %q", signed)
		}
	})
}

// FuzzTile: cutting never fails otherwise than with an error, and never gives
// another number of hashes or entries than asked for.
func FuzzTile(f *testing.F) {
	f.Add([]byte("\x00\x01a\x00\x00"), uint8(2), true)
	f.Add(make([]byte, 64), uint8(2), false)
	f.Fuzz(func(t *testing.T, data []byte, width uint8, entries bool) {
		tile := tlog.Tile{H: torchwood.TileHeight, W: int(width) + 1}
		if entries {
			tile.L = -1
		}
		head, rest, err := cutTile(tile, data)
		if err != nil {
			return
		}
		if !bytes.Equal(append(bytes.Clone(head), rest...), data) {
			t.Fatal("bytes were lost")
		}
		if again, more, err := cutTile(tile, head); err != nil || len(more) != 0 || !bytes.Equal(again, head) {
			t.Fatalf("the cut does not cut again: %v", err)
		}
	})
}
