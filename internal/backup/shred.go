package backup

import (
	"context"
	"errors"
	"fmt"
	"os"

	"shirase/internal/files"
	"shirase/internal/store"
)

// Unreached is a sealed copy of a key that could not be destroyed where it is.
type Unreached struct {
	Copy
	Why error
}

// Destroy destroys the sealed copies of a key in every folder of backups that the register names and that is there, and gives how many
// are gone now, ever since the register was begun, and those that were not reached. A copy counts as gone where this program has removed
// it, or where its folder is there, holds backups that the register knows, and holds no such file: a folder that is empty, as the place
// of a medium that is not mounted, says nothing. Called again it goes on with what is left.
func (r *Register) Destroy(ctx context.Context, key string) (gone int64, left []Unreached, err error) {
	copies, err := r.Copies(ctx, key)
	if err != nil {
		return 0, nil, err
	}
	for _, c := range copies {
		if err := ctx.Err(); err != nil {
			return 0, nil, err
		}
		if why := r.destroy(ctx, c); why != nil {
			left = append(left, Unreached{c, why})
			continue
		}
		if _, err := r.db.ExecContext(ctx, `UPDATE backup_key SET gone_at = $4 WHERE name = $1 AND recipient = $2 AND place = $3 AND gone_at = 0`,
			c.Key, c.Recipient, c.Place, store.Micros(r.now())); err != nil {
			return 0, nil, fmt.Errorf("backup: record that a copy is gone: %w", err)
		}
	}
	if err := r.db.QueryRowContext(ctx, `SELECT count(*) FROM backup_key WHERE name = $1 AND gone_at > 0`, key).Scan(&gone); err != nil {
		return 0, nil, fmt.Errorf("backup: count the copies that are gone: %w", err)
	}
	return gone, left, nil
}

var (
	errAway  = errors.New("the folder is not there")
	errOther = errors.New("the folder holds no backup of this instance")
	errBusy  = errors.New("a backup is being written to the folder")
)

// destroy removes one copy, or says why it cannot be said to be gone.
func (r *Register) destroy(ctx context.Context, c Copy) error {
	if _, err := os.Stat(c.Place); err != nil {
		return errAway
	}
	known, there, err := r.look(ctx, c) // without writing: what is there may be the place of a medium that is not mounted
	if err != nil {
		return err
	}
	if !known && !there {
		return errOther
	}
	dir, err := files.Open(c.Place)
	if err != nil {
		return err
	}
	defer dir.Close()
	release, err := busy(dir) // a backup that is being written may be about to make the copy again
	if err != nil {
		return errBusy
	}
	defer release()
	if err := dir.Remove(c.File); err != nil && !errors.Is(err, files.ErrNotExist) {
		return err
	}
	return nil
}

// look says of a copy whether its folder holds backups that the register knows, and whether the copy is there.
func (r *Register) look(ctx context.Context, c Copy) (known, there bool, err error) {
	dir, err := files.OpenRead(c.Place)
	if err != nil {
		return false, false, err
	}
	defer dir.Close()
	list, err := manifests(dir)
	if err != nil && !errors.Is(err, ErrNone) {
		return false, false, err
	}
	if known, err = r.holds(ctx, c.Place, list); err != nil {
		return false, false, err
	}
	there, err = dir.Exists(c.File)
	return known, there, err
}

// holds reports whether one of these manifests is of a backup that the register knows.
func (r *Register) holds(ctx context.Context, place string, list []string) (bool, error) {
	made, err := r.db.QueryContext(ctx, `SELECT id FROM backup_made WHERE place = $1`, place)
	if err != nil {
		return false, err
	}
	defer made.Close()
	ids := map[string]bool{}
	for made.Next() {
		var id string
		if err := made.Scan(&id); err != nil {
			return false, err
		}
		ids[id] = true
	}
	for _, name := range list {
		if len(name) > 64 && ids[name[len(name)-64:]] {
			return true, made.Err()
		}
	}
	return false, made.Err()
}
