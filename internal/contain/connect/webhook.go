package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"shirase/internal/hint"
	"shirase/internal/outward"
)

// Webhook is a program of the organisation's own that is asked by signed HTTP requests (Standard Webhooks).
type Webhook struct {
	url    string
	sign   *standardwebhooks.Webhook
	client *http.Client
	now    func() time.Time
}

const (
	answerFor  = 20 * time.Second
	answerSize = 16 << 10
)

// NewWebhook makes one of an address and the secret that both sides have ("whsec_" and base64). What goes there are passwords: it is https, or
// on this machine.
func NewWebhook(address, secret string) (*Webhook, error) {
	if err := secure(address); err != nil {
		return nil, err
	}
	sign, err := standardwebhooks.NewWebhook(secret)
	if err != nil || len(secret) < 30 {
		return nil, hint.Add(fmt.Errorf("%w: the webhook's secret is none", ErrSettings), `it is "whsec_" and the base64 of 24 to 64 random bytes`)
	}
	return &Webhook{url: address, sign: sign, client: client(), now: time.Now}, nil
}

// client follows nobody elsewhere: a password is for the address that was set.
func client() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64
	return &http.Client{Transport: outward.Transport(t), Timeout: answerFor, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// secure refuses an address to which passwords would go in the clear.
func secure(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%w: that is no address of a web server", ErrSettings)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme != "https" && !(u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())) {
		return hint.Add(fmt.Errorf("%w: %s is neither https nor on this machine", ErrSettings, u.Host), "passwords go there: give an https address")
	}
	return nil
}

// asked is the body of a request.
type asked struct {
	V        int    `json:"v"`
	Type     string `json:"type"` // password.force, password.reset, password.same, password.again, sessions.end
	Account  string `json:"account"`
	Order    string `json:"order,omitzero"`
	Issued   string `json:"issued,omitzero"`
	Password string `json:"password,omitzero"`
}

// answered is the body of an answer.
type answered struct {
	Old      string `json:"old,omitzero"`      // refused, pending
	Sessions string `json:"sessions,omitzero"` // ended, none, pending
	Again    int64  `json:"again,omitzero"`    // seconds
	Same     *bool  `json:"same,omitzero"`
}

// Force sends password.force.
func (w *Webhook) Force(ctx context.Context, o Order) (Outcome, error) {
	return w.order(ctx, "password.force", o, "")
}

// Reset sends password.reset.
func (w *Webhook) Reset(ctx context.Context, o Order, password string) (Outcome, error) {
	return w.order(ctx, "password.reset", o, password)
}

// Again sends password.again.
func (w *Webhook) Again(ctx context.Context, o Order) (Outcome, error) {
	return w.order(ctx, "password.again", o, "")
}

// End sends sessions.end, of an account whose password is elsewhere.
func (w *Webhook) End(ctx context.Context, o Order) (Known, error) {
	o.ID += "-sessions"
	out, err := w.order(ctx, "sessions.end", o, "")
	return out.Ended, err
}

// Same sends password.same. A program that does not answer it answers 501.
func (w *Webhook) Same(ctx context.Context, account, password string) (same, known bool, err error) {
	a, err := w.ask(ctx, fmt.Sprintf("same-%d", w.now().UnixNano()), asked{V: Version, Type: "password.same", Account: account, Password: password})
	if errors.Is(err, errNotThere) {
		return false, false, nil
	}
	if err != nil || a.Same == nil {
		return false, false, err
	}
	return *a.Same, true, nil
}

// Describe gives where it is.
func (w *Webhook) Describe() []byte { return []byte("webhook " + w.url) }

func (w *Webhook) order(ctx context.Context, what string, o Order, password string) (Outcome, error) {
	a, err := w.ask(ctx, o.ID, asked{V: Version, Type: what, Account: o.Account, Order: o.ID, Issued: o.Issued.UTC().Format(time.RFC3339Nano), Password: password})
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Again: time.Duration(min(max(a.Again, 0), 7*86400)) * time.Second}
	words := map[string]Known{"": Unsaid, "refused": Yes, "ended": Yes, "pending": Pending, "none": Nothing}
	var ok1, ok2 bool
	out.Refused, ok1 = words[a.Old]
	out.Ended, ok2 = words[a.Sessions]
	if !ok1 || !ok2 || a.Old == "ended" || a.Old == "none" || a.Sessions == "refused" {
		return Outcome{}, errors.New("the receiver's answer has words that the contract does not have")
	}
	return out, nil
}

// errNotThere says that the receiver does not have a type of request.
var errNotThere = errors.New("the receiver does not know this request")

func (w *Webhook) ask(ctx context.Context, id string, a asked) (answered, error) {
	body, err := json.Marshal(a, json.Deterministic(true))
	if err != nil {
		return answered{}, fmt.Errorf("%w: an account's id that cannot be written", ErrRefused)
	}
	at := w.now()
	signature, err := w.sign.Sign(id, at, body)
	if err != nil {
		return answered{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return answered{}, errors.New("the webhook's address cannot be asked")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, fmt.Sprint(at.Unix()))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	resp, err := w.client.Do(req)
	if err != nil {
		return answered{}, away(ctx, err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, answerSize))
	if err != nil {
		return answered{}, away(ctx, err)
	}
	if err := refused(resp.StatusCode); err != nil {
		return answered{}, err
	}
	var out answered
	if len(bytes.TrimSpace(said)) > 0 {
		if err := json.Unmarshal(said, &out); err != nil {
			return answered{}, errors.New("the receiver's answer is not what the contract says")
		}
	}
	return out, nil
}

// away says that nobody answers, unless whoever asked has given up.
func away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("the system took too long to answer") // it may have done it
	}
	return fmt.Errorf("%w: it cannot be reached", ErrAway) // err may have the address with what stands in it
}

// refused is what a status says.
func refused(status int) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusNotFound || status == http.StatusGone:
		return ErrNoAccount
	case status == http.StatusUnprocessableEntity:
		return ErrPassword
	case status == http.StatusConflict:
		return ErrRefused
	case status == http.StatusNotImplemented:
		return errNotThere
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status/100 == 3 || status == http.StatusServiceUnavailable || status == http.StatusBadGateway:
		return fmt.Errorf("%w: it answered %d", ErrAway, status)
	}
	return fmt.Errorf("it answered %d", status)
}
