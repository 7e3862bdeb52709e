package roster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// Files is what [VerifyFiles] found.
type Files struct {
	Whole      int64   // their bytes are those that were recorded
	Unrecorded int64   // they are there, and their hash is not known: made by an earlier version, or again after the file was lost
	Wrong      []error // one for each that is missing or has other bytes: ErrDamaged
}

// VerifyFiles reads the file of every roster that is not shredded, and compares it with the hash that was recorded when it
// was sealed. It needs no key, and changes nothing but to bring the tables up to date.
func VerifyFiles(ctx context.Context, db *store.DB, dir *files.Dir) (Files, error) {
	if err := migrate(ctx, db); err != nil {
		return Files{}, fmt.Errorf("roster: %w", err)
	}
	var out Files
	recorded, err := recordedFiles(ctx, db)
	for _, f := range recorded {
		switch err := f.verify(ctx, dir); {
		case ctx.Err() != nil:
			return out, ctx.Err()
		case err != nil:
			out.Wrong = append(out.Wrong, hint.Add(fmt.Errorf("roster of %s: %w", f.incident, err), "take the file from a backup: shirase restore SRC --only files/"+fileName(f.incident, f.id)+
				"; or make the roster again from its export: shirase scope --export FILE --rules FILE --incident "+f.incident+" --commit"))
		case f.sha256 == "":
			out.Unrecorded++
		default:
			out.Whole++
		}
	}
	return out, err
}

// Sums gives the SHA-256, in hex, of each roster's file of which it was recorded, by the file's name.
func Sums(ctx context.Context, db *store.DB) (map[string]string, error) {
	if err := migrate(ctx, db); err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	recorded, err := recordedFiles(ctx, db)
	out := map[string]string{}
	for _, f := range recorded {
		if f.sha256 != "" {
			out[fileName(f.incident, f.id)] = f.sha256
		}
	}
	return out, err
}

// recorded is a roster's file as the database has it.
type recorded struct{ incident, id, sha256 string }

func recordedFiles(ctx context.Context, db *store.DB) ([]recorded, error) {
	// A file that was lost and made again has the row of its newest making.
	rows, err := db.QueryContext(ctx, `SELECT r.incident, r.id, r.sha256 FROM roster r JOIN roster_case c ON c.incident = r.incident
		WHERE c.shred_at IS NULL AND r.seq = (SELECT max(seq) FROM roster n WHERE n.incident = r.incident AND n.id = r.id)
		ORDER BY r.incident, r.seq`)
	if err != nil {
		return nil, fmt.Errorf("roster: listing the files: %w", err)
	}
	defer rows.Close()
	var out []recorded
	for rows.Next() {
		var f recorded
		if err := rows.Scan(&f.incident, &f.id, &f.sha256); err != nil {
			return nil, fmt.Errorf("roster: listing the files: %w", err)
		}
		out = append(out, f)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("roster: listing the files: %w", err)
	}
	return out, nil
}

func (f recorded) verify(ctx context.Context, dir *files.Dir) error {
	name := fileName(f.incident, f.id)
	file, err := dir.Open(name)
	if errors.Is(err, files.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing", ErrDamaged, name)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	h, r := sha256.New(), io.NewSectionReader(file, 0, file.Size())
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch _, err := io.CopyN(h, r, 1<<20); {
		case errors.Is(err, io.EOF):
			if f.sha256 != "" && hex.EncodeToString(h.Sum(nil)) != f.sha256 {
				return fmt.Errorf("%w: %s has other bytes than were sealed", ErrDamaged, name)
			}
			return nil
		case err != nil:
			return fmt.Errorf("reading %s: %w", name, err)
		}
	}
}

// VerifyKeys tries the key of every case that is not shredded and has something sealed: on its newest roster's header, where
// it has one. The error joins one for each that is missing, no key (ErrNoKey), or not the one that its roster is sealed under.
func (r *Rosters) VerifyKeys(ctx context.Context) error {
	rows, err := r.db.QueryContext(ctx, `SELECT incident, seq FROM roster_case WHERE shred_at IS NULL AND (seq > 0 OR key_used_at IS NOT NULL) ORDER BY incident`)
	if err != nil {
		return fmt.Errorf("roster: listing the cases: %w", err)
	}
	defer rows.Close()
	type held struct {
		incident string
		seq      int64
	}
	var all []held
	for rows.Next() {
		var c held
		if err := rows.Scan(&c.incident, &c.seq); err != nil {
			return fmt.Errorf("roster: listing the cases: %w", err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("roster: listing the cases: %w", err)
	}
	var wrong []error
	for _, c := range all {
		if err := r.verifyKey(ctx, c.incident, c.seq); err != nil {
			wrong = append(wrong, fmt.Errorf("the key of case %s: %w", c.incident, err))
		}
	}
	return errors.Join(wrong...)
}

func (r *Rosters) verifyKey(ctx context.Context, incident string, seq int64) error {
	key, err := r.loadKey(ctx, incident)
	if err != nil || seq == 0 {
		return err
	}
	current, err := rosterAt(ctx, r.db, incident, seq)
	if err != nil {
		return err
	}
	file, err := r.dir.Open(fileName(incident, current.ID))
	if errors.Is(err, files.ErrNotExist) {
		return nil // VerifyFiles says it
	}
	if err != nil {
		return err
	}
	defer file.Close()
	var other *age.NoIdentityMatchError
	if _, err := age.Decrypt(io.NewSectionReader(file, 0, file.Size()), key); errors.As(err, &other) {
		return fmt.Errorf("%w: %s holds another key than its roster is sealed under", ErrNoKey, KeyFile(incident))
	}
	return nil // what else is wrong with the header is wrong with the file
}
