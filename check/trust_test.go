package check

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ledger is a world in which only statements are published: nothing is sealed.
type ledger struct {
	*world
	pins    string // the client's file
	host    string // by which it is asked; "" for loopback
	prevRaw []byte
	seen    *Evidence // of the last visit; nil: none
}

// newLedger publishes five notices and the first statement of version 2.
func newLedger(t testing.TB, policy string) *ledger { return newLedgerNamed(t, "", policy) }

// newLedgerNamed is newLedger under another origin.
func newLedgerNamed(t testing.TB, origin, policy string) *ledger {
	t.Helper()
	l := &ledger{world: &world{t: t, origin: origin, now: worldTime.Add(time.Hour)}, pins: filepath.Join(t.TempDir(), "ledgers.json")}
	l.ledgerKey("ledger")
	for i := range 5 {
		l.leaves = append(l.leaves, Leaf(KindNotice, fmt.Appendf(nil, "notice %d", i)))
	}
	l.publish(&Statement{V: 2, Seq: 1, Time: At(worldTime), Expires: At(worldTime.Add(LifeAlone)), PhoneRegion: "JP",
		Ledger: &Signing{VKeyHash(l.vkey), VKeyHash(l.vkeyOf("ledger 2")), policy}, Keys: []Key{}, Layers: []Layer{}, Incidents: []Incident{}})
	return l
}

// next publishes the next statement.
func (l *ledger) next(change func(*Statement)) {
	l.t.Helper()
	st := clone(l.t, l.st)
	st.Seq, st.Prev = st.Seq+1, StatementHash(l.raw)
	if change != nil {
		change(st)
	}
	l.publish(st)
}

// forget takes back all entries from a number on.
func (l *ledger) forget(n int) { l.leaves = slices.Clone(l.leaves[:n]) }

// succeed has the next key sign from now on, and lists the one before.
func (l *ledger) succeed(seed, after string) {
	l.t.Helper()
	if len(l.keyList) > 0 {
		l.keyList = l.keyList[:len(l.keyList)-1]
	}
	l.keyList = append(l.keyList, listedKey{l.vkey, l.raw, l.proof})
	l.ledgerKey(seed)
	l.keyList = append(l.keyList, listedKey{VKey: l.vkey})
	l.next(func(s *Statement) { s.Ledger.Key, s.Ledger.Next = VKeyHash(l.vkey), VKeyHash(l.vkeyOf(after)) })
}

// client returns one that remembers in the ledger's file.
func (l *ledger) client(lies lie) *Client {
	l.t.Helper()
	p, err := OpenPins(l.pins)
	if err != nil {
		l.t.Fatal(err)
	}
	u, _ := l.serve(lies)
	c := &Client{Server: u, Pins: p, Now: func() time.Time { return l.now }}
	if l.host != "" {
		c.Server = "https://" + l.host
		c.HTTP = &http.Client{Transport: elsewhere{u}}
	}
	return c
}

// elsewhere sends every request to a server on this machine.
type elsewhere struct{ url string }

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := url.Parse(e.url)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = to.Scheme, to.Host
	return http.DefaultTransport.RoundTrip(r)
}

// ask gets the statement as a program that was started anew.
func (l *ledger) ask() (*shown, error) {
	l.t.Helper()
	c := l.client(lie{})
	base, err := c.base()
	if err != nil {
		l.t.Fatal(err)
	}
	return c.newest(l.t.Context(), base)
}

func (l *ledger) wants(what, code string) *shown {
	l.t.Helper()
	s, err := l.ask()
	if (err == nil) != (code == "") || err != nil && Code(err) != code {
		l.t.Fatalf("%s: %v, want %q", what, err, code)
	}
	return s
}

func TestHistory(t *testing.T) {
	for name, c := range map[string]struct {
		then func(*ledger)
		code string
	}{
		"goes on": {func(l *ledger) { l.next(nil) }, ""},
		"goes on for 400 entries": {func(l *ledger) {
			for range 400 {
				l.leaves = append(l.leaves, Leaf(KindNotice, nil))
			}
			l.next(nil)
		}, ""},
		"goes on, partial tiles pruned": {func(l *ledger) {
			for range 300 {
				l.leaves = append(l.leaves, Leaf(KindNotice, nil))
			}
			l.prunes = true
			l.next(nil)
		}, ""},
		"the same again": {func(*ledger) {}, ""},
		"a fork that skips a number": {func(l *ledger) {
			l.forget(5)
			l.leaves = append(l.leaves, Leaf(KindNotice, nil), Leaf(KindNotice, nil))
			l.next(func(s *Statement) { s.Seq, s.Prev = 3, Hash{1} })
		}, "fork"},
		"a fork of the same size":         {func(l *ledger) { l.forget(5); l.next(func(s *Statement) { s.Seq, s.Prev = 3, Hash{1} }) }, "fork"},
		"shrunk from six entries to one":  {func(l *ledger) { l.forget(0); l.next(func(s *Statement) { s.Seq, s.Prev = 9, Hash{1} }) }, "rollback"},
		"another statement of the number": {func(l *ledger) { l.next(func(s *Statement) { s.Seq, s.Prev, s.PhoneRegion = 1, Hash{}, "KR" }) }, "fork"},
		"an older statement": {func(l *ledger) {
			l.next(nil)
			l.wants("number 2", "")
			l.publishRaw(l.prevRaw)
		}, "rollback"},
		"a rule of the chain": {func(l *ledger) { l.next(func(s *Statement) { s.PhoneRegion = "KR" }) }, "chain"},
		"version 1 again": {func(l *ledger) {
			l.next(func(s *Statement) { s.V, s.Ledger = 1, nil })
		}, "chain"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t, "")
			l.wants("first", "")
			before := l.proof
			l.prevRaw = l.raw
			c.then(l)
			l.wants(name, c.code)
			p, err := OpenPins(l.pins)
			if err != nil {
				t.Fatal(err)
			}
			forks := p.data.Ledgers[worldOrigin].Forks
			// Two statements of one number stand in one tree: its checkpoints contradict nothing.
			if kept := len(forks) == 1; kept != (c.code == "fork" && name != "another statement of the number") {
				t.Errorf("evidence: %q", forks)
			} else if kept {
				for i, proof := range []string{before, l.proof} {
					if _, note, _ := strings.Cut(proof, "\n\n"); forks[0][i] != note {
						t.Errorf("evidence %d is not the checkpoint", i)
					}
				}
			}
		})
	}
}

// TestRollbackIsAskedAgain has a server be behind for one request.
func TestRollbackIsAskedAgain(t *testing.T) {
	l := newLedger(t, "")
	old, oldProof := l.raw, l.proof
	l.next(nil)
	l.wants("number 2", "")
	n := 0
	c := l.client(lie{statement: func(reply map[string]string) {
		if n++; n == 1 {
			reply["statement"], reply["proof"] = text64(old), oldProof
		}
	}})
	if st, _, _, err := c.Statement(t.Context()); err != nil || st.Seq != 2 {
		t.Fatalf("%v after %d answers", err, n)
	}
}

// TestExtends holds the proof that a tree goes on to every place where trees
// have edges, and its requests to the later tree's widths.
func TestExtends(t *testing.T) {
	w := &world{t: t}
	for i := range 70000 {
		w.leaves = append(w.leaves, Leaf(KindNotice, []byte{byte(i), byte(i >> 8)}))
	}
	read := w.hashes()
	at := func(n int64) *Checkpoint {
		root, err := tlog.TreeHash(n, read)
		if err != nil {
			t.Fatal(err)
		}
		return &Checkpoint{Size: n, Root: Hash(root)}
	}
	tile := func(size int64, change func(tlog.Tile, []byte) []byte) Tiles {
		return func(_ context.Context, path string) ([]byte, error) {
			p, err := torchwood.ParseTilePath(path)
			if err != nil {
				return nil, err
			}
			if want := min(size>>(8*p.L)-p.N<<8, 256); int64(p.W) != want && p.W != 256 { // 256: where the partial one is missing
				t.Errorf("%d: %s is asked: not a width of the tree", size, path)
			}
			b, err := tlog.ReadTileData(p, read)
			if err != nil {
				t.Error(err)
			}
			if b = change(p, b); b == nil {
				return nil, &StatusError{Status: http.StatusNotFound}
			}
			return b, nil
		}
	}
	same := func(_ tlog.Tile, b []byte) []byte { return b }
	sizes := []int64{1, 2, 6, 255, 256, 257, 300, 511, 512, 1000, 65535, 65536, 65537, 66000, 70000}
	for _, a := range sizes {
		for _, b := range sizes {
			err := Extends(t.Context(), at(a), at(b), tile(b, same))
			if (err == nil) != (a <= b) || a > b && !errors.Is(err, ErrRollback) {
				t.Errorf("%d to %d: %v", a, b, err)
			}
			other := at(a)
			other.Root[0] ^= 1
			if err := Extends(t.Context(), other, at(b), tile(b, same)); a <= b && !errors.Is(err, ErrFork) {
				t.Errorf("%d to %d with another root: %v", a, b, err)
			}
		}
	}
	for name, change := range map[string]func(tlog.Tile, []byte) []byte{
		"missing":   func(tlog.Tile, []byte) []byte { return nil },
		"short":     func(_ tlog.Tile, b []byte) []byte { return b[:len(b)-1] },
		"long":      func(_ tlog.Tile, b []byte) []byte { return append(b, 0) },
		"empty":     func(tlog.Tile, []byte) []byte { return []byte{} },
		"a bit off": func(_ tlog.Tile, b []byte) []byte { b = bytes.Clone(b); b[0] ^= 1; return b },
	} {
		if err := Extends(t.Context(), at(6), at(300), tile(300, change)); !errors.Is(err, ErrConsistency) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func sha(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:]
}

func TestFirstUse(t *testing.T) {
	hash := func(seed string) string { // an origin that carries the hash of the key made for it
		_, vkey, err := note.GenerateKey(&stream{seed: seed}, "x")
		if err != nil {
			t.Fatal(err)
		}
		b, err := vkeyBytes(vkey)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", sha(b[1:])[:8])
	}
	for name, c := range map[string]struct{ origin, host, code string }{
		"loopback":              {"anything", "127.0.0.1", ""},
		"its host":              {"notice.example.org", "notice.example.org", ""},
		"a path of its host":    {"notice.example.org/check", "notice.example.org", ""},
		"its host and port":     {"notice.example.org:8443/check", "notice.example.org:8443", ""},
		"its host, at a port":   {"notice.example.org", "notice.example.org:8443", ""},
		"another host":          {"notice.example.org", "thief.example.net", "origin"},
		"a host that begins so": {"notice.example.org.thief.example.net", "notice.example.org", "origin"},
		"a part of the host":    {"example.org", "notice.example.org", "origin"},
		"its key's hash":        {"unnamed/" + hash("first"), "anywhere.example.net", ""},
		"another key's hash":    {"unnamed/" + hash("another"), "anywhere.example.net", "origin"},
		"a shorter hash":        {"unnamed/" + hash("first")[:8], "anywhere.example.net", "origin"},
		"no slash before":       {"unnamed" + hash("first"), "anywhere.example.net", "origin"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t, "")
			skey, vkey, err := note.GenerateKey(&stream{seed: "first"}, c.origin)
			if err != nil {
				t.Fatal(err)
			}
			if l.signer, err = note.NewSigner(skey); err != nil {
				t.Fatal(err)
			}
			l.vkey = vkey
			l.next(func(s *Statement) { s.Seq, s.Prev, s.Ledger.Key = 1, Hash{}, VKeyHash(vkey) })
			l.host = c.host
			if c.host == "127.0.0.1" {
				l.host = ""
			}
			s := l.wants(name, c.code)
			if c.code != "" {
				if _, err := os.Stat(l.pins); err == nil {
					t.Error("something was pinned")
				}
				return
			}
			if v := s.vouched; v.Origin != c.origin || v.PinnedSince == nil || !v.PinnedSince.Equal(l.now) || l.host != "" && v.Host != c.host {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestHostIsBound has a server that was met show another ledger, under a name
// that would be its own.
func TestHostIsBound(t *testing.T) {
	l := newLedger(t, "")
	l.host = "ledger.example.org"
	l.wants("first", "")
	l.signer, l.vkey = nil, ""
	skey, vkey, err := note.GenerateKey(&stream{seed: "thief"}, "ledger.example.org")
	if err != nil {
		t.Fatal(err)
	}
	if l.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	l.vkey = vkey
	l.next(func(s *Statement) { s.Ledger.Key = VKeyHash(vkey) })
	l.wants("another ledger", "ledger-changed")
}

func TestSuccession(t *testing.T) {
	// steps are what happens between two visits.
	once := func(l *ledger) { l.succeed("ledger 2", "ledger 3") }
	thrice := func(l *ledger) {
		l.succeed("ledger 2", "ledger 3")
		l.next(nil)
		l.succeed("ledger 3", "ledger 4")
		for range 300 {
			l.leaves = append(l.leaves, Leaf(KindNotice, nil))
		}
		l.next(nil)
		l.succeed("ledger 4", "ledger 5")
		l.next(nil)
	}
	for name, c := range map[string]struct {
		then func(*ledger)
		code string
	}{
		"one key":    {once, ""},
		"three keys": {thrice, ""},
		"a key that was not named": {func(l *ledger) {
			l.succeed("thief", "thief 2")
		}, "checkpoint"},
		"a key named by a statement that was not the pinned one's": {func(l *ledger) {
			l.next(func(s *Statement) { s.Ledger.Next = VKeyHash(vkeyOf("thief")) })
			l.succeed("thief", "thief 2")
		}, "chain"},
		"no list":                       {func(l *ledger) { once(l); l.keyList = nil }, "checkpoint"},
		"a list without the pinned key": {func(l *ledger) { thrice(l); l.keyList = l.keyList[1:] }, "checkpoint"},
		"a list without a step":         {func(l *ledger) { thrice(l); l.keyList = slices.Delete(l.keyList, 1, 2) }, "checkpoint"},
		"a list without the last":       {func(l *ledger) { once(l); l.keyList = l.keyList[:1] }, "checkpoint"},
		"a step without its proof":      {func(l *ledger) { once(l); l.keyList[0].Proof = "" }, "checkpoint"},
		"a step under another tree": {func(l *ledger) {
			once(l)
			side := &ledger{world: &world{t: l.t, signer: nil}}
			side.ledgerKey("ledger")
			side.publishRaw(l.keyList[0].Statement)
			l.keyList[0].Proof = side.proof
		}, "fork"},
		"the old key signs on": {func(l *ledger) {
			once(l)
			l.wants("the new key", "")
			l.ledgerKey("ledger")
			l.next(func(s *Statement) { s.Ledger.Key, s.Ledger.Next = VKeyHash(l.vkey), VKeyHash(vkeyOf("ledger 2")) })
		}, "chain"},
		"a checkpoint of another key than the statement's": {func(l *ledger) {
			once(l)
			l.wants("the new key", "")
			l.ledgerKey("ledger")
			l.proof = l.prove(int64(len(l.leaves)-1), l.signer)
		}, "checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t, "")
			l.wants("first", "")
			c.then(l)
			l.wants(name, c.code)
			if c.code == "" {
				keys := []string{vkeyOf("ledger")}
				for _, k := range l.keyList[1:] {
					keys = append(keys, k.VKey)
				}
				p, err := OpenPins(l.pins)
				if err != nil {
					t.Fatal(err)
				}
				for i, k := range p.data.Ledgers[worldOrigin].Keys {
					if k.VKey != keys[i] {
						t.Errorf("key %d is not the one that followed", i)
					}
				}
				l.next(nil)
				l.wants("the next statement", "")
			}
		})
	}
}

// TestSuccessionFromVersion1 has a client that remembers version 1 meet a ledger
// that has gone on to version 2 and to another key.
func TestSuccessionFromVersion1(t *testing.T) {
	l := newLedger(t, "")
	pinned := fmt.Sprintf(`{"v":1,"ledgers":{%q:{"keys":[{"vkey":%q,"since":"2026-01-01T00:00:00Z"}],"seq":1,"statement":%q}},"servers":{}}`,
		worldOrigin, l.vkey, StatementHash(l.raw))
	if err := writeFile(l.pins, pinned); err != nil {
		t.Fatal(err)
	}
	l.succeed("ledger 2", "ledger 3")
	s := l.wants("after version 1", "")
	if got := s.vouched.PinnedSince; got == nil || *got != At(l.now) { // that key is known since now, and not since the first one is
		t.Errorf("pinned since %v", got)
	}
	b, err := os.ReadFile(l.pins)
	if err != nil || !bytes.Contains(b, []byte(`"v": 2`)) {
		t.Fatalf("it was not written back as version 2: %v", err)
	}
	l.next(func(s *Statement) { s.Ledger.Next = Hash{9} })
	l.wants("what version 2 binds", "chain")
}

// TestNewcomerAfterSuccession meets a ledger whose name carries the hash of its
// first key, when another key signs.
func TestNewcomerAfterSuccession(t *testing.T) {
	for _, c := range []struct {
		spoil func(*ledger)
		code  string
	}{{func(*ledger) {}, ""}, {func(l *ledger) { l.keyList = l.keyList[1:] }, "origin"}, {func(l *ledger) { l.keyList[0].Proof = l.proof }, "origin"}} {
		l := newLedger(t, "")
		origin := ""
		key := func(seed string) { // the same for every key: the first one's hash
			_, plain, _ := note.GenerateKey(&stream{seed: seed}, "x")
			b, _ := vkeyBytes(plain)
			if origin == "" {
				origin = fmt.Sprintf("unnamed/%x", sha(b[1:])[:8])
			}
			skey, vkey, err := note.GenerateKey(&stream{seed: seed}, origin)
			if err != nil {
				t.Fatal(err)
			}
			l.signer, _ = note.NewSigner(skey)
			l.vkey = vkey
		}
		key("first")
		second := func() string {
			_, vkey, _ := note.GenerateKey(&stream{seed: "second"}, origin)
			return vkey
		}()
		l.next(func(s *Statement) { s.Ledger.Key, s.Ledger.Next = VKeyHash(l.vkey), VKeyHash(second) })
		l.keyList = []listedKey{{l.vkey, l.raw, l.proof}, {VKey: second}}
		key("second")
		l.next(func(s *Statement) { s.Ledger.Key, s.Ledger.Next = VKeyHash(second), Hash{3} })
		l.host = "anywhere.example.net"
		c.spoil(l)
		l.wants("newcomer", c.code)
	}
}

func TestClock(t *testing.T) {
	l := newLedger(t, "")
	l.wants("first", "")
	l.now = worldTime.Add(-time.Hour)
	l.wants("a clock behind", "clock")
	l.now = worldTime.Add(-9 * time.Minute)
	l.wants("a clock that is nearly right", "")
	l.now = worldTime.Add(LifeAlone)
	l.wants("an expired statement", "expired")
}

func TestWitnessed(t *testing.T) {
	one, two := newWitness("one"), newWitness("two")
	policy := fmt.Sprintf("witness one %s\nquorum one\n", one.VKey())
	other := fmt.Sprintf("witness two %s\nquorum two\n", two.VKey())
	l := newLedger(t, policy)
	l.wants("first, not cosigned", "unwitnessed")
	l.witnesses = map[string]*witness{"one": one}
	l.next(nil)
	if s := l.wants("first, cosigned", ""); !slices.Equal(s.vouched.Witnesses, []string{one.name}) {
		t.Errorf("witnesses %q", s.vouched.Witnesses)
	}
	l.witnesses = nil
	l.next(nil)
	l.wants("later, not cosigned", "unwitnessed")
	l.witnesses = map[string]*witness{"two": two}
	l.next(func(s *Statement) { s.Ledger.Policy = other })
	l.wants("another policy, which alone is satisfied", "unwitnessed")
	l.witnesses = map[string]*witness{"one": one, "two": two}
	l.next(nil)
	if s := l.wants("another policy, both satisfied", ""); !slices.Equal(s.vouched.Witnesses, []string{one.name, two.name}) {
		t.Errorf("witnesses %q", s.vouched.Witnesses)
	}
	l.witnesses = map[string]*witness{"two": two}
	l.next(nil)
	l.wants("the policy has moved", "")
	l.next(func(s *Statement) { s.Ledger.Policy = "" })
	l.wants("none any more", "policy-weaker")
}

// TestOwnPolicy has the verifier's policy stand above what ledger and pins say.
func TestOwnPolicy(t *testing.T) {
	one := newWitness("one")
	l := newLedger(t, fmt.Sprintf("witness one %s\nquorum one\n", one.VKey()))
	ask := func(text string) error {
		c := l.client(lie{})
		var err error
		if c.Policy, err = ParsePolicy([]byte(text)); err != nil {
			t.Fatal(err)
		}
		_, _, _, err = c.Statement(t.Context())
		return err
	}
	for text, code := range map[string]string{
		"log " + l.vkey + "\nquorum none\n":                                "",
		"quorum none\n":                                                    "",
		"log " + vkeyOf("thief") + "\nquorum none\n":                       "checkpoint",
		"log " + l.vkey + "\nwitness one " + one.VKey() + "\nquorum one\n": "unwitnessed",
		"witness one " + one.VKey() + "\nquorum one\n":                     "unwitnessed",
		"witness two " + newWitness("two").VKey() + "\nquorum two\n":       "unwitnessed",
	} {
		if err := ask(text); (err == nil) != (code == "") || err != nil && Code(err) != code {
			t.Errorf("%q: %v, want %q", text, err, code)
		}
		os.Remove(l.pins)
	}
	keys, err := LedgerPolicy(l.vkey)
	if err != nil {
		t.Fatal(err)
	}
	c := l.client(lie{})
	c.Policy, c.Pins = keys, nil
	if _, _, _, err := c.Statement(t.Context()); !errors.Is(err, ErrUnwitnessed) {
		t.Errorf("a key alone says nothing of witnesses, and the statement's policy is not satisfied: %v", err)
	}
}

// TestRefusalsHaveNames has a server answer with something other than 200.
func TestRefusalsHaveNames(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		code   string
	}{{404, "", "server"}, {500, "<html>", "server"}, {302, "", "server"}, {503, `{"type":"/problems/unwitnessed","detail":"x"}`, "unwitnessed"},
		{503, `{"type":"/prefix/problems/unavailable"}`, "server"}, {201, "{}", "server"}} {
		l := newLedger(t, "")
		client := l.client(lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
			rw.Header().Set("Content-Type", "application/problem+json")
			rw.WriteHeader(c.status)
			rw.Write([]byte(c.body))
			return true
		}})
		if _, _, _, err := client.Statement(t.Context()); err == nil || Code(err) != c.code {
			t.Errorf("%d %s: %v, want %s", c.status, c.body, err, c.code)
		}
	}
}

func FuzzParseKeyList(f *testing.F) {
	l := newLedger(f, "")
	l.succeed("ledger 2", "ledger 3")
	f.Add([]byte(fmt.Sprintf(`{"keys":[{"vkey":%q,"statement":%q,"proof":%q},{"vkey":%q}]}`, l.keyList[0].VKey, text64(l.keyList[0].Statement), l.keyList[0].Proof, l.keyList[1].VKey)))
	f.Add([]byte(fmt.Sprintf(`{"keys":[{"vkey":%q}]}`, l.vkey)))
	f.Fuzz(func(t *testing.T, b []byte) {
		vkeys, err := ParseKeyList(b, worldOrigin)
		if err != nil {
			return
		}
		for _, k := range vkeys {
			if !strings.HasPrefix(k, worldOrigin+"+") {
				t.Fatalf("a key of another ledger: %q", k)
			}
		}
	})
}

// TestReturningVisitor counts what the proof of one history costs over a gap of
// 400 entries, wherever in a log of a million it lies.
func TestReturningVisitor(t *testing.T) {
	const most, mostBytes = 4, 24_000
	read, root := zeroLog(1_000_400)
	worst, worstBytes, sum, n := 0, 0, 0, 0
	for size := int64(6); size < 1_000_000; size = size*9/8 + 37 {
		requests, total := 0, 0
		var mu sync.Mutex
		get := func(_ context.Context, path string) ([]byte, error) {
			tile, err := torchwood.ParseTilePath(path)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			requests++
			total += tile.W * tlog.HashSize
			return tlog.ReadTileData(tile, read)
		}
		if err := Extends(t.Context(), root(size), root(size+400), get); err != nil {
			t.Fatal(err)
		}
		worst, worstBytes, sum, n = max(worst, requests), max(worstBytes, total), sum+total, n+1
	}
	t.Logf("at most %d requests and %d bytes; %d bytes in the mean of %d places", worst, worstBytes, sum/n, n)
	if worst > most || worstBytes > mostBytes {
		t.Errorf("%d requests, %d bytes; PROTOCOL.md says %d and %d", worst, worstBytes, most, mostBytes)
	}
}

// zeroLog is a log of that many equal entries: every complete subtree of one
// height has one hash.
func zeroLog(n int64) (tlog.HashReader, func(int64) *Checkpoint) {
	levels := []tlog.Hash{tlog.RecordHash(nil)}
	for int64(1)<<len(levels) <= n {
		h := levels[len(levels)-1]
		levels = append(levels, tlog.NodeHash(h, h))
	}
	read := tlog.HashReaderFunc(func(indexes []int64) (out []tlog.Hash, err error) {
		for _, i := range indexes {
			level, _ := tlog.SplitStoredHashIndex(i)
			out = append(out, levels[level])
		}
		return out, nil
	})
	return read, func(size int64) *Checkpoint {
		h, err := tlog.TreeHash(size, read)
		if err != nil {
			panic(err)
		}
		return &Checkpoint{Size: size, Root: Hash(h)}
	}
}
