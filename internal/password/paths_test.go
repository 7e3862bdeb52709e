package password

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestUnmapped reads as systems do that map no files: all answers are those of the mapping.
func TestUnmapped(t *testing.T) {
	for _, m := range Modes {
		for _, n := range []int{1, 700, 30_000} {
			t.Run(fmt.Sprint(m, n), func(t *testing.T) {
				records := random(rand.New(rand.NewPCG(uint64(n), 5)), m, n)
				if n == 30_000 {
					squeeze(records, 16)
					records = sorted(records)
				}
				c := open(t, t.TempDir(), 5000)
				put(t, c, m, Replace, records)
				read := &Corpus{mode: m, root: c.root, dir: c.dir, unmapped: true}
				if err := read.Refresh(); err != nil {
					t.Fatal(err)
				}
				for _, x := range records {
					if n, err := read.Count([]byte(x.hash)); err != nil || n != x.count {
						t.Fatalf("%x: %d, %v, want %d", x.hash, n, err, x.count)
					}
					absent := []byte(x.hash)
					absent[len(absent)-1] ^= 1
					if n, err := read.Count(absent); err != nil || n != 0 {
						t.Fatalf("%x: %d, %v", absent, n, err)
					}
				}
				if len(read.current.Load().segments[0].data) != 0 || len(c.Corpus(m).current.Load().segments[0].data) == 0 && n > 0 {
					t.Skip("this system maps nothing, or what was to be read was mapped")
				}
				var x, y suffixes
				for _, r := range []uint32{0, 0x21BD1, 0x21BD2, ranges - 1, uint32(top([]byte(records[0].hash)) >> rangeShift)} {
					a, err := c.Corpus(m).current.Load().of(r).text(&x, nil, r)
					if err != nil {
						t.Fatal(err)
					}
					b, err := read.current.Load().of(r).text(&y, nil, r)
					if err != nil || !bytes.Equal(a, b) || string(a) != wantRange(records, r) {
						t.Fatalf("range %05X: %v\n%.100q\n%.100q", r, err, a, b)
					}
				}
			})
		}
	}
}

// lines are made of bytes: stride bytes and a count each.
func linesOf(b []byte, stride int) (digits, tails []byte, counts []uint64) {
	for ; len(b) >= stride+2; b = b[stride+2:] {
		digits = append(digits, b[0])
		tails = append(tails, b[:stride]...)
		count := uint64(b[stride])
		if b[stride+1] < 32 {
			count = uint64(b[stride]) * 5 // up to 1,275
		}
		if b[stride+1] == 0 && len(b) > 8 {
			count = binary.BigEndian.Uint64(b)
		}
		counts = append(counts, count)
	}
	return digits, append(tails, make([]byte, tailBytes)...), counts
}

// FuzzTextLines compares what this machine's processor writes with what the portable code writes, and that with fmt.
func FuzzTextLines(f *testing.F) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, n := range []int{0, 30, 400, 3000} {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b, n%3 == 0, uint8(n))
	}
	f.Fuzz(func(t *testing.T, b []byte, ntlm bool, wider uint8) {
		tail := 17
		if ntlm {
			tail = 13
		}
		stride := tail + int(wider%3)
		digits, tails, counts := linesOf(b, stride)
		room := len(counts)*longestLine + lineSlack
		here, portable := make([]byte, room), make([]byte, room)
		done, length := textLines(here, digits, tails, counts, stride, tail)
		wantDone, wantLength := textLinesGo(portable, digits, tails, counts, stride, tail)
		if done != wantDone || length != wantLength || !bytes.Equal(here[:length], portable[:length]) {
			t.Fatalf("%d lines, %d bytes; portable %d, %d\n%q\n%q", done, length, wantDone, wantLength, here[:length], portable[:wantLength])
		}
		var want []byte
		for i, c := range counts {
			if c >= 1000 {
				break
			}
			want = fmt.Appendf(want, "%X%X:%d\r\n", digits[i]&15, tails[i*stride:][:tail], c)
		}
		if !bytes.Equal(here[:length], want) {
			t.Fatalf("%q, want %q", here[:length], want)
		}
	})
}

// TestTag holds the tag to what it is on every machine, and changes each byte.
func TestTag(t *testing.T) {
	text := []byte("0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:2\r\n011053FD0102E94D6AE2F8B83D76FAF94F6:1")
	seen := map[uint64]bool{}
	for n := range len(text) + 1 {
		seen[tag(text[:n])] = true
	}
	if len(seen) != len(text)+1 {
		t.Fatal("texts of different lengths have the same tag")
	}
	want := tag(text)
	for i := range text {
		for bit := range 8 {
			text[i] ^= 1 << bit
			if tag(text) == want {
				t.Fatal("another text has the same tag")
			}
			text[i] ^= 1 << bit
		}
	}
	if want != 0x838eab93ec873112 {
		t.Fatalf("the tag of the same text is %#x now: every client would fetch everything again", want)
	}
}

// TestNarrow looks every record of large buckets up, of hashes spread evenly and not.
func TestNarrow(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, n := range []int{9, 10, 60, 1000} {
		for _, skew := range []uint{0, 20, 60} {
			keys := make([]uint64, n)
			for i := range keys {
				if keys[i] = r.Uint64() >> skew; i%3 == 0 {
					keys[i] = ^keys[i]
				}
			}
			slices.Sort(keys)
			b := block{n: n, rawBytes: 17}
			for _, k := range keys {
				b.raw = append(binary.BigEndian.AppendUint64(b.raw, k), make([]byte, 9)...)
			}
			for lo := range min(n-linear, 3) {
				for _, k := range keys[lo:] {
					for _, key := range []uint64{k, k - 1, k + 1} {
						want, _ := slices.BinarySearch(keys[lo:], key)
						want += lo
						if got := b.narrow(lo, n, key); got > want || want-got > linear || got < lo {
							t.Fatalf("%d of %d, skew %d: from %d, the first is %d", key, n, skew, got, want)
						}
					}
				}
			}
		}
	}
}

// TestIndex finds the segment of every range where segments are many and far from equal.
func TestIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, widest := range []uint32{3, 900, 5000, ranges} {
		var s snapshot
		for from := uint32(0); from < ranges; {
			to := min(ranges, from+1+r.Uint32N(widest))
			s.segments = append(s.segments, &segment{layout: layout{from: from, to: to}})
			from = to
		}
		s.index()
		for p := range uint32(ranges) {
			if seg := s.of(p); p < seg.from || p >= seg.to {
				t.Fatalf("range %05X: segment from %05X to %05X", p, seg.from, seg.to)
			}
		}
	}
}

// TestGzipCounts writes every count with a code of its own, and those around it, beside equal and other ones.
func TestGzipCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	for _, m := range Modes {
		for _, near := range []uint64{1, 9, 98, 995, 9_999, 1 << 40} {
			var x suffixes
			x.reset(m)
			records := random(r, m, 2000)
			squeeze(records, 20)
			for i, rec := range sorted(records) {
				count := near + r.Uint64N(4)
				if i%5 == 0 {
					count = 1 + r.Uint64N(1100)
				}
				x.add([]byte(rec.hash)[2:], count)
			}
			text := x.text(nil)
			if unzip(t, appendGzip(nil, text, crc32.ChecksumIEEE(text))) != string(text) {
				t.Fatalf("%s, counts near %d: not what was written", m, near)
			}
		}
	}
}

// TestParts folds a corpus in from the front, as a sync does: what is there already is not written again.
func TestParts(t *testing.T) {
	c := open(t, t.TempDir(), 1000)
	all := few(random(rand.New(rand.NewPCG(12, 12)), SHA1, 8000)) // of the first 1,024 ranges
	var before []segmentInfo
	for n := 0; n < len(all); {
		to := min(n+1600, len(all))
		for to < len(all) && string(all[to].hash[:2]) == string(all[to-1].hash[:2]) { // and on to where a range ends
			to++
		}
		part := all[n:to]
		n = to
		put(t, c, SHA1, Replace, part)
		now := c.Corpus(SHA1).current.Load().manifest.Segments
		if last := now[len(now)-1]; n < len(all) && (last.Records != 0 || last.To != ranges) {
			t.Fatalf("behind the part there is a segment of %d records", last.Records)
		}
		if len(before) > 0 && !slices.Equal(before[:len(before)-1], now[:len(before)-1]) {
			t.Fatal("a part that was there is written again")
		}
		before = now
		absent := []byte(all[0].hash)
		absent[0] = 0xF0 // in the empty segment
		if n, err := c.Corpus(SHA1).Count(absent); err != nil || n != 0 {
			t.Fatal(n, err)
		}
		var x suffixes
		if text, err := c.Corpus(SHA1).current.Load().of(ranges-1).text(&x, nil, ranges-1); err != nil || len(text) != 0 {
			t.Fatal(text, err)
		}
	}
	if !slices.Equal(contents(t, c.Corpus(SHA1)), all) {
		t.Fatal("the parts are not the whole")
	}
	if _, err := c.Corpus(SHA1).Verify(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// FuzzParseHex compares this machine's processor with the portable code, and that with encoding/hex.
func FuzzParseHex(f *testing.F) {
	for _, s := range []string{"0123456789abcdefABCDEF0123456789abcdefAB", "00000000/0000000:000000000000000000000000", "G@`g/: 0000000000", "0123456789ABCDEF0"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := len(b) / 2
		here, portable, want := make([]byte, n), make([]byte, n), make([]byte, n)
		_, err := hex.Decode(want, b[:2*n])
		ok := parseHex(here, b[:2*n])
		if ok != parseHexGo(portable, b[:2*n]) || ok != (err == nil) || ok && (!bytes.Equal(here, want) || !bytes.Equal(portable, want)) {
			t.Fatalf("%q: %v, %v: %x, %x", b, ok, err, here, portable)
		}
	})
}

// TestParseHexBytes tries every byte at every place.
func TestParseHexBytes(t *testing.T) {
	for _, n := range []int{8, 16, 17, 20} {
		for at := range 2 * n {
			for c := range 256 {
				text := bytes.Repeat([]byte{'5'}, 2*n)
				text[at] = byte(c)
				want := make([]byte, n)
				_, err := hex.Decode(want, text)
				got := make([]byte, n)
				if ok := parseHex(got, text); ok != (err == nil) || ok && !bytes.Equal(got, want) {
					t.Fatalf("%q: %v, %x", text, ok, got)
				}
			}
		}
	}
}

// FuzzDeflatePairs holds the processor's form to the Go form, at every beginning and length.
func FuzzDeflatePairs(f *testing.F) {
	f.Add([]byte("0018A45C4D1DEF81644B54AB7F969B88D65:10\r\n00D4F6E8FA6EECAD2A3AA415EEC418D38EC:2"), uint8(3))
	f.Add(bytes.Repeat([]byte("\r\n:EF"), 400), uint8(7))
	f.Fuzz(func(t *testing.T, text []byte, wait uint8) {
		for i := range text { // of the characters that texts have
			text[i] = (upper + ":\r\n")[int(text[i])%(len(upper)+3)]
		}
		n, acc := uint(wait%8), uint64(wait)&(1<<(wait%8)-1)
		size := len(text)*maxCode/8 + 16
		a, b := make([]byte, size), make([]byte, size)
		la, acca, na := deflatePairs(a, text, &rangeCode().pairs, acc, n)
		lb, accb, nb := deflatePairsGo(b, text, &rangeCode().pairs, acc, n)
		if la != lb || acca != accb || na != nb || !bytes.Equal(a[:la], b[:lb]) {
			t.Fatalf("%d, %d, %d bits, want %d, %d, %d bits", la, acca, na, lb, accb, nb)
		}
	})
}
