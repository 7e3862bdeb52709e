package roster

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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

// Reader gives a room whose tables are up to date, to be read only: it finishes nothing.
func Reader(db *store.DB, dir *files.Dir, keys *files.Keys) *Rosters {
	return &Rosters{db: db, dir: dir, keys: keys, now: time.Now}
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
		if _, err := r.keys.Load(keyName(c.incident)); !errors.Is(err, files.ErrNotExist) {
			return damaged("its key is said to be destroyed, and is here", err)
		}
		return nil
	}
	rows, err := r.db.QueryContext(ctx, `SELECT seq, id, sha256 FROM roster WHERE incident = $1 ORDER BY seq`, c.incident)
	if err != nil {
		return err
	}
	defer rows.Close()
	sums := []string{}
	for rows.Next() {
		var seq int64
		var id, sum string
		if err := rows.Scan(&seq, &id, &sum); err != nil {
			return err
		}
		if seq != int64(len(sums))+1 {
			return damaged(fmt.Sprintf("its rosters are not numbered 1, 2, 3, ...: %d", seq), nil)
		}
		sums = append(sums, sum)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	if c.seq != int64(len(sums)) {
		return damaged(fmt.Sprintf("number %d is said to be current, and %d is the newest", c.seq, len(sums)), nil)
	}
	for i, sum := range sums {
		if err := r.verifyOne(ctx, c.incident, int64(i)+1, sum); err != nil {
			return fmt.Errorf("number %d: %w", i+1, err)
		}
	}
	return nil
}

// verifyOne verifies one roster's file against its row.
func (r *Rosters) verifyOne(ctx context.Context, incident string, seq int64, sum string) error {
	roster, err := rosterAt(ctx, r.db, incident, seq)
	if err != nil {
		return err
	}
	f, err := r.dir.Open(fileName(incident, roster.ID))
	if errors.Is(err, files.ErrNotExist) {
		return damaged("its file is missing", err)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if sum != "" {
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.Size())); err != nil {
			return err
		}
		if hex.EncodeToString(h.Sum(nil)) != sum {
			return damaged("its file is not the one that was sealed", nil)
		}
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

// open opens the room without finishing anything.
func open(ctx context.Context, db *store.DB, dir *files.Dir, keys *files.Keys) (*Rosters, error) {
	if err := migrate(ctx, db); err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	return Reader(db, dir, keys), nil
}
