// Signed notes (c2sp.org/signed-note): a text, and who signed it. Ledgers sign
// with plain Ed25519, witnesses with a time beside it (c2sp.org/tlog-cosignature).

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, fromBase64, toHex, utf8 } from "./encoding.ts";
import { Failure } from "./failure.ts";

const MAX_SIGNATURES = 100;

/** The types of keys: of a ledger, and of a witness (cosignature/v1). */
export const ED25519 = 1;
export const COSIGNATURE = 4;

/** A verifier key, by the text that names it. */
export interface VerifierKey {
  vkey: string;
  name: string; // a ledger's is its origin
  hash: string; // 8 hex digits
  type: number;
  public: Bytes;
}

/** Reads a verifier key of one type: name ‖ "+" ‖ hash ‖ "+" ‖ base64 of the type's byte and the key. */
export function parseVerifierKey(text: string, type: number): VerifierKey {
  const vkey = text.trim();
  const [, name, hash, key64] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey) ?? [];
  if (name === undefined || hash === undefined || key64 === undefined || !validName(name)) throw new Error("not a key");
  const key = fromBase64(key64);
  if (toHex(sha256(concat(utf8(name + "\n"), key)).subarray(0, 4)) !== hash) throw new Error("a key with another hash");
  if (key[0] !== type || key.length !== 33) throw new Error("not a key of this type");
  return { vkey, name, hash, type, public: key.subarray(1) };
}

export const parseLedgerKey = (vkey: string): VerifierKey => parseVerifierKey(vkey, ED25519);

/** No Unicode white space (unicode.IsSpace) and no plus. */
const validName = (name: string): boolean =>
  /^[^+\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/.test(name);

/**
 * Opens a note: its text, and those of the keys that signed it. A wrong
 * signature under any of them is "checkpoint", and so is none at all.
 */
export function openNote(note: string, keys: VerifierKey[]): { text: string; signed: Set<VerifierKey> } {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n") || /[\0-\x09\x0b-\x1f]/.test(note)) throw new Error("not a signed note");
  const text = note.slice(0, split + 1);
  const signatures = note.slice(split + 2).split("\n").slice(0, -1);
  if (signatures.length === 0 || signatures.length > MAX_SIGNATURES) throw new Error("not a signed note");
  const signed = new Set<VerifierKey>();
  for (const line of signatures) {
    const [, name, signature64] = /^— ([^ ]+) (.+)$/.exec(line) ?? [];
    if (name === undefined || signature64 === undefined || !validName(name)) throw new Error("a signature line is malformed");
    const signature = fromBase64(signature64);
    if (signature.length < 5) throw new Error("a signature is too short");
    const hash = toHex(signature.subarray(0, 4));
    const key = keys.find((k) => k.name === name && k.hash === hash);
    if (key === undefined || signed.has(key)) continue;
    if (!verifies(key, signature.subarray(4), text)) throw new Failure("checkpoint", `a signature of ${name} does not verify`);
    signed.add(key);
  }
  if (signed.size === 0) throw new Failure("checkpoint", "no key that is trusted signed the checkpoint");
  return { text, signed };
}

/** RFC 8032 as it stands, not the looser ZIP 215. A cosignature begins with the time that it signs, in 8 bytes. */
function verifies(key: VerifierKey, signature: Bytes, text: string): boolean {
  let message = text;
  if (key.type === COSIGNATURE) {
    if (signature.length !== 72) return false;
    message = `cosignature/v1\ntime ${new DataView(signature.buffer, signature.byteOffset).getBigUint64(0)}\n${text}`;
  }
  const bare = signature.subarray(key.type === COSIGNATURE ? 8 : 0);
  return bare.length === 64 && ed25519.verify(bare, utf8(message), key.public, { zip215: false });
}
