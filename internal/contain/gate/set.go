package gate

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"github.com/go-json-experiment/json"

	"shirase/identity"
	"shirase/internal/files"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// A Set is whom a roster has, as keyed hashes under the case's key (HMAC-SHA256): without the key nobody can be looked up in it, and with
// it only those whom one can name. It answers wrongly for somebody who is not in it with a probability of n/2^(bits+56): for 20 million
// entries 2^-52 for each account that is asked about.
//
// Entries are sorted. Of each the first bits are its place in first, and the next 56 stand in rest.
type Set struct {
	ids   ids
	n     int
	bits  uint
	first []uint32 // by the first bits: where its entries begin; one more for the end
	rest  []byte   // restSize of each
}

const (
	restSize    = 7
	keptSize    = 10 // of a hash, while a set is made
	maxFirst    = 24 // bits
	maxSet      = 1 << 30
	fileHeading = "shirase gate set 1\n"
)

// ids says how far the roster names accounts by the organisation's own ids.
type ids string

const (
	noIDs   ids = "none"
	someIDs ids = "some" // an address has more accounts than the roster names
	allIDs  ids = "all"  // whose id is not in it is not in the roster
)

// maker takes in whom a set is to have.
type maker struct {
	parts [256][][keptSize]byte // by the first byte
	n     int
}

func (m *maker) add(h hash) {
	m.parts[h[0]] = append(m.parts[h[0]], [keptSize]byte(h[:keptSize]))
	m.n++
}

// set makes the set, and lets go of what was taken in.
func (m *maker) set(known ids) (*Set, error) {
	n := 0
	for i := range m.parts {
		slices.SortFunc(m.parts[i], func(a, b [keptSize]byte) int {
			if c := cmp.Compare(binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(b[:])); c != 0 {
				return c
			}
			return bytes.Compare(a[8:], b[8:])
		})
		m.parts[i] = slices.Compact(m.parts[i]) // two names of a member may be the same
		n += len(m.parts[i])
	}
	if n >= maxSet {
		return nil, fmt.Errorf("%w: at most %d names", ErrInput, maxSet)
	}
	s := &Set{ids: known, n: n, bits: uint(min(max(bits.Len(uint(n))-4, 0), maxFirst))}
	s.first = make([]uint32, 1<<s.bits+1)
	s.rest = make([]byte, 0, n*restSize)
	at := 0
	for i := range m.parts {
		for _, k := range m.parts[i] {
			var h hash
			copy(h[:], k[:])
			place, rest := s.place(h)
			for ; at <= place; at++ {
				s.first[at] = uint32(len(s.rest) / restSize)
			}
			var b [8]byte
			binary.BigEndian.PutUint64(b[:], rest)
			s.rest = append(s.rest, b[1:]...)
		}
		m.parts[i] = nil
	}
	for ; at < len(s.first); at++ {
		s.first[at] = uint32(n)
	}
	return s, nil
}

// place gives an entry's first bits, and the 56 that follow.
func (s *Set) place(h hash) (int, uint64) {
	hi, lo := binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:])
	if s.bits == 0 {
		return 0, hi >> 8
	}
	return int(hi >> (64 - s.bits)), (hi<<s.bits | lo>>(64-s.bits)) >> 8
}

// find gives the number of an entry.
func (s *Set) find(h hash) (int, bool) {
	place, rest := s.place(h)
	for i := int(s.first[place]); i < int(s.first[place+1]); i++ {
		b := s.rest[i*restSize : i*restSize+restSize]
		v := uint64(b[0])<<48 | uint64(b[1])<<40 | uint64(b[2])<<32 | uint64(b[3])<<24 | uint64(b[4])<<16 | uint64(b[5])<<8 | uint64(b[6])
		if v == rest {
			return i, true
		}
	}
	return 0, false
}

// Len is how many names are in the set, and Bytes what it takes in memory, with a bit for each name.
func (s *Set) Len() int   { return s.n }
func (s *Set) Bytes() int { return 4*len(s.first) + len(s.rest) + s.n/8 }

// Has reports whether an account is in the set.
func (s *Set) Has(sealer *store.Sealer, a Account) bool {
	_, ok := (&held{set: s, sealer: sealer}).find(a)
	return ok
}

// setHeader says what a file of a set holds.
type setHeader struct {
	Incident string `json:"incident"`
	Roster   string `json:"roster"`
	IDs      ids    `json:"ids"`
	N        int    `json:"n"`
	Bits     uint   `json:"bits"`
}

func setName(incident, rosterID string) string { return "gate/" + incident + "/" + rosterID + ".set" }

// write keeps a set in a file: a header, the entries, and a hash of all before it.
func (s *Set) write(dir *files.Dir, incident, rosterID string) error {
	w, err := dir.Create(setName(incident, rosterID))
	if err != nil {
		return err
	}
	defer w.Close()
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<20)
	head, err := json.Marshal(setHeader{incident, rosterID, s.ids, s.n, s.bits}, json.Deterministic(true))
	if err != nil {
		return err
	}
	out.WriteString(fileHeading)
	out.Write(append(head, '\n'))
	var b [4]byte
	for _, f := range s.first {
		binary.BigEndian.PutUint32(b[:], f)
		out.Write(b[:])
	}
	out.Write(s.rest)
	if err := out.Flush(); err != nil { // it keeps the first error
		return err
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return err
	}
	return w.Commit()
}

// errSet says that a file is no set, or not the one that was written.
var errSet = errors.New("the file of a gate's accounts is damaged")

// readSet reads a set from its file. Errors: files.ErrNotExist, errSet.
func readSet(dir *files.Dir, incident, rosterID string) (*Set, error) {
	f, err := dir.Open(setName(incident, rosterID))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	size := f.Size()
	if size < int64(len(fileHeading))+sha256.Size {
		return nil, errSet
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f, 0, size), 1<<20)
	whole := io.TeeReader(in, sum)
	heading := make([]byte, len(fileHeading))
	if _, err := io.ReadFull(whole, heading); err != nil || string(heading) != fileHeading {
		return nil, errSet
	}
	line, err := in.ReadSlice('\n')
	if err != nil || len(line) > 4<<10 {
		return nil, errSet
	}
	sum.Write(line)
	var head setHeader
	if err := json.Unmarshal(line, &head, json.RejectUnknownMembers(true)); err != nil || head.Incident != incident || head.Roster != rosterID {
		return nil, errSet
	}
	if head.N < 0 || head.N >= maxSet || head.Bits > maxFirst || size != int64(len(fileHeading)+len(line))+4*(1<<head.Bits+1)+int64(head.N)*restSize+sha256.Size {
		return nil, errSet
	}
	s := &Set{ids: head.IDs, n: head.N, bits: head.Bits, first: make([]uint32, 1<<head.Bits+1), rest: make([]byte, head.N*restSize)}
	var b [4]byte
	before := uint32(0)
	for i := range s.first {
		if _, err := io.ReadFull(whole, b[:]); err != nil {
			return nil, errSet
		}
		if s.first[i] = binary.BigEndian.Uint32(b[:]); s.first[i] < before || s.first[i] > uint32(head.N) {
			return nil, errSet
		}
		before = s.first[i]
	}
	if _, err := io.ReadFull(whole, s.rest); err != nil {
		return nil, errSet
	}
	mine := sum.Sum(nil)
	theirs := make([]byte, sha256.Size)
	if _, err := io.ReadFull(in, theirs); err != nil || !bytes.Equal(mine, theirs) {
		return nil, errSet
	}
	return s, nil
}

// build makes the file of a roster's set, unless it is there.
func (g *Gate) build(ctx context.Context, of roster.Roster) error {
	if _, err := readSet(g.Dir, of.Incident, of.ID); err == nil {
		return nil
	}
	sealer, err := roster.SealerOf(g.Keys, of.Incident)
	if err != nil {
		return err
	}
	s, err := NewSet(sealer, func(yield func(roster.Member) error) error {
		for m, err := range g.Members(ctx, of) {
			if err != nil {
				return err
			}
			if err := yield(m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.write(g.Dir, of.Incident, of.ID)
}

// NewSet makes the set of members. What can be looked up are account ids and addresses.
func NewSet(sealer *store.Sealer, each func(yield func(roster.Member) error) error) (*Set, error) {
	var m maker
	named, unnamed := false, false
	err := each(func(x roster.Member) error {
		if x.Identity.Kind == identity.KindEmail {
			m.add(hashOf(sealer, "email", x.Identity.Value))
		}
		for _, a := range x.Accounts {
			named = true
			m.add(hashOf(sealer, "account", a))
		}
		unnamed = unnamed || x.MoreAccounts > 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	if m.n == 0 {
		return nil, ErrNobody
	}
	known := noIDs
	switch {
	case named && unnamed:
		known = someIDs
	case named:
		known = allIDs
	}
	return m.set(known)
}
