// Package bounce reads returned mail: delivery status notifications (RFC 3464, RFC 6533), what mail systems wrote before there were any
// and some still do, and answers by themselves (RFC 3834). It says of whom a message is, whether it failed or is only delayed, and why,
// by the names that Sisimai uses.
//
// Who writes such a message is a stranger, and nothing in it is believed for being there: what may be concluded is decided by the keyed
// token in the address that it came back to, which the campaign made, and by nothing else. See docs/THREATS.md.
package bounce

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// ErrLarge reports a message beyond MaxSize.
var ErrLarge = errors.New("the message is larger than returned mail is")

// A Kind is what a message is.
type Kind string

// The kinds.
const (
	Failed    Kind = "failed"     // it was given up
	Delayed   Kind = "delayed"    // it is still tried
	Arrived   Kind = "delivered"  // a server says that it took it, or passed it on
	AutoReply Kind = "auto-reply" // somebody is away, or a program answers
	Complaint Kind = "complaint"  // somebody said that it is spam (RFC 5965)
	Other     Kind = "other"      // mail by a person, or what is not understood
)

// A Report is what one message says.
type Report struct {
	Kind       Kind
	Recipients []Recipient // of whom it says something; at most 50
	To         []string    // where it was sent to, by its own header and by the envelope that the returned header names
	MessageIDs []string    // of the message that came back, without < and >
}

// A Recipient is what a message says of one address.
type Recipient struct {
	Address   string // as the message has it; "" where it names none
	Kind      Kind
	Reason    Reason
	Permanent bool   // the same again would fail again
	Status    string // RFC 3463, such as 5.1.1; "" where none is said
	Said      string // what the server said, on one line of at most 500 bytes. It may have addresses in it
}

var (
	statusIn  = regexp.MustCompile(`\b([245])\.(\d{1,3})\.(\d{1,3})\b`)
	codeIn    = regexp.MustCompile(`(?:^|[\s:;>])([45]\d\d)(?:[\s\-]|$)`)
	addressIn = regexp.MustCompile(`[^\s<>()\[\]:;,"']+@[^\s<>()\[\]:;,"']+[A-Za-z0-9]`)
)

// Parse reads one message. Errors: ErrLarge.
func Parse(b []byte) (Report, error) {
	if len(b) > MaxSize {
		return Report{}, fmt.Errorf("%w: %d bytes, and %d are read", ErrLarge, len(b), MaxSize)
	}
	c := read(b)
	text, below := c.above()
	if c.returned == nil {
		c.returned = below
	}
	r := Report{Kind: Other, To: c.to(), MessageIDs: c.messageIDs()}
	switch {
	case c.feedback:
		r.Kind = Complaint
		r.Recipients = []Recipient{{Kind: Complaint, Reason: Feedback}}
	case c.status != nil:
		r.Recipients = notified(c.status, text)
	case c.auto():
		r.Kind = AutoReply
		r.Recipients = []Recipient{{Kind: AutoReply, Reason: Vacation, Address: first(addressIn.FindString(c.header.get("from")))}}
	case c.daemon():
		r.Recipients = c.told(text)
	}
	if r.Kind == Other && len(r.Recipients) > 0 {
		r.Kind = worst(r.Recipients)
	}
	return r, nil
}

func first(s string) string { return strings.Trim(s, "<>") }

// worst is the kind of a message that says several things: what failed counts first.
func worst(all []Recipient) Kind {
	for _, kind := range []Kind{Failed, Delayed, Arrived} {
		for _, r := range all {
			if r.Kind == kind {
				return kind
			}
		}
	}
	return Other
}

// around gives what the text around recipients says of the reason, for those of whom nothing of their own is said. It is looked at once,
// and only its first 4 KiB.
func around(text string) func() Reason {
	return sync.OnceValue(func() Reason { return reasonOf(strings.ToValidUTF8(text[:min(len(text), 4<<10)], ""), "") })
}

// judge fills in what follows from a recipient's status and from what was said.
func (r *Recipient) judge(context func() Reason) {
	r.Said = oneLine(r.Said)
	said := r.Said
	if r.Status == "" || strings.HasSuffix(r.Status, ".0.0") { // 5.0.0 says nothing: what the server said may
		if m := statusIn.FindString(said); m != "" {
			r.Status = m
		}
	}
	if r.Status == "" {
		if m := codeIn.FindStringSubmatch(said); m != nil {
			r.Status = m[1][:1] + ".0.0"
		}
	}
	if r.Kind == Arrived {
		r.Reason = Delivered
		return
	}
	r.Reason = reasonOf(said, r.Status)
	if r.Reason == OnHold || r.Reason == Undefined {
		if found := context(); found != Undefined && found != OnHold {
			r.Reason = found
		} else if r.Kind == Delayed {
			r.Reason = Expired
		}
	}
	r.Permanent = r.Kind == Failed && !strings.HasPrefix(r.Status, "4") && !(worths[r.Reason].soft && !strings.HasPrefix(r.Status, "5"))
	if r.Reason == Expired || r.Reason == NetworkError {
		r.Permanent = false
	}
}

// oneLine is a text on one line, and not longer than is kept.
func oneLine(s string) string {
	s = strings.TrimSpace(spaces.ReplaceAllString(s, " "))
	if len(s) > 500 {
		s = strings.ToValidUTF8(s[:500], "")
	}
	return s
}

// to gives where the message was sent to: whoever handed it over may have written the envelope's recipient down.
func (c *contents) to() (out []string) {
	for _, name := range []string{"delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to", "cc"} {
		for _, v := range c.header.all(name) {
			out = append(out, addressIn.FindAllString(v, 10)...)
		}
	}
	for _, name := range []string{"return-path", "sender", "x-envelope-from"} { // of what came back: our own envelope's sender
		for _, v := range c.returned.all(name) {
			out = append(out, addressIn.FindAllString(v, 2)...)
		}
	}
	return out[:min(len(out), 40)]
}

var messageID = regexp.MustCompile(`<([^<>\s]{3,250})>`)

// messageIDs are those of what came back; where nothing did, of what is answered.
func (c *contents) messageIDs() (out []string) {
	for _, v := range append(append(c.returned.all("message-id"), c.header.all("in-reply-to")...), c.header.all("references")...) {
		for _, m := range messageID.FindAllStringSubmatch(v, 5) {
			out = append(out, m[1])
		}
	}
	return out[:min(len(out), 20)]
}
