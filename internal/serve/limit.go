package serve

import (
	"errors"
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
	All6  Rate // of all of IPv6, whose networks cost nothing: what is left of All is there for IPv4
	All   Rate // of all together
	Known int  // networks of either family that are remembered at once
}

// DefaultLimits suit the day of the news, when thousands of honest people sit behind one carrier address.
var DefaultLimits = Limits{
	IPv4:  Rate{100, 4_000},
	IPv6:  Rate{20, 800},
	Home:  Rate{40, 1_600},
	Site:  Rate{100, 4_000},
	All6:  Rate{5_000, 25_000},
	All:   Rate{10_000, 50_000},
	Known: 1 << 16,
}

// Limiter bounds what networks ask for, counted in units of work rather than in requests. It is safe for concurrent
// use.
type Limiter struct {
	mu        sync.Mutex
	limits    Limits
	now       func() time.Time
	all, all6 *rate.Limiter
	v4, v6    *networks
}

// NewLimiter makes a limiter. now is the clock; nil is the system's.
func NewLimiter(limits Limits, now func() time.Time) (*Limiter, error) {
	for _, r := range []Rate{limits.IPv4, limits.IPv6, limits.Home, limits.Site, limits.All6, limits.All} {
		if r.PerSecond <= 0 || r.Burst < 1 {
			return nil, fmt.Errorf("rate limit %v: both numbers have to be above zero", r)
		}
	}
	if limits.Known < MinKnown {
		return nil, fmt.Errorf("rate limit: %d networks to remember, and an address is in up to %d", limits.Known, MinKnown)
	}
	if now == nil {
		now = time.Now
	}
	l := &Limiter{limits: limits, now: now, all: limits.All.full(), all6: limits.All6.full()}
	var err4, err6 error
	l.v4, err4 = newNetworks(limits.Known)
	l.v6, err6 = newNetworks(limits.Known)
	return l, errors.Join(err4, err6)
}

// MinKnown is in how many networks one address is: those of one request must not push each other out.
const MinKnown = 3

func (r Rate) full() *rate.Limiter { return rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst) }

// Allow takes n units for addr, or none: then ok is false and retryAfter is when they would be there if nobody else
// asked. More units than a bucket holds count as a full bucket.
func (l *Limiter) Allow(addr netip.Addr, n int) (retryAfter time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	buckets := append(l.of(addr, now), l.all)
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
func (l *Limiter) of(addr netip.Addr, now time.Time) []*rate.Limiter {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return []*rate.Limiter{l.v4.bucket(addr, 24, l.limits.IPv4, now)}
	}
	return []*rate.Limiter{
		l.v6.bucket(addr, 64, l.limits.IPv6, now),
		l.v6.bucket(addr, 56, l.limits.Home, now),
		l.v6.bucket(addr, 48, l.limits.Site, now),
		l.all6,
	}
}

// networks are the buckets of the networks of one family. Only a full bucket is ever forgotten: forgetting one that is not
// would refill it, and whoever has many networks could have theirs forgotten at will.
type networks struct {
	known  *simplelru.LRU[netip.Prefix, *rate.Limiter]
	most   int
	others map[int]*rate.Limiter // by prefix length: shared by the networks for which there is no room
}

func newNetworks(most int) (*networks, error) {
	known, err := simplelru.NewLRU[netip.Prefix, *rate.Limiter](most, nil)
	if err != nil {
		return nil, fmt.Errorf("rate limit: networks to remember: %w", err)
	}
	return &networks{known, most, map[int]*rate.Limiter{}}, nil
}

// bucket returns the bucket of one network.
func (n *networks) bucket(addr netip.Addr, bits int, r Rate, now time.Time) *rate.Limiter {
	prefix, _ := addr.Prefix(bits) // of no address: the zero prefix
	if b, ok := n.known.Get(prefix); ok {
		return b
	}
	if n.known.Len() >= n.most && !n.forget(now) {
		if n.others[bits] == nil {
			n.others[bits] = r.full()
		}
		return n.others[bits]
	}
	b := r.full()
	n.known.Add(prefix, b)
	return b
}

// looks is how many networks are looked at for one that can be forgotten.
const looks = 16

// forget makes room by forgetting a network whose bucket is full again, and reports whether there was one among those seen
// longest ago. The others count as seen now: their turn comes again.
func (n *networks) forget(now time.Time) bool {
	for range looks {
		prefix, b, ok := n.known.GetOldest()
		if !ok {
			return false
		}
		if b.TokensAt(now) >= float64(b.Burst()) {
			return n.known.Remove(prefix)
		}
		n.known.Get(prefix)
	}
	return false
}
