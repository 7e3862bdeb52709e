package enquiry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/store"
)

// Bounds of sending.
const (
	groupOf = 16 // mails whose intent is written down together
	atOnce  = 4
	lease   = 15 * time.Minute // in which a process hands its group over
	tries   = 12
)

// mailID is what the Message-ID of a message's mail begins with: its own id is the rest.
const mailID = "q."

// poke has the sender look now.
func (d *Desk) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Work sends what is to be sent, and lets go what is over, until ctx ends.
func (d *Desk) Work(ctx context.Context, failed func(error)) {
	look := time.NewTicker(10 * time.Second)
	defer look.Stop()
	tidy := time.Time{}
	for {
		if _, err := d.Send(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		if now := d.Now(); now.Sub(tidy) > 10*time.Minute {
			tidy = now
			if err := d.Tidy(ctx); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		case <-d.wake:
		}
	}
}

// leaving is a mail that is to be handed over.
type leaving struct {
	id, enquiry, incident, kind, batch string
	tries                              int64
	sealed                             []byte

	outcome Outcome
	said    string
	gone    bool // the case was shredded, or whom it was to is not known any more
}

// Send hands over what is due, until nothing is, and gives how many mails were taken. That they are about to be handed over is on disk before
// they are; whoever was in flight when a process died is unknown.
func (d *Desk) Send(ctx context.Context) (sent int, err error) {
	if d.Deliver == nil {
		return 0, nil
	}
	for ctx.Err() == nil {
		if err := d.sweep(ctx); err != nil {
			return sent, fmt.Errorf("send answers: %w", err)
		}
		group, err := d.intend(ctx)
		if err != nil || len(group) == 0 {
			if err != nil {
				err = fmt.Errorf("send answers: %w", err)
			}
			return sent, err
		}
		d.step()
		var all sync.WaitGroup
		slots := make(chan struct{}, atOnce)
		for _, m := range group {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				d.handOver(ctx, m)
			})
		}
		all.Wait()
		d.step()
		n, err := d.settle(context.WithoutCancel(ctx), group)
		sent += n
		d.step()
		if err != nil {
			return sent, fmt.Errorf("send answers: %w", err)
		}
	}
	return sent, ctx.Err()
}

// sweep finds what a process had when it died. A link may come twice; an answer is somebody's to decide.
func (d *Desk) sweep(ctx context.Context) error {
	now := store.Micros(d.Now())
	if _, err := d.DB.ExecContext(ctx, `UPDATE enquiry_message SET state = 'deferred', due = $1 WHERE state = 'intended' AND due < $1 AND kind = 'verify'`, now); err != nil {
		return err
	}
	_, err := d.DB.ExecContext(ctx, `UPDATE enquiry_message SET state = 'unknown', said = 'its process ended' WHERE state = 'intended' AND due < $1`, now)
	return err
}

// intend writes down that a group of mails is about to be handed over, and gives it. Links and answers, and of each those that are new and those that
// are tried again, have their turns: whoever floods the one keeps none of the others waiting.
func (d *Desk) intend(ctx context.Context) (group []*leaving, err error) {
	now := d.Now()
	err = d.DB.Update(ctx, func(tx *sql.Tx) error {
		group = nil
		var waiting [][]*leaving
		for _, kind := range []string{"verify", "answer"} {
			for _, state := range []string{"pending", "deferred"} {
				some, err := waitingMails(ctx, tx, kind, state, now)
				if err != nil {
					return err
				}
				waiting = append(waiting, some)
			}
		}
		for i := range groupOf {
			for _, some := range waiting {
				if i < len(some) && len(group) < groupOf {
					group = append(group, some[i])
				}
			}
		}
		for _, m := range group {
			if _, err := tx.ExecContext(ctx, `UPDATE enquiry_message SET state = 'intended', due = $2, tries = tries + 1 WHERE id = $1`, m.id, store.Micros(now.Add(lease))); err != nil {
				return err
			}
		}
		return nil
	})
	return group, err
}

// waitingMails gives up to a group of one kind and state, in the order of an index: however many wait, as many are read.
func waitingMails(ctx context.Context, tx *sql.Tx, kind, state string, now time.Time) (out []*leaving, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT m.id, m.enquiry, m.incident, m.kind, m.batch, m.tries, m.sealed FROM enquiry_message m WHERE m.state = $1 AND m.kind = $2 AND m.due <= $3
		AND (m.batch = '' OR EXISTS (SELECT 1 FROM enquiry_batch b WHERE b.id = m.batch AND b.state = 'running')) ORDER BY m.due, m.id LIMIT $4`, state, kind, store.Micros(now), groupOf)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var m leaving
		if err := rows.Scan(&m.id, &m.enquiry, &m.incident, &m.kind, &m.batch, &m.tries, &m.sealed); err != nil {
			return nil, err
		}
		out = append(out, &m)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// handOver makes a mail of a message and hands it over.
func (d *Desk) handOver(ctx context.Context, m *leaving) {
	if ctx.Err() != nil {
		m.outcome, m.said = Later, "not begun"
		return
	}
	l, err := d.letterOf(ctx, m)
	switch {
	case err != nil && d.Gone != nil && d.Gone(err), errors.Is(err, ErrUnproven):
		m.outcome, m.said, m.gone = Refused, "nobody is known any more to whom it was to go", true
	case err != nil:
		d.Log.Error("an answer cannot be made", "message", m.id, "error", err)
		m.outcome, m.said = Later, "it could not be made"
	default:
		m.outcome, m.said = d.Deliver(ctx, l)
	}
}

// letterOf makes the mail. Answers go to a mailbox that was shown to be theirs, or to nobody.
func (d *Desk) letterOf(ctx context.Context, m *leaving) (Letter, error) {
	seal, err := d.Seal(ctx, m.incident, false)
	if err != nil {
		return Letter{}, err
	}
	e, err := d.get(ctx, d.DB, m.enquiry)
	if err != nil {
		return Letter{}, err
	}
	if e.wiped {
		return Letter{}, ErrUnproven
	}
	if err := openJSON(seal, personIn(e.ID), e.sealed, &e.Person); err != nil {
		return Letter{}, err
	}
	if e.Person.Address == "" || m.kind == "answer" && e.Verified.IsZero() {
		return Letter{}, ErrUnproven
	}
	l := Letter{To: e.Person.Address, ID: mailID + m.id, ReplyTo: d.threadOf(seal, e.ID), Back: d.threadOf(seal, e.ID)}
	if m.kind == "verify" {
		l.Subject, l.Text = d.linkText(ctx, e, confirmToken(seal, e.ID))
		return l, nil
	}
	var w written
	if err := openJSON(seal, messageIn(m.id), m.sealed, &w); err != nil {
		return Letter{}, err
	}
	l.Subject, l.Text, l.InReplyTo, l.Person = w.Subject, w.Text, w.ID, m.batch == ""
	return l, nil
}

// linkText is the mail with the link. Nothing in it was written by whoever asked.
func (d *Desk) linkText(ctx context.Context, e *Enquiry, token string) (subject, text string) {
	about := d.about(ctx, e.Incident)
	lang := e.Lang
	link := d.URL + "/enquiries/confirm?t=" + token
	return lang.Pick("お問い合わせの確認", "Please confirm your enquiry"), lang.Pick(fmt.Sprintf(`%s
「%s」について、このアドレスからのお問い合わせを受け付けました。
次のページで「お問い合わせを確定する」を押すと、窓口に届きます。押すまでは、だれも内容を読みません。

%s

このリンクは48時間、1回だけ使えます。開いただけでは使ったことになりません。
お心当たりがない場合は、どなたかがこのアドレスを入力しました。何もしなければ、2日後に消えます。
このメールが、パスワードやカード番号をお尋ねすることはありません。
`, about.Organisation.JA, about.Title.JA, link), fmt.Sprintf(`%s
An enquiry about "%s" was made with this address.
Press "Confirm my enquiry" on this page and it reaches our desk. Until then nobody reads it.

%s

The link is good once, for 48 hours. Opening it does not use it up.
If it was not you, somebody else entered this address. Do nothing, and it is gone after two days.
We never ask for a password or a card number by mail.
`, about.Organisation.EN, about.Title.EN, link))
}

// about is what the public knows an incident by.
func (d *Desk) about(ctx context.Context, of string) About {
	out := About{Title: language.Same(of), Page: d.URL + "/incidents/" + of + "/help"}
	if i, err := d.Incident(ctx, of); err == nil {
		out.Title = language.Text{JA: i.Title(language.JA), EN: i.Title(language.EN)}
		out.Organisation = language.Text{JA: i.Organisation(language.JA), EN: i.Organisation(language.EN)}
	}
	return out
}

// settle writes down what came of a group.
func (d *Desk) settle(ctx context.Context, group []*leaving) (taken int, err error) {
	now := d.Now()
	batches := map[string]bool{}
	err = d.DB.Update(ctx, func(tx *sql.Tx) error {
		taken = 0
		for _, m := range group {
			state, due := "handed-over", now
			switch {
			case m.outcome == Taken:
				taken++
			case m.outcome == Unsure && m.kind == "answer":
				state = "unknown"
			case m.outcome == Refused, m.tries+1 >= tries:
				state = "refused"
			default:
				state, due = "deferred", now.Add(min(time.Minute<<min(m.tries, 9), 6*time.Hour))
				if m.said == "not begun" {
					state, due = "pending", now
				}
			}
			res, err := tx.ExecContext(ctx, `UPDATE enquiry_message SET state = $2, said = $3, due = $4 WHERE id = $1 AND state = 'intended'`, m.id, state, clip(m.said), store.Micros(due))
			if err != nil {
				return err
			}
			settled, err := res.RowsAffected()
			if err != nil {
				return err
			}
			if state == "refused" && settled == 1 { // one that is somebody's to decide by now, or was decided, still corrects

				if err := d.uncorrect(ctx, tx, m.enquiry, m.id); err != nil {
					return err
				}
			}
			if m.batch != "" {
				batches[m.batch] = true
			}
		}
		for b := range batches {
			if err := d.finished(ctx, tx, b); err != nil {
				return err
			}
		}
		return nil
	})
	return taken, err
}

// uncorrect takes back that a mail has corrected answers: it did not arrive, and whoever was told otherwise still believes it.
func (d *Desk) uncorrect(ctx context.Context, tx *sql.Tx, enquiry, message string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE enquiry_said SET stands = 1 WHERE message IN (SELECT id FROM enquiry_message WHERE enquiry = $1 AND corrected = $2)`, enquiry, message); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE enquiry_message SET corrected = '' WHERE enquiry = $1 AND corrected = $2`, enquiry, message)
	return err
}

func clip(s string) string {
	if r := []rune(s); len(r) > maxShort {
		return string(r[:maxShort]) + "…"
	}
	return s
}

// finished says of a batch that it is done, where nobody is left to send to and nobody is unknown.
func (d *Desk) finished(ctx context.Context, tx *sql.Tx, batch string) error {
	_, err := tx.ExecContext(ctx, `UPDATE enquiry_batch SET state = 'done', version = version + 1 WHERE id = $1 AND state = 'running'
		AND NOT EXISTS (SELECT 1 FROM enquiry_message WHERE batch = $1 AND state IN ('pending', 'intended', 'deferred', 'unknown'))`, batch)
	return err
}

// Resolve decides on answers of which nobody knows whether they arrived: they are sent again, under the same Message-ID, or left. messages names
// which; none: all of the case.
func (d *Desk) Resolve(ctx context.Context, who actor.Actor, of string, again bool, messages ...string) (n int, err error) {
	if err := may(who, actor.Answer, of); err != nil {
		return 0, fmt.Errorf("decide on answers: %w", err)
	}
	list, err := d.uncertain(ctx, of)
	if err != nil {
		return 0, fmt.Errorf("decide on answers: %w", err)
	}
	wanted := map[string]bool{}
	for _, m := range messages {
		wanted[m] = true
	}
	to, what := "left", "left an answer as it is"
	if again {
		to, what = "pending", "had an answer sent again"
	}
	err = d.DB.Update(ctx, func(tx *sql.Tx) error {
		n = 0
		for _, m := range list {
			if len(wanted) > 0 && !wanted[m.Message] {
				continue
			}
			if _, err := tx.ExecContext(ctx, `UPDATE enquiry_message SET state = $2, due = $3, said = 'decided by hand' WHERE id = $1 AND state = 'unknown'`, m.Message, to, store.Micros(d.Now())); err != nil {
				return err
			}
			if again {
				if _, err := tx.ExecContext(ctx, `UPDATE enquiry_batch SET state = 'running' WHERE state = 'done' AND id = (SELECT batch FROM enquiry_message WHERE id = $1)`, m.Message); err != nil {
					return err
				}
			}
			if err := d.event(ctx, tx, who, of, m.Enquiry, what, m.Message); err != nil {
				return err
			}
			var batch string
			if err := tx.QueryRowContext(ctx, `SELECT batch FROM enquiry_message WHERE id = $1`, m.Message).Scan(&batch); err != nil {
				return err
			}
			if batch != "" {
				if err := d.finished(ctx, tx, batch); err != nil {
					return err
				}
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("decide on answers: %w", err)
	}
	d.poke()
	return n, nil
}

// Uncertain is an answer of which nobody knows whether it arrived.
type Uncertain struct {
	Message, Enquiry string
	At               time.Time
	Why              string
}

// Uncertain lists the answers of a case of which nobody knows whether they arrived.
func (d *Desk) Uncertain(ctx context.Context, who actor.Actor, of string) ([]Uncertain, error) {
	if err := may(who, actor.See, of); err != nil {
		return nil, fmt.Errorf("answers of %s: %w", of, err)
	}
	return d.uncertain(ctx, of)
}

func (d *Desk) uncertain(ctx context.Context, of string) (out []Uncertain, err error) {
	rows, err := d.DB.QueryContext(ctx, `SELECT id, enquiry, at, said FROM enquiry_message WHERE incident = $1 AND state = 'unknown' ORDER BY at, id`, of)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var u Uncertain
		var at int64
		if err := rows.Scan(&u.Message, &u.Enquiry, &at, &u.Why); err != nil {
			return nil, err
		}
		u.At = store.FromMicros(at)
		out = append(out, u)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
