package lanes

import "golang.org/x/sys/cpu"

// best is what this processor can do.
func best() Path {
	x := &cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasFMA:
		return Library
	case x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512IFMA:
		return IFMA
	}
	return AVX2
}

// halves is how many times AVX2 computes with four lanes.
func (l *Lanes) halves() uint64 {
	if l.narrow {
		return 1
	}
	return 2
}

// unused is how many bits, one a lane, AVX2 leaves below those of the lanes.
func (l *Lanes) unused() uint64 { return 8 - 4*l.halves() }

// mul sets z = x*y.
func (l *Lanes) mul(z, x, y *element) {
	if path == IFMA {
		mulIFMA(z, x, y)
	} else {
		mulAVX2(z, x, y, l.halves())
	}
}

// square2 squares both of z n times, n > 0.
func (l *Lanes) square2(z *pair, n uint64) {
	if path == IFMA {
		square2IFMA(z, n)
	} else {
		square2AVX2(z, n, l.halves())
	}
}

// add sets z = x+y.
func (l *Lanes) add(z, x, y *element) {
	if path == IFMA {
		addIFMA(z, x, y)
	} else {
		addAVX2(z, x, y, l.halves())
	}
}

// sub sets z = x-y.
func (l *Lanes) sub(z, x, y *element) {
	if path == IFMA {
		subIFMA(z, x, y)
	} else {
		subAVX2(z, x, y, l.halves())
	}
}

// choose sets the lanes of z to x's where mask has their bit, and to y's where not.
func (l *Lanes) choose(z, x, y *element, mask uint8) {
	if path == IFMA {
		chooseIFMA(z, x, y, mask)
	} else {
		chooseAVX2(z, x, y, mask, l.halves())
	}
}

// freeze sets z = x with every limb and the whole as small as can be.
func (l *Lanes) freeze(z, x *element) {
	if path == IFMA {
		freezeIFMA(z, x)
	} else {
		freezeAVX2(z, x, l.halves())
	}
}

// odd tells the lanes where x is odd, negative in RFC 9496's words.
func (l *Lanes) odd(x *element) uint8 {
	if path == IFMA {
		return oddIFMA(x)
	}
	return oddAVX2(x, l.halves()) >> l.unused()
}

// zero tells the lanes where x is 0.
func (l *Lanes) zero(x *element) uint8 {
	if path == IFMA {
		return zeroIFMA(x)
	}
	return zeroAVX2(x, l.halves()) >> l.unused()
}

// addPoint sets r = p+q, where q is cached.
func (l *Lanes) addPoint(r, p, q *point) {
	if path == IFMA {
		addPointIFMA(r, p, q)
	} else {
		addPointAVX2(r, p, q, l.halves())
	}
}

// cachePoint sets q = p in cached form; d2 is 2d.
func (l *Lanes) cachePoint(q, p *point, d2 *element) {
	if path == IFMA {
		cachePointIFMA(q, p, d2)
	} else {
		cachePointAVX2(q, p, d2, l.halves())
	}
}

// pick sets q's lanes to digit times what table is of, cached; table holds the multiples 1 to 8.
func (l *Lanes) pick(q *point, table *[8]point, digits *[8]int8) {
	if path == IFMA {
		pickIFMA(q, table, digits)
	} else {
		pickAVX2(q, table, digits, l.halves())
	}
}

// window sets p = 16p+q without T, where q is cached; p's T is not read.
func (l *Lanes) window(p, q *point) {
	if path == IFMA {
		windowIFMA(p, q)
	} else {
		windowAVX2(p, q, l.halves())
	}
}
