package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// bound holds the most that each limb of a value may be.
type bound [5]uint64

const mask51 = 1<<51 - 1

// reduced is what every element in memory keeps to, between all functions: a
// carried sum is below 2^51 and what the limb below carries into it.
var reduced = bound{1<<51 + 19<<13, 1<<51 + 1<<13, 1<<51 + 1<<13, 1<<51 + 1<<13, 1<<51 + 1<<13}

func (b bound) within(c bound) bool {
	for i := range b {
		if b[i] > c[i] {
			return false
		}
	}
	return true
}

// plus adds what must not pass 64 bits.
func plus(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry != 0 {
		panic("a limb passes 64 bits")
	}
	return sum
}

func times(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi != 0 {
		panic("a limb passes 64 bits")
	}
	return lo
}

// value is a field element of every lane: limb i, of weight 2^(51 i), in a
// register or in memory.
type value struct {
	limb    [5]Op
	max     bound
	doubles bool // in memory, not as integers
}

// field emits arithmetic modulo 2^255-19 into the function at hand: for IFMA
// with eight lanes in a register, for AVX2 with four, once for each half.
type field struct {
	ifma            bool
	mask, c19, none Op // the masks of 51 bits, 19 and 0, in every lane
	scratch, half   Register
	pointers        map[Register]int // what moves on to the other half, and by how much
	used, room      int              // temporaries
	consts          *constants
	log             func(format string, a ...any)
	detail          bool // of products too
}

// step logs the bounds of a step inside a product.
func (f *field) step(what string, max ...uint64) {
	if f.detail {
		f.log("\t  %-24s %s", what, words(max))
	}
}

// constants is the table of words that instructions read, four times each.
type constants struct {
	at    map[[4]uint64]int
	words [][4]uint64
}

const constantsName = "constants"

func (c *constants) words4(x [4]uint64) Mem {
	i, ok := c.at[x]
	if !ok {
		i = len(c.words)
		c.at[x] = i
		c.words = append(c.words, x)
	}
	return NewDataAddr(Symbol{Name: constantsName, Static: true}, i*32)
}

func (c *constants) word(x uint64) Mem { return c.words4([4]uint64{x, x, x, x}) }

func (c *constants) emit() {
	GLOBL(constantsName, attr.RODATA|attr.NOPTR)
	for i, w := range c.words {
		for j, x := range w {
			DATA(i*32+j*8, U64(x))
		}
	}
}

// function starts a function; temporaries is how many elements it keeps on its
// stack. products tells whether it multiplies, for which AVX2 needs more.
func (g *generator) function(name, signature, doc string, temporaries int, products bool) *field {
	name += g.suffix
	if !g.ifma {
		temporaries = 2 * temporaries // sums wait in memory, where registers are few
		if products {
			temporaries += 2
		}
	}
	attributes := attr.NOSPLIT // which a function with a stack is not
	if temporaries > 0 {
		attributes = 0
	}
	if !g.ifma {
		signature = strings.Replace(signature, ")", ", halves uint64)", 1)
	}
	TEXT(name, attributes, signature)
	Pragma("noescape")
	Doc(name + " " + doc)
	f := &field{ifma: g.ifma, consts: g.c, log: g.log, pointers: map[Register]int{}, room: temporaries}
	f.log("%s", name)
	if temporaries > 0 {
		m := AllocLocal(temporaries*size + 64)
		f.scratch = GP64()
		LEAQ(m, f.scratch)
		ADDQ(Imm(63), f.scratch)
		ANDQ(I32(-64), f.scratch)
	}
	if f.ifma {
		mask, c19, none := ZMM(), ZMM(), ZMM()
		VPBROADCASTQ(g.c.word(mask51), mask)
		VPBROADCASTQ(g.c.word(19), c19)
		VPBROADCASTQ(g.c.word(0), none)
		f.mask, f.c19, f.none = mask, c19, none
	} else {
		f.mask, f.c19, f.none = g.c.word(mask51), g.c.word(19), g.c.word(0)
	}
	return f
}

// body starts what AVX2 does twice, once for the lanes of each half, or once
// where no others are wanted. All pointers have to be loaded before.
func (f *field) body() {
	if !f.ifma {
		f.half = Load(Param("halves"), GP64())
		Label("half")
	}
}

// end ends the body, and the function but for its return.
func (f *field) end() {
	if !f.ifma {
		for _, p := range slices.SortedFunc(maps.Keys(f.pointers), func(a, b Register) int { return cmp.Compare(a.(GPVirtual).ID(), b.(GPVirtual).ID()) }) {
			ADDQ(Imm(uint64(f.pointers[p])), p)
		}
		DECQ(f.half)
		JNZ(LabelRef("half"))
	}
	VZEROUPPER()
}

const size = 5 * 64 // of an element, bytes

// pointer loads an argument, a pointer to elements.
func (f *field) pointer(name string) Register {
	p := Load(Param(name), GP64())
	f.pointers[p] = 32
	return p
}

func at(base Register, element int) Mem { return Mem{Base: base, Disp: element * size} }

func (f *field) temporary() Mem {
	if f.used == f.room {
		panic("no room for another temporary")
	}
	m := at(f.scratch, f.used)
	f.used++
	return m
}

func (f *field) vector() VecVirtual {
	if f.ifma {
		return ZMM()
	}
	return YMM()
}

func (f *field) move(from, to Op) {
	_, memory := from.(Mem)
	if _, m := to.(Mem); m {
		memory = true
	}
	switch {
	case f.ifma && memory:
		VMOVDQU64(from, to)
	case f.ifma:
		VMOVDQA64(from, to)
	case memory:
		VMOVDQU(from, to)
	default:
		VMOVDQA(from, to)
	}
}

// and sets to = a & b.
func (f *field) and(a, b, to Op) {
	if f.ifma {
		VPANDQ(a, b, to)
	} else {
		VPAND(a, b, to)
	}
}

// register gives what is in memory in a register, and a register as it is.
func (f *field) register(o Op) Op {
	if m, ok := o.(Mem); ok {
		r := f.vector()
		f.move(m, r)
		return r
	}
	return o
}

// in is an element in memory, where everything is reduced.
func (f *field) in(m Mem) value {
	v := value{max: reduced}
	for i := range v.limb {
		v.limb[i] = m.Offset(64 * i)
	}
	return v
}

// load is the same in registers.
func (f *field) load(m Mem) value { return f.loaded(f.in(m)) }

func (f *field) loaded(v value) value {
	for i := range v.limb {
		v.limb[i] = f.register(v.limb[i])
	}
	return v
}

// keep gives a value that waits for long: in memory, where registers are few.
func (f *field) keep(v value) value {
	if f.ifma {
		return v
	}
	m := f.temporary()
	for i := range v.limb {
		f.move(v.limb[i], m.Offset(64*i))
		v.limb[i] = m.Offset(64 * i)
	}
	return v
}

// store puts a value to memory, where everything is reduced.
func (f *field) store(v value, m Mem) {
	if !v.max.within(reduced) {
		panic(fmt.Sprintf("stored limbs up to %v", v.max))
	}
	for i := range v.limb {
		f.move(f.register(v.limb[i]), m.Offset(64*i))
	}
}

// say logs the bound of a step.
func (f *field) say(what string, v value) value {
	f.log("\t%-26s %v", what, v.max)
	return v
}

func (b bound) String() string { return words(b[:]) }

// words writes numbers as powers of two, never less than they are.
func words(b []uint64) string {
	s := make([]string, len(b))
	for i, x := range b {
		n := uint64(bits.Len64(x) - 1)
		switch {
		case x == 0:
			s[i] = "0"
		case x+1 == 1<<(n+1):
			s[i] = fmt.Sprintf("2^%d-1", n+1)
		case x-1<<n < 1<<32:
			s[i] = fmt.Sprintf("2^%d+%d", n, x-1<<n)
		default:
			s[i] = fmt.Sprintf("2^%.4f", math.Ceil(math.Log2(float64(x))*1e4)/1e4)
		}
	}
	return strings.Join(s, " ")
}

// carry brings each limb's upper part to the next limb, all at once, in place.
func (f *field) carry(v value) value {
	last := f.vector()
	VPSRLQ(Imm(51), v.limb[4], last)
	f.and(f.mask, v.limb[4], v.limb[4])
	max := [5]uint64{4: v.max[4] >> 51}
	for k := 3; k >= 0; k-- {
		c := f.vector()
		VPSRLQ(Imm(51), v.limb[k], c)
		f.and(f.mask, v.limb[k], v.limb[k])
		VPADDQ(c, v.limb[k+1], v.limb[k+1])
		max[k] = v.max[k] >> 51
	}
	f.addTimes19(last, max[4], v.limb[0])
	for k := range v.max {
		from := times(19, max[4])
		if k > 0 {
			from = max[k-1]
		}
		v.max[k] = plus(min(v.max[k], mask51), from)
	}
	return v
}

// addTimes19 adds 19*c, which is small, to a limb, and may use up c.
func (f *field) addTimes19(c Op, max uint64, limb Op) {
	if times(19, max) >= 1<<52 || max >= 1<<32 {
		panic("19 times the last carry is too much")
	}
	if f.ifma {
		VPMADD52LUQ(f.c19, c, limb)
		return
	}
	VPMULUDQ(f.c19, c, c)
	VPADDQ(c, limb, limb)
}

func (f *field) add(a, b value) value {
	v := value{max: a.max}
	for k := range 5 {
		v.limb[k] = f.vector()
		v.max[k] = plus(a.max[k], b.max[k])
		VPADDQ(b.limb[k], f.register(a.limb[k]), v.limb[k])
	}
	return v
}

// subtract adds a multiple of the modulus first that has no limb below b's.
func (f *field) subtract(a, b value) value {
	m := uint64(1)
	bias := multiple(m)
	for !b.max.within(bias) {
		m *= 2
		bias = multiple(m)
	}
	v := value{}
	for k := range 5 {
		v.limb[k] = f.vector()
		v.max[k] = plus(a.max[k], bias[k])
		if f.ifma {
			VPADDQ_BCST(f.consts.word(bias[k]), f.register(a.limb[k]), v.limb[k])
		} else {
			VPADDQ(f.consts.word(bias[k]), f.register(a.limb[k]), v.limb[k])
		}
		VPSUBQ(b.limb[k], v.limb[k], v.limb[k])
	}
	return v
}

// multiple gives the limbs of m*(2^255-19).
func multiple(m uint64) bound {
	b := bound{times(m, mask51-18)}
	for k := 1; k < 5; k++ {
		b[k] = times(m, mask51)
	}
	return b
}

// freeze gives the one representation below 2^255-19, of a reduced value.
func (f *field) freeze(v value) value {
	if !v.max.within(reduced) {
		panic("freeze takes what is reduced")
	}
	// q is 1 where v + 19 has a bit of weight 2^255, that is where v >= p: v is below 2p.
	q := f.vector()
	VPADDQ(f.c19, v.limb[0], q)
	max := plus(v.max[0], 19)
	VPSRLQ(Imm(51), q, q)
	for k := 1; k < 5; k++ {
		VPADDQ(v.limb[k], q, q)
		max = plus(v.max[k], max>>51)
		VPSRLQ(Imm(51), q, q)
	}
	if max>>51 != 1 {
		panic("freeze takes what is below 2p")
	}
	f.addTimes19(q, 1, v.limb[0])
	v.max[0] = plus(v.max[0], 19)
	for k := range 5 { // in turn, so that nothing is left above 51 bits
		if k < 4 {
			c := f.vector()
			VPSRLQ(Imm(51), v.limb[k], c)
			VPADDQ(c, v.limb[k+1], v.limb[k+1])
			v.max[k+1] = plus(v.max[k+1], v.max[k]>>51)
		}
		f.and(f.mask, v.limb[k], v.limb[k])
		v.max[k] = min(v.max[k], mask51)
	}
	return v
}

// multiply gives a*b, not carried.
func (f *field) multiply(a, b value) value {
	if f.ifma {
		return f.multiply52(a, b)
	}
	return f.multiply53(a, b)
}

// square gives a*a, not carried.
func (f *field) square(a value) value {
	if f.ifma {
		return f.square52(a)
	}
	return f.square53(a)
}
