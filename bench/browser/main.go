// Command browser measures the check as a person has it: in a Chromium, against
// the demonstration, from the click to the answer; what the page's main thread
// is kept from; and what goes over the wire.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/chromedp/chromedp"

	"shirase/bench/figure"
	"shirase/bench/served"
)

// maxScript is what all script of the page may have, in bytes of gzip.
const maxScript = 60 << 10

func main() {
	if err := run(figure.Parse()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o figure.Options) error {
	pages, checks := 7, 9 // pages opened, and checks on each
	if o.Quick {
		pages, checks = 3, 5
	}
	d, err := served.Start()
	if err != nil {
		return err
	}
	defer d.Stop()
	ctx, cancel, err := startBrowser()
	if err != nil {
		return err
	}
	defer cancel()
	if err := transfers(ctx, o, d); err != nil {
		return fmt.Errorf("count bytes: %w", err)
	}
	if err := script(o, d.URL); err != nil {
		return fmt.Errorf("weigh the script: %w", err)
	}
	var first, later, longest []float64
	for range pages {
		m, err := measure(ctx, d, checks)
		if err != nil {
			return fmt.Errorf("measure a page: %w", err)
		}
		first, later, longest = append(first, m.checks[0]), append(later, m.checks[1:]...), append(longest, m.longest)
	}
	o.Print(figure.Figure{Name: "click to answer, first on a page", Value: median(first), Unit: "ms", Goal: "<= 400"})
	o.Print(figure.Figure{Name: "click to answer, after that", Value: median(later), Unit: "ms", Goal: "<= 400"})
	o.Print(figure.Figure{Name: "longest task of the main thread, load and check", Value: median(longest), Unit: "ms", Goal: "<= 50"})
	return nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func startBrowser() (context.Context, context.CancelFunc, error) {
	path, err := served.Chromium()
	if err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true))
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		cancel()
		stop()
		return nil, nil, fmt.Errorf("start %s: %w", path, err)
	}
	return ctx, func() { cancel(); stop() }, nil
}

// measured is what one page took.
type measured struct {
	checks  []float64 // ms from click to the frame after the answer
	longest float64   // ms, the longest task of the page's main thread
}

// oneCheck clicks, and gives the milliseconds until the answer is there and a
// frame could show it.
const oneCheck = `(async () => {
	const answers = document.querySelector("[data-answers]"), progress = document.querySelector("[data-progress]");
	document.querySelector("[data-address]").value = %q;
	const began = performance.now();
	document.querySelector("[data-submit]").click();
	await new Promise(done => {
		const look = () => answers.querySelector("[data-shown], [data-failed]") && progress.hidden && done();
		new MutationObserver(look).observe(document.body, {childList: true, subtree: true, attributes: true});
	});
	await new Promise(requestAnimationFrame);
	const took = performance.now() - began;
	const failed = answers.querySelector("[data-failed]")?.dataset.failed;
	document.querySelector("[data-again]").click();
	if (failed) throw new Error(failed);
	return took;
})()`

// open opens the check in a new tab and gives it the time that a person takes to
// look for the box: it warms up in the meantime.
func open(parent context.Context, url string) (context.Context, context.CancelFunc, error) {
	ctx, cancel := chromedp.NewContext(parent)
	err := chromedp.Do(ctx, chromedp.Navigate(url), chromedp.WaitEnabled(chromedp.CSS("[data-submit]")), chromedp.Sleep(1500*time.Millisecond))
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return ctx, cancel, nil
}

func check(ctx context.Context, address string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[float64](fmt.Sprintf(oneCheck, address), chromedp.EvalAwaitPromise))
}

func measure(browser context.Context, d *served.Demo, checks int) (measured, error) {
	var m measured
	blank, cancel := chromedp.NewContext(browser)
	defer cancel()
	if err := chromedp.Do(blank, chromedp.Navigate("about:blank")); err != nil {
		return m, err
	}
	// The tasks of a tab are those of its own trace, load and first check together.
	longest, err := traced(blank, func() error {
		if err := chromedp.Do(blank, chromedp.Navigate(d.URL+"/?lang=ja"), chromedp.WaitEnabled(chromedp.CSS("[data-submit]")), chromedp.Sleep(1500*time.Millisecond)); err != nil {
			return err
		}
		_, err := check(blank, d.Affected)
		return err
	})
	if err != nil {
		return m, err
	}
	m.longest = longest
	ctx, cancelTab, err := open(browser, d.URL+"/?lang=ja")
	if err != nil {
		return m, err
	}
	defer cancelTab()
	for range checks {
		took, err := check(ctx, d.Affected)
		if err != nil {
			return m, err
		}
		m.checks = append(m.checks, took)
	}
	return m, nil
}

// transfers counts the bytes of a first visit and of a check.
func transfers(browser context.Context, o figure.Options, d *served.Demo) error {
	wire, err := newWire(d.URL)
	if err != nil {
		return err
	}
	defer wire.close()
	ctx, cancel, err := open(browser, wire.url+"/?lang=ja")
	if err != nil {
		return err
	}
	defer cancel()
	down, up := wire.take()
	o.Print(figure.Figure{Name: "first visit, received (page, style, script, statement)", Value: down, Unit: "bytes"})
	o.Print(figure.Figure{Name: "first visit, sent", Value: up, Unit: "bytes"})
	if _, err := check(ctx, d.Affected); err != nil {
		return err
	}
	down, up = wire.take()
	o.Print(figure.Figure{Name: "a check, received (evaluation, bucket)", Value: down, Unit: "bytes"})
	o.Print(figure.Figure{Name: "a check, sent", Value: up, Unit: "bytes"})
	return nil
}

// scripts matches where a page names its script and its worker.
var scripts = regexp.MustCompile(`(?:<script src|data-worker)="([^"]+)"`)

// script weighs all script of the page as it is served.
func script(o figure.Options, url string) error {
	page, err := get(url + "/")
	if err != nil {
		return err
	}
	files := scripts.FindAllSubmatch(page, -1)
	if len(files) != 2 {
		return fmt.Errorf("the page names %d scripts, not one and a worker", len(files))
	}
	var sum int
	for _, file := range files {
		source, err := get(url + string(file[1]))
		if err != nil {
			return err
		}
		var z bytes.Buffer
		w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
		if err != nil {
			return err
		}
		w.Write(source)
		if err := w.Close(); err != nil {
			return err
		}
		sum += z.Len()
	}
	o.Print(figure.Figure{Name: "all script, gzip", Value: float64(sum), Unit: "bytes", Goal: fmt.Sprintf("<= %d", maxScript)})
	return nil
}

func get(url string) ([]byte, error) {
	r, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, r.Status)
	}
	return io.ReadAll(r.Body)
}
