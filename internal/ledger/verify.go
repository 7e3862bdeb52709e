package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// maxProblems bounds the problems that a report lists.
const maxProblems = 100

// A Report is what [Verify] found.
type Report struct {
	Origin      string           `json:"origin"`
	Size        int64            `json:"size"`        // entries under the published checkpoint
	Root        tlog.Hash        `json:"root"`        // and their root hash
	Kinds       map[string]int64 `json:"kinds"`       // entries of each kind
	Bytes       int64            `json:"bytes"`       // of all their documents
	Files       int64            `json:"files"`       // files read
	Unpublished int64            `json:"unpublished"` // files of entries beyond Size, as an interrupted Sync leaves them
	Database    int64            `json:"database"`    // entries in the database, at least Size; 0 without one
	Problems    []Problem        `json:"problems"`    // the first 100 of them
	Keys        int              `json:"keys"`        // that have signed the log, one after the other; 0 without a database
	Next        check.Hash       `json:"-"`           // of the key that is to follow; zero where none was made yet
}

// A Problem is one thing that is not as it was published.
type Problem struct {
	Where string `json:"where"` // file, or table of the database
	Index int64  `json:"index"` // first entry concerned; -1 where it is none in particular
	What  string `json:"what"`
}

func (p Problem) String() string {
	if p.Index < 0 {
		return p.Where + ": " + p.What
	}
	return fmt.Sprintf("%s: entry %d: %s", p.Where, p.Index, p.What)
}

// Verify checks everything that the log's files hold against the checkpoint
// signed under vkey: every entry, every hash of every tile, every document. It
// trusts no stored hash: all are computed again from the entries, in memory
// that grows by some 60 bytes a document. Every changed byte is found, and named by
// file and entry.
//
// Where db is not nil, every row of the log's tables is checked the same way,
// including entries that are committed and not yet published; and so is every
// cosignature, whose keys are in the database, and every key that vkey has
// followed.
//
// Where visit is not nil, it is called with every entry and its document, in
// order, once the document's hash is checked; what it saw counts only if the
// error is nil. An error of visit ends Verify.
//
// Problems are in the report, and give an error that is ErrDamaged and names
// the first. Other errors mean that the check could not be completed.
func Verify(ctx context.Context, dir *files.Dir, vkey string, db *store.DB,
	visit func(index int64, kind string, data []byte) error) (Report, error) {
	v, err := newVerification(ctx, dir, vkey, db, visit)
	if err != nil {
		return Report{}, fmt.Errorf("ledger: verifying: %w", err)
	}
	if err := v.run(); err != nil {
		return v.Report, fmt.Errorf("ledger: verifying: %w", err)
	}
	v.Problems = v.found.list
	if v.found.total > 0 {
		return v.Report, hint.Add(fmt.Errorf("ledger: verifying: %w: problem 1 of %d: %v", ErrDamaged, v.found.total, v.found.list[0]), v.remedy())
	}
	return v.Report, nil
}

// problems is a list of problems that stays short; total counts them all.
type problems struct {
	list  []Problem
	total int
}

func (p *problems) add(where string, index int64, what string) {
	if p.total++; len(p.list) < maxProblems {
		p.list = append(p.list, Problem{where, index, what})
	}
}

func (p *problems) addAll(q problems) {
	p.list = append(p.list, q.list[:min(len(q.list), maxProblems-len(p.list))]...)
	p.total += q.total
}

// A verification reads the leaves twice, as the entry bundles give them and as
// the level 0 tiles do, and builds a tree from each. Where the two differ, the
// one whose root the checkpoint has signed is right, and the file that differs
// from it is wrong.
type verification struct {
	Report
	ctx      context.Context
	dir      *files.Dir
	verifier note.Verifier
	former   []note.Verifier // keys that it has followed, newest first
	vkey     string
	db       *store.DB
	visit    func(int64, string, []byte) error

	published checkpoint
	entries   tree             // as the entry bundles have it
	tiles     tree             // as the level 0 tiles have it
	found     problems         // that stand however the leaves are read
	doubtful  problems         // about documents of entries that the tiles disagree with
	documents map[[32]byte]int // published ones, by hash: entries that name it
}

func newVerification(ctx context.Context, dir *files.Dir, vkey string, db *store.DB,
	visit func(int64, string, []byte) error) (*verification, error) {
	vkey = strings.TrimSpace(vkey)
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("the public key: %w: %v", ErrKey, err)
	}
	return &verification{
		Report: Report{Origin: verifier.Name(), Kinds: map[string]int64{}},
		ctx:    ctx, dir: dir, verifier: verifier, vkey: vkey, db: db, visit: visit,
		documents: map[[32]byte]int{},
	}, nil
}

func (v *verification) run() error {
	served := int64(0)
	if v.db != nil {
		if err := v.keys(); err != nil {
			return err
		}
		var err error // before the head is read, which only grows
		if served, err = count(v.ctx, v.db, `SELECT served FROM ledger_turn WHERE id = 1`); err != nil {
			return err
		}
	}
	ok, err := v.checkpoint()
	if err != nil || !ok {
		return err
	}
	var head checkpoint
	if v.db != nil {
		if head, err = v.head(); err != nil {
			return err
		}
		if served < 0 || served > v.Database { // files that came back from a backup may have fewer, until the next Sync
			v.found.add("ledger_turn", -1, fmt.Sprintf("%d entries are said to be served, and there are %d", served, v.Database))
		}
	}
	for n := int64(0); n*torchwood.TileWidth < v.Size; n++ {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		if err := v.bundle(n, head.N); err != nil {
			return err
		}
	}
	// What is left of each level is a partial tile.
	if err := v.upperTiles(func(hashes int) bool { return hashes > 0 }); err != nil {
		return err
	}
	truth := v.judge()
	if v.db != nil {
		if err := v.unpublishedRows(truth, head); err != nil {
			return err
		}
		if err := v.witnesses(head); err != nil {
			return err
		}
		if err := v.extraRows(); err != nil {
			return err
		}
	}
	return v.strays()
}

// checkpoint reads and verifies the checkpoint; false where nothing can be
// held against it.
func (v *verification) checkpoint() (bool, error) {
	signed, err := v.dir.Get(checkpointFile, maxCheckpoint)
	switch {
	case errors.Is(err, files.ErrNotExist):
		v.found.add(checkpointFile, -1, "missing")
		return false, nil
	case errors.Is(err, files.ErrTooLarge):
		v.found.add(checkpointFile, -1, "longer than any checkpoint")
		return false, nil
	case err != nil:
		return false, err
	}
	v.Files++
	if v.published, err = openCheckpoint(signed, append([]note.Verifier{v.verifier}, v.former...)...); err != nil {
		v.found.add(checkpointFile, -1, "not signed by "+v.vkey)
		return false, nil
	}
	v.Size, v.Root = v.published.N, v.published.Hash
	return true, nil
}

// bundle checks bundle n, the tile above it, their documents, and, below
// headSize, the rows about them.
func (v *verification) bundle(n, headSize int64) error {
	start := n * torchwood.TileWidth
	width := int(min(torchwood.TileWidth, v.Size-start))
	v.entries.begin()
	v.tiles.begin()
	bundles, err := v.load(-1, n, width)
	if err != nil {
		return err
	}
	tiles, err := v.load(0, n, width)
	if err != nil {
		return err
	}
	byEntries, byTiles := covering(bundles, width), covering(tiles, width)
	for i := range width {
		if err := v.ctx.Err(); err != nil { // a document may have megabytes
			return err
		}
		e, t := hashAt(byEntries, byTiles, i), hashAt(byTiles, byEntries, i)
		v.entries.add(e)
		v.tiles.add(t)
		if byEntries != nil {
			if err := v.document(byEntries, start, i, e == t); err != nil {
				return err
			}
		}
	}
	for _, f := range append(bundles, tiles...) {
		v.compare(f, 0, n)
	}
	if v.db != nil {
		if err := v.rows(start, min(start+int64(width), headSize)); err != nil {
			return err
		}
	}
	return v.upperTiles(func(hashes int) bool { return hashes == torchwood.TileWidth })
}

// hashAt is the i'th hash of f or, where there is no f, of other.
func hashAt(f, other *tileFile, i int) tlog.Hash {
	if f == nil {
		f = other
	}
	if f == nil {
		return tlog.Hash{} // of nothing: the root will tell
	}
	return f.hashes[i]
}

// upperTiles checks the tile being filled of each level above 0 whose number
// of hashes is one to check now, and begins the next.
func (v *verification) upperTiles(now func(hashes int) bool) error {
	for level := range v.entries.levels {
		width := len(v.entries.levels[level])
		if !now(width) {
			continue
		}
		if level > 0 {
			n := (v.entries.n>>(torchwood.TileHeight*level) - 1) / torchwood.TileWidth
			found, err := v.load(level, n, width)
			if err != nil {
				return err
			}
			for _, f := range found {
				v.compare(f, level, n)
			}
		}
		v.entries.levels[level] = v.entries.levels[level][:0]
		v.tiles.levels[level] = v.tiles.levels[level][:0]
	}
	return nil
}

// compare holds the hashes of file f against both trees.
func (v *verification) compare(f *tileFile, level int, n int64) {
	v.entries.compareTile(f, level, n)
	v.tiles.compareTile(f, level, n)
}

// document checks what entry i of bundle f commits to.
func (v *verification) document(f *tileFile, start int64, i int, sure bool) error {
	index := start + int64(i)
	report := &v.found
	if !sure {
		report = &v.doubtful
	}
	kind, hash, err := check.ParseLeaf(f.entries[i])
	if err != nil {
		report.add(f.name, index, "not an entry of this ledger's form")
		return nil
	}
	v.Kinds[kind]++
	data, err := readDataFile(v.dir, hash)
	switch {
	case errors.Is(err, ErrNotFound):
		report.add(dataFile(hash), index, "missing")
		return nil
	case errors.Is(err, ErrDamaged):
		if v.documents[hash]++; v.documents[hash] == 1 { // told once is enough
			report.add(dataFile(hash), index, "not the bytes that its name is the SHA-256 of")
		}
		return nil
	case err != nil:
		return err
	}
	if v.documents[hash] == 0 {
		v.Bytes += int64(len(data))
		v.Files++
	}
	v.documents[hash]++
	if v.visit != nil {
		return v.visit(index, kind, data)
	}
	return nil
}

// judge decides which reading of the leaves is the published one, and takes
// over the problems that follow from it.
func (v *verification) judge() *tree {
	switch v.Root {
	case v.entries.root():
		v.found.addAll(v.entries.problems)
		v.found.addAll(v.doubtful)
		return &v.entries
	case v.tiles.root():
		v.found.addAll(v.tiles.problems)
		return &v.tiles
	}
	v.found.add(checkpointFile, -1, "its root hash is neither that of the entries nor that of the tiles")
	v.found.addAll(v.entries.problems)
	return &v.entries
}

// strays looks at every file of the log once more, by name.
func (v *verification) strays() error {
	return v.dir.Walk(strings.TrimSuffix(folder, "/"), func(name string) error {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		if name == checkpointFile {
			return nil
		}
		if digits, ok := strings.CutPrefix(name, dataFolder); ok {
			return v.strayDocument(name, digits)
		}
		t, err := parseTile(strings.TrimPrefix(name, folder))
		if err != nil {
			v.found.add(name, -1, "not a file of the ledger")
			return nil
		}
		if t.N*torchwood.TileWidth < v.Size>>(torchwood.TileHeight*max(t.L, 0)) {
			return nil // checked with its tile
		}
		v.Unpublished++
		f, err := v.loadFile(t)
		if err == nil && f == nil {
			v.found.add(name, -1, "malformed")
		}
		return ignoreGone(err)
	})
}

func (v *verification) strayDocument(name, digits string) error {
	hash, err := parseHash(digits)
	if err != nil {
		v.found.add(name, -1, "not a file of the ledger")
		return nil
	}
	if v.documents[hash] > 0 {
		return nil
	}
	v.Unpublished++
	_, err = readDataFile(v.dir, hash)
	if errors.Is(err, ErrDamaged) {
		v.found.add(name, -1, "not the bytes that its name is the SHA-256 of")
		return nil
	}
	return ignoreGone(err)
}

// ignoreGone forgives a file that was removed since it was listed.
func ignoreGone(err error) error {
	if errors.Is(err, files.ErrNotExist) || errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
