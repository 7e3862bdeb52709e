package gate

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"shirase/internal/files"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// NodeOptions are what a node stands on.
type NodeOptions struct {
	// Gate gives the record; an error where the database is away. It is asked for until it is there, and then not any more.
	Gate func(ctx context.Context) (*Gate, error)
	Dir  *files.Dir
	Keys *files.Keys

	Rules Rules
	// Page writes what somebody is shown who does not pass, whole: it is sent from the application's own address.
	Page func(lang language.Lang, s Shown) []byte
	// Policy is the Content-Security-Policy of such pages.
	Policy string
	// Link gives where the public reads of an incident; "" where it does not.
	Link func(ctx context.Context, incident string) string

	// Idle lets everybody pass, whatever is in force, as in an exercise.
	Idle bool

	Log  *slog.Logger
	Poll time.Duration // 0 is half a second
	Now  func() time.Time
}

// Shown is what a page for somebody who does not pass tells of.
type Shown struct {
	Kind      Kind
	Closed    bool // a route on which nobody signs in: it is no matter of this account
	Undecided bool // nothing is known; it is no denial
	Says      language.Text
	Until     time.Time
	URL       string // where the password is set anew
	Link      string // where the public reads of it
	To        string // of a notice: where it goes on
	Seen      string // of a notice: where it is said that it was read
}

// Kind is what is decided, as programs are told.
type Kind string

// The decisions.
const (
	Allowed         Kind = "allow"
	KindMaintenance Kind = "maintenance"
	KindBlocked     Kind = "blocked"
	KindReset       Kind = "reset"
	KindNotice      Kind = "notice"
)

// kinds lists them, in the order in which they are counted.
var kinds = []Kind{Allowed, KindMaintenance, KindBlocked, KindReset, KindNotice}

// Node is what one server knows of the gate. It is safe for concurrent use.
type Node struct {
	NodeOptions
	gate   atomic.Pointer[Gate]
	memory atomic.Pointer[memory]
	asOf   atomic.Int64 // microseconds; when what is known was known to be so; 0: never

	mu          sync.Mutex // of following the record
	places      [shards]int64
	fresh       bool      // what is known came from the database, and not from the disk
	kept        time.Time // when it was last put on the disk
	keptVersion int64
	dirty       bool // something has changed since
	wake        chan struct{}

	lateMu sync.Mutex
	late   []seenOne // read by people while the database was away

	decided   [8]atomic.Int64 // by kind, in the order of kinds
	undecided [2]atomic.Int64 // open, closed
	refused   atomic.Int64    // who asked without a token
}

// memory is what is in force. It is not changed but in done.
type memory struct {
	version int64
	routes  []*closed
	holds   []*held // in the order of holds
	tokens  map[[sha256.Size]byte]*Token
	blocks  []Block
	list    []Token
}

// closed is a route that is not open.
type closed struct {
	Block
	patterns []pattern
	page     [2][]byte // by language
	until    time.Time
}

// held are the accounts of a roster that are held.
type held struct {
	Block
	set    *Set
	sealer *store.Sealer
	done   []uint64 // a bit for each entry; atomic
	err    error    // nobody can be looked up
	page   [2][]byte
	until  time.Time
	link   string
}

func (h *held) isDone(i int) bool { return atomic.LoadUint64(&h.done[i/64])>>(i%64)&1 == 1 }
func (h *held) setDone(i int)     { atomic.OrUint64(&h.done[i/64], 1<<(i%64)) }

// NewNode makes a node. It knows nothing before [Node.Start].
func NewNode(o NodeOptions) *Node {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Poll == 0 {
		o.Poll = 500 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Page == nil {
		o.Page = func(_ language.Lang, s Shown) []byte { return []byte(s.Kind) }
	}
	if o.Link == nil {
		o.Link = func(context.Context, string) string { return "" }
	}
	return &Node{NodeOptions: o, wake: make(chan struct{}, 1)}
}

// Start looks for what is in force: in the database, or where that is away, on the disk. Where neither knows, what is chosen for each
// route is done until one does. It fails where ctx ends, and with ErrKind where the disk knows of the other kind.
func (n *Node) Start(ctx context.Context) error {
	err := n.Refresh(ctx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	n.Log.Error("read what is in force at the gate", "error", err)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.load(); errors.Is(err, ErrKind) {
		return err
	} else if err != nil && !errors.Is(err, files.ErrNotExist) {
		n.Log.Error("read what was in force at the gate from the disk", "error", err)
	}
	return nil
}

// Work follows the record until ctx ends.
func (n *Node) Work(ctx context.Context, failed func(error)) {
	t := time.NewTicker(n.Poll)
	defer t.Stop()
	was := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-n.wake:
		}
		err := n.Refresh(ctx)
		if err != nil && ctx.Err() == nil && !was {
			failed(err)
		}
		was = err != nil
	}
}

// lookFor is how long a look at the database may take: one that says nothing for so long is away.
const lookFor = 5 * time.Second

// Refresh looks at the database now.
func (n *Node) Refresh(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gate.Load() == nil {
		g, err := n.Gate(ctx)
		if err != nil {
			return err
		}
		g.poked = append(g.poked, func() {
			if n.Refresh(context.Background()) != nil {
				select {
				case n.wake <- struct{}{}:
				default:
				}
			}
		})
		n.gate.Store(g)
	}
	at := n.Now()
	look, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	version, places, force, list, err := n.look(look)
	if err != nil {
		return fmt.Errorf("follow the gate: %w", err)
	}
	known := n.memory.Load()
	if known == nil || !n.fresh || known.version != version {
		m := n.make(ctx, known, version, force, list)
		if err := n.replay(ctx, m, known, places); err != nil {
			return fmt.Errorf("follow the gate: %w", err)
		}
		n.memory.Store(m)
		n.places, n.fresh, n.dirty = places, true, true
		n.sweep(m)
	} else if err := n.follow(ctx, known, places); err != nil {
		return fmt.Errorf("follow the gate: %w", err)
	}
	n.asOf.Store(store.Micros(at))
	n.tellLate(ctx)
	n.keep(at)
	return nil
}

// look reads which state there is, and, where it is not the one that is known, all of it.
func (n *Node) look(ctx context.Context) (version int64, places [shards]int64, force []Block, list []Token, err error) {
	known := n.memory.Load()
	err = n.gate.Load().DB.View(ctx, func(tx *sql.Tx) error {
		force, list, places = nil, nil, [shards]int64{}
		if err := tx.QueryRowContext(ctx, `SELECT version FROM gate_state WHERE id = 1`).Scan(&version); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `SELECT n, last FROM gate_shard`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var i, last int64
			if err := rows.Scan(&i, &last); err != nil {
				return err
			}
			if i >= 0 && i < shards {
				places[i] = last
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		if known != nil && n.fresh && known.version == version {
			return nil
		}
		if force, err = blocks(ctx, tx, `lifted_at = 0`); err != nil {
			return err
		}
		list, err = tokens(ctx, tx)
		return err
	})
	return version, places, force, list, err
}

// make puts what is in force together. What it has of before is taken over.
func (n *Node) make(ctx context.Context, before *memory, version int64, force []Block, list []Token) *memory {
	m := &memory{version: version, tokens: map[[sha256.Size]byte]*Token{}, blocks: force, list: list}
	for i := range list {
		m.tokens[list[i].hash] = &list[i]
	}
	for _, b := range force {
		until, _ := time.Parse(time.RFC3339, b.Until)
		shown := Shown{Says: b.Says, Until: until, URL: b.URL, Link: n.Link(ctx, b.Incident)}
		if b.Route != "" {
			c := &closed{Block: b, until: until}
			c.patterns, _ = patterns(b.Paths) // they were read when it was declared
			shown.Kind, shown.Closed = KindMaintenance, b.State == Closed
			if shown.Closed {
				shown.Kind = KindBlocked
			}
			c.page = n.pages(shown)
			m.routes = append(m.routes, c)
			continue
		}
		h := &held{Block: b, until: until, link: shown.Link}
		shown.Kind = b.Accounts.kind()
		if b.Accounts != Notice { // whose page leads on to where somebody wants to go
			h.page = n.pages(shown)
		}
		h.err = n.open(ctx, h, before)
		if h.err != nil {
			n.Log.Error("open whom the gate holds", "case", b.Incident, "error", h.err)
		}
		m.holds = append(m.holds, h)
	}
	slices.SortStableFunc(m.routes, func(a, b *closed) int { return rankOf(b.State) - rankOf(a.State) })
	slices.SortStableFunc(m.holds, func(a, b *held) int { return slices.Index(holds, a.Accounts) - slices.Index(holds, b.Accounts) })
	return m
}

func rankOf(s State) int { return slices.Index([]State{Open, Closed, Maintenance}, s) }

func (h Hold) kind() Kind {
	switch h {
	case Blocked:
		return KindBlocked
	case Reset:
		return KindReset
	}
	return KindNotice
}

func (n *Node) pages(s Shown) [2][]byte {
	return [2][]byte{n.Page(language.JA, s), n.Page(language.EN, s)}
}

// open gives a hold its set and its key; the set is made where its file is lost.
func (n *Node) open(ctx context.Context, h *held, before *memory) error {
	if before != nil {
		for _, o := range before.holds {
			if o.err == nil && o.Incident == h.Incident && o.Roster == h.Roster {
				h.set, h.sealer = o.set, o.sealer
			}
		}
	}
	if h.sealer == nil {
		var err error
		if h.sealer, err = roster.SealerOf(n.Keys, h.Incident); err != nil {
			return err
		}
	}
	if h.set == nil {
		set, err := readSet(n.Dir, h.Incident, h.Roster)
		if err != nil && n.gate.Load() != nil {
			var of roster.Roster
			if of, err = n.gate.Load().Named(ctx, h.Incident, h.Roster); err == nil {
				err = n.gate.Load().build(ctx, of)
			}
			if err == nil {
				set, err = readSet(n.Dir, h.Incident, h.Roster)
			}
		}
		if err != nil {
			return err
		}
		h.set = set
	}
	h.done = make([]uint64, h.set.n/64+1)
	return nil
}

// replay reads who has done what was asked, of all rounds.
func (n *Node) replay(ctx context.Context, m, before *memory, places [shards]int64) error {
	for _, h := range m.holds {
		if h.err != nil {
			continue
		}
		if before != nil && n.fresh {
			if i := slices.IndexFunc(before.holds, func(o *held) bool { return o.err == nil && o.Round == h.Round && o.set == h.set }); i >= 0 {
				h.done = before.holds[i].done // which is followed
				continue
			}
		}
		if err := n.all(ctx, h); err != nil {
			return err
		}
	}
	if before != nil && n.fresh { // what came since those were followed last
		return n.follow(ctx, m, places)
	}
	return nil
}

func (n *Node) all(ctx context.Context, h *held) error {
	rows, err := n.gate.Load().DB.QueryContext(ctx, `SELECT hash FROM gate_cleared WHERE round = $1`, h.Round)
	if err != nil {
		return err
	}
	defer rows.Close()
	var b []byte
	for rows.Next() {
		if err := rows.Scan(&b); err != nil {
			return err
		}
		h.clear(b)
	}
	return errors.Join(rows.Err(), rows.Close())
}

// clear marks an entry, if the roster has it.
func (h *held) clear(b []byte) {
	if len(b) != hashSize || h.err != nil {
		return
	}
	if i, ok := h.set.find(hash(b)); ok {
		h.setDone(i)
	}
}

// follow reads what was cleared since.
func (n *Node) follow(ctx context.Context, m *memory, places [shards]int64) error {
	for shard, last := range places {
		for n.places[shard] < last {
			at, err := n.page1(ctx, m, shard)
			if err != nil {
				return err
			}
			if at == n.places[shard] {
				break
			}
			n.places[shard], n.dirty = at, true
		}
		n.places[shard] = max(n.places[shard], last)
	}
	return nil
}

const pageOfCleared = 5000

// page1 reads one page of a shard, and gives how far it came.
func (n *Node) page1(ctx context.Context, m *memory, shard int) (at int64, err error) {
	at = n.places[shard]
	rows, err := n.gate.Load().DB.QueryContext(ctx, `SELECT n, round, hash FROM gate_cleared WHERE shard = $1 AND n > $2 ORDER BY n LIMIT $3`, int64(shard), at, int64(pageOfCleared))
	if err != nil {
		return at, err
	}
	defer rows.Close()
	var round string
	var b []byte
	for rows.Next() {
		if err := rows.Scan(&at, &round, &b); err != nil {
			return at, err
		}
		for _, h := range m.holds {
			if h.Round == round {
				h.clear(b)
			}
		}
	}
	return at, errors.Join(rows.Err(), rows.Close())
}

// seenOne is somebody who has read a notice while the database was away.
type seenOne struct {
	incident string
	account  Account
}

// tellLate writes down who read a notice while the database was away.
func (n *Node) tellLate(ctx context.Context) {
	n.lateMu.Lock()
	late := n.late
	n.late = nil
	n.lateMu.Unlock()
	for i, one := range late {
		if err := n.gate.Load().Seen(ctx, one.incident, one.account); err != nil {
			n.lateMu.Lock()
			n.late = append(n.late, late[i:]...)
			n.lateMu.Unlock()
			return
		}
	}
}

// Age is how old what is known is; false where nothing is.
func (n *Node) Age() (time.Duration, bool) {
	at := n.asOf.Load()
	if at == 0 {
		return 0, false
	}
	return max(n.Now().Sub(store.FromMicros(at)), 0), true
}

// Figures gives how often each decision was made, how often none could be (open, closed), and how often somebody asked without a token.
func (n *Node) Figures() (decided map[Kind]int64, undecided [2]int64, refused int64) {
	decided = map[Kind]int64{}
	for i, k := range kinds {
		decided[k] = n.decided[i].Load()
	}
	return decided, [2]int64{n.undecided[0].Load(), n.undecided[1].Load()}, n.refused.Load()
}

// Unreadable gives how many holds are in force of which nobody can be looked up.
func (n *Node) Unreadable() int {
	m, out := n.memory.Load(), 0
	if m == nil {
		return 0
	}
	for _, h := range m.holds {
		if h.err != nil {
			out++
		}
	}
	return out
}
