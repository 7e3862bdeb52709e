package preflight

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	smtpd "github.com/emersion/go-smtp"
	"github.com/foxcpp/go-mockdns"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// world is a relay with a certificate, a name server, and all that is asked of them as it should be.
type world struct {
	zones map[string]mockdns.Zone
	o     Options
	tls   *tls.Config
}

func certificate(t *testing.T, name string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

var signing = func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}()

func pkixText(key any) string {
	b, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

func well(t *testing.T) *world {
	t.Helper()
	pair, pool := certificate(t, "mail.example.jp", time.Now().AddDate(1, 0, 0))
	w := &world{tls: &tls.Config{Certificates: []tls.Certificate{pair}}}
	w.zones = map[string]mockdns.Zone{
		"example.jp.":                      {TXT: []string{"v=spf1 -all"}},
		"bounce.example.jp.":               {TXT: []string{"v=spf1 ip4:192.0.2.20 include:_spf.relay.example -all"}, MX: []net.MX{{Host: "mx.example.jp.", Pref: 10}}},
		"_spf.relay.example.":              {TXT: []string{"v=spf1 ip6:2001:db8::20 -all"}},
		"mx.example.jp.":                   {A: []string{"192.0.2.30"}},
		"mail.example.jp.":                 {A: []string{"127.0.0.1"}},
		"out.example.jp.":                  {A: []string{"192.0.2.20"}, AAAA: []string{"2001:db8::20"}},
		"20.2.0.192.in-addr.arpa.":         {PTR: []string{"out.example.jp."}},
		"s1._domainkey.example.jp.":        {TXT: []string{"v=DKIM1; k=rsa; p=" + pkixText(&signing.PublicKey)}},
		"_dmarc.example.jp.":               {TXT: []string{"v=DMARC1; p=reject; rua=mailto:dmarc@example.jp"}},
		reverse6("2001:db8::20"):           {PTR: []string{"out.example.jp."}},
		"unrelated.example.jp.":            {TXT: []string{"x"}},
		"_dmarc.notice.unrelated.example.": {TXT: []string{"v=DMARC1; p=none"}},
	}
	w.o = Options{From: "notice@example.jp", Envelope: "bounce.example.jp", Security: "starttls", Name: "out.example.jp",
		Sending: []netip.Addr{netip.MustParseAddr("192.0.2.20"), netip.MustParseAddr("2001:db8::20")},
		Keys:    []Key{{"example.jp", "s1", &signing.PublicKey}}, Roots: pool,
		Seed: func(context.Context) (Seed, error) {
			return Seed{now.Add(-time.Hour), now.Add(-time.Hour), &Signed{"example.jp", []Signature{{Domain: "example.jp", Selector: "s1", Algorithm: "rsa-sha256"}}}}, nil
		},
		Now: func() time.Time { return now }}
	return w
}

func reverse6(a string) string {
	b := netip.MustParseAddr(a).As16()
	var out strings.Builder
	for i := len(b) - 1; i >= 0; i-- {
		const hex = "0123456789abcdef"
		out.WriteString(string(hex[b[i]&15]) + "." + string(hex[b[i]>>4]) + ".")
	}
	return out.String() + "ip6.arpa."
}

// closed is a relay to which no mail is sent.
type closed struct{ t *testing.T }

func (closed) Reset()        {}
func (closed) Logout() error { return nil }
func (c closed) Mail(string, *smtpd.MailOptions) error {
	c.t.Error("a preflight sends mail")
	return nil
}
func (closed) Rcpt(string, *smtpd.RcptOptions) error { return nil }
func (closed) Data(io.Reader) error                  { return nil }

func (w *world) run(t *testing.T) map[string][]Finding {
	t.Helper()
	dns, err := mockdns.NewServerWithLogger(w.zones, log.New(io.Discard, "", 0), false)
	if err != nil {
		t.Fatal(err)
	}
	defer dns.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smtpd.NewServer(smtpd.BackendFunc(func(*smtpd.Conn) (smtpd.Session, error) { return closed{t}, nil }))
	s.TLSConfig, s.Domain, s.ErrorLog = w.tls, "mail.example.jp", log.New(io.Discard, "", 0)
	if w.o.Security == "tls" {
		l = tls.NewListener(l, w.tls)
	}
	go s.Serve(l)
	defer s.Close()
	if w.o.Relays == nil {
		_, port, _ := net.SplitHostPort(l.Addr().String())
		w.o.Relays = []string{net.JoinHostPort("mail.example.jp", port)}
	}
	w.o.Resolver = dns.LocalAddr().String()
	out := map[string][]Finding{}
	found := Run(t.Context(), w.o)
	for _, f := range found {
		if (f.Level == Error || f.Level == Warning) && (f.Remedy.EN == "" || f.Remedy.JA == "") {
			t.Errorf("%+v has no remedy", f)
		}
		out[f.ID] = append(out[f.ID], f)
	}
	if (Allow(found, "") == nil) != Ready(found) || Allow(found, "the domain is retired next week") != nil || !Ready(found) && !errors.Is(Allow(found, " "), ErrNotReady) {
		t.Errorf("what is found and what is allowed differ: %+v", found)
	}
	return out
}

func TestWell(t *testing.T) {
	for _, security := range []string{"starttls", "tls"} {
		w := well(t)
		w.o.Security = security
		for id, found := range w.run(t) {
			for _, f := range found {
				if f.Level == Error || f.Level == Warning {
					t.Errorf("%s: %+v", id, f)
				}
			}
		}
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public := key.Public().(ed25519.PublicKey)
	w := well(t)
	w.zones["ed._domainkey.example.jp."] = mockdns.Zone{TXT: []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}}
	w.o.Keys = append(w.o.Keys, Key{"example.jp", "ed", public})
	if found := w.run(t)["dkim"]; len(found) != 2 || found[1].Level != Well {
		t.Errorf("%+v", found)
	}
}

// TestFindings breaks one thing at a time, and expects it to be found, and its remedy with it.
func TestFindings(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	txt := func(name, text string) func(*world) {
		return func(w *world) {
			z := w.zones[name]
			z.TXT = []string{text}
			w.zones[name] = z
		}
	}
	gone := func(name string) func(*world) { return func(w *world) { delete(w.zones, name) } }
	fails := func(name string) func(*world) {
		return func(w *world) { w.zones[name] = mockdns.Zone{Err: errors.New("SERVFAIL")} }
	}
	certified := func(name string, until time.Time) func(*world) {
		return func(w *world) {
			pair, pool := certificate(t, name, until)
			w.tls, w.o.Roots = &tls.Config{Certificates: []tls.Certificate{pair}}, pool
		}
	}
	seed := func(sent, back time.Time) func(*world) {
		return func(w *world) {
			w.o.Seed = func(context.Context) (Seed, error) { return Seed{Sent: sent, Back: back}, nil }
		}
	}
	for _, c := range []struct {
		name, id, level, says string
		wrong                 func(*world)
	}{
		{"no address", "mail-from", Error, "no address is set", func(w *world) { w.o.From = "" }},
		{"no SPF", "spf", Error, "has no SPF record", gone("bounce.example.jp.")},
		{"another machine's SPF", "spf", Error, "gives fail for 192.0.2.20", txt("bounce.example.jp.", "v=spf1 ip4:192.0.2.99 -all")},
		{"SPF that lets everybody half in", "spf", Error, "gives softfail", txt("bounce.example.jp.", "v=spf1 ~all")},
		{"broken SPF", "spf", Error, "cannot be read", txt("bounce.example.jp.", "v=spf1 ip4:nothing -all")},
		{"SPF that nobody answers for", "spf", Error, "could not be asked for", fails("bounce.example.jp.")},
		{"no key", "dkim", Error, "not published", gone("s1._domainkey.example.jp.")},
		{"another key", "dkim", Error, "another key", txt("s1._domainkey.example.jp.", "v=DKIM1; p="+pkixText(&other.PublicKey))},
		{"a revoked key", "dkim", Error, "revoked", txt("s1._domainkey.example.jp.", "v=DKIM1; p=")},
		{"no key at all", "dkim", Error, "holds no key", txt("s1._domainkey.example.jp.", "hello")},
		{"a key that is being tried", "dkim", Warning, "being tried", txt("s1._domainkey.example.jp.", "v=DKIM1; t=y:s; p="+pkixText(&signing.PublicKey))},
		{"a short key", "dkim", Warning, "has 1024 bits", func(w *world) {
			txt("s1._domainkey.example.jp.", "v=DKIM1; p="+pkixText(&short.PublicKey))(w)
			w.o.Keys[0].Public = &short.PublicKey
		}},
		{"a key that nobody answers for", "dkim", Error, "could not be asked for", fails("s1._domainkey.example.jp.")},
		{"nobody signs", "dkim", Error, "no DKIM key", func(w *world) { w.o.Keys = nil }},
		{"no DMARC", "dmarc", Error, "no DMARC record", gone("_dmarc.example.jp.")},
		{"DMARC that nobody answers for", "dmarc", Error, "could not be asked for", fails("_dmarc.example.jp.")},
		{"two records", "dmarc", Error, "there are 2", func(w *world) {
			w.zones["_dmarc.example.jp."] = mockdns.Zone{TXT: []string{"v=DMARC1; p=none", "v=DMARC1; p=reject"}}
		}},
		{"comes back to another domain", "dmarc", Warning, "only DKIM", func(w *world) {
			w.o.Envelope = "bounce.relay.example"
			w.zones["bounce.relay.example."] = w.zones["bounce.example.jp."]
		}},
		{"strict", "dmarc", Warning, "only DKIM", txt("_dmarc.example.jp.", "v=DMARC1; p=reject; aspf=s")},
		{"signed by another domain", "dmarc", Warning, "only SPF", func(w *world) {
			w.o.Keys[0].Domain = "relay.example"
			w.zones["s1._domainkey.relay.example."] = w.zones["s1._domainkey.example.jp."]
		}},
		{"nothing stands for it", "dmarc", Error, "neither SPF nor DKIM", func(w *world) {
			w.o.Keys = nil
			w.zones["bounce.example.jp."] = mockdns.Zone{}
		}},
		{"no name", "ptr", Error, "has no name", gone("20.2.0.192.in-addr.arpa.")},
		{"a name that leads elsewhere", "ptr", Error, "does not lead back", func(w *world) {
			w.zones["20.2.0.192.in-addr.arpa."] = mockdns.Zone{PTR: []string{"mx.example.jp."}}
		}},
		{"nowhere to come back to", "return", Error, "no MX record", func(w *world) {
			z := w.zones["bounce.example.jp."]
			z.MX = nil
			w.zones["bounce.example.jp."] = z
		}},
		{"takes no mail", "return", Error, "takes no mail", func(w *world) {
			z := w.zones["bounce.example.jp."]
			z.MX = []net.MX{{Host: ".", Pref: 0}}
			w.zones["bounce.example.jp."] = z
		}},
		{"a server without an address", "return", Error, "has an address", gone("mx.example.jp.")},
		{"never tried", "seed", Error, "no mail was sent to come back", seed(time.Time{}, time.Time{})},
		{"it did not come back", "seed", Error, "has not", seed(now.Add(-time.Hour), time.Time{})},
		{"long ago", "seed", Warning, "9 days ago", seed(now.AddDate(0, 0, -9), now.AddDate(0, 0, -9))},
		{"no relay", "relay", Error, "does not answer", func(w *world) { w.o.Relays = []string{"mail.example.jp:1"} }},
		{"a relay without a name", "relay", Error, "has no address", gone("mail.example.jp.")},
		{"no TLS", "relay", Error, "offers no TLS", func(w *world) { w.tls = nil }},
		{"a certificate of another name", "relay", Error, "not for mail.example.jp", certified("other.example.jp", time.Now().AddDate(1, 0, 0))},
		{"a certificate of nobody", "relay", Error, "cannot be trusted", func(w *world) { w.o.Roots = x509.NewCertPool() }},
		{"a certificate that ends", "relay", Warning, "ends at", func(w *world) {
			certified("mail.example.jp", time.Now().AddDate(0, 1, 0))(w)
			w.o.Now = func() time.Time { return time.Now().AddDate(0, 0, 25) }
		}},
		{"unknown addresses", "sending", Error, "not known from which addresses", func(w *world) { w.o.Sending = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := well(t)
			c.wrong(w)
			found := w.run(t)[c.id]
			for _, f := range found {
				if f.Level == c.level && strings.Contains(f.What.EN, c.says) {
					return
				}
			}
			t.Errorf("%+v", found)
		})
	}
}
