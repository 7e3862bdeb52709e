package spread

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/killtest"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func TestMain(m *testing.M) { killtest.Main(m, reportAndDie) }

func openRooms(ctx context.Context, url, folder string) (*Spread, *store.DB, error) {
	db, err := store.Open(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	dir, err := files.Open(filepath.Join(folder, "files"))
	if err != nil {
		return nil, db, err
	}
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		return nil, db, err
	}
	rosters, err := roster.New(ctx, db, dir, keys)
	if err != nil {
		return nil, db, err
	}
	s, err := New(ctx, Rooms{DB: db, Rosters: rosters})
	return s, db, err
}

func place(i int) string { return fmt.Sprintf("https://board%d.example/t", i) }

// reportAndDie is the process that is killed: it takes reports and decides on them, and says each time that it was taken.
func reportAndDie(args []string, step func()) error {
	ctx := context.Background()
	s, db, err := openRooms(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	defer db.Close()
	for i := range 3 {
		step()
		if err := s.Report(ctx, "shop", "forum", place(i)); err != nil {
			return err
		}
		fmt.Println("reported", place(i))
		step()
		list, err := s.List(ctx, actor.Operator(), "shop")
		if err != nil {
			return err
		}
		n := slices.IndexFunc(list, func(p Place) bool { return p.Where == place(i) })
		if err := s.Decide(ctx, actor.Operator(), "shop", list[n].ID, "confirmed"); err != nil {
			return err
		}
		fmt.Println("confirmed", place(i))
	}
	return nil
}

// TestKill: what was taken stays, wherever the process is killed, the case's first key too.
func TestKill(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		folder, said := t.TempDir(), map[string]bool{}
		kills := 0
		for at := 1; ; at++ {
			lines, killed := killtest.Kill(t, at, url, folder)
			for _, l := range lines {
				said[l] = true
			}
			s, db, err := openRooms(t.Context(), url, folder)
			if err != nil {
				t.Fatal(err)
			}
			list, err := s.List(t.Context(), actor.Operator(), "shop")
			if err != nil {
				t.Fatalf("killed at %d: %v", at, err)
			}
			for i := range 3 {
				n := slices.IndexFunc(list, func(p Place) bool { return p.Where == place(i) })
				switch {
				case said["reported "+place(i)] && n < 0, said["confirmed "+place(i)] && list[n].State != "confirmed":
					t.Fatalf("killed at %d: %s is lost: %+v", at, place(i), list)
				}
			}
			db.Close()
			if !killed {
				break
			}
			kills++
		}
		if kills != 6 || len(said) != 6 {
			t.Errorf("%d kills, %v", kills, said)
		}
	})
}
