// Package mail gives the mails of a whole campaign as a relay gets them, in Japanese and in English: for those that read them with programs that
// others wrote.
package mail

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/roster"
	"shirase/internal/store"
)

const facts = `id: shop-2026
zone: "+09:00"
facts:
  - {key: organisation, value: {ja: 例示商店, en: Example Shop}}
  - {key: title, value: {ja: 会員情報への不正アクセス, en: Unauthorised access to members' data}}
  - {key: discovered, value: "2026-11-18T10:00"}
  - {key: affected.count, value: 2, unit: accounts, qualifier: exact}
`

var subject = language.Both("【重要】会員情報への不正アクセスについてのお詫びとお知らせ", "Important: unauthorised access to members' data")

var text = language.Both(`# お詫びとお知らせ

{{organisation}}です。{{discovered}}に、会員情報への不正アクセスを確認しました。ご心配とご迷惑をおかけし、お詫び申し上げます。

## お客様について

漏えいした項目は、{{you.exposed}}です。

## お願い

- 同じパスワードをほかのサービスでもお使いの場合は、そのサービスで変更してください。
- 当社をよそおって、パスワードやカードの番号をたずねる電話やメールにご注意ください。当社からおたずねすることはありません。

## このメールが本物であることの確かめ方

このメールにはリンクがありません。{{notice.url}} をご自分で入力し、お知らせ番号 **{{notice.number}}** を探してください。
`, `# Notice

This is {{organisation}}. On {{discovered}} we found that somebody had had access to members' data without permission. We apologise.

## What concerns you

What was exposed of you: {{you.exposed}}.

## What we ask of you

- If you use the same password elsewhere, change it there.
- Beware of calls and mails in our name that ask for passwords or card numbers. We never do.

## How to see that this mail is real

There is no link in this mail. Type {{notice.url}} yourself, and look for notice **{{notice.number}}**.
`)

// Made are the mails of a campaign.
type Made struct {
	Mails   map[language.Lang][]byte
	Records map[string]string // TXT, by the name that the signatures' keys stand at
}

// Make sends a campaign to two people, signed, by a relay of this process.
func Make(ctx context.Context) (_ *Made, err error) {
	dir, err := os.MkdirTemp("", "shirase-mail")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &Made{Mails: map[language.Lang][]byte{}, Records: map[string]string{}}
	var mu sync.Mutex
	sink := &smtptest.Sink{Keep: true, Taken: func(e smtptest.Envelope, data []byte) {
		mu.Lock()
		defer mu.Unlock()
		out.Mails[language.Lang(e.To[:2])] = data
	}}
	relay, err := sink.Listen("")
	if err != nil {
		return nil, err
	}
	defer sink.Close()
	signers, err := out.signers()
	if err != nil {
		return nil, err
	}
	r, end, err := open(ctx, dir, &reach.Mailer{Relays: []smtp.Relay{{Address: relay, Security: smtp.None, Hello: "mail.shop.example"}}, Bounces: "back@shop.example",
		Signers: func(string) ([]*message.Signer, error) { return signers, nil }})
	if err != nil {
		return nil, err
	}
	defer end()
	c, err := r.Create(ctx, actor.Operator(), reach.Spec{Incident: "shop-2026", From: reach.Sender{Name: language.Both("例示商店 お知らせ事務局", "Example Shop, notices"), Address: "notice@shop.example"},
		ReplyTo: "desk@shop.example", Subject: subject, Text: text}, reach.Rates{}, time.Time{})
	if err != nil {
		return nil, err
	}
	if err := r.Start(ctx, actor.Operator(), c.ID, ""); err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	var failed error
	all.Go(func() { r.Work(ctx, func(err error) { failed = err; cancel() }) })
	for ctx.Err() == nil {
		now, err := r.Get(ctx, actor.Operator(), c.ID)
		if err == nil && now.State == reach.Done {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	all.Wait()
	if mu.Lock(); len(out.Mails) != 2 {
		failed = errors.Join(failed, errors.New("not both mails came"))
	}
	mu.Unlock()
	return out, failed
}

func (m *Made) signers() ([]*message.Signer, error) {
	one, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	_, two, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	a, err := message.NewSigner("shop.example", "rsa", one)
	if err != nil {
		return nil, err
	}
	b, err := message.NewSigner("shop.example", "ed", two)
	if err != nil {
		return nil, err
	}
	if m.Records["rsa._domainkey.shop.example"], err = message.Record(one); err != nil {
		return nil, err
	}
	m.Records["ed._domainkey.shop.example"], err = message.Record(two)
	return []*message.Signer{a, b}, err
}

func open(ctx context.Context, dir string, mailer *reach.Mailer) (r *reach.Reach, end func(), err error) {
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "mail.db"))
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			db.Close()
		}
	}()
	folder, err := files.Open(filepath.Join(dir, "files"))
	if err != nil {
		return nil, nil, err
	}
	keys, err := files.OpenKeys(filepath.Join(dir, "keys"))
	if err != nil {
		return nil, nil, err
	}
	rosters, err := roster.New(ctx, db, folder, keys)
	if err != nil {
		return nil, nil, err
	}
	incidents, err := incident.New(ctx, db, nil)
	if err != nil {
		return nil, nil, err
	}
	file, err := incident.ParseFactsFile("facts.yaml", []byte(facts))
	if err != nil {
		return nil, nil, err
	}
	if _, err := incidents.Create(ctx, actor.Operator(), file); err != nil {
		return nil, nil, err
	}
	export := filepath.Join(dir, "accounts.csv")
	if err := os.WriteFile(export, []byte("mail,lang\nja@mail.example,ja\nen@mail.example,en\n"), 0o600); err != nil {
		return nil, nil, err
	}
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {email: mail, locale: lang}\nsets:\n  - {classes: [email, \"password:hashed\", nickname]}\n"), incident.ClassWords())
	if err != nil {
		return nil, nil, err
	}
	if _, err := rosters.Create(ctx, actor.Operator(), "shop-2026", roster.Options{Export: export, Rules: rules, TempDir: dir}); err != nil {
		return nil, nil, err
	}
	r, err = reach.New(ctx, reach.Rooms{DB: db, Rosters: rosters, Incident: incidents.Get, Poll: 5 * time.Millisecond, Mailer: mailer, URL: "https://shop.example",
		Number: func(context.Context, string) (string, error) { return "shop-2026-1", nil }})
	return r, func() { db.Close() }, err
}
