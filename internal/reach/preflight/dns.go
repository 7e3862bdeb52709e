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
	"time"

	"blitiri.com.ar/go/spf"
	"golang.org/x/net/publicsuffix"
)

// Bounds of what is still well.
const (
	leastRSA = 2048               // bits
	seedAge  = 7 * 24 * time.Hour // of the mail that came back
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
	const remedy = "say from which addresses the relay sends into the world: shirase config set mail.sending 192.0.2.1"
	if len(l.Sending) == 0 {
		l.find("sending", Error, remedy, "it is not known from which addresses mail reaches the world: the relay is on a network of its own")
		return
	}
	l.find("sending", Note, remedy, "mail is taken to reach the world from the relay's own addresses: %s", join(l.Sending))
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
		remedy := "add it to the TXT record of " + l.Envelope + ": v=spf1 ip" + map[bool]string{true: "4", false: "6"}[a.Is4()] + ":" + a.String() + " -all, or include: what your relay's operator names"
		switch {
		case result == spf.Pass:
			continue
		case result == spf.None:
			l.find("spf", Error, remedy, "%s has no SPF record: receivers cannot know that %s sends for it", l.Envelope, a)
		case result == spf.TempError:
			l.unasked("spf", "the SPF record of "+l.Envelope, err)
		case result == spf.PermError:
			l.find("spf", Error, "correct the TXT record of "+l.Envelope, "the SPF record of %s cannot be read: %v", l.Envelope, err)
		default:
			l.find("spf", Error, remedy, "SPF of %s gives %s for %s, from which mail reaches the world", l.Envelope, result, a)
		}
		all = false
	}
	if all {
		l.find("spf", Well, "", "SPF of %s passes for %s", l.Envelope, join(l.Sending))
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
		l.find("dkim", Error, "make the keys: shirase campaign keys; where the relay signs, name its key: shirase config set mail.dkim SELECTOR", "no DKIM key is known of: mail without a signature is refused or hidden by large receivers")
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
	record, publish := "TXT record "+name, ""
	if text, ok := keyText(k.Public); ok {
		publish = "publish it: " + name + ". TXT \"" + text + "\""
	} else {
		publish = "publish the key that the relay's operator gave, under " + name
	}
	list, err := l.texts(ctx, name)
	if missing(err) {
		l.find("dkim", Error, publish, "the DKIM key is not published: there is no %s", record)
		return false
	}
	if err != nil {
		l.unasked("dkim", "the "+record, err)
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
		l.find("dkim", Error, publish, "the %s holds no key", record)
		return false
	case value == "":
		l.find("dkim", Error, publish, "the key in the %s is revoked", record)
		return false
	case err != nil:
		l.find("dkim", Error, publish, "the key in the %s cannot be read", record)
		return false
	}
	if k.Public != nil && !sameKey(k.Public, published) {
		l.find("dkim", Error, publish, "the %s holds another key than the one that mail is signed with", record)
		return false
	}
	if bits := rsaBits(published); found["k"] != "ed25519" && bits < leastRSA {
		l.find("dkim", Warning, "make a new key of 2048 bits under another selector", "the key in the %s has %d bits, and receivers want %d", record, bits, leastRSA)
		return bits >= 1024 // RFC 8301, 3.2
	}
	if slices.Contains(strings.Split(found["t"], ":"), "y") {
		l.find("dkim", Warning, "take t=y out of the "+record, "the %s says that signing is being tried: receivers go on as if there was no signature", record)
		return true
	}
	l.find("dkim", Well, "", "the %s holds the key that mail is signed with", record)
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

// lookDMARC looks whether what passes stands for the address in From (RFC 7489, 3.1).
func (l *look) lookDMARC(ctx context.Context, spf bool, signed []string) {
	at := l.from
	list, err := l.texts(ctx, "_dmarc."+at)
	if org := organisation(l.from); missing(err) && org != l.from {
		at = org
		list, err = l.texts(ctx, "_dmarc."+at)
	}
	publish := "publish one: _dmarc." + l.from + `. TXT "v=DMARC1; p=none; rua=mailto:dmarc@` + l.from + `", and tighten it when reports are clean`
	if missing(err) {
		l.find("dmarc", Error, publish, "%s has no DMARC record: large receivers want one of whoever sends thousands of mails", l.from)
		return
	}
	if err != nil {
		l.unasked("dmarc", "the DMARC record of "+at, err)
		return
	}
	var records []map[string]string
	for _, text := range list {
		if t := tags(text); t["v"] == "DMARC1" {
			records = append(records, t)
		}
	}
	if len(records) != 1 { // RFC 7489, 6.6.3: several are none
		l.find("dmarc", Error, publish, "there are %d DMARC records at _dmarc.%s, and there has to be one", len(records), at)
		return
	}
	policy := records[0]
	aligned := func(domain, mode string) bool {
		return strings.EqualFold(domain, l.from) || mode != "s" && organisation(domain) == organisation(l.from)
	}
	bySPF := spf && aligned(l.Envelope, policy["aspf"])
	byDKIM := slices.ContainsFunc(signed, func(d string) bool { return aligned(d, policy["adkim"]) })
	const align = "sign with a key of the domain in From, and let mail come back to that domain or one below it"
	switch {
	case !bySPF && !byDKIM:
		l.find("dmarc", Error, align, "neither SPF nor DKIM stands for %s: by its DMARC record (p=%s) receivers take the mail for a fake", l.from, policy["p"])
	case !byDKIM:
		l.find("dmarc", Warning, align, "only SPF stands for %s: mail that is passed on is taken for a fake", l.from)
	case !bySPF:
		l.find("dmarc", Warning, align, "only DKIM stands for %s: where mail comes back to is of another domain, or SPF does not pass", l.from)
	default:
		l.find("dmarc", Well, "", "SPF and DKIM both stand for %s, whose DMARC record says p=%s", l.from, policy["p"])
	}
}

// lookNames looks whether each address has a name that leads back to it (RFC 1912, 2.1), which large receivers ask for.
func (l *look) lookNames(ctx context.Context) {
	all := true
	for _, a := range l.Sending {
		asked, cancel := l.ask(ctx)
		names, err := l.dns.LookupAddr(asked, a.String())
		cancel()
		const remedy = "ask whoever the address is rented from to set its PTR record to a name whose A or AAAA record is the address"
		switch {
		case missing(err) || err == nil && len(names) == 0:
			l.find("ptr", Error, remedy, "%s has no name (PTR): large receivers refuse mail from it", a)
			all = false
			continue
		case err != nil:
			l.unasked("ptr", "the name of "+a.String(), err)
			all = false
			continue
		}
		confirmed := slices.ContainsFunc(names[:min(len(names), 10)], func(name string) bool {
			back, err := l.addresses(ctx, name)
			return err == nil && slices.Contains(back, a)
		})
		if !confirmed {
			l.find("ptr", Error, remedy, "%s is called %s, which does not lead back to it", a, strings.TrimSuffix(names[0], "."))
			all = false
		}
	}
	if all && len(l.Sending) > 0 {
		l.find("ptr", Well, "", "every address has a name that leads back to it")
	}
}

// lookReturn looks whether what comes back can come back.
func (l *look) lookReturn(ctx context.Context) {
	asked, cancel := l.ask(ctx)
	list, err := l.dns.LookupMX(asked, full(l.Envelope))
	cancel()
	remedy := "publish where it is taken in: " + l.Envelope + ". MX 10 mail." + organisation(l.Envelope) + "."
	switch {
	case missing(err):
		l.find("return", Error, remedy, "nothing can come back: %s has no MX record", l.Envelope)
		return
	case err != nil:
		l.unasked("return", "the MX record of "+l.Envelope, err)
		return
	case len(list) == 1 && (list[0].Host == "." || list[0].Host == ""): // RFC 7505
		l.find("return", Error, remedy, "nothing can come back: %s says that it takes no mail", l.Envelope)
		return
	}
	for _, mx := range list {
		if a, err := l.addresses(ctx, mx.Host); err == nil && len(a) > 0 {
			l.find("return", Well, "", "what comes back to %s goes to %s", l.Envelope, strings.TrimSuffix(mx.Host, "."))
			return
		}
	}
	l.find("return", Error, remedy, "nothing can come back: no server that the MX record of %s names has an address", l.Envelope)
}

// lookSeed looks whether a mail that was sent to come back did.
func (l *look) lookSeed(ctx context.Context) {
	if l.Seed == nil {
		return
	}
	const remedy = "shirase bounces seed, send a mail to the address it gives by the relay, and take in what comes back"
	switch sent, back, err := l.Seed(ctx); {
	case err != nil:
		l.find("seed", Error, remedy, "whether a mail came back could not be read: %v", err)
	case sent.IsZero():
		l.find("seed", Error, remedy, "no mail was sent to come back: whether bounces arrive was never tried")
	case back.IsZero():
		l.find("seed", Error, "see the relay's log for it, and that the mail system hands what comes back to shirase", "the mail that was sent to come back at %s has not", sent.UTC().Format(time.RFC3339))
	case l.Now().Sub(back) > seedAge:
		l.find("seed", Warning, remedy, "the mail that was sent to come back last did so %d days ago", int(l.Now().Sub(back).Hours()/24))
	default:
		l.find("seed", Well, "", "a mail that was sent to come back did, at %s", back.UTC().Format(time.RFC3339))
	}
}
