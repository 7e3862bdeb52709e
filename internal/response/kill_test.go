package response

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/archive"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/killtest"
	"shirase/internal/law"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMain is also the child that TestKilled kills.
func TestMain(m *testing.M) { killtest.Main(m, workForEver) }

// open opens the room in a folder.
func openRoom(ctx context.Context, url, root string) (*Cases, *files.Dir, error) {
	db, err := store.Open(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	dir, err := files.Open(filepath.Join(root, "files"))
	if err != nil {
		return nil, nil, err
	}
	keys, err := files.OpenKeys(filepath.Join(root, "keys"))
	if err != nil {
		return nil, nil, err
	}
	incidents, err := incident.New(ctx, db, archive.Changed)
	if err != nil {
		return nil, nil, err
	}
	if _, err = archive.New(ctx, db, incidents); err != nil {
		return nil, nil, err
	}
	rosters, err := roster.New(ctx, db, dir, keys)
	if err != nil {
		return nil, nil, err
	}
	book, err := law.Open()
	if err != nil {
		return nil, nil, err
	}
	c, err := New(ctx, Rooms{DB: db, Dir: dir, Incidents: incidents, Book: book, Seal: rosters.Sealer})
	return c, dir, err
}

// workForEver takes in evidence and records events for ever. It says what was recorded.
func workForEver(args []string, step func()) error {
	ctx := context.Background()
	c, dir, err := openRoom(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	dir.Watch(step)
	if len(args) > 2 {
		return arriveForEver(ctx, c, step)
	}
	for i := 0; ; i++ {
		step()
		if _, err := c.AddEvent(ctx, by, "shop", Event{At: "2026-08-20+09:00", Text: fmt.Sprint("event ", i)}); err != nil {
			return err
		}
		step()
		k, err := c.AddEvidence(ctx, by, "shop", Evidence{Name: "log"}, strings.NewReader(strings.Repeat("line\n", 50_000)))
		if err != nil {
			return err
		}
		fmt.Println(k.Entries)
	}
}

// TestKilled kills a process while it takes in evidence: what it said was recorded is there and is what came, the chain holds, and after
// a sweep nothing lies there that the record does not know.
func TestKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		root := t.TempDir()
		c, dir, err := openRoom(ctx, url, root)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Declare(ctx, by, Declaration{ID: "shop", Title: "T", Organisation: "A", Known: moment(t, "2026-08-20+09:00")}); err != nil {
			t.Fatal(err)
		}
		said := 0
		for at := 1; at <= 14; at++ {
			lines, killed := killtest.Kill(t, at, url, root)
			if !killed {
				t.Fatal("a process that works for ever has ended")
			}
			said += len(lines)
			if err := c.Sweep(ctx, func(context.Context, string) (bool, error) { return false, nil }); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Verify(ctx, by, "shop", nil); err != nil {
				t.Fatal(err)
			}
			k, err := c.get(ctx, "shop")
			if err != nil || len(k.Evidence) < said {
				t.Fatalf("killed at %d: %d pieces of evidence, %d were said to be recorded: %v", at, len(k.Evidence), said, err)
			}
			for _, p := range k.Evidence {
				if err := c.open(ctx, "shop", &p, discard{}); err != nil {
					t.Fatalf("killed at %d: %v", at, err)
				}
			}
			if names, err := dir.List("evidence"); err != nil || len(names) != len(k.Evidence) {
				t.Fatalf("killed at %d: %d files of %d pieces, %v", at, len(names), len(k.Evidence), err)
			}
		}
		if said == 0 {
			t.Error("it was never killed after it had recorded anything")
		}
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
