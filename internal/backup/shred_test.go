package backup

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"filippo.io/age"

	"shirase/internal/files"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestDestroyCopies: the sealed copies of a key go from every folder that is there; of one that is away, or empty as the place of a medium that is
// not mounted, nothing is said to be gone, until it is there again.
func TestDestroyCopies(t *testing.T) {
	w := newWorld(t, "")
	w.publish()
	who, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	src := w.source()
	src.Recipient = who.Recipient().String()
	near, far, lost := filepath.Join(t.TempDir(), "near"), filepath.Join(t.TempDir(), "far"), filepath.Join(t.TempDir(), "lost")
	for _, place := range []string{near, far, lost} {
		if _, err := w.register.Run(t.Context(), src, place); err != nil {
			t.Fatal(err)
		}
	}
	list, err := w.register.Copies(t.Context(), "")
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	key := list[0].Key
	file := filepath.FromSlash(list[0].File)
	aside := filepath.Join(t.TempDir(), "aside")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Rename(far, aside))
	must(os.Mkdir(far, 0o700)) // where it is mounted
	must(os.RemoveAll(lost))
	gone, left, err := w.register.Destroy(t.Context(), key)
	if err != nil || gone != 1 || len(left) != 2 {
		t.Fatalf("%d gone, %+v, %v", gone, left, err)
	}
	if _, err := os.Stat(filepath.Join(near, file)); !os.IsNotExist(err) {
		t.Errorf("the copy is there: %v", err)
	}
	if all, err := w.register.Copies(t.Context(), key); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	must(os.Remove(far))
	must(os.Rename(aside, far))
	if gone, left, err = w.register.Destroy(t.Context(), key); err != nil || gone != 2 || len(left) != 1 || left[0].Place != lost {
		t.Errorf("%d gone, %+v, %v", gone, left, err)
	}
	// Whoever deleted it themselves has done so: the folder is there, with its backups, and has no such file.
	other := filepath.Join(t.TempDir(), "other")
	if _, err := w.register.Run(t.Context(), src, other); err != nil {
		t.Fatal(err)
	}
	must(os.Remove(filepath.Join(other, file)))
	if gone, left, err = w.register.Destroy(t.Context(), key); err != nil || gone != 3 || len(left) != 1 {
		t.Errorf("%d gone, %+v, %v", gone, left, err)
	}
}

// sealing is what a backup is of that makes copies of keys.
func (w *world) sealing() Source {
	w.t.Helper()
	who, err := age.GenerateX25519Identity()
	if err != nil {
		w.t.Fatal(err)
	}
	src := w.source()
	src.Recipient = who.Recipient().String()
	return src
}

// media is a place where folders are mounted in turns.
type media struct {
	t     *testing.T
	place string
	aside string
	now   string
}

func newMedia(t *testing.T) *media {
	return &media{t: t, place: filepath.Join(t.TempDir(), "mnt"), aside: t.TempDir()}
}

// mount puts a medium, or none, where the last one is.
func (m *media) mount(name string) {
	m.t.Helper()
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil && !os.IsNotExist(err) {
			m.t.Fatal(err)
		}
	}
	if m.now != "" {
		move(m.place, filepath.Join(m.aside, m.now))
	}
	if m.now = name; name != "" {
		move(filepath.Join(m.aside, name), m.place)
	}
}

// TestClonedMedium: a medium that was copied, to begin the second one or to replace it, is a folder of its own from when both are used. What is
// sealed into either is gone when that one was seen, and not when the other one was; also where only shredding meets it again.
func TestClonedMedium(t *testing.T) {
	w := newWorld(t, "")
	w.publish()
	ctx := t.Context()
	sealing := w.sealing()
	run := func(src Source, place string) {
		t.Helper()
		if _, err := w.register.Run(ctx, src, place); err != nil {
			t.Fatal(err)
		}
	}
	cp := func(from, to string) {
		t.Helper()
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		if err := filepath.WalkDir(to, func(name string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				err = os.Chmod(name, 0o700)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for name, after := range map[string][]int{"the first, then the copy": {0, 1}, "the copy, then the first": {1, 0}, "the copy only": {1}, "each twice": {0, 1, 0, 1}, "without keys": {0, 1}} {
		t.Run(name, func(t *testing.T) {
			places := []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")}
			run(sealing, places[0])
			cp(places[0], places[1])
			src := sealing
			if name == "without keys" { // the copy has those that were sealed before
				src.Recipient = ""
			}
			for _, i := range after {
				run(src, places[i])
			}
			list, err := w.register.Copies(ctx, "")
			if err != nil || len(list) == 0 {
				t.Fatal(list, err)
			}
			key := list[0].Key
			sealed := func(place string) []string {
				t.Helper()
				found, err := filepath.Glob(filepath.Join(place, "keys", key+".*"))
				if err != nil {
					t.Fatal(err)
				}
				return found
			}
			remains := func(place string) bool {
				t.Helper()
				_, left, err := w.register.Destroy(ctx, key)
				if err != nil {
					t.Fatal(err)
				}
				return slices.ContainsFunc(left, func(c Unreached) bool { return c.Place == place })
			}
			aside := filepath.Join(t.TempDir(), "aside")
			if err := os.Rename(places[1], aside); err != nil {
				t.Fatal(err)
			}
			if !remains(places[1]) || len(sealed(places[0])) > 0 || len(sealed(aside)) == 0 {
				t.Errorf("the first was there, and nothing is said of the copy that lies in the other one: %v %v", sealed(places[0]), sealed(aside))
			}
			if err := os.Rename(aside, places[1]); err != nil {
				t.Fatal(err)
			}
			if remains(places[1]) || len(sealed(places[1])) > 0 {
				t.Errorf("both were there, and it remains: %v", sealed(places[1]))
			}
		})
	}
}

// TestTwoMediaAtOnePlace: two media that are mounted at one place in turns are two folders, and so are one that was moved away and one that was
// begun where it was. A key is gone from those only that were seen.
func TestTwoMediaAtOnePlace(t *testing.T) {
	w := newWorld(t, "")
	id := w.publish()
	src, key, m := w.sealing(), "case-"+id+".key", newMedia(t)
	run := func() {
		t.Helper()
		if _, err := w.register.Run(t.Context(), src, m.place); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, wantGone int64, wantLeft int) {
		t.Helper()
		gone, left, err := w.register.Destroy(t.Context(), key)
		if err != nil || gone != wantGone || len(left) != wantLeft {
			t.Errorf("%s: %d gone, %+v, %v", what, gone, left, err)
		}
	}
	there := func(name string) bool {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(m.aside, name, "keys", key+".*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list) > 0
	}
	m.mount("a")
	run()
	m.mount("b")
	run()
	want("b is mounted", 1, 1)
	m.mount("")
	if !there("a") || there("b") {
		t.Fatalf("a has its copy: %t, b: %t", there("a"), there("b"))
	}
	want("none is mounted", 1, 1)
	m.mount("a")
	want("a is mounted", 2, 0)
	if m.mount(""); there("a") {
		t.Error("a has its copy")
	}
	// A folder that is brought back from a copy of it has the key again: it is looked for anew, although it was gone.
	m.mount("b")
	run()
	sealed, err := filepath.Glob(filepath.Join(m.place, "keys", key+".*"))
	if err != nil || len(sealed) != 1 {
		t.Fatal(sealed, err)
	}
	bytes, err := os.ReadFile(sealed[0])
	if err != nil {
		t.Fatal(err)
	}
	want("b has it again", 2, 0)
	if err := os.WriteFile(sealed[0], bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	want("b was brought back", 2, 0)
	if _, err := os.Stat(sealed[0]); !os.IsNotExist(err) {
		t.Error("what was brought back stays:", err)
	}
	// One that cannot be looked into is not gone, although it was: what lies there now is not known to be nothing.
	if err := os.WriteFile(sealed[0], bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	release := w.hold(m.place)
	want("b is being written to", 1, 1)
	release()
	want("b is not", 2, 0)
}

// TestFoldersOfBefore: of copies that were made before folders had ids only the place is known. Where one folder was begun there, it is believed
// when it is seen again; where there were two, each has to be seen, and what was said to be gone for both is not.
func TestFoldersOfBefore(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		old, err := store.Open(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		all, err := fs.Sub(migrations, "migrations")
		if err != nil {
			t.Fatal(err)
		}
		earlier := fstest.MapFS{}
		for _, name := range []string{"00001_backup.sql", "00002_gone.sql"} {
			b, err := fs.ReadFile(all, name)
			if err != nil {
				t.Fatal(err)
			}
			earlier[name] = &fstest.MapFile{Data: b}
		}
		if err := old.Migrate(ctx, "backup", earlier); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { old.Close() })
		w := newWorld(t, "") // which writes the folders, for another register
		id := w.publish()
		src, key := w.sealing(), "case-"+id+".key"
		one, two := newMedia(t), newMedia(t)
		// What an earlier version left: folders without an id, and rows by place.
		before := func(place string, known int64) {
			t.Helper()
			if _, err := w.register.Run(ctx, src, place); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(place, folderID)); err != nil {
				t.Fatal(err)
			}
			list, err := os.ReadDir(filepath.Join(place, "backups"))
			if err != nil || len(list) != 1 {
				t.Fatal(list, err)
			}
			name := list[0].Name()
			if _, err := old.ExecContext(ctx, `INSERT INTO backup_made (id, place, number, made_at, files, bytes) VALUES ($1, $2, 1, 1, 1, 1)`, name[len(name)-64:], place); err != nil {
				t.Fatal(err)
			}
			if _, err := old.ExecContext(ctx, `INSERT INTO backup_key (name, recipient, place, file, made_at, gone_at) VALUES ($1, $2, $3, $4, 1, $5) ON CONFLICT DO NOTHING`,
				key, src.Recipient, place, sealedName(key, src.Recipient), known); err != nil {
				t.Fatal(err)
			}
		}
		one.mount("a")
		before(one.place, 0)
		two.mount("a")
		before(two.place, 9) // as if it were gone: the other one was looked into
		two.mount("b")
		before(two.place, 9)
		if err := os.Remove(filepath.Join(two.place, filepath.FromSlash(sealedName(key, src.Recipient)))); err != nil {
			t.Fatal(err)
		}
		register, err := Open(ctx, old)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			name string
			do   func()
			gone int64
			left int
		}{{"the second of two is there", func() {}, 2, 1}, {"again", func() {}, 2, 1}, {"the first of two is there", func() { two.mount("a") }, 3, 0}, {"none is", func() { one.mount(""); two.mount("") }, 3, 0}} {
			step.do()
			gone, left, err := register.Destroy(ctx, key)
			if err != nil || gone != step.gone || len(left) != step.left {
				t.Errorf("%s: %d gone, %+v, %v", step.name, gone, left, err)
			}
		}
		// The register is brought back from before: the folder has an id that it does not know, and backups that it does.
		one.mount("a")
		if _, err := old.ExecContext(ctx, `DELETE FROM backup_folder`); err != nil {
			t.Fatal(err)
		}
		if _, err := old.ExecContext(ctx, `DELETE FROM backup_copy`); err != nil {
			t.Fatal(err)
		}
		file := sealedName(key, src.Recipient)
		if _, err := old.ExecContext(ctx, `INSERT INTO backup_copy (folder, file, name, recipient, place, made_at, gone_at) VALUES ($1, $2, $3, $4, $1, 1, 0)`, one.place, file, key, src.Recipient); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(one.place, filepath.FromSlash(file)), []byte("sealed"), 0o600); err != nil {
			t.Fatal(err)
		}
		if gone, left, err := register.Destroy(ctx, key); err != nil || gone != 1 || len(left) != 0 {
			t.Errorf("brought back: %d gone, %+v, %v", gone, left, err)
		}
		one.mount("")
		for _, m := range []*media{one, two} {
			if list, err := filepath.Glob(filepath.Join(m.aside, "*", "keys", key+".*")); err != nil || len(list) != 0 {
				t.Error(path.Base(m.place), list, err)
			}
		}
	})
}

// hold takes a folder as a backup does that is being written.
func (w *world) hold(place string) (release func()) {
	w.t.Helper()
	d, err := files.Open(place)
	if err != nil {
		w.t.Fatal(err)
	}
	let, err := busy(d)
	if err != nil {
		w.t.Fatal(err)
	}
	return func() { let(); d.Close() }
}
