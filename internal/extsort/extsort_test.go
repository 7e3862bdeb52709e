package extsort

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

func newTestSorter(t testing.TB, memory int64) *Sorter {
	t.Helper()
	s, err := New(t.Context(), t.TempDir(), memory)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func sorted(t testing.TB, s *Sorter) [][]byte {
	t.Helper()
	var out [][]byte
	for rec, err := range s.Sorted() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, bytes.Clone(rec))
	}
	return out
}

// records makes n records of up to size bytes: short ones, equal ones, ones that
// share more than the 8 bytes of the prefix, and ones that differ only by
// trailing zeros.
func records(r *rand.Rand, n, size int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		rec := make([]byte, r.IntN(size+1))
		for j := range rec {
			rec[j] = byte(r.IntN(256))
		}
		switch r.IntN(4) {
		case 0:
			rec = append([]byte("shared prefix "), rec...)
		case 1:
			rec = make([]byte, min(len(rec), 12))
		case 2:
			if i > 0 {
				rec = out[r.IntN(i)]
			}
		}
		out[i] = rec
	}
	return out
}

func TestSorter(t *testing.T) {
	for _, c := range []struct {
		name    string
		n, size int
		runs    bool
	}{
		{"none", 0, 0, false},
		{"one", 1, 5, false},
		{"in memory", 5000, 40, false},
		{"spilled", 250_000, 60, true},
		{"large records", 400, 200_000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(c.n)))
			s := newTestSorter(t, 0)
			want := records(r, c.n, c.size)
			for _, rec := range want {
				buf := bytes.Clone(rec)
				if err := s.Add(buf); err != nil {
					t.Fatal(err)
				}
				clear(buf) // Add kept a copy
			}
			if s.Len() != int64(c.n) {
				t.Errorf("Len = %d, want %d", s.Len(), c.n)
			}
			slices.SortFunc(want, bytes.Compare)
			for range 2 { // an iteration consumes nothing
				if got := sorted(t, s); !slices.EqualFunc(got, want, bytes.Equal) {
					t.Fatal("not the sorted records")
				}
			}
			if got := s.runs != nil; got != c.runs {
				t.Errorf("spilled: %v, want %v", got, c.runs)
			}
			if err := s.Add([]byte("late")); !errors.Is(err, ErrSorted) {
				t.Errorf("Add after Sorted: %v", err)
			}
			for range s.Sorted() {
				break // stopping early is allowed
			}
		})
	}
}

// TestSorterPasses makes more runs than one merge takes.
func TestSorterPasses(t *testing.T) {
	s := newTestSorter(t, 0)
	const n = 300
	for i := range n {
		for _, v := range []int{i, n - i, i * 7919 % n} {
			if err := s.Add(binary.BigEndian.AppendUint32(nil, uint32(v))); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.spill(); err != nil {
			t.Fatal(err)
		}
	}
	got := sorted(t, s)
	if len(got) != 3*n || !slices.IsSortedFunc(got, bytes.Compare) {
		t.Fatalf("%d records, sorted: %v", len(got), slices.IsSortedFunc(got, bytes.Compare))
	}
	if runs := len(s.runs.runs); runs < 2 || runs > n/10 {
		t.Errorf("%d runs are left to the last merge", runs)
	}
}

func TestSorterRecordLength(t *testing.T) {
	s := newTestSorter(t, 0)
	if err := s.Add(make([]byte, MaxRecord+1)); !errors.Is(err, ErrRecordTooLong) {
		t.Errorf("too long a record: %v", err)
	}
	for range 9 { // more than the budget: each fills a block
		if err := s.Add(make([]byte, MaxRecord)); err != nil {
			t.Fatal(err)
		}
	}
	if got := sorted(t, s); len(got) != 9 || len(got[8]) != MaxRecord {
		t.Errorf("%d records", len(got))
	}
}

func TestSorterMemoryIsBounded(t *testing.T) {
	s := newTestSorter(t, minSortMemory)
	for i := range 600_000 {
		if err := s.Add(fmt.Appendf(nil, "record number %d", i)); err != nil {
			t.Fatal(err)
		}
		if held := int64(len(s.arena.blocks))*arenaBlock + int64(cap(s.index))*sortRefSize; held > minSortMemory+minSortMemory/2 {
			t.Fatalf("after %d records %d bytes are held", i, held)
		}
	}
}

// TestSorterSpillIsSealed: the spill has no name, and what was written cannot be
// read in it, nor changed or cut off unnoticed.
func TestSorterSpillIsSealed(t *testing.T) {
	spilled := func(t *testing.T) *Sorter {
		s := newTestSorter(t, 0)
		for i := range 20_000 {
			if err := s.Add(fmt.Appendf(nil, "user%05d@example.com", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.spill(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := spilled(t)
	if left, err := os.ReadDir(s.tempDir); err != nil || len(left) != 0 {
		t.Errorf("the spill has a name: %v %v", left, err)
	}
	info, err := s.runs.f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the spill's mode is %v", info.Mode())
	}
	raw := make([]byte, info.Size())
	if _, err := s.runs.f.ReadAt(raw, 0); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("example")) || bytes.Contains(raw, []byte("user0")) {
		t.Error("the spill can be read")
	}

	for _, c := range []struct {
		name string
		harm func(t *testing.T, s *Sorter)
	}{
		{"bit flipped", func(t *testing.T, s *Sorter) {
			at := s.runs.runs[0].size / 2
			var b [1]byte
			s.runs.f.ReadAt(b[:], at)
			b[0] ^= 1
			if _, err := s.runs.f.WriteAt(b[:], at); err != nil {
				t.Fatal(err)
			}
		}},
		{"cut at a chunk", func(t *testing.T, s *Sorter) {
			raw := make([]byte, 4096)
			s.runs.f.ReadAt(raw, 0)
			header := int64(bytes.Index(raw, []byte("\n---"))) // the MAC line ends the header
			header += int64(bytes.IndexByte(raw[header+1:], '\n')) + 2
			s.runs.runs[0].size = header + 16 + 64<<10 + 16 // nonce, one chunk with its tag
		}},
		{"cut", func(t *testing.T, s *Sorter) { s.runs.runs[0].size -= 100 }},
		{"file gone", func(t *testing.T, s *Sorter) { s.runs.f.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spilled(t)
			c.harm(t, s)
			var last error
			n := 0
			for _, err := range s.Sorted() {
				if last != nil {
					t.Fatal("yielded after an error")
				}
				if last = err; err == nil {
					n++
				}
			}
			if last == nil {
				t.Fatalf("%d records and no error", n)
			}
		})
	}
}

// TestSorterAfterFailure: a Sorter that has lost records yields none.
func TestSorterAfterFailure(t *testing.T) {
	s := newTestSorter(t, 0)
	s.Add([]byte("a"))
	if err := s.spill(); err != nil {
		t.Fatal(err)
	}
	s.runs.f.Close()
	var err error
	for i := 0; err == nil && i < 1_000_000; i++ {
		err = s.Add([]byte("some record or other"))
	}
	if err == nil {
		t.Fatal("no error from a spill that cannot be written")
	}
	if again := s.Add(nil); !errors.Is(again, err) {
		t.Errorf("Add after a failure: %v", again)
	}
	for rec, err := range s.Sorted() {
		if err == nil {
			t.Errorf("yielded %q after a failure", rec)
		}
	}
}

func TestSorterClosed(t *testing.T) {
	s := newTestSorter(t, 0)
	s.Add([]byte("a"))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if s.Add(nil) == nil {
		t.Error("Add after Close")
	}
	n := 0
	for _, err := range s.Sorted() {
		if n++; err == nil {
			t.Error("a record after Close")
		}
	}
	if n != 1 {
		t.Errorf("%d pairs after Close, want the error", n)
	}
}

func TestNewFolder(t *testing.T) {
	if _, err := New(t.Context(), t.TempDir()+"/none", 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
}

func BenchmarkSorter(b *testing.B) {
	for _, c := range []struct {
		name   string
		memory int64
	}{{"memory", 512 << 20}, {"spill", 16 << 20}} {
		b.Run(c.name, func(b *testing.B) {
			const n = 1_000_000
			r := rand.New(rand.NewPCG(1, 2))
			rec := make([]byte, 32)
			b.SetBytes(n * 32)
			for b.Loop() {
				s := newTestSorter(b, c.memory)
				for range n {
					for i := 0; i < 32; i += 8 {
						binary.LittleEndian.PutUint64(rec[i:], r.Uint64())
					}
					if err := s.Add(rec); err != nil {
						b.Fatal(err)
					}
				}
				for _, err := range s.Sorted() {
					if err != nil {
						b.Fatal(err)
					}
				}
				s.Close()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// A Sorter whose context has ended says so, in whatever it is doing, and leaves nothing.
func TestSorterEnds(t *testing.T) {
	rec := make([]byte, 1000)
	for _, n := range []int{5_000, 50_000} { // in memory, and with spills
		for _, when := range []string{"adding", "sorting", "yielding"} {
			ctx, stop := context.WithCancel(t.Context())
			dir := t.TempDir()
			s, err := New(ctx, dir, 0)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if when == "adding" && i == n/2 {
					stop()
				}
				binary.BigEndian.PutUint64(rec, uint64(i*7919))
				if err = s.Add(rec); err != nil {
					break
				}
			}
			if when == "sorting" {
				stop()
			}
			got := 0
			if err == nil {
				for _, e := range s.Sorted() {
					if err = e; e != nil {
						break
					}
					if got++; when == "yielding" && got == 1 {
						stop()
					}
				}
			}
			if !errors.Is(err, context.Canceled) || got > 0xFFF {
				t.Errorf("%d records, while %s: %v after %d", n, when, err, got)
			}
			s.Close()
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			stop()
		}
	}
}
