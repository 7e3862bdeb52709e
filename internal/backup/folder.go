package backup

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"shirase/internal/files"
	"shirase/internal/store"
)

// A folder of backups is known by a random id that lies in it, and not by where it is: two media are mounted at one place in turns, and a
// folder that was moved away is another one than that which is begun where it was. So of a copy of a key that is in another folder than
// the one that is there, nothing is said.

// folderID is the file with a folder's id.
const folderID = "folder-id"

const idBytes = 16

func newFolderID() string {
	b := make([]byte, idBytes)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// nextID is the file with the id that a folder is about to get in the place of the one that it was copied with: a process that is killed has it
// get that one.
const nextID = folderID + "-next"

// readFolderID gives a folder's id; "" where it has none, or something that is none: it is then another folder, of which nothing is known.
func readFolderID(d *files.Dir) (string, error) { return readID(d, folderID) }

func readID(d *files.Dir, file string) (string, error) {
	b, err := d.Get(file, 4*idBytes)
	if errors.Is(err, files.ErrNotExist) || errors.Is(err, files.ErrTooLarge) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(b))
	if len(id) != 2*idBytes || strings.Trim(id, "0123456789abcdef") != "" {
		return "", nil
	}
	return id, nil
}

// enter gives the id of the folder that is at a place, which it gets where it has none, and records that it is there: both before a copy of a
// key is made in it. Whoever calls it has taken the folder.
func (r *Register) enter(ctx context.Context, d *files.Dir, place string) (string, error) {
	id, err := readFolderID(d)
	if err != nil {
		return "", err
	}
	was, known := "", false
	if id != "" {
		if known, err = r.knows(ctx, id); err != nil {
			return "", err
		}
		cloned, err := r.cloned(ctx, d, id)
		if err != nil {
			return "", err
		}
		if cloned {
			return r.part(ctx, d, id, place)
		}
	}
	if !known { // it may be of before folders had ids, or the register may have been brought back from before it had one
		if was, err = r.before(ctx, d, place); err != nil {
			return "", err
		}
	}
	if id == "" {
		id = newFolderID()
		if err := d.Put(folderID, []byte(id+"\n")); err != nil {
			return "", err
		}
	}
	return id, r.seen(ctx, d, id, place, was)
}

// part gives a folder that was copied an id of its own. What of the other one's copies lies in it is recorded of it, too, before it has the id.
func (r *Register) part(ctx context.Context, d *files.Dir, other, place string) (string, error) {
	id, err := readID(d, nextID)
	if err != nil {
		return "", err
	}
	if id == "" || id == other {
		id = newFolderID()
		if err := d.Put(nextID, []byte(id+"\n")); err != nil {
			return "", err
		}
	}
	before, err := r.copies(ctx, `WHERE folder = $1`, other)
	if err != nil {
		return "", err
	}
	for _, c := range before {
		there, err := d.Exists(c.File)
		if err == nil && there {
			_, err = r.db.ExecContext(ctx, `INSERT INTO backup_copy (folder, file, name, recipient, place, made_at, gone_at) VALUES ($1, $2, $3, $4, $5, $6, 0)
				ON CONFLICT (folder, file) DO NOTHING`, id, c.File, c.Key, c.Recipient, place, store.Micros(c.Made))
		}
		if err != nil {
			return "", err
		}
	}
	if err := r.seen(ctx, d, id, place, ""); err != nil {
		return "", err
	}
	if err := d.Put(folderID, []byte(id+"\n")); err != nil {
		return "", err
	}
	return id, d.Remove(nextID)
}

// cloned reports that a folder is not the one that backups were made to last by its id, but one that was copied from it before, or that it was
// copied from: its newest backup is not the newest that was made there. Where it has more than the register knows of, that was brought back.
func (r *Register) cloned(ctx context.Context, d *files.Dir, id string) (bool, error) {
	var newest string
	var number int64
	err := r.db.QueryRowContext(ctx, `SELECT id, number FROM backup_made WHERE folder = $1 ORDER BY number DESC, made_at DESC LIMIT 1`, id).Scan(&newest, &number)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	list, err := manifests(d)
	if err != nil && !errors.Is(err, ErrNone) {
		return false, err
	}
	last := int64(0)
	for _, name := range list {
		n, of, _ := strings.Cut(path.Base(name), "-")
		if of == newest {
			return false, nil
		}
		if last, err = strconv.ParseInt(n, 10, 64); err != nil {
			return false, err
		}
	}
	return last <= number, nil
}

func (r *Register) knows(ctx context.Context, id string) (bool, error) {
	var n int
	err := r.db.QueryRowContext(ctx, `SELECT count(*) FROM backup_folder WHERE id = $1`, id).Scan(&n)
	return n > 0, err
}

// before gives the place by which the register names a folder whose id it does not know: where backups that are in it were made, or, where none was made
// whole there, the place itself, if a copy that is recorded there is in it. "" where the register knows nothing of it.
func (r *Register) before(ctx context.Context, d *files.Dir, place string) (string, error) {
	list, err := manifests(d)
	if err != nil && !errors.Is(err, ErrNone) {
		return "", err
	}
	for _, name := range list {
		if len(name) < 64 {
			continue
		}
		var was string
		err := r.db.QueryRowContext(ctx, `SELECT place FROM backup_made WHERE id = $1 AND folder = ''`, name[len(name)-64:]).Scan(&was)
		if err == nil {
			return was, nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return "", err
		}
	}
	var n int
	if err := r.db.QueryRowContext(ctx, `SELECT count(*) FROM backup_made WHERE place = $1 AND folder = ''`, place).Scan(&n); err != nil || n > 0 {
		return "", err
	}
	copies, err := r.copies(ctx, `WHERE folder = $1 AND gone_at = 0`, place)
	for _, c := range copies {
		if there, err := d.Exists(c.File); err != nil || there {
			return place, err
		}
	}
	return "", err
}

// seen records that a folder is at a place. What was recorded by the place alone, before folders had ids, is recorded of the folder, too; and
// once as many folders were seen again as were begun at that place, of them only.
func (r *Register) seen(ctx context.Context, d *files.Dir, id, place, was string) error {
	var old []Copy
	var err error
	if was != "" {
		if old, err = r.copies(ctx, `WHERE folder = $1`, was); err != nil {
			return err
		}
	}
	there := map[string]bool{}
	for _, c := range old {
		if there[c.File], err = d.Exists(c.File); err != nil {
			return err
		}
	}
	err = r.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO backup_folder (id, place, at, was) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id, place) DO UPDATE SET at = excluded.at`, id, place, store.Micros(r.now()), was); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE backup_copy SET place = $2 WHERE folder = $1 AND place <> $2`, id, place); err != nil {
			return err
		}
		if was == "" {
			return nil
		}
		for _, c := range old {
			gone := c.gone
			if there[c.File] {
				gone = 0
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO backup_copy (folder, file, name, recipient, place, made_at, gone_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (folder, file) DO NOTHING`, id, c.File, c.Key, c.Recipient, place, store.Micros(c.Made), gone); err != nil {
				return err
			}
		}
		var begun, again int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM backup_made WHERE place = $1 AND number = 1 AND folder = ''`, was).Scan(&begun); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(DISTINCT id) FROM backup_folder WHERE was = $1`, was).Scan(&again); err != nil {
			return err
		}
		if again < max(begun, 1) {
			return nil
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM backup_copy WHERE folder = $1`, was)
		return err
	})
	if err != nil {
		return fmt.Errorf("record which folder is at %s: %w", place, err)
	}
	return nil
}

// at is a folder that is there.
type at struct {
	id, place string
}

// reach gives the folders that the register knows and that are there, at every place where it knows of one, and why there is none at the others.
// A place that is empty, as that of a medium that is not mounted, is not written to.
func (r *Register) reach(ctx context.Context) (found []at, away map[string]error, err error) {
	places, err := store.Column[string](ctx, r.db, `SELECT place FROM backup_folder UNION SELECT place FROM backup_copy UNION SELECT place FROM backup_made ORDER BY place`)
	if err != nil {
		return nil, nil, err
	}
	away = map[string]error{}
	for _, place := range places {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		id, err := r.find(ctx, place)
		if err != nil {
			away[place] = err
			continue
		}
		found = append(found, at{id, place})
	}
	return found, away, ctx.Err()
}

// find gives the id of a folder at a place, if it is one that the register knows. One that has no id yet gets one.
func (r *Register) find(ctx context.Context, place string) (string, error) {
	if _, err := os.Stat(place); err != nil {
		return "", errAway
	}
	d, err := files.OpenRead(place)
	if err != nil {
		return "", err
	}
	defer d.Close()
	id, err := readFolderID(d)
	if err != nil {
		return "", err
	}
	if id != "" {
		known, err := r.knows(ctx, id)
		if err != nil {
			return "", err
		}
		cloned, err := r.cloned(ctx, d, id)
		if err != nil {
			return "", err
		}
		if cloned {
			return r.enterAt(ctx, place)
		}
		if known {
			return id, r.seen(ctx, d, id, place, "")
		}
	}
	was, err := r.before(ctx, d, place)
	if err != nil {
		return "", err
	}
	if was == "" {
		return "", errOther
	}
	return r.enterAt(ctx, place)
}

// enterAt is enter of a folder that nobody has taken.
func (r *Register) enterAt(ctx context.Context, place string) (string, error) {
	out, err := files.Open(place)
	if err != nil {
		return "", err
	}
	defer out.Close()
	release, err := busy(out)
	if err != nil {
		return "", errBusy
	}
	defer release()
	return r.enter(ctx, out, place)
}
