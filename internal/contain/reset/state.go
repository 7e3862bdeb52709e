package reset

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"shirase/internal/contain/connect"
	"shirase/internal/store"
)

// State is how an account stands.
type State uint8

// The states. Forced, Reset, Gone and Refused are final: a bulk order leaves each account that it is for in exactly one of them.
const (
	none      State = iota
	Waiting         // nothing was done yet
	Intended        // the connector is about to be asked: that is written down before it is
	Deferred        // it did not work for now, and is tried again
	Forced          // nobody gets in before they have reset
	Resetting       // a new password is being set by whoever it is of
	Reset           // it was
	Gone            // the system has no such account
	Refused         // the system will not do it: people have to
	Unknown         // a process died while a new password was being set: it may have been
	states
)

var stateNames = [states]string{"", "waiting", "intended", "deferred", "forced", "resetting", "reset", "gone", "refused", "unknown"}

func (s State) String() string { return stateNames[s] }

// Counts are how many accounts are in each state. Pending are those among the forced and the reset whose old password may still be taken.
type Counts struct {
	Each    [states]int64
	Pending int64
}

// Of gives one.
func (c Counts) Of(s State) int64 { return c.Each[s] }

// Names gives the counts by the names of the states.
func (c Counts) Names() map[string]int64 {
	out := map[string]int64{"old-password-pending": c.Pending}
	for s := Waiting; s < states; s++ {
		out[s.String()] = c.Each[s]
	}
	return out
}

// record is how one account stands.
type record struct {
	state  State
	tries  uint8
	old    connect.Known // whether the old password is refused
	ended  connect.Known // whether the sessions are ended
	forced bool          // it was, before it was reset
	at     uint32        // seconds since 1970, of the last change
	due    uint32        // of the next try, or of when what is pending is looked at again
}

const (
	recordSize = 12
	blockSize  = 256
)

// block is how blockSize accounts stand, as it is kept.
type block struct {
	n      int64
	states []byte
	sealed []byte // their ids
}

func (b *block) size() int { return len(b.states) / recordSize }

func (b *block) get(i int) record {
	r := b.states[i*recordSize:]
	return record{State(r[0]), r[1], connect.Known(r[2] & 3), connect.Known(r[2] >> 2 & 3), r[2]&16 != 0, binary.BigEndian.Uint32(r[4:]), binary.BigEndian.Uint32(r[8:])}
}

func (b *block) set(i int, r record) {
	o := b.states[i*recordSize:]
	o[0], o[1], o[2], o[3] = byte(r.state), r.tries, byte(r.old&3)|byte(r.ended&3)<<2, 0
	if r.forced {
		o[2] |= 16
	}
	binary.BigEndian.PutUint32(o[4:], r.at)
	binary.BigEndian.PutUint32(o[8:], r.due)
}

// check refuses what no program of this version has written.
func (b *block) check() error {
	if len(b.states)%recordSize != 0 || b.size() == 0 || b.size() > blockSize {
		return fmt.Errorf("%w: the states of a block", ErrDamaged)
	}
	for i := range b.size() {
		if s := b.get(i).state; s == none || s >= states || b.states[i*recordSize+2] > 31 {
			return fmt.Errorf("%w: the states of a block", ErrDamaged)
		}
	}
	return nil
}

// pending reports whether something of an account is to be looked at again.
func (r record) pending() bool {
	return (r.state == Forced || r.state == Reset) && (r.old == connect.Pending || r.ended == connect.Pending)
}

// sums gives what a block's row says beside the states.
func (b *block) sums() (c Counts, due, again int64) {
	due, again = -1, -1
	least := func(to *int64, d int64) {
		if *to < 0 || d < *to {
			*to = d
		}
	}
	for i := range b.size() {
		r := b.get(i)
		c.Each[r.state]++
		switch r.state {
		case Waiting, Intended:
			least(&due, 0)
		case Deferred:
			least(&due, int64(r.due))
		case Resetting:
			least(&again, int64(r.at)+int64(claimLasts/time.Second)+1)
		}
		if r.pending() {
			least(&again, int64(r.due))
			if r.old == connect.Pending {
				c.Pending++
			}
		}
	}
	return c, due, again
}

// waits is how long is waited after so many tries, in seconds; -1: no longer.
func waits(tries int) int64 {
	table := []int64{2, 5, 15, 60, 300, 900, 1800, 3600, 3600, 7200, 7200, 14400, 14400, 28800, 28800}
	if tries >= len(table) {
		return -1
	}
	return table[tries]
}

// longest is further away than any try can be: a clock has jumped back meanwhile.
const longest = 9 * time.Hour

// isDue reports whether the bulk order has something to do for an account now.
func (r record) isDue(now time.Time) bool {
	switch r.state {
	case Waiting:
		return true
	case Deferred:
		return int64(r.due) <= now.Unix() || int64(r.due) > now.Add(longest).Unix()
	}
	return false
}

// after is the record after the connector was asked to force it.
func (r record) after(out connect.Outcome, err error, now time.Time, waits func(int) int64) record {
	r.at, r.due = uint32(now.Unix()), 0
	switch {
	case err == nil:
		r.state, r.forced = Forced, true
		return r.stands(out, now)
	case errors.Is(err, connect.ErrNoAccount):
		r.state = Gone
	case errors.Is(err, connect.ErrRefused), errors.Is(err, connect.ErrPassword):
		r.state = Refused
	case errors.Is(err, connect.ErrAway), errors.Is(err, context.Canceled):
		r.state = Waiting // nobody was asked, or nobody answered: that is no try
		if r.tries > 0 {
			r.state, r.due = Deferred, uint32(now.Unix())
		}
	default:
		if wait := waits(int(r.tries)); wait < 0 {
			r.state = Refused
		} else {
			r.state, r.due = Deferred, uint32(now.Unix()+wait)
			r.tries++
		}
	}
	return r
}

// stands takes in what a connector says of an account that was forced or reset.
func (r record) stands(out connect.Outcome, now time.Time) record {
	r.old, r.ended, r.due = out.Refused, out.Ended, 0
	if r.pending() {
		again := out.Again
		if again <= 0 {
			again = 5 * time.Minute
		}
		r.due = uint32(now.Add(again).Unix())
	}
	return r
}

func loadBlock(ctx context.Context, q store.Querier, run string, n int64) (*block, error) {
	b := &block{n: n}
	err := q.QueryRowContext(ctx, `SELECT states, accounts FROM reset_block WHERE run = $1 AND n = $2`, run, n).Scan(&b.states, &b.sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, store.InWords(err)
	}
	return b, b.check()
}

func (b *block) save(ctx context.Context, tx *sql.Tx, run string) error {
	c, due, again := b.sums()
	e := c.Each
	_, err := tx.ExecContext(ctx, `UPDATE reset_block SET states = $3, due = $4, again = $5, waiting = $6, intended = $7, deferred = $8, forced = $9, resetting = $10, reset = $11, gone = $12,
		refused = $13, unknown = $14, pending = $15 WHERE run = $1 AND n = $2`, run, b.n, b.states, due, again, e[Waiting], e[Intended], e[Deferred], e[Forced], e[Resetting], e[Reset], e[Gone], e[Refused], e[Unknown], c.Pending)
	return err
}

// change moves one account. do says whether it does; ok is what it said.
func (r *Resets) change(ctx context.Context, tx *sql.Tx, run string, place int64, do func(record) (record, bool)) (ok bool, err error) {
	b, err := loadBlock(ctx, tx, run, place/blockSize)
	if err != nil {
		return false, err
	}
	i := int(place % blockSize)
	if i >= b.size() {
		return false, ErrNotFound
	}
	after, ok := do(b.get(i))
	if !ok {
		return false, nil
	}
	b.set(i, after)
	return true, b.save(ctx, tx, run)
}

func (r *Resets) counts(ctx context.Context, q store.Querier, run string) (c Counts, err error) {
	e := &c.Each
	err = q.QueryRowContext(ctx, `SELECT coalesce(sum(waiting), 0), coalesce(sum(intended), 0), coalesce(sum(deferred), 0), coalesce(sum(forced), 0), coalesce(sum(resetting), 0), coalesce(sum(reset), 0),
		coalesce(sum(gone), 0), coalesce(sum(refused), 0), coalesce(sum(unknown), 0), coalesce(sum(pending), 0) FROM reset_block WHERE run = $1`, run).
		Scan(&e[Waiting], &e[Intended], &e[Deferred], &e[Forced], &e[Resetting], &e[Reset], &e[Gone], &e[Refused], &e[Unknown], &c.Pending)
	return c, store.InWords(err)
}
