package reset

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/store"
)

// Step is one by which staff recognises somebody who has lost their mailbox, with the classes of data that it rests on.
type Step struct {
	Name    string
	Classes []string
}

// The states of somebody who has lost their mailbox.
const (
	LostAsked     = "asked"     // by one of the staff, who has recognised them
	LostConfirmed = "confirmed" // by another; the link goes out after a while
	LostSent      = "sent"
	LostRefused   = "refused"
)

// Lost is somebody who has lost their mailbox, as the staff sees it.
type Lost struct {
	ID        string
	State     string
	Account   string
	Address   string // to which the link is to go
	Step      string // by which they were recognised
	Said      string
	AskedAt   time.Time
	AskedBy   string
	DecidedAt time.Time
	DecidedBy string
	Due       time.Time // of the link
}

// lostKept is what is kept of them, sealed.
type lostKept struct {
	Account string `json:"account"`
	Address string `json:"address"`
	Step    string `json:"step"`
	Said    string `json:"said,omitzero"`
}

func lostContext(id string) string { return "reset_lost " + id }

// exposed reports which of a step's classes were exposed in an incident. A class covers its forms, and a form its class.
func (r *Resets) exposed(ctx context.Context, incident string, s Step) ([]string, error) {
	if r.Exposed == nil {
		return s.Classes, nil // nobody knows what was
	}
	out, err := r.Exposed(ctx, incident)
	if err != nil {
		return nil, err
	}
	base := func(c string) string { b, _, _ := strings.Cut(c, ":"); return b }
	return slices.DeleteFunc(slices.Clone(s.Classes), func(c string) bool {
		return !slices.ContainsFunc(out, func(o string) bool { return o == c || base(o) == c || o == base(c) || o == "personal" || o == "other" })
	}), nil
}

// Recognised gives the steps by which people can be recognised in an incident, and those that are refused, because what they rest on was exposed in it.
func (r *Resets) Recognised(ctx context.Context, who actor.Actor, incident string) (good, refused []Step, err error) {
	if err := may(who, actor.See, incident); err != nil {
		return nil, nil, err
	}
	for _, s := range r.Steps {
		bad, err := r.exposed(ctx, incident, s)
		if err != nil {
			return nil, nil, err
		}
		if len(bad) > 0 {
			refused = append(refused, Step{s.Name, bad})
		} else {
			good = append(good, s)
		}
	}
	return good, refused, nil
}

// AskLost records that one of the staff has recognised somebody who has lost their mailbox, and to which address their link is to go. Nothing
// is sent: somebody else confirms it. A way to recognise people that rests on what was exposed in the incident is refused.
//
// Errors: ErrNotFound, ErrInput, ErrExposed, ErrNotOpen; those of actor.
func (r *Resets) AskLost(ctx context.Context, who actor.Actor, incident, account, address, step, said string) (string, error) {
	if err := may(who, actor.Answer, incident); err != nil {
		return "", fmt.Errorf("ask for a link elsewhere: %w", err)
	}
	if !who.Person() {
		return "", hint.Add(fmt.Errorf("ask for a link elsewhere: %w", actor.ErrNobody), "two of the staff do it in the console: whoever has the host is no second person")
	}
	i := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Name == step })
	if i < 0 {
		return "", fmt.Errorf("%w: there is no step %.80q; reset.steps has those there are", ErrInput, step)
	}
	switch bad, err := r.exposed(ctx, incident, r.Steps[i]); {
	case err != nil:
		return "", err
	case len(bad) > 0:
		return "", fmt.Errorf("%w: %s", ErrExposed, strings.Join(bad, ", "))
	}
	to, err := identity.ParseEmail(address)
	if err != nil {
		return "", fmt.Errorf("%w: that is no address of mail", ErrInput)
	}
	if len([]rune(said)) > maxWhy {
		return "", fmt.Errorf("%w: a note has at most %d characters", ErrInput, maxWhy)
	}
	if s, err := r.At(ctx, incident); err != nil {
		return "", err
	} else if !s.Open() {
		return "", ErrNotOpen
	}
	x, err := r.current(ctx, r.DB, incident)
	if err != nil {
		return "", err
	}
	seal, err := r.sealer(ctx, incident)
	if err != nil {
		return "", err
	}
	places, err := r.find(ctx, r.DB, x, seal, ofAccount, account)
	if err == nil && len(places) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return "", err
	}
	id := "l-" + strings.ToLower(rand.Text()[:12])
	kept, err := json.Marshal(lostKept{account, to.Value, step, said}, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	return id, r.DB.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO reset_lost (id, incident, run, place, state, sealed, asked_at, asked_by, decided_at, decided_by, due) VALUES ($1, $2, $3, $4, 'asked', $5, $6, $7, 0, '', 0)`,
			id, incident, x.id, places[0], seal.Seal(lostContext(id), kept), store.Micros(r.Now()), who.ID()); err != nil {
			return err
		}
		return r.note(ctx, tx, who, incident, "メールを受け取れない方の再設定を受け付けた（"+id+"、確認方法: "+step+"） / A reset of somebody without their mailbox was asked for ("+id+")")
	})
}

// DecideLost confirms what another of the staff has asked for, or refuses it. The link goes out some time after it is confirmed, until when
// it can still be refused: whoever the account is of may be heard of meanwhile. Errors: ErrNotFound, ErrSame, ErrState, ErrExposed.
func (r *Resets) DecideLost(ctx context.Context, who actor.Actor, incident, id string, yes bool) error {
	if err := may(who, actor.Answer, incident); err != nil {
		return fmt.Errorf("decide on a link elsewhere: %w", err)
	}
	if !who.Person() {
		return fmt.Errorf("decide on a link elsewhere: %w", actor.ErrNobody)
	}
	list, err := r.LostOf(ctx, who, incident)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(l Lost) bool { return l.ID == id })
	if i < 0 {
		return ErrNotFound
	}
	step := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Name == list[i].Step })
	if yes && step >= 0 { // more may be known of the incident by now
		if bad, err := r.exposed(ctx, incident, r.Steps[step]); err != nil || len(bad) > 0 {
			return errors.Join(err, fmt.Errorf("%w: %s", ErrExposed, strings.Join(bad, ", ")))
		}
	}
	now := r.Now()
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		var by, state string
		if err := tx.QueryRowContext(ctx, `SELECT asked_by, state FROM reset_lost WHERE id = $1 AND incident = $2`, id, incident).Scan(&by, &state); err != nil {
			return err
		}
		switch {
		case state != LostAsked && !(state == LostConfirmed && !yes): // what is confirmed can still be refused, until the link goes
			return fmt.Errorf("%w: it is %s", ErrState, state)
		case yes && by == who.ID():
			return ErrSame
		}
		to, due := LostRefused, int64(0)
		if yes {
			to, due = LostConfirmed, store.Micros(now.Add(r.Wait))
		}
		if _, err := tx.ExecContext(ctx, `UPDATE reset_lost SET state = $2, decided_at = $3, decided_by = $4, due = $5 WHERE id = $1`, id, to, store.Micros(now), who.ID(), due); err != nil {
			return err
		}
		return r.note(ctx, tx, who, incident, "メールを受け取れない方の再設定（"+id+"）: "+map[bool]string{true: "確認した", false: "断った"}[yes]+" / A reset of somebody without their mailbox ("+id+"): "+to)
	})
}

// LostOf gives those of a case who have lost their mailbox, the newest first, to who answers people.
func (r *Resets) LostOf(ctx context.Context, who actor.Actor, incident string) ([]Lost, error) {
	if err := may(who, actor.Answer, incident); err != nil {
		return nil, err
	}
	seal, err := r.sealer(ctx, incident)
	if err != nil {
		return nil, err
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT id, state, sealed, asked_at, asked_by, decided_at, decided_by, due FROM reset_lost WHERE incident = $1 ORDER BY asked_at DESC, id LIMIT 500`, incident)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Lost
	for rows.Next() {
		var l Lost
		var sealed []byte
		var asked, decided, due int64
		if err := rows.Scan(&l.ID, &l.State, &sealed, &asked, &l.AskedBy, &decided, &l.DecidedBy, &due); err != nil {
			return nil, err
		}
		var kept lostKept
		b, err := seal.Open(lostContext(l.ID), sealed)
		if err == nil {
			err = json.Unmarshal(b, &kept)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: who has lost their mailbox", ErrDamaged)
		}
		l.Account, l.Address, l.Step, l.Said = kept.Account, kept.Address, kept.Step, kept.Said
		l.AskedAt, l.DecidedAt, l.Due = moment(asked), moment(decided), moment(due)
		out = append(out, l)
	}
	return out, rows.Err()
}

// addresses gives those of an account: the one that its link went to, which is the first, and where that is not the roster's, as of somebody who
// has lost their mailbox, those that the roster has of it. It reads the roster along then, as none of them is kept here.
func (r *Resets) addresses(ctx context.Context, l Link, account string) ([]string, error) {
	out := []string{l.to.Address}
	places, err := r.find(ctx, r.DB, l.run, l.seal, ofAddress, l.to.Address)
	if err != nil || slices.Contains(places, l.place) {
		return out, err
	}
	ro, err := r.Rosters.Named(ctx, l.Incident, l.run.roster)
	if err != nil {
		return nil, err
	}
	for m, err := range r.Rosters.Members(ctx, ro) {
		if err != nil {
			return nil, err
		}
		if m.Identity.Kind == identity.KindEmail && (slices.Contains(m.Accounts, account) || len(m.Accounts) == 0 && m.Identity.Value == account) {
			out = append(out, m.Identity.Value)
		}
	}
	return out, nil
}

// sendLost sends the links whose time has come.
func (r *Resets) sendLost(ctx context.Context) error {
	rows, err := r.DB.QueryContext(ctx, `SELECT id, incident, run, place, sealed FROM reset_lost WHERE state = 'confirmed' AND due <= $1 LIMIT 100`, store.Micros(r.Now()))
	if err != nil {
		return err
	}
	defer rows.Close()
	type row struct {
		id, incident, run string
		place             int64
		sealed            []byte
	}
	var due []row
	for rows.Next() {
		var x row
		if err := rows.Scan(&x.id, &x.incident, &x.run, &x.place, &x.sealed); err != nil {
			return err
		}
		due = append(due, x)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, x := range due {
		s, err := r.at(ctx, r.DB, x.incident)
		if err != nil {
			return err
		}
		if !s.Open() { // it waits until people can
			continue
		}
		seal, err := r.sealer(ctx, x.incident)
		if err != nil {
			continue
		}
		var kept lostKept
		b, err := seal.Open(lostContext(x.id), x.sealed)
		if err == nil {
			err = json.Unmarshal(b, &kept)
		}
		if err != nil {
			return fmt.Errorf("%w: who has lost their mailbox", ErrDamaged)
		}
		now, err := r.current(ctx, r.DB, x.incident)
		if err != nil {
			return err
		}
		places, err := r.find(ctx, r.DB, now, seal, ofAccount, kept.Account)
		if err != nil {
			return err
		}
		res, err := r.DB.ExecContext(ctx, `UPDATE reset_lost SET state = 'sent' WHERE id = $1 AND state = 'confirmed'`, x.id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 || len(places) == 0 {
			continue
		}
		if err := r.link(ctx, now, seal, places[:1], sent{kept.Address, language.JA, ""}, false); err != nil {
			return err
		}
	}
	return nil
}
