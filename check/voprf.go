package check

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/gtank/ristretto255"
)

// The suite of RFC 9497 section 4.1, in verifiable mode (section 3.1).
const (
	contextString   = "OPRFV1-\x01-ristretto255-SHA512"
	dstHashToGroup  = "HashToGroup-" + contextString
	dstHashToScalar = "HashToScalar-" + contextString
	dstDeriveKey    = "DeriveKeyPair" + contextString
	dstSeed         = "Seed-" + contextString
	dstNonce        = "shirase/v1 nonce-" + contextString // not of the RFC: it leaves r to the prover

	// ElementSize and ScalarSize are Ne and Ns of the suite, in bytes.
	ElementSize = 32
	ScalarSize  = 32
	// ProofSize is the length of a DLEQ proof: the scalars c and s.
	ProofSize = 2 * ScalarSize
	// OutputSize is Nh, the length of a VOPRF output, in bytes.
	OutputSize = sha512.Size
	// maxInput is the most bytes that an input may have.
	maxInput = 0xffff
	// MaxBatch is the most elements one evaluation may carry.
	MaxBatch = 16
)

var (
	// ErrElement says that bytes are no canonical, non-identity group element.
	ErrElement = errors.New("not a group element")
	// ErrScalar says that bytes are no canonical, non-zero scalar.
	ErrScalar = errors.New("not a scalar")
	// ErrProof says that an evaluation was not made with the published key.
	ErrProof = errors.New("the evaluator's proof does not hold")
	// ErrBatch says that a batch is empty, too large, or its parts differ in number.
	ErrBatch = errors.New("an evaluation takes 1 to 16 elements")
)

// Output is a VOPRF output y, 64 bytes: bytes 0 to 2 are the locator, bytes 32
// to 63 the key of the tags.
type Output [OutputSize]byte

// PublicKey is an evaluator's public key, a serialized group element.
type PublicKey [ElementSize]byte

// MarshalText returns the key in unpadded base64url.
func (p PublicKey) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(p[:])), nil
}

// UnmarshalText reads a key from unpadded base64url and checks that it is an element.
func (p *PublicKey) UnmarshalText(text []byte) error {
	b, err := decode64(string(text), ElementSize)
	if err != nil {
		return err
	}
	if _, err := decodeElement(b); err != nil {
		return err
	}
	copy(p[:], b)
	return nil
}

// EvaluatorKey is an evaluator's private key. It is a secret: whoever has it
// and the index can test guesses. It never prints itself.
type EvaluatorKey struct {
	k      *ristretto255.Scalar
	public PublicKey
	lanes  sync.Pool // of *lanes.Lanes
}

// evaluatorKeyPrefix marks the text form of a private key, so that a stray one
// is recognised for what it is.
const evaluatorKeyPrefix = "SHIRASE-EVALUATOR-KEY-1-"

// GenerateEvaluatorKey makes a key from the operating system's generator.
func GenerateEvaluatorKey() *EvaluatorKey {
	return newEvaluatorKey(randomScalar())
}

// DeriveEvaluatorKey is DeriveKeyPair of RFC 9497 section 3.2.1; seed is 32 bytes.
func DeriveEvaluatorKey(seed, info []byte) (*EvaluatorKey, error) {
	if len(seed) != 32 || len(info) > 0xffff {
		return nil, fmt.Errorf("derive an evaluator key: %w", ErrScalar)
	}
	in := append(append(append([]byte{}, seed...), be16(len(info))...), info...)
	for counter := range 256 {
		k := hashToScalar(append(in, byte(counter)), dstDeriveKey)
		if k.Equal(ristretto255.NewScalar()) == 0 {
			return newEvaluatorKey(k), nil
		}
	}
	return nil, fmt.Errorf("derive an evaluator key: %w", ErrScalar)
}

func newEvaluatorKey(k *ristretto255.Scalar) *EvaluatorKey {
	e := &EvaluatorKey{k: k}
	copy(e.public[:], ristretto255.NewIdentityElement().ScalarBaseMult(k).Bytes())
	return e
}

// ParseEvaluatorKey reads the text that Secret gives.
func ParseEvaluatorKey(text string) (*EvaluatorKey, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), evaluatorKeyPrefix)
	if !ok {
		return nil, fmt.Errorf("read an evaluator key: it does not begin with %s", evaluatorKeyPrefix)
	}
	b, err := decode64(rest, ScalarSize)
	if err != nil {
		return nil, fmt.Errorf("read an evaluator key: %w", err)
	}
	k, err := decodeScalar(b)
	if err != nil {
		return nil, fmt.Errorf("read an evaluator key: %w", err)
	}
	return newEvaluatorKey(k), nil
}

// Secret returns the private key as text, for a key file.
func (e *EvaluatorKey) Secret() string {
	return evaluatorKeyPrefix + base64.RawURLEncoding.EncodeToString(e.k.Bytes())
}

// String names the key by its public half.
func (e *EvaluatorKey) String() string {
	return "evaluator key " + base64.RawURLEncoding.EncodeToString(e.public[:])
}

// GoString keeps %#v from printing the secret.
func (e *EvaluatorKey) GoString() string { return e.String() }

// Public returns the public key.
func (e *EvaluatorKey) Public() PublicKey { return e.public }

// Output is Evaluate of RFC 9497 section 3.3.2: the output for x without a
// client, which is how an index is sealed.
func (e *EvaluatorKey) Output(x []byte) (Output, error) {
	p, err := hashToGroup(x)
	if err != nil {
		return Output{}, err
	}
	return finalHash(x, p.ScalarMult(e.k, p).Bytes()), nil
}

// Evaluate is BlindEvaluate of RFC 9497 section 3.3.2 for 1 to 16 blinded
// elements of 32 bytes: it gives the evaluated elements in their order and one
// DLEQ proof of 64 bytes for all. A malformed element refuses the whole batch.
func (e *EvaluatorKey) Evaluate(blinded [][]byte) (evaluated [][]byte, proof []byte, err error) {
	if len(blinded) < 1 || len(blinded) > MaxBatch {
		return nil, nil, ErrBatch
	}
	var random [64]byte
	rand.Read(random[:]) // never fails: crypto/rand
	return e.evaluate(blinded, e.nonce(random[:], blinded))
}

// nonce gives r, the random scalar of GenerateProof: of the secret key, fresh random bytes and what is asked, from which the
// rest of what is proven follows. Two proofs that share an r give the key away; so a random generator that repeats itself, of
// a restored machine for one, must not be enough for that. Without the secret key r is as hard to guess as the random bytes,
// and where they are known, as the key.
func (e *EvaluatorKey) nonce(random []byte, blinded [][]byte) *ristretto255.Scalar {
	t := make([]byte, 0, 256)
	t = appendPrefixed(t, e.k.Bytes())
	t = appendPrefixed(t, random)
	t = binary.BigEndian.AppendUint16(t, uint16(len(blinded)))
	for _, b := range blinded {
		t = appendPrefixed(t, b[:min(len(b), ElementSize)]) // a longer one is refused
	}
	return hashToScalar(t, dstNonce)
}

func (e *EvaluatorKey) evaluate(blinded [][]byte, r *ristretto255.Scalar) (evaluated [][]byte, proof []byte, err error) {
	if inLanes() {
		if evaluated, proof, ok := e.evaluateInLanes(blinded, r); ok {
			return evaluated, proof, nil
		}
	}
	return e.evaluateOneByOne(blinded, r)
}

func (e *EvaluatorKey) evaluateOneByOne(blinded [][]byte, r *ristretto255.Scalar) (evaluated [][]byte, proof []byte, err error) {
	c := make([]*ristretto255.Element, len(blinded))
	for i, b := range blinded {
		if c[i], err = decodeElement(b); err != nil {
			return nil, nil, fmt.Errorf("blinded[%d]: %w", i, err)
		}
	}
	d := make([]*ristretto255.Element, len(blinded))
	evaluated = make([][]byte, len(blinded))
	for i := range c {
		d[i] = ristretto255.NewIdentityElement().ScalarMult(e.k, c[i])
		evaluated[i] = d[i].Bytes()
	}
	return evaluated, e.prove(c, d, blinded, evaluated, r), nil
}

// prove is GenerateProof of RFC 9497 section 2.2.1 with A the generator and B
// the public key. The weights d_i, and so M and Z, are public: they are
// computed in variable time; r and k are not.
func (e *EvaluatorKey) prove(c, d []*ristretto255.Element, cb, db [][]byte, r *ristretto255.Scalar) []byte {
	m, z := composites(e.public, c, d, cb, db)
	t2 := ristretto255.NewIdentityElement().ScalarBaseMult(r)
	t3 := ristretto255.NewIdentityElement().ScalarMult(r, m)
	return e.answer(challenge(e.public, m.Bytes(), z.Bytes(), t2.Bytes(), t3.Bytes()), r)
}

// answer ends a proof: c and s = r - c*k.
func (e *EvaluatorKey) answer(c, r *ristretto255.Scalar) []byte {
	s := ristretto255.NewScalar().Multiply(c, e.k)
	s.Subtract(r, s)
	return append(c.Bytes(), s.Bytes()...)
}

// Blinded is one identity on its way to the evaluator: the input, the blind
// (a secret until the answer is shown) and the element that is sent.
type Blinded struct {
	Input   []byte
	Element [ElementSize]byte
	blind   *ristretto255.Scalar
}

// Blind is Blind of RFC 9497 section 3.3.1 with a fresh random blind.
func Blind(x []byte) (*Blinded, error) { return blindWith(x, randomScalar()) }

// BlindWith blinds x with a blind that is known already, 32 bytes: it is how a
// verifier recomputes what a client sent.
func BlindWith(x, blind []byte) (*Blinded, error) {
	s, err := decodeScalar(blind)
	if err != nil {
		return nil, fmt.Errorf("blind: %w", err)
	}
	return blindWith(x, s)
}

func blindWith(x []byte, blind *ristretto255.Scalar) (*Blinded, error) {
	p, err := hashToGroup(x)
	if err != nil {
		return nil, err
	}
	b := &Blinded{Input: append([]byte{}, x...), blind: blind}
	copy(b.Element[:], p.ScalarMult(blind, p).Bytes())
	return b, nil
}

// Secret returns the blind, 32 bytes, for an answer file.
func (b *Blinded) Secret() []byte { return b.blind.Bytes() }

// Finalize is Finalize of RFC 9497 section 3.3.2 for a batch: it verifies the
// proof against the public key and gives the outputs in order.
func Finalize(public PublicKey, batch []*Blinded, evaluated [][]byte, proof []byte) ([]Output, error) {
	if len(batch) < 1 || len(batch) > MaxBatch || len(evaluated) != len(batch) {
		return nil, ErrBatch
	}
	c := make([]*ristretto255.Element, len(batch))
	d := make([]*ristretto255.Element, len(batch))
	cb := make([][]byte, len(batch))
	for i, b := range batch {
		var err error
		cb[i] = b.Element[:]
		if c[i], err = decodeElement(cb[i]); err != nil {
			return nil, fmt.Errorf("blinded[%d]: %w", i, err)
		}
		if d[i], err = decodeElement(evaluated[i]); err != nil {
			return nil, fmt.Errorf("evaluated[%d]: %w", i, err)
		}
	}
	if err := verifyProof(public, c, d, cb, evaluated, proof); err != nil {
		return nil, err
	}
	out := make([]Output, len(batch))
	for i, b := range batch {
		inv := ristretto255.NewScalar().Invert(b.blind)
		out[i] = finalHash(b.Input, d[i].ScalarMult(inv, d[i]).Bytes())
	}
	return out, nil
}

// verifyProof is VerifyProof of RFC 9497 section 2.2.2. Everything in it is public.
func verifyProof(public PublicKey, c, d []*ristretto255.Element, cb, db [][]byte, proof []byte) error {
	b, err := decodeElement(public[:])
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	if len(proof) != ProofSize {
		return fmt.Errorf("%w: it is %d bytes long, not %d", ErrProof, len(proof), ProofSize)
	}
	ch, err := ristretto255.NewScalar().SetCanonicalBytes(proof[:ScalarSize])
	if err != nil {
		return fmt.Errorf("%w: c is not a scalar", ErrProof)
	}
	s, err := ristretto255.NewScalar().SetCanonicalBytes(proof[ScalarSize:])
	if err != nil {
		return fmt.Errorf("%w: s is not a scalar", ErrProof)
	}
	m, z := composites(public, c, d, cb, db)
	t2 := ristretto255.NewIdentityElement().VarTimeDoubleScalarBaseMult(ch, b, s)
	t3 := ristretto255.NewIdentityElement().VarTimeMultiScalarMult(
		[]*ristretto255.Scalar{s, ch}, []*ristretto255.Element{m, z})
	if challenge(public, m.Bytes(), z.Bytes(), t2.Bytes(), t3.Bytes()).Equal(ch) != 1 {
		return ErrProof
	}
	return nil
}

// composites is ComputeComposites of RFC 9497 section 2.2.1. The evaluator uses
// it as well, instead of Z = k*M: with D at hand, Z is a public combination,
// and the secret key takes part in one multiplication less.
func composites(public PublicKey, c, d []*ristretto255.Element, cb, db [][]byte) (m, z *ristretto255.Element) {
	weights := weigh(public, cb, db)
	m = ristretto255.NewIdentityElement().VarTimeMultiScalarMult(weights, c)
	z = ristretto255.NewIdentityElement().VarTimeMultiScalarMult(weights, d)
	return m, z
}

// weigh gives the weights d_i of ComputeComposites.
func weigh(public PublicKey, cb, db [][]byte) []*ristretto255.Scalar {
	t := make([]byte, 0, 160)
	t = appendPrefixed(t, public[:])
	t = appendPrefixed(t, []byte(dstSeed))
	seed := sha512.Sum512(t)
	weights := make([]*ristretto255.Scalar, len(cb))
	for i := range cb {
		t = appendPrefixed(t[:0], seed[:])
		t = binary.BigEndian.AppendUint16(t, uint16(i))
		t = appendPrefixed(t, cb[i])
		t = appendPrefixed(t, db[i])
		t = append(t, "Composite"...)
		weights[i] = hashToScalar(t, dstHashToScalar)
	}
	return weights
}

// challenge is of the encoded elements M, Z, t2 and t3.
func challenge(public PublicKey, elements ...[]byte) *ristretto255.Scalar {
	t := make([]byte, 0, 5*(2+ElementSize)+9)
	t = appendPrefixed(t, public[:])
	for _, e := range elements {
		t = appendPrefixed(t, e)
	}
	return hashToScalar(append(t, "Challenge"...), dstHashToScalar)
}

// generator is the encoded generator, RFC 9496 appendix A.1.
var generator = [ElementSize]byte(ristretto255.NewGeneratorElement().Bytes())

// finalHash is the last step of Finalize, RFC 9497 section 3.3.2.
func finalHash(x, n []byte) Output {
	t := make([]byte, 0, 256)
	t = appendPrefixed(t, x)
	t = binary.BigEndian.AppendUint16(t, ElementSize)
	t = append(t, n...)
	return sha512.Sum512(append(t, "Finalize"...))
}

func hashToGroup(x []byte) (*ristretto255.Element, error) {
	if len(x) > maxInput {
		return nil, fmt.Errorf("input of %d bytes: %w", len(x), ErrElement)
	}
	u := expandXMD(x, dstHashToGroup)
	p, err := ristretto255.NewIdentityElement().SetUniformBytes(u[:])
	if err != nil || p.Equal(ristretto255.NewIdentityElement()) == 1 {
		return nil, fmt.Errorf("hash to group: %w", ErrElement) // InvalidInputError; unreachable in practice
	}
	return p, nil
}

func hashToScalar(x []byte, dst string) *ristretto255.Scalar {
	u := expandXMD(x, dst)
	s, err := ristretto255.NewScalar().SetUniformBytes(u[:])
	if err != nil {
		panic(err) // 64 bytes always do
	}
	return s
}

// expandXMD is expand_message_xmd of RFC 9380 section 5.3.1 with SHA-512 and an
// output of 64 bytes, which is one block: b_1.
func expandXMD(msg []byte, dst string) [64]byte {
	t := make([]byte, sha512.BlockSize, 512) // Z_pad
	t = append(t, msg...)
	t = append(t, 0, 64, 0) // l_i_b_str, I2OSP(0, 1)
	t = append(append(t, dst...), byte(len(dst)))
	b0 := sha512.Sum512(t)
	t = append(append(t[:0], b0[:]...), 1)
	t = append(append(t, dst...), byte(len(dst)))
	return sha512.Sum512(t)
}

// randomScalar draws a scalar that is not zero.
func randomScalar() *ristretto255.Scalar {
	for {
		var u [64]byte
		rand.Read(u[:]) // never fails: crypto/rand
		s, err := ristretto255.NewScalar().SetUniformBytes(u[:])
		if err != nil {
			panic(err)
		}
		if s.Equal(ristretto255.NewScalar()) == 0 {
			return s
		}
	}
}

// decodeElement is DeserializeElement of RFC 9497 section 4.1: canonical, and
// not the identity.
func decodeElement(b []byte) (*ristretto255.Element, error) {
	if len(b) != ElementSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrElement, len(b))
	}
	e, err := ristretto255.NewIdentityElement().SetCanonicalBytes(b)
	if err != nil || e.Equal(ristretto255.NewIdentityElement()) == 1 {
		return nil, ErrElement
	}
	return e, nil
}

func decodeScalar(b []byte) (*ristretto255.Scalar, error) {
	if len(b) != ScalarSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrScalar, len(b))
	}
	s, err := ristretto255.NewScalar().SetCanonicalBytes(b)
	if err != nil || s.Equal(ristretto255.NewScalar()) == 1 {
		return nil, ErrScalar
	}
	return s, nil
}

func be16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

func appendPrefixed(t, b []byte) []byte {
	t = binary.BigEndian.AppendUint16(t, uint16(len(b)))
	return append(t, b...)
}

// decode64 reads strict unpadded base64url of exactly n bytes, or of any
// number if n is negative. Strict: no line breaks, no stray trailing bits.
func decode64(s string, n int) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("not base64url")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("not base64url")
	}
	if n >= 0 && len(b) != n {
		return nil, fmt.Errorf("%d bytes where %d belong", len(b), n)
	}
	return b, nil
}
