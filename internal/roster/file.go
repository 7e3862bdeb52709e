package roster

import (
	"bufio"
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/go-json-experiment/json"

	"shirase/identity"
	"shirase/internal/hint"
)

// The roster file is an age file for the case's key. Its plaintext is the same for
// the same scope of the same incident:
//
//	magic    "shirase roster 1\n", or 2
//	header   JSON: fileHeader
//	members  in the order of Identity.Input, each identity once
//	0        a member of no bytes
//	footer   JSON: meta
//	mac      HMAC-SHA-256 of all before, under a key derived from the case's
//
// The three in the middle have their length before them, as a uvarint. A member is
//
//	rank of the kind (1: account 0, email 1, phone 2) ‖ value ‖ mask ‖ locale ‖
//	number of accounts ‖ the accounts ‖ number of further accounts
//
// numbers as uvarints, texts with their length before them. Bit i of the mask is
// the header's class i. Where the rules say which accounts are in use, the magic has
// a 2, and a member ends in one byte more: 1 where one of their accounts is, else 0.
// A roster of rules that do not say is what it always was, byte for byte.
//
// age's chunks are authenticated one by one and the last is marked, so a change or
// a cut is found where it is. The header binds the file to its incident; the
// roster's id is the beginning of the mac, so the same scope has the same id, and
// another roster's file in place of this one is found at its end.
const (
	magic       = "shirase roster 1\n"
	magicActive = "shirase roster 2\n"
)

const (
	maxHeader = 16 << 20 // of header, footer: maxSets sets of some classes
	maxMember = 1 << 20
	macSize   = sha256.Size
)

type fileHeader struct {
	Incident string   `json:"incident"`
	Classes  []string `json:"classes"`
	Part     string   `json:"part,omitzero"` // whose part of the scope it is; "" for the whole
}

// meta is what is known of a roster without opening it.
type meta struct {
	Counts      Counts          `json:"counts"`
	Index       []identity.Kind `json:"index"`
	PhoneRegion string          `json:"phoneRegion"`
	Sets        [][]string      `json:"sets"`

	Organisation string `json:"organisation,omitzero"`
	Activity     bool   `json:"activity,omitzero"` // it says of whom an account is in use
}

// macKey derives the key of the mac from the case's secret key.
func macKey(key *age.X25519Identity) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(key.String()), nil, "shirase/v1 roster mac", macSize)
}

func idOf(mac []byte) string {
	return strings.ToLower(base32.StdEncoding.EncodeToString(mac[:10]))
}

// A fileWriter writes the plaintext of a roster file.
type fileWriter struct {
	w   *bufio.Writer
	mac hash.Hash
	buf []byte
	n   int64

	activity bool // members say whether an account is in use
}

func newFileWriter(w io.Writer, key []byte, header fileHeader, activity bool) (*fileWriter, error) {
	f := &fileWriter{w: bufio.NewWriterSize(w, 64<<10), mac: hmac.New(sha256.New, key), activity: activity}
	head := magic
	if activity {
		head = magicActive
	}
	if err := f.write([]byte(head)); err != nil {
		return nil, err
	}
	return f, f.writeJSON(header)
}

func (f *fileWriter) write(b []byte) error {
	f.mac.Write(b)
	_, err := f.w.Write(b)
	return err
}

// writeJSON writes a value the same way every time: members as declared, keys of
// maps sorted.
func (f *fileWriter) writeJSON(v any) error {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	if len(b) > maxHeader {
		return fmt.Errorf("the roster's header or footer is longer than %d bytes", maxHeader)
	}
	return f.write(appendText(nil, b))
}

func (f *fileWriter) member(m *member) error {
	b := append(f.buf[:0], m.rank)
	b = appendText(b, m.value)
	b = binary.AppendUvarint(b, m.mask)
	b = appendText(b, m.locale)
	b = binary.AppendUvarint(b, uint64(len(m.accounts)))
	for _, a := range m.accounts {
		b = appendText(b, a)
	}
	b = binary.AppendUvarint(b, m.more)
	if f.activity {
		b = appendBit(b, m.active)
	}
	f.buf = b
	f.n++
	var head [binary.MaxVarintLen64]byte
	if err := f.write(head[:binary.PutUvarint(head[:], uint64(len(b)))]); err != nil {
		return err
	}
	return f.write(b)
}

// finish ends the plaintext and returns the roster's id.
func (f *fileWriter) finish(footer *meta) (string, error) {
	if err := f.write([]byte{0}); err != nil {
		return "", err
	}
	if err := f.writeJSON(footer); err != nil {
		return "", err
	}
	mac := f.mac.Sum(nil)
	if _, err := f.w.Write(mac); err != nil {
		return "", err
	}
	return idOf(mac), f.w.Flush()
}

// A fileReader reads the plaintext of a roster file. It trusts none of it.
type fileReader struct {
	r      *bufio.Reader
	mac    hash.Hash
	header fileHeader
	prev   []byte // key of the member before
	key    []byte
	buf    []byte
	counts map[identity.Kind]int64

	activity bool // members say whether an account is in use
}

func newFileReader(r io.Reader, key []byte) (*fileReader, error) {
	f := &fileReader{mac: hmac.New(sha256.New, key), counts: map[identity.Kind]int64{}}
	f.r = bufio.NewReaderSize(r, 64<<10)
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(f.r, head); err != nil {
		return nil, damaged("its beginning", err)
	}
	f.activity = string(head) == magicActive
	if string(head) != magic && !f.activity {
		if bytes.HasPrefix(head, []byte(magic[:15])) {
			return nil, hint.Add(fmt.Errorf("%w: its form is of another version", ErrDamaged), "use the shirase that wrote it, or a newer one")
		}
		return nil, damaged("its beginning", nil)
	}
	f.mac.Write(head)
	if err := f.readJSON(&f.header); err != nil {
		return nil, damaged("its header", err)
	}
	if len(f.header.Classes) > maxClasses {
		return nil, damaged("its header", nil)
	}
	return f, nil
}

func damaged(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: %s", ErrDamaged, what)
	}
	return fmt.Errorf("%w: %s: %w", ErrDamaged, what, err)
}

// part reads a length and as many bytes, into buf.
func (f *fileReader) part(most int) ([]byte, error) {
	n, err := binary.ReadUvarint(f.r)
	if err == nil && n > uint64(most) {
		err = fmt.Errorf("it claims %d bytes", n)
	}
	if err == nil {
		f.buf = slices.Grow(f.buf[:0], int(n))[:n]
		_, err = io.ReadFull(f.r, f.buf)
	}
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	var head [binary.MaxVarintLen64]byte
	f.mac.Write(head[:binary.PutUvarint(head[:], n)])
	f.mac.Write(f.buf)
	return f.buf, nil
}

func (f *fileReader) readJSON(v any) error {
	b, err := f.part(maxHeader)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v, json.RejectUnknownMembers(true))
}

// next reads the next member, false after the last.
func (f *fileReader) next() (Member, uint64, bool, error) {
	b, err := f.part(maxMember)
	if err != nil {
		return Member{}, 0, false, damaged("a member", err)
	}
	if len(b) == 0 {
		return Member{}, 0, false, nil
	}
	r := recordReader{b: b}
	rank := r.take(1)[0]
	value := r.text()
	if int(rank) >= len(kinds) || r.bad {
		return Member{}, 0, false, damaged("a member", nil)
	}
	f.key = append(append(f.key[:0], rank), value...)
	if bytes.Compare(f.prev, f.key) >= 0 {
		return Member{}, 0, false, damaged("the order of members", nil)
	}
	f.prev, f.key = f.key, f.prev
	m := Member{Identity: identity.Identity{Kind: kinds[rank], Value: string(value)}}
	mask := r.uvarint()
	m.Locale = string(r.text())
	accounts := r.uvarint()
	if accounts > maxAccounts || mask == 0 || mask>>len(f.header.Classes) != 0 {
		return Member{}, 0, false, damaged("a member", nil)
	}
	for range accounts {
		m.Accounts = append(m.Accounts, string(r.text()))
	}
	m.MoreAccounts = int64(r.uvarint())
	if f.activity {
		m.Active = r.bit()
	}
	if r.bad || len(r.b) > 0 || m.MoreAccounts < 0 {
		return Member{}, 0, false, damaged("a member", nil)
	}
	f.counts[m.Identity.Kind]++
	return m, mask, true, nil
}

// finish reads what follows the members, and returns the roster's id.
func (f *fileReader) finish() (string, *meta, error) {
	var footer meta
	if err := f.readJSON(&footer); err != nil {
		return "", nil, damaged("its footer", err)
	}
	if f.activity != footer.Activity {
		return "", nil, damaged("its footer", nil)
	}
	if !maps.Equal(f.counts, footer.Counts.Identities) {
		return "", nil, damaged("the number of members", nil)
	}
	want := f.mac.Sum(nil)
	got := make([]byte, macSize)
	if _, err := io.ReadFull(f.r, got); err != nil {
		return "", nil, damaged("its end", err)
	}
	if !hmac.Equal(got, want) {
		return "", nil, damaged("its code does not match what it holds", nil)
	}
	if _, err := f.r.ReadByte(); !errors.Is(err, io.EOF) {
		return "", nil, damaged("there is something after its end", nil)
	}
	return idOf(got), &footer, nil
}

// setsOf makes the sorted list of sets from the masks that occur.
func setsOf(masks []uint64, classes []string) [][]string {
	sets := make([][]string, 0, len(masks))
	for _, mask := range masks {
		var set []string
		for i, class := range classes {
			if mask>>i&1 == 1 {
				set = append(set, class)
			}
		}
		sets = append(sets, set)
	}
	slices.SortFunc(sets, slices.Compare)
	return sets
}

// masksOf is the way back: the number of each mask's set.
func masksOf(sets [][]string, classes []string) (map[uint64]uint16, error) {
	if len(sets) > maxSets {
		return nil, damaged("it has too many sets", nil)
	}
	numbers := make(map[uint64]uint16, len(sets))
	for i, set := range sets {
		var mask uint64
		for _, class := range set {
			bit := slices.Index(classes, class)
			if bit < 0 {
				return nil, damaged("a set names an unknown class", nil)
			}
			mask |= 1 << bit
		}
		numbers[mask] = uint16(i)
	}
	return numbers, nil
}
