// That a ledger goes on from where it was seen before: the earlier tree's root is
// computed again from tiles (c2sp.org/tlog-tiles) of the later tree, each
// verified under the later root. It mirrors check/history.go.

import { nodeHash } from "./bucket.ts";
import { type Bytes, equal } from "./encoding.ts";
import { Failure } from "./failure.ts";
import type { Checkpoint } from "./tlogproof.ts";

const WIDTH = 256; // hashes of a full tile, which is 8 levels high
const HASH_SIZE = 32;

/** A second history, with what shows it: RFC 6962 section 2.1.2, from the earlier size to the later, with its first hash always. */
export class Fork extends Failure {
  pair: [string, string] | undefined; // the signed checkpoints
  constructor(message: string, readonly consistency: Bytes[] = []) {
    super("fork", message);
  }
}

export type Tree = Pick<Checkpoint, "size" | "root">;

/** Gives what a path such as "tile/0/000.p/6" holds, or undefined where it is not there. */
export type Tiles = (path: string) => Promise<Bytes | undefined>;

/**
 * Proves that one tree is the beginning of another (RFC 6962 section 2.1.2).
 * "fork" where it is not; "rollback" where the later is the smaller;
 * "consistency" where the tiles are not those of the later tree.
 */
export async function extend(before: Tree, now: Tree, get: Tiles): Promise<void> {
  if (now.size < before.size) throw new Failure("rollback", `a ledger of ${now.size} entries, and it had ${before.size}`);
  if (now.size === before.size && !equal(now.root, before.root)) throw new Fork(`two ledgers of ${now.size} entries`);
  if (now.size === before.size || before.size === 0) return;
  const reader = new Reader(now, get);
  await reader.load(before.size);
  if (!equal(reader.rootOf(before.size), before.root)) throw new Fork(`the first ${before.size} entries of the ledger are others`, reader.consistency(before.size));
}

/** A complete subtree: the hash of leaves index·2^level to (index+1)·2^level. */
interface Node {
  level: number;
  index: number;
}

/** Gives the complete subtrees that a tree of a size is made of, the smallest, which is the last, first. */
function peaks(size: number): Node[] {
  const found: Node[] = [];
  for (let level = 0, rest = size; rest > 0; level++, rest = Math.floor(rest / 2)) if (rest % 2 === 1) found.push({ level, index: rest - 1 });
  return found;
}

/** Names a tile by its level of tiles and its number there. */
interface Place {
  level: number;
  number: number;
}

const placeOf = ({ level, index }: Node): Place =>
  ({ level: Math.floor(level / 8), number: Math.floor((index * 2 ** (level % 8)) / WIDTH) });

class Reader {
  private readonly tiles = new Map<string, Bytes[]>();

  constructor(private readonly tree: Tree, private readonly get: Tiles) {}

  /** Fetches and verifies all tiles that the peaks of a smaller tree lie in. */
  async load(size: number): Promise<void> {
    const wanted = new Map<string, Place>();
    const want = (place: Place): void => {
      if (this.width(place) === 0 || wanted.has(this.path(place))) return;
      wanted.set(this.path(place), place);
      if (this.width(place) === WIDTH) want(above(place));
    };
    for (const node of [...peaks(this.tree.size), ...peaks(size)]) want(placeOf(node));
    await Promise.all([...wanted].map(async ([path, place]) => this.tiles.set(path, await this.fetch(place))));
    // Every hash of a partial tile is below a peak, and every full tile has its hash in the one above.
    if (!equal(this.rootOf(this.tree.size), this.tree.root)) throw new Failure("consistency", "the tiles are of another tree");
    for (const [path, place] of wanted) {
      if (this.width(place) < WIDTH) continue;
      const { level, number } = above(place);
      const parent = this.tiles.get(this.path({ level, number }));
      const hash = parent?.[place.number % WIDTH];
      if (hash === undefined || !equal(fold(this.tiles.get(path)!), hash)) throw new Failure("consistency", "a tile is not of this tree");
    }
  }

  /** Gives the root of the tree's first leaves, so many. */
  rootOf(size: number): Bytes {
    return peaks(size).map((node) => this.hash(node)).reduce((right, left) => nodeHash(left, right));
  }

  /** Gives the hashes from which the root of the tree's first leaves, so many, follows together with the tree's own. */
  consistency(size: number): Bytes[] {
    const whole = isPower(size) ? [this.rootOf(size)] : [];
    return [...whole, ...this.subproof(size, 0, this.tree.size, true)];
  }

  /** RFC 6962 section 2.1.2, of the leaves from, up to and without to. */
  private subproof(size: number, from: number, to: number, whole: boolean): Bytes[] {
    if (size === to - from) return whole ? [] : [this.range(from, to)];
    const middle = from + split(to - from);
    return size <= middle - from ?
      [...this.subproof(size, from, middle, whole), this.range(middle, to)] :
      [...this.subproof(size - (middle - from), middle, to, false), this.range(from, middle)];
  }

  private range(from: number, to: number): Bytes {
    if (isPower(to - from)) return this.hash({ level: Math.round(Math.log2(to - from)), index: from / (to - from) });
    const middle = from + split(to - from);
    return nodeHash(this.range(from, middle), this.range(middle, to));
  }

  private hash(node: Node): Bytes {
    const tile = this.tiles.get(this.path(placeOf(node)))!;
    const n = 2 ** (node.level % 8);
    const from = (node.index * n) % WIDTH;
    return fold(tile.slice(from, from + n));
  }

  /** Gives how many hashes a tile holds in this tree. */
  private width({ level, number }: Place): number {
    return Math.max(0, Math.min(WIDTH, Math.floor(this.tree.size / WIDTH ** level) - number * WIDTH));
  }

  private path(place: Place): string {
    const width = this.width(place);
    return tilePath(place) + (width < WIDTH ? `.p/${width}` : "");
  }

  /** Fetches a tile in the width that it has in this tree. A log may drop partial tiles where there is the full one. */
  private async fetch(place: Place): Promise<Bytes[]> {
    const width = this.width(place);
    const body = (await this.get(this.path(place))) ?? (width < WIDTH ? await this.full(place, width) : undefined);
    if (body?.length !== width * HASH_SIZE) throw new Failure("consistency", "a tile is missing, or has another length");
    return Array.from({ length: width }, (_, i) => body.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE));
  }

  private async full(place: Place, width: number): Promise<Bytes | undefined> {
    const body = await this.get(tilePath(place));
    return body?.length === WIDTH * HASH_SIZE ? body.subarray(0, width * HASH_SIZE) : undefined;
  }
}

/** Gives the largest power of two below n. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

const isPower = (n: number): boolean => n === 1 || split(n) * 2 === n;

const above = ({ level, number }: Place): Place => ({ level: level + 1, number: Math.floor(number / WIDTH) });

/** Gives the hash over a number of hashes that is a power of two. */
function fold(hashes: Bytes[]): Bytes {
  let level = hashes;
  while (level.length > 1) level = Array.from({ length: level.length / 2 }, (_, i) => nodeHash(level[2 * i]!, level[2 * i + 1]!));
  return level[0]!;
}

/** Gives a full tile's path: its number in groups of three digits, all but the last with an x before them. */
function tilePath({ level, number }: Place): string {
  const groups = String(number).padStart(Math.ceil(String(number).length / 3) * 3, "0").match(/.{3}/g)!;
  return `tile/${level}/${groups.map((g, i) => (i < groups.length - 1 ? `x${g}` : g)).join("/")}`;
}
