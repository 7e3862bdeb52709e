package watchers

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"shirase/internal/language"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// batchSize is how many mails one connection takes in a row, and of which is written down together what came of them.
const batchSize = 100

// letter is one mail that is about to leave.
type letter struct {
	id, to        string
	lang          language.Lang
	subject, text string
	off           string // where it is ended by one click; "": it is not one that was asked for
	// what came of it
	state string
	again bool // it was not begun, or is refused for now
}

// Tell hands over what is due: mails to confirm first, then what is told. It gives how many mails left.
func (w *Watchers) Tell(ctx context.Context) (told int, err error) {
	if err := w.tidy(ctx); err != nil {
		return 0, fmt.Errorf("tell who watches: %w", err)
	}
	for _, some := range []func(context.Context) (int, int, error){w.confirmations, w.tellSome} {
		for ctx.Err() == nil {
			begun := time.Now()
			taken, left, err := some(ctx)
			told += left
			if err != nil {
				return told, fmt.Errorf("tell who watches: %w", err)
			}
			if taken == 0 {
				break
			}
			if w.Mailer.PerSecond > 0 {
				sleep(ctx, time.Duration(float64(taken)/w.Mailer.PerSecond*float64(time.Second))-time.Since(begun))
			}
		}
	}
	return told, ctx.Err()
}

func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// tidy lets go what is not needed any more, and lists what was in flight in a process that died.
func (w *Watchers) tidy(ctx context.Context) error {
	now := w.Now()
	for _, q := range []struct {
		text string
		at   time.Time
	}{{`DELETE FROM watchers_asked WHERE at < $1`, now.Add(-lasts)},
		{`UPDATE watchers_mail SET state = 'unknown' WHERE state = 'intended' AND due < $1`, now}} {
		if _, err := w.DB.ExecContext(ctx, q.text, store.Micros(q.at)); err != nil {
			return err
		}
	}
	if _, err := w.DB.ExecContext(ctx, `UPDATE watchers_mail SET whom = $2 WHERE state = 'unknown' AND length(whom) > 0 AND due < $1`, store.Micros(now.Add(-uncertain)), []byte{}); err != nil {
		return err
	}
	if err := w.sealEarlier(ctx); err != nil {
		return err
	}
	return w.forget(ctx)
}

// confirmations mails links to confirm. One that may have left already leaves again, under the same Message-ID.
func (w *Watchers) confirmations(ctx context.Context) (taken, left int, err error) {
	type asked struct {
		id, lang string
		tries    int64
		address  []byte
	}
	var due []asked
	now := w.Now()
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		due = nil
		rows, err := tx.QueryContext(ctx, `SELECT id, lang, tries, address FROM watchers_asked WHERE state = 'waiting' AND next_at <= $1 ORDER BY next_at, id LIMIT $2`, store.Micros(now), batchSize)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var a asked
			if err := rows.Scan(&a.id, &a.lang, &a.tries, &a.address); err != nil {
				return err
			}
			due = append(due, a)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		for _, a := range due {
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_asked SET next_at = $2 WHERE id = $1`, a.id, store.Micros(now.Add(claimed))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || len(due) == 0 {
		return 0, 0, err
	}
	letters := make([]*letter, len(due))
	for i, a := range due {
		to, err := w.key.Open("watchers_asked "+a.id, a.address)
		if err != nil { // an address that cannot be written to is refused below, and keeps nobody else waiting
			w.Log.Error("an address that is to be confirmed is damaged", "error", err)
		}
		lang := language.Lang(a.lang)
		letters[i] = &letter{id: "w." + a.id, to: string(to), lang: lang}
		letters[i].subject, letters[i].text = w.confirmation(lang, w.URL+"/watch/"+w.link(toConfirm, []byte(a.id)))
	}
	sent := w.handOver(ctx, letters)
	err = w.DB.Update(context.WithoutCancel(ctx), func(tx *sql.Tx) error {
		for i, a := range due {
			state, next, address := "sent", w.Now(), a.address
			switch l := letters[i]; {
			case !l.again && l.state == "refused", l.again && a.tries+1 >= tries:
				state, address = "given-up", []byte{}
			case l.again:
				state, next = "waiting", next.Add(time.Minute<<min(2*a.tries, 10))
			}
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_asked SET state = $2, address = $3, tries = tries + 1, next_at = $4 WHERE id = $1 AND state = 'waiting'`, a.id, state, address, store.Micros(next)); err != nil {
				return err
			}
		}
		return nil
	})
	return len(due), count(letters), errors.Join(err, sent)
}

func count(letters []*letter) (n int) {
	for _, l := range letters {
		if !l.again && l.state != "refused" && l.state != "dropped" {
			n++
		}
	}
	return n
}

// telling is one person, and what they are told by one mail.
type telling struct {
	n     int64
	mail  string // by which it was tried before; "": not yet
	tries int64
	items []*item
	l     *letter
}

// tellSome tells up to a batch of people what is due: one mail for all of it.
func (w *Watchers) tellSome(ctx context.Context) (taken, left int, err error) {
	due, looked, err := w.due(ctx)
	if err != nil || len(due) == 0 { // of what was looked at nothing may be left to be told: it is looked on
		return looked, 0, err
	}
	about := map[string]*About{}
	var letters []*letter
	for _, t := range due {
		if t.l, err = w.compose(ctx, t, about); err != nil {
			return 0, 0, err
		}
		if t.l != nil && t.l.state != "dropped" {
			letters = append(letters, t.l)
		}
	}
	if err := w.intend(ctx, due); errors.Is(err, errTaken) { // another server has some of them: it is looked again
		return len(due), 0, nil
	} else if err != nil { // it is not on disk: nothing is sent
		return 0, 0, err
	}
	w.step()
	sent := w.handOver(ctx, letters)
	w.step()
	err = w.settle(context.WithoutCancel(ctx), due)
	w.step()
	return len(due), count(letters), errors.Join(err, sent)
}

// compose writes what somebody is told. state of the letter is dropped where nothing is left to tell, or nobody to.
func (w *Watchers) compose(ctx context.Context, t *telling, about map[string]*About) (*letter, error) {
	l := &letter{id: cmp.Or(t.mail, "w."+newID()), state: "dropped"}
	var sealed []byte
	var lang string
	err := w.DB.QueryRowContext(ctx, `SELECT address, lang FROM watchers_person WHERE n = $1`, t.n).Scan(&sealed, &lang)
	if errors.Is(err, sql.ErrNoRows) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	to, err := w.key.Open(personOf(t.n), sealed)
	if err != nil { // nobody can be told by it any more, and nobody else waits for it
		w.Log.Error("the address of one who watches is damaged", "error", err)
		return l, nil
	}
	var parts []part
	for _, x := range t.items {
		a, asked := about[x.incident]
		if !asked {
			found, ok, err := w.About(ctx, x.incident)
			if err != nil {
				return nil, err
			}
			if ok {
				a = &found
			}
			about[x.incident] = a
		}
		if a == nil {
			continue
		}
		if len(parts) == 0 || parts[len(parts)-1].incident != x.incident {
			parts = append(parts, part{incident: x.incident, About: *a, kinds: map[string]bool{}})
		}
		parts[len(parts)-1].kinds[x.kind] = true
	}
	if len(parts) == 0 {
		return l, nil
	}
	l.to, l.lang, l.state = string(to), language.Lang(lang), ""
	l.off = w.URL + "/watch/off/" + w.link(toEnd, number(t.n))
	l.subject, l.text = w.told(l.lang, parts, w.URL+"/watch/own/"+w.link(toChange, number(t.n)), l.off)
	return l, nil
}

// intend writes down that mails are about to be handed over. What another process has taken meanwhile is left to it.
func (w *Watchers) intend(ctx context.Context, due []*telling) error {
	all := ordered(due)
	for _, x := range all {
		switch {
		case x.of.l.state == "dropped": // whom it was of is not needed any more
			x.next = []byte{}
		case x.mail == "":
			x.next = sealWhom(x.seal, x.n, x.of.l.id)
		default:
			x.next = x.whom
		}
	}
	return w.DB.Update(ctx, func(tx *sql.Tx) error {
		for _, x := range all {
			state, lease := "intended", store.Micros(w.Now().Add(orLater(claimed)))
			if x.of.l.state == "dropped" {
				state, lease = "dropped", 0
			}
			res, err := tx.ExecContext(ctx, `UPDATE watchers_mail SET state = $6, whom = $7, due = $8 WHERE incident = $1 AND kind = $2 AND ref = $3 AND tag = $4 AND state = 'waiting' AND whom = $5`,
				x.incident, x.kind, x.ref, x.tag, x.whom, state, x.next, lease)
			if err != nil {
				return err
			}
			if k, err := res.RowsAffected(); err != nil || k == 0 && state == "intended" {
				return errors.Join(err, errTaken)
			}
		}
		return nil
	})
}

var errTaken = errors.New("another process tells them")

// settle writes down what became of mails: of whom it is stays only where it is tried again, or is unknown.
func (w *Watchers) settle(ctx context.Context, due []*telling) error {
	all := ordered(due)
	return w.DB.Update(ctx, func(tx *sql.Tx) error {
		for _, x := range all {
			state, whom, next := x.of.l.state, []byte{}, int64(0)
			switch {
			case state == "dropped":
				continue
			case x.of.l.again && x.of.tries+1 >= tries:
				state = "refused"
			case x.of.l.again:
				state, whom, next = "waiting", x.next, store.Micros(w.Now().Add(orLater(time.Minute<<min(2*x.of.tries, 10))))
			case state == "unknown":
				whom, next = x.next, store.Micros(w.Now().Add(rand.N(claimed)))
			}
			// Of a case that was shredded meanwhile nobody says any more whom it was of.
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_mail SET state = $6, whom = CASE WHEN length(whom) = 0 THEN whom ELSE $7 END, tries = tries + 1, due = $8
				WHERE incident = $1 AND kind = $2 AND ref = $3 AND tag = $4 AND state IN ('intended', 'unknown') AND (whom = $5 OR length(whom) = 0)`,
				x.incident, x.kind, x.ref, x.tag, x.next, state, whom, next); err != nil {
				return err
			}
		}
		return nil
	})
}

// handOver hands mails over, and says of each what came of it. The error is why some were not.
func (w *Watchers) handOver(ctx context.Context, letters []*letter) error {
	for _, l := range letters {
		l.again = true // until it has left
	}
	if len(letters) == 0 {
		return nil
	}
	_, domain, _ := strings.Cut(w.Mailer.From.Addr, "@")
	var signers []*message.Signer
	if w.Mailer.Signers != nil {
		var err error
		if signers, err = w.Mailer.Signers(domain); err != nil {
			return err
		}
	}
	composers := map[string]*message.Composer{}
	var mails []smtp.Mail
	var of []*letter
	for _, l := range letters {
		if l.to == "" {
			l.again, l.state = false, "refused"
			continue
		}
		c := composers[l.subject]
		if c == nil {
			var err error
			if c, err = message.New(message.Address{Name: w.Name.In(l.lang), Addr: w.Mailer.From.Addr}, message.Address{}, l.subject, domain, signers...); err != nil {
				return err
			}
			composers[l.subject] = c
		}
		body := message.NewBody(string(l.lang), l.text, message.Page(string(l.lang), l.subject, paragraphs(l.text)))
		var head []byte
		var err error
		if l.off != "" {
			head, err = c.Listed(nil, l.to, l.id, w.Now(), body, l.off)
		} else {
			head, err = c.Mail(nil, l.to, l.id, w.Now(), body)
		}
		to, pathErr := smtp.Path(l.to)
		if err != nil || pathErr != nil {
			l.again, l.state = false, "refused"
			continue
		}
		mails, of = append(mails, smtp.Mail{From: w.Mailer.From.Addr, To: to, Data: message.Data(head, body)}), append(of, l)
	}
	var failed error
	for _, relay := range w.Mailer.Relays {
		if len(mails) == 0 {
			return nil
		}
		c, err := smtp.Dial(ctx, relay)
		if err != nil {
			failed = fmt.Errorf("the relay: %w", err)
			continue
		}
		n, _, err := c.Deliver(mails, func() bool { return ctx.Err() != nil }, func(i int, o smtp.Outcome) { of[i].came(o) })
		if mails, of = mails[n:], of[n:]; err == nil {
			c.Close()
			return ctx.Err()
		}
		failed = fmt.Errorf("the relay: %w", err)
	}
	return failed
}

// came takes what a relay answered.
func (l *letter) came(o smtp.Outcome) {
	switch {
	case o.Unknown:
		l.state, l.again = "unknown", false
	case o.Taken():
		l.state, l.again = "handed-over", false
	case o.Reply.Transient(), o.Reply.Policy(), o.Stage == smtp.AtSender: // refused is the sender, and not the person
	default:
		l.state, l.again = "refused", false
	}
}

// Resolve decides on what is unknown: it is told again, at the risk that somebody has two mails, or left as it is.
func (w *Watchers) Resolve(ctx context.Context, again bool) (int64, error) {
	q, arg := `UPDATE watchers_mail SET state = 'dropped', n = 0, mail = '', whom = $1, due = 0 WHERE state = 'unknown'`, any([]byte{})
	if again {
		q, arg = `UPDATE watchers_mail SET state = 'waiting', due = $1 WHERE state = 'unknown' AND length(whom) > 0`, store.Micros(w.Now())
	}
	res, err := w.DB.ExecContext(ctx, q, arg)
	if err != nil {
		return 0, fmt.Errorf("decide on what is unknown: %w", err)
	}
	return res.RowsAffected()
}

// Keep looks, matches and tells as long as the context lasts, and beside that looks after domains: how long these take is up to others.
func (w *Watchers) Keep(ctx context.Context, failed func(error)) {
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { again(ctx, w.KeepDomains, failed) })
	again(ctx, w.Turn, failed)
}

func again(ctx context.Context, turn func(context.Context) error, failed func(error)) {
	t := time.NewTicker(20 * time.Second) // no sooner: when a mail leaves tells nothing of what was looked up
	defer t.Stop()
	for {
		if err := turn(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Turn does once what is due, but for looking after domains: [Watchers.KeepDomains].
func (w *Watchers) Turn(ctx context.Context) error {
	err := w.Look(ctx)
	if err == nil {
		_, err = w.Match(ctx)
	}
	_, told := w.Tell(ctx)
	return errors.Join(err, told, w.tellOwners(ctx))
}

// Forget takes what is not told yet, or is unknown, of cases that were shredded, without waiting for the server that tells.
func Forget(ctx context.Context, db *store.DB, rosters *roster.Rosters) error {
	if err := migrate(ctx, db); err != nil {
		return err
	}
	w := &Watchers{Rooms: Rooms{DB: db, Rosters: rosters, Log: slog.New(slog.DiscardHandler), Now: time.Now}}
	err := w.sealEarlier(ctx)
	if err == nil {
		err = w.forget(ctx)
	}
	if err != nil {
		return fmt.Errorf("watchers: forget whom a shredded case names: %w", err)
	}
	return nil
}
