package check

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/gtank/ristretto255"

	"shirase/check/internal/lanes"
)

// Outputs gives Output of each of xs, in their order: faster than one by one
// where the processor computes in lanes.
func (e *EvaluatorKey) Outputs(xs [][]byte) ([]Output, error) {
	out := make([]Output, len(xs))
	if inLanes() {
		e.outputsInLanes(out, xs)
		return out, e.outputsOneByOne(out, xs)
	}
	return out, e.outputsOneByOne(out, xs)
}

// outputsOneByOne computes what is not computed yet.
func (e *EvaluatorKey) outputsOneByOne(out []Output, xs [][]byte) (err error) {
	for i, x := range xs {
		if out[i] == (Output{}) {
			if out[i], err = e.Output(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// inLanes tells whether lanes compute: they have to agree with the library
// first, once in a process.
var inLanes = sync.OnceValue(func() bool { return lanes.Of() != lanes.Library && lanesAgree() })

// lanesAgree compares both ways on inputs of its own: a processor or a system
// below that does not keep its word must not write a wrong index.
func lanesAgree() bool {
	e := newEvaluatorKey(randomScalar())
	xs := make([][]byte, 2*lanes.Width)
	for i := range xs {
		xs[i] = binary.BigEndian.AppendUint64(nil, uint64(i))
	}
	out, want := make([]Output, len(xs)), make([]Output, len(xs))
	e.outputsInLanes(out, xs)
	if err := e.outputsOneByOne(want, xs); err != nil {
		return false
	}
	for i := range out {
		if out[i] != want[i] {
			return false
		}
	}
	b, err := Blind(xs[0])
	if err != nil {
		return false
	}
	blinded, r := [][]byte{b.Element[:]}, randomScalar()
	ours, ourProof, ok := e.evaluateInLanes(blinded, r)
	theirs, theirProof, err := e.evaluateOneByOne(blinded, r)
	return ok && err == nil && bytes.Equal(ours[0], theirs[0]) && bytes.Equal(ourProof, theirProof)
}

// borrow gives the memory that lanes compute with, until it is given back.
func (e *EvaluatorKey) borrow() *lanes.Lanes {
	if l, ok := e.lanes.Get().(*lanes.Lanes); ok {
		l.Want(lanes.Width)
		return l
	}
	return new(lanes.Lanes)
}

// outputsInLanes computes what can be computed in lanes, and leaves the rest zero.
func (e *EvaluatorKey) outputsInLanes(out []Output, xs [][]byte) {
	const step = 2 * lanes.Width
	l := e.borrow()
	defer e.lanes.Put(l)
	secret := [32]byte(e.k.Bytes())
	var k [lanes.Width][32]byte
	for i := range k {
		k[i] = secret
	}
	w := new(struct {
		e       [2]lanes.Elements
		uniform [lanes.Width][64]byte
		encoded [2][lanes.Width][32]byte
	})
	for from := 0; from < len(xs); from += step {
		batch := xs[from:min(from+step, len(xs))]
		for h := range w.e {
			for i := range w.uniform {
				if j := h*lanes.Width + i; j < len(batch) && len(batch[j]) <= maxInput {
					w.uniform[i] = expandXMD(batch[j], dstHashToGroup)
				}
			}
			l.Uniform(&w.e[h], &w.uniform)
			l.Multiply(&w.e[h], &k)
		}
		l.Encode(w.encoded[:], &w.e[0], &w.e[1])
		for i, x := range batch {
			n := &w.encoded[i/lanes.Width][i%lanes.Width]
			if len(x) <= maxInput && *n != ([32]byte{}) { // the neutral element is for Output to refuse
				out[from+i] = finalHash(x, n[:])
			}
		}
	}
}

// place is where the i-th of many elements is, eight of them together.
func place(i int) (group, lane int) { return i / lanes.Width, i % lanes.Width }

// factor is one multiplication of many: lane `lane` of `of` by a scalar.
type factor struct {
	of   *lanes.Elements
	lane int
	by   [ScalarSize]byte
}

// multiply gives the products, each at its place. All scalars are below 2^128 where half says so.
func multiply(l *lanes.Lanes, factors []factor, half bool) []lanes.Elements {
	out := make([]lanes.Elements, (len(factors)+lanes.Width-1)/lanes.Width)
	for g := range out {
		var k [lanes.Width][32]byte
		var short [lanes.Width][16]byte
		out[g].SetNeutral()
		group := factors[g*lanes.Width : min((g+1)*lanes.Width, len(factors))]
		l.Want(len(group))
		for lane, f := range group {
			out[g].Move(lane, f.of, f.lane)
			k[lane], short[lane] = f.by, [16]byte(f.by[:])
		}
		if half {
			l.MultiplyHalf(&out[g], &short)
		} else {
			l.Multiply(&out[g], &k)
		}
	}
	return out
}

// encode encodes the first n lanes of each.
func encode(l *lanes.Lanes, n int, es ...lanes.Elements) [][lanes.Width][ElementSize]byte {
	l.Want(n)
	out := make([][lanes.Width][ElementSize]byte, len(es))
	pointers := make([]*lanes.Elements, len(es))
	for i := range es {
		pointers[i] = &es[i]
	}
	l.Encode(out, pointers...)
	return out
}

// evaluateInLanes is evaluateOneByOne in lanes. It is not ok where an element
// is refused, for the library to say so.
//
// The proof weighs what the first pass gives, so there are two passes. One
// element leaves lanes free: the first pass then multiplies by 2^128 too, and
// the second takes both halves of every scalar at once.
func (e *EvaluatorKey) evaluateInLanes(blinded [][]byte, r *ristretto255.Scalar) (evaluated [][]byte, proof []byte, ok bool) {
	l := e.borrow()
	defer e.lanes.Put(l)
	n := len(blinded)
	c := make([]lanes.Elements, (n+lanes.Width)/lanes.Width) // what is blinded, then the generator
	l.Want(n + 1)
	for g := range c {
		var b [lanes.Width][ElementSize]byte
		for lane := range b {
			switch i := g*lanes.Width + lane; {
			case i < n && (len(blinded[i]) != ElementSize || [ElementSize]byte(blinded[i]) == [ElementSize]byte{}):
				return nil, nil, false
			case i < n:
				b[lane] = [ElementSize]byte(blinded[i])
			default:
				b[lane] = generator
			}
		}
		if wanted := uint8(1<<min(n+1, lanes.Width) - 1); l.Decode(&c[g], &b)&wanted != wanted {
			return nil, nil, false
		}
	}
	times := func(i int, s *ristretto255.Scalar) factor {
		g, lane := place(i)
		return factor{&c[g], lane, [ScalarSize]byte(s.Bytes())}
	}
	factors := make([]factor, 0, 6*n)
	for i := range n {
		factors = append(factors, times(i, e.k))
	}
	factors = append(factors, times(n, r))
	half := n == 1
	if half {
		factors = append(factors, times(0, twoTo128), times(0, ristretto255.NewScalar().Multiply(twoTo128, e.k)))
	}
	d := multiply(l, factors, false)
	encoded := encode(l, n+1, d[:len(c)]...)
	at := func(i int) []byte {
		g, lane := place(i)
		return encoded[g][lane][:]
	}
	evaluated = make([][]byte, n)
	for i := range evaluated {
		evaluated[i] = at(i)
	}

	// M, Z and t3 = r*M are sums of as many products each, one of each in turn.
	factors = factors[:0]
	for i, w := range weigh(e.public, blinded, evaluated) {
		g, lane := place(i)
		weight, rw := [ScalarSize]byte(w.Bytes()), [ScalarSize]byte(ristretto255.NewScalar().Multiply(r, w).Bytes())
		factors = append(factors, factor{&c[g], lane, weight}, factor{&d[g], lane, weight}, factor{&c[g], lane, rw})
		if half {
			factors = append(factors, factor{&d[0], 2, upper(weight)}, factor{&d[0], 3, upper(weight)}, factor{&d[0], 2, upper(rw)})
		}
	}
	products := multiply(l, factors, half)
	l.Want(3)
	sum, next := make([]lanes.Elements, 1), new(lanes.Elements)
	sum[0].SetNeutral()
	for i := range len(factors) / 3 {
		next.SetNeutral()
		for term := range 3 {
			g, lane := place(3*i + term)
			next.Move(term, &products[g], lane)
		}
		l.Add(&sum[0], next)
	}
	mzt := encode(l, 3, sum...)[0]
	ch := challenge(e.public, mzt[0][:], mzt[1][:], at(n), mzt[2][:])
	return evaluated, e.answer(ch, r), true
}

// twoTo128 is 2^128.
var twoTo128, _ = ristretto255.NewScalar().SetCanonicalBytes(append(append(make([]byte, 16), 1), make([]byte, 15)...))

// upper is a scalar divided by 2^128.
func upper(s [ScalarSize]byte) (u [ScalarSize]byte) {
	copy(u[:], s[16:])
	return u
}
