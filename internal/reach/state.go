package reach

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"shirase/internal/reach/smtp"
)

// State is how the notice to one recipient stands.
type State uint8

// The states. None of them is "delivered": receivers accept mail and sort it away without a word.
const (
	outside    State = iota // of the roster, and not of the campaign's audience
	Pending                 // to be sent
	Intended                // about to be handed over: that is written down before it is
	HandedOver              // the relay answers for it
	Accepted                // the recipient's own server has taken it, as the relay's log or its report says
	Deferred                // to be tried again later
	Refused                 // it was not taken, and is not tried again
	Bounced                 // it was taken, and came back
	Unknown                 // it was in flight when a process or a connection ended: the relay may have it
	Substitute              // not written to by this: to be told in another way
	states
)

var stateNames = [states]string{"outside", "pending", "intended", "handed-over", "accepted", "deferred", "refused", "bounced", "unknown", "substitute"}

func (s State) String() string { return stateNames[s] }

// ParseState reads what String writes, "outside" aside.
func ParseState(s string) (State, bool) {
	i := slices.Index(stateNames[:], s)
	return State(max(i, 0)), i > 0
}

// Counts are how many recipients are in each state.
type Counts [states]int64

// Total is how many the campaign is for.
func (c Counts) Total() (n int64) {
	for _, v := range c[Pending:] {
		n += v
	}
	return n
}

// Names gives the counts by the names of the states, all of them.
func (c Counts) Names() map[string]int64 {
	out := map[string]int64{}
	for s := Pending; s < states; s++ {
		out[s.String()] = c[s]
	}
	return out
}

// reasons are why somebody was not reached, as Sisimai names them (https://libsisimai.org/en/reason/), and some of our own at the end. What
// is kept is the place in the list: it only grows.
var reasons = []string{"", "undefined", "userunknown", "hasmoved", "hostunknown", "mailboxfull", "suspend", "filtered", "rejected", "blocked", "policyviolation", "spamdetected", "virusdetected",
	"authfailure", "badreputation", "requireptr", "notcompliantrfc", "securityerror", "norelaying", "contenterror", "mesgtoobig", "exceedlimit", "speeding", "toomanyconn", "ratelimited", "expired",
	"networkerror", "systemerror", "systemfull", "mailererror", "notaccept", "onhold", "syntaxerror", "failedstarttls", "emailtoolarge", "feedback", "vacation", "delivered",
	"suppressed", "address", "interrupted", "returned",
	"declined", "unclaimed"}

func reasonOf(name string) uint8 {
	return uint8(max(slices.Index(reasons, name), 0))
}

// record is the state of one recipient.
type record struct {
	state  State
	tries  uint8
	reason uint8
	relay  uint8  // which took or refused it, from 1; 0: none. Of a letter the export; of a substitute the measure.
	at     uint32 // seconds since 1970, of the last change
	due    uint32 // of the next try, where it is deferred
	active bool   // an account of theirs is in use
}

// activeBit stands in the byte of the tries, of which there are never so many.
const activeBit = 0x80

// first says that somebody is to be written to before the others.
func (r record) first() bool { return r.active && r.state == Pending }

const (
	recordSize  = 12
	blockSize   = 256 // recipients
	shardBlocks = 64
	shardSize   = shardBlocks * blockSize
)

// block is the states of blockSize recipients, as they are kept.
type block struct {
	n      int64
	states []byte
}

func newBlock(n int64) *block { return &block{n: n} }

// size is how many recipients are in it.
func (b *block) size() int { return len(b.states) / recordSize }

func (b *block) get(i int) record {
	r := b.states[i*recordSize:]
	return record{State(r[0]), r[1] &^ activeBit, r[2], r[3], binary.BigEndian.Uint32(r[4:]), binary.BigEndian.Uint32(r[8:]), r[1]&activeBit != 0}
}

func (b *block) set(i int, r record) {
	o := b.states[i*recordSize:]
	o[0], o[1], o[2], o[3] = byte(r.state), r.tries, r.reason, r.relay
	if r.active {
		o[1] |= activeBit
	}
	binary.BigEndian.PutUint32(o[4:], r.at)
	binary.BigEndian.PutUint32(o[8:], r.due)
}

// add puts one more recipient at the end.
func (b *block) add(r record) {
	b.states = append(b.states, make([]byte, recordSize)...)
	b.set(b.size()-1, r)
}

// check refuses what no program of this version has written.
func (b *block) check() error {
	if len(b.states)%recordSize != 0 || b.size() == 0 || b.size() > blockSize {
		return fmt.Errorf("%w: the states of a block", ErrDamaged)
	}
	for i := range b.size() {
		if r := b.get(i); r.state >= states || int(r.reason) >= len(reasons) {
			return fmt.Errorf("%w: the states of a block", ErrDamaged)
		}
	}
	return nil
}

// sums gives what a block's row says beside the states: counts, from when there is somebody to send to, and how many are to be sent to first.
func (b *block) sums() (c Counts, due, first int64) {
	due = -1
	for i := range b.size() {
		r := b.get(i)
		c[r.state]++
		if r.active && (r.state == Pending || r.state == Intended) { // who is in flight is not through yet
			first++
		}
		d := int64(-1)
		switch r.state {
		case Pending, Intended:
			d = 0
		case Deferred:
			d = int64(r.due)
		}
		if d >= 0 && (due < 0 || d < due) {
			due = d
		}
	}
	return c, due, first
}

// waits are how long is waited after each deferral: the published schedule. After the last one it is given up, five days after the first try.
var waits = []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
	12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour}

// longest is further away than any try can be: a clock has jumped back meanwhile.
const longest = 13 * time.Hour

// isDue says whether a recipient is to be sent to now.
func (r record) isDue(now time.Time) bool {
	switch r.state {
	case Pending:
		return true
	case Deferred:
		return int64(r.due) <= now.Unix() || int64(r.due) > now.Add(longest).Unix()
	}
	return false
}

// deferred is the record after one more try that failed for now.
func (r record) deferred(reason string, now time.Time) record {
	r.at, r.reason = uint32(now.Unix()), reasonOf(reason)
	if int(r.tries) >= len(waits) {
		r.state, r.due = Refused, 0
		if reason == "undefined" {
			r.reason = reasonOf("expired")
		}
		return r
	}
	r.state, r.due = Deferred, uint32(now.Add(waits[r.tries]).Unix())
	r.tries++
	return r
}

// after is the record after what a relay said to a mail.
func (r record) after(o smtp.Outcome, now time.Time) record {
	at := uint32(now.Unix())
	switch reason := reasonFor(o.Reply); {
	case o.Unknown:
		r.state, r.reason, r.at, r.due = Unknown, reasonOf("interrupted"), at, 0
	case o.Taken():
		r.state, r.reason, r.at, r.due = HandedOver, 0, at, 0
	case o.Reply.Transient() || o.Reply.Policy(): // refused is the sender, and not the person
		r = r.deferred(reason, now)
	default:
		r.state, r.reason, r.at, r.due = Refused, reasonOf(reason), at, 0
	}
	return r
}

// reasonFor names the reason that a reply's codes give (RFC 3463, section 3). What only the text says, bounces are read for.
func reasonFor(r smtp.Reply) string {
	if len(r.Enhanced) < 5 {
		if r.Code == 552 {
			return "mailboxfull"
		}
		return "undefined"
	}
	switch r.Enhanced[2:] {
	case "1.0", "1.1", "1.3":
		return "userunknown"
	case "1.6":
		return "hasmoved"
	case "1.2", "4.4", "1.10":
		return "hostunknown"
	case "2.1":
		return "suspend"
	case "2.2":
		return "mailboxfull"
	case "2.3", "3.4":
		return "mesgtoobig"
	case "3.1":
		return "systemfull"
	case "4.5":
		return "toomanyconn"
	case "4.7":
		return "expired"
	}
	switch r.Enhanced[2] {
	case '3':
		return "systemerror"
	case '4':
		return "networkerror"
	case '5':
		return "syntaxerror"
	case '6':
		return "contenterror"
	case '7':
		return "policyviolation"
	}
	return "undefined"
}
