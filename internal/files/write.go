package files

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// A Writer streams the bytes of a name that shows nothing of them until
// [Writer.Commit]. It does not buffer.
type Writer struct {
	d    *Dir
	name string   // the name to be
	f    *os.File // nil once closed
	tmp  string   // its name in the root until it is committed
}

// Create starts writing what name is to hold. The caller ends with
// [Writer.Commit], and always calls [Writer.Close].
func (d *Dir) Create(name string) (*Writer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	f, tmp, err := createTemp(d.root, tmpDir, "")
	if err != nil {
		return nil, fmt.Errorf("files: creating %s: %w", name, bare(err))
	}
	return &Writer{d: d, name: name, f: f, tmp: tmp}, nil
}

// Write appends p to the bytes to be.
func (w *Writer) Write(p []byte) (int, error) {
	if w.f == nil || w.tmp == "" {
		return 0, fmt.Errorf("files: writing %s: %w", w.name, os.ErrClosed)
	}
	n, err := w.f.Write(p)
	if err != nil {
		return n, fmt.Errorf("files: writing %s: %w", w.name, bare(err))
	}
	return n, nil
}

// Commit makes the name hold what was written, durably. Nothing is written after it;
// it may be repeated until Close, where the name was removed meanwhile.
func (w *Writer) Commit() error {
	if w.f == nil {
		return fmt.Errorf("files: committing %s: %w", w.name, os.ErrClosed)
	}
	if err := w.commit(); err != nil {
		return fmt.Errorf("files: committing %s: %w", w.name, bare(err))
	}
	return nil
}

// CommitAs is Commit under another name than the one the writer was created
// for: where the name follows from the bytes.
func (w *Writer) CommitAs(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	w.name = name
	return w.Commit()
}

func (w *Writer) commit() error {
	if w.tmp == "" { // the name has the file, or had
		if err := w.again(); err != nil {
			return err
		}
	}
	if err := w.d.sys.sync(w.f); err != nil {
		return err
	}
	dir := path.Dir(w.name)
	if err := w.d.root.MkdirAll(filepath.FromSlash(dir), 0o700); err != nil {
		return err
	}
	if err := w.d.sys.rename(w.d.root, w.tmp, filepath.FromSlash(w.name)); err != nil {
		return err
	}
	w.tmp = "" // it is the name's now
	return w.d.syncDir(dir)
}

// again writes the bytes into another temporary file, which is the writer's then.
func (w *Writer) again() error {
	info, err := w.f.Stat()
	if err != nil {
		return err
	}
	f, tmp, err := createTemp(w.d.root, tmpDir, "")
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, io.NewSectionReader(w.f, 0, info.Size())); err != nil {
		return errors.Join(err, w.d.root.Remove(tmp), f.Close())
	}
	before := w.f
	w.f, w.tmp = f, tmp
	return before.Close()
}

// Close ends the writer; what was not committed is gone. Closing twice does nothing.
func (w *Writer) Close() error {
	if w.f == nil {
		return nil
	}
	// Remove first: once the lock goes with the descriptor, a sweeper may
	// remove the file too, and that is no error either.
	var err error
	if w.tmp != "" {
		if err = w.d.root.Remove(w.tmp); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if cerr := w.f.Close(); err == nil {
		err = cerr
	}
	w.f = nil
	return err
}

// Replace makes name hold data, durably, where it still holds before: one step among
// all who replace it, in any process. before is nil where it held nothing. ErrChanged,
// changing nothing, where it holds something else. Who replaces a name never Puts it.
func (d *Dir) Replace(name string, before, data []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(d.root.Name(), lockFile)).Lock() // it goes with the process
	if err != nil {
		return fmt.Errorf("files: replacing %s: %w", name, bare(err))
	}
	defer unlock()
	held, err := d.Get(name, int64(len(before)))
	switch {
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrNotExist) && before != nil, err == nil && (before == nil || !bytes.Equal(held, before)):
		return fmt.Errorf("files: replacing %s: %w", name, ErrChanged)
	case err != nil && !errors.Is(err, ErrNotExist):
		return err
	}
	return d.Put(name, data)
}

// syncDir forces the entries of folder dir to disk, and those of the folders
// above it, stopping at one whose own entry is known to be on disk.
func (d *Dir) syncDir(dir string) error {
	var fresh []string
	for child := ""; ; child, dir = dir, path.Dir(dir) {
		if child != "" {
			if _, known := d.onDisk.Load(child); known {
				break
			}
			fresh = append(fresh, child)
		}
		f, err := d.root.Open(filepath.FromSlash(dir))
		if err != nil {
			return err
		}
		err = d.sys.sync(f)
		f.Close()
		if err != nil {
			return err
		}
		if dir == "." {
			break
		}
	}
	for _, name := range fresh { // only now is the whole chain on disk
		d.onDisk.Store(name, struct{}{})
	}
	return nil
}

// createTemp makes a new, locked, empty file in folder dir of root, mode 0600,
// and returns it with its name in root.
func createTemp(root *os.Root, dir, prefix string) (*os.File, string, error) {
	for {
		name := filepath.Join(dir, prefix+rand.Text())
		f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, "", err
		}
		// Between the two calls a sweeper may have taken the file for a
		// dead process's. Then the lock fails, or the name is gone.
		locked, err := tryLock(f)
		if err == nil && locked {
			if info, err := root.Stat(name); err == nil {
				if own, err := f.Stat(); err == nil && os.SameFile(info, own) {
					return f, name, nil
				}
			}
		}
		f.Close()
		if err != nil {
			root.Remove(name)
			return nil, "", err
		}
	}
}

// sweep removes the temporary files of folder dir that begin with prefix and
// whose writer is dead, after wiping them where wipe is not nil.
func sweep(root *os.Root, dir, prefix string, wipe func(*os.File) error) error {
	folder, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	entries, err := folder.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		name := filepath.Join(dir, e.Name())
		f, err := root.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // committed, closed or swept meanwhile
		}
		if err != nil {
			return err
		}
		err = sweepOne(root, f, name, wipe)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func sweepOne(root *os.Root, f *os.File, name string, wipe func(*os.File) error) error {
	if locked, err := tryLock(f); err != nil || !locked {
		return err // a living writer's
	}
	// The lock may have come free because its writer committed: then the
	// temporary name is gone and f is what a real name holds.
	info, err := root.Stat(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if own, err := f.Stat(); err != nil || !os.SameFile(info, own) {
		return err
	}
	if wipe != nil {
		if err := wipe(f); err != nil {
			return err
		}
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
