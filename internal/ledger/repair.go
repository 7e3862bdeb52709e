package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// Remedies of what is damaged, for those who meet it.
const (
	mendFiles = "shirase ledger repair writes the ledger's files anew from the database"
	mendRows  = "what the database holds of the ledger can only come from a backup: shirase restore SRC --data OTHER"
)

// Mended is what [Repair] found and wrote.
type Mended struct {
	Size       int64    `json:"size"`       // entries under the served checkpoint
	Files      int64    `json:"files"`      // that the ledger needs, or has of earlier sizes; all of them were compared
	Written    []string `json:"written"`    // files that were missing or had other bytes
	Strange    []string `json:"strange"`    // files that are not the ledger's, or of entries beyond its size: they are left alone
	Checkpoint bool     `json:"checkpoint"` // it was missing or damaged, and is served again
}

// Repair writes anew, from what the database holds, every file of the log that is missing or damaged, the checkpoint last.
// It needs no signing key, as the database keeps what was signed, unless witnesses have to be asked for a checkpoint that
// was lost: signerKey may be "".
//
// Nothing is written unless all rows of the log make the tree that its newest checkpoint is of, and unless what was published is a
// part of it: a checkpoint that verifies is never replaced by one of another tree (ErrFork); where there is none, an intact
// file of an entry that the database lacks says that the files are ahead of it (ErrFork too). ErrDamaged: the database
// is. ErrUnwitnessed: everything else is mended, and the checkpoint waits for its witnesses.
func Repair(ctx context.Context, db *store.DB, dir *files.Dir, signerKey string, witnesses Witnesses) (Mended, error) {
	r := &repair{ctx: ctx, done: map[string]bool{}, Mended: Mended{Written: []string{}, Strange: []string{}}}
	err := r.run(db, dir, signerKey, witnesses)
	slices.Sort(r.Written)
	slices.Sort(r.Strange)
	if err != nil {
		return r.Mended, fmt.Errorf("ledger: repairing: %w", err)
	}
	return r.Mended, nil
}

type repair struct {
	Mended
	ctx  context.Context
	l    *Ledger
	head checkpoint
	lost bool // there is no checkpoint that verifies
	long bool // what there is instead is longer than any
	done map[string]bool
}

func (r *repair) run(db *store.DB, dir *files.Dir, signerKey string, witnesses Witnesses) error {
	if err := Migrate(r.ctx, db); err != nil {
		return err
	}
	r.l = newBare(db, dir, witnesses)
	if signerKey != "" {
		ring, err := newRing(signerKey)
		if err != nil {
			return err
		}
		r.l.ring.Store(ring)
	}
	if err := r.l.turn(r.ctx, db); err != nil {
		return err
	}
	if err := r.rows(); err != nil {
		return err
	}
	published, raw, err := r.published()
	if err != nil {
		return err
	}
	r.Size = r.head.N
	if published != nil {
		if err := continues(r.ctx, db, published, r.head); err != nil {
			return err
		}
		r.Size = published.N
	}
	if r.lost {
		if err := r.l.notAhead(r.ctx, r.head.N); err != nil {
			return err
		}
	}
	if err := r.needed(); err != nil {
		return err
	}
	if err := r.present(); err != nil {
		return err
	}
	if !r.lost {
		return nil
	}
	return r.checkpoint(raw)
}

// rows requires that the database's rows are whole: they make the tree that its newest checkpoint is of.
func (r *repair) rows() error {
	head, err := r.l.head(r.ctx)
	if err != nil {
		if errors.Is(err, ErrDamaged) {
			err = hint.Add(err, mendRows)
		}
		return err
	}
	v := &verification{ctx: r.ctx, db: r.l.db, Report: Report{Kinds: map[string]int64{}}}
	if err := v.unpublishedRows(&v.entries, head); err != nil {
		return err
	}
	if err := v.extraRows(); err != nil {
		return err
	}
	if v.found.total > 0 {
		return hint.Add(fmt.Errorf("%w in the database: problem 1 of %d: %v", ErrDamaged, v.found.total, v.found.list[0]), mendRows)
	}
	r.head = head
	return nil
}

// published reads the served checkpoint; nil where it is missing or damaged, with the bytes that it has instead.
func (r *repair) published() (c *checkpoint, raw []byte, err error) {
	c, err = r.l.published()
	if c != nil && err == nil {
		return c, nil, nil
	}
	switch {
	case errors.Is(err, files.ErrTooLarge):
		r.long = true
	case errors.Is(err, ErrDamaged):
		if raw, err = r.l.dir.Get(checkpointFile, maxCheckpoint); err != nil {
			return nil, nil, err
		}
	case err != nil:
		return nil, nil, err
	}
	r.lost = true
	return nil, raw, nil
}

// needed writes what a tree of the served size needs and has not, or has with other bytes.
func (r *repair) needed() error {
	for start := int64(0); start < r.Size; start += torchwood.TileWidth {
		batch, err := leaves(r.ctx, r.l.db, start, min(start+torchwood.TileWidth, r.Size))
		if err != nil {
			return err
		}
		for _, row := range batch {
			if err := r.document(row.hash); err != nil {
				return err
			}
		}
		if err := r.tile(entriesTile(start/torchwood.TileWidth, len(batch))); err != nil {
			return err
		}
	}
	for _, t := range tlog.NewTiles(torchwood.TileHeight, 0, r.Size) {
		if err := r.tile(t); err != nil {
			return err
		}
	}
	return nil
}

// present mends, of the files that are there, those that hold what the database has of other sizes than the served.
func (r *repair) present() error {
	return r.l.each(r.ctx, func(name string) error {
		what, err := r.l.recognize(r.ctx, name, r.head.N)
		switch {
		case err != nil:
			return err
		case what.document != nil:
			return r.document(*what.document)
		case what.tile != nil:
			return r.tile(*what.tile)
		}
		r.Strange = append(r.Strange, name)
		return nil
	})
}

// each visits every file of the log but the checkpoint.
func (l *Log) each(ctx context.Context, visit func(name string) error) error {
	var names []string
	err := l.dir.Walk(strings.TrimSuffix(folder, "/"), func(name string) error {
		if name != checkpointFile {
			names = append(names, name)
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, files.ErrNotExist) {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := visit(name); err != nil {
			return err
		}
	}
	return nil
}

// recognized says what a file is of: a document or a tile that the database has, or neither. Ahead: it is intact, and of an
// entry that the database lacks.
type recognized struct {
	document *[32]byte
	tile     *tlog.Tile
	ahead    bool
}

// recognize reads a file's name against a database of size entries.
func (l *Log) recognize(ctx context.Context, name string, size int64) (out recognized, err error) {
	if digits, ok := strings.CutPrefix(name, dataFolder); ok {
		hash, err := parseHash(digits)
		if err != nil {
			return out, nil
		}
		var there bool
		if err := l.db.QueryRowContext(ctx, `SELECT count(*) > 0 FROM ledger_data WHERE hash = $1`, hash[:]).Scan(&there); err != nil {
			return out, err
		}
		if there {
			return recognized{document: &hash}, nil
		}
		_, err = readDataFile(l.dir, hash)
		return recognized{ahead: err == nil}, ignoreDamage(err)
	}
	t, err := parseTile(strings.TrimPrefix(name, folder))
	if err != nil {
		return out, nil
	}
	if t.N*torchwood.TileWidth+int64(t.W) <= size>>(torchwood.TileHeight*max(t.L, 0)) {
		return recognized{tile: &t}, nil
	}
	f, err := (&verification{ctx: ctx, dir: l.dir}).loadFile(t)
	return recognized{ahead: f != nil}, ignoreDamage(err)
}

// notAhead refuses a log whose checkpoint is lost and of which a file shows that more was published than the database has:
// ErrFork. What is written is committed before, so that no crash leaves such a file.
func (l *Log) notAhead(ctx context.Context, size int64) error {
	return l.each(ctx, func(name string) error {
		what, err := l.recognize(ctx, name, size)
		if err == nil && what.ahead {
			err = &forkError{"there is no checkpoint, and " + name + " is of an entry that the database does not have"}
		}
		return err
	})
}

func ignoreDamage(err error) error {
	if errors.Is(err, ErrDamaged) {
		return nil
	}
	return ignoreGone(err)
}

func (r *repair) document(hash [32]byte) error {
	data, err := readData(r.ctx, r.l.db, hash)
	if err != nil {
		return err
	}
	return r.file(dataFile(hash), data)
}

func (r *repair) tile(t tlog.Tile) error {
	data, err := r.l.tileData(r.ctx, t)
	if err != nil {
		return err
	}
	return r.file(folder+torchwood.TilePath(t), data)
}

// file makes name hold data, unless it does.
func (r *repair) file(name string, data []byte) error {
	if r.done[name] {
		return nil
	}
	r.done[name] = true
	r.Files++
	held, err := r.l.dir.Get(name, int64(len(data)))
	switch {
	case err == nil && bytes.Equal(held, data):
		return nil
	case err != nil && !errors.Is(err, files.ErrNotExist) && !errors.Is(err, files.ErrTooLarge):
		return err
	}
	if err := r.l.dir.Put(name, data); err != nil {
		return err
	}
	r.Written = append(r.Written, name)
	return nil
}

// checkpoint serves the newest one again, in place of the bytes raw that were there; nil: of none.
func (r *repair) checkpoint(raw []byte) error {
	next := r.head
	if r.l.witnesses.Quorum() && r.head.N > 0 {
		have, old, err := r.l.kept(r.ctx, r.l.db, r.head)
		if err != nil {
			return err
		}
		maps.Copy(old, have)
		next = r.l.cosigned(r.head, old)
		if !r.l.witnesses.enough(r.l.Origin(), old) {
			if r.l.ring.Load().signer == nil {
				return hint.Add(fmt.Errorf("the checkpoint of %d entries: %w", r.head.N, ErrUnwitnessed), "run it again where the ledger's key is (--keys): the witnesses have to be asked")
			}
			if next, err = r.l.gather(r.ctx, r.head.Tree, false); err != nil {
				return err
			}
		}
	}
	if r.long {
		if err := r.l.dir.Remove(checkpointFile); err != nil {
			return err
		}
	}
	if err := r.l.dir.Replace(checkpointFile, raw, next.signed); err != nil {
		return err
	}
	r.Written = append(r.Written, checkpointFile)
	r.Checkpoint = true
	return nil
}

// tileData makes a tile or an entry bundle from the database.
func (l *Log) tileData(ctx context.Context, t tlog.Tile) ([]byte, error) {
	if t.L >= 0 {
		return tlog.ReadTileData(t, hashReader(ctx, l.db))
	}
	start := t.N * torchwood.TileWidth
	batch, err := leaves(ctx, l.db, start, start+int64(t.W))
	if err != nil {
		return nil, err
	}
	var bundle []byte
	for _, row := range batch {
		if bundle, err = torchwood.AppendTileEntry(bundle, check.LeafOf(row.kind, row.hash)); err != nil {
			return nil, err
		}
	}
	return bundle, nil
}

// Mendable reports whether everything that is wrong is wrong with files that [Repair] writes anew.
func (r Report) Mendable() bool {
	for _, p := range r.Problems {
		if !strings.HasPrefix(p.Where, folder) {
			return false
		}
	}
	return len(r.Problems) > 0
}

// remedy is what to do about the problems of a report.
func (r Report) remedy() string {
	if r.Mendable() {
		return mendFiles
	}
	return mendRows
}
