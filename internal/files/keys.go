package files

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// maxKey bounds a key file: far above any key, far below harm.
const maxKey = 64 << 10

// Prefixes of files in a folder of keys that have no name yet, or none left.
const (
	newKey  = ".new-"
	goneKey = ".gone-"
)

var keyName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`)

// maxKeyName is not in the pattern: every start of every command would pay for so many repetitions.
const maxKeyName = 200

func validKeyName(name string) bool { return len(name) <= maxKeyName && keyName.MatchString(name) }

// Keys is a folder of secret keys, one a file. Whoever can read the folder
// has the keys, so it lives outside the data folder and its backups, and is
// refused unless only its owner can touch it.
type Keys struct {
	root *os.Root
	dir  string
	sys  syscalls
}

// OpenKeys opens the folder dir, making it (mode 0700) where it is missing.
// ErrLoose, with a hint, where others than its owner may touch it.
func OpenKeys(dir string) (*Keys, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if err := makeRoot(dir); err != nil {
		return nil, fmt.Errorf("keys: making %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	k := &Keys{root: root, dir: dir, sys: realSyscalls}
	if err := k.open(); err != nil {
		root.Close()
		return nil, err
	}
	return k, nil
}

func (k *Keys) open() error {
	info, err := k.root.Stat(".")
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := private(k.dir, info, "700"); err != nil {
		return err
	}
	// A key that was being made: its name, if it has one, keeps the bytes.
	if err := sweep(k.root, ".", newKey, nil); err != nil {
		return fmt.Errorf("keys: sweeping %s: %w", k.dir, err)
	}
	// A key that was being destroyed: finish.
	if err := sweep(k.root, ".", goneKey, k.wipe); err != nil {
		return fmt.Errorf("keys: sweeping %s: %w", k.dir, err)
	}
	return nil
}

// Watch is [Dir.Watch] of a folder of keys.
func (k *Keys) Watch(step func()) { k.sys = watched(step) }

// Close releases the folder.
func (k *Keys) Close() error { return k.root.Close() }

// path is where key name is, for messages.
func (k *Keys) path(name string) string { return filepath.Join(k.dir, name) }

func checkKeyName(name string) error {
	if !validKeyName(name) {
		return fmt.Errorf("keys: %q: %w", name, ErrName)
	}
	return nil
}

// Create stores a new key, durably, readable by its owner only. ErrExist,
// changing nothing, where the name is taken: a key is never replaced.
func (k *Keys) Create(name string, secret []byte) error {
	if err := checkKeyName(name); err != nil {
		return err
	}
	if len(secret) > maxKey {
		return fmt.Errorf("keys: creating %s: %d bytes: %w", k.path(name), len(secret), ErrTooLarge)
	}
	if err := k.create(name, secret); err != nil {
		return fmt.Errorf("keys: creating %s: %w", k.path(name), bare(err))
	}
	return nil
}

func (k *Keys) create(name string, secret []byte) error {
	f, tmp, err := createTemp(k.root, ".", newKey)
	if err != nil {
		return err
	}
	defer f.Close()
	defer k.root.Remove(tmp) // before the lock is dropped
	if _, err := f.Write(secret); err != nil {
		return err
	}
	if err := k.sys.sync(f); err != nil {
		return err
	}
	// A link, unlike a rename, fails where the name exists, in one step.
	if err := k.root.Link(tmp, name); err != nil {
		return err
	}
	return k.syncFolder()
}

// Random gives the secret of size random bytes that a file holds as base64url, and makes it where there is none yet: of several processes that do
// so at once all get the same one. Errors: those of Load and Create.
func (k *Keys) Random(name string, size int) ([]byte, error) {
	text, err := k.Load(name)
	if errors.Is(err, ErrNotExist) {
		fresh := make([]byte, size)
		rand.Read(fresh)
		text = []byte(base64.RawURLEncoding.EncodeToString(fresh) + "\n")
		if err = k.Create(name, text); errors.Is(err, ErrExist) { // another process was faster
			text, err = k.Load(name)
		}
	}
	if err != nil {
		return nil, err
	}
	secret, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != size {
		return nil, fmt.Errorf("keys: %s holds no key", k.path(name))
	}
	return secret, nil
}

// Load returns a key; ErrNotExist where there is none, ErrLoose with a hint
// where others than its owner may touch it.
func (k *Keys) Load(name string) ([]byte, error) {
	if err := checkKeyName(name); err != nil {
		return nil, err
	}
	f, err := k.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("keys: loading %s: %w", k.path(name), bare(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: loading %s: %w", k.path(name), bare(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("keys: loading %s: not a file: %w", k.path(name), ErrNotExist)
	}
	if err := private(k.path(name), info, "600"); err != nil {
		return nil, err
	}
	if info.Size() > maxKey {
		return nil, fmt.Errorf("keys: loading %s: %d bytes: %w", k.path(name), info.Size(), ErrTooLarge)
	}
	secret := make([]byte, info.Size())
	if _, err := io.ReadFull(f, secret); err != nil {
		return nil, fmt.Errorf("keys: loading %s: %w", k.path(name), bare(err))
	}
	return secret, nil
}

// Destroy takes a key away for good: its name goes first, durably, then its
// bytes are overwritten in place and the file is removed. What a file system
// that copies on write or a drive that moves its blocks still holds of the
// bytes is out of a program's reach; so are backups of the folder. One that
// was cut short after the name had gone is gone on with, whoever began it:
// ErrNotExist says that nothing of the key is left here.
func (k *Keys) Destroy(name string) error {
	if err := checkKeyName(name); err != nil {
		return err
	}
	if err := k.destroy(name); err != nil {
		return fmt.Errorf("keys: destroying %s: %w", k.path(name), bare(err))
	}
	return nil
}

func (k *Keys) destroy(name string) error {
	gone := goneKey + name
	begun, err := k.goOn(gone)
	if err != nil {
		return err
	}
	f, err := k.root.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) { // another process may have renamed it in between
		late, goingOn := k.goOn(gone)
		if goingOn != nil || begun || late {
			return errors.Join(goingOn, k.syncFolder())
		}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	// The lock keeps a sweeper in another process off until all is done.
	if locked, err := tryLock(f); err != nil {
		return err
	} else if !locked {
		return errors.New("another process is making or destroying it")
	}
	if err := k.sys.rename(k.root, name, gone); err != nil {
		return err
	}
	if err := k.syncFolder(); err != nil {
		return err
	}
	if err := k.wipe(f); err != nil {
		return err
	}
	if err := k.root.Remove(gone); err != nil {
		return err
	}
	return k.syncFolder()
}

// goOn finishes to destroy a key whose name has gone, and reports whether
// there was one.
func (k *Keys) goOn(gone string) (bool, error) {
	f, err := k.root.OpenFile(gone, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	if locked, err := tryLock(f); err != nil {
		return false, err
	} else if !locked {
		return false, errors.New("another process is destroying it")
	}
	if err := k.wipe(f); err != nil {
		return false, err
	}
	if err := k.root.Remove(gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return true, nil
}

// wipe overwrites what f holds, durably.
func (k *Keys) wipe(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(make([]byte, min(info.Size(), maxKey)), 0); err != nil {
		return err
	}
	return k.sys.sync(f)
}

// List returns the names of all keys, sorted.
func (k *Keys) List() ([]string, error) {
	entries, err := fs.ReadDir(k.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("keys: listing %s: %w", k.dir, bare(err))
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && validKeyName(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (k *Keys) syncFolder() error {
	f, err := k.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return k.sys.sync(f)
}

// private refuses what anybody but its owner may touch, and what belongs to
// another account. mode is the mode to advise.
func private(path string, info fs.FileInfo, mode string) error {
	if foreign(info) {
		return &looseError{path, "it belongs to another user",
			fmt.Sprintf("chown it to the user that runs shirase, then: chmod %s %s", mode, path)}
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return &looseError{path, fmt.Sprintf("its mode is %04o", perm),
			fmt.Sprintf("chmod %s %s", mode, path)}
	}
	return nil
}

// looseError is an ErrLoose with its remedy.
type looseError struct{ path, why, hint string }

func (e *looseError) Error() string {
	return fmt.Sprintf("keys: %s: %v: %s", e.path, ErrLoose, e.why)
}
func (e *looseError) Unwrap() error { return ErrLoose }
func (e *looseError) Hint() string  { return e.hint }
