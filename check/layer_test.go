package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

func randomEntries(n int, locatorBits int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n*EntrySize)
	for i := 0; i < len(b); i += EntrySize {
		for j := range EntrySize {
			b[i+j] = byte(r.Uint32())
		}
		l := uint32(b[i])<<16 | uint32(b[i+1])<<8 | uint32(b[i+2])
		l &^= 1<<(24-locatorBits) - 1
		b[i], b[i+1], b[i+2] = byte(l>>16), byte(l>>8), byte(l)
	}
	sortEntries(b)
	return b
}

func writeLayer(t testing.TB, entries []byte, locatorBits int) ([]byte, LayerInfo) {
	t.Helper()
	var b bytes.Buffer
	info, err := WriteLayer(&b, int64(len(entries)/EntrySize), locatorBits, true, each(entries))
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), info
}

func TestBucketBits(t *testing.T) {
	for _, c := range []struct {
		n    int64
		b, l int
	}{{1, 16, 0}, {2047, 16, 0}, {2048, 16, 1}, {4095, 16, 1}, {4096, 16, 2}, {1692496, 16, 10}, {100_000_000, 16, 16}, {1 << 27, 16, 16}, {1 << 40, 24, 24}} {
		if l := BucketBits(c.n, c.b); l != c.l {
			t.Errorf("BucketBits(%d, %d) = %d, want %d", c.n, c.b, l, c.l)
		}
	}
}

// TestLayerBuckets reads every bucket of layers of many shapes through the
// wire format and finds every entry again.
func TestLayerBuckets(t *testing.T) {
	for _, c := range []struct{ n, bits int }{{1, 16}, {10, 16}, {2047, 16}, {2048, 16}, {9000, 16}, {9000, 2}, {9000, 24}, {9000, 1}} {
		entries := randomEntries(c.n, c.bits, uint64(c.n))
		file, info := writeLayer(t, entries, c.bits)
		l, err := OpenLayer(bytes.NewReader(file), int64(len(file)), info.Root, c.bits)
		if err != nil {
			t.Fatal(err)
		}
		if l.Info() != info {
			t.Fatalf("opened as %+v, written as %+v", l.Info(), info)
		}
		if err := l.Verify(t.Context(), true, nil); err != nil {
			t.Fatal(err)
		}
		var all []byte
		for b := range int64(1) << info.Bits {
			body, err := l.AppendBucket(nil, b, info.Pad)
			if err != nil {
				t.Fatal(err)
			}
			if len(body) != info.Pad {
				t.Fatalf("a response of %d bytes, pad %d", len(body), info.Pad)
			}
			got, err := ParseBucket(body, b, info.Root, info.Bits, info.Pad)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseBucket(got.Bytes(), b, info.Root, info.Bits, 0)
			if err != nil || !bytes.Equal(again.Entries, got.Entries) {
				t.Fatalf("unpadded: %v", err)
			}
			all = append(all, got.Entries...)
		}
		if !bytes.Equal(all, entries) {
			t.Fatalf("n=%d: the buckets are not the entries", c.n)
		}
		if over := float64(len(file))/float64(c.n*EntrySize) - 1; c.n >= 2047 && c.bits == 16 && over > 0.01 {
			t.Errorf("n=%d: %.2f %% over 13 bytes an entry", c.n, over*100)
		}
	}
}

// TestLayerFlips flips a bit in every byte of a layer file's structure and in
// every seventh of its entries: OpenLayer or Verify finds each.
func TestLayerFlips(t *testing.T) {
	file, info := writeLayer(t, randomEntries(2200, 16, 7), 16)
	for i := range file {
		if i > layerHeader+20*EntrySize && i < layerHeader+2180*EntrySize && i%7 != 0 {
			continue
		}
		bad := bytes.Clone(file)
		bad[i] ^= 1 << (i % 8)
		l, err := OpenLayer(bytes.NewReader(bad), int64(len(bad)), info.Root, 16)
		if err == nil {
			err = l.Verify(t.Context(), true, nil)
		}
		if !errors.Is(err, ErrLayer) {
			t.Fatalf("byte %d of %d flipped: %v", i, len(file), err)
		}
	}
	for _, n := range []int{0, 10, 31, 32, 1000, len(file) - 32, len(file) - 1} {
		if _, err := OpenLayer(bytes.NewReader(file[:n]), int64(n), info.Root, 16); !errors.Is(err, ErrLayer) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := OpenLayer(bytes.NewReader(append(file, 0)), int64(len(file)+1), info.Root, 16); !errors.Is(err, ErrLayer) {
		t.Errorf("a byte longer: %v", err)
	}
}

func TestBucketFlips(t *testing.T) {
	file, info := writeLayer(t, randomEntries(2200, 16, 7), 16)
	l, _ := OpenLayer(bytes.NewReader(file), int64(len(file)), info.Root, 16)
	body, err := l.AppendBucket(nil, 1, info.Pad)
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		bad := bytes.Clone(body)
		bad[i] ^= 1 << (i % 8)
		if _, err := ParseBucket(bad, 1, info.Root, info.Bits, info.Pad); !errors.Is(err, ErrBucket) {
			t.Fatalf("byte %d of %d flipped: %v", i, len(body), err)
		}
	}
	if _, err := ParseBucket(body, 0, info.Root, info.Bits, info.Pad); !errors.Is(err, ErrBucket) {
		t.Errorf("as another bucket: %v", err)
	}
	if _, err := ParseBucket(append(bytes.Clone(body), 0), 1, info.Root, info.Bits, info.Pad); !errors.Is(err, ErrBucket) {
		t.Errorf("a byte longer: %v", err)
	}
	if _, err := ParseBucket(body[:len(body)-1], 1, info.Root, info.Bits, info.Pad); !errors.Is(err, ErrBucket) {
		t.Errorf("a byte shorter: %v", err)
	}
}

func TestWriteLayerRefuses(t *testing.T) {
	entries := randomEntries(10, 16, 3)
	twin := bytes.Clone(entries)
	copy(twin[EntrySize:], twin[:tagEnd]) // same locator and tag, another seal
	if bytes.Compare(twin[:EntrySize], twin[EntrySize:2*EntrySize]) > 0 {
		twin[9], twin[EntrySize+9] = 0, 1
	}
	swapped := append(bytes.Clone(entries[EntrySize:]), entries[:EntrySize]...)
	long := bytes.Clone(entries)
	long[2] |= 1
	for name, c := range map[string]struct {
		e      []byte
		n      int64
		source bool
	}{
		"twin in a source": {twin, 10, true},
		"out of order":     {swapped, 10, false},
		"locator too long": {long, 10, false},
		"too few":          {entries, 11, false},
		"too many":         {entries, 9, false},
		"none":             {nil, 0, false},
		"the same twice":   {append(bytes.Clone(entries[:EntrySize]), entries[:EntrySize]...), 2, false},
	} {
		var b bytes.Buffer
		if _, err := WriteLayer(&b, c.n, 16, c.source, each(c.e)); !errors.Is(err, ErrLayer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var b bytes.Buffer
	if _, err := WriteLayer(&b, 10, 16, false, each(twin)); err != nil {
		t.Errorf("a fold may hold one locator and tag of two sources: %v", err)
	}
}

// TestFold folds and compares with the sorted union.
func TestFold(t *testing.T) {
	var files []*LayerFile
	var all []byte
	for i, n := range []int{1, 3000, 500, 20} {
		e := randomEntries(n, 16, uint64(100+i))
		all = append(all, e...)
		file, info := writeLayer(t, e, 16)
		l, err := OpenLayer(bytes.NewReader(file), int64(len(file)), info.Root, 16)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, l)
	}
	sortEntries(all)
	want, wantInfo := writeLayer(t, all, 16)
	var got bytes.Buffer
	info, err := Fold(t.Context(), &got, files)
	if err != nil {
		t.Fatal(err)
	}
	if info != wantInfo || !bytes.Equal(got.Bytes(), want) {
		t.Fatal("the fold is not the sorted union")
	}
	one := bytes.Buffer{}
	if info, err := Fold(t.Context(), &one, files[1:2]); err != nil || info.Root != files[1].Info().Root {
		t.Fatalf("a fold of one source is not that source: %v", err)
	}
}

func TestBucketName(t *testing.T) {
	for _, c := range []struct {
		bucket int64
		bits   int
		name   string
	}{{0, 0, "0"}, {1, 1, "1"}, {5, 10, "005"}, {1023, 10, "3ff"}, {65535, 16, "ffff"}} {
		if got := BucketName(c.bucket, c.bits); got != c.name {
			t.Errorf("BucketName(%d, %d) = %q, want %q", c.bucket, c.bits, got, c.name)
		}
		if got, err := ParseBucketName(c.name, c.bits); err != nil || got != c.bucket {
			t.Errorf("ParseBucketName(%q, %d) = %d, %v", c.name, c.bits, got, err)
		}
	}
	for _, bad := range []string{"", "3FF", "0005", "05", "400", "0x5", "-01", " 05"} {
		if _, err := ParseBucketName(bad, 10); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

func FuzzParseBucket(f *testing.F) {
	file, info := writeLayer(f, randomEntries(2200, 16, 7), 16)
	l, _ := OpenLayer(bytes.NewReader(file), int64(len(file)), info.Root, 16)
	body, _ := l.AppendBucket(nil, 1, info.Pad)
	f.Add(body, int64(1), 1, info.Pad)
	f.Add(binary.BigEndian.AppendUint32(nil, 1<<31), int64(0), 0, 0)
	f.Fuzz(func(t *testing.T, body []byte, number int64, bits, pad int) {
		if bits < 0 || bits > MaxLocatorBits || number < 0 || number>>bits != 0 || pad < 0 {
			return
		}
		b, err := ParseBucket(body, number, info.Root, bits, pad)
		if err == nil && (bits != info.Bits || !bytes.Equal(b.Bytes(), body[:len(b.Bytes())])) {
			t.Fatal("accepted something else")
		}
	})
}

func FuzzOpenLayer(f *testing.F) {
	file, info := writeLayer(f, randomEntries(30, 16, 7), 16)
	f.Add(file)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := OpenLayer(bytes.NewReader(b), int64(len(b)), info.Root, 16)
		if err != nil {
			return
		}
		if l.Verify(t.Context(), true, nil) == nil && !bytes.Equal(b, file) {
			t.Fatal("another file verifies under this root")
		}
		for i := range int64(1) << l.Info().Bits {
			l.AppendBucket(nil, i, l.Info().Pad)
		}
	})
}

// TestLayerEnds: whatever goes through all entries ends with its context, and
// long before it has read the rest.
func TestLayerEnds(t *testing.T) {
	const n = 200_000
	file, info := writeLayer(t, randomEntries(n, 16, 3), 16)
	l, err := OpenLayer(bytes.NewReader(file), int64(len(file)), info.Root, 16)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	told := int64(0)
	if err := l.Verify(ctx, true, func(done int64) { told = done; stop() }); !errors.Is(err, context.Canceled) || told == 0 || told > n/2 {
		t.Errorf("verified %d entries: %v", told, err)
	}
	ctx, stop = context.WithCancel(t.Context())
	defer stop()
	w := &stopping{stop: stop}
	if _, err := Fold(ctx, w, []*LayerFile{l}); !errors.Is(err, context.Canceled) || w.n == 0 || w.n > len(file)/2 {
		t.Errorf("folded %d bytes of %d: %v", w.n, len(file), err)
	}
}

// stopping stops something when it is first written to.
type stopping struct {
	stop func()
	n    int
}

func (s *stopping) Write(p []byte) (int, error) {
	s.stop()
	s.n += len(p)
	return len(p), nil
}
