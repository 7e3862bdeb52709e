// Package served builds the program and runs its demonstration, for benchmarks
// that look at the pages from outside.
package served

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Demo is a running demonstration.
type Demo struct {
	URL      string
	Affected string // an address that is affected
	process  *exec.Cmd
	dir      string
}

// scale is one at which a bucket is as large as in the model case.
const scale = "0.002"

// Start builds and starts it, in a temporary folder. Stop it.
func Start() (*Demo, error) {
	dir, err := os.MkdirTemp("", "shirase-bench-")
	if err != nil {
		return nil, err
	}
	d := &Demo{dir: dir}
	if err := d.start(); err != nil {
		d.Stop()
		return nil, err
	}
	return d, nil
}

func (d *Demo) start() error {
	program := filepath.Join(d.dir, "shirase")
	if out, err := exec.Command("go", "build", "-o", program, "shirase/cmd/shirase").CombinedOutput(); err != nil {
		return fmt.Errorf("build shirase: %w: %s", err, out)
	}
	d.process = exec.Command(program, "demo", "--json", "--scale", scale, "--listen", "127.0.0.1:0", "--data", filepath.Join(d.dir, "data"))
	out, err := d.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.process.Start(); err != nil {
		return fmt.Errorf("start the demonstration: %w", err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("start the demonstration: it says nothing: %w", err)
	}
	return json.Unmarshal(line, d)
}

// Stop ends it and removes its folder.
func (d *Demo) Stop() {
	if d.process != nil && d.process.Process != nil {
		d.process.Process.Signal(os.Interrupt)
		d.process.Wait()
	}
	os.RemoveAll(d.dir)
}

// Chromium finds a browser.
func Chromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium here: ./test installs it")
}
