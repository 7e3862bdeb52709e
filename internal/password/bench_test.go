package password

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
)

// nowhere is a response that nobody reads.
type nowhere struct{ head http.Header }

func (w nowhere) Header() http.Header         { return w.head }
func (w nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (w nowhere) WriteHeader(int)             {}

func BenchmarkHandler(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	records := random(r, SHA1, 64_000)
	for i := range records {
		h := []byte(records[i].hash)
		h[0], h[1] = 0x21, 0xB0|h[1]&3
		records[i].hash = string(h)
	}
	c := open(b, b.TempDir(), 0)
	put(b, c, SHA1, Replace, sorted(records))
	h := Handler(c, nil)
	for _, accept := range []string{"", "gzip"} {
		b.Run(accept, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				q := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/range/%05X", 0x21B00+i%64), nil)
				q.Header.Set("Accept-Encoding", accept)
				h.ServeHTTP(nowhere{http.Header{}}, q)
			}
		})
	}
	hashes := make([][]byte, len(records))
	for i := range hashes {
		hashes[i] = []byte(records[i].hash)
	}
	b.Run("lookup", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			c.Corpus(SHA1).Count(hashes[i%len(hashes)])
		}
	})
}

func BenchmarkImport(b *testing.B) {
	records := random(rand.New(rand.NewPCG(1, 1)), SHA1, 200_000)
	file := text(records)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		in := &importer{lines: newLineReader(bytes.NewReader(file))}
		c := open(b, b.TempDir(), 0)
		w, err := c.write(b.Context(), SHA1, Replace)
		if err != nil {
			b.Fatal(err)
		}
		in.o.Mode, in.ctx = SHA1, b.Context()
		if err := in.ordered(w); err != nil {
			b.Fatal(err)
		}
		w.commit()
		w.close()
	}
	b.ReportMetric(float64(len(records)*b.N)/b.Elapsed().Seconds(), "rec/s")
}
