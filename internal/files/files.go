// Package files keeps durable files under one root folder.
//
// The one idea: a name never shows anything but whole bytes that are already
// on disk. Bytes are first written to a temporary file below the same root,
// forced to disk (fsync), then renamed over the name, and then the folder that
// holds the name is forced to disk too, with every folder above it that this
// process has not yet seen on disk. Whoever is killed, at any instruction,
// leaves the old bytes or the new ones, never a mixture; whoever was told nil
// finds the new bytes after a power cut.
//
// An error from [Dir.Put] or [Writer.Commit] means "not known to be durable":
// what is read afterwards is the old bytes or the new ones, still never a
// mixture. Putting the same bytes again is always safe.
//
// Temporary files live in the folder ".tmp" of the root. Their writer holds a
// lock on each (flock) for as long as it lives, and the kernel drops it with
// the process: so [Open] can sweep what dead processes left and never touches
// what a living one is writing, whatever its age and process id.
//
// # The contract
//
// This is a folder of this machine. What its users rely on is less, so that an
// object store can stand behind it:
//
//   - A name is put whole, replaced whole and removed whole. What was put is seen
//     by every process at once, under its name, by [Dir.Exists] and in lists.
//   - [File] is read at an offset, has a size, and is closed; it never shows other
//     bytes than those that it was opened with, and fails where it cannot. Memory
//     mapping ([File.Map]) is an offer.
//   - [Writer] may know its name only when it commits: its bytes are kept on this
//     machine until then.
//   - [Dir.Replace] gives a name other bytes only where it still holds what the
//     caller saw: an upload on a condition. Names that are not replaced so are put
//     by anybody and any number of times with the same bytes.
//   - There is no renaming, no appending, no lock that outlives a call, and no time
//     that a file was changed.
//
// # Names and transactions
//
// Which bytes count is decided in SQL, and bytes travel outside transactions:
//
//  1. Bytes are put under a name that follows from them, while no transaction waits.
//  2. The transaction that names them takes the lock of their room first, and looks
//     whether they are there (Exists: no bytes). Where a sweep was faster, they are
//     put again.
//  3. A sweep takes the same lock, and removes what nothing names.
//
// So a name in the database always has its bytes. Whoever dies between 1 and 2
// leaves an orphan that harms nobody, and that a later sweep removes.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
)

// Errors of this package; those returned wrap one of them or a system error
// together with the name concerned.
var (
	// ErrNotExist reports a name that holds nothing. It is fs.ErrNotExist.
	ErrNotExist = fs.ErrNotExist
	// ErrExist reports a key that is there already. It is fs.ErrExist.
	ErrExist = fs.ErrExist
	// ErrName reports a name that is no name: not slash-separated, not
	// clean, absolute, or reserved.
	ErrName = errors.New("not a valid file name")
	// ErrChanged reports a name that holds something else than the caller saw.
	ErrChanged = errors.New("it holds something else by now")
	// ErrTooLarge reports a file longer than the caller's limit.
	ErrTooLarge = errors.New("file is larger than allowed")
	// ErrLoose reports a key, or the folder of keys, that other accounts of
	// this machine may touch.
	ErrLoose = errors.New("other users may read or change it")
)

// Reserved names of the root: the folder of files that have no name yet, and the
// file that is locked by who replaces something.
const (
	tmpDir   = ".tmp"
	lockFile = ".lock"
)

// A Dir is a root folder of durable files. It is safe for concurrent use, by
// several processes too.
type Dir struct {
	root *os.Root
	sys  syscalls

	// onDisk holds the folders whose entries, up to the root, this process
	// has forced to disk. A folder that exists but is not here may have been
	// made by another process that has not yet synced it.
	onDisk sync.Map // folder name → struct{}
}

// syscalls are the steps at which a disk fails; tests make them fail.
type syscalls struct {
	sync   func(*os.File) error
	rename func(root *os.Root, oldname, newname string) error
}

var realSyscalls = syscalls{sync: (*os.File).Sync, rename: (*os.Root).Rename}

// watched are the real ones, with step called before each.
func watched(step func()) syscalls {
	return syscalls{
		sync: func(f *os.File) error {
			step()
			return realSyscalls.sync(f)
		},
		rename: func(root *os.Root, oldname, newname string) error {
			step()
			return realSyscalls.rename(root, oldname, newname)
		},
	}
}

// Watch has step called before each file or folder that d forces to disk, and
// before each name that it gives: the steps between which a process can die. It
// is for tests, which kill there, and is called before d is used.
func (d *Dir) Watch(step func()) { d.sys = watched(step) }

// Open opens the folder root, making it (mode 0700) where it is missing, and
// removes the temporary files that dead processes left in it.
func Open(root string) (*Dir, error) {
	if err := makeRoot(root); err != nil {
		return nil, fmt.Errorf("files: making %s: %w", root, err)
	}
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	d := &Dir{root: r, sys: realSyscalls}
	if err := r.Mkdir(tmpDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		r.Close()
		return nil, fmt.Errorf("files: making %s: %w", filepath.Join(root, tmpDir), err)
	}
	if err := sweep(r, tmpDir, "", nil); err != nil {
		r.Close()
		return nil, fmt.Errorf("files: sweeping %s: %w", filepath.Join(root, tmpDir), err)
	}
	return d, nil
}

// makeRoot makes the folder dir, mode 0700, with the folders above it, and
// forces each new one to disk.
func makeRoot(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return errors.New("it exists and is not a folder")
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeRoot(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer f.Close()
	return realSyscalls.sync(f)
}

// Close releases the root. Open files and writers of it stay usable.
func (d *Dir) Close() error { return d.root.Close() }

// checkName requires a slash-separated, clean, relative name that is not reserved.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." || first(name) == tmpDir || first(name) == lockFile || !filepath.IsLocal(filepath.FromSlash(name)) {
		return fmt.Errorf("files: %q: %w", name, ErrName)
	}
	return nil
}

// first returns the first element of a slash-separated name.
func first(name string) string {
	for i := range len(name) {
		if name[i] == '/' {
			return name[:i]
		}
	}
	return name
}

// Put makes name hold exactly data, durably, whatever it held before.
func (d *Dir) Put(name string, data []byte) error {
	w, err := d.Create(name)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Commit()
}

// A File is what a name held when it was opened: it never shows other bytes, also
// when the name is given others meanwhile. Once its name was removed it may fail
// instead ([ErrNotExist]); on this disk it does not.
//
// Reading is at an offset, and any number may do it at once. Who reads in order puts
// a section reader over it, and a buffer where the pieces are small: each ReadAt may
// be a request.
type File struct {
	r *io.SectionReader // of f, without what may grow behind it
	f *os.File
}

// Size returns the length in bytes.
func (f *File) Size() int64 { return f.r.Size() }

// ReadAt reads at an offset, as io.ReaderAt says.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.r.ReadAt(p, off) }

// Close releases the file.
func (f *File) Close() error { return f.f.Close() }

// Open opens what name holds; ErrNotExist where it holds nothing.
func (d *Dir) Open(name string) (*File, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	f, err := d.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, fmt.Errorf("files: opening %s: %w", name, bare(err))
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("files: opening %s: %w", name, bare(err))
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("files: opening %s: %w", name, ErrNotExist)
	}
	return &File{io.NewSectionReader(f, 0, info.Size()), f}, nil
}

// Get returns what name holds; ErrTooLarge, having read nothing, where that
// is more than limit bytes.
func (d *Dir) Get(name string, limit int64) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size() > limit {
		return nil, fmt.Errorf("files: reading %s, %d bytes, at most %d: %w", name, f.Size(), limit, ErrTooLarge)
	}
	data := make([]byte, f.Size())
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, f.Size()), data); err != nil {
		return nil, fmt.Errorf("files: reading %s: %w", name, bare(err))
	}
	return data, nil
}

// Exists reports whether name holds something.
func (d *Dir) Exists(name string) (bool, error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	info, err := d.root.Stat(filepath.FromSlash(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("files: looking for %s: %w", name, bare(err))
	}
	return info.Mode().IsRegular(), nil
}

// Remove makes name hold nothing, durably; ErrNotExist where it held nothing.
func (d *Dir) Remove(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := d.root.Remove(filepath.FromSlash(name)); err != nil {
		return fmt.Errorf("files: removing %s: %w", name, bare(err))
	}
	if err := d.syncDir(path.Dir(name)); err != nil {
		return fmt.Errorf("files: removing %s: %w", name, err)
	}
	return nil
}

// List returns the names of all files in folder and below it, sorted; none
// where the folder is missing. The folder "." is the root.
func (d *Dir) List(folder string) ([]string, error) {
	var names []string
	err := d.Walk(folder, func(name string) error {
		names = append(names, name)
		return nil
	})
	return names, err
}

// Walk calls visit with the names that [Dir.List] returns, in the same order,
// one at a time, and stops at its first error, which it returns as it is.
func (d *Dir) Walk(folder string, visit func(name string) error) error {
	if folder != "." {
		if err := checkName(folder); err != nil {
			return err
		}
	}
	var visitErr error
	err := fs.WalkDir(d.root.FS(), folder, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // the folder is missing, or was removed meanwhile
			}
			return err
		}
		if e.IsDir() {
			if name == tmpDir {
				return fs.SkipDir
			}
			return nil
		}
		if name == lockFile {
			return nil
		}
		visitErr = visit(name)
		return visitErr
	})
	if visitErr != nil {
		return visitErr
	}
	if err != nil {
		return fmt.Errorf("files: listing %s: %w", folder, bare(err))
	}
	return nil
}

// bare strips the operation and path that package os adds: callers here say
// both themselves, with the name as the caller knows it.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}
