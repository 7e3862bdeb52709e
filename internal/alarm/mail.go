package alarm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"shirase/internal/hint"
)

// Mail sends news by mail.
type Mail struct {
	from, host     string
	to             []string
	port           int
	user, password string
	policy         mail.TLSPolicy
}

// ErrMail reports settings by which no mail can be sent.
var ErrMail = errors.New("alarms cannot be mailed")

// NewMail makes one of a server (host and port), who writes, who is written to, and the account at the server, if it wants
// one. The server has to speak TLS, unless it is on this machine.
func NewMail(server, from string, to []string, user, password string) (*Mail, error) {
	host, portText, err := net.SplitHostPort(server)
	port, portErr := strconv.Atoi(portText)
	if err != nil || portErr != nil {
		return nil, fmt.Errorf("%w: %q is not a server and its port", ErrMail, server)
	}
	m := &Mail{from: from, to: to, host: host, port: port, user: user, password: password, policy: mail.TLSMandatory}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		m.policy = mail.NoTLS
	}
	if _, err := m.message(News{}); err != nil {
		return nil, hint.Add(fmt.Errorf("%w: %w", ErrMail, err), "say from whom and to whom: alarms.mail.from, alarms.mail.to")
	}
	return m, nil
}

// Name is mail.
func (m *Mail) Name() string { return "mail" }

// Send hands one piece of news to the server.
func (m *Mail) Send(ctx context.Context, n News) error {
	msg, err := m.message(n)
	if err != nil {
		return err
	}
	options := []mail.Option{mail.WithPort(m.port), mail.WithTLSPolicy(m.policy), mail.WithTimeout(sendFor)}
	if m.port == 465 {
		options = append(options, mail.WithSSL())
	}
	if m.user != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.user), mail.WithPassword(m.password))
	}
	c, err := mail.NewClient(m.host, options...)
	if err != nil {
		return err
	}
	return c.DialAndSendWithContext(ctx, msg)
}

func (m *Mail) message(n News) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := msg.From(m.from); err != nil {
		return nil, errors.New("alarms.mail.from is no address of mail")
	}
	if err := msg.To(m.to...); err != nil {
		return nil, errors.New("alarms.mail.to has something that is no address of mail")
	}
	state := "alarm"
	if n.Over {
		state = "over"
	}
	msg.Subject(fmt.Sprintf("[shirase] %s: %s (%s)", state, n.ID, n.From))
	msg.SetDate()
	msg.SetMessageID()
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody answers it with a machine
	var b strings.Builder
	if n.Over {
		fmt.Fprintf(&b, "This is over:\n\n")
	}
	fmt.Fprintf(&b, "%s\n", n.What)
	if !n.Over {
		fmt.Fprintf(&b, "\nWhat to do: %s\n", n.Remedy)
	}
	fmt.Fprintf(&b, "\nSince %s\nInstance: %s\n", n.Since.UTC().Format(time.RFC3339), n.From)
	msg.SetBodyString(mail.TypeTextPlain, b.String())
	return msg, nil
}
