// Package outsidetest is where an auditor stands: outside the product's module, with a copy of it and a program of their own. The
// program and the commands are those of the handbook.
package outsidetest

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"shirase/bench/served"
)

// blocks are the fenced blocks of a page that are in a language.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(data), -1) {
		out = append(out, m[1])
	}
	return out
}

// auditor is a module of somebody else's, in a folder of its own.
type auditor struct {
	t      *testing.T
	folder string
	env    []string
}

// shell runs commands of the handbook, and has to succeed.
func (a *auditor) shell(commands string) {
	a.t.Helper()
	sh := exec.Command("sh", "-eu", "-c", commands)
	sh.Dir, sh.Env = a.folder, a.env
	if out, err := sh.CombinedOutput(); err != nil {
		a.t.Fatalf("%s: %v\n%s", commands, err, out)
	}
}

// audit runs the built program.
func (a *auditor) audit(args ...string) (said, complaint string, err error) {
	var out, errs bytes.Buffer
	c := exec.Command(filepath.Join(a.folder, "audit", "audit"), args...)
	c.Stdout, c.Stderr = &out, &errs
	err = c.Run()
	return out.String(), errs.String(), err
}

// TestFromOutside builds the handbook's program in a module of its own and has it audit a demonstration: statement, address and
// kept answer. What is tampered with, and another ledger's key, it refuses by name.
func TestFromOutside(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	product, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(product, "docs", "handbook", "outside.md")
	programs, commands := blocks(t, page, "go"), blocks(t, page, "sh")
	if len(programs) != 1 || len(commands) != 2 {
		t.Fatalf("the handbook has %d programs and %d blocks of commands", len(programs), len(commands))
	}
	a := &auditor{t, t.TempDir(), append(os.Environ(), "SHIRASE="+product, "GOFLAGS=", "GOWORK=off")}
	a.shell(commands[0])
	if err := os.WriteFile(filepath.Join(a.folder, "audit", "main.go"), []byte(programs[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	a.shell("cd audit\n" + commands[1])

	// It needs nothing of the inside.
	list := exec.Command("go", "list", "-mod=mod", "-deps", ".")
	list.Dir, list.Env = filepath.Join(a.folder, "audit"), a.env
	deps, err := list.Output()
	if err != nil || !strings.Contains(string(deps), "shirase/check\n") || !strings.Contains(string(deps), "shirase/identity\n") {
		t.Fatalf("what it is made of: %v\n%s", err, deps)
	}
	if strings.Contains(string(deps), "shirase/internal") {
		t.Errorf("an outside program is made of the inside:\n%s", deps)
	}
	// And the name that the handbook says cannot be fetched is refused before anybody is asked for it.
	get := exec.Command("go", "get", "shirase@latest")
	get.Dir, get.Env = t.TempDir(), append(a.env, "GOPROXY=off")
	if err := os.WriteFile(filepath.Join(get.Dir, "go.mod"), []byte("module example.org/other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := get.CombinedOutput(); err == nil || !strings.Contains(string(out), "missing dot in first path element") {
		t.Errorf("go get shirase: %v: %s", err, out)
	}

	d, err := served.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	answer := filepath.Join(t.TempDir(), "answer.json")
	if err := d.Run("check", "--server", d.URL, "--ledger-key", d.LedgerKey, "--save", answer, d.Affected); err != nil {
		t.Fatal(err)
	}
	said, complaint, err := a.audit(d.URL, d.LedgerKey, d.NotAffected, answer)
	if err != nil || !strings.HasPrefix(said, "statement ") || !strings.Contains(said, "asked: not-in-scope\n") || !strings.Contains(said, "verified: affected, as of ") {
		t.Fatalf("%v: %s%s", err, said, complaint)
	}
	if said, complaint, err = a.audit(d.URL, d.LedgerKey, d.Affected, answer); err != nil || !strings.Contains(said, "asked: affected\n") {
		t.Errorf("%v: %s%s", err, said, complaint)
	}

	kept, err := os.ReadFile(answer)
	if err != nil {
		t.Fatal(err)
	}
	changed := regexp.MustCompile(`("result": *)"affected"`).ReplaceAll(kept, []byte(`$1"not-in-scope"`))
	if bytes.Equal(kept, changed) {
		t.Fatal("the answer's result is not where it was looked for")
	}
	tampered := filepath.Join(t.TempDir(), "tampered.json")
	if err := os.WriteFile(tampered, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	origin, _, _ := strings.Cut(d.LedgerKey, "+")
	_, other, err := note.GenerateKey(rand.Reader, origin) // of the same name
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ key, address, file, code string }{
		"a tampered answer": {d.LedgerKey, d.NotAffected, tampered, "answer"},
		"another key":       {other, d.NotAffected, answer, "checkpoint"},
		"no address":        {d.LedgerKey, "nobody", answer, "identity"},
	} {
		said, complaint, err := a.audit(d.URL, c.key, c.address, c.file)
		if err == nil || !strings.HasPrefix(complaint, "audit: "+c.code) || strings.Contains(said, "verified") {
			t.Errorf("%s: %v: %s%s", name, err, said, complaint)
		}
	}
}
