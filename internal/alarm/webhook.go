package alarm

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/hint"
	"shirase/internal/outward"
)

// Webhook sends news by POST, signed as https://www.standardwebhooks.com says, so that whoever is told knows who tells.
type Webhook struct {
	url    string
	secret []byte
	client *http.Client
	now    func() time.Time
}

// ErrSecret reports a secret that is none of a webhook.
var ErrSecret = errors.New("not a secret of a webhook")

// secretPrefix begins a secret of a webhook (Standard Webhooks, "Signature scheme").
const secretPrefix = "whsec_"

// NewWebhook makes one of a URL and a secret: whsec_ and the base64 of 24 to 64 bytes.
func NewWebhook(url, secret string) (*Webhook, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(secret), secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, hint.Add(ErrSecret, `it is whsec_ and the base64 of 24 to 64 random bytes: echo "whsec_$(openssl rand -base64 32)"`)
	}
	client := &http.Client{Transport: outward.Transport(nil), Timeout: sendFor, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Webhook{url, key, client, time.Now}, nil
}

// sendFor bounds how long the other side may take.
const sendFor = 20 * time.Second

// Name is webhook: its URL may hold a secret.
func (w *Webhook) Name() string { return "webhook" }

// payload is what is sent (docs/FORMAT.md).
type payload struct {
	Type      string `json:"type"`      // alarm.raised or alarm.over
	Timestamp string `json:"timestamp"` // RFC 3339
	Data      struct {
		Alarm
		Since string `json:"since"`
		From  string `json:"from"`
	} `json:"data"`
}

// Send posts one piece of news. Anything but a 2xx is an error.
func (w *Webhook) Send(ctx context.Context, n News) error {
	p := payload{Type: "alarm.raised", Timestamp: w.now().UTC().Format(time.RFC3339)}
	if n.Over {
		p.Type = "alarm.over"
	}
	p.Data.Alarm, p.Data.Since, p.Data.From = n.Alarm, n.Since.UTC().Format(time.RFC3339), n.From
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL of the webhook is none")
	}
	id, at := "msg_"+rand.Text(), strconv.FormatInt(w.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", at)
	req.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(w.sign(id, at, body)))
	res, err := w.client.Do(req)
	if err != nil {
		var inner interface{ Unwrap() error }
		if errors.As(err, &inner) && inner.Unwrap() != nil { // without the URL
			err = inner.Unwrap()
		}
		return err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("it is answered with %d", res.StatusCode)
	}
	return nil
}

// sign is HMAC-SHA256 of id, time and body with dots between them (Standard Webhooks, "Signature scheme").
func (w *Webhook) sign(id, at string, body []byte) []byte {
	mac := hmac.New(sha256.New, w.secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	return mac.Sum(nil)
}
