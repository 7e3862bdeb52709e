package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// Brought is what came back of single files.
type Brought struct {
	Files  []string  `json:"files"`  // that were missing or had other bytes than in the backup
	Same   int       `json:"same"`   // that are as they were in every backup
	Number int64     `json:"number"` // of the backup that they came from
	Made   time.Time `json:"made"`
}

// Only brings single files of a data folder back in place of what is there: name is a file or a folder in it, by slashes. They
// are taken from the newest backup in which they are not as they are now, so that a copy of what was damaged already is
// passed over. Each is compared with the manifest before it gets its name, and what says which others are in use comes last.
// ledgerKey says whose backups they have to be; "" where that cannot be known. sums has the SHA-256, in hex, of files of which
// that is known: a copy that is not it is passed over; it may be nil. Files of which ended says that they were destroyed for ever are not
// brought back; it may be nil.
//
// The database and the ledger's files do not come back alone (ErrPlace): they are of one moment. Errors: ErrNone, ErrForeign,
// ErrDamaged, ErrPlace.
func Only(ctx context.Context, place, data, ledgerKey, name string, sums map[string]string, ended func(name string) bool) (Brought, error) {
	out, err := only(ctx, place, data, ledgerKey, name, sums, ended)
	if err != nil {
		return out, fmt.Errorf("bring back %s from %s: %w", name, place, err)
	}
	return out, nil
}

func only(ctx context.Context, place, data, ledgerKey, name string, sums map[string]string, ended func(name string) bool) (Brought, error) {
	out := Brought{Files: []string{}}
	name = path.Clean(strings.TrimSuffix(name, "/"))
	within := func(folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }
	switch {
	case !fs.ValidPath(name) || name == ".", within("files") && !strings.Contains(name, "/"):
		return out, hint.Add(fmt.Errorf("%w: name a file or folder within the data folder", ErrPlace), "for example --only files/rosters, or the name that shirase doctor says")
	case within(ledgerDir):
		return out, hint.Add(fmt.Errorf("%w: the ledger's files are written anew from the database", ErrPlace), "shirase ledger repair")
	case name == database || !kept(name):
		return out, hint.Add(fmt.Errorf("%w: the database comes back with everything else", ErrPlace), "restore into another folder: shirase restore SRC --data OTHER")
	}
	from, err := files.OpenRead(place)
	if err != nil {
		return out, hint.Add(fmt.Errorf("%w: %w", ErrNone, err), "name the folder that shirase backup wrote to")
	}
	defer from.Close()
	list, err := manifests(from)
	if err != nil {
		return out, err
	}
	dir, err := files.Open(data)
	if err != nil {
		return out, err
	}
	defer dir.Close()
	there := false
	for _, file := range slices.Backward(list) {
		m, err := readManifest(from, file)
		if err != nil {
			return out, err
		}
		if ledgerKey != "" && m.LedgerKey != ledgerKey {
			return out, hint.Add(ErrForeign, "name that instance's data folder with --data")
		}
		entries := slices.DeleteFunc(slices.Clone(m.Files), func(e Entry) bool {
			return e.Name != name && !strings.HasPrefix(e.Name, name+"/") || sums[e.Name] != "" && sums[e.Name] != e.SHA256 || ended != nil && ended(e.Name)
		})
		there = there || len(entries) > 0
		if out.Same, err = differing(ctx, dir, &entries); err != nil {
			return out, err
		}
		if len(entries) > 0 {
			out.Number, out.Made = m.Number, m.Made
			return out, bring(ctx, from, dir, entries, &out)
		}
	}
	if !there {
		return out, hint.Add(fmt.Errorf("%w of it", ErrNone), "its name is as shirase doctor says it, within the data folder")
	}
	return out, nil
}

// differing leaves those entries whose files are not as they are in the backup, and counts the others.
func differing(ctx context.Context, dir *files.Dir, entries *[]Entry) (same int, err error) {
	var rest []Entry
	for _, e := range *entries {
		sum, err := sumOf(ctx, dir, e.Name)
		if err != nil && !errors.Is(err, files.ErrNotExist) {
			return same, err
		}
		if sum == e.SHA256 {
			same++
		} else {
			rest = append(rest, e)
		}
	}
	*entries = rest
	return same, nil
}

func sumOf(ctx context.Context, dir *files.Dir, name string) (string, error) {
	f, err := dir.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, reader{ctx, io.NewSectionReader(f, 0, f.Size())}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// bring writes entries' files, those that name others last.
func bring(ctx context.Context, from, dir *files.Dir, entries []Entry, out *Brought) error {
	slices.SortFunc(entries, func(a, b Entry) int { return -byUse(a.Name, b.Name) })
	buf := make([]byte, buffer)
	for _, e := range entries {
		w, err := dir.Create(e.Name)
		if err != nil {
			return err
		}
		if err = read(ctx, from, e, w, buf); err == nil {
			err = w.Commit()
		}
		if err = errors.Join(err, w.Close()); err != nil {
			return err
		}
		out.Files = append(out.Files, e.Name)
	}
	slices.Sort(out.Files)
	return nil
}
