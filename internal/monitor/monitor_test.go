package monitor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/check"
	"shirase/internal/killtest"
)

func TestMain(m *testing.M) { killtest.Main(m, child) }

// TestHonest: of an honest server nothing is found, and everything is verified.
func TestHonest(t *testing.T) {
	s := honest(t)
	sum, found := s.look(t.TempDir())
	if !sum.OK || len(found) > 0 {
		t.Fatalf("%+v %+v", sum, found)
	}
	tree := s.hist.tree()
	if sum.Size != tree.N || sum.Root != check.Hash(tree.Hash) || sum.Statements != 4 || sum.Layers != 5 || sum.Unverified != 0 {
		t.Fatalf("%+v", sum)
	}
}

// TestGoesOn: a monitor that looks as the ledger grows comes to what one does that looks once, and asks for nothing twice
// that it has verified.
func TestGoesOn(t *testing.T) {
	s := honest(t)
	dir := t.TempDir()
	s.look(dir)
	for range 300 { // more than a bundle
		s.publish(s.again())
	}
	before := s.asked["/ledger/v1/data/"+check.StatementHash(s.raw).String()]
	sum, found := s.look(dir)
	fresh, _ := s.look(t.TempDir())
	if !sum.OK || sum.Size != fresh.Size || sum.Root != fresh.Root || sum.Statements != fresh.Statements || sum.Layers != fresh.Layers {
		t.Fatalf("%+v %+v, and a fresh one %+v", sum, found, fresh)
	}
	if before != 0 {
		t.Fatal("asked before it was there")
	}
	asked := 0
	for path, n := range s.asked {
		if strings.HasPrefix(path, "/check/v1/layers/") && !strings.Contains(path[17:], "/") {
			asked = max(asked, n)
		}
	}
	if asked != 2 { // once by each of the two monitors
		t.Fatalf("a layer was asked for %d times", asked)
	}
}

// verified requires that a finding's evidence is verified by somebody else, with the ledger's key alone.
func verified(t *testing.T, s *sham, f Finding, want bool) {
	t.Helper()
	if f.Evidence == "" {
		t.Fatalf("no evidence: %+v", f)
	}
	b, err := os.ReadFile(f.Evidence)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := check.LedgerPolicy(s.vkey)
	if err != nil {
		t.Fatal(err)
	}
	e, shown, err := check.VerifyEvidence(b, policy)
	if err != nil || shown != want || e.Rule != f.Rule || !check.IsEvidence(b) {
		t.Fatalf("%s: shown %v, %v", f.What, shown, err)
	}
	other, err := check.LedgerPolicy(newSham(t).vkey)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := check.VerifyEvidence(b, other); err == nil {
		t.Fatal("it is verified under another ledger's key")
	}
}

// lies are statements that contradict those before, by the rule that they break.
var lies = []struct {
	name, rule string
	lie        func(s *sham, st *check.Statement)
}{
	{"of the version before", "version", func(s *sham, st *check.Statement) {
		s.without(st, "shop", "1")
		st.V, st.Ledger, st.Keys[0].State = 1, nil, ""
		for i := range st.Incidents {
			st.Incidents[i].Unreadable, st.Incidents[i].Superseded = nil, nil
		}
	}},
	{"another public key", "keys", func(s *sham, st *check.Statement) { st.Keys[0].Public = check.GenerateEvaluatorKey().Public() }},
	{"other locator bits", "keys", func(s *sham, st *check.Statement) { st.Keys[0].LocatorBits = 17 }},
	{"another region", "region", func(s *sham, st *check.Statement) { st.PhoneRegion = "US" }},
	{"back in time", "time", func(s *sham, st *check.Statement) {
		st.Time, st.Expires = check.At(shamTime), check.At(shamTime.Add(time.Hour))
	}},
	{"an incident dropped", "incident", func(s *sham, st *check.Statement) {
		st.Incidents = slices.DeleteFunc(st.Incidents, func(in check.Incident) bool { return in.ID == "town" })
		s.without(st, "town", "")
	}},
	{"final to investigating", "state", func(s *sham, st *check.Statement) {
		s.incident(st, "town", "0", check.Investigating, 0)
		s.without(st, "town", "")
	}},
	{"a revision back", "revision", func(s *sham, st *check.Statement) {
		s.incident(st, "shop", "1", check.Final, 2100)
		s.without(st, "shop", "2")
	}},
	{"as of before", "asof", func(s *sham, st *check.Statement) { st.Incident("town").AsOf = check.At(shamTime.Add(-time.Hour)) }},
	{"other sets", "bound", func(s *sham, st *check.Statement) { st.Incident("town").Sets = [][]string{{"address"}} }},
	{"a revision of other people", "bound", func(s *sham, st *check.Statement) {
		other := s.seal("town", "1", many("village", 9))
		s.replace(st, "town", "1", other)
	}},
	{"an earlier revision not listed", "source", func(s *sham, st *check.Statement) {
		st.Incident("shop").Superseded = []check.Superseded{}
		s.without(st, "shop", "1")
	}},
	{"another successor", "ledger", func(s *sham, st *check.Statement) { st.Ledger.Next = s.hash(strings.Repeat("2", 64)) }},
	{"a key that was not to follow", "ledger", func(s *sham, st *check.Statement) { st.Ledger.Key = s.hash(strings.Repeat("3", 64)) }},
	{"the same number", "fork", func(s *sham, st *check.Statement) { st.Seq, st.Prev = s.st.Seq, s.st.Prev }},
	{"another one before", "fork", func(s *sham, st *check.Statement) { st.Prev = s.hash(strings.Repeat("4", 64)) }},
	{"not valid", "statement", func(s *sham, st *check.Statement) { st.PhoneRegion = "Japan" }},
}

// without takes a source out of every layer; revision "" is all of them.
func (s *sham) without(st *check.Statement, incident, revision string) {
	var left []check.Source
	for _, l := range st.Layers {
		for _, src := range l.Sources {
			if src.Incident != incident || revision != "" && src.Revision != revision {
				left = append(left, src)
			}
		}
	}
	set(st, s.serve(left...))
}

func (s *sham) replace(st *check.Statement, incident, revision string, by check.Source) {
	var all []check.Source
	for _, l := range st.Layers {
		for _, src := range l.Sources {
			if src.Incident == incident && src.Revision == revision {
				src = by
			}
			all = append(all, src)
		}
	}
	set(st, s.serve(all...))
}

// TestFalseStatement: a false statement is in the ledger for ten minutes, and then the truth again; a monitor that looks
// hourly names the rule that was broken, once, and has the evidence.
func TestFalseStatement(t *testing.T) {
	for _, c := range lies {
		t.Run(c.name, func(t *testing.T) {
			s := honest(t)
			dir := t.TempDir()
			if sum, found := s.look(dir); !sum.OK {
				t.Fatalf("%+v", found)
			}
			truth := s.again()
			false_ := s.again()
			s.now = s.now.Add(18 * time.Minute) // beside the two of these
			at, raw := s.st, s.raw
			false_.Time, false_.Expires = check.At(s.now), check.At(s.now.Add(check.LifeAlone))
			c.lie(s, false_)
			s.st, s.raw = at, raw
			s.put(false_)
			lied := s.raw

			s.now = s.now.Add(10 * time.Minute)
			// The truth follows the false one in number, as it has to.
			truth.Seq, truth.Prev = max(false_.Seq, at.Seq)+1, check.StatementHash(lied)
			s.publish(truth)

			s.now = s.now.Add(30 * time.Minute)
			sum, found := s.look(dir)
			if sum.OK || c.rule != "statement" && len(found) != 1 || !slices.Contains(rules(found), c.rule) {
				t.Fatalf("%+v %+v", sum, found)
			}
			f := found[0]
			if f.Index != int64(len(s.hist.entries))-2 {
				t.Fatalf("entry %d is blamed of %d", f.Index, len(s.hist.entries))
			}
			verified(t, s, f, true)
			// It stays found, by this monitor and by every other.
			_, again := s.look(dir)
			_, fresh := s.look(t.TempDir())
			if !slices.Equal(rules(again), rules(found)) || !again[0].Kept || !slices.Equal(rules(fresh), rules(found)) {
				t.Fatalf("again %+v, a fresh one %+v", again, fresh)
			}
		})
	}
}

// TestPolicyWeaker: a ledger that asks for fewer witnesses than it did.
func TestPolicyWeaker(t *testing.T) {
	s := newSham(t)
	st := s.begin()
	s.incident(st, "shop", "0", check.Investigating, 0)
	st.Ledger.Policy = "witness w witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv\nquorum w\n"
	s.publish(st)
	dir := t.TempDir()
	if _, found := s.look(dir); !slices.Equal(rules(found), []string{"unwitnessed"}) {
		t.Fatalf("%+v", found)
	}
	st = s.again()
	st.Ledger.Policy = ""
	s.publish(st)
	s.publish(s.again())
	_, found := s.look(dir)
	at := slices.IndexFunc(found, func(f Finding) bool { return f.Rule == "policy-weaker" })
	if at < 0 || len(found) != 2 {
		t.Fatalf("%+v", found)
	}
	verified(t, s, found[at], true)
}

// TestNumber: numbers of statements that leave one out, and kinds that are not indexed any more.
func TestNumber(t *testing.T) {
	s := honest(t)
	st := s.again()
	st.Seq++
	s.publish(st)
	if _, found := s.look(t.TempDir()); !slices.Equal(rules(found), []string{"number"}) {
		t.Fatalf("%+v", found)
	}
}

// TestKindDropped: a later revision that cannot be asked by what an earlier one could.
func TestKindDropped(t *testing.T) {
	s := newSham(t)
	st := s.begin()
	one := s.seal("shop", "1", many("shop", 5))
	s.incident(st, "shop", "1", check.Final, 5)
	set(st, s.serve(one))
	s.publish(st)
	st = s.again()
	two := s.seal("shop", "2", many("other", 5))
	s.incident(st, "shop", "2", check.Final, 5, superseded("1", 5))
	st.Incidents[0].Counts = map[string]int64{"account": 5}
	set(st, s.serve(one, two))
	s.publish(st)
	if _, found := s.look(t.TempDir()); !slices.Equal(rules(found), []string{"kind-dropped"}) {
		t.Fatalf("%+v", found)
	}
}

// TestChanged: what no rule forbids is told once, by who was there before and by who comes later; what a revision could not
// read is bound to it.
func TestChanged(t *testing.T) {
	s := honest(t)
	watching := t.TempDir()
	if sum, found := s.look(watching); !sum.OK {
		t.Fatalf("%+v", found)
	}
	st := s.again()
	a, b := st.Incident("shop"), st.Incident("town")
	a.Title, b.Title = b.Title, a.Title
	s.publish(st)
	for name, dir := range map[string]string{"watching": watching, "later": t.TempDir()} {
		if _, found := s.look(dir); len(found) != 2 || !slices.Equal(rules(found), []string{"renamed"}) {
			t.Errorf("%s: %v", name, rules(found))
		}
		if _, found := s.look(dir); len(found) != 0 {
			t.Errorf("%s, again: %v", name, rules(found))
		}
	}
	for _, n := range []map[string]int64{{"email": 500}, {}} {
		st = s.again()
		st.Incident("shop").Unreadable = n
		s.publish(st)
	}
	if _, found := s.look(watching); !slices.Equal(rules(found), []string{"bound"}) {
		t.Errorf("%v", rules(found))
	}
}

// TestFork: two histories, and a ledger that shrinks, with the two checkpoints as evidence.
func TestFork(t *testing.T) {
	for name, c := range map[string]struct {
		rule  string
		shown bool
		turn  func(s *sham, past *history)
	}{
		"of one size": {"fork", true, func(s *sham, past *history) {
			s.hist = past
			s.now = s.now.Add(time.Minute)
			for len(s.hist.entries) < s.size {
				s.publish(s.again())
			}
		}},
		"larger": {"fork", true, func(s *sham, past *history) {
			s.hist = past
			s.now = s.now.Add(time.Minute)
			for len(s.hist.entries) < 777 {
				s.publish(s.again())
			}
		}},
		"shrunk": {"rollback", false, func(s *sham, past *history) { s.hist = past }},
	} {
		for _, size := range []int{300, 256, 299} { // a power of two leaves a hash out of RFC 6962's proof
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				s := honest(t)
				s.size = size
				past, st, raw := s.hist.clone(), s.st, s.raw
				for len(s.hist.entries) < size {
					s.publish(s.again())
				}
				dir := t.TempDir()
				if sum, found := s.look(dir); !sum.OK {
					t.Fatalf("%+v", found)
				}
				if name == "shrunk" {
					s.st, s.raw = st, raw
				} else {
					s.raw = raw
				}
				c.turn(s, past)
				sum, found := s.look(dir)
				if sum.OK || !slices.Equal(rules(found), []string{c.rule}) {
					t.Fatalf("%+v %+v", sum, found)
				}
				verified(t, s, found[0], c.shown)
			})
		}
	}
}

// TestForkShown: clients are shown another history than the ledger itself.
func TestForkShown(t *testing.T) {
	s := honest(t)
	fork := &sham{t: t, vkey: s.vkey, signer: s.signer, hist: s.hist.clone(), st: s.st, raw: s.raw, now: s.now, keys: s.keys, layers: s.layers, asked: map[string]int{}}
	fork.now = s.now.Add(time.Second)
	fork.publish(fork.again())
	s.publish(s.again())
	s.publish(s.again())
	s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/check/v1/statement" {
			fork.statement(w)
			return true
		}
		return false
	}
	_, found := s.look(t.TempDir())
	if !slices.Equal(rules(found), []string{"fork"}) {
		t.Fatalf("%+v", found)
	}
	verified(t, s, found[0], true)
}

// TestDamaged: what is missing or other than it was committed to, each by name.
func TestDamaged(t *testing.T) {
	s := honest(t)
	for len(s.hist.entries) < 300 {
		s.publish(s.again())
	}
	shop, fold := "", ""
	for _, l := range s.st.Layers {
		fold = l.ID.String()
		for _, src := range l.Sources {
			if src.Incident == "shop" && src.Revision == "2" {
				shop = src.Root.String()
			}
		}
	}
	data := "/ledger/v1/data/" + check.StatementHash(s.raw).String()
	answer := func(path string, status int, change func([]byte) []byte) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasPrefix(r.URL.Path, path) {
				return false
			}
			if status != 0 {
				w.WriteHeader(status)
				return true
			}
			rec := recorder{header: http.Header{}}
			s.serveHonest(&rec, r)
			w.Write(change(rec.body))
			return true
		}
	}
	flip := func(b []byte) []byte {
		b = slices.Clone(b)
		b[len(b)/2] ^= 1
		return b
	}
	for _, c := range []struct {
		name   string
		meddle func(http.ResponseWriter, *http.Request) bool
		rule   string
	}{
		{"a document missing", answer(data, 404, nil), "bytes"},
		{"another document", answer(data, 0, flip), "bytes"},
		{"entries missing", answer("/tile/entries/001", 404, nil), "entry"},
		{"entries of another length", answer("/tile/entries/001", 0, flip), "entry"},
		{"another entry", answer("/tile/entries/001", 0, func(b []byte) []byte {
			b = slices.Clone(b)
			b[len(b)-1] ^= 1 // of the last entry's hash
			return b
		}), "entry"},
		{"tiles missing", answer("/tile/0/001", 404, nil), "tiles"},
		{"other tiles", answer("/tile/0/001", 0, flip), "tiles"},
		{"checkpoint unsigned", answer("/checkpoint", 0, flip), "checkpoint"},
		{"a layer missing", answer("/check/v1/layers/"+shop, 404, nil), "layer-missing"},
		{"another layer", answer("/check/v1/layers/"+shop, 0, flip), "layer"},
		{"a layer cut short", answer("/check/v1/layers/"+shop, 0, func(b []byte) []byte { return b[:len(b)-1] }), "layer"},
		{"a layer made longer", answer("/check/v1/layers/"+shop, 0, func(b []byte) []byte { return append(b, 0) }), "count"},
		{"buckets of the fold", answer("/check/v1/layers/"+fold+"/buckets/", 0, flip), "bucket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s.meddle = c.meddle
			sum, found := s.look(dir)
			s.meddle = nil
			if sum.OK || !slices.Contains(rules(found), c.rule) {
				t.Fatalf("%+v %+v", sum, found)
			}
			if c.rule == "bytes" {
				verified(t, s, found[0], false) // the entry is shown to be there; that its bytes are not given is the finder's word
			}
			// Mended, it goes on; what was missing of the ledger itself stays found.
			sum, found = s.look(dir)
			if lasts := slices.Contains([]string{"bytes", "entry"}, c.rule); sum.OK == lasts || sum.Size != int64(len(s.hist.entries)) {
				t.Fatalf("afterwards: %+v %+v", sum, found)
			}
		})
	}
}

type recorder struct {
	header http.Header
	body   []byte
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(int)     {}
func (r *recorder) Write(b []byte) (int, error) {
	r.body = append(r.body, b...)
	return len(b), nil
}

// TestFalseLayers: a fold that is none, a number of entries that is none, and entries that stand in two source layers.
func TestFalseLayers(t *testing.T) {
	t.Run("fold", func(t *testing.T) {
		s := honest(t)
		st := s.again()
		// The fold of the same sources, one entry replaced: counts intact.
		honestFold := st.Layers[0]
		var entries [][]byte
		for e, err := range s.open(honestFold.Root).Entries(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, slices.Clone(e))
		}
		entries[len(entries)/2][12] ^= 1
		noise := s.layer("noise", "1", entries)
		l := s.open(noise.Root).Info()
		st.Layers[0].ID, st.Layers[0].Root, st.Layers[0].Pad = noise.Root, noise.Root, l.Pad
		s.publish(st)
		_, found := s.look(t.TempDir())
		if !slices.Equal(rules(found), []string{"fold"}) {
			t.Fatalf("%+v", found)
		}
	})
	t.Run("count", func(t *testing.T) {
		s := newSham(t)
		st := s.begin()
		src := s.seal("shop", "1", many("shop", 5))
		s.incident(st, "shop", "1", check.Final, 6)
		l := s.serve(src)
		l.N, l.Sources[0].N = 6, 6
		set(st, l)
		s.publish(st)
		_, found := s.look(t.TempDir())
		if !slices.Contains(rules(found), "count") && !slices.Contains(rules(found), "layer") {
			t.Fatalf("%+v", found)
		}
	})
	t.Run("twins", func(t *testing.T) {
		s := honest(t)
		st := s.again()
		// A revision 3 that is revision 2 with one entry changed.
		var entries [][]byte
		for e, err := range s.open(s.source("shop", "2")).Entries(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, slices.Clone(e))
		}
		entries[7][5] ^= 1
		three := s.layer("shop", "3", entries)
		s.incident(st, "shop", "3", check.Final, 2150, superseded("1", 2100), superseded("2", 2150))
		set(st, st.Layers[0], s.serve(three)) // in a fold of both, no two could be alike
		s.publish(st)
		_, found := s.look(t.TempDir())
		if !slices.Equal(rules(found), []string{"twins"}) || !strings.Contains(found[0].What, "there are 2149 of them") {
			t.Fatalf("%+v", found)
		}
		verified(t, s, found[0], true)
	})
}

// source is the root of a source layer of the newest statement.
func (s *sham) source(incident, revision string) check.Hash {
	for _, l := range s.st.Layers {
		for _, src := range l.Sources {
			if src.Incident == incident && src.Revision == revision {
				return src.Root
			}
		}
	}
	s.t.Fatalf("no source %s %s", incident, revision)
	return check.Hash{}
}

// TestLayersLeave: layers are asked for a week after they have left the statement, and then no more; a monitor that comes
// later counts what it could not see.
func TestLayersLeave(t *testing.T) {
	s := honest(t)
	gone := map[string]bool{}
	for root := range s.layers {
		gone[root.String()] = true
	}
	for _, l := range s.st.Layers {
		delete(gone, l.ID.String())
		for _, src := range l.Sources {
			delete(gone, src.Root.String())
		}
	}
	if len(gone) != 1 { // the fold of statement 3
		t.Fatal(len(gone))
	}
	s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
		if gone[strings.TrimPrefix(r.URL.Path, "/check/v1/layers/")] {
			http.NotFound(w, r)
			return true
		}
		return false
	}
	if _, found := s.look(t.TempDir()); !slices.Equal(rules(found), []string{"layer-missing"}) {
		t.Fatalf("within the week: %+v", found)
	}
	s.now = s.now.Add(8 * 24 * time.Hour)
	s.publish(s.again())
	if sum, found := s.look(t.TempDir()); !sum.OK || sum.Unverified != 1 {
		t.Fatalf("after it: %+v %+v", sum, found)
	}
}

// TestShown: what is shown is what was signed.
func TestShown(t *testing.T) {
	for name, c := range map[string]struct {
		rules []string
		lie   func(t *testing.T, s *sham)
	}{
		"an older statement": {[]string{"shown"}, func(t *testing.T, s *sham) {
			old, oldst := s.raw, s.st
			s.publish(s.again())
			s.raw, s.st = old, oldst
		}},
		"no statement": {[]string{"shown"}, func(t *testing.T, s *sham) {
			s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/check/v1/statement" {
					w.WriteHeader(404)
					return true
				}
				return false
			}
		}},
		"nonsense": {[]string{"shown"}, func(t *testing.T, s *sham) {
			s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/check/v1/statement" {
					w.Write([]byte(`{"statement":"e30","proof":""}`))
					return true
				}
				return false
			}
		}},
		"unwitnessed": {[]string{"unwitnessed"}, func(t *testing.T, s *sham) {
			s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/check/v1/statement" {
					w.WriteHeader(503)
					w.Write([]byte(`{"type":"/problems/unwitnessed","title":"x","status":503}`))
					return true
				}
				return false
			}
		}},
		"expired":         {[]string{"expired"}, func(t *testing.T, s *sham) { s.now = s.now.Add(check.LifeAlone) }},
		"from the future": {[]string{"not-yet"}, func(t *testing.T, s *sham) { s.now = s.now.Add(-time.Hour) }},
		"another state": {[]string{"api-state"}, func(t *testing.T, s *sham) {
			s.states = map[string]string{"shop": "final", "town": "investigating"}
		}},
		"an incident not listed": {[]string{"api-incident"}, func(t *testing.T, s *sham) {
			s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/api/v1/incidents" {
					w.Write([]byte(`{"incidents":[{"id":"shop","state":"final"}]}`))
					return true
				}
				return false
			}
		}},
		"an incident of nobody": {[]string{"api-state"}, func(t *testing.T, s *sham) {
			s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/api/v1/incidents" {
					w.Write([]byte(`{"incidents":[{"id":"shop","state":"final"},{"id":"town","state":"final"},{"id":"ghost","state":"final"}]}`))
					return true
				}
				return false
			}
		}},
		"a notice that is not in the ledger": {[]string{"api-notice"}, func(t *testing.T, s *sham) {
			s.notices = append(s.notices, shamNotice{id: "ghost-v1"})
		}},
		"a notice not listed":   {[]string{"api-notice"}, func(t *testing.T, s *sham) { s.notices = s.notices[:1] }},
		"another text of a one": {[]string{"api-notice"}, func(t *testing.T, s *sham) { s.notices[1].hash[0] ^= 1 }},
		"another script":        {[]string{"page-script"}, func(t *testing.T, s *sham) { s.script = "send(address)" }},
		"a script within":       {[]string{"page-script"}, func(t *testing.T, s *sham) { s.inline = "<script>send()</script>" }},
		"a handler within":      {[]string{"page-script"}, func(t *testing.T, s *sham) { s.inline = `<p onclick="send()">` }},
		"a script of others":    {[]string{"page-script"}, func(t *testing.T, s *sham) { s.inline = `<script src="https://elsewhere.example/x.js"></script>` }},
		"a notice's number":     {[]string{"notice"}, func(t *testing.T, s *sham) { s.notice("shop", 4) }},
		"no notice":             {[]string{"notice"}, func(t *testing.T, s *sham) { s.hist.add(check.KindNotice, []byte("{}")) }},
		"no head of cases":      {[]string{"cases"}, func(t *testing.T, s *sham) { s.hist.add(check.KindCases, []byte("{}")) }},
		"two heads of a day":    {[]string{"cases"}, func(t *testing.T, s *sham) { s.cases("2026-11-28"); s.cases("2026-11-28") }},
		"a head of a past day":  {[]string{"cases"}, func(t *testing.T, s *sham) { s.cases("2026-11-27") }},
		"no record of scripts":  {[]string{"page"}, func(t *testing.T, s *sham) { s.hist.add(check.KindPage, []byte("{}")) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := honest(t)
			dir := t.TempDir()
			if sum, found := s.look(dir); !sum.OK {
				t.Fatalf("%+v", found)
			}
			c.lie(t, s)
			sum, found := s.look(dir)
			for _, rule := range c.rules {
				if sum.OK || !slices.Contains(rules(found), rule) {
					t.Fatalf("%+v %+v", sum, found)
				}
			}
		})
	}
}

// TestSecond: a script that only some visitors get is seen from a second address.
func TestSecond(t *testing.T) {
	s := honest(t)
	other := s.mirror()
	other.script = "send(address)"
	second := func(o *Options) { o.Second = other.url }
	_, found := s.look(t.TempDir(), second)
	if !slices.Equal(rules(found), []string{"page-script"}) || !strings.Contains(found[0].What, other.url) {
		t.Fatalf("%+v", found)
	}
	other.script = s.script
	if sum, found := s.look(t.TempDir(), second); !sum.OK {
		t.Fatalf("%+v", found)
	}
	// A new release is recorded first.
	s.script = "check(2)"
	s.page()
	other.script, other.hist = s.script, s.hist
	if sum, found := s.look(t.TempDir(), second); !sum.OK {
		t.Fatalf("%+v", found)
	}
}

// TestPlanted: accounts that an auditor has planted are looked up at each revision, and so is who agreed to it.
func TestPlanted(t *testing.T) {
	list := func(text string) func(*Options) {
		ids, err := ParseIdentities([]byte("kind,value,expect\n" + text))
		if err != nil {
			t.Fatal(err)
		}
		return func(o *Options) { o.Identities = ids }
	}
	s := honest(t)
	dir := t.TempDir()
	lines := "email,m3@shop.example.com,shop\nemail,m4@town.example.com,town\nemail,nobody@else.example.com,\nemail,m5@town.example.com,\n"
	if sum, found := s.look(dir, list(lines)); !sum.OK {
		t.Fatalf("%+v", found)
	}
	asked := s.asked["/check/v1/evaluate"]
	if sum, _ := s.look(dir, list(lines)); !sum.OK || s.asked["/check/v1/evaluate"] != asked {
		t.Fatal("looked up again although nothing has changed")
	}
	// A first revision without somebody who was in the export.
	_, found := s.look(t.TempDir(), list(lines+"email,canary@example.com,shop\n"))
	if !slices.Equal(rules(found), []string{"planted"}) || !strings.Contains(found[0].What, "line 6") || strings.Contains(found[0].What, "canary") {
		t.Fatalf("%+v", found)
	}
	b, err := os.ReadFile(found[0].Evidence)
	if err != nil {
		t.Fatal(err)
	}
	policy, _ := check.LedgerPolicy(s.vkey)
	if a, err := check.VerifyAnswer(b, policy); err != nil || a.Verdict.Result != check.NotInScope {
		t.Fatalf("the answer as evidence: %v", err)
	}
	// The next revision of town leaves two of them out: one was planted, one only asked.
	st := s.again()
	town := s.seal("town", "2", many("town", 4))
	s.incident(st, "town", "2", check.Final, 4, superseded("1", 9))
	set(st, s.serve(append(st.Layers[0].Sources, town)...))
	s.publish(st)
	_, found = s.look(dir, list(lines))
	if !slices.Equal(rules(found), []string{"dropped"}) || len(found) != 2 {
		t.Fatalf("%+v", found)
	}
}

// TestKeysRefused: another ledger's key, or another's state, is refused.
func TestKeysRefused(t *testing.T) {
	s, other := honest(t), honest(t)
	if _, found := s.look(t.TempDir(), func(o *Options) { o.LedgerKey = other.vkey }); !slices.Contains(rules(found), "checkpoint") {
		t.Fatalf("%+v", found)
	}
	dir := t.TempDir()
	s.look(dir)
	if _, err := Open(dir, Options{Server: s.url, LedgerKey: other.vkey}); !errors.Is(err, ErrState) {
		t.Fatalf("%v", err)
	}
	path := filepath.Join(dir, stateFile)
	if err := os.WriteFile(path, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{Server: s.url, LedgerKey: s.vkey}); !errors.Is(err, ErrState) {
		t.Fatalf("%v", err)
	}
}

// TestUnreachable: a server that does not answer is no verdict.
func TestUnreachable(t *testing.T) {
	s := honest(t)
	m := s.watch(t.TempDir(), func(o *Options) { o.Server = "http://127.0.0.1:1" })
	defer m.Close()
	if sum, err := m.Round(t.Context(), nil); err == nil || sum.OK {
		t.Fatalf("%+v %v", sum, err)
	}
}

// child runs a monitor until it is done, or killed.
func child(args []string, step func()) error {
	dir, url, vkey := args[0], args[1], args[2]
	now, err := time.Parse(time.RFC3339, args[3])
	if err != nil {
		return err
	}
	m, err := Open(dir, Options{Server: url, LedgerKey: vkey, Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	m.dir.Watch(step)
	s, err := m.Round(context.Background(), nil)
	if err != nil {
		return err
	}
	fmt.Printf("%v %d %s\n", s.OK, s.Size, s.Root)
	return nil
}

// TestKill kills a monitor at its steps; started again it comes to what an undisturbed one does.
func TestKill(t *testing.T) {
	s := honest(t)
	for len(s.hist.entries) < 600 {
		s.publish(s.again())
	}
	want, _ := s.look(t.TempDir())
	dir := t.TempDir()
	at := 1
	for ; ; at += 5 {
		said, killed := killtest.Kill(t, at, dir, s.url, s.vkey, s.now.Format(time.RFC3339))
		if !killed {
			if len(said) != 1 || said[0] != fmt.Sprintf("%v %d %s", want.OK, want.Size, want.Root) {
				t.Fatalf("%q; undisturbed %+v", said, want)
			}
			break
		}
	}
	if at < 10 {
		t.Fatal("it was hardly ever killed")
	}
	if got, found := s.look(dir); got != want {
		t.Fatalf("%+v %+v, undisturbed %+v", got, found, want)
	}
}

// FuzzIdentities: what is read is within the limits, and no error holds what was read.
func FuzzIdentities(f *testing.F) {
	f.Add([]byte("kind,value,expect\nemail,a@example.com,shop town\n"))
	f.Add([]byte("kind,value,organisation\naccount,12345,shop\nphone,+819012345678,\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ids, err := ParseIdentities(data)
		if err != nil && !errors.Is(err, ErrIdentities) || len(ids) > maxIdentityCount {
			t.Fatalf("%v", err)
		}
	})
}

// FuzzScripts: no page makes it fail.
func FuzzScripts(f *testing.F) {
	f.Add([]byte(`<html data-worker="/w.js"><script src=/a.js></script>`))
	f.Fuzz(func(t *testing.T, page []byte) {
		if read := readPage(page); len(read.odd) > maxOdd {
			t.Fatal("more is told than is to be")
		}
	})
}

// BenchmarkMonitor follows a ledger of 10,000 entries from the first one.
func BenchmarkMonitor(b *testing.B) {
	s := honest(b)
	for len(s.hist.entries) < 10_000 {
		s.publish(s.again())
	}
	for b.Loop() {
		if sum, found := s.look(b.TempDir()); !sum.OK || sum.Size != 10_000 {
			b.Fatalf("%+v %+v", sum, found)
		}
	}
}
