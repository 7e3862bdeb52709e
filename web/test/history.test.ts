import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concat, toHex, utf8 } from "../src/encoding.ts";
import { extend, Fork } from "../src/history.ts";
import { Failure } from "../src/failure.ts";
import { hex, vectors } from "./vectors.ts";

const leaves = Array.from({ length: 1100 }, (_, i) => sha256(concat(Uint8Array.of(0), utf8(`entry ${i}`))) as Bytes);
const node = (l: Uint8Array, r: Uint8Array) => sha256(concat(Uint8Array.of(1), l, r)) as Bytes;

/** RFC 6962 section 2.1, as it is written there. */
function mth(of: Bytes[]): Bytes {
  if (of.length === 1) return of[0]!;
  let k = 1;
  while (k * 2 < of.length) k *= 2;
  return node(mth(of.slice(0, k)), mth(of.slice(k)));
}

const tree = (size: number, of = leaves) => ({ size, root: mth(of.slice(0, size)) });

/** A log's tiles, and what was asked of it. */
class Log {
  asked: string[] = [];
  bytes = 0;
  pruned = false; // partial tiles of what is full now
  lie: (path: string, tile: Bytes) => Bytes | undefined = (_, tile) => tile;

  constructor(private readonly size: number, private readonly of = leaves) {}

  readonly get = async (path: string): Promise<Bytes | undefined> => {
    this.asked.push(path);
    const [, level, number, width] = /^tile\/(\d)\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d+))?$/.exec(path)!;
    const n = Number(number!.replace(/[x/]/g, ""));
    const each = 256 ** Number(level);
    const has = Math.min(256, Math.floor(this.size / each) - n * 256);
    const w = width === undefined ? 256 : Number(width);
    if (w > has || (this.pruned && width !== undefined && has === 256)) return undefined;
    const hashes = Array.from({ length: w }, (_, i) => mth(this.of.slice((n * 256 + i) * each, (n * 256 + i + 1) * each)));
    const tile = this.lie(path, concat(...hashes));
    this.bytes += tile?.length ?? 0;
    return tile;
  };
}

async function failsWith(code: string, promise: Promise<unknown>, what?: string): Promise<void> {
  assert.equal(await promise.then(() => "nothing", (e) => (e instanceof Failure ? e.code : e)), code, what);
}

test("any tree goes on from any earlier one", async () => {
  const sizes = [1, 2, 3, 7, 8, 200, 255, 256, 257, 300, 511, 512, 513, 700, 768, 1000, 1023, 1024, 1025, 1100];
  for (const now of sizes) {
    for (const before of sizes.filter((s) => s < now)) {
      const log = new Log(now);
      await extend(tree(before), tree(now), log.get);
      // No request tells how far this client had come: each has the width of the tree as it is now.
      for (const path of log.asked) assert.match(path, new RegExp(`^tile/(\\d/\\d{3}|0/00${Math.floor(now / 256)}.p/${now % 256}|1/000.p/${Math.floor(now / 256)})$`));
      const other = [...leaves];
      other[before - 1] = leaves[before]!;
      await failsWith("fork", extend({ size: before, root: tree(before, other).root }, tree(now), new Log(now).get), `${before} of ${now}`);
    }
  }
});

test("a fork comes with the hashes that show it (RFC 6962 section 2.1.2)", async () => {
  /** The roots of both trees, as they follow from a proof (RFC 9162 section 2.1.4.2). */
  const roots = (proof: Bytes[], first: number, second: number): [Bytes, Bytes] => {
    let [fn, sn] = [first - 1, second - 1];
    while (fn % 2 === 1) [fn, sn] = [(fn - 1) / 2, Math.floor(sn / 2)];
    let [fr, sr] = [proof[0]!, proof[0]!];
    for (const c of proof.slice(1)) {
      assert.notEqual(sn, 0);
      if (fn % 2 === 1 || fn === sn) {
        [fr, sr] = [node(c, fr), node(c, sr)];
        while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
      } else sr = node(sr, c);
      [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    }
    assert.equal(sn, 0);
    return [fr, sr];
  };
  for (const [before, now] of [[1, 2], [3, 4], [4, 7], [6, 300], [255, 256], [256, 257], [300, 1100], [511, 1024], [512, 1000], [1024, 1100]] as const) {
    const wrong = { size: before, root: leaves[0]!.map((b) => b ^ 1) as Bytes };
    const fork = await extend(wrong, tree(now), new Log(now).get).then(() => undefined, (e) => e);
    assert.ok(fork instanceof Fork);
    assert.deepEqual(roots(fork.consistency, before, now), [tree(before).root, tree(now).root], `${before} of ${now}`);
  }
});

test("a gap of 400 takes few requests", async () => {
  const log = new Log(1100);
  await extend(tree(700), tree(1100), log.get);
  assert.deepEqual(log.asked.sort(), ["tile/0/002", "tile/0/004.p/76", "tile/1/000.p/4"]);
  assert.equal(log.bytes, (256 + 76 + 4) * 32);
});

test("two histories are a fork, a smaller tree a rollback", async () => {
  const other = leaves.map((l, i) => (i === 100 ? leaves[0]! : l));
  const none = async () => assert.fail("nothing is asked");
  await extend(tree(300), tree(300), none);
  await failsWith("fork", extend(tree(300), tree(300, other), none));
  await failsWith("rollback", extend(tree(300), tree(299), none));
  await failsWith("rollback", extend(tree(300), tree(6, other), none));
  await failsWith("fork", extend(tree(300), tree(301, other), new Log(301, other).get));
  await failsWith("fork", extend(tree(300), tree(1000, other), new Log(1000, other).get));
});

test("tiles that are not those of the later tree prove nothing", async () => {
  const other = leaves.map((l, i) => (i === 100 ? leaves[0]! : l));
  await failsWith("consistency", extend(tree(300), tree(1000), new Log(1000, other).get));
  await failsWith("consistency", extend(tree(300), tree(1000, other), new Log(1000).get));
  for (const { path } of [{ path: "tile/0/001" }, { path: "tile/1/000.p/3" }, { path: "tile/0/003.p/232" }]) {
    for (const lie of [
      (t: Bytes) => t.map((b, i) => (i === 40 ? b ^ 1 : b)) as Bytes, (t: Bytes) => t.slice(32) as Bytes, () => undefined, () => new Uint8Array(0),
    ]) {
      const log = new Log(1000);
      log.lie = (p, tile) => (p === path ? lie(tile) : tile);
      await failsWith("consistency", extend(tree(300), tree(1000), log.get), path);
    }
  }
});

test("where a partial tile is gone the full one is asked", async () => {
  const log = new Log(1024); // full meanwhile
  log.pruned = true;
  await extend(tree(300), tree(1000), log.get);
  assert.deepEqual(log.asked.sort(), ["tile/0/001", "tile/0/003", "tile/0/003.p/232", "tile/1/000.p/3"]);
});

test("numbers of tiles beyond 999", async () => {
  const asked: string[] = [];
  await failsWith("consistency", extend({ size: 2 ** 40 + 5, root: leaves[0]! }, { size: 2 ** 40 + 2 ** 30, root: leaves[1]! }, async (path) => {
    asked.push(path);
    return new Uint8Array(0);
  }));
  assert.deepEqual(asked.sort(), ["tile/0/x004/x294/x967/296", "tile/1/x016/x777/216", "tile/2/x065/536", "tile/3/256.p/64", "tile/5/000.p/1"]);
});

test("the tiles that are asked for, and what they show, are the vectors'", async () => {
  const all = Array.from({ length: 66_000 }, (_, i) => sha256(concat(Uint8Array.of(0), utf8(`entry ${i}`))) as Bytes);
  for (const v of vectors("check/testdata/history.json").vectors) {
    const log = new Log(v.now.size, all);
    log.pruned = true; // so does the log of the vectors' author: what is asked for is there
    log.lie = (path, tile) => {
      if (path === v.missing) return undefined;
      if (path === v.changed) return concat(Uint8Array.of(tile[0]! ^ 1), tile.subarray(1));
      return tile;
    };
    const came = extend({ size: v.before.size, root: hex(v.before.root) }, { size: v.now.size, root: hex(v.now.root) }, log.get);
    const outcome = await came.then(() => undefined, (e) => e);
    assert.equal(outcome instanceof Failure ? outcome.code : outcome, v.error, v.name);
    if (v.consistency) assert.deepEqual(outcome.consistency.map(toHex), v.consistency, v.name);
    assert.deepEqual([...log.asked].sort(), v.tiles, v.name);
  }
});
