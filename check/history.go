package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"
)

// ErrConsistency says that a server did not show that its ledger goes on from
// the one seen before. It may be a fault; it is no evidence of two histories.
var ErrConsistency = errors.New("the server does not show that its ledger continues the one seen before")

// Tiles returns what a path below a ledger's prefix holds, such as
// "tile/0/000.p/6" (C2SP tlog-tiles), or a *StatusError.
type Tiles func(ctx context.Context, path string) ([]byte, error)

// Extends proves that one verified checkpoint's tree is the beginning of
// another's (RFC 6962 section 2.1.2), from the later tree's own tiles. ErrFork
// where it is not: two checkpoints that cannot belong to one history;
// ErrRollback where the later is the smaller; ErrConsistency where the tiles
// are not those of the later tree.
func Extends(ctx context.Context, before, now *Checkpoint, get Tiles) error {
	switch {
	case now.Size == before.Size && now.Root != before.Root:
		return &treeFork{before: before.Note, now: now.Note, what: fmt.Sprintf("two ledgers of %d entries", now.Size)}
	case now.Size < before.Size:
		return fmt.Errorf("%w: its ledger has %d entries and had %d", ErrRollback, now.Size, before.Size)
	case now.Size == before.Size, before.Size == 0:
		return nil
	}
	r := &tileReader{ctx: ctx, get: get}
	hashes := tlog.TileHashReader(tlog.Tree{N: now.Size, Hash: tlog.Hash(now.Root)}, r)
	root, err := tlog.TreeHash(before.Size, hashes)
	switch {
	case r.err != nil:
		return r.err
	case err != nil:
		return fmt.Errorf("%w: %w", ErrConsistency, err)
	case Hash(root) != before.Root:
		fork := &treeFork{before: before.Note, now: now.Note, what: fmt.Sprintf("the first %d entries of its ledger are others", before.Size)}
		if fork.consistency, err = Consistency(hashes, before.Size, now.Size); err != nil {
			fork.consistency = nil // without it the signatures alone show less, and the fork is none the less one
		}
		return fork
	}
	return nil
}

// treeFork is an ErrFork that two signed checkpoints show: their trees cannot
// belong to one history.
type treeFork struct {
	before, now, what string
	consistency       []Bytes // by which the larger one's tree shows that it has another beginning
}

func (e *treeFork) Error() string { return fmt.Sprintf("%v: %s", ErrFork, e.what) }

// Is makes every treeFork an ErrFork.
func (e *treeFork) Is(target error) bool { return target == ErrFork }

// tileReader reads the tiles of one tree in the widths that they have in it. No
// other size is in any request: the one that was seen would tell clients apart.
type tileReader struct {
	ctx  context.Context
	get  Tiles
	kept sync.Map // what was had, by path: a fork is looked at twice
	err  error    // why a tile could not be had
}

// Height is that of C2SP tlog-tiles.
func (*tileReader) Height() int { return torchwood.TileHeight }

// SaveTiles keeps none: a client returns too seldom.
func (*tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles reads tiles side by side.
func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	g, ctx := errgroup.WithContext(r.ctx)
	g.SetLimit(4)
	for i, t := range tiles {
		g.Go(func() (err error) {
			if b, ok := r.kept.Load(t); ok {
				data[i] = b.([]byte)
				return nil
			}
			if data[i], err = r.tile(ctx, t); err == nil {
				r.kept.Store(t, data[i])
			}
			return err
		})
	}
	r.err = g.Wait()
	return data, r.err
}

// tile reads one tile. A log may drop partial tiles where the full one exists.
func (r *tileReader) tile(ctx context.Context, t tlog.Tile) ([]byte, error) {
	want := t.W * tlog.HashSize
	b, err := r.get(ctx, torchwood.TilePath(t))
	if gone(err) && t.W < torchwood.TileWidth {
		t.W = torchwood.TileWidth
		if b, err = r.get(ctx, torchwood.TilePath(t)); err == nil && len(b) == t.W*tlog.HashSize {
			b = b[:want]
		}
	}
	switch {
	case gone(err):
		return nil, fmt.Errorf("%w: a tile is missing", ErrConsistency)
	case err != nil:
		return nil, fmt.Errorf("get a tile of the ledger: %w", err)
	case len(b) != want:
		return nil, fmt.Errorf("%w: a tile of %d bytes", ErrConsistency, len(b))
	}
	return b, nil
}

func gone(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && (status.Status == http.StatusNotFound || status.Status == http.StatusGone)
}
