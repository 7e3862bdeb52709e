package check

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// TestStatedKeys: whoever states a key follows the ledger to the ones that came after it, as whoever pinned it does, and an
// answer under one of its keys is verified by another, in both directions, where the server shows that the one led to the other.
func TestStatedKeys(t *testing.T) {
	for _, changes := range []int{1, 3} {
		w := newFoldWorld(t, -1)
		l := &ledger{world: w, pins: filepath.Join(t.TempDir(), "ledgers.json")}
		first := l.vkey
		l.next(func(s *Statement) { s.Ledger.Next = VKeyHash(vkeyOf("ledger 2")) })
		save := func() []byte {
			t.Helper()
			keys, err := LedgerPolicy(l.vkey)
			if err != nil {
				t.Fatal(err)
			}
			url, _ := l.serve(lie{})
			a, err := (&Client{Server: url, Policy: keys, Now: l.client(lie{}).Now}).Check(t.Context(), email(t, worldStranger))
			if err != nil {
				t.Fatal(err)
			}
			file, err := a.Encode()
			if err != nil {
				t.Fatal(err)
			}
			return file
		}
		before := save()
		for _, step := range [][2]string{{"ledger 2", "ledger 3"}, {"ledger 3", "ledger 4"}, {"ledger 4", "ledger 5"}}[:changes] {
			l.succeed(step[0], step[1])
			l.next(nil)
		}
		after := save()
		last := l.vkey
		stated := func(vkey, pins string) *Client {
			c := l.client(lie{})
			var err error
			if c.Policy, err = LedgerPolicy(vkey); err != nil {
				t.Fatal(err)
			}
			if c.Pins, err = OpenPins(filepath.Join(t.TempDir(), pins)); err != nil {
				t.Fatal(err)
			}
			return c
		}
		for _, vkey := range []string{first, last} {
			c := stated(vkey, "fresh")
			for range 2 { // and once something is remembered
				if _, _, _, err := c.Statement(t.Context()); err != nil {
					t.Fatalf("%d changes: %v", changes, err)
				}
			}
			for name, file := range map[string][]byte{"before": before, "after": after} {
				a, err := stated(vkey, "for a file").VerifyAnswer(t.Context(), file)
				if err != nil {
					t.Fatalf("%d changes, the file of %s: %v", changes, name, err)
				}
				if a.Vouched.PinnedSince != nil {
					t.Fatal("a key that was never pinned is said to be remembered")
				}
			}
		}
		// Alone, a key is only itself.
		if keys, err := LedgerPolicy(last); err != nil {
			t.Fatal(err)
		} else if _, err := VerifyAnswer(before, keys); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("%v", err)
		}
		// What the server shows is told apart from the file.
		if _, err := stated(vkeyOf("another"), "foreign").VerifyAnswer(t.Context(), before); !errors.Is(err, ErrNow) || !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("%v", err)
		}
		// A list whose first key signed another history leads nowhere.
		side := &ledger{world: &world{t: t}}
		side.ledgerKey("ledger")
		side.publishRaw(l.keyList[0].Statement)
		l.keyList[0].Proof = side.proof
		if _, _, _, err := stated(first, "side").Statement(t.Context()); !errors.Is(err, ErrFork) {
			t.Fatalf("%v", err)
		}
	}
}

// TestPinnedKey: what is told of a key is since when that one is pinned, and nothing of one that is not.
func TestPinnedKey(t *testing.T) {
	l := newLedger(t, "")
	first := l.wants("first", "").vouched.PinnedSince
	l.now = l.now.Add(60e9)
	l.succeed("ledger 2", "ledger 3")
	second := l.wants("second", "").vouched.PinnedSince
	if first == nil || second == nil || !second.After(first.Time) || *second != At(l.now) {
		t.Fatalf("%v, %v", first, second)
	}
}

// TestContradiction: a server that contradicts what was seen leaves a file that others verify, and which shows it where two
// checkpoints do.
func TestContradiction(t *testing.T) {
	for name, c := range map[string]struct {
		then  func(*ledger)
		rule  string
		shown bool
	}{
		"another history": {func(l *ledger) {
			l.forget(3)
			for range 300 {
				l.leaves = append(l.leaves, Leaf(KindNotice, []byte("another")))
			}
			l.next(nil)
		}, "fork", true},
		"another tree of the same size": {func(l *ledger) {
			st, n := clone(l.t, l.st), len(l.leaves)
			l.forget(n - 2)
			l.leaves = append(l.leaves, Leaf(KindNotice, []byte("another")))
			l.publish(st)
		}, "fork", true},
		"a shorter one": {func(l *ledger) {
			st := clone(l.t, l.st)
			l.forget(2)
			l.publish(st)
		}, "rollback", false},
		"another region": {func(l *ledger) { l.next(func(s *Statement) { s.PhoneRegion = "US" }) }, "region", false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t, "")
			l.wants("first", "")
			c.then(l)
			_, err := l.ask()
			e := EvidenceOf(err)
			if e == nil || e.Rule != c.rule {
				t.Fatalf("%v: %+v", err, e)
			}
			b, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			keys, err := LedgerPolicy(l.vkey)
			if err != nil {
				t.Fatal(err)
			}
			if _, shown, err := VerifyEvidence(b, keys); err != nil || shown != c.shown {
				t.Fatalf("shown %v, %v", shown, err)
			}
		})
	}
	l := newLedger(t, "")
	l.wants("first", "")
	l.proof = strings.Replace(l.proof, "— ", "— x", 1)
	if _, err := l.ask(); err == nil || EvidenceOf(err) != nil {
		t.Fatalf("what is merely not good is no contradiction: %v", err)
	}
}

// TestWrongSignature: a wrong signature of somebody whom the policy names is told by that name.
func TestWrongSignature(t *testing.T) {
	one := newWitness("one")
	l := newLedger(t, "")
	l.witnesses = map[string]*witness{"one": one}
	l.next(func(s *Statement) { s.Ledger.Policy = "witness one " + one.VKey() + "\nquorum one\n" })
	i := strings.LastIndex(l.proof, " ")
	b := []byte(l.proof)
	if b[i+40] == 'A' {
		b[i+40] = 'B'
	} else {
		b[i+40] = 'A'
	}
	l.proof = string(b)
	_, err := l.ask()
	if !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), one.name) || strings.Contains(err.Error(), "key you trust") {
		t.Fatalf("%v", err)
	}
}
