package gate

import (
	"slices"
	"time"

	"shirase/internal/language"
	"shirase/internal/store"
)

// Decision is what is done with a request or an account.
type Decision struct {
	Kind Kind
	// Undecided says that nothing could be decided, and what is done by that: Kind is Allowed where it is open, and KindMaintenance where it
	// is closed. It is "" of a decision.
	Undecided Undecided

	Incident string
	Says     language.Text
	URL      string    // of a reset
	Until    time.Time // when it is expected to be over; zero: nobody has said

	page [2][]byte
	held *held // of a notice
}

var (
	allowed      = Decision{Kind: Allowed}
	unknownOpen  = Decision{Kind: Allowed, Undecided: UndecidedOpen}
	unknownClose = Decision{Kind: KindMaintenance, Undecided: UndecidedClosed}
)

// known gives what is in force, unless that is too old to go by.
func (n *Node) known() (*memory, bool) {
	m := n.memory.Load()
	if m == nil {
		return nil, false
	}
	if n.Rules.Keep > 0 {
		if age, ok := n.Age(); !ok || age > n.Rules.Keep {
			return nil, false
		}
	}
	return m, true
}

// request decides on a request for a target, of an account where one is known.
func (n *Node) request(t *target, a Account) Decision {
	for i := range n.Rules.Allow {
		if n.Rules.Allow[i].lets(*t) {
			return n.count(allowed)
		}
	}
	m, ok := n.known()
	if !ok {
		if n.Rules.undecided(*t) == UndecidedClosed {
			return n.count(unknownClose)
		}
		return n.count(unknownOpen)
	}
	for _, c := range m.routes { // the strictest first
		if t.in(c.patterns) {
			return n.count(c.decision())
		}
	}
	if a == (Account{}) {
		return n.count(allowed)
	}
	return n.count(n.account(m, a))
}

// login decides on the login of an account, by a route of a name where one is given.
func (n *Node) login(route string, a Account) Decision {
	m, ok := n.known()
	if !ok {
		undecided := n.Rules.Accounts
		if r, ok := n.Rules.route(route); ok {
			undecided = r.Undecided
		}
		if undecided == UndecidedClosed {
			return n.count(unknownClose)
		}
		return n.count(unknownOpen)
	}
	if route != "" {
		for _, c := range m.routes {
			if c.Route == route {
				return n.count(c.decision())
			}
		}
	}
	return n.count(n.account(m, a))
}

func (c *closed) decision() Decision {
	d := Decision{Kind: KindMaintenance, Incident: c.Incident, Says: c.Says, Until: c.until, page: c.page}
	if c.State == Closed {
		d.Kind = KindBlocked
	}
	return d
}

// account decides on an account: the strictest hold that it is in, and has not done what that asks.
func (n *Node) account(m *memory, a Account) Decision {
	lost := false
	for _, h := range m.holds { // the strictest first
		if h.err != nil {
			lost = true
			continue
		}
		if i, ok := h.find(a); ok && !h.isDone(i) {
			return Decision{Kind: h.Accounts.kind(), Incident: h.Incident, Says: h.Says, URL: h.URL, Until: h.until, page: h.page, held: h}
		}
	}
	switch {
	case !lost:
		return allowed
	case n.Rules.Accounts == UndecidedClosed:
		return unknownClose
	}
	return unknownOpen
}

// find gives the entry of an account. Its id decides where there is one and the roster names accounts: two accounts may share an address, of
// which one is affected.
func (h *held) find(a Account) (int, bool) {
	for i, name := range a.hashes(h.sealer) {
		if at, ok := h.set.find(name); ok {
			return at, true
		}
		if i == 0 && a.Account != "" && h.set.ids == allIDs {
			return 0, false
		}
	}
	return 0, false
}

func (n *Node) count(d Decision) Decision {
	if n.Idle {
		d = allowed
	}
	switch d.Undecided {
	case UndecidedOpen:
		n.undecided[0].Add(1)
	case UndecidedClosed:
		n.undecided[1].Add(1)
	default:
		n.decided[slices.Index(kinds, d.Kind)].Add(1)
	}
	return d
}

// AsOf is when what is known was known to be so; zero: nothing is known.
func (n *Node) AsOf() time.Time {
	at := n.asOf.Load()
	if at == 0 {
		return time.Time{}
	}
	return store.FromMicros(at)
}
