package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"shirase/internal/killtest"
)

func TestMain(m *testing.M) { killtest.Main(m, child) }

func open(t testing.TB, root string) *Dir {
	t.Helper()
	d, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestPut(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a", "b")
	d := open(t, root)
	for _, p := range []string{filepath.Dir(root), root} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	for _, data := range []string{"one", "", "another, longer"} {
		if err := d.Put("x/y/z", []byte(data)); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Get("x/y/z", 100); err != nil || string(got) != data {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if info, err := os.Stat(filepath.Join(root, "x/y/z")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := d.Get("x/y/z", 3); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
	for _, name := range []string{"x/y/none", "x/y", "none/none", "x/y/z/below"} {
		if _, err := d.Open(name); err == nil {
			t.Errorf("%s opens", name)
		}
		if ok, _ := d.Exists(name); ok {
			t.Errorf("%s exists", name)
		}
	}
	if _, err := d.Open("x/none"); !errors.Is(err, ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := d.Put("a", nil); err != nil {
		t.Fatal(err)
	}
	if names, err := d.List("."); err != nil || !slices.Equal(names, []string{"a", "x/y/z"}) {
		t.Errorf("%v, %v", names, err)
	}
	if names, err := d.List("x/y"); err != nil || !slices.Equal(names, []string{"x/y/z"}) {
		t.Errorf("%v, %v", names, err)
	}
	if names, err := d.List("none"); err != nil || names != nil {
		t.Errorf("%v, %v", names, err)
	}
	stop := errors.New("stop")
	if err := d.Walk(".", func(string) error { return stop }); err != stop {
		t.Errorf("%v", err)
	}
	if err := d.Remove("x/y/z"); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove("x/y/z"); !errors.Is(err, ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestNames(t *testing.T) {
	d := open(t, t.TempDir())
	for _, name := range []string{"", ".", "..", "/a", "a/", "a//b", "a/../b", "./a", "a/.", ".tmp", ".tmp/a", "\xff"} {
		if err := d.Put(name, nil); !errors.Is(err, ErrName) {
			t.Errorf("Put(%q): %v", name, err)
		}
		if _, err := d.Open(name); !errors.Is(err, ErrName) {
			t.Errorf("Open(%q): %v", name, err)
		}
		if err := d.Remove(name); !errors.Is(err, ErrName) {
			t.Errorf("Remove(%q): %v", name, err)
		}
	}
	// A link does not lead out of the root.
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(d.root.Name(), "link")); err != nil {
		t.Skip(err)
	}
	if err := d.Put("link/a", nil); err == nil {
		t.Error("wrote through a link")
	}
}

// TestOpenFileStays: a reader keeps the bytes that it opened.
func TestOpenFileStays(t *testing.T) {
	d := open(t, t.TempDir())
	if err := d.Put("a", []byte("old")); err != nil {
		t.Fatal(err)
	}
	f, err := d.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := d.Put("a", []byte("newer")); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size())); err != nil || string(data) != "old" || f.Size() != 3 {
		t.Errorf("%q, %v", data, err)
	}
	b := make([]byte, 2)
	if n, err := f.ReadAt(b, 1); n != 2 || err != nil || string(b) != "ld" {
		t.Errorf("%q, %v", b, err)
	}
}

func temps(t *testing.T, d *Dir) []string {
	t.Helper()
	entries, err := fs.ReadDir(d.root.FS(), tmpDir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWriter(t *testing.T) {
	d := open(t, t.TempDir())
	w, err := d.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "one")
	fmt.Fprint(w, "two")
	if ok, _ := d.Exists("a"); ok {
		t.Error("seen before Commit")
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	// Again, while the name holds it and after it was removed.
	for range 2 {
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := d.Remove("a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.CommitAs("a"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Commit(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	if got, err := d.Get("a", 100); err != nil || string(got) != "onetwo" {
		t.Errorf("%q, %v", got, err)
	}
	if w, err = d.Create("a"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "three")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if got, err := d.Get("a", 100); err != nil || string(got) != "onetwo" {
		t.Errorf("after an abort: %q, %v", got, err)
	}
	if left := temps(t, d); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

var errDisk = errors.New("disk failed")

// TestFaults fails each step in turn, both without effect and after it took
// effect: what is read afterwards is old or new, and the next Put works.
func TestFaults(t *testing.T) {
	for _, step := range []string{"sync file", "rename", "rename, took effect", "sync folder", "sync new folder"} {
		t.Run(step, func(t *testing.T) {
			d := open(t, t.TempDir())
			name := "a/b"
			if err := d.Put(name, []byte("old")); err != nil {
				t.Fatal(err)
			}
			wantNew := false
			switch step {
			case "sync file":
				d.sys.sync = func(f *os.File) error {
					if info, _ := f.Stat(); !info.IsDir() {
						return errDisk
					}
					return f.Sync()
				}
			case "rename":
				d.sys.rename = func(*os.Root, string, string) error { return errDisk }
			case "rename, took effect":
				wantNew = true
				d.sys.rename = func(r *os.Root, o, n string) error { return errors.Join(r.Rename(o, n), errDisk) }
			case "sync folder", "sync new folder":
				wantNew = true
				if step == "sync new folder" {
					name = "new/b"
				}
				d.sys.sync = func(f *os.File) error {
					if info, _ := f.Stat(); info.IsDir() {
						return errDisk
					}
					return f.Sync()
				}
			}
			if err := d.Put(name, []byte("new")); !errors.Is(err, errDisk) {
				t.Fatalf("Put: %v", err)
			}
			want := "old"
			if wantNew {
				want = "new"
			}
			if got, err := d.Get(name, 100); err != nil || string(got) != want {
				t.Errorf("read %q, %v; want %q", got, err, want)
			}
			if left := temps(t, d); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			// A folder whose entry is not known to be on disk is synced by
			// the next Put, all the way up.
			synced := map[string]bool{}
			d.sys = realSyscalls
			d.sys.sync = func(f *os.File) error { synced[path.Base(filepath.ToSlash(f.Name()))] = true; return f.Sync() }
			if err := d.Put(name, []byte("new")); err != nil {
				t.Fatal(err)
			}
			if got, err := d.Get(name, 100); err != nil || string(got) != "new" {
				t.Errorf("read %q, %v", got, err)
			}
			if root := path.Base(filepath.ToSlash(d.root.Name())); step == "sync new folder" && (!synced["new"] || !(synced[root] || synced["."])) {
				t.Errorf("synced %v", synced)
			}
		})
	}
}

// TestFolderSyncs: every new folder's entry is forced to disk, old ones' once
// a process.
func TestFolderSyncs(t *testing.T) {
	root := t.TempDir()
	open(t, root).Put("a/b/c/one", nil)
	d := open(t, root)
	var n int
	d.sys.sync = func(f *os.File) error {
		if info, _ := f.Stat(); info.IsDir() {
			n++
		}
		return f.Sync()
	}
	for _, c := range []struct {
		name string
		want int
	}{
		{"a/b/c/two", 4},   // c, b, a, root: another process may have made them
		{"a/b/c/three", 1}, // c
		{"a/b/d/one", 2},   // d, b
		{"top", 1},         // root
		{"e/f", 2},         // e, root
	} {
		n = 0
		if err := d.Put(c.name, nil); err != nil {
			t.Fatal(err)
		}
		if n != c.want {
			t.Errorf("%s: %d folders synced, want %d", c.name, n, c.want)
		}
	}
}

// TestSweep: Open removes what dead writers left, and nothing that a living
// one, of this process or another, is writing.
func TestSweep(t *testing.T) {
	root := t.TempDir()
	d := open(t, root)
	w, err := d.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fmt.Fprint(w, "alive")
	dead := filepath.Join(root, tmpDir, "DEAD")
	if err := os.WriteFile(dead, []byte("dead"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, root)
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the dead one's is still there: %v", err)
	}
	if err := w.Commit(); err != nil {
		t.Fatalf("the living one's: %v", err)
	}
	if got, err := d.Get("a", 100); err != nil || string(got) != "alive" {
		t.Errorf("%q, %v", got, err)
	}
	// Committed, then opened by a sweeper that saw the old name.
	open(t, root)
	if got, err := d.Get("a", 100); err != nil || string(got) != "alive" {
		t.Errorf("%q, %v", got, err)
	}
}

// block is bytes whose wholeness can be seen.
func block(version uint64) []byte {
	b := make([]byte, 8+version%20000)
	binary.BigEndian.PutUint64(b, version)
	for i := 8; i < len(b); i++ {
		b[i] = byte(version)
	}
	h := sha256.Sum256(b)
	return append(b, h[:]...)
}

func whole(b []byte) bool {
	if len(b) < sha256.Size {
		return false
	}
	h := sha256.Sum256(b[:len(b)-sha256.Size])
	return bytes.Equal(h[:], b[len(b)-sha256.Size:])
}

// child writes whole blocks under a few names until it is killed, and reports
// each success.
func child(args []string, step func()) error {
	d, err := Open(args[0])
	if err != nil {
		return err
	}
	d.Watch(step)
	if len(args) > 1 {
		return replaceForEver(d)
	}
	for v := uint64(1); ; v++ {
		name := fmt.Sprintf("f%d/g/%d", v%3, v%5)
		if err := putInHalves(d, name, block(v), step); err != nil {
			return err
		}
		fmt.Println(name, v)
	}
}

// putInHalves is Put with a step in the middle of writing.
func putInHalves(d *Dir, name string, data []byte, step func()) error {
	w, err := d.Create(name)
	if err != nil {
		return err
	}
	defer w.Close()
	step()
	for _, half := range [][]byte{data[:len(data)/2], data[len(data)/2:]} {
		if _, err := w.Write(half); err != nil {
			return err
		}
		step()
	}
	return w.Commit()
}

// TestKill kills writers at each of their first steps and at random later ones:
// every name then holds whole bytes, at least as new as the last success
// reported, and the next Open leaves no temporary file.
func TestKill(t *testing.T) {
	reports := 0
	for round := range 24 {
		at := 1 + round
		if round >= 12 {
			at = 1 + rand.IntN(100)
		}
		root := t.TempDir()
		said, killed := killtest.Kill(t, at, root)
		if !killed {
			t.Fatal("a writer that never ends has ended")
		}
		reported := map[string]uint64{}
		for _, line := range said {
			var name string
			var v uint64
			if _, err := fmt.Sscan(line, &name, &v); err != nil {
				t.Fatalf("it said %q: %v", line, err)
			}
			reported[name] = v
		}
		reports += len(reported)
		d := open(t, root)
		names, err := d.List(".")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := d.Get(name, 1<<20)
			if err != nil || !whole(data) {
				t.Fatalf("killed at step %d: %s holds a part: %d bytes, %v", at, name, len(data), err)
			}
			if got := binary.BigEndian.Uint64(data); got < reported[name] {
				t.Fatalf("killed at step %d: %s went back from %d to %d", at, name, reported[name], got)
			}
			delete(reported, name)
		}
		if len(reported) > 0 {
			t.Fatalf("killed at step %d: reported and missing: %v", at, reported)
		}
		if left := temps(t, d); len(left) > 0 {
			t.Fatalf("killed at step %d: left: %v", at, left)
		}
	}
	if reports == 0 {
		t.Error("no writer was killed after it had written something")
	}
}

// TestLock: one holds it at a time, and its end gives it to the next.
func TestLock(t *testing.T) {
	root := t.TempDir()
	a, b := open(t, root), open(t, root)
	release, ok, err := a.Lock("lock")
	if err != nil || !ok {
		t.Fatalf("%v %v", ok, err)
	}
	if _, ok, err := b.Lock("lock"); ok || err != nil {
		t.Fatalf("two hold it: %v %v", ok, err)
	}
	release()
	release, ok, err = b.Lock("lock")
	if err != nil || !ok {
		t.Fatalf("%v %v", ok, err)
	}
	release()
	if _, _, err := a.Lock("../lock"); err == nil {
		t.Fatal("a lock outside of the folder")
	}
}
