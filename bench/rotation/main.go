// Command rotation measures what a check shows, asks for and takes while a key is rotated: under the one key of before, under two
// keys of equal size, and under the next one alone.
//
// The layers hold one real identity and otherwise random bytes of the right shape: sealing millions of identities takes hours, and
// nothing that is measured here looks at what an entry is of.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/bench/figure"
	"shirase/check"
	"shirase/identity"
)

func main() {
	o := figure.Parse()
	sizes, rounds := []int64{2_000_000, 20_000_000}, 21
	if o.Quick {
		sizes, rounds = sizes[:1], 9
	}
	dir, err := os.MkdirTemp("", "shirase-bench-")
	figure.Check(err)
	defer os.RemoveAll(dir)
	for _, n := range sizes {
		measure(o, dir, n, rounds)
	}
}

// goals are the bits that leave of each output, alone and with two keys (docs/PROTOCOL.md section 5.1).
var goals = map[int64][2]int{2_000_000: {10, 5}, 20_000_000: {14, 7}}

func measure(o figure.Options, dir string, n int64, rounds int) {
	who, err := identity.ParseEmail("hanako@example.com")
	figure.Check(err)
	first, second := seal(dir, who, "k1", "1", n), seal(dir, who, "k2", "2", n)
	before, during, after := serve(first), serve(first, second), serve(second)
	stages := []*server{before, during, after}
	var loops []func()
	for _, s := range stages {
		loops = append(loops, func() { s.check(who) })
	}
	t := figure.InTurns(rounds, loops...)
	goal := goals[n]
	size := fmt.Sprintf("%d M random entries a key", n/1_000_000)
	for i, s := range stages {
		what := []string{"before, one key", "rotating, two keys", "after, the other key"}[i]
		s.forget()
		s.check(who)
		keys := []*sealed{first, second}[i/2 : 1+(i+1)/2]
		most := goal[0]
		if len(keys) == 2 {
			most = goal[1]
		}
		for _, k := range keys {
			o.Print(figure.Figure{Name: fmt.Sprintf("%s, %s: bits that leave under %s", size, what, k.key.ID), Value: float64(s.bits[k.info.Root]), Unit: "bits", Goal: "<= " + strconv.Itoa(most)})
		}
		o.Print(figure.Figure{Name: size + ", " + what + ": requests", Value: float64(s.requests), Unit: "", Goal: "<= " + strconv.Itoa(1+2*len(keys))})
		o.Print(figure.Figure{Name: size + ", " + what + ": of layers", Value: float64(s.layers), Unit: "bytes"})
		o.Print(figure.Figure{Name: size + ", " + what + ": a check", Value: figure.Median(t[i], 1) / 1e6, Unit: "ms", Reference: figure.Median(t[0], 1) / 1e6, Ratio: figure.Ratio(t[i], t[0])})
	}
}

// sealed is a key with the one layer under it.
type sealed struct {
	key    check.Key
	secret *check.EvaluatorKey
	source check.Source
	info   check.LayerInfo
	file   *check.LayerFile
}

// seal writes a layer of n entries, of which one is who's.
func seal(dir string, who identity.Identity, id, revision string, n int64) *sealed {
	seed := sha256.Sum256([]byte("bench " + id))
	secret, err := check.DeriveEvaluatorKey(seed[:], nil)
	figure.Check(err)
	y, err := secret.Output(who.Input())
	figure.Check(err)
	bits := check.BucketBits(n, check.MaxLocatorBits) // no more than the buckets need
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d", id, n)))
	figure.Check(err)
	w := bufio.NewWriterSize(f, 1<<20)
	info, err := check.WriteLayer(w, n, bits, true, entries(n, bits, uint64(id[1]), check.SealEntry(&y, bits, "bench", revision, 0)))
	figure.Check(err)
	figure.Check(w.Flush())
	layer, err := check.OpenLayer(f, length(f), info.Root, bits)
	figure.Check(err)
	return &sealed{check.Key{ID: id, LocatorBits: bits, Public: secret.Public(), State: check.KeyLive}, secret,
		check.Source{Incident: "bench", Revision: revision, N: n, Root: info.Root}, info, layer}
}

func length(f *os.File) int64 {
	s, err := f.Stat()
	figure.Check(err)
	return s.Size()
}

// entries gives n entries in ascending order, one of them given. The others begin with numbers in order, spread as random ones are.
func entries(n int64, bits int, seed uint64, given check.Entry) iter.Seq2[[]byte, error] {
	const width = 56 // bits that are drawn in order
	sum := 0.0
	for gap := range spread(n, seed) {
		sum += gap
	}
	return func(yield func([]byte, error) bool) {
		at, last, put := 0.0, int64(-1), false
		tail := mathrand.New(mathrand.NewPCG(2, seed))
		var e check.Entry
		for gap := range spread(n-1, seed) {
			at += gap
			v := max(last+1, int64(at/sum*(1<<width)))
			last = v
			locator := uint32(v>>(width-bits)) << (24 - bits)
			e[0], e[1], e[2] = byte(locator>>16), byte(locator>>8), byte(locator)
			binary.BigEndian.PutUint64(e[3:], uint64(v)<<(8+bits))
			binary.BigEndian.PutUint32(e[9:], tail.Uint32())
			if !put && bytes.Compare(given[:], e[:]) < 0 {
				put = true
				if !yield(given[:], nil) {
					return
				}
			}
			if !yield(e[:], nil) {
				return
			}
		}
		if !put {
			yield(given[:], nil)
		}
	}
}

// spread gives distances between n numbers that were drawn at random: for one seed the same ones each time.
func spread(n int64, seed uint64) iter.Seq[float64] {
	return func(yield func(float64) bool) {
		r := mathrand.New(mathrand.NewPCG(1, seed))
		for range n {
			if !yield(r.ExpFloat64()) {
				return
			}
		}
	}
}

// server serves a statement and its layers, and counts.
type server struct {
	url, vkey string
	reply     []byte
	keys      map[string]*check.EvaluatorKey
	sealed    map[check.Hash]*sealed

	mu               sync.Mutex
	requests, layers int
	bits             map[check.Hash]int
}

func serve(all ...*sealed) *server {
	s := &server{keys: map[string]*check.EvaluatorKey{}, sealed: map[check.Hash]*sealed{}, bits: map[check.Hash]int{}}
	now := time.Now().UTC().Truncate(time.Second)
	skey, vkey, err := note.GenerateKey(rand.Reader, "bench.invalid")
	figure.Check(err)
	s.vkey = vkey
	newest := all[len(all)-1]
	st := &check.Statement{V: 2, Seq: 1, Time: check.At(now), Expires: check.At(now.Add(6 * time.Hour)), PhoneRegion: "JP",
		Ledger: &check.Signing{Key: check.VKeyHash(vkey), Next: check.VKeyHash("next"), Policy: ""}, Incidents: []check.Incident{{
			ID: "bench", Organisation: "Bench", Title: map[string]string{"en": "Bench"}, Revision: newest.source.Revision, State: check.Final, AsOf: check.At(now),
			Counts: map[string]int64{"email": newest.info.N}, Sets: [][]string{{"email"}}, Unreadable: map[string]int64{}, Superseded: []check.Superseded{}}}}
	for _, k := range all {
		st.Keys = append(st.Keys, k.key)
		st.Layers = append(st.Layers, check.Layer{ID: k.info.Root, Root: k.info.Root, Key: k.key.ID, N: k.info.N, Bits: k.info.Bits, Pad: k.info.Pad, Sources: []check.Source{k.source}})
		s.keys[k.key.ID], s.sealed[k.info.Root] = k.secret, k
		if k != newest {
			st.Incidents[0].Superseded = append(st.Incidents[0].Superseded, check.Superseded{Revision: k.source.Revision, Counts: map[string]int64{"email": k.info.N}, Sets: [][]string{{"email"}}})
		}
	}
	slices.SortFunc(st.Layers, func(a, b check.Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	raw, err := st.Canonical()
	figure.Check(err)
	signer, err := note.NewSigner(skey)
	figure.Check(err)
	root := tlog.RecordHash(check.Leaf(check.KindStatement, raw))
	signed, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: signer.Name(), Tree: tlog.Tree{N: 1, Hash: root}}.String()}, signer)
	figure.Check(err)
	s.reply, err = json.Marshal(map[string]any{"statement": check.Bytes(raw), "proof": string(torchwood.FormatProof(0, nil, signed))})
	figure.Check(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	figure.Check(err)
	go http.Serve(l, http.HandlerFunc(s.answer))
	s.url = "http://" + l.Addr().String()
	return s
}

func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.layers, s.bits = 0, 0, map[check.Hash]int{}
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	s.mu.Unlock()
	switch parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/check/v1/"), "/"); parts[0] {
	case "statement":
		w.Write(s.reply)
	case "evaluate":
		var req check.EvaluateRequest
		b, err := io.ReadAll(r.Body)
		figure.Check(err)
		figure.Check(json.Unmarshal(b, &req))
		evaluated, proof, err := s.keys[req.Key].Evaluate([][]byte{req.Blinded[0]})
		figure.Check(err)
		b, err = json.Marshal(check.EvaluateReply{Evaluated: []check.Bytes{evaluated[0]}, Proof: proof})
		figure.Check(err)
		w.Write(b)
	case "layers":
		var root check.Hash
		figure.Check(root.UnmarshalText([]byte(parts[1])))
		k := s.sealed[root]
		depth, number := k.info.Bits, int64(0)
		var err error
		if parts[2] == "groups" {
			depth, number, err = check.ParseGroupName(parts[3], parts[4], k.info.Bits)
		} else {
			number, err = check.ParseBucketName(parts[3], k.info.Bits)
		}
		figure.Check(err)
		body, err := k.file.AppendGroup(nil, depth, number, k.info.Pad)
		figure.Check(err)
		s.mu.Lock()
		s.layers += len(body)
		s.bits[root] = max(s.bits[root], depth)
		s.mu.Unlock()
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	default:
		http.NotFound(w, r)
	}
}

// check asks about who, and requires the right answer.
func (s *server) check(who identity.Identity) {
	policy, err := check.LedgerPolicy(s.vkey)
	figure.Check(err)
	c := &check.Client{Server: s.url, Policy: policy}
	a, err := c.Check(context.Background(), who)
	figure.Check(err)
	if a.Verdict.Result != check.Affected {
		panic(a.Verdict.Result)
	}
}
