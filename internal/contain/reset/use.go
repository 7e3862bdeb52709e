package reset

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"shirase/internal/contain/connect"
	"shirase/internal/language"
	"shirase/internal/store"
)

// Receipt is what somebody is told who has reset.
type Receipt struct {
	At     time.Time
	Lang   language.Lang
	Return string
	// Refused and Ended say whether the old password is refused and the sessions are ended, as far as the system says so.
	Refused, Ended connect.Known
}

const (
	maxPassword = 4096 // bytes
	// connectFor is how long the system with the accounts is waited for. A link is held for longer.
	connectFor = 45 * time.Second
	// afterFor is how long the bulk order is waited for that is about to force the same account.
	afterFor = 30 * time.Second
)

// Use resets the password of the account that a link is of. The link is used up by it, and by nothing else: a password that is refused, or a
// system that does not answer, leaves it as it is. Of many who use one link at once, one does.
//
// Errors: ErrToken, ErrNotOpen, ErrNotFound, *Refusal, ErrLater.
func (r *Resets) Use(ctx context.Context, incident, token, password string) (Receipt, error) {
	l, err := r.Look(ctx, incident, token)
	if err != nil {
		return Receipt{}, err
	}
	if r.Connector == nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrLater, ErrNoConnector)
	}
	account, _, err := r.account(ctx, r.DB, l.seal, l.run.id, l.place)
	if err != nil {
		return Receipt{}, err
	}
	if err := r.judge(ctx, l, account, password); err != nil {
		return Receipt{}, err
	}
	addresses, err := r.addresses(ctx, l, account)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrLater, err)
	}
	// From here on it is done, whoever stops waiting for it.
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), connectFor+afterFor+claimLasts/4)
	defer end()
	if err := r.claim(ctx, l); err != nil {
		return Receipt{}, err
	}
	r.step()
	now := r.Now()
	order := r.order(l.seal, l.run.id, l.place, account, now)
	order.ID = fmt.Sprintf("p-%x-%d", l.hash[:12], now.UnixMicro()) // each try may be with another password
	asking, endAsking := context.WithTimeout(ctx, connectFor)
	out, err := r.Connector.Reset(asking, order, password)
	endAsking()
	r.step()
	if err != nil {
		if gaveBack := r.giveBack(ctx, l); gaveBack != nil {
			r.Log.Error("give a link back", "error", gaveBack)
		}
		if errors.Is(err, connect.ErrPassword) {
			return Receipt{}, &Refusal{[]language.Text{{JA: "ご利用のサービスの決まりに合わないため、使えません。別のパスワードにしてください。", EN: "The service itself does not take this password. Please choose another one."}}}
		}
		r.Log.Error("a password could not be set", "incident", incident, "error", err)
		return Receipt{}, fmt.Errorf("%w: %w", ErrLater, err)
	}
	return r.finish(ctx, l, account, addresses, out, now)
}

// judge refuses a password before anything is used up.
func (r *Resets) judge(ctx context.Context, l Link, account, password string) error {
	switch {
	case len(password) > maxPassword:
		return &Refusal{[]language.Text{{JA: "長すぎます。", EN: "It is too long."}}}
	case !utf8.ValidString(password) || strings.ContainsAny(password, "\x00\r\n"):
		return &Refusal{[]language.Text{{JA: "使えない文字が入っています。", EN: "It has something in it that is no character."}}}
	}
	local, domain, _ := strings.Cut(l.to.Address, "@")
	reasons, err := r.Screen(ctx, password, r.Least, account, local, l.to.Address, strings.Split(domain, ".")[0], r.Service.JA, r.Service.EN)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLater, err)
	}
	if len(reasons) > 0 {
		return &Refusal{reasons}
	}
	asking, end := context.WithTimeout(ctx, connectFor)
	defer end()
	switch same, known, err := r.Connector.Same(asking, account, password); {
	case err != nil && !errors.Is(err, connect.ErrNoAccount):
		return fmt.Errorf("%w: %w", ErrLater, err)
	case known && same:
		return &Refusal{[]language.Text{{JA: "これまでのパスワードと同じです。漏えいしたおそれがあるため、新しいものにしてください。", EN: "It is a password that you had before, which may have been exposed. Please choose a new one."}}}
	}
	return nil
}

// claim takes a link, and the account, so that nobody else uses it and no bulk order forces it meanwhile. It is on disk before the system is
// asked.
func (r *Resets) claim(ctx context.Context, l Link) error {
	for begun := r.Now(); ; {
		busy := false
		err := r.DB.Update(ctx, func(tx *sql.Tx) error {
			busy = false
			now := r.Now()
			var claimed, expires int64
			err := tx.QueryRowContext(ctx, `SELECT claimed, expires FROM reset_token WHERE hash = $1`, l.hash).Scan(&claimed, &expires)
			if errors.Is(err, sql.ErrNoRows) || err == nil && (held(claimed, now) || expires <= store.Micros(now)) {
				return ErrToken
			}
			if err != nil {
				return err
			}
			ok, err := r.change(ctx, tx, l.run.id, l.place, func(x record) (record, bool) {
				switch {
				case x.state == Intended:
					busy = true
					return x, false
				case x.state == Resetting && held(int64(x.at)*1e6, now): // by another of its links
					return x, false
				}
				x.forced = x.forced || x.state == Forced
				x.state, x.at, x.due = Resetting, uint32(now.Unix()), 0
				return x, true
			})
			if err != nil || !ok {
				if err == nil && !busy {
					err = ErrToken
				}
				return err
			}
			_, err = tx.ExecContext(ctx, `UPDATE reset_token SET claimed = $2 WHERE hash = $1`, l.hash, store.Micros(now))
			return err
		})
		if err != nil || !busy {
			return err
		}
		if now := r.Now(); now.Sub(begun) > afterFor || now.Before(begun) {
			return ErrLater
		}
		if !sleep(ctx, min(r.Poll, 50*time.Millisecond)) {
			return ErrLater
		}
	}
}

// giveBack leaves a link as it was before it was tried: nobody knows whether the password was set, and whoever has the link can set it again.
func (r *Resets) giveBack(ctx context.Context, l Link) error {
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		if _, err := r.change(ctx, tx, l.run.id, l.place, func(x record) (record, bool) {
			if x.state != Resetting {
				return x, false
			}
			return x.abandoned(r.Now()), true
		}); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE reset_token SET claimed = 0 WHERE hash = $1`, l.hash)
		return err
	})
}

// abandoned is the record of an account of which nobody knows whether its new password was set. One that was forced before is as safe as it
// was; the old password of another may still be good, and people decide.
func (x record) abandoned(now time.Time) record {
	x.at, x.due = uint32(now.Unix()), 0
	if x.state = Unknown; x.forced {
		x.state = Forced
	}
	return x
}

// finish writes down that somebody has reset, and has them told: at the address that their link went to, and at those of the roster. Whoever
// has not lost their mailbox at all, and for whom somebody else has said so, hears of it there.
func (r *Resets) finish(ctx context.Context, l Link, account string, addresses []string, out connect.Outcome, now time.Time) (Receipt, error) {
	receipt := Receipt{At: now, Lang: l.Lang, Return: l.Return, Refused: out.Refused, Ended: out.Ended}
	then := func() {}
	err := r.DB.Update(ctx, func(tx *sql.Tx) (err error) {
		if r.Done != nil {
			if then, err = r.Done(ctx, tx, l.Incident, account, addresses); err != nil {
				return err
			}
		}
		if _, err := r.change(ctx, tx, l.run.id, l.place, func(x record) (record, bool) {
			x.state, x.at, x.tries = Reset, uint32(now.Unix()), 0
			return x.stands(out, now), true
		}); err != nil {
			return err
		}
		// All links of the account are over with the first that was used.
		if _, err := tx.ExecContext(ctx, `DELETE FROM reset_token WHERE run = $1 AND place = $2`, l.run.id, l.place); err != nil {
			return err
		}
		for _, a := range addresses {
			to := l.to
			to.Address = a
			if err := r.queue(ctx, tx, l.seal, l.run, r.receiptMail(to, receipt), -1, now); err != nil {
				return err
			}
		}
		if out.Refused == connect.Pending { // it is told once it is so
			return r.queue(ctx, tx, l.seal, l.run, r.refusedMail(l.to), l.place, now)
		}
		return nil
	})
	if err == nil {
		then()
	}
	return receipt, err
}

// order is what the connector is asked to do with an account.
func (r *Resets) order(seal *store.Sealer, run string, place int64, account string, issued time.Time) connect.Order {
	return connect.Order{ID: fmt.Sprintf("f-%s-%d", run, place), Account: account, Issued: issued, Seed: seal.Lookup("reset seed "+run, placeBytes(place))}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
