package setup

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"shirase/internal/language"
)

// A Record is one that DNS has to have, in the form of a zone file (RFC 1035, 5.1).
type Record struct {
	Name, Type, Value string
	Why               language.Text
}

// String writes the record as a line.
func (r Record) String() string { return r.Name + ". " + r.Type + " " + r.Value }

// letsEncryptCAA is how Let's Encrypt is named in CAA records.
const letsEncryptCAA = "letsencrypt.org"

// Records are those of a domain: where it leads, who may give certificates for it, and, where no mail of the operator's comes
// from there or goes there, that none does: after a breach others write in its name. addresses are the machine's, as far as
// they are known; letsEncrypt says that the certificate comes from there; contacts are the operator's addresses.
func Records(domain string, addresses []netip.Addr, letsEncrypt bool, contacts []string) []Record {
	var out []Record
	lead := language.Both("このマシンへ導きます", "leads to this machine")
	for _, kind := range []string{"A", "AAAA"} {
		for _, a := range addresses {
			if a.Is4() == (kind == "A") && public(a) {
				out = append(out, Record{domain, kind, a.String(), lead})
			}
		}
	}
	if len(out) == 0 { // behind a router or a balancer
		out = append(out, Record{domain, "A", "<address>", language.Both("<address> には、このマシンに外から届くアドレスを書きます", "where <address> is the one by which this machine is reached from outside")})
	}
	if letsEncrypt {
		out = append(out, Record{domain, "CAA", `0 issue "` + letsEncryptCAA + `"`, language.Both("この名前の証明書を、ほかの認証局が発行しないようにします", "no other authority gives a certificate for this name")})
	}
	if !mails(domain, contacts) {
		none := language.Both("この名前からはメールを送らないことを示します。この名前をかたるメールは拒まれます", "nobody sends mail from this name: whoever does is refused")
		out = append(out,
			Record{domain, "TXT", `"v=spf1 -all"`, none},                               // RFC 7208
			Record{"_dmarc." + domain, "TXT", `"v=DMARC1; p=reject; sp=reject"`, none}, // RFC 7489
			Record{domain, "MX", "0 .", language.Both("この名前ではメールを受け取らないことを示します", "no mail is received at this name")}) // RFC 7505
	}
	return out
}

// public reports whether an address can be reached from everywhere.
func public(a netip.Addr) bool {
	shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// mails reports whether one of the operator's addresses is at a domain.
func mails(domain string, contacts []string) bool {
	return slices.ContainsFunc(contacts, func(c string) bool {
		if u, err := url.Parse(c); err == nil && u.Scheme == "mailto" {
			c = u.Opaque
		}
		at := strings.LastIndexByte(c, '@')
		return at >= 0 && strings.EqualFold(c[at+1:], domain)
	})
}
