// Command logwatch reads a login log for what was done with the accounts of a roster, and in turns with it decodes the same lines with encoding/json and
// does nothing else.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"shirase/bench/figure"
	"shirase/internal/logins"
	"shirase/internal/roster"
)

// memory is for sorting; 0: as much as there is where nothing is said.
var memory int64

var since = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

func main() {
	o := figure.Parse()
	accounts, lines, rounds := 10_000_000, 10_000_000, 3
	if o.Quick {
		accounts, lines, rounds = 300_000, 300_000, 3
		memory = 4 << 20 // so that little data is more than it, too
	}
	dir, err := os.MkdirTemp("", "shirase-logwatch")
	figure.Check(err)
	defer os.RemoveAll(dir)
	// The few first, because what a process has taken it may keep.
	few := accounts / 10
	writeLog(filepath.Join(dir, "few.jsonl"), few, lines/10)
	figure.ForgetPeak()
	watch(dir, "few.jsonl", few)
	small := figure.PeakMemory()
	writeLog(filepath.Join(dir, "log.jsonl"), accounts, lines)
	var r logins.Report
	figure.ForgetPeak()
	r = watch(dir, "log.jsonl", accounts)
	large := figure.PeakMemory()
	t := figure.InTurns(rounds, func() { decode(filepath.Join(dir, "log.jsonl")) }, func() { r = watch(dir, "log.jsonl", accounts) })
	rate := func(i int) float64 { return 1e9 / figure.Median(t[i], lines) }
	o.Print(figure.Figure{Name: "lines of a login log, beside decoding them", Value: rate(1), Unit: "lines/s", Reference: rate(0), Ratio: figure.Ratio(t[0], t[1]), Goal: ">= 0.5"})
	o.Print(figure.Figure{Name: fmt.Sprintf("peak memory at %d accounts, beside %d", accounts, few), Value: mib(large), Unit: "MiB", Reference: mib(small), Goal: "<= 1.2"})
	o.Print(figure.Figure{Name: "suspicious logins found", Value: float64(r.Suspicious), Unit: "logins"})
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// writeLog writes a log of a month before the window and a month of it. One account in ten thousand is visited by somebody else.
func writeLog(name string, accounts, lines int) {
	f, err := os.Create(name)
	figure.Check(err)
	w := bufio.NewWriterSize(f, 1<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range lines {
		n := random.IntN(accounts)
		at := since.Add(-30*24*time.Hour + time.Duration(float64(i)/float64(lines)*float64(60*24*time.Hour)))
		how, from, agent := "success", fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255), "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/139.0.0.0 Safari/537.36"
		switch {
		case n%20 == 0:
			how = "failure"
		case n%10_000 == 1 && at.After(since):
			from, agent = "203.0.113.9", "python-requests/2.32"
		}
		fmt.Fprintf(w, `{"time":%q,"event":"login","account_id":"m%08d","ip":%q,"user_agent":%q,"outcome":%q}`+"\n", at.Format(time.RFC3339), n, from, agent, how)
	}
	figure.Check(w.Flush())
	figure.Check(f.Close())
}

func members(n int) iter.Seq2[roster.Member, error] {
	return func(yield func(roster.Member, error) bool) {
		ids := make([]string, 1)
		for i := range n {
			ids[0] = fmt.Sprintf("m%08d", i)
			if !yield(roster.Member{Accounts: ids}, nil) {
				return
			}
		}
	}
}

func watch(dir, name string, accounts int) logins.Report {
	r, err := logins.Watch(context.Background(), logins.Options{Since: since, Members: members(accounts), TempDir: dir, Memory: memory, Detail: io.Discard,
		Logs: []logins.Log{{Name: name, Open: func(context.Context) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) }}}})
	figure.Check(err)
	return r
}

// decode is the reference: each line into a struct of the same fields.
func decode(name string) {
	f, err := os.Open(name)
	figure.Check(err)
	defer f.Close()
	in := bufio.NewScanner(bufio.NewReaderSize(f, 1<<20))
	in.Buffer(make([]byte, 1<<16), 1<<20)
	for in.Scan() {
		var v struct {
			Time    time.Time `json:"time"`
			Account string    `json:"account_id"`
			Address string    `json:"ip"`
			Agent   string    `json:"user_agent"`
			Outcome string    `json:"outcome"`
		}
		figure.Check(json.Unmarshal(in.Bytes(), &v))
	}
	figure.Check(in.Err())
}
