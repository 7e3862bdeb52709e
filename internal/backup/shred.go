package backup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"shirase/internal/files"
	"shirase/internal/store"
)

// Unreached is a sealed copy of a key that could not be destroyed where it is.
type Unreached struct {
	Copy
	Why error
}

// Destroy destroys the sealed copies of a key in every folder of backups that the register knows and that is there, and gives how many
// are gone now, ever since the register was begun, and those that were not reached. A copy counts as gone where this program has removed
// it, or where its folder is there and holds no such file: it is told by the id that lies in it, so that neither an empty place nor another
// medium at that place says anything of it. Called again it looks into every folder anew, also for copies that were gone.
func (r *Register) Destroy(ctx context.Context, key string) (gone int64, left []Unreached, err error) {
	found, away, err := r.reach(ctx)
	if err != nil {
		return 0, nil, fmt.Errorf("backup: look for the folders: %w", err)
	}
	why := map[string]error{} // by folder: nil where it was reached
	for _, f := range found {
		if err := ctx.Err(); err != nil {
			return 0, nil, err
		}
		if err := r.clear(ctx, f, key); err != nil || why[f.id] == nil { // a folder may have been copied to another place, with its id
			why[f.id] = err
		}
	}
	copies, err := r.Copies(ctx, key)
	if err != nil {
		return 0, nil, err
	}
	for _, c := range copies {
		reason, there := why[c.folder]
		switch {
		case there && reason == nil: // found gone
			if _, err := r.db.ExecContext(ctx, `UPDATE backup_copy SET gone_at = $3 WHERE folder = $1 AND file = $2 AND gone_at = 0`, c.folder, c.File, store.Micros(r.now())); err != nil {
				return 0, nil, fmt.Errorf("backup: record that a copy is gone: %w", err)
			}
			continue
		case !there:
			if reason = away[c.Place]; reason == nil {
				reason = errOther
			}
		}
		left = append(left, Unreached{c, reason})
	}
	if err := r.db.QueryRowContext(ctx, `SELECT count(*) FROM backup_copy WHERE name = $1 AND gone_at > 0`, key).Scan(&gone); err != nil {
		return 0, nil, fmt.Errorf("backup: count the copies that are gone: %w", err)
	}
	return gone, left, nil
}

var (
	errAway  = errors.New("the folder is not there")
	errOther = errors.New("another folder is there, or none that holds backups of this instance")
	errBusy  = errors.New("a backup is being written to the folder")
)

// clear removes all copies of a key from a folder, those too that the register does not name, or names as gone: a folder may have been brought
// back, and so may the register.
func (r *Register) clear(ctx context.Context, f at, key string) error {
	from, err := files.OpenRead(f.place)
	if err != nil {
		return err
	}
	defer from.Close()
	list, err := sealedCopies(from, key)
	if err != nil {
		return err
	}
	for _, file := range list { // before it is tried: it is there
		if _, err := r.db.ExecContext(ctx, `INSERT INTO backup_copy (folder, file, name, recipient, place, made_at, gone_at) VALUES ($1, $2, $3, '', $4, $5, 0)
			ON CONFLICT (folder, file) DO UPDATE SET gone_at = 0`, f.id, file, key, f.place, store.Micros(r.now())); err != nil {
			return err
		}
	}
	dir, err := files.Open(f.place)
	if err != nil {
		return err
	}
	defer dir.Close()
	release, err := busy(dir) // a backup that is being written may be about to make the copy again
	if err != nil {
		return errBusy
	}
	defer release()
	if id, err := readFolderID(dir); err != nil || id != f.id { // another medium since it was looked at
		return errors.Join(err, errOther)
	}
	if list, err = sealedCopies(dir, key); err != nil {
		return err
	}
	for _, file := range list {
		if err := dir.Remove(file); err != nil && !errors.Is(err, files.ErrNotExist) {
			return err
		}
	}
	return nil
}

// sealedCopies lists the sealed copies of a key in a folder.
func sealedCopies(dir *files.Dir, key string) (out []string, err error) {
	list, err := dir.List("keys")
	for _, file := range list {
		if keyOf(file) == key {
			out = append(out, file)
		}
	}
	return out, err
}

// keyOf gives the name of the key that a file in a folder is a sealed copy of.
func keyOf(file string) string {
	name := strings.TrimSuffix(strings.TrimPrefix(file, "keys/"), ".age")
	return strings.TrimSuffix(name, filepath.Ext(name))
}
