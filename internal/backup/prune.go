package backup

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// Pruned is what was dropped from a folder of backups.
type Pruned struct {
	Backups int   `json:"backups"`
	Objects int   `json:"objects"` // files that only those backups named, or none
	Bytes   int64 `json:"bytes"`
}

// Prune drops all but the newest keep backups of a folder, and then what no backup names any more. Nothing is dropped where one
// of those that stay cannot be read: what it names would go too. A process that is killed leaves whole backups and some files
// that the next Prune removes. Sealed copies of keys stay: they are in no backup.
//
// Errors: ErrNone, ErrDamaged, ErrForeign, ErrBusy.
func Prune(ctx context.Context, place, ledgerKey string, keep int) (Pruned, error) {
	out, err := prune(ctx, place, ledgerKey, keep)
	if err != nil {
		return out, fmt.Errorf("drop old backups from %s: %w", place, err)
	}
	return out, nil
}

func prune(ctx context.Context, place, ledgerKey string, keep int) (out Pruned, err error) {
	if keep < 1 {
		return out, errors.New("at least one backup is kept")
	}
	d, err := files.Open(place)
	if err != nil {
		return out, err
	}
	defer d.Close()
	release, err := busy(d)
	if err != nil {
		return out, err
	}
	defer release()
	list, err := manifests(d)
	if err != nil || len(list) <= keep {
		return out, err
	}
	old, stay := list[:len(list)-keep], list[len(list)-keep:]
	named := map[string]bool{}
	for _, name := range stay {
		m, err := readManifest(d, name)
		if err != nil {
			return out, err
		}
		if m.LedgerKey != ledgerKey {
			return out, hint.Add(ErrForeign, "name that instance's --data")
		}
		for _, e := range append(m.Files, m.Database) {
			named[object(e.SHA256)] = true
		}
	}
	for _, name := range old {
		if err := d.Remove(name); err != nil {
			return out, err
		}
		out.Backups++
	}
	objects, err := d.List("objects")
	if err != nil {
		return out, err
	}
	for _, name := range objects {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if named[name] || !isObject(name) {
			continue
		}
		f, err := d.Open(name)
		if err != nil {
			return out, err
		}
		size := f.Size()
		f.Close()
		if err := d.Remove(name); err != nil {
			return out, err
		}
		out.Objects++
		out.Bytes += size
	}
	return out, nil
}

// isObject reports whether a file in objects has the name of one.
func isObject(name string) bool {
	sum := path.Base(name)
	return len(sum) == 64 && strings.Trim(sum, "0123456789abcdef") == "" && name == object(sum)
}

// ErrBusy reports a folder of backups that another process writes to.
var ErrBusy = errors.New("another backup is being written there")

// busy takes the folder for one writer, until release or the end of the process.
func busy(d *files.Dir) (release func(), err error) {
	release, ok, err := d.Lock("lock")
	if err == nil && !ok {
		err = hint.Add(ErrBusy, "wait until it has ended")
	}
	return release, err
}
