package password

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// over is what becomes of a count when another one, 0 being none, is folded in over it.
func (f Fold) over(before, count uint64) uint64 {
	switch {
	case count == 0:
		return before
	case f == Add:
		return sum(before, count)
	}
	return count
}

// sum adds counts; there is no more than 2^63.
func sum(a, b uint64) uint64 {
	if a > maxCount-b {
		return maxCount
	}
	return a + b
}

// Change is what a change did to a corpus.
type Change struct {
	Added     int64 `json:"added"`
	Updated   int64 `json:"updated"` // the count changed
	Unchanged int64 `json:"unchanged"`
	Removed   int64 `json:"removed,omitzero"`
	Records   int64 `json:"records"` // in the corpus now
	Written   int64 `json:"written"` // bytes of new segment files
}

// A writer makes the next generation of a corpus: of its records, from changes in
// ascending order, and of what the manifest says beside them. It holds the
// folder's lock until close.
type writer struct {
	rewriter
	fold    Fold
	unlock  func()
	before  *snapshot
	next    manifest // beside records and segments
	last    []byte   // the hash added last
	lastTop uint64   // its leading 64 bits
	change  Change
	undo    undo
}

// write begins a change, which fails where ctx ends before it is committed. What it adds is nothing that can be taken back, unless remember says so.
func (c *Corpora) write(ctx context.Context, m Mode, fold Fold) (*writer, error) {
	c.mu.Lock()
	release, err := lock(c.lockPath())
	if err != nil {
		c.mu.Unlock()
		return nil, err
	}
	w := &writer{fold: fold, unlock: func() { release(); c.mu.Unlock() }}
	if err := w.begin(ctx, c, c.Corpus(m)); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *writer) begin(ctx context.Context, c *Corpora, corpus *Corpus) error {
	if err := corpus.Refresh(); err != nil {
		return err
	}
	w.before = corpus.current.Load()
	w.next = w.before.manifest
	if err := corpus.sweep(&w.next); err != nil {
		return err
	}
	w.rewriter = newRewriter(ctx, c, corpus, &w.before.set, w.next.Segments)
	found := make(chan error, 1)
	w.found = sync.OnceValue(func() error { return <-found })
	go func() { found <- corpus.found() }() // while what the change is made of is read
	return w.undo.begin(w)
}

// found makes sure that there is a manifest before there are segments.
func (c *Corpus) found() error {
	there, err := c.dir.Exists(manifestName(c.mode))
	if err != nil || there {
		return err
	}
	first := manifest{V: manifestVersion, Mode: c.mode.String()}
	b, err := first.encode()
	if err != nil {
		return err
	}
	return c.dir.Put(manifestName(c.mode), b)
}

// close ends the change; what was not committed is gone, or will be with the next change.
func (w *writer) close() {
	if w.unlock != nil {
		w.settle() // nothing is written without the lock
		w.undo.settle()
		if w.found != nil {
			w.found()
		}
		w.unlock()
		w.unlock = nil
	}
}

// add folds one record in. Hashes come in strictly ascending order, counts are 1 to 2^63.
func (w *writer) add(hash []byte, count uint64) error {
	h := top(hash)
	if h <= w.lastTop && len(w.last) > 0 && bytes.Compare(hash, w.last) <= 0 {
		return ErrOrder
	}
	w.last, w.lastTop = append(w.last[:0], hash...), h
	before := uint64(0)
	if !w.behind(h) {
		var err error
		if before, err = w.seek(hash, h); err != nil {
			return err
		}
	}
	if w.undo.on {
		if err := w.undo.note(hash, before, count); err != nil {
			return err
		}
	}
	if before == 0 {
		w.change.Added++
		return w.put(hash, count)
	}
	if count = w.fold.over(before, count); count == before {
		w.change.Unchanged++
	} else {
		w.change.Updated++
	}
	return w.put(hash, count)
}

// commit makes the change the corpus's current generation, durably; where
// nothing changed there is no new one.
func (w *writer) commit() (Change, error) {
	var err error
	if w.next.Segments, err = w.finish(); err != nil {
		return w.change, err
	}
	if err := w.undo.commit(w); err != nil {
		return w.change, err
	}
	return w.replace()
}

// replace makes next the current manifest.
func (w *writer) replace() (Change, error) {
	old := &w.before.manifest
	w.next.Records, _ = segmentsOf(w.next.Segments)
	w.change.Records, w.change.Written = w.next.Records, w.written
	was, err := old.encode()
	if err != nil {
		return w.change, err
	}
	b, err := w.next.encode()
	if err != nil {
		return w.change, err
	}
	if bytes.Equal(b, was) {
		w.change.Written = 0
		return w.change, nil
	}
	w.next.V, w.next.Generation = manifestVersion, old.Generation+1
	if !slices.Equal(w.next.Segments, old.Segments) {
		w.next.Updated = time.Now().UTC().Truncate(time.Second)
	}
	if b, err = w.next.encode(); err != nil {
		return w.change, err
	}
	if err := w.c.dir.Put(manifestName(w.corpus.mode), b); err != nil {
		return w.change, err
	}
	if err := w.corpus.Refresh(); err != nil {
		return w.change, err
	}
	return w.change, w.corpus.sweep(&w.next)
}

// sweep removes segments and entity tags that the manifest does not name: of former
// generations, and of changes that did not end. Only who holds the lock sweeps.
func (c *Corpus) sweep(m *manifest) error {
	keep := m.files(c.mode)
	names, err := c.dir.List(c.mode.String())
	if err != nil {
		return err
	}
	for _, name := range names {
		if keep[name] || !strings.HasSuffix(name, ".seg") && !strings.HasPrefix(name, c.mode.String()+"/sync/") {
			continue
		}
		if err := c.dir.Remove(name); err != nil && !errors.Is(err, files.ErrNotExist) {
			return err
		}
	}
	return nil
}
