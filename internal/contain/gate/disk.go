package gate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
)

// What a node knows is kept in the data folder, for a restart while the database is away: what is in force, the hashes of tokens, and which
// entries of a set are done. It is written when something changed, and now and then, so that its age is known.
const (
	nodeFile   = "gate/node.json"
	keepSoon   = 5 * time.Second
	keepOften  = 30 * time.Second
	maxNode    = 4 << 20
	doneHeader = 8
)

// ErrKind says that what lies on the disk was in force for real and this node is an exercise's, or the other way round: neither is to stand in for
// the other, not even while the database is away.
var ErrKind = errors.New("what the gate knew is of an exercise, and this is none, or the other way round")

type keptNode struct {
	V        int         `json:"v"`
	Exercise bool        `json:"exercise,omitzero"`
	Version  int64       `json:"version"`
	AsOf     int64       `json:"asOf"` // microseconds since 1970
	Blocks   []Block     `json:"blocks"`
	Tokens   []keptToken `json:"tokens"`
}

type keptToken struct {
	Token
	SHA256 string `json:"sha256"`
}

func doneName(incident, round, roster string) string {
	return "gate/" + incident + "/" + round + "-" + roster + ".done"
}

// keep puts what is known on the disk, if it is time to.
func (n *Node) keep(now time.Time) {
	since := now.Sub(n.kept)
	if since < keepSoon && !n.kept.IsZero() && !n.fresherThanKept() || since < keepOften && !n.dirty {
		return
	}
	m := n.memory.Load()
	out := keptNode{V: 1, Exercise: n.Idle, Version: m.version, AsOf: n.asOf.Load(), Blocks: m.blocks, Tokens: []keptToken{}}
	for _, t := range m.list {
		out.Tokens = append(out.Tokens, keptToken{t, hex.EncodeToString(t.hash[:])})
	}
	b, err := json.Marshal(out, json.Deterministic(true))
	if err == nil {
		for _, h := range m.holds {
			if h.err == nil && err == nil && n.dirty {
				err = n.Dir.Put(doneName(h.Incident, h.Round, h.Roster), h.doneBytes())
			}
		}
	}
	if err == nil {
		err = n.Dir.Put(nodeFile, b)
	}
	if err != nil {
		n.Log.Error("keep what is in force at the gate", "error", err)
		return
	}
	n.kept, n.dirty = now, false
	n.keptVersion = m.version
}

// fresherThanKept reports whether what is in force is not what is on the disk.
func (n *Node) fresherThanKept() bool { return n.memory.Load().version != n.keptVersion }

func (h *held) doneBytes() []byte {
	b := make([]byte, doneHeader, doneHeader+8*len(h.done)+sha256.Size)
	binary.BigEndian.PutUint64(b, uint64(len(h.done)))
	for i := range h.done {
		b = binary.BigEndian.AppendUint64(b, atomic.LoadUint64(&h.done[i]))
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// load reads what was known from the disk.
func (n *Node) load() error {
	b, err := n.Dir.Get(nodeFile, maxNode)
	if err != nil {
		return err
	}
	var k keptNode
	if err := json.Unmarshal(b, &k); err != nil || k.V != 1 {
		return fmt.Errorf("%s is not what was written", nodeFile)
	}
	if k.Exercise != n.Idle {
		return ErrKind
	}
	list := []Token{}
	for _, t := range k.Tokens {
		sum, err := hex.DecodeString(t.SHA256)
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("%s is not what was written", nodeFile)
		}
		t.Token.hash = [sha256.Size]byte(sum)
		list = append(list, t.Token)
	}
	m := n.make(context.Background(), nil, k.Version, k.Blocks, list)
	for _, h := range m.holds {
		if h.err != nil {
			continue
		}
		b, err := n.Dir.Get(doneName(h.Incident, h.Round, h.Roster), int64(doneHeader+8*len(h.done)+sha256.Size))
		if err != nil || !h.setDoneBytes(b) {
			n.Log.Error("read who has done what the gate asks", "case", h.Incident, "error", err) // they are asked again
		}
	}
	n.memory.Store(m)
	n.asOf.Store(k.AsOf)
	n.fresh = false
	return nil
}

func (h *held) setDoneBytes(b []byte) bool {
	if len(b) != doneHeader+8*len(h.done)+sha256.Size {
		return false
	}
	body := b[:len(b)-sha256.Size]
	if sum := sha256.Sum256(body); string(sum[:]) != string(b[len(body):]) || binary.BigEndian.Uint64(body) != uint64(len(h.done)) {
		return false
	}
	for i := range h.done {
		h.done[i] = binary.BigEndian.Uint64(body[doneHeader+8*i:])
	}
	return true
}

// sweep removes files of what is not in force any more. Where another process makes one at this moment, it is made again by whoever opens it.
func (n *Node) sweep(m *memory) {
	cases := map[string]bool{}
	wanted := []string{nodeFile}
	for _, h := range m.holds {
		wanted = append(wanted, setName(h.Incident, h.Roster), doneName(h.Incident, h.Round, h.Roster))
	}
	err := n.Dir.Walk("gate", func(name string) error {
		if strings.HasPrefix(name, "gate/") && !slices.Contains(wanted, name) {
			cases[name] = true
		}
		return nil
	})
	for name := range cases {
		if ext := path.Ext(name); ext == ".set" || ext == ".done" {
			_ = n.Dir.Remove(name) // somebody else may have
		}
	}
	if err != nil {
		n.Log.Error("look for what the gate does not need any more", "error", err)
	}
}
