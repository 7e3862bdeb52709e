// The 13 bytes that stand for one identity in one revision of one incident:
// locator 3 ‖ tag 6 ‖ sealed 4.

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, compare, utf8 } from "./encoding.ts";
import { Failure } from "./failure.ts";

export const ENTRY_SIZE = 13;
const TAG_END = 9; // an entry's first nine bytes, locator and tag, identify it

/** Gives the number of the bucket, of 2^bits, that an entry or an output belongs to. */
export const bucketOf = (e: Uint8Array, bits: number): number => ((e[0]! << 16) | (e[1]! << 8) | e[2]!) >>> (24 - bits);

/** Makes the entry of an output. */
export function sealEntry(output: Uint8Array, locatorBits: number, incident: string, revision: string, set: number): Bytes {
  const h = hmac(sha256, output.subarray(32), utf8(`shirase/v1 entry\0${incident}\0${revision}`));
  const locator = bucketOf(output, locatorBits) << (24 - locatorBits);
  return Uint8Array.of(
    locator >> 16, locator >> 8, locator,
    ...h.subarray(0, 6),
    h[6]! ^ (set >> 8), h[7]! ^ set, h[8]!, h[9]!,
  );
}

/** Looks for an output's entry among sorted entries: its exposure set's number, or undefined where there is none. */
export function findEntry(
  entries: Uint8Array, output: Uint8Array, locatorBits: number, incident: string, revision: string,
): number | undefined {
  const want = sealEntry(output, locatorBits, incident, revision, 0);
  const at = (i: number) => entries.subarray(i * ENTRY_SIZE, (i + 1) * ENTRY_SIZE);
  let low = 0;
  for (let high = entries.length / ENTRY_SIZE; low < high; ) {
    const middle = (low + high) >>> 1;
    if (compare(at(middle), want, TAG_END) < 0) low = middle + 1;
    else high = middle;
  }
  const has = (i: number) => at(i).length > 0 && compare(at(i), want, TAG_END) === 0;
  if (!has(low)) return undefined;
  const e = at(low);
  // Two of them are as wrong as one that does not open: the order of ciphertext must not decide what somebody lost.
  if (e[11] !== want[11] || e[12] !== want[12] || has(low + 1)) throw new Failure("entry", `incident ${incident}: an entry does not open`);
  return ((e[9]! ^ want[9]!) << 8) | (e[10]! ^ want[10]!);
}
