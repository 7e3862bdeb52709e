package check

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shirase/identity"
)

// wire is what a server sees of one check: each request, without what differs by
// who is asked about anyway (the number of a bucket, which is shown to it).
type wire struct {
	mu  sync.Mutex
	log []string
}

func (s *wire) see(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := r.URL.Path
	if strings.Contains(p, "/layers/") {
		p = p[:strings.LastIndexByte(p, '/')]
	}
	s.log = append(s.log, fmt.Sprintf("%s %s %d", r.Method, p, r.ContentLength))
}

// sorted gives the requests in an order of their own: those of several layers run side by side.
func (s *wire) sorted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.log))
}

// apart serves every source of a world as a layer of its own, as a server with up to eight does.
func apart(t *testing.T, w *world) {
	st := clone(t, w.st)
	var layers []Layer
	for _, l := range st.Layers {
		for _, s := range l.Sources {
			layers = append(layers, w.fold(l.Key, s))
		}
	}
	slices.SortFunc(layers, func(a, b Layer) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	st.Layers = layers
	w.leaves = nil
	w.publish(st)
}

// TestResultIsNotSeen refuses each layer and each source of a fold in every way,
// to people of whom different things are found, while the statement stays and
// while another comes: what the server sees is the same of all of them.
func TestResultIsNotSeen(t *testing.T) {
	people := []string{worldAffected, worldDropped, worldReopened, worldStranger, "member77@naver-2013.example.com"}
	for _, served := range []string{"apart", "folded"} {
		for _, meanwhile := range []string{"the same statement", "another statement"} {
			var roots []Hash
			first := newWorld2(t)
			if served == "apart" {
				apart(t, first)
			}
			for _, l := range first.st.Layers {
				roots = append(roots, l.Root)
				if len(l.Sources) > 1 {
					for _, s := range l.Sources {
						roots = append(roots, s.Root)
					}
				}
			}
			for _, root := range roots {
				for _, status := range []int{404, 410, 500, 503} {
					name := fmt.Sprintf("%s, %s, %d for %s", served, meanwhile, status, root.String()[:8])
					var before []string
					results := map[Result]bool{}
					for _, who := range people {
						seen, result := refusedTo(t, first, root, status, who, meanwhile == "another statement")
						results[result] = true
						if before != nil && !slices.Equal(before, seen) {
							t.Fatalf("%s: %s is told apart:\n%s\n\n%s", name, who, strings.Join(before, "\n"), strings.Join(seen, "\n"))
						}
						before = seen
					}
					if len(results) < 2 {
						t.Errorf("%s: nothing different was found: %v", name, results)
					}
				}
			}
		}
	}
}

// refusedTo checks an address while a layer is refused, and gives what the server saw.
func refusedTo(t *testing.T, of *world, root Hash, status int, who string, another bool) ([]string, Result) {
	copied := *of
	w := &copied
	w.leaves = slices.Clone(of.leaves)
	seen := new(wire)
	var once sync.Once
	url, _ := w.serve(lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
		seen.see(r)
		if !strings.Contains(r.URL.Path, "/layers/"+root.String()+"/") {
			return false
		}
		if another {
			once.Do(func() {
				st := clone(t, w.st)
				st.Seq, st.Prev = st.Seq+1, StatementHash(w.raw)
				seen.mu.Lock() // the server reads statement and proof when it is asked again, after all layers
				defer seen.mu.Unlock()
				w.publish(st)
			})
		}
		rw.Header().Set("Content-Type", "application/problem+json")
		rw.WriteHeader(status)
		fmt.Fprint(rw, `{"type":"/problems/unknown-layer"}`)
		return true
	}})
	a, err := w.client(url).Check(t.Context(), email(t, who))
	if err != nil {
		t.Fatalf("%s: %v", who, err)
	}
	return seen.sorted(), a.Verdict.Result
}

// TestResultIsNotSeenByDamage has an entry that does not open, of one of several
// people, and a layer that is refused: only that one ends in an error, and what
// was asked is the same.
func TestResultIsNotSeenByDamage(t *testing.T) {
	w := newWorld2(t)
	apart(t, w)
	st := clone(t, w.st)
	st.Incident("naver-2013").Sets = [][]string{{"email"}} // every second entry opens to a set that is not there
	w.leaves = nil
	w.publish(st)
	refused := layerOf(w.st, "again-2022", "3").Root
	var before []string
	ended := map[string]int{}
	for i := range 6 {
		who := email(t, fmt.Sprintf("member%d@naver-2013.example.com", 10+i))
		seen := new(wire)
		url, _ := w.serve(lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
			seen.see(r)
			if strings.Contains(r.URL.Path, refused.String()) {
				rw.WriteHeader(503)
				return true
			}
			return false
		}})
		_, err := w.client(url).Check(t.Context(), who)
		code := ""
		if err != nil {
			code = Code(err)
		}
		ended[code]++
		if got := seen.sorted(); before != nil && !slices.Equal(before, got) {
			t.Fatalf("%v: %v\n%v", err, before, got)
		} else {
			before = got
		}
	}
	if ended["entry"] != 3 || ended[""] != 3 {
		t.Errorf("ended %v", ended)
	}
}

// newLarge publishes one incident that claims so many entries that 16 bits leave.
// Nothing of it is served.
func newLarge(t *testing.T) *world {
	w := &world{t: t, keys: map[string]*EvaluatorKey{}, layers: map[Hash][]byte{}, now: worldTime.Add(time.Hour)}
	w.ledgerKey("ledger")
	st := &Statement{V: 2, Seq: 1, Time: At(worldTime), Expires: At(worldTime.Add(LifeAlone)), PhoneRegion: "JP",
		Ledger: &Signing{VKeyHash(w.vkey), VKeyHash(vkeyOf("ledger 2")), ""}}
	w.evaluator(st, "k1", KeyLive)
	n := int64(1) << 26
	st.Incidents = []Incident{{ID: "big", Organisation: "Example", Title: map[string]string{"en": "big"}, Revision: "1", State: Final, AsOf: At(worldTime),
		Counts: map[string]int64{"email": n}, Sets: [][]string{{"email"}}, Unreadable: map[string]int64{}, Superseded: []Superseded{}}}
	st.Layers = []Layer{{ID: Hash{1}, Root: Hash{1}, Key: "k1", N: n, Bits: BucketBits(n, 16), Pad: 16384, Sources: []Source{{"big", "1", n, Hash{1}}}}}
	w.publish(st)
	return w
}

// TestBitsLeaveOnce has a server refuse a layer when its bits have left, and show
// another statement: of one check no more bits leave than the cap says, whatever
// comes between.
func TestBitsLeaveOnce(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world, st *Statement)
		twice  bool
	}{
		"the same layers": {func(*world, *Statement) {}, true},
		"under another key": {func(w *world, st *Statement) {
			st.Keys[0].State = KeyEnded
			w.evaluator(st, "k2", KeyLive)
			st.Layers[0].Key = "k2"
		}, false},
		"under a key of the same name": {func(w *world, st *Statement) { st.Keys[0].Public = otherKey() }, false},
		"under a second key beside": {func(w *world, st *Statement) {
			w.evaluator(st, "k2", KeyLive)
			in := st.Incidents[0]
			in.ID = "large"
			st.Incidents = append(st.Incidents, in)
			l := st.Layers[0]
			l.ID, l.Root, l.Key, l.Sources = Hash{2}, Hash{2}, "k2", []Source{{"large", "1", l.N, Hash{2}}}
			st.Layers = append(st.Layers, l)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLarge(t)
			n := 0
			url, _ := w.serve(lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasPrefix(r.URL.Path, "/check/v1/layers/") {
					return false
				}
				http.NotFound(rw, r)
				if n++; n == 1 {
					st := clone(t, w.st)
					st.Seq, st.Prev = 2, StatementHash(w.raw)
					c.change(w, st)
					w.leaves = nil
					w.publish(st)
				}
				return true
			}})
			client := &Client{Server: url, Policy: w.policy(), Now: func() time.Time { return w.now }}
			a, err := client.Check(t.Context(), email(t, worldAffected))
			if err != nil || a.Verdict.Result != Incomplete {
				t.Fatalf("%v, %v", a, err)
			}
			if twice := n == 2; twice != c.twice {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// TestWhatOneCheckTakes bounds what all layers of a statement and all that is kept of them may be.
func TestWhatOneCheckTakes(t *testing.T) {
	layers := func(n, pad int) *Statement {
		st := &Statement{V: 2}
		for i := range n {
			st.Layers = append(st.Layers, Layer{ID: Hash{byte(i), byte(i >> 8)}, Key: "k1", N: 1000, Pad: pad})
		}
		return st
	}
	for _, c := range []struct {
		n, pad int
		coarse bool
	}{{2, 16 << 20, false}, {3, 16 << 20, true}, {2048, 16 << 10, false}, {2049, 16 << 10, true}, {8000, MaxPad, true}} {
		if _, err := layers(c.n, c.pad).Depths(CapBits); (err != nil) != c.coarse || err != nil && Code(err) != "too-coarse" {
			t.Errorf("%d layers of %d bytes: %v", c.n, c.pad, err)
		}
	}
	// What a response was padded with is not kept.
	body := make([]byte, 1<<20)
	b, err := ParseBucket(body, 0, leafHash(nil), 0, 0)
	if err != nil || cap(b.Entries)+cap(b.Path) > 64 {
		t.Errorf("%v: %d bytes kept", err, cap(b.Entries)+cap(b.Path))
	}
	// One by one, buckets are no more than a group is: here of a source whose 64 buckets a server pads to a mebibyte each.
	w := newWorld2(t)
	entries := randomEntries(70000, 16, 1)
	sortEntries(entries)
	info := w.write(func(b *bytes.Buffer) (LayerInfo, error) { return WriteLayer(b, 70000, 16, true, each(entries)) })
	asked := 0
	url, _ := w.serve(lie{bucket: func(body []byte, _ Hash, _ int64) []byte {
		asked++
		return append(body, make([]byte, 1<<20-len(body))...)
	}, before: func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/groups/") {
			http.NotFound(rw, r)
			return true
		}
		return false
	}})
	c := w.client(url)
	base, err := c.base()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.group(t.Context(), base, info.Root, new(Output), 0, info.Bits, 0); err == nil || Code(err) != "bucket" || asked != MaxGroup>>20+1 {
		t.Errorf("%d of %d buckets: %v", asked, 1<<info.Bits, err)
	}
}

// TestAnswerIsNotTooLong has an answer that no verifier would read be refused where it is made.
func TestAnswerIsNotTooLong(t *testing.T) {
	a := &Answer{V: 2, Groups: []AnswerGroup{{Bytes: make([]byte, MaxAnswer)}}}
	if _, err := a.Encode(); err == nil || Code(err) != "answer" {
		t.Errorf("%v", err)
	}
}

// TestKeptIsBounded has a fold whose sources are larger than all that an answer can hold.
func TestKeptIsBounded(t *testing.T) {
	w := newFoldWorld(t, -1)
	l := &w.st.Layers[0]
	url, _ := w.serve(lie{})
	c := w.client(url)
	base, err := c.base()
	if err != nil {
		t.Fatal(err)
	}
	y, err := w.keys["k1"].Output(identity.Identity{Kind: identity.KindEmail, Value: worldStranger}.Input())
	if err != nil {
		t.Fatal(err)
	}
	var full, empty atomic.Int64
	full.Store(maxKept - 100)
	if _, err := c.layer(t.Context(), base, l, 16, &y, 0, &full); err == nil || Code(err) != "too-coarse" {
		t.Errorf("%v", err)
	}
	if g, err := c.layer(t.Context(), base, l, 16, &y, 0, &empty); err != nil || g == nil {
		t.Errorf("%v", err)
	}
}
