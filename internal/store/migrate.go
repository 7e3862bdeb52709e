package store

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"shirase/internal/hint"
)

var roomName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)

// Migrate brings the tables of one room to the version of this program.
// migrations holds its files at the top level, named 00001_what.sql, in
// goose's form ("-- +goose Up"), one text for both engines. Which of them were
// applied is kept in the table <room>_migrations.
//
// Each file is applied in one transaction, once, even where several programs
// migrate at the same time. ErrNewer, with a hint and nothing changed, where
// the database has versions that this program does not know.
func (db *DB) Migrate(ctx context.Context, room string, migrations fs.FS) error {
	if !roomName.MatchString(room) {
		panic("store: room name " + room)
	}
	if err := inWords(db.migrate(ctx, room, migrations)); err != nil {
		return fmt.Errorf("store: migrating the tables of %s: %w", room, err)
	}
	return nil
}

func (db *DB) migrate(ctx context.Context, room string, migrations fs.FS) error {
	store, err := database.NewStore(goose.Dialect(db.engine.dialect()), room+"_migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider("", db.write, migrations, goose.WithStore(onceStore{store}),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	for before := int64(-1); ; {
		has, wants, err := p.GetVersions(ctx)
		if err != nil {
			return err
		}
		if has > wants {
			return hint.Add(fmt.Errorf("its version is %d, this program's %d: %w", has, wants, ErrNewer),
				"use the newer shirase that wrote it, or restore the backup made before the upgrade")
		}
		// Another program may be migrating too: the file that both try
		// takes effect once (onceStore) and fails here. Go on for as
		// long as the version moves.
		_, err = p.Up(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if has, _, verr := p.GetVersions(ctx); verr != nil || has == before {
			return err
		} else {
			before = has
		}
	}
}

// onceStore is goose's record of applied versions, made to refuse a version
// twice: the refusal rolls the second application back whole.
type onceStore struct{ database.Store }

func (s onceStore) CreateVersionTable(ctx context.Context, tx database.DBTxConn) error {
	if err := s.Store.CreateVersionTable(ctx, tx); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf("CREATE UNIQUE INDEX %s_once ON %[1]s (version_id)", s.Tablename()))
	return err
}
