package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// part is five limbs of 32 bits, of weight 2^(51 k), in memory: the lower 26
// bits of a value's limbs, their upper bits, or the sums of both.
type part struct {
	at  Mem
	max bound
}

func (p part) limb(k int) Mem { return p.at.Offset(32 * k) }

// parts takes room for n parts; two share a temporary.
func (f *field) parts(n int) []part {
	p := make([]part, n)
	for i := range p {
		if i%2 == 0 {
			p[i].at = f.temporary()
		} else {
			p[i].at = p[i-1].at.Offset(size / 2)
		}
	}
	return p
}

// split writes the lower and the upper bits of a value's limbs, and their sums.
func (f *field) split(v value, lower, upper, sum *part) {
	for k := range 5 {
		l := f.register(v.limb[k])
		low, up := f.vector(), f.vector()
		f.and(f.consts.word(1<<26-1), l, low)
		VPSRLQ(Imm(26), l, up)
		f.move(low, lower.limb(k))
		f.move(up, upper.limb(k))
		lower.max[k], upper.max[k] = min(v.max[k], 1<<26-1), v.max[k]>>26
		if sum != nil {
			VPADDQ(low, up, up)
			f.move(up, sum.limb(k))
			sum.max[k] = plus(lower.max[k], upper.max[k])
		}
	}
	f.step("l", lower.max[:]...)
	f.step("u", upper.max[:]...)
}

// times19 writes 19 times every limb but the first, which no product folds.
func (f *field) times19(p part, to *part) {
	for k := 1; k < 5; k++ {
		t := f.vector()
		f.move(p.limb(k), t)
		VPMULUDQ(f.c19, t, t)
		f.move(t, to.limb(k))
		to.max[k] = times(p.max[k], 19)
	}
}

// sums are limbs of 64 bits in registers.
type sums struct {
	acc [5]Op
	max bound
}

// convolve gives a*b, or twice that; b19 is 19 times b. Where square is set a
// is b, and what is mixed is taken once and doubled.
func (f *field) convolve(a, b, b19 part, double, square bool) sums {
	var s sums
	for i := range 5 {
		once := f.vector()
		f.move(a.limb(i), once)
		var twice Op
		if double || square && i < 4 {
			twice = f.vector()
			VPADDQ(once, once, twice)
		}
		first := 0
		if square {
			first = i
		}
		for j := first; j < 5; j++ {
			x, max := Op(once), a.max[i]
			if double || square && i != j {
				x, max = twice, times(2, max)
			}
			k, y, m := i+j, b.limb(j), b.max[j]
			if k >= 5 {
				k, y, m = k-5, b19.limb(j), b19.max[j]
			}
			if max >= 1<<32 || m >= 1<<32 {
				panic("a factor passes 32 bits")
			}
			s.max[k] = plus(s.max[k], times(max, m))
			if s.acc[k] == nil {
				s.acc[k] = f.vector()
				VPMULUDQ(y, x, s.acc[k])
				continue
			}
			t := f.vector()
			VPMULUDQ(y, x, t)
			VPADDQ(t, s.acc[k], s.acc[k])
		}
	}
	return s
}

// multiply32 is multiply with VPMULUDQ. With l and u the lower and upper bits,
// a*b is l*l' + 2^52 u*u' + 2^26 m, and m is (l+u)(l'+u') - l*l' - u*u'
// (Karatsuba).
func (f *field) multiply32(a, b value) value {
	before := f.used
	p := f.parts(9)
	l, u, s := &p[0], &p[1], &p[2]
	f.split(a, l, u, s)
	l2, u2, s2 := &p[3], &p[4], &p[5]
	f.split(b, l2, u2, s2)
	l19, u19, s19 := &p[6], &p[7], &p[8]
	f.times19(*l2, l19)
	f.times19(*u2, u19)
	for k := 1; k < 5; k++ {
		t := f.vector()
		f.move(l19.limb(k), t)
		VPADDQ(u19.limb(k), t, t)
		f.move(t, s19.limb(k))
		s19.max[k] = plus(l19.max[k], u19.max[k])
	}
	lower := f.convolve(*l, *l2, *l19, false, false)
	upper := f.convolve(*u, *u2, *u19, false, false)
	both := part{at: p[0].at} // l is not needed any more
	for k := range 5 {
		t := f.vector()
		VPADDQ(lower.acc[k], upper.acc[k], t)
		f.move(t, both.limb(k))
	}
	f.step("l*l'", lower.max[:]...)
	f.step("u*u'", upper.max[:]...)
	f.step("l*l' + u*u'", plus(lower.max[0], upper.max[0]), plus(lower.max[1], upper.max[1]), plus(lower.max[2], upper.max[2]),
		plus(lower.max[3], upper.max[3]), plus(lower.max[4], upper.max[4]))
	v := f.shifted(lower, upper)
	f.step("19 (l'+u')", s19.max[:]...)
	middle := f.convolve(*s, *s2, *s19, false, false)
	f.step("(l+u)(l'+u')", middle.max[:]...)
	for k := range 5 {
		VPSUBQ(both.limb(k), middle.acc[k], middle.acc[k])
	}
	middle.max = mixed(*l, *u, *l2, *u2) // what is left is l*u' + u*l'
	f.step("m", middle.max[:]...)
	f.used = before
	return f.join(v, middle)
}

// mixed bounds l*u' + u*l'.
func mixed(l, u, l2, u2 part) (max bound) {
	for i := range 5 {
		for j := range 5 {
			fold := uint64(1)
			if i+j >= 5 {
				fold = 19
			}
			x := plus(times(l.max[i], u2.max[j]), times(u.max[i], l2.max[j]))
			max[(i+j)%5] = plus(max[(i+j)%5], times(fold, x))
		}
	}
	return max
}

// square32 is square with VPMULUDQ: l*l + 2^52 u*u + 2^26 (2 l*u).
func (f *field) square32(a value) value {
	before := f.used
	p := f.parts(4)
	l, u, l19, u19 := &p[0], &p[1], &p[2], &p[3]
	f.split(a, l, u, nil)
	f.times19(*l, l19)
	f.times19(*u, u19)
	v := f.shifted(f.convolve(*l, *l, *l19, false, true), f.convolve(*u, *u, *u19, false, true))
	middle := f.convolve(*l, *u, *u19, true, false)
	f.step("2 l*u", middle.max[:]...)
	f.used = before
	return f.join(v, middle)
}

// shifted gives lower + 2^52 upper: limb k of the latter counts twice in limb k+1.
func (f *field) shifted(lower, upper sums) value {
	v := value{max: lower.max, limb: lower.acc}
	for k := range 4 {
		VPADDQ(upper.acc[k], upper.acc[k], upper.acc[k])
		VPADDQ(upper.acc[k], v.limb[k+1], v.limb[k+1])
		v.max[k+1] = plus(v.max[k+1], times(2, upper.max[k]))
	}
	// 2 * 19 = 32 + 4 + 2 times the last.
	for _, shift := range []uint64{5, 2, 1} {
		t := f.vector()
		VPSLLQ(Imm(shift), upper.acc[4], t)
		VPADDQ(t, v.limb[0], v.limb[0])
	}
	v.max[0] = plus(v.max[0], times(38, upper.max[4]))
	f.step("l*l' + 2^52 u*u'", v.max[:]...)
	return v
}

// join gives v + 2^26 middle: the lower 25 bits of limb k count in limb k, what
// is above in limb k+1.
func (f *field) join(v value, middle sums) value {
	for k := range 5 {
		above := f.vector()
		VPSRLQ(Imm(25), middle.acc[k], above)
		f.and(f.consts.word(1<<25-1), middle.acc[k], middle.acc[k])
		VPSLLQ(Imm(26), middle.acc[k], middle.acc[k])
		VPADDQ(middle.acc[k], v.limb[k], v.limb[k])
		v.max[k] = plus(v.max[k], times(min(middle.max[k], 1<<25-1), 1<<26))
		max := middle.max[k] >> 25
		if k < 4 {
			VPADDQ(above, v.limb[k+1], v.limb[k+1])
			v.max[k+1] = plus(v.max[k+1], max)
			continue
		}
		for _, shift := range []uint64{4, 1, 0} { // 19 = 16 + 2 + 1
			t := above
			if shift > 0 {
				t = f.vector()
				VPSLLQ(Imm(shift), above, t)
			}
			VPADDQ(t, v.limb[0], v.limb[0])
		}
		v.max[0] = plus(v.max[0], times(19, max))
	}
	return v
}
