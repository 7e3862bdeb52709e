package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// follow has a gate follow a run of go test on a package with these tests.
func follow(t *testing.T, source string, verbose bool) (*gate, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/m\n\ngo 1.26\n", "m_test.go": "package m\n\n" + source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-json", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	events, err := cmd.Output()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	var shown strings.Builder
	g := newGate(&shown, verbose)
	if err := g.read(strings.NewReader(string(events))); err != nil {
		t.Fatal(err)
	}
	return g, shown.String()
}

const mixed = `import ("fmt"; "os"; "testing")

func TestMain(m *testing.M) { fmt.Println("before all"); os.Exit(m.Run()) }
func TestGood(t *testing.T) { t.Log("a good one") }
func TestNoData(t *testing.T) { t.Skip("the data is not here: name its folder") }
func TestTwo(t *testing.T) {
	for _, engine := range []string{"a", "b", "c"} {
		t.Run(engine, func(t *testing.T) {
			if engine != "a" { t.Log("looked"); t.Skipf("no server") }
		})
	}
}
func TestMute(t *testing.T) { t.SkipNow() }
`

func TestPassed(t *testing.T) {
	g, shown := follow(t, mixed, false)
	if err := g.verdict(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(shown, "ok  \texample.com/m\t") || strings.Count(shown, "\n") != 1 {
		t.Errorf("shown: %q", shown)
	}
	if want := "4 tests (TestNoData: the data is not here: name its folder; 2 tests: no server; TestMute)"; g.skipped() != want {
		t.Errorf("skipped: %q, want %q", g.skipped(), want)
	}
	g, shown = follow(t, mixed, true)
	if !strings.Contains(shown, "a good one") || !strings.Contains(shown, "before all") || !strings.Contains(g.skipped(), "2 tests: no server;") {
		t.Errorf("with -v: %q, skipped %q", shown, g.skipped())
	}
	if g, _ := follow(t, "import \"testing\"\n\nfunc TestGood(t *testing.T) {}\n", false); g.skipped() != "" || g.verdict() != nil {
		t.Errorf("%q, %v", g.skipped(), g.verdict())
	}
}

// What fails is shown, with what it said and nothing of what passed.
func TestFailed(t *testing.T) {
	for name, c := range map[string]struct{ test, says string }{
		"a test":     {`func TestBad(t *testing.T) { t.Run("sub", func(t *testing.T) { fmt.Println("printed"); t.Error("one is not two") }) }`, "one is not two"},
		"a panic":    {`func TestBad(t *testing.T) { t.Log("on the way"); panic("out of order") }`, "out of order"},
		"an exit":    {`func TestBad(t *testing.T) { fmt.Println("printed"); os.Exit(3) }`, "printed"},
		"no program": {`func TestBad(t *testing.T) { nothing() }`, "undefined: nothing"},
	} {
		g, shown := follow(t, mixed+c.test, false)
		if g.verdict() == nil || !strings.Contains(shown, c.says) || strings.Contains(shown, "a good one") || !strings.Contains(shown, "FAIL\texample.com/m") {
			t.Errorf("%s: %v, shown: %q", name, g.verdict(), shown)
		}
	}
}

// What says nothing of the end is no good end.
func TestBrokenOff(t *testing.T) {
	for _, text := range []string{"", "go: no such package\n", `{"Action":"start","Package":"m"}` + "\n"} {
		g := newGate(new(strings.Builder), false)
		if err := g.read(strings.NewReader(text)); err != nil || g.verdict() == nil {
			t.Errorf("%q: %v, and a good end", text, err)
		}
	}
}

func TestManyReasons(t *testing.T) {
	g := newGate(new(strings.Builder), false)
	for _, why := range []string{"a", "b", "c", "d", strings.Repeat("長", 200), "f", "g"} {
		for _, e := range []event{{Action: "run"}, {Action: "output", Output: "    x_test.go:1: " + why + "\n"}, {Action: "skip"}} {
			e.Package, e.Test = "m", "Test"+string([]rune(why)[:1])
			line, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if err := g.read(strings.NewReader(string(line) + "\n")); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := g.skipped()
	if !strings.HasPrefix(got, "7 tests (Testa: a; ") || !strings.HasSuffix(got, "…; and 2 other reasons)") || strings.Contains(got, "\n") || len(got) > 600 {
		t.Errorf("%q", got)
	}
}
