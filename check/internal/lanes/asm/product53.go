package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// AVX2 has no product of 52 bits, but its fused multiply-add of doubles is one
// of 53: added to 2^103, a product p of two limbs is rounded to a multiple h of
// 2^51, and p-h+3*2^51 is exact. As integers the patterns of these two doubles
// are a constant and h/2^51, a constant and p-h, and are added as such. Which
// neighbour p is rounded to only moves a unit from one half to the other.
const (
	splitter  = 1 << 103
	remainder = 3 << 51
	integers  = 1 << 52 // the sum with an integer below has its bits in the pattern
)

func pattern(x float64) uint64 { return math.Float64bits(x) }

// floats gives a value as doubles, in registers.
func (f *field) floats(v value) value {
	if v.doubles {
		return f.loaded(v)
	}
	return f.convert(v, func(_ int, limb Op) Op { return limb })
}

// factor stores a value as multiply takes it: as doubles with AVX2, with IFMA as it is.
func (f *field) factor(v value, m Mem) value {
	if f.ifma {
		f.store(v, m)
		return f.in(m)
	}
	return f.convert(v, func(k int, limb Op) Op {
		to := m.Offset(64 * k)
		f.move(limb, to)
		return to
	})
}

// convert makes doubles of integers, and gives each limb to put before it makes the next.
func (f *field) convert(v value, put func(k int, limb Op) Op) value {
	if !v.max.within(reduced) {
		panic("a factor is not reduced")
	}
	c := f.register(f.consts.word(pattern(integers)))
	for k := range v.limb {
		r := f.vector()
		VPOR(v.limb[k], c, r)
		VSUBPD(c, r, r)
		v.limb[k] = put(k, r)
	}
	v.doubles = true
	return v
}

// product53 is a product of doubles, from limb 9 to limb 0. What is above limb 4
// is added to what is below as soon as it is known: 2^255 is 19.
type product53 struct {
	f           *field
	split, both Op // 2^103, and the sum with 3*2^51
	acc         [10]Op
	max, below  [10]uint64 // acc is at most max, but for the bias and the constants, and not less than -below
}

func (f *field) product53() *product53 {
	return &product53{f: f, split: f.register(f.consts.word(pattern(splitter))), both: f.register(f.consts.word(pattern(splitter + remainder)))}
}

// bias53 is the multiple of the modulus that keeps sums of lower halves, which
// have signs, above 0.
func bias53() bound { return multiple(128) }

// start is what limb k of a product of five by five limbs begins with: the
// bias, less the constants of the patterns.
func start(k int) (s uint64) {
	if k < 5 {
		s = bias53()[k]
	}
	for i := range 5 {
		for j := range 5 {
			switch i + j {
			case k:
				s -= pattern(remainder)
			case k - 1:
				s -= pattern(splitter)
			}
		}
	}
	return s
}

// half is one half of a product, as a pattern, and what it can be without its constant.
type half struct {
	is         Op
	max, below uint64
}

// add adds to limb k.
func (w *product53) add(k int, h half) {
	w.max[k], w.below[k] = plus(w.max[k], h.max), plus(w.below[k], h.below)
	if w.acc[k] == nil {
		w.acc[k] = h.is
		return
	}
	VPADDQ(h.is, w.acc[k], w.acc[k])
}

// halves gives a*b, a in a register.
func (w *product53) halves(a, b Op, maxA, maxB uint64) (upper, lower half) {
	h, l := product52(maxA, maxB)
	above := plus(plus(2*h, l>>51), 1) // rounded up
	if above >= 1<<52 {
		panic("a product passes 103 bits")
	}
	hi, lo := w.f.vector(), w.f.vector()
	if _, memory := b.(Mem); memory {
		w.f.move(b, hi)
		VFMADD213PD(w.split, a, hi)
	} else {
		w.f.move(w.split, hi)
		VFMADD231PD(b, a, hi)
	}
	VSUBPD(hi, w.both, lo)
	VFMADD231PD(b, a, lo)
	return half{hi, above, 0}, half{lo, 1 << 51, 1 << 51}
}

// multiply53 is multiply with doubles.
func (f *field) multiply53(a, b value) value {
	before := f.used
	if !b.doubles {
		b = f.factor(b, f.temporary())
	}
	a = f.floats(a)
	w := f.product53()
	for k := 8; k >= 0; k-- {
		for i := max(0, k-4); i <= min(4, k); i++ {
			j := k - i
			hi, lo := w.halves(a.limb[i], b.limb[j], a.max[i], b.max[j])
			w.add(k+1, hi)
			w.add(k, lo)
		}
		w.complete(k + 1)
	}
	w.complete(0)
	f.used = before
	return w.value()
}

// square53 is square with doubles: what is mixed counts twice.
func (f *field) square53(a value) value {
	a = f.floats(a)
	w := f.product53()
	var once [10]half // what is not mixed: each limb has one half of one
	for k := 8; k >= 0; k-- {
		for i := max(0, k-4); 2*i < k; i++ {
			j := k - i
			hi, lo := w.halves(a.limb[i], a.limb[j], a.max[i], a.max[j])
			w.add(k+1, hi)
			w.add(k, lo)
		}
		if k%2 == 0 {
			once[k+1], once[k] = w.halves(a.limb[k/2], a.limb[k/2], a.max[k/2], a.max[k/2])
		}
		w.twice(k+1, once[k+1])
		w.complete(k + 1)
	}
	w.twice(0, once[0])
	w.complete(0)
	return w.value()
}

// twice doubles what is in limb k, and adds to it.
func (w *product53) twice(k int, h half) {
	if w.acc[k] != nil {
		VPADDQ(w.acc[k], w.acc[k], w.acc[k])
		w.max[k], w.below[k] = times(w.max[k], 2), times(w.below[k], 2)
	}
	w.add(k, h)
}

// complete ends limb k. Nothing but the sum of limb k, limb k+5 nineteenfold
// and the bias has a sign that counts.
func (w *product53) complete(k int) {
	VPADDQ(w.f.consts.word(start(k)), w.acc[k], w.acc[k])
	if k < 5 {
		x, y, z := w.acc[k+5], w.f.vector(), w.acc[k] // 19 = 16 + 2 + 1
		VPADDQ(x, x, y)
		VPADDQ(x, z, z)
		VPSLLQ(Imm(4), x, x)
		VPADDQ(y, z, z)
		VPADDQ(x, z, z)
	}
}

func (w *product53) value() value {
	w.f.step("ten limbs", w.max[:]...)
	w.f.step("below 0", w.below[:]...)
	v := value{max: bias53()}
	for k := range 5 {
		if plus(w.below[k], times(19, w.below[k+5])) > v.max[k] {
			panic("a limb passes 0")
		}
		v.limb[k], v.max[k] = w.acc[k], plus(v.max[k], plus(w.max[k], times(19, w.max[k+5])))
	}
	return v
}
