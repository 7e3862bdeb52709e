// Groups of neighbouring buckets, and how many bits of an output all requests
// together show: the fewer, the more identities look alike. It mirrors
// check/group.go.

import { type Bucket, bucketName, bucketSize, parseBucket } from "./bucket.ts";
import { type Bytes, concat } from "./encoding.ts";
import { bucketOf, ENTRY_SIZE } from "./entry.ts";
import { Failure } from "./failure.ts";
import type { Hash, Layer } from "./statement.ts";

export const CAP_BITS = 16; // that all keys together may show
export const RAISED_BITS = 20; // where the verifier says so
export const MAX_GROUP = 32 << 20; // bytes of a response, and of those of all layers together
export const MAX_KEPT = 42 << 20; // bytes of all groups without padding: a file that holds them can be read
const WHOLE_KEY = 512 << 10; // bytes of a key's layers that are fetched whole

/** What of a Layer decides the depths. */
export type Extent = Pick<Layer, "id" | "key" | "n" | "bits" | "pad">;

const groupSize = (l: Pick<Extent, "bits" | "pad">, depth: number): number => l.pad * 2 ** (l.bits - depth);

/**
 * Gives for each layer how many leading bits of an output are shown: those that
 * all buckets of the group asked for share.
 */
export function depths(layers: Extent[], limit = CAP_BITS): Map<Hash, number> {
  const sizes = new Map<string, number>(); // of all layers of a key
  for (const l of layers) sizes.set(l.key, (sizes.get(l.key) ?? 0) + groupSize(l, 0));
  const large = (key: string) => sizes.get(key)! > WHOLE_KEY;
  const keys = [...sizes.keys()].filter(large).length;
  const largest = layers.reduce((n, l) => Math.max(n, l.n), 0);
  const budget = Math.min(limit, Math.max(0, largest.toString(2).length - 11));
  let all = 0;
  return new Map(layers.map((l) => {
    const depth = large(l.key) ? Math.min(l.bits, Math.floor(budget / keys)) : 0;
    all += groupSize(l, depth);
    if (all > MAX_GROUP) throw new Failure("too-coarse", `${depth} of ${l.bits} bits of layer ${l.id}`);
    return [l.id, depth];
  }));
}

/** A verified group: all buckets whose numbers begin with the same bits. */
export interface Group {
  depth: number; // how many bits they share
  bits: number; // the layer has 2^bits buckets
  buckets: Bucket[];
}

/** Gives a group's address below its layer's. */
export const groupName = (depth: number, number: number): string => `groups/${depth}/${bucketName(number, depth)}`;

/** Gives the entries of the bucket that an output belongs to, which is in the group. */
export const entriesFor = (g: Group, output: Uint8Array): Bytes =>
  g.buckets[bucketOf(output, g.bits) % g.buckets.length]!.entries;

/** Gives the group as an answer file keeps it: the buckets without padding, one after the other. */
export const groupBytes = (g: Group): Bytes => concat(...g.buckets.map((b) => b.bytes));

/** Gives how many bytes groupBytes has. */
export const keptSize = (g: Group): number => g.buckets.reduce((sum, b) => sum + b.bytes.length, 0);

/** Gives those of the group's entries that begin as an output does, by so many bits. */
export function entriesLike(g: Group, output: Uint8Array, bits: number): Bytes[] {
  const like: Bytes[] = [];
  for (const { entries } of g.buckets) {
    for (let i = 0; i < entries.length; i += ENTRY_SIZE) {
      const entry = entries.subarray(i, i + ENTRY_SIZE);
      if (bucketOf(entry, bits) === bucketOf(output, bits)) like.push(entry);
    }
  }
  return like;
}

/** Reads the response to a group, and verifies each of its buckets. pad is the exact length of each; 0 takes any, the same for all. */
export function parseGroup(body: Bytes, number: number, depth: number, root: Uint8Array, bits: number, pad: number): Group {
  const n = 2 ** (bits - depth);
  const each = pad || Math.floor(body.length / n);
  if (body.length !== n * each) throw new Failure("bucket", `length: ${body.length} bytes are not ${n} buckets`);
  const buckets = Array.from({ length: n }, (_, i) =>
    parseBucket(body.subarray(i * each, (i + 1) * each), number * n + i, root, bits, pad));
  return { depth, bits, buckets };
}

/** Reads a group as an answer file keeps it. pad, where it is not 0, is the most that each bucket may take. */
export function parseSaved(body: Bytes, number: number, depth: number, root: Uint8Array, bits: number, pad: number): Group {
  const n = 2 ** (bits - depth);
  const buckets: Bucket[] = [];
  let rest = body;
  while (buckets.length < n) {
    const size = rest.length < 4 ? Infinity : bucketSize(new DataView(rest.buffer, rest.byteOffset).getUint32(0), bits);
    if (size > rest.length || (pad > 0 && size > pad)) throw new Failure("bucket", "its length is not what its counts say");
    buckets.push(parseBucket(rest.subarray(0, size), number * n + buckets.length, root, bits, 0));
    rest = rest.subarray(size);
  }
  if (rest.length > 0) throw new Failure("bucket", "its length is not what its counts say");
  return { depth, bits, buckets };
}
