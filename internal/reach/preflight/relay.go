package preflight

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"net/smtp"
	"time"
)

// certificateSoon is how long before its end a certificate is told of.
const certificateSoon = 14 * 24 * time.Hour

// lookRelays looks at every relay: the one that takes over when another fails has to be as well.
func (l *look) lookRelays(ctx context.Context) {
	if len(l.Relays) == 0 {
		l.find("relay", Error, "shirase config set campaign.relays mail.example.org:587", "no relay is set by which mail leaves")
	}
	for _, relay := range l.Relays {
		l.lookRelay(ctx, relay)
	}
}

// lookRelay connects to a relay as mail does, and sends none.
func (l *look) lookRelay(ctx context.Context, relay string) {
	host, port, err := net.SplitHostPort(relay)
	if err != nil {
		l.find("relay", Error, "shirase config set campaign.relays mail.example.org:587", "the relay, %s, is not a host and a port", relay)
		return
	}
	list, err := l.addresses(ctx, host)
	if err != nil || len(list) == 0 {
		l.find("relay", Error, "correct the relay's name", "the relay, %s, has no address", host)
		return
	}
	ctx, cancel := l.ask(ctx)
	defer cancel()
	var conn net.Conn
	for _, a := range list {
		if conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(a.String(), port)); err == nil {
			break
		}
	}
	const lead = "see that the relay runs, and that this machine may connect to it"
	if err != nil {
		l.find("relay", Error, lead, "the relay does not answer at %s: %v", relay, bare(err))
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	settings := &tls.Config{ServerName: host, RootCAs: l.Roots, MinVersion: tls.VersionTLS12}
	if l.Security == "tls" {
		secure := tls.Client(conn, settings)
		if err := secure.HandshakeContext(ctx); err != nil {
			l.untrusted(relay, err)
			return
		}
		conn = secure
	}
	c, err := smtp.NewClient(conn, host)
	if err == nil {
		err = c.Hello(l.Name)
	}
	if err != nil {
		l.find("relay", Error, lead, "what answers at %s is no mail server, or does not take us: %v", relay, bare(err))
		return
	}
	defer c.Quit()
	if !l.encrypted(c, settings, host, relay) {
		return
	}
	if ok, _ := c.Extension("PIPELINING"); !ok { // RFC 2920
		l.find("relay-pipelining", Note, "none is needed; another relay would be faster", "the relay at %s takes one command at a time: a campaign takes longer", relay)
	}
}

// encrypted reports whether the connection to the relay is as it is to be.
func (l *look) encrypted(c *smtp.Client, settings *tls.Config, host, relay string) bool {
	if state, ok := c.TLSConnectionState(); ok {
		l.certificate(relay, state)
		return true
	}
	if a, err := netip.ParseAddr(host); l.Security == "none" && (host == "localhost" || err == nil && a.IsLoopback()) {
		l.find("relay", Well, "", "the relay answers on this machine, unencrypted")
		return true
	}
	if ok, _ := c.Extension("STARTTLS"); !ok { // RFC 3207
		l.find("relay", Error, "have the relay offer STARTTLS, with a certificate for its name", "the relay at %s offers no TLS: what is sent to it can be read on the way", relay)
		return false
	}
	if err := c.StartTLS(settings); err != nil {
		l.untrusted(relay, err)
		return false
	}
	state, _ := c.TLSConnectionState()
	l.certificate(relay, state)
	return true
}

func (l *look) certificate(relay string, state tls.ConnectionState) {
	leaf := state.PeerCertificates[0]
	if until := leaf.NotAfter; l.Now().Add(certificateSoon).After(until) {
		l.find("relay", Warning, "renew it", "the certificate of the relay at %s ends at %s", relay, until.UTC().Format(time.RFC3339))
		return
	}
	l.find("relay", Well, "", "the relay at %s answers by TLS, with a certificate for its name", relay)
}

func (l *look) untrusted(relay string, err error) {
	const remedy = "have the relay use a certificate for its name, with its whole chain, by an authority that this machine trusts"
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) {
		err = unknown.Err
	}
	if name := (x509.HostnameError{}); errors.As(err, &name) {
		l.find("relay", Error, remedy, "the certificate of the relay at %s is not for %s", relay, name.Host)
		return
	}
	l.find("relay", Error, remedy, "the relay at %s cannot be trusted: %v", relay, bare(err))
}

// bare is an error without the addresses that the system puts before it.
func bare(err error) error {
	if e := (*net.OpError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
