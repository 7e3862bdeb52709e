package killtest

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// The child takes as many steps as it is told, in as many goroutines.
func TestMain(m *testing.M) {
	Main(m, func(args []string, step func()) error {
		if args[0] == "fail" {
			return fmt.Errorf("failed as it was told")
		}
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		if len(args) == 1 {
			for i := range n {
				step()
				fmt.Println("after step", i+1)
			}
			return nil
		}
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				step()
				os.Stdout.WriteString("one\n")
			})
		}
		all.Wait()
		return nil
	})
}

func TestKill(t *testing.T) {
	for at := 1; at <= 5; at++ {
		said, killed := Kill(t, at, "4")
		if killed != (at <= 4) {
			t.Fatalf("step %d of 4: killed: %v", at, killed)
		}
		// Between the step and the next one: what follows the step may have been said, or not.
		all := []string{"after step 1", "after step 2", "after step 3", "after step 4"}
		if !killed && !slices.Equal(said, all) || killed && !slices.Equal(said, all[:at]) && !slices.Equal(said, all[:at-1]) {
			t.Errorf("killed at step %d, it said %q", at, said)
		}
	}
}

// However many goroutines there are, none comes to a step after the one that was named.
func TestKillGoroutines(t *testing.T) {
	for at := range 20 {
		if said, killed := Kill(t, at+1, "20", "at once"); !killed || len(said) > at+1 {
			t.Errorf("killed at step %d (%v), it came to %d", at+1, killed, len(said))
		}
	}
}

// What does not end by the kill fails the test that asked for it.
func TestKillFails(t *testing.T) {
	p := &probe{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != p {
				panic(r)
			}
		}()
		Kill(p, 1, "fail")
	}()
	if !p.failed {
		t.Error("a child that failed counts as killed, or as done")
	}
}

// probe is a test that is to fail.
type probe struct {
	testing.TB
	failed bool
}

func (p *probe) Helper() {}
func (p *probe) Fatalf(string, ...any) {
	p.failed = true
	panic(p)
}
