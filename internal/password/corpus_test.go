package password

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"shirase/internal/files"
)

// A record is what tests compare a corpus with.
type record struct {
	hash  string
	count uint64
}

// random makes n records of distinct random hashes, in order, with the counts of a heavy tail.
func random(r *rand.Rand, m Mode, n int) []record {
	out := make([]record, n)
	for i := range out {
		h := make([]byte, m.Size())
		for j := 0; j < len(h); j += 4 {
			binary.BigEndian.PutUint32(h[j:], r.Uint32())
		}
		out[i] = record{string(h), 1 + uint64(1/(1-r.Float64()))}
	}
	out[0].count, out[n/2].count, out[n-1].count = maxCount, 1<<57+12345, 1
	slices.SortFunc(out, func(a, b record) int { return cmp.Compare(a.hash, b.hash) })
	return slices.CompactFunc(out, func(a, b record) bool { return a.hash == b.hash })
}

func open(t testing.TB, root string, segment int) *Corpora {
	t.Helper()
	c, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if segment > 0 {
		c.tune.segment = segment
	}
	return c
}

func put(t testing.TB, c *Corpora, m Mode, fold Fold, records []record) Change {
	t.Helper()
	w, err := c.write(t.Context(), m, fold)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, r := range records {
		if err := w.add([]byte(r.hash), r.count); err != nil {
			t.Fatal(err)
		}
	}
	change, err := w.commit()
	if err != nil {
		t.Fatal(err)
	}
	return change
}

// contents reads a whole corpus.
func contents(t testing.TB, c *Corpus) []record {
	t.Helper()
	var out []record
	err := c.current.Load().each(t.Context(), func(h []byte, n uint64) error {
		out = append(out, record{string(h), n})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCorpus(t *testing.T) {
	for _, m := range Modes {
		for _, n := range []int{1, 3, 1500, 20_000} {
			for _, segment := range []int{0, max(500, n/4)} {
				t.Run(fmt.Sprint(m, n, segment), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(n), 7))
					want := random(r, m, n)
					c := open(t, t.TempDir(), segment)
					put(t, c, m, Replace, want)
					got := open(t, c.root, 0).Corpus(m) // read back by another
					if !slices.Equal(contents(t, got), want) {
						t.Fatal("what is read is not what was written")
					}
					for _, w := range want {
						if n, err := got.Count([]byte(w.hash)); err != nil || n != w.count {
							t.Fatalf("%x: %d, %v, want %d", w.hash, n, err, w.count)
						}
						near := []byte(w.hash) // differs in the last bit, and in the last of the quotient
						near[len(near)-1] ^= 1
						if n, err := got.Count(near); err != nil || n != 0 {
							t.Fatalf("%x: %d, %v, want 0", near, n, err)
						}
						near = []byte(w.hash)
						near[1] ^= 1
						if n, err := got.Count(near); err != nil || n != 0 {
							t.Fatalf("%x: %d, %v, want 0", near, n, err)
						}
					}
					if i, err := got.Verify(t.Context(), nil); err != nil || i.Records != int64(len(want)) {
						t.Fatal(i, err)
					}
				})
			}
		}
	}
}

// TestDense packs the records of a billion into a few ranges.
func TestDense(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	want := random(r, SHA1, 6000)
	for i := range want {
		h := []byte(want[i].hash)
		v := binary.BigEndian.Uint32(h)
		binary.BigEndian.PutUint32(h, 0x21BD0000+v>>18)
		want[i].hash = string(h)
	}
	slices.SortFunc(want, func(a, b record) int { return cmp.Compare(a.hash, b.hash) })
	for _, segment := range []int{0, 1000} {
		c := open(t, t.TempDir(), segment)
		put(t, c, SHA1, Replace, want)
		if !slices.Equal(contents(t, c.Corpus(SHA1)), want) {
			t.Fatal("what is read is not what was written")
		}
		for _, w := range want {
			if n, err := c.Corpus(SHA1).Count([]byte(w.hash)); err != nil || n != w.count {
				t.Fatalf("%x: %d, %v, want %d", w.hash, n, err, w.count)
			}
		}
	}
}

// TestFold compares a corpus that is changed again and again with a map.
func TestFold(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	c := open(t, t.TempDir(), 2000)
	model := map[string]uint64{}
	for round := range 12 {
		n := 1 + r.IntN(3000)
		if round%3 == 2 {
			n = 3 // most segments stay
		}
		changes := random(r, SHA1, n)
		for h := range model { // some that are there already
			if r.IntN(4) == 0 && len(changes) < 2*n {
				changes = append(changes, record{h, 1 + r.Uint64N(5)})
			}
		}
		slices.SortFunc(changes, func(a, b record) int { return cmp.Compare(a.hash, b.hash) })
		fold := Fold(round % 2)
		var want Change
		for _, x := range changes {
			old, there := model[x.hash]
			if fold == Add {
				x.count = sum(old, x.count)
			}
			switch {
			case !there:
				want.Added++
			case old == x.count:
				want.Unchanged++
			default:
				want.Updated++
			}
			model[x.hash] = x.count
		}
		before := c.Corpus(SHA1).current.Load()
		wasThere := contents(t, c.Corpus(SHA1))
		got := put(t, c, SHA1, fold, changes)
		want.Records, want.Written = int64(len(model)), got.Written
		if got != want {
			t.Fatalf("round %d: %+v, want %+v", round, got, want)
		}
		// A reader that began before goes on with what it had.
		var still []record
		if err := before.each(t.Context(), func(h []byte, n uint64) error { still = append(still, record{string(h), n}); return nil }); err != nil || !slices.Equal(still, wasThere) {
			t.Fatalf("round %d: the former generation changed under its reader: %v", round, err)
		}
		all := contents(t, c.Corpus(SHA1))
		if len(all) != len(model) {
			t.Fatalf("round %d: %d records, want %d", round, len(all), len(model))
		}
		for _, x := range all {
			if model[x.hash] != x.count {
				t.Fatalf("round %d: %x: %d, want %d", round, x.hash, x.count, model[x.hash])
			}
		}
		segs, _ := filepath.Glob(filepath.Join(c.root, "sha1", "*.seg"))
		if len(segs) != c.Corpus(SHA1).Info().Segments {
			t.Fatalf("round %d: %d files for %d segments", round, len(segs), c.Corpus(SHA1).Info().Segments)
		}
	}
	if got := put(t, c, SHA1, Replace, nil); got.Written != 0 || c.Corpus(SHA1).Info().Generation != 12 {
		t.Fatalf("no change made a generation: %+v", got)
	}
}

func TestRefused(t *testing.T) {
	c := open(t, t.TempDir(), 0)
	w, err := c.write(t.Context(), SHA1, Replace)
	if err != nil {
		t.Fatal(err)
	}
	h := bytes.Repeat([]byte{7}, 20)
	if err := w.add(h, 1); err != nil {
		t.Fatal(err)
	}
	if err := w.add(h, 1); !errors.Is(err, ErrOrder) {
		t.Fatal(err)
	}
	other := open(t, c.root, 0)
	if _, err := other.write(t.Context(), SHA1, Replace); !errors.Is(err, ErrLocked) {
		t.Fatalf("two writers at once: %v", err)
	}
	w.close()
	if n, err := c.Corpus(SHA1).Count(h); n != 0 || !errors.Is(err, ErrNone) {
		t.Fatal("a change that was not committed is seen", n, err)
	}
	if _, err := c.Corpus(SHA1).Count(h[:16]); !errors.Is(err, ErrHash) {
		t.Fatal(err)
	}
	put(t, other, SHA1, Replace, []record{{string(h), 9}})
	if err := c.Corpus(SHA1).Refresh(); err != nil {
		t.Fatal(err)
	}
	if n, _ := c.Corpus(SHA1).Count(h); n != 9 {
		t.Fatal("another process's change is not seen")
	}
}

// TestFlips flips each bit of a small corpus, one after the other: verify finds each.
func TestFlips(t *testing.T) {
	c := open(t, t.TempDir(), 15)
	put(t, c, SHA1, Replace, random(rand.New(rand.NewPCG(8, 9)), SHA1, 30))
	var names []string
	for _, p := range []string{"current", "*.seg"} {
		n, _ := filepath.Glob(filepath.Join(c.root, "sha1", p))
		names = append(names, n...)
	}
	for _, name := range names {
		whole, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := range 8 * len(whole) {
			f.WriteAt([]byte{whole[i/8] ^ 1<<(i%8)}, int64(i/8))
			fresh := &Corpora{root: c.root, dir: c.dir}
			fresh.all[0].mode, fresh.all[0].dir = SHA1, c.dir
			fresh.all[0].current.Store(&snapshot{})
			if _, err := fresh.all[0].Verify(t.Context(), nil); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) && !errors.Is(err, files.ErrNotExist) {
				t.Fatalf("%s, bit %d: %v", filepath.Base(name), i, err)
			}
			f.WriteAt(whole[i/8:i/8+1], int64(i/8))
		}
		if err := os.WriteFile(name, whole[:len(whole)-1], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, c.root, 0).Corpus(SHA1).Count(bytes.Repeat([]byte{7}, 20)); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%s cut short: %v", filepath.Base(name), err)
		}
		if err := os.WriteFile(name, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open(t, c.root, 0).Corpus(SHA1).Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// TestReadersDuringChanges looks up what is always there while generations come and go.
func TestReadersDuringChanges(t *testing.T) {
	c := open(t, t.TempDir(), 1000)
	r := rand.New(rand.NewPCG(1, 1))
	base := random(r, SHA1, 2000)
	put(t, c, SHA1, Replace, base)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				x := base[i%len(base)]
				if n, err := c.Corpus(SHA1).Count([]byte(x.hash)); err != nil || n < x.count {
					t.Errorf("%x: %d, %v", x.hash, n, err)
					return
				}
			}
		})
	}
	for range 6 {
		put(t, c, SHA1, Add, random(r, SHA1, 400))
	}
	close(stop)
	wg.Wait()
}

func FuzzSegment(f *testing.F) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, n := range []int{1, 50, 400} {
		records := random(r, SHA1, n)
		var hashes []byte
		var counts []uint64
		for _, x := range records {
			hashes, counts = append(hashes, x.hash...), append(counts, x.count)
		}
		var b bytes.Buffer
		if err := writeSegment(&b, fit(SHA1, 0, ranges, hashes), hashes, counts); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), []byte(records[0].hash))
	}
	f.Fuzz(func(t *testing.T, b, hash []byte) {
		resum(b)
		s, err := openSegment(bytes.NewReader(b), int64(len(b)), nil)
		if err != nil {
			return
		}
		s.check()
		if len(hash) == s.mode.Size() {
			if p := uint32(top(hash) >> rangeShift); p >= s.from && p < s.to {

				s.lookup(hash)
			}
		}
	})
}

// resum makes the checksums of a fuzzed segment right, so that what is behind them is reached.
func resum(b []byte) {
	if len(b) < segmentHeader {
		return
	}
	put := func(from, to int) {
		if from >= 0 && from <= to && to+4 <= len(b) {
			binary.BigEndian.PutUint32(b[to:], crc32.Checksum(b[from:to], castagnoli))
		}
	}
	put(0, segmentHeader-4)
	blocks := int(binary.BigEndian.Uint32(b[20:]))
	data := int(binary.BigEndian.Uint64(b[40:]))
	dir := segmentHeader + data
	if data < 0 || dir < 0 || blocks > len(b) || dir+4*(blocks+2) > len(b) {
		return
	}
	put(dir, dir+4*(blocks+1))
	for i := range blocks {
		from, to := binary.BigEndian.Uint32(b[dir+4*i:]), binary.BigEndian.Uint32(b[dir+4*i+4:])
		if from+4 < to && int(to) <= data {
			put(segmentHeader+int(from), segmentHeader+int(to)-4)
		}
	}
}

func sorted(records []record) []record {
	slices.SortFunc(records, func(a, b record) int { return cmp.Compare(a.hash, b.hash) })
	return slices.CompactFunc(records, func(a, b record) bool { return a.hash == b.hash })
}

func TestSelect(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range 2000 {
		w := r.Uint64() & r.Uint64()
		i := 0
		for at := range 64 {
			if w>>at&1 == 1 {
				if got := select64(w, i); got != at {
					t.Fatalf("one %d of %064b: %d, want %d", i, w, got, at)
				}
				i++
			}
		}
	}
}
