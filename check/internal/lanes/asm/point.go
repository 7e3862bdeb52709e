package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Elements of a point, extended coordinates: x = X/Z, y = Y/Z, T = XY/Z. Of a
// cached one: Y+X, Y-X, Z and 2dT.
const (
	coordX = iota
	coordY
	coordZ
	coordT
)

const (
	cachedPlus = iota
	cachedMinus
	cachedZ
	cachedT2d
)

func (g *generator) pointFunctions() {
	f := g.function("addPoint", "func(r, p, q *[4][40]uint64)", "sets r = p+q, where q is cached.", 4, true)
	r, p, q := f.pointer("r"), f.pointer("p"), f.pointer("q")
	f.body()
	f.addCached(r, p, q, true)
	f.end()
	RET()

	f = g.function("cachePoint", "func(q, p *[4][40]uint64, d2 *[40]uint64)", "sets q = p in cached form; d2 is 2d.", 0, true)
	q, p = f.pointer("q"), f.pointer("p")
	d2 := f.pointer("d2")
	f.body()
	x, y := f.in(at(p, coordX)), f.in(at(p, coordY))
	f.store(f.say("Y+X, carried", f.carry(f.add(y, x))), at(q, cachedPlus))
	f.store(f.say("Y-X, carried", f.carry(f.subtract(y, x))), at(q, cachedMinus))
	f.store(f.in(at(p, coordZ)), at(q, cachedZ))
	f.store(f.say("T*2d, carried", f.carry(f.multiply(f.in(at(p, coordT)), f.in(at(d2, 0))))), at(q, cachedT2d))
	f.end()
	RET()

	f = g.function("window", "func(p, q *[4][40]uint64)", "sets p = 16p+q without T, where q is cached; p's T is not read.", 5, true)
	p, q = f.pointer("p"), f.pointer("q")
	f.body()
	n := GP64()
	MOVQ(U32(4), n)
	Label("again")
	f.double(p, n)
	DECQ(n)
	JNZ(LabelRef("again"))
	f.addCached(p, p, q, false)
	f.end()
	RET()

	g.pick()
}

// product stores a*b.
func (f *field) product(a, b value, to Mem) { f.store(f.carry(f.multiply(a, b)), to) }

// double is "dbl-2008-hwcd" for a = -1 (Hisil, Wong, Carter, Dawson, eprint
// 2008/522, section 3.3) with all signs changed: E = 2XY, F, G, H. T is wanted
// when n is 1, before an addition.
func (f *field) double(p, n Register) {
	f.used = 0
	mE, mG, mF, mH, s := f.temporary(), f.temporary(), f.temporary(), f.temporary(), f.temporary()
	x, y, z := f.in(at(p, coordX)), f.in(at(p, coordY)), f.in(at(p, coordZ))
	if !f.ifma { // each is needed twice
		x, y = f.factor(x, f.temporary()), f.factor(y, f.temporary())
	}
	yy := f.keep(f.say("YY", f.square(y))) // Y is there first, Z last
	sum := x
	if f.ifma { // a square is cheaper than a product
		sum = f.factor(f.say("X+Y, carried", f.carry(f.add(x, y))), s)
	}
	xx := f.keep(f.say("XX", f.square(x)))
	h := f.factor(f.say("H = YY+XX, carried", f.carry(f.say("H", f.add(yy, xx)))), mH)
	difference := f.say("G = YY-XX, carried", f.carry(f.say("G", f.subtract(yy, xx))))
	g := f.factor(difference, mG)
	taken := g
	if !f.ifma {
		taken = f.keep(difference)
	}
	var e value
	if f.ifma {
		e = f.factor(f.say("E = (X+Y)^2-H, carried", f.carry(f.say("E", f.subtract(f.square(sum), h)))), mE)
	} else { // X+Y is too much for doubles, and to carry it no cheaper
		xy := f.multiply(x, y)
		e = f.factor(f.say("E = 2XY, carried", f.carry(f.say("E", f.add(xy, xy)))), mE)
	}
	zz := f.square(z)
	ff := f.factor(f.say("F = 2ZZ-G, carried", f.carry(f.say("F", f.subtract(f.add(zz, zz), taken)))), mF)
	f.product(g, h, at(p, coordY))
	f.product(e, ff, at(p, coordX))
	f.product(ff, g, at(p, coordZ))
	CMPQ(n, Imm(1))
	JNE(LabelRef("withoutT"))
	f.product(e, h, at(p, coordT))
	Label("withoutT")
}

// addCached is "add-2008-hwcd-3" of the same, section 3.1, complete for this curve.
func (f *field) addCached(r, p, q Register, withT bool) {
	f.used = 0
	mE, mG, mF, mH := f.temporary(), f.temporary(), f.temporary(), f.temporary()
	x, y := f.in(at(p, coordX)), f.in(at(p, coordY))
	minus := f.say("Y-X, carried", f.carry(f.subtract(y, x)))
	a := f.keep(f.say("A = (Y-X)(Y'-X')", f.multiply(minus, f.in(at(q, cachedMinus)))))
	plus := f.say("Y+X, carried", f.carry(f.add(y, x)))
	b := f.keep(f.say("B = (Y+X)(Y'+X')", f.multiply(plus, f.in(at(q, cachedPlus)))))
	h := f.factor(f.say("H = B+A, carried", f.carry(f.say("H", f.add(b, a)))), mH)
	e := f.factor(f.say("E = B-A, carried", f.carry(f.say("E", f.subtract(b, a)))), mE)
	f.used = 4
	t := f.in(at(q, cachedT2d))
	t.max = negated() // as pick may leave it
	if !f.ifma {      // too much for doubles
		t = f.say("2dT', carried", f.carry(f.loaded(t)))
	}
	c := f.keep(f.say("C = T*2dT'", f.multiply(f.in(at(p, coordT)), t)))
	d := f.say("ZZ'", f.multiply(f.in(at(p, coordZ)), f.in(at(q, cachedZ))))
	d = f.keep(f.say("D = 2ZZ'", f.add(d, d)))
	g := f.factor(f.say("G = D+C, carried", f.carry(f.say("G", f.add(d, c)))), mG)
	ff := f.factor(f.say("F = D-C, carried", f.carry(f.say("F", f.subtract(d, c)))), mF)
	f.product(g, h, at(r, coordY))
	f.product(e, ff, at(r, coordX))
	f.product(ff, g, at(r, coordZ))
	if withT {
		f.product(e, h, at(r, coordT))
	}
}

// negated bounds 2dT of an entry that pick has negated: 2p - 2dT, not carried.
func negated() bound { return multiple(2) }

// pick selects, in each lane, the multiple of the table that the lane's digit
// names, -8 to 8. It reads the whole table whatever the digits are.
func (g *generator) pick() {
	f := g.function("pick", "func(q *[4][40]uint64, table *[8][4][40]uint64, digits *[8]int8)",
		"sets q's lanes to digit times what table is of, cached; table holds the multiples 1 to 8.", 0, false)
	q, table, digits := f.pointer("q"), f.pointer("table"), f.pointer("digits")
	f.pointers[digits] = 4
	bias := multiple(2)
	if !reduced.within(bias) {
		panic("2dT is above what it is taken from")
	}
	f.body()
	if f.ifma {
		f.pick512(q, table, digits, bias)
	} else {
		f.pick256(q, table, digits, bias)
	}
	f.log("\t%-26s %v", "2dT, negated", bias)
	f.end()
	RET()
}

// A point's negative is (-x, y): Y+X and Y-X change places, 2dT its sign.

func (f *field) pick512(q, table, digits Register, bias bound) {
	d, one := ZMM(), ZMM()
	negative := K()
	VPMOVSXBQ(Mem{Base: digits}, d)
	VPMOVQ2M(d, negative)
	VPABSQ(d, d)
	VPBROADCASTQ(f.consts.word(1), one)
	var v [4][5]VecVirtual
	for e := range v {
		for i := range v[e] {
			v[e][i] = ZMM()
			if i == 0 && e != cachedT2d { // the neutral element: 1, 1, 1, 0
				VMOVDQA64(one, v[e][i])
			} else {
				VMOVDQA64(f.none, v[e][i])
			}
		}
	}
	for j := range 8 {
		k := K()
		VPCMPEQQ_BCST(f.consts.word(uint64(j+1)), d, k)
		for e := range v {
			for i := range v[e] {
				VMOVDQU64(at(table, 4*j+e).Offset(64*i), k, v[e][i])
			}
		}
	}
	for i := range 5 {
		t, b := ZMM(), ZMM()
		VPBLENDMQ(v[cachedMinus][i], v[cachedPlus][i], negative, t)
		VPBLENDMQ(v[cachedPlus][i], v[cachedMinus][i], negative, v[cachedMinus][i])
		VPBROADCASTQ(f.consts.word(bias[i]), b)
		VPSUBQ(v[cachedT2d][i], b, negative, v[cachedT2d][i])
		VMOVDQU64(t, at(q, cachedPlus).Offset(64*i))
		for e := cachedMinus; e <= cachedT2d; e++ {
			VMOVDQU64(v[e][i], at(q, e).Offset(64*i))
		}
	}
}

func (f *field) pick256(q, table, digits Register, bias bound) {
	d, negative := YMM(), YMM()
	VPMOVSXBQ(Mem{Base: digits}, d)
	VPXOR(negative, negative, negative)
	VPCMPGTQ(d, negative, negative)
	VPXOR(negative, d, d)
	VPSUBQ(negative, d, d)
	of := func(e int) (v [5]VecVirtual) {
		m := YMM()
		VPCMPEQQ(f.consts.word(0), d, m)
		for i := range v {
			v[i] = YMM()
			if i == 0 && e != cachedT2d {
				VPAND(f.consts.word(1), m, v[i])
			} else {
				VPXOR(v[i], v[i], v[i])
			}
		}
		for j := range 8 {
			k := YMM()
			VPCMPEQQ(f.consts.word(uint64(j+1)), d, k)
			for i := range v {
				t := YMM()
				VPAND(at(table, 4*j+e).Offset(64*i), k, t)
				VPOR(t, v[i], v[i])
			}
		}
		return v
	}
	plus := of(cachedPlus)
	minus := of(cachedMinus)
	for i := range 5 {
		t := YMM()
		VPBLENDVB(negative, minus[i], plus[i], t)
		VMOVDQU(t, at(q, cachedPlus).Offset(64*i))
		VPBLENDVB(negative, plus[i], minus[i], t)
		VMOVDQU(t, at(q, cachedMinus).Offset(64*i))
	}
	for i, l := range of(cachedZ) {
		VMOVDQU(l, at(q, cachedZ).Offset(64*i))
	}
	for i, l := range of(cachedT2d) {
		t := YMM()
		VMOVDQU(f.consts.word(bias[i]), t)
		VPSUBQ(l, t, t)
		VPBLENDVB(negative, t, l, l)
		VMOVDQU(l, at(q, cachedT2d).Offset(64*i))
	}
}
