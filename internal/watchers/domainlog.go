package watchers

import (
	"context"
	"database/sql"
	"errors"

	"shirase/internal/store"
)

// A domain's log says when its owner has looked, and in which cases there were addresses: that is personal data which was given to somebody. Of each look
// there is a line (looked), and one for each case that was looked through (shown), which says under the case's key whether there was any: a domain may be
// of one person, and so the line of a case says nothing once its key is gone.

// note writes a line. shown is sealed, and of lines of that kind alone.
func (w *Watchers) note(ctx context.Context, tx *sql.Tx, id, what, of string, shown []byte) error {
	return noteAt(ctx, tx, id, store.Micros(w.Now()), what, of, shown)
}

func noteAt(ctx context.Context, tx *sql.Tx, id string, at int64, what, of string, shown []byte) error {
	if shown == nil {
		shown = []byte{}
	}
	var n int64
	err := tx.QueryRowContext(ctx, `SELECT coalesce(max(n), 0) + 1 FROM watchers_domain_log WHERE domain = $1`, id).Scan(&n)
	if err == nil {
		_, err = tx.ExecContext(ctx, `INSERT INTO watchers_domain_log (domain, n, at, what, incident, shown) VALUES ($1, $2, $3, $4, $5, $6)`, id, n, at, what, of, shown)
	}
	return err
}

// log gives the newest lines of a domain's log. Of a look it says in which cases there were addresses, as long as their keys say so.
func (w *Watchers) log(ctx context.Context, id string) (out []Line, err error) {
	rows, err := w.DB.QueryContext(ctx, `SELECT at, what, incident, shown FROM watchers_domain_log WHERE domain = $1 ORDER BY at DESC, n DESC LIMIT $2`, id, 20*maxLines)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	type row struct {
		Line
		shown []byte
	}
	var all []row
	for rows.Next() {
		var l row
		var at int64
		if err := rows.Scan(&at, &l.What, &l.Of, &l.shown); err != nil {
			return nil, err
		}
		l.At = store.FromMicros(at)
		all = append(all, l)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	keys, said := sealers{}, false // of one look the cases come before the look itself: the newest is first
	for _, l := range all {
		if l.What == "shown" {
			if seal, err := keys.of(ctx, w, l.Of); err == nil && wasShown(seal, id, l.shown) {
				said, out = true, append(out, Line{l.At, "looked", l.Of})
			}
			continue
		}
		if l.What != "looked" || l.Of != "" || !said {
			out = append(out, l.Line)
		}
		said = false
	}
	return out[:min(len(out), maxLines)], ctx.Err()
}

func sealShown(seal *store.Sealer, domain string, shown bool) []byte {
	return seal.Seal("watchers_domain_log.shown "+domain, []byte{byte(bit(shown))})
}

func wasShown(seal *store.Sealer, domain string, sealed []byte) bool {
	plain, err := seal.Open("watchers_domain_log.shown "+domain, sealed)
	return err == nil && len(plain) == 1 && plain[0] == 1
}

// sealLooks seals in which looks, of which an earlier version wrote down, the owners of domains were shown addresses in a case: the look stays, and the
// case is a line of its own, which goes with it. That it is there still says of such a look that there were addresses, as it has no lines of the other cases.
func (w *Watchers) sealLooks(ctx context.Context, tx *sql.Tx, incident string, seal *store.Sealer) error {
	rows, err := tx.QueryContext(ctx, `SELECT domain, at FROM watchers_domain_log WHERE incident = $1 AND what = 'looked' AND incident <> '' ORDER BY domain, n`, incident)
	if err != nil {
		return err
	}
	defer rows.Close()
	type look struct {
		domain string
		at     int64
	}
	var all []look
	for rows.Next() {
		var l look
		if err := rows.Scan(&l.domain, &l.at); err != nil {
			return err
		}
		all = append(all, l)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, l := range all {
		if err := noteAt(ctx, tx, l.domain, l.at, "shown", incident, sealShown(seal, l.domain, true)); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE watchers_domain_log SET incident = '' WHERE incident = $1 AND what = 'looked'`, incident)
	return err
}

// looked counts how often the owner of a domain was shown addresses in a case.
func (w *Watchers) looked(ctx context.Context, incident string) (n int64, err error) {
	seal, err := w.Rosters.Sealer(ctx, incident, false)
	if err != nil { // where its key is gone, or was never there, nobody knows
		return 0, ctx.Err()
	}
	rows, err := w.DB.QueryContext(ctx, `SELECT what, domain, shown FROM watchers_domain_log WHERE incident = $1`, incident)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var what, domain string
		var shown []byte
		if err := rows.Scan(&what, &domain, &shown); err != nil {
			return 0, err
		}
		if what == "looked" || what == "shown" && wasShown(seal, domain, shown) { // the former an earlier version wrote
			n++
		}
	}
	return n, errors.Join(rows.Err(), rows.Close())
}
