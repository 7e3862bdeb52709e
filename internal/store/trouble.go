package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"shirase/internal/hint"
)

// ErrNoSpace reports that something could not be written, because the disk that the database is on has no space left.
// Nothing of it was written. What is read, and what others wrote before, is not concerned.
var ErrNoSpace = errors.New("no space is left on the disk of the database")

// noSpace is an error of an engine that means ErrNoSpace, which says so in words.
type noSpace struct{ error }

func (noSpace) Error() string        { return ErrNoSpace.Error() }
func (noSpace) Is(target error) bool { return target == ErrNoSpace }
func (e noSpace) Unwrap() error      { return e.error }

// InWords makes of the error of a single row's Scan one that says what it means, as the other ways to read do by themselves.
func InWords(err error) error { return inWords(err) }

// inWords makes of an engine's error one that says what it means.
func inWords(err error) error {
	switch {
	case err == nil || errors.Is(err, ErrNoSpace) || errors.Is(err, ErrDamaged):
		return err
	case damaged(err):
		return hint.Add(fmt.Errorf("%w: %w", ErrDamaged, err), mendDatabase)
	case !full(err):
		return lostBy(err)
	}
	return hint.Add(noSpace{err}, "make space on that disk; nothing has to be mended, and what is published goes on being served")
}

// lost is an error of a connection to the database that broke while it was used: transactions use no other.
type lost struct{ error }

func (e lost) Unwrap() error { return e.error }

func lostBy(err error) error {
	if _, network := errors.AsType[*net.OpError](err); network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return lost{err}
	}
	return err
}

const mendDatabase = "restore the newest backup: shirase restore SRC --data OTHER"

// damaged: SQLite says SQLITE_CORRUPT or SQLITE_NOTADB (https://sqlite.org/rescode.html); PostgreSQL XX001 and XX002,
// data_corrupted and index_corrupted (https://www.postgresql.org/docs/15/errcodes-appendix.html).
func damaged(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		code := lite.Code() & 0xff
		return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "XX001" || pg.Code == "XX002")
}

// full: SQLite says SQLITE_FULL, or that its shared memory cannot grow (https://sqlite.org/rescode.html); PostgreSQL 53100,
// disk_full (https://www.postgresql.org/docs/15/errcodes-appendix.html).
func full(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlite3.SQLITE_FULL || lite.Code() == sqlite3.SQLITE_IOERR_SHMSIZE
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "53100" || errors.Is(err, syscall.ENOSPC)
}

// Away reports whether err says that the database cannot be reached, or answers nobody: it may come back by itself, and
// nothing is known of whatever was asked.
func Away(err error) bool {
	var connecting *pgconn.ConnectError
	var broken lost
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &pg):
		// connection_exception, too_many_connections, admin_shutdown, crash_shutdown, cannot_connect_now
		return strings.HasPrefix(pg.Code, "08") || pg.Code == "53300" || pg.Code == "57P01" || pg.Code == "57P02" || pg.Code == "57P03"
	case errors.As(err, &lite):
		code := lite.Code() & 0xff
		return code == sqlite3.SQLITE_CANTOPEN || code == sqlite3.SQLITE_IOERR && !full(err)
	}
	return errors.As(err, &connecting) || errors.As(err, &broken) || err != nil && pgconn.SafeToRetry(err) || errors.Is(err, driver.ErrBadConn)
}
