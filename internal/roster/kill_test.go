package roster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMain is also the child that TestKill kills.
func TestMain(m *testing.M) { killtest.Main(m, makeRosters) }

func killOptions(folder string, i int) (Options, error) {
	rules, err := ParseRules("rules.yaml", []byte(modelRules+"maxRejects: 0.5\n"), knownClasses)
	return Options{Export: filepath.Join(folder, fmt.Sprintf("export%d.csv", i)), Rules: rules,
		TempDir: filepath.Join(folder, "tmp"), Memory: 1, Rejects: filepath.Join(folder, "rejects.csv")}, err
}

// makeRosters makes the two rosters of TestKill in turn, for ever.
func makeRosters(args []string, step func()) error {
	ctx, url, folder, incident := context.Background(), args[0], args[1], args[2]
	db, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	dir, err := files.Open(filepath.Join(folder, "files"))
	if err != nil {
		return err
	}
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		return err
	}
	r, err := New(ctx, db, dir, keys)
	if err != nil {
		return err
	}
	dir.Watch(step)
	keys.Watch(step)
	for i := 0; ; i = 1 - i {
		o, err := killOptions(folder, i)
		if err != nil {
			return err
		}
		o.Progress = func(Progress) { step() }
		step()
		if _, err := r.Create(ctx, actor.Operator(), incident, o); err != nil {
			return err
		}
	}
}

// allThere requires that every roster that is named has its file.
func (h *home) allThere(t *testing.T, incident string) {
	t.Helper()
	names, err := kept(t.Context(), h.db, incident)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if there, err := h.dir.Exists(name); err != nil || !there {
			t.Errorf("%s is named, and not there: %v", name, err)
		}
	}
}

// TestKill kills a process that makes rosters, at each of the steps of making one:
// the current roster is always one of the two, whole; every file that is named is there; and what dead processes left
// is gone after the next Create.
func TestKill(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		folder := t.TempDir()
		if err := os.Mkdir(filepath.Join(folder, "tmp"), 0o700); err != nil {
			t.Fatal(err)
		}
		var rosters [2]Roster
		var want [2][]string
		for i := range want {
			var b strings.Builder
			b.WriteString(modelExport)
			for j := range 3000 {
				fmt.Fprintf(&b, "x%d,kill%d-%d@example.com,,JP,,\n", j, i, j)
			}
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("export%d.csv", i)), []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		reopen := func() *home {
			db, err := store.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return openHome(t, db, folder)
		}
		h := reopen()
		var options [2]Options
		for i := range want {
			var err error
			if options[i], err = killOptions(folder, i); err != nil {
				t.Fatal(err)
			}
			if rosters[i], err = h.Create(t.Context(), actor.Operator(), "a", options[i]); err != nil {
				t.Fatal(err)
			}
			want[i] = h.members(t, rosters[i])
		}
		none, made := 0, 0 // of those that had no roster
		for round := range 48 {
			incident, at := "a", 1+round/2
			if round%2 == 1 { // one that has no roster and no key yet
				incident = fmt.Sprint("new-", round)
			}
			if _, killed := killtest.Kill(t, at, url, folder, incident); !killed {
				t.Fatal("a process that makes rosters for ever has ended")
			}
			h := reopen()
			latest, err := h.Latest(t.Context(), incident)
			if incident != "a" && err == nil {
				made++
			}
			if errors.Is(err, ErrNone) && incident != "a" {
				none++
				if latest, err = h.Create(t.Context(), actor.Operator(), incident, options[0]); err != nil {
					t.Fatal(err)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			h.allThere(t, incident)
			got := h.members(t, latest)
			if !slices.Equal(got, want[0]) && !slices.Equal(got, want[1]) {
				t.Fatalf("%d members, neither those of the one nor of the other", len(got))
			}
			if incident == "a" && latest.ID != rosters[0].ID && latest.ID != rosters[1].ID {
				t.Fatalf("the current roster is neither: %+v", latest)
			}
			if left, err := os.ReadDir(filepath.Join(folder, "tmp")); err != nil || len(left) != 0 {
				t.Errorf("left by sorting: %v, %v", left, err)
			}
		}
		if none == 0 || made == 0 {
			t.Errorf("killed before a first roster was made: %d, after: %d; both are to be tried", none, made)
		}
		h = reopen()
		if _, err := h.Create(t.Context(), actor.Operator(), "a", options[0]); err != nil {
			t.Fatal(err)
		}
		names := []string{fileName("a", rosters[0].ID), fileName("a", rosters[1].ID)}
		slices.Sort(names)
		if got, err := h.dir.List("rosters/a"); err != nil || !slices.Equal(got, names) {
			t.Errorf("files %q, want %q", got, names)
		}
		if temp, err := os.ReadDir(filepath.Join(folder, "files", ".tmp")); err != nil || len(temp) != 0 {
			t.Errorf("temporary files: %v, %v", temp, err)
		}
	})
}
