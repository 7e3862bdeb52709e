package ledger

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// Sync publishes what has been appended and committed: it has the witnesses
// cosign the checkpoint, writes data, entry bundles and tiles to files and, when
// all of them are durable, the checkpoint. It may be repeated, interrupted, and
// run by several servers at once; nil means that everything committed before
// the call is public. Without a quorum of witnesses it is ErrUnwitnessed, and
// nothing of what waits is in any file.
func (l *Ledger) Sync(ctx context.Context) error {
	for {
		next, err := l.witnessed(ctx)
		if errors.Is(err, errMoved) {
			continue // and what the other server appended is asked about too
		}
		if err == nil || errors.Is(err, ErrUnwitnessed) { // then there may be something to finish
			err = cmp.Or(l.publish(ctx, next), err)
		}
		if err != nil {
			return fmt.Errorf("ledger: publishing: %w", err)
		}
		return nil
	}
}

// witnessed returns the newest committed checkpoint, cosigned where it is to be
// before it is served.
func (l *Ledger) witnessed(ctx context.Context) (checkpoint, error) {
	head, err := l.head(ctx)
	if err != nil || len(l.witnesses.each) == 0 || head.N == 0 { // nobody has to vouch for nothing
		return head, err
	}
	published, err := l.published()
	if err != nil || published != nil && published.N >= head.N {
		return head, err
	}
	return l.gather(ctx, head.Tree, !l.witnesses.Quorum())
}

// Resume publishes what may be published without asking a witness: nothing
// that a quorum has yet to cosign.
func (l *Ledger) Resume(ctx context.Context) error {
	if err := l.resume(ctx); err != nil {
		return fmt.Errorf("ledger: publishing: %w", err)
	}
	return nil
}

func (l *Ledger) resume(ctx context.Context) error {
	head, err := l.head(ctx)
	if err != nil {
		return err
	}
	if l.witnesses.Quorum() && head.N > 0 {
		have, old, err := l.kept(ctx, l.db, head)
		if err != nil {
			return err
		}
		maps.Copy(old, have)
		if !l.witnesses.enough(l.Origin(), old) {
			return l.publish(ctx, checkpoint{})
		}
		head = l.cosigned(head, old)
	}
	return l.publish(ctx, head)
}

// publish makes next the public checkpoint, where it is larger than that; the zero
// one is of no entries.
func (l *Ledger) publish(ctx context.Context, next checkpoint) (err error) {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if next.signed == nil {
		if next, err = l.empty(); err != nil {
			return err
		}
	}
	for {
		head, published, err := l.newest(ctx)
		if err != nil {
			return err
		}
		if published == nil {
			if err := l.mayBegin(ctx, head.N, next.N); err != nil {
				return err
			}
		}
		if published != nil && published.N >= next.N {
			return l.tell(ctx, published.N) // where somebody was killed between the file and its transaction
		}
		var from int64
		if published != nil {
			from = published.N
		}
		tiles, err := l.write(ctx, from, next.N)
		if err != nil {
			return err
		}
		if err := l.replace(published, next); errors.Is(err, files.ErrChanged) {
			continue // another server was first
		} else if err != nil {
			return err
		}
		if err := l.tell(ctx, next.N); err != nil {
			return err
		}
		return l.prune(tiles)
	}
}

// mayBegin requires that a checkpoint of next entries may be served where there is none: it is the first one, or the one before
// is lost, and was of no more.
func (l *Ledger) mayBegin(ctx context.Context, committed, next int64) error {
	if err := l.notAhead(ctx, committed); err != nil {
		return err
	}
	served, err := l.Served(ctx)
	if err == nil && next < served { // it would be taken for a ledger that was turned back
		err = hint.Add(fmt.Errorf("%s: %w: it is missing, and %d entries were served", checkpointFile, ErrDamaged, served), mendFiles)
	}
	return err
}

// newest gives the newest committed checkpoint and the published one, which is of
// a prefix of it; nil where none is published.
func (l *Log) newest(ctx context.Context) (head checkpoint, published *checkpoint, err error) {
	for {
		if head, err = l.head(ctx); err != nil {
			return head, nil, err
		}
		if published, err = l.published(); err != nil {
			return head, nil, err
		}
		if err = continues(ctx, l.db, published, head); err == nil {
			return head, published, nil
		}
		// Another server may have appended and published since head was read: then
		// the database has moved on too.
		if again, herr := l.head(ctx); herr != nil || again.N == head.N || !errors.Is(err, ErrFork) {
			return head, nil, err
		}
	}
}

// write makes everything durable that a tree of size to needs beyond one of size
// from. Rows below to never change, so no transaction is needed.
func (l *Ledger) write(ctx context.Context, from, to int64) (tiles []tlog.Tile, err error) {
	if err := l.writeData(ctx, from, to); err != nil {
		return nil, err
	}
	if err := l.writeEntries(ctx, from, to); err != nil {
		return nil, err
	}
	tiles = tlog.NewTiles(torchwood.TileHeight, from, to)
	for _, t := range tiles {
		data, err := l.tileData(ctx, t)
		if err != nil {
			return nil, err
		}
		if err := l.dir.Put(folder+torchwood.TilePath(t), data); err != nil {
			return nil, err
		}
	}
	return tiles, nil
}

// replace makes c the published checkpoint, where seen still is it;
// files.ErrChanged where another has come.
func (l *Ledger) replace(seen *checkpoint, c checkpoint) error {
	var before []byte
	if seen != nil {
		before = seen.signed
	}
	return l.dir.Replace(checkpointFile, before, c.signed)
}

// tell tells the followers that size entries are public, once.
func (l *Ledger) tell(ctx context.Context, size int64) error {
	if served, err := l.Served(ctx); err != nil || served >= size {
		return err
	}
	return l.db.Update(ctx, func(tx *sql.Tx) error {
		var served int64
		if err := tx.QueryRowContext(ctx, `UPDATE ledger_turn SET turn = turn + 1 WHERE id = 1 RETURNING served`).Scan(&served); err != nil || served >= size {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE ledger_turn SET served = $1 WHERE id = 1`, size); err != nil {
			return err
		}
		for _, follow := range l.follow {
			if err := follow(ctx, tx, size); err != nil {
				return err
			}
		}
		return nil
	})
}

// head returns the newest committed checkpoint.
func (l *Log) head(ctx context.Context) (checkpoint, error) {
	var size int64
	var vkey string
	var signed []byte
	err := l.db.QueryRowContext(ctx, `SELECT size, vkey, checkpoint FROM ledger_head`).Scan(&size, &vkey, &signed)
	if err != nil {
		return checkpoint{}, err
	}
	if vkey != l.VKey() { // another process has changed it
		if err := l.turn(ctx, l.db); err != nil {
			return checkpoint{}, err
		}
	}
	r := l.ring.Load()
	if vkey != r.vkey {
		return checkpoint{}, &keyError{vkey}
	}
	head, err := openCheckpoint(signed, r.verifier)
	if err != nil {
		return checkpoint{}, fmt.Errorf("ledger_head: %w", err)
	}
	if head.N != size {
		return checkpoint{}, fmt.Errorf("ledger_head: %d leaves under a checkpoint of %d: %w", size, head.N, ErrDamaged)
	}
	return head, nil
}

// leafRow is one row of ledger_leaves.
type leafRow struct {
	index int64
	kind  string
	hash  [32]byte
}

// leaves returns the leaves [from, to), all of them.
func leaves(ctx context.Context, q store.Querier, from, to int64) ([]leafRow, error) {
	rows, err := q.QueryContext(ctx,
		`SELECT leaf, kind, data FROM ledger_leaves WHERE leaf >= $1 AND leaf < $2 ORDER BY leaf`, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make([]leafRow, 0, to-from)
	for rows.Next() {
		var r leafRow
		var h []byte
		if err := rows.Scan(&r.index, &r.kind, &h); err != nil {
			return nil, err
		}
		if r.index != from+int64(len(out)) || len(h) != len(r.hash) {
			return nil, fmt.Errorf("ledger_leaves at leaf %d: %w", from+int64(len(out)), ErrDamaged)
		}
		r.hash = [32]byte(h)
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if int64(len(out)) != to-from {
		return nil, fmt.Errorf("ledger_leaves at leaf %d: %w", from+int64(len(out)), ErrDamaged)
	}
	return out, nil
}

// writeData writes the documents of the leaves [from, to). A file that is
// there already is written again: whether it is on disk is not known.
func (l *Ledger) writeData(ctx context.Context, from, to int64) error {
	written := map[[32]byte]bool{}
	for start := from; start < to; start += torchwood.TileWidth {
		batch, err := leaves(ctx, l.db, start, min(start+torchwood.TileWidth, to))
		if err != nil {
			return err
		}
		for _, r := range batch {
			if written[r.hash] {
				continue
			}
			written[r.hash] = true
			data, err := readData(ctx, l.db, r.hash)
			if err != nil {
				return fmt.Errorf("leaf %d: %w", r.index, err)
			}
			if err := l.dir.Put(dataFile(r.hash), data); err != nil {
				return err
			}
		}
	}
	return nil
}

func dataFile(hash [32]byte) string { return dataFolder + hex.EncodeToString(hash[:]) }

// writeEntries writes the entry bundles, full and partial, that a tree of size
// to needs beyond those of size from.
func (l *Ledger) writeEntries(ctx context.Context, from, to int64) error {
	for n := from / torchwood.TileWidth; n*torchwood.TileWidth < to; n++ {
		t := entriesTile(n, int(min(torchwood.TileWidth, to-n*torchwood.TileWidth)))
		bundle, err := l.tileData(ctx, t)
		if err != nil {
			return err
		}
		if err := l.dir.Put(folder+torchwood.TilePath(t), bundle); err != nil {
			return err
		}
	}
	return nil
}

// entriesTile is the coordinate of an entry bundle.
func entriesTile(n int64, width int) tlog.Tile {
	return tlog.Tile{H: torchwood.TileHeight, L: -1, N: n, W: width}
}

// prune removes the partial forms of tiles that now exist in full
// (c2sp.org/tlog-tiles, "Partial Tiles"); the handler cuts them out of the
// full ones for readers of an older checkpoint. A partial tile that is left
// behind by a crash does no harm.
func (l *Ledger) prune(tiles []tlog.Tile) error {
	for _, t := range tiles {
		if t.W != torchwood.TileWidth {
			continue
		}
		if err := l.removePartials(t); err != nil {
			return err
		}
		if t.L == 0 {
			if err := l.removePartials(entriesTile(t.N, t.W)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Ledger) removePartials(full tlog.Tile) error {
	names, err := l.dir.List(folder + torchwood.TilePath(full) + ".p")
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := l.dir.Remove(name); err != nil && !errors.Is(err, files.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readData returns a document from the database.
func readData(ctx context.Context, q store.Querier, hash [32]byte) ([]byte, error) {
	rows, err := q.QueryContext(ctx, `SELECT bytes FROM ledger_data WHERE hash = $1`, hash[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("ledger_data %x: %w", hash, ErrNotFound)
	}
	var data []byte
	if err := rows.Scan(&data); err != nil {
		return nil, err
	}
	if sha256.Sum256(data) != hash {
		return nil, fmt.Errorf("ledger_data %x: %w", hash, ErrDamaged)
	}
	return data, rows.Err()
}

// Proof returns the proof that entry index is in the log, against the newest
// published checkpoint and with its cosignatures, as a c2sp.org/tlog-proof@v1.
// ErrNotFound where there is no such entry, or it is committed and not published
// yet: asking publishes nothing.
func (l *Log) Proof(ctx context.Context, index int64) ([]byte, error) {
	proof, err := l.proof(ctx, index)
	if err != nil {
		return nil, fmt.Errorf("ledger: proving entry %d: %w", index, err)
	}
	return proof, nil
}

func (l *Log) proof(ctx context.Context, index int64) ([]byte, error) {
	c, err := l.published()
	if err != nil {
		return nil, err
	}
	if c == nil || index < 0 || index >= c.N {
		return nil, ErrNotFound
	}
	p, err := tlog.ProveRecord(c.N, index, hashReader(ctx, l.db))
	if err != nil {
		return nil, err
	}
	return torchwood.FormatProof(index, p, bytes.Clone(c.signed)), nil
}

// Data returns the published document with the given SHA-256; ErrNotFound
// where there is none, ErrDamaged where its file holds other bytes.
func (l *Log) Data(hash [32]byte) ([]byte, error) {
	data, err := readDataFile(l.dir, hash)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return data, nil
}

func readDataFile(dir *files.Dir, hash [32]byte) ([]byte, error) {
	data, err := dir.Get(dataFile(hash), MaxData)
	switch {
	case errors.Is(err, files.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", dataFile(hash), ErrNotFound)
	case errors.Is(err, files.ErrTooLarge):
		return nil, hint.Add(fmt.Errorf("%s: longer than ever published: %w", dataFile(hash), ErrDamaged), mendFiles)
	case err != nil:
		return nil, err
	case sha256.Sum256(data) != hash:
		return nil, hint.Add(fmt.Errorf("%s: not the bytes of its name: %w", dataFile(hash), ErrDamaged), mendFiles)
	}
	return data, nil
}
