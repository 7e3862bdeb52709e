// Package store is the SQL handle of every room: one file of SQLite, or
// PostgreSQL, behind the same few calls and the same SQL text.
//
// # One text for both engines
//
// Every statement is written once, in the subset both engines give one
// meaning: $1 placeholders; times as BIGINT microseconds ([Micros]); ids made
// by the program; BIGINT, TEXT, BOOLEAN and, for bytes, BYTEA. No rewriting
// takes place: SQLite accepts any type name, and a column of one it does not
// know (BYTEA: affinity NUMERIC) keeps a bound []byte as the BLOB it is. So:
// bind bytes as []byte, never as string. An empty value may be scanned as nil;
// only the query can tell it from NULL.
//
// # Writing and reading
//
// All writing happens in [DB.Update]: one transaction, serializable on both
// engines, tried again where the engine asks for it, durable when it returns
// nil. Handles for reading refuse to write on both engines. On SQLite there is
// one writing connection, so writers queue in the process instead of failing.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"shirase/internal/hint"
)

// Errors of this package.
var (
	// ErrNewer reports a database that a newer program has migrated. Nothing
	// was changed in it.
	ErrNewer = errors.New("the database was written by a newer version")
	// ErrURL reports a database URL of neither known form.
	ErrURL = errors.New(`not "sqlite:PATH" or "postgres://..."`)
)

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	write, read *sql.DB
	engine      engine
	url         string
}

// engine is what differs between the two.
type engine interface {
	// retry reports whether a transaction that ended with err took no
	// effect and may succeed when run again.
	retry(err error) bool
	// taken names the unique key that err says is there already; "": it says nothing of the kind.
	taken(err error) string
	// options are those of a write transaction.
	options() *sql.TxOptions
	// dialect is goose's name for the engine.
	dialect() string
	// snapshot writes one state of the database at url into the empty file at path.
	snapshot(ctx context.Context, url, path string) error
}

// Open opens the database that url names: "sqlite:PATH" (the file is made,
// mode 0600, where it is missing; its folder is not) or "postgres://...".
// It connects once, to find out now what is wrong.
func Open(ctx context.Context, url string) (*DB, error) {
	var db *DB
	var err error
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		db, err = openSQLite(rest)
	case "postgres", "postgresql":
		db, err = openPostgres(ctx, url)
	default:
		return nil, hint.Add(fmt.Errorf("store: opening the database: %w", ErrURL),
			"give the database as sqlite:PATH or postgres://USER@HOST/NAME")
	}
	if err != nil {
		return nil, err
	}
	db.url = url
	for _, h := range []*sql.DB{db.write, db.read} {
		if err := h.PingContext(ctx); err != nil {
			db.Close()
			return nil, fmt.Errorf("store: opening the database: %w", inWords(err))
		}
	}
	return db, nil
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	return db.read.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// openSQLite opens the file at path. WAL with synchronous=FULL forces every
// commit to disk before it is reported (https://sqlite.org/pragma.html).
func openSQLite(path string) (*DB, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, fmt.Errorf("store: opening %q: a file is needed: %w", path, ErrURL)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	// SQLite would make the file with the process's umask; its -wal and
	// -shm files take the mode of this one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: opening the database: %w", err)
	}
	f.Close()
	open := func(mode string, conns int) (*sql.DB, error) {
		u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "_busy_timeout=10000&_foreign_keys=1" +
			"&_journal_mode=WAL&_synchronous=FULL&_dqs=0&_defensive=1&" + mode}
		c, err := sqlite.NewConnector(u.String())
		if err != nil {
			return nil, fmt.Errorf("store: opening the database: %w", err)
		}
		db := sql.OpenDB(c)
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db, nil
	}
	w, err := open("_txlock=immediate", 1)
	if err != nil {
		return nil, err
	}
	r, err := open("_query_only=1", 8)
	if err != nil {
		w.Close()
		return nil, err
	}
	return &DB{write: w, read: r, engine: sqliteEngine{}}, nil
}

// openPostgres opens the database at url, one pool for writing and one whose
// transactions are read-only unless they say otherwise.
func openPostgres(ctx context.Context, url string) (*DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// pgx's message leaves the password out.
		return nil, fmt.Errorf("store: opening the database: %w", err)
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "shirase"
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second // one that does not answer is away
	}
	if config.RuntimeParams["jit"] == "" {
		// Compiling takes longer than any query here.
		config.RuntimeParams["jit"] = "off"
	}
	if err := insistOnDurable(ctx, config); err != nil {
		return nil, fmt.Errorf("store: opening the database: %w", err)
	}
	reading := config.Copy()
	reading.RuntimeParams["default_transaction_read_only"] = "on"
	open := func(c *pgx.ConnConfig) *sql.DB {
		db := sql.OpenDB(stdlib.GetConnector(*c))
		db.SetMaxOpenConns(16)
		db.SetMaxIdleConns(16)
		db.SetConnMaxIdleTime(5 * time.Minute)
		return db
	}
	return &DB{write: open(config), read: open(reading), engine: postgresEngine{}}, nil
}

// insistOnDurable turns asynchronous commits off where they are the server's
// default: a success is on disk. Stronger defaults stay.
func insistOnDurable(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var commit string
	if err := conn.QueryRow(ctx, "SHOW synchronous_commit").Scan(&commit); err != nil {
		return err
	}
	if commit == "off" {
		config.RuntimeParams["synchronous_commit"] = "on"
	}
	return nil
}

// SetPool bounds how many connections read and how many write; 0 leaves it as it is. SQLite writes by one connection, always.
func (db *DB) SetPool(read, write int) {
	set := func(h *sql.DB, n int) {
		if n > 0 {
			h.SetMaxOpenConns(n)
			h.SetMaxIdleConns(n)
		}
	}
	set(db.read, read)
	if _, one := db.engine.(sqliteEngine); !one {
		set(db.write, write)
	}
}

// Close closes all connections.
func (db *DB) Close() error { return errors.Join(db.read.Close(), db.write.Close()) }

// Read returns the handle for reading. Statements that write fail on it.
func (db *DB) Read() *sql.DB { return db.read }

// QueryContext queries outside any transaction; see [DB.View] for several
// queries that must agree.
func (db *DB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := db.read.QueryContext(ctx, query, args...)
	return rows, inWords(err)
}

// QueryRowContext queries one row outside any transaction. What its Scan reports is the engine's own: InWords says what it means.
func (db *DB) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return db.read.QueryRowContext(ctx, query, args...)
}

// Querier is what reading needs: a [DB], or a transaction on one.
type Querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Column returns what a query of one column gives, in its order.
func Column[T int64 | string](ctx context.Context, q Querier, query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// ExecContext runs one writing statement in a transaction of its own.
func (db *DB) ExecContext(ctx context.Context, query string, args ...any) (res sql.Result, err error) {
	err = db.Update(ctx, func(tx *sql.Tx) (err error) {
		res, err = tx.ExecContext(ctx, query, args...)
		return err
	})
	return res, err
}

// Micros returns t as stored in BIGINT columns: microseconds since 1970 UTC.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// FromMicros returns the time that [Micros] made m of, in UTC.
func FromMicros(m int64) time.Time { return time.UnixMicro(m).UTC() }
