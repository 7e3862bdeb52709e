package check

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

// historyVector is a checkpoint that was seen, one that is shown, and what is asked for between them.
type historyVector struct {
	Name        string   `json:"name"`
	Before      seenTree `json:"before"`
	Now         seenTree `json:"now"`
	Pruned      bool     `json:"pruned,omitempty"`      // partial tiles of what is full are 404
	Missing     string   `json:"missing,omitempty"`     // this tile is 404
	Changed     string   `json:"changed,omitempty"`     // of this tile the lowest bit of the first byte is another
	Tiles       []string `json:"tiles"`                 // what is asked for, in ascending order
	Consistency []Hash   `json:"consistency,omitempty"` // as evidence has it
	Error       string   `json:"error,omitempty"`
}

type seenTree struct {
	Size int64 `json:"size"`
	Root Hash  `json:"root"`
}

// entriesLog is a log of the entries "entry 0", "entry 1", ...
type entriesLog struct{ stored []tlog.Hash }

func (l *entriesLog) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, p := range at {
		out[i] = l.stored[p]
	}
	return out, nil
}

func newEntriesLog(t testing.TB, n int64, entry func(i int64) string) *entriesLog {
	l := new(entriesLog)
	for i := range n {
		hashes, err := tlog.StoredHashes(i, []byte(entry(i)), l)
		if err != nil {
			t.Fatal(err)
		}
		l.stored = append(l.stored, hashes...)
	}
	return l
}

func (l *entriesLog) tree(t testing.TB, n int64) seenTree {
	if n == 0 {
		return seenTree{0, sha256.Sum256(nil)}
	}
	h, err := tlog.TreeHash(n, l)
	if err != nil {
		t.Fatal(err)
	}
	return seenTree{n, Hash(h)}
}

// follow runs a vector, and gives what was asked for and what came of it.
func (l *entriesLog) follow(t testing.TB, v *historyVector) ([]string, error) {
	var mu sync.Mutex
	var asked []string
	get := func(_ context.Context, path string) ([]byte, error) {
		mu.Lock()
		asked = append(asked, path)
		mu.Unlock()
		tile, err := torchwood.ParseTilePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil, err
		}
		full := (tile.N+1)*256<<(8*tile.L) <= v.Now.Size
		if path == v.Missing || v.Pruned && full && tile.W < 256 || !full && tile.W == 256 {
			return nil, &StatusError{Status: http.StatusNotFound}
		}
		b, err := tlog.ReadTileData(tile, l)
		if err == nil && path == v.Changed {
			b[0] ^= 1
		}
		return b, err
	}
	err := Extends(t.Context(), &Checkpoint{Size: v.Before.Size, Root: v.Before.Root}, &Checkpoint{Size: v.Now.Size, Root: v.Now.Root}, get)
	slices.Sort(asked)
	return asked, err
}

// TestHistoryVectors holds the tiles that are asked for and what they show to the vectors.
func TestHistoryVectors(t *testing.T) {
	entry := func(i int64) string { return fmt.Sprintf("entry %d", i) }
	l := newEntriesLog(t, 66_000, entry)
	other := newEntriesLog(t, 66_000, func(i int64) string {
		if i == 4 {
			return "another"
		}
		return entry(i)
	})
	var vs []historyVector
	add := func(v historyVector, code string) {
		t.Helper()
		var err error
		v.Tiles, err = l.follow(t, &v)
		if v.Tiles == nil {
			v.Tiles = []string{}
		}
		if (err == nil) != (code == "") || err != nil && Code(err) != code {
			t.Fatalf("%s: %v, want %q", v.Name, err, code)
		}
		v.Error = code
		if code == "fork" && v.Before.Size < v.Now.Size {
			if v.Consistency, err = consistencyHashes(l, v.Before.Size, v.Now.Size); err != nil {
				t.Fatal(err)
			}
			was, is, err := prefixRoots(asBytes(v.Consistency), v.Before.Size, v.Now.Size)
			if err != nil || is != v.Now.Root || was == v.Before.Root {
				t.Fatalf("%s: its consistency does not show it: %v", v.Name, err)
			}
		}
		vs = append(vs, v)
	}
	for _, sizes := range [][2]int64{{0, 5}, {1, 5}, {5, 5}, {5, 6}, {255, 256}, {256, 257}, {256, 700}, {300, 700}, {511, 513}, {40, 66_000}, {65_536, 66_000}, {65_600, 66_000}} {
		add(historyVector{Name: fmt.Sprintf("%d to %d", sizes[0], sizes[1]), Before: l.tree(t, sizes[0]), Now: l.tree(t, sizes[1])}, "")
	}
	for _, sizes := range [][2]int64{{5, 5}, {5, 6}, {256, 700}, {300, 66_000}} {
		add(historyVector{Name: fmt.Sprintf("another history, %d to %d", sizes[0], sizes[1]), Before: other.tree(t, sizes[0]), Now: l.tree(t, sizes[1])}, "fork")
	}
	add(historyVector{Name: "fewer", Before: l.tree(t, 6), Now: l.tree(t, 5)}, "rollback")
	add(historyVector{Name: "fewer of another", Before: other.tree(t, 6), Now: l.tree(t, 5)}, "rollback")
	first := vs[7].Tiles[0] // 300 to 700
	add(historyVector{Name: "a tile is missing", Before: l.tree(t, 300), Now: l.tree(t, 700), Missing: first}, "consistency")
	add(historyVector{Name: "a tile is another", Before: l.tree(t, 300), Now: l.tree(t, 700), Changed: first}, "consistency")
	golden(t, "history.json", map[string]any{
		"about": "One history (docs/PROTOCOL.md section 7.2). The log's entries are the texts \"entry 0\", \"entry 1\", ...; of another history entry 4 is \"another\". " +
			"before was seen, now is shown: tiles are asked for, each once, and the outcome is the error, or none. missing: that tile is 404; changed: its first byte's lowest bit is another. " +
			"consistency: the hashes of evidence (docs/FORMAT.md section 8), from which follow now's root and another one than before's. An empty tree is the beginning of every other.",
		"vectors": vs})
	if !strings.Contains(strings.Join(vs[9].Tiles, " "), "tile/1/") {
		t.Error("no vector has a tile of the second level")
	}
}

func consistencyHashes(l tlog.HashReader, from, to int64) ([]Hash, error) {
	all, err := Consistency(l, from, to)
	var out []Hash
	for _, b := range all {
		out = append(out, Hash(b))
	}
	return out, err
}

func asBytes(hashes []Hash) (out []Bytes) {
	for i := range hashes {
		out = append(out, hashes[i][:])
	}
	return out
}
