package reset

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/contain/connect"
	"shirase/internal/language"
	"shirase/internal/store"
)

func mailContext(id string) string { return "reset_mail " + id }

// queue keeps a mail until it is sent. One to nobody is kept as well, and let go of.
func (r *Resets) queue(ctx context.Context, tx *sql.Tx, seal *store.Sealer, x *run, m Mail, after int64, now time.Time) error {
	m.ID = strings.ToLower(rand.Text())
	b, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO reset_mail (id, incident, run, place, sealed, due, tries) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
		m.ID, x.incident, x.id, after, seal.Seal(mailContext(m.ID), b), store.Micros(now))
	return err
}

// mailTries is how often a mail is tried. A link is over long before.
const mailTries = 12

// mailsAtOnce is how many connections to the mail server there are at most.
const mailsAtOnce = 8

// post sends the mails that are due, and says how many there were.
func (r *Resets) post(ctx context.Context) (int, error) {
	if r.Send == nil {
		return 0, nil
	}
	type row struct {
		id, incident, run string
		place, tries      int64
		sealed            []byte
	}
	var due []row
	now := r.Now()
	rows, err := r.DB.QueryContext(ctx, `SELECT id, incident, run, place, sealed, tries FROM reset_mail WHERE due <= $1 ORDER BY due LIMIT 100`, store.Micros(now))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var x row
		if err := rows.Scan(&x.id, &x.incident, &x.run, &x.place, &x.sealed, &x.tries); err != nil {
			return 0, err
		}
		due = append(due, x)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	// Whoever has put them off has them: a second process that found them too does not send them again.
	mine := make([]bool, len(due))
	if err := r.DB.Update(ctx, func(tx *sql.Tx) error {
		for i, x := range due {
			res, err := tx.ExecContext(ctx, `UPDATE reset_mail SET tries = tries + 1, due = $3 WHERE id = $1 AND tries = $2`, x.id, x.tries, store.Micros(now.Add(time.Duration(min(x.tries+1, 30))*time.Minute)))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			mine[i] = n > 0
		}
		return nil
	}); err != nil {
		return len(due), err
	}
	over, errs := make([]bool, len(due)), make([]error, len(due))
	var all sync.WaitGroup
	slots := make(chan struct{}, mailsAtOnce)
	for i, x := range due {
		if !mine[i] {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			over[i], errs[i] = r.postOne(ctx, x.incident, x.run, x.place, x.id, x.sealed)
			over[i] = over[i] || x.tries+1 >= mailTries && x.place < 0
		})
	}
	all.Wait()
	err = r.DB.Update(context.WithoutCancel(ctx), func(tx *sql.Tx) error {
		for i, x := range due {
			if !over[i] {
				continue
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM reset_mail WHERE id = $1`, x.id); err != nil {
				return err
			}
		}
		return nil
	})
	return len(due), errors.Join(append(errs, err)...)
}

// postOne sends a mail; done is false where it is to be tried again.
func (r *Resets) postOne(ctx context.Context, incident, run string, place int64, id string, sealed []byte) (done bool, err error) {
	seal, err := r.sealer(ctx, incident)
	if err != nil {
		return true, nil // the case was shredded: nobody can tell whose it was
	}
	if place >= 0 {
		_, rec, err := r.account(ctx, r.DB, seal, run, place)
		switch {
		case errors.Is(err, ErrNotFound), err == nil && rec.state != Reset:
			return true, nil
		case err != nil:
			return false, err
		case rec.old != connect.Yes:
			return false, nil
		}
	}
	b, err := seal.Open(mailContext(id), sealed)
	var m Mail
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return true, fmt.Errorf("%w: a mail", ErrDamaged)
	}
	if m.To == "" {
		return true, nil
	}
	if err := r.Send(ctx, m); err != nil {
		return false, fmt.Errorf("send a mail of the reset: %w", err)
	}
	return true, nil
}

// paragraphs joins those that are there.
func paragraphs(list ...string) string {
	var out []string
	for _, p := range list {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "\n\n") + "\n"
}

func (r *Resets) contact(l language.Lang) string {
	if r.Contact == "" {
		return ""
	}
	return l.Pick("ご不明な点は、こちらまでお問い合わせください: ", "If you have questions: ") + strings.TrimPrefix(r.Contact, "mailto:")
}

// masked is as much of an account's name as tells several of one person apart.
func masked(account string) string {
	r := []rune(account)
	if len(r) <= 2 {
		return "…"
	}
	return string(r[:2]) + "…"
}

func (r *Resets) linkMail(to sent, accounts, links []string, now time.Time) Mail {
	l := to.Lang
	service := r.Service.In(l)
	var list strings.Builder
	for i, link := range links {
		if len(links) > 1 {
			fmt.Fprintf(&list, l.Pick("アカウント「%s」\n", "Account “%s”\n"), masked(accounts[i]))
		}
		list.WriteString(link + "\n")
	}
	until := now.Add(r.Life)
	return Mail{To: to.Address, Subject: l.Pick("【"+service+"】パスワード再設定のご案内", service+": reset your password"), Text: paragraphs(
		l.Pick(service+"のパスワードを、次のページで再設定できます。", "You can reset your password of "+service+" on this page:"),
		strings.TrimRight(list.String(), "\n"),
		l.Pick("このリンクは"+when(l, until)+"まで、1回だけ使えます。開いただけでは使ったことになりません。", "The link is good once, until "+trimOn(when(l, until))+". Opening it does not use it up."),
		l.Pick("お心当たりがない場合は、何もしないでください。パスワードは変わりません。ほかの方にこのメールを転送しないでください。", "If you did not ask for this, do nothing: your password stays as it is. Do not pass this mail on."),
		l.Pick("当方から、いまのパスワードをお尋ねすることはありません。", "We never ask for your present password."),
		r.contact(l))}
}

func (r *Resets) receiptMail(to sent, x Receipt) Mail {
	l := to.Lang
	service := r.Service.In(l)
	return Mail{To: to.Address, Subject: l.Pick("【"+service+"】パスワードを再設定しました", service+": your password was reset"), Text: paragraphs(
		l.Pick(when(l, x.At)+"に、"+service+"のパスワードを再設定しました。", "Your password of "+service+" was reset "+when(l, x.At)+"."),
		strings.Join(x.Words(l), "\n"),
		l.Pick("同じパスワードをほかのサービスでもお使いだった場合は、そちらも変更してください。", "If you used the old password elsewhere too, change it there as well."),
		l.Pick("お心当たりがない場合は、すぐにお知らせください。", "If this was not you, please tell us at once."),
		r.contact(l))}
}

func (r *Resets) refusedMail(to sent) Mail {
	l := to.Lang
	service := r.Service.In(l)
	return Mail{To: to.Address, Subject: l.Pick("【"+service+"】以前のパスワードは使えなくなりました", service+": your old password is not taken any more"), Text: paragraphs(
		l.Pick(service+"で、以前のパスワードではログインできなくなったことを確かめました。新しいパスワードは、そのままお使いいただけます。", "We have tried it: "+service+" does not take your old password any more. Your new one stays as it is."),
		r.contact(l))}
}

// Words say what is known after a reset, and nothing that is not.
func (x Receipt) Words(l language.Lang) []string {
	var out []string
	switch x.Refused {
	case connect.Yes:
		out = append(out, l.Pick("以前のパスワードでは、もうログインできません。", "The old password is not taken any more."))
	case connect.Pending:
		out = append(out, l.Pick("以前のパスワードが使えなくなるまで、しばらくかかることがあります。確かめてから、メールでお知らせします。", "It may take a while until the old password is not taken any more. We will try, and write to you when it is so."))
	}
	switch x.Ended {
	case connect.Yes:
		out = append(out, l.Pick("ログインしたままになっていた端末は、すべてログアウトしました。", "You are signed out on all devices."))
	case connect.Pending:
		out = append(out, l.Pick("ログインしたままになっている端末は、まもなくログアウトします。", "You will be signed out on all devices shortly."))
	case connect.Unsaid:
		out = append(out, l.Pick("ログインしたままの端末があれば、念のため一度ログアウトしてください。", "Where you are still signed in, please sign out and in again."))
	}
	return out
}
