package staff

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/store"
)

// An Invitation is a link that lets one person in, once.
type Invitation struct {
	ID      string
	Kind    string // first, invite, recover
	Account string // whom it lets back in; "" makes a new account
	Name    string
	Roles   []actor.Role
	Every   actor.Access
	By      string
	Created time.Time
	Expires time.Time
}

// First makes the link by which the first administrator comes in, in place of one that was made before. ErrStaffed where
// there is staff.
func (s *Staff) First(ctx context.Context) (token string, expires time.Time, err error) {
	i := Invitation{Kind: "first", Roles: []actor.Role{actor.Administrator}, Expires: s.now().Add(linkLasts)}
	err = s.db.Update(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM staff_account`).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return ErrStaffed
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM staff_invitation WHERE kind = 'first'`); err != nil {
			return err
		}
		token, err = s.link(ctx, tx, actor.Operator(), i)
		return err
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make the first link: %w", err)
	}
	return token, i.Expires, nil
}

// link keeps an invitation and gives its token, which is kept nowhere.
func (s *Staff) link(ctx context.Context, tx *sql.Tx, who actor.Actor, i Invitation) (string, error) {
	roles, err := writeRoles(i.Roles)
	if err != nil {
		return "", err
	}
	token := rand.Text()
	_, err = tx.ExecContext(ctx, `INSERT INTO staff_invitation (id, hash, kind, account, name, roles, every, by_id, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		newID("i"), hashOf("link", token), i.Kind, i.Account, i.Name, roles, int64(i.Every), who.String(), store.Micros(s.now()), store.Micros(i.Expires))
	return token, err
}

// free refuses a name that somebody here has, or somebody will have who is invited: it is by their names that people know who
// proposes and approves. link is the invitation that is used up.
func (s *Staff) free(ctx context.Context, tx *sql.Tx, name, link string) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM staff_account WHERE name = $1 AND removed = 0)
		+ (SELECT count(*) FROM staff_invitation WHERE name = $1 AND account = '' AND id <> $2 AND expires > $3)`, name, link, store.Micros(s.now())).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return hint.Add(fmt.Errorf("%w: somebody of this name is here, or invited", ErrInput), "add what tells them apart, such as 鈴木（法務）, or take the other invitation back")
	}
	return nil
}

// ActInvite is what a passkey confirms for an invitation: for whom, and to what.
func ActInvite(name string, roles []actor.Role, every actor.Access) string {
	return "invite " + given(roles, every) + " " + strings.TrimSpace(name)
}

// given writes what somebody may do, as a browser writes it that reads a form from top to bottom: "writer,approver full".
func given(roles []actor.Role, every actor.Access) string {
	var out []string
	for _, r := range actor.Roles() {
		if slices.Contains(roles, r) {
			out = append(out, string(r))
		}
	}
	return strings.Join(out, ",") + " " + every.String()
}

// Invite makes a link for a new person: their name, roles, and access to all cases, which may be actor.None.
//
// Errors: ErrInput; those of actor.
func (s *Staff) Invite(ctx context.Context, who actor.Actor, name string, roles []actor.Role, every actor.Access) (token string, err error) {
	if err := s.administers(ctx, who, ActInvite(name, roles, every)); err != nil {
		return "", err
	}
	if name, err = nameOK(name); err != nil {
		return "", err
	}
	if every < actor.None || every > actor.Full {
		return "", fmt.Errorf("%w: there is no such access", ErrInput)
	}
	err = s.db.Update(ctx, func(tx *sql.Tx) error {
		if err := s.free(ctx, tx, name, ""); err != nil {
			return err
		}
		if token, err = s.link(ctx, tx, who, Invitation{Kind: "invite", Name: name, Roles: roles, Every: every, Expires: s.now().Add(inviteLasts)}); err != nil {
			return err
		}
		return s.log(ctx, tx, who.String(), "invite", "", "", fmt.Sprint(roles)+" · "+every.String())
	})
	if err != nil {
		return "", fmt.Errorf("invite: %w", err)
	}
	return token, nil
}

// Recover makes a link that lets somebody of the staff add a passkey, or, with a name that nobody has and fresh true, makes
// a new administrator. Only whoever has the host may; it needs neither mail nor an identity provider, and is logged and
// shown to everybody.
func (s *Staff) Recover(ctx context.Context, who actor.Actor, name string, fresh bool) (token string, expires time.Time, err error) {
	if !who.Host() {
		return "", time.Time{}, fmt.Errorf("recover an account: %w", actor.ErrRole)
	}
	if name, err = nameOK(name); err != nil {
		return "", time.Time{}, err
	}
	i := Invitation{Kind: "recover", Name: name, Roles: []actor.Role{actor.Administrator}, Expires: s.now().Add(recoverLasts)}
	err = s.db.Update(ctx, func(tx *sql.Tx) error {
		found, err := s.find(ctx, tx, name)
		switch {
		case err == nil && fresh:
			return fmt.Errorf("%w: %s is there already", ErrInput, name)
		case err == nil:
			i.Account, i.Name = found.ID, found.Name
		case !errors.Is(err, ErrNotFound) || !fresh:
			return err
		}
		// One way back in is open at a time: the one before may be in somebody else's hands.
		if _, err := tx.ExecContext(ctx, `DELETE FROM staff_invitation WHERE kind = 'recover' AND account = $1 AND name = $2`, i.Account, i.Name); err != nil {
			return err
		}
		if token, err = s.link(ctx, tx, who, i); err != nil {
			return err
		}
		note := ""
		if fresh {
			note = "a new administrator"
		}
		return s.log(ctx, tx, who.String(), "recover", i.Account, "", note)
	})
	if err != nil {
		return "", time.Time{}, hint.Add(fmt.Errorf("recover an account: %w", err), "who is there: shirase staff list; a new administrator: shirase staff recover --new NAME")
	}
	return token, i.Expires, nil
}

// Find gives the account of a name or pseudonym. ErrNotFound also where two have the name.
func (s *Staff) Find(ctx context.Context, who actor.Actor, name string) (Account, error) {
	if err := who.Check("find an account"); err != nil {
		return Account{}, err
	}
	return s.find(ctx, s.db, name)
}

func (s *Staff) find(ctx context.Context, q store.Querier, name string) (Account, error) {
	if a, err := s.account(ctx, q, name); !errors.Is(err, ErrNotFound) {
		return a, err
	}
	var id string
	var n int
	if err := q.QueryRowContext(ctx, `SELECT coalesce(min(id), ''), count(*) FROM staff_account WHERE name = $1 AND removed = 0`, name).Scan(&id, &n); err != nil {
		return Account{}, err
	}
	if n != 1 {
		return Account{}, fmt.Errorf("%w: %d are called %s", ErrNotFound, n, name)
	}
	return s.account(ctx, q, id)
}

// Look gives what a link is for, without using it up.
func (s *Staff) Look(ctx context.Context, token string) (Invitation, error) {
	return s.look(ctx, s.db, token)
}

const invitation = `SELECT id, kind, account, name, roles, every, by_id, created, expires FROM staff_invitation `

func readInvitation(row interface{ Scan(...any) error }) (i Invitation, err error) {
	var roles string
	var every, created, expires int64
	if err = row.Scan(&i.ID, &i.Kind, &i.Account, &i.Name, &roles, &every, &i.By, &created, &expires); err != nil {
		return i, err
	}
	i.Roles, i.Every, i.Created, i.Expires = readRoles(roles), actor.Access(every), at(created), at(expires)
	return i, nil
}

func (s *Staff) look(ctx context.Context, q store.Querier, token string) (Invitation, error) {
	if token == "" || len(token) > 64 {
		return Invitation{}, ErrLink
	}
	i, err := readInvitation(q.QueryRowContext(ctx, invitation+`WHERE hash = $1 AND expires > $2`, hashOf("link", token), store.Micros(s.now())))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrLink
	}
	if err == nil && i.Account != "" {
		_, err = s.account(ctx, q, i.Account)
	}
	if err != nil {
		return Invitation{}, fmt.Errorf("read an invitation: %w", err)
	}
	return i, nil
}

// Invitations gives those that wait, without their tokens.
func (s *Staff) Invitations(ctx context.Context, who actor.Actor) ([]Invitation, error) {
	if err := who.May(actor.People, ""); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, invitation+`WHERE expires > $1 ORDER BY created DESC`, store.Micros(s.now()))
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	defer rows.Close()
	var out []Invitation
	for rows.Next() {
		i, err := readInvitation(rows)
		if err != nil {
			return nil, fmt.Errorf("list invitations: %w", err)
		}
		out = append(out, i)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// TakeBack makes an invitation good for nobody.
func (s *Staff) TakeBack(ctx context.Context, who actor.Actor, id string) error {
	if err := who.May(actor.People, ""); err != nil {
		return err
	}
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM staff_invitation WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		return s.log(ctx, tx, who.String(), "take-back", "", "", id)
	})
	if err != nil {
		return fmt.Errorf("take an invitation back: %w", err)
	}
	return nil
}

// A Door is what somebody comes in by, who uses a link: a passkey that was just made, or what an identity provider says.
type Door struct {
	Passkey *Passkey
	OIDC    string // issuer and subject, as Subject writes them
}

// Join uses a link up: it makes the account, or lets somebody back into theirs, and gives them the door. name is what a new
// person is called, where the link does not say it. leads makes the first administrator a commander too.
//
// Errors: ErrLink, ErrInput.
func (s *Staff) Join(ctx context.Context, token, id, name string, leads bool, door Door) (Account, error) {
	var a Account
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		i, err := s.look(ctx, tx, token)
		if err != nil {
			return err
		}
		switch {
		case door.Passkey == nil && door.OIDC == "":
			return fmt.Errorf("%w: a passkey is wanted", ErrInput)
		case i.Account != "":
			if id = i.Account; door.Passkey == nil {
				return fmt.Errorf("%w: a passkey is wanted", ErrInput)
			}
			if err := s.back(ctx, tx, id); err != nil {
				return err
			}
		default:
			if err := s.begin(ctx, tx, i, id, name, leads); err != nil {
				return err
			}
		}
		if err := s.give(ctx, tx, id, door); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM staff_invitation WHERE id = $1`, i.ID); err != nil {
			return err
		}
		if err := s.log(ctx, tx, id+" by link", "join", id, "", i.Kind); err != nil {
			return err
		}
		a, err = s.account(ctx, tx, id)
		return err
	})
	if err != nil {
		return Account{}, fmt.Errorf("come in by a link: %w", err)
	}
	return a, nil
}

// back ends what somebody had who is let back in from the host: sessions, and the time that they waited as an approver.
func (s *Staff) back(ctx context.Context, tx *sql.Tx, id string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE staff_session SET ended = true WHERE account = $1`, id); err != nil {
		return err
	}
	a, err := s.account(ctx, tx, id)
	if err != nil || !a.Has(actor.Approver) {
		return err // an administrator who is let in from the host lets others in: it may be the first hour
	}
	return s.wait(ctx, tx, id)
}

// begin makes a new account of an invitation.
func (s *Staff) begin(ctx context.Context, tx *sql.Tx, i Invitation, id, name string, leads bool) error {
	if i.Kind == "first" {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM staff_account`).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return ErrLink
		}
		if leads {
			i.Roles, i.Every = append(i.Roles, actor.Commander), actor.Full
		}
	}
	if i.Name != "" {
		name = i.Name
	}
	name, err := nameOK(name)
	if err != nil {
		return err
	}
	if err := s.free(ctx, tx, name, i.ID); err != nil {
		return err
	}
	roles, err := writeRoles(i.Roles)
	if err != nil {
		return err
	}
	var since int64
	now := store.Micros(s.now())
	if slices.Contains(i.Roles, actor.Approver) {
		since = now
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO staff_account (id, name, roles, every, created, approver_since, held_from, oidc, removed, forget) VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0, 0)`,
		id, name, roles, int64(i.Every), now, since); err != nil || since == 0 {
		return err
	}
	return s.wait(ctx, tx, id)
}

func (s *Staff) give(ctx context.Context, tx *sql.Tx, id string, door Door) error {
	if door.OIDC != "" {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM staff_account WHERE oidc = $1 AND id <> $2`, door.OIDC, id).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%w: somebody else signs in by this account of the identity provider", ErrInput)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE staff_account SET oidc = $2 WHERE id = $1`, id, door.OIDC); err != nil {
			return err
		}
	}
	if door.Passkey == nil {
		return nil
	}
	return s.keep(ctx, tx, id, *door.Passkey)
}

// ActRoles is what a passkey confirms for a change of what somebody may do: from which version of it, and to what.
func ActRoles(id string, version int64, roles []actor.Role, every actor.Access) string {
	return fmt.Sprintf("roles %s %d %s", id, version, given(roles, every))
}

// ActRemove is what a passkey confirms for somebody's removal.
func ActRemove(id string) string { return "remove " + id }

// SetRoles changes what somebody may do, and their access to all cases. version is that of the account as it was looked at. Who
// becomes an approver waits anew, and the invitations of who is no administrator any more are good for nobody.
//
// Errors: ErrSelf, ErrLast, ErrInput, ErrNotFound, ErrStale; those of actor.
func (s *Staff) SetRoles(ctx context.Context, who actor.Actor, id string, version int64, roles []actor.Role, every actor.Access) error {
	if err := s.mayChange(ctx, who, id, ActRoles(id, version, roles, every)); err != nil {
		return err
	}
	text, err := writeRoles(roles)
	if err != nil {
		return err
	}
	if every < actor.None || every > actor.Full {
		return fmt.Errorf("%w: there is no such access", ErrInput)
	}
	err = s.db.Update(ctx, func(tx *sql.Tx) error {
		a, err := s.account(ctx, tx, id)
		if err != nil {
			return err
		}
		if a.Version != version {
			return ErrStale
		}
		if a.Has(actor.Administrator) && !slices.Contains(roles, actor.Administrator) {
			if err := s.voidInvitations(ctx, tx, id); err != nil {
				return err
			}
		}
		since, is := a.became, slices.Contains(roles, actor.Approver)
		if !is {
			since = time.Time{}
		} else if since.IsZero() {
			since = s.now()
		}
		if _, err := tx.ExecContext(ctx, `UPDATE staff_account SET roles = $2, every = $3, approver_since = $4, version = version + 1 WHERE id = $1`, id, text, int64(every), micros(since)); err != nil {
			return err
		}
		if is && a.became.IsZero() {
			if err := s.wait(ctx, tx, id); err != nil {
				return err
			}
		}
		if err := s.stillRun(ctx, tx); err != nil {
			return err
		}
		if err := s.changed(ctx, tx, id); err != nil {
			return err
		}
		return s.log(ctx, tx, who.String(), "roles", id, "", text+" · "+every.String())
	})
	if err != nil {
		return fmt.Errorf("change roles: %w", err)
	}
	return nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return store.Micros(t)
}

// voidInvitations takes back what somebody invited who may not any more: whoever was to come would be their choice.
func (s *Staff) voidInvitations(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM staff_invitation WHERE by_id LIKE $1 || ' by %'`, id)
	return err
}

func (s *Staff) mayChange(ctx context.Context, who actor.Actor, id, act string) error {
	if err := s.administers(ctx, who, act); err != nil {
		return err
	}
	if who.ID() == id {
		return hint.Add(ErrSelf, "another administrator can, or whoever has the host: shirase staff roles")
	}
	return nil
}

// stillRun refuses that nobody is left who can let others in.
func (s *Staff) stillRun(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT roles FROM staff_account WHERE removed = 0`)
	if err != nil {
		return err
	}
	defer rows.Close()
	left := 0
	for rows.Next() {
		var roles string
		if err := rows.Scan(&roles); err != nil {
			return err
		}
		if slices.Contains(strings.Split(roles, ","), string(actor.Administrator)) {
			left++
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	if left == 0 {
		return fmt.Errorf("%w: an administrator is needed", ErrLast)
	}
	return nil
}

// Remove ends an account: sessions, passkeys, codes, access and the invitations that they made go with it. Its pseudonym stays in what they did, and the
// name that it stands for is kept for as long as the law may want it.
//
// Errors: ErrSelf, ErrLast, ErrNotFound; those of actor.
func (s *Staff) Remove(ctx context.Context, who actor.Actor, id string) error {
	if err := s.mayChange(ctx, who, id, ActRemove(id)); err != nil {
		return err
	}
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := s.account(ctx, tx, id); err != nil {
			return err
		}
		for _, text := range []string{
			`UPDATE staff_session SET ended = true WHERE account = $1`,
			`DELETE FROM staff_passkey WHERE account = $1`,
			`DELETE FROM staff_code WHERE account = $1`,
			`DELETE FROM staff_feed WHERE account = $1`,
			`DELETE FROM staff_access WHERE account = $1`,
			`DELETE FROM staff_invitation WHERE account = $1`,
		} {
			if _, err := tx.ExecContext(ctx, text, id); err != nil {
				return err
			}
		}
		if err := s.voidInvitations(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE staff_account SET removed = $2, forget = $3, oidc = '', every = 0 WHERE id = $1`,
			id, store.Micros(s.now()), store.Micros(s.now().Add(keepName))); err != nil {
			return err
		}
		if err := s.stillRun(ctx, tx); err != nil {
			return err
		}
		if err := s.changed(ctx, tx, id); err != nil {
			return err
		}
		return s.log(ctx, tx, who.String(), "remove", id, "", "")
	})
	if err != nil {
		return fmt.Errorf("remove an account: %w", err)
	}
	return nil
}

// Tidy forgets what has had its time: names of people who left long ago, links that nobody used, and sessions.
func (s *Staff) Tidy(ctx context.Context) error {
	now := store.Micros(s.now())
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		for _, text := range []string{
			`UPDATE staff_account SET name = '' WHERE forget > 0 AND forget <= $1 AND name <> ''`,
			`DELETE FROM staff_invitation WHERE expires <= $1`,
			`DELETE FROM staff_session WHERE expires <= $1`,
		} {
			if _, err := tx.ExecContext(ctx, text, now); err != nil {
				return err
			}
		}
		// One that was ended stays until it would have expired: nothing brings it back.
		_, err := tx.ExecContext(ctx, `DELETE FROM staff_session WHERE seen <= $1 AND NOT ended`, store.Micros(s.now().Add(-sessionIdle)))
		return err
	})
	if err != nil {
		return fmt.Errorf("forget what has had its time: %w", err)
	}
	return nil
}
