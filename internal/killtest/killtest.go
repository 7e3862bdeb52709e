// Package killtest kills a process in the middle of its work: at an event, and
// never at a time.
//
// The process, the child, is the test's own binary, started again. It calls
// step wherever its work has come to a point that matters: before a file is
// forced to disk, between two rows. The test says at which of its steps the
// child is to die. It is killed between that step and the next one, at an
// instant that nobody chooses, and never comes to the next. So a kill that was
// asked for happens, on the slowest machine too, and there is no part of the
// work that cannot be killed in.
package killtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Child is the work of the process that is to be killed. step may be called by
// several goroutines; what the child prints on standard output, in whole lines,
// reaches the test.
type Child func(args []string, step func()) error

const (
	// env tells the child at which step it is to be killed.
	env = "SHIRASE_KILLTEST_STEP"
	// announced is the line by which the child says that it has come there.
	announced = "killtest: kill me"
)

// Main is the TestMain of a package that kills children: it runs the tests or,
// in the process that [Kill] started, the child.
func Main(m *testing.M, child Child) {
	at, err := strconv.Atoi(os.Getenv(env))
	if err != nil {
		os.Exit(m.Run())
	}
	go func() { // the test holds the other end, so that no child outlives it
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	s := steps{at: at}
	err = child(os.Args[1:], s.step)
	s.end()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// steps counts what the child has come to.
type steps struct {
	mu    sync.Mutex
	n, at int
}

func (s *steps) step() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == s.at {
		select {} // until the kill comes; the lock has all others wait with it
	}
	if s.n++; s.n == s.at {
		fmt.Println(announced)
	}
}

// end is the end of the work, which is no step: a child that has announced its
// death does not escape it.
func (s *steps) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n >= s.at {
		select {}
	}
}

// Kill starts the child and kills it between its at'th step, counted from 1,
// and the one after. It gives the lines that the child had printed. killed is
// false where the child has ended all its work in fewer steps; a child that
// fails, or ends in any other way, fails the test.
func Kill(t testing.TB, at int, args ...string) (said []string, killed bool) {
	t.Helper()
	if at < 1 {
		t.Fatalf("killed at step %d: the first is 1", at)
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), env+"="+strconv.Itoa(at))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil { // the rest, if there is any, is no whole line
			break
		}
		if line = strings.TrimSuffix(line, "\n"); line == announced {
			killed = true
			cmd.Process.Kill() // an error is one of Wait too
			continue
		}
		said = append(said, line)
	}
	err = cmd.Wait()
	if stderr.Len() > 0 {
		t.Fatalf("the child failed by itself: %s", &stderr)
	}
	if killed != (err != nil) || killed && cmd.ProcessState.Exited() {
		t.Fatalf("the child was to be killed at step %d (come to: %v), and ended so: %v", at, killed, err)
	}
	return said, killed
}
