package serve

import (
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Rate is a token bucket: it holds Burst units and gains PerSecond.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Limits are the rates of a Limiter. An address counts against every network it is in: IPv6 is handed out in /64 to
// a link, /56 to a home and /48 to a site, so a limit per address would limit nobody.
type Limits struct {
	IPv4  Rate // per /24
	IPv6  Rate // per /64
	Home  Rate // per /56
	Site  Rate // per /48
	All   Rate // of all together
	Known int  // networks remembered at once; the least recently seen are forgotten
}

// DefaultLimits suit the day of the news, when thousands of honest people sit behind one carrier address.
var DefaultLimits = Limits{
	IPv4:  Rate{100, 4_000},
	IPv6:  Rate{20, 800},
	Home:  Rate{40, 1_600},
	Site:  Rate{100, 4_000},
	All:   Rate{10_000, 50_000},
	Known: 1 << 16,
}

// Limiter bounds what networks ask for, counted in units of work rather than in requests. It is safe for concurrent
// use.
type Limiter struct {
	mu       sync.Mutex
	limits   Limits
	now      func() time.Time
	all      *rate.Limiter
	networks *simplelru.LRU[netip.Prefix, *rate.Limiter]
}

// NewLimiter makes a limiter. now is the clock; nil is the system's.
func NewLimiter(limits Limits, now func() time.Time) (*Limiter, error) {
	for _, r := range []Rate{limits.IPv4, limits.IPv6, limits.Home, limits.Site, limits.All} {
		if r.PerSecond <= 0 || r.Burst < 1 {
			return nil, fmt.Errorf("rate limit %v: both numbers have to be above zero", r)
		}
	}
	networks, err := simplelru.NewLRU[netip.Prefix, *rate.Limiter](limits.Known, nil)
	if err != nil {
		return nil, fmt.Errorf("rate limit: networks to remember: %w", err)
	}
	if now == nil {
		now = time.Now
	}
	all := rate.NewLimiter(rate.Limit(limits.All.PerSecond), limits.All.Burst)
	return &Limiter{limits: limits, now: now, all: all, networks: networks}, nil
}

// Allow takes n units for addr, or none: then ok is false and retryAfter is when they would be there if nobody else
// asked. More units than a bucket holds count as a full bucket.
func (l *Limiter) Allow(addr netip.Addr, n int) (retryAfter time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	buckets := append(l.of(addr), l.all)
	for _, b := range buckets {
		missing := float64(min(n, b.Burst())) - b.TokensAt(now)
		if missing > 0 {
			wait := time.Duration(math.Ceil(missing / float64(b.Limit()) * float64(time.Second)))
			retryAfter = max(retryAfter, wait)
		}
	}
	if retryAfter > 0 {
		return retryAfter, false
	}
	for _, b := range buckets {
		b.AllowN(now, min(n, b.Burst()))
	}
	return 0, true
}

// of returns the buckets of the networks addr is in. An address that is not known (a socket that is not TCP) shares
// one.
func (l *Limiter) of(addr netip.Addr) []*rate.Limiter {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return []*rate.Limiter{l.network(addr, 24, l.limits.IPv4)}
	}
	return []*rate.Limiter{
		l.network(addr, 64, l.limits.IPv6),
		l.network(addr, 56, l.limits.Home),
		l.network(addr, 48, l.limits.Site),
	}
}

// network returns the bucket of one network.
func (l *Limiter) network(addr netip.Addr, bits int, r Rate) *rate.Limiter {
	prefix, _ := addr.Prefix(bits) // of no address: the zero prefix
	b, known := l.networks.Get(prefix)
	if !known {
		b = rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst)
		l.networks.Add(prefix, b)
	}
	return b
}
