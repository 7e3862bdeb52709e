package backup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// TestOnly damages files in every way and brings them back one by one, over backups that have the damage already.
func TestOnly(t *testing.T) {
	w := newWorld(t, "")
	w.publish()
	w.write("password/sha1/current", "aa.seg")
	w.write("password/sha1/aa.seg", "segment")
	place := filepath.Join(t.TempDir(), "backups")
	w.backup(place, nil)
	named := func(pattern string) string {
		list, err := filepath.Glob(filepath.Join(w.data, filepath.FromSlash(pattern)))
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		name, err := filepath.Rel(w.data, list[0])
		if err != nil {
			t.Fatal(err)
		}
		return filepath.ToSlash(name)
	}
	for _, name := range []string{named("files/layers/*"), named("files/rosters/*/*.age"), Settings, "password/sha1/current", "password/sha1/aa.seg"} {
		path := filepath.Join(w.data, filepath.FromSlash(name))
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, how := range []struct {
			what string
			bad  []byte
		}{{"missing", nil}, {"empty", []byte{}}, {"truncated", good[:len(good)/2]}, {"other", []byte("other")}} {
			what, bad := how.what, how.bad
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if bad != nil {
				if err := os.WriteFile(path, bad, 0o600); err != nil {
					t.Fatal(err)
				}
				if what == "other" && name != Settings {
					w.backup(place, nil) // which takes the damage for what there is
				}
			}
			got, err := Only(t.Context(), place, w.data, w.publisher.VKey(), name, nil, nil)
			if err != nil || !slices.Equal(got.Files, []string{name}) {
				t.Errorf("%s, %s: %+v, %v", name, what, got, err)
			}
			if back, err := os.ReadFile(path); err != nil || string(back) != string(good) {
				t.Errorf("%s, %s: other bytes came back (%v)", name, what, err)
			}
		}
	}
	// What is missing is taken from the newest backup, unless it is known that the copy there is not it.
	lost := named("files/rosters/*/*.age")
	good, err := os.ReadFile(filepath.Join(w.data, lost))
	if err == nil {
		err = os.Remove(filepath.Join(w.data, lost))
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Only(t.Context(), place, w.data, w.publisher.VKey(), lost, map[string]string{lost: digest(good)}, nil); err != nil || len(got.Files) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if b, err := os.ReadFile(filepath.Join(w.data, lost)); err != nil || string(b) != string(good) {
		t.Errorf("a copy that is known to be another came back (%v)", err)
	}
	w.backup(place, nil)
	fresh := filepath.Join(t.TempDir(), "fresh")
	w.backup(fresh, nil)
	if got, err := Only(t.Context(), fresh, w.data, w.publisher.VKey(), "password/", nil, nil); err != nil || got.Same != 2 || len(got.Files) > 0 {
		t.Errorf("a folder that is as it was: %+v, %v", got, err)
	}
	for _, c := range []struct {
		name, key string
		want      error
	}{
		{"files/ledger/checkpoint", w.publisher.VKey(), ErrPlace}, {"files/ledger", w.publisher.VKey(), ErrPlace}, {"files", w.publisher.VKey(), ErrPlace},
		{database, w.publisher.VKey(), ErrPlace}, {"../x", w.publisher.VKey(), ErrPlace}, {"/etc/passwd", w.publisher.VKey(), ErrPlace}, {".", "", ErrPlace},
		{"files/layers/none", w.publisher.VKey(), ErrNone}, {Settings, "other+key", ErrForeign},
	} {
		if _, err := Only(t.Context(), place, w.data, c.key, c.name, nil, nil); !errors.Is(err, c.want) || hint.Of(err) == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// A copy that has rotted is not brought back over what is there.
	m, err := manifestOf(place)
	if err != nil {
		t.Fatal(err)
	}
	e, _ := m.file("password/sha1/aa.seg")
	flip(t, filepath.Join(place, object(e.SHA256)))
	w.write("password/sha1/aa.seg", "damaged")
	if _, err := Only(t.Context(), place, w.data, "", "password/sha1/aa.seg", nil, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("a rotten copy: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(w.data, "password/sha1/aa.seg")); err != nil || string(b) != "damaged" {
		t.Errorf("%q, %v", b, err)
	}
}

// TestPrune keeps the newest backups whole, and nothing that only others named; it drops nothing where one of those that stay
// cannot be read, and nothing while a backup is written.
func TestPrune(t *testing.T) {
	w := newWorld(t, "")
	place := filepath.Join(t.TempDir(), "backups")
	for _, text := range []string{"first", "second", "third", "fourth"} {
		w.write("settings.txt", text+strings.Repeat(".", 1000))
		w.publish()
		w.backup(place, nil)
	}
	all := func(folder string) []string {
		var out []string
		err := filepath.WalkDir(filepath.Join(place, folder), func(name string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				out = append(out, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	key := w.publisher.VKey()
	refused := func(what string, want error) {
		t.Helper()
		before := len(all("."))
		if got, err := Prune(t.Context(), place, key, 2); !errors.Is(err, want) || hint.Of(err) == "" || got.Backups > 0 || len(all(".")) != before {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	last := all("backups")[3]
	kept, err := os.ReadFile(last)
	if err == nil {
		err = os.Truncate(last, 20)
	}
	if err != nil {
		t.Fatal(err)
	}
	refused("a damaged manifest", ErrDamaged)
	if err := os.WriteFile(last, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	key = "another"
	refused("another instance's", ErrForeign)
	key = w.publisher.VKey()
	d, err := files.Open(place)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	release, err := busy(d)
	if err != nil {
		t.Fatal(err)
	}
	refused("while somebody writes", ErrBusy)
	if _, err := w.register.Run(t.Context(), w.source(), place); !errors.Is(err, ErrBusy) {
		t.Errorf("a second backup meanwhile: %v", err)
	}
	release()

	if got, err := Prune(t.Context(), place, key, 9); err != nil || got.Backups > 0 || got.Objects > 0 {
		t.Errorf("more are kept than there are: %+v, %v", got, err)
	}
	objects := len(all("objects"))
	got, err := Prune(t.Context(), place, key, 2)
	if err != nil || got.Backups != 2 || got.Objects < 4 || got.Bytes < 2000 || len(all("objects")) != objects-got.Objects {
		t.Fatalf("%+v, %v", got, err)
	}
	needed := map[string]bool{}
	for _, name := range all("backups") {
		m, err := readManifest(d, "backups/"+filepath.Base(name))
		if err != nil {
			t.Fatal(err)
		}
		wholeSet(t, place, m)
		for _, e := range append(m.Files, m.Database) {
			needed[e.SHA256] = true
		}
	}
	for _, name := range all("objects") {
		if !needed[filepath.Base(name)] {
			t.Errorf("%s is named by no backup, and stays", name)
		}
	}
	w.restored(place).complete()
}
