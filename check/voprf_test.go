package check

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cloudflare/circl/oprf"
	"github.com/cloudflare/circl/zk/dleq"
	"github.com/gtank/ristretto255"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func split(t testing.TB, s string) (out [][]byte) {
	for _, p := range strings.Split(s, ",") {
		out = append(out, unhex(t, p))
	}
	return out
}

func TestRFC9497Vectors(t *testing.T) {
	var v struct {
		Seed, KeyInfo, SkSm, PkSm string
		Vectors                   []struct {
			Batch                                           int
			Blind, BlindedElement, EvaluationElement, Input string
			Output, Proof, ProofRandomScalar                string
		}
	}
	b, err := os.ReadFile("testdata/rfc9497.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	key, err := DeriveEvaluatorKey(unhex(t, v.Seed), unhex(t, v.KeyInfo))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(key.k.Bytes()); got != v.SkSm {
		t.Fatalf("secret key %s, want %s", got, v.SkSm)
	}
	if pub := key.Public(); !bytes.Equal(pub[:], unhex(t, v.PkSm)) {
		t.Fatalf("public key %x, want %s", pub, v.PkSm)
	}
	if len(v.Vectors) < 3 {
		t.Fatalf("%d vectors; the RFC has 3", len(v.Vectors))
	}
	for i, vec := range v.Vectors {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			inputs, blinds := split(t, vec.Input), split(t, vec.Blind)
			var batch []*Blinded
			var sent [][]byte
			for j := range inputs {
				bl, err := BlindWith(inputs[j], blinds[j])
				if err != nil {
					t.Fatal(err)
				}
				batch = append(batch, bl)
				sent = append(sent, bl.Element[:])
			}
			if want := split(t, vec.BlindedElement); fmt.Sprint(sent) != fmt.Sprint(want) {
				t.Fatalf("blinded %x, want %x", sent, want)
			}
			evaluated, _, err := key.Evaluate(sent)
			if err != nil {
				t.Fatal(err)
			}
			if want := split(t, vec.EvaluationElement); fmt.Sprint(evaluated) != fmt.Sprint(want) {
				t.Fatalf("evaluated %x, want %x", evaluated, want)
			}
			r, err := decodeScalar(unhex(t, vec.ProofRandomScalar))
			if err != nil {
				t.Fatal(err)
			}
			proof := proveWith(t, key, sent, evaluated, r)
			if hex.EncodeToString(proof) != vec.Proof {
				t.Fatalf("proof %x, want %s", proof, vec.Proof)
			}
			outputs, err := Finalize(key.Public(), batch, evaluated, proof)
			if err != nil {
				t.Fatal(err)
			}
			for j, want := range split(t, vec.Output) {
				if !bytes.Equal(outputs[j][:], want) {
					t.Errorf("output %d: %x, want %x", j, outputs[j], want)
				}
				full, err := key.Output(inputs[j])
				if err != nil || !bytes.Equal(full[:], want) {
					t.Errorf("full evaluation %d: %x, %v, want %x", j, full, err, want)
				}
			}
		})
	}
}

// proveWith makes the proof with a chosen nonce.
func proveWith(t testing.TB, key *EvaluatorKey, sent, evaluated [][]byte, r *ristretto255.Scalar) []byte {
	t.Helper()
	var c, d []*ristretto255.Element
	for i := range sent {
		ce, err := decodeElement(sent[i])
		if err != nil {
			t.Fatal(err)
		}
		de, err := decodeElement(evaluated[i])
		if err != nil {
			t.Fatal(err)
		}
		c, d = append(c, ce), append(d, de)
	}
	return key.prove(c, d, sent, evaluated, r)
}

// TestAgainstCircl runs both sides of both implementations against each other.
func TestAgainstCircl(t *testing.T) {
	key := GenerateEvaluatorKey()
	theirs := new(oprf.PrivateKey)
	if err := theirs.UnmarshalBinary(oprf.SuiteRistretto255, key.k.Bytes()); err != nil {
		t.Fatal(err)
	}
	server := oprf.NewVerifiableServer(oprf.SuiteRistretto255, theirs)
	client := oprf.NewVerifiableClient(oprf.SuiteRistretto255, theirs.Public())
	for n := 1; n <= MaxBatch; n += 5 {
		var inputs, sent [][]byte
		var batch []*Blinded
		for i := range n {
			x := []byte(fmt.Sprintf("input %d of %d", i, n))
			inputs = append(inputs, x)
			b, err := Blind(x)
			if err != nil {
				t.Fatal(err)
			}
			batch, sent = append(batch, b), append(sent, b.Element[:])
		}
		// Their client, our server.
		fin, req, err := client.Blind(inputs)
		if err != nil {
			t.Fatal(err)
		}
		var blinded [][]byte
		for _, e := range req.Elements {
			eb, err := e.MarshalBinaryCompress()
			if err != nil {
				t.Fatal(err)
			}
			blinded = append(blinded, eb)
		}
		evaluated, proof, err := key.Evaluate(blinded)
		if err != nil {
			t.Fatal(err)
		}
		ev := &oprf.Evaluation{}
		for _, e := range evaluated {
			el := oprf.SuiteRistretto255.Group().NewElement()
			if err := el.UnmarshalBinary(e); err != nil {
				t.Fatal(err)
			}
			ev.Elements = append(ev.Elements, el)
		}
		ev.Proof = circlProof(t, proof)
		theirOutputs, err := client.Finalize(fin, ev)
		if err != nil {
			t.Fatalf("circl refuses our proof for %d elements: %v", n, err)
		}
		// Our client, our server; compared with their full evaluation.
		evaluated, proof, err = key.Evaluate(sent)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := Finalize(key.Public(), batch, evaluated, proof)
		if err != nil {
			t.Fatal(err)
		}
		for i := range inputs {
			full, err := server.FullEvaluate(inputs[i])
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(full, ours[i][:]) || !bytes.Equal(full, theirOutputs[i]) {
				t.Fatalf("input %d of %d: outputs differ", i, n)
			}
		}
	}
}

func TestEvaluateRefuses(t *testing.T) {
	key := GenerateEvaluatorKey()
	good, err := Blind([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	p := unhex(t, "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f") // the field's prime
	high := append([]byte{}, good.Element[:]...)
	high[31] |= 0x80
	for name, bad := range map[string][]byte{
		"identity":      make([]byte, 32),
		"short":         good.Element[:31],
		"long":          append(good.Element[:], 0),
		"empty":         nil,
		"non-canonical": p,
		"high bit":      high,
		"negative":      unhex(t, "0100000000000000000000000000000000000000000000000000000000000000"),
	} {
		if ev, proof, err := key.Evaluate([][]byte{good.Element[:], bad}); !errors.Is(err, ErrElement) || ev != nil || proof != nil {
			t.Errorf("%s: evaluated, or refused as %v", name, err)
		}
	}
	if _, _, err := key.Evaluate(nil); !errors.Is(err, ErrBatch) {
		t.Errorf("no elements: %v", err)
	}
	many := make([][]byte, MaxBatch+1)
	for i := range many {
		many[i] = good.Element[:]
	}
	if _, _, err := key.Evaluate(many); !errors.Is(err, ErrBatch) {
		t.Errorf("17 elements: %v", err)
	}
}

func TestFinalizeRefuses(t *testing.T) {
	key, other := GenerateEvaluatorKey(), GenerateEvaluatorKey()
	b, err := Blind([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	ev, proof, err := key.Evaluate([][]byte{b.Element[:]})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Finalize(other.Public(), []*Blinded{b}, ev, proof); !errors.Is(err, ErrProof) {
		t.Errorf("another key: %v", err)
	}
	for i := range proof {
		bad := append([]byte{}, proof...)
		bad[i] ^= 1
		if _, err := Finalize(key.Public(), []*Blinded{b}, ev, bad); !errors.Is(err, ErrProof) {
			t.Fatalf("proof byte %d flipped: %v", i, err)
		}
	}
	b2, _ := Blind([]byte("y"))
	ev2, _, _ := key.Evaluate([][]byte{b2.Element[:]})
	if _, err := Finalize(key.Public(), []*Blinded{b}, ev2, proof); !errors.Is(err, ErrProof) {
		t.Errorf("another element: %v", err)
	}
}

func TestEvaluatorKeyText(t *testing.T) {
	key := GenerateEvaluatorKey()
	again, err := ParseEvaluatorKey(key.Secret() + "\n")
	if err != nil || again.Public() != key.Public() {
		t.Fatalf("round trip: %v", err)
	}
	for _, s := range []string{key.String(), fmt.Sprintf("%v %#v %+v", key, key, key)} {
		if strings.Contains(s, key.Secret()[len(evaluatorKeyPrefix):]) {
			t.Fatal("a key prints its secret")
		}
	}
	for _, bad := range []string{"", "x", evaluatorKeyPrefix, evaluatorKeyPrefix + "AA", key.Secret() + "A", strings.TrimPrefix(key.Secret(), "SHIRASE")} {
		if _, err := ParseEvaluatorKey(bad); err == nil || strings.Contains(err.Error(), key.Secret()) {
			t.Errorf("%q: accepted or shown: %v", bad[:min(10, len(bad))], err)
		}
	}
}

func circlProof(t testing.TB, proof []byte) *dleq.Proof {
	t.Helper()
	p := new(dleq.Proof)
	if err := p.UnmarshalBinary(oprf.SuiteRistretto255.Group(), proof); err != nil {
		t.Fatal(err)
	}
	return p
}

// stuck is a random generator that repeats itself, as that of a machine does that was restored from a snapshot.
type stuck struct{}

func (stuck) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 7
	}
	return len(p), nil
}

// TestNonce: a generator that repeats itself does not give the key away. Two proofs c, s = r - c*k with one r would:
// k = (s1 - s2) / (c2 - c1).
func TestNonce(t *testing.T) {
	key := GenerateEvaluatorKey()
	other := GenerateEvaluatorKey()
	var batches [][][]byte
	for _, inputs := range [][]string{{"a"}, {"b"}, {"a", "b"}, {"b", "a"}} {
		var batch [][]byte
		for _, x := range inputs {
			b, err := Blind([]byte(x))
			if err != nil {
				t.Fatal(err)
			}
			batch = append(batch, b.Element[:])
		}
		batches = append(batches, batch)
	}
	before := rand.Reader
	rand.Reader = stuck{}
	defer func() { rand.Reader = before }()
	seen := map[string]bool{}
	for _, k := range []*EvaluatorKey{key, other} {
		for i, batch := range batches {
			_, proof, err := k.Evaluate(batch)
			if err != nil {
				t.Fatal(err)
			}
			c, err1 := ristretto255.NewScalar().SetCanonicalBytes(proof[:ScalarSize])
			s, err2 := ristretto255.NewScalar().SetCanonicalBytes(proof[ScalarSize:])
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			r := ristretto255.NewScalar().Multiply(c, k.k)
			r.Add(r, s)
			if seen[string(r.Bytes())] {
				t.Fatalf("the proof of batch %d has the r of another", i)
			}
			seen[string(r.Bytes())] = true
		}
	}
	rand.Reader = before
	fresh := map[string]bool{}
	for range 2 {
		_, proof, err := key.Evaluate(batches[0])
		if err != nil {
			t.Fatal(err)
		}
		fresh[string(proof)] = true
	}
	if len(fresh) != 2 {
		t.Error("one batch has one proof: the random bytes are not used")
	}
}
