package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// maxIdentities bounds a file of age identities in bytes.
const maxIdentities = 1 << 20

// Target is where a backup is brought back.
type Target struct {
	Data  string // folder, missing or empty
	Store string // URL of an empty PostgreSQL database; "" for SQLite, in the folder

	// Verify is asked once everything is in its place, but for the settings, without which the folder is no instance.
	Verify func(ctx context.Context, m *Manifest) error
}

// Restore brings back the newest backup of the folder place. What does not verify is not left behind: the folder is empty
// again. A process that is killed leaves a folder that is no instance, and that the next Restore empties.
//
// Errors: ErrNone, ErrDamaged, ErrPlace, ErrOlder.
func Restore(ctx context.Context, place string, to Target) (Report, error) {
	report, err := restore(ctx, place, to, nil)
	if err != nil {
		return Report{}, fmt.Errorf("restore %s: %w", place, err)
	}
	return report, nil
}

func restore(ctx context.Context, place string, to Target, watch func()) (_ Report, err error) {
	from, err := files.OpenRead(place)
	if err != nil {
		return Report{}, hint.Add(fmt.Errorf("%w: %w", ErrNone, err), "name the folder that shirase backup wrote to")
	}
	defer from.Close()
	m, err := newest(from)
	if err != nil {
		return Report{}, err
	}
	switch {
	case m.Engine == "postgres" && to.Store == "":
		return Report{}, hint.Add(fmt.Errorf("%w: its database is PostgreSQL's", ErrPlace), "name an empty one: --store postgres://..., or SHIRASE_STORE")
	case m.Engine == "sqlite" && to.Store != "":
		return Report{}, hint.Add(fmt.Errorf("%w: its database is SQLite's, in the data folder", ErrPlace), "leave --store and SHIRASE_STORE away")
	}
	if err := makeRoom(to.Data, m); err != nil {
		return Report{}, err
	}
	dir, err := files.Open(to.Data)
	if err != nil {
		return Report{}, err
	}
	defer dir.Close()
	if watch != nil {
		dir.Watch(watch)
	}
	if err := dir.Put(Unfinished, nil); err != nil {
		return Report{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, empty(to.Data))
		}
	}()
	buf := make([]byte, buffer)
	put := func(e Entry) error {
		w, err := dir.Create(e.Name)
		if err != nil {
			return err
		}
		defer w.Close()
		if err := read(ctx, from, e, w, buf); err != nil {
			return err
		}
		return w.Commit()
	}
	for _, e := range m.Files {
		if e.Name == Settings {
			continue
		}
		if err := put(e); err != nil {
			return Report{}, err
		}
	}
	if m.Engine == "sqlite" {
		err = put(m.Database)
	} else if err = whole(ctx, from, m.Database, buf); err == nil {
		err = store.Load(ctx, to.Store, filepath.Join(place, filepath.FromSlash(object(m.Database.SHA256))))
	}
	if err == nil {
		err = to.Verify(ctx, m)
	}
	if err != nil {
		return Report{}, err
	}
	settings, _ := m.file(Settings)
	if err := put(settings); err != nil {
		return Report{}, err
	}
	if err := dir.Remove(Unfinished); err != nil {
		return Report{}, err
	}
	report := Report{Seq: m.Seq, Number: m.Number, Verified: true, Engine: m.Engine}
	report.Files, report.Bytes = m.figures()
	report.Written = report.Bytes
	return report, nil
}

// makeRoom requires that the folder is missing or empty, and empties one that a killed restore left. Where it holds a ledger
// that is ahead of the backup, that is said: a second history under the same key is a fork that anyone can prove.
func makeRoom(data string, m *Manifest) error {
	list, err := os.ReadDir(data)
	if errors.Is(err, os.ErrNotExist) || err == nil && (len(list) == 0 || len(list) == 1 && list[0].Name() == ".tmp") { // package files makes it first
		return nil
	}
	if err != nil {
		return err
	}
	unfinished := false
	for _, e := range list {
		if e.Name() == Settings {
			unfinished = false
			break
		}
		unfinished = unfinished || e.Name() == Unfinished
	}
	if unfinished {
		return empty(data)
	}
	f, err := os.Open(filepath.Join(data, filepath.FromSlash(checkpoint)))
	if err == nil {
		defer f.Close()
		signed, err := io.ReadAll(io.LimitReader(f, maxSigned))
		if err != nil {
			return err
		}
		if n := entries(signed); n > m.Entries {
			return hint.Add(fmt.Errorf("%w: %s has a ledger of %d entries, and the backup's is of %d", ErrOlder, data, n, m.Entries),
				"restore a newer backup, or keep that folder's database; a ledger that cannot be continued needs a new key and a new origin, to be announced")
		}
	}
	return hint.Add(fmt.Errorf("%w: %s is not empty", ErrPlace, data), "name another with --data, or move it away")
}

// empty removes what is in a folder, the mark that it is unfinished last.
func empty(data string) error {
	list, err := os.ReadDir(data)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Name() != Unfinished {
			if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(filepath.Join(data, Unfinished)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Unseal puts the sealed copies of keys in the folder place, as far as the age identities in a file open them, into keys,
// and returns their names. A key that is there already stays; one with other bytes under its name is an error. Where keys is nil, it only
// tries whether they open. Those of which ended says that they were destroyed for ever are left where they are; it may be nil.
func Unseal(place, identities string, keys *files.Keys, ended func(name string) bool) ([]string, error) {
	names, err := unseal(place, identities, keys, ended)
	if err != nil {
		return names, fmt.Errorf("bring back keys from %s: %w", place, err)
	}
	return names, nil
}

func unseal(place, identities string, keys *files.Keys, ended func(name string) bool) (names []string, err error) {
	f, err := os.Open(identities)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	who, err := age.ParseIdentities(io.LimitReader(f, maxIdentities))
	if err != nil { // its text may quote the file's
		return nil, hint.Add(fmt.Errorf("%s holds no age identity", identities), "name the file that age-keygen made")
	}
	from, err := files.OpenRead(place)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	list, err := from.List("keys")
	if err != nil {
		return nil, err
	}
	left := 0
	for _, file := range list {
		name := keyOf(file)
		if ended != nil && ended(name) {
			left++
			continue
		}
		sealed, err := from.Open(file)
		if err != nil {
			return names, err
		}
		secret, err := openSealed(io.NewSectionReader(sealed, 0, sealed.Size()), who)
		sealed.Close()
		var other *age.NoIdentityMatchError
		if errors.As(err, &other) {
			continue // sealed to somebody else
		}
		if err != nil {
			return names, fmt.Errorf("%s: %w: %v", file, ErrDamaged, err)
		}
		if keys == nil {
			names = append(names, name)
			continue
		}
		if err := keys.Create(name, secret); errors.Is(err, files.ErrExist) {
			there, err := keys.Load(name)
			if err != nil {
				return names, err
			}
			if string(there) != string(secret) {
				return names, hint.Add(fmt.Errorf("%s: another key has its name in the folder of keys", name), "move that file away where it is damaged, or name another folder with --keys")
			}
		} else if err != nil {
			return names, err
		}
		names = append(names, name)
	}
	if len(names) == 0 && left > 0 {
		return nil, hint.Add(fmt.Errorf("%w of keys but of cases that are shredded", ErrNone), "what is destroyed is not brought back: shirase scope shred CASE destroys these copies")
	}
	if len(names) == 0 {
		return nil, hint.Add(fmt.Errorf("%w of keys that these identities open", ErrNone), "name the identity of the recipient that --keys-to named")
	}
	return names, nil
}

func openSealed(r io.Reader, who []age.Identity) ([]byte, error) {
	plain, err := age.Decrypt(r, who...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(plain, maxIdentities))
}
