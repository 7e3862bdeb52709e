// Package fetch gets pages of others: politely, since they are not asked whether they want to be read, and without trusting anything
// that they answer.
//
// Polite: one request at a time to a host, with a pause between two; what robots.txt (RFC 9309) asks not to be read is not read; what
// was read is asked for only if it has changed (ETag, Last-Modified); the agent is named.
//
// Safe: a page names where the next request goes, so whoever writes one could have this machine ask what only this machine can reach.
// Every connection is refused, after its name was looked up and before it is made, unless it leads to an address of the public
// internet, or to one that the operator named. No proxy is used: it would look names up itself. Time, size, redirects and what
// compressed bytes become are bounded.
package fetch

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"shirase/internal/hint"
	"shirase/internal/outward"
)

// Errors of this package.
var (
	// ErrURL reports what is no address of a page.
	ErrURL = errors.New("not the address of a page")
	// ErrAddress reports a connection that is not made.
	ErrAddress = errors.New("nothing is asked there")
	// ErrTooLarge reports an answer that is longer than is read, packed or unpacked.
	ErrTooLarge = errors.New("the answer is too large")
	// ErrSlow reports an answer that did not come to its end in time.
	ErrSlow = errors.New("the answer takes too long")
	// ErrRedirects reports redirects that do not end, or lead to what is no page.
	ErrRedirects = errors.New("it redirects too often")
	// ErrRobots reports a page that its site asks robots not to read.
	ErrRobots = errors.New("its site asks programs not to read it (robots.txt)")
	// ErrExercise reports what an exercise serves.
	ErrExercise = errors.New("it is an exercise, and nothing of it is real")
	// ErrBusy reports a site that asks to be left alone for now.
	ErrBusy = errors.New("the site asks to come back later")
)

// Bounds.
const (
	maxRedirects = 5
	maxURL       = 2000
	maxHeader    = 64 << 10
	maxPause     = time.Minute // that a site can ask for between two requests, here and now
)

// Options of a client.
type Options struct {
	Agent    string           // who asks: shirase/1 (+https://notice.example.org)
	Allow    []netip.AddrPort // addresses that may be asked although they are not of the public internet
	Max      int64            // bytes of an answer, unpacked; 0: 20 MiB
	Timeout  time.Duration    // for one answer, to its last byte; 0: a minute
	Pause    time.Duration    // between the end of one request to a host and the next; 0: 2 seconds, negative: none
	Resolver *net.Resolver    // nil: the system's
	Now      func() time.Time
	Wait     func(ctx context.Context, d time.Duration) error
}

// Client gets pages. It is safe for concurrent use.
type Client struct {
	o     Options
	http  *http.Client
	mu    sync.Mutex
	hosts map[string]*host
}

// New makes a client.
func New(o Options) *Client {
	o.Agent, o.Max, o.Timeout = cmp.Or(o.Agent, "shirase"), cmp.Or(o.Max, 20<<20), cmp.Or(o.Timeout, time.Minute)
	o.Pause = cmp.Or(o.Pause, 2*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	c := &Client{o: o, hosts: map[string]*host{}}
	dialer := &net.Dialer{Timeout: 15 * time.Second, Control: c.control, Resolver: o.Resolver}
	c.http = &http.Client{
		Transport: outward.Transport(&http.Transport{Proxy: nil, DialContext: outward.Dialer(dialer), TLSHandshakeTimeout: 15 * time.Second, MaxResponseHeaderBytes: maxHeader, DisableCompression: true,
			MaxConnsPerHost: 1, MaxIdleConns: 20, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Known is what was kept of an earlier answer.
type Known struct{ ETag, LastModified string }

// Page is an answer.
type Page struct {
	URL     string // that was asked for
	Final   string // that answered, where it redirected
	Status  int
	Header  http.Header
	Raw     []byte // as it came over the wire, packed where it was
	Body    []byte // unpacked
	Fetched time.Time
	Request http.Header // that was sent
}

// Unchanged reports that the page is as it is known.
func (p *Page) Unchanged() bool { return p.Status == http.StatusNotModified }

// Gone reports that there is no such page any more.
func (p *Page) Gone() bool { return p.Status == http.StatusNotFound || p.Status == http.StatusGone }

// OK reports that there is a page.
func (p *Page) OK() bool { return p.Status == http.StatusOK }

// SHA256 is the digest of the page, unpacked, in hex.
func (p *Page) SHA256() string {
	sum := sha256.Sum256(p.Body)
	return hex.EncodeToString(sum[:])
}

// Check reads the address of a page: http or https, without a name and password, and without control characters.
func Check(address string) (*url.URL, error) {
	fail := func(why string) (*url.URL, error) {
		return nil, hint.Add(fmt.Errorf("%w: %s", ErrURL, why), "an address such as https://www.example.org/news/notice.html")
	}
	if len(address) > maxURL {
		return fail("it is too long")
	}
	u, err := url.Parse(strings.TrimSpace(address))
	switch {
	case err != nil:
		return fail("it cannot be read")
	case u.Scheme != "http" && u.Scheme != "https":
		return fail("it is neither http nor https")
	case u.Hostname() == "" || u.Opaque != "":
		return fail("it names no host")
	case u.User != nil:
		return fail("it has a name and a password in it")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// Get asks for a page, which may say that it has not changed since known. It waits for its turn. A page that is not there is an
// answer, and no error. Errors: those of this package, and of the network.
func (c *Client) Get(ctx context.Context, address string, known Known) (*Page, error) {
	return c.get(ctx, address, known, true)
}

// Ask is Get for what is made for programs and was named by a person: another instance's interface, a file that proves a domain.
// robots.txt is about pages that programs find by themselves, and is not asked.
func (c *Client) Ask(ctx context.Context, address string) (*Page, error) {
	return c.get(ctx, address, Known{}, false)
}

// AskIfChanged is Ask for what may be known.
func (c *Client) AskIfChanged(ctx context.Context, address string, known Known) (*Page, error) {
	return c.get(ctx, address, known, false)
}

func (c *Client) get(ctx context.Context, address string, known Known, robots bool) (*Page, error) {
	u, err := Check(address)
	if err != nil {
		return nil, err
	}
	asked := u.String()
	for hops := 0; ; hops++ {
		h := c.host(u)
		if err := h.turn(ctx, c); err != nil {
			return nil, err
		}
		p, next, err := c.polite(ctx, h, u, known, robots)
		h.done(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.Host, err)
		}
		if next == nil {
			p.URL, p.Final = asked, u.String()
			if p.Header.Get("Shirase-Exercise") != "" {
				return nil, fmt.Errorf("%w: %s", ErrExercise, u.Host)
			}
			return p, nil
		}
		if hops == maxRedirects {
			return nil, fmt.Errorf("%s: %w: more than %d times", u.Host, ErrRedirects, maxRedirects)
		}
		u, known = next, Known{}
	}
}

// polite asks robots.txt first, where that is about it.
func (c *Client) polite(ctx context.Context, h *host, u *url.URL, known Known, robots bool) (*Page, *url.URL, error) {
	if robots {
		if err := h.may(ctx, c, u); err != nil {
			return nil, nil, err
		}
	}
	p, err := c.once(ctx, u, known, c.o.Max)
	if err != nil {
		return nil, nil, err
	}
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.rest(c, p.Header.Get("Retry-After"))
		return nil, nil, fmt.Errorf("%w (%d)", ErrBusy, p.Status)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		to, err := u.Parse(p.Header.Get("Location"))
		if err == nil {
			to, err = Check(to.String())
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%w: to what is no page", ErrRedirects)
		}
		return nil, to, nil
	}
	return p, nil, nil
}

// once makes one request, and reads its answer to the end.
func (c *Client) once(ctx context.Context, u *url.URL, known Known, most int64) (*Page, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, ErrSlow)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	req.Header = http.Header{"User-Agent": {c.o.Agent}, "Accept": {"text/html,application/xhtml+xml,application/pdf,application/feed+json,application/xml;q=0.9,*/*;q=0.5"},
		"Accept-Language": {"ja,en;q=0.8"}, "Accept-Encoding": {"gzip"}}
	for name, value := range map[string]string{"If-None-Match": known.ETag, "If-Modified-Since": known.LastModified} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, why(ctx, err)
	}
	defer res.Body.Close()
	p := &Page{Status: res.StatusCode, Header: res.Header, Fetched: c.o.Now().UTC().Truncate(time.Second), Request: req.Header}
	if p.Raw, err = bounded(res.Body, most); err != nil {
		return nil, why(ctx, err)
	}
	if p.Body, err = unpacked(res.Header.Get("Content-Encoding"), p.Raw, most); err != nil {
		return nil, err
	}
	return p, nil
}

// why says that an answer was slow, where that ended it. What the network says may name the whole address, which is left out.
func why(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, ErrSlow) {
		return cause
	}
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	return err
}

func bounded(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, most)
	}
	return b, nil
}

// unpacked undoes the one packing that is asked for. Bytes that become more than is read are refused as they become it.
func unpacked(encoding string, raw []byte, most int64) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return raw, nil
	case "gzip", "x-gzip":
		if len(raw) == 0 {
			return raw, nil
		}
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("unpack the answer: %w", err)
		}
		return bounded(z, most)
	}
	return nil, fmt.Errorf("the answer is packed in a way that was not asked for (%.40q)", encoding)
}
