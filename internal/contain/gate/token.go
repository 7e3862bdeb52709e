package gate

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// Form is what asks with a token, and where it says of what: nothing else that it passes on is read.
type Form string

// The forms.
const (
	Nginx   Form = "nginx"   // X-Original-URI, X-Original-Method
	Caddy   Form = "caddy"   // X-Forwarded-Uri, X-Forwarded-Method
	Traefik Form = "traefik" // as Caddy
	Envoy   Form = "envoy"   // the path below the endpoint, and the method
	Decide  Form = "decide"  // an application or an identity provider, by POST /gate/v1/decide
)

// Forms lists them.
func Forms() []Form { return []Form{Nginx, Caddy, Traefik, Envoy, Decide} }

// A Token lets a proxy or an application ask. No peer is believed by its address.
type Token struct {
	Name       string    `json:"name"`
	Form       Form      `json:"form"`
	Identities bool      `json:"identities,omitzero"` // what it says of who asks was verified by it
	Made       time.Time `json:"made"`
	By         string    `json:"by"`

	hash [sha256.Size]byte
}

const tokenPrefix = "shirase-gate_"

// NewToken makes a token, which is shown once: only its hash is kept. identities says that the proxy verifies who asks, and puts
// it into X-Shirase-Account or X-Shirase-Email in the place of what a client sent. Errors: ErrInput.
func (g *Gate) NewToken(ctx context.Context, who actor.Actor, name string, form Form, identities bool) (secret string, err error) {
	if err := who.May(actor.Keys, ""); err != nil {
		return "", fmt.Errorf("make a token of the gate: %w", err)
	}
	switch {
	case !routeName.MatchString(name):
		return "", fmt.Errorf("make a token of the gate: %w: a name is 1 to 40 of a-z, 0-9 and -", ErrInput)
	case !slices.Contains(Forms(), form):
		return "", fmt.Errorf("make a token of the gate: %w: %q is none of nginx, caddy, traefik, envoy and decide", ErrInput, form)
	case identities && form == Decide:
		return "", fmt.Errorf("make a token of the gate: %w: what an application asks of is always an account", ErrInput)
	}
	b := make([]byte, 32)
	rand.Read(b)
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
	sum := hashToken(secret)
	err = g.DB.Update(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM gate_token WHERE name = $1`, name).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%w: there is a token %s: end it first", ErrInput, name)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO gate_token (name, form, identities, hash, made_at, made_by) VALUES ($1, $2, $3, $4, $5, $6)`,
			name, string(form), identities, sum[:], store.Micros(g.Now()), who.String()); err != nil {
			return err
		}
		return bump(ctx, tx)
	})
	if err != nil {
		return "", wrap("make a token of the gate", err)
	}
	g.poke()
	return secret, nil
}

// EndToken ends a token. Errors: ErrNotFound.
func (g *Gate) EndToken(ctx context.Context, who actor.Actor, name string) error {
	if err := who.May(actor.Keys, ""); err != nil {
		return fmt.Errorf("end a token of the gate: %w", err)
	}
	err := g.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM gate_token WHERE name = $1`, name)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%w: token %q", ErrNotFound, name))
		}
		return bump(ctx, tx)
	})
	if err != nil {
		return wrap("end a token of the gate", err)
	}
	g.poke()
	return nil
}

// Tokens gives those that there are.
func (g *Gate) Tokens(ctx context.Context, who actor.Actor) ([]Token, error) {
	if err := who.May(actor.Keys, ""); err != nil {
		return nil, fmt.Errorf("list tokens of the gate: %w", err)
	}
	return tokens(ctx, g.DB)
}

func tokens(ctx context.Context, q store.Querier) ([]Token, error) {
	rows, err := q.QueryContext(ctx, `SELECT name, form, identities, hash, made_at, made_by FROM gate_token ORDER BY name`)
	if err != nil {
		return nil, wrap("list tokens of the gate", err)
	}
	defer rows.Close()
	var out []Token
	for rows.Next() {
		var t Token
		var form string
		var sum []byte
		var at int64
		if err := rows.Scan(&t.Name, &form, &t.Identities, &sum, &at, &t.By); err != nil {
			return nil, err
		}
		if len(sum) != sha256.Size {
			return nil, fmt.Errorf("token %s of the gate: its hash is damaged", t.Name)
		}
		t.Form, t.Made, t.hash = Form(form), store.FromMicros(at), [sha256.Size]byte(sum)
		out = append(out, t)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

func hashToken(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// bearer takes a token out of an Authorization header.
func bearer(header string) string {
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
