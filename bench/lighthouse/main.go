// Command lighthouse holds the home page against Lighthouse (Apache-2.0, pinned
// in package.json, which npm installs here the first time): its default phone, by
// its simulated network and processor. The processor's part means something on a
// machine that does nothing else; of several runs the median counts.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"shirase/bench/figure"
	"shirase/bench/served"
)

func main() {
	if err := run(figure.Parse()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o figure.Options) error {
	runs := 5
	if o.Quick {
		runs = 1
	}
	program, err := install()
	if err != nil {
		return err
	}
	d, err := served.Start()
	if err != nil {
		return err
	}
	defer d.Stop()
	for _, lang := range []string{"ja", "en"} {
		var reports []report
		for range runs {
			r, err := lighthouse(program, d.URL+"/?lang="+lang)
			if err != nil {
				return err
			}
			reports = append(reports, r)
		}
		for _, c := range []struct{ id, goal string }{{"accessibility", ">= 100"}, {"best-practices", ">= 100"}, {"performance", ">= 95"}} {
			o.Print(figure.Figure{Name: "Lighthouse " + c.id + ", home in " + lang, Unit: "of 100", Goal: c.goal,
				Value: median(reports, func(r report) float64 { return 100 * r.Categories[c.id].Score })})
		}
		for _, a := range []struct{ id, unit string }{{"largest-contentful-paint", "ms"}, {"total-blocking-time", "ms"}, {"cumulative-layout-shift", ""}} {
			o.Print(figure.Figure{Name: "  " + a.id + ", " + lang, Unit: a.unit,
				Value: median(reports, func(r report) float64 { return r.Audits[a.id].Value })})
		}
	}
	return nil
}

// report is the part of Lighthouse's that counts here.
type report struct {
	Categories map[string]struct{ Score float64 }
	Audits     map[string]struct {
		Value float64 `json:"numericValue"`
	}
}

func median(reports []report, f func(report) float64) float64 {
	var v []float64
	for _, r := range reports {
		v = append(v, f(r))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// install returns Lighthouse's program, installed beside this file where it is not yet.
func install() (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "shirase").Output()
	if err != nil {
		return "", fmt.Errorf("find the module (run it within): %w", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "bench", "lighthouse")
	program := filepath.Join(dir, "node_modules", ".bin", "lighthouse")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir, npm.Stdout, npm.Stderr = dir, os.Stderr, os.Stderr
	if err := npm.Run(); err != nil {
		return "", fmt.Errorf("install Lighthouse: npm ci in %s: %w", dir, err)
	}
	return program, nil
}

func lighthouse(program, url string) (report, error) {
	var r report
	chromium, err := served.Chromium()
	if err != nil {
		return r, err
	}
	c := exec.Command(program, url, "--quiet", "--output=json", "--chrome-flags=--headless=new --no-sandbox --disable-gpu",
		"--only-categories=performance,accessibility,best-practices", "--no-enable-error-reporting")
	c.Env = append(os.Environ(), "CHROME_PATH="+chromium)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return r, fmt.Errorf("lighthouse %s: %w", url, err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("read Lighthouse's report: %w", err)
	}
	if len(r.Categories) != 3 {
		return r, errors.New("lighthouse's report has not the three categories asked for")
	}
	return r, nil
}
