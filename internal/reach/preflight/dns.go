package preflight

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/netip"
	"slices"
	"strings"

	"blitiri.com.ar/go/spf"
	"golang.org/x/net/publicsuffix"

	"shirase/internal/language"
)

// Bounds of what is still well.
const (
	leastRSA = 2048 // bits
)

// lookSending finds from which addresses mail reaches the world.
func (l *look) lookSending(ctx context.Context) {
	if len(l.Sending) > 0 || len(l.Relays) == 0 {
		return
	}
	for _, relay := range l.Relays {
		host, _, _ := net.SplitHostPort(relay)
		list, err := l.addresses(ctx, host)
		if err != nil {
			return // told of the relay
		}
		for _, a := range list {
			if public(a) && !slices.Contains(l.Sending, a) {
				l.Sending = append(l.Sending, a)
			}
		}
	}
	if len(l.Sending) == 0 {
		l.find("sending", Error, "sending-unknown")
		return
	}
	l.find("sending", Note, "sending-relay", join(l.Sending))
}

func join(list []netip.Addr) string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

// lookSPF has the envelope's domain checked as a receiver does, for each address (RFC 7208, 4). It reports whether all pass.
func (l *look) lookSPF(ctx context.Context) bool {
	if len(l.Sending) == 0 {
		return false
	}
	all := true
	for _, a := range l.Sending {
		asked, cancel := l.ask(ctx)
		result, err := spf.CheckHostWithSender(net.IP(a.AsSlice()), l.Name, "back@"+l.Envelope, spf.WithContext(asked), spf.WithResolver(resolver{l.dns}))
		cancel()
		term := "ip" + map[bool]string{true: "4", false: "6"}[a.Is4()] + ":" + a.String()
		switch {
		case result == spf.Pass:
			continue
		case result == spf.None:
			l.find("spf", Error, "spf-none", l.Envelope, a, term)
		case result == spf.TempError:
			l.unasked("spf", say(l.Envelope+" のSPFレコード", "the SPF record of "+l.Envelope), err)
		case result == spf.PermError:
			l.find("spf", Error, "spf-broken", l.Envelope, a, term, err)
		default:
			l.find("spf", Error, "spf-fails", l.Envelope, a, term, result)
		}
		all = false
	}
	if all {
		l.find("spf", Well, "spf-well", l.Envelope, join(l.Sending))
	}
	return all
}

// resolver has names looked up as they are, without a search list.
type resolver struct{ *net.Resolver }

func (r resolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return r.Resolver.LookupTXT(ctx, full(name))
}
func (r resolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	return r.Resolver.LookupMX(ctx, full(name))
}
func (r resolver) LookupIPAddr(ctx context.Context, name string) ([]net.IPAddr, error) {
	return r.Resolver.LookupIPAddr(ctx, full(name))
}

// tags reads a list of tags (RFC 6376, 3.2; RFC 7489, 6.4).
func tags(s string) map[string]string {
	out := map[string]string{}
	for _, t := range strings.Split(s, ";") {
		name, value, ok := strings.Cut(t, "=")
		if name = strings.ToLower(strings.TrimSpace(name)); ok && name != "" {
			if _, twice := out[name]; !twice {
				out[name] = strings.TrimSpace(value)
			}
		}
	}
	return out
}

// lookDKIM compares each key with what DNS publishes of it (RFC 6376, 3.6.1; RFC 8463). It gives the domains that signatures stand for.
func (l *look) lookDKIM(ctx context.Context) (domains []string) {
	if len(l.Keys) == 0 {
		l.find("dkim", Error, "dkim-nobody")
		return nil
	}
	for _, k := range l.Keys {
		if l.lookKey(ctx, k) {
			domains = append(domains, k.Domain)
		}
	}
	return domains
}

func (l *look) lookKey(ctx context.Context, k Key) bool {
	name := k.Selector + "._domainkey." + k.Domain
	record := say(name+" の、送信サーバーの事業者が示した鍵", "the key that the relay's operator gave, under "+name)
	if text, ok := keyText(k.Public); ok {
		record = language.Same(name + ". TXT \"" + text + "\"")
	}
	list, err := l.texts(ctx, name)
	if missing(err) {
		l.find("dkim", Error, "dkim-missing", name, record)
		return false
	}
	if err != nil {
		l.unasked("dkim", say("TXTレコード "+name, "the TXT record "+name), err)
		return false
	}
	var found map[string]string
	for _, text := range list {
		if t := tags(text); t["v"] == "DKIM1" || t["v"] == "" && t["p"] != "" {
			found = t
		}
	}
	value := strings.Join(strings.Fields(found["p"]), "")
	published, err := base64.StdEncoding.DecodeString(value)
	switch {
	case found == nil:
		l.find("dkim", Error, "dkim-empty", name, record)
		return false
	case value == "":
		l.find("dkim", Error, "dkim-revoked", name, record)
		return false
	case err != nil:
		l.find("dkim", Error, "dkim-broken", name, record)
		return false
	}
	if k.Public != nil && !sameKey(k.Public, published) {
		l.find("dkim", Error, "dkim-other", name, record)
		return false
	}
	if bits := rsaBits(published); found["k"] != "ed25519" && bits < leastRSA {
		l.find("dkim", Warning, "dkim-short", name, record, bits, leastRSA)
		return bits >= 1024 // RFC 8301, 3.2
	}
	if slices.Contains(strings.Split(found["t"], ":"), "y") {
		l.find("dkim", Warning, "dkim-tried", name)
		return true
	}
	l.find("dkim", Well, "dkim-well", name)
	return true
}

// keyText is the record of a key.
func keyText(key any) (string, bool) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		b, err := x509.MarshalPKIXPublicKey(k)
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(b), err == nil
	case ed25519.PublicKey:
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(k), true
	}
	return "", false
}

func sameKey(key any, published []byte) bool {
	switch k := key.(type) {
	case *rsa.PublicKey: // PKIX as OpenSSL writes it, or PKCS #1 (RFC 6376, errata 3017)
		pkix, err := x509.MarshalPKIXPublicKey(k)
		return err == nil && (bytes.Equal(pkix, published) || bytes.Equal(x509.MarshalPKCS1PublicKey(k), published))
	case ed25519.PublicKey:
		return bytes.Equal(k, published)
	}
	return false
}

func rsaBits(published []byte) int {
	if k, err := x509.ParsePKIXPublicKey(published); err == nil {
		if k, ok := k.(*rsa.PublicKey); ok {
			return k.N.BitLen()
		}
	}
	if k, err := x509.ParsePKCS1PublicKey(published); err == nil {
		return k.N.BitLen()
	}
	return 0
}

// organisation is the domain that others are aligned by (RFC 7489, 3.2).
func organisation(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return org
}

// aligned reports whether a domain stands for the one in From (RFC 7489, 3.1): strictly where mode is "s".
func (l *look) aligned(domain, mode string) bool {
	return strings.EqualFold(domain, l.from) || mode != "s" && organisation(strings.ToLower(domain)) == organisation(l.from)
}

// lookDMARC looks whether what passes stands for the address in From (RFC 7489, 3.1).
func (l *look) lookDMARC(ctx context.Context, spf bool, signed []string) {
	at := l.from
	list, err := l.texts(ctx, "_dmarc."+at)
	if org := organisation(l.from); missing(err) && org != l.from {
		at = org
		list, err = l.texts(ctx, "_dmarc."+at)
	}
	if missing(err) {
		l.find("dmarc", Error, "dmarc-none", l.from)
		return
	}
	if err != nil {
		l.unasked("dmarc", say(at+" のDMARCレコード", "the DMARC record of "+at), err)
		return
	}
	var records []map[string]string
	for _, text := range list {
		if t := tags(text); t["v"] == "DMARC1" {
			records = append(records, t)
		}
	}
	if len(records) != 1 { // RFC 7489, 6.6.3: several are none
		l.find("dmarc", Error, "dmarc-many", l.from, at, len(records))
		return
	}
	policy := records[0]
	l.adkim = policy["adkim"]
	bySPF := spf && l.aligned(l.Envelope, policy["aspf"])
	byDKIM := slices.ContainsFunc(signed, func(d string) bool { return l.aligned(d, l.adkim) })
	switch {
	case !bySPF && !byDKIM:
		l.find("dmarc", Error, "dmarc-nothing", l.from, policy["p"])
	case !byDKIM:
		l.find("dmarc", Warning, "dmarc-spf", l.from)
	case !bySPF:
		l.find("dmarc", Warning, "dmarc-dkim", l.from)
	default:
		l.find("dmarc", Well, "dmarc-well", l.from, policy["p"])
	}
}

// lookNames looks whether each address has a name that leads back to it (RFC 1912, 2.1), which large receivers ask for.
func (l *look) lookNames(ctx context.Context) {
	all := true
	for _, a := range l.Sending {
		asked, cancel := l.ask(ctx)
		names, err := l.dns.LookupAddr(asked, a.String())
		cancel()
		switch {
		case missing(err) || err == nil && len(names) == 0:
			l.find("ptr", Error, "ptr-none", a)
			all = false
			continue
		case err != nil:
			l.unasked("ptr", say(a.String()+" の名前（PTR）", "the name of "+a.String()), err)
			all = false
			continue
		}
		confirmed := slices.ContainsFunc(names[:min(len(names), 10)], func(name string) bool {
			back, err := l.addresses(ctx, name)
			return err == nil && slices.Contains(back, a)
		})
		if !confirmed {
			l.find("ptr", Error, "ptr-other", a, strings.TrimSuffix(names[0], "."))
			all = false
		}
	}
	if all && len(l.Sending) > 0 {
		l.find("ptr", Well, "ptr-well")
	}
}

// lookReturn looks whether what comes back can come back.
func (l *look) lookReturn(ctx context.Context) {
	asked, cancel := l.ask(ctx)
	list, err := l.dns.LookupMX(asked, full(l.Envelope))
	cancel()
	under := organisation(l.Envelope)
	switch {
	case missing(err):
		l.find("return", Error, "return-none", l.Envelope, under)
		return
	case err != nil:
		l.unasked("return", say(l.Envelope+" のMXレコード", "the MX record of "+l.Envelope), err)
		return
	case len(list) == 1 && (list[0].Host == "." || list[0].Host == ""): // RFC 7505
		l.find("return", Error, "return-refuses", l.Envelope, under)
		return
	}
	for _, mx := range list {
		if a, err := l.addresses(ctx, mx.Host); err == nil && len(a) > 0 {
			l.find("return", Well, "return-well", l.Envelope, under, strings.TrimSuffix(mx.Host, "."))
			return
		}
	}
	l.find("return", Error, "return-nowhere", l.Envelope, under)
}
