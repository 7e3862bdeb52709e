package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// patience is how long a transaction is run again after losing a race.
const patience = time.Minute

// Update runs do in one write transaction and commits it; nil means that it
// is on disk. An error or a panic of do rolls everything back.
//
// Transactions behave as if they ran one after the other (SERIALIZABLE on
// PostgreSQL, one writer on SQLite). Where the engine gives one up to keep
// that true, do is run again from the start: it must leave no traces outside
// tx, and must return the errors that tx gave it (wrapped as it likes). It must
// not call Update, which would wait for itself.
func (db *DB) Update(ctx context.Context, do func(tx *sql.Tx) error) error {
	var taken string
	for start, pause := time.Now(), time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := inWords(once(ctx, db.write, db.engine.options(), do))
		again := err != nil && db.engine.retry(err)
		// A key that is there already is a race that was lost where do chose it by what it had read: run again it chooses another one. The
		// same key twice is what do was given, and the answer.
		if key := db.engine.taken(err); key != "" && key != taken {
			taken, again = key, true
		}
		if !again || time.Since(start) > patience {
			return err
		}
		// The loser waits a random while, longer each time, so that the
		// same two do not collide again.
		select {
		case <-time.After(rand.N(pause)):
		case <-ctx.Done():
			return err
		}
	}
}

// View runs do in a transaction that reads one unchanging state of the
// database and writes nothing.
func (db *DB) View(ctx context.Context, do func(tx *sql.Tx) error) error {
	// REPEATABLE READ is PostgreSQL's snapshot; SQLite's deferred
	// transactions are snapshots always.
	return inWords(once(ctx, db.read, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, do))
}

// once runs do in a transaction of h.
func once(ctx context.Context, h *sql.DB, options *sql.TxOptions, do func(tx *sql.Tx) error) error {
	tx, err := h.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("store: beginning a transaction: %w", err)
	}
	defer tx.Rollback() // does nothing after Commit; runs on a panic too
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("store: committing: %w", err)
	}
	return nil
}

type sqliteEngine struct{}

func (sqliteEngine) dialect() string { return string(goose.DialectSQLite3) }

// Transactions of the writing handle are immediate: they take the one write
// lock first and never have to upgrade.
func (sqliteEngine) options() *sql.TxOptions { return &sql.TxOptions{} }

func (sqliteEngine) retry(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}

// One writer at a time: nobody takes a key between what is read and what is written.
func (sqliteEngine) taken(error) string { return "" }

type postgresEngine struct{}

func (postgresEngine) dialect() string { return string(goose.DialectPostgres) }

func (postgresEngine) options() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelSerializable}
}

// retry: 40001 serialization_failure, 40P01 deadlock_detected
// (https://www.postgresql.org/docs/15/mvcc-serialization-failure-handling.html).
// A connection lost during COMMIT is not among them: its outcome is unknown.
func (postgresEngine) retry(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}

// taken: 23505 unique_violation, which is what a lost race is called where the winner wrote the key without having read (13.5 of the manual, as above).
// The detail has the key's values: it is compared, and shown to nobody.
func (postgresEngine) taken(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "23505" {
		return e.ConstraintName + " " + e.Detail
	}
	return ""
}
