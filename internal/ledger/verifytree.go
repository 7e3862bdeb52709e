package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/internal/files"
)

// A tree is computed from its leaves, one after the other, in memory that does
// not grow with it (RFC 6962, section 2.1).
type tree struct {
	n        int64         // leaves so far
	edge     []tlog.Hash   // edge[k]: of the complete subtree of height k, where n has bit k
	levels   [][]tlog.Hash // levels[l]: hashes of the level l tile being filled
	stored   []tlog.Hash   // all hashes completed since begin, at positions from first on
	first    int64
	problems problems // that stand if this tree is the published one
}

// begin forgets the stored hashes so far.
func (t *tree) begin() {
	t.first = tlog.StoredHashIndex(0, t.n)
	t.stored = t.stored[:0]
}

// add appends the leaf with record hash h.
func (t *tree) add(h tlog.Hash) {
	k := 0
	t.complete(k, h)
	for ; t.n>>k&1 == 1; k++ {
		h = tlog.NodeHash(t.edge[k], h)
		t.complete(k+1, h)
	}
	if k == len(t.edge) {
		t.edge = append(t.edge, h)
	}
	t.edge[k] = h
	t.n++
}

// complete records the hash of a complete subtree of height k, in the order of
// tlog.StoredHashIndex.
func (t *tree) complete(k int, h tlog.Hash) {
	t.stored = append(t.stored, h)
	if k%torchwood.TileHeight != 0 {
		return
	}
	level := k / torchwood.TileHeight
	if level == len(t.levels) {
		t.levels = append(t.levels, nil)
	}
	t.levels[level] = append(t.levels[level], h)
}

// root returns the hash of the tree.
func (t *tree) root() tlog.Hash {
	if t.n == 0 {
		return sha256.Sum256(nil)
	}
	k := bits.TrailingZeros64(uint64(t.n))
	h := t.edge[k]
	for k++; k < len(t.edge); k++ {
		if t.n>>k&1 == 1 {
			h = tlog.NodeHash(t.edge[k], h)
		}
	}
	return h
}

// compareTile holds the hashes of file f, the n'th of its level, against those
// of the tile being filled.
func (t *tree) compareTile(f *tileFile, level int, n int64) {
	want := t.levels[level]
	first, wrong := 0, 0
	for i := range min(len(want), len(f.hashes)) {
		if f.hashes[i] != want[i] {
			if wrong++; wrong == 1 {
				first = i
			}
		}
	}
	if wrong == 0 {
		return
	}
	what := fmt.Sprintf("hash %d is not that of the entries", first)
	if f.tile.L < 0 {
		what = "not the entry that was published"
	}
	if wrong > 1 {
		what += fmt.Sprintf(" (nor are %d more in this file)", wrong-1)
	}
	index := (n*torchwood.TileWidth + int64(first)) << (torchwood.TileHeight * level)
	t.problems.add(f.name, index, what)
}

// compareRows holds rows of the database about the leaves [from, to), all of
// which were added since begin, against the tree.
func (t *tree) compareRows(from, to int64, leaves, stored map[int64]tlog.Hash) {
	for i := from; i < to; i++ {
		p := tlog.StoredHashIndex(0, i)
		if h, ok := leaves[i]; !ok {
			t.problems.add("ledger_leaves", i, "the row is missing or malformed")
		} else if h != t.stored[p-t.first] {
			t.problems.add("ledger_leaves", i, "not the entry that was published")
		}
		for ; p < tlog.StoredHashIndex(0, i+1); p++ {
			if h, ok := stored[p]; !ok {
				t.problems.add("ledger_hashes", i, fmt.Sprintf("the row of position %d is missing or malformed", p))
			} else if h != t.stored[p-t.first] {
				t.problems.add("ledger_hashes", i, fmt.Sprintf("position %d is not the hash of the entries", p))
			}
		}
	}
}

// A tileFile is a tile or an entry bundle as a file has it.
type tileFile struct {
	name    string
	tile    tlog.Tile
	hashes  []tlog.Hash // of an entry bundle: the record hashes
	entries [][]byte    // of an entry bundle
}

// load reads every form, full and partial, of a tile of which the published
// tree has width hashes, and notes what is missing or malformed.
func (v *verification) load(level int, n int64, width int) ([]*tileFile, error) {
	full := tlog.Tile{H: torchwood.TileHeight, L: level, N: n, W: torchwood.TileWidth}
	// In this order: a partial form goes only once the full one is there.
	names, err := v.dir.List(folder + torchwood.TilePath(full) + ".p")
	if err != nil {
		return nil, err
	}
	forms := []tlog.Tile{full}
	for _, name := range names {
		if t, err := parseTile(strings.TrimPrefix(name, folder)); err == nil {
			forms = append(forms, t) // what does not parse is a stray
		}
	}
	var found []*tileFile
	start := n * torchwood.TileWidth << (torchwood.TileHeight * max(level, 0))
	for _, t := range forms {
		f, err := v.loadFile(t)
		switch {
		case errors.Is(err, files.ErrNotExist):
		case err != nil:
			return nil, err
		case f == nil:
			v.found.add(folder+torchwood.TilePath(t), start, "malformed")
		default:
			v.Files++
			found = append(found, f)
		}
	}
	if covering(found, width) == nil {
		full.W = width
		v.found.add(folder+torchwood.TilePath(full), start, "missing")
	}
	return found, nil
}

// covering returns the narrowest of files that has width hashes, or nil.
func covering(files []*tileFile, width int) *tileFile {
	var best *tileFile
	for _, f := range files {
		if f.tile.W >= width && (best == nil || f.tile.W < best.tile.W) {
			best = f
		}
	}
	return best
}

// loadFile reads the file of t; nil where its bytes are no such tile.
func (v *verification) loadFile(t tlog.Tile) (*tileFile, error) {
	f := &tileFile{name: folder + torchwood.TilePath(t), tile: t}
	data, err := v.dir.Get(f.name, maxTile)
	if errors.Is(err, files.ErrTooLarge) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for range t.W {
		var h tlog.Hash
		if t.L < 0 {
			var entry []byte
			if entry, data, err = torchwood.ReadTileEntry(data); err != nil {
				return nil, nil
			}
			f.entries = append(f.entries, entry)
			h = tlog.RecordHash(entry)
		} else if n := copy(h[:], data); n < len(h) {
			return nil, nil
		} else {
			data = data[n:]
		}
		f.hashes = append(f.hashes, h)
	}
	if len(data) > 0 {
		return nil, nil
	}
	return f, nil
}
