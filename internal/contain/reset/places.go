package reset

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// entry is where an address or an account stands.
type entry struct {
	tag   uint64
	place uint32
}

const (
	entrySize = 12
	perBucket = 128 // entries, about
	ofAddress = "reset address"
	ofAccount = "reset account"
)

func tagOf(seal *store.Sealer, of, value string) uint64 {
	return binary.BigEndian.Uint64(seal.Lookup(of, []byte(value)))
}

// prepare makes the places of an incident's current roster, where they are not there yet. What was known of an account before, in an earlier
// roster, is carried over. A process that dies leaves nothing of it that counts.
func (r *Resets) prepare(ctx context.Context, who actor.Actor, incident string) (*run, error) {
	ro, err := r.Rosters.Latest(ctx, incident)
	if err != nil {
		return nil, hint.Add(err, "make the roster first: shirase scope --incident "+incident+" --commit")
	}
	before, err := r.current(ctx, r.DB, incident)
	if err == nil && before.roster == ro.ID {
		return before, nil
	}
	if err != nil && before == nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	seal, err := r.sealer(ctx, incident)
	if err != nil {
		return nil, err
	}
	x := &run{id: "r-" + strings.ToLower(rand.Text()[:12]), incident: incident, roster: ro.ID}
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(num), 0) + 1 FROM reset_run WHERE incident = $1`, incident).Scan(&x.num); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO reset_run (id, incident, num, roster, ready, accounts, unlisted, bits, bulk, why, per_second, connector, holder, until, created_at, started_at, ended_at)
			VALUES ($1, $2, $3, $4, FALSE, 0, 0, 0, '', '', 0, '', '', 0, $5, 0, 0)`, x.id, incident, x.num, ro.ID, store.Micros(r.Now()))
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := r.fill(ctx, x, ro, seal, before); err != nil {
		return nil, fmt.Errorf("prepare the reset of %s: %w", incident, err)
	}
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE reset_run SET ready = TRUE, accounts = $2, unlisted = $3, bits = $4 WHERE id = $1`, x.id, x.accounts, x.unlisted, x.bits); err != nil {
			return err
		}
		return r.note(ctx, tx, who, incident, fmt.Sprintf("再設定の対象を名簿から用意した（%d件） / The accounts to be reset were prepared from the roster (%d)", x.accounts, x.accounts))
	})
	return x, err
}

// maker writes the blocks of a run.
type maker struct {
	r       *Resets
	x       *run
	seal    *store.Sealer
	ids     []string
	records []record
	entries []entry
	seen    map[uint64]uint32 // place by tag, where an account may stand in the roster twice
	old     map[uint64]record
	waiting []*block
}

// fill reads the roster along once. It holds 16 bytes for each account and address of it, and one block.
func (r *Resets) fill(ctx context.Context, x *run, ro roster.Roster, seal *store.Sealer, before *run) error {
	m := &maker{r: r, x: x, seal: seal}
	kinds := 0
	for _, n := range ro.Counts.Identities {
		if n > 0 {
			kinds++
		}
	}
	if kinds > 1 {
		m.seen = map[uint64]uint32{}
	}
	if before != nil {
		var err error
		if m.old, err = r.known(ctx, before); err != nil {
			return err
		}
	}
	for member, err := range r.Rosters.Members(ctx, ro) {
		if err != nil {
			return err
		}
		accounts := member.Accounts
		if len(accounts) == 0 {
			if member.Identity.Kind != identity.KindEmail {
				continue
			}
			accounts = []string{member.Identity.Value} // the address is the account
		}
		x.unlisted += member.MoreAccounts
		for _, id := range accounts {
			place, err := m.place(ctx, id)
			if err != nil {
				return err
			}
			if member.Identity.Kind == identity.KindEmail {
				m.entries = append(m.entries, entry{tagOf(seal, ofAddress, member.Identity.Value), place})
			}
		}
	}
	if err := m.block(ctx, true); err != nil {
		return err
	}
	return m.index(ctx)
}

// place gives an account's, which it gets where it has none.
func (m *maker) place(ctx context.Context, id string) (uint32, error) {
	tag := tagOf(m.seal, ofAccount, id)
	if at, ok := m.seen[tag]; ok {
		return at, nil
	}
	at := uint32(m.x.accounts)
	if m.seen != nil {
		m.seen[tag] = at
	}
	m.entries = append(m.entries, entry{tag, at})
	rec, ok := m.old[tag]
	if !ok {
		rec = record{state: Waiting}
	}
	m.ids, m.records = append(m.ids, id), append(m.records, rec)
	m.x.accounts++
	if len(m.ids) == blockSize {
		return at, m.block(ctx, false)
	}
	return at, nil
}

// block writes what is full, or at the end what there is.
func (m *maker) block(ctx context.Context, end bool) error {
	if len(m.ids) > 0 {
		b := &block{n: (m.x.accounts - 1) / blockSize, states: make([]byte, len(m.ids)*recordSize)}
		for i, rec := range m.records {
			b.set(i, rec)
		}
		b.sealed = m.seal.Seal(blockContext(m.x.id, b.n), packIDs(m.ids))
		m.waiting = append(m.waiting, b)
		m.ids, m.records = m.ids[:0], m.records[:0]
	}
	if len(m.waiting) == 0 || !end && len(m.waiting) < 256 {
		return nil
	}
	err := m.r.DB.Update(ctx, func(tx *sql.Tx) error {
		for _, b := range m.waiting {
			if _, err := tx.ExecContext(ctx, `INSERT INTO reset_block (run, n, states, accounts, due, again, waiting, intended, deferred, forced, resetting, reset, gone, refused, unknown, pending)
				VALUES ($1, $2, $3, $4, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)`, m.x.id, b.n, b.states, b.sealed); err != nil {
				return err
			}
			if err := b.save(ctx, tx, m.x.id); err != nil {
				return err
			}
		}
		return nil
	})
	m.waiting = nil
	return err
}

// index writes where addresses and accounts stand, in buckets by the first bits of their tags.
func (m *maker) index(ctx context.Context) error {
	slices.SortFunc(m.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.tag, b.tag), cmp.Compare(a.place, b.place))
	})
	m.x.bits = max(0, bits.Len(uint(len(m.entries)/perBucket)))
	var bucket []byte
	type row struct {
		n int64
		b []byte
	}
	var rows []row
	flush := func() error {
		err := m.r.DB.Update(ctx, func(tx *sql.Tx) error {
			for _, x := range rows {
				if _, err := tx.ExecContext(ctx, `INSERT INTO reset_lookup (run, n, entries) VALUES ($1, $2, $3)`, m.x.id, x.n, x.b); err != nil {
					return err
				}
			}
			return nil
		})
		rows = nil
		return err
	}
	for i, e := range m.entries {
		bucket = binary.BigEndian.AppendUint64(bucket, e.tag)
		bucket = binary.BigEndian.AppendUint32(bucket, e.place)
		n := bucketOf(e.tag, m.x.bits)
		if i+1 < len(m.entries) && bucketOf(m.entries[i+1].tag, m.x.bits) == n {
			continue
		}
		rows, bucket = append(rows, row{n, bucket}), nil
		if len(rows) == 512 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func bucketOf(tag uint64, bits int) int64 { return int64(tag >> (64 - bits) & (1<<bits - 1)) }

// known gives how the accounts of an earlier run stood, by tag. What was under way there is taken up anew.
func (r *Resets) known(ctx context.Context, x *run) (map[uint64]record, error) {
	places := make([]record, 0, x.accounts)
	rows, err := r.DB.QueryContext(ctx, `SELECT n, states FROM reset_block WHERE run = $1 ORDER BY n`, x.id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b block
		if err := rows.Scan(&b.n, &b.states); err != nil {
			return nil, err
		}
		if err := b.check(); err != nil {
			return nil, err
		}
		for i := range b.size() {
			places = append(places, b.get(i))
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	out := map[uint64]record{}
	list, err := r.DB.QueryContext(ctx, `SELECT entries FROM reset_lookup WHERE run = $1`, x.id)
	if err != nil {
		return nil, err
	}
	defer list.Close()
	for list.Next() {
		var b []byte
		if err := list.Scan(&b); err != nil {
			return nil, err
		}
		for ; len(b) >= entrySize; b = b[entrySize:] {
			tag, at := binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])
			if int(at) >= len(places) {
				return nil, fmt.Errorf("%w: where accounts stand", ErrDamaged)
			}
			if rec := places[at]; rec.state == Forced || rec.state == Reset || rec.state == Unknown {
				rec.tries = 0
				rec.due = 0
				out[tag] = rec // an address's tag is in it too, and is no account's
			}
		}
	}
	return out, list.Err()
}

// find gives the places of an address or an account. It reads one bucket, whether there is one or not.
func (r *Resets) find(ctx context.Context, q store.Querier, x *run, seal *store.Sealer, of, value string) ([]int64, error) {
	tag := tagOf(seal, of, value)
	rows, err := q.QueryContext(ctx, `SELECT entries FROM reset_lookup WHERE run = $1 AND n = $2`, x.id, bucketOf(tag, x.bits))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		for ; len(b) >= entrySize; b = b[entrySize:] {
			if binary.BigEndian.Uint64(b) == tag {
				out = append(out, int64(binary.BigEndian.Uint32(b[8:])))
			}
		}
	}
	return out, rows.Err()
}

func blockContext(run string, n int64) string {
	return fmt.Sprintf("reset_block.accounts %s %d", run, n)
}

func packIDs(ids []string) []byte {
	var b []byte
	for _, id := range ids {
		b = binary.AppendUvarint(b, uint64(len(id)))
		b = append(b, id...)
	}
	return b
}

// accounts opens the ids of a block.
func (b *block) accounts(seal *store.Sealer, run string) ([]string, error) {
	src, err := seal.Open(blockContext(run, b.n), b.sealed)
	if err != nil {
		return nil, err
	}
	out := make([]string, 0, b.size())
	for len(src) > 0 {
		n, k := binary.Uvarint(src)
		if k <= 0 || uint64(len(src)-k) < n {
			return nil, fmt.Errorf("%w: the accounts of a block", ErrDamaged)
		}
		out = append(out, string(bytes.Clone(src[k:k+int(n)])))
		src = src[k+int(n):]
	}
	if len(out) != b.size() {
		return nil, fmt.Errorf("%w: the accounts of a block", ErrDamaged)
	}
	return out, nil
}

// account gives the id of the account at a place, and how it stands.
func (r *Resets) account(ctx context.Context, q store.Querier, seal *store.Sealer, run string, place int64) (string, record, error) {
	b, err := loadBlock(ctx, q, run, place/blockSize)
	if err != nil {
		return "", record{}, err
	}
	ids, err := b.accounts(seal, run)
	if err != nil {
		return "", record{}, err
	}
	i := int(place % blockSize)
	if i >= len(ids) {
		return "", record{}, ErrNotFound
	}
	return ids[i], b.get(i), nil
}

// Unreset gives what says of somebody on a roster that they have not set a new password: of an account of theirs, as it is now. Of accounts
// that the roster counts and does not name it is not known, and that is no "they have". ErrNotFound where nobody can reset: it was never
// prepared.
func (r *Resets) Unreset(ctx context.Context, incident string) (func(m roster.Member) bool, error) {
	x, err := r.current(ctx, r.DB, incident)
	if errors.Is(err, ErrNotFound) {
		return nil, hint.Add(fmt.Errorf("%w: no reset of %s was ever opened", ErrNotFound, incident), "leave not-reset out: nobody has reset")
	}
	if err != nil {
		return nil, err
	}
	seal, err := r.sealer(ctx, incident)
	if err != nil {
		return nil, err
	}
	known, err := r.known(ctx, x)
	if err != nil {
		return nil, err
	}
	return func(m roster.Member) bool {
		accounts := m.Accounts
		if len(accounts) == 0 {
			accounts = []string{m.Identity.Value} // the address is the account
		}
		return m.MoreAccounts > 0 || slices.ContainsFunc(accounts, func(id string) bool { return known[tagOf(seal, ofAccount, id)].state != Reset })
	}, nil
}
