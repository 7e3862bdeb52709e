package files

import (
	"fmt"
	"os"
)

// Lock takes the exclusive lock that the file name stands for, until release
// or the end of the process. ok is false where a living process holds it.
func (d *Dir) Lock(name string) (release func(), ok bool, err error) {
	if err := checkName(name); err != nil {
		return nil, false, err
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("files: locking %s: %w", name, bare(err))
	}
	if ok, err = tryLock(f); err != nil || !ok {
		f.Close()
		if err != nil {
			err = fmt.Errorf("files: locking %s: %w", name, bare(err))
		}
		return nil, false, err
	}
	return func() { f.Close() }, true, nil
}
