package lanes

import (
	"encoding/binary"
	"math"
	"math/big"
	"testing"

	"filippo.io/edwards25519/field"
)

var modulus, _ = new(big.Int).SetString("57896044618658097711785492504343953926634992332820282019728792003956564819949", 10)

// most is what the generator holds every element in memory to: testdata/*.txt.
var most = [5]uint64{1<<51 + 19<<13, 1<<51 + 1<<13, 1<<51 + 1<<13, 1<<51 + 1<<13, 1<<51 + 1<<13}

// number is what lane i of z stands for, modulo p.
func number(z *element, i int) *big.Int {
	x := new(big.Int)
	for k := 4; k >= 0; k-- {
		x.Lsh(x, 51).Add(x, new(big.Int).SetUint64(z[k*Width+i]))
	}
	return x.Mod(x, modulus)
}

// library is the same in the library's arithmetic.
func library(t *testing.T, x *big.Int) *field.Element {
	t.Helper()
	var b [32]byte
	x.FillBytes(b[:])
	for i := range 16 {
		b[i], b[31-i] = b[31-i], b[i]
	}
	f, err := new(field.Element).SetBytes(b[:])
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// elements gives values at random, and such as are at an edge: with all limbs
// at their most, 0, p and 2p-ish, and what is next to them.
func elements(n int) []element {
	r := random(7)
	edges := []uint64{0, 1, 18, 19, 1<<51 - 20, 1<<51 - 19, 1<<51 - 18, 1<<51 - 1, 1 << 51, 1<<51 + 1}
	out := make([]element, n)
	for e := range out {
		for i := range Width {
			kind := r.Uint64() % 4
			for k := range 5 {
				limb := r.Uint64() % (most[k] + 1)
				switch {
				case e == 0:
					limb = most[k]
				case e == 1 && i < 4: // p and p-1, p+1, 2^255-1 in turn
					limb = 1<<51 - 1
					if k == 0 {
						limb = []uint64{1<<51 - 19, 1<<51 - 20, 1<<51 - 18, 1<<51 - 1}[i]
					}
				case kind == 0:
					limb = edges[r.Uint64()%uint64(len(edges))]
				case kind == 1:
					limb = most[k] - limb%3
				}
				out[e][k*Width+i] = limb
			}
		}
	}
	return out
}

func check(t *testing.T, what string, z *element, want func(i int) *field.Element) {
	t.Helper()
	for i := range Width {
		for k := range 5 {
			if z[k*Width+i] > most[k] {
				t.Fatalf("%s: limb %d of lane %d is %#x", what, k, i, z[k*Width+i])
			}
		}
		if library(t, number(z, i)).Equal(want(i)) != 1 {
			t.Fatalf("%s: lane %d is %x, want %x", what, i, number(z, i), want(i).Bytes())
		}
	}
}

func TestField(t *testing.T) {
	es, l := elements(60), new(Lanes)
	everyPath(t, func(t *testing.T) {
		for n := range es {
			x, y := &es[n], &es[(n+1)%len(es)]
			if n < 2 {
				y = x
			}
			fx := func(i int) *field.Element { return library(t, number(x, i)) }
			fy := func(i int) *field.Element { return library(t, number(y, i)) }
			z := new(element)
			l.mul(z, x, y)
			check(t, "x*y", z, func(i int) *field.Element { return fx(i).Multiply(fx(i), fy(i)) })
			l.add(z, x, y)
			check(t, "x+y", z, func(i int) *field.Element { return fx(i).Add(fx(i), fy(i)) })
			l.sub(z, x, y)
			check(t, "x-y", z, func(i int) *field.Element { return fx(i).Subtract(fx(i), fy(i)) })
			two := pair{*x, *y}
			l.square2(&two, 3)
			for h, v := range []func(int) *field.Element{fx, fy} {
				check(t, "x^8", &two[h], func(i int) *field.Element {
					f := v(i)
					for range 3 {
						f.Square(f)
					}
					return f
				})
			}
			mask := uint8(n*37 + 5)
			l.choose(z, x, y, mask)
			check(t, "choice", z, func(i int) *field.Element {
				if mask>>i&1 == 1 {
					return fx(i)
				}
				return fy(i)
			})
			l.freeze(z, x)
			var bytes [Width][32]byte
			pack(&bytes, z)
			isOdd, isZero := l.odd(x), l.zero(x)
			for i := range Width {
				f := fx(i)
				if bytes[i] != [32]byte(f.Bytes()) {
					t.Fatalf("frozen %x, want %x", bytes[i], f.Bytes())
				}
				if isOdd>>i&1 != uint8(f.IsNegative()) {
					t.Fatalf("odd in lane %d of %x: %08b", i, f.Bytes(), isOdd)
				}
				if isZero>>i&1 != uint8(f.Equal(new(field.Element))) {
					t.Fatalf("zero in lane %d of %x: %08b", i, f.Bytes(), isZero)
				}
			}
			var again element
			unpack(&again, &bytes)
			if again != *z {
				t.Fatal("packing and unpacking gives something else")
			}
			*z = *x
			l.mul(z, z, &one) // in place
			check(t, "x*1", z, fx)
		}
	})
}

// TestPick has another digit in every lane, and all of them.
func TestPick(t *testing.T) {
	es, l := elements(32), new(Lanes)
	table := new([8]point)
	for j := range table {
		for c := range table[j] {
			table[j][c] = es[4*j+c]
		}
	}
	everyPath(t, func(t *testing.T) {
		for first := -8; first <= 8; first++ {
			var digits [Width]int8
			for i := range digits {
				digits[i] = int8((first+8+3*i)%17 - 8)
			}
			got := new(point)
			l.pick(got, table, &digits)
			for i, d := range digits {
				want := [4]*big.Int{big.NewInt(1), big.NewInt(1), big.NewInt(1), new(big.Int)}
				if d != 0 {
					for c := range want {
						want[c] = number(&table[max(d, -d)-1][c], i)
					}
				}
				if d < 0 {
					want[0], want[1] = want[1], want[0]
					want[3] = new(big.Int).Mod(new(big.Int).Neg(want[3]), modulus)
				}
				for c := range want {
					if number(&got[c], i).Cmp(want[c]) != 0 {
						t.Fatalf("digit %d in lane %d: coordinate %d is %x, want %x", d, i, c, number(&got[c], i), want[c])
					}
				}
			}
		}
	})
}

// TestHalves: a product of limbs is what the patterns of two doubles are beyond
// their constants, whichever neighbour the first is rounded to.
func TestHalves(t *testing.T) {
	const splitter, remainder, part = 1 << 103, 3 << 51, 1 << 51
	limbs := []uint64{0, 1, 2, 19, part - 1, part, part + 1, most[0] - 1, most[0]}
	r := random(9)
	for range 200 {
		limbs = append(limbs, r.Uint64()%(most[0]+1))
	}
	for _, a := range limbs {
		for _, b := range limbs {
			x, y := float64(a), float64(b)
			p := new(big.Int).Mul(new(big.Int).SetUint64(a), new(big.Int).SetUint64(b))
			down := float64(splitter) + float64(new(big.Int).Rsh(p, 51).Uint64())*part
			up := math.Nextafter(down, math.Inf(1))
			if h := math.FMA(x, y, splitter); h != down && h != up {
				t.Fatalf("%d*%d is rounded to %g, between %g and %g", a, b, h, down, up)
			}
			for _, h := range []float64{down, up} {
				rest := math.FMA(x, y, splitter+remainder-h)
				upper := new(big.Int).SetUint64(math.Float64bits(h) - math.Float64bits(splitter))
				lower := big.NewInt(int64(math.Float64bits(rest) - math.Float64bits(remainder)))
				if got := upper.Lsh(upper, 51).Add(upper, lower); got.Cmp(p) != 0 {
					t.Fatalf("%d*%d: the halves of %g are %v", a, b, h, got)
				}
			}
		}
	}
}

// TestConstants compares with the decimal numbers of RFC 9496 section 4.1.
func TestConstants(t *testing.T) {
	for decimal, z := range map[string]*element{
		"37095705934669439343138083508754565189542113879843219016388785533085940283555": &edwardsD,
		"19681161376707505956807079304988542015446066515923890162744021073123829784752": &sqrtM1,
		"25063068953384623474111414158702152701244531502492656460079210482610430750235": &sqrtADMinusOne,
		"54469307008909316920995813868745141605393597292927456921205312896311721017578": &invSqrtAMinusD,
		"1159843021668779879193775521855586647937357759715417654439879720876111806838":  &oneMinusDSq,
		"40440834346308536858101042469323190826248399146238708352240133220865137265952": &dMinusOneSq,
		"0": &none, "1": &one,
		"57896044618658097711785492504343953926634992332820282019728792003956564819948": &minusOne,
		"16295367250680780974490674513165176452449235426866156013048779062215315747161": &edwardsD2,
	} {
		want, _ := new(big.Int).SetString(decimal, 10)
		for i := range Width {
			if number(z, i).Cmp(want) != 0 {
				t.Errorf("lane %d: %d, want %s", i, number(z, i), decimal)
			}
		}
	}
}

// TestRecode compares a scalar's digits with the scalar.
func TestRecode(t *testing.T) {
	l := new(Lanes)
	r := random(9)
	ks := scalars()
	for range 50 {
		var k [32]byte
		r.Read(k[:])
		k[31] &= 127
		ks = append(ks, k)
	}
	for _, k := range ks {
		l.recode(3, k[:])
		x := new(big.Int)
		for j := 63; j >= 0; j-- {
			if d := l.digits[j][3]; d < -8 || d > 8 {
				t.Fatalf("%x: digit %d", k, d)
			}
			x.Lsh(x, 4).Add(x, big.NewInt(int64(l.digits[j][3])))
		}
		var want big.Int
		for j := 3; j >= 0; j-- {
			want.Lsh(&want, 64).Add(&want, new(big.Int).SetUint64(binary.LittleEndian.Uint64(k[8*j:])))
		}
		if x.Cmp(&want) != 0 {
			t.Fatalf("%x: %x", k, x)
		}
	}
}
