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
	"shirase/internal/outward"
)

// Account is where mail is handed over, and from whom it is.
type Account struct {
	Server         string // host and port
	From           string
	User, Password string // "": the server asks for none
	Security       string // starttls, tls or none
}

// Mail sends news by mail.
type Mail struct {
	account Account
	host    string
	port    int
	to      []string
}

// ErrMail reports settings by which no mail can be sent.
var ErrMail = errors.New("alarms cannot be mailed")

// NewMail makes one of an account and who is written to.
func NewMail(a Account, to []string) (*Mail, error) {
	host, portText, err := net.SplitHostPort(a.Server)
	port, portErr := strconv.Atoi(portText)
	if err != nil || portErr != nil {
		return nil, fmt.Errorf("%w: %q is not a server and its port", ErrMail, a.Server)
	}
	m := &Mail{a, host, port, to}
	if _, err := m.message(News{}); err != nil {
		return nil, hint.Add(fmt.Errorf("%w: %w", ErrMail, err), "say from whom and to whom: mail.from, alarms.mailTo")
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
	options := []mail.Option{mail.WithPort(m.port), mail.WithTimeout(sendFor), mail.WithTLSPolicy(mail.TLSMandatory)}
	sink, shut := outward.Mail(ctx)
	switch {
	case shut: // an exercise: neither a name is looked up nor a password said
		options = append(options, mail.WithTLSPolicy(mail.NoTLS), mail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return sink() }))
	case m.account.Security == "tls":
		options = append(options, mail.WithSSL())
	case m.account.Security == "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if m.account.User != "" && !shut {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.account.User), mail.WithPassword(m.account.Password))
	}
	c, err := mail.NewClient(m.host, options...)
	if err != nil {
		return err
	}
	return c.DialAndSendWithContext(ctx, msg)
}

func (m *Mail) message(n News) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := msg.From(m.account.From); err != nil {
		return nil, errors.New("mail.from is no address of mail")
	}
	if err := msg.To(m.to...); err != nil {
		return nil, errors.New("alarms.mailTo has something that is no address of mail")
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
