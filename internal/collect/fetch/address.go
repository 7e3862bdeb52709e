package fetch

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// special are the networks that are not of the public internet, or lead into one that may not be (RFC 6890 and the registries of
// special-purpose addresses that it began). What is not named here and is IPv6 has to be of 2000::/3, which is all that is given out.
var special = func() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range strings.Fields(`0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.31.196.0/24
		192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
		2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20`) {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

var given = netip.MustParsePrefix("2000::/3")

// Public reports whether an address is one of the public internet. One that holds an IPv4 address (mapped, NAT64, 6to4, Teredo) is
// not, but for a mapped one, which is what it holds.
func Public(ip netip.Addr) bool {
	if !ip.IsValid() || ip.Zone() != "" {
		return false
	}
	ip = ip.Unmap()
	if ip.Is6() && !given.Contains(ip) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// ParseAllowed reads an address and port that may be asked although they are none of the public internet's: 127.0.0.1:8080.
func ParseAllowed(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 || a.Addr().Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address and a port such as 10.1.2.3:8080", s)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// control is asked with the address that a connection is about to be made to: what a name means was looked up by then, and is not
// looked up again. So a name that means something else a moment later gains nothing.
func (c *Client) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return fmt.Errorf("%w: %s %q", ErrAddress, network, address)
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	if slices.Contains(c.o.Allow, to) {
		return nil
	}
	if !Public(to.Addr()) {
		return fmt.Errorf("%w: %s is not an address of the public internet", ErrAddress, to.Addr())
	}
	if to.Port() != 80 && to.Port() != 443 {
		return fmt.Errorf("%w: port %d is not one of web servers", ErrAddress, to.Port())
	}
	return nil
}
