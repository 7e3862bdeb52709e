package password

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A mapped file that is cut short under the readers is an error, and not the end of the program.
func TestMappedFileCutShort(t *testing.T) {
	root := t.TempDir()
	c := open(t, root, 0)
	records := random(rand.New(rand.NewPCG(3, 3)), SHA1, 20_000)
	put(t, c, SHA1, Replace, records)
	corpus := c.Corpus(SHA1)
	if n, err := corpus.Count([]byte(records[0].hash)); err != nil || n != records[0].count {
		t.Fatalf("before: %d, %v", n, err)
	}
	cut := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".json") || strings.HasSuffix(path, "lock") {
			return err
		}
		cut++
		return os.Truncate(path, 0)
	})
	if err != nil || cut == 0 {
		t.Fatalf("%d files cut: %v", cut, err)
	}
	failed := 0
	for _, r := range records {
		n, err := corpus.Count([]byte(r.hash))
		switch {
		case err == nil && n != r.count:
			t.Fatalf("a record of a file that is gone has the count %d, and had %d", n, r.count)
		case err != nil && !errors.Is(err, ErrDamaged):
			t.Fatal(err)
		case err != nil:
			failed++
		}
	}
	if failed == 0 {
		t.Fatal("nothing was noticed")
	}
}
