package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const createItems = `-- +goose Up
CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT NOT NULL, blob BYTEA, at BIGINT, ok BOOLEAN);
`

func migrations(files ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i, f := range files {
		m[fmt.Sprintf("%05d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(f)}
	}
	return m
}

func migrate(t *testing.T, db *store.DB, files ...string) {
	t.Helper()
	if err := db.Migrate(t.Context(), "test", migrations(files...)); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *store.DB) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM items`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPool: what is said of connections holds, and SQLite goes on writing by one.
func TestPool(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		before := db.Read().Stats().MaxOpenConnections
		db.SetPool(0, 0)
		if n := db.Read().Stats().MaxOpenConnections; n != before || n < 8 {
			t.Errorf("%d connections read where nothing was said, and %d before", n, before)
		}
		db.SetPool(3, 5)
		if n := db.Read().Stats().MaxOpenConnections; n != 3 {
			t.Errorf("%d connections read, and not 3", n)
		}
		want := 5
		if strings.HasPrefix(url, "sqlite:") {
			want = 1
		}
		if n := db.Writers(); n != want {
			t.Errorf("%d connections write, and not %d", n, want)
		}
	})
}

// TestColumns: what the portable subset promises of each type.
func TestColumns(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db, createItems)
		at := time.Date(2013, 7, 18, 10, 9, 0, 123456000, time.FixedZone("JST", 9*3600))
		// Bytes that look like numbers or text stay bytes.
		for i, b := range [][]byte{[]byte("123"), []byte("1e3"), {}, {0, 0xff}, []byte("テスト"), nil, bytes.Repeat([]byte{7}, 1<<20)} {
			_, err := db.ExecContext(t.Context(), `INSERT INTO items (id, name, blob, at, ok) VALUES ($1, $2, $3, $4, $5)`,
				i, "ひらがな", b, store.Micros(at), true)
			if err != nil {
				t.Fatal(err)
			}
			var name string
			var got []byte
			var micros int64
			var ok, null bool
			err = db.QueryRowContext(t.Context(), `SELECT name, blob, at, ok, blob IS NULL FROM items WHERE id = $1 AND (blob = $2 OR blob IS NULL)`, i, b).
				Scan(&name, &got, &micros, &ok, &null)
			if err != nil {
				t.Fatal(err)
			}
			if name != "ひらがな" || !bytes.Equal(got, b) || null != (b == nil) || !ok {
				t.Errorf("%q, %q, %v, null %v; want %q", name, got, ok, null, b)
			}
			if !store.FromMicros(micros).Equal(at) || store.FromMicros(micros).Location() != time.UTC {
				t.Errorf("%v, want %v", store.FromMicros(micros), at)
			}
		}
		// $N means the N'th argument, wherever it stands.
		var a, b int64
		if err := db.QueryRowContext(t.Context(), `SELECT CAST($2 AS BIGINT), CAST($1 AS BIGINT)`, 1, 2).Scan(&a, &b); err != nil || a != 2 || b != 1 {
			t.Errorf("%d, %d, %v", a, b, err)
		}
	})
}

func TestUpdateRollsBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db, createItems)
		insert := func(tx *sql.Tx) error {
			_, err := tx.Exec(`INSERT INTO items (id, name) VALUES (1, 'a')`)
			return err
		}
		failed := errors.New("failed")
		if err := db.Update(t.Context(), func(tx *sql.Tx) error { return errors.Join(insert(tx), failed) }); !errors.Is(err, failed) {
			t.Errorf("%v", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			db.Update(t.Context(), func(tx *sql.Tx) error { insert(tx); panic("x") })
		}()
		ctx, cancel := context.WithCancel(t.Context())
		if err := db.Update(ctx, func(tx *sql.Tx) error { cancel(); return insert(tx) }); err == nil {
			t.Error("committed though cancelled")
		}
		if n := count(t, db); n != 0 {
			t.Errorf("%d rows", n)
		}
		if err := db.Update(t.Context(), insert); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db); n != 1 {
			t.Errorf("%d rows", n)
		}
	})
}

// TestReadOnly: handles for reading do not write, on either engine.
func TestReadOnly(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db, createItems)
		const insert = `INSERT INTO items (id, name) VALUES (1, 'a')`
		if _, err := db.Read().Exec(insert); err == nil {
			t.Error("Read wrote")
		}
		if err := db.View(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(insert); return err }); err == nil {
			t.Error("View wrote")
		}
		if n := count(t, db); n != 0 {
			t.Errorf("%d rows", n)
		}
	})
}

// TestView: one state, whatever is committed meanwhile.
func TestView(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db, createItems)
		err := db.View(t.Context(), func(tx *sql.Tx) error {
			for i := range 3 {
				var n int
				if err := tx.QueryRow(`SELECT count(*) FROM items`).Scan(&n); err != nil {
					return err
				}
				if n != 0 {
					t.Errorf("%d rows after %d commits", n, i)
				}
				if _, err := db.ExecContext(t.Context(), `INSERT INTO items (id, name) VALUES ($1, 'a')`, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, db); n != 3 {
			t.Errorf("%d rows", n)
		}
	})
}

// TestContention: read-then-write transactions of several handles lose no
// update, and none fails.
func TestContention(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		const handles, each = 4, 25
		var wg sync.WaitGroup
		start := make(chan struct{})
		for h := range handles {
			db, err := store.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if h == 0 {
				migrate(t, db, createItems)
				if _, err := db.ExecContext(t.Context(), `INSERT INTO items (id, name, at) VALUES (1, 'n', 0)`); err != nil {
					t.Fatal(err)
				}
			}
			wg.Go(func() {
				<-start
				for range each {
					err := db.Update(t.Context(), func(tx *sql.Tx) error {
						var n int64
						if err := tx.QueryRow(`SELECT at FROM items WHERE id = 1`).Scan(&n); err != nil {
							return err
						}
						_, err := tx.Exec(`UPDATE items SET at = $1 WHERE id = 1`, n+1)
						return err
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		close(start)
		wg.Wait()
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var n int64
		if err := db.QueryRowContext(t.Context(), `SELECT at FROM items`).Scan(&n); err != nil || n != handles*each {
			t.Errorf("%d of %d, %v", n, handles*each, err)
		}
	})
}

// TestForeignKeys are enforced on both engines.
func TestForeignKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		migrate(t, db, `-- +goose Up
CREATE TABLE parents (id BIGINT PRIMARY KEY);
CREATE TABLE children (parent BIGINT NOT NULL REFERENCES parents (id));
`)
		if _, err := db.ExecContext(t.Context(), `INSERT INTO children (parent) VALUES (1)`); err == nil {
			t.Error("a child without a parent")
		}
	})
}

func TestMigrate(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		second := "-- +goose Up\nALTER TABLE items ADD COLUMN more TEXT NOT NULL DEFAULT 'x';\n"
		migrate(t, db, createItems)
		migrate(t, db, createItems)
		if _, err := db.ExecContext(t.Context(), `INSERT INTO items (id, name) VALUES (1, 'a')`); err != nil {
			t.Fatal(err)
		}
		migrate(t, db, createItems, second)
		var more string
		if err := db.QueryRowContext(t.Context(), `SELECT more FROM items`).Scan(&more); err != nil || more != "x" {
			t.Fatalf("%q, %v", more, err)
		}

		// Newer than this program: refused, with the remedy, unchanged.
		err := db.Migrate(t.Context(), "test", migrations(createItems))
		var h interface{ Hint() string }
		if !errors.Is(err, store.ErrNewer) || !errors.As(err, &h) || h.Hint() == "" {
			t.Fatalf("%v", err)
		}
		if n := count(t, db); n != 1 {
			t.Errorf("%d rows", n)
		}

		// A file that fails leaves nothing of itself.
		third := "-- +goose Up\nCREATE TABLE half (id BIGINT);\nINSERT INTO missing (id) VALUES (1);\n"
		if err := db.Migrate(t.Context(), "test", migrations(createItems, second, third)); err == nil {
			t.Fatal("a failing migration succeeded")
		}
		if _, err := db.QueryContext(t.Context(), `SELECT id FROM half`); err == nil {
			t.Error("half a migration stays")
		}
		migrate(t, db, createItems, second, "-- +goose Up\nCREATE TABLE half (id BIGINT);\n")

		// Rooms are apart.
		if err := db.Migrate(t.Context(), "other", migrations("-- +goose Up\nCREATE TABLE other (id BIGINT);\n")); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context(), "empty", fstest.MapFS{}); err == nil {
			t.Error("a room without migrations")
		}
	})
}

// TestMigrateTogether: programs that start at the same time apply each file
// once, including files that would do harm twice.
func TestMigrateTogether(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		files := []string{createItems, "-- +goose Up\nINSERT INTO items (id, name, at) VALUES (1, 'n', 0);\n"}
		for range 4 {
			files = append(files, "-- +goose Up\nUPDATE items SET at = at + 1;\n")
		}
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 5 {
			db, err := store.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if i == 0 {
				migrate(t, db, files[:2]...)
			}
			wg.Go(func() {
				<-start
				if err := db.Migrate(t.Context(), "test", migrations(files...)); err != nil {
					t.Error(err)
				}
			})
		}
		close(start)
		wg.Wait()
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var n int
		if err := db.QueryRowContext(t.Context(), `SELECT at FROM items`).Scan(&n); err != nil || n != 4 {
			t.Errorf("applied %d times, want 4: %v", n, err)
		}
	})
}

func TestOpenSQLite(t *testing.T) {
	// A path with characters that URLs use.
	path := filepath.Join(t.TempDir(), "a?b#c%20d 知.db")
	db, err := store.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	migrate(t, db, createItems)
	for _, p := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", p, info, err)
		}
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "foreign_keys": "1", "synchronous": "2"} {
		err := db.Update(t.Context(), func(tx *sql.Tx) error {
			var got string
			if err := tx.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q, want %q: %v", pragma, got, want, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	notDB := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(notDB, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"", "x", "sqlite:", "sqlite::memory:", "mysql://x", "postgres://127.0.0.1:1/none?connect_timeout=2",
		"postgres://user:hunter2@[bad", "sqlite:" + filepath.Join(t.TempDir(), "none", "x.db"), "sqlite:" + notDB} {
		db, err := store.Open(t.Context(), url)
		if err == nil {
			db.Close()
			t.Errorf("%q opens", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

// TestNumbers: transactions that number a row by the highest so far all have a number, however many do so at once; two that bring the same one do
// not, and are told so at once.
func TestNumbers(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		const writers, each = 12, 10
		var wg sync.WaitGroup
		start := make(chan struct{})
		var runs atomic.Int64
		for i := range writers {
			db, err := store.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if i == 0 {
				migrate(t, db, "-- +goose Up\nCREATE TABLE numbered (of BIGINT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (of, n));\nCREATE TABLE others (id BIGINT PRIMARY KEY);\n")
			}
			wg.Go(func() {
				<-start
				for j := range each {
					err := db.Update(t.Context(), func(tx *sql.Tx) error {
						runs.Add(1)
						if _, err := tx.Exec(`INSERT INTO others (id) VALUES ($1)`, i*each+j); err != nil { // as a transaction does before it comes to its number
							return err
						}
						_, err := tx.Exec(`INSERT INTO numbered (of, n) VALUES (1, (SELECT coalesce(max(n), 0) + 1 FROM numbered WHERE of = 1))`)
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		close(start)
		wg.Wait()
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var n, last int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*), max(n) FROM numbered`).Scan(&n, &last); err != nil || n != writers*each || last != n {
			t.Errorf("%d rows, the last is %d: %v", n, last, err)
		}
		t.Logf("%d runs of %d transactions", runs.Load(), n)
		// A number that another one has taken since, without looking which is the highest, is a lost race too; PostgreSQL calls it another thing.
		if db.Engine() == "postgres" {
			tried := 0
			if err := db.Update(t.Context(), func(tx *sql.Tx) error {
				if _, err := tx.Exec(`SELECT count(*) FROM others`); err != nil { // from here on it sees nothing of others
					return err
				}
				if tried++; tried <= 3 {
					if _, err := db.ExecContext(t.Context(), `INSERT INTO numbered (of, n) VALUES (2, $1)`, tried); err != nil {
						return err
					}
				}
				_, err := tx.Exec(`INSERT INTO numbered (of, n) VALUES (2, (SELECT coalesce(max(n), 0) + 1 FROM numbered WHERE of = 2))`)
				return err
			}); err != nil || tried != 4 {
				t.Errorf("after %d tries: %v", tried, err)
			}
		}
		tried := 0
		err = db.Update(t.Context(), func(tx *sql.Tx) error {
			tried++
			_, err := tx.Exec(`INSERT INTO numbered (of, n) VALUES (1, 1)`)
			return err
		})
		if err == nil || tried > 2 {
			t.Errorf("what is there already was tried %d times: %v", tried, err)
		}
	})
}
