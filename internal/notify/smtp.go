package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// SMTP sends mail through a server.
type SMTP struct {
	Server   string // host and port
	From     string
	User     string // "": the server wants none
	Password string
	Base64   bool   // texts of one length make mails of one length
	Security string // starttls, tls, or none, which only a server on this machine gets
}

// Send sends one mail. id makes its Message-ID, so that the same sent twice is known for the same.
func (s SMTP) Send(ctx context.Context, to, subject, text, id string) error {
	host, port, err := net.SplitHostPort(s.Server)
	if err != nil {
		return fmt.Errorf("mail.server: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("mail.server: %w", err)
	}
	_, domain, _ := strings.Cut(s.From, "@")
	options := []mail.Option{mail.WithPort(number), mail.WithTimeout(20 * time.Second), mail.WithHELO(domain)}
	switch ip := net.ParseIP(host); s.Security {
	case "tls":
		options = append(options, mail.WithSSL())
	case "none":
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return errors.New("mail.security is none, and the mail server is not on this machine")
		}
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.User), mail.WithPassword(s.Password))
	}
	form := []mail.MsgOption{mail.WithNoDefaultUserAgent()}
	if s.Base64 {
		form = append(form, mail.WithEncoding(mail.EncodingB64))
	}
	m := mail.NewMsg(form...)
	if err := errors.Join(m.From(s.From), m.To(to)); err != nil {
		return errors.New("an address cannot be written to") // err would have it
	}
	m.SetMessageIDWithValue(id + "@" + domain)
	m.SetDate()
	m.Subject(subject)
	m.SetBodyString(mail.TypeTextPlain, text)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834
	c, err := mail.NewClient(host, options...)
	if err != nil {
		return fmt.Errorf("mail.server: %w", err)
	}
	if err := c.DialAndSendWithContext(ctx, m); err != nil {
		return fmt.Errorf("the mail server does not take it: %s", without(err.Error(), to))
	}
	return nil
}

// without leaves an address out of what a server says.
func without(said, address string) string { return strings.ReplaceAll(said, address, "…") }
