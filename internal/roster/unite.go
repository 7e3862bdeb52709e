package roster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"shirase/identity"
	"shirase/internal/hint"
)

// accountHash is the length of an account's hash, by which rows are sorted.
const accountHash = 16

// A rowRecord is a row within the scope, on its way through the sort by account:
//
//	hash of the account (16) ‖ line (8) ‖ mask (8) ‖ in use (1) ‖ locale ‖ account ‖
//	for each identity: kind (1) ‖ value
//
// Integers are big-endian; texts have their length before them, as a uvarint.
type rowRecord struct {
	line       int64
	mask       uint64
	active     bool
	locale     string
	account    string
	identities []identity.Identity
}

// append appends all but the hash.
func (r *rowRecord) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(r.line))
	b = binary.BigEndian.AppendUint64(b, r.mask)
	b = appendBit(b, r.active)
	b = appendText(b, r.locale)
	b = appendText(b, r.account)
	for _, id := range r.identities {
		b = append(b, rankOf(id.Kind))
		b = appendText(b, id.Value)
	}
	return b
}

// A reader of records that this package has just written itself, and that came
// through an authenticated file: it is strict, and says no more than that.
type recordReader struct {
	b   []byte
	bad bool
}

var errRecord = errors.New("a record is not what was written")

func (r *recordReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, max(0, min(n, 8)))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *recordReader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

// bit reads a byte that is 0 or 1.
func (r *recordReader) bit() bool {
	v := r.take(1)
	if r.bad || v[0] > 1 {
		r.bad = true
		return false
	}
	return v[0] == 1
}

func appendBit(b []byte, yes bool) []byte {
	if yes {
		return append(b, 1)
	}
	return append(b, 0)
}

func (r *recordReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	if n > 1 && r.b[n-1] == 0 { // one form only
		r.bad = true
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) text() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	return r.take(int(n))
}

func appendText[T string | []byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// kinds in the order of their names, which is the order of Identity.Input.
var kinds = [...]identity.Kind{identity.KindAccount, identity.KindEmail, identity.KindPhone}

func rankOf(k identity.Kind) byte { return byte(slices.Index(kinds[:], k)) }

// uniteAccounts goes through the rows by account: the first row counts, the
// others are duplicates; all of them were exposed, so that the person has lost
// what any of them says.
func (s *scoper) uniteAccounts() error {
	if s.rows == nil {
		return nil
	}
	var group accountGroup
	var hash [accountHash]byte
	done := int64(0)
	for rec, err := range s.rows.Sorted() {
		if err != nil {
			return err
		}
		if done%progressEvery == 0 {
			if err := s.ctx.Err(); err != nil {
				return err
			}
			s.o.Progress(Progress{"accounts", done, s.rows.Len(), s.counts.Total})
		}
		done++
		if !bytes.Equal(rec[:accountHash], hash[:]) || group.rows == 0 {
			if err := s.endAccount(&group); err != nil {
				return err
			}
			copy(hash[:], rec)
		}
		if err := group.add(rec[accountHash:]); err != nil {
			return err
		}
		if group.rows > 1 {
			s.counts.Duplicates++
		} else {
			s.counts.Affected++
		}
		if len(group.identities) > maxPerAccount {
			return hint.Add(fmt.Errorf("%w: %s: columns: account: the rows of one %q (the first in line %d) have more than %d different addresses",
				ErrRules, s.o.Rules.name, s.o.Rules.columns.account, group.line, maxPerAccount),
				"name the column that tells accounts apart")
		}
	}
	s.o.Progress(Progress{"accounts", done, done, s.counts.Total})
	if err := s.endAccount(&group); err != nil {
		return err
	}
	return s.rows.Close()
}

// An accountGroup is the rows of one account, united.
type accountGroup struct {
	rowRecord
	rows int64
	seen map[identity.Identity]bool // once there are many
}

// add adds the next row, without its hash.
func (g *accountGroup) add(rec []byte) error {
	r := recordReader{b: rec}
	line, mask, active := int64(r.uint64()), r.uint64(), r.bit()
	locale, account := r.text(), r.text()
	if g.rows++; g.rows == 1 {
		g.line, g.account = line, string(account)
	}
	g.active = g.active || active
	if g.mask |= mask; g.locale == "" {
		g.locale = string(locale)
	}
	for len(r.b) > 0 && !r.bad {
		rank := int(r.take(1)[0])
		value := r.text()
		if rank >= len(kinds) {
			return errRecord
		}
		g.addIdentity(kinds[rank], value)
	}
	if r.bad {
		return errRecord
	}
	return nil
}

func (g *accountGroup) addIdentity(kind identity.Kind, value []byte) {
	if len(g.identities) < 16 {
		for _, id := range g.identities {
			if id.Kind == kind && id.Value == string(value) {
				return
			}
		}
		g.identities = append(g.identities, identity.Identity{Kind: kind, Value: string(value)})
		return
	}
	if len(g.seen) == 0 {
		g.seen = map[identity.Identity]bool{}
		for _, id := range g.identities {
			g.seen[id] = true
		}
	}
	if id := (identity.Identity{Kind: kind, Value: string(value)}); !g.seen[id] {
		g.seen[id] = true
		g.identities = append(g.identities, id)
	}
}

// endAccount hands a group on and empties it.
func (s *scoper) endAccount(g *accountGroup) error {
	if g.rows == 0 {
		return nil
	}
	err := s.addMembers(&g.rowRecord)
	*g = accountGroup{rowRecord: rowRecord{identities: g.identities[:0]}}
	return err
}

// addMembers hands on the identities of one person:
//
//	rank of the kind (1) ‖ value ‖ 0x00 ‖ line (8) ‖ mask (8) ‖ in use (1) ‖ locale ‖ account
//
// The order of these records is that of Identity.Input: no value goes on with a
// zero byte where another ends.
func (s *scoper) addMembers(r *rowRecord) error {
	if r.active {
		s.counts.Active++
	}
	var has [len(kinds)]bool
	for _, id := range r.identities {
		has[rankOf(id.Kind)] = true
		b := append(s.buf[:0], rankOf(id.Kind))
		b = append(b, id.Value...)
		b = append(b, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(r.line))
		b = binary.BigEndian.AppendUint64(b, r.mask)
		b = appendBit(b, r.active)
		b = appendText(b, r.locale)
		b = appendText(b, r.account)
		s.buf = b
		if err := s.members.Add(b); err != nil {
			return err
		}
	}
	if !has[rankOf(identity.KindEmail)] && s.email >= 0 {
		s.counts.WithoutEmail++
	}
	for _, kind := range s.o.Rules.index {
		if kind != identity.KindEmail && !has[rankOf(kind)] {
			if s.counts.Without == nil {
				s.counts.Without = map[identity.Kind]int64{}
			}
			s.counts.Without[kind]++
		}
	}
	return nil
}

// uniteIdentities goes through the identities, and hands each to sink once.
func (s *scoper) uniteIdentities(sink func(*member) error) (*result, error) {
	var m member
	masks := map[uint64]bool{}
	end := func() error {
		if m.rows == 0 {
			return nil
		}
		s.counts.Identities[kinds[m.rank]]++
		if masks[m.mask] = true; len(masks) > maxSets {
			return hint.Add(fmt.Errorf("%w: %s: the rows have more than %d different sets of data classes", ErrRules, s.o.Rules.name, maxSets),
				"join classes that differ little")
		}
		if sink == nil {
			return nil
		}
		return sink(&m)
	}
	done := int64(0)
	for rec, err := range s.members.Sorted() {
		if err != nil {
			return nil, err
		}
		if done%progressEvery == 0 {
			if err := s.ctx.Err(); err != nil {
				return nil, err
			}
			s.o.Progress(Progress{"identities", done, s.members.Len(), s.counts.Total})
		}
		done++
		value, rest, ok := cutKey(rec)
		if !ok {
			return nil, errRecord
		}
		if m.rows == 0 || m.rank != rec[0] || !bytes.Equal(m.value, value) {
			if err := end(); err != nil {
				return nil, err
			}
			m.begin(rec[0], value)
		}
		if err := m.add(rest); err != nil {
			return nil, err
		}
	}
	if err := end(); err != nil {
		return nil, err
	}
	s.o.Progress(Progress{"identities", done, done, s.counts.Total})
	out := &result{counts: s.counts, region: s.region}
	for mask := range masks {
		out.sets = append(out.sets, mask)
	}
	return out, s.members.Close()
}

// cutKey parts the key of a member's record from the rest.
func cutKey(rec []byte) (value, rest []byte, ok bool) {
	if len(rec) == 0 || int(rec[0]) >= len(kinds) {
		return nil, nil, false
	}
	from := 1
	if kinds[rec[0]] == identity.KindAccount { // organisation ‖ 0x00 ‖ id
		i := bytes.IndexByte(rec[1:], 0)
		if i < 0 {
			return nil, nil, false
		}
		from += i + 1
	}
	i := bytes.IndexByte(rec[from:], 0)
	if i < 0 {
		return nil, nil, false
	}
	return rec[1 : from+i], rec[from+i+1:], true
}

// A member is one identity with what all its rows say, as the roster keeps it.
type member struct {
	rank     byte
	value    []byte
	mask     uint64
	active   bool
	locale   []byte
	accounts [][]byte
	more     uint64 // accounts beyond those
	rows     int64

	arena []byte // of the accounts
}

func (m *member) begin(rank byte, value []byte) {
	*m = member{rank: rank, value: append(m.value[:0], value...), locale: m.locale[:0],
		accounts: m.accounts[:0], arena: m.arena[:0]}
}

// add adds what one account says of the identity.
func (m *member) add(rest []byte) error {
	r := recordReader{b: rest}
	r.uint64() // the line: it has done its work in the sort
	m.rows++
	m.mask |= r.uint64()
	m.active = r.bit() || m.active
	locale, account := r.text(), r.text()
	if r.bad || len(r.b) > 0 {
		return errRecord
	}
	if len(m.locale) == 0 {
		m.locale = append(m.locale, locale...)
	}
	switch {
	case len(account) == 0:
	case len(m.accounts) == maxAccounts:
		m.more++
	default:
		from := len(m.arena)
		m.arena = append(m.arena, account...)
		m.accounts = append(m.accounts, m.arena[from:])
	}
	return nil
}
