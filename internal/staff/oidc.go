package staff

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"database/sql"
	"shirase/internal/actor"
	"shirase/internal/outward"
)

// A Provider is an identity provider that staff may sign in by (OpenID Connect Core 1.0, authorization code flow with PKCE,
// RFC 7636). It is asked who somebody is, and nothing else: what they may do stays here, and what cannot be undone asks for a
// passkey of ours, because the provider may be what was breached.
type Provider struct {
	Issuer   string
	ClientID string
	Secret   string
	Back     string // where it sends people back to
	Client   *http.Client

	mu    sync.Mutex
	found *oidc.Provider
}

// A Journey is somebody's way to the provider and back. It is kept out of the browser's reach, and is good for one return.
type Journey struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Until    time.Time `json:"until"`
	Token    string    `json:"token,omitempty"` // of an invitation, by which an account is made at the return
	Name     string    `json:"name,omitempty"`
	Leads    bool      `json:"leads,omitempty"`
	Account  string    `json:"account,omitempty"` // that gets this door
	Next     string    `json:"next,omitempty"`
}

// discover asks the provider what it is, once it can be reached.
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	known := p.found
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	// It is asked without the lock: a provider that does not answer holds up who asks, and nobody else. What it finds outlives the request: keys are fetched anew by it.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), p.client()), p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("ask the identity provider: %w", err)
	}
	p.mu.Lock()
	p.found = found
	p.mu.Unlock()
	return found, nil
}

func (p *Provider) client() *http.Client {
	if p.Client != nil {
		return p.Client
	}
	return &http.Client{Transport: outward.Transport(nil), Timeout: 10 * time.Second}
}

func (p *Provider) flow(found *oidc.Provider) oauth2.Config {
	return oauth2.Config{ClientID: p.ClientID, ClientSecret: p.Secret, Endpoint: found.Endpoint(), RedirectURL: p.Back, Scopes: []string{oidc.ScopeOpenID}}
}

// Begin gives the address to send somebody to, and completes the journey.
func (p *Provider) Begin(ctx context.Context, now time.Time, j *Journey) (string, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	j.State, j.Nonce, j.Verifier, j.Until = rand.Text(), rand.Text(), oauth2.GenerateVerifier(), now.Add(10*time.Minute)
	c := p.flow(found)
	return c.AuthCodeURL(j.State, oidc.Nonce(j.Nonce), oauth2.S256ChallengeOption(j.Verifier)), nil
}

// Finish gives who came back, as a hash of issuer and subject. ErrSignIn where it is not the return of this journey.
func (p *Provider) Finish(ctx context.Context, now time.Time, j Journey, query url.Values) (string, error) {
	switch {
	case j.State == "" || subtle.ConstantTimeCompare([]byte(j.State), []byte(query.Get("state"))) != 1:
		return "", fmt.Errorf("come back from the identity provider: %w: another state", ErrSignIn)
	case now.After(j.Until):
		return "", fmt.Errorf("come back from the identity provider: %w: too late", ErrSignIn)
	case query.Get("code") == "":
		return "", fmt.Errorf("come back from the identity provider: %w: it refused", ErrSignIn)
	}
	found, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	ctx = oidc.ClientContext(ctx, p.client())
	c := p.flow(found)
	token, err := c.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(j.Verifier))
	if err != nil {
		return "", fmt.Errorf("come back from the identity provider: %w: the code is not taken", ErrSignIn)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.Verifier(&oidc.Config{ClientID: p.ClientID}).Verify(ctx, raw)
	if err != nil {
		return "", fmt.Errorf("come back from the identity provider: %w: %w", ErrSignIn, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(j.Nonce)) != 1 {
		return "", fmt.Errorf("come back from the identity provider: %w: another nonce", ErrSignIn)
	}
	return subject(id.Issuer, id.Subject), nil
}

// subject is how somebody at a provider is kept: no table says who they are there.
func subject(issuer, sub string) string {
	data, _ := json.Marshal([]string{issuer, sub}) // texts can always be written
	sum := sha256.Sum256(append([]byte("shirase/v1 staff oidc\x00"), data...))
	return hex.EncodeToString(sum[:])
}

// ByOIDC says who signs in as somebody at the provider. ErrSignIn where nobody does.
func (s *Staff) ByOIDC(ctx context.Context, subject string) (Account, error) {
	if subject == "" {
		return Account{}, fmt.Errorf("sign in: %w", ErrSignIn)
	}
	a, err := s.scan(s.db.QueryRowContext(ctx, `SELECT `+columns+` FROM staff_account WHERE oidc = $1 AND removed = 0`, subject))
	if err != nil {
		return Account{}, fmt.Errorf("sign in: %w: %w", ErrSignIn, err)
	}
	err = s.db.Update(ctx, func(tx *sql.Tx) error { return s.log(ctx, tx, a.ID+" by console", "sign-in", a.ID, "", "oidc") })
	return a, err
}

// ActOIDC is what a passkey confirms for a sign-in by the identity provider.
const ActOIDC = "oidc"

// LinkOIDC lets whoever does it sign in by the provider as well, or, with subject "", not any more.
func (s *Staff) LinkOIDC(ctx context.Context, who actor.Actor, subject string) error {
	if !who.Person() {
		return fmt.Errorf("sign in by an identity provider: %w", actor.ErrNobody)
	}
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		a, err := s.account(ctx, tx, who.ID())
		if err != nil {
			return err
		}
		if subject == "" && a.Passkeys == 0 {
			return fmt.Errorf("%w: there is no passkey yet", ErrLast)
		}
		if subject == "" {
			_, err = tx.ExecContext(ctx, `UPDATE staff_account SET oidc = '' WHERE id = $1`, a.ID)
		} else {
			err = s.give(ctx, tx, a.ID, Door{OIDC: subject})
		}
		if err != nil {
			return err
		}
		return s.log(ctx, tx, who.String(), "oidc", a.ID, "", "")
	})
	if err != nil {
		return fmt.Errorf("sign in by an identity provider: %w", err)
	}
	return nil
}
