package logins

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"strings"
	"time"

	"shirase/identity"
)

// A record is an event as it is sorted: by account, then by time.
//
//	 0  account, 16 bytes
//	16  nanoseconds since 1970, 8
//	24  what it is, 1
//	25  address as IPv6, 16; zero: not stated
//	41  program without its versions, 8
//	49  program, 8
//
// A member of the roster is a record too: time 0, and the account's name behind its first 25 bytes.
const (
	recAccount = 16
	recTime    = recAccount + 8
	recWhat    = recTime + 1
	recAddress = recWhat + 16
	recFamily  = recAddress + 8
	recSize    = recFamily + 8
)

// What a record is.
const (
	isMember = iota
	isFailure
	isLogin
)

// agentsMost bounds how many programs are kept by name; of further ones only that they are not the same is known.
const agentsMost = 1 << 16

// keys are the hashes of one run, and of no other.
type keys struct{ account, account2, agent maphash.Seed }

func newKeys() *keys { return &keys{maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()} }

// name is what an account is known by: an address by its canonical form, whichever column or identity it stands in.
func name(account []byte) []byte {
	for _, c := range account {
		if c == '@' {
			if id, err := identity.ParseEmail(string(account)); err == nil {
				return []byte(id.Value)
			}
			break
		}
	}
	return account
}

// of appends an account's hash.
func (k *keys) of(b, account []byte) []byte {
	n := name(account)
	b = binary.BigEndian.AppendUint64(b, maphash.Bytes(k.account, n))
	return binary.BigEndian.AppendUint64(b, maphash.Bytes(k.account2, n))
}

// record appends an event's record, and gives its program's hash.
func (k *keys) record(b []byte, e *event) ([]byte, uint64) {
	b = k.of(b, e.account)
	b = binary.BigEndian.AppendUint64(b, uint64(e.at.UnixNano()))
	what := byte(isFailure)
	if e.ok {
		what = isLogin
	}
	b = append(b, what)
	var address [16]byte
	if e.address.IsValid() {
		address = e.address.As16()
	}
	b = append(b, address[:]...)
	var family, agent uint64
	if len(e.agent) > 0 {
		var kept [maxAgent]byte
		family = maphash.Bytes(k.agent, withoutVersions(kept[:0], e.agent)) | 1
		agent = maphash.Bytes(k.agent, e.agent) | 1
	}
	b = binary.BigEndian.AppendUint64(b, family)
	return binary.BigEndian.AppendUint64(b, agent), agent
}

// member is the record of one account of the roster.
func (k *keys) member(b, account []byte) []byte {
	b = k.of(b, account)
	b = append(b, make([]byte, 8)...)
	return append(append(b, isMember), account...)
}

// withoutVersions is a program's name without what changes when it is brought up to date: digits, and what joins them.
func withoutVersions(to, agent []byte) []byte {
	for i, c := range agent {
		digit := func(i int) bool { return i >= 0 && i < len(agent) && agent[i] >= '0' && agent[i] <= '9' }
		if digit(i) || (c == '.' || c == '_') && (digit(i-1) || digit(i+1)) {
			continue
		}
		to = append(to, c)
	}
	return to
}

// seen is a record that is read.
type seen struct {
	at      time.Time
	ok      bool
	address netip.Addr // zero: not stated
	network netip.Prefix
	family  uint64
	agent   uint64
}

func readRecord(rec []byte) seen {
	s := seen{at: time.Unix(0, int64(binary.BigEndian.Uint64(rec[recAccount:recTime]))).UTC(), ok: rec[recTime] == isLogin,
		family: binary.BigEndian.Uint64(rec[recAddress:recFamily]), agent: binary.BigEndian.Uint64(rec[recFamily:recSize])}
	if a := netip.AddrFrom16([16]byte(rec[recWhat:recAddress])); !a.IsUnspecified() {
		s.address = a.Unmap()
		s.network = networkOf(s.address)
	}
	return s
}

// networkOf is the network that an address is likely to share with its owner's next one: a /24 of IPv4, a /48 of IPv6.
func networkOf(a netip.Addr) netip.Prefix {
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits) // fails for lengths that an address does not have only
	return p
}

// sourceOf is what one machine or household has: an address of IPv4, a /64 of IPv6.
func sourceOf(a netip.Addr) netip.Prefix {
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits)
	return p
}

func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
