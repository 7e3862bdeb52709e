package backup

import (
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"
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
