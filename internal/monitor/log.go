package monitor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"filippo.io/torchwood"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"shirase/check"
)

// behind is how long one of several servers may go on with what was before.
const behind = 2 * time.Second

// tiles reads the tree of one checkpoint from a server. What it gives is
// authenticated by the checkpoint's root.
type tiles struct {
	ctx  context.Context
	get  *fetcher
	tree tlog.Tree
	kept map[string][]byte // the tiles of this run of reads
	err  error             // why one could not be had
}

// maxTiles is how many tiles are kept, of at most 8 KiB each.
const maxTiles = 256

func (t *tiles) Height() int { return torchwood.TileHeight }

// SaveTiles keeps tiles that have been authenticated.
func (t *tiles) SaveTiles(all []tlog.Tile, data [][]byte) {
	if len(t.kept)+len(all) > maxTiles {
		clear(t.kept)
	}
	for i, tile := range all {
		t.kept[torchwood.TilePath(tile)] = data[i]
	}
}

func (t *tiles) ReadTiles(all []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(all))
	g, ctx := errgroup.WithContext(t.ctx)
	g.SetLimit(8)
	for i, tile := range all {
		if b, ok := t.kept[torchwood.TilePath(tile)]; ok {
			out[i] = b
			continue
		}
		g.Go(func() (err error) {
			out[i], err = t.read(ctx, tile)
			return err
		})
	}
	t.err = g.Wait()
	return out, t.err
}

// read gets a tile, cut out of the full one where the partial one was dropped
// (c2sp.org/tlog-tiles).
func (t *tiles) read(ctx context.Context, tile tlog.Tile) ([]byte, error) {
	want := tile.W * tlog.HashSize
	b, err := t.get.tile(ctx, torchwood.TilePath(tile))
	if gone(err) && tile.W < torchwood.TileWidth {
		tile.W = torchwood.TileWidth
		if b, err = t.get.tile(ctx, torchwood.TilePath(tile)); err == nil && len(b) == tile.W*tlog.HashSize {
			b = b[:want]
		}
	}
	if err == nil && len(b) != want {
		err = fmt.Errorf("%s: %w: %d bytes", torchwood.TilePath(tile), check.ErrConsistency, len(b))
	}
	if gone(err) {
		err = fmt.Errorf("%s: %w: it is missing", torchwood.TilePath(tile), check.ErrConsistency)
	}
	return b, err
}

// hashes gives authenticated stored hashes of the tree.
func (t *tiles) hashes() tlog.HashReader { return tlog.TileHashReader(t.tree, t) }

// follow reads the ledger up to its newest checkpoint. false: it cannot be
// followed, and why was reported.
func (m *Monitor) follow(ctx context.Context) (bool, error) {
	if err := m.newerKeys(ctx); err != nil {
		return false, err
	}
	now, err := m.newest(ctx)
	if err != nil || now == nil {
		return false, err
	}
	if m.target != nil && now.Size < m.target.Size { // its tiles are there, whatever the checkpoint is
		now = m.target
	}
	before := m.own
	if before != nil && now.Size < before.Size {
		if err := m.Wait(ctx, behind); err != nil {
			return false, err
		}
		if now, err = m.newest(ctx); err != nil || now == nil {
			return false, err
		}
		if now.Size < before.Size {
			return false, m.shrunk(ctx, before, now)
		}
	}
	m.tiles = m.treeOf(ctx, m.get, now)
	if before != nil && before.Size > 0 {
		if ok, err := m.extends(before, now); err != nil || !ok {
			return false, err
		}
	}
	if err := m.witnessed(now); err != nil {
		return false, err
	}
	if err := m.keepEarlier(); err != nil {
		return false, err
	}
	m.state.Checkpoint, m.own = now.Note, now
	for n := m.state.Next / torchwood.TileWidth; m.state.Next < now.Size; n++ {
		if ok, err := m.bundle(ctx, n, now); err != nil || !ok {
			return false, err
		}
		if err := m.save(); err != nil {
			return false, err
		}
	}
	if err := m.judgeNewest(now); err != nil {
		return false, err
	}
	if err := m.placeHeld(ctx); err != nil {
		return false, err
	}
	return true, m.save()
}

// newerKeys takes in the keys that have followed those that are known, each
// named by a statement under the one before.
func (m *Monitor) newerKeys(ctx context.Context) error {
	if err := m.trust(m.state.Keys); err != nil {
		return err
	}
	body, err := m.get.get(ctx, m.get.at("ledger/v1/keys"), "application/json", 64<<20)
	if gone(err) && len(m.state.Keys) == 1 {
		return nil // a server of before keys had successors
	}
	if gone(err) {
		m.keysLost("the ledger's list of keys is not given any more")
		return nil
	}
	if err != nil {
		return err
	}
	all, err := check.ParseKeyList(body, m.origin)
	if err != nil {
		m.add(Finding{What: "the ledger's list of keys does not lead from one to the next: " + err.Error(), Rule: "keys-list", Index: -1})
		return nil
	}
	if !slices.Contains(all, m.LedgerKey) {
		m.keysLost("the ledger's list of keys does not have the key that this monitor was given")
		return nil
	}
	at := 0
	for _, known := range m.state.Keys {
		for at < len(all) && all[at] != known {
			at++
		}
	}
	if at == len(all) { // what was a key once signs no less for being left out
		m.keysLost("the ledger's list of keys has lost one that it had, or has them in another order")
		return nil
	}
	var list struct {
		Keys jsontext.Value `json:"keys"`
	}
	if len(all) > 1 {
		if err := json.Unmarshal(body, &list); err != nil {
			return err
		}
	}
	m.state.Listed = list.Keys
	return m.trust(all)
}

func (m *Monitor) keysLost(what string) { m.add(Finding{What: what, Rule: "keys-list", Index: -1}) }

// trust makes these the keys of the ledger: those that were known, and more.
func (m *Monitor) trust(vkeys []string) error {
	keys, err := check.LedgerPolicy(vkeys...)
	if err != nil {
		return err
	}
	m.keys, m.state.Keys = keys, vkeys
	return nil
}

// newest gets the newest checkpoint; nil where it is not the ledger's, which is reported.
func (m *Monitor) newest(ctx context.Context) (*check.Checkpoint, error) {
	signed, err := m.get.get(ctx, m.get.at("checkpoint"), "text/plain", small)
	if err != nil {
		return nil, err
	}
	c, err := m.keys.Open(string(signed))
	if err == nil && c.Origin != m.origin {
		err = check.ErrCheckpoint
	}
	if err != nil {
		m.add(Finding{What: "the checkpoint is not signed by the ledger's key", Rule: "checkpoint", Index: -1})
		return nil, nil
	}
	return c, nil
}

// extends requires that one checkpoint's tree is the beginning of another's.
func (m *Monitor) extends(before, now *check.Checkpoint) (bool, error) {
	what := fmt.Sprintf("the ledger has two histories: its first %d entries are not those that it showed before", before.Size)
	if now.Size == before.Size {
		if now.Root == before.Root {
			return true, nil
		}
		return false, m.split("fork", before, now, nil, what)
	}
	root, err := tlog.TreeHash(before.Size, m.tiles.hashes())
	if err != nil {
		return false, m.damaged(err)
	}
	if check.Hash(root) == before.Root {
		return true, nil
	}
	proof, err := check.Consistency(m.tiles.hashes(), before.Size, now.Size)
	if err != nil {
		return false, m.damaged(err)
	}
	return false, m.split("fork", before, now, proof, what)
}

// split reports two checkpoints that do not belong together, or of which that is not known yet (tiles).
func (m *Monitor) split(rule string, before, now *check.Checkpoint, proof []check.Bytes, what string) error {
	e := &check.Evidence{Rule: rule, What: what, Checkpoints: []string{before.Note, now.Note}, Consistency: proof}
	file, path, err := m.evidence(e, fmt.Sprintf("%s-%d-%d", rule, before.Size, now.Size))
	if err != nil {
		return err
	}
	f := Finding{What: what, Rule: rule, Index: -1, Evidence: path, File: file}
	if rule == "fork" {
		m.lasting(f)
		return m.save()
	}
	m.add(f)
	return nil
}

// damaged reports tiles that are missing, or are not those of the checkpoint. A
// server that cannot be reached is an error.
func (m *Monitor) damaged(err error) error {
	if m.tiles.err != nil && !errors.Is(m.tiles.err, check.ErrConsistency) && !refused(m.tiles.err) {
		return m.tiles.err
	}
	m.add(Finding{What: "a tile of the ledger is missing, or not what the checkpoint says: " + err.Error(), Rule: "tiles", Index: -1})
	return nil
}

// witnessed holds a checkpoint to the monitor's own policy.
func (m *Monitor) witnessed(c *check.Checkpoint) error {
	if m.Policy == nil || m.Policy.Strength() == 0 {
		return nil
	}
	if _, err := m.Policy.Open(c.Note); err != nil {
		m.add(Finding{What: "the checkpoint is not cosigned as this monitor's policy wants", Rule: "unwitnessed", Index: -1})
	}
	return nil
}

// bundle reads one bundle of entries, from where the state is in it. false: it
// cannot be gone on from, and why was reported.
func (m *Monitor) bundle(ctx context.Context, n int64, now *check.Checkpoint) (bool, error) {
	start := n * torchwood.TileWidth
	width := min(torchwood.TileWidth, now.Size-start)
	positions := make([]int64, 0, width)
	for i := range width {
		positions = append(positions, tlog.StoredHashIndex(0, start+i))
	}
	hashes, err := m.tiles.hashes().ReadHashes(positions)
	if err != nil {
		return false, m.damaged(err)
	}
	if err := m.keepLeaves(n, hashes); err != nil {
		return false, err
	}
	entries, err := m.entries(ctx, n, int(width))
	if err != nil {
		return false, err
	}
	type document struct {
		kind string
		hash check.Hash
		data []byte
		err  error
	}
	const window = 8 // documents that are in memory at once
	for from := m.state.Next - start; from < width; from += window {
		to := min(from+window, width)
		docs := make([]*document, to-from)
		var g errgroup.Group
		for i := range docs {
			at := from + int64(i)
			if at >= int64(len(entries)) || tlog.RecordHash(entries[at]) != hashes[at] {
				m.lastingAt(start+at, "entry", "the entry is not given, or is not the one that the ledger has")
				continue
			}
			kind, leaf, err := check.ParseLeaf(entries[at])
			if err != nil {
				m.lastingAt(start+at, "leaf", "the entry is not of this ledger's form")
				continue
			}
			hash := check.Hash(leaf)
			docs[i] = &document{kind: kind, hash: hash}
			g.Go(func() error {
				docs[i].data, docs[i].err = m.get.get(ctx, m.get.at("ledger/v1/data/"+hash.String()), "application/json", maxData)
				return nil
			})
		}
		_ = g.Wait()
		for i, d := range docs {
			index := start + from + int64(i)
			if d != nil {
				if d.err == nil && check.Hash(sha256.Sum256(d.data)) != d.hash {
					d.err = fmt.Errorf("%w: other bytes", check.ErrServer)
				}
				if d.err != nil && !refused(d.err) && !errors.Is(d.err, check.ErrServer) {
					return false, d.err
				}
				if d.err != nil {
					err = m.withoutBytes(now, index, d.kind, d.hash)
				} else {
					err = m.document(ctx, now, index, d.kind, d.hash, d.data)
				}
				if err != nil {
					return false, err
				}
			}
			m.state.Next = index + 1
		}
	}
	return true, nil
}

func (m *Monitor) lastingAt(index int64, rule, what string) {
	m.lasting(Finding{What: what, Rule: rule, Index: index, Key: fmt.Sprintf("%s %d", rule, index)})
}

// entries gets a bundle of entries; fewer than wanted where it is damaged.
func (m *Monitor) entries(ctx context.Context, n int64, width int) ([][]byte, error) {
	t := tlog.Tile{H: torchwood.TileHeight, L: -1, N: n, W: width}
	b, err := m.get.tile(ctx, torchwood.TilePath(t))
	if gone(err) && width < torchwood.TileWidth {
		t.W = torchwood.TileWidth
		b, err = m.get.tile(ctx, torchwood.TilePath(t))
	}
	if refused(err) || errors.Is(err, check.ErrServer) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for len(out) < width {
		var e []byte
		if e, b, err = torchwood.ReadTileEntry(b); err != nil {
			return out, nil
		}
		out = append(out, e)
	}
	return out, nil
}

// prove gives the proof that an entry is in the ledger, against a checkpoint.
func (m *Monitor) prove(now *check.Checkpoint, index int64) (string, error) {
	p, err := tlog.ProveRecord(now.Size, index, m.tiles.hashes())
	if err != nil {
		return "", err
	}
	return string(torchwood.FormatProof(index, p, []byte(now.Note))), nil
}

// withoutBytes reports an entry whose bytes are not given, with the proof that it is one.
func (m *Monitor) withoutBytes(now *check.Checkpoint, index int64, kind string, hash check.Hash) error {
	if kind == check.KindStatement {
		m.state.Missed++
	}
	proof, err := m.prove(now, index)
	if err != nil {
		return m.damaged(err)
	}
	what := fmt.Sprintf("the bytes of entry %d, a %s, are not given, or are not those that the ledger commits to", index, kind)
	file, path, err := m.evidence(&check.Evidence{Rule: "bytes", What: what, Entries: []check.Entered{{Kind: kind, SHA256: hash, Proof: proof}}},
		fmt.Sprintf("bytes-%d", index))
	if err != nil {
		return err
	}
	m.lasting(Finding{What: what, Rule: "bytes", Index: index, Evidence: path, File: file})
	return nil
}

// document takes in what an entry commits to. Kinds that are not known are passed over.
func (m *Monitor) document(ctx context.Context, now *check.Checkpoint, index int64, kind string, hash check.Hash, data []byte) error {
	switch kind {
	case check.KindStatement:
		return m.statement(ctx, now, index, hash, data)
	case check.KindNotice:
		m.notice(index, hash, data)
	case check.KindPage:
		m.pageRecord(index, hash, data)
	case check.KindCases:
		m.casesHead(index, data)
	}
	return nil
}
