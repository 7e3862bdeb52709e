package monitor

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/torchwood"
	gojson "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
	"shirase/identity"
)

// sham is a server that says whatever a test wants: ledger, check, API and
// pages, honest until it is told otherwise.
type sham struct {
	t      testing.TB
	url    string
	signer note.Signer
	vkey   string
	next   string // hash of the key that is to follow

	hist    *history
	keys    map[string]*check.EvaluatorKey
	layers  map[check.Hash][]byte
	st      *check.Statement // the newest
	raw     []byte
	states  map[string]string // what the API says; nil: what the statement says
	script  string
	inline  string
	now     time.Time
	size    int                                               // that a test goes back to
	meddle  func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	mu      sync.Mutex
	asked   map[string]int // by path
	notices []shamNotice
}

type shamNotice struct {
	id    string
	index int64
	hash  check.Hash
}

// history is a ledger's entries, with the bytes that they commit to.
type history struct {
	entries [][]byte
	stored  []tlog.Hash
	data    map[check.Hash][]byte
}

func (h *history) clone() *history {
	return &history{slices.Clone(h.entries), slices.Clone(h.stored), maps.Clone(h.data)}
}

func (h *history) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, p := range at {
		if p >= int64(len(h.stored)) {
			return nil, fmt.Errorf("no hash %d", p)
		}
		out[i] = h.stored[p]
	}
	return out, nil
}

func (h *history) add(kind string, data []byte) int64 {
	n := int64(len(h.entries))
	entry := check.Leaf(kind, data)
	hashes, err := tlog.StoredHashes(n, entry, h)
	if err != nil {
		panic(err)
	}
	h.entries, h.stored = append(h.entries, entry), append(h.stored, hashes...)
	h.data[check.StatementHash(data)] = data
	return n
}

func (h *history) tree() tlog.Tree {
	n := int64(len(h.entries))
	if n == 0 {
		return tlog.Tree{Hash: sha256.Sum256(nil)}
	}
	root, err := tlog.TreeHash(n, h)
	if err != nil {
		panic(err)
	}
	return tlog.Tree{N: n, Hash: root}
}

var shamTime = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func newSham(t testing.TB) *sham {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "sham.example/ledger")
	if err != nil {
		t.Fatal(err)
	}
	s := &sham{t: t, vkey: vkey, keys: map[string]*check.EvaluatorKey{}, layers: map[check.Hash][]byte{}, script: "check()", now: shamTime,
		hist: &history{data: map[check.Hash][]byte{}}, asked: map[string]int{}, next: strings.Repeat("1", 64)}
	if s.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	s.page()
	return s
}

// mirror is another address of the same server, until one of the two is changed.
func (s *sham) mirror() *sham {
	m := &sham{t: s.t, signer: s.signer, vkey: s.vkey, next: s.next, hist: s.hist.clone(), keys: s.keys, layers: s.layers, st: s.st, raw: s.raw, script: s.script,
		now: s.now, asked: map[string]int{}, notices: s.notices}
	server := httptest.NewServer(m)
	s.t.Cleanup(server.Close)
	m.url = server.URL
	return m
}

func (s *sham) checkpoint(tree tlog.Tree) string {
	text := torchwood.Checkpoint{Origin: s.signer.Name(), Tree: tree}.String()
	signed, err := note.Sign(&note.Note{Text: text}, s.signer)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(signed)
}

// canonical encodes v as RFC 8785 says, valid or not.
func canonical(t testing.TB, v any) []byte {
	t.Helper()
	b, err := gojson.Marshal(v, gojson.FormatNilSliceAsNull(false), gojson.FormatNilMapAsNull(false))
	if err == nil {
		err = (*jsontext.Value)(&b).Canonicalize()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// page records the page's script.
func (s *sham) page() {
	sum := sha256.Sum256([]byte(s.script))
	s.hist.add(check.KindPage, canonical(s.t, map[string]any{"v": 1, "time": check.At(s.now), "scripts": map[string]string{"check.js": fmt.Sprintf("%x", sum)}}))
}

// cases records a day's head over all cases.
func (s *sham) cases(day string) {
	b, err := check.CasesHead{Day: day, Head: check.StatementHash([]byte(day)), V: 1}.Bytes()
	if err != nil {
		s.t.Fatal(err)
	}
	s.hist.add(check.KindCases, b)
}

// notice publishes the next notice of an incident.
func (s *sham) notice(incident string, version int64) {
	kind := "revision"
	if version == 1 {
		kind = "first"
	}
	data := canonical(s.t, map[string]any{"v": 1, "incident": incident, "version": version, "kind": kind, "time": check.At(s.now), "text": map[string]string{"ja": "お知らせ", "en": "Notice"},
		"facts": []any{map[string]any{"key": "title", "value": map[string]any{"text": map[string]string{"ja": "件", "en": "case"}}, "certainty": "confirmed", "asOf": "2026-11-01T00:00Z"}}})
	at := s.hist.add(check.KindNotice, data)
	s.notices = append(s.notices, shamNotice{fmt.Sprintf("%s-v%d", incident, version), at, check.StatementHash(data)})
}

// begin starts a statement with an evaluator's key.
func (s *sham) begin() *check.Statement {
	k, err := check.DeriveEvaluatorKey(make([]byte, 32), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.keys["k1"] = k
	return &check.Statement{V: 2, Seq: 1, PhoneRegion: "JP", Ledger: &check.Signing{Key: check.VKeyHash(s.vkey), Next: s.hash(s.next)},
		Keys: []check.Key{{ID: "k1", LocatorBits: 16, Public: k.Public(), State: check.KeyLive}}}
}

func (s *sham) hash(hex string) (h check.Hash) {
	if err := h.UnmarshalText([]byte(hex)); err != nil {
		s.t.Fatal(err)
	}
	return h
}

// publish puts a statement into the ledger, dated now, as it is.
func (s *sham) publish(st *check.Statement) {
	s.t.Helper()
	st.Time, st.Expires = check.At(s.now), check.At(s.now.Add(check.LifeAlone))
	s.put(st)
}

func (s *sham) put(st *check.Statement) {
	s.st, s.raw = st, canonical(s.t, st)
	s.hist.add(check.KindStatement, s.raw)
}

// again is the statement after the newest, saying the same.
func (s *sham) again() *check.Statement {
	s.t.Helper()
	st, err := check.ParseStatement(s.raw)
	if err != nil {
		s.t.Fatal(err)
	}
	st.Seq, st.Prev = st.Seq+1, check.StatementHash(s.raw)
	s.now = s.now.Add(time.Minute)
	return st
}

func who(name string, i int) identity.Identity {
	return identity.Identity{Kind: identity.KindEmail, Value: fmt.Sprintf("m%d@%s.example.com", i, name)}
}

func many(name string, n int) (out []identity.Identity) {
	for i := range n {
		out = append(out, who(name, i))
	}
	return out
}

// seal makes the source layer of a revision.
func (s *sham) seal(incident, revision string, ids []identity.Identity) check.Source {
	s.t.Helper()
	var entries [][]byte
	for _, id := range ids {
		y := s.output(id)
		e := check.SealEntry(&y, 16, incident, revision, 0)
		entries = append(entries, e[:])
	}
	return s.layer(incident, revision, entries)
}

// outputs are computed once: all tests use one key.
var outputs sync.Map

func (s *sham) output(id identity.Identity) check.Output {
	if y, ok := outputs.Load(id.Value); ok {
		return y.(check.Output)
	}
	y, err := s.keys["k1"].Output(id.Input())
	if err != nil {
		s.t.Fatal(err)
	}
	outputs.Store(id.Value, y)
	return y
}

// layer makes a source layer of entries.
func (s *sham) layer(incident, revision string, entries [][]byte) check.Source {
	s.t.Helper()
	sort.Slice(entries, func(i, j int) bool { return bytes.Compare(entries[i], entries[j]) < 0 })
	var b bytes.Buffer
	info, err := check.WriteLayer(&b, int64(len(entries)), 16, true, func(yield func([]byte, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.layers[info.Root] = b.Bytes()
	return check.Source{Incident: incident, Revision: revision, N: info.N, Root: info.Root}
}

func (s *sham) open(root check.Hash) *check.LayerFile {
	b := s.layers[root]
	l, err := check.OpenLayer(bytes.NewReader(b), int64(len(b)), root, 16)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// serve makes a served layer of sources.
func (s *sham) serve(sources ...check.Source) check.Layer {
	s.t.Helper()
	slices.SortFunc(sources, func(a, b check.Source) int {
		return cmpStrings(a.Incident+"\x00"+a.Revision, b.Incident+"\x00"+b.Revision)
	})
	var files []*check.LayerFile
	for _, src := range sources {
		files = append(files, s.open(src.Root))
	}
	var b bytes.Buffer
	info, err := check.Fold(context.Background(), &b, files)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(sources) > 1 {
		s.layers[info.Root] = b.Bytes()
	}
	return check.Layer{ID: info.Root, Key: "k1", N: info.N, Bits: info.Bits, Root: info.Root, Pad: info.Pad, Sources: sources}
}

func cmpStrings(a, b string) int { return bytes.Compare([]byte(a), []byte(b)) }

// set puts the layers of a statement in order.
func set(st *check.Statement, layers ...check.Layer) {
	slices.SortFunc(layers, func(a, b check.Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	st.Layers = layers
}

// incident puts an incident into a statement.
func (s *sham) incident(st *check.Statement, id, revision string, state check.State, n int64, superseded ...check.Superseded) {
	in := check.Incident{ID: id, Organisation: "Example", Title: map[string]string{"en": id, "ja": id}, Revision: revision, State: state, AsOf: check.At(shamTime),
		Counts: map[string]int64{}, Sets: [][]string{}, Unreadable: map[string]int64{}, Superseded: append([]check.Superseded{}, superseded...)}
	if n > 0 {
		in.Counts["email"], in.Sets = n, [][]string{{"email"}}
	}
	st.Incidents = slices.DeleteFunc(st.Incidents, func(o check.Incident) bool { return o.ID == id })
	st.Incidents = append(st.Incidents, in)
	slices.SortFunc(st.Incidents, func(a, b check.Incident) int { return cmpStrings(a.ID, b.ID) })
}

func superseded(revision string, n int64) check.Superseded {
	return check.Superseded{Revision: revision, Counts: map[string]int64{"email": n}, Sets: [][]string{{"email"}}}
}

// honest is a server with two incidents in three layers, published in four statements.
func honest(t testing.TB) *sham {
	s := newSham(t)
	st := s.begin()
	s.incident(st, "shop", "0", check.Investigating, 0)
	s.publish(st)
	s.notice("shop", 1)
	st = s.again()
	shop1 := s.seal("shop", "1", many("shop", 2100))
	s.incident(st, "shop", "1", check.Final, 2100)
	set(st, s.serve(shop1))
	s.publish(st)
	s.notice("shop", 2)
	s.cases("2026-11-28")
	st = s.again()
	town := s.seal("town", "1", many("town", 9))
	s.incident(st, "town", "1", check.Final, 9)
	set(st, s.serve(shop1, town))
	s.publish(st)
	s.notice("town", 1)
	st = s.again()
	shop2 := s.seal("shop", "2", many("shop", 2150))
	s.incident(st, "shop", "2", check.Final, 2150, superseded("1", 2100))
	set(st, s.serve(shop1, shop2, town))
	s.publish(st)
	return s
}

func (s *sham) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked[r.URL.Path]++
	s.mu.Unlock()
	if s.meddle == nil || !s.meddle(w, r) {
		s.serveHonest(w, r)
	}
}

// serveHonest answers as a server does that nobody meddles with.
func (s *sham) serveHonest(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == "/checkpoint":
		io.WriteString(w, s.checkpoint(s.hist.tree()))
	case strings.HasPrefix(path, "/tile/"):
		s.tile(w, r)
	case strings.HasPrefix(path, "/ledger/v1/data/"):
		var h check.Hash
		if h.UnmarshalText([]byte(path[len("/ledger/v1/data/"):])) != nil || s.hist.data[h] == nil {
			http.NotFound(w, r)
			return
		}
		w.Write(s.hist.data[h])
	case path == "/check/v1/statement":
		s.statement(w)
	case path == "/check/v1/evaluate":
		s.evaluate(w, r)
	case strings.HasPrefix(path, "/check/v1/layers/"):
		s.index(w, r)
	case path == "/api/v1/incidents":
		list := []map[string]any{}
		for _, in := range s.st.Incidents {
			state := string(in.State)
			if s.states != nil {
				state = s.states[in.ID]
			}
			list = append(list, map[string]any{"id": in.ID, "state": state, "title": map[string]string{}})
		}
		json.NewEncoder(w).Encode(map[string]any{"total": len(list), "incidents": list, "facets": []any{}})
	case path == "/api/v1/notices":
		list := []map[string]any{}
		for _, n := range s.notices {
			list = append(list, map[string]any{"id": n.id})
		}
		json.NewEncoder(w).Encode(map[string]any{"notices": list})
	case strings.HasPrefix(path, "/api/v1/notices/"):
		for _, n := range s.notices {
			if n.id == path[len("/api/v1/notices/"):] {
				json.NewEncoder(w).Encode(map[string]any{"id": n.id, "sha256": n.hash, "ledgerIndex": n.index})
				return
			}
		}
		http.NotFound(w, r)
	case path == "/" || path == "/verify":
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; worker-src 'self'; base-uri 'none'")
		fmt.Fprintf(w, `<!doctype html><html data-worker="/assets/check.js"><script type="application/ld+json">{}</script><script src="/assets/check.js" defer></script>%s</html>`, s.inline)
	case path == "/assets/check.js":
		io.WriteString(w, s.script)
	default:
		http.NotFound(w, r)
	}
}

func (s *sham) tile(w http.ResponseWriter, r *http.Request) {
	t, err := torchwood.ParseTilePath(r.URL.Path[1:])
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if t.L < 0 {
		var b []byte
		for i := range int64(t.W) {
			at := t.N*torchwood.TileWidth + i
			if at >= int64(len(s.hist.entries)) {
				http.NotFound(w, r)
				return
			}
			if b, err = torchwood.AppendTileEntry(b, s.hist.entries[at]); err != nil {
				s.t.Error(err)
			}
		}
		w.Write(b)
		return
	}
	b, err := tlog.ReadTileData(t, s.hist)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Write(b)
}

// statement answers with the newest, proven.
func (s *sham) statement(w http.ResponseWriter) {
	at := int64(len(s.hist.entries)) - 1
	for at >= 0 && !bytes.Equal(s.hist.entries[at], check.Leaf(check.KindStatement, s.raw)) {
		at--
	}
	tree := s.hist.tree()
	p, err := tlog.ProveRecord(tree.N, at, s.hist)
	if err != nil {
		s.t.Error(err)
	}
	b, _ := gojson.Marshal(map[string]any{"statement": check.Bytes(s.raw), "proof": string(torchwood.FormatProof(at, p, []byte(s.checkpoint(tree))))})
	w.Write(b)
}

func (s *sham) evaluate(w http.ResponseWriter, r *http.Request) {
	var req check.EvaluateRequest
	b, _ := io.ReadAll(r.Body)
	if err := gojson.Unmarshal(b, &req); err != nil {
		s.t.Error(err)
	}
	blinded := [][]byte{}
	for _, e := range req.Blinded {
		blinded = append(blinded, e)
	}
	evaluated, proof, err := s.keys[req.Key].Evaluate(blinded)
	if err != nil {
		s.t.Error(err)
	}
	reply := check.EvaluateReply{Proof: proof}
	for _, e := range evaluated {
		reply.Evaluated = append(reply.Evaluated, e)
	}
	out, _ := gojson.Marshal(reply)
	w.Write(out)
}

// index gives layers, buckets and groups.
func (s *sham) index(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path[len("/check/v1/layers/"):], "/")
	var root check.Hash
	if root.UnmarshalText([]byte(parts[0])) != nil || s.layers[root] == nil {
		http.NotFound(w, r)
		return
	}
	if len(parts) == 1 {
		w.Write(s.layers[root])
		return
	}
	l := s.open(root)
	pad := l.Info().Pad
	switch parts[1] {
	case "buckets":
		number, err := check.ParseBucketName(parts[2], l.Info().Bits)
		if err != nil {
			s.t.Error(err)
		}
		b, err := l.AppendBucket(nil, number, pad)
		if err != nil {
			s.t.Error(err)
		}
		w.Write(b)
	case "groups":
		depth, err := strconv.Atoi(parts[2])
		if err != nil {
			s.t.Error(err)
		}
		number, err := check.ParseBucketName(parts[3], depth)
		if err != nil {
			s.t.Error(err)
		}
		b, err := l.AppendGroup(nil, depth, number, pad)
		if err != nil {
			s.t.Error(err)
		}
		w.Write(b)
	}
}

// watch is a monitor of the sham, with its clock.
func (s *sham) watch(dir string, change ...func(*Options)) *Monitor {
	s.t.Helper()
	o := Options{Server: s.url, LedgerKey: s.vkey, Now: func() time.Time { return s.now }, Wait: func(context.Context, time.Duration) error { return nil }}
	for _, c := range change {
		c(&o)
	}
	m, err := Open(dir, o)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// look runs one round of a monitor in dir, and gives what it found by rule.
func (s *sham) look(dir string, change ...func(*Options)) (Summary, []Finding) {
	s.t.Helper()
	m := s.watch(dir, change...)
	defer m.Close()
	var found []Finding
	sum, err := m.Round(s.t.Context(), func(f Finding) { found = append(found, f) })
	if err != nil {
		s.t.Fatal(err)
	}
	return sum, found
}

func rules(found []Finding) (out []string) {
	for _, f := range found {
		out = append(out, f.Rule)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
