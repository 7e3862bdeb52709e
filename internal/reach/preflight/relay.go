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

// lookRelay connects to the relay as mail does, and sends none.
func (l *look) lookRelay(ctx context.Context) {
	if l.Relay == "" {
		l.find("relay", Error, "shirase config set mail.server mail.example.org:587", "no relay is set by which mail leaves")
		return
	}
	host, port, err := net.SplitHostPort(l.Relay)
	if err != nil {
		l.find("relay", Error, "shirase config set mail.server mail.example.org:587", "the relay, %s, is not a host and a port", l.Relay)
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
		l.find("relay", Error, lead, "the relay does not answer at %s: %v", l.Relay, bare(err))
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	settings := &tls.Config{ServerName: host, RootCAs: l.Roots, MinVersion: tls.VersionTLS12}
	if l.Security == "tls" {
		secure := tls.Client(conn, settings)
		if err := secure.HandshakeContext(ctx); err != nil {
			l.untrusted(err)
			return
		}
		conn = secure
	}
	c, err := smtp.NewClient(conn, host)
	if err == nil {
		err = c.Hello(l.Name)
	}
	if err != nil {
		l.find("relay", Error, lead, "what answers at %s is no mail server, or does not take us: %v", l.Relay, bare(err))
		return
	}
	defer c.Quit()
	if !l.encrypted(c, settings, host) {
		return
	}
	if ok, _ := c.Extension("PIPELINING"); !ok { // RFC 2920
		l.find("relay-pipelining", Note, "none is needed; another relay would be faster", "the relay takes one command at a time: a campaign takes longer")
	}
}

// encrypted reports whether the connection to the relay is as it is to be.
func (l *look) encrypted(c *smtp.Client, settings *tls.Config, host string) bool {
	if state, ok := c.TLSConnectionState(); ok {
		l.certificate(state)
		return true
	}
	if a, err := netip.ParseAddr(host); l.Security == "none" && (host == "localhost" || err == nil && a.IsLoopback()) {
		l.find("relay", Well, "", "the relay answers on this machine, unencrypted")
		return true
	}
	if ok, _ := c.Extension("STARTTLS"); !ok { // RFC 3207
		l.find("relay", Error, "have the relay offer STARTTLS, with a certificate for its name", "the relay at %s offers no TLS: what is sent to it can be read on the way", l.Relay)
		return false
	}
	if err := c.StartTLS(settings); err != nil {
		l.untrusted(err)
		return false
	}
	state, _ := c.TLSConnectionState()
	l.certificate(state)
	return true
}

func (l *look) certificate(state tls.ConnectionState) {
	leaf := state.PeerCertificates[0]
	if until := leaf.NotAfter; l.Now().Add(certificateSoon).After(until) {
		l.find("relay", Warning, "renew it", "the relay's certificate ends at %s", until.UTC().Format(time.RFC3339))
		return
	}
	l.find("relay", Well, "", "the relay at %s answers by TLS, with a certificate for its name", l.Relay)
}

func (l *look) untrusted(err error) {
	const remedy = "have the relay use a certificate for its name, with its whole chain, by an authority that this machine trusts"
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) {
		err = unknown.Err
	}
	if name := (x509.HostnameError{}); errors.As(err, &name) {
		l.find("relay", Error, remedy, "the relay's certificate is not for %s", name.Host)
		return
	}
	l.find("relay", Error, remedy, "the relay at %s cannot be trusted: %v", l.Relay, bare(err))
}

// bare is an error without the addresses that the system puts before it.
func bare(err error) error {
	if e := (*net.OpError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
