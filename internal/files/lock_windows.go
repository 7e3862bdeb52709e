package files

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// Windows keeps an open file from being removed, which is all that a temporary
// file's lock is for; it has no sync for folders and no permission bits.

func tryLock(*os.File) (bool, error)            { return true, nil }
func syncFolder(f *os.File, sys syscalls) error { return nil }
func foreign(fs.FileInfo) bool                  { return false }

// waitLock waits for the exclusive lock on f that lasts until f is closed or its
// process ends.
func waitLock(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, new(windows.Overlapped))
}

const permissions = false
