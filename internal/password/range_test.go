package password

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// wantRange renders a range the slow way.
func wantRange(records []record, r uint32) string {
	var lines []string
	prefix := fmt.Sprintf("%05X", r)
	for _, x := range records {
		if h := fmt.Sprintf("%X", x.hash); strings.HasPrefix(h, prefix) {
			lines = append(lines, fmt.Sprintf("%s:%d", h[5:], x.count))
		}
	}
	return strings.Join(lines, "\r\n")
}

// squeeze moves records into few ranges.
func squeeze(records []record, bits uint) {
	for i := range records {
		h := []byte(records[i].hash)
		v := binary.BigEndian.Uint32(h)
		binary.BigEndian.PutUint32(h, 0x21BD1000+v>>bits)
		records[i].hash = string(h)
	}
}

func unzip(t testing.TB, b []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRangeText(t *testing.T) {
	for _, m := range Modes {
		for _, n := range []int{1, 2, 3, 50, 3000, 30_000} {
			for _, bits := range []uint{0, 12, 18, 20} {
				for _, segment := range []int{0, 1000} {
					if n > 3000 && bits < 18 {
						continue
					}
					t.Run(fmt.Sprint(m, n, bits, segment), func(t *testing.T) {
						records := random(rand.New(rand.NewPCG(uint64(n), uint64(bits))), m, n)
						asked := []uint32{0, ranges - 1, uint32(top([]byte(records[0].hash)) >> rangeShift)}
						if bits > 0 {
							squeeze(records, bits)
							records = sorted(records)
							asked = append(asked, 0x21BD1, 0x21BD2, 0x21BD0)
							if bits < 20 {
								asked = append(asked, 0x21BD3, 0x21BD4)
							}
						}
						c := open(t, t.TempDir(), segment)
						put(t, c, m, Replace, records)
						var x suffixes
						for _, r := range asked {
							if err := c.Corpus(m).current.Load().of(r).load(&x, r); err != nil {
								t.Fatal(err)
							}
							want := wantRange(records, r)
							got := x.text(nil)
							if string(got) != want {
								t.Fatalf("range %05X of %d: got\n%.200q, want\n%.200q", r, n, got, want)
							}
							z := appendGzip(nil, got, crc32.ChecksumIEEE(got))
							if unzip(t, z) != want {
								t.Fatalf("range %05X of %d: gzip", r, n)
							}
						}
					})
				}
			}
		}
	}
}

// TestGzipSize compares with gzip -9, at the sizes that ranges have, and lets gzip test what was written.
func TestGzipSize(t *testing.T) {
	for _, m := range Modes {
		for _, n := range []int{0, 1, 20, 63, 64, 100, 1000, 3000} {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			var x suffixes
			x.reset(m)
			if n > 0 {
				records := random(r, m, n)
				squeeze(records, 20)
				for _, rec := range sorted(records) {
					x.add([]byte(rec.hash)[2:], rec.count)
				}
			}
			text := x.text(nil)
			ours := appendGzip(nil, text, crc32.ChecksumIEEE(text))
			if unzip(t, ours) != string(text) {
				t.Fatal("not what was written")
			}
			pipe := func(in []byte, args ...string) []byte {
				cmd := exec.Command("gzip", args...)
				cmd.Stdin = bytes.NewReader(in)
				out, err := cmd.Output()
				if err != nil {
					t.Fatal(args, err)
				}
				return out
			}
			pipe(ours, "-t")
			theirs := pipe(text, "-9")
			t.Logf("%s, %d suffixes: %d bytes, gzip -9 %d: %.3f", m, n, len(ours), len(theirs), float64(len(ours))/float64(len(theirs)))
			if float64(len(ours)) > 1.03*float64(len(theirs)) {
				t.Errorf("%s, %d suffixes: %d bytes, gzip -9 %d", m, n, len(ours), len(theirs))
			}
		}
	}
}

// TestCode holds the fixed code to RFC 1951: complete, and none longer than 15 bits.
func TestCode(t *testing.T) {
	sum := 0
	for _, code := range rangeCode().lit {
		if n := code >> 16; n > 15 {
			t.Fatal(n)
		} else if n > 0 {
			sum += 1 << (15 - n)
		}
	}
	if sum != 1<<15 {
		t.Fatalf("the code fills %d of %d", sum, 1<<15)
	}
}

func FuzzRangeGzip(f *testing.F) {
	f.Add([]byte("0123456789012345678901234567890123456789"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, mode uint8) {
		m := Modes[mode%2]
		var x suffixes
		x.reset(m)
		for len(b) > m.Size()+2 {
			count := uint64(b[0])
			if b[1] > 128 {
				count = binary.BigEndian.Uint64(b[2:])
			}
			x.add(b[2:m.Size()], count)
			b = b[m.Size():]
		}
		text := x.text(nil)
		if got := unzip(t, appendGzip(nil, text, crc32.ChecksumIEEE(text))); got != string(text) {
			t.Fatalf("got %q, want %q", got, text)
		}
	})
}

func BenchmarkRange(b *testing.B) {
	var x suffixes
	x.reset(SHA1)
	records := random(rand.New(rand.NewPCG(1, 1)), SHA1, 1000)
	squeeze(records, 20)
	for _, rec := range sorted(records) {
		x.add([]byte(rec.hash)[2:], rec.count)
	}
	text := x.text(nil)
	var buf []byte
	b.Run("text", func(b *testing.B) {
		for b.Loop() {
			buf = x.text(buf[:0])
		}
	})
	b.Run("gzip", func(b *testing.B) {
		for b.Loop() {
			buf = appendGzip(buf[:0], text, 0)
		}
	})
	b.Run("crc", func(b *testing.B) {
		for b.Loop() {
			crc32.ChecksumIEEE(text)
		}
	})
}
