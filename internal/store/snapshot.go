package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"

	"shirase/internal/hint"
)

// Errors of snapshots.
var (
	// ErrTool reports that PostgreSQL's own program is missing or failed.
	ErrTool = errors.New("PostgreSQL's own program did not do it")
	// ErrNotEmpty reports a database that holds tables already.
	ErrNotEmpty = errors.New("the database is not empty")
)

// Engine names the engine: "sqlite" or "postgres".
func (db *DB) Engine() string {
	if _, ok := db.engine.(sqliteEngine); ok {
		return "sqlite"
	}
	return "postgres"
}

// Snapshot writes what is committed at one instant into the empty file at path, while others read and write: on SQLite a
// database of its own (https://sqlite.org/lang_vacuum.html), on PostgreSQL what its pg_dump makes of the schema, in the custom
// format. The caller forces it to disk.
func (db *DB) Snapshot(ctx context.Context, path string) error {
	if err := db.engine.snapshot(ctx, db.url, path); err != nil {
		return fmt.Errorf("store: taking a snapshot: %w", err)
	}
	return nil
}

// ErrDamaged reports a database whose file is not as the engine wrote it.
var ErrDamaged = errors.New("the database's file is damaged")

// Intact has the engine look through its own file, where it can: SQLite compares all pages and indexes
// (https://sqlite.org/pragma.html#pragma_integrity_check); of PostgreSQL's files this says nothing. It reads the whole
// database. ErrDamaged.
func (db *DB) Intact(ctx context.Context) error {
	if db.Engine() != "sqlite" {
		return nil
	}
	var said string
	err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&said)
	if err == nil && said != "ok" {
		err = errors.New(said)
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return hint.Add(fmt.Errorf("%w: %v", ErrDamaged, err), mendDatabase)
}

// The snapshot has a connection of its own: the writing one would keep writers waiting, and the reading ones refuse it.
func (sqliteEngine) snapshot(ctx context.Context, from, path string) error {
	_, file, _ := strings.Cut(from, ":")
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(file), RawQuery: "_busy_timeout=10000&_dqs=0"}
	c, err := sqlite.NewConnector(u.String())
	if err != nil {
		return err
	}
	h := sql.OpenDB(c)
	defer h.Close()
	_, err = h.ExecContext(ctx, `VACUUM INTO $1`, path)
	return err
}

func (postgresEngine) snapshot(ctx context.Context, from, path string) error {
	schema, err := currentSchema(ctx, from)
	if err != nil {
		return err
	}
	return tool(ctx, "pg_dump", from, "--format=custom", "--no-owner", "--no-acl", "--schema="+schema, "--file="+path)
}

// Load fills the empty PostgreSQL database at url with what [DB.Snapshot] wrote into the file at path, whole or not at all.
// ErrNotEmpty, changing nothing, where it holds tables.
func Load(ctx context.Context, url, path string) error {
	schema, err := currentSchema(ctx, url)
	if err != nil {
		return fmt.Errorf("store: loading a snapshot: %w", err)
	}
	db, err := Open(ctx, url)
	if err != nil {
		return err
	}
	defer db.Close()
	var tables int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM information_schema.tables WHERE table_schema = $1`, schema).Scan(&tables); err != nil {
		return fmt.Errorf("store: loading a snapshot: %w", err)
	}
	if tables > 0 {
		return hint.Add(fmt.Errorf("store: loading a snapshot: %w: %d tables", ErrNotEmpty, tables), "make a new database (createdb) and name it with --store")
	}
	if err := tool(ctx, "pg_restore", url, "--no-owner", "--no-acl", "--exit-on-error", "--single-transaction", "--schema="+schema, path); err != nil {
		return fmt.Errorf("store: loading a snapshot: %w", err)
	}
	return nil
}

func currentSchema(ctx context.Context, url string) (string, error) {
	db, err := Open(ctx, url)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var schema string
	err = db.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&schema)
	return schema, err
}

// tool runs one of PostgreSQL's programs on the database at from. The password goes by the environment: arguments stand in
// the list of processes.
func tool(ctx context.Context, name, from string, args ...string) error {
	u, err := url.Parse(from)
	if err != nil {
		return ErrURL // its text may hold the password
	}
	env := os.Environ()
	if password, there := u.User.Password(); there {
		env, u.User = append(env, "PGPASSWORD="+password), url.User(u.User.Username())
	}
	q := u.Query()
	q.Del("search_path") // pgx's own; libpq refuses it
	if password := q.Get("password"); password != "" {
		env = append(env, "PGPASSWORD="+password)
		q.Del("password")
	}
	u.RawQuery = q.Encode()
	cmd := exec.CommandContext(ctx, name, append(args, "--no-password", "--dbname="+u.String())...)
	cmd.Env = env
	var errw strings.Builder
	cmd.Stderr = &errw
	switch err := cmd.Run(); {
	case errors.Is(err, exec.ErrNotFound):
		return hint.Add(fmt.Errorf("%w: %s is not installed here", ErrTool, name), "install PostgreSQL's client programs, of the server's version or a newer one")
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("%w: %s: %v: %.500s", ErrTool, name, err, strings.TrimSpace(errw.String()))
	}
	return nil
}
