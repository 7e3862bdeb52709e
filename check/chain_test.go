package check

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// chainBase is a small statement of version 2 with everything the rules of the
// chain speak of. Its layers are only named: the rules look at no entry.
func chainBase() *Statement {
	st := &Statement{V: 2, Seq: 5, Prev: Hash{5}, Time: At(worldTime), Expires: At(worldTime.Add(time.Hour)), PhoneRegion: "JP",
		Ledger: &Signing{VKeyHash("ledger 1"), VKeyHash("ledger 2"), chainPolicy(2)}}
	w := &world{keys: map[string]*EvaluatorKey{}}
	w.evaluator(st, "k0", KeyEnded)
	w.evaluator(st, "k1", KeyLive)
	w.evaluator(st, "k2", KeyCompromised)
	sets := [][]string{{"email", "nickname"}, {"email"}}
	for _, in := range []Incident{
		{ID: "alpha", Revision: "2", State: Final, Counts: map[string]int64{"email": 20, "phone": 4}, Sets: sets,
			Superseded: []Superseded{{"1", map[string]int64{"email": 21}, sets[:1]}}},
		{ID: "beta", Revision: "1", State: Reopened, Counts: map[string]int64{"email": 7}, Sets: sets},
		{ID: "gamma", Revision: "1", State: Final, Counts: map[string]int64{"email": 9}, Sets: sets},
		{ID: "open", Revision: "0", State: Investigating},
		{ID: "post", Revision: "0", State: ByMail},
		{ID: "quit", Revision: "1", State: Retired},
		{ID: "slip", Revision: "0", State: Withdrawn},
	} {
		in.Organisation, in.Title, in.AsOf = "Example", map[string]string{"en": in.ID}, At(worldTime)
		in.Unreadable = map[string]int64{}
		if in.Counts == nil {
			in.Counts, in.Sets = map[string]int64{}, [][]string{}
		}
		if in.Superseded == nil {
			in.Superseded = []Superseded{}
		}
		st.Incidents = append(st.Incidents, in)
	}
	source(st, "k1", "alpha", "1", 21)
	source(st, "k1", "alpha", "2", 24)
	source(st, "k2", "beta", "1", 7)
	source(st, "k1", "gamma", "1", 9)
	return st
}

func chainPolicy(n int) string {
	policy := manyWitnesses(n)
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("w%d", i)
	}
	return strings.Replace(policy, "quorum w0\n", "group all all "+strings.Join(names, " ")+"\nquorum all\n", 1)
}

// source lists a revision as a layer of its own, named by a root that follows
// from incident and revision.
func source(st *Statement, key, incident, revision string, n int64) {
	root := Hash(sha256.Sum256([]byte(incident + " " + revision)))
	st.Layers = append(st.Layers, Layer{ID: root, Root: root, Key: key, N: n, Pad: 1024, Sources: []Source{{incident, revision, n, root}}})
	slices.SortFunc(st.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}

// chain1 is a statement of version 1 that chainBase could have followed.
func chain1() *Statement {
	st := chainBase()
	st.V, st.Seq, st.Prev, st.Ledger = 1, 4, Hash{4}, nil
	st.Time, st.Expires = At(worldTime.Add(-time.Hour)), At(worldTime)
	st.Keys = st.Keys[1:]
	for i := range st.Keys {
		st.Keys[i].State = ""
	}
	unlist(st, "alpha", "1")
	for i := range st.Incidents {
		in := &st.Incidents[i]
		in.Unreadable, in.Superseded = nil, nil
		if in.State == Reopened {
			in.State = Final
		}
	}
	st.Incident("slip").State = Investigating
	return st
}

// unlist takes a source, which is a layer here, away.
func unlist(st *Statement, incident, revision string) {
	st.Layers = slices.DeleteFunc(st.Layers, func(l Layer) bool { return l.Sources[0].Incident == incident && l.Sources[0].Revision == revision })
	if in := st.Incident(incident); in != nil {
		in.Superseded = slices.DeleteFunc(in.Superseded, func(s Superseded) bool { return s.Revision == revision })
	}
}

// layerOf finds the layer of a revision.
func layerOf(st *Statement, incident, revision string) *Layer {
	for i := range st.Layers {
		if src := st.Layers[i].Sources[0]; src.Incident == incident && src.Revision == revision {
			return &st.Layers[i]
		}
	}
	return nil
}

// reroot gives a layer another root.
func reroot(st *Statement, l *Layer, root Hash) {
	l.ID, l.Root, l.Sources[0].Root = root, root, root
	slices.SortFunc(st.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}

// close takes an incident out of the index.
func closeAs(st *Statement, incident string, state State) {
	for st.Incident(incident) != nil && slices.ContainsFunc(st.Layers, func(l Layer) bool { return l.Sources[0].Incident == incident }) {
		i := slices.IndexFunc(st.Layers, func(l Layer) bool { return l.Sources[0].Incident == incident })
		st.Layers = slices.Delete(st.Layers, i, i+1)
	}
	in := st.Incident(incident)
	in.State, in.Superseded = state, []Superseded{}
}

// revise seals the next revision of alpha; the one before stays listed.
func revise(st *Statement, key string) {
	in := st.Incident("alpha")
	in.Superseded = append(in.Superseded, Superseded{"2", in.Counts, in.Sets})
	in.Revision, in.Counts = "3", map[string]int64{"email": 19}
	source(st, key, "alpha", "3", 19)
}

// transition is a step from one statement to a later one: what changes, and
// the rule that it breaks.
type transition struct {
	from   func() *Statement
	change func(*Statement)
	code   string
	rule   string
}

var transitions = map[string]transition{
	"same-again":              {chainBase, func(*Statement) {}, "", ""},
	"next-revision":           {chainBase, func(s *Statement) { revise(s, "k1") }, "", ""},
	"kind-dropped":            {chainBase, func(s *Statement) { revise(s, "k1") }, "", ""},
	"incident-added":          {chainBase, func(s *Statement) { addIncident(s, "delta") }, "", ""},
	"settled":                 {chainBase, func(s *Statement) { settle(s, "open", Final) }, "", ""},
	"settled-by-mail":         {chainBase, func(s *Statement) { s.Incident("open").State = ByMail }, "", ""},
	"mistaken":                {chainBase, func(s *Statement) { s.Incident("open").State = Withdrawn }, "", ""},
	"reopened":                {chainBase, func(s *Statement) { s.Incident("gamma").State = Reopened }, "", ""},
	"settled-again":           {chainBase, func(s *Statement) { s.Incident("beta").State = Final }, "", ""},
	"retired":                 {chainBase, func(s *Statement) { closeAs(s, "alpha", Retired) }, "", ""},
	"withdrawn":               {chainBase, func(s *Statement) { closeAs(s, "gamma", Withdrawn) }, "", ""},
	"key-compromised":         {chainBase, func(s *Statement) { s.Keys[1].State = KeyCompromised }, "", ""},
	"key-ended":               {chainBase, func(s *Statement) { endKey(s); s.Keys[1].Held = nil }, "", ""},
	"key-ended-held":          {chainBase, endKey, "", ""},
	"key-ended-held-again":    {chainEnded, func(s *Statement) { s.Incident("alpha").Title["ja"] = "例" }, "", ""},
	"key-ended-held-at-last":  {func() *Statement { s := chainEnded(); s.Keys[1].Held = nil; return s }, func(s *Statement) { *s = *chainEnded() }, "", ""},
	"held-then-retired":       {chainEnded, func(s *Statement) { closeAs(s, "alpha", Retired); s.Keys[1].Held = []Held{} }, "", ""},
	"unreadable-next":         {chainBase, func(s *Statement) { revise(s, "k1"); s.Incident("alpha").Unreadable[Rows] = 3 }, "", ""},
	"unreadable-since-2":      {chain1, func(s *Statement) { *s = *chainBase(); s.Incident("gamma").Unreadable[Rows] = 3 }, "", ""},
	"title-changed":           {chainBase, func(s *Statement) { s.Incident("alpha").Title["ja"] = "例" }, "", ""},
	"ledger-succeeded":        {chainBase, func(s *Statement) { s.Ledger.Key, s.Ledger.Next = s.Ledger.Next, VKeyHash("ledger 3") }, "", ""},
	"policy-stronger":         {chainBase, func(s *Statement) { s.Ledger.Policy = chainPolicy(3) }, "", ""},
	"policy-other":            {chainBase, func(s *Statement) { s.Ledger.Policy = strings.Replace(chainPolicy(3), "all all", "all 2", 1) }, "", ""},
	"folded":                  {chainBase, func(s *Statement) { foldTwo(s) }, "", ""},
	"version-1-first":         {chain1, func(s *Statement) { *s = *chainBase() }, "", ""},
	"v1-key-vanished":         {chain1, func(s *Statement) { settle(s, "beta", Retired); closeAs1(s, "beta"); s.Keys = s.Keys[:1] }, "", ""},
	"v1-revision":             {chain1, func(s *Statement) { v1Revision(s) }, "", ""},
	"version":                 {chainBase, func(s *Statement) { *s = *chain1(); s.Time, s.Expires = At(worldTime), At(worldTime.Add(time.Hour)) }, "chain", "version"},
	"time":                    {chainBase, func(s *Statement) { s.Time = At(s.Time.Add(-time.Second)) }, "chain", "time"},
	"region":                  {chainBase, func(s *Statement) { s.PhoneRegion = "KR" }, "chain", "region"},
	"key-gone":                {chainBase, func(s *Statement) { s.Keys = s.Keys[1:] }, "chain", "keys"},
	"key-other-bytes":         {chainBase, func(s *Statement) { s.Keys[1].Public = otherKey() }, "chain", "keys"},
	"key-other-bits":          {chainBase, func(s *Statement) { s.Keys[1].LocatorBits = 8 }, "chain", "keys"},
	"key-renamed":             {chainBase, renameKey, "chain", "keys"},
	"key-live-again":          {chainBase, func(s *Statement) { s.Keys[2].State = KeyLive }, "chain", "keys"},
	"key-not-ended-again":     {chainBase, func(s *Statement) { closeAs(s, "beta", Retired); s.Keys[2].State, s.Keys[0].State = KeyEnded, KeyLive }, "chain", "keys"},
	"v1-key-renamed":          {chain1, func(s *Statement) { closeAs(s, "beta", Retired); closeAs1(s, "beta"); s.Keys[1].ID = "k9" }, "chain", "keys"},
	"ledger-other-next":       {chainBase, func(s *Statement) { s.Ledger.Next = VKeyHash("thief") }, "chain", "ledger"},
	"ledger-other-key":        {chainBase, func(s *Statement) { s.Ledger.Key = VKeyHash("thief") }, "chain", "ledger"},
	"policy-weaker":           {chainBase, func(s *Statement) { s.Ledger.Policy = chainPolicy(1) }, "policy-weaker", ""},
	"policy-none":             {chainBase, func(s *Statement) { s.Ledger.Policy = "" }, "policy-weaker", ""},
	"policy-any-of-many":      {chainBase, func(s *Statement) { s.Ledger.Policy = strings.Replace(chainPolicy(9), "all all", "all any", 1) }, "policy-weaker", ""},
	"incident-dropped":        {chainBase, func(s *Statement) { dropIncident(s, "gamma") }, "chain", "incident"},
	"incident-renamed":        {chainBase, renameIncident, "chain", "incident"},
	"open-dropped":            {chainBase, func(s *Statement) { dropIncident(s, "open") }, "chain", "incident"},
	"final-investigating":     {chainBase, func(s *Statement) { closeAs(s, "gamma", Investigating) }, "chain", "state"},
	"final-by-mail":           {chainBase, func(s *Statement) { closeAs(s, "gamma", ByMail) }, "chain", "state"},
	"reopened-investigating":  {chainBase, func(s *Statement) { closeAs(s, "beta", Investigating) }, "chain", "state"},
	"by-mail-final":           {chainBase, func(s *Statement) { settle(s, "post", Final) }, "chain", "state"},
	"by-mail-investigating":   {chainBase, func(s *Statement) { s.Incident("post").State = Investigating }, "chain", "state"},
	"retired-final":           {chainBase, func(s *Statement) { settle(s, "quit", Final) }, "chain", "state"},
	"retired-withdrawn":       {chainBase, func(s *Statement) { s.Incident("quit").State = Withdrawn }, "chain", "state"},
	"withdrawn-investigating": {chainBase, func(s *Statement) { s.Incident("slip").State = Investigating }, "chain", "state"},
	"withdrawn-retired":       {chainBase, func(s *Statement) { s.Incident("slip").State = Retired }, "chain", "state"},
	"v1-final-investigating":  {chain1, func(s *Statement) { *s = *chainBase(); closeAs(s, "gamma", Investigating) }, "chain", "state"},
	"v1-to-v1-investigating":  {chain1, func(s *Statement) { closeAs(s, "gamma", Investigating); closeAs1(s, "gamma") }, "chain", "state"},
	"revision-back": {chainBase, func(s *Statement) {
		unlist(s, "alpha", "2")
		in := s.Incident("alpha")
		in.Revision, in.Counts, in.Sets = "1", in.Superseded[0].Counts, in.Superseded[0].Sets
		in.Superseded = []Superseded{}
	}, "chain", "revision"},
	"as-of-back": {chainBase, func(s *Statement) { s.Incident("open").AsOf = At(worldTime.Add(-time.Second)) }, "chain", "asof"},
	"other-root": {chainBase, func(s *Statement) { reroot(s, layerOf(s, "gamma", "1"), Hash{7}) }, "chain", "bound"},
	"other-n": {chainBase, func(s *Statement) {
		l := layerOf(s, "gamma", "1")
		l.N, l.Sources[0].N = 8, 8
		s.Incident("gamma").Counts["email"] = 8
	}, "chain", "bound"},
	"other-key":                {chainBase, func(s *Statement) { layerOf(s, "gamma", "1").Key = "k2" }, "chain", "bound"},
	"other-counts":             {chainBase, func(s *Statement) { s.Incident("gamma").Counts = map[string]int64{"account": 9} }, "chain", "bound"},
	"other-sets":               {chainBase, func(s *Statement) { s.Incident("gamma").Sets = [][]string{{"email"}, {"email", "nickname"}} }, "chain", "bound"},
	"superseded-sets":          {chainBase, func(s *Statement) { s.Incident("alpha").Superseded[0].Sets = [][]string{{"email"}} }, "chain", "bound"},
	"old-root-as-new-revision": {chainBase, func(s *Statement) { oldRootAgain(s) }, "chain", "bound"},
	"revision-relabelled":      {chainBase, func(s *Statement) { relabel(s) }, "chain", "bound"},
	"root-of-another": {chainBase, func(s *Statement) {
		closeAs(s, "gamma", Retired)
		settle(s, "open", Final)
		l := layerOf(s, "open", "1")
		reroot(s, l, rootOf("gamma 1"))
	}, "chain", "bound"},
	"v1-other-root":       {chain1, func(s *Statement) { *s = *chainBase(); reroot(s, layerOf(s, "gamma", "1"), Hash{7}) }, "chain", "bound"},
	"v1-counts":           {chain1, func(s *Statement) { s.Incident("gamma").Counts = map[string]int64{"phone": 9} }, "chain", "bound"},
	"left-out-later":      {chainBase, func(s *Statement) { revise(s, "k1"); unlist(s, "alpha", "2") }, "chain", "source"},
	"superseded-unlisted": {chainBase, func(s *Statement) { unlist(s, "alpha", "1") }, "chain", "source"},
	nextOnly: {chain1, func(s *Statement) {
		*s = *chainBase()
		revise(s, "k1")
		unlist(s, "alpha", "2")
		unlist(s, "alpha", "1")
	}, "chain", "source"},
	"held-one-missing":    {chainBase, func(s *Statement) { endKey(s); s.Keys[1].Held = s.Keys[1].Held[1:] }, "chain", "source"},
	"held-none":           {chainBase, func(s *Statement) { endKey(s); s.Keys[1].Held = []Held{} }, "chain", "source"},
	"held-one-gone":       {chainEnded, func(s *Statement) { s.Keys[1].Held = s.Keys[1].Held[:1] }, "chain", "source"},
	"held-not-said-again": {chainEnded, func(s *Statement) { s.Keys[1].Held = nil }, "chain", "keys"},
	"held-other-root":     {chainBase, func(s *Statement) { endKey(s); s.Keys[1].Held[0].Root[0] ^= 1 }, "chain", "bound"},
	"held-other-counts":   {chainBase, func(s *Statement) { endKey(s); s.Keys[1].Held[0].Counts = map[string]int64{"phone": 21} }, "chain", "bound"},
	"held-other-sets":     {chainEnded, func(s *Statement) { s.Keys[1].Held[0].Sets = [][]string{{"email"}} }, "chain", "bound"},
	"held-under-another":  {chainBase, func(s *Statement) { endKey(s); s.Keys[0].Held, s.Keys[1].Held = s.Keys[1].Held, []Held{} }, "chain", "bound"},
	"held-root-again": {chainEnded, func(s *Statement) {
		settle(s, "open", Final)
		layerOf(s, "open", "1").Key = "k3"
		reroot(s, layerOf(s, "open", "1"), rootOf("alpha 1"))
		s.Keys[1].Held = s.Keys[1].Held[1:]
	}, "chain", "bound"},
	"unreadable-less":    {unreadable, func(s *Statement) { s.Incident("alpha").Unreadable = map[string]int64{} }, "chain", "bound"},
	"unreadable-changed": {chainBase, func(s *Statement) { s.Incident("alpha").Unreadable[Rows] = 3 }, "chain", "bound"},
	"unreadable-reopened": {unreadable, func(s *Statement) {
		s.Incident("alpha").State = Reopened
		s.Incident("alpha").Unreadable = map[string]int64{"email": 1}
	}, "chain", "bound"},
	"another-key-of-two": {chainBase, func(s *Statement) { revise(s, "k2"); unlist(s, "alpha", "2"); unlist(s, "alpha", "1") }, "chain", "source"},
}

// nextOnly is the transition that only a statement right after the other shows:
// over a gap nobody knows what the last statement of version 1 listed.
const nextOnly = "next-v1-left-out-later"

// chainEnded is chainBase after key k1 has ended.
func chainEnded() *Statement {
	s := chainBase()
	endKey(s)
	return s
}

// unreadable is chainBase with accounts of alpha that could not be read.
func unreadable() *Statement {
	s := chainBase()
	s.Incident("alpha").Unreadable = map[string]int64{"email": 500, Rows: 2}
	return s
}

func rootOf(name string) Hash { return sha256.Sum256([]byte(name)) }

func otherKey() PublicKey {
	seed := sha256.Sum256([]byte("another"))
	k, err := DeriveEvaluatorKey(seed[:], nil)
	if err != nil {
		panic(err)
	}
	return k.Public()
}

// renameKey gives k0's bytes another id; k0 gets new bytes, which alone would be refused as well.
func renameKey(s *Statement) {
	s.Keys = append(s.Keys, Key{ID: "k9", LocatorBits: 16, Public: s.Keys[0].Public, State: KeyEnded})
	s.Keys[0].Public = otherKey()
}

// endKey ends k1: what was sealed under it cannot be asked any more, alpha is
// sealed anew under a new key, and gamma retired.
func endKey(s *Statement) {
	in := s.Incident("alpha")
	s.Keys[1].Held = []Held{{"alpha", "1", rootOf("alpha 1"), in.Superseded[0].Counts, in.Superseded[0].Sets}, {"alpha", "2", rootOf("alpha 2"), in.Counts, in.Sets}}
	s.Keys[1].State = KeyEnded
	s.Keys = append(s.Keys, Key{ID: "k3", LocatorBits: 16, Public: otherKey(), State: KeyLive})
	unlist(s, "alpha", "1")
	revise(s, "k3")
	unlist(s, "alpha", "2")
	closeAs(s, "gamma", Retired)
}

func addIncident(s *Statement, id string) {
	in := *s.Incident("open")
	in.ID, in.Counts = id, map[string]int64{}
	s.Incidents = append(s.Incidents, in)
	slices.SortFunc(s.Incidents, func(a, b Incident) int { return strings.Compare(a.ID, b.ID) })
}

func dropIncident(s *Statement, id string) {
	closeAs(s, id, Investigating)
	s.Incidents = slices.DeleteFunc(s.Incidents, func(in Incident) bool { return in.ID == id })
}

// renameIncident relabels gamma and its layer.
func renameIncident(s *Statement) {
	s.Incident("gamma").ID = "gemma"
	layerOf(s, "gamma", "1").Sources[0].Incident = "gemma"
}

// settle seals revision 1 of an incident that had none.
func settle(s *Statement, id string, state State) {
	in := s.Incident(id)
	in.State, in.Revision, in.Counts, in.Sets = state, "1", map[string]int64{"email": 3}, [][]string{{"email"}}
	if state.Sealed() {
		source(s, "k1", id, "1", 3)
	}
}

// closeAs1 leaves out what version 1 does not have.
func closeAs1(s *Statement, id string) {
	closeAs(s, id, s.Incident(id).State)
	s.Incident(id).Superseded = nil
}

// v1Revision replaces alpha's revision 2, as version 1 did, under another key.
func v1Revision(s *Statement) {
	in := s.Incident("alpha")
	unlist(s, "alpha", "2")
	in.Revision, in.Counts = "3", map[string]int64{"email": 19}
	source(s, "k2", "alpha", "3", 19)
}

// foldTwo serves two revisions in one layer.
func foldTwo(s *Statement) {
	a, b := *layerOf(s, "alpha", "2"), *layerOf(s, "gamma", "1")
	s.Layers = slices.DeleteFunc(s.Layers, func(l Layer) bool { return l.ID == a.ID || l.ID == b.ID })
	a.N += b.N
	a.Sources = append(slices.Clone(a.Sources), b.Sources...)
	a.ID = rootOf("fold")
	a.Root = a.ID
	s.Layers = append(s.Layers, a)
	slices.SortFunc(s.Layers, func(a, b Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}

// oldRootAgain brings the layer of alpha's revision 1 back as revision 3.
func oldRootAgain(s *Statement) {
	revise(s, "k1")
	in := s.Incident("alpha")
	l := layerOf(s, "alpha", "3")
	l.N, l.Sources[0].N, in.Counts = 21, 21, map[string]int64{"email": 21}
	in.Sets = in.Sets[:1]
	unlist(s, "alpha", "1")
	reroot(s, layerOf(s, "alpha", "3"), rootOf("alpha 1"))
}

// relabel calls alpha's revision 2 revision 3.
func relabel(s *Statement) {
	layerOf(s, "alpha", "2").Sources[0].Revision = "3"
	s.Incident("alpha").Revision = "3"
}

// between makes the two statements of a transition, gap numbers apart.
func (c transition) between(gap int64) (a, b *Statement) {
	a, b = c.from(), c.from()
	c.change(b)
	b.Seq = a.Seq + gap
	b.Prev = Hash{0xbb}
	if gap == 1 {
		raw, err := canonical(a)
		if err != nil {
			panic(err)
		}
		b.Prev = StatementHash(raw)
	}
	return a, b
}

type chainVector struct {
	Name  string `json:"name"`
	A     Bytes  `json:"a"`
	B     Bytes  `json:"b"`
	Error string `json:"error,omitempty"`
	Rule  string `json:"rule,omitempty"`
}

// parsed reads a statement that has to be valid by itself.
func parsed(t *testing.T, name string, st *Statement) ([]byte, *Statement) {
	t.Helper()
	raw, err := canonical(st)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseStatement(raw)
	if err != nil {
		t.Fatalf("%s: not valid by itself: %v", name, err)
	}
	return raw, again
}

func refused(t testing.TB, name string, err error, code, rule string) {
	t.Helper()
	var chain *ChainError
	switch {
	case (err == nil) != (code == ""), err != nil && Code(err) != code:
		t.Errorf("%s: %v, want %q", name, err, code)
	case rule != "" && (!errors.As(err, &chain) || chain.Rule != rule):
		t.Errorf("%s: %v, want rule %s", name, err, rule)
	}
}

// TestChainVectors holds chain.json, and each transition over gaps of 1, 7 and
// 400 numbers: what is remembered as JSON binds as much as what is in memory.
func TestChainVectors(t *testing.T) {
	var vs []chainVector
	for _, name := range slices.Sorted(maps.Keys(transitions)) {
		c := transitions[name]
		for _, gap := range []int64{1, 7, 400} {
			a, b := c.between(gap)
			rawA, a := parsed(t, name+" (a)", a)
			rawB, b := parsed(t, name, b)
			if bytes.Equal(rawA, rawB) {
				t.Fatalf("%s: the test changes nothing", name)
			}
			_, err := remembered(t, Bind(a, StatementHash(rawA))).Next(b, StatementHash(rawB))
			if name == nextOnly && gap > 1 {
				c.code, c.rule = "", ""
			}
			refused(t, fmt.Sprintf("%s over %d", name, gap), err, c.code, c.rule)
			if gap == 1 {
				vs = append(vs, chainVector{name, rawA, rawB, c.code, c.rule})
			}
		}
	}
	for name, c := range map[string]struct {
		code   string
		change func(a, b *Statement)
	}{
		"fork-same-number": {"fork", func(a, b *Statement) { b.Seq, b.Prev, b.PhoneRegion = a.Seq, a.Prev, "KR" }},
		"fork-other-prev":  {"fork", func(a, b *Statement) { b.Prev = Hash{1} }},
		"rollback":         {"rollback", func(a, b *Statement) { b.Seq = a.Seq - 1 }},
		"the-same":         {"", func(a, b *Statement) { *b = *a }},
	} {
		a, b := transitions["same-again"].between(1)
		c.change(a, b)
		rawA, a := parsed(t, name, a)
		rawB, b := parsed(t, name, b)
		_, err := Bind(a, StatementHash(rawA)).Next(b, StatementHash(rawB))
		refused(t, name, err, c.code, "")
		vs = append(vs, chainVector{Name: name, A: rawA, B: rawB, Error: c.code})
	}
	slices.SortFunc(vs, func(a, b chainVector) int { return strings.Compare(a.Name, b.Name) })
	golden(t, "chain.json", map[string]any{
		"about": "Pairs of statements as base64url bytes: b, the later one, is refused with that error, and where it is chain with that rule; without error it follows. " +
			"All but those whose names begin with fork, rollback and next hold as well where b's seq is 7 or 400 above a's, whatever its prev; those with next follow then.",
		"vectors": vs})
}

// remembered returns bindings as they come back from where they were kept.
func remembered(t *testing.T, b *Bindings) *Bindings {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	again := new(Bindings)
	if err := json.Unmarshal(text, again); err != nil {
		t.Fatal(err)
	}
	return again
}

// TestChainRemembers holds statements to what was bound before the newest one:
// a pair, a key or a layer that comes back.
func TestChainRemembers(t *testing.T) {
	step := func(b *Bindings, st *Statement) (*Bindings, error) {
		st.Seq, st.Prev = b.Seq+1, b.Hash
		raw, st := parsed(t, "step", st)
		return b.Next(st, StatementHash(raw))
	}
	start := func(st *Statement) *Bindings {
		raw, st := parsed(t, "start", st)
		return Bind(st, StatementHash(raw))
	}
	for name, c := range map[string]struct {
		first, then, last func() *Statement
		rule              string
	}{
		"a revision comes back as another layer": {chain1, func() *Statement { s := chain1(); v1Revision(s); return s }, func() *Statement {
			s := chain1()
			v1Revision(s)
			raw := chainBase()
			raw.Incident("alpha").Superseded = []Superseded{{"2", s.Incident("alpha").Counts, s.Incident("alpha").Sets}}
			raw.Incident("alpha").Revision, raw.Incident("alpha").Counts = "3", map[string]int64{"email": 19}
			raw.Layers = slices.DeleteFunc(raw.Layers, func(l Layer) bool { return l.Sources[0].Incident == "alpha" })
			source(raw, "k2", "alpha", "3", 19)
			source(raw, "k1", "alpha", "2", 19)
			return raw
		}, "bound"},
		"a key comes back with other bytes": {chain1, func() *Statement {
			s := chain1()
			closeAs(s, "beta", Retired)
			closeAs1(s, "beta")
			s.Keys = s.Keys[:1]
			return s
		}, func() *Statement {
			s := chain1()
			closeAs(s, "beta", Retired)
			closeAs1(s, "beta")
			s.Keys[1].Public = otherKey()
			return s
		}, "keys"},
		"a retired incident's layer comes back under another name": {chainBase, func() *Statement { s := chainBase(); closeAs(s, "gamma", Retired); return s }, func() *Statement {
			s := chainBase()
			closeAs(s, "gamma", Retired)
			settle(s, "open", Final)
			reroot(s, layerOf(s, "open", "1"), rootOf("gamma 1"))
			return s
		}, "bound"},
	} {
		b := start(c.first())
		b, err := step(b, c.then())
		if err != nil {
			t.Fatalf("%s: the step between: %v", name, err)
		}
		_, err = step(remembered(t, b), c.last())
		refused(t, name, err, "chain", c.rule)
	}
}

// TestChainBefore holds a saved answer's earlier statement to what is pinned.
func TestChainBefore(t *testing.T) {
	for name, c := range transitions {
		if c.code == "policy-weaker" || c.rule == "ledger" || c.rule == "source" || c.rule == "revision" || name == "key-gone" ||
			c.rule == "keys" && (name == "key-live-again" || name == "key-not-ended-again") {
			continue // what a later statement need not have kept, or is bound otherwise
		}
		a, b := c.between(7)
		rawB, b := parsed(t, name, b)
		_, a = parsed(t, name, a)
		err := Bind(b, StatementHash(rawB)).Before(a)
		if c.code == "" && err != nil || c.code != "" && !errors.Is(err, ErrChain) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKindsDropped(t *testing.T) {
	_, st := transitions["kind-dropped"].between(1)
	if got := st.KindsDropped(); !slices.Equal(got, []KindDropped{{"alpha", "2", "phone"}}) {
		t.Errorf("%+v", got)
	}
}
