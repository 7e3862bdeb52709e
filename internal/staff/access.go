package staff

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// A Grant is somebody's access to a case.
type Grant struct {
	Account Account
	Access  actor.Access
	ByRole  bool // to all cases, and not to this one by itself
}

// A StaleError says how somebody's access to a case stands that was changed since it was read. It is ErrStale.
type StaleError struct {
	Account string
	Access  actor.Access
	Version int64 // of the access to the case, to go on from
	By      string
	At      time.Time
}

func (e *StaleError) Error() string { return fmt.Sprintf("%v: by %s", ErrStale, e.By) }
func (e *StaleError) Unwrap() error { return ErrStale }

// AccessVersion is that of who sees a case: it goes up with each change.
func (s *Staff) AccessVersion(ctx context.Context, who actor.Actor, kase string) (int64, error) {
	if err := who.May(actor.See, kase); err != nil {
		return 0, fmt.Errorf("list access: %w", ErrNotFound)
	}
	version, _, err := s.changes(ctx, s.db, kase, "", 0)
	return version, err
}

// changes gives the version of who sees a case, and what was said last of somebody's access, if that came after a version.
func (s *Staff) changes(ctx context.Context, q store.Querier, kase, id string, after int64) (version int64, last *StaleError, err error) {
	rows, err := q.QueryContext(ctx, `SELECT at, who, about, note FROM staff_log WHERE case_id = $1 AND what = 'access' ORDER BY seq`, kase)
	if err != nil {
		return 0, nil, fmt.Errorf("list access: %w", err)
	}
	defer rows.Close()
	for version = 1; rows.Next(); {
		var when int64
		var by, about, note string
		if err := rows.Scan(&when, &by, &about, &note); err != nil {
			return 0, nil, fmt.Errorf("list access: %w", err)
		}
		if version++; about == id && version > after {
			access, _ := actor.ParseAccess(note)
			last = &StaleError{Account: id, Access: max(access, actor.None), By: by, At: at(when)}
		}
	}
	if last != nil {
		last.Version = version
	}
	return version, last, errors.Join(rows.Err(), rows.Close())
}

// GiveAccess changes somebody's access to a case; actor.None takes it away. Access to all cases is a matter of their account
// ([Staff.SetRoles]). Nobody widens or ends their own.
//
// Errors: ErrNotFound, also of a case that they do not see; ErrSelf; those of actor.
func (s *Staff) GiveAccess(ctx context.Context, who actor.Actor, kase, id string, access actor.Access) error {
	return s.ChangeAccess(ctx, who, kase, id, 0, access)
}

// ChangeAccess is GiveAccess for whoever has read who sees the case: where that person's access was changed since version, which is
// that of [Staff.AccessVersion], it is a *StaleError; 0 has read nothing.
func (s *Staff) ChangeAccess(ctx context.Context, who actor.Actor, kase, id string, version int64, access actor.Access) error {
	if err := who.May(actor.Share, kase); err != nil {
		if errors.Is(err, actor.ErrHidden) {
			err = fmt.Errorf("give access: %w", ErrNotFound)
		}
		return err
	}
	if access < actor.None || access > actor.Full || kase == "" || kase == actor.Every {
		return fmt.Errorf("give access: %w: there is no such access", ErrInput)
	}
	if who.ID() == id {
		return fmt.Errorf("give access: %w", ErrSelf)
	}
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := s.account(ctx, tx, id); err != nil {
			return err
		}
		if version != 0 {
			_, last, err := s.changes(ctx, tx, kase, id, version)
			if err != nil {
				return err
			}
			if last != nil {
				return last
			}
		}
		if err := s.setAccess(ctx, tx, who, kase, id, access); err != nil {
			return err
		}
		if err := s.changed(ctx, tx, id); err != nil {
			return err
		}
		return s.log(ctx, tx, who.String(), "access", id, kase, access.String())
	})
	if err != nil {
		return fmt.Errorf("give access: %w", err)
	}
	return nil
}

func (s *Staff) setAccess(ctx context.Context, tx *sql.Tx, who actor.Actor, kase, id string, access actor.Access) error {
	if access == actor.None {
		_, err := tx.ExecContext(ctx, `DELETE FROM staff_access WHERE account = $1 AND case_id = $2`, id, kase)
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO staff_access (case_id, account, access, by_id, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, case_id) DO UPDATE SET access = excluded.access, by_id = excluded.by_id, at = excluded.at`, kase, id, int64(access), who.String(), store.Micros(s.now()))
	return err
}

// Declared gives whoever has declared a case full access to it, in the transaction that opens it. It does nothing for who is
// no member of the staff.
func (s *Staff) Declared(ctx context.Context, tx *sql.Tx, who actor.Actor, kase string) error {
	if !who.Person() {
		return nil
	}
	if err := s.setAccess(ctx, tx, who, kase, who.ID(), actor.Full); err != nil {
		return fmt.Errorf("give access: %w", err)
	}
	return nil
}

// Grants gives who sees a case, by name. Whoever sees it may know who else does.
func (s *Staff) Grants(ctx context.Context, who actor.Actor, kase string) ([]Grant, error) {
	if err := who.May(actor.See, kase); err != nil {
		return nil, fmt.Errorf("list access: %w", ErrNotFound)
	}
	people, err := s.People(ctx, who)
	if err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT account, access FROM staff_access WHERE case_id = $1`, kase)
	if err != nil {
		return nil, fmt.Errorf("list access: %w", err)
	}
	defer rows.Close()
	own := map[string]actor.Access{}
	for rows.Next() {
		var id string
		var access int64
		if err := rows.Scan(&id, &access); err != nil {
			return nil, fmt.Errorf("list access: %w", err)
		}
		own[id] = actor.Access(access)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("list access: %w", err)
	}
	var out []Grant
	for _, a := range people {
		every := a.Every
		if a.Has(actor.Auditor) {
			every = max(every, actor.Reads)
		}
		if access := max(every, own[a.ID]); access > actor.None {
			out = append(out, Grant{a, access, every >= own[a.ID]})
		}
	}
	return out, nil
}
