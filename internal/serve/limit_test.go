package serve

import (
	"net/netip"
	"testing"
	"time"
)

// clock is a clock that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func TestLimiter(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	wide := Rate{1000, 1000}
	l, err := NewLimiter(Limits{IPv4: Rate{1, 10}, IPv6: Rate{1, 10}, Home: Rate{1, 20}, Site: Rate{1, 30}, All6: wide, All: wide, Known: 100}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	allow := func(addr string, n int) bool {
		t.Helper()
		wait, ok := l.Allow(netip.MustParseAddr(addr), n)
		if ok != (wait == 0) {
			t.Errorf("%s: %v with a wait of %v", addr, ok, wait)
		}
		return ok
	}
	if !allow("192.0.2.1", 10) || allow("192.0.2.200", 1) || !allow("192.0.3.1", 10) {
		t.Error("IPv4 does not count by /24")
	}
	if wait, _ := l.Allow(netip.MustParseAddr("192.0.2.1"), 4); wait != 4*time.Second {
		t.Errorf("4 units at one a second: wait %v", wait)
	}
	c.t = c.t.Add(4 * time.Second)
	if !allow("192.0.2.1", 4) || allow("192.0.2.1", 1) {
		t.Error("what was refused was taken, or what was gained was not")
	}
	if !allow("::ffff:192.0.4.1", 10) || allow("192.0.4.9", 1) {
		t.Error("an IPv4 address in IPv6 form is another network")
	}
	// /64: 10, /56: 20, /48: 30.
	if !allow("2001:db8:0:1::1", 10) || allow("2001:db8:0:1:ffff::1", 1) {
		t.Error("IPv6 does not count by /64")
	}
	if !allow("2001:db8:0:2::1", 10) || allow("2001:db8:0:3::1", 1) {
		t.Error("IPv6 does not count by /56")
	}
	if !allow("2001:db8:0:100::1", 10) || allow("2001:db8:0:200::1", 1) {
		t.Error("IPv6 does not count by /48")
	}
	if !allow("2001:db8:1::1", 10) {
		t.Error("another site pays for the first")
	}
	// What is refused by one bucket is taken from none.
	if !allow("fe80::1%eth0", 10) {
		t.Error("an address with a zone")
	}
	if _, ok := l.Allow(netip.Addr{}, 10); !ok {
		t.Error("no address at all")
	}
	if _, ok := l.Allow(netip.Addr{}, 1); ok {
		t.Error("no address is not limited")
	}
	// More than the bucket holds waits for a full one, and then passes.
	if wait, ok := l.Allow(netip.MustParseAddr("192.0.9.1"), 50); !ok || wait != 0 {
		t.Errorf("a large request of a rested network: %v", wait)
	}
	if wait, ok := l.Allow(netip.MustParseAddr("192.0.9.1"), 50); ok || wait != 10*time.Second {
		t.Errorf("a second one: %v, want 10s", wait)
	}
}

func TestLimiterInAll(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	wide := Rate{1000, 1000}
	l, err := NewLimiter(Limits{IPv4: wide, IPv6: wide, Home: wide, Site: wide, All6: wide, All: Rate{1, 5}, Known: 4}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, ok := l.Allow(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 1); !ok {
			t.Fatalf("request %d is refused", i)
		}
	}
	if _, ok := l.Allow(netip.AddrFrom4([4]byte{10, 0, 9, 1}), 1); ok {
		t.Error("there is no limit in all")
	}
	if n := l.v4.known.Len(); n > 4 {
		t.Errorf("%d networks are remembered", n)
	}
	if _, err := NewLimiter(Limits{}, nil); err == nil {
		t.Error("limits of zero are accepted")
	}
}

// TestLimiterForgets: a network that has spent what it had does not get it back by being forgotten, however many others
// come; one whose bucket is full again is.
func TestLimiterForgets(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	wide := Rate{1000, 100_000}
	l, err := NewLimiter(Limits{IPv4: Rate{1, 10}, IPv6: Rate{1, 10}, Home: wide, Site: wide, All6: wide, All: wide, Known: 50}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	allow := func(addr netip.Addr, n int) bool {
		_, ok := l.Allow(addr, n)
		return ok
	}
	v4 := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}) }
	v6 := func(i int) netip.Addr { return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 8), byte(i)}) }
	for name, of := range map[string]func(int) netip.Addr{"IPv4": v4, "IPv6": v6} {
		if !allow(of(0), 10) {
			t.Fatal("the first request is refused")
		}
		let := 0
		for i := 1; i < 200; i++ { // one unit each: enough to be remembered, and to fill what there is
			if allow(of(i), 1) {
				let++
			}
		}
		if allow(of(0), 1) {
			t.Errorf("%s: a network that was pushed out has everything again", name)
		}
		// Those without room share one bucket of 10.
		if let < 20 || let > 60 {
			t.Errorf("%s: %d of 199 newcomers were let in", name, let)
		}
	}
	c.t = c.t.Add(time.Minute) // all are full again
	for i := 2000; i < 2020; i++ {
		if !allow(v4(i), 10) {
			t.Fatalf("newcomer %d is refused although others can be forgotten", i)
		}
	}
	if n := l.v4.known.Len(); n > 50 {
		t.Errorf("%d networks are remembered", n)
	}
	if _, err := NewLimiter(Limits{IPv4: wide, IPv6: wide, Home: wide, Site: wide, All6: wide, All: wide, Known: 2}, nil); err == nil {
		t.Error("a limiter takes fewer networks than an address is in")
	}
}

// TestLimiterFamilies: all of IPv6 together leaves IPv4 its part.
func TestLimiterFamilies(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	wide := Rate{1000, 1000}
	l, err := NewLimiter(Limits{IPv4: wide, IPv6: wide, Home: wide, Site: wide, All6: Rate{1, 50}, All: Rate{1, 100}, Known: 1000}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for i := range 500 {
		if _, ok := l.Allow(netip.AddrFrom16([16]byte{0x20, 1, byte(i >> 8), byte(i)}), 1); ok {
			got++
		}
	}
	if got != 50 {
		t.Errorf("IPv6 got %d of 100 units, want 50", got)
	}
	if _, ok := l.Allow(netip.MustParseAddr("192.0.2.1"), 50); !ok {
		t.Error("IPv6 has emptied what IPv4 needs")
	}
	if DefaultLimits.All6.PerSecond > DefaultLimits.All.PerSecond/2 || DefaultLimits.All6.Burst > DefaultLimits.All.Burst/2 {
		t.Error("by default IPv6 may have more than half of everything")
	}
}
