package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// hook is the connector's other half (docs/CONNECTORS.md, "Webhook"): what Shirase asks this application for. Requests are signed by
// Standard Webhooks.
type hook struct {
	accounts *accounts
	key      []byte
	now      func() time.Time
}

// readSecret reads a secret as both sides have it: "whsec_" and the base64 of 24 to 64 bytes.
func readSecret(s string) ([]byte, error) {
	text, ok := strings.CutPrefix(s, "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New(`the webhook's secret is "whsec_" and the base64 of 24 to 64 random bytes`)
	}
	return key, nil
}

// maxAge is how far away a request's time may be.
const maxAge = 5 * time.Minute

// signed reports whether a request is Shirase's, and of now.
func (h *hook) signed(r *http.Request, body []byte) bool {
	id, at := r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || id == "" {
		return false
	}
	if away := h.now().Sub(time.Unix(seconds, 0)); away > maxAge || away < -maxAge {
		return false
	}
	mac := hmac.New(sha256.New, h.key)
	io.WriteString(mac, id+"."+at+".")
	mac.Write(body)
	want := mac.Sum(nil)
	for _, each := range strings.Fields(r.Header.Get("Webhook-Signature")) {
		if text, ok := strings.CutPrefix(each, "v1,"); ok {
			if got, err := base64.StdEncoding.DecodeString(text); err == nil && hmac.Equal(got, want) {
				return true
			}
		}
	}
	return false
}

// asked is what Shirase asks.
type asked struct {
	V        int       `json:"v"`
	Type     string    `json:"type"`
	Account  string    `json:"account"`
	Order    string    `json:"order"`
	Issued   time.Time `json:"issued"`
	Password string    `json:"password"`
}

// answered is what it hears.
type answered struct {
	Old      string `json:"old,omitempty"`
	Sessions string `json:"sessions,omitempty"`
	Same     *bool  `json:"same,omitempty"`
}

// done is so of whatever was carried out here: there is one place with passwords, and one with sessions.
var done = answered{Old: "refused", Sessions: "ended"}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<10))
	if err != nil || !h.signed(r, body) {
		http.Error(w, "it is not signed", http.StatusUnauthorized)
		return
	}
	var a asked
	if err := json.Unmarshal(body, &a); err != nil || a.V != 1 {
		http.Error(w, "this is version 1", http.StatusBadRequest)
		return
	}
	said, status := h.do(a)
	if status != http.StatusOK {
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(said)
}

// do carries out what is asked for. The log names the kind of it and no account.
func (h *hook) do(a asked) (answered, int) {
	chosen := ""
	switch a.Type {
	case "password.same":
		x, ok := h.accounts.get(a.Account)
		if !ok {
			return answered{}, http.StatusNotFound
		}
		is := same(x.Hash, a.Password)
		return answered{Same: &is}, http.StatusOK
	case "password.again": // nothing is ever pending here
		if _, ok := h.accounts.get(a.Account); !ok {
			return answered{}, http.StatusNotFound
		}
		return done, http.StatusOK
	case "password.force", "sessions.end":
	case "password.reset":
		if a.Password == "" || !utf8.ValidString(a.Password) {
			return answered{}, http.StatusUnprocessableEntity
		}
		var err error
		if chosen, err = hash(a.Password); err != nil {
			return answered{}, http.StatusInternalServerError
		}
	default:
		return answered{}, http.StatusNotImplemented
	}
	ok, err := h.accounts.change(a.Account, func(x *account, sessions map[string]session) {
		if a.Issued.Before(x.Issued) { // somebody has chosen a new password since this was made up
			return
		}
		if a.Type != "sessions.end" {
			x.Hash, x.Issued = chosen, a.Issued
		}
		for k, s := range sessions {
			if s.Account == a.Account {
				delete(sessions, k)
			}
		}
	})
	switch {
	case err != nil:
		log.Printf("%s: %v", a.Type, err)
		return answered{}, http.StatusInternalServerError
	case !ok:
		return answered{}, http.StatusNotFound
	}
	return done, http.StatusOK
}
