package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"shirase/internal/language"
)

// progress shows a long piece of work on stderr: a bar with rate and time left
// on a terminal, a plain line now and then elsewhere. tell may be called from
// several goroutines; end is called once.
func (a *app) progress(what string) (tell func(done, total int64), end func()) {
	if f, ok := a.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return bar(f, what)
	}
	return lines(a.err, what)
}

func bar(w io.Writer, what string) (func(done, total int64), func()) {
	var b *progressbar.ProgressBar
	var mu sync.Mutex
	return func(done, total int64) {
			mu.Lock()
			defer mu.Unlock()
			if b == nil {
				b = progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
					progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true),
					progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
			}
			b.Set64(done)
		}, func() {
			mu.Lock()
			defer mu.Unlock()
			if b != nil {
				b.Finish()
			}
		}
}

// every is how often a plain line is printed.
const every = 5 * time.Second

func lines(w io.Writer, what string) (func(done, total int64), func()) {
	var mu sync.Mutex
	start := time.Now()
	last := start
	return func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if now.Sub(last) < every || done == 0 || total == 0 {
			return
		}
		last = now
		rate := float64(done) / now.Sub(start).Seconds()
		left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
		fmt.Fprintf(w, "%s: %s of %s (%d %%), %s/s, %s left\n", what, language.Digits(done), language.Digits(total),
			done*100/total, language.Digits(int64(rate)), max(0, left))
	}, func() {}
}

// table prints rows of label and value, aligned.
func table(w io.Writer, rows [][2]string) {
	width := 0
	for _, r := range rows {
		width = max(width, shownWidth(r[0]))
	}
	for _, r := range rows {
		fmt.Fprintf(w, "%s%s  %s\n", r[0], strings.Repeat(" ", width-shownWidth(r[0])), r[1])
	}
}

// shownWidth is how many columns of a terminal a text takes, near enough for labels: what is Japanese takes two.
func shownWidth(s string) int {
	n := 0
	for _, r := range s {
		if n++; r >= 0x1100 {
			n++
		}
	}
	return n
}
