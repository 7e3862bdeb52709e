package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

var (
	// ErrServer says that a server answered something other than the protocol's answers.
	ErrServer = errors.New("the server did not answer as the protocol says")
	// ErrBusy says that a server kept asking to wait.
	ErrBusy = errors.New("the server is busy")
	// ErrInsecure says that a server would be asked without TLS.
	ErrInsecure = errors.New("a server elsewhere is asked over https only")
)

// errTooLong is an ErrServer that callers can tell from others.
var errTooLong = fmt.Errorf("%w: a longer answer than any it could give", ErrServer)

const (
	maxWaits = 5 // 429 answers waited out for one request
	maxWait  = 2 * time.Minute
)

// StatusError is a server's refusal: its status and the detail of its problem
// details (RFC 9457).
type StatusError struct {
	Status  int
	Problem string // the last part of its type, such as "unknown-layer"; "" where it has none
	Detail  string
}

func (e *StatusError) Error() string {
	said := fmt.Sprintf("the server answered %d", e.Status)
	if e.Problem != "" {
		said += " (" + e.Problem + ")"
	}
	if e.Detail != "" {
		said += ": " + e.Detail
	}
	return said
}

// Unwrap makes a refusal an ErrServer, or ErrUnwitnessed where the server says
// that it waits for its witnesses.
func (e *StatusError) Unwrap() error {
	if e.Problem == "unwitnessed" {
		return ErrUnwitnessed
	}
	return ErrServer
}

// missing reports whether the server said that it does not have or cannot give something.
func (e *StatusError) missing() bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusGone || e.Status >= 500
}

// getJSON posts a body, or gets where there is none, and reads a JSON reply strictly.
func (c *Client) getJSON(ctx context.Context, u *url.URL, body []byte, limit int, v any) error {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	b, err := c.do(ctx, method, u, body, "application/json", limit)
	if err != nil {
		return err
	}
	if err := parseExactly(b, v); err != nil {
		return fmt.Errorf("%w: %v", ErrServer, err)
	}
	return nil
}

// do makes one request, waiting out 429 as often and as long as is bearable.
func (c *Client) do(ctx context.Context, method string, u *url.URL, body []byte, accept string, limit int) ([]byte, error) {
	for waits := 0; ; waits++ {
		b, wait, err := c.once(ctx, method, u, body, accept, limit)
		if wait == 0 {
			return b, err
		}
		if waits == maxWaits || wait > maxWait {
			return nil, fmt.Errorf("%w: it asks to come back in %s", ErrBusy, wait)
		}
		if c.Wait != nil {
			c.Wait(wait)
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// once makes one request. A wait above zero means 429.
func (c *Client) once(ctx context.Context, method string, u *url.URL, body []byte, accept string, limit int) (b []byte, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "identity") // lengths must not depend on content
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http().Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("reach the server: %w", redact(err))
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusTooManyRequests {
		return nil, retryAfter(res.Header.Get("Retry-After")), nil
	}
	if res.StatusCode != http.StatusOK {
		return nil, 0, problem(res)
	}
	b, err = io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	if err != nil {
		return nil, 0, fmt.Errorf("read the server's answer: %w", err)
	}
	if len(b) > limit {
		return nil, 0, fmt.Errorf("%w: more than %d bytes", errTooLong, limit)
	}
	return b, 0, nil
}

// redact drops the URL of a failed request: a bucket's number is not for logs.
func redact(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// retryAfter reads seconds; without any, it is one.
func retryAfter(h string) time.Duration {
	s, err := strconv.Atoi(h)
	if err != nil || s < 1 {
		s = 1
	}
	return time.Duration(min(s, 1<<20)) * time.Second
}

var problemName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// problem reads a refusal and its problem details, where there are any.
func problem(res *http.Response) *StatusError {
	e := &StatusError{Status: res.StatusCode}
	if t, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); t != "application/problem+json" {
		return e
	}
	var p struct {
		Type   string `json:"type"`
		Detail string `json:"detail"`
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil || json.Unmarshal(b, &p) != nil {
		return e
	}
	if i := strings.LastIndex(p.Type, "/problems/"); i >= 0 && len(p.Type) < 200 && problemName.MatchString(p.Type[i+len("/problems/"):]) {
		e.Problem = p.Type[i+len("/problems/"):]
	}
	if len(p.Detail) <= 1000 && utf8.ValidString(p.Detail) && !strings.ContainsFunc(p.Detail, func(r rune) bool { return r < 0x20 }) {
		e.Detail = p.Detail
	}
	return e
}

func (c *Client) base() (*url.URL, error) {
	u, err := url.Parse(c.Server)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("a server is a URL like https://shirase.example.org")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, fmt.Errorf("%w: without TLS others on the way would see which bucket is asked for", ErrInsecure)
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Tiles returns the ledger's files of a server.
func (c *Client) Tiles(base *url.URL) Tiles {
	return func(ctx context.Context, path string) ([]byte, error) {
		return c.do(ctx, http.MethodGet, base.JoinPath(path), nil, "application/octet-stream", maxReply)
	}
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

var defaultHTTP = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return defaultHTTP
}
