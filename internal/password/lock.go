package password

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"shirase/internal/hint"
)

// lock takes the lock of the file path, or says that another process has it. The kernel drops it with the process.
func lock(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the corpora: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, hint.Add(ErrLocked, "wait until the other import or sync has ended")
		}
		return nil, fmt.Errorf("lock the corpora: %w", err)
	}
	return func() { f.Close() }, nil
}
