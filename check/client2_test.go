package check

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/identity"
)

var (
	otherStates = []NotCovered{{"clinic-2025", WhyByMail}, {"mistake-2024", WhyWithdrawn}, {"old-2010", WhyRetired}}
	notChecked2 = []NotCovered{{"again-2022", WhyReopened}, otherStates[0], otherStates[1], otherStates[2], {"points-2021", WhyKindNotIndexed}, {"town-2026", WhyInvestigating}}
)

// answers2 are verdicts over the world of version 2, by whom they are about.
func answers2(t testing.TB) map[identity.Identity]Verdict {
	t.Helper()
	account, err := identity.NewAccount("points", "00003")
	if err != nil {
		t.Fatal(err)
	}
	naver := []Unreadable{{"naver-2013", 5}}
	both := []string{"naver-2013", "shop-2020"}
	without := func(id string) []NotCovered {
		return slices.DeleteFunc(slices.Clone(notChecked2), func(n NotCovered) bool { return n.ID == id })
	}
	return map[identity.Identity]Verdict{
		email(t, worldAffected): {Result: Affected, Checked: both, NotCovered: notChecked2, Unreadable: naver, Compromised: []string{}, Dropped: []DroppedFinding{},
			Incidents: []Finding{{"naver-2013", []string{"email", "nickname", "password:hashed"}}, {"shop-2020", []string{"address", "email"}}}},
		email(t, worldDropped): {Result: NotInScope, Checked: both, NotCovered: notChecked2, Unreadable: naver, Compromised: []string{}, Incidents: []Finding{},
			Dropped: []DroppedFinding{{"naver-2013", "1", []string{"email"}}}},
		email(t, worldReopened): {Result: Affected, Checked: append([]string{"again-2022"}, both...), NotCovered: without("again-2022"), Unreadable: naver,
			Compromised: []string{}, Dropped: []DroppedFinding{}, Incidents: []Finding{{"again-2022", []string{"email"}}}},
		email(t, worldStranger): {Result: NotInScope, Checked: both, NotCovered: notChecked2, Unreadable: naver, Compromised: []string{}, Incidents: []Finding{},
			Dropped: []DroppedFinding{}},
		account: {Result: Affected, Checked: []string{"points-2021"}, Compromised: []string{"points-2021"}, Unreadable: []Unreadable{}, Dropped: []DroppedFinding{},
			Incidents: []Finding{{"points-2021", []string{"account-id"}}},
			NotCovered: []NotCovered{{"again-2022", WhyKindNotIndexed}, otherStates[0], otherStates[1], {"naver-2013", WhyKindNotIndexed}, otherStates[2],
				{"shop-2020", WhyKindNotIndexed}, {"town-2026", WhyInvestigating}}},
	}
}

func TestCheck2(t *testing.T) {
	w := newWorld2(t)
	url, seen := w.serve(lie{})
	c := w.client(url)
	var traffic []string
	for who, v := range answers2(t) {
		v.AsOf, v.Seq = At(worldTime), 1
		*seen = nil
		a, err := c.Check(t.Context(), who)
		if err != nil {
			t.Fatalf("%s: %v", who.Value, err)
		}
		if !reflect.DeepEqual(a.Verdict, v) {
			t.Errorf("%s:\n got %+v\nwant %+v", who.Value, a.Verdict, v)
		}
		slices.Sort(*seen)
		if traffic != nil && !slices.Equal(traffic, *seen) {
			t.Errorf("requests tell answers apart:\n%q\n%q", traffic, *seen)
		}
		traffic = *seen
		file, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := VerifyAnswer(file, w.policy())
		if err != nil {
			t.Fatalf("%s: verify: %v", who.Value, err)
		}
		if !reflect.DeepEqual(again.Verdict, v) || !slices.Equal(again.Vouched.Witnesses, a.Vouched.Witnesses) || len(a.Vouched.Witnesses) != 2 {
			t.Errorf("%s: verified as %+v by %+v", who.Value, again.Verdict, again.Vouched)
		}
	}
}

// TestLies2 has a server lie about groups in every way: each ends in a named
// error.
func TestLies2(t *testing.T) {
	w := newWorld2(t)
	group := func(change func([]byte) []byte) lie {
		return lie{group: func(body []byte, _ Hash) []byte { return change(body) }}
	}
	for name, c := range map[string]struct {
		l    lie
		want string
	}{
		"longer":  {group(func(b []byte) []byte { return append(b, 0) }), "bucket"},
		"shorter": {group(func(b []byte) []byte { return b[:len(b)-1] }), "bucket"},
		"empty":   {group(func(b []byte) []byte { return b[:0] }), "bucket"},
		"zeros":   {group(func(b []byte) []byte { return make([]byte, len(b)) }), "bucket"},
		"halves exchanged": {group(func(b []byte) []byte {
			return append(bytes.Clone(b[len(b)/2:]), b[:len(b)/2]...)
		}), "bucket"},
		"an entry of the first bucket":  {group(func(b []byte) []byte { b[10] ^= 1; return b }), "bucket"},
		"an entry of the second bucket": {group(func(b []byte) []byte { b[len(b)/2+10] ^= 1; return b }), "bucket"},
		"a longer bucket":               {lie{bucket: func(b []byte, _ Hash, _ int64) []byte { return append(b, 0) }}, "bucket"},
		"a redirect": {lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/layers/") {
				return false
			}
			http.Redirect(rw, r, "http://127.0.0.1:1/", http.StatusFound)
			return true
		}}, "server"},
		"forbidden": {lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/groups/") {
				return false
			}
			rw.WriteHeader(http.StatusForbidden)
			return true
		}}, "server"},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := w.serve(c.l)
			for _, who := range []string{worldAffected, worldStranger} {
				if a, err := w.client(url).Check(t.Context(), email(t, who)); err == nil || Code(err) != c.want {
					t.Errorf("%s: %v, %v", who, a, err)
				}
			}
		})
	}
}

// TestMissing2 has a server not give one of the layers: what it holds is not
// covered, and the answer is incomplete for whoever was not found elsewhere.
func TestMissing2(t *testing.T) {
	w := newWorld2(t)
	current, fold := single(w.st), fold3(w.st)
	if current.Key != "k1" || len(current.Sources) != 1 {
		for i := range w.st.Layers {
			if l := &w.st.Layers[i]; l.Key == "k1" && len(l.Sources) == 1 {
				current = l
			}
		}
	}
	for name, c := range map[string]struct {
		gone    Hash
		who     string
		result  Result
		missing []string
	}{
		"the current revision's, of whom it holds":  {current.ID, worldAffected, Affected, []string{"naver-2013"}},
		"the current revision's, of a stranger":     {current.ID, worldStranger, Incomplete, []string{"naver-2013"}},
		"the current revision's, of who is dropped": {current.ID, worldDropped, Incomplete, []string{"naver-2013"}},
		"the fold, of whom it holds too":            {fold.ID, worldAffected, Affected, []string{"again-2022", "shop-2020"}},
		"the fold, of a stranger":                   {fold.ID, worldStranger, Incomplete, []string{"again-2022", "naver-2013", "shop-2020"}},
		"a source that was drawn":                   {fold.Sources[0].Root, worldStranger, Incomplete, []string{"again-2022", "naver-2013", "shop-2020"}},
	} {
		t.Run(name, func(t *testing.T) {
			hide := func(b []byte, l Hash) []byte {
				if l == c.gone {
					return nil
				}
				return b
			}
			url, _ := w.serve(lie{group: hide, bucket: func(b []byte, l Hash, _ int64) []byte { return hide(b, l) }})
			a, err := w.client(url).Check(t.Context(), email(t, c.who))
			if err != nil {
				t.Fatal(err)
			}
			var missing []string
			for _, n := range a.Verdict.NotCovered {
				if n.Why == WhyLayerMissing {
					missing = append(missing, n.ID)
				}
			}
			if a.Verdict.Result != c.result || a.Verdict.Complete() || !slices.Equal(missing, c.missing) {
				t.Errorf("%s, missing %q: %+v", a.Verdict.Result, missing, a.Verdict)
			}
			file, err := a.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := VerifyAnswer(file, w.policy()); err != nil {
				t.Errorf("verify: %v", err)
			}
			client := w.client(url)
			client.Audit = true
			if _, err := client.Check(t.Context(), email(t, c.who)); c.gone == fold.Sources[0].Root && !errors.Is(err, ErrAudit) {
				t.Errorf("audit: %v", err)
			}
		})
	}
}

// TestFoldOfNoise has an operator publish a fold in which one entry is replaced,
// the counts intact: whoever draws its source sees it, without asking for an audit.
func TestFoldOfNoise(t *testing.T) {
	w := newWorld2(t)
	st := clone(t, w.st)
	l := fold3(st)
	y, err := w.keys["k1"].Output(email(t, worldReopened).Input())
	if err != nil {
		t.Fatal(err)
	}
	want := SealEntry(&y, 16, "again-2022", "3", 0)
	noisy := w.noise(l.ID, want, l.N)
	l.ID, l.Root, l.Pad = noisy.Root, noisy.Root, noisy.Pad
	slices.SortFunc(st.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	w.publish(st)
	url, _ := w.serve(lie{})
	for _, who := range []string{worldReopened, worldStranger} {
		if _, err := w.client(url).Check(t.Context(), email(t, who)); !errors.Is(err, ErrAudit) {
			t.Errorf("%s: %v", who, err)
		}
	}
}

// noise writes a layer again with another entry in the place of one.
func (w *world) noise(layer Hash, gone Entry, n int64) LayerInfo {
	w.t.Helper()
	var entries []byte
	for e, err := range w.open(layer).Entries(w.t.Context()) {
		if err != nil {
			w.t.Fatal(err)
		}
		if !bytes.Equal(e[:tagEnd], gone[:tagEnd]) {
			entries = append(entries, e...)
		}
	}
	entries = append(entries, randomEntries(1, 16, 99)...)
	sortEntries(entries)
	return w.write(func(b *bytes.Buffer) (LayerInfo, error) { return WriteLayer(b, n, 16, false, each(entries)) })
}

// newFoldWorld publishes a fold of eight sources, one member each, and an
// operator's fold of it in which member gone is noise; gone < 0: an honest one.
func newFoldWorld(t testing.TB, gone int) *world { return newFoldOf(t, 8, gone) }

// newFoldOf is newFoldWorld with that many sources.
func newFoldOf(t testing.TB, n, gone int) *world {
	t.Helper()
	w := &world{t: t, keys: map[string]*EvaluatorKey{}, layers: map[Hash][]byte{}, now: worldTime.Add(time.Hour)}
	w.ledgerKey("ledger")
	st := &Statement{V: 2, Seq: 1, Time: At(worldTime), Expires: At(worldTime.Add(LifeAlone)), PhoneRegion: "JP",
		Ledger: &Signing{VKeyHash(w.vkey), VKeyHash(vkeyOf("ledger 2")), ""}}
	w.evaluator(st, "k1", KeyLive)
	var sources []Source
	for i := range n {
		id := fmt.Sprintf("in-%02d", i)
		sources = append(sources, w.seal("k1", id, "1", []identity.Identity{email(t, fmt.Sprintf("member%d@example.com", i))}, 1))
		st.Incidents = append(st.Incidents, Incident{ID: id, Organisation: "Example", Title: map[string]string{"en": id}, Revision: "1", State: Final, AsOf: At(worldTime),
			Counts: map[string]int64{"email": 1}, Sets: [][]string{{"email"}}, Unreadable: map[string]int64{}, Superseded: []Superseded{}})
	}
	l := w.fold("k1", sources...)
	if gone >= 0 {
		y, err := w.keys["k1"].Output(email(t, fmt.Sprintf("member%d@example.com", gone)).Input())
		if err != nil {
			t.Fatal(err)
		}
		info := w.noise(l.ID, SealEntry(&y, 16, fmt.Sprintf("in-%02d", gone), "1", 0), l.N)
		l.ID, l.Root, l.Pad = info.Root, info.Root, info.Pad
	}
	st.Layers = []Layer{l}
	w.publish(st)
	return w
}

// TestSample draws eight sources of twenty, others each time, and sees noise
// exactly where its source is drawn; an audit sees it always. A "no" of an
// incident whose source was not drawn says so.
func TestSample(t *testing.T) {
	const victim, sources = 5, 20
	honest, noisy := newFoldOf(t, sources, -1), newFoldOf(t, sources, victim)
	victims := noisy.st.Layers[0].Sources[victim].Root.String()
	drawn := map[string]bool{}
	caught, passed := 0, 0
	for range 40 {
		var mu sync.Mutex
		var asked []string
		look := lie{before: func(_ http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			if part := strings.Split(r.URL.Path, "/"); len(part) > 4 && part[3] == "layers" {
				asked = append(asked, part[4])
			}
			return false
		}}
		url, _ := honest.serve(look)
		a, err := honest.client(url).Check(t.Context(), email(t, worldStranger))
		if err != nil {
			t.Fatal(err)
		}
		if len(asked) != 9 || len(a.Sources) != 8 {
			t.Fatalf("%d layers are asked, and %d sources are kept", len(asked), len(a.Sources))
		}
		if v := a.Verdict; v.Result != NotInScope || v.Complete() || len(v.Sampled) != sources-8 || slices.ContainsFunc(a.Sources, func(s AnswerGroup) bool {
			i := slices.IndexFunc(honest.st.Layers[0].Sources, func(src Source) bool { return src.Root == s.Layer })
			return slices.Contains(v.Sampled, honest.st.Layers[0].Sources[i].Incident)
		}) {
			t.Fatalf("taken at its word: %+v", v)
		}
		for _, root := range asked[1:] {
			drawn[root] = true
		}
		asked = nil
		url, _ = noisy.serve(look)
		a, err = noisy.client(url).Check(t.Context(), email(t, fmt.Sprintf("member%d@example.com", victim)))
		if err == nil && !slices.Contains(a.Verdict.Sampled, "in-05") {
			t.Fatalf("a \"no\" that nobody has compared: %+v", a.Verdict)
		}
		if slices.Contains(asked, victims) != errors.Is(err, ErrAudit) || err != nil && !errors.Is(err, ErrAudit) {
			t.Fatalf("drawn %v: %v", slices.Contains(asked, victims), err)
		}
		if err != nil {
			caught++
		} else {
			passed++
		}
	}
	if len(drawn) != sources || caught == 0 || passed == 0 { // all but impossible: 20·(3/5)^40 and less
		t.Errorf("%d sources drawn, noise seen %d times of %d", len(drawn), caught, caught+passed)
	}
	url, _ := honest.serve(lie{})
	c := honest.client(url)
	c.Audit = true
	if a, err := c.Check(t.Context(), email(t, worldStranger)); err != nil || !a.Verdict.Complete() || a.Verdict.Sampled != nil {
		t.Errorf("an honest fold, audited: %v", err)
	}
	url, _ = noisy.serve(lie{})
	c = noisy.client(url)
	c.Audit = true
	if _, err := c.Check(t.Context(), email(t, worldStranger)); !errors.Is(err, ErrAudit) {
		t.Errorf("audit: %v", err)
	}
}

// TestNothingLeaves has statements for which nothing may be asked: one that
// claims 2^35 entries under two keys, and one whose keys are others than before.
func TestNothingLeaves(t *testing.T) {
	w := newWorld2(t)
	pins, err := OpenPins(filepath.Join(t.TempDir(), "ledgers.json"))
	if err != nil {
		t.Fatal(err)
	}
	url, seen := w.serve(lie{})
	c := w.client(url)
	c.Pins = pins
	if _, err := c.Check(t.Context(), email(t, worldStranger)); err != nil {
		t.Fatal(err)
	}
	first := w.st
	for name, lies := range map[string]struct {
		change func(*Statement)
		code   string
	}{
		"2^35 entries": {func(s *Statement) {
			for i := range s.Keys {
				s.Keys[i].LocatorBits = 24
			}
			for i := range s.Layers {
				l := &s.Layers[i]
				in := s.Incident(l.Sources[0].Incident)
				l.Sources, l.N, l.Bits = l.Sources[:1], 1<<35, 24
				l.Sources[0].N, l.Sources[0].Root, in.Counts, l.Pad = 1<<35, l.Root, map[string]int64{"email": 1 << 35}, 32<<10
				in.Superseded, in.Revision, in.State = []Superseded{}, l.Sources[0].Revision, Final
			}
			s.Layers = slices.DeleteFunc(s.Layers, func(l Layer) bool { return l.Sources[0].Incident == "again-2022" })
			for _, id := range []string{"again-2022", "shop-2020"} {
				s.Incident(id).State = Investigating
			}
		}, "too-coarse"},
		"another key":                {func(s *Statement) { s.Keys[1].Public = otherKey() }, "chain"},
		"other bits of the same key": {func(s *Statement) { s.Keys[1].LocatorBits = 15 }, "chain"},
		"a revision relabelled": {func(s *Statement) {
			s.Incident("shop-2020").Revision = "2"
			fold3(s).Sources[2].Revision = "2"
		}, "chain"},
	} {
		t.Run(name, func(t *testing.T) {
			st := clone(t, first)
			st.Seq, st.Prev = 2, StatementHash(w.raw)
			if lies.code == "too-coarse" {
				st.Seq, st.Prev = 1, Hash{}
				c.Pins = nil
				defer func() { c.Pins = pins }()
			}
			raw := w.raw
			lies.change(st)
			w.publish(st)
			defer func() { w.st, w.raw = first, raw; w.leaves = w.leaves[:len(w.leaves)-1] }()
			*seen = nil
			if _, err := c.Check(t.Context(), email(t, worldStranger)); err == nil || Code(err) != lies.code {
				t.Errorf("%v, want %s", err, lies.code)
			}
			if slices.ContainsFunc(*seen, func(s string) bool { return strings.HasPrefix(s, "POST") }) {
				t.Error("an evaluation was asked for")
			}
		})
	}
}

// TestVerifyByPins compares a saved answer with what is remembered.
func TestVerifyByPins(t *testing.T) {
	w := newFoldWorld(t, -1)
	path := filepath.Join(t.TempDir(), "ledgers.json")
	open := func() *Pins {
		p, err := OpenPins(path)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	url, _ := w.serve(lie{})
	ask := func() []byte {
		c := &Client{Server: url, Pins: open(), Now: func() time.Time { return w.now }}
		a, err := c.Check(t.Context(), email(t, worldStranger))
		if err != nil {
			t.Fatal(err)
		}
		file, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	verify := func(what string, file []byte, code string) *Answer {
		t.Helper()
		a, err := open().VerifyAnswer(file, nil)
		if (err == nil) != (code == "") || err != nil && Code(err) != code {
			t.Errorf("%s: %v, want %q", what, err, code)
		}
		return a
	}
	first := ask()
	if a := verify("the one just saved", first, ""); a.Vouched.PinnedSince == nil || a.Vouched.Host == "" || a.Vouched.Organisation != "Example" {
		t.Errorf("%+v", a.Vouched)
	}
	st := clone(t, w.st)
	st.Seq, st.Prev = 2, StatementHash(w.raw)
	w.publish(st)
	second := ask()
	verify("an earlier one", first, "")
	verify("a later one", second, "")
	c := &Client{Server: url, Pins: open(), Now: func() time.Time { return w.now }}
	if a, err := c.VerifyAnswer(t.Context(), first); err != nil || a.Vouched.PinnedSince == nil {
		t.Errorf("an earlier one, compared with the server's ledger: %v", err)
	}
	for kind, code := range map[string]string{KindStatement: "", KindNotice: "inclusion"} {
		if _, err := open().Prove(kind, w.raw, w.proof, nil); (err == nil) != (code == "") || err != nil && Code(err) != code {
			t.Errorf("published, as a %s: %v", kind, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	verify("of a ledger that is not known", first, "not-pinned")

	// A fork of the same operator, who signs whatever is wanted.
	other := newFoldWorld(t, 3)
	otherURL, _ := other.serve(lie{})
	c = &Client{Server: otherURL, Pins: open(), Now: func() time.Time { return w.now }}
	if _, err := c.Check(t.Context(), email(t, worldStranger)); err != nil && !errors.Is(err, ErrAudit) {
		t.Fatal(err)
	}
	verify("of another history, the same size", first, "fork")
	verify("of another history, the next number", second, "fork")
	if _, err := c.VerifyAnswer(t.Context(), second); !errors.Is(err, ErrRollback) {
		t.Errorf("of a larger ledger than the server's: %v", err)
	}
	if _, err := open().Prove(KindStatement, w.raw, w.proof, nil); !errors.Is(err, ErrFork) {
		t.Errorf("published in another history: %v", err)
	}
}

// TestVerifyWitnessed has an old answer vouched for by the witnesses of the
// ledger that it is the beginning of.
func TestVerifyWitnessed(t *testing.T) {
	w := newFoldWorld(t, -1)
	pins, err := OpenPins(filepath.Join(t.TempDir(), "ledgers.json"))
	if err != nil {
		t.Fatal(err)
	}
	url, _ := w.serve(lie{})
	c := &Client{Server: url, Pins: pins, Now: func() time.Time { return w.now }}
	a, err := c.Check(t.Context(), email(t, worldStranger))
	if err != nil {
		t.Fatal(err)
	}
	file, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	one := newWitness("one")
	w.witnesses = map[string]*witness{"one": one}
	st := clone(t, w.st)
	st.Seq, st.Prev, st.Ledger.Policy = 2, StatementHash(w.raw), "witness one "+one.VKey()+"\nquorum one\n"
	w.publish(st)
	if c.Policy, err = ParsePolicy([]byte(st.Ledger.Policy)); err != nil {
		t.Fatal(err)
	}
	if _, err := pins.VerifyAnswer(file, c.Policy); !errors.Is(err, ErrUnwitnessed) {
		t.Errorf("alone: %v", err)
	}
	a, err = c.VerifyAnswer(t.Context(), file)
	if err != nil || !slices.Equal(a.Vouched.Witnesses, []string{one.name}) {
		t.Errorf("with the server's ledger: %v", err)
	}
	if a, err := pins.VerifyAnswer(file, nil); err != nil || len(a.Vouched.Witnesses) != 0 {
		t.Errorf("by the policy of its time: %v", err)
	}
}

// upgraded is a statement of version 1 as version 2 says it.
func upgraded(t testing.TB, s *Statement, key, next string) *Statement {
	st := clone(t, s)
	st.V, st.Seq, st.Prev = 2, s.Seq+1, Hash{}
	st.Expires = At(st.Time.Add(LifeAlone))
	st.Ledger = &Signing{VKeyHash(key), VKeyHash(next), ""}
	for i := range st.Keys {
		st.Keys[i].State = KeyLive
	}
	for i := range st.Incidents {
		st.Incidents[i].Unreadable, st.Incidents[i].Superseded = map[string]int64{}, []Superseded{}
	}
	return st
}

// TestOldAnswers verifies an answer file of version 1 after its ledger went on to
// version 2 and to another key, by what is remembered since version 1 and by a
// client that met it later.
func TestOldAnswers(t *testing.T) {
	w := newWorld(t)
	file, err := w.answer(worldAffected).Encode()
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "ledgers.json")
	if err := writeFile(old, fmt.Sprintf(`{"v":1,"ledgers":{%q:{"keys":[{"vkey":%q,"since":"2026-01-01T00:00:00Z"}],"seq":1,"statement":%q}},"servers":{}}`,
		worldOrigin, w.vkey, StatementHash(w.raw))); err != nil {
		t.Fatal(err)
	}
	first := w.vkey
	st := upgraded(t, w.st, first, vkeyOf("ledger 2"))
	st.Prev = StatementHash(w.raw)
	w.publish(st)
	w.keyList = []listedKey{{first, w.raw, w.proof}, {VKey: vkeyOf("ledger 2")}}
	w.ledgerKey("ledger 2")
	st = clone(t, st)
	st.Seq, st.Prev = 3, StatementHash(w.raw)
	st.Ledger.Key, st.Ledger.Next = VKeyHash(w.vkey), VKeyHash(vkeyOf("ledger 3"))
	w.publish(st)
	url, _ := w.serve(lie{})
	for name, path := range map[string]string{"since version 1": old, "met later": filepath.Join(t.TempDir(), "ledgers.json")} {
		pins, err := OpenPins(path)
		if err != nil {
			t.Fatal(err)
		}
		c := &Client{Server: url, Pins: pins, Now: func() time.Time { return w.now }}
		if _, err := c.Check(t.Context(), email(t, worldAffected)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a, err := pins.VerifyAnswer(file, nil)
		if name == "since version 1" {
			if err != nil || a.Vouched.PinnedSince.Format(timeLayout) != "2026-01-01T00:00:00Z" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		// Whoever met the ledger under its second key trusts the first no more than
		// a stranger's, until the server shows that it led to the second.
		if !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.VerifyAnswer(t.Context(), file); err != nil {
			t.Errorf("%s, with the server's list of keys: %v", name, err)
		}
		own, err := LedgerPolicy(first)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pins.VerifyAnswer(file, own); err != nil {
			t.Errorf("%s, the first key stated: %v", name, err)
		}
	}
}

// TestExtra takes extra data of a proof, also none, and gives them no meaning.
func TestExtra(t *testing.T) {
	w := newFoldWorld(t, -1)
	for extra, code := range map[string]string{"extra \n": "", "extra AAAA\n": "", "extra AA==\n": "", "extra AB==\n": "inclusion", "extra AAA\n": "inclusion",
		"extra\n": "inclusion", "extra A A=\n": "inclusion", "extra AAAA\nextra AAAA\n": "inclusion"} {
		proof := strings.Replace(w.proof, "\nindex ", "\n"+extra+"index ", 1)
		if err := VerifyInclusion(KindStatement, w.raw, proof, w.policy()); (err == nil) != (code == "") || err != nil && Code(err) != code {
			t.Errorf("%q: %v", extra, err)
		}
	}
}
