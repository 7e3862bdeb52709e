package files

import (
	"io/fs"
	"os"
)

// Windows keeps an open file from being removed, which is all that the lock is
// for; it has no sync for folders and no permission bits.

func tryLock(*os.File) (bool, error)            { return true, nil }
func syncFolder(f *os.File, sys syscalls) error { return nil }
func foreign(fs.FileInfo) bool                  { return false }

const permissions = false
