package lanes

import (
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/gtank/ristretto255"
)

// everyPath runs a test on each path that this processor has.
func everyPath(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	before := path
	defer func() { path = before }()
	for path = AVX2; path <= best(); path++ {
		t.Run(path.String(), test)
	}
	if best() == Library {
		t.Skip("this processor has no lanes")
	}
}

// random gives bytes that a failure can be repeated with.
func random(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func encoded(l *Lanes, e *Elements) [Width][32]byte {
	var out [1][Width][32]byte
	l.Encode(out[:], e)
	return out[0]
}

func unhex32(t *testing.T, s string) (b [32]byte) {
	t.Helper()
	if n, err := hex.Decode(b[:], []byte(s)); err != nil || n != 32 {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

// scalars are such as a mistake would show with.
func scalars() (k [][32]byte) {
	l, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	add := func(x *big.Int) {
		var b [32]byte
		x.FillBytes(b[:])
		for i := range 16 {
			b[i], b[31-i] = b[31-i], b[i]
		}
		k = append(k, b)
	}
	for _, n := range []int64{0, 1, 2, 7, 8, 9, 15, 16, 17, 0x88, 0x7777, 0x8888} {
		add(big.NewInt(n))
		if n > 0 {
			add(new(big.Int).Sub(l, big.NewInt(n)))
		}
	}
	for _, bit := range []uint{51, 64, 127, 128, 251, 252} {
		x := new(big.Int).Lsh(big.NewInt(1), bit)
		add(x)
		if bit < 252 {
			add(x.Sub(x, big.NewInt(1)))
		}
	}
	every := new(big.Int)
	for _, digit := range []int64{1, 7, 8, 9, 15} { // one digit all over
		every.SetInt64(0)
		for range 63 {
			every.Lsh(every, 4).Add(every, big.NewInt(digit))
		}
		add(new(big.Int).Mod(every, l))
	}
	return k
}

// compare computes with all lanes what the library and circl compute one by one.
func compare(t *testing.T, u *[Width][64]byte, k *[Width][32]byte) {
	t.Helper()
	l, e := new(Lanes), new(Elements)
	l.Uniform(e, u)
	hashed := encoded(l, e)
	l.Multiply(e, k)
	out := encoded(l, e)
	var back Elements
	if ok := l.Decode(&back, &out); ok != 0xff {
		t.Fatalf("decoded %08b of what was encoded", ok)
	}
	if encoded(l, &back) != out {
		t.Fatal("decoding and encoding gives something else")
	}
	var lo [Width][16]byte
	half := new(Elements)
	for i := range k {
		lo[i] = [16]byte(k[i][:])
	}
	l.Decode(half, &hashed)
	l.MultiplyHalf(half, &lo)
	halves := encoded(l, half)
	turned := new(Elements)
	for i := range Width {
		turned.Move(i, e, (i+1)%Width)
	}
	l.Add(turned, &back)
	sums := encoded(l, turned)
	var products [Width]*ristretto255.Element
	for i := range Width {
		p, err := ristretto255.NewIdentityElement().SetUniformBytes(u[i][:])
		if err != nil {
			t.Fatal(err)
		}
		if hashed[i] != [32]byte(p.Bytes()) {
			t.Fatalf("lane %d: %x derives %x, and the library %x", i, u[i], hashed[i], p.Bytes())
		}
		s, err := ristretto255.NewScalar().SetCanonicalBytes(k[i][:])
		if err != nil {
			t.Fatal(err)
		}
		products[i] = ristretto255.NewIdentityElement().ScalarMult(s, p)
		if out[i] != [32]byte(products[i].Bytes()) {
			t.Fatalf("lane %d: %x times %x is %x, and the library's %x", i, k[i], hashed[i], out[i], products[i].Bytes())
		}
		var low [32]byte
		copy(low[:], lo[i][:])
		s.SetCanonicalBytes(low[:])
		if h := ristretto255.NewIdentityElement().ScalarMult(s, p); halves[i] != [32]byte(h.Bytes()) {
			t.Fatalf("lane %d: %x times %x is %x, and the library's %x", i, low, hashed[i], halves[i], h.Bytes())
		}
		theirs, scalar := group.Ristretto255.NewElement(), group.Ristretto255.NewScalar()
		if err := theirs.UnmarshalBinary(hashed[i][:]); err != nil {
			t.Fatal(err)
		}
		if err := scalar.UnmarshalBinary(k[i][:]); err != nil {
			t.Fatal(err)
		}
		b, err := theirs.Mul(theirs, scalar).MarshalBinary()
		if err != nil || [32]byte(b) != out[i] {
			t.Fatalf("lane %d: circl's %x, %v", i, b, err)
		}
	}
	for i := range Width {
		sum := ristretto255.NewIdentityElement().Add(products[i], products[(i+1)%Width])
		if sums[i] != [32]byte(sum.Bytes()) {
			t.Fatalf("lane %d: the sum is %x, and the library's %x", i, sums[i], sum.Bytes())
		}
	}
}

func TestAgainstLibraries(t *testing.T) {
	special := scalars()
	everyPath(t, func(t *testing.T) {
		r := random(1)
		for round := range 12 {
			var u [Width][64]byte
			var k [Width][32]byte
			for i := range u {
				r.Read(u[i][:])
				switch at := round*Width + i; {
				case at < len(special):
					k[i] = special[at]
				default:
					var wide [64]byte
					r.Read(wide[:])
					s, _ := ristretto255.NewScalar().SetUniformBytes(wide[:])
					k[i] = [32]byte(s.Bytes())
				}
			}
			if round == 0 { // 0, 1, -1, p, 2^255-1 and such among what is derived from
				clear(u[0][:])
				clear(u[1][:32])
				u[2] = [64]byte{0: 1, 32: 0xec, 63: 0x7f}
				for i := range 64 {
					u[3][i], u[4][i] = 0xff, 0xff
				}
				u[4][0], u[4][31], u[4][32], u[4][63] = 0xed, 0x7f, 0xee, 0x7f
				copy(u[5][32:], u[5][:32]) // the same point twice
			}
			compare(t, &u, &k)
		}
	})
}

func FuzzAgainstLibraries(f *testing.F) {
	f.Add([]byte("identities"), []byte("scalar"), true)
	f.Fuzz(func(t *testing.T, identities, scalar []byte, avx2 bool) {
		if best() == Library {
			t.Skip("this processor has no lanes")
		}
		before := path
		defer func() { path = before }()
		if path = best(); avx2 {
			path = AVX2
		}
		var u [Width][64]byte
		var k [Width][32]byte
		for i := range u {
			for j := 64 * i; j < min(64*i+64, len(identities)); j++ { // bytes as they are, for the map's special cases
				u[i][j-64*i] = identities[j]
			}
			wide := sha512.Sum512(append([]byte{byte(i)}, scalar...))
			if i == 0 {
				wide = [64]byte{}
				copy(wide[:32], scalar)
			}
			s, _ := ristretto255.NewScalar().SetUniformBytes(wide[:])
			k[i] = [32]byte(s.Bytes())
		}
		compare(t, &u, &k)
	})
}

// TestRFC9496 goes through the vectors of its appendix A.
func TestRFC9496(t *testing.T) {
	var v struct {
		Multiples, Invalid, Inputs, Derived, Same []string
		SameElement                               string
	}
	b, err := os.ReadFile("testdata/rfc9496.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Multiples) != 16 || len(v.Invalid) != 29 || len(v.Inputs) != 7 || len(v.Derived) != 7 || len(v.Same) != 4 {
		t.Fatal("the appendix has more")
	}
	everyPath(t, func(t *testing.T) {
		l := new(Lanes)
		for at := 0; at < 16; at += Width { // A.1
			e := new(Elements)
			var generator, k, want [Width][32]byte
			for i := range Width {
				generator[i], want[i] = unhex32(t, v.Multiples[1]), unhex32(t, v.Multiples[at+i])
				k[i][0] = byte(at + i)
			}
			if ok := l.Decode(e, &generator); ok != 0xff {
				t.Fatalf("the generator decodes in %08b", ok)
			}
			l.Multiply(e, &k)
			if got := encoded(l, e); got != want {
				t.Errorf("multiples from %d: %x", at, got)
			}
			if ok := l.Decode(e, &want); ok != 0xff || encoded(l, e) != want {
				t.Errorf("multiples from %d decode in %08b", at, ok)
			}
		}
		for i, s := range v.Invalid { // A.2, each in a lane among valid ones
			var in [Width][32]byte
			for j := range in {
				in[j] = unhex32(t, v.Multiples[2])
			}
			in[i%Width] = unhex32(t, s)
			e := new(Elements)
			if ok := l.Decode(e, &in); ok != 0xff&^(1<<(i%Width)) {
				t.Errorf("%s: decoded %08b", s, ok)
			}
			in[i%Width] = [32]byte{}
			if encoded(l, e) != in {
				t.Errorf("%s: what is refused is not the neutral element", s)
			}
		}
		e := new(Elements) // A.3
		var u [Width][64]byte
		for i, s := range v.Inputs {
			u[i] = sha512.Sum512([]byte(s))
		}
		l.Uniform(e, &u)
		for i, got := range encoded(l, e) {
			if i < len(v.Derived) && got != unhex32(t, v.Derived[i]) {
				t.Errorf("%s: %x", v.Inputs[i], got)
			}
		}
		for i, s := range v.Same {
			if n, err := hex.Decode(u[i][:], []byte(s)); err != nil || n != 64 {
				t.Fatal(err)
			}
		}
		l.Uniform(e, &u)
		for i, got := range encoded(l, e) {
			if i < len(v.Same) && got != unhex32(t, v.SameElement) {
				t.Errorf("%s: %x", v.Same[i], got)
			}
		}
	})
}

// TestWant asks for four lanes, or for all again, and compares with what all give.
func TestWant(t *testing.T) {
	everyPath(t, func(t *testing.T) {
		all, l, r := new(Lanes), new(Lanes), random(4)
		var u [Width][64]byte
		var k [Width][32]byte
		var half [Width][16]byte
		for i := range u {
			r.Read(u[i][:])
			r.Read(k[i][:31])
			r.Read(half[i][:])
		}
		for _, n := range []int{1, 4, 5, Width} {
			l.Want(n)
			var steps [2][]([Width][32]byte)
			var ok [2]uint8
			for i, l := range []*Lanes{all, l} {
				e, f := new(Elements), new(Elements)
				add := func() { steps[i] = append(steps[i], encoded(l, e)) }
				l.Uniform(e, &u)
				add()
				l.Multiply(e, &k)
				add()
				in := steps[i][1]
				for lane := 1; lane < Width; lane += 2 {
					in[lane] = [32]byte{1} // odd, so no encoding
				}
				ok[i] = l.Decode(f, &in)
				l.Add(e, f)
				add()
				l.MultiplyHalf(e, &half)
				add()
			}
			mask := uint8(1<<n - 1)
			if ok[0] != 0x55 || (ok[0]^ok[1])&mask != 0 {
				t.Errorf("of %d lanes %08b decode, of all %08b", n, ok[1], ok[0])
			}
			for step := range steps[0] {
				for lane := range n {
					if steps[0][step][lane] != steps[1][step][lane] {
						t.Fatalf("step %d, lane %d of %d: another element", step, lane, n)
					}
				}
			}
		}
		z, x := &element{}, &elements(1)[0]
		l.Want(4)
		l.mul(z, x, x)
		if saved := z[4] == 0; saved != (path == AVX2) || z[3] == 0 {
			t.Errorf("%v computes all lanes: %v", path, !saved)
		}
	})
}

func TestEncodeMany(t *testing.T) {
	everyPath(t, func(t *testing.T) {
		l, r := new(Lanes), random(3)
		var es [3]Elements
		var want [3][Width][32]byte
		for i := range es {
			var u [Width][64]byte
			for j := range u {
				r.Read(u[j][:])
			}
			l.Uniform(&es[i], &u)
			want[i] = encoded(l, &es[i])
		}
		var out [3][Width][32]byte
		l.Encode(out[:], &es[0], &es[1], &es[2])
		if out != want {
			t.Error("several at once are encoded differently")
		}
	})
}

func TestChoice(t *testing.T) {
	for _, c := range []struct {
		wish       string
		best, want Path
	}{
		{"", IFMA, IFMA}, {"", AVX2, AVX2}, {"", Library, Library}, {"off", IFMA, Library}, {"avx2", IFMA, AVX2}, {"avx2", AVX2, AVX2}, {"avx2", Library, Library}, {"more", AVX2, AVX2},
	} {
		if got := choice(c.wish, c.best); got != c.want {
			t.Errorf("%q of %v: %v", c.wish, c.best, got)
		}
	}
}
