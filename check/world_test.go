package check

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/identity"
)

// world is a whole publication in memory, made from a seed: ledger, keys,
// layers and a statement. Tests ask it, tamper with it, and make vectors of it.
type world struct {
	t      testing.TB
	origin string // the ledger's; "" for worldOrigin
	signer note.Signer
	vkey   string
	keys   map[string]*EvaluatorKey
	layers map[Hash][]byte
	leaves [][]byte
	st     *Statement
	raw    []byte
	proof  string
	now    time.Time
	spoil  bool // seal as a dishonest operator could

	prunes    bool                // the ledger keeps no partial tiles that became full
	keyList   []listedKey         // of GET /ledger/v1/keys; nil: there is none
	keyReply  string              // the whole reply, in its place
	witnesses map[string]*witness // cosign what the ledger shows
}

// newDamagedWorld publishes a layer in which worldAffected's entry has a wrong
// seal, and member 1 has two entries.
func newDamagedWorld(t testing.TB) *world { return makeWorld(t, true) }

// stream is a deterministic source of bytes for keys in tests.
type stream struct {
	seed string
	n    uint64
}

func (s *stream) Read(p []byte) (int, error) {
	h := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(s.seed), s.n))
	s.n++
	return copy(p, h[:]), nil
}

const (
	worldAffected = "hanako@example.com" // in two incidents
	worldStranger = "nobody@example.com"
)

const worldOrigin = "ledger.example.org/check"

var worldTime = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world { return makeWorld(t, false) }

func makeWorld(t testing.TB, spoil bool) *world {
	t.Helper()
	w := &world{t: t, spoil: spoil, keys: map[string]*EvaluatorKey{}, layers: map[Hash][]byte{}, now: worldTime.Add(time.Hour)}
	skey, vkey, err := note.GenerateKey(&stream{seed: "ledger"}, worldOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if w.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	w.vkey = vkey
	st := &Statement{V: 1, Seq: 1, Time: At(worldTime), Expires: At(worldTime.Add(MaxLife)), PhoneRegion: "JP"}
	for _, id := range []string{"k1", "k2"} {
		seed := sha256.Sum256([]byte("evaluator " + id))
		if w.keys[id], err = DeriveEvaluatorKey(seed[:], nil); err != nil {
			t.Fatal(err)
		}
		st.Keys = append(st.Keys, Key{ID: id, LocatorBits: 16, Public: w.keys[id].Public()})
	}
	big := w.incident(st, "k1", "naver-2013", "NAVER", "2", 2100, identity.KindEmail,
		[][]string{{"email", "nickname", "password:hashed"}, {"email", "password:hashed"}})
	small := w.incident(st, "k1", "shop-2020", "Example Shop", "1", 10, identity.KindEmail, [][]string{{"address", "email"}})
	accounts := w.incident(st, "k2", "points-2021", "Example Points", "1", 5, identity.KindAccount, [][]string{{"account-id"}})
	for id, state := range map[string]State{"town-2026": Investigating, "clinic-2025": ByMail, "old-2010": Retired} {
		st.Incidents = append(st.Incidents, Incident{ID: id, Organisation: "Example " + id, Title: map[string]string{"en": id, "ja": "例示"},
			Revision: "0", State: state, AsOf: At(worldTime), Counts: map[string]int64{}, Sets: [][]string{}})
	}
	slices.SortFunc(st.Incidents, func(a, b Incident) int { return strings.Compare(a.ID, b.ID) })
	st.Layers = []Layer{w.fold("k1", big, small), w.fold("k2", accounts)}
	slices.SortFunc(st.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for i := range 5 {
		w.leaves = append(w.leaves, Leaf(KindNotice, fmt.Appendf(nil, "notice %d", i)))
	}
	w.publish(st)
	return w
}

// incident seals n members, the first of them worldAffected.
func (w *world) incident(st *Statement, key, id, organisation, revision string, n int, kind identity.Kind, sets [][]string) Source {
	var entries []byte
	for i := range n {
		who := identity.Identity{Kind: kind, Value: fmt.Sprintf("member%d@%s.example.com", i, id)}
		if kind == identity.KindAccount {
			who.Value = fmt.Sprintf("points\x00%05d", i)
		} else if i == 0 {
			who.Value = worldAffected
		}
		y, err := w.keys[key].Output(who.Input())
		if err != nil {
			w.t.Fatal(err)
		}
		e := SealEntry(&y, 16, id, revision, uint16(i%len(sets)))
		if w.spoil && id == "naver-2013" {
			switch i {
			case 0:
				e[12] ^= 1
			case 2: // instead of member 2's, a second one of member 1
				y, err := w.keys[key].Output(email(w.t, "member1@naver-2013.example.com").Input())
				if err != nil {
					w.t.Fatal(err)
				}
				e = SealEntry(&y, 16, id, revision, 0)
			}
		}
		entries = append(entries, e[:]...)
	}
	sortEntries(entries)
	info := w.write(func(b *bytes.Buffer) (LayerInfo, error) {
		return WriteLayer(b, int64(n), 16, !w.spoil, each(entries))
	})
	st.Incidents = append(st.Incidents, Incident{ID: id, Organisation: organisation,
		Title: map[string]string{"en": "Unauthorised access to " + organisation, "ja": organisation + " への不正アクセス"}, Revision: revision,
		State: Final, AsOf: At(worldTime.Add(-time.Hour)), Counts: map[string]int64{string(kind): int64(n)}, Sets: sets})
	return Source{Incident: id, Revision: revision, N: int64(n), Root: info.Root}
}

func each(entries []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i := 0; i < len(entries); i += EntrySize {
			if !yield(entries[i:i+EntrySize], nil) {
				return
			}
		}
	}
}

// layerFor is the id of the layer that an incident's current revision is in.
func (w *world) layerFor(incident string) Hash {
	w.t.Helper()
	for i := range w.st.Layers {
		for _, src := range w.st.Layers[i].Sources {
			if src.Incident == incident && src.Revision == w.st.Incident(incident).Revision {
				return w.st.Layers[i].ID
			}
		}
	}
	w.t.Fatalf("%s is in no layer", incident)
	return Hash{}
}

func (w *world) write(f func(*bytes.Buffer) (LayerInfo, error)) LayerInfo {
	w.t.Helper()
	var b bytes.Buffer
	info, err := f(&b)
	if err != nil {
		w.t.Fatal(err)
	}
	w.layers[info.Root] = b.Bytes()
	return info
}

func (w *world) open(root Hash) *LayerFile {
	w.t.Helper()
	l, err := OpenLayer(bytes.NewReader(w.layers[root]), int64(len(w.layers[root])), root, 16)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *world) fold(key string, sources ...Source) Layer {
	slices.SortFunc(sources, func(a, b Source) int {
		return cmp.Or(strings.Compare(a.Incident, b.Incident), cmp.Compare(number(a.Revision), number(b.Revision)))
	})
	var files []*LayerFile
	for _, s := range sources {
		files = append(files, w.open(s.Root))
	}
	info := w.write(func(b *bytes.Buffer) (LayerInfo, error) { return Fold(w.t.Context(), b, files) })
	return Layer{ID: info.Root, Key: key, N: info.N, Bits: info.Bits, Root: info.Root, Pad: info.Pad, Sources: sources}
}

// publish puts the statement into the ledger without checking it, as a
// dishonest operator could.
func (w *world) publish(st *Statement) {
	w.t.Helper()
	raw, err := canonical(st)
	if err != nil {
		w.t.Fatal(err)
	}
	w.st = st
	w.publishRaw(raw)
}

func (w *world) publishRaw(raw []byte) {
	w.t.Helper()
	w.raw = raw
	w.leaves = append(w.leaves, Leaf(KindStatement, raw))
	w.proof = w.prove(int64(len(w.leaves)-1), w.signer)
}

// hashes returns the stored hashes of the ledger.
func (w *world) hashes() tlog.HashReader {
	w.t.Helper()
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for i, l := range w.leaves {
		h, err := tlog.StoredHashes(int64(i), l, read)
		if err != nil {
			w.t.Fatal(err)
		}
		stored = append(stored, h...)
	}
	return read
}

// prove returns a tlog-proof for a leaf under a checkpoint signed by signer.
func (w *world) prove(index int64, signer note.Signer) string {
	w.t.Helper()
	read := w.hashes()
	n := int64(len(w.leaves))
	root, err := tlog.TreeHash(n, read)
	if err != nil {
		w.t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: signer.Name(), Tree: tlog.Tree{N: n, Hash: root}}.String()}, signer)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(w.witnesses)) {
		signed = append(signed, w.witnesses[name].cosign(string(signed), worldTime)...)
	}
	p, err := tlog.ProveRecord(n, index, read)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(torchwood.FormatProof(index, p, signed))
}

// tile answers for a tile as an honest log does; one that prunes has no partial
// tile where there is a full one.
func (w *world) tile(rw http.ResponseWriter, r *http.Request) {
	t, err := torchwood.ParseTilePath(strings.TrimPrefix(r.URL.Path, "/"))
	n := int64(len(w.leaves))
	width := int(min(n>>(8*t.L)-t.N<<8, 256))
	if err != nil || t.L < 0 || t.W > width || w.prunes && t.W < 256 && width == 256 {
		http.NotFound(rw, r)
		return
	}
	b, err := tlog.ReadTileData(t, w.hashes())
	if err != nil {
		w.t.Error(err)
	}
	rw.Write(b)
}

func (w *world) policy() *Policy {
	p, err := LedgerPolicy(w.vkey)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// lie changes what the world's server does at one place.
type lie struct {
	statement func(reply map[string]string)
	evaluate  func(key string, blinded [][]byte) (evaluated [][]byte, proof []byte)
	bucket    func(body []byte, layer Hash, number int64) []byte // nil means 404
	group     func(body []byte, layer Hash) []byte               // nil means 404
	before    func(w http.ResponseWriter, r *http.Request) bool  // true means handled
}

// serve serves the world honestly but for the lie, and counts requests.
func (w *world) serve(l lie) (url string, seen *[]string) {
	seen = new([]string)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ledger/v1/key", func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, w.vkey+"\n") })
	mux.HandleFunc("GET /ledger/v1/keys", func(rw http.ResponseWriter, r *http.Request) {
		if w.keyReply != "" {
			io.WriteString(rw, w.keyReply)
			return
		}
		if w.keyList == nil {
			http.NotFound(rw, r)
			return
		}
		json.NewEncoder(rw).Encode(map[string]any{"keys": w.keyList})
	})
	mux.HandleFunc("GET /tile/", w.tile)
	mux.HandleFunc("GET /check/v1/statement", func(rw http.ResponseWriter, r *http.Request) {
		text, _ := Bytes(w.raw).MarshalText()
		reply := map[string]string{"statement": string(text), "proof": w.proof}
		if l.statement != nil {
			l.statement(reply)
		}
		json.NewEncoder(rw).Encode(reply)
	})
	mux.HandleFunc("POST /check/v1/evaluate", func(rw http.ResponseWriter, r *http.Request) {
		var req EvaluateRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			w.t.Error(err)
		}
		var blinded [][]byte
		for _, b := range req.Blinded {
			blinded = append(blinded, b)
		}
		ev, proof, err := w.keys[req.Key].Evaluate(blinded)
		if err != nil {
			http.Error(rw, err.Error(), 400)
			return
		}
		if l.evaluate != nil {
			ev, proof = l.evaluate(req.Key, blinded)
		}
		reply := EvaluateReply{Proof: proof}
		for _, e := range ev {
			reply.Evaluated = append(reply.Evaluated, e)
		}
		json.NewEncoder(rw).Encode(reply)
	})
	mux.HandleFunc("GET /check/v1/layers/{layer}/buckets/{bucket}", func(rw http.ResponseWriter, r *http.Request) {
		var root Hash
		if root.UnmarshalText([]byte(r.PathValue("layer"))) != nil || w.layers[root] == nil {
			http.NotFound(rw, r)
			return
		}
		f := w.open(root)
		number, err := ParseBucketName(r.PathValue("bucket"), f.Info().Bits)
		if err != nil {
			http.Error(rw, err.Error(), 400)
			return
		}
		pad := f.Info().Pad
		if served := w.st.layer(root); served != nil {
			pad = served.Pad
		}
		body, err := f.AppendBucket(nil, number, pad)
		if err != nil {
			w.t.Error(err)
		}
		if l.bucket != nil {
			body = l.bucket(body, root, number)
		}
		if body == nil {
			http.NotFound(rw, r)
			return
		}
		rw.Write(body)
	})
	mux.HandleFunc("GET /check/v1/layers/{layer}/groups/{p}/{number}", func(rw http.ResponseWriter, r *http.Request) {
		var root Hash
		unknown := func(problem string) {
			rw.Header().Set("Content-Type", "application/problem+json")
			rw.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(rw, `{"type":"/problems/%s"}`, problem)
		}
		if w.st.V == 1 { // a server of version 1
			unknown("unknown-path")
			return
		}
		if root.UnmarshalText([]byte(r.PathValue("layer"))) != nil || w.layers[root] == nil {
			unknown("unknown-layer")
			return
		}
		f := w.open(root)
		p, number, err := ParseGroupName(r.PathValue("p"), r.PathValue("number"), f.Info().Bits)
		if err != nil {
			unknown("unknown-bucket")
			return
		}
		pad := f.Info().Pad
		if served := w.st.layer(root); served != nil {
			pad = served.Pad
		}
		body, err := f.AppendGroup(nil, p, number, pad)
		if err != nil {
			w.t.Error(err)
		}
		if l.group != nil {
			if body = l.group(body, root); body == nil {
				unknown("unknown-layer")
				return
			}
		}
		rw.Write(body)
	})
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		*seen = append(*seen, fmt.Sprintf("%s %d %d", r.Method, len(r.URL.Path), r.ContentLength))
		if l.before != nil && l.before(rw, r) {
			return
		}
		mux.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(s.Close)
	return s.URL, seen
}

func email(t testing.TB, s string) identity.Identity {
	t.Helper()
	id, err := identity.ParseEmail(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// clone copies a statement deeply.
func clone(t testing.TB, s *Statement) *Statement {
	t.Helper()
	c := *s
	c.Keys = slices.Clone(s.Keys)
	for i := range c.Keys {
		c.Keys[i].Held = slices.Clone(c.Keys[i].Held)
	}
	c.Layers = slices.Clone(s.Layers)
	for i := range c.Layers {
		c.Layers[i].Sources = slices.Clone(c.Layers[i].Sources)
	}
	c.Incidents = slices.Clone(s.Incidents)
	for i := range c.Incidents {
		in := &c.Incidents[i]
		in.Title, in.Counts = maps.Clone(in.Title), maps.Clone(in.Counts)
		in.Sets = slices.Clone(in.Sets)
		in.Unreadable, in.Superseded = maps.Clone(in.Unreadable), slices.Clone(in.Superseded)
	}
	if s.Ledger != nil {
		l := *s.Ledger
		c.Ledger = &l
	}
	return &c
}

func writeFile(path, s string) error { return os.WriteFile(path, []byte(s), 0o600) }
