// Package served builds the program and runs its demonstration, for benchmarks
// and tests that look at the pages from outside.
package served

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Demo is a running demonstration.
type Demo struct {
	URL         string
	Affected    string // an address that is affected
	NotAffected string // one that is not
	LedgerKey   string // verifier key of its ledger
	program     string
	process     *exec.Cmd
	dir         string
}

// scale is one at which a bucket is as large as in the model case.
const scale = "0.002"

// Start builds and starts it, in a temporary folder. Stop it.
func Start() (*Demo, error) {
	dir, err := os.MkdirTemp("", "shirase-bench-")
	if err != nil {
		return nil, err
	}
	d := &Demo{dir: dir, program: filepath.Join(dir, "shirase")}
	if err = Build(d.program); err == nil {
		err = d.Resume()
	}
	if err != nil {
		d.Stop()
		return nil, err
	}
	return d, nil
}

// built is the program once it was built in this process: to link it takes seconds, and a copy none. The file may be gone from its
// folder; it is kept open.
var built struct {
	sync.Mutex
	file *os.File
}

// Build builds the program as the file out, in the product's own module. A test of it
// is run with -count=1: go test does not see that the program has changed.
func Build(out string) error {
	built.Lock()
	defer built.Unlock()
	if built.file != nil {
		// By another process: whoever holds a file open for writing may hand that on to what it starts, and then nobody can run it.
		c := exec.Command("cp", "/dev/fd/3", out)
		c.ExtraFiles = []*os.File{built.file}
		if said, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("copy shirase: %w: %s", err, said)
		}
		return os.Chmod(out, 0o755)
	}
	if err := build(out); err != nil {
		return err
	}
	var err error
	built.file, err = os.Open(out)
	return err
}

func build(out string) error {
	where, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "shirase").Output()
	if err != nil {
		return fmt.Errorf("find the product's module: %w", err)
	}
	build := exec.Command("go", "build", "-o", out, "./cmd/shirase")
	build.Dir = strings.TrimSpace(string(where))
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build shirase: %w: %s", err, said)
	}
	return nil
}

func (d *Demo) data() string { return filepath.Join(d.dir, "data") }

// Process is the id of its process.
func (d *Demo) Process() int { return d.process.Process.Pid }

// Keys is its folder of keys.
func (d *Demo) Keys() string { return d.data() + "-keys" }

// Run runs another command on its data.
func (d *Demo) Run(args ...string) error { return d.RunOn(d.data(), args...) }

// RunOn runs another command on other data.
func (d *Demo) RunOn(data string, args ...string) error {
	c := exec.Command(d.program, append(args, "--data", data)...)
	c.Dir = d.dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("shirase %s: %w: %s", args[0], err, out)
	}
	return nil
}

// Resume starts it, also again after Pause: then at another URL.
func (d *Demo) Resume() error {
	d.process = exec.Command(d.program, "demo", "--json", "--scale", scale, "--listen", "127.0.0.1:0", "--data", d.data())
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

// Pause ends its process; what it holds stays.
func (d *Demo) Pause() error {
	if d.process == nil || d.process.Process == nil {
		return nil
	}
	if err := d.process.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return d.process.Wait()
}

// Stop ends it and removes its folder.
func (d *Demo) Stop() {
	d.Pause()
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
