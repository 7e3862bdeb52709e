package files

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestReplace: a file is replaced as a whole, keeps its mode and what leads to it, and nothing of a failed or broken-off
// attempt stays.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.yaml")
	holds := func(want string, mode os.FileMode) {
		t.Helper()
		b, err := os.ReadFile(name)
		info, err2 := os.Stat(name)
		if err != nil || err2 != nil || string(b) != want || info.Mode().Perm() != mode {
			t.Errorf("%q, %v, %v, %v", b, info, err, err2)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
			t.Errorf("left in the folder: %v, %v", entries, err)
		}
	}
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink("a.yaml", link); err != nil {
		t.Fatal(err)
	}
	if err := Replace(name, []byte("one")); err != nil {
		t.Fatal(err)
	}
	holds("one", 0o600)
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Replace(link, []byte("two")); err != nil {
		t.Fatal(err)
	}
	holds("two", 0o644)
	if to, err := os.Readlink(link); err != nil || to != "a.yaml" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	for step, sys := range map[string]syscalls{
		"sync":   {sync: func(*os.File) error { return syscall.EIO }, rename: realSyscalls.rename},
		"rename": {sync: realSyscalls.sync, rename: func(*os.Root, string, string) error { return syscall.EIO }},
	} {
		if err := replace(name, []byte("three"), sys); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v", step, err)
		}
		holds("two", 0o644)
	}
	if err := os.WriteFile(filepath.Join(dir, ".a.yaml.DEAD"), []byte("half"), 0o600); err != nil { // of a process that was killed
		t.Fatal(err)
	}
	if err := Replace(name, []byte("four")); err != nil {
		t.Fatal(err)
	}
	holds("four", 0o644)
	if err := Replace(filepath.Join(dir, "none", "b"), nil); !errors.Is(err, ErrNotExist) {
		t.Errorf("%v", err)
	}
}
