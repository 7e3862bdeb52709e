// Command lookup measures point lookups in process, at several sizes, and the
// memory of a process that serves a corpus.
package main

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"shirase/bench/figure"
	"shirase/bench/pwned"
	"shirase/internal/password"
)

// child is the environment's name for the folder that a child of this program serves.
const child = "SHIRASE_BENCH_SERVE"

func main() {
	if dir := os.Getenv(child); dir != "" {
		serve(dir)
		return
	}
	only := flag.Int64("n", 0, "measure at this many records only, such as 1000000000 (a billion takes 19 GB of the temporary folder)")
	o := figure.Parse()
	sizes := []int64{1_000_000, 20_000_000, 100_000_000}
	switch {
	case *only > 0:
		sizes = []int64{*only}
	case o.Quick:
		sizes = []int64{1_000_000, 5_000_000}
	}
	for _, n := range sizes {
		measure(o, n)
	}
}

func measure(o figure.Options, n int64) {
	c, dir, done := pwned.Make(&pwned.Stream{N: n})
	defer done()
	hits := sample(n, 200_000)
	misses := bytes.Clone(hits)
	r := rand.New(rand.NewPCG(5, 5))
	for i := 19; i < len(misses); i += 20 {
		misses[i] ^= byte(1 + r.IntN(255))
	}
	looks := len(hits) / 20
	debug.FreeOSMemory()
	corpus := c.Corpus(password.SHA1)
	look := func(hashes []byte, there bool) func() {
		return func() {
			for h := range slices.Chunk(hashes, 20) {
				n, err := corpus.Count(h)
				figure.Check(err)
				if n > 0 != there {
					panic("a lookup is wrong")
				}
			}
		}
	}
	// What no lookup can do without: a byte of the files, mapped, whose place nobody
	// knows before the last one is there.
	files := mapped(dir)
	places := make([]uint64, looks)
	for i := range places {
		places[i] = r.Uint64()
	}
	touch := func() {
		last := uint64(0)
		for _, p := range places {
			f := files[p%uint64(len(files))]
			last = uint64(f[(p>>16+last)%uint64(len(f))])
		}
		runtime.KeepAlive(last)
	}
	t := figure.InTurns(9, look(hits, true), look(misses, false), touch)
	for i, what := range []string{"present", "absent"} {
		goal := "<= 1"
		if n < 20_000_000 {
			goal = ""
		}
		o.Print(figure.Figure{Name: fmt.Sprintf("lookup of a hash that is %s, %d M, warm", what, n/1_000_000), Value: figure.Median(t[i], looks) / 1000, Unit: "us", Goal: goal})
		o.Print(figure.Figure{Name: fmt.Sprintf("the same / a random touch of its files, %d M", n/1_000_000), Value: figure.Median(t[i], looks) / 1000, Unit: "us",
			Reference: figure.Median(t[2], looks) / 1000, Ratio: figure.Ratio(t[i], t[2])})
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), child+"="+dir)
	out, err := cmd.Output()
	figure.Check(err)
	peak, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	figure.Check(err)
	o.Print(figure.Figure{Name: fmt.Sprintf("memory of a server beside the page cache, %d M", n/1_000_000), Value: peak / (1 << 20), Unit: "MiB", Goal: "<= 64"})
}

// mapped maps the corpus's files.
func mapped(dir string) (out [][]byte) {
	names, err := filepath.Glob(filepath.Join(dir, "sha1", "*.seg"))
	figure.Check(err)
	for _, name := range names {
		f, err := os.Open(name)
		figure.Check(err)
		info, err := f.Stat()
		figure.Check(err)
		b, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
		figure.Check(err)
		f.Close()
		out = append(out, b)
	}
	return out
}

// sample draws hashes of the stream, spread over all of it, in random order, one after the other.
func sample(n int64, want int) []byte {
	every := max(1, n/int64(want))
	var out [][]byte
	var line []byte
	i := int64(0)
	buf := make([]byte, 1<<20)
	s := &pwned.Stream{N: n}
	for {
		k, err := s.Read(buf)
		for b := buf[:k]; len(b) > 0; {
			j := bytes.IndexByte(b, '\n')
			if j < 0 {
				line = append(line, b...)
				break
			}
			if i%every == 0 {
				h, err := hex.DecodeString(string(append(line, b[:j]...)[:40]))
				figure.Check(err)
				out = append(out, h)
			}
			line = line[:0]
			i++
			b = b[j+1:]
		}
		if err == io.EOF {
			break
		}
	}
	rand.New(rand.NewPCG(3, 3)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return slices.Concat(out...)
}

// serve answers requests of several kinds in a process of its own, and prints
// the most memory that took beside the page cache, of which a mapped file is part.
func serve(dir string) {
	c, err := password.Open(dir)
	figure.Check(err)
	h := password.Handler(c, nil)
	r := rand.New(rand.NewPCG(7, 7))
	peak := int64(0)
	for i, start := 0, time.Now(); time.Since(start) < 2*time.Second; i++ {
		q := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/range/%05X", r.IntN(1<<20)), nil)
		q.Header.Set("Accept-Encoding", []string{"", "gzip", "br"}[i%3])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		if w.Code != 200 {
			panic(w.Code)
		}
		hash := make([]byte, 20)
		for j := range hash {
			hash[j] = byte(r.Uint32())
		}
		_, err := c.Corpus(password.SHA1).Count(hash)
		figure.Check(err)
		if i%200 == 0 {
			peak = max(peak, anonymous())
		}
	}
	fmt.Println(max(peak, anonymous()))
}

// anonymous returns the resident memory that is no file's, in bytes (RssAnon of Linux; 0 elsewhere).
func anonymous() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			figure.Check(err)
			return kb << 10
		}
	}
	return 0
}
