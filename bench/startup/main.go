// Command startup measures what every command pays before it does anything:
// the time and the memory of `shirase version`, beside a Go program that does
// nothing, and which packages take the most of it.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"shirase/bench/figure"
	"shirase/bench/served"
)

func main() {
	o := figure.Parse()
	rounds := 101
	if o.Quick {
		rounds = 31
	}
	dir, err := os.MkdirTemp("", "shirase-startup-")
	figure.Check(err)
	defer os.RemoveAll(dir)
	ours, bare := build(dir)
	ourRuns, bareRuns := inTurns(rounds, []string{ours, "version"}, []string{bare})

	o.Print(figure.Figure{Name: "shirase version, start to end", Value: middle(ourRuns, run.ms), Unit: "ms", Goal: "<= 15"})
	o.Print(figure.Figure{Name: "shirase version, most memory resident", Value: middle(ourRuns, run.mb), Unit: "MB", Goal: "<= 20"})
	o.Print(figure.Figure{Name: "processor time / a Go program that does nothing", Value: middle(ourRuns, run.cpu), Unit: "ms", Reference: middle(bareRuns, run.cpu)})
	o.Print(figure.Figure{Name: "start to end / a Go program that does nothing", Value: middle(ourRuns, run.ms), Unit: "ms", Reference: middle(bareRuns, run.ms)})
	o.Print(figure.Figure{Name: "memory / a Go program that does nothing", Value: middle(ourRuns, run.mb), Unit: "MB", Reference: middle(bareRuns, run.mb)})
	for _, p := range initialised(ours, min(rounds, 21)) {
		o.Print(figure.Figure{Name: "initialising " + p.name, Value: p.ms, Unit: "ms"})
	}
}

// build returns the paths of shirase and of a program that does nothing.
func build(dir string) (ours, bare string) {
	ours, bare = filepath.Join(dir, "shirase"), filepath.Join(dir, "bare")
	source := filepath.Join(dir, "bare.go")
	figure.Check(os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600))
	figure.Check(served.Build(ours))
	if said, err := exec.Command("go", "build", "-o", bare, source).CombinedOutput(); err != nil {
		figure.Check(fmt.Errorf("build %s: %w: %s", source, err, bytes.TrimSpace(said)))
	}
	return ours, bare
}

// run is one run of a program.
type run struct {
	wall, processor time.Duration
	resident        int64 // bytes at most
}

func (r run) ms() float64  { return float64(r.wall) / 1e6 }
func (r run) cpu() float64 { return float64(r.processor) / 1e6 }
func (r run) mb() float64  { return float64(r.resident) / 1e6 }

// inTurns runs the two programs one after the other, again and again.
func inTurns(rounds int, a, b []string) (as, bs []run) {
	start(a) // what the disk has to fetch is not what is measured
	start(b)
	for range rounds {
		as, bs = append(as, start(a)), append(bs, start(b))
	}
	return as, bs
}

// start runs a program to its end.
func start(args []string) run {
	cmd := exec.Command(args[0], args[1:]...)
	began := time.Now()
	err := cmd.Run()
	r := run{wall: time.Since(began), processor: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	figure.Check(err)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		figure.Check(errors.New("the system does not say how much memory a program had"))
	}
	r.resident = int64(usage.Maxrss)
	if runtime.GOOS != "darwin" {
		r.resident <<= 10 // elsewhere it counts kilobytes
	}
	return r
}

// middle returns the median of a measure.
func middle(runs []run, of func(run) float64) float64 {
	var all []float64
	for _, r := range runs {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// initialisation is the time that a package takes before main begins.
type initialisation struct {
	name string
	ms   float64
}

// traced is a line of GODEBUG=inittrace=1.
var traced = regexp.MustCompile(`(?m)^init (\S+) @[\d.]+ ms, ([\d.]+) ms clock`)

// initialised returns the packages that take a quarter of a millisecond or more, the median of several runs, the slowest first.
func initialised(program string, rounds int) []initialisation {
	times := map[string][]float64{}
	for range rounds {
		cmd := exec.Command(program, "version")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		var said bytes.Buffer
		cmd.Stderr = &said
		figure.Check(cmd.Run())
		for _, m := range traced.FindAllStringSubmatch(said.String(), -1) {
			ms, err := strconv.ParseFloat(m[2], 64)
			figure.Check(err)
			times[m[1]] = append(times[m[1]], ms)
		}
	}
	var out []initialisation
	for name, all := range times {
		slices.Sort(all)
		if ms := all[len(all)/2]; ms >= 0.25 {
			out = append(out, initialisation{name, ms})
		}
	}
	slices.SortFunc(out, func(a, b initialisation) int { return cmp.Compare(b.ms, a.ms) })
	return out
}
