// Package lanes computes with eight elements of ristretto255 (RFC 9496) at
// once, one in each lane of the processor's vectors: it hashes to the group,
// multiplies by scalars, decodes and encodes. Every path gives the bytes that
// the library gives; where there is none, Of says Library, and nothing else
// here may be called.
//
// All of it takes a time that depends on no value, Decode's answer aside, which
// is about public bytes.
package lanes

import "os"

// Path is the instructions that compute.
type Path int

const (
	Library Path = iota // none: the caller's library has to
	AVX2                // four lanes in a register, products of 53 bits, of doubles: with FMA
	IFMA                // eight lanes in a register, AVX-512's products of 52 bits
)

func (p Path) String() string { return [...]string{"library", "avx2", "ifma"}[p] }

// Of gives the path of this process: the best that the processor has, or a
// lesser one that SHIRASE_LANES names for comparison: "avx2", or "off", the library.
func Of() Path { return path }

var path = choice(os.Getenv("SHIRASE_LANES"), best())

func choice(wish string, best Path) Path {
	switch wish {
	case "off":
		return Library
	case AVX2.String():
		return min(best, AVX2)
	}
	return best
}

// element is eight field elements: limb k of lane i, of weight 2^(51k), at
// 8k+i. Limbs may be a little above 2^51: testdata/bounds.txt.
type element = [40]uint64
