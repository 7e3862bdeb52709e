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

// mul sets z = x*y.
func mul(z, x, y *element) {
	if path == IFMA {
		mulIFMA(z, x, y)
	} else {
		mulAVX2(z, x, y)
	}
}

// square2 squares both of z n times, n > 0.
func square2(z *pair, n uint64) {
	if path == IFMA {
		square2IFMA(z, n)
	} else {
		square2AVX2(z, n)
	}
}

// add sets z = x+y.
func add(z, x, y *element) {
	if path == IFMA {
		addIFMA(z, x, y)
	} else {
		addAVX2(z, x, y)
	}
}

// sub sets z = x-y.
func sub(z, x, y *element) {
	if path == IFMA {
		subIFMA(z, x, y)
	} else {
		subAVX2(z, x, y)
	}
}

// choose sets the lanes of z to x's where mask has their bit, and to y's where not.
func choose(z, x, y *element, mask uint8) {
	if path == IFMA {
		chooseIFMA(z, x, y, mask)
	} else {
		chooseAVX2(z, x, y, mask)
	}
}

// freeze sets z = x with every limb and the whole as small as can be.
func freeze(z, x *element) {
	if path == IFMA {
		freezeIFMA(z, x)
	} else {
		freezeAVX2(z, x)
	}
}

// odd tells the lanes where x is odd, negative in RFC 9496's words.
func odd(x *element) uint8 {
	if path == IFMA {
		return oddIFMA(x)
	}
	return oddAVX2(x)
}

// zero tells the lanes where x is 0.
func zero(x *element) uint8 {
	if path == IFMA {
		return zeroIFMA(x)
	}
	return zeroAVX2(x)
}

// addPoint sets r = p+q, where q is cached.
func addPoint(r, p, q *point) {
	if path == IFMA {
		addPointIFMA(r, p, q)
	} else {
		addPointAVX2(r, p, q)
	}
}

// cachePoint sets q = p in cached form; d2 is 2d.
func cachePoint(q, p *point, d2 *element) {
	if path == IFMA {
		cachePointIFMA(q, p, d2)
	} else {
		cachePointAVX2(q, p, d2)
	}
}

// pick sets q's lanes to digit times what table is of, cached; table holds the multiples 1 to 8.
func pick(q *point, table *[8]point, digits *[8]int8) {
	if path == IFMA {
		pickIFMA(q, table, digits)
	} else {
		pickAVX2(q, table, digits)
	}
}

// window sets p = 16p+q without T, where q is cached; p's T is not read.
func window(p, q *point) {
	if path == IFMA {
		windowIFMA(p, q)
	} else {
		windowAVX2(p, q)
	}
}
