package smtp

import (
	"bytes"
	"errors"
	"fmt"
)

// Mail is what is handed over to one recipient.
type Mail struct {
	From, To string   // as [Path] writes them
	Data     [][]byte // the message in parts, its lines ended by CR LF, the last one too; not yet as RFC 5321, section 4.5.2, has dots
}

// Stage is how far a mail came.
type Stage int

// The stages, each of which a reply ends.
const (
	AtSender    Stage = iota // MAIL FROM
	AtRecipient              // RCPT TO
	AtData                   // DATA
	AtEnd                    // after the last line
)

func (s Stage) String() string {
	return [...]string{"MAIL FROM", "RCPT TO", "DATA", "the end of the data"}[s]
}

// Outcome is what came of a mail.
type Outcome struct {
	Stage Stage
	Reply Reply
	// Unknown says that the connection broke when all of the mail had been written and no answer had come: the relay may have it.
	Unknown bool
}

// Taken reports that the relay answers for the mail from now on.
func (o Outcome) Taken() bool { return !o.Unknown && o.Stage == AtEnd && o.Reply.Good() }

// ErrClosing says that the relay ends the connection (421).
var ErrClosing = errors.New("the relay closes the connection")

// Deliver hands over mails, one after the other, and calls done of each that has an outcome, in order. It ends before the next mail when
// stop says so. n is how many have one. The error is the connection's, which is of no use afterwards: then at names the mail at which it
// broke, if that one had been begun and no part of its message was written, or -1: the relay has it not, and it may be tried again.
func (c *Conn) Deliver(mails []Mail, stop func() bool, done func(i int, o Outcome)) (n, at int, err error) {
	if c.dead {
		return 0, -1, fmt.Errorf("%w before", ErrClosing)
	}
	begun := -1
	defer func() {
		if err != nil {
			c.drop()
			at = begun
		}
	}()
	for i := range mails {
		if begun != i {
			if stop != nil && stop() {
				return n, -1, nil
			}
			begun = i
			if err := c.open(&mails[i]); err != nil {
				return n, 0, err
			}
		}
		o, ready, err := c.opened(&mails[i])
		if err != nil {
			return n, 0, err
		}
		if !ready {
			done(i, o)
			n++
			begun = -1
			if err := c.say("RSET", "RSET"); err != nil {
				return n, 0, err
			}
			continue
		}
		c.data(&mails[i])
		// The envelope of the next mail goes along with the end of this one (RFC 2920, section 3.1).
		next := -1
		if c.pipelining && i+1 < len(mails) && (stop == nil || !stop()) {
			next = i + 1
			c.envelope(&mails[next])
		}
		begun = -1
		o, err = c.end()
		done(i, o)
		n++
		if err != nil {
			return n, 0, err
		}
		begun = next
	}
	return n, -1, nil
}

// envelope writes the commands of a mail, without waiting. DATA is the last of a group (RFC 2920, section 3.1).
func (c *Conn) envelope(m *Mail) {
	c.w.WriteString("MAIL FROM:<")
	c.w.WriteString(m.From)
	c.w.WriteString(">\r\nRCPT TO:<")
	c.w.WriteString(m.To)
	c.w.WriteString(">\r\nDATA\r\n")
}

// open begins a mail where the server takes pipelining; else opened asks step by step.
func (c *Conn) open(m *Mail) error {
	if !c.pipelining {
		return nil
	}
	if err := c.quiet(); err != nil {
		return err
	}
	c.wait()
	c.envelope(m)
	return c.w.Flush()
}

// opened reads the answers to a mail's commands. ready says that the message is waited for.
func (c *Conn) opened(m *Mail) (o Outcome, ready bool, err error) {
	if !c.pipelining {
		return c.step(m)
	}
	refused := false
	for _, at := range []Stage{AtSender, AtRecipient, AtData} {
		r, err := c.answer(at)
		if err != nil {
			return o, false, err
		}
		if at == AtData && r.Code == 354 {
			if err := c.quiet(); err != nil {
				return o, false, err
			}
			if !refused {
				return o, true, nil
			}
			// It wants a message for nobody: a single dot ends that (RFC 2920, section 3.1).
			if err := c.write("."); err != nil {
				return o, false, err
			}
			_, err := c.answer(AtEnd)
			return o, false, err
		}
		if (!r.Good() || at == AtData) && !refused {
			refused, o = true, Outcome{Stage: at, Reply: r}
		}
	}
	return o, false, nil
}

// step asks one thing after the other.
func (c *Conn) step(m *Mail) (o Outcome, ready bool, err error) {
	for i, line := range []string{"MAIL FROM:<" + m.From + ">", "RCPT TO:<" + m.To + ">", "DATA"} {
		if err := c.write(line); err != nil {
			return o, false, err
		}
		at := Stage(i)
		r, err := c.answer(at)
		switch {
		case err != nil:
			return o, false, err
		case at == AtData && r.Code == 354:
			return o, true, c.quiet()
		case at == AtData || !r.Good():
			return Outcome{Stage: at, Reply: r}, false, nil
		}
	}
	panic("unreachable: DATA returns")
}

// data writes a message and its end.
func (c *Conn) data(m *Mail) {
	c.wait()
	start := true // of a line
	for _, p := range m.Data {
		if start && len(p) > 0 && p[0] == '.' || bytes.Contains(p, dotted) {
			start = c.stuff(p, start)
			continue
		}
		c.w.Write(p)
		start = bytes.HasSuffix(p, crlf)
	}
	if !start {
		c.w.Write(crlf)
	}
	c.w.WriteString(".\r\n")
}

var crlf, dotted = []byte("\r\n"), []byte("\n.")

// stuff doubles dots at the beginning of lines (RFC 5321, section 4.5.2).
func (c *Conn) stuff(p []byte, start bool) bool {
	for len(p) > 0 {
		if start && p[0] == '.' {
			c.w.WriteByte('.')
		}
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			c.w.Write(p)
			return false
		}
		c.w.Write(p[:i+1])
		p, start = p[i+1:], true
	}
	return start
}

// end sends the message and reads what the relay says of it. Where the answer does not come, nobody knows.
func (c *Conn) end() (Outcome, error) {
	if err := c.w.Flush(); err != nil {
		return Outcome{Stage: AtEnd, Unknown: true}, err
	}
	r, err := c.answer(AtEnd)
	switch {
	case errors.Is(err, ErrClosing): // by which it says that it has not taken it
		return Outcome{Stage: AtEnd, Reply: r}, err
	case err != nil:
		return Outcome{Stage: AtEnd, Unknown: true}, err
	}
	return Outcome{Stage: AtEnd, Reply: r}, nil
}

// answer reads what the relay says at a stage. Errors: ErrClosing, with the reply; ErrProtocol, where it is no answer to what was asked: then
// the relay has lost count, or somebody speaks in between, and nothing that it says after that is an answer to anybody's mail.
func (c *Conn) answer(at Stage) (Reply, error) {
	c.wait()
	r, _, err := readReply(c.r)
	switch {
	case err != nil:
		return Reply{}, err
	case r.Code == 421: // the service ends, whatever was asked (RFC 5321, section 3.8)
		return r, fmt.Errorf("%w: %s", ErrClosing, r)
	case r.Code/100 == 3 && (at != AtData || r.Code != 354), at == AtData && r.Good():
		return Reply{}, fmt.Errorf("%w: it answers %s with %d", ErrProtocol, at, r.Code)
	}
	return r, nil
}

// quiet refuses to go on where the relay has said something that nobody asked for: it would be taken for the answer to what comes next, such as
// "taken" for a mail that is still to be written.
func (c *Conn) quiet() error {
	n := c.r.Buffered()
	if n == 0 {
		return nil
	}
	if said, _ := c.r.Peek(n); bytes.HasPrefix(said, []byte("421")) { // it has waited for too long
		return ErrClosing
	}
	return fmt.Errorf("%w: it says more than it was asked", ErrProtocol)
}
