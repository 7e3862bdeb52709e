// Package backup makes and brings back copies of an instance, while it is served.
//
// # A set that is of one moment
//
// Publishing goes files, rows, ledger files: layers and rosters are on disk before a row names them, and the ledger's files
// are written from rows that are committed. So a set is taken in the order in which nothing is ahead of what it follows from:
//
//  1. the ledger's files, the checkpoint before all others: no file is of an entry that the database will lack;
//  2. one state of the database ([store.DB.Snapshot]): it has all these entries, and perhaps more;
//  3. all other files: those that its rows name were there before the rows were.
//
// An instance that opens the set writes the ledger's files that are behind. Where something that was listed is gone
// meanwhile (a case was shredded, a corpus of passwords replaced), the set is taken again.
//
// # The folder
//
//	backups/NUMBER-SHA256   manifests, JSON, named by the hash of their bytes and written last
//	objects/AB/SHA256       what they name: files and databases, each once whatever the number of backups
//	folder-id               by which the register of the instance knows the folder, wherever it is mounted
//	keys/NAME.TAG.age       keys, sealed to a recipient: never in a manifest, and each a file of its own
//
// Nothing that a manifest names is ever replaced, so a backup that is killed leaves those before it as they were, and is itself
// none.
package backup

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// Errors of this package.
var (
	// ErrPlace reports a folder that cannot take the backups, or the instance, that it was named for.
	ErrPlace = errors.New("not a folder for this")
	// ErrForeign reports backups of another instance.
	ErrForeign = errors.New("these are another instance's backups")
	// ErrChanging reports files that came and went each time the set was taken.
	ErrChanging = errors.New("files were removed while they were copied")
	// ErrNone reports a folder without a whole backup.
	ErrNone = errors.New("there is no backup")
	// ErrDamaged reports a backup whose bytes are not those that were written.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrOlder reports a backup that ends before what was published from the folder it is brought back into.
	ErrOlder = errors.New("the backup is older than what was published")
	// ErrRecipient reports a recipient of keys that is none.
	ErrRecipient = errors.New("not an age recipient")
)

//go:embed migrations/*.sql
var migrations embed.FS

// Names in a data folder (docs/OPERATIONS.md).
const (
	Settings   = "shirase.json"       // written last when a folder is made or brought back
	Unfinished = "restore-unfinished" // a folder that is being brought back
	database   = "shirase.db"
	ledgerDir  = "files/ledger"
	checkpoint = ledgerDir + "/checkpoint"
	passwords  = "password"
)

const (
	tries      = 5         // of taking a set that changes
	maxSigned  = 64 << 10  // bytes of a checkpoint
	maxCurrent = 64 << 20  // of a file that is read whole
	buffer     = 256 << 10 // of copying
)

// Register is what an instance knows of its backups: rows in its database.
type Register struct {
	db  *store.DB
	now func() time.Time
}

// Open opens the register and brings its tables up to date.
func Open(ctx context.Context, db *store.DB) (*Register, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if err := db.Migrate(ctx, "backup", sub); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return &Register{db: db, now: time.Now}, nil
}

// Last returns when and where the newest backup was made that became whole; false where there never was one.
func (r *Register) Last(ctx context.Context) (made time.Time, place string, ok bool, err error) {
	var at int64
	err = r.db.QueryRowContext(ctx, `SELECT made_at, place FROM backup_made ORDER BY made_at DESC LIMIT 1`).Scan(&at, &place)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, "", false, nil
	}
	if err != nil {
		return time.Time{}, "", false, fmt.Errorf("backup: the newest: %w", err)
	}
	return store.FromMicros(at), place, true, nil
}

// A Copy is one sealed copy of a key.
type Copy struct {
	Key       string    `json:"key"`       // the name of the key's file
	Recipient string    `json:"recipient"` // age
	Place     string    `json:"place"`     // where the folder of backups was last
	File      string    `json:"file"`      // in it
	Made      time.Time `json:"made"`

	folder string // its id, or the place where it is of before folders had ids
	gone   int64
}

// Copies lists the sealed copies that were made of a key, or were about to be, and are not known to be gone; of all keys where name is
// empty.
func (r *Register) Copies(ctx context.Context, name string) ([]Copy, error) {
	return r.copies(ctx, `WHERE gone_at = 0 AND (name = $1 OR $1 = '')`, name)
}

func (r *Register) copies(ctx context.Context, where string, of string) ([]Copy, error) {
	rows, err := r.db.QueryContext(ctx, `SELECT name, recipient, place, file, made_at, folder, gone_at FROM backup_copy `+where+` ORDER BY name, place, folder, recipient, file`, of)
	if err != nil {
		return nil, fmt.Errorf("backup: the copies of keys: %w", err)
	}
	defer rows.Close()
	out := []Copy{}
	for rows.Next() {
		var c Copy
		var at int64
		if err := rows.Scan(&c.Key, &c.Recipient, &c.Place, &c.File, &at, &c.folder, &c.gone); err != nil {
			return nil, fmt.Errorf("backup: the copies of keys: %w", err)
		}
		c.Made = store.FromMicros(at)
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("backup: the copies of keys: %w", err)
	}
	return out, nil
}

// Source is what is backed up.
type Source struct {
	Data      string                                   // data folder
	LedgerKey string                                   // public, in the text form of c2sp.org/signed-note: whose backups these are
	Seq       func(ctx context.Context) (int64, error) // of the newest statement; 0 for none
	Without   []string                                 // files of the data folder, by path, that hold secrets: they are left out

	Keys      *files.Keys // of which copies are made where
	Recipient string      // is an age recipient, and none where it is empty

	// Ended reports of a file of a key that it was destroyed for ever: what is there of it was brought back, and no copy is made; nil: none was.
	Ended func(name string) bool
}

// Report is what was written.
type Report struct {
	Files    int64  `json:"files"`    // of the set, the database among them
	Bytes    int64  `json:"bytes"`    // of all of them
	Seq      int64  `json:"seq"`      // a statement that is in it: the newest when the snapshot began
	Verified bool   `json:"verified"` // every byte was read back and hashed
	Number   int64  `json:"number"`   // of the backup in its folder
	Written  int64  `json:"written"`  // bytes that the folder did not have
	Keys     int    `json:"keys"`     // sealed copies made
	Dropped  int    `json:"dropped"`  // old backups, by [Prune]
	Engine   string `json:"engine"`
}

// taker takes one backup.
type taker struct {
	*Register
	src     Source
	in, out *files.Dir
	known   map[string]Entry // of the backup before, by name
	without map[string]bool  // by name
	written int64
	buf     []byte
}

// Run adds a backup to the folder place, which it makes. Errors: ErrPlace, ErrForeign, ErrRecipient, ErrChanging.
func (r *Register) Run(ctx context.Context, src Source, place string) (Report, error) {
	return r.run(ctx, src, place, nil)
}

func (r *Register) run(ctx context.Context, src Source, place string, watch func()) (Report, error) {
	report, err := r.build(ctx, src, place, watch)
	if err != nil {
		return Report{}, fmt.Errorf("back up to %s: %w", place, err)
	}
	return report, nil
}

func (r *Register) build(ctx context.Context, src Source, place string, watch func()) (Report, error) {
	place, err := filepath.Abs(place)
	if err != nil {
		return Report{}, err
	}
	var recipient *age.X25519Recipient
	if src.Recipient != "" {
		if recipient, err = age.ParseX25519Recipient(src.Recipient); err != nil {
			return Report{}, hint.Add(ErrRecipient, "make one: age-keygen -o FILE, on another machine; the recipient is its line that begins with age1")
		}
	}
	if err := apart(place, src.Data); err != nil {
		return Report{}, err
	}
	t := &taker{Register: r, src: src, buf: make([]byte, buffer), known: map[string]Entry{}}
	if t.out, err = files.Open(place); err != nil {
		return Report{}, err
	}
	defer t.out.Close()
	if watch != nil {
		t.out.Watch(watch)
	}
	release, err := busy(t.out)
	if err != nil {
		return Report{}, err
	}
	defer release()
	if t.in, err = files.Open(src.Data); err != nil {
		return Report{}, err
	}
	defer t.in.Close()
	if t.without, err = namesIn(src.Data, src.Without); err != nil {
		return Report{}, err
	}
	before, err := newest(t.out)
	switch {
	case errors.Is(err, ErrNone):
		before = &Manifest{}
	case err != nil:
		return Report{}, err
	case before.LedgerKey != src.LedgerKey:
		return Report{}, hint.Add(ErrForeign, "name an empty folder, or that instance's --data")
	}
	for _, e := range before.Files {
		t.known[e.Name] = e
	}
	folder, err := r.enter(ctx, t.out, place)
	if err != nil {
		return Report{}, err
	}
	report := Report{Engine: r.db.Engine()}
	if recipient != nil { // before the snapshot, so that it knows of them
		if report.Keys, err = t.sealKeys(ctx, recipient, place, folder); err != nil {
			return Report{}, err
		}
	}
	m, err := t.take(ctx)
	if err != nil {
		return Report{}, err
	}
	m.Number = before.Number + 1
	id, err := m.write(t.out)
	if err != nil {
		return Report{}, err
	}
	report.Number, report.Seq, report.Written, report.Verified = m.Number, m.Seq, t.written, true
	report.Files, report.Bytes = m.figures()
	if _, err := r.db.ExecContext(ctx, `INSERT INTO backup_made (id, place, number, made_at, files, bytes, folder) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO NOTHING`, id, place, m.Number, store.Micros(m.Made), report.Files, report.Bytes, folder); err != nil {
		return Report{}, fmt.Errorf("the backup is whole; recording that it was made: %w", err)
	}
	return report, nil
}

// apart refuses a folder of backups within the data folder, and the other way round.
func apart(place, data string) error {
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	within := func(inner, outer string) bool {
		return inner == outer || strings.HasPrefix(inner, strings.TrimSuffix(outer, string(filepath.Separator))+string(filepath.Separator))
	}
	if within(place, data) || within(data, place) {
		return hint.Add(fmt.Errorf("%w: it and the data folder lie one in the other", ErrPlace), "name a folder elsewhere, best on another disk")
	}
	return nil
}

// namesIn gives the names, in a folder, of the files at some paths; those elsewhere have none.
func namesIn(folder string, paths []string) (map[string]bool, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, p := range paths {
		if p, err = filepath.Abs(p); err != nil {
			return nil, err
		}
		if name, err := filepath.Rel(folder, p); err == nil && filepath.IsLocal(name) {
			out[filepath.ToSlash(name)] = true
		}
	}
	return out, nil
}

// take takes the set, again where files went away meanwhile.
func (t *taker) take(ctx context.Context) (*Manifest, error) {
	for try := 1; ; try++ {
		m, err := t.once(ctx)
		if !errors.Is(err, ErrChanging) || try == tries {
			if errors.Is(err, ErrChanging) {
				err = hint.Add(err, "run it again when no import of passwords and no shredding is under way")
			}
			return m, err
		}
	}
}

func (t *taker) once(ctx context.Context) (*Manifest, error) {
	m := &Manifest{Format: format, LedgerKey: t.src.LedgerKey, Engine: t.db.Engine(), Made: t.now().UTC().Truncate(time.Microsecond)}
	// 1. The ledger's files, and the list of all others.
	if err := t.add(ctx, m, checkpoint); err != nil && !errors.Is(err, files.ErrNotExist) {
		return nil, err
	}
	if signed, err := t.in.Get(checkpoint, maxSigned); err == nil {
		m.Entries = entries(signed)
	}
	listed, err := t.list()
	if err != nil {
		return nil, err
	}
	var rest []string
	for _, name := range listed {
		switch {
		case name == checkpoint:
		case strings.HasPrefix(name, ledgerDir+"/"):
			if err := t.mustAdd(ctx, m, name); err != nil {
				return nil, err
			}
		default:
			rest = append(rest, name)
		}
	}
	// 2. The database.
	if m.Seq, err = t.src.Seq(ctx); err != nil {
		return nil, err
	}
	if m.Database, err = t.snapshot(ctx); err != nil {
		return nil, err
	}
	// 3. All other files, also those that are there since; first what names others of them.
	now, err := t.list()
	if err != nil {
		return nil, err
	}
	for _, name := range now {
		if !strings.HasPrefix(name, ledgerDir+"/") {
			rest = append(rest, name)
		}
	}
	slices.SortFunc(rest, byUse)
	for _, name := range slices.Compact(rest) {
		if err := t.mustAdd(ctx, m, name); err != nil {
			return nil, err
		}
	}
	// What a corpus of passwords names is there as long as it names it.
	for _, e := range m.Files {
		if !names(e.Name) {
			continue
		}
		again, err := t.in.Get(e.Name, maxCurrent)
		if errors.Is(err, files.ErrNotExist) || err == nil && digest(again) != e.SHA256 {
			return nil, fmt.Errorf("%s: %w", e.Name, ErrChanging)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(m.Files, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return m, nil
}

// names reports whether a file says which others of a corpus are in use.
func names(name string) bool {
	return path.Base(name) == "current" && strings.HasPrefix(name, passwords+"/")
}

// byUse sorts what names others first, then by name.
func byUse(a, b string) int {
	if names(a) != names(b) {
		if names(a) {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// immutable reports whether a name follows from the bytes: where the folder of backups has them, they are not read again.
func immutable(name string) bool {
	return strings.HasPrefix(name, "files/layers/") || strings.HasPrefix(name, ledgerDir+"/data/") ||
		strings.HasPrefix(name, passwords+"/") && strings.HasSuffix(name, ".seg")
}

// list gives the names of all files of the data folder but the database, what is being written and what can be made again.
func (t *taker) list() ([]string, error) {
	var out []string
	err := t.in.Walk(".", func(name string) error {
		if kept(name) && !forHouses(name) && !t.without[name] {
			out = append(out, name)
		}
		return nil
	})
	return out, err
}

func kept(name string) bool {
	switch {
	case name == database || strings.HasPrefix(name, database+"-"): // its journal
		return false
	case name == Unfinished, strings.HasPrefix(name, "files/build/"), strings.HasPrefix(name, "files/locks/"), path.Base(name) == ".lock":
		return false
	}
	return !slices.Contains(strings.Split(name, "/"), ".tmp")
}

// forHouses reports whether a file is sealed to a house's key. That opens it for as long as it is anywhere, whatever becomes of the case's own key, and
// nobody here can destroy it: so no backup takes it. Backups of earlier versions have such files, and they come back from those. One that is lost before
// it was handed over is withdrawn, and another one made.
func forHouses(name string) bool { return strings.HasPrefix(name, "files/exports/") }

// mustAdd is add of a file that was listed.
func (t *taker) mustAdd(ctx context.Context, m *Manifest, name string) error {
	err := t.add(ctx, m, name)
	if errors.Is(err, files.ErrNotExist) {
		return fmt.Errorf("%s: %w", name, ErrChanging)
	}
	return err
}

// add copies a file, unless the folder has it, and reads the copy back.
func (t *taker) add(ctx context.Context, m *Manifest, name string) error {
	f, err := t.in.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	e := Entry{Name: name, Size: f.Size()}
	if before, ok := t.known[name]; ok && before.Size == e.Size && immutable(name) {
		e.SHA256 = before.SHA256
		if whole(ctx, t.out, e, t.buf) == nil {
			m.Files = append(m.Files, e)
			return nil
		}
	}
	w, err := t.out.Create("objects/new")
	if err != nil {
		return err
	}
	defer w.Close()
	h := sha256.New()
	if e.Size, err = io.CopyBuffer(onlyWriter{io.MultiWriter(w, h)}, reader{ctx, io.NewSectionReader(f, 0, f.Size())}, t.buf); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	if err := t.store(ctx, w, h, &e); err != nil {
		return err
	}
	m.Files = append(m.Files, e)
	return nil
}

// store gives what was written its name, unless that is there, and reads it back.
func (t *taker) store(ctx context.Context, w *files.Writer, h hash.Hash, e *Entry) error {
	e.SHA256 = hex.EncodeToString(h.Sum(nil))
	if whole(ctx, t.out, *e, t.buf) == nil {
		return nil
	}
	if err := w.CommitAs(object(e.SHA256)); err != nil {
		return err
	}
	t.written += e.Size
	return whole(ctx, t.out, *e, t.buf)
}

// snapshot stores one state of the database.
func (t *taker) snapshot(ctx context.Context) (Entry, error) {
	e := Entry{Name: database}
	w, err := t.out.Create("objects/new")
	if err != nil {
		return e, err
	}
	defer w.Close()
	if err := t.db.Snapshot(ctx, w.Path()); err != nil {
		return e, err
	}
	f, err := os.Open(w.Path())
	if err != nil {
		return e, err
	}
	defer f.Close()
	h := sha256.New()
	if e.Size, err = io.Copy(h, reader{ctx, f}); err != nil {
		return e, fmt.Errorf("read the database's snapshot: %w", err)
	}
	return e, t.store(ctx, w, h, &e)
}

// sealKeys makes a sealed copy of each key, each recorded before it is made.
func (t *taker) sealKeys(ctx context.Context, to *age.X25519Recipient, place, folder string) (int, error) {
	list, err := t.src.Keys.List()
	if err != nil {
		return 0, err
	}
	made := 0
	for _, name := range list {
		if t.src.Ended != nil && t.src.Ended(name) {
			continue
		}
		secret, err := t.src.Keys.Load(name)
		if errors.Is(err, files.ErrNotExist) {
			continue // destroyed meanwhile
		}
		if err != nil {
			return made, err
		}
		file := sealedName(name, to.String())
		if _, err := t.db.ExecContext(ctx, `INSERT INTO backup_copy (folder, file, name, recipient, place, made_at, gone_at) VALUES ($1, $2, $3, $4, $5, $6, 0)
			ON CONFLICT (folder, file) DO UPDATE SET recipient = excluded.recipient, place = excluded.place, made_at = excluded.made_at, gone_at = 0`,
			folder, file, name, to.String(), place, store.Micros(t.now())); err != nil {
			return made, fmt.Errorf("record the copy of %s: %w", name, err)
		}
		if err := t.sealKey(file, secret, to); err != nil {
			return made, err
		}
		// A case may have been shredded since its key was read: what was just made would be a copy that its certificate says is not there.
		if _, err := t.src.Keys.Load(name); errors.Is(err, files.ErrNotExist) {
			if err := t.out.Remove(file); err != nil {
				return made, fmt.Errorf("take back the copy of %s, which was destroyed meanwhile: %w", name, err)
			}
			if _, err := t.db.ExecContext(ctx, `UPDATE backup_copy SET gone_at = $3 WHERE folder = $1 AND file = $2`, folder, file, store.Micros(t.now())); err != nil {
				return made, fmt.Errorf("record that the copy of %s is gone: %w", name, err)
			}
			continue
		}
		made++
	}
	return made, nil
}

func (t *taker) sealKey(file string, secret []byte, to *age.X25519Recipient) error {
	w, err := t.out.Create(file)
	if err != nil {
		return err
	}
	defer w.Close()
	h := sha256.New()
	sealed, err := age.Encrypt(io.MultiWriter(w, h), to)
	if err == nil {
		_, err = sealed.Write(secret)
	}
	if err == nil {
		err = sealed.Close()
	}
	if err != nil {
		return fmt.Errorf("seal %s: %w", file, err)
	}
	if err := w.Commit(); err != nil {
		return err
	}
	again, err := t.out.Get(file, maxCurrent)
	if err == nil && digest(again) != hex.EncodeToString(h.Sum(nil)) {
		err = fmt.Errorf("%s: %w", file, ErrDamaged)
	}
	return err
}

// sealedName is the file of a key's copy: one for each key and recipient.
func sealedName(key, recipient string) string {
	return "keys/" + key + "." + digest([]byte(recipient))[:12] + ".age"
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
