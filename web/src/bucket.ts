// A bucket of a layer: uint32 count ‖ entries ‖ path ‖ zeros up to the layer's pad.

import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, compare, concat, equal } from "./encoding.ts";
import { ENTRY_SIZE, bucketOf } from "./entry.ts";
import { Failure } from "./failure.ts";

export const MAX_PAD = 16 << 20; // bytes of a bucket response
const MAX_COUNT = 1 << 20; // entries
// Where there are several buckets, each has 1,024 entries or more in the mean, and half as many do not happen: a server
// that claims more entries than it has, to learn more bits of whoever asks, would have to forge the rest.
const MIN_COUNT = 512;
const HASH_SIZE = 32;

/** Gives ℓ: how many bits of the locator choose the bucket in a layer of n entries. */
export const bucketBits = (n: number, locatorBits: number): number =>
  Math.min(locatorBits, Math.max(0, n.toString(2).length - 11));

/** Gives the length of a bucket before padding, in bytes. */
export const bucketSize = (count: number, bits: number): number => 4 + count * ENTRY_SIZE + bits * HASH_SIZE;

/** Gives a bucket's number as it stands in its URL: hex of one width for the whole layer. */
export const bucketName = (number: number, bits: number): string =>
  number.toString(16).padStart(Math.max(1, Math.ceil(bits / 4)), "0");

/** A verified bucket. */
export interface Bucket {
  entries: Bytes; // sorted, 13 bytes each
  bytes: Bytes; // as it travelled, without padding
}

/**
 * Reads a bucket and verifies all a bucket can be verified by: length, count,
 * padding, order, prefix, and the path to the root (RFC 6962 section 2.1). pad
 * is the exact length wanted; 0 takes any length.
 */
export function parseBucket(body: Bytes, number: number, root: Uint8Array, bits: number, pad: number): Bucket {
  const bad = (what: string) => new Failure("bucket", `bucket ${bucketName(number, bits)}: ${what}`);
  if ((pad > 0 && body.length !== pad) || body.length < bucketSize(0, bits) || body.length > MAX_PAD) {
    throw bad(`length: ${body.length} bytes`);
  }
  const count = new DataView(body.buffer, body.byteOffset).getUint32(0);
  if (count > MAX_COUNT || bucketSize(count, bits) > body.length) throw bad(`count: ${count} entries`);
  if (bits > 0 && count < MIN_COUNT) throw bad(`count: ${count} entries, and each bucket has ${MIN_COUNT} or more`);
  const bytes = body.slice(0, bucketSize(count, bits)); // a copy: the padding may be much longer
  const entries = bytes.subarray(4, 4 + count * ENTRY_SIZE);
  const path = bytes.subarray(4 + count * ENTRY_SIZE);
  for (let i = bucketSize(count, bits); i < body.length; i++) if (body[i] !== 0) throw bad("padding: it is not zeros");
  let before: Bytes | undefined;
  for (let i = 0; i < entries.length; i += ENTRY_SIZE) {
    const e = entries.subarray(i, i + ENTRY_SIZE);
    if (before && compare(before, e, ENTRY_SIZE) >= 0) throw bad("order");
    if (bucketOf(e, bits) !== number) throw bad("prefix: an entry belongs to another bucket");
    before = e;
  }
  let hash = sha256(concat(Uint8Array.of(0), entries));
  for (let level = 0; level < bits; level++) {
    const sibling = path.subarray(level * HASH_SIZE, (level + 1) * HASH_SIZE);
    hash = (number >> level) & 1 ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
  }
  if (!equal(hash, root)) throw bad("path: it does not lead to the root");
  return { entries, bytes };
}

export const nodeHash = (left: Uint8Array, right: Uint8Array): Bytes => sha256(concat(Uint8Array.of(1), left, right)) as Bytes;
