package check

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

var (
	// ErrExpired says that a statement's time is over, or this machine's clock is wrong.
	ErrExpired = errors.New("the server's statement has expired")
	// ErrNotYet says that a statement is from the future, or this machine's clock is wrong.
	ErrNotYet = errors.New("the server's statement is from the future")
	// ErrClock says that this machine's clock is behind a statement that it has seen.
	ErrClock = errors.New("this machine's clock is behind the newest statement that it has seen")
	// ErrOrigin says that a server shows a ledger that is met for the first time
	// under a name that is not the server's own.
	ErrOrigin = errors.New("the server names a ledger that is not its own")
)

const (
	clockSkew    = 10 * time.Minute // tolerated before ErrNotYet and ErrClock
	maxStatement = 2 * MaxStatement
	maxKeyList   = 64 << 20        // bytes of the ledger's list of keys
	maxMoves     = 8               // how often other programs may pin more of a ledger while one does
	behind       = 2 * time.Second // how long a server may go on with the statement before
)

// Vouched says who stands behind an answer.
type Vouched struct {
	Origin       string   `json:"origin"`
	Key          string   `json:"key"`                  // 8 hex digits of the ledger's key that signed
	PinnedSince  *Time    `json:"pinnedSince,omitzero"` // nil where the ledger is not remembered
	Host         string   `json:"host,omitzero"`        // where it was first met
	Witnesses    []string `json:"witnesses"`            // those of the policy that cosigned
	Organisation string   `json:"organisation"`         // those that the statement names

	// When others came in the place of the witnesses that were remembered: nil where that was not seen.
	WitnessesChanged *Time `json:"witnessesChanged,omitzero"`
}

// shown is a verified statement, with what it was verified by.
type shown struct {
	st         *Statement
	raw        []byte
	proof      string
	checkpoint *Checkpoint
	vouched    Vouched
}

// Statement fetches the newest statement and verifies it: checkpoint, inclusion,
// canonical bytes, freshness, witnesses, and that it goes on from what was seen.
// Where Pins decide and the ledger is new, its key is asked for and pinned.
func (c *Client) Statement(ctx context.Context) (*Statement, []byte, string, error) {
	base, err := c.base()
	if err != nil {
		return nil, nil, "", err
	}
	s, err := c.statement(ctx, base)
	if err != nil {
		return nil, nil, "", err
	}
	return s.st, s.raw, s.proof, nil
}

// statement asks for the newest statement. One of several servers may be behind
// for a moment: where it is, it is asked once more.
func (c *Client) statement(ctx context.Context, base *url.URL) (*shown, error) {
	s, err := c.newest(ctx, base)
	if errors.Is(err, ErrRollback) {
		if err := sleep(ctx, behind); err != nil {
			return nil, err
		}
		return c.newest(ctx, base)
	}
	return s, err
}

func (c *Client) newest(ctx context.Context, base *url.URL) (*shown, error) {
	var reply struct {
		Statement Bytes  `json:"statement"`
		Proof     string `json:"proof"`
	}
	if err := c.getJSON(ctx, base.JoinPath("check/v1/statement"), nil, maxStatement, &reply); err != nil {
		return nil, fmt.Errorf("get the statement: %w", err)
	}
	for tries := 1; ; tries++ {
		s, err := c.believe(ctx, base, reply.Statement, reply.Proof)
		if !errors.Is(err, errMoved) || tries == maxMoves {
			return s, c.contradicted(err, base, reply.Statement, reply.Proof)
		}
	}
}

// believe verifies a statement that a server shows, and pins it. The error is
// errMoved where another program has pinned more meanwhile.
func (c *Client) believe(ctx context.Context, base *url.URL, raw []byte, proof string) (*shown, error) {
	origin, err := ProofOrigin(proof)
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	t, err := c.trust(ctx, base, origin)
	if err != nil {
		return nil, err
	}
	s := &shown{raw: raw, proof: proof}
	s.checkpoint, err = Prove(KindStatement, s.raw, s.proof, t.keys)
	if errors.Is(err, ErrCheckpoint) && (c.Policy.named() || t.pin != nil && len(t.pin.Keys) > 0) {
		// The ledger may have another key by now, which the one that is trusted named.
		if serr := c.succeeded(ctx, base, t); serr != nil {
			return nil, fmt.Errorf("statement: %w", serr)
		}
		s.checkpoint, err = Prove(KindStatement, s.raw, s.proof, t.keys)
	}
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	if s.st, err = ParseStatement(s.raw); err != nil {
		return nil, err
	}
	if err := s.signed(); err != nil {
		return nil, err
	}
	if err := t.fresh(s.st, c.now()); err != nil {
		return nil, err
	}
	witnesses, err := c.witnessed(t, s)
	if err != nil {
		return nil, err
	}
	for _, k := range t.led { // a key that led on did so in the history that is shown
		if k.st == nil {
			continue
		}
		if err := Extends(ctx, k.checkpoint, s.checkpoint, c.Tiles(base)); err != nil {
			return nil, fmt.Errorf("the ledger under an earlier key: %w", err)
		}
	}
	if c.Pins != nil {
		if err := c.remember(ctx, base, t, s); err != nil {
			return nil, err
		}
	}
	s.vouched = vouch(s.st, s.checkpoint, t.pin, witnesses)
	return s, nil
}

// signed checks that a checkpoint is signed by the key that its statement names.
func (s *shown) signed() error {
	if s.st.Ledger != nil && s.st.Ledger.Key != VKeyHash(s.checkpoint.Key) {
		return fmt.Errorf("%w: the statement names another key of the ledger than signed it", ErrCheckpoint)
	}
	return nil
}

// named reports whether a policy is stated that names the log's keys.
func (p *Policy) named() bool { return p != nil && len(p.logs) > 0 }

// stated reports whether a policy is stated that speaks of witnesses.
func (p *Policy) stated() bool { return p != nil && !p.keysOnly }

// trust is what a ledger is held to.
type trust struct {
	origin string
	pin    *pin     // nil where nothing is known
	keys   *Policy  // the log's keys
	met    []string // keys to be pinned once everything is verified
	steps  []step   // from the pinned key to the one that signs now
	led    []step   // likewise, from a stated key, or the first one of a ledger that is met
}

// Exercise reports whether an origin is one of a ledger in which nothing is real (docs/FORMAT.md, exercises). Nobody meets such a
// ledger: only who states its key asks it, as the exercise itself does.
func Exercise(origin string) bool { return strings.HasPrefix(origin, "exercise.invalid/") }

// trust returns the keys for an origin: the client's own, pinned ones, or, where
// neither the origin nor the server was met before, one taken from the server's
// word.
func (c *Client) trust(ctx context.Context, base *url.URL, origin string) (*trust, error) {
	t := &trust{origin: origin}
	if c.Pins != nil {
		t.pin = c.Pins.data.Ledgers[origin]
	}
	if c.Policy.named() { // whoever states keys has decided on the ledger
		t.keys = &Policy{logs: slices.Clone(c.Policy.logs)}
		return t, nil
	}
	if Exercise(origin) { // before it is met, and whatever was pinned
		return nil, fmt.Errorf("%w: %q", ErrExercise, origin)
	}
	if c.Pins == nil {
		return nil, fmt.Errorf("%w: %q", ErrNotPinned, origin)
	}
	if before := c.Pins.bound(base); before != "" && before != origin {
		return nil, fmt.Errorf("%w: %q was pinned and it shows %q", ErrLedgerChanged, before, origin)
	}
	var err error
	if t.keys, err = c.Pins.keys(origin); !errors.Is(err, ErrNotPinned) {
		return t, err
	}
	return t, c.meet(ctx, base, t)
}

// succeeded takes in the keys to which the ones that are trusted have led.
func (c *Client) succeeded(ctx context.Context, base *url.URL, t *trust) error {
	if !c.Policy.named() {
		var err error
		t.steps, err = c.succession(ctx, base, t)
		return err
	}
	list, err := c.keyList(ctx, base)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	t.led, err = t.follow(list, t.keys.newest(list)) // what is pinned has steps of its own (follows)
	return err
}

// meet takes a ledger's key from the server's word.
func (c *Client) meet(ctx context.Context, base *url.URL, t *trust) error {
	body, err := c.do(ctx, http.MethodGet, base.JoinPath("ledger/v1/key"), nil, "text/plain", maxReply)
	if err != nil {
		return fmt.Errorf("get the ledger's key: %w", err)
	}
	vkey := strings.TrimSpace(string(body))
	if t.keys, err = LedgerPolicy(vkey); err != nil {
		return fmt.Errorf("get the ledger's key: %w: %w", ErrServer, err)
	}
	if t.keys.logs[0].v.Name() != t.origin {
		return fmt.Errorf("the server's ledger key is of another ledger than %q: %w", t.origin, ErrCheckpoint)
	}
	t.met = []string{vkey}
	if belongs(t.origin, base) || carries(t.origin, vkey) {
		return nil
	}
	// An origin that carries the hash of its first key is its successors' too.
	list, err := c.keyList(ctx, base)
	if err != nil || len(list) == 0 || !carries(t.origin, list[0].VKey) || list[len(list)-1].VKey != vkey {
		return fmt.Errorf("%w: %s shows %q", ErrOrigin, base.Host, t.origin)
	}
	if t.steps, err = t.follow(list, 0); err != nil {
		return fmt.Errorf("%w: %s shows %q: %w", ErrOrigin, base.Host, t.origin, err)
	}
	t.led = t.steps
	return nil
}

// belongs reports whether an origin is the name of the host that shows it. On
// this machine any is.
func belongs(origin string, u *url.URL) bool {
	if loopback(u.Hostname()) {
		return true
	}
	return slices.ContainsFunc([]string{u.Host, u.Hostname()}, func(host string) bool {
		return origin == host || strings.HasPrefix(origin, host+"/")
	})
}

// carries reports whether an origin ends with "/" and the first 16 hex digits
// of the SHA-256 of a key: nobody else can sign under such a name.
func carries(origin, vkey string) bool {
	b, err := vkeyBytes(vkey)
	if err != nil || len(b) < 2 {
		return false
	}
	h := sha256.Sum256(b[1:]) // without the type
	return strings.HasSuffix(origin, "/"+hex.EncodeToString(h[:8]))
}

// fresh looks at the clock.
func (t *trust) fresh(st *Statement, now time.Time) error {
	switch {
	case t.pin != nil && t.pin.Bindings != nil && t.pin.Bindings.Time.After(now.Add(clockSkew)):
		return fmt.Errorf("%w: %s", ErrClock, t.pin.Bindings.Time.Format(timeLayout))
	case !now.Before(st.Expires.Time):
		return fmt.Errorf("%w on %s", ErrExpired, st.Expires.Format(timeLayout))
	case st.Time.After(now.Add(clockSkew)):
		return fmt.Errorf("%w: %s", ErrNotYet, st.Time.Format(timeLayout))
	}
	return nil
}

// witnessed holds a checkpoint to the policies that count: the client's own
// where it speaks of witnesses, else the pinned one and the statement's. It
// gives the names of the witnesses that cosigned.
func (c *Client) witnessed(t *trust, s *shown) ([]string, error) {
	if c.Policy.stated() {
		return c.Policy.satisfied(t.keys, s.checkpoint)
	}
	var names []string
	for _, text := range t.policies(s.st) {
		p, err := parseStatementPolicy(text)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStatement, err)
		}
		cosigned, err := p.satisfied(t.keys, s.checkpoint)
		if err != nil {
			return nil, err
		}
		names = append(names, cosigned...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// policies are the pinned policy and the one of a statement.
func (t *trust) policies(st *Statement) (texts []string) {
	if t.pin != nil {
		texts = append(texts, t.pin.Policy)
	}
	if st.Ledger != nil {
		texts = append(texts, st.Ledger.Policy)
	}
	return texts
}

// satisfied holds a checkpoint that keys have signed to the policy's quorum.
func (p *Policy) satisfied(keys *Policy, c *Checkpoint) (witnesses []string, err error) {
	again, err := p.under(keys).Open(c.Note)
	if err != nil {
		return nil, err
	}
	return again.Witnesses, nil
}

// remember holds a statement and its checkpoint to what was seen of the ledger,
// and pins them. Two checkpoints that cannot be of one history are kept as
// evidence.
func (c *Client) remember(ctx context.Context, base *url.URL, t *trust, s *shown) error {
	bindings, err := c.follows(ctx, base, t, s)
	var fork *treeFork
	if errors.As(err, &fork) && t.pin != nil {
		return errors.Join(err, c.Pins.keep(t.origin, fork))
	}
	if err != nil {
		return err
	}
	l, host := t.pin.clone(), ""
	if !c.Policy.named() {
		for _, k := range t.steps {
			l.add(k.VKey, c.now())
		}
		for _, vkey := range t.met {
			l.add(vkey, c.now())
		}
		if l.Host == "" {
			l.Host = base.Host
		}
		if !loopback(base.Hostname()) {
			host = base.Host
		}
	}
	if s.st.Ledger != nil && s.st.Ledger.Policy != l.Policy && c.moves(t, s) {
		if otherWitnesses(l.Policy, s.st.Ledger.Policy) {
			l.Changed = &s.st.Time
		}
		l.Policy = s.st.Ledger.Policy
	}
	l.Bindings, l.Checkpoint = bindings, s.checkpoint.Note
	if err := c.Pins.commit(t.origin, host, t.pin, l); err != nil {
		return err
	}
	t.pin = l
	return nil
}

// moves reports whether a checkpoint satisfies the pinned policy and the
// statement's: then the latter is pinned.
func (c *Client) moves(t *trust, s *shown) bool {
	for _, text := range t.policies(s.st) {
		p, err := parseStatementPolicy(text)
		if err != nil {
			return false
		}
		if _, err := p.satisfied(t.keys, s.checkpoint); err != nil {
			return false
		}
	}
	return true
}

// follows proves that a statement and its checkpoint go on from what is pinned,
// and returns what is bound from now on.
func (c *Client) follows(ctx context.Context, base *url.URL, t *trust, s *shown) (*Bindings, error) {
	tiles := c.Tiles(base)
	if before := t.pin.checkpoint(); before != nil {
		if err := Extends(ctx, before, s.checkpoint, tiles); err != nil {
			return nil, err
		}
	}
	hash := StatementHash(s.raw)
	var b *Bindings
	if t.pin != nil {
		b = t.pin.Bindings
	}
	if b == nil {
		return Bind(s.st, hash), nil
	}
	if c.Policy.named() && t.steps == nil && b.Ledger != nil && s.st.Ledger != nil && s.st.Ledger.Key != b.Ledger.Key && s.st.Ledger.Key != b.Ledger.Next {
		var err error // keys were stated, and several have followed one another
		if t.steps, err = c.succession(ctx, base, t); err != nil {
			return nil, err
		}
	}
	for _, k := range t.steps {
		if k.st == nil {
			continue
		}
		if err := Extends(ctx, k.checkpoint, s.checkpoint, tiles); err != nil {
			return nil, fmt.Errorf("the ledger under an earlier key: %w", err)
		}
		var err error
		if b, err = b.Next(k.st, k.hash); err != nil {
			return nil, err
		}
	}
	return b.Next(s.st, hash)
}

// vouch says who stands behind a statement.
func vouch(st *Statement, c *Checkpoint, l *pin, witnesses []string) Vouched {
	v := Vouched{Origin: c.Origin, Witnesses: append([]string{}, witnesses...)}
	if _, rest, ok := strings.Cut(c.Key, "+"); ok {
		v.Key, _, _ = strings.Cut(rest, "+")
	}
	if l != nil {
		if i := slices.IndexFunc(l.Keys, func(k pinnedKey) bool { return k.VKey == c.Key }); i >= 0 {
			v.PinnedSince, v.Host = &l.Keys[i].Since, l.Host
		}
	}
	if l != nil {
		v.WitnessesChanged = l.Changed
	}
	var names []string
	for i := range st.Incidents {
		if !slices.Contains(names, st.Incidents[i].Organisation) {
			names = append(names, st.Incidents[i].Organisation)
		}
	}
	v.Organisation = strings.Join(names, ", ")
	return v
}
