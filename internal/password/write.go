package password

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"shirase/internal/files"
)

// Errors of changing a corpus.
var (
	// ErrOrder says that hashes did not come in ascending order.
	ErrOrder = errors.New("hashes are not in ascending order")
	// ErrSkewed says that far more hashes share their first digits than hashes of passwords would.
	ErrSkewed = fmt.Errorf("more than %d hashes begin with the same five digits", maxRange)
)

// A Fold says what becomes of a record that is in the corpus already.
type Fold int

// Ways to fold.
const (
	Replace  Fold = iota // the new count takes the place of the old: a newer edition of the same collection
	Add                  // the counts are added: another collection
	ByFormat             // of an import: Add for a list of passwords, else Replace
)

// Change is what a change did to a corpus.
type Change struct {
	Added     int64 `json:"added"`
	Updated   int64 `json:"updated"` // the count changed
	Unchanged int64 `json:"unchanged"`
	Records   int64 `json:"records"` // in the corpus now
	Written   int64 `json:"written"` // bytes of new segment files
}

// tuning are sizes that tests make small.
type tuning struct {
	segment int // records of a segment, about; up to half as many more wait in memory
}

var defaultTuning = tuning{segment: 3 << 19}

// A writer makes the next generation of a corpus from sorted changes. It
// rewrites the segments that a change falls into and keeps the files of the
// others. It holds the folder's lock until close.
type writer struct {
	ctx     context.Context
	c       *Corpora
	corpus  *Corpus
	fold    Fold
	unlock  func()
	old     *snapshot
	index   int     // the old segment that the changes have come to
	cur     *cursor // nil while it has none
	last    []byte
	lastTop uint64 // its leading 64 bits
	change  Change
	infos   []segmentInfo

	// The segment being gathered.
	from     uint32
	touched  bool
	hashes   []byte
	counts   []uint64
	cutAfter int // records from which on the next cut is looked for

	// The segment being written, while the next one is gathered: encoding, summing
	// and forcing it to disk take as long as reading what becomes of it.
	writing     chan written // nil: none is
	spareHashes []byte
	spareCounts []uint64
}

// written is what writing a segment gave.
type written struct {
	info segmentInfo
	err  error
}

// write begins a change, which fails where ctx ends before it is committed.
func (c *Corpora) write(ctx context.Context, m Mode, fold Fold) (*writer, error) {
	c.mu.Lock()
	release, err := lock(c.lockPath())
	if err != nil {
		c.mu.Unlock()
		return nil, err
	}
	w := &writer{ctx: ctx, c: c, corpus: c.Corpus(m), fold: fold, unlock: func() { release(); c.mu.Unlock() }}
	if err := w.corpus.Refresh(); err != nil {
		w.close()
		return nil, err
	}
	w.old = w.corpus.current.Load()
	if err := w.corpus.sweep(&w.old.manifest); err != nil {
		w.close()
		return nil, err
	}
	w.cutAfter = w.most()
	return w, nil
}

func (w *writer) most() int { return w.c.tune.segment + w.c.tune.segment/2 }

// close ends the change; what was not committed is gone, or will be with the next change.
func (w *writer) close() {
	if w.unlock != nil {
		w.settle() // nothing is written without the lock
		w.unlock()
		w.unlock = nil
	}
}

// oldTo is the range after those of the old segment the changes have come to.
func (w *writer) oldTo() uint32 {
	if w.index < len(w.old.segments) {
		return w.old.segments[w.index].to
	}
	return ranges
}

// add folds one record in. Hashes come in strictly ascending order, counts are 1 to 2^63.
func (w *writer) add(hash []byte, count uint64) error {
	h := top(hash)
	if h <= w.lastTop && len(w.last) > 0 && bytes.Compare(hash, w.last) <= 0 {
		return ErrOrder
	}
	w.last, w.lastTop = append(w.last[:0], hash...), h
	for r := uint32(h >> rangeShift); r >= w.oldTo(); {
		if err := w.pass(); err != nil {
			return err
		}
	}
	if !w.touched {
		w.touched = true
		if w.index < len(w.old.segments) {
			w.cur = &cursor{s: w.old.segments[w.index]}
		}
	}
	if w.cur != nil {
		for {
			ok, err := w.cur.more()
			if err != nil {
				return w.corpus.broken(w.old.manifest.Segments[w.index], err)
			}
			if !ok {
				break
			}
			order := bytes.Compare(w.cur.hash(), hash)
			if order > 0 {
				break
			}
			before := w.cur.count()
			if order < 0 {
				if err := w.put(w.cur.hash(), before); err != nil {
					return err
				}
				w.cur.at++
				continue
			}
			w.cur.at++
			if w.fold == Add {
				count = sum(before, count)
			}
			if count == before {
				w.change.Unchanged++
			} else {
				w.change.Updated++
			}
			return w.put(hash, count)
		}
	}
	w.change.Added++
	return w.put(hash, count)
}

// sum adds counts; there is no more than 2^63.
func sum(a, b uint64) uint64 {
	if a > maxCount-b {
		return maxCount
	}
	return a + b
}

// put appends to the segment being gathered, and writes part of it where it has grown long.
func (w *writer) put(hash []byte, count uint64) error {
	if len(w.counts) == cap(w.counts) { // append would grow by a quarter, and copy everything as often
		more := max(1<<12, min(3*cap(w.counts), w.cutAfter-len(w.counts)))
		w.counts = slices.Grow(w.counts, more)
		w.hashes = slices.Grow(w.hashes, cap(w.counts)*len(hash)-len(w.hashes))
	}
	w.hashes = append(w.hashes, hash...)
	w.counts = append(w.counts, count)
	if len(w.counts) < w.cutAfter {
		return nil
	}
	// Cut where a range ends, near the intended size.
	at := func(i int) uint32 { return uint32(top(w.hashes[i*len(hash):]) >> rangeShift) }
	n := w.c.tune.segment
	for n > 0 && at(n) == at(n-1) {
		n--
	}
	if n == 0 {
		for n = w.c.tune.segment; n < len(w.counts) && at(n) == at(n-1); n++ {
		}
	}
	if n == len(w.counts) {
		if n > maxRange {
			return ErrSkewed
		}
		w.cutAfter += w.c.tune.segment
		return nil
	}
	w.cutAfter = w.most()
	return w.flush(n, at(n))
}

// flush begins to write the first n gathered records as a segment that ends before range to.
func (w *writer) flush(n int, to uint32) error {
	if err := w.settle(); err != nil {
		return err
	}
	size := w.corpus.mode.Size()
	from, hashes, counts := w.from, w.hashes[:n*size], w.counts[:n]
	restHashes, restCounts := append(w.spareHashes[:0], w.hashes[n*size:]...), append(w.spareCounts[:0], w.counts[n:]...)
	w.spareHashes, w.spareCounts = w.hashes, w.counts
	w.hashes, w.counts, w.from = restHashes, restCounts, to
	done := make(chan written, 1)
	w.writing = done
	go func() {
		info, err := w.store(from, to, hashes, counts)
		done <- written{info, err}
	}()
	return nil
}

// settle waits for the segment being written.
func (w *writer) settle() error {
	if w.writing == nil {
		return nil
	}
	done := <-w.writing
	w.writing = nil
	if done.err != nil {
		return done.err
	}
	w.infos = append(w.infos, done.info)
	w.change.Written += done.info.Size
	return nil
}

// store writes a segment, durably.
func (w *writer) store(from, to uint32, hashes []byte, counts []uint64) (segmentInfo, error) {
	mode := w.corpus.mode
	out, err := w.c.dir.Create(mode.String() + "/new.seg")
	if err != nil {
		return segmentInfo{}, err
	}
	defer out.Close()
	sink := &hashing{w: out, sum: sha256.New()}
	if err := writeSegment(sink, fit(mode, from, to, hashes), hashes, counts); err != nil {
		return segmentInfo{}, err
	}
	info := segmentInfo{From: from, To: to, Records: int64(len(counts)), Size: sink.n, SHA256: hex.EncodeToString(sink.sum.Sum(nil))}
	return info, out.CommitAs(info.name(mode))
}

// gap returns the range behind the last gathered record if nearly nothing follows
// it before range to, and these are records enough for a segment. A sync comes
// from the front in parts: each is then written once, with nothing but an empty
// segment behind it for the next part to fall into, and the layout fits.
func (w *writer) gap(to uint32) uint32 {
	if len(w.counts) < max(1, w.c.tune.segment/4) {
		return to
	}
	end := uint32(top(w.hashes[len(w.hashes)-w.corpus.mode.Size():])>>rangeShift) + 1
	if to-end <= (to-w.from)/2 {
		return to
	}
	return end
}

// pass ends the work on an old segment: one that no change fell into keeps its file.
func (w *writer) pass() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	to := w.oldTo()
	if !w.touched {
		if err := w.settle(); err != nil { // infos are in order
			return err
		}
		if w.index < len(w.old.segments) {
			w.infos = append(w.infos, w.old.manifest.Segments[w.index])
		}
		w.from = to
		w.index++
		return nil
	}
	if w.cur != nil {
		for {
			ok, err := w.cur.more()
			if err != nil {
				return w.corpus.broken(w.old.manifest.Segments[w.index], err)
			}
			if !ok {
				break
			}
			if err := w.put(w.cur.hash(), w.cur.count()); err != nil {
				return err
			}
			w.cur.at++
		}
	}
	if end := w.gap(to); end < to {
		if err := w.flush(len(w.counts), end); err != nil {
			return err
		}
	}
	if err := w.flush(len(w.counts), to); err != nil {
		return err
	}
	w.cur, w.touched, w.cutAfter = nil, false, w.most()
	w.index++
	return nil
}

// commit makes the change the corpus's current generation, durably; where
// nothing changed there is no new one.
func (w *writer) commit() (Change, error) {
	for w.from < ranges && (w.touched || w.index < len(w.old.segments)) {
		if err := w.pass(); err != nil {
			return w.change, err
		}
	}
	if err := w.settle(); err != nil {
		return w.change, err
	}
	next := manifest{V: manifestVersion, Mode: w.corpus.mode.String(), Generation: w.old.Generation + 1,
		Updated: time.Now().UTC().Truncate(time.Second), Segments: w.infos}
	for _, i := range w.infos {
		next.Records += i.Records
	}
	w.change.Records = next.Records
	if slices.Equal(w.infos, w.old.manifest.Segments) {
		w.change.Written = 0
		return w.change, nil
	}
	b, err := next.encode()
	if err != nil {
		return w.change, err
	}
	if err := w.c.dir.Put(manifestName(w.corpus.mode), b); err != nil {
		return w.change, err
	}
	if err := w.corpus.Refresh(); err != nil {
		return w.change, err
	}
	return w.change, w.corpus.sweep(&next)
}

// sweep removes segment files that the manifest does not name: of former
// generations, and of changes that did not end. Only who holds the lock sweeps.
func (c *Corpus) sweep(m *manifest) error {
	keep := map[string]bool{}
	for _, i := range m.Segments {
		keep[i.name(c.mode)] = true
	}
	names, err := c.dir.List(c.mode.String())
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".seg") && !keep[name] {
			if err := c.dir.Remove(name); err != nil && !errors.Is(err, files.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// hashing passes bytes on, and sums and counts them.
type hashing struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (h *hashing) Write(p []byte) (int, error) {
	h.sum.Write(p)
	n, err := h.w.Write(p)
	h.n += int64(n)
	return n, err
}
