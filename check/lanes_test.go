package check

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/cloudflare/circl/oprf"

	"shirase/check/internal/lanes"
)

// needLanes skips where there is one way to compute only.
func needLanes(t *testing.T) {
	t.Helper()
	if lanes.Of() == lanes.Library {
		t.Skip("no lanes: the processor has none, or SHIRASE_LANES is off")
	}
	if !inLanes() {
		t.Fatal("the lanes disagree with the library")
	}
}

// TestOtherPaths runs the tests of the protocol again, on every lesser path.
func TestOtherPaths(t *testing.T) {
	if os.Getenv("SHIRASE_LANES") != "" {
		t.Skip("this is one of them")
	}
	for _, path := range []string{"avx2", "off"} {
		t.Run(path, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.v", "-test.run=^(TestRFC9497Vectors|TestAgainstCircl|TestOutputs|TestEvaluateInLanes|TestEvaluateRefusals)$")
			cmd.Env = append(os.Environ(), "SHIRASE_LANES="+path)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if n := len(regexp.MustCompile(`(?m)^--- (PASS|SKIP)`).FindAll(out, -1)); n != 5 {
				t.Fatalf("%d tests ran: %s", n, out)
			}
			if skipped := strings.Contains(string(out), "--- SKIP"); skipped != (path == "off" || lanes.Of() == lanes.Library) {
				t.Fatalf("skipped %v: %s", skipped, out)
			}
		})
	}
}

// TestOutputs compares the outputs of many with the outputs of each, and circl's.
func TestOutputs(t *testing.T) {
	key := GenerateEvaluatorKey()
	theirs := new(oprf.PrivateKey)
	if err := theirs.UnmarshalBinary(oprf.SuiteRistretto255, key.k.Bytes()); err != nil {
		t.Fatal(err)
	}
	server := oprf.NewVerifiableServer(oprf.SuiteRistretto255, theirs)
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 33} {
		xs := make([][]byte, n)
		for i := range xs {
			xs[i] = bytes.Repeat([]byte{byte(i)}, r.IntN(300))
		}
		out, err := key.Outputs(xs)
		if err != nil || len(out) != n {
			t.Fatalf("%d outputs of %d: %v", len(out), n, err)
		}
		for i, x := range xs {
			one, err := key.Output(x)
			if err != nil || out[i] != one {
				t.Fatalf("%d of %d: %x, one by one %x, %v", i, n, out[i], one, err)
			}
			their, err := server.FullEvaluate(x)
			if err != nil || !bytes.Equal(their, one[:]) {
				t.Fatalf("%d of %d: %x, circl %x, %v", i, n, one, their, err)
			}
		}
	}
	if _, err := key.Outputs([][]byte{[]byte("x"), make([]byte, maxInput+1)}); !errors.Is(err, ErrElement) {
		t.Errorf("an input too long: %v", err)
	}
	if out, err := key.Outputs([][]byte{make([]byte, maxInput), []byte("x")}); err != nil || out[0] == (Output{}) {
		t.Errorf("the longest input: %v", err)
	}
}

// TestEvaluateInLanes compares elements and proofs with those made one by one.
func TestEvaluateInLanes(t *testing.T) {
	needLanes(t)
	key := GenerateEvaluatorKey()
	for n := 1; n <= MaxBatch; n++ {
		var blinded [][]byte
		for i := range n {
			b, err := Blind([]byte{byte(n), byte(i)})
			if err != nil {
				t.Fatal(err)
			}
			blinded = append(blinded, b.Element[:])
		}
		if n > 2 {
			blinded[1] = blinded[0] // sums of equal points
		}
		r := randomScalar()
		ours, ourProof, ok := key.evaluateInLanes(blinded, r)
		if !ok {
			t.Fatalf("%d elements are refused", n)
		}
		theirs, theirProof, err := key.evaluateOneByOne(blinded, r)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(ours) != fmt.Sprint(theirs) || !bytes.Equal(ourProof, theirProof) {
			t.Fatalf("%d elements: %x and %x, one by one %x and %x", n, ours, ourProof, theirs, theirProof)
		}
	}
}

// TestEvaluateRefusals: what one way refuses the other refuses, with the place.
func TestEvaluateRefusals(t *testing.T) {
	key := GenerateEvaluatorKey()
	for name, wrong := range map[string][]byte{
		"neutral": make([]byte, 32), "short": make([]byte, 31), "empty": nil, "long": make([]byte, 33),
		"negative": append([]byte{1}, make([]byte, 31)...), "not canonical": bytes.Repeat([]byte{0xff}, 32),
	} {
		for _, n := range []int{1, 9, 16} {
			for _, at := range []int{0, n / 2, n - 1} {
				var blinded [][]byte
				for range n {
					blinded = append(blinded, generator[:])
				}
				blinded[at] = wrong
				_, _, err := key.Evaluate(blinded)
				if !errors.Is(err, ErrElement) || !strings.Contains(err.Error(), fmt.Sprintf("blinded[%d]", at)) {
					t.Errorf("%s, %d of %d: %v", name, at, n, err)
				}
			}
		}
	}
}
