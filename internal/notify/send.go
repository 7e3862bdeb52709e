package notify

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"shirase/internal/store"
)

// pauses are how long is waited after each failure, as Standard Webhooks proposes; then it is given up.
var pauses = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour}

// sending is for how long a process that sends keeps others from it.
const sending = 2 * time.Minute

func client() *http.Client {
	return &http.Client{Timeout: 15 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// errGone says that whoever listened is not there any more.
var errGone = errors.New("it answers that it is gone (410)")

// Send delivers what is due, once each, and gives how many were delivered. A process that dies after it was taken and before that was
// written down makes it be delivered again: each delivery has an id, by which a receiver knows it.
func (n *Notifier) Send(ctx context.Context) (delivered int, err error) {
	for ctx.Err() == nil {
		d, err := n.take(ctx)
		if err != nil || d == nil {
			return delivered, err
		}
		err = n.deliver(ctx, d)
		if err == nil {
			delivered++
		}
		if err := n.settle(context.WithoutCancel(ctx), d, err); err != nil {
			return delivered, err
		}
	}
	return delivered, ctx.Err()
}

// take claims the delivery that is due first; nil where none is.
func (n *Notifier) take(ctx context.Context) (d *Delivery, err error) {
	now := n.now()
	err = n.DB.Update(ctx, func(tx *sql.Tx) error {
		d = &Delivery{}
		var at int64
		err := tx.QueryRowContext(ctx, `SELECT id, message, kind, case_id, about, hook, person, at, tries FROM notify_delivery WHERE state = 'pending' AND next_at <= $1 ORDER BY next_at, id LIMIT 1`, store.Micros(now)).
			Scan(&d.ID, &d.Message, &d.Kind, &d.Case, &d.About, &d.Hook, &d.Person, &at, &d.Tries)
		if errors.Is(err, sql.ErrNoRows) {
			d = nil
			return nil
		}
		if err != nil {
			return err
		}
		d.At = store.FromMicros(at)
		_, err = tx.ExecContext(ctx, `UPDATE notify_delivery SET next_at = $2 WHERE id = $1`, d.ID, store.Micros(now.Add(sending)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("deliver: %w", err)
	}
	return d, nil
}

func (n *Notifier) deliver(ctx context.Context, d *Delivery) error {
	if d.Hook != "" {
		return n.post(ctx, d)
	}
	return n.write(ctx, d)
}

// settle writes down what came of a delivery.
func (n *Notifier) settle(ctx context.Context, d *Delivery, failed error) error {
	now := n.now()
	state, next, ended, said := "delivered", now, store.Micros(now), "taken"
	if failed != nil {
		state, said = "pending", failed.Error()
		if len(said) > 500 {
			said = said[:500]
		}
		if int(d.Tries) < len(pauses) && !errors.Is(failed, errGone) {
			next, ended = now.Add(pauses[d.Tries]), 0
		} else {
			state = "given-up"
		}
	}
	_, err := n.DB.ExecContext(ctx, `UPDATE notify_delivery SET state = $2, tries = tries + 1, next_at = $3, ended_at = $4, said = $5 WHERE id = $1 AND state = 'pending'`, d.ID, state, store.Micros(next), ended, said)
	if err == nil && errors.Is(failed, errGone) {
		if err = n.endHook(ctx, d.Hook, failed.Error()); errors.Is(err, ErrNotFound) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	return nil
}

// body is what a webhook is told.
type body struct {
	Type      string    `json:"type"` // "case." and the kind
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	Case  string `json:"case,omitzero"`
	About string `json:"about,omitzero"`
	URL   string `json:"url,omitzero"`
}

func (n *Notifier) post(ctx context.Context, d *Delivery) error {
	var sealedURL, sealedSecret []byte
	if err := n.DB.QueryRowContext(ctx, `SELECT url, secret FROM notify_hook WHERE id = $1 AND ended_at = 0`, d.Hook).Scan(&sealedURL, &sealedSecret); err != nil {
		return errors.New("its webhook has ended")
	}
	to, err := n.sealer.Open("notify_hook.url "+d.Hook, sealedURL)
	if err != nil {
		return err
	}
	secret, err := n.sealer.Open("notify_hook.secret "+d.Hook, sealedSecret)
	if err != nil {
		return err
	}
	b := body{Type: "case." + d.Kind, Timestamp: d.At.UTC().Truncate(time.Second), Data: data{Case: d.Case, About: d.About}}
	if n.URL != "" {
		b.Data.URL = n.URL + "/console/"
	}
	payload, err := json.Marshal(b, json.Deterministic(true))
	if err != nil {
		return err
	}
	sign, err := standardwebhooks.NewWebhook(string(secret))
	if err != nil {
		return errors.New("its secret cannot be read")
	}
	now := n.now()
	signature, err := sign.Sign(d.Message, now, payload)
	if err != nil {
		return errors.New("it cannot be signed")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, string(to), bytes.NewReader(payload))
	if err != nil {
		return errors.New("its URL cannot be asked") // err would have it
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "shirase")
	req.Header.Set(standardwebhooks.HeaderWebhookID, d.Message)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	resp, err := n.HTTP.Do(req)
	if err != nil {
		return unreached(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode == http.StatusGone:
		return errGone
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return fmt.Errorf("it answers with status %d", resp.StatusCode)
	}
	return nil
}

// unreached says why nobody was reached, without the URL, which may have a token in it.
func unreached(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("it does not answer in time")
	}
	for { // *url.Error names the URL; what it wraps does not
		inner := errors.Unwrap(err)
		if inner == nil {
			return fmt.Errorf("it is not reached: %w", err)
		}
		err = inner
	}
}

// words of mail, by kind: subject and text, in Japanese and English.
var words = map[string][4]string{
	"mention":    {"あなた宛ての書き込みがあります", "対応の記録に、あなた宛ての書き込みがあります。", "You are mentioned", "You are mentioned in the record of a case."},
	"assigned":   {"担当の仕事があります", "対応の中で、あなたが担当する仕事が割り当てられました。", "Something is yours to do", "A task of a case has been given to you."},
	"report":     {"外部から通報がありました", "外部から通報が届き、記録されました。組織として知った時点にあたるかどうか、確認してください。", "A report has come from outside", "A report from outside has been recorded. Please look whether it was the moment of knowledge."},
	"approval":   {"承認を待っています", "元に戻せない操作が提案され、二人目の承認を待っています。内容を確かめてから承認してください。", "An approval is waited for", "Something that cannot be undone has been proposed, and waits for a second person. Look at it before you approve."},
	"approved":   {"提案の扱いが決まりました", "提案が承認されたか、取り下げられたか、内容が変わったため無効になりました。", "A proposal has been settled", "A proposal was approved, withdrawn, or is void because something has changed."},
	"rule":       {"承認のしかたが変わります", "二人目の承認のしかたについて、新しい決まりが記録されました。心当たりがなければ、すぐに確かめてください。", "How approval goes will change", "Somebody has said how approval is to go from now on. If it surprises you, find out at once."},
	"clock":      {"期限が近づいているか、過ぎました", "対応の期限が、半分、8割、または期日に達しました。", "A deadline comes near, or is over", "Half, four fifths or all of the time of a deadline is over."},
	"overdue":    {"期限を過ぎたことがあります", "対応の中に、期限を過ぎたことがあります。", "Something is overdue", "Something in a case is overdue."},
	"prevention": {"今後の対応の期日が来ます", "今後の対応として決めたことの期日が、7日以内に来るか、過ぎました。対応が終わったあとも、続いています。", "What is to prevent a repetition is due", "Something that was to be done so that it does not happen again is due within a week, or is late. It goes on after the case."},
	"test":       {"お知らせの試し送り", "これは試し送りです。届いていれば、ほかのお知らせも届きます。", "A test", "This is a test. Where it arrives, the rest does too."},
}

func (n *Notifier) write(ctx context.Context, d *Delivery) error {
	if n.Mail == nil {
		return errors.New("no mail server is set")
	}
	if n.Sees != nil && d.Case != "" { // access may have been taken since
		if ok, err := n.Sees(ctx, d.Person, d.Case); err != nil || !ok {
			return errors.Join(err, errors.New("the case is not theirs any more"))
		}
	}
	var sealed []byte
	var lang string
	if err := n.DB.QueryRowContext(ctx, `SELECT address, lang FROM notify_person WHERE id = $1`, d.Person).Scan(&sealed, &lang); err != nil {
		return errors.New("there is no address any more")
	}
	address, err := n.sealer.Open("notify_person.address "+d.Person, sealed)
	if err != nil {
		return err
	}
	w := words[d.Kind]
	subject, text, where := w[0], w[1], "確認はこちらから: "
	if lang == "en" {
		subject, text, where = w[2], w[3], "Look here: "
	}
	if n.URL != "" {
		text += "\n\n" + where + n.URL + "/console/\n"
	}
	return n.Mail.Send(ctx, string(address), subject, text, d.Message)
}
