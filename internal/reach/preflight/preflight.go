// Package preflight looks, before mail leaves for a million people, at what receivers look at when it comes: whether DNS says that these
// machines send for this domain (SPF, RFC 7208), that this key signs for it (DKIM, RFC 6376), that both stand for the address in From
// (DMARC, RFC 7489), that the machines have names, that what comes back can come back, and whether the relay offers TLS. A campaign's
// approval and `shirase doctor` look by the same code.
package preflight

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"shirase/internal/language"
	"shirase/internal/outward"
)

// ErrNotReady says that something would keep mail from arriving.
var ErrNotReady = errors.New("mail would not arrive as it should")

// Levels of findings. Only an error stands in the way of a campaign.
const (
	Well    = "ok"
	Note    = "note"    // what could not be looked at, and does not matter alone
	Warning = "warning" // mail arrives, and worse than it could
	Error   = "error"   // receivers refuse it or hide it, or it cannot come back
)

// A Finding is what one look came to.
type Finding struct {
	ID     string // what was looked at: relay, spf and so on
	Level  string
	Code   string // which finding of it: a key of the texts
	What   language.Text
	Remedy language.Text // zero where all is well
}

// A Key is one that mail is signed with.
type Key struct {
	Domain, Selector string
	Public           crypto.PublicKey // RSA or Ed25519; nil where another machine signs, and only DNS can be looked at
}

// Options say what is looked at.
type Options struct {
	From     string       // address in From
	Envelope string       // domain that mail comes back to; "": From's
	Relays   []string     // hosts and ports by which mail leaves; none: it does not
	Security string       // of the connections to them: starttls, tls or none
	Sending  []netip.Addr // from which mail reaches the world; none: those of the relays
	Name     string       // that we introduce ourselves by; "": From's domain
	Keys     []Key        // that sign; none: nobody is known to
	// Seed gives what became of mail that was to come back; nil: that is not looked at.
	Seed func(ctx context.Context) (Seed, error)

	Resolver string // host and port of a DNS server; "": the system's
	Roots    *x509.CertPool
	Now      func() time.Time
	Patience time.Duration // for one question; 0 is 10 seconds
}

// look is one preflight.
type look struct {
	Options
	dns      *net.Resolver
	from     string // domain
	adkim    string // how the DMARC record wants DKIM to be aligned: "s" is strictly
	findings []Finding
}

// Run looks at everything, and gives a finding for each thing that was looked at, in the same order always. What could not be asked is
// never taken for what is not there.
func Run(ctx context.Context, o Options) []Finding {
	l := &look{Options: o, dns: resolverAt(o.Resolver)}
	if l.Now == nil {
		l.Now = time.Now
	}
	if l.Patience == 0 {
		l.Patience = 10 * time.Second
	}
	_, l.from, _ = strings.Cut(strings.ToLower(o.From), "@")
	if l.from == "" {
		l.find("mail-from", Error, "from-none")
		return l.findings
	}
	if outward.IsShut(ctx) { // name servers and relays are others, too
		l.find("exercise", Well, "exercise")
		return l.findings
	}
	if l.Envelope == "" {
		l.Envelope = l.from
	}
	if l.Name == "" {
		l.Name = l.from
	}
	l.lookRelays(ctx)
	l.lookSending(ctx)
	spf := l.lookSPF(ctx)
	signed := l.lookDKIM(ctx)
	l.lookDMARC(ctx, spf, signed)
	l.lookNames(ctx)
	l.lookReturn(ctx)
	l.lookSeed(ctx)
	return l.findings
}

// resolverAt asks one DNS server; "": those of the system.
func resolverAt(server string) *net.Resolver {
	if server == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return outward.Dial(ctx, &net.Dialer{}, network, server)
	}}
}

// find adds a finding, whose texts are those of its code. args are what was seen, in the texts' order.
func (l *look) find(id, level, code string, args ...any) {
	w := texts[code]
	l.findings = append(l.findings, Finding{ID: id, Level: level, Code: code, What: filled(w.what, args), Remedy: filled(w.remedy, args)})
}

// Ready reports whether nothing of what was found stands in the way.
func Ready(found []Finding) bool { return len(Against(found)) == 0 }

// Against gives what stands in the way.
func Against(found []Finding) (out []Finding) {
	for _, f := range found {
		if f.Level == Error {
			out = append(out, f)
		}
	}
	return out
}

// Allow gives ErrNotReady where something stands in the way and nobody has said why it is sent all the same.
func Allow(found []Finding, overruled string) error {
	against := Against(found)
	if len(against) == 0 || strings.TrimSpace(overruled) != "" {
		return nil
	}
	return fmt.Errorf("%w: %s, and %d more", ErrNotReady, against[0].What.EN, len(against)-1)
}

// unasked adds a finding of a question that nobody answered.
func (l *look) unasked(id string, what language.Text, err error) {
	l.find(id, Error, "unasked", what, reason(err))
}

// reason says why DNS gave nothing.
func reason(err error) language.Text {
	if e := (*net.DNSError)(nil); errors.As(err, &e) {
		switch {
		case e.IsTimeout:
			return say("時間内に答えがない", "no answer in time")
		case e.IsNotFound:
			return say("ない", "there is none")
		}
		return language.Same(e.Err)
	}
	return language.Same(err.Error())
}

// missing reports whether DNS said that there is nothing, which is not the same as saying nothing.
func missing(err error) bool {
	e := (*net.DNSError)(nil)
	return errors.As(err, &e) && e.IsNotFound
}

// full is a name that no search list is put behind.
func full(name string) string { return strings.TrimSuffix(name, ".") + "." }

func (l *look) ask(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, l.Patience)
}

func (l *look) texts(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := l.ask(ctx)
	defer cancel()
	return l.dns.LookupTXT(ctx, full(name))
}

func (l *look) addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	ctx, cancel := l.ask(ctx)
	defer cancel()
	list, err := l.dns.LookupNetIP(ctx, "ip", full(name))
	for i := range list {
		list[i] = list[i].Unmap()
	}
	return list, err
}

// public reports whether an address can reach the world.
func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !netip.MustParsePrefix("100.64.0.0/10").Contains(a) // RFC 6598
}
