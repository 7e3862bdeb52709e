package files

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"shirase/internal/killtest"
)

func TestDirReplace(t *testing.T) {
	d := open(t, t.TempDir())
	held := func(want string) {
		t.Helper()
		if got, err := d.Get("a", 100); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := d.Replace("a", []byte{}, []byte("one")); !errors.Is(err, ErrChanged) {
		t.Errorf("nothing there, and empty was seen: %v", err)
	}
	if err := d.Replace("a", nil, []byte("one")); err != nil {
		t.Fatal(err)
	}
	for _, seen := range [][]byte{nil, {}, []byte("on"), []byte("onf"), []byte("ones")} {
		if err := d.Replace("a", seen, []byte("two")); !errors.Is(err, ErrChanged) {
			t.Errorf("seen %q: %v", seen, err)
		}
	}
	held("one")
	if err := d.Replace("a", []byte("one"), nil); err != nil {
		t.Fatal(err)
	}
	held("")
	if err := d.Replace("a", []byte{}, []byte("three")); err != nil {
		t.Fatal(err)
	}
	held("three")
	if err := d.Replace("../a", nil, nil); !errors.Is(err, ErrName) {
		t.Errorf("%v", err)
	}
	// The lock's file is no file of anybody's, and its loss none's harm.
	if names, err := d.List("."); err != nil || len(names) != 1 {
		t.Errorf("%q, %v", names, err)
	}
	for _, name := range []string{lockFile, lockFile + "/a"} {
		if err := d.Put(name, nil); !errors.Is(err, ErrName) {
			t.Errorf("Put(%q): %v", name, err)
		}
	}
	if left := temps(t, d); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if err := d.root.Remove(lockFile); err != nil {
		t.Fatal(err)
	}
	if err := d.Replace("a", []byte("three"), []byte("four")); err != nil {
		t.Fatal(err)
	}
	held("four")
}

// count replaces the number in a name by the next, n times.
func count(d *Dir, name string, n int, said func(int)) error {
	for n > 0 {
		var before []byte
		was := 0
		got, err := d.Get(name, 100)
		switch {
		case err == nil:
			if before = got; len(got) == 0 {
				before = []byte{}
			}
			if was, err = strconv.Atoi(string(got)); err != nil {
				return err
			}
		case !errors.Is(err, ErrNotExist):
			return err
		}
		err = d.Replace(name, before, strconv.AppendInt(nil, int64(was+1), 10))
		if errors.Is(err, ErrChanged) {
			continue
		}
		if err != nil {
			return err
		}
		said(was + 1)
		n--
	}
	return nil
}

// TestDirReplaceAtOnce: of many who replace one name, none takes back another's.
func TestDirReplaceAtOnce(t *testing.T) {
	root := t.TempDir()
	const who, each = 6, 15
	var all sync.WaitGroup
	for range who {
		d := open(t, root) // as in a process of its own
		all.Go(func() {
			if err := count(d, "n", each, func(int) {}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got, err := open(t, root).Get("n", 100); err != nil || string(got) != strconv.Itoa(who*each) {
		t.Errorf("%q after %d times: %v", got, who*each, err)
	}
}

// replaceForEver is the child that TestDirReplaceKilled kills.
func replaceForEver(d *Dir) error {
	return count(d, "n", 1<<30, func(n int) { fmt.Println(n) })
}

// TestDirReplaceKilled: whoever dies while it replaces a name leaves what was there or what was to be, never less than it
// said, and no lock.
func TestDirReplaceKilled(t *testing.T) {
	root := t.TempDir()
	last := 0
	for at := 1; at <= 12; at++ {
		said, killed := killtest.Kill(t, at, root, "replace")
		if !killed {
			t.Fatal("a process that counts for ever has ended")
		}
		d := open(t, root)
		least := last
		if len(said) > 0 {
			if n, err := strconv.Atoi(said[len(said)-1]); err != nil || n <= last {
				t.Fatalf("it said %q after %d", said, last)
			} else {
				least = n
			}
		}
		if err := count(d, "n", 1, func(n int) { last = n }); err != nil {
			t.Fatal(err)
		}
		if last != least+1 && last != least+2 {
			t.Errorf("killed at step %d having said %d, and the next is %d", at, least, last)
		}
		if left := temps(t, d); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
}
