// A c2sp.org/tlog-proof@v1: that bytes are recorded in a ledger under a
// checkpoint (c2sp.org/tlog-checkpoint, c2sp.org/signed-note) signed by a key
// that the reader trusts already. Cosignatures of witnesses are not looked at.

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { nodeHash } from "./bucket.ts";
import { type Bytes, concat, equal, fromBase64, toHex, utf8 } from "./encoding.ts";
import { Failure, named } from "./failure.ts";

const MAX_PROOF = 64 << 10; // bytes
const MAX_SIGNATURES = 100;
const ED25519 = 1; // the algorithm byte of signed notes

/** A ledger's verifier key. Its name is the ledger's origin. */
export interface LedgerKey {
  name: string;
  hash: string; // 8 hex digits
  public: Bytes;
}

/** Reads a signed-note verifier key: name ‖ "+" ‖ hash ‖ "+" ‖ base64 of the algorithm byte and the key. */
export function parseLedgerKey(vkey: string): LedgerKey {
  const [, name, hash, key64] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey.trim()) ?? [];
  if (name === undefined || hash === undefined || key64 === undefined || !validName(name)) throw new Error("not a ledger key");
  const key = fromBase64(key64);
  if (toHex(sha256(concat(utf8(name + "\n"), key)).subarray(0, 4)) !== hash) throw new Error("a ledger key with another hash");
  if (key[0] !== ED25519 || key.length !== 33) throw new Error("not an Ed25519 ledger key");
  return { name, hash, public: key.subarray(1) };
}

/** No Unicode white space (unicode.IsSpace) and no plus. */
const validName = (name: string): boolean =>
  /^[^+\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/.test(name);

/** Gives the ledger entry of published bytes. */
export const leaf = (kind: "statement" | "notice", data: Uint8Array): Bytes =>
  concat(utf8(`shirase/v1 ${kind}\0`), sha256(data));

/** Where in a ledger something is. */
export interface Inclusion {
  origin: string;
  index: number;
  size: number; // of the ledger at the checkpoint
}

/**
 * Checks that published bytes are in the ledger of the keys, which are of one
 * origin and alternatives: a key and its successors.
 */
export function verifyInclusion(kind: "statement" | "notice", data: Uint8Array, proof: string, keys: LedgerKey[]): Inclusion {
  if (proof.length > MAX_PROOF || utf8(proof).length > MAX_PROOF) throw new Failure("inclusion", "the proof is too long");
  const { index, path, checkpoint } = named("inclusion", () => parseProof(proof));
  const { origin, size, root } = named("inclusion", () => openCheckpoint(checkpoint, keys));
  if (!keys.some((k) => k.name === origin)) throw new Failure("checkpoint", "the checkpoint is of another ledger");
  const hash = sha256(concat(Uint8Array.of(0), leaf(kind, data)));
  const implied = index < size ? rootFromPath(hash, index, size, path) : undefined;
  if (implied === undefined || !equal(implied, root)) throw new Failure("inclusion", `not in the ledger at ${index}`);
  return { origin, index, size };
}

/** Gives the origin that a proof's checkpoint claims, by which a key is looked up. It verifies nothing. */
export function proofOrigin(proof: string): string {
  const start = proof.indexOf("\n\n") + 2;
  const end = proof.indexOf("\n", start);
  const origin = proof.slice(start, end);
  if (start < 2 || end <= start || utf8(origin).length > 200) throw new Failure("inclusion", "the proof holds no checkpoint");
  return origin;
}

function parseProof(proof: string): { index: number; path: Bytes[]; checkpoint: string } {
  const end = proof.indexOf("\n\n");
  const lines = proof.slice(0, end).split("\n");
  if (end < 0 || lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Error("not a tlog proof");
  if (lines[0]?.startsWith("extra ")) fromBase64(lines.shift()!.slice("extra ".length));
  return {
    index: decimal(/^index (.*)$/.exec(lines.shift() ?? "")?.[1]),
    path: lines.map(hash64),
    checkpoint: proof.slice(end + 2),
  };
}

function decimal(digits: string | undefined): number {
  if (digits === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(digits) || !Number.isSafeInteger(Number(digits))) {
    throw new Error("not a decimal number");
  }
  return Number(digits);
}

function hash64(line: string): Bytes {
  const hash = fromBase64(line);
  if (hash.length !== 32) throw new Error("a hash is not 32 bytes");
  return hash;
}

/** Opens the signed note: a wrong signature under a trusted key and no signature under any are "checkpoint". */
function openCheckpoint(note: string, keys: LedgerKey[]): { origin: string; size: number; root: Bytes } {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n") || /[\0-\x09\x0b-\x1f]/.test(note)) throw new Error("not a signed note");
  const body = note.slice(0, split + 1);
  const signatures = note.slice(split + 2).split("\n").slice(0, -1);
  if (signatures.length === 0 || signatures.length > MAX_SIGNATURES) throw new Error("not a signed note");
  const verified = new Set<LedgerKey>();
  for (const line of signatures) {
    const [, name, signature64] = /^— ([^ ]+) (.+)$/.exec(line) ?? [];
    if (name === undefined || signature64 === undefined || !validName(name)) throw new Error("a signature line is malformed");
    const signature = fromBase64(signature64);
    if (signature.length < 5) throw new Error("a signature is too short");
    const hash = toHex(signature.subarray(0, 4));
    const key = keys.find((k) => k.name === name && k.hash === hash);
    if (key === undefined || verified.has(key)) continue;
    if (!verifies(key, signature.subarray(4), body)) throw new Failure("checkpoint", "a signature does not verify");
    verified.add(key);
  }
  if (verified.size === 0) throw new Failure("checkpoint", "no key that is trusted signed the checkpoint");
  const [origin, size, root, ...extensions] = body.slice(0, -1).split("\n");
  if (origin === undefined || root === undefined || extensions.includes("")) throw new Error("not a checkpoint");
  return { origin, size: decimal(size), root: hash64(root) };
}

/** RFC 8032 as it stands, not the looser ZIP 215. */
function verifies(key: LedgerKey, signature: Uint8Array, body: string): boolean {
  return signature.length === 64 && ed25519.verify(signature, utf8(body), key.public, { zip215: false });
}

/** RFC 9162 section 2.1.3.2. Sizes may pass 2^31, so there are no bit operators here. */
function rootFromPath(leafHash: Bytes, index: number, size: number, path: Bytes[]): Bytes | undefined {
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hash : undefined;
}
