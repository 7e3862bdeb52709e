// Command testgate stands between `go test -json` and whoever reads what it says:
//
//	go test -json ./... | testgate SKIPPED
//
// It shows what go test shows without -json, a line a package and the output of
// what fails, and writes into the file SKIPPED what was skipped, in one line: the
// number of tests and why; the file is empty where none was. It exits 0 if and
// only if every package has passed and there was one at least. With -v as the
// first argument it shows the output of what passes too.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	args := os.Args[1:]
	verbose := len(args) > 0 && args[0] == "-v"
	if verbose {
		args = args[1:]
	}
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: go test -json PACKAGES | gate [-v] SKIPPED")
		os.Exit(2)
	}
	g := newGate(os.Stdout, verbose)
	err := g.read(os.Stdin)
	if err == nil {
		err = os.WriteFile(args[0], []byte(g.skipped()), 0o600)
	}
	if err == nil {
		err = g.verdict()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(1)
	}
}

// event is one line of go test -json (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

// gate follows a run.
type gate struct {
	w       io.Writer
	verbose bool

	running map[string]*strings.Builder // the output of what has not ended: packages, and their tests
	passed  int                         // packages
	failed  []string                    // packages
	skips   []skip
}

// skip is a test that was skipped.
type skip struct{ name, why string }

func newGate(w io.Writer, verbose bool) *gate {
	return &gate{w: w, verbose: verbose, running: map[string]*strings.Builder{}}
}

// read follows a run to its end.
func (g *gate) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				g.w.Write(line) // said by something else
			} else {
				g.event(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what go test says: %w", err)
		}
	}
}

func (g *gate) event(e event) {
	what := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		io.WriteString(g.w, e.Output)
	case "start", "run":
		g.running[what] = new(strings.Builder)
	case "output":
		g.output(what, e)
	case "pass", "skip", "fail":
		out := g.running[what]
		delete(g.running, what)
		switch {
		case e.Test == "":
			g.endPackage(e, out)
		case e.Action == "skip":
			g.skips = append(g.skips, skip{e.Test, reason(out)})
		case e.Action == "fail" && out != nil && !g.verbose:
			io.WriteString(g.w, out.String())
		}
	}
}

// output shows, or keeps until it is known whether it matters, what was written.
func (g *gate) output(what string, e event) {
	switch {
	case strings.HasPrefix(e.Output, "=== ") && !g.verbose: // a test begins, waits or goes on
	case g.verbose || strings.HasPrefix(e.Test, "Benchmark"):
		io.WriteString(g.w, e.Output)
	default:
		if g.running[what] == nil {
			g.running[what] = new(strings.Builder)
		}
		g.running[what].WriteString(e.Output)
	}
	if g.verbose && g.running[what] != nil {
		g.running[what].WriteString(e.Output) // for the reason of a skip
	}
}

// endPackage shows a package's line, and where it failed all that it had said.
func (g *gate) endPackage(e event, out *strings.Builder) {
	said := ""
	if out != nil && !g.verbose {
		said = out.String()
	}
	if e.Action == "fail" {
		g.failed = append(g.failed, e.Package)
		// Whatever was running when all ended, by a panic or at the time limit.
		var cut []string
		for name := range g.running {
			if strings.HasPrefix(name, e.Package+" ") {
				cut = append(cut, name)
			}
		}
		slices.Sort(cut)
		for _, name := range cut {
			if !g.verbose {
				io.WriteString(g.w, g.running[name].String())
			}
			delete(g.running, name)
		}
		io.WriteString(g.w, said)
		return
	}
	g.passed++
	for line := range strings.Lines(said) {
		if strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "?   \t") {
			io.WriteString(g.w, line)
		}
	}
}

// reason finds in what a test has said why it was skipped: the last line that it
// logged, without the place.
func reason(out *strings.Builder) string {
	if out == nil {
		return ""
	}
	why := ""
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		if place, text, ok := strings.Cut(line, ": "); ok && strings.Contains(place, ".go:") {
			line = text
		}
		why = line
	}
	return why
}

const (
	maxReasons = 5   // told in the line
	maxReason  = 100 // characters of one
)

// skipped is the line about what was skipped, "" where nothing was: reasons in
// the order in which they came, with the test, or how many tests had each.
func (g *gate) skipped() string {
	if len(g.skips) == 0 {
		return ""
	}
	var reasons []string
	names := map[string][]string{}
	for _, s := range g.skips {
		if names[s.why] == nil {
			reasons = append(reasons, s.why)
		}
		names[s.why] = append(names[s.why], s.name)
	}
	var parts []string
	for i, why := range reasons {
		if i == maxReasons && len(reasons) > maxReasons {
			parts = append(parts, fmt.Sprintf("and %d other reasons", len(reasons)-i))
			break
		}
		who := names[why][0]
		if n := len(names[why]); n > 1 {
			who = fmt.Sprintf("%d tests", n)
		}
		if r := []rune(why); len(r) > maxReason {
			why = string(r[:maxReason]) + "…"
		}
		parts = append(parts, strings.TrimSuffix(who+": "+why, ": "))
	}
	word := "tests"
	if len(g.skips) == 1 {
		word = "test"
	}
	return fmt.Sprintf("%d %s (%s)", len(g.skips), word, strings.Join(parts, "; "))
}

// verdict is nil where all is well.
func (g *gate) verdict() error {
	switch {
	case len(g.failed) > 0:
		return fmt.Errorf("%d packages failed: %s", len(g.failed), strings.Join(g.failed, " "))
	case g.passed == 0:
		return fmt.Errorf("go test named no package")
	case len(g.running) > 0:
		return fmt.Errorf("go test broke off before its end")
	}
	return nil
}
