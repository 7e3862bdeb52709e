package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"

	"github.com/go-json-experiment/json"
)

// Kratos is the admin API of Ory Kratos.
type Kratos struct {
	url    string // of the API, without a final slash
	token  string // "": the API is behind a door of its own
	hash   string
	client *http.Client
}

// NewKratos makes a connector of the address of its admin API, and of a token where it wants one.
func NewKratos(address, token string) (*Kratos, error) {
	if err := secure(address); err != nil {
		return nil, err
	}
	for len(address) > 0 && address[len(address)-1] == '/' {
		address = address[:len(address)-1]
	}
	return &Kratos{url: address, token: token, hash: Argon2id, client: client()}, nil
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// Force puts a hash in the place of the password's that no password has. Removing the credential is refused where it is the only one, and the
// person could not recover by it.
func (k *Kratos) Force(ctx context.Context, o Order) (Outcome, error) {
	return k.change(ctx, o, unusable(k.hash))
}

// Reset puts the hash of the chosen password there.
func (k *Kratos) Reset(ctx context.Context, o Order, password string) (Outcome, error) {
	h, err := hash(k.hash, password)
	if err != nil {
		return Outcome{}, err
	}
	return k.change(ctx, o, h)
}

func (k *Kratos) change(ctx context.Context, o Order, h string) (Outcome, error) {
	id, err := k.find(ctx, o.Account)
	if err != nil {
		return Outcome{}, err
	}
	patch := []map[string]string{{"op": "replace", "path": "/credentials/password/config/hashed_password", "value": h}}
	if _, err := k.ask(ctx, http.MethodPatch, "/admin/identities/"+id, patch); err != nil {
		return Outcome{}, err
	}
	out := Outcome{Refused: Yes, Ended: Yes}
	if _, err := k.ask(ctx, http.MethodDelete, "/admin/identities/"+id+"/sessions", nil); errors.Is(err, ErrNoAccount) {
		out.Ended = Nothing
	} else if err != nil {
		return Outcome{}, fmt.Errorf("the password is changed, and the sessions are not ended yet: %w", err)
	}
	return out, nil
}

// find gives the identity of an account: the account is its id, or what it logs in by.
func (k *Kratos) find(ctx context.Context, account string) (string, error) {
	if uuid.MatchString(account) {
		return account, nil
	}
	b, err := k.ask(ctx, http.MethodGet, "/admin/identities?page_size=2&credentials_identifier="+url.QueryEscape(account), nil)
	if err != nil {
		return "", err
	}
	var list []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return "", errors.New("the answer of Kratos is no list of identities")
	}
	switch {
	case len(list) == 0:
		return "", ErrNoAccount
	case len(list) > 1:
		return "", fmt.Errorf("%w: several identities log in by this", ErrRefused)
	case !uuid.MatchString(list[0].ID):
		return "", errors.New("an identity of Kratos has no id")
	}
	return list[0].ID, nil
}

func (k *Kratos) ask(ctx context.Context, method, path string, body any) ([]byte, error) {
	var src []byte
	if body != nil {
		var err error
		if src, err = json.Marshal(body, json.Deterministic(true)); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, k.url+path, bytes.NewReader(src))
	if err != nil {
		return nil, errors.New("the address of Kratos cannot be asked")
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.token != "" {
		req.Header.Set("Authorization", "Bearer "+k.token)
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, away(ctx, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, away(ctx, err)
	}
	switch err := refused(resp.StatusCode); {
	case resp.StatusCode == http.StatusBadRequest, errors.Is(err, ErrPassword): // such as an identity that logs in by something else, and has no password
		return nil, fmt.Errorf("%w: it answered %d", ErrRefused, resp.StatusCode)
	default:
		return said, err
	}
}

// Same cannot be told: the API does not give hashes.
func (k *Kratos) Same(context.Context, string, string) (same, known bool, err error) {
	return false, false, nil
}

// Again has nothing to look at.
func (k *Kratos) Again(context.Context, Order) (Outcome, error) {
	return Outcome{Refused: Yes, Ended: Yes}, nil
}

// Describe gives where it is.
func (k *Kratos) Describe() []byte { return []byte("kratos " + k.url) }
