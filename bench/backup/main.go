// Command backup measures backups of a large instance while it is served and published from: the first, the next, and
// bringing it back, beside copying the same bytes and reading them back. What comes back has to be equal.
//
//	go run ./backup             # 1 GB
//	go run ./backup --gb 10     # three times as much has to be free on the disk of TMPDIR
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"shirase/bench/figure"
	"shirase/bench/served"
)

const fileSize = 64 << 20 // of the files that make the instance large, in bytes

func main() {
	gb := flag.Float64("gb", 1, "size of the instance in GB")
	o := figure.Parse()
	if o.Quick {
		*gb = 0.25
	}
	dir, err := os.MkdirTemp("", "shirase-backup-")
	figure.Check(err)
	defer os.RemoveAll(dir)
	demo, err := served.Start()
	figure.Check(err)
	defer demo.Stop()
	b := &bench{Demo: demo, dir: dir, data: strings.TrimSuffix(demo.Keys(), "-keys"), copies: filepath.Join(dir, "copies")}
	size := b.fill(int64(*gb * 1e9))

	start := time.Now()
	copied, hashed := copyTree(b.data, filepath.Join(dir, "plain"))
	reference := float64(copied) / 1e6 / time.Since(start).Seconds()
	figure.Check(os.RemoveAll(filepath.Join(dir, "plain")))

	stop := b.live()
	first := b.timed("backup", b.copies)
	second := b.timed("backup", b.copies)
	pages, failed, published := stop()

	o.Print(figure.Figure{Name: "first backup / copy and read back", Value: float64(size) / 1e6 / first.Seconds(), Unit: "MB/s", Reference: reference, Goal: ">= 0.5"})
	o.Print(figure.Figure{Name: "first backup", Value: first.Seconds(), Unit: "s"})
	o.Print(figure.Figure{Name: "next backup / first", Value: second.Seconds(), Unit: "s", Reference: first.Seconds()})
	o.Print(figure.Figure{Name: "folder after two backups / instance", Value: float64(sizeOf(b.copies)) / 1e6, Unit: "MB", Reference: float64(size) / 1e6, Goal: "<= 1.1"})
	o.Print(figure.Figure{Name: "pages answered meanwhile", Value: float64(pages), Unit: "pages", Goal: ">= 1"})
	o.Print(figure.Figure{Name: "pages and publications that failed meanwhile", Value: float64(failed), Unit: "", Goal: "<= 0"})
	o.Print(figure.Figure{Name: "publications meanwhile", Value: float64(published), Unit: "", Goal: ">= 1"})

	other := filepath.Join(dir, "other")
	start = time.Now()
	figure.Check(b.RunOn(other, "restore", b.copies, "--keys", b.Keys()))
	took := time.Since(start)
	o.Print(figure.Figure{Name: "restore and verify / copy and read back", Value: float64(size) / 1e6 / took.Seconds(), Unit: "MB/s", Reference: reference, Goal: ">= 0.4"})
	different := 0
	for name, sum := range hashed {
		if again, err := sumOf(filepath.Join(other, name)); err != nil || again != sum {
			different++
		}
	}
	figure.Check(b.RunOn(other, "ledger", "verify", "--keys", b.Keys()))
	o.Print(figure.Figure{Name: "large files that came back different", Value: float64(different), Unit: fmt.Sprintf("of %d", len(hashed)), Goal: "<= 0"})
}

type bench struct {
	*served.Demo
	dir, data, copies string
}

func (b *bench) timed(args ...string) time.Duration {
	start := time.Now()
	figure.Check(b.Run(args...))
	return time.Since(start)
}

// publish publishes an incident of its own.
func (b *bench) publish(n int) error {
	facts := filepath.Join(b.dir, "facts.yaml")
	text := fmt.Sprintf("id: bench-%d\nfacts:\n"+
		"  - {key: organisation, value: {ja: 例示商店, en: Example Shop}, certainty: confirmed, asOf: \"2026-11-20T10:00+09:00\"}\n"+
		"  - {key: title, value: {ja: 不正アクセス, en: Unauthorised access}, certainty: confirmed, asOf: \"2026-11-20T10:00+09:00\"}\n", n)
	if err := os.WriteFile(facts, []byte(text), 0o600); err != nil {
		return err
	}
	if err := b.Run("incident", "new", "--facts", facts); err != nil {
		return err
	}
	return b.Run("publish", fmt.Sprintf("bench-%d", n))
}

// fill makes the instance large, by files that nothing can be said of beforehand, and gives its size.
func (b *bench) fill(want int64) int64 {
	figure.Check(os.MkdirAll(filepath.Join(b.data, "large"), 0o700))
	for n := 0; int64(n)*fileSize < want; n++ {
		f, err := os.OpenFile(filepath.Join(b.data, "large", fmt.Sprintf("%04d", n)), os.O_CREATE|os.O_WRONLY, 0o600)
		figure.Check(err)
		_, err = io.CopyN(f, rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}), min(fileSize, want-int64(n)*fileSize))
		figure.Check(errors.Join(err, f.Close()))
	}
	return sizeOf(b.data)
}

// live serves and publishes until stop, which says how many pages were answered, what failed, and how often something was
// published.
func (b *bench) live() (stop func() (pages, failed, published int64)) {
	var pages, failed, published atomic.Int64
	end := make(chan struct{})
	done := make(chan struct{}, 2)
	loop := func(do func() error, count *atomic.Int64) {
		for {
			select {
			case <-end:
				done <- struct{}{}
				return
			default:
			}
			if err := do(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				failed.Add(1)
			} else {
				count.Add(1)
			}
		}
	}
	go loop(func() error {
		time.Sleep(5 * time.Millisecond) // a visitor, and no load test
		res, err := http.Get(b.URL + "/incidents/naver-2013")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
			return fmt.Errorf("a page: %s, %v", res.Status, err)
		}
		return nil
	}, &pages)
	n := 0
	go loop(func() error {
		n++
		return b.publish(n)
	}, &published)
	return func() (int64, int64, int64) {
		close(end)
		<-done
		<-done
		return pages.Load(), failed.Load(), published.Load()
	}
}

// copyTree copies what a plain copy would, forces it to disk, reads it back, and gives the sums of the large files.
func copyTree(from, to string) (size int64, sums map[string][32]byte) {
	sums = map[string][32]byte{}
	figure.Check(filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil || e.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, rel), 0o700))
		}
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(filepath.Join(to, rel))
		if err != nil {
			return err
		}
		n, err := io.Copy(out, in)
		size += n
		if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
			return err
		}
		sum, err := sumOf(filepath.Join(to, rel))
		if filepath.Dir(rel) == "large" {
			sums[rel] = sum
		}
		return err
	}))
	return size, sums
}

func sumOf(name string) (sum [32]byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return [32]byte(h.Sum(nil)), err
}

func sizeOf(dir string) (size int64) {
	figure.Check(filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	}))
	return size
}
