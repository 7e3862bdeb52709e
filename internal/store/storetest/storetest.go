// Package storetest runs a test on every database engine.
package storetest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/store"
)

// Env names the environment variable with the URL of a PostgreSQL database in
// which tests may make and drop schemas. The script ./test sets it.
const Env = "SHIRASE_TEST_POSTGRES"

// Each runs the test once an engine, each time on an empty database of its
// own: SQLite in a temporary folder, and PostgreSQL, skipped where Env is not
// set.
func Each(t *testing.T, run func(t *testing.T, db *store.DB)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) { run(t, open(t, url)) })
}

// EachURL is Each for tests that open the database themselves: url names an
// empty one.
func EachURL(t *testing.T, run func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		run(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		run(t, postgres(t))
	})
}

// Bench is Each for benchmarks.
func Bench(b *testing.B, run func(b *testing.B, db *store.DB)) {
	b.Helper()
	b.Run("sqlite", func(b *testing.B) { run(b, open(b, "sqlite:"+filepath.Join(b.TempDir(), "test.db"))) })
	b.Run("postgres", func(b *testing.B) { run(b, open(b, postgres(b))) })
}

func open(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// postgres makes a schema for the test, to be dropped after it.
func postgres(t testing.TB) string {
	t.Helper()
	base := os.Getenv(Env)
	if base == "" {
		t.Skipf("%s is not set: run ./test to test on PostgreSQL too", Env)
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("%s: not a URL", Env)
	}
	admin := open(t, base)
	schema := "test_" + strings.ToLower(rand.Text())
	if _, err := admin.ExecContext(t.Context(), "CREATE SCHEMA "+schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+schema+" CASCADE"); err != nil {
			t.Errorf("dropping the schema: %v", err)
		}
	})
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}
