package watchers

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"shirase/identity"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// Bounds of domains.
const (
	provenFor   = 90 * 24 * time.Hour // then it is looked at again
	proveWithin = 14 * 24 * time.Hour
	maxDomains  = 5_000  // that are watched or wait for their proof
	maxAsked    = 20_000 // of which nobody has confirmed the mailbox
	maxListed   = 50_000 // addresses of a domain that are listed at once; further ones are counted
	maxLines    = 1_000  // of a domain's log that are shown

	looksAtOnce = 8
	lookLasts   = 20 * time.Second // shorter than a claim
	looksLast   = time.Minute      // of one turn; what is due still is looked for in the next one
)

// roles are mailboxes that only whoever runs a domain reads (RFC 2142; CA/Browser Forum's Baseline Requirements, 3.2.2.4.4).
var roles = []string{"admin", "administrator", "webmaster", "hostmaster", "postmaster", "security", "abuse"}

// Proof is what a domain shows.
type Proof struct{ Domain, Token string }

// Name is where DNS is asked for a TXT record.
func (p Proof) Name() string { return "_shirase-watch." + p.Domain }

// Record is the text of that record, and a line of the file.
func (p Proof) Record() string { return "shirase-watch=" + p.Token }

// File is the address that is asked instead.
func (p Proof) File() string { return "https://" + p.Domain + "/.well-known/shirase-watch.txt" }

// DomainWatch is a domain that somebody watches.
type DomainWatch struct {
	Proof
	State string    // asked (the mailbox has confirmed nothing), waiting (for the proof), proven, lapsed, revoked
	How   string    // dns, file, mailbox
	Until time.Time // the proof is good for, or waited for
	Log   []Line

	id, contact string
	lang        language.Lang
	tries       int64 // of the mail that is to leave
	fails       int64 // looks in a row that came to nothing
}

// Line is one of a domain's log.
type Line struct {
	At   time.Time
	What string // asked, confirmed, proven-dns, proven-file, proven-mailbox, lapsed, revoked, looked
	Of   string // an incident; "" for none
}

// Domains says whether domains are watched here.
func (w *Watchers) Domains() bool { return w.Shows != nil }

// AskDomain takes a domain and a mailbox that news of it go to. It answers the same whether or not it is watched already. Where the mailbox
// is one of the domain's own roles, that its link is confirmed is the proof. Errors: ErrAddress, ErrDomain, ErrBusy.
func (w *Watchers) AskDomain(ctx context.Context, lang language.Lang, domain, contact string) error {
	if !w.Domains() {
		return ErrDomain
	}
	name, err := domainOf(domain)
	if err != nil {
		return err
	}
	who, err := parse(contact)
	if err != nil {
		return err
	}
	id, token := newID(), strings.ToLower(rand.Text())
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		// Those whose mailbox has confirmed nothing are bounded by themselves, and go as soon as any other link does: else whoever enters addresses
		// of others keeps everybody out for as long as a proof is waited for.
		var asked, watched int64
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE state = 'asked'), count(*) FILTER (WHERE state IN ('waiting', 'proven', 'lapsed')) FROM watchers_domain WHERE state <> 'revoked'`).Scan(&asked, &watched); err != nil {
			return err
		}
		if asked >= maxAsked || watched >= maxDomains {
			return ErrBusy
		}
		state, err := w.bounded(ctx, tx, w.who(who))
		if err != nil {
			return err
		}
		now := store.Micros(w.Now())
		if _, err := tx.ExecContext(ctx, `INSERT INTO watchers_asked (id, who, address, lang, follow, at, state, n, tries, next_at) VALUES ($1, $2, $3, $4, '', $5, $6, 0, 0, $5)`,
			"d"+id, w.who(who), []byte{}, string(lang), now, map[string]string{"waiting": "sent", "passed-over": "passed-over"}[state]); err != nil {
			return err
		}
		if state != "waiting" {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO watchers_domain (id, domain, token, contact, lang, state, how, at, until_at, next_at, mail, tries) VALUES ($1, $2, $3, $4, $5, 'asked', '', $6, $7, $6, 'waiting', 0)`,
			id, name, token, w.key.Seal("watchers_domain "+id, []byte(who.Value)), string(lang), now, store.Micros(w.Now().Add(lasts))); err != nil {
			return err
		}
		return w.note(ctx, tx, id, "asked", "", nil)
	})
	if err != nil {
		return fmt.Errorf("watch a domain: %w", err)
	}
	return nil
}

// domainOf reads a domain that somebody may own: a name below a public suffix, in the form that DNS has.
func domainOf(s string) (string, error) {
	s = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s)), ".")
	name, err := idna.Lookup.ToASCII(s)
	if err == nil {
		_, err = publicsuffix.EffectiveTLDPlusOne(name)
	}
	if err != nil || len(name) > 200 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
		return "", fmt.Errorf("%w: a name such as example.co.jp is wanted", ErrDomain)
	}
	return name, nil
}

func (w *Watchers) domain(ctx context.Context, link string) (DomainWatch, error) {
	id, err := w.read(toDomain, link)
	if err != nil {
		return DomainWatch{}, err
	}
	all, err := w.domains(ctx, `id = $1 AND state <> 'revoked'`, string(id))
	if err != nil || len(all) == 0 {
		return DomainWatch{}, errors.Join(err, ErrLink)
	}
	return all[0], nil
}

func (w *Watchers) domains(ctx context.Context, where string, args ...any) ([]DomainWatch, error) {
	return w.domainsOf(ctx, w.DB, where, args...)
}

func (w *Watchers) domainsOf(ctx context.Context, q store.Querier, where string, args ...any) ([]DomainWatch, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, domain, token, contact, lang, state, how, until_at, tries, fails FROM watchers_domain WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []DomainWatch
	for rows.Next() {
		var d DomainWatch
		var sealed []byte
		var lang string
		var until int64
		if err := rows.Scan(&d.id, &d.Domain, &d.Token, &sealed, &lang, &d.State, &d.How, &until, &d.tries, &d.fails); err != nil {
			return nil, err
		}
		contact, err := w.key.Open("watchers_domain "+d.id, sealed)
		if err != nil && len(sealed) > 0 { // its owner cannot be written to, and nobody else waits for it
			w.Log.Error("the contact of a domain is damaged", "domain", d.id, "error", err)
		}
		d.contact, d.lang, d.Until = string(contact), language.Lang(lang), store.FromMicros(until)
		out = append(out, d)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// ByRole says whether the mailbox is one that only whoever runs the domain reads.
func (d DomainWatch) ByRole() bool {
	local, domain, _ := strings.Cut(d.contact, "@")
	return domain == d.Domain && slices.Contains(roles, local)
}

// Domain gives a domain by its owner's link, with its log. Errors: ErrLink.
func (w *Watchers) Domain(ctx context.Context, link string) (DomainWatch, error) {
	d, err := w.domain(ctx, link)
	if err != nil {
		return d, err
	}
	d.Log, err = w.log(ctx, d.id)
	return d, err
}

// ConfirmDomain takes that whoever reads the mailbox wants it; of a role's mailbox that is the proof, which is good for a while and is
// given again by the same. Errors: ErrLink.
func (w *Watchers) ConfirmDomain(ctx context.Context, link string) error {
	d, err := w.domain(ctx, link)
	if err != nil {
		return err
	}
	if d.ByRole() {
		if d.State == "proven" && d.Until.After(w.Now().Add(provenFor-24*time.Hour)) { // pressed twice it is proven once, and the log does not grow by it
			return nil
		}
		return w.proven(ctx, d, "mailbox")
	}
	if d.State != "asked" {
		return nil
	}
	now := w.Now()
	return w.turnDomain(ctx, d, "waiting", "confirmed", fmt.Sprintf(`next_at = %d, until_at = %d, mail = 'sent'`, store.Micros(now), store.Micros(now.Add(proveWithin))))
}

func (w *Watchers) proven(ctx context.Context, d DomainWatch, how string) error {
	err := w.DB.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE watchers_domain SET state = 'proven', how = $2, until_at = $3, next_at = $4, mail = 'sent', fails = 0 WHERE id = $1 AND state <> 'revoked'`,
			d.id, how, store.Micros(w.Now().Add(provenFor)), store.Micros(w.Now().Add(provenFor-proveWithin))); err != nil {
			return err
		}
		return w.note(ctx, tx, d.id, "proven-"+how, "", nil)
	})
	if err != nil {
		return fmt.Errorf("prove a domain: %w", err)
	}
	return nil
}

// turnDomain changes a domain that stands as it was read; to end it, however it stands. Where it does not, nothing is done: somebody else was first.
func (w *Watchers) turnDomain(ctx context.Context, d DomainWatch, state, what, set string) error {
	stands, args := `state <> 'revoked'`, []any{d.id, state}
	if what != "revoked" {
		stands, args = `state = $3 AND until_at = $4`, append(args, d.State, store.Micros(d.Until))
	}
	tags := map[string]string{}
	if state == "revoked" {
		var err error
		if tags, err = w.domainTags(ctx, d.id); err != nil {
			return fmt.Errorf("watch a domain: %w", err)
		}
	}
	err := w.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE watchers_domain SET state = $2, `+set+` WHERE id = $1 AND `+stands, args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if state == "revoked" { // whom it was of is not needed any more; that its addresses were looked at stays
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_domain SET contact = $2 WHERE id = $1`, d.id, []byte{}); err != nil {
				return err
			}
		}
		if state == "revoked" { // and what an earlier version wrote of it in cases whose keys are away
			if _, err := tx.ExecContext(ctx, `DELETE FROM watchers_domain_news WHERE domain = $1`, d.id); err != nil {
				return err
			}
		}
		for of, tag := range tags {
			if _, err := tx.ExecContext(ctx, `DELETE FROM watchers_domain_news WHERE domain = $1 AND incident = $2`, tag, of); err != nil {
				return err
			}
		}
		return w.note(ctx, tx, d.id, what, "", nil)
	})
	if err != nil {
		return fmt.Errorf("watch a domain: %w", err)
	}
	return nil
}

// ProveDomain looks now whether the domain shows its proof. Errors: ErrLink, ErrNotProven.
func (w *Watchers) ProveDomain(ctx context.Context, link string) error {
	d, err := w.domain(ctx, link)
	if err != nil {
		return err
	}
	if d.State == "asked" {
		return ErrNotProven
	}
	how, err := w.shows(ctx, d)
	if err != nil {
		return err
	}
	if how == "" {
		return ErrNotProven
	}
	return w.proven(ctx, d, how)
}

func (w *Watchers) shows(ctx context.Context, d DomainWatch) (string, error) {
	if w.Shows == nil {
		return "", ErrDomain
	}
	return w.Shows(ctx, d.Proof)
}

// RevokeDomain ends a domain's watch by its owner's link. Errors: ErrLink.
func (w *Watchers) RevokeDomain(ctx context.Context, link string) error {
	d, err := w.domain(ctx, link)
	if err != nil {
		return err
	}
	return w.turnDomain(ctx, d, "revoked", "revoked", `mail = 'sent'`)
}

// EndDomain ends every watch of a domain, for whoever runs the instance. Errors: ErrDomain.
func (w *Watchers) EndDomain(ctx context.Context, domain string) error {
	all, err := w.domains(ctx, `domain = $1 AND state <> 'revoked'`, domain)
	if err == nil && len(all) == 0 {
		err = ErrDomain
	}
	for _, d := range all {
		err = errors.Join(err, w.turnDomain(ctx, d, "revoked", "revoked", `mail = 'sent'`))
	}
	return err
}

// DomainList gives every domain that is watched, for whoever runs the instance.
func (w *Watchers) DomainList(ctx context.Context) ([]DomainWatch, error) {
	return w.domains(ctx, `state <> 'revoked' ORDER BY domain, id`)
}

// Exposed is what a domain's owner is shown of one incident.
type Exposed struct {
	Incident  string
	Addresses []string // of the domain, in the roster; sorted
	More      int      // that are not listed
}

// Affected gives the domain's addresses in the rosters of what is public now, to its proven owner, and writes down that it was looked. What
// is sensitive is left out, whoever asks, and so is what has no roster any more. Errors: ErrLink, ErrNotProven.
func (w *Watchers) Affected(ctx context.Context, link string) ([]Exposed, error) {
	d, err := w.domain(ctx, link)
	if err != nil {
		return nil, err
	}
	if d.State != "proven" || !w.Domains() || d.Until.Before(w.Now()) {
		return nil, ErrNotProven
	}
	standing, err := w.Public(ctx)
	if err != nil {
		return nil, err
	}
	out, shown := []Exposed{}, map[string][]byte{} // of every case that is looked through, that there was an address and that there was none look alike
	for _, s := range standing {
		about, ok, err := w.About(ctx, s.Incident)
		if err != nil {
			return nil, err
		}
		if !ok || about.ByMail || s.Roster == "" {
			continue
		}
		found, err := w.ofDomain(ctx, s, d.Domain)
		if errors.Is(err, roster.ErrShredded) || errors.Is(err, roster.ErrNone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for a domain in %s: %w", s.Incident, err)
		}
		seal, err := w.Rosters.Sealer(ctx, s.Incident, false)
		if errors.Is(err, roster.ErrShredded) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for a domain in %s: %w", s.Incident, err)
		}
		shown[s.Incident] = sealShown(seal, d.id, len(found.Addresses) > 0)
		if len(found.Addresses) > 0 {
			out = append(out, found)
		}
	}
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		if err := w.note(ctx, tx, d.id, "looked", "", nil); err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(shown)) {
			if err := w.note(ctx, tx, d.id, "shown", id, shown[id]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil { // what is not logged is not shown
		return nil, fmt.Errorf("look for a domain: %w", err)
	}
	return out, nil
}

// ofDomain streams a roster past a domain; its subdomains are not it.
func (w *Watchers) ofDomain(ctx context.Context, s Standing, domain string) (Exposed, error) {
	out := Exposed{Incident: s.Incident}
	r, err := w.Rosters.Named(ctx, s.Incident, s.Roster)
	if err != nil {
		return out, err
	}
	if !slices.Contains(r.Index, identity.KindEmail) { // its addresses are not what anybody is told by
		return out, nil
	}
	end := "@" + domain
	for m, err := range w.Rosters.Members(ctx, r) {
		if err != nil {
			return out, err
		}
		if m.Identity.Kind != identity.KindEmail || !strings.HasSuffix(m.Identity.Value, end) {
			continue
		}
		if len(out.Addresses) == maxListed {
			out.More++
			continue
		}
		out.Addresses = append(out.Addresses, m.Identity.Value)
	}
	slices.SortFunc(out.Addresses, func(a, b string) int { return bytes.Compare([]byte(a), []byte(b)) })
	return out, nil
}

// KeepDomains looks for proofs that are waited for or end soon, and ends what is not proven any more. Few are looked for at a time, no one of them and
// not all together for long, and ever less often those that cannot be: whoever has name servers that answer as slowly as they like keeps no other waiting.
func (w *Watchers) KeepDomains(ctx context.Context) error {
	if !w.Domains() {
		return nil
	}
	if err := w.tidyDomains(ctx); err != nil {
		return fmt.Errorf("keep domains: %w", err)
	}
	var failed error // of one, which keeps nobody else waiting
	for began := time.Now(); time.Since(began) < looksLast; {
		now := w.Now()
		due, err := w.claimDomains(ctx, `next_at`, `next_at <= $1 AND (state IN ('waiting', 'proven', 'lapsed') OR state = 'asked' AND until_at <= $1) ORDER BY fails, next_at, id LIMIT $2`, store.Micros(now), looksAtOnce)
		if err != nil {
			return errors.Join(failed, fmt.Errorf("keep domains: %w", err))
		}
		if len(due) == 0 {
			break
		}
		came := make([]error, len(due))
		var all sync.WaitGroup
		for i, d := range due {
			all.Go(func() { came[i] = w.lookAgain(ctx, d, now) })
		}
		all.Wait()
		for _, err := range came {
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("keep domains: %w", err))
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return failed
}

// tellOwners mails owners of domains their links, and what includes their addresses. It looks nothing up at anybody's.
func (w *Watchers) tellOwners(ctx context.Context) error {
	if !w.Domains() {
		return nil
	}
	return errors.Join(w.mailDomains(ctx), w.tellDomains(ctx))
}

// claimDomains gives the domains that where is of, and keeps other servers of this store from them for a while: of two that look at once one has
// each, and what the one that has it leaves undone, as it died, is anybody's after it. until is the column by which they wait.
func (w *Watchers) claimDomains(ctx context.Context, until, where string, args ...any) (due []DomainWatch, err error) {
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		if due, err = w.domainsOf(ctx, tx, where, args...); err != nil {
			return err
		}
		for _, d := range due {
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_domain SET `+until+` = $2 WHERE id = $1`, d.id, store.Micros(w.Now().Add(claimed))); err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
}

// tidyDomains lets go what is over: contacts of watches that have ended, and all of those that nobody has ever proven, of which nothing was shown.
func (w *Watchers) tidyDomains(ctx context.Context) error {
	return w.DB.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE watchers_domain SET contact = $1 WHERE state = 'revoked' AND length(contact) > 0`, []byte{}); err != nil {
			return err
		}
		for _, q := range []string{`DELETE FROM watchers_domain_log WHERE domain IN (SELECT id FROM watchers_domain WHERE state = 'revoked' AND how = '')`,
			`DELETE FROM watchers_domain WHERE state = 'revoked' AND how = ''`} {
			if _, err := tx.ExecContext(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *Watchers) lookAgain(ctx context.Context, d DomainWatch, now time.Time) error {
	if d.State != "asked" && !d.ByRole() {
		look, end := context.WithTimeout(ctx, lookLasts)
		how, err := w.shows(look, d)
		end()
		if ctx.Err() != nil { // it was not the domain's doing
			return ctx.Err()
		}
		// What cannot be looked for is looked for again as long as there is time: a name server that never answers keeps nobody's place for ever.
		if err != nil && d.Until.After(now) {
			again := now.Add(min(claimed<<min(2*d.fails, 10), 12*time.Hour))
			if again.After(d.Until) {
				again = d.Until
			}
			_, failed := w.DB.ExecContext(ctx, `UPDATE watchers_domain SET fails = fails + 1, next_at = $2 WHERE id = $1 AND state = $3 AND until_at = $4`, d.id, store.Micros(again), d.State, store.Micros(d.Until))
			return errors.Join(err, failed)
		}
		if err == nil && how != "" {
			return w.proven(ctx, d, how)
		}
	}
	at := now.Add(12 * time.Hour)
	if d.Until.After(now) && d.Until.Before(at) { // it ends when it was said to
		at = d.Until
	}
	next := fmt.Sprintf(`fails = 0, next_at = %d`, store.Micros(at))
	switch {
	case d.Until.After(now) && d.State == "proven" && d.ByRole(): // whoever reads it is asked again
		_, err := w.DB.ExecContext(ctx, `UPDATE watchers_domain SET mail = 'waiting', tries = 0, next_at = until_at WHERE id = $1 AND state = 'proven'`, d.id)
		return err
	case d.Until.After(now):
		_, err := w.DB.ExecContext(ctx, `UPDATE watchers_domain SET `+next+` WHERE id = $1`, d.id)
		return err
	case d.State == "proven": // it is told, and has two weeks to be shown again
		return w.turnDomain(ctx, d, "lapsed", "lapsed", fmt.Sprintf(`mail = 'waiting', tries = 0, until_at = %d, `, store.Micros(now.Add(proveWithin)))+next)
	default:
		return w.turnDomain(ctx, d, "revoked", "lapsed", `mail = 'sent'`)
	}
}

// mailDomains mails owners their links. One that may have left already, from a process that died, leaves again under the same Message-ID.
func (w *Watchers) mailDomains(ctx context.Context) error {
	due, err := w.claimDomains(ctx, `mail_at`, `mail = 'waiting' AND state <> 'revoked' AND tries < $1 AND mail_at <= $2 ORDER BY at, id LIMIT $3`, tries, store.Micros(w.Now()), batchSize)
	if err != nil || len(due) == 0 {
		return err
	}
	w.step()
	letters := make([]*letter, len(due))
	for i, d := range due {
		letters[i] = &letter{id: fmt.Sprintf("d.%s.%s.%d", d.id, d.State, d.Until.Unix()), to: d.contact, lang: d.lang}
		letters[i].subject, letters[i].text = w.domainText(d, w.URL+"/watch/domain/"+w.link(toDomain, []byte(d.id)))
	}
	sent := w.handOver(ctx, letters)
	w.step()
	for i, d := range due {
		state := "sent"
		if letters[i].again {
			state = "waiting"
		}
		// What it is of has its own mail, where it has turned meanwhile.
		if _, err := w.DB.ExecContext(context.WithoutCancel(ctx), `UPDATE watchers_domain SET mail = $2, tries = tries + 1, mail_at = $3 WHERE id = $1 AND mail = 'waiting' AND state = $4 AND until_at = $5`,
			d.id, state, store.Micros(w.Now().Add(time.Minute<<min(2*d.tries, 10))), d.State, store.Micros(d.Until)); err != nil {
			return err
		}
	}
	return sent
}

func (w *Watchers) domainText(d DomainWatch, link string) (subject, text string) {
	lang := d.lang
	why := lang.Pick("このアドレスを連絡先として、ドメイン "+d.Domain+" を見守る申し込みがありました。", "Somebody asked to watch the domain "+d.Domain+", with this address as the contact.")
	if d.State != "asked" {
		why = lang.Pick("ドメイン "+d.Domain+" を管理していることを、あらためて確かめる時期になりました。", "It is time to show again that the domain "+d.Domain+" is yours.")
	}
	return lang.Pick("ドメインの見守りについて", "Watching your domain"), lang.Pick(fmt.Sprintf(`%s
%s
手順は次のページにあります。ページを開いただけでは、何も変わりません。

%s

お心当たりがない場合は、何もしないでください。ドメインの管理者であることが確かめられるまで、だれにも何も示しません。
`, w.Name.JA, why, link), fmt.Sprintf(`%s
%s
What to do is on this page. Opening it changes nothing.

%s

If it was not you, do nothing: before it is shown that the domain is yours, nobody is shown anything.
`, w.Name.EN, why, link))
}
