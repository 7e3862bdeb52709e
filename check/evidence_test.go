package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// TestPrefixRoots compares with the tree's own hashes, for every two sizes.
func TestPrefixRoots(t *testing.T) {
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, err error) {
		for _, p := range at {
			out = append(out, stored[p])
		}
		return out, nil
	})
	const size = 70
	for i := range int64(size) {
		h, err := tlog.StoredHashes(i, fmt.Appendf(nil, "entry %d", i), read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, h...)
	}
	root := func(n int64) Hash {
		h, err := tlog.TreeHash(n, read)
		if err != nil {
			t.Fatal(err)
		}
		return Hash(h)
	}
	for n := int64(2); n <= size; n++ {
		for m := int64(1); m < n; m++ {
			proof, err := Consistency(read, m, n)
			if err != nil {
				t.Fatal(err)
			}
			was, is, err := prefixRoots(proof, m, n)
			if err != nil || was != root(m) || is != root(n) {
				t.Fatalf("%d in %d: %v", m, n, err)
			}
			if _, _, err := prefixRoots(proof[1:], m, n); err == nil {
				t.Fatalf("%d in %d: a hash less is enough", m, n)
			}
			if _, _, err := prefixRoots(append(slices.Clone(proof), proof[0]), m, n); err == nil {
				t.Fatalf("%d in %d: a hash more is taken", m, n)
			}
		}
	}
	for _, bad := range [][2]int64{{0, 3}, {3, 3}, {4, 3}, {-1, 3}} {
		if _, _, err := prefixRoots(nil, bad[0], bad[1]); err == nil {
			t.Fatalf("%v", bad)
		}
	}
}

// TestEvidence: what evidence shows, and what is none.
func TestEvidence(t *testing.T) {
	w := newWorld2(t)
	keys, err := LedgerPolicy(w.vkey)
	if err != nil {
		t.Fatal(err)
	}
	first := Entered{Kind: KindStatement, SHA256: StatementHash(w.raw), Bytes: w.raw, Proof: w.proof}
	again := func(change func(st *Statement)) Entered {
		st, err := ParseStatement(first.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		st.Seq, st.Prev = 2, first.SHA256
		change(st)
		w.publish(st)
		return Entered{Kind: KindStatement, SHA256: StatementHash(w.raw), Bytes: w.raw, Proof: w.proof}
	}
	honest := again(func(*Statement) {})
	region := again(func(st *Statement) { st.PhoneRegion = "US" })
	twice := again(func(st *Statement) { st.Seq, st.Prev, st.Incidents[0].Title["en"] = 1, Hash{}, "another" })
	invalid := again(func(st *Statement) { st.PhoneRegion = "Japan" })
	w.publishRaw([]byte(`{"v":3}`))
	later := Entered{Kind: KindStatement, SHA256: StatementHash(w.raw), Bytes: w.raw, Proof: w.proof}
	_, checkpoint, _ := strings.Cut(w.proof, "\n\n")
	missing := first
	missing.Bytes = nil
	for _, c := range []struct {
		name   string
		e      Evidence
		shown  bool
		broken bool
	}{
		{"a chain's rule", Evidence{Rule: "region", Entries: []Entered{first, region}}, true, false},
		{"another rule", Evidence{Rule: "keys", Entries: []Entered{first, region}}, false, true},
		{"nothing wrong", Evidence{Rule: "region", Entries: []Entered{first, honest}}, false, true},
		{"one statement alone", Evidence{Rule: "region", Entries: []Entered{region}}, false, false},
		{"one number twice", Evidence{Rule: "fork", Entries: []Entered{first, twice}}, true, false},
		{"no valid statement", Evidence{Rule: "statement", Entries: []Entered{invalid}}, true, false},
		{"a valid statement", Evidence{Rule: "statement", Entries: []Entered{first}}, false, true},
		{"bytes that are not given", Evidence{Rule: "bytes", Entries: []Entered{missing}}, false, false},
		{"a rule that nothing shows", Evidence{Rule: "api-state", Checkpoints: []string{checkpoint}}, false, false},
		{"nothing", Evidence{Rule: "fork"}, false, true},
		{"nothing but buckets", Evidence{Rule: "twins", Buckets: []SeenBucket{{Bytes: Bytes{0, 0, 0, 0}, Layer: leafHash(nil)}}}, false, true},
		{"a statement of a later version", Evidence{Rule: "statement", Entries: []Entered{later}}, false, true},
		{"a checkpoint", Evidence{Rule: "rollback", Checkpoints: []string{checkpoint, checkpoint}}, false, false},
		{"other bytes", Evidence{Rule: "region", Entries: []Entered{{Kind: KindStatement, SHA256: first.SHA256, Bytes: region.Bytes, Proof: first.Proof}, region}}, false, true},
		{"another kind", Evidence{Rule: "bytes", Entries: []Entered{{Kind: KindNotice, SHA256: first.SHA256, Proof: first.Proof}}}, false, true},
		{"a checkpoint of nobody", Evidence{Rule: "fork", Checkpoints: []string{"x\n1\nAAAA\n\n— x AAAAAAAA\n"}}, false, true},
		{"no bucket", Evidence{Rule: "twins", Buckets: []SeenBucket{{Bits: 25}}}, false, true},
	} {
		b, err := c.e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		e, shown, err := VerifyEvidence(b, keys)
		if shown != c.shown || (err != nil) != c.broken || err == nil && (e.Rule != c.e.Rule || (e.Shows != "") != shown) {
			t.Errorf("%s: shown %v, %v", c.name, shown, err)
		}
	}
	for _, bad := range []string{"", "{}", `{"v":1,"type":"shirase answer"}`, `{"v":2,"type":"shirase evidence"}`} {
		if _, _, err := VerifyEvidence([]byte(bad), keys); !errors.Is(err, ErrEvidence) || IsEvidence([]byte(bad)) && !strings.Contains(bad, "evidence") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestHonestIsNotShown: what an honest operator did, in every way in which it
// could be put, shows nothing against that one.
func TestHonestIsNotShown(t *testing.T) {
	entered := func(l *ledger) Entered {
		return Entered{Kind: KindStatement, SHA256: StatementHash(l.raw), Bytes: l.raw, Proof: l.proof}
	}
	checkpoint := func(l *ledger) string { _, signed, _ := strings.Cut(l.proof, "\n\n"); return signed }
	rules := []string{"fork", "rollback", "statement", "twins", "policy-weaker", "version", "time", "region", "keys", "ledger", "incident", "state", "revision", "asof", "bound", "source"}
	none := func(name, policy string, e Evidence) {
		t.Helper()
		p, err := ParsePolicy([]byte(policy + "quorum none\n"))
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range rules {
			e.Rule, e.What = rule, "the operator lied"
			file, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, shown, err := VerifyEvidence(file, p); shown {
				t.Errorf("%s: %s is shown", name, rule)
			} else if err != nil && !errors.Is(err, ErrEvidence) {
				t.Errorf("%s: %s: %v", name, rule, err)
			}
		}
	}

	// Two ledgers of one verifier's policy.
	a := newLedger(t, "")
	skey, vkey, err := note.GenerateKey(&stream{seed: "other"}, "other.example.org/check")
	if err != nil {
		t.Fatal(err)
	}
	b := a.beside()
	b.leaves, b.vkey = nil, vkey
	if b.signer, err = note.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	b.next(func(s *Statement) { s.Seq, s.Prev, s.PhoneRegion, s.Ledger.Key = 1, Hash{}, "US", VKeyHash(vkey) })
	both := "log " + a.vkey + "\nlog " + b.vkey + "\n"
	none("two ledgers' statements", both, Evidence{Entries: []Entered{entered(a), entered(b)}})
	none("two ledgers' checkpoints", both, Evidence{Checkpoints: []string{checkpoint(a), checkpoint(b)}})
	none("a checkpoint and another's statement", both, Evidence{Checkpoints: []string{checkpoint(a)}, Entries: []Entered{entered(b)}})

	// Version 1 twice, in between a revision that replaced one, and then version 2: which lists what the last of version 1 listed.
	w := &ledger{world: &world{t: t, keys: map[string]*EvaluatorKey{}}}
	w.ledgerKey("ledger 1")
	st := chain1()
	st.Seq, st.Prev = 1, Hash{}
	w.publish(st)
	first := entered(w)
	w.next(func(s *Statement) { v1Revision(s) })
	w.publish(upgradedOf(t, w.world))
	second := entered(w)
	none("version 1 and version 2", "log "+w.vkey+"\n", Evidence{Entries: []Entered{first, second}})

	// A ledger that has changed its key twice, and then a statement.
	l := newLedger(t, "")
	all := "log " + l.vkey + "\n"
	first = entered(l)
	l.succeed("ledger 2", "ledger 3")
	all += "log " + l.vkey + "\n"
	l.succeed("ledger 3", "ledger 4")
	all += "log " + l.vkey + "\n"
	l.next(nil)
	none("keys that followed one another", all, Evidence{Entries: []Entered{first, entered(l)}})
	l.next(func(s *Statement) { s.PhoneRegion = "KR" })
	e := Evidence{Rule: "region", Entries: []Entered{first, entered(l)}}
	file, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePolicy([]byte(all + "quorum none\n"))
	if err != nil {
		t.Fatal(err)
	}
	if again, shown, err := VerifyEvidence(file, p); !shown || !strings.Contains(again.Shows, "KR after JP") {
		t.Errorf("what is broken beside keys that followed one another: %v", err)
	}
}

// upgradedOf is the newest statement of a world of version 1 as version 2 says it.
func upgradedOf(t *testing.T, w *world) *Statement {
	st := upgraded(t, w.st, "ledger 1", "ledger 2")
	st.Ledger.Key, st.Prev = VKeyHash(w.vkey), StatementHash(w.raw)
	return st
}

// FuzzEvidence: nothing that is not signed is shown.
func FuzzEvidence(f *testing.F) {
	w := newWorld2(f)
	keys, err := LedgerPolicy(w.vkey)
	if err != nil {
		f.Fatal(err)
	}
	e := Evidence{Rule: "bytes", Entries: []Entered{{Kind: KindStatement, SHA256: StatementHash(w.raw), Proof: w.proof}}}
	b, err := e.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, shown, err := VerifyEvidence(file, keys); shown && err != nil {
			t.Fatal(err)
		}
	})
}

// TestEvidenceSuccession: who trusts a ledger's first key verifies what a later one has signed, by the list of keys in the
// file; and nothing that it does not lead to.
func TestEvidenceSuccession(t *testing.T) {
	l := newLedger(t, "")
	first := l.vkey
	l.succeed("ledger 2", "ledger 3")
	l.next(nil)
	l.succeed("ledger 3", "ledger 4")
	list := func(keys []listedKey) jsontext.Value {
		b, err := json.Marshal(keys)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	e := &Evidence{Rule: "bytes", Entries: []Entered{{Kind: KindStatement, SHA256: StatementHash(l.raw), Proof: l.proof}}, Keys: list(l.keyList)}
	verify := func(vkey string) error {
		t.Helper()
		file, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		policy, err := LedgerPolicy(vkey)
		if err != nil {
			t.Fatal(err)
		}
		_, shown, err := VerifyEvidence(file, policy)
		if shown {
			t.Error("it is shown that bytes are not given")
		}
		return err
	}
	for _, k := range l.keyList {
		if err := verify(k.VKey); err != nil {
			t.Errorf("%s: %v", k.VKey, err)
		}
	}
	for name, c := range map[string]struct {
		keys []listedKey
		vkey string
		want error
	}{
		"no list":                      {nil, first, ErrCheckpoint},
		"a list without a step":        {slices.Delete(slices.Clone(l.keyList), 1, 2), first, ErrEvidence},
		"a list without the trusted":   {l.keyList[1:], first, ErrCheckpoint},
		"a list that ends early":       {[]listedKey{l.keyList[0], {VKey: l.keyList[1].VKey}}, first, ErrCheckpoint},
		"a key that nobody named":      {[]listedKey{l.keyList[0], {VKey: vkeyOf("thief")}}, first, ErrEvidence},
		"another ledger's key trusted": {l.keyList, vkeyOf("thief"), ErrCheckpoint},
	} {
		e.Keys = nil
		if c.keys != nil {
			e.Keys = list(c.keys)
		}
		if err := verify(c.vkey); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	e.Keys = jsontext.Value(`[{"vkey":"a","extra":1}]`)
	if err := verify(first); !errors.Is(err, ErrEvidence) {
		t.Errorf("a list that is none: %v", err)
	}
}
