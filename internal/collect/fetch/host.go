package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/temoto/robotstxt"
)

const (
	maxHosts     = 10_000
	maxRobots    = 500 << 10      // bytes of a robots.txt that count (RFC 9309, 2.5)
	robotsLasts  = 24 * time.Hour // (RFC 9309, 2.4)
	robotsFailed = 10 * time.Minute
	restAtMost   = 24 * time.Hour
	restAtLeast  = 10 * time.Minute
)

// host is a site: one request at a time goes to it.
type host struct {
	lock     chan struct{} // held by whoever asks
	last     time.Time     // when the last request ended
	until    time.Time     // it asked to be left alone until then
	robots   *robotstxt.RobotsData
	robotsAt time.Time
	failed   error // robots.txt could not be read
}

func (c *Client) host(u *url.URL) *host {
	key := u.Scheme + "://" + strings.ToLower(u.Host)
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[key]
	if h == nil {
		if len(c.hosts) >= maxHosts { // whoever waits holds what they wait for
			clear(c.hosts)
		}
		h = &host{lock: make(chan struct{}, 1)}
		c.hosts[key] = h
	}
	return h
}

// turn waits until nobody else asks the host, and the pause is over.
func (h *host) turn(ctx context.Context, c *Client) error {
	select {
	case h.lock <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	now := c.o.Now()
	if h.until.After(now) {
		<-h.lock
		return fmt.Errorf("%w: not before %s", ErrBusy, h.until.UTC().Format(time.RFC3339))
	}
	if err := c.pause(ctx, h, now); err != nil {
		<-h.lock
		return err
	}
	return nil
}

// pause waits for what is left of the pause between two requests: ours, or the one that robots.txt asks for.
func (c *Client) pause(ctx context.Context, h *host, now time.Time) error {
	pause := c.o.Pause
	if h.robots != nil {
		pause = max(pause, min(h.robots.FindGroup(c.o.Agent).CrawlDelay, maxPause))
	}
	if left := h.last.Add(pause).Sub(now); !h.last.IsZero() && left > 0 {
		return c.o.Wait(ctx, left)
	}
	return nil
}

func (h *host) done(c *Client) {
	h.last = c.o.Now()
	<-h.lock
}

// rest leaves a site alone for as long as it asks.
func (h *host) rest(c *Client, after string) {
	d := restAtLeast
	if s, err := strconv.Atoi(after); err == nil {
		d = time.Duration(s) * time.Second
	} else if t, err := http.ParseTime(after); err == nil {
		d = t.Sub(c.o.Now())
	}
	h.until = c.o.Now().Add(min(max(d, restAtLeast), restAtMost))
}

// may says whether the site's robots.txt lets us read a page. One that is not there allows everything; where its server fails,
// nothing is read (RFC 9309, 2.3.1).
func (h *host) may(ctx context.Context, c *Client, u *url.URL) error {
	lasts := robotsLasts
	if h.failed != nil {
		lasts = robotsFailed
	}
	if h.robotsAt.IsZero() || c.o.Now().After(h.robotsAt.Add(lasts)) {
		h.robots = nil
		h.failed = h.read(ctx, c, u)
		if errors.Is(h.failed, context.Canceled) {
			return h.failed
		}
		h.robotsAt = c.o.Now()
		h.last = h.robotsAt
		if h.failed == nil {
			if err := c.pause(ctx, h, h.robotsAt); err != nil {
				return err
			}
		}
	}
	if h.failed != nil {
		return h.failed
	}
	path := u.EscapedPath()
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	if h.robots != nil && !h.robots.TestAgent(path, c.o.Agent) {
		return ErrRobots
	}
	return nil
}

func (h *host) read(ctx context.Context, c *Client, u *url.URL) error {
	at := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/robots.txt"}
	for range maxRedirects {
		p, err := c.once(ctx, at, Known{}, c.o.Max)
		if err != nil {
			return fmt.Errorf("read robots.txt: %w", err)
		}
		switch {
		case p.Status >= 300 && p.Status < 400:
			to, err := at.Parse(p.Header.Get("Location"))
			if err != nil {
				return nil
			}
			if at, err = Check(to.String()); err != nil {
				return nil
			}
			continue
		case p.Status >= 500 || p.Status == http.StatusTooManyRequests:
			return fmt.Errorf("%w: its robots.txt cannot be read now (%d)", ErrBusy, p.Status)
		case p.Status != http.StatusOK:
			return nil
		}
		h.robots, err = robotstxt.FromBytes(p.Body[:min(len(p.Body), maxRobots)])
		if err != nil {
			h.robots = nil // what is no robots.txt asks for nothing
		}
		return nil
	}
	return nil
}
