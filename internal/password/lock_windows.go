package password

import (
	"fmt"
	"os"

	"shirase/internal/hint"
)

// lock opens the file path for this process alone. Where it is open already, this fails.
func lock(path string) (release func(), err error) {
	os.Remove(path) // fails while another process has it open
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("%w: %w", ErrLocked, err), "wait until the other import or sync has ended")
	}
	return func() { f.Close() }, nil
}
