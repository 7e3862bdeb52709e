package console

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"shirase/internal/actor"
	"shirase/internal/staff"
)

// provider is an identity provider: it signs what it is told to.
type provider struct {
	*httptest.Server
	key     *rsa.PrivateKey
	subject string
	nonce   string // that it puts into the token; "" is the one it was asked with
	asked   url.Values
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, subject: "kimura"}
	mux := http.NewServeMux()
	say := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		say(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		say(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			return
		}
		// RFC 7636, 4.6: the verifier is that of the challenge.
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		if r.PostForm.Get("code") != "code" || base64.RawURLEncoding.EncodeToString(sum[:]) != p.asked.Get("code_challenge") {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		nonce := p.nonce
		if nonce == "" {
			nonce = p.asked.Get("nonce")
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: p.key, KeyID: "1"}}, nil)
		if err != nil {
			return
		}
		claims, err := json.Marshal(map[string]any{"iss": p.URL, "sub": p.subject, "aud": "shirase", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "nonce": nonce})
		if err != nil {
			return
		}
		signed, err := signer.Sign(claims)
		if err != nil {
			return
		}
		token, err := signed.CompactSerialize()
		if err != nil {
			return
		}
		say(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": token})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// follow reads where somebody was sent, as the provider does, and gives the way back.
func (p *provider) follow(t *testing.T, to string) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, p.URL+"/authorize?") {
		t.Fatal(to, err)
	}
	p.asked = u.Query()
	if p.asked.Get("code_challenge_method") != "S256" || p.asked.Get("nonce") == "" || p.asked.Get("redirect_uri") != base+"/console/oidc/back" {
		t.Errorf("%v", p.asked)
	}
	return "/console/oidc/back?" + url.Values{"code": {"code"}, "state": {p.asked.Get("state")}}.Encode()
}

func TestOIDC(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		idp := newProvider(t)
		d.console.OIDC = &staff.Provider{Issuer: idp.URL, ClientID: "shirase", Secret: "secret", Back: base + "/console/oidc/back"}
		d.first()
		token, err := d.staff.Invite(context.Background(), actor.Operator(), "木村", []actor.Role{actor.Administrator, actor.Writer}, actor.None)
		if err != nil {
			t.Fatal(err)
		}
		kimura := d.stranger()
		a := kimura.do("POST", "/console/join/oidc", url.Values{"token": {token}}, json1)
		back := idp.follow(t, a.json(t)["to"].(string))
		// Somebody else's browser comes back with it: it has not asked.
		if a := d.stranger().get(back); a.status != http.StatusUnauthorized {
			t.Errorf("a way back that another browser began: %d", a.status)
		}
		if a := kimura.get(back); a.status != http.StatusSeeOther || a.header.Get("Location") != "/console/account" {
			t.Fatal(a.status, a.body)
		}
		if a := kimura.get(back); a.status != http.StatusUnauthorized {
			t.Errorf("the same way back twice: %d", a.status)
		}
		if a := kimura.get("/console/account"); a.status != http.StatusOK || !strings.Contains(a.body, "木村") {
			t.Error(a.status)
		}
		// What wants a passkey is not confirmed by the provider.
		if a := kimura.do("POST", "/console/confirm", url.Values{"act": {"invite writer none x"}}, json1); a.status != http.StatusUnprocessableEntity {
			t.Errorf("a confirmation without a passkey: %d %s", a.status, a.body)
		}
		if a := kimura.post("/console/people/invite", url.Values{"name": {"x"}, "role": {"writer"}}); a.status != http.StatusForbidden {
			t.Errorf("an invitation without a passkey: %d", a.status)
		}
		again := d.stranger()
		start := func() string {
			t.Helper()
			a := again.get("/console/oidc?next=/console/people")
			if a.status != http.StatusSeeOther {
				t.Fatal(a.status, a.body)
			}
			return idp.follow(t, a.header.Get("Location"))
		}
		if a := again.get(start()); a.status != http.StatusSeeOther || a.header.Get("Location") != "/console/people" {
			t.Errorf("signing in: %d %s", a.status, a.header.Get("Location"))
		}
		again.post("/console/sign-out", url.Values{})
		wrong := func(what, back string) {
			t.Helper()
			if a := again.get(back); a.status != http.StatusUnauthorized {
				t.Errorf("%s: %d", what, a.status)
			}
			if a := again.get("/console/account"); a.status != http.StatusSeeOther {
				t.Errorf("%s: signed in", what)
			}
		}
		wrong("another state", start()+"x")
		idp.nonce = "another"
		wrong("another nonce", start())
		idp.nonce, idp.subject = "", "stranger"
		wrong("nobody of the staff", start())
		idp.subject = "kimura"
		start()
		wrong("it refuses", "/console/oidc/back?error=access_denied&state="+idp.asked.Get("state"))
		// The way back in from the host wants a passkey: the provider may be what was breached.
		link, _, err := d.staff.Recover(context.Background(), actor.Operator(), "木村", false)
		if err != nil {
			t.Fatal(err)
		}
		if a := d.stranger().do("POST", "/console/join/oidc", url.Values{"token": {link}}, json1); a.status != http.StatusUnprocessableEntity {
			t.Errorf("a recovery by the provider: %d", a.status)
		}
	})
}
