// Package connect is where an organisation's accounts are: what Shirase asks of the system that knows their passwords and sessions, and
// five systems that are asked.
//
// The contract is in docs/CONNECTORS.md, and is what its tests say: after Force the old password is refused, the sessions are ended, and
// nobody gets in before they have changed their password; after Reset the password is the new one, the old one is refused, and the sessions
// are ended. What a system cannot do, or does not say, is part of its answer: it is never taken for done.
package connect

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// Version is that of the contract, which webhooks name.
const Version = 1

// Errors of a connector. Any other is one of the moment: it is not known whether anything was done, and the same order may be tried again.
var (
	// ErrNoAccount says that there is no such account.
	ErrNoAccount = errors.New("there is no such account there")
	// ErrRefused says that the system will not do it for this account, however often it is asked.
	ErrRefused = errors.New("it is refused for this account")
	// ErrPassword says that the system does not take this password.
	ErrPassword = errors.New("the system does not take this password")
	// ErrAway says that the system answers nobody, or not us: it is waited for, and no account is at fault.
	ErrAway = errors.New("the system with the accounts does not answer")
	// ErrSettings says that a connector cannot be made of its settings.
	ErrSettings = errors.New("the connector is not set up")
)

// Order is something that is to be done with an account. The same order may come several times: doing it again changes nothing more.
type Order struct {
	ID      string // the same in each try
	Account string // the organisation's own id
	// Issued is when it was made up. Whoever has carried out a later one for the account lets an earlier one be.
	Issued time.Time
	// Seed makes up the passwords that nobody knows and that stand in an account's place for a while. It is the account's alone, and the same in
	// each try.
	Seed []byte
	// Chosen says, of Again, that the account has a password that its person chose: what is looked at is what was before that.
	Chosen bool
}

// Known is what a system says of something that is to be so.
type Known uint8

// What is known.
const (
	Unsaid  Known = iota // the system does not say
	Yes                  // it is so
	Pending              // it is not so yet, or not everywhere: it is to be looked at again
	Nothing              // there is nothing of the kind: a directory has no sessions
)

// Outcome is how an account stands after an order.
type Outcome struct {
	Refused Known         // the old password is
	Ended   Known         // the sessions are
	Again   time.Duration // after which what is pending is looked at again; 0: the connector does not say
}

// Connector is a system with accounts.
type Connector interface {
	// Force has the old password refused, ends the sessions, and lets nobody in before they have changed their password.
	Force(ctx context.Context, o Order) (Outcome, error)
	// Reset sets the password that somebody has chosen, and ends the sessions. ErrPassword where the system does not take it.
	Reset(ctx context.Context, o Order, password string) (Outcome, error)
	// Same reports whether a password is one that the account has, or had; known is false where the system cannot tell.
	Same(ctx context.Context, account, password string) (same, known bool, err error)
	// Again looks at what was pending after an order.
	Again(ctx context.Context, o Order) (Outcome, error)
	// Describe says what it is, in bytes that whoever approves a bulk order approves with it. It holds no secret.
	Describe() []byte
}

// unknown is a password that nobody knows: it follows from an order's seed, so that it can be tried again without being kept. It has every
// sort of character that directories ask for.
func (o Order) unknown(name string) string {
	k, err := hkdf.Key(sha256.New, o.Seed, nil, "shirase/v1 connector "+name, 24)
	if err != nil {
		panic(err) // only for lengths beyond 255 hashes
	}
	return "Aa1-" + base64.RawURLEncoding.EncodeToString(k)
}

// Both is a connector whose passwords and sessions are in two systems.
type Both struct {
	Connector          // of passwords
	Sessions  *Webhook // a directory has none: the applications do
}

// Force is done when both are.
func (b Both) Force(ctx context.Context, o Order) (Outcome, error) {
	out, err := b.Connector.Force(ctx, o)
	if err != nil {
		return out, err
	}
	return b.end(ctx, o, out)
}

// Reset is done when both are.
func (b Both) Reset(ctx context.Context, o Order, password string) (Outcome, error) {
	out, err := b.Connector.Reset(ctx, o, password)
	if err != nil {
		return out, err
	}
	return b.end(ctx, o, out)
}

func (b Both) end(ctx context.Context, o Order, out Outcome) (Outcome, error) {
	ended, err := b.Sessions.End(ctx, o)
	if errors.Is(err, ErrNoAccount) { // who has never logged in has no sessions
		ended, err = Nothing, nil
	}
	if err != nil {
		return out, fmt.Errorf("end the sessions: %w", err)
	}
	out.Ended = ended
	return out, nil
}

// Describe describes both.
func (b Both) Describe() []byte {
	return fmt.Appendf(b.Connector.Describe(), "\nsessions: %s", b.Sessions.Describe())
}
