package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func openKeys(t testing.TB, dir string) *Keys {
	t.Helper()
	k, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func TestKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := openKeys(t, dir)
	if _, err := k.Load("ledger.key"); !errors.Is(err, ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := k.Create("ledger.key", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := k.Create("ledger.key", []byte("other")); !errors.Is(err, ErrExist) {
		t.Errorf("a key was replaced: %v", err)
	}
	if got, err := k.Load("ledger.key"); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	if err := k.Create("case-naver-2013.key", nil); err != nil {
		t.Fatal(err)
	}
	if names, err := k.List(); err != nil || !slices.Equal(names, []string{"case-naver-2013.key", "ledger.key"}) {
		t.Errorf("%v, %v", names, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "ledger.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, name := range []string{"", ".", "..", "a/b", "../a", ".new-a", "-", "a b", strings.Repeat("a", 201)} {
		if err := k.Create(name, nil); !errors.Is(err, ErrName) {
			t.Errorf("Create(%q): %v", name, err)
		}
		if _, err := k.Load(name); !errors.Is(err, ErrName) {
			t.Errorf("Load(%q): %v", name, err)
		}
		if err := k.Destroy(name); !errors.Is(err, ErrName) {
			t.Errorf("Destroy(%q): %v", name, err)
		}
	}
	if err := k.Create("large.key", make([]byte, maxKey+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

// TestLoose: keys that others may touch are refused, with the remedy.
func TestLoose(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	k := openKeys(t, dir)
	if err := k.Create("a.key", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	loose := func(err error, path string) {
		t.Helper()
		var h interface{ Hint() string }
		if !errors.Is(err, ErrLoose) || !errors.As(err, &h) {
			t.Errorf("%s: %v", path, err)
		} else if !strings.Contains(h.Hint(), "chmod") || !strings.Contains(h.Hint(), path) {
			t.Errorf("hint: %s", h.Hint())
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error tells the key: %v", err)
		}
	}
	file := filepath.Join(dir, "a.key")
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o644, 0o610} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		_, err := k.Load("a.key")
		loose(err, file)
	}
	if err := os.Chmod(file, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Load("a.key"); err != nil {
		t.Error(err)
	}
	for _, mode := range []fs.FileMode{0o750, 0o705, 0o777, 0o710} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		_, err := OpenKeys(dir)
		loose(err, dir)
	}
}

// TestDestroy: a destroyed key's bytes are overwritten where they were, also
// when the first attempt was cut short.
func TestDestroy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := openKeys(t, dir)
	if err := k.Create("a.key", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	// Another name of the same file shows what became of its bytes.
	other := filepath.Join(t.TempDir(), "other")
	if err := os.Link(filepath.Join(dir, "a.key"), other); err != nil {
		t.Skip(err)
	}
	// Cut short right after the name is gone.
	k.sys.sync = func(f *os.File) error { return errDisk }
	if err := k.Destroy("a.key"); !errors.Is(err, errDisk) {
		t.Fatalf("%v", err)
	}
	k.sys = realSyscalls
	if _, err := k.Load("a.key"); !errors.Is(err, ErrNotExist) {
		t.Errorf("%v", err)
	}
	if names, err := k.List(); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	openKeys(t, dir) // finishes
	if got, err := os.ReadFile(other); err != nil || string(got) != "\x00\x00\x00\x00\x00\x00" {
		t.Errorf("the bytes are still there: %q, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
	if err := k.Create("b.key", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := k.Destroy("b.key"); err != nil {
		t.Fatal(err)
	}
	if err := k.Destroy("b.key"); !errors.Is(err, ErrNotExist) {
		t.Errorf("%v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// TestDestroyGoesOn: who destroys a key whose name has gone and whose bytes have not, in a folder that was opened before, wipes them, or is told
// that they are there; and it is not said to be gone while another process has it.
func TestDestroyGoesOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := openKeys(t, dir)
	cut := func() string {
		t.Helper()
		if err := k.Create("a.key", []byte("secret")); err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(t.TempDir(), "other")
		if err := os.Link(filepath.Join(dir, "a.key"), other); err != nil {
			t.Skip(err)
		}
		if err := os.Rename(filepath.Join(dir, "a.key"), filepath.Join(dir, goneKey+"a.key")); err != nil { // as far as somebody else has come
			t.Fatal(err)
		}
		return other
	}
	wiped := func(files ...string) {
		t.Helper()
		for _, file := range files {
			if got, err := os.ReadFile(file); err != nil || string(got) != "\x00\x00\x00\x00\x00\x00" {
				t.Errorf("the bytes are still there: %q, %v", got, err)
			}
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("left: %v, %v", entries, err)
		}
	}
	first := cut()
	k.sys.sync = func(*os.File) error { return errDisk }
	for range 2 {
		if err := k.Destroy("a.key"); !errors.Is(err, errDisk) {
			t.Errorf("what could not be wiped is called gone: %v", err)
		}
	}
	k.sys = realSyscalls
	if f, err := os.OpenFile(filepath.Join(dir, goneKey+"a.key"), os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	} else {
		if locked, err := tryLock(f); err != nil || !locked {
			t.Fatal(locked, err)
		}
		if err := k.Destroy("a.key"); err == nil || errors.Is(err, ErrNotExist) {
			t.Errorf("what another process has is called gone: %v", err)
		}
		f.Close()
	}
	if err := k.Destroy("a.key"); err != nil {
		t.Error(err)
	}
	wiped(first)
	if err := k.Destroy("a.key"); !errors.Is(err, ErrNotExist) {
		t.Error(err)
	}
	first = cut() // and the key is brought back meanwhile
	if err := k.Create("a.key", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(t.TempDir(), "second")
	if err := os.Link(filepath.Join(dir, "a.key"), second); err != nil {
		t.Fatal(err)
	}
	if err := k.Destroy("a.key"); err != nil {
		t.Error(err)
	}
	wiped(first, second)
}

// TestKeySweep: the remains of a Create that was cut short go, and take
// nothing of the finished key along.
func TestKeySweep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	k := openKeys(t, dir)
	if err := k.Create("a.key", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "a.key"), filepath.Join(dir, newKey+"x")); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(filepath.Join(dir, newKey+"y"), []byte("sec"), 0o600); err != nil {
		t.Fatal(err)
	}
	k = openKeys(t, dir)
	if got, err := k.Load("a.key"); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// TestRandom: whoever asks first makes it, everybody gets the same, and what is no such key is never taken for one.
func TestRandom(t *testing.T) {
	keys, err := OpenKeys(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer keys.Close()
	got := make(chan string, 8)
	for range cap(got) {
		go func() {
			b, err := keys.Random("room.key", 32)
			if err != nil || len(b) != 32 {
				t.Errorf("%d bytes, %v", len(b), err)
			}
			got <- string(b)
		}()
	}
	first := <-got
	for range cap(got) - 1 {
		if <-got != first {
			t.Error("two keys of one name")
		}
	}
	for name, text := range map[string]string{"short.key": "AAAA\n", "other.key": "not a key\n", "empty.key": ""} {
		if err := keys.Create(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := keys.Random(name, 32); err == nil || text != "" && strings.Contains(err.Error(), strings.TrimSpace(text)) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}
