package check

import (
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// chainsVector is a history of statements, each held to all that was seen before it.
type chainsVector struct {
	Name    string `json:"name"`
	Shown   []int  `json:"shown"` // places in the file's statements: each but the last follows; the last one as error and rule say
	Earlier *int   `json:"earlier,omitempty"`
	Error   string `json:"error,omitempty"`
	Rule    string `json:"rule,omitempty"`
}

// statementList holds each statement of the vectors once.
type statementList struct {
	all   []Bytes
	place map[Hash]int
}

func (l *statementList) add(raw []byte) int {
	i, known := l.place[StatementHash(raw)]
	if !known {
		i = len(l.all)
		l.place[StatementHash(raw)] = i
		l.all = append(l.all, raw)
	}
	return i
}

// later is a statement some numbers after the one before, and what it changes.
type later struct {
	gap    int64
	change func(*Statement)
}

func same(*Statement) {}

// statements makes a history.
func statements(t *testing.T, name string, from func() *Statement, steps ...later) (raw [][]byte, parsedAll []*Statement) {
	st := from()
	b, p := parsed(t, name, st)
	raw, parsedAll = append(raw, b), append(parsedAll, p)
	for _, s := range steps {
		st = clone(t, st)
		switch st.Seq += s.gap; s.gap {
		case 0: // the same number
		case 1:
			st.Prev = StatementHash(raw[len(raw)-1])
		default:
			st.Prev = Hash{0xbb}
		}
		s.change(st)
		b, p := parsed(t, name, st)
		raw, parsedAll = append(raw, b), append(parsedAll, p)
	}
	return raw, parsedAll
}

// seen is what is bound after statements, as it comes back from where it is kept each time.
func seen(t *testing.T, raw [][]byte, all []*Statement) (b *Bindings, err error) {
	t.Helper()
	b = Bind(all[0], StatementHash(raw[0]))
	for i := range all {
		kept, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		b = new(Bindings)
		if err := json.Unmarshal(kept, b, json.RejectUnknownMembers(true)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			continue
		}
		next, err := b.Next(all[i], StatementHash(raw[i]))
		if err != nil {
			if i < len(all)-1 {
				t.Fatalf("statement %d does not follow: %v", i+1, err)
			}
			return b, err
		}
		b = next
	}
	return b, nil
}

func at(d time.Duration) func(*Statement) {
	return func(s *Statement) { s.Time, s.Expires = At(worldTime.Add(d)), At(worldTime.Add(d+time.Hour)) }
}

// both makes several changes.
func both(changes ...func(*Statement)) func(*Statement) {
	return func(s *Statement) {
		for _, c := range changes {
			c(s)
		}
	}
}

func state(id string, to State) func(*Statement) {
	return func(s *Statement) { s.Incident(id).State = to }
}

func closed(id string, to State) func(*Statement) { return func(s *Statement) { closeAs(s, id, to) } }

// sealedAs makes alpha's next revision under k1, with those counts; the ones before stay listed.
func sealedAs(revision string, counts map[string]int64) func(*Statement) {
	return func(s *Statement) {
		in := s.Incident("alpha")
		in.Superseded = append(in.Superseded, Superseded{in.Revision, in.Counts, in.Sets})
		in.Revision, in.Counts = revision, counts
		var n int64
		for _, k := range counts {
			n += k
		}
		source(s, "k1", "alpha", revision, n)
	}
}

// without takes k2 away from a statement of version 1, with beta under it.
func without(s *Statement) {
	closeAs(s, "beta", Retired)
	closeAs1(s, "beta")
	s.Keys = s.Keys[:1]
}

// again lists a key that was gone.
func again(id string, public PublicKey, bits int) func(*Statement) {
	return func(s *Statement) { s.Keys = append(s.Keys, Key{ID: id, LocatorBits: bits, Public: public}) }
}

// TestChainsVectors: the rules of the chain over several statements (docs/PROTOCOL.md section 6.1), where what was seen long ago
// still binds.
func TestChainsVectors(t *testing.T) {
	k2 := chainBase().Key("k2").Public
	email, phone := map[string]int64{"email": 19}, map[string]int64{"email": 19, "phone": 2}
	vs, list := []chainsVector{}, &statementList{place: map[Hash]int{}}
	add := func(name, code, rule string, from func() *Statement, steps ...later) {
		t.Helper()
		raw, all := statements(t, name, from, steps...)
		_, err := seen(t, raw, all)
		refused(t, name, err, code, rule)
		v := chainsVector{Name: name, Error: code, Rule: rule}
		for _, b := range raw {
			v.Shown = append(v.Shown, list.add(b))
		}
		vs = append(vs, v)
	}
	for _, gap := range []int64{1, 400} {
		g := func(name string) string { return map[int64]string{1: name, 400: name + ", gaps of 400"}[gap] }
		add(g("nothing changes, three times"), "", "", chainBase, later{gap, same}, later{gap, at(time.Hour)}, later{gap, at(time.Hour)})
		add(g("an incident's life"), "", "", chainBase, later{gap, func(s *Statement) { settle(s, "open", Final) }}, later{gap, state("open", Reopened)},
			later{gap, state("open", Final)}, later{gap, closed("open", Retired)})
		add(g("time goes back between two that were seen"), "chain", "time", chainBase, later{gap, at(2 * time.Hour)}, later{gap, at(time.Hour)})
		add(g("the region changes at last"), "chain", "region", chainBase, later{gap, same}, later{gap, func(s *Statement) { s.PhoneRegion = "KR" }})
		add(g("retired, and then final"), "chain", "state", chainBase, later{gap, closed("gamma", Retired)},
			later{gap, func(s *Statement) {
				settle(s, "gamma", Final)
				s.Incident("gamma").Revision = "2"
				relist(s, "gamma", "2")
			}})
		add(g("reopened, and then investigated"), "chain", "state", chainBase, later{gap, state("gamma", Reopened)}, later{gap, closed("gamma", Investigating)})
		add(g("settled by mail, and then final"), "chain", "state", chainBase, later{gap, state("open", ByMail)}, later{gap, func(s *Statement) { settle(s, "open", Final) }})
		add(g("withdrawn, and then investigated"), "chain", "state", chainBase, later{gap, state("open", Withdrawn)}, later{gap, state("open", Investigating)})
		add(g("an incident added, and dropped"), "chain", "incident", chainBase, later{gap, func(s *Statement) { addIncident(s, "delta") }}, later{gap, func(s *Statement) { dropIncident(s, "delta") }})
		add(g("a kind is dropped, and comes back"), "", "", chainBase, later{gap, sealedAs("3", email)}, later{gap, sealedAs("4", phone)})
		add(g("a kind is dropped, with the revision that had it"), "chain", "source", chainBase, later{gap, sealedAs("3", email)}, later{gap, func(s *Statement) { unlist(s, "alpha", "2") }})
		add(g("what an earlier revision counted is another kind"), "chain", "bound", chainBase, later{gap, sealedAs("3", email)},
			later{gap, func(s *Statement) { s.Incident("alpha").Superseded[1].Counts = map[string]int64{"email": 24} }})
		add(g("a superseded revision has another layer later"), "chain", "bound", chainBase, later{gap, sealedAs("3", email)}, later{gap, same},
			later{gap, func(s *Statement) { reroot(s, layerOf(s, "alpha", "2"), Hash{7}) }})
		add(g("the layer of an incident that was withdrawn, as another's"), "chain", "bound", chainBase, later{gap, closed("gamma", Withdrawn)}, later{gap, same},
			later{gap, func(s *Statement) { settle(s, "open", Final); reroot(s, layerOf(s, "open", "1"), rootOf("gamma 1")) }})
		add(g("compromised, and then live"), "chain", "keys", chainBase, later{gap, func(s *Statement) { s.Key("k1").State = KeyCompromised }}, later{gap, func(s *Statement) { s.Key("k1").State = KeyLive }})
		add(g("a key that was added has other bytes"), "chain", "keys", chainEnded, later{gap, same}, later{gap, func(s *Statement) { s.Key("k3").Public = k2Other() }})
		add(g("a key that was added has other bits"), "chain", "keys", chainEnded, later{gap, same}, later{gap, func(s *Statement) { s.Key("k3").LocatorBits = 17 }})
		add(g("what an ended key held is left out at last"), "chain", "keys", chainBase, later{gap, endKey}, later{gap, same}, later{gap, func(s *Statement) { s.Key("k1").Held = nil }})
		add(g("a stronger policy, and the one before"), "policy-weaker", "", chainBase, later{gap, func(s *Statement) { s.Ledger.Policy = chainPolicy(3) }}, later{gap, func(s *Statement) { s.Ledger.Policy = chainPolicy(2) }})
		add(g("two keys of the ledger that followed"), "", "", chainBase, later{gap, ledgerIs(2)}, later{gap, ledgerIs(3)})
		add(g("a key of the ledger is skipped"), "chain", "ledger", chainBase, later{gap, same}, later{gap, ledgerIs(3)})
		add(g("the ledger's key of before"), "chain", "ledger", chainBase, later{gap, ledgerIs(2)}, later{gap, ledgerIs(1)})
		add(g("what could not be read of a new revision changes"), "chain", "bound", chainBase,
			later{gap, both(sealedAs("3", email), func(s *Statement) { s.Incident("alpha").Unreadable = map[string]int64{Rows: 3} })},
			later{gap, func(s *Statement) { s.Incident("alpha").Unreadable = map[string]int64{Rows: 2} }})
		add(g("a highest revision that is not kept"), "chain", "revision", chainBase, later{gap, sealedAs("3", email)}, later{gap, func(s *Statement) {
			unlist(s, "alpha", "3")
			in := s.Incident("alpha")
			in.Revision, in.Counts, in.Superseded = "2", in.Superseded[1].Counts, in.Superseded[:1]
		}})

		// Of version 1, in which keys could go.
		add(g("version 1, a key goes and comes back"), "", "", chain1, later{gap, without}, later{gap, again("k2", k2, 16)})
		add(g("version 1, a key's id comes back with other bytes"), "chain", "keys", chain1, later{gap, without}, later{gap, again("k2", otherKey(), 16)})
		add(g("version 1, a key's id comes back with other bits"), "chain", "keys", chain1, later{gap, without}, later{gap, again("k2", k2, 17)})
		add(g("version 1, a key's bytes come back under another id"), "chain", "keys", chain1, later{gap, without}, later{gap, again("k9", k2, 16)})
		add(g("version 1, a key's id comes back in version 2 with other bytes"), "chain", "keys", chain1, later{gap, without}, later{gap, func(s *Statement) {
			now := *chainBase()
			now.Seq, now.Prev = s.Seq, s.Prev
			closeAs(&now, "beta", Retired)
			now.Key("k2").Public = otherKey()
			*s = now
		}})
	}
	add("a number twice", "fork", "", chainBase, later{1, same}, later{0, at(time.Minute)})
	add("a number back", "rollback", "", chainBase, later{5, same}, later{-1, same})
	add("another one before", "fork", "", chainBase, later{1, same}, later{1, func(s *Statement) { s.Prev = Hash{1} }})
	add("the same one again", "", "", chainBase, later{1, same}, later{0, same})

	// An earlier statement, as a saved answer holds it, must have led to what was seen since.
	before := func(name, rule string, from func() *Statement, change func(*Statement), steps ...later) {
		t.Helper()
		raw, all := statements(t, name, from, steps...)
		b, err := seen(t, raw, all)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		early := clone(t, from())
		early.Seq--
		early.Prev = Hash{0xaa}
		change(early)
		rawEarly, st := parsed(t, name, early)
		earlier := list.add(rawEarly)
		v := chainsVector{Name: name, Earlier: &earlier, Rule: rule}
		if rule != "" {
			v.Error = "chain"
		}
		refused(t, name, b.Before(st), v.Error, rule)
		for _, r := range raw {
			v.Shown = append(v.Shown, list.add(r))
		}
		vs = append(vs, v)
	}
	much := []later{{1, sealedAs("3", email)}, {7, closed("gamma", Withdrawn)}, {400, func(s *Statement) { s.Key("k1").State = KeyCompromised }}}
	before("earlier: one that led to it", "", chainBase, same, much...)
	before("earlier: of version 1", "", chainBase, func(s *Statement) { seq := s.Seq; *s = *chain1(); s.Seq = seq }, much...)
	before("earlier: of a later version", "version", chain1, func(s *Statement) { seq := s.Seq; *s = *chainBase(); s.Seq = seq; at(-2 * time.Hour)(s) }, later{1, same})
	before("earlier: from later", "time", chainBase, at(time.Second), much...)
	before("earlier: another region", "region", chainBase, func(s *Statement) { s.PhoneRegion = "KR" }, much...)
	before("earlier: other bytes of a key", "keys", chainBase, func(s *Statement) { s.Key("k1").Public = otherKey() }, much...)
	before("earlier: other bits of a key", "keys", chainBase, func(s *Statement) { s.Key("k1").LocatorBits = 8 }, much...)
	before("earlier: a key's bytes under another id", "keys", chainBase, func(s *Statement) {
		s.Key("k0").ID, s.Key("k0").Public = "k00", s.Key("k0").Public
	}, much...)
	before("earlier: an incident that is not there any more", "incident", chainBase, func(s *Statement) { addIncident(s, "delta") }, much...)
	before("earlier: one that was withdrawn and is final", "state", chainBase, closed("beta", Withdrawn), much...)
	before("earlier: as of later", "asof", chainBase, func(s *Statement) { s.Incident("open").AsOf = At(worldTime.Add(time.Second)) }, much...)
	before("earlier: another layer of a revision", "bound", chainBase, func(s *Statement) { reroot(s, layerOf(s, "alpha", "1"), Hash{7}) }, much...)
	before("earlier: another layer of what was withdrawn since", "bound", chainBase, func(s *Statement) { reroot(s, layerOf(s, "gamma", "1"), Hash{7}) }, much...)
	before("earlier: other sets of a revision that was superseded since", "bound", chainBase, func(s *Statement) { s.Incident("alpha").Sets = [][]string{{"email"}} }, much...)
	before("earlier: what could not be read was another number", "bound", chainBase, func(s *Statement) { s.Incident("alpha").Unreadable = map[string]int64{Rows: 1} }, much...)
	before("earlier: of another key", "bound", chainBase, func(s *Statement) { layerOf(s, "gamma", "1").Key = "k2" }, much...)

	golden(t, "chains.json", map[string]any{
		"about": "The rules of the chain over several statements (docs/PROTOCOL.md section 6.1), statements are their bytes, base64url, and shown their places: they are shown one after another, and each is held to all that was seen before. All but the last follow; the last one " +
			"ends with error, and where it is chain with rule; without error it follows too. Where there is earlier, all follow, and earlier is a statement of a saved answer that is held to them (section 10 step 3): it ends so.",
		"statements": list.all, "vectors": vs})
}

func ledgerIs(n int) func(*Statement) {
	names := []string{"", "ledger 1", "ledger 2", "ledger 3", "ledger 4"}
	return func(s *Statement) { s.Ledger.Key, s.Ledger.Next = VKeyHash(names[n]), VKeyHash(names[n+1]) }
}

// relist gives the newest layer of an incident another revision.
func relist(s *Statement, id, revision string) {
	l := layerOf(s, id, "1")
	l.Sources = slices.Clone(l.Sources)
	l.Sources[0].Revision = revision
	reroot(s, l, rootOf(id+" "+revision))
}

// k2Other are bytes of no key that statements of chainEnded name.
func k2Other() PublicKey {
	k, err := DeriveEvaluatorKey([]byte("a third key, of thirty-two bytes"), nil)
	if err != nil {
		panic(err)
	}
	return k.Public()
}
