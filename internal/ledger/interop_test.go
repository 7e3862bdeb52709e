package ledger

import (
	"bytes"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// bundleHasher is the hasher that tessera's fsck asks for.
func bundleHasher(bundle []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, e := range b.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return hashes, nil
}

// TestTessera has another implementation check the log over HTTP, as it grows:
// every resource, inclusion, and consistency with what it saw before.
func TestTessera(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		skey, vkey := newTestKey(t)
		l := open(t, db, openDir(t, t.TempDir()), skey)
		server := httptest.NewServer(l.Handler(slog.New(slog.DiscardHandler)))
		defer server.Close()
		root, _ := url.Parse(server.URL + "/")
		fetch, err := client.NewHTTPFetcher(root, server.Client())
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := note.NewVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		grow(t, l, db, 1, true)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		tracker, err := client.NewLogStateTracker(t.Context(), fetch.ReadTile, nil, verifier, testOrigin,
			client.UnilateralConsensus(fetch.ReadCheckpoint))
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int64{2, 70, 255, 256, 300, 513} {
			grow(t, l, db, size, false)
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := fsck.New(testOrigin, verifier, fetch, bundleHasher, fsck.Opts{N: 2}).Check(t.Context()); err != nil {
				t.Fatalf("fsck at size %d: %v", size, err)
			}
			if _, _, _, err := tracker.Update(t.Context()); err != nil {
				t.Fatalf("consistency at size %d: %v", size, err)
			}
			if got := tracker.Latest().Size; got != uint64(size) {
				t.Fatalf("tracker saw size %d, want %d", got, size)
			}
			builder, err := client.NewProofBuilder(t.Context(), uint64(size), fetch.ReadTile)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range []int64{0, size - 1} {
				p, err := builder.InclusionProof(t.Context(), uint64(i))
				if err != nil {
					t.Fatal(err)
				}
				leafHash := rfc6962.DefaultHasher.HashLeaf(check.Leaf(document(i)))
				if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(i), uint64(size), leafHash, p, tracker.Latest().Hash); err != nil {
					t.Fatalf("inclusion of %d in %d: %v", i, size, err)
				}
			}
		}
	})
}

// TestTorchwoodClient reads all entries through a third implementation, one
// that does not fall back from partial tiles to full ones by itself, under the
// checkpoint of a tree whose partial tiles have been pruned since.
func TestTorchwoodClient(t *testing.T) {
	skey, _ := newTestKey(t)
	db := sqlite(t)
	l := open(t, db, openDir(t, t.TempDir()), skey)
	server := httptest.NewServer(l.Handler(slog.New(slog.DiscardHandler)))
	defer server.Close()
	grow(t, l, db, 200, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, old, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	grow(t, l, db, 300, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names, err := l.dir.List("ledger/tile/0/000.p"); err != nil || len(names) != 0 {
		t.Fatalf("partial tiles of a full one: %v, %v", names, err)
	}
	_, now, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range []tlog.Tree{old, now} {
		fetcher, err := torchwood.NewTileFetcher(server.URL, torchwood.WithHTTPClient(server.Client()))
		if err != nil {
			t.Fatal(err)
		}
		c, err := torchwood.NewClient(fetcher)
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		for i, entry := range c.AllEntries(t.Context(), tree, 0) {
			if i != n || !bytes.Equal(entry, check.Leaf(document(i))) {
				t.Fatalf("entry %d is %q", i, entry)
			}
			n++
		}
		if c.Err() != nil || n != tree.N {
			t.Fatalf("read %d entries of %d: %v", n, tree.N, c.Err())
		}
	}
}

func TestHandler(t *testing.T) {
	skey, _ := newTestKey(t)
	db := sqlite(t)
	l := open(t, db, openDir(t, t.TempDir()), skey)
	grow(t, l, db, 257, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, data := document(0)
	get := func(method, path string) *http.Response {
		w := httptest.NewRecorder()
		l.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w.Result()
	}
	dataPath := "/ledger/v1/data/" + hexOf(sha256.Sum256(data))
	for _, c := range []struct {
		path        string
		status      int
		contentType string
		cache       string
		length      int64
	}{
		{"/checkpoint", 200, "text/plain; charset=utf-8", shortLived, -1},
		{"/tile/0/000", 200, contentTile, immutable, 256 * 32},
		{"/tile/0/001.p/1", 200, contentTile, immutable, 32},
		{"/tile/1/000.p/1", 200, contentTile, immutable, 32},
		{"/tile/0/000.p/7", 200, contentTile, immutable, 7 * 32},
		{"/tile/entries/000", 200, contentTile, immutable, -1},
		{"/tile/entries/001.p/1", 200, contentTile, immutable, -1},
		{dataPath, 200, "application/json", immutable, int64(len(data))},

		{"/", 404, "", "", 0},
		{"/tile/0/002", 404, "", "", 0},
		{"/tile/0/001", 404, "", "", 0},
		{"/tile/0/001.p/2", 404, "", "", 0},
		{"/tile/0/000.p/256", 404, "", "", 0},
		{"/tile/0/000.p/07", 404, "", "", 0},
		{"/tile/00/000", 404, "", "", 0},
		{"/tile/-1/000", 404, "", "", 0},
		{"/tile/data/000", 404, "", "", 0},
		{"/tile/0/../0/000", 404, "", "", 0},
		{"//tile/0/000", 404, "", "", 0},
		{"/tile/0/x000/000", 404, "", "", 0},
		{strings.ToUpper(dataPath), 404, "", "", 0},
		{"/ledger/v1/data/" + strings.ToUpper(dataPath[16:]), 404, "", "", 0},
		{dataPath + "0", 404, "", "", 0},
		{dataPath[:len(dataPath)-2], 404, "", "", 0},
		{"/ledger/v1/data/" + strings.Repeat("0", 64), 404, "", "", 0},
		{"/" + strings.Repeat("x", 1000), 404, "", "", 0},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			r := get(method, c.path)
			if c.status != 200 {
				c.contentType, c.cache = "application/problem+json", "no-store"
			}
			if r.StatusCode != c.status || r.Header.Get("Content-Type") != c.contentType || r.Header.Get("Cache-Control") != c.cache {
				t.Errorf("%s %s: %d, %v", method, c.path, r.StatusCode, r.Header)
			}
			if c.status == 200 && c.length >= 0 && r.ContentLength != c.length {
				t.Errorf("%s %s: %d bytes, want %d", method, c.path, r.ContentLength, c.length)
			}
		}
	}
	if r := get("POST", "/checkpoint"); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, %v", r.StatusCode, r.Header)
	}

	// What is damaged is not served.
	if err := l.dir.Put("ledger/tile/0/000", make([]byte, 256*32-1)); err != nil {
		t.Fatal(err)
	}
	if err := l.dir.Put(dataFile(sha256.Sum256(data)), append(data, ' ')); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/tile/0/000", dataPath} {
		if r := get("GET", path); r.StatusCode != 500 {
			t.Errorf("damaged %s: %d", path, r.StatusCode)
		}
	}
}
