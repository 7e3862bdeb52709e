package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"shirase/internal/outward"
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

// Errors of sending, which say what is known of the mail.
var (
	// ErrRefused says that the server will never take it: the same again would be refused again.
	ErrRefused = errors.New("the mail server refuses it for good")
	// ErrUncertain says that the connection ended when all of it was sent and no answer had come: the server may have it.
	ErrUncertain = errors.New("the mail server may have taken it")
)

// Letter is one mail to one person.
type Letter struct {
	To, Subject, Text string
	ID                string // makes its Message-ID, so that the same sent twice is known for the same
	ReplyTo           string // "": From
	Back              string // that it comes back to, where it cannot be brought there; "": From
	InReplyTo         string // Message-ID, without < and >, of what it answers
	Person            bool   // a person wrote it: whoever answers it by a program answers a person
}

// Send sends one mail. id makes its Message-ID, so that the same sent twice is known for the same.
func (s SMTP) Send(ctx context.Context, to, subject, text, id string) error {
	return s.Deliver(ctx, Letter{To: to, Subject: subject, Text: text, ID: id})
}

// Deliver sends one mail. Errors: ErrRefused, ErrUncertain; with any other one the server has it not, and it may be tried again.
func (s SMTP) Deliver(ctx context.Context, out Letter) error {
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
	sink, shut := outward.Mail(ctx)
	switch ip := net.ParseIP(host); {
	case shut: // an exercise: neither a name is looked up nor a password said
		options = append(options, mail.WithTLSPolicy(mail.NoTLS), mail.WithDialContextFunc(func(context.Context, string, string) (net.Conn, error) { return sink() }))
	case s.Security == "tls":
		options = append(options, mail.WithSSL())
	case s.Security == "none":
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return errors.New("mail.security is none, and the mail server is not on this machine")
		}
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.User != "" && !shut {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.User), mail.WithPassword(s.Password))
	}
	form := []mail.MsgOption{mail.WithNoDefaultUserAgent()}
	if s.Base64 {
		form = append(form, mail.WithEncoding(mail.EncodingB64))
	}
	m := mail.NewMsg(form...)
	wrong := errors.Join(m.From(s.From), m.To(out.To))
	if out.ReplyTo != "" {
		wrong = errors.Join(wrong, m.ReplyTo(out.ReplyTo))
	}
	if out.Back != "" {
		wrong = errors.Join(wrong, m.EnvelopeFrom(out.Back))
	}
	if wrong != nil {
		return fmt.Errorf("%w: an address cannot be written to", ErrRefused) // the error would have it
	}
	m.SetMessageIDWithValue(out.ID + "@" + domain)
	m.SetDate()
	m.Subject(oneLine(out.Subject))
	if messageID.MatchString(out.InReplyTo) {
		m.SetGenHeader("In-Reply-To", "<"+out.InReplyTo+">")
		m.SetGenHeader("References", "<"+out.InReplyTo+">")
	}
	m.SetBodyString(mail.TypeTextPlain, out.Text)
	if !out.Person {
		m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834
	}
	c, err := mail.NewClient(host, options...)
	if err != nil {
		return fmt.Errorf("mail.server: %w", err)
	}
	if err := c.DialAndSendWithContext(ctx, m); err != nil && !m.IsDelivered() { // it was taken, and the farewell failed
		said := fmt.Errorf("the mail server does not take it: %s", without(err.Error(), out.To))
		var why *mail.SendError
		switch {
		case !errors.As(err, &why):
		case why.Reason == mail.ErrSMTPDataClose && why.ErrorCode() == 0:
			return fmt.Errorf("%w: %w", ErrUncertain, said)
		case why.ErrorCode()/100 == 5:
			return fmt.Errorf("%w: %w", ErrRefused, said)
		}
		return said
	}
	return nil
}

// messageID is what another's header may be named by: nothing that ends a line, or a bracket (RFC 5322, section 3.6.4).
var messageID = regexp.MustCompile(`^[!-;=?-~]{3,250}$`)

// oneLine keeps a subject from being more than one.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// addressed is what a server may quote an address by: whom it was to however it writes them, whom that is passed on to, and what it came from, in
// which there may be a token.
var addressed = regexp.MustCompile(`[^\s<>"'(),;:]+@[^\s<>"'(),;:]+`)

// without leaves addresses out of what a server says.
func without(said, address string) string {
	return addressed.ReplaceAllString(strings.ReplaceAll(said, address, "…"), "…")
}
