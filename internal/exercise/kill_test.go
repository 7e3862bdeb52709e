package exercise

import (
	"fmt"
	"testing"
	"time"

	"shirase/internal/killtest"
)

// TestMain is also the child that TestKilled kills.
func TestMain(m *testing.M) { killtest.Main(m, playForEver) }

// playForEver begins an exercise and puts its clock on, for ever. It says what the clock showed.
func playForEver(args []string, step func()) error {
	src, err := Ship("naver-2013")
	if err != nil {
		return err
	}
	s, _, err := Parse(src)
	if err != nil {
		return err
	}
	step()
	for {
		p, err := Begin(args[0], s, 0)
		if err != nil {
			return err
		}
		step()
		if p, err = p.Next(time.Minute); err != nil {
			return err
		}
		fmt.Println(p.Now.Format(time.RFC3339))
		step()
	}
}

// TestKilled kills a process while it begins an exercise and puts its clock on: what it said the clock showed it shows, or later, and
// whoever comes next plays on.
func TestKilled(t *testing.T) {
	data := t.TempDir()
	var last time.Time
	for at := 1; at <= 12; at++ {
		said, killed := killtest.Kill(t, at, data)
		if !killed {
			t.Fatal("a process that plays for ever has ended")
		}
		for _, line := range said {
			shown, err := time.Parse(time.RFC3339, line)
			if err != nil {
				t.Fatal(err)
			}
			last = shown
		}
		if last.IsZero() {
			continue
		}
		p, err := Open(data)
		if err != nil || p.Now.Before(last) {
			t.Fatalf("killed at %d: the clock showed %v, and shows %v: %v", at, last, p, err)
		}
	}
	if last.IsZero() {
		t.Fatal("nothing was ever played")
	}
}
