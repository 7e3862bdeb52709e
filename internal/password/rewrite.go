package password

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
)

// tuning are sizes that tests make small.
type tuning struct {
	segment int   // records of a segment, about
	undo    int64 // bytes of what is kept to take imports back, at most; 0: a quarter of the corpus, or minUndo
}

var defaultTuning = tuning{segment: 3 << 19}

// A rewriter makes a new set of segments from an old one and changes in ascending
// order. It writes the segments anew that a change falls into, and keeps the files
// of the others.
type rewriter struct {
	ctx     context.Context
	c       *Corpora
	corpus  *Corpus
	old     *set
	kept    []segmentInfo // of old
	segment int           // records of a segment, about; up to half as many more wait in memory
	index   int           // the old segment that the changes have come to
	cur     *cursor       // nil while it has none
	infos   []segmentInfo
	written int64        // bytes
	found   func() error // waits for the first manifest of all

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

// newRewriter begins to change a set, whose files kept names.
func newRewriter(ctx context.Context, c *Corpora, corpus *Corpus, old *set, kept []segmentInfo) rewriter {
	w := rewriter{ctx: ctx, c: c, corpus: corpus, old: old, kept: kept, segment: c.tune.segment}
	w.cutAfter = w.most()
	return w
}

func (w *rewriter) most() int { return w.segment + w.segment/2 }

// oldTo is the range after those of the old segment the changes have come to.
func (w *rewriter) oldTo() uint32 {
	if w.index < len(w.old.segments) {
		return w.old.segments[w.index].to
	}
	return ranges
}

// behind reports that the old set has nothing more before a hash with these leading 64
// bits, nor that hash, so that seek need not look.
func (w *rewriter) behind(h uint64) bool {
	return w.cur == nil && w.touched && uint32(h>>rangeShift) < w.oldTo()
}

// seek takes over what comes before a hash, whose leading 64 bits are h, and
// returns the count that the hash had, 0 where it was not there. It takes that
// record out: put, next, says what becomes of it.
func (w *rewriter) seek(hash []byte, h uint64) (uint64, error) {
	for r := uint32(h >> rangeShift); r >= w.oldTo(); {
		if err := w.pass(); err != nil {
			return 0, err
		}
	}
	if !w.touched {
		w.touched = true
		if w.index < len(w.old.segments) {
			w.cur = &cursor{s: w.old.segments[w.index]}
		}
	}
	if w.cur == nil {
		return 0, nil
	}
	for {
		ok, err := w.cur.more()
		if err != nil {
			return 0, w.corpus.broken(w.kept[w.index], err)
		}
		if !ok {
			return 0, nil
		}
		order := bytes.Compare(w.cur.hash(), hash)
		if order > 0 {
			return 0, nil
		}
		n := w.cur.count()
		if order < 0 {
			if err := w.put(w.cur.hash(), n); err != nil {
				return 0, err
			}
		}
		w.cur.at++
		if order == 0 {
			return n, nil
		}
	}
}

// set makes the count of a hash what it is to be, 0 being none, and returns what it was.
func (w *rewriter) set(hash []byte, count uint64) (uint64, error) {
	before, err := w.seek(hash, top(hash))
	if err == nil && count > 0 {
		err = w.put(hash, count)
	}
	return before, err
}

// put appends to the segment being gathered, and writes part of it where it has grown long.
func (w *rewriter) put(hash []byte, count uint64) error {
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
	n := w.segment
	for n > 0 && at(n) == at(n-1) {
		n--
	}
	if n == 0 {
		for n = w.segment; n < len(w.counts) && at(n) == at(n-1); n++ {
		}
	}
	if n == len(w.counts) {
		if n > maxRange {
			return ErrSkewed
		}
		w.cutAfter += w.segment
		return nil
	}
	w.cutAfter = w.most()
	return w.flush(n, at(n))
}

// flush begins to write the first n gathered records as a segment that ends before range to.
func (w *rewriter) flush(n int, to uint32) error {
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
func (w *rewriter) settle() error {
	if w.writing == nil {
		return nil
	}
	done := <-w.writing
	w.writing = nil
	if done.err != nil {
		return done.err
	}
	w.infos = append(w.infos, done.info)
	w.written += done.info.Size
	return nil
}

// store writes a segment, durably.
func (w *rewriter) store(from, to uint32, hashes []byte, counts []uint64) (segmentInfo, error) {
	mode := w.corpus.mode
	if err := w.found(); err != nil {
		return segmentInfo{}, err
	}
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
func (w *rewriter) gap(to uint32) uint32 {
	if len(w.counts) < max(1, w.segment/4) {
		return to
	}
	end := uint32(top(w.hashes[len(w.hashes)-w.corpus.mode.Size():])>>rangeShift) + 1
	if to-end <= (to-w.from)/2 {
		return to
	}
	return end
}

// pass ends the work on an old segment: one that no change fell into keeps its file.
func (w *rewriter) pass() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	to := w.oldTo()
	if !w.touched {
		if err := w.settle(); err != nil { // infos are in order
			return err
		}
		if w.index < len(w.old.segments) {
			w.infos = append(w.infos, w.kept[w.index])
		}
		w.from = to
		w.index++
		return nil
	}
	if w.cur != nil {
		for {
			ok, err := w.cur.more()
			if err != nil {
				return w.corpus.broken(w.kept[w.index], err)
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

// finish returns the segments of the new set; none where it is empty.
func (w *rewriter) finish() ([]segmentInfo, error) {
	for w.from < ranges && (w.touched || w.index < len(w.old.segments)) {
		if err := w.pass(); err != nil {
			return nil, err
		}
	}
	if err := w.settle(); err != nil {
		return nil, err
	}
	if n, ok := segmentsOf(w.infos); !ok {
		return nil, fmt.Errorf("write the %s corpus: its segments do not cover all ranges", w.corpus.mode)
	} else if n == 0 {
		return nil, nil
	}
	return w.infos, nil
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
