package check

import (
	"context"
	"fmt"
	"net/url"
	"slices"
)

// listedKey is a key in GET /ledger/v1/keys: an ended one with the last
// statement under it, which names the next, and the current one alone.
type listedKey struct {
	VKey      string `json:"vkey"`
	Statement Bytes  `json:"statement,omitzero"`
	Proof     string `json:"proof,omitzero"`
}

// step is a key of the ledger. With a statement it named the key that follows.
type step struct {
	VKey       string
	st         *Statement // nil of the key that signs now
	hash       Hash
	checkpoint *Checkpoint
}

// keyList gets the ledger's keys, the oldest first.
func (c *Client) keyList(ctx context.Context, base *url.URL) ([]listedKey, error) {
	var reply struct {
		Keys []listedKey `json:"keys"`
	}
	if err := c.getJSON(ctx, base.JoinPath("ledger/v1/keys"), nil, maxKeyList, &reply); err != nil {
		return nil, fmt.Errorf("get the ledger's keys: %w", err)
	}
	return reply.Keys, nil
}

// ParseKeyList reads the reply of GET /ledger/v1/keys of an origin and verifies
// that each key named the next: for whoever follows a ledger from its first key
// on. It gives the keys, the oldest first.
func ParseKeyList(body []byte, origin string) (vkeys []string, err error) {
	var reply struct {
		Keys []listedKey `json:"keys"`
	}
	if err := parseExactly(body, &reply); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrServer, err)
	}
	steps, err := (&trust{origin: origin}).follow(reply.Keys, 0)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		vkeys = append(vkeys, s.VKey)
	}
	return vkeys, nil
}

// succession follows the ledger's keys from one that is trusted to the one that
// signs now. A server that names none leaves the pinned keys as they are.
func (c *Client) succession(ctx context.Context, base *url.URL, t *trust) ([]step, error) {
	list, err := c.keyList(ctx, base)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return t.follow(list, t.start(list))
}

// start returns the place of the key that the pinned statement names, or else of
// the newest that is pinned; -1 where the list has neither.
func (t *trust) start(list []listedKey) int {
	if b := t.pin.Bindings; b != nil && b.Ledger != nil {
		return slices.IndexFunc(list, func(k listedKey) bool { return VKeyHash(k.VKey) == b.Ledger.Key })
	}
	for i, k := range slices.Backward(list) {
		if slices.ContainsFunc(t.pin.Keys, func(p pinnedKey) bool { return p.VKey == k.VKey }) {
			return i
		}
	}
	return -1
}

// newest returns the place of the newest key of a list that a policy names; -1
// where it names none.
func (p *Policy) newest(list []listedKey) int {
	for i, k := range slices.Backward(list) {
		if slices.ContainsFunc(p.logs, func(l ledgerKey) bool { return l.vkey == k.VKey }) {
			return i
		}
	}
	return -1
}

// follow verifies a list of keys from one that is trusted: each has signed a
// checkpoint that holds a statement that names the next. The keys are trusted
// from then on.
func (t *trust) follow(list []listedKey, start int) ([]step, error) {
	bad := func(what string) ([]step, error) {
		return nil, fmt.Errorf("%w: the ledger's list of keys: %s", ErrCheckpoint, what)
	}
	if start < 0 || start >= len(list) {
		return bad("the pinned key is not in it")
	}
	var steps []step
	var vkeys []string
	for i, k := range list[start:] {
		s := step{VKey: k.VKey}
		keys, err := LedgerPolicy(k.VKey)
		if err != nil || keys.logs[0].v.Name() != t.origin || keys.logs[0].vkey != k.VKey {
			return bad("a key is not one of this ledger's")
		}
		if last := start+i == len(list)-1; last != (k.Proof == "" && len(k.Statement) == 0) {
			return bad("every key but the last has a statement")
		} else if !last {
			if s.checkpoint, err = Prove(KindStatement, k.Statement, k.Proof, keys); err != nil {
				return bad(err.Error())
			}
			if s.st, err = ParseStatement(k.Statement); err != nil {
				return bad(err.Error())
			}
			if s.st.Ledger == nil || s.st.Ledger.Key != VKeyHash(k.VKey) || s.st.Ledger.Next != VKeyHash(list[start+i+1].VKey) {
				return bad("a key does not follow from the one before")
			}
			s.hash = StatementHash(k.Statement)
		}
		steps = append(steps, s)
		vkeys = append(vkeys, k.VKey)
	}
	keys, err := LedgerPolicy(vkeys...)
	if err != nil {
		return bad(err.Error())
	}
	if t.keys == nil {
		t.keys = keys
	} else {
		for _, l := range keys.logs {
			if !slices.ContainsFunc(t.keys.logs, func(o ledgerKey) bool { return o.vkey == l.vkey }) {
				t.keys.logs = append(t.keys.logs, l)
			}
		}
	}
	return steps, nil
}
