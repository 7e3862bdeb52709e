package password

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// looked is a context that ends when it is looked at for the last of some times.
type looked struct {
	context.Context
	left atomic.Int64
	stop func()
}

func look(t *testing.T, times int64) *looked {
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	l := &looked{Context: ctx, stop: stop}
	l.left.Store(times)
	return l
}

func (l *looked) Err() error {
	if l.left.Add(-1) == 0 {
		l.stop()
	}
	return l.Context.Err()
}

// TestEnds: whatever goes through a corpus ends with its context, in the middle,
// and changes nothing.
func TestEnds(t *testing.T) {
	c := open(t, t.TempDir(), 500)
	records := random(rand.New(rand.NewPCG(8, 8)), SHA1, 10_000)
	put(t, c, SHA1, Replace, records)
	before := c.Corpus(SHA1).Info()
	if before.Segments < 10 {
		t.Fatalf("%d segments are too few to end in their middle", before.Segments)
	}
	told := 0
	canceled := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	_, err := c.Corpus(SHA1).Verify(ctx, func(int64, int64) {
		if told++; told == 3 {
			stop()
		}
	})
	if canceled("verify", err); told != 3 {
		t.Errorf("told %d times", told)
	}
	var w bytes.Buffer
	if canceled("filter", c.Corpus(SHA1).WriteFilter(look(t, 4), &w)); w.Len() == 0 || w.Len() > 10_000/2 {
		t.Errorf("%d bytes of a filter", w.Len())
	}
	canceled("filter", c.BuildFilter(look(t, 4), SHA1))
	visited := 0
	canceled("each", c.Corpus(SHA1).current.Load().each(look(t, 4), func([]byte, uint64) error { visited++; return nil }))
	if visited == 0 || visited > 5_000 {
		t.Errorf("visited %d records", visited)
	}
	_, err = c.Corpus(SHA1).Top(look(t, 4), 10)
	canceled("top", err)
	_, err = c.Import(look(t, 4), bytes.NewReader(text(random(rand.New(rand.NewPCG(9, 9)), SHA1, 5_000))), 0, ImportOptions{Mode: SHA1, Format: FormatOrdered})
	canceled("import", err)
	list := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(list, bytes.Repeat([]byte("letmein\n"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = c.ImportFile(look(t, 3), list, ImportOptions{Mode: SHA1, Format: FormatPlain, TempDir: t.TempDir()})
	canceled("import a list", err)
	if after := c.Corpus(SHA1).Info(); after != before || !slices.Equal(contents(t, c.Corpus(SHA1)), records) {
		t.Errorf("%+v was changed to %+v", before, after)
	}
	if names, err := c.dir.List("."); err != nil || slices.Contains(names, filterName(SHA1)) {
		t.Errorf("%q, %v", names, err)
	}
	if temps, err := os.ReadDir(filepath.Join(c.root, ".tmp")); err != nil || len(temps) > 0 {
		t.Errorf("left: %v, %v", temps, err)
	}
	if _, err := c.Import(t.Context(), strings.NewReader("letmein\n"), 0, ImportOptions{Mode: SHA1, Format: FormatPlain}); err != nil {
		t.Errorf("the corpora stay locked: %v", err)
	}
}
