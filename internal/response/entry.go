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
	V    int    `json:"v"` // 1
	Case string `json:"case"`
	Seq  int64  `json:"seq"`  // from 1
	Prev string `json:"prev"` // hex; zeros in the first
	At   string `json:"at"`   // RFC 3339, UTC
	By   string `json:"by"`
	Salt string `json:"salt"` // base64url of 16 random bytes: a hash tells nothing of what it is of
	Body Body   `json:"body"`
}

// A Body is what an entry says: exactly one of its members.
type Body struct {
	Declared *Declared `json:"declared,omitzero"`
	Regime   *Regime   `json:"regime,omitzero"`
	Started  *Started  `json:"started,omitzero"`
	Knows    *Knows    `json:"knows,omitzero"`
	Clock    *Marked   `json:"clock,omitzero"`
	Decision *Decision `json:"decision,omitzero"`
	Event    *Event    `json:"event,omitzero"`
	Report   *Report   `json:"report,omitzero"`
	Task     *Task     `json:"task,omitzero"`
	Closed   *Closed   `json:"closed,omitzero"`
}

// Declared opens a case.
type Declared struct {
	Title        string   `json:"title"`
	Organisation string   `json:"organisation"`
	Known        string   `json:"known"` // when any department knew (知った時点), as a moment
	Part         string   `json:"part"`  // own, processor, client, joint
	Illicit      bool     `json:"illicit,omitzero"`
	Persons      int64    `json:"persons,omitzero"` // as far as known; 0 is not known
	Commander    string   `json:"commander,omitzero"`
	Regimes      []string `json:"regimes,omitzero"`
	Playbook     string   `json:"playbook,omitzero"`
}

// Regime says that a regime applies, or that it was considered and does not.
type Regime struct {
	ID      string `json:"id"`
	Refused bool   `json:"refused,omitzero"`
	Why     string `json:"why,omitzero"`
}

// Started says when something happened that starts clocks.
type Started struct {
	Trigger string `json:"trigger"`
	At      string `json:"at"`
}

// Knows says that something is so, or is not so, that clocks depend on.
type Knows struct {
	Word string `json:"word"`
	Is   bool   `json:"is"`
}

// Marked changes how a clock stands: done, suspended or running again.
type Marked struct {
	ID    string `json:"id"`
	State string `json:"state"` // done, suspended, running
	At    string `json:"at,omitzero"`
	Why   string `json:"why,omitzero"` // by which document, or why it waits
}

// Decision is one that was taken, on what was known then.
type Decision struct {
	Question string   `json:"question"`
	Options  []string `json:"options,omitzero"`
	Decision string   `json:"decision"`
	Why      string   `json:"why,omitzero"`
	Facts    []string `json:"facts,omitzero"` // the facts it rests on, as they stood: key = value (certainty, as of)
}

// Event is something that happened, at its own time.
type Event struct {
	At     string `json:"at"`
	Text   string `json:"text"`
	Source string `json:"source,omitzero"`
}

// Report is what somebody outside told.
type Report struct {
	At        string `json:"at"`
	From      string `json:"from"` // customer, researcher, partner, police, other
	Text      string `json:"text"`
	Knowledge string `json:"knowledge,omitzero"` // whether it was the moment of knowledge: yes, no; "" nobody has said
}

// Task is something to do, as it stands from now on.
type Task struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
	Owner string `json:"owner,omitzero"`
	Due   string `json:"due,omitzero"`
	State string `json:"state"` // open, done, dropped
	Note  string `json:"note,omitzero"`
}

// Closed ends a case.
type Closed struct {
	Why string `json:"why"`
}

// kind is the name of the one member that is there; "" where there is none, or are several.
func (b Body) kind() string {
	kind := ""
	for name, there := range map[string]bool{"declared": b.Declared != nil, "regime": b.Regime != nil, "started": b.Started != nil, "knows": b.Knows != nil,
		"clock": b.Clock != nil, "decision": b.Decision != nil, "event": b.Event != nil, "report": b.Report != nil, "task": b.Task != nil, "closed": b.Closed != nil} {
		if !there {
			continue
		}
		if kind != "" {
			return ""
		}
		kind = name
	}
	return kind
}

// Kind is what an entry records: declared, regime, started, knows, clock, decision, event, report, task or closed.
func (e Entry) Kind() string { return e.Body.kind() }

const maxEntry = 256 << 10 // bytes

// entry makes the next entry of a case.
func (k *Case) entry(who actor.Actor, now time.Time, b Body) (Entry, error) {
	if b.kind() == "" {
		return Entry{}, fmt.Errorf("%w: an entry says one thing", ErrEntry)
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	return Entry{V: 1, Case: k.ID, Seq: k.Entries + 1, Prev: k.Head.String(), At: now.UTC().Truncate(time.Second).Format(time.RFC3339), By: who.String(),
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
	case e.V != 1:
		return e, fmt.Errorf("entry %d is of version %d, and this program reads 1", v.seq+1, e.V)
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
