package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/check"

	"shirase/internal/outward"
)

// Doer makes requests: an *http.Client.
type Doer = *http.Client

const (
	maxWaits = 20 // 429 answers waited out for one request
	maxWait  = 5 * time.Minute
	small    = 64 << 10
	maxData  = 4 << 20 // of a document: what a ledger takes
	maxList  = 8 << 20 // of an answer of the API
)

// fetcher gets from one server.
type fetcher struct {
	base *url.URL
	http *http.Client
	wait func(context.Context, time.Duration) error
}

func newFetcher(server string, m *Monitor) (*fetcher, error) {
	u, err := serverURL(server)
	if err != nil {
		return nil, err
	}
	f := &fetcher{base: u, http: m.HTTP, wait: func(ctx context.Context, d time.Duration) error { return m.Wait(ctx, d) }}
	if f.http == nil {
		f.http = &http.Client{Transport: outward.Transport(nil), Timeout: 10 * time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return f, nil
}

// gone reports whether a server says that it has nothing there.
func gone(err error) bool {
	var s *check.StatusError
	return errors.As(err, &s) && (s.Status == http.StatusNotFound || s.Status == http.StatusGone)
}

// refused reports whether a server answered, and with a refusal.
func refused(err error) bool {
	var s *check.StatusError
	return errors.As(err, &s)
}

// at is a URL below the base.
func (f *fetcher) at(path string) *url.URL { return f.base.JoinPath(path) }

// get gets at most limit bytes. A refusal is a *check.StatusError.
func (f *fetcher) get(ctx context.Context, u *url.URL, accept string, limit int64) ([]byte, error) {
	b, _, err := f.getHead(ctx, u, accept, limit)
	return b, err
}

// getHead is get, with the header.
func (f *fetcher) getHead(ctx context.Context, u *url.URL, accept string, limit int64) ([]byte, http.Header, error) {
	res, err := f.open(ctx, u, accept)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", u.Path, err)
	}
	if int64(len(b)) > limit {
		return nil, nil, fmt.Errorf("read %s: %w: more than %d bytes", u.Path, check.ErrServer, limit)
	}
	return b, res.Header, nil
}

// open makes a request, waiting out 429.
func (f *fetcher) open(ctx context.Context, u *url.URL, accept string) (*http.Response, error) {
	for waits := 0; ; waits++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", accept)
		req.Header.Set("Accept-Encoding", "identity")
		res, err := f.http.Do(req)
		if err != nil {
			var of *url.Error
			if errors.As(err, &of) {
				err = of.Err
			}
			return nil, fmt.Errorf("reach %s: %w", f.base.Host, err)
		}
		switch res.StatusCode {
		case http.StatusOK:
			return res, nil
		case http.StatusTooManyRequests:
			s, err := strconv.Atoi(res.Header.Get("Retry-After"))
			res.Body.Close()
			if err != nil || s < 1 {
				s = 1
			}
			d := time.Duration(min(s, 1<<20)) * time.Second
			if waits == maxWaits || d > maxWait {
				return nil, fmt.Errorf("%w: it asks to come back in %s", check.ErrBusy, d)
			}
			if err := f.wait(ctx, d); err != nil {
				return nil, err
			}
		default:
			err := &check.StatusError{Status: res.StatusCode}
			var p struct {
				Type    string `json:"type"`
				Unknown any    `json:",unknown"`
			}
			if b, rerr := io.ReadAll(io.LimitReader(res.Body, 4<<10)); rerr == nil && json.Unmarshal(b, &p) == nil && len(p.Type) < 200 {
				if _, problem, ok := cutLast(p.Type, "/problems/"); ok {
					err.Problem = problem
				}
			}
			res.Body.Close()
			return nil, err
		}
	}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	for i := len(s) - len(sep); i >= 0; i-- {
		if s[i:i+len(sep)] == sep {
			return s[:i], s[i+len(sep):], true
		}
	}
	return s, "", false
}

// tile gets a file of the ledger.
func (f *fetcher) tile(ctx context.Context, path string) ([]byte, error) {
	return f.get(ctx, f.at(path), "application/octet-stream", small)
}
