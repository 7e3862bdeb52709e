package files

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"
)

// ErrHeld reports work that another process, or another part of this one, is at. It is a [HeldError].
var ErrHeld = errors.New("somebody else is at it")

// A HeldError says who is at it.
type HeldError struct{ Who string }

func (e *HeldError) Error() string { return e.Who + ": " + ErrHeld.Error() }
func (e *HeldError) Unwrap() error { return ErrHeld }

// Hint is what to do about it.
func (e *HeldError) Hint() string { return "wait until that has ended, and run it again" }

// maxHeld bounds what a holder says of itself, in bytes.
const maxHeld = 256

// Hold is [Dir.Lock] for work that takes a while: whoever comes second is told what is done, by which process and since when. The
// file stays, empty, and its folder is made.
func (d *Dir) Hold(name, what string) (release func(), err error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := d.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return nil, fmt.Errorf("files: holding %s: %w", name, bare(err))
	}
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("files: holding %s: %w", name, bare(err))
	}
	ok, err := tryLock(f)
	if err == nil && !ok {
		said, _ := io.ReadAll(io.LimitReader(f, maxHeld))
		who := strings.TrimSpace(string(said))
		if who == "" {
			who = "another process"
		}
		err = &HeldError{who}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	// What it says is for people, and is no part of the lock: where the disk is full the lock holds all the same.
	f.Truncate(0)
	fmt.Fprintf(f, "%.160s (process %d, since %s)", what, os.Getpid(), time.Now().UTC().Format("15:04:05 UTC"))
	return func() {
		f.Truncate(0)
		f.Close()
	}, nil
}
