package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/files"
)

// TestHeld: a second publish or scope of one incident says who is at it, changes nothing, and goes on once that has ended;
// other incidents are not concerned.
func TestHeld(t *testing.T) {
	data := filepath.Join(wellInstance(t), "data")
	dir, err := files.Open(filepath.Join(data, "files"))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	release, err := dir.Hold(holdName("shop-2026"), "publishing shop-2026")
	if err != nil {
		t.Fatal(err)
	}
	examples := filepath.Join("..", "..", "examples")
	both := [][]string{{"publish", "shop-2026"},
		{"scope", "--export", filepath.Join(examples, "accounts.csv"), "--rules", filepath.Join(examples, "rules.yaml"), "--incident", "shop-2026", "--commit"}}
	for _, args := range both {
		out, exit := runIn(t, append(args, "--data", data)...)
		if exit != exitFailed || !strings.Contains(out, fmt.Sprintf("publishing shop-2026 (process %d, since ", os.Getpid())) || !strings.Contains(out, "hint: wait until") {
			t.Errorf("exit %d: %s", exit, out)
		}
	}
	release()
	for _, args := range both {
		if out, exit := runIn(t, append(args, "--data", data)...); exit != exitDone {
			t.Errorf("exit %d: %s", exit, out)
		}
	}
}

// TestScopeStops: an export that unfolds to rows without end, none of which can be read, ends after a million of them; the
// list of them is bounded, and nothing else is left behind.
func TestScopeStops(t *testing.T) {
	dir := t.TempDir()
	export := filepath.Join(dir, "bomb.csv.gz")
	f, err := os.Create(export)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	io.WriteString(z, "id,mail\n")
	rows := bytes.Repeat([]byte(",x\n"), 1<<20)
	for range 20 {
		if _, err := z.Write(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	rules := filepath.Join(dir, "rules.yaml")
	write(t, rules, "columns: {account: id, email: mail}\nsets: [{classes: [email]}]\n")
	temp := filepath.Join(dir, "temp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "list.csv")
	out, exit := runIn(t, "scope", "--export", export, "--rules", rules, "--rejects", list, "--temp", temp, "--data", filepath.Join(dir, "none"))
	if exit != exitFailed || !strings.Contains(out, "1000000 of 1000000") || !strings.Contains(out, "given up") {
		t.Errorf("exit %d: %s", exit, out)
	}
	info, err := os.Stat(list)
	if err != nil || info.Size() > 20<<20 {
		t.Fatalf("the list: %v, %v", info, err)
	}
	b, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte("\n")); n != 100_001 || !bytes.Contains(b[len(b)-200:], []byte(",more,")) {
		t.Errorf("the list has %d lines and ends %q", n, b[len(b)-200:])
	}
	var left []string
	for _, d := range []string{dir, temp} {
		names, err := os.ReadDir(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			left = append(left, n.Name())
		}
	}
	if got := fmt.Sprint(left); got != "[bomb.csv.gz list.csv rules.yaml temp]" {
		t.Errorf("left behind: %s", got)
	}
}
