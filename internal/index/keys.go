package index

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// Errors about keys.
var (
	// ErrNoSuchKey says that no key has that id.
	ErrNoSuchKey = errors.New("there is no such key")
	// ErrEnded says that a key has ended, or is about to.
	ErrEnded = errors.New("the key has ended")
	// ErrInUse says that a key cannot end: incidents are answered under it.
	ErrInUse = errors.New("incidents are answered under the key")
	// ErrKeys says that there are as many keys as a statement names at most.
	ErrKeys = errors.New("there are two keys already that have not ended")
)

// KeyStatus is an evaluator key and what became of it; times are zero where that has not happened.
type KeyStatus struct {
	check.Key
	Created     time.Time
	Compromised time.Time
	EndDecided  time.Time
	Ended       time.Time // its file was destroyed here
}

// State is the state that the next statement gives the key. A key is ended only
// when its private half is destroyed.
func (k *KeyStatus) State() check.KeyState {
	switch {
	case !k.Ended.IsZero():
		return check.KeyEnded
	case !k.Compromised.IsZero():
		return check.KeyCompromised
	}
	return check.KeyLive
}

// Since is when the key came into its state.
func (k *KeyStatus) Since() time.Time {
	switch k.State() {
	case check.KeyEnded:
		return k.Ended
	case check.KeyCompromised:
		return k.Compromised
	}
	return k.Created
}

// ending reports whether the key is being destroyed.
func (k *KeyStatus) ending() bool { return !k.EndDecided.IsZero() && k.Ended.IsZero() }

// Keys gives every evaluator key that there ever was, in the order of their making.
func (x *Index) Keys(ctx context.Context) ([]KeyStatus, error) {
	keys, err := keysIn(ctx, x.db)
	if err != nil {
		return nil, fmt.Errorf("read the evaluator's public keys: %w", err)
	}
	return keys, nil
}

func keysIn(ctx context.Context, q store.Querier) (out []KeyStatus, err error) {
	rows, err := q.QueryContext(ctx, `SELECT id, public, locator_bits, created_at, coalesce(compromised_at, 0), coalesce(end_at, 0), coalesce(ended_at, 0) FROM index_key`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k KeyStatus
		var public string
		var times [4]int64
		if err := rows.Scan(&k.ID, &public, &k.LocatorBits, &times[0], &times[1], &times[2], &times[3]); err != nil {
			return nil, err
		}
		if err := k.Public.UnmarshalText([]byte(public)); err != nil {
			return nil, fmt.Errorf("%s: %w", k.ID, err)
		}
		for i, t := range []*time.Time{&k.Created, &k.Compromised, &k.EndDecided, &k.Ended} {
			if times[i] != 0 {
				*t = store.FromMicros(times[i]).UTC()
			}
		}
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b KeyStatus) int { return keyNumber(a.ID) - keyNumber(b.ID) })
	return out, errors.Join(rows.Err(), rows.Close())
}

// keyNumber is n of the key kn.
func keyNumber(id string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(id, "k"))
	return n
}

// NewKey makes the first evaluator key, k1: its file in keys first, then its row.
// It gives the newest key where there is one.
func (x *Index) NewKey(ctx context.Context, keys *files.Keys, locatorBits int) (check.Key, error) {
	known, err := x.Keys(ctx)
	if err != nil {
		return check.Key{}, err
	}
	if n := len(known); n > 0 {
		return known[n-1].Key, nil
	}
	return x.makeKey(ctx, keys, "k1", locatorBits)
}

// makeKey makes a key: its file first, then its row. What a killed process has left of that is taken up.
func (x *Index) makeKey(ctx context.Context, keys *files.Keys, id string, locatorBits int) (check.Key, error) {
	secret := []byte(check.GenerateEvaluatorKey().Secret() + "\n")
	err := keys.Create(KeyFile(id), secret)
	if errors.Is(err, files.ErrExist) {
		secret, err = keys.Load(KeyFile(id))
	}
	if err != nil {
		return check.Key{}, fmt.Errorf("make an evaluator key: %w", err)
	}
	key, err := check.ParseEvaluatorKey(string(secret))
	if err != nil {
		return check.Key{}, fmt.Errorf("make an evaluator key: %s: %w", KeyFile(id), err)
	}
	text, err := key.Public().MarshalText()
	if err != nil {
		return check.Key{}, fmt.Errorf("make an evaluator key: %w", err)
	}
	_, err = x.db.ExecContext(ctx, `INSERT INTO index_key (id, public, locator_bits, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO NOTHING`, id, string(text), locatorBits, store.Micros(x.now()))
	if err != nil {
		return check.Key{}, fmt.Errorf("make an evaluator key: %w", err)
	}
	known, err := x.Keys(ctx)
	if err != nil {
		return check.Key{}, err
	}
	at := slices.IndexFunc(known, func(k KeyStatus) bool { return k.ID == id })
	if at < 0 {
		return check.Key{}, fmt.Errorf("make evaluator key %s: %w", id, ErrNoSuchKey)
	}
	return known[at].Key, nil
}

// sealingKey gives the newest live key, which new revisions are sealed under. Where none is live any more, or all of the live
// ones are among not, it makes the next one.
func (x *Index) sealingKey(ctx context.Context, keys *files.Keys, locatorBits int, not ...string) (check.Key, error) {
	known, err := x.Keys(ctx)
	if err != nil {
		return check.Key{}, err
	}
	open, next := 0, 1
	for i := range slices.Backward(known) {
		k := &known[i]
		next = max(next, keyNumber(k.ID)+1)
		if k.State() == check.KeyLive && k.EndDecided.IsZero() && !slices.Contains(not, k.ID) {
			return k.Key, nil
		}
		if k.Ended.IsZero() {
			open++
		}
		if locatorBits == 0 {
			locatorBits = k.LocatorBits
		}
	}
	if open > 1 {
		return check.Key{}, hint.Add(ErrKeys, "end one of them first: shirase key list says what is answered under each")
	}
	if locatorBits == 0 {
		locatorBits = DefaultLocatorBits
	}
	return x.makeKey(ctx, keys, "k"+strconv.Itoa(next), locatorBits)
}

// Successor gives the key that a rotation seals under. Of two keys that have not ended it is the newest live one: what is
// under the other follows. One alone that is used is followed by a new one. locatorBits of 0 are those of the key before.
func (x *Index) Successor(ctx context.Context, keys *files.Keys, locatorBits int) (check.Key, error) {
	st, _, _, err := x.Statement(ctx)
	if err != nil {
		return check.Key{}, wrap(err, "rotate the evaluator's key")
	}
	known, err := x.Keys(ctx)
	if err != nil {
		return check.Key{}, err
	}
	known = slices.DeleteFunc(known, func(k KeyStatus) bool { return !k.EndDecided.IsZero() })
	var not []string
	if len(known) == 1 && uses(st, known[0].ID) {
		not = []string{known[0].ID}
	}
	k, err := x.sealingKey(ctx, keys, locatorBits, not...)
	return k, wrap(err, "rotate the evaluator's key")
}

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// uses reports whether anything is sealed under a key in a statement.
func uses(st *check.Statement, key string) bool {
	return slices.ContainsFunc(st.Layers, func(l check.Layer) bool { return l.Key == key })
}

// Compromise records that somebody else may have a key: the next statement says so. Nothing new is sealed under it.
func (x *Index) Compromise(ctx context.Context, id, by string) error {
	err := x.db.Update(ctx, func(tx *sql.Tx) error {
		k, err := keyIn(ctx, tx, id)
		if err != nil {
			return err
		}
		if !k.Ended.IsZero() {
			return ErrEnded
		}
		_, err = tx.ExecContext(ctx, `UPDATE index_key SET compromised_at = coalesce(compromised_at, $1) WHERE id = $2`, store.Micros(x.now()), id)
		return err
	})
	return wrap(err, "key "+id)
}

func keyIn(ctx context.Context, tx *sql.Tx, id string) (KeyStatus, error) {
	known, err := keysIn(ctx, tx)
	if err != nil {
		return KeyStatus{}, err
	}
	at := slices.IndexFunc(known, func(k KeyStatus) bool { return k.ID == id })
	if at < 0 {
		var ids []string
		for _, k := range known {
			ids = append(ids, k.ID)
		}
		return KeyStatus{}, hint.Add(ErrNoSuchKey, "there are: "+strings.Join(ids, ", "))
	}
	return known[at], nil
}

// An Ending is what is decided at once, in one transaction: nothing of it can be undone.
type Ending struct {
	Incident string   // that is retired; "" for none
	Keys     []string // that are destroyed
}

// DecideEnd records that keys are to be destroyed, and the incident with which they are, by whom. Each key has to be here, and
// nothing may be answered under it any more but that incident. What was decided is then done by [Index.FinishEnding], also by
// the next process where this one dies. Errors: ErrNoSuchKey, ErrInUse; those of loading a key.
func (x *Index) DecideEnd(ctx context.Context, keys *files.Keys, e Ending, by string) error {
	at := store.Micros(x.now())
	err := x.db.Update(ctx, func(tx *sql.Tx) error {
		st, err := newestIn(ctx, tx)
		if err != nil {
			return err
		}
		if in := st.Incident(e.Incident); in != nil {
			// A decision cannot be taken back: one that could never be published would be in the way of every later statement.
			if err := MayFollow(in.State, check.Retired); err != nil {
				return err
			}
		}
		for _, id := range e.Keys {
			k, err := keyIn(ctx, tx, id)
			if err != nil {
				return err
			}
			if !k.EndDecided.IsZero() {
				continue
			}
			if others := answeredUnder(st, id, e.Incident); len(others) > 0 {
				return fmt.Errorf("%w %s: %s", ErrInUse, id, strings.Join(others, ", "))
			}
			// A key that is not here cannot be destroyed here: nobody may be told that it was.
			if _, err := loadKey(keys, k.Key); err != nil {
				return hint.Add(err, "run this where the evaluator's key is: --keys DIR")
			}
			if _, err := tx.ExecContext(ctx, `UPDATE index_key SET end_at = $1, end_actor = $2 WHERE id = $3`, at, by, id); err != nil {
				return err
			}
		}
		if e.Incident == "" {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO index_retired (incident, decided_at, actor) VALUES ($1, $2, $3) ON CONFLICT (incident) DO NOTHING`, e.Incident, at, by)
		return err
	})
	return wrap(err, "decide an end")
}

// AnsweredUnder gives the incidents whose current revision is sealed under a key.
func AnsweredUnder(st *check.Statement, key string) []string { return answeredUnder(st, key, "") }

// answeredUnder gives the incidents whose current revision is sealed under a key, but for one.
func answeredUnder(st *check.Statement, key, but string) (ids []string) {
	for _, l := range st.Layers {
		for _, s := range l.Sources {
			if in := st.Incident(s.Incident); l.Key == key && s.Incident != but && in != nil && in.Revision == s.Revision {
				ids = append(ids, s.Incident)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// KeysOf gives the keys that an incident was sealed under, that have not ended, and that nothing else is answered under: those
// that have to go with it.
func (x *Index) KeysOf(ctx context.Context, incident string) (ids []string, err error) {
	st, _, _, err := x.Statement(ctx)
	if err != nil {
		return nil, err
	}
	under, err := x.SealedUnder(ctx, incident)
	if err != nil {
		return nil, err
	}
	known, err := x.Keys(ctx)
	if err != nil {
		return nil, err
	}
	for i := range known {
		if k := &known[i]; slices.Contains(under, k.ID) && k.EndDecided.IsZero() && len(answeredUnder(st, k.ID, incident)) == 0 {
			ids = append(ids, k.ID)
		}
	}
	return ids, nil
}

// SealedUnder gives the keys that any revision of an incident was sealed under.
func (x *Index) SealedUnder(ctx context.Context, incident string) (ids []string, err error) {
	if ids, err = store.Column[string](ctx, x.db, `SELECT DISTINCT key_id FROM index_revision WHERE incident = $1 ORDER BY key_id`, incident); err != nil {
		return nil, fmt.Errorf("read the keys of %s: %w", incident, err)
	}
	return ids, nil
}

// FinishEnding destroys the keys whose end was decided, and records that it was done.
func (x *Index) FinishEnding(ctx context.Context, keys *files.Keys) error {
	known, err := x.Keys(ctx)
	if err != nil {
		return err
	}
	for i := range known {
		if !known[i].ending() {
			continue
		}
		id := known[i].ID
		if err := keys.Destroy(KeyFile(id)); err != nil && !errors.Is(err, files.ErrNotExist) {
			return fmt.Errorf("destroy evaluator key %s: %w", id, err)
		}
		if _, err := x.db.ExecContext(ctx, `UPDATE index_key SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL`, store.Micros(x.now()), id); err != nil {
			return fmt.Errorf("destroy evaluator key %s: %w", id, err)
		}
	}
	return nil
}

// retired gives the incidents that are no longer answered.
func (x *Index) retired(ctx context.Context) (ids []string, err error) {
	if ids, err = store.Column[string](ctx, x.db, `SELECT incident FROM index_retired ORDER BY incident`); err != nil {
		return nil, fmt.Errorf("read what is retired: %w", err)
	}
	return ids, nil
}

// newestIn gives the newest statement as a transaction sees it.
func newestIn(ctx context.Context, tx *sql.Tx) (*check.Statement, error) {
	var raw []byte
	err := tx.QueryRowContext(ctx, `SELECT bytes FROM index_statement ORDER BY seq DESC LIMIT 1`).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	return check.ParseStatement(raw)
}
