package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Replace makes the file at path hold exactly data, durably, as [Dir.Put] does in a folder of ours; what is not there yet
// is made, mode 0600. A file that is there keeps its owner and its mode, and a symbolic link goes on leading where it led.
func Replace(path string, data []byte) error { return replace(path, data, realSyscalls) }

func replace(path string, data []byte, sys syscalls) error {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	folder, name := filepath.Split(filepath.Clean(path))
	if folder == "" {
		folder = "."
	}
	if err := replaceIn(folder, name, data, sys); err != nil {
		return fmt.Errorf("files: writing %s: %w", path, bare(err))
	}
	return nil
}

func replaceIn(folder, name string, data []byte, sys syscalls) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	prefix := "." + name + "."
	if err := sweep(root, ".", prefix, nil); err != nil {
		return err
	}
	f, tmp, err := createTemp(root, ".", prefix)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := fill(root, f, name, data, sys); err != nil {
		return errors.Join(err, root.Remove(tmp))
	}
	if err := sys.rename(root, tmp, name); err != nil {
		return errors.Join(err, root.Remove(tmp))
	}
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return sys.sync(dir)
}

// fill writes what a file is to hold, and gives it owner and mode of the one that has its name.
func fill(root *os.Root, f *os.File, name string, data []byte, sys syscalls) error {
	switch before, err := root.Stat(name); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if st, ok := before.Sys().(*syscall.Stat_t); ok && foreignTo(f, st) {
			if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
				return err
			}
		}
		if err := f.Chmod(before.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return sys.sync(f)
}

// foreignTo reports whether a file belongs to others than st says.
func foreignTo(f *os.File, st *syscall.Stat_t) bool {
	info, err := f.Stat()
	if err != nil {
		return true
	}
	own, ok := info.Sys().(*syscall.Stat_t)
	return !ok || own.Uid != st.Uid || own.Gid != st.Gid
}
