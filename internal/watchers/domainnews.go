package watchers

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
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
	seal, err := w.Rosters.Sealer(ctx, n.incident, false)
	if err != nil {
		return err
	}
	ids := map[string]DomainWatch{}
	for _, d := range proven {
		ids[domainTag(seal, d.id)] = d
	}
	now := store.Micros(w.Now()) // one for all: in which order they were counted tells whose they are
	return w.DB.Update(ctx, func(tx *sql.Tx) error {
		if err := w.sealDomains(ctx, tx, n.incident, seal); err != nil { // by whose tags it is known what was told before
			return err
		}
		for _, tag := range slices.Sorted(maps.Keys(ids)) {
			if err := w.newsOf(ctx, tx, n, seal, tag, ids[tag].id, of[ids[tag].Domain], now); err != nil {
				return err
			}
		}
		return nil
	})
}

// newsOf writes down what a domain's owner is told of a scope that has so many of its addresses: also where it is nothing, so that a row says of no
// domain that it has any. A scope that changes is news only where it changes how many there were last; what of before has not left would be wrong then.
// That there are none any more is news for whoever may have been told of some.
func (w *Watchers) newsOf(ctx context.Context, tx *sql.Tx, n news, seal *store.Sealer, tag, id string, people, now int64) error {
	var last int64
	var sealed []byte
	before := exposure{}
	err := tx.QueryRowContext(ctx, `SELECT n, whom FROM watchers_domain_news WHERE domain = $1 AND incident = $2 ORDER BY n DESC LIMIT 1`, tag, n.incident).Scan(&last, &sealed)
	if err == nil {
		if before, err = openExposure(seal, sealed); err != nil { // it is told anew, and nobody else waits for it
			w.Log.Error("what the owner of a domain was told cannot be read", "case", n.incident, "error", err)
			err = nil
		}
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	next := exposure{watch: id, people: people, told: people != before.people}
	changed := next.told
	if changed && people == 0 {
		if next.told, err = w.mayKnow(ctx, tx, n.incident, seal, tag); err != nil {
			return err
		}
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO watchers_domain_news (domain, incident, ref, people, whom, state, tries, due, n) VALUES ($1, $2, $3, 0, $4, 'waiting', 0, $5, $6) ON CONFLICT (domain, incident, ref) DO NOTHING`,
		tag, n.incident, n.ref, next.seal(seal), now, last+1)
	if err != nil {
		return err
	}
	if k, err := res.RowsAffected(); err != nil || k == 0 || !changed {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE watchers_domain_news SET state = 'given-up' WHERE domain = $1 AND incident = $2 AND state = 'waiting' AND n <= $3`, tag, n.incident, last)
	return err
}

// mayKnow reports whether a mail that an incident includes addresses of a domain has left, or may have.
func (w *Watchers) mayKnow(ctx context.Context, tx *sql.Tx, incident string, seal *store.Sealer, tag string) (is bool, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT whom FROM watchers_domain_news WHERE domain = $1 AND incident = $2 AND NOT (state = 'waiting' AND tries = 0 AND due <= $3)`,
		tag, incident, store.Micros(w.Now()))
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		var sealed []byte
		if err := rows.Scan(&sealed); err != nil {
			return false, err
		}
		e, err := openExposure(seal, sealed)
		is = is || err != nil || e.told && e.people > 0 // of what cannot be read it is not known
	}
	return is, errors.Join(rows.Err(), rows.Close())
}

// exposure is what a row says of a domain, under the case's key.
type exposure struct {
	watch  string
	people int64 // that there are
	told   bool  // it is told: else there are as many as were told of, or none of which nobody was told any
}

func domainTag(seal *store.Sealer, watch string) string {
	return hex.EncodeToString(seal.Lookup("watchers domain", []byte(watch))[:tagBytes])
}

func (e exposure) seal(seal *store.Sealer) []byte {
	return seal.Seal("watchers_domain_news.whom", append(append(number(e.people), byte(bit(e.told))), e.watch...))
}

func openExposure(seal *store.Sealer, sealed []byte) (exposure, error) {
	plain, err := seal.Open("watchers_domain_news.whom", sealed)
	if err != nil {
		return exposure{}, err
	}
	if len(plain) < 9 {
		return exposure{}, store.ErrSeal
	}
	return exposure{string(plain[9:]), int64(binary.BigEndian.Uint64(plain)), plain[8] == 1}, nil
}

// domainTags gives by which tag a domain is known in each case of which something was told.
func (w *Watchers) domainTags(ctx context.Context, watch string) (map[string]string, error) {
	cases, err := store.Column[string](ctx, w.DB, `SELECT DISTINCT incident FROM watchers_domain_news`)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, id := range cases {
		if seal, err := w.Rosters.Sealer(ctx, id, false); err == nil { // else what is left of it says nothing
			out[id] = domainTag(seal, watch)
		}
	}
	return out, ctx.Err()
}

// sealDomains seals what an earlier version wrote of domains in a case. It is older than whatever this one wrote of them; of one scope what may have left
// stays, so that nobody is told twice.
func (w *Watchers) sealDomains(ctx context.Context, tx *sql.Tx, id string, seal *store.Sealer) error {
	rows, err := tx.QueryContext(ctx, `SELECT domain, ref, people, n, state = 'sent' OR tries > 0 FROM watchers_domain_news WHERE incident = $1 AND length(whom) = 0 ORDER BY domain, n`, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	type row struct {
		exposure
		ref  string
		n    int64
		left bool
	}
	var all []row
	newest, knows := map[string]int64{}, map[string]bool{}
	for rows.Next() {
		var x row
		if err := rows.Scan(&x.watch, &x.ref, &x.people, &x.n, &x.left); err != nil {
			return err
		}
		x.told = x.people > 0 || knows[x.watch] // that there are none any more only whoever was told of some
		newest[x.watch], knows[x.watch] = x.n, knows[x.watch] || x.left && x.people > 0
		all = append(all, x)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, watch := range slices.Sorted(maps.Keys(newest)) {
		if _, err := tx.ExecContext(ctx, `UPDATE watchers_domain_news SET n = n + $3 WHERE domain = $1 AND incident = $2`, domainTag(seal, watch), id, newest[watch]); err != nil {
			return err
		}
	}
	for _, x := range all {
		tag := domainTag(seal, x.watch)
		if _, err := tx.ExecContext(ctx, `DELETE FROM watchers_domain_news WHERE domain = $1 AND incident = $2 AND ref = $3 AND state = 'waiting' AND tries = 0`, tag, id, x.ref); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE watchers_domain_news SET domain = $4, people = 0, whom = $5 WHERE domain = $1 AND incident = $2 AND ref = $3
			AND NOT EXISTS (SELECT 1 FROM watchers_domain_news o WHERE o.domain = $4 AND o.incident = $2 AND o.ref = $3)`, x.watch, id, x.ref, tag, x.exposure.seal(seal)); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM watchers_domain_news WHERE incident = $1 AND length(whom) = 0`, id)
	return err
}

// domainTold is one thing that a domain's owner is told.
type domainTold struct {
	tag, incident, ref string
	whom               []byte
	exposure           // opened
	tries              int64
	until              int64 // until when it is this process's
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
	keys := sealers{}
	for i := range due {
		t := &due[i]
		l, err := w.domainLetter(ctx, keys, t)
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
		case l == nil && t.watch != "" && !t.told: // it goes as those that are told go
			if sent != nil && t.tries+1 < tries {
				state = "waiting"
			} else if sent != nil {
				state = "given-up"
			}
		case l == nil, !l.again && l.state == "refused", l.again && t.tries+1 >= tries:
			state = "given-up"
		case l.again:
			state = "waiting"
		}
		if _, err := w.DB.ExecContext(context.WithoutCancel(ctx), `UPDATE watchers_domain_news SET state = $4, tries = tries + 1, due = $5 WHERE domain = $1 AND incident = $2 AND ref = $3 AND state = 'waiting' AND due = $6`,
			t.tag, t.incident, t.ref, state, store.Micros(w.Now().Add(time.Minute<<min(2*t.tries, 10))), t.until); err != nil {
			return err
		}
	}
	return errors.Join(failed, sent)
}

// claimNews gives the mails that are due, and keeps other servers of this store from them for a while, as claimDomains does.
func (w *Watchers) claimNews(ctx context.Context) (due []domainTold, err error) {
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		due = nil
		rows, err := tx.QueryContext(ctx, `SELECT domain, incident, ref, whom, tries FROM watchers_domain_news WHERE state = 'waiting' AND due <= $1 AND length(whom) > 0 ORDER BY due, domain, incident LIMIT $2`,
			store.Micros(w.Now()), batchSize)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t domainTold
			if err := rows.Scan(&t.tag, &t.incident, &t.ref, &t.whom, &t.tries); err != nil {
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
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_domain_news SET due = $4 WHERE domain = $1 AND incident = $2 AND ref = $3`, t.tag, t.incident, t.ref, until); err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
}

// domainLetter makes the mail; nil where nobody is to be told, or not any more: the watch or the incident is over, or there is no roster to be shown.
func (w *Watchers) domainLetter(ctx context.Context, keys sealers, t *domainTold) (*letter, error) {
	seal, err := keys.of(ctx, w, t.incident)
	switch {
	case errors.Is(err, roster.ErrShredded), errors.Is(err, roster.ErrNone):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if t.exposure, err = openExposure(seal, t.whom); err != nil {
		w.Log.Error("what the owner of a domain is to be told cannot be read", "case", t.incident, "error", err)
		return nil, nil
	}
	if !t.told {
		return nil, nil
	}
	all, err := w.domains(ctx, `id = $1 AND state = 'proven' AND until_at > $2`, t.watch, store.Micros(w.Now()))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	about, ok, err := w.About(ctx, t.incident)
	if err != nil || !ok || about.ByMail {
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
