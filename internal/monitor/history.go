package monitor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
	"shirase/internal/files"
)

// What a monitor knows of the one history: the leaves of the tree that it
// followed, which no server can take back, and checkpoints that somebody was
// shown and that are not part of it yet.

// maxHeld is how many checkpoints that cannot be followed are kept. A ledger that shows more has shown enough.
const maxHeld = 16

// treeOf gives the tiles of a checkpoint's tree, as a server has them.
func (m *Monitor) treeOf(ctx context.Context, from *fetcher, c *check.Checkpoint) *tiles {
	return &tiles{ctx: ctx, get: from, tree: tlog.Tree{N: c.Size, Hash: tlog.Hash(c.Root)}, kept: map[string][]byte{}}
}

// treeHash is the root of the first size entries.
func treeHash(size int64, hashes tlog.HashReader) (check.Hash, error) {
	if size == 0 {
		return sha256.Sum256(nil), nil // RFC 6962 section 2.1
	}
	h, err := tlog.TreeHash(size, hashes)
	return check.Hash(h), err
}

// place finds out where a checkpoint that somebody was shown stands in the
// history that was followed. ok: it is part of it. again: it is of a larger
// tree, to which the followed one leads, and which is to be followed next. Else
// what it is was reported.
func (m *Monitor) place(ctx context.Context, c *check.Checkpoint, from *fetcher, where string) (ok, again bool, err error) {
	if c.Size <= m.own.Size {
		root, err := m.rootAt(c.Size)
		if err != nil {
			return false, false, m.damaged(err)
		}
		if root != c.Root {
			return false, false, m.forked(c, m.own, m.tiles.hashes(), where)
		}
		m.release(c)
		return true, false, nil
	}
	for try := 1; ; try++ {
		t := m.treeOf(ctx, from, c)
		root, err := treeHash(m.own.Size, t.hashes())
		switch {
		case err == nil && root == m.own.Root:
			m.target = c
			return false, true, nil
		case err == nil:
			return false, false, m.forked(m.own, c, t.hashes(), where)
		case !t.wrong():
			return false, false, t.err
		case try == 2: // another server may have been behind for a moment
			return false, false, m.hold(c, where)
		}
		if err := m.Wait(ctx, behind); err != nil {
			return false, false, err
		}
	}
}

// wrong reports whether tiles are not the tree's, rather than a server out of reach.
func (t *tiles) wrong() bool {
	return t.err == nil || errors.Is(t.err, check.ErrConsistency) || errors.Is(t.err, check.ErrServer) || refused(t.err)
}

// hold keeps a checkpoint of a tree whose tiles are not given: sooner or later
// it is part of the ledger, or shows that there are two.
func (m *Monitor) hold(c *check.Checkpoint, where string) error {
	if !slices.Contains(m.state.Held, c.Note) && len(m.state.Held) < maxHeld {
		m.state.Held = append(m.state.Held, c.Note)
	}
	if err := m.save(); err != nil {
		return err
	}
	return m.split("tiles", m.own, c, nil, fmt.Sprintf("%s shows a checkpoint of %d entries, and the ledger gives no tiles that lead from its %d entries to it", where, c.Size, m.own.Size))
}

// release forgets a held checkpoint that has its place now.
func (m *Monitor) release(c *check.Checkpoint) {
	m.state.Held = slices.DeleteFunc(m.state.Held, func(note string) bool { return note == c.Note })
}

// placeHeld looks whether what was held has its place by now.
func (m *Monitor) placeHeld(ctx context.Context) error {
	for _, note := range slices.Clone(m.state.Held) {
		c, err := m.keys.Open(note)
		if err != nil {
			return fmt.Errorf("%w: a checkpoint that it holds: %w", ErrState, err)
		}
		if _, _, err := m.place(ctx, c, m.get, "somebody was shown another ledger: an earlier answer"); err != nil {
			return err
		}
	}
	return nil
}

// forked reports two checkpoints of which the smaller's tree is not the
// beginning of the larger's, whose hashes are given.
func (m *Monitor) forked(a, b *check.Checkpoint, hashes tlog.HashReader, where string) error {
	var proof []check.Bytes
	if 0 < a.Size && a.Size < b.Size {
		var err error
		if proof, err = check.Consistency(hashes, a.Size, b.Size); err != nil {
			return m.damaged(err)
		}
	}
	other := a
	if a == m.own {
		other = b
	}
	m.release(other)
	return m.split("fork", a, b, proof, fmt.Sprintf("the ledger has two histories: %s shows another one, of %d entries, than the one of %d that was followed", where, other.Size, m.own.Size))
}

// shrunk tells a ledger that shows fewer entries than before: of the same history, or of another.
func (m *Monitor) shrunk(ctx context.Context, before, now *check.Checkpoint) error {
	hashes := tlog.HashReader(&leaves{m: m})
	if m.state.Leaves < before.Size { // from before leaves were kept
		hashes = m.treeOf(ctx, m.get, before).hashes()
	}
	root, err := treeHash(now.Size, hashes)
	if err == nil && root != now.Root && now.Size > 0 {
		proof, err := check.Consistency(hashes, now.Size, before.Size)
		if err != nil {
			return err
		}
		return m.split("fork", now, before, proof, fmt.Sprintf("the ledger has two histories: the %d entries that it shows now are not the first of the %d that it had", now.Size, before.Size))
	}
	return m.split("rollback", before, now, nil, fmt.Sprintf("the ledger has shrunk: it had %d entries, and now %d", before.Size, now.Size))
}

// leafFile holds the leaf hashes of a bundle of entries, one after the other.
func leafFile(n int64) string { return fmt.Sprintf("leaves/%d", n) }

// keepLeaves keeps the leaf hashes of a bundle, from its first on.
func (m *Monitor) keepLeaves(n int64, hashes []tlog.Hash) error {
	var b []byte
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	if err := m.dir.Put(leafFile(n), b); err != nil {
		return err
	}
	m.state.Leaves = max(m.state.Leaves, n*torchwood.TileWidth+int64(len(hashes)))
	return nil
}

// keepEarlier keeps the leaves of entries that were done before leaves were kept.
func (m *Monitor) keepEarlier() error {
	for n := m.state.Leaves / torchwood.TileWidth; m.state.Leaves < m.state.Next; n++ {
		var at []int64
		for i := n * torchwood.TileWidth; i < min((n+1)*torchwood.TileWidth, m.state.Next); i++ {
			at = append(at, tlog.StoredHashIndex(0, i))
		}
		hashes, err := m.tiles.hashes().ReadHashes(at)
		if err != nil {
			return nil // the tiles are told of where they are needed
		}
		if err := m.keepLeaves(n, hashes); err != nil {
			return err
		}
	}
	return nil
}

// leaves reads stored hashes of the followed tree from the leaves that are
// kept, in time that grows with the tree and memory that does not.
type leaves struct {
	m    *Monitor
	n    int64 // the bundle that is at hand
	data []byte
}

func (l *leaves) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, index := range at {
		level, n := tlog.SplitStoredHashIndex(index)
		var err error
		if out[i], err = l.node(level, n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// node is the hash of the n-th complete subtree of a level.
func (l *leaves) node(level int, n int64) (h tlog.Hash, err error) {
	if level > 0 {
		left, err := l.node(level-1, 2*n)
		if err != nil {
			return h, err
		}
		right, err := l.node(level-1, 2*n+1)
		return tlog.NodeHash(left, right), err
	}
	if bundle := n / torchwood.TileWidth; l.data == nil || l.n != bundle {
		if l.data, err = l.m.dir.Get(leafFile(bundle), torchwood.TileWidth*tlog.HashSize); err != nil {
			return h, err
		}
		l.n = bundle
	}
	at := n % torchwood.TileWidth * tlog.HashSize
	if int64(len(l.data)) < at+tlog.HashSize {
		return h, fmt.Errorf("leaf %d: %w", n, files.ErrNotExist)
	}
	return tlog.Hash(l.data[at:]), nil
}
