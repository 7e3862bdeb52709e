package check

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// policyVector is a policy, and what it makes of a checkpoint.
type policyVector struct {
	Name       string   `json:"name"`
	Policy     string   `json:"policy"`
	Strength   int      `json:"strength"`
	Checkpoint string   `json:"checkpoint"` // a signed note
	Witnesses  []string `json:"witnesses"`
	Error      string   `json:"error,omitempty"`
}

// checkpointNote signs a checkpoint with a ledger's key and has witnesses cosign it.
func checkpointNote(t testing.TB, origin, seed string, tree tlog.Tree, names ...string) string {
	t.Helper()
	skey, _, err := note.GenerateKey(&stream{seed: seed}, worldOrigin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	b, err := note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: origin, Tree: tree}.String()}, signer)
	if err != nil {
		t.Fatal(err)
	}
	signed := string(b)
	for _, name := range names {
		signed += newWitness(name).cosign(signed, worldTime)
	}
	return signed
}

func TestPolicyVectors(t *testing.T) {
	var lines strings.Builder
	fmt.Fprintf(&lines, "log %s\n", vkeyOf("ledger"))
	for i := range 5 {
		fmt.Fprintf(&lines, "witness w%d %s https://w%d.example\n", i, newWitness(fmt.Sprint(i)).VKey(), i)
	}
	with := func(more string) string { return lines.String() + more }
	tree := tlog.Tree{N: 7, Hash: tlog.RecordHash([]byte("root"))}
	signed := func(names ...string) string { return checkpointNote(t, worldOrigin, "ledger", tree, names...) }
	nested := with("group a 2 w0 w1 w2\ngroup b any w3 w4\ngroup both all a b\nquorum both\n")
	two := with("group g 2 w0 w1 w2\nquorum g\n")
	spoilt := signed("0", "1")
	spoilt = spoilt[:len(spoilt)-10] + "AAAA" + spoilt[len(spoilt)-6:]
	late := strings.Replace(signed("0"), "witness.example.org/0 ", "witness.example.org/1 ", 1)
	vs := []policyVector{
		{Name: "none", Policy: with("quorum none\n"), Checkpoint: signed()},
		{Name: "none, cosigned", Policy: with("quorum none\n"), Checkpoint: signed("0"), Witnesses: []string{"0"}},
		{Name: "one", Policy: with("quorum w0\n"), Checkpoint: signed("0"), Witnesses: []string{"0"}},
		{Name: "one, not cosigned", Policy: with("quorum w0\n"), Checkpoint: signed(), Error: "unwitnessed"},
		{Name: "one, cosigned by another", Policy: with("quorum w0\n"), Checkpoint: signed("1"), Error: "unwitnessed"},
		{Name: "one, cosigned by a stranger too", Policy: with("quorum w0\n"), Checkpoint: signed("0", "stranger"), Witnesses: []string{"0"}},
		{Name: "two of three", Policy: two, Checkpoint: signed("0", "2"), Witnesses: []string{"0", "2"}},
		{Name: "two of three, one signs", Policy: two, Checkpoint: signed("1"), Error: "unwitnessed"},
		{Name: "two of three, one signs twice", Policy: two, Checkpoint: signed("1", "1"), Error: "unwitnessed"},
		{Name: "nested", Policy: nested, Checkpoint: signed("0", "2", "4"), Witnesses: []string{"0", "2", "4"}},
		{Name: "nested, a group of it missing", Policy: nested, Checkpoint: signed("0", "1", "2"), Error: "unwitnessed"},
		{Name: "a cosignature that is wrong", Policy: two, Checkpoint: spoilt, Error: "checkpoint"},
		{Name: "a cosignature under another's name", Policy: two, Checkpoint: late, Error: "unwitnessed"},
		{Name: "another key of the ledger", Policy: with("quorum w0\n"), Checkpoint: checkpointNote(t, worldOrigin, "thief", tree, "0"), Error: "checkpoint"},
		{Name: "another origin", Policy: with("quorum w0\n"), Checkpoint: checkpointNote(t, "other.example.org", "ledger", tree, "0"), Error: "checkpoint"},
		{Name: "two keys of the ledger", Policy: with("log " + vkeyOf("ledger 2") + "\nquorum w0\n"), Checkpoint: checkpointNote(t, worldOrigin, "ledger 2", tree, "0"), Witnesses: []string{"0"}},
		{Name: "not signed at all", Policy: with("quorum w0\n"), Checkpoint: strings.SplitAfter(signed(), "\n\n")[0], Error: "inclusion"},
		{Name: "no note", Policy: with("quorum w0\n"), Checkpoint: "x", Error: "inclusion"},
		{Name: "a size with a zero before", Policy: with("quorum none\n"), Checkpoint: checkpointText(t, worldOrigin+"\n07\n"+tree.Hash.String()+"\n"), Error: "inclusion"},
		{Name: "a root with loose bits", Policy: with("quorum none\n"), Checkpoint: checkpointText(t, worldOrigin+"\n7\n"+tree.Hash.String()[:42]+"B=\n"), Error: "inclusion"},
	}
	for i := range vs {
		v := &vs[i]
		p, err := ParsePolicy([]byte(v.Policy))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		v.Strength = p.Strength()
		for j, name := range v.Witnesses {
			v.Witnesses[j] = newWitness(name).name
		}
		if v.Witnesses == nil {
			v.Witnesses = []string{}
		}
		c, err := p.Open(v.Checkpoint)
		switch {
		case (err == nil) != (v.Error == ""), err != nil && Code(err) != v.Error:
			t.Errorf("%s: %v, want %q", v.Name, err, v.Error)
		case err == nil && (c.Size != 7 || c.Origin != worldOrigin || !slices.Equal(c.Witnesses, v.Witnesses)):
			t.Errorf("%s: %+v", v.Name, c)
		}
		// torchwood reads the same policies, and takes no checkpoint that is refused here.
		if theirs, err := torchwood.ParsePolicy([]byte(v.Policy)); err != nil {
			t.Errorf("%s: torchwood: %v", v.Name, err)
		} else if _, _, err := torchwood.VerifyCheckpoint([]byte(v.Checkpoint), theirs); err == nil && v.Error != "" && v.Error != "inclusion" {
			t.Errorf("%s: torchwood takes it", v.Name)
		}
	}
	var strengths []policyVector
	for quorum, want := range map[string]int{"none": 0, "w0": 1, "any": 1, "all": 2, "two": 2, "cheapest": 3, "everything": 5} {
		text := with(map[string]string{
			"any": "group any any w0 w1\n", "all": "group all all w0 w1\n", "two": "group two 2 w0 w1 w2\n",
			"cheapest":   "group a all w0 w1\ngroup b all w2 w3\ngroup cheapest 2 a b w4\n",
			"everything": "group everything all w0 w1 w2 w3 w4\n"}[quorum] + "quorum " + quorum + "\n")
		p, err := ParsePolicy([]byte(text))
		if err != nil || p.Strength() != want {
			t.Fatalf("%s: %v", quorum, err)
		}
		strengths = append(strengths, policyVector{Name: "strength " + quorum, Policy: text, Strength: want, Checkpoint: signed("0", "1", "2", "3", "4"),
			Witnesses: []string{newWitness("0").name, newWitness("1").name, newWitness("2").name, newWitness("3").name, newWitness("4").name}})
	}
	slices.SortFunc(strengths, func(a, b policyVector) int { return strings.Compare(a.Name, b.Name) })
	golden(t, "policy.json", map[string]any{
		"about": "Policies (C2SP tlog-policy): the least number of witnesses that satisfies each, and what it makes of a signed checkpoint: " +
			"the names of the witnesses whose cosignatures count, or that error. statement2.json has the policies that cannot be read.",
		"vectors": append(vs, strengths...)})
}

// checkpointText signs a text that checkpoints are not written as.
func checkpointText(t testing.TB, text string) string {
	t.Helper()
	skey, _, _ := note.GenerateKey(&stream{seed: "ledger"}, worldOrigin)
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	b, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPolicyReads holds what is read to what torchwood reads: nothing more.
func TestPolicyReads(t *testing.T) {
	w := newWorld2(t)
	for name, change := range dishonest2 {
		if !strings.HasPrefix(name, "policy-") || name == "policy-log" || name == "policy-long" || name == "policy-witnesses-17" {
			continue
		}
		st := clone(t, w.st)
		change(st)
		if _, err := ParsePolicy([]byte("log " + ledgerVKey + "\n" + st.Ledger.Policy)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	for name, change := range valid2 {
		st := clone(t, w.st)
		change(st)
		if st.Ledger.Policy == "" {
			continue
		}
		if _, err := torchwood.ParsePolicy([]byte("log " + ledgerVKey + "\n" + st.Ledger.Policy)); err != nil {
			t.Errorf("%s: torchwood: %v", name, err)
		}
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(chainPolicy(3))
	f.Add("quorum none")
	f.Add("log " + ledgerVKey + "\nquorum none\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePolicy([]byte(text))
		if err != nil {
			return
		}
		if _, err := torchwood.ParsePolicy([]byte(text)); err != nil {
			t.Fatalf("torchwood does not read it: %v", err)
		}
		if n := p.Strength(); n < 0 || n > len(p.witnesses) || n == 0 && p.quorum != nil {
			t.Fatalf("strength %d of %d witnesses", n, len(p.witnesses))
		}
	})
}
