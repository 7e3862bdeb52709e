package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/killtest"
	"shirase/internal/publish"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMain is also the child that tests kill: it backs a folder up, or brings one back.
func TestMain(m *testing.M) {
	killtest.Main(m, func(args []string, step func()) error {
		ctx := context.Background()
		what, url, data, place, vkey := args[0], args[1], args[2], args[3], args[4]
		if what == "restore" {
			_, err := restore(ctx, place, Target{Data: data, Verify: func(context.Context, *Manifest) error { step(); return nil }}, step)
			return err
		}
		db, err := store.Open(ctx, url)
		if err != nil {
			return err
		}
		r, err := Open(ctx, db)
		if err != nil {
			return err
		}
		_, err = r.run(ctx, Source{Data: data, LedgerKey: vkey, Seq: none}, place, step)
		return err
	})
}

func none(context.Context) (int64, error) { return 0, nil }

var by = actor.Operator()

// world is an instance in temporary folders.
type world struct {
	t         *testing.T
	db        *store.DB
	url       string
	data      string
	skey      string
	keys      *files.Keys
	rosters   *roster.Rosters
	index     *index.Index
	incidents *incident.Incidents
	publisher *publish.Publisher
	register  *Register
	published int
}

// newWorld makes an instance on the database at url; in its data folder where url is empty.
func newWorld(t *testing.T, url string) *world {
	t.Helper()
	w := &world{t: t, url: url, data: filepath.Join(t.TempDir(), "data")}
	var err error
	if w.skey, _, err = publish.NewLedgerKey("backup.example/{key}"); err != nil {
		t.Fatal(err)
	}
	if w.keys, err = files.OpenKeys(filepath.Join(t.TempDir(), "keys")); err != nil {
		t.Fatal(err)
	}
	if err := w.keys.Create("ledger.key", []byte(w.skey)); err != nil {
		t.Fatal(err)
	}
	w.open()
	if _, err := w.index.NewKey(t.Context(), w.keys, index.DefaultLocatorBits); err != nil {
		t.Fatal(err)
	}
	w.write(Settings, `{"format":1}`)
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	name = filepath.Join(w.data, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
		w.t.Fatal(err)
	}
}

// open opens every room, as a process does that starts.
func (w *world) open() {
	w.t.Helper()
	if err := w.tryOpen(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tryOpen() (err error) {
	ctx := w.t.Context()
	dir, err := files.Open(filepath.Join(w.data, "files"))
	if err != nil {
		return err
	}
	url := w.url
	if url == "" {
		url = "sqlite:" + filepath.Join(w.data, database)
	}
	if w.db, err = store.Open(ctx, url); err != nil {
		return err
	}
	db := w.db
	w.t.Cleanup(func() { dir.Close(); db.Close() })
	rooms := publish.Rooms{DB: w.db, Dir: dir, Keys: w.keys}
	if rooms.Incidents, err = incident.New(ctx, w.db, archive.Changed); err != nil {
		return err
	}
	if _, err = archive.New(ctx, w.db, rooms.Incidents); err != nil {
		return err
	}
	if rooms.Rosters, err = roster.New(ctx, w.db, dir, w.keys); err != nil {
		return err
	}
	if rooms.Index, err = index.New(ctx, w.db, dir); err != nil {
		return err
	}
	w.rosters, w.index, w.incidents = rooms.Rosters, rooms.Index, rooms.Incidents
	if w.publisher, err = publish.New(ctx, rooms, w.skey, publish.Instance{URL: "https://notice.example", PhoneRegion: "JP"}); err != nil {
		return err
	}
	w.register, err = Open(ctx, w.db)
	return err
}

const rules = `
columns: {email: mail}
index: [email]
sets: [{classes: [email]}]
`

// publish publishes one more incident, with a roster and a layer of its own.
func (w *world) publish() string {
	w.t.Helper()
	w.published++
	id := fmt.Sprintf("case-%d", w.published)
	file, err := incident.ParseFactsFile("facts.yaml", fmt.Appendf(nil, "id: %s\nasOf: \"2026-11-20T16:00+09:00\"\nfacts:\n"+
		"  - {key: organisation, value: Shop}\n  - {key: title, value: A case}\n"+
		"  - {key: affected.count, value: 2, unit: accounts, qualifier: exact}\n  - {key: data-class, value: email}\n", id))
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.incidents.Create(w.t.Context(), by, file); err != nil {
		w.t.Fatal(err)
	}
	export := filepath.Join(w.t.TempDir(), "export.csv")
	if err := os.WriteFile(export, fmt.Appendf(nil, "mail\na%d@example.com\nb%[1]d@example.com\n", w.published), 0o600); err != nil {
		w.t.Fatal(err)
	}
	r, err := roster.ParseRules("rules.yaml", []byte(rules), incident.ClassWords())
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.rosters.Create(w.t.Context(), by, id, roster.Options{Export: export, Rules: r, TempDir: w.t.TempDir()}); err != nil {
		w.t.Fatal(err)
	}
	if _, _, err := w.publisher.Run(w.t.Context(), by, publish.Request{Incident: id}); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) source() Source {
	return Source{Data: w.data, LedgerKey: w.publisher.VKey(), Seq: func(ctx context.Context) (int64, error) {
		st, _, _, err := w.index.Statement(ctx)
		if errors.Is(err, index.ErrNone) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		return st.Seq, nil
	}, Keys: w.keys, Without: []string{filepath.Join(w.data, "tls.key"), filepath.Join(w.t.TempDir(), "elsewhere")}}
}

func (w *world) backup(place string, watch func()) Report {
	w.t.Helper()
	r, err := w.register.run(w.t.Context(), w.source(), place, watch)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// verified verifies what was brought back into a folder, as the command does.
func verified(data, url string) func(ctx context.Context, m *Manifest) error {
	return func(ctx context.Context, m *Manifest) error {
		dir, err := files.Open(filepath.Join(data, "files"))
		if err != nil {
			return err
		}
		defer dir.Close()
		if url == "" {
			url = "sqlite:" + filepath.Join(data, database)
		}
		db, err := store.Open(ctx, url)
		if err != nil {
			return err
		}
		defer db.Close()
		x, err := index.New(ctx, db, dir)
		if err != nil {
			return err
		}
		_, err = publish.Verify(ctx, db, dir, x, m.LedgerKey)
		return err
	}
}

// restored brings the newest backup of a folder back and opens it; on PostgreSQL into the schema that it came from, emptied.
func (w *world) restored(place string) *world {
	w.t.Helper()
	back := &world{t: w.t, url: w.url, data: filepath.Join(w.t.TempDir(), "back"), skey: w.skey, keys: w.keys, published: w.published}
	if w.url != "" {
		var schema string
		if err := w.db.QueryRowContext(w.t.Context(), "SELECT current_schema()").Scan(&schema); err != nil {
			w.t.Fatal(err)
		}
		for _, s := range []string{"DROP SCHEMA " + schema + " CASCADE", "CREATE SCHEMA " + schema} {
			if _, err := w.db.ExecContext(w.t.Context(), s); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	if _, err := Restore(w.t.Context(), place, Target{Data: back.data, Store: w.url, Verify: verified(back.data, w.url)}); err != nil {
		w.t.Fatalf("%v\nhint: %s", err, hint.Of(err))
	}
	back.open()
	return back
}

// complete requires that everything that the database names is there: rosters open, and the ledger goes on.
func (w *world) complete() {
	w.t.Helper()
	ctx := w.t.Context()
	for i := range w.published {
		id := fmt.Sprintf("case-%d", i+1)
		r, err := w.rosters.Latest(ctx, id)
		if errors.Is(err, roster.ErrNone) || err == nil && !r.Shredded.IsZero() {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		n := 0
		for _, err := range w.rosters.Members(ctx, r) {
			if err != nil {
				w.t.Errorf("roster of %s: %v", id, err)
				break
			}
			n++
		}
		if n != 2 {
			w.t.Errorf("roster of %s: %d members", id, n)
		}
	}
	w.published += 1000
	w.publish()
	if err := verified(w.data, w.url)(ctx, &Manifest{LedgerKey: w.publisher.VKey()}); err != nil {
		w.t.Error(err)
	}
}

// eachWorld runs do on both engines.
func eachWorld(t *testing.T, do func(t *testing.T, w *world)) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		if strings.HasPrefix(url, "sqlite:") {
			url = "" // in the data folder, as it is
		}
		do(t, newWorld(t, url))
	})
}

// While a backup is made, something is published wherever it forces a file to disk: whatever moment it is of, its database
// names nothing that it lacks, and its ledger is not ahead of its database.
func TestPublishingMeanwhile(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.publish()
		place := filepath.Join(t.TempDir(), "backups")
		before, steps := w.published, 0
		first := w.backup(place, func() {
			if steps++; steps%4 == 0 {
				w.publish()
			}
		})
		if w.published < before+5 {
			t.Fatalf("only %d publications in %d steps", w.published-before, steps)
		}
		if first.Seq < 1 || !first.Verified {
			t.Errorf("%+v", first)
		}
		m, err := manifestOf(place)
		if err != nil {
			t.Fatal(err)
		}
		back := w.restored(place)
		var size int64
		if err := back.db.QueryRowContext(t.Context(), `SELECT size FROM ledger_head`).Scan(&size); err != nil {
			t.Fatal(err)
		}
		if m.Entries < 2 || size <= m.Entries {
			t.Errorf("the ledger's files are of %d entries, the database of %d: nothing was published between them", m.Entries, size)
		}
		back.complete()
	})
}

func manifestOf(place string) (*Manifest, error) {
	d, err := files.OpenRead(place)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return newest(d)
}

// A second backup writes what is new, and reads all of it.
func TestIncremental(t *testing.T) {
	w := newWorld(t, "")
	w.publish()
	w.write("password/sha1/aa.seg", strings.Repeat("x", 10*maxSigned))
	w.write("tls.key", "secret")
	place := filepath.Join(t.TempDir(), "backups")
	first := w.backup(place, nil)
	w.publish()
	second := w.backup(place, nil)
	if first.Written < 10*maxSigned || second.Written >= 10*maxSigned || second.Number != 2 || second.Files <= first.Files {
		t.Errorf("first %+v\nsecond %+v", first, second)
	}
	// What has rotted in the folder is written anew, as long as the instance has it.
	m, err := manifestOf(place)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := m.file("password/sha1/aa.seg")
	flip(t, filepath.Join(place, object(e.SHA256)))
	if third := w.backup(place, nil); third.Written < 10*maxSigned {
		t.Errorf("a damaged copy was taken for whole: %+v", third)
	}
	if _, there := m.file("tls.key"); there {
		t.Error("a file that the settings say is secret was copied")
	}
	w.restored(place).complete()
	last, where, ok, err := w.register.Last(t.Context())
	if err != nil || !ok || where != place || last.IsZero() {
		t.Errorf("the newest backup: %v %q %v %v", last, where, ok, err)
	}
}

// TestForHouses: a file that a house's key opens is in no backup, as nobody here destroys that key; of an earlier version's backup, which has it, it
// comes back.
func TestForHouses(t *testing.T) {
	w := newWorld(t, "")
	w.publish()
	const name = "files/exports/loss-2026/x-abcdefghij.0123456789abcdef.csv.age"
	w.write(name, "sealed to a house")
	place := filepath.Join(t.TempDir(), "backups")
	has := func() (*Manifest, bool) {
		t.Helper()
		m, err := manifestOf(place)
		if err != nil {
			t.Fatal(err)
		}
		_, there := m.file(name)
		return m, there
	}
	w.backup(place, nil)
	m, there := has()
	if there {
		t.Error("a file for a house is in a backup")
	}
	d, err := files.Open(place)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	e := Entry{Name: name, Size: int64(len("sealed to a house")), SHA256: digest([]byte("sealed to a house"))}
	if err := d.Put(object(e.SHA256), []byte("sealed to a house")); err != nil {
		t.Fatal(err)
	}
	m.Number, m.Files = m.Number+1, append(m.Files, e)
	slices.SortFunc(m.Files, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	if _, err := m.write(d); err != nil {
		t.Fatal(err)
	}
	if _, there := has(); !there {
		t.Fatal("it is not as an earlier version made it: the test would see nothing")
	}
	back := w.restored(place)
	back.complete()
	if b, err := os.ReadFile(filepath.Join(back.data, filepath.FromSlash(name))); err != nil || string(b) != "sealed to a house" {
		t.Errorf("it does not come back: %q, %v", b, err)
	}
	w.backup(place, nil)
	if _, there := has(); there {
		t.Error("a file for a house is in the backup after one of an earlier version")
	}
}

func flip(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A backup that is killed at any step is none, and leaves the one before as it was; the next one is whole.
func TestKillBackup(t *testing.T) {
	w := newWorld(t, "")
	w.publish()
	place := filepath.Join(t.TempDir(), "backups")
	w.backup(place, nil)
	for at := 1; ; at++ {
		if at == 2 {
			w.publish()
		}
		before, err := manifestOf(place)
		if err != nil {
			t.Fatal(err)
		}
		_, killed := killtest.Kill(t, at, "backup", "sqlite:"+filepath.Join(w.data, database), w.data, place, w.publisher.VKey())
		m, err := manifestOf(place)
		if err != nil {
			t.Fatalf("killed at step %d: %v", at, err)
		}
		if m.Number > before.Number+1 || !killed && m.Number != before.Number+1 {
			t.Errorf("killed at step %d: backup %d after %d", at, m.Number, before.Number)
		}
		wholeSet(t, place, m)
		if !killed {
			if at < 4 {
				t.Errorf("a backup had only %d steps", at)
			}
			break
		}
	}
	w.restored(place).complete()
}

func wholeSet(t *testing.T, place string, m *Manifest) {
	t.Helper()
	d, err := files.OpenRead(place)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, e := range append(slices.Clone(m.Files), m.Database) {
		if err := whole(t.Context(), d, e, make([]byte, buffer)); err != nil {
			t.Error(err)
		}
	}
}

// A restore that is killed leaves no instance, or the whole one; the next one takes the folder up.
func TestKillRestore(t *testing.T) {
	w := newWorld(t, "")
	w.publish()
	place := filepath.Join(t.TempDir(), "backups")
	w.backup(place, nil)
	data := filepath.Join(t.TempDir(), "back")
	for at := 1; ; at++ {
		_, killed := killtest.Kill(t, at, "restore", "", data, place, "")
		_, err := os.Stat(filepath.Join(data, Settings))
		if err == nil {
			if at < 10 {
				t.Errorf("whole after %d steps", at)
			}
			if err := verified(data, "")(t.Context(), &Manifest{LedgerKey: w.publisher.VKey()}); err != nil {
				t.Error(err)
			}
			break
		}
		if !killed || !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("step %d: killed %v, %v", at, killed, err)
		}
	}
	back := &world{t: t, data: data, skey: w.skey, keys: w.keys, published: w.published}
	back.open()
	back.complete()
}

// Whatever is changed in a backup, a restore refuses it and leaves nothing.
func TestDamaged(t *testing.T) {
	w := newWorld(t, "")
	w.publish()
	place := filepath.Join(t.TempDir(), "backups")
	w.backup(place, nil)
	data := filepath.Join(t.TempDir(), "back")
	damages := 0
	err := filepath.WalkDir(place, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "lock" || e.Name() == folderID { // which hold nothing: a copy is told whole without them
			return err
		}
		for what, damage := range map[string]func() error{
			"a bit":   func() error { flip(t, name); return nil },
			"cut":     func() error { return os.Truncate(name, 1) },
			"removed": func() error { return os.Remove(name) },
		} {
			damages++
			was, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if err := damage(); err != nil {
				return err
			}
			_, err = Restore(t.Context(), place, Target{Data: data, Verify: verified(data, "")})
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNone) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			if left, err := os.ReadDir(data); err == nil && len(left) > 0 {
				t.Errorf("%s, %s: %d names are left in the folder", name, what, len(left))
			}
			if err := os.WriteFile(name, was, 0o600); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || damages < 20 {
		t.Fatalf("%d damages, %v", damages, err)
	}
	// What does not verify is not left behind either.
	if _, err := Restore(t.Context(), place, Target{Data: data, Verify: func(context.Context, *Manifest) error { return errors.New("no") }}); err == nil {
		t.Error("a restore that does not verify succeeded")
	}
	if left, _ := os.ReadDir(data); len(left) > 0 {
		t.Errorf("%d names are left", len(left))
	}
	w.restored(place).complete()
}

// Folders that a backup or a restore must not touch.
func TestPlaces(t *testing.T) {
	w := newWorld(t, "")
	w.publish()
	place := filepath.Join(t.TempDir(), "backups")
	if _, err := Restore(t.Context(), place, Target{Data: t.TempDir()}); !errors.Is(err, ErrNone) {
		t.Errorf("no folder: %v", err)
	}
	for _, inside := range []string{w.data, filepath.Join(w.data, "backups"), filepath.Dir(w.data)} {
		if _, err := w.register.Run(t.Context(), w.source(), inside); !errors.Is(err, ErrPlace) {
			t.Errorf("back up to %s: %v", inside, err)
		}
	}
	w.backup(place, nil)
	other := newWorld(t, "")
	if _, err := other.register.Run(t.Context(), other.source(), place); !errors.Is(err, ErrForeign) {
		t.Errorf("another instance's: %v", err)
	}
	// An instance, also one of the same ledger that is not ahead.
	if _, err := Restore(t.Context(), place, Target{Data: w.data}); !errors.Is(err, ErrPlace) {
		t.Errorf("into the instance: %v", err)
	}
	// A ledger that is ahead of the backup.
	w.publish()
	_, err := Restore(t.Context(), place, Target{Data: w.data})
	if !errors.Is(err, ErrOlder) || !strings.Contains(hint.Of(err), "newer backup") {
		t.Errorf("beside a newer ledger: %v, hint %q", err, hint.Of(err))
	}
	if _, err := Restore(t.Context(), place, Target{Data: filepath.Join(t.TempDir(), "x"), Store: "postgres://x"}); !errors.Is(err, ErrPlace) {
		t.Errorf("SQLite into PostgreSQL: %v", err)
	}
}

// Copies of keys are sealed, each in a file of its own, recorded before they are made, and never elsewhere.
func TestKeys(t *testing.T) {
	w := newWorld(t, "")
	id := w.publish()
	who, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(t.TempDir(), "backups")
	src := w.source()
	src.Recipient = "age1nobody"
	if _, err := w.register.Run(t.Context(), src, place); !errors.Is(err, ErrRecipient) || strings.Contains(err.Error(), "nobody") {
		t.Errorf("no recipient: %v", err)
	}
	w.backup(place, nil)
	if list, err := w.register.Copies(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("copies of keys that nobody asked for: %v, %v", list, err)
	}
	src.Recipient = who.Recipient().String()
	report, err := w.register.Run(t.Context(), src, place)
	if err != nil {
		t.Fatal(err)
	}
	names, err := w.keys.List()
	if err != nil || report.Keys != len(names) || len(names) < 3 {
		t.Fatalf("%d copies of %v, %v", report.Keys, names, err)
	}
	caseKey := "case-" + id + ".key"
	list, err := w.register.Copies(t.Context(), caseKey)
	if err != nil || len(list) != 1 || list[0].Place != place || list[0].Recipient != src.Recipient {
		t.Fatalf("copies of %s: %+v, %v", caseKey, list, err)
	}
	if _, err := os.Stat(filepath.Join(place, list[0].File)); err != nil {
		t.Error(err)
	}
	for _, name := range names {
		secret, err := w.keys.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(place, func(file string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(file)
			if bytes.Contains(b, bytes.TrimSpace(secret)) {
				t.Errorf("%s holds the key %s", file, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// They come back, also beside those that are there.
	identity := filepath.Join(t.TempDir(), "identity.txt")
	if err := os.WriteFile(identity, []byte(who.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	back, err := files.OpenKeys(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	for range 2 {
		got, err := Unseal(place, identity, back, nil)
		if err != nil || !slices.Equal(got, names) {
			t.Fatalf("brought back %v, %v", got, err)
		}
	}
	for _, name := range names {
		a, _ := w.keys.Load(name)
		b, err := back.Load(name)
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s came back as another: %v", name, err)
		}
	}
	// The register goes along with the database.
	if list, err := w.restored(place).register.Copies(t.Context(), ""); err != nil || len(list) != len(names) {
		t.Errorf("the restored register has %d copies, %v", len(list), err)
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(identity, []byte(stranger.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Unseal(place, identity, back, nil); !errors.Is(err, ErrNone) {
		t.Errorf("a stranger's identity: %v", err)
	}
}

// What goes away while a set is taken has it taken again: a case that is shredded, a corpus of passwords that is replaced.
func TestChanging(t *testing.T) {
	w := newWorld(t, "")
	w.publish()
	shredded := w.publish()
	w.write("password/sha1/current", "names aa")
	w.write("password/sha1/aa.seg", strings.Repeat("a", 3*maxSigned))
	place := filepath.Join(t.TempDir(), "backups")
	copied := 0
	d := filepath.Join(place, "objects")
	w.backup(place, func() {
		// Once the corpus's list is copied, it is replaced; while rosters are copied, one is shredded.
		switch m := has(d, "names aa"); {
		case copied == 0 && m:
			copied++
			w.write("password/sha1/current", "names bb")
			w.write("password/sha1/bb.seg", strings.Repeat("b", 3*maxSigned))
			if err := os.Remove(filepath.Join(w.data, "password/sha1/aa.seg")); err != nil {
				t.Error(err)
			}
		case copied == 1:
			copied++
			if err := w.rosters.Shred(t.Context(), by, shredded); err != nil {
				t.Error(err)
			}
		}
	})
	if copied != 2 {
		t.Fatalf("%d changes were made", copied)
	}
	back := w.restored(place)
	for _, name := range []string{"current", "bb.seg"} {
		if _, err := os.Stat(filepath.Join(back.data, "password/sha1", name)); err != nil {
			t.Error(err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(back.data, "password/sha1/current")); err != nil || string(b) != "names bb" {
		t.Errorf("the corpus's list is %q, %v", b, err)
	}
	if r, err := back.rosters.Latest(t.Context(), shredded); err != nil || r.Shredded.IsZero() {
		t.Errorf("the shredded roster: %+v, %v", r, err)
	}
	back.complete()
}

// has reports whether some object holds exactly the text.
func has(objects, text string) bool {
	sum := digest([]byte(text))
	_, err := os.Stat(filepath.Join(objects, sum[:2], sum))
	return err == nil
}

func FuzzManifest(f *testing.F) {
	sum := strings.Repeat("ab", 32)
	f.Add([]byte(`{"format":1,"number":1,"engine":"sqlite","database":{"name":"shirase.db","size":1,"sha256":"` + sum + `"},"files":[{"name":"shirase.json","size":2,"sha256":"` + sum + `"}]}`))
	f.Add([]byte(`{"format":1,"number":1,"engine":"sqlite","database":{"name":"../x","size":1,"sha256":"` + sum + `"},"files":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil {
			return
		}
		for _, e := range append(m.Files, m.Database) {
			if !filepath.IsLocal(filepath.FromSlash(e.Name)) || len(e.SHA256) != 64 {
				t.Fatalf("%+v", e)
			}
		}
	})
}
