// Package notify tells the staff that something waits for them: a mention, a task, an approval, what is overdue. It pages nobody. It tells
// by signed webhooks (Standard Webhooks, https://www.standardwebhooks.com) and by mail, and keeps a log of every delivery.
//
// What leaves this machine says that there is something, of which kind and where, and nothing of what it is: the mail system may be what
// was broken into.
package notify

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrInput says that something cannot be taken.
	ErrInput = errors.New("cannot be taken")
	// ErrNotFound says that there is no such webhook or delivery.
	ErrNotFound = errors.New("there is no such webhook or delivery")
)

// KeyFile is the name of the file of the key that addresses and secrets are sealed under.
const KeyFile = "notify.key"

// Kinds of messages.
var Kinds = []string{"mention", "assigned", "report", "approval", "approved", "rule", "clock", "overdue", "prevention", "test"}

// Message is that something waits for somebody.
type Message struct {
	Kind  string
	Case  string   // "" is none
	About string   // "task 3"
	To    []string // pseudonyms, or names as tasks and notes have them; none: whom Group names
	Key   string   // told once in all; "" always
}

// Mail is how mail is sent; nil sends none.
type Mail interface {
	Send(ctx context.Context, to, subject, text, id string) error
}

// Rooms are what the room stands on.
type Rooms struct {
	DB   *store.DB
	Keys *files.Keys
	URL  string // of this instance; "" puts no links into messages
	Mail Mail
	HTTP *http.Client // nil: one with time-outs, and without redirects
	// Person gives the pseudonym of a name or pseudonym, false where nobody is called so; Sees whether they may know of a case.
	Person func(ctx context.Context, name string) (id string, ok bool, err error)
	Sees   func(ctx context.Context, id, kase string) (bool, error)
	// Group names whom a message without names is for.
	Group func(ctx context.Context, kind, kase string) ([]string, error)
}

// Notifier is the room.
type Notifier struct {
	Rooms
	sealer *store.Sealer
	now    func() time.Time
}

// New opens the room, and makes its key where there is none.
func New(ctx context.Context, rooms Rooms) (*Notifier, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "notify", sub); err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	if rooms.HTTP == nil {
		rooms.HTTP = client()
	}
	n := &Notifier{Rooms: rooms, now: time.Now}
	if n.sealer, err = openKey(rooms.Keys); err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	return n, nil
}

func openKey(keys *files.Keys) (*store.Sealer, error) {
	key, err := keys.Random(KeyFile, store.KeySize)
	if err != nil {
		return nil, err
	}
	return store.NewSealer(key)
}

// Hook is a webhook.
type Hook struct {
	ID    string
	Host  string // of its URL, which may have a token in it and is not shown
	Kinds []string
	At    time.Time
	By    string
	Ended time.Time // zero: it is told
	Why   string
}

// checkURL refuses what nothing is told to: other schemes than https, but for this machine, and credentials in it.
func checkURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || len(s) > 2000 {
		return nil, fmt.Errorf("%w: it is no URL such as https://hooks.example.org/shirase", ErrInput)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme != "https" && !(u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())) {
		return nil, hint.Add(fmt.Errorf("%w: what is told goes over https, or to this machine", ErrInput), "https://...")
	}
	return u, nil
}

// AddHook has a webhook told of some kinds of messages, or of all, and gives its secret, which is not shown again.
func (n *Notifier) AddHook(ctx context.Context, who actor.Actor, to string, kinds []string) (h Hook, secret string, err error) {
	if err := who.May(actor.Keys, ""); err != nil {
		return h, "", fmt.Errorf("add a webhook: %w", err)
	}
	u, err := checkURL(to)
	if err != nil {
		return h, "", fmt.Errorf("add a webhook: %w", err)
	}
	for _, k := range kinds {
		if !slices.Contains(Kinds, k) {
			return h, "", hint.Add(fmt.Errorf("add a webhook: %w: nothing of kind %q is ever told", ErrInput, k), "one of "+strings.Join(Kinds, ", "))
		}
	}
	raw := make([]byte, 24)
	rand.Read(raw)
	secret = "whsec_" + base64.StdEncoding.EncodeToString(raw)
	h = Hook{ID: "h-" + strings.ToLower(rand.Text()[:10]), Host: u.Host, Kinds: kinds, At: n.now().UTC().Truncate(time.Second), By: who.String()}
	_, err = n.DB.ExecContext(ctx, `INSERT INTO notify_hook (id, url, host, secret, kinds, created_at, created_by, ended_at, why) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '')`,
		h.ID, n.sealer.Seal("notify_hook.url "+h.ID, []byte(to)), h.Host, n.sealer.Seal("notify_hook.secret "+h.ID, []byte(secret)), strings.Join(kinds, " "), store.Micros(h.At), h.By)
	if err != nil {
		return h, "", fmt.Errorf("add a webhook: %w", err)
	}
	return h, secret, nil
}

// Hooks lists the webhooks, those that have ended too.
func (n *Notifier) Hooks(ctx context.Context, who actor.Actor) ([]Hook, error) {
	if err := who.May(actor.Keys, ""); err != nil && who.May(actor.Audit, "") != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	return n.hooks(ctx, n.DB)
}

func (n *Notifier) hooks(ctx context.Context, q store.Querier) ([]Hook, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, host, kinds, created_at, created_by, ended_at, why FROM notify_hook ORDER BY created_at, id`)
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	defer rows.Close()
	var out []Hook
	for rows.Next() {
		var h Hook
		var kinds string
		var at, ended int64
		if err := rows.Scan(&h.ID, &h.Host, &kinds, &at, &h.By, &ended, &h.Why); err != nil {
			return nil, fmt.Errorf("list webhooks: %w", err)
		}
		h.Kinds, h.At = strings.Fields(kinds), store.FromMicros(at)
		if ended != 0 {
			h.Ended = store.FromMicros(ended)
		}
		out = append(out, h)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// EndHook has a webhook told nothing any more; what it was to be told is given up.
func (n *Notifier) EndHook(ctx context.Context, who actor.Actor, id string) error {
	if err := who.May(actor.Keys, ""); err != nil {
		return fmt.Errorf("end a webhook: %w", err)
	}
	if err := n.endHook(ctx, id, "ended by "+who.String()); err != nil {
		return fmt.Errorf("end a webhook: %w", err)
	}
	return nil
}

func (n *Notifier) endHook(ctx context.Context, id, why string) error {
	return n.DB.Update(ctx, func(tx *sql.Tx) error {
		now := store.Micros(n.now())
		res, err := tx.ExecContext(ctx, `UPDATE notify_hook SET ended_at = $2, why = $3 WHERE id = $1 AND ended_at = 0`, id, now, why)
		if err != nil {
			return err
		}
		if c, err := res.RowsAffected(); err != nil || c == 0 {
			return errors.Join(err, ErrNotFound)
		}
		_, err = tx.ExecContext(ctx, `UPDATE notify_delivery SET state = 'given-up', ended_at = $2, said = 'the webhook has ended' WHERE hook = $1 AND state = 'pending'`, id, now)
		return err
	})
}

// SetAddress says where somebody is written to: a member of the staff their own, an administrator anybody's. name is a pseudonym, or a
// name as tasks and notes have it; an empty address takes it back. lang is ja or en.
func (n *Notifier) SetAddress(ctx context.Context, who actor.Actor, name, address, lang string) error {
	id, err := n.person(ctx, name)
	if err != nil {
		return fmt.Errorf("say where somebody is written to: %w", err)
	}
	if err := who.Check("say where somebody is written to"); err != nil {
		return err
	}
	if who.ID() != id || !who.Person() {
		if err := who.May(actor.People, ""); err != nil {
			return fmt.Errorf("say where somebody is written to: %w", err)
		}
	}
	if id == "" || len(id) > 200 {
		return fmt.Errorf("say where somebody is written to: %w: a name is wanted", ErrInput)
	}
	if address == "" {
		_, err := n.DB.ExecContext(ctx, `DELETE FROM notify_person WHERE id = $1`, id)
		return err
	}
	a, err := mail.ParseAddress(address)
	if err != nil || a.Name != "" || a.Address != address || len(address) > 254 || lang != "ja" && lang != "en" {
		return fmt.Errorf("say where somebody is written to: %w: an address such as sato@example.org is wanted, and ja or en", ErrInput)
	}
	_, err = n.DB.ExecContext(ctx, `INSERT INTO notify_person (id, address, lang) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET address = excluded.address, lang = excluded.lang`,
		id, n.sealer.Seal("notify_person.address "+id, []byte(address)), lang)
	if err != nil {
		return fmt.Errorf("say where somebody is written to: %w", err)
	}
	return nil
}

// person gives the id that somebody is kept under.
func (n *Notifier) person(ctx context.Context, name string) (string, error) {
	if n.Person != nil {
		if id, ok, err := n.Person(ctx, name); err != nil || ok {
			return id, err
		}
	}
	return strings.ToLower(strings.TrimSpace(name)), nil
}

// Tell keeps what is to be told, in the transaction in which it becomes true. Whoever may not know of the case is not told.
func (n *Notifier) Tell(ctx context.Context, tx *sql.Tx, m Message) error {
	if m.Key != "" {
		res, err := tx.ExecContext(ctx, `INSERT INTO notify_told (key, at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, m.Key, store.Micros(n.now()))
		if err != nil {
			return fmt.Errorf("tell of %s: %w", m.Kind, err)
		}
		if c, err := res.RowsAffected(); err != nil || c == 0 {
			return err
		}
	}
	id := "m-" + strings.ToLower(rand.Text())
	hooks, err := n.hooks(ctx, tx)
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if h.Ended.IsZero() && (len(h.Kinds) == 0 || slices.Contains(h.Kinds, m.Kind)) {
			if err := n.add(ctx, tx, m, id, h.ID, "", "pending"); err != nil {
				return err
			}
		}
	}
	to := m.To
	if len(to) == 0 && n.Group != nil {
		if to, err = n.Group(ctx, m.Kind, m.Case); err != nil {
			return fmt.Errorf("tell of %s: %w", m.Kind, err)
		}
	}
	seen := map[string]bool{}
	for _, name := range to {
		who, err := n.person(ctx, name)
		if err != nil {
			return fmt.Errorf("tell of %s: %w", m.Kind, err)
		}
		if seen[who] {
			continue
		}
		seen[who] = true
		state, err := n.reaches(ctx, tx, who, m.Case)
		if err != nil {
			return fmt.Errorf("tell of %s: %w", m.Kind, err)
		}
		if err := n.add(ctx, tx, m, id, "", who, state); err != nil {
			return err
		}
	}
	return nil
}

// reaches says whether somebody has an address and may know of the case: pending, or nobody.
func (n *Notifier) reaches(ctx context.Context, tx *sql.Tx, who, kase string) (string, error) {
	var c int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM notify_person WHERE id = $1`, who).Scan(&c); err != nil {
		return "", err
	}
	if c == 0 || n.Mail == nil {
		return "nobody", nil
	}
	if n.Sees != nil && kase != "" {
		if ok, err := n.Sees(ctx, who, kase); err != nil || !ok {
			return "nobody", err
		}
	}
	return "pending", nil
}

func (n *Notifier) add(ctx context.Context, tx *sql.Tx, m Message, id, hook, person, state string) error {
	now := store.Micros(n.now())
	ended, said := int64(0), ""
	if state == "nobody" {
		ended, said = now, "there is no address, or the case is not theirs"
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO notify_delivery (id, message, kind, case_id, about, hook, person, at, state, tries, next_at, ended_at, said)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $8, $10, $11)`, "d-"+strings.ToLower(rand.Text()), id, m.Kind, m.Case, m.About, hook, person, now, state, ended, said)
	if err != nil {
		return fmt.Errorf("tell of %s: %w", m.Kind, err)
	}
	return nil
}

// Delivery is one of the log.
type Delivery struct {
	ID, Message, Kind, Case, About string
	Hook, Person                   string
	At, Next, Ended                time.Time
	State                          string // pending, delivered, given-up, nobody
	Tries                          int64
	Said                           string
}

// Log gives the newest deliveries, of cases that they may know of: at most so many; failed leaves out what was delivered.
func (n *Notifier) Log(ctx context.Context, who actor.Actor, failed bool, most int) ([]Delivery, error) {
	if err := who.May(actor.Keys, ""); err != nil && who.May(actor.Audit, "") != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	rows, err := n.DB.QueryContext(ctx, `SELECT id, message, kind, case_id, about, hook, person, at, state, tries, next_at, ended_at, said FROM notify_delivery ORDER BY at DESC, id`)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	defer rows.Close()
	var out []Delivery
	for rows.Next() && len(out) < most {
		var d Delivery
		var at, next, ended int64
		if err := rows.Scan(&d.ID, &d.Message, &d.Kind, &d.Case, &d.About, &d.Hook, &d.Person, &at, &d.State, &d.Tries, &next, &ended, &d.Said); err != nil {
			return nil, fmt.Errorf("list deliveries: %w", err)
		}
		if failed && d.State == "delivered" {
			continue
		}
		if d.Case != "" && !who.Sees(d.Case) {
			d.Case, d.About = "", "" // that it was told may be known, and not of which case
		}
		d.At, d.Next = store.FromMicros(at), store.FromMicros(next)
		if ended != 0 {
			d.Ended = store.FromMicros(ended)
		}
		out = append(out, d)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
