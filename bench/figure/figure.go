// Package figure is how benchmark programs print what they measured, and how
// they compare: in turns within one run, because these figures are ratios and
// a machine's speed drifts.
package figure

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Figure is one result. Reference was measured in the same run, in the unit of
// Value; Ratio is Value / Reference unless its Name says otherwise.
type Figure struct {
	Name      string  `json:"figure"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	Reference float64 `json:"reference"`
	Ratio     float64 `json:"ratio"`
	Goal      string  `json:"goal"` // "<= 1.25", of Ratio where there is a reference, else of Value; or ""
	Met       bool    `json:"met"`
}

// Options are the flags of every benchmark.
type Options struct {
	Quick bool
	JSON  bool
}

// Parse reads the flags.
func Parse() Options {
	var o Options
	flag.BoolVar(&o.Quick, "quick", false, "end within 50 seconds on two cores")
	flag.BoolVar(&o.JSON, "json", false, "print a JSON object a line")
	flag.Parse()
	return o
}

// Print prints a figure as soon as it is known, deciding whether its goal is met.
func (o Options) Print(f Figure) {
	of := f.Value
	if f.Reference != 0 {
		if f.Ratio == 0 {
			f.Ratio = f.Value / f.Reference
		}
		of = f.Ratio
	}
	f.Met = met(f.Goal, of)
	if o.JSON {
		json.NewEncoder(os.Stdout).Encode(f)
		return
	}
	line := fmt.Sprintf("%-52s %14s %-10s", f.Name, number(f.Value), f.Unit)
	if f.Reference != 0 {
		line += fmt.Sprintf("  reference %12s  ratio %6.3f", number(f.Reference), f.Ratio)
	}
	if f.Goal != "" {
		line += fmt.Sprintf("  goal %s: %s", f.Goal, map[bool]string{true: "met", false: "NOT MET"}[f.Met])
	}
	fmt.Println(line)
}

func met(goal string, v float64) bool {
	op, limit, ok := strings.Cut(goal, " ")
	n, err := strconv.ParseFloat(limit, 64)
	switch {
	case goal == "":
		return true
	case !ok || err != nil:
		panic("figure: goal " + goal)
	case op == "<=":
		return v <= n
	case op == ">=":
		return v >= n
	}
	panic("figure: goal " + goal)
}

func number(v float64) string {
	switch {
	case v >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// InTurns runs each of the functions rounds times, A B C A B C ..., and gives
// for each its time in every round.
func InTurns(rounds int, fs ...func()) [][]time.Duration {
	out := make([][]time.Duration, len(fs))
	for _, f := range fs { // warm up
		f()
	}
	for range rounds {
		for i, f := range fs {
			start := time.Now()
			f()
			out[i] = append(out[i], time.Since(start))
		}
	}
	return out
}

// Median returns the middle of several times, in nanoseconds, divided by n.
func Median(d []time.Duration, n int) float64 {
	s := slices.Sorted(slices.Values(d))
	return float64(s[len(s)/2]) / float64(n)
}

// Least returns the shortest of several times, in nanoseconds, divided by n: what the work takes while nobody else wants the processor.
func Least(d []time.Duration, n int) float64 { return float64(slices.Min(d)) / float64(n) }

// Ratio returns the median over the rounds of a's time divided by b's in the same round.
func Ratio(a, b []time.Duration) float64 {
	var r []float64
	for i := range a {
		r = append(r, float64(a[i])/float64(b[i]))
	}
	slices.Sort(r)
	return r[len(r)/2]
}

// Check ends the program at an error.
func Check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// PeakMemory returns the most memory this process has had resident, in bytes
// (VmHWM of Linux; 0 elsewhere).
func PeakMemory() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return kb << 10
			}
		}
	}
	return 0
}

// ForgetPeak has PeakMemory begin anew, from what is resident once all that is free is given back.
func ForgetPeak() {
	debug.FreeOSMemory()
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // where that cannot be written, the peak is the older one
}
