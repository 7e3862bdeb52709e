// Package smtp hands mail to a relay: pipelined where the relay offers it (RFC 2920), over connections that it keeps, and so that of each
// mail it is known afterwards whether the relay has it, has it not, or may have it.
package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/hint"
	"shirase/internal/outward"
)

// Security is how a connection to a relay is encrypted.
type Security string

// The kinds of security.
const (
	StartTLS Security = "starttls" // or nothing is sent
	TLS      Security = "tls"      // from the first byte (RFC 8314)
	None     Security = "none"     // to this machine only
)

// Relay is a server that takes mail.
type Relay struct {
	Address  string // host and port
	Security Security
	User     string // "": it wants none
	Password string
	Hello    string         // what we call ourselves
	Roots    *x509.CertPool // nil: the system's
	// Patience bounds each answer; 0 is ten minutes, as RFC 5321, section 4.5.3.2.6, has it for the one after the data.
	Patience time.Duration
}

// Errors of relays.
var (
	// ErrPolicy says that a relay is refused by us: what it offers is less than is asked for.
	ErrPolicy = errors.New("the relay is not used")
	// ErrLogin says that a relay does not take our name and password.
	ErrLogin = errors.New("the relay does not accept its user")
)

// A ReplyError is a reply by which a relay refuses the connection or the sender, and not a mail.
type ReplyError struct {
	At    string
	Reply Reply
}

func (e *ReplyError) Error() string { return "the relay answers " + e.At + " with " + e.Reply.String() }

// Conn is a connection to a relay. It is for one goroutine.
type Conn struct {
	relay      Relay
	c          net.Conn
	r          *bufio.Reader
	w          *bufio.Writer
	pipelining bool
	extensions []string
	dead       bool
	deadline   time.Time
	stop       func() bool
	ended      func() error // non-nil once nothing is to be waited for any more
}

// Dial connects, encrypts and signs in. Errors: ErrPolicy, ErrLogin, ErrProtocol, ReplyError.
func Dial(ctx context.Context, relay Relay) (*Conn, error) {
	host, _, err := net.SplitHostPort(relay.Address)
	if err != nil {
		return nil, fmt.Errorf("the relay's address: %w", err)
	}
	if relay.Patience == 0 {
		relay.Patience = 10 * time.Minute
	}
	if sink, shut := outward.Mail(ctx); shut { // an exercise: neither a name is looked up nor a password said
		raw, err := sink()
		if err != nil {
			return nil, err
		}
		relay.Security, relay.User, relay.Password = None, "", ""
		return begun(ctx, relay, raw, host)
	}
	local := isLocal(host)
	if relay.Security == None && !local {
		return nil, hint.Add(fmt.Errorf("%w: %s is not on this machine, and its connection is not encrypted", ErrPolicy, host), "set its security to starttls or tls")
	}
	d := net.Dialer{Timeout: min(relay.Patience, 30*time.Second)}
	raw, err := outward.Dial(ctx, &d, "tcp", relay.Address)
	if err != nil {
		return nil, err
	}
	return begun(ctx, relay, raw, host)
}

// begun encrypts and signs in over a connection.
func begun(ctx context.Context, relay Relay, raw net.Conn, host string) (*Conn, error) {
	c := &Conn{relay: relay, ended: ctx.Err}
	c.use(raw)
	c.stop = context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	if err := c.begin(ctx, host); err != nil {
		c.drop()
		return nil, err
	}
	return c, nil
}

func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// use reads and writes by another connection. The buffer for reading bounds a line.
func (c *Conn) use(raw net.Conn) {
	c.c, c.r, c.w = raw, bufio.NewReaderSize(raw, maxLine), bufio.NewWriterSize(raw, 32<<10)
}

func (c *Conn) begin(ctx context.Context, host string) error {
	config := &tls.Config{ServerName: host, RootCAs: c.relay.Roots, MinVersion: tls.VersionTLS12}
	if c.relay.Security == TLS {
		if err := c.encrypt(ctx, config); err != nil {
			return err
		}
	}
	c.wait()
	r, _, err := readReply(c.r)
	if err == nil && r.Code != 220 {
		err = &ReplyError{"the connection", r}
	}
	if err == nil {
		err = c.hello()
	}
	if err != nil {
		return err
	}
	if c.relay.Security == StartTLS {
		if !c.offers("STARTTLS") {
			return hint.Add(fmt.Errorf("%w: it offers no STARTTLS", ErrPolicy), "ask who runs it, or set its security to tls and its port to 465")
		}
		if err := c.say("STARTTLS", "STARTTLS"); err != nil {
			return err
		}
		if err := c.quiet(); err != nil { // whoever stands between has added it (RFC 3207, section 6)
			return err
		}
		if err := c.encrypt(ctx, config); err != nil {
			return err
		}
		if err := c.hello(); err != nil {
			return err
		}
	}
	return c.login()
}

func (c *Conn) encrypt(ctx context.Context, config *tls.Config) error {
	t := tls.Client(c.c, config)
	ctx, cancel := context.WithTimeout(ctx, min(c.relay.Patience, time.Minute))
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	c.use(t)
	return nil
}

// hello says who we are, and keeps what the server offers (RFC 5321, section 4.1.1.1).
func (c *Conn) hello() error {
	name := c.relay.Hello
	if name == "" {
		name = "localhost"
	}
	if err := c.write("EHLO " + name); err != nil {
		return err
	}
	c.wait()
	r, lines, err := readReply(c.r)
	if err != nil {
		return err
	}
	if !r.Good() {
		return &ReplyError{"EHLO", r}
	}
	c.extensions = lines[1:]
	c.pipelining = c.offers("PIPELINING")
	return nil
}

// offers reports an extension, and has says its parameters.
func (c *Conn) offers(name string) bool { _, ok := c.has(name); return ok }

func (c *Conn) has(name string) (parameters []string, ok bool) {
	for _, e := range c.extensions {
		f := strings.Fields(e)
		if len(f) > 0 && strings.EqualFold(f[0], name) {
			return f[1:], true
		}
	}
	return nil, false
}

// Size is the largest mail that the relay takes, in bytes (RFC 1870); 0 where it does not say.
func (c *Conn) Size() int64 {
	p, _ := c.has("SIZE")
	if len(p) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(p[0], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Encrypted reports whether the connection is.
func (c *Conn) Encrypted() bool { _, ok := c.c.(*tls.Conn); return ok }

// login signs in by PLAIN or LOGIN (RFC 4954, RFC 4616): a password is written to an encrypted connection or to this machine.
func (c *Conn) login() error {
	if c.relay.User == "" {
		return nil
	}
	host, _, _ := net.SplitHostPort(c.relay.Address)
	if !c.Encrypted() && !isLocal(host) {
		return fmt.Errorf("%w: a password needs an encrypted connection", ErrPolicy)
	}
	mechanisms, _ := c.has("AUTH")
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	var steps []string
	switch {
	case slices.ContainsFunc(mechanisms, func(m string) bool { return strings.EqualFold(m, "PLAIN") }):
		steps = []string{"AUTH PLAIN " + encode("\x00"+c.relay.User+"\x00"+c.relay.Password)}
	case slices.ContainsFunc(mechanisms, func(m string) bool { return strings.EqualFold(m, "LOGIN") }):
		steps = []string{"AUTH LOGIN", encode(c.relay.User), encode(c.relay.Password)}
	default:
		return hint.Add(fmt.Errorf("%w: it offers neither PLAIN nor LOGIN", ErrLogin), "leave its user away if it wants none")
	}
	for i, s := range steps {
		if err := c.write(s); err != nil {
			return err
		}
		c.wait()
		r, _, err := readReply(c.r)
		if err != nil {
			return err
		}
		if last := i == len(steps)-1; last && !r.Good() || !last && r.Code != 334 {
			return fmt.Errorf("%w: %w", ErrLogin, &ReplyError{"the login", r})
		}
	}
	return nil
}

// say writes a command and wants it to be done.
func (c *Conn) say(line, at string) error {
	if err := c.write(line); err != nil {
		return err
	}
	c.wait()
	r, _, err := readReply(c.r)
	if err == nil && !r.Good() {
		err = &ReplyError{at, r}
	}
	return err
}

func (c *Conn) write(line string) error {
	if err := c.quiet(); err != nil {
		return err
	}
	c.wait()
	c.w.WriteString(line)
	c.w.WriteString("\r\n")
	return c.w.Flush()
}

// wait gives what comes next its time. A deadline costs a lock of the runtime's poller: it is moved on seldom.
func (c *Conn) wait() {
	now := time.Now()
	if c.deadline.Sub(now) < c.relay.Patience/2 {
		c.deadline = now.Add(c.relay.Patience)
		c.c.SetDeadline(c.deadline)
		if c.ended() != nil { // it ended meanwhile, and the deadline that ends all reading was undone
			c.c.SetDeadline(now)
		}
	}
}

// Close ends the connection as RFC 5321, section 4.1.1.10, wants it, where it still is one.
func (c *Conn) Close() {
	if !c.dead {
		c.c.SetDeadline(time.Now().Add(2 * time.Second))
		c.w.WriteString("QUIT\r\n")
		if c.w.Flush() == nil {
			readReply(c.r)
		}
	}
	c.drop()
}

// drop ends it at once.
func (c *Conn) drop() {
	c.dead = true
	c.stop()
	c.c.Close()
}
