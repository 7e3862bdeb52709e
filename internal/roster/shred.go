package roster

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// KeyFile is the name of the file of a case's key.
func KeyFile(incident string) string { return "case-" + incident + ".key" }

// caseKey returns the case's key, and makes it where no roster was sealed yet.
func (r *Rosters) caseKey(ctx context.Context, incident string) (*age.X25519Identity, error) {
	key, err := r.loadKey(ctx, incident)
	if !errors.Is(err, files.ErrNotExist) || errors.Is(err, ErrNoKey) || errors.Is(err, ErrShredded) {
		return key, err
	}
	if key, err = age.GenerateX25519Identity(); err != nil {
		return nil, fmt.Errorf("making the case's key: %w", err)
	}
	err = r.keys.Create(KeyFile(incident), []byte(key.String()+"\n"))
	if errors.Is(err, files.ErrExist) { // another process was faster
		return r.loadKey(ctx, incident)
	}
	if err != nil {
		return nil, err
	}
	return key, nil
}

// loadKey returns the case's key. Where there is none, the error says which of the
// reasons it is: ErrShredded, ErrNoKey, or, where nothing was sealed yet,
// files.ErrNotExist alone.
func (r *Rosters) loadKey(ctx context.Context, incident string) (*age.X25519Identity, error) {
	var seq int64
	var shred, used sql.NullInt64
	err := r.db.View(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT seq, shred_at, key_used_at FROM roster_case WHERE incident = $1`, incident).Scan(&seq, &shred, &used)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if shred.Valid {
		return nil, fmt.Errorf("%w on %s", ErrShredded, store.FromMicros(shred.Int64).UTC().Format(time.RFC3339))
	}
	text, err := r.keys.Load(KeyFile(incident))
	if errors.Is(err, files.ErrNotExist) && (seq > 0 || used.Valid) {
		return nil, hint.Add(fmt.Errorf("%w: %w", ErrNoKey, err), "put it back from where the keys are kept, or: shirase restore SRC --only keys --identity FILE; or name their folder with --keys")
	}
	if err != nil {
		return nil, err
	}
	key, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		// age's error may quote the text.
		return nil, hint.Add(fmt.Errorf("%w: %s holds no age key", ErrNoKey, KeyFile(incident)), "put it back from where the keys are kept, or move that file away, and: shirase restore SRC --only keys --identity FILE")
	}
	return key, nil
}

// Sealer gives what columns of a case are sealed under: a key that follows from the case's own, so that shredding the case
// takes them too. Where there is no key yet it is made, if make is true; files.ErrNotExist otherwise. Errors also: ErrShredded,
// ErrNoKey.
func (r *Rosters) Sealer(ctx context.Context, incident string, make bool) (*store.Sealer, error) {
	if !validIncident(incident) {
		return nil, errors.New("an incident's id is 1 to 64 of a-z, 0-9 and -")
	}
	load := r.loadKey
	if make {
		load = r.caseKey
	}
	key, err := load(ctx, incident)
	if err != nil {
		return nil, fmt.Errorf("the key of case %s: %w", incident, err)
	}
	if make {
		// Recorded before anything is sealed: a key that is lost afterwards is not made anew.
		if err := r.db.Update(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO roster_case (incident, seq, key_used_at) VALUES ($1, 0, $2)
				ON CONFLICT (incident) DO UPDATE SET key_used_at = coalesce(roster_case.key_used_at, excluded.key_used_at)`, incident, store.Micros(r.now()))
			return err
		}); err != nil {
			return nil, fmt.Errorf("the key of case %s: %w", incident, err)
		}
	}
	return columnSealer(incident, key)
}

func columnSealer(incident string, key *age.X25519Identity) (*store.Sealer, error) {
	derived, err := hkdf.Key(sha256.New, []byte(key.String()), nil, "shirase/v1 case columns", store.KeySize)
	if err != nil {
		return nil, fmt.Errorf("the key of case %s: %w", incident, err)
	}
	return store.NewSealer(derived)
}

// SealerOf is Rosters.Sealer by the folder of keys alone, for what has to go on where the database is away. A case that was shredded has
// no key there. Errors: files.ErrNotExist, ErrNoKey.
func SealerOf(keys *files.Keys, incident string) (*store.Sealer, error) {
	if !validIncident(incident) {
		return nil, errors.New("an incident's id is 1 to 64 of a-z, 0-9 and -")
	}
	text, err := keys.Load(KeyFile(incident))
	if err != nil {
		return nil, fmt.Errorf("the key of case %s: %w", incident, err)
	}
	key, err := age.ParseX25519Identity(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("the key of case %s: %w: %s holds no age key", incident, ErrNoKey, KeyFile(incident))
	}
	return columnSealer(incident, key)
}

// Holds reports whether a key was ever made for an incident: it has, or had, a case or a roster, which are not for everybody to see. q may
// be a transaction.
func (r *Rosters) Holds(ctx context.Context, q store.Querier, incident string) (bool, error) {
	var n int
	err := q.QueryRowContext(ctx, `SELECT count(*) FROM roster_case WHERE incident = $1`, incident).Scan(&n)
	return n > 0, err
}

// Shred destroys the case's key, and with it every roster of the incident, also
// those in backups; then it removes their files. It is recorded first: a process
// that is killed has it finished by the next [New]. Figures stay known.
// Shredding twice does nothing. ErrNone where there is nothing.
func (r *Rosters) Shred(ctx context.Context, who actor.Actor, incident string) error {
	return r.ShredIf(ctx, who, incident, nil)
}

// ShredIf is Shred where allowed says nothing against it, in the transaction that records it; it is not asked of a case of which that is
// recorded already. Its error is returned.
func (r *Rosters) ShredIf(ctx context.Context, who actor.Actor, incident string, allowed func(tx *sql.Tx) error) error {
	if err := who.Check("shred a case"); err != nil {
		return err
	}
	err := r.db.Update(ctx, func(tx *sql.Tx) error {
		if begun, err := r.Ending(ctx, tx, incident); err != nil {
			return err
		} else if allowed != nil && !begun {
			if err := allowed(tx); err != nil {
				return err
			}
		}
		result, err := tx.ExecContext(ctx, `UPDATE roster_case SET shred_actor = CASE WHEN shred_at IS NULL THEN CAST($3 AS text) ELSE shred_actor END,
			shred_at = coalesce(shred_at, $2) WHERE incident = $1`, incident, store.Micros(r.now()), who.String())
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNone)
		}
		return nil
	})
	if err == nil {
		err = r.finish(ctx, incident)
	}
	if err != nil {
		return fmt.Errorf("shredding the rosters of %s: %w", incident, err)
	}
	return nil
}

// Ending reports whether a case's key is destroyed, or is to be: nothing keeps it from that any more. q may be a transaction.
func (r *Rosters) Ending(ctx context.Context, q store.Querier, incident string) (bool, error) {
	var at sql.NullInt64
	err := q.QueryRowContext(ctx, `SELECT shred_at FROM roster_case WHERE incident = $1`, incident).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return at.Valid, err
}

// Stands says which the newest roster of a case is, without its key: another text as soon as one is made. q may be a transaction.
func (r *Rosters) Stands(ctx context.Context, q store.Querier, incident string) (string, error) {
	var seq int64
	err := q.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM roster WHERE incident = $1`, incident).Scan(&seq)
	return "rosters " + strconv.FormatInt(seq, 10), err
}

// Ended gives the incidents whose key is destroyed, or is to be: what is brought back from a copy leaves them out.
func Ended(ctx context.Context, db *store.DB) (map[string]bool, error) {
	err := migrate(ctx, db)
	var all map[string]bool
	if err == nil {
		all, err = ended(ctx, db, `SELECT incident FROM roster_case WHERE shred_at IS NOT NULL`)
	}
	if err != nil {
		return nil, fmt.Errorf("roster: what is shredded: %w", err)
	}
	return all, nil
}

func ended(ctx context.Context, db *store.DB, query string) (map[string]bool, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var incident string
		if err := rows.Scan(&incident); err != nil {
			return nil, err
		}
		out[incident] = true
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// OfFile gives the incident of a case's key file, or of a roster's file below a folder of files; "" where it is neither.
func OfFile(name string) string {
	id, isKey := strings.CutPrefix(name, "case-")
	id, isFile := strings.CutSuffix(id, ".key")
	if isKey && isFile && validIncident(id) {
		return id
	}
	rest, below := strings.CutPrefix(name, "rosters/")
	if id, _, of := strings.Cut(rest, "/"); below && of && validIncident(id) {
		return id
	}
	return ""
}

// finishShredding goes on where a process died, and destroys again what was brought back.
func (r *Rosters) finishShredding(ctx context.Context) error {
	pending, err := ended(ctx, r.db, `SELECT incident FROM roster_case WHERE shred_at IS NOT NULL AND shredded_at IS NULL`)
	if err != nil {
		return err
	}
	over, err := ended(ctx, r.db, `SELECT incident FROM roster_case WHERE shredded_at IS NOT NULL`)
	if err != nil {
		return err
	}
	if len(over) > 0 {
		if r.Again, err = r.again(over); err != nil {
			return err
		}
	}
	for _, incident := range append(slices.Sorted(maps.Keys(pending)), r.Again...) {
		if err := r.finish(ctx, incident); err != nil {
			return fmt.Errorf("finishing to shred the rosters of %s: %w", incident, err)
		}
	}
	return nil
}

// again gives those of some cases that are shredded whose key or rosters are there.
func (r *Rosters) again(over map[string]bool) ([]string, error) {
	there := map[string]bool{}
	keys, err := r.keys.List()
	if err != nil {
		return nil, err
	}
	for _, name := range keys {
		if id := OfFile(name); over[id] {
			there[id] = true
		}
	}
	for id := range over {
		list, err := r.dir.List(path.Dir(fileName(id, "x")))
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			there[id] = true
		}
	}
	return slices.Sorted(maps.Keys(there)), nil
}

// finish destroys what is recorded as to be shredded.
func (r *Rosters) finish(ctx context.Context, incident string) error {
	if err := r.keys.Destroy(KeyFile(incident)); err != nil && !errors.Is(err, files.ErrNotExist) {
		return err
	}
	names, err := r.dir.List(path.Dir(fileName(incident, "x")))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.dir.Remove(name); err != nil && !errors.Is(err, files.ErrNotExist) {
			return err
		}
	}
	return r.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE roster_case SET shredded_at = coalesce(shredded_at, $2) WHERE incident = $1`,
			incident, store.Micros(r.now()))
		return err
	})
}
