package main

import (
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// low and high give the most that the two halves of a product are. A factor
// must fit 52 bits: VPMADD52 would not see what is above.
func low(a, b uint64) uint64 {
	h, l := product52(a, b)
	if h != 0 {
		return 1<<52 - 1
	}
	return l
}

func high(a, b uint64) uint64 { h, _ := product52(a, b); return h }

func product52(a, b uint64) (h, l uint64) {
	if a >= 1<<52 || b >= 1<<52 {
		panic("a factor passes 52 bits")
	}
	hi, lo := bits.Mul64(a, b)
	return hi<<12 | lo>>52, lo & (1<<52 - 1)
}

// wide is a product before the upper half is folded into the lower.
type wide struct {
	f   *field
	acc [10]Op
	max [10]uint64
}

func (w *wide) use(k int) Op {
	if w.acc[k] == nil {
		w.acc[k] = w.f.vector()
		w.f.move(w.f.none, w.acc[k])
	}
	return w.acc[k]
}

func (w *wide) lo(k int, a, b value, i, j int) {
	VPMADD52LUQ(a.limb[i], b.limb[j], w.use(k))
	w.max[k] = plus(w.max[k], low(a.max[i], b.max[j]))
}

func (w *wide) hi(k int, a, b value, i, j int) {
	VPMADD52HUQ(a.limb[i], b.limb[j], w.use(k))
	w.max[k] = plus(w.max[k], high(a.max[i], b.max[j]))
}

func (w *wide) double() {
	for k := range w.acc {
		if w.acc[k] != nil {
			VPADDQ(w.acc[k], w.acc[k], w.acc[k])
			w.max[k] = times(w.max[k], 2)
		}
	}
}

// multiply52 is multiply with VPMADD52. The upper half of a_i*b_j has weight
// 2^(51(i+j)+52), which is twice that of limb i+j+1.
func (f *field) multiply52(a, b value) value {
	a, b = f.loaded(a), f.loaded(b)
	w := wide{f: f}
	for i := range 5 {
		for j := range 5 {
			w.hi(i+j+1, a, b, i, j)
		}
	}
	f.step("upper halves", w.max[:]...)
	w.double()
	for i := range 5 {
		for j := range 5 {
			w.lo(i+j, a, b, i, j)
		}
	}
	return w.fold()
}

// square52 is square with VPMADD52: what is mixed counts twice.
func (f *field) square52(a value) value {
	a = f.loaded(a)
	w := wide{f: f}
	for i := range 5 {
		for j := i + 1; j < 5; j++ {
			w.hi(i+j+1, a, a, i, j)
		}
	}
	f.step("upper halves, mixed", w.max[:]...)
	w.double()
	for i := range 5 {
		w.hi(2*i+1, a, a, i, i)
	}
	f.step("and not mixed", w.max[:]...)
	for i := range 5 {
		for j := i + 1; j < 5; j++ {
			w.lo(i+j, a, a, i, j)
		}
	}
	f.step("and lower halves, mixed", w.max[:]...)
	w.double()
	for i := range 5 {
		w.lo(2*i, a, a, i, i)
	}
	return w.fold()
}

// fold adds 19 times the upper five limbs to the lower: 2^255 is 19.
func (w *wide) fold() value {
	w.f.step("ten limbs", w.max[:]...)
	var v value
	for k := range 5 {
		VPMULLQ(w.f.c19, w.acc[k+5], w.acc[k+5])
		VPADDQ(w.acc[k+5], w.acc[k], w.acc[k])
		v.limb[k], v.max[k] = w.acc[k], plus(w.max[k], times(19, w.max[k+5]))
	}
	return v
}
