package staff

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// maxPasskeys is how many somebody may have.
const maxPasskeys = 10

// A Passkey of somebody.
type Passkey struct {
	ID      string // hex of the credential's id
	Name    string
	Created time.Time
	Used    time.Time
	Synced  bool // kept by a service that syncs it, and not by one device alone

	record webauthn.Credential
}

// Site is where passkeys are good: what browsers and authenticators bind them to (WebAuthn level 3, sections 5.1.3 and 13.4.9).
type Site struct {
	ID     string // the relying party's: a domain
	Origin string // scheme, host and port of its pages
	Name   string
}

// relying makes the ceremonies of a site.
func (t Site) relying() (*webauthn.WebAuthn, error) {
	limits := webauthn.TimeoutConfig{Enforce: true, Timeout: 5 * time.Minute, TimeoutUVD: 5 * time.Minute}
	return webauthn.New(&webauthn.Config{RPID: t.ID, RPDisplayName: t.Name, RPOrigins: []string{t.Origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired},
		Timeouts: webauthn.TimeoutsConfig{Login: limits, Registration: limits}})
}

// user is an account as the ceremonies want it.
type user struct {
	id, name string
	keys     []webauthn.Credential
}

func (u user) WebAuthnID() []byte                         { return []byte(u.id) }
func (u user) WebAuthnName() string                       { return u.name }
func (u user) WebAuthnDisplayName() string                { return u.name }
func (u user) WebAuthnCredentials() []webauthn.Credential { return u.keys }

// A Ceremony is one that waits for its answer. It is kept by whoever asked, out of the browser's reach, and used up by one
// answer, good or bad.
type Ceremony struct {
	Session webauthn.SessionData `json:"session"`
	Account string               `json:"account,omitempty"` // whose passkey is made
	Act     string               `json:"act,omitempty"`     // what is confirmed
}

// BeginPasskey asks a browser to make a passkey for an account that is there, or, with its name, for one to come, whose
// pseudonym it makes. options is for navigator.credentials.create.
func (s *Staff) BeginPasskey(ctx context.Context, site Site, account, name string) (options []byte, c Ceremony, err error) {
	u := user{id: account, name: name}
	if account == "" {
		if u.name, err = nameOK(name); err != nil {
			return nil, c, err
		}
		u.id = newID("p")
	} else {
		a, err := s.account(ctx, s.db, account)
		if err != nil {
			return nil, c, err
		}
		u.name = a.Name
		if u.keys, err = s.records(ctx, account); err != nil {
			return nil, c, err
		}
	}
	w, err := site.relying()
	if err != nil {
		return nil, c, fmt.Errorf("make a passkey: %w", err)
	}
	creation, session, err := w.BeginRegistration(u, webauthn.WithExclusions(webauthn.Credentials(u.keys).CredentialDescriptors()))
	if err != nil {
		return nil, c, fmt.Errorf("make a passkey: %w", err)
	}
	if options, err = json.Marshal(creation.Response); err != nil {
		return nil, c, fmt.Errorf("make a passkey: %w", err)
	}
	return options, Ceremony{Session: *session, Account: u.id}, nil
}

// FinishPasskey reads what the browser answered. ErrSignIn where it is no answer to the ceremony.
func (s *Staff) FinishPasskey(site Site, c Ceremony, answer []byte, name string) (Passkey, error) {
	name, err := nameOK(name)
	if err != nil {
		return Passkey{}, err
	}
	w, err := site.relying()
	if err != nil {
		return Passkey{}, fmt.Errorf("make a passkey: %w", err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil || c.Account == "" || c.Act != "" {
		return Passkey{}, fmt.Errorf("make a passkey: %w: %w", ErrSignIn, errors.Join(err, errors.New("it answers another question")))
	}
	record, err := w.CreateCredential(user{id: c.Account}, c.Session, parsed)
	if err != nil {
		return Passkey{}, fmt.Errorf("make a passkey: %w: %w", ErrSignIn, err)
	}
	return Passkey{ID: hex.EncodeToString(record.ID), Name: name, record: *record}, nil
}

// keep records a passkey of an account.
func (s *Staff) keep(ctx context.Context, tx *sql.Tx, account string, k Passkey) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM staff_passkey WHERE account = $1`, account).Scan(&n); err != nil {
		return err
	}
	if n >= maxPasskeys {
		return fmt.Errorf("%w: %d passkeys are enough", ErrInput, n)
	}
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM staff_passkey WHERE id = $1`, k.ID).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%w: this passkey is known already", ErrInput)
	}
	data, err := json.Marshal(k.record)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO staff_passkey (id, account, name, data, created, used) VALUES ($1, $2, $3, $4, $5, 0)`, k.ID, account, k.Name, data, store.Micros(s.now()))
	return err
}

// ActPasskey is what a passkey confirms for another one; ActCodes for new recovery codes.
const (
	ActPasskey = "passkey"
	ActCodes   = "codes"
)

// ActDropPasskey is what a passkey confirms for taking one away.
func ActDropPasskey(id string) string { return "drop-passkey " + id }

// AddPasskey gives whoever does it one more passkey. An older one confirms it, unless there is none, or they were let in by a
// recovery code (recovered), which is how somebody comes back who has lost all. Then nothing of ours vouches for them: an
// identity provider may be what was breached, and a code may have been found. It is on the board, and they neither approve
// nor administer until others had time to see it.
func (s *Staff) AddPasskey(ctx context.Context, who actor.Actor, recovered bool, k Passkey) error {
	if !who.Person() {
		return fmt.Errorf("add a passkey: %w", actor.ErrNobody)
	}
	vouched := who.Confirmed(ActPasskey)
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		a, err := s.account(ctx, tx, who.ID())
		if err != nil {
			return err
		}
		if vouched != nil && !recovered && a.Passkeys > 0 {
			return vouched
		}
		if err := s.keep(ctx, tx, a.ID, k); err != nil {
			return err
		}
		if vouched == nil && a.Passkeys > 0 {
			return s.log(ctx, tx, who.String(), "passkey", a.ID, "", k.Name)
		}
		if err := s.wait(ctx, tx, a.ID); err != nil {
			return err
		}
		return s.log(ctx, tx, who.String(), "first-passkey", a.ID, "", "")
	})
	if err != nil {
		return fmt.Errorf("add a passkey: %w", err)
	}
	return nil
}

// DropPasskey takes one away from whoever does it; not the last. A passkey of theirs confirms it: a stolen session could
// otherwise take away those by which they come back.
func (s *Staff) DropPasskey(ctx context.Context, who actor.Actor, id string) error {
	if !who.Person() {
		return fmt.Errorf("take a passkey away: %w", actor.ErrNobody)
	}
	if err := who.Confirmed(ActDropPasskey(id)); err != nil {
		return err
	}
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var n, has int
		if err := tx.QueryRowContext(ctx, `SELECT count(*), count(*) FILTER (WHERE id = $2) FROM staff_passkey WHERE account = $1`, who.ID(), id).Scan(&n, &has); err != nil {
			return err
		}
		switch {
		case has == 0:
			return ErrNotFound
		case n == 1:
			return fmt.Errorf("%w: it is your only passkey", ErrLast)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM staff_passkey WHERE id = $1`, id); err != nil {
			return err
		}
		return s.log(ctx, tx, who.String(), "drop-passkey", who.ID(), "", "")
	})
	if err != nil {
		return fmt.Errorf("take a passkey away: %w", err)
	}
	return nil
}

// Passkeys gives those of whoever asks.
func (s *Staff) Passkeys(ctx context.Context, who actor.Actor) ([]Passkey, error) {
	if !who.Person() {
		return nil, fmt.Errorf("list passkeys: %w", actor.ErrNobody)
	}
	return s.passkeys(ctx, s.db, who.ID())
}

func (s *Staff) passkeys(ctx context.Context, q store.Querier, account string) ([]Passkey, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, name, data, created, used FROM staff_passkey WHERE account = $1 ORDER BY created, id`, account)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	defer rows.Close()
	var out []Passkey
	for rows.Next() {
		var k Passkey
		var data []byte
		var created, used int64
		if err := rows.Scan(&k.ID, &k.Name, &data, &created, &used); err != nil {
			return nil, fmt.Errorf("list passkeys: %w", err)
		}
		if err := json.Unmarshal(data, &k.record); err != nil {
			return nil, fmt.Errorf("read a passkey: %w", err)
		}
		k.Created, k.Used, k.Synced = at(created), at(used), k.record.Flags.BackupEligible
		out = append(out, k)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

func (s *Staff) records(ctx context.Context, account string) ([]webauthn.Credential, error) {
	keys, err := s.passkeys(ctx, s.db, account)
	out := make([]webauthn.Credential, len(keys))
	for i, k := range keys {
		out[i] = k.record
	}
	return out, err
}

// BeginSignIn asks a browser for any passkey of this site. options is for navigator.credentials.get.
func (s *Staff) BeginSignIn(site Site) (options []byte, c Ceremony, err error) {
	w, err := site.relying()
	if err != nil {
		return nil, c, fmt.Errorf("sign in: %w", err)
	}
	assertion, session, err := w.BeginDiscoverableLogin()
	if err != nil {
		return nil, c, fmt.Errorf("sign in: %w", err)
	}
	options, err = json.Marshal(assertion.Response)
	return options, Ceremony{Session: *session}, err
}

// FinishSignIn says whose passkey answered. ErrSignIn where nobody's did.
func (s *Staff) FinishSignIn(ctx context.Context, site Site, c Ceremony, answer []byte) (Account, error) {
	if c.Account != "" || c.Act != "" {
		return Account{}, fmt.Errorf("sign in: %w: it answers another question", ErrSignIn)
	}
	w, err := site.relying()
	if err != nil {
		return Account{}, fmt.Errorf("sign in: %w", err)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Account{}, fmt.Errorf("sign in: %w: %w", ErrSignIn, err)
	}
	var a Account
	_, record, err := w.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		if a, err = s.account(ctx, s.db, string(handle)); err != nil {
			return nil, err
		}
		keys, err := s.records(ctx, a.ID)
		return user{a.ID, a.Name, keys}, err
	}, c.Session, parsed)
	if err == nil {
		err = s.used(ctx, a.ID, record, "sign-in", "")
	}
	if err != nil {
		return Account{}, fmt.Errorf("sign in: %w: %w", ErrSignIn, err)
	}
	return a, nil
}

// used records that a passkey was used. A counter that went back says that there are two of it (WebAuthn, 6.1.1): it is
// refused, and logged.
func (s *Staff) used(ctx context.Context, account string, record *webauthn.Credential, what, note string) error {
	cloned := record.Authenticator.CloneWarning
	record.Authenticator.CloneWarning = false
	data, err := json.Marshal(record)
	if err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *sql.Tx) error {
		if cloned {
			return s.log(ctx, tx, account+" by console", "copied-passkey", account, "", "")
		}
		if _, err := tx.ExecContext(ctx, `UPDATE staff_passkey SET data = $2, used = $3 WHERE id = $1`, hex.EncodeToString(record.ID), data, store.Micros(s.now())); err != nil {
			return err
		}
		return s.log(ctx, tx, account+" by console", what, account, "", note)
	})
	if err == nil && cloned {
		err = errors.New("the passkey's counter went back")
	}
	return err
}

// BeginConfirm asks whoever is signed in to confirm one act by their passkey. The challenge that it signs is a hash of the
// act and of random bytes: a signature for one act is none for another.
func (s *Staff) BeginConfirm(ctx context.Context, site Site, who actor.Actor, act string) (options []byte, c Ceremony, err error) {
	if !who.Person() {
		return nil, c, fmt.Errorf("confirm: %w", actor.ErrNobody)
	}
	if act == "" || len(act) > 300 {
		return nil, c, fmt.Errorf("confirm: %w: an act is wanted", ErrInput)
	}
	keys, err := s.records(ctx, who.ID())
	if err != nil {
		return nil, c, err
	}
	if len(keys) == 0 {
		return nil, c, fmt.Errorf("confirm: %w: there is no passkey; add one under your account", ErrInput)
	}
	w, err := site.relying()
	if err != nil {
		return nil, c, fmt.Errorf("confirm: %w", err)
	}
	nonce := make([]byte, 32)
	rand.Read(nonce)
	challenge := sha256.Sum256([]byte("shirase/v1 confirm\x00" + string(nonce) + act))
	assertion, session, err := w.BeginLogin(user{id: who.ID(), keys: keys}, webauthn.WithChallenge(challenge[:]))
	if err != nil {
		return nil, c, fmt.Errorf("confirm: %w", err)
	}
	options, err = json.Marshal(assertion.Response)
	return options, Ceremony{Session: *session, Account: who.ID(), Act: act}, err
}

// FinishConfirm gives the act that was confirmed. ErrSignIn where it was not.
func (s *Staff) FinishConfirm(ctx context.Context, site Site, who actor.Actor, c Ceremony, answer []byte) (act string, err error) {
	if !who.Person() || c.Account != who.ID() || c.Act == "" {
		return "", fmt.Errorf("confirm: %w: it answers another question", ErrSignIn)
	}
	w, err := site.relying()
	if err != nil {
		return "", fmt.Errorf("confirm: %w", err)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return "", fmt.Errorf("confirm: %w: %w", ErrSignIn, err)
	}
	keys, err := s.records(ctx, who.ID())
	if err != nil {
		return "", err
	}
	record, err := w.ValidateLogin(user{id: who.ID(), keys: keys}, c.Session, parsed)
	if err == nil {
		err = s.used(ctx, who.ID(), record, "confirm", "")
	}
	if err != nil {
		return "", fmt.Errorf("confirm: %w: %w", ErrSignIn, err)
	}
	return c.Act, nil
}
