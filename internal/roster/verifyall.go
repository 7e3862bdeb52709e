package roster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"shirase/internal/files"
	"shirase/internal/store"
)

// Verify reads every roster that is kept: its file has to be the one that was sealed, by its hash and, where the case's key
// is here, to its end and with the figures that the database has. It mends nothing. What is wrong is ErrDamaged, and names
// the incident.
func Verify(ctx context.Context, db *store.DB, dir *files.Dir, keys *files.Keys) error {
	r, err := open(ctx, db, dir, keys)
	if err != nil {
		return err
	}
	cases, err := r.cases(ctx)
	if err != nil {
		return fmt.Errorf("verify rosters: %w", err)
	}
	for _, c := range cases {
		if err := r.verifyCase(ctx, c); err != nil {
			return fmt.Errorf("verify the rosters of %s: %w", c.incident, err)
		}
	}
	return nil
}

// Reader opens a room of which rows are read and no file, and finishes nothing.
func Reader(ctx context.Context, db *store.DB) (*Rosters, error) { return open(ctx, db, nil, nil) }

// open opens the room without finishing anything.
func open(ctx context.Context, db *store.DB, dir *files.Dir, keys *files.Keys) (*Rosters, error) {
	if err := migrate(ctx, db); err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	return &Rosters{db: db, dir: dir, keys: keys, now: time.Now}, nil
}

// caseRow is a row of roster_case.
type caseRow struct {
	incident        string
	seq             int64
	shred, shredded sql.NullInt64
}

func (r *Rosters) cases(ctx context.Context) (out []caseRow, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT incident, seq, shred_at, shredded_at FROM roster_case ORDER BY incident`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var c caseRow
		if err := rows.Scan(&c.incident, &c.seq, &c.shred, &c.shredded); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

func (r *Rosters) verifyCase(ctx context.Context, c caseRow) error {
	if c.shred.Valid != c.shredded.Valid {
		return damaged("that its key is destroyed is decided and not done", nil)
	}
	if c.shred.Valid {
		if _, err := r.keys.Load(KeyFile(c.incident)); !errors.Is(err, files.ErrNotExist) {
			return damaged("its key is said to be destroyed, and is here", err)
		}
		return nil
	}
	rows, err := r.db.QueryContext(ctx, `SELECT seq, id, sha256 FROM roster WHERE incident = $1 ORDER BY seq`, c.incident)
	if err != nil {
		return err
	}
	defer rows.Close()
	all := []recorded{}
	for rows.Next() {
		var seq int64
		f := recorded{incident: c.incident}
		if err := rows.Scan(&seq, &f.id, &f.sha256); err != nil {
			return err
		}
		if seq != int64(len(all))+1 {
			return damaged(fmt.Sprintf("its rosters are not numbered 1, 2, 3, ...: %d", seq), nil)
		}
		all = append(all, f)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	if c.seq != int64(len(all)) {
		return damaged(fmt.Sprintf("number %d is said to be current, and %d is the newest", c.seq, len(all)), nil)
	}
	for i, f := range all {
		again := slices.ContainsFunc(all[i+1:], func(n recorded) bool { return n.id == f.id }) // its file was lost, and made again
		if err := r.verifyOne(ctx, f, int64(i)+1, again); err != nil {
			return fmt.Errorf("number %d: %w", i+1, err)
		}
	}
	return nil
}

// verifyOne verifies one roster's file against its row; where the file is another row's, only the row.
func (r *Rosters) verifyOne(ctx context.Context, f recorded, seq int64, again bool) error {
	roster, err := rosterAt(ctx, r.db, f.incident, seq)
	if err != nil || again {
		return err
	}
	if err := f.verify(ctx, r.dir); err != nil {
		return err
	}
	for _, err := range r.Members(ctx, roster) {
		if errors.Is(err, ErrNoKey) { // whoever verifies need not have it
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
