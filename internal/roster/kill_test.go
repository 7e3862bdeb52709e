package roster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// Environment of the child that TestKill kills.
const (
	killURL    = "SHIRASE_ROSTER_TEST_URL"
	killFolder = "SHIRASE_ROSTER_TEST_FOLDER"
	killCase   = "SHIRASE_ROSTER_TEST_CASE"
)

// TestMain: as the child, make the two rosters of TestKill in turn until killed.
func TestMain(m *testing.M) {
	if url := os.Getenv(killURL); url != "" {
		fmt.Fprintln(os.Stderr, makeRosters(url, os.Getenv(killFolder), os.Getenv(killCase)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func killOptions(folder string, i int) (Options, error) {
	rules, err := ParseRules("rules.yaml", []byte(modelRules+"maxRejects: 0.5\n"), knownClass)
	return Options{Export: filepath.Join(folder, fmt.Sprintf("export%d.csv", i)), Rules: rules,
		TempDir: filepath.Join(folder, "tmp"), Memory: 1, Rejects: filepath.Join(folder, "rejects.csv")}, err
}

func makeRosters(url, folder, incident string) error {
	db, err := store.Open(context.Background(), url)
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
	r, err := New(db, dir, keys)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for i := 0; ; i = 1 - i {
		o, err := killOptions(folder, i)
		if err != nil {
			return err
		}
		if _, err := r.Create(context.Background(), actor.Operator(), incident, o); err != nil {
			return err
		}
	}
}

// TestKill kills a process that makes rosters, at any instant: the current roster
// is always one of the two, whole; and what dead processes left is gone after the
// next Create.
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
		r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 9))
		for round := range 16 {
			incident := "a"
			if round%2 == 1 { // one that has no roster and no key yet
				incident = fmt.Sprint("new-", round)
			}
			killChild(t, []string{killURL + "=" + url, killFolder + "=" + folder, killCase + "=" + incident},
				time.Duration(r.IntN(120))*time.Millisecond)
			h := reopen()
			latest, err := h.Latest(t.Context(), incident)
			if errors.Is(err, ErrNone) && incident != "a" {
				if latest, err = h.Create(t.Context(), actor.Operator(), incident, options[0]); err != nil {
					t.Fatal(err)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
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

// killChild starts a child, and kills it that long after it began to make rosters.
func killChild(t *testing.T, env []string, after time.Duration) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), env...)
	var said strings.Builder
	child.Stderr = &said
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_, ready := bufio.NewReader(out).ReadString('\n')
	time.Sleep(after)
	child.Process.Kill()
	if err := child.Wait(); ready != nil || err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended by itself: %v: %s", err, said.String())
	}
}
