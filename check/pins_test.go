package check

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// beside returns the same ledger as it is now, to go on otherwise.
func (l *ledger) beside() *ledger {
	w := *l.world
	w.leaves = slices.Clone(l.leaves)
	return &ledger{world: &w, pins: l.pins}
}

// TestPinsAtOnce has two programs read the file at the same time and meet
// different things: what the second has met is held to what the first kept.
func TestPinsAtOnce(t *testing.T) {
	later := func(s *Statement) { s.Time = At(s.Time.Add(time.Second)) }
	for name, c := range map[string]struct {
		first, second func(l *ledger)
		code          string
		seq           int64 // in the file at the end
	}{
		"the same":               {func(l *ledger) { l.next(nil) }, func(l *ledger) { l.next(nil) }, "", 2},
		"the second sees more":   {func(l *ledger) { l.next(nil) }, func(l *ledger) { l.next(nil); l.next(nil) }, "", 3},
		"the second sees less":   {func(l *ledger) { l.next(nil); l.next(nil) }, func(l *ledger) { l.next(nil) }, "rollback", 3},
		"a fork, the larger":     {func(l *ledger) { l.next(later) }, func(l *ledger) { l.next(nil); l.next(nil) }, "fork", 2},
		"a fork, of the size":    {func(l *ledger) { l.next(later) }, func(l *ledger) { l.next(nil) }, "fork", 2},
		"a contradiction":        {func(l *ledger) { l.next(later) }, func(l *ledger) { l.next(later); l.next(func(s *Statement) { s.Time = At(worldTime) }) }, "chain", 2},
		"another ledger's key":   {func(l *ledger) { l.next(nil) }, func(l *ledger) { l.ledgerKey("thief"); l.next(func(s *Statement) { s.Ledger.Key = VKeyHash(l.vkey) }) }, "checkpoint", 2},
		"both see the successor": {func(l *ledger) { l.succeed("ledger 2", "ledger 3") }, func(l *ledger) { l.succeed("ledger 2", "ledger 3"); l.next(nil) }, "", 3},
	} {
		for _, met := range []bool{true, false} { // the ledger was met before, or by the first
			l := newLedger(t, "")
			if met {
				l.wants("before", "")
			}
			first, second := l.beside(), l.beside()
			c.second(second)
			client := second.client(lie{}) // has read the file
			c.first(first)
			first.wants(name+": the first", "")
			base, err := client.base()
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.newest(t.Context(), base)
			if (err == nil) != (c.code == "") || err != nil && Code(err) != c.code {
				t.Errorf("%s, met %v: %v, want %q", name, met, err, c.code)
			}
			p, err := OpenPins(l.pins)
			if err != nil {
				t.Fatal(err)
			}
			kept := p.data.Ledgers[worldOrigin]
			if kept.Bindings.Seq != c.seq || (len(kept.Forks) == 1) != (c.code == "fork") {
				t.Errorf("%s, met %v: number %d, forks %q", name, met, kept.Bindings.Seq, kept.Forks)
			}
			for _, pair := range kept.Forks {
				e := &Evidence{Rule: "fork", Checkpoints: pair[:]}
				file, err := e.Encode()
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := VerifyEvidence(file, l.policy()); err != nil {
					t.Errorf("%s: what is kept is no evidence: %v", name, err)
				}
			}
		}
	}
}

// TestPinsOfOthers keeps what another program has pinned of other ledgers.
func TestPinsOfOthers(t *testing.T) {
	l := newLedger(t, "")
	client := l.client(lie{})
	text := `{"v":2,"ledgers":{"other.example":{"keys":[],"host":"","checkpoint":"","bindings":null,"policy":""}},"servers":{"other.example":"other.example"}}`
	if err := writeFile(l.pins, text); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := client.Statement(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, err := OpenPins(l.pins)
	if err != nil || p.data.Ledgers["other.example"] == nil || p.data.Servers["other.example"] == "" || p.data.Ledgers[worldOrigin] == nil {
		t.Errorf("%v: %+v", err, p)
	}
}

// TestPinsThatLie reads files that no program of this kind wrote: they are
// refused, or bind what they can, and never more.
func TestPinsThatLie(t *testing.T) {
	l := newLedger(t, "")
	l.wants("first", "")
	raw, err := os.ReadFile(l.pins)
	if err != nil {
		t.Fatal(err)
	}
	v1 := regexp.MustCompile(`("bindings": \{\s+"v": )2`)
	for name, c := range map[string]struct {
		change func(string) string
		opens  bool
	}{
		"version 1 that names the ledger's keys": {func(s string) string { return v1.ReplaceAllString(s, "${1}1") }, false},
		"a version that is none":                 {func(s string) string { return v1.ReplaceAllString(s, "${1}3") }, false},
		"a checkpoint of another ledger":         {func(s string) string { return strings.Replace(s, `"checkpoint": "ledger`, `"checkpoint": "another`, 1) }, false},
		"the largest number":                     {func(s string) string { return strings.Replace(s, `"seq": 1,`, `"seq": 9223372036854775807,`, 1) }, true},
	} {
		text := c.change(string(raw))
		if text == string(raw) {
			t.Fatalf("%s: the test changes nothing", name)
		}
		if err := writeFile(l.pins, text); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenPins(l.pins); (err == nil) != c.opens {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !c.opens {
			continue
		}
		one := l.beside()
		one.next(func(s *Statement) { s.V, s.Ledger = 1, nil })
		if _, err := one.ask(); err == nil {
			t.Errorf("%s: a statement of version 1 follows", name)
		}
	}
}

// FuzzPins: whatever is in the file, a statement of either version is refused or
// follows, and nothing breaks.
func FuzzPins(f *testing.F) {
	l := newLedger(f, "")
	l.wants("first", "")
	raw, err := os.ReadFile(l.pins)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	statements := []*Statement{chainBase(), chain1(), chainEnded()}
	b, err := json.Marshal(map[string]any{"v": 2, "servers": map[string]string{}, "ledgers": map[string]any{worldOrigin: map[string]any{
		"keys": []any{}, "host": "", "checkpoint": "", "policy": "", "bindings": Bind(chainEnded(), Hash{1})}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		path := t.TempDir() + "/p.json"
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := OpenPins(path)
		if err != nil {
			return
		}
		for _, kept := range p.data.Ledgers {
			if kept.Bindings == nil {
				continue
			}
			for _, st := range statements {
				for _, seq := range []int64{kept.Bindings.Seq, kept.Bindings.Seq + 1, kept.Bindings.Seq + 7} {
					s := *st
					s.Seq, s.Prev = seq, kept.Bindings.Hash
					if _, err := kept.Bindings.Next(&s, kept.Bindings.Hash); err != nil && Code(err) == "" {
						t.Fatal(err)
					}
					_ = kept.Bindings.Before(&s)
				}
			}
		}
	})
}

// TestWitnessesChanged has a ledger go over to other witnesses, with the
// cosignatures of both: every answer from then on says so.
func TestWitnessesChanged(t *testing.T) {
	one, two := newWitness("one"), newWitness("two")
	policy := func(name string, w *witness, url string) string {
		return "witness " + name + " " + w.VKey() + url + "\nquorum " + name + "\n"
	}
	l := newLedger(t, "")
	l.witnesses = map[string]*witness{"one": one, "two": two}
	if s := l.wants("none", ""); s.vouched.WitnessesChanged != nil {
		t.Error("none are others")
	}
	l.next(func(s *Statement) { s.Ledger.Policy = policy("w", one, "") })
	if s := l.wants("the first", ""); s.vouched.WitnessesChanged != nil {
		t.Error("the first are others")
	}
	l.next(func(s *Statement) { s.Ledger.Policy = "# words\n" + policy("w", one, " https://one.example/") })
	if s := l.wants("at another address", ""); s.vouched.WitnessesChanged != nil {
		t.Error("an address is another witness")
	}
	at := At(worldTime.Add(time.Minute))
	l.next(func(s *Statement) { s.Ledger.Policy, s.Time = policy("w", two, ""), at })
	if s := l.wants("another", ""); s.vouched.WitnessesChanged == nil || *s.vouched.WitnessesChanged != at {
		t.Errorf("another witness: %+v", s.vouched)
	}
	l.next(func(s *Statement) { s.Time = At(at.Add(time.Minute)) })
	if s := l.wants("later", ""); s.vouched.WitnessesChanged == nil || *s.vouched.WitnessesChanged != at {
		t.Errorf("forgotten: %+v", s.vouched)
	}
}

// TestChanged names what no rule forbids and nobody should overlook.
func TestChanged(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Statement)
		rules  []string
	}{
		"nothing":      {func(*Statement) {}, nil},
		"a revision":   {func(s *Statement) { revise(s, "k1") }, nil},
		"a title":      {func(s *Statement) { s.Incident("alpha").Title = map[string]string{"en": "gamma"} }, []string{"renamed"}},
		"organisation": {func(s *Statement) { s.Incident("open").Organisation = "Another" }, []string{"renamed"}},
		"own witnesses": {func(s *Statement) {
			s.Ledger.Policy = strings.ReplaceAll(chainPolicy(3), "all all w0 w1 w2", "all 2 w1 w2")
		}, []string{"witnesses"}},
		"a key":         {endKey, []string{"key-ended", "key-ended"}},
		"a key, unsaid": {func(s *Statement) { endKey(s); s.Keys[1].Held = nil }, []string{"key-ended", "key-ended"}},
		"a key of retired incidents": {func(s *Statement) {
			endKey(s)
			closeAs(s, "alpha", Retired)
			s.Keys[1].Held = nil
		}, nil},
	} {
		a, b := transition{from: chainBase, change: c.change}.between(1)
		var rules []string
		for _, ch := range Changed(a, b) {
			rules = append(rules, ch.Rule)
		}
		if !slices.Equal(rules, c.rules) {
			t.Errorf("%s: %q", name, rules)
		}
		if _, err := Bind(a, b.Prev).Next(b, Hash{1}); err != nil && !errors.Is(err, ErrFork) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
