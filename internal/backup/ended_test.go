package backup

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"shirase/internal/files"
)

// TestEnded: of a key that was destroyed for ever no copy is made, and neither it nor a file of its case comes back from one.
func TestEnded(t *testing.T) {
	w := newWorld(t, "")
	id := w.publish()
	who, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	src, key, before := w.source(), "case-"+id+".key", filepath.Join(t.TempDir(), "before")
	src.Recipient = who.Recipient().String()
	if _, err := w.register.Run(t.Context(), src, before); err != nil {
		t.Fatal(err)
	}
	ended := func(name string) bool { return strings.Contains(name, id) }
	src.Ended = ended
	after := filepath.Join(t.TempDir(), "after")
	if report, err := w.register.Run(t.Context(), src, after); err != nil || report.Keys == 0 {
		t.Fatal(report, err)
	}
	if list, err := filepath.Glob(filepath.Join(after, "keys", key+"*")); err != nil || len(list) > 0 {
		t.Errorf("a copy is made of a key that was destroyed: %v %v", list, err)
	}
	if list, err := w.register.Copies(t.Context(), key); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	identity := filepath.Join(t.TempDir(), "identity.txt")
	if err := os.WriteFile(identity, []byte(who.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	back, err := files.OpenKeys(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if names, err := Unseal(before, identity, back, ended); err != nil || len(names) == 0 || slices.Contains(names, key) {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := back.Load(key); !errors.Is(err, files.ErrNotExist) {
		t.Errorf("it came back: %v", err)
	}
	if _, err := Unseal(before, identity, back, func(string) bool { return true }); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	folder := filepath.Join(w.data, "files", "rosters", id)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if got, err := Only(t.Context(), before, w.data, w.publisher.VKey(), "files/rosters/"+id, nil, ended); !errors.Is(err, ErrNone) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Only(t.Context(), before, w.data, w.publisher.VKey(), "files/rosters", nil, nil); err != nil || len(got.Files) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
