package lanes

import (
	"encoding/binary"
)

// Width is how many elements are computed at once, one a lane.
const Width = 8

// Elements are eight elements of ristretto255, in extended coordinates
// (X, Y, Z, T) of any representative. The zero value is not valid.
type Elements struct{ p point }

// Lanes is the memory of one worker: what it computes with at the moment.
// It holds secrets when scalars are, and is not for two workers at once.
type Lanes struct {
	table  [8]point // the multiples 1 to 8, cached
	entry  point
	sum    point
	digits [64][Width]int8
	narrow bool // the lanes of the upper half are not wanted

	pow  struct{ t0, t1, t2 pair }        // of power
	root struct{ u, v, r, t, check pair } // of sqrtRatio
	// Of the functions of RFC 9496, by the names it has for them where it can be.
	r, u, v, s, c, n, x, y, den pair
	t, w                        [4]pair
}

type (
	point = [4]element
	pair  = [2]element
)

// coordinates of a point
const (
	cX = iota
	cY
	cZ
	cT
)

var neutral = point{cY: one, cZ: one}

// Want tells that only the first n lanes of what is asked for from now on are
// wanted: the others may be anything. Where four fill a register, that halves
// the time of four or fewer.
func (l *Lanes) Want(n int) { l.narrow = n <= Width/2 }

// Move sets lane i of e to lane j of f.
func (e *Elements) Move(i int, f *Elements, j int) {
	for c := range e.p {
		for k := range 5 {
			e.p[c][k*Width+i] = f.p[c][k*Width+j]
		}
	}
}

// SetNeutral makes every lane the neutral element.
func (e *Elements) SetNeutral() { e.p = neutral }

// Uniform sets e's lanes to what RFC 9496 section 4.3.4 derives from 64 bytes.
func (l *Lanes) Uniform(e *Elements, b *[Width][64]byte) {
	var half [Width][32]byte
	for h := range 2 {
		for i := range b {
			half[i] = [32]byte(b[i][32*h:])
		}
		unpack(&l.t[0][h], &half)
	}
	l.elligator()
	// The map's two points are in w[0..3], each a coordinate.
	for c := range l.w {
		e.p[c] = l.w[c][0]
		l.sum[c] = l.w[c][1]
	}
	l.cachePoint(&l.entry, &l.sum, &edwardsD2)
	l.addPoint(&e.p, &e.p, &l.entry)
}

// elligator is MAP of RFC 9496 section 4.3.4, of t[0] into w.
func (l *Lanes) elligator() {
	t := &l.t[0]
	for i := range 2 {
		l.mul(&l.r[i], &t[i], &t[i])
		l.mul(&l.r[i], &l.r[i], &sqrtM1) // r
		l.add(&l.u[i], &l.r[i], &one)
		l.mul(&l.u[i], &l.u[i], &oneMinusDSq) // u
		l.mul(&l.v[i], &l.r[i], &edwardsD)
		l.sub(&l.v[i], &minusOne, &l.v[i])
		l.add(&l.x[i], &l.r[i], &edwardsD)
		l.mul(&l.v[i], &l.v[i], &l.x[i]) // v
	}
	square := l.sqrtRatio(&l.s, &l.u, &l.v)
	for i := range 2 {
		s, x, n, v := &l.s[i], &l.x[i], &l.n[i], &l.v[i]
		l.mul(x, s, &t[i])
		l.negate(x, ^l.odd(x)) // s' = -|s t|
		l.choose(s, s, x, square[i])
		l.choose(&l.c[i], &minusOne, &l.r[i], square[i])
		l.sub(n, &l.r[i], &one)
		l.mul(n, n, &l.c[i])
		l.mul(n, n, &dMinusOneSq)
		l.sub(n, n, v) // N
		w0, w1, w2, w3 := &l.x[i], &l.y[i], &l.u[i], &l.c[i]
		l.mul(w0, s, v)
		l.add(w0, w0, w0)
		l.mul(w1, n, &sqrtADMinusOne)
		l.mul(s, s, s)
		l.sub(w2, &one, s)
		l.add(w3, &one, s)
		l.mul(&l.w[cX][i], w0, w3)
		l.mul(&l.w[cY][i], w2, w1)
		l.mul(&l.w[cZ][i], w1, w3)
		l.mul(&l.w[cT][i], w0, w2)
	}
}

// negate negates x in the lanes of mask.
func (l *Lanes) negate(x *element, mask uint8) {
	l.sub(&l.entry[0], &none, x)
	l.choose(x, &l.entry[0], x, mask)
}

// sqrtRatio is SQRT_RATIO_M1 of RFC 9496 section 4.2, of two vectors.
func (l *Lanes) sqrtRatio(r, u, v *pair) (square [2]uint8) {
	s := &l.root
	for i := range 2 {
		l.mul(&s.t[i], &v[i], &v[i])
		l.mul(&s.t[i], &s.t[i], &v[i]) // v^3
		l.mul(&s.u[i], &s.t[i], &u[i]) // u v^3
		l.mul(&s.v[i], &s.t[i], &s.t[i])
		l.mul(&s.v[i], &s.v[i], &v[i])
		l.mul(&s.v[i], &s.v[i], &u[i]) // u v^7
	}
	l.power(&s.r, &s.v)
	for i := range 2 {
		x, check, t := &s.r[i], &s.check[i], &s.t[i]
		l.mul(x, x, &s.u[i])
		l.mul(check, x, x)
		l.mul(check, check, &v[i])
		l.sub(t, check, &u[i])
		correct := l.zero(t)
		l.add(t, check, &u[i])
		flipped := l.zero(t)
		l.mul(t, &u[i], &sqrtM1)
		l.add(t, t, check)
		flippedI := l.zero(t)
		l.mul(t, x, &sqrtM1)
		l.choose(x, t, x, flipped|flippedI)
		l.negate(x, l.odd(x))
		r[i] = *x
		square[i] = correct | flipped
	}
	return square
}

// power sets z = x^((p-5)/8), that is x^(2^252-3).
func (l *Lanes) power(z, x *pair) {
	t0, t1, t2 := &l.pow.t0, &l.pow.t1, &l.pow.t2
	times := func(z, a, b *pair) {
		l.mul(&z[0], &a[0], &b[0])
		l.mul(&z[1], &a[1], &b[1])
	}
	squares := func(z, a *pair, n uint64) {
		*z = *a
		l.square2(z, n)
	}
	squares(t0, x, 1)
	squares(t1, t0, 2)
	times(t1, x, t1) // 9
	times(t0, t0, t1)
	l.square2(t0, 1)
	times(t0, t1, t0) // 2^5-1
	squares(t1, t0, 5)
	times(t0, t1, t0) // 2^10-1
	squares(t1, t0, 10)
	times(t1, t1, t0) // 2^20-1
	squares(t2, t1, 20)
	times(t1, t2, t1) // 2^40-1
	l.square2(t1, 10)
	times(t0, t1, t0) // 2^50-1
	squares(t1, t0, 50)
	times(t1, t1, t0) // 2^100-1
	squares(t2, t1, 100)
	times(t1, t2, t1) // 2^200-1
	l.square2(t1, 50)
	times(t0, t1, t0) // 2^250-1
	l.square2(t0, 2)
	times(z, t0, x)
}

// Decode sets e's lanes to the elements that 32 bytes encode, RFC 9496 section
// 4.3.1, and tells the lanes whose bytes are a canonical encoding, of those that are wanted. The other
// lanes are the neutral element. The encoding of the neutral element is canonical.
func (l *Lanes) Decode(e *Elements, b *[Width][32]byte) (ok uint8) {
	s, t := &l.s[0], &l.t[0][0]
	unpack(s, b)
	l.freeze(t, s)
	var again [Width][32]byte
	pack(&again, t)
	for i := range b {
		if b[i] == again[i] && b[i][0]&1 == 0 { // what was sent is public
			ok |= 1 << i
		}
	}
	u1, u2, ss := &l.x[0], &l.y[0], &l.c[0]
	l.mul(ss, s, s)
	l.sub(u1, &one, ss)
	l.add(u2, &one, ss)
	u2Sq, v := &l.n[0], &l.den[0]
	l.mul(u2Sq, u2, u2)
	l.mul(v, u1, u1)
	l.mul(v, v, &edwardsD)
	l.add(v, v, u2Sq)
	l.sub(v, &none, v)
	l.u = pair{one, one}
	l.mul(&l.v[0], v, u2Sq)
	l.v[1] = one
	ok &= l.sqrtRatio(&l.r, &l.u, &l.v)[0]
	denX, denY := &l.u[0], &l.v[0]
	l.mul(denX, &l.r[0], u2)
	l.mul(denY, &l.r[0], denX)
	l.mul(denY, denY, v)
	x := &e.p[cX]
	l.add(x, s, s)
	l.mul(x, x, denX)
	l.negate(x, l.odd(x))
	l.mul(&e.p[cY], u1, denY)
	e.p[cZ] = one
	l.mul(&e.p[cT], x, &e.p[cY])
	ok &^= l.odd(&e.p[cT]) | l.zero(&e.p[cY])
	for c := range e.p {
		l.choose(&e.p[c], &e.p[c], &neutral[c], ok)
	}
	return ok
}

// Encode puts the canonical 32 bytes of each lane of es to out, RFC 9496
// section 4.3.2. Two at a time cost little more than one.
func (l *Lanes) Encode(out [][Width][32]byte, es ...*Elements) {
	for len(es) > 0 {
		n := min(2, len(es))
		two := [2]*point{&es[0].p, &es[n-1].p} // one alone is computed twice
		for i, p := range two {
			u1, u2 := &l.x[i], &l.y[i]
			l.add(&l.t[0][i], &p[cZ], &p[cY])
			l.sub(u1, &p[cZ], &p[cY])
			l.mul(u1, u1, &l.t[0][i])
			l.mul(u2, &p[cX], &p[cY])
			l.mul(&l.v[i], u2, u2)
			l.mul(&l.v[i], &l.v[i], u1)
			l.u[i] = one
		}
		l.sqrtRatio(&l.r, &l.u, &l.v)
		for i, p := range two[:n] {
			den1, den2, zInv, t := &l.u[i], &l.v[i], &l.t[0][i], &l.t[1][i]
			l.mul(den1, &l.r[i], &l.x[i])
			l.mul(den2, &l.r[i], &l.y[i])
			l.mul(zInv, den1, den2)
			l.mul(zInv, zInv, &p[cT])
			ix, iy, x, y := &l.s[i], &l.c[i], &l.x[i], &l.y[i]
			l.mul(ix, &p[cX], &sqrtM1)
			l.mul(iy, &p[cY], &sqrtM1)
			l.mul(den1, den1, &invSqrtAMinusD)
			l.mul(t, &p[cT], zInv)
			rotate := l.odd(t)
			l.choose(x, iy, &p[cX], rotate)
			l.choose(y, ix, &p[cY], rotate)
			l.choose(den2, den1, den2, rotate)
			l.mul(t, x, zInv)
			l.negate(y, l.odd(t))
			l.sub(t, &p[cZ], y)
			l.mul(t, t, den2)
			l.negate(t, l.odd(t))
			l.freeze(t, t)
			pack(&out[i], t)
		}
		es, out = es[n:], out[n:]
	}
}

// Multiply multiplies each lane of e by its scalar, 32 bytes, little-endian
// and below 2^255, in a time that depends on neither.
func (l *Lanes) Multiply(e *Elements, k *[Width][32]byte) {
	for i := range k {
		l.recode(i, k[i][:])
	}
	l.multiply(e, 64)
}

// MultiplyHalf is Multiply by scalars of 16 bytes, in half the time.
func (l *Lanes) MultiplyHalf(e *Elements, k *[Width][16]byte) {
	for i := range k {
		l.recode(i, k[i][:])
	}
	l.multiply(e, 33)
}

// multiply multiplies by the first n digits.
func (l *Lanes) multiply(e *Elements, n int) {
	l.sum = e.p
	l.cachePoint(&l.table[0], &l.sum, &edwardsD2)
	for j := 1; j < len(l.table); j++ {
		l.addPoint(&l.sum, &e.p, &l.table[j-1])
		l.cachePoint(&l.table[j], &l.sum, &edwardsD2)
	}
	l.pick(&l.entry, &l.table, &l.digits[n-1])
	l.addPoint(&e.p, &neutral, &l.entry)
	for j := n - 2; j >= 0; j-- {
		l.pick(&l.entry, &l.table, &l.digits[j])
		l.window(&e.p, &l.entry)
	}
	// The last window leaves T out.
	l.mul(&l.sum[cT], &e.p[cX], &e.p[cY])
	l.mul(&e.p[cX], &e.p[cX], &e.p[cZ])
	l.mul(&e.p[cY], &e.p[cY], &e.p[cZ])
	e.p[cT] = l.sum[cT]
	l.mul(&e.p[cZ], &e.p[cZ], &e.p[cZ])
}

// recode writes a lane's scalar as digits of -8 to 8 in base 16: two a byte,
// and the carry where the table has a place for it.
func (l *Lanes) recode(lane int, k []byte) {
	var carry int8
	for i := range 2 * len(k) {
		d := int8(k[i/2]>>(4*(i%2))&15) + carry
		if i < len(l.digits)-1 {
			carry = (d + 8) >> 4
			d -= carry << 4
		}
		l.digits[i][lane] = d
	}
	if n := 2 * len(k); n < len(l.digits) {
		l.digits[n][lane] = carry
	}
}

// Add adds f's lanes to e's.
func (l *Lanes) Add(e, f *Elements) {
	l.cachePoint(&l.entry, &f.p, &edwardsD2)
	l.addPoint(&e.p, &e.p, &l.entry)
}

// unpack reads 255 bits of each lane's bytes, little-endian; RFC 9496 ignores
// the last bit.
func unpack(z *element, b *[Width][32]byte) {
	for i := range b {
		w0, w1 := binary.LittleEndian.Uint64(b[i][:]), binary.LittleEndian.Uint64(b[i][8:])
		w2, w3 := binary.LittleEndian.Uint64(b[i][16:]), binary.LittleEndian.Uint64(b[i][24:])
		const mask = 1<<51 - 1
		z[i] = w0 & mask
		z[Width+i] = (w0>>51 | w1<<13) & mask
		z[2*Width+i] = (w1>>38 | w2<<26) & mask
		z[3*Width+i] = (w2>>25 | w3<<39) & mask
		z[4*Width+i] = w3 >> 12 & mask
	}
}

// pack writes each lane of what is frozen as 32 bytes.
func pack(b *[Width][32]byte, z *element) {
	for i := range b {
		l0, l1, l2, l3, l4 := z[i], z[Width+i], z[2*Width+i], z[3*Width+i], z[4*Width+i]
		binary.LittleEndian.PutUint64(b[i][:], l0|l1<<51)
		binary.LittleEndian.PutUint64(b[i][8:], l1>>13|l2<<38)
		binary.LittleEndian.PutUint64(b[i][16:], l2>>26|l3<<25)
		binary.LittleEndian.PutUint64(b[i][24:], l3>>39|l4<<12)
	}
}

// everyLane gives a constant in all lanes, from its 32 bytes.
func everyLane(b [4]uint64) (z element) {
	var bytes [Width][32]byte
	for i := range bytes {
		for j, w := range b {
			binary.LittleEndian.PutUint64(bytes[i][8*j:], w)
		}
	}
	unpack(&z, &bytes)
	return z
}
