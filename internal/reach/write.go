package reach

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// result is what came of one recipient's mail.
type result struct {
	ordinal int64
	change  func(record) record
	said    string
}

// order is something to be written down: that mails will be handed over, or what came of some.
type order struct {
	intents []int64
	results []result

	granted []bool // of intents
	done    chan error
}

// writer writes orders down in groups: all that have come while the last group was forced to disk. Each is answered when it is on disk.
type writer struct {
	r      *Reach
	c      *Campaign
	seal   *store.Sealer
	orders chan *order
}

// run writes until orders is closed. A database that is away, locked or full is waited for; nothing that has come is dropped before ctx ends.
func (w *writer) run(ctx context.Context) {
	for first := range w.orders {
		group := []*order{first}
	more:
		for len(group) < 64 {
			select {
			case o, ok := <-w.orders:
				if !ok {
					break more
				}
				group = append(group, o)
			default:
				break more
			}
		}
		err := w.write(ctx, group)
		for _, o := range group {
			o.done <- err
		}
		w.r.seen()
	}
}

// write tries a group until it is on disk or ctx ends.
func (w *writer) write(ctx context.Context, group []*order) error {
	told := false
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := w.r.DB.Update(ctx, func(tx *sql.Tx) error { return w.apply(ctx, tx, group) })
		if err == nil || errors.Is(err, ErrDamaged) || ctx.Err() != nil {
			return err
		}
		if !told {
			w.r.Log.Error("a campaign's states cannot be written down: it waits", "campaign", w.c.ID, "error", err)
			told = true
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// apply is one try to write a group: it leaves no traces outside tx but what granted says, which is set anew.
func (w *writer) apply(ctx context.Context, tx *sql.Tx, group []*order) error {
	open, err := w.open(ctx, tx, group)
	if err != nil {
		return err
	}
	now := w.r.Now()
	blocks := map[int64]*block{}
	load := func(n int64) (*block, error) {
		if b := blocks[n]; b != nil {
			return b, nil
		}
		b, err := loadBlock(ctx, tx, w.c.ID, n)
		blocks[n] = b
		return b, err
	}
	journal := newJournal()
	for _, o := range group {
		for _, x := range o.results {
			b, err := load(x.ordinal / blockSize)
			if err != nil {
				return err
			}
			i := int(x.ordinal % blockSize)
			before := b.get(i)
			after := x.change(before)
			if before.state != Intended && before.state != Unknown && before.state != Pending && before.state != Deferred {
				after = before // somebody knows more already: it came back before this was written down
			}
			b.set(i, after)
			journal.add(x.ordinal, after, x.said)
		}
	}
	for _, o := range group {
		o.granted = make([]bool, len(o.intents))
		for k, ordinal := range o.intents {
			if !open[ordinal/shardSize] {
				continue
			}
			b, err := load(ordinal / blockSize)
			if err != nil {
				return err
			}
			i := int(ordinal % blockSize)
			if r := b.get(i); r.isDue(now) {
				r.state, r.at = Intended, uint32(now.Unix())
				b.set(i, r)
				o.granted[k] = true
			}
		}
	}
	for _, b := range blocks {
		if err := b.save(ctx, tx, w.c.ID); err != nil {
			return err
		}
	}
	return journal.save(ctx, tx, w.c.ID, w.seal, now)
}

// open says in which shards mails may be begun: those that this process holds, while the campaign is running. What it holds it keeps.
func (w *writer) open(ctx context.Context, tx *sql.Tx, group []*order) (map[int64]bool, error) {
	out := map[int64]bool{}
	for _, o := range group {
		for _, ordinal := range o.intents {
			out[ordinal/shardSize] = false
		}
	}
	if len(out) == 0 {
		return out, nil
	}
	var state string
	if err := tx.QueryRowContext(ctx, `SELECT state FROM reach_campaign WHERE id = $1`, w.c.ID).Scan(&state); err != nil || Life(state) != Running {
		return out, err
	}
	for n := range out {
		res, err := tx.ExecContext(ctx, `UPDATE reach_shard SET until = $4 WHERE campaign = $1 AND n = $2 AND holder = $3`, w.c.ID, n, w.r.holder, store.Micros(w.r.Now().Add(w.r.Lease)))
		if err != nil {
			return nil, err
		}
		held, err := res.RowsAffected()
		if err != nil {
			return nil, err
		}
		out[n] = held > 0
	}
	return out, nil
}

func loadBlock(ctx context.Context, q store.Querier, campaign string, n int64) (*block, error) {
	b := newBlock(n)
	err := q.QueryRowContext(ctx, `SELECT states FROM reach_block WHERE campaign = $1 AND n = $2`, campaign, n).Scan(&b.states)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err == nil {
		err = b.check()
	}
	return b, err
}

func (b *block) save(ctx context.Context, tx *sql.Tx, campaign string) error {
	c, due, first := b.sums()
	_, err := tx.ExecContext(ctx, `UPDATE reach_block SET states = $3, due = $4, pending = $5, intended = $6, handed = $7, accepted = $8, deferred = $9, refused = $10, bounced = $11, unknown = $12, substitute = $13, active = $14
		WHERE campaign = $1 AND n = $2`, campaign, b.n, b.states, due, c[Pending], c[Intended], c[HandedOver], c[Accepted], c[Deferred], c[Refused], c[Bounced], c[Unknown], c[Substitute], first)
	return err
}

// journal is what became of some recipients, as it is kept: for each the place ‖ record ‖ length of what was said ‖ what was said.
type journal struct {
	b      []byte
	lo, hi int64
}

func newJournal() *journal { return &journal{lo: -1} }

func (j *journal) add(ordinal int64, r record, said string) {
	n := ordinal / blockSize
	if j.lo < 0 {
		j.lo, j.hi = n, n
	}
	j.lo, j.hi = min(j.lo, n), max(j.hi, n)
	b := block{states: make([]byte, recordSize)}
	b.set(0, r)
	if len(said) > 2000 {
		said = said[:2000]
	}
	j.b = binary.AppendUvarint(j.b, uint64(ordinal))
	j.b = append(j.b, b.states...)
	j.b = binary.AppendUvarint(j.b, uint64(len(said)))
	j.b = append(j.b, said...)
}

func (j *journal) save(ctx context.Context, tx *sql.Tx, campaign string, seal *store.Sealer, now time.Time) error {
	if len(j.b) == 0 {
		return nil
	}
	id := strings.ToLower(rand.Text())
	_, err := tx.ExecContext(ctx, `INSERT INTO reach_journal (id, campaign, at, lo, hi, sealed) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, campaign, store.Micros(now), j.lo, j.hi, seal.Seal("reach_journal "+campaign+" "+id, j.b))
	return err
}

// Entry is one thing that became of a recipient's mail.
type Entry struct {
	At     time.Time
	State  State
	Reason string
	Tries  int
	Said   string
}

// Journal gives all that became of one recipient's mail, in order: what each server said, word for word. It may have their address in it.
func (r *Reach) Journal(ctx context.Context, who actor.Actor, id string, ordinal int64) ([]Entry, error) {
	c, err := r.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	if err := who.May(actor.Answer, c.Incident); err != nil {
		return nil, fmt.Errorf("read what became of a mail: %w", err)
	}
	seal, err := r.Rosters.Sealer(ctx, c.Incident, false)
	if err != nil {
		return nil, err
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT id, at, sealed FROM reach_journal WHERE campaign = $1 AND lo <= $2 AND hi >= $2 ORDER BY at, id`, id, ordinal/blockSize)
	if err != nil {
		return nil, fmt.Errorf("campaign %s: %w", id, err)
	}
	defer rows.Close()
	var out []Entry
	for rows.Next() {
		var name string
		var at int64
		var sealed []byte
		if err := rows.Scan(&name, &at, &sealed); err != nil {
			return nil, fmt.Errorf("campaign %s: %w", id, err)
		}
		b, err := seal.Open("reach_journal "+id+" "+name, sealed)
		if err != nil {
			return nil, fmt.Errorf("campaign %s: %w", id, err)
		}
		err = eachEntry(b, func(of int64, e Entry) {
			if of == ordinal {
				e.At = store.FromMicros(at)
				out = append(out, e)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("campaign %s: %w", id, err)
		}
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

func eachEntry(b []byte, do func(ordinal int64, e Entry)) error {
	for len(b) > 0 {
		ordinal, n := binary.Uvarint(b)
		if n <= 0 || len(b) < n+recordSize {
			return fmt.Errorf("%w: its journal", ErrDamaged)
		}
		one := block{states: b[n : n+recordSize]}
		if err := one.check(); err != nil {
			return err
		}
		b = b[n+recordSize:]
		size, n := binary.Uvarint(b)
		if n <= 0 || uint64(len(b)-n) < size {
			return fmt.Errorf("%w: its journal", ErrDamaged)
		}
		r := one.get(0)
		do(int64(ordinal), Entry{State: r.state, Reason: reasons[r.reason], Tries: int(r.tries), Said: string(b[n : n+int(size)])})
		b = b[n+int(size):]
	}
	return nil
}

// claim takes a shard where there is somebody due in it, or whose process has died. Whoever that process was about to send to is unknown
// from then on: it may have. again is for a shard that this process holds already: it gives who is due in it now.
func (r *Reach) claim(ctx context.Context, c *Campaign, n int64, seal *store.Sealer, again bool) (due map[int64]*block, hashes map[int64][]byte, err error) {
	now, own := r.Now(), 0
	if again {
		own = 1
	}
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		due, hashes = map[int64]*block{}, map[int64][]byte{}
		res, err := tx.ExecContext(ctx, `UPDATE reach_shard SET holder = $3, until = $4 WHERE campaign = $1 AND n = $2 AND (holder = '' OR until < $5 OR holder = $3 AND $6 = 1)`,
			c.ID, n, r.holder, store.Micros(now.Add(r.Lease)), store.Micros(now), own)
		if err != nil {
			return err
		}
		if held, err := res.RowsAffected(); err != nil || held == 0 {
			return err
		}
		rows, err := tx.QueryContext(ctx, `SELECT n, states, addresses, intended FROM reach_block WHERE campaign = $1 AND n >= $2 AND n < $3 AND due >= 0`, c.ID, n*shardBlocks, (n+1)*shardBlocks)
		if err != nil {
			return err
		}
		defer rows.Close()
		var left []*block
		for rows.Next() {
			b := newBlock(0)
			var hash []byte
			var intended int64
			if err := rows.Scan(&b.n, &b.states, &hash, &intended); err != nil {
				return err
			}
			if err := b.check(); err != nil {
				return err
			}
			due[b.n], hashes[b.n] = b, hash
			if intended > 0 && !again {
				left = append(left, b)
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		return r.interrupted(ctx, tx, c.ID, left, seal, now)
	})
	return due, hashes, err
}

// interrupted has those be unknown whom a process that is gone was about to send to.
func (r *Reach) interrupted(ctx context.Context, tx *sql.Tx, id string, left []*block, seal *store.Sealer, now time.Time) error {
	slices.SortFunc(left, func(a, b *block) int { return int(a.n - b.n) })
	j := newJournal()
	for _, b := range left {
		for i := range b.size() {
			x := b.get(i)
			if x.state != Intended {
				continue
			}
			x.state, x.reason, x.due = Unknown, reasonOf("interrupted"), 0
			b.set(i, x)
			j.add(b.n*blockSize+int64(i), x, "")
		}
		if err := b.save(ctx, tx, id); err != nil {
			return err
		}
	}
	return j.save(ctx, tx, id, seal, now)
}
