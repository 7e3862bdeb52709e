package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// visitVector is a client that visits a server for the first time, and again: what it is shown each time, what it asks for,
// and what becomes of that.
type visitVector struct {
	Name   string   `json:"name"`
	Server string   `json:"server"` // its base URL
	Visits []*visit `json:"visits"`
}

type visit struct {
	Now       Time             `json:"now"` // by the client's clock
	Statement Bytes            `json:"statement"`
	Proof     string           `json:"proof"`
	Key       string           `json:"key"`             // of GET /ledger/v1/key, and what a page names
	Keys      json.RawMessage  `json:"keys,omitempty"`  // the reply of GET /ledger/v1/keys; none: 404
	Tiles     map[string]Bytes `json:"tiles,omitempty"` // others: 404
	Asked     []string         `json:"asked"`           // paths, each once, in ascending order; without ledger/v1/key
	Error     string           `json:"error,omitempty"`
	Rule      string           `json:"rule,omitempty"`
	Pinned    []string         `json:"pinned,omitempty"` // the ledger's keys that are pinned from then on
}

// listening passes requests on, and remembers what was asked and what came.
type listening struct {
	elsewhere
	mu    sync.Mutex
	asked []request
}

// request is one, as a server sees it, and what it answered.
type request struct {
	path   string // without the slash at its beginning
	post   bool
	body   []byte
	status int
	got    []byte
}

func (l *listening) RoundTrip(r *http.Request) (*http.Response, error) {
	was := request{path: strings.TrimPrefix(r.URL.RequestURI(), "/"), post: r.Method == http.MethodPost}
	if was.post {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		was.body, r.Body = b, io.NopCloser(bytes.NewReader(b))
	}
	res, err := l.elsewhere.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if was.got, err = io.ReadAll(res.Body); err != nil {
		return nil, err
	}
	res.Body.Close()
	res.Body, was.status = io.NopCloser(bytes.NewReader(was.got)), res.StatusCode
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, was)
	return res, nil
}

// visited adds a visit by the program that remembers in the ledger's file, and requires that it ends so.
func (l *ledger) visited(v *visitVector, code, rule string) *visit {
	l.t.Helper()
	now, c, ear := l.arrive(v.Server, lie{})
	now.Error, now.Rule = code, rule
	v.Visits = append(v.Visits, now)
	base, err := c.base()
	if err != nil {
		l.t.Fatal(err)
	}
	_, err = c.newest(l.t.Context(), base)
	l.seen = EvidenceOf(err)
	refused(l.t, fmt.Sprintf("%s, visit %d", v.Name, len(v.Visits)), err, code, rule)
	l.leave(now, c, ear)
	return now
}

// arrive makes the client of a visit, which is listened to, and notes what the server shows.
func (l *ledger) arrive(server string, lies lie) (*visit, *Client, *listening) {
	l.t.Helper()
	c := l.client(lies)
	ear := &listening{elsewhere: elsewhere{c.Server}}
	if c.HTTP != nil {
		ear.elsewhere = c.HTTP.Transport.(elsewhere)
	}
	c.Server, c.HTTP = server, &http.Client{Transport: ear}
	if l.keyReply == "" && l.keyList != nil {
		b, err := json.Marshal(map[string]any{"keys": l.keyList})
		if err != nil {
			l.t.Fatal(err)
		}
		l.keyReply = string(b)
	}
	return &visit{Now: At(l.now), Statement: l.raw, Proof: l.proof, Key: l.vkey, Keys: json.RawMessage(l.keyReply), Tiles: map[string]Bytes{}, Asked: []string{}}, c, ear
}

// leave notes what was asked for, and what is pinned.
func (l *ledger) leave(now *visit, c *Client, ear *listening) {
	asked := map[string]bool{}
	for _, r := range ear.asked {
		asked[r.path] = r.path != "ledger/v1/key"
		if r.status == http.StatusOK && strings.HasPrefix(r.path, "tile/") {
			now.Tiles[r.path] = r.got
		}
	}
	for _, path := range slices.Sorted(maps.Keys(asked)) {
		if asked[path] {
			now.Asked = append(now.Asked, path)
		}
	}
	if now.Error == "" {
		for _, k := range c.Pins.pinned(l.signer.Name()) {
			now.Pinned = append(now.Pinned, k.VKey)
		}
	}
	l.keyReply = ""
}

// carrying is an origin that carries the hash of the first key, made from a seed.
func carrying(t testing.TB, seed string) string {
	b, err := vkeyBytes(vkeyNamed("x", seed))
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(b[1:])
	return fmt.Sprintf("unnamed/%x", h[:8])
}

const visitsAbout = "A client that remembers visits server in turn: statement and proof are the reply of GET /check/v1/statement, key is that of GET /ledger/v1/key (or what the server's page names), " +
	"keys that of GET /ledger/v1/keys, tiles the files below the ledger's prefix, all base64url; what is not there is 404. A visit ends with error, where that is chain with rule; without error the statement is believed, " +
	"and pinned are the ledger's keys that are pinned from then on. What is refused is not pinned. asked are the paths, each once, of one attempt, in ascending order, but for ledger/v1/key, which a browser does not ask for."

// TestFirstUseVectors: whose a ledger is that is met for the first time (docs/PROTOCOL.md section 7.4).
func TestFirstUseVectors(t *testing.T) {
	var vs []*visitVector
	add := func(name, server string) *visitVector {
		v := &visitVector{Name: name, Server: server}
		vs = append(vs, v)
		return v
	}
	own := carrying(t, "ledger")
	for _, c := range []struct{ name, origin, server, code string }{
		{"this machine", "anything", "http://127.0.0.1:8080", ""},
		{"this machine by its name", "anything", "http://localhost:8080", ""},
		{"this machine, IPv6", "anything", "http://[::1]:8080", ""},
		{"its host", "notice.example.org", "https://notice.example.org", ""},
		{"a path of its host", "notice.example.org/check", "https://notice.example.org", ""},
		{"its host and port", "notice.example.org:8443/check", "https://notice.example.org:8443", ""},
		{"its host, at a port", "notice.example.org", "https://notice.example.org:8443", ""},
		{"its host at another port", "notice.example.org:8443", "https://notice.example.org:9443", "origin"},
		{"its host at a port, asked without", "notice.example.org:8443", "https://notice.example.org", "origin"},
		{"another host", "notice.example.org", "https://thief.example.net", "origin"},
		{"a host that begins so", "notice.example.org.thief.example.net", "https://notice.example.org", "origin"},
		{"a host that goes on", "notice.example.org", "https://notice.example.org.thief.example.net", "origin"},
		{"a part of the host", "example.org", "https://notice.example.org", "origin"},
		{"a host below it", "a.notice.example.org", "https://notice.example.org", "origin"},
		{"in capitals", "Notice.example.org", "https://notice.example.org", "origin"},
		{"its host behind something", "x/notice.example.org", "https://notice.example.org", "origin"},
		{"like this machine", "127.0.0.1", "https://127.0.0.1.example.net", "origin"},
		{"its key's hash", own, "https://anywhere.example.net", ""},
		{"another key's hash", carrying(t, "another"), "https://anywhere.example.net", "origin"},
		{"a shorter hash", own[:len(own)-1], "https://anywhere.example.net", "origin"},
		{"more than the hash", own + "0", "https://anywhere.example.net", "origin"},
		{"in capital digits", "unnamed/" + strings.ToUpper(own[len("unnamed/"):]), "https://anywhere.example.net", "origin"},
		{"no slash before", strings.Replace(own, "/", "", 1), "https://anywhere.example.net", "origin"},
	} {
		newLedgerNamed(t, c.origin, "").visited(add(c.name, c.server), c.code, "")
	}

	// An origin that carries the hash of its first key is its successors' too, if that key led to them.
	for _, c := range []struct {
		name  string
		spoil func(l *ledger)
		code  string
	}{
		{"the second key of its name", func(*ledger) {}, ""},
		{"the third key of its name", func(l *ledger) { l.next(nil); l.succeed("ledger 3", "ledger 4") }, ""},
		{"the second key, without the first", func(l *ledger) { l.keyList = l.keyList[1:] }, "origin"},
		{"the second key, without a list", func(l *ledger) { l.keyList = nil }, "origin"},
		{"the second key, and the proof is of another statement", func(l *ledger) { l.keyList[0].Proof = l.proof }, "origin"},
		{"the second key is not in the list", func(l *ledger) { l.keyList[1].VKey = l.vkeyOf("ledger 3") }, "origin"},
		{"a key that the first did not name", func(l *ledger) {
			l.ledgerKey("thief")
			l.keyList[1].VKey = l.vkey
			l.next(func(s *Statement) { s.Ledger.Key = VKeyHash(l.vkey) })
		}, "origin"},
		{"the first key led to the second in another tree", func(l *ledger) {
			side := &ledger{world: &world{t: t, origin: own}}
			side.ledgerKey("ledger")
			side.publishRaw(l.keyList[0].Statement)
			l.keyList[0].Proof = side.proof
		}, "fork"},
	} {
		l := newLedgerNamed(t, own, "")
		l.succeed("ledger 2", "ledger 3")
		c.spoil(l)
		l.visited(add(c.name, "https://anywhere.example.net"), c.code, "")
	}

	// Who was met stays who it is.
	for _, c := range []struct{ name, server, code string }{{"another ledger of a server that was met", "https://notice.example.org", "ledger-changed"}, {"another ledger of this machine", "http://127.0.0.1:8080", ""}} {
		v := add(c.name, c.server)
		first := newLedgerNamed(t, "notice.example.org", "")
		first.visited(v, "", "")
		second := newLedgerNamed(t, "notice.example.org/other", "")
		second.pins = first.pins
		second.visited(v, c.code, "")
	}
	v := add("another key of a ledger that was met", "https://notice.example.org")
	l := newLedgerNamed(t, "notice.example.org", "")
	l.visited(v, "", "")
	l.ledgerKey("thief")
	l.next(func(s *Statement) { s.Ledger.Key = VKeyHash(l.vkey) })
	l.visited(v, "checkpoint", "")

	golden(t, "first-use.json", map[string]any{"about": "First use (docs/PROTOCOL.md section 7.4). " + visitsAbout, "vectors": vs})
}

// TestSuccessionVectors: keys of a ledger that follow one another (docs/PROTOCOL.md section 7.3).
func TestSuccessionVectors(t *testing.T) {
	once := func(l *ledger) { l.succeed("ledger 2", "ledger 3") }
	thrice := func(l *ledger) {
		once(l)
		l.next(nil)
		l.succeed("ledger 3", "ledger 4")
		for i := range 9 {
			l.leaves = append(l.leaves, Leaf(KindNotice, []byte{byte(i)}))
		}
		l.next(nil)
		l.succeed("ledger 4", "ledger 5")
		l.next(nil)
	}
	list := func(l *ledger, edit func(reply string) string) {
		b, err := json.Marshal(map[string]any{"keys": l.keyList})
		if err != nil {
			t.Fatal(err)
		}
		l.keyReply = edit(string(b))
	}
	var vs []*visitVector
	for _, c := range []struct {
		name       string
		then       func(*ledger)
		code, rule string
	}{
		{"one key", once, "", ""},
		{"three keys", thrice, "", ""},
		{"three keys, and a statement in between was seen", nil, "", ""},
		{"a key that was not named", func(l *ledger) { l.succeed("thief", "thief 2") }, "checkpoint", ""},
		{"a key named by a statement that no pinned one led to", func(l *ledger) {
			l.next(func(s *Statement) { s.Ledger.Next = VKeyHash(l.vkeyOf("thief")) })
			l.succeed("thief", "thief 2")
		}, "chain", "ledger"},
		{"the last statement under a key breaks another rule", func(l *ledger) {
			l.next(func(s *Statement) { s.PhoneRegion = "KR" })
			once(l)
		}, "chain", "region"},
		{"no list", func(l *ledger) { once(l); l.keyList = nil }, "checkpoint", ""},
		{"an empty list", func(l *ledger) { once(l); l.keyList = []listedKey{} }, "checkpoint", ""},
		{"a list without the pinned key", func(l *ledger) { thrice(l); l.keyList = l.keyList[1:] }, "checkpoint", ""},
		{"a list without a step", func(l *ledger) { thrice(l); l.keyList = slices.Delete(l.keyList, 1, 2) }, "checkpoint", ""},
		{"a list without the last", func(l *ledger) { once(l); l.keyList = l.keyList[:1] }, "checkpoint", ""},
		{"a list that ends with a key that does not sign", func(l *ledger) {
			once(l)
			l.keyList[1].Statement, l.keyList[1].Proof = l.raw, l.proof
			l.keyList = append(l.keyList, listedKey{VKey: l.vkeyOf("ledger 3")})
		}, "", ""},
		{"a list with the pinned key twice", func(l *ledger) { once(l); l.keyList = slices.Insert(l.keyList, 0, l.keyList[0]) }, "checkpoint", ""},
		{"a key that comes back", func(l *ledger) {
			l.succeed("ledger 2", "ledger")
			l.succeed("ledger", "ledger 2")
			l.next(func(s *Statement) { s.PhoneRegion = "JP" })
			l.ledgerKey("ledger 2")
			l.keyList[2].Statement, l.keyList[2].Proof = l.raw, l.proof
			l.keyList = append(l.keyList, listedKey{VKey: l.vkey})
			l.next(func(s *Statement) { s.Ledger.Key, s.Ledger.Next = VKeyHash(l.vkey), VKeyHash(l.vkeyOf("ledger")) })
		}, "", ""},
		{"a step without its proof", func(l *ledger) { once(l); l.keyList[0].Proof = "" }, "checkpoint", ""},
		{"a step without its statement", func(l *ledger) { once(l); l.keyList[0].Statement = nil }, "checkpoint", ""},
		{"a step whose statement another key signed", func(l *ledger) { once(l); l.keyList[0].Statement, l.keyList[0].Proof = l.raw, l.proof }, "checkpoint", ""},
		{"a step by a statement of version 1", func(l *ledger) {
			old := *l
			w := *l.world
			old.world = &w
			old.leaves = slices.Clone(l.leaves)
			old.next(func(s *Statement) { s.V, s.Ledger = 1, nil })
			once(l)
			l.keyList[0].Statement, l.keyList[0].Proof = old.raw, old.proof
		}, "checkpoint", ""},
		{"a step by no statement", func(l *ledger) {
			side := &ledger{world: &world{t: t}}
			side.ledgerKey("ledger")
			side.publishRaw([]byte("{}"))
			once(l)
			l.keyList[0].Statement, l.keyList[0].Proof = side.raw, side.proof
		}, "checkpoint", ""},
		{"a step under another tree", func(l *ledger) {
			once(l)
			side := &ledger{world: &world{t: t}}
			side.ledgerKey("ledger")
			side.publishRaw(l.keyList[0].Statement)
			l.keyList[0].Proof = side.proof
		}, "fork", ""},
		{"a key of another ledger in the list", func(l *ledger) {
			once(l)
			l.keyList[1].VKey = vkeyNamed("other.example.org", "ledger 2")
		}, "checkpoint", ""},
		{"a key that is none in the list", func(l *ledger) { once(l); l.keyList[1].VKey += "A" }, "checkpoint", ""},
		{"a list with more members", func(l *ledger) {
			once(l)
			list(l, func(s string) string { return strings.Replace(s, `{"vkey"`, `{"more":1,"vkey"`, 1) })
		}, "checkpoint", ""},
		{"null where a key has nothing", func(l *ledger) {
			once(l)
			list(l, func(s string) string { return strings.TrimSuffix(s, `}]}`) + `,"statement":null,"proof":null}]}` })
		}, "checkpoint", ""},
		{"nothing written as empty", func(l *ledger) {
			once(l)
			list(l, func(s string) string { return strings.TrimSuffix(s, `}]}`) + `,"statement":"","proof":""}]}` })
		}, "checkpoint", ""},
		{"no list", func(l *ledger) { once(l); l.keyReply = `{"keys":null}` }, "checkpoint", ""},
		{"a list that is none", func(l *ledger) { once(l); l.keyReply = `{"keys":["x"]}` }, "checkpoint", ""},
		{"the old key signs on", func(l *ledger) {
			l.ledgerKey("ledger")
			l.next(func(s *Statement) { s.Ledger.Key, s.Ledger.Next = VKeyHash(l.vkey), VKeyHash(l.vkeyOf("ledger 2")) })
		}, "chain", "ledger"},
		{"the old key signs what names the new one", func(l *ledger) {
			l.ledgerKey("ledger")
			l.proof = l.prove(int64(len(l.leaves)-1), l.signer)
		}, "checkpoint", ""},
	} {
		v := &visitVector{Name: c.name, Server: "https://ledger.example.org"}
		vs = append(vs, v)
		l := newLedger(t, "")
		l.visited(v, "", "")
		switch {
		case c.then == nil:
			once(l)
			l.visited(v, "", "")
			l.next(nil)
			l.succeed("ledger 3", "ledger 4")
			l.succeed("ledger 4", "ledger 5")
		case strings.HasPrefix(c.name, "the old key"):
			once(l)
			l.visited(v, "", "")
			c.then(l)
		default:
			c.then(l)
		}
		if got := l.visited(v, c.code, c.rule); c.code == "" {
			// From then on without the list.
			want := got.Pinned
			l.keyList = nil
			l.next(nil)
			l.now = l.now.Add(time.Minute)
			if got := l.visited(v, "", "").Pinned; !slices.Equal(got, want) {
				t.Errorf("%s: pinned %q, and then %q", c.name, want, got)
			}
		}
	}
	golden(t, "succession.json", map[string]any{"about": "Keys that follow one another (docs/PROTOCOL.md section 7.3). " + visitsAbout, "vectors": vs})
}

// pinned are the keys that are remembered of a ledger.
func (p *Pins) pinned(origin string) []pinnedKey {
	if l := p.data.Ledgers[origin]; l != nil {
		return l.Keys
	}
	return nil
}
