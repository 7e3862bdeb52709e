package reach

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// Recipient is somebody whom a campaign is for: a place in its roster.
type Recipient struct {
	Campaign string
	Incident string
	Ordinal  int64
	State    State
	Reason   string // as Sisimai names it; ""
	Tries    int    // that were deferred
	Since    time.Time
	Due      time.Time // of the next try; zero: none
	Measure  int64     // of the incident's, that was taken instead; 0: none
	Token    string    // in the address that their mail comes back to, where Recipient or Mailed found them; it is no one else's to know
}

// Recipient finds whom a token is of: of the address that a mail came back to, or alone. ErrNotFound.
func (r *Reach) Recipient(ctx context.Context, tok string) (Recipient, error) {
	return r.tokened(ctx, inReturn, tok)
}

// Mailed finds whom a mail went to by its Message-ID, which others may quote: it proves less than the address that a mail comes back to.
// ErrNotFound.
func (r *Reach) Mailed(ctx context.Context, messageID string) (Recipient, error) {
	return r.tokened(ctx, inMessageID, messageID)
}

func (r *Reach) tokened(ctx context.Context, of kind, tok string) (Recipient, error) {
	p, err := r.find(ctx, of, tok)
	if err != nil {
		return Recipient{}, err
	}
	x, err := r.recipient(ctx, r.DB, p.c, p.ordinal)
	if err != nil {
		return Recipient{}, err
	}
	x.Token = token(p.seal, inReturn, p.c.num, p.ordinal)
	return x, nil
}

func (r *Reach) recipient(ctx context.Context, q store.Querier, c *Campaign, ordinal int64) (Recipient, error) {
	b, err := loadBlock(ctx, q, c.ID, ordinal/blockSize)
	if err != nil {
		return Recipient{}, fmt.Errorf("campaign %s: %w", c.ID, err)
	}
	i := int(ordinal % blockSize)
	if i >= b.size() || b.get(i).state == outside {
		return Recipient{}, ErrNotFound
	}
	return describe(c, ordinal, b.get(i)), nil
}

func describe(c *Campaign, ordinal int64, x record) Recipient {
	out := Recipient{Campaign: c.ID, Incident: c.Incident, Ordinal: ordinal, State: x.state, Reason: reasons[x.reason], Tries: int(x.tries)}
	if x.at != 0 {
		out.Since = time.Unix(int64(x.at), 0).UTC()
	}
	if x.state == Substitute {
		out.Measure = int64(x.relay)
	}
	if x.due != 0 {
		out.Due = time.Unix(int64(x.due), 0).UTC()
	}
	return out
}

// Outcome is what came back of a mail that had left.
type Outcome struct {
	State  State  // Accepted, Deferred (the relay still tries), Refused or Bounced
	Reason string // as Sisimai names it
	Policy bool   // the receiver refuses us, and not the person
	Said   string // the report's words: kept sealed
}

// Bounced moves the recipient whom a token names to what came back of their mail. What is told twice moves nothing; whoever is to be told
// in another way stays so. Errors: ErrNotFound, ErrInput.
func (r *Reach) Bounced(ctx context.Context, who actor.Actor, tok string, o Outcome) (Recipient, error) {
	p, err := r.find(ctx, inReturn, tok)
	if err == nil {
		err = who.May(actor.Contribute, p.c.Incident)
	}
	if err != nil {
		return Recipient{}, fmt.Errorf("take in what came back: %w", err)
	}
	if o.State != Accepted && o.State != Deferred && o.State != Refused && o.State != Bounced {
		return Recipient{}, fmt.Errorf("take in what came back: %w: it says %q", ErrInput, o.State)
	}
	x, err := r.change(ctx, p.c, p.ordinal, o.Said, func(x record) record { return x.back(o, r.Now()) })
	if err != nil {
		return Recipient{}, fmt.Errorf("take in what came back: %w", err)
	}
	return x, nil
}

// back is the record after a report.
func (x record) back(o Outcome, now time.Time) record {
	switch {
	case x.state == Substitute || x.state == outside:
		return x
	case o.State == Deferred: // by the relay, which goes on trying: it answers for it
		if x.state == Unknown || x.state == Intended {
			x.state, x.at = HandedOver, uint32(now.Unix())
		}
		return x
	case o.State == Accepted && x.state == Bounced: // the way back is longer than the way there
		return x
	case x.state == o.State && x.reason == reasonOf(o.Reason):
		return x
	}
	x.state, x.reason, x.at, x.due = o.State, reasonOf(o.Reason), uint32(now.Unix()), 0
	if o.Reason != "" && x.reason == 0 {
		x.reason = reasonOf("undefined")
	}
	return x
}

// change moves one recipient, and writes it into the journal.
func (r *Reach) change(ctx context.Context, c *Campaign, ordinal int64, said string, do func(record) record) (Recipient, error) {
	seal, err := r.Rosters.Sealer(ctx, c.Incident, false)
	if err != nil {
		return Recipient{}, err
	}
	var out Recipient
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		b, err := loadBlock(ctx, tx, c.ID, ordinal/blockSize)
		if err != nil {
			return err
		}
		i := int(ordinal % blockSize)
		if i >= b.size() || b.get(i).state == outside {
			return ErrNotFound
		}
		before := b.get(i)
		after := do(before)
		out = describe(c, ordinal, after)
		if after == before {
			return nil
		}
		b.set(i, after)
		j := newJournal()
		j.add(ordinal, after, said)
		if err := b.save(ctx, tx, c.ID); err != nil {
			return err
		}
		return j.save(ctx, tx, c.ID, seal, r.Now())
	})
	return out, err
}

// Each gives the recipients of a campaign that are in one of some states, in the order of the roster, without their addresses.
func (r *Reach) Each(ctx context.Context, who actor.Actor, id string, in []State, do func(Recipient, string) error) error {
	c, err := r.Get(ctx, who, id)
	if err != nil {
		return err
	}
	seal, err := r.Rosters.Sealer(ctx, c.Incident, false)
	if err != nil {
		return fmt.Errorf("campaign %s: %w", id, err)
	}
	wanted := [states]bool{}
	for _, s := range in {
		wanted[s] = true
	}
	for from := int64(0); ; {
		list, err := r.loadBlocks(ctx, r.DB, id, from, shardBlocks)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, b := range list {
			for i := range b.size() {
				if x := b.get(i); x.state != outside && wanted[x.state] {
					ordinal := b.n*blockSize + int64(i)
					if err := do(describe(c, ordinal, x), "m."+token(seal, inMessageID, c.num, ordinal)+"@"+domainOf(c.From.Address)); err != nil {
						return err
					}
				}
			}
		}
		from = list[len(list)-1].n + 1
	}
}

// Reasons counts those who were refused, or whose mail came back, by why: as Sisimai names it, and "address" where it cannot be written to.
func (r *Reach) Reasons(ctx context.Context, who actor.Actor, id string) (map[string]int64, error) {
	out := map[string]int64{}
	err := r.Each(ctx, who, id, []State{Refused, Bounced}, func(x Recipient, _ string) error {
		out[x.Reason]++
		return nil
	})
	return out, err
}

// Instead counts those for whom something else was done, by what; those for whom it is still to be done are under "".
func (r *Reach) Instead(ctx context.Context, who actor.Actor, id string) (map[MeasureKind]int64, error) {
	c, err := r.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	taken, err := r.Measures(ctx, who, c.Incident)
	if err != nil {
		return nil, err
	}
	out := map[MeasureKind]int64{}
	err = r.Each(ctx, who, id, []State{Substitute}, func(x Recipient, _ string) error {
		kind := MeasureKind("")
		if x.Measure > 0 && x.Measure <= int64(len(taken)) {
			kind = taken[x.Measure-1].Kind
		}
		out[kind]++
		return nil
	})
	return out, err
}

func (r *Reach) loadBlocks(ctx context.Context, q store.Querier, id string, from int64, most int) ([]*block, error) {
	rows, err := q.QueryContext(ctx, `SELECT n, states FROM reach_block WHERE campaign = $1 AND n >= $2 ORDER BY n LIMIT $3`, id, from, most)
	if err != nil {
		return nil, fmt.Errorf("campaign %s: %w", id, err)
	}
	defer rows.Close()
	var out []*block
	for rows.Next() {
		b := newBlock(0)
		if err := rows.Scan(&b.n, &b.states); err != nil {
			return nil, fmt.Errorf("campaign %s: %w", id, err)
		}
		if err := b.check(); err != nil {
			return nil, fmt.Errorf("campaign %s: %w", id, err)
		}
		out = append(out, b)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// errFound ends the reading of a roster.
var errFound = errors.New("found")

// Addresses gives the addresses of those whom tokens are of, by token; whose token is of nobody is not in it. It reads the roster once for
// all tokens of a campaign, up to the last of them, which takes seconds where there are millions. Errors: ErrDamaged.
func (r *Reach) Addresses(ctx context.Context, who actor.Actor, toks []string) (map[string]string, error) {
	type wanted struct {
		place
		blocks map[int64]map[int]string // token by place in the block
	}
	all := map[string]*wanted{}
	for _, tok := range toks {
		p, err := r.find(ctx, inReturn, tok)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err == nil {
			err = who.May(actor.Answer, p.c.Incident)
		}
		if err != nil {
			return nil, fmt.Errorf("find addresses: %w", err)
		}
		if all[p.c.ID] == nil {
			all[p.c.ID] = &wanted{place: p, blocks: map[int64]map[int]string{}}
		}
		n := p.ordinal / blockSize
		if all[p.c.ID].blocks[n] == nil {
			all[p.c.ID].blocks[n] = map[int]string{}
		}
		all[p.c.ID].blocks[n][int(p.ordinal%blockSize)] = tok
	}
	out := map[string]string{}
	for _, w := range all {
		if err := r.addresses(ctx, w.place, w.blocks, out); err != nil {
			return nil, fmt.Errorf("find addresses: %w", err)
		}
	}
	return out, nil
}

func (r *Reach) addresses(ctx context.Context, p place, blocks map[int64]map[int]string, out map[string]string) error {
	ro, err := r.Rosters.Named(ctx, p.c.Incident, p.c.Roster)
	if err != nil {
		return err
	}
	var buf []byte
	err = r.blocks(ctx, ro, &p.c.Spec, func(b *reader) error {
		toks := blocks[b.n]
		if toks == nil {
			return nil
		}
		var hash []byte
		if err := r.DB.QueryRowContext(ctx, `SELECT addresses FROM reach_block WHERE campaign = $1 AND n = $2`, p.c.ID, b.n).Scan(&hash); err != nil {
			return store.InWords(err)
		}
		if !bytes.Equal(b.hash(p.seal, &buf), hash) {
			return fmt.Errorf("%w: block %d of the roster is not the one that was counted", ErrDamaged, b.n)
		}
		for i, tok := range toks {
			if i < len(b.members) {
				out[tok] = b.members[i].Identity.Value
			}
		}
		if delete(blocks, b.n); len(blocks) == 0 {
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return err
}
