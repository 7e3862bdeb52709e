// RFC 9497, mode VOPRF (0x01), suite ristretto255-SHA512: the client's side.

import { ristretto255, ristretto255_hasher, ristretto255_oprf } from "@noble/curves/ed25519.js";
import { type Bytes, utf8 } from "./encoding.ts";
import { Failure, named } from "./failure.ts";

const { voprf } = ristretto255_oprf;
const { Point } = ristretto255;

const HASH_TO_GROUP = utf8("HashToGroup-OPRFV1-\x01-ristretto255-SHA512");
const PROOF_SIZE = 64;

/** One identity on its way to the evaluator. The blind is a secret until the answer is shown. */
export interface Blinded {
  input: Uint8Array;
  blind: Uint8Array; // 32 bytes
  element: Uint8Array; // 32 bytes, what is sent
}

/** Blind of section 3.3.1, with a fresh random blind. */
export function blind(input: Uint8Array): Blinded {
  const { blind, blinded } = named("element", () => voprf.blind(input));
  return { input, blind, element: blinded };
}

/** Blinds with a blind that is known already: how a verifier recomputes what was sent. */
export function blindWith(input: Uint8Array, blind: Uint8Array): Blinded {
  const scalar = named("scalar", () => Point.Fn.fromBytes(blind));
  if (Point.Fn.is0(scalar)) throw new Failure("scalar", "the blind is zero");
  const element = named("element", () =>
    ristretto255_hasher.hashToCurve(input, { DST: HASH_TO_GROUP }).multiply(scalar).toBytes());
  return { input, blind, element };
}

/** Reports whether bytes are the canonical encoding of an element other than the identity (section 4.1). */
export function isElement(bytes: Uint8Array): boolean {
  try {
    return !Point.fromBytes(bytes).is0();
  } catch {
    return false;
  }
}

/** Finalize of section 3.3.2: verifies the proof for the batch and gives the outputs, 64 bytes each. */
export function finalize(publicKey: Uint8Array, batch: Blinded[], evaluated: Uint8Array[], proof: Uint8Array): Bytes[] {
  if (!evaluated.every(isElement)) throw new Failure("element", "an evaluated element is none");
  if (proof.length !== PROOF_SIZE) throw new Failure("proof", `a proof of ${proof.length} bytes`);
  return named("proof", () =>
    voprf.finalizeBatch(
      batch.map((b, i) => ({ input: b.input, blind: b.blind, blinded: b.element, evaluated: evaluated[i]! })),
      publicKey,
      proof,
    )) as Bytes[];
}

/** Does once, with a key of its own, all that a check does, so that the first real one is quick. */
export function warmUp(): void {
  const input = new Uint8Array(1);
  const key = voprf.generateKeyPair();
  const blinded = blindWith(input, blind(input).blind);
  const { evaluated, proof } = voprf.blindEvaluate(key.secretKey, key.publicKey, blinded.element);
  finalize(key.publicKey, [blinded], [evaluated], proof);
}
