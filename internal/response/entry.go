package response

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/actor"
)

// Hash is the SHA-256 of an entry.
type Hash [sha256.Size]byte

// String gives lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// An Entry is one thing that was recorded in a case. Its form is RFC 8785 canonical JSON; its hash is
// SHA-256("shirase/v1 case entry" ‖ 0x00 ‖ that), and the next entry names it.
type Entry struct {
	V    int    `json:"v"` // 2; 1 in records of earlier versions, which had fewer bodies
	Case string `json:"case"`
	Seq  int64  `json:"seq"`  // from 1
	Prev string `json:"prev"` // hex; zeros in the first
	At   string `json:"at"`   // RFC 3339, UTC
	By   string `json:"by"`   // a pseudonym of a person, and the door: who it is, names says (Room.Names)
	Salt string `json:"salt"` // base64url of 16 random bytes: a hash tells nothing of what it is of
	Body Body   `json:"body"`
}

const (
	version  = 2
	maxEntry = 256 << 10 // bytes
)

// entry makes the next entry of a case.
func (k *Case) entry(who actor.Actor, now time.Time, b Body) (Entry, error) {
	if b.kind() == "" {
		return Entry{}, fmt.Errorf("%w: an entry says one thing", ErrEntry)
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	return Entry{V: version, Case: k.ID, Seq: k.Entries + 1, Prev: k.Head.String(), At: now.UTC().Truncate(time.Second).Format(time.RFC3339), By: who.String(),
		Salt: base64.RawURLEncoding.EncodeToString(salt), Body: b}, nil
}

// canonical gives the entry's bytes.
func (e Entry) canonical() ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write an entry: %w", err)
	}
	val := jsontext.Value(b)
	if err := val.Canonicalize(); err != nil {
		return nil, fmt.Errorf("write an entry: %w", err)
	}
	if len(val) > maxEntry {
		return nil, fmt.Errorf("%w: an entry has at most %d bytes", ErrEntry, maxEntry)
	}
	return val, nil
}

func hashOf(data []byte) Hash {
	return sha256.Sum256(append([]byte("shirase/v1 case entry\x00"), data...))
}

// verifier follows a chain.
type verifier struct {
	id   string // of the case; "" takes that of the first entry
	seq  int64
	head Hash
}

// next reads the next entry and requires that it follows and has the hash that is said of it; "" says none.
func (v *verifier) next(data []byte, said string) (Entry, error) {
	var e Entry
	if len(data) > maxEntry {
		return e, fmt.Errorf("entry %d: %w: longer than %d bytes", v.seq+1, ErrChain, maxEntry)
	}
	if err := json.Unmarshal(data, &e, json.RejectUnknownMembers(true)); err != nil {
		return e, fmt.Errorf("entry %d: %w: %v", v.seq+1, ErrChain, err)
	}
	again, err := e.canonical()
	if err != nil || !bytes.Equal(again, data) {
		return e, errors.Join(fmt.Errorf("entry %d: %w: its bytes are not the canonical form (RFC 8785)", v.seq+1, ErrChain), err)
	}
	if v.id == "" {
		v.id = e.Case
	}
	switch {
	case e.V < 1 || e.V > version:
		return e, fmt.Errorf("entry %d is of version %d, and this program reads 1 to %d", v.seq+1, e.V, version)
	case e.Case != v.id:
		return e, fmt.Errorf("entry %d: %w: it is of case %s", v.seq+1, ErrChain, e.Case)
	case e.Seq != v.seq+1:
		return e, fmt.Errorf("entry %d: %w: number %d stands in its place", v.seq+1, ErrChain, e.Seq)
	case e.Prev != v.head.String():
		return e, fmt.Errorf("entry %d: %w: it does not follow the one before", e.Seq, ErrChain)
	case e.Kind() == "":
		return e, fmt.Errorf("entry %d: %w: it says nothing, or several things", e.Seq, ErrChain)
	}
	h := hashOf(data)
	if said != "" && said != h.String() {
		return e, fmt.Errorf("entry %d: %w: it has another hash than was written", e.Seq, ErrChain)
	}
	v.seq, v.head = e.Seq, h
	return e, nil
}
