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

	"shirase/internal/outward"
)

// certificateSoon is how long before its end a certificate is told of.
const certificateSoon = 14 * 24 * time.Hour

// lookRelays looks at every relay: the one that takes over when another fails has to be as well.
func (l *look) lookRelays(ctx context.Context) {
	if len(l.Relays) == 0 {
		l.find("relay", Error, "relay-none")
	}
	for _, relay := range l.Relays {
		l.lookRelay(ctx, relay)
	}
}

// lookRelay connects to a relay as mail does, and sends none.
func (l *look) lookRelay(ctx context.Context, relay string) {
	host, port, err := net.SplitHostPort(relay)
	if err != nil {
		l.find("relay", Error, "relay-form", relay)
		return
	}
	list, err := l.addresses(ctx, host)
	if err != nil || len(list) == 0 {
		l.find("relay", Error, "relay-address", host)
		return
	}
	ctx, cancel := l.ask(ctx)
	defer cancel()
	var conn net.Conn
	for _, a := range list {
		if conn, err = outward.Dial(ctx, &net.Dialer{}, "tcp", net.JoinHostPort(a.String(), port)); err == nil {
			break
		}
	}
	if err != nil {
		l.find("relay", Error, "relay-away", relay, bare(err))
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
		l.find("relay", Error, "relay-other", relay, bare(err))
		return
	}
	defer c.Quit()
	if !l.encrypted(c, settings, host, relay) {
		return
	}
	if ok, _ := c.Extension("PIPELINING"); !ok { // RFC 2920
		l.find("relay-pipelining", Note, "relay-slow", relay)
	}
}

// encrypted reports whether the connection to the relay is as it is to be.
func (l *look) encrypted(c *smtp.Client, settings *tls.Config, host, relay string) bool {
	if state, ok := c.TLSConnectionState(); ok {
		l.certificate(relay, state)
		return true
	}
	if a, err := netip.ParseAddr(host); l.Security == "none" && (host == "localhost" || err == nil && a.IsLoopback()) {
		l.find("relay", Well, "relay-local")
		return true
	}
	if ok, _ := c.Extension("STARTTLS"); !ok { // RFC 3207
		l.find("relay", Error, "relay-plain", relay)
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
		l.find("relay", Warning, "relay-ends", relay, until.UTC().Format(time.RFC3339))
		return
	}
	l.find("relay", Well, "relay-well", relay)
}

func (l *look) untrusted(relay string, err error) {
	var unknown *tls.CertificateVerificationError
	if errors.As(err, &unknown) {
		err = unknown.Err
	}
	if name := (x509.HostnameError{}); errors.As(err, &name) {
		l.find("relay", Error, "relay-name", relay, name.Host)
		return
	}
	l.find("relay", Error, "relay-trust", relay, bare(err))
}

// bare is an error without the addresses that the system puts before it.
func bare(err error) error {
	if e := (*net.OpError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
