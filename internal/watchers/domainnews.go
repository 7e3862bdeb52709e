package watchers

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/identity"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// countDomains counts, in one pass over a roster that has become public, the addresses of each domain whose owner is shown them, and writes down how
// many they are told of. Of what is sensitive nothing is counted, and of what is not looked up by address neither: no owner is shown it.
func (w *Watchers) countDomains(ctx context.Context, n news) error {
	if !w.Domains() || n.kind != in || n.roster == "" {
		return nil
	}
	about, ok, err := w.About(ctx, n.incident)
	if err != nil || !ok || about.ByMail {
		return err
	}
	proven, err := w.domains(ctx, `state = 'proven' AND until_at > $1`, store.Micros(w.Now()))
	if err != nil || len(proven) == 0 {
		return err
	}
	r, err := w.Rosters.Named(ctx, n.incident, n.roster)
	if err != nil {
		return err
	}
	if !slices.Contains(r.Index, identity.KindEmail) {
		return nil
	}
	of := map[string]int64{}
	for _, d := range proven {
		of[d.Domain] = 0
	}
	for m, err := range w.Rosters.Members(ctx, r) {
		if err != nil {
			return err
		}
		if m.Identity.Kind != identity.KindEmail {
			continue
		}
		_, domain, _ := strings.Cut(m.Identity.Value, "@")
		if _, watched := of[domain]; watched {
			of[domain]++
		}
	}
	return w.DB.Update(ctx, func(tx *sql.Tx) error {
		for _, d := range proven {
			// A scope that changes is news only where it changes how many there were last. What of before has not left would be wrong by now.
			var last, people int64
			err := tx.QueryRowContext(ctx, `SELECT n, people FROM watchers_domain_news WHERE domain = $1 AND incident = $2 ORDER BY n DESC LIMIT 1`, d.id, n.incident).Scan(&last, &people)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			if people == of[d.Domain] {
				continue
			}
			state := "waiting"
			if of[d.Domain] == 0 { // that there are none is news for whoever may have been told of some, and for nobody else
				var told int
				err := tx.QueryRowContext(ctx, `SELECT count(*) FROM watchers_domain_news WHERE domain = $1 AND incident = $2 AND people > 0 AND NOT (state = 'waiting' AND tries = 0 AND due <= $3)`,
					d.id, n.incident, store.Micros(w.Now())).Scan(&told)
				if err != nil {
					return err
				}
				if told == 0 {
					state = "given-up"
				}
			}
			res, err := tx.ExecContext(ctx, `INSERT INTO watchers_domain_news (domain, incident, ref, people, state, tries, due, n) VALUES ($1, $2, $3, $4, $7, 0, $5, $6) ON CONFLICT (domain, incident, ref) DO NOTHING`,
				d.id, n.incident, n.ref, of[d.Domain], store.Micros(w.Now()), last+1, state)
			if err != nil {
				return err
			}
			if k, err := res.RowsAffected(); err != nil {
				return err
			} else if k == 0 {
				continue
			}
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_domain_news SET state = 'given-up' WHERE domain = $1 AND incident = $2 AND state = 'waiting' AND n <= $3`, d.id, n.incident, last); err != nil {
				return err
			}
		}
		return nil
	})
}

// domainTold is one thing that a domain's owner is told.
type domainTold struct {
	watch, incident, ref string
	people, tries        int64
	until                int64 // until when it is this process's
}

// tellDomains mails owners how many of their domain's addresses an incident includes, or that it includes none any more, as long as the proof lasts and the incident is public. One that may
// have left already leaves again, under the same Message-ID. One that cannot be made waits, and keeps no other waiting.
func (w *Watchers) tellDomains(ctx context.Context) error {
	due, err := w.claimNews(ctx)
	if err != nil || len(due) == 0 {
		return err
	}
	letters := make([]*letter, len(due))
	var leave []*letter
	var failed error
	unmade := make([]bool, len(due))
	for i, t := range due {
		l, err := w.domainLetter(ctx, t)
		if err != nil {
			failed, unmade[i] = errors.Join(failed, fmt.Errorf("tell the owner of a domain of %s: %w", t.incident, err)), true
			continue
		}
		if letters[i] = l; l != nil {
			leave = append(leave, l)
		}
	}
	w.step()
	sent := w.handOver(ctx, leave)
	w.step()
	for i, t := range due {
		state := "sent"
		switch l := letters[i]; {
		case unmade[i]:
			state = "waiting"
		case l == nil, !l.again && l.state == "refused", l.again && t.tries+1 >= tries:
			state = "given-up"
		case l.again:
			state = "waiting"
		}
		if _, err := w.DB.ExecContext(context.WithoutCancel(ctx), `UPDATE watchers_domain_news SET state = $4, tries = tries + 1, due = $5 WHERE domain = $1 AND incident = $2 AND ref = $3 AND state = 'waiting' AND due = $6`,
			t.watch, t.incident, t.ref, state, store.Micros(w.Now().Add(time.Minute<<min(2*t.tries, 10))), t.until); err != nil {
			return err
		}
	}
	return errors.Join(failed, sent)
}

// claimNews gives the mails that are due, and keeps other servers of this store from them for a while, as claimDomains does.
func (w *Watchers) claimNews(ctx context.Context) (due []domainTold, err error) {
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		due = nil
		rows, err := tx.QueryContext(ctx, `SELECT domain, incident, ref, people, tries FROM watchers_domain_news WHERE state = 'waiting' AND due <= $1 ORDER BY due, domain, incident LIMIT $2`,
			store.Micros(w.Now()), batchSize)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t domainTold
			if err := rows.Scan(&t.watch, &t.incident, &t.ref, &t.people, &t.tries); err != nil {
				return err
			}
			due = append(due, t)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		until := store.Micros(w.Now().Add(claimed))
		for i, t := range due {
			due[i].until = until
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_domain_news SET due = $4 WHERE domain = $1 AND incident = $2 AND ref = $3`, t.watch, t.incident, t.ref, until); err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
}

// domainLetter makes the mail; nil where nobody is to be told any more: the watch or the incident is over, or there is no roster to be shown.
func (w *Watchers) domainLetter(ctx context.Context, t domainTold) (*letter, error) {
	all, err := w.domains(ctx, `id = $1 AND state = 'proven' AND until_at > $2`, t.watch, store.Micros(w.Now()))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	about, ok, err := w.About(ctx, t.incident)
	if err != nil || !ok || about.ByMail {
		return nil, err
	}
	switch _, err := w.Rosters.Sealer(ctx, t.incident, false); {
	case errors.Is(err, roster.ErrShredded), errors.Is(err, roster.ErrNone):
		return nil, nil
	case err != nil:
		return nil, err
	}
	d := all[0]
	l := &letter{id: "dn." + d.id + "." + t.incident + "." + t.ref, to: d.contact, lang: d.lang}
	link := w.URL + "/watch/domain/" + w.link(toDomain, []byte(d.id))
	if t.people == 0 {
		w.noneAnyMore(l, d, about, link)
		return l, nil
	}
	l.subject = d.lang.Pick("ドメイン "+d.Domain+" のアドレスが対象になった事案があります", "An incident includes addresses of "+d.Domain)
	l.text = d.lang.Pick(fmt.Sprintf(`%s
%s「%s」の対象に、ドメイン %s のアドレスが%s件含まれています。

どのアドレスかは、次のページで見られます。見たことは、日時とともにそのページの記録に残ります。

%s

対象者の名簿が消されると、見られなくなります。このメールには、アドレスを書きません。
`, w.Name.JA, about.Organisation.JA, about.Title.JA, d.Domain, language.Digits(t.people), link), fmt.Sprintf(`%s
%s, "%s": %s.

Which ones is on this page. Each look is written down there, with its time.

%s

Once the roster of those affected is destroyed they cannot be shown any more. This mail names no address.
`, w.Name.EN, about.Organisation.EN, about.Title.EN, howMany(t.people, d.Domain), link))
	return l, nil
}

// noneAnyMore writes the mail that takes back an earlier number. It says of no address that it is not affected: only what the published scope
// includes, as of when.
func (w *Watchers) noneAnyMore(l *letter, d DomainWatch, about About, link string) {
	asOf := language.DateTime(d.lang, about.AsOf.In(japan))
	l.subject = d.lang.Pick("ドメイン "+d.Domain+" のアドレスについてお知らせした件数が変わりました", "What you were told of addresses of "+d.Domain+" has changed")
	l.text = d.lang.Pick(fmt.Sprintf(`%s
%s「%s」の対象が改められました。%s現在で公表されている対象に、ドメイン %s のアドレスは含まれていません。
前にお知らせした件数は、いまの対象のものではありません。対象は、この先また変わることがあります。

対象にドメインのアドレスがある事案は、次のページで見られます。

%s
`, w.Name.JA, about.Organisation.JA, about.Title.JA, asOf, d.Domain, link), fmt.Sprintf(`%s
%s, "%s": the scope has changed. As published on %s, it includes no address of the domain %s.
The number that you were told before is not that of this scope. It can change again.

Which incidents include addresses of the domain is on this page:

%s
`, w.Name.EN, about.Organisation.EN, about.Title.EN, asOf, d.Domain, link))
}

func howMany(n int64, domain string) string {
	if n == 1 {
		return "1 address of the domain " + domain + " is affected"
	}
	return language.Digits(n) + " addresses of the domain " + domain + " are affected"
}
