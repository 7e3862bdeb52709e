package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"shirase/internal/hint"
)

// A database file of other bytes is told in words, with what brings it back, also where tables are brought up to date.
func TestDamagedInWords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	tables := fstest.MapFS{"1_a.sql": {Data: []byte("-- +goose Up\nCREATE TABLE a (x INTEGER);\n")}}
	db, err := Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(t.Context(), "a", tables); err != nil {
		t.Fatal(err)
	}
	db.Close()
	os.Remove(path + "-wal")
	os.Remove(path + "-shm")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func([]byte){
		"other bytes": func(b []byte) { copy(b, strings.Repeat("x", len(b))) },
		"a page":      func(b []byte) { copy(b[100:], strings.Repeat("x", len(b)-100)) },
	} {
		bad := append([]byte{}, b...)
		damage(bad)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := Open(t.Context(), "sqlite:"+path)
		if err == nil {
			err = db.Migrate(t.Context(), "a", tables)
			db.Close()
		}
		if !errors.Is(err, ErrDamaged) || !strings.Contains(hint.Of(err), "shirase restore") {
			t.Errorf("%s: %v, hint %q", what, err, hint.Of(err))
		}
	}
}
