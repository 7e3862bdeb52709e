// Package watchers tells people who asked for it when an incident that is published later includes their address, when one that they are in
// gets an addendum, and when one is settled.
//
// An address is left twice: it is typed on a page, and confirmed from its mailbox, by a form and never by following a link. It is kept sealed.
// What a page says when an address is left, and how long it takes to, does not depend on whether it was left before. Of each mail the state is
// durable: that it is about to be handed over is written down before, so that a process that dies loses nobody, and whoever was in flight is
// listed as unknown. No mail ever says that somebody is not affected: what is not there is no "no".
package watchers

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"shirase/identity"
	"shirase/internal/files"
	"shirase/internal/language"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/roster"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrAddress says that what was given is no address of mail that can be written to.
	ErrAddress = errors.New("not an address of mail")
	// ErrBusy says that more is asked than is taken at present.
	ErrBusy = errors.New("more is asked than is taken at present")
	// ErrLink says that a link is none of ours, is too old, or was ended.
	ErrLink = errors.New("the link is not valid, or not any more")
	// ErrDomain says that something is no domain that somebody may own, or none that is watched.
	ErrDomain = errors.New("not a domain that can be watched")
	// ErrNotProven says that a domain does not show what it was asked to.
	ErrNotProven = errors.New("the domain does not show the proof")
)

// KeyFile is the name of the file of the key that addresses are sealed by, and matched.
const KeyFile = "watchers.key"

// Bounds, so that nobody's mailbox is filled by others.
const (
	perAddress = 3     // mails to confirm, to one address a day
	inAll      = 2_000 // of them an hour
	tries      = 8
	claimed    = 2 * time.Minute // for how long a process that sends keeps others from it
	lasts      = 72 * time.Hour  // a link to confirm; then nothing is left of what was asked
	uncertain  = 30 * 24 * time.Hour
	tagBytes   = 16
)

// Standing is how an incident stands in public.
type Standing struct {
	Incident string
	State    string // check.State
	Scope    string // which scope is public: it changes with it; "": none
	Roster   string // whose members are told; "": nobody is known
	Told     int64  // version of the newest addendum or correction; 0: none
}

// About is what a mail says of an incident.
type About struct {
	Title, Organisation language.Text
	AsOf                time.Time
	ByMail              bool // sensitive: nothing is said of it but where to ask
}

// Mailer is by whom mail goes out.
type Mailer struct {
	Relays    []smtp.Relay // the first that works is used
	From      message.Address
	Signers   func(domain string) ([]*message.Signer, error) // nil: the relay signs
	PerSecond float64                                        // mails; 0: as quickly as the relay takes them
}

// Rooms are what the room stands on.
type Rooms struct {
	DB      *store.DB
	Keys    *files.Keys
	Rosters *roster.Rosters
	URL     string // where people reach this instance, without a final slash
	Name    language.Text
	Mailer  Mailer
	// Public gives how every incident stands that is published here.
	Public func(ctx context.Context) ([]Standing, error)
	// About gives what is said of an incident; false where it is not public any more, or ended: then nobody is told of it.
	About func(ctx context.Context, incident string) (About, bool, error)
	// Shows says how a domain shows a record (dns, file), "" where it does not; nil: domains are not watched here.
	Shows func(ctx context.Context, d Proof) (string, error)
	Log   *slog.Logger
	Now   func() time.Time
}

// Watchers is the room.
type Watchers struct {
	Rooms
	key  *store.Sealer
	step func() // in tests: where a process may be killed
}

// New opens the room, and makes its key where there is none.
func New(ctx context.Context, rooms Rooms) (*Watchers, error) {
	err := migrate(ctx, rooms.DB)
	if rooms.Log == nil {
		rooms.Log = slog.New(slog.DiscardHandler)
	}
	if rooms.Now == nil {
		rooms.Now = time.Now
	}
	w := &Watchers{Rooms: rooms, step: func() {}}
	if err == nil {
		w.key, err = openKey(rooms.Keys)
	}
	if err == nil {
		err = w.sealEarlier(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("watchers: %w", err)
	}
	return w, nil
}

func migrate(ctx context.Context, db *store.DB) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = db.Migrate(ctx, "watchers", sub)
	}
	return err
}

func openKey(keys *files.Keys) (*store.Sealer, error) {
	key, err := keys.Random(KeyFile, store.KeySize)
	if err != nil {
		return nil, err
	}
	return store.NewSealer(key)
}

// who is the keyed hash by which an address is found again.
func (w *Watchers) who(id identity.Identity) []byte {
	return w.key.Lookup("watchers.who", id.Input())[:tagBytes]
}

// parse reads an address that can be written to.
func parse(address string) (identity.Identity, error) {
	id, err := identity.ParseEmail(address)
	if err == nil {
		_, err = smtp.Path(id.Value)
	}
	if err != nil {
		return identity.Identity{}, fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return id, nil
}

func newID() string { return hex.EncodeToString([]byte(rand.Text())[:16]) }

// Ask takes an address, and an incident to follow, "" for none. It does the same whoever it is, whether or not the address is there
// already, and beyond the limit of an address: then nothing is mailed, and nobody is told. Errors: ErrAddress, ErrBusy.
func (w *Watchers) Ask(ctx context.Context, lang language.Lang, address, follow string) error {
	id, err := parse(address)
	if err != nil {
		return err
	}
	key := newID()
	sealed := w.key.Seal("watchers_asked "+key, []byte(id.Value))
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		state, err := w.bounded(ctx, tx, w.who(id))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO watchers_asked (id, who, address, lang, follow, at, state, n, tries, next_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $6)`,
			key, w.who(id), sealed, string(lang), follow, store.Micros(w.Now()), state)
		return err
	})
	if err != nil {
		return fmt.Errorf("leave an address: %w", err)
	}
	return nil
}

// bounded says how what is asked of an address begins: waiting, or passed-over beyond its limit. ErrBusy beyond that of all.
func (w *Watchers) bounded(ctx context.Context, tx *sql.Tx, who []byte) (string, error) {
	var all, own int64
	now := w.Now()
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM watchers_asked WHERE at > $1`, store.Micros(now.Add(-time.Hour))).Scan(&all); err != nil {
		return "", err
	}
	if all >= inAll {
		return "", ErrBusy
	}
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM watchers_asked WHERE who = $1 AND at > $2 AND state <> 'passed-over'`, who, store.Micros(now.Add(-24*time.Hour))).Scan(&own); err != nil {
		return "", err
	}
	if own >= perAddress {
		return "passed-over", nil
	}
	return "waiting", nil
}

// Links hold what they are for and a keyed hash, in base32: nobody makes one up, and each is good for one thing. What stands in a mail's
// headers, where programs read it, ends the watch and does nothing else.
var links = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

type purpose string

const (
	toConfirm purpose = "watchers link confirm"
	toChange  purpose = "watchers link own"
	toEnd     purpose = "watchers link off"
	toDomain  purpose = "watchers link domain"
)

func (w *Watchers) link(p purpose, id []byte) string {
	return links.EncodeToString(append(append([]byte{}, id...), w.key.Lookup(string(p), id)[:16]...))
}

// read gives the id in a link. ErrLink.
func (w *Watchers) read(p purpose, text string) ([]byte, error) {
	if len(text) > 200 {
		return nil, ErrLink
	}
	b, err := links.DecodeString(strings.ToLower(text))
	if err != nil || len(b) <= 16 {
		return nil, ErrLink
	}
	id, mac := b[:len(b)-16], b[len(b)-16:]
	if !hmac.Equal(mac, w.key.Lookup(string(p), id)[:16]) {
		return nil, ErrLink
	}
	return id, nil
}

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func (w *Watchers) person(p purpose, link string) (int64, error) {
	id, err := w.read(p, link)
	if err != nil || len(id) != 8 {
		return 0, ErrLink
	}
	return int64(binary.BigEndian.Uint64(id)), nil
}

// Choice is how somebody wants to be told.
type Choice struct {
	Digest bool // once a day, and not at once
	Lang   language.Lang
}

// Asked says whether a link to confirm is good, and which incident would be followed. It changes nothing: programs follow links too.
// Errors: ErrLink.
func (w *Watchers) Asked(ctx context.Context, link string) (follow string, err error) {
	id, err := w.read(toConfirm, link)
	if err != nil {
		return "", err
	}
	err = w.DB.QueryRowContext(ctx, `SELECT follow FROM watchers_asked WHERE id = $1 AND at > $2 AND state IN ('waiting', 'sent', 'confirmed')`, string(id), store.Micros(w.Now().Add(-lasts))).Scan(&follow)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrLink
	}
	return follow, err
}

// Confirm begins the watch, or has one that is there follow what was chosen. It gives the link by which whoever reads the mailbox changes
// or ends it. Errors: ErrLink.
func (w *Watchers) Confirm(ctx context.Context, link string, c Choice) (own string, err error) {
	id, err := w.read(toConfirm, link)
	if err != nil {
		return "", err
	}
	var n int64
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		var who, address []byte
		var follow string
		err := tx.QueryRowContext(ctx, `SELECT who, address, follow, n FROM watchers_asked WHERE id = $1 AND at > $2 AND state IN ('waiting', 'sent', 'confirmed')`, string(id), store.Micros(w.Now().Add(-lasts))).Scan(&who, &address, &follow, &n)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrLink
		}
		if err != nil {
			return err
		}
		if n != 0 { // confirmed before: it changes what there is, and brings nobody back who has left
			return change(ctx, tx, n, c)
		}
		switch err := tx.QueryRowContext(ctx, `SELECT n FROM watchers_person WHERE who = $1`, who).Scan(&n); {
		case err == nil:
			err = change(ctx, tx, n, c)
			if err != nil {
				return err
			}
		case errors.Is(err, sql.ErrNoRows):
			if n, err = w.join(ctx, tx, string(id), who, address, c); err != nil {
				return err
			}
		default:
			return err
		}
		if follow != "" {
			if _, err := tx.ExecContext(ctx, `INSERT INTO watchers_follow (incident, n) VALUES ($1, $2) ON CONFLICT (incident, n) DO NOTHING`, follow, n); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE watchers_asked SET state = 'confirmed', address = $2, n = $3 WHERE id = $1`, string(id), []byte{}, n)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("confirm an address: %w", err)
	}
	return w.link(toChange, number(n)), nil
}

func (w *Watchers) join(ctx context.Context, tx *sql.Tx, asked string, who, sealed []byte, c Choice) (int64, error) {
	address, err := w.key.Open("watchers_asked "+asked, sealed)
	if err != nil {
		return 0, err
	}
	var b [8]byte
	rand.Read(b[:])
	n := int64(binary.BigEndian.Uint64(b[:])>>1) | 1
	_, err = tx.ExecContext(ctx, `INSERT INTO watchers_person (n, who, address, lang, digest, since) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (who) DO NOTHING`,
		n, who, w.key.Seal(personOf(n), address), string(c.Lang), bit(c.Digest), store.Micros(w.Now()))
	return n, err
}

func personOf(n int64) string { return fmt.Sprintf("watchers_person %d", n) }

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func change(ctx context.Context, tx *sql.Tx, n int64, c Choice) error {
	res, err := tx.ExecContext(ctx, `UPDATE watchers_person SET digest = $2, lang = $3 WHERE n = $1`, n, bit(c.Digest), string(c.Lang))
	if err != nil {
		return err
	}
	if k, err := res.RowsAffected(); err != nil || k == 0 {
		return errors.Join(err, ErrLink)
	}
	return nil
}

// Own gives what somebody chose, and the incidents that they follow. Errors: ErrLink.
func (w *Watchers) Own(ctx context.Context, link string) (c Choice, follows []string, err error) {
	n, err := w.person(toChange, link)
	if err != nil {
		return c, nil, err
	}
	var digest int64
	var lang string
	err = w.DB.QueryRowContext(ctx, `SELECT digest, lang FROM watchers_person WHERE n = $1`, n).Scan(&digest, &lang)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrLink
	}
	if err != nil {
		return c, nil, err
	}
	follows, err = store.Column[string](ctx, w.DB, `SELECT incident FROM watchers_follow WHERE n = $1 ORDER BY incident`, n)
	return Choice{Digest: digest == 1, Lang: language.Lang(lang)}, follows, err
}

// Change has somebody be told as they choose from now on. Errors: ErrLink.
func (w *Watchers) Change(ctx context.Context, link string, c Choice) error {
	n, err := w.person(toChange, link)
	if err != nil {
		return err
	}
	tags, err := w.tags(ctx, n)
	if err != nil {
		return fmt.Errorf("change what somebody is told: %w", err)
	}
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		if err := change(ctx, tx, n, c); err != nil || c.Digest {
			return err
		}
		for id, tag := range tags { // what waited for the day's
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_mail SET due = $3 WHERE incident = $1 AND state = 'waiting' AND tag = $2 AND tries = 0`, id, tag, store.Micros(earlier(w.Now()))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change what somebody is told: %w", err)
	}
	return nil
}

// End ends a watch, and removes all that was kept of it, by the link of a mail or of its headers. Whoever has left before is told the same.
// Errors: ErrLink.
func (w *Watchers) End(ctx context.Context, link string) error {
	n, err := w.person(toEnd, link)
	if err != nil {
		if n, err = w.person(toChange, link); err != nil {
			return err
		}
	}
	tags, err := w.tags(ctx, n)
	if err != nil {
		return fmt.Errorf("end a watch: %w", err)
	}
	err = w.DB.Update(ctx, func(tx *sql.Tx) error {
		for _, q := range []string{`DELETE FROM watchers_person WHERE n = $1`, `DELETE FROM watchers_follow WHERE n = $1`} {
			if _, err := tx.ExecContext(ctx, q, n); err != nil {
				return err
			}
		}
		for id, tag := range tags {
			if _, err := tx.ExecContext(ctx, `UPDATE watchers_mail SET state = 'dropped', n = 0, mail = '', whom = $3, due = 0 WHERE incident = $1 AND state IN ('waiting', 'unknown') AND tag = $2`, id, tag, []byte{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("end a watch: %w", err)
	}
	return nil
}

// Valid says whether a link ends a watch. It changes nothing.
func (w *Watchers) Valid(link string) bool {
	_, err := w.person(toEnd, link)
	return err == nil
}

// Counts are how the room stands; nobody is named.
type Counts struct {
	Watching, Daily, Following int64
	Asked                      int64            // and not confirmed
	Mails                      map[string]int64 // by state: of each told thing and person
	Matching                   int64            // news that is not matched yet
	Domains                    int64            // proven
}

// Counts counts.
func (w *Watchers) Counts(ctx context.Context) (c Counts, err error) {
	c.Mails = map[string]int64{}
	for q, into := range map[string]*int64{`SELECT count(*) FROM watchers_person`: &c.Watching, `SELECT count(*) FROM watchers_person WHERE digest = 1`: &c.Daily,
		`SELECT count(DISTINCT n) FROM watchers_follow`: &c.Following, `SELECT count(*) FROM watchers_asked WHERE state IN ('waiting', 'sent')`: &c.Asked,
		`SELECT count(*) FROM watchers_news WHERE state = 'matching'`: &c.Matching, `SELECT count(*) FROM watchers_domain WHERE state = 'proven'`: &c.Domains} {
		if err := w.DB.QueryRowContext(ctx, q).Scan(into); err != nil {
			return c, fmt.Errorf("count who watches: %w", err)
		}
	}
	rows, err := w.DB.QueryContext(ctx, `SELECT state, count(*) FROM watchers_mail GROUP BY state`)
	if err != nil {
		return c, fmt.Errorf("count who watches: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var state string
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return c, err
		}
		c.Mails[state] = n
	}
	return c, errors.Join(rows.Err(), rows.Close())
}

// Told is how many were told one kind of thing of an incident, by how it stands.
type Told struct {
	Kind, State string
	People      int64
}

// CaseCounts are how those who watch stand to one incident; nobody is named.
type CaseCounts struct {
	Watching, Daily int64  // of the instance: whoever watches is told where this incident includes them
	Following       int64  // who follow this incident from its page
	FollowingDaily  int64  // of them, those who are told once a day
	Asked           int64  // who want to follow it, and have not confirmed
	Told            []Told // by kind and state
	Domains, Looked int64  // domains that are proven, and how often one's owner has looked at its addresses in this incident
	DomainsAreShown bool
	MatchingNow     bool // news of it is being matched
}

// OfCase counts for one incident.
func (w *Watchers) OfCase(ctx context.Context, incident string) (c CaseCounts, err error) {
	c.DomainsAreShown = w.Domains()
	var matching int64
	err = w.DB.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM watchers_person), (SELECT count(*) FROM watchers_person WHERE digest = 1),
		(SELECT count(*) FROM watchers_follow WHERE incident = $1), (SELECT count(*) FROM watchers_follow f JOIN watchers_person p ON p.n = f.n WHERE f.incident = $1 AND p.digest = 1),
		(SELECT count(*) FROM watchers_asked WHERE follow = $1 AND state IN ('waiting', 'sent')), (SELECT count(*) FROM watchers_domain WHERE state = 'proven'),
		(SELECT count(*) FROM watchers_news WHERE incident = $1 AND state = 'matching')`, incident).
		Scan(&c.Watching, &c.Daily, &c.Following, &c.FollowingDaily, &c.Asked, &c.Domains, &matching)
	if err == nil {
		c.Looked, err = w.looked(ctx, incident)
	}
	if err != nil {
		return c, fmt.Errorf("count who watches: %w", err)
	}
	c.MatchingNow = matching > 0
	rows, err := w.DB.QueryContext(ctx, `SELECT kind, state, count(*) FROM watchers_mail WHERE incident = $1 GROUP BY kind, state ORDER BY kind, state`, incident)
	if err != nil {
		return c, fmt.Errorf("count who watches: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var t Told
		if err := rows.Scan(&t.Kind, &t.State, &t.People); err != nil {
			return c, fmt.Errorf("count who watches: %w", err)
		}
		c.Told = append(c.Told, t)
	}
	return c, errors.Join(rows.Err(), rows.Close())
}

// Add has addresses watch whose mailboxes were asked otherwise, as benchmarks do. One that is there already stays as it is.
func (w *Watchers) Add(ctx context.Context, c Choice, addresses ...string) error {
	return w.DB.Update(ctx, func(tx *sql.Tx) error {
		for _, a := range addresses {
			id, err := parse(a)
			if err != nil {
				return err
			}
			asked := newID()
			if _, err := w.join(ctx, tx, asked, w.who(id), w.key.Seal("watchers_asked "+asked, []byte(id.Value)), c); err != nil {
				return err
			}
		}
		return nil
	})
}
