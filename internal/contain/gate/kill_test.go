package gate

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/killtest"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMain is also the child that TestKill kills.
func TestMain(m *testing.M) { killtest.Main(m, moveGate) }

// openGate opens a gate over a folder.
func openGate(ctx context.Context, url, folder string) (*Gate, error) {
	db, err := store.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	dir, err := files.Open(filepath.Join(folder, "files"))
	if err != nil {
		return nil, err
	}
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		return nil, err
	}
	rosters, err := roster.New(ctx, db, dir, keys)
	if err != nil {
		return nil, err
	}
	rules, err := ParseRules("routes.yaml", []byte(routesFile))
	if err != nil {
		return nil, err
	}
	return New(ctx, Rooms{DB: db, Dir: dir, Keys: keys, Latest: rosters.Latest, Named: rosters.Named, Members: rosters.Members, Rules: rules, ResetURL: "https://notice.example.jp/reset"})
}

// moveGate holds the accounts of TestKill, clears one after another, says so, and lets them all go, for ever; a node follows it.
func moveGate(args []string, step func()) error {
	ctx := context.Background()
	g, err := openGate(ctx, args[0], args[1])
	if err != nil {
		return err
	}
	g.Dir.Watch(step)
	at := time.Now()
	n := NewNode(NodeOptions{Gate: func(context.Context) (*Gate, error) { return g, nil }, Dir: g.Dir, Keys: g.Keys, Rules: g.Rules, Now: func() time.Time { at = at.Add(keepSoon); return at }})
	if err := n.Start(ctx); err != nil {
		return err
	}
	for {
		for _, hold := range []Hold{Reset, Blocked} {
			step()
			if err := g.Do(ctx, actor.Operator(), KindBlock, "loss-2026", Asked{Accounts: hold, Why: "x"}); err != nil && !strings.Contains(err.Error(), "overtaken") {
				return err
			}
			fmt.Println("held", hold)
		}
		for i := range 5 {
			step()
			if err := g.ClearNow(ctx, "loss-2026", Reset, id(i)); err != nil {
				return err
			}
			fmt.Println("cleared", i)
		}
		step()
		if err := g.Do(ctx, actor.Operator(), KindLift, "loss-2026", Asked{All: true, Why: "x"}); err != nil {
			return err
		}
		fmt.Println("lifted")
	}
}

// TestKill kills a server at each of the steps of moving the gate: what it has said is so, a server that starts after it decides by it, and one
// that starts without a database reads what is on the disk, whole.
func TestKill(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		w := newWorld(t, db)
		for at := 1; at <= 40; at++ {
			if force, err := w.InForce(t.Context(), actor.Operator(), ""); err != nil {
				t.Fatal(err)
			} else if len(force) > 0 { // of the round before
				w.do(KindLift, Asked{All: true})
			}
			said, killed := killtest.Kill(t, at, url, w.folder)
			if !killed {
				t.Fatal("it was not killed")
			}
			want := map[int]Kind{}
			for i := range 10 {
				want[i] = Allowed
			}
			var cleared []int // in the round that is in force
			for _, line := range said {
				var one int
				if _, err := fmt.Sscanf(line, "cleared %d", &one); err == nil {
					cleared = append(cleared, one)
				}
				if line == "lifted" {
					cleared = nil
				}
				for i := range 10 {
					switch {
					case line == "held reset":
						want[i] = KindReset
					case line == "held blocked":
						want[i] = KindBlocked
					case line == "lifted":
						want[i] = Allowed
					}
				}
			}
			n := w.node(nil)
			last := ""
			if len(said) > 0 {
				last = said[len(said)-1]
			}
			for i := range 10 {
				got := n.login("", id(i))
				// What came after the last word may have become true too: no less than what was said is.
				ok := got.Kind == want[i] && got.Undecided == "" || last == "" && got.Kind == KindReset || last == "held reset" && got.Kind == KindBlocked || last == "cleared 4" && got.Kind == Allowed || last == "lifted" && got.Kind == KindReset
				if !ok {
					t.Errorf("killed at %d after %q: account %d: %s %s", at, last, i, got.Kind, got.Undecided)
				}
			}
			for _, i := range cleared {
				if done, err := w.Cleared(t.Context(), "loss-2026", Reset, id(i)); err != nil || !done && last != "cleared 4" {
					t.Errorf("killed at %d: account %d was cleared: %v, %v", at, i, done, err)
				}
			}
			away := NewNode(NodeOptions{Gate: func(context.Context) (*Gate, error) { return nil, ErrAway }, Dir: w.Dir, Keys: w.Keys, Rules: w.Rules})
			if err := away.load(); err != nil && !strings.Contains(err.Error(), "not exist") && !strings.Contains(err.Error(), "no such") {
				t.Errorf("killed at %d: what is on the disk is not whole: %v", at, err)
			}
		}
	})
}
