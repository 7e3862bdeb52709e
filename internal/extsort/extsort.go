// Package extsort sorts more than fits into memory. What it puts on disk meanwhile is
// people's identifiers, or hashes of passwords: so it is sealed, has no name, and is gone with its process.
package extsort

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"filippo.io/age"
)

// A Sorter sorts more records than fit into memory: an external merge sort.
//
// Records are byte strings, ordered by bytes.Compare; equal ones are all kept.
// They are gathered in memory and, when that is full, sorted and written to a
// spill file as one run; Sorted merges the runs. What is sorted here are people's
// identifiers, so the spill file is encrypted (age, to a key that exists only in
// the Sorter), readable by its owner only, and has no name: it is unlinked right
// after it is opened, so that a killed process leaves nothing behind. Where an
// open file cannot be unlinked, Close removes it.
//
// A Sorter is used by one goroutine: all calls of Add, then any number of
// iterations of Sorted, one after the other, then Close.
type Sorter struct {
	ctx     context.Context
	tempDir string
	budget  int64

	arena  recArena
	index  []sortRef
	n      int64
	sealed bool  // Sorted was called; no more Add
	err    error // the first failure: records may be missing, nothing is yielded any more

	key  *age.X25519Identity // made with the first spill
	runs *runFile
}

// MaxRecord is the longest record a Sorter takes, in bytes.
const MaxRecord = 1 << 20

const (
	minSortMemory = 4 << 20
	maxSortMemory = 1 << 30 // positions in the arena are 32 bits

	// maxFanIn is how many runs are merged at a time; each costs mergeMemory
	// while it is read (age's chunk of 64 KiB, and the buffers around it).
	maxFanIn    = 256
	mergeMemory = 96 << 10
)

// Errors of a Sorter.
var (
	ErrRecordTooLong = fmt.Errorf("sort: record longer than %d bytes", MaxRecord)
	ErrSorted        = errors.New("sort: record added after sorting began")
	errSorterClosed  = errors.New("sort: sorter is closed")
)

// New returns a Sorter that keeps up to about memory bytes of records (4
// MiB to 1 GiB; a value outside is moved to the nearer bound) before it spills to
// an unnamed file in tempDir. Nothing is allocated or created until it is needed.
// When ctx ends, whatever the Sorter does ends with its error.
//
// The heap may for a moment be larger: the collector frees what it will, by its
// GOGC setting.
func New(ctx context.Context, tempDir string, memory int64) (*Sorter, error) {
	if info, err := os.Stat(tempDir); err != nil {
		return nil, fmt.Errorf("sort: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("sort: %s is not a folder", tempDir)
	}
	return &Sorter{ctx: ctx, tempDir: tempDir, budget: min(max(memory, minSortMemory), maxSortMemory)}, nil
}

// Add adds a record. It keeps a copy: rec may be reused. After an error that is
// not [ErrRecordTooLong] the Sorter is good for Close only.
func (s *Sorter) Add(rec []byte) error {
	switch {
	case s.err != nil:
		return s.err
	case s.sealed:
		return ErrSorted
	case len(rec) > MaxRecord:
		return ErrRecordTooLong
	}
	if s.size(len(rec)) > s.budget {
		if s.err = s.spill(); s.err != nil {
			return s.err
		}
	}
	s.index = append(s.index, sortRef{recPrefix(rec), s.arena.add(rec), uint32(len(rec))})
	s.n++
	return nil
}

// size is what memory would hold after one more record of n bytes.
func (s *Sorter) size(n int) int64 {
	refs := cap(s.index)
	if refs == len(s.index) {
		refs += refs/4 + 256 // append's growth
	}
	return s.arena.size(n) + int64(refs)*sortRefSize
}

// Len is the number of records added.
func (s *Sorter) Len() int64 { return s.n }

// Sorted yields the records in order. A record is valid until the next one is
// asked for. An error is yielded once, with a nil record, as the last pair.
func (s *Sorter) Sorted() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if !s.sealed && s.err == nil {
			s.sealed = true
			s.err = s.seal()
		}
		if s.err != nil {
			yield(nil, s.err)
			return
		}
		all := s.held()
		if s.runs != nil {
			m, err := s.runs.merge(s.runs.runs)
			if err != nil {
				yield(nil, err)
				return
			}
			all = m.all()
		}
		for rec, err := range whileIn(s.ctx, all) {
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// held yields the records in memory, sorted or not.
func (s *Sorter) held() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, r := range s.index {
			if !yield(s.arena.get(r), nil) {
				return
			}
		}
	}
}

// whileIn yields recs until ctx ends, and then its error.
func whileIn(ctx context.Context, recs iter.Seq2[[]byte, error]) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		n := 0
		for rec, err := range recs {
			if n++; n&0xFFF == 0 && err == nil && ctx.Err() != nil {
				rec, err = nil, ctx.Err()
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

// seal sorts what is in memory; where there are runs already, it makes that the
// last one, frees the memory for the merge, and merges until a single merge does
// the rest.
func (s *Sorter) seal() error {
	if s.runs == nil {
		return s.sort()
	}
	if err := s.spill(); err != nil {
		return err
	}
	s.arena, s.index = recArena{}, nil
	fanIn := min(max(int(s.budget/mergeMemory), 2), maxFanIn)
	for len(s.runs.runs) > fanIn {
		if err := s.pass(fanIn); err != nil {
			return err
		}
	}
	return nil
}

// pass merges the runs, fanIn at a time, into a new file, and drops the old one.
func (s *Sorter) pass(fanIn int) error {
	next, err := newRunFile(s.tempDir, s.key)
	if err != nil {
		return err
	}
	for group := range slices.Chunk(s.runs.runs, fanIn) {
		m, err := s.runs.merge(group)
		if err == nil {
			err = next.write(whileIn(s.ctx, m.all()))
		}
		if err != nil {
			next.close()
			return err
		}
	}
	old := s.runs
	s.runs = next
	return old.close()
}

// Close frees the memory and removes what was spilled. It may be called twice.
func (s *Sorter) Close() error {
	s.err, s.arena, s.index, s.key = errSorterClosed, recArena{}, nil, nil
	if s.runs == nil {
		return nil
	}
	runs := s.runs
	s.runs = nil
	return runs.close()
}

// sort sorts what is in memory. That takes seconds where much is, and cannot be
// broken off: whoever gives up leaves it behind, with the memory.
func (s *Sorter) sort() error {
	index, arena := s.index, s.arena
	done := make(chan struct{})
	go func() {
		defer close(done)
		slices.SortFunc(index, func(a, b sortRef) int {
			if a.prefix != b.prefix {
				return cmp.Compare(a.prefix, b.prefix)
			}
			return bytes.Compare(arena.get(a), arena.get(b))
		})
	}()
	select {
	case <-done:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// spill writes what is in memory as a run, and empties the memory for reuse.
func (s *Sorter) spill() error {
	if len(s.index) == 0 {
		return nil
	}
	if s.runs == nil {
		key, err := age.GenerateX25519Identity()
		if err != nil {
			return fmt.Errorf("sort: %w", err)
		}
		runs, err := newRunFile(s.tempDir, key)
		if err != nil {
			return err
		}
		s.key, s.runs = key, runs
	}
	if err := s.sort(); err != nil {
		return err
	}
	err := s.runs.write(whileIn(s.ctx, s.held()))
	s.index = s.index[:0]
	s.arena.reset()
	return err
}

// A sortRef is a record in the arena. Most comparisons end at prefix, which
// needs no look into the arena.
type sortRef struct {
	prefix uint64 // the first 8 bytes, big-endian, padded with zeros
	at     uint32 // position in the arena
	len    uint32
}

const sortRefSize = 16

func recPrefix(rec []byte) uint64 {
	if len(rec) >= 8 {
		return binary.BigEndian.Uint64(rec)
	}
	var b [8]byte
	copy(b[:], rec)
	return binary.BigEndian.Uint64(b[:])
}

// A recArena holds records in blocks, so that growing copies nothing and a million
// records are no work for the collector. A record lies within one block.
type recArena struct {
	blocks [][]byte // each of arenaBlock, all kept by reset
	at     int      // where the next record goes
}

const arenaBlock = 1 << 20 // ≥ MaxRecord

// size is the memory held after one more record of n bytes.
func (a *recArena) size(n int) int64 {
	blocks := (a.place(n) + n + arenaBlock - 1) / arenaBlock
	return int64(max(blocks, len(a.blocks))) * arenaBlock
}

// place is where a record of n bytes would go.
func (a *recArena) place(n int) int {
	if rest := arenaBlock - a.at%arenaBlock; rest < n {
		return a.at + rest
	}
	return a.at
}

func (a *recArena) add(rec []byte) uint32 {
	at := a.place(len(rec))
	a.at = at + len(rec)
	if len(rec) > 0 {
		if at/arenaBlock == len(a.blocks) {
			a.blocks = append(a.blocks, make([]byte, arenaBlock))
		}
		copy(a.blocks[at/arenaBlock][at%arenaBlock:], rec)
	}
	return uint32(at)
}

func (a *recArena) get(r sortRef) []byte {
	if r.len == 0 {
		return []byte{}
	}
	i := r.at % arenaBlock
	return a.blocks[r.at/arenaBlock][i : i+r.len : i+r.len]
}

func (a *recArena) reset() { a.at = 0 }

// A runFile is an unnamed temporary file with runs in it, one after the other;
// each is an age file of its own. A record is its length as a uvarint and its
// bytes.
type runFile struct {
	f    *os.File
	name string // "" where it has none any more
	key  *age.X25519Identity
	runs []runSpan
}

type runSpan struct{ at, size int64 }

func newRunFile(dir string, key *age.X25519Identity) (*runFile, error) {
	f, err := os.CreateTemp(dir, "sort-*.age") // 0600
	if err != nil {
		return nil, fmt.Errorf("sort: making a spill file: %w", err)
	}
	r := &runFile{f: f, key: key, name: f.Name()}
	if os.Remove(r.name) == nil {
		r.name = ""
	}
	return r, nil
}

func (f *runFile) close() error {
	err := f.f.Close()
	if f.name != "" {
		err = errors.Join(err, os.Remove(f.name))
	}
	if err != nil {
		return fmt.Errorf("sort: removing the spill file: %w", err)
	}
	return nil
}

// write appends a run.
func (f *runFile) write(recs iter.Seq2[[]byte, error]) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sort: spilling: %w", err)
		}
	}()
	var at int64
	if n := len(f.runs); n > 0 {
		at = f.runs[n-1].at + f.runs[n-1].size
	}
	w := io.NewOffsetWriter(f.f, at)
	enc, err := age.Encrypt(w, f.key.Recipient())
	if err != nil {
		return err
	}
	buf := bufio.NewWriterSize(enc, 16<<10)
	var head [binary.MaxVarintLen64]byte
	for rec, err := range recs {
		if err != nil {
			return err
		}
		if _, err := buf.Write(head[:binary.PutUvarint(head[:], uint64(len(rec)))]); err != nil {
			return err
		}
		if _, err := buf.Write(rec); err != nil {
			return err
		}
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	end, err := w.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	f.runs = append(f.runs, runSpan{at, end})
	return nil
}

// merge starts a merge of some of the file's runs.
func (f *runFile) merge(runs []runSpan) (*merger, error) {
	m := &merger{heap: make([]*runReader, 0, len(runs))}
	for _, s := range runs {
		dec, err := age.Decrypt(io.NewSectionReader(f.f, s.at, s.size), f.key)
		if err != nil {
			return nil, fmt.Errorf("sort: reading a spill: %w", err)
		}
		r := &runReader{r: bufio.NewReaderSize(dec, 16<<10)}
		if ok, err := r.next(); err != nil {
			return nil, err
		} else if ok {
			m.heap = append(m.heap, r)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m, nil
}

// A runReader reads one run; rec is its current record.
type runReader struct {
	r      *bufio.Reader
	rec    []byte
	prefix uint64
}

func (r *runReader) next() (bool, error) {
	n, err := binary.ReadUvarint(r.r)
	if err == io.EOF {
		return false, nil
	}
	if err == nil && n > MaxRecord {
		err = ErrRecordTooLong
	}
	if err == nil {
		r.rec = slices.Grow(r.rec[:0], int(n))[:n]
		if _, err = io.ReadFull(r.r, r.rec); err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		return false, fmt.Errorf("sort: reading a spill: %w", err)
	}
	r.prefix = recPrefix(r.rec)
	return true, nil
}

func (r *runReader) less(o *runReader) bool {
	if r.prefix != o.prefix {
		return r.prefix < o.prefix
	}
	return bytes.Compare(r.rec, o.rec) < 0
}

// A merger merges runs: a binary heap of their readers, the least at the top.
type merger struct{ heap []*runReader }

func (m *merger) down(i int) {
	for {
		least := 2*i + 1
		if least >= len(m.heap) {
			return
		}
		if right := least + 1; right < len(m.heap) && m.heap[right].less(m.heap[least]) {
			least = right
		}
		if !m.heap[least].less(m.heap[i]) {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

func (m *merger) all() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(m.heap) > 0 {
			top := m.heap[0]
			if !yield(top.rec, nil) {
				return
			}
			ok, err := top.next()
			if err != nil {
				yield(nil, err)
				return
			}
			if !ok {
				last := len(m.heap) - 1
				m.heap[0], m.heap[last] = m.heap[last], nil
				m.heap = m.heap[:last]
			}
			m.down(0)
		}
	}
}
