package returned

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/reach/bounce"
	"shirase/internal/store"
)

// ByHand is the reason of a suppression that somebody of the staff made.
const ByHand bounce.Reason = "by-hand"

// maxUntil is for how long an address may be suppressed by hand.
const maxUntil = 10 * 366 * 24 * time.Hour

// A Suppression is an address that is not written to again, in one case.
type Suppression struct {
	ID      string
	Case    string
	Address string
	Reason  bounce.Reason // as Sisimai names it, or by-hand
	Note    string
	At      time.Time
	By      string
	Until   time.Time
	Lifted  time.Time // zero: it was not
	LiftBy  string
}

// Holds reports whether the address is not written to at a time.
func (s Suppression) Holds(at time.Time) bool { return s.Lifted.IsZero() && at.Before(s.Until) }

// hidden gives, for a case that they may not know of, what is told of one that is not there.
func hidden(err error) error {
	if errors.Is(err, actor.ErrHidden) {
		return ErrNotFound
	}
	return err
}

// canonical is an address as it is compared. An error does not repeat it.
func canonical(address string) (string, error) {
	id, err := identity.ParseEmail(address)
	if err != nil {
		return "", hint.Add(fmt.Errorf("%w: it is no address of mail", ErrInput), "give one address, such as hanako@example.jp")
	}
	return id.Value, nil
}

// Suppress has an address not written to again in a case, until a time.
func (r *Returned) Suppress(ctx context.Context, who actor.Actor, kase, address, note string, until time.Time) error {
	if err := who.May(actor.Command, kase); err != nil {
		return hidden(err)
	}
	now := r.now()
	if !until.After(now) || until.Sub(now) > maxUntil {
		return hint.Add(fmt.Errorf("%w: a suppression ends, and within ten years", ErrInput), "give a time to come, such as 720h")
	}
	if len(note) > 1000 || strings.ContainsAny(note, "\x00") {
		return fmt.Errorf("%w: a note has at most 1,000 bytes", ErrInput)
	}
	if _, err := canonical(address); err != nil {
		return err
	}
	sealer, err := r.Seal(ctx, kase, true)
	if err != nil {
		return fmt.Errorf("returned: %w", err)
	}
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		return r.suppress(ctx, tx, sealer, who, kase, address, ByHand, note, now, until)
	})
}

// suppress writes one down. Of one that holds, or whose time is over, reason and time become the new ones; a time is never made shorter.
func (r *Returned) suppress(ctx context.Context, tx *sql.Tx, sealer *store.Sealer, who actor.Actor, kase, address string, reason bounce.Reason, note string, at, until time.Time) error {
	value, err := canonical(address)
	if err != nil {
		return err
	}
	id := "s-" + strings.ToLower(rand.Text()[:16])
	lookup := sealer.Lookup("returned_suppression.lookup "+kase, []byte(value))
	var old string // its id stays: what is sealed is bound to it
	err = tx.QueryRowContext(ctx, `SELECT id FROM returned_suppression WHERE case_id = $1 AND lookup = $2 AND lifted_at = 0`, kase, lookup).Scan(&old)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		id = old
	}
	sealedNote := []byte{}
	if note != "" {
		sealedNote = sealer.Seal("returned_suppression.note "+id, []byte(note))
	}
	if old != "" {
		_, err := tx.ExecContext(ctx, `UPDATE returned_suppression SET reason = $2, note = $3, at = $4, by_whom = $5, until_at = CASE WHEN until_at > $6 THEN until_at ELSE $6 END WHERE id = $1`,
			id, string(reason), sealedNote, store.Micros(at), who.String(), store.Micros(until))
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO returned_suppression (id, case_id, lookup, address, reason, note, at, by_whom, until_at, lifted_at, lifted_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '')`,
		id, kase, lookup, sealer.Seal("returned_suppression.address "+id, []byte(value)), string(reason), sealedNote, store.Micros(at), who.String(), store.Micros(until))
	return err
}

// SetUntil gives a suppression another end.
func (r *Returned) SetUntil(ctx context.Context, who actor.Actor, kase, id string, until time.Time) error {
	if err := who.May(actor.Command, kase); err != nil {
		return hidden(err)
	}
	if now := r.now(); !until.After(now) || until.Sub(now) > maxUntil {
		return hint.Add(fmt.Errorf("%w: a suppression ends, and within ten years", ErrInput), "give a time to come; to end it now: lift it")
	}
	return r.change(ctx, `UPDATE returned_suppression SET until_at = $3, by_whom = $4 WHERE id = $1 AND case_id = $2 AND lifted_at = 0`, id, kase, store.Micros(until), who.String())
}

// Lift has an address written to again.
func (r *Returned) Lift(ctx context.Context, who actor.Actor, kase, id string) error {
	if err := who.May(actor.Command, kase); err != nil {
		return hidden(err)
	}
	return r.change(ctx, `UPDATE returned_suppression SET lifted_at = $3, lifted_by = $4 WHERE id = $1 AND case_id = $2 AND lifted_at = 0`, id, kase, store.Micros(r.now()), who.String())
}

func (r *Returned) change(ctx context.Context, query string, args ...any) error {
	res, err := r.DB.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("returned: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNotFound)
	}
	return nil
}

// List gives a case's suppressions, the newest first, also those that have ended: at most most of them.
func (r *Returned) List(ctx context.Context, who actor.Actor, kase string, most int) (out []Suppression, err error) {
	if err := who.May(actor.Answer, kase); err != nil { // addresses of people are for who answers them
		return nil, hidden(err)
	}
	sealer, err := r.Seal(ctx, kase, false)
	if err != nil {
		return nil, fmt.Errorf("returned: %w", err)
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT id, address, reason, note, at, by_whom, until_at, lifted_at, lifted_by FROM returned_suppression WHERE case_id = $1 ORDER BY at DESC, id LIMIT $2`, kase, most)
	if err != nil {
		return nil, fmt.Errorf("returned: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		s := Suppression{Case: kase}
		var address, note []byte
		var at, until, lifted int64
		if err := rows.Scan(&s.ID, &address, &s.Reason, &note, &at, &s.By, &until, &lifted, &s.LiftBy); err != nil {
			return nil, fmt.Errorf("returned: %w", err)
		}
		if address, err = sealer.Open("returned_suppression.address "+s.ID, address); err != nil {
			return nil, err
		}
		if len(note) > 0 {
			if note, err = sealer.Open("returned_suppression.note "+s.ID, note); err != nil {
				return nil, err
			}
		}
		s.Address, s.Note, s.At, s.Until = string(address), string(note), store.FromMicros(at), store.FromMicros(until)
		if lifted != 0 {
			s.Lifted = store.FromMicros(lifted)
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// Suppressed gives whether addresses are suppressed in a case now: the whole list is read once, 16 bytes an address, so that a campaign
// asks for each of its recipients.
func (r *Returned) Suppressed(ctx context.Context, who actor.Actor, kase string) (func(address string) bool, error) {
	if err := who.May(actor.See, kase); err != nil {
		return nil, hidden(err)
	}
	sealer, err := r.Seal(ctx, kase, true)
	if err != nil {
		return nil, fmt.Errorf("returned: %w", err)
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT lookup FROM returned_suppression WHERE case_id = $1 AND lifted_at = 0 AND until_at > $2`, kase, store.Micros(r.now()))
	if err != nil {
		return nil, fmt.Errorf("returned: %w", err)
	}
	defer rows.Close()
	all := map[[16]byte]bool{}
	for rows.Next() {
		var lookup []byte
		if err := rows.Scan(&lookup); err != nil {
			return nil, fmt.Errorf("returned: %w", err)
		}
		all[[16]byte(lookup)] = true
	}
	return func(address string) bool {
		value, err := canonical(address)
		return err == nil && all[[16]byte(sealer.Lookup("returned_suppression.lookup "+kase, []byte(value)))]
	}, rows.Err()
}

// Reasons counts what failed for good in a case, by reason: each message once, by what came back of it last.
func (r *Returned) Reasons(ctx context.Context, who actor.Actor, kase string) (map[bounce.Reason]int64, error) {
	if err := who.May(actor.See, kase); err != nil {
		return nil, hidden(err)
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT reason, count(*) FROM (
			SELECT reason, row_number() OVER (PARTITION BY token ORDER BY at DESC, hash) AS n FROM returned_message WHERE case_id = $1 AND state IN ('bounced', 'refused')
		) AS newest WHERE n = 1 GROUP BY reason`, kase)
	if err != nil {
		return nil, fmt.Errorf("returned: %w", err)
	}
	defer rows.Close()
	out := map[bounce.Reason]int64{}
	for rows.Next() {
		var reason bounce.Reason
		var n int64
		if err := rows.Scan(&reason, &n); err != nil {
			return nil, fmt.Errorf("returned: %w", err)
		}
		out[reason] = n
	}
	return out, rows.Err()
}
