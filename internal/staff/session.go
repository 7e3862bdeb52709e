package staff

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// How long a sign-in lasts.
const (
	SessionLasts = 7 * 24 * time.Hour
	sessionIdle  = 12 * time.Hour
	seenEvery    = 5 * time.Minute  // how often it is written that a session is used
	askedLasts   = 15 * time.Minute // a session of nobody: time to answer what was asked, and no row for a week
)

type unattended struct{}

// Unattended marks a request that a page makes by itself: that it is open is no sign that anybody is there.
func Unattended(ctx context.Context) context.Context {
	return context.WithValue(ctx, unattended{}, true)
}

// Attended marks one that is a sign all the same: a screen on a wall, whose account reads one case, and whose sign-in shows that case's board alone.
func Attended(ctx context.Context) context.Context {
	return context.WithValue(ctx, unattended{}, nil)
}

// AccountKey and DeviceKey are what a session's values say of whose it is and where.
const (
	AccountKey = "account"
	DeviceKey  = "device"
)

// A Session is one sign-in.
type Session struct {
	ID      string
	Account string
	Device  string // as the browser calls itself, in short
	Created time.Time
	Seen    time.Time // to a few minutes
	Expires time.Time
}

// Sessions keeps what scs keeps (scs.CtxStore), values being texts as Codec writes them. What the browser has is kept as a
// hash.
type Sessions struct{ s *Staff }

// Sessions gives the store of sessions.
func (s *Staff) Sessions() Sessions { return Sessions{s} }

// Codec writes a session's values, which are texts.
type Codec struct{}

type sessionData struct {
	Deadline time.Time         `json:"deadline"`
	Values   map[string]string `json:"values"`
}

// Encode is scs.Codec's.
func (Codec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	d := sessionData{deadline, map[string]string{}}
	for k, v := range values {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("a session's %s is no text", k)
		}
		d.Values[k] = text
	}
	return json.Marshal(d)
}

// Decode is scs.Codec's.
func (Codec) Decode(b []byte) (time.Time, map[string]any, error) {
	var d sessionData
	if err := json.Unmarshal(b, &d); err != nil {
		return time.Time{}, nil, err
	}
	values := map[string]any{}
	for k, v := range d.Values {
		values[k] = v
	}
	return d.Deadline, values, nil
}

// FindCtx gives the data of a session that is neither ended nor expired, nor unused for too long.
func (k Sessions) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	var data []byte
	var seen int64
	now := k.s.now()
	hash := hashOf("session", token)
	err := k.s.db.QueryRowContext(ctx, `SELECT data, seen FROM staff_session WHERE hash = $1 AND expires > $2 AND seen > $3 AND NOT ended`,
		hash, store.Micros(now), store.Micros(now.Add(-sessionIdle))).Scan(&data, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err == nil && ctx.Value(unattended{}) == nil && now.Sub(store.FromMicros(seen)) > seenEvery {
		_, err = k.s.db.ExecContext(ctx, `UPDATE staff_session SET seen = $2 WHERE hash = $1 AND NOT ended`, hash, store.Micros(now))
	}
	if err != nil {
		return nil, false, fmt.Errorf("find a session: %w", err)
	}
	return data, true, nil
}

// CommitCtx keeps a session. One that was ended stays so.
func (k Sessions) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	_, values, err := Codec{}.Decode(b)
	if err != nil {
		return fmt.Errorf("keep a session: %w", err)
	}
	account, _ := values[AccountKey].(string)
	device, _ := values[DeviceKey].(string)
	now := store.Micros(k.s.now())
	if account == "" {
		expiry = k.s.now().Add(askedLasts)
	}
	if _, err := k.s.db.ExecContext(ctx, `INSERT INTO staff_session (hash, id, account, device, data, created, seen, expires, ended) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, false)
		ON CONFLICT (hash) DO UPDATE SET account = excluded.account, device = excluded.device, data = excluded.data, seen = excluded.seen, expires = excluded.expires WHERE NOT staff_session.ended`,
		hashOf("session", token), newID("s"), account, device, b, now, store.Micros(expiry)); err != nil {
		return fmt.Errorf("keep a session: %w", err)
	}
	return nil
}

// DeleteCtx ends a session.
func (k Sessions) DeleteCtx(ctx context.Context, token string) error {
	if _, err := k.s.db.ExecContext(ctx, `UPDATE staff_session SET ended = true WHERE hash = $1`, hashOf("session", token)); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// Find, Commit and Delete are scs.Store's, for who has no context.
func (k Sessions) Find(token string) ([]byte, bool, error) {
	return k.FindCtx(context.Background(), token)
}
func (k Sessions) Delete(token string) error { return k.DeleteCtx(context.Background(), token) }
func (k Sessions) Commit(token string, b []byte, expiry time.Time) error {
	return k.CommitCtx(context.Background(), token, b, expiry)
}

// SessionID gives the id of a session by its token; "" where there is none.
func (s *Staff) SessionID(ctx context.Context, token string) (id string, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT id FROM staff_session WHERE hash = $1`, hashOf("session", token)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// SessionsOf gives somebody's sign-ins, the newest first: their own to everybody, and others' to who administers people.
func (s *Staff) SessionsOf(ctx context.Context, who actor.Actor, account string) ([]Session, error) {
	if err := s.ownOrPeople(who, account); err != nil {
		return nil, err
	}
	now := s.now()
	rows, err := s.db.QueryContext(ctx, `SELECT id, account, device, created, seen, expires FROM staff_session WHERE account = $1 AND NOT ended AND expires > $2 AND seen > $3 ORDER BY created DESC, id`,
		account, store.Micros(now), store.Micros(now.Add(-sessionIdle)))
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	defer rows.Close()
	var out []Session
	for rows.Next() {
		var e Session
		var created, seen, expires int64
		if err := rows.Scan(&e.ID, &e.Account, &e.Device, &created, &seen, &expires); err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		e.Created, e.Seen, e.Expires = at(created), at(seen), at(expires)
		out = append(out, e)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

func (s *Staff) ownOrPeople(who actor.Actor, account string) error {
	if who.Person() && who.ID() == account {
		return nil
	}
	if err := who.May(actor.People, ""); err != nil {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return nil
}

// EndSessions ends sign-ins of an account: the one of id, or with "" all. ErrNotFound where there is none of that id.
func (s *Staff) EndSessions(ctx context.Context, who actor.Actor, account, id string) error {
	if err := s.ownOrPeople(who, account); err != nil {
		return err
	}
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE staff_session SET ended = true WHERE account = $1 AND NOT ended AND ($2 = '' OR id = $2)`, account, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 && id != "" {
			return errors.Join(err, ErrNotFound)
		}
		return s.log(ctx, tx, who.String(), "end-sessions", account, "", id)
	})
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}
