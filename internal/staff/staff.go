// Package staff is who works here: accounts, the passkeys that they sign in with, what each may see, the links that let new
// ones in, sessions, and a log of all that is done with people. There are no passwords.
//
// What somebody may do, internal/actor says; this room makes the Actor of a request ([Staff.Actor]). An account's id is a
// pseudonym: it stands beside what its owner decided for as long as that is kept, and names nobody by itself.
package staff

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"shirase/internal/actor"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrNotFound says that there is no such account, invitation, passkey or session, or none that is theirs to see.
	ErrNotFound = errors.New("there is no such account, invitation, passkey or session")
	// ErrLink says that a link was used before, has expired, or was never given.
	ErrLink = errors.New("this link was used before, has expired, or was never given")
	// ErrSignIn says that somebody is not let in; why is not told.
	ErrSignIn = errors.New("nobody is signed in by this")
	// ErrInput says that what was entered cannot be taken.
	ErrInput = errors.New("cannot be taken")
	// ErrLast says that the last administrator, or somebody's last passkey, would go.
	ErrLast = errors.New("the last one cannot go")
	// ErrSelf says that somebody would change what they may do themselves.
	ErrSelf = errors.New("nobody changes their own roles")
	// ErrStale says that somebody was changed since it was read what they may do.
	ErrStale = errors.New("what they may do was changed meanwhile")
	// ErrStaffed says that there is staff already.
	ErrStaffed = errors.New("there is staff already")
)

// How long things last.
const (
	linkLasts    = 24 * time.Hour
	inviteLasts  = 7 * 24 * time.Hour
	recoverLasts = time.Hour
	keepName     = 5 * 365 * 24 * time.Hour // of somebody who has left; then only the pseudonym is left
	hostShown    = 30 * 24 * time.Hour      // how long the board shows what was done with people from the host
)

// Options of the room.
type Options struct {
	Hold time.Duration // how long a new approver waits
}

// Staff is the room.
type Staff struct {
	db   *store.DB
	hold time.Duration
	now  func() time.Time

	// Changed is told, in its transaction, whose roles or access became others, with who they are now: nobody, where they were
	// removed. What they began and may do no more ends with it. It is set before anything is done; nil: nobody is told.
	Changed func(ctx context.Context, tx *sql.Tx, id string, now actor.Actor) error
}

// New opens the room and brings its tables up to date.
func New(ctx context.Context, db *store.DB, o Options) (*Staff, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("staff: %w", err)
	}
	if err := db.Migrate(ctx, "staff", sub); err != nil {
		return nil, fmt.Errorf("staff: %w", err)
	}
	s := &Staff{db: db, hold: o.Hold, now: time.Now}
	// Whoever waited when waits were not kept waits for as long as the setting says now, and for that long whatever it says later.
	if _, err := db.ExecContext(ctx, `UPDATE staff_account SET held_until = held_from + $1 WHERE held_from > 0 AND held_until = 0`, o.Hold.Microseconds()); err != nil {
		return nil, fmt.Errorf("staff: keep how long new approvers wait: %w", err)
	}
	return s, nil
}

// An Account is somebody of the staff.
type Account struct {
	ID            string // pseudonym
	Name          string // "" once it is forgotten
	Roles         []actor.Role
	Every         actor.Access // to all cases
	Created       time.Time
	ApproverSince time.Time // when they became one, or came back as one; zero: is none
	Held          time.Time // until then neither approves nor administers; zero: may, as far as the roles go
	Passkeys      int
	OIDC          bool
	Removed       time.Time // zero: is there
	Version       int64     // goes up with each change of roles or of access to all cases

	became   time.Time // when the role was given
	heldFrom time.Time
	heldTo   time.Time
}

// Has reports whether the account has a role.
func (a Account) Has(r actor.Role) bool { return slices.Contains(a.Roles, r) }

const columns = `id, name, roles, every, created, approver_since, held_from, held_until, oidc, removed, version, (SELECT count(*) FROM staff_passkey WHERE account = staff_account.id)`

func (s *Staff) scan(row interface{ Scan(...any) error }) (Account, error) {
	var a Account
	var roles, oidc string
	var every, created, since, held, until, removed int64
	if err := row.Scan(&a.ID, &a.Name, &roles, &every, &created, &since, &held, &until, &oidc, &removed, &a.Version, &a.Passkeys); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = ErrNotFound
		}
		return a, err
	}
	a.Roles, a.Every, a.OIDC = readRoles(roles), actor.Access(every), oidc != ""
	a.Created, a.became, a.Removed, a.heldFrom, a.heldTo = at(created), at(since), at(removed), at(held), at(until)
	if a.ApproverSince = a.became; !a.became.IsZero() && a.heldFrom.After(a.became) {
		a.ApproverSince = a.heldFrom // whoever came back with a new key may be somebody else
	}
	if a.heldTo.After(s.now()) && (a.Has(actor.Approver) || a.Has(actor.Administrator)) {
		a.Held = a.heldTo.Truncate(time.Second)
	}
	return a, nil
}

// at is the time of a column in which 0 is none.
func at(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return store.FromMicros(micros)
}

func readRoles(s string) []actor.Role {
	var out []actor.Role
	for _, r := range strings.Split(s, ",") {
		if slices.Contains(actor.Roles(), actor.Role(r)) {
			out = append(out, actor.Role(r))
		}
	}
	return out
}

// writeRoles is roles as they are kept, in the order of actor.Roles, or why they cannot be had together.
func writeRoles(roles []actor.Role) (string, error) {
	var out []string
	for _, r := range actor.Roles() {
		if slices.Contains(roles, r) {
			out = append(out, string(r))
		}
	}
	switch {
	case len(out) == 0 || slices.ContainsFunc(roles, func(r actor.Role) bool { return !slices.Contains(actor.Roles(), r) }):
		return "", fmt.Errorf("%w: at least one role is wanted, of %v", ErrInput, actor.Roles())
	case len(out) > 1 && slices.Contains(roles, actor.Auditor):
		return "", fmt.Errorf("%w: an auditor changes nothing, and has no other role", ErrInput)
	}
	return strings.Join(out, ","), nil
}

// nameOK gives a person's or a passkey's name as it is kept.
func nameOK(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > 60 || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	}) {
		return "", fmt.Errorf("%w: a name has 1 to 60 characters on one line", ErrInput)
	}
	return s, nil
}

// Staffed reports whether there is, or ever was, somebody of the staff: from then on whoever has the host proposes what
// cannot be undone, and approves nothing.
func (s *Staff) Staffed(ctx context.Context) (bool, error) {
	var n int
	if err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM staff_account`).Scan(&n); err != nil {
		return false, fmt.Errorf("count the staff: %w", err)
	}
	return n > 0, nil
}

// People gives everybody who is there, by name. Whoever works here sees who works here.
func (s *Staff) People(ctx context.Context, who actor.Actor) ([]Account, error) {
	if err := who.Check("list the staff"); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT `+columns+` FROM staff_account WHERE removed = 0 ORDER BY name, id`)
	if err != nil {
		return nil, fmt.Errorf("list the staff: %w", err)
	}
	defer rows.Close()
	var out []Account
	for rows.Next() {
		a, err := s.scan(rows)
		if err != nil {
			return nil, fmt.Errorf("list the staff: %w", err)
		}
		out = append(out, a)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Person gives an account that is there.
func (s *Staff) Person(ctx context.Context, who actor.Actor, id string) (Account, error) {
	if err := who.Check("read an account"); err != nil {
		return Account{}, err
	}
	return s.account(ctx, s.db, id)
}

func (s *Staff) account(ctx context.Context, q store.Querier, id string) (Account, error) {
	a, err := s.scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM staff_account WHERE id = $1`, id))
	if err == nil && !a.Removed.IsZero() {
		err = ErrNotFound
	}
	if err != nil {
		return Account{}, fmt.Errorf("read an account: %w", err)
	}
	return a, nil
}

// Names gives the names behind pseudonyms, for whoever may read what they stand in: those of people who have left too,
// for as long as they are kept. Where two have one name, the pseudonym stands beside it.
func (s *Staff) Names(ctx context.Context) (map[string]string, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT id, name FROM staff_account WHERE name <> ''`)
	if err != nil {
		return nil, fmt.Errorf("name the staff: %w", err)
	}
	defer rows.Close()
	out, called := map[string]string{}, map[string]int{}
	for rows.Next() {
		var id, name string
		if err := rows.Scan(&id, &name); err != nil {
			return nil, fmt.Errorf("name the staff: %w", err)
		}
		out[id] = name
		called[name]++
	}
	for id, name := range out {
		if called[name] > 1 {
			out[id] = name + " (" + id + ")"
		}
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// NameOf gives the name behind one pseudonym; "" where nobody knows it, or not any more.
func (s *Staff) NameOf(ctx context.Context, id string) string {
	var name string
	if err := s.db.QueryRowContext(ctx, `SELECT name FROM staff_account WHERE id = $1`, id).Scan(&name); err != nil {
		return "" // an export names whom it can
	}
	return name
}

// Actor is who does something in a request: the account with what it may do now. confirms is the act that a passkey has just
// signed for, or "". Somebody who has left is nobody.
func (s *Staff) Actor(ctx context.Context, id, confirms, door string) (actor.Actor, Account, error) {
	return s.actor(ctx, s.db, id, confirms, door)
}

// changed tells who is told of it who somebody is now.
func (s *Staff) changed(ctx context.Context, tx *sql.Tx, id string) error {
	if s.Changed == nil {
		return nil
	}
	who, _, err := s.actor(ctx, tx, id, "", "console")
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return s.Changed(ctx, tx, id, who)
}

func (s *Staff) actor(ctx context.Context, q store.Querier, id, confirms, door string) (actor.Actor, Account, error) {
	a, err := s.account(ctx, q, id)
	if err != nil {
		return actor.Actor{}, Account{}, err
	}
	access := map[string]actor.Access{}
	if a.Every > actor.None {
		access[actor.Every] = a.Every
	}
	rows, err := q.QueryContext(ctx, `SELECT case_id, access FROM staff_access WHERE account = $1`, id)
	if err != nil {
		return actor.Actor{}, Account{}, fmt.Errorf("read an account's access: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var kase string
		var may int64
		if err := rows.Scan(&kase, &may); err != nil {
			return actor.Actor{}, Account{}, fmt.Errorf("read an account's access: %w", err)
		}
		access[kase] = actor.Access(may)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return actor.Actor{}, Account{}, fmt.Errorf("read an account's access: %w", err)
	}
	return actor.Staff(actor.Member{ID: a.ID, Roles: a.Roles, Access: access, ApproverSince: a.ApproverSince, Held: a.Held, Confirms: confirms}, door), a, nil
}

// newID makes a pseudonym, or the id of something else: a letter, and 50 random bits.
func newID(letter string) string { return letter + "-" + strings.ToLower(rand.Text()[:10]) }

// NewPseudonym makes the id of an account to come.
func NewPseudonym() string { return newID("p") }

// hashOf is how tokens, codes and sessions are kept: of at least 80 random bits, so that nothing is gained by a slow hash.
func hashOf(kind, secret string) string {
	sum := sha256.Sum256([]byte("shirase/v1 staff " + kind + "\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// Serve records the waiting time that the instance is served by. Where it was another one before, that is on the board: nobody
// who waits is let through earlier, and whoever comes next would be.
func (s *Staff) Serve(ctx context.Context) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var was int64
		switch err := tx.QueryRowContext(ctx, `SELECT micros FROM staff_hold WHERE one = 1`).Scan(&was); {
		case errors.Is(err, sql.ErrNoRows):
			_, err = tx.ExecContext(ctx, `INSERT INTO staff_hold (one, micros) VALUES (1, $1)`, s.hold.Microseconds())
			return err
		case err != nil || was == s.hold.Microseconds():
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE staff_hold SET micros = $1 WHERE one = 1`, s.hold.Microseconds()); err != nil {
			return err
		}
		return s.log(ctx, tx, "operator by settings", "hold", "", "", fmt.Sprintf("%s → %s", time.Duration(was)*time.Microsecond, s.hold))
	})
	if err != nil {
		return fmt.Errorf("record how long new approvers wait: %w", err)
	}
	return nil
}

// wait has an account wait from now on before it approves or administers: a new approver, and whoever has a key that no older
// one vouched for. The others see it first. A wait that lasts longer stays.
func (s *Staff) wait(ctx context.Context, tx *sql.Tx, id string) error {
	now := s.now()
	_, err := tx.ExecContext(ctx, `UPDATE staff_account SET held_from = $2, held_until = CASE WHEN held_until > $3 THEN held_until ELSE $3 END WHERE id = $1`,
		id, store.Micros(now), store.Micros(now.Add(s.hold)))
	return err
}

// administers asks for the permission, for the passkey, and that nobody has to wait: what an approver waits for would be worth
// nothing if a stranger's key could make another approver meanwhile.
func (s *Staff) administers(ctx context.Context, who actor.Actor, act string) error {
	if err := errors.Join(who.May(actor.People, ""), sure(who, act)); err != nil || !who.Person() {
		return err
	}
	a, err := s.account(ctx, s.db, who.ID())
	if err != nil {
		return err
	}
	if !a.Held.IsZero() {
		return fmt.Errorf("%w: your key is new, until %s", actor.ErrHeld, a.Held.UTC().Format(time.RFC3339))
	}
	return nil
}

// sure asks a member of the staff for their passkey. The host has none, and what it does with people is on the board.
func sure(who actor.Actor, act string) error {
	if !who.Person() {
		return nil
	}
	return who.Confirmed(act)
}

// Entry is one of the log.
type Entry struct {
	Seq   int64
	At    time.Time
	Who   string // as actor.Actor.String
	What  string
	About string // a pseudonym
	Case  string
	Note  string
	Times int // how often, in what Shown gives
}

// Host reports whether it was done from the host, by whoever runs the command line.
func (e Entry) Host() bool { return strings.HasPrefix(e.Who, "operator ") }

func (s *Staff) log(ctx context.Context, tx *sql.Tx, who, what, about, kase, note string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO staff_log (seq, at, who, what, about, case_id, note)
		SELECT coalesce(max(seq), 0) + 1, $1, $2, $3, $4, $5, $6 FROM staff_log`, store.Micros(s.now()), who, what, about, kase, note)
	return err
}

// Log gives what was done with people and their keys, the newest first: at most n entries older than before (0: all). What
// is about a case that they do not see is left out.
func (s *Staff) Log(ctx context.Context, who actor.Actor, before int64, n int) ([]Entry, error) {
	if err := who.May(actor.Audit, ""); err != nil {
		return nil, err
	}
	return s.entries(ctx, `SELECT seq, at, who, what, about, case_id, note FROM staff_log WHERE $1 = 0 OR seq < $1 ORDER BY seq DESC`, before, n, who)
}

// Shown gives what everybody who works here is shown, the newest first: what was lately done with people from the host, and
// who came in with a key that nothing vouched for. What was done several times is one entry, with how often, so that nothing
// is hidden behind repetition; all that lets somebody in or gives roles is there, and of the rest the newest twenty.
func (s *Staff) Shown(ctx context.Context, who actor.Actor) ([]Entry, error) {
	if err := who.Check("read the log"); err != nil {
		return nil, err
	}
	return s.shown(ctx, who, s.now().Add(-hostShown))
}

// ShownFor is Shown as it was of use to whoever approves what was proposed at a time: a week before it, and since.
func (s *Staff) ShownFor(ctx context.Context, who actor.Actor, proposed time.Time) ([]Entry, error) {
	if err := who.Check("read the log"); err != nil {
		return nil, err
	}
	return s.shown(ctx, who, proposed.AddDate(0, 0, -7))
}

func (s *Staff) shown(ctx context.Context, who actor.Actor, since time.Time) ([]Entry, error) {
	all, err := s.entries(ctx, `SELECT seq, at, who, what, about, case_id, note FROM staff_log WHERE at > $1 AND (who LIKE 'operator %'
		AND what IN ('recover', 'invite', 'roles', 'remove', 'access', 'end-sessions', 'hold') OR what IN ('code', 'first-passkey')) ORDER BY seq DESC`,
		store.Micros(since), math.MaxInt, who)
	if err != nil {
		return nil, err
	}
	var out []Entry
	at, rest := map[Entry]int{}, 0
	for _, e := range all {
		key := Entry{What: e.What, About: e.About, Case: e.Case, Note: e.Note}
		letsIn := true
		switch e.What {
		case "end-sessions":
			key.Note, letsIn = "", false
		case "access", "remove":
			letsIn = false
		}
		if i, ok := at[key]; ok {
			out[i].Times++
			continue
		}
		if !letsIn {
			if rest++; rest > 20 {
				continue
			}
		}
		e.Times, at[key] = 1, len(out)
		out = append(out, e)
	}
	return out, nil
}

func (s *Staff) entries(ctx context.Context, query string, arg int64, n int, who actor.Actor) ([]Entry, error) {
	rows, err := s.db.QueryContext(ctx, query, arg)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	defer rows.Close()
	var out []Entry
	for len(out) < n && rows.Next() {
		var e Entry
		var micros int64
		if err := rows.Scan(&e.Seq, &micros, &e.Who, &e.What, &e.About, &e.Case, &e.Note); err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if e.At = store.FromMicros(micros); e.Case == "" || who.Sees(e.Case) {
			out = append(out, e)
		}
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
