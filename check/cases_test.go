package check

import (
	"errors"
	"fmt"
	"testing"
)

type casesVector struct {
	Seed  string      `json:"seed"` // hex
	Day   string      `json:"day"`
	Cases []CaseHead  `json:"cases"`
	Head  string      `json:"head"` // the bytes
	Leaf  string      `json:"leaf"` // of the ledger, hex
	Proof []CaseProof `json:"proofs"`
}

func caseHead(i int) CaseHead {
	h := CaseHead{Case: fmt.Sprint("shop-", i), Entries: int64(i + 1)}
	h.Head[0], h.Head[31] = byte(i), 1
	return h
}

// TestCasesVectors: a head is of one size, whatever there is, and proves each case and no other.
func TestCasesVectors(t *testing.T) {
	var vs []casesVector
	for _, n := range []int{0, 1, 3, 33} {
		seed := StatementHash([]byte{byte(n)})
		v := casesVector{Seed: seed.String(), Day: "2026-11-29", Cases: []CaseHead{}, Proof: []CaseProof{}}
		for i := range n {
			v.Cases = append(v.Cases, caseHead(i))
		}
		tree, err := NewCasesTree(seed[:], v.Cases)
		if err != nil {
			t.Fatal(err)
		}
		h := CasesHead{Day: v.Day, Head: tree.Root(), V: 1}
		b, err := h.Bytes()
		if err != nil || len(b) != CasesHeadSize {
			t.Fatalf("%d bytes, want %d: %v", len(b), CasesHeadSize, err)
		}
		v.Head, v.Leaf = string(b), fmt.Sprintf("%x", Leaf(KindCases, b))
		for i, c := range v.Cases {
			p, err := tree.Prove(c.Case)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Verify(h); err != nil {
				t.Fatal(err)
			}
			if i < 2 {
				v.Proof = append(v.Proof, p)
			}
			for name, change := range map[string]func(*CaseProof){
				"another case": func(p *CaseProof) { p.Case = "other" }, "one entry more": func(p *CaseProof) { p.Entries++ }, "another hash": func(p *CaseProof) { p.Head[5] ^= 1 },
				"another place": func(p *CaseProof) { p.Slot ^= 1 }, "another blind": func(p *CaseProof) { p.Blind[0] ^= 1 }, "a shorter path": func(p *CaseProof) { p.Path = p.Path[1:] },
				"another sibling": func(p *CaseProof) { p.Path = append([]Hash{}, p.Path...); p.Path[2][0] ^= 1 }, "a place that is none": func(p *CaseProof) { p.Slot += 1 << len(p.Path) },
			} {
				bad := p
				change(&bad)
				if err := bad.Verify(h); !errors.Is(err, ErrCases) {
					t.Errorf("%d cases, %s: %v", n, name, err)
				}
			}
		}
		if _, err := tree.Prove("none"); !errors.Is(err, ErrCases) {
			t.Error(err)
		}
		vs = append(vs, v)
	}
	golden(t, "cases.json", vs)
}

// TestCasesRefused: what is no head is refused, and no two spellings are one.
func TestCasesRefused(t *testing.T) {
	good, err := CasesHead{Day: "2026-02-28", V: 1}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"", "{}", string(good) + " ", string(good[:len(good)-1])} {
		if _, err := ParseCasesHead([]byte(s)); !errors.Is(err, ErrCases) {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, h := range []CasesHead{{Day: "2026-02-30", V: 1}, {Day: "2026-2-28x", V: 1}, {Day: "2026-02-28", V: 2}} {
		if _, err := h.Bytes(); !errors.Is(err, ErrCases) {
			t.Errorf("%+v: %v", h, err)
		}
	}
	if _, err := NewCasesTree(make([]byte, 32), []CaseHead{caseHead(1), caseHead(1)}); !errors.Is(err, ErrCases) {
		t.Error("a case twice:", err)
	}
	if _, err := NewCasesTree(make([]byte, 31), nil); !errors.Is(err, ErrCases) {
		t.Error("a short seed:", err)
	}
}

func FuzzParseCasesHead(f *testing.F) {
	good, err := CasesHead{Day: "2026-02-28", V: 1}.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseCasesHead(b)
		if err != nil {
			return
		}
		again, err := h.Bytes()
		if err != nil || string(again) != string(b) {
			t.Errorf("%q is written as %q: %v", b, again, err)
		}
	})
}
