// Command asm writes the assembly of package lanes for one path, and beside it
// the most that every limb can be at every step, which it holds while it writes.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

//go:generate go run . -path ifma -out ../ifma_amd64.s -stubs ../ifma_amd64.go -bounds ../testdata/ifma.txt -pkg lanes
//go:generate go run . -path avx2 -out ../avx2_amd64.s -stubs ../avx2_amd64.go -bounds ../testdata/avx2.txt -pkg lanes

func main() {
	path := flag.String("path", "ifma", "ifma or avx2")
	boundsFile := flag.String("bounds", "", "file to write the bounds to")
	flag.Parse()
	var text bytes.Buffer
	g := &generator{c: &constants{at: map[[4]uint64]int{}}, ifma: *path == "ifma", suffix: map[string]string{"ifma": "IFMA", "avx2": "AVX2"}[*path],
		log: func(format string, a ...any) { fmt.Fprintf(&text, format+"\n", a...) }}
	g.log("The most that each limb can be, limb 0 first. Broken powers are rounded up.\n")
	g.log("in memory, reduced          %v", reduced)
	ConstraintExpr("amd64")
	g.fieldFunctions()
	g.pointFunctions()
	g.c.emit()
	if err := os.WriteFile(*boundsFile, text.Bytes(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	Generate()
}

type generator struct {
	ifma   bool
	suffix string // of every function's name
	c      *constants
	log    func(string, ...any)
}

func (g *generator) fieldFunctions() {
	binary := func(name, doc, step string, products bool, of func(f *field, x, y value) value) {
		f := g.function(name, "func(z, x, y *[40]uint64)", doc, 0, products)
		f.detail = true
		z, x, y := f.pointer("z"), f.pointer("x"), f.pointer("y")
		f.body()
		f.store(f.say(step+", carried", f.carry(f.say(step, of(f, f.in(at(x, 0)), f.in(at(y, 0)))))), at(z, 0))
		f.end()
		RET()
	}
	binary("mul", "sets z = x*y.", "x*y", true, (*field).multiply)
	binary("add", "sets z = x+y.", "x+y", false, (*field).add)
	binary("sub", "sets z = x-y.", "x-y", false, (*field).subtract)
	g.square2()
	g.choose()

	f := g.function("freeze", "func(z, x *[40]uint64)", "sets z = x with every limb and the whole as small as can be.", 0, false)
	z, x := f.pointer("z"), f.pointer("x")
	f.body()
	f.store(f.say("x, frozen", f.freeze(f.load(at(x, 0)))), at(z, 0))
	f.end()
	RET()

	g.test("odd", "tells the lanes where x is odd, negative in RFC 9496's words.", func(f *field, v value) Op {
		VPSLLQ(Imm(63), v.limb[0], v.limb[0])
		return v.limb[0]
	})
	g.test("zero", "tells the lanes where x is 0.", func(f *field, v value) Op {
		for i := 1; i < 5; i++ {
			VPADDQ(v.limb[i], v.limb[0], v.limb[0]) // no sum of 51-bit limbs is 0 but of zeros
		}
		// 0 less one has the upper bit, and nothing else of 54 bits.
		t := f.vector()
		f.move(f.consts64(1), t)
		VPSUBQ(t, v.limb[0], v.limb[0])
		return v.limb[0]
	})
}

// consts64 is a word in every lane, in a register.
func (f *field) consts64(x uint64) Op {
	r := f.vector()
	VPBROADCASTQ(f.consts.word(x), r)
	return r
}

func (g *generator) square2() {
	f := g.function("square2", "func(z *[2][40]uint64, n uint64)", "squares both of z n times, n > 0.", 0, true)
	f.detail = true
	z := f.pointer("z")
	f.body()
	n := Load(Param("n"), GP64())
	if !f.ifma { // one after the other in memory: there are no registers to hold them
		Label("again")
		for e := range 2 {
			f.store(f.say("z*z, carried", f.carry(f.say("z*z", f.square(f.in(at(z, e)))))), at(z, e))
		}
		DECQ(n)
		JNZ(LabelRef("again"))
		f.end()
		RET()
		return
	}
	a, b := f.load(at(z, 0)), f.load(at(z, 1))
	Label("again")
	for _, v := range []value{a, b} {
		s := f.say("z*z, carried", f.carry(f.say("z*z", f.square(v))))
		if !s.max.within(v.max) {
			panic("the loop does not keep its bounds")
		}
		for k := range 5 {
			f.move(s.limb[k], v.limb[k])
		}
	}
	DECQ(n)
	JNZ(LabelRef("again"))
	f.store(a, at(z, 0))
	f.store(b, at(z, 1))
	f.end()
	RET()
}

func (g *generator) choose() {
	f := g.function("choose", "func(z, x, y *[40]uint64, mask uint8)", "sets the lanes of z to x's where mask has their bit, and to y's where not.", 0, false)
	z, x, y := f.pointer("z"), f.pointer("x"), f.pointer("y")
	mask := GP64()
	Load(Param("mask"), mask)
	if f.ifma {
		k := K()
		KMOVB(mask.As32(), k)
		vx, vy := f.load(at(x, 0)), f.load(at(y, 0))
		for i := range 5 {
			VPBLENDMQ(vx.limb[i], vy.limb[i], k, vy.limb[i])
		}
		f.store(vy, at(z, 0))
	} else {
		f.body()
		lanes, bit := YMM(), YMM()
		VMOVQ(mask, lanes.AsX())
		VPBROADCASTQ(lanes.AsX(), lanes)
		VMOVDQU(f.consts.words4([4]uint64{1, 2, 4, 8}), bit)
		VPAND(bit, lanes, lanes)
		VPCMPEQQ(bit, lanes, lanes)
		vx, vy := f.load(at(x, 0)), f.load(at(y, 0))
		for i := range 5 {
			VPBLENDVB(lanes, vx.limb[i], vy.limb[i], vy.limb[i])
		}
		f.store(vy, at(z, 0))
		SHRQ(Imm(4), mask)
	}
	f.end()
	RET()
}

// test emits a function that tells the lanes where the sign bit of what of makes is set.
func (g *generator) test(name, doc string, of func(*field, value) Op) {
	f := g.function(name, "func(x *[40]uint64) uint8", doc, 0, false)
	x := f.pointer("x")
	out := GP64()
	XORQ(out, out)
	f.body()
	v := of(f, f.freeze(f.load(at(x, 0))))
	if f.ifma {
		k := K()
		VPMOVQ2M(v, k)
		KMOVB(k, out.As32())
	} else {
		m := GP64()
		VMOVMSKPD(v, m.As32())
		SHLQ(Imm(4), m) // so that one half alone is in the upper bits
		SHRQ(Imm(4), out)
		ORQ(m, out)
	}
	f.end()
	Store(out.As8(), ReturnIndex(0))
	RET()
}
